//! The token endpoint (RFC 6749 section 3.2).

use super::grant::{
    self, Grant, GrantType, PermittedGrantType, client_credentials, jwt_bearer, token_exchange,
};
use super::issuance::{self, TokenResponse};
use super::{AuthorizationServer, FormRequest, client_auth};
use crate::error::Error;

/// Answers a token request: reads the grant type, authenticates, decides on the grant, and issues
/// an access token.
///
/// # Errors
/// Those of RFC 6749 section 5.2 and RFC 8707 section 2.
pub async fn token(
    server: &AuthorizationServer,
    request: &FormRequest,
) -> Result<TokenResponse, Error> {
    let grant_type = grant::requested_grant_type(&request.parameters)?;
    let grant = authorize(server, request, grant_type).await?;
    issuance::issue(server, grant, request.context.received_at).await
}

/// Authenticates the request as its grant type requires, and decides what is granted.
async fn authorize(
    server: &AuthorizationServer,
    request: &FormRequest,
    grant_type: GrantType,
) -> Result<Grant, Error> {
    let parameters = &request.parameters;
    match grant_type {
        GrantType::ClientCredentials => {
            let caller = client_auth::authenticate(server, request).await?;
            let client = caller.client();
            PermittedGrantType::check(client, grant_type)
                .and_then(|permitted| client_credentials::grant(permitted, &caller, parameters))
                .inspect_err(|refused| {
                    let target = &client.client_id;
                    server.record_refused_grant(&request.context, client, target, refused);
                })
        }
        GrantType::TokenExchange => {
            let subject = token_exchange::authenticate(server, request).await?;
            let client = subject.client();
            PermittedGrantType::check(client, grant_type)
                .and_then(|permitted| token_exchange::grant(permitted, &subject, parameters))
                .inspect_err(|refused| {
                    let target = subject.id();
                    server.record_refused_grant(&request.context, client, target, refused);
                })
        }
        GrantType::JwtBearer => {
            let workload = jwt_bearer::authenticate(server, request).await?;
            let client = workload.client();
            PermittedGrantType::check(client, grant_type)
                .and_then(|permitted| jwt_bearer::grant(permitted, &workload, None, parameters))
                .inspect_err(|refused| {
                    let target = &client.client_id;
                    server.record_refused_grant(&request.context, client, target, refused);
                })
        }
    }
}
