//! Keys that sign: sealed at rest, opened once, kept parsed (parsing costs as much as signing).

use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, ParsedPublicKey,
    RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use parking_lot::RwLock;
use rustix::fs::{Access, access};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::credential::random_bytes;
use crate::crypto::jws::{Jws, PublicKey, SignatureAlgorithm};
use crate::error::{Code, Error};
use crate::store::resource_server::TokenTyp;
use crate::store::signing_key::{Algorithm, SigningKey};

/// The name of the key file within the keys folder.
pub const KEY_FILE: &str = "sealing.key";

/// What a line of the key file begins with whose key is prepared for the next rotation.
pub const PREPARED: &str = "next ";

/// How long to wait for another process that changes the key file, and how often to look.
const LOCK_TIMEOUT: Duration = Duration::from_secs(30);
const LOCK_POLL: Duration = Duration::from_millis(20);

/// How many signatures may wait for a thread before the answer is 503.
const MAX_WAITING: usize = 2000;

/// Why a key cannot be used; a sentence for the operator, without any of the key.
pub type KeyError = String;

/// The key file: AES-256-GCM keys, one a line in base64. The first seals what is secret in the database, the
/// private halves of signing keys and the secrets of second factors; the others only open what they sealed
/// before a rotation. A line that begins with `next` holds a prepared key, which will seal after the next rotation
/// and only opens until then.
///
/// The file may be replaced while this process runs, so it is read again before it seals and when no key
/// opens what another process has sealed.
#[derive(Clone)]
pub struct SealingKeyFile(Arc<SealingKeys>);

struct SealingKeys {
    folder: PathBuf,
    read: RwLock<Lines>,
}

/// The key file as it was read.
struct Lines {
    text: Zeroizing<String>,
    keys: Vec<LessSafeKey>,
}

impl Lines {
    fn read(folder: &Path) -> Result<Self, KeyError> {
        let path = folder.join(KEY_FILE);
        let text = std::fs::read_to_string(&path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        Lines::parse(Zeroizing::new(text))
            .ok_or_else(|| format!("{} holds no sealing key", path.display()))
    }

    fn parse(text: Zeroizing<String>) -> Option<Self> {
        let key = |line: &str| {
            let line = line.trim();
            let bytes = Zeroizing::new(
                STANDARD
                    .decode(line.strip_prefix(PREPARED).unwrap_or(line))
                    .ok()?,
            );
            Some(LessSafeKey::new(
                UnboundKey::new(&AES_256_GCM, &bytes).ok()?,
            ))
        };
        let keys: Vec<_> = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .map(key)
            .collect::<Option<_>>()?;
        (!keys.is_empty()).then_some(Lines { text, keys })
    }

    fn unseal(&self, name: &str, nonce: [u8; NONCE_LEN], sealed: &[u8]) -> Option<Vec<u8>> {
        self.keys.iter().find_map(|key| {
            let mut sealed = sealed.to_vec();
            let nonce = Nonce::assume_unique_for_key(nonce);
            Some(
                key.open_in_place(nonce, Aad::from(name.as_bytes()), &mut sealed)
                    .ok()?
                    .to_vec(),
            )
        })
    }
}

impl SealingKeyFile {
    /// Reads the key file, or makes it where there is none. Of two nodes that make it at once, one
    /// wins and both use that one.
    ///
    /// # Errors
    /// Where it cannot be read or made, or holds something else.
    pub fn open_or_make(folder: &Path) -> Result<Self, KeyError> {
        let path = folder.join(KEY_FILE);
        if !path.exists() {
            make_key_file(folder, &path).map_err(|error| format!("{}: {error}", path.display()))?;
        }
        SealingKeyFile::open(folder)
    }

    /// Whether the key file in this folder can be read, or made where it is not there. Changes nothing.
    ///
    /// # Errors
    /// The error names the setting.
    pub fn check_folder(folder: &Path) -> Result<(), Error> {
        let refused = |reason: KeyError| Error::server_error(reason).field("keys_dir");
        let path = folder.join(KEY_FILE);
        match std::fs::metadata(&path) {
            Ok(_) => return Lines::read(folder).map(drop).map_err(refused),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(refused(format!("{}: {error}", path.display()))),
        }
        let around = folder
            .parent()
            .filter(|around| !around.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let writable = if folder.is_dir() { folder } else { around };
        access(writable, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| {
            refused(format!(
                "{}: {}",
                writable.display(),
                std::io::Error::from(error)
            ))
        })
    }

    /// Reads the key file.
    ///
    /// # Errors
    /// Where it cannot be read, or holds something else.
    pub fn open(folder: &Path) -> Result<Self, KeyError> {
        use std::os::unix::fs::PermissionsExt;
        let lines = Lines::read(folder)?;
        let path = folder.join(KEY_FILE);
        let metadata =
            std::fs::metadata(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        if metadata.permissions().mode() & 0o077 != 0 {
            tracing::warn!(file = %path.display(), "the key file can be read by others: chmod 600");
        }
        Ok(SealingKeyFile(Arc::new(SealingKeys {
            folder: folder.to_owned(),
            read: RwLock::new(lines),
        })))
    }

    /// The key file, to be read when something is sealed or opened: for those who most likely do neither.
    pub fn unread(folder: &Path) -> Self {
        let lines = Lines {
            text: Zeroizing::default(),
            keys: Vec::new(),
        };
        SealingKeyFile(Arc::new(SealingKeys {
            folder: folder.to_owned(),
            read: RwLock::new(lines),
        }))
    }

    /// Seals something secret under a name, with the first key: it opens only under that name.
    ///
    /// # Errors
    /// Where the key file cannot be read any more, or the crypto library refuses.
    pub fn seal(&self, name: &str, secret: &[u8]) -> Result<String, KeyError> {
        self.reload()?;
        let lines = self.0.read.read();
        let key = lines
            .keys
            .first()
            .ok_or_else(|| format!("{KEY_FILE} holds no sealing key"))?;
        let nonce: [u8; NONCE_LEN] = random_bytes();
        let mut sealed = secret.to_vec();
        key.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(name.as_bytes()),
            &mut sealed,
        )
        .map_err(|_| format!("cannot seal {name}"))?;
        Ok(STANDARD.encode([nonce.as_slice(), &sealed].concat()))
    }

    /// Opens what was sealed under this name.
    ///
    /// # Errors
    /// Where it was sealed under another name, with a key that is not in the key file, or not at all.
    pub fn unseal(&self, name: &str, sealed: &str) -> Result<Vec<u8>, KeyError> {
        let other =
            || format!("{name} was sealed with another {KEY_FILE} than the one in the keys folder");
        let bytes = STANDARD.decode(sealed).map_err(|_| other())?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LEN>().ok_or_else(other)?;
        let opened = self.0.read.read().unseal(name, *nonce, sealed);
        if let Some(secret) = opened {
            return Ok(secret);
        }
        if !self.reload()? {
            return Err(other());
        }
        self.0
            .read
            .read()
            .unseal(name, *nonce, sealed)
            .ok_or_else(other)
    }

    /// Reads the file again; returns whether it has changed.
    fn reload(&self) -> Result<bool, KeyError> {
        let lines = Lines::read(&self.0.folder)?;
        let mut read = self.0.read.write();
        let changed = *read.text != *lines.text;
        *read = lines;
        Ok(changed)
    }

    /// The keys, as lines of the file that was read last.
    pub fn lines(&self) -> Vec<Zeroizing<String>> {
        let read = self.0.read.read();
        let lines = read
            .text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty());
        lines.map(|line| Zeroizing::new(line.to_owned())).collect()
    }

    /// A new key, as a line of the file.
    pub fn new_line() -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(random_bytes::<32>()))
    }

    /// Replaces the keys in the file, durably and at once.
    ///
    /// # Errors
    /// Where the file cannot be written; it is as before then.
    pub fn replace(
        &self,
        lines: &[Zeroizing<String>],
        _: &LockedSealingKeyFile,
    ) -> Result<(), KeyError> {
        let path = self.0.folder.join(KEY_FILE);
        let said = |error: std::io::Error| format!("{}: {error}", path.display());
        let text: Zeroizing<String> =
            Zeroizing::new(lines.iter().map(|line| format!("{}\n", **line)).collect());
        let draft = write_draft(&self.0.folder, "new", text.as_bytes()).map_err(said)?;
        std::fs::rename(&draft, &path).map_err(said)?;
        File::open(&self.0.folder)
            .and_then(|folder| folder.sync_all())
            .map_err(said)?;
        self.reload().map(drop)
    }

    /// Waits until this process alone may change the file, and reads it again.
    ///
    /// # Errors
    /// [`Code::Conflict`] where another process changes it for too long; where it cannot be locked or read.
    pub async fn lock(&self) -> Result<LockedSealingKeyFile, Error> {
        let locked = LockedSealingKeyFile::lock(&self.0.folder).await?;
        self.reload().map_err(Error::server_error)?;
        Ok(locked)
    }
}

/// The right to change the key file, which one process has at a time: what one of them has sealed meanwhile
/// with a key that another one drops would be lost. The system takes it back when the process ends, however
/// it ends.
pub struct LockedSealingKeyFile(#[expect(dead_code, reason = "closing it unlocks")] File);

impl LockedSealingKeyFile {
    /// Waits until this process alone may change the file in `folder`, which need not be there.
    ///
    /// # Errors
    /// As [`SealingKeyFile::lock`].
    pub async fn lock(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(format!(".{KEY_FILE}.lock"));
        let said =
            |error: std::io::Error| Error::server_error(format!("{}: {error}", path.display()));
        let lock = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(said)?;
        let started = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(LockedSealingKeyFile(lock)),
                Err(TryLockError::WouldBlock) if started.elapsed() < LOCK_TIMEOUT => {
                    tokio::time::sleep(LOCK_POLL).await;
                }
                Err(TryLockError::WouldBlock) => {
                    let sealing_keys = folder.join(KEY_FILE);
                    let busy = format!(
                        "Another process is changing {}; try again when it is done",
                        sealing_keys.display()
                    );
                    return Err(Error::new(Code::Conflict, busy));
                }
                Err(TryLockError::Error(error)) => return Err(said(error)),
            }
        }
    }
}

/// Writes a file beside the key file, that only its owner can read; leaves none where it fails.
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
            // Best effort: what matters is told by the error.
            let _ = std::fs::remove_file(&draft);
            Err(error)
        }
    }
}

fn make_key_file(folder: &Path, path: &Path) -> std::io::Result<()> {
    make_folder(folder)?;
    let name = std::process::id().to_string();
    let draft = write_draft(
        folder,
        &name,
        format!("{}\n", *SealingKeyFile::new_line()).as_bytes(),
    )?;
    // A link, unlike a rename, never takes the place of one that is there already.
    let linked = std::fs::hard_link(&draft, path);
    std::fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => File::open(folder)?.sync_all(),
    }
}

/// Makes the keys folder where it is not there, but no folder around it. Whoever may write into it may replace
/// the key.
///
/// # Errors
/// Where it cannot be made.
pub fn make_folder(folder: &Path) -> std::io::Result<()> {
    match std::fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && folder.is_dir() => {
            Ok(())
        }
        made => made,
    }
}

enum Private {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

/// A key pair in the open, on its way into a row or in use.
pub struct SigningKeyPair {
    /// RFC 7638 thumbprint.
    pub kid: String,
    /// How it signs.
    pub algorithm: Algorithm,
    /// The public half with `kid`, `alg` and `use` (RFC 7517).
    pub public_jwk: String,
    pkcs8: Vec<u8>,
    private: Private,
    public: ParsedPublicKey,
    /// The encoded header of what it signs, with the dot behind it, for each `typ`. Access tokens are
    /// all that these keys sign: so a token with the `typ` JWT cannot be a JWT of another kind.
    headers: [(TokenTyp, String); 2],
}

impl SigningKeyPair {
    /// A new RSA key of 2048 bits. Takes some 100 ms: not for a request.
    ///
    /// # Errors
    /// Where the crypto library makes none.
    pub fn generate() -> Result<Self, KeyError> {
        loop {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048)
                .map_err(|_| "cannot make an RSA key".to_owned())?;
            let pkcs8 = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair)
                .map_err(|_| "cannot encode the RSA key".to_owned())?;
            let key = SigningKeyPair::from_pkcs8(pkcs8.as_ref())?;
            // On a command line a name that begins like a flag is a nuisance.
            if !key.kid.starts_with('-') {
                return Ok(key);
            }
        }
    }

    /// Reads a private key in PEM: PKCS#8, PKCS#1 or SEC1; RSA of 2048 to 8192 bits, P-256 or
    /// Ed25519.
    ///
    /// # Errors
    /// Where it is none of these.
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        if pem.windows(9).any(|window| window == b"ENCRYPTED") {
            return Err(
                "the private key is encrypted; decrypt it first: openssl pkey -in FILE".to_owned(),
            );
        }
        let der = PrivateKeyDer::from_pem_slice(pem)
            .map_err(|_| "no private key in PEM is in there".to_owned())?;
        match der {
            PrivateKeyDer::Pkcs8(der) => SigningKeyPair::from_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(der) => {
                let pair = RsaKeyPair::from_der(der.secret_pkcs1_der())
                    .map_err(|_| "unusable RSA key".to_owned())?;
                let pkcs8 = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair)
                    .map_err(|_| "unusable RSA key".to_owned())?;
                SigningKeyPair::from_pkcs8(pkcs8.as_ref())
            }
            PrivateKeyDer::Sec1(der) => {
                let curve = &ECDSA_P256_SHA256_FIXED_SIGNING;
                let pair = EcdsaKeyPair::from_private_key_der(curve, der.secret_sec1_der());
                let pair =
                    pair.map_err(|_| "of elliptic curves only P-256 signs here".to_owned())?;
                SigningKeyPair::from_pkcs8(
                    pair.to_pkcs8v1()
                        .map_err(|_| "unusable EC key".to_owned())?
                        .as_ref(),
                )
            }
            _ => Err("unusable kind of private key".to_owned()),
        }
    }

    fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, KeyError> {
        let (algorithm, private) = if let Ok(pair) = RsaKeyPair::from_pkcs8(pkcs8) {
            (Algorithm::Rs256, Private::Rsa(pair))
        } else if let Ok(pair) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8) {
            (Algorithm::Es256, Private::Ec(pair))
        } else if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8) {
            (Algorithm::EdDsa, Private::Ed(pair))
        } else {
            return Err("no RSA key of 2048 bits or more, no P-256 and no Ed25519 key".to_owned());
        };
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut jwk = match &private {
            Private::Rsa(pair) => {
                let (n, e) = (pair.public_key().modulus(), pair.public_key().exponent());
                json!({"kty": "RSA", "n": encode(n.big_endian_without_leading_zero()), "e": encode(e.big_endian_without_leading_zero())})
            }
            Private::Ec(pair) => {
                let point = pair.public_key().as_ref();
                let (x, y) = point.split_at_checked(33).ok_or("unusable EC key")?;
                json!({"kty": "EC", "crv": "P-256", "x": encode(&x[1..]), "y": encode(y)})
            }
            Private::Ed(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key().as_ref())})
            }
        };
        let (public_key, public) = parsed_public_key(&jwk, algorithm)?;
        let kid = public_key.thumbprint();
        jwk["kid"] = json!(kid);
        jwk["alg"] = json!(algorithm.as_str());
        jwk["use"] = json!("sig");
        let public_jwk = jwk.to_string();
        // RFC 9068 section 2.1
        let headers = TokenTyp::ALL.map(|typ| {
            let header =
                json!({"typ": typ.as_str(), "alg": algorithm.as_str(), "kid": kid}).to_string();
            (typ, format!("{}.", encode(header.as_bytes())))
        });
        let key = SigningKeyPair {
            kid,
            algorithm,
            public_jwk,
            pkcs8: pkcs8.to_vec(),
            private,
            public,
            headers,
        };
        // Some faults show only here: a key too small to sign, halves that are no pair.
        let signature = key.sign(b"keyward")?;
        key.public
            .verify_sig(b"keyward", &signature)
            .map_err(|_| "the key does not verify its own signature".to_owned())?;
        Ok(key)
    }

    /// Opens a row.
    ///
    /// # Errors
    /// Where it was sealed with another key file.
    pub fn open(row: &SigningKey, sealing_keys: &SealingKeyFile) -> Result<Self, KeyError> {
        let key = {
            let opened = sealing_keys
                .unseal(&row.kid, &row.private_sealed)
                .map_err(|reason| format!("the signing key {reason}"))?;
            SigningKeyPair::from_pkcs8(&opened)?
        };
        if key.kid == row.kid {
            Ok(key)
        } else {
            Err(format!("the signing key {} holds another key", row.kid))
        }
    }

    /// The private half, sealed.
    ///
    /// # Errors
    /// Where the crypto library refuses.
    pub fn sealed(&self, sealing_keys: &SealingKeyFile) -> Result<String, KeyError> {
        sealing_keys.seal(&self.kid, &self.pkcs8)
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let random = SystemRandom::new();
        let refused = |_| format!("the signing key {} does not sign", self.kid);
        match &self.private {
            Private::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .map_err(refused)?;
                Ok(signature)
            }
            Private::Ec(pair) => Ok(pair
                .sign(&random, message)
                .map_err(refused)?
                .as_ref()
                .to_vec()),
            Private::Ed(pair) => Ok(pair.try_sign(message).map_err(refused)?.as_ref().to_vec()),
        }
    }

    /// The compact JWS of these claims (RFC 7515 section 7.1).
    fn compact(&self, typ: TokenTyp, claims: &[u8]) -> Result<String, KeyError> {
        let header = self
            .headers
            .iter()
            .find(|(own, _)| *own == typ)
            .map(|(_, header)| header.as_str())
            .unwrap_or_default();
        let mut token = String::with_capacity(header.len() + claims.len() * 4 / 3 + 360);
        token.push_str(header);
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signature = self.sign(token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }
}

/// The public half of a row's JWK, ready to verify.
fn parsed_public_key(
    jwk: &Value,
    algorithm: Algorithm,
) -> Result<(PublicKey, ParsedPublicKey), KeyError> {
    let key = PublicKey::from_jwk(jwk.as_object().ok_or("the public key is unreadable")?)?;
    let parsed = key.parsed(algorithm.into())?;
    Ok((key, parsed))
}

/// The public half in PEM (RFC 7468 section 13), for whoever reads no JWK.
///
/// # Errors
/// Where the row holds no such key.
pub fn public_pem(row: &SigningKey) -> Result<String, KeyError> {
    let jwk: Value =
        serde_json::from_str(&row.public_jwk).map_err(|_| "the public key is unreadable")?;
    let (_, key) = parsed_public_key(&jwk, row.algorithm)?;
    let der =
        AsDer::<PublicKeyX509Der<'_>>::as_der(&key).map_err(|_| "cannot encode the public key")?;
    let text = STANDARD.encode(der.as_ref());
    let mut pem = "-----BEGIN PUBLIC KEY-----\n".to_owned();
    for line in text.as_bytes().chunks(64) {
        pem.extend(line.iter().map(|byte| char::from(*byte)));
        pem.push('\n');
    }
    pem.push_str("-----END PUBLIC KEY-----\n");
    Ok(pem)
}

impl From<Algorithm> for SignatureAlgorithm {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Rs256 => SignatureAlgorithm::Rs256,
            Algorithm::Es256 => SignatureAlgorithm::Es256,
            Algorithm::EdDsa => SignatureAlgorithm::Ed25519,
        }
    }
}

/// A signature that is asked for: the key, the `typ`, the claims, and where the token goes.
type Job = (
    Arc<SigningKeyPair>,
    TokenTyp,
    Vec<u8>,
    oneshot::Sender<Result<String, KeyError>>,
);

/// The keys in use, opened when they are first needed, and the threads that sign with them.
pub struct SigningKeys {
    sealing_keys: SealingKeyFile,
    opened: RwLock<HashMap<String, Arc<SigningKeyPair>>>,
    parsed: RwLock<HashMap<String, Arc<ParsedPublicKey>>>,
    queue: crossbeam_channel::Sender<Job>,
}

impl SigningKeys {
    /// With the key file that opens them.
    ///
    /// # Errors
    /// Where the system gives no threads.
    pub fn start(sealing_keys: SealingKeyFile) -> std::io::Result<Self> {
        let (queue, jobs) = crossbeam_channel::bounded::<Job>(MAX_WAITING);
        // As many as there are processors, and off the event loop, which would otherwise stand still
        // for a millisecond each. They end when the queue does.
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            let jobs = jobs.clone();
            std::thread::Builder::new()
                .name("signer".to_owned())
                .spawn(move || {
                    while let Ok((key, typ, claims, token)) = jobs.recv() {
                        // A caller that has hung up needs no answer.
                        let _ = token.send(key.compact(typ, &claims));
                    }
                })?;
        }
        Ok(SigningKeys {
            sealing_keys,
            opened: RwLock::default(),
            parsed: RwLock::default(),
            queue,
        })
    }

    /// How many signatures wait for a thread.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// The file that seals them.
    pub fn sealing_keys(&self) -> &SealingKeyFile {
        &self.sealing_keys
    }

    /// The key of this row, ready to sign.
    ///
    /// # Errors
    /// Where the row was sealed with another key file.
    pub fn open(&self, row: &SigningKey) -> Result<Arc<SigningKeyPair>, KeyError> {
        if let Some(key) = self.opened.read().get(&row.kid) {
            return Ok(key.clone());
        }
        let key = Arc::new(SigningKeyPair::open(row, &self.sealing_keys)?);
        let mut opened = self.opened.write();
        // More than a handful were rotated away: none of them is needed again.
        if opened.len() > 16 {
            opened.clear();
        }
        opened.insert(row.kid.clone(), key.clone());
        Ok(key)
    }

    /// The compact JWS of these claims, signed with this key.
    ///
    /// # Errors
    /// [`Code::TemporarilyUnavailable`](crate::error::Code) where too many wait already.
    pub async fn sign(
        &self,
        key: Arc<SigningKeyPair>,
        typ: TokenTyp,
        claims: Vec<u8>,
    ) -> Result<String, Error> {
        let (answer, token) = oneshot::channel();
        if self.queue.try_send((key, typ, claims, answer)).is_err() {
            return Err(Error::unavailable("too many signatures are waiting"));
        }
        let signed = token
            .await
            .map_err(|_| Error::server_error("the signing threads have ended"))?;
        signed.map_err(Error::server_error)
    }

    /// Whether `jws` is signed by the key of this row.
    pub fn verify(&self, row: &SigningKey, jws: &Jws<'_>) -> bool {
        let known = self.parsed.read().get(&row.kid).cloned();
        let key = match known {
            Some(key) => key,
            None => {
                let Ok(jwk) = serde_json::from_str::<Value>(&row.public_jwk) else {
                    return false;
                };
                let Ok((_, key)) = parsed_public_key(&jwk, row.algorithm) else {
                    return false;
                };
                let key = Arc::new(key);
                let mut parsed = self.parsed.write();
                if parsed.len() > 64 {
                    parsed.clear();
                }
                parsed.insert(row.kid.clone(), key.clone());
                key
            }
        };
        jws.is_signed_by(&key)
    }
}
