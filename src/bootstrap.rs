//! The first start: what a new database gets, so that the first token is one command away. Printed
//! once; of the secrets only hashes are kept.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::clock::Timestamp;
use crate::config::{Issuer, Secret};
use crate::credential::{Credential, new_id};
use crate::crypto::password::{Password, Passwords};
use crate::error::Error;
use crate::manage::actor::{Actor, ClientsWrite, ResourcesWrite, UsersWrite};
use crate::manage::client::{self as manage_client, NewClient};
use crate::manage::resource_server::{self as manage_resource_server, NewResourceServer, TokenTyp};
use crate::manage::user as manage_user;
use crate::scope::Scope;
use crate::store::client::{self, AuthMethod};
use crate::store::{Database, Store, StoreError, account, audit, resource_server, user};

/// What was made.
pub struct Bootstrap {
    resource: String,
    introspection_id: String,
    introspection_secret: Credential,
    client_id: String,
    client_secret: Credential,
    api_key: Credential,
    scope: Scope,
    email: String,
    /// The operator's, where it was made here.
    new_password: Option<String>,
}

/// Whom the first start makes to sign in to the portal.
pub struct FirstOperator {
    email: String,
    password: Password,
    new_password: Option<String>,
}

impl FirstOperator {
    /// With the password that is set, or else with a random one.
    ///
    /// # Errors
    /// Where the e-mail address or the password cannot be one; the error names the setting.
    pub fn new(email: &str, password: Option<&Secret>) -> Result<Self, Error> {
        let email = manage_user::check_email(email).map_err(|error| {
            Error::server_error(error.reason().to_owned()).field("operator_email")
        })?;
        let new_password = password.is_none().then(new_id);
        let password = match (&new_password, password) {
            (None, Some(chosen)) => Password::choose(chosen.expose().to_owned(), &[&email])
                .map_err(|weakness| {
                    Error::server_error(weakness.description()).field("operator_password")
                })?,
            (generated, _) => Password::generated(generated.clone().unwrap_or_default()),
        };
        Ok(FirstOperator {
            email,
            password,
            new_password,
        })
    }
}

/// Whether nothing was made in this database yet.
///
/// # Errors
/// Where the database gave no answer.
pub async fn is_new(store: &Arc<Store>) -> Result<bool, Error> {
    Ok(!store.read(is_used).await?)
}

/// Whether anybody has made or changed anything. What Keyward does by itself does not count.
fn is_used(database: &mut Database) -> Result<bool, StoreError> {
    Ok(account::any(database)?
        || user::any(database)?
        || client::any(database)?
        || resource_server::any(database)?
        || audit::any_by_others(database)?)
}

/// Fills a new database. `None` where it is not new. `keep` brings the secrets to where they can be read; where it
/// fails, nothing is made. It is called again where the database has to be asked again.
///
/// # Errors
/// Where the database gave no answer, and of `keep`.
pub async fn bootstrap(
    store: &Arc<Store>,
    first: FirstOperator,
    keep: impl Fn(&Bootstrap) -> Result<(), Error> + Send + 'static,
    now: Timestamp,
) -> Result<Option<Bootstrap>, Error> {
    let fault = |_| Error::server_error("the first scope is no scope");
    let scope: Scope = "read write".parse().map_err(fault)?;
    let operator = Arc::new(Actor::command_line(now));
    let (make_resources, make_clients) =
        (operator.may(ResourcesWrite)?, operator.may(ClientsWrite)?);
    let FirstOperator {
        email,
        password,
        new_password,
    } = first;
    let hash = Passwords::default().hash(password).await?;
    let manage_users = operator.may(UsersWrite)?;
    store
        .write(now, move |transaction| {
            // Under the lock: of nodes that start at once, one makes it.
            if is_used(transaction.database())? {
                return Ok(None);
            }
            manage_user::insert_operator(transaction, &manage_users, &email, hash.clone())?;
            let new = NewResourceServer {
                identifier: "https://api.example.com".to_owned(),
                name: "Example API".to_owned(),
                scope: scope.clone(),
                token_typ: TokenTyp::default(),
            };
            let resource = manage_resource_server::insert(transaction, &make_resources, new)?;
            let new = NewClient {
                name: "First application".to_owned(),
                account: None,
                scope: scope.clone(),
                resources: vec![resource.server.identifier.clone()],
                may_introspect: false,
                auth_method: AuthMethod::ClientSecretBasic,
                jwks: None,
            };
            let made = manage_client::insert(transaction, &make_clients, new)?;
            let bootstrap = Bootstrap {
                resource: resource.server.identifier,
                introspection_id: resource.server.client_id,
                introspection_secret: resource.secret,
                client_id: made.client.client_id,
                client_secret: made
                    .secret
                    .ok_or_else(|| Error::server_error("no secret was made"))?,
                api_key: made.api_key,
                scope: scope.clone(),
                email: email.clone(),
                new_password: new_password.clone(),
            };
            keep(&bootstrap)?;
            Ok(Some(bootstrap))
        })
        .await
}

impl Bootstrap {
    /// What was made, for programs.
    pub fn document(&self) -> Value {
        let mut document = self.document_without_secrets();
        document["client_secret"] = json!(self.client_secret.expose());
        document["api_key"] = json!(self.api_key.expose());
        document["resource"]["client_secret"] = json!(self.introspection_secret.expose());
        if let Some(password) = &self.new_password {
            document["operator"]["password"] = json!(password);
        }
        document
    }

    /// What of it may be in a log.
    pub fn document_without_secrets(&self) -> Value {
        json!({
            "client_id": self.client_id,
            "scope": self.scope,
            "operator": {"email": self.email},
            "resource": {"identifier": self.resource, "client_id": self.introspection_id},
        })
    }

    /// What somebody needs who has not got the secrets: commands that make new ones.
    pub fn recovery(&self) -> String {
        format!(
            "keyward user set-password {}, and for the first client: keyward secret create {}",
            self.email, self.client_id
        )
    }

    /// What was made, with commands that work when pasted.
    pub fn text(&self, issuer: &Issuer) -> String {
        let (base, portal) = (issuer.endpoint(""), issuer.endpoint("/portal"));
        let Bootstrap {
            resource,
            introspection_id,
            client_id,
            scope,
            email,
            ..
        } = self;
        let (secret, introspection_secret) = (
            self.client_secret.expose(),
            self.introspection_secret.expose(),
        );
        let api_key = self.api_key.expose();
        let password = self
            .new_password
            .as_deref()
            .unwrap_or("the one that is set as operator_password");
        format!(
            r#"
This database is new. What follows is shown this once.

The portal, for the operator:

  {portal}
  e-mail    {email}
  password  {password}

A client that may ask for "{scope}" at {resource},
its API key, and the client with which that resource server introspects:

  export KEYWARD={base}
  export CLIENT_ID={client_id}
  export CLIENT_SECRET={secret}
  export API_KEY={api_key}
  export RESOURCE_ID={introspection_id}
  export RESOURCE_SECRET={introspection_secret}

With these in the shell, get a token:

  curl -u $CLIENT_ID:$CLIENT_SECRET $KEYWARD/oauth/token \
    -d grant_type=client_credentials

Get one and ask, as the resource server, whether it is active:

  TOKEN=$(curl -s -u $CLIENT_ID:$CLIENT_SECRET $KEYWARD/oauth/token \
    -d grant_type=client_credentials |
    sed 's/.*"access_token":"\([^"]*\)".*/\1/')
  curl -u $RESOURCE_ID:$RESOURCE_SECRET $KEYWARD/oauth/introspect \
    -d token=$TOKEN

The same for the API key:

  curl -u $RESOURCE_ID:$RESOURCE_SECRET $KEYWARD/oauth/introspect \
    -d token=$API_KEY

The keys to verify tokens with, offline:

  curl $KEYWARD/.well-known/jwks.json

"#
        )
    }
}
