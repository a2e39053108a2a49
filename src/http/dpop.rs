//! DPoP (RFC 9449) in HTTP requests and responses: the headers `DPoP` and `DPoP-Nonce`, and which
//! request a proof must be for.

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpMessage, HttpRequest, HttpResponse};

use super::extract::ApiRequest;
use crate::oauth::dpop::{DpopHeader, Target};
use crate::uri::is_same_http_url;

const DPOP: HeaderName = HeaderName::from_static("dpop");

/// The header with the nonce that the next proof must have (RFC 9449 section 8).
pub(super) const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// The methods of the original request, by nginx and by Traefik, Caddy and others.
const METHODS: [HeaderName; 2] = [
    HeaderName::from_static("x-original-method"),
    HeaderName::from_static("x-forwarded-method"),
];

const ORIGINAL_URL: HeaderName = HeaderName::from_static("x-original-url");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The paths of the original request, with its query.
const PATHS: [HeaderName; 2] = [
    HeaderName::from_static("x-original-uri"),
    HeaderName::from_static("x-forwarded-uri"),
];

const UNTRUSTED: &str = "the proxy is not one of trusted_proxies";
const NO_METHOD: &str = "it does not send X-Original-Method or X-Forwarded-Method";
const NO_URL: &str =
    "it does not send X-Original-URL, or X-Forwarded-Proto, X-Forwarded-Host and X-Forwarded-Uri";
const CONTRADICTION: &str =
    "its headers X-Original-… and X-Forwarded-… contradict each other, or are given twice";

/// The header `DPoP` of a request.
pub(super) fn header(request: &HttpRequest) -> DpopHeader {
    let mut values = request.headers().get_all(DPOP);
    match (values.next(), values.next()) {
        (None, _) => DpopHeader::Absent,
        (Some(value), None) => match value.to_str() {
            Ok(proof) => DpopHeader::Proof(proof.to_owned()),
            Err(_) => DpopHeader::Unreadable,
        },
        (Some(_), Some(_)) => DpopHeader::Unreadable,
    }
}

/// The request itself, by the issuer: what a proof for the management API must be for.
pub(super) fn own_target(api: &ApiRequest) -> Target {
    let issuer = &api.server.issuer;
    let path = api.head.uri().path();
    // Below the path of the issuer, if the proxy does not strip it.
    let path = match path.strip_prefix(issuer.path()) {
        Some(rest) if !path.starts_with("/api/v1") => rest,
        _ => path,
    };
    Target {
        method: api.head.method().as_str().to_owned(),
        url: issuer.endpoint(path),
        alias: None,
    }
}

/// The request that the proxy asks about, from the headers of a trusted proxy.
///
/// A proxy sets some of these headers, and may forward the others as its client sent them. So all that
/// are there must agree: a client can add headers, but cannot remove those of the proxy.
///
/// # Errors
/// What is missing, for the operator.
pub(super) fn original_request(api: &ApiRequest) -> Result<Target, String> {
    let head = &api.head;
    // Needed only for DPoP: no other request pays for it.
    if !head.headers().contains_key(DPOP) {
        return Err(NO_URL.to_owned());
    }
    let trusted = &api.server.settings.trusted_proxies;
    if !head
        .peer_addr()
        .is_some_and(|peer| trusted.contains(peer.ip()))
    {
        return Err(UNTRUSTED.to_owned());
    }
    target(head).map_err(str::to_owned)
}

fn target(head: &HttpRequest) -> Result<Target, &'static str> {
    let [original, forwarded] = METHODS.map(|name| single(head, &name));
    let method = agreed(original?, forwarded?)?.ok_or(NO_METHOD)?;
    let [original, forwarded] = PATHS.map(|name| single(head, &name));
    let mut path = agreed(original?, forwarded?)?;
    let mut url = None;
    // ingress-nginx sends a whole URL, others only the path.
    match single(head, &ORIGINAL_URL)? {
        Some(whole) if whole.contains("://") => url = Some(whole),
        Some(other) => path = agreed(path, Some(other))?,
        None => {}
    }
    let scheme = single(head, &FORWARDED_PROTO)?;
    let host = single(head, &FORWARDED_HOST)?;
    // A list would come from several proxies.
    if [scheme, host]
        .iter()
        .flatten()
        .any(|text| text.contains([',', '/']))
    {
        return Err(CONTRADICTION);
    }
    let in_url = url.and_then(|url| url.split_once("://"));
    let (scheme_in_url, rest) = in_url.map_or((None, ""), |(scheme, rest)| (Some(scheme), rest));
    let (host_in_url, path_in_url) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let scheme = scheme.or(scheme_in_url).ok_or(NO_URL)?;
    let host = host.or(url.map(|_| host_in_url)).ok_or(NO_URL)?;
    let path = path.or(url.map(|_| path_in_url)).ok_or(NO_URL)?;
    if !path.is_empty() && !path.starts_with('/') {
        return Err(NO_URL);
    }
    let composed = format!("{scheme}://{host}{path}");
    if url.is_some_and(|url| !is_same_http_url(url, &composed)) {
        return Err(CONTRADICTION);
    }
    Ok(Target {
        method: method.to_owned(),
        url: composed,
        alias: None,
    })
}

/// The value of a header that may be given once.
fn single<'a>(head: &'a HttpRequest, name: &HeaderName) -> Result<Option<&'a str>, &'static str> {
    let mut values = head.headers().get_all(name);
    let first = values.next();
    if values.next().is_some() {
        return Err(CONTRADICTION);
    }
    let text = first.map(HeaderValue::to_str).transpose();
    text.map_err(|_| CONTRADICTION)
}

/// The value of two headers that say the same in other words.
fn agreed<'a>(
    one: Option<&'a str>,
    other: Option<&'a str>,
) -> Result<Option<&'a str>, &'static str> {
    match (one, other) {
        (Some(one), Some(other)) if one != other => Err(CONTRADICTION),
        (one, other) => Ok(one.or(other)),
    }
}

/// The nonce for the response to a request.
struct NextNonce(String);

/// Keeps the nonce that the response to `request` offers, if there is one.
pub(super) fn offer_nonce(request: &HttpRequest, nonce: Option<String>) {
    if let Some(nonce) = nonce {
        request.extensions_mut().insert(NextNonce(nonce));
    }
}

/// Adds the nonce that [`offer_nonce`] has kept to a successful response.
pub(super) fn add_nonce(request: &HttpRequest, response: &mut HttpResponse) {
    let extensions = request.extensions();
    let value = extensions
        .get::<NextNonce>()
        .and_then(|nonce| HeaderValue::from_str(&nonce.0).ok());
    if let Some(value) = value {
        response.headers_mut().insert(DPOP_NONCE, value);
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn request(headers: &[(&str, &str)]) -> HttpRequest {
        headers
            .iter()
            .fold(TestRequest::default(), |request, (name, value)| {
                request.append_header((*name, *value))
            })
            .to_http_request()
    }

    #[test]
    fn the_header_is_given_once_as_text() {
        let proof = |text: &str| DpopHeader::Proof(text.to_owned());
        assert_eq!(header(&request(&[])), DpopHeader::Absent);
        for (headers, expected) in [
            (&[("DPoP", "a.b.c")][..], proof("a.b.c")),
            (&[("DPOP", "a.b.c")], proof("a.b.c")),
            (&[("DPoP", "")], proof("")),
            (&[("DPoP", "a"), ("dpop", "a")], DpopHeader::Unreadable),
            (&[("DPoP", "a"), ("DPoP", "b")], DpopHeader::Unreadable),
            (&[("DPoP", "\u{e9}")], DpopHeader::Unreadable),
        ] {
            assert_eq!(header(&request(headers)), expected, "{headers:?}");
        }
    }

    #[test]
    fn the_original_request_is_what_the_proxy_says() {
        let get = ("X-Original-Method", "GET");
        let url = ("X-Original-URL", "https://api.example/a?b=c");
        let proto = ("X-Forwarded-Proto", "https");
        let host = ("X-Forwarded-Host", "api.example");
        let uri = ("X-Forwarded-Uri", "/a?b=c");
        let forwarded_get = ("X-Forwarded-Method", "GET");
        for headers in [
            &[get, url][..],
            &[forwarded_get, proto, host, uri],
            &[get, url, forwarded_get, uri],
            &[get, proto, host, ("X-Original-URI", "/a?b=c")],
            &[get, proto, host, ("X-Original-URL", "/a?b=c")],
            &[get, url, proto, ("X-Forwarded-Host", "api.example"), uri],
            &[get, url, ("X-Forwarded-Uri", "/a?b=c")],
        ] {
            let target = target(&request(headers)).unwrap();
            assert_eq!(target.method, "GET", "{headers:?}");
            assert_eq!(target.url, "https://api.example/a?b=c", "{headers:?}");
        }
        for (headers, missing) in [
            (&[][..], NO_METHOD),
            (&[url], NO_METHOD),
            (&[get], NO_URL),
            (&[get, proto, host], NO_URL),
            (&[get, proto, uri], NO_URL),
            (&[get, host, uri], NO_URL),
            (&[get, proto, host, ("X-Original-URI", "a")], NO_URL),
            (&[get, get, url], CONTRADICTION),
            (&[get, url, url], CONTRADICTION),
            (&[get, url, ("X-Forwarded-Method", "POST")], CONTRADICTION),
            (&[get, url, ("X-Forwarded-Uri", "/other")], CONTRADICTION),
            (
                &[get, url, ("X-Forwarded-Host", "other.example")],
                CONTRADICTION,
            ),
            (&[get, url, ("X-Forwarded-Proto", "http")], CONTRADICTION),
            (
                &[
                    forwarded_get,
                    proto,
                    host,
                    uri,
                    ("X-Original-URL", "https://other.example/a?b=c"),
                ],
                CONTRADICTION,
            ),
            (&[get, url, ("X-Original-URI", "/other")], CONTRADICTION),
            (
                &[forwarded_get, proto, host, uri, ("X-Original-URL", "/x")],
                CONTRADICTION,
            ),
            (
                &[
                    get,
                    proto,
                    uri,
                    ("X-Forwarded-Host", "a.example, b.example"),
                ],
                CONTRADICTION,
            ),
            (
                &[get, host, uri, ("X-Forwarded-Proto", "https://a/")],
                CONTRADICTION,
            ),
        ] {
            assert_eq!(target(&request(headers)), Err(missing), "{headers:?}");
        }
    }
}
