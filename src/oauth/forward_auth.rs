//! Forward authentication: a proxy asks whether to let a request through, and for which client.

use super::AuthorizationServer;
use super::authorization_header::AuthorizationHeader;
use super::dpop::{DpopHeader, DpopRequest, Target};
use super::failures::FailureTarget;
use super::possession::Possession;
use super::reason::{Reason, Rejection};
use super::token::presented::{self, ActiveToken, Presentation};
use crate::clock::Timestamp;
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
    /// What the proxy requires of the token or API key.
    pub required: RequiredAccess,
    /// The context of the proxy's request.
    pub context: RequestContext,
}

/// What a proxy requires of the token or API key of a request.
pub struct RequiredAccess {
    /// The scope that it must have.
    pub scope: Scope,
    /// The resource servers of which one must be in the audience; if empty, any audience is
    /// accepted.
    pub audiences: Vec<String>,
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

impl Identity {
    fn of(token: &ActiveToken) -> Self {
        let client = token.client();
        Identity {
            client_id: client.client_id.clone(),
            account: client.account_id.clone(),
            scope: token.scope().into_owned(),
            token_id: token.id(),
            next_nonce: token.next_nonce().map(str::to_owned),
        }
    }
}

/// Why a token or API key does not let a request through.
pub enum Refusal {
    /// It is not active, its sender does not prove possession, or that could not be determined.
    Inactive(Rejection),
    /// Its client is no longer allowed any of its resource servers.
    NoAudience(Error),
    /// It is active, but not for this request.
    NotAllowed {
        /// The token or API key.
        token: ActiveToken,
        /// The reason, for the owner of the client.
        reason: Reason,
        /// The error to answer with.
        error: Error,
    },
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
    let now = context.received_at;
    match verify(server, presented, presentation, &request.required, now).await {
        Ok((token, identity)) => {
            server.usage.count_verification(token.client(), now);
            Ok(identity)
        }
        Err(Refusal::Inactive(rejection)) => {
            Err(presented::refuse(server, context, presented, rejection, inactive()).await)
        }
        Err(Refusal::NoAudience(error)) => Err(error),
        Err(Refusal::NotAllowed {
            token,
            reason,
            error,
        }) => {
            let id = token.id();
            let target = match &token {
                ActiveToken::AccessToken(_) => FailureTarget::Token(&id),
                ActiveToken::ApiKey(_) => FailureTarget::ApiKey(&id),
            };
            server.record_refused_verification(context, token.client(), target, &reason);
            Err(error.detail(reason.to_string()))
        }
    }
}

/// Whether a token or API key lets a request through that requires this access. Nothing is counted
/// or recorded here but the use of an API key, as its presentation says.
///
/// # Errors
/// [`Refusal`].
pub async fn verify(
    server: &AuthorizationServer,
    presented: &str,
    presentation: Presentation<'_>,
    required: &RequiredAccess,
    now: Timestamp,
) -> Result<(ActiveToken, Identity), Refusal> {
    let token = presented::resolve(server, presented, presentation, now)
        .await
        .map_err(Refusal::Inactive)?;
    let Some(audience) = token.audience(&server.issuer) else {
        let error = wrong_audience()
            .detail("the client is no longer allowed any of the token's resource servers");
        return Err(Refusal::NoAudience(error));
    };
    let audiences = &required.audiences;
    if !audiences.is_empty()
        && !audience
            .iter()
            .any(|one| audiences.iter().any(|r| r == one))
    {
        drop(audience);
        return Err(Refusal::NotAllowed {
            reason: Reason::wrong_resource_server(&audiences.join(" ")),
            error: wrong_audience(),
            token,
        });
    }
    drop(audience);
    let identity = Identity::of(&token);
    let scope = required.scope.as_str();
    if !identity.scope.covers(scope) {
        return Err(Refusal::NotAllowed {
            reason: Reason::insufficient_scope(scope),
            error: Error::insufficient_scope(scope),
            token,
        });
    }
    Ok((token, identity))
}

/// The error for a token or API key that is not active.
pub fn inactive() -> Error {
    invalid_token("The token or API key is not active")
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
