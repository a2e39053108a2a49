//! The schedule of signing keys: when each key begins and stops to sign, and until when it is
//! published. Each node computes it from the rows and the time. The keys of each algorithm have a
//! schedule of their own.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::{self, Timestamp};
use crate::config::Settings;
use crate::crypto::jws::SignatureAlgorithm;
use crate::error::Error;
use crate::manage::actor::Permit;
use crate::manage::rights::SigningKeysWrite;
use crate::store::audit::{Action, Recorder};
use crate::store::clock as store_clock;
use crate::store::cluster_settings::{self, ClusterSettings};
use crate::store::security_profile::SecurityProfile;
use crate::store::signing_key::{self, SigningKey, State, signing_with};
use crate::store::{Store, Transaction};

/// How long a new key is published beyond the JWKS `max-age` before it signs: until every node publishes
/// it, and for clocks that differ.
const PUBLISH_MARGIN: Duration = Duration::from_secs(2);

/// How long a key stays published beyond the lifetime of the last token that it signed: for a node whose
/// clock is behind.
const JWKS_GRACE: Duration = Duration::from_secs(5);

/// The durations that the schedule of signing keys depends on.
#[derive(Clone, Copy)]
pub struct RotationPolicy {
    /// How long resource servers may cache the JWK Set.
    pub jwks_max_age: Duration,
    /// How long an access token is valid.
    pub token_ttl: Duration,
    /// The age at which a key is replaced.
    pub max_age: Duration,
    /// The security profile of the server, which restricts the algorithms.
    pub security_profile: SecurityProfile,
}

impl RotationPolicy {
    /// The policy of these settings, but with durations at least as long as those of the running nodes:
    /// a command beside them must not rotate faster than resource servers fetch the JWK Set.
    ///
    /// # Errors
    /// A [`StoreError`](crate::store::StoreError) if the database cannot be queried.
    pub async fn effective(store: &Arc<Store>, settings: &Settings) -> Result<Self, Error> {
        let cluster = store.read(cluster_settings::find).await?;
        let of_nodes = |duration: fn(&ClusterSettings) -> Duration| {
            cluster.as_ref().map_or(Duration::ZERO, duration)
        };
        Ok(RotationPolicy {
            jwks_max_age: settings
                .jwks_max_age
                .max(of_nodes(ClusterSettings::jwks_max_age)),
            token_ttl: settings.token_ttl.max(of_nodes(ClusterSettings::token_ttl)),
            max_age: settings.signing_key_max_age,
            security_profile: settings.security_profile,
        })
    }

    /// How long a key is published before it signs, so that every resource server has it by then.
    pub(super) fn publish_lead(&self) -> Duration {
        self.jwks_max_age + PUBLISH_MARGIN
    }

    /// How long a key stays published after it signed its last token.
    pub(in crate::manage) fn publish_tail(&self) -> Duration {
        self.token_ttl + JWKS_GRACE
    }
}

/// Whether a key signs now or later.
pub(super) fn is_in_use(key: &SigningKey, now: Timestamp) -> bool {
    matches!(key.state(now), State::Signing | State::Published)
}

/// A change of the signing keys that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DueChange {
    /// An algorithm is used and has no key: the first key of the algorithm is to be created.
    Create(SignatureAlgorithm),
    /// The key of the algorithm has reached its maximum age and has no successor yet.
    Rotate(SignatureAlgorithm),
    /// The key with this `kid` has reached its maximum age, and its algorithm is no longer used.
    Retire(String),
}

/// Whether tokens are signed with `algorithm`: some resource server asks for it, or it is the
/// default, which signs tokens for the issuer and for resource servers that do not agree.
pub(super) fn is_used(algorithm: SignatureAlgorithm, asked: &[SignatureAlgorithm]) -> bool {
    algorithm == SignatureAlgorithm::default() || asked.contains(&algorithm)
}

/// The first change that is due at `now`. `asked` are the algorithms that resource servers ask for.
pub fn due_change(
    keys: &[SigningKey],
    asked: &[SignatureAlgorithm],
    policy: RotationPolicy,
    now: Timestamp,
) -> Option<DueChange> {
    let due_age = policy.max_age.saturating_sub(policy.publish_lead());
    SignatureAlgorithm::ALL.into_iter().find_map(|algorithm| {
        let is_used = is_used(algorithm, asked);
        let Some(key) = signing_with(keys, algorithm, now) else {
            let has_key = keys
                .iter()
                .any(|key| key.algorithm == algorithm && is_in_use(key, now));
            return (is_used && !has_key).then_some(DueChange::Create(algorithm));
        };
        // The row of a key that signs without a lead says "from the epoch".
        let age = now.duration_since(key.signs_from.max(key.created_at));
        if key.signs_until.is_some() || age < due_age {
            return None;
        }
        Some(if is_used {
            DueChange::Rotate(algorithm)
        } else {
            DueChange::Retire(key.kid.clone())
        })
    })
}

/// A key that signs no longer from `now` on, and stays published for the tokens that it signed.
pub(super) fn retired(key: SigningKey, policy: RotationPolicy, now: Timestamp) -> SigningKey {
    SigningKey {
        signs_until: Some(now),
        published_until: Some(now.saturating_add(policy.publish_tail())),
        ..key
    }
}

/// When a new key was requested. Until its row is written it takes a while: a key is generated, and
/// other writers come first.
#[derive(Clone, Copy)]
pub(super) struct RequestedAt {
    pub(super) now: Timestamp,
    since_boot: Duration,
}

impl RequestedAt {
    pub(super) fn at(now: Timestamp) -> Self {
        RequestedAt {
            now,
            since_boot: clock::since_boot(),
        }
    }

    /// For a request: not the time when it was received, since its body may have arrived slowly, and
    /// the lead of the new key counts from when it is published.
    pub(super) fn of(permit: &Permit<SigningKeysWrite>) -> Self {
        RequestedAt::at(permit.now().max(Timestamp::now()))
    }

    fn elapsed(self) -> Duration {
        clock::since_boot().saturating_sub(self.since_boot)
    }
}

/// Lets a new key sign once every resource server can have it: counted from when its row is written, by
/// this machine's clock or the database server's, whichever is ahead.
pub(super) fn with_lead(
    transaction: &mut Transaction<'_>,
    key: SigningKey,
    policy: RotationPolicy,
    requested: RequestedAt,
) -> Result<SigningKey, Error> {
    let now = requested.now.saturating_add(requested.elapsed());
    let published = store_clock::not_before(transaction.database(), now)?;
    Ok(SigningKey {
        signs_from: published.saturating_add(policy.publish_lead()),
        ..key
    })
}

/// Updates the schedule at the start of a node, with an audit entry for each key that changed.
pub(super) fn reschedule_at_start(
    transaction: &mut Transaction<'_>,
    policy: RotationPolicy,
    now: Timestamp,
) -> Result<(), Error> {
    let keys = signing_key::list(transaction.database())?;
    for key in changed(&keys, &schedule(&keys, policy, now)) {
        signing_key::update(transaction, key)?;
        Recorder::keyward(now).record(transaction, Action::SigningKeyUpdate, None, &key.kid)?;
    }
    Ok(())
}

/// Updates the schedule after a change of the keys; the caller writes the audit entry. Returns all keys.
pub(in crate::manage) fn reschedule(
    transaction: &mut Transaction<'_>,
    policy: RotationPolicy,
    now: Timestamp,
) -> Result<Vec<SigningKey>, Error> {
    let keys = signing_key::list(transaction.database())?;
    let scheduled = schedule(&keys, policy, now);
    for key in changed(&keys, &scheduled) {
        signing_key::update(transaction, key)?;
    }
    Ok(scheduled)
}

fn changed<'a>(
    before: &'a [SigningKey],
    after: &'a [SigningKey],
) -> impl Iterator<Item = &'a SigningKey> {
    let is_changed = |(before, after): &(&SigningKey, &SigningKey)| {
        (before.signs_until, before.published_until) != (after.signs_until, after.published_until)
    };
    before
        .iter()
        .zip(after)
        .filter(is_changed)
        .map(|(_, after)| after)
}

/// The schedule: each key that signs now or later signs until the next one of its algorithm begins,
/// and stays published until the last token that it signed has expired.
fn schedule(keys: &[SigningKey], policy: RotationPolicy, now: Timestamp) -> Vec<SigningKey> {
    let mut in_use: Vec<&SigningKey> = keys.iter().filter(|key| is_in_use(key, now)).collect();
    in_use.sort_by(|a, b| (a.signs_from, &a.kid).cmp(&(b.signs_from, &b.kid)));
    let next_start = |kid: &str| {
        let index = in_use.iter().position(|key| key.kid == kid)?;
        let algorithm = in_use[index].algorithm;
        let mut later = in_use[index + 1..].iter();
        Some(
            later
                .find(|next| next.algorithm == algorithm)
                .map(|next| next.signs_from),
        )
    };
    keys.iter()
        .map(|key| {
            let mut scheduled = key.clone();
            if let Some(next_start) = next_start(&key.kid) {
                scheduled.signs_until = next_start;
                scheduled.published_until = next_start;
            }
            if let Some(end) = scheduled.signs_until
                && scheduled.state(now) != State::Gone
            {
                // Never shortened: tokens with a longer lifetime may have been issued before.
                let until = end.saturating_add(policy.publish_tail());
                scheduled.published_until = scheduled
                    .published_until
                    .max(key.published_until)
                    .max(Some(until));
            }
            scheduled
        })
        .collect()
}

/// Keys in every state, for tests.
#[cfg(test)]
pub(super) mod fixtures {
    use super::*;

    pub(in super::super) const POLICY: RotationPolicy = RotationPolicy {
        jwks_max_age: Duration::from_secs(300),
        token_ttl: Duration::from_secs(3600),
        max_age: Duration::from_secs(90 * 24 * 3600),
        security_profile: SecurityProfile::None,
    };

    /// A time, in seconds after the first key was created.
    pub(in super::super) fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_800_000_000 + seconds)
    }

    pub(in super::super) fn key(kid: &str, signs_from: i64) -> SigningKey {
        SigningKey {
            kid: kid.to_owned(),
            algorithm: SignatureAlgorithm::Rs256,
            public_jwk: String::new(),
            private_sealed: String::new(),
            created_at: at(0),
            signs_from: at(signs_from),
            signs_until: None,
            published_until: None,
        }
    }

    /// The same key, for ES256.
    pub(in super::super) fn es256(key: SigningKey) -> SigningKey {
        SigningKey {
            algorithm: SignatureAlgorithm::Es256,
            ..key
        }
    }

    /// A key that signs, or signed, until a time, and is published until a later one.
    pub(in super::super) fn ending(
        kid: &str,
        signs_from: i64,
        signs_until: i64,
        published_until: i64,
    ) -> SigningKey {
        SigningKey {
            signs_until: Some(at(signs_until)),
            published_until: Some(at(published_until)),
            ..key(kid, signs_from)
        }
    }

    pub(in super::super) fn leaked(kid: &str) -> SigningKey {
        SigningKey {
            signs_until: Some(Timestamp::EPOCH),
            published_until: Some(Timestamp::EPOCH),
            ..key(kid, 0)
        }
    }

    pub(in super::super) const TAIL: i64 = 3605;
}

#[cfg(test)]
mod tests {
    use super::fixtures::{POLICY, TAIL, at, ending, es256, key, leaked};
    use super::*;

    #[test]
    fn a_key_signs_until_the_next_one_begins_and_stays_published_for_its_last_token() {
        // The keys; the time; when each stops signing, and when it stops being published.
        type End = Option<i64>;
        type Case<'a> = (&'a str, Vec<SigningKey>, i64, Vec<(End, End)>);
        let cases: Vec<Case<'_>> = vec![
            ("a single key", vec![key("a", 0)], 10, vec![(None, None)]),
            (
                "a key with a successor",
                vec![key("a", 0), key("b", 302)],
                10,
                vec![(Some(302), Some(302 + TAIL)), (None, None)],
            ),
            (
                "three keys, in the order in which they sign and not of their ids",
                vec![key("c", 0), key("b", 302), key("a", 500)],
                10,
                vec![
                    (Some(302), Some(302 + TAIL)),
                    (Some(500), Some(500 + TAIL)),
                    (None, None),
                ],
            ),
            (
                "a key whose successor was withdrawn signs on",
                vec![ending("a", 0, 302, 302 + TAIL), leaked("b")],
                10,
                vec![(None, None), (Some(i64::MIN), Some(i64::MIN))],
            ),
            (
                "a retiring key keeps its end",
                vec![ending("a", 0, 302, 302 + TAIL), key("b", 302)],
                400,
                vec![(Some(302), Some(302 + TAIL)), (None, None)],
            ),
            (
                "a longer token lifetime keeps a retiring key published",
                vec![ending("a", 0, 302, 1000), key("b", 302)],
                400,
                vec![(Some(302), Some(302 + TAIL)), (None, None)],
            ),
            (
                "a shorter token lifetime does not shorten the publication",
                vec![ending("a", 0, 302, 100_000), key("b", 302)],
                400,
                vec![(Some(302), Some(100_000)), (None, None)],
            ),
            (
                "each algorithm on its own",
                vec![
                    key("a", 0),
                    es256(key("b", 302)),
                    key("c", 500),
                    es256(key("d", 700)),
                ],
                10,
                vec![
                    (Some(500), Some(500 + TAIL)),
                    (Some(700), Some(700 + TAIL)),
                    (None, None),
                    (None, None),
                ],
            ),
            (
                "a key of another algorithm is no successor",
                vec![key("a", 0), es256(key("b", 302))],
                10,
                vec![(None, None), (None, None)],
            ),
            (
                "a key that is gone stays gone",
                vec![ending("a", 0, 302, 1000), key("b", 302)],
                2000,
                vec![(Some(302), Some(1000)), (None, None)],
            ),
        ];
        let time = |end: End| match end {
            Some(i64::MIN) => Some(Timestamp::EPOCH),
            end => end.map(at),
        };
        for (name, keys, now, expected) in cases {
            let scheduled = schedule(&keys, POLICY, at(now));
            let ends: Vec<_> = scheduled
                .iter()
                .map(|key| (key.signs_until, key.published_until))
                .collect();
            let expected: Vec<_> = expected
                .into_iter()
                .map(|(signs, published)| (time(signs), time(published)))
                .collect();
            assert_eq!(ends, expected, "{name}");
            // A second run changes nothing.
            let again = schedule(&scheduled, POLICY, at(now));
            assert_eq!(changed(&scheduled, &again).count(), 0, "{name}");
        }
    }

    #[test]
    fn a_key_is_replaced_in_time_to_be_published_before_the_old_one_is_too_old() {
        use DueChange::{Create, Retire, Rotate};
        use SignatureAlgorithm::{Es256, Rs256};
        let due = 90 * 24 * 3600 - 302;
        let from_the_epoch = SigningKey {
            signs_from: Timestamp::EPOCH,
            ..key("a", 0)
        };
        let young = || key("a", due);
        let retire = |kid: &str| Some(Retire(kid.to_owned()));
        type Case<'a> = (&'a str, Vec<SigningKey>, bool, i64, Option<DueChange>);
        // The keys; whether a resource server asks for ES256; the time; what is due.
        let cases: Vec<Case<'_>> = vec![
            ("young", vec![key("a", 0)], false, 10, None),
            ("just before", vec![key("a", 0)], false, due - 1, None),
            ("due", vec![key("a", 0)], false, due, Some(Rotate(Rs256))),
            (
                "overdue",
                vec![key("a", 0)],
                false,
                due * 2,
                Some(Rotate(Rs256)),
            ),
            (
                "with a successor",
                vec![
                    ending("a", 0, due + 302, due + 302 + TAIL),
                    key("b", due + 302),
                ],
                false,
                due + 1,
                None,
            ),
            (
                "signs from the epoch, counted from its creation",
                vec![from_the_epoch],
                false,
                10,
                None,
            ),
            ("no key at all", vec![], false, due, Some(Create(Rs256))),
            (
                "an algorithm that is asked for and has no key",
                vec![key("a", 0)],
                true,
                10,
                Some(Create(Es256)),
            ),
            (
                "its first key is published",
                vec![key("a", 0), es256(key("b", 302))],
                true,
                10,
                None,
            ),
            (
                "its key is due",
                vec![young(), es256(key("b", 0))],
                true,
                due,
                Some(Rotate(Es256)),
            ),
            (
                "its key is retiring, and it is asked for again",
                vec![key("a", 0), es256(ending("b", 0, 5, 5 + TAIL))],
                true,
                10,
                Some(Create(Es256)),
            ),
            (
                "an algorithm that is no longer asked for, whose key is young",
                vec![young(), es256(key("b", 0))],
                false,
                due - 1,
                None,
            ),
            (
                "an algorithm that is no longer asked for, whose key is old",
                vec![young(), es256(key("b", 0))],
                false,
                due,
                retire("b"),
            ),
        ];
        for (name, keys, is_asked, now, expected) in cases {
            let asked: &[_] = if is_asked { &[Es256] } else { &[] };
            assert_eq!(
                due_change(&keys, asked, POLICY, at(now)),
                expected,
                "{name}"
            );
        }
    }

    #[test]
    fn a_retired_key_stays_published_for_its_last_token() {
        let key = retired(key("a", 0), POLICY, at(10));
        for (now, state) in [
            (10, State::Retiring),
            (10 + TAIL - 1, State::Retiring),
            (10 + TAIL, State::Gone),
        ] {
            assert_eq!(key.state(at(now)), state, "{now}");
        }
        let scheduled = schedule(std::slice::from_ref(&key), POLICY, at(10));
        assert_eq!(changed(&[key], &scheduled).count(), 0);
    }
}
