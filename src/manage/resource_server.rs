//! Resource servers: the APIs that accept tokens and API keys.

use std::sync::Arc;

use serde::Serialize;

use super::actor::Permit;
use super::rights::{ResourcesRead, ResourcesWrite};
use super::{account, check_name, not_found};
use crate::clock::Timestamp;
use crate::credential::Credential;
pub use crate::crypto::jws::SignatureAlgorithm;
use crate::error::{Error, refusal};
use crate::scope::Scope;
use crate::store::audit::Action;
use crate::store::client::{self, AuthMethod, Client};
use crate::store::client_secret;
use crate::store::resource_server;
pub use crate::store::resource_server::{ResourceServer, TokenFormat, TokenTyp};
use crate::store::{Store, Transaction, cluster_settings};

/// A resource server as management shows it.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct ResourceServerView {
    /// The identifier, a URI: the `aud` of tokens for the resource server.
    pub identifier: String,
    /// The display name.
    pub name: String,
    /// The scope tokens that the resource server understands.
    pub scope: Scope,
    /// The client with which the resource server introspects; shown to operators only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The `typ` header of tokens for the resource server.
    pub token_typ: TokenTyp,
    /// The algorithm that signs tokens for the resource server: `RS256`, `PS256`, `ES256`,
    /// `EdDSA` or `ML-DSA-44`.
    pub signing_alg: SignatureAlgorithm,
    /// When the resource server was created.
    pub created_at: Timestamp,
}

impl From<ResourceServer> for ResourceServerView {
    fn from(server: ResourceServer) -> Self {
        ResourceServerView {
            identifier: server.identifier,
            name: server.name,
            scope: server.scope,
            client_id: Some(server.client_id),
            token_typ: server.token_typ,
            signing_alg: server.signing_algorithm,
            created_at: server.created_at,
        }
    }
}

/// The properties of a new resource server.
#[derive(Clone)]
pub struct NewResourceServer {
    /// The identifier, a URI.
    pub identifier: String,
    /// The display name.
    pub name: String,
    /// The scope tokens that the resource server understands.
    pub scope: Scope,
    /// The format of tokens for the resource server.
    pub token_format: TokenFormat,
}

/// Changes of a resource server.
#[derive(Clone, Debug, Default)]
pub struct ResourceServerChanges {
    /// The display name, if it changes.
    pub name: Option<String>,
    /// The scope tokens that the resource server understands, if they change.
    pub scope: Option<Scope>,
    /// The `typ` header of tokens for the resource server, if it changes.
    pub token_typ: Option<TokenTyp>,
    /// The algorithm that signs tokens for the resource server, if it changes.
    pub signing_algorithm: Option<SignatureAlgorithm>,
}

/// A new resource server with the secret of its client, which cannot be read again later.
pub struct CreatedResourceServer {
    /// The row of the resource server.
    pub server: ResourceServer,
    /// The secret of the client with which the resource server introspects.
    pub secret: Credential,
}

/// Creates a resource server and the client with which it introspects.
///
/// # Errors
/// `invalid_request` for an unusable identifier or name; `invalid_scope` for a scope with rights over
/// Keyward; `conflict` if the identifier is taken.
pub async fn create(
    store: &Arc<Store>,
    permit: Permit<ResourcesWrite>,
    new: NewResourceServer,
) -> Result<CreatedResourceServer, Error> {
    check_name(&new.name)?;
    store
        .write(permit.now(), move |transaction| {
            insert(transaction, &permit, new.clone())
        })
        .await
}

/// Creates a resource server within a larger transaction.
pub(crate) fn insert(
    transaction: &mut Transaction<'_>,
    permit: &Permit<ResourcesWrite>,
    new: NewResourceServer,
) -> Result<CreatedResourceServer, Error> {
    check_identifier(transaction, permit, &new.identifier)?;
    check_scope(&new.scope)?;
    permit.ensure_first_use(transaction)?;
    if resource_server::find(transaction.database(), &new.identifier)?.is_some() {
        return Err(refusal::resource_server_exists(&new.identifier).field("identifier"));
    }
    let now = permit.now();
    let account = account::of_resource_servers(transaction, permit)?;
    // Least privilege: the client introspects tokens, and gets none.
    let client = Client {
        may_introspect: true,
        ..Client::new(
            new.name.clone(),
            account.id,
            AuthMethod::ClientSecretBasic,
            now,
        )
    };
    client::insert(transaction, &client)?;
    let (secret, secret_row) = client_secret::generate(&client.client_id, None, now);
    client_secret::insert(transaction, &secret_row)?;
    let server = ResourceServer {
        identifier: new.identifier,
        name: new.name,
        scope: new.scope,
        client_id: client.client_id,
        created_at: now,
        token_typ: new.token_format.typ,
        signing_algorithm: new.token_format.signing_algorithm,
    };
    resource_server::insert(transaction, &server)?;
    permit.audit(
        transaction,
        Action::ResourceCreate,
        None,
        &server.identifier,
    )?;
    Ok(CreatedResourceServer { server, secret })
}

fn check_identifier(
    transaction: &mut Transaction<'_>,
    permit: &Permit<ResourcesWrite>,
    identifier: &str,
) -> Result<(), Error> {
    resource_server::check_identifier(identifier)
        .map_err(|error| refusal::identifier_invalid(&error.to_string()).field("identifier"))?;
    let issuer = cluster_settings::find(transaction.database())?.map(|cluster| cluster.issuer);
    let issuer = issuer.or_else(|| permit.assumed_issuer().map(ToString::to_string));
    if issuer.is_some_and(|issuer| resource_server::is_reserved(identifier, &issuer)) {
        return Err(refusal::identifier_reserved(identifier).field("identifier"));
    }
    Ok(())
}

fn check_scope(scope: &Scope) -> Result<(), Error> {
    let Some(right) = scope.rights().next() else {
        return Ok(());
    };
    Err(refusal::resource_server_right(right).field("scope"))
}

/// Changes a resource server. A new format of its tokens applies from the next token on; an algorithm
/// for which there is no key yet is used as soon as its first key may sign. Clients keep scope tokens
/// that the resource server no longer describes.
///
/// # Errors
/// `not_found`; `invalid_request` for an unusable name; `invalid_scope` for a scope with rights over
/// Keyward.
pub async fn update(
    store: &Arc<Store>,
    permit: Permit<ResourcesWrite>,
    identifier: &str,
    changes: ResourceServerChanges,
) -> Result<ResourceServer, Error> {
    if let Some(name) = &changes.name {
        check_name(name)?;
    }
    if let Some(scope) = &changes.scope {
        check_scope(scope)?;
    }
    let identifier = identifier.to_owned();
    store
        .write(permit.now(), move |transaction| {
            let found = resource_server::find(transaction.database(), &identifier)?;
            let server = found.ok_or_else(|| not_found("resource server", &identifier))?;
            let changes = changes.clone();
            let server = ResourceServer {
                name: changes.name.unwrap_or(server.name),
                scope: changes.scope.unwrap_or(server.scope),
                token_typ: changes.token_typ.unwrap_or(server.token_typ),
                signing_algorithm: changes
                    .signing_algorithm
                    .unwrap_or(server.signing_algorithm),
                ..server
            };
            resource_server::update(transaction, &server)?;
            permit.audit(transaction, Action::ResourceUpdate, None, &identifier)?;
            Ok(server)
        })
        .await
}

/// Lists resource servers: for an operator all; for others those that the clients of their account can
/// use, without the clients with which they introspect.
///
/// # Errors
/// A [`StoreError`](crate::store::StoreError) if the database cannot be queried.
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
            let is_used = |server: &ResourceServerView| {
                grants
                    .iter()
                    .any(|(_, resources)| resources.contains(&server.identifier))
            };
            Ok(all
                .filter(is_used)
                .map(|server| ResourceServerView {
                    client_id: None,
                    ..server
                })
                .collect())
        })
        .await
}

/// Deletes a resource server and the client with which it introspects.
///
/// # Errors
/// `not_found`; `conflict` if a client can use the resource server: a client without its last resource
/// server would get tokens for the issuer instead.
pub async fn delete(
    store: &Arc<Store>,
    permit: Permit<ResourcesWrite>,
    identifier: &str,
) -> Result<(), Error> {
    let identifier = identifier.to_owned();
    store
        .write(permit.now(), move |transaction| {
            let database = transaction.database();
            let found = resource_server::find(database, &identifier)?;
            let server = found.ok_or_else(|| not_found("resource server", &identifier))?;
            let users = resource_server::users(database, &identifier)?;
            if let Some(user) = users.first() {
                return Err(refusal::resource_server_in_use(
                    users.len(),
                    &identifier,
                    user,
                ));
            }
            resource_server::delete(transaction, &server)?;
            client::delete(transaction, &server.client_id)?;
            permit.audit(transaction, Action::ResourceDelete, None, &identifier)
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_server_has_no_rights_over_keyward() {
        let cases = [
            ("", true),
            ("orders:read orders:write", true),
            ("keyward:clients:read", false),
            ("orders:read keyward:made-up", false),
            ("Keyward:x", false),
        ];
        for (scope, valid) in cases {
            let checked = check_scope(&scope.parse().unwrap());
            assert_eq!(checked.is_ok(), valid, "{scope:?}");
        }
    }
}
