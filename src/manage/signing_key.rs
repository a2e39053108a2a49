//! Signing keys: made, rotated, imported, retired. Their states follow from their rows and the
//! clock; this file writes the rows.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::actor::{Permit, SigningKeysRead, SigningKeysWrite};
use super::not_found;
use crate::clock::{self, Timestamp};
use crate::config::Settings;
use crate::error::{Code, Error};
use crate::oauth::keys::{SealingKeyFile, SigningKeyPair, public_pem};
use crate::store::audit::Recorder;
use crate::store::clock as store_clock;
use crate::store::cluster_settings::{self, ClusterSettings};
use crate::store::signing_key::{self, SigningKey, State, signing_at};
use crate::store::{Store, Transaction};

/// Beyond the JWKS `max-age`: until all nodes publish a new key, and for clocks that differ.
const MARGIN: Duration = Duration::from_secs(2);

/// Beyond the life of the last token: for a node whose clock is behind.
pub(super) const KEPT_PUBLISHED: Duration = Duration::from_secs(5);

/// What to do where the key file does not open what the database holds.
pub const LOST: &str = "Restore the file from a backup or copy it from another node; if it is lost for good, run: keyward \
                        sealing-key reset";

/// The times that a schedule rests on.
#[derive(Clone, Copy)]
pub struct Times {
    /// How long a resource server may keep the published keys.
    pub jwks_max_age: Duration,
    /// How long a token lives.
    pub token_ttl: Duration,
    /// The age at which a key is followed by another.
    pub max_age: Duration,
}

impl Times {
    /// These settings, and at least what the nodes serve with: a command beside them must not rotate
    /// faster than resource servers fetch.
    ///
    /// # Errors
    /// Where the database gave no answer.
    pub async fn in_force(store: &Arc<Store>, settings: &Settings) -> Result<Self, Error> {
        let deployment = store.read(cluster_settings::find).await?;
        let serving = |time: fn(&ClusterSettings) -> Duration| {
            deployment.as_ref().map_or(Duration::ZERO, time)
        };
        Ok(Times {
            jwks_max_age: settings
                .jwks_max_age
                .max(serving(ClusterSettings::jwks_max_age)),
            token_ttl: settings.token_ttl.max(serving(ClusterSettings::token_ttl)),
            max_age: settings.signing_key_max_age,
        })
    }

    /// From publishing a key to signing with it: promise 3.
    fn lead(&self) -> Duration {
        self.jwks_max_age + MARGIN
    }
}

/// A signing key as management shows it.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[expect(missing_docs, reason = "the columns say it")]
pub struct SigningKeyView {
    pub kid: String,
    pub algorithm: &'static str,
    pub state: String,
    pub created_at: Timestamp,
    pub signs_from: Timestamp,
    /// 1970-01-01T00:00:00Z for a key that was retired at once: no clock is so far behind.
    pub signs_until: Option<Timestamp>,
    /// Likewise.
    pub published_until: Option<Timestamp>,
}

impl SigningKeyView {
    fn at(key: &SigningKey, now: Timestamp) -> Self {
        SigningKeyView {
            kid: key.kid.clone(),
            algorithm: key.algorithm.as_str(),
            state: key.state(now).to_string(),
            created_at: key.created_at,
            // One that took over at once signs from the epoch on, by any clock.
            signs_from: key.signs_from.max(key.created_at),
            signs_until: key.signs_until,
            published_until: key.published_until,
        }
    }
}

/// All of them with their states.
///
/// # Errors
/// Where the database gave no answer.
pub async fn list(
    store: &Arc<Store>,
    _: &Permit<SigningKeysRead>,
    now: Timestamp,
) -> Result<Vec<SigningKeyView>, Error> {
    let keys = store.read(signing_key::list).await?;
    Ok(keys
        .iter()
        .map(|key| SigningKeyView::at(key, now))
        .collect())
}

/// One of them with its public half.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct PublicKeyView {
    /// Its state.
    #[serde(flatten)]
    pub key: SigningKeyView,
    /// The public half as a JWK (RFC 7517).
    pub jwk: Value,
    /// The public half in PEM (RFC 7468 section 13).
    pub pem: String,
}

/// One of them with its public half.
///
/// # Errors
/// Not there.
pub async fn show(
    store: &Arc<Store>,
    _: &Permit<SigningKeysRead>,
    kid: &str,
    now: Timestamp,
) -> Result<PublicKeyView, Error> {
    let keys = store.read(signing_key::list).await?;
    let key = keys
        .iter()
        .find(|key| key.kid == kid)
        .ok_or_else(|| not_found("signing key", kid))?;
    Ok(PublicKeyView {
        key: SigningKeyView::at(key, now),
        jwk: serde_json::from_str(&key.public_jwk)
            .map_err(|error| Error::server_error(error.to_string()))?,
        pem: public_pem(key).map_err(Error::server_error)?,
    })
}

/// Reads the key file; makes it only where there is no key yet that another one seals.
///
/// # Errors
/// Where it is not there though there are signing keys; where it cannot be read or made.
pub async fn sealing_keys(store: &Arc<Store>, folder: &Path) -> Result<SealingKeyFile, Error> {
    let keys = store.read(signing_key::list).await?;
    if keys.is_empty() {
        return SealingKeyFile::open_or_make(folder)
            .map_err(|reason| Error::server_error(reason).field("keys_dir"));
    }
    open_sealing(folder)
}

/// Reads the key file, and makes none.
///
/// # Errors
/// Where it is not there or cannot be read.
pub async fn existing_key_file(store: &Arc<Store>, folder: &Path) -> Result<SealingKeyFile, Error> {
    if store.read(signing_key::list).await?.is_empty() {
        let first = |reason| {
            Error::server_error(format!("{reason}; `keyward serve` makes it")).field("keys_dir")
        };
        return SealingKeyFile::open(folder).map_err(first);
    }
    open_sealing(folder)
}

fn open_sealing(folder: &Path) -> Result<SealingKeyFile, Error> {
    let sealed = |reason| {
        let reason = format!(
            "{reason}; the signing keys of this database are sealed with that file. {LOST}"
        );
        Error::server_error(reason).field("keys_dir")
    };
    SealingKeyFile::open(folder).map_err(sealed)
}

/// Refuses a key file that does not open the keys in use: what it seals, the nodes could not open.
fn check_key_file(
    keys: &[SigningKey],
    sealing_keys: &SealingKeyFile,
    now: Timestamp,
) -> Result<(), Error> {
    let in_use = keys
        .iter()
        .filter(|key| matches!(key.state(now), State::Signing | State::Published));
    for key in in_use {
        SigningKeyPair::open(key, sealing_keys)
            .map_err(|reason| Error::server_error(format!("{reason}; {LOST}")))?;
    }
    Ok(())
}

/// All keys, of which those in use open. Where the sealing key is rotated between reading the database and
/// reading the file, both are read again.
///
/// # Errors
/// Where one does not open; where the database gave no answer.
pub async fn opened_keys(
    store: &Arc<Store>,
    sealing_keys: &SealingKeyFile,
    now: Timestamp,
) -> Result<Vec<SigningKey>, Error> {
    let sealed = |keys: &[SigningKey]| {
        keys.iter()
            .map(|key| key.private_sealed.clone())
            .collect::<Vec<_>>()
    };
    let mut keys = store.read(signing_key::list).await?;
    loop {
        let Err(error) = check_key_file(&keys, sealing_keys, now) else {
            return Ok(keys);
        };
        let before = sealed(&keys);
        keys = store.read(signing_key::list).await?;
        if sealed(&keys) == before {
            return Err(error);
        }
    }
}

/// Whether there is a key that signs and opens, where nothing can be written.
///
/// # Errors
/// There is none; the database gave no answer.
pub async fn check(
    store: &Arc<Store>,
    sealing_keys: &SealingKeyFile,
    now: Timestamp,
) -> Result<(), Error> {
    match signing_at(&opened_keys(store, sealing_keys, now).await?, now) {
        Some(_) => Ok(()),
        None => Err(Error::unavailable(
            "no signing key is active, and the database is read-only",
        )),
    }
}

/// Sees to it, at the start of a node, that there is a key that signs, and that keys stay published
/// for as long as tokens live now.
///
/// # Errors
/// Where no key could be made or written.
pub async fn ensure(
    store: &Arc<Store>,
    sealing_keys: &SealingKeyFile,
    times: Times,
    now: Timestamp,
) -> Result<(), Error> {
    // A wrong key file is found here, and not by the first client.
    let keys = opened_keys(store, sealing_keys, now).await?;
    if signing_at(&keys, now).is_some() {
        return store
            .write(now, move |transaction| {
                schedule_by_itself(transaction, times, now)
            })
            .await;
    }
    let (key, sealing_keys) = (generate().await?, sealing_keys.clone());
    store
        .write(now, move |transaction| {
            let keys = signing_key::list(transaction.database())?;
            // Another node may have been quicker.
            if signing_at(&keys, now).is_none() {
                let row = sealed_row(&key, &sealing_keys, now)?;
                signing_key::insert(transaction, &row)?;
                Recorder::keyward().record(
                    transaction,
                    "signing_key.create",
                    None,
                    &row.kid,
                    now,
                )?;
            }
            schedule_by_itself(transaction, times, now)
        })
        .await
}

/// Makes a key that takes over once everybody can have it.
///
/// # Errors
/// Where no key could be made or written.
pub async fn rotate(
    store: &Arc<Store>,
    permit: Permit<SigningKeysWrite>,
    sealing_keys: &SealingKeyFile,
    times: Times,
    now: Timestamp,
) -> Result<SigningKeyView, Error> {
    let asked = Asked::at(now);
    add(
        store,
        permit,
        "signing_key.rotate",
        sealing_keys,
        generate().await?,
        times,
        asked,
    )
    .await
}

/// Whether the signing key has reached its age and none is to follow it.
pub fn is_due(keys: &[SigningKey], times: Times, now: Timestamp) -> bool {
    signing_at(keys, now).is_some_and(|key| {
        // One that took over at once from a key that leaked signs from the epoch on.
        let age = now.duration_since(key.signs_from.max(key.created_at));
        key.signs_until.is_none() && age >= times.max_age.saturating_sub(times.lead())
    })
}

/// Rotates where [`is_due`] at `now`, a moment that clocks agree on. All nodes ask this;
/// one acts.
///
/// # Errors
/// Where no key could be made or written.
pub async fn rotate_if_due(
    store: &Arc<Store>,
    keys: &[SigningKey],
    sealing_keys: &SealingKeyFile,
    times: Times,
    now: Timestamp,
) -> Result<Option<SigningKeyView>, Error> {
    if !is_due(keys, times, now) {
        return Ok(None);
    }
    let asked = Asked::at(now);
    let (key, sealing_keys) = (generate().await?, sealing_keys.clone());
    store
        .write(now, move |transaction| {
            if !is_due(&signing_key::list(transaction.database())?, times, now) {
                return Ok(None);
            }
            let row = taking_over(
                transaction,
                sealed_row(&key, &sealing_keys, now)?,
                times,
                asked,
            )?;
            signing_key::insert(transaction, &row)?;
            schedule(transaction, times, now)?;
            Recorder::keyward().record(transaction, "signing_key.rotate", None, &row.kid, now)?;
            Ok(Some(SigningKeyView::at(&row, now)))
        })
        .await
}

/// Takes a private key in PEM from elsewhere, which takes over once everybody can have it. Whoever knows it
/// signs tokens with whatever scope they like, so they must have every right already.
///
/// # Errors
/// An unusable key, or one that is there already; `access_denied` where the actor lacks any right.
pub async fn import(
    store: &Arc<Store>,
    permit: Permit<SigningKeysWrite>,
    sealing_keys: &SealingKeyFile,
    pem: &[u8],
    times: Times,
    now: Timestamp,
) -> Result<SigningKeyView, Error> {
    permit.check_every_right()?;
    let key =
        SigningKeyPair::from_pem(pem).map_err(|reason| Error::new(Code::InvalidRequest, reason))?;
    add(
        store,
        permit,
        "signing_key.import",
        sealing_keys,
        key,
        times,
        Asked::at(now),
    )
    .await
}

async fn add(
    store: &Arc<Store>,
    permit: Permit<SigningKeysWrite>,
    action: &'static str,
    sealing_keys: &SealingKeyFile,
    key: SigningKeyPair,
    times: Times,
    asked: Asked,
) -> Result<SigningKeyView, Error> {
    let now = asked.now;
    let sealing_keys = sealing_keys.clone();
    store
        .write(now, move |transaction| {
            let keys = signing_key::list(transaction.database())?;
            check_key_file(&keys, &sealing_keys, now)?;
            if keys.iter().any(|there| there.kid == key.kid) {
                return Err(Error::new(
                    Code::Conflict,
                    format!("There is a signing key {} already", key.kid),
                ));
            }
            let row = taking_over(
                transaction,
                sealed_row(&key, &sealing_keys, now)?,
                times,
                asked,
            )?;
            signing_key::insert(transaction, &row)?;
            schedule(transaction, times, now)?;
            permit.record(transaction, action, None, &row.kid, now)?;
            Ok(SigningKeyView::at(&row, now))
        })
        .await
}

/// Ends a key. One that has signed stays published until its last token has ended; where it signs
/// now, another is made to follow it. With `at_once`, for a key that leaked, it is published and
/// trusted no more: the tokens that it signed are refused. No moment is written for that, but the epoch: by
/// a clock that is behind it would not have come yet.
///
/// # Errors
/// Not there; or on its way out already.
pub async fn retire(
    store: &Arc<Store>,
    permit: Permit<SigningKeysWrite>,
    sealing_keys: &SealingKeyFile,
    kid: &str,
    at_once: bool,
    times: Times,
    now: Timestamp,
) -> Result<SigningKeyView, Error> {
    let asked = Asked::at(now);
    // One may be needed, and takes long to make: not while others wait.
    let successor = generate().await?;
    let (kid, sealing_keys) = (kid.to_owned(), sealing_keys.clone());
    store
        .write(now, move |transaction| {
            let keys = signing_key::list(transaction.database())?;
            check_key_file(&keys, &sealing_keys, now)?;
            let found = keys.iter().find(|key| key.kid == kid);
            let mut key = found
                .cloned()
                .ok_or_else(|| not_found("signing key", &kid))?;
            let state = key.state(now);
            let others = keys.iter().filter(|other| other.kid != kid);
            // Gone by the clock of this machine, which may be ahead, is not gone by all clocks.
            let ended = if at_once {
                key.published_until == Some(Timestamp::EPOCH)
            } else {
                matches!(state, State::Retiring | State::Gone)
            };
            if ended {
                return Err(Error::new(
                    Code::Conflict,
                    format!("The signing key {kid} is {state} already"),
                ));
            }
            if at_once || state == State::Published {
                key.signs_until = Some(Timestamp::EPOCH);
                key.published_until = Some(Timestamp::EPOCH);
                signing_key::update(transaction, &key)?;
                if !others
                    .clone()
                    .any(|other| other.state(now) == State::Signing)
                {
                    let at_once = SigningKey {
                        signs_from: Timestamp::EPOCH,
                        ..sealed_row(&successor, &sealing_keys, now)?
                    };
                    signing_key::insert(transaction, &at_once)?;
                }
            } else if !others
                .clone()
                .any(|other| other.state(now) == State::Published)
            {
                let successor = taking_over(
                    transaction,
                    sealed_row(&successor, &sealing_keys, now)?,
                    times,
                    asked,
                )?;
                signing_key::insert(transaction, &successor)?;
            }
            permit.record(transaction, "signing_key.retire", None, &kid, now)?;
            let keys = schedule(transaction, times, now)?;
            let key = keys
                .iter()
                .find(|key| key.kid == kid)
                .ok_or_else(|| not_found("signing key", &kid))?;
            Ok(SigningKeyView::at(key, now))
        })
        .await
}

pub(super) async fn generate() -> Result<SigningKeyPair, Error> {
    let made = tokio::task::spawn_blocking(SigningKeyPair::generate).await;
    made.map_err(|error| Error::server_error(error.to_string()))?
        .map_err(Error::server_error)
}

/// When a key was asked for. Making it takes a while, and so may the turn to write it.
#[derive(Clone, Copy)]
struct Asked {
    now: Timestamp,
    since_boot: Duration,
}

impl Asked {
    fn at(now: Timestamp) -> Self {
        Asked {
            now,
            since_boot: clock::since_boot(),
        }
    }
}

/// A new key that signs once everybody can have it: counted from when it is written, and by no clock that
/// is behind.
fn taking_over(
    transaction: &mut Transaction<'_>,
    key: SigningKey,
    times: Times,
    asked: Asked,
) -> Result<SigningKey, Error> {
    let now = asked
        .now
        .saturating_add(clock::since_boot().saturating_sub(asked.since_boot));
    let published = store_clock::not_before(transaction.database(), now)?;
    Ok(SigningKey {
        signs_from: published.saturating_add(times.lead()),
        ..key
    })
}

/// A new key that signs at once. To be called within the transaction that writes it: a rotation of the sealing
/// key comes before it or after it then, and not in between.
pub(super) fn sealed_row(
    key: &SigningKeyPair,
    sealing_keys: &SealingKeyFile,
    now: Timestamp,
) -> Result<SigningKey, Error> {
    Ok(SigningKey {
        private_sealed: key.sealed(sealing_keys).map_err(Error::server_error)?,
        kid: key.kid.clone(),
        algorithm: key.algorithm,
        public_jwk: key.public_jwk.clone(),
        created_at: now,
        signs_from: now,
        signs_until: None,
        published_until: None,
    })
}

/// Schedules the keys at the start of a node, and records which ones that changed.
fn schedule_by_itself(
    transaction: &mut Transaction<'_>,
    times: Times,
    now: Timestamp,
) -> Result<(), Error> {
    let times_of = |key: &SigningKey| (key.kid.clone(), key.signs_until, key.published_until);
    let before: Vec<_> = signing_key::list(transaction.database())?
        .iter()
        .map(times_of)
        .collect();
    for key in schedule(transaction, times, now)? {
        if !before.contains(&times_of(&key)) {
            Recorder::keyward().record(transaction, "signing_key.update", None, &key.kid, now)?;
        }
    }
    Ok(())
}

/// Of the keys that sign or will sign, each signs until the next one begins, and stays published
/// until its last token has ended. Writes what is not so yet.
pub(super) fn schedule(
    transaction: &mut Transaction<'_>,
    times: Times,
    now: Timestamp,
) -> Result<Vec<SigningKey>, Error> {
    let mut keys = signing_key::list(transaction.database())?;
    let mut coming: Vec<(Timestamp, String)> = keys
        .iter()
        .filter(|key| matches!(key.state(now), State::Signing | State::Published))
        .map(|key| (key.signs_from, key.kid.clone()))
        .collect();
    coming.sort();
    for key in &mut keys {
        let before = (key.signs_until, key.published_until);
        if let Some(place) = coming.iter().position(|(_, kid)| *kid == key.kid) {
            key.signs_until = coming.get(place + 1).map(|(from, _)| *from);
            key.published_until = key.signs_until;
        }
        if key.state(now) != State::Gone
            && let Some(end) = key.signs_until
        {
            // Never shortened: tokens of a longer life may be about.
            let until = end
                .saturating_add(times.token_ttl)
                .saturating_add(KEPT_PUBLISHED);
            key.published_until = key.published_until.max(before.1).max(Some(until));
        }
        if before != (key.signs_until, key.published_until) {
            signing_key::update(transaction, key)?;
        }
    }
    Ok(keys)
}
