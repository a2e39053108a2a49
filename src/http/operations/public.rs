//! What anybody can read, and what proxies and monitoring ask for.

use super::super::operation::Operation as Op;
use super::super::{documents, health, metrics, schemas, verify, well_known};
use crate::oauth::server_metadata::ServerMetadata;

pub(super) fn operations() -> Vec<Op> {
    vec![
        Op::get(
            "/.well-known/jwks.json",
            "publishedKeys",
            "Get the public keys that verify access tokens",
            well_known::jwks,
        )
        .returns_as::<schemas::JwkSet>(200, "A JWK Set", "application/jwk-set+json")
        .returns_empty(304, "Not modified")
        .any_origin(),
        Op::get(
            "/.well-known/oauth-authorization-server",
            "metadata",
            "Get the authorization server metadata (RFC 8414)",
            well_known::metadata,
        )
        .returns::<ServerMetadata>(200, "The metadata")
        .any_origin(),
        Op::get(
            "/.well-known/openid-configuration",
            "openidConfiguration",
            "Get the same metadata at the path of OpenID Connect Discovery",
            well_known::metadata,
        )
        .returns::<ServerMetadata>(200, "The metadata")
        .any_origin(),
        // A reverse proxy sends its subrequest with the method of the original request.
        Op::any_method(
            "/verify",
            "verify",
            "Authenticate a request for a proxy (forward authentication)",
            verify::verify,
        )
        .query::<schemas::RequiredAccess>()
        .returns_empty(
            200,
            "Allowed. X-Keyward-Client-Id, X-Keyward-Account, X-Keyward-Scope and \
             X-Keyward-Token-Id describe the credential. A scope of more than 2,048 bytes is \
             narrowed to the required scope, and X-Keyward-Scope-Truncated is true",
        )
        .note(
            "For a token that is bound by DPoP (RFC 9449), a trusted proxy forwards the header DPoP, and \
             names the request by X-Original-Method and X-Original-URL, or by X-Forwarded-Method, \
             X-Forwarded-Proto, X-Forwarded-Host and X-Forwarded-Uri.",
        )
        .errors(&[400, 401, 403, 429, 503]),
        Op::get("/healthz", "healthz", "Check liveness", health::healthz)
            .returns::<schemas::Health>(200, "Alive"),
        Op::get("/readyz", "readyz", "Check readiness", health::readyz)
            .returns::<schemas::Health>(200, "Ready to serve")
            .errors(&[503]),
        Op::get(
            "/metrics",
            "metrics",
            "Get metrics for Prometheus",
            metrics::metrics,
        )
        .returns_as::<String>(
            200,
            "Metrics in the Prometheus text format, or in OpenMetrics where Accept asks for it",
            "text/plain",
        ),
        Op::get(
            "/openapi.json",
            "openapi",
            "Get this document",
            documents::openapi,
        )
        .returns::<schemas::Document>(200, "An OpenAPI 3.1 document"),
    ]
}
