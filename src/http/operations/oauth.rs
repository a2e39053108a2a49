//! The OAuth endpoints, with dynamic client registration.

use super::super::oauth::SIGNED_INTROSPECTION;
use super::super::operation::Operation as Op;
use super::super::{oauth, schemas};
use crate::oauth::introspection::Introspection;
use crate::oauth::issuance::TokenResponse;
use crate::oauth::usage::TimedRoute;

pub(super) fn endpoints() -> Vec<Op> {
    vec![
        Op::post(
            "/oauth/token",
            "getToken",
            "Get an access token",
            oauth::token,
        )
        .form::<schemas::TokenRequest>()
        .returns::<TokenResponse>(200, "The access token")
        .note("A DPoP proof in the header DPoP binds the token to its key (RFC 9449).")
        .by_client()
        .timed(TimedRoute::Token),
        Op::post(
            "/oauth/introspect",
            "introspect",
            "Introspect an access token or an API key",
            oauth::introspect,
        )
        .form::<schemas::TokenForm>()
        .returns::<Introspection>(200, "Whether it is active, and its metadata")
        .returns_as::<String>(
            200,
            "The same as the claim `token_introspection` of a signed JWT (RFC 9701)",
            SIGNED_INTROSPECTION,
        )
        .note(
            "With `Accept: application/token-introspection+jwt` the response is a signed JWT \
             (RFC 9701), of which `token_introspection` is the JSON response.",
        )
        .by_client()
        .errors(&[403])
        .timed(TimedRoute::Introspection),
        Op::post(
            "/oauth/revoke",
            "revoke",
            "Revoke an access token or an API key",
            oauth::revoke,
        )
        .form::<schemas::TokenForm>()
        .returns_empty(200, "Revoked, or was not active")
        .by_client(),
        Op::get(
            "/oauth/authorize",
            "authorize",
            "Authorization endpoint; no response type is supported",
            oauth::authorize,
        )
        .oauth_errors(&[400]),
        Op::post(
            "/oauth/authorize",
            "authorizeByPost",
            "Authorization endpoint; no response type is supported",
            oauth::authorize,
        )
        .oauth_errors(&[400]),
    ]
}

pub(super) fn registration() -> Vec<Op> {
    vec![
        Op::post(
            "/oauth/register",
            "register",
            "Register a client",
            oauth::register,
        )
        .json::<schemas::ClientMetadata>()
        .returns::<schemas::ClientInformation>(
            201,
            "The client; its secret is shown in this response only",
        )
        .by_registration_token()
        .errors(&[403]),
        Op::get(
            "/oauth/register/{client_id}",
            "readRegistration",
            "Read a registration",
            oauth::read_registration,
        )
        .returns::<schemas::ClientInformation>(200, "The client")
        .by_registration_token(),
        Op::put(
            "/oauth/register/{client_id}",
            "updateRegistration",
            "Replace a registration",
            oauth::update_registration,
        )
        .json::<schemas::ClientMetadata>()
        .returns::<schemas::ClientInformation>(200, "The client")
        .by_registration_token(),
        Op::delete(
            "/oauth/register/{client_id}",
            "deleteRegistration",
            "Delete a client that registered itself",
            oauth::delete_registration,
        )
        .returns_empty(204, "Deleted")
        .by_registration_token(),
    ]
}
