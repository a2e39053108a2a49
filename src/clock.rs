//! Instants and durations. `now` is read once, at the edge of a request or a job; everything below
//! takes it as an argument.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::decimal;

mod date_or_time;
mod time_zone;
pub mod watch;

pub use date_or_time::{DateOrTime, InvalidDateOrTime};
pub use time_zone::{LocalTime, TimeZone, UnknownTimeZone};

/// An instant in UTC, in milliseconds since the Unix epoch: the resolution of a UUIDv7.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    diesel::expression::AsExpression,
    diesel::deserialize::FromSqlRow,
)]
#[diesel(sql_type = diesel::sql_types::BigInt)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The Unix epoch. Stands for "never" where instants are compared.
    pub const EPOCH: Timestamp = Timestamp(0);

    /// Reads the clock of this machine. Called at the start of a request, a command or a run of a
    /// background job.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the function that reads the clock"
    )]
    pub fn now() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        Timestamp(since_epoch.map_or(0, |elapsed| {
            i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
        }))
    }

    /// The instant that is `millis` milliseconds after the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Timestamp(millis)
    }

    /// The instant that is `seconds` seconds after the epoch, as in the JWT claims `exp` and `iat`.
    pub const fn from_seconds(seconds: i64) -> Self {
        Timestamp(seconds.saturating_mul(1000))
    }

    /// Milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Milliseconds since the epoch, borrowed: diesel binds values by reference.
    pub const fn as_millis(&self) -> &i64 {
        &self.0
    }

    /// Whole seconds since the epoch (RFC 7519 `NumericDate`).
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The instant that is `duration` later.
    pub fn saturating_add(self, duration: Duration) -> Self {
        Timestamp(self.0.saturating_add(millis(duration)))
    }

    /// The instant that is `duration` earlier.
    pub fn saturating_sub(self, duration: Duration) -> Self {
        Timestamp(self.0.saturating_sub(millis(duration)))
    }

    /// Rounds down to a multiple of `unit` since the epoch: to the start of the minute or hour, in
    /// UTC.
    #[must_use]
    pub fn truncate_to(self, unit: Duration) -> Self {
        Timestamp(
            self.0
                .saturating_sub(self.0.rem_euclid(millis(unit).max(1))),
        )
    }

    /// The time from `earlier` to this instant; zero if `earlier` is later.
    pub fn duration_since(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// Reads the wall clock in nanoseconds since the epoch, for the times of spans and log lines.
#[expect(
    clippy::disallowed_methods,
    reason = "spans and log lines need more than milliseconds, and decide nothing"
)]
pub fn unix_nanos() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    since_epoch.map_or(0, |elapsed| {
        u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
    })
}

/// The time since the machine booted, including the time that it was suspended. Setting the wall
/// clock does not change it. `Instant` is no substitute: on Linux it stands still while the machine
/// is suspended.
pub fn since_boot() -> Duration {
    #[cfg(target_os = "linux")]
    let clock = rustix::time::ClockId::Boottime;
    // Other systems have no such clock; the monotonic one is the closest.
    #[cfg(not(target_os = "linux"))]
    let clock = rustix::time::ClockId::Monotonic;
    let time = rustix::time::clock_gettime(clock);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// RFC 3339 in UTC, to the second.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = OffsetDateTime::from_unix_timestamp(self.seconds())
            .ok()
            .and_then(|instant| instant.format(&Rfc3339).ok());
        match text {
            Some(text) => f.write_str(&text),
            None => write!(f, "{}s after the epoch", self.seconds()),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        DateOrTime::deserialize(deserializer).map(DateOrTime::start)
    }
}

impl schemars::JsonSchema for Timestamp {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "format": "date-time", "examples": ["2026-11-21T20:18:40Z"]})
    }
}

/// The longest duration that a setting or a parameter can have: a hundred years.
const MAX_DURATION: u64 = 100 * 366 * 24 * 60 * 60;

/// A text that is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDuration {
    /// It is not a number with a unit.
    #[error("{0:?} is not a duration; write seconds, or a number with s, m, h or d, such as 90d")]
    Syntax(String),
    /// It is longer than the maximum.
    #[error("{0:?} is longer than a hundred years")]
    TooLong(String),
}

/// Parses a duration: `90d`, `24h`, `15m`, `30s`, or a number of seconds.
///
/// # Errors
/// [`InvalidDuration`] for any other text, and for more than a hundred years.
pub fn parse_duration(text: &str) -> Result<Duration, InvalidDuration> {
    let syntax = || InvalidDuration::Syntax(text.to_owned());
    let too_long = || InvalidDuration::TooLong(text.to_owned());
    let (digits, unit) = match text.find(|c: char| !c.is_ascii_digit()) {
        Some(end) => text.split_at(end),
        None => (text, ""),
    };
    let seconds: u64 = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return Err(syntax()),
    };
    if digits.is_empty() {
        return Err(syntax());
    }
    let total = decimal::parse::<u64>(digits).and_then(|number| number.checked_mul(seconds));
    match total {
        Some(total) if total <= MAX_DURATION => Ok(Duration::from_secs(total)),
        _ => Err(too_long()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_number_with_a_unit() {
        for (text, seconds) in [
            ("0", 0),
            ("90", 90),
            ("0090", 90),
            ("30s", 30),
            ("15m", 900),
            ("24h", 86_400),
            ("90d", 7_776_000),
            ("36600d", MAX_DURATION),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_secs(seconds)),
                "{text:?}"
            );
        }
    }

    #[test]
    fn any_other_text_is_not_a_duration() {
        for text in [
            "",
            "d",
            "+5",
            "-5",
            "+5d",
            " 5",
            "5 ",
            "5\n",
            "\t5",
            "5 d",
            "5D",
            "5w",
            "5dd",
            "5d5",
            "1.5h",
            "1e3",
            "0x10",
            "\u{0665}",
            "5\u{0665}",
            "90days",
        ] {
            let expected = InvalidDuration::Syntax(text.to_owned());
            assert_eq!(parse_duration(text), Err(expected), "{text:?}");
        }
    }

    #[test]
    fn a_duration_has_a_maximum() {
        for text in [
            "36601d",
            "3162240001",
            "18446744073709551615d",
            "99999999999999999999999",
        ] {
            let expected = InvalidDuration::TooLong(text.to_owned());
            assert_eq!(parse_duration(text), Err(expected), "{text:?}");
        }
    }
}
