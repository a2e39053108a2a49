//! Dry runs: what each trust rule says about a JWT, which is not used up.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::foreign_jwt::ForeignJwt;
use super::issuer_keys::Signatures;
use super::rule_check::{Failure, check};
use super::rule_choice::no_rule;
use super::{PresentedAs, rules_for};
use crate::cache::TrustRuleEntry;
use crate::clock::Timestamp;
use crate::oauth::AuthorizationServer;
use crate::oauth::reason::{Reason, Rejection};
use crate::store::trust_rule::{RuleKind, TrustRule};

/// What a trust rule says about a JWT that is tried out.
pub struct Trial {
    /// The rule.
    pub rule: Arc<TrustRuleEntry>,
    /// Why it does not accept the JWT; none if it does.
    pub reason: Option<Reason>,
}

/// The result of trying a JWT out.
pub struct Trials {
    /// The claims of the JWT, which are not trustworthy.
    pub claims: Map<String, Value>,
    /// The visible rules for the issuers of the JWT.
    pub rules: Vec<Trial>,
    /// Why there is no rule; none if there are some.
    pub reason: Option<Reason>,
}

/// Tries a JWT out on the rules that `is_visible` selects, without using it up. Audiences are
/// accepted as for an authorization grant. An ID-JAG is tried out as if its own client had sent it.
///
/// # Errors
/// [`Rejection::Inactive`] if the text is not a JWT that any rule could accept;
/// [`Rejection::Error`] if the database or the issuer's keys cannot be asked.
pub async fn try_out(
    server: &AuthorizationServer,
    text: &str,
    is_visible: impl Fn(&TrustRule) -> bool,
    now: Timestamp,
) -> Result<Trials, Rejection> {
    let jwt = ForeignJwt::parse(text)?;
    let mut rules = rules_for(server, &jwt).await?;
    rules.retain(|rule| is_visible(&rule.rule));
    let mut trials = Vec::with_capacity(rules.len());
    let mut signatures = Signatures::default();
    let presented_as = match jwt.kind() {
        RuleKind::Workload => PresentedAs::Grant,
        RuleKind::IdJag => PresentedAs::IdJag,
    };
    for rule in rules {
        let checked = check(server, &rule, &jwt, presented_as, now, &mut signatures).await;
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
    let reason = trials.is_empty().then(|| no_rule(&jwt));
    Ok(Trials {
        claims: jwt.claims,
        rules: trials,
        reason,
    })
}
