//! API keys.

use crate::store::api_key;
use crate::store::audit::{Action, Recorder};
use crate::store::{StoreError, Transaction};

/// Revokes an API key of a client of this account, even if it is the client's last: a leaked key must
/// stop working. Returns whether the key existed; a key that is gone already leaves no audit entry.
///
/// # Errors
/// [`StoreError`] if the database cannot be queried or written.
pub fn revoke(
    transaction: &mut Transaction<'_>,
    recorder: &Recorder,
    account_id: &str,
    id: &str,
) -> Result<bool, StoreError> {
    // Another node may have deleted it since the caller looked it up.
    if api_key::find(transaction.database(), id)?.is_none() {
        return Ok(false);
    }
    api_key::delete(transaction, id, recorder.now())?;
    recorder.record(transaction, Action::ApiKeyRevoke, Some(account_id), id)?;
    Ok(true)
}
