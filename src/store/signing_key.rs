//! Signing key: signs access tokens, with one algorithm (RFC 8725 section 3.1). The public key is published; the private key is stored sealed.
//!
//! The state of a key is a pure function of its row and the time, so that all nodes agree without
//! communicating: published, then signing, then retiring, then gone.

use std::cmp::Ordering;

use diesel::prelude::*;
use strum::Display;

use super::schema::{resource_servers, signing_keys};
use super::security_profile::SecurityProfile;
use super::{Change, Database, StoreError, Transaction, client};
use crate::clock::Timestamp;
use crate::crypto::jws::SignatureAlgorithm;

/// The state of a signing key.
#[derive(Clone, Copy, Debug, Display, PartialEq, Eq)]
#[strum(serialize_all = "snake_case")]
pub enum State {
    /// In the JWKS, so that resource servers have it before it signs.
    Published,
    /// Signs new tokens.
    Signing,
    /// Signs no new tokens; still in the JWKS, since tokens that it signed may be active.
    Retiring,
    /// No longer in use; tokens that it signed are refused.
    Gone,
}

/// A row of `signing_keys`.
#[derive(Clone, Debug, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(primary_key(kid), treat_none_as_null = true)]
pub struct SigningKey {
    /// The RFC 7638 thumbprint of the public key.
    pub kid: String,
    /// The algorithm that the key signs with.
    pub algorithm: SignatureAlgorithm,
    /// The public key as a JWK (RFC 7517).
    pub public_jwk: String,
    /// The private key, encrypted with the sealing key.
    pub private_sealed: String,
    /// When the key was created and published.
    pub created_at: Timestamp,
    /// When the key begins to sign.
    pub signs_from: Timestamp,
    /// When the key stops signing; none while no other key is to follow.
    pub signs_until: Option<Timestamp>,
    /// When the key is removed from the JWKS: every token that it signed has expired by then.
    pub published_until: Option<Timestamp>,
}

impl SigningKey {
    /// The state of the key at `now`.
    pub fn state(&self, now: Timestamp) -> State {
        if self.published_until.is_some_and(|end| end <= now) {
            State::Gone
        } else if self.signs_until.is_some_and(|end| end <= now) {
            State::Retiring
        } else if self.signs_from <= now {
            State::Signing
        } else {
            State::Published
        }
    }
}

/// The key of `algorithm` that signs at `now`: of several, the one that began to sign last.
pub fn signing_with(
    keys: &[SigningKey],
    algorithm: SignatureAlgorithm,
    now: Timestamp,
) -> Option<&SigningKey> {
    keys.iter()
        .filter(|key| key.algorithm == algorithm && key.state(now) == State::Signing)
        .max_by(|a, b| by_start(a, b))
}

/// The key that signs at `now` where `algorithm` is asked for. While no key of that algorithm signs,
/// because the first one is yet to be published for long enough, tokens are signed with RS256. If
/// all keys are yet to begin, this node's clock is slow, and the first of them signs.
pub fn signing_at(
    keys: &[SigningKey],
    algorithm: SignatureAlgorithm,
    now: Timestamp,
) -> Option<&SigningKey> {
    let in_state = |state| keys.iter().filter(move |key| key.state(now) == state);
    signing_with(keys, algorithm, now)
        .or_else(|| signing_with(keys, SignatureAlgorithm::default(), now))
        .or_else(|| in_state(State::Signing).max_by(|a, b| by_start(a, b)))
        .or_else(|| in_state(State::Published).min_by(|a, b| by_start(a, b)))
}

/// The order in which keys begin to sign.
fn by_start(a: &SigningKey, b: &SigningKey) -> Ordering {
    (a.signs_from, &a.kid).cmp(&(b.signs_from, &b.kid))
}

/// The algorithms that are asked for: by resource servers, and by the security profiles of clients and
/// of the server.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn asked_algorithms(
    database: &mut Database,
    server_profile: SecurityProfile,
) -> Result<Vec<SignatureAlgorithm>, StoreError> {
    let mut asked: Vec<SignatureAlgorithm> = resource_servers::table
        .select(resource_servers::signing_algorithm)
        .distinct()
        .load(database)?;
    for profile in SecurityProfile::ALL {
        let algorithm = profile.signing_algorithm(SignatureAlgorithm::default());
        if algorithm != SignatureAlgorithm::default()
            && !asked.contains(&algorithm)
            && (profile == server_profile || client::any_with_profile(database, profile)?)
        {
            asked.push(algorithm);
        }
    }
    Ok(asked)
}

/// All keys, the oldest first.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn list(database: &mut Database) -> Result<Vec<SigningKey>, StoreError> {
    let ordered = signing_keys::table.order((signing_keys::created_at, signing_keys::kid));
    Ok(ordered.select(SigningKey::as_select()).load(database)?)
}

/// Inserts a key.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn insert(transaction: &mut Transaction<'_>, key: &SigningKey) -> Result<(), StoreError> {
    diesel::insert_into(signing_keys::table)
        .values(key)
        .execute(transaction.modify())?;
    transaction.changed(Change::SigningKeys);
    Ok(())
}

/// Updates all columns of a key.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn update(transaction: &mut Transaction<'_>, key: &SigningKey) -> Result<(), StoreError> {
    diesel::update(signing_keys::table.find(&key.kid))
        .set(key)
        .execute(transaction.modify())?;
    transaction.changed(Change::SigningKeys);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_800_000_000 + seconds)
    }

    fn key(kid: &str, signs_from: i64, end: Option<(i64, i64)>) -> SigningKey {
        SigningKey {
            kid: kid.to_owned(),
            algorithm: SignatureAlgorithm::Rs256,
            public_jwk: String::new(),
            private_sealed: String::new(),
            created_at: at(0),
            signs_from: at(signs_from),
            signs_until: end.map(|(signs_until, _)| at(signs_until)),
            published_until: end.map(|(_, published_until)| at(published_until)),
        }
    }

    #[test]
    fn the_state_follows_from_the_row_and_the_time() {
        let rotated = key("a", 10, Some((20, 30)));
        let current = key("b", 10, None);
        let withdrawn = key("c", 10, Some((5, 5)));
        for (key, now, state) in [
            (&rotated, 0, State::Published),
            (&rotated, 9, State::Published),
            (&rotated, 10, State::Signing),
            (&rotated, 19, State::Signing),
            (&rotated, 20, State::Retiring),
            (&rotated, 29, State::Retiring),
            (&rotated, 30, State::Gone),
            (&current, 9, State::Published),
            (&current, 1_000_000, State::Signing),
            (&withdrawn, 4, State::Published),
            (&withdrawn, 5, State::Gone),
        ] {
            assert_eq!(key.state(at(now)), state, "{} {now}", key.kid);
        }
        let states = [
            State::Published,
            State::Signing,
            State::Retiring,
            State::Gone,
        ];
        assert_eq!(
            states.map(|state| state.to_string()),
            ["published", "signing", "retiring", "gone"]
        );
    }

    #[test]
    fn one_key_of_each_algorithm_signs_at_any_time() {
        use SignatureAlgorithm::{Es256, Ps256, Rs256};
        let of = |algorithm, key| SigningKey { algorithm, ..key };
        let rotation = [
            key("a", 10, Some((20, 30))),
            key("b", 20, Some((40, 50))),
            key("c", 20, None),
            of(Es256, key("d", 30, Some((40, 50)))),
            of(Es256, key("e", 40, None)),
        ];
        let imported = [of(Es256, key("f", 10, None)), key("g", 20, None)];
        for (keys, algorithm, now, kid) in [
            (&rotation[..], Rs256, 10, Some("a")),
            (&rotation, Rs256, 19, Some("a")),
            (&rotation, Rs256, 20, Some("c")),
            (&rotation, Rs256, 60, Some("c")),
            // RS256, until a key of the algorithm signs.
            (&rotation, Es256, 29, Some("c")),
            (&rotation, Es256, 30, Some("d")),
            (&rotation, Es256, 39, Some("d")),
            (&rotation, Es256, 40, Some("e")),
            (&rotation, Ps256, 60, Some("c")),
            // A slow clock: the first key that is published signs already.
            (&rotation, Rs256, 0, Some("a")),
            (&rotation, Es256, 0, Some("a")),
            (&rotation[..2], Rs256, 45, None),
            // There is no key for RS256 yet.
            (&imported, Rs256, 19, Some("f")),
            (&imported, Rs256, 20, Some("g")),
            (&[], Rs256, 0, None),
        ] {
            let signing = signing_at(keys, algorithm, at(now)).map(|key| key.kid.as_str());
            assert_eq!(signing, kid, "{algorithm:?} {now}");
        }
    }
}
