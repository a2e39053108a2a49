//! The token endpoint (RFC 6749 section 3.2), with DPoP (RFC 9449 section 5) and certificate-bound
//! tokens (RFC 8705 section 3).

use super::binding::Binding;
use super::dpop::{self, DpopHeader, DpopRequest, Target, VerifiedProof};
use super::failures::FailureTarget;
use super::grant::{
    self, Grant, GrantType, PermittedGrantType, client_credentials, jwt_bearer, token_exchange,
};
use super::issuance::{self, TokenResponse};
use super::reason::{Reason, Rejection, Unproven};
use super::{AuthorizationServer, FormRequest, client_auth};
use crate::error::{Code, Error};

/// A successful response.
pub struct IssuedToken {
    /// The body.
    pub response: TokenResponse,
    /// The header `DPoP-Nonce`: the nonce that the client must use from now on (RFC 9449 section
    /// 8.2).
    pub next_nonce: Option<String>,
}

/// Answers a token request: reads the grant type, authenticates, decides on the grant, binds it to
/// the key of the DPoP proof if there is one, marks a JWT that serves once as used, and issues an
/// access token.
///
/// # Errors
/// Those of RFC 6749 section 5.2, RFC 8707 section 2 and RFC 9449 sections 5 and 8.
pub async fn token(
    server: &AuthorizationServer,
    request: &FormRequest,
    dpop: &DpopHeader,
) -> Result<IssuedToken, Error> {
    let now = request.context.received_at;
    let grant_type = grant::requested_grant_type(&request.parameters)?;
    if request.parameters.get("client_assertion").is_some() {
        dpop::require_nonce(server, dpop, now)?;
    }
    let mut grant = authorize(server, request, grant_type).await?;
    let proof = bind(server, request, dpop, &mut grant).await?;
    jwt_bearer::complete(server, request, &grant).await?;
    Ok(IssuedToken {
        response: issuance::issue(server, grant, now).await?,
        next_nonce: proof.and_then(|proof| dpop::next_nonce(server, &proof, now)),
    })
}

/// Binds the token to the key of the DPoP proof, and marks the proof as used; without a proof, to the
/// client certificate. A client that is registered with `dpop_bound_access_tokens` must send a proof
/// (RFC 9449 section 5.2).
async fn bind(
    server: &AuthorizationServer,
    request: &FormRequest,
    dpop: &DpopHeader,
    grant: &mut Grant,
) -> Result<Option<VerifiedProof>, Error> {
    let client = grant.client();
    if *dpop == DpopHeader::Absent && !client.dpop_bound_access_tokens {
        return bind_to_certificate(server, request, grant).map(|()| None);
    }
    if client.tls_client_certificate_bound_access_tokens {
        let reason = Reason::certificate_with_proof();
        let description = "The client is registered for certificate-bound access tokens";
        let refusal = Error::new(Code::InvalidDpopProof, description);
        return Err(refuse(server, request, grant, &reason, refusal));
    }
    match check_proof(server, request, dpop).await {
        Ok(proof) => {
            grant.bind(proof.binding().clone());
            Ok(Some(proof))
        }
        Err(Rejection::Unproven(unproven)) => {
            let Unproven { reason, refusal } = *unproven;
            Err(refuse(server, request, grant, &reason, refusal))
        }
        Err(Rejection::Error(error)) => Err(error),
        Err(Rejection::Inactive(reason)) => Err(Error::server_error(reason.to_string())),
    }
}

/// Records that the token was refused for lack of proof of possession. Returns the error to answer
/// with.
fn refuse(
    server: &AuthorizationServer,
    request: &FormRequest,
    grant: &Grant,
    reason: &Reason,
    refusal: Error,
) -> Error {
    let client = grant.client();
    let target = grant.api_key_id().map_or(
        FailureTarget::Client(&client.client_id),
        FailureTarget::ApiKey,
    );
    server.record_refused_token(&request.context, client, target, reason);
    refusal.detail(reason.to_string())
}

/// Binds the token to the client certificate of the request (RFC 8705 section 3): always for a
/// client that is registered with a certificate, and for one that is registered with
/// `tls_client_certificate_bound_access_tokens`, which must present one. An X.509-SVID does not bind
/// the tokens of other clients: it is renewed before they expire. A security profile that requires
/// bound tokens accepts a certificate in place of a DPoP proof.
fn bind_to_certificate(
    server: &AuthorizationServer,
    request: &FormRequest,
    grant: &mut Grant,
) -> Result<(), Error> {
    let client = grant.client();
    let profile = server.security_profile(client);
    let is_required = client.tls_client_certificate_bound_access_tokens;
    let must_bind = is_required || profile.requires_bound_tokens();
    if !must_bind && !client.auth_method.uses_certificate() {
        return Ok(());
    }
    let reason = match request.context.client_certificate.chain() {
        Ok(Some(chain)) => {
            grant.bind(Binding::Certificate(chain.thumbprint().to_owned()));
            return Ok(());
        }
        // An API key or a JWT of another issuer stands for the client without its certificate.
        Ok(None) if !must_bind => return Ok(()),
        Ok(None) if !is_required => {
            let description = "This client gets only tokens that are bound to a key: a DPoP proof or a client certificate is required";
            let refusal = Error::new(Code::InvalidDpopProof, description).dpop_challenge(None);
            let reason = Reason::profile_unbound(profile.as_str());
            return Err(refuse(server, request, grant, &reason, refusal));
        }
        Ok(None) => Reason::certificate_missing(),
        Err(error) => Reason::certificate_unreadable(&error.to_string()),
    };
    let description = "The client must present a certificate, which its access tokens are bound to";
    let refusal = Error::new(Code::InvalidRequest, description);
    Err(refuse(server, request, grant, &reason, refusal))
}

/// Checks the DPoP proof of a token request, and that it was not used before.
async fn check_proof(
    server: &AuthorizationServer,
    request: &FormRequest,
    header: &DpopHeader,
) -> Result<VerifiedProof, Rejection> {
    let mtls_base_url = server.settings.mtls_base_url.as_ref();
    let target = Target {
        method: "POST".to_owned(),
        url: server.issuer.endpoint("/oauth/token"),
        alias: mtls_base_url.map(|base| base.endpoint("/oauth/token")),
    };
    let dpop = DpopRequest {
        header,
        target: Ok(&target),
        access_token: None,
    };
    let proof = dpop::check(server, &dpop, request.context.received_at)?;
    dpop::claim(server, &proof).await?;
    Ok(proof)
}

/// Authenticates the request as its grant type requires, and decides what is granted.
async fn authorize(
    server: &AuthorizationServer,
    request: &FormRequest,
    grant_type: GrantType,
) -> Result<Grant, Error> {
    let parameters = &request.parameters;
    match grant_type {
        GrantType::ClientCredentials => {
            let caller = client_auth::authenticate(server, request).await?;
            let client = caller.client();
            PermittedGrantType::check(client, grant_type)
                .and_then(|permitted| client_credentials::grant(permitted, &caller, parameters))
                .inspect_err(|refused| {
                    let target = FailureTarget::Client(&client.client_id);
                    server.record_refused_grant(&request.context, client, target, refused);
                })
        }
        GrantType::TokenExchange => {
            let subject = token_exchange::authenticate(server, request).await?;
            let client = subject.client();
            PermittedGrantType::check(client, grant_type)
                .and_then(|permitted| token_exchange::grant(permitted, &subject, parameters))
                .inspect_err(|refused| {
                    let target = subject.failure_target();
                    server.record_refused_grant(&request.context, client, target, refused);
                })
        }
        GrantType::JwtBearer => {
            let workload = jwt_bearer::authenticate(server, request).await?;
            let client = workload.client();
            PermittedGrantType::check(client, grant_type)
                .and_then(|permitted| jwt_bearer::grant(permitted, &workload, None, parameters))
                .inspect_err(|refused| {
                    let target = FailureTarget::Client(&client.client_id);
                    server.record_refused_grant(&request.context, client, target, refused);
                })
        }
    }
}
