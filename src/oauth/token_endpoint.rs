//! The token endpoint (RFC 6749 section 3.2).

use super::access_token::{self, TokenResponse};
use super::{AuthorizationServer, Request, client_authentication, client_credentials, token_exchange};
use crate::error::{Code, Error};

/// The grants that are offered.
pub const GRANT_TYPES: [&str; 2] = [client_credentials::GRANT_TYPE, token_exchange::GRANT_TYPE];

/// Answers a token request.
///
/// # Errors
/// Those of RFC 6749 section 5.2 and RFC 8707 section 2.
pub async fn token(server: &AuthorizationServer, request: &Request) -> Result<TokenResponse, Error> {
    let grant_type = request.parameters.require("grant_type")?;
    if !GRANT_TYPES.contains(&grant_type) {
        return Err(Error::new(Code::UnsupportedGrantType, format!("The grants are {}", GRANT_TYPES.join(", "))));
    }
    if grant_type == token_exchange::GRANT_TYPE {
        let grant = token_exchange::grant(server, request).await?;
        return access_token::issue(server, grant, request.origin.now).await;
    }
    let client = client_authentication::authenticate(server, request).await?;
    if !client.entry().client.may_use(grant_type) {
        return Err(Error::new(Code::UnauthorizedClient, format!("The client may not use the grant {grant_type}")));
    }
    let grant = client_credentials::grant(&client, &request.parameters)?;
    access_token::issue(server, grant, request.origin.now).await
}
