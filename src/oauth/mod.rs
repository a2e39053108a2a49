//! The protocol operations, one file for each RFC or step, without HTTP. Each takes a request that
//! `http/` has read, such as a [`FormRequest`], and returns a response or an [`Error`], which
//! `http/` writes.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use quick_cache::sync;

use crate::cache::Cache;
use crate::client_ip::ClientIp;
use crate::clock::Timestamp;
use crate::clock::watch::ClockWatch;
use crate::config::{Issuer, LiveSettings, Settings};
use crate::credential::Fingerprint;
use crate::crypto::password::Passwords;
use crate::crypto::sealing_key::SealingKeyFile;
use crate::error::Error;
use crate::metrics::{CacheState, Snapshot};
use crate::net::client_authorities::ClientAuthorities;
use crate::net::http_client::HttpClient;
use crate::net::smtp::Mailer;
use crate::rate_limit::{Attempt, AttemptBy, RateLimiter};
use crate::request_context::RequestContext;
use crate::store::client::{AuthMethod, Client};
use crate::store::clock as store_clock;
use crate::store::security_profile::SecurityProfile;
use crate::store::signing_key::signing_with;
use crate::store::token_records::TokenRecords;
use crate::store::{Store, StoreError};

pub mod authorization_header;
pub mod binding;
pub mod client_auth;
pub mod client_metadata;
pub mod dpop;
pub mod failures;
pub mod forward_auth;
pub mod grant;
pub mod introspection;
pub mod issuance;
pub mod jwks;
pub mod parameters;
pub mod possession;
pub mod reason;
pub mod registration;
pub mod revocation;
pub mod server_metadata;
pub mod signing_keys;
pub mod token;
pub mod token_endpoint;
pub mod trust;
pub mod usage;

use parameters::Parameters;
use signing_keys::{SignatureAlgorithm, SigningKeys};
use token::verify::VerifiedToken;

/// The capacity of the cache of verified tokens. An entry takes about a kilobyte.
const VERIFIED_CAPACITY: usize = 8_000;

/// The authorization server: the state that all operations share, for one issuer. The crate can use
/// the services that more than the protocol needs; the rest is private to `oauth`.
pub struct AuthorizationServer {
    /// The settings, of which some can be reloaded.
    pub(crate) settings: LiveSettings,
    /// The issuer identifier (RFC 8414 section 2), exactly as it is in the tokens.
    pub(crate) issuer: Issuer,
    /// The database.
    pub(crate) store: Arc<Store>,
    /// The in-memory cache of clients, API keys, revocations and signing keys.
    pub(crate) cache: Arc<Cache>,
    /// Hashing and verification of passwords.
    pub(crate) passwords: Passwords,
    /// Counters and audit entries that are written in batches.
    pub(crate) usage: usage::Usage,
    /// Comparison of the clocks of this machine, the database and the other nodes.
    pub(crate) clock: ClockWatch,
    /// The signing key pairs and the threads that sign.
    signing_keys: SigningKeys,
    /// The writer of token records.
    records: TokenRecords,
    /// The rate limiter of failed authentications.
    rate_limiter: RateLimiter,
    /// The HTTP client that fetches the JWK Sets of clients (`jwks_uri`).
    http_client: HttpClient,
    /// The sender of e-mail, if a server is set.
    mailer: Option<Mailer>,
    /// The certificate authorities for client certificates, if there are any.
    client_authorities: Option<Arc<ClientAuthorities>>,
    /// The current JWK Set document.
    key_set: ArcSwapOption<jwks::KeySet>,
    /// The cache of tokens whose signature was verified. It says nothing about whether they are
    /// active.
    verified: sync::Cache<Fingerprint, Arc<VerifiedToken>>,
    started: Timestamp,
}

impl AuthorizationServer {
    /// Puts the server together, and starts the threads that sign.
    ///
    /// # Errors
    /// Fails if the system refuses threads, or if the outgoing proxy or a certificate authority of
    /// the settings cannot be used.
    pub fn new(
        settings: Settings,
        issuer: Issuer,
        cache: Arc<Cache>,
        store: Arc<Store>,
        sealing_keys: SealingKeyFile,
        records: TokenRecords,
    ) -> Result<Self, Error> {
        let no_threads = |error: std::io::Error| Error::server_error(error.to_string());
        Ok(AuthorizationServer {
            http_client: HttpClient::new(&settings)?,
            mailer: Mailer::new(&settings)?,
            client_authorities: settings
                .tls_client_ca
                .as_deref()
                .map(ClientAuthorities::load)
                .transpose()?,
            issuer,
            store,
            cache,
            signing_keys: SigningKeys::start(sealing_keys).map_err(no_threads)?,
            records,
            rate_limiter: RateLimiter::default(),
            passwords: Passwords::default(),
            usage: usage::Usage::default(),
            verified: sync::Cache::new(VERIFIED_CAPACITY),
            key_set: ArcSwapOption::empty(),
            clock: ClockWatch::default(),
            started: Timestamp::now(),
            settings: LiveSettings::new(settings),
        })
    }

    /// Reads the last instant that a node recorded. Call this before the first request is served:
    /// the clock of this machine may be days behind.
    ///
    /// # Errors
    /// Fails if the database does not answer.
    pub async fn learn_seen(&self) -> Result<(), StoreError> {
        self.clock.learn(&self.store.read(store_clock::seen).await?);
        Ok(())
    }

    /// The security profile that a client must follow: its own or that of the server, whichever is
    /// stricter.
    pub(crate) fn security_profile(&self, client: &Client) -> SecurityProfile {
        client.profile.max(self.settings.security_profile)
    }

    /// The sealing keys, which encrypt private signing keys and the secrets of second factors.
    pub(crate) fn sealing_keys(&self) -> &SealingKeyFile {
        self.signing_keys.sealing_keys()
    }

    /// The client for requests to partners.
    pub(crate) fn http_client(&self) -> &HttpClient {
        &self.http_client
    }

    /// The sender of e-mail, if a server is set.
    pub(crate) fn mailer(&self) -> Option<&Mailer> {
        self.mailer.as_ref()
    }

    /// The certificate authorities for client certificates, if there are any.
    pub(crate) fn client_authorities(&self) -> Option<&Arc<ClientAuthorities>> {
        self.client_authorities.as_ref()
    }

    /// The authentication methods that a client can use here: those with a certificate only if
    /// certificates can arrive, and `tls_client_auth` only with certificate authorities.
    fn auth_methods(&self) -> impl Iterator<Item = AuthMethod> + use<> {
        let certificates = self.settings.accepts_client_certificates();
        let authorities = self.client_authorities.is_some();
        let is_usable = move |method: &AuthMethod| match method {
            AuthMethod::TlsClientAuth => certificates && authorities,
            AuthMethod::SelfSignedTlsClientAuth => certificates,
            AuthMethod::ClientSecretBasic
            | AuthMethod::ClientSecretPost
            | AuthMethod::PrivateKeyJwt => true,
        };
        AuthMethod::ALL.into_iter().filter(is_usable)
    }

    /// Counts an attempt to authenticate, before its password or code is checked.
    ///
    /// # Errors
    /// How long to wait, if the caller failed too often.
    pub(crate) fn start_attempt<'a>(
        &'a self,
        by: &AttemptBy<'_>,
        client_ip: ClientIp,
    ) -> Result<Attempt<'a>, Duration> {
        self.rate_limiter.attempt(by, client_ip)
    }

    /// Counts a credential that an actor tries out. Returns how long to wait if the actor is over the
    /// limit.
    pub fn limit_trials(&self, actor: &str) -> Option<Duration> {
        self.rate_limiter.tried(actor)
    }

    /// The gauges of `GET /metrics`: the state of caches, pools, queues, keys and clocks at `now`.
    pub fn snapshot(&self, now: Timestamp) -> Snapshot {
        let keys = self.cache.cached_signing_keys();
        let ages = SignatureAlgorithm::ALL
            .iter()
            .filter_map(|algorithm| signing_with(&keys, *algorithm, now))
            .map(|key| now.duration_since(key.signs_from.max(key.created_at)));
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
            signing_key_age: ages.max(),
            signing_key_max_age: self.settings.signing_key_max_age,
            clock_difference_millis: self.clock.difference(),
            clock_agreed: !self.clock.is_paused(),
            events_dropped: self.store.dropped_events(),
            mails_dropped: self.store.dropped_mails(),
            started: self.started.seconds(),
            ..Snapshot::default()
        }
    }
}

/// A form-encoded request to the token, introspection or revocation endpoint.
pub struct FormRequest {
    /// The `Authorization` header.
    pub authorization: Option<String>,
    /// The parameters of the body.
    pub parameters: Parameters,
    /// The context of the request.
    pub context: RequestContext,
}
