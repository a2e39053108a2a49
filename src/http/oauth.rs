//! The OAuth endpoints, `/oauth/…`.

use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT, Accept, CACHE_CONTROL, Header, PRAGMA, Quality, VARY};
use actix_web::web::{Path, Payload};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use serde::Serialize;

use super::dpop;
use super::extract::ApiRequest;
use super::operation::{HandlerResult, JSON};
use crate::error::{Code, Error};
use crate::oauth::introspection::{self, IntrospectionResponse, ResponseFormat};
use crate::oauth::{registration, revocation, token_endpoint};

/// The media type of signed introspection responses (RFC 9701 section 4).
pub(super) const SIGNED_INTROSPECTION: &str = "application/token-introspection+jwt";

/// `POST /oauth/token`
pub(super) async fn token(api: ApiRequest, payload: Payload) -> HandlerResult {
    let request = api.form(payload).await?;
    let issued = token_endpoint::token(&api.server, &request, &dpop::header(&api.head)).await?;
    dpop::offer_nonce(&api.head, issued.next_nonce);
    Ok(private_json(StatusCode::OK, issued.response))
}

/// `GET` and `POST /oauth/authorize`. The metadata names this endpoint, since libraries require the
/// member, and lists no response type that it serves. The error is shown (RFC 6749 section 4.1.2.1)
/// instead of redirected, since no redirect URI has been validated.
pub(super) async fn authorize() -> HandlerResult {
    Err(Error::new(
        Code::UnsupportedResponseType,
        "No response type is supported: clients get tokens by client credentials at the token endpoint",
    ))
}

/// `POST /oauth/introspect`
pub(super) async fn introspect(api: ApiRequest, payload: Payload) -> HandlerResult {
    let request = api.form(payload).await?;
    let format = introspection_format(&api.head);
    let response = introspection::introspect(&api.server, &request, format).await?;
    let mut builder = private(StatusCode::OK);
    builder.insert_header((VARY, "Accept"));
    Ok(match response {
        IntrospectionResponse::Json(introspection) => builder.json(introspection),
        IntrospectionResponse::Jwt(jwt) => builder.content_type(SIGNED_INTROSPECTION).body(jwt),
    })
}

/// The format that the `Accept` header prefers (RFC 9110 section 12.5.1): the signed one if the
/// header names it, unless it prefers JSON. A wildcard stands for JSON, the format of RFC 7662.
fn introspection_format(request: &HttpRequest) -> ResponseFormat {
    // What most callers send needs no parsing.
    let mut values = request.headers().get_all(ACCEPT);
    if values.all(|value| matches!(value.as_bytes(), b"*/*" | b"application/json")) {
        return ResponseFormat::Json;
    }
    let Ok(Accept(items)) = Accept::parse(request) else {
        return ResponseFormat::Json;
    };
    // Of several ranges that match, the most specific one counts.
    let quality = |ranges: &[&str]| {
        let of_range = |range: &&str| {
            let named = items
                .iter()
                .filter(|item| item.item.essence_str().eq_ignore_ascii_case(range));
            named.map(|item| item.quality).max()
        };
        ranges.iter().find_map(of_range).unwrap_or(Quality::ZERO)
    };
    let signed = quality(&[SIGNED_INTROSPECTION]);
    let json = quality(&[JSON, "application/*", "*/*"]);
    if signed > Quality::ZERO && signed >= json {
        ResponseFormat::Jwt
    } else {
        ResponseFormat::Json
    }
}

/// `POST /oauth/revoke`
pub(super) async fn revoke(api: ApiRequest, payload: Payload) -> HandlerResult {
    let request = api.form(payload).await?;
    revocation::revoke(&api.server, &request).await?;
    Ok(private(StatusCode::OK).finish())
}

/// `POST /oauth/register`
pub(super) async fn register(api: ApiRequest, payload: Payload) -> HandlerResult {
    let body = api.json_bytes(payload, Code::InvalidClientMetadata).await?;
    let response = registration::register(&api.server, &api.registration()?, &body).await?;
    Ok(private_json(StatusCode::CREATED, response))
}

/// `GET /oauth/register/{client_id}`
pub(super) async fn read_registration(api: ApiRequest, client_id: Path<String>) -> HandlerResult {
    let response = registration::read(&api.server, &api.registration()?, &client_id).await?;
    Ok(private_json(StatusCode::OK, response))
}

/// `PUT /oauth/register/{client_id}`
pub(super) async fn update_registration(
    api: ApiRequest,
    client_id: Path<String>,
    payload: Payload,
) -> HandlerResult {
    let body = api.json_bytes(payload, Code::InvalidClientMetadata).await?;
    let request = api.registration()?;
    let response = registration::update(&api.server, &request, &client_id, &body).await?;
    Ok(private_json(StatusCode::OK, response))
}

/// `DELETE /oauth/register/{client_id}`
pub(super) async fn delete_registration(api: ApiRequest, client_id: Path<String>) -> HandlerResult {
    registration::delete(&api.server, &api.registration()?, &client_id).await?;
    Ok(private(StatusCode::NO_CONTENT).finish())
}

/// A response that no cache keeps (RFC 6749 section 5.1), since it may hold a token or a secret.
fn private(status: StatusCode) -> HttpResponseBuilder {
    let mut builder = HttpResponse::build(status);
    builder
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((PRAGMA, "no-cache"));
    builder
}

fn private_json(status: StatusCode, body: impl Serialize) -> HttpResponse {
    private(status).json(body)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn introspection_is_signed_where_the_caller_prefers_it() {
        use ResponseFormat::{Json, Jwt};
        for (accept, expected) in [
            (None, Json),
            (Some(""), Json),
            (Some("*/*"), Json),
            (Some("application/*"), Json),
            (Some("application/json"), Json),
            (Some("application/jwt"), Json),
            (Some("text/html"), Json),
            (Some("application/token-introspection+jwt"), Jwt),
            (Some("Application/Token-Introspection+JWT"), Jwt),
            (Some("application/token-introspection+jwt;q=0"), Json),
            (Some("application/token-introspection+jwt;q=0.5"), Jwt),
            (
                Some("application/token-introspection+jwt, application/json"),
                Jwt,
            ),
            (
                Some("application/json, application/token-introspection+jwt; q=0.9"),
                Json,
            ),
            (
                Some("application/token-introspection+jwt, application/json;q=0.5"),
                Jwt,
            ),
            (
                Some("application/token-introspection+jwt;q=0.8, */*;q=0.1"),
                Jwt,
            ),
            (Some("application/token-introspection+jwt;q=0.8, */*"), Json),
            // The most specific range counts, not the one with the highest quality.
            (
                Some("application/token-introspection+jwt;q=0.8, */*, application/json;q=0.1"),
                Jwt,
            ),
            (Some("nonsense;;, \u{e9}"), Json),
        ] {
            let mut request = TestRequest::default();
            if let Some(accept) = accept {
                request = request.insert_header((ACCEPT, accept));
            }
            let found = introspection_format(&request.to_http_request());
            assert_eq!(found, expected, "{accept:?}");
        }
    }
}
