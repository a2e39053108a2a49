//! Accounts that Keyward creates when they are first needed.

use crate::store::account::{self, Account};
use crate::store::audit::{Action, Recorder};
use crate::store::{StoreError, Transaction};

/// Finds the account with this name, or creates it.
///
/// # Errors
/// [`StoreError`] if the database cannot be queried or written.
pub fn find_or_create(
    transaction: &mut Transaction<'_>,
    recorder: &Recorder,
    name: &str,
) -> Result<Account, StoreError> {
    if let Some(account) = account::find(transaction.database(), name)? {
        return Ok(account);
    }
    let account = Account::new(name, recorder.now());
    account::insert(transaction, &account)?;
    recorder.record(
        transaction,
        Action::AccountCreate,
        Some(&account.id),
        &account.id,
    )?;
    Ok(account)
}
