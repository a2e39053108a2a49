//! Which trust rule accepts a credential, and which rule explains a refusal.

use std::sync::Arc;

use super::Refused;
use super::rule_check::Failure;
use super::workload_credential::WorkloadCredential;
use crate::cache::{ClientEntry, TrustRuleEntry};
use crate::oauth::AuthorizationServer;
use crate::oauth::reason::Reason;
use crate::store::StoreError;

pub(super) enum Choice<'a> {
    Accepted(&'a Arc<TrustRuleEntry>, Arc<ClientEntry>),
    /// With the rule that came nearest to accepting the credential.
    Refused(Option<(&'a Arc<TrustRuleEntry>, Failure)>),
}

pub(super) type Outcome<'a> = (&'a Arc<TrustRuleEntry>, Result<Arc<ClientEntry>, Failure>);

/// Chooses the oldest rule that accepts the credential. Rules of several clients are refused:
/// otherwise one account could make the workloads of another act as its own client.
pub(super) fn choose(outcomes: Vec<Outcome<'_>>) -> Choice<'_> {
    let mut accepted: Option<(&Arc<TrustRuleEntry>, Arc<ClientEntry>)> = None;
    let mut nearest: Option<(&Arc<TrustRuleEntry>, Failure)> = None;
    for (rule, outcome) in outcomes {
        match outcome {
            Ok(client) => match &accepted {
                None => accepted = Some((rule, client)),
                Some((first, _)) if first.client_id == rule.client_id => {}
                Some(_) => {
                    let failure = Failure {
                        rejection: Reason::trust_rule_ambiguous().into(),
                        conditions_met: 0,
                        is_meant: true,
                    };
                    return Choice::Refused(Some((rule, failure)));
                }
            },
            Err(failure) => {
                let rank = |failure: &Failure| (failure.is_meant, failure.conditions_met);
                if nearest
                    .as_ref()
                    .is_none_or(|(_, other)| rank(&failure) > rank(other))
                {
                    nearest = Some((rule, failure));
                }
            }
        }
    }
    match accepted {
        Some((rule, client)) => Choice::Accepted(rule, client),
        None => Choice::Refused(nearest),
    }
}

/// The refusal of a credential that no rule accepts. It is attributed to a client only if it was meant
/// for one of its rules: it meets some of the conditions, or all rules of the issuer are this
/// client's. Otherwise an account could read about the workloads of others in its failures.
pub(super) async fn refusal(
    server: &AuthorizationServer,
    credential: &WorkloadCredential<'_>,
    rules: &[Arc<TrustRuleEntry>],
    nearest: Option<(&Arc<TrustRuleEntry>, Failure)>,
) -> Result<Refused, StoreError> {
    let Some((rule, failure)) = nearest else {
        return Ok(credential.no_rule().into());
    };
    let only_client = rules.iter().all(|other| other.client_id == rule.client_id);
    if !(failure.is_meant || failure.conditions_met > 0 || only_client) {
        return Ok(Reason::trust_no_rule_matches(&rule.issuer).into());
    }
    Ok(Refused {
        rejection: failure.rejection,
        client: server.cache.client(&rule.client_id).await?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::rule_check::tests::rule;
    use super::*;
    use crate::oauth::reason::Rejection;
    use crate::store::trust_rule::TrustRule;

    fn entry(client_id: &str) -> Arc<TrustRuleEntry> {
        let rule = TrustRule {
            client_id: client_id.to_owned(),
            ..rule(false)
        };
        Arc::new(TrustRuleEntry { rule, keys: None })
    }

    #[test]
    fn the_nearest_rule_explains_a_refusal() {
        let (first, second) = (entry("c1"), entry("c2"));
        let failure = |is_meant, conditions_met, code: &str| Failure {
            rejection: Reason::trust_rule_disabled(code).into(),
            conditions_met,
            is_meant,
        };
        let outcomes = vec![
            (&first, Err(failure(false, 3, "far"))),
            (&second, Err(failure(true, 1, "near"))),
            (&first, Err(failure(true, 1, "later"))),
        ];
        let Choice::Refused(Some((rule, nearest))) = choose(outcomes) else {
            panic!("accepted");
        };
        assert_eq!(rule.client_id, "c2");
        let Rejection::Inactive(reason) = nearest.rejection else {
            panic!("an error");
        };
        assert!(reason.to_string().contains("near"), "{reason}");
        assert!(matches!(choose(Vec::new()), Choice::Refused(None)));
    }
}
