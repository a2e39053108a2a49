//! Pure functions, tested with tables.

use std::time::Duration;

use crate::support::each_case;
use keyward::clock::{Timestamp, parse_duration};
use keyward::config::Issuer;
use keyward::credential::{Credential, Kind};
use keyward::crypto::jws::SignatureAlgorithm;
use keyward::net::http_client::is_public;
use keyward::scope::Scope;
use keyward::store::signing_key::{SigningKey, State, signing_at};

#[test]
fn scopes_are_parsed_and_compared() {
    let scope = |text: &str| text.parse::<Scope>();
    assert_eq!(scope(" b  a b ").unwrap().as_str(), "a b");
    assert!(scope("").unwrap().is_empty());
    each_case(
        [
            "a\"",
            "a\\",
            "\u{7f}",
            "\t",
            "a\nb",
            "\u{e9}",
            "\0",
            &"x".repeat(5000),
        ],
        |refused| {
            assert!(scope(refused).is_err(), "{refused:?}");
        },
    );
    each_case(
        [
            ("", "", true),
            ("", "a", true),
            ("a", "a b", true),
            ("b a", "a b", true),
            ("c", "a b", false),
            ("A", "a", false),
        ],
        |(part, whole, inside)| {
            assert_eq!(
                scope(part).unwrap().is_subset(&scope(whole).unwrap()),
                inside,
                "{part:?} in {whole:?}"
            );
        },
    );
    assert_eq!(
        scope("a b c")
            .unwrap()
            .intersection(&scope("c a x").unwrap())
            .as_str(),
        "a c"
    );
}

#[test]
fn durations_are_parsed() {
    each_case(
        [
            ("0", 0),
            ("90", 90),
            ("90s", 90),
            ("15m", 900),
            ("24h", 86_400),
            ("90d", 7_776_000),
        ],
        |(text, seconds)| {
            assert_eq!(
                parse_duration(text).unwrap(),
                Duration::from_secs(seconds),
                "{text}"
            );
        },
    );
    each_case(
        [
            "",
            "d",
            "1w",
            "-1",
            "1.5h",
            "1h30m",
            "99999999999d",
            "18446744073709551616",
            " 1",
            "1 d",
        ],
        |refused| {
            assert!(parse_duration(refused).is_err(), "{refused:?}");
        },
    );
}

#[test]
fn credentials_have_a_kind_and_a_checksum() {
    let kinds = [
        (Kind::ApiKey, "kwk_"),
        (Kind::ClientSecret, "kws_"),
        (Kind::RegistrationAccessToken, "kwr_"),
        (Kind::InitialAccessToken, "kwi_"),
    ];
    for (kind, prefix) in kinds {
        let made = Credential::generate(kind);
        let text = made.expose();
        assert!(text.starts_with(prefix) && text.len() == 4 + 16 + 1 + 43 + 6);
        assert!(
            text.bytes()
                .all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
        );
        assert_eq!(Credential::parse(text, kind).unwrap().id(), made.id());
        for (other, _) in kinds.into_iter().filter(|(other, _)| *other != kind) {
            assert!(Credential::parse(text, other).is_none());
        }
        // The checksum detects a typing error anywhere.
        for place in 4..text.len() {
            let mut wrong = text.to_owned();
            let replacement = if wrong.as_bytes()[place] == b'x' {
                "y"
            } else {
                "x"
            };
            wrong.replace_range(place..=place, replacement);
            assert!(Credential::parse(&wrong, kind).is_none(), "{place}");
        }
        for cut in 0..text.len() {
            assert!(Credential::parse(&text[..cut], kind).is_none());
        }
        assert!(
            !format!("{made:?}").contains(made.id()),
            "Debug shows nothing"
        );
        assert!(text.starts_with(&made.shown()) && made.shown().len() < 30);
    }
    each_case(
        [
            "",
            "_",
            "kwk",
            "kwk__",
            "kwk_\u{e9}",
            &format!("kwk_{}_{}", "\u{e9}".repeat(8), "x".repeat(49)),
        ],
        |odd| {
            assert!(Credential::parse(odd, Kind::ApiKey).is_none(), "{odd:?}");
        },
    );
}

#[test]
fn public_addresses_are_recognized() {
    each_case(
        [
            "1.1.1.1",
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "2606:4700::1111",
            "::ffff:8.8.8.8",
        ],
        |public| {
            assert!(is_public(public.parse().unwrap()), "{public}");
        },
    );
    each_case(
        [
            "127.0.0.1",
            "127.255.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.1",
            "169.254.169.254",
            "0.0.0.0",
            "0.1.2.3",
            "100.64.0.1",
            "192.0.0.8",
            "192.0.2.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2001::1",
            "64:ff9b::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
        ],
        |inside| {
            assert!(!is_public(inside.parse().unwrap()), "{inside}");
        },
    );
}

#[test]
fn the_parts_of_an_issuer() {
    each_case(
        [
            (
                "https://a.example",
                "",
                "https://a.example/.well-known/oauth-authorization-server",
            ),
            (
                "https://a.example/",
                "",
                "https://a.example/.well-known/oauth-authorization-server",
            ),
            (
                "https://a.example/t",
                "/t",
                "https://a.example/.well-known/oauth-authorization-server/t",
            ),
            (
                "https://a.example:8443/t/u/",
                "/t/u",
                "https://a.example:8443/.well-known/oauth-authorization-server/t/u",
            ),
        ],
        |(issuer, path, metadata)| {
            let parsed: Issuer = issuer.parse().unwrap();
            assert_eq!(
                (
                    parsed.as_str(),
                    parsed.path(),
                    parsed.metadata_url().as_str()
                ),
                (issuer, path, metadata)
            );
        },
    );
    each_case(
        [
            ("https://a.example", "https://a.example"),
            ("https://A.Example:443/t/", "https://a.example"),
            ("http://a.example:8080/t", "http://a.example:8080"),
            ("http://[::1]:80", "http://[::1]"),
        ],
        |(issuer, origin)| {
            assert_eq!(
                issuer.parse::<Issuer>().unwrap().origin(),
                origin,
                "as browsers write it"
            );
        },
    );
}

#[test]
fn the_state_of_a_signing_key_depends_on_the_time() {
    let at = Timestamp::from_seconds;
    let key = |kid: &str, from, until: Option<i64>, published: Option<i64>| SigningKey {
        kid: kid.to_owned(),
        algorithm: SignatureAlgorithm::Rs256,
        public_jwk: String::new(),
        private_sealed: String::new(),
        created_at: at(0),
        signs_from: at(from),
        signs_until: until.map(at),
        published_until: published.map(at),
    };
    let old = key("old", 0, Some(100), Some(200));
    each_case(
        [
            (0, State::Signing),
            (99, State::Signing),
            (100, State::Retiring),
            (199, State::Retiring),
            (200, State::Gone),
        ],
        |(moment, state)| {
            assert_eq!(old.state(at(moment)), state, "{moment}");
        },
    );
    let new = key("new", 100, None, None);
    assert_eq!(new.state(at(99)), State::Published);
    let keys = [old, new];
    each_case(
        [
            (0, Some("old")),
            (99, Some("old")),
            (100, Some("new")),
            (10_000, Some("new")),
        ],
        |(moment, signs)| {
            assert_eq!(
                signing_at(&keys, SignatureAlgorithm::Rs256, at(moment))
                    .map(|key| key.kid.as_str()),
                signs,
                "{moment}"
            );
        },
    );
    assert!(signing_at(&[], SignatureAlgorithm::Rs256, at(0)).is_none());
}
