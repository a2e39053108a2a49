//! Dry runs: what each trust rule says about a credential, which is not used up.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::foreign_jwt::ForeignJwt;
use super::issuer_keys::KeyChecks;
use super::rule_check::{Failure, check};
use super::workload_credential::WorkloadCredential;
use super::x509_svid::X509Svid;
use super::{PresentedAs, rules_for};
use crate::cache::TrustRuleEntry;
use crate::client_certificate::CertificateChain;
use crate::clock::Timestamp;
use crate::oauth::AuthorizationServer;
use crate::oauth::reason::{Reason, Rejection};
use crate::store::trust_rule::{RuleKind, TrustRule};

/// A credential to try out.
#[derive(Clone, Copy)]
pub enum TriedCredential<'a> {
    /// A JWT.
    Jwt(&'a str),
    /// The certificate of a workload.
    Certificate(&'a CertificateChain),
}

impl<'a> TriedCredential<'a> {
    /// Audiences are accepted as for an authorization grant. An ID-JAG is tried out as if its own
    /// client had sent it.
    fn parse(self, now: Timestamp) -> Result<WorkloadCredential<'a>, Reason> {
        let text = match self {
            TriedCredential::Jwt(text) => text,
            TriedCredential::Certificate(chain) => {
                return X509Svid::parse(chain, now).map(WorkloadCredential::X509Svid);
            }
        };
        let jwt = ForeignJwt::parse(text)?;
        let presented_as = match jwt.kind() {
            RuleKind::Workload | RuleKind::SpiffeX509 => PresentedAs::Grant,
            RuleKind::IdJag => PresentedAs::IdJag,
        };
        Ok(WorkloadCredential::Jwt(Box::new(jwt), presented_as))
    }
}

/// What a trust rule says about a credential that is tried out.
pub struct Trial {
    /// The rule.
    pub rule: Arc<TrustRuleEntry>,
    /// Why it does not accept the credential; none if it does.
    pub reason: Option<Reason>,
}

/// The result of trying a credential out.
pub struct Trials {
    /// The claims of the credential, which are not trustworthy.
    pub claims: Map<String, Value>,
    /// The visible rules for the issuers of the credential.
    pub rules: Vec<Trial>,
    /// Why there is no rule; none if there are some.
    pub reason: Option<Reason>,
}

/// Tries a credential out on the rules that `is_visible` selects, without using it up.
///
/// # Errors
/// [`Rejection::Inactive`] if it is none that any rule could accept; [`Rejection::Error`] if the
/// database or the issuer's keys cannot be asked.
pub async fn try_out(
    server: &AuthorizationServer,
    credential: TriedCredential<'_>,
    is_visible: impl Fn(&TrustRule) -> bool,
    now: Timestamp,
) -> Result<Trials, Rejection> {
    let credential = credential.parse(now)?;
    let mut rules = rules_for(server, &credential).await?;
    rules.retain(|rule| is_visible(&rule.rule));
    let mut trials = Vec::with_capacity(rules.len());
    let mut keys = KeyChecks::default();
    for rule in rules {
        let checked = check(server, &rule, &credential, now, &mut keys).await;
        let reason = match checked {
            Ok(_) => None,
            Err(Failure {
                rejection: Rejection::Inactive(reason),
                ..
            }) => Some(reason),
            Err(Failure { rejection, .. }) => return Err(rejection),
        };
        trials.push(Trial { rule, reason });
    }
    let reason = trials.is_empty().then(|| credential.no_rule());
    Ok(Trials {
        claims: credential.into_claims(),
        rules: trials,
        reason,
    })
}
