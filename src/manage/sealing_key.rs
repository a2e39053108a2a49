//! The sealing key: its rotation, and the way back when it is lost.

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use zeroize::Zeroizing;

use super::actor::{Permit, SigningKeysWrite};
use super::second_factor;
use super::signing_key::{KEPT_PUBLISHED, Times, generate, schedule, sealed_row};
use crate::clock::Timestamp;
use crate::error::{Code, Error};
use crate::oauth::keys::{
    KEY_FILE, LockedSealingKeyFile, PREPARED, SealingKeyFile, SigningKeyPair, make_folder,
};
use crate::store::signing_key::{self, SigningKey, State};
use crate::store::user::{self, User};
use crate::store::{Database, Store, StoreError, Transaction};

/// How far back the successor of a lost key begins to sign, so that it signs at once on nodes whose clocks
/// are behind.
const BACKDATED: std::time::Duration = std::time::Duration::from_secs(3600);

/// What a rotation did.
#[derive(Debug, Serialize)]
pub struct Rotated {
    /// Signing keys that are sealed with the new key.
    pub signing_keys: usize,
    /// Second factors that are sealed with the new key.
    pub second_factors: usize,
    /// How many keys the key file holds now; more than one until [`prune`].
    pub keys_in_file: usize,
}

/// Adds a new key to the end of the key file, which opens but does not seal yet: the first step of a
/// rotation where nodes have copies of the file.
///
/// # Errors
/// Where a key is prepared already, another process changes the file, or it cannot be written.
pub async fn prepare(
    sealing_keys: &SealingKeyFile,
    _: &Permit<SigningKeysWrite>,
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
    sealing_keys
        .replace(&lines, &locked)
        .map_err(Error::server_error)
}

/// Seals everything with a new key: the prepared one, which keeps the old one in the file for nodes with
/// copies, or else one that is made now and replaces the old one.
///
/// A crash at any point leaves a file that opens everything; the rotation can be run again.
///
/// # Errors
/// Where something in use does not open, another process changes the file, or the file or the database cannot
/// be written.
pub async fn rotate(
    store: &Arc<Store>,
    permit: Permit<SigningKeysWrite>,
    sealing_keys: &SealingKeyFile,
    now: Timestamp,
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
    // There already after a crash.
    old.retain(|line| **line != *first);
    let mut lines: Vec<_> = std::iter::once(first.clone()).chain(old).collect();
    if keep_old {
        // Until all is done: a rotation after a crash must not make another key and drop the old one.
        lines.push(Zeroizing::new(format!("{PREPARED}{}", *first)));
    }
    sealing_keys
        .replace(&lines, &locked)
        .map_err(Error::server_error)?;
    let kept = if keep_old { lines.len() - 1 } else { 1 };
    reseal(
        store,
        permit,
        (sealing_keys, &locked),
        "sealing_key.rotate",
        kept,
        now,
    )
    .await
}

/// Seals with the first key what nodes have sealed with the others meanwhile, and drops these from the file.
///
/// # Errors
/// As [`rotate`]; where a key is prepared, which would be dropped too.
pub async fn prune(
    store: &Arc<Store>,
    permit: Permit<SigningKeysWrite>,
    sealing_keys: &SealingKeyFile,
    now: Timestamp,
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
        "sealing_key.prune",
        1,
        now,
    )
    .await
}

/// Whoever seals for the database reads the file within the transaction that writes the row, so before this
/// one, which finds the row, or after it, with the first key.
async fn reseal(
    store: &Arc<Store>,
    permit: Permit<SigningKeysWrite>,
    (sealing_keys, locked): (&SealingKeyFile, &LockedSealingKeyFile),
    action: &'static str,
    kept: usize,
    now: Timestamp,
) -> Result<Rotated, Error> {
    let own = sealing_keys.clone();
    let (signing_keys, second_factors) = store
        .write(now, move |transaction| {
            let mut signing_keys = 0;
            for mut key in signing_key::list(transaction.database())? {
                match SigningKeyPair::open(&key, &own) {
                    Ok(open) => {
                        key.private_sealed = open.sealed(&own).map_err(Error::server_error)?
                    }
                    // Nobody needs the private half of a key that signs no more.
                    Err(_) if matches!(key.state(now), State::Retiring | State::Gone) => continue,
                    Err(reason) => return Err(Error::server_error(reason)),
                }
                signing_key::update(transaction, &key)?;
                signing_keys += 1;
            }
            let mut second_factors = 0;
            for mut user in user::list(transaction.database(), None)? {
                let name = second_factor::seal_context(&user);
                let Some(sealed) = &user.totp_sealed else {
                    continue;
                };
                // One that does not open now did not before.
                let Ok(secret) = own.unseal(&name, sealed) else {
                    continue;
                };
                user.totp_sealed = Some(own.seal(&name, &secret).map_err(Error::server_error)?);
                user::update(transaction, &user)?;
                second_factors += 1;
            }
            permit.record(transaction, action, None, KEY_FILE, now)?;
            Ok::<_, Error>((signing_keys, second_factors))
        })
        .await?;
    let mut lines = sealing_keys.lines();
    lines.truncate(kept);
    sealing_keys
        .replace(&lines, locked)
        .map_err(Error::server_error)?;
    Ok(Rotated {
        signing_keys,
        second_factors,
        keys_in_file: lines.len(),
    })
}

/// What is lost with a sealing key.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// Signing keys that cannot sign any more. Tokens that they signed stay valid until they expire.
    pub signing_keys: Vec<String>,
    /// Users whose authenticator codes are refused. Their recovery codes still work.
    pub second_factors: Vec<String>,
    /// The key that signs from now on; absent as long as nothing was changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_signing_key: Option<String>,
}

fn loss(
    database: &mut Database,
    sealing_keys: Option<&SealingKeyFile>,
    now: Timestamp,
) -> Result<(Loss, Vec<SigningKey>), StoreError> {
    let opens = |key: &SigningKey| {
        sealing_keys.is_some_and(|sealing_keys| SigningKeyPair::open(key, sealing_keys).is_ok())
    };
    let needed = |key: &SigningKey| matches!(key.state(now), State::Signing | State::Published);
    let keys = signing_key::list(database)?;
    let lost: Vec<SigningKey> = keys
        .into_iter()
        .filter(|key| needed(key) && !opens(key))
        .collect();
    let closed = |user: &User| {
        let opens = |sealed: &str| {
            sealing_keys.is_some_and(|file| {
                file.unseal(&second_factor::seal_context(user), sealed)
                    .is_ok()
            })
        };
        user.totp_sealed
            .as_deref()
            .is_some_and(|sealed| !opens(sealed))
    };
    let users = user::list(database, None)?;
    let loss = Loss {
        signing_keys: lost.iter().map(|key| key.kid.clone()).collect(),
        second_factors: users
            .into_iter()
            .filter(closed)
            .map(|user| user.email)
            .collect(),
        new_signing_key: None,
    };
    Ok((loss, lost))
}

/// What would be lost by [`reset`].
///
/// # Errors
/// Where the database gave no answer.
pub async fn assess(
    store: &Arc<Store>,
    _: &Permit<SigningKeysWrite>,
    folder: &Path,
    now: Timestamp,
) -> Result<Loss, Error> {
    let sealing_keys = SealingKeyFile::open(folder).ok();
    let look = move || {
        let sealing_keys = sealing_keys.clone();
        store.read(move |database| Ok::<_, Error>(loss(database, sealing_keys.as_ref(), now)?.0))
    };
    let (mut found, mut again) = (look().await?, look().await?);
    // A rotation between reading the database and the file makes it look like a loss.
    while found != again {
        (found, again) = (again, look().await?);
    }
    Ok(found)
}

/// Brings service back after the sealing key was lost: makes a key file where there is none that can be read,
/// and a signing key in the place of those that do not open.
///
/// A lost key has not leaked, so it stays published until the last token that it signed has expired. The new
/// one signs at once, before resource servers may have fetched it; those that fetch on an unknown `kid` notice
/// nothing.
///
/// # Errors
/// Where nothing is lost, or the file or the database cannot be written.
pub async fn reset(
    store: &Arc<Store>,
    permit: Permit<SigningKeysWrite>,
    folder: &Path,
    times: Times,
    now: Timestamp,
) -> Result<Loss, Error> {
    refuse_intact(&assess(store, &permit, folder, now).await?)?;
    make_folder(folder)
        .map_err(|error| Error::server_error(format!("{}: {error}", folder.display())))?;
    let _locked = LockedSealingKeyFile::lock(folder).await?;
    refuse_intact(&assess(store, &permit, folder, now).await?)?;
    let sealing_keys = match SealingKeyFile::open(folder) {
        Ok(sealing_keys) => sealing_keys,
        Err(_) => {
            set_aside(folder, now)?;
            SealingKeyFile::open_or_make(folder).map_err(Error::server_error)?
        }
    };
    let successor = generate().await?;
    store
        .write(now, move |transaction| {
            let (mut loss, lost) = loss(transaction.database(), Some(&sealing_keys), now)?;
            for mut key in lost {
                let signed = key.state(now) == State::Signing;
                // Not "now": a node whose clock is behind would go on choosing it.
                key.signs_until = Some(Timestamp::EPOCH);
                key.published_until = Some(if signed {
                    now.saturating_add(times.token_ttl)
                        .saturating_add(KEPT_PUBLISHED)
                } else {
                    Timestamp::EPOCH
                });
                signing_key::update(transaction, &key)?;
            }
            if !signs(transaction, now)? {
                let successor = SigningKey {
                    signs_from: now.saturating_sub(BACKDATED),
                    ..sealed_row(&successor, &sealing_keys, now)?
                };
                signing_key::insert(transaction, &successor)?;
                loss.new_signing_key = Some(successor.kid.clone());
            }
            schedule(transaction, times, now)?;
            permit.record(transaction, "sealing_key.reset", None, KEY_FILE, now)?;
            Ok(loss)
        })
        .await
}

fn refuse_intact(found: &Loss) -> Result<(), Error> {
    if found.signing_keys.is_empty() && found.second_factors.is_empty() {
        return Err(Error::new(
            Code::Conflict,
            "Nothing is lost: the key file opens everything in this database",
        ));
    }
    Ok(())
}

fn signs(transaction: &mut Transaction<'_>, now: Timestamp) -> Result<bool, StoreError> {
    Ok(signing_key::list(transaction.database())?
        .iter()
        .any(|key| key.state(now) == State::Signing))
}

/// Renames a key file that cannot be read: somebody may still repair it.
fn set_aside(folder: &Path, now: Timestamp) -> Result<(), Error> {
    let path = folder.join(KEY_FILE);
    if !path.exists() {
        return Ok(());
    }
    let aside = folder.join(format!("{KEY_FILE}.unreadable-{}", now.seconds()));
    std::fs::rename(&path, aside)
        .map_err(|error| Error::server_error(format!("{}: {error}", path.display())))
}
