//! Token exchange (RFC 8693): of an API key for a short-lived JWT access token, so that resource
//! servers only need to understand JWTs; and of a JWT of another issuer, which a trust rule accepts.

use std::sync::Arc;

use super::{Grant, PermittedGrantType, decide_resources, decide_scope, jwt_bearer, parse_scope};
use crate::error::{Code, Error};
use crate::oauth::failures::{self, FailureTarget};
use crate::oauth::parameters::Parameters;
use crate::oauth::possession::Possession;
use crate::oauth::token::presented::{self, ActiveApiKey, Presentation};
use crate::oauth::trust::Workload;
use crate::oauth::{AuthorizationServer, FormRequest};
use crate::store::client::Client;
use crate::store::grant_type::GrantType;

/// The `subject_token_type` of an API key.
pub const API_KEY: &str = "urn:keyward:token-type:api_key";

/// The `issued_token_type` (RFC 8693 section 3).
pub const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// The `subject_token_type` of a JWT of another issuer, and a `requested_token_type` that an access
/// token satisfies too.
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// The `subject_token_type` of an ID token of another issuer.
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";

/// Whom the subject token authenticates.
pub enum Subject {
    /// The holder of an API key.
    ApiKey(ActiveApiKey),
    /// A workload of another issuer.
    Workload(Arc<Workload>),
}

impl Subject {
    /// The client that the subject acts as.
    pub fn client(&self) -> &Client {
        match self {
            Subject::ApiKey(key) => &key.client,
            Subject::Workload(workload) => workload.client(),
        }
    }

    /// The target of an audit entry about a failure: the API key, or the client.
    pub fn failure_target(&self) -> FailureTarget<'_> {
        match self {
            Subject::ApiKey(key) => FailureTarget::ApiKey(&key.api_key.id),
            Subject::Workload(workload) => FailureTarget::Client(&workload.client().client_id),
        }
    }
}

/// A subject token, of which only the type has been checked.
#[derive(Debug, PartialEq, Eq)]
enum SubjectToken<'a> {
    ApiKey(&'a str),
    Jwt(&'a str),
}

/// Authenticates the request by its subject token: an active API key, or a JWT that a trust rule
/// accepts.
///
/// # Errors
/// `invalid_request` if the request is not an exchange of such a token alone, or if the token is not
/// accepted (RFC 8693 section 2.2.2).
pub async fn authenticate(
    server: &AuthorizationServer,
    request: &FormRequest,
) -> Result<Subject, Error> {
    let key = match subject_token(&request.parameters, request.authorization.is_some())? {
        SubjectToken::ApiKey(key) => key,
        SubjectToken::Jwt(jwt) => {
            let refusal = jwt_bearer::refusal(GrantType::TokenExchange);
            let workload = jwt_bearer::authenticate_workload(server, request, jwt, refusal).await?;
            return Ok(Subject::Workload(workload));
        }
    };
    let possession = Possession::Bearer(&request.context.client_certificate);
    let presentation = Presentation::by_sender(&request.context, possession);
    match presented::resolve_api_key(server, key, presentation, request.context.received_at).await {
        Ok(key) => Ok(Subject::ApiKey(key)),
        Err(rejection) => {
            let refusal = invalid("subject_token is not an active API key");
            Err(presented::refuse(server, &request.context, key, rejection, refusal).await)
        }
    }
}

/// Decides what the subject is granted.
///
/// # Errors
/// `invalid_scope`, `invalid_target`.
pub fn grant(
    grant_type: PermittedGrantType,
    subject: &Subject,
    parameters: &Parameters,
) -> Result<Grant, Error> {
    match subject {
        Subject::ApiKey(key) => grant_of_api_key(grant_type, key, parameters),
        Subject::Workload(workload) => {
            jwt_bearer::grant(grant_type, workload, Some(ACCESS_TOKEN), parameters)
        }
    }
}

/// Says that the API key is not allowed what was refused, if its client is.
fn of_key(client: &Client, refused: Error) -> Error {
    let (code, what) = match refused.code() {
        Code::InvalidTarget => (Code::InvalidTarget, "resource"),
        code => (code, "scope"),
    };
    match refused.subject() {
        Some(subject) if failures::is_allowed(client, &refused) => {
            let description = format!("The API key is not allowed the {what} {subject}");
            Error::new(code, description).about(subject)
        }
        _ => refused,
    }
}

/// Decides what the holder of an API key is granted: never more than the key allows, and never for
/// longer.
///
/// # Errors
/// `invalid_scope`, `invalid_target`.
fn grant_of_api_key(
    grant_type: PermittedGrantType,
    subject: &ActiveApiKey,
    parameters: &Parameters,
) -> Result<Grant, Error> {
    let requested = parameters.get("scope").map(parse_scope).transpose()?;
    let Some(usable) = subject.resources() else {
        let description = "The client is no longer allowed any resource server of the API key";
        return Err(Error::new(Code::InvalidTarget, description));
    };
    let by_key = |refused: Error| of_key(&subject.client, refused);
    let resources = decide_resources(&usable, parameters).map_err(by_key)?;
    let scope = decide_scope(&subject.scope(), requested.as_ref()).map_err(by_key)?;
    Ok(Grant {
        grant_type,
        client: subject.client.clone(),
        scope,
        resources,
        not_after: subject.api_key.expires_at,
        api_key: Some(subject.api_key.clone()),
        issued_token_type: Some(ACCESS_TOKEN),
        workload: None,
        binding: None,
    })
}

/// The subject token of the request (RFC 8693 section 2.1).
fn subject_token(
    parameters: &Parameters,
    has_authorization: bool,
) -> Result<SubjectToken<'_>, Error> {
    let text = parameters.require("subject_token")?;
    let token = match parameters.require("subject_token_type")? {
        API_KEY => SubjectToken::ApiKey(text),
        JWT | ID_TOKEN => SubjectToken::Jwt(text),
        _ => {
            return Err(invalid(
                "subject_token_type must be urn:keyward:token-type:api_key, urn:ietf:params:oauth:token-type:jwt or urn:ietf:params:oauth:token-type:id_token",
            ));
        }
    };
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
    // The subject token authenticates its client. Other client authentication could only contradict
    // it; but trust rules of several clients may accept a JWT, and client_id chooses among them.
    let names = match token {
        SubjectToken::ApiKey(_) => &["client_secret", "client_assertion", "client_id"][..],
        SubjectToken::Jwt(_) => &["client_secret", "client_assertion"],
    };
    let authenticates_client = names.iter().any(|name| parameters.get(name).is_some());
    if authenticates_client || has_authorization {
        return Err(invalid(
            "The subject token authenticates the client: no other client authentication must be sent",
        ));
    }
    Ok(token)
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
            let expected = accepted.then_some(SubjectToken::ApiKey("kwk_x"));
            assert_eq!(found.ok(), expected, "{name}");
        }
    }

    #[test]
    fn an_exchange_is_of_a_jwt_of_another_issuer() {
        for (body, accepted) in [
            (
                "subject_token_type=urn:ietf:params:oauth:token-type:jwt",
                true,
            ),
            (
                "subject_token_type=urn:ietf:params:oauth:token-type:id_token",
                true,
            ),
            (
                "subject_token_type=urn:ietf:params:oauth:token-type:jwt&client_id=c",
                true,
            ),
            (
                "subject_token_type=urn:ietf:params:oauth:token-type:jwt&client_secret=s",
                false,
            ),
            (
                "subject_token_type=urn:ietf:params:oauth:token-type:access_token",
                false,
            ),
            (
                "subject_token_type=urn:ietf:params:oauth:token-type:saml2",
                false,
            ),
            ("", false),
        ] {
            let body = format!("subject_token=a.b.c&{body}");
            let form = Some("application/x-www-form-urlencoded");
            let parameters = Parameters::parse(form, body.as_bytes()).unwrap();
            let found = subject_token(&parameters, false);
            let expected = accepted.then_some(SubjectToken::Jwt("a.b.c"));
            assert_eq!(found.ok(), expected, "{body}");
        }
    }
}
