//! Resource servers: the APIs that accept tokens and keys.

use std::sync::Arc;

use serde::Serialize;

use super::actor::{Permit, ResourcesRead, ResourcesWrite};
use super::{account, check_name, client::insert_secret, invalid, not_found};
use crate::clock::Timestamp;
use crate::credential::Credential;
use crate::error::{Code, Error};
use crate::scope::Scope;
use crate::store::client::{self, AuthMethod, Client};
use crate::store::resource_server;
pub use crate::store::resource_server::{ResourceServer, TokenTyp};
use crate::store::{Store, Transaction, cluster_settings};

/// A resource server as management shows it.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct ResourceServerView {
    /// Its URI, which is the `aud` of its tokens.
    pub identifier: String,
    /// What people call it.
    pub name: String,
    /// The scope tokens that it knows.
    pub scope: Scope,
    /// The client that it introspects with; for operators alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The `typ` of its tokens.
    pub token_typ: TokenTyp,
    /// When it was created.
    pub created_at: Timestamp,
}

impl From<ResourceServer> for ResourceServerView {
    fn from(server: ResourceServer) -> Self {
        let ResourceServer {
            identifier,
            name,
            scope,
            client_id,
            created_at,
            token_typ,
        } = server;
        ResourceServerView {
            identifier,
            name,
            scope,
            client_id: Some(client_id),
            token_typ,
            created_at,
        }
    }
}

/// A resource server just made, with the secret of the client that it introspects with.
pub struct CreatedResourceServer {
    /// Its row.
    pub server: ResourceServer,
    /// Shown this once.
    pub secret: Credential,
}

/// Makes a resource server and its client.
///
/// # Errors
/// An unusable identifier or name, or one that is taken.
pub async fn create(
    store: &Arc<Store>,
    permit: Permit<ResourcesWrite>,
    identifier: &str,
    name: &str,
    scope: Scope,
    token_typ: TokenTyp,
    now: Timestamp,
) -> Result<CreatedResourceServer, Error> {
    check_name(name)?;
    let (identifier, name) = (identifier.to_owned(), name.to_owned());
    store
        .write(now, move |transaction| {
            insert(
                transaction,
                &permit,
                identifier.clone(),
                name.clone(),
                scope.clone(),
                token_typ,
                now,
            )
        })
        .await
}

/// Within a change that makes more than the resource server.
pub(crate) fn insert(
    transaction: &mut Transaction<'_>,
    permit: &Permit<ResourcesWrite>,
    identifier: String,
    name: String,
    scope: Scope,
    token_typ: TokenTyp,
    now: Timestamp,
) -> Result<CreatedResourceServer, Error> {
    resource_server::check_identifier(&identifier).map_err(|error| {
        invalid(error.to_string())
            .phrase("identifier-unusable", [])
            .field("identifier")
    })?;
    let issuer = cluster_settings::find(transaction.database())?.map(|cluster| cluster.issuer);
    let issuer = issuer.or_else(|| permit.assumed_issuer().map(ToString::to_string));
    if issuer.is_some_and(|issuer| resource_server::is_reserved(&identifier, &issuer)) {
        let reason = format!(
            "{identifier} is Keyward itself: the issuer, and what lies at or below its management API, is no resource server"
        );
        return Err(invalid(reason)
            .phrase("identifier-reserved", [])
            .field("identifier"));
    }
    if let Some(right) = scope.rights().next() {
        let reason =
            format!("{right} begins like a right over Keyward, which no resource server can have");
        return Err(Error::new(Code::InvalidScope, reason)
            .phrase("right-of-resource-server", [("right", right.into())])
            .field("scope"));
    }
    permit.check_not_done(transaction)?;
    if resource_server::find(transaction.database(), &identifier)?.is_some() {
        return Err(Error::new(
            Code::Conflict,
            format!("There is a resource server {identifier} already"),
        )
        .phrase("name-taken", [])
        .field("identifier"));
    }
    let account = account::of_resource_servers(transaction, permit, now)?;
    // It checks tokens and gets none: least privilege.
    let client = Client {
        may_introspect: true,
        ..Client::new(name.clone(), account.id, AuthMethod::ClientSecretBasic, now)
    };
    client::insert(transaction, &client)?;
    let secret = insert_secret(transaction, &client, now)?
        .ok_or_else(|| Error::server_error("no secret was made"))?;
    let server = ResourceServer {
        identifier,
        name,
        scope,
        client_id: client.client_id,
        created_at: now,
        token_typ,
    };
    resource_server::insert(transaction, &server)?;
    permit.record(
        transaction,
        "resource.create",
        None,
        &server.identifier,
        now,
    )?;
    Ok(CreatedResourceServer { server, secret })
}

/// Changes the `typ` of a resource server's tokens, from the next one on.
///
/// # Errors
/// Not there.
pub async fn update(
    store: &Arc<Store>,
    permit: Permit<ResourcesWrite>,
    identifier: &str,
    token_typ: TokenTyp,
    now: Timestamp,
) -> Result<ResourceServer, Error> {
    let identifier = identifier.to_owned();
    store
        .write(now, move |transaction| {
            let found = resource_server::find(transaction.database(), &identifier)?;
            let server = found.ok_or_else(|| not_found("resource server", &identifier))?;
            resource_server::set_typ(transaction, &identifier, token_typ)?;
            permit.record(transaction, "resource.update", None, &identifier, now)?;
            Ok(ResourceServer {
                token_typ,
                ..server
            })
        })
        .await
}

/// All of them for an operator; for others those that the clients of their account may use, without the
/// clients that they introspect with.
///
/// # Errors
/// Where the database gave no answer.
pub async fn list(
    store: &Arc<Store>,
    permit: Permit<ResourcesRead>,
) -> Result<Vec<ResourceServerView>, Error> {
    store
        .read(move |database| {
            let all = resource_server::list(database)?
                .into_iter()
                .map(ResourceServerView::from);
            let Some(account) = permit.account() else {
                return Ok(all.collect());
            };
            let grants = client::grants(database, account)?;
            let used = |identifier: &str| {
                grants
                    .iter()
                    .any(|(_, resources)| resources.contains(identifier))
            };
            let own = all.filter(|server| used(&server.identifier));
            Ok(own
                .map(|server| ResourceServerView {
                    client_id: None,
                    ..server
                })
                .collect())
        })
        .await
}

/// Deletes a resource server and its client.
///
/// # Errors
/// Not there, or in use: a client whose last resource server went would be left with tokens for the
/// issuer.
pub async fn delete(
    store: &Arc<Store>,
    permit: Permit<ResourcesWrite>,
    identifier: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let identifier = identifier.to_owned();
    store
        .write(now, move |transaction| {
            let database = transaction.database();
            let found = resource_server::find(database, &identifier)?;
            let server = found.ok_or_else(|| not_found("resource server", &identifier))?;
            let users = resource_server::users(database, &identifier)?;
            if let Some(user) = users.first() {
                let reason = format!(
                    "{} clients may use {identifier}, {user} for one; change them first",
                    users.len()
                );
                return Err(Error::new(Code::Conflict, reason)
                    .phrase("resource-in-use", [("count", users.len().into())]));
            }
            resource_server::delete(transaction, &server)?;
            client::delete(transaction, &server.client_id)?;
            permit.record(transaction, "resource.delete", None, &identifier, now)
        })
        .await
}
