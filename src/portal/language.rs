//! The languages of the portal. Every sentence is in `languages/`, a file for each; so are the forms of
//! dates, numbers and plurals, which each language has of its own.

use std::sync::LazyLock;

use actix_web::http::header::{self, Header, LanguageTag, Preference, Quality};
use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use maud::{Markup, html};
use time::OffsetDateTime;
use unic_langid::LanguageIdentifier;

use crate::clock::Timestamp;
use crate::error::{Phrase, Value};

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Language {
    English,
    French,
}

type Bundle = FluentBundle<FluentResource>;

static ENGLISH: LazyLock<Bundle> = LazyLock::new(|| {
    let mut bundle = bundle(Language::English, include_str!("languages/en.ftl"));
    bundle.set_formatter(Some(|value, _| spelled(value, ",", ".")));
    bundle
});

static FRENCH: LazyLock<Bundle> = LazyLock::new(|| {
    let mut bundle = bundle(Language::French, include_str!("languages/fr.ftl"));
    bundle.set_formatter(Some(|value, _| spelled(value, "\u{202F}", ",")));
    bundle
});

fn bundle(language: Language, text: &str) -> Bundle {
    let identifier: LanguageIdentifier = language.code().parse().unwrap_or_default();
    let mut bundle = Bundle::new_concurrent(vec![identifier]);
    // What stands in a sentence is no longer than a name, and never of the other direction.
    bundle.set_use_isolating(false);
    // What is unreadable or double is left out here, and found by the tests, which ask for every message.
    let resource =
        FluentResource::try_new(text.to_owned()).unwrap_or_else(|(resource, _)| resource);
    let _ = bundle.add_resource(resource);
    bundle
}

/// A number with a mark between groups of three digits, and one digit behind the point where there is a
/// part; what is no number as it is.
fn spelled(value: &FluentValue<'_>, mark: &str, point: &str) -> Option<String> {
    let FluentValue::Number(number) = value else {
        return None;
    };
    let number = number.value;
    let text = if number.fract().abs() < 0.05 {
        format!("{number:.0}")
    } else {
        format!("{number:.1}")
    };
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    let (sign, digits) = whole
        .strip_prefix('-')
        .map_or(("", whole), |digits| ("-", digits));
    let mut spelled = sign.to_owned();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            spelled.push_str(mark);
        }
        spelled.push(digit);
    }
    if !part.is_empty() {
        spelled.push_str(point);
        spelled.push_str(part);
    }
    Some(spelled)
}

/// What stands in a sentence.
pub type Arguments<'a> = [(&'static str, FluentValue<'a>)];

impl Language {
    /// All of them; the first is for whoever asks for none of them.
    pub const ALL: [Language; 2] = [Language::English, Language::French];

    /// As in `lang` and `Accept-Language`.
    pub const fn code(self) -> &'static str {
        match self {
            Language::English => "en",
            Language::French => "fr",
        }
    }

    /// Its name in itself.
    pub const fn name(self) -> &'static str {
        match self {
            Language::English => "English",
            Language::French => "Français",
        }
    }

    /// By its code.
    pub fn of_code(code: &str) -> Option<Self> {
        Language::ALL
            .into_iter()
            .find(|language| language.code() == code)
    }

    /// What the browser prefers of those that there are (RFC 9110 section 12.5.4).
    pub fn preferred(request: &actix_web::HttpRequest) -> Self {
        let Ok(accepted) = header::AcceptLanguage::parse(request) else {
            return Language::English;
        };
        let of_tag = |wanted: Preference<LanguageTag>| match wanted {
            Preference::Specific(tag) => Language::of_code(tag.primary_language()),
            Preference::Any => Some(Language::English),
        };
        let wanted = accepted
            .0
            .into_iter()
            .filter(|item| item.quality > Quality::ZERO)
            .collect();
        header::AcceptLanguage(wanted)
            .ranked()
            .into_iter()
            .find_map(of_tag)
            .unwrap_or(Language::English)
    }

    fn bundle(self) -> &'static Bundle {
        match self {
            Language::English => &ENGLISH,
            Language::French => &FRENCH,
        }
    }

    /// Whether there are words for this.
    pub fn knows(self, message: &str) -> bool {
        self.bundle().has_message(message)
    }

    /// The words for a message; its name where there are none, which the tests do not let happen.
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

    /// The words for what an error says.
    pub fn phrase(self, phrase: &Phrase) -> String {
        let value = |value: &Value| match value {
            Value::Text(text) => FluentValue::from(text.clone()),
            Value::Number(number) => FluentValue::from(*number),
        };
        let values: Vec<_> = phrase
            .values
            .iter()
            .map(|(name, given)| (*name, value(given)))
            .collect();
        self.text(&format!("error-{}", phrase.name), &values)
    }

    /// A number.
    pub fn number(self, number: impl Into<FluentValue<'static>>) -> String {
        self.text("number", &[("number", number.into())])
    }

    /// An instant, to the minute, in UTC.
    pub fn moment(self, moment: Timestamp) -> Markup {
        html! { time datetime=(moment) { (self.date_text("moment", moment)) } }
    }

    /// The same, as words alone.
    pub fn moment_text(self, moment: Timestamp) -> String {
        self.date_text("moment", moment)
    }

    /// A day, in UTC.
    pub fn day(self, moment: Timestamp) -> Markup {
        html! { time datetime=(moment) { (self.date_text("day", moment)) } }
    }

    /// An hour and a minute, in UTC.
    pub fn clock(self, moment: Timestamp) -> String {
        self.date_text("clock", moment)
    }

    fn date_text(self, message: &str, moment: Timestamp) -> String {
        let Ok(date) = OffsetDateTime::from_unix_timestamp(moment.seconds()) else {
            return moment.to_string();
        };
        let two = |number: u8| FluentValue::from(format!("{number:02}"));
        let arguments = [
            ("day", FluentValue::from(date.day())),
            ("month", FluentValue::from(u8::from(date.month()))),
            ("year", FluentValue::from(date.year().to_string())),
            ("hour", two(date.hour())),
            ("minute", two(date.minute())),
        ];
        self.text(message, &arguments)
    }

    /// How long ago, or how long from now, with the instant itself at hand.
    pub fn relative(self, moment: Timestamp, now: Timestamp) -> Markup {
        let exact = self.date_text("moment", moment);
        html! { time.short datetime=(moment) title=(exact) { (self.relative_text(moment, now)) } }
    }

    /// The same, as words alone.
    pub fn relative_text(self, moment: Timestamp, now: Timestamp) -> String {
        let (message, span) = if moment > now {
            ("from-now", moment.duration_since(now))
        } else {
            ("ago", now.duration_since(moment))
        };
        if message == "ago" && span.as_secs() < 60 {
            return self.text("just-now", &[]);
        }
        self.text(message, &[("span", self.span(span).into())])
    }

    /// A span of time, in its largest unit.
    pub fn span(self, span: std::time::Duration) -> String {
        let seconds = span.as_secs();
        // To the nearest: what ends in 90 days less a moment ends in 90 days.
        let (message, number) = match seconds {
            0..60 => ("seconds", seconds),
            60..3570 => ("minutes", (seconds + 30) / 60),
            3570..171_000 => ("hours", (seconds + 1800) / 3600),
            _ => ("days", (seconds + 43_200) / 86_400),
        };
        self.text(message, &[("count", FluentValue::from(number))])
    }
}
