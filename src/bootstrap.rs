//! The first start: creates an operator, an account, a resource server and a client in a new database, so that
//! the first token is one command away. The secrets are shown once; only their hashes are stored.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::clock::Timestamp;
use crate::config::Issuer;
use crate::credential::{Credential, new_id};
use crate::crypto::password::{Password, Passwords};
use crate::error::Error;
use crate::manage::actor::{Actor, ClientsWrite, ResourcesWrite, UsersWrite};
use crate::manage::client::{self as manage_client, NewClient};
use crate::manage::resource_server::{
    self as manage_resource_server, NewResourceServer, TokenFormat,
};
use crate::manage::user as manage_user;
use crate::scope::Scope;
use crate::secret::SecretString;
use crate::store::client::{self, AuthMethod};
use crate::store::security_profile::SecurityProfile;
use crate::store::{Database, Store, StoreError, account, audit, resource_server, user};

/// What the first start created, with the secrets in clear.
pub struct Bootstrap {
    resource: String,
    introspection_id: String,
    introspection_secret: Credential,
    client_id: String,
    client_secret: Credential,
    api_key: Credential,
    scope: Scope,
    email: String,
    /// The password of the operator, if it was generated.
    new_password: Option<SecretString>,
}

/// The operator that the first start creates.
pub struct FirstOperator {
    email: String,
    password: Password,
    new_password: Option<SecretString>,
}

impl FirstOperator {
    /// An operator with the given password, or else with a generated one.
    ///
    /// # Errors
    /// An invalid e-mail address or a weak password; the error names the setting.
    pub fn new(email: &str, password: Option<&SecretString>) -> Result<Self, Error> {
        let email = manage_user::check_email(email).map_err(|error| {
            Error::server_error(error.reason().to_owned()).field("operator_email")
        })?;
        let new_password = password.is_none().then(|| SecretString::new(new_id()));
        let password = match (&new_password, password) {
            (None, Some(chosen)) => {
                Password::choose(chosen.clone(), &[&email]).map_err(|weakness| {
                    let refused = Error::from(weakness);
                    Error::server_error(refused.description()).field("operator_password")
                })?
            }
            (generated, _) => Password::generated(generated.clone().unwrap_or_default()),
        };
        Ok(FirstOperator {
            email,
            password,
            new_password,
        })
    }
}

/// Whether the database is new: nobody has created anything in it.
///
/// # Errors
/// The database did not answer.
pub async fn is_new(store: &Arc<Store>) -> Result<bool, Error> {
    Ok(!store.read(is_used).await?)
}

/// Whether anyone has created or changed anything. What Keyward does by itself does not count.
fn is_used(database: &mut Database) -> Result<bool, StoreError> {
    Ok(account::any(database)?
        || user::any(database)?
        || client::any(database)?
        || resource_server::any(database)?
        || audit::any_by_others(database)?)
}

/// Creates the first objects in a new database; returns `None` if it is not new.
///
/// `write_secrets` stores the secrets where the operator can read them, before the transaction commits; if it
/// fails, nothing is created. It is called again if the transaction is retried.
///
/// # Errors
/// The database did not answer, or `write_secrets` failed.
pub async fn bootstrap(
    store: &Arc<Store>,
    first: FirstOperator,
    write_secrets: impl Fn(&Bootstrap) -> Result<(), Error> + Send + 'static,
    now: Timestamp,
) -> Result<Option<Bootstrap>, Error> {
    let invalid = |_| Error::server_error("the scope of the first client is invalid");
    let scope: Scope = "read write".parse().map_err(invalid)?;
    let operator = Arc::new(Actor::command_line(now));
    let resources_write = operator.may(ResourcesWrite)?;
    let clients_write = operator.may(ClientsWrite)?;
    let users_write = operator.may(UsersWrite)?;
    let FirstOperator {
        email,
        password,
        new_password,
    } = first;
    let hash = Passwords::default().hash(password).await?;
    store
        .write(now, move |transaction| {
            // Under the write lock: of several nodes that start at the same time, one bootstraps.
            if is_used(transaction.database())? {
                return Ok(None);
            }
            manage_user::insert_operator(transaction, &users_write, &email, hash.clone())?;
            let new = NewResourceServer {
                identifier: "https://api.example.com".to_owned(),
                name: "Example API".to_owned(),
                scope: scope.clone(),
                token_format: TokenFormat::default(),
            };
            let resource = manage_resource_server::insert(transaction, &resources_write, new)?;
            let new = NewClient {
                name: "First application".to_owned(),
                account: None,
                scope: scope.clone(),
                resources: vec![resource.server.identifier.clone()],
                may_introspect: false,
                auth_method: AuthMethod::ClientSecretBasic,
                jwks: None,
                dpop_bound_access_tokens: false,
                profile: SecurityProfile::None,
            };
            let created = manage_client::insert(transaction, &clients_write, new)?;
            let bootstrap = Bootstrap {
                resource: resource.server.identifier,
                introspection_id: resource.server.client_id,
                introspection_secret: resource.secret,
                client_id: created.client.client_id,
                client_secret: created
                    .secret
                    .ok_or_else(|| Error::server_error("the client has no secret"))?,
                api_key: created
                    .api_key
                    .ok_or_else(|| Error::server_error("the client has no API key"))?,
                scope: scope.clone(),
                email: email.clone(),
                new_password: new_password.clone(),
            };
            write_secrets(&bootstrap)?;
            Ok(Some(bootstrap))
        })
        .await
}

impl Bootstrap {
    /// The created objects with their secrets, as JSON.
    pub fn document(&self) -> Value {
        let mut document = self.document_without_secrets();
        document["client_secret"] = json!(self.client_secret.expose());
        document["api_key"] = json!(self.api_key.expose());
        document["resource"]["client_secret"] = json!(self.introspection_secret.expose());
        if let Some(password) = &self.new_password {
            document["operator"]["password"] = json!(password.expose());
        }
        document
    }

    /// The created objects without secrets, which may appear in a log.
    pub fn document_without_secrets(&self) -> Value {
        json!({
            "client_id": self.client_id,
            "scope": self.scope,
            "operator": {"email": self.email},
            "resource": {"identifier": self.resource, "client_id": self.introspection_id},
        })
    }

    /// The commands that replace the secrets, for when they are lost.
    pub fn recovery(&self) -> String {
        format!(
            "keyward user set-password {}, and for the first client: keyward secret create {}",
            self.email, self.client_id
        )
    }

    /// The created objects with their secrets, as text with commands to paste into a shell.
    pub fn text(&self, issuer: &Issuer) -> String {
        let base = issuer.endpoint("");
        let portal = issuer.endpoint("/portal");
        let Bootstrap {
            resource,
            introspection_id,
            client_id,
            scope,
            email,
            ..
        } = self;
        let secret = self.client_secret.expose();
        let introspection_secret = self.introspection_secret.expose();
        let api_key = self.api_key.expose();
        let password = self
            .new_password
            .as_ref()
            .map_or("as set in operator_password", SecretString::expose);
        format!(
            r#"
This database is new. The following secrets are shown only once.

Sign in to the portal as operator:

  {portal}
  e-mail    {email}
  password  {password}

A client with the scope "{scope}" for {resource}, its API key,
and the client of that resource server for introspection:

  export KEYWARD={base}
  export CLIENT_ID={client_id}
  export CLIENT_SECRET={secret}
  export API_KEY={api_key}
  export RESOURCE_ID={introspection_id}
  export RESOURCE_SECRET={introspection_secret}

Get a token:

  curl -u $CLIENT_ID:$CLIENT_SECRET $KEYWARD/oauth/token \
    -d grant_type=client_credentials

Introspect a token, as the resource server:

  TOKEN=$(curl -s -u $CLIENT_ID:$CLIENT_SECRET $KEYWARD/oauth/token \
    -d grant_type=client_credentials |
    sed 's/.*"access_token":"\([^"]*\)".*/\1/')
  curl -u $RESOURCE_ID:$RESOURCE_SECRET $KEYWARD/oauth/introspect \
    -d token=$TOKEN

Introspect the API key:

  curl -u $RESOURCE_ID:$RESOURCE_SECRET $KEYWARD/oauth/introspect \
    -d token=$API_KEY

The public keys to verify tokens offline:

  curl $KEYWARD/.well-known/jwks.json

"#
        )
    }
}
