//! Issuance of access tokens for a [`Grant`]: claims, signature, and the durable record.

use std::time::Duration;

use serde::Serialize;

use super::AuthorizationServer;
use super::binding::Binding;
use super::grant::Grant;
use super::signing_keys::{JwtTyp, current_signing_key};
use super::token::access_token::{Audience, Claims};
use crate::clock::Timestamp;
use crate::credential::random_bytes;
use crate::error::Error;
use crate::scope::Scope;
use crate::store::signing_key::State;
use crate::store::token::Token;

/// The successful response of the token endpoint (RFC 6749 section 5.1).
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct TokenResponse {
    /// The JWT access token.
    pub access_token: String,
    /// The type of the issued token, in the response of a token exchange (RFC 8693 section 2.2.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issued_token_type: Option<&'static str>,
    /// `Bearer`, or `DPoP` for a token that is bound to the key of a DPoP proof.
    pub token_type: &'static str,
    /// The lifetime of the token, in seconds.
    pub expires_in: u64,
    /// The granted scope; omitted when empty.
    #[serde(skip_serializing_if = "Scope::is_empty")]
    pub scope: Scope,
}

/// Issues an access token for `grant`. When this returns, the token's record is durable and the
/// response can be sent.
///
/// # Errors
/// Fails if no key can sign, if the record cannot be written, or if the token was revoked
/// meanwhile.
pub async fn issue(
    server: &AuthorizationServer,
    grant: Grant,
    now: Timestamp,
) -> Result<TokenResponse, Error> {
    let token_ttl = server.settings.token_ttl;
    let lifetime = grant
        .not_after()
        .map_or(token_ttl, |end| end.duration_since(now).min(token_ttl));
    let claims = claims(server, &grant, lifetime, now);
    let payload =
        serde_json::to_vec(&claims).map_err(|error| Error::server_error(error.to_string()))?;

    let format = grant.client().token_format(grant.resources());
    let typ = JwtTyp::AccessToken(format.typ);
    let profile = server.security_profile(grant.client());
    let algorithm = profile.signing_algorithm(format.signing_algorithm);
    let key = current_signing_key(server, algorithm, now).await?;
    let kid = key.kid.clone();
    let record = Token {
        jti: claims.jti.to_string(),
        client_id: claims.client_id,
        scope: claims.scope.into(),
        audience: grant.resources().as_str().to_owned(),
        issued_at: now,
        expires_at: Timestamp::from_seconds(claims.exp),
        token_epoch: claims.token_epoch,
        api_key_id: claims.api_key,
        cnf: grant.binding().map(Binding::to_json).transpose()?,
    };
    // Concurrently: the disk writes while a processor signs.
    let recorded = async { Ok::<_, Error>(server.records.write(record).await?) };
    let audited = audit_workload(server, &grant, claims.jti);
    let (access_token, (), ()) = tokio::try_join!(
        server.signing_keys.sign(key, typ, payload),
        recorded,
        audited
    )?;
    check_not_revoked_meanwhile(server, &grant, &kid, now).await?;
    server
        .usage
        .count_token(grant.client(), grant.grant_type(), now);
    Ok(TokenResponse {
        access_token,
        issued_token_type: grant.issued_token_type(),
        token_type: Binding::token_type(grant.binding()),
        expires_in: lifetime.as_secs(),
        scope: grant.into_scope(),
    })
}

/// Writes the audit entry of a token that a JWT of another issuer was exchanged for.
async fn audit_workload(
    server: &AuthorizationServer,
    grant: &Grant,
    jti: uuid::Uuid,
) -> Result<(), Error> {
    if let Some(workload) = grant.workload() {
        workload.record_token(server, &jti.to_string()).await?;
    }
    Ok(())
}

/// Refuses to return a token that was revoked while it was signed: by revoking all of the client's
/// tokens, or with the client, the API key, the trust rule or the signing key.
async fn check_not_revoked_meanwhile(
    server: &AuthorizationServer,
    grant: &Grant,
    kid: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let revoked = || Error::unavailable("the token was revoked while it was signed");
    let granted_to = grant.client();
    let client = server.cache.client(&granted_to.client_id).await?;
    if client
        .is_none_or(|client| !client.is_active() || client.token_epoch != granted_to.token_epoch)
    {
        return Err(revoked());
    }
    if let Some(id) = grant.api_key_id()
        && server.cache.api_key(id).await?.is_none()
    {
        return Err(revoked());
    }
    if let Some(workload) = grant.workload()
        && !workload.is_trusted(server).await?
    {
        return Err(revoked());
    }
    let keys = server.cache.signing_keys().await?;
    if keys
        .iter()
        .any(|key| key.kid == kid && key.state(now) != State::Gone)
    {
        Ok(())
    } else {
        Err(revoked())
    }
}

fn claims(
    server: &AuthorizationServer,
    grant: &Grant,
    lifetime: Duration,
    now: Timestamp,
) -> Claims {
    let client = grant.client();
    // A node whose clock was ahead may have written `tokens_void_before`, before token epochs
    // existed. A token issued now must be later than that.
    let millisecond = now.millis().max(client.tokens_void_before.millis() + 1);
    let jti = uuid::Builder::from_unix_timestamp_millis(
        u64::try_from(millisecond).unwrap_or(0),
        &random_bytes(),
    )
    .into_uuid();
    Claims {
        iss: server.issuer.as_str().to_owned(),
        sub: grant.subject(),
        client_id: client.client_id.clone(),
        aud: Audience::of(grant.resources(), server.issuer.as_str()),
        exp: now.saturating_add(lifetime).seconds(),
        iat: now.seconds(),
        jti,
        scope: grant.scope().clone(),
        api_key: grant.api_key_id().map(str::to_owned),
        token_epoch: client.token_epoch,
        cnf: grant.binding().cloned(),
    }
}
