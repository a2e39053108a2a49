//! `keyward account`

use clap::Subcommand;

use super::Context;
use super::output::Output;
use crate::error::Error;
use crate::manage::account;
use crate::manage::actor::{AccountsRead, AccountsWrite};

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
}

impl Account {
    pub async fn run(self, context: Context) -> Result<Output, Error> {
        let store = context.store()?;
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
        }
    }
}
