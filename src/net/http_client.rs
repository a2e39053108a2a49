//! Outgoing HTTP requests: to the `jwks_uri` of clients, to the issuers and bundle endpoints of trust
//! rules, to webhooks, and to this server's own metadata for `keyward check`.
//!
//! A `jwks_uri`, an issuer or a webhook is chosen by a partner, so requests to it are protected against server-side request
//! forgery (SSRF): https only, no redirects, a small response within a short time, and every
//! address that the name resolves to is checked where the connection is made. With an outgoing
//! proxy it is the proxy that resolves names and makes connections, so the proxy has to refuse
//! private addresses; Keyward then refuses those that the URL itself names.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use ureq::http::{StatusCode, Uri};
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Proxy, config::Config};

use crate::config::Settings;
use crate::crypto::jws::{JwkSet, WantedKey};
use crate::error::Error;
use crate::span;

mod key_sets;

pub use key_sets::JwksError;
use key_sets::{KeySets, Location};

/// The time from the start of a request to the last byte of its response.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The time from the start of sending an event to the head of the response.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// The largest body of a response, in bytes.
const MAX_BODY: u64 = 64 * 1024;

/// Fetches the key sets that clients and issuers publish, and caches them; sends events to webhooks.
pub struct HttpClient {
    key_sets: Arc<KeySets>,
    agent: Agent,
    addresses: Addresses,
}

impl HttpClient {
    /// A client with the settings `private_jwks_uri`, `outbound_proxy` and `outbound_ca`.
    ///
    /// # Errors
    /// A setting cannot be used; the error names it.
    pub fn new(settings: &Settings) -> Result<Self, Error> {
        let addresses = if settings.private_jwks_uri.is_on() {
            Addresses::Any
        } else {
            Addresses::Public
        };
        let agent = agent(settings, Target::Partner)?;
        Ok(HttpClient {
            key_sets: Arc::new(KeySets::new(agent.clone(), addresses)),
            agent,
            addresses,
        })
    }

    /// Returns the key set at a `jwks_uri` of a client of `account`: the cached one, or one that is
    /// fetched if none is cached or the cached one does not have the key or certificate that is
    /// wanted.
    ///
    /// # Errors
    /// [`JwksError`] if no key set is cached and none could be fetched.
    pub async fn jwks(
        &self,
        uri: &str,
        account: &str,
        wanted: Option<WantedKey<'_>>,
    ) -> Result<Arc<JwkSet>, JwksError> {
        let location = Location::JwksUri(uri.to_owned());
        self.key_sets.get(&location, account, wanted).await
    }

    /// Returns the keys of another issuer, which its discovery document names, for a trust rule of
    /// `account`. Otherwise as [`HttpClient::jwks`].
    ///
    /// # Errors
    /// [`JwksError`] if no key set is cached and none could be fetched.
    pub async fn issuer_keys(
        &self,
        issuer: &str,
        account: &str,
        wanted: Option<WantedKey<'_>>,
    ) -> Result<Arc<JwkSet>, JwksError> {
        let location = Location::Issuer(issuer.to_owned());
        self.key_sets.get(&location, account, wanted).await
    }
}

impl HttpClient {
    /// Sends a JSON document to a URL of a partner with these headers, and returns the status of the
    /// response, whatever it is. The body of the response is not read. This blocks.
    ///
    /// # Errors
    /// [`SendError`] if there is no response within ten seconds.
    pub fn send_event(
        &self,
        url: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<u16, SendError> {
        let has_public_host =
            || url::Url::parse(url).is_ok_and(|parsed| !has_private_host(&parsed));
        if self.addresses == Addresses::Public && !has_public_host() {
            return Err(SendError::Address);
        }
        let mut request = self
            .agent
            .post(url)
            .header("Content-Type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.config().timeout_global(Some(SEND_TIMEOUT)).build();
        Ok(request.send(body)?.status().as_u16())
    }
}

/// Why there is no response to an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The host name has no address, or only private ones.
    #[error("the host has no address that may be connected to")]
    Address,
    /// There was no response in time.
    #[error("no response in time")]
    Timeout,
    /// The certificate or the TLS handshake was refused.
    #[error("the TLS handshake failed")]
    Tls,
    /// No connection was made, or it broke.
    #[error("the connection failed")]
    Connection,
    /// The response is not HTTP.
    #[error("the response is not HTTP")]
    Protocol,
}

impl SendError {
    /// What an I/O error of a connection with TLS means.
    pub(super) fn from_io(error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        match error.kind() {
            // rustls reports what it refuses as an I/O error.
            ErrorKind::InvalidData => SendError::Tls,
            ErrorKind::TimedOut | ErrorKind::WouldBlock => SendError::Timeout,
            ErrorKind::UnexpectedEof => SendError::Connection,
            // A look-up of a name that fails has no error code of the system.
            _ if error.raw_os_error().is_none() => SendError::Address,
            _ => SendError::Connection,
        }
    }
}

impl From<ureq::Error> for SendError {
    fn from(error: ureq::Error) -> Self {
        match error {
            ureq::Error::HostNotFound | ureq::Error::BadUri(_) => SendError::Address,
            ureq::Error::Timeout(_) => SendError::Timeout,
            ureq::Error::Tls(_) | ureq::Error::Rustls(_) => SendError::Tls,
            ureq::Error::Io(error) => SendError::from_io(&error),
            ureq::Error::ConnectionFailed => SendError::Connection,
            _ => SendError::Protocol,
        }
    }
}

/// Checks the settings for outgoing requests.
///
/// # Errors
/// A setting cannot be used; the error names it.
pub fn check(settings: &Settings) -> Result<(), Error> {
    agent(settings, Target::Partner).map(drop)
}

/// Why an outgoing request brought no usable response.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// A setting for outgoing requests cannot be used.
    #[error("{0}")]
    Setting(String),
    /// The request failed, or the body could not be read.
    #[error(transparent)]
    Request(#[from] ureq::Error),
    /// The status is not 200.
    #[error("answered {0}")]
    Status(StatusCode),
}

/// Sends requests to servers of the operator's own: to any scheme and address, and not through the
/// outgoing proxy.
pub struct UnrestrictedClient(Agent);

impl UnrestrictedClient {
    /// A client that trusts the system's certificate authorities and those of the setting
    /// `outbound_ca`.
    ///
    /// # Errors
    /// A setting cannot be used; the error names it.
    pub fn new(settings: &Settings) -> Result<Self, Error> {
        Ok(UnrestrictedClient(agent(settings, Target::Own)?))
    }

    /// Fetches a document.
    ///
    /// # Errors
    /// [`FetchError`] if there is no response, or its status is not 200.
    pub fn get(&self, url: &str) -> Result<String, FetchError> {
        get(&self.0, url, TIMEOUT)
    }

    /// Sends a JSON document.
    ///
    /// # Errors
    /// [`FetchError`] if there is no response, or its status is not 2xx.
    pub fn post_json(&self, url: &str, body: &[u8]) -> Result<(), FetchError> {
        let response = self
            .0
            .post(url)
            .header("Content-Type", "application/json")
            .send(body)?;
        if !response.status().is_success() {
            return Err(FetchError::Status(response.status()));
        }
        Ok(())
    }
}

/// Fetches a document from a server of the operator's own, see [`UnrestrictedClient`].
///
/// # Errors
/// [`FetchError`] if it cannot be fetched.
pub fn fetch_unrestricted(settings: &Settings, url: &str) -> Result<String, FetchError> {
    let client = UnrestrictedClient::new(settings)
        .map_err(|error| FetchError::Setting(error.reason().to_owned()))?;
    client.get(url)
}

/// Sends a GET request, and returns the body of a response with the status 200 that arrives within
/// the timeout. Within a request the trace is continued.
fn get(agent: &Agent, uri: &str, timeout: Duration) -> Result<String, FetchError> {
    let request = agent.get(uri).header("Accept", "application/json");
    let mut request = request.config().timeout_global(Some(timeout)).build();
    if let Some(current) = span::current() {
        request = request.header("traceparent", current.trace.traceparent());
    }
    let mut response = request.call()?;
    if response.status() != StatusCode::OK {
        return Err(FetchError::Status(response.status()));
    }
    let body = response.body_mut().with_config().limit(MAX_BODY);
    Ok(body.read_to_string()?)
}

/// Who runs the server that a request goes to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    /// A partner, who chose the URL.
    Partner,
    /// The operator.
    Own,
}

fn agent(settings: &Settings, target: Target) -> Result<Agent, Error> {
    let proxy = match &settings.outbound_proxy {
        Some(proxy) if target == Target::Partner => {
            let proxy = Proxy::new(proxy.as_str())
                .map_err(|error| Error::server_error(error.to_string()).field("outbound_proxy"))?;
            Some(proxy)
        }
        _ => None,
    };
    // With a proxy only the proxy's own name is resolved here, and it may be private.
    let any_address = target == Target::Own || proxy.is_some() || settings.private_jwks_uri.is_on();
    let resolver = SsrfResolver {
        addresses: if any_address {
            Addresses::Any
        } else {
            Addresses::Public
        },
        inner: DefaultResolver::default(),
    };
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .root_certs(roots(settings.outbound_ca.as_deref())?)
        .build();
    let config = Config::builder()
        .https_only(target == Target::Partner)
        .max_redirects(0)
        .proxy(proxy)
        .timeout_global(Some(TIMEOUT))
        .http_status_as_error(false)
        .max_idle_connections(0)
        .user_agent("keyward")
        .tls_config(tls)
        .build();
    Ok(Agent::with_parts(
        config,
        DefaultConnector::default(),
        resolver,
    ))
}

fn roots(file: Option<&Path>) -> Result<RootCerts, Error> {
    let all = authorities(file)?;
    Ok(RootCerts::from(
        all.iter()
            .map(|der| Certificate::from_der(der.as_ref()).to_owned()),
    ))
}

/// Returns the certificate authorities of the system, or of the file that `SSL_CERT_FILE` names,
/// and those in `file`, the setting `outbound_ca`.
pub(super) fn authorities(file: Option<&Path>) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found = rustls_native_certs::load_native_certs();
    for error in found.errors {
        tracing::debug!(%error, "cannot read a certificate authority of the system");
    }
    let mut all = found.certs;
    if let Some(file) = file {
        let unusable = |error: &dyn std::fmt::Display| {
            Error::server_error(format!("{}: {error}", file.display())).field("outbound_ca")
        };
        let certificates = CertificateDer::pem_file_iter(file)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| unusable(&error))?;
        // ureq skips what it cannot parse, so a mistake would only show in the first request.
        let mut store = rustls::RootCertStore::empty();
        for certificate in &certificates {
            store
                .add(certificate.clone())
                .map_err(|error| unusable(&error))?;
        }
        if certificates.is_empty() {
            return Err(unusable(&"there is no certificate in it"));
        }
        all.extend(certificates);
    }
    Ok(all)
}

/// Which addresses a name may resolve to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Addresses {
    Any,
    /// See [`is_public`].
    Public,
}

/// Resolves names, and removes the addresses that must not be connected to. The connection is made
/// to exactly the addresses that were checked, so a name that resolves differently the second time
/// gains nothing.
#[derive(Debug)]
struct SsrfResolver {
    addresses: Addresses,
    inner: DefaultResolver,
}

impl Resolver for SsrfResolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let all = self.inner.resolve(uri, config, timeout)?;
        if self.addresses == Addresses::Any {
            return Ok(all);
        }
        let mut allowed = self.empty();
        for address in all.iter().filter(|address| is_public(address.ip())) {
            allowed.push(*address);
        }
        if allowed.is_empty() {
            Err(ureq::Error::HostNotFound)
        } else {
            Ok(allowed)
        }
    }
}

/// Whether the host of a URL is a private address, or a name that stands for this machine, without
/// resolving any name.
fn has_private_host(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => !is_public(address.into()),
        Some(url::Host::Ipv6(address)) => !is_public(address.into()),
        // RFC 6761 section 6.3.
        Some(url::Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        None => true,
    }
}

/// Whether an address is on the public Internet: not this machine, not a private network, not
/// reserved.
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast();
    // RFC 6890: "this network", carrier-grade NAT, protocol assignments, benchmarks, class E.
    let reserved = a == 0
        || (a == 100 && (64..128).contains(&b))
        || (a, b, c) == (192, 0, 0)
        || (a == 198 && b & 0xFE == 18)
        || a >= 240;
    !special && !reserved
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    // 2000::/3 is all that is allocated. Teredo and 6to4 within it embed an IPv4 address, which may
    // be private.
    let global = segments[0] & 0xE000 == 0x2000;
    let special = (segments[0] == 0x2001 && (segments[1] == 0xDB8 || segments[1] < 0x200))
        || segments[0] == 0x2002;
    global && !special
}
