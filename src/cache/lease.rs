//! The lease: for how long after a poll of the change feed the cache may be trusted.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::clock::{self, Timestamp};

/// How old the last successful poll may be, in milliseconds: less than the second within which
/// every node must see a change.
pub(super) const LEASE: u64 = 900;

/// By how many milliseconds the wall clock may drift from the time since boot before the cache is
/// reloaded: the clock was set, or a virtual machine was paused without its clocks noticing. A leap
/// second is less.
pub(super) const CLOCK_STEP: u64 = 2000;

/// Milliseconds since boot, including the time in which the machine was suspended.
pub(super) fn since_boot() -> u64 {
    u64::try_from(clock::since_boot().as_millis()).unwrap_or(u64::MAX)
}

/// One reading of both clocks.
#[derive(Clone, Copy)]
pub(super) struct Reading {
    /// See [`since_boot`].
    pub(super) since_boot: u64,
    /// The wall clock minus the time since boot, in milliseconds. It changes only when the wall
    /// clock is set.
    pub(super) wall_offset: i64,
}

impl Reading {
    /// Reads the time since boot; `wall` is what the wall clock says.
    pub(super) fn at(wall: Timestamp) -> Self {
        Reading::new(wall, since_boot())
    }

    fn new(wall: Timestamp, since_boot: u64) -> Self {
        let wall_offset = wall
            .millis()
            .saturating_sub(i64::try_from(since_boot).unwrap_or(i64::MAX));
        Reading {
            since_boot,
            wall_offset,
        }
    }
}

/// When the change feed was last polled, and how the clocks stood when the cache was last reloaded.
#[derive(Default)]
pub(super) struct Lease {
    /// When the last successful poll started, in milliseconds since boot; 0 before the first.
    last_poll: AtomicU64,
    /// The [`Reading::wall_offset`] of the last reload.
    wall_offset: AtomicI64,
}

/// A lease that was valid when the cache was read.
#[derive(Clone, Copy)]
pub(super) struct Held {
    last_poll: u64,
}

impl Held {
    /// Whether what was read under this lease may still be answered.
    pub(super) fn is_valid(self, since_boot: u64) -> bool {
        self.last_poll > 0 && since_boot.saturating_sub(self.last_poll) < LEASE
    }
}

impl Lease {
    /// The lease, if it is valid now.
    pub(super) fn held(&self, since_boot: u64) -> Option<Held> {
        let held = Held {
            last_poll: self.last_poll.load(Ordering::Acquire),
        };
        held.is_valid(since_boot).then_some(held)
    }

    /// Whether the wall clock was set since the last reload.
    pub(super) fn has_stepped(&self, now: Reading) -> bool {
        now.wall_offset
            .abs_diff(self.wall_offset.load(Ordering::Relaxed))
            > CLOCK_STEP
    }

    /// Ends the lease until the next poll.
    pub(super) fn end(&self) {
        self.last_poll.store(0, Ordering::Release);
    }

    /// Renews the lease after a poll that started at `started`.
    pub(super) fn renew(&self, started: Reading) {
        self.last_poll
            .store(started.since_boot.max(1), Ordering::Release);
    }

    /// Takes the clocks of a reload as the reference for [`Lease::has_stepped`].
    pub(super) fn set_reference(&self, reloaded: Reading) {
        self.wall_offset
            .store(reloaded.wall_offset, Ordering::Relaxed);
    }

    /// Milliseconds since the last poll started.
    pub(super) fn age(&self, since_boot: u64) -> u64 {
        since_boot.saturating_sub(self.last_poll.load(Ordering::Acquire))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOT: i64 = 1_800_000_000_000;

    /// The clocks `since_boot` milliseconds after boot, the wall clock set forward by `set` since
    /// then.
    fn reading(since_boot: u64, set: i64) -> Reading {
        let wall = BOOT + i64::try_from(since_boot).unwrap() + set;
        Reading::new(Timestamp::from_millis(wall), since_boot)
    }

    #[test]
    fn the_lease_expires_with_time() {
        let lease = Lease::default();
        assert!(lease.held(100).is_none(), "never polled");
        for started in [0, 1, 5_000] {
            lease.renew(reading(started, 0));
            for (age, valid) in [(0, true), (899, true), (901, false), (86_400_000, false)] {
                let held = lease.held(started + age);
                assert_eq!(held.is_some(), valid, "{started} {age}");
            }
        }
        // A process that was suspended between reading the cache and its answer.
        let held = lease.held(5_100).unwrap();
        assert!(held.is_valid(5_800));
        assert!(!held.is_valid(65_100));
        lease.end();
        assert!(lease.held(5_100).is_none(), "ended");
    }

    #[test]
    fn a_wall_clock_that_was_set_is_noticed() {
        let lease = Lease::default();
        lease.set_reference(reading(1_000, 0));
        for (since_boot, set, stepped) in [
            (1_000, 0, false),
            (90_000_000, 0, false),
            (2_000, 1_000, false),
            (2_000, -1_000, false),
            (2_000, 2_000, false),
            (2_000, 2_001, true),
            (2_000, -2_001, true),
            (2_000, -86_400_000, true),
        ] {
            assert_eq!(
                lease.has_stepped(reading(since_boot, set)),
                stepped,
                "{since_boot} {set}"
            );
        }
        lease.set_reference(reading(3_000, 60_000));
        assert!(!lease.has_stepped(reading(4_000, 60_000)), "reloaded");
    }
}
