//! Clients: the applications of an account.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::actor::Permit;
use super::api_key::{self, NewApiKey};
pub use super::policy::Warning;
use super::policy::{
    GrantRequest, Grantee, check_grant, find_editable, find_undescribed, find_visible,
    known_resources, management_audience,
};
use super::rights::{ClientsRead, ClientsWrite, Right, RightType, TokensRevoke};
use super::{MAX_NAME_LENGTH, account, check_name, version};
use crate::clock::Timestamp;
use crate::credential::{Credential, Kind};
use crate::crypto::jws::JwkSet;
use crate::crypto::secret_hash;
use crate::domain;
use crate::error::{Error, refusal};
use crate::oauth::client_metadata::RegistrationLimits;
use crate::scope::{Scope, is_right};
use crate::store::account::Account;
use crate::store::audit::Action;
use crate::store::client::{self, Client};
pub use crate::store::client::{AuthMethod, DisabledBy};
use crate::store::grant_type::GrantType;
use crate::store::resource_server;
pub use crate::store::resource_server::Resources;
use crate::store::{Database, Store, Transaction};

/// The name of the API key that is created together with a client.
const FIRST_KEY_NAME: &str = "Default";

/// The properties of a new client.
#[derive(Clone)]
pub struct NewClient {
    /// The display name.
    pub name: String,
    /// The id or name of the owning account; the actor's own account, or for an operator the default
    /// account, if absent.
    pub account: Option<String>,
    /// The scope that the client can ask for at most.
    pub scope: Scope,
    /// The identifiers of the resource servers that the client can ask tokens for.
    pub resources: Vec<String>,
    /// Whether the client may call the introspection endpoint, for tokens of these resource servers.
    pub may_introspect: bool,
    /// The client authentication method.
    pub auth_method: AuthMethod,
    /// The client's public keys for `private_key_jwt`: a JWK Set as JSON.
    pub jwks: Option<String>,
    /// Whether the client must send a DPoP proof with each token request (RFC 9449 section 5.2).
    pub dpop_bound_access_tokens: bool,
}

/// A new client with its credentials, which cannot be read again later.
pub struct CreatedClient {
    /// The row of the client.
    pub client: Client,
    /// The client secret, if the client authenticates with one.
    pub secret: Option<Credential>,
    /// The first API key.
    pub api_key: Credential,
    /// A probable mistake in the scope.
    pub warning: Option<Warning>,
}

/// A client after an update.
pub struct UpdatedClient {
    /// The client as it is now.
    pub client: ClientView,
    /// A probable mistake in the scope.
    pub warning: Option<Warning>,
}

/// An update of a client. Absent members stay unchanged.
#[derive(Clone, Default)]
pub struct ClientPatch {
    /// The new display name.
    pub name: Option<String>,
    /// The new scope, which replaces the present one.
    pub scope: Option<Scope>,
    /// The new resource servers, which replace the present ones.
    pub resources: Option<Vec<String>>,
    /// Whether the client may call the introspection endpoint.
    pub may_introspect: Option<bool>,
    /// The new client authentication method.
    pub auth_method: Option<AuthMethod>,
    /// The new public keys: a JWK Set as JSON.
    pub jwks: Option<String>,
    /// Whether the client must send a DPoP proof with each token request.
    pub dpop_bound_access_tokens: Option<bool>,
    /// Whether the credentials and tokens of the client are accepted.
    pub enabled: Option<bool>,
    /// The versions, by `If-Match`, of which the client must have one; any version if absent.
    pub expected: Option<Vec<String>>,
}

impl ClientPatch {
    fn only_disables(&self) -> bool {
        let ClientPatch {
            name,
            scope,
            resources,
            may_introspect,
            auth_method,
            jwks,
            dpop_bound_access_tokens,
            enabled,
            expected: _,
        } = self;
        let nothing_else = name.is_none()
            && scope.is_none()
            && resources.is_none()
            && may_introspect.is_none()
            && auth_method.is_none()
            && jwks.is_none()
            && dpop_bound_access_tokens.is_none();
        *enabled == Some(false) && nothing_else
    }
}

/// A client as management shows it.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[expect(missing_docs, reason = "the names of the columns say it")]
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
    pub dpop_bound_access_tokens: bool,
    pub enabled: bool,
    /// Who disabled the client, if it is disabled. Only an operator can enable what an operator disabled.
    pub disabled_by: Option<DisabledBy>,
    /// Whether the client registered itself (RFC 7591).
    pub self_registered: bool,
    /// Whether the client has a registration access token, with which it can change its registration
    /// (RFC 7592).
    pub has_registration_token: bool,
    pub created_at: Timestamp,
}

impl From<Client> for ClientView {
    fn from(client: Client) -> Self {
        ClientView {
            auth_method: client.auth_method.as_str(),
            grant_types: client.grant_types.names().map(str::to_owned).collect(),
            client_id: client.client_id,
            name: client.name,
            account: client.account_id,
            scope: client.scope,
            resources: client.resources,
            introspect: client.may_introspect,
            jwks: client
                .jwks
                .and_then(|jwks| serde_json::from_str(&jwks).ok()),
            jwks_uri: client.jwks_uri,
            dpop_bound_access_tokens: client.dpop_bound_access_tokens,
            enabled: client.disabled_at.is_none(),
            disabled_by: client.disabled_by,
            self_registered: client.registration_limits.is_some(),
            has_registration_token: client.registration_token_hash.is_some(),
            created_at: client.created_at,
        }
    }
}

/// Creates a client, with a secret if it authenticates with one, and with its first API key.
///
/// # Errors
/// `invalid_request` for an unusable name or key set, or an unknown resource server; `not_found` for an
/// unknown account; `invalid_scope` and `access_denied` for what the actor cannot grant; `conflict` if
/// the account has reached its limit.
pub async fn create(
    store: &Arc<Store>,
    permit: Permit<ClientsWrite>,
    new: NewClient,
) -> Result<CreatedClient, Error> {
    check_name(&new.name)?;
    store
        .write(permit.now(), move |transaction| {
            insert(transaction, &permit, new.clone())
        })
        .await
}

/// Creates a client within a larger transaction.
pub(crate) fn insert(
    transaction: &mut Transaction<'_>,
    permit: &Permit<ClientsWrite>,
    new: NewClient,
) -> Result<CreatedClient, Error> {
    let account = account::resolve(transaction, permit, new.account.as_deref())?;
    let resources = known_resources(transaction.database(), permit, &new.resources)?;
    let request = GrantRequest {
        account: &account.id,
        grantee: Grantee::Client,
        scope: &new.scope,
        resources: &resources,
        current: None,
    };
    let warning = check_grant(transaction, permit, &request)?;
    if new.may_introspect {
        check_can_allow_introspection(permit)?;
    }
    if !permit.is_operator() {
        ensure_capacity(transaction.database(), &account)?;
    }
    let now = permit.now();
    let client = Client {
        grant_types: GrantType::ALL.iter().copied().collect(),
        scope: new.scope,
        resources,
        may_introspect: new.may_introspect,
        jwks: new.jwks.as_deref().map(checked_jwks).transpose()?,
        dpop_bound_access_tokens: new.dpop_bound_access_tokens,
        ..Client::new(new.name, account.id, new.auth_method, now)
    };
    check_auth_method(&client)?;
    let (secret, secret_row) = domain::client::generate_secret(&client, now).unzip();
    let first_key = NewApiKey {
        name: FIRST_KEY_NAME.to_owned(),
        manage_keys: true,
        ..NewApiKey::default()
    };
    let (api_key, key_row) = api_key::generate(&client, first_key, permit.actor(), now);
    domain::client::create(
        transaction,
        permit.recorder(),
        &client,
        secret_row.as_ref(),
        Some(&key_row),
    )?;
    permit.store_result(transaction, Action::ClientCreate, &client.client_id)?;
    Ok(CreatedClient {
        client,
        secret,
        api_key,
        warning,
    })
}

/// Lists the clients that the actor can see, oldest first: those of one account, by id or name, if it
/// is given; at most `limit`, after the client with the id `after`.
///
/// # Errors
/// `not_found` for an unknown account.
pub async fn list(
    store: &Arc<Store>,
    permit: Permit<ClientsRead>,
    account: Option<String>,
    after: Option<String>,
    limit: i64,
) -> Result<Vec<ClientView>, Error> {
    let own_account = permit.account().map(str::to_owned);
    store
        .report(own_account.as_deref(), move |database| {
            let account = account::filter(database, &permit, account.as_deref())?;
            let after = match &after {
                Some(id) => {
                    client::find(database, id)?.map(|client| (client.created_at, client.client_id))
                }
                None => None,
            };
            let clients = client::list(database, account.as_deref(), after, limit)?;
            Ok(clients.into_iter().map(ClientView::from).collect())
        })
        .await
}

/// Searches the clients that the actor can see for an id, or for a part of the name; at most `limit`.
///
/// # Errors
/// A [`StoreError`](crate::store::StoreError) if the database cannot be queried.
pub async fn search(
    store: &Arc<Store>,
    permit: Permit<ClientsRead>,
    text: &str,
    limit: i64,
) -> Result<Vec<ClientView>, Error> {
    let text = text.to_owned();
    if text.contains('\0') || text.len() > MAX_NAME_LENGTH * 4 {
        return Ok(Vec::new());
    }
    let own_account = permit.account().map(str::to_owned);
    let found = store
        .report(own_account.as_deref(), move |database| {
            Ok(client::search(database, permit.account(), &text, limit)?)
        })
        .await?;
    Ok(found.into_iter().map(ClientView::from).collect())
}

/// Refuses one more client if the account has reached its limit.
fn ensure_capacity(database: &mut Database, account: &Account) -> Result<(), Error> {
    let limit = account.client_limit();
    if !client::has_as_many(database, &account.id, limit)? {
        return Ok(());
    }
    Err(refusal::client_limit(limit))
}

/// What an actor can grant to a client, as a form offers it.
#[derive(Default)]
pub struct Grantable {
    /// Scope tokens that are not rights over Keyward.
    pub scope: BTreeSet<String>,
    /// Scope tokens that are rights over Keyward.
    pub rights: BTreeSet<String>,
    /// Identifiers of resource servers.
    pub resources: BTreeSet<String>,
}

/// What the actor can grant to clients: for an operator what the resource servers describe, for others
/// what clients of the account have already.
///
/// # Errors
/// A [`StoreError`](crate::store::StoreError) if the database cannot be queried.
pub async fn grantable(
    store: &Arc<Store>,
    permit: Permit<ClientsWrite>,
) -> Result<Grantable, Error> {
    let own_account = permit.account().map(str::to_owned);
    store
        .report(own_account.as_deref(), move |database| {
            match permit.account() {
                None => grantable_by_operator(database, &permit),
                Some(account) => grantable_within(database, &permit, account),
            }
        })
        .await
}

fn grantable_by_operator(
    database: &mut Database,
    permit: &Permit<ClientsWrite>,
) -> Result<Grantable, Error> {
    let mut grantable = Grantable::default();
    for server in resource_server::list(database)? {
        grantable
            .scope
            .extend(server.scope.iter().map(str::to_owned));
        grantable.resources.insert(server.identifier);
    }
    grantable
        .resources
        .extend(management_audience(database, permit)?);
    grantable
        .rights
        .extend(Right::ALL.iter().map(|right| right.as_str().to_owned()));
    Ok(grantable)
}

fn grantable_within(
    database: &mut Database,
    permit: &Permit<ClientsWrite>,
    account: &str,
) -> Result<Grantable, Error> {
    let mut grantable = Grantable::default();
    for (scope, resources) in client::grants(database, account)? {
        if permit.check_grantable(&scope).is_err() {
            continue;
        }
        for token in scope.iter() {
            let tokens = if is_right(token) {
                &mut grantable.rights
            } else {
                &mut grantable.scope
            };
            tokens.insert(token.to_owned());
        }
        grantable
            .resources
            .extend(resources.iter().map(str::to_owned));
    }
    Ok(grantable)
}

/// Shows a client.
///
/// # Errors
/// `not_found`.
pub async fn show(
    store: &Arc<Store>,
    permit: Permit<ClientsRead>,
    client_id: &str,
) -> Result<ClientView, Error> {
    let id = client_id.to_owned();
    store
        .read(move |database| Ok(find_visible(database, &permit, &id)?.into()))
        .await
}

/// The warning for a client as it is: a probable mistake in its scope.
///
/// # Errors
/// A [`StoreError`](crate::store::StoreError) if the database cannot be queried.
pub async fn warning(
    store: &Arc<Store>,
    _: Permit<ClientsRead>,
    client: &ClientView,
) -> Result<Option<Warning>, Error> {
    let scope = client.scope.clone();
    let resources = client.resources.clone();
    store
        .read(move |database| find_undescribed(database, &scope, &resources))
        .await
}

/// Updates a client.
///
/// # Errors
/// `not_found`; `precondition_failed` if the client does not have an expected version; the errors of
/// [`create`] for an unusable value.
pub async fn update(
    store: &Arc<Store>,
    permit: Permit<ClientsWrite>,
    client_id: &str,
    patch: ClientPatch,
) -> Result<UpdatedClient, Error> {
    if let Some(name) = &patch.name {
        check_name(name)?;
    }
    // A leak must be stopped: to disable a client takes no more rights than to see it.
    let access = if patch.only_disables() {
        Access::Visible
    } else {
        Access::Editable
    };
    let (client, warning) = edit(
        store,
        permit,
        client_id,
        access,
        Action::ClientUpdate,
        move |transaction, permit, client| apply(transaction, permit, client, patch.clone()),
    )
    .await?;
    Ok(UpdatedClient { client, warning })
}

fn apply(
    transaction: &mut Transaction<'_>,
    permit: &Permit<ClientsWrite>,
    client: &mut Client,
    patch: ClientPatch,
) -> Result<Option<Warning>, Error> {
    check_version(client, patch.expected.as_deref())?;
    if let Some(name) = patch.name {
        client.name = name;
    }
    let resources = match patch.resources {
        Some(identifiers) => Some(known_resources(
            transaction.database(),
            permit,
            &identifiers,
        )?),
        None => None,
    };
    let warning = update_grant(transaction, permit, client, patch.scope, resources)?;
    if let Some(may_introspect) = patch.may_introspect {
        if may_introspect && !client.may_introspect {
            check_can_allow_introspection(permit)?;
        }
        client.may_introspect = may_introspect;
    }
    if let Some(auth_method) = patch.auth_method {
        client.auth_method = auth_method;
    }
    if let Some(bound) = patch.dpop_bound_access_tokens {
        client.dpop_bound_access_tokens = bound;
    }
    match patch.enabled {
        Some(true) => enable_row(permit, client)?,
        Some(false) => disable_row(permit, client),
        None => {}
    }
    if let Some(jwks) = patch.jwks {
        client.jwks = Some(checked_jwks(&jwks)?);
    }
    check_auth_method(client)?;
    Ok(warning)
}

fn check_version(client: &Client, expected: Option<&[String]>) -> Result<(), Error> {
    let Some(expected) = expected else {
        return Ok(());
    };
    if expected.contains(&version(&ClientView::from(client.clone()))) {
        return Ok(());
    }
    Err(refusal::client_changed())
}

/// Replaces the scope or the resource servers of a client, as far as the actor can grant them.
fn update_grant(
    transaction: &mut Transaction<'_>,
    permit: &Permit<ClientsWrite>,
    client: &mut Client,
    scope: Option<Scope>,
    resources: Option<Resources>,
) -> Result<Option<Warning>, Error> {
    if scope.is_none() && resources.is_none() {
        return Ok(None);
    }
    if let Some(resources) = &resources {
        check_introspected_resources(permit, client, resources)?;
    }
    let self_registered = client.registration_limits.is_some();
    let scope = scope.unwrap_or_else(|| client.scope.clone());
    let resources = resources.unwrap_or_else(|| client.resources.clone());
    let mut warning = None;
    if scope != client.scope || resources != client.resources {
        let grantee = if self_registered {
            Grantee::SelfRegistered
        } else {
            Grantee::Client
        };
        let request = GrantRequest {
            account: &client.account_id,
            grantee,
            scope: &scope,
            resources: &resources,
            current: Some(&*client),
        };
        warning = check_grant(transaction, permit, &request)?;
        client.scope = scope;
        client.resources = resources;
    }
    if self_registered {
        // The new values are also the limits of the registration: otherwise the client could restore
        // the old ones with its registration access token.
        client.registration_limits =
            Some(RegistrationLimits::new(&client.scope, &client.resources).to_json()?);
    }
    Ok(warning)
}

/// An operator allowed a client to introspect the tokens of certain resource servers; the account's
/// people must not extend that to others.
fn check_introspected_resources<R: RightType>(
    permit: &Permit<R>,
    client: &Client,
    resources: &Resources,
) -> Result<(), Error> {
    let extends = *resources != client.resources
        && (resources.is_empty() || !resources.is_subset(&client.resources));
    if client.may_introspect && !permit.is_operator() && extends {
        return Err(refusal::introspected_resources_need_operator().field("resources"));
    }
    Ok(())
}

/// Disables a client: all of its credentials and tokens are refused until it is enabled again.
///
/// # Errors
/// `not_found`.
pub async fn disable(
    store: &Arc<Store>,
    permit: Permit<ClientsWrite>,
    client_id: &str,
) -> Result<ClientView, Error> {
    let (client, ()) = edit(
        store,
        permit,
        client_id,
        Access::Visible,
        Action::ClientDisable,
        |_, permit, client| {
            disable_row(permit, client);
            Ok(())
        },
    )
    .await?;
    Ok(client)
}

/// Enables a disabled client: its unexpired tokens are active again.
///
/// # Errors
/// `not_found`; `access_denied` if an operator disabled the client and the actor is none.
pub async fn enable(
    store: &Arc<Store>,
    permit: Permit<ClientsWrite>,
    client_id: &str,
) -> Result<ClientView, Error> {
    let (client, ()) = edit(
        store,
        permit,
        client_id,
        Access::Editable,
        Action::ClientEnable,
        |_, permit, client| enable_row(permit, client),
    )
    .await?;
    Ok(client)
}

fn disable_row<R: RightType>(permit: &Permit<R>, client: &mut Client) {
    let by = if permit.is_operator() {
        DisabledBy::Operator
    } else {
        DisabledBy::Account
    };
    client.disable(by, permit.now());
}

fn enable_row<R: RightType>(permit: &Permit<R>, client: &mut Client) -> Result<(), Error> {
    if client.disabled_by == Some(DisabledBy::Operator) && !permit.is_operator() {
        return Err(refusal::client_disabled_by_operator().field("enabled"));
    }
    client.enable();
    Ok(())
}

/// Deletes a client: its secrets, its API keys and all of its tokens are refused from then on.
///
/// # Errors
/// `not_found`; `conflict` if a resource server introspects with the client.
pub async fn delete(
    store: &Arc<Store>,
    permit: Permit<ClientsWrite>,
    client_id: &str,
) -> Result<(), Error> {
    let id = client_id.to_owned();
    store
        .write(permit.now(), move |transaction| {
            let database = transaction.database();
            let client = find_editable(database, &permit, &id)?;
            if let Some(identifier) = resource_server::of_client(database, &id)?.first() {
                return Err(refusal::client_of_resource_server(identifier));
            }
            Ok(domain::client::delete(
                transaction,
                permit.recorder(),
                &client,
            )?)
        })
        .await
}

/// Revokes all tokens that were issued to a client until now, at a cost that does not depend on their
/// number and whatever the clocks of the nodes say.
///
/// # Errors
/// `not_found`.
pub async fn revoke_tokens(
    store: &Arc<Store>,
    permit: Permit<TokensRevoke>,
    client_id: &str,
) -> Result<ClientView, Error> {
    let (client, ()) = edit(
        store,
        permit,
        client_id,
        Access::Visible,
        Action::TokenRevokeAll,
        |_, _, client| {
            client.token_epoch += 1;
            Ok(())
        },
    )
    .await?;
    Ok(client)
}

/// Replaces the registration access token (RFC 7592) of a client that registered itself. The previous
/// token is refused from then on.
///
/// # Errors
/// `not_found`; `conflict` if the client did not register itself.
pub async fn renew_registration_token(
    store: &Arc<Store>,
    permit: Permit<ClientsWrite>,
    client_id: &str,
) -> Result<Credential, Error> {
    let token = Credential::generate(Kind::RegistrationAccessToken);
    let hash = secret_hash::hash(&token);
    edit(
        store,
        permit,
        client_id,
        Access::Editable,
        Action::ClientRenewRegistrationToken,
        move |_, _, client| {
            check_self_registered(client)?;
            client.registration_token_hash = Some(hash.clone());
            Ok(())
        },
    )
    .await?;
    Ok(token)
}

/// Revokes the registration access token of a client that registered itself. The client itself does
/// not change.
///
/// # Errors
/// `not_found`; `conflict` if the client did not register itself.
pub async fn revoke_registration_token(
    store: &Arc<Store>,
    permit: Permit<ClientsWrite>,
    client_id: &str,
) -> Result<ClientView, Error> {
    let (client, ()) = edit(
        store,
        permit,
        client_id,
        Access::Visible,
        Action::ClientRevokeRegistrationToken,
        |_, _, client| {
            check_self_registered(client)?;
            client.registration_token_hash = None;
            Ok(())
        },
    )
    .await?;
    Ok(client)
}

fn check_self_registered(client: &Client) -> Result<(), Error> {
    if client.registration_limits.is_some() {
        return Ok(());
    }
    Err(refusal::client_not_self_registered())
}

fn check_can_allow_introspection<R: RightType>(permit: &Permit<R>) -> Result<(), Error> {
    if permit.is_operator() {
        return Ok(());
    }
    Err(refusal::introspection_needs_operator().field("introspect"))
}

/// The access to a client that a change of it takes.
#[derive(Clone, Copy)]
enum Access {
    /// See [`find_visible`]: for changes that only take away.
    Visible,
    /// See [`find_editable`].
    Editable,
}

/// Changes a client in one transaction, with an audit entry. Returns the client as it is then, and the
/// result of `change`.
async fn edit<R: RightType + Send + Sync + 'static, T: Send + 'static>(
    store: &Arc<Store>,
    permit: Permit<R>,
    client_id: &str,
    access: Access,
    action: Action,
    change: impl Fn(&mut Transaction<'_>, &Permit<R>, &mut Client) -> Result<T, Error> + Send + 'static,
) -> Result<(ClientView, T), Error> {
    let id = client_id.to_owned();
    store
        .write(permit.now(), move |transaction| {
            let mut client = match access {
                Access::Visible => find_visible(transaction.database(), &permit, &id)?,
                Access::Editable => find_editable(transaction.database(), &permit, &id)?,
            };
            let result = change(transaction, &permit, &mut client)?;
            domain::client::update(transaction, permit.recorder(), action, &client)?;
            Ok((client.into(), result))
        })
        .await
}

/// Checks a JWK Set and returns it as compact JSON.
fn checked_jwks(text: &str) -> Result<String, Error> {
    let jwks: Value = serde_json::from_str(text)
        .map_err(|error| refusal::jwks_invalid(&format!("jwks: {error}")).field("jwks"))?;
    JwkSet::check_registered(&jwks)
        .map_err(|reason| refusal::jwks_invalid(&reason.to_string()).field("jwks"))?;
    Ok(jwks.to_string())
}

fn check_auth_method(client: &Client) -> Result<(), Error> {
    let has_keys = client.jwks.is_some() || client.jwks_uri.is_some();
    if client.auth_method == AuthMethod::PrivateKeyJwt && !has_keys {
        return Err(refusal::jwks_required().field("jwks"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch(change: impl FnOnce(&mut ClientPatch)) -> ClientPatch {
        let mut patch = ClientPatch::default();
        change(&mut patch);
        patch
    }

    #[test]
    fn a_patch_only_disables_if_it_changes_nothing_else() {
        let cases = [
            (patch(|patch| patch.enabled = Some(false)), true),
            (
                patch(|patch| {
                    patch.enabled = Some(false);
                    patch.expected = Some(vec!["v1".to_owned()]);
                }),
                true,
            ),
            (patch(|_| {}), false),
            (patch(|patch| patch.enabled = Some(true)), false),
            (
                patch(|patch| {
                    patch.enabled = Some(false);
                    patch.scope = Some(Scope::default());
                }),
                false,
            ),
            (
                patch(|patch| {
                    patch.enabled = Some(false);
                    patch.jwks = Some("{}".to_owned());
                }),
                false,
            ),
        ];
        for (index, (patch, expected)) in cases.iter().enumerate() {
            assert_eq!(patch.only_disables(), *expected, "case {index}");
        }
    }

    #[test]
    fn an_update_needs_one_of_the_expected_versions() {
        let client = Client::new(
            "Batch".to_owned(),
            "acme".to_owned(),
            AuthMethod::ClientSecretBasic,
            Timestamp::from_seconds(1_800_000_000),
        );
        let current = version(&ClientView::from(client.clone()));
        let cases = [
            (None, true),
            (Some(vec![]), false),
            (Some(vec!["other".to_owned()]), false),
            (Some(vec!["other".to_owned(), current.clone()]), true),
        ];
        for (expected, allowed) in cases {
            let checked = check_version(&client, expected.as_deref());
            assert_eq!(checked.is_ok(), allowed, "{expected:?}");
        }
        let renamed = Client {
            name: "Nightly".to_owned(),
            ..client
        };
        assert!(check_version(&renamed, Some(&[current])).is_err());
    }
}
