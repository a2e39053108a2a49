//! Access tokens, as an operator looks at them.

use serde::Serialize;
use serde_json::Value;

use super::actor::{Permit, TokensRead, TokensRevoke};
use super::client;
use crate::clock::Timestamp;
use crate::error::{Code, Error};
use crate::oauth::access_token::NotInForce;
use crate::oauth::{AuthorizationServer, access_token, api_key};
use crate::store;
use crate::store::token::Token;

/// What a token is, with the exact reason where it is not in force.
#[derive(Debug, Serialize)]
pub struct Inspection {
    /// Whether it is in force.
    pub active: bool,
    /// Why it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// What it says, where its signature is ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claims: Option<Value>,
}

/// Says whether a token or an API key is in force, and why not.
///
/// # Errors
/// Where the database gave no answer.
pub async fn inspect(
    server: &AuthorizationServer,
    _: &Permit<TokensRead>,
    token: &str,
    now: Timestamp,
) -> Result<Inspection, Error> {
    let inactive = |NotInForce(reason), claims| Inspection { active: false, reason: Some(reason), claims };
    if token.starts_with("kwk_") {
        return Ok(match api_key::find(server, token, None, now).await? {
            Ok(found) => {
                let key = &found.key.key;
                let claims = serde_json::json!({
                    "client_id": key.client_id, "jti": key.id, "name": key.name, "scope": found.scope(),
                });
                Inspection { active: true, reason: None, claims: Some(claims) }
            }
            Err(reason) => inactive(reason, None),
        });
    }
    let verified = match access_token::verify(server, token, now).await? {
        Ok(verified) => verified,
        Err(reason) => return Ok(inactive(reason, None)),
    };
    let claims = serde_json::to_value(&verified.claims).ok();
    Ok(match access_token::in_force(server, &verified, now).await? {
        Ok(_) => Inspection { active: true, reason: None, claims },
        Err(reason) => inactive(reason, claims),
    })
}

/// Revokes one token or API key within reach.
///
/// # Errors
/// Where it is no token of ours: an operator who mistypes must know.
pub async fn revoke(
    server: &AuthorizationServer,
    permit: Permit<TokensRevoke>,
    token: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let refused = |NotInForce(reason)| Error::new(Code::InvalidRequest, format!("Nothing to revoke: {reason}"));
    if token.starts_with("kwk_") {
        let found = api_key::find(server, token, None, now).await?.map_err(refused)?;
        let (id, client_id) = (found.key.key.id.clone(), found.key.key.client_id.clone());
        return server
            .store
            .write(now, move |transaction| {
                let client = client::within_reach(transaction.database(), &permit, &client_id)?;
                store::api_key::delete(transaction, &id)?;
                permit.record(transaction, "api_key.revoke", Some(&client.account_id), &id, now)
            })
            .await;
    }
    let verified = access_token::verify(server, token, now).await?.map_err(refused)?;
    let claims = verified.claims.clone();
    server
        .store
        .write(now, move |transaction| {
            let client = client::within_reach(transaction.database(), &permit, &claims.client_id)?;
            let jti = claims.jti.to_string();
            store::token::revoke(transaction, &jti, claims.expires_at())?;
            permit.record(transaction, "token.revoke", Some(&client.account_id), &jti, now)
        })
        .await
}

/// Voids all tokens of a client, at a cost that does not depend on their number.
///
/// # Errors
/// No such client.
pub async fn revoke_all(
    server: &AuthorizationServer,
    permit: Permit<TokensRevoke>,
    client_id: &str,
    now: Timestamp,
) -> Result<(), Error> {
    client::revoke_tokens(&server.store, permit, client_id, now).await.map(drop)
}

/// The most tokens in one list.
const LIST: i64 = 1000;

/// The records of a client's tokens that have not ended, the newest first, a thousand at the most;
/// without those that were revoked all at once.
///
/// # Errors
/// No such client.
pub async fn list(
    server: &AuthorizationServer,
    permit: Permit<TokensRead>,
    client_id: &str,
    now: Timestamp,
) -> Result<Vec<TokenView>, Error> {
    let id = client_id.to_owned();
    server
        .store
        .read(move |database| {
            let client = client::within_reach(database, &permit, &id)?;
            let mut views = Vec::new();
            for token in store::token::list(database, &id, now, LIST)? {
                let revoked = token.issued_at <= client.tokens_void_before || store::token::is_revoked(database, &token.jti)?;
                views.push(TokenView { revoked, token });
            }
            Ok(views)
        })
        .await
}

/// A token record as management shows it.
#[derive(Debug, Serialize)]
pub struct TokenView {
    /// Its row.
    #[serde(flatten)]
    pub token: Token,
    /// Whether it was revoked, by itself or with all of the client's.
    pub revoked: bool,
}
