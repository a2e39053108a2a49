//! Audit: who did what to which thing, from where; and each failed authentication with its reason.
//! Append-only, and kept for a set time.

use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::BigInt;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::schema::audit;
use super::{Database, StoreError, Transaction};
use crate::client_ip::ClientIp;
use crate::clock::Timestamp;
use crate::credential::random_bytes;
use crate::request_context::RequestContext;

/// The actor of what Keyward does by itself.
const KEYWARD: &str = "Keyward";

/// A row of `audit`.
#[derive(Clone, Debug, Queryable, Selectable, Insertable, Serialize, schemars::JsonSchema)]
#[diesel(table_name = audit)]
pub struct Entry {
    /// A UUIDv7: in order of time.
    pub id: String,
    /// When.
    pub happened_at: Timestamp,
    /// Whose thing it was; none for what is the operator's.
    pub account_id: Option<String>,
    /// Who did it.
    pub actor: String,
    /// What was done, such as `client.create`.
    pub action: String,
    /// To which thing.
    pub target: String,
    /// Why it failed.
    pub reason: Option<String>,
    /// The same, by a code that stays, such as `secret_ended`.
    pub reason_code: Option<String>,
    /// What the reason tells beside its code.
    #[serde(serialize_with = "object")]
    #[schemars(with = "Option<serde_json::Map<String, Value>>")]
    pub reason_parameters: Option<String>,
    /// Whence.
    pub address: Option<String>,
    /// The request, as in the log.
    pub request_id: Option<String>,
    /// Of a failure: the client whose credential was presented or named.
    pub client_id: Option<String>,
}

fn object<S: Serializer>(json: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    json.as_deref()
        .and_then(|json| serde_json::from_str::<Value>(json).ok())
        .serialize(serializer)
}

/// An id for an entry of this moment.
pub fn new_id(now: Timestamp) -> String {
    let millis = u64::try_from(now.millis()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &random_bytes())
        .into_uuid()
        .to_string()
}

/// What a list is narrowed to; what is absent does not narrow.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of this account.
    pub account_id: Option<String>,
    /// Of this thing.
    pub target: Option<String>,
    /// Of this kind.
    pub action: Option<String>,
    /// By this one.
    pub actor: Option<String>,
    /// Before this entry.
    pub before: Option<String>,
}

/// The newest first.
///
/// # Errors
/// Where the database gave no answer.
pub fn list(
    database: &mut Database,
    filter: &Filter,
    limit: i64,
) -> Result<Vec<Entry>, StoreError> {
    // Only what is asked for: with `column = $1 OR $2` in its place no index would serve.
    let mut rows = audit::table
        .order(audit::id.desc())
        .limit(limit)
        .select(Entry::as_select())
        .into_boxed();
    if let Some(account_id) = &filter.account_id {
        rows = rows.filter(audit::account_id.eq(account_id));
    }
    if let Some(target) = &filter.target {
        rows = rows.filter(audit::target.eq(target));
    }
    if let Some(action) = &filter.action {
        rows = rows.filter(audit::action.eq(action));
    }
    if let Some(actor) = &filter.actor {
        rows = rows.filter(audit::actor.eq(actor));
    }
    if let Some(before) = &filter.before {
        rows = rows.filter(audit::id.lt(before));
    }
    Ok(rows.load(database)?)
}

/// The newest failures of a client: of its authentication, of its tokens and API keys, and of what it asked for.
///
/// # Errors
/// Where the database gave no answer.
pub fn failures(
    database: &mut Database,
    client_id: &str,
    limit: i64,
) -> Result<Vec<Entry>, StoreError> {
    let own = audit::table
        .filter(audit::client_id.eq(client_id))
        .order(audit::id.desc())
        .limit(limit);
    Ok(own.select(Entry::as_select()).load(database)?)
}

/// Whether there is an entry of something that was done, and not by Keyward itself.
///
/// # Errors
/// Where the database gave no answer.
pub fn any_by_others(database: &mut Database) -> Result<bool, StoreError> {
    let done = audit::table.filter(audit::reason.is_null().and(audit::actor.ne(KEYWARD)));
    Ok(done
        .select(audit::id)
        .first::<String>(database)
        .optional()?
        .is_some())
}

/// Adds one to the change that it tells of.
///
/// # Errors
/// Where the database gave no answer.
pub fn insert(transaction: &mut Transaction<'_>, entry: &Entry) -> Result<(), StoreError> {
    diesel::insert_into(audit::table)
        .values(entry)
        .execute(transaction.database)?;
    transaction.audited = true;
    Ok(())
}

/// Who does something, from where and in which request: what every entry of the audit says beside the
/// action and its target.
#[derive(Clone, Debug)]
pub struct Recorder {
    /// Who: `user ada@acme.example`, `client ID`, `command line`, …
    pub actor: String,
    /// The client IP address; none for what Keyward does by itself.
    pub client_ip: Option<ClientIp>,
    /// The id of the request in the log.
    pub request_id: Option<String>,
}

impl Recorder {
    /// `actor`, in the request of `context`.
    pub fn in_request(actor: String, context: &RequestContext) -> Self {
        Recorder {
            actor,
            client_ip: Some(context.client_ip),
            request_id: Some(context.request_id.to_string()),
        }
    }

    /// What Keyward does by itself, such as rotating a signing key by age.
    pub fn keyward() -> Self {
        Recorder {
            actor: KEYWARD.to_owned(),
            client_ip: None,
            request_id: None,
        }
    }

    /// Who has not authenticated.
    pub fn nobody(client_ip: Option<ClientIp>, request_id: Option<String>) -> Self {
        Recorder {
            actor: "nobody".to_owned(),
            client_ip,
            request_id,
        }
    }

    /// The entry of an action that succeeded.
    pub fn entry(
        &self,
        action: &str,
        account_id: Option<&str>,
        target: &str,
        now: Timestamp,
    ) -> Entry {
        Entry {
            id: new_id(now),
            happened_at: now,
            account_id: account_id.map(str::to_owned),
            actor: self.actor.clone(),
            action: action.to_owned(),
            target: target.to_owned(),
            reason: None,
            reason_code: None,
            reason_parameters: None,
            address: self.client_ip.map(|client_ip| client_ip.to_string()),
            request_id: self.request_id.clone(),
            client_id: None,
        }
    }

    /// Adds an entry to the transaction that it tells of.
    ///
    /// # Errors
    /// Where the database gave no answer.
    pub fn record(
        &self,
        transaction: &mut Transaction<'_>,
        action: &str,
        account_id: Option<&str>,
        target: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        insert(transaction, &self.entry(action, account_id, target, now))
    }
}

/// Adds many, which tell of no change. Those that are kept for a set time expire then; the others stay
/// as long as the audit does.
///
/// # Errors
/// Where the database gave no answer.
pub fn insert_all(
    database: &mut Database,
    entries: &[Entry],
    kept: Option<Duration>,
) -> Result<(), StoreError> {
    for entry in entries {
        let expires_at = kept.map(|kept| entry.happened_at.saturating_add(kept));
        diesel::insert_into(audit::table)
            .values((entry, audit::expires_at.eq(expires_at)))
            .execute(database)?;
    }
    Ok(())
}

/// Removes entries from before `moment`, of the `limit` oldest, and up to `limit` that expired by `now`;
/// gives how many.
///
/// # Errors
/// Where the database gave no answer.
pub fn purge(
    database: &mut Database,
    moment: Timestamp,
    now: Timestamp,
    limit: i64,
) -> Result<usize, StoreError> {
    let old = "DELETE FROM audit WHERE happened_at < $1 AND id IN (SELECT id FROM audit ORDER BY id LIMIT $2)";
    let expired = "DELETE FROM audit WHERE id IN \
                   (SELECT id FROM audit WHERE expires_at IS NOT NULL AND expires_at < $1 ORDER BY expires_at LIMIT $2)";
    let mut removed = 0;
    for (sql, before) in [(old, moment), (expired, now)] {
        removed += diesel::sql_query(sql)
            .bind::<BigInt, _>(before)
            .bind::<BigInt, _>(limit)
            .execute(database)?;
    }
    Ok(removed)
}
