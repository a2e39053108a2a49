//! The sealing key, which seals the private halves of signing keys, the second factors of users and the
//! secrets of webhooks: rotation, and recovery after its loss.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use zeroize::Zeroizing;

use super::actor::Permit;
use super::mail;
use super::rights::SigningKeysWrite;
use super::second_factor;
use super::signing_key::{RotationPolicy, generate, reschedule, sealed_row};
use super::webhook;
use crate::clock::Timestamp;
use crate::crypto::jws::SignatureAlgorithm;
use crate::crypto::sealing_key::{
    KEY_FILE, LockedSealingKeyFile, PREPARED, SealingKeyFile, make_folder,
};
use crate::error::{Code, Error};
use crate::oauth::signing_keys::SigningKeyPair;
use crate::store::audit::Action;
use crate::store::signing_key::{self, SigningKey, State};
use crate::store::user::{self, User};
use crate::store::{Database, Store, StoreError, Transaction};

/// How far before the present the successor of a lost key begins to sign, so that it signs immediately on
/// nodes whose clocks are behind.
const BACKDATED: Duration = Duration::from_secs(3600);

/// The result of a rotation.
#[derive(Debug, Serialize)]
pub struct Rotated {
    /// How many signing keys are sealed with the new key.
    pub signing_keys: usize,
    /// How many second factors are sealed with the new key.
    pub second_factors: usize,
    /// How many webhooks have their secrets sealed with the new key.
    pub webhooks: usize,
    /// How many keys the file holds now: more than one until [`prune`].
    pub keys_in_file: usize,
}

/// Adds a new key to the end of the file. It opens, but does not seal yet: the first step of a rotation
/// if the nodes have copies of the file.
///
/// # Errors
/// `conflict` if a key is prepared already; `server_error` if another process changes the file, or if it
/// cannot be written.
pub async fn prepare(
    sealing_keys: &SealingKeyFile,
    _: Permit<SigningKeysWrite>,
) -> Result<(), Error> {
    let locked = sealing_keys.lock().await?;
    let mut lines = sealing_keys.lines();
    if lines.iter().any(|line| line.starts_with(PREPARED)) {
        let pending = "A new sealing key is prepared already: copy the file to every node, then run keyward sealing-key rotate";
        return Err(Error::new(Code::Conflict, pending));
    }
    lines.push(Zeroizing::new(format!(
        "{PREPARED}{}",
        *SealingKeyFile::new_line()
    )));
    Ok(sealing_keys.replace(&lines, &locked)?)
}

/// Seals everything with a new key: with the prepared one, and the old one stays in the file for nodes
/// with copies of it; or else with a newly generated one, which replaces the old one.
///
/// After a crash at any point the file still opens everything, and the rotation can be run again.
///
/// # Errors
/// `server_error` if something in use cannot be opened, if another process changes the file, or if the
/// file cannot be written; a [`StoreError`] if the database cannot be written.
pub async fn rotate(
    store: &Arc<Store>,
    permit: Permit<SigningKeysWrite>,
    sealing_keys: &SealingKeyFile,
) -> Result<Rotated, Error> {
    let locked = sealing_keys.lock().await?;
    let (prepared, mut old): (Vec<_>, Vec<_>) = sealing_keys
        .lines()
        .into_iter()
        .partition(|line| line.starts_with(PREPARED));
    let prepared = prepared
        .first()
        .map(|line| Zeroizing::new(line.trim_start_matches(PREPARED).to_owned()));
    let keep_old = prepared.is_some();
    let first = prepared.unwrap_or_else(SealingKeyFile::new_line);
    // After a crash the new key is in the file already.
    old.retain(|line| **line != *first);
    let mut lines: Vec<_> = std::iter::once(first.clone()).chain(old).collect();
    if keep_old {
        // Stays until the end: after a crash, the next rotation must not generate another key and drop
        // the old one.
        lines.push(Zeroizing::new(format!("{PREPARED}{}", *first)));
    }
    sealing_keys.replace(&lines, &locked)?;
    let kept = if keep_old { lines.len() - 1 } else { 1 };
    reseal(
        store,
        permit,
        (sealing_keys, &locked),
        Action::SealingKeyRotate,
        kept,
    )
    .await
}

/// Seals with the first key of the file what nodes have sealed with the others since the rotation, and
/// removes the others.
///
/// # Errors
/// As for [`rotate`]; `conflict` if a key is prepared, which would be removed too.
pub async fn prune(
    store: &Arc<Store>,
    permit: Permit<SigningKeysWrite>,
    sealing_keys: &SealingKeyFile,
) -> Result<Rotated, Error> {
    let locked = sealing_keys.lock().await?;
    if sealing_keys
        .lines()
        .iter()
        .any(|line| line.starts_with(PREPARED))
    {
        return Err(Error::new(
            Code::Conflict,
            "A new sealing key is prepared: run keyward sealing-key rotate first",
        ));
    }
    reseal(
        store,
        permit,
        (sealing_keys, &locked),
        Action::SealingKeyPrune,
        1,
    )
    .await
}

/// Seals everything in the database with the first key of the file, then keeps `kept` keys in the file.
///
/// Nothing is missed: other code that seals reads the file within the transaction that writes the row.
/// That transaction comes either before this one, which then finds the row, or after it, and then it
/// seals with the first key.
async fn reseal(
    store: &Arc<Store>,
    permit: Permit<SigningKeysWrite>,
    (sealing_keys, locked): (&SealingKeyFile, &LockedSealingKeyFile),
    action: Action,
    kept: usize,
) -> Result<Rotated, Error> {
    let file = sealing_keys.clone();
    let (signing_keys, second_factors, webhooks) = store
        .write(permit.now(), move |transaction| {
            let signing_keys = reseal_signing_keys(transaction, &file, permit.now())?;
            let second_factors = reseal_second_factors(transaction, &file)?;
            let webhooks = webhook::reseal(transaction, &file)?;
            mail::reseal(transaction, &file)?;
            permit.audit(transaction, action, None, KEY_FILE)?;
            Ok::<_, Error>((signing_keys, second_factors, webhooks))
        })
        .await?;
    let mut lines = sealing_keys.lines();
    lines.truncate(kept);
    sealing_keys.replace(&lines, locked)?;
    Ok(Rotated {
        signing_keys,
        second_factors,
        webhooks,
        keys_in_file: lines.len(),
    })
}

fn reseal_signing_keys(
    transaction: &mut Transaction<'_>,
    file: &SealingKeyFile,
    now: Timestamp,
) -> Result<usize, Error> {
    let mut count = 0;
    for mut key in signing_key::list(transaction.database())? {
        match SigningKeyPair::open(&key, file) {
            Ok(pair) => key.private_sealed = pair.sealed(file)?,
            // The private half of a key that no longer signs is not needed.
            Err(_) if matches!(key.state(now), State::Retiring | State::Gone) => continue,
            Err(error) => return Err(error.into()),
        }
        signing_key::update(transaction, &key)?;
        count += 1;
    }
    Ok(count)
}

fn reseal_second_factors(
    transaction: &mut Transaction<'_>,
    file: &SealingKeyFile,
) -> Result<usize, Error> {
    let mut count = 0;
    for mut user in user::list(transaction.database())? {
        let context = second_factor::seal_context(&user);
        let Some(sealed) = &user.totp_sealed else {
            continue;
        };
        // What cannot be opened now could not be opened before the rotation either.
        let Ok(secret) = file.unseal(&context, sealed) else {
            continue;
        };
        user.totp_sealed = Some(file.seal(&context, secret.expose())?);
        user::update(transaction, &user)?;
        count += 1;
    }
    Ok(count)
}

/// What is lost together with a sealing key.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// The signing keys that can no longer sign. Tokens that they signed stay valid until they expire.
    pub signing_keys: Vec<String>,
    /// The users whose authenticator codes are refused. Their recovery codes still work.
    pub second_factors: Vec<String>,
    /// The webhooks whose deliveries cannot be signed until their secret is rotated.
    pub webhooks: Vec<String>,
    /// The signing key that replaces the lost ones; absent before [`reset`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_signing_key: Option<String>,
}

impl Loss {
    /// Whether nothing is lost.
    pub fn is_empty(&self) -> bool {
        self.signing_keys.is_empty() && self.second_factors.is_empty() && self.webhooks.is_empty()
    }
}

/// The loss if `file` is all that there is, and the rows of the lost signing keys.
fn find_loss(
    database: &mut Database,
    file: Option<&SealingKeyFile>,
    now: Timestamp,
) -> Result<(Loss, Vec<SigningKey>), Error> {
    let is_lost_key = |key: &SigningKey| {
        let is_in_use = matches!(key.state(now), State::Signing | State::Published);
        is_in_use && file.is_none_or(|file| SigningKeyPair::open(key, file).is_err())
    };
    let is_lost_factor = |user: &User| {
        let opens = |sealed: &str, file: &SealingKeyFile| {
            file.unseal(&second_factor::seal_context(user), sealed)
                .is_ok()
        };
        user.totp_sealed
            .as_deref()
            .is_some_and(|sealed| file.is_none_or(|file| !opens(sealed, file)))
    };
    let mut lost_keys = signing_key::list(database)?;
    lost_keys.retain(is_lost_key);
    let users = user::list(database)?;
    let loss = Loss {
        signing_keys: lost_keys.iter().map(|key| key.kid.clone()).collect(),
        second_factors: users
            .into_iter()
            .filter(is_lost_factor)
            .map(|user| user.email)
            .collect(),
        webhooks: webhook::lost(database, file)?,
        new_signing_key: None,
    };
    Ok((loss, lost_keys))
}

/// Finds what is lost, without changing anything.
///
/// # Errors
/// A [`StoreError`] if the database cannot be queried.
pub async fn assess(
    store: &Arc<Store>,
    permit: Permit<SigningKeysWrite>,
    folder: &Path,
) -> Result<Loss, Error> {
    let file = SealingKeyFile::open(folder).ok();
    let now = permit.now();
    let assess_once = move || {
        let file = file.clone();
        store.read(move |database| Ok::<_, Error>(find_loss(database, file.as_ref(), now)?.0))
    };
    let mut previous = assess_once().await?;
    loop {
        // A rotation between reading the file and the database looks like a loss.
        let loss = assess_once().await?;
        if loss == previous {
            return Ok(loss);
        }
        previous = loss;
    }
}

/// Restores service after the loss of the sealing key: creates a sealing key file if there is none that
/// can be read, and an RS256 signing key if that of the database cannot be opened. Lost keys of other
/// algorithms are replaced by the next run of the rotation.
///
/// A lost signing key has not leaked, so it stays published until the last token that it signed has
/// expired. The new one signs immediately, before resource servers may have fetched it; a resource server
/// that fetches the JWK Set again on an unknown `kid` is not affected.
///
/// # Errors
/// `conflict` if nothing is lost; `server_error` if the file cannot be written; a [`StoreError`] if the
/// database cannot be written.
pub async fn reset(
    store: &Arc<Store>,
    permit: Permit<SigningKeysWrite>,
    folder: &Path,
    policy: RotationPolicy,
) -> Result<Loss, Error> {
    let now = permit.now();
    refuse_intact(&assess(store, permit.clone(), folder).await?)?;
    make_folder(folder)
        .map_err(|error| Error::server_error(format!("{}: {error}", folder.display())))?;
    let _locked = LockedSealingKeyFile::lock(folder).await?;
    refuse_intact(&assess(store, permit.clone(), folder).await?)?;
    let sealing_keys = match SealingKeyFile::open(folder) {
        Ok(sealing_keys) => sealing_keys,
        Err(_) => {
            set_aside(folder, now)?;
            SealingKeyFile::open_or_make(folder)?
        }
    };
    let successor = generate(SignatureAlgorithm::default()).await?;
    store
        .write(now, move |transaction| {
            let (mut loss, lost_keys) =
                find_loss(transaction.database(), Some(&sealing_keys), now)?;
            for key in lost_keys {
                signing_key::update(transaction, &withdrawn(key, policy, now))?;
            }
            if !signs(transaction, now)? {
                let successor = SigningKey {
                    signs_from: now.saturating_sub(BACKDATED),
                    ..sealed_row(&successor, &sealing_keys, now)?
                };
                signing_key::insert(transaction, &successor)?;
                loss.new_signing_key = Some(successor.kid.clone());
            }
            reschedule(transaction, policy, now)?;
            permit.audit(transaction, Action::SealingKeyReset, None, KEY_FILE)?;
            Ok(loss)
        })
        .await
}

/// A lost signing key, which no longer signs, and stays published for the tokens that it signed.
fn withdrawn(key: SigningKey, policy: RotationPolicy, now: Timestamp) -> SigningKey {
    let published_until = if key.state(now) == State::Signing {
        now.saturating_add(policy.publish_tail())
    } else {
        Timestamp::EPOCH
    };
    SigningKey {
        // The epoch, not `now`: a node whose clock is behind would go on choosing the key.
        signs_until: Some(Timestamp::EPOCH),
        published_until: Some(published_until),
        ..key
    }
}

fn refuse_intact(loss: &Loss) -> Result<(), Error> {
    if loss.is_empty() {
        return Err(Error::new(
            Code::Conflict,
            "Nothing is lost: the key file opens everything in this database",
        ));
    }
    Ok(())
}

/// Whether there is a key that can sign in place of every other: see [`signing_key::signing_at`].
fn signs(transaction: &mut Transaction<'_>, now: Timestamp) -> Result<bool, StoreError> {
    let keys = signing_key::list(transaction.database())?;
    Ok(signing_key::signing_with(&keys, SignatureAlgorithm::default(), now).is_some())
}

/// Renames a sealing key file that cannot be read, instead of deleting it: somebody may still repair it.
fn set_aside(folder: &Path, now: Timestamp) -> Result<(), Error> {
    let path = folder.join(KEY_FILE);
    if !path.exists() {
        return Ok(());
    }
    let aside = folder.join(format!("{KEY_FILE}.unreadable-{}", now.seconds()));
    std::fs::rename(&path, aside)
        .map_err(|error| Error::server_error(format!("{}: {error}", path.display())))
}
