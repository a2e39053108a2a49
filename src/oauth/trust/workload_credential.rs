//! What a workload presents, or a client for its user: a JWT or a certificate, as the trust rules
//! see it.

use serde_json::{Map, Value};

use super::PresentedAs;
use super::foreign_jwt::ForeignJwt;
use super::x509_svid::X509Svid;
use crate::oauth::reason::Reason;
use crate::store::trust_rule::RuleKind;

/// A credential of another issuer.
pub(super) enum WorkloadCredential<'a> {
    /// A JWT, whose signature has not been verified, and what it is presented as.
    Jwt(Box<ForeignJwt<'a>>, PresentedAs),
    /// An X.509-SVID, whose chain has not been verified.
    X509Svid(X509Svid<'a>),
}

impl WorkloadCredential<'_> {
    /// The kind of the rules that may accept the credential.
    pub(super) fn kind(&self) -> RuleKind {
        match self {
            WorkloadCredential::Jwt(jwt, _) => jwt.kind(),
            WorkloadCredential::X509Svid(_) => RuleKind::SpiffeX509,
        }
    }

    /// The issuers whose rules may accept the credential.
    pub(super) fn issuers(&self) -> Vec<&str> {
        match self {
            WorkloadCredential::Jwt(jwt, _) => jwt.issuers(),
            WorkloadCredential::X509Svid(svid) => vec![svid.trust_domain()],
        }
    }

    /// The claims that the conditions of rules are compared with.
    pub(super) fn claims(&self) -> &Map<String, Value> {
        match self {
            WorkloadCredential::Jwt(jwt, _) => &jwt.claims,
            WorkloadCredential::X509Svid(svid) => &svid.claims,
        }
    }

    /// The claims, by value.
    pub(super) fn into_claims(self) -> Map<String, Value> {
        match self {
            WorkloadCredential::Jwt(jwt, _) => jwt.claims,
            WorkloadCredential::X509Svid(svid) => svid.claims,
        }
    }

    /// Why there is no rule for the credential.
    pub(super) fn no_rule(&self) -> Reason {
        match self {
            WorkloadCredential::Jwt(jwt, _) => match jwt.issuers().first() {
                Some(issuer) => Reason::trust_issuer_unknown(issuer),
                None => Reason::trust_no_issuer(),
            },
            WorkloadCredential::X509Svid(svid) => Reason::svid_no_rule(svid.trust_domain()),
        }
    }

    /// The actor of audit entries about tokens that the credential gets.
    pub(super) fn actor(&self, rule_id: &str, client_id: &str) -> String {
        match self.kind() {
            RuleKind::Workload | RuleKind::SpiffeX509 => format!("trust rule {rule_id}"),
            RuleKind::IdJag => format!("client {client_id}"),
        }
    }
}
