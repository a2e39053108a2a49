//! Introspection (RFC 7662): of access tokens and of API keys.

use std::sync::Arc;

use serde::Serialize;

use super::access_token::{self, Audience, NotInForce};
use super::client_authentication::{self, AuthenticatedClient};
use super::failure::Reason;
use super::{AuthorizationServer, Request, api_key};
use crate::cache::ClientEntry;
use crate::error::{Code, Error};
use crate::metrics::CredentialKind;
use crate::scope::Scope;
use crate::store::StoreError;

/// RFC 7662 section 2.2.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum Introspection {
    /// `{"active": false}` and nothing else, whatever the reason.
    Inactive {
        /// `false`.
        active: bool,
    },
    /// In force, and meant for the caller.
    Active(Box<Active>),
}

impl Introspection {
    const INACTIVE: Introspection = Introspection::Inactive { active: false };
}

/// What the caller may know of what it was shown.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Active {
    active: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    scope: String,
    client_id: String,
    /// `Bearer` or `api_key`.
    token_type: &'static str,
    iss: String,
    sub: String,
    aud: Audience,
    iat: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    jti: String,
}

/// Answers an introspection request.
///
/// # Errors
/// `invalid_client`, or that the caller may not introspect; and where it could not be found out: a
/// fault of the database is never an inactive token.
pub async fn introspect(
    server: &AuthorizationServer,
    request: &Request,
) -> Result<Introspection, Error> {
    let caller = client_authentication::authenticate(server, request).await?;
    if !caller.entry().client.may_introspect {
        return Err(
            Error::new(Code::AccessDenied, "The client may not introspect")
                .detail(format!("client {} may not introspect", caller.client_id())),
        );
    }
    // `token_type_hint` is only a hint: a token tells by itself what it is.
    let token = request.parameters.require("token")?;
    let found = server
        .cache
        .under_lease(async || find(server, &caller, token, request).await)
        .await?;
    let whose = found.as_ref().ok().map(|(_, client)| &client.client);
    let kind = if token.starts_with("kwk_") {
        CredentialKind::ApiKey
    } else {
        CredentialKind::AccessToken
    };
    server.usage.count_introspection(
        &caller.entry().client,
        whose,
        kind,
        request.context.received_at,
    );
    match found {
        Ok((active, _)) => Ok(Introspection::Active(Box::new(active))),
        Err(NotInForce(reason)) => {
            tracing::debug!(caller = caller.client_id(), %reason, "inactive");
            Ok(Introspection::INACTIVE)
        }
    }
}

/// What the caller may know, and of which client.
async fn find(
    server: &AuthorizationServer,
    caller: &AuthenticatedClient,
    token: &str,
    request: &Request,
) -> Result<Result<(Active, Arc<ClientEntry>), NotInForce>, StoreError> {
    let (active, client) = if token.starts_with("kwk_") {
        match api_key::find(server, token, None, request.context.received_at).await? {
            Ok(found) => (of_api_key(server, &found), found.client),
            Err(reason) => return Ok(Err(reason)),
        }
    } else {
        let verified =
            match access_token::verify(server, token, request.context.received_at).await? {
                Ok(verified) => verified,
                Err(reason) => return Ok(Err(reason)),
            };
        let client =
            match access_token::in_force(server, &verified.claims, request.context.received_at)
                .await?
            {
                Ok(client) => client,
                Err(reason) => return Ok(Err(reason)),
            };
        let Some(audience) = verified.claims.remaining_audience(&client.client) else {
            return Ok(Err(NotInForce(Reason::not_for_caller())));
        };
        let scope = verified.claims.remaining_scope(&client.client);
        (
            of_claims(&verified.claims, scope.into_owned(), audience.into_owned()),
            client,
        )
    };
    let meant = active
        .aud
        .iter()
        .any(|audience| may_see(server, caller, audience));
    Ok(if meant {
        Ok((active, client))
    } else {
        Err(NotInForce(Reason::not_for_caller()))
    })
}

/// A resource server sees what is meant for it; another client with the right to introspect, what is
/// meant for the resource servers that it may use; one that has none, what is meant for the issuer.
fn may_see(server: &AuthorizationServer, caller: &AuthenticatedClient, audience: &str) -> bool {
    let entry = caller.entry();
    let own = &entry.resource_servers;
    let used = &entry.client.resources;
    if own.is_empty() && used.is_empty() {
        return audience == server.issuer.as_str();
    }
    own.iter().any(|identifier| identifier == audience) || used.contains(audience)
}

fn of_claims(claims: &access_token::Claims, scope: String, aud: Audience) -> Active {
    Active {
        active: true,
        scope,
        client_id: claims.client_id.clone(),
        token_type: "Bearer",
        iss: claims.iss.clone(),
        sub: claims.sub.clone(),
        aud,
        iat: claims.iat,
        exp: Some(claims.exp),
        jti: claims.jti.to_string(),
    }
}

fn of_api_key(server: &AuthorizationServer, found: &api_key::ActiveKey) -> Active {
    let (key, client) = (&found.key.key, &found.client.client);
    let scope: Scope = found.scope();
    Active {
        active: true,
        scope: scope.to_string(),
        client_id: client.client_id.clone(),
        token_type: "api_key",
        iss: server.issuer.as_str().to_owned(),
        sub: client.client_id.clone(),
        aud: Audience::of(&client.resources, server.issuer.as_str()),
        iat: key.created_at.seconds(),
        exp: key.expires_at.map(crate::clock::Timestamp::seconds),
        jti: key.id.clone(),
    }
}
