//! `/oauth/…`

use actix_web::http::header::{CACHE_CONTROL, PRAGMA};
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use serde::Serialize;

use super::{error, extract};
use crate::error::{Code, Error};
use crate::oauth::{AuthorizationServer, introspection, registration, revocation, token_endpoint};

type Server = Data<AuthorizationServer>;

/// POST `/oauth/token`
pub async fn token(server: Server, request: HttpRequest, payload: Payload) -> HttpResponse {
    let answer = async {
        token_endpoint::token(&server, &extract::form(&server, &request, payload).await?).await
    };
    json(&request, HttpResponse::Ok(), answer.await)
}

/// GET and POST `/oauth/authorize`: the metadata names it, since libraries ask for the member, and lists
/// no response type that it would serve. So whoever comes here is told so (RFC 6749 section 4.1.2.1),
/// and not sent on: a redirect URI that nobody has checked is none.
pub async fn authorize(request: HttpRequest) -> HttpResponse {
    let reason = "No response type is offered: clients get tokens by client credentials at the token endpoint";
    error::oauth(&request, &Error::new(Code::UnsupportedResponseType, reason))
}

/// POST `/oauth/introspect`
pub async fn introspect(server: Server, request: HttpRequest, payload: Payload) -> HttpResponse {
    let answer = async {
        introspection::introspect(&server, &extract::form(&server, &request, payload).await?).await
    };
    json(&request, HttpResponse::Ok(), answer.await)
}

/// POST `/oauth/revoke`
pub async fn revoke(server: Server, request: HttpRequest, payload: Payload) -> HttpResponse {
    let answer = async {
        revocation::revoke(&server, &extract::form(&server, &request, payload).await?).await
    };
    empty(&request, HttpResponse::Ok(), answer.await)
}

/// POST `/oauth/register`
pub async fn register(server: Server, request: HttpRequest, payload: Payload) -> HttpResponse {
    let answer = async {
        let body = extract::json_body(&request, payload, Code::InvalidClientMetadata).await?;
        registration::register(&server, &extract::registration(&server, &request)?, &body).await
    };
    json(&request, HttpResponse::Created(), answer.await)
}

/// GET `/oauth/register/{client_id}`
pub async fn read_registration(
    server: Server,
    request: HttpRequest,
    client_id: Path<String>,
) -> HttpResponse {
    let answer = async {
        registration::read(
            &server,
            &extract::registration(&server, &request)?,
            &client_id,
        )
        .await
    };
    json(&request, HttpResponse::Ok(), answer.await)
}

/// PUT `/oauth/register/{client_id}`
pub async fn update_registration(
    server: Server,
    request: HttpRequest,
    client_id: Path<String>,
    payload: Payload,
) -> HttpResponse {
    let answer = async {
        let body = extract::json_body(&request, payload, Code::InvalidClientMetadata).await?;
        registration::update(
            &server,
            &extract::registration(&server, &request)?,
            &client_id,
            &body,
        )
        .await
    };
    json(&request, HttpResponse::Ok(), answer.await)
}

/// DELETE `/oauth/register/{client_id}`
pub async fn delete_registration(
    server: Server,
    request: HttpRequest,
    client_id: Path<String>,
) -> HttpResponse {
    let answer = async {
        registration::delete(
            &server,
            &extract::registration(&server, &request)?,
            &client_id,
        )
        .await
    };
    empty(&request, HttpResponse::NoContent(), answer.await)
}

/// RFC 6749 section 5.1: what holds a token or a secret is kept by nobody on its way.
fn private(mut answer: HttpResponseBuilder) -> HttpResponseBuilder {
    answer
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((PRAGMA, "no-cache"));
    answer
}

fn json(
    request: &HttpRequest,
    answer: HttpResponseBuilder,
    result: Result<impl Serialize, Error>,
) -> HttpResponse {
    match result {
        Ok(body) => private(answer).json(body),
        Err(refused) => error::oauth(request, &refused),
    }
}

fn empty(
    request: &HttpRequest,
    answer: HttpResponseBuilder,
    result: Result<(), Error>,
) -> HttpResponse {
    match result {
        Ok(()) => private(answer).finish(),
        Err(refused) => error::oauth(request, &refused),
    }
}
