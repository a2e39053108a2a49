//! Time zones, by their names in the IANA time zone database, which is compiled in.

use std::str::FromStr;

use jiff::tz;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Timestamp;

/// A time zone in which instants are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeZone(tz::TimeZone);

/// A text that is not the name of a time zone.
#[derive(Debug, thiserror::Error)]
#[error("a time zone is a name of the IANA database, such as Europe/Paris")]
pub struct UnknownTimeZone;

/// A date and a time of day in a time zone, to the minute.
#[derive(Debug, PartialEq, Eq)]
pub struct LocalTime {
    /// The year.
    pub year: i16,
    /// The month, from 1.
    pub month: i8,
    /// The day of the month, from 1.
    pub day: i8,
    /// The hour, from 0 to 23.
    pub hour: i8,
    /// The minute.
    pub minute: i8,
    /// What people call the offset at this instant, such as `CET`; `UTC+04` where it has no name.
    pub offset: String,
}

impl TimeZone {
    /// Coordinated universal time.
    pub const UTC: TimeZone = TimeZone(tz::TimeZone::UTC);

    /// The names of all time zones, in their order.
    pub fn names() -> Vec<String> {
        let names = tz::db().available();
        names.map(|name| name.as_str().to_owned()).collect()
    }

    /// The name, such as `Europe/Paris`.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// Whether it is UTC.
    pub fn is_utc(&self) -> bool {
        *self == TimeZone::UTC
    }

    /// The date and the time of day at an instant; `None` beyond the year 9999.
    pub fn local(&self, instant: Timestamp) -> Option<LocalTime> {
        let instant = jiff::Timestamp::from_second(instant.seconds()).ok()?;
        let info = self.0.to_offset_info(instant);
        let local = info.offset().to_datetime(instant);
        let offset = match info.abbreviation() {
            number if number.starts_with(['+', '-']) => format!("UTC{number}"),
            name => name.to_owned(),
        };
        Some(LocalTime {
            year: local.year(),
            month: local.month(),
            day: local.day(),
            hour: local.hour(),
            minute: local.minute(),
            offset,
        })
    }

    /// An instant with the offset of the zone, such as `2026-11-21T21:18:40+01:00` (RFC 3339); in UTC
    /// as everywhere else, with `Z`.
    pub fn rfc3339(&self, instant: Timestamp) -> String {
        match jiff::Timestamp::from_millisecond(instant.millis()) {
            Ok(known) if !self.is_utc() => {
                let offset = self.0.to_offset(known);
                known.display_with_offset(offset).to_string()
            }
            _ => instant.to_string(),
        }
    }
}

impl Serialize for TimeZone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for TimeZone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<str>::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for TimeZone {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TimeZone".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A name of the IANA time zone database",
            "examples": ["Europe/Paris", "UTC"],
        })
    }
}

impl FromStr for TimeZone {
    type Err = UnknownTimeZone;

    fn from_str(name: &str) -> Result<Self, UnknownTimeZone> {
        let zone = tz::TimeZone::get(name).map_err(|_| UnknownTimeZone)?;
        // A zone without a name could not be stored; `Etc/Unknown` is UTC by another name.
        match zone.iana_name() {
            Some("UTC") => Ok(TimeZone::UTC),
            Some(_) if !zone.is_unknown() => Ok(TimeZone(zone)),
            _ => Err(UnknownTimeZone),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> TimeZone {
        name.parse().unwrap()
    }

    #[test]
    fn names_are_those_of_the_iana_database() {
        for (name, stored) in [
            ("UTC", "UTC"),
            ("Europe/Paris", "Europe/Paris"),
            ("europe/paris", "Europe/Paris"),
            (
                "America/Argentina/Buenos_Aires",
                "America/Argentina/Buenos_Aires",
            ),
        ] {
            assert_eq!(zone(name).name(), stored);
        }
        for unknown in [
            "",
            "Paris",
            "+01:00",
            "Etc/Unknown",
            "../UTC",
            "/etc/localtime",
            "Europe/Paris ",
        ] {
            assert!(unknown.parse::<TimeZone>().is_err(), "{unknown:?}");
        }
        assert!(zone("UTC").is_utc() && !zone("Europe/London").is_utc());
        let names = TimeZone::names();
        assert!(names.len() > 400 && names.contains(&"Asia/Kathmandu".to_owned()));
        for name in names.iter().filter(|name| *name != "Etc/Unknown") {
            assert!(name.parse::<TimeZone>().is_ok(), "{name}");
        }
    }

    #[test]
    fn instants_are_shown_with_the_offset_of_their_time() {
        let winter = Timestamp::from_seconds(1_795_292_320);
        let summer = Timestamp::from_seconds(1_784_300_000);
        for (name, instant, shown) in [
            ("UTC", winter, "2026-11-21T20:18:40Z"),
            ("Europe/Paris", winter, "2026-11-21T21:18:40+01:00"),
            ("Europe/Paris", summer, "2026-07-17T16:53:20+02:00"),
            ("Asia/Kathmandu", winter, "2026-11-22T02:03:40+05:45"),
        ] {
            assert_eq!(zone(name).rfc3339(instant), shown, "{name}");
        }
        let offset = |name: &str, instant| zone(name).local(instant).unwrap().offset;
        assert_eq!(offset("Europe/Paris", winter), "CET");
        assert_eq!(offset("Europe/Paris", summer), "CEST");
        assert_eq!(offset("Asia/Dubai", winter), "UTC+04");
        let local = zone("Asia/Kathmandu").local(winter).unwrap();
        assert_eq!(
            (local.year, local.month, local.day, local.hour, local.minute),
            (2026, 11, 22, 2, 3)
        );
    }
}
