//! Webhook: an https URL of a partner or of the operator to which events are sent.

use std::time::Duration;

use diesel::prelude::*;
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

/// The enabled webhooks for which a delivery is due at `now`. Those of closed accounts are not among
/// them.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn due(database: &mut Database, now: Timestamp) -> Result<Vec<Webhook>, StoreError> {
    let is_due = webhook_deliveries::table
        .filter(webhook_deliveries::webhook_id.eq(webhooks::id))
        .filter(webhook_deliveries::next_attempt_at.le(now));
    Ok(webhooks::table
        .left_join(accounts::table.on(accounts::id.nullable().eq(webhooks::account_id)))
        .filter(accounts::closed_at.is_null())
        .filter(webhooks::disabled_at.is_null())
        .filter(diesel::dsl::exists(is_due))
        .select(Webhook::as_select())
        .load(database)?)
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
