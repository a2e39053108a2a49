//! Where an error becomes HTTP, and nowhere else: as RFC 6749 section 5.2 says on the OAuth
//! endpoints, as a problem document (RFC 9457) on all others.

use actix_web::http::StatusCode;
use actix_web::http::header::{
    ALLOW, AUTHORIZATION, CACHE_CONTROL, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, HttpResponseBuilder};
use serde_json::json;

use crate::credential::redacted;
use crate::error::{Code, Error};
use crate::oauth::authorization::Authorization;
use crate::request_context::RequestContext;

/// Names the protection space (RFC 7617 section 2).
const REALM: &str = "keyward";

/// The longest scope that a challenge names, in bytes: proxies refuse an answer whose header is too large,
/// and the attribute is optional (RFC 6750 section 3).
const MAX_SCOPE_IN_CHALLENGE: usize = 2048;

/// The exact reason of a failure, kept in the extensions of the response for the access log.
pub struct LogReason {
    /// The error code.
    pub code: Code,
    /// The reason, for operators.
    pub reason: String,
}

/// The status that goes with a code.
pub fn status(code: Code) -> StatusCode {
    match code {
        Code::InvalidRequest
        | Code::UnauthorizedClient
        | Code::UnsupportedGrantType
        | Code::UnsupportedResponseType
        | Code::InvalidScope
        | Code::InvalidTarget
        | Code::InvalidClientMetadata
        | Code::InvalidRedirectUri => StatusCode::BAD_REQUEST,
        Code::InvalidClient | Code::InvalidToken => StatusCode::UNAUTHORIZED,
        Code::AccessDenied | Code::InsufficientScope => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Code::Conflict | Code::AlreadyDone => StatusCode::CONFLICT,
        Code::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
        Code::UnprocessableContent => StatusCode::UNPROCESSABLE_ENTITY,
        Code::ContentTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
        Code::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
        Code::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// What all error answers have in common.
fn begin(request: &HttpRequest, error: &Error) -> HttpResponseBuilder {
    let mut answer = HttpResponse::build(status(error.code()));
    answer.insert_header((CACHE_CONTROL, "no-store"));
    if matches!(error.code(), Code::ContentTooLarge | Code::RequestTimeout) {
        // What is left of the body is read by nobody.
        answer.force_close();
    }
    if let Some(wait) = error.retry_after() {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        answer.insert_header((RETRY_AFTER, seconds));
    }
    if let Some(challenge) = challenge(request, error) {
        answer.insert_header((WWW_AUTHENTICATE, challenge));
    }
    answer
}

fn challenge(request: &HttpRequest, error: &Error) -> Option<String> {
    match error.code() {
        // RFC 6749 section 5.2: where the client tried the Authorization header.
        Code::InvalidClient if request.headers().contains_key(AUTHORIZATION) => {
            Some(format!("Basic realm=\"{REALM}\""))
        }
        // RFC 6750 section 3.1: no error code where there was nothing that could be a token.
        Code::InvalidToken if !presents_token(request) => Some(format!("Bearer realm=\"{REALM}\"")),
        Code::InvalidToken => Some(format!("Bearer realm=\"{REALM}\", error=\"invalid_token\"")),
        Code::InsufficientScope => {
            let needed = error
                .needed_scope()
                .filter(|scope| scope.len() <= MAX_SCOPE_IN_CHALLENGE);
            let needed = needed
                .map(|scope| format!(", scope=\"{scope}\""))
                .unwrap_or_default();
            Some(format!(
                "Bearer realm=\"{REALM}\", error=\"insufficient_scope\"{needed}"
            ))
        }
        _ => None,
    }
}

fn presents_token(request: &HttpRequest) -> bool {
    let header = request
        .headers()
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    header
        .and_then(Authorization::parse)
        .is_some_and(|header| header.token().is_some_and(|token| !token.is_empty()))
}

fn finish(mut answer: HttpResponse, error: &Error) -> HttpResponse {
    answer.extensions_mut().insert(LogReason {
        code: error.code(),
        reason: error.reason().to_owned(),
    });
    answer
}

fn request_id(request: &HttpRequest) -> Option<String> {
    let extensions = request.extensions();
    let context = extensions.get::<RequestContext>()?;
    Some(context.request_id.to_string())
}

/// As the OAuth endpoints answer.
pub fn oauth(request: &HttpRequest, error: &Error) -> HttpResponse {
    let body = json!({"error": error.code().as_str(), "error_description": ascii(&redacted(error.description()))});
    finish(begin(request, error).json(body), error)
}

/// As all others answer.
pub fn problem(request: &HttpRequest, error: &Error) -> HttpResponse {
    let status = status(error.code());
    let mut body = json!({
        "type": "about:blank",
        "title": status.canonical_reason(),
        "status": status.as_u16(),
        "detail": redacted(error.description()),
        "code": error.code().as_str(),
        "requestId": request_id(request),
    });
    if let Some(field) = error.wrong_field() {
        body["field"] = json!(field);
    }
    finish(
        begin(request, error)
            .content_type("application/problem+json")
            .body(body.to_string()),
        error,
    )
}

/// As the SDKs of the Codat platform read it, for `/apiKeys`.
pub fn codat(request: &HttpRequest, error: &Error) -> HttpResponse {
    let body = json!({
        "statusCode": status(error.code()).as_u16(),
        "service": "PublicApi",
        "error": redacted(error.description()),
        "correlationId": request_id(request),
        "canBeRetried": if error.retry_after().is_some() { "Retryable" } else { "NotRetryable" },
        "detailedErrorCode": 0,
    });
    finish(begin(request, error).json(body), error)
}

/// RFC 6749 section 5.2: `error_description` is printable ASCII without quotes and backslashes.
fn ascii(text: &str) -> String {
    let allowed = |c: char| matches!(c, '\x20'..='\x21' | '\x23'..='\x5B' | '\x5D'..='\x7E');
    text.chars()
        .map(|c| if allowed(c) { c } else { '\'' })
        .collect()
}

/// For whatever no route answers.
pub async fn unknown_path(request: HttpRequest) -> HttpResponse {
    problem(
        &request,
        &Error::new(Code::NotFound, "There is nothing at this path"),
    )
}

/// For a path that answers other methods.
pub async fn wrong_method(request: HttpRequest, allow: String) -> HttpResponse {
    let error = Error::new(Code::MethodNotAllowed, format!("This path answers {allow}"));
    let mut answer = if request.path().contains("/oauth/") {
        oauth(&request, &error)
    } else {
        problem(&request, &error)
    };
    if let Ok(allow) = HeaderValue::from_str(&allow) {
        answer.headers_mut().insert(ALLOW, allow);
    }
    answer
}
