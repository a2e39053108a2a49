//! What Keyward asks of others: a client's `jwks_uri`, and its own metadata when it checks itself.
//!
//! A `jwks_uri` is chosen by a partner, so it must not become a hand into the operator's network:
//! https alone, no redirects, a small answer within a short time, and every address that the name
//! resolves to is checked, right where the connection is made. With an outgoing proxy it is the proxy
//! that resolves names and makes connections, so it is the proxy that has to refuse inner addresses;
//! Keyward then refuses what it can tell by the URL.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use ureq::http::Uri;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Proxy, config::Config};

use crate::config::Settings;
use crate::crypto::jws::JwkSet;
use crate::error::Error;

mod key_sets;

pub use key_sets::Failure;
use key_sets::KeySets;

/// From the start of a request to the last byte of its answer.
const TIMEOUT: Duration = Duration::from_secs(5);
const LARGEST_ANSWER: u64 = 64 * 1024;

/// Outgoing requests, and the keys that they brought.
pub struct HttpClient {
    key_sets: Arc<KeySets>,
}

impl HttpClient {
    /// As the settings `private_jwks_uri`, `outbound_proxy` and `outbound_ca` say.
    ///
    /// # Errors
    /// The error names the setting that cannot be used.
    pub fn new(settings: &Settings) -> Result<Self, Error> {
        Ok(HttpClient {
            key_sets: Arc::new(KeySets::new(
                agent(settings, Target::Partner)?,
                settings.private_jwks_uri.is_on(),
            )),
        })
    }

    /// The keys behind a `jwks_uri` of a client of `account`, from the cache where they are there;
    /// fetched again where `kid` is not among them.
    ///
    /// # Errors
    /// Where there are none to be had.
    pub async fn jwks(
        &self,
        uri: &str,
        account: &str,
        kid: Option<&str>,
    ) -> Result<Arc<JwkSet>, Failure> {
        self.key_sets.get(uri, account, kid).await
    }
}

/// Whether outgoing requests can be made as the settings say.
///
/// # Errors
/// The error names the setting that cannot be used.
pub fn check(settings: &Settings) -> Result<(), Error> {
    agent(settings, Target::Partner).map(drop)
}

/// Fetches a document of the operator's own, wherever it lies, and not by the outgoing proxy.
///
/// # Errors
/// A sentence that says what went wrong.
pub fn get_own(settings: &Settings, url: &str) -> Result<String, String> {
    get(
        &agent(settings, Target::Own).map_err(|error| error.reason().to_owned())?,
        url,
    )
}

fn get(agent: &Agent, uri: &str) -> Result<String, String> {
    let mut answer = agent
        .get(uri)
        .header("Accept", "application/json")
        .call()
        .map_err(|error| error.to_string())?;
    if answer.status() != 200 {
        return Err(format!("answered {}", answer.status()));
    }
    answer
        .body_mut()
        .with_config()
        .limit(LARGEST_ANSWER)
        .read_to_string()
        .map_err(|error| error.to_string())
}

/// Whose servers are asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    /// Those that partners name.
    Partner,
    /// The operator's own.
    Own,
}

fn agent(settings: &Settings, target: Target) -> Result<Agent, Error> {
    let proxy = match &settings.outbound_proxy {
        Some(proxy) if target == Target::Partner => {
            let unusable =
                |error: ureq::Error| Error::server_error(error.to_string()).field("outbound_proxy");
            Some(Proxy::new(proxy.as_str()).map_err(unusable)?)
        }
        _ => None,
    };
    let resolver = GuardedResolver {
        // Behind a proxy only the proxy's own name is resolved here.
        private_addresses: target == Target::Own
            || proxy.is_some()
            || settings.private_jwks_uri.is_on(),
        inner: DefaultResolver::default(),
    };
    let config = Config::builder()
        .https_only(target == Target::Partner)
        .max_redirects(0)
        .proxy(proxy)
        .timeout_global(Some(TIMEOUT))
        .max_idle_connections(0)
        .user_agent("keyward")
        .tls_config(
            TlsConfig::builder()
                .provider(TlsProvider::Rustls)
                .unversioned_rustls_crypto_provider(Arc::new(
                    rustls::crypto::aws_lc_rs::default_provider(),
                ))
                .root_certs(roots(settings.outbound_ca.as_deref())?)
                .build(),
        )
        .build();
    Ok(Agent::with_parts(
        config,
        DefaultConnector::default(),
        resolver,
    ))
}

/// The system's certificate authorities, or those that `SSL_CERT_FILE` names, and those in `file`.
fn roots(file: Option<&Path>) -> Result<RootCerts, Error> {
    let found = rustls_native_certs::load_native_certs();
    for error in found.errors {
        tracing::debug!(reason = %error, "a certificate authority of the system is unreadable");
    }
    let mut all = found.certs;
    if let Some(file) = file {
        let unusable = |reason: &dyn std::fmt::Display| {
            Error::server_error(format!("{}: {reason}", file.display())).field("outbound_ca")
        };
        let certificates =
            CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let certificates = certificates.map_err(|error| unusable(&error))?;
        // What is no certificate would be passed over, and found out at the first fetch.
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
    Ok(RootCerts::from(
        all.iter()
            .map(|der| Certificate::from_der(der.as_ref()).to_owned()),
    ))
}

#[derive(Debug)]
struct GuardedResolver {
    private_addresses: bool,
    inner: DefaultResolver,
}

impl Resolver for GuardedResolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let all = self.inner.resolve(uri, config, timeout)?;
        if self.private_addresses {
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

/// Whether a URL names this machine or an inner address by itself, so that no name has to be resolved
/// to tell.
fn names_inner_host(url: &url::Url) -> bool {
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

/// Whether an address is one of the Internet at large, and not of this machine or a network of the
/// operator's.
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
    // "This network", carrier-grade NAT, protocol assignments, benchmarks, and the reserved end.
    let reserved = a == 0
        || (a == 100 && (64..128).contains(&b))
        || (a, b, c) == (192, 0, 0)
        || (a == 198 && b & 0xFE == 18)
        || a >= 240;
    !special && !reserved
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    // Of 2000::/3, which is all that is given out: without documentation, Teredo and 6to4, which
    // carry an IPv4 address inside.
    let global = segments[0] & 0xE000 == 0x2000;
    let special = (segments[0] == 0x2001 && (segments[1] == 0xDB8 || segments[1] < 0x200))
        || segments[0] == 0x2002;
    global && !special
}
