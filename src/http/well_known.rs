//! `/.well-known/…`: public documents, which pages of any origin may read.

use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ALLOW, CACHE_CONTROL, ETAG, Header, IfNoneMatch,
};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::documents::Documents;
use super::extract::ApiRequest;
use super::operation::{HandlerResult, JSON};
use crate::oauth::jwks::key_set;

/// `GET /.well-known/jwks.json`
pub(super) async fn jwks(api: ApiRequest) -> HandlerResult {
    let set = key_set(&api.server, api.now());
    let is_unchanged = matches_if_none_match(&api.head, &set.etag);
    let mut builder = if is_unchanged {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    let max_age = api.server.settings.jwks_max_age.as_secs();
    builder
        .insert_header((CACHE_CONTROL, format!("public, max-age={max_age}")))
        .insert_header((ETAG, set.etag.as_str()))
        .insert_header((ACCESS_CONTROL_ALLOW_ORIGIN, "*"));
    Ok(if is_unchanged {
        builder.finish()
    } else {
        builder
            .content_type("application/jwk-set+json")
            .body(set.document.clone())
    })
}

/// Whether `If-None-Match` has the entity tag `etag` (RFC 9110 section 13.1.2): tags of all lines of
/// the header are compared weakly.
fn matches_if_none_match(request: &HttpRequest, etag: &str) -> bool {
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|tag| etag.trim_matches('"') == tag.tag()),
        Err(_) => false,
    }
}

/// `GET /.well-known/oauth-authorization-server`, also at the paths where other libraries look for it.
pub(super) async fn metadata(api: ApiRequest, documents: Data<Documents>) -> HandlerResult {
    Ok(HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "public, max-age=300"))
        .insert_header((ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .content_type(JSON)
        .body(documents.metadata(&api.server)?))
}

/// `OPTIONS`: a CORS preflight request for a public document.
pub(super) async fn preflight() -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header((ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .insert_header((ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD"))
        .insert_header((ACCESS_CONTROL_ALLOW_HEADERS, "*"))
        .insert_header((ACCESS_CONTROL_MAX_AGE, "86400"))
        .insert_header((ALLOW, "GET, HEAD, OPTIONS"))
        .finish()
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::IF_NONE_MATCH;
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn if_none_match_is_compared_weakly_with_every_tag() {
        for (lines, expected) in [
            (&[][..], false),
            (&["*"], true),
            (&["\"abc\""], true),
            (&["W/\"abc\""], true),
            (&["\"xyz\", \"abc\""], true),
            (&["\"xyz\"", "\"abc\""], true),
            (&["\"xyz\""], false),
            (&["abc"], false),
            (&[""], false),
        ] {
            let mut request = TestRequest::default();
            for line in lines {
                request = request.append_header((IF_NONE_MATCH, *line));
            }
            let found = matches_if_none_match(&request.to_http_request(), "\"abc\"");
            assert_eq!(found, expected, "{lines:?}");
        }
    }
}
