//! Settings: a flag, else `KEYWARD_…` in the environment, else `keyward.toml`, else the default.
//! Each is declared once, here; the flag, the variable and the name in the file are the same words.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::error::ContextKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Command, ValueEnum};
use ipnet::IpNet;
use serde::Serialize;

use crate::clock::parse_duration;
use crate::scope::Scope;
use crate::store::DatabaseUrl;
use crate::store::resource_server::Resources;

const ENVIRONMENT_PREFIX: &str = "KEYWARD_";
const DEFAULT_FILE: &str = "keyward.toml";

/// What is in force.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Settings")]
pub struct Settings {
    /// The address and port to listen on
    #[arg(long, global = true, env = "KEYWARD_LISTEN", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
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
    #[arg(long, global = true, env = "KEYWARD_KEYS_DIR", value_name = "DIR", default_value = "keys")]
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
    #[arg(long, global = true, env = "KEYWARD_REGISTRATION_SCOPE", value_name = "SCOPE", default_value = "")]
    pub registration_scope: Scope,

    /// With open registration: the resource servers that such clients may use, separated by spaces
    #[arg(long, global = true, env = "KEYWARD_REGISTRATION_RESOURCES", value_name = "URIS", default_value = "")]
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
    #[arg(long, global = true, env = "KEYWARD_TRUSTED_PROXIES", value_name = "NETWORKS", default_value = "")]
    pub trusted_proxies: TrustedProxies,

    /// What is logged: error, warn, info, debug, or a filter for parts of it
    #[arg(long, global = true, env = "KEYWARD_LOG", value_name = "FILTER", default_value = "info", value_parser = log_filter)]
    pub log: String,

    /// The certificate chain to serve HTTPS with, in PEM
    #[arg(long, global = true, env = "KEYWARD_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// The private key of the certificate, in PEM
    #[arg(long, global = true, env = "KEYWARD_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
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
        let url = url::Url::parse(text).map_err(|error| error.to_string())?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err("an issuer is an https URL".to_owned());
        }
        if text.contains(['?', '#']) {
            return Err("an issuer has no query and no fragment".to_owned());
        }
        if !url.username().is_empty()
            || url.password().is_some()
            || !text.bytes().all(|byte| byte.is_ascii_graphic() && !b"{}<>\"\\^`|%".contains(&byte))
        {
            return Err("an issuer is a plain URL of printable ASCII, without percent signs".to_owned());
        }
        Ok(Issuer(text.to_owned()))
    }
}

impl Issuer {
    /// Character by character.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path of the issuer, without a slash at its end; empty where it has none.
    pub fn path(&self) -> &str {
        let after_scheme = self.0.split_once("://").map_or("", |(_, rest)| rest);
        after_scheme.find('/').map_or("", |start| &after_scheme[start..]).trim_end_matches('/')
    }

    /// Scheme, host and port, as browsers say whence a request came (RFC 6454 section 7).
    pub fn origin(&self) -> String {
        self.0.trim_end_matches('/').strip_suffix(self.path()).unwrap_or(&self.0).to_owned()
    }

    /// The URL of one of Keyward's own paths, such as `/oauth/token`.
    pub fn endpoint(&self, path: &str) -> String {
        format!("{}{path}", self.0.trim_end_matches('/'))
    }

    /// Where RFC 8414 section 3.1 puts the metadata: before the path of the issuer.
    pub fn metadata_path(&self) -> String {
        format!("/.well-known/oauth-authorization-server{}", self.path())
    }

    /// The URL of [`Issuer::metadata_path`].
    pub fn metadata_url(&self) -> String {
        format!("{}{}", self.origin(), self.metadata_path())
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The proxies whose word about the caller's address is taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl FromStr for TrustedProxies {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        let network = |name: &str| name.parse().or_else(|_| name.parse::<IpAddr>().map(IpNet::from));
        let networks = names.map(|name| network(name).map_err(|_| format!("{name:?} is no address and no network")));
        networks.collect::<Result<_, _>>().map(TrustedProxies)
    }
}

impl TrustedProxies {
    /// Whether it is one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address.to_canonical()))
    }

    /// The address of the caller: of `X-Forwarded-For`, read from the right, the first that is not
    /// one of ours. What stands further left anybody could have written.
    pub fn caller(&self, peer: IpAddr, forwarded_for: Option<&str>) -> IpAddr {
        let mut caller = peer.to_canonical();
        let hops = forwarded_for.unwrap_or_default().rsplit(',');
        for hop in hops {
            if !self.contains(caller) {
                break;
            }
            match hop.trim().parse::<IpAddr>() {
                Ok(address) => caller = address.to_canonical(),
                Err(_) => break,
            }
        }
        caller
    }
}

impl fmt::Display for TrustedProxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.iter().map(IpNet::to_string).collect::<Vec<_>>().join(","))
    }
}

fn token_ttl(text: &str) -> Result<Duration, String> {
    within(text, 1, 30 * 24 * 3600, "a token lives from a second to 30 days")
}

fn jwks_max_age(text: &str) -> Result<Duration, String> {
    within(text, 0, 7 * 24 * 3600, "the published keys may be kept for a week at the most")
}

fn within(text: &str, least: u64, most: u64, rule: &str) -> Result<Duration, String> {
    let duration = parse_duration(text)?;
    if (least..=most).contains(&duration.as_secs()) { Ok(duration) } else { Err(rule.to_owned()) }
}

fn log_filter(text: &str) -> Result<String, String> {
    // A bare word that is no level would be taken for the name of a part, and silence all others.
    let levels = ["off", "error", "warn", "info", "debug", "trace"];
    if let Some(word) = text.split(',').find(|word| !word.contains('=') && !levels.contains(&word.trim())) {
        return Err(format!("{word:?} is no level; there are {}", levels.join(", ")));
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
    /// The issuer: as set, else `http://` and the address listened on.
    pub fn issuer(&self) -> Issuer {
        let scheme = if self.tls_cert.is_some() { "https" } else { "http" };
        self.issuer.clone().unwrap_or_else(|| Issuer(format!("{scheme}://{}", self.listen)))
    }

    fn values(&self) -> Vec<(&'static str, Option<String>)> {
        let switch = |switch: Switch| Some(if switch.is_on() { "on" } else { "off" }.to_owned());
        let seconds = |duration: Duration| Some(duration.as_secs().to_string());
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        let registration = self.registration.to_possible_value().map(|value| value.get_name().to_owned());
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
            ("registration_scope", Some(self.registration_scope.to_string())),
            ("registration_resources", Some(self.registration_resources.as_str().to_owned())),
            ("assertion_for_token_endpoint", switch(self.assertion_for_token_endpoint)),
            ("private_jwks_uri", switch(self.private_jwks_uri)),
            ("audit_kept", seconds(self.audit_kept)),
            ("portal_idle", seconds(self.portal_idle)),
            ("portal_session", seconds(self.portal_session)),
            ("operator_second_factor", switch(self.operator_second_factor)),
            ("trusted_proxies", Some(self.trusted_proxies.to_string())),
            ("log", Some(self.log.clone())),
            ("tls_cert", path(&self.tls_cert)),
            ("tls_key", path(&self.tls_key)),
        ]
    }
}

/// Reads the command line with the environment and the file beneath it.
///
/// # Errors
/// clap's own, for what it prints and exits with; an unknown or unreadable setting is named.
pub fn read(
    command: &Command,
    arguments: Vec<OsString>,
    environment: impl Iterator<Item = (OsString, OsString)>,
) -> Result<(ArgMatches, Sources), clap::Error> {
    check_environment(command, environment)?;
    let first = parse(command, &arguments)?;
    let leaf = deepest(&first);
    let given = |name: &str| {
        leaf.try_contains_id(name).is_ok_and(|known| known)
            && matches!(leaf.value_source(name), Some(ValueSource::CommandLine | ValueSource::EnvVariable))
    };

    let mut sources = Sources::default();
    for name in names(command) {
        match leaf.value_source(&name) {
            Some(ValueSource::CommandLine) => sources.0.insert(name, "flag".to_owned()),
            Some(ValueSource::EnvVariable) => {
                let variable = format!("{ENVIRONMENT_PREFIX}{}", name.to_uppercase());
                sources.0.insert(name, variable)
            }
            _ => None,
        };
    }

    let chosen: Option<&PathBuf> = leaf.get_one("config");
    let file = chosen.map_or(Path::new(DEFAULT_FILE), PathBuf::as_path);
    let settings = read_file(command, file, chosen.is_some())?;
    // What the file says goes in front, as flags: so it is read and refused like any other.
    let mut flags = Vec::new();
    for (name, value) in settings {
        if !given(&name) {
            flags.push(OsString::from(format!("--{}={value}", name.replace('_', "-"))));
            sources.0.insert(name, file.display().to_string());
        }
    }
    if flags.is_empty() {
        return Ok((first, sources));
    }
    let program = arguments.first().cloned();
    let all = program.into_iter().chain(flags).chain(arguments.into_iter().skip(1));
    Ok((parse(command, &all.collect::<Vec<_>>())?, sources))
}

fn parse(command: &Command, arguments: &[OsString]) -> Result<ArgMatches, clap::Error> {
    command.clone().try_get_matches_from(arguments).map_err(|error| {
        // clap repeats the value that it refuses, and this one may hold a password.
        let argument = error.get(ContextKind::InvalidArg).map(ToString::to_string).unwrap_or_default();
        if argument.starts_with("--database-url") {
            // The reason that the URL's own reading gives repeats nothing of it.
            let reason = std::error::Error::source(&error).map_or_else(|| "it is missing".to_owned(), ToString::to_string);
            return refuse(command, format!("invalid value for '--database-url': {reason}"));
        }
        // A URL in the place of a command, or behind a mistyped flag.
        let given = [ContextKind::InvalidArg, ContextKind::InvalidSubcommand, ContextKind::InvalidValue];
        let given = given.into_iter().filter_map(|kind| error.get(kind)).map(ToString::to_string);
        match given.filter(|given| given.contains("postgres")).any(|given| given.contains("://")) {
            true => refuse(command, "unexpected URL of a database; write --database-url in front of it".to_owned()),
            false => error,
        }
    })
}

/// Where each setting that is not the default came from.
#[derive(Debug, Default)]
pub struct Sources(BTreeMap<String, String>);

impl Sources {
    /// Every setting with its value and its source.
    pub fn entries(&self, settings: &Settings) -> Vec<Entry> {
        let source = |name: &str| self.0.get(name).cloned().unwrap_or_else(|| "default".to_owned());
        settings.values().into_iter().map(|(name, value)| Entry { name, value, source: source(name) }).collect()
    }
}

fn deepest(matches: &ArgMatches) -> &ArgMatches {
    matches.subcommand().map_or(matches, |(_, inner)| deepest(inner))
}

/// The names of all settings: the arguments that can come from the environment.
fn names(command: &Command) -> Vec<String> {
    command
        .get_arguments()
        .filter(|argument| argument.get_env().is_some())
        .map(|argument| argument.get_id().to_string())
        .collect()
}

fn check_environment(command: &Command, environment: impl Iterator<Item = (OsString, OsString)>) -> Result<(), clap::Error> {
    let known: Vec<_> = command.get_arguments().filter_map(|argument| argument.get_env()).collect();
    for (name, _) in environment {
        let ours = name.to_string_lossy().starts_with(ENVIRONMENT_PREFIX);
        if ours && !known.contains(&name.as_os_str()) {
            return Err(refuse(command, format!("there is no setting {} (in the environment)", name.to_string_lossy())));
        }
    }
    Ok(())
}

fn read_file(command: &Command, file: &Path, wanted: bool) -> Result<Vec<(String, String)>, clap::Error> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !wanted => return Ok(Vec::new()),
        Err(error) => return Err(refuse(command, format!("{}: {error}", file.display()))),
    };
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        // The error shows the line, which may hold a secret: its number does.
        let line = error.span().map_or(1, |span| text.get(..span.start).unwrap_or_default().matches('\n').count() + 1);
        refuse(command, format!("{}, line {line}: {}", file.display(), error.message()))
    })?;
    let known = names(command);
    let mut settings = Vec::new();
    for (name, value) in table {
        if !known.contains(&name) || name == "config" {
            return Err(refuse(command, format!("{}: there is no setting {name}", file.display())));
        }
        let value = match value {
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Array(words) if words.iter().all(toml::Value::is_str) => {
                let words: Vec<&str> = words.iter().filter_map(toml::Value::as_str).collect();
                words.join(if name == "trusted_proxies" { "," } else { " " })
            }
            toml::Value::Boolean(on) => if on { "on" } else { "off" }.to_owned(),
            other => {
                let kind = other.type_str();
                return Err(refuse(command, format!("{}: {name} is text or a number, and no {kind}", file.display())));
            }
        };
        settings.push((name, value));
    }
    Ok(settings)
}

fn refuse(command: &Command, reason: String) -> clap::Error {
    command.clone().error(clap::error::ErrorKind::InvalidValue, reason)
}
