//! Polls the change feed and applies what it finds to the cache.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::lease::Reading;
use super::{Cache, EVICTION_DELAY, REVOCATIONS_CAPACITY};
use crate::clock::Timestamp;
use crate::store::signing_key::{self, SigningKey};
use crate::store::{Change, Database, StoreError, changes, token};

/// How often the feed is polled.
const POLL_INTERVAL: Duration = Duration::from_millis(150);

/// How long the feed keeps its entries. A node that was cut off for longer reloads its cache.
pub const CHANGES_RETENTION: Duration = Duration::from_secs(30 * 60);

/// Polls the change feed for a [`Cache`].
pub struct Poller {
    cache: Arc<Cache>,
    /// The id of the last change that was applied.
    last_change: Option<i64>,
}

/// What one poll found.
pub(super) struct Update {
    last_change: i64,
    changes: Vec<Change>,
    signing_keys: Option<Vec<SigningKey>>,
    /// The revocations of all tokens that have not expired, if the cache is reloaded.
    revocations: Option<Vec<(String, Timestamp)>>,
}

impl Poller {
    pub(super) fn new(cache: Arc<Cache>) -> Self {
        Poller {
            cache,
            last_change: None,
        }
    }

    /// Polls until the process ends, on a thread of its own: a busy event loop must not let the
    /// lease expire.
    ///
    /// # Errors
    /// The error of the operating system if it starts no thread.
    pub fn run(mut self) -> std::io::Result<()> {
        let polls = move || {
            loop {
                if let Err(error) = self.poll(Timestamp::now()) {
                    tracing::warn!(%error, "cannot poll the change feed; the cache is bypassed until it can");
                }
                std::thread::sleep(POLL_INTERVAL);
            }
        };
        std::thread::Builder::new()
            .name("cache".to_owned())
            .spawn(polls)
            .map(drop)
    }

    pub(super) fn poll(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let poll = self.begin(now);
        let update = self.cache.store.follow(|database| poll.read(database))?;
        self.apply(&poll, update);
        Ok(())
    }

    pub(super) fn begin(&self, now: Timestamp) -> Poll {
        let cache = &self.cache;
        let started = Reading::at(now);
        // Half of the retention, so that no entry can have been purged before this node saw it.
        let continues = u128::from(cache.lease.age(started.since_boot))
            < CHANGES_RETENTION.as_millis() / 2
            && !cache.lease.has_stepped(started);
        Poll {
            after: self.last_change.filter(|_| continues),
            key_changes: cache.key_changes.load(Ordering::Acquire),
            signing_keys_are_current: cache.signing_keys_are_current(),
            started,
            now,
        }
    }

    pub(super) fn apply(&mut self, poll: &Poll, update: Update) {
        let cache = &self.cache;
        let reloaded = update.revocations.is_some();
        if let Some(revocations) = update.revocations {
            cache.reset(revocations);
        }
        if !update.changes.is_empty() {
            cache.evict(&update.changes);
        }
        if let Some(signing_keys) = update.signing_keys {
            cache.signing_keys.store(Arc::new(signing_keys));
            // If this process has changed the keys since the poll began, they do not count as
            // current.
            cache
                .key_changes_read
                .store(poll.key_changes, Ordering::Release);
        }
        self.last_change = Some(update.last_change);
        if reloaded {
            cache.lease.set_reference(poll.started);
        }
        cache.lease.renew(poll.started);
    }
}

/// The state of the cache when a poll started.
pub(super) struct Poll {
    /// The last change that was applied; none if everything is to be reloaded.
    after: Option<i64>,
    key_changes: u64,
    signing_keys_are_current: bool,
    started: Reading,
    now: Timestamp,
}

impl Poll {
    pub(super) fn read(&self, database: &mut Database) -> Result<Update, StoreError> {
        match self.after {
            Some(after) => self.catch_up(database, after),
            None => self.reload(database),
        }
    }

    fn catch_up(&self, database: &mut Database, after: i64) -> Result<Update, StoreError> {
        let mut update = Update {
            last_change: after,
            changes: Vec::new(),
            signing_keys: None,
            revocations: None,
        };
        loop {
            let newest = changes::newest(database)?;
            if newest == update.last_change {
                break;
            }
            let batch = changes::after(database, update.last_change)?;
            // A counter that went back belongs to a database that was restored.
            if newest < update.last_change || batch.is_empty() {
                return self.reload(database);
            }
            for (id, change) in batch {
                // Ids have no gaps, so a missing change was purged, and nobody knows what it was.
                if id != update.last_change + 1 {
                    return self.reload(database);
                }
                update.last_change = id;
                update.changes.extend(change);
            }
        }
        if !self.signing_keys_are_current || update.changes.contains(&Change::SigningKeys) {
            update.signing_keys = Some(signing_key::list(database)?);
        }
        Ok(update)
    }

    fn reload(&self, database: &mut Database) -> Result<Update, StoreError> {
        // The counter first: a change that is made while the rest is read is then applied once
        // more.
        let last_change = changes::newest(database)?;
        let limit = i64::try_from(REVOCATIONS_CAPACITY)
            .unwrap_or(i64::MAX)
            .saturating_add(1);
        let not_expired_by = self.now.saturating_sub(EVICTION_DELAY);
        Ok(Update {
            last_change,
            changes: Vec::new(),
            signing_keys: Some(signing_key::list(database)?),
            revocations: Some(token::live_revocations(database, not_expired_by, limit)?),
        })
    }
}
