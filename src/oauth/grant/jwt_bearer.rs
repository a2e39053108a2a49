//! The jwt-bearer grant (RFC 7523 section 2.1): a JWT of another issuer as the authorization grant.
//! There is no client authentication beside the JWT of a workload: the trust rule that accepts it
//! names the client. An ID-JAG (draft-ietf-oauth-identity-assertion-authz-grant) is about a user
//! instead, and the client authenticates itself.

use std::sync::Arc;

use super::{Grant, PermittedGrantType, decide_resources, decide_scope, parse_scope};
use crate::error::{Code, Error};
use crate::oauth::parameters::Parameters;
use crate::oauth::reason::Reason;
use crate::oauth::trust::{self, PresentedAs, PresentedJwt, Workload};
use crate::oauth::{AuthorizationServer, FormRequest, client_auth};
use crate::store::grant_type::GrantType;

/// Authenticates the request by its assertion, which a trust rule must accept. With `client_id` only
/// the rules of that client are considered.
///
/// # Errors
/// `invalid_request` without an assertion, or with client authentication beside the JWT of a
/// workload; `invalid_client` if the client of an ID-JAG is not authenticated; `invalid_grant` if no
/// trust rule accepts the assertion.
pub async fn authenticate(
    server: &AuthorizationServer,
    request: &FormRequest,
) -> Result<Arc<Workload>, Error> {
    let text = request.parameters.require("assertion")?;
    if trust::is_id_jag(text) {
        let client = client_auth::authenticate(server, request).await?;
        let presented = PresentedJwt {
            text,
            client_id: Some(client.client_id()),
            presented_as: PresentedAs::IdJag,
        };
        return verify(server, request, &presented, refusal(GrantType::JwtBearer)).await;
    }
    check_no_client_authentication(&request.parameters, request.authorization.is_some())?;
    authenticate_workload(server, request, text, refusal(GrantType::JwtBearer)).await
}

/// Authenticates the request by the JWT of a workload, which a trust rule must accept.
///
/// # Errors
/// `refusal` if none does.
pub(super) async fn authenticate_workload(
    server: &AuthorizationServer,
    request: &FormRequest,
    text: &str,
    refusal: Error,
) -> Result<Arc<Workload>, Error> {
    let presented = PresentedJwt {
        text,
        client_id: request.parameters.get("client_id"),
        presented_as: PresentedAs::Grant,
    };
    let workload = verify(server, request, &presented, refusal).await?;
    let client_id = &workload.client().client_id;
    let context = &request.context;
    server.usage.record_authentication(client_id, None, context);
    Ok(workload)
}

async fn verify(
    server: &AuthorizationServer,
    request: &FormRequest,
    presented: &PresentedJwt<'_>,
    refusal: Error,
) -> Result<Arc<Workload>, Error> {
    match trust::verify(server, presented, &request.context).await {
        Ok(workload) => Ok(Arc::new(workload)),
        Err(refused) => Err(refused.record(server, &request.context, presented.client_id, refusal)),
    }
}

/// The error for a JWT that is not accepted.
pub(super) fn refusal(grant_type: GrantType) -> Error {
    match grant_type {
        // RFC 8693 section 2.2.2.
        GrantType::TokenExchange => Error::new(
            Code::InvalidRequest,
            "subject_token is not accepted by a trust rule",
        ),
        GrantType::ClientCredentials | GrantType::JwtBearer => Error::new(
            Code::InvalidGrant,
            "The assertion is not accepted by a trust rule",
        ),
    }
}

/// Checks that the request proves possession of the key that its JWT is bound to, and then marks the
/// JWT as used. This is the last step before a token is issued.
///
/// # Errors
/// `invalid_grant`, or `invalid_request` for a token exchange, if the key is not proven or the JWT
/// was used before.
pub async fn complete(
    server: &AuthorizationServer,
    request: &FormRequest,
    grant: &Grant,
) -> Result<(), Error> {
    // A client assertion was marked as used when it authenticated the client.
    let Some(workload) = grant
        .workload()
        .filter(|_| grant.grant_type() != GrantType::ClientCredentials)
    else {
        return Ok(());
    };
    let proven = match workload.required_binding() {
        Some(required) if grant.binding() != Some(required) => {
            Err(workload.refused(Reason::id_jag_wrong_key()))
        }
        _ => workload.use_up(server).await,
    };
    let context = &request.context;
    let client_id = request.parameters.get("client_id");
    proven
        .map_err(|refused| refused.record(server, context, client_id, refusal(grant.grant_type())))
}

/// Decides what a workload, or a client for the user of an ID-JAG, is granted: within the limits of
/// the client and of the ID-JAG.
///
/// # Errors
/// `invalid_scope`, `invalid_target`.
pub fn grant(
    grant_type: PermittedGrantType,
    workload: &Arc<Workload>,
    issued_token_type: Option<&'static str>,
    parameters: &Parameters,
) -> Result<Grant, Error> {
    let requested = parameters.get("scope").map(parse_scope).transpose()?;
    let resources = decide_resources(&workload.limit_resources()?, parameters)?;
    let scope = decide_scope(&workload.limit_scope()?, requested.as_ref())?;
    Ok(Grant {
        grant_type,
        client: workload.client().clone(),
        scope,
        resources,
        not_after: workload.not_after(),
        api_key: None,
        issued_token_type,
        workload: Some(workload.clone()),
        binding: None,
    })
}

/// Refuses client authentication beside the JWT of a workload: it could only contradict the rule.
fn check_no_client_authentication(
    parameters: &Parameters,
    has_authorization: bool,
) -> Result<(), Error> {
    let authenticates_client = ["client_secret", "client_assertion"]
        .iter()
        .any(|name| parameters.get(name).is_some());
    if authenticates_client || has_authorization {
        return Err(Error::new(
            Code::InvalidRequest,
            "The trust rule for the assertion names the client: no client authentication must be sent",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_jwt_of_a_workload_is_sent_without_client_authentication() {
        for (body, has_authorization, accepted) in [
            ("assertion=x", false, true),
            ("assertion=x&client_id=c", false, true),
            ("assertion=x", true, false),
            ("assertion=x&client_secret=s", false, false),
            ("assertion=x&client_assertion=a", false, false),
        ] {
            let form = Some("application/x-www-form-urlencoded");
            let parameters = Parameters::parse(form, body.as_bytes()).unwrap();
            let found = check_no_client_authentication(&parameters, has_authorization);
            assert_eq!(found.is_ok(), accepted, "{body}");
        }
    }
}
