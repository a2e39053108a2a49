//! Types and parsers of single settings.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;

use crate::clock::parse_duration;
use crate::scope::{InvalidScope, Scope};
use crate::trace_context::Sampler;

const PROXY_FORM: &str = "expected http://[USER:PASSWORD@]HOST:PORT";

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
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let proxy = url::Url::parse(text).ok().filter(|url| {
            let nothing_else =
                matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
            matches!(url.scheme(), "http" | "https") && url.host_str().is_some() && nothing_else
        });
        proxy.map(ProxyUrl).ok_or_else(|| PROXY_FORM.to_owned())
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

pub(super) fn listen_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "expected an IP address and a port, such as 127.0.0.1:8080 or [::1]:8080".to_owned()
    })
}

/// The base URL of an OTLP receiver over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtlpEndpoint(String);

impl FromStr for OtlpEndpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let url = url::Url::parse(text).ok().filter(|url| {
            let plain = url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
                && url.fragment().is_none();
            matches!(url.scheme(), "http" | "https") && url.host_str().is_some() && plain
        });
        url.map(|_| OtlpEndpoint(text.to_owned())).ok_or_else(|| {
            "expected the base URL of a collector, without user name and query, such as http://127.0.0.1:4318"
                .to_owned()
        })
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
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(SampleRatio(ratio)),
            _ => Err("expected a number from 0 to 1, such as 0.1".to_owned()),
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

pub(super) fn token_ttl(text: &str) -> Result<Duration, String> {
    within(
        text,
        1,
        30 * 24 * 3600,
        "the lifetime must be between 1 second and 30 days",
    )
}

pub(super) fn jwks_max_age(text: &str) -> Result<Duration, String> {
    within(
        text,
        0,
        7 * 24 * 3600,
        "resource servers can cache the keys for a week at most",
    )
}

fn within(text: &str, min: u64, max: u64, rule: &str) -> Result<Duration, String> {
    let duration = parse_duration(text)?;
    if (min..=max).contains(&duration.as_secs()) {
        Ok(duration)
    } else {
        Err(rule.to_owned())
    }
}

/// Parses a scope, which must not contain a right of the management API (`keyward:…`).
pub(super) fn registration_scope(text: &str) -> Result<Scope, String> {
    let scope: Scope = text
        .parse()
        .map_err(|error: InvalidScope| error.to_string())?;
    if let Some(right) = scope.rights().next() {
        return Err(format!(
            "openly registered clients must not get the right {right}"
        ));
    }
    Ok(scope)
}

pub(super) fn max_connections(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number >= 16 => Ok(number),
        _ => Err("expected a number of 16 or more".to_owned()),
    }
}

pub(super) fn log_filter(text: &str) -> Result<String, String> {
    // A bare word that is not a level would be read as a module name, and would silence all others.
    let levels = ["off", "error", "warn", "info", "debug", "trace"];
    if let Some(word) = text
        .split(',')
        .find(|word| !word.contains('=') && !levels.contains(&word.trim()))
    {
        return Err(format!(
            "{word:?} is not a log level; use one of {}",
            levels.join(", ")
        ));
    }
    match tracing_subscriber::EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
