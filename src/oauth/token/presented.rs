//! The resolver: determines what a presented token or API key is, and whether it is active.
//! Introspection, revocation, forward authentication, token exchange, `/apiKeys`, the management
//! API and `keyward token` use this module and nothing else, so a new kind of credential is added
//! here.

use std::borrow::Cow;
use std::ops::Deref;
use std::sync::Arc;

use uuid::Uuid;

use super::access_token::{Audience, Claims};
use super::{api_key, verify};
use crate::cache::{ApiKeyEntry, ClientEntry};
use crate::client_ip::ClientIp;
use crate::clock::Timestamp;
use crate::config::Issuer;
use crate::credential::{Credential, Fingerprint, Kind};
use crate::error::Error;
use crate::metrics::CredentialKind;
use crate::oauth::AuthorizationServer;
use crate::oauth::dpop::{self, VerifiedProof};
use crate::oauth::failures::{FailureSubject, FailureTarget};
use crate::oauth::possession::{self, Possession};
use crate::oauth::reason::{Reason, Rejection};
use crate::request_context::RequestContext;
use crate::scope::Scope;
use crate::store::resource_server::Resources;
use crate::store::{self, StoreError};

/// How a token or API key was presented.
#[derive(Clone, Copy)]
pub struct Presentation<'a> {
    /// The client IP address that it was presented from. `None` where the caller of Keyward is not
    /// the one who presented it, as in introspection: then the allowed IP ranges of an API key are
    /// not checked.
    pub client_ip: Option<ClientIp>,
    /// What the sender shows of the key that the token may be bound to.
    pub possession: Possession<'a>,
    /// How the use of an API key is recorded.
    pub recording: Recording<'a>,
}

/// How the use of a presented API key is recorded.
#[derive(Clone, Copy)]
pub enum Recording<'a> {
    /// As a use by the sender of this request.
    UseBy(&'a RequestContext),
    /// As a use by somebody unknown.
    UseBySomebody,
    /// Not at all.
    None,
}

impl<'a> Presentation<'a> {
    /// A token or API key that the sender of this request presents.
    pub fn by_sender(context: &'a RequestContext, possession: Possession<'a>) -> Self {
        Presentation {
            client_ip: Some(context.client_ip),
            possession,
            recording: Recording::UseBy(context),
        }
    }

    /// A token or API key that somebody tries out, as if it came from this address. That is no use of
    /// it.
    pub const fn tried_out(client_ip: Option<ClientIp>, possession: Possession<'a>) -> Self {
        Presentation {
            client_ip,
            possession,
            recording: Recording::None,
        }
    }

    /// A token or API key that the sender of this request asks about, and did not present as its
    /// holder.
    pub const fn by_another() -> Self {
        Presentation {
            client_ip: None,
            possession: Possession::NotChecked,
            recording: Recording::UseBySomebody,
        }
    }
}

/// An authentic token or API key, which may be inactive: Keyward issued it, and it is unaltered.
#[derive(Clone)]
pub enum PresentedToken {
    /// The claims of an access token whose signature was verified.
    AccessToken(Arc<Claims>),
    /// An API key whose secret is correct.
    ApiKey(Arc<ApiKeyEntry>),
}

impl PresentedToken {
    /// The client that it belongs to.
    pub fn client_id(&self) -> &str {
        match self {
            PresentedToken::AccessToken(claims) => &claims.client_id,
            PresentedToken::ApiKey(key) => &key.client_id,
        }
    }
}

/// An active access token.
pub struct ActiveAccessToken {
    /// The claims.
    pub claims: Arc<Claims>,
    /// The client that the token was issued to.
    pub client: Arc<ClientEntry>,
    /// The nonce that the client must use in its next DPoP proof, if it should change.
    pub next_nonce: Option<String>,
}

/// An active API key.
pub struct ActiveApiKey {
    /// The API key.
    pub api_key: Arc<ApiKeyEntry>,
    /// The client that the key belongs to.
    pub client: Arc<ClientEntry>,
}

impl ActiveApiKey {
    /// The resource servers of the key: its own part of those that its client may use now. `None` if
    /// none of its own is left, which is not the same as a client without a resource server.
    pub fn resources(&self) -> Option<Cow<'_, Resources>> {
        let usable = &self.client.resources;
        let Some(own) = &self.api_key.resources else {
            return Some(Cow::Borrowed(usable));
        };
        let remaining = own.intersection(usable);
        (!remaining.is_empty()).then_some(Cow::Owned(remaining))
    }

    /// The scope of the key: its own part of its client's present scope.
    pub fn scope(&self) -> Cow<'_, Scope> {
        let client_scope = &self.client.scope;
        match &self.api_key.scope {
            Some(own) => Cow::Owned(own.intersection(client_scope)),
            None => Cow::Borrowed(client_scope),
        }
    }
}

/// An active token or API key.
pub enum ActiveToken {
    /// An access token.
    AccessToken(ActiveAccessToken),
    /// An API key.
    ApiKey(ActiveApiKey),
}

impl ActiveToken {
    /// The client that it belongs to.
    pub fn client(&self) -> &Arc<ClientEntry> {
        match self {
            ActiveToken::AccessToken(token) => &token.client,
            ActiveToken::ApiKey(key) => &key.client,
        }
    }

    /// The nonce that the client must use in its next DPoP proof, if it should change.
    pub fn next_nonce(&self) -> Option<&str> {
        match self {
            ActiveToken::AccessToken(token) => token.next_nonce.as_deref(),
            ActiveToken::ApiKey(_) => None,
        }
    }

    /// The `jti` of the token, or the id of the API key.
    pub fn id(&self) -> String {
        match self {
            ActiveToken::AccessToken(token) => token.claims.jti.to_string(),
            ActiveToken::ApiKey(active) => active.api_key.id.clone(),
        }
    }

    /// The scope, without what the client has lost since.
    pub fn scope(&self) -> Cow<'_, Scope> {
        match self {
            ActiveToken::AccessToken(token) => token.claims.remaining_scope(&token.client),
            ActiveToken::ApiKey(key) => key.scope(),
        }
    }

    /// The audience, without the resource servers that the client has lost since; `None` if none is
    /// left.
    pub fn audience(&self, issuer: &Issuer) -> Option<Cow<'_, Audience>> {
        match self {
            ActiveToken::AccessToken(token) => token.claims.remaining_audience(&token.client),
            ActiveToken::ApiKey(key) => {
                let resources = key.resources()?;
                Some(Cow::Owned(Audience::of(&resources, issuer.as_str())))
            }
        }
    }

    /// When it was issued, to the second.
    pub fn issued_at(&self) -> Timestamp {
        match self {
            ActiveToken::AccessToken(token) => Timestamp::from_seconds(token.claims.iat),
            ActiveToken::ApiKey(active) => active.api_key.created_at,
        }
    }

    /// When it expires; `None` for an API key without an expiry.
    pub fn expires_at(&self) -> Option<Timestamp> {
        match self {
            ActiveToken::AccessToken(token) => Some(token.claims.expires_at()),
            ActiveToken::ApiKey(active) => active.api_key.expires_at,
        }
    }
}

/// The kind of a presented token, by its prefix. Whatever has no prefix counts as an access token.
pub fn kind(presented: &str) -> CredentialKind {
    if Kind::ApiKey.is_prefix_of(presented) {
        CredentialKind::ApiKey
    } else {
        CredentialKind::AccessToken
    }
}

/// Resolves a presented token or API key that must be active at `now`, and whose sender must prove
/// possession of the key that it is bound to.
///
/// # Errors
/// [`Rejection::Inactive`] if it is not active; [`Rejection::Unproven`] if its sender does not prove
/// possession; [`Rejection::Error`] if the proof must have a nonce, or if neither the cache nor the
/// database can answer.
pub async fn resolve(
    server: &AuthorizationServer,
    presented: &str,
    presentation: Presentation<'_>,
    now: Timestamp,
) -> Result<ActiveToken, Rejection> {
    match kind(presented) {
        CredentialKind::AccessToken => resolve_access_token(server, presented, presentation, now)
            .await
            .map(ActiveToken::AccessToken),
        CredentialKind::ApiKey => resolve_api_key(server, presented, presentation, now)
            .await
            .map(ActiveToken::ApiKey),
    }
}

/// [`resolve`], for an endpoint that accepts access tokens only.
///
/// # Errors
/// As [`resolve`].
pub async fn resolve_access_token(
    server: &AuthorizationServer,
    presented: &str,
    presentation: Presentation<'_>,
    now: Timestamp,
) -> Result<ActiveAccessToken, Rejection> {
    let (mut token, proof) = under_lease(server, async || {
        let claims = verify::verify(server, presented, now).await?;
        let client = verify::check_active(server, &claims, now).await?;
        let binding = claims.cnf.as_ref();
        let proof = possession::check(server, binding, &presentation.possession, now)?;
        let token = ActiveAccessToken {
            claims,
            client,
            next_nonce: None,
        };
        Ok((token, proof))
    })
    .await?;
    if let Some(proof) = proof {
        claim_proof(server, &mut token, &proof, now).await?;
    }
    Ok(token)
}

/// Marks the proof that was presented with an active token as used, and checks once more that the
/// token is active: the database may have taken longer than the cache lease.
async fn claim_proof(
    server: &AuthorizationServer,
    token: &mut ActiveAccessToken,
    proof: &VerifiedProof,
    now: Timestamp,
) -> Result<(), Rejection> {
    dpop::claim(server, proof).await?;
    let claims = &token.claims;
    token.client = under_lease(server, async || {
        verify::check_active(server, claims, now).await
    })
    .await?;
    token.next_nonce = dpop::next_nonce(server, proof, now);
    Ok(())
}

/// [`resolve`], for an endpoint that accepts API keys only.
///
/// # Errors
/// As [`resolve`].
pub async fn resolve_api_key(
    server: &AuthorizationServer,
    presented: &str,
    presentation: Presentation<'_>,
    now: Timestamp,
) -> Result<ActiveApiKey, Rejection> {
    let active = under_lease(server, async || {
        let key = api_key::authenticate(server, presented).await?;
        let client = api_key::check_active(server, &key, presentation.client_ip, now).await?;
        // An API key is bound to no key.
        possession::check(server, None, &presentation.possession, now)?;
        Ok(ActiveApiKey {
            api_key: key,
            client,
        })
    })
    .await?;
    let sender = match presentation.recording {
        Recording::UseBy(context) => Some(context),
        Recording::UseBySomebody => None,
        Recording::None => return Ok(active),
    };
    let key_id = &active.api_key.id;
    server.usage.record_key_use(key_id, sender, now);
    Ok(active)
}

/// Resolves again if the cache lease expired meanwhile: the process may have been suspended between
/// a look into the cache and its answer. This holds for active and inactive tokens alike.
async fn under_lease<T>(
    server: &AuthorizationServer,
    resolve: impl AsyncFn() -> Result<T, Rejection>,
) -> Result<T, Rejection> {
    let resolved = server.cache.under_lease(async || match resolve().await {
        Err(Rejection::Error(error)) => Err(error),
        decided => Ok(decided),
    });
    resolved.await?
}

/// Authenticates a presented token or API key, which may be inactive.
///
/// # Errors
/// [`Rejection::Inactive`] if Keyward did not issue it; [`Rejection::Error`] if neither the cache
/// nor the database can answer.
pub async fn authenticate(
    server: &AuthorizationServer,
    presented: &str,
    now: Timestamp,
) -> Result<PresentedToken, Rejection> {
    match kind(presented) {
        CredentialKind::AccessToken => verify::verify(server, presented, now)
            .await
            .map(PresentedToken::AccessToken),
        CredentialKind::ApiKey => api_key::authenticate(server, presented)
            .await
            .map(PresentedToken::ApiKey),
    }
}

/// Authenticates a token or API key that is to be revoked. It may have expired by the clock of this
/// machine, which may be ahead: on another node it may still be active.
///
/// # Errors
/// As [`authenticate`].
pub async fn authenticate_for_revocation(
    server: &AuthorizationServer,
    presented: &str,
) -> Result<PresentedToken, Rejection> {
    match kind(presented) {
        CredentialKind::AccessToken => verify::verify_for_revocation(server, presented)
            .await
            .map(PresentedToken::AccessToken),
        CredentialKind::ApiKey => api_key::authenticate(server, presented)
            .await
            .map(PresentedToken::ApiKey),
    }
}

/// Finds the access token with this `jti` by its record.
///
/// # Errors
/// [`Rejection::Inactive`] if there is no such record; [`Rejection::Error`] if the database does
/// not answer.
pub async fn find_by_jti(
    server: &AuthorizationServer,
    jti: Uuid,
) -> Result<PresentedToken, Rejection> {
    let record = server
        .store
        .read(move |database| store::token::find(database, &jti.to_string()))
        .await?;
    record
        .and_then(|record| Claims::from_record(&record, server.issuer.as_str()))
        .map(|claims| PresentedToken::AccessToken(Arc::new(claims)))
        .ok_or_else(|| Reason::token_without_record().into())
}

/// Checks that an authentic token or API key is active at `now`, for somebody who did not present it
/// as its holder.
///
/// # Errors
/// As [`resolve`].
pub async fn check_active(
    server: &AuthorizationServer,
    token: PresentedToken,
    now: Timestamp,
) -> Result<ActiveToken, Rejection> {
    match token {
        PresentedToken::AccessToken(claims) => {
            let client = verify::check_active(server, &claims, now).await?;
            Ok(ActiveToken::AccessToken(ActiveAccessToken {
                claims,
                client,
                next_nonce: None,
            }))
        }
        PresentedToken::ApiKey(key) => {
            let client = api_key::check_active(server, &key, None, now).await?;
            Ok(ActiveToken::ApiKey(ActiveApiKey {
                api_key: key,
                client,
            }))
        }
    }
}

/// The error to answer with when a presented token or API key was rejected: `refusal` if it is
/// inactive, that of the rejection if its sender did not prove possession. Both are counted and
/// recorded as a failure of its owner.
pub async fn refuse(
    server: &AuthorizationServer,
    context: &RequestContext,
    presented: &str,
    rejection: Rejection,
    refusal: Error,
) -> Error {
    let (reason, refusal) = match rejection {
        Rejection::Inactive(reason) => (reason, refusal),
        Rejection::Unproven(unproven) => (unproven.reason, unproven.refusal),
        Rejection::Error(error) => return error,
    };
    // Best effort: if the store does not answer, the owner is recorded as unknown.
    let (id, owner) = find_owner(server, presented).await.unwrap_or_default();
    let subject = FailureSubject {
        client_id: None,
        client: owner.as_deref().map(Deref::deref),
        target: match kind(presented) {
            CredentialKind::AccessToken => FailureTarget::Token(&id),
            CredentialKind::ApiKey => FailureTarget::ApiKey(&id),
        },
        secret_id: None,
    };
    server.record_failed_authentication(context, &subject, &reason, refusal)
}

/// The id and the client of an inactive token or API key: of a token whose signature was verified,
/// or of an API key by the id that it contains.
async fn find_owner(
    server: &AuthorizationServer,
    presented: &str,
) -> Result<(String, Option<Arc<ClientEntry>>), StoreError> {
    let fingerprint = Fingerprint::of(presented.as_bytes());
    if let Some(token) = server.verified.get(&fingerprint) {
        let owner = server.cache.client(&token.claims.client_id).await?;
        return Ok((token.claims.jti.to_string(), owner));
    }
    let Some(key) = Credential::parse(presented, Kind::ApiKey) else {
        return Ok((String::new(), None));
    };
    let owner = find_key_owner(server, key.id()).await.unwrap_or_default();
    Ok((key.id().to_owned(), owner))
}

/// The client of an API key, which may be revoked.
async fn find_key_owner(
    server: &AuthorizationServer,
    id: &str,
) -> Result<Option<Arc<ClientEntry>>, StoreError> {
    let client_id = match server.cache.api_key(id).await? {
        Some(key) => key.client_id.clone(),
        None => match server.cache.revoked_api_key(id).await? {
            Some(key) => key.client_id.clone(),
            None => return Ok(None),
        },
    };
    server.cache.client(&client_id).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_tells_an_api_key_from_an_access_token() {
        let key = Credential::generate(Kind::ApiKey);
        let secret = Credential::generate(Kind::ClientSecret);
        for (presented, expected) in [
            (key.expose(), CredentialKind::ApiKey),
            ("kwk_", CredentialKind::ApiKey),
            ("kwk_mistyped", CredentialKind::ApiKey),
            ("kwk", CredentialKind::AccessToken),
            ("KWK_", CredentialKind::AccessToken),
            (secret.expose(), CredentialKind::AccessToken),
            (
                "eyJ0eXAiOiJhdCtqd3QifQ.e30.c2ln",
                CredentialKind::AccessToken,
            ),
            ("", CredentialKind::AccessToken),
        ] {
            assert_eq!(kind(presented), expected, "{presented}");
        }
    }
}
