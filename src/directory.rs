//! What the hot path needs, in memory: clients with their secrets, API keys, revocations and the
//! rows of the signing keys. A bounded read-through cache over the store.
//!
//! Every change appends to the feed `changes`, which each node follows several times a second, and
//! drops what has changed. **A lease makes that safe**: a node answers from memory only while its
//! last successful look at the feed is younger than [`LEASE`]. Past that it looks into the store,
//! and where the store gives no answer, neither does the node. So a revocation that is answered
//! anywhere is in force everywhere within a second, with the database away too.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use quick_cache::sync::Cache;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::guard::StoredSecret;
use crate::metrics::CacheState;
use crate::store::api_key::{self, ApiKey, RevokedApiKey};
use crate::store::changes;
use crate::store::client::{self, Client, could_be_id};
use crate::store::client_secret;
use crate::store::resource_server::{self, Resources, TokenTyp};
use crate::store::signing_key::{self, SigningKey};
use crate::store::token;
use crate::store::{Change, Database, Store, StoreError};

/// How old the last successful look at the feed may be: less than the second that is promised.
const LEASE: Duration = Duration::from_millis(900);

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
            && resources.iter().all(|identifier| self.plain_jwt.contains(identifier));
        if agreed { TokenTyp::Jwt } else { TokenTyp::AtJwt }
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
pub struct Directory {
    store: Arc<Store>,
    clients: Cache<String, Option<Arc<ClientEntry>>>,
    api_keys: Cache<String, Option<Arc<ApiKeyEntry>>>,
    revoked_keys: Cache<String, Option<Arc<RevokedKeyEntry>>>,
    revocations: RwLock<Revocations>,
    signing_keys: ArcSwap<Vec<SigningKey>>,
    /// Counts what was dropped. What was looked up before a change must not be kept after it.
    generation: RwLock<u64>,
    born: Instant,
    /// Milliseconds from `born` to the start of the last successful look at the feed.
    looked_at: AtomicU64,
}

/// The revocations of tokens that still live.
#[derive(Default)]
struct Revocations {
    ends: HashMap<Uuid, Timestamp>,
    /// Whether it holds all of them. With more than memory is kept for, the store is asked.
    complete: bool,
}

impl Directory {
    /// Reads what has to be in memory from the start.
    ///
    /// The [`Follower`] is to be run, so that memory stays fresh; without it, each look goes to the
    /// store once the lease has lapsed, which suits a command that ends in a moment.
    ///
    /// # Errors
    /// Where the database gave no answer.
    pub fn open(store: Arc<Store>, now: Timestamp) -> Result<(Arc<Self>, Follower), StoreError> {
        let directory = Arc::new(Directory {
            clients: Cache::new(CLIENTS_KEPT),
            api_keys: Cache::new(API_KEYS_KEPT),
            revoked_keys: Cache::new(API_KEYS_KEPT),
            revocations: RwLock::default(),
            signing_keys: ArcSwap::default(),
            generation: RwLock::new(0),
            born: Instant::now(),
            looked_at: AtomicU64::new(0),
            store,
        });
        let listening = Arc::downgrade(&directory);
        directory.store.on_change(move |changes| {
            if let Some(directory) = listening.upgrade() {
                directory.apply(changes);
            }
        });
        let mut follower = Follower { directory: directory.clone(), seen: 0, last_look: None };
        follower.look(now)?;
        Ok((directory, follower))
    }

    /// Whether memory may be trusted now.
    pub fn is_fresh(&self) -> bool {
        self.elapsed().saturating_sub(self.looked_at.load(Ordering::Acquire)) < u64::try_from(LEASE.as_millis()).unwrap_or(0)
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
        let found = self.store.lookup(move |database| load_client(database, &id)).await?.map(Arc::new);
        self.keep(generation, || self.clients.insert(client_id.to_owned(), found.clone()));
        Ok(found)
    }

    /// The caches, by name.
    pub fn cache_states(&self) -> Vec<(&'static str, CacheState)> {
        let clients = CacheState { entries: self.clients.len(), hits: self.clients.hits(), misses: self.clients.misses() };
        let keys = CacheState { entries: self.api_keys.len(), hits: self.api_keys.hits(), misses: self.api_keys.misses() };
        let revocations = self.revocations.read().unwrap_or_else(PoisonError::into_inner).ends.len();
        vec![
            ("clients", clients),
            ("api_keys", keys),
            ("revocations", CacheState { entries: revocations, ..CacheState::default() }),
        ]
    }

    /// Whether [`Directory::client`] would answer from memory.
    pub fn remembers_client(&self, client_id: &str) -> bool {
        self.is_fresh() && self.clients.contains_key(client_id)
    }

    /// Looks a client up for nothing, as if memory had not known it.
    pub async fn look_up_for_nothing(&self, client_id: &str) {
        let id = client_id.to_owned();
        // A dummy: what it finds, or that it finds nothing, is of no interest.
        let _ = self.store.lookup(move |database| load_client(database, &id).map(drop)).await;
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
        let (found, revoked) = self.store.lookup(move |database| load_api_key(database, &wanted)).await?;
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
    pub async fn revoked_api_key(&self, id: &str) -> Result<Option<Arc<RevokedKeyEntry>>, StoreError> {
        if self.is_fresh()
            && let Some(known) = self.revoked_keys.get(id)
        {
            return Ok(known);
        }
        let generation = self.generation();
        let wanted = id.to_owned();
        let (_, revoked) = self.store.lookup(move |database| load_api_key(database, &wanted)).await?;
        self.keep(generation, || self.revoked_keys.insert(id.to_owned(), revoked.clone()));
        Ok(revoked)
    }

    /// Whether the token of this `jti` was revoked by itself.
    ///
    /// # Errors
    /// Where neither memory nor the database could say.
    pub async fn is_revoked(&self, jti: Uuid) -> Result<bool, StoreError> {
        if self.is_fresh() {
            let revocations = self.revocations.read().unwrap_or_else(PoisonError::into_inner);
            let known = revocations.ends.contains_key(&jti);
            if known || revocations.complete {
                return Ok(known);
            }
        }
        self.store.lookup(move |database| token::is_revoked(database, &jti.to_string())).await
    }

    /// The signing keys, as far as memory knows; for publishing, which goes on with the database
    /// away.
    pub fn known_signing_keys(&self) -> Arc<Vec<SigningKey>> {
        self.signing_keys.load_full()
    }

    /// The signing keys, for signing and verifying.
    ///
    /// # Errors
    /// Where neither memory nor the database could say.
    pub async fn signing_keys(&self) -> Result<Arc<Vec<SigningKey>>, StoreError> {
        if self.is_fresh() {
            return Ok(self.known_signing_keys());
        }
        Ok(Arc::new(self.store.lookup(signing_key::list).await?))
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn generation(&self) -> u64 {
        *self.generation.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what was looked up at `generation`, unless something was dropped since.
    fn keep(&self, generation: u64, insert: impl FnOnce()) {
        let now = self.generation.read().unwrap_or_else(PoisonError::into_inner);
        if *now == generation {
            insert();
        }
    }

    /// Drops what has changed. On the node that made the change this comes before its answer.
    fn apply(&self, changes: &[Change]) {
        let mut generation = self.generation.write().unwrap_or_else(PoisonError::into_inner);
        *generation += 1;
        for change in changes {
            match change {
                Change::Client(client_id) => drop(self.clients.remove(client_id)),
                Change::ApiKey(id) => {
                    self.api_keys.remove(id);
                    self.revoked_keys.remove(id);
                }
                Change::Revocation { jti, expires_at } => {
                    let Ok(jti) = Uuid::parse_str(jti) else { continue };
                    let mut revocations = self.revocations.write().unwrap_or_else(PoisonError::into_inner);
                    if revocations.ends.len() < REVOCATIONS_KEPT {
                        revocations.ends.insert(jti, *expires_at);
                    } else {
                        revocations.complete = false;
                    }
                }
                // Until the follower has read them again, the store is asked.
                Change::SigningKeys => self.looked_at.store(0, Ordering::Release),
            }
        }
    }

    /// Drops everything, and takes these as the revocations that there are.
    fn start_afresh(&self, live: Vec<(String, Timestamp)>) {
        self.clients.clear();
        self.api_keys.clear();
        self.revoked_keys.clear();
        let complete = live.len() <= REVOCATIONS_KEPT;
        let ends = live.into_iter().filter_map(|(jti, end)| Some((Uuid::parse_str(&jti).ok()?, end))).collect();
        *self.revocations.write().unwrap_or_else(PoisonError::into_inner) = Revocations { ends, complete };
    }

    /// Forgets the revocations of tokens that have ended by themselves.
    pub fn forget_ended(&self, now: Timestamp) {
        self.revocations.write().unwrap_or_else(PoisonError::into_inner).ends.retain(|_, end| *end > now);
    }
}

/// Reads the feed and applies it.
pub struct Follower {
    directory: Arc<Directory>,
    seen: i64,
    last_look: Option<Instant>,
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
        std::thread::Builder::new().name("directory".to_owned()).spawn(move || {
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
        let directory = &self.directory;
        let (began, started) = (directory.elapsed(), Instant::now());
        let generation = directory.generation();
        // Half of what the feed keeps, so that nothing can have been purged unseen.
        let continues = self.last_look.is_some_and(|last| last.elapsed() < CHANGES_KEPT / 2);
        let seen = self.seen;
        let news = directory.store.follow(|database| match continues {
            true => since(database, seen, now),
            false => afresh(database, now),
        })?;

        if news.signing_keys.is_some() || news.revocations.is_some() {
            let mut current = directory.generation.write().unwrap_or_else(PoisonError::into_inner);
            if *current != generation {
                // Something changed here in between, and these may be from before it: once more.
                return Ok(());
            }
            *current += 1;
            if let Some(revocations) = news.revocations {
                directory.start_afresh(revocations);
            }
            if let Some(signing_keys) = news.signing_keys {
                directory.signing_keys.store(Arc::new(signing_keys));
            }
        }
        if !news.changes.is_empty() {
            directory.apply(&news.changes);
        }
        self.seen = news.seen;
        self.last_look = Some(started);
        // Later than what `apply` may have written for the signing keys, which are read by now.
        directory.looked_at.store(began.max(1), Ordering::Release);
        Ok(())
    }
}

fn since(database: &mut Database, seen: i64, now: Timestamp) -> Result<News, StoreError> {
    let mut news = News { seen, changes: Vec::new(), signing_keys: None, revocations: None };
    while changes::newest(database)? > news.seen {
        let batch = changes::after(database, news.seen)?;
        if batch.is_empty() {
            // The clocks or the purge are off: there were changes, and they are gone.
            return afresh(database, now);
        }
        for (id, change) in batch {
            news.seen = id;
            news.changes.extend(change);
        }
    }
    if news.changes.contains(&Change::SigningKeys) {
        news.signing_keys = Some(signing_key::list(database)?);
    }
    Ok(news)
}

fn afresh(database: &mut Database, now: Timestamp) -> Result<News, StoreError> {
    // The number first: what changes while the rest is read will then be seen once more.
    let seen = changes::newest(database)?;
    let limit = i64::try_from(REVOCATIONS_KEPT).unwrap_or(i64::MAX).saturating_add(1);
    Ok(News {
        seen,
        changes: Vec::new(),
        signing_keys: Some(signing_key::list(database)?),
        revocations: Some(token::live_revocations(database, now, limit)?),
    })
}

type LoadedApiKey = (Option<Arc<ApiKeyEntry>>, Option<Arc<RevokedKeyEntry>>);

fn load_api_key(database: &mut Database, id: &str) -> Result<LoadedApiKey, StoreError> {
    if let Some(key) = api_key::find(database, id)? {
        return Ok((Some(Arc::new(ApiKeyEntry { secret: StoredSecret::new(key.hash.clone()), key })), None));
    }
    let revoked = api_key::find_revoked(database, id)?;
    Ok((None, revoked.map(|key| Arc::new(RevokedKeyEntry { secret: StoredSecret::new(key.hash.clone()), key }))))
}

fn load_client(database: &mut Database, client_id: &str) -> Result<Option<ClientEntry>, StoreError> {
    // All four, though the first may find nothing: how long it takes must not tell.
    let client = client::find(database, client_id)?;
    let secrets = client_secret::list(database, client_id)?
        .into_iter()
        .map(|row| SecretEntry { id: row.id, expires_at: row.expires_at, secret: StoredSecret::new(row.hash) })
        .collect();
    let resource_servers = resource_server::of_client(database, client_id)?;
    let used = client.as_ref().map(|client| client.resources.clone()).unwrap_or_default();
    let plain_jwt = resource_server::with_typ(database, &used, TokenTyp::Jwt)?;
    Ok(client.map(|client| ClientEntry { client, secrets, resource_servers, plain_jwt }))
}
