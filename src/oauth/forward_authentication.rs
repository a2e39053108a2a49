//! Forward authentication: a proxy asks whether to let a request through, and as whom.

use std::sync::Arc;

use super::authorization::Authorization;
use super::failure::Reason;
use super::{AuthorizationServer, access_token, api_key};
use crate::cache::ClientEntry;
use crate::error::{Code, Error};
use crate::metrics::Decision;
use crate::oauth::access_token::{Audience, NotInForce};
use crate::request_context::RequestContext;
use crate::scope::Scope;

/// What a proxy asks.
pub struct Request {
    /// The `Authorization` header of the request that it holds.
    pub authorization: Option<String>,
    /// Everything that it must be allowed to do.
    pub scope: Scope,
    /// One of these it must be meant for; anything where there is none.
    pub audiences: Vec<String>,
    /// Whence and when it came.
    pub context: RequestContext,
}

/// As whom the request may pass.
pub struct Identity {
    /// The client.
    pub client_id: String,
    /// Whose it is.
    pub account: String,
    /// What it may.
    pub scope: Scope,
    /// The `jti` of the token, or the id of the key.
    pub token_id: String,
}

/// Decides on a request.
///
/// # Errors
/// `invalid_token` (RFC 6750 section 3.1) if no credential is active or it is for another resource server;
/// `insufficient_scope` if it has less than what is asked.
pub async fn authenticate(
    server: &AuthorizationServer,
    request: &Request,
) -> Result<Identity, Error> {
    let decided = decide(server, request).await;
    server.usage.metrics.count_decision(match &decided {
        Ok(_) => Decision::Allowed,
        Err(error) if error.code() == Code::InvalidToken => Decision::Unauthenticated,
        Err(error) if error.code() == Code::InsufficientScope => Decision::InsufficientScope,
        Err(_) => Decision::Error,
    });
    decided
}

async fn decide(server: &AuthorizationServer, request: &Request) -> Result<Identity, Error> {
    let header = request
        .authorization
        .as_deref()
        .and_then(Authorization::parse);
    let Some(token) = header.as_ref().and_then(Authorization::token) else {
        return Err(Error::new(
            Code::InvalidToken,
            "There is no token and no API key in the request",
        ));
    };
    let found = server
        .cache
        .under_lease(async || find(server, token, request).await)
        .await?;
    let (identity, audience, client) = match found {
        Ok(found) => found,
        Err(NotInForce(reason)) => {
            let refusal = Error::new(Code::InvalidToken, "The token or API key is not active");
            return Err(server
                .failed_bearer(&request.context, token, &reason, refusal)
                .await);
        }
    };
    let client = &client.client;
    let refused = |reason, error: Error| {
        server.note_refused_verification(&request.context, client, &identity.token_id, &reason);
        error.detail(reason.to_string())
    };
    if !request.audiences.is_empty()
        && !audience
            .iter()
            .any(|one| request.audiences.iter().any(|wanted| wanted == one))
    {
        let error = Error::new(
            Code::InvalidToken,
            "The token or API key is not meant for this resource server",
        );
        return Err(refused(
            Reason::wrong_resource_server(&request.audiences.join(" ")),
            error,
        ));
    }
    if !request.scope.is_subset(&identity.scope) {
        let error = Error::insufficient_scope(request.scope.as_str());
        return Err(refused(
            Reason::insufficient_scope(request.scope.as_str()),
            error,
        ));
    }
    server
        .usage
        .count_verification(client, request.context.received_at);
    Ok(identity)
}

async fn find(
    server: &AuthorizationServer,
    token: &str,
    request: &Request,
) -> Result<Result<(Identity, Audience, Arc<ClientEntry>), NotInForce>, Error> {
    if token.starts_with("kwk_") {
        let found = match api_key::find(
            server,
            token,
            Some(request.context.client_ip),
            request.context.received_at,
        )
        .await?
        {
            Ok(found) => found,
            Err(reason) => return Ok(Err(reason)),
        };
        let client = &found.client.client;
        let identity = Identity {
            client_id: client.client_id.clone(),
            account: client.account_id.clone(),
            scope: found.scope(),
            token_id: found.key.key.id.clone(),
        };
        let audience = Audience::of(&client.resources, server.issuer.as_str());
        return Ok(Ok((identity, audience, found.client)));
    }
    let verified = match access_token::verify(server, token, request.context.received_at).await? {
        Ok(verified) => verified,
        Err(reason) => return Ok(Err(reason)),
    };
    let claims = &verified.claims;
    let client = match access_token::in_force(server, claims, request.context.received_at).await? {
        Ok(client) => client,
        Err(reason) => return Ok(Err(reason)),
    };
    let Some(audience) = claims.remaining_audience(&client.client) else {
        return Err(Error::new(
            Code::InvalidToken,
            "The token or API key is not meant for this resource server",
        )
        .detail("the client may use none of the token's resource servers any more"));
    };
    let identity = Identity {
        client_id: claims.client_id.clone(),
        account: client.client.account_id.clone(),
        scope: claims
            .remaining_scope(&client.client)
            .parse()
            .map_err(|_| Error::server_error("an issued scope is unreadable"))?,
        token_id: claims.jti.to_string(),
    };
    Ok(Ok((identity, audience.into_owned(), client)))
}
