//! Exports spans by OTLP over HTTP with JSON (OpenTelemetry Protocol 1.x).
//!
//! Spans that end go into a bounded queue. A thread sends them in batches, and retries where the
//! protocol asks for it; meanwhile the queue fills, and what does not fit is dropped and counted.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use serde::Serialize;
use serde::ser::Serializer;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::FilterFn;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;
use uuid::Uuid;

use crate::clock;
use crate::config::{OtlpEndpoint, Settings};
use crate::error::Error;
use crate::net::http_client::{FetchError, UnrestrictedClient};
use crate::span;
use crate::trace_context::{SpanId, TraceContext, digits};

/// How many spans may wait to be sent.
const QUEUE: usize = 4096;

/// The most spans in one request.
const MAX_BATCH: usize = 512;

/// How long spans are collected for one request.
const BATCH_TIME: Duration = Duration::from_secs(1);

/// The pauses before a request is sent again.
const RETRY_PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];

/// The exporter of this process.
pub(super) struct Exporter {
    queue: Sender<Message>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    exported: AtomicU64,
    dropped: AtomicU64,
}

impl Counts {
    fn add(counter: &AtomicU64, spans: usize) {
        counter.fetch_add(u64::try_from(spans).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

enum Message {
    Span(EndedSpan),
    /// Send at once what was collected. The sender in it is dropped when that is done.
    Flush(Sender<()>),
}

impl Exporter {
    /// Starts the thread that sends spans to the collector at `endpoint`.
    ///
    /// # Errors
    /// The system refuses a thread; a setting for outgoing requests cannot be used.
    pub(super) fn start(settings: &Settings, endpoint: &OtlpEndpoint) -> Result<Self, Error> {
        let client = UnrestrictedClient::new(settings)?;
        let url = endpoint.traces_url();
        let (queue, messages) = crossbeam_channel::bounded(QUEUE);
        let counts = Arc::new(Counts::default());
        let sender = BatchSender {
            instance: Uuid::now_v7().to_string(),
            counts: counts.clone(),
            post: Box::new(move |body| client.post_json(&url, body)),
            failing: false,
        };
        std::thread::Builder::new()
            .name("otlp".to_owned())
            .spawn(move || sender.run(&messages))
            .map_err(|error| Error::server_error(error.to_string()))?;
        Ok(Exporter { queue, counts })
    }

    /// The layer that puts spans into the queue.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let own_spans =
            |metadata: &Metadata<'_>| metadata.is_span() && metadata.target() == span::TARGET;
        let layer = SpanLayer {
            queue: self.queue.clone(),
            counts: self.counts.clone(),
        };
        layer.with_filter(FilterFn::new(own_spans).with_max_level_hint(LevelFilter::DEBUG))
    }

    /// The number of spans that the collector accepted.
    pub(super) fn exported(&self) -> u64 {
        self.counts.exported.load(Ordering::Relaxed)
    }

    /// The number of spans that did not fit into the queue or that the collector did not accept.
    pub(super) fn dropped(&self) -> u64 {
        self.counts.dropped.load(Ordering::Relaxed)
    }

    /// Waits until the spans that have ended are sent, for `timeout` at most.
    pub(super) fn flush(&self, timeout: Duration) {
        let deadline = Instant::now() + timeout;
        let (sender, done) = crossbeam_channel::bounded(0);
        if self
            .queue
            .send_deadline(Message::Flush(sender), deadline)
            .is_ok()
        {
            // Ends with an error: nothing is sent, the channel closes.
            let _ = done.recv_deadline(deadline);
        }
    }
}

/// Takes the spans of requests that are recorded. Their ids are those of the scope in which they
/// are created.
struct SpanLayer {
    queue: Sender<Message>,
    counts: Arc<Counts>,
}

impl<S> Layer<S> for SpanLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let (Some(request), Some(span)) = (span::current(), context.span(id)) else {
            return;
        };
        let mut open = OpenSpan {
            started: Instant::now(),
            span: EndedSpan {
                trace: request.trace,
                start: clock::unix_nanos(),
                end: 0,
                name: Cow::Borrowed(attributes.metadata().name()),
                kind: SpanKind::Internal,
                failed: false,
                attributes: Vec::new(),
            },
        };
        attributes.record(&mut open.span);
        span.extensions_mut().insert(open);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(open) = span.extensions_mut().get_mut::<OpenSpan>()
        {
            values.record(&mut open.span);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(open) = context
            .span(&id)
            .and_then(|span| span.extensions_mut().remove::<OpenSpan>())
        else {
            return;
        };
        let mut ended = open.span;
        let nanos = u64::try_from(open.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        ended.end = ended.start.saturating_add(nanos);
        if self.queue.try_send(Message::Span(ended)).is_err() {
            Counts::add(&self.counts.dropped, 1);
        }
    }
}

/// A span that has not ended.
struct OpenSpan {
    started: Instant,
    span: EndedSpan,
}

/// A span that has ended. Times are nanoseconds since the epoch.
struct EndedSpan {
    trace: TraceContext,
    start: u64,
    end: u64,
    name: Cow<'static, str>,
    kind: SpanKind,
    failed: bool,
    attributes: Vec<Attribute>,
}

/// The `SpanKind` of OTLP, with its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SpanKind {
    Internal = 1,
    Server = 2,
    Client = 3,
}

/// The fields become attributes, except for `otel.name`, `otel.kind` and `otel.status_code`.
impl Visit for EndedSpan {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "otel.name" => self.name = Cow::Owned(value.to_owned()),
            "otel.kind" => {
                self.kind = match value {
                    "server" => SpanKind::Server,
                    "client" => SpanKind::Client,
                    _ => SpanKind::Internal,
                }
            }
            "otel.status_code" => self.failed = value == "ERROR",
            key => self.attributes.push(Attribute {
                key,
                value: Value::String(value.to_owned()),
            }),
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.attributes.push(Attribute {
            key: field.name(),
            value: Value::Int(value),
        });
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.record_i64(field, i64::try_from(value).unwrap_or(i64::MAX));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.attributes.push(Attribute {
            key: field.name(),
            value: Value::Bool(value),
        });
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

/// Sends an encoded request to the collector.
type Post = dyn Fn(&[u8]) -> Result<(), FetchError> + Send;

/// Sends batches to the collector.
struct BatchSender {
    /// The `service.instance.id` of this process.
    instance: String,
    counts: Arc<Counts>,
    post: Box<Post>,
    /// The last batch was not accepted.
    failing: bool,
}

impl BatchSender {
    /// Sends spans until the exporter is dropped.
    fn run(mut self, messages: &Receiver<Message>) {
        let mut batch = Vec::with_capacity(MAX_BATCH);
        while let Ok(first) = messages.recv() {
            let deadline = Instant::now() + BATCH_TIME;
            let mut next = Ok(first);
            let mut flush = None;
            while let Ok(message) = next {
                match message {
                    Message::Span(span) => batch.push(span),
                    Message::Flush(done) => flush = Some(done),
                }
                if flush.is_some() || batch.len() == MAX_BATCH {
                    break;
                }
                next = messages.recv_deadline(deadline);
            }
            if !batch.is_empty() {
                let pauses: &[Duration] = if flush.is_some() { &[] } else { &RETRY_PAUSES };
                self.send(&batch, pauses);
                batch.clear();
            }
            drop(flush);
        }
    }

    fn send(&mut self, batch: &[EndedSpan], pauses: &[Duration]) {
        let Ok(body) = serde_json::to_vec(&export_request(batch, &self.instance)) else {
            Counts::add(&self.counts.dropped, batch.len());
            return;
        };
        let mut pauses = pauses.iter();
        let result = loop {
            match ((self.post)(&body), pauses.next()) {
                (Err(error), Some(pause)) if is_retryable(&error) => std::thread::sleep(*pause),
                (result, _) => break result,
            }
        };
        match result {
            Ok(()) => {
                Counts::add(&self.counts.exported, batch.len());
                if std::mem::take(&mut self.failing) {
                    tracing::info!("the OTLP collector accepts spans again");
                }
            }
            Err(error) => {
                Counts::add(&self.counts.dropped, batch.len());
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::warn!(%error, "cannot export spans: they are dropped until the OTLP collector accepts them");
                }
            }
        }
    }
}

/// Whether the protocol allows to send the same request again (OTLP specification, "OTLP/HTTP
/// Response").
fn is_retryable(error: &FetchError) -> bool {
    match error {
        FetchError::Status(status) => matches!(status.as_u16(), 429 | 502 | 503 | 504),
        FetchError::Request(_) => true,
        FetchError::Setting(_) => false,
    }
}

/// An `ExportTraceServiceRequest` in the JSON mapping of OTLP.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExportRequest<'a> {
    resource_spans: [ResourceSpans<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceSpans<'a> {
    resource: Resource,
    scope_spans: [ScopeSpans<'a>; 1],
}

#[derive(Serialize)]
struct Resource {
    attributes: [Attribute; 3],
}

#[derive(Serialize)]
struct ScopeSpans<'a> {
    scope: InstrumentationScope,
    spans: Vec<SpanJson<'a>>,
}

#[derive(Serialize)]
struct InstrumentationScope {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SpanJson<'a> {
    trace_id: String,
    span_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_span_id: Option<String>,
    name: &'a str,
    kind: u8,
    /// 64-bit integers are strings in JSON.
    start_time_unix_nano: String,
    end_time_unix_nano: String,
    attributes: &'a [Attribute],
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
}

#[derive(Serialize)]
struct Status {
    code: u8,
}

/// The `STATUS_CODE_ERROR` of OTLP.
const STATUS_ERROR: Status = Status { code: 2 };

#[derive(Serialize)]
struct Attribute {
    key: &'static str,
    value: Value,
}

#[derive(Serialize)]
enum Value {
    #[serde(rename = "stringValue")]
    String(String),
    #[serde(rename = "intValue", serialize_with = "as_string")]
    Int(i64),
    #[serde(rename = "boolValue")]
    Bool(bool),
}

fn as_string<S: Serializer>(number: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(number)
}

fn export_request<'a>(batch: &'a [EndedSpan], instance: &str) -> ExportRequest<'a> {
    let attribute = |key, value: &str| Attribute {
        key,
        value: Value::String(value.to_owned()),
    };
    let version = env!("CARGO_PKG_VERSION");
    ExportRequest {
        resource_spans: [ResourceSpans {
            resource: Resource {
                attributes: [
                    attribute("service.name", "keyward"),
                    attribute("service.version", version),
                    attribute("service.instance.id", instance),
                ],
            },
            scope_spans: [ScopeSpans {
                scope: InstrumentationScope {
                    name: "keyward",
                    version,
                },
                spans: batch.iter().map(span_json).collect(),
            }],
        }],
    }
}

fn span_json(span: &EndedSpan) -> SpanJson<'_> {
    let span_id = |id: SpanId| id.encode(&mut digits()).to_owned();
    SpanJson {
        trace_id: span.trace.trace_id.encode(&mut digits()).to_owned(),
        span_id: span_id(span.trace.span),
        parent_span_id: span.trace.parent.map(span_id),
        name: &span.name,
        kind: span.kind as u8,
        start_time_unix_nano: span.start.to_string(),
        end_time_unix_nano: span.end.to_string(),
        attributes: &span.attributes,
        status: span.failed.then_some(STATUS_ERROR),
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use serde_json::json;
    use tracing_subscriber::layer::SubscriberExt;
    use ureq::http::StatusCode;

    use super::*;
    use crate::clock::Timestamp;
    use crate::request_context::RequestId;
    use crate::span::Scope;

    fn id() -> RequestId {
        RequestId::new(Timestamp::EPOCH, &[7; 10])
    }

    fn trace(span: u64) -> TraceContext {
        let header = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        TraceContext::new(Some(header), 5, span)
    }

    fn ended(name: &'static str) -> EndedSpan {
        EndedSpan {
            trace: trace(9),
            start: 1_700_000_000_000_000_001,
            end: 1_700_000_000_000_000_002,
            name: name.into(),
            kind: SpanKind::Server,
            failed: true,
            attributes: vec![
                Attribute {
                    key: "http.response.status_code",
                    value: Value::Int(503),
                },
                Attribute {
                    key: "http.route",
                    value: Value::String("/oauth/token".to_owned()),
                },
            ],
        }
    }

    #[test]
    fn spans_are_encoded_in_the_json_mapping_of_otlp() {
        let batch = [ended("POST /oauth/token")];
        let document = serde_json::to_value(export_request(&batch, "node")).unwrap();
        let spans = &document["resourceSpans"][0];
        assert_eq!(
            spans["resource"]["attributes"][0],
            json!({"key": "service.name", "value": {"stringValue": "keyward"}})
        );
        assert_eq!(
            spans["scopeSpans"][0]["spans"][0],
            json!({
                "traceId": "0af7651916cd43dd8448eb211c80319c",
                "spanId": "0000000000000009",
                "parentSpanId": "b7ad6b7169203331",
                "name": "POST /oauth/token",
                "kind": 2,
                "startTimeUnixNano": "1700000000000000001",
                "endTimeUnixNano": "1700000000000000002",
                "attributes": [
                    {"key": "http.response.status_code", "value": {"intValue": "503"}},
                    {"key": "http.route", "value": {"stringValue": "/oauth/token"}},
                ],
                "status": {"code": 2},
            })
        );
    }

    /// A sender whose requests get these statuses, and then 200; with the number of requests.
    fn sender(statuses: &[u16]) -> (BatchSender, Arc<Mutex<usize>>) {
        let requests = Arc::new(Mutex::new(0));
        let counter = requests.clone();
        let statuses = statuses.to_vec();
        let sender = BatchSender {
            instance: "node".to_owned(),
            counts: Arc::default(),
            post: Box::new(move |_| {
                let mut count = counter.lock();
                *count += 1;
                match statuses.get(*count - 1) {
                    Some(status) => Err(FetchError::Status(StatusCode::from_u16(*status).unwrap())),
                    None => Ok(()),
                }
            }),
            failing: false,
        };
        (sender, requests)
    }

    #[test]
    fn a_batch_is_sent_again_where_the_protocol_allows_it_and_counted_once() {
        let pauses = [Duration::ZERO; 2];
        // (statuses before 200, requests, exported, dropped)
        for (statuses, requests, exported, dropped) in [
            (vec![], 1, 2, 0),
            (vec![503], 2, 2, 0),
            (vec![429, 502], 3, 2, 0),
            (vec![503, 503, 504], 3, 0, 2),
            (vec![400], 1, 0, 2),
            (vec![404], 1, 0, 2),
        ] {
            let (mut sender, sent) = sender(&statuses);
            sender.send(&[ended("a"), ended("b")], &pauses);
            let counts = &sender.counts;
            assert_eq!(
                (
                    *sent.lock(),
                    counts.exported.load(Ordering::Relaxed),
                    counts.dropped.load(Ordering::Relaxed)
                ),
                (requests, exported, dropped),
                "{statuses:?}"
            );
        }
    }

    /// An exporter without a thread, with its queue.
    fn exporter(capacity: usize) -> (Exporter, Receiver<Message>) {
        let (queue, messages) = crossbeam_channel::bounded(capacity);
        let counts = Arc::default();
        (Exporter { queue, counts }, messages)
    }

    fn request_span() -> tracing::Span {
        tracing::debug_span!(
            target: span::TARGET,
            "request",
            otel.kind = "server",
            otel.name = tracing::field::Empty,
            http.response.status_code = tracing::field::Empty
        )
    }

    #[test]
    fn spans_carry_the_ids_of_their_scopes() {
        let (exporter, messages) = exporter(16);
        let subscriber = tracing_subscriber::registry().with(exporter.layer());
        tracing::subscriber::with_default(subscriber, || {
            let request = Scope::request(id(), trace(9), request_span);
            request.in_scope(|| {
                let child = Scope::child(
                    || tracing::debug_span!(target: span::TARGET, "database", otel.kind = "client"),
                );
                drop(child);
                tracing::debug_span!("not ours");
            });
            request.span().record("otel.name", "POST /oauth/token");
            request.span().record("http.response.status_code", 200_u16);
            drop(request);
            let unsampled = TraceContext::new(None, 5, 9);
            drop(Scope::request(id(), unsampled, request_span));
        });
        let spans: Vec<_> = messages
            .try_iter()
            .filter_map(|message| match message {
                Message::Span(span) => Some(span),
                Message::Flush(_) => None,
            })
            .collect();
        let [child, request] = &spans[..] else {
            panic!("{} spans", spans.len());
        };
        assert_eq!((&*child.name, child.kind), ("database", SpanKind::Client));
        assert_eq!(child.trace.parent, Some(request.trace.span));
        assert_eq!(child.trace.trace_id, request.trace.trace_id);
        assert_eq!(
            (&*request.name, request.kind, request.trace),
            ("POST /oauth/token", SpanKind::Server, trace(9))
        );
        assert!(request.start <= child.start && child.end <= request.end);
    }

    #[test]
    fn spans_that_do_not_fit_into_the_queue_are_dropped_and_counted() {
        let (exporter, messages) = exporter(2);
        let subscriber = tracing_subscriber::registry().with(exporter.layer());
        tracing::subscriber::with_default(subscriber, || {
            for _ in 0..5 {
                drop(Scope::request(id(), trace(9), request_span));
            }
        });
        assert_eq!(messages.len(), 2);
        assert_eq!(exporter.dropped(), 3);
    }

    #[test]
    fn a_flush_sends_what_was_collected() {
        let (exporter, messages) = exporter(16);
        let (sender, requests) = sender(&[]);
        exporter.queue.send(Message::Span(ended("a"))).unwrap();
        let thread = std::thread::spawn(move || sender.run(&messages));
        exporter.flush(Duration::from_secs(20));
        assert_eq!(*requests.lock(), 1);
        drop(exporter);
        thread.join().unwrap();
    }
}
