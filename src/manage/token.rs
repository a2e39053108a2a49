//! Access tokens, as an operator looks at them.

use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::actor::{Permit, Right, TokensRead, TokensRevoke};
use super::client;
use crate::clock::Timestamp;
use crate::credential::{Credential, Kind};
use crate::error::{Code, Error};
use crate::oauth::AuthorizationServer;
use crate::oauth::reason::{Reason, Rejection};
use crate::oauth::token::access_token::Claims;
use crate::oauth::token::presented::{self, ActiveToken, Presentation, PresentedToken};
use crate::store::client::Client;
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

impl Inspection {
    fn active(claims: Option<Value>) -> Self {
        Inspection {
            active: true,
            reason: None,
            reason_code: None,
            claims,
        }
    }

    fn inactive(reason: &Reason, claims: Option<Value>) -> Self {
        Inspection {
            active: false,
            reason: Some(reason.to_string()),
            reason_code: Some(reason.code()),
            claims,
        }
    }
}

/// The reason that is given for another account's token: the same as for an unknown one.
fn unknown() -> Reason {
    Reason::token_without_record()
}

fn nothing_to_revoke(reason: &Reason) -> Error {
    Error::new(Code::InvalidRequest, format!("Nothing to revoke: {reason}"))
}

/// Checks that a presented API key is of a client that the actor can see. Of another account's key not
/// even the existence is revealed.
async fn check_key_visible<R: Right>(
    server: &AuthorizationServer,
    permit: &Permit<R>,
    presented: &str,
) -> Result<(), Rejection> {
    // Text that is not an API key is told by its checksum alone.
    let Some(credential) =
        Credential::parse(presented, Kind::ApiKey).filter(|_| permit.account().is_some())
    else {
        return Ok(());
    };
    let client = match server.cache.api_key(credential.id()).await? {
        Some(key) => server.cache.client(&key.key.client_id).await?,
        None => None,
    };
    if client.is_some_and(|entry| permit.reaches(&entry.client.account_id)) {
        Ok(())
    } else {
        Err(Reason::no_such_key().into())
    }
}

/// Finds the client whose token is to be revoked, if the actor can see it. Revoking an active token
/// needs no more rights than the client has: a leaked token must be revocable.
fn revocable(
    transaction: &mut Transaction<'_>,
    permit: &Permit<TokensRevoke>,
    client_id: &str,
) -> Result<Client, Error> {
    client::within_reach(transaction.database(), permit, client_id).map_err(|error| {
        match error.code() {
            Code::NotFound => nothing_to_revoke(&unknown()),
            _ => error,
        }
    })
}

/// Authenticates an access token, given in full or by its `jti` as it stands in a list or a log, or an
/// API key that the actor can see. `verify` authenticates what is given in full.
async fn authenticate<R: Right>(
    server: &AuthorizationServer,
    permit: &Permit<R>,
    token: &str,
    verify: impl AsyncFnOnce() -> Result<PresentedToken, Rejection>,
) -> Result<PresentedToken, Rejection> {
    if let Ok(jti) = Uuid::parse_str(token) {
        return presented::find_by_jti(server, jti).await;
    }
    check_key_visible(server, permit, token).await?;
    verify().await
}

/// Checks that an access token is of a client that the actor can see; otherwise it counts as unknown.
async fn check_token_visible(
    server: &AuthorizationServer,
    permit: &Permit<TokensRead>,
    claims: &Claims,
) -> Result<(), Rejection> {
    let client = server.cache.client(&claims.client_id).await?;
    let visible = permit.account().is_none()
        || client.is_some_and(|entry| permit.reaches(&entry.client.account_id));
    if visible {
        Ok(())
    } else {
        Err(unknown().into())
    }
}

/// Inspects an access token, its `jti`, or an API key: whether it is active, and if not, why.
///
/// # Errors
/// Fails if the database does not answer.
pub async fn inspect(
    server: &AuthorizationServer,
    permit: &Permit<TokensRead>,
    token: &str,
    now: Timestamp,
) -> Result<Inspection, Error> {
    let mut claims = None;
    let resolved = async {
        let verify = async || presented::authenticate(server, token, now).await;
        let token = authenticate(server, permit, token, verify).await?;
        if let PresentedToken::AccessToken(verified) = &token {
            check_token_visible(server, permit, verified).await?;
            claims = serde_json::to_value(verified.as_ref()).ok();
        }
        presented::check_active(server, token, Presentation::default(), now).await
    }
    .await;
    match resolved {
        Ok(ActiveToken::AccessToken(_)) => Ok(Inspection::active(claims)),
        Ok(ActiveToken::ApiKey(active)) => {
            let key = &active.key.key;
            Ok(Inspection::active(Some(serde_json::json!({
                "client_id": key.client_id,
                "jti": key.id,
                "name": key.name,
                "scope": active.scope(),
            }))))
        }
        Err(Rejection::Inactive(reason)) => Ok(Inspection::inactive(&reason, claims)),
        Err(Rejection::Error(error)) => Err(error),
    }
}

/// Revokes an access token, given in full or by its `jti`, or an API key, whether or not it is active
/// now: its client may be enabled again, and the clock of this machine may be ahead.
///
/// # Errors
/// `invalid_request` if it is not a token of this server: an operator who mistypes must know.
pub async fn revoke(
    server: &AuthorizationServer,
    permit: Permit<TokensRevoke>,
    token: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let verify = async || presented::authenticate_for_revocation(server, token).await;
    let token = authenticate(server, &permit, token, verify)
        .await
        .map_err(|rejection| match rejection {
            Rejection::Inactive(reason) => nothing_to_revoke(&reason),
            Rejection::Error(error) => error,
        })?;
    server
        .store
        .write(now, move |transaction| {
            let client = revocable(transaction, &permit, token.client_id())?;
            let account = Some(client.account_id.as_str());
            match &token {
                PresentedToken::ApiKey(key) => {
                    let id = &key.key.id;
                    store::api_key::delete(transaction, id, now)?;
                    permit.record(transaction, "api_key.revoke", account, id, now)
                }
                PresentedToken::AccessToken(claims) => {
                    let jti = claims.jti.to_string();
                    store::token::revoke(transaction, &jti, claims.expires_at())?;
                    permit.record(transaction, "token.revoke", account, &jti, now)
                }
            }
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
/// [`verify::check_active`](crate::oauth::token::verify::check_active), on the record and the rows.
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
