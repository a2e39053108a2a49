//! Authorization server metadata (RFC 8414).

use serde::Serialize;

use super::AuthorizationServer;
use super::client_auth::{SPIFFE_JWT, SPIFFE_X509};
use super::dpop::proof::ALGORITHMS;
use super::trust::id_jag;
use crate::config::Registration;
use crate::crypto::jws::SignatureAlgorithm;
use crate::store::client::AuthMethod;
use crate::store::grant_type::GrantType;

/// The metadata document (RFC 8414 section 2). The last two members are required by OpenID Connect
/// Discovery, for libraries that only know that document.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[expect(missing_docs, reason = "the names are the RFC's")]
pub struct ServerMetadata {
    pub issuer: String,
    /// Always present, since some libraries refuse a document without it.
    /// `response_types_supported` says that it serves no response type.
    pub authorization_endpoint: String,
    pub token_endpoint: String,
    pub jwks_uri: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registration_endpoint: Option<String>,
    pub introspection_endpoint: String,
    pub revocation_endpoint: String,
    pub grant_types_supported: Vec<&'static str>,
    /// draft-ietf-oauth-identity-assertion-authz-grant: the jwt-bearer grant accepts ID-JAGs.
    pub authorization_grant_profiles_supported: Vec<&'static str>,
    /// The authorization endpoint serves no response type. The member is required, and must not be
    /// an empty array (RFC 8414 sections 2 and 3.2), so it holds the registered response type
    /// `none`.
    pub response_types_supported: Vec<&'static str>,
    pub token_endpoint_auth_methods_supported: Vec<&'static str>,
    pub token_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    pub introspection_endpoint_auth_methods_supported: Vec<&'static str>,
    pub introspection_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    /// RFC 9701 section 7. Encryption is not supported, so its members are absent.
    pub introspection_signing_alg_values_supported: Vec<&'static str>,
    pub revocation_endpoint_auth_methods_supported: Vec<&'static str>,
    pub revocation_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    pub dpop_signing_alg_values_supported: Vec<&'static str>,
    pub subject_types_supported: Vec<&'static str>,
    pub id_token_signing_alg_values_supported: Vec<&'static str>,
    /// RFC 8705 section 3.3.
    pub tls_client_certificate_bound_access_tokens: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtls_endpoint_aliases: Option<MtlsEndpointAliases>,
}

/// The endpoints for clients that present a certificate (RFC 8705 section 5).
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[expect(missing_docs, reason = "the names are the RFC's")]
pub struct MtlsEndpointAliases {
    pub token_endpoint: String,
    pub introspection_endpoint: String,
    pub revocation_endpoint: String,
}

/// The metadata of this server: what its security profile leaves.
pub fn metadata(server: &AuthorizationServer) -> ServerMetadata {
    let endpoint = |path| server.issuer.endpoint(path);
    let mtls_base_url = server.settings.mtls_base_url.as_ref();
    let profile = server.settings.security_profile;
    let mut methods: Vec<_> = server
        .auth_methods()
        .filter(|method| profile.allows_auth_method(*method))
        .map(AuthMethod::as_str)
        .collect();
    if profile.allows_workloads() {
        // A trust rule accepts a JWT-SVID whatever method its client is registered with.
        methods.push(SPIFFE_JWT);
    }
    if server.settings.accepts_client_certificates() {
        // Nor does it matter for an X.509-SVID. The workload has its own key, as every security
        // profile requires.
        methods.push(SPIFFE_X509);
    }
    let algorithms: Vec<_> = SignatureAlgorithm::NAMES
        .into_iter()
        .filter(|(_, algorithm)| profile.allows_algorithm(*algorithm))
        .map(|(name, _)| name)
        .collect();
    let grant_types = GrantType::ALL
        .iter()
        .filter(|grant_type| profile.allows_grant_type(**grant_type))
        .map(|grant_type| grant_type.as_str());
    ServerMetadata {
        issuer: server.issuer.to_string(),
        authorization_endpoint: endpoint("/oauth/authorize"),
        token_endpoint: endpoint("/oauth/token"),
        jwks_uri: endpoint("/.well-known/jwks.json"),
        registration_endpoint: (server.settings.registration != Registration::Off)
            .then(|| endpoint("/oauth/register")),
        introspection_endpoint: endpoint("/oauth/introspect"),
        revocation_endpoint: endpoint("/oauth/revoke"),
        grant_types_supported: grant_types.collect(),
        authorization_grant_profiles_supported: vec![id_jag::PROFILE],
        response_types_supported: vec!["none"],
        token_endpoint_auth_methods_supported: methods.clone(),
        token_endpoint_auth_signing_alg_values_supported: algorithms.clone(),
        introspection_endpoint_auth_methods_supported: methods.clone(),
        introspection_endpoint_auth_signing_alg_values_supported: algorithms.clone(),
        introspection_signing_alg_values_supported: algorithms.clone(),
        revocation_endpoint_auth_methods_supported: methods,
        revocation_endpoint_auth_signing_alg_values_supported: algorithms.clone(),
        dpop_signing_alg_values_supported: ALGORITHMS.to_vec(),
        subject_types_supported: vec!["public"],
        id_token_signing_alg_values_supported: algorithms,
        tls_client_certificate_bound_access_tokens: server.settings.accepts_client_certificates(),
        mtls_endpoint_aliases: mtls_base_url.map(|base| MtlsEndpointAliases {
            token_endpoint: base.endpoint("/oauth/token"),
            introspection_endpoint: base.endpoint("/oauth/introspect"),
            revocation_endpoint: base.endpoint("/oauth/revoke"),
        }),
    }
}
