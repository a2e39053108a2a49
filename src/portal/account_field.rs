//! The field that chooses an account: a selection while there are few accounts, else a text field
//! for a name or an id, so that no page carries all accounts.

use maud::Markup;

use super::components::Field;
use super::page_error::PageError;
use super::session_extractor::CurrentUser;
use crate::manage::account::{self, Account};
use crate::manage::actor::AccountsRead;

/// The number of accounts up to which they are all offered for selection.
const MAX_CHOICES: usize = 50;

/// The accounts that a field offers.
pub enum AccountChoices {
    /// All accounts: ids with names.
    All(Vec<(String, String)>),
    /// There are too many to offer; the name or id of one is typed.
    TooMany,
}

impl AccountChoices {
    /// The accounts of partners that the user can see.
    ///
    /// # Errors
    /// `temporarily_unavailable` if the database cannot be reached.
    pub async fn load(user: &CurrentUser) -> Result<Self, PageError> {
        let permit = user.may(AccountsRead)?;
        let limit = i64::try_from(MAX_CHOICES + 1).unwrap_or(i64::MAX);
        let found = account::search(&user.server.store, permit, None, None, limit).await?;
        if found.len() > MAX_CHOICES {
            return Ok(AccountChoices::TooMany);
        }
        let choices = found.into_iter().map(|account| (account.id, account.name));
        Ok(AccountChoices::All(choices.collect()))
    }

    /// Adds a choice before all others, if they are offered for selection.
    #[must_use]
    pub fn with_first(self, value: &str, label: String) -> Self {
        match self {
            AccountChoices::All(mut choices) => {
                choices.insert(0, (value.to_owned(), label));
                AccountChoices::All(choices)
            }
            AccountChoices::TooMany => AccountChoices::TooMany,
        }
    }

    /// Adds a choice after all others, if they are offered for selection.
    #[must_use]
    pub fn with_last(self, account: Option<&Account>) -> Self {
        match (self, account) {
            (AccountChoices::All(mut choices), Some(account)) => {
                choices.push((account.id.clone(), account.name.clone()));
                AccountChoices::All(choices)
            }
            (choices, _) => choices,
        }
    }

    /// The field, with the label and help of `field`.
    pub fn field(&self, field: Field<'_>, chosen: &str) -> Markup {
        match self {
            AccountChoices::All(choices) => field.select(choices, chosen),
            AccountChoices::TooMany => field.help("help-account-text").input("text", chosen),
        }
    }
}
