//! Access tokens.

use crate::clock::Timestamp;
use crate::store::audit::{Action, Recorder};
use crate::store::{StoreError, Transaction, token};

/// Revokes an access token, by its `jti`, until it expires. Returns whether the token was not revoked
/// before; a token that was revoked already leaves no audit entry.
///
/// # Errors
/// [`StoreError`] if the database cannot be written.
pub fn revoke(
    transaction: &mut Transaction<'_>,
    recorder: &Recorder,
    account_id: &str,
    jti: &str,
    expires_at: Timestamp,
) -> Result<bool, StoreError> {
    let is_new = token::revoke(transaction, jti, expires_at)?;
    if is_new {
        recorder.record(transaction, Action::TokenRevoke, Some(account_id), jti)?;
    }
    Ok(is_new)
}
