//! Sends events to webhooks.
//!
//! The leader claims due deliveries and sends them, a few at a time for each webhook and for each
//! account. What a node claimed and did not finish is due again after [`CLAIM`], so each event is
//! sent at least once, and seldom twice. Webhooks whose receiver fails or is slow share a part of
//! the slots, so that they delay no other.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::backoff::Backoff;
use super::clocks;
use crate::clock::Timestamp;
use crate::credential::random_bytes;
use crate::error::Error;
use crate::manage::webhook;
use crate::metrics::DeliveryOutcome;
use crate::net::http_client::SendError;
use crate::oauth::AuthorizationServer;
use crate::span::Scope;
use crate::store::webhook::Webhook;
use crate::store::webhook_delivery::{self, Attempt, Delivery, DeliveryFailure};
use crate::store::{StoreError, webhook as webhooks};

/// How often due deliveries are looked for.
pub(super) const PERIOD: Duration = Duration::from_secs(1);

/// How long a run goes on while there are deliveries to send.
const RUN: Duration = Duration::from_secs(3);

/// How long a claimed delivery is not sent by another node: longer than a request takes.
const CLAIM: Duration = Duration::from_secs(60);

/// How long a webhook may fail before it is disabled.
const DISABLED_AFTER: Duration = Duration::from_secs(5 * 24 * 3600);

/// How many deliveries are sent at a time: in all, for one account, and for one webhook.
const MAX_ALL: usize = 32;
const MAX_ACCOUNT: usize = 8;
const MAX_WEBHOOK: usize = 4;

/// How many are sent at a time to all webhooks together that fail or are slow, and to one of these.
const MAX_SUSPECTS: usize = 8;
const MAX_SUSPECT: usize = 1;

/// How many webhooks with pending deliveries are looked at, at a time. If there are more, the next look goes
/// on with these.
const LOOKED_AT: i64 = 1000;

/// How long a receiver takes at most that is not slow.
const SLOW: Duration = Duration::from_secs(2);

/// How long a webhook whose secret cannot be opened is left alone. Another key file opens it then, or
/// the leader is another node.
const LOCKED: Duration = Duration::from_secs(60);

/// The pauses between the attempts at one delivery.
const BACKOFF: Backoff = Backoff(&[
    Duration::from_secs(5),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(2 * 3600),
    Duration::from_secs(5 * 3600),
    Duration::from_secs(10 * 3600),
    Duration::from_secs(14 * 3600),
    Duration::from_secs(20 * 3600),
    Duration::from_secs(24 * 3600),
]);

/// The status with which a receiver says that it wants no more events.
const GONE: u16 = 410;

/// The deliveries that are being sent.
#[derive(Default)]
struct Load {
    all: usize,
    suspects: usize,
    accounts: HashMap<Option<String>, usize>,
    webhooks: HashMap<String, usize>,
    /// The webhooks whose receiver was slow the last time.
    slow: HashSet<String>,
    /// The sealed secrets that could not be opened, and until when their webhooks are left alone. A
    /// secret that was rotated is another one.
    locked: HashMap<String, Instant>,
    /// The last webhook that was looked at; empty to begin with the first.
    looked_at: String,
}

impl Load {
    fn is_suspect(&self, webhook: &Webhook) -> bool {
        webhook.failing_since.is_some() || self.slow.contains(&webhook.id)
    }

    /// Leaves the webhooks with this secret alone for a while. Returns whether they were not before.
    fn lock(&mut self, webhook: &Webhook, now: Instant) -> bool {
        self.locked.retain(|_, until| now < *until);
        let until = now + LOCKED;
        let before = self.locked.insert(webhook.secret_sealed.clone(), until);
        before.is_none()
    }

    fn is_locked(&self, webhook: &Webhook, now: Instant) -> bool {
        let until = self.locked.get(&webhook.secret_sealed);
        until.is_some_and(|until| now < *until)
    }

    /// Takes a slot for a delivery to this webhook; returns whether there was one, and whether it is
    /// one of those for suspects.
    fn take(&mut self, webhook: &Webhook) -> Option<bool> {
        let is_suspect = self.is_suspect(webhook);
        let own = self.webhooks.get(&webhook.id).copied().unwrap_or(0);
        let account = self.accounts.get(&webhook.account_id).copied().unwrap_or(0);
        let most = if is_suspect { MAX_SUSPECT } else { MAX_WEBHOOK };
        let is_full = self.all >= MAX_ALL
            || own >= most
            || account >= MAX_ACCOUNT
            || is_suspect && self.suspects >= MAX_SUSPECTS;
        if is_full {
            return None;
        }
        self.all += 1;
        self.suspects += usize::from(is_suspect);
        *self.accounts.entry(webhook.account_id.clone()).or_default() += 1;
        *self.webhooks.entry(webhook.id.clone()).or_default() += 1;
        Some(is_suspect)
    }

    fn give_back(&mut self, webhook: &Webhook, was_suspect: bool) {
        fn reduce<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, usize>, key: &K) {
            if let Some(count) = counts.get_mut(key) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    counts.remove(key);
                }
            }
        }
        self.all = self.all.saturating_sub(1);
        self.suspects = self.suspects.saturating_sub(usize::from(was_suspect));
        reduce(&mut self.accounts, &webhook.account_id);
        reduce(&mut self.webhooks, &webhook.id);
    }
}

/// A slot that was taken. It is given back when it is dropped.
struct Slot {
    sender: Arc<Sender>,
    webhook: Arc<Webhook>,
    was_suspect: bool,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut load = self.sender.load.lock();
        load.give_back(&self.webhook, self.was_suspect);
        drop(load);
        self.sender.ended.notify_one();
    }
}

/// Sends the deliveries that are due.
pub(super) struct Sender {
    server: Arc<AuthorizationServer>,
    load: Mutex<Load>,
    /// Told whenever a delivery ends.
    ended: Notify,
}

impl Sender {
    pub(super) fn new(server: &Arc<AuthorizationServer>) -> Self {
        Sender {
            server: server.clone(),
            load: Mutex::default(),
            ended: Notify::new(),
        }
    }

    /// Starts to send what is due, and more of it as soon as deliveries end.
    pub(super) async fn run(self: Arc<Self>) -> Result<(), Error> {
        let began = Instant::now();
        while self.start_due(Timestamp::now()).await? && began.elapsed() < RUN {
            // Whether a delivery ended or not: others may be due by then.
            let _ = tokio::time::timeout(PERIOD, self.ended.notified()).await;
        }
        Ok(())
    }

    /// Waits until the deliveries that are being sent have ended, but no longer than `limit`.
    pub(super) async fn finish(&self, limit: Duration) {
        let until = Instant::now() + limit;
        while self.load.lock().all > 0 {
            let ended = tokio::time::timeout_at(until, self.ended.notified());
            if ended.await.is_err() {
                return;
            }
        }
    }

    /// Starts to send due deliveries for which there are slots. Returns whether there were any.
    async fn start_due(self: &Arc<Self>, now: Timestamp) -> Result<bool, Error> {
        let store = &self.server.store;
        let after = self.load.lock().looked_at.clone();
        let due = store.read(move |database| webhooks::due(database, &after, now, LOOKED_AT));
        let due = due.await?;
        self.load.lock().looked_at = due.next;
        let slots = self.take_slots(due.webhooks);
        if slots.is_empty() {
            return Ok(false);
        }
        let wanted: Vec<(String, i64)> = slots
            .iter()
            .map(|(id, slots)| (id.clone(), i64::try_from(slots.len()).unwrap_or(i64::MAX)))
            .collect();
        let found = store.read(move |database| {
            let mut found = Vec::new();
            for (id, limit) in &wanted {
                found.extend(webhook_delivery::due(database, id, now, *limit)?);
            }
            Ok::<_, StoreError>(found)
        });
        let found = found.await?;
        let until = now.saturating_add(CLAIM);
        let claimed = store.write_untracked(move |database| {
            let mut claimed = Vec::new();
            for delivery in &found {
                if webhook_delivery::claim(database, delivery, until)? {
                    claimed.push(delivery.clone());
                }
            }
            Ok(claimed)
        });
        let claimed = claimed.await?;
        let mut slots = slots;
        let is_any = !claimed.is_empty();
        for delivery in claimed {
            let Some(slot) = slots.get_mut(&delivery.webhook_id).and_then(Vec::pop) else {
                continue;
            };
            tokio::spawn(send(slot, delivery, until));
        }
        Ok(is_any)
    }

    /// Takes the free slots for these webhooks: one for each, in a random order, then another one for
    /// each, and so on.
    fn take_slots(self: &Arc<Self>, due: Vec<Webhook>) -> HashMap<String, Vec<Slot>> {
        let mut webhooks: Vec<Arc<Webhook>> = due.into_iter().map(Arc::new).collect();
        webhooks.sort_by_cached_key(|_| u64::from_be_bytes(random_bytes()));
        let mut slots: HashMap<String, Vec<Slot>> = HashMap::new();
        let mut load = self.load.lock();
        let now = Instant::now();
        webhooks.retain(|webhook| !load.is_locked(webhook, now));
        loop {
            webhooks.retain(|webhook| {
                let Some(was_suspect) = load.take(webhook) else {
                    return false;
                };
                slots.entry(webhook.id.clone()).or_default().push(Slot {
                    sender: self.clone(),
                    webhook: webhook.clone(),
                    was_suspect,
                });
                true
            });
            if webhooks.is_empty() {
                return slots;
            }
        }
    }
}

/// Sends a delivery that was claimed until `until`, and records the outcome.
async fn send(slot: Slot, delivery: Delivery, until: Timestamp) {
    let (sender, webhook) = (slot.sender.clone(), slot.webhook.clone());
    let server = sender.server.clone();
    let began = Timestamp::now();
    let signature = webhook::signature(server.sealing_keys(), &webhook, &delivery, began);
    let Some(signature) = signature else {
        return put_off(&sender, &webhook, delivery, until, began).await;
    };
    let (status, failure) = request(&server, &webhook, &delivery, signature, began).await;
    server.usage.metrics.count_delivery(match failure {
        None => DeliveryOutcome::Success,
        Some(_) => DeliveryOutcome::Failure,
    });
    let ended = Timestamp::now();
    let took = ended.duration_since(began);
    {
        let mut load = sender.load.lock();
        if took > SLOW {
            load.slow.insert(webhook.id.clone());
        } else {
            load.slow.remove(&webhook.id);
        }
    }
    let attempts = delivery.attempts.saturating_add(1);
    let [random] = random_bytes();
    let attempt = Attempt {
        at: began,
        status,
        failure,
        duration_ms: i64::try_from(took.as_millis()).unwrap_or(i64::MAX),
        next_attempt_at: failure.and_then(|_| BACKOFF.next(attempts, ended, random)),
    };
    let recorded = async {
        let row = delivery.clone();
        let store = &server.store;
        store
            .write_untracked(move |database| {
                webhook_delivery::record(database, &row, until, &attempt)
            })
            .await?;
        let since = match status {
            Some(GONE) => ended,
            _ => ended.saturating_sub(DISABLED_AFTER),
        };
        let has_failed_long = webhook.failing_since.is_some_and(|first| first <= since);
        let is_due = failure.is_some() && (has_failed_long || status == Some(GONE));
        // By a clock that jumped, five days are over in a moment.
        if is_due
            && clocks::compare(&server).await?.is_some()
            && webhook::disable_failing(store, &webhook.id, since, ended).await?
        {
            tracing::warn!(
                webhook_id = webhook.id,
                "webhook disabled: its deliveries fail"
            );
        }
        Ok::<_, Error>(())
    };
    if let Err(error) = recorded.await {
        tracing::warn!(
            webhook_id = webhook.id,
            error = error.reason(),
            "cannot record a delivery: it is sent again"
        );
    }
}

/// Puts off a delivery that cannot be signed. The receiver is not to blame: it is no attempt, and does
/// not lead to a disabled webhook.
async fn put_off(
    sender: &Sender,
    webhook: &Webhook,
    delivery: Delivery,
    until: Timestamp,
    now: Timestamp,
) {
    if sender.load.lock().lock(webhook, Instant::now()) {
        tracing::warn!(
            webhook_id = webhook.id,
            "cannot decrypt the secret of a webhook: is the sealing key of this node up to date?"
        );
    }
    let next = now.saturating_add(LOCKED);
    let store = &sender.server.store;
    let recorded = store.write_untracked(move |database| {
        webhook_delivery::put_off(database, &delivery, until, next)
    });
    if let Err(error) = recorded.await {
        tracing::warn!(
            webhook_id = webhook.id,
            %error,
            "cannot put off a delivery: it is due again after a minute"
        );
    }
}

/// Sends the request. Returns the status of the response, if there is one, and the failure, if it is
/// one.
async fn request(
    server: &Arc<AuthorizationServer>,
    webhook: &Webhook,
    delivery: &Delivery,
    signature: String,
    now: Timestamp,
) -> (Option<u16>, Option<DeliveryFailure>) {
    let id = delivery.event_id.clone();
    let (url, body) = (webhook.url.clone(), delivery.body.clone());
    let client = server.clone();
    let sent = Scope::current().run_blocking(move || {
        let timestamp = now.seconds().to_string();
        let headers = [
            ("webhook-id", id.as_str()),
            ("webhook-timestamp", timestamp.as_str()),
            ("webhook-signature", signature.as_str()),
        ];
        client.http_client().send_event(&url, &headers, &body)
    });
    match sent.await {
        Ok(Ok(status)) => (Some(status), failure_of_status(status)),
        Ok(Err(error)) => (None, Some(failure_of(error))),
        Err(_) => (None, Some(DeliveryFailure::Connection)),
    }
}

fn failure_of_status(status: u16) -> Option<DeliveryFailure> {
    match status {
        200..=299 => None,
        300..=399 => Some(DeliveryFailure::Redirect),
        _ => Some(DeliveryFailure::Status),
    }
}

fn failure_of(error: SendError) -> DeliveryFailure {
    match error {
        SendError::Address => DeliveryFailure::Address,
        SendError::Timeout => DeliveryFailure::Timeout,
        SendError::Tls => DeliveryFailure::Tls,
        SendError::Connection => DeliveryFailure::Connection,
        SendError::Protocol => DeliveryFailure::Protocol,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        let now = Timestamp::from_seconds(1_800_000_000);
        let pause = |attempts, random| {
            BACKOFF
                .next(attempts, now, random)
                .map(|next| next.duration_since(now).as_secs())
        };
        assert_eq!(pause(1, 0), Some(5));
        assert_eq!(pause(2, 0), Some(300));
        assert_eq!(pause(2, 255), Some(330));
        assert_eq!(pause(9, 0), Some(24 * 3600));
        assert_eq!(pause(10, 0), None);
        let all: u64 = (1..10).filter_map(|attempts| pause(attempts, 255)).sum();
        assert!(Duration::from_secs(all) < DISABLED_AFTER);
    }

    fn webhook(id: &str, account: &str, fails: bool) -> Webhook {
        Webhook {
            id: id.to_owned(),
            account_id: Some(account.to_owned()),
            url: String::new(),
            description: String::new(),
            events: "*".to_owned(),
            secret_sealed: String::new(),
            previous_sealed: None,
            previous_until: None,
            failing_since: fails.then_some(Timestamp::EPOCH),
            last_failure_at: None,
            disabled_at: None,
            disabled_by: None,
            created_at: Timestamp::EPOCH,
            created_by: String::new(),
        }
    }

    #[test]
    fn failing_webhooks_leave_room_for_the_others() {
        let mut load = Load::default();
        let mut taken = 0;
        for number in 0..50 {
            let failing = webhook(&number.to_string(), &number.to_string(), true);
            while load.take(&failing).is_some() {
                taken += 1;
            }
        }
        assert_eq!(taken, MAX_SUSPECTS);
        let fine = webhook("fine", "fine", false);
        for _ in 0..MAX_WEBHOOK {
            assert_eq!(load.take(&fine), Some(false));
        }
        assert_eq!(load.take(&fine), None);
        load.give_back(&fine, false);
        assert_eq!(load.take(&fine), Some(false));
    }

    #[test]
    fn an_account_does_not_take_all_slots() {
        let mut load = Load::default();
        let mut taken = 0;
        for number in 0..20 {
            let one = webhook(&number.to_string(), "acme", false);
            while load.take(&one).is_some() {
                taken += 1;
            }
        }
        assert_eq!(taken, MAX_ACCOUNT);
        assert_eq!(load.take(&webhook("other", "globex", false)), Some(false));
    }

    #[test]
    fn a_slow_receiver_is_a_suspect() {
        let mut load = Load::default();
        let slow = webhook("slow", "acme", false);
        load.slow.insert(slow.id.clone());
        assert_eq!(load.take(&slow), Some(true));
        assert_eq!(load.take(&slow), None);
    }

    #[test]
    fn a_webhook_without_a_readable_secret_is_left_alone_for_a_minute() {
        let mut load = Load::default();
        let mut one = webhook("one", "acme", false);
        one.secret_sealed = "sealed".to_owned();
        let now = Instant::now();
        assert!(load.lock(&one, now));
        assert!(!load.lock(&one, now), "it is logged once");
        assert!(load.is_locked(&one, now + LOCKED / 2));
        assert!(!load.is_locked(&one, now + LOCKED));
        assert!(load.lock(&one, now + LOCKED));
        one.secret_sealed = "rotated".to_owned();
        assert!(!load.is_locked(&one, now));
    }

    #[test]
    fn only_2xx_is_a_success() {
        for (status, failure) in [
            (200, None),
            (204, None),
            (301, Some(DeliveryFailure::Redirect)),
            (404, Some(DeliveryFailure::Status)),
            (500, Some(DeliveryFailure::Status)),
        ] {
            assert_eq!(failure_of_status(status), failure, "{status}");
        }
    }
}
