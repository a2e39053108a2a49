//! Deliveries of webhooks: list them, send an event again, send a test event, sign.

use std::sync::Arc;

use serde::Serialize;

use super::{audit_webhook, find};
use crate::clock::Timestamp;
use crate::error::{Error, refusal};
use crate::manage::actor::Permit;
use crate::manage::rights::{WebhooksRead, WebhooksWrite};
use crate::manage::{account, not_found};
use crate::store::audit::{self, Action};
use crate::store::client::could_be_id;
use crate::store::webhook::Webhook;
pub use crate::store::webhook_delivery::DeliveryFailure;
use crate::store::webhook_delivery::{self, Delivery};
use crate::store::{Database, Store};

/// The state of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// It is yet to be sent, or to be sent again.
    Pending,
    /// The receiver accepted it.
    Delivered,
    /// The receiver did not accept it, and it is not sent any more.
    Failed,
}

impl DeliveryState {
    /// The state of what was accepted at `delivered_at` or is sent next at `next_attempt_at`.
    pub fn of(delivered_at: Option<Timestamp>, next_attempt_at: Option<Timestamp>) -> Self {
        match (delivered_at, next_attempt_at) {
            (Some(_), _) => DeliveryState::Delivered,
            (None, Some(_)) => DeliveryState::Pending,
            (None, None) => DeliveryState::Failed,
        }
    }

    /// The name in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            DeliveryState::Pending => "pending",
            DeliveryState::Delivered => "delivered",
            DeliveryState::Failed => "failed",
        }
    }
}

/// A delivery as management shows it.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct DeliveryView {
    /// The id of the delivery.
    pub id: String,
    /// The id of the event: `webhook-id` in the request.
    pub event_id: String,
    /// The event, such as `secret.create`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The state.
    pub state: DeliveryState,
    /// How often it was sent.
    pub attempts: i64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last sent.
    pub last_attempt_at: Option<Timestamp>,
    /// When it is sent next; null if it is not sent any more.
    pub next_attempt_at: Option<Timestamp>,
    /// The status of the last response; null if there was none.
    pub response_status: Option<i64>,
    /// Why the last attempt failed; null if it succeeded.
    pub failure: Option<DeliveryFailure>,
    /// How long the last attempt took, in milliseconds.
    pub duration_ms: Option<i64>,
    /// The body of the request.
    pub body: String,
}

impl From<Delivery> for DeliveryView {
    fn from(delivery: Delivery) -> Self {
        let state = DeliveryState::of(delivery.delivered_at, delivery.next_attempt_at);
        DeliveryView {
            id: delivery.id,
            event_id: delivery.event_id,
            event_type: delivery.event_type,
            state,
            attempts: delivery.attempts,
            created_at: delivery.created_at,
            last_attempt_at: delivery.last_attempt_at,
            next_attempt_at: delivery.next_attempt_at,
            response_status: delivery.response_status,
            failure: delivery.failure,
            duration_ms: delivery.duration_ms,
            body: delivery.body,
        }
    }
}

/// The deliveries of a webhook, the newest first: at most `limit`, those older than `before`.
///
/// # Errors
/// `not_found`.
pub async fn deliveries(
    store: &Arc<Store>,
    permit: Permit<WebhooksRead>,
    id: &str,
    before: Option<String>,
    limit: i64,
) -> Result<Vec<DeliveryView>, Error> {
    let id = id.to_owned();
    let before = before.filter(|before| could_be_id(before));
    let own_account = permit.account().map(str::to_owned);
    store
        .report(own_account.as_deref(), move |database| {
            let webhook = find(database, &permit, &id)?;
            let rows = webhook_delivery::list(database, &webhook.id, before.as_deref(), limit)?;
            Ok(rows.into_iter().map(DeliveryView::from).collect())
        })
        .await
}

/// Shows a delivery.
///
/// # Errors
/// `not_found`.
pub async fn show_delivery(
    store: &Arc<Store>,
    permit: Permit<WebhooksRead>,
    id: &str,
    delivery_id: &str,
) -> Result<DeliveryView, Error> {
    let (id, delivery_id) = (id.to_owned(), delivery_id.to_owned());
    store
        .read(move |database| {
            let webhook = find(database, &permit, &id)?;
            Ok(find_delivery(database, &webhook, &delivery_id)?.into())
        })
        .await
}

fn find_delivery(
    database: &mut Database,
    webhook: &Webhook,
    delivery_id: &str,
) -> Result<Delivery, Error> {
    let found = if could_be_id(delivery_id) {
        webhook_delivery::find(database, &webhook.id, delivery_id)?
    } else {
        None
    };
    found.ok_or_else(|| not_found("delivery", delivery_id))
}

/// Refuses a delivery that would not be sent.
fn check_sends(database: &mut Database, webhook: &Webhook) -> Result<(), Error> {
    if webhook.disabled_at.is_some() {
        return Err(refusal::webhook_is_disabled());
    }
    if account::is_closed(database, webhook.account_id.as_deref())? {
        return Err(refusal::account_closed());
    }
    if webhook_delivery::is_full(database, &webhook.id)? {
        return Err(refusal::webhook_is_full(webhook_delivery::MAX_PENDING));
    }
    Ok(())
}

/// Sends the event of a delivery again, with the same id: a receiver that had it can tell.
///
/// # Errors
/// `not_found`; `conflict` if the webhook is disabled or has too many pending deliveries;
/// `access_denied` if its account is closed.
pub async fn resend(
    store: &Arc<Store>,
    permit: Permit<WebhooksWrite>,
    id: &str,
    delivery_id: &str,
) -> Result<DeliveryView, Error> {
    let (id, delivery_id) = (id.to_owned(), delivery_id.to_owned());
    store
        .write(permit.now(), move |transaction| {
            let webhook = find(transaction.database(), &permit, &id)?;
            check_sends(transaction.database(), &webhook)?;
            let before = find_delivery(transaction.database(), &webhook, &delivery_id)?;
            let again = before.again(permit.now());
            webhook_delivery::insert(transaction, &again)?;
            audit_webhook(transaction, &permit, Action::WebhookResend, &webhook)?;
            Ok(again.into())
        })
        .await
}

/// Sends the event `webhook.test` to one webhook.
///
/// # Errors
/// `not_found`; `conflict` if the webhook is disabled or has too many pending deliveries;
/// `access_denied` if its account is closed.
pub async fn test(
    store: &Arc<Store>,
    permit: Permit<WebhooksWrite>,
    id: &str,
) -> Result<DeliveryView, Error> {
    let id = id.to_owned();
    store
        .write(permit.now(), move |transaction| {
            let webhook = find(transaction.database(), &permit, &id)?;
            check_sends(transaction.database(), &webhook)?;
            let account_id = webhook.account_id.as_deref();
            let recorder = permit.recorder();
            let entry = recorder.entry(Action::WebhookTest, account_id, &webhook.id);
            let delivery = Delivery::of(&entry, &webhook.id);
            webhook_delivery::insert(transaction, &delivery)?;
            audit::insert(transaction, &entry)?;
            Ok(delivery.into())
        })
        .await
}
