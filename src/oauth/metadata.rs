//! Authorization server metadata (RFC 8414).

use serde::Serialize;

use super::{AuthorizationServer, token_endpoint};
use crate::config::Registration;
use crate::crypto::jws::SignatureAlgorithm;
use crate::store::client::AuthMethod;

/// RFC 8414 section 2; the last two are what OpenID Connect Discovery asks of a document, for
/// libraries that know only that one.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[expect(missing_docs, reason = "the names are the RFC's")]
pub struct Metadata {
    pub issuer: String,
    /// Always there, since libraries refuse a document without it; `response_types_supported` says what
    /// it serves.
    pub authorization_endpoint: String,
    pub token_endpoint: String,
    pub jwks_uri: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registration_endpoint: Option<String>,
    pub introspection_endpoint: String,
    pub revocation_endpoint: String,
    pub grant_types_supported: Vec<&'static str>,
    /// The authorization endpoint serves none. Yet the member is required, and one without elements must
    /// be left out (RFC 8414 sections 2 and 3.2): `none` is the registered name for nothing.
    pub response_types_supported: Vec<&'static str>,
    pub token_endpoint_auth_methods_supported: Vec<&'static str>,
    pub token_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    pub introspection_endpoint_auth_methods_supported: Vec<&'static str>,
    pub introspection_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    pub revocation_endpoint_auth_methods_supported: Vec<&'static str>,
    pub revocation_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    pub subject_types_supported: Vec<&'static str>,
    pub id_token_signing_alg_values_supported: Vec<&'static str>,
}

/// What this server is and where.
pub fn metadata(server: &AuthorizationServer) -> Metadata {
    let endpoint = |path| server.issuer.endpoint(path);
    let methods: Vec<_> = AuthMethod::ALL.map(AuthMethod::as_str).into();
    let algorithms: Vec<_> = SignatureAlgorithm::NAMES.map(|(name, _)| name).into();
    Metadata {
        issuer: server.issuer.to_string(),
        authorization_endpoint: endpoint("/oauth/authorize"),
        token_endpoint: endpoint("/oauth/token"),
        jwks_uri: endpoint("/.well-known/jwks.json"),
        registration_endpoint: (server.settings.registration != Registration::Off)
            .then(|| endpoint("/oauth/register")),
        introspection_endpoint: endpoint("/oauth/introspect"),
        revocation_endpoint: endpoint("/oauth/revoke"),
        grant_types_supported: token_endpoint::GRANT_TYPES.into(),
        response_types_supported: vec!["none"],
        token_endpoint_auth_methods_supported: methods.clone(),
        token_endpoint_auth_signing_alg_values_supported: algorithms.clone(),
        introspection_endpoint_auth_methods_supported: methods.clone(),
        introspection_endpoint_auth_signing_alg_values_supported: algorithms.clone(),
        revocation_endpoint_auth_methods_supported: methods,
        revocation_endpoint_auth_signing_alg_values_supported: algorithms,
        subject_types_supported: vec!["public"],
        id_token_signing_alg_values_supported: vec!["RS256"],
    }
}
