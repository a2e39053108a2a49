//! Token exchange (RFC 8693) of an API key for a short JWT, so that resource servers need to know
//! only JWTs.

use super::access_token::Grant;
use super::client_credentials::{decide_resources, decide_scope, parse_scope};
use super::parameters::Parameters;
use super::{AuthorizationServer, Request, api_key};
use crate::error::{Code, Error};
use crate::oauth::access_token::NotInForce;

/// The value of `grant_type`.
pub const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// The type of what is exchanged.
pub const API_KEY: &str = "urn:keyward:token-type:api_key";

/// The type of what is issued (RFC 8693 section 3).
pub const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// The other name of it.
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// Decides what the bearer of the key gets: never more than the key has, never for longer.
///
/// # Errors
/// `invalid_request` for a key that is not in force, as RFC 8693 section 2.2.2 says; `unauthorized_client`
/// where its client may not use this grant; `invalid_scope`, `invalid_target`.
pub async fn grant(server: &AuthorizationServer, request: &Request) -> Result<Grant, Error> {
    let parameters = &request.parameters;
    let invalid = |description: &'static str| Error::new(Code::InvalidRequest, description);
    let key = parameters.require("subject_token")?;
    if parameters.require("subject_token_type")? != API_KEY {
        return Err(invalid(
            "subject_token_type must be urn:keyward:token-type:api_key",
        ));
    }
    if parameters
        .get("requested_token_type")
        .is_some_and(|wanted| wanted != ACCESS_TOKEN && wanted != JWT)
    {
        return Err(invalid("requested_token_type can only be an access token"));
    }
    if parameters.get("actor_token").is_some() || parameters.get("actor_token_type").is_some() {
        return Err(invalid(
            "There is no delegation here: actor_token is not taken",
        ));
    }
    // The key says who it is; a second word about that could only differ.
    let authenticated = ["client_id", "client_secret", "client_assertion"]
        .iter()
        .any(|name| parameters.get(name).is_some());
    if authenticated || request.authorization.is_some() {
        return Err(invalid(
            "The API key is all the authentication that there may be",
        ));
    }
    let found = match api_key::find(
        server,
        key,
        Some(request.context.client_ip),
        request.context.received_at,
    )
    .await?
    {
        Ok(found) => found,
        Err(NotInForce(reason)) => {
            let refusal = invalid("subject_token is no API key that is in force");
            return Err(server
                .failed_bearer(&request.context, key, &reason, refusal)
                .await);
        }
    };
    let client = &found.client.client;
    granted(&found, parameters).inspect_err(|error| {
        server.note_refusal(&request.context, client, &found.key.key.id, error)
    })
}

/// What the bearer of the key gets of what it asks for.
fn granted(found: &api_key::ActiveKey, parameters: &Parameters) -> Result<Grant, Error> {
    let client = &found.client.client;
    if !client.may_use(GRANT_TYPE) {
        let refusal = format!("The client may not use the grant {GRANT_TYPE}");
        return Err(Error::new(Code::UnauthorizedClient, refusal).about(GRANT_TYPE));
    }
    let requested = parameters.get("scope").map(parse_scope).transpose()?;
    let resources = decide_resources(&client.resources, parameters)?;
    let scope = decide_scope(&found.scope(), requested.as_ref())?;
    Ok(Grant::to_key(found, scope, resources))
}
