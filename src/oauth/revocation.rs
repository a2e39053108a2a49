//! Revocation (RFC 7009): of access tokens and of API keys.

use super::{AuthorizationServer, Request, access_token, api_key, client_authentication};
use crate::domain;
use crate::error::{Code, Error};
use crate::store::audit::Recorder;

/// Answers a revocation request. Unknown, malformed or revoked already: nothing to do, and no error
/// (section 2.2).
///
/// Whatever is authentic is revoked, also where it has expired by the clock of this machine: that may be
/// ahead, and on another node the token or the key is still active.
///
/// # Errors
/// `invalid_client`; `unauthorized_client` for the token of another client, which stays as it is;
/// and where it could not be written: then the token may live on, and the caller must know.
pub async fn revoke(server: &AuthorizationServer, request: &Request) -> Result<(), Error> {
    let caller = client_authentication::authenticate(server, request).await?;
    let token = request.parameters.require("token")?;
    let now = request.context.received_at;
    let account_id = caller.entry().client.account_id.clone();
    let recorder = Recorder::in_request(format!("client {}", caller.client_id()), &request.context);
    let anothers = || {
        Error::new(
            Code::UnauthorizedClient,
            "The token was issued to another client",
        )
    };

    if token.starts_with("kwk_") {
        let Ok(found) = api_key::authenticate(server, token).await? else {
            return Ok(());
        };
        if found.key.client_id != caller.client_id() {
            return Err(anothers());
        }
        // A leaked key must die, be it the last one.
        let id = found.key.id.clone();
        return server
            .store
            .write(now, move |transaction| {
                domain::api_key::revoke(transaction, &recorder, &account_id, &id)?;
                Ok(())
            })
            .await;
    }
    let Ok(verified) = access_token::verify_for_revocation(server, token).await? else {
        return Ok(());
    };
    let claims = &verified.claims;
    if claims.client_id != caller.client_id() {
        return Err(anothers());
    }
    let (jti, expires_at) = (claims.jti.to_string(), claims.expires_at());
    // By no clock can it be active again, and its revocation would be purged at once.
    if server.clock.is_past(expires_at) {
        return Ok(());
    }
    server
        .store
        .write(now, move |transaction| {
            domain::token::revoke(transaction, &recorder, &account_id, &jti, expires_at)?;
            Ok(())
        })
        .await
}
