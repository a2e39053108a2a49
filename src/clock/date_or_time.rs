//! The ends of a period, as people and programs write them: instants or days.

use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Timestamp;

/// A day in UTC (`2026-11-21`) or an instant (RFC 3339). As the end of a period, a day belongs to it as
/// a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DateOrTime {
    /// The day that begins at this instant.
    Date(Timestamp),
    /// The instant.
    Time(Timestamp),
}

/// A text that is neither a day nor an instant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a date such as 2026-11-21, or a time such as 2026-11-21T20:18:40Z")]
pub struct InvalidDateOrTime;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl DateOrTime {
    /// The first instant of a period that begins with it.
    pub fn start(self) -> Timestamp {
        let (DateOrTime::Date(instant) | DateOrTime::Time(instant)) = self;
        instant
    }

    /// The first instant after a period that ends with it.
    pub fn end(self) -> Timestamp {
        match self {
            DateOrTime::Date(midnight) => midnight.saturating_add(DAY),
            DateOrTime::Time(instant) => instant,
        }
    }
}

impl FromStr for DateOrTime {
    type Err = InvalidDateOrTime;

    fn from_str(text: &str) -> Result<Self, InvalidDateOrTime> {
        let is_date = text.len() == "2026-11-21".len();
        let instant = if is_date {
            OffsetDateTime::parse(&format!("{text}T00:00:00Z"), &Rfc3339)
        } else {
            OffsetDateTime::parse(text, &Rfc3339)
        };
        let nanos = instant
            .map_err(|_| InvalidDateOrTime)?
            .unix_timestamp_nanos();
        let millis = i64::try_from(nanos.div_euclid(1_000_000)).map_err(|_| InvalidDateOrTime)?;
        let instant = Timestamp::from_millis(millis);
        Ok(if is_date {
            DateOrTime::Date(instant)
        } else {
            DateOrTime::Time(instant)
        })
    }
}

impl<'de> Deserialize<'de> for DateOrTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<str>::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for DateOrTime {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "DateOrTime".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A day in UTC, or an instant (RFC 3339)",
            "type": "string",
            "anyOf": [{"format": "date"}, {"format": "date-time"}],
            "examples": ["2026-11-21", "2026-11-21T20:18:40Z"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_given_by_days_or_instants() {
        // 2026-11-21T00:00:00Z
        const MIDNIGHT: i64 = 1_795_219_200;
        for (text, start, end) in [
            ("2026-11-21", MIDNIGHT, MIDNIGHT + 24 * 3600),
            ("2026-11-21T00:00:00Z", MIDNIGHT, MIDNIGHT),
            ("2026-11-21T02:00:01+02:00", MIDNIGHT + 1, MIDNIGHT + 1),
        ] {
            let parsed: DateOrTime = text.parse().unwrap();
            assert_eq!(parsed.start(), Timestamp::from_seconds(start), "{text}");
            assert_eq!(parsed.end(), Timestamp::from_seconds(end), "{text}");
        }
        let exact: DateOrTime = "2026-11-21T00:00:00.123Z".parse().unwrap();
        assert_eq!(exact.start().millis(), MIDNIGHT * 1000 + 123);
        for text in [
            "",
            "today",
            "2026-11-31",
            "2026-11-21T00:00",
            "21.11.2026",
            "2026-11-21 ",
        ] {
            assert_eq!(text.parse::<DateOrTime>(), Err(InvalidDateOrTime), "{text}");
        }
    }
}
