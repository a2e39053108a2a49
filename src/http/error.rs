//! Makes responses from errors, in the shape that the route of the request declares.

use actix_web::http::StatusCode;
use actix_web::http::header::{
    ALLOW, AUTHORIZATION, CACHE_CONTROL, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, HttpResponseBuilder};
use serde_json::{Value, json};

use super::dpop::DPOP_NONCE;
use super::route::{ErrorFormat, RouteOptions};
use crate::credential::redacted;
use crate::error::{Code, Error};
use crate::oauth::authorization_header::AuthorizationHeader;
use crate::oauth::dpop::proof::ALGORITHMS;
use crate::request_context::RequestContext;

/// Names the protection space (RFC 7617 section 2).
const REALM: &str = "keyward";

/// The longest scope that a challenge names, in bytes: proxies refuse a response whose header is too
/// large, and the attribute is optional (RFC 6750 section 3).
const MAX_SCOPE_IN_CHALLENGE: usize = 2048;

/// Why a request failed, kept in the extensions of the response for the access log.
pub struct LogError {
    /// The error code.
    pub code: Code,
    /// The exact reason, for operators.
    pub error: String,
}

impl From<&Error> for LogError {
    fn from(error: &Error) -> Self {
        LogError {
            code: error.code(),
            error: error.reason().to_owned(),
        }
    }
}

/// The HTTP status of an error code.
pub fn status(code: Code) -> StatusCode {
    match code {
        Code::InvalidRequest
        | Code::InvalidGrant
        | Code::UnauthorizedClient
        | Code::UnsupportedGrantType
        | Code::UnsupportedResponseType
        | Code::InvalidScope
        | Code::InvalidTarget
        | Code::InvalidDpopProof
        | Code::UseDpopNonce
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

/// The HTTP status of an error in the response to this request.
fn status_in(request: &HttpRequest, code: Code) -> StatusCode {
    match code {
        // RFC 9449 section 7.1: 401 at a resource server; section 5: 400 at the token endpoint.
        Code::InvalidDpopProof | Code::UseDpopNonce if !is_oauth_endpoint(request) => {
            StatusCode::UNAUTHORIZED
        }
        code => status(code),
    }
}

fn is_oauth_endpoint(request: &HttpRequest) -> bool {
    RouteOptions::of(request).error_format == ErrorFormat::OAuth
}

/// The response to a request that failed.
pub(super) fn response(request: &HttpRequest, error: &Error) -> HttpResponse {
    let mut builder = builder(request, error);
    let mut response = match RouteOptions::of(request).error_format {
        ErrorFormat::OAuth => builder.json(oauth_body(error)),
        ErrorFormat::Problem => builder
            .content_type("application/problem+json")
            .body(problem_body(request, error).to_string()),
        ErrorFormat::Codat => builder.json(codat_body(request, error)),
    };
    response.extensions_mut().insert(LogError::from(error));
    response
}

/// The status and the headers of an error response.
fn builder(request: &HttpRequest, error: &Error) -> HttpResponseBuilder {
    let mut builder = HttpResponse::build(status_in(request, error.code()));
    builder.insert_header((CACHE_CONTROL, "no-store"));
    if matches!(error.code(), Code::ContentTooLarge | Code::RequestTimeout) {
        // The unread rest of the body would be taken for the next request on this connection.
        builder.force_close();
    }
    if let Some(wait) = error.retry_after() {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        builder.insert_header((RETRY_AFTER, seconds));
    }
    if let Some(challenge) = challenge(request, error) {
        builder.insert_header((WWW_AUTHENTICATE, challenge));
    }
    if let Some(nonce) = error.dpop().and_then(|dpop| dpop.nonce.as_deref()) {
        builder.insert_header((DPOP_NONCE, nonce));
    }
    builder
}

/// The value of `WWW-Authenticate`.
fn challenge(request: &HttpRequest, error: &Error) -> Option<String> {
    match error.code() {
        // RFC 6749 section 5.2: where the client tried the Authorization header.
        Code::InvalidClient if request.headers().contains_key(AUTHORIZATION) => {
            Some(format!("Basic realm=\"{REALM}\""))
        }
        Code::InvalidDpopProof | Code::UseDpopNonce if is_oauth_endpoint(request) => None,
        Code::InvalidToken | Code::InvalidDpopProof | Code::UseDpopNonce => {
            Some(match presented_scheme(request) {
                // RFC 6750 section 3.1: no error code for a request without a token.
                None => format!("Bearer realm=\"{REALM}\""),
                Some(scheme) => token_challenge(scheme, error, ""),
            })
        }
        Code::InsufficientScope => {
            let scope = error
                .needed_scope()
                .filter(|scope| scope.len() <= MAX_SCOPE_IN_CHALLENGE)
                .map(|scope| format!(", scope=\"{scope}\""))
                .unwrap_or_default();
            let scheme = presented_scheme(request).unwrap_or(TokenScheme::Bearer);
            Some(token_challenge(scheme, error, &scope))
        }
        _ => None,
    }
}

/// The scheme by which a request presents a token or API key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TokenScheme {
    /// Bearer, or Basic with an API key.
    Bearer,
    Dpop,
}

/// The challenge of an error: by RFC 6750 section 3, or by RFC 9449 section 7.1 if the caller must
/// use DPoP.
fn token_challenge(scheme: TokenScheme, error: &Error, attributes: &str) -> String {
    let code = error.code().as_str();
    if scheme == TokenScheme::Bearer && error.dpop().is_none() {
        return format!("Bearer realm=\"{REALM}\", error=\"{code}\"{attributes}");
    }
    let algorithms = ALGORITHMS.join(" ");
    format!("DPoP realm=\"{REALM}\", error=\"{code}\"{attributes}, algs=\"{algorithms}\"")
}

/// The scheme of the token or API key that the request presents; none if it presents none.
fn presented_scheme(request: &HttpRequest) -> Option<TokenScheme> {
    let header = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let header = AuthorizationHeader::parse(header)?;
    let (token, scheme) = match header.dpop() {
        Some(token) => (token, TokenScheme::Dpop),
        None => (header.token()?, TokenScheme::Bearer),
    };
    (!token.is_empty()).then_some(scheme)
}

/// The body of RFC 6749 section 5.2.
fn oauth_body(error: &Error) -> Value {
    json!({
        "error": error.code().as_str(),
        "error_description": error_description(&redacted(error.description())),
    })
}

/// The body of RFC 9457 section 3.
fn problem_body(request: &HttpRequest, error: &Error) -> Value {
    let status = status_in(request, error.code());
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
    body
}

/// The body that the SDKs of the Codat platform read.
fn codat_body(request: &HttpRequest, error: &Error) -> Value {
    json!({
        "statusCode": status_in(request, error.code()).as_u16(),
        "service": "PublicApi",
        "error": redacted(error.description()),
        "correlationId": request_id(request),
        "canBeRetried": if error.retry_after().is_some() { "Retryable" } else { "NotRetryable" },
        "detailedErrorCode": 0,
    })
}

fn request_id(request: &HttpRequest) -> Option<String> {
    let extensions = request.extensions();
    let context = extensions.get::<RequestContext>()?;
    Some(context.request_id.to_string())
}

/// A text as RFC 6749 section 5.2 allows it in `error_description`: printable ASCII without quotes
/// and backslashes.
fn error_description(text: &str) -> String {
    let allowed = |c: char| matches!(c, '\x20'..='\x21' | '\x23'..='\x5B' | '\x5D'..='\x7E');
    text.chars()
        .map(|c| if allowed(c) { c } else { '\'' })
        .collect()
}

/// The response of a path that no route serves.
pub(super) async fn unknown_path(request: HttpRequest) -> HttpResponse {
    let error = Error::new(Code::NotFound, "There is nothing at this path");
    response(&request, &error)
}

/// The response of a path that serves other methods than that of the request.
pub(super) fn wrong_method(request: &HttpRequest, allow: &str) -> HttpResponse {
    let error = Error::new(
        Code::MethodNotAllowed,
        format!("This path allows the methods {allow}"),
    );
    let mut response = response(request, &error);
    if let Ok(allow) = HeaderValue::from_str(allow) {
        response.headers_mut().insert(ALLOW, allow);
    }
    response
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use actix_web::test::TestRequest;
    use strum::VariantArray;

    use super::*;

    const CODES: [(Code, u16, &str); 26] = [
        (Code::InvalidRequest, 400, "invalid_request"),
        (Code::InvalidClient, 401, "invalid_client"),
        (Code::InvalidGrant, 400, "invalid_grant"),
        (Code::UnauthorizedClient, 400, "unauthorized_client"),
        (Code::UnsupportedGrantType, 400, "unsupported_grant_type"),
        (
            Code::UnsupportedResponseType,
            400,
            "unsupported_response_type",
        ),
        (Code::InvalidScope, 400, "invalid_scope"),
        (Code::InvalidTarget, 400, "invalid_target"),
        (Code::InvalidDpopProof, 400, "invalid_dpop_proof"),
        (Code::UseDpopNonce, 400, "use_dpop_nonce"),
        (Code::InvalidToken, 401, "invalid_token"),
        (Code::InsufficientScope, 403, "insufficient_scope"),
        (Code::InvalidClientMetadata, 400, "invalid_client_metadata"),
        (Code::InvalidRedirectUri, 400, "invalid_redirect_uri"),
        (Code::AccessDenied, 403, "access_denied"),
        (Code::NotFound, 404, "not_found"),
        (Code::MethodNotAllowed, 405, "method_not_allowed"),
        (Code::Conflict, 409, "conflict"),
        (Code::PreconditionFailed, 412, "precondition_failed"),
        (Code::UnprocessableContent, 422, "idempotency_key_reused"),
        (Code::AlreadyDone, 409, "conflict"),
        (Code::ContentTooLarge, 413, "invalid_request"),
        (Code::RequestTimeout, 408, "invalid_request"),
        (Code::TooManyRequests, 429, "temporarily_unavailable"),
        (Code::TemporarilyUnavailable, 503, "temporarily_unavailable"),
        (Code::ServerError, 500, "server_error"),
    ];

    fn header<'a>(response: &'a HttpResponse, name: &str) -> &'a str {
        let value = response.headers().get(name);
        value.and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    #[test]
    fn every_code_has_its_status_and_its_error_member() {
        assert_eq!(CODES.map(|(code, ..)| code), Code::VARIANTS);
        for (code, expected, error) in CODES {
            assert_eq!(status(code).as_u16(), expected, "{code:?}");
            assert_eq!(code.as_str(), error, "{code:?}");
        }
    }

    #[test]
    fn the_route_declares_the_shape_of_an_error() {
        for (error_format, content_type) in [
            (ErrorFormat::OAuth, "application/json"),
            (ErrorFormat::Problem, "application/problem+json"),
            (ErrorFormat::Codat, "application/json"),
        ] {
            let options = RouteOptions {
                error_format,
                ..RouteOptions::default()
            };
            let request = TestRequest::default().app_data(options).to_http_request();
            let response = response(&request, &Error::new(Code::Conflict, "There is one"));
            assert_eq!(response.status(), StatusCode::CONFLICT);
            assert_eq!(header(&response, "content-type"), content_type);
            assert_eq!(header(&response, "cache-control"), "no-store");
            assert!(response.extensions().contains::<LogError>());
        }
    }

    #[test]
    fn challenges_follow_rfc_6749_and_rfc_6750() {
        let scope_too_long = "s".repeat(MAX_SCOPE_IN_CHALLENGE + 1);
        for (authorization, error, expected) in [
            (None, Error::invalid_client(), None),
            (
                Some("Basic YTpi"),
                Error::invalid_client(),
                Some("Basic realm=\"keyward\""),
            ),
            (
                None,
                Error::new(Code::InvalidToken, ""),
                Some("Bearer realm=\"keyward\""),
            ),
            (
                Some("Bearer x"),
                Error::new(Code::InvalidToken, ""),
                Some("Bearer realm=\"keyward\", error=\"invalid_token\""),
            ),
            (
                Some("Bearer x"),
                Error::insufficient_scope("a b"),
                Some("Bearer realm=\"keyward\", error=\"insufficient_scope\", scope=\"a b\""),
            ),
            (
                Some("Bearer x"),
                Error::insufficient_scope(scope_too_long),
                Some("Bearer realm=\"keyward\", error=\"insufficient_scope\""),
            ),
            (Some("Bearer x"), Error::new(Code::NotFound, ""), None),
        ] {
            let mut request = TestRequest::default();
            if let Some(value) = authorization {
                request = request.insert_header((AUTHORIZATION, value));
            }
            let found = challenge(&request.to_http_request(), &error);
            assert_eq!(found.as_deref(), expected, "{authorization:?} {error:?}");
        }
    }

    #[test]
    fn challenges_of_dpop_follow_rfc_9449() {
        let algs = "algs=\"ES256 PS256 EdDSA Ed25519\"";
        let invalid_proof = || Error::new(Code::InvalidDpopProof, "").dpop_challenge(None);
        let nonce = || Error::new(Code::UseDpopNonce, "").dpop_challenge(Some("n".to_owned()));
        let unproven = || Error::new(Code::InvalidToken, "").dpop_challenge(None);
        let inactive = || Error::new(Code::InvalidToken, "");
        let oauth = ErrorFormat::OAuth;
        let problem = ErrorFormat::Problem;
        for (authorization, format, error, status, expected, nonce) in [
            (
                "DPoP x",
                problem,
                invalid_proof(),
                401,
                "invalid_dpop_proof",
                "",
            ),
            ("DPoP x", problem, nonce(), 401, "use_dpop_nonce", "n"),
            ("DPoP x", problem, unproven(), 401, "invalid_token", ""),
            ("DPoP x", problem, inactive(), 401, "invalid_token", ""),
            ("Bearer x", problem, unproven(), 401, "invalid_token", ""),
            ("Basic YTpi", oauth, invalid_proof(), 400, "", ""),
            ("Basic YTpi", oauth, nonce(), 400, "", "n"),
        ] {
            let options = RouteOptions {
                error_format: format,
                ..RouteOptions::default()
            };
            let request = TestRequest::default()
                .insert_header((AUTHORIZATION, authorization))
                .app_data(options)
                .to_http_request();
            let response = response(&request, &error);
            let expected = match expected {
                "" => String::new(),
                code => format!("DPoP realm=\"keyward\", error=\"{code}\", {algs}"),
            };
            assert_eq!(response.status().as_u16(), status, "{error:?}");
            assert_eq!(header(&response, "www-authenticate"), expected, "{error:?}");
            assert_eq!(header(&response, "dpop-nonce"), nonce, "{error:?}");
            assert_eq!(header(&response, "cache-control"), "no-store");
        }
        let insufficient = Error::insufficient_scope("a");
        let request = TestRequest::default().insert_header((AUTHORIZATION, "DPoP x"));
        let response = response(&request.to_http_request(), &insufficient);
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        assert_eq!(
            header(&response, "www-authenticate"),
            format!("DPoP realm=\"keyward\", error=\"insufficient_scope\", scope=\"a\", {algs}")
        );
    }

    #[test]
    fn retry_after_is_rounded_up_to_whole_seconds() {
        for (millis, expected) in [(1, "1"), (1000, "1"), (1001, "2"), (59_999, "60")] {
            let error = Error::too_many_requests("Wait", Duration::from_millis(millis));
            let request = TestRequest::default().to_http_request();
            let response = response(&request, &error);
            assert_eq!(header(&response, "retry-after"), expected, "{millis} ms");
        }
    }

    #[test]
    fn an_error_description_is_printable_ascii_without_quotes_and_backslashes() {
        for (text, expected) in [
            ("All good here!", "All good here!"),
            ("the scope \"a\"", "the scope 'a'"),
            ("back\\slash", "back'slash"),
            ("é\n\t\u{7f}", "''''"),
        ] {
            assert_eq!(error_description(text), expected);
        }
    }
}
