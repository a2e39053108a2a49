//! `tls_client_auth` and `self_signed_tls_client_auth`: client authentication by a client
//! certificate (RFC 8705 section 2). The TLS handshake proved that the sender has the private key;
//! this file has the rules for which certificates are a client's.

use x509_parser::certificate::X509Certificate;

use super::private_key_jwt;
use crate::cache::ClientEntry;
use crate::client_certificate::CertificateChain;
use crate::clock::Timestamp;
use crate::crypto::jws::WantedKey;
use crate::crypto::x509::check_validity;
use crate::oauth::AuthorizationServer;
use crate::oauth::reason::{Reason, Rejection};
use crate::request_context::RequestContext;
use crate::store::client::{AuthMethod, Client};

/// Checks that the certificate of the request is one of the client's.
///
/// # Errors
/// [`Rejection::Inactive`] if it is not; [`Rejection::Error`] if too many key fetches are in
/// progress.
pub(super) async fn check(
    server: &AuthorizationServer,
    entry: Option<&ClientEntry>,
    context: &RequestContext,
) -> Result<(), Rejection> {
    let now = context.received_at;
    let chain = context.client_certificate.chain();
    let client = entry.ok_or_else(|| match chain {
        Ok(None) => Reason::no_authentication(),
        _ => Reason::unknown_client(),
    })?;
    if let Some(reason) = Reason::refusing(client) {
        return Err(reason.into());
    }
    if !client.auth_method.uses_certificate() {
        return Err(match chain {
            Ok(None) => Reason::no_authentication().into(),
            _ => Reason::wrong_method(client.auth_method.as_str()).into(),
        });
    }
    let chain = chain
        .map_err(|error| Reason::certificate_unreadable(&error.to_string()))?
        .ok_or_else(Reason::certificate_missing)?;
    let (_, certificate) = x509_parser::parse_x509_certificate(chain.leaf())
        .map_err(|error| Reason::certificate_unreadable(&error.to_string()))?;
    // Of certificates that are registered themselves, too: an expired one is refused until the
    // client registers its successor.
    check_validity(&certificate, now).map_err(Reason::from)?;
    if client.auth_method == AuthMethod::TlsClientAuth {
        Ok(check_authority_and_name(
            server,
            client,
            chain,
            &certificate,
            now,
        )?)
    } else {
        check_registered(server, client, chain).await
    }
}

/// Whether the key may sign the TLS handshake (RFC 8446 section 4.4.2.4): `digitalSignature` is set if
/// the certificate restricts the use of its key.
fn may_sign(certificate: &X509Certificate<'_>) -> bool {
    match certificate.key_usage() {
        Ok(Some(usage)) => usage.value.digital_signature(),
        Ok(None) => true,
        // Given twice, or unreadable.
        Err(_) => false,
    }
}

/// RFC 8705 section 2.1: the certificate chains to a configured certificate authority, and has the
/// registered name.
fn check_authority_and_name(
    server: &AuthorizationServer,
    client: &Client,
    chain: &CertificateChain,
    certificate: &X509Certificate<'_>,
    now: Timestamp,
) -> Result<(), Reason> {
    let authorities = server
        .client_authorities()
        .ok_or_else(Reason::certificate_no_authorities)?;
    if certificate.is_ca() {
        return Err(Reason::certificate_of_authority());
    }
    if !may_sign(certificate) {
        return Err(Reason::certificate_wrong_purpose());
    }
    authorities.verify(chain, now)?;
    let name = client
        .certificate_name
        .as_ref()
        .ok_or_else(Reason::certificate_no_name)?;
    if name.matches(certificate) {
        Ok(())
    } else {
        Err(Reason::certificate_wrong_name(
            name.kind().as_str(),
            name.name(),
        ))
    }
}

/// RFC 8705 section 2.2: the certificate is one of those in the client's `jwks` or `jwks_uri`.
async fn check_registered(
    server: &AuthorizationServer,
    client: &ClientEntry,
    chain: &CertificateChain,
) -> Result<(), Rejection> {
    let thumbprint = chain.thumbprint();
    let wanted = WantedKey::Certificate(thumbprint);
    let keys = private_key_jwt::keys(server, client, Some(wanted)).await?;
    if keys.has(wanted) {
        Ok(())
    } else {
        Err(Reason::certificate_not_registered(thumbprint).into())
    }
}
