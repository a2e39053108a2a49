//! The audit log: who did what to which object, when and from where, and each failed authentication
//! with its reason. Entries are only appended, and purged after the retention period.

mod action;

use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::BigInt;
use serde::{Serialize, Serializer};
use serde_json::Value;

pub use self::action::{Action, Audience};
use super::schema::audit;
use super::{Database, StoreError, Transaction, mail, webhook_delivery};
use crate::client_ip::ClientIp;
use crate::clock::Timestamp;
use crate::credential::random_bytes;
use crate::request_context::RequestContext;

/// The actor of entries that the server writes on its own behalf, such as automatic key rotation.
const KEYWARD: &str = "Keyward";

/// The actor of entries about requests without a successful authentication.
const UNAUTHENTICATED: &str = "nobody";

/// A row of the table `audit`.
#[derive(Clone, Debug, Queryable, Selectable, Insertable, Serialize, schemars::JsonSchema)]
#[diesel(table_name = audit)]
pub struct AuditEntry {
    /// A UUIDv7, so that ids sort by time.
    pub id: String,
    /// When it happened.
    pub happened_at: Timestamp,
    /// The account that owns the target; absent where it belongs to the operator.
    pub account_id: Option<String>,
    /// Who did it, such as `user ada@acme.example` or `client ID`.
    pub actor: String,
    /// What was done, such as `client.create`.
    pub action: String,
    /// The id of the object that was changed.
    pub target: String,
    /// Why it failed, in English; absent for an action that succeeded.
    pub reason: Option<String>,
    /// The stable code of the reason, such as `secret_ended`.
    pub reason_code: Option<String>,
    /// The values in the reason, by name.
    #[serde(serialize_with = "as_json_object")]
    #[schemars(with = "Option<serde_json::Map<String, Value>>")]
    pub reason_parameters: Option<String>,
    /// The client IP address.
    pub address: Option<String>,
    /// The request id, as in the log.
    pub request_id: Option<String>,
    /// For a failure: the client whose credential was presented or whose id was given.
    pub client_id: Option<String>,
    /// Further facts: for a token that was issued by a trust rule, the client, the rule, and the
    /// claims that its conditions were compared with; for an invitation to an account, the role.
    #[serde(serialize_with = "as_json_object")]
    #[schemars(with = "Option<serde_json::Map<String, Value>>")]
    pub details: Option<String>,
}

fn as_json_object<S: Serializer>(json: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    json.as_deref()
        .and_then(|json| serde_json::from_str::<Value>(json).ok())
        .serialize(serializer)
}

/// A new entry id for this instant.
pub fn new_id(now: Timestamp) -> String {
    let millis = u64::try_from(now.millis()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &random_bytes())
        .into_uuid()
        .to_string()
}

/// The smallest entry id of this instant. Ids sort by time, so a range of instants is a range of ids,
/// which every index of the table ends with.
fn first_id_of(instant: Timestamp) -> String {
    let millis = u64::try_from(instant.millis()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &[0; 10])
        .into_uuid()
        .to_string()
}

/// A filter of the audit log; an absent condition matches every entry.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// The account that owns the target.
    pub account_id: Option<String>,
    /// The id of the target.
    pub target: Option<String>,
    /// The text form of an [`Action`].
    pub action: Option<String>,
    /// The actor, in full.
    pub actor: Option<String>,
    /// The id of the request that the entry was written for.
    pub request_id: Option<String>,
    /// Only entries of this instant or later.
    pub since: Option<Timestamp>,
    /// Only entries from before this instant.
    pub until: Option<Timestamp>,
    /// Only entries older than the one with this id: the cursor of the next page.
    pub before: Option<String>,
}

/// A page of the audit log.
#[derive(Debug)]
pub struct AuditPage {
    /// The entries, newest first.
    pub entries: Vec<AuditEntry>,
    /// The cursor of the next page: [`AuditFilter::before`]. None on the last page.
    pub next: Option<String>,
}

/// The conditions of a filter that compare a column with a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Conditions<'a> {
    account_id: Option<&'a str>,
    target: Option<&'a str>,
    action: Option<&'a str>,
    actor: Option<&'a str>,
    request_id: Option<&'a str>,
}

impl<'a> Conditions<'a> {
    fn of(filter: &'a AuditFilter) -> Self {
        Conditions {
            account_id: filter.account_id.as_deref(),
            target: filter.target.as_deref(),
            action: filter.action.as_deref(),
            actor: filter.actor.as_deref(),
            request_id: filter.request_id.as_deref(),
        }
    }

    /// Those of the conditions that one index answers together, the most selective first.
    fn indexed(self) -> Self {
        let none = Conditions::default();
        let Conditions {
            account_id,
            target,
            action,
            actor,
            request_id,
        } = self;
        if request_id.is_some() {
            return Conditions { request_id, ..none };
        }
        if target.is_some() {
            return Conditions { target, ..none };
        }
        if actor.is_some() {
            // audit_by_account_and_actor, audit_by_actor
            return Conditions {
                account_id,
                actor,
                ..none
            };
        }
        // audit_by_account_and_action, audit_by_action, audit_by_account, or the primary key
        Conditions {
            account_id,
            action,
            ..none
        }
    }

    /// The conditions that are not among `others`.
    fn without(self, others: Self) -> Self {
        let unless = |other: Option<&str>, own| if other.is_some() { None } else { own };
        Conditions {
            account_id: unless(others.account_id, self.account_id),
            target: unless(others.target, self.target),
            action: unless(others.action, self.action),
            actor: unless(others.actor, self.actor),
            request_id: unless(others.request_id, self.request_id),
        }
    }
}

type Query<'a> = audit::BoxedQuery<'a, <Database as diesel::Connection>::Backend>;

/// The entries that satisfy the conditions, in the range of ids of the filter, newest first.
fn matching<'a>(conditions: Conditions<'a>, filter: &'a AuditFilter) -> Query<'a> {
    // Absent conditions are left out of the SQL: `column = $1 OR $2` would use no index.
    let mut rows = audit::table.order(audit::id.desc()).into_boxed();
    if let Some(account_id) = conditions.account_id {
        rows = rows.filter(audit::account_id.eq(account_id));
    }
    if let Some(target) = conditions.target {
        rows = rows.filter(audit::target.eq(target));
    }
    if let Some(action) = conditions.action {
        rows = rows.filter(audit::action.eq(action));
    }
    if let Some(actor) = conditions.actor {
        rows = rows.filter(audit::actor.eq(actor));
    }
    if let Some(request_id) = conditions.request_id {
        rows = rows.filter(audit::request_id.eq(request_id));
    }
    if let Some(since) = filter.since {
        rows = rows.filter(audit::id.ge(first_id_of(since)));
    }
    if let Some(until) = filter.until {
        rows = rows.filter(audit::id.lt(first_id_of(until)));
    }
    if let Some(before) = &filter.before {
        rows = rows.filter(audit::id.lt(before));
    }
    rows
}

/// The entries of `rows` that also satisfy `conditions`, which no index is to be chosen for: of a
/// condition that many entries satisfy, an index would be slower than the one of `rows`.
fn compared<'a>(mut rows: Query<'a>, conditions: Conditions<'a>) -> Query<'a> {
    if let Some(account_id) = conditions.account_id {
        rows = rows.filter(audit::account_id.concat("").eq(account_id));
    }
    if let Some(action) = conditions.action {
        rows = rows.filter(audit::action.concat("").eq(action));
    }
    if let Some(actor) = conditions.actor {
        rows = rows.filter(audit::actor.concat("").eq(actor));
    }
    if let Some(target) = conditions.target {
        rows = rows.filter(audit::target.concat("").eq(target));
    }
    rows
}

/// How many entries of an index are compared with further conditions for one page. Without a limit,
/// a filter that matches nothing would read all entries of a busy actor.
const MAX_COMPARED: i64 = 20_000;

/// A page of at most `limit` entries that match the filter, newest first. If one index does not
/// answer all conditions, at most `MAX_COMPARED` entries are compared with the others: such a page
/// may have fewer entries than `limit`, or none, and a next page all the same.
///
/// # Errors
/// [`StoreError`] if the database cannot be queried.
pub fn list(
    database: &mut Database,
    filter: &AuditFilter,
    limit: usize,
) -> Result<AuditPage, StoreError> {
    let conditions = Conditions::of(filter);
    let indexed = conditions.indexed();
    let rest = conditions.without(indexed);
    let last_compared: Option<String> = if rest == Conditions::default() {
        None
    } else {
        matching(indexed, filter)
            .select(audit::id)
            .offset(MAX_COMPARED - 1)
            .limit(1)
            .first(database)
            .optional()?
    };
    // One more than the page has shows whether there is a next page.
    let rows = i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX);
    let mut query = compared(matching(indexed, filter), rest).limit(rows);
    if let Some(id) = &last_compared {
        query = query.filter(audit::id.ge(id));
    }
    let mut entries: Vec<AuditEntry> = query.select(AuditEntry::as_select()).load(database)?;
    let next = if entries.len() > limit {
        entries.truncate(limit);
        entries.last().map(|entry| entry.id.clone())
    } else {
        last_compared
    };
    Ok(AuditPage { entries, next })
}

/// The newest failures of a client, newest first: failed authentications, rejected tokens and API
/// keys, and refused requests.
///
/// # Errors
/// [`StoreError`] if the database cannot be queried.
pub fn failures(
    database: &mut Database,
    client_id: &str,
    limit: i64,
) -> Result<Vec<AuditEntry>, StoreError> {
    let rows = audit::table
        .filter(audit::client_id.eq(client_id))
        .order(audit::id.desc())
        .limit(limit);
    Ok(rows.select(AuditEntry::as_select()).load(database)?)
}

/// Whether the log has an entry of a successful action of anybody but the server itself.
///
/// # Errors
/// [`StoreError`] if the database cannot be queried.
pub fn any_by_others(database: &mut Database) -> Result<bool, StoreError> {
    let successes = audit::table.filter(audit::reason.is_null().and(audit::actor.ne(KEYWARD)));
    Ok(successes
        .select(audit::id)
        .first::<String>(database)
        .optional()?
        .is_some())
}

/// Adds an entry to the transaction that makes the change it reports.
///
/// # Errors
/// [`StoreError`] if the row cannot be written.
pub fn insert(transaction: &mut Transaction<'_>, entry: &AuditEntry) -> Result<(), StoreError> {
    diesel::insert_into(audit::table)
        .values(entry)
        .execute(transaction.database)?;
    transaction.audited = true;
    webhook_delivery::enqueue(transaction, entry)?;
    mail::enqueue(transaction, entry)
}

/// Writes audit entries for one actor in one request: it holds what all of these entries have in
/// common.
#[derive(Clone, Debug)]
pub struct Recorder {
    actor: String,
    client_ip: Option<ClientIp>,
    request_id: Option<String>,
    now: Timestamp,
}

impl Recorder {
    /// A recorder for an authenticated actor (`user ada@acme.example`, `client ID`) in a request.
    pub fn in_request(actor: String, context: &RequestContext) -> Self {
        Recorder {
            actor,
            client_ip: Some(context.client_ip),
            request_id: Some(context.request_id.to_string()),
            now: context.received_at,
        }
    }

    /// A recorder for an actor outside of a request: the command line.
    pub fn without_request(actor: String, now: Timestamp) -> Self {
        Recorder {
            actor,
            client_ip: None,
            request_id: None,
            now,
        }
    }

    /// A recorder for what the server does on its own behalf, such as automatic key rotation.
    pub fn keyward(now: Timestamp) -> Self {
        Recorder::without_request(KEYWARD.to_owned(), now)
    }

    /// A recorder for a request without a successful authentication.
    pub fn unauthenticated(context: &RequestContext) -> Self {
        Recorder::in_request(UNAUTHENTICATED.to_owned(), context)
    }

    /// A recorder for several unauthenticated requests together.
    pub fn unauthenticated_at(now: Timestamp) -> Self {
        Recorder::without_request(UNAUTHENTICATED.to_owned(), now)
    }

    /// Who acts.
    pub fn actor(&self) -> &str {
        &self.actor
    }

    /// The time of the request or command.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The entry of an action that succeeded.
    pub fn entry(&self, action: Action, account_id: Option<&str>, target: &str) -> AuditEntry {
        AuditEntry {
            id: new_id(self.now),
            happened_at: self.now,
            account_id: account_id.map(str::to_owned),
            actor: self.actor.clone(),
            action: action.as_str().to_owned(),
            target: target.to_owned(),
            reason: None,
            reason_code: None,
            reason_parameters: None,
            address: self.client_ip.map(|client_ip| client_ip.to_string()),
            request_id: self.request_id.clone(),
            client_id: None,
            details: None,
        }
    }

    /// Adds an entry to the transaction that makes the change it reports.
    ///
    /// # Errors
    /// [`StoreError`] if the row cannot be written.
    pub fn record(
        &self,
        transaction: &mut Transaction<'_>,
        action: Action,
        account_id: Option<&str>,
        target: &str,
    ) -> Result<(), StoreError> {
        insert(transaction, &self.entry(action, account_id, target))
    }

    /// [`Recorder::record`] with [`AuditEntry::details`].
    ///
    /// # Errors
    /// [`StoreError`] if the row cannot be written.
    pub fn record_with(
        &self,
        transaction: &mut Transaction<'_>,
        action: Action,
        account_id: Option<&str>,
        target: &str,
        details: &Value,
    ) -> Result<(), StoreError> {
        let entry = AuditEntry {
            details: Some(details.to_string()),
            ..self.entry(action, account_id, target)
        };
        insert(transaction, &entry)
    }
}

/// Adds entries that report no change, such as failures. With a `retention` they expire after it;
/// without one they stay as long as the rest of the log.
///
/// # Errors
/// [`StoreError`] if the rows cannot be written.
pub fn insert_all(
    database: &mut Database,
    entries: &[AuditEntry],
    retention: Option<Duration>,
) -> Result<(), StoreError> {
    for entry in entries {
        let expires_at = retention.map(|retention| entry.happened_at.saturating_add(retention));
        diesel::insert_into(audit::table)
            .values((entry, audit::expires_at.eq(expires_at)))
            .execute(database)?;
    }
    Ok(())
}

/// Deletes, of the `limit` oldest entries, those from before `retained_since`, and up to `limit`
/// entries that expired before `now`. Returns the number of deleted rows.
///
/// # Errors
/// [`StoreError`] if the rows cannot be deleted.
pub fn purge(
    database: &mut Database,
    retained_since: Timestamp,
    now: Timestamp,
    limit: i64,
) -> Result<usize, StoreError> {
    let old = "DELETE FROM audit WHERE happened_at < $1 AND id IN (SELECT id FROM audit ORDER BY id LIMIT $2)";
    let expired = "DELETE FROM audit WHERE id IN \
                   (SELECT id FROM audit WHERE expires_at IS NOT NULL AND expires_at < $1 ORDER BY expires_at LIMIT $2)";
    let mut deleted = 0;
    for (sql, before) in [(old, retained_since), (expired, now)] {
        deleted += diesel::sql_query(sql)
            .bind::<BigInt, _>(before)
            .bind::<BigInt, _>(limit)
            .execute(database)?;
    }
    Ok(deleted)
}

#[cfg(test)]
mod tests;
