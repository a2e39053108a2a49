//! Usage data that is collected in memory and written in batches: the use of API keys, client secrets
//! and clients, failed authentications, and traffic counters. Collecting slows no request down, and a flood of
//! requests does not make it grow without bound.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::Timestamp;
use crate::metrics::{CredentialKind, Metrics};
use crate::request_context::RequestContext;
use crate::store::audit::AuditEntry;
use crate::store::client::Client;
use crate::store::grant_type::GrantType;
use crate::store::{
    Database, Store, StoreError, api_key, audit, client_secret, counters, credential_use,
};

mod credentials;
mod traffic;
mod unknown_failures;

pub use credentials::Used;
use credentials::{Batch, Credentials};
use traffic::Traffic;
pub use traffic::{HOUR, LATENCY_BUCKETS, MINUTE, Metric, TimedRoute};
pub use unknown_failures::UNKNOWN_RETENTION;
use unknown_failures::UnknownFailures;

/// The maximum number of failures that wait to be written. Past it, further ones are dropped until the
/// next write.
const MAX_WAITING: usize = 10_000;

/// The number of rows that are written in one transaction: other writers wait for it.
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

/// The usage data of this node.
#[derive(Default)]
pub struct Usage {
    /// The Prometheus metrics of this process.
    pub metrics: Arc<Metrics>,
    credentials: Mutex<Credentials>,
    /// Failures that concern clients and users that exist.
    failures: Mutex<Vec<AuditEntry>>,
    /// All other failures. They are kept apart, so that a flood of them displaces no known ones.
    unknown_failures: Mutex<UnknownFailures>,
    traffic: Mutex<Traffic>,
}

impl Usage {
    /// Records the use of an API key; `sender` is the request of whoever presented it, if that is
    /// known.
    pub fn record_key_use(&self, key_id: &str, sender: Option<&RequestContext>, now: Timestamp) {
        let mut credentials = self.credentials.lock();
        credentials.record_use(Used::ApiKey(key_id), sender, now);
    }

    /// Records that a client authenticated, and by which of its secrets, if it was one.
    pub fn record_authentication(
        &self,
        client_id: &str,
        secret_id: Option<&str>,
        context: &RequestContext,
    ) {
        let now = context.received_at;
        let mut credentials = self.credentials.lock();
        credentials.record_use(Used::Client(client_id), Some(context), now);
        if let Some(secret_id) = secret_id {
            credentials.record_use(Used::Secret(secret_id), None, now);
        }
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
    /// client and its credential too, if they are known. `reason` is the code of the reason.
    pub fn count_failure(
        &self,
        client: Option<&Client>,
        credential: Option<Used<'_>>,
        reason: &'static str,
        now: Timestamp,
    ) {
        self.metrics.count_failure(reason);
        if let Some(credential) = credential {
            self.credentials.lock().record_failure(credential, now);
        }
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
        let credentials = self.credentials.lock().take(now);
        self.write_with(store, credentials.into_batch(), now).await
    }

    /// As [`write`](Usage::write), but the use of credentials only if it is due: of many, it is written
    /// once a minute.
    ///
    /// # Errors
    /// Fails if the database does not answer.
    pub async fn write_due(&self, store: &Store, now: Timestamp) -> Result<(), StoreError> {
        let credentials = self.credentials.lock().take_due(now);
        self.write_with(store, credentials.into_batch(), now).await
    }

    async fn write_with(
        &self,
        store: &Store,
        credentials: Batch,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let failures = std::mem::take(&mut *self.failures.lock());
        let unknown = self.unknown_failures.lock().take(now);
        let traffic = std::mem::take(&mut *self.traffic.lock());
        let mut written = Ok(());
        if !failures.is_empty() || !unknown.is_empty() {
            written = store
                .write_untracked(move |database| {
                    audit::insert_all(database, &failures, None)?;
                    audit::insert_all(database, &unknown, Some(UNKNOWN_RETENTION))
                })
                .await;
        }
        // After a failure the other batches are not tried: each would wait for the timeout, and a
        // server that stops waits for this function.
        in_batches(store, &credentials.api_keys, api_key::touch).await?;
        in_batches(store, &credentials.secrets, client_secret::touch).await?;
        in_batches(store, &traffic.counters_by_day(), credential_use::add).await?;
        in_batches(store, &traffic.into_counters(), counters::add).await?;
        in_batches(store, &credentials.counters, credential_use::add).await?;
        in_batches(store, &credentials.origins, credential_use::add_origins).await?;
        written
    }
}

/// Writes rows, [`BATCH`] of them in each transaction.
async fn in_batches<T: Clone + Send + Sync + 'static>(
    store: &Store,
    rows: &[T],
    write: fn(&mut Database, &[T]) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    for batch in rows.chunks(BATCH) {
        let batch = batch.to_vec();
        store
            .write_untracked(move |database| write(database, &batch))
            .await?;
    }
    Ok(())
}
