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
use crate::oauth::keys::{KEY_FILE, KeyFile, OpenKey, PREPARED};
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
/// Where a key is prepared already, or the file cannot be written.
pub fn prepare(key_file: &KeyFile, _: &Permit<SigningKeysWrite>) -> Result<(), Error> {
    let mut lines = key_file.lines();
    if lines.iter().any(|line| line.starts_with(PREPARED)) {
        let pending = "A new sealing key is prepared already: copy the file to every node, then run keyward sealing-key rotate";
        return Err(Error::new(Code::Conflict, pending));
    }
    lines.push(Zeroizing::new(format!("{PREPARED}{}", *KeyFile::new_line())));
    key_file.replace(&lines).map_err(Error::server_error)
}

/// Seals everything with a new key: the prepared one, which keeps the old one in the file for nodes with
/// copies, or else one that is made now and replaces the old one.
///
/// A crash at any point leaves a file that opens everything; the rotation can be run again.
///
/// # Errors
/// Where something in use does not open, or the file or the database cannot be written.
pub async fn rotate(
    store: &Arc<Store>,
    permit: Permit<SigningKeysWrite>,
    key_file: &KeyFile,
    now: Timestamp,
) -> Result<Rotated, Error> {
    let (prepared, old): (Vec<_>, Vec<_>) = key_file.lines().into_iter().partition(|line| line.starts_with(PREPARED));
    let prepared = prepared.first().map(|line| Zeroizing::new(line.trim_start_matches(PREPARED).to_owned()));
    let keep_old = prepared.is_some();
    let lines: Vec<_> = std::iter::once(prepared.unwrap_or_else(KeyFile::new_line)).chain(old).collect();
    key_file.replace(&lines).map_err(Error::server_error)?;
    reseal(store, permit, key_file, "sealing_key.rotate", if keep_old { lines.len() } else { 1 }, now).await
}

/// Seals with the first key what nodes have sealed with the others meanwhile, and drops these from the file.
///
/// # Errors
/// As [`rotate`].
pub async fn prune(
    store: &Arc<Store>,
    permit: Permit<SigningKeysWrite>,
    key_file: &KeyFile,
    now: Timestamp,
) -> Result<Rotated, Error> {
    reseal(store, permit, key_file, "sealing_key.prune", 1, now).await
}

async fn reseal(
    store: &Arc<Store>,
    permit: Permit<SigningKeysWrite>,
    key_file: &KeyFile,
    action: &'static str,
    kept: usize,
    now: Timestamp,
) -> Result<Rotated, Error> {
    let own = key_file.clone();
    let (signing_keys, second_factors) = store
        .write(now, move |transaction| {
            let mut signing_keys = 0;
            for mut key in signing_key::list(transaction.database())? {
                match OpenKey::open(&key, &own) {
                    Ok(open) => key.private_sealed = open.sealed(&own).map_err(Error::server_error)?,
                    // Nobody needs the private half of a key that signs no more.
                    Err(_) if matches!(key.state(now), State::Retiring | State::Gone) => continue,
                    Err(reason) => return Err(Error::server_error(reason)),
                }
                signing_key::update(transaction, &key)?;
                signing_keys += 1;
            }
            let mut second_factors = 0;
            for mut user in user::list(transaction.database(), None)? {
                let name = second_factor::under(&user);
                let Some(sealed) = &user.totp_sealed else { continue };
                // One that does not open now did not before.
                let Ok(secret) = own.unseal(&name, sealed) else { continue };
                user.totp_sealed = Some(own.seal(&name, &secret).map_err(Error::server_error)?);
                user::update(transaction, &user)?;
                second_factors += 1;
            }
            permit.record(transaction, action, None, KEY_FILE, now)?;
            Ok::<_, Error>((signing_keys, second_factors))
        })
        .await?;
    let mut lines = key_file.lines();
    lines.truncate(kept);
    key_file.replace(&lines).map_err(Error::server_error)?;
    Ok(Rotated { signing_keys, second_factors, keys_in_file: lines.len() })
}

/// What is lost with a sealing key.
#[derive(Debug, Default, Serialize)]
pub struct Loss {
    /// Signing keys that cannot sign any more. Tokens that they signed stay valid until they expire.
    pub signing_keys: Vec<String>,
    /// Users whose authenticator codes are refused. Their recovery codes still work.
    pub second_factors: Vec<String>,
    /// The key that signs from now on; absent as long as nothing was changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_signing_key: Option<String>,
}

fn loss(database: &mut Database, key_file: Option<&KeyFile>, now: Timestamp) -> Result<(Loss, Vec<SigningKey>), StoreError> {
    let opens = |key: &SigningKey| key_file.is_some_and(|key_file| OpenKey::open(key, key_file).is_ok());
    let needed = |key: &SigningKey| matches!(key.state(now), State::Signing | State::Published);
    let keys = signing_key::list(database)?;
    let lost: Vec<SigningKey> = keys.into_iter().filter(|key| needed(key) && !opens(key)).collect();
    let closed = |user: &User| {
        let opens = |sealed: &str| key_file.is_some_and(|file| file.unseal(&second_factor::under(user), sealed).is_ok());
        user.totp_sealed.as_deref().is_some_and(|sealed| !opens(sealed))
    };
    let users = user::list(database, None)?;
    let loss = Loss {
        signing_keys: lost.iter().map(|key| key.kid.clone()).collect(),
        second_factors: users.into_iter().filter(closed).map(|user| user.email).collect(),
        new_signing_key: None,
    };
    Ok((loss, lost))
}

/// What would be lost by [`reset`].
///
/// # Errors
/// Where the database gave no answer.
pub async fn assess(store: &Arc<Store>, _: &Permit<SigningKeysWrite>, folder: &Path, now: Timestamp) -> Result<Loss, Error> {
    let key_file = KeyFile::open(folder).ok();
    Ok(store.read(move |database| loss(database, key_file.as_ref(), now)).await?.0)
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
    let found = assess(store, &permit, folder, now).await?;
    if found.signing_keys.is_empty() && found.second_factors.is_empty() {
        return Err(Error::new(Code::Conflict, "Nothing is lost: the key file opens everything in this database"));
    }
    let key_file = match KeyFile::open(folder) {
        Ok(key_file) => key_file,
        Err(_) => {
            set_aside(folder, now)?;
            KeyFile::open_or_make(folder).map_err(Error::server_error)?
        }
    };
    let successor = SigningKey { signs_from: now.minus(BACKDATED), ..sealed_row(generate().await?, &key_file, now)? };
    store
        .write(now, move |transaction| {
            let (mut loss, lost) = loss(transaction.database(), Some(&key_file), now)?;
            for mut key in lost {
                let signed = key.state(now) == State::Signing;
                // Not "now": a node whose clock is behind would go on choosing it.
                key.signs_until = Some(Timestamp::EPOCH);
                key.published_until =
                    Some(if signed { now.plus(times.token_ttl).plus(KEPT_PUBLISHED) } else { Timestamp::EPOCH });
                signing_key::update(transaction, &key)?;
            }
            if !signs(transaction, now)? {
                signing_key::insert(transaction, &successor)?;
                loss.new_signing_key = Some(successor.kid.clone());
            }
            schedule(transaction, times, now)?;
            permit.record(transaction, "sealing_key.reset", None, KEY_FILE, now)?;
            Ok(loss)
        })
        .await
}

fn signs(transaction: &mut Transaction<'_>, now: Timestamp) -> Result<bool, StoreError> {
    Ok(signing_key::list(transaction.database())?.iter().any(|key| key.state(now) == State::Signing))
}

/// Renames a key file that cannot be read: somebody may still repair it.
fn set_aside(folder: &Path, now: Timestamp) -> Result<(), Error> {
    let path = folder.join(KEY_FILE);
    if !path.exists() {
        return Ok(());
    }
    let aside = folder.join(format!("{KEY_FILE}.unreadable-{}", now.seconds()));
    std::fs::rename(&path, aside).map_err(|error| Error::server_error(format!("{}: {error}", path.display())))
}
