//! The sealing key file, which encrypts secrets in the database: the private halves of signing keys
//! and the secrets of second factors. Every node of a deployment shares it.

use std::fs::{File, TryLockError};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use parking_lot::RwLock;
use rustix::fs::{Access, access};
use rustix::process::geteuid;
use zeroize::Zeroizing;

use crate::credential::random_bytes;
use crate::error::{Code, Error};
use crate::secret::SecretBytes;

/// The name of the sealing key file in the keys folder.
pub const KEY_FILE: &str = "sealing.key";

/// The prefix of a line whose key is prepared for the next rotation.
pub const PREPARED: &str = "next ";

/// How long to wait for another process that changes the file, and how often to retry.
const LOCK_TIMEOUT: Duration = Duration::from_secs(30);
const LOCK_RETRY_INTERVAL: Duration = Duration::from_millis(20);

/// Whether users other than the one that runs Keyward can access a sealing key file with this mode and owner.
///
/// A file of root may be readable by its group: Kubernetes mounts a Secret with `fsGroup` in this way, and the
/// group has no other member.
pub fn is_exposed(mode: u32, owner: u32, user: u32) -> bool {
    const ROOT: u32 = 0;
    let forbidden = if owner == ROOT && user != ROOT {
        0o037
    } else {
        0o077
    };
    mode & forbidden != 0
}

/// Why the sealing key file cannot be used. The message is for the operator, and has nothing of a
/// key.
#[derive(Debug, thiserror::Error)]
pub enum SealingKeyError {
    /// The file, or its folder, cannot be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The error of the system.
        error: std::io::Error,
    },
    /// The file is not a list of sealing keys.
    #[error("{} holds no sealing key", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// The cryptographic library did not encrypt the secret of this name.
    #[error("cannot seal {0}")]
    Seal(String),
    /// No key of the file decrypts the secret of this name.
    #[error("{0} was sealed with another {file} than the one in the keys folder", file = KEY_FILE)]
    OtherKey(String),
}

impl SealingKeyError {
    fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |error| SealingKeyError::Io { path, error }
    }
}

impl From<SealingKeyError> for Error {
    fn from(error: SealingKeyError) -> Self {
        Error::server_error(error.to_string())
    }
}

/// The sealing key file: AES-256-GCM keys, one per line in base64. The first key encrypts; the
/// others only decrypt what they encrypted before a rotation. A line with the prefix `next` holds a
/// prepared key, which will encrypt after the next rotation and only decrypts until then.
///
/// The file may be replaced while the process runs. It is read again before each encryption, and
/// when no key decrypts what another process has encrypted.
#[derive(Clone)]
pub struct SealingKeyFile(Arc<SealingKeys>);

struct SealingKeys {
    folder: PathBuf,
    read: RwLock<Lines>,
}

/// The content of the sealing key file.
struct Lines {
    text: Zeroizing<String>,
    keys: Vec<SealingKey>,
}

/// One key of the file.
struct SealingKey {
    /// For encryption.
    aead: LessSafeKey,
    /// From which the keys of message authentication codes are derived.
    derivation: hmac::Key,
}

/// The length of a message authentication code, in bytes.
pub const MAC_LENGTH: usize = 16;

impl SealingKey {
    fn new(bytes: &[u8]) -> Option<Self> {
        Some(SealingKey {
            aead: LessSafeKey::new(UnboundKey::new(&AES_256_GCM, bytes).ok()?),
            derivation: hmac::Key::new(hmac::HMAC_SHA256, bytes),
        })
    }

    /// The message authentication code of `message`, by a key of its own for each purpose.
    fn mac(&self, purpose: &str, message: &[u8]) -> [u8; MAC_LENGTH] {
        let key = hmac::sign(&self.derivation, purpose.as_bytes());
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()), message);
        let mut mac = [0; MAC_LENGTH];
        mac.copy_from_slice(&tag.as_ref()[..MAC_LENGTH]);
        mac
    }
}

impl Lines {
    fn read(folder: &Path) -> Result<Self, SealingKeyError> {
        let path = folder.join(KEY_FILE);
        let text = std::fs::read_to_string(&path).map_err(SealingKeyError::io(&path))?;
        Lines::parse(Zeroizing::new(text)).ok_or(SealingKeyError::NoKey { path })
    }

    fn parse(text: Zeroizing<String>) -> Option<Self> {
        let key = |line: &str| {
            let line = line.trim();
            let encoded = line.strip_prefix(PREPARED).unwrap_or(line);
            let bytes = Zeroizing::new(STANDARD.decode(encoded).ok()?);
            SealingKey::new(&bytes)
        };
        let keys: Vec<_> = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .map(key)
            .collect::<Option<_>>()?;
        (!keys.is_empty()).then_some(Lines { text, keys })
    }

    fn unseal(&self, name: &str, nonce: [u8; NONCE_LEN], sealed: &[u8]) -> Option<SecretBytes> {
        self.keys.iter().find_map(|key| {
            let mut secret = Zeroizing::new(sealed.to_vec());
            let nonce = Nonce::assume_unique_for_key(nonce);
            let length = key
                .aead
                .open_in_place(nonce, Aad::from(name.as_bytes()), &mut secret)
                .ok()?
                .len();
            secret.truncate(length);
            Some(secret.into())
        })
    }
}

impl SealingKeyFile {
    /// Reads the file, or creates it if there is none. If two nodes create it at once, both use the
    /// one that was there first.
    ///
    /// # Errors
    /// Fails if it cannot be read or created, or holds something else.
    pub fn open_or_make(folder: &Path) -> Result<Self, SealingKeyError> {
        let path = folder.join(KEY_FILE);
        if !path.exists() {
            create_file(folder, &path).map_err(SealingKeyError::io(&path))?;
        }
        SealingKeyFile::open(folder)
    }

    /// Checks that the file in this folder can be read, or created if there is none. Changes
    /// nothing.
    ///
    /// # Errors
    /// The error names the setting `keys_dir`.
    pub fn check_folder(folder: &Path) -> Result<(), Error> {
        let refused = |error: SealingKeyError| Error::from(error).field("keys_dir");
        let path = folder.join(KEY_FILE);
        match std::fs::metadata(&path) {
            Ok(_) => return Lines::read(folder).map(drop).map_err(refused),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(refused(SealingKeyError::io(&path)(error))),
        }
        let parent = folder
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let writable = if folder.is_dir() { folder } else { parent };
        access(writable, Access::WRITE_OK | Access::EXEC_OK)
            .map_err(|error| refused(SealingKeyError::io(writable)(error.into())))
    }

    /// Reads the file.
    ///
    /// # Errors
    /// Fails if it cannot be read, or holds something else.
    pub fn open(folder: &Path) -> Result<Self, SealingKeyError> {
        let lines = Lines::read(folder)?;
        let path = folder.join(KEY_FILE);
        let metadata = std::fs::metadata(&path).map_err(SealingKeyError::io(&path))?;
        if is_exposed(metadata.mode(), metadata.uid(), geteuid().as_raw()) {
            tracing::warn!(
                file = %path.display(),
                "other users can access the sealing key file; restrict it: chmod 600"
            );
        }
        Ok(SealingKeyFile::new(folder, lines))
    }

    /// The file in this folder, which is read on first use: for commands that seldom need it.
    pub fn unread(folder: &Path) -> Self {
        let lines = Lines {
            text: Zeroizing::default(),
            keys: Vec::new(),
        };
        SealingKeyFile::new(folder, lines)
    }

    fn new(folder: &Path, lines: Lines) -> Self {
        SealingKeyFile(Arc::new(SealingKeys {
            folder: folder.to_owned(),
            read: RwLock::new(lines),
        }))
    }

    /// Encrypts a secret with the first key. It can be decrypted under the same `name` only.
    ///
    /// # Errors
    /// Fails if the file cannot be read any more, or the cryptographic library fails.
    pub fn seal(&self, name: &str, secret: &[u8]) -> Result<String, SealingKeyError> {
        self.reload()?;
        let lines = self.0.read.read();
        let key = lines.keys.first().ok_or_else(|| SealingKeyError::NoKey {
            path: KEY_FILE.into(),
        })?;
        let nonce: [u8; NONCE_LEN] = random_bytes();
        // The secret is encrypted in place: growing the buffer would leave a copy in memory.
        let mut sealed = Vec::with_capacity(secret.len() + AES_256_GCM.tag_len());
        sealed.extend_from_slice(secret);
        key.aead
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(name.as_bytes()),
                &mut sealed,
            )
            .map_err(|_| SealingKeyError::Seal(name.to_owned()))?;
        Ok(STANDARD.encode([nonce.as_slice(), &sealed].concat()))
    }

    /// Decrypts what was encrypted under `name`.
    ///
    /// # Errors
    /// Fails if it was encrypted under another name, with a key that is not in the file, or not at
    /// all.
    pub fn unseal(&self, name: &str, sealed: &str) -> Result<SecretBytes, SealingKeyError> {
        let other_key = || SealingKeyError::OtherKey(name.to_owned());
        let bytes = STANDARD.decode(sealed).map_err(|_| other_key())?;
        let (nonce, sealed) = bytes
            .split_first_chunk::<NONCE_LEN>()
            .ok_or_else(other_key)?;
        let unsealed = self.0.read.read().unseal(name, *nonce, sealed);
        if let Some(secret) = unsealed {
            return Ok(secret);
        }
        if !self.reload()? {
            return Err(other_key());
        }
        self.0
            .read
            .read()
            .unseal(name, *nonce, sealed)
            .ok_or_else(other_key)
    }

    /// A message authentication code (HMAC-SHA256, truncated to 128 bits) by a key that is derived
    /// from the first key of the file for this purpose alone. Every node of the deployment can
    /// verify it.
    ///
    /// # Errors
    /// Fails if the file was not read.
    pub fn mac(&self, purpose: &str, message: &[u8]) -> Result<[u8; MAC_LENGTH], SealingKeyError> {
        let lines = self.0.read.read();
        let key = lines.keys.first().ok_or_else(|| SealingKeyError::NoKey {
            path: KEY_FILE.into(),
        })?;
        Ok(key.mac(purpose, message))
    }

    /// Whether `mac` is the code that [`SealingKeyFile::mac`] returns for this message with any key
    /// of the file: also one from before a rotation, or one that another node uses already.
    pub fn verify_mac(&self, purpose: &str, message: &[u8], mac: &[u8]) -> bool {
        let lines = self.0.read.read();
        lines
            .keys
            .iter()
            .any(|key| verify_slices_are_equal(&key.mac(purpose, message), mac).is_ok())
    }

    /// Reads the file again. Returns whether it has changed.
    fn reload(&self) -> Result<bool, SealingKeyError> {
        let lines = Lines::read(&self.0.folder)?;
        let mut read = self.0.read.write();
        let changed = *read.text != *lines.text;
        *read = lines;
        Ok(changed)
    }

    /// The lines of the file as it was last read.
    pub fn lines(&self) -> Vec<Zeroizing<String>> {
        let read = self.0.read.read();
        let lines = read
            .text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty());
        lines.map(|line| Zeroizing::new(line.to_owned())).collect()
    }

    /// A new random key, as a line of the file.
    pub fn new_line() -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(random_bytes::<32>()))
    }

    /// Replaces the file, durably and atomically.
    ///
    /// # Errors
    /// Fails if the file cannot be written. It is unchanged then.
    pub fn replace(
        &self,
        lines: &[Zeroizing<String>],
        _: &LockedSealingKeyFile,
    ) -> Result<(), SealingKeyError> {
        let folder = &self.0.folder;
        let path = folder.join(KEY_FILE);
        let text: Zeroizing<String> =
            Zeroizing::new(lines.iter().map(|line| format!("{}\n", **line)).collect());
        write_draft(folder, "new", text.as_bytes())
            .and_then(|draft| std::fs::rename(&draft, &path))
            .and_then(|()| File::open(folder)?.sync_all())
            .map_err(SealingKeyError::io(&path))?;
        self.reload().map(drop)
    }

    /// Waits for the lock under which one process may change the file, and reads the file again.
    ///
    /// # Errors
    /// [`Code::Conflict`] if another process holds the lock for too long; a server error if the
    /// file cannot be locked or read.
    pub async fn lock(&self) -> Result<LockedSealingKeyFile, Error> {
        let locked = LockedSealingKeyFile::lock(&self.0.folder).await?;
        self.reload()?;
        Ok(locked)
    }
}

/// The lock under which the sealing key file may be changed. One process holds it at a time:
/// otherwise what one process encrypts with a key that another removes would be lost. The system
/// releases it when the process ends, for whatever cause.
pub struct LockedSealingKeyFile(
    #[expect(dead_code, reason = "closing the file releases the lock")] File,
);

impl LockedSealingKeyFile {
    /// Waits for the lock of the sealing key file in `folder`. That file need not exist.
    ///
    /// # Errors
    /// As [`SealingKeyFile::lock`].
    pub async fn lock(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(format!(".{KEY_FILE}.lock"));
        let failed = |error| Error::from(SealingKeyError::io(&path)(error));
        let lock = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        let started = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(LockedSealingKeyFile(lock)),
                Err(TryLockError::WouldBlock) if started.elapsed() < LOCK_TIMEOUT => {
                    tokio::time::sleep(LOCK_RETRY_INTERVAL).await;
                }
                Err(TryLockError::WouldBlock) => {
                    let busy = format!(
                        "Another process is changing {}; try again when it is done",
                        folder.join(KEY_FILE).display()
                    );
                    return Err(Error::new(Code::Conflict, busy));
                }
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
    }
}

/// Writes a file beside the sealing key file that only its owner can read. If that fails, no file
/// is left behind.
fn write_draft(folder: &Path, name: &str, content: &[u8]) -> std::io::Result<PathBuf> {
    use std::io::Write;
    let draft: PathBuf = folder.join(format!(".{KEY_FILE}.{name}"));
    let mut file = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)?;
    match file.write_all(content).and_then(|()| file.sync_all()) {
        Ok(()) => Ok(draft),
        Err(error) => {
            // Best effort: the error that matters is the one of writing.
            let _ = std::fs::remove_file(&draft);
            Err(error)
        }
    }
}

fn create_file(folder: &Path, path: &Path) -> std::io::Result<()> {
    make_folder(folder)?;
    let name = std::process::id().to_string();
    let line = SealingKeyFile::new_line();
    let content = Zeroizing::new(format!("{}\n", *line));
    let draft = write_draft(folder, &name, content.as_bytes())?;
    // A hard link never replaces an existing file; a rename would.
    let linked = std::fs::hard_link(&draft, path);
    std::fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => File::open(folder)?.sync_all(),
    }
}

/// Creates the keys folder if it does not exist, readable by its owner only: a user who can
/// write into it can replace the key. Parent folders are not created.
///
/// # Errors
/// Fails if the folder cannot be created.
pub fn make_folder(folder: &Path) -> std::io::Result<()> {
    match std::fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && folder.is_dir() => {
            Ok(())
        }
        created => created,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Option<Lines> {
        Lines::parse(Zeroizing::new(text.to_owned()))
    }

    #[test]
    fn the_file_holds_one_key_per_line() {
        let key = SealingKeyFile::new_line();
        let other = SealingKeyFile::new_line();
        for (text, count) in [
            (format!("{}\n", *key), Some(1)),
            (format!("\n {} \r\n\n{}", *key, *other), Some(2)),
            (format!("{}\n{PREPARED}{}\n", *key, *other), Some(2)),
            (String::new(), None),
            ("\n\n".to_owned(), None),
            ("not a key\n".to_owned(), None),
            (format!("{}\nnot a key\n", *key), None),
            (STANDARD.encode([7; 31]), None),
        ] {
            assert_eq!(
                lines(&text).map(|lines| lines.keys.len()),
                count,
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_file_of_root_may_be_readable_by_its_group() {
        for (mode, owner, user, exposed) in [
            (0o600, 1000, 1000, false),
            (0o400, 1000, 1000, false),
            (0o640, 1000, 1000, true),
            (0o604, 1000, 1000, true),
            (0o440, 0, 65532, false),
            (0o640, 0, 65532, false),
            (0o660, 0, 65532, true),
            (0o444, 0, 65532, true),
            (0o640, 0, 0, true),
            (0o600, 0, 0, false),
        ] {
            assert_eq!(
                is_exposed(mode, owner, user),
                exposed,
                "{mode:o} {owner} {user}"
            );
        }
    }

    #[test]
    fn a_secret_is_unsealed_by_its_key_and_under_its_name_alone() {
        let folder = std::env::temp_dir().join(format!(
            "keyward-sealing-key-{}",
            crate::credential::new_id()
        ));
        let file = SealingKeyFile::open_or_make(&folder).unwrap();
        let unseal = |sealed: &str| file.unseal("a name", sealed).unwrap();
        let sealed = file.seal("a name", b"a secret").unwrap();
        assert_eq!(unseal(&sealed).expose(), b"a secret");
        for (name, sealed) in [
            ("another name", sealed.as_str()),
            ("a name", ""),
            ("a name", "!"),
            ("a name", "AAAA"),
            ("a name", &sealed[4..]),
        ] {
            let refused = file.unseal(name, sealed).unwrap_err();
            assert!(
                matches!(&refused, SealingKeyError::OtherKey(other) if other == name),
                "{refused}"
            );
        }

        // A rotation by another process: the new key is found when the old one does not decrypt.
        let new = SealingKeyFile::new_line();
        let old = file.lines();
        let other_process = SealingKeyFile::open(&folder).unwrap();
        std::fs::write(folder.join(KEY_FILE), format!("{}\n{}\n", *new, *old[0])).unwrap();
        let by_new_key = other_process.seal("a name", b"another secret").unwrap();
        assert_eq!(unseal(&by_new_key).expose(), b"another secret");
        assert_eq!(unseal(&sealed).expose(), b"a secret");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
