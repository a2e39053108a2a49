//! Every request gets an id, which goes into the answer and into its log line, where the exact
//! reason of a failure stands beside it.

use std::borrow::Cow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    HeaderName, HeaderValue, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::http::{ConnectionType, Version};
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use actix_web::{HttpMessage, HttpRequest, web};
use percent_encoding::percent_decode_str;
use uuid::Uuid;

use super::{error, extract};
use crate::client_ip::ClientIp;
use crate::clock::Timestamp;
use crate::config::Settings;
use crate::credential::{random_bytes, redacted};
use crate::error::{Code, Error};
use crate::net::connections::Activity;
use crate::oauth::AuthorizationServer;
use crate::oauth::usage::Timed;
use crate::trace_context::{TraceContext, digits};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// What is known of a request before it is read. Made once, and kept with the request.
#[derive(Clone, Copy)]
pub struct HttpContext {
    /// A UUIDv7.
    id: Uuid,
    /// The client IP.
    pub client_ip: ClientIp,
    /// Its place in a distributed trace.
    trace: TraceContext,
}

impl HttpContext {
    /// From the headers and the peer of a request that came at `now`.
    pub fn new(settings: &Settings, request: &HttpRequest, now: Timestamp) -> Self {
        let millis = u64::try_from(now.millis()).unwrap_or(0);
        let random: [u8; 18] = random_bytes();
        let [for_id @ .., _, _, _, _, _, _, _, _] = random;
        let [_, _, _, _, _, _, _, _, _, _, for_span @ ..] = random;
        let id = uuid::Builder::from_unix_timestamp_millis(millis, &for_id).into_uuid();
        // Twice is not valid, as if there were none (W3C Trace Context section 3.2).
        let traceparent = match request.headers().get_all(TRACEPARENT).as_slice() {
            [one] => Some(one.as_bytes()),
            _ => None,
        };
        HttpContext {
            id,
            client_ip: extract::client_ip(request, settings),
            trace: TraceContext::new(traceparent, id.as_u128(), u64::from_be_bytes(for_span)),
        }
    }

    /// Of this request, once [`observe()`] has seen it.
    pub fn of(request: &HttpRequest) -> Option<Self> {
        request.extensions().get().copied()
    }

    /// The request id, as text.
    pub fn id(&self) -> String {
        self.id.to_string()
    }
}

/// Browsers then speak HTTPS to this host alone, for a year (RFC 6797).
const ONLY_HTTPS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// How many requests of one connection (HTTP/2) are worked on at a time.
const MAX_CONCURRENT_REQUESTS: u32 = 128;

/// The largest head of a request by HTTP/2. By HTTP/1.1 actix has such limits.
const MAX_HEADERS: usize = 96;
const MAX_HEADER_BYTES: usize = 64 * 1024;

/// The largest part of an answer that is handed over at a time: what one peer does not read takes no more
/// memory than a few of these.
const CHUNK: usize = 16 * 1024;

/// The id of a request: a UUIDv7.
pub struct RequestId;

impl RequestId {
    /// Of this request, as text.
    pub fn of(request: &HttpRequest) -> Option<String> {
        HttpContext::of(request).map(|context| context.id())
    }
}

/// The exact reason of a failure, left in the answer for the log line.
pub struct Reason {
    /// The code.
    pub code: Code,
    /// For the operator's eyes.
    pub reason: String,
}

/// The outermost layer.
///
/// # Errors
/// What actix itself refuses.
pub async fn observe(
    server: web::Data<AuthorizationServer>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let began = Instant::now();
    let now = Timestamp::now();
    let context = HttpContext::new(&server.settings, request.request(), now);
    request.extensions_mut().insert(context);
    let upgrade = request.head().connection_type() == ConnectionType::Upgrade;
    let in_flight = InFlight::begin(request.conn_data::<Arc<Activity>>(), began);

    let mut answer = match refuse_excess(&request, &in_flight) {
        None => next.call(request).await?.map_into_left_body(),
        Some(excess) => {
            let refused = error::problem(request.request(), &excess);
            request.into_response(refused).map_into_right_body()
        }
    };
    // Some clients offer HTTP/2 in the clear (`Upgrade: h2c`). Nobody here takes it up; actix would
    // close the connection all the same, and must say so.
    if upgrade {
        answer
            .response_mut()
            .head_mut()
            .set_connection_type(ConnectionType::Close);
    }
    let mut buffer = Uuid::encode_buffer();
    let id: &str = context.id.hyphenated().encode_lower(&mut buffer);
    if let Ok(value) = HeaderValue::from_str(id) {
        answer.headers_mut().insert(X_REQUEST_ID, value);
    }
    answer
        .headers_mut()
        .insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if server.issuer.is_https() {
        answer
            .headers_mut()
            .insert(STRICT_TRANSPORT_SECURITY, ONLY_HTTPS);
    }
    if answer.response().head().connection_type() == ConnectionType::Close {
        in_flight.linger();
    }
    let refused = answer
        .response()
        .extensions()
        .get::<Reason>()
        .map(|reason| reason.code.as_str());
    let (route, took) = (answer.request().match_pattern(), began.elapsed());
    if let Some(timed) = route.as_deref().and_then(timed) {
        server.usage.count_time(timed, took, now);
    }
    server
        .usage
        .metrics
        .count_response(route, answer.status().as_u16(), refused, took);
    log(&answer, &context, id, began);
    Ok(answer.map_body(|_, body| ObservedBody {
        body,
        rest: Bytes::new(),
        _in_flight: in_flight,
    }))
}

/// What HTTP/2 would let a single connection ask for without bound.
fn refuse_excess(request: &ServiceRequest, in_flight: &InFlight) -> Option<Error> {
    if request.version() != Version::HTTP_2 {
        return None;
    }
    if in_flight.concurrent > MAX_CONCURRENT_REQUESTS {
        return Some(Error::unavailable(
            "too many requests at a time on one connection",
        ));
    }
    let headers = request.headers();
    let bytes: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if headers.len() > MAX_HEADERS
        || bytes + request.path().len() + request.query_string().len() > MAX_HEADER_BYTES
    {
        return Some(Error::new(
            Code::InvalidRequest,
            "The request has too many headers, or too large ones",
        ));
    }
    None
}

/// A request that is worked on, or whose answer is not yet handed over whole.
struct InFlight {
    activity: Option<Arc<Activity>>,
    /// How many there are on the connection, with this one.
    concurrent: u32,
}

impl InFlight {
    fn begin(activity: Option<&Arc<Activity>>, now: Instant) -> Self {
        let concurrent = activity.map_or(0, |activity| activity.begin_request(now));
        InFlight {
            activity: activity.cloned(),
            concurrent,
        }
    }

    fn linger(&self) {
        if let Some(activity) = &self.activity {
            activity.linger();
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(activity) = &self.activity {
            activity.end_request();
        }
    }
}

pin_project_lite::pin_project! {
    /// The body of an answer. The request is in flight for as long as there is something left of it.
    struct ObservedBody<B> {
        #[pin]
        body: B,
        rest: Bytes,
        _in_flight: InFlight,
    }
}

impl<B: MessageBody> MessageBody for ObservedBody<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.project();
        if this.rest.is_empty() {
            match this.body.poll_next(context) {
                Poll::Ready(Some(Ok(bytes))) => *this.rest = bytes,
                other => return other,
            }
        }
        let length = this.rest.len().min(CHUNK);
        Poll::Ready(Some(Ok(this.rest.split_to(length))))
    }
}

/// What is timed; where the issuer has a path, below that too.
fn timed(route: &str) -> Option<Timed> {
    if route.ends_with("/oauth/token") {
        Some(Timed::Token)
    } else if route.ends_with("/oauth/introspect") {
        Some(Timed::Introspection)
    } else {
        None
    }
}

/// A path without the credentials in it, also where they are percent-encoded.
fn shown(path: &str) -> Cow<'_, str> {
    let decoded = percent_decode_str(path).decode_utf8_lossy();
    match redacted(&decoded) {
        // Nothing was cut out: the path as it came.
        clean if clean == decoded => path.into(),
        clean => clean.into_owned().into(),
    }
}

/// One line for each request. The query stays out of it: it may hold what is nobody's business.
fn log<B>(answer: &ServiceResponse<B>, context: &HttpContext, id: &str, began: Instant) {
    let request = answer.request();
    let status = answer.status();
    let (method, path) = (request.method().as_str(), &*shown(request.path()));
    let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    let extensions = answer.response().extensions();
    let (mut trace, mut span, mut parent) = (digits(), digits(), digits());
    let TraceContext {
        trace_id,
        span: span_id,
        parent: parent_id,
    } = context.trace;
    let (trace_id, span_id) = (trace_id.encode(&mut trace), span_id.encode(&mut span));
    let parent_id = parent_id.map(|id| id.encode(&mut parent));
    let address = context.client_ip;
    let failure = extensions
        .get::<Reason>()
        .map(|Reason { code, reason }| (code, redacted(reason)));
    match failure {
        Some((code, reason)) if status.is_server_error() => {
            tracing::error!(target: "keyward::request", request_id = id, method, path, status = status.as_u16(), micros, %address, trace_id, span_id, parent_id, code = code.as_str(), reason = &*reason);
        }
        Some((code, reason)) => {
            tracing::warn!(target: "keyward::request", request_id = id, method, path, status = status.as_u16(), micros, %address, trace_id, span_id, parent_id, code = code.as_str(), reason = &*reason);
        }
        None => {
            tracing::info!(target: "keyward::request", request_id = id, method, path, status = status.as_u16(), micros, %address, trace_id, span_id, parent_id);
        }
    }
}
