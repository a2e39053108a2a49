//! Usage data that is collected in memory and written in batches: when each API key and client secret
//! was last used, failed authentications, and traffic counters. Collecting slows no request down, and a flood of
//! requests does not make it grow without bound.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::Timestamp;
use crate::metrics::{CredentialKind, Metrics};
use crate::store::audit::AuditEntry;
use crate::store::client::Client;
use crate::store::grant_type::GrantType;
use crate::store::{Store, StoreError, api_key, audit, client_secret, counters};

mod traffic;
mod unknown_failures;

use traffic::Traffic;
pub use traffic::{HOUR, LATENCY_BUCKETS, MINUTE, Metric, TimedRoute};
pub use unknown_failures::UNKNOWN_RETENTION;
use unknown_failures::UnknownFailures;

/// The maximum number of API keys, of client secrets, and of failures, that wait to be written. Past it, further ones
/// are dropped until the next write.
const MAX_WAITING: usize = 10_000;

/// The number of counters that are written in one transaction: other writers wait for it.
const BATCH: usize = 500;

/// Whether a failure concerns a client or user that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureSource {
    /// It concerns a client or user that exists.
    Known,
    /// It concerns no client or user that exists. The audit entries of these failures have a
    /// budget, and are kept for [`UNKNOWN_RETENTION`].
    Unknown,
}

/// When each credential was last used, by its id.
#[derive(Default)]
struct LastUses(HashMap<String, Timestamp>);

impl LastUses {
    fn record(&mut self, id: &str, now: Timestamp) {
        if let Some(last) = self.0.get_mut(id) {
            *last = now.max(*last);
        } else if self.0.len() < MAX_WAITING {
            self.0.insert(id.to_owned(), now);
        }
    }

    /// Sorted: nodes that write the same rows at once would otherwise deadlock.
    fn into_sorted(self) -> Vec<(String, Timestamp)> {
        let mut uses: Vec<(String, Timestamp)> = self.0.into_iter().collect();
        uses.sort();
        uses
    }
}

/// The usage data of this node.
#[derive(Default)]
pub struct Usage {
    /// The Prometheus metrics of this process.
    pub metrics: Arc<Metrics>,
    key_uses: Mutex<LastUses>,
    secret_uses: Mutex<LastUses>,
    /// Failures that concern clients and users that exist.
    failures: Mutex<Vec<AuditEntry>>,
    /// All other failures. They are kept apart, so that a flood of them displaces no known ones.
    unknown_failures: Mutex<UnknownFailures>,
    traffic: Mutex<Traffic>,
}

impl Usage {
    /// Records the use of an API key, for its `last_used_at`.
    pub fn record_key_use(&self, key_id: &str, now: Timestamp) {
        self.key_uses.lock().record(key_id, now);
    }

    /// Records the use of a client secret, for its `last_used_at`.
    pub fn record_secret_use(&self, secret_id: &str, now: Timestamp) {
        self.secret_uses.lock().record(secret_id, now);
    }

    /// Records a failure in the audit, with the next batch.
    pub fn record_failure(&self, entry: AuditEntry, source: FailureSource) {
        match source {
            FailureSource::Unknown => self.unknown_failures.lock().record(entry),
            FailureSource::Known => {
                let mut failures = self.failures.lock();
                if failures.len() < MAX_WAITING {
                    failures.push(entry);
                }
            }
        }
    }

    /// Counts a token that was issued to `client`.
    pub fn count_token(&self, client: &Client, grant_type: GrantType, now: Timestamp) {
        self.metrics.count_token(grant_type.as_str());
        let mut traffic = self.traffic.lock();
        traffic.count(Metric::Tokens, now);
        traffic.count_of_client(client, Metric::Tokens, now);
    }

    /// Counts an introspection by `caller`. `owner` is the client of the token or API key if it was
    /// active.
    pub fn count_introspection(
        &self,
        caller: &Client,
        owner: Option<&Client>,
        kind: CredentialKind,
        now: Timestamp,
    ) {
        self.metrics.count_introspection(kind, owner.is_some());
        let mut traffic = self.traffic.lock();
        traffic.count(Metric::Introspections, now);
        traffic.count_of_client(caller, Metric::IntrospectionCalls, now);
        if let Some(owner) = owner {
            traffic.count_of_client(owner, Metric::Introspections, now);
        }
    }

    /// Counts a request that forward authentication allowed with a token or API key of `client`.
    pub fn count_verification(&self, client: &Client, now: Timestamp) {
        let mut traffic = self.traffic.lock();
        traffic.count(Metric::Verifications, now);
        traffic.count_of_client(client, Metric::Verifications, now);
    }

    /// Counts a failed authentication, or a refused request of an authenticated client; for that
    /// client too, if it is known. `reason` is the code of the reason.
    pub fn count_failure(&self, client: Option<&Client>, reason: &'static str, now: Timestamp) {
        self.metrics.count_failure(reason);
        let mut traffic = self.traffic.lock();
        traffic.count(Metric::Failures, now);
        if let Some(client) = client {
            traffic.count_of_client(client, Metric::Failures, now);
        }
    }

    /// Counts the latency of a request that was received at `now`.
    pub fn count_time(&self, route: TimedRoute, latency: Duration, now: Timestamp) {
        self.traffic.lock().count_latency(route, latency, now);
    }

    /// Writes what has been collected. If that fails, it is lost: usage data is not guaranteed.
    ///
    /// # Errors
    /// Fails if the database does not answer.
    pub async fn write(&self, store: &Store, now: Timestamp) -> Result<(), StoreError> {
        let key_uses = std::mem::take(&mut *self.key_uses.lock()).into_sorted();
        let secret_uses = std::mem::take(&mut *self.secret_uses.lock()).into_sorted();
        let failures = std::mem::take(&mut *self.failures.lock());
        let unknown = self.unknown_failures.lock().take(now);
        let traffic = std::mem::take(&mut *self.traffic.lock());
        let mut written = Ok(());
        if !key_uses.is_empty()
            || !secret_uses.is_empty()
            || !failures.is_empty()
            || !unknown.is_empty()
        {
            written = store
                .write_untracked(move |database| {
                    api_key::touch(database, &key_uses)?;
                    client_secret::touch(database, &secret_uses)?;
                    audit::insert_all(database, &failures, None)?;
                    audit::insert_all(database, &unknown, Some(UNKNOWN_RETENTION))
                })
                .await;
        }
        for batch in traffic.into_counters().chunks(BATCH) {
            let batch = batch.to_vec();
            // After a failure the other batches are not tried: each would wait for the timeout, and
            // a server that stops waits for this function.
            store
                .write_untracked(move |database| counters::add(database, &batch))
                .await?;
        }
        written
    }
}
