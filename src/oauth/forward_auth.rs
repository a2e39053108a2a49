//! Forward authentication: a proxy asks whether to let a request through, and for which client.

use super::AuthorizationServer;
use super::authorization_header::AuthorizationHeader;
use super::dpop::{DpopHeader, DpopRequest, Target};
use super::failures::FailureTarget;
use super::possession::Possession;
use super::reason::Reason;
use super::token::presented::{self, ActiveToken, Presentation};
use crate::error::{Code, Error};
use crate::metrics::Decision;
use crate::request_context::RequestContext;
use crate::scope::Scope;

/// The question of a proxy.
pub struct ForwardAuthRequest {
    /// The `Authorization` header of the request that the proxy holds.
    pub authorization: Option<String>,
    /// The `DPoP` header of the request that the proxy holds.
    pub dpop: DpopHeader,
    /// The method and the URL of the request that the proxy holds; if the proxy does not say, what
    /// is missing. Needed only for DPoP.
    pub original: Result<Target, String>,
    /// The scope that the token or API key must have.
    pub scope: Scope,
    /// The resource servers of which one must be in the audience; if empty, any audience is
    /// accepted.
    pub audiences: Vec<String>,
    /// The context of the proxy's request.
    pub context: RequestContext,
}

/// The client for which the request is let through.
pub struct Identity {
    /// The client id.
    pub client_id: String,
    /// The id of the client's account.
    pub account: String,
    /// The scope of the token or API key.
    pub scope: Scope,
    /// The `jti` of the token, or the id of the API key.
    pub token_id: String,
    /// The nonce that the client must use in its next DPoP proof, if it should change.
    pub next_nonce: Option<String>,
}

/// Decides on a request.
///
/// # Errors
/// `invalid_token` (RFC 6750 section 3.1) if there is no active token or API key, or if it is for
/// another resource server; `invalid_dpop_proof` or `use_dpop_nonce` (RFC 9449 section 7.1) if its
/// DPoP proof is not valid; `insufficient_scope` if its scope does not cover the required one.
pub async fn authenticate(
    server: &AuthorizationServer,
    request: &ForwardAuthRequest,
) -> Result<Identity, Error> {
    let decided = decide(server, request).await;
    server.usage.metrics.count_decision(match &decided {
        Ok(_) => Decision::Allowed,
        Err(error) => match error.code() {
            Code::InvalidToken | Code::InvalidDpopProof | Code::UseDpopNonce => {
                Decision::Unauthenticated
            }
            Code::InsufficientScope => Decision::InsufficientScope,
            _ => Decision::Error,
        },
    });
    decided
}

async fn decide(
    server: &AuthorizationServer,
    request: &ForwardAuthRequest,
) -> Result<Identity, Error> {
    let context = &request.context;
    let header = request
        .authorization
        .as_deref()
        .and_then(AuthorizationHeader::parse);
    let Some((presented, possession)) = header
        .as_ref()
        .and_then(|header| presented_with(header, request))
    else {
        return Err(invalid_token("The request has no token and no API key"));
    };
    let presentation = Presentation::by_sender(context, possession);
    let resolved = presented::resolve(server, presented, presentation, context.received_at).await;
    let token = match resolved {
        Ok(token) => token,
        Err(rejection) => {
            let refusal = invalid_token("The token or API key is not active");
            return Err(presented::refuse(server, context, presented, rejection, refusal).await);
        }
    };
    let client = token.client();
    let Some(audience) = token.audience(&server.issuer) else {
        return Err(wrong_audience()
            .detail("the client is no longer allowed any of the token's resource servers"));
    };
    let identity = Identity {
        client_id: client.client_id.clone(),
        account: client.account_id.clone(),
        scope: token.scope().into_owned(),
        token_id: token.id(),
        next_nonce: token.next_nonce().map(str::to_owned),
    };
    let refuse = |reason: Reason, error: Error| {
        let target = match &token {
            ActiveToken::AccessToken(_) => FailureTarget::Token(&identity.token_id),
            ActiveToken::ApiKey(_) => FailureTarget::ApiKey(&identity.token_id),
        };
        server.record_refused_verification(context, client, target, &reason);
        error.detail(reason.to_string())
    };
    let required = &request.audiences;
    if !required.is_empty() && !audience.iter().any(|one| required.iter().any(|r| r == one)) {
        let reason = Reason::wrong_resource_server(&required.join(" "));
        return Err(refuse(reason, wrong_audience()));
    }
    if !identity.scope.covers(request.scope.as_str()) {
        let reason = Reason::insufficient_scope(request.scope.as_str());
        let error = Error::insufficient_scope(request.scope.as_str());
        return Err(refuse(reason, error));
    }
    server.usage.count_verification(client, context.received_at);
    Ok(identity)
}

/// The token or API key of a request, with what its sender shows of the key that it is bound to.
fn presented_with<'a>(
    header: &'a AuthorizationHeader,
    request: &'a ForwardAuthRequest,
) -> Option<(&'a str, Possession<'a>)> {
    if let Some(token) = header.dpop() {
        let proof = DpopRequest {
            header: &request.dpop,
            target: request.original.as_ref().map_err(String::as_str),
            access_token: Some(token),
        };
        return Some((token, Possession::Dpop(proof)));
    }
    let presented = header.token()?;
    // The certificate of the connection itself is that of the proxy.
    let certificate = request.context.client_certificate.if_forwarded();
    Some((presented, Possession::Bearer(certificate)))
}

fn invalid_token(description: &'static str) -> Error {
    Error::new(Code::InvalidToken, description)
}

fn wrong_audience() -> Error {
    invalid_token("The token or API key is not for this resource server")
}
