//! What the hot path needs, in memory: clients with their secrets, API keys, revocations and the
//! rows of the signing keys. A bounded read-through cache over the store.
//!
//! Every change appends to the feed `changes`, which each node follows several times a second, and
//! drops what has changed. **A lease makes that safe**: a node answers from memory only while its
//! last successful look at the feed is younger than [`LEASE`]. Past that it looks into the store,
//! and where the store gives no answer, neither does the node. So a revocation that is answered
//! anywhere is in force everywhere within a second, with the database away too.
//!
//! The lease is measured with a clock that counts the time in which the machine was suspended, and ends
//! as well where the wall clock jumps. The ids of the feed have no gaps: where one is missing, a node
//! drops everything and reads it again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use quick_cache::sync;
use uuid::Uuid;

use crate::clock::{self, Timestamp};
use crate::crypto::secret_hash::StoredSecret;
use crate::metrics::CacheState;
use crate::store::api_key::{self, ApiKey, RevokedApiKey};
use crate::store::changes;
use crate::store::client::{self, Client, could_be_id};
use crate::store::client_secret;
use crate::store::resource_server::{self, Resources, TokenTyp};
use crate::store::signing_key::{self, SigningKey};
use crate::store::token;
use crate::store::{Change, Database, Store, StoreError};

/// How old the last successful look at the feed may be, in milliseconds: less than the second that is
/// promised.
const LEASE: u64 = 900;

/// How far, in milliseconds, the wall clock may move against the clock that nobody sets before memory is
/// read again: it was set, or the machine was paused without its clocks knowing. A leap second is less.
const CLOCK_STEP: u64 = 2000;

/// How long revocations stay in memory beyond the expiry of their tokens, for a wall clock that is set
/// back by less than [`CLOCK_STEP`].
const EVICTED_AFTER: Duration = Duration::from_secs(60);

/// How often the feed is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(150);

/// How long the feed keeps what has changed. A node that was cut off for longer starts afresh.
pub const CHANGES_KEPT: Duration = Duration::from_secs(30 * 60);

const CLIENTS_KEPT: usize = 20_000;
const API_KEYS_KEPT: usize = 20_000;
const REVOCATIONS_KEPT: usize = 200_000;

/// A client with all that authentication and introspection ask of it.
pub struct ClientEntry {
    /// Its row.
    pub client: Client,
    /// Its secrets.
    pub secrets: Vec<SecretEntry>,
    /// The resource servers whose client it is.
    pub resource_servers: Vec<String>,
    /// Of the resource servers that it may use, those whose tokens have the `typ` JWT.
    plain_jwt: Resources,
}

impl ClientEntry {
    /// The `typ` of a token for these resource servers: what all of them ask for, or the standard's.
    pub fn token_typ(&self, resources: &Resources) -> TokenTyp {
        let agreed = !self.plain_jwt.is_empty()
            && !resources.is_empty()
            && resources
                .iter()
                .all(|identifier| self.plain_jwt.contains(identifier));
        if agreed {
            TokenTyp::Jwt
        } else {
            TokenTyp::AtJwt
        }
    }
}

/// One secret of a client.
pub struct SecretEntry {
    /// The id inside the secret.
    pub id: String,
    /// From when on it is refused.
    pub expires_at: Option<Timestamp>,
    /// What to compare with.
    pub secret: StoredSecret,
}

/// An API key.
pub struct ApiKeyEntry {
    /// Its row.
    pub key: ApiKey,
    /// What to compare with.
    pub secret: StoredSecret,
}

/// An API key that was revoked lately.
pub struct RevokedKeyEntry {
    /// Its row.
    pub key: RevokedApiKey,
    /// What to compare with.
    pub secret: StoredSecret,
}

/// See the module.
pub struct Cache {
    store: Arc<Store>,
    clients: sync::Cache<String, Option<Arc<ClientEntry>>>,
    api_keys: sync::Cache<String, Option<Arc<ApiKeyEntry>>>,
    revoked_keys: sync::Cache<String, Option<Arc<RevokedKeyEntry>>>,
    revocations: RwLock<Revocations>,
    signing_keys: ArcSwap<Vec<SigningKey>>,
    /// Counts the changes that this process made to the signing keys, and how many of them the keys in
    /// memory have in them. While these differ, the store is asked.
    key_changes: AtomicU64,
    key_changes_read: AtomicU64,
    /// Counts what was dropped. What was looked up before a change must not be kept after it.
    generation: RwLock<u64>,
    /// When the last successful look at the feed began, in milliseconds since boot; 0 before the first.
    looked_at: AtomicU64,
    /// The wall clock less the time since boot, in milliseconds, when everything was last read.
    wall_offset: AtomicI64,
}

/// A moment in which memory was trusted.
#[derive(Clone, Copy)]
struct Lease {
    looked_at: u64,
}

impl Lease {
    /// Whether what was read from memory in that moment may still be answered.
    fn holds(self) -> bool {
        self.looked_at > 0 && since_boot().saturating_sub(self.looked_at) < LEASE
    }
}

/// The revocations of tokens that still live.
#[derive(Default)]
struct Revocations {
    ends: HashMap<Uuid, Timestamp>,
    /// Whether it holds all of them. With more than memory is kept for, the store is asked.
    complete: bool,
}

impl Cache {
    /// Reads what has to be in memory from the start.
    ///
    /// The [`Follower`] is to be run, so that memory stays fresh; without it, each look goes to the
    /// store once the lease has lapsed, which suits a command that ends in a moment.
    ///
    /// # Errors
    /// Where the database gave no answer.
    pub fn open(store: Arc<Store>, now: Timestamp) -> Result<(Arc<Self>, Follower), StoreError> {
        let cache = Arc::new(Cache {
            clients: sync::Cache::new(CLIENTS_KEPT),
            api_keys: sync::Cache::new(API_KEYS_KEPT),
            revoked_keys: sync::Cache::new(API_KEYS_KEPT),
            revocations: RwLock::default(),
            signing_keys: ArcSwap::default(),
            key_changes: AtomicU64::new(0),
            key_changes_read: AtomicU64::new(0),
            generation: RwLock::new(0),
            looked_at: AtomicU64::new(0),
            wall_offset: AtomicI64::new(0),
            store,
        });
        let listening = Arc::downgrade(&cache);
        cache.store.on_change(move |changes| {
            if let Some(cache) = listening.upgrade() {
                cache.apply_own(changes);
            }
        });
        let mut follower = Follower {
            cache: cache.clone(),
            seen: None,
        };
        follower.look(now)?;
        Ok((cache, follower))
    }

    /// Whether memory may be trusted now.
    pub fn is_fresh(&self) -> bool {
        self.lease().is_some()
    }

    fn lease(&self) -> Option<Lease> {
        let lease = Lease {
            looked_at: self.looked_at.load(Ordering::Acquire),
        };
        lease.holds().then_some(lease)
    }

    /// Compares the wall clock, which says `now`, with the clock that nobody sets, for each request: where
    /// it was set since memory was filled, memory is not trusted until the follower has filled it again.
    pub fn notice_clock(&self, now: Timestamp) {
        if self.has_stepped(wall_offset(now, since_boot())) {
            self.looked_at.store(0, Ordering::Release);
        }
    }

    fn has_stepped(&self, wall_offset: i64) -> bool {
        wall_offset.abs_diff(self.wall_offset.load(Ordering::Relaxed)) > CLOCK_STEP
    }

    /// What `look` finds, which is asked once more where the lease has ended meanwhile: the process may
    /// have been stopped between a look into memory and its answer, for longer than any promise.
    ///
    /// # Errors
    /// Those of `look`.
    pub async fn under_lease<T, E>(&self, look: impl AsyncFn() -> Result<T, E>) -> Result<T, E> {
        let lease = self.lease();
        let found = look().await?;
        // Without a lease everything came from the store.
        let Some(lease) = lease else { return Ok(found) };
        let wall_offset = wall_offset(Timestamp::now(), since_boot());
        if self.has_stepped(wall_offset) {
            self.looked_at.store(0, Ordering::Release);
        } else if lease.holds() {
            return Ok(found);
        }
        look().await
    }

    /// The client of this id.
    ///
    /// # Errors
    /// Where neither memory nor the database could say.
    pub async fn client(&self, client_id: &str) -> Result<Option<Arc<ClientEntry>>, StoreError> {
        if !could_be_id(client_id) {
            return Ok(None);
        }
        if self.is_fresh()
            && let Some(known) = self.clients.get(client_id)
        {
            return Ok(known);
        }
        let generation = self.generation();
        let id = client_id.to_owned();
        let found = self
            .store
            .lookup(move |database| load_client(database, &id))
            .await?
            .map(Arc::new);
        self.keep(generation, || {
            self.clients.insert(client_id.to_owned(), found.clone())
        });
        Ok(found)
    }

    /// The caches, by name.
    pub fn cache_states(&self) -> Vec<(&'static str, CacheState)> {
        let clients = CacheState {
            entries: self.clients.len(),
            hits: self.clients.hits(),
            misses: self.clients.misses(),
        };
        let keys = CacheState {
            entries: self.api_keys.len(),
            hits: self.api_keys.hits(),
            misses: self.api_keys.misses(),
        };
        let revocations = self
            .revocations
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .ends
            .len();
        vec![
            ("clients", clients),
            ("api_keys", keys),
            (
                "revocations",
                CacheState {
                    entries: revocations,
                    ..CacheState::default()
                },
            ),
        ]
    }

    /// Whether [`Cache::client`] would answer from memory.
    pub fn has_cached_client(&self, client_id: &str) -> bool {
        self.is_fresh() && self.clients.contains_key(client_id)
    }

    /// Looks a client up for nothing, as if memory had not known it.
    pub async fn dummy_lookup(&self, client_id: &str) {
        let id = client_id.to_owned();
        // A dummy: what it finds, or that it finds nothing, is of no interest.
        let _ = self
            .store
            .lookup(move |database| load_client(database, &id).map(drop))
            .await;
    }

    /// The API key of this id.
    ///
    /// # Errors
    /// Where neither memory nor the database could say.
    pub async fn api_key(&self, id: &str) -> Result<Option<Arc<ApiKeyEntry>>, StoreError> {
        if self.is_fresh()
            && let Some(known) = self.api_keys.get(id)
        {
            return Ok(known);
        }
        let generation = self.generation();
        let wanted = id.to_owned();
        let (found, revoked) = self
            .store
            .lookup(move |database| load_api_key(database, &wanted))
            .await?;
        self.keep(generation, || {
            self.api_keys.insert(id.to_owned(), found.clone());
            // Who asks about a key that is not there asks next why.
            if found.is_none() {
                self.revoked_keys.insert(id.to_owned(), revoked);
            }
        });
        Ok(found)
    }

    /// The API key of this id that was revoked lately. It authenticates nobody: this only says why.
    ///
    /// # Errors
    /// Where neither memory nor the database could say.
    pub async fn revoked_api_key(
        &self,
        id: &str,
    ) -> Result<Option<Arc<RevokedKeyEntry>>, StoreError> {
        if self.is_fresh()
            && let Some(known) = self.revoked_keys.get(id)
        {
            return Ok(known);
        }
        let generation = self.generation();
        let wanted = id.to_owned();
        let (_, revoked) = self
            .store
            .lookup(move |database| load_api_key(database, &wanted))
            .await?;
        self.keep(generation, || {
            self.revoked_keys.insert(id.to_owned(), revoked.clone())
        });
        Ok(revoked)
    }

    /// Whether the token of this `jti` was revoked by itself.
    ///
    /// # Errors
    /// Where neither memory nor the database could say.
    pub async fn is_revoked(&self, jti: Uuid) -> Result<bool, StoreError> {
        if self.is_fresh() {
            let revocations = self
                .revocations
                .read()
                .unwrap_or_else(PoisonError::into_inner);
            let known = revocations.ends.contains_key(&jti);
            if known || revocations.complete {
                return Ok(known);
            }
        }
        self.store
            .lookup(move |database| token::is_revoked(database, &jti.to_string()))
            .await
    }

    /// The signing keys, as far as memory knows; for publishing, which goes on with the database
    /// away.
    pub fn cached_signing_keys(&self) -> Arc<Vec<SigningKey>> {
        self.signing_keys.load_full()
    }

    /// The signing keys, for signing and verifying.
    ///
    /// # Errors
    /// Where neither memory nor the database could say.
    pub async fn signing_keys(&self) -> Result<Arc<Vec<SigningKey>>, StoreError> {
        if self.is_fresh() && self.knows_signing_keys() {
            return Ok(self.cached_signing_keys());
        }
        Ok(Arc::new(self.store.lookup(signing_key::list).await?))
    }

    /// Whether the keys in memory have in them what this process changed.
    fn knows_signing_keys(&self) -> bool {
        self.key_changes_read.load(Ordering::Acquire) == self.key_changes.load(Ordering::Acquire)
    }

    fn generation(&self) -> u64 {
        *self
            .generation
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what was looked up at `generation`, unless something was dropped since.
    fn keep(&self, generation: u64, insert: impl FnOnce()) {
        let now = self
            .generation
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        if *now == generation {
            insert();
        }
    }

    /// Drops what this process has changed, before the answer to who changed it. The signing keys are
    /// asked of the store until the follower has read them: a look that began before the change cannot
    /// have them, whenever it ends.
    fn apply_own(&self, changes: &[Change]) {
        self.apply(changes);
        if changes.contains(&Change::SigningKeys) {
            self.key_changes.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Drops what has changed.
    fn apply(&self, changes: &[Change]) {
        let mut generation = self
            .generation
            .write()
            .unwrap_or_else(PoisonError::into_inner);
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
                    let mut revocations = self
                        .revocations
                        .write()
                        .unwrap_or_else(PoisonError::into_inner);
                    if revocations.ends.len() < REVOCATIONS_KEPT {
                        revocations.ends.insert(jti, *expires_at);
                    } else {
                        revocations.complete = false;
                    }
                }
                // All of them are read at once, by the follower.
                Change::SigningKeys => {}
            }
        }
    }

    /// Drops everything, and takes these revocations. Those that memory holds already stay: nothing
    /// takes a revocation back, and one may have been made here since these were read.
    fn start_afresh(&self, revoked: Vec<(String, Timestamp)>) {
        *self
            .generation
            .write()
            .unwrap_or_else(PoisonError::into_inner) += 1;
        self.clients.clear();
        self.api_keys.clear();
        self.revoked_keys.clear();
        let mut revocations = self
            .revocations
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        revocations.complete = revoked.len() <= REVOCATIONS_KEPT;
        revocations.ends.extend(
            revoked
                .into_iter()
                .filter_map(|(jti, end)| Some((Uuid::parse_str(&jti).ok()?, end))),
        );
    }

    /// Evicts the revocations of tokens that have expired. `now` must be a moment that clocks agree on.
    pub fn evict_expired(&self, now: Timestamp) {
        let expired = now.saturating_sub(EVICTED_AFTER);
        self.revocations
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .ends
            .retain(|_, end| *end > expired);
    }
}

/// In milliseconds.
fn since_boot() -> u64 {
    u64::try_from(clock::since_boot().as_millis()).unwrap_or(u64::MAX)
}

/// By how much the wall clock is ahead of the time since boot. It changes where the wall clock is set.
fn wall_offset(wall: Timestamp, since_boot: u64) -> i64 {
    wall.millis()
        .saturating_sub(i64::try_from(since_boot).unwrap_or(i64::MAX))
}

/// Reads the feed and applies it.
pub struct Follower {
    cache: Arc<Cache>,
    /// The id of the last change that was applied.
    seen: Option<i64>,
}

/// What one look at the feed found.
struct News {
    seen: i64,
    changes: Vec<Change>,
    signing_keys: Option<Vec<SigningKey>>,
    /// All of the live revocations, where the follower starts afresh.
    revocations: Option<Vec<(String, Timestamp)>>,
}

impl Follower {
    /// Follows the feed from now on, in a thread of its own, so that a busy event loop does not
    /// let the lease lapse. Ends with the process.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn run(mut self) -> std::io::Result<()> {
        std::thread::Builder::new().name("cache".to_owned()).spawn(move || {
            loop {
                if let Err(error) = self.look(Timestamp::now()) {
                    tracing::warn!(reason = %error, "cannot follow the changes; memory is not trusted until I can");
                }
                std::thread::sleep(LOOK_EVERY);
            }
        })?;
        Ok(())
    }

    fn look(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let look = self.begin(now);
        let news = self.cache.store.follow(|database| look.read(database))?;
        self.take(&look, news);
        Ok(())
    }

    fn begin(&self, now: Timestamp) -> Look {
        let cache = &self.cache;
        let since_boot = since_boot();
        let passed = since_boot.saturating_sub(cache.looked_at.load(Ordering::Acquire));
        let wall_offset = wall_offset(now, since_boot);
        let stepped = cache.has_stepped(wall_offset);
        // Half of what the feed keeps, so that nothing can have been purged unseen.
        let continues = u128::from(passed) < CHANGES_KEPT.as_millis() / 2 && !stepped;
        Look {
            seen: self.seen.filter(|_| continues),
            key_changes: cache.key_changes.load(Ordering::Acquire),
            knows_signing_keys: cache.knows_signing_keys(),
            since_boot,
            wall_offset,
            now,
        }
    }

    fn take(&mut self, look: &Look, news: News) {
        let cache = &self.cache;
        let reloaded = news.revocations.is_some();
        if let Some(revocations) = news.revocations {
            cache.start_afresh(revocations);
        }
        if !news.changes.is_empty() {
            cache.apply(&news.changes);
        }
        if let Some(signing_keys) = news.signing_keys {
            cache.signing_keys.store(Arc::new(signing_keys));
            // Where this process has changed them since the look began, these do not count as known.
            cache
                .key_changes_read
                .store(look.key_changes, Ordering::Release);
        }
        self.seen = Some(news.seen);
        if reloaded {
            cache.wall_offset.store(look.wall_offset, Ordering::Relaxed);
        }
        cache
            .looked_at
            .store(look.since_boot.max(1), Ordering::Release);
    }
}

/// One look at the feed, as it begins.
struct Look {
    /// From behind which change; everything is read again where there is none.
    seen: Option<i64>,
    key_changes: u64,
    knows_signing_keys: bool,
    since_boot: u64,
    wall_offset: i64,
    now: Timestamp,
}

impl Look {
    fn read(&self, database: &mut Database) -> Result<News, StoreError> {
        match self.seen {
            Some(seen) => self.since(database, seen),
            None => self.afresh(database),
        }
    }

    fn since(&self, database: &mut Database, seen: i64) -> Result<News, StoreError> {
        let mut news = News {
            seen,
            changes: Vec::new(),
            signing_keys: None,
            revocations: None,
        };
        loop {
            let newest = changes::newest(database)?;
            if newest == news.seen {
                break;
            }
            let batch = changes::after(database, news.seen)?;
            // A counter behind what was seen is another database: one that was restored.
            if newest < news.seen || batch.is_empty() {
                return self.afresh(database);
            }
            for (id, change) in batch {
                // Ids have no gaps. What is missing was purged, and nobody can say any more what it was.
                if id != news.seen + 1 {
                    return self.afresh(database);
                }
                news.seen = id;
                news.changes.extend(change);
            }
        }
        if !self.knows_signing_keys || news.changes.contains(&Change::SigningKeys) {
            news.signing_keys = Some(signing_key::list(database)?);
        }
        Ok(news)
    }

    fn afresh(&self, database: &mut Database) -> Result<News, StoreError> {
        // The number first: what changes while the rest is read will then be seen once more.
        let seen = changes::newest(database)?;
        let limit = i64::try_from(REVOCATIONS_KEPT)
            .unwrap_or(i64::MAX)
            .saturating_add(1);
        Ok(News {
            seen,
            changes: Vec::new(),
            signing_keys: Some(signing_key::list(database)?),
            revocations: Some(token::live_revocations(
                database,
                self.now.saturating_sub(EVICTED_AFTER),
                limit,
            )?),
        })
    }
}

type LoadedApiKey = (Option<Arc<ApiKeyEntry>>, Option<Arc<RevokedKeyEntry>>);

fn load_api_key(database: &mut Database, id: &str) -> Result<LoadedApiKey, StoreError> {
    if let Some(key) = api_key::find(database, id)? {
        return Ok((
            Some(Arc::new(ApiKeyEntry {
                secret: StoredSecret::new(key.hash.clone()),
                key,
            })),
            None,
        ));
    }
    let revoked = api_key::find_revoked(database, id)?;
    Ok((
        None,
        revoked.map(|key| {
            Arc::new(RevokedKeyEntry {
                secret: StoredSecret::new(key.hash.clone()),
                key,
            })
        }),
    ))
}

fn load_client(
    database: &mut Database,
    client_id: &str,
) -> Result<Option<ClientEntry>, StoreError> {
    // All four, though the first may find nothing: how long it takes must not tell.
    let client = client::find(database, client_id)?;
    let secrets = client_secret::list(database, client_id)?
        .into_iter()
        .map(|row| SecretEntry {
            id: row.id,
            expires_at: row.expires_at,
            secret: StoredSecret::new(row.hash),
        })
        .collect();
    let resource_servers = resource_server::of_client(database, client_id)?;
    let used = client
        .as_ref()
        .map(|client| client.resources.clone())
        .unwrap_or_default();
    let plain_jwt = resource_server::with_typ(database, &used, TokenTyp::Jwt)?;
    Ok(client.map(|client| ClientEntry {
        client,
        secrets,
        resource_servers,
        plain_jwt,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::audit::{Action, Recorder};
    use crate::store::signing_key::Algorithm;
    use crate::store::{DatabaseUrl, IfMissing};

    fn opened(name: &str) -> (Arc<Store>, Arc<Cache>, Follower) {
        let file = std::env::temp_dir().join(format!(
            "keyward_directory_{}_{name}.db",
            std::process::id()
        ));
        let store = Store::open(&DatabaseUrl::Sqlite(file), IfMissing::Make).unwrap();
        let (cache, follower) = Cache::open(store.clone(), Timestamp::now()).unwrap();
        (store, cache, follower)
    }

    fn key(kid: &str) -> SigningKey {
        SigningKey {
            kid: kid.to_owned(),
            algorithm: Algorithm::Rs256,
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
        let (store, cache, mut follower) = opened("keys");
        insert(&store, "one").await;
        for _ in 0..2 {
            follower.look(Timestamp::now()).unwrap();
            assert!(cache.knows_signing_keys());
        }
        let look = follower.begin(Timestamp::now());
        let news = store.follow(|database| look.read(database)).unwrap();
        insert(&store, "two").await;
        follower.take(&look, news);
        assert!(!cache.knows_signing_keys());
        assert_eq!(cache.signing_keys().await.unwrap().len(), 2);
        follower.look(Timestamp::now()).unwrap();
        assert_eq!(
            (
                cache.knows_signing_keys(),
                cache.cached_signing_keys().len()
            ),
            (true, 2)
        );
    }

    /// The poll has the change in its feed already, and the process hears of it only afterwards.
    #[tokio::test]
    async fn keys_that_a_poll_found_too_early_are_read_again() {
        let (store, cache, mut follower) = opened("early");
        insert(&store, "one").await;
        let look = follower.begin(Timestamp::now());
        let news = store.follow(|database| look.read(database)).unwrap();
        cache.apply_own(&[Change::SigningKeys]);
        follower.take(&look, news);
        assert!(!cache.knows_signing_keys());
        follower.look(Timestamp::now()).unwrap();
        assert!(cache.knows_signing_keys());
    }

    /// As if the follower had looked just now, however slow this machine is.
    fn refresh(cache: &Cache) {
        cache
            .looked_at
            .store(since_boot() + 600_000, Ordering::Relaxed);
        assert!(cache.is_fresh());
    }

    #[tokio::test]
    async fn the_lease_ends_with_time_and_where_the_wall_clock_jumps() {
        let (_, cache, mut follower) = opened("lease");
        cache.looked_at.store(0, Ordering::Relaxed);
        assert!(!cache.is_fresh(), "never looked");
        cache
            .looked_at
            .store(since_boot() - LEASE, Ordering::Relaxed);
        assert!(!cache.is_fresh(), "too old");
        for jump in [-2500, 2500] {
            follower.look(Timestamp::now()).unwrap();
            refresh(&cache);
            cache.wall_offset.fetch_add(jump, Ordering::Relaxed);
            cache.notice_clock(Timestamp::now());
            assert!(!cache.is_fresh(), "the clock jumped");
            follower.look(Timestamp::now()).unwrap();
            assert!(
                !cache.has_stepped(wall_offset(Timestamp::now(), since_boot())),
                "read again"
            );
        }
        refresh(&cache);
        cache.wall_offset.fetch_add(1100, Ordering::Relaxed);
        cache.notice_clock(Timestamp::now());
        assert!(cache.is_fresh(), "a leap second is no jump");
    }

    #[tokio::test]
    async fn an_answer_that_outlived_its_lease_is_looked_for_again() {
        let (_, cache, _) = opened("answer");
        refresh(&cache);
        let looks = AtomicU64::new(0);
        let look = async || {
            // As if the machine had been paused meanwhile.
            if looks.fetch_add(1, Ordering::Relaxed) == 0 {
                cache.wall_offset.fetch_add(60_000, Ordering::Relaxed);
            }
            Ok::<_, StoreError>(())
        };
        cache.under_lease(look).await.unwrap();
        assert_eq!(
            (looks.load(Ordering::Relaxed), cache.is_fresh()),
            (2, false)
        );
        // Without a lease, everything came from the store.
        cache.under_lease(look).await.unwrap();
        assert_eq!(looks.load(Ordering::Relaxed), 3);
    }

    #[tokio::test]
    async fn a_gap_in_the_feed_reads_everything_again() {
        let (store, cache, mut follower) = opened("gap");
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
            follower.look(Timestamp::now()).unwrap();
            for jti in jtis {
                assert!(
                    cache.revocations.read().unwrap().ends.contains_key(&jti),
                    "{purged}"
                );
            }
        }
    }
}
