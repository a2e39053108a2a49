//! The clock of the database server, and the last time at which a node trusted its own clock.

use diesel::prelude::*;

use super::schema::clock;
use super::{Database, StoreError};
use crate::clock::Timestamp;
use crate::clock::watch::Recorded;

/// The time by the clock of the database server; `None` on SQLite, which runs on this machine.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn database_now(database: &mut Database) -> Result<Option<Timestamp>, StoreError> {
    let Database::Postgres(connection) = database else {
        return Ok(None);
    };
    let millis = diesel::dsl::sql::<diesel::sql_types::BigInt>(
        "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint",
    );
    Ok(Some(Timestamp::from_millis(millis.get_result(connection)?)))
}

/// The later of `now` and the time of the database server, for events that must not come too early.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn not_before(database: &mut Database, now: Timestamp) -> Result<Timestamp, StoreError> {
    Ok(database_now(database)?.map_or(now, |theirs| theirs.max(now)))
}

/// The row of `clock`.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn seen(database: &mut Database) -> Result<Recorded, StoreError> {
    let columns = (clock::seen_at, clock::begun_at, clock::resets);
    let (at, begun_at, resets) = clock::table.find(1).select(columns).first(database)?;
    Ok(Recorded {
        at,
        begun_at,
        resets,
    })
}

/// Records a time at which a node trusted its clock.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn write_seen(database: &mut Database, now: Timestamp) -> Result<(), StoreError> {
    diesel::update(clock::table.find(1))
        .set(clock::seen_at.eq(now))
        .execute(database)?;
    Ok(())
}

/// Records the first time that a node read on a new database. A time that is recorded already
/// stays.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn write_begun(database: &mut Database, now: Timestamp) -> Result<(), StoreError> {
    let first = clock::table
        .find(1)
        .filter(clock::begun_at.eq(Timestamp::EPOCH));
    diesel::update(first)
        .set(clock::begun_at.eq(now))
        .execute(database)?;
    Ok(())
}

/// Sets the last trusted time back, at the request of an operator.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn reset_seen(database: &mut Database, now: Timestamp) -> Result<(), StoreError> {
    let row = clock::table.find(1);
    diesel::update(row)
        .set((clock::seen_at.eq(now), clock::resets.eq(clock::resets + 1)))
        .execute(database)?;
    Ok(())
}
