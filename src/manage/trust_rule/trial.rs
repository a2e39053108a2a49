//! Trying a credential out on trust rules, without using it up.

use serde::Serialize;
use serde_json::{Map, Value};

use super::super::AuthorizationServer;
use super::super::actor::Permit;
use super::super::rights::TrustRulesRead;
use crate::client_certificate::CertificateChain;
use crate::error::Error;
use crate::oauth::reason::{Reason, Rejection};
use crate::oauth::trust::{self, Trial, Trials, TriedCredential};
use crate::store::trust_rule::TrustRule;

/// A credential to try out, as text.
#[derive(Clone, Copy, Debug)]
pub enum TestedCredential<'a> {
    /// A JWT.
    Jwt(&'a str),
    /// The certificate of a workload in PEM, and those between it and the trust bundle.
    Certificate(&'a str),
}

/// What a trust rule says about a credential that was tried out.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct RuleTrial {
    /// The id of the rule.
    pub id: String,
    /// The client that a matching workload acts as.
    pub client_id: String,
    /// Whether the rule accepts the credential.
    pub accepted: bool,
    /// Why it does not, in English.
    pub reason: Option<String>,
    /// The stable code of the reason.
    pub reason_code: Option<String>,
    /// The values that the reason names, for translations.
    #[serde(skip)]
    #[schemars(skip)]
    pub reason_parameters: Map<String, Value>,
}

impl From<Trial> for RuleTrial {
    fn from(trial: Trial) -> Self {
        RuleTrial {
            id: trial.rule.id.clone(),
            client_id: trial.rule.client_id.clone(),
            accepted: trial.reason.is_none(),
            reason: trial.reason.as_ref().map(ToString::to_string),
            reason_parameters: trial
                .reason
                .as_ref()
                .map(Reason::parameters)
                .unwrap_or_default(),
            reason_code: trial.reason.map(|reason| reason.code().to_owned()),
        }
    }
}

/// The result of trying a credential out.
#[derive(Debug, Default, Serialize, schemars::JsonSchema)]
pub struct TrustTest {
    /// Whether a rule accepts the JWT.
    pub accepted: bool,
    /// Why no rule can accept it, whatever the conditions are; null if some rules are for its
    /// issuer.
    pub reason: Option<String>,
    /// The stable code of the reason.
    pub reason_code: Option<String>,
    /// The values that the reason names, for translations.
    #[serde(skip)]
    #[schemars(skip)]
    pub reason_parameters: Map<String, Value>,
    /// The rules for the issuer of the credential, the oldest first.
    pub rules: Vec<RuleTrial>,
    /// The claims of the JWT, as they were sent. Of a certificate: its SPIFFE ID as `sub`, its validity
    /// as `nbf` and `exp`, and its thumbprint as `cnf`.
    pub claims: Option<Map<String, Value>>,
}

/// Tries a credential out on all trust rules that the actor can see, without using it up.
///
/// # Errors
/// `temporarily_unavailable` if the issuer's keys cannot be asked for now; a
/// [`StoreError`](crate::store::StoreError) if the database cannot be queried.
pub async fn test(
    server: &AuthorizationServer,
    permit: Permit<TrustRulesRead>,
    credential: TestedCredential<'_>,
) -> Result<TrustTest, Error> {
    let trials = match try_out(server, &permit, credential).await {
        Ok(trials) => trials,
        Err(rejection) => {
            let reason = rejection.into_reason()?;
            return Ok(TrustTest {
                reason: Some(reason.to_string()),
                reason_code: Some(reason.code().to_owned()),
                reason_parameters: reason.parameters(),
                ..TrustTest::default()
            });
        }
    };
    let rules: Vec<RuleTrial> = trials.rules.into_iter().map(RuleTrial::from).collect();
    let reason = trials.reason.filter(|_| rules.is_empty());
    Ok(TrustTest {
        accepted: rules.iter().any(|rule| rule.accepted),
        reason: reason.as_ref().map(ToString::to_string),
        reason_parameters: reason.as_ref().map(Reason::parameters).unwrap_or_default(),
        reason_code: reason.map(|reason| reason.code().to_owned()),
        rules,
        claims: Some(trials.claims),
    })
}

async fn try_out(
    server: &AuthorizationServer,
    permit: &Permit<TrustRulesRead>,
    credential: TestedCredential<'_>,
) -> Result<Trials, Rejection> {
    let is_visible = |rule: &TrustRule| permit.can_access(&rule.account_id);
    match credential {
        TestedCredential::Jwt(text) => {
            let jwt = TriedCredential::Jwt(text.trim());
            trust::try_out(server, jwt, is_visible, permit.now()).await
        }
        TestedCredential::Certificate(pem) => {
            let chain = CertificateChain::of_pem(pem)
                .map_err(|error| Reason::certificate_unreadable(&error.to_string()))?;
            let certificate = TriedCredential::Certificate(&chain);
            trust::try_out(server, certificate, is_visible, permit.now()).await
        }
    }
}
