//! The ids of JWTs that may be used once, such as client assertions (RFC 7523 section 3, item 7): a
//! used id is refused on all nodes until it expires. DPoP proofs (RFC 9449 section 11.1) are kept
//! here too.

use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use super::{Database, StoreError};
use crate::clock::Timestamp;
use crate::clock::watch::MAX_CLOCK_ERROR;

/// How long an id of [`claim_briefly`] is kept after it has expired.
const BRIEF_RETENTION: Duration = Duration::from_secs(3600);

/// Marks `id` as used until `expires_at`. Returns whether it was unused before.
///
/// # Errors
/// Fails if the database does not answer. The JWT must then be refused: whether it was used before
/// is unknown.
pub fn claim(database: &mut Database, id: &str, expires_at: Timestamp) -> Result<bool, StoreError> {
    // Both databases accept this statement; diesel's common backend cannot express it.
    let claimed = diesel::sql_query(
        "INSERT INTO client_assertions (id, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING",
    )
    .bind::<Text, _>(id)
    .bind::<BigInt, _>(expires_at)
    .execute(database)?;
    Ok(claimed > 0)
}

/// [`claim`] for ids that are used with each request, such as those of DPoP proofs: they are deleted
/// an hour after `expires_at`, and not a day after it, since there are many of them. A node whose
/// clock is further behind must refuse the JWT: see [`is_kept_briefly`].
///
/// # Errors
/// As [`claim`].
pub fn claim_briefly(
    database: &mut Database,
    id: &str,
    expires_at: Timestamp,
) -> Result<bool, StoreError> {
    claim(database, id, brief(expires_at))
}

/// Whether an id of [`claim_briefly`] is still kept, given the last instant of which every clock
/// agrees that it has passed. If not, whether the JWT was used before is unknown.
pub fn is_kept_briefly(expires_at: Timestamp, past: Timestamp) -> bool {
    brief(expires_at) > past
}

/// The expiry that makes an id be deleted [`BRIEF_RETENTION`] after `expires_at`.
fn brief(expires_at: Timestamp) -> Timestamp {
    expires_at.saturating_sub(MAX_CLOCK_ERROR.saturating_sub(BRIEF_RETENTION))
}

/// Deletes up to `limit` ids that expired before `before`. Returns how many.
///
/// # Errors
/// Fails if the database does not answer.
pub fn purge(database: &mut Database, before: Timestamp, limit: i64) -> Result<usize, StoreError> {
    let sql = "DELETE FROM client_assertions WHERE id IN \
               (SELECT id FROM client_assertions WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)";
    Ok(diesel::sql_query(sql)
        .bind::<BigInt, _>(before)
        .bind::<BigInt, _>(limit)
        .execute(database)?)
}
