//! Token exchange (RFC 8693) of an API key for a short-lived JWT access token, so that resource
//! servers only need to understand JWTs.

use super::{Grant, PermittedGrantType, decide_resources, decide_scope, parse_scope};
use crate::error::{Code, Error};
use crate::oauth::parameters::Parameters;
use crate::oauth::possession::Possession;
use crate::oauth::token::presented::{self, ActiveApiKey, Presentation};
use crate::oauth::{AuthorizationServer, FormRequest};

/// The `subject_token_type` of an API key.
pub const API_KEY: &str = "urn:keyward:token-type:api_key";

/// The `issued_token_type` (RFC 8693 section 3).
pub const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// A `requested_token_type` that an access token satisfies too.
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// Authenticates the request by its subject token, which must be an active API key.
///
/// # Errors
/// `invalid_request` if the request is not an exchange of an API key alone, or if the key is not
/// active (RFC 8693 section 2.2.2).
pub async fn authenticate(
    server: &AuthorizationServer,
    request: &FormRequest,
) -> Result<ActiveApiKey, Error> {
    let key = subject_token(&request.parameters, request.authorization.is_some())?;
    let presentation = Presentation::by_sender(&request.context, Possession::Bearer);
    match presented::resolve_api_key(server, key, presentation, request.context.received_at).await {
        Ok(key) => Ok(key),
        Err(rejection) => {
            let refusal = invalid("subject_token is not an active API key");
            Err(presented::refuse(server, &request.context, key, rejection, refusal).await)
        }
    }
}

/// Decides what the holder of an API key is granted: never more than the key allows, and never for
/// longer.
///
/// # Errors
/// `invalid_scope`, `invalid_target`.
pub fn grant(
    grant_type: PermittedGrantType,
    subject: &ActiveApiKey,
    parameters: &Parameters,
) -> Result<Grant, Error> {
    let requested = parameters.get("scope").map(parse_scope).transpose()?;
    let resources = decide_resources(&subject.client.resources, parameters)?;
    let scope = decide_scope(&subject.scope(), requested.as_ref())?;
    Ok(Grant {
        grant_type,
        client: subject.client.clone(),
        scope,
        resources,
        not_after: subject.api_key.expires_at,
        api_key: Some(subject.api_key.clone()),
        issued_token_type: Some(ACCESS_TOKEN),
        binding: None,
    })
}

/// The API key of the request (RFC 8693 section 2.1).
fn subject_token(parameters: &Parameters, has_authorization: bool) -> Result<&str, Error> {
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
        return Err(invalid("requested_token_type must be an access token"));
    }
    if parameters.get("actor_token").is_some() || parameters.get("actor_token_type").is_some() {
        return Err(invalid(
            "Delegation is not supported: actor_token must not be sent",
        ));
    }
    // The API key authenticates its client. Other client authentication could only contradict it.
    let authenticates_client = ["client_id", "client_secret", "client_assertion"]
        .iter()
        .any(|name| parameters.get(name).is_some());
    if authenticates_client || has_authorization {
        return Err(invalid(
            "The API key authenticates the client: no other client authentication must be sent",
        ));
    }
    Ok(key)
}

fn invalid(description: &'static str) -> Error {
    Error::new(Code::InvalidRequest, description)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exchange_is_of_an_api_key_alone() {
        let good = "subject_token=kwk_x&subject_token_type=urn:keyward:token-type:api_key";
        for (name, changed, has_authorization, accepted) in [
            ("as it is", "", false, true),
            (
                "any token",
                "&requested_token_type=urn:ietf:params:oauth:token-type:jwt",
                false,
                true,
            ),
            (
                "an access token",
                "&requested_token_type=urn:ietf:params:oauth:token-type:access_token",
                false,
                true,
            ),
            (
                "a refresh token",
                "&requested_token_type=urn:refresh",
                false,
                false,
            ),
            ("an actor", "&actor_token=x", false, false),
            ("the type of an actor", "&actor_token_type=x", false, false),
            ("a client id", "&client_id=x", false, false),
            ("a secret", "&client_secret=x", false, false),
            ("an assertion", "&client_assertion=x", false, false),
            ("an Authorization header", "", true, false),
        ] {
            let body = format!("{good}{changed}");
            let parameters =
                Parameters::parse(Some("application/x-www-form-urlencoded"), body.as_bytes())
                    .unwrap();
            let found = subject_token(&parameters, has_authorization);
            assert_eq!(found.ok(), accepted.then_some("kwk_x"), "{name}");
        }
    }
}
