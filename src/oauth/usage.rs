//! What is collected in memory and written in batches: when each API key was last used, and the
//! failed authentications. Neither may slow a request, nor grow under a flood.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::clock::Timestamp;
use crate::store::Store;
use crate::store::audit::Entry;
use crate::store::{StoreError, api_key, audit};

/// How many of each wait at the most; past it, what comes is dropped until the next writing.
const KEPT: usize = 10_000;

/// What waits to be written.
#[derive(Default)]
pub struct Usage {
    used: Mutex<HashMap<String, Timestamp>>,
    failures: Mutex<Vec<Entry>>,
}

impl Usage {
    /// An API key was presented and right.
    pub fn note(&self, key_id: &str, now: Timestamp) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = used.get_mut(key_id) {
            *last = now.max(*last);
        } else if used.len() < KEPT {
            used.insert(key_id.to_owned(), now);
        }
    }

    /// An authentication failed.
    pub fn note_failure(&self, entry: Entry) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() < KEPT {
            failures.push(entry);
        }
    }

    /// Writes what waits. Where that fails it is lost: an aid, not a promise.
    ///
    /// # Errors
    /// Where the database gave no answer.
    pub async fn write(&self, store: &Store) -> Result<(), StoreError> {
        let used = std::mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner));
        let failures = std::mem::take(&mut *self.failures.lock().unwrap_or_else(PoisonError::into_inner));
        if used.is_empty() && failures.is_empty() {
            return Ok(());
        }
        let used: Vec<(String, Timestamp)> = used.into_iter().collect();
        store
            .append(move |database| {
                api_key::note_used(database, &used)?;
                audit::insert_all(database, &failures)
            })
            .await
    }
}
