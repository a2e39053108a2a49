//! The shapes of what the protocol's endpoints read and answer, for `/openapi.json` alone: they are
//! read where the RFC is obeyed.
#![expect(dead_code, reason = "described, never made")]

use schemars::JsonSchema;
use serde_json::Value;

/// RFC 6749 section 4.4.2, RFC 8707, RFC 7523, RFC 8693.
#[derive(JsonSchema)]
pub struct Token {
    #[schemars(extend("examples" = ["client_credentials"]))]
    grant_type: String,
    scope: Option<String>,
    /// May be repeated.
    resource: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
    client_assertion: Option<String>,
    client_assertion_type: Option<String>,
    /// An API key to exchange.
    subject_token: Option<String>,
    subject_token_type: Option<String>,
}

/// RFC 7662 section 2.1, RFC 7009 section 2.1.
#[derive(JsonSchema)]
pub struct Presented {
    token: String,
    token_type_hint: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
    client_assertion: Option<String>,
    client_assertion_type: Option<String>,
}

/// What a request must be allowed to do, and for whom it must be meant.
#[derive(JsonSchema)]
pub struct Needed {
    /// May be repeated; all of it is needed.
    scope: Option<String>,
    /// May be repeated; one of them is enough.
    audience: Option<String>,
}

/// RFC 7591 section 2.
#[derive(JsonSchema)]
pub struct ClientMetadata {
    client_id: Option<String>,
    client_name: Option<String>,
    token_endpoint_auth_method: Option<String>,
    grant_types: Option<Vec<String>>,
    scope: Option<String>,
    resources: Option<Vec<String>>,
    jwks: Option<Value>,
    jwks_uri: Option<String>,
    contacts: Option<Vec<String>>,
}

/// RFC 7591 section 3.2.1.
#[derive(JsonSchema)]
pub struct ClientInformation {
    client_id: String,
    client_secret: Option<String>,
    client_id_issued_at: i64,
    client_secret_expires_at: Option<i64>,
    registration_access_token: String,
    registration_client_uri: String,
    #[schemars(flatten)]
    metadata: ClientMetadata,
}

/// RFC 7517 section 5.
#[derive(JsonSchema)]
pub struct KeySet {
    keys: Vec<Value>,
}

/// Alive, or ready.
#[derive(JsonSchema)]
pub struct Health {
    status: String,
    /// What is wrong but does not keep the server from serving.
    #[serde(skip_serializing_if = "Option::is_none")]
    warnings: Option<Vec<String>>,
}

/// A JSON document.
#[derive(JsonSchema)]
pub struct Document {
    openapi: String,
}
