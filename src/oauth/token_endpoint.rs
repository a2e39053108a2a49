//! The token endpoint (RFC 6749 section 3.2), with DPoP (RFC 9449 section 5).

use super::dpop::{self, DpopHeader, DpopRequest, Target, VerifiedProof};
use super::grant::{
    self, Grant, GrantType, PermittedGrantType, client_credentials, jwt_bearer, token_exchange,
};
use super::issuance::{self, TokenResponse};
use super::reason::{Reason, Rejection};
use super::{AuthorizationServer, FormRequest, client_auth};
use crate::error::{Code, Error};
use crate::store::security_profile::SecurityProfile;

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
    let mut grant = authorize(server, request, grant_type).await?;
    let proof = bind(server, request, dpop, &mut grant).await?;
    jwt_bearer::complete(server, request, &grant).await?;
    Ok(IssuedToken {
        response: issuance::issue(server, grant, now).await?,
        next_nonce: proof.and_then(|proof| dpop::next_nonce(server, &proof, now)),
    })
}

/// Binds the token to the key of the DPoP proof, and marks the proof as used. A client that is
/// registered with `dpop_bound_access_tokens` must send one (RFC 9449 section 5.2), and so must one
/// whose security profile requires bound tokens.
async fn bind(
    server: &AuthorizationServer,
    request: &FormRequest,
    dpop: &DpopHeader,
    grant: &mut Grant,
) -> Result<Option<VerifiedProof>, Error> {
    let client = grant.client();
    let profile = server.security_profile(client);
    let must_bind = client.dpop_bound_access_tokens || profile.requires_bound_tokens();
    if *dpop == DpopHeader::Absent && !must_bind {
        return Ok(None);
    }
    let checked = match dpop {
        DpopHeader::Absent if profile.requires_bound_tokens() => Err(unbound(profile)),
        _ => check_proof(server, request, dpop).await,
    };
    match checked {
        Ok(proof) => {
            grant.bind(proof.binding().clone());
            Ok(Some(proof))
        }
        Err(Rejection::Unproven(unproven)) => {
            let target = grant.api_key_id().unwrap_or(&client.client_id);
            let reason: &Reason = &unproven.reason;
            server.record_refused_token(&request.context, client, target, reason);
            Err(unproven.refusal.detail(reason.to_string()))
        }
        Err(Rejection::Error(error)) => Err(error),
        Err(Rejection::Inactive(reason)) => Err(Error::server_error(reason.to_string())),
    }
}

/// The rejection of a request without proof where the security profile requires a bound token.
fn unbound(profile: SecurityProfile) -> Rejection {
    let refusal = Error::new(
        Code::InvalidDpopProof,
        "This client gets only tokens that are bound to a key: a DPoP proof is required",
    );
    Rejection::unproven(
        Reason::profile_unbound(profile.as_str()),
        refusal.dpop_challenge(None),
    )
}

/// Checks the DPoP proof of a token request, and that it was not used before.
async fn check_proof(
    server: &AuthorizationServer,
    request: &FormRequest,
    header: &DpopHeader,
) -> Result<VerifiedProof, Rejection> {
    let target = Target {
        method: "POST".to_owned(),
        url: server.issuer.endpoint("/oauth/token"),
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
                    let target = &client.client_id;
                    server.record_refused_grant(&request.context, client, target, refused);
                })
        }
        GrantType::TokenExchange => {
            let subject = token_exchange::authenticate(server, request).await?;
            let client = subject.client();
            PermittedGrantType::check(client, grant_type)
                .and_then(|permitted| token_exchange::grant(permitted, &subject, parameters))
                .inspect_err(|refused| {
                    let target = subject.id();
                    server.record_refused_grant(&request.context, client, target, refused);
                })
        }
        GrantType::JwtBearer => {
            let workload = jwt_bearer::authenticate(server, request).await?;
            let client = workload.client();
            PermittedGrantType::check(client, grant_type)
                .and_then(|permitted| jwt_bearer::grant(permitted, &workload, None, parameters))
                .inspect_err(|refused| {
                    let target = &client.client_id;
                    server.record_refused_grant(&request.context, client, target, refused);
                })
        }
    }
}
