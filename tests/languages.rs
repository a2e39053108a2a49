//! The portal's messages: each language has all of them, with the same variables.

use std::collections::{BTreeMap, BTreeSet};

use fluent_bundle::FluentResource;
use keyward::clock::{TimeZone, Timestamp};
use keyward::error::refusal::ALL_REFUSALS;
use keyward::manage::status::ProblemKind;
use keyward::oauth::reason::ALL_REASONS;
use keyward::portal::language::{Language, message_id};
use keyward::store::audit::Action;

use crate::support::repository;

/// Each message with the names of its variables.
fn messages(language: Language) -> BTreeMap<String, BTreeSet<String>> {
    let path = repository("src/portal/languages").join(format!("{}.ftl", language.code()));
    let text = std::fs::read_to_string(path).unwrap();
    FluentResource::try_new(text.clone())
        .unwrap_or_else(|(_, errors)| panic!("{}: {errors:?}", language.code()));
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut last = String::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some((name, _)) = line
            .split_once(" =")
            .filter(|_| !line.starts_with([' ', '}']))
        {
            last = name.to_owned();
            assert!(
                found.insert(last.clone(), BTreeSet::new()).is_none(),
                "{}: {name} is there twice",
                language.code()
            );
        }
        let variables = line.split('$').skip(1);
        let names = variables.map(|rest| {
            rest.chars()
                .take_while(char::is_ascii_alphabetic)
                .collect::<String>()
        });
        found.entry(last.clone()).or_default().extend(names);
    }
    found.remove("");
    found
}

/// The texts between `begin` and `end` in all files of a folder.
fn between(folder: &str, begin: &str, end: char) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(repository(folder)).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            // Line breaks within an expression are removed.
            let text: String = std::fs::read_to_string(&path)
                .unwrap()
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
                .replace("( ", "(");
            found.extend(
                text.split(begin)
                    .skip(1)
                    .filter_map(|rest| rest.split_once(end))
                    .map(|(name, _)| name.to_owned()),
            );
        }
    }
    found
}

#[test]
fn every_language_has_the_same_messages_with_the_same_variables() {
    let english = messages(Language::English);
    assert!(english.len() > 400, "the messages were not found");
    for language in Language::ALL {
        let other = messages(language);
        for (name, variables) in &english {
            assert_eq!(
                other.get(name),
                Some(variables),
                "{}: {name}",
                language.code()
            );
        }
        let beyond: Vec<_> = other
            .keys()
            .filter(|name| !english.contains_key(*name))
            .collect();
        assert!(beyond.is_empty(), "{}: {beyond:?}", language.code());
    }
}

#[test]
fn every_message_used_in_the_code_exists() {
    let portal = "src/portal";
    let mut asked: BTreeSet<String> = BTreeSet::new();
    for begin in [
        ".t(\"",
        ".tr(\"",
        ".count(\"",
        ".text(\"",
        ".help(\"",
        "tile(user, \"",
        "counted(user, \"",
    ] {
        asked.extend(between(portal, begin, '"').into_iter().filter(|name| {
            name.chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        }));
    }
    for name in between(portal, "Field::new(", ')') {
        let field = name.split('"').nth(1).unwrap_or_default().replace('_', "-");
        asked.insert(format!("field-{field}"));
    }
    // Names of form fields, not of messages.
    for field in [
        "name",
        "email",
        "code",
        "url",
        "description",
        "identifier",
        "scope",
        "uses",
        "jwks",
        "grace",
        "actor",
        "target",
        "token-typ",
        "signing-alg",
        "profile",
        "algorithm",
        "issuer",
        "jwt",
        "certificate",
        "credential",
        "platform",
        "to",
    ] {
        asked.remove(field);
    }
    asked.remove("field-");
    asked.extend(["en", "fr"].iter().flat_map(|_| ["scope".to_owned()]));

    for action in Action::ALL {
        let message = action.as_str().replace(['.', '_'], "-");
        asked.insert(format!("action-{message}"));
    }
    let error_codes = std::fs::read_to_string(repository("src/error.rs")).unwrap();
    for code in error_codes
        .split("=> \"")
        .skip(1)
        .filter_map(|rest| rest.split_once('"'))
    {
        asked.insert(format!("error-{}", code.0.replace('_', "-")));
    }
    asked.extend(translated_messages().map(|(id, _)| id));
    let problems = ProblemKind::CODES.iter();
    asked.extend(problems.map(|code| message_id("status-problem", code)));
    let known = messages(Language::English);
    let missing: Vec<_> = asked
        .iter()
        .filter(|name| !known.contains_key(*name))
        .collect();
    assert!(missing.is_empty(), "missing messages: {missing:?}");
    assert!(asked.len() > 300, "no used messages were found");
}

/// The ids of the messages for all refusals and reasons, each with the parameters of its code.
fn translated_messages() -> impl Iterator<Item = (String, &'static [&'static str])> {
    [("refusal", ALL_REFUSALS), ("reason", ALL_REASONS)]
        .into_iter()
        .flat_map(|(prefix, table)| {
            table
                .iter()
                .map(move |(code, parameters)| (message_id(prefix, code), *parameters))
        })
}

#[test]
fn a_translated_message_uses_only_the_parameters_of_its_code() {
    let known = messages(Language::English);
    for (id, parameters) in translated_messages() {
        for variable in &known[&id] {
            // Variables are read up to the first character that is not a letter.
            let declared = parameters
                .iter()
                .any(|parameter| parameter.split('_').next() == Some(variable.as_str()));
            assert!(declared, "{id} uses ${variable}, not one of {parameters:?}");
        }
    }
}

#[test]
fn every_message_of_a_refusal_or_reason_has_its_code() {
    let expected: BTreeSet<String> = translated_messages().map(|(id, _)| id).collect();
    let unused: Vec<String> = messages(Language::English)
        .into_keys()
        .filter(|id| id.starts_with("refusal-") || id.starts_with("reason-"))
        .filter(|id| !expected.contains(id))
        .collect();
    assert!(unused.is_empty(), "{unused:?}");
}

#[test]
fn french_has_non_breaking_spaces_at_double_punctuation() {
    let path = repository("src/portal/languages/fr.ftl");
    let text = std::fs::read_to_string(path).unwrap();
    let breaking: Vec<_> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter(|line| {
            [" :", " ;", " ?", " !", " »", "« "]
                .iter()
                .any(|space| line.contains(space))
        })
        .collect();
    assert!(breaking.is_empty(), "{breaking:#?}");
}

#[test]
fn dates_numbers_and_plurals_follow_the_language() {
    let moment = Timestamp::from_seconds(1_793_491_200 + 20 * 3600 + 18 * 60);
    let (english, french) = (Language::English, Language::French);
    assert!(
        english
            .date_time(moment, &TimeZone::UTC)
            .into_string()
            .contains("1 November 2026, 20:18 UTC"),
        "{}",
        english.date_time(moment, &TimeZone::UTC).into_string()
    );
    assert!(
        french
            .date_time(moment, &TimeZone::UTC)
            .into_string()
            .contains("1er novembre 2026"),
        "{}",
        french.date_time(moment, &TimeZone::UTC).into_string()
    );
    assert_eq!(english.number(1_234_567), "1,234,567");
    assert_eq!(french.number(1_234_567), "1\u{202F}234\u{202F}567");
    assert_eq!(
        (english.number(0.5), french.number(0.5)),
        ("0.5".to_owned(), "0,5".to_owned())
    );
    // Zero is singular in French and plural in English.
    let zero = std::time::Duration::ZERO;
    assert_eq!(
        (english.duration(zero), french.duration(zero)),
        ("0 seconds".to_owned(), "0 seconde".to_owned())
    );
    assert_eq!(
        english.relative_text(
            Timestamp::from_seconds(0),
            Timestamp::from_seconds(3 * 86_400)
        ),
        "3 days ago"
    );
}
