//! JSON Web Signatures and Key Sets (RFC 7515, RFC 7517): the one place that reads them, whoever
//! made them and however they came.

use std::fmt;
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

/// The most keys that a registered set holds.
const MAX_KEYS: usize = 20;

/// The maximum number of keys that are tried for one signature.
const MAX_KEYS_TRIED: usize = 10;

/// The members that only a private or a symmetric key has (RFC 7518 section 6).
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// Base64url as RFC 7515 section 2 has it, and with the padding that some libraries leave on.
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
    /// Every registered name. Ed25519 has two: RFC 9864 gave it its own, RFC 8037 calls it `EdDSA`.
    pub const NAMES: [(&'static str, SignatureAlgorithm); 5] = [
        ("RS256", SignatureAlgorithm::Rs256),
        ("PS256", SignatureAlgorithm::Ps256),
        ("ES256", SignatureAlgorithm::Es256),
        ("EdDSA", SignatureAlgorithm::Ed25519),
        ("Ed25519", SignatureAlgorithm::Ed25519),
    ];

    /// The algorithm of this registered name.
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES
            .iter()
            .find(|(own, _)| *own == name)
            .map(|(_, algorithm)| *algorithm)
    }
}

/// Why a text is no JWS in compact serialization (RFC 7515 section 7.1).
#[derive(Debug, PartialEq, Eq)]
pub enum JwsError {
    /// It does not have three parts.
    Parts,
    /// Its header is unreadable; what is wrong with it.
    Header(String),
    /// Its signature is not base64url.
    Signature,
}

impl fmt::Display for JwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JwsError::Parts => f.write_str("it does not have three parts"),
            JwsError::Header(reason) => write!(f, "its header is unreadable: {reason}"),
            JwsError::Signature => f.write_str("its signature is not base64url"),
        }
    }
}

/// The members of a JOSE header that are looked at (RFC 7515 section 4.1). Others are ignored, as
/// section 4 asks; one that comes twice is refused.
#[derive(Debug, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct Header {
    /// The algorithm, as it is named.
    pub alg: String,
    /// The type of the whole.
    pub typ: Option<String>,
    /// The key.
    pub kid: Option<String>,
    #[serde(default, deserialize_with = "present")]
    crit: bool,
}

/// Whether a member is there, whatever it holds.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

impl Header {
    /// The algorithm, where its signatures are accepted.
    pub fn algorithm(&self) -> Option<SignatureAlgorithm> {
        SignatureAlgorithm::named(&self.alg)
    }

    /// Whether it names extensions that must be understood (RFC 7515 section 4.1.11): none is.
    pub fn has_critical_extensions(&self) -> bool {
        self.crit
    }
}

/// A JWS in compact serialization, taken apart. Nothing is proven by that.
pub struct Jws<'a> {
    /// What it says about itself.
    pub header: Header,
    /// What was signed: header and payload, as they came.
    pub signed: &'a str,
    payload: &'a str,
    signature: Vec<u8>,
}

impl<'a> Jws<'a> {
    /// Takes one apart.
    ///
    /// # Errors
    /// Where it is none.
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

    /// The claims, unproven unless the signature was verified.
    ///
    /// # Errors
    /// A sentence that says what is wrong with them.
    pub fn claims<T: DeserializeOwned>(&self) -> Result<T, String> {
        decode_json(self.payload)
    }

    /// Whether the signature is by this key.
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

fn decode_json<T: DeserializeOwned>(part: &str) -> Result<T, String> {
    let bytes = URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| "not base64url".to_owned())?;
    // serde would take the members of an array in order.
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Err("not a JSON object".to_owned());
    }
    serde_json::from_slice(&bytes).map_err(|error| error.to_string())
}

/// The material of a public key that verifies one of the accepted algorithms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicKey {
    /// RSA of 2048 to 8192 bits: modulus and exponent, without leading zeros.
    Rsa {
        /// The modulus.
        n: Vec<u8>,
        /// The exponent.
        e: Vec<u8>,
    },
    /// A point of P-256, uncompressed.
    P256([u8; 65]),
    /// An Ed25519 key.
    Ed25519([u8; 32]),
}

impl PublicKey {
    /// Reads the material of a JWK (RFC 7518 section 6, RFC 8037 section 2).
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn from_jwk(jwk: &Map<String, Value>) -> Result<Self, String> {
        let key = match (text(jwk, "kty")?, text(jwk, "crv")?) {
            (Some("RSA"), _) => {
                // RFC 7518 section 2 leaves no leading zero octets; many libraries write one.
                let (n, e) = (
                    without_zeros(octets(jwk, "n")?),
                    without_zeros(octets(jwk, "e")?),
                );
                if !(256..=1024).contains(&n.len()) {
                    return Err(format!(
                        "an RSA key of {} bits: between 2048 and 8192 are accepted",
                        n.len() * 8
                    ));
                }
                if matches!(e[..], [] | [1]) {
                    return Err("an RSA key with an exponent that is none".to_owned());
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
                        .map_err(|_| "the member x is not 32 octets long".to_owned())?,
                )
            }
            (None, _) => return Err("the member kty is missing".to_owned()),
            (Some(kind), curve) => {
                let curve = curve
                    .map(|curve| format!(" on {}", printable(curve)))
                    .unwrap_or_default();
                let accepted = "RSA, EC on P-256 and OKP on Ed25519 are accepted";
                return Err(format!(
                    "a key of the kind {}{curve}: {accepted}",
                    printable(kind)
                ));
            }
        };
        // Some faults show only here: a point that is not on the curve, an even modulus.
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

    /// Whether such a key signs with this algorithm.
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

    /// Ready to verify signatures of this algorithm.
    ///
    /// # Errors
    /// Where the key is not one of that algorithm, or is unusable.
    pub fn parsed(&self, algorithm: SignatureAlgorithm) -> Result<ParsedPublicKey, String> {
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
            _ => return Err("the key is not one of that algorithm".to_owned()),
        };
        parsed.map_err(|_| {
            "the public key is unusable: what its members say is no such key".to_owned()
        })
    }

    /// The RFC 7638 thumbprint, with SHA-256.
    pub fn thumbprint(&self) -> String {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let canonical = match self {
            PublicKey::Rsa { n, e } => {
                format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, encode(e), encode(n))
            }
            PublicKey::P256(point) => {
                let (x, y) = (encode(&point[1..33]), encode(&point[33..]));
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

/// A member that is text where it is there.
fn text<'a>(jwk: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, String> {
    match jwk.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("the member {name} is not a string")),
    }
}

fn octets(jwk: &Map<String, Value>, name: &str) -> Result<Vec<u8>, String> {
    let text = text(jwk, name)?.ok_or_else(|| format!("the member {name} is missing"))?;
    LENIENT
        .decode(text)
        .map_err(|_| format!("the member {name} is not base64url"))
}

fn without_zeros(octets: Vec<u8>) -> Vec<u8> {
    match octets.iter().position(|octet| *octet != 0) {
        Some(0) => octets,
        Some(start) => octets[start..].to_vec(),
        None => Vec::new(),
    }
}

/// A coordinate: RFC 7518 section 6.2.1.2 wants all of its octets; some libraries leave leading zeros
/// out, or write one too many.
fn fixed(octets: Vec<u8>, name: &str) -> Result<[u8; 32], String> {
    let octets = without_zeros(octets);
    let mut whole = [0; 32];
    let start = whole
        .len()
        .checked_sub(octets.len())
        .ok_or_else(|| format!("the member {name} is longer than 32 octets"))?;
    whole[start..].copy_from_slice(&octets);
    Ok(whole)
}

/// A public key that verifies signatures, with what its JWK says about its use (RFC 7517 section 4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwk {
    kid: Option<String>,
    algorithm: Option<SignatureAlgorithm>,
    key: PublicKey,
}

impl Jwk {
    /// Reads one.
    ///
    /// # Errors
    /// A sentence that says why it cannot verify a signature.
    fn parse(jwk: &Value) -> Result<Self, String> {
        let jwk = jwk.as_object().ok_or("it is not a JSON object")?;
        if holds_secret(jwk) {
            return Err("it is a private or symmetric key".to_owned());
        }
        if let Some(used) = text(jwk, "use")?.filter(|used| *used != "sig") {
            return Err(format!("its use is {}, not sig", printable(used)));
        }
        if let Some(operations) = jwk.get("key_ops") {
            let operations = operations
                .as_array()
                .ok_or("the member key_ops is not an array")?;
            if !operations.iter().any(|operation| operation == "verify") {
                return Err("its key_ops do not have verify".to_owned());
            }
        }
        let kid = text(jwk, "kid")?.map(str::to_owned);
        let key = PublicKey::from_jwk(jwk)?;
        // RFC 8725 section 3.1: what the key says of its algorithm binds.
        let algorithm = match text(jwk, "alg")? {
            None => None,
            Some(name) => {
                match SignatureAlgorithm::named(name).filter(|algorithm| key.is_for(*algorithm)) {
                    Some(algorithm) => Some(algorithm),
                    None => {
                        return Err(format!(
                            "its alg, {}, is not one for signatures by such a key",
                            printable(name)
                        ));
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

    /// Whether it may have made a signature with this algorithm, by a key of this name.
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

/// A JWK Set of somebody else: the keys that can verify a signature. RFC 7517 section 5: what
/// cannot be understood is passed over. That holds wherever the set came from, and at registration as
/// at use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Value")]
pub struct JwkSet {
    keys: Arc<[Jwk]>,
    /// Why the first of the others was passed over.
    passed_over: Option<Arc<str>>,
}

impl TryFrom<Value> for JwkSet {
    type Error = String;

    fn try_from(set: Value) -> Result<Self, String> {
        let members = set
            .get("keys")
            .and_then(Value::as_array)
            .ok_or("a JWK Set is an object with an array keys")?;
        let (mut keys, mut passed_over) = (Vec::new(), None);
        for (place, member) in members.iter().enumerate() {
            match Jwk::parse(member) {
                Ok(key) => keys.push(key),
                Err(reason) => {
                    passed_over.get_or_insert_with(|| {
                        format!("key {} of {}: {reason}", place + 1, members.len()).into()
                    });
                }
            }
        }
        Ok(JwkSet {
            keys: keys.into(),
            passed_over,
        })
    }
}

impl JwkSet {
    /// Checks a set that is to be registered: beside the rule that holds at use, it must have a key
    /// that can serve, and it must not have a secret, which is none any longer once it is shown.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn check_registered(set: &Value) -> Result<(), String> {
        let members = set
            .get("keys")
            .and_then(Value::as_array)
            .ok_or("jwks is an object with an array keys")?;
        if !(1..=MAX_KEYS).contains(&members.len()) {
            return Err(format!(
                "jwks holds between one and {MAX_KEYS} keys, and not {}",
                members.len()
            ));
        }
        if members
            .iter()
            .filter_map(Value::as_object)
            .any(holds_secret)
        {
            let advice = "register the public half alone, and make a new pair";
            return Err(format!("jwks holds a private or symmetric key; {advice}"));
        }
        let parsed = JwkSet::try_from(set.clone())?;
        match parsed.why_unusable() {
            Some(reason) => Err(format!(
                "jwks holds no key that can verify an assertion: {reason}"
            )),
            None => Ok(()),
        }
    }

    /// Whether there is a key of this name.
    pub fn find(&self, kid: &str) -> Option<&Jwk> {
        self.keys.iter().find(|key| key.kid.as_deref() == Some(kid))
    }

    /// Where none of its keys can serve: why not.
    pub fn why_unusable(&self) -> Option<&str> {
        let empty = "the JWK Set is empty";
        self.keys
            .is_empty()
            .then(|| self.passed_over.as_deref().unwrap_or(empty))
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
                Err(unusable) => error = SignatureError::NoUsableKey(unusable),
            }
        }
        Err(error)
    }

    /// The keys that may have made a signature with this algorithm, by a key of this name where it
    /// is named.
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
    fn keys_that_are_read() {
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
    fn keys_that_are_passed_over() {
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
            assert!(refused.contains(reason), "{jwk}: {refused}");
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
    fn what_is_no_jws() {
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
