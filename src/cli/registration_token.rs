//! `keyward registration-token`

use clap::Subcommand;
use serde_json::json;

use super::confirmation::Confirmation;
use super::output::{Output, when};
use super::{Context, Lifetime, Limits};
use crate::decimal;
use crate::error::Error;
use crate::manage::actor::{RegistrationRead, RegistrationWrite};
use crate::manage::registration_token::{self, NewRegistrationToken};

#[derive(Subcommand)]
pub enum RegistrationToken {
    /// Create an initial access token
    Create {
        /// Account that will own the clients, by id or name [default: the oldest account]
        #[arg(long)]
        account: Option<String>,

        #[command(flatten)]
        limits: Limits,

        /// Number of clients that can be registered with it [default: unlimited]
        #[arg(long, value_name = "N", value_parser = parse_uses)]
        uses: Option<i64>,

        #[command(flatten)]
        expires_in: Lifetime,
    },
    /// List all initial access tokens
    List,
    /// Delete an initial access token; clients registered with it stay
    Delete {
        id: String,

        #[command(flatten)]
        confirmation: Confirmation,
    },
}

impl RegistrationToken {
    pub async fn run(self, context: Context) -> Result<Output, Error> {
        let creates = matches!(self, RegistrationToken::Create { .. });
        let store = if creates {
            context.store_or_new()?
        } else {
            context.store()?
        };
        let operator = context.operator();
        match self {
            RegistrationToken::Create {
                account,
                limits,
                uses,
                expires_in,
            } => {
                let Limits { scope, resources } = limits;
                let new = NewRegistrationToken {
                    account,
                    scope,
                    resources,
                    uses,
                    lifetime: expires_in.duration,
                };
                let (token, view, warning) =
                    registration_token::create(&store, operator.may(RegistrationWrite)?, new)
                        .await?;
                let mut document = json!(view);
                document["token"] = json!(token.expose());
                let words = format!(
                    "Created the initial access token {}. It is shown only once:\n  {}",
                    view.id,
                    token.expose()
                );
                Ok(Output::new(&document, words).warning(warning.as_ref()))
            }
            RegistrationToken::List => {
                let tokens =
                    registration_token::list(&store, operator.may(RegistrationRead)?).await?;
                let rows = tokens.iter().map(|token| {
                    let uses = token
                        .uses_left
                        .map_or_else(|| "unlimited".to_owned(), |uses| uses.to_string());
                    [
                        token.id.clone(),
                        token.account.clone(),
                        token.scope.to_string(),
                        uses,
                        when(token.expires_at),
                    ]
                });
                Ok(Output::table(
                    &tokens,
                    ["ID", "ACCOUNT", "SCOPE", "USES LEFT", "EXPIRES"],
                    rows,
                ))
            }
            RegistrationToken::Delete { id, confirmation } => {
                confirmation.ask(&format!("This deletes the initial access token {id}."))?;
                registration_token::delete(&store, operator.may(RegistrationWrite)?, &id).await?;
                Ok(Output::done(format!(
                    "Deleted the initial access token {id}"
                )))
            }
        }
    }
}

/// A text that is not a number of uses.
#[derive(Debug, thiserror::Error)]
#[error("expected a number")]
struct InvalidUses;

fn parse_uses(text: &str) -> Result<i64, InvalidUses> {
    decimal::parse(text).ok_or(InvalidUses)
}
