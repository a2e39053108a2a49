//! A bounded read-through cache of what the hot path needs: clients with their secrets, API keys,
//! trust rules, revocations and the rows of the signing keys.
//!
//! Every change appends to the feed `changes`. Each node polls the feed several times a second and
//! evicts what has changed. **A lease makes that safe**: a node answers from its cache only while
//! its last successful poll is younger than `LEASE`. After that it asks the store,
//! and if the store does not answer, the node does not answer either. So a revocation that one node
//! has confirmed takes effect on every node within a second, even if the database is unreachable.
//!
//! The lease is measured with a clock that counts the time in which the machine was suspended, and
//! ends as well when the wall clock jumps. The ids of the feed have no gaps: a node that finds one
//! missing empties its cache and reloads it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::RwLock;
use quick_cache::sync;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::metrics::CacheState;
use crate::store::client::could_be_id;
use crate::store::signing_key::{self, SigningKey};
use crate::store::token;
use crate::store::{Change, Store, StoreError};

mod entries;
mod lease;
mod poller;

use entries::LoadedApiKey;
pub use entries::{ApiKeyEntry, ClientEntry, RevokedKeyEntry, SecretEntry, TrustRuleEntry};
use lease::{Lease, Reading, since_boot};
pub use poller::{CHANGES_RETENTION, Poller};

/// How long revocations stay cached after their tokens have expired, in case the wall clock is set
/// back by less than [`CLOCK_STEP`](lease::CLOCK_STEP).
const EVICTION_DELAY: Duration = Duration::from_secs(60);

const CLIENTS_CAPACITY: usize = 20_000;
const API_KEYS_CAPACITY: usize = 20_000;
/// The number of issuers whose trust rules are cached, also of those that have none.
const ISSUERS_CAPACITY: usize = 1_000;
const REVOCATIONS_CAPACITY: usize = 200_000;

/// The cache: see the [module](self).
pub struct Cache {
    store: Arc<Store>,
    clients: sync::Cache<String, Option<Arc<ClientEntry>>>,
    api_keys: sync::Cache<String, Option<Arc<ApiKeyEntry>>>,
    revoked_keys: sync::Cache<String, Option<Arc<RevokedKeyEntry>>>,
    /// The trust rules of each issuer.
    trust_rules: sync::Cache<String, Arc<[Arc<TrustRuleEntry>]>>,
    revocations: RwLock<Revocations>,
    signing_keys: ArcSwap<Vec<SigningKey>>,
    /// Counts this process's changes to the signing keys.
    key_changes: AtomicU64,
    /// How many of `key_changes` the cached signing keys include. While it is less, the store is
    /// asked.
    key_changes_read: AtomicU64,
    /// Counts evictions. An entry that was loaded before an eviction must not be inserted after it.
    generation: RwLock<u64>,
    lease: Lease,
}

/// The revocations of tokens that have not expired.
#[derive(Default)]
struct Revocations {
    /// The expiry of each revoked token, by `jti`.
    expiries: HashMap<Uuid, Timestamp>,
    /// Whether `expiries` holds all revocations. If not, the store is asked about tokens that are
    /// not in it.
    complete: bool,
}

impl Cache {
    /// Loads the signing keys and revocations, and returns the cache with its poller.
    ///
    /// A server runs the [`Poller`] to keep the cache fresh. Without it every read asks the store
    /// once the lease has expired, which suits a short-lived command.
    ///
    /// # Errors
    /// [`StoreError`] if the database did not answer.
    pub fn open(store: Arc<Store>, now: Timestamp) -> Result<(Arc<Self>, Poller), StoreError> {
        let cache = Arc::new(Cache {
            clients: sync::Cache::new(CLIENTS_CAPACITY),
            api_keys: sync::Cache::new(API_KEYS_CAPACITY),
            revoked_keys: sync::Cache::new(API_KEYS_CAPACITY),
            trust_rules: sync::Cache::new(ISSUERS_CAPACITY),
            revocations: RwLock::default(),
            signing_keys: ArcSwap::default(),
            key_changes: AtomicU64::new(0),
            key_changes_read: AtomicU64::new(0),
            generation: RwLock::new(0),
            lease: Lease::default(),
            store,
        });
        let listening = Arc::downgrade(&cache);
        cache.store.on_change(move |changes| {
            if let Some(cache) = listening.upgrade() {
                cache.evict_own(changes);
            }
        });
        let mut poller = Poller::new(cache.clone());
        poller.poll(now)?;
        Ok((cache, poller))
    }

    /// Whether the lease is valid, so that reads are answered from the cache.
    pub fn is_fresh(&self) -> bool {
        self.lease.held(since_boot()).is_some()
    }

    /// Compares the wall clock, which says `now`, with the time since boot, once for each request.
    /// If the wall clock was set, the lease ends until the poller has reloaded the cache.
    pub fn notice_clock(&self, now: Timestamp) {
        if self.lease.has_stepped(Reading::at(now)) {
            self.lease.end();
        }
    }

    /// Runs `read`, and runs it again if the lease expired meanwhile: the process may have been
    /// suspended between a read of the cache and its answer.
    ///
    /// # Errors
    /// The errors of `read`.
    pub async fn under_lease<T, E>(&self, read: impl AsyncFn() -> Result<T, E>) -> Result<T, E> {
        let held = self.lease.held(since_boot());
        let result = read().await?;
        // Without a lease everything was read from the store.
        let Some(held) = held else {
            return Ok(result);
        };
        let now = Reading::at(Timestamp::now());
        if self.lease.has_stepped(now) {
            self.lease.end();
        } else if held.is_valid(now.since_boot) {
            return Ok(result);
        }
        read().await
    }

    /// The client of this id; none if there is no such client.
    ///
    /// # Errors
    /// [`StoreError`] if the client is not cached and the database did not answer.
    pub async fn client(&self, client_id: &str) -> Result<Option<Arc<ClientEntry>>, StoreError> {
        if !could_be_id(client_id) {
            return Ok(None);
        }
        if self.is_fresh()
            && let Some(cached) = self.clients.get(client_id)
        {
            return Ok(cached);
        }
        let generation = self.generation();
        let id = client_id.to_owned();
        let loaded = self
            .store
            .lookup(move |database| ClientEntry::load(database, &id))
            .await?
            .map(Arc::new);
        self.insert_if_current(generation, || {
            self.clients.insert(client_id.to_owned(), loaded.clone())
        });
        Ok(loaded)
    }

    /// The state of each cache, by name, for the metrics.
    pub fn states(&self) -> Vec<(&'static str, CacheState)> {
        let clients = CacheState {
            entries: self.clients.len(),
            hits: self.clients.hits(),
            misses: self.clients.misses(),
        };
        let api_keys = CacheState {
            entries: self.api_keys.len(),
            hits: self.api_keys.hits(),
            misses: self.api_keys.misses(),
        };
        let revocations = CacheState {
            entries: self.revocations.read().expiries.len(),
            ..CacheState::default()
        };
        vec![
            ("clients", clients),
            ("api_keys", api_keys),
            ("revocations", revocations),
        ]
    }

    /// Whether [`Cache::client`] would answer from the cache.
    pub fn has_cached_client(&self, client_id: &str) -> bool {
        self.is_fresh() && self.clients.contains_key(client_id)
    }

    /// Loads a client from the store and discards it, to take as long as [`Cache::client`] takes
    /// for a client that is not cached.
    pub async fn dummy_lookup(&self, client_id: &str) {
        let id = client_id.to_owned();
        // Only the time that it takes matters, so errors are ignored.
        let _ = self
            .store
            .lookup(move |database| ClientEntry::load(database, &id).map(drop))
            .await;
    }

    /// The API key of this id, expired or not; none if there is no such key or it was revoked.
    ///
    /// # Errors
    /// [`StoreError`] if the key is not cached and the database did not answer.
    pub async fn api_key(&self, id: &str) -> Result<Option<Arc<ApiKeyEntry>>, StoreError> {
        if self.is_fresh()
            && let Some(cached) = self.api_keys.get(id)
        {
            return Ok(cached);
        }
        let generation = self.generation();
        let loaded = self.load_api_key(id).await?;
        self.insert_if_current(generation, || {
            self.api_keys.insert(id.to_owned(), loaded.key.clone());
            // A caller that finds no key asks next whether it was revoked.
            if loaded.key.is_none() {
                self.revoked_keys.insert(id.to_owned(), loaded.revoked);
            }
        });
        Ok(loaded.key)
    }

    /// The recently revoked API key of this id. It authenticates nobody and only serves to give the
    /// reason of a failure.
    ///
    /// # Errors
    /// [`StoreError`] if the key is not cached and the database did not answer.
    pub async fn revoked_api_key(
        &self,
        id: &str,
    ) -> Result<Option<Arc<RevokedKeyEntry>>, StoreError> {
        if self.is_fresh()
            && let Some(cached) = self.revoked_keys.get(id)
        {
            return Ok(cached);
        }
        let generation = self.generation();
        let revoked = self.load_api_key(id).await?.revoked;
        self.insert_if_current(generation, || {
            self.revoked_keys.insert(id.to_owned(), revoked.clone())
        });
        Ok(revoked)
    }

    async fn load_api_key(&self, id: &str) -> Result<LoadedApiKey, StoreError> {
        let id = id.to_owned();
        self.store
            .lookup(move |database| LoadedApiKey::load(database, &id))
            .await
    }

    /// The trust rules of an issuer, the oldest first, disabled and expired ones too.
    ///
    /// # Errors
    /// [`StoreError`] if the rules are not cached and the database did not answer.
    pub async fn trust_rules(
        &self,
        issuer: &str,
    ) -> Result<Arc<[Arc<TrustRuleEntry>]>, StoreError> {
        if self.is_fresh()
            && let Some(cached) = self.trust_rules.get(issuer)
        {
            return Ok(cached);
        }
        let generation = self.generation();
        let owned_issuer = issuer.to_owned();
        let loaded = self
            .store
            .lookup(move |database| TrustRuleEntry::load(database, &owned_issuer))
            .await?;
        self.insert_if_current(generation, || {
            self.trust_rules.insert(issuer.to_owned(), loaded.clone())
        });
        Ok(loaded)
    }

    /// Whether the token with this `jti` was revoked individually.
    ///
    /// # Errors
    /// [`StoreError`] if the cache does not know and the database did not answer.
    pub async fn is_revoked(&self, jti: Uuid) -> Result<bool, StoreError> {
        if self.is_fresh() {
            let revocations = self.revocations.read();
            let revoked = revocations.expiries.contains_key(&jti);
            if revoked || revocations.complete {
                return Ok(revoked);
            }
        }
        self.store
            .lookup(move |database| token::is_revoked(database, &jti.to_string()))
            .await
    }

    /// The cached signing keys, fresh or not: the JWKS is published even if the database is
    /// unreachable.
    pub fn cached_signing_keys(&self) -> Arc<Vec<SigningKey>> {
        self.signing_keys.load_full()
    }

    /// The signing keys, for signing and verifying.
    ///
    /// # Errors
    /// [`StoreError`] if the cache is not fresh and the database did not answer.
    pub async fn signing_keys(&self) -> Result<Arc<Vec<SigningKey>>, StoreError> {
        if self.is_fresh() && self.signing_keys_are_current() {
            return Ok(self.cached_signing_keys());
        }
        Ok(Arc::new(self.store.lookup(signing_key::list).await?))
    }

    /// Whether the cached signing keys include this process's changes.
    fn signing_keys_are_current(&self) -> bool {
        self.key_changes_read.load(Ordering::Acquire) == self.key_changes.load(Ordering::Acquire)
    }

    fn generation(&self) -> u64 {
        *self.generation.read()
    }

    /// Inserts what was loaded at `generation`, unless something has been evicted since.
    fn insert_if_current(&self, generation: u64, insert: impl FnOnce()) {
        let current = self.generation.read();
        if *current == generation {
            insert();
        }
    }

    /// Evicts what this process has changed, before the change is confirmed. The signing keys are
    /// read from the store until the poller has read them: a poll that began before the change
    /// cannot include it, whenever it ends.
    fn evict_own(&self, changes: &[Change]) {
        self.evict(changes);
        if changes.contains(&Change::SigningKeys) {
            self.key_changes.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Evicts what has changed.
    fn evict(&self, changes: &[Change]) {
        let mut generation = self.generation.write();
        *generation += 1;
        for change in changes {
            match change {
                Change::Client(client_id) => drop(self.clients.remove(client_id)),
                Change::ApiKey(id) => {
                    self.api_keys.remove(id);
                    self.revoked_keys.remove(id);
                }
                Change::Revocation { jti, expires_at } => {
                    let Ok(jti) = Uuid::parse_str(jti) else {
                        continue;
                    };
                    let mut revocations = self.revocations.write();
                    if revocations.expiries.len() < REVOCATIONS_CAPACITY {
                        revocations.expiries.insert(jti, *expires_at);
                    } else {
                        revocations.complete = false;
                    }
                }
                Change::TrustRules(issuer) => drop(self.trust_rules.remove(issuer)),
                Change::ClientsOf(account_id) => self.clients.retain(|_, entry| {
                    let entry = entry.as_ref();
                    entry.is_none_or(|entry| entry.account_id != *account_id)
                }),
                // The poller reads all signing keys again.
                Change::SigningKeys => {}
            }
        }
    }

    /// Empties the cache and adds these revocations. Those that it holds already stay: a revocation
    /// is never undone, and this process may have made one after these were read.
    fn reset(&self, revoked: Vec<(String, Timestamp)>) {
        *self.generation.write() += 1;
        self.clients.clear();
        self.api_keys.clear();
        self.revoked_keys.clear();
        self.trust_rules.clear();
        let mut revocations = self.revocations.write();
        revocations.complete = revoked.len() <= REVOCATIONS_CAPACITY;
        revocations.expiries.extend(
            revoked
                .into_iter()
                .filter_map(|(jti, expiry)| Some((Uuid::parse_str(&jti).ok()?, expiry))),
        );
    }

    /// Evicts the revocations of tokens that have expired. `now` must be a time that all nodes have
    /// passed by their own clocks.
    pub fn evict_expired(&self, now: Timestamp) {
        let expired = now.saturating_sub(EVICTION_DELAY);
        self.revocations
            .write()
            .expiries
            .retain(|_, expiry| *expiry > expired);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::jws::SignatureAlgorithm;
    use crate::store::audit::{Action, Recorder};
    use crate::store::{DatabaseUrl, IfMissing, changes};

    fn opened(name: &str) -> (Arc<Store>, Arc<Cache>, Poller) {
        let file =
            std::env::temp_dir().join(format!("keyward_cache_{}_{name}.db", std::process::id()));
        let store = Store::open(&DatabaseUrl::Sqlite(file), IfMissing::Create).unwrap();
        let (cache, poller) = Cache::open(store.clone(), Timestamp::now()).unwrap();
        (store, cache, poller)
    }

    fn key(kid: &str) -> SigningKey {
        SigningKey {
            kid: kid.to_owned(),
            algorithm: SignatureAlgorithm::Rs256,
            public_jwk: String::new(),
            private_sealed: String::new(),
            created_at: Timestamp::EPOCH,
            signs_from: Timestamp::EPOCH,
            signs_until: None,
            published_until: None,
        }
    }

    async fn insert(store: &Arc<Store>, kid: &'static str) {
        let now = Timestamp::now();
        let inserted = store.write(now, move |transaction| {
            signing_key::insert(transaction, &key(kid))?;
            Recorder::keyward(now).record(transaction, Action::SigningKeyCreate, None, kid)
        });
        inserted.await.unwrap();
    }

    async fn revoke(store: &Arc<Store>, jti: Uuid) {
        let now = Timestamp::now();
        let revoked = store.write(now, move |transaction| {
            let jti = jti.to_string();
            let new = token::revoke(
                transaction,
                &jti,
                now.saturating_add(Duration::from_secs(3600)),
            )?;
            Recorder::keyward(now).record(transaction, Action::TokenRevoke, None, &jti)?;
            Ok::<_, StoreError>(new)
        });
        assert!(revoked.await.unwrap());
    }

    #[tokio::test]
    async fn a_poll_that_began_before_a_change_of_the_keys_does_not_bring_them() {
        let (store, cache, mut poller) = opened("keys");
        insert(&store, "one").await;
        for _ in 0..2 {
            poller.poll(Timestamp::now()).unwrap();
            assert!(cache.signing_keys_are_current());
        }
        let poll = poller.begin(Timestamp::now());
        let update = store.follow(|database| poll.read(database)).unwrap();
        insert(&store, "two").await;
        poller.apply(&poll, update);
        assert!(!cache.signing_keys_are_current());
        assert_eq!(cache.signing_keys().await.unwrap().len(), 2);
        poller.poll(Timestamp::now()).unwrap();
        assert_eq!(
            (
                cache.signing_keys_are_current(),
                cache.cached_signing_keys().len()
            ),
            (true, 2)
        );
    }

    /// The poll finds the change in the feed before the process has heard of it.
    #[tokio::test]
    async fn keys_that_a_poll_found_too_early_are_read_again() {
        let (store, cache, mut poller) = opened("early");
        insert(&store, "one").await;
        let poll = poller.begin(Timestamp::now());
        let update = store.follow(|database| poll.read(database)).unwrap();
        cache.evict_own(&[Change::SigningKeys]);
        poller.apply(&poll, update);
        assert!(!cache.signing_keys_are_current());
        poller.poll(Timestamp::now()).unwrap();
        assert!(cache.signing_keys_are_current());
    }

    /// Clocks that are `set` milliseconds ahead of the real ones, which the tests do not wait for.
    fn reading(set: i64) -> Reading {
        let mut reading = Reading::at(Timestamp::now());
        reading.wall_offset += set;
        reading
    }

    /// A lease that outlives the test, however slow this machine is.
    fn renew(cache: &Cache) {
        let mut reading = reading(0);
        reading.since_boot += 600_000;
        cache.lease.renew(reading);
        assert!(cache.is_fresh());
    }

    #[tokio::test]
    async fn a_jump_of_the_wall_clock_ends_the_lease_until_the_cache_is_reloaded() {
        let (_, cache, mut poller) = opened("lease");
        for jump in [-2500, 2500] {
            poller.poll(Timestamp::now()).unwrap();
            renew(&cache);
            cache.lease.set_reference(reading(jump));
            cache.notice_clock(Timestamp::now());
            assert!(!cache.is_fresh(), "the clock jumped");
            poller.poll(Timestamp::now()).unwrap();
            assert!(!cache.lease.has_stepped(reading(0)), "reloaded");
        }
        renew(&cache);
        cache.lease.set_reference(reading(1100));
        cache.notice_clock(Timestamp::now());
        assert!(cache.is_fresh(), "a leap second is no jump");
    }

    #[tokio::test]
    async fn what_was_read_under_an_expired_lease_is_read_again() {
        let (_, cache, _) = opened("answer");
        renew(&cache);
        let reads = AtomicU64::new(0);
        let read = async || {
            // As if the machine had been paused meanwhile.
            if reads.fetch_add(1, Ordering::Relaxed) == 0 {
                cache.lease.set_reference(reading(60_000));
            }
            Ok::<_, StoreError>(())
        };
        cache.under_lease(read).await.unwrap();
        assert_eq!(
            (reads.load(Ordering::Relaxed), cache.is_fresh()),
            (2, false)
        );
        // Without a lease, everything came from the store.
        cache.under_lease(read).await.unwrap();
        assert_eq!(reads.load(Ordering::Relaxed), 3);
    }

    #[tokio::test]
    async fn a_gap_in_the_feed_reads_everything_again() {
        let (store, cache, mut poller) = opened("gap");
        // What other nodes do reaches this one by the feed alone.
        let other = Store::open(store.url(), IfMissing::Refuse).unwrap();
        for purged in [2, 4] {
            let jtis = [1, 2, 3].map(|_| Uuid::from_bytes(crate::credential::random_bytes()));
            for jti in jtis {
                revoke(&other, jti).await;
            }
            let future = Timestamp::now().saturating_add(Duration::from_secs(60));
            other
                .write_untracked(move |database| changes::purge(database, future, purged))
                .await
                .unwrap();
            poller.poll(Timestamp::now()).unwrap();
            for jti in jtis {
                assert!(
                    cache.revocations.read().expiries.contains_key(&jti),
                    "{purged}"
                );
            }
        }
    }
}
