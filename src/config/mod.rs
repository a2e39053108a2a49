//! Settings. The value of each comes from its flag, else from `KEYWARD_…` in the environment, else from
//! `keyward.toml`, else from its default.
//!
//! A setting is declared once, as a field of [`Settings`]: flag, variable and name in the file are the
//! same words.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;

use crate::client_certificate::CertificateHeader;
use crate::client_ip::{ForwardedHeader, TrustedProxies};
use crate::clock::parse_duration;
use crate::error::Error;
use crate::scope::Scope;
use crate::secret::SecretString;
use crate::store::DatabaseUrl;
use crate::store::language::Language;
use crate::store::resource_server::Resources;
use crate::store::security_profile::SecurityProfile;
use crate::trace_context::Sampler;

mod environment;
mod file;
mod issuer;
mod live;
mod smtp;
mod sources;
mod values;

pub use issuer::Issuer;
pub use live::{LiveSettings, RELOADABLE, Reload};
pub use smtp::{MailSender, SmtpTls, SmtpUrl};
pub use sources::{SettingEntry, Sources, read};
pub use values::{
    DpopNonce, MtlsBaseUrl, OtlpEndpoint, ProxyUrl, Registration, SampleRatio, Switch, log_targets,
};
use values::{
    jwks_max_age, listen_address, log_filter, max_connections, registration_scope, token_ttl,
};

/// Settings whose values are never shown in an error, because they may contain a secret.
pub const SECRET_SETTINGS: [&str; 5] = [
    "database_url",
    "outbound_proxy",
    "smtp_url",
    "smtp_password",
    "operator_password",
];

/// Settings that may differ between the nodes of a deployment, and the issuer, which is compared separately.
pub const NODE_SETTINGS: [&str; 16] = [
    "listen",
    "issuer",
    "database_url",
    "keys_dir",
    "log",
    "tls_cert",
    "tls_key",
    "tls_client_ca",
    "max_connections",
    "http2_cleartext",
    "outbound_proxy",
    "outbound_ca",
    "otlp_endpoint",
    "otlp_sample_ratio",
    "operator_email",
    "operator_password",
];

/// The heading of the settings in the help of a command.
pub const HELP_HEADING: &str = "Settings";

/// The effective settings of a process.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = HELP_HEADING)]
pub struct Settings {
    /// Address and port to listen on
    #[arg(long, global = true, env = "KEYWARD_LISTEN", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080", value_parser = listen_address)]
    pub listen: SocketAddr,

    /// Issuer identifier: the exact URL in the `iss` claim of tokens [default: http:// and the listen address]
    #[arg(long, global = true, env = "KEYWARD_ISSUER", value_name = "URL")]
    pub issuer: Option<Issuer>,

    /// Database: sqlite://PATH or postgres://USER:PASSWORD@HOST/NAME
    #[arg(
        long,
        global = true,
        env = "KEYWARD_DATABASE_URL",
        value_name = "URL",
        default_value = "sqlite://data/keyward.db",
        hide_env_values = true
    )]
    pub database_url: DatabaseUrl,

    /// Directory of the sealing key file, which encrypts the signing keys; must be the same on every node
    #[arg(
        long,
        global = true,
        env = "KEYWARD_KEYS_DIR",
        value_name = "DIR",
        default_value = "keys"
    )]
    pub keys_dir: PathBuf,

    /// Lifetime of access tokens
    #[arg(long, global = true, env = "KEYWARD_TOKEN_TTL", value_name = "SECONDS", default_value = "3600", value_parser = token_ttl)]
    pub token_ttl: Duration,

    /// Keep a durable record of each issued token, so that tokens can be listed
    #[arg(
        long,
        global = true,
        env = "KEYWARD_TOKEN_RECORDS",
        value_name = "on|off",
        default_value = "on",
        hide_possible_values = true
    )]
    pub token_records: Switch,

    /// How long resource servers may cache the published keys (`Cache-Control: max-age`)
    #[arg(long, global = true, env = "KEYWARD_JWKS_MAX_AGE", value_name = "SECONDS", default_value = "300", value_parser = jwks_max_age)]
    pub jwks_max_age: Duration,

    /// Age at which the signing key is rotated
    #[arg(long, global = true, env = "KEYWARD_SIGNING_KEY_MAX_AGE", value_name = "DURATION", default_value = "90d", value_parser = parse_duration)]
    pub signing_key_max_age: Duration,

    /// Dynamic client registration: `token` (requires an initial access token), `open` or `off`
    #[arg(
        long,
        global = true,
        env = "KEYWARD_REGISTRATION",
        value_name = "MODE",
        default_value = "token",
        hide_possible_values = true
    )]
    pub registration: Registration,

    /// Scope allowed to openly registered clients
    #[arg(long, global = true, env = "KEYWARD_REGISTRATION_SCOPE", value_name = "SCOPE", default_value = "", value_parser = registration_scope)]
    pub registration_scope: Scope,

    /// Resource servers allowed to openly registered clients, separated by spaces
    #[arg(
        long,
        global = true,
        env = "KEYWARD_REGISTRATION_RESOURCES",
        value_name = "URIS",
        default_value = ""
    )]
    pub registration_resources: Resources,

    /// Accept client assertions whose audience is the token endpoint
    #[arg(
        long,
        global = true,
        env = "KEYWARD_ASSERTION_FOR_TOKEN_ENDPOINT",
        value_name = "on|off",
        default_value = "off",
        hide_possible_values = true
    )]
    pub assertion_for_token_endpoint: Switch,

    /// Require a nonce in DPoP proofs: `off` or `required`
    #[arg(
        long,
        global = true,
        env = "KEYWARD_DPOP_NONCE",
        value_name = "MODE",
        default_value = "off",
        hide_possible_values = true
    )]
    pub dpop_nonce: DpopNonce,

    /// Security profile of all clients: `none` or `fapi2` (FAPI 2.0); each client can have its own
    #[arg(
        long,
        global = true,
        env = "KEYWARD_SECURITY_PROFILE",
        value_name = "PROFILE",
        default_value = "none"
    )]
    pub security_profile: SecurityProfile,

    /// Allow `jwks_uri`, issuers of trust rules and webhooks at loopback, private and link-local addresses
    #[arg(
        long,
        global = true,
        env = "KEYWARD_PRIVATE_JWKS_URI",
        value_name = "on|off",
        default_value = "off",
        hide_possible_values = true
    )]
    pub private_jwks_uri: Switch,

    /// How long audit entries are kept
    #[arg(long, global = true, env = "KEYWARD_AUDIT_KEPT", value_name = "DURATION", default_value = "365d", value_parser = parse_duration)]
    pub audit_kept: Duration,

    /// Idle timeout of portal sessions
    #[arg(long, global = true, env = "KEYWARD_PORTAL_IDLE", value_name = "DURATION", default_value = "1h", value_parser = parse_duration)]
    pub portal_idle: Duration,

    /// Maximum age of portal sessions
    #[arg(long, global = true, env = "KEYWARD_PORTAL_SESSION", value_name = "DURATION", default_value = "12h", value_parser = parse_duration)]
    pub portal_session: Duration,

    /// Require two-step verification of operators in the portal; accounts decide for their own users
    #[arg(
        long,
        global = true,
        env = "KEYWARD_OPERATOR_SECOND_FACTOR",
        value_name = "on|off",
        default_value = "off",
        hide_possible_values = true
    )]
    pub operator_second_factor: Switch,

    /// Addresses or networks of trusted reverse proxies, separated by commas
    #[arg(
        long,
        global = true,
        env = "KEYWARD_TRUSTED_PROXIES",
        value_name = "NETWORKS",
        default_value = ""
    )]
    pub trusted_proxies: TrustedProxies,

    /// Header in which trusted proxies send the client IP: `x-forwarded-for` or `forwarded` (RFC 7239)
    #[arg(
        long,
        global = true,
        env = "KEYWARD_FORWARDED_HEADER",
        value_name = "HEADER",
        default_value = "x-forwarded-for",
        hide_possible_values = true
    )]
    pub forwarded_header: ForwardedHeader,

    /// Header in which trusted proxies send the client certificate: `client-cert` (RFC 9440), `x-ssl-client-cert` (nginx), `x-forwarded-client-cert` (Envoy) or `off`
    #[arg(
        long,
        global = true,
        env = "KEYWARD_CLIENT_CERTIFICATE_HEADER",
        value_name = "HEADER",
        default_value = "off",
        hide_possible_values = true
    )]
    pub client_certificate_header: CertificateHeader,

    /// Log level (error, warn, info, debug, trace), or a filter by module
    #[arg(long, global = true, env = "KEYWARD_LOG", value_name = "FILTER", default_value = "info", value_parser = log_filter)]
    pub log: String,

    /// Certificate chain for HTTPS, in PEM
    #[arg(long, global = true, env = "KEYWARD_TLS_CERT", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,

    /// Private key of the certificate, in PEM
    #[arg(long, global = true, env = "KEYWARD_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,

    /// Ask clients for a certificate, with TLS of this server (mutual TLS, RFC 8705)
    #[arg(
        long,
        global = true,
        env = "KEYWARD_TLS_CLIENT_CERTIFICATE",
        value_name = "on|off",
        default_value = "off",
        hide_possible_values = true
    )]
    pub tls_client_certificate: Switch,

    /// Certificate authorities for client certificates (`tls_client_auth`), in PEM
    #[arg(
        long,
        global = true,
        env = "KEYWARD_TLS_CLIENT_CA",
        value_name = "FILE"
    )]
    pub tls_client_ca: Option<PathBuf>,

    /// Base URL of the endpoints for clients with certificates, as `mtls_endpoint_aliases` (RFC 8705) [default: the issuer]
    #[arg(long, global = true, env = "KEYWARD_MTLS_BASE_URL", value_name = "URL")]
    pub mtls_base_url: Option<MtlsBaseUrl>,

    /// Maximum number of open connections [default: as file descriptors allow, up to 10000]
    #[arg(long, global = true, env = "KEYWARD_MAX_CONNECTIONS", value_name = "NUMBER", value_parser = max_connections)]
    pub max_connections: Option<usize>,

    /// Accept HTTP/2 without TLS, with prior knowledge (h2c)
    #[arg(
        long,
        global = true,
        env = "KEYWARD_HTTP2_CLEARTEXT",
        value_name = "on|off",
        default_value = "off",
        hide_possible_values = true
    )]
    pub http2_cleartext: Switch,

    /// HTTP proxy for outgoing requests, as http://HOST:PORT or http://USER:PASSWORD@HOST:PORT; it must refuse internal addresses
    #[arg(
        long,
        global = true,
        env = "KEYWARD_OUTBOUND_PROXY",
        value_name = "URL",
        hide_env_values = true
    )]
    pub outbound_proxy: Option<ProxyUrl>,

    /// Additional certificate authorities for outgoing requests, in PEM
    #[arg(long, global = true, env = "KEYWARD_OUTBOUND_CA", value_name = "FILE")]
    pub outbound_ca: Option<PathBuf>,

    /// SMTP server for e-mail: smtps://USER@HOST, or smtp://USER@HOST for STARTTLS [default: no e-mail is sent]
    #[arg(
        long,
        global = true,
        env = "KEYWARD_SMTP_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    pub smtp_url: Option<SmtpUrl>,

    /// Password for the SMTP server; prefer the environment or the file over the flag
    #[arg(
        long,
        global = true,
        env = "KEYWARD_SMTP_PASSWORD",
        value_name = "PASSWORD",
        hide_env_values = true
    )]
    pub smtp_password: Option<SecretString>,

    /// Sender of e-mail, as ADDRESS or NAME <ADDRESS>
    #[arg(long, global = true, env = "KEYWARD_MAIL_FROM", value_name = "ADDRESS")]
    pub mail_from: Option<MailSender>,

    /// Language of e-mail to users who have not chosen one, as their account has not: en or fr
    #[arg(
        long,
        global = true,
        env = "KEYWARD_MAIL_LANGUAGE",
        value_name = "LANGUAGE",
        default_value = "en"
    )]
    pub mail_language: Language,

    /// OTLP endpoint of an OpenTelemetry collector, such as http://127.0.0.1:4318 [default: traces are not exported]
    #[arg(long, global = true, env = "KEYWARD_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<OtlpEndpoint>,

    /// Share of the traces to export, from 0 to 1; a trace that a caller began is exported if the caller samples it
    #[arg(
        long,
        global = true,
        env = "KEYWARD_OTLP_SAMPLE_RATIO",
        value_name = "RATIO",
        default_value = "1"
    )]
    pub otlp_sample_ratio: SampleRatio,

    /// E-mail address of the operator created on first start
    #[arg(
        long,
        global = true,
        env = "KEYWARD_OPERATOR_EMAIL",
        value_name = "EMAIL",
        default_value = "operator@keyward.local"
    )]
    pub operator_email: String,

    /// Password of that operator [default: generated, shown once]; prefer the environment over the flag
    #[arg(
        long,
        global = true,
        env = "KEYWARD_OPERATOR_PASSWORD",
        value_name = "PASSWORD",
        hide_env_values = true
    )]
    pub operator_password: Option<SecretString>,
}

impl Settings {
    /// Checks settings against each other and against the effective issuer.
    ///
    /// # Errors
    /// Open registration would give access to the management API; client certificates could not
    /// arrive.
    pub fn check(&self, issuer: &Issuer) -> Result<(), Error> {
        if self
            .registration_resources
            .contains(&issuer.management_audience())
        {
            let reason = "openly registered clients must not use the management API";
            return Err(Error::server_error(reason).field("registration_resources"));
        }
        if self.tls_client_certificate.is_on() && self.tls_cert.is_none() {
            let reason = "clients can be asked for a certificate only with tls_cert and tls_key";
            return Err(Error::server_error(reason).field("tls_client_certificate"));
        }
        if self.client_certificate_header != CertificateHeader::Off
            && self.trusted_proxies.is_empty()
        {
            let reason =
                "the header is read from trusted proxies only, and trusted_proxies is empty";
            return Err(Error::server_error(reason).field("client_certificate_header"));
        }
        if self.smtp_url.is_some() && self.mail_from.is_none() {
            let reason = "e-mail needs a sender: set mail_from too";
            return Err(Error::server_error(reason).field("smtp_url"));
        }
        Ok(())
    }

    /// Whether requests can have a client certificate, of the connection or by a trusted proxy.
    pub fn accepts_client_certificates(&self) -> bool {
        self.tls_client_certificate.is_on()
            || self.client_certificate_header != CertificateHeader::Off
    }

    /// The issuer as set, else `http://` (or `https://`, with a certificate) and the listen address.
    pub fn issuer(&self) -> Issuer {
        let (scheme, default_port) = if self.tls_cert.is_some() {
            ("https", 443)
        } else {
            ("http", 80)
        };
        // As URLs have it: without a zone, and with an IPv4-mapped address in hexadecimal digits.
        let host = match self.listen.ip() {
            IpAddr::V4(address) => url::Host::<&str>::Ipv4(address),
            IpAddr::V6(address) => url::Host::Ipv6(address),
        };
        // HTTP clients leave out the default port.
        let authority = match self.listen.port() {
            port if port == default_port => host.to_string(),
            port => format!("{host}:{port}"),
        };
        self.issuer
            .clone()
            .unwrap_or_else(|| Issuer::of_address(scheme, &authority))
    }

    /// Decides which of the traces that begin here are exported: none without `otlp_endpoint`.
    pub fn sampler(&self) -> Sampler {
        match &self.otlp_endpoint {
            Some(_) => self.otlp_sample_ratio.sampler(),
            None => Sampler::OFF,
        }
    }

    /// Name and value of every setting, as `keyward config` shows them. A setting that is missing here does
    /// not compile.
    fn values(&self) -> Vec<(&'static str, Option<String>)> {
        fn text(value: &dyn ToString) -> Option<String> {
            Some(value.to_string())
        }
        fn seconds(duration: &Duration) -> Option<String> {
            Some(duration.as_secs().to_string())
        }
        fn path(path: &Option<PathBuf>) -> Option<String> {
            path.as_ref().map(|path| path.display().to_string())
        }
        fn name(value: &impl ValueEnum) -> Option<String> {
            let value = value.to_possible_value()?;
            Some(value.get_name().to_owned())
        }
        let Settings {
            listen,
            issuer: _,
            database_url,
            keys_dir,
            token_ttl,
            token_records,
            jwks_max_age,
            signing_key_max_age,
            registration,
            registration_scope,
            registration_resources,
            assertion_for_token_endpoint,
            dpop_nonce,
            security_profile,
            private_jwks_uri,
            audit_kept,
            portal_idle,
            portal_session,
            operator_second_factor,
            trusted_proxies,
            forwarded_header,
            client_certificate_header,
            log,
            tls_cert,
            tls_key,
            tls_client_certificate,
            tls_client_ca,
            mtls_base_url,
            max_connections,
            http2_cleartext,
            outbound_proxy,
            outbound_ca,
            smtp_url,
            smtp_password,
            mail_from,
            mail_language,
            otlp_endpoint,
            otlp_sample_ratio,
            operator_email,
            operator_password,
        } = self;
        vec![
            ("listen", text(listen)),
            ("issuer", text(&self.issuer())),
            ("database_url", text(database_url)),
            ("keys_dir", text(&keys_dir.display())),
            ("token_ttl", seconds(token_ttl)),
            ("token_records", name(token_records)),
            ("jwks_max_age", seconds(jwks_max_age)),
            ("signing_key_max_age", seconds(signing_key_max_age)),
            ("registration", name(registration)),
            ("registration_scope", text(registration_scope)),
            (
                "registration_resources",
                text(&registration_resources.as_str()),
            ),
            (
                "assertion_for_token_endpoint",
                name(assertion_for_token_endpoint),
            ),
            ("dpop_nonce", name(dpop_nonce)),
            ("security_profile", text(&security_profile.as_str())),
            ("private_jwks_uri", name(private_jwks_uri)),
            ("audit_kept", seconds(audit_kept)),
            ("portal_idle", seconds(portal_idle)),
            ("portal_session", seconds(portal_session)),
            ("operator_second_factor", name(operator_second_factor)),
            ("trusted_proxies", text(trusted_proxies)),
            ("forwarded_header", name(forwarded_header)),
            ("client_certificate_header", name(client_certificate_header)),
            ("log", text(log)),
            ("tls_cert", path(tls_cert)),
            ("tls_key", path(tls_key)),
            ("tls_client_certificate", name(tls_client_certificate)),
            ("tls_client_ca", path(tls_client_ca)),
            (
                "mtls_base_url",
                mtls_base_url.as_ref().map(ToString::to_string),
            ),
            (
                "max_connections",
                max_connections.map(|number| number.to_string()),
            ),
            ("http2_cleartext", name(http2_cleartext)),
            (
                "outbound_proxy",
                outbound_proxy.as_ref().map(ToString::to_string),
            ),
            ("outbound_ca", path(outbound_ca)),
            ("smtp_url", smtp_url.as_ref().map(ToString::to_string)),
            (
                "smtp_password",
                smtp_password.as_ref().map(|_| "***".to_owned()),
            ),
            ("mail_from", mail_from.as_ref().map(ToString::to_string)),
            ("mail_language", text(&mail_language.as_str())),
            (
                "otlp_endpoint",
                otlp_endpoint.as_ref().map(ToString::to_string),
            ),
            ("otlp_sample_ratio", text(otlp_sample_ratio)),
            ("operator_email", text(operator_email)),
            (
                "operator_password",
                operator_password.as_ref().map(|_| "***".to_owned()),
            ),
        ]
    }

    /// Names and values of the settings that must agree on all nodes of a deployment. The issuer, the
    /// token lifetime and the max-age of the published keys are compared separately.
    pub fn shared(&self) -> BTreeMap<String, String> {
        let shared = |name: &str| !NODE_SETTINGS.contains(&name);
        let values = self.values().into_iter().filter(|(name, _)| shared(name));
        values
            .map(|(name, value)| (name.to_owned(), value.unwrap_or_default()))
            .collect()
    }
}
