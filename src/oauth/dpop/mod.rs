//! Demonstrating Proof of Possession (RFC 9449): a client signs a proof for each request, with the
//! key that its access token is bound to, so that a stolen token cannot be used.
//!
//! [`check`] verifies the proof of a request and has no effect. [`claim`] then marks the proof as
//! used, on all nodes. Call it last, and only for an authenticated client or an active token:
//! otherwise anybody could fill the table of used proofs.

use super::AuthorizationServer;
use super::binding::Binding;
use super::reason::Rejection;
use crate::clock::Timestamp;
use crate::config::DpopNonce;
use crate::error::{Code, Error};
use crate::store::used_jti;

pub mod nonce;
pub mod proof;

use nonce::NonceStatus;
use proof::{Proof, ProofError};

/// The header `DPoP` of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DpopHeader {
    /// The request has none.
    #[default]
    Absent,
    /// The proof.
    Proof(String),
    /// The header is given more than once, or is not text (RFC 9449 section 4.3, item 1).
    Unreadable,
}

/// The request that a proof must be for (RFC 9449 section 4.2, `htm` and `htu`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The HTTP method.
    pub method: String,
    /// The URL. Its query and fragment are ignored.
    pub url: String,
    /// Another URL of the same endpoint: the one in `mtls_endpoint_aliases` (RFC 8705 section 5).
    pub alias: Option<String>,
}

/// A request with a proof.
#[derive(Clone, Copy)]
pub struct DpopRequest<'a> {
    /// The header `DPoP`.
    pub header: &'a DpopHeader,
    /// The method and the URL of the request; if they are unknown, what is missing.
    pub target: Result<&'a Target, &'a str>,
    /// The access token that is presented with the proof. The token endpoint expects none.
    pub access_token: Option<&'a str>,
}

/// A valid proof. It may have been used before, until [`claim`] has returned.
pub struct VerifiedProof {
    binding: Binding,
    /// Identifies the proof: a digest of the key and the `jti`.
    id: String,
    /// Until when the proof would be accepted again.
    valid_until: Timestamp,
    nonce: Option<String>,
}

impl VerifiedProof {
    /// The key of the proof, to which a token can be bound.
    pub fn binding(&self) -> &Binding {
        &self.binding
    }
}

/// Verifies the proof of a request (RFC 9449 section 4.3), except that it was not used before.
///
/// # Errors
/// [`Rejection::Unproven`] if the request has no valid proof; [`Rejection::Error`] with
/// `use_dpop_nonce` and a nonce if the proof must have a nonce, or has one that is not valid.
pub fn check(
    server: &AuthorizationServer,
    request: &DpopRequest<'_>,
    now: Timestamp,
) -> Result<VerifiedProof, Rejection> {
    match check_proof(server, request, now) {
        Ok(proof) => Ok(proof),
        // Part of the protocol: not recorded as a failure.
        Err(ProofError::Nonce) => Err(nonce_challenge(server, now)?.into()),
        Err(error) => Err(invalid(&error)),
    }
}

/// Asks for a nonce if the proof of a token request must have one and has no valid one (RFC 9449
/// section 8). All other errors are left to [`check`]. Call it before a client assertion is checked:
/// libraries repeat the request with the nonce and the same assertion, which must not be used up.
///
/// # Errors
/// `use_dpop_nonce`, with a nonce.
pub fn require_nonce(
    server: &AuthorizationServer,
    header: &DpopHeader,
    now: Timestamp,
) -> Result<(), Error> {
    let DpopHeader::Proof(text) = header else {
        return Ok(());
    };
    if server.settings.dpop_nonce == DpopNonce::Off {
        return Ok(());
    }
    let Some(nonce) = proof::unverified_nonce(text) else {
        return Ok(());
    };
    match nonce_status(server, nonce.as_deref(), now) {
        NonceStatus::Valid { .. } => Ok(()),
        NonceStatus::Absent | NonceStatus::Invalid => Err(nonce_challenge(server, now)?),
    }
}

fn nonce_status(server: &AuthorizationServer, nonce: Option<&str>, now: Timestamp) -> NonceStatus {
    let keys = server.signing_keys.sealing_keys();
    nonce.map_or(NonceStatus::Absent, |nonce| nonce::check(keys, nonce, now))
}

fn check_proof(
    server: &AuthorizationServer,
    request: &DpopRequest<'_>,
    now: Timestamp,
) -> Result<VerifiedProof, ProofError> {
    let text = match request.header {
        DpopHeader::Absent => return Err(ProofError::Missing),
        DpopHeader::Unreadable => return Err(ProofError::Header),
        DpopHeader::Proof(text) => text,
    };
    let target = request
        .target
        .map_err(|missing| ProofError::UnknownTarget(missing.to_owned()))?;
    let proof = Proof::parse(text)?;
    proof.check_target(target)?;
    proof.check_access_token(request.access_token)?;
    let status = nonce_status(server, proof.nonce(), now);
    let required = server.settings.dpop_nonce == DpopNonce::Required;
    let valid_until = proof.check_times(&status, required, now, server.clock.past())?;
    Ok(VerifiedProof {
        id: proof.id(),
        binding: Binding::Jwk(proof.thumbprint),
        valid_until,
        nonce: proof.claims.nonce,
    })
}

fn invalid(error: &ProofError) -> Rejection {
    let refusal = Error::new(Code::InvalidDpopProof, error.description()).dpop_challenge(None);
    Rejection::unproven(error.reason(), refusal)
}

fn nonce_challenge(server: &AuthorizationServer, now: Timestamp) -> Result<Error, Error> {
    let nonce = nonce::current(server.signing_keys.sealing_keys(), now)?;
    Ok(Error::new(
        Code::UseDpopNonce,
        "The DPoP proof must contain the nonce of the header DPoP-Nonce",
    )
    .dpop_challenge(Some(nonce))
    .detail(ProofError::Nonce.reason().to_string()))
}

/// Marks a proof as used, on all nodes, until it is no longer valid (RFC 9449 section 11.1).
///
/// # Errors
/// [`Rejection::Unproven`] if it was used before; [`Rejection::Error`] if the database does not
/// answer.
pub async fn claim(server: &AuthorizationServer, proof: &VerifiedProof) -> Result<(), Rejection> {
    let id = proof.id.clone();
    let used_until = proof.valid_until;
    let first_use = server
        .store
        .write_untracked(move |database| used_jti::claim_briefly(database, &id, used_until))
        .await?;
    if first_use {
        Ok(())
    } else {
        Err(invalid(&ProofError::Used))
    }
}

/// The `DPoP-Nonce` of a successful response (RFC 9449 section 8.2): the current nonce, if nonces
/// are required and the proof had an older one.
pub fn next_nonce(
    server: &AuthorizationServer,
    proof: &VerifiedProof,
    now: Timestamp,
) -> Option<String> {
    if server.settings.dpop_nonce == DpopNonce::Off {
        return None;
    }
    // Best effort: without a new nonce the client is asked for one later.
    let current = nonce::current(server.signing_keys.sealing_keys(), now).ok()?;
    (proof.nonce.as_deref() != Some(&current)).then_some(current)
}
