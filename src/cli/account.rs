//! `keyward account`

use std::str::FromStr;

use clap::{ArgGroup, Subcommand};

use super::Context;
use super::confirmation::Confirmation;
use super::output::Output;
use crate::config::Switch;
use crate::decimal;
use crate::error::Error;
use crate::manage::account::{self, AccountPatch};
use crate::manage::account_deletion;
use crate::manage::actor::{AccountsRead, AccountsWrite, UsersWrite};
use crate::store::UnknownName;
use crate::store::language::Language;

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
    /// Show an account with its limits
    Show {
        /// The account, by id or name
        account: String,
    },
    /// Close an account: nothing of it is accepted until it is opened again
    Close {
        /// The account, by id or name
        account: String,

        #[command(flatten)]
        confirmation: Confirmation,
    },
    /// Delete a closed account with everything in it, in the background; the audit stays
    Delete {
        /// The account, by id or name
        account: String,

        /// The name of the account, which confirms the deletion
        #[arg(long)]
        name: String,

        #[command(flatten)]
        confirmation: Confirmation,
    },
    /// Open a closed account again
    Reopen {
        /// The account, by id or name
        account: String,
    },
    /// Change an account
    #[command(group = ArgGroup::new("change").required(true).multiple(true))]
    Update {
        /// The account, by id or name
        account: String,

        /// New display name; must be unique
        #[arg(long, group = "change")]
        name: Option<String>,

        /// Require two-step verification of its users in the portal
        #[arg(
            long,
            value_name = "on|off",
            hide_possible_values = true,
            group = "change"
        )]
        require_second_factor: Option<Switch>,

        /// Maximum number of clients that its users and dynamic registration can create; "default" is 1000
        #[arg(long, value_name = "N|default", group = "change")]
        max_clients: Option<ClientLimit>,

        /// Language of e-mail to users who have not chosen one: en, fr, or default for that of the server
        #[arg(long, group = "change")]
        language: Option<MailLanguage>,
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

/// A language of e-mail; `None` is that of the server.
#[derive(Clone, Copy)]
pub struct MailLanguage(Option<Language>);

impl FromStr for MailLanguage {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        match text {
            "default" => Ok(MailLanguage(None)),
            code => Ok(MailLanguage(Some(code.parse()?))),
        }
    }
}

fn mail_language(account: &account::Account) -> &'static str {
    account.language.map_or("default", Language::as_str)
}

/// What the list says about an account.
fn state(account: &account::Account) -> String {
    if let Some(at) = account.deleting_at {
        return format!("being deleted since {at}");
    }
    match account.closed_at {
        Some(at) => format!("closed at {at}"),
        None => "open".to_owned(),
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
                        state(account),
                    ]
                });
                let head = ["ID", "NAME", "CREATED", "STATE"];
                Ok(Output::table(&accounts, head, rows))
            }
            Account::Show { account } => {
                let permit = operator.may(AccountsRead)?;
                let details = account::details(&store, permit, &account).await?;
                let (account, limits) = (&details.account, &details.limits);
                let words = [
                    ("id", account.id.clone()),
                    ("name", account.name.clone()),
                    ("created_at", account.created_at.to_string()),
                    ("state", state(account)),
                    ("language", mail_language(account).to_owned()),
                    (
                        "clients",
                        format!("{} of {}", limits.clients, limits.max_clients),
                    ),
                ];
                let lines = words.map(|(name, value)| format!("{name:12} {value}"));
                Ok(Output::new(&details, lines.join("\n")))
            }
            Account::Close {
                account,
                confirmation,
            } => {
                confirmation.ask(&format!(
                    "This closes the account {account}: its clients and users are refused until it is opened again."
                ))?;
                let closed = account::close(&store, operator.may(AccountsWrite)?, &account).await?;
                Ok(Output::new(
                    &closed,
                    format!("Closed the account {}", closed.name),
                ))
            }
            Account::Delete {
                account,
                name,
                confirmation,
            } => {
                confirmation.ask(&format!(
                    "This deletes the account {account} with its clients, secrets, API keys, users and webhooks."
                ))?;
                let permit = operator.may(AccountsWrite)?;
                let deleted = account_deletion::delete(&store, permit, &account, &name).await?;
                let words = format!(
                    "The account {} is being deleted by the running server, in the background",
                    deleted.name
                );
                Ok(Output::new(&deleted, words))
            }
            Account::Reopen { account } => {
                let opened =
                    account::reopen(&store, operator.may(AccountsWrite)?, &account).await?;
                Ok(Output::new(
                    &opened,
                    format!("Opened the account {} again", opened.name),
                ))
            }
            Account::Update {
                account,
                name,
                require_second_factor,
                max_clients,
                language,
            } => {
                let required = require_second_factor.map(Switch::is_on);
                let change = AccountPatch {
                    name: name
                        .clone()
                        .map(|name| Ok::<_, Error>((operator.may(UsersWrite)?, name)))
                        .transpose()?,
                    requires_second_factor: required
                        .map(|required| Ok::<_, Error>((operator.may(UsersWrite)?, required)))
                        .transpose()?,
                    max_clients: max_clients
                        .map(|ClientLimit(max)| Ok::<_, Error>((operator.may(AccountsWrite)?, max)))
                        .transpose()?,
                    language: language
                        .map(|MailLanguage(code)| Ok::<_, Error>((operator.may(UsersWrite)?, code)))
                        .transpose()?,
                };
                let changed = account::update(&store, change, &account).await?;
                let mut words = Vec::new();
                if let Some(name) = name {
                    words.push(format!("The account {account} is now named {name}"));
                }
                if max_clients.is_some() {
                    words.push(format!(
                        "The account {account} can have up to {} clients",
                        changed.client_limit()
                    ));
                }
                if language.is_some() {
                    words.push(format!(
                        "The language of e-mail to the account {account} is now {}",
                        mail_language(&changed)
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
