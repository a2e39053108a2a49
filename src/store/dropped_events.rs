//! Counts the events that are dropped for webhooks with too many pending deliveries.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// The shortest time between two warnings.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// What this process dropped since it started.
#[derive(Default)]
pub(super) struct DroppedEvents {
    count: AtomicU64,
    warned_at: Mutex<Option<Instant>>,
}

impl DroppedEvents {
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Counts the events that a committed transaction dropped for these webhooks, and warns once a
    /// minute.
    pub(super) fn add(&self, webhook_ids: &[String]) {
        let Some(webhook_id) = webhook_ids.first() else {
            return;
        };
        let new = u64::try_from(webhook_ids.len()).unwrap_or(u64::MAX);
        let dropped = self
            .count
            .fetch_add(new, Ordering::Relaxed)
            .wrapping_add(new);
        let now = Instant::now();
        let mut warned_at = self.warned_at.lock();
        if warned_at.is_some_and(|warned| now - warned < WARNING_INTERVAL) {
            return;
        }
        *warned_at = Some(now);
        drop(warned_at);
        tracing::warn!(
            webhook_id,
            dropped,
            "event dropped: the webhook has too many pending deliveries"
        );
    }
}
