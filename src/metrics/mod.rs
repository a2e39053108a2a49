//! Metrics of this process, which `GET /metrics` exports for Prometheus.
//!
//! Names follow the conventions of Prometheus: base units, `_total` for counters. No label holds a
//! value that a caller chooses, so the number of series is bounded. No label is named `job` or
//! `instance`: Prometheus itself sets these.

mod labels;
mod process;
mod text;

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use self::labels::{
    CacheLabels, CacheResultLabels, DecisionLabels, DeliveryLabels, ErrorLabels, GrantLabels,
    IntrospectionLabels, JobLabels, JobRunLabels, Outcome, OutcomeLabels, PoolLabels, QueueLabels,
    ReasonLabels, StatusLabels,
};
pub use self::labels::{CredentialKind, Decision, DeliveryOutcome, JobOutcome};
use self::process::Process;
use self::text::to_prometheus_text;
use crate::clock::Timestamp;

/// Upper bounds of request durations, in seconds. A token takes a few milliseconds on an idle
/// machine and some tens on a busy one, so the buckets are close there.
const DURATION_BUCKETS: [f64; 14] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];

/// The state of a bounded in-memory cache.
#[derive(Clone, Copy, Debug, Default)]
pub struct CacheState {
    /// Entries.
    pub entries: usize,
    /// Lookups since the start that found an entry.
    pub hits: u64,
    /// Lookups since the start that found none.
    pub misses: u64,
}

/// The state of a pool of database connections.
#[derive(Clone, Copy, Debug, Default)]
pub struct PoolState {
    /// Open connections.
    pub open: u32,
    /// Open connections that are in use.
    pub in_use: u32,
    /// The maximum number of open connections.
    pub max: u32,
}

/// The values that are read at the moment of a scrape.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Whether the cache is fresh: the last poll of the change feed is younger than the lease.
    pub cache_fresh: bool,
    /// The caches, by name.
    pub caches: Vec<(&'static str, CacheState)>,
    /// The connection pools, by name.
    pub pools: Vec<(&'static str, PoolState)>,
    /// The bounded queues, by name, with their lengths.
    pub queues: Vec<(&'static str, usize)>,
    /// The age of the key that signs now; with several algorithms, of the oldest.
    pub signing_key_age: Option<Duration>,
    /// The age at which signing keys are rotated.
    pub signing_key_max_age: Duration,
    /// The `notAfter` of the TLS certificate that is served, in seconds since the epoch.
    pub tls_certificate_not_after: Option<i64>,
    /// How many milliseconds the clock of the database server is ahead of this machine's.
    pub clock_difference_millis: i64,
    /// Whether the clocks agree; while they do not, nothing is purged and no key is rotated by age.
    pub clock_agreed: bool,
    /// Open connections.
    pub connections: usize,
    /// Idle connections that were closed to make room for others, since the start.
    pub connections_evicted: u64,
    /// Log lines that could not be written, since the start.
    pub log_lines_dropped: u64,
    /// Messages that were not queued, since the start.
    pub mails_dropped: u64,
    /// Events that were dropped for webhooks, since the start.
    pub events_dropped: u64,
    /// Spans that were exported by OTLP, since the start.
    pub spans_exported: u64,
    /// Spans that could not be exported, since the start.
    pub spans_dropped: u64,
    /// Seconds since the epoch at which this process started.
    pub started: i64,
}

/// The formats of `GET /metrics`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The Prometheus text format, version 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// The value of `Content-Type`.
    pub const fn content_type(self) -> &'static str {
        match self {
            Format::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// All metrics of this process.
pub struct Metrics {
    registry: Registry,
    requests: Family<StatusLabels, Counter>,
    durations: Family<OutcomeLabels, Histogram, fn() -> Histogram>,
    errors: Family<ErrorLabels, Counter>,
    tokens: Family<GrantLabels, Counter>,
    introspections: Family<IntrospectionLabels, Counter>,
    decisions: Family<DecisionLabels, Counter>,
    failures: Family<ReasonLabels, Counter>,
    rate_limited: Counter,
    cache_fresh: Gauge,
    cache_entries: Family<CacheLabels, Gauge>,
    cache_requests: Family<CacheResultLabels, Counter>,
    pool_connections: Family<PoolLabels, Gauge>,
    pool_in_use: Family<PoolLabels, Gauge>,
    pool_max: Family<PoolLabels, Gauge>,
    queue_length: Family<QueueLabels, Gauge>,
    clock_difference: Gauge<f64, AtomicU64>,
    clock_agreed: Gauge,
    connections: Gauge,
    connections_evicted: Counter,
    log_lines_dropped: Counter,
    spans_exported: Counter,
    spans_dropped: Counter,
    job_last_success: Family<JobLabels, Gauge<f64, AtomicU64>>,
    job_period: Family<JobLabels, Gauge<f64, AtomicU64>>,
    job_runs: Family<JobRunLabels, Counter>,
    webhook_deliveries: Family<DeliveryLabels, Counter>,
    mails: Family<DeliveryLabels, Counter>,
    signing_key_age: Gauge<f64, AtomicU64>,
    signing_key_max_age: Gauge<f64, AtomicU64>,
    process: Process,
}

impl Default for Metrics {
    fn default() -> Self {
        let duration: fn() -> Histogram = || Histogram::new(DURATION_BUCKETS);
        let mut metrics = Metrics {
            registry: Registry::default(),
            requests: Family::default(),
            durations: Family::new_with_constructor(duration),
            errors: Family::default(),
            tokens: Family::default(),
            introspections: Family::default(),
            decisions: Family::default(),
            failures: Family::default(),
            rate_limited: Counter::default(),
            cache_fresh: Gauge::default(),
            cache_entries: Family::default(),
            cache_requests: Family::default(),
            pool_connections: Family::default(),
            pool_in_use: Family::default(),
            pool_max: Family::default(),
            queue_length: Family::default(),
            clock_difference: Gauge::default(),
            clock_agreed: Gauge::default(),
            connections: Gauge::default(),
            connections_evicted: Counter::default(),
            log_lines_dropped: Counter::default(),
            spans_exported: Counter::default(),
            spans_dropped: Counter::default(),
            job_last_success: Family::default(),
            job_period: Family::default(),
            job_runs: Family::default(),
            webhook_deliveries: Family::default(),
            mails: Family::default(),
            signing_key_age: Gauge::default(),
            signing_key_max_age: Gauge::default(),
            process: Process::default(),
        };
        let mut registry = Registry::default();
        metrics.register(registry.sub_registry_with_prefix("keyward"));
        metrics
            .process
            .register(registry.sub_registry_with_prefix("process"));
        metrics.registry = registry;
        metrics
    }
}

impl Metrics {
    fn register(&self, registry: &mut Registry) {
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The version of this process", build);
        self.register_requests(registry);
        self.register_caches_and_pools(registry);
        self.register_jobs(registry);
        self.register_node(registry);
    }

    fn register_requests(&self, registry: &mut Registry) {
        registry.register(
            "http_requests",
            "HTTP requests, by route and status",
            self.requests.clone(),
        );
        let durations = "Time from the request to its response, by route and outcome";
        registry.register_with_unit(
            "http_request_duration",
            durations,
            Unit::Seconds,
            self.durations.clone(),
        );
        registry.register(
            "errors",
            "Error responses, by error code",
            self.errors.clone(),
        );
        registry.register(
            "tokens_issued",
            "Access tokens issued, by grant type",
            self.tokens.clone(),
        );
        let introspections =
            "Introspection responses, by kind of credential and whether it was active";
        registry.register(
            "introspections",
            introspections,
            self.introspections.clone(),
        );
        registry.register(
            "forward_auth_decisions",
            "Decisions of /verify",
            self.decisions.clone(),
        );
        let failures =
            "Failed authentications and refused requests of clients and users, by reason code";
        registry.register("authentication_failures", failures, self.failures.clone());
        let limited = "Failures that were answered with 429 since there were too many";
        registry.register("rate_limited", limited, self.rate_limited.clone());
    }

    fn register_caches_and_pools(&self, registry: &mut Registry) {
        let fresh =
            "1 while the cache follows the change feed, 0 while every lookup goes to the database";
        registry.register("cache_fresh", fresh, self.cache_fresh.clone());
        registry.register(
            "cache_entries",
            "Entries, by cache",
            self.cache_entries.clone(),
        );
        registry.register(
            "cache_requests",
            "Lookups, by cache and result",
            self.cache_requests.clone(),
        );
        let pool = "Open connections to the database, by pool";
        registry.register(
            "database_pool_connections",
            pool,
            self.pool_connections.clone(),
        );
        let in_use = "Connections to the database that are in use, by pool";
        registry.register(
            "database_pool_connections_in_use",
            in_use,
            self.pool_in_use.clone(),
        );
        let most = "The most connections that a pool opens, by pool";
        registry.register("database_pool_connections_max", most, self.pool_max.clone());
        registry.register(
            "queue_length",
            "Jobs that wait, by queue",
            self.queue_length.clone(),
        );
    }

    fn register_jobs(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "job_last_success_timestamp",
            "When a background job last succeeded on this node, since the epoch",
            Unit::Seconds,
            self.job_last_success.clone(),
        );
        registry.register_with_unit(
            "job_period",
            "The time between two runs of a background job",
            Unit::Seconds,
            self.job_period.clone(),
        );
        registry.register(
            "job_runs",
            "Runs of background jobs on this node, by job and outcome",
            self.job_runs.clone(),
        );
        registry.register(
            "webhook_deliveries",
            "Requests of this node to webhooks, and events that it dropped, by outcome",
            self.webhook_deliveries.clone(),
        );
        registry.register(
            "mails",
            "Attempts of this node to send e-mail, and messages that it dropped, by outcome",
            self.mails.clone(),
        );
        for outcome in DeliveryOutcome::ALL {
            drop(self.webhook_deliveries.get_or_create(&outcome.labels()));
            drop(self.mails.get_or_create(&outcome.labels()));
        }
    }

    fn register_node(&self, registry: &mut Registry) {
        let difference = "How far the clock of the database server is ahead of this machine's";
        registry.register_with_unit(
            "clock_difference",
            difference,
            Unit::Seconds,
            self.clock_difference.clone(),
        );
        let agreed = "1 while the clocks agree, 0 while nothing is purged and no signing key is rotated by age";
        registry.register("clock_agreed", agreed, self.clock_agreed.clone());
        registry.register("connections", "Open connections", self.connections.clone());
        let evicted = "Idle connections that were closed to make room for others";
        registry.register(
            "connections_evicted",
            evicted,
            self.connections_evicted.clone(),
        );
        let dropped = "Log lines that could not be written";
        registry.register("log_lines_dropped", dropped, self.log_lines_dropped.clone());
        registry.register(
            "otlp_spans_exported",
            "Spans exported by OTLP",
            self.spans_exported.clone(),
        );
        registry.register(
            "otlp_spans_dropped",
            "Spans that were not exported: the queue was full, or the collector did not accept them",
            self.spans_dropped.clone(),
        );
        let age = "Time since the signing key in use began to sign; with several algorithms, of the oldest";
        registry.register_with_unit(
            "signing_key_age",
            age,
            Unit::Seconds,
            self.signing_key_age.clone(),
        );
        let max_age = "The age at which signing keys are rotated";
        registry.register_with_unit(
            "signing_key_max_age",
            max_age,
            Unit::Seconds,
            self.signing_key_max_age.clone(),
        );
    }

    /// Counts a response to an HTTP request. `route` is the pattern of the route, never the path.
    pub fn count_response(
        &self,
        route: Option<String>,
        status: u16,
        error: Option<&'static str>,
        took: Duration,
    ) {
        let labels = StatusLabels {
            route: route.unwrap_or_else(|| "unknown".to_owned()),
            status,
        };
        self.requests.get_or_create(&labels).inc();
        let labels = OutcomeLabels {
            route: labels.route,
            outcome: Outcome::of(status),
        };
        self.durations
            .get_or_create(&labels)
            .observe(took.as_secs_f64());
        if let Some(code) = error {
            self.errors.get_or_create(&ErrorLabels { code }).inc();
        }
    }

    /// Counts an issued access token.
    pub fn count_token(&self, grant_type: &'static str) {
        self.tokens.get_or_create(&GrantLabels { grant_type }).inc();
    }

    /// Counts an introspection response.
    pub fn count_introspection(&self, kind: CredentialKind, active: bool) {
        let credential = match kind {
            CredentialKind::AccessToken => "access_token",
            CredentialKind::ApiKey => "api_key",
        };
        let active = if active { "true" } else { "false" };
        self.introspections
            .get_or_create(&IntrospectionLabels { credential, active })
            .inc();
    }

    /// Counts a decision of forward authentication.
    pub fn count_decision(&self, decision: Decision) {
        self.decisions
            .get_or_create(&DecisionLabels {
                decision: decision.as_str(),
            })
            .inc();
    }

    /// Counts a failed authentication or a refusal by the code of its reason.
    pub fn count_failure(&self, reason: &'static str) {
        self.failures.get_or_create(&ReasonLabels { reason }).inc();
    }

    /// Counts a failure that was answered with 429.
    pub fn count_rate_limited(&self) {
        self.rate_limited.inc();
    }

    /// Registers a background job. Its counters are exported before its first run.
    pub fn add_job(&self, name: &'static str, period: Duration) {
        self.job_period
            .get_or_create(&JobLabels { name })
            .set(period.as_secs_f64());
        for outcome in JobOutcome::ALL {
            drop(self.job_runs.get_or_create(&JobRunLabels {
                name,
                outcome: outcome.as_str(),
            }));
        }
    }

    /// Counts a run of a background job.
    pub fn count_job(&self, name: &'static str, outcome: JobOutcome) {
        self.job_runs
            .get_or_create(&JobRunLabels {
                name,
                outcome: outcome.as_str(),
            })
            .inc();
    }

    /// Counts an attempt to send a message.
    pub fn count_mail(&self, outcome: DeliveryOutcome) {
        self.mails.get_or_create(&outcome.labels()).inc();
    }

    /// Counts a request to a webhook.
    pub fn count_delivery(&self, outcome: DeliveryOutcome) {
        self.webhook_deliveries
            .get_or_create(&outcome.labels())
            .inc();
    }

    /// Records when a background job last succeeded.
    pub fn set_job_success(&self, name: &'static str, at: Timestamp) {
        #[expect(
            clippy::cast_precision_loss,
            reason = "milliseconds since the epoch are below 2^52"
        )]
        let seconds = at.millis() as f64 / 1000.0;
        self.job_last_success
            .get_or_create(&JobLabels { name })
            .set(seconds);
    }

    /// Removes the last success of a job that runs on another node now, where it would only grow
    /// old.
    pub fn clear_job_success(&self, name: &'static str) {
        self.job_last_success.remove(&JobLabels { name });
    }

    /// Renders all metrics, with the state of this moment, as text.
    ///
    /// # Errors
    /// Writing to memory does not fail in practice.
    pub fn render(&self, snapshot: &Snapshot, format: Format) -> Result<String, std::fmt::Error> {
        self.read(snapshot);
        self.process.read(snapshot.started);
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        // Registered as a gauge it would be 0 without TLS, like a certificate that expired in 1970.
        if let Some(not_after) = snapshot.tls_certificate_not_after {
            let name = "keyward_tls_certificate_not_after_timestamp_seconds";
            let help = "The end of the validity of the TLS certificate, in seconds since the epoch";
            let gauge = format!("# HELP {name} {help}.\n# TYPE {name} gauge\n{name} {not_after}\n");
            text.insert_str(text.len() - "# EOF\n".len(), &gauge);
        }
        Ok(match format {
            Format::OpenMetrics => text,
            Format::Prometheus => to_prometheus_text(&text),
        })
    }

    fn read(&self, snapshot: &Snapshot) {
        self.cache_fresh.set(i64::from(snapshot.cache_fresh));
        for (cache, state) in &snapshot.caches {
            self.cache_entries
                .get_or_create(&CacheLabels { cache })
                .set(gauge(state.entries));
            for (result, count) in [("hit", state.hits), ("miss", state.misses)] {
                advance(
                    &self
                        .cache_requests
                        .get_or_create(&CacheResultLabels { cache, result }),
                    count,
                );
            }
        }
        for (pool, state) in &snapshot.pools {
            let labels = PoolLabels { pool };
            self.pool_connections
                .get_or_create(&labels)
                .set(i64::from(state.open));
            self.pool_in_use
                .get_or_create(&labels)
                .set(i64::from(state.in_use));
            self.pool_max
                .get_or_create(&labels)
                .set(i64::from(state.max));
        }
        for (queue, length) in &snapshot.queues {
            self.queue_length
                .get_or_create(&QueueLabels { queue })
                .set(gauge(*length));
        }
        #[expect(
            clippy::cast_precision_loss,
            reason = "milliseconds between two clocks are far below 2^52"
        )]
        self.clock_difference
            .set(snapshot.clock_difference_millis as f64 / 1000.0);
        self.clock_agreed.set(i64::from(snapshot.clock_agreed));
        self.connections.set(gauge(snapshot.connections));
        advance(&self.connections_evicted, snapshot.connections_evicted);
        advance(&self.log_lines_dropped, snapshot.log_lines_dropped);
        let dropped = DeliveryOutcome::Dropped.labels();
        let dropped = self.webhook_deliveries.get_or_create(&dropped);
        advance(&dropped, snapshot.events_dropped);
        let dropped = DeliveryOutcome::Dropped.labels();
        advance(&self.mails.get_or_create(&dropped), snapshot.mails_dropped);
        advance(&self.spans_exported, snapshot.spans_exported);
        advance(&self.spans_dropped, snapshot.spans_dropped);
        self.signing_key_age
            .set(snapshot.signing_key_age.unwrap_or_default().as_secs_f64());
        self.signing_key_max_age
            .set(snapshot.signing_key_max_age.as_secs_f64());
    }
}

/// Raises a counter to a total that is counted elsewhere. Concurrent scrapes leave it at the larger
/// total.
fn advance(counter: &Counter, total: u64) {
    counter
        .inner()
        .fetch_max(total, std::sync::atomic::Ordering::Relaxed);
}

fn gauge(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
