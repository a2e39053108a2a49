//! The languages of the portal. Each has a Fluent file in `languages/` with all messages, and with
//! its formats of dates, numbers and plurals.

use std::sync::LazyLock;
use std::time::Duration;

use actix_web::HttpMessage;
use actix_web::http::header::{AcceptLanguage, Header, Preference, Quality};
use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use maud::{Markup, html};
use serde_json::Value;
use unic_langid::LanguageIdentifier;

use crate::clock::{TimeZone, Timestamp};
use crate::error::message::Message;
pub use crate::manage::user::Language;

type Bundle = FluentBundle<FluentResource>;

static ENGLISH: LazyLock<Bundle> = LazyLock::new(|| {
    let mut bundle = bundle(Language::English, include_str!("languages/en.ftl"));
    bundle.set_formatter(Some(|value, _| format_number(value, ",", ".")));
    bundle
});

static FRENCH: LazyLock<Bundle> = LazyLock::new(|| {
    let mut bundle = bundle(Language::French, include_str!("languages/fr.ftl"));
    bundle.set_formatter(Some(|value, _| format_number(value, "\u{202F}", ",")));
    bundle
});

fn bundle(language: Language, text: &str) -> Bundle {
    let identifier: LanguageIdentifier = language.code().parse().unwrap_or_default();
    let mut bundle = Bundle::new_concurrent(vec![identifier]);
    // Isolation marks are for mixed text directions, which these languages do not have.
    bundle.set_use_isolating(false);
    // Messages that do not parse, or exist twice, are left out here; `tests/languages.rs` finds
    // them.
    let resource =
        FluentResource::try_new(text.to_owned()).unwrap_or_else(|(resource, _)| resource);
    let _ = bundle.add_resource(resource);
    bundle
}

/// Formats a number with a separator between groups of three digits and at most one decimal. `None`
/// for other values, which Fluent formats itself.
fn format_number(value: &FluentValue<'_>, separator: &str, decimal_mark: &str) -> Option<String> {
    let FluentValue::Number(number) = value else {
        return None;
    };
    let number = number.value;
    let text = if number.fract().abs() < 0.05 {
        format!("{number:.0}")
    } else {
        format!("{number:.1}")
    };
    let (integer, decimals) = text.split_once('.').unwrap_or((&text, ""));
    let (sign, digits) = match integer.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", integer),
    };
    let mut formatted = sign.to_owned();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            formatted.push_str(separator);
        }
        formatted.push(digit);
    }
    if !decimals.is_empty() {
        formatted.push_str(decimal_mark);
        formatted.push_str(decimals);
    }
    Some(formatted)
}

/// The arguments of a message.
pub type Arguments<'a> = [(&'a str, FluentValue<'a>)];

/// The Fluent id of the message for a code, such as `reason-unknown-client`.
pub fn message_id(prefix: &str, code: &str) -> String {
    format!("{prefix}-{}", code.replace(['_', '.'], "-"))
}

/// A parameter of a [`Message`] as an argument. Languages format numbers in different ways.
pub fn argument(parameter: &Value) -> FluentValue<'static> {
    match (parameter.as_i64(), parameter) {
        (Some(number), _) => FluentValue::from(number),
        (None, Value::String(text)) => FluentValue::from(text.clone()),
        (None, other) => FluentValue::from(other.to_string()),
    }
}

impl Language {
    /// The BCP 47 primary language subtag.
    pub fn code(self) -> &'static str {
        self.as_str()
    }

    /// The endonym, such as `Français`.
    pub const fn name(self) -> &'static str {
        match self {
            Language::English => "English",
            Language::French => "Français",
        }
    }

    /// Parses a BCP 47 primary language subtag.
    pub fn from_code(code: &str) -> Option<Self> {
        code.parse().ok()
    }

    /// The language that `Accept-Language` prefers (RFC 9110 section 12.5.4); the default if there
    /// is none that the portal has.
    pub fn negotiate(request: &impl HttpMessage) -> Self {
        let Ok(accepted) = AcceptLanguage::parse(request) else {
            return Language::English;
        };
        let acceptable = accepted
            .0
            .into_iter()
            .filter(|item| item.quality > Quality::ZERO)
            .collect();
        AcceptLanguage(acceptable)
            .ranked()
            .into_iter()
            .find_map(|preference| match preference {
                Preference::Specific(tag) => Language::from_code(tag.primary_language()),
                Preference::Any => Some(Language::English),
            })
            .unwrap_or(Language::English)
    }

    fn bundle(self) -> &'static Bundle {
        match self {
            Language::English => &ENGLISH,
            Language::French => &FRENCH,
        }
    }

    /// Whether there is a message of this name.
    pub fn has_message(self, message: &str) -> bool {
        self.bundle().has_message(message)
    }

    /// A message. If it does not exist, its name, which the tests prevent.
    pub fn text(self, message: &str, arguments: &Arguments<'_>) -> String {
        let bundle = self.bundle();
        let Some(pattern) = bundle.get_message(message).and_then(|found| found.value()) else {
            return message.to_owned();
        };
        let mut values = FluentArgs::with_capacity(arguments.len());
        for (name, value) in arguments {
            values.set(*name, value.clone());
        }
        bundle
            .format_pattern(pattern, Some(&values), &mut Vec::new())
            .into_owned()
    }

    /// The description of a refusal.
    pub fn refusal(self, message: &Message) -> String {
        let arguments: Vec<_> = message
            .parameters()
            .iter()
            .map(|(name, value)| (*name, argument(value)))
            .collect();
        self.text(&message_id("refusal", message.code()), &arguments)
    }

    /// A number in the format of the language.
    pub fn number(self, number: impl Into<FluentValue<'static>>) -> String {
        self.text("number", &[("number", number.into())])
    }

    /// A date and time, to the minute, in a time zone: short, with the full one in UTC as a tooltip.
    pub fn date_time(self, instant: Timestamp, zone: &TimeZone) -> Markup {
        // UTC is not named in each row: the tooltip does.
        let message = if zone.is_utc() {
            "date-time-short"
        } else {
            "date-time-short-zone"
        };
        html! {
            time datetime=(instant) title=(self.date_time_text(instant, &TimeZone::UTC)) {
                (self.date_text(message, instant, zone))
            }
        }
    }

    /// A date and time in full, to the minute, with the time zone.
    pub fn date_time_text(self, instant: Timestamp, zone: &TimeZone) -> String {
        self.date_text("date-time", instant, zone)
    }

    /// A date in a time zone: short, with the full date and time as a tooltip.
    pub fn day(self, instant: Timestamp, zone: &TimeZone) -> Markup {
        html! {
            time datetime=(instant) title=(self.tooltip(instant, zone)) { (self.day_text(instant, zone)) }
        }
    }

    /// A short date in a time zone, without the time of day.
    pub fn day_text(self, instant: Timestamp, zone: &TimeZone) -> String {
        self.date_text("day", instant, zone)
    }

    /// A time of day, to the minute, in a time zone.
    pub fn time_of_day(self, instant: Timestamp, zone: &TimeZone) -> String {
        self.date_text("time-of-day", instant, zone)
    }

    /// The full date and time in the time zone and in UTC.
    fn tooltip(self, instant: Timestamp, zone: &TimeZone) -> String {
        let utc = self.date_time_text(instant, &TimeZone::UTC);
        if zone.is_utc() {
            return utc;
        }
        let local = self.date_time_text(instant, zone);
        self.text(
            "date-time-both",
            &[("local", local.into()), ("utc", utc.into())],
        )
    }

    fn date_text(self, message: &str, instant: Timestamp, zone: &TimeZone) -> String {
        let Some(date) = zone.local(instant) else {
            return instant.to_string();
        };
        let two = |number: i8| FluentValue::from(format!("{number:02}"));
        let arguments = [
            ("day", FluentValue::from(date.day)),
            ("month", FluentValue::from(date.month)),
            ("year", FluentValue::from(date.year.to_string())),
            ("hour", two(date.hour)),
            ("minute", two(date.minute)),
            ("zone", FluentValue::from(date.offset)),
        ];
        self.text(message, &arguments)
    }

    /// An instant relative to `now`, such as “in 2 hours”, with the date and time as a tooltip.
    pub fn relative(self, instant: Timestamp, now: Timestamp, zone: &TimeZone) -> Markup {
        let exact = self.tooltip(instant, zone);
        html! { time datetime=(instant) title=(exact) { (self.relative_text(instant, now)) } }
    }

    /// [`Language::relative`] as text.
    pub fn relative_text(self, instant: Timestamp, now: Timestamp) -> String {
        let (message, duration) = if instant > now {
            ("from-now", instant.duration_since(now))
        } else {
            ("ago", now.duration_since(instant))
        };
        if message == "ago" && duration.as_secs() < 60 {
            return self.text("just-now", &[]);
        }
        self.text(message, &[("span", self.duration(duration).into())])
    }

    /// A duration, rounded, in its largest unit.
    pub fn duration(self, duration: Duration) -> String {
        let seconds = duration.as_secs();
        // Rounded to the nearest unit: what expires in 90 days less a moment expires in 90 days.
        let (message, count) = match seconds {
            0..60 => ("seconds", seconds),
            60..3570 => ("minutes", (seconds + 30) / 60),
            3570..171_000 => ("hours", (seconds + 1800) / 3600),
            _ => ("days", (seconds + 43_200) / 86_400),
        };
        self.text(message, &[("count", FluentValue::from(count))])
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn the_language_is_negotiated() {
        for (accepted, language) in [
            ("fr", Language::French),
            ("fr-CA, en;q=0.5", Language::French),
            ("de, fr;q=0.7, en;q=0.3", Language::French),
            ("en-GB, fr;q=0.9", Language::English),
            ("fr;q=0.1, en;q=0.2", Language::English),
            ("fr;q=0", Language::English),
            ("fr;q=0, *", Language::English),
            ("de", Language::English),
            ("", Language::English),
            ("not a language;;", Language::English),
        ] {
            let request = TestRequest::default()
                .insert_header(("accept-language", accepted))
                .to_http_request();
            assert_eq!(Language::negotiate(&request), language, "{accepted:?}");
        }
        let request = TestRequest::default().to_http_request();
        assert_eq!(Language::negotiate(&request), Language::English);
    }

    #[test]
    fn numbers_are_grouped_and_rounded() {
        for (number, english, french) in [
            (0.0, "0", "0"),
            (999.0, "999", "999"),
            (-1_234.0, "-1,234", "-1\u{202F}234"),
            (1_234_567.0, "1,234,567", "1\u{202F}234\u{202F}567"),
            (1_234.56, "1,234.6", "1\u{202F}234,6"),
            (2.04, "2", "2"),
        ] {
            assert_eq!(Language::English.number(number), english);
            assert_eq!(Language::French.number(number), french);
        }
    }

    #[test]
    fn durations_are_rounded_to_their_largest_unit() {
        for (seconds, text) in [
            (0, "0 seconds"),
            (1, "1 second"),
            (59, "59 seconds"),
            (89, "1 minute"),
            (90, "2 minutes"),
            (3_599, "1 hour"),
            (86_400, "24 hours"),
            (172_800, "2 days"),
            (90 * 86_400 - 1, "90 days"),
        ] {
            let duration = Duration::from_secs(seconds);
            assert_eq!(Language::English.duration(duration), text, "{seconds}");
        }
    }

    #[test]
    fn instants_are_shown_relative_to_now() {
        let now = Timestamp::from_seconds(1_000_000);
        for (seconds, text) in [
            (1_000_000, "just now"),
            (999_941, "just now"),
            (999_940, "1 minute ago"),
            (1_000_030, "in 30 seconds"),
            (1_007_200, "in 2 hours"),
        ] {
            let instant = Timestamp::from_seconds(seconds);
            let shown = Language::English.relative_text(instant, now);
            assert_eq!(shown, text, "{seconds}");
        }
    }
}
