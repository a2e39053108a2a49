//! Results of creations that carried an `Idempotency-Key`. The secret that the creation returned is not
//! stored, so a replay is answered without it.

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::schema::idempotency_keys;
use super::{Database, StoreError, Transaction};
use crate::clock::Timestamp;

/// A row of the table `idempotency_keys`.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = idempotency_keys)]
pub struct StoredResult {
    /// A digest of the caller and the `Idempotency-Key`.
    pub id: String,
    /// A digest of the request.
    pub request: String,
    /// The id of the object that the request created.
    pub target: String,
    /// When the key can be used for another request.
    pub expires_at: Timestamp,
}

/// Finds a result by the digest of caller and key.
///
/// # Errors
/// [`StoreError`] if the database cannot be queried.
pub fn find(database: &mut Database, id: &str) -> Result<Option<StoredResult>, StoreError> {
    Ok(idempotency_keys::table
        .find(id)
        .select(StoredResult::as_select())
        .first(database)
        .optional()?)
}

/// Adds a result to the transaction that creates the object.
///
/// # Errors
/// [`StoreError`] if the row cannot be written.
pub fn insert(transaction: &mut Transaction<'_>, row: &StoredResult) -> Result<(), StoreError> {
    diesel::insert_into(idempotency_keys::table)
        .values(row)
        .execute(transaction.database)?;
    Ok(())
}

/// Deletes up to `limit` results that expired before `now`. Returns the number of deleted rows.
///
/// # Errors
/// [`StoreError`] if the rows cannot be deleted.
pub fn purge(database: &mut Database, now: Timestamp, limit: i64) -> Result<usize, StoreError> {
    let sql = "DELETE FROM idempotency_keys WHERE id IN \
               (SELECT id FROM idempotency_keys WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)";
    Ok(diesel::sql_query(sql)
        .bind::<BigInt, _>(now)
        .bind::<BigInt, _>(limit)
        .execute(database)?)
}
