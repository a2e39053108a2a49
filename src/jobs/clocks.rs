//! Compares the clocks, and records in the database an instant that they agree has passed.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::watch::{Agreed, Reading, Recorded};
use crate::clock::{self, Timestamp};
use crate::error::Error;
use crate::oauth::AuthorizationServer;
use crate::store::StoreError;
use crate::store::clock as store_clock;

/// How old the recorded instant may get before a later one replaces it.
const RECORD_INTERVAL: Duration = Duration::from_secs(60);

/// Instants before which rows that expired may be deleted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Passed {
    /// An instant that has passed by all clocks.
    pub(super) now: Timestamp,
    /// The instant that is recorded in the database: every node treats what expired a day before it
    /// as expired, whatever its own clock says.
    pub(super) recorded: Timestamp,
}

/// Evicts from memory what has expired by all clocks.
pub(super) async fn check(server: Arc<AuthorizationServer>) -> Result<(), Error> {
    if let Some(passed) = passed(&server).await? {
        server.cache.evict_expired(passed.now);
    }
    Ok(())
}

/// Compares the clocks. Returns `None` while they disagree, and on a new database until they have
/// been steady for long enough; the clock watch has logged why.
pub(super) async fn passed(server: &AuthorizationServer) -> Result<Option<Passed>, StoreError> {
    let Some((agreed, mut recorded)) = compare(server).await? else {
        return Ok(None);
    };
    let Some(now) = agreed.passed else {
        return Ok(None);
    };
    // Recorded before anything is deleted by it: by then every node must know that what expired is
    // past.
    if is_stale(recorded.at, now) {
        server
            .store
            .write_untracked(move |database| store_clock::write_seen(database, now))
            .await?;
        recorded.at = now;
        server.clock.learn(&recorded);
    }
    Ok(Some(Passed {
        now,
        recorded: recorded.at,
    }))
}

fn is_stale(recorded: Timestamp, now: Timestamp) -> bool {
    now < recorded || now.duration_since(recorded) >= RECORD_INTERVAL
}

/// Returns what the clocks agree on and what is recorded, or `None` while they disagree.
pub(super) async fn compare(
    server: &AuthorizationServer,
) -> Result<Option<(Agreed, Recorded)>, StoreError> {
    let mut reading = server
        .store
        .read(|database| {
            let before = Timestamp::now();
            let database_clock = store_clock::database_now(database)?;
            let wall = Timestamp::now();
            // The database read its clock somewhere between the two.
            let half_round_trip = wall.duration_since(before) / 2;
            Ok::<_, StoreError>(Reading {
                wall,
                since_boot: clock::since_boot(),
                database: database_clock.map(|clock| clock.saturating_add(half_round_trip)),
                recorded: store_clock::seen(database)?,
            })
        })
        .await?;
    if reading.recorded.at == Timestamp::EPOCH && reading.recorded.begun_at == Timestamp::EPOCH {
        let wall = reading.wall;
        server
            .store
            .write_untracked(move |database| store_clock::write_begun(database, wall))
            .await?;
        reading.recorded.begun_at = wall;
    }
    let agreed = server.clock.check(&reading).ok();
    Ok(agreed.map(|agreed| (agreed, reading.recorded)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recorded_instant_follows_every_minute_and_when_it_is_in_the_future() {
        for (recorded, now, stale) in [
            (0, 60, true),
            (1000, 1000, false),
            (1000, 1059, false),
            (1000, 1060, true),
            (1000, 999, true),
        ] {
            assert_eq!(
                is_stale(
                    Timestamp::from_seconds(recorded),
                    Timestamp::from_seconds(now)
                ),
                stale,
                "{recorded} {now}"
            );
        }
    }
}
