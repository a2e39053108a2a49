//! The requests and responses of the protocol's endpoints, for `/openapi.json` alone. The endpoints
//! themselves read and write them as their RFCs say.
#![expect(dead_code, reason = "described, never constructed")]

use schemars::JsonSchema;
use serde_json::Value;

use crate::store::security_profile::SecurityProfile;

/// A token request (RFC 6749 section 4.4.2, RFC 8707, RFC 7523, RFC 8693).
#[derive(JsonSchema)]
pub(super) struct TokenRequest {
    #[schemars(extend("examples" = ["client_credentials"]))]
    grant_type: String,
    scope: Option<String>,
    /// The identifier of a resource server. May be repeated.
    resource: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
    client_assertion: Option<String>,
    client_assertion_type: Option<String>,
    /// A JWT of another issuer, for the jwt-bearer grant.
    assertion: Option<String>,
    /// The API key, or the JWT of another issuer, to exchange, for the token exchange grant.
    subject_token: Option<String>,
    subject_token_type: Option<String>,
}

/// An introspection or revocation request (RFC 7662 section 2.1, RFC 7009 section 2.1).
#[derive(JsonSchema)]
pub(super) struct TokenForm {
    /// An access token or an API key.
    token: String,
    token_type_hint: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
    client_assertion: Option<String>,
    client_assertion_type: Option<String>,
}

/// What forward authentication requires of the credential.
#[derive(JsonSchema)]
pub(super) struct RequiredAccess {
    /// A scope that the credential must have. May be repeated; all of them are required.
    scope: Option<String>,
    /// A resource server that the credential must be for. May be repeated; one of them is enough.
    audience: Option<String>,
}

/// Client metadata (RFC 7591 section 2).
#[derive(JsonSchema)]
pub(super) struct ClientMetadata {
    client_id: Option<String>,
    client_name: Option<String>,
    token_endpoint_auth_method: Option<String>,
    grant_types: Option<Vec<String>>,
    scope: Option<String>,
    resources: Option<Vec<String>>,
    jwks: Option<Value>,
    jwks_uri: Option<String>,
    /// Whether the client always sends a DPoP proof (RFC 9449 section 5.2).
    dpop_bound_access_tokens: Option<bool>,
    /// The security profile that the client follows. It can be set here, and is removed by
    /// management alone.
    profile: Option<SecurityProfile>,
    contacts: Option<Vec<String>>,
}

/// A client information response (RFC 7591 section 3.2.1).
#[derive(JsonSchema)]
pub(super) struct ClientInformation {
    client_id: String,
    client_secret: Option<String>,
    client_id_issued_at: i64,
    client_secret_expires_at: Option<i64>,
    registration_access_token: String,
    registration_client_uri: String,
    #[schemars(flatten)]
    metadata: ClientMetadata,
}

/// A JWK Set (RFC 7517 section 5).
#[derive(JsonSchema)]
pub(super) struct JwkSet {
    keys: Vec<Value>,
}

/// The health of the server.
#[derive(JsonSchema)]
pub(super) struct Health {
    status: String,
    /// Problems that do not keep the server from serving.
    #[serde(skip_serializing_if = "Option::is_none")]
    warnings: Option<Vec<String>>,
}

/// An OpenAPI document.
#[derive(JsonSchema)]
pub(super) struct Document {
    openapi: String,
}
