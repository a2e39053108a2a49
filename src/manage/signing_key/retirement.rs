//! Retirement of signing keys.

use super::schedule::{RequestedAt, RotationPolicy, is_used, reschedule, retired, with_lead};
use super::sealing::{check_opens, sealed_row};
use super::{SigningKeyServices, SigningKeyView, find, generate};
use crate::clock::Timestamp;
use crate::crypto::jws::SignatureAlgorithm;
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

/// Retires a key. If its algorithm is used and no other key would sign with it, a successor is
/// generated. A graceful retirement lets the key sign until the successor can take over.
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
        let profile = services.policy.security_profile;
        let read = move |database: &mut _| signing_key::asked_algorithms(database, profile);
        let asked = services.store.read(read);
        let retirement = Retirement {
            keys: &keys,
            asked: &asked.await?,
            policy: services.policy,
            now: requested.now,
        };
        let successor = match retirement.plan(kid, mode)?.successor {
            Some((algorithm, _)) => Some(generate(algorithm).await?),
            None => None,
        };
        let retired = write_retirement(services, &permit, kid, mode, successor, requested);
        if let Some(key) = retired.await? {
            return Ok(key);
        }
    }
}

/// Retires a key in one transaction; `None` if that takes a successor that was not generated, since the
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
            let retirement = Retirement {
                keys: &keys,
                asked: &signing_key::asked_algorithms(
                    transaction.database(),
                    policy.security_profile,
                )?,
                policy,
                now,
            };
            let plan = retirement.plan(&kid, mode)?;
            let generated = successor.as_ref().map(|key| key.algorithm);
            if plan
                .successor
                .is_some_and(|(algorithm, _)| Some(algorithm) != generated)
            {
                return Ok(None);
            }
            if let Some(key) = &plan.ended {
                signing_key::update(transaction, key)?;
            }
            if let (Some((_, start)), Some(successor)) = (plan.successor, &successor) {
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
    /// The key, if it stops signing now.
    ended: Option<SigningKey>,
    /// The algorithm of the successor and when it signs, if one is needed.
    successor: Option<(SignatureAlgorithm, SuccessorStart)>,
}

/// What a retirement depends on.
struct Retirement<'a> {
    keys: &'a [SigningKey],
    /// The algorithms that resource servers ask for.
    asked: &'a [SignatureAlgorithm],
    policy: RotationPolicy,
    now: Timestamp,
}

impl Retirement<'_> {
    fn plan(&self, kid: &str, mode: RetirementMode) -> Result<RetirementPlan, Error> {
        let key = find(self.keys, kid)?;
        let state = key.state(self.now);
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
        let ended = if mode == RetirementMode::Immediate || state == State::Published {
            SigningKey {
                // The epoch, not `now`: by a clock that is behind, `now` is in the future.
                signs_until: Some(Timestamp::EPOCH),
                published_until: Some(Timestamp::EPOCH),
                ..key.clone()
            }
        } else if is_used(key.algorithm, self.asked) {
            // It signs until its successor does.
            let successor = (key.algorithm, SuccessorStart::AfterLead);
            return Ok(RetirementPlan {
                ended: None,
                successor: (!self.another_is(key, State::Published)).then_some(successor),
            });
        } else {
            retired(key.clone(), self.policy, self.now)
        };
        Ok(RetirementPlan {
            ended: Some(ended),
            successor: self.successor_at_once(key),
        })
    }

    /// The successor of a key that stops signing before another one can take over.
    fn successor_at_once(&self, key: &SigningKey) -> Option<(SignatureAlgorithm, SuccessorStart)> {
        let default = SignatureAlgorithm::default();
        let others_sign = |algorithm: SignatureAlgorithm| {
            self.others(key).any(|other| {
                other.algorithm == algorithm && other.state(self.now) == State::Signing
            })
        };
        if !is_used(key.algorithm, self.asked) {
            let any_signs = SignatureAlgorithm::ALL.into_iter().any(others_sign);
            return (!any_signs).then_some((default, SuccessorStart::Immediate));
        }
        if others_sign(key.algorithm) {
            return None;
        }
        if key.algorithm == default || !others_sign(default) {
            return Some((key.algorithm, SuccessorStart::Immediate));
        }
        // Tokens are signed with RS256 until a key of this algorithm may sign.
        let successor = (key.algorithm, SuccessorStart::AfterLead);
        (!self.another_is(key, State::Published)).then_some(successor)
    }

    fn others(&self, key: &SigningKey) -> impl Iterator<Item = &SigningKey> {
        self.keys.iter().filter(move |other| other.kid != key.kid)
    }

    /// Whether another key of the same algorithm is in this state.
    fn another_is(&self, key: &SigningKey, state: State) -> bool {
        self.others(key)
            .any(|other| other.algorithm == key.algorithm && other.state(self.now) == state)
    }
}

#[cfg(test)]
mod tests {
    use super::super::schedule::fixtures::{POLICY, TAIL, at, ending, es256, key, leaked};
    use super::*;

    fn plan(
        keys: &[SigningKey],
        asked: &[SignatureAlgorithm],
        mode: RetirementMode,
    ) -> Result<RetirementPlan, Error> {
        let retirement = Retirement {
            keys,
            asked,
            policy: POLICY,
            now: at(10),
        };
        retirement.plan("a", mode)
    }

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
            let plan = plan(&keys, &[], mode).unwrap();
            let start = plan.successor.map(|(_, start)| start);
            assert_eq!(start, successor, "{name}");
            assert_eq!(plan.ended.is_some(), ends, "{name}");
            if let Some(ended) = plan.ended {
                assert_eq!(ended.state(at(-1_000_000)), State::Gone, "{name}");
            }
        }
    }

    #[test]
    fn the_keys_of_another_algorithm_do_not_replace_a_key() {
        use RetirementMode::{Graceful, Immediate};
        use SignatureAlgorithm::{Es256, Rs256};
        use SuccessorStart::AfterLead;
        let rsa = || key("b", 0);
        let retiring = es256(key("a", 0));
        // The keys; whether ES256 is used; how "a" is retired; its state then, and its successor.
        type Plan = (State, Option<(SignatureAlgorithm, SuccessorStart)>);
        let cases: Vec<(&str, Vec<SigningKey>, bool, RetirementMode, Plan)> = vec![
            (
                "gracefully",
                vec![retiring.clone(), rsa()],
                true,
                Graceful,
                (State::Signing, Some((Es256, AfterLead))),
            ),
            (
                "leaked: RS256 signs in its place until the successor does",
                vec![retiring.clone(), rsa()],
                true,
                Immediate,
                (State::Gone, Some((Es256, AfterLead))),
            ),
            (
                "leaked, with a successor that is published",
                vec![retiring.clone(), rsa(), es256(key("c", 302))],
                true,
                Immediate,
                (State::Gone, None),
            ),
            (
                "leaked, and nothing else signs",
                vec![retiring.clone()],
                true,
                Immediate,
                (State::Gone, Some((Es256, SuccessorStart::Immediate))),
            ),
            (
                "no longer used, gracefully",
                vec![retiring.clone(), rsa()],
                false,
                Graceful,
                (State::Retiring, None),
            ),
            (
                "no longer used, and leaked",
                vec![retiring.clone(), rsa()],
                false,
                Immediate,
                (State::Gone, None),
            ),
            (
                "not used, and nothing else signs",
                vec![retiring.clone()],
                false,
                Graceful,
                (State::Retiring, Some((Rs256, SuccessorStart::Immediate))),
            ),
            (
                "RS256 leaked, and only ES256 signs",
                vec![key("a", 0), es256(key("b", 0))],
                true,
                Immediate,
                (State::Gone, Some((Rs256, SuccessorStart::Immediate))),
            ),
        ];
        for (name, keys, is_asked, mode, (state, successor)) in cases {
            let asked: &[_] = if is_asked { &[Es256] } else { &[] };
            let plan = plan(&keys, asked, mode).unwrap();
            assert_eq!(plan.successor, successor, "{name}");
            let after = plan.ended.unwrap_or_else(|| keys[0].clone());
            assert_eq!(after.state(at(10)), state, "{name}");
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
            let planned = plan(&keys, &[], mode);
            let planned = planned.map(drop).map_err(|error| error.code());
            assert_eq!(planned, expected, "case {index}");
        }
    }
}
