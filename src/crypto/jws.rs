//! JSON Web Signatures and JWK Sets (RFC 7515, RFC 7517): the only parser of both, for tokens of
//! Keyward's own and for assertions and keys of clients.

use std::borrow::Cow;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA256, RsaPublicKeyComponents,
};
use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::clock::Timestamp;

/// The maximum number of keys in a registered JWK Set.
const MAX_KEYS: usize = 20;

/// The maximum number of keys that are tried for one signature.
const MAX_KEYS_TRIED: usize = 10;

/// The members that only private and symmetric keys have (RFC 7518 section 6).
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// Base64url (RFC 7515 section 2), with or without the padding that some libraries add.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(false),
);

/// The algorithms whose signatures are accepted (RFC 7518 section 3.1, RFC 8037, RFC 9864).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    Ed25519,
}

impl SignatureAlgorithm {
    /// The registered names. Ed25519 has two: `EdDSA` of RFC 8037 and `Ed25519` of RFC 9864.
    pub const NAMES: [(&'static str, SignatureAlgorithm); 5] = [
        ("RS256", SignatureAlgorithm::Rs256),
        ("PS256", SignatureAlgorithm::Ps256),
        ("ES256", SignatureAlgorithm::Es256),
        ("EdDSA", SignatureAlgorithm::Ed25519),
        ("Ed25519", SignatureAlgorithm::Ed25519),
    ];

    /// The algorithm with this registered name.
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES
            .iter()
            .find(|(own, _)| *own == name)
            .map(|(_, algorithm)| *algorithm)
    }
}

/// Why a text is not a JWS in compact serialization (RFC 7515 section 7.1).
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    /// It does not have three parts.
    #[error("it does not have three parts")]
    Parts,
    /// Its header cannot be decoded.
    #[error("its header is unreadable: {0}")]
    Header(DecodeError),
    /// Its signature is not base64url.
    #[error("its signature is not base64url")]
    Signature,
}

/// Why the header or the payload of a JWS cannot be decoded.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// It is not base64url.
    #[error("not base64url")]
    Base64,
    /// It is not a JSON object.
    #[error("not a JSON object")]
    NotAnObject,
    /// It does not have the expected members.
    #[error("{0}")]
    Json(String),
}

/// Why a JWK or a JWK Set cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidKey(Cow<'static, str>);

impl From<&'static str> for InvalidKey {
    fn from(reason: &'static str) -> Self {
        InvalidKey(reason.into())
    }
}

impl From<InvalidKey> for Cow<'static, str> {
    fn from(error: InvalidKey) -> Self {
        error.0
    }
}

impl From<InvalidKey> for String {
    fn from(error: InvalidKey) -> Self {
        error.0.into_owned()
    }
}

impl From<String> for InvalidKey {
    fn from(reason: String) -> Self {
        InvalidKey(reason.into())
    }
}

/// The members of a JOSE header that are evaluated (RFC 7515 section 4.1). Others are ignored, as
/// section 4 requires; a duplicate member is refused.
#[derive(Debug, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct Header {
    /// The name of the algorithm.
    pub alg: String,
    /// The media type of the JWS.
    pub typ: Option<String>,
    /// The id of the key.
    pub kid: Option<String>,
    #[serde(default, deserialize_with = "present")]
    crit: bool,
}

/// True for a member that is present, whatever its value.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

impl Header {
    /// The algorithm, if its signatures are accepted.
    pub fn algorithm(&self) -> Option<SignatureAlgorithm> {
        SignatureAlgorithm::named(&self.alg)
    }

    /// Whether the header has the member `crit` (RFC 7515 section 4.1.11). No extension is
    /// supported, so such a JWS must be refused.
    pub fn has_critical_extensions(&self) -> bool {
        self.crit
    }
}

/// A parsed JWS in compact serialization. Its signature has not been verified.
pub struct Jws<'a> {
    /// The JOSE header.
    pub header: Header,
    /// The signing input: header and payload as received.
    pub signed: &'a str,
    payload: &'a str,
    signature: Vec<u8>,
}

impl<'a> Jws<'a> {
    /// Parses a JWS.
    ///
    /// # Errors
    /// [`JwsError`] if the text is not a JWS.
    pub fn parse(text: &'a str) -> Result<Self, JwsError> {
        let (signed, signature) = text.rsplit_once('.').ok_or(JwsError::Parts)?;
        let (header, payload) = signed.split_once('.').ok_or(JwsError::Parts)?;
        if payload.contains('.') {
            return Err(JwsError::Parts);
        }
        let header = decode_json(header).map_err(JwsError::Header)?;
        let signature = URL_SAFE_NO_PAD
            .decode(signature)
            .map_err(|_| JwsError::Signature)?;
        Ok(Jws {
            header,
            signed,
            payload,
            signature,
        })
    }

    /// Decodes the claims, which are not trustworthy before the signature has been verified.
    ///
    /// # Errors
    /// [`DecodeError`] if the payload is not a JSON object with these claims.
    pub fn claims<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        decode_json(self.payload)
    }

    /// Whether the signature was made with this key.
    pub fn is_signed_by(&self, key: &ParsedPublicKey) -> bool {
        key.verify_sig(self.signed.as_bytes(), &self.signature)
            .is_ok()
    }
}

/// Why a JWS was not accepted as signed by one of a set of keys.
#[derive(Debug, PartialEq, Eq)]
pub enum SignatureError {
    /// The algorithm of the header is not accepted.
    Algorithm,
    /// The header has a critical extension (RFC 7515 section 4.1.11).
    CriticalHeader,
    /// None of the keys can verify a signature, or the one that could is unusable; the reason.
    NoUsableKey(String),
    /// No key has the `kid` and the algorithm of the header.
    NoMatchingKey,
    /// The signature is not by any of the matching keys.
    Signature,
}

impl Jws<'_> {
    /// The algorithm of the header, if its signatures are accepted.
    ///
    /// # Errors
    /// [`SignatureError::Algorithm`], [`SignatureError::CriticalHeader`].
    pub fn accepted_algorithm(&self) -> Result<SignatureAlgorithm, SignatureError> {
        let algorithm = self.header.algorithm().ok_or(SignatureError::Algorithm)?;
        if self.header.has_critical_extensions() {
            return Err(SignatureError::CriticalHeader);
        }
        Ok(algorithm)
    }
}

/// The time claims of a JWT (RFC 7519 sections 4.1.4 to 4.1.6), in seconds since the epoch.
#[derive(Clone, Copy, Debug)]
pub struct TimeClaims {
    exp: i64,
    nbf: Option<i64>,
    iat: Option<i64>,
}

/// How far the clocks of issuer and verifier may differ, in seconds (RFC 7519 section 4.1.4).
pub const LEEWAY: i64 = 60;

/// Why a JWT is not valid at an instant.
#[derive(Debug, PartialEq, Eq)]
pub enum TimeError {
    /// It expired this many seconds ago.
    Expired {
        /// Seconds since `exp`.
        seconds: i64,
    },
    /// It expires too far in the future.
    TooLong {
        /// Seconds until `exp`.
        seconds: i64,
    },
    /// It is not valid yet.
    NotYetValid {
        /// Seconds until `nbf` or `iat`, whichever is later.
        seconds: i64,
    },
}

impl TimeClaims {
    /// From the values of `exp`, `nbf` and `iat`, of which the fractions of a second are dropped.
    pub fn new(exp: f64, nbf: Option<f64>, iat: Option<f64>) -> Self {
        TimeClaims {
            exp: whole_seconds(exp),
            nbf: nbf.map(whole_seconds),
            iat: iat.map(whole_seconds),
        }
    }

    /// The instant from which the JWT is refused: its expiry plus the leeway.
    pub fn refused_from(&self) -> Timestamp {
        Timestamp::from_seconds(self.exp.saturating_add(LEEWAY))
    }

    /// How many seconds before `now` the JWT expired; negative if it has not.
    pub fn expired_for(&self, now: Timestamp) -> i64 {
        now.seconds() - self.exp
    }

    /// Checks that the JWT is valid at `now`, and expires within `max_lifetime` seconds.
    ///
    /// # Errors
    /// If it is not.
    pub fn check(&self, now: Timestamp, max_lifetime: i64) -> Result<(), TimeError> {
        if self.refused_from() <= now {
            return Err(TimeError::Expired {
                seconds: self.expired_for(now),
            });
        }
        let remaining = -self.expired_for(now);
        if remaining > max_lifetime + LEEWAY {
            return Err(TimeError::TooLong { seconds: remaining });
        }
        match self.nbf.max(self.iat).map(|start| start - now.seconds()) {
            Some(seconds) if seconds > LEEWAY => Err(TimeError::NotYetValid { seconds }),
            _ => Ok(()),
        }
    }
}

/// The whole seconds of a `NumericDate` (RFC 7519 section 2), within bounds that no sum overflows.
#[expect(
    clippy::cast_possible_truncation,
    reason = "`as` saturates, and fractions of a second do not matter"
)]
fn whole_seconds(date: f64) -> i64 {
    (date as i64).clamp(-1 << 50, 1 << 50)
}

fn decode_json<T: DeserializeOwned>(part: &str) -> Result<T, DecodeError> {
    let bytes = URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| DecodeError::Base64)?;
    // serde would also accept an array with the members in order.
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Err(DecodeError::NotAnObject);
    }
    serde_json::from_slice(&bytes).map_err(|error| DecodeError::Json(error.to_string()))
}

/// A public key for one of the accepted algorithms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicKey {
    /// RSA of 2048 to 8192 bits: modulus and exponent, without leading zeros.
    Rsa {
        /// The modulus.
        n: Vec<u8>,
        /// The exponent.
        e: Vec<u8>,
    },
    /// A point on P-256, uncompressed.
    P256([u8; 65]),
    /// An Ed25519 key.
    Ed25519([u8; 32]),
}

impl PublicKey {
    /// Reads the key of a JWK (RFC 7518 section 6, RFC 8037 section 2).
    ///
    /// # Errors
    /// [`InvalidKey`] with the reason.
    pub fn from_jwk(jwk: &Map<String, Value>) -> Result<Self, InvalidKey> {
        let key = match (text(jwk, "kty")?, text(jwk, "crv")?) {
            (Some("RSA"), _) => {
                // RFC 7518 section 2 forbids leading zero octets, but many libraries write one.
                let n = without_zeros(octets(jwk, "n")?);
                let e = without_zeros(octets(jwk, "e")?);
                if !(256..=1024).contains(&n.len()) {
                    return Err(format!(
                        "an RSA key of {} bits: between 2048 and 8192 are accepted",
                        n.len() * 8
                    )
                    .into());
                }
                if matches!(e[..], [] | [1]) {
                    return Err("an RSA key with an exponent that is none".into());
                }
                PublicKey::Rsa { n, e }
            }
            (Some("EC"), Some("P-256")) => {
                let mut point = [4; 65];
                point[1..33].copy_from_slice(&fixed(octets(jwk, "x")?, "x")?);
                point[33..].copy_from_slice(&fixed(octets(jwk, "y")?, "y")?);
                PublicKey::P256(point)
            }
            (Some("OKP"), Some("Ed25519")) => {
                let x = octets(jwk, "x")?;
                PublicKey::Ed25519(
                    x.try_into()
                        .map_err(|_| InvalidKey::from("the member x is not 32 octets long"))?,
                )
            }
            (None, _) => return Err("the member kty is missing".into()),
            (Some(kind), curve) => {
                let curve = curve
                    .map(|curve| format!(" on {}", printable(curve)))
                    .unwrap_or_default();
                let accepted = "RSA, EC on P-256 and OKP on Ed25519 are accepted";
                return Err(
                    format!("a key of the kind {}{curve}: {accepted}", printable(kind)).into(),
                );
            }
        };
        // Some errors are only found here: a point that is not on the curve, an even modulus.
        key.parsed(key.default_algorithm())?;
        Ok(key)
    }

    fn default_algorithm(&self) -> SignatureAlgorithm {
        match self {
            PublicKey::Rsa { .. } => SignatureAlgorithm::Rs256,
            PublicKey::P256(_) => SignatureAlgorithm::Es256,
            PublicKey::Ed25519(_) => SignatureAlgorithm::Ed25519,
        }
    }

    /// Whether the key can be used with this algorithm.
    pub fn is_for(&self, algorithm: SignatureAlgorithm) -> bool {
        matches!(
            (self, algorithm),
            (
                PublicKey::Rsa { .. },
                SignatureAlgorithm::Rs256 | SignatureAlgorithm::Ps256
            ) | (PublicKey::P256(_), SignatureAlgorithm::Es256)
                | (PublicKey::Ed25519(_), SignatureAlgorithm::Ed25519)
        )
    }

    /// Parses the key for verifying signatures of this algorithm.
    ///
    /// # Errors
    /// [`InvalidKey`] if the key cannot be used with the algorithm, or is not a valid key.
    pub fn parsed(&self, algorithm: SignatureAlgorithm) -> Result<ParsedPublicKey, InvalidKey> {
        let parsed = match (self, algorithm) {
            (PublicKey::Rsa { n, e }, SignatureAlgorithm::Rs256) => {
                RsaPublicKeyComponents { n, e }.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
            }
            (PublicKey::Rsa { n, e }, SignatureAlgorithm::Ps256) => {
                RsaPublicKeyComponents { n, e }.to_parsed_public_key(&RSA_PSS_2048_8192_SHA256)
            }
            (PublicKey::P256(point), SignatureAlgorithm::Es256) => {
                ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
            }
            (PublicKey::Ed25519(x), SignatureAlgorithm::Ed25519) => {
                ParsedPublicKey::new(&ED25519, x)
            }
            _ => return Err("the key is not one of that algorithm".into()),
        };
        parsed.map_err(|_| "the public key is unusable: what its members say is no such key".into())
    }

    /// The thumbprint of the key (RFC 7638), with SHA-256.
    pub fn thumbprint(&self) -> String {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let canonical = match self {
            PublicKey::Rsa { n, e } => {
                format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, encode(e), encode(n))
            }
            PublicKey::P256(point) => {
                let x = encode(&point[1..33]);
                let y = encode(&point[33..]);
                format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#)
            }
            PublicKey::Ed25519(x) => {
                format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, encode(x))
            }
        };
        encode(digest(&SHA256, canonical.as_bytes()).as_ref())
    }
}

fn printable(text: &str) -> String {
    text.chars()
        .filter(char::is_ascii_graphic)
        .take(40)
        .collect()
}

/// An optional member that must be a string.
fn text<'a>(jwk: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, InvalidKey> {
    match jwk.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("the member {name} is not a string").into()),
    }
}

fn octets(jwk: &Map<String, Value>, name: &str) -> Result<Vec<u8>, InvalidKey> {
    let text = text(jwk, name)?
        .ok_or_else(|| InvalidKey::from(format!("the member {name} is missing")))?;
    LENIENT
        .decode(text)
        .map_err(|_| format!("the member {name} is not base64url").into())
}

fn without_zeros(octets: Vec<u8>) -> Vec<u8> {
    match octets.iter().position(|octet| *octet != 0) {
        Some(0) => octets,
        Some(start) => octets[start..].to_vec(),
        None => Vec::new(),
    }
}

/// A coordinate, padded to its full length (RFC 7518 section 6.2.1.2): some libraries omit leading
/// zeros, or add one.
fn fixed(octets: Vec<u8>, name: &str) -> Result<[u8; 32], InvalidKey> {
    let octets = without_zeros(octets);
    let mut whole = [0; 32];
    let start = whole
        .len()
        .checked_sub(octets.len())
        .ok_or_else(|| InvalidKey::from(format!("the member {name} is longer than 32 octets")))?;
    whole[start..].copy_from_slice(&octets);
    Ok(whole)
}

/// A public key for verifying signatures, with the restrictions of its JWK (RFC 7517 section 4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwk {
    kid: Option<String>,
    algorithm: Option<SignatureAlgorithm>,
    key: PublicKey,
}

impl Jwk {
    /// Parses a JWK.
    ///
    /// # Errors
    /// [`InvalidKey`] with the reason why it cannot verify a signature.
    fn parse(jwk: &Value) -> Result<Self, InvalidKey> {
        let jwk = jwk.as_object().ok_or("it is not a JSON object")?;
        if holds_secret(jwk) {
            return Err("it is a private or symmetric key".into());
        }
        if let Some(used) = text(jwk, "use")?.filter(|used| *used != "sig") {
            return Err(format!("its use is {}, not sig", printable(used)).into());
        }
        if let Some(operations) = jwk.get("key_ops") {
            let operations = operations
                .as_array()
                .ok_or("the member key_ops is not an array")?;
            if !operations.iter().any(|operation| operation == "verify") {
                return Err("its key_ops do not have verify".into());
            }
        }
        let kid = text(jwk, "kid")?.map(str::to_owned);
        let key = PublicKey::from_jwk(jwk)?;
        // RFC 8725 section 3.1: a key must be used only with the algorithm that its JWK names.
        let algorithm = match text(jwk, "alg")? {
            None => None,
            Some(name) => {
                match SignatureAlgorithm::named(name).filter(|algorithm| key.is_for(*algorithm)) {
                    Some(algorithm) => Some(algorithm),
                    None => {
                        return Err(format!(
                            "its alg, {}, is not one for signatures by such a key",
                            printable(name)
                        )
                        .into());
                    }
                }
            }
        };
        Ok(Jwk {
            kid,
            algorithm,
            key,
        })
    }

    /// Whether a signature with this algorithm and `kid` may have been made with this key.
    fn fits(&self, algorithm: SignatureAlgorithm, kid: Option<&str>) -> bool {
        let named = kid.is_none() || self.kid.is_none() || self.kid.as_deref() == kid;
        named && self.algorithm.is_none_or(|own| own == algorithm) && self.key.is_for(algorithm)
    }
}

fn holds_secret(jwk: &Map<String, Value>) -> bool {
    PRIVATE_MEMBERS
        .iter()
        .any(|member| jwk.contains_key(*member))
}

/// The keys of a client's JWK Set that can verify a signature. Other keys are ignored (RFC 7517
/// section 5), both at registration and when the set is used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Value")]
pub struct JwkSet {
    keys: Arc<[Jwk]>,
    /// Why the first ignored key was ignored.
    ignored: Option<Arc<str>>,
}

impl TryFrom<Value> for JwkSet {
    type Error = InvalidKey;

    fn try_from(set: Value) -> Result<Self, InvalidKey> {
        let members = set
            .get("keys")
            .and_then(Value::as_array)
            .ok_or("a JWK Set is an object with an array keys")?;
        let mut keys = Vec::new();
        let mut ignored = None;
        for (place, member) in members.iter().enumerate() {
            match Jwk::parse(member) {
                Ok(key) => keys.push(key),
                Err(reason) => {
                    ignored.get_or_insert_with(|| {
                        format!("key {} of {}: {reason}", place + 1, members.len()).into()
                    });
                }
            }
        }
        Ok(JwkSet {
            keys: keys.into(),
            ignored,
        })
    }
}

impl JwkSet {
    /// Checks a JWK Set that is to be registered: it must have a usable key, and no private or
    /// symmetric key, which would be compromised by sending it.
    ///
    /// # Errors
    /// [`InvalidKey`] with the reason.
    pub fn check_registered(set: &Value) -> Result<(), InvalidKey> {
        let members = set
            .get("keys")
            .and_then(Value::as_array)
            .ok_or("jwks is an object with an array keys")?;
        if !(1..=MAX_KEYS).contains(&members.len()) {
            return Err(format!(
                "jwks holds between one and {MAX_KEYS} keys, and not {}",
                members.len()
            )
            .into());
        }
        if members
            .iter()
            .filter_map(Value::as_object)
            .any(holds_secret)
        {
            let advice = "register the public half alone, and make a new pair";
            return Err(format!("jwks holds a private or symmetric key; {advice}").into());
        }
        let parsed = JwkSet::try_from(set.clone())?;
        match parsed.why_unusable() {
            Some(reason) => {
                Err(format!("jwks holds no key that can verify an assertion: {reason}").into())
            }
            None => Ok(()),
        }
    }

    /// The key with this `kid`.
    pub fn find(&self, kid: &str) -> Option<&Jwk> {
        self.keys.iter().find(|key| key.kid.as_deref() == Some(kid))
    }

    /// The reason why the set has no usable key; none if it has one.
    pub fn why_unusable(&self) -> Option<&str> {
        let empty = "the JWK Set is empty";
        self.keys
            .is_empty()
            .then(|| self.ignored.as_deref().unwrap_or(empty))
    }

    /// Verifies that one of the keys made the signature of `jws`. Keys of another `kid` or algorithm are
    /// not tried; of the others, up to `MAX_KEYS_TRIED` are.
    ///
    /// # Errors
    /// [`SignatureError::NoUsableKey`], [`SignatureError::NoMatchingKey`],
    /// [`SignatureError::Signature`].
    pub fn verify(
        &self,
        jws: &Jws<'_>,
        algorithm: SignatureAlgorithm,
    ) -> Result<(), SignatureError> {
        if let Some(reason) = self.why_unusable() {
            return Err(SignatureError::NoUsableKey(reason.to_owned()));
        }
        let mut error = SignatureError::NoMatchingKey;
        for key in self
            .fitting(algorithm, jws.header.kid.as_deref())
            .take(MAX_KEYS_TRIED)
        {
            match key.parsed(algorithm) {
                Ok(key) if jws.is_signed_by(&key) => return Ok(()),
                Ok(_) => error = SignatureError::Signature,
                Err(unusable) => error = SignatureError::NoUsableKey(unusable.to_string()),
            }
        }
        Err(error)
    }

    /// The keys that may have made a signature with this algorithm and, if given, this `kid`.
    pub fn fitting(
        &self,
        algorithm: SignatureAlgorithm,
        kid: Option<&str>,
    ) -> impl Iterator<Item = &PublicKey> {
        self.keys
            .iter()
            .filter(move |key| key.fits(algorithm, kid))
            .map(|key| &key.key)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    // RFC 8037 appendix A.2 and RFC 7638 section 3.1.
    const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    const N: &str = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn thumbprints_are_those_of_the_rfcs() {
        for (jwk, thumbprint) in [
            (
                json!({"kty": "RSA", "n": N, "e": "AQAB", "kid": "any"}),
                "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
            ),
            (
                json!({"kty": "OKP", "crv": "Ed25519", "x": X}),
                "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
            ),
        ] {
            assert_eq!(
                PublicKey::from_jwk(&object(jwk)).unwrap().thumbprint(),
                thumbprint
            );
        }
    }

    #[test]
    fn valid_keys_are_accepted() {
        let leading_zero =
            URL_SAFE_NO_PAD.encode([&[0][..], &URL_SAFE_NO_PAD.decode(N).unwrap()].concat());
        for (what, jwk) in [
            ("plain", json!({"kty": "RSA", "n": N, "e": "AQAB"})),
            (
                "a leading zero",
                json!({"kty": "RSA", "n": leading_zero, "e": "AAEAAQ"}),
            ),
            (
                "padding",
                json!({"kty": "RSA", "n": format!("{N}=="), "e": "AQAB"}),
            ),
            (
                "EdDSA",
                json!({"kty": "OKP", "crv": "Ed25519", "x": X, "alg": "EdDSA", "use": "sig"}),
            ),
            (
                "Ed25519",
                json!({"kty": "OKP", "crv": "Ed25519", "x": X, "alg": "Ed25519", "key_ops": ["verify"]}),
            ),
            (
                "unknown members",
                json!({"kty": "RSA", "n": N, "e": "AQAB", "x5t": 7, "x5c": [], "else": {}}),
            ),
        ] {
            Jwk::parse(&jwk).unwrap_or_else(|reason| panic!("{what}: {reason}"));
        }
    }

    #[test]
    fn unusable_keys_are_ignored_with_the_reason() {
        for (jwk, reason) in [
            (json!("x"), "not a JSON object"),
            (json!({}), "kty is missing"),
            (json!({"kty": 7}), "kty is not a string"),
            (
                json!({"kty": "RSA", "n": N, "e": "AQAB", "kid": 7}),
                "kid is not a string",
            ),
            (json!({"kty": "RSA", "n": N}), "e is missing"),
            (json!({"kty": "RSA", "x5c": ["MIIB"]}), "n is missing"),
            (json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"}), "24 bits"),
            (json!({"kty": "RSA", "n": N, "e": "AQ"}), "exponent"),
            (
                json!({"kty": "RSA", "n": format!("{N}+"), "e": "AQAB"}),
                "n is not base64url",
            ),
            (
                json!({"kty": "RSA", "n": N, "e": "AQAB", "use": "enc"}),
                "use is enc",
            ),
            (
                json!({"kty": "RSA", "n": N, "e": "AQAB", "key_ops": ["encrypt"]}),
                "key_ops",
            ),
            (
                json!({"kty": "RSA", "n": N, "e": "AQAB", "alg": "RSA-OAEP"}),
                "RSA-OAEP",
            ),
            (
                json!({"kty": "RSA", "n": N, "e": "AQAB", "alg": "ES256"}),
                "ES256",
            ),
            (
                json!({"kty": "RSA", "n": N, "e": "AQAB", "d": "AQ"}),
                "private",
            ),
            (
                json!({"kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ"}),
                "unusable",
            ),
            (
                json!({"kty": "EC", "crv": "P-384", "x": "AQ", "y": "AQ"}),
                "EC on P-384",
            ),
            (
                json!({"kty": "OKP", "crv": "Ed25519", "x": "AQ"}),
                "32 octets",
            ),
            (json!({"kty": "oct", "k": "AQ"}), "symmetric"),
            (json!({"kty": "AKP", "pub": "AQ"}), "AKP"),
        ] {
            let refused = Jwk::parse(&jwk).unwrap_err();
            assert!(refused.to_string().contains(reason), "{jwk}: {refused}");
            let set = json!({"keys": [jwk, {"kty": "OKP", "crv": "Ed25519", "x": X}]});
            let set = JwkSet::try_from(set).unwrap();
            assert_eq!(
                set.fitting(SignatureAlgorithm::Ed25519, Some("any"))
                    .count(),
                1,
                "the good one serves"
            );
        }
    }

    #[test]
    fn a_malformed_jws_is_refused() {
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        for (header, expected) in [
            ("[\"RS256\"]", "not a JSON object"),
            ("{\"alg\":\"RS256\",\"alg\":\"ES256\"}", "duplicate field"),
            ("{\"alg\":7}", "invalid type"),
            ("{}", "missing field"),
        ] {
            let text = format!("{}.e30.AA", encode(header));
            assert!(
                Jws::parse(&text)
                    .err()
                    .unwrap()
                    .to_string()
                    .contains(expected),
                "{header}"
            );
        }
        for text in ["", "a", "a.b", "a.b.c.d"] {
            assert!(Jws::parse(text).is_err(), "{text}");
        }
        let critical = format!("{}.e30.AA", encode("{\"alg\":\"RS256\",\"crit\":null}"));
        assert!(
            Jws::parse(&critical)
                .unwrap()
                .header
                .has_critical_extensions()
        );
    }
}
