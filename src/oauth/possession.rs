//! Proof of possession: whether the sender of an access token holds the key that the token is bound
//! to. Each kind of [`Binding`] has its own proof.

use super::AuthorizationServer;
use super::binding::Binding;
use super::dpop::{self, DpopRequest, VerifiedProof};
use super::reason::{Reason, Rejection};
use crate::client_certificate::ClientCertificate;
use crate::clock::Timestamp;
use crate::error::{Code, Error};

/// What the sender of an access token shows of the key that the token may be bound to.
#[derive(Clone, Copy)]
pub enum Possession<'a> {
    /// The sender of the token is not the sender of the request, as in introspection: the binding
    /// is not checked.
    NotChecked,
    /// The token is presented as a Bearer token, with this client certificate if there is one.
    Bearer(&'a ClientCertificate),
    /// A proof: the token is presented with the scheme DPoP.
    Dpop(DpopRequest<'a>),
}

/// Checks what the sender of an active access token shows of the key that the token is bound to
/// (RFC 9449 section 7.1, RFC 8705 section 3). Returns the proof, if there is one, for
/// [`dpop::claim`].
///
/// # Errors
/// As [`dpop::check`]; [`Rejection::Unproven`] if the token is bound to another key or presented without
/// proof, or if it is presented with a proof but not bound.
pub fn check(
    server: &AuthorizationServer,
    binding: Option<&Binding>,
    possession: &Possession<'_>,
    now: Timestamp,
) -> Result<Option<VerifiedProof>, Rejection> {
    let refuse = |reason, description: &'static str| {
        let refusal = Error::new(Code::InvalidToken, description).dpop_challenge(None);
        Err(Rejection::unproven(reason, refusal))
    };
    match (possession, binding) {
        (Possession::NotChecked, _) | (Possession::Bearer(_), None) => Ok(None),
        (Possession::Bearer(certificate), Some(Binding::Certificate(thumbprint))) => {
            check_certificate(certificate, thumbprint).map(|()| None)
        }
        (Possession::Bearer(_), Some(Binding::Jwk(_))) => refuse(
            Reason::token_without_proof(),
            "The access token is bound to a key: present it as Authorization: DPoP, with a proof",
        ),
        (Possession::Dpop(_), None | Some(Binding::Certificate(_))) => refuse(
            Reason::token_not_bound(),
            "The access token is not bound to a key of DPoP proofs: present it as Authorization: Bearer",
        ),
        (Possession::Dpop(request), Some(binding)) => {
            let proof = dpop::check(server, request, now)?;
            if proof.binding() == binding {
                Ok(Some(proof))
            } else {
                refuse(
                    Reason::dpop_wrong_key(),
                    "The access token is bound to another key than that of the DPoP proof",
                )
            }
        }
    }
}

/// Checks that the sender's certificate is the one that the token is bound to (RFC 8705 section 3).
fn check_certificate(certificate: &ClientCertificate, thumbprint: &str) -> Result<(), Rejection> {
    let (reason, description) = match certificate.chain() {
        Ok(Some(chain)) if chain.thumbprint() == thumbprint => return Ok(()),
        Ok(Some(_)) => (
            Reason::token_wrong_certificate(),
            "The access token is bound to another client certificate",
        ),
        Ok(None) => (
            Reason::token_without_certificate(),
            "The access token is bound to a client certificate, and the request has none",
        ),
        Err(error) => (
            Reason::certificate_unreadable(&error.to_string()),
            "The access token is bound to a client certificate, and that of the request is unreadable",
        ),
    };
    let refusal = Error::new(Code::InvalidToken, description);
    Err(Rejection::unproven(reason, refusal))
}
