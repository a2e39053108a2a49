//! Delivery: an event that was sent or is to be sent to a webhook.
//!
//! The transaction of a tracked write inserts the deliveries of its audit entries, so that an event
//! is neither lost nor sent for a change that was not made.

use diesel::prelude::*;
use serde::Serialize;
use strum::{EnumString, IntoStaticStr, VariantNames};

use super::audit::{Action, AuditEntry, new_id};
use super::names::{UnknownName, named_in_json};
use super::schema::webhook_deliveries;
use super::webhook::{self, Webhook};
use super::{Database, StoreError, Transaction};
use crate::clock::Timestamp;

/// The most pending deliveries of a webhook. Further events are dropped for it.
pub const MAX_PENDING: i64 = 10_000;

/// Why an attempt failed.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    EnumString,
    IntoStaticStr,
    VariantNames,
    diesel::expression::AsExpression,
    diesel::deserialize::FromSqlRow,
)]
#[strum(
    serialize_all = "snake_case",
    parse_err_ty = UnknownName,
    parse_err_fn = unknown_failure
)]
#[diesel(sql_type = diesel::sql_types::Text)]
pub enum DeliveryFailure {
    /// The response has another status than 2xx.
    Status,
    /// The response is a redirect, which is not followed.
    Redirect,
    /// There was no response in time.
    Timeout,
    /// The host name has no address, or only private ones.
    Address,
    /// No connection was made, or it broke.
    Connection,
    /// The certificate or the TLS handshake was refused.
    Tls,
    /// The response is not HTTP.
    Protocol,
    /// The signing secret cannot be decrypted: the sealing key was lost, or its file is outdated on the
    /// node that sends. It is not the receiver's failure, and no attempt.
    Secret,
}

impl DeliveryFailure {
    /// The names of all failures.
    pub const NAMES: &'static [&'static str] = <DeliveryFailure as VariantNames>::VARIANTS;

    /// The name in the database and in JSON.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

fn unknown_failure(_: &str) -> UnknownName {
    let names = DeliveryFailure::NAMES.join(", ");
    UnknownName(format!("the failures of deliveries are {names}"))
}

named_in_json!(DeliveryFailure);

/// What is sent.
#[derive(Serialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    event_type: &'a str,
    timestamp: Timestamp,
    data: &'a AuditEntry,
}

/// A row of `webhook_deliveries`.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = webhook_deliveries)]
pub struct Delivery {
    /// A UUIDv7.
    pub id: String,
    /// The webhook.
    pub webhook_id: String,
    /// The id of the event, which is that of its audit entry. It is the same if the event is sent again.
    pub event_id: String,
    /// The text form of the action.
    pub event_type: String,
    /// What is sent, a JSON object.
    pub body: String,
    /// When the event happened, or was asked to be sent again.
    pub created_at: Timestamp,
    /// How often it was sent.
    pub attempts: i64,
    /// When it is sent next; none if it is not sent any more.
    pub next_attempt_at: Option<Timestamp>,
    /// When it was last sent.
    pub last_attempt_at: Option<Timestamp>,
    /// When it was accepted; none if it was not.
    pub delivered_at: Option<Timestamp>,
    /// The status of the last response; none if there was no response.
    pub response_status: Option<i64>,
    /// Why the last attempt failed; none if it succeeded.
    pub failure: Option<DeliveryFailure>,
    /// How long the last attempt took, in milliseconds.
    pub duration_ms: Option<i64>,
}

impl Delivery {
    /// The delivery of an audit entry to a webhook, due at once.
    pub fn of(entry: &AuditEntry, webhook_id: &str) -> Self {
        let event = Event {
            event_type: &entry.action,
            timestamp: entry.happened_at,
            data: entry,
        };
        Delivery {
            id: new_id(entry.happened_at),
            webhook_id: webhook_id.to_owned(),
            event_id: entry.id.clone(),
            event_type: entry.action.clone(),
            body: serde_json::to_string(&event).unwrap_or_default(),
            created_at: entry.happened_at,
            attempts: 0,
            next_attempt_at: Some(entry.happened_at),
            last_attempt_at: None,
            delivered_at: None,
            response_status: None,
            failure: None,
            duration_ms: None,
        }
    }

    /// The delivery that sends the same event again.
    #[must_use]
    pub fn again(&self, now: Timestamp) -> Self {
        Delivery {
            id: new_id(now),
            created_at: now,
            attempts: 0,
            next_attempt_at: Some(now),
            last_attempt_at: None,
            delivered_at: None,
            response_status: None,
            failure: None,
            duration_ms: None,
            ..self.clone()
        }
    }
}

/// Inserts the deliveries of an audit entry for the webhooks that subscribe to it. It is dropped for
/// those with [`MAX_PENDING`] deliveries.
pub(super) fn enqueue(
    transaction: &mut Transaction<'_>,
    entry: &AuditEntry,
) -> Result<(), StoreError> {
    let Some(action) = entry
        .action
        .parse()
        .ok()
        .filter(|action: &Action| action.is_event())
    else {
        return Ok(());
    };
    let database = &mut *transaction.database;
    let receivers = webhook::receivers(database, entry.account_id.as_deref())?;
    let subscribed = |webhook: &Webhook| webhook.subscribes_to(action);
    for webhook in receivers.into_iter().filter(subscribed) {
        if is_full(database, &webhook.id)? {
            transaction.dropped_events.push(webhook.id);
        } else {
            add(database, &Delivery::of(entry, &webhook.id))?;
        }
    }
    Ok(())
}

/// Whether a webhook has [`MAX_PENDING`] deliveries that are yet to be sent.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn is_full(database: &mut Database, webhook_id: &str) -> Result<bool, StoreError> {
    // Answered by the index of what is due, and read no further than to the limit.
    let last: Option<Option<Timestamp>> = webhook_deliveries::table
        .filter(webhook_deliveries::webhook_id.eq(webhook_id))
        .filter(webhook_deliveries::next_attempt_at.is_not_null())
        .order(webhook_deliveries::next_attempt_at)
        .select(webhook_deliveries::next_attempt_at)
        .offset(MAX_PENDING - 1)
        .first(database)
        .optional()?;
    Ok(last.is_some())
}

fn add(database: &mut Database, delivery: &Delivery) -> Result<(), StoreError> {
    diesel::insert_into(webhook_deliveries::table)
        .values(delivery)
        .execute(database)?;
    Ok(())
}

/// Inserts a delivery that somebody asked for.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn insert(transaction: &mut Transaction<'_>, delivery: &Delivery) -> Result<(), StoreError> {
    add(transaction.modify(), delivery)
}

/// The delivery of a webhook with this id.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn find(
    database: &mut Database,
    webhook_id: &str,
    id: &str,
) -> Result<Option<Delivery>, StoreError> {
    Ok(webhook_deliveries::table
        .find(id)
        .filter(webhook_deliveries::webhook_id.eq(webhook_id))
        .select(Delivery::as_select())
        .first(database)
        .optional()?)
}

/// At most `limit` deliveries of a webhook, the newest first, those older than the one with the id
/// `before`.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn list(
    database: &mut Database,
    webhook_id: &str,
    before: Option<&str>,
    limit: i64,
) -> Result<Vec<Delivery>, StoreError> {
    let mut rows = webhook_deliveries::table
        .filter(webhook_deliveries::webhook_id.eq(webhook_id))
        .order(webhook_deliveries::id.desc())
        .limit(limit)
        .into_boxed();
    if let Some(before) = before {
        rows = rows.filter(webhook_deliveries::id.lt(before));
    }
    Ok(rows.select(Delivery::as_select()).load(database)?)
}

/// At most `limit` deliveries of a webhook that are due at `now`, the longest due first.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn due(
    database: &mut Database,
    webhook_id: &str,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<Delivery>, StoreError> {
    Ok(webhook_deliveries::table
        .filter(webhook_deliveries::webhook_id.eq(webhook_id))
        .filter(webhook_deliveries::next_attempt_at.le(now))
        .order((webhook_deliveries::next_attempt_at, webhook_deliveries::id))
        .limit(limit)
        .select(Delivery::as_select())
        .load(database)?)
}

/// Claims a due delivery: until the instant `until`, no other node sends it. Returns whether no
/// other node was faster.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn claim(
    database: &mut Database,
    delivery: &Delivery,
    until: Timestamp,
) -> Result<bool, StoreError> {
    let unclaimed = webhook_deliveries::table
        .find(&delivery.id)
        .filter(webhook_deliveries::next_attempt_at.eq(delivery.next_attempt_at));
    let claimed = diesel::update(unclaimed)
        .set(webhook_deliveries::next_attempt_at.eq(until))
        .execute(database)?;
    Ok(claimed > 0)
}

/// The outcome of an attempt.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// When it began.
    pub at: Timestamp,
    /// The status of the response, if there was one.
    pub status: Option<u16>,
    /// Why it failed; none if it succeeded.
    pub failure: Option<DeliveryFailure>,
    /// How long it took, in milliseconds.
    pub duration_ms: i64,
    /// When it is to be sent next; none if it succeeded or failed for good.
    pub next_attempt_at: Option<Timestamp>,
}

/// Records an attempt at a delivery that was claimed until `claimed_until`. Nothing is recorded if
/// another node has claimed it since.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn record(
    database: &mut Database,
    delivery: &Delivery,
    claimed_until: Timestamp,
    attempt: &Attempt,
) -> Result<(), StoreError> {
    let claimed = webhook_deliveries::table
        .find(&delivery.id)
        .filter(webhook_deliveries::next_attempt_at.eq(claimed_until));
    let delivered_at = attempt.failure.is_none().then_some(attempt.at);
    diesel::update(claimed)
        .set((
            webhook_deliveries::attempts.eq(delivery.attempts.saturating_add(1)),
            webhook_deliveries::next_attempt_at.eq(attempt.next_attempt_at),
            webhook_deliveries::last_attempt_at.eq(attempt.at),
            webhook_deliveries::delivered_at.eq(delivered_at),
            webhook_deliveries::response_status.eq(attempt.status.map(i64::from)),
            webhook_deliveries::failure.eq(attempt.failure),
            webhook_deliveries::duration_ms.eq(attempt.duration_ms),
        ))
        .execute(database)?;
    match attempt.failure {
        None => webhook::succeeded(database, &delivery.webhook_id),
        Some(_) => webhook::failed(database, &delivery.webhook_id, attempt.at),
    }
}

/// Puts a delivery that was claimed until `claimed_until` off until `next`, since it cannot be signed.
/// That is no attempt.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn put_off(
    database: &mut Database,
    delivery: &Delivery,
    claimed_until: Timestamp,
    next: Timestamp,
) -> Result<(), StoreError> {
    let claimed = webhook_deliveries::table
        .find(&delivery.id)
        .filter(webhook_deliveries::next_attempt_at.eq(claimed_until));
    diesel::update(claimed)
        .set((
            webhook_deliveries::next_attempt_at.eq(next),
            webhook_deliveries::failure.eq(DeliveryFailure::Secret),
        ))
        .execute(database)?;
    Ok(())
}

/// Deletes, of the `limit` oldest deliveries, those from before `before`. Returns the number of
/// deleted rows.
///
/// # Errors
/// [`StoreError`] if the rows cannot be deleted.
pub fn purge(database: &mut Database, before: Timestamp, limit: i64) -> Result<usize, StoreError> {
    let old = "DELETE FROM webhook_deliveries WHERE created_at < $1 AND id IN \
               (SELECT id FROM webhook_deliveries ORDER BY id LIMIT $2)";
    Ok(diesel::sql_query(old)
        .bind::<diesel::sql_types::BigInt, _>(before)
        .bind::<diesel::sql_types::BigInt, _>(limit)
        .execute(database)?)
}
