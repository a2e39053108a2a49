//! The assertions that clients have used (RFC 7523 section 3, item 7). Each is accepted once, on
//! all nodes.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use super::{Database, StoreError};
use crate::clock::Timestamp;

/// Marks an assertion as used; returns whether it had not been used before.
///
/// # Errors
/// [`StoreError`] if the database did not answer: the assertion must then be refused.
pub fn claim(database: &mut Database, id: &str, expires_at: Timestamp) -> Result<bool, StoreError> {
    // Both databases understand this statement, but diesel's MultiConnection has no `on_conflict`.
    let claimed = diesel::sql_query(
        "INSERT INTO client_assertions (id, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING",
    )
    .bind::<Text, _>(id)
    .bind::<BigInt, _>(expires_at)
    .execute(database)?;
    Ok(claimed > 0)
}

/// Deletes up to `limit` assertions that expired before `before`; returns how many.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn purge(database: &mut Database, before: Timestamp, limit: i64) -> Result<usize, StoreError> {
    let sql = "DELETE FROM client_assertions WHERE id IN \
                    (SELECT id FROM client_assertions WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)";
    Ok(diesel::sql_query(sql)
        .bind::<BigInt, _>(before)
        .bind::<BigInt, _>(limit)
        .execute(database)?)
}
