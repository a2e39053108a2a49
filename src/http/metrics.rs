//! `/metrics`: what is counted, as Prometheus reads it.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::Data;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// From a tenth of a millisecond to five seconds.
const BUCKETS: [f64; 10] = [0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.1, 1.0, 5.0];

/// By route, never by what was in its place: the number of series must not grow with callers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    route: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Refused {
    code: String,
}

/// All that is counted in this process.
pub struct Metrics {
    registry: Registry,
    requests: Family<Answered, Counter>,
    refusals: Family<Refused, Counter>,
    seconds: Histogram,
    fresh: Gauge<i64>,
    started: Gauge<f64, AtomicU64>,
    clock_difference: Gauge<f64, AtomicU64>,
    clock_agreed: Gauge<i64>,
}

impl Metrics {
    /// With nothing counted yet, in a process that started at this second.
    pub fn new(started: i64) -> Self {
        let mut metrics = Metrics {
            registry: Registry::with_prefix("keyward"),
            requests: Family::default(),
            refusals: Family::default(),
            seconds: Histogram::new(BUCKETS),
            fresh: Gauge::default(),
            started: Gauge::default(),
            clock_difference: Gauge::default(),
            clock_agreed: Gauge::default(),
        };
        #[expect(clippy::cast_precision_loss, reason = "seconds since the epoch are far below 2^52")]
        metrics.started.set(started as f64);
        let registry = &mut metrics.registry;
        registry.register("http_requests", "Requests, by route and status", metrics.requests.clone());
        registry.register("refusals", "Refused requests, by error code", metrics.refusals.clone());
        registry.register_with_unit(
            "http_request_duration",
            "From the request to its answer",
            Unit::Seconds,
            metrics.seconds.clone(),
        );
        registry.register(
            "directory_fresh",
            "Whether memory may be trusted: 0 while the database is away",
            metrics.fresh.clone(),
        );
        registry.register_with_unit("process_start_time", "Since the epoch", Unit::Seconds, metrics.started.clone());
        registry.register_with_unit(
            "clock_difference",
            "How far the clock of the database server is ahead of this machine's",
            Unit::Seconds,
            metrics.clock_difference.clone(),
        );
        registry.register(
            "clock_agreed",
            "Whether the clocks agree: 0 while nothing is purged and no key rotated by age",
            metrics.clock_agreed.clone(),
        );
        metrics
    }

    /// Counts an answer.
    pub fn count(&self, route: Option<String>, status: u16, refused: Option<&str>, took: Duration) {
        let route = route.unwrap_or_else(|| "unknown".to_owned());
        self.requests.get_or_create(&Answered { route, status }).inc();
        self.seconds.observe(took.as_secs_f64());
        if let Some(code) = refused {
            self.refusals.get_or_create(&Refused { code: code.to_owned() }).inc();
        }
    }
}

/// GET `/metrics`
pub async fn metrics(metrics: Data<Metrics>, server: Data<crate::oauth::AuthorizationServer>) -> HttpResponse {
    metrics.fresh.set(i64::from(server.directory.is_fresh()));
    #[expect(clippy::cast_precision_loss, reason = "milliseconds between two clocks are far below 2^52")]
    metrics.clock_difference.set(server.clock.difference() as f64 / 1000.0);
    metrics.clock_agreed.set(i64::from(!server.clock.is_doubted()));
    let mut text = String::new();
    match encode(&mut text, &metrics.registry) {
        Ok(()) => HttpResponse::Ok().content_type("application/openmetrics-text; version=1.0.0; charset=utf-8").body(text),
        // Writing into a string does not fail; were it to, there is nothing to show.
        Err(_) => HttpResponse::InternalServerError().finish(),
    }
}
