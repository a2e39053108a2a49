//! `keyward account`

use std::str::FromStr;

use clap::Subcommand;

use super::Context;
use super::output::Output;
use crate::config::Switch;
use crate::decimal;
use crate::error::Error;
use crate::manage::account::{self, AccountPatch};
use crate::manage::actor::{AccountsRead, AccountsWrite, UsersWrite};

#[derive(Subcommand)]
pub enum Account {
    /// Create an account
    Create {
        /// Display name; must be unique
        #[arg(long)]
        name: String,
    },
    /// List all accounts
    List,
    /// Change an account
    Update {
        /// The account, by id or name
        account: String,

        /// Require two-step verification of its users in the portal
        #[arg(
            long,
            value_name = "on|off",
            hide_possible_values = true,
            required_unless_present = "max_clients"
        )]
        require_second_factor: Option<Switch>,

        /// Maximum number of clients that its users and dynamic registration can create; "default" is 1000
        #[arg(long, value_name = "N|default")]
        max_clients: Option<ClientLimit>,
    },
}

/// A limit of clients; `None` is the default limit.
#[derive(Clone, Copy)]
pub struct ClientLimit(Option<u32>);

/// A text that is not a [`ClientLimit`].
#[derive(Debug, thiserror::Error)]
#[error("expected a number or \"default\"")]
pub struct InvalidClientLimit;

impl FromStr for ClientLimit {
    type Err = InvalidClientLimit;

    fn from_str(text: &str) -> Result<Self, InvalidClientLimit> {
        match text {
            "default" => Ok(ClientLimit(None)),
            text => {
                let max = decimal::parse(text).ok_or(InvalidClientLimit)?;
                Ok(ClientLimit(Some(max)))
            }
        }
    }
}

impl Account {
    pub async fn run(self, context: Context) -> Result<Output, Error> {
        let creates = matches!(self, Account::Create { .. });
        let store = if creates {
            context.store_or_new()?
        } else {
            context.store()?
        };
        let operator = context.operator();
        match self {
            Account::Create { name } => {
                let account = account::create(&store, operator.may(AccountsWrite)?, &name).await?;
                Ok(Output::new(
                    &account,
                    format!("Created the account {} ({})", account.name, account.id),
                ))
            }
            Account::List => {
                let accounts = account::list(&store, operator.may(AccountsRead)?).await?;
                let rows = accounts.iter().map(|account| {
                    [
                        account.id.clone(),
                        account.name.clone(),
                        account.created_at.to_string(),
                    ]
                });
                Ok(Output::table(&accounts, ["ID", "NAME", "CREATED"], rows))
            }
            Account::Update {
                account,
                require_second_factor,
                max_clients,
            } => {
                let required = require_second_factor.map(Switch::is_on);
                let change = AccountPatch {
                    requires_second_factor: required
                        .map(|required| Ok::<_, Error>((operator.may(UsersWrite)?, required)))
                        .transpose()?,
                    max_clients: max_clients
                        .map(|ClientLimit(max)| Ok::<_, Error>((operator.may(AccountsWrite)?, max)))
                        .transpose()?,
                };
                let changed = account::update(&store, change, &account).await?;
                let mut words = Vec::new();
                if max_clients.is_some() {
                    words.push(format!(
                        "The account {account} can have up to {} clients",
                        changed.client_limit()
                    ));
                }
                if let Some(required) = required {
                    let does = if required {
                        "requires"
                    } else {
                        "does not require"
                    };
                    words.push(format!(
                        "The account {account} {does} two-step verification"
                    ));
                }
                Ok(Output::new(&changed, words.join("\n")))
            }
        }
    }
}
