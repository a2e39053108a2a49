//! The jwt-bearer grant (RFC 7523 section 2.1): a JWT of another issuer as the authorization grant.
//! There is no client authentication: the trust rule that accepts the JWT names the client.

use std::sync::Arc;

use super::{Grant, PermittedGrantType, decide_resources, decide_scope, parse_scope};
use crate::error::{Code, Error};
use crate::oauth::parameters::Parameters;
use crate::oauth::trust::{self, PresentedJwt, Recipient, Workload};
use crate::oauth::{AuthorizationServer, FormRequest};

/// Authenticates the request by its assertion, which a trust rule must accept. With `client_id` only
/// the rules of that client are considered.
///
/// # Errors
/// `invalid_request` without an assertion, or with client authentication beside it; `invalid_grant`
/// if no trust rule accepts it.
pub async fn authenticate(
    server: &AuthorizationServer,
    request: &FormRequest,
) -> Result<Arc<Workload>, Error> {
    let assertion = assertion(&request.parameters, request.authorization.is_some())?;
    let refusal = Error::new(
        Code::InvalidGrant,
        "The assertion is not accepted by a trust rule",
    );
    authenticate_jwt(server, request, assertion, refusal).await
}

/// Authenticates the request by a JWT of another issuer, which a trust rule must accept.
///
/// # Errors
/// `refusal` if none does, or if the security profile of the client does not allow it.
pub(super) async fn authenticate_jwt(
    server: &AuthorizationServer,
    request: &FormRequest,
    jwt: &str,
    refusal: Error,
) -> Result<Arc<Workload>, Error> {
    let presented = PresentedJwt {
        text: jwt,
        client_id: request.parameters.get("client_id"),
        recipient: Recipient::IssuerOrTokenEndpoint,
    };
    match trust::verify(server, &presented, &request.context).await {
        Ok(workload) => {
            let workload = Arc::new(workload);
            let client = workload.client();
            workload.check_profile(server).map_err(|reason| {
                let target = &client.client_id;
                server.record_refused_token(&request.context, client, target, &reason);
                refusal.detail(reason.to_string())
            })?;
            Ok(workload)
        }
        Err(refused) => Err(refused.record(server, &request.context, &presented, refusal)),
    }
}

/// Decides what a workload is granted: within the limits of the client that it acts as.
///
/// # Errors
/// `invalid_scope`, `invalid_target`.
pub fn grant(
    grant_type: PermittedGrantType,
    workload: &Arc<Workload>,
    issued_token_type: Option<&'static str>,
    parameters: &Parameters,
) -> Result<Grant, Error> {
    let client = workload.client();
    let requested = parameters.get("scope").map(parse_scope).transpose()?;
    let resources = decide_resources(&client.resources, parameters)?;
    let scope = decide_scope(&client.scope, requested.as_ref())?;
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

/// The assertion of the request (RFC 7521 section 4.1).
fn assertion(parameters: &Parameters, has_authorization: bool) -> Result<&str, Error> {
    let assertion = parameters.require("assertion")?;
    let authenticates_client = ["client_secret", "client_assertion"]
        .iter()
        .any(|name| parameters.get(name).is_some());
    if authenticates_client || has_authorization {
        return Err(Error::new(
            Code::InvalidRequest,
            "The trust rule for the assertion names the client: no client authentication must be sent",
        ));
    }
    Ok(assertion)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assertion_is_sent_without_client_authentication() {
        for (body, has_authorization, accepted) in [
            ("assertion=x", false, true),
            ("assertion=x&client_id=c", false, true),
            ("", false, false),
            ("assertion=x", true, false),
            ("assertion=x&client_secret=s", false, false),
            ("assertion=x&client_assertion=a", false, false),
        ] {
            let form = Some("application/x-www-form-urlencoded");
            let parameters = Parameters::parse(form, body.as_bytes()).unwrap();
            let found = assertion(&parameters, has_authorization);
            assert_eq!(found.ok(), accepted.then_some("x"), "{body}");
        }
    }
}
