//! Clients: the applications of an account.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::actor::{
    ALL_RIGHTS, ClientsRead, ClientsWrite, OPERATOR_SCOPE, Permit, Right, TokensRevoke,
};
use super::api_key::{self, NewApiKey};
pub use super::policy::Warning;
use super::policy::{
    Grantee, Wanted, check_grant, known_resources, management_audience, undescribed,
};
use super::{MAX_NAME, account, check_name, invalid, not_found, version};
use crate::clock::Timestamp;
use crate::credential::{Credential, Kind};
use crate::crypto::jws::JwkSet;
use crate::crypto::secret_hash;
use crate::error::{Code, Error};
use crate::oauth::client_metadata::RegistrationLimits;
use crate::scope::{Scope, is_right};
use crate::store::client::{self, Client};
pub use crate::store::client::{AuthMethod, DisabledBy};
use crate::store::grant_type::GrantType;
use crate::store::resource_server;
pub use crate::store::resource_server::Resources;
use crate::store::{self, Database, Store, Transaction, client_secret};

/// The name of a client's first API key.
const FIRST_KEY: &str = "Default";

/// What a new client is to be.
#[derive(Clone)]
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
    /// What is most likely not meant.
    pub warning: Option<Warning>,
}

/// A client that was changed.
pub struct ChangedClient {
    /// As it is now.
    pub client: ClientView,
    /// What is most likely not meant.
    pub warning: Option<Warning>,
}

/// What of a client is to change; what is absent stays.
#[derive(Clone, Default)]
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

impl ClientChange {
    fn only_disables(&self) -> bool {
        let ClientChange {
            name,
            scope,
            resources,
            may_introspect,
            auth_method,
            jwks,
            enabled,
            expected: _,
        } = self;
        let nothing_else =
            name.is_none() && scope.is_none() && resources.is_none() && may_introspect.is_none();
        *enabled == Some(false) && nothing_else && auth_method.is_none() && jwks.is_none()
    }
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
    /// Who disabled it, where it is disabled. What an operator disabled only an operator enables.
    pub disabled_by: Option<DisabledBy>,
    /// Whether it registered itself (RFC 7591).
    pub self_registered: bool,
    /// Whether it has a registration access token, by which it can change what it registered (RFC 7592).
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
            enabled: client.disabled_at.is_none(),
            disabled_by: client.disabled_by,
            self_registered: client.registration_limits.is_some(),
            has_registration_token: client.registration_token_hash.is_some(),
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
    store
        .write(now, move |transaction| {
            insert(transaction, &permit, new.clone(), now)
        })
        .await
}

/// Within a change that makes more than the client.
pub(crate) fn insert(
    transaction: &mut Transaction<'_>,
    permit: &Permit<ClientsWrite>,
    new: NewClient,
    now: Timestamp,
) -> Result<CreatedClient, Error> {
    let account = account::resolve(transaction, permit, new.account.as_deref(), now)?;
    let resources = known_resources(transaction.database(), permit, &new.resources)?;
    let wanted = Wanted {
        account: &account.id,
        grantee: Grantee::Client,
        scope: &new.scope,
        resources: &resources,
        current: None,
    };
    let warning = check_grant(transaction, permit, &wanted)?;
    check_introspection(permit, false, new.may_introspect)?;
    if permit.account().is_some() {
        check_room(transaction.database(), &account)?;
    }
    let client = Client {
        grant_types: GrantType::ALL.iter().copied().collect(),
        scope: new.scope,
        resources,
        may_introspect: new.may_introspect,
        jwks: new.jwks.as_deref().map(checked_jwks).transpose()?,
        ..Client::new(new.name, account.id, new.auth_method, now)
    };
    check_auth_method(&client)?;
    client::insert(transaction, &client)?;
    let secret = insert_secret(transaction, &client, now)?;
    let first_key = NewApiKey {
        name: FIRST_KEY.to_owned(),
        manage_keys: true,
        ..NewApiKey::default()
    };
    let (api_key, row) = api_key::generate(&client, first_key, permit.actor(), now);
    store::api_key::insert(transaction, &row)?;
    permit.record(
        transaction,
        "client.create",
        Some(&client.account_id),
        &client.client_id,
        now,
    )?;
    Ok(CreatedClient {
        client,
        secret,
        api_key,
        warning,
    })
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

/// The clients within reach of this id, or with this text in their names, `limit` at the most.
///
/// # Errors
/// Where the database gave no answer.
pub async fn search(
    store: &Arc<Store>,
    permit: Permit<ClientsRead>,
    text: &str,
    limit: i64,
) -> Result<Vec<ClientView>, Error> {
    let text = text.to_owned();
    if text.contains('\0') || text.len() > MAX_NAME * 4 {
        return Ok(Vec::new());
    }
    let account = permit.account().map(str::to_owned);
    let found = store
        .report(account.as_deref(), move |database| {
            Ok(client::search(database, permit.account(), &text, limit)?)
        })
        .await?;
    Ok(found.into_iter().map(ClientView::from).collect())
}

/// Refuses one more client where the account has as many as it can have.
pub(crate) fn check_room(
    database: &mut Database,
    account: &store::account::Account,
) -> Result<(), Error> {
    let most = account.client_limit();
    if !client::has_as_many(database, &account.id, most)? {
        return Ok(());
    }
    Err(Error::new(
        Code::Conflict,
        format!("The account has {most} clients, the most that it can have; ask an operator"),
    )
    .phrase(
        "clients-full",
        [("most", usize::try_from(most).unwrap_or(0).into())],
    ))
}

/// What can be given to a client, as a form offers it.
#[derive(Default)]
pub struct Choices {
    /// Scope tokens, without rights over Keyward.
    pub scope: BTreeSet<String>,
    /// Rights over Keyward.
    pub rights: BTreeSet<String>,
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
                    choices
                        .resources
                        .extend(management_audience(database, &permit)?);
                    choices.rights.extend(
                        ALL_RIGHTS
                            .iter()
                            .chain(&[OPERATOR_SCOPE])
                            .map(|&right| right.to_owned()),
                    );
                }
                Some(account) => {
                    let grants = client::grants(database, account)?;
                    for (scope, resources) in grants
                        .into_iter()
                        .filter(|(scope, _)| permit.check_gift(scope).is_ok())
                    {
                        choices.rights.extend(scope.rights().map(str::to_owned));
                        choices.scope.extend(
                            scope
                                .iter()
                                .filter(|token| !is_right(token))
                                .map(str::to_owned),
                        );
                        choices
                            .resources
                            .extend(resources.iter().map(str::to_owned));
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
pub async fn show(
    store: &Arc<Store>,
    permit: Permit<ClientsRead>,
    client_id: &str,
) -> Result<ClientView, Error> {
    let id = client_id.to_owned();
    store
        .read(move |database| Ok(within_reach(database, &permit, &id)?.into()))
        .await
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
) -> Result<ChangedClient, Error> {
    if let Some(name) = &change.name {
        check_name(name)?;
    }
    let giver = permit.clone();
    // A leak must end: to refuse all that a client presents takes no more rights than to see it.
    let needs = if change.only_disables() {
        Needs::Reach
    } else {
        Needs::Power
    };
    let changed = edit(
        store,
        permit,
        client_id,
        needs,
        "client.update",
        now,
        move |transaction, client| {
            let change = change.clone();
            let current = version(&ClientView::from(client.clone()));
            if change
                .expected
                .is_some_and(|expected| !expected.contains(&current))
            {
                return Err(Error::new(
                    Code::PreconditionFailed,
                    "The client was changed meanwhile; read it again",
                )
                .phrase("changed-meanwhile", []));
            }
            if let Some(name) = change.name {
                client.name = name;
            }
            let resources = match change.resources {
                Some(named) => Some(known_resources(transaction.database(), &giver, &named)?),
                None => None,
            };
            let warning = regrant(transaction, &giver, client, change.scope, resources)?;
            if let Some(may_introspect) = change.may_introspect {
                check_introspection(&giver, client.may_introspect, may_introspect)?;
                client.may_introspect = may_introspect;
            }
            if let Some(auth_method) = change.auth_method {
                client.auth_method = auth_method;
            }
            match change.enabled {
                Some(true) => enable_again(&giver, client)?,
                Some(false) => client.disable(disabler(&giver), now),
                None => {}
            }
            if let Some(jwks) = change.jwks {
                client.jwks = Some(checked_jwks(&jwks)?);
            }
            check_auth_method(client)?;
            Ok(warning)
        },
    );
    let (client, warning) = changed.await?;
    Ok(ChangedClient { client, warning })
}

/// What is most likely not meant with a client as it is.
///
/// # Errors
/// Where the database gave no answer.
pub async fn warning(
    store: &Arc<Store>,
    _: Permit<ClientsRead>,
    client: &ClientView,
) -> Result<Option<Warning>, Error> {
    let (scope, resources) = (client.scope.clone(), client.resources.clone());
    store
        .read(move |database| undescribed(database, &scope, &resources))
        .await
}

/// Gives a client another scope or other resource servers, as far as the actor may.
fn regrant(
    transaction: &mut Transaction<'_>,
    giver: &Permit<ClientsWrite>,
    client: &mut Client,
    scope: Option<Scope>,
    resources: Option<Resources>,
) -> Result<Option<Warning>, Error> {
    if scope.is_none() && resources.is_none() {
        return Ok(None);
    }
    let mut warning = None;
    // The right to introspect is for the resource servers that it was given for.
    if let Some(wanted) = &resources
        && client.may_introspect
        && giver.account().is_some()
        && *wanted != client.resources
        && (wanted.is_empty() || !wanted.is_subset(&client.resources))
    {
        return Err(Error::new(
            Code::AccessDenied,
            "Only an operator gives other resource servers to a client that introspects",
        )
        .phrase("introspection-moves", [])
        .field("resources"));
    }
    let registered = client.registration_limits.is_some();
    let scope = scope.unwrap_or_else(|| client.scope.clone());
    let resources = resources.unwrap_or_else(|| client.resources.clone());
    if scope != client.scope || resources != client.resources {
        let grantee = if registered {
            Grantee::Registrant
        } else {
            Grantee::Client
        };
        let wanted = Wanted {
            account: &client.account_id,
            grantee,
            scope: &scope,
            resources: &resources,
            current: Some(&*client),
        };
        warning = check_grant(transaction, giver, &wanted)?;
        (client.scope, client.resources) = (scope, resources);
    }
    if registered {
        // What was set here is the most that it can have: it cannot take back more by its own registration
        // access token.
        client.registration_limits =
            Some(RegistrationLimits::new(&client.scope, &client.resources).to_json()?);
    }
    Ok(warning)
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
    let by = disabler(&permit);
    edit(
        store,
        permit,
        client_id,
        Needs::Reach,
        "client.disable",
        now,
        move |_, client| {
            client.disable(by, now);
            Ok(())
        },
    )
    .await
    .map(|(client, ())| client)
}

/// Takes it back: what was issued before counts again, as far as it has not ended.
///
/// # Errors
/// No such client; one that an operator disabled, for who is none.
pub async fn enable(
    store: &Arc<Store>,
    permit: Permit<ClientsWrite>,
    client_id: &str,
    now: Timestamp,
) -> Result<ClientView, Error> {
    let enabler = permit.clone();
    edit(
        store,
        permit,
        client_id,
        Needs::Power,
        "client.enable",
        now,
        move |_, client| enable_again(&enabler, client),
    )
    .await
    .map(|(client, ())| client)
}

fn disabler<R: Right>(permit: &Permit<R>) -> DisabledBy {
    if permit.account().is_some() {
        DisabledBy::Account
    } else {
        DisabledBy::Operator
    }
}

fn enable_again<R: Right>(permit: &Permit<R>, client: &mut Client) -> Result<(), Error> {
    if client.disabled_by == Some(DisabledBy::Operator) && permit.account().is_some() {
        return Err(Error::new(
            Code::AccessDenied,
            "An operator disabled this client, so only an operator can enable it",
        )
        .phrase("disabled-by-operator", [])
        .field("enabled"));
    }
    client.enable();
    Ok(())
}

/// Deletes a client: its secrets, its keys and all its tokens are refused from then on.
///
/// # Errors
/// No such client; one that a resource server introspects with.
pub async fn delete(
    store: &Arc<Store>,
    permit: Permit<ClientsWrite>,
    client_id: &str,
    now: Timestamp,
) -> Result<(), Error> {
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
    edit(
        store,
        permit,
        client_id,
        Needs::Reach,
        "token.revoke_all",
        now,
        move |_, client| {
            client.token_epoch += 1;
            Ok(())
        },
    )
    .await
    .map(|(client, ())| client)
}

/// Gives a client that registered itself another registration access token (RFC 7592) in the place of the
/// one it has: whoever holds that can change the client no longer.
///
/// # Errors
/// No such client; one that did not register itself.
pub async fn renew_registration_token(
    store: &Arc<Store>,
    permit: Permit<ClientsWrite>,
    client_id: &str,
    now: Timestamp,
) -> Result<Credential, Error> {
    let token = Credential::generate(Kind::RegistrationAccessToken);
    let hash = secret_hash::hash(&token);
    edit(
        store,
        permit,
        client_id,
        Needs::Power,
        "client.renew_registration_token",
        now,
        move |_, client| {
            check_registered(client)?;
            client.registration_token_hash = Some(hash.clone());
            Ok(())
        },
    )
    .await?;
    Ok(token)
}

/// Ends the registration access token of a client that registered itself. The client stays as it is.
///
/// # Errors
/// No such client; one that did not register itself.
pub async fn revoke_registration_token(
    store: &Arc<Store>,
    permit: Permit<ClientsWrite>,
    client_id: &str,
    now: Timestamp,
) -> Result<ClientView, Error> {
    edit(
        store,
        permit,
        client_id,
        Needs::Reach,
        "client.revoke_registration_token",
        now,
        move |_, client| {
            check_registered(client)?;
            client.registration_token_hash = None;
            Ok(())
        },
    )
    .await
    .map(|(client, ())| client)
}

fn check_registered(client: &Client) -> Result<(), Error> {
    if client.registration_limits.is_some() {
        return Ok(());
    }
    Err(Error::new(
        Code::Conflict,
        "The client did not register itself, so it has no registration access token",
    )
    .phrase("unregistered", []))
}

/// The client of this id, where it is within reach. Of another account's not even the existence
/// shows.
pub(super) fn within_reach<R: Right>(
    database: &mut Database,
    permit: &Permit<R>,
    client_id: &str,
) -> Result<Client, Error> {
    let found =
        client::find(database, client_id)?.filter(|client| permit.reaches(&client.account_id));
    found.ok_or_else(|| not_found("client", client_id))
}

/// The same, for who wants to change the client, or to make credentials for it: whoever could would
/// have all of its rights, so a client that has more over Keyward than they is not theirs to touch.
pub(super) fn within_power<R: Right>(
    database: &mut Database,
    permit: &Permit<R>,
    client_id: &str,
) -> Result<Client, Error> {
    let client = within_reach(database, permit, client_id)?;
    match permit.check_gift(&client.scope) {
        Ok(()) => Ok(client),
        Err(_) => Err(Error::new(
            Code::AccessDenied,
            "The client has rights that you have not",
        )
        .phrase("client-beyond-you", [])),
    }
}

fn check_introspection<R: Right>(
    permit: &Permit<R>,
    before: bool,
    wanted: bool,
) -> Result<(), Error> {
    if wanted && !before && permit.account().is_some() {
        return Err(Error::new(
            Code::AccessDenied,
            "Only an operator lets a client introspect",
        )
        .phrase("introspection-beyond-you", [])
        .field("introspect"));
    }
    Ok(())
}

/// What an actor needs for a change of a client.
#[derive(Clone, Copy)]
enum Needs {
    /// That it is within reach, for what only takes away.
    Reach,
    /// That it has no more rights than the actor, too.
    Power,
}

async fn edit<R: Right + Send + 'static, T: Send + 'static>(
    store: &Arc<Store>,
    permit: Permit<R>,
    client_id: &str,
    needs: Needs,
    action: &'static str,
    now: Timestamp,
    change: impl Fn(&mut Transaction<'_>, &mut Client) -> Result<T, Error> + Send + 'static,
) -> Result<(ClientView, T), Error> {
    let id = client_id.to_owned();
    store
        .write(now, move |transaction| {
            let mut client = match needs {
                Needs::Reach => within_reach(transaction.database(), &permit, &id)?,
                Needs::Power => within_power(transaction.database(), &permit, &id)?,
            };
            let more = change(transaction, &mut client)?;
            client::update(transaction, &client)?;
            permit.record(transaction, action, Some(&client.account_id), &id, now)?;
            Ok((client.into(), more))
        })
        .await
}

fn checked_jwks(text: &str) -> Result<String, Error> {
    let jwks: Value = serde_json::from_str(text).map_err(|error| {
        invalid(format!("jwks: {error}"))
            .phrase("jwks-unusable", [])
            .field("jwks")
    })?;
    JwkSet::check_registered(&jwks)
        .map_err(|reason| invalid(reason).phrase("jwks-unusable", []).field("jwks"))?;
    Ok(jwks.to_string())
}

fn check_auth_method(client: &Client) -> Result<(), Error> {
    let without_keys = client.jwks.is_none() && client.jwks_uri.is_none();
    if client.auth_method == AuthMethod::PrivateKeyJwt && without_keys {
        return Err(
            invalid("private_key_jwt needs the client's public keys (jwks)")
                .phrase("jwks-missing", [])
                .field("jwks"),
        );
    }
    Ok(())
}
