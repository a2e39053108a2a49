//! Revocation (RFC 7009) of access tokens and API keys.

use super::token::presented::{self, PresentedToken};
use super::{AuthorizationServer, FormRequest, client_auth};
use crate::domain;
use crate::error::{Code, Error};
use crate::store::audit::Recorder;

/// Answers a revocation request. For an unknown, malformed or revoked token there is nothing to do,
/// and this is no error (RFC 7009 section 2.2).
///
/// Every authentic token is revoked, even if it has expired by the clock of this machine: that
/// clock may be ahead, and on another node the token or API key may still be active.
///
/// # Errors
/// `invalid_client`; `unauthorized_client` for a token of another client, which is left as it is;
/// and if the revocation cannot be written: then the token may stay active, and the caller must
/// know.
pub async fn revoke(server: &AuthorizationServer, request: &FormRequest) -> Result<(), Error> {
    let caller = client_auth::authenticate(server, request).await?;
    let token = request.parameters.require("token")?;
    let token = match presented::authenticate_for_revocation(server, token).await {
        Ok(token) => token,
        Err(rejection) => return rejection.into_reason().map(drop),
    };
    if token.client_id() != caller.client_id() {
        return Err(Error::new(
            Code::UnauthorizedClient,
            "The token was issued to another client",
        ));
    }
    // Expired by every clock: it cannot become active again, and its revocation would be purged at
    // once.
    if let PresentedToken::AccessToken(claims) = &token
        && server.clock.is_past(claims.expires_at())
    {
        return Ok(());
    }
    let now = request.context.received_at;
    let account_id = caller.client().account_id.clone();
    let recorder = Recorder::in_request(format!("client {}", caller.client_id()), &request.context);
    server
        .store
        .write(now, move |transaction| {
            match &token {
                // A leaked key must be revocable even if it is the client's last one.
                PresentedToken::ApiKey(key) => {
                    let id = &key.id;
                    domain::api_key::revoke(transaction, &recorder, &account_id, id)?;
                }
                PresentedToken::AccessToken(claims) => {
                    let jti = claims.jti.to_string();
                    let expires_at = claims.expires_at();
                    domain::token::revoke(transaction, &recorder, &account_id, &jti, expires_at)?;
                }
            }
            Ok(())
        })
        .await
}
