//! `GET /metrics`, in the format that the scraper prefers.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::header::{Accept, Quality};
use actix_web::web::{Data, Header};

use super::extract::ApiRequest;
use super::operation::HandlerResult;
use crate::error::Error;
use crate::metrics::{Format, Snapshot};
use crate::net::connections::Connections;
use crate::net::tls::Certificate;
use crate::telemetry::Telemetry;

/// The parts of the process that have metrics of their own.
pub struct ProcessState {
    /// The open connections.
    pub connections: Arc<Connections>,
    /// The log and the exporter of spans.
    pub telemetry: Telemetry,
    /// The TLS certificate, if the server terminates TLS itself.
    pub certificate: Option<Arc<Certificate>>,
}

/// `GET /metrics`: OpenMetrics if the scraper prefers it, otherwise the Prometheus text format.
pub(super) async fn metrics(
    api: ApiRequest,
    process: Data<ProcessState>,
    accept: Option<Header<Accept>>,
) -> HandlerResult {
    let format = accept.map_or(Format::Prometheus, |accept| preferred(&accept));
    let certificate = process.certificate.as_deref();
    let snapshot = Snapshot {
        connections: process.connections.open(),
        connections_evicted: process.connections.evicted(),
        log_lines_dropped: process.telemetry.dropped_lines(),
        spans_exported: process.telemetry.exported_spans(),
        spans_dropped: process.telemetry.dropped_spans(),
        tls_certificate_not_after: certificate.and_then(Certificate::not_after),
        ..api.server.snapshot(api.now())
    };
    let text = api.server.usage.metrics.render(&snapshot, format);
    let text = text.map_err(|error| Error::server_error(error.to_string()))?;
    Ok(HttpResponse::Ok()
        .content_type(format.content_type())
        .body(text))
}

/// The format that an `Accept` header prefers.
fn preferred(accept: &Accept) -> Format {
    // A weight of zero means "not acceptable" (RFC 9110 section 12.4.2).
    let acceptable = Accept(
        accept
            .iter()
            .filter(|item| item.quality > Quality::ZERO)
            .cloned()
            .collect(),
    );
    let named = acceptable.ranked().into_iter().find_map(|media| {
        match (media.type_().as_str(), media.subtype().as_str()) {
            ("application", "openmetrics-text") => Some(Format::OpenMetrics),
            ("text", "plain" | "*") | ("*", "*") => Some(Format::Prometheus),
            _ => None,
        }
    });
    named.unwrap_or(Format::Prometheus)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::Header;
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn the_format_follows_the_accept_header() {
        for (accept, format) in [
            ("", Format::Prometheus),
            ("*/*", Format::Prometheus),
            ("text/plain;version=0.0.4", Format::Prometheus),
            ("application/json", Format::Prometheus),
            ("application/openmetrics-text", Format::OpenMetrics),
            ("application/openmetrics-text;q=0", Format::Prometheus),
            (
                "application/openmetrics-text;q=0,text/plain;q=0.1",
                Format::Prometheus,
            ),
            // Prometheus 2 and 3.
            (
                "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.1",
                Format::OpenMetrics,
            ),
            (
                "text/plain;version=0.0.4;q=0.9,application/openmetrics-text;q=0.2",
                Format::Prometheus,
            ),
        ] {
            let request = TestRequest::default()
                .insert_header(("accept", accept))
                .to_http_request();
            let found =
                Accept::parse(&request).map_or(Format::Prometheus, |accept| preferred(&accept));
            assert_eq!(found, format, "{accept}");
        }
    }
}
