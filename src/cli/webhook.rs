//! `keyward webhook`

use std::time::Duration;

use clap::{ArgGroup, Subcommand};
use serde_json::json;

use super::Context;
use super::confirmation::Confirmation;
use super::output::{Output, when};
use crate::clock::parse_duration;
use crate::error::Error;
use crate::manage::actor::{WebhooksRead, WebhooksWrite};
use crate::manage::webhook::{self, DeliveryView, NewWebhook, Source, WebhookChanges, WebhookView};
use crate::secret::SecretString;

#[derive(Subcommand)]
pub enum Webhook {
    /// Create a webhook, and show the secret that signs its deliveries
    Create {
        /// https URL that gets the events
        url: String,

        /// Account whose events are sent, by id or name [default: the oldest account]
        #[arg(long, conflicts_with = "all_accounts")]
        account: Option<String>,

        /// Send the events of all accounts and of the server
        #[arg(long)]
        all_accounts: bool,

        /// Event to send, an action of the audit such as secret.create, or * for all; can be repeated
        #[arg(long = "event", value_name = "EVENT", required = true)]
        events: Vec<String>,

        /// What it is for
        #[arg(long, default_value = "", hide_default_value = true)]
        description: String,
    },
    /// List all webhooks
    List,
    /// Show a webhook
    Show { id: String },
    /// Change a webhook; values that are not given stay as they are
    #[command(group(ArgGroup::new("change").required(true).multiple(true)))]
    Update {
        id: String,

        /// https URL that gets the events
        #[arg(long, group = "change")]
        url: Option<String>,

        /// Replace the events; can be repeated
        #[arg(long = "event", value_name = "EVENT", group = "change")]
        events: Vec<String>,

        /// What it is for
        #[arg(long, group = "change")]
        description: Option<String>,
    },
    /// Disable a webhook: nothing is sent to it
    Disable { id: String },
    /// Enable a webhook; what was pending is sent
    Enable { id: String },
    /// Delete a webhook
    Delete {
        id: String,

        #[command(flatten)]
        confirmation: Confirmation,
    },
    /// Replace the secret that signs the deliveries of a webhook
    RotateSecret {
        id: String,

        /// How long deliveries are signed with the old secret too
        #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = parse_duration)]
        grace: Duration,

        #[command(flatten)]
        confirmation: Confirmation,
    },
    /// List the latest deliveries of a webhook
    Deliveries {
        id: String,

        /// Number of deliveries
        #[arg(long, value_name = "N", default_value = "50", value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
    },
    /// Send the event webhook.test to a webhook
    Test { id: String },
    /// Send the event of a delivery again
    Resend { id: String, delivery_id: String },
}

impl Webhook {
    pub async fn run(self, context: Context) -> Result<Output, Error> {
        let creates = matches!(self, Webhook::Create { .. });
        let store = if creates {
            context.store_or_new()?
        } else {
            context.store()?
        };
        let operator = context.operator();
        match self {
            Webhook::Create {
                url,
                account,
                all_accounts,
                events,
                description,
            } => {
                let new = NewWebhook {
                    source: if all_accounts {
                        Source::AllAccounts
                    } else {
                        Source::Account(account)
                    },
                    url,
                    description,
                    events,
                };
                let sealing_keys = context.sealing_keys_or_new(&store).await?;
                let permit = operator.may(WebhooksWrite)?;
                let (secret, view) = webhook::create(&store, permit, &sealing_keys, new).await?;
                Ok(with_secret(&view, &secret, "Created the webhook"))
            }
            Webhook::List => {
                let webhooks = webhook::list(&store, operator.may(WebhooksRead)?).await?;
                Ok(Output::table(
                    &webhooks,
                    ["ID", "ACCOUNT", "URL", "EVENTS", "STATE"],
                    webhooks.iter().map(cells),
                ))
            }
            Webhook::Show { id } => {
                let view = webhook::show(&store, operator.may(WebhooksRead)?, &id).await?;
                let [id, account, url, events, state] = cells(&view);
                let words = format!(
                    "Webhook {id}\n  account      {account}\n  url          {url}\n  description  {}\n  events       {events}\n  state        {state}",
                    view.description
                );
                Ok(Output::new(&view, words))
            }
            Webhook::Update {
                id,
                url,
                events,
                description,
            } => {
                let changes = WebhookChanges {
                    url,
                    description,
                    events: (!events.is_empty()).then_some(events),
                    enabled: None,
                };
                let permit = operator.may(WebhooksWrite)?;
                let view = webhook::update(&store, permit, &id, changes).await?;
                Ok(Output::new(&view, format!("Saved the webhook {id}")))
            }
            Webhook::Disable { id } => {
                let view =
                    webhook::update(&store, operator.may(WebhooksWrite)?, &id, enabled(false))
                        .await?;
                Ok(Output::new(&view, format!("Disabled the webhook {id}")))
            }
            Webhook::Enable { id } => {
                let view =
                    webhook::update(&store, operator.may(WebhooksWrite)?, &id, enabled(true))
                        .await?;
                Ok(Output::new(&view, format!("Enabled the webhook {id}")))
            }
            Webhook::Delete { id, confirmation } => {
                confirmation.ask(&format!("This deletes the webhook {id}."))?;
                webhook::delete(&store, operator.may(WebhooksWrite)?, &id).await?;
                Ok(Output::done(format!("Deleted the webhook {id}")))
            }
            Webhook::RotateSecret {
                id,
                grace,
                confirmation,
            } => {
                if grace.is_zero() {
                    confirmation.ask(&format!(
                        "This replaces the secret of the webhook {id}, with which nothing is signed any more."
                    ))?;
                }
                let sealing_keys = context.sealing_keys(&store).await?;
                let permit = operator.may(WebhooksWrite)?;
                let (secret, view) =
                    webhook::rotate_secret(&store, permit, &sealing_keys, &id, grace).await?;
                Ok(with_secret(
                    &view,
                    &secret,
                    "Replaced the secret of the webhook",
                ))
            }
            Webhook::Deliveries { id, limit } => {
                let permit = operator.may(WebhooksRead)?;
                let deliveries =
                    webhook::deliveries(&store, permit, &id, None, limit.into()).await?;
                Ok(Output::table(
                    &deliveries,
                    [
                        "ID",
                        "EVENT",
                        "STATE",
                        "ATTEMPTS",
                        "RESPONSE",
                        "NEXT ATTEMPT",
                    ],
                    deliveries.iter().map(delivery_cells),
                ))
            }
            Webhook::Test { id } => {
                let sent = webhook::test(&store, operator.may(WebhooksWrite)?, &id).await?;
                Ok(Output::new(
                    &sent,
                    format!("A running server sends the delivery {}", sent.id),
                ))
            }
            Webhook::Resend { id, delivery_id } => {
                let permit = operator.may(WebhooksWrite)?;
                let sent = webhook::resend(&store, permit, &id, &delivery_id).await?;
                Ok(Output::new(
                    &sent,
                    format!("A running server sends the delivery {}", sent.id),
                ))
            }
        }
    }
}

fn enabled(enabled: bool) -> WebhookChanges {
    WebhookChanges {
        enabled: Some(enabled),
        ..WebhookChanges::default()
    }
}

fn with_secret(view: &WebhookView, secret: &SecretString, done: &str) -> Output {
    let mut document = json!(view);
    document["signing_secret"] = json!(secret.expose());
    let words = format!(
        "{done} {}. The secret that signs its deliveries is shown only once:\n  {}",
        view.id,
        secret.expose()
    );
    Output::new(&document, words)
}

fn cells(view: &WebhookView) -> [String; 5] {
    let state = match (view.disabled_by, view.failing_since) {
        (Some(by), _) => format!("disabled by {}", by.as_str()),
        (None, Some(since)) => format!("failing since {since}"),
        (None, None) => "enabled".to_owned(),
    };
    [
        view.id.clone(),
        view.account.clone().unwrap_or_else(|| "all".to_owned()),
        view.url.clone(),
        view.events.join(" "),
        state,
    ]
}

fn delivery_cells(view: &DeliveryView) -> [String; 6] {
    let response = match (view.response_status, view.failure) {
        (Some(status), _) => status.to_string(),
        (None, Some(failure)) => failure.as_str().to_owned(),
        (None, None) => "-".to_owned(),
    };
    let next = match view.next_attempt_at {
        None => "-".to_owned(),
        next => when(next),
    };
    [
        view.id.clone(),
        view.event_type.clone(),
        view.state.as_str().to_owned(),
        view.attempts.to_string(),
        response,
        next,
    ]
}
