//! `keyward account`

use clap::Subcommand;

use super::Context;
use super::output::Output;
use crate::config::Switch;
use crate::error::Error;
use crate::manage::account;
use crate::manage::actor::{AccountsRead, AccountsWrite, UsersWrite};

#[derive(Subcommand)]
pub enum Account {
    /// Make an account
    Create {
        /// What to call it; unique
        #[arg(long)]
        name: String,
    },
    /// List all accounts
    List,
    /// Change an account
    Update {
        /// By id or name
        account: String,

        /// Whether its users must have a second factor to get into the portal
        #[arg(long, value_name = "on|off", hide_possible_values = true, required_unless_present = "max_clients")]
        require_second_factor: Option<Switch>,

        /// How many clients its own people, and registration, can bring it to
        #[arg(long, value_name = "N")]
        max_clients: Option<u32>,
    },
}

impl Account {
    pub async fn run(self, context: Context) -> Result<Output, Error> {
        let makes = matches!(self, Account::Create { .. });
        let store = if makes { context.store_or_new()? } else { context.store()? };
        let operator = context.operator();
        match self {
            Account::Create { name } => {
                let account = account::create(&store, operator.may(AccountsWrite)?, &name, context.now).await?;
                Ok(Output::new(&account, format!("Made the account {} ({})", account.name, account.id)))
            }
            Account::List => {
                let accounts = account::list(&store, &operator.may(AccountsRead)?).await?;
                let rows =
                    accounts.iter().map(|account| [account.id.clone(), account.name.clone(), account.created_at.to_string()]);
                Ok(Output::table(&accounts, ["ID", "NAME", "MADE"], rows))
            }
            Account::Update { account, require_second_factor, max_clients } => {
                let mut words = Vec::new();
                let mut changed = None;
                if let Some(most) = max_clients {
                    let permit = operator.may(AccountsWrite)?;
                    changed = Some(account::limit_clients(&store, permit, &account, Some(most.into()), context.now).await?);
                    words.push(format!("The account {account} can have {most} clients"));
                }
                if let Some(required) = require_second_factor.map(Switch::is_on) {
                    let permit = operator.may(UsersWrite)?;
                    changed = Some(account::require_second_factor(&store, permit, &account, required, context.now).await?);
                    let does = if required { "requires" } else { "does not require" };
                    words.push(format!("The account {account} {does} a second factor"));
                }
                Ok(Output::new(&changed, words.join("\n")))
            }
        }
    }
}
