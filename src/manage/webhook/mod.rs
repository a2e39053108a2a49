//! Webhooks: https URLs to which events of an account, or of all accounts, are sent.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::actor::Permit;
use super::rights::{RightType, WebhooksRead, WebhooksWrite};
use super::{account, not_found};
use crate::clock::Timestamp;
use crate::crypto::sealing_key::SealingKeyFile;
use crate::crypto::webhook_signature;
use crate::error::{Error, refusal};
use crate::secret::SecretString;
use crate::store::audit::{self, Action, Recorder};
use crate::store::client::could_be_id;
pub use crate::store::webhook::WebhookDisabledBy;
use crate::store::webhook::{self, ALL_EVENTS, Webhook};
use crate::store::{Database, Store, Transaction};
use crate::uri::ExternalUri;

mod delivery;
mod secret;

pub use delivery::{
    DeliveryFailure, DeliveryState, DeliveryView, deliveries, resend, show_delivery, test,
};
pub use secret::signature;
pub(super) use secret::{lost, reseal};

/// The maximum number of webhooks of an account, and of those for all accounts.
pub const MAX_WEBHOOKS: usize = 10;

/// The maximum length of a description, in characters.
const MAX_DESCRIPTION: usize = 200;

/// The longest time for which a rotated secret still signs.
const MAX_GRACE: Duration = Duration::from_secs(7 * 24 * 3600);

/// Whose events a webhook gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Those of one account, by id or name; by default the actor's own, or for an operator the oldest.
    Account(Option<String>),
    /// Those of all accounts and of the server itself.
    AllAccounts,
}

/// The properties of a new webhook.
#[derive(Clone, Debug)]
pub struct NewWebhook {
    /// Whose events it gets.
    pub source: Source,
    /// Where the events are sent.
    pub url: String,
    /// What it is for; may be empty.
    pub description: String,
    /// The events: actions of the audit such as `secret.create`, or `*` for all.
    pub events: Vec<String>,
}

/// Changes of a webhook. What is absent stays.
#[derive(Clone, Debug, Default)]
pub struct WebhookChanges {
    /// Where the events are sent.
    pub url: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// The events.
    pub events: Option<Vec<String>>,
    /// Whether events are sent.
    pub enabled: Option<bool>,
}

/// A webhook as management shows it, without its secret.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct WebhookView {
    /// The id of the webhook.
    pub id: String,
    /// The account whose events are sent; null for the events of all accounts and of the server.
    pub account: Option<String>,
    /// Where the events are sent.
    pub url: String,
    /// What it is for; may be empty.
    pub description: String,
    /// The events that are sent: actions of the audit such as `secret.create`, or `*` for all.
    pub events: Vec<String>,
    /// Whether events are sent.
    pub enabled: bool,
    /// Who disabled it; null if it is enabled. One that an operator disabled, only an operator can
    /// enable. `failures`: its deliveries failed for days.
    pub disabled_by: Option<WebhookDisabledBy>,
    /// Since when deliveries fail; null if the last one succeeded.
    pub failing_since: Option<Timestamp>,
    /// Until when deliveries are signed with the secret before the last rotation too; null if there is
    /// none.
    pub previous_secret_until: Option<Timestamp>,
    /// When the webhook was created.
    pub created_at: Timestamp,
    /// Who created the webhook.
    pub created_by: String,
}

impl WebhookView {
    fn new(webhook: Webhook, now: Timestamp) -> Self {
        WebhookView {
            id: webhook.id,
            account: webhook.account_id,
            url: webhook.url,
            description: webhook.description,
            events: webhook.events.split(' ').map(str::to_owned).collect(),
            enabled: webhook.disabled_at.is_none(),
            disabled_by: webhook.disabled_by,
            failing_since: webhook.failing_since,
            previous_secret_until: webhook.previous_until.filter(|until| *until > now),
            created_at: webhook.created_at,
            created_by: webhook.created_by,
        }
    }
}

/// The events that a webhook can subscribe to.
pub fn events() -> impl Iterator<Item = Action> {
    Action::ALL
        .iter()
        .copied()
        .filter(|action| action.is_event())
}

fn check_url(url: &str) -> Result<(), Error> {
    // The addresses of its host are checked when it is connected to.
    ExternalUri::parse(url)
        .and_then(|uri| uri.for_keys(|_| true))
        .map(drop)
        .map_err(|error| refusal::webhook_url(&error.to_string()).field("url"))
}

fn check_description(description: &str) -> Result<(), Error> {
    let length = description.chars().count();
    if length > MAX_DESCRIPTION || description.chars().any(super::is_invisible) {
        return Err(refusal::webhook_description(MAX_DESCRIPTION).field("description"));
    }
    Ok(())
}

/// The stored form of a list of events.
fn stored_events(events: &[String]) -> Result<String, Error> {
    if events.is_empty() {
        return Err(refusal::webhook_no_events().field("events"));
    }
    if events.iter().any(|event| event == ALL_EVENTS) {
        return match events {
            [_] => Ok(ALL_EVENTS.to_owned()),
            _ => Err(refusal::webhook_all_events().field("events")),
        };
    }
    let mut chosen = Vec::new();
    for event in events {
        match event.parse::<Action>() {
            Ok(action) if action.is_event() => chosen.push(action.as_str()),
            _ => {
                let event: String = event.chars().take(60).collect();
                return Err(refusal::webhook_event(&event).field("events"));
            }
        }
    }
    chosen.sort_unstable();
    chosen.dedup();
    Ok(chosen.join(" "))
}

/// Creates a webhook. The secret that signs its deliveries is returned here only.
///
/// # Errors
/// `invalid_request` for a URL, a description or events that cannot be used; `not_found` for an
/// unknown account; `access_denied` if anybody but an operator asks for all accounts; `conflict` if
/// there are [`MAX_WEBHOOKS`].
pub async fn create(
    store: &Arc<Store>,
    permit: Permit<WebhooksWrite>,
    sealing_keys: &SealingKeyFile,
    new: NewWebhook,
) -> Result<(SecretString, WebhookView), Error> {
    let now = permit.now();
    check_url(&new.url)?;
    check_description(&new.description)?;
    let events = stored_events(&new.events)?;
    let secret = webhook_signature::generate();
    let shown = webhook_signature::text(&secret);
    let sealing_keys = sealing_keys.clone();
    let id = audit::new_id(now);
    let view = store
        .write(now, move |transaction| {
            let account_id = match &new.source {
                Source::AllAccounts if permit.is_operator() => None,
                Source::AllAccounts => {
                    return Err(refusal::webhook_for_operators().field("all_accounts"));
                }
                Source::Account(named) => {
                    Some(account::resolve(transaction, &permit, named.as_deref())?.id)
                }
            };
            permit.ensure_first_use(transaction)?;
            let mut existing = webhook::list(transaction.database(), account_id.as_deref())?;
            existing.retain(|webhook| webhook.account_id == account_id);
            if existing.len() >= MAX_WEBHOOKS {
                return Err(refusal::webhooks_full(MAX_WEBHOOKS));
            }
            let mut row = Webhook {
                id: id.clone(),
                account_id,
                url: new.url.clone(),
                description: new.description.clone(),
                events: events.clone(),
                secret_sealed: String::new(),
                previous_sealed: None,
                previous_until: None,
                failing_since: None,
                last_failure_at: None,
                disabled_at: None,
                disabled_by: None,
                created_at: now,
                created_by: permit.actor().to_owned(),
            };
            row.secret_sealed = sealing_keys.seal(&row.seal_context(), secret.expose())?;
            webhook::insert(transaction, &row)?;
            audit_webhook(transaction, &permit, Action::WebhookCreate, &row)?;
            Ok(WebhookView::new(row, now))
        })
        .await?;
    Ok((shown, view))
}

fn audit_webhook(
    transaction: &mut Transaction<'_>,
    permit: &Permit<WebhooksWrite>,
    action: Action,
    webhook: &Webhook,
) -> Result<(), Error> {
    permit.audit(
        transaction,
        action,
        webhook.account_id.as_deref(),
        &webhook.id,
    )
}

/// Lists the webhooks that the actor can see, the oldest first.
///
/// # Errors
/// A [`StoreError`](crate::store::StoreError) if the database cannot be queried.
pub async fn list(
    store: &Arc<Store>,
    permit: Permit<WebhooksRead>,
) -> Result<Vec<WebhookView>, Error> {
    let own_account = permit.account().map(str::to_owned);
    store
        .report(own_account.as_deref(), move |database| {
            let webhooks = webhook::list(database, permit.account())?;
            let view = |webhook| WebhookView::new(webhook, permit.now());
            Ok(webhooks.into_iter().map(view).collect())
        })
        .await
}

/// Shows a webhook.
///
/// # Errors
/// `not_found`.
pub async fn show(
    store: &Arc<Store>,
    permit: Permit<WebhooksRead>,
    id: &str,
) -> Result<WebhookView, Error> {
    let id = id.to_owned();
    store
        .read(move |database| {
            let webhook = find(database, &permit, &id)?;
            Ok(WebhookView::new(webhook, permit.now()))
        })
        .await
}

/// The webhook with this id, if the actor can see it. That of all accounts, only operators can.
fn find<R: RightType>(
    database: &mut Database,
    permit: &Permit<R>,
    id: &str,
) -> Result<Webhook, Error> {
    let found = if could_be_id(id) {
        webhook::find(database, id)?
    } else {
        None
    };
    let is_visible = |webhook: &Webhook| match &webhook.account_id {
        Some(account_id) => permit.can_access(account_id),
        None => permit.is_operator(),
    };
    found
        .filter(is_visible)
        .ok_or_else(|| not_found("webhook", id))
}

/// Changes a webhook.
///
/// # Errors
/// `not_found`; `invalid_request` as for [`create`]; `access_denied` for one that an operator
/// disabled.
pub async fn update(
    store: &Arc<Store>,
    permit: Permit<WebhooksWrite>,
    id: &str,
    changes: WebhookChanges,
) -> Result<WebhookView, Error> {
    let now = permit.now();
    changes.url.as_deref().map_or(Ok(()), check_url)?;
    changes
        .description
        .as_deref()
        .map_or(Ok(()), check_description)?;
    let events = changes.events.as_deref().map(stored_events).transpose()?;
    let id = id.to_owned();
    store
        .write(now, move |transaction| {
            let mut row = find(transaction.database(), &permit, &id)?;
            let before = (row.url.clone(), row.description.clone(), row.events.clone());
            row.url = changes.url.clone().unwrap_or(row.url);
            row.description = changes.description.clone().unwrap_or(row.description);
            row.events = events.clone().unwrap_or(row.events);
            if before != (row.url.clone(), row.description.clone(), row.events.clone()) {
                webhook::update(transaction, &row)?;
                audit_webhook(transaction, &permit, Action::WebhookUpdate, &row)?;
            }
            if let Some(enabled) = changes.enabled {
                set_enabled(transaction, &permit, &mut row, enabled)?;
            }
            Ok(WebhookView::new(row, now))
        })
        .await
}

fn set_enabled(
    transaction: &mut Transaction<'_>,
    permit: &Permit<WebhooksWrite>,
    row: &mut Webhook,
    enabled: bool,
) -> Result<(), Error> {
    let by = if permit.is_operator() {
        WebhookDisabledBy::Operator
    } else {
        WebhookDisabledBy::Account
    };
    let is_operators = row.disabled_by == Some(WebhookDisabledBy::Operator);
    let (disabled, action) = match enabled {
        true if row.disabled_at.is_none() => return Ok(()),
        true if is_operators && !permit.is_operator() => {
            return Err(refusal::webhook_disabled_by_operator());
        }
        true => (None, Action::WebhookEnable),
        false if is_operators || row.disabled_by == Some(by) => return Ok(()),
        false => {
            let since = row.disabled_at.unwrap_or(permit.now());
            (Some((since, by)), Action::WebhookDisable)
        }
    };
    webhook::set_disabled(transaction, &row.id, disabled)?;
    (row.disabled_at, row.disabled_by) = disabled.unzip();
    row.failing_since = None;
    audit_webhook(transaction, permit, action, row)
}

/// Deletes a webhook. Nothing is sent to it any more.
///
/// # Errors
/// `not_found`; `access_denied` for one that an operator disabled.
pub async fn delete(
    store: &Arc<Store>,
    permit: Permit<WebhooksWrite>,
    id: &str,
) -> Result<(), Error> {
    let id = id.to_owned();
    store
        .write(permit.now(), move |transaction| {
            let row = find(transaction.database(), &permit, &id)?;
            if row.disabled_by == Some(WebhookDisabledBy::Operator) && !permit.is_operator() {
                return Err(refusal::webhook_disabled_by_operator());
            }
            webhook::delete(transaction, &row.id)?;
            audit_webhook(transaction, &permit, Action::WebhookDelete, &row)
        })
        .await
}

/// Replaces the secret of a webhook. Deliveries are signed with both secrets for the `grace` time.
///
/// # Errors
/// `not_found`; `invalid_request` for a grace time of more than a week.
pub async fn rotate_secret(
    store: &Arc<Store>,
    permit: Permit<WebhooksWrite>,
    sealing_keys: &SealingKeyFile,
    id: &str,
    grace: Duration,
) -> Result<(SecretString, WebhookView), Error> {
    let now = permit.now();
    if grace > MAX_GRACE {
        return Err(refusal::webhook_grace().field("grace"));
    }
    let secret = webhook_signature::generate();
    let shown = webhook_signature::text(&secret);
    let sealing_keys = sealing_keys.clone();
    let id = id.to_owned();
    let view = store
        .write(now, move |transaction| {
            let mut row = find(transaction.database(), &permit, &id)?;
            permit.ensure_first_use(transaction)?;
            let sealed = sealing_keys.seal(&row.seal_context(), secret.expose())?;
            let previous = std::mem::replace(&mut row.secret_sealed, sealed);
            row.previous_sealed = (!grace.is_zero()).then_some(previous);
            row.previous_until = (!grace.is_zero()).then(|| now.saturating_add(grace));
            webhook::update(transaction, &row)?;
            audit_webhook(transaction, &permit, Action::WebhookRotate, &row)?;
            Ok::<_, Error>(WebhookView::new(row, now))
        })
        .await?;
    Ok((shown, view))
}

/// Disables a webhook whose deliveries have failed since before `since`.
///
/// # Errors
/// A [`StoreError`](crate::store::StoreError) if the database cannot be written.
pub async fn disable_failing(
    store: &Arc<Store>,
    id: &str,
    since: Timestamp,
    now: Timestamp,
) -> Result<bool, Error> {
    let id = id.to_owned();
    store
        .write(now, move |transaction| {
            let Some(row) = webhook::find(transaction.database(), &id)? else {
                return Ok(false);
            };
            let is_due = row.failing_since.is_some_and(|first| first <= since);
            if row.disabled_at.is_some() || !is_due {
                return Ok(false);
            }
            let by = WebhookDisabledBy::Failures;
            webhook::set_disabled(transaction, &row.id, Some((now, by)))?;
            let account_id = row.account_id.as_deref();
            Recorder::keyward(now).record(
                transaction,
                Action::WebhookDisable,
                account_id,
                &row.id,
            )?;
            Ok::<_, Error>(true)
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    #[test]
    fn events_are_actions_or_all() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let stored = |text: &str| stored_events(&words(text)).ok();
        for (text, expected) in [
            ("*", Some("*")),
            ("secret.create", Some("secret.create")),
            (
                "secret.create client.delete secret.create",
                Some("client.delete secret.create"),
            ),
            ("* secret.create", None),
            ("secret.paint", None),
            ("authentication.failure", None),
            ("webhook.test", None),
            ("", None),
        ] {
            assert_eq!(stored(text).as_deref(), expected, "{text:?}");
        }
        assert!(stored_events(&[]).is_err());
        let error = stored_events(&words("secret.paint")).unwrap_err();
        assert_eq!(
            (error.code(), error.wrong_field()),
            (Code::InvalidRequest, Some("events"))
        );
    }
}
