//! Signing keys in use: key pairs, kept parsed (parsing one costs as much as signing with it), and
//! the threads that sign.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

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
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::crypto::jws::{InvalidKey, Jws, PublicKey, SignatureAlgorithm};
use crate::crypto::sealing_key::{SealingKeyError, SealingKeyFile};
use crate::error::Error;
use crate::span::{self, Scope};
use crate::store::resource_server::TokenTyp;
use crate::store::signing_key::{Algorithm, SigningKey};

/// The maximum number of signatures that wait for a thread; more are answered with 503.
const MAX_QUEUE_LENGTH: usize = 2000;

/// The numbers of key pairs and of public keys that are kept parsed. The few in use fit; the caches
/// are cleared when rotated keys have filled them.
const MAX_KEY_PAIRS: usize = 16;
const MAX_PUBLIC_KEYS: usize = 64;

/// Why a signing key cannot be used. The message is for the operator, and has nothing of the key.
#[derive(Debug, thiserror::Error)]
pub enum SigningKeyError {
    /// The private half cannot be unsealed or sealed.
    #[error("the signing key {0}")]
    Sealing(#[from] SealingKeyError),
    /// The row of this `kid` holds the private half of another key.
    #[error("the signing key {0} holds another key")]
    OtherKey(String),
    /// The key of this `kid` does not sign.
    #[error("the signing key {0} does not sign")]
    DoesNotSign(String),
    /// The key is not one that can sign access tokens; why.
    #[error("{0}")]
    Unusable(Cow<'static, str>),
}

impl From<&'static str> for SigningKeyError {
    fn from(reason: &'static str) -> Self {
        SigningKeyError::Unusable(reason.into())
    }
}

impl From<InvalidKey> for SigningKeyError {
    fn from(error: InvalidKey) -> Self {
        SigningKeyError::Unusable(error.into())
    }
}

impl From<SigningKeyError> for Error {
    fn from(error: SigningKeyError) -> Self {
        Error::server_error(error.to_string())
    }
}

enum PrivateKey {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

/// A signing key pair, unsealed and parsed.
pub struct SigningKeyPair {
    /// The key id: the RFC 7638 thumbprint.
    pub kid: String,
    /// The algorithm that the key signs with.
    pub algorithm: Algorithm,
    /// The public half as a JWK with `kid`, `alg` and `use` (RFC 7517).
    pub public_jwk: String,
    pkcs8: Zeroizing<Vec<u8>>,
    private: PrivateKey,
    public: ParsedPublicKey,
    /// The encoded JWS header and the dot after it, for each `typ`. These keys sign access tokens
    /// and nothing else, so a token with the `typ` JWT cannot be a JWT of another kind.
    headers: [(TokenTyp, String); 2],
}

impl SigningKeyPair {
    /// Generates an RSA key of 2048 bits. This takes some 100 ms of CPU time: too long for a
    /// request.
    ///
    /// # Errors
    /// Fails if the cryptographic library fails.
    pub fn generate() -> Result<Self, SigningKeyError> {
        loop {
            let pair =
                RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| "cannot generate an RSA key")?;
            let key = SigningKeyPair::from_rsa(&pair, "cannot encode the RSA key")?;
            // A key id that begins like a flag would be awkward on the command line.
            if !key.kid.starts_with('-') {
                return Ok(key);
            }
        }
    }

    /// Reads a private key in PEM: PKCS#8, PKCS#1 or SEC1; RSA of 2048 to 8192 bits, P-256 or
    /// Ed25519.
    ///
    /// # Errors
    /// Fails if it is none of these.
    pub fn from_pem(pem: &[u8]) -> Result<Self, SigningKeyError> {
        if pem.windows(9).any(|window| window == b"ENCRYPTED") {
            return Err(
                "the private key is encrypted; decrypt it first: openssl pkey -in FILE".into(),
            );
        }
        match PrivateKeyDer::from_pem_slice(pem).map_err(|_| "there is no private key in PEM")? {
            PrivateKeyDer::Pkcs8(der) => SigningKeyPair::from_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(der) => {
                let pair =
                    RsaKeyPair::from_der(der.secret_pkcs1_der()).map_err(|_| "unusable RSA key")?;
                SigningKeyPair::from_rsa(&pair, "unusable RSA key")
            }
            PrivateKeyDer::Sec1(der) => {
                let curve = &ECDSA_P256_SHA256_FIXED_SIGNING;
                let pair = EcdsaKeyPair::from_private_key_der(curve, der.secret_sec1_der())
                    .map_err(|_| "of elliptic curve keys only P-256 is accepted")?;
                let pkcs8 = pair.to_pkcs8v1().map_err(|_| "unusable EC key")?;
                SigningKeyPair::from_pkcs8(pkcs8.as_ref())
            }
            _ => Err("unsupported kind of private key".into()),
        }
    }

    fn from_rsa(pair: &RsaKeyPair, failed: &'static str) -> Result<Self, SigningKeyError> {
        let pkcs8 = AsDer::<Pkcs8V1Der<'_>>::as_der(pair).map_err(|_| failed)?;
        SigningKeyPair::from_pkcs8(pkcs8.as_ref())
    }

    fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, SigningKeyError> {
        let (algorithm, private) = if let Ok(pair) = RsaKeyPair::from_pkcs8(pkcs8) {
            (Algorithm::Rs256, PrivateKey::Rsa(pair))
        } else if let Ok(pair) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8) {
            (Algorithm::Es256, PrivateKey::Ec(pair))
        } else if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8) {
            (Algorithm::EdDsa, PrivateKey::Ed(pair))
        } else {
            return Err("not an RSA key of 2048 bits or more, nor a P-256 or Ed25519 key".into());
        };
        let mut jwk = private.public_jwk()?;
        let (public_key, public) = parsed_public_key(&jwk, algorithm)?;
        let kid = public_key.thumbprint();
        jwk["kid"] = json!(kid);
        jwk["alg"] = json!(algorithm.as_str());
        jwk["use"] = json!("sig");
        // RFC 9068 section 2.1
        let headers = TokenTyp::ALL.map(|typ| {
            let header =
                json!({"typ": typ.as_str(), "alg": algorithm.as_str(), "kid": kid}).to_string();
            (typ, format!("{}.", URL_SAFE_NO_PAD.encode(header)))
        });
        let key = SigningKeyPair {
            kid,
            algorithm,
            public_jwk: jwk.to_string(),
            pkcs8: Zeroizing::new(pkcs8.to_vec()),
            private,
            public,
            headers,
        };
        // Some faults only show here: a key too small to sign, or halves that are not a pair.
        let signature = key.sign(b"keyward")?;
        key.public
            .verify_sig(b"keyward", &signature)
            .map_err(|_| "the key does not verify its own signature")?;
        Ok(key)
    }

    /// Unseals the key pair of a row.
    ///
    /// # Errors
    /// Fails if it was sealed with another sealing key file.
    pub fn open(row: &SigningKey, sealing_keys: &SealingKeyFile) -> Result<Self, SigningKeyError> {
        let pkcs8 = Zeroizing::new(sealing_keys.unseal(&row.kid, &row.private_sealed)?);
        let key = SigningKeyPair::from_pkcs8(&pkcs8)?;
        if key.kid == row.kid {
            Ok(key)
        } else {
            Err(SigningKeyError::OtherKey(row.kid.clone()))
        }
    }

    /// The private half, sealed.
    ///
    /// # Errors
    /// Fails if the sealing key file cannot be read, or the cryptographic library fails.
    pub fn sealed(&self, sealing_keys: &SealingKeyFile) -> Result<String, SealingKeyError> {
        sealing_keys.seal(&self.kid, &self.pkcs8)
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningKeyError> {
        let random = SystemRandom::new();
        let refused = |_| SigningKeyError::DoesNotSign(self.kid.clone());
        match &self.private {
            PrivateKey::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .map_err(refused)?;
                Ok(signature)
            }
            PrivateKey::Ec(pair) => Ok(pair
                .sign(&random, message)
                .map_err(refused)?
                .as_ref()
                .to_vec()),
            PrivateKey::Ed(pair) => Ok(pair.try_sign(message).map_err(refused)?.as_ref().to_vec()),
        }
    }

    /// Signs `claims`, as a JWS in compact serialization (RFC 7515 section 7.1).
    fn compact(&self, typ: TokenTyp, claims: &[u8]) -> Result<String, SigningKeyError> {
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

impl PrivateKey {
    /// The public half as a JWK (RFC 7518 section 6, RFC 8037 section 2).
    fn public_jwk(&self) -> Result<Value, SigningKeyError> {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        Ok(match self {
            PrivateKey::Rsa(pair) => {
                let modulus = pair.public_key().modulus();
                let exponent = pair.public_key().exponent();
                json!({
                    "kty": "RSA",
                    "n": encode(modulus.big_endian_without_leading_zero()),
                    "e": encode(exponent.big_endian_without_leading_zero()),
                })
            }
            PrivateKey::Ec(pair) => {
                // An uncompressed point: one octet, then the coordinates of 32 octets each.
                let point = pair.public_key().as_ref();
                let (x, y) = point.split_at_checked(33).ok_or("unusable EC key")?;
                json!({"kty": "EC", "crv": "P-256", "x": encode(&x[1..]), "y": encode(y)})
            }
            PrivateKey::Ed(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key().as_ref())})
            }
        })
    }
}

/// The public half of a row's JWK, parsed.
fn parsed_public_key(
    jwk: &Value,
    algorithm: Algorithm,
) -> Result<(PublicKey, ParsedPublicKey), SigningKeyError> {
    let key = PublicKey::from_jwk(jwk.as_object().ok_or("the public key is unreadable")?)?;
    let parsed = key.parsed(algorithm.into())?;
    Ok((key, parsed))
}

/// The public half in PEM (RFC 7468 section 13), for software that does not read JWKs.
///
/// # Errors
/// Fails if the row's public key is unreadable.
pub fn public_pem(row: &SigningKey) -> Result<String, SigningKeyError> {
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

/// A signature that a caller waits for.
struct Job {
    key: Arc<SigningKeyPair>,
    typ: TokenTyp,
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
                        let signed = job.scope.in_scope(|| job.key.compact(job.typ, &job.claims));
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
        typ: TokenTyp,
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
        let jwk: Value = serde_json::from_str(&row.public_jwk).ok()?;
        let (_, key) = parsed_public_key(&jwk, row.algorithm).ok()?;
        let key = Arc::new(key);
        let mut public_keys = self.public_keys.write();
        if public_keys.len() >= MAX_PUBLIC_KEYS {
            public_keys.clear();
        }
        public_keys.insert(row.kid.clone(), key.clone());
        Some(key)
    }
}
