//! `GET /metrics`, in the format that the scraper prefers.

use actix_web::HttpResponse;
use actix_web::http::header::Accept;
use actix_web::web::{Data, Header};

use crate::clock::Timestamp;
use crate::metrics::Format;
use crate::oauth::AuthorizationServer;

/// GET `/metrics`: OpenMetrics where the scraper prefers it, else the Prometheus text format.
pub async fn metrics(server: Data<AuthorizationServer>, accept: Option<Header<Accept>>) -> HttpResponse {
    let format = accept.map_or(Format::Prometheus, |accept| preferred(&accept));
    match server.usage.metrics.render(&server.snapshot(Timestamp::now()), format) {
        Ok(text) => HttpResponse::Ok().content_type(format.content_type()).body(text),
        // Writing to memory does not fail; were it to, there is nothing to show.
        Err(_) => HttpResponse::InternalServerError().finish(),
    }
}

fn preferred(accept: &Accept) -> Format {
    let named = accept.ranked().into_iter().find_map(|media| match (media.type_().as_str(), media.subtype().as_str()) {
        ("application", "openmetrics-text") => Some(Format::OpenMetrics),
        ("text", "plain" | "*") | ("*", "*") => Some(Format::Prometheus),
        _ => None,
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
            // Prometheus 2 and 3.
            ("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.1", Format::OpenMetrics),
            ("text/plain;version=0.0.4;q=0.9,application/openmetrics-text;q=0.2", Format::Prometheus),
        ] {
            let request = TestRequest::default().insert_header(("accept", accept)).to_http_request();
            let found = Accept::parse(&request).map_or(Format::Prometheus, |accept| preferred(&accept));
            assert_eq!(found, format, "{accept}");
        }
    }
}
