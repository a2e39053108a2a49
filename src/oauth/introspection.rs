//! Introspection (RFC 7662) of access tokens and API keys, on request signed (RFC 9701).

use serde::Serialize;

use super::binding::Binding;
use super::client_auth::{self, AuthenticatedClient};
use super::reason::{Reason, Rejection};
use super::signing_keys::{JwtTyp, current_signing_key};
use super::token::access_token::Audience;
use super::token::presented::{self, ActiveToken, Presentation};
use super::{AuthorizationServer, FormRequest};
use crate::cache::ClientEntry;
use crate::clock::Timestamp;
use crate::error::{Code, Error};
use crate::scope::Scope;
use crate::store::client::Client;

/// The introspection response (RFC 7662 section 2.2).
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum Introspection {
    /// `{"active": false}` and nothing else, whatever the reason.
    Inactive {
        /// `false`.
        active: bool,
    },
    /// The token or API key is active, and the caller is in its audience.
    Active(Box<Active>),
}

impl Introspection {
    const INACTIVE: Introspection = Introspection::Inactive { active: false };
}

/// The members of the response for an active token or API key.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Active {
    active: bool,
    #[serde(skip_serializing_if = "Scope::is_empty")]
    #[schemars(with = "String")]
    scope: Scope,
    client_id: String,
    /// `Bearer`, `DPoP` or `api_key`.
    token_type: &'static str,
    iss: String,
    sub: String,
    aud: Audience,
    iat: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    jti: String,
    /// The key that the token is bound to, if any. The resource server must check it (RFC 9449
    /// section 6.2).
    #[serde(skip_serializing_if = "Option::is_none")]
    cnf: Option<Binding>,
}

/// The format of an introspection response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseFormat {
    /// A JSON object (RFC 7662 section 2.2).
    Json,
    /// A signed JWT (RFC 9701 section 5).
    Jwt,
}

/// An introspection response in the requested format.
pub enum IntrospectionResponse {
    /// The JSON object.
    Json(Introspection),
    /// The signed JWT, in compact serialization.
    Jwt(String),
}

/// The claims of a signed introspection response (RFC 9701 section 5). There is no `exp` and no
/// `sub`, and the audience is a client, so that no recipient takes it for an access token.
#[derive(Serialize)]
struct ResponseClaims<'a> {
    iss: &'a str,
    /// The caller.
    aud: &'a str,
    iat: i64,
    token_introspection: &'a Introspection,
}

/// Answers an introspection request.
///
/// # Errors
/// `invalid_client`; `access_denied` if the client is not allowed to introspect; and if it cannot
/// be determined whether the token is active: a database fault is never an inactive token.
pub async fn introspect(
    server: &AuthorizationServer,
    request: &FormRequest,
    format: ResponseFormat,
) -> Result<IntrospectionResponse, Error> {
    let caller = client_auth::authenticate(server, request).await?;
    if !caller.client().may_introspect {
        return Err(Error::new(
            Code::AccessDenied,
            "The client is not allowed to introspect",
        )
        .detail(format!(
            "client {} is not allowed to introspect",
            caller.client_id()
        )));
    }
    // `token_type_hint` is not needed: the prefix tells the kind.
    let token = request.parameters.require("token")?;
    let now = request.context.received_at;
    // The caller is not the one who presented the token, so the sender's IP address and proof are
    // unknown.
    let presentation = Presentation::by_another();
    let found = match find(server, caller.client(), token, presentation, now).await {
        Ok(found) => Ok(found),
        Err(rejection) => Err(rejection.into_reason()?),
    };
    let owner: Option<&Client> = match &found {
        Ok((token, _)) => Some(token.client()),
        Err(_) => None,
    };
    let kind = presented::kind(token);
    server
        .usage
        .count_introspection(caller.client(), owner, kind, now);
    let introspection = match found {
        Ok((_, active)) => Introspection::Active(Box::new(active)),
        Err(reason) => {
            tracing::debug!(client_id = caller.client_id(), %reason, "inactive");
            Introspection::INACTIVE
        }
    };
    Ok(match format {
        ResponseFormat::Json => IntrospectionResponse::Json(introspection),
        ResponseFormat::Jwt => {
            IntrospectionResponse::Jwt(sign(server, &caller, &introspection, now).await?)
        }
    })
}

/// Signs a response for the caller, with the algorithm of the resource servers that introspect with
/// it, if they have the same, and with RS256 otherwise; with ES256 if the caller's security profile
/// does not allow that.
async fn sign(
    server: &AuthorizationServer,
    caller: &AuthenticatedClient,
    introspection: &Introspection,
    now: Timestamp,
) -> Result<String, Error> {
    let claims = ResponseClaims {
        iss: server.issuer.as_str(),
        aud: caller.client_id(),
        iat: now.seconds(),
        token_introspection: introspection,
    };
    let payload =
        serde_json::to_vec(&claims).map_err(|error| Error::server_error(error.to_string()))?;
    let profile = server.security_profile(caller.client());
    let algorithm = profile.signing_algorithm(caller.client().introspection_algorithm);
    let key = current_signing_key(server, algorithm, now).await?;
    server
        .signing_keys
        .sign(key, JwtTyp::TokenIntrospection, payload)
        .await
}

/// Resolves the token, and checks that the caller is in its audience.
///
/// # Errors
/// As [`presented::resolve`]; [`Rejection::Inactive`] if the token is not for the caller.
pub async fn find(
    server: &AuthorizationServer,
    caller: &ClientEntry,
    presented: &str,
    presentation: Presentation<'_>,
    now: Timestamp,
) -> Result<(ActiveToken, Active), Rejection> {
    let token = presented::resolve(server, presented, presentation, now).await?;
    let audience = token
        .audience(&server.issuer)
        .ok_or_else(Reason::not_for_caller)?;
    let is_for_caller = audience
        .iter()
        .any(|audience| is_audience_of(server, caller, audience));
    if !is_for_caller {
        return Err(Reason::not_for_caller().into());
    }
    let active = response(server, &token, audience.into_owned());
    Ok((token, active))
}

/// Whether a token for `audience` may be shown to the caller. A resource server sees the tokens for
/// itself. Another client that is allowed to introspect sees those for the resource servers that it
/// may use; if it has none, those for the issuer.
fn is_audience_of(server: &AuthorizationServer, caller: &ClientEntry, audience: &str) -> bool {
    let own = &caller.resource_servers;
    let usable = &caller.resources;
    if own.is_empty() && usable.is_empty() {
        return audience == server.issuer.as_str();
    }
    own.iter().any(|identifier| identifier == audience) || usable.contains(audience)
}

fn response(server: &AuthorizationServer, token: &ActiveToken, aud: Audience) -> Active {
    let client_id = &token.client().client_id;
    let (sub, cnf, token_type) = match token {
        ActiveToken::AccessToken(token) => {
            let cnf = token.claims.cnf.as_ref();
            (&token.claims.sub, cnf, Binding::token_type(cnf))
        }
        ActiveToken::ApiKey(_) => (client_id, None, "api_key"),
    };
    Active {
        active: true,
        scope: token.scope().into_owned(),
        client_id: client_id.clone(),
        token_type,
        iss: server.issuer.as_str().to_owned(),
        sub: sub.clone(),
        aud,
        iat: token.issued_at().seconds(),
        exp: token.expires_at().map(Timestamp::seconds),
        jti: token.id(),
        cnf: cnf.cloned(),
    }
}
