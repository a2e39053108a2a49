//! `keyward secret`

use std::time::Duration;

use clap::Subcommand;
use serde_json::json;

use super::confirmation::Confirmation;
use super::output::{Output, unused, when};
use super::unused::UnusedArgs;
use super::usage::UsageArgs;
use super::{Context, Lifetime};
use crate::clock::parse_duration;
use crate::credential::Credential;
use crate::error::Error;
use crate::manage::actor::{KeysRead, KeysWrite};
use crate::manage::secret::{self, NewSecret, SecretView};
use crate::manage::unused_credential::UnusedKind;
use crate::manage::usage::Subject;

#[derive(Subcommand)]
pub enum Secret {
    /// Create a secret; existing secrets stay valid
    Create {
        client_id: String,

        /// Display name
        #[arg(long)]
        name: Option<String>,

        #[command(flatten)]
        expires_in: Lifetime,
    },
    /// List the secrets of a client, or those of all clients that were not used for 90 days
    List {
        #[arg(required_unless_present = "unused")]
        client_id: Option<String>,

        #[command(flatten)]
        unused: UnusedArgs,
    },
    /// Show how often a secret was used
    Usage {
        client_id: String,
        secret_id: String,

        #[command(flatten)]
        usage: UsageArgs,
    },
    /// Rename a secret
    Update {
        client_id: String,
        secret_id: String,

        /// Display name
        #[arg(long, required_unless_present = "no_name")]
        name: Option<String>,

        /// Remove the display name
        #[arg(long, conflicts_with = "name")]
        no_name: bool,
    },
    /// Create a secret that replaces all others
    Rotate {
        client_id: String,

        /// How long the replaced secrets stay valid
        #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = parse_duration)]
        grace: Duration,

        #[command(flatten)]
        confirmation: Confirmation,
    },
    /// Delete secrets, all of them or none; they are refused at once
    Delete {
        client_id: String,

        #[arg(required = true)]
        secret_id: Vec<String>,

        #[command(flatten)]
        confirmation: Confirmation,
    },
}

impl Secret {
    pub async fn run(self, context: Context) -> Result<Output, Error> {
        let store = context.store()?;
        let operator = context.operator();
        match self {
            Secret::Create {
                client_id,
                name,
                expires_in,
            } => {
                let new = NewSecret {
                    name,
                    lifetime: expires_in.duration,
                };
                let (secret, view) =
                    secret::create(&store, operator.may(KeysWrite)?, &client_id, new).await?;
                Ok(created(&secret, &view))
            }
            Secret::Update {
                client_id,
                secret_id,
                name,
                no_name: _,
            } => {
                let permit = operator.may(KeysWrite)?;
                let name = Some(name);
                let view = secret::update(&store, permit, &client_id, &secret_id, name).await?;
                let words = format!("Updated the secret {}", view.id);
                Ok(Output::new(&json!(view), words))
            }
            Secret::Rotate {
                client_id,
                grace,
                confirmation,
            } => {
                if grace.is_zero() {
                    confirmation.ask(&format!(
                        "This replaces the secrets of the client {client_id}, which are refused at once."
                    ))?;
                }
                let (secret, view) =
                    secret::rotate(&store, operator.may(KeysWrite)?, &client_id, grace).await?;
                Ok(created(&secret, &view))
            }
            Secret::List {
                client_id: None,
                unused,
            } => {
                unused
                    .list(context.json, &store, &operator, UnusedKind::ClientSecret)
                    .await
            }
            Secret::List {
                client_id: Some(client_id),
                ..
            } => {
                let secrets = secret::list(&store, operator.may(KeysRead)?, &client_id).await?;
                let rows = secrets.iter().map(|secret| {
                    [
                        secret.id.clone(),
                        secret.name.clone().unwrap_or_default(),
                        secret.created_at.to_string(),
                        when(secret.last_used_at),
                        when(secret.expires_at),
                        unused(secret.unused),
                    ]
                });
                Ok(Output::table(
                    &secrets,
                    ["ID", "NAME", "CREATED", "LAST USED", "EXPIRES", "HINT"],
                    rows,
                ))
            }
            Secret::Usage {
                client_id,
                secret_id,
                usage,
            } => {
                usage
                    .show(&context, &store, &client_id, Subject::Secret(secret_id))
                    .await
            }
            Secret::Delete {
                client_id,
                secret_id,
                confirmation,
            } => {
                let named = secret_id.join(", ");
                let noun = match secret_id.len() {
                    1 => "secret",
                    _ => "secrets",
                };
                confirmation.ask(&format!("This deletes the {noun} {named}."))?;
                let ids = secret_id.into_iter().collect();
                secret::delete_all(&store, operator.may(KeysWrite)?, &client_id, ids).await?;
                Ok(Output::done(format!("Deleted the {noun} {named}")))
            }
        }
    }
}

fn created(secret: &Credential, view: &SecretView) -> Output {
    let mut document = json!(view);
    document["client_secret"] = json!(secret.expose());
    Output::new(
        &document,
        format!(
            "Created the secret {}. It is shown only once:\n  {}",
            view.id,
            secret.expose()
        ),
    )
}
