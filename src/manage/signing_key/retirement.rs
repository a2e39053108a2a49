//! Retirement of signing keys.

use super::schedule::{RequestedAt, reschedule, with_lead};
use super::sealing::{check_opens, sealed_row};
use super::{SigningKeyServices, SigningKeyView, find, generate};
use crate::clock::Timestamp;
use crate::error::{Code, Error};
use crate::manage::actor::Permit;
use crate::manage::rights::SigningKeysWrite;
use crate::oauth::signing_keys::SigningKeyPair;
use crate::store::audit::Action;
use crate::store::signing_key::{self, SigningKey, State};

/// How a key is retired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetirementMode {
    /// The key stays published until the last token that it signed has expired.
    Graceful,
    /// The key leaked: it is no longer published, and the tokens that it signed are refused.
    Immediate,
}

/// Retires a key. If no other key would sign, a successor is generated. A graceful retirement lets the
/// key sign until the successor can take over.
///
/// # Errors
/// `not_found`; `conflict` if the key is retired already.
pub async fn retire(
    services: SigningKeyServices<'_>,
    permit: Permit<SigningKeysWrite>,
    kid: &str,
    mode: RetirementMode,
) -> Result<SigningKeyView, Error> {
    let requested = RequestedAt::of(&permit);
    loop {
        // Generating an RSA key takes long: only if one is needed, and not within the transaction,
        // for which other writers wait.
        let keys = services.store.read(signing_key::list).await?;
        check_opens(&keys, services.sealing_keys, requested.now)?;
        let successor = match plan_retirement(&keys, kid, mode, requested.now)?.successor {
            Some(_) => Some(generate().await?),
            None => None,
        };
        let retired = write_retirement(services, &permit, kid, mode, successor, requested);
        if let Some(key) = retired.await? {
            return Ok(key);
        }
    }
}

/// Retires a key in one transaction; `None` if that takes a successor and none was generated, since the
/// keys have changed in between.
async fn write_retirement(
    services: SigningKeyServices<'_>,
    permit: &Permit<SigningKeysWrite>,
    kid: &str,
    mode: RetirementMode,
    successor: Option<SigningKeyPair>,
    requested: RequestedAt,
) -> Result<Option<SigningKeyView>, Error> {
    let policy = services.policy;
    let now = requested.now;
    let sealing_keys = services.sealing_keys.clone();
    let permit = permit.clone();
    let kid = kid.to_owned();
    services
        .store
        .write(now, move |transaction| {
            let keys = signing_key::list(transaction.database())?;
            check_opens(&keys, &sealing_keys, now)?;
            let plan = plan_retirement(&keys, &kid, mode, now)?;
            if plan.successor.is_some() && successor.is_none() {
                return Ok(None);
            }
            if let Some(key) = &plan.ended {
                signing_key::update(transaction, key)?;
            }
            if let (Some(start), Some(successor)) = (plan.successor, &successor) {
                let row = sealed_row(successor, &sealing_keys, now)?;
                let row = match start {
                    SuccessorStart::Immediate => SigningKey {
                        signs_from: Timestamp::EPOCH,
                        ..row
                    },
                    SuccessorStart::AfterLead => with_lead(transaction, row, policy, requested)?,
                };
                signing_key::insert(transaction, &row)?;
            }
            permit.audit(transaction, Action::SigningKeyRetire, None, &kid)?;
            let keys = reschedule(transaction, policy, now)?;
            Ok(Some(SigningKeyView::at(find(&keys, &kid)?, now)))
        })
        .await
}

/// When the successor of a retired key begins to sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SuccessorStart {
    /// On every node, whatever its clock says: there is no other key that signs.
    Immediate,
    /// Once every resource server can have it.
    AfterLead,
}

/// The changes that retire a key.
#[derive(Debug)]
struct RetirementPlan {
    /// The key, if it stops signing and being published now.
    ended: Option<SigningKey>,
    /// When the successor signs, if one is needed.
    successor: Option<SuccessorStart>,
}

fn plan_retirement(
    keys: &[SigningKey],
    kid: &str,
    mode: RetirementMode,
    now: Timestamp,
) -> Result<RetirementPlan, Error> {
    let key = find(keys, kid)?;
    let state = key.state(now);
    let is_retired = match mode {
        // The key may be gone by this machine's clock alone, which may be ahead.
        RetirementMode::Immediate => key.published_until == Some(Timestamp::EPOCH),
        RetirementMode::Graceful => matches!(state, State::Retiring | State::Gone),
    };
    if is_retired {
        return Err(Error::new(
            Code::Conflict,
            format!("The signing key {kid} is {state} already"),
        ));
    }
    let another_is = |wanted: State| {
        keys.iter()
            .any(|other| other.kid != kid && other.state(now) == wanted)
    };
    if mode == RetirementMode::Immediate || state == State::Published {
        let ended = SigningKey {
            // The epoch, not `now`: by a clock that is behind, `now` is in the future.
            signs_until: Some(Timestamp::EPOCH),
            published_until: Some(Timestamp::EPOCH),
            ..key.clone()
        };
        return Ok(RetirementPlan {
            ended: Some(ended),
            successor: (!another_is(State::Signing)).then_some(SuccessorStart::Immediate),
        });
    }
    Ok(RetirementPlan {
        ended: None,
        successor: (!another_is(State::Published)).then_some(SuccessorStart::AfterLead),
    })
}

#[cfg(test)]
mod tests {
    use super::super::schedule::fixtures::{TAIL, at, ending, key, leaked};
    use super::*;

    #[test]
    fn a_retirement_generates_a_successor_only_if_no_other_key_signs() {
        use RetirementMode::{Graceful, Immediate};
        use SuccessorStart::AfterLead;
        let signing = || key("a", 0);
        let next = || key("b", 302);
        // The keys; how "a" is retired; whether it ends now, and when a successor signs.
        type Plan = (bool, Option<SuccessorStart>);
        let cases: Vec<(&str, Vec<SigningKey>, RetirementMode, Plan)> = vec![
            (
                "the only key, gracefully",
                vec![signing()],
                Graceful,
                (false, Some(AfterLead)),
            ),
            (
                "with a successor, gracefully",
                vec![signing(), next()],
                Graceful,
                (false, None),
            ),
            (
                "the only key, immediately",
                vec![signing()],
                Immediate,
                (true, Some(SuccessorStart::Immediate)),
            ),
            (
                "a successor that does not sign yet is not enough",
                vec![signing(), next()],
                Immediate,
                (true, Some(SuccessorStart::Immediate)),
            ),
            (
                "another key signs",
                vec![signing(), key("b", 5)],
                Immediate,
                (true, None),
            ),
            (
                "a key that has not signed yet has no tokens to wait for",
                vec![key("a", 302), key("b", 0)],
                Graceful,
                (true, None),
            ),
            (
                "a retiring key that leaked",
                vec![ending("a", 0, 5, 5 + TAIL), key("b", 5)],
                Immediate,
                (true, None),
            ),
        ];
        for (name, keys, mode, (ends, successor)) in cases {
            let plan = plan_retirement(&keys, "a", mode, at(10)).unwrap();
            assert_eq!(plan.successor, successor, "{name}");
            assert_eq!(plan.ended.is_some(), ends, "{name}");
            if let Some(ended) = plan.ended {
                assert_eq!(ended.state(at(-1_000_000)), State::Gone, "{name}");
            }
        }
    }

    #[test]
    fn a_key_is_retired_once() {
        use RetirementMode::{Graceful, Immediate};
        let retiring = || vec![ending("a", 0, 5, 5 + TAIL), key("b", 5)];
        let cases = [
            (retiring(), Graceful, Err(Code::Conflict)),
            (retiring(), Immediate, Ok(())),
            (vec![leaked("a")], Graceful, Err(Code::Conflict)),
            (vec![leaked("a")], Immediate, Err(Code::Conflict)),
            // Gone, but perhaps not yet by the clock of another node.
            (vec![ending("a", 0, 5, 6), key("b", 5)], Immediate, Ok(())),
            (vec![key("b", 0)], Graceful, Err(Code::NotFound)),
        ];
        for (index, (keys, mode, expected)) in cases.into_iter().enumerate() {
            let planned = plan_retirement(&keys, "a", mode, at(10));
            let planned = planned.map(drop).map_err(|error| error.code());
            assert_eq!(planned, expected, "case {index}");
        }
    }
}
