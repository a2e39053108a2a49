//! The keys of other issuers, and the signatures of their JWTs.

use super::foreign_jwt::ForeignJwt;
use crate::cache::TrustRuleEntry;
use crate::crypto::jws::{SignatureError, WantedKey};
use crate::error::Error;
use crate::net::http_client::JwksError;
use crate::oauth::AuthorizationServer;
use crate::oauth::reason::{Reason, Rejection};
use crate::store::trust_rule::TrustRule;

/// The maximum number of key sets that are tried for one JWT.
const MAX_KEY_SETS: usize = 16;

/// Where the keys of a rule come from.
#[derive(Clone, PartialEq, Eq)]
struct KeySource {
    jwks: Option<String>,
    jwks_uri: Option<String>,
    issuer: String,
}

/// Why a signature was not verified.
#[derive(Clone)]
enum SignatureFailure {
    Unreachable(String),
    Busy,
    Unusable(String),
    NoMatchingKey,
    Signature,
}

impl SignatureFailure {
    fn rejection(self, rule: &TrustRule) -> Rejection {
        let id = &rule.id;
        let reason = match self {
            // Not the workload's fault: it can retry, and this counts as no failed attempt.
            SignatureFailure::Busy => {
                let detail = format!("keys of {}: {}", rule.issuer, JwksError::Busy);
                return Error::unavailable(detail).into();
            }
            SignatureFailure::Unreachable(detail) => Reason::trust_keys_unreachable(id, &detail),
            SignatureFailure::Unusable(detail) => Reason::trust_keys_unusable(id, &detail),
            SignatureFailure::NoMatchingKey => Reason::trust_no_fitting_key(id),
            SignatureFailure::Signature => Reason::trust_wrong_signature(id),
        };
        reason.into()
    }
}

/// The outcome for each key set that was tried for one JWT: many rules of an issuer share one.
#[derive(Default)]
pub(super) struct Signatures(Vec<(KeySource, Result<(), SignatureFailure>)>);

impl Signatures {
    pub(super) async fn check(
        &mut self,
        server: &AuthorizationServer,
        rule: &TrustRuleEntry,
        jwt: &ForeignJwt<'_>,
    ) -> Result<(), Rejection> {
        let source = KeySource {
            jwks: rule.jwks.clone(),
            jwks_uri: rule.jwks_uri.clone(),
            issuer: rule.issuer.clone(),
        };
        let known = self.0.iter().find(|(other, _)| *other == source);
        let outcome = match known {
            Some((_, outcome)) => outcome.clone(),
            None if self.0.len() >= MAX_KEY_SETS => Err(SignatureFailure::Busy),
            None => {
                let outcome = verify_signature(server, rule, jwt).await;
                self.0.push((source, outcome.clone()));
                outcome
            }
        };
        outcome.map_err(|failure| failure.rejection(rule))
    }
}

async fn verify_signature(
    server: &AuthorizationServer,
    rule: &TrustRuleEntry,
    jwt: &ForeignJwt<'_>,
) -> Result<(), SignatureFailure> {
    let http = &server.http_client;
    let kid = jwt.jws.header.kid.as_deref();
    let keys = match (&rule.keys, &rule.jwks_uri) {
        (Some(Ok(keys)), _) => keys.clone(),
        (Some(Err(error)), _) => return Err(SignatureFailure::Unusable(error.clone())),
        (None, uri) => {
            let fetched = match uri {
                Some(uri) => {
                    http.jwks(uri, &rule.account_id, kid.map(WantedKey::Kid))
                        .await
                }
                None => http.issuer_keys(&rule.issuer, &rule.account_id, kid).await,
            };
            fetched.map_err(|error| match error {
                JwksError::Fetch(detail) => SignatureFailure::Unreachable(detail),
                JwksError::Busy => SignatureFailure::Busy,
            })?
        }
    };
    keys.verify(&jwt.jws, jwt.algorithm)
        .map_err(|error| match error {
            SignatureError::NoUsableKey(detail) => SignatureFailure::Unusable(detail),
            SignatureError::NoMatchingKey => SignatureFailure::NoMatchingKey,
            // The header was checked when the JWT was parsed.
            SignatureError::Signature
            | SignatureError::Algorithm
            | SignatureError::CriticalHeader => SignatureFailure::Signature,
        })
}
