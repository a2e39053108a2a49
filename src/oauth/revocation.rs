//! Revocation (RFC 7009): of access tokens and of API keys.

use super::{AuthorizationServer, Request, access_token, api_key, client_authentication};
use crate::error::{Code, Error};
use crate::store;

/// Answers a revocation request. Unknown, malformed or ended already: nothing to do, and no error
/// (section 2.2).
///
/// # Errors
/// `invalid_client`; `unauthorized_client` for the token of another client, which stays as it is;
/// and where it could not be written: then the token may live on, and the caller must know.
pub async fn revoke(server: &AuthorizationServer, request: &Request) -> Result<(), Error> {
    let caller = client_authentication::authenticate(server, request).await?;
    let token = request.parameters.require("token")?;
    let now = request.origin.now;
    let account_id = caller.entry().client.account_id.clone();
    let recorder = request.origin.recorder(format!("client {}", caller.client_id()));
    let anothers = || Error::new(Code::UnauthorizedClient, "The token was issued to another client");

    if token.starts_with("kwk_") {
        let Ok(found) = api_key::find(server, token, None, now).await? else { return Ok(()) };
        if found.client.client.client_id != caller.client_id() {
            return Err(anothers());
        }
        // A leaked key must die, be it the last one.
        let id = found.key.key.id.clone();
        return server
            .store
            .write(now, move |transaction| {
                // Another node may have been quicker.
                if store::api_key::find(transaction.database(), &id)?.is_none() {
                    return Ok(());
                }
                store::api_key::delete(transaction, &id, now)?;
                Ok(recorder.record(transaction, "api_key.revoke", Some(&account_id), &id, now)?)
            })
            .await;
    }
    let Ok(verified) = access_token::verify(server, token, now).await? else { return Ok(()) };
    let claims = &verified.claims;
    if claims.client_id != caller.client_id() {
        return Err(anothers());
    }
    if access_token::in_force(server, claims, now).await?.is_err() {
        return Ok(());
    }
    let (jti, expires_at) = (claims.jti.to_string(), claims.expires_at());
    server
        .store
        .write(now, move |transaction| {
            if store::token::revoke(transaction, &jti, expires_at)? {
                recorder.record(transaction, "token.revoke", Some(&account_id), &jti, now)?;
            }
            Ok(())
        })
        .await
}
