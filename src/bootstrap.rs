//! The first start: what a new database gets, so that the first token is one command away. Printed
//! once; of the secrets only hashes are kept.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::clock::Timestamp;
use crate::config::Issuer;
use crate::credential::{Credential, new_id};
use crate::error::Error;
use crate::guard::{Password, Passwords};
use crate::manage::actor::{Actor, ClientsWrite, ResourcesWrite, UsersWrite};
use crate::manage::client::{self, NewClient};
use crate::manage::resource_server;
use crate::manage::user;
use crate::scope::Scope;
use crate::store::client::AuthMethod;
use crate::store::{Store, account};

/// What was made.
pub struct Bootstrap {
    resource: String,
    introspection_id: String,
    introspection_secret: Credential,
    client_id: String,
    client_secret: Credential,
    api_key: Credential,
    scope: Scope,
    /// Of the first operator: as good as a person's, and to be changed by one.
    password: String,
}

/// What the first operator signs in with.
const OPERATOR: &str = "operator@keyward.local";

/// Fills a new database. `None` where it is not new.
///
/// # Errors
/// Where the database gave no answer.
pub async fn bootstrap(store: &Arc<Store>, now: Timestamp) -> Result<Option<Bootstrap>, Error> {
    let fault = |_| Error::server_error("the first scope is no scope");
    let scope: Scope = "read write".parse().map_err(fault)?;
    let operator = Arc::new(Actor::command_line());
    let (make_resources, make_clients) = (operator.may(ResourcesWrite)?, operator.may(ClientsWrite)?);
    let new_password = new_id();
    let password = Password::new(new_password.clone()).map_err(Error::server_error)?;
    let hash = Passwords::default().hash(password).await?;
    let manage_users = operator.may(UsersWrite)?;
    store
        .write(now, move |transaction| {
            // Under the lock: of nodes that start at once, one makes it.
            if account::any(transaction.database())? {
                return Ok(None);
            }
            user::insert_operator(transaction, &manage_users, OPERATOR, hash.clone(), now)?;
            let identifier = "https://api.example.com".to_owned();
            let resource =
                resource_server::insert(transaction, &make_resources, identifier, "Example API".to_owned(), scope.clone(), now)?;
            let new = NewClient {
                name: "First application".to_owned(),
                account: None,
                scope: scope.clone(),
                resources: vec![resource.server.identifier.clone()],
                may_introspect: false,
                auth_method: AuthMethod::ClientSecretBasic,
                jwks: None,
            };
            let made = client::insert(transaction, &make_clients, new, now)?;
            Ok(Some(Bootstrap {
                resource: resource.server.identifier,
                introspection_id: resource.server.client_id,
                introspection_secret: resource.secret,
                client_id: made.client.client_id,
                client_secret: made.secret.ok_or_else(|| Error::server_error("no secret was made"))?,
                api_key: made.api_key,
                scope: scope.clone(),
                password: new_password.clone(),
            }))
        })
        .await
}

impl Bootstrap {
    /// What was made, for programs.
    pub fn document(&self) -> Value {
        json!({
            "client_id": self.client_id,
            "client_secret": self.client_secret.expose(),
            "api_key": self.api_key.expose(),
            "scope": self.scope,
            "operator": {"email": OPERATOR, "password": self.password},
            "resource": {
                "identifier": self.resource,
                "client_id": self.introspection_id,
                "client_secret": self.introspection_secret.expose(),
            },
        })
    }

    /// What is printed: with commands that work as they stand.
    pub fn text(&self, issuer: &Issuer) -> String {
        let (token, introspect) = (issuer.endpoint("/oauth/token"), issuer.endpoint("/oauth/introspect"));
        let (keys, portal) = (issuer.endpoint("/.well-known/jwks.json"), issuer.endpoint("/portal"));
        let Bootstrap { resource, introspection_id, client_id, scope, password, .. } = self;
        let (secret, introspection_secret) = (self.client_secret.expose(), self.introspection_secret.expose());
        let api_key = self.api_key.expose();
        format!(
            r#"
This database is new. These are shown this once:

  A client, which may ask for "{scope}" at {resource}
    client_id      {client_id}
    client_secret  {secret}
    API key        {api_key}

  The resource server {resource}, which introspects with
    client_id      {introspection_id}
    client_secret  {introspection_secret}

  An operator
    email          {OPERATOR}
    password       {password}

Open the portal, and sign in as the operator:

  {portal}

Get a token:

  curl -u {client_id}:{secret} -d grant_type=client_credentials {token}

Get one and ask, as the resource server, whether it is in force:

  TOKEN=$(curl -s -u {client_id}:{secret} -d grant_type=client_credentials {token} | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
  curl -u {introspection_id}:{introspection_secret} -d token=$TOKEN {introspect}

The same for the API key:

  curl -u {introspection_id}:{introspection_secret} -d token={api_key} {introspect}

The keys to verify tokens with, offline:

  curl {keys}

"#
        )
    }
}
