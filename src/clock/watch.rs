//! Whether the wall clock may decide what cannot be undone: deleting rows that have expired, evicting
//! revocations from memory, rotating signing keys by their age.
//!
//! A clock that is hours ahead for nine seconds would otherwise delete the revocations of tokens that
//! are active again once the clock is right. So the wall clock is compared with a clock that nobody
//! sets, [`since_boot`](super::since_boot), with the database's, and at the start of a process with the
//! last moment that a node wrote down. Where two of them disagree, nothing of the kind is done for
//! [`PAUSE`].
//!
//! Nor is a clock believed at once that is wrong for longer. Rows are purged by [`Agreed::passed`], which
//! goes on from the moment that was last written down at twice the pace of time at the most, so a clock
//! that is a year ahead for an hour makes an hour of difference. On a new database nothing is written down, and so
//! nothing purged, before the clocks have been steady for [`PAUSE`]; the first moment that a node read stands for
//! the last one until then. And whatever had expired by then is
//! expired for good ([`ClockWatch::is_past`]): a clock that is days behind finds no revocations any more of
//! the tokens that it would take for live ones.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::Timestamp;

/// How far two clocks may be apart.
pub const TOLERANCE: Duration = Duration::from_secs(60);

/// For how long nothing is deleted or rotated after a disagreement: NTP puts a clock right within
/// minutes.
const PAUSE: Duration = Duration::from_secs(600);

/// How long revocations and used assertions are kept beyond the expiry of what they are about, and so
/// the largest error of a clock that cannot bring anything back.
pub const KEPT_LONGER: Duration = Duration::from_secs(24 * 3600);

/// The difference from the database's clock past which `/readyz` warns: the margin that the schedule of
/// the signing keys has.
const WARN_BEYOND: Duration = Duration::from_secs(2);

/// What follows from a clock that is far behind, and what to do.
const BEHIND: &str = "tokens issued now may be refused as expired. Set the clock of this machine; where it is right, a clock \
                      was ahead before: run `keyward clock reset`";

/// What the nodes of the deployment wrote down of their clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The last moment, of those at which a node trusted its clock; the epoch where none has yet.
    pub at: Timestamp,
    /// The first moment that a node read on a new database, trusted or not; the epoch where none has yet, or the
    /// database is older.
    pub begun_at: Timestamp,
    /// How often an operator has set [`Seen::at`] back.
    pub resets: i64,
}

/// What the clocks say at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// The wall clock of this machine.
    pub wall: Timestamp,
    /// [`since_boot`](super::since_boot).
    pub since_boot: Duration,
    /// The wall clock of the database's machine, where that has one of its own.
    pub database: Option<Timestamp>,
    /// What the nodes of the deployment wrote down.
    pub seen: Seen,
}

/// Why the wall clock is not trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// It was set, or the machine was paused: by so many milliseconds it advanced more than the clock
    /// that nobody sets.
    Jumped(i64),
    /// By so many milliseconds the database's clock is ahead of it.
    Differs(i64),
    /// At the start of this process, so many milliseconds had passed since any node last ran.
    Unknown(i64),
    /// It is so many milliseconds behind a moment that has passed.
    Behind(i64),
}

/// What the clocks agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// The moment, by the earlier of them.
    pub now: Timestamp,
    /// A moment that has passed, whatever the clocks say: at most as late, and later only by twice the time
    /// that went by. None on a new database until the clocks have been steady for long enough.
    pub passed: Option<Timestamp>,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |millis: &i64| millis / 1000;
        match self {
            Doubt::Jumped(millis) => write!(
                f,
                "the clock of this machine jumped by {} s",
                seconds(millis)
            ),
            Doubt::Differs(millis) => {
                write!(
                    f,
                    "the clock of the database server is {} s ahead of this machine's",
                    seconds(millis)
                )
            }
            Doubt::Behind(millis) => {
                write!(
                    f,
                    "the clock of this machine is {} s behind the last moment that a node wrote down",
                    seconds(millis)
                )
            }
            Doubt::Unknown(millis) => {
                write!(
                    f,
                    "by the clock of this machine no node has run for {} s, which cannot be checked",
                    seconds(millis)
                )
            }
        }
    }
}

/// What is known from earlier readings.
#[derive(Default)]
struct History {
    /// A moment at which the wall clock was trusted, or from which it is being tried.
    anchor: Option<(Timestamp, Duration)>,
    /// The doubt that is not over, and until when, since boot.
    doubt: Option<(Doubt, Duration)>,
    /// The last [`Agreed::passed`], and when that was found, since boot.
    passed: Option<(Timestamp, Duration)>,
}

impl History {
    /// The moment that may be relied on: the earlier of the clocks that agree.
    fn check(&mut self, reading: &Reading) -> Result<Agreed, Doubt> {
        let Reading {
            wall,
            since_boot,
            database,
            seen,
        } = *reading;
        let last_seen = seen.at;
        let found = match self.anchor {
            Some((then, boot)) => {
                let (wall_passed, passed) = (
                    wall.millis() - then.millis(),
                    millis(since_boot) - millis(boot),
                );
                Some(wall_passed - passed)
                    .filter(|by| is_beyond(*by, TOLERANCE))
                    .map(Doubt::Jumped)
            }
            // Less than a day is harmless: so long everything that matters is kept beyond its expiry.
            None if last_seen > Timestamp::EPOCH => {
                let passed = wall.millis() - last_seen.millis();
                (passed > millis(KEPT_LONGER)).then_some(Doubt::Unknown(passed))
            }
            None => None,
        };
        let differs = database
            .map(|theirs| theirs.millis() - wall.millis())
            .filter(|by| is_beyond(*by, TOLERANCE));
        let behind =
            Some(last_seen.millis() - wall.millis()).filter(|by| *by > millis(KEPT_LONGER));
        if let Some(doubt) = differs
            .map(Doubt::Differs)
            .or(behind.map(Doubt::Behind))
            .or(found)
        {
            self.doubt = Some((doubt, since_boot + PAUSE));
        }
        // What comes from here on is compared with this, and is trusted where it is steady.
        let (_, anchored) = match self.anchor {
            Some(anchor) if found.is_none() => anchor,
            _ => *self.anchor.insert((wall, since_boot)),
        };
        match self.doubt {
            Some((doubt, until)) if since_boot < until => Err(doubt),
            _ => {
                self.doubt = None;
                let now = database.map_or(wall, |theirs| theirs.min(wall));
                let passed = self.passed(now, &seen, since_boot);
                self.passed = Some((passed, since_boot));
                let proven = last_seen > Timestamp::EPOCH || since_boot >= anchored + PAUSE;
                Ok(Agreed {
                    now,
                    passed: proven.then_some(passed),
                })
            }
        }
    }

    fn passed(&self, now: Timestamp, seen: &Seen, since_boot: Duration) -> Timestamp {
        match self.passed {
            Some((before, boot)) => {
                now.min(before.saturating_add(since_boot.saturating_sub(boot) * 2))
            }
            None if seen.at > Timestamp::EPOCH => now.min(seen.at),
            None => now.min(seen.begun_at),
        }
    }
}

/// The clocks of this process, and what came of comparing them.
pub struct ClockWatch {
    history: Mutex<History>,
    doubted: AtomicBool,
    difference: AtomicI64,
    past: AtomicI64,
    resets: AtomicI64,
}

impl Default for ClockWatch {
    fn default() -> Self {
        ClockWatch {
            history: Mutex::default(),
            doubted: AtomicBool::new(false),
            difference: AtomicI64::new(0),
            past: AtomicI64::new(0),
            resets: AtomicI64::new(0),
        }
    }
}

impl ClockWatch {
    /// Compares the clocks: the moments by which rows may be deleted and keys rotated, or why by none.
    ///
    /// # Errors
    /// What the clocks disagree about, or did within the last ten minutes.
    pub fn check(&self, reading: &Reading) -> Result<Agreed, Doubt> {
        self.learn(&reading.seen);
        let mut history = self.history.lock();
        let before = history
            .doubt
            .map(|(doubt, _)| std::mem::discriminant(&doubt));
        let checked = history.check(reading);
        self.doubted.store(checked.is_err(), Ordering::Relaxed);
        let difference = reading
            .database
            .map_or(0, |theirs| theirs.millis() - reading.wall.millis());
        self.difference.store(difference, Ordering::Relaxed);
        match checked {
            Err(doubt @ Doubt::Behind(_)) if before != Some(std::mem::discriminant(&doubt)) => {
                tracing::error!(reason = %doubt, "clocks disagree: nothing is purged, and {BEHIND}");
            }
            Err(doubt) if before != Some(std::mem::discriminant(&doubt)) => {
                tracing::warn!(reason = %doubt, "clocks disagree: nothing is purged, and no key rotated by age, until they agree for ten minutes");
            }
            Ok(_) if before.is_some() => {
                tracing::info!("the clocks agree again: purging and rotation by age go on")
            }
            _ => {}
        }
        checked
    }

    /// A node wrote this moment down, and may purge by it.
    pub fn learn(&self, seen: &Seen) {
        let past = seen.at.saturating_sub(KEPT_LONGER).millis().max(0);
        let resets = self.resets.fetch_max(seen.resets, Ordering::Relaxed);
        if resets < seen.resets {
            self.past.store(past, Ordering::Relaxed);
        } else if resets == seen.resets {
            self.past.fetch_max(past, Ordering::Relaxed);
        }
    }

    /// The last moment of which [`ClockWatch::is_past`] says so.
    pub fn past(&self) -> Timestamp {
        Timestamp::from_millis(self.past.load(Ordering::Relaxed))
    }

    /// Why new tokens may be expired from the start, and what to do, where `now` is by so much behind what a
    /// node wrote down.
    pub fn behind(&self, now: Timestamp) -> Option<String> {
        let past = self.past();
        (past > now).then(|| {
            format!(
                "{}: {BEHIND}",
                Doubt::Behind(past.saturating_add(KEPT_LONGER).millis() - now.millis())
            )
        })
    }

    /// Whether what expires at `end` expired so long ago that its revocation may be purged: it is expired
    /// whatever the wall clock says.
    pub fn is_past(&self, end: Timestamp) -> bool {
        end <= self.past()
    }

    /// Whether purging and rotation by age are paused.
    pub fn is_doubted(&self) -> bool {
        self.doubted.load(Ordering::Relaxed)
    }

    /// By how many milliseconds the database's clock is ahead of this machine's, when it was last
    /// looked at; 0 on SQLite, where both are one.
    pub fn difference(&self) -> i64 {
        self.difference.load(Ordering::Relaxed)
    }

    /// Whether the difference from the database's clock is more than the nodes of a deployment may have.
    pub fn differs(&self) -> bool {
        is_beyond(self.difference(), WARN_BEYOND)
    }
}

fn millis(duration: Duration) -> i64 {
    super::millis(duration)
}

fn is_beyond(millis: i64, tolerance: Duration) -> bool {
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
            seen: seen(if last_seen == 0 {
                0
            } else {
                1_000_000 + last_seen
            }),
        }
    }

    fn seen(seconds: i64) -> Seen {
        Seen {
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
    fn the_database_is_asked_too() {
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
    fn at_the_start_the_last_moment_counts() {
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
        // Off for long, and steady since: the clock is what there is.
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
    fn what_has_passed_goes_no_faster_than_twice_the_time() {
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
    fn on_a_new_database_nothing_has_passed_before_the_clock_was_steady() {
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
        // It is ahead from a second start on: what passed before goes on from the first.
        assert_eq!(
            passed(&[(100, year), (700, year)]),
            [Some(None), Some(Some(1200))]
        );
    }

    #[test]
    fn what_expired_a_day_before_a_moment_that_was_written_down_stays_so() {
        let clock = ClockWatch::default();
        assert!(!clock.is_past(Timestamp::from_seconds(1)));
        let day = 24 * HOUR;
        clock.learn(&seen(2 * day));
        clock.learn(&seen(1));
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
        // An operator says that it was wrong; who has not heard of it yet does not undo that.
        clock.learn(&Seen {
            resets: 1,
            ..seen(day)
        });
        assert!(!clock.is_past(Timestamp::from_seconds(day)));
        clock.learn(&seen(2 * day));
        assert!(!clock.is_past(Timestamp::from_seconds(day)));
    }
}
