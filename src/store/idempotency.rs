//! Idempotency keys: what a creation made that came with one. Never the secret that was shown with
//! it: the answer to a repetition has everything but that.

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::schema::idempotency_keys;
use super::{Database, StoreError, Transaction};
use crate::clock::Timestamp;

/// A row of `idempotency_keys`.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = idempotency_keys)]
pub struct IdempotencyKey {
    /// A digest of the caller and the key.
    pub id: String,
    /// A digest of the request.
    pub request: String,
    /// What was made.
    pub target: String,
    /// Until when it is remembered.
    pub expires_at: Timestamp,
}

/// By its id.
///
/// # Errors
/// Where the database gave no answer.
pub fn find(database: &mut Database, id: &str) -> Result<Option<IdempotencyKey>, StoreError> {
    Ok(idempotency_keys::table
        .find(id)
        .select(IdempotencyKey::as_select())
        .first(database)
        .optional()?)
}

/// Adds one, to the change that it belongs to.
///
/// # Errors
/// Where the database gave no answer.
pub fn insert(transaction: &mut Transaction<'_>, row: &IdempotencyKey) -> Result<(), StoreError> {
    diesel::insert_into(idempotency_keys::table)
        .values(row)
        .execute(transaction.database)?;
    Ok(())
}

/// Removes up to `limit` that have ended by `moment`; tells how many.
///
/// # Errors
/// Where the database gave no answer.
pub fn purge(database: &mut Database, moment: Timestamp, limit: i64) -> Result<usize, StoreError> {
    let sentence = "DELETE FROM idempotency_keys WHERE id IN \
                    (SELECT id FROM idempotency_keys WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)";
    Ok(diesel::sql_query(sentence)
        .bind::<BigInt, _>(moment)
        .bind::<BigInt, _>(limit)
        .execute(database)?)
}
