//! Fair shares of a scarce resource: at most so many holders at a time for each key, such as an
//! account or a host, so that one key cannot take what others need.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

type Keys = Arc<Mutex<HashMap<String, Arc<Semaphore>>>>;

/// Limits concurrency for each key. Memory is bounded by the number of holders and waiters: a key
/// that nobody holds or waits for takes none.
#[derive(Clone)]
pub struct Shares {
    keys: Keys,
    for_each: usize,
}

/// One unit of a key's share; dropping it lets the next waiter in.
pub struct Share {
    keys: Keys,
    key: String,
    /// Both are `None` only while dropping.
    semaphore: Option<Arc<Semaphore>>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Shares {
    /// At most `for_each` holders at a time for each key.
    pub fn new(for_each: usize) -> Self {
        Shares {
            keys: Keys::default(),
            for_each,
        }
    }

    /// Waits up to `timeout` for a unit of the share of `key`; `None` where that was not enough.
    pub async fn acquire(&self, key: &str, timeout: Duration) -> Option<Share> {
        let semaphore = {
            let mut keys = self.keys.lock();
            keys.entry(key.to_owned())
                .or_insert_with(|| Arc::new(Semaphore::new(self.for_each)))
                .clone()
        };
        // Made before the wait: a caller that gives up while it waits must leave no entry behind.
        let mut share = Share {
            keys: self.keys.clone(),
            key: key.to_owned(),
            semaphore: Some(semaphore.clone()),
            permit: None,
        };
        share.permit = Some(
            tokio::time::timeout(timeout, semaphore.acquire_owned())
                .await
                .ok()?
                .ok()?,
        );
        Some(share)
    }

    /// How many keys are held or waited for.
    #[cfg(test)]
    fn keys(&self) -> usize {
        self.keys.lock().len()
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        // The permit refers to the semaphore, so it goes first.
        self.permit = None;
        let mut keys = self.keys.lock();
        self.semaphore = None;
        // Others refer to it only after a look into `keys`, which is locked.
        if keys
            .get(&self.key)
            .is_some_and(|semaphore| Arc::strong_count(semaphore) == 1)
        {
            keys.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn one_key_does_not_take_the_share_of_another() {
        let shares = Shares::new(2);
        let (first, second) = (
            shares.acquire("a", SHORT).await.unwrap(),
            shares.acquire("a", SHORT).await.unwrap(),
        );
        assert!(
            shares.acquire("a", SHORT).await.is_none(),
            "a third holder of the same key"
        );
        assert!(shares.acquire("b", SHORT).await.is_some(), "another key");
        drop(first);
        assert!(
            shares.acquire("a", SHORT).await.is_some(),
            "a share that was given back"
        );
        drop(second);
        assert_eq!(shares.keys(), 0, "keys that nobody holds are forgotten");
    }

    #[tokio::test]
    async fn waiters_get_their_turn_and_leave_nothing_behind() {
        let shares = Shares::new(1);
        let held = shares.acquire("a", SHORT).await.unwrap();
        let waiter = tokio::spawn({
            let shares = shares.clone();
            async move { shares.acquire("a", LONG).await.is_some() }
        });
        let cancelled = tokio::spawn({
            let shares = shares.clone();
            async move { shares.acquire("a", LONG).await.is_some() }
        });
        tokio::task::yield_now().await;
        cancelled.abort();
        assert!(cancelled.await.is_err());
        drop(held);
        assert!(waiter.await.unwrap());
        assert_eq!(shares.keys(), 0);
    }
}
