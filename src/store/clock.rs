//! The clock of the database's machine, and the last moment that a node of the deployment trusted.

use diesel::prelude::*;

use super::schema::clock;
use super::{Database, StoreError};
use crate::clock::Timestamp;

/// What the clock of the database's machine says; `None` on SQLite, which has the clock of this machine.
///
/// # Errors
/// Where the database gave no answer.
pub fn database_now(database: &mut Database) -> Result<Option<Timestamp>, StoreError> {
    let Database::Postgres(connection) = database else { return Ok(None) };
    let millis = diesel::dsl::sql::<diesel::sql_types::BigInt>("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint");
    Ok(Some(Timestamp::from_millis(millis.get_result(connection)?)))
}

/// The later of `now` and the clock of the database's machine, for what must not come too early.
///
/// # Errors
/// Where the database gave no answer.
pub fn not_before(database: &mut Database, now: Timestamp) -> Result<Timestamp, StoreError> {
    Ok(database_now(database)?.map_or(now, |theirs| theirs.max(now)))
}

/// The last moment that a node wrote down, of those at which it trusted its clock; the epoch where none
/// has run yet.
///
/// # Errors
/// Where the database gave no answer.
pub fn last_seen(database: &mut Database) -> Result<Timestamp, StoreError> {
    Ok(clock::table.find(1).select(clock::seen_at).first(database)?)
}

/// Writes such a moment down.
///
/// # Errors
/// Where the database gave no answer.
pub fn write_seen(database: &mut Database, now: Timestamp) -> Result<(), StoreError> {
    diesel::update(clock::table.find(1)).set(clock::seen_at.eq(now)).execute(database)?;
    Ok(())
}
