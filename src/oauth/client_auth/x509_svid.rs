//! `spiffe_x509`: client authentication by the X.509-SVID of a workload, which a trust rule of the
//! client accepts (draft-ietf-oauth-spiffe-client-auth section 3.2).

use crate::cache::ClientEntry;
use crate::oauth::AuthorizationServer;
use crate::oauth::reason::Reason;
use crate::oauth::trust::{self, Refused, Workload, spiffe_id};
use crate::request_context::RequestContext;
use crate::store::StoreError;

/// The name of the method in the server metadata (draft-ietf-oauth-spiffe-client-auth). No client
/// registers it.
pub const SPIFFE_X509: &str = "spiffe_x509";

/// Whether trust rules decide on a request without another credential than a client certificate: if
/// its `client_id` is a SPIFFE ID, or that of a client which has no certificate of its own, but a
/// rule for the certificate's trust domain.
///
/// # Errors
/// [`StoreError`] if the rules are not cached and the database did not answer.
pub(super) async fn applies(
    server: &AuthorizationServer,
    client_id: &str,
    entry: Option<&ClientEntry>,
    context: &RequestContext,
) -> Result<bool, StoreError> {
    if spiffe_id::has_scheme(client_id) {
        return Ok(true);
    }
    match (entry, context.client_certificate.chain()) {
        (Some(client), Ok(Some(chain))) if !client.auth_method.uses_certificate() => {
            trust::has_rule_for_svid(server, chain, client_id, context.received_at).await
        }
        _ => Ok(false),
    }
}

/// Authenticates the client of the trust rule that accepts the certificate of the request.
///
/// # Errors
/// [`Refused`] if there is no certificate, or no rule accepts it; or if the database or the trust
/// bundle cannot be asked.
pub(super) async fn check(
    server: &AuthorizationServer,
    client_id: &str,
    context: &RequestContext,
) -> Result<Workload, Refused> {
    let chain = context
        .client_certificate
        .chain()
        .map_err(|error| Reason::certificate_unreadable(&error.to_string()))?
        .ok_or_else(Reason::certificate_missing)?;
    trust::verify_svid(server, chain, client_id, context).await
}
