//! Proof of possession: whether the sender of an access token holds the key that the token is bound
//! to. Each kind of [`Binding`] has its own proof.

use super::AuthorizationServer;
use super::binding::Binding;
use super::dpop::{self, DpopRequest, VerifiedProof};
use super::reason::{Reason, Rejection};
use crate::clock::Timestamp;
use crate::error::{Code, Error};

/// What the sender of an access token shows of the key that the token may be bound to.
#[derive(Clone, Copy)]
pub enum Possession<'a> {
    /// The sender of the token is not the sender of the request, as in introspection: the binding
    /// is not checked.
    NotChecked,
    /// Nothing: the token is presented as a Bearer token.
    Bearer,
    /// A proof: the token is presented with the scheme DPoP.
    Dpop(DpopRequest<'a>),
}

/// Checks what the sender of an active access token shows of the key that the token is bound to
/// (RFC 9449 section 7.1). Returns the proof, if there is one, for
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
        (Possession::NotChecked, _) | (Possession::Bearer, None) => Ok(None),
        (Possession::Bearer, Some(Binding::Jwk(_))) => refuse(
            Reason::token_without_proof(),
            "The access token is bound to a key: present it as Authorization: DPoP, with a proof",
        ),
        (Possession::Dpop(_), None) => refuse(
            Reason::token_not_bound(),
            "The access token is not bound to a key: present it as Authorization: Bearer",
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
