//! The key sets that clients publish at a `jwks_uri`, and those of other issuers, cached so that a
//! slow server of one partner delays neither clients whose keys are cached nor other partners.
//!
//! - There is one fetch at a time for each location, each host and each account; all requests for
//!   the same key set wait for the same fetch. The fetch of an issuer's keys reads its discovery
//!   document and then the key set that the document names.
//! - A key set is refreshed in the background from half of [`FRESH`] on, or from the age that a SPIFFE
//!   bundle asks for (`spiffe_refresh_hint`), within bounds. The cached one is used meanwhile, and up
//!   to [`STALE`] while the partner's server fails.
//! - A fetch waits up to [`PERMIT_TIMEOUT`] for its permits. After a failure the next fetch waits
//!   for [`RETRY`], then twice as long each time, up to [`RETRY_MAX`].
//! - A key id that is not in the cached set starts a fetch only every [`RETRY`], and less often
//!   while these fetches find no new key: anybody can make up key ids.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use ureq::Agent;

use super::{Addresses, FetchError, TIMEOUT};
use crate::concurrency_limit::{ConcurrencyLimit, Permit};
use crate::crypto::jws::{JwkSet, WantedKey};
use crate::span::{self, Scope};

/// How long a fetched key set is fresh. From half of it on it is refreshed.
const FRESH: Duration = Duration::from_secs(5 * 60);

/// How long a key set is used while it cannot be refreshed.
const STALE: Duration = Duration::from_secs(60 * 60);

/// The shortest time between two fetches of one location.
const RETRY: Duration = Duration::from_secs(10);

/// The longest time between two fetches after failures in a row.
const RETRY_MAX: Duration = Duration::from_secs(5 * 60);

/// The longest time between two fetches for unknown key ids: a real new key is found within a
/// minute.
const UNKNOWN_KEY_RETRY_MAX: Duration = Duration::from_secs(60);

/// The time to the next fetch after one that got no permit.
const BUSY_RETRY: Duration = Duration::from_secs(1);

/// How long a fetch waits for its permits.
const PERMIT_TIMEOUT: Duration = Duration::from_secs(2);

/// The most fetches at a time. Each blocks a thread.
const MAX_FETCHES: usize = 16;

/// The most memory that the cache uses, in bytes, approximately.
const MAX_MEMORY: u64 = 32 * 1024 * 1024;

/// The memory of a parsed key set, in multiples of its text, and of an entry without keys, in
/// bytes.
const PARSED_SIZE: u64 = 3;
const ENTRY_SIZE: u64 = 1024;

/// Where a key set is published.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Location {
    /// At this URL.
    JwksUri(String),
    /// At the `jwks_uri` in the discovery document of this issuer (OpenID Connect Discovery 1.0
    /// section 4, RFC 8414 section 3).
    Issuer(String),
}

impl Location {
    fn url(&self) -> &str {
        match self {
            Location::JwksUri(url) | Location::Issuer(url) => url,
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::JwksUri(url) => write!(f, "jwks_uri {url}"),
            Location::Issuer(url) => write!(f, "issuer {url}"),
        }
    }
}

/// The cache, with what fills it.
pub(super) struct KeySets {
    cache: Cache<Location, Entry, ByMemory>,
    fetcher: Fetcher,
}

/// The cache entry of one location. The weight is stored in it, since quick_cache requires that the
/// weight of an entry does not change while it is cached.
#[derive(Clone)]
struct Entry {
    source: Arc<Mutex<Source>>,
    weight: u64,
}

#[derive(Clone)]
struct ByMemory;

impl Weighter<Location, Entry> for ByMemory {
    fn weight(&self, location: &Location, entry: &Entry) -> u64 {
        location.url().len() as u64 + entry.weight
    }
}

/// The state of one location.
#[derive(Default)]
struct Source {
    /// The newest key set, and when its fetch was started.
    keys: Option<(Arc<JwkSet>, Instant)>,
    /// When the last completed fetch was started, and how long after that the next one may start.
    last_fetch: Option<(Instant, Duration)>,
    /// Failed fetches in a row.
    failures: u32,
    /// Fetches in a row for an unknown key id that found no new key.
    fruitless: u32,
    /// Why the last fetch failed.
    error: Option<JwksError>,
    /// Open while a fetch is under way.
    fetch: Option<watch::Receiver<()>>,
}

/// What to do for a caller that needs a key set.
enum Step {
    /// Return the cached one.
    Use(Arc<JwkSet>),
    /// Return the cached one, and refresh it in the background.
    UseAndRefresh(Arc<JwkSet>),
    /// Wait for the fetch that is under way.
    Wait(watch::Receiver<()>),
    /// Start a fetch, and wait for it.
    Fetch,
    /// Return an error without a fetch.
    Refuse(JwksError),
}

/// Why there is no key set.
#[derive(Clone, Debug, thiserror::Error)]
pub enum JwksError {
    /// The limit of concurrent fetches is reached: of all, of the host or of the account. Worth a
    /// retry soon.
    #[error("too many fetches at a time from this host, for this account or in all")]
    Busy,
    /// The fetch failed. The text is for the log.
    #[error("{0}")]
    Fetch(String),
}

impl Source {
    fn step(&self, wanted: Option<WantedKey<'_>>, now: Instant) -> Step {
        let cached = self.usable(now);
        let fetch = self
            .fetch
            .as_ref()
            .filter(|fetch| fetch.has_changed().is_ok());
        let due = self
            .last_fetch
            .is_none_or(|(started, pause)| now.saturating_duration_since(started) >= pause);
        match cached {
            Some((keys, age)) if wanted.is_none_or(|wanted| keys.has(wanted)) => {
                if age >= refresh_age(&keys) && due && fetch.is_none() {
                    Step::UseAndRefresh(keys)
                } else {
                    Step::Use(keys)
                }
            }
            cached => match (fetch, cached) {
                (Some(fetch), _) => Step::Wait(fetch.clone()),
                (None, _) if due => Step::Fetch,
                (None, Some((keys, _))) => Step::Use(keys),
                (None, None) => Step::Refuse(self.last_error()),
            },
        }
    }

    fn last_error(&self) -> JwksError {
        self.error.clone().unwrap_or(JwksError::Busy)
    }

    /// The key set and its age, unless it is stale.
    fn usable(&self, now: Instant) -> Option<(Arc<JwkSet>, Duration)> {
        let (keys, started) = self.keys.as_ref()?;
        let age = now.saturating_duration_since(*started);
        (age < STALE).then(|| (keys.clone(), age))
    }

    /// Records the outcome of a fetch that was started at `started` for `reason`.
    fn complete(
        &mut self,
        outcome: Result<Arc<JwkSet>, JwksError>,
        reason: FetchReason,
        started: Instant,
    ) {
        self.error = outcome.as_ref().err().cloned();
        let pause = match outcome {
            Ok(keys) => {
                let unchanged = self
                    .keys
                    .as_ref()
                    .is_some_and(|(before, _)| *before == keys);
                self.fruitless = match (unchanged, reason) {
                    (false, _) => 0,
                    (true, FetchReason::Refresh) => self.fruitless,
                    (true, FetchReason::UnknownKey) => self.fruitless.saturating_add(1),
                };
                self.failures = 0;
                self.keys = Some((keys, started));
                backoff(RETRY, self.fruitless, UNKNOWN_KEY_RETRY_MAX)
            }
            Err(JwksError::Busy) => BUSY_RETRY,
            Err(JwksError::Fetch(_)) => {
                self.failures = self.failures.saturating_add(1);
                backoff(RETRY, self.failures - 1, RETRY_MAX)
            }
        };
        self.last_fetch = Some((started, pause));
        self.fetch = None;
    }
}

/// Why a key set is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FetchReason {
    /// None is cached, or it is no longer fresh.
    Refresh,
    /// The cached one has no key with the id that is asked for.
    UnknownKey,
}

/// The age from which a key set is refreshed. It is shorter than [`STALE`], so that the fetch has
/// time to fail, and to be repeated.
fn refresh_age(keys: &JwkSet) -> Duration {
    match keys.refresh_hint() {
        Some(hint) => hint.clamp(RETRY, STALE / 2),
        None => FRESH / 2,
    }
}

/// `first`, doubled `times` times, but at most `max`.
fn backoff(first: Duration, times: u32, max: Duration) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(times)).min(max)
}

impl KeySets {
    /// An empty cache. With [`Addresses::Public`] a URL whose host is private is refused.
    pub(super) fn new(agent: Agent, addresses: Addresses) -> Self {
        let fetcher = Fetcher {
            agent,
            addresses,
            hosts: ConcurrencyLimit::new(1),
            accounts: ConcurrencyLimit::new(1),
            permits: Arc::new(Semaphore::new(MAX_FETCHES)),
        };
        KeySets {
            cache: Cache::with_weighter(1000, MAX_MEMORY, ByMemory),
            fetcher,
        }
    }

    /// See [`super::HttpClient::jwks`] and [`super::HttpClient::issuer_keys`].
    pub(super) async fn get(
        self: &Arc<Self>,
        location: &Location,
        account: &str,
        wanted: Option<WantedKey<'_>>,
    ) -> Result<Arc<JwkSet>, JwksError> {
        let source = self.source(location);
        let with_location = |error| match error {
            JwksError::Fetch(reason) => JwksError::Fetch(format!("{location}: {reason}")),
            JwksError::Busy => JwksError::Busy,
        };
        let mut fetch = {
            let mut state = source.lock();
            match state.step(wanted, Instant::now()) {
                Step::Use(keys) => return Ok(keys),
                Step::UseAndRefresh(keys) => {
                    self.start(&mut state, &source, location, account, FetchReason::Refresh);
                    return Ok(keys);
                }
                Step::Wait(fetch) => fetch,
                Step::Fetch => {
                    let reason = match (wanted, &state.keys) {
                        (Some(_), Some(_)) => FetchReason::UnknownKey,
                        _ => FetchReason::Refresh,
                    };
                    self.start(&mut state, &source, location, account, reason)
                }
                Step::Refuse(error) => return Err(with_location(error)),
            }
        };
        // The channel closes when the fetch ends, however it ends.
        while fetch.changed().await.is_ok() {}
        let state = source.lock();
        match state.usable(Instant::now()) {
            Some((keys, _)) => Ok(keys),
            None => Err(with_location(state.last_error())),
        }
    }

    fn source(&self, location: &Location) -> Arc<Mutex<Source>> {
        if let Some(entry) = self.cache.get(location) {
            return entry.source;
        }
        let new = || {
            Ok::<_, std::convert::Infallible>(Entry {
                source: Arc::default(),
                weight: ENTRY_SIZE,
            })
        };
        match self.cache.get_or_insert_with(location, new) {
            Ok(entry) => entry.source,
            Err(never) => match never {},
        }
    }

    /// Starts a fetch, which continues if the caller is cancelled.
    fn start(
        self: &Arc<Self>,
        state: &mut Source,
        source: &Arc<Mutex<Source>>,
        location: &Location,
        account: &str,
        reason: FetchReason,
    ) -> watch::Receiver<()> {
        let (under_way, fetch) = watch::channel(());
        state.fetch = Some(fetch.clone());
        let key_sets = self.clone();
        let source = source.clone();
        let location = location.clone();
        let account = account.to_owned();
        let scope = Scope::child(|| {
            tracing::debug_span!(
                target: span::TARGET,
                "fetch jwks_uri",
                otel.kind = "client",
                url.full = location.url(),
                otel.status_code = tracing::field::Empty
            )
        });
        let span = scope.span().clone();
        let fetch_and_store = async move {
            let started = Instant::now();
            let outcome = key_sets.fetcher.fetch(&location, &account).await;
            if let Err(error) = &outcome {
                span.record("otel.status_code", "ERROR");
                let uri = location.url();
                match location {
                    Location::JwksUri(_) => {
                        tracing::warn!(uri, %error, "cannot fetch a client's keys");
                    }
                    Location::Issuer(_) => {
                        tracing::warn!(uri, %error, "cannot fetch an issuer's keys");
                    }
                }
            }
            let text_size = outcome.as_ref().map_or(0, |(_, size)| *size as u64);
            let fetched = outcome.is_ok();
            let keys = outcome.map(|(keys, _)| Arc::new(keys));
            source.lock().complete(keys, reason, started);
            if fetched {
                let weight = ENTRY_SIZE + PARSED_SIZE * text_size;
                key_sets.cache.insert(location, Entry { source, weight });
            }
            drop(under_way);
        };
        tokio::spawn(scope.run(fetch_and_store));
        fetch
    }
}

/// Fetches key sets, a limited number at a time.
struct Fetcher {
    agent: Agent,
    addresses: Addresses,
    hosts: ConcurrencyLimit,
    accounts: ConcurrencyLimit,
    permits: Arc<Semaphore>,
}

impl Fetcher {
    /// Returns the key set and the size of its text in bytes.
    async fn fetch(
        &self,
        location: &Location,
        account: &str,
    ) -> Result<(JwkSet, usize), JwksError> {
        let failed = |error: &dyn fmt::Display| JwksError::Fetch(error.to_string());
        let url = check_url(location.url(), self.addresses).map_err(|error| failed(&error))?;
        let host = url.host_str().unwrap_or_default();
        let permits = tokio::time::timeout(PERMIT_TIMEOUT, self.permits(host, account))
            .await
            .ok()
            .flatten()
            .ok_or(JwksError::Busy)?;
        let agent = self.agent.clone();
        let addresses = self.addresses;
        let location = location.clone();
        let fetched = Scope::current().run_blocking(move || {
            // Held until the thread is done, even if the task is cancelled.
            let _permits = permits;
            fetch_text(&agent, addresses, &location)
        });
        let text = fetched
            .await
            .map_err(|error| failed(&error))?
            .map_err(|error| failed(&error))?;
        let keys = serde_json::from_str(&text).map_err(|error| failed(&error))?;
        Ok((keys, text.len()))
    }

    async fn permits(
        &self,
        host: &str,
        account: &str,
    ) -> Option<(Permit, Permit, OwnedSemaphorePermit)> {
        let account = self.accounts.acquire(account, PERMIT_TIMEOUT).await?;
        let host = self.hosts.acquire(host, PERMIT_TIMEOUT).await?;
        let any = self.permits.clone().acquire_owned().await.ok()?;
        Some((account, host, any))
    }
}

/// Why the text of a key set could not be fetched.
#[derive(Debug, thiserror::Error)]
enum FetchTextError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("{0} cannot be used: {1}")]
    Url(String, String),
    #[error("its host is a private address")]
    PrivateHost,
    #[error("the discovery document cannot be read: {0}")]
    Document(#[from] serde_json::Error),
    #[error("the discovery document is of another issuer, {0}")]
    OtherIssuer(String),
}

/// Parses a URL, and refuses a private host unless every address may be connected to.
fn check_url(text: &str, addresses: Addresses) -> Result<url::Url, FetchTextError> {
    let url = url::Url::parse(text)
        .map_err(|error| FetchTextError::Url(text.to_owned(), error.to_string()))?;
    if addresses == Addresses::Public && super::has_private_host(&url) {
        return Err(FetchTextError::PrivateHost);
    }
    Ok(url)
}

/// Fetches the text of a key set; with an issuer, its discovery document first. All requests
/// together take up to [`TIMEOUT`]. It blocks.
fn fetch_text(
    agent: &Agent,
    addresses: Addresses,
    location: &Location,
) -> Result<String, FetchTextError> {
    let started = Instant::now();
    let get = |url: &str| super::get(agent, url, TIMEOUT.saturating_sub(started.elapsed()));
    match location {
        Location::JwksUri(uri) => Ok(get(uri)?),
        Location::Issuer(issuer) => {
            let [openid, oauth] = discovery_urls(issuer, addresses)?;
            let document = match get(&openid) {
                Err(FetchError::Status(_)) => get(&oauth)?,
                other => other?,
            };
            let uri = jwks_uri_of(&document, issuer)?;
            check_url(&uri, addresses)?;
            Ok(get(&uri)?)
        }
    }
}

/// The URLs of an issuer's discovery document: of OpenID Connect Discovery 1.0 (section 4.1), and
/// of RFC 8414 (section 3.1), which inserts its path before that of the issuer.
fn discovery_urls(issuer: &str, addresses: Addresses) -> Result<[String; 2], FetchTextError> {
    let mut url = check_url(issuer, addresses)?;
    let openid = format!(
        "{}/.well-known/openid-configuration",
        issuer.trim_end_matches('/')
    );
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&format!("/.well-known/oauth-authorization-server{path}"));
    Ok([openid, url.into()])
}

/// The `jwks_uri` of a discovery document, whose `issuer` must be the one that it was fetched for
/// (RFC 8414 section 3.3): otherwise one issuer could vouch for another.
fn jwks_uri_of(document: &str, issuer: &str) -> Result<String, FetchTextError> {
    #[derive(serde::Deserialize)]
    struct Metadata {
        issuer: String,
        jwks_uri: String,
    }
    let metadata: Metadata = serde_json::from_str(document)?;
    if metadata.issuer != issuer {
        let shown = metadata.issuer.chars().take(200).collect();
        return Err(FetchTextError::OtherIssuer(shown));
    }
    Ok(metadata.jwks_uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(kids: &[&str]) -> Arc<JwkSet> {
        let key = |kid: &&str| serde_json::json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kid": kid});
        let keys: Vec<_> = kids.iter().map(key).collect();
        Arc::new(serde_json::from_value(serde_json::json!({ "keys": keys })).unwrap())
    }

    fn failure() -> Result<Arc<JwkSet>, JwksError> {
        Err(JwksError::Fetch("no answer".to_owned()))
    }

    /// The names of the steps at these seconds after `start`.
    fn steps(
        source: &Source,
        kid: Option<&str>,
        start: Instant,
        seconds: &[u64],
    ) -> Vec<&'static str> {
        let name = |at: &u64| match source
            .step(kid.map(WantedKey::Kid), start + Duration::from_secs(*at))
        {
            Step::Use(_) => "use",
            Step::UseAndRefresh(_) => "use and refresh",
            Step::Wait(_) => "wait",
            Step::Fetch => "fetch",
            Step::Refuse(_) => "refuse",
        };
        seconds.iter().map(name).collect()
    }

    #[test]
    fn a_discovery_document_is_that_of_its_issuer() {
        let with_path = "https://id.example/tenant/";
        for (issuer, urls) in [
            (
                "https://id.example",
                [
                    "https://id.example/.well-known/openid-configuration",
                    "https://id.example/.well-known/oauth-authorization-server",
                ],
            ),
            (
                with_path,
                [
                    "https://id.example/tenant/.well-known/openid-configuration",
                    "https://id.example/.well-known/oauth-authorization-server/tenant",
                ],
            ),
        ] {
            assert_eq!(discovery_urls(issuer, Addresses::Public).unwrap(), urls);
        }
        assert!(discovery_urls("https://127.0.0.1", Addresses::Public).is_err());
        assert!(discovery_urls("https://127.0.0.1", Addresses::Any).is_ok());
        let document = |issuer: &str| {
            format!(r#"{{"issuer": "{issuer}", "jwks_uri": "https://keys.example/"}}"#)
        };
        let uri = jwks_uri_of(&document(with_path), with_path);
        assert_eq!(uri.unwrap(), "https://keys.example/");
        for other in ["https://id.example/tenant", "https://evil.example/"] {
            let refused = jwks_uri_of(&document(other), with_path);
            assert!(
                matches!(refused, Err(FetchTextError::OtherIssuer(_))),
                "{other}"
            );
        }
        for text in [
            "",
            "[]",
            "{}",
            r#"{"issuer": "https://id.example/tenant/"}"#,
        ] {
            assert!(jwks_uri_of(text, with_path).is_err(), "{text}");
        }
    }

    #[test]
    fn cached_keys_are_used_and_refreshed_from_half_their_freshness_on() {
        let (mut source, start) = (Source::default(), Instant::now());
        assert_eq!(steps(&source, Some("a"), start, &[0]), ["fetch"]);
        source.complete(Ok(keys(&["a"])), FetchReason::Refresh, start);
        for kid in [Some("a"), None] {
            let seen = steps(&source, kid, start, &[0, 149, 150, 3599, 3600]);
            assert_eq!(
                seen,
                ["use", "use", "use and refresh", "use and refresh", "fetch"]
            );
        }
    }

    #[test]
    fn a_spiffe_bundle_says_when_to_refresh_it() {
        for (hint, at) in [(60, 60), (0, 10), (1_000_000_000, 1800)] {
            let (mut source, start) = (Source::default(), Instant::now());
            let bundle = serde_json::json!({"keys": [], "spiffe_refresh_hint": hint});
            let bundle = Arc::new(serde_json::from_value(bundle).unwrap());
            source.complete(Ok(bundle), FetchReason::Refresh, start);
            let seen = steps(&source, None, start, &[at - 1, at]);
            assert_eq!(seen, ["use", "use and refresh"], "{hint}");
        }
    }

    #[test]
    fn while_a_fetch_is_under_way_only_callers_without_the_key_wait() {
        let (mut source, start) = (Source::default(), Instant::now());
        let (under_way, fetch) = watch::channel(());
        source.fetch = Some(fetch);
        assert_eq!(steps(&source, None, start, &[0, 1000]), ["wait", "wait"]);
        source.keys = Some((keys(&["a"]), start));
        assert_eq!(steps(&source, Some("a"), start, &[0, 200]), ["use", "use"]);
        assert_eq!(
            steps(&source, Some("b"), start, &[0, 200]),
            ["wait", "wait"]
        );
        // A fetch that was cancelled, for example at a shutdown, blocks no later one.
        drop(under_way);
        assert_eq!(
            steps(&source, Some("a"), start, &[200]),
            ["use and refresh"]
        );
        assert_eq!(steps(&source, Some("b"), start, &[200]), ["fetch"]);
    }

    #[test]
    fn failures_back_off_and_cached_keys_stay_in_use() {
        let (mut source, mut at) = (Source::default(), Instant::now());
        for pause in [10, 20, 40, 80, 160, 300, 300] {
            source.complete(failure(), FetchReason::Refresh, at);
            assert_eq!(
                steps(&source, None, at, &[0, pause - 1, pause]),
                ["refuse", "refuse", "fetch"]
            );
            at += Duration::from_secs(pause);
        }
        source.complete(Ok(keys(&["a"])), FetchReason::Refresh, at);
        let fetched_at = at;
        for (later, pause) in [(150, 10), (200, 20), (300, 40)] {
            at = fetched_at + Duration::from_secs(later);
            source.complete(failure(), FetchReason::Refresh, at);
            assert_eq!(
                steps(&source, Some("a"), at, &[0, pause - 1, pause]),
                ["use", "use", "use and refresh"]
            );
        }
        assert_eq!(
            steps(&source, Some("a"), fetched_at, &[3599, 3600]),
            ["use and refresh", "fetch"]
        );
    }

    #[test]
    fn a_fetch_without_a_permit_is_retried_soon_and_counts_as_no_failure() {
        let (mut source, at) = (Source::default(), Instant::now());
        source.complete(Err(JwksError::Busy), FetchReason::Refresh, at);
        assert_eq!(steps(&source, None, at, &[0, 1]), ["refuse", "fetch"]);
        assert_eq!(source.failures, 0);
    }

    #[test]
    fn unknown_key_ids_start_few_fetches() {
        let (mut source, mut at) = (Source::default(), Instant::now());
        source.complete(Ok(keys(&["a"])), FetchReason::Refresh, at);
        for pause in [10, 20, 40, 60, 60] {
            assert_eq!(
                steps(&source, Some("b"), at, &[0, pause - 1, pause]),
                ["use", "use", "fetch"],
                "{pause}"
            );
            at += Duration::from_secs(pause);
            source.complete(Ok(keys(&["a"])), FetchReason::UnknownKey, at);
        }
        // A new key set ends the backoff.
        at += Duration::from_secs(60);
        source.complete(Ok(keys(&["a", "b"])), FetchReason::UnknownKey, at);
        assert_eq!(steps(&source, Some("c"), at, &[9, 10]), ["use", "fetch"]);
    }
}
