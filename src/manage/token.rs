//! Access tokens and API keys that somebody presents: inspection and revocation; token records.

use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::actor::Permit;
use super::client;
use super::policy::find_visible;
use super::rights::{RightType, TokensRead, TokensRevoke};
use crate::clock::Timestamp;
use crate::credential::{Credential, Kind};
use crate::domain;
use crate::error::{Code, Error};
use crate::oauth::access_token::{Audience, Claims, NotInForce, Verified};
use crate::oauth::failure::Reason;
use crate::oauth::{AuthorizationServer, access_token, api_key};
use crate::store::client::Client;
use crate::store::resource_server::Resources;
use crate::store::token::Token;
use crate::store::{self, Database, StoreError, Transaction};

/// The state of a token or API key, with the exact reason if it is not active.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Inspection {
    /// Whether it is active.
    pub active: bool,
    /// Why it is not active, in English.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The stable code of the reason, such as `token_revoked`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<&'static str>,
    /// The claims of the token, if the signature is valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claims: Option<Value>,
}

/// The answer for a token of another account: the same as for an unknown one.
fn unknown() -> NotInForce {
    NotInForce(Reason::token_without_record())
}

fn nothing_to_revoke(NotInForce(reason): NotInForce) -> Error {
    Error::new(Code::InvalidRequest, format!("Nothing to revoke: {reason}"))
}

/// Whether a presented API key belongs to a client that the actor can see. A key of another account is
/// reported as unknown, so that not even its existence shows.
async fn check_key_visible<R: RightType>(
    server: &AuthorizationServer,
    permit: &Permit<R>,
    presented: &str,
) -> Result<Result<(), NotInForce>, Error> {
    // A typing error is recognized by the checksum alone, and shows nothing of an account.
    let Some(credential) =
        Credential::parse(presented, Kind::ApiKey).filter(|_| !permit.is_operator())
    else {
        return Ok(Ok(()));
    };
    let client = match server.cache.api_key(credential.id()).await? {
        Some(key) => server.cache.client(&key.key.client_id).await?,
        None => None,
    };
    let visible = client.is_some_and(|entry| permit.can_access(&entry.client.account_id));
    Ok(if visible {
        Ok(())
    } else {
        Err(NotInForce(Reason::no_such_key()))
    })
}

/// The client of a token that is to be revoked, if the actor can see it. To revoke takes no more rights
/// than to see the client: a leaked token must stop working.
fn client_of_revoked(
    transaction: &mut Transaction<'_>,
    permit: &Permit<TokensRevoke>,
    client_id: &str,
) -> Result<Client, Error> {
    find_visible(transaction.database(), permit, client_id).map_err(|error| match error.code() {
        Code::NotFound => nothing_to_revoke(unknown()),
        _ => error,
    })
}

/// The claims of a token, rebuilt from its record.
fn claims_of_record(server: &AuthorizationServer, token: &Token) -> Option<Claims> {
    let resources: Resources = token.audience.parse().ok()?;
    Some(Claims {
        iss: server.issuer.as_str().to_owned(),
        sub: token.client_id.clone(),
        client_id: token.client_id.clone(),
        aud: Audience::of(&resources, server.issuer.as_str()),
        exp: token.expires_at.seconds(),
        iat: token.issued_at.seconds(),
        jti: Uuid::parse_str(&token.jti).ok()?,
        scope: token.scope.clone(),
        api_key: token.api_key_id.clone(),
        token_epoch: token.token_epoch,
    })
}

/// The claims of a token, given in full, or by its `jti` as it stands in a list or a log.
async fn claims(
    server: &AuthorizationServer,
    token: &str,
    verify: impl AsyncFnOnce() -> Result<Verified, StoreError>,
) -> Result<Result<Claims, NotInForce>, Error> {
    let Ok(jti) = Uuid::parse_str(token) else {
        return Ok(verify().await?.map(|verified| verified.claims.clone()));
    };
    let found = server
        .store
        .read(move |database| store::token::find(database, &jti.to_string()))
        .await?;
    Ok(found
        .and_then(|token| claims_of_record(server, &token))
        .ok_or_else(unknown))
}

/// Inspects a token, its `jti`, or an API key: whether it is active, and if not, why.
///
/// # Errors
/// A [`StoreError`] if the database cannot be queried.
pub async fn inspect(
    server: &AuthorizationServer,
    permit: Permit<TokensRead>,
    token: &str,
) -> Result<Inspection, Error> {
    let now = permit.now();
    let inactive = |NotInForce(reason), claims| {
        let (code, reason) = (reason.code(), reason.to_string());
        Inspection {
            active: false,
            reason: Some(reason),
            reason_code: Some(code),
            claims,
        }
    };
    if token.starts_with("kwk_") {
        if let Err(unknown) = check_key_visible(server, &permit, token).await? {
            return Ok(inactive(unknown, None));
        }
        return Ok(match api_key::find(server, token, None, now).await? {
            Ok(found) => {
                let key = &found.key.key;
                let claims = serde_json::json!({
                    "client_id": key.client_id, "jti": key.id, "name": key.name, "scope": found.scope(),
                });
                Inspection {
                    active: true,
                    reason: None,
                    reason_code: None,
                    claims: Some(claims),
                }
            }
            Err(reason) => inactive(reason, None),
        });
    }
    let known = match claims(server, token, async || {
        access_token::verify(server, token, now).await
    })
    .await?
    {
        Ok(known) => known,
        Err(reason) => return Ok(inactive(reason, None)),
    };
    let client = server.cache.client(&known.client_id).await?;
    if !permit.is_operator()
        && !client.is_some_and(|entry| permit.can_access(&entry.client.account_id))
    {
        return Ok(inactive(unknown(), None));
    }
    let claims = serde_json::to_value(&known).ok();
    Ok(match access_token::in_force(server, &known, now).await? {
        Ok(_) => Inspection {
            active: true,
            reason: None,
            reason_code: None,
            claims,
        },
        Err(reason) => inactive(reason, claims),
    })
}

/// Revokes a token, given in full or by its `jti`, or an API key. It need not be active now: its client
/// may be enabled again, and the clock of this machine may be ahead.
///
/// # Errors
/// `invalid_request` for what is not a token or API key of this server: other than in RFC 7009, an
/// operator who mistypes must notice.
pub async fn revoke(
    server: &AuthorizationServer,
    permit: Permit<TokensRevoke>,
    token: &str,
) -> Result<(), Error> {
    let now = permit.now();
    if token.starts_with("kwk_") {
        check_key_visible(server, &permit, token)
            .await?
            .map_err(nothing_to_revoke)?;
        let found = api_key::authenticate(server, token)
            .await?
            .map_err(nothing_to_revoke)?;
        let (id, client_id) = (found.key.id.clone(), found.key.client_id.clone());
        return server
            .store
            .write(now, move |transaction| {
                let client = client_of_revoked(transaction, &permit, &client_id)?;
                let recorder = permit.recorder();
                domain::api_key::revoke(transaction, recorder, &client.account_id, &id)?;
                Ok(())
            })
            .await;
    }
    let verify = async || access_token::verify_for_revocation(server, token).await;
    let claims = claims(server, token, verify)
        .await?
        .map_err(nothing_to_revoke)?;
    server
        .store
        .write(now, move |transaction| {
            let client = client_of_revoked(transaction, &permit, &claims.client_id)?;
            domain::token::revoke(
                transaction,
                permit.recorder(),
                &client.account_id,
                &claims.jti.to_string(),
                claims.expires_at(),
            )?;
            Ok(())
        })
        .await
}

/// Revokes all tokens of a client, at a cost that does not depend on their number.
///
/// # Errors
/// `not_found` for an unknown client.
pub async fn revoke_all(
    server: &AuthorizationServer,
    permit: Permit<TokensRevoke>,
    client_id: &str,
) -> Result<(), Error> {
    client::revoke_tokens(&server.store, permit, client_id)
        .await
        .map(drop)
}

/// Lists the records of a client's tokens that have not expired, newest first: at most `limit`, older
/// than the token with the `jti` `before`, if it is given.
///
/// # Errors
/// `not_found` for an unknown client.
pub async fn list(
    server: &AuthorizationServer,
    permit: Permit<TokensRead>,
    client_id: &str,
    before: Option<String>,
    limit: i64,
) -> Result<Vec<TokenView>, Error> {
    let id = client_id.to_owned();
    let own_account = permit.account().map(str::to_owned);
    // A clock that is days behind must not bring back what has expired.
    let now = permit.now().max(server.clock.past());
    server
        .store
        .report(own_account.as_deref(), move |database| {
            let client = find_visible(database, &permit, &id)?;
            let mut views = Vec::new();
            let newest = Uuid::max().to_string();
            let before = before.as_deref().unwrap_or(&newest);
            for token in store::token::list(database, &id, now, before, limit)? {
                let revoked = is_revoked(database, &client, &token, now)?;
                views.push(TokenView { revoked, token });
            }
            Ok(views)
        })
        .await
}

/// Whether a token that has not expired was revoked: the rule of
/// [`access_token::in_force`](crate::oauth::access_token::in_force), applied to rows instead of the
/// cache.
fn is_revoked(
    database: &mut Database,
    client: &Client,
    token: &Token,
    now: Timestamp,
) -> Result<bool, StoreError> {
    // Validity depends on the time in the `jti`, which can be later than `issued_at`.
    let issued_at = Uuid::parse_str(&token.jti).map_or(token.issued_at, store::token::issued_at);
    if client.has_revoked(token.token_epoch, issued_at)
        || store::token::is_revoked(database, &token.jti)?
    {
        return Ok(true);
    }
    match &token.api_key_id {
        Some(id) => Ok(store::api_key::find(database, id)?.is_none_or(|key| key.is_expired(now))),
        None => Ok(false),
    }
}

/// A token record as management shows it.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct TokenView {
    /// The row of the record.
    #[serde(flatten)]
    pub token: Token,
    /// Whether the token was revoked: by itself, with all tokens of its client, or with the API key
    /// that was exchanged for it.
    pub revoked: bool,
}
