//! Signing keys in use: the caches of parsed keys, and the threads that sign.

use std::collections::HashMap;
use std::sync::Arc;

use aws_lc_rs::signature::ParsedPublicKey;
use parking_lot::RwLock;
use tokio::sync::oneshot;

use super::AuthorizationServer;
use crate::clock::Timestamp;
use crate::crypto::jws::Jws;
pub use crate::crypto::jws::SignatureAlgorithm;
use crate::crypto::sealing_key::SealingKeyFile;
use crate::error::Error;
use crate::span::{self, Scope};
use crate::store::signing_key::{self, SigningKey};

mod key_pair;

use key_pair::public_key;
pub use key_pair::{JwtTyp, SigningKeyError, SigningKeyPair, public_pem};

/// The maximum number of signatures that wait for a thread; more are answered with 503.
const MAX_QUEUE_LENGTH: usize = 2000;

/// The numbers of key pairs and of public keys that are kept parsed. The few in use fit; the caches
/// are cleared when rotated keys have filled them.
const MAX_KEY_PAIRS: usize = 16;
const MAX_PUBLIC_KEYS: usize = 64;

/// The key pair that signs at `now` where `algorithm` is asked for: see [`signing_key::signing_at`].
///
/// # Errors
/// Fails if no key signs, if the key was sealed with another sealing key file, or if the database
/// does not answer.
pub async fn current_signing_key(
    server: &AuthorizationServer,
    algorithm: SignatureAlgorithm,
    now: Timestamp,
) -> Result<Arc<SigningKeyPair>, Error> {
    let no_key = || Error::server_error("no signing key is active");
    let keys = server.cache.signing_keys().await?;
    let row = signing_key::signing_at(&keys, algorithm, now).ok_or_else(no_key)?;
    if let Ok(key) = server.signing_keys.open(row) {
        return Ok(key);
    }
    // The sealing key was rotated, and the cached row is still the one sealed with the old key.
    let keys = server.store.lookup(signing_key::list).await?;
    let row = signing_key::signing_at(&keys, algorithm, now).ok_or_else(no_key)?;
    Ok(server.signing_keys.open(row)?)
}

/// A signature that a caller waits for.
struct Job {
    key: Arc<SigningKeyPair>,
    typ: JwtTyp,
    claims: Vec<u8>,
    reply: oneshot::Sender<Result<String, SigningKeyError>>,
    scope: Scope,
}

/// The keys in use, each unsealed and parsed on first use, and the threads that sign with them.
pub struct SigningKeys {
    sealing_keys: SealingKeyFile,
    key_pairs: RwLock<HashMap<String, Arc<SigningKeyPair>>>,
    public_keys: RwLock<HashMap<String, Arc<ParsedPublicKey>>>,
    queue: crossbeam_channel::Sender<Job>,
}

impl SigningKeys {
    /// Starts the threads that sign with keys sealed by `sealing_keys`.
    ///
    /// # Errors
    /// Fails if the system refuses threads.
    pub fn start(sealing_keys: SealingKeyFile) -> std::io::Result<Self> {
        let (queue, jobs) = crossbeam_channel::bounded::<Job>(MAX_QUEUE_LENGTH);
        // One thread per processor. On the event loop a signature would block everything else for a
        // millisecond. The threads end when the queue is dropped.
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            let jobs = jobs.clone();
            std::thread::Builder::new()
                .name("signer".to_owned())
                .spawn(move || {
                    while let Ok(job) = jobs.recv() {
                        let signed = job.scope.in_scope(|| job.key.sign(job.typ, &job.claims));
                        // The span ends before the caller continues.
                        drop(job.scope);
                        // The caller may have gone.
                        let _ = job.reply.send(signed);
                    }
                })?;
        }
        Ok(SigningKeys {
            sealing_keys,
            key_pairs: RwLock::default(),
            public_keys: RwLock::default(),
            queue,
        })
    }

    /// The number of signatures that wait for a thread.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// The file with the keys that seal the signing keys.
    pub fn sealing_keys(&self) -> &SealingKeyFile {
        &self.sealing_keys
    }

    /// The key pair of a row, from memory or unsealed.
    ///
    /// # Errors
    /// Fails if the row was sealed with another sealing key file.
    pub fn open(&self, row: &SigningKey) -> Result<Arc<SigningKeyPair>, SigningKeyError> {
        if let Some(key) = self.key_pairs.read().get(&row.kid) {
            return Ok(key.clone());
        }
        let key = Arc::new(SigningKeyPair::open(row, &self.sealing_keys)?);
        let mut key_pairs = self.key_pairs.write();
        if key_pairs.len() >= MAX_KEY_PAIRS {
            key_pairs.clear();
        }
        key_pairs.insert(row.kid.clone(), key.clone());
        Ok(key)
    }

    /// Signs `claims` with `key` on one of the threads, as a JWS in compact serialization.
    ///
    /// # Errors
    /// [`Code::TemporarilyUnavailable`](crate::error::Code) if too many signatures wait already.
    pub async fn sign(
        &self,
        key: Arc<SigningKeyPair>,
        typ: JwtTyp,
        claims: Vec<u8>,
    ) -> Result<String, Error> {
        let (reply, signed) = oneshot::channel();
        let scope = Scope::child(|| {
            tracing::debug_span!(
                target: span::TARGET,
                "sign",
                jwt.alg = key.algorithm.as_str()
            )
        });
        let job = Job {
            key,
            typ,
            claims,
            reply,
            scope,
        };
        if self.queue.try_send(job).is_err() {
            return Err(Error::unavailable("too many signatures are waiting"));
        }
        let signed = signed
            .await
            .map_err(|_| Error::server_error("the signing threads have stopped"))?;
        Ok(signed?)
    }

    /// Whether `jws` was signed with the key of a row.
    pub fn verify(&self, row: &SigningKey, jws: &Jws<'_>) -> bool {
        self.public_key(row)
            .is_some_and(|key| jws.is_signed_by(&key))
    }

    /// The public key of a row, from memory or parsed. `None` if it is unreadable.
    fn public_key(&self, row: &SigningKey) -> Option<Arc<ParsedPublicKey>> {
        if let Some(key) = self.public_keys.read().get(&row.kid) {
            return Some(key.clone());
        }
        let key = Arc::new(public_key(row).ok()?.parsed(row.algorithm).ok()?);
        let mut public_keys = self.public_keys.write();
        if public_keys.len() >= MAX_PUBLIC_KEYS {
            public_keys.clear();
        }
        public_keys.insert(row.kid.clone(), key.clone());
        Some(key)
    }
}
