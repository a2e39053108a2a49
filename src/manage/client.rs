//! Clients: the applications of an account.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::actor::{ClientsRead, ClientsWrite, Permit, Right, TokensRevoke};
use super::api_key::{self, NewApiKey};
use super::{MAX_NAME, account, check_name, invalid, not_found, version};
use crate::clock::Timestamp;
use crate::credential::Credential;
use crate::error::{Code, Error};
use crate::jose::JwkSet;
use crate::oauth::client_credentials;
use crate::scope::Scope;
pub use crate::store::client::AuthMethod;
use crate::store::client::{self, Client};
use crate::store::resource_server::{self, Resources};
use crate::store::{self, Database, Store, Transaction, client_secret};

/// The name of a client's first API key.
const FIRST_KEY: &str = "Default";

/// What a new client is to be.
pub struct NewClient {
    /// What people call it.
    pub name: String,
    /// Whose it is: an id or a name; the oldest account where none is named.
    pub account: Option<String>,
    /// The most that it may ask for.
    pub scope: Scope,
    /// The identifiers of the resource servers for which it may ask for tokens.
    pub resources: Vec<String>,
    /// Whether it may introspect what is meant for these.
    pub may_introspect: bool,
    /// How it authenticates.
    pub auth_method: AuthMethod,
    /// Its public keys, for `private_key_jwt`: a JWK Set as JSON.
    pub jwks: Option<String>,
}

/// A client just made, with what is shown this once.
pub struct CreatedClient {
    /// Its row.
    pub client: Client,
    /// Its secret, where it uses one.
    pub secret: Option<Credential>,
    /// Its first API key.
    pub api_key: Credential,
}

/// What of a client is to change; what is absent stays.
#[derive(Default)]
pub struct ClientChange {
    /// Another name.
    pub name: Option<String>,
    /// Another scope.
    pub scope: Option<Scope>,
    /// Other resource servers.
    pub resources: Option<Vec<String>>,
    /// Whether it may introspect.
    pub may_introspect: Option<bool>,
    /// Another way to authenticate.
    pub auth_method: Option<AuthMethod>,
    /// Other public keys.
    pub jwks: Option<String>,
    /// Whether what it presents is taken.
    pub enabled: Option<bool>,
    /// The versions of which the change was made to one; whichever there is, where none is named.
    pub expected: Option<Vec<String>>,
}

/// A client as management shows it.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[expect(missing_docs, reason = "the columns say it")]
pub struct ClientView {
    pub client_id: String,
    pub name: String,
    pub account: String,
    pub auth_method: &'static str,
    pub grant_types: Vec<String>,
    pub scope: Scope,
    pub resources: Resources,
    pub introspect: bool,
    pub jwks: Option<Value>,
    pub jwks_uri: Option<String>,
    pub enabled: bool,
    pub created_at: Timestamp,
}

impl From<Client> for ClientView {
    fn from(client: Client) -> Self {
        ClientView {
            auth_method: client.auth_method.as_str(),
            grant_types: client.grant_types.split(' ').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
            client_id: client.client_id,
            name: client.name,
            account: client.account_id,
            scope: client.scope,
            resources: client.resources,
            introspect: client.may_introspect,
            jwks: client.jwks.and_then(|jwks| serde_json::from_str(&jwks).ok()),
            jwks_uri: client.jwks_uri,
            enabled: client.disabled_at.is_none(),
            created_at: client.created_at,
        }
    }
}

/// Makes a client, with a secret where it uses one and its first API key.
///
/// # Errors
/// An unusable name or key set, an account or resource server that is not there.
pub async fn create(
    store: &Arc<Store>,
    permit: Permit<ClientsWrite>,
    new: NewClient,
    now: Timestamp,
) -> Result<CreatedClient, Error> {
    check_name(&new.name)?;
    store.write(now, move |transaction| insert(transaction, &permit, new, now)).await
}

/// Within a change that makes more than the client.
pub(crate) fn insert(
    transaction: &mut Transaction<'_>,
    permit: &Permit<ClientsWrite>,
    new: NewClient,
    now: Timestamp,
) -> Result<CreatedClient, Error> {
    let account = account::resolve(transaction, permit, new.account.as_deref(), now)?;
    let resources = known_resources(transaction, &new.resources)?;
    check_ceiling(transaction.database(), permit, &account.id, &new.scope, &resources)?;
    check_introspection(permit, false, new.may_introspect)?;
    let client = Client {
        grant_types: client_credentials::GRANT_TYPE.to_owned(),
        scope: new.scope,
        resources,
        may_introspect: new.may_introspect,
        jwks: new.jwks.as_deref().map(checked_jwks).transpose()?,
        ..Client::new(new.name, account.id, new.auth_method, now)
    };
    check_auth_method(&client)?;
    client::insert(transaction, &client)?;
    let secret = insert_secret(transaction, &client, now)?;
    let first_key = NewApiKey { name: FIRST_KEY.to_owned(), manage_keys: true, ..NewApiKey::default() };
    let (api_key, row) = api_key::generate(&client, first_key, permit.actor(), now);
    store::api_key::insert(transaction, &row)?;
    permit.record(transaction, "client.create", Some(&client.account_id), &client.client_id, now)?;
    Ok(CreatedClient { client, secret, api_key })
}

pub(super) fn insert_secret(
    transaction: &mut Transaction<'_>,
    client: &Client,
    now: Timestamp,
) -> Result<Option<Credential>, Error> {
    if !client.auth_method.uses_secret() {
        return Ok(None);
    }
    let (secret, row) = client_secret::generate(&client.client_id, None, now);
    client_secret::insert(transaction, &row)?;
    Ok(Some(secret))
}

/// All clients within reach, or those of the account of this id or name: the oldest first, those after
/// the client `after`, `limit` at the most.
///
/// # Errors
/// No such account.
pub async fn list(
    store: &Arc<Store>,
    permit: Permit<ClientsRead>,
    account: Option<String>,
    after: Option<String>,
    limit: i64,
) -> Result<Vec<ClientView>, Error> {
    let own = permit.account().map(str::to_owned);
    store
        .report(own.as_deref(), move |database| {
            let account = match account {
                Some(named) => {
                    let found = store::account::find(database, &named)?.filter(|account| permit.reaches(&account.id));
                    Some(found.ok_or_else(|| not_found("account", &named))?.id)
                }
                None => permit.account().map(str::to_owned),
            };
            let after = match after {
                Some(id) => client::find(database, &id)?.map(|client| (client.created_at, client.client_id)),
                None => None,
            };
            let clients = client::list(database, account.as_deref(), after, limit)?;
            Ok(clients.into_iter().map(ClientView::from).collect())
        })
        .await
}

/// The clients within reach of this id, or with this text in their names, `limit` at the most.
///
/// # Errors
/// Where the database gave no answer.
pub async fn search(store: &Arc<Store>, permit: Permit<ClientsRead>, text: &str, limit: i64) -> Result<Vec<ClientView>, Error> {
    let text = text.to_owned();
    if text.contains('\0') || text.len() > MAX_NAME * 4 {
        return Ok(Vec::new());
    }
    let account = permit.account().map(str::to_owned);
    let found =
        store.report(account.as_deref(), move |database| Ok(client::search(database, permit.account(), &text, limit)?)).await?;
    Ok(found.into_iter().map(ClientView::from).collect())
}

/// What can be given to a client, as a form offers it.
#[derive(Default)]
pub struct Choices {
    /// Scope tokens.
    pub scope: BTreeSet<String>,
    /// Identifiers of resource servers.
    pub resources: BTreeSet<String>,
}

/// What the actor can give to clients of an account: an operator what the resource servers know, others
/// what the account has.
///
/// # Errors
/// Where the database gave no answer.
pub async fn choices(store: &Arc<Store>, permit: Permit<ClientsWrite>) -> Result<Choices, Error> {
    let account = permit.account().map(str::to_owned);
    store
        .report(account.as_deref(), move |database| {
            let mut choices = Choices::default();
            match permit.account() {
                None => {
                    for server in resource_server::list(database)? {
                        choices.scope.extend(server.scope.iter().map(str::to_owned));
                        choices.resources.insert(server.identifier);
                    }
                }
                Some(account) => {
                    let all = client::list(database, Some(account), None, i64::MAX)?;
                    for client in all.into_iter().filter(|client| permit.check_gift(&client.scope).is_ok()) {
                        choices.scope.extend(client.scope.iter().map(str::to_owned));
                        choices.resources.extend(client.resources.iter().map(str::to_owned));
                    }
                }
            }
            Ok(choices)
        })
        .await
}

/// One of them.
///
/// # Errors
/// No such client.
pub async fn show(store: &Arc<Store>, permit: Permit<ClientsRead>, client_id: &str) -> Result<ClientView, Error> {
    let id = client_id.to_owned();
    store.read(move |database| Ok(within_reach(database, &permit, &id)?.into())).await
}

/// Changes a client.
///
/// # Errors
/// No such client; an unusable value.
pub async fn update(
    store: &Arc<Store>,
    permit: Permit<ClientsWrite>,
    client_id: &str,
    change: ClientChange,
    now: Timestamp,
) -> Result<ClientView, Error> {
    if let Some(name) = &change.name {
        check_name(name)?;
    }
    let giver = permit.clone();
    edit(store, permit, client_id, "client.update", now, move |transaction, client| {
        let current = version(&ClientView::from(client.clone()));
        if change.expected.is_some_and(|expected| !expected.contains(&current)) {
            return Err(Error::new(Code::PreconditionFailed, "The client was changed meanwhile; read it again")
                .phrase("changed-meanwhile", []));
        }
        let had_introspection = client.may_introspect;
        if let Some(name) = change.name {
            client.name = name;
        }
        if let Some(scope) = change.scope {
            client.scope = scope;
        }
        if let Some(resources) = change.resources {
            client.resources = known_resources(transaction, &resources)?;
        }
        check_ceiling(transaction.database(), &giver, &client.account_id, &client.scope, &client.resources)?;
        if let Some(may_introspect) = change.may_introspect {
            check_introspection(&giver, had_introspection, may_introspect)?;
            client.may_introspect = may_introspect;
        }
        if let Some(auth_method) = change.auth_method {
            client.auth_method = auth_method;
        }
        match change.enabled {
            Some(true) => client.disabled_at = None,
            Some(false) => drop(client.disabled_at.get_or_insert(now)),
            None => {}
        }
        if let Some(jwks) = change.jwks {
            client.jwks = Some(checked_jwks(&jwks)?);
        }
        check_auth_method(client)
    })
    .await
}

/// Refuses everything that the client presents, until it is enabled again.
///
/// # Errors
/// No such client.
pub async fn disable(
    store: &Arc<Store>,
    permit: Permit<ClientsWrite>,
    client_id: &str,
    now: Timestamp,
) -> Result<ClientView, Error> {
    edit(store, permit, client_id, "client.disable", now, move |_, client| {
        client.disabled_at.get_or_insert(now);
        Ok(())
    })
    .await
}

/// Takes it back: what was issued before counts again, as far as it has not ended.
///
/// # Errors
/// No such client.
pub async fn enable(
    store: &Arc<Store>,
    permit: Permit<ClientsWrite>,
    client_id: &str,
    now: Timestamp,
) -> Result<ClientView, Error> {
    edit(store, permit, client_id, "client.enable", now, |_, client| {
        client.disabled_at = None;
        Ok(())
    })
    .await
}

/// Deletes a client: its secrets, its keys and all its tokens are refused from then on.
///
/// # Errors
/// No such client; one that a resource server introspects with.
pub async fn delete(store: &Arc<Store>, permit: Permit<ClientsWrite>, client_id: &str, now: Timestamp) -> Result<(), Error> {
    let id = client_id.to_owned();
    store
        .write(now, move |transaction| {
            let database = transaction.database();
            let client = within_power(database, &permit, &id)?;
            if let Some(identifier) = resource_server::of_client(database, &id)?.first() {
                let reason = format!("The resource server {identifier} introspects with this client; delete that instead");
                return Err(Error::new(Code::Conflict, reason)
                    .phrase("client-introspects", [("resource", (*identifier).as_str().into())]));
            }
            client::delete(transaction, &id)?;
            permit.record(transaction, "client.delete", Some(&client.account_id), &id, now)
        })
        .await
}

/// Revokes all tokens that were issued to a client until now, at once, however many there are, and
/// whatever the clocks of the nodes say.
///
/// # Errors
/// No such client.
pub async fn revoke_tokens(
    store: &Arc<Store>,
    permit: Permit<TokensRevoke>,
    client_id: &str,
    now: Timestamp,
) -> Result<ClientView, Error> {
    edit(store, permit, client_id, "token.revoke_all", now, move |_, client| {
        client.token_epoch += 1;
        Ok(())
    })
    .await
}

/// The client of this id, where it is within reach. Of another account's not even the existence
/// shows.
pub(super) fn within_reach<R: Right>(database: &mut Database, permit: &Permit<R>, client_id: &str) -> Result<Client, Error> {
    let found = client::find(database, client_id)?.filter(|client| permit.reaches(&client.account_id));
    found.ok_or_else(|| not_found("client", client_id))
}

/// The same, for who wants to change the client, or to make credentials for it: whoever could would
/// have all of its rights, so a client that has more over Keyward than they is not theirs to touch.
pub(super) fn within_power<R: Right>(database: &mut Database, permit: &Permit<R>, client_id: &str) -> Result<Client, Error> {
    let client = within_reach(database, permit, client_id)?;
    match permit.check_gift(&client.scope) {
        Ok(()) => Ok(client),
        Err(_) => Err(Error::new(Code::AccessDenied, "The client has rights that you have not").phrase("client-beyond-you", [])),
    }
}

/// What may be given to a client of an account: by an operator anything, by others what an operator
/// has given to the account's clients before.
pub(super) fn check_ceiling<R: Right>(
    database: &mut Database,
    permit: &Permit<R>,
    account: &str,
    scope: &Scope,
    resources: &Resources,
) -> Result<(), Error> {
    permit.check_gift(scope)?;
    if permit.account().is_none() {
        return Ok(());
    }
    let clients = client::list(database, Some(account), None, i64::MAX)?;
    let has_scope = |token: &str| clients.iter().any(|client| client.scope.iter().any(|own| own == token));
    if let Some(beyond) = scope.iter().find(|token| !has_scope(token)) {
        let reason = format!("No client of the account has the scope {beyond}; ask an operator");
        return Err(Error::new(Code::InvalidScope, reason)
            .phrase("scope-beyond-account", [("scope", beyond.into())])
            .field("scope"));
    }
    let has_resource = |identifier: &str| clients.iter().any(|client| client.resources.contains(identifier));
    match resources.iter().find(|identifier| !has_resource(identifier)) {
        None => Ok(()),
        Some(beyond) => Err(invalid(format!("No client of the account may use {beyond}; ask an operator"))
            .phrase("resource-beyond-account", [("resource", beyond.into())])
            .field("resources")),
    }
}

fn check_introspection<R: Right>(permit: &Permit<R>, before: bool, wanted: bool) -> Result<(), Error> {
    if wanted && !before && permit.account().is_some() {
        return Err(Error::new(Code::AccessDenied, "Only an operator lets a client introspect")
            .phrase("introspection-beyond-you", [])
            .field("introspect"));
    }
    Ok(())
}

async fn edit<R: Right + Send + 'static>(
    store: &Arc<Store>,
    permit: Permit<R>,
    client_id: &str,
    action: &'static str,
    now: Timestamp,
    change: impl FnOnce(&mut Transaction<'_>, &mut Client) -> Result<(), Error> + Send + 'static,
) -> Result<ClientView, Error> {
    let id = client_id.to_owned();
    store
        .write(now, move |transaction| {
            let mut client = within_power(transaction.database(), &permit, &id)?;
            change(transaction, &mut client)?;
            client::update(transaction, &client)?;
            permit.record(transaction, action, Some(&client.account_id), &id, now)?;
            Ok(client.into())
        })
        .await
}

pub(super) fn known_resources(transaction: &mut Transaction<'_>, identifiers: &[String]) -> Result<Resources, Error> {
    for identifier in identifiers {
        if resource_server::find(transaction.database(), identifier)?.is_none() {
            let unknown = invalid(format!("There is no resource server {identifier}")).field("resources");
            return Err(unknown.phrase("not-there", [("name", identifier.as_str().into())]));
        }
    }
    Ok(identifiers.iter().map(String::as_str).collect())
}

fn checked_jwks(text: &str) -> Result<String, Error> {
    let jwks: Value = serde_json::from_str(text)
        .map_err(|error| invalid(format!("jwks: {error}")).phrase("jwks-unusable", []).field("jwks"))?;
    JwkSet::check_registered(&jwks).map_err(|reason| invalid(reason).phrase("jwks-unusable", []).field("jwks"))?;
    Ok(jwks.to_string())
}

fn check_auth_method(client: &Client) -> Result<(), Error> {
    let without_keys = client.jwks.is_none() && client.jwks_uri.is_none();
    if client.auth_method == AuthMethod::PrivateKeyJwt && without_keys {
        return Err(invalid("private_key_jwt needs the client's public keys (jwks)").phrase("jwks-missing", []).field("jwks"));
    }
    Ok(())
}
