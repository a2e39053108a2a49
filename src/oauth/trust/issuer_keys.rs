//! The keys of other issuers, the signatures of their JWTs, and the chains of their X.509-SVIDs.

use std::sync::Arc;

use super::foreign_jwt::ForeignJwt;
use super::workload_credential::WorkloadCredential;
use crate::cache::TrustRuleEntry;
use crate::client_certificate::CertificateChain;
use crate::clock::Timestamp;
use crate::crypto::jws::{JwkSet, SignatureError, WantedKey};
use crate::crypto::x509::ChainError;
use crate::error::Error;
use crate::net::http_client::JwksError;
use crate::oauth::AuthorizationServer;
use crate::oauth::reason::{Reason, Rejection};
use crate::store::trust_rule::TrustRule;

/// The maximum number of key sets that are tried for one credential.
const MAX_KEY_SETS: usize = 16;

/// Where the keys of a rule come from.
#[derive(Clone, PartialEq, Eq)]
struct KeySource {
    jwks: Option<String>,
    jwks_uri: Option<String>,
    issuer: String,
}

/// Why a signature or a chain was not verified.
#[derive(Clone)]
enum KeyFailure {
    Unreachable(String),
    Busy,
    Unusable(String),
    NoMatchingKey,
    Signature,
    /// The trust bundle has no certificate authority.
    NoAuthorities(String),
    Chain(ChainError),
}

impl KeyFailure {
    fn rejection(self, rule: &TrustRule) -> Rejection {
        let id = &rule.id;
        let reason = match self {
            // Not the workload's fault: it can retry, and this counts as no failed attempt.
            KeyFailure::Busy => {
                let detail = format!("keys of {}: {}", rule.issuer, JwksError::Busy);
                return Error::unavailable(detail).into();
            }
            KeyFailure::Unreachable(detail) => Reason::trust_keys_unreachable(id, &detail),
            KeyFailure::Unusable(detail) => Reason::trust_keys_unusable(id, &detail),
            KeyFailure::NoMatchingKey => Reason::trust_no_fitting_key(id),
            KeyFailure::Signature => Reason::trust_wrong_signature(id),
            KeyFailure::NoAuthorities(detail) => Reason::svid_no_authorities(id, &detail),
            KeyFailure::Chain(ChainError::UnknownAuthority) => Reason::svid_unknown_authority(id),
            KeyFailure::Chain(error) => error.into(),
        };
        reason.into()
    }
}

/// The outcome for each key set that was tried for one credential: many rules of an issuer share one.
#[derive(Default)]
pub(super) struct KeyChecks(Vec<(KeySource, Result<(), KeyFailure>)>);

impl KeyChecks {
    /// Verifies the signature of a JWT, or the chain of a certificate, with the keys of the rule.
    pub(super) async fn check(
        &mut self,
        server: &AuthorizationServer,
        rule: &TrustRuleEntry,
        credential: &WorkloadCredential<'_>,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        let source = KeySource {
            jwks: rule.jwks.clone(),
            jwks_uri: rule.jwks_uri.clone(),
            issuer: rule.issuer.clone(),
        };
        let known = self.0.iter().find(|(other, _)| *other == source);
        let outcome = match known {
            Some((_, outcome)) => outcome.clone(),
            None if self.0.len() >= MAX_KEY_SETS => Err(KeyFailure::Busy),
            None => {
                let outcome = match credential {
                    WorkloadCredential::Jwt(jwt, _) => verify_signature(server, rule, jwt).await,
                    WorkloadCredential::X509Svid(svid) => {
                        verify_chain(server, rule, svid.chain, now).await
                    }
                };
                self.0.push((source, outcome.clone()));
                outcome
            }
        };
        outcome.map_err(|failure| failure.rejection(rule))
    }
}

/// The keys of a rule: its own ones, or those that its issuer publishes.
async fn keys_of(
    server: &AuthorizationServer,
    rule: &TrustRuleEntry,
    wanted: Option<WantedKey<'_>>,
) -> Result<Arc<JwkSet>, KeyFailure> {
    let http = &server.http_client;
    let fetched = match (&rule.keys, &rule.jwks_uri) {
        (Some(Ok(keys)), _) => return Ok(keys.clone()),
        (Some(Err(error)), _) => return Err(KeyFailure::Unusable(error.clone())),
        (None, Some(uri)) => http.jwks(uri, &rule.account_id, wanted).await,
        (None, None) => {
            http.issuer_keys(&rule.issuer, &rule.account_id, wanted)
                .await
        }
    };
    fetched.map_err(|error| match error {
        JwksError::Fetch(detail) => KeyFailure::Unreachable(detail),
        JwksError::Busy => KeyFailure::Busy,
    })
}

async fn verify_signature(
    server: &AuthorizationServer,
    rule: &TrustRuleEntry,
    jwt: &ForeignJwt<'_>,
) -> Result<(), KeyFailure> {
    let kid = jwt.jws.header.kid.as_deref();
    let keys = keys_of(server, rule, kid.map(WantedKey::Kid)).await?;
    keys.verify(&jwt.jws, jwt.algorithm)
        .map_err(|error| match error {
            SignatureError::NoUsableKey(detail) => KeyFailure::Unusable(detail),
            SignatureError::NoMatchingKey => KeyFailure::NoMatchingKey,
            // The header was checked when the JWT was parsed.
            SignatureError::Signature
            | SignatureError::Algorithm
            | SignatureError::CriticalHeader => KeyFailure::Signature,
        })
}

/// Verifies that a chain ends at a certificate authority in the trust bundle of the rule, and of no
/// other one. A bundle that does not have it is fetched again, as one without a key is.
async fn verify_chain(
    server: &AuthorizationServer,
    rule: &TrustRuleEntry,
    chain: &CertificateChain,
    now: Timestamp,
) -> Result<(), KeyFailure> {
    let bundle = keys_of(server, rule, None).await?;
    match verify_with(&bundle, chain, now) {
        Err(KeyFailure::NoAuthorities(_) | KeyFailure::Chain(ChainError::UnknownAuthority))
            if rule.keys.is_none() =>
        {
            let wanted = WantedKey::NotIn(&bundle);
            let renewed = keys_of(server, rule, Some(wanted)).await?;
            verify_with(&renewed, chain, now)
        }
        verified => verified,
    }
}

fn verify_with(
    bundle: &JwkSet,
    chain: &CertificateChain,
    now: Timestamp,
) -> Result<(), KeyFailure> {
    bundle
        .authorities()
        .map_err(|reason| KeyFailure::NoAuthorities(reason.to_owned()))?
        .verify(chain, now)
        .map_err(KeyFailure::Chain)
}
