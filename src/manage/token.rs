//! Access tokens, as an operator looks at them.

use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::actor::{Permit, Right, TokensRead, TokensRevoke};
use super::client;
use crate::clock::Timestamp;
use crate::credential::{Credential, Kind};
use crate::error::{Code, Error};
use crate::oauth::access_token::{Audience, Claims, NotInForce, Verified};
use crate::oauth::failure::Reason;
use crate::oauth::{AuthorizationServer, access_token, api_key};
use crate::store::client::Client;
use crate::store::resource_server::Resources;
use crate::store::token::Token;
use crate::store::{self, Database, StoreError, Transaction};

/// What a token is, with the exact reason where it is not in force.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Inspection {
    /// Whether it is in force.
    pub active: bool,
    /// Why it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same, by a code that stays, such as `token_revoked`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<&'static str>,
    /// What it says, where its signature is ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claims: Option<Value>,
}

/// What is said of another account's token: the same as of one that nobody knows.
fn unknown() -> NotInForce {
    NotInForce(Reason::token_without_record())
}

fn nothing_to_revoke(NotInForce(reason): NotInForce) -> Error {
    Error::new(Code::InvalidRequest, format!("Nothing to revoke: {reason}"))
}

/// Whether an API key that somebody presents is of a client within reach. Of another account's key not
/// even the existence shows.
async fn key_within_reach<R: Right>(
    server: &AuthorizationServer,
    permit: &Permit<R>,
    presented: &str,
) -> Result<Result<(), NotInForce>, Error> {
    // What is no key at all tells by its checksum alone.
    let Some(credential) =
        Credential::parse(presented, Kind::ApiKey).filter(|_| permit.account().is_some())
    else {
        return Ok(Ok(()));
    };
    let client = match server.cache.api_key(credential.id()).await? {
        Some(key) => server.cache.client(&key.key.client_id).await?,
        None => None,
    };
    let reached = client.is_some_and(|entry| permit.reaches(&entry.client.account_id));
    Ok(if reached {
        Ok(())
    } else {
        Err(NotInForce(Reason::no_such_key()))
    })
}

/// The client whose token is to end, where that is within reach. Ending what is live needs no more
/// rights than the client has: a leaked token must die.
fn revocable(
    transaction: &mut Transaction<'_>,
    permit: &Permit<TokensRevoke>,
    client_id: &str,
) -> Result<Client, Error> {
    client::within_reach(transaction.database(), permit, client_id).map_err(|error| {
        match error.code() {
            Code::NotFound => nothing_to_revoke(unknown()),
            _ => error,
        }
    })
}

/// What the claims of a token say, as far as its record tells.
fn recorded(server: &AuthorizationServer, token: &Token) -> Option<Claims> {
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

/// The claims of a token that somebody holds, or whose `jti` somebody has read in a list or a log.
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
        .and_then(|token| recorded(server, &token))
        .ok_or_else(unknown))
}

/// Says whether a token or an API key is in force, and why not.
///
/// # Errors
/// Where the database gave no answer.
pub async fn inspect(
    server: &AuthorizationServer,
    permit: &Permit<TokensRead>,
    token: &str,
    now: Timestamp,
) -> Result<Inspection, Error> {
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
        if let Err(unknown) = key_within_reach(server, permit, token).await? {
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
    if permit.account().is_some()
        && !client.is_some_and(|entry| permit.reaches(&entry.client.account_id))
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

/// Revokes one token or API key within reach, whether or not it is active now: its client may be enabled
/// again, and the clock of this machine may be ahead.
///
/// # Errors
/// Where it is no token of ours: an operator who mistypes must know.
pub async fn revoke(
    server: &AuthorizationServer,
    permit: Permit<TokensRevoke>,
    token: &str,
    now: Timestamp,
) -> Result<(), Error> {
    if token.starts_with("kwk_") {
        key_within_reach(server, &permit, token)
            .await?
            .map_err(nothing_to_revoke)?;
        let found = api_key::authenticate(server, token)
            .await?
            .map_err(nothing_to_revoke)?;
        let (id, client_id) = (found.key.id.clone(), found.key.client_id.clone());
        return server
            .store
            .write(now, move |transaction| {
                let client = revocable(transaction, &permit, &client_id)?;
                store::api_key::delete(transaction, &id, now)?;
                permit.record(
                    transaction,
                    "api_key.revoke",
                    Some(&client.account_id),
                    &id,
                    now,
                )
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
            let client = revocable(transaction, &permit, &claims.client_id)?;
            let jti = claims.jti.to_string();
            store::token::revoke(transaction, &jti, claims.expires_at())?;
            permit.record(
                transaction,
                "token.revoke",
                Some(&client.account_id),
                &jti,
                now,
            )
        })
        .await
}

/// Revokes all tokens of a client, at a cost that does not depend on their number.
///
/// # Errors
/// No such client.
pub async fn revoke_all(
    server: &AuthorizationServer,
    permit: Permit<TokensRevoke>,
    client_id: &str,
    now: Timestamp,
) -> Result<(), Error> {
    client::revoke_tokens(&server.store, permit, client_id, now)
        .await
        .map(drop)
}

/// The records of a client's tokens that have not ended, the newest first, `limit` at the most, from
/// before the token `before` where one is named.
///
/// # Errors
/// No such client.
pub async fn list(
    server: &AuthorizationServer,
    permit: Permit<TokensRead>,
    client_id: &str,
    before: Option<String>,
    limit: i64,
    now: Timestamp,
) -> Result<Vec<TokenView>, Error> {
    let (id, account) = (client_id.to_owned(), permit.account().map(str::to_owned));
    // What is past has expired, also by a clock that is days behind.
    let now = now.max(server.clock.past());
    server
        .store
        .report(account.as_deref(), move |database| {
            let client = client::within_reach(database, &permit, &id)?;
            let mut views = Vec::new();
            let beyond_all = Uuid::max().to_string();
            let before = before.as_deref().unwrap_or(&beyond_all);
            for token in store::token::list(database, &id, now, before, limit)? {
                let revoked = is_revoked(database, &client, &token, now)?;
                views.push(TokenView { revoked, token });
            }
            Ok(views)
        })
        .await
}

/// Whether a token that has not expired was revoked: the rule of
/// [`access_token::in_force`](crate::oauth::access_token::in_force), on the record and the rows.
fn is_revoked(
    database: &mut Database,
    client: &Client,
    token: &Token,
    now: Timestamp,
) -> Result<bool, StoreError> {
    // A record has the `jti` that we made.
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
    /// Its row.
    #[serde(flatten)]
    pub token: Token,
    /// Whether it was revoked: by itself, with all of the client's, or with the API key that it was
    /// exchanged for.
    pub revoked: bool,
}
