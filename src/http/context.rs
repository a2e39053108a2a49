//! Makes the [`RequestContext`] of each request, and keeps it with the request.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::http::header::{
    FORWARDED, HeaderMap, HeaderName, HeaderValue, USER_AGENT, X_FORWARDED_FOR,
};
use actix_web::{HttpMessage, HttpRequest};

use crate::client_certificate::{CertificateHeader, ClientCertificate, ForwardedCertificate};
use crate::client_ip::{ClientIp, ForwardedHeader};
use crate::clock::Timestamp;
use crate::config::Settings;
use crate::credential::random_bytes;
use crate::oauth::AuthorizationServer;
use crate::request_context::{RequestContext, RequestId, UserAgent};
use crate::trace_context::TraceContext;

const CLIENT_CERT_CHAIN: HeaderName = HeaderName::from_static("client-cert-chain");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The context of `request`. The outermost middleware has made it; in a service without that
/// middleware it is made here.
pub fn of(server: &AuthorizationServer, request: &HttpRequest) -> RequestContext {
    let context = request.extensions().get::<RequestContext>().cloned();
    context.unwrap_or_else(|| create(server, request))
}

/// Makes the context of a request that was just received. The HTTP layer reads the clock here and
/// nowhere else.
pub(super) fn create(server: &AuthorizationServer, request: &HttpRequest) -> RequestContext {
    let now = Timestamp::now();
    server.cache.notice_clock(now);
    let context = new(&server.settings, request, now);
    request.extensions_mut().insert(context.clone());
    context
}

fn new(settings: &Settings, request: &HttpRequest, received_at: Timestamp) -> RequestContext {
    let random: [u8; 18] = random_bytes();
    let [for_id @ .., _, _, _, _, _, _, _, _] = random;
    let [_, _, _, _, _, _, _, _, _, _, for_span @ ..] = random;
    let request_id = RequestId::new(received_at, &for_id);
    RequestContext {
        client_ip: client_ip(request, settings),
        client_certificate: client_certificate(request, settings),
        user_agent: user_agent(request.headers()),
        received_at,
        request_id,
        trace: TraceContext::new(
            traceparent(request.headers()),
            request_id.as_u128(),
            u64::from_be_bytes(for_span),
        )
        .sampled_by(settings.sampler()),
    }
}

fn user_agent(headers: &HeaderMap) -> UserAgent {
    headers
        .get(USER_AGENT)
        .map_or(UserAgent::NONE, |header| UserAgent::new(header.as_bytes()))
}

/// The `traceparent` header. A header that is given twice is not valid, and is treated as if there
/// were none (W3C Trace Context section 3.2).
fn traceparent(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(TRACEPARENT);
    let first = values.next()?;
    values.next().is_none().then_some(first.as_bytes())
}

/// The client IP: the address of the peer, or what trusted proxies say of it.
fn client_ip(request: &HttpRequest, settings: &Settings) -> ClientIp {
    let name = match settings.forwarded_header {
        ForwardedHeader::XForwardedFor => X_FORWARDED_FOR,
        ForwardedHeader::Forwarded => FORWARDED,
    };
    let lines = request.headers().get_all(&name);
    let proxies = &settings.trusted_proxies;
    let peer = request.peer_addr().map(|peer| peer.ip());
    if lines.len() > 0
        && let Some(peer) = peer.filter(|peer| !proxies.contains(*peer))
    {
        warn_of_untrusted_peer(&name, peer);
    }
    proxies.client_ip(
        peer,
        settings.forwarded_header,
        lines.map(HeaderValue::as_bytes),
    )
}

/// The client certificate: what a trusted proxy forwards, or that of the connection of another
/// peer. A trusted proxy sends the requests of others, so the certificate of its own connection is
/// never that of a client.
fn client_certificate(request: &HttpRequest, settings: &Settings) -> ClientCertificate {
    if !settings.accepts_client_certificates() {
        return ClientCertificate::NONE;
    }
    let Some(peer) = request.peer_addr() else {
        return ClientCertificate::NONE;
    };
    if !settings.trusted_proxies.contains(peer.ip()) {
        let of_connection = request.conn_data::<ClientCertificate>();
        return of_connection.cloned().unwrap_or_default();
    }
    let header = settings.client_certificate_header;
    let Some(name) = certificate_header(header) else {
        return ClientCertificate::NONE;
    };
    let lines = |name| {
        let values = request.headers().get_all(name);
        values.map(|value| value.as_bytes().to_vec()).collect()
    };
    ClientCertificate::forwarded(ForwardedCertificate {
        header,
        certificate: lines(&name),
        chain: match header {
            CertificateHeader::ClientCert => lines(&CLIENT_CERT_CHAIN),
            _ => Vec::new(),
        },
    })
}

fn certificate_header(header: CertificateHeader) -> Option<HeaderName> {
    let name = match header {
        CertificateHeader::Off => return None,
        CertificateHeader::ClientCert => "client-cert",
        CertificateHeader::XSslClientCert => "x-ssl-client-cert",
        CertificateHeader::XForwardedClientCert => "x-forwarded-client-cert",
    };
    Some(HeaderName::from_static(name))
}

/// Warns once for each process, since anybody can send the header.
fn warn_of_untrusted_peer(header: &HeaderName, peer: IpAddr) {
    static WARNED: AtomicBool = AtomicBool::new(false);
    if !WARNED.swap(true, Ordering::Relaxed) {
        tracing::warn!(
            %peer, %header,
            "this header comes from a peer that is not a trusted proxy, and is ignored; if the peer is your proxy, add it to trusted_proxies"
        );
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_traceparent_header_counts_only_when_it_is_given_once() {
        for (lines, expected) in [
            (&[][..], None),
            (&["00-a-b-01"], Some(&b"00-a-b-01"[..])),
            (&["00-a-b-01", "00-a-b-01"], None),
        ] {
            let mut request = TestRequest::default();
            for line in lines {
                request = request.append_header(("traceparent", *line));
            }
            let request = request.to_http_request();
            assert_eq!(traceparent(request.headers()), expected, "{lines:?}");
        }
    }
}
