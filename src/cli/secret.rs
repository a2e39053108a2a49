//! `keyward secret`

use std::time::Duration;

use clap::Subcommand;
use serde_json::json;

use super::confirmation::Confirmation;
use super::output::{Output, when};
use super::{Context, Lifetime};
use crate::clock::parse_duration;
use crate::credential::Credential;
use crate::error::Error;
use crate::manage::actor::{KeysRead, KeysWrite};
use crate::manage::secret::{self, ClientSecret};

#[derive(Subcommand)]
pub enum Secret {
    /// Create a secret; existing secrets stay valid
    Create {
        client_id: String,
        #[command(flatten)]
        expires_in: Lifetime,
    },
    /// List the secrets of a client
    List { client_id: String },
    /// Create a secret that replaces all others
    Rotate {
        client_id: String,

        /// How long the replaced secrets stay valid
        #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = parse_duration)]
        grace: Duration,
    },
    /// Delete a secret; it is refused at once
    Delete {
        client_id: String,
        secret_id: String,

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
                expires_in,
            } => {
                let (secret, row) = secret::create(
                    &store,
                    operator.may(KeysWrite)?,
                    &client_id,
                    expires_in.duration,
                )
                .await?;
                Ok(created(&secret, &row))
            }
            Secret::Rotate { client_id, grace } => {
                let (secret, row) =
                    secret::rotate(&store, operator.may(KeysWrite)?, &client_id, grace).await?;
                Ok(created(&secret, &row))
            }
            Secret::List { client_id } => {
                let secrets = secret::list(&store, operator.may(KeysRead)?, &client_id).await?;
                let documents: Vec<_> = secrets
                    .iter()
                    .map(|secret| json!({"id": secret.id, "created_at": secret.created_at, "expires_at": secret.expires_at}))
                    .collect();
                let rows = secrets.iter().map(|secret| {
                    [
                        secret.id.clone(),
                        secret.created_at.to_string(),
                        when(secret.expires_at),
                    ]
                });
                Ok(Output::table(
                    &documents,
                    ["ID", "CREATED", "EXPIRES"],
                    rows,
                ))
            }
            Secret::Delete {
                client_id,
                secret_id,
                confirmation,
            } => {
                confirmation.ask(&format!("This deletes the secret {secret_id}."))?;
                secret::delete(&store, operator.may(KeysWrite)?, &client_id, &secret_id).await?;
                Ok(Output::done(format!("Deleted the secret {secret_id}")))
            }
        }
    }
}

fn created(secret: &Credential, row: &ClientSecret) -> Output {
    let document = json!({
        "id": row.id, "client_id": row.client_id, "client_secret": secret.expose(),
        "created_at": row.created_at, "expires_at": row.expires_at,
    });
    Output::new(
        &document,
        format!(
            "Created the secret {}. It is shown only once:\n  {}",
            row.id,
            secret.expose()
        ),
    )
}
