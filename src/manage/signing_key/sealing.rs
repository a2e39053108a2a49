//! The sealing key file of a database: opened or created, and checked against the signing keys whose
//! private halves it seals.

use std::path::Path;
use std::sync::Arc;

use super::schedule::is_in_use;
use crate::clock::Timestamp;
use crate::crypto::sealing_key::SealingKeyFile;
use crate::error::Error;
use crate::oauth::signing_keys::SigningKeyPair;
use crate::store::Store;
use crate::store::signing_key::{self, SigningKey};

/// What an operator can do if the sealing key file does not open the keys in the database.
pub const LOST_FILE_HELP: &str = "Restore the file from a backup or copy it from another node; if it is lost for good, run: keyward \
                                  sealing-key reset";

/// Opens the sealing key file; creates it if the database has no signing keys yet that another file
/// seals.
///
/// # Errors
/// `server_error` if the file is missing although there are signing keys, or cannot be read or created.
pub async fn open_or_create_sealing_keys(
    store: &Arc<Store>,
    folder: &Path,
) -> Result<SealingKeyFile, Error> {
    let keys = store.read(signing_key::list).await?;
    if keys.is_empty() {
        return SealingKeyFile::open_or_make(folder)
            .map_err(|error| Error::from(error).field("keys_dir"));
    }
    open_needed_sealing_keys(folder)
}

/// Opens the sealing key file, and never creates it.
///
/// # Errors
/// `server_error` if the file is missing or cannot be read.
pub async fn open_sealing_keys(store: &Arc<Store>, folder: &Path) -> Result<SealingKeyFile, Error> {
    if store.read(signing_key::list).await?.is_empty() {
        return SealingKeyFile::open(folder).map_err(|reason| {
            Error::server_error(format!("{reason}; `keyward serve` makes it")).field("keys_dir")
        });
    }
    open_needed_sealing_keys(folder)
}

fn open_needed_sealing_keys(folder: &Path) -> Result<SealingKeyFile, Error> {
    SealingKeyFile::open(folder).map_err(|reason| {
        let reason = format!(
            "{reason}; the signing keys of this database are sealed with that file. {LOST_FILE_HELP}"
        );
        Error::server_error(reason).field("keys_dir")
    })
}

/// Refuses a sealing key file that does not open the keys in use: the other nodes could not open what it
/// seals.
pub(super) fn check_opens(
    keys: &[SigningKey],
    sealing_keys: &SealingKeyFile,
    now: Timestamp,
) -> Result<(), Error> {
    for key in keys.iter().filter(|key| is_in_use(key, now)) {
        SigningKeyPair::open(key, sealing_keys)
            .map_err(|reason| Error::server_error(format!("{reason}; {LOST_FILE_HELP}")))?;
    }
    Ok(())
}

/// Reads all keys, and checks that those in use can be opened. If the sealing key is rotated between
/// reading the database and reading the file, both are read again.
///
/// # Errors
/// `server_error` if a key cannot be opened; a [`StoreError`](crate::store::StoreError) if the database
/// cannot be queried.
pub async fn opened_keys(
    store: &Arc<Store>,
    sealing_keys: &SealingKeyFile,
    now: Timestamp,
) -> Result<Vec<SigningKey>, Error> {
    let private_halves = |keys: &[SigningKey]| {
        keys.iter()
            .map(|key| key.private_sealed.clone())
            .collect::<Vec<_>>()
    };
    let mut keys = store.read(signing_key::list).await?;
    loop {
        let Err(error) = check_opens(&keys, sealing_keys, now) else {
            return Ok(keys);
        };
        let before = private_halves(&keys);
        keys = store.read(signing_key::list).await?;
        if private_halves(&keys) == before {
            return Err(error);
        }
    }
}

/// The row of a new key that signs from `now` on. To be called within the transaction that writes it, so
/// that a rotation of the sealing key comes before or after, and not in between.
pub(in crate::manage) fn sealed_row(
    key: &SigningKeyPair,
    sealing_keys: &SealingKeyFile,
    now: Timestamp,
) -> Result<SigningKey, Error> {
    Ok(SigningKey {
        private_sealed: key.sealed(sealing_keys)?,
        kid: key.kid.clone(),
        algorithm: key.algorithm,
        public_jwk: key.public_jwk.clone(),
        created_at: now,
        signs_from: now,
        signs_until: None,
        published_until: None,
    })
}
