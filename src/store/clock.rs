//! The clock of the database's machine, and the last moment that a node of the deployment trusted.

use diesel::prelude::*;

use super::schema::clock;
use super::{Database, StoreError};
use crate::clock::Timestamp;
use crate::clock::watch::Recorded;

/// What the clock of the database's machine says; `None` on SQLite, which has the clock of this machine.
///
/// # Errors
/// Where the database gave no answer.
pub fn database_now(database: &mut Database) -> Result<Option<Timestamp>, StoreError> {
    let Database::Postgres(connection) = database else {
        return Ok(None);
    };
    let millis = diesel::dsl::sql::<diesel::sql_types::BigInt>(
        "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint",
    );
    Ok(Some(Timestamp::from_millis(millis.get_result(connection)?)))
}

/// The later of `now` and the clock of the database's machine, for what must not come too early.
///
/// # Errors
/// Where the database gave no answer.
pub fn not_before(database: &mut Database, now: Timestamp) -> Result<Timestamp, StoreError> {
    Ok(database_now(database)?.map_or(now, |theirs| theirs.max(now)))
}

/// What was written down.
///
/// # Errors
/// Where the database gave no answer.
pub fn seen(database: &mut Database) -> Result<Recorded, StoreError> {
    let columns = (clock::seen_at, clock::begun_at, clock::resets);
    let (at, begun_at, resets) = clock::table.find(1).select(columns).first(database)?;
    Ok(Recorded {
        at,
        begun_at,
        resets,
    })
}

/// Writes a moment down that is trusted.
///
/// # Errors
/// Where the database gave no answer.
pub fn write_seen(database: &mut Database, now: Timestamp) -> Result<(), StoreError> {
    diesel::update(clock::table.find(1))
        .set(clock::seen_at.eq(now))
        .execute(database)?;
    Ok(())
}

/// Writes the first moment of a new database down; where there is one already it stays.
///
/// # Errors
/// Where the database gave no answer.
pub fn write_begun(database: &mut Database, now: Timestamp) -> Result<(), StoreError> {
    let first = clock::table
        .find(1)
        .filter(clock::begun_at.eq(Timestamp::EPOCH));
    diesel::update(first)
        .set(clock::begun_at.eq(now))
        .execute(database)?;
    Ok(())
}

/// Sets the last moment back, because an operator says so.
///
/// # Errors
/// Where the database gave no answer.
pub fn reset_seen(database: &mut Database, now: Timestamp) -> Result<(), StoreError> {
    let row = clock::table.find(1);
    diesel::update(row)
        .set((clock::seen_at.eq(now), clock::resets.eq(clock::resets + 1)))
        .execute(database)?;
    Ok(())
}
