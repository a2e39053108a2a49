//! What Keyward asks of others: a client's `jwks_uri`, and its own metadata when it checks itself.
//!
//! A `jwks_uri` is chosen by a partner, so it must not become a hand into the operator's network:
//! https alone, no redirects, a small answer within a short time, and every address that the name
//! resolves to is checked, right where the connection is made.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use quick_cache::sync::Cache;
use tokio::sync::Semaphore;
use ureq::http::Uri;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, config::Config};

use crate::clock::Timestamp;
use crate::jose::JwkSet;

const TIMEOUT: Duration = Duration::from_secs(5);
const LARGEST_ANSWER: u64 = 64 * 1024;

/// For how long fetched keys are used.
const FRESH: Duration = Duration::from_secs(5 * 60);

/// How soon they may be fetched again for a key that is not among them.
const RETRY: Duration = Duration::from_secs(10);

/// For how long they are used while the partner's server is away.
const STALE: Duration = Duration::from_secs(60 * 60);

/// Outgoing requests, and the keys that they brought.
pub struct Outbound {
    agent: Agent,
    fetched: Cache<String, Arc<Fetched>>,
    /// Few at a time: partners' slow servers must not take all threads.
    turns: Arc<Semaphore>,
}

struct Fetched {
    /// What came, or why nothing did.
    keys: Result<JwkSet, String>,
    at: Timestamp,
    /// The last time that something came.
    good_at: Timestamp,
}

impl Outbound {
    /// With or without the right to reach loopback, private and link-local addresses.
    pub fn new(private_addresses: bool) -> Self {
        Outbound { agent: agent(private_addresses, true), fetched: Cache::new(1000), turns: Arc::new(Semaphore::new(4)) }
    }

    /// The keys behind a `jwks_uri`; fetched again where `kid` is not among those at hand.
    ///
    /// # Errors
    /// A sentence for the log, where there are none to be had.
    pub async fn jwks(&self, uri: &str, kid: Option<&str>, now: Timestamp) -> Result<JwkSet, String> {
        if let Some(keys) = self.at_hand(uri, kid, now) {
            return keys;
        }
        let turn = self.turns.clone().acquire_owned().await.map_err(|error| error.to_string())?;
        // Somebody else may have fetched them while this one waited.
        if let Some(keys) = self.at_hand(uri, kid, now) {
            return keys;
        }
        let (agent, wanted) = (self.agent.clone(), uri.to_owned());
        let answer = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            get(&agent, &wanted)
        });
        let answer = answer.await.map_err(|error| error.to_string())?;
        let keys = answer.and_then(|text| serde_json::from_str::<JwkSet>(&text).map_err(|error| error.to_string()));
        let before = self.fetched.get(uri);
        let fetched = match (keys, before) {
            (Ok(keys), _) => Fetched { keys: Ok(keys), at: now, good_at: now },
            (Err(reason), Some(before)) if before.keys.is_ok() && now.since(before.good_at) < STALE => {
                tracing::warn!(uri, reason, "cannot fetch a client's keys; using the ones from before");
                Fetched { keys: before.keys.clone(), at: now, good_at: before.good_at }
            }
            (Err(reason), _) => Fetched { keys: Err(format!("jwks_uri {uri}: {reason}")), at: now, good_at: Timestamp::EPOCH },
        };
        let keys = fetched.keys.clone();
        self.fetched.insert(uri.to_owned(), Arc::new(fetched));
        keys
    }

    fn at_hand(&self, uri: &str, kid: Option<&str>, now: Timestamp) -> Option<Result<JwkSet, String>> {
        let fetched = self.fetched.get(uri)?;
        let age = now.since(fetched.at);
        let holds_it = match (&fetched.keys, kid) {
            (Ok(keys), Some(kid)) => keys.find(kid).is_some(),
            (Ok(_), None) => true,
            (Err(_), _) => false,
        };
        let good = age < RETRY || holds_it && age < FRESH;
        good.then(|| fetched.keys.clone())
    }
}

/// Fetches a document of the operator's own, wherever it lies.
///
/// # Errors
/// A sentence that says what went wrong.
pub fn get_own(url: &str) -> Result<String, String> {
    get(&agent(true, false), url)
}

fn get(agent: &Agent, uri: &str) -> Result<String, String> {
    let mut answer = agent.get(uri).header("Accept", "application/json").call().map_err(|error| error.to_string())?;
    if answer.status() != 200 {
        return Err(format!("answered {}", answer.status()));
    }
    answer.body_mut().with_config().limit(LARGEST_ANSWER).read_to_string().map_err(|error| error.to_string())
}

fn agent(private_addresses: bool, https_only: bool) -> Agent {
    let config = Config::builder()
        .https_only(https_only)
        .max_redirects(0)
        .proxy(None)
        .timeout_global(Some(TIMEOUT))
        .max_idle_connections(0)
        .user_agent("keyward")
        .tls_config(
            TlsConfig::builder()
                .provider(TlsProvider::Rustls)
                .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
                .root_certs(system_roots())
                .build(),
        )
        .build();
    Agent::with_parts(
        config,
        DefaultConnector::default(),
        GuardedResolver { private_addresses, inner: DefaultResolver::default() },
    )
}

/// The system's certificate authorities, or those that `SSL_CERT_FILE` names.
fn system_roots() -> RootCerts {
    let found = rustls_native_certs::load_native_certs();
    for error in found.errors {
        tracing::debug!(reason = %error, "a certificate authority of the system is unreadable");
    }
    RootCerts::from(found.certs.iter().map(|der| Certificate::from_der(der.as_ref()).to_owned()))
}

#[derive(Debug)]
struct GuardedResolver {
    private_addresses: bool,
    inner: DefaultResolver,
}

impl Resolver for GuardedResolver {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let all = self.inner.resolve(uri, config, timeout)?;
        if self.private_addresses {
            return Ok(all);
        }
        let mut allowed = self.empty();
        for address in all.iter().filter(|address| is_public(address.ip())) {
            allowed.push(*address);
        }
        if allowed.is_empty() { Err(ureq::Error::HostNotFound) } else { Ok(allowed) }
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
    let reserved =
        a == 0 || (a == 100 && (64..128).contains(&b)) || (a, b, c) == (192, 0, 0) || (a == 198 && b & 0xFE == 18) || a >= 240;
    !special && !reserved
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    // Of 2000::/3, which is all that is given out: without documentation, Teredo and 6to4, which
    // carry an IPv4 address inside.
    let global = segments[0] & 0xE000 == 0x2000;
    let special = (segments[0] == 0x2001 && (segments[1] == 0xDB8 || segments[1] < 0x200)) || segments[0] == 0x2002;
    global && !special
}
