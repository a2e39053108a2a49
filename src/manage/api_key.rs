//! API keys: at the most ten live ones of a client, never none, each with a name of its own.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::actor::{KeysRead, KeysWrite, Permit};
use super::client::{within_power, within_reach};
use super::{check_name, invalid, not_found};
use crate::clock::Timestamp;
use crate::credential::{Credential, Kind};
use crate::crypto::secret_hash;
use crate::error::{Code, Error};
use crate::scope::Scope;
pub use crate::store::api_key::IpRanges;
use crate::store::api_key::{self, ApiKey};
use crate::store::client::{Client, could_be_id};
use crate::store::{Database, Store, Transaction};

/// The most live keys of a client.
pub const MOST: usize = 10;

/// What a new key is to be.
#[derive(Clone, Default)]
pub struct NewApiKey {
    /// Unique among the client's live keys.
    pub name: String,
    /// A part of the client's scope; all of it where there is none here.
    pub scope: Option<Scope>,
    /// When it ends; never where there is none.
    pub expires_at: Option<Timestamp>,
    /// Whence it may be presented; from anywhere where there is none.
    pub allowed_ips: IpRanges,
    /// Whether it may manage the client's keys.
    pub manage_keys: bool,
}

/// An API key as management shows it: never in full.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
#[expect(missing_docs, reason = "the columns say it")]
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
    #[serde(skip)]
    pub replaced_by: Option<String>,
}

impl From<ApiKey> for ApiKeyView {
    fn from(key: ApiKey) -> Self {
        ApiKeyView {
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
            replaced_by: key.replaced_by,
        }
    }
}

/// A new key in full, for the one answer that shows it, beside its row.
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
    };
    (key, row)
}

/// Makes a key.
///
/// # Errors
/// No such client; a name, scope or end that cannot be; a name that is taken; ten keys already.
pub async fn create(
    store: &Arc<Store>,
    permit: Permit<KeysWrite>,
    client_id: &str,
    new: NewApiKey,
    now: Timestamp,
) -> Result<(Credential, ApiKeyView), Error> {
    check_name(&new.name)?;
    if new.expires_at.is_some_and(|end| end <= now) {
        return Err(invalid("The end of a key lies in the future")
            .phrase("end-in-past", [])
            .field("expires_at"));
    }
    let client_id = client_id.to_owned();
    store
        .write(now, move |transaction| {
            let client = within_power(transaction.database(), &permit, &client_id)?;
            permit.check_not_done(transaction)?;
            if let Some(scope) = &new.scope
                && !scope.is_subset(&client.scope)
            {
                let reason = format!("The client has only the scope {:?}", client.scope.as_str());
                return Err(Error::new(Code::InvalidScope, reason)
                    .phrase("scope-beyond-client", [])
                    .field("scope"));
            }
            let live = live_keys(transaction.database(), &client_id, now)?;
            check_room(&live)?;
            free_name(transaction, &client_id, &live, &new.name, now)?;
            let (key, row) = generate(&client, new.clone(), permit.actor(), now);
            api_key::insert(transaction, &row)?;
            permit.record(
                transaction,
                "api_key.create",
                Some(&client.account_id),
                &row.id,
                now,
            )?;
            Ok((key, row.into()))
        })
        .await
}

/// The keys of a client, the oldest first, those that ended lately too.
///
/// # Errors
/// No such client.
pub async fn list(
    store: &Arc<Store>,
    permit: Permit<KeysRead>,
    client_id: &str,
) -> Result<Vec<ApiKeyView>, Error> {
    let id = client_id.to_owned();
    store
        .read(move |database| {
            within_reach(database, &permit, &id)?;
            Ok(api_key::list(database, &id)?
                .into_iter()
                .map(ApiKeyView::from)
                .collect())
        })
        .await
}

/// Makes a key that takes the place and the name of another, which ends by itself after `grace`.
///
/// # Errors
/// No such key; one that has ended; ten keys already, where both are to live for a while.
pub async fn rotate(
    store: &Arc<Store>,
    permit: Permit<KeysWrite>,
    client_id: &str,
    id: &str,
    grace: Duration,
    now: Timestamp,
) -> Result<(Credential, ApiKeyView), Error> {
    let (client_id, id) = (client_id.to_owned(), id.to_owned());
    store
        .write(now, move |transaction| {
            let client = within_power(transaction.database(), &permit, &client_id)?;
            permit.check_not_done(transaction)?;
            let live = live_keys(transaction.database(), &client_id, now)?;
            let mut old = live
                .iter()
                .find(|key| key.id == id)
                .cloned()
                .ok_or_else(|| not_found("API key", &id))?;
            if !grace.is_zero() {
                check_room(&live)?;
            }
            if old.replaced_by.is_some() {
                return Err(
                    Error::new(Code::Conflict, "This API key was rotated already")
                        .phrase("key-rotated", []),
                );
            }
            let new = NewApiKey {
                name: old.name.clone(),
                scope: old.scope.clone(),
                // As long as the old one was to live.
                expires_at: old
                    .expires_at
                    .map(|end| now.saturating_add(end.duration_since(old.created_at))),
                allowed_ips: old.allowed_ips.clone(),
                manage_keys: old.manage_keys,
            };
            let (key, row) = generate(&client, new, permit.actor(), now);
            if grace.is_zero() {
                api_key::delete(transaction, &old.id, now)?;
            } else {
                let end = now.saturating_add(grace);
                old.expires_at = Some(old.expires_at.map_or(end, |own| own.min(end)));
                // Names are unique within a client, and the new key takes this one over.
                old.name = format!("{} ({id})", shortened(&old.name, 60));
                old.replaced_by = Some(row.id.clone());
                api_key::update(transaction, &old)?;
            }
            api_key::insert(transaction, &row)?;
            permit.record(
                transaction,
                "api_key.rotate",
                Some(&client.account_id),
                &id,
                now,
            )?;
            Ok((key, row.into()))
        })
        .await
}

/// Ends a key: it is refused from the next request on.
///
/// # Errors
/// No such key; the last one that lives.
pub async fn delete(
    store: &Arc<Store>,
    permit: Permit<KeysWrite>,
    client_id: &str,
    id: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let (client_id, id) = (client_id.to_owned(), id.to_owned());
    store
        .write(now, move |transaction| {
            let client = within_power(transaction.database(), &permit, &client_id)?;
            let found = if could_be_id(&id) {
                api_key::find(transaction.database(), &id)?
            } else {
                None
            };
            let key = found
                .filter(|key| key.client_id == client_id)
                .ok_or_else(|| not_found("API key", &id))?;
            let live = live_keys(transaction.database(), &client_id, now)?;
            if !key.is_expired(now) && live.len() == 1 {
                return Err(Error::new(
                    Code::Conflict,
                    "The last API key cannot be deleted; make another one first",
                )
                .phrase("last-key", []));
            }
            api_key::delete(transaction, &id, now)?;
            permit.record(
                transaction,
                "api_key.delete",
                Some(&client.account_id),
                &id,
                now,
            )
        })
        .await
}

fn live_keys(
    database: &mut Database,
    client_id: &str,
    now: Timestamp,
) -> Result<Vec<ApiKey>, Error> {
    let mut keys = api_key::list(database, client_id)?;
    keys.retain(|key| !key.is_expired(now));
    Ok(keys)
}

fn check_room(live: &[ApiKey]) -> Result<(), Error> {
    if live.len() < MOST {
        return Ok(());
    }
    Err(Error::new(
        Code::Conflict,
        format!(
            "Maximum number of API keys reached: a client has {MOST} at the most; delete one first"
        ),
    )
    .phrase("keys-full", [("most", MOST.into())]))
}

/// A live key keeps its name; one that has ended gives it up.
fn free_name(
    transaction: &mut Transaction<'_>,
    client_id: &str,
    live: &[ApiKey],
    name: &str,
    now: Timestamp,
) -> Result<(), Error> {
    if live.iter().any(|key| key.name == name) {
        return Err(Error::new(
            Code::Conflict,
            "The client has an API key of this name already",
        )
        .phrase("name-taken", [])
        .field("name"));
    }
    let ended = api_key::list(transaction.database(), client_id)?;
    if let Some(key) = ended
        .iter()
        .find(|key| key.name == name && key.is_expired(now))
    {
        api_key::delete(transaction, &key.id, now)?;
    }
    Ok(())
}

fn shortened(name: &str, length: usize) -> String {
    name.chars().take(length).collect()
}

/// The value of the `Authorization` header that presents an API key: Basic, with the key as the user name.
pub fn authorization_header(api_key: &str) -> String {
    format!("Basic {}", STANDARD.encode(api_key))
}
