//! The way on where a moment was written down as seen that has not come yet.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::clock::watch::{MAX_CLOCK_ERROR, TOLERANCE};
use crate::error::{Code, Error};
use crate::store::audit::{self, Entry};
use crate::store::{Store, changes, client, clock};

/// Sets the last moment that a node wrote down back to `now`, which an operator says is right; gives what it was.
///
/// Revocations may have been purged by the wrong moment, so every token that was issued until now is revoked.
///
/// # Errors
/// The clock is not behind by so much that it matters, or it is not the database server's; the database gave
/// no answer.
pub async fn reset(store: &Arc<Store>, entry: Entry, now: Timestamp) -> Result<Timestamp, Error> {
    let refused = |reason: String| Error::new(Code::Conflict, reason);
    store
        .write(now, move |transaction| {
            let database = transaction.database();
            if let Some(theirs) = clock::database_now(database)?
                && theirs.duration_since(now).max(now.duration_since(theirs)) > TOLERANCE
            {
                return Err(refused(format!(
                    "By the clock of the database server it is {theirs}, by this machine's {now}: set both first"
                )));
            }
            let seen = clock::seen(database)?.at;
            if seen.duration_since(now) <= MAX_CLOCK_ERROR {
                return Err(refused(format!(
                    "Nothing to reset: the last moment that a node wrote down, {seen}, is no more than a day ahead of this \
                     machine's clock, {now}, and holds nothing up"
                )));
            }
            clock::reset_seen(database, now)?;
            client::revoke_all_tokens(transaction)?;
            changes::skip(transaction.database())?;
            audit::insert(transaction, &entry)?;
            Ok(seen)
        })
        .await
}
