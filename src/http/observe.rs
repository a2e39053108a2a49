//! The outermost middleware: it gives each request its context and its span, sets the headers that
//! all responses have, and counts and logs the request when its response is known.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::ConnectionType;
use actix_web::http::header::{
    HeaderName, HeaderValue, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::middleware::Next;
use actix_web::web;
use percent_encoding::percent_decode_str;
use tracing::Span;
use tracing::field::Empty;

use super::error::LogError;
use super::in_flight::{InFlight, TrackedBody};
use super::route::RouteOptions;
use super::{context, error};
use crate::credential::redacted;
use crate::net::connections::Activity;
use crate::oauth::AuthorizationServer;
use crate::request_context::RequestContext;
use crate::span::{self, Scope};
use crate::trace_context::digits;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Makes browsers use HTTPS for this host for a year (RFC 6797).
const ONLY_HTTPS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// The outermost middleware.
///
/// # Errors
/// Errors of actix's own services.
pub async fn observe(
    server: web::Data<AuthorizationServer>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let started = Instant::now();
    let context = context::create(&server, request.request());
    let scope = request_scope(&request, &context);
    let span = scope.span().clone();
    let asks_for_upgrade = request.head().connection_type() == ConnectionType::Upgrade;
    let in_flight = InFlight::begin(request.conn_data::<Arc<Activity>>(), started);

    let mut response = match in_flight.check_limits(&request) {
        Ok(()) => {
            let response = scope.run(next.call(request)).await?;
            response.map_into_left_body()
        }
        Err(excess) => {
            let response = error::response(request.request(), &excess);
            request.into_response(response).map_into_right_body()
        }
    };
    if asks_for_upgrade {
        // h2c upgrade is not supported; announce the close that actix performs anyway.
        response
            .response_mut()
            .head_mut()
            .set_connection_type(ConnectionType::Close);
    }
    set_headers(&server, &context, &mut response);
    if response.response().head().connection_type() == ConnectionType::Close {
        in_flight.linger();
    }
    record(&server, &context, &span, &response, started.elapsed());
    Ok(response.map_body(|_, body| TrackedBody::new(body, in_flight)))
}

/// The scope of a request. All work on the request runs inside it, on this thread and on others.
fn request_scope(request: &ServiceRequest, context: &RequestContext) -> Scope {
    Scope::request(context.request_id, context.trace, || {
        tracing::debug_span!(
            target: span::TARGET,
            "request",
            otel.kind = "server",
            otel.name = Empty,
            otel.status_code = Empty,
            http.request.method = request.method().as_str(),
            http.route = Empty,
            http.response.status_code = Empty,
            error.type = Empty,
            keyward.request_id = %context.request_id,
        )
    })
}

/// Adds to the span of a request what is known with its response.
fn record_span(span: &Span, method: &str, route: Option<&str>, status: u16, code: Option<&str>) {
    if span.is_disabled() {
        return;
    }
    match route {
        Some(route) => {
            span.record("otel.name", format!("{method} {route}"));
            span.record("http.route", route);
        }
        None => {
            span.record("otel.name", method);
        }
    }
    span.record("http.response.status_code", status);
    if let Some(code) = code {
        span.record("error.type", code);
    }
    if status >= 500 {
        span.record("otel.status_code", "ERROR");
    }
}

/// Sets the headers that all responses have.
fn set_headers<B>(
    server: &AuthorizationServer,
    context: &RequestContext,
    response: &mut ServiceResponse<B>,
) {
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(context.request_id.encode(&mut digits())) {
        headers.insert(X_REQUEST_ID, id);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if server.issuer.is_https() {
        headers.insert(STRICT_TRANSPORT_SECURITY, ONLY_HTTPS);
    }
}

/// Records a request whose response is known: the metrics, the latency statistics of the portal,
/// the access log and the span are all fed here. `duration` is the time from the receipt of the head until then.
fn record<B>(
    server: &AuthorizationServer,
    context: &RequestContext,
    span: &Span,
    response: &ServiceResponse<B>,
    duration: Duration,
) {
    let request = response.request();
    let extensions = response.response().extensions();
    let failure = extensions.get::<LogError>();
    if let Some(timed) = RouteOptions::of(request).timed {
        server
            .usage
            .count_time(timed, duration, context.received_at);
    }
    let route = request.match_pattern();
    let status = response.status().as_u16();
    let code = failure.map(|failure| failure.code.as_str());
    let method = request.method().as_str();
    record_span(span, method, route.as_deref(), status, code);
    server
        .usage
        .metrics
        .count_response(route, status, code, duration);
    log(context, response, failure, duration);
}

/// Writes the line of the access log. The query is left out, since it may hold personal data or
/// secrets.
fn log<B>(
    context: &RequestContext,
    response: &ServiceResponse<B>,
    failure: Option<&LogError>,
    duration: Duration,
) {
    let request = response.request();
    let method = request.method().as_str();
    let path = &*redacted_path(request.path());
    let status = response.status().as_u16();
    let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    let address = context.client_ip;
    let mut id_buffer = digits();
    let mut trace_buffer = digits();
    let mut span_buffer = digits();
    let mut parent_buffer = digits();
    let id = context.request_id.encode(&mut id_buffer);
    let trace_id = context.trace.trace_id.encode(&mut trace_buffer);
    let span_id = context.trace.span.encode(&mut span_buffer);
    let parent_id = context.trace.parent;
    let parent_id = parent_id.map(|parent| parent.encode(&mut parent_buffer));
    match failure.map(|LogError { code, error }| (code.as_str(), redacted(error))) {
        Some((code, error)) if response.status().is_server_error() => {
            tracing::error!(target: "keyward::request", request_id = id, method, path, status, micros, %address, trace_id, span_id, parent_id, code, error = &*error);
        }
        Some((code, error)) => {
            tracing::warn!(target: "keyward::request", request_id = id, method, path, status, micros, %address, trace_id, span_id, parent_id, code, error = &*error);
        }
        None => {
            tracing::info!(target: "keyward::request", request_id = id, method, path, status, micros, %address, trace_id, span_id, parent_id);
        }
    }
}

/// A path without the credentials in it, also where these are percent-encoded.
fn redacted_path(path: &str) -> Cow<'_, str> {
    let decoded = percent_decode_str(path).decode_utf8_lossy();
    match redacted(&decoded) {
        // Nothing was redacted: the path is logged as it was received.
        clean if clean == decoded => path.into(),
        clean => clean.into_owned().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_logged_as_received_but_without_credentials() {
        let key = format!("kwk_{}SECRET", "0".repeat(60));
        for path in [
            "/",
            "/api/v1/clients/01",
            "/a%20b",
            "/%ff",
            "/portal/people?x",
        ] {
            assert_eq!(redacted_path(path), path);
        }
        let encoded = key.replace('k', "%6B").replace('_', "%5f");
        for path in [format!("/apiKeys/{key}"), format!("/apiKeys/{encoded}")] {
            let logged = redacted_path(&path);
            assert!(!logged.contains("SECRET"), "{logged}");
        }
    }
}
