//! The token endpoint (RFC 6749 section 3.2).

use super::access_token::{self, Grant, TokenResponse};
use super::client_authentication::{self, AuthenticatedClient};
use super::{AuthorizationServer, Request, client_credentials, token_exchange};
use crate::error::{Code, Error};

/// The grants that are offered.
pub const GRANT_TYPES: [&str; 2] = [client_credentials::GRANT_TYPE, token_exchange::GRANT_TYPE];

/// Answers a token request.
///
/// # Errors
/// Those of RFC 6749 section 5.2 and RFC 8707 section 2.
pub async fn token(
    server: &AuthorizationServer,
    request: &Request,
) -> Result<TokenResponse, Error> {
    let grant_type = request.parameters.require("grant_type")?;
    if !GRANT_TYPES.contains(&grant_type) {
        return Err(Error::new(
            Code::UnsupportedGrantType,
            format!("The grants are {}", GRANT_TYPES.join(", ")),
        ));
    }
    if grant_type == token_exchange::GRANT_TYPE {
        let grant = token_exchange::grant(server, request).await?;
        return access_token::issue(server, grant, request.context.received_at).await;
    }
    let client = client_authentication::authenticate(server, request).await?;
    let grant = granted(&client, grant_type, request);
    let grant = grant.inspect_err(|error| {
        server.note_refusal(
            &request.context,
            &client.entry().client,
            client.client_id(),
            error,
        )
    })?;
    access_token::issue(server, grant, request.context.received_at).await
}

/// What the client gets of what it asks for.
fn granted(
    client: &AuthenticatedClient,
    grant_type: &str,
    request: &Request,
) -> Result<Grant, Error> {
    if !client.entry().client.may_use(grant_type) {
        let refusal = format!("The client may not use the grant {grant_type}");
        return Err(Error::new(Code::UnauthorizedClient, refusal).about(grant_type));
    }
    client_credentials::grant(client, &request.parameters)
}
