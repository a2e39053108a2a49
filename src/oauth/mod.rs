//! The verbs of the protocol, a file per RFC or step. No HTTP here: a [`Request`] comes in, an
//! answer or an [`Error`](crate::error::Error) goes out, and `http/` makes bytes of it.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use quick_cache::sync;

use crate::cache::Cache;
use crate::clock::Timestamp;
use crate::clock::watch::ClockWatch;
use crate::config::{Issuer, LiveSettings, Settings};
use crate::credential::Fingerprint;
use crate::crypto::password::Passwords;
use crate::error::Error;
use crate::metrics::{CacheState, Snapshot};
use crate::net::http_client::HttpClient;
use crate::rate_limit::RateLimiter;
use crate::request_context::RequestContext;
use crate::store::clock as store_clock;
use crate::store::signing_key::signing_at;
use crate::store::token_records::TokenRecords;
use crate::store::{Store, StoreError};

pub mod access_token;
pub mod api_key;
pub mod authorization;
pub mod client_assertion;
pub mod client_authentication;
pub mod client_credentials;
pub mod client_metadata;
pub mod failure;
pub mod forward_authentication;
pub mod introspection;
pub mod jwks;
pub mod keys;
pub mod metadata;
pub mod parameters;
pub mod registration;
pub mod revocation;
pub mod token_endpoint;
pub mod token_exchange;
pub mod usage;

use parameters::Parameters;

/// How many proven tokens are remembered: at a kilobyte each, a bounded share of memory.
const VERIFIED_KEPT: usize = 8_000;

/// All that the verbs work with.
pub struct AuthorizationServer {
    /// What is set.
    pub settings: LiveSettings,
    /// Exactly as tokens carry it.
    pub issuer: Issuer,
    /// The database.
    pub store: Arc<Store>,
    /// What the hot path needs, in memory.
    pub cache: Arc<Cache>,
    /// What signs.
    pub signing_keys: keys::SigningKeys,
    /// Where token records go.
    pub records: TokenRecords,
    /// Limits failed authentications.
    pub rate_limiter: RateLimiter,
    /// What hashes and compares passwords.
    pub passwords: Passwords,
    /// What is written in batches.
    pub usage: usage::Usage,
    /// For `jwks_uri`.
    pub http_client: HttpClient,
    /// The published keys, as long as they stay as they are.
    pub key_set: ArcSwapOption<jwks::KeySet>,
    /// Tokens whose signature was proven; not whether they are in force.
    pub verified: sync::Cache<Fingerprint, Arc<access_token::VerifiedToken>>,
    /// Whether the clocks agree.
    pub clock: ClockWatch,
    started: Timestamp,
}

impl AuthorizationServer {
    /// From its parts.
    ///
    /// # Errors
    /// Where the system gives no threads to sign with; an outgoing proxy or a certificate authority that
    /// cannot be used.
    pub fn new(
        settings: Settings,
        issuer: Issuer,
        cache: Arc<Cache>,
        store: Arc<Store>,
        sealing_keys: keys::SealingKeyFile,
        records: TokenRecords,
    ) -> Result<Self, Error> {
        let no_threads = |error: std::io::Error| Error::server_error(error.to_string());
        Ok(AuthorizationServer {
            http_client: HttpClient::new(&settings)?,
            issuer,
            store,
            cache,
            signing_keys: keys::SigningKeys::start(sealing_keys).map_err(no_threads)?,
            records,
            rate_limiter: RateLimiter::default(),
            passwords: Passwords::default(),
            usage: usage::Usage::default(),
            verified: sync::Cache::new(VERIFIED_KEPT),
            key_set: ArcSwapOption::empty(),
            clock: ClockWatch::default(),
            started: Timestamp::now(),
            settings: LiveSettings::new(settings),
        })
    }

    /// Learns what the nodes have seen of the clocks, before the first answer.
    ///
    /// # Errors
    /// Where the database gave no answer.
    pub async fn learn_seen(&self) -> Result<(), StoreError> {
        self.clock.learn(&self.store.read(store_clock::seen).await?);
        Ok(())
    }

    /// The state that `GET /metrics` shows beside the counters.
    pub fn snapshot(&self, now: Timestamp) -> Snapshot {
        let keys = self.cache.cached_signing_keys();
        let signing = signing_at(&keys, now);
        let verified = CacheState {
            entries: self.verified.len(),
            hits: self.verified.hits(),
            misses: self.verified.misses(),
        };
        let mut caches = self.cache.states();
        caches.push(("verified_tokens", verified));
        Snapshot {
            cache_fresh: self.cache.is_fresh(),
            caches,
            pools: self.store.pool_states(),
            queues: vec![
                ("signatures", self.signing_keys.waiting()),
                ("token_records", self.records.waiting()),
            ],
            signing_key_age: signing.map(|key| now.duration_since(key.signs_from)),
            signing_key_max_age: self.settings.signing_key_max_age,
            clock_difference_millis: self.clock.difference(),
            clock_agreed: !self.clock.is_doubted(),
            started: self.started.seconds(),
            ..Snapshot::default()
        }
    }
}

/// What a verb needs of a request to an OAuth endpoint.
pub struct Request {
    /// The `Authorization` header.
    pub authorization: Option<String>,
    /// The body.
    pub parameters: Parameters,
    /// Whence and when it came.
    pub context: RequestContext,
}
