//! Types and parsers of single settings.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;
use tracing_subscriber::filter::{LevelFilter, Targets};

use crate::clock::{InvalidDuration, parse_duration};
use crate::decimal;
use crate::scope::{InvalidScope, Scope};
use crate::trace_context::Sampler;

/// A text that is not a value of its setting. The message says what is expected, and quotes no value
/// that may hold a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidValue {
    /// Not an address to listen on.
    #[error("expected an IP address and a port, such as 127.0.0.1:8080 or [::1]:8080")]
    ListenAddress,
    /// Not a [`ProxyUrl`].
    #[error("expected http://[USER:PASSWORD@]HOST:PORT")]
    ProxyUrl,
    /// Not an [`SmtpUrl`](super::SmtpUrl).
    #[error(
        "expected smtps://[USER@]HOST[:PORT] or smtp://[USER@]HOST[:PORT]; the password is the setting smtp_password"
    )]
    SmtpUrl,
    /// Not a [`MailSender`](super::MailSender).
    #[error("expected an e-mail address, such as keyward@acme.example, or NAME <ADDRESS>")]
    MailSender,
    /// Not an [`OtlpEndpoint`].
    #[error(
        "expected the base URL of a collector, without user name and query, such as http://127.0.0.1:4318"
    )]
    OtlpEndpoint,
    /// Not an [`MtlsBaseUrl`].
    #[error("expected an https URL without query, such as https://mtls.auth.example")]
    MtlsBaseUrl,
    /// Not a [`SampleRatio`].
    #[error("expected a number from 0 to 1, such as 0.1")]
    SampleRatio,
    /// Not a duration.
    #[error(transparent)]
    Duration(#[from] InvalidDuration),
    /// A lifetime of tokens that is too short or too long.
    #[error("the lifetime must be between 1 second and 30 days")]
    TokenTtl,
    /// A `max-age` of the key set that is too long.
    #[error("resource servers can cache the keys for a week at most")]
    JwksMaxAge,
    /// Not a scope.
    #[error(transparent)]
    Scope(#[from] InvalidScope),
    /// A scope with a right of the management API.
    #[error("openly registered clients must not get the right {0}")]
    RegistrationRight(String),
    /// A limit of connections that is too low, or not a number.
    #[error("expected a number of 16 or more")]
    MaxConnections,
    /// A word in a log filter that is neither a level nor a directive.
    #[error("{word:?} is not a log level; use one of {levels}", word = .0, levels = LOG_LEVELS.join(", "))]
    LogLevel(String),
    /// A word in a log filter that has an `=` but is no directive.
    #[error("{0:?} is not a log directive; use TARGET=LEVEL, such as keyward::request=warn")]
    LogDirective(String),
    /// A filter by spans or their fields.
    #[error(
        "{0:?} filters by span, which is not supported; use TARGET=LEVEL, such as keyward::request=warn"
    )]
    LogSpan(String),
}

const LOG_LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// The lowest limit of connections.
const MIN_CONNECTIONS: usize = 16;

/// `on` or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "the variants are their own description")]
pub enum Switch {
    On,
    Off,
}

impl Switch {
    /// Whether it is on.
    pub fn is_on(self) -> bool {
        self == Switch::On
    }
}

/// Mode of dynamic client registration (RFC 7591).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Registration {
    /// An initial access token is required.
    Token,
    /// Anyone can register a client.
    Open,
    /// Registration is disabled.
    Off,
}

/// Whether DPoP proofs must have a nonce of this server (RFC 9449 section 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DpopNonce {
    /// A nonce is not required.
    Off,
    /// Each proof must have one.
    Required,
}

/// The URL of an HTTP proxy (RFC 9110 section 9.3.6, CONNECT). `Display` and `Debug` mask its password.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyUrl(url::Url);

impl FromStr for ProxyUrl {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let proxy = parse_http_url(text).filter(|url| matches!(url.path(), "" | "/"));
        proxy.map(ProxyUrl).ok_or(InvalidValue::ProxyUrl)
    }
}

impl ProxyUrl {
    /// The URL in clear, including the password.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.0.clone();
        if shown.password().is_some() && shown.set_password(Some("***")).is_err() {
            return f.write_str("***");
        }
        f.write_str(shown.as_str())
    }
}

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The base URL of the endpoints for clients with certificates (RFC 8705 section 5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MtlsBaseUrl(url::Url);

impl FromStr for MtlsBaseUrl {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let has_credentials =
            |url: &url::Url| !url.username().is_empty() || url.password().is_some();
        parse_http_url(text)
            .filter(|url| url.scheme() == "https" && !has_credentials(url))
            .map(MtlsBaseUrl)
            .ok_or(InvalidValue::MtlsBaseUrl)
    }
}

impl MtlsBaseUrl {
    /// The URL of a path of Keyward, such as `/oauth/token`.
    pub fn endpoint(&self, path: &str) -> String {
        format!("{}{path}", self.0.as_str().trim_end_matches('/'))
    }

    /// The host, if it is a name.
    pub fn host_name(&self) -> Option<&str> {
        self.0.domain()
    }
}

impl fmt::Display for MtlsBaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

/// Parses an `http` or `https` URL with a host, and without a query or a fragment. The URL parser would
/// drop spaces, tabs and line ends, read a backslash as a slash, and add a missing `//`.
fn parse_http_url(text: &str) -> Option<url::Url> {
    let altered = |c: char| c.is_control() || c.is_whitespace() || c == '\\';
    if text.contains(altered) || !text.contains("://") {
        return None;
    }
    let url = url::Url::parse(text).ok()?;
    let is_http = matches!(url.scheme(), "http" | "https") && url.host_str().is_some();
    let ends_with_path = url.query().is_none() && url.fragment().is_none();
    Some(url).filter(|_| is_http && ends_with_path)
}

pub(super) fn listen_address(text: &str) -> Result<SocketAddr, InvalidValue> {
    text.parse().map_err(|_| InvalidValue::ListenAddress)
}

/// The base URL of an OTLP receiver over HTTP, as it was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtlpEndpoint(String);

impl FromStr for OtlpEndpoint {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match parse_http_url(text) {
            Some(_) if text.is_ascii() && !text.contains('@') => Ok(OtlpEndpoint(text.to_owned())),
            _ => Err(InvalidValue::OtlpEndpoint),
        }
    }
}

impl OtlpEndpoint {
    /// The URL that takes traces (OpenTelemetry, "OTLP Exporter Configuration": the base URL and `v1/traces`).
    pub fn traces_url(&self) -> String {
        format!("{}/v1/traces", self.0.trim_end_matches('/'))
    }
}

impl fmt::Display for OtlpEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A share, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SampleRatio(f64);

impl FromStr for SampleRatio {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match text.parse() {
            Ok(ratio) if (0.0..=1.0).contains(&ratio) && !text.starts_with(['+', '-']) => {
                Ok(SampleRatio(ratio))
            }
            _ => Err(InvalidValue::SampleRatio),
        }
    }
}

impl SampleRatio {
    /// The sampler that takes this share.
    pub fn sampler(self) -> Sampler {
        Sampler::new(self.0)
    }
}

impl fmt::Display for SampleRatio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

pub(super) fn token_ttl(text: &str) -> Result<Duration, InvalidValue> {
    match parse_duration(text)? {
        ttl if (1..=30 * 24 * 3600).contains(&ttl.as_secs()) => Ok(ttl),
        _ => Err(InvalidValue::TokenTtl),
    }
}

pub(super) fn jwks_max_age(text: &str) -> Result<Duration, InvalidValue> {
    match parse_duration(text)? {
        max_age if max_age.as_secs() <= 7 * 24 * 3600 => Ok(max_age),
        _ => Err(InvalidValue::JwksMaxAge),
    }
}

/// Parses a scope, which must not contain a right of the management API (`keyward:…`).
pub(super) fn registration_scope(text: &str) -> Result<Scope, InvalidValue> {
    let scope: Scope = text.parse()?;
    if let Some(right) = scope.rights().next() {
        return Err(InvalidValue::RegistrationRight(right.to_owned()));
    }
    Ok(scope)
}

pub(super) fn max_connections(text: &str) -> Result<usize, InvalidValue> {
    decimal::parse(text)
        .filter(|number| *number >= MIN_CONNECTIONS)
        .ok_or(InvalidValue::MaxConnections)
}

pub(super) fn log_filter(text: &str) -> Result<String, InvalidValue> {
    log_targets(text).map(|_| text.to_owned())
}

/// The levels by target of a log filter: levels and `TARGET=LEVEL`, separated by commas. The last
/// one for a target wins.
///
/// # Errors
/// A word is neither.
pub fn log_targets(text: &str) -> Result<Targets, InvalidValue> {
    let mut targets = Targets::new();
    for word in text.split(',').map(str::trim) {
        if word.contains(['[', ']', '{', '}']) {
            return Err(InvalidValue::LogSpan(word.to_owned()));
        }
        let Some((target, level)) = word.split_once('=') else {
            // Any other bare word would be read as a module name, and would silence all others.
            let level = LOG_LEVELS.iter().find(|level| **level == word);
            let level = level.and_then(|level| level.parse::<LevelFilter>().ok());
            let unknown = || InvalidValue::LogLevel(word.to_owned());
            targets = targets.with_default(level.ok_or_else(unknown)?);
            continue;
        };
        let is_path = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | ':');
        if target.is_empty() || !target.chars().all(is_path) || level.is_empty() {
            return Err(InvalidValue::LogDirective(word.to_owned()));
        }
        let unknown = |_| InvalidValue::LogLevel(level.to_owned());
        targets = targets.with_target(target, level.parse::<LevelFilter>().map_err(unknown)?);
    }
    Ok(targets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_otlp_endpoint_is_a_plain_base_url() {
        for (text, traces_url) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("https://collector:443/", "https://collector:443/v1/traces"),
            ("http://[::1]:4318/otlp", "http://[::1]:4318/otlp/v1/traces"),
        ] {
            let endpoint = text.parse::<OtlpEndpoint>().unwrap();
            assert_eq!(endpoint.to_string(), text);
            assert_eq!(endpoint.traces_url(), traces_url);
        }
        for text in [
            "",
            "localhost:4318",
            "127.0.0.1:4318",
            "http:",
            "http://",
            "http:collector",
            "http:/collector",
            "grpc://collector",
            "http://collector:4318?a",
            "http://collector:4318#a",
            "http://user@collector",
            "http://user:pw@collector",
            "http://@collector",
            " http://collector",
            "http://collector ",
            "\thttp://collector",
            "http://coll\tector",
            "http://collector\n",
            "http://collector\r\n",
            "http://col\nlector",
            "http://collector/a b",
            "http:\\\\collector",
            "http://collector\\a",
            "http://b\u{fc}cher",
            "http://collector:+4318",
            "http://collector:99999",
        ] {
            let expected = Err(InvalidValue::OtlpEndpoint);
            assert_eq!(text.parse::<OtlpEndpoint>(), expected, "{text:?}");
        }
    }

    #[test]
    fn a_proxy_url_has_a_host_and_no_path() {
        for (text, shown) in [
            ("http://proxy.example:3128", "http://proxy.example:3128/"),
            ("https://proxy.example/", "https://proxy.example/"),
            (
                "http://u:p%20w@proxy.example",
                "http://u:***@proxy.example/",
            ),
        ] {
            assert_eq!(text.parse::<ProxyUrl>().unwrap().to_string(), shown);
        }
        for text in [
            "",
            "proxy.example:3128",
            "http:proxy.example",
            "socks5://proxy.example",
            "http://proxy.example/a",
            "http://proxy.example?a",
            "http://proxy.example#a",
            " http://proxy.example",
            "http://proxy.example\n",
            "http://proxy\t.example",
            "http://u:p w@proxy.example",
            "http://proxy.example\\",
        ] {
            let expected = Err(InvalidValue::ProxyUrl);
            assert_eq!(text.parse::<ProxyUrl>(), expected, "{text:?}");
        }
    }

    #[test]
    fn a_sample_ratio_is_from_0_to_1() {
        for (text, ratio) in [
            ("0", 0.0),
            ("1", 1.0),
            ("0.25", 0.25),
            (".5", 0.5),
            ("1e-3", 0.001),
        ] {
            assert_eq!(text.parse(), Ok(SampleRatio(ratio)), "{text:?}");
        }
        for text in [
            "", "+0.5", "-0", "-0.1", "1.1", "10%", " 0.5", "0.5\n", "nan", "inf",
        ] {
            let expected = Err(InvalidValue::SampleRatio);
            assert_eq!(text.parse::<SampleRatio>(), expected, "{text:?}");
        }
    }

    #[test]
    fn durations_of_settings_have_limits() {
        let syntax = |text: &str| InvalidDuration::Syntax(text.to_owned()).into();
        for (text, expected) in [
            ("1", Ok(1)),
            ("30d", Ok(2_592_000)),
            ("0", Err(InvalidValue::TokenTtl)),
            ("31d", Err(InvalidValue::TokenTtl)),
            ("+60", Err(syntax("+60"))),
        ] {
            let ttl = token_ttl(text).map(|ttl| ttl.as_secs());
            assert_eq!(ttl, expected, "{text:?}");
        }
        for (text, expected) in [
            ("0", Ok(0)),
            ("7d", Ok(604_800)),
            ("8d", Err(InvalidValue::JwksMaxAge)),
            ("-1", Err(syntax("-1"))),
        ] {
            let max_age = jwks_max_age(text).map(|max_age| max_age.as_secs());
            assert_eq!(max_age, expected, "{text:?}");
        }
    }

    #[test]
    fn a_limit_of_connections_is_a_number_of_16_or_more() {
        for (text, expected) in [("16", Some(16)), ("1000", Some(1000)), ("0016", Some(16))] {
            assert_eq!(max_connections(text).ok(), expected, "{text:?}");
        }
        for text in ["", "15", "+16", "-16", " 16", "16\n", "1e3", "16.0"] {
            let expected = Err(InvalidValue::MaxConnections);
            assert_eq!(max_connections(text), expected, "{text:?}");
        }
    }

    #[test]
    fn an_address_to_listen_on_is_an_ip_address_and_a_port() {
        for text in ["127.0.0.1:8080", "[::1]:0"] {
            assert_eq!(listen_address(text), Ok(text.parse().unwrap()));
        }
        for text in [
            "",
            "localhost:80",
            "127.0.0.1",
            "127.0.0.1:+80",
            "127.1:80",
            "::1:80",
            "127.0.0.1:80\n",
        ] {
            let expected = Err(InvalidValue::ListenAddress);
            assert_eq!(listen_address(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_word_of_a_log_filter_is_a_level_or_a_directive() {
        for text in ["info", "off", "warn,keyward=debug", "info,actix_http=trace"] {
            assert_eq!(log_filter(text), Ok(text.to_owned()));
        }
        for (text, word) in [
            ("verbose", "verbose"),
            ("", ""),
            ("info,sqlx", "sqlx"),
            ("INFO", "INFO"),
        ] {
            let expected = InvalidValue::LogLevel(word.to_owned());
            assert_eq!(log_filter(text), Err(expected), "{text:?}");
        }
        for (text, expected) in [
            ("keyward=loud", InvalidValue::LogLevel("loud".to_owned())),
            (
                "keyward=info=a",
                InvalidValue::LogLevel("info=a".to_owned()),
            ),
            (
                "keyward=",
                InvalidValue::LogDirective("keyward=".to_owned()),
            ),
            ("=info", InvalidValue::LogDirective("=info".to_owned())),
            (
                "info;keyward=warn",
                InvalidValue::LogDirective("info;keyward=warn".to_owned()),
            ),
            (
                "keyward =debug",
                InvalidValue::LogDirective("keyward =debug".to_owned()),
            ),
            ("[a]=info", InvalidValue::LogSpan("[a]=info".to_owned())),
            (
                "info,keyward[a{b=1}]=debug",
                InvalidValue::LogSpan("keyward[a{b=1}]=debug".to_owned()),
            ),
        ] {
            assert_eq!(log_filter(text), Err(expected), "{text:?}");
        }
    }

    #[test]
    fn a_log_filter_has_levels_by_target() {
        use tracing::Level;
        for (text, target, level, is_logged) in [
            ("info", "keyward", Level::INFO, true),
            ("info", "keyward", Level::DEBUG, false),
            ("off", "keyward", Level::ERROR, false),
            ("keyward=debug", "keyward::request", Level::DEBUG, true),
            ("keyward=debug", "actix_web", Level::ERROR, false),
            (
                "info,keyward::request=warn",
                "keyward::request",
                Level::INFO,
                false,
            ),
            (
                "info,keyward::request=warn",
                "keyward::cache",
                Level::INFO,
                true,
            ),
            ("keyward=TRACE", "keyward", Level::TRACE, true),
            ("keyward=2", "keyward", Level::WARN, true),
            ("keyward=2", "keyward", Level::INFO, false),
            (" warn , keyward=debug ", "keyward", Level::DEBUG, true),
            ("warn,debug", "keyward", Level::DEBUG, true),
            ("keyward=warn,keyward=debug", "keyward", Level::DEBUG, true),
        ] {
            let targets = log_targets(text).unwrap();
            assert_eq!(
                targets.would_enable(target, &level),
                is_logged,
                "{text:?} {target} {level}"
            );
        }
    }

    #[test]
    fn open_registration_cannot_give_rights() {
        let right = InvalidValue::RegistrationRight("keyward:keys:read".to_owned());
        assert_eq!(registration_scope("a keyward:keys:read"), Err(right));
        assert_eq!(registration_scope("a\"b"), Err(InvalidScope.into()));
        assert!(registration_scope("a b").is_ok());
    }
}
