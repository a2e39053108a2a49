//! Signing key: signs access tokens. Its public half is published, its private half lies sealed.
//!
//! What a key is for at any moment follows from its row and the clock alone, so that all nodes
//! agree without talking: published, then signing, then retiring, then gone.

use std::fmt;
use std::str::FromStr;

use diesel::prelude::*;

use super::schema::signing_keys;
use super::{Change, Database, StoreError, Transaction};
use crate::clock::Timestamp;

/// The JWS algorithm of a signing key (RFC 7518, RFC 8037).
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    diesel::expression::AsExpression,
    diesel::deserialize::FromSqlRow,
)]
#[diesel(sql_type = diesel::sql_types::Text)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// The registered name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Algorithm::Rs256 => "RS256",
            Algorithm::Es256 => "ES256",
            Algorithm::EdDsa => "EdDSA",
        }
    }
}

impl FromStr for Algorithm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa]
            .into_iter()
            .find(|algorithm| algorithm.as_str() == text)
            .ok_or_else(|| format!("no signature algorithm {text:?}"))
    }
}

/// What a key is for at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// In the JWKS, so that everybody has it before it signs.
    Published,
    /// Signs.
    Signing,
    /// Signs no more, but tokens that it signed may live.
    Retiring,
    /// In no use; what it signed is refused.
    Gone,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            State::Published => "published",
            State::Signing => "signing",
            State::Retiring => "retiring",
            State::Gone => "gone",
        })
    }
}

/// A row of `signing_keys`.
#[derive(Clone, Debug, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(primary_key(kid), treat_none_as_null = true)]
pub struct SigningKey {
    /// The RFC 7638 thumbprint of the public half.
    pub kid: String,
    /// How it signs.
    pub algorithm: Algorithm,
    /// The public half (RFC 7517), as JSON.
    pub public_jwk: String,
    /// The private half, sealed with the key file.
    pub private_sealed: String,
    /// When it was made, and published.
    pub created_at: Timestamp,
    /// From when on it signs.
    pub signs_from: Timestamp,
    /// Until when it signs; without end while no other key is to follow.
    pub signs_until: Option<Timestamp>,
    /// Until when it is published: the last token that it signed has ended by then.
    pub published_until: Option<Timestamp>,
}

impl SigningKey {
    /// What the key is for at `now`.
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

/// Of these, the one that signs at `now`: of several, the last that began. Where all are yet to
/// begin this node's clock is behind, and the first of them signs.
pub fn signing_at(keys: &[SigningKey], now: Timestamp) -> Option<&SigningKey> {
    let of = |state| keys.iter().filter(move |key| key.state(now) == state);
    let order = |key: &&SigningKey| (key.signs_from, key.kid.clone());
    of(State::Signing)
        .max_by_key(order)
        .or_else(|| of(State::Published).min_by_key(order))
}

/// All of them, the oldest first.
///
/// # Errors
/// Where the database gave no answer.
pub fn list(database: &mut Database) -> Result<Vec<SigningKey>, StoreError> {
    let ordered = signing_keys::table.order((signing_keys::created_at, signing_keys::kid));
    Ok(ordered.select(SigningKey::as_select()).load(database)?)
}

/// Adds one.
///
/// # Errors
/// Where the database gave no answer.
pub fn insert(transaction: &mut Transaction<'_>, key: &SigningKey) -> Result<(), StoreError> {
    diesel::insert_into(signing_keys::table)
        .values(key)
        .execute(transaction.modify())?;
    transaction.changed(Change::SigningKeys);
    Ok(())
}

/// Writes all of its columns.
///
/// # Errors
/// Where the database gave no answer.
pub fn update(transaction: &mut Transaction<'_>, key: &SigningKey) -> Result<(), StoreError> {
    diesel::update(signing_keys::table.find(&key.kid))
        .set(key)
        .execute(transaction.modify())?;
    transaction.changed(Change::SigningKeys);
    Ok(())
}
