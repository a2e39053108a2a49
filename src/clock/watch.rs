//! Decides whether the wall clock may cause what cannot be undone: deleting expired rows, evicting
//! revocations from memory, rotating signing keys by age.
//!
//! A wall clock that is hours ahead for nine seconds would otherwise delete the revocations of
//! tokens that are active again once the clock is right. So the wall clock is compared with a clock
//! that cannot be set, [`since_boot`](super::since_boot), with the clock of the database, and at
//! the start of a process with the last instant that a node recorded in the database. While two of
//! them disagree, and for `PAUSE` after that, nothing of the kind is done.
//!
//! A clock that is wrong for longer than that is not believed at once either. Rows are purged by
//! [`Agreed::passed`], which advances from the recorded instant at twice the pace of time at most,
//! so a clock that is a year ahead for an hour makes an hour of difference. On a new database
//! nothing is recorded, and so nothing purged, until the clocks have been steady for `PAUSE`;
//! until then the first instant that a node read is used. Whatever had expired before the recorded
//! instant is expired for good ([`ClockWatch::is_past`]), since a clock that is days behind no
//! longer finds the revocations of tokens that it would take for active.

use std::fmt;
use std::mem::discriminant;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::Timestamp;

/// The largest difference between two clocks that agree.
pub const TOLERANCE: Duration = Duration::from_secs(60);

/// How long nothing is deleted or rotated after a disagreement: NTP corrects a clock within
/// minutes.
const PAUSE: Duration = Duration::from_secs(600);

/// How long revocations and used assertions are kept after the expiry of what they are about. A
/// clock with a smaller error brings nothing back.
pub const MAX_CLOCK_ERROR: Duration = Duration::from_secs(24 * 3600);

/// The difference from the database's clock above which `/readyz` warns: the margin in the schedule
/// of the signing keys.
const WARN_ABOVE: Duration = Duration::from_secs(2);

/// The consequence of a clock that is far behind, and the remedy.
const BEHIND: &str = "tokens issued now may be refused as expired. Set the clock of this machine; if it is right, a clock \
                      was ahead before: run `keyward clock reset`";

/// What the nodes of the deployment recorded about their clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The last instant at which a node trusted its clock; the epoch if there is none yet.
    pub at: Timestamp,
    /// The first instant that a node read on a new database, trusted or not; the epoch if there is
    /// none yet, or if the database is older than this record.
    pub begun_at: Timestamp,
    /// How often an operator has set [`Recorded::at`] back.
    pub resets: i64,
}

/// The clocks, read at the same time.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// The wall clock of this machine.
    pub wall: Timestamp,
    /// The time since this machine booted: [`since_boot`](super::since_boot).
    pub since_boot: Duration,
    /// The wall clock of the database server, if it is on another machine.
    pub database: Option<Timestamp>,
    /// What the nodes of the deployment recorded.
    pub recorded: Recorded,
}

/// Why the wall clock is not trusted. Numbers are milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disagreement {
    /// The wall clock was set, or the machine was paused: the wall clock advanced by so much more
    /// than the time since boot.
    Jumped(i64),
    /// The clock of the database server is ahead of the wall clock.
    Differs(i64),
    /// At the start of this process, so much time had passed since any node last ran.
    Unknown(i64),
    /// The wall clock is behind an instant that has passed.
    Behind(i64),
}

/// What the clocks agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// The time, by the earlier of the clocks.
    pub now: Timestamp,
    /// An instant that has passed whatever the clocks say: not later than `now`, and advancing at
    /// twice the pace of time at most. `None` on a new database until the clocks have been steady
    /// for long enough.
    pub passed: Option<Timestamp>,
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |millis: &i64| millis / 1000;
        match self {
            Disagreement::Jumped(millis) => write!(
                f,
                "the clock of this machine jumped by {} s",
                seconds(millis)
            ),
            Disagreement::Differs(millis) => write!(
                f,
                "the clock of the database server is {} s ahead of this machine's",
                seconds(millis)
            ),
            Disagreement::Behind(millis) => write!(
                f,
                "the clock of this machine is {} s behind the last instant that a node recorded",
                seconds(millis)
            ),
            Disagreement::Unknown(millis) => write!(
                f,
                "by the clock of this machine no node has run for {} s, which cannot be verified",
                seconds(millis)
            ),
        }
    }
}

/// What is known from earlier readings. Instants of type `Duration` are times since boot.
#[derive(Default)]
struct History {
    /// A reading of the wall clock and the time since boot from which later ones are measured.
    anchor: Option<(Timestamp, Duration)>,
    /// The last disagreement, and until when it pauses purging and rotation.
    pause: Option<(Disagreement, Duration)>,
    /// The last [`Agreed::passed`], and when it was determined.
    passed: Option<(Timestamp, Duration)>,
}

impl History {
    fn check(&mut self, reading: &Reading) -> Result<Agreed, Disagreement> {
        let Reading {
            wall,
            since_boot,
            database,
            recorded,
        } = *reading;
        let jumped = self.since_anchor(reading);
        let differs = database
            .map(|database| database.millis() - wall.millis())
            .filter(|difference| exceeds(*difference, TOLERANCE))
            .map(Disagreement::Differs);
        let behind = Some(recorded.at.millis() - wall.millis())
            .filter(|behind| *behind > millis(MAX_CLOCK_ERROR))
            .map(Disagreement::Behind);
        if let Some(disagreement) = differs.or(behind).or(jumped) {
            self.pause = Some((disagreement, since_boot + PAUSE));
        }
        // After a jump later readings are measured from this one, and are trusted once they are
        // steady.
        let (_, anchored_at) = match self.anchor {
            Some(anchor) if jumped.is_none() => anchor,
            _ => *self.anchor.insert((wall, since_boot)),
        };
        if let Some((disagreement, until)) = self.pause
            && since_boot < until
        {
            return Err(disagreement);
        }
        self.pause = None;
        let now = database.map_or(wall, |database| database.min(wall));
        let passed = self.passed(now, &recorded, since_boot);
        self.passed = Some((passed, since_boot));
        let steady = recorded.at > Timestamp::EPOCH || since_boot >= anchored_at + PAUSE;
        Ok(Agreed {
            now,
            passed: steady.then_some(passed),
        })
    }

    /// Compares the wall clock with the anchor, or at the start of a process with the recorded
    /// instant.
    fn since_anchor(&self, reading: &Reading) -> Option<Disagreement> {
        match self.anchor {
            Some((wall, boot)) => {
                let by_wall = reading.wall.millis() - wall.millis();
                let by_boot = millis(reading.since_boot) - millis(boot);
                let difference = by_wall - by_boot;
                exceeds(difference, TOLERANCE).then_some(Disagreement::Jumped(difference))
            }
            // Up to a day is harmless: whatever matters is kept for a day after its expiry.
            None if reading.recorded.at > Timestamp::EPOCH => {
                let passed = reading.wall.millis() - reading.recorded.at.millis();
                (passed > millis(MAX_CLOCK_ERROR)).then_some(Disagreement::Unknown(passed))
            }
            None => None,
        }
    }

    fn passed(&self, now: Timestamp, recorded: &Recorded, since_boot: Duration) -> Timestamp {
        match self.passed {
            Some((before, determined_at)) => {
                let elapsed = since_boot.saturating_sub(determined_at);
                now.min(before.saturating_add(elapsed * 2))
            }
            None if recorded.at > Timestamp::EPOCH => now.min(recorded.at),
            None => now.min(recorded.begun_at),
        }
    }
}

/// Compares the clocks of this process, and keeps the outcome for `/readyz`, the metrics and the
/// hot path.
#[derive(Default)]
pub struct ClockWatch {
    history: Mutex<History>,
    paused: AtomicBool,
    difference: AtomicI64,
    past: AtomicI64,
    resets: AtomicI64,
}

impl ClockWatch {
    /// Compares the clocks. Returns the instants by which rows may be deleted and keys rotated.
    ///
    /// # Errors
    /// The last [`Disagreement`], if there was one within the last ten minutes.
    pub fn check(&self, reading: &Reading) -> Result<Agreed, Disagreement> {
        self.learn(&reading.recorded);
        let mut history = self.history.lock();
        let before = history.pause.map(|(before, _)| discriminant(&before));
        let checked = history.check(reading);
        self.paused.store(checked.is_err(), Ordering::Relaxed);
        let difference = reading
            .database
            .map_or(0, |database| database.millis() - reading.wall.millis());
        self.difference.store(difference, Ordering::Relaxed);
        match checked {
            Err(error @ Disagreement::Behind(_)) if before != Some(discriminant(&error)) => {
                tracing::error!(%error, "clocks disagree: nothing is purged, and {BEHIND}");
            }
            Err(error) if before != Some(discriminant(&error)) => {
                tracing::warn!(%error, "clocks disagree: nothing is purged, and no key rotated by age, until they agree for ten minutes");
            }
            Ok(_) if before.is_some() => {
                tracing::info!("the clocks agree again: purging and rotation by age resume");
            }
            _ => {}
        }
        checked
    }

    /// Takes over an instant that a node recorded, by which nodes may purge from now on.
    pub fn learn(&self, recorded: &Recorded) {
        let past = recorded.at.saturating_sub(MAX_CLOCK_ERROR).millis().max(0);
        let resets = self.resets.fetch_max(recorded.resets, Ordering::Relaxed);
        if resets < recorded.resets {
            self.past.store(past, Ordering::Relaxed);
        } else if resets == recorded.resets {
            self.past.fetch_max(past, Ordering::Relaxed);
        }
    }

    /// The latest instant for which [`ClockWatch::is_past`] is true.
    pub fn past(&self) -> Timestamp {
        Timestamp::from_millis(self.past.load(Ordering::Relaxed))
    }

    /// If `now` is so far behind the recorded instant that new tokens are expired from the start,
    /// returns a text that says so and what to do.
    pub fn behind(&self, now: Timestamp) -> Option<String> {
        let past = self.past();
        (past > now).then(|| {
            let behind = past.saturating_add(MAX_CLOCK_ERROR).millis() - now.millis();
            format!("{}: {BEHIND}", Disagreement::Behind(behind))
        })
    }

    /// Whether what expires at `expiry` expired so long ago that its revocation may have been
    /// purged: it is expired whatever the wall clock says.
    pub fn is_past(&self, expiry: Timestamp) -> bool {
        expiry <= self.past()
    }

    /// What is wrong with the clocks, in English: what `/readyz` warns of.
    pub fn problems(&self, now: Timestamp) -> Vec<String> {
        let mut problems = Vec::new();
        if self.differs() {
            let millis = self.difference();
            problems.push(format!("the clock of the database server is {millis} ms ahead of this machine's; synchronize both with NTP"));
        }
        problems.extend(self.behind(now));
        if self.is_paused() {
            problems.push(
                "the clocks disagree: nothing is purged and no signing key is rotated by age until they agree for ten minutes"
                    .to_owned(),
            );
        }
        problems
    }

    /// Whether purging and rotation by age are paused.
    pub fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Relaxed)
    }

    /// By how many milliseconds the database's clock was ahead of this machine's at the last check;
    /// 0 with SQLite.
    pub fn difference(&self) -> i64 {
        self.difference.load(Ordering::Relaxed)
    }

    /// Whether the difference from the database's clock is larger than the nodes of a deployment
    /// may have.
    pub fn differs(&self) -> bool {
        exceeds(self.difference(), WARN_ABOVE)
    }
}

fn millis(duration: Duration) -> i64 {
    super::millis(duration)
}

fn exceeds(millis: i64, tolerance: Duration) -> bool {
    Duration::from_millis(millis.unsigned_abs()) > tolerance
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3600;

    /// Readings of a machine whose wall clock is `error` seconds wrong, at `at` seconds.
    fn reading(at: i64, error: i64, database: Option<i64>, last_seen: i64) -> Reading {
        Reading {
            wall: Timestamp::from_seconds(1_000_000 + at + error),
            since_boot: Duration::from_secs(u64::try_from(50_000 + at).unwrap()),
            database: database.map(|error| Timestamp::from_seconds(1_000_000 + at + error)),
            recorded: recorded(if last_seen == 0 {
                0
            } else {
                1_000_000 + last_seen
            }),
        }
    }

    fn recorded(seconds: i64) -> Recorded {
        Recorded {
            at: Timestamp::from_seconds(seconds),
            begun_at: Timestamp::from_seconds(1_000_000),
            resets: 0,
        }
    }

    /// Whether each of these, as (at, error, database's error), is trusted, in this order.
    fn trusted(last_seen: i64, readings: &[(i64, i64, Option<i64>)]) -> Vec<bool> {
        let mut history = History::default();
        let check = |(at, error, database): &(i64, i64, Option<i64>)| {
            history
                .check(&reading(*at, *error, *database, last_seen))
                .is_ok()
        };
        readings.iter().map(check).collect()
    }

    #[test]
    fn a_jump_pauses_for_ten_minutes_from_its_last_step() {
        assert_eq!(
            trusted(0, &[(0, 0, None), (5, 0, None), (10, 50, None)]),
            [true, true, true],
            "less than a minute"
        );
        let there_and_back = [
            (0, 0, None),
            (5, 2 * HOUR, None),
            (14, 0, None),
            (600, 0, None),
            (613, 0, None),
            (615, 0, None),
        ];
        assert_eq!(
            trusted(0, &there_and_back),
            [true, false, false, false, false, true]
        );
        let back = [
            (0, 0, None),
            (5, -2 * HOUR, None),
            (604, -2 * HOUR, None),
            (606, -2 * HOUR, None),
        ];
        assert_eq!(trusted(0, &back), [true, false, false, true]);
    }

    #[test]
    fn many_small_steps_are_a_jump() {
        let steps: Vec<_> = (0..6).map(|n| (5 * n, 25 * n, None)).collect();
        assert_eq!(trusted(0, &steps), [true, true, true, false, false, false]);
    }

    #[test]
    fn the_clock_of_the_database_is_compared() {
        let ahead = [
            (0, 2 * HOUR, Some(0)),
            (5, 0, Some(0)),
            (500, 0, Some(0)),
            (700, 0, Some(0)),
        ];
        assert_eq!(trusted(0, &ahead), [false, false, false, true]);
        assert_eq!(
            trusted(0, &[(0, 0, Some(HOUR)), (700, 0, Some(HOUR))]),
            [false, false],
            "for as long as they differ"
        );
        assert_eq!(
            trusted(0, &[(0, 0, Some(3)), (5, 0, Some(-3))]),
            [true, true]
        );
        let earlier = History::default().check(&reading(0, 0, Some(-7), -1));
        let moment = Timestamp::from_seconds(1_000_000 - 7);
        assert_eq!(
            earlier,
            Ok(Agreed {
                now: moment,
                passed: Some(moment)
            })
        );
    }

    #[test]
    fn at_the_start_the_recorded_instant_is_compared() {
        for (last_seen, error, expected) in [
            (0, 0, true),
            (-60, 0, true),
            (-60, 2 * HOUR, true),
            (-60, 48 * HOUR, false),
            (-60, -2 * HOUR, true),
            (-60, -48 * HOUR, false),
            (-72 * HOUR, 0, false),
        ] {
            assert_eq!(
                trusted(last_seen, &[(0, error, None)]),
                [expected],
                "{last_seen} {error}"
            );
        }
        // Off for long, and steady since: the wall clock is trusted again.
        assert_eq!(
            trusted(-72 * HOUR, &[(0, 0, None), (599, 0, None), (600, 0, None)]),
            [false, false, true]
        );
        assert_eq!(
            trusted(-60, &[(0, -48 * HOUR, None), (700, -48 * HOUR, None)]),
            [false, false],
            "for as long as it is behind"
        );
    }

    #[test]
    fn the_passed_instant_advances_at_twice_the_pace_of_time_at_most() {
        let mut history = History::default();
        let mut passed = |at, error, last_seen| {
            let checked = history.check(&reading(at, error, None, last_seen));
            checked
                .ok()
                .and_then(|agreed| agreed.passed)
                .map(|passed| passed.seconds() - 1_000_000)
        };
        // Ten hours off, and then it catches up.
        assert_eq!(passed(0, 0, -10 * HOUR), Some(-10 * HOUR));
        assert_eq!(passed(HOUR, 0, -10 * HOUR), Some(-8 * HOUR));
        assert_eq!(passed(12 * HOUR, 0, -8 * HOUR), Some(12 * HOUR));
        // A year ahead for an hour and ten minutes: an hour ahead.
        let year = 365 * 24 * HOUR;
        assert_eq!(passed(13 * HOUR, year, 12 * HOUR), None);
        assert_eq!(passed(14 * HOUR, year, 12 * HOUR), Some(16 * HOUR));
        // Right again.
        assert_eq!(passed(14 * HOUR + 5, 0, 16 * HOUR), None);
        assert_eq!(passed(15 * HOUR, 0, 16 * HOUR), Some(15 * HOUR));
    }

    #[test]
    fn on_a_new_database_no_instant_has_passed_until_the_clock_was_steady() {
        let passed = |readings: &[(i64, i64)]| {
            let mut history = History::default();
            let check =
                |(at, error): &(i64, i64)| history.check(&reading(*at, *error, None, 0)).ok();
            let found: Vec<_> = readings.iter().map(check).collect();
            found
                .into_iter()
                .map(|agreed| agreed.map(|agreed| agreed.passed.map(|at| at.seconds() - 1_000_000)))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            passed(&[(0, 0), (599, 0), (600, 0)]),
            [Some(None), Some(None), Some(Some(600))]
        );
        let year = 365 * 24 * HOUR;
        // It was ahead for its first seconds.
        assert_eq!(
            passed(&[(0, year), (5, 0), (604, 0), (605, 0)]),
            [Some(None), None, None, Some(Some(605))]
        );
        // The clock is ahead only after the second start: the time before continues from the first.
        assert_eq!(
            passed(&[(100, year), (700, year)]),
            [Some(None), Some(Some(1200))]
        );
    }

    #[test]
    fn what_expired_a_day_before_the_recorded_instant_stays_expired() {
        let clock = ClockWatch::default();
        assert!(!clock.is_past(Timestamp::from_seconds(1)));
        let day = 24 * HOUR;
        clock.learn(&recorded(2 * day));
        clock.learn(&recorded(1));
        assert!(
            clock.is_past(Timestamp::from_seconds(day))
                && !clock.is_past(Timestamp::from_seconds(day + 1))
        );
        assert!(
            clock
                .behind(Timestamp::from_seconds(day - 1))
                .is_some_and(|text| text.contains("86401 s behind"))
        );
        assert_eq!(clock.behind(Timestamp::from_seconds(day)), None);
        // An operator reset the instant. A node that does not know of the reset yet does not undo
        // it.
        clock.learn(&Recorded {
            resets: 1,
            ..recorded(day)
        });
        assert!(!clock.is_past(Timestamp::from_seconds(day)));
        clock.learn(&recorded(2 * day));
        assert!(!clock.is_past(Timestamp::from_seconds(day)));
    }
}
