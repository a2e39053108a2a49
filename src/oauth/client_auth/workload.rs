//! Client authentication by a JWT of another issuer, which a trust rule of the client accepts.

use serde::Deserialize;

use super::AssertionKind;
use crate::crypto::jws::Jws;
use crate::oauth::AuthorizationServer;
use crate::oauth::trust::{self, PresentedAs, PresentedJwt, Refused, Workload};
use crate::request_context::RequestContext;
use crate::store::StoreError;

/// The `client_assertion_type` of a JWT-SVID.
pub const SPIFFE_ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe";

/// The name of authentication by a JWT-SVID in the server metadata
/// (draft-ietf-oauth-spiffe-client-auth). No client registers it.
pub const SPIFFE_JWT: &str = "spiffe_jwt";

/// Whether an assertion is to be checked by trust rules: a JWT-SVID always, another JWT if the
/// request names a client that has a rule for its issuer. All others are assertions of the client
/// itself (`private_key_jwt`), whose `iss` is the client id.
///
/// # Errors
/// [`StoreError`] if the rules are not cached and the database did not answer.
pub(super) async fn applies(
    server: &AuthorizationServer,
    client_id: Option<&str>,
    assertion: &str,
    kind: AssertionKind,
) -> Result<bool, StoreError> {
    #[derive(Deserialize)]
    struct Parties {
        iss: Option<String>,
        sub: Option<String>,
    }
    if kind == AssertionKind::JwtSpiffe {
        return Ok(true);
    }
    let Some(client_id) = client_id else {
        return Ok(false);
    };
    let parties = Jws::parse(assertion)
        .ok()
        .and_then(|jws| jws.claims::<Parties>().ok());
    let Some(Parties { iss, sub }) = parties else {
        return Ok(false);
    };
    if iss.as_deref() == Some(client_id) {
        return Ok(false);
    }
    let trust_domain = sub.as_deref().and_then(trust::trust_domain);
    for issuer in iss.as_deref().into_iter().chain(trust_domain) {
        if !trust::could_be_issuer(issuer) {
            continue;
        }
        let rules = server.cache.trust_rules(issuer).await?;
        if rules.iter().any(|rule| rule.client_id == client_id) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Authenticates the client of the trust rule that accepts the assertion.
///
/// # Errors
/// [`Refused`] if no rule accepts it, or if the database or the issuer's keys cannot be asked.
pub(super) async fn check(
    server: &AuthorizationServer,
    client_id: Option<&str>,
    assertion: &str,
    context: &RequestContext,
) -> Result<Workload, Refused> {
    let presented = PresentedJwt {
        text: assertion,
        client_id,
        presented_as: PresentedAs::ClientAssertion,
    };
    let workload = trust::verify(server, &presented, context).await?;
    workload.use_up(server).await?;
    Ok(workload)
}
