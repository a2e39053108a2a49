//! Keys that clients publish at a `jwks_uri`, cached so that no partner's server, however slow, is in
//! the way of anybody whose keys were fetched before, nor of other partners.
//!
//! - One fetch at a time for each URI, for each host and for each account; all who want the same
//!   keys wait for the same fetch.
//! - Keys are fetched again in the background when they have reached half of [`FRESH`], and serve
//!   meanwhile, and up to [`STALE`] while the partner's server is away.
//! - A fetch waits [`TURN_TIMEOUT`] for its turn. After a failure the next one waits [`RETRY`], then
//!   twice as long, up to [`RETRY_MAX`].
//! - A key id that is not among the keys at hand starts a fetch only every [`RETRY`], and less often
//!   while these fetches bring nothing new: anybody can make key ids up.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use tokio::sync::{Semaphore, watch};
use ureq::Agent;

use crate::crypto::jws::JwkSet;
use crate::share::Shares;

/// For how long fetched keys are good; past half of it they are fetched again.
const FRESH: Duration = Duration::from_secs(5 * 60);

/// For how long they are used while they cannot be fetched again.
const STALE: Duration = Duration::from_secs(60 * 60);

/// How soon after a fetch there may be another one.
const RETRY: Duration = Duration::from_secs(10);

/// The same after many failures in a row.
const RETRY_MAX: Duration = Duration::from_secs(5 * 60);

/// The same while made-up key ids are asked for: a real new key is then found within a minute.
const UNKNOWN_KEY_RETRY_MAX: Duration = Duration::from_secs(60);

/// How soon there may be another fetch after one that did not get its turn.
const NO_TURN_RETRY: Duration = Duration::from_secs(1);

/// How long a fetch waits for its turn.
const TURN_TIMEOUT: Duration = Duration::from_secs(2);

/// The most fetches at a time, each of which holds a thread.
const FETCHES: usize = 16;

/// How much memory the keys may take, in bytes, about.
const MEMORY: u64 = 32 * 1024 * 1024;

/// What a parsed key set takes more than its text, and a URI without keys.
const PARSED: u64 = 3;
const ENTRY: u64 = 1024;

/// The cache, and who fills it.
pub(super) struct KeySets {
    cache: Cache<String, Entry, ByMemory>,
    fetcher: Fetcher,
}

/// A cached URI. The weight belongs to the entry, since an entry's weight must not change while it
/// is cached.
#[derive(Clone)]
struct Entry {
    source: Arc<Mutex<Source>>,
    weight: u64,
}

#[derive(Clone)]
struct ByMemory;

impl Weighter<String, Entry> for ByMemory {
    fn weight(&self, uri: &String, entry: &Entry) -> u64 {
        uri.len() as u64 + entry.weight
    }
}

/// What is known of one URI.
#[derive(Default)]
struct Source {
    /// The newest keys, with the moment at which they were asked for.
    keys: Option<(Arc<JwkSet>, Instant)>,
    /// The start of the last fetch that has ended, and how long after it there may be another.
    attempt: Option<(Instant, Duration)>,
    /// Fetches in a row that failed.
    failures: u32,
    /// Fetches in a row for a key id that brought nothing new.
    fruitless: u32,
    /// Why the last fetch brought no keys.
    failure: Option<Failure>,
    /// Open while a fetch is under way.
    fetch: Option<watch::Receiver<()>>,
}

/// What to do for one who wants keys.
enum Step {
    /// Answer with these.
    Use(Arc<JwkSet>),
    /// Answer with these, and fetch them again in the background.
    UseAndFetch(Arc<JwkSet>),
    /// Wait for the fetch that is under way.
    Wait(watch::Receiver<()>),
    /// Fetch, and wait for it.
    Fetch,
    /// There are none to be had for now.
    Refuse(Failure),
}

/// Why there are no keys.
#[derive(Clone, Debug)]
pub enum Failure {
    /// Others had all turns, or others of the same host or account: worth another try in a moment.
    NoTurn,
    /// What the partner's server did, or did not: a sentence for the log.
    Fetch(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::NoTurn => {
                f.write_str("too many fetches at a time from this host, for this account or in all")
            }
            Failure::Fetch(reason) => f.write_str(reason),
        }
    }
}

impl Source {
    fn step(&self, kid: Option<&str>, now: Instant) -> Step {
        let usable = self.usable(now);
        let fetch = self
            .fetch
            .as_ref()
            .filter(|fetch| fetch.has_changed().is_ok());
        let due = self
            .attempt
            .is_none_or(|(started, pause)| now.saturating_duration_since(started) >= pause);
        match usable {
            Some((keys, age)) if kid.is_none_or(|kid| keys.find(kid).is_some()) => {
                let refresh = age >= FRESH / 2 && due && fetch.is_none();
                if refresh {
                    Step::UseAndFetch(keys)
                } else {
                    Step::Use(keys)
                }
            }
            usable => match (fetch, usable) {
                (Some(fetch), _) => Step::Wait(fetch.clone()),
                (None, _) if due => Step::Fetch,
                (None, Some((keys, _))) => Step::Use(keys),
                (None, None) => Step::Refuse(self.why()),
            },
        }
    }

    fn why(&self) -> Failure {
        self.failure.clone().unwrap_or(Failure::NoTurn)
    }

    /// The keys and their age, where they are not too old.
    fn usable(&self, now: Instant) -> Option<(Arc<JwkSet>, Duration)> {
        let (keys, asked_at) = self.keys.as_ref()?;
        let age = now.saturating_duration_since(*asked_at);
        (age < STALE).then(|| (keys.clone(), age))
    }

    /// Takes in what a fetch brought that began at `started`, for a key id that was not known or not.
    fn settle(
        &mut self,
        outcome: Result<Arc<JwkSet>, Failure>,
        for_unknown_key: bool,
        started: Instant,
    ) {
        self.failure = outcome.as_ref().err().cloned();
        let pause = match outcome {
            Ok(keys) => {
                let same = self
                    .keys
                    .as_ref()
                    .is_some_and(|(before, _)| *before == keys);
                self.fruitless = if !same {
                    0
                } else {
                    self.fruitless + u32::from(for_unknown_key)
                };
                self.failures = 0;
                self.keys = Some((keys, started));
                doubled(RETRY, self.fruitless, UNKNOWN_KEY_RETRY_MAX)
            }
            Err(Failure::NoTurn) => NO_TURN_RETRY,
            Err(Failure::Fetch(_)) => {
                self.failures = self.failures.saturating_add(1);
                doubled(RETRY, self.failures - 1, RETRY_MAX)
            }
        };
        self.attempt = Some((started, pause));
        self.fetch = None;
    }
}

/// `first`, doubled so many times, `most` at the most.
fn doubled(first: Duration, times: u32, most: Duration) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(times)).min(most)
}

impl KeySets {
    pub(super) fn new(agent: Agent, private_addresses: bool) -> Self {
        let fetcher = Fetcher {
            agent,
            private_addresses,
            hosts: Shares::new(1),
            accounts: Shares::new(1),
            turns: Arc::new(Semaphore::new(FETCHES)),
        };
        KeySets {
            cache: Cache::with_weighter(1000, MEMORY, ByMemory),
            fetcher,
        }
    }

    /// See [`super::HttpClient::jwks`].
    pub(super) async fn get(
        self: &Arc<Self>,
        uri: &str,
        account: &str,
        kid: Option<&str>,
    ) -> Result<Arc<JwkSet>, Failure> {
        let source = self.source(uri);
        let named = |failure| match failure {
            Failure::Fetch(reason) => Failure::Fetch(format!("jwks_uri {uri}: {reason}")),
            Failure::NoTurn => Failure::NoTurn,
        };
        let mut fetch = {
            let mut state = locked(&source);
            match state.step(kid, Instant::now()) {
                Step::Use(keys) => return Ok(keys),
                Step::UseAndFetch(keys) => {
                    self.start(&mut state, &source, uri, account, false);
                    return Ok(keys);
                }
                Step::Wait(fetch) => fetch,
                Step::Fetch => self.start(&mut state, &source, uri, account, kid.is_some()),
                Step::Refuse(failure) => return Err(named(failure)),
            }
        };
        // The channel is closed when the fetch is over, however it ends.
        while fetch.changed().await.is_ok() {}
        let state = locked(&source);
        state
            .usable(Instant::now())
            .map(|(keys, _)| keys)
            .ok_or_else(|| named(state.why()))
    }

    fn source(&self, uri: &str) -> Arc<Mutex<Source>> {
        if let Some(entry) = self.cache.get(uri) {
            return entry.source;
        }
        let new = || {
            Ok::<_, std::convert::Infallible>(Entry {
                source: Arc::default(),
                weight: ENTRY,
            })
        };
        match self.cache.get_or_insert_with(uri, new) {
            Ok(entry) => entry.source,
            Err(never) => match never {},
        }
    }

    /// Starts a fetch that goes on without whoever wanted it.
    fn start(
        self: &Arc<Self>,
        state: &mut Source,
        source: &Arc<Mutex<Source>>,
        uri: &str,
        account: &str,
        for_unknown_key: bool,
    ) -> watch::Receiver<()> {
        let (open, fetch) = watch::channel(());
        state.fetch = Some(fetch.clone());
        let for_unknown_key = for_unknown_key && state.keys.is_some();
        let (key_sets, source, uri, account) = (
            self.clone(),
            source.clone(),
            uri.to_owned(),
            account.to_owned(),
        );
        tokio::spawn(async move {
            let started = Instant::now();
            let outcome = key_sets.fetcher.fetch(&uri, &account).await;
            if let Err(reason) = &outcome {
                tracing::warn!(uri, %reason, "cannot fetch a client's keys");
            }
            let weight = ENTRY + PARSED * outcome.as_ref().map_or(0, |(_, length)| *length as u64);
            let fetched = outcome.is_ok();
            locked(&source).settle(
                outcome.map(|(keys, _)| Arc::new(keys)),
                for_unknown_key,
                started,
            );
            if fetched {
                key_sets.cache.insert(uri, Entry { source, weight });
            }
            drop(open);
        });
        fetch
    }
}

fn locked(source: &Mutex<Source>) -> MutexGuard<'_, Source> {
    source.lock()
}

/// Fetches in turns.
struct Fetcher {
    agent: Agent,
    private_addresses: bool,
    hosts: Shares,
    accounts: Shares,
    turns: Arc<Semaphore>,
}

impl Fetcher {
    /// The keys, and how long their text was.
    async fn fetch(&self, uri: &str, account: &str) -> Result<(JwkSet, usize), Failure> {
        let url = url::Url::parse(uri).map_err(|error| Failure::Fetch(error.to_string()))?;
        if !self.private_addresses && super::names_inner_host(&url) {
            return Err(Failure::Fetch("it names an inner address".to_owned()));
        }
        let host = url.host_str().unwrap_or_default().to_owned();
        let turn = async {
            let account = self.accounts.acquire(account, TURN_TIMEOUT).await?;
            let host = self.hosts.acquire(&host, TURN_TIMEOUT).await?;
            Some((
                account,
                host,
                self.turns.clone().acquire_owned().await.ok()?,
            ))
        };
        let turn = tokio::time::timeout(TURN_TIMEOUT, turn)
            .await
            .ok()
            .flatten()
            .ok_or(Failure::NoTurn)?;
        let (agent, uri) = (self.agent.clone(), uri.to_owned());
        let answer = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            super::get(&agent, &uri)
        });
        let text = answer
            .await
            .map_err(|error| Failure::Fetch(error.to_string()))?
            .map_err(Failure::Fetch)?;
        let keys =
            serde_json::from_str(&text).map_err(|error| Failure::Fetch(error.to_string()))?;
        Ok((keys, text.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(kids: &[&str]) -> Arc<JwkSet> {
        let key = |kid: &&str| serde_json::json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kid": kid});
        let keys: Vec<_> = kids.iter().map(key).collect();
        Arc::new(serde_json::from_value(serde_json::json!({ "keys": keys })).unwrap())
    }

    fn failure() -> Result<Arc<JwkSet>, Failure> {
        Err(Failure::Fetch("away".to_owned()))
    }

    /// The steps by name, at so many seconds after `start`.
    fn steps(
        source: &Source,
        kid: Option<&str>,
        start: Instant,
        seconds: &[u64],
    ) -> Vec<&'static str> {
        let name = |at: &u64| match source.step(kid, start + Duration::from_secs(*at)) {
            Step::Use(_) => "use",
            Step::UseAndFetch(_) => "use and fetch",
            Step::Wait(_) => "wait",
            Step::Fetch => "fetch",
            Step::Refuse(_) => "refuse",
        };
        seconds.iter().map(name).collect()
    }

    #[test]
    fn keys_at_hand_serve_and_are_refreshed_at_half_their_time() {
        let (mut source, start) = (Source::default(), Instant::now());
        assert_eq!(steps(&source, Some("a"), start, &[0]), ["fetch"]);
        source.settle(Ok(keys(&["a"])), false, start);
        for kid in [Some("a"), None] {
            let seen = steps(&source, kid, start, &[0, 149, 150, 3599, 3600]);
            assert_eq!(
                seen,
                ["use", "use", "use and fetch", "use and fetch", "fetch"]
            );
        }
    }

    #[test]
    fn while_a_fetch_is_under_way_only_those_without_keys_wait() {
        let (mut source, start) = (Source::default(), Instant::now());
        let (open, fetch) = watch::channel(());
        source.fetch = Some(fetch);
        assert_eq!(steps(&source, None, start, &[0, 1000]), ["wait", "wait"]);
        source.keys = Some((keys(&["a"]), start));
        assert_eq!(steps(&source, Some("a"), start, &[0, 200]), ["use", "use"]);
        assert_eq!(
            steps(&source, Some("b"), start, &[0, 200]),
            ["wait", "wait"]
        );
        // One that ended without a word, such as at a shutdown, blocks nobody.
        drop(open);
        assert_eq!(steps(&source, Some("a"), start, &[200]), ["use and fetch"]);
        assert_eq!(steps(&source, Some("b"), start, &[200]), ["fetch"]);
    }

    #[test]
    fn failures_back_off_and_good_keys_are_kept() {
        let (mut source, mut at) = (Source::default(), Instant::now());
        for pause in [10, 20, 40, 80, 160, 300, 300] {
            source.settle(failure(), false, at);
            assert_eq!(
                steps(&source, None, at, &[0, pause - 1, pause]),
                ["refuse", "refuse", "fetch"]
            );
            at += Duration::from_secs(pause);
        }
        source.settle(Ok(keys(&["a"])), false, at);
        let fetched_at = at;
        for (later, pause) in [(150, 10), (200, 20), (300, 40)] {
            at = fetched_at + Duration::from_secs(later);
            source.settle(failure(), false, at);
            assert_eq!(
                steps(&source, Some("a"), at, &[0, pause - 1, pause]),
                ["use", "use", "use and fetch"]
            );
        }
        assert_eq!(
            steps(&source, Some("a"), fetched_at, &[3599, 3600]),
            ["use and fetch", "fetch"]
        );
    }

    #[test]
    fn a_missed_turn_is_tried_again_soon_and_is_no_failure_of_the_partners() {
        let (mut source, at) = (Source::default(), Instant::now());
        source.settle(Err(Failure::NoTurn), false, at);
        assert_eq!(steps(&source, None, at, &[0, 1]), ["refuse", "fetch"]);
        assert_eq!(source.failures, 0);
    }

    #[test]
    fn made_up_key_ids_start_few_fetches() {
        let (mut source, mut at) = (Source::default(), Instant::now());
        source.settle(Ok(keys(&["a"])), false, at);
        for pause in [10, 20, 40, 60, 60] {
            assert_eq!(
                steps(&source, Some("b"), at, &[0, pause - 1, pause]),
                ["use", "use", "fetch"],
                "{pause}"
            );
            at += Duration::from_secs(pause);
            source.settle(Ok(keys(&["a"])), true, at);
        }
        // New keys are news.
        at += Duration::from_secs(60);
        source.settle(Ok(keys(&["a", "b"])), true, at);
        assert_eq!(steps(&source, Some("c"), at, &[9, 10]), ["use", "fetch"]);
    }
}
