//! `/.well-known/…`: what everybody may read, from any page.

use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ALLOW, CACHE_CONTROL, ETAG, Header, IfNoneMatch,
};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::documents::Documents;
use super::error;
use crate::clock::Timestamp;
use crate::oauth::{AuthorizationServer, jwks as keys};

/// GET `/.well-known/jwks.json`
pub async fn jwks(server: Data<AuthorizationServer>, request: HttpRequest) -> HttpResponse {
    let set = keys::key_set(&server, Timestamp::now());
    // RFC 9110 section 13.1.2: compared weakly, over all lines of the header.
    let unchanged = match IfNoneMatch::parse(&request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(tags)) => tags
            .iter()
            .any(|tag| set.etag.trim_matches('"') == tag.tag()),
        Err(_) => false,
    };
    let mut answer = if unchanged {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    answer
        .insert_header((
            CACHE_CONTROL,
            format!("public, max-age={}", server.settings.jwks_max_age.as_secs()),
        ))
        .insert_header((ETAG, set.etag.as_str()))
        .insert_header((ACCESS_CONTROL_ALLOW_ORIGIN, "*"));
    if unchanged {
        answer.finish()
    } else {
        answer
            .content_type("application/jwk-set+json")
            .body(set.document.clone())
    }
}

/// GET `/.well-known/oauth-authorization-server`, and where other libraries look for it
pub async fn metadata(
    server: Data<AuthorizationServer>,
    documents: Data<Documents>,
    request: HttpRequest,
) -> HttpResponse {
    match documents.metadata(&server) {
        Ok(document) => HttpResponse::Ok()
            .insert_header((CACHE_CONTROL, "public, max-age=300"))
            .insert_header((ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
            .content_type("application/json")
            .body(document),
        Err(error) => error::problem(&request, &error),
    }
}

/// OPTIONS: any page may read what is public (the Fetch standard, CORS protocol).
pub async fn preflight() -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header((ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .insert_header((ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD"))
        .insert_header((ACCESS_CONTROL_ALLOW_HEADERS, "*"))
        .insert_header((ACCESS_CONTROL_MAX_AGE, "86400"))
        .insert_header((ALLOW, "GET, HEAD, OPTIONS"))
        .finish()
}
