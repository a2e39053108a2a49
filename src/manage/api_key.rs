//! API keys of a client: at least one and at most [`MAX_API_KEYS`] active ones, each with a unique name.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use zeroize::Zeroizing;

use super::actor::Permit;
use super::policy::{find_editable, find_visible};
use super::rights::{KeysRead, KeysWrite};
use super::{check_name, not_found};
use crate::clock::Timestamp;
use crate::credential::{Credential, Kind};
use crate::crypto::secret_hash;
use crate::error::{Error, refusal};
use crate::scope::Scope;
use crate::secret::SecretString;
pub use crate::store::api_key::IpRanges;
use crate::store::api_key::{self, ApiKey};
use crate::store::audit::Action;
use crate::store::client::{self, Client, could_be_id};
pub use crate::store::resource_server::Resources;
use crate::store::{Database, Store, Transaction};

/// The maximum number of active keys of a client.
pub const MAX_API_KEYS: usize = 10;

/// How many characters of its name a replaced key keeps, beside its id.
const MAX_REPLACED_NAME_LENGTH: usize = 60;

/// The properties of a new API key.
#[derive(Clone, Default)]
pub struct NewApiKey {
    /// The display name, unique among the client's active keys.
    pub name: String,
    /// A subset of the client's scope; all of it if absent.
    pub scope: Option<Scope>,
    /// When the key expires; never if absent.
    pub expires_at: Option<Timestamp>,
    /// The client IP addresses that may present the key; any address if empty.
    pub allowed_ips: IpRanges,
    /// Whether the key may manage the client's keys by `/apiKeys`.
    pub manage_keys: bool,
    /// A subset of the client's resource servers; all of them if absent.
    pub resources: Option<Resources>,
}

/// An API key as management shows it, without its secret.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
#[expect(missing_docs, reason = "the names of the columns say it")]
pub struct ApiKeyView {
    pub id: String,
    pub client_id: String,
    pub name: String,
    pub shown: String,
    pub scope: Option<Scope>,
    pub allowed_ips: IpRanges,
    pub manage_keys: bool,
    pub created_by: String,
    pub created_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
    /// The resource servers that the key is for; null for all that its client may use.
    pub resources: Option<Resources>,
    /// Whether the key is active and was not used for 90 days.
    pub unused: bool,
    #[serde(skip)]
    pub replaced_by: Option<String>,
}

impl ApiKeyView {
    pub(super) fn new(key: ApiKey, now: Timestamp) -> Self {
        ApiKeyView {
            unused: key.is_unused(now),
            id: key.id,
            client_id: key.client_id,
            name: key.name,
            shown: key.shown,
            scope: key.scope,
            allowed_ips: key.allowed_ips,
            manage_keys: key.manage_keys,
            created_by: key.created_by,
            created_at: key.created_at,
            last_used_at: key.last_used_at,
            expires_at: key.expires_at,
            resources: key.resources,
            replaced_by: key.replaced_by,
        }
    }
}

/// Generates a key: the key in full, which cannot be read again later, and its row.
pub(super) fn generate(
    client: &Client,
    new: NewApiKey,
    created_by: &str,
    now: Timestamp,
) -> (Credential, ApiKey) {
    let key = Credential::generate(Kind::ApiKey);
    let row = ApiKey {
        id: key.id().to_owned(),
        client_id: client.client_id.clone(),
        name: new.name,
        hash: secret_hash::hash(&key),
        shown: key.shown(),
        scope: new.scope,
        manage_keys: new.manage_keys,
        created_at: now,
        expires_at: new.expires_at,
        created_by: created_by.to_owned(),
        allowed_ips: new.allowed_ips,
        last_used_at: None,
        replaced_by: None,
        resources: new.resources,
    };
    (key, row)
}

/// Creates an API key.
///
/// # Errors
/// `not_found` for an unknown client; `invalid_request` for an unusable name or expiry, for resource
/// servers that the client may not use or an empty list of them, or if the client's security profile
/// does not allow API keys; `invalid_scope` beyond the client's scope; `conflict` if the name is taken or
/// the client has [`MAX_API_KEYS`].
pub async fn create(
    store: &Arc<Store>,
    permit: Permit<KeysWrite>,
    client_id: &str,
    new: NewApiKey,
) -> Result<(Credential, ApiKeyView), Error> {
    let now = permit.now();
    check_name(&new.name)?;
    check_expiry(new.expires_at, now)?;
    let client_id = client_id.to_owned();
    store
        .write(now, move |transaction| {
            let client = find_editable(transaction.database(), &permit, &client_id)?;
            insert(transaction, &permit, &client, new.clone())
        })
        .await
}

/// Creates an API key by another key that manages the keys of its client, `manager_id`: never for more than
/// this key has at that moment, nor for longer, nor for other addresses.
///
/// # Errors
/// As for [`create`]; `access_denied` if the other key may not manage keys any more.
pub async fn create_by_key(
    store: &Arc<Store>,
    permit: Permit<KeysWrite>,
    client_id: &str,
    manager_id: &str,
    name: String,
) -> Result<(Credential, ApiKeyView), Error> {
    let now = permit.now();
    check_name(&name)?;
    let (client_id, manager_id) = (client_id.to_owned(), manager_id.to_owned());
    store
        .write(now, move |transaction| {
            let client = find_editable(transaction.database(), &permit, &client_id)?;
            // The key was authenticated by the cache, which may be a second old.
            let manager = api_key::find(transaction.database(), &manager_id)?
                .filter(|key| key.client_id == client_id && !key.is_expired(now))
                .filter(|key| key.manage_keys)
                .ok_or_else(refusal::api_key_manages_none)?;
            insert(
                transaction,
                &permit,
                &client,
                part_of(&manager, &client, name.clone())?,
            )
        })
        .await
}

/// The properties of a key that another one creates: what that one has of what its client may have.
fn part_of(manager: &ApiKey, client: &Client, name: String) -> Result<NewApiKey, Error> {
    let resources = manager.resources.as_ref();
    let resources = resources.map(|own| own.intersection(&client.resources));
    if resources.as_ref().is_some_and(Resources::is_empty) {
        return Err(refusal::api_key_resources_lost());
    }
    let scope = manager.scope.as_ref();
    Ok(NewApiKey {
        name,
        scope: scope.map(|own| own.intersection(&client.scope)),
        expires_at: manager.expires_at,
        allowed_ips: manager.allowed_ips.clone(),
        manage_keys: false,
        resources,
    })
}

/// Inserts a new key of a client, with its audit entry.
fn insert(
    transaction: &mut Transaction<'_>,
    permit: &Permit<KeysWrite>,
    client: &Client,
    new: NewApiKey,
) -> Result<(Credential, ApiKeyView), Error> {
    let now = permit.now();
    check_profile(client)?;
    permit.ensure_first_use(transaction)?;
    check_scope(new.scope.as_ref(), client)?;
    check_resources(new.resources.as_ref(), client)?;
    let active = active_keys(transaction.database(), &client.client_id, now)?;
    ensure_capacity(&active)?;
    reclaim_name(transaction, &client.client_id, &active, &new.name, now)?;
    let (key, row) = generate(client, new, permit.actor(), now);
    api_key::insert(transaction, &row)?;
    let account = Some(client.account_id.as_str());
    permit.audit(transaction, Action::ApiKeyCreate, account, &row.id)?;
    Ok((key, ApiKeyView::new(row, now)))
}

fn check_expiry(expires_at: Option<Timestamp>, now: Timestamp) -> Result<(), Error> {
    if expires_at.is_some_and(|end| end <= now) {
        return Err(refusal::expiry_in_the_past("key").field("expires_at"));
    }
    Ok(())
}

/// Refuses a scope beyond that of the client.
fn check_scope(scope: Option<&Scope>, client: &Client) -> Result<(), Error> {
    if scope.is_some_and(|scope| !scope.is_subset(&client.scope)) {
        return Err(refusal::api_key_scope(client.scope.as_str()).field("scope"));
    }
    Ok(())
}

/// Refuses resource servers that the client may not use, and an empty list of them, which is not the
/// same as all of them.
fn check_resources(resources: Option<&Resources>, client: &Client) -> Result<(), Error> {
    let Some(resources) = resources else {
        return Ok(());
    };
    if resources.is_empty() {
        return Err(refusal::api_key_no_resources().field("resources"));
    }
    if resources.is_subset(&client.resources) {
        return Ok(());
    }
    Err(refusal::api_key_resources(client.resources.as_str()).field("resources"))
}

/// Refuses a new key for a client whose security profile does not allow API keys.
fn check_profile(client: &Client) -> Result<(), Error> {
    if client.profile.allows_api_keys() {
        return Ok(());
    }
    Err(refusal::api_key_profile(client.profile.as_str()))
}

/// Lists the keys of a client, oldest first, including those that expired recently.
///
/// # Errors
/// `not_found` for an unknown client.
pub async fn list(
    store: &Arc<Store>,
    permit: Permit<KeysRead>,
    client_id: &str,
) -> Result<Vec<ApiKeyView>, Error> {
    let id = client_id.to_owned();
    store
        .read(move |database| {
            find_visible(database, &permit, &id)?;
            Ok(api_key::list(database, &id)?
                .into_iter()
                .map(|key| ApiKeyView::new(key, permit.now()))
                .collect())
        })
        .await
}

/// The key with this id, if it belongs to a client that the actor can see.
///
/// # Errors
/// A [`StoreError`](crate::store::StoreError) if the database cannot be queried.
pub async fn find(
    store: &Arc<Store>,
    permit: Permit<KeysRead>,
    id: &str,
) -> Result<Option<ApiKeyView>, Error> {
    if !could_be_id(id) {
        return Ok(None);
    }
    let id = id.to_owned();
    store
        .read(move |database| {
            let Some(key) = api_key::find(database, &id)? else {
                return Ok(None);
            };
            let client = client::find(database, &key.client_id)?;
            let is_visible = client.is_some_and(|client| permit.can_access(&client.account_id));
            Ok(is_visible.then(|| ApiKeyView::new(key, permit.now())))
        })
        .await
}

/// Replaces a key by a new one with the same name and properties. The old key expires after the `grace`
/// period; without one it is revoked.
///
/// # Errors
/// `not_found` for an unknown or expired key; `conflict` if the key was rotated before, or if the client
/// has [`MAX_API_KEYS`] and both keys are to be active for a while.
pub async fn rotate(
    store: &Arc<Store>,
    permit: Permit<KeysWrite>,
    client_id: &str,
    id: &str,
    grace: Duration,
) -> Result<(Credential, ApiKeyView), Error> {
    let now = permit.now();
    let client_id = client_id.to_owned();
    let id = id.to_owned();
    store
        .write(now, move |transaction| {
            let client = find_editable(transaction.database(), &permit, &client_id)?;
            check_profile(&client)?;
            permit.ensure_first_use(transaction)?;
            let active = active_keys(transaction.database(), &client_id, now)?;
            let old = active
                .iter()
                .find(|key| key.id == id)
                .ok_or_else(|| not_found("API key", &id))?;
            if !grace.is_zero() {
                ensure_capacity(&active)?;
            }
            if old.replaced_by.is_some() {
                return Err(refusal::api_key_already_rotated());
            }
            let (key, row) = generate(&client, successor(old, now), permit.actor(), now);
            if grace.is_zero() {
                api_key::delete(transaction, &old.id, now)?;
            } else {
                let replaced = replaced(old, &row.id, now.saturating_add(grace));
                api_key::update(transaction, &replaced)?;
            }
            api_key::insert(transaction, &row)?;
            permit.audit(
                transaction,
                Action::ApiKeyRotate,
                Some(&client.account_id),
                &id,
            )?;
            Ok((key, ApiKeyView::new(row, now)))
        })
        .await
}

/// An update of an API key. Absent members stay unchanged.
#[derive(Clone, Default)]
pub struct ApiKeyPatch {
    /// The new display name.
    pub name: Option<String>,
    /// The new scope; `Some(None)` is the whole scope of the client.
    pub scope: Option<Option<Scope>>,
    /// The new expiry; `Some(None)` means that the key does not expire.
    pub expires_at: Option<Option<Timestamp>>,
    /// The new client IP addresses that may present the key; any address if empty.
    pub allowed_ips: Option<IpRanges>,
    /// Whether the key may manage the client's keys by `/apiKeys`.
    pub manage_keys: Option<bool>,
    /// The new resource servers; `Some(None)` is all that the client may use.
    pub resources: Option<Option<Resources>>,
}

/// Changes the properties of an active key. The key itself stays the same.
///
/// # Errors
/// `not_found` for an unknown or expired key; `invalid_request` for an unusable name or expiry;
/// resource servers that the client may not use, or an empty list of them; `invalid_scope` beyond
/// the client's scope; `conflict` if another key has the name.
pub async fn update(
    store: &Arc<Store>,
    permit: Permit<KeysWrite>,
    client_id: &str,
    id: &str,
    patch: ApiKeyPatch,
) -> Result<ApiKeyView, Error> {
    let now = permit.now();
    if let Some(name) = &patch.name {
        check_name(name)?;
    }
    check_expiry(patch.expires_at.flatten(), now)?;
    let client_id = client_id.to_owned();
    let id = id.to_owned();
    store
        .write(now, move |transaction| {
            let client = find_editable(transaction.database(), &permit, &client_id)?;
            check_scope(patch.scope.as_ref().and_then(Option::as_ref), &client)?;
            check_resources(patch.resources.as_ref().and_then(Option::as_ref), &client)?;
            let mut active = active_keys(transaction.database(), &client_id, now)?;
            let position = active
                .iter()
                .position(|key| key.id == id)
                .ok_or_else(|| not_found("API key", &id))?;
            let mut key = active.swap_remove(position);
            if let Some(name) = patch.name.clone()
                && name != key.name
            {
                reclaim_name(transaction, &client_id, &active, &name, now)?;
                key.name = name;
            }
            if let Some(scope) = patch.scope.clone() {
                key.scope = scope;
            }
            if let Some(expires_at) = patch.expires_at {
                key.expires_at = expires_at;
            }
            if let Some(allowed_ips) = patch.allowed_ips.clone() {
                key.allowed_ips = allowed_ips;
            }
            if let Some(manage_keys) = patch.manage_keys {
                key.manage_keys = manage_keys;
            }
            if let Some(resources) = patch.resources.clone() {
                key.resources = resources;
            }
            api_key::update(transaction, &key)?;
            permit.audit(
                transaction,
                Action::ApiKeyUpdate,
                Some(&client.account_id),
                &id,
            )?;
            Ok(ApiKeyView::new(key, now))
        })
        .await
}

/// Deletes a key: it is refused from the next request on.
///
/// # Errors
/// `not_found` for an unknown key; `conflict` for the last active key of the client.
pub async fn delete(
    store: &Arc<Store>,
    permit: Permit<KeysWrite>,
    client_id: &str,
    id: &str,
) -> Result<(), Error> {
    delete_all(store, permit, client_id, BTreeSet::from([id.to_owned()])).await
}

/// Deletes keys of one client, all of them or none.
///
/// # Errors
/// `not_found` for an unknown key; `conflict` if the client would have no active key any more;
/// `invalid_request` without keys.
pub async fn delete_all(
    store: &Arc<Store>,
    permit: Permit<KeysWrite>,
    client_id: &str,
    ids: BTreeSet<String>,
) -> Result<(), Error> {
    let now = permit.now();
    let client_id = client_id.to_owned();
    store
        .write(now, move |transaction| {
            let client = find_editable(transaction.database(), &permit, &client_id)?;
            let keys = api_key::list(transaction.database(), &client_id)?;
            if ids.is_empty() {
                return Err(refusal::api_keys_not_chosen());
            }
            if let Some(unknown) = ids.iter().find(|id| keys.iter().all(|key| key.id != **id)) {
                return Err(not_found("API key", unknown));
            }
            let active = |chosen: bool| {
                keys.iter()
                    .any(|key| !key.is_expired(now) && ids.contains(&key.id) == chosen)
            };
            if active(true) && !active(false) {
                return Err(refusal::api_key_is_last());
            }
            for id in &ids {
                api_key::delete(transaction, id, now)?;
                let account = Some(client.account_id.as_str());
                permit.audit(transaction, Action::ApiKeyDelete, account, id)?;
            }
            Ok(())
        })
        .await
}

fn active_keys(
    database: &mut Database,
    client_id: &str,
    now: Timestamp,
) -> Result<Vec<ApiKey>, Error> {
    let mut keys = api_key::list(database, client_id)?;
    keys.retain(|key| !key.is_expired(now));
    Ok(keys)
}

fn ensure_capacity(active: &[ApiKey]) -> Result<(), Error> {
    if active.len() < MAX_API_KEYS {
        return Ok(());
    }
    Err(refusal::api_key_limit(MAX_API_KEYS))
}

/// Makes a name available: an active key keeps its name, an expired one is deleted for it.
fn reclaim_name(
    transaction: &mut Transaction<'_>,
    client_id: &str,
    active: &[ApiKey],
    name: &str,
    now: Timestamp,
) -> Result<(), Error> {
    if active.iter().any(|key| key.name == name) {
        return Err(refusal::api_key_name_taken().field("name"));
    }
    let expired = api_key::list(transaction.database(), client_id)?
        .into_iter()
        .find(|key| key.name == name && key.is_expired(now));
    if let Some(key) = expired {
        api_key::delete(transaction, &key.id, now)?;
    }
    Ok(())
}

/// The properties of the key that replaces `old` at `now`, with the same lifetime.
fn successor(old: &ApiKey, now: Timestamp) -> NewApiKey {
    NewApiKey {
        name: old.name.clone(),
        scope: old.scope.clone(),
        expires_at: old
            .expires_at
            .map(|end| now.saturating_add(end.duration_since(old.created_at))),
        allowed_ips: old.allowed_ips.clone(),
        manage_keys: old.manage_keys,
        resources: old.resources.clone(),
    }
}

/// A key that was replaced, and expires at `end` or at its own expiry, whichever is sooner. Names are
/// unique within a client and the successor takes this one, so the old key's name gets its id.
fn replaced(old: &ApiKey, successor_id: &str, end: Timestamp) -> ApiKey {
    let name: String = old.name.chars().take(MAX_REPLACED_NAME_LENGTH).collect();
    ApiKey {
        name: format!("{name} ({})", old.id),
        expires_at: Some(old.expires_at.map_or(end, |own| own.min(end))),
        replaced_by: Some(successor_id.to_owned()),
        ..old.clone()
    }
}

/// The value of the `Authorization` header that presents an API key: Basic, with the key as the user name.
pub fn authorization_header(api_key: &Credential) -> SecretString {
    let encoded = Zeroizing::new(STANDARD.encode(api_key.expose()));
    SecretString::new(["Basic ", &encoded].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_800_000_000 + seconds)
    }

    fn key(expires_at: Option<Timestamp>) -> ApiKey {
        ApiKey {
            id: "k1".to_owned(),
            client_id: "c1".to_owned(),
            name: "Nightly batch".to_owned(),
            hash: String::new(),
            shown: String::new(),
            scope: Some("orders:read".parse().unwrap()),
            manage_keys: true,
            created_at: at(0),
            expires_at,
            created_by: "user ada@acme.example".to_owned(),
            allowed_ips: IpRanges::default(),
            last_used_at: None,
            replaced_by: None,
            resources: Some("urn:orders".parse().unwrap()),
        }
    }

    #[test]
    fn a_successor_has_the_same_properties_and_lifetime() {
        let cases = [
            (None, None),
            (Some(at(1000)), Some(at(600 + 1000))),
            (Some(at(0)), Some(at(600))),
        ];
        for (expires_at, expected) in cases {
            let old = key(expires_at);
            let new = successor(&old, at(600));
            assert_eq!(new.expires_at, expected, "{expires_at:?}");
            assert_eq!((&new.name, &new.scope), (&old.name, &old.scope));
            assert_eq!(new.resources, old.resources);
            assert!(new.manage_keys);
        }
    }

    #[test]
    fn a_replaced_key_expires_after_the_grace_period_and_never_later_than_before() {
        let cases = [
            (None, at(700)),
            (Some(at(650)), at(650)),
            (Some(at(5000)), at(700)),
        ];
        for (expires_at, expected) in cases {
            let old = replaced(&key(expires_at), "k2", at(700));
            assert_eq!(old.expires_at, Some(expected), "{expires_at:?}");
            assert_eq!(old.replaced_by.as_deref(), Some("k2"));
            assert_eq!(old.name, "Nightly batch (k1)");
        }
        let long = ApiKey {
            name: "é".repeat(100),
            ..key(None)
        };
        let name = replaced(&long, "k2", at(700)).name;
        assert_eq!(
            name.chars().count(),
            MAX_REPLACED_NAME_LENGTH + " (k1)".len()
        );
    }

    #[test]
    fn a_client_has_a_limited_number_of_active_keys() {
        let keys = |count: usize| vec![key(None); count];
        assert!(ensure_capacity(&keys(MAX_API_KEYS - 1)).is_ok());
        let refused = ensure_capacity(&keys(MAX_API_KEYS)).unwrap_err();
        assert_eq!(refused.code(), Code::Conflict);
    }
}
