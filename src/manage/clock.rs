//! Recovery from a clock that was ahead: `keyward clock reset`.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::clock::watch::{MAX_CLOCK_ERROR, TOLERANCE};
use crate::error::{Code, Error};
use crate::store::audit::{Action, Recorder};
use crate::store::{Store, changes, client, clock};

/// Sets the last time that a node recorded as seen back to the time of the command, which an operator
/// says is right. Returns what it was.
///
/// Revocations may have been purged because of the wrong time, so all tokens that were issued until now
/// are revoked.
///
/// # Errors
/// `conflict` if the clock differs from the database server's, or if it is not behind by so much that it
/// has an effect.
pub async fn reset(store: &Arc<Store>, recorder: Recorder) -> Result<Timestamp, Error> {
    let now = recorder.now();
    store
        .write(now, move |transaction| {
            let database = transaction.database();
            if let Some(database_now) = clock::database_now(database)?
                && database_now.duration_since(now).max(now.duration_since(database_now)) > TOLERANCE
            {
                return Err(Error::new(Code::Conflict, format!(
                    "The clock of the database server says {database_now}, the clock of this machine {now}: set both first"
                )));
            }
            let seen = clock::seen(database)?.at;
            if seen.duration_since(now) <= MAX_CLOCK_ERROR {
                return Err(Error::new(Code::Conflict, format!(
                    "Nothing to reset: the recorded time, {seen}, is at most a day ahead of this machine's clock, {now}, and \
                     has no effect"
                )));
            }
            clock::reset_seen(database, now)?;
            client::revoke_all_tokens(transaction)?;
            changes::skip(transaction.database())?;
            recorder.record(transaction, Action::ClockReset, None, "clock")?;
            Ok(seen)
        })
        .await
}
