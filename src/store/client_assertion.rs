//! Client assertions that have served (RFC 7523 section 3, item 7): each serves once, on all nodes.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use super::{Database, StoreError};
use crate::clock::Timestamp;

/// Marks an assertion as used; tells whether this was the first time.
///
/// # Errors
/// Where the database gave no answer: then it is not known, and the assertion must not serve.
pub fn claim(database: &mut Database, id: &str, expires_at: Timestamp) -> Result<bool, StoreError> {
    // Both databases take this sentence, but diesel's common backend has no words for it.
    let claimed = diesel::sql_query(
        "INSERT INTO client_assertions (id, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING",
    )
    .bind::<Text, _>(id)
    .bind::<BigInt, _>(expires_at)
    .execute(database)?;
    Ok(claimed > 0)
}

/// Removes up to `limit` that have ended by `moment`; tells how many.
///
/// # Errors
/// Where the database gave no answer.
pub fn purge(database: &mut Database, moment: Timestamp, limit: i64) -> Result<usize, StoreError> {
    let sentence = "DELETE FROM client_assertions WHERE id IN \
                    (SELECT id FROM client_assertions WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)";
    Ok(diesel::sql_query(sentence)
        .bind::<BigInt, _>(moment)
        .bind::<BigInt, _>(limit)
        .execute(database)?)
}
