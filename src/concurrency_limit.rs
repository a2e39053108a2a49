//! Concurrency limits for each key, such as an account or a host, so that one key cannot use up
//! what others need.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

type Semaphores = Arc<Mutex<HashMap<String, Arc<Semaphore>>>>;

/// Limits how many permits each key holds at a time. Memory is bounded by the number of permits and
/// waiters: a key without either has no entry.
#[derive(Clone)]
pub struct ConcurrencyLimit {
    semaphores: Semaphores,
    per_key: usize,
}

/// One of the permits of a key. Dropping it wakes the next waiter for that key.
pub struct Permit {
    semaphores: Semaphores,
    key: String,
    /// `None` only while the permit is dropped.
    semaphore: Option<Arc<Semaphore>>,
    /// `None` while the permit is waited for, and while it is dropped.
    inner: Option<OwnedSemaphorePermit>,
}

impl ConcurrencyLimit {
    /// A limit of `per_key` permits for each key.
    pub fn new(per_key: usize) -> Self {
        ConcurrencyLimit {
            semaphores: Semaphores::default(),
            per_key,
        }
    }

    /// Waits up to `timeout` for a permit of `key`. Returns `None` after a timeout.
    pub async fn acquire(&self, key: &str, timeout: Duration) -> Option<Permit> {
        let semaphore = {
            let mut semaphores = self.semaphores.lock();
            semaphores
                .entry(key.to_owned())
                .or_insert_with(|| Arc::new(Semaphore::new(self.per_key)))
                .clone()
        };
        // Created before the wait, so that a caller that is cancelled while it waits removes the
        // entry.
        let mut permit = Permit {
            semaphores: self.semaphores.clone(),
            key: key.to_owned(),
            semaphore: Some(semaphore.clone()),
            inner: None,
        };
        let acquired = tokio::time::timeout(timeout, semaphore.acquire_owned()).await;
        permit.inner = Some(acquired.ok()?.ok()?);
        Some(permit)
    }

    /// The number of keys that have permits or waiters.
    #[cfg(test)]
    fn keys(&self) -> usize {
        self.semaphores.lock().len()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        // The inner permit holds a reference to the semaphore, so it is released first.
        self.inner = None;
        let mut semaphores = self.semaphores.lock();
        self.semaphore = None;
        // New references are made only under the lock, so a count of one cannot grow meanwhile.
        if semaphores
            .get(&self.key)
            .is_some_and(|semaphore| Arc::strong_count(semaphore) == 1)
        {
            semaphores.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn each_key_has_a_limit_of_its_own() {
        let limit = ConcurrencyLimit::new(2);
        let first = limit.acquire("a", SHORT).await.unwrap();
        let second = limit.acquire("a", SHORT).await.unwrap();
        assert!(
            limit.acquire("a", SHORT).await.is_none(),
            "a third permit of the same key"
        );
        assert!(limit.acquire("b", SHORT).await.is_some(), "another key");
        drop(first);
        assert!(
            limit.acquire("a", SHORT).await.is_some(),
            "a permit that was released"
        );
        drop(second);
        assert_eq!(limit.keys(), 0, "keys without permits are removed");
    }

    #[tokio::test]
    async fn a_released_permit_wakes_a_waiter_and_a_cancelled_waiter_leaves_no_entry() {
        let limit = ConcurrencyLimit::new(1);
        let held = limit.acquire("a", SHORT).await.unwrap();
        let waiter = tokio::spawn({
            let limit = limit.clone();
            async move { limit.acquire("a", LONG).await.is_some() }
        });
        let cancelled = tokio::spawn({
            let limit = limit.clone();
            async move { limit.acquire("a", LONG).await.is_some() }
        });
        tokio::task::yield_now().await;
        cancelled.abort();
        assert!(cancelled.await.is_err());
        drop(held);
        assert!(waiter.await.unwrap());
        assert_eq!(limit.keys(), 0);
    }
}
