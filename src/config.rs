//! Settings: a flag, else `KEYWARD_…` in the environment, else `keyward.toml`, else the default.
//! Each is declared once, here; the flag, the variable and the name in the file are the same words.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgMatches, Command, ValueEnum};
use serde::Serialize;
use toml::de::{DeTable, DeValue};

use crate::client_ip::{ForwardedHeader, TrustedProxies};
use crate::clock::parse_duration;
use crate::credential::redacted;
use crate::error::Error;
use crate::scope::{InvalidScope, Scope};
use crate::store::DatabaseUrl;
use crate::store::resource_server::{self, Resources};
use crate::trace_context::Sampler;

const ENVIRONMENT_PREFIX: &str = "KEYWARD_";
const PROXY_FORM: &str = "expected http://[USER:PASSWORD@]HOST:PORT";
const DEFAULT_FILE: &str = "keyward.toml";

/// Settings whose values are never shown in an error: each may hold a secret.
const SECRET_SETTINGS: [&str; 3] = ["database_url", "outbound_proxy", "operator_password"];

/// Settings that may differ from node to node, and the issuer.
const NODE_SETTINGS: [&str; 15] = [
    "listen",
    "issuer",
    "database_url",
    "keys_dir",
    "log",
    "tls_cert",
    "tls_key",
    "max_connections",
    "http2_cleartext",
    "outbound_proxy",
    "outbound_ca",
    "otlp_endpoint",
    "otlp_sample_ratio",
    "operator_email",
    "operator_password",
];

/// What is in force.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Settings")]
pub struct Settings {
    /// The address and port to listen on
    #[arg(long, global = true, env = "KEYWARD_LISTEN", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080", value_parser = listen_address)]
    pub listen: SocketAddr,

    /// The issuer: the exact URL that tokens carry in `iss` [default: http:// and the listen address]
    #[arg(long, global = true, env = "KEYWARD_ISSUER", value_name = "URL")]
    pub issuer: Option<Issuer>,

    /// sqlite://PATH or postgres://…
    #[arg(
        long,
        global = true,
        env = "KEYWARD_DATABASE_URL",
        value_name = "URL",
        default_value = "sqlite://data/keyward.db",
        hide_env_values = true
    )]
    pub database_url: DatabaseUrl,

    /// The folder of the key file that seals the signing keys; every node needs the same
    #[arg(
        long,
        global = true,
        env = "KEYWARD_KEYS_DIR",
        value_name = "DIR",
        default_value = "keys"
    )]
    pub keys_dir: PathBuf,

    /// How long an access token lives
    #[arg(long, global = true, env = "KEYWARD_TOKEN_TTL", value_name = "SECONDS", default_value = "3600", value_parser = token_ttl)]
    pub token_ttl: Duration,

    /// Whether each issued token leaves a durable record that can be listed
    #[arg(
        long,
        global = true,
        env = "KEYWARD_TOKEN_RECORDS",
        value_name = "on|off",
        default_value = "on",
        hide_possible_values = true
    )]
    pub token_records: Switch,

    /// How long resource servers may keep the published keys
    #[arg(long, global = true, env = "KEYWARD_JWKS_MAX_AGE", value_name = "SECONDS", default_value = "300", value_parser = jwks_max_age)]
    pub jwks_max_age: Duration,

    /// The age at which the signing key is followed by a new one
    #[arg(long, global = true, env = "KEYWARD_SIGNING_KEY_MAX_AGE", value_name = "SPAN", default_value = "90d", value_parser = parse_duration)]
    pub signing_key_max_age: Duration,

    /// Who may register clients: `token` (with an initial access token), `open` or `off`
    #[arg(
        long,
        global = true,
        env = "KEYWARD_REGISTRATION",
        value_name = "MODE",
        default_value = "token",
        hide_possible_values = true
    )]
    pub registration: Registration,

    /// With open registration: the scope that such clients may have
    #[arg(long, global = true, env = "KEYWARD_REGISTRATION_SCOPE", value_name = "SCOPE", default_value = "", value_parser = registration_scope)]
    pub registration_scope: Scope,

    /// With open registration: the resource servers that such clients may use, separated by spaces
    #[arg(
        long,
        global = true,
        env = "KEYWARD_REGISTRATION_RESOURCES",
        value_name = "URIS",
        default_value = ""
    )]
    pub registration_resources: Resources,

    /// Whether a client assertion may also name the token endpoint as its audience
    #[arg(
        long,
        global = true,
        env = "KEYWARD_ASSERTION_FOR_TOKEN_ENDPOINT",
        value_name = "on|off",
        default_value = "off",
        hide_possible_values = true
    )]
    pub assertion_for_token_endpoint: Switch,

    /// Whether a `jwks_uri` may lie at a loopback, private or link-local address
    #[arg(
        long,
        global = true,
        env = "KEYWARD_PRIVATE_JWKS_URI",
        value_name = "on|off",
        default_value = "off",
        hide_possible_values = true
    )]
    pub private_jwks_uri: Switch,

    /// How long the audit is kept
    #[arg(long, global = true, env = "KEYWARD_AUDIT_KEPT", value_name = "SPAN", default_value = "365d", value_parser = parse_duration)]
    pub audit_kept: Duration,

    /// After how long without use a session in the portal ends
    #[arg(long, global = true, env = "KEYWARD_PORTAL_IDLE", value_name = "SPAN", default_value = "1h", value_parser = parse_duration)]
    pub portal_idle: Duration,

    /// After how long a session in the portal ends in any case
    #[arg(long, global = true, env = "KEYWARD_PORTAL_SESSION", value_name = "SPAN", default_value = "12h", value_parser = parse_duration)]
    pub portal_session: Duration,

    /// Whether operators must have a second factor to get into the portal; accounts say it for themselves
    #[arg(
        long,
        global = true,
        env = "KEYWARD_OPERATOR_SECOND_FACTOR",
        value_name = "on|off",
        default_value = "off",
        hide_possible_values = true
    )]
    pub operator_second_factor: Switch,

    /// The addresses or networks of the proxies in front, separated by commas
    #[arg(
        long,
        global = true,
        env = "KEYWARD_TRUSTED_PROXIES",
        value_name = "NETWORKS",
        default_value = ""
    )]
    pub trusted_proxies: TrustedProxies,

    /// The header in which these proxies write the client IP: `x-forwarded-for` or `forwarded` (RFC 7239)
    #[arg(
        long,
        global = true,
        env = "KEYWARD_FORWARDED_HEADER",
        value_name = "HEADER",
        default_value = "x-forwarded-for",
        hide_possible_values = true
    )]
    pub forwarded_header: ForwardedHeader,

    /// What is logged: error, warn, info, debug, or a filter for parts of it
    #[arg(long, global = true, env = "KEYWARD_LOG", value_name = "FILTER", default_value = "info", value_parser = log_filter)]
    pub log: String,

    /// The certificate chain to serve HTTPS with, in PEM
    #[arg(long, global = true, env = "KEYWARD_TLS_CERT", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,

    /// The private key of the certificate, in PEM
    #[arg(long, global = true, env = "KEYWARD_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,

    /// How many connections may be open [default: as many as the descriptors allow, 10000 at the most]
    #[arg(long, global = true, env = "KEYWARD_MAX_CONNECTIONS", value_name = "NUMBER", value_parser = max_connections)]
    pub max_connections: Option<usize>,

    /// Whether HTTP/2 is also spoken without TLS, with prior knowledge (h2c), as some proxies do
    #[arg(
        long,
        global = true,
        env = "KEYWARD_HTTP2_CLEARTEXT",
        value_name = "on|off",
        default_value = "off",
        hide_possible_values = true
    )]
    pub http2_cleartext: Switch,

    /// The HTTP proxy for outgoing requests, as http://[USER:PASSWORD@]HOST:PORT; the proxy must refuse inner addresses
    #[arg(
        long,
        global = true,
        env = "KEYWARD_OUTBOUND_PROXY",
        value_name = "URL",
        hide_env_values = true
    )]
    pub outbound_proxy: Option<ProxyUrl>,

    /// Certificate authorities for outgoing requests, in PEM, beside the system's
    #[arg(long, global = true, env = "KEYWARD_OUTBOUND_CA", value_name = "FILE")]
    pub outbound_ca: Option<PathBuf>,

    /// The OTLP endpoint of an OpenTelemetry collector, such as http://127.0.0.1:4318 [default: no export of traces]
    #[arg(long, global = true, env = "KEYWARD_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<OtlpEndpoint>,

    /// The share of traces that begin here to export, from 0 to 1; traces of callers follow the caller
    #[arg(
        long,
        global = true,
        env = "KEYWARD_OTLP_SAMPLE_RATIO",
        value_name = "RATIO",
        default_value = "1"
    )]
    pub otlp_sample_ratio: SampleRatio,

    /// The e-mail address of the operator that the first start makes
    #[arg(
        long,
        global = true,
        env = "KEYWARD_OPERATOR_EMAIL",
        value_name = "EMAIL",
        default_value = "operator@keyward.local"
    )]
    pub operator_email: String,

    /// That operator's password [default: a random one, shown once]; better in the environment than as a flag
    #[arg(
        long,
        global = true,
        env = "KEYWARD_OPERATOR_PASSWORD",
        value_name = "PASSWORD",
        hide_env_values = true
    )]
    pub operator_password: Option<Secret>,
}

/// A value that is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The value itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl FromStr for Secret {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Secret(text.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The settings that [`LiveSettings::reload`] takes over. The others are read once, at the start.
const RELOADABLE: [&str; 11] = [
    "registration",
    "registration_scope",
    "registration_resources",
    "assertion_for_token_endpoint",
    "audit_kept",
    "portal_idle",
    "portal_session",
    "operator_second_factor",
    "trusted_proxies",
    "forwarded_header",
    "log",
];

/// The settings of a server that runs: read like [`Settings`], and replaced as a whole by a reload.
///
/// What was replaced stays in memory, a kilobyte for each reload that changed something, so that a setting
/// can be borrowed like any field.
pub struct LiveSettings(ArcSwap<&'static Settings>);

impl LiveSettings {
    /// The settings of the start.
    pub fn new(settings: Settings) -> Self {
        LiveSettings(ArcSwap::from_pointee(Box::leak(Box::new(settings))))
    }

    /// The settings of this moment.
    pub fn current(&self) -> &'static Settings {
        **self.0.load()
    }

    /// Takes over what can change while the server runs; gives the names of all settings that changed,
    /// and whether each was taken over.
    pub fn reload(&self, new: Settings) -> Vec<(&'static str, bool)> {
        let old = self.current();
        let mut kept = old.clone();
        // Port 0 became another one at the start.
        let any_port = new.listen.port() == 0 && new.listen.ip() == old.listen.ip();
        let new = Settings {
            listen: if any_port { old.listen } else { new.listen },
            ..new
        };
        let pairs = old.values().into_iter().zip(new.values());
        let changed: Vec<_> = pairs
            .filter(|((_, before), (_, after))| before != after)
            .map(|((name, _), _)| (name, RELOADABLE.contains(&name)))
            .collect();
        kept.registration = new.registration;
        kept.registration_scope = new.registration_scope;
        kept.registration_resources = new.registration_resources;
        kept.assertion_for_token_endpoint = new.assertion_for_token_endpoint;
        kept.audit_kept = new.audit_kept;
        kept.portal_idle = new.portal_idle;
        kept.portal_session = new.portal_session;
        kept.operator_second_factor = new.operator_second_factor;
        kept.trusted_proxies = new.trusted_proxies;
        kept.forwarded_header = new.forwarded_header;
        kept.log = new.log;
        if changed.iter().any(|(_, taken)| *taken) {
            self.0.store(Arc::new(Box::leak(Box::new(kept))));
        }
        changed
    }
}

impl std::ops::Deref for LiveSettings {
    type Target = Settings;

    fn deref(&self) -> &Settings {
        self.current()
    }
}

/// `on` or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "the names say it")]
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

/// Who may register clients (RFC 7591).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Registration {
    /// Who has an initial access token.
    Token,
    /// Anybody.
    Open,
    /// Nobody.
    Off,
}

/// The issuer identifier (RFC 8414 section 2): compared character by character, so never
/// normalised, and never derived from a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer(String);

impl FromStr for Issuer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text
            .split_once(':')
            .ok_or("expected a URL, such as https://auth.example")?;
        if !["http", "https"].contains(&scheme.to_ascii_lowercase().as_str())
            || !rest.starts_with("//")
        {
            return Err(
                "expected a URL that begins with https:// or http://, such as https://auth.example"
                    .to_owned(),
            );
        }
        if text.contains(['?', '#']) {
            return Err("an issuer has no query and no fragment (RFC 8414 section 2)".to_owned());
        }
        if !text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"{}<>\"\\^`|%".contains(&byte))
        {
            let plain = "an issuer is printable ASCII without spaces, backslashes, quotes, braces and percent signs";
            return Err(format!(
                "{plain}; write a name in other letters in its ASCII form, xn--…"
            ));
        }
        let url = url::Url::parse(text).map_err(|error| error.to_string())?;
        if !url.username().is_empty()
            || url.password().is_some()
            || rest[2..]
                .split('/')
                .next()
                .is_some_and(|host| host.contains('@'))
        {
            return Err("an issuer has no user name and no password".to_owned());
        }
        if url.port() == Some(0) {
            return Err("nothing can be reached at port 0".to_owned());
        }
        if url.path().contains("//") {
            return Err("an issuer has no empty segments in its path".to_owned());
        }
        // HTTP clients use what they parsed. Capitals in the host and a default port make no difference to
        // them (RFC 3986 section 6.2); whatever else they would change is a mistake.
        let parsed = url.as_str();
        let (authority, path) = rest[2..]
            .find('/')
            .map_or((&rest[2..], ""), |slash| rest[2..].split_at(slash));
        let default_port = if scheme == "https" { ":443" } else { ":80" };
        let host = authority
            .strip_suffix(default_port)
            .unwrap_or(authority)
            .to_ascii_lowercase();
        let expected = format!("{scheme}://{host}{path}");
        if parsed != expected && parsed.strip_suffix('/') != Some(&expected) {
            return Err(format!(
                "clients would read it as another URL; write {}",
                parsed.trim_end_matches('/')
            ));
        }
        Ok(Issuer(text.to_owned()))
    }
}

impl Issuer {
    /// Character by character.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether callers reach it by TLS, its own or a proxy's.
    pub fn is_https(&self) -> bool {
        self.0
            .get(..6)
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"))
    }

    /// The path of the issuer, without a slash at its end; empty where it has none.
    pub fn path(&self) -> &str {
        let after_scheme = self.0.split_once("://").map_or("", |(_, rest)| rest);
        after_scheme
            .find('/')
            .map_or("", |start| &after_scheme[start..])
            .trim_end_matches('/')
    }

    /// Scheme, host and port, as browsers write them in `Origin` (RFC 6454 section 7): without capitals and
    /// without a default port, also where the issuer has them.
    pub fn origin(&self) -> String {
        url::Url::parse(&self.0).map_or_else(
            |_| self.authority().to_owned(),
            |url| url.origin().ascii_serialization(),
        )
    }

    /// What stands before the path.
    fn authority(&self) -> &str {
        let whole = self.0.trim_end_matches('/');
        whole.strip_suffix(self.path()).unwrap_or(whole)
    }

    /// The URL of one of Keyward's own paths, such as `/oauth/token`.
    pub fn endpoint(&self, path: &str) -> String {
        format!("{}{path}", self.0.trim_end_matches('/'))
    }

    /// The audience of the management API.
    pub fn management_audience(&self) -> String {
        resource_server::management_audience(&self.0)
    }

    /// Where RFC 8414 section 3.1 puts the metadata: before the path of the issuer.
    pub fn metadata_path(&self) -> String {
        format!("/.well-known/oauth-authorization-server{}", self.path())
    }

    /// Whether it names this machine alone.
    pub fn is_local(&self) -> bool {
        match url::Url::parse(&self.0).as_ref().map(url::Url::host) {
            Ok(Some(url::Host::Ipv4(address))) => address.is_loopback(),
            Ok(Some(url::Host::Ipv6(address))) => address.is_loopback(),
            Ok(Some(url::Host::Domain(name))) => {
                name == "localhost" || name.ends_with(".localhost")
            }
            Ok(None) | Err(_) => false,
        }
    }

    /// The URL of [`Issuer::metadata_path`].
    pub fn metadata_url(&self) -> String {
        format!("{}{}", self.authority(), self.metadata_path())
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn listen_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "expected an IP address and a port, such as 127.0.0.1:8080 or [::1]:8080".to_owned()
    })
}

/// The URL of an HTTP proxy (RFC 9110 section 9.3.6, CONNECT). Shown without its password.
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
    /// All of it, with the password.
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

/// The base URL of an OTLP receiver over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtlpEndpoint(url::Url);

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
        url.map(OtlpEndpoint).ok_or_else(|| {
            "expected the base URL of a collector, without user name and query, such as http://127.0.0.1:4318"
                .to_owned()
        })
    }
}

impl OtlpEndpoint {
    /// The URL that takes traces (OpenTelemetry, "OTLP Exporter Configuration": the base URL and `v1/traces`).
    pub fn traces_url(&self) -> String {
        format!("{}/v1/traces", self.0.as_str().trim_end_matches('/'))
    }
}

impl fmt::Display for OtlpEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
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

impl fmt::Display for SampleRatio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn token_ttl(text: &str) -> Result<Duration, String> {
    within(
        text,
        1,
        30 * 24 * 3600,
        "a token lives from a second to 30 days",
    )
}

fn jwks_max_age(text: &str) -> Result<Duration, String> {
    within(
        text,
        0,
        7 * 24 * 3600,
        "the published keys may be kept for a week at the most",
    )
}

fn within(text: &str, least: u64, most: u64, rule: &str) -> Result<Duration, String> {
    let duration = parse_duration(text)?;
    if (least..=most).contains(&duration.as_secs()) {
        Ok(duration)
    } else {
        Err(rule.to_owned())
    }
}

/// What clients that register themselves must never get is no right of the management API.
fn registration_scope(text: &str) -> Result<Scope, String> {
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

fn max_connections(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number >= 16 => Ok(number),
        _ => Err("a number of 16 or more".to_owned()),
    }
}

fn log_filter(text: &str) -> Result<String, String> {
    // A bare word that is no level would be taken for the name of a part, and silence all others.
    let levels = ["off", "error", "warn", "info", "debug", "trace"];
    if let Some(word) = text
        .split(',')
        .find(|word| !word.contains('=') && !levels.contains(&word.trim()))
    {
        return Err(format!(
            "{word:?} is no level; there are {}",
            levels.join(", ")
        ));
    }
    match tracing_subscriber::EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// One setting, its value as people read it, and where it came from.
#[derive(Debug, Serialize)]
pub struct Entry {
    /// Its name in `keyward.toml`.
    pub name: &'static str,
    /// Nothing where it is not set.
    pub value: Option<String>,
    /// `flag`, the environment variable, the file, or `default`.
    pub source: String,
}

impl Settings {
    /// Checks what several settings say together, with the issuer that is served with.
    ///
    /// # Errors
    /// Openly registered clients would get to the management API.
    pub fn check(&self, issuer: &Issuer) -> Result<(), Error> {
        if self
            .registration_resources
            .contains(&issuer.management_audience())
        {
            let reason = "openly registered clients must not use the management API";
            return Err(Error::server_error(reason).field("registration_resources"));
        }
        Ok(())
    }

    /// The issuer: as set, else `http://` and the address listened on.
    pub fn issuer(&self) -> Issuer {
        let (scheme, default_port) = if self.tls_cert.is_some() {
            ("https", 443)
        } else {
            ("http", 80)
        };
        let authority = match self.listen {
            // As browsers and HTTP clients write it.
            SocketAddr::V4(listen) if listen.port() == default_port => listen.ip().to_string(),
            SocketAddr::V6(listen) if listen.port() == default_port => format!("[{}]", listen.ip()),
            listen => listen.to_string(),
        };
        self.issuer
            .clone()
            .unwrap_or_else(|| Issuer(format!("{scheme}://{authority}")))
    }

    /// Decides which of the traces that begin here are exported: none without `otlp_endpoint`.
    pub fn sampler(&self) -> Sampler {
        match &self.otlp_endpoint {
            Some(_) => Sampler::new(self.otlp_sample_ratio.0),
            None => Sampler::OFF,
        }
    }

    fn values(&self) -> Vec<(&'static str, Option<String>)> {
        let switch = |switch: Switch| Some(if switch.is_on() { "on" } else { "off" }.to_owned());
        let seconds = |duration: Duration| Some(duration.as_secs().to_string());
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        let registration = self
            .registration
            .to_possible_value()
            .map(|value| value.get_name().to_owned());
        let forwarded_header = self
            .forwarded_header
            .to_possible_value()
            .map(|value| value.get_name().to_owned());
        vec![
            ("listen", Some(self.listen.to_string())),
            ("issuer", Some(self.issuer().to_string())),
            ("database_url", Some(self.database_url.to_string())),
            ("keys_dir", Some(self.keys_dir.display().to_string())),
            ("token_ttl", seconds(self.token_ttl)),
            ("token_records", switch(self.token_records)),
            ("jwks_max_age", seconds(self.jwks_max_age)),
            ("signing_key_max_age", seconds(self.signing_key_max_age)),
            ("registration", registration),
            (
                "registration_scope",
                Some(self.registration_scope.to_string()),
            ),
            (
                "registration_resources",
                Some(self.registration_resources.as_str().to_owned()),
            ),
            (
                "assertion_for_token_endpoint",
                switch(self.assertion_for_token_endpoint),
            ),
            ("private_jwks_uri", switch(self.private_jwks_uri)),
            ("audit_kept", seconds(self.audit_kept)),
            ("portal_idle", seconds(self.portal_idle)),
            ("portal_session", seconds(self.portal_session)),
            (
                "operator_second_factor",
                switch(self.operator_second_factor),
            ),
            ("trusted_proxies", Some(self.trusted_proxies.to_string())),
            ("forwarded_header", forwarded_header),
            ("log", Some(self.log.clone())),
            ("tls_cert", path(&self.tls_cert)),
            ("tls_key", path(&self.tls_key)),
            (
                "max_connections",
                self.max_connections.map(|number| number.to_string()),
            ),
            ("http2_cleartext", switch(self.http2_cleartext)),
            (
                "outbound_proxy",
                self.outbound_proxy.as_ref().map(ToString::to_string),
            ),
            ("outbound_ca", path(&self.outbound_ca)),
            (
                "otlp_endpoint",
                self.otlp_endpoint.as_ref().map(OtlpEndpoint::to_string),
            ),
            ("otlp_sample_ratio", Some(self.otlp_sample_ratio.to_string())),
            ("operator_email", Some(self.operator_email.clone())),
            (
                "operator_password",
                self.operator_password.as_ref().map(|_| "***".to_owned()),
            ),
        ]
    }

    /// The settings that must be the same on all nodes of a deployment, with their values. The issuer, the
    /// life of tokens and the age of published keys are compared by themselves.
    pub fn shared(&self) -> BTreeMap<String, String> {
        let shared = |name: &str| !NODE_SETTINGS.contains(&name);
        let values = self.values().into_iter().filter(|(name, _)| shared(name));
        values
            .map(|(name, value)| (name.to_owned(), value.unwrap_or_default()))
            .collect()
    }
}

/// Reads the command line with the environment and the file beneath it.
///
/// # Errors
/// clap's own, for what it prints and exits with. An unknown or unreadable setting is named as it was given:
/// the flag, the variable, or the file and the line.
pub fn read(
    command: &Command,
    arguments: Vec<OsString>,
    environment: impl Iterator<Item = (OsString, OsString)>,
) -> Result<(ArgMatches, Sources), clap::Error> {
    check_environment(command, environment)?;
    let first = parse(command, &arguments, |name| {
        let flag = flag(name);
        let given = |argument: &OsString| {
            argument.to_str().is_some_and(|argument| {
                argument
                    .strip_prefix(&flag)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
            })
        };
        if arguments.iter().any(given) {
            Source::Flag
        } else {
            Source::Environment
        }
    })?;
    let leaf = deepest(&first);
    let mut sources = Sources::default();
    for name in names(command) {
        let source = match leaf.value_source(&name) {
            Some(ValueSource::CommandLine) => Source::Flag,
            Some(ValueSource::EnvVariable) => Source::Environment,
            _ => Source::Default,
        };
        sources.0.insert(name, source);
    }

    let chosen: Option<&PathBuf> = leaf.get_one("config");
    let file = chosen.map_or(Path::new(DEFAULT_FILE), PathBuf::as_path);
    let label = chosen.map(|_| sources.label("config"));
    // What the file says goes in front, as flags: so it is read and refused like any other.
    let mut flags = Vec::new();
    for setting in read_file(command, file, label)? {
        if sources.of(&setting.name) == &Source::Default {
            flags.push(OsString::from(format!(
                "{}={}",
                flag(&setting.name),
                setting.value
            )));
            sources.0.insert(
                setting.name,
                Source::File {
                    path: file.to_owned(),
                    line: setting.line,
                },
            );
        }
    }
    let matches = if flags.is_empty() {
        first
    } else {
        let program = arguments.first().cloned();
        let all = program
            .into_iter()
            .chain(flags)
            .chain(arguments.into_iter().skip(1));
        parse(command, &all.collect::<Vec<_>>(), |name| {
            sources.of(name).clone()
        })?
    };
    for (set, missing) in [("tls_cert", "tls_key"), ("tls_key", "tls_cert")] {
        let (set, missing) = (
            sources.of(set).names(set),
            sources.of(missing).is_default().then_some(missing),
        );
        if let (Some(set), Some(missing)) = (set, missing) {
            return Err(refuse(
                command,
                format!("{set} is set and {missing} is not: HTTPS needs both"),
            ));
        }
    }
    Ok((matches, sources))
}

/// Parses arguments; where clap refuses the value of a setting, the error names it as it was given.
fn parse(
    command: &Command,
    arguments: &[OsString],
    source: impl Fn(&str) -> Source,
) -> Result<ArgMatches, clap::Error> {
    command
        .clone()
        .try_get_matches_from(arguments)
        .map_err(|error| {
            let text = |kind| match error.get(kind) {
                Some(ContextValue::String(text)) => Some(text.as_str()),
                _ => None,
            };
            let argument =
                text(ContextKind::InvalidArg).and_then(|argument| argument.strip_prefix("--"));
            let name = argument
                .and_then(|argument| argument.split([' ', '=']).next())
                .unwrap_or_default()
                .replace('-', "_");
            if !matches!(
                error.kind(),
                ErrorKind::ValueValidation | ErrorKind::InvalidValue
            ) || !names(command).contains(&name)
            {
                // A URL in the place of a command, or behind a mistyped flag, may hold a password.
                let given = [
                    ContextKind::InvalidArg,
                    ContextKind::InvalidSubcommand,
                    ContextKind::InvalidValue,
                ];
                let given = given
                    .into_iter()
                    .filter_map(|kind| error.get(kind))
                    .map(ToString::to_string);
                return match given
                    .filter(|given| given.contains("postgres"))
                    .any(|given| given.contains("://"))
                {
                    true => refuse(
                        command,
                        "unexpected URL of a database; write --database-url in front of it"
                            .to_owned(),
                    ),
                    false => error,
                };
            }
            let expected = match error.get(ContextKind::ValidValue) {
                Some(ContextValue::Strings(values)) if !values.is_empty() => {
                    format!("expected {}", values.join(" or "))
                }
                _ => std::error::Error::source(&error)
                    .map_or_else(|| "expected a value".to_owned(), ToString::to_string),
            };
            let (label, value) = (
                source(&name).label(&name),
                text(ContextKind::InvalidValue).unwrap_or_default(),
            );
            let shown = format!("{value:?}");
            // A URL with a password may have been meant for another setting.
            let user_info = value
                .rsplit_once('@')
                .map(|(before, _)| before.rsplit('/').next().unwrap_or_default());
            let secret = SECRET_SETTINGS.contains(&name.as_str())
                || user_info.is_some()
                || redacted(value) != *value;
            let reason = if user_info
                .is_some_and(|user_info| expected.contains(&format!("{user_info}@")))
            {
                format!("{label} cannot be used; its value, which may hold a secret, is not shown")
            } else if secret || expected.contains(&shown) {
                format!("{label}: {expected}")
            } else {
                format!("{label} is {shown}: {expected}")
            };
            refuse(command, reason)
        })
}

fn flag(name: &str) -> String {
    format!("--{}", name.replace('_', "-"))
}

/// Where the value of a setting came from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    Default,
    Flag,
    Environment,
    File { path: PathBuf, line: usize },
}

impl Source {
    fn is_default(&self) -> bool {
        *self == Source::Default
    }

    /// The setting as it was given; `None` where it was not.
    fn names(&self, name: &str) -> Option<String> {
        match self {
            Source::Default => None,
            Source::Flag => Some(flag(name)),
            Source::Environment => Some(format!("{ENVIRONMENT_PREFIX}{}", name.to_uppercase())),
            Source::File { path, line } => Some(format!("{} line {line}: {name}", path.display())),
        }
    }

    fn label(&self, name: &str) -> String {
        self.names(name)
            .unwrap_or_else(|| format!("{name} (its default)"))
    }

    /// As `keyward config` shows it.
    fn shown(&self, name: &str) -> String {
        match self {
            Source::Default => "default".to_owned(),
            Source::Flag => "flag".to_owned(),
            Source::Environment => format!("{ENVIRONMENT_PREFIX}{}", name.to_uppercase()),
            Source::File { path, .. } => path.display().to_string(),
        }
    }
}

/// Where the value of each setting came from.
#[derive(Debug, Default)]
pub struct Sources(BTreeMap<String, Source>);

impl Sources {
    fn of(&self, name: &str) -> &Source {
        self.0.get(name).unwrap_or(&Source::Default)
    }

    /// The setting as it was given: the flag, the variable, or the file with the line.
    pub fn label(&self, name: &str) -> String {
        self.of(name).label(name)
    }

    /// Every setting with its value and its source.
    pub fn entries(&self, settings: &Settings) -> Vec<Entry> {
        let entry = |(name, value)| Entry {
            name,
            value,
            source: self.of(name).shown(name),
        };
        settings.values().into_iter().map(entry).collect()
    }

    /// Puts the setting that an error is about in front of it, as it was given: the one that
    /// [`Error::field`] names.
    pub fn explain(&self, error: Error) -> Error {
        match error
            .wrong_field()
            .filter(|field| self.0.contains_key(*field))
        {
            Some(field) => {
                let reason = format!("{}: {}", self.label(field), error.reason());
                error.detail(reason)
            }
            None => error,
        }
    }
}

fn deepest(matches: &ArgMatches) -> &ArgMatches {
    matches
        .subcommand()
        .map_or(matches, |(_, inner)| deepest(inner))
}

/// The names of all settings: the arguments that can come from the environment.
fn names(command: &Command) -> Vec<String> {
    command
        .get_arguments()
        .filter(|argument| argument.get_env().is_some())
        .map(|argument| argument.get_id().to_string())
        .collect()
}

fn check_environment(
    command: &Command,
    environment: impl Iterator<Item = (OsString, OsString)>,
) -> Result<(), clap::Error> {
    let path = clap::value_parser!(PathBuf).type_id();
    for (name, value) in environment {
        let shown = name.to_string_lossy();
        let Some(rest) = shown.strip_prefix(ENVIRONMENT_PREFIX) else {
            continue;
        };
        match command
            .get_arguments()
            .find(|argument| argument.get_env() == Some(name.as_os_str()))
        {
            None if is_service_variable(rest, &value.to_string_lossy()) => {}
            None => {
                let similar = similar(command, &rest.to_lowercase())
                    .map(|name| format!("{ENVIRONMENT_PREFIX}{}", name.to_uppercase()));
                return Err(refuse(
                    command,
                    format!(
                        "there is no setting {shown} (in the environment){}",
                        did_you_mean(similar)
                    ),
                ));
            }
            Some(argument)
                if value.to_str().is_none() && argument.get_value_parser().type_id() != path =>
            {
                return Err(refuse(command, format!("{shown} is no UTF-8 text")));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// Whether this is one of the variables that Kubernetes, and Docker's links, make in each container for a
/// Service named `keyward` or `keyward-…`; `name` comes without `KEYWARD_`. The value has to be of such a
/// variable too, so that a setting with a typing error is not taken for one.
fn is_service_variable(name: &str, value: &str) -> bool {
    let protocol = |text: &str| ["TCP", "UDP", "SCTP"].contains(&text.to_uppercase().as_str());
    let port = |text: &str| text.parse::<u16>().is_ok();
    let address = |text: &str| text.parse::<IpAddr>().is_ok();
    let url = || {
        value.split_once("://").is_some_and(|(scheme, authority)| {
            protocol(scheme) && authority.parse::<SocketAddr>().is_ok()
        })
    };
    let words: Vec<&str> = name.split('_').collect();
    match words.as_slice() {
        [.., "SERVICE", "HOST"] => address(value),
        [.., "PORT", number, kind] if port(number) && protocol(kind) => url(),
        [.., "PORT", number, kind, "PROTO"] if port(number) && protocol(kind) => protocol(value),
        [.., "PORT", number, kind, "PORT"] if port(number) && protocol(kind) => value == *number,
        [.., "PORT", number, kind, "ADDR"] if port(number) && protocol(kind) => address(value),
        // With the name of a port behind it, too.
        _ if words.windows(2).any(|pair| pair == ["SERVICE", "PORT"]) => port(value),
        [.., "PORT"] => url(),
        _ => false,
    }
}

/// The setting whose name is the most like this one.
fn similar(command: &Command, name: &str) -> Option<String> {
    let all = names(command)
        .into_iter()
        .map(|known| (strsim::jaro_winkler(&known, name), known));
    all.filter(|(likeness, _)| *likeness > 0.85)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, known)| known)
}

fn did_you_mean(similar: Option<String>) -> String {
    similar
        .map(|similar| format!("; did you mean {similar}?"))
        .unwrap_or_default()
}

/// A setting as the file has it.
struct FileSetting {
    name: String,
    value: String,
    line: usize,
}

/// Reads the settings file; `label` is how it was chosen, and a file that nobody chose may be missing.
fn read_file(
    command: &Command,
    file: &Path,
    label: Option<String>,
) -> Result<Vec<FileSetting>, clap::Error> {
    let bytes = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && label.is_none() => {
            return Ok(Vec::new());
        }
        Err(error) => {
            let label = label.map(|label| format!("{label}: ")).unwrap_or_default();
            return Err(refuse(
                command,
                format!("{label}{}: {error}", file.display()),
            ));
        }
    };
    let line_of = |place: usize| {
        1 + bytes
            .iter()
            .take(place)
            .filter(|byte| **byte == b'\n')
            .count()
    };
    let wrong = |place: usize, reason: String| {
        refuse(
            command,
            format!("{} line {}: {reason}", file.display(), line_of(place)),
        )
    };
    let text = str::from_utf8(&bytes)
        .map_err(|error| wrong(error.valid_up_to(), "this is no UTF-8 text".to_owned()))?;
    // The parser's own words would repeat the line, which may hold a secret.
    let table = DeTable::parse(text).map_err(|error| {
        wrong(
            error.span().map_or(0, |span| span.start),
            format!("this is no TOML: {}", error.message()),
        )
    })?;
    let known = names(command);
    let mut settings = Vec::new();
    for (key, value) in table.into_inner() {
        let (place, name) = (key.span().start, key.into_inner().into_owned());
        if !known.contains(&name) || name == "config" {
            let similar = did_you_mean(
                similar(command, &name.to_lowercase().replace('-', "_"))
                    .filter(|similar| similar != "config"),
            );
            return Err(wrong(place, format!("there is no setting {name}{similar}")));
        }
        let value = match value.into_inner() {
            DeValue::String(text) => text.into_owned(),
            DeValue::Integer(number) => {
                match i64::from_str_radix(number.as_str(), number.radix()) {
                    Ok(number) => number.to_string(),
                    Err(_) => return Err(wrong(place, format!("{name} is too large a number"))),
                }
            }
            DeValue::Array(words) if words.iter().all(|word| word.get_ref().is_str()) => {
                let words: Vec<&str> = words
                    .iter()
                    .filter_map(|word| word.get_ref().as_str())
                    .collect();
                words.join(if name == "trusted_proxies" { "," } else { " " })
            }
            DeValue::Boolean(on) => if on { "on" } else { "off" }.to_owned(),
            other => {
                let kind = other.type_str();
                return Err(wrong(
                    place,
                    format!("{name} is text or a number, and no {kind}"),
                ));
            }
        };
        settings.push(FileSetting {
            name,
            value,
            line: line_of(place),
        });
    }
    Ok(settings)
}

fn refuse(command: &Command, reason: String) -> clap::Error {
    command.clone().error(ErrorKind::InvalidValue, reason)
}
