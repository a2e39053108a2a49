//! The ids of JWTs that may be used once, such as client assertions (RFC 7523 section 3, item 7): a
//! used id is refused on all nodes until it expires.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use super::{Database, StoreError};
use crate::clock::Timestamp;

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
