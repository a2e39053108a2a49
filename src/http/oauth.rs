//! The OAuth endpoints, `/oauth/…`.

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, PRAGMA};
use actix_web::web::{Path, Payload};
use actix_web::{HttpResponse, HttpResponseBuilder};
use serde::Serialize;

use super::dpop;
use super::extract::ApiRequest;
use super::operation::HandlerResult;
use crate::error::{Code, Error};
use crate::oauth::{introspection, registration, revocation, token_endpoint};

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
    let response = introspection::introspect(&api.server, &request).await?;
    Ok(private_json(StatusCode::OK, response))
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
