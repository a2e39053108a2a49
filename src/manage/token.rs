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
use crate::oauth::AuthorizationServer;
use crate::oauth::binding::Binding;
use crate::oauth::reason::{Reason, Rejection};
use crate::oauth::token::access_token::Claims;
use crate::oauth::token::presented::{self, ActiveToken, PresentedToken};
use crate::store::client::Client;
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
async fn check_key_visible<R: RightType>(
    server: &AuthorizationServer,
    permit: &Permit<R>,
    presented: &str,
) -> Result<(), Rejection> {
    // The checksum alone shows whether the text is an API key.
    let Some(credential) =
        Credential::parse(presented, Kind::ApiKey).filter(|_| !permit.is_operator())
    else {
        return Ok(());
    };
    let client = match server.cache.api_key(credential.id()).await? {
        Some(key) => server.cache.client(&key.client_id).await?,
        None => None,
    };
    if client.is_some_and(|client| permit.can_access(&client.account_id)) {
        Ok(())
    } else {
        Err(Reason::no_such_key().into())
    }
}

/// Finds the client whose token is to be revoked, if the actor can see it. Revoking an active token
/// needs no more rights than the client has: a leaked token must be revocable.
fn client_of_revoked(
    transaction: &mut Transaction<'_>,
    permit: &Permit<TokensRevoke>,
    client_id: &str,
) -> Result<Client, Error> {
    find_visible(transaction.database(), permit, client_id).map_err(|error| match error.code() {
        Code::NotFound => nothing_to_revoke(&unknown()),
        _ => error,
    })
}

/// Authenticates an access token, given in full or by the `jti` from a list or a log, or an
/// API key that the actor can see. `verify` authenticates what is given in full.
async fn authenticate<R: RightType>(
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
    let visible =
        permit.is_operator() || client.is_some_and(|client| permit.can_access(&client.account_id));
    if visible {
        Ok(())
    } else {
        Err(unknown().into())
    }
}

/// Checks that a token or an API key is of a client that the actor can see; otherwise it counts as
/// unknown. It may be inactive.
///
/// # Errors
/// [`Rejection::Inactive`] if it is not; [`Rejection::Error`] if neither the cache nor the database can
/// answer.
pub(super) async fn check_visible(
    server: &AuthorizationServer,
    permit: &Permit<TokensRead>,
    presented: &str,
) -> Result<(), Rejection> {
    check_key_visible(server, permit, presented).await?;
    match presented::authenticate(server, presented, permit.now()).await? {
        PresentedToken::AccessToken(claims) => check_token_visible(server, permit, &claims).await,
        PresentedToken::ApiKey(_) => Ok(()),
    }
}

/// Inspects an access token, its `jti`, or an API key: whether it is active, and if not, why.
///
/// # Errors
/// Fails if the database does not answer.
pub async fn inspect(
    server: &AuthorizationServer,
    permit: Permit<TokensRead>,
    token: &str,
) -> Result<Inspection, Error> {
    let now = permit.now();
    let mut claims = None;
    let resolved = async {
        let verify = async || presented::authenticate(server, token, now).await;
        let token = authenticate(server, &permit, token, verify).await?;
        if let PresentedToken::AccessToken(verified) = &token {
            check_token_visible(server, &permit, verified).await?;
            claims = serde_json::to_value(verified.as_ref()).ok();
        }
        presented::check_active(server, token, now).await
    }
    .await;
    match resolved {
        Ok(ActiveToken::AccessToken(_)) => Ok(Inspection::active(claims)),
        Ok(ActiveToken::ApiKey(active)) => {
            let key = &active.api_key;
            Ok(Inspection::active(Some(serde_json::json!({
                "client_id": key.client_id,
                "jti": key.id,
                "name": key.name,
                "scope": active.scope(),
            }))))
        }
        Err(rejection) => Ok(Inspection::inactive(&rejection.into_reason()?, claims)),
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
) -> Result<(), Error> {
    let verify = async || presented::authenticate_for_revocation(server, token).await;
    let token = authenticate(server, &permit, token, verify)
        .await
        .map_err(|rejection| match rejection.into_reason() {
            Ok(reason) => nothing_to_revoke(&reason),
            Err(error) => error,
        })?;
    server
        .store
        .write(permit.now(), move |transaction| {
            let client = client_of_revoked(transaction, &permit, token.client_id())?;
            let account_id = &client.account_id;
            let recorder = permit.recorder();
            match &token {
                PresentedToken::ApiKey(key) => {
                    domain::api_key::revoke(transaction, recorder, account_id, &key.id)?;
                }
                PresentedToken::AccessToken(claims) => {
                    let jti = claims.jti.to_string();
                    let expires_at = claims.expires_at();
                    domain::token::revoke(transaction, recorder, account_id, &jti, expires_at)?;
                }
            }
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
                let cnf = Binding::of_record(&token)?;
                views.push(TokenView {
                    token,
                    cnf,
                    revoked,
                });
            }
            Ok(views)
        })
        .await
}

/// Whether a token that has not expired was revoked: the rule of
/// [`verify::check_active`](crate::oauth::token::verify::check_active), applied to rows instead of the
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
    /// The key that the token is bound to; none for a Bearer token.
    pub cnf: Option<Binding>,
    /// Whether the token was revoked: by itself, with all tokens of its client, or with the API key
    /// that was exchanged for it.
    pub revoked: bool,
}
