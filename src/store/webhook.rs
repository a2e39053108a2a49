//! Webhook: an https URL of a partner or of the operator to which events are sent.

use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use strum::{EnumString, IntoStaticStr, VariantNames};

use super::audit::Action;
use super::names::{UnknownName, named_in_json};
use super::schema::{accounts, webhook_deliveries, webhooks};
use super::{Database, StoreError, Transaction};
use crate::clock::Timestamp;

/// Stands for all events in [`Webhook::events`].
pub const ALL_EVENTS: &str = "*";

/// The time between two failures after which they say nothing about what was in between: longer than
/// the longest pause between two attempts.
const FAILURES_APART: Duration = Duration::from_secs(30 * 3600);

/// Who disabled a webhook.
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
    parse_err_fn = unknown_disabled_by
)]
#[diesel(sql_type = diesel::sql_types::Text)]
pub enum WebhookDisabledBy {
    /// An operator: only an operator can enable it.
    Operator,
    /// A user or client of its account.
    Account,
    /// Keyward, after its deliveries failed for days.
    Failures,
}

impl WebhookDisabledBy {
    /// The name in the database and in JSON.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

fn unknown_disabled_by(_: &str) -> UnknownName {
    let names = <WebhookDisabledBy as VariantNames>::VARIANTS.join(", ");
    UnknownName(format!("a webhook is disabled by {names}"))
}

named_in_json!(WebhookDisabledBy);

/// A row of `webhooks`.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
pub struct Webhook {
    /// A UUIDv7.
    pub id: String,
    /// The account whose events are sent; none for the events of all accounts and of the server.
    pub account_id: Option<String>,
    /// Where the events are sent.
    pub url: String,
    /// What it is for; may be empty.
    pub description: String,
    /// The text forms of the actions to send, separated by spaces, or [`ALL_EVENTS`].
    pub events: String,
    /// The secret that signs deliveries, sealed.
    pub secret_sealed: String,
    /// The secret before the last rotation, sealed.
    pub previous_sealed: Option<String>,
    /// Until when deliveries are signed with the previous secret too.
    pub previous_until: Option<Timestamp>,
    /// When the first of the failures since the last success was; none if there is none.
    pub failing_since: Option<Timestamp>,
    /// When the last failure was; none if there was none.
    pub last_failure_at: Option<Timestamp>,
    /// When it was disabled; none if it is enabled.
    pub disabled_at: Option<Timestamp>,
    /// Who disabled it; none if it is enabled.
    pub disabled_by: Option<WebhookDisabledBy>,
    /// When it was created.
    pub created_at: Timestamp,
    /// The actor who created it.
    pub created_by: String,
}

impl Webhook {
    /// Whether it subscribes to an action.
    pub fn subscribes_to(&self, action: Action) -> bool {
        let mut words = self.events.split(' ');
        words.any(|word| word == ALL_EVENTS || word == action.as_str())
    }

    /// The associated data under which its secrets are sealed: that of one webhook cannot be unsealed
    /// as that of another.
    pub fn seal_context(&self) -> String {
        format!("webhook {}", self.id)
    }
}

/// Inserts a webhook.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn insert(transaction: &mut Transaction<'_>, webhook: &Webhook) -> Result<(), StoreError> {
    diesel::insert_into(webhooks::table)
        .values(webhook)
        .execute(transaction.modify())?;
    Ok(())
}

/// The webhook with this id.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn find(database: &mut Database, id: &str) -> Result<Option<Webhook>, StoreError> {
    Ok(webhooks::table
        .find(id)
        .select(Webhook::as_select())
        .first(database)
        .optional()?)
}

/// The webhooks of an account, or all for none, the oldest first.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn list(database: &mut Database, account_id: Option<&str>) -> Result<Vec<Webhook>, StoreError> {
    let mut rows = webhooks::table
        .order((webhooks::created_at, webhooks::id))
        .into_boxed();
    if let Some(account_id) = account_id {
        rows = rows.filter(webhooks::account_id.eq(account_id));
    }
    Ok(rows.select(Webhook::as_select()).load(database)?)
}

/// The enabled webhooks that get the events of an account: its own, unless it is closed, and those of
/// the operator.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn receivers(
    database: &mut Database,
    account_id: Option<&str>,
) -> Result<Vec<Webhook>, StoreError> {
    let operators = webhooks::table.filter(webhooks::account_id.is_null());
    let mut rows: Vec<Webhook> = operators.select(Webhook::as_select()).load(database)?;
    if let Some(account_id) = account_id {
        let own = webhooks::table
            .inner_join(accounts::table.on(accounts::id.nullable().eq(webhooks::account_id)))
            .filter(webhooks::account_id.eq(account_id))
            .filter(accounts::closed_at.is_null());
        rows.extend(own.select(Webhook::as_select()).load(database)?);
    }
    let enabled = rows
        .into_iter()
        .filter(|webhook| webhook.disabled_at.is_none());
    Ok(enabled.collect())
}

/// The webhooks for which a delivery is due.
#[derive(Debug)]
pub struct Due {
    /// The enabled ones. Those of closed accounts are not among them.
    pub webhooks: Vec<Webhook>,
    /// After which id to look for further ones; empty if there are none.
    pub next: String,
}

/// Looks at up to `limit` webhooks with pending deliveries, those after the id `after`: for which of them
/// one is due at `now`? The cost depends on the number of webhooks that have pending deliveries, and
/// neither on that of all webhooks nor on how many deliveries are pending for one.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn due(
    database: &mut Database,
    after: &str,
    now: Timestamp,
    limit: i64,
) -> Result<Due, StoreError> {
    #[derive(QueryableByName)]
    struct Pending {
        #[diesel(sql_type = Text)]
        id: String,
    }

    // Each step is a lookup of the next id in the index of pending deliveries.
    let sql = "WITH RECURSIVE pending (id) AS ( \
               SELECT (SELECT webhook_id FROM webhook_deliveries \
               WHERE next_attempt_at IS NOT NULL AND webhook_id > $1 ORDER BY webhook_id LIMIT 1) \
               UNION ALL \
               SELECT (SELECT webhook_id FROM webhook_deliveries \
               WHERE next_attempt_at IS NOT NULL AND webhook_id > pending.id ORDER BY webhook_id LIMIT 1) \
               FROM pending WHERE pending.id IS NOT NULL) \
               SELECT id FROM pending WHERE id IS NOT NULL LIMIT $2";
    let pending: Vec<Pending> = diesel::sql_query(sql)
        .bind::<Text, _>(after)
        .bind::<BigInt, _>(limit)
        .load(database)?;
    let ids: Vec<&str> = pending.iter().map(|webhook| webhook.id.as_str()).collect();
    let is_all = i64::try_from(ids.len()).is_ok_and(|looked| looked < limit);
    let next = ids.last().filter(|_| !is_all).copied().unwrap_or_default();
    let is_due = webhook_deliveries::table
        .filter(webhook_deliveries::webhook_id.eq(webhooks::id))
        .filter(webhook_deliveries::next_attempt_at.le(now));
    let due = webhooks::table
        .left_join(accounts::table.on(accounts::id.nullable().eq(webhooks::account_id)))
        .filter(webhooks::id.eq_any(&ids))
        .filter(accounts::closed_at.is_null())
        .filter(webhooks::disabled_at.is_null())
        .filter(diesel::dsl::exists(is_due));
    let found = match ids.is_empty() {
        true => Vec::new(),
        false => due.select(Webhook::as_select()).load(database)?,
    };
    Ok(Due {
        webhooks: found,
        next: next.to_owned(),
    })
}

/// Writes the columns of a webhook that people change.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn update(transaction: &mut Transaction<'_>, webhook: &Webhook) -> Result<(), StoreError> {
    diesel::update(webhooks::table.find(&webhook.id))
        .set((
            webhooks::url.eq(&webhook.url),
            webhooks::description.eq(&webhook.description),
            webhooks::events.eq(&webhook.events),
            webhooks::secret_sealed.eq(&webhook.secret_sealed),
            webhooks::previous_sealed.eq(&webhook.previous_sealed),
            webhooks::previous_until.eq(webhook.previous_until),
        ))
        .execute(transaction.modify())?;
    Ok(())
}

/// Disables a webhook, or enables it for none. Its failures are then forgotten.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn set_disabled(
    transaction: &mut Transaction<'_>,
    id: &str,
    disabled: Option<(Timestamp, WebhookDisabledBy)>,
) -> Result<(), StoreError> {
    let (at, by) = disabled.unzip();
    diesel::update(webhooks::table.find(id))
        .set((
            webhooks::disabled_at.eq(at),
            webhooks::disabled_by.eq(by),
            webhooks::failing_since.eq(None::<Timestamp>),
        ))
        .execute(transaction.modify())?;
    Ok(())
}

/// Records that a delivery succeeded.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn succeeded(database: &mut Database, id: &str) -> Result<(), StoreError> {
    let failing = webhooks::table
        .find(id)
        .filter(webhooks::failing_since.is_not_null());
    diesel::update(failing)
        .set(webhooks::failing_since.eq(None::<Timestamp>))
        .execute(database)?;
    Ok(())
}

/// Records that a delivery failed at `now`. If there was no other failure for `FAILURES_APART`, the
/// webhook fails since now.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn failed(database: &mut Database, id: &str, now: Timestamp) -> Result<(), StoreError> {
    let long_ago = now.saturating_sub(FAILURES_APART);
    let is_first = webhooks::failing_since
        .is_null()
        .or(webhooks::last_failure_at.lt(long_ago));
    diesel::update(webhooks::table.find(id).filter(is_first))
        .set(webhooks::failing_since.eq(now))
        .execute(database)?;
    diesel::update(webhooks::table.find(id))
        .set(webhooks::last_failure_at.eq(now))
        .execute(database)?;
    Ok(())
}

/// Deletes a webhook. Its deliveries, of which there may be many, are purged when they are old.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn delete(transaction: &mut Transaction<'_>, id: &str) -> Result<(), StoreError> {
    diesel::delete(webhooks::table.find(id)).execute(transaction.modify())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{DatabaseUrl, IfMissing, Store};

    fn insert(database: &mut Database, id: &str, disabled: bool, next: &[Option<i64>]) {
        let webhook = Webhook {
            id: id.to_owned(),
            account_id: None,
            url: String::new(),
            description: String::new(),
            events: ALL_EVENTS.to_owned(),
            secret_sealed: String::new(),
            previous_sealed: None,
            previous_until: None,
            failing_since: None,
            last_failure_at: None,
            disabled_at: disabled.then_some(Timestamp::EPOCH),
            disabled_by: None,
            created_at: Timestamp::EPOCH,
            created_by: String::new(),
        };
        let row = diesel::insert_into(webhooks::table).values(webhook);
        row.execute(database).unwrap();
        for (place, next) in next.iter().enumerate() {
            let row = diesel::insert_into(webhook_deliveries::table).values((
                webhook_deliveries::id.eq(format!("{id}-{place}")),
                webhook_deliveries::webhook_id.eq(id),
                webhook_deliveries::event_id.eq(""),
                webhook_deliveries::event_type.eq(""),
                webhook_deliveries::body.eq(""),
                webhook_deliveries::created_at.eq(0),
                webhook_deliveries::attempts.eq(0),
                webhook_deliveries::next_attempt_at.eq(next.map(Timestamp::from_seconds)),
            ));
            row.execute(database).unwrap();
        }
    }

    #[tokio::test]
    async fn webhooks_with_due_deliveries_are_found_a_few_at_a_time() {
        let file = std::env::temp_dir().join(format!("keyward_due_{}.db", std::process::id()));
        let store = Store::open(&DatabaseUrl::Sqlite(file), IfMissing::Create).unwrap();
        let inserted = store.write_untracked(|database| {
            insert(database, "a", false, &[Some(10), Some(5), None]);
            insert(database, "b", false, &[None]);
            insert(database, "c", false, &[Some(11)]);
            insert(database, "d", true, &[Some(1)]);
            insert(database, "e", false, &[Some(10)]);
            Ok(())
        });
        inserted.await.unwrap();
        for (after, limit, ids, next) in [
            ("", 10, vec!["a", "e"], ""),
            ("", 1, vec!["a"], "a"),
            ("a", 2, vec![], "d"),
            ("d", 2, vec!["e"], ""),
            ("e", 2, vec![], ""),
        ] {
            let found = store
                .read(move |database| due(database, after, Timestamp::from_seconds(10), limit));
            let found = found.await.unwrap();
            let mut found_ids: Vec<String> = found
                .webhooks
                .into_iter()
                .map(|webhook| webhook.id)
                .collect();
            found_ids.sort();
            assert_eq!(
                (found_ids, found.next.as_str()),
                (ids.into_iter().map(str::to_owned).collect(), next),
                "{after} {limit}"
            );
        }
    }
}
