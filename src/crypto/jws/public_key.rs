//! Public keys as JWKs write them (RFC 7518 section 6, RFC 8037 section 2, RFC 9964), for verifying
//! signatures.

use std::borrow::Cow;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ML_DSA_44, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA256, RsaPublicKeyComponents,
};
use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{
    GeneralPurpose, GeneralPurposeConfig, STANDARD, URL_SAFE_NO_PAD,
};
use serde_json::{Map, Value, json};

use super::SignatureAlgorithm;

/// Base64url (RFC 7515 section 2), with or without the padding that some libraries add.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(false),
);

/// The length of an ML-DSA-44 public key, in bytes (FIPS 204 section 4).
const ML_DSA_44_LENGTH: usize = 1312;

/// Why a key or a JWK Set cannot be used. The message holds nothing of a private key.
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
    /// An ML-DSA-44 key, of 1312 bytes.
    MlDsa44(Vec<u8>),
}

impl PublicKey {
    /// Reads the key of a JWK (RFC 7518 section 6, RFC 8037 section 2, RFC 9964 section 3).
    ///
    /// # Errors
    /// [`InvalidKey`] with the reason.
    pub fn from_jwk(jwk: &Map<String, Value>) -> Result<Self, InvalidKey> {
        let key = match (text(jwk, "kty")?, text(jwk, "crv")?) {
            (Some("RSA"), _) => {
                // RFC 7518 section 2 forbids leading zero octets, but many libraries write one.
                let n = without_zeros(octets(jwk, "n")?);
                let e = without_zeros(octets(jwk, "e")?);
                PublicKey::rsa(n, e)?
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
            // The algorithm is part of such a key.
            (Some("AKP"), _) if text(jwk, "alg")? == Some("ML-DSA-44") => {
                let key = octets(jwk, "pub")?;
                // The library would also read another encoding, which no JWK has.
                if key.len() != ML_DSA_44_LENGTH {
                    return Err("the member pub is unusable: it is not 1312 octets long".into());
                }
                PublicKey::MlDsa44(key)
            }
            (None, _) => return Err("the member kty is missing".into()),
            (Some(kind), curve) => {
                let curve = curve
                    .map(|curve| format!(" on {}", printable(curve)))
                    .unwrap_or_default();
                let accepted =
                    "RSA, EC on P-256, OKP on Ed25519 and AKP for ML-DSA-44 are accepted";
                return Err(
                    format!("a key of the kind {}{curve}: {accepted}", printable(kind)).into(),
                );
            }
        };
        // Some errors are only found here: a point that is not on the curve, an even modulus.
        key.parsed(key.default_algorithm())?;
        Ok(key)
    }

    /// An RSA key of a size that is accepted; modulus and exponent have no leading zeros.
    pub(super) fn rsa(n: Vec<u8>, e: Vec<u8>) -> Result<Self, InvalidKey> {
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
        Ok(PublicKey::Rsa { n, e })
    }

    /// The key as a JWK.
    pub fn to_jwk(&self) -> Value {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            PublicKey::Rsa { n, e } => json!({"kty": "RSA", "n": encode(n), "e": encode(e)}),
            PublicKey::P256(point) => {
                let x = encode(&point[1..33]);
                let y = encode(&point[33..]);
                json!({"kty": "EC", "crv": "P-256", "x": x, "y": y})
            }
            PublicKey::Ed25519(x) => json!({"kty": "OKP", "crv": "Ed25519", "x": encode(x)}),
            PublicKey::MlDsa44(key) => {
                json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": encode(key)})
            }
        }
    }

    fn default_algorithm(&self) -> SignatureAlgorithm {
        match self {
            PublicKey::Rsa { .. } => SignatureAlgorithm::Rs256,
            PublicKey::P256(_) => SignatureAlgorithm::Es256,
            PublicKey::Ed25519(_) => SignatureAlgorithm::Ed25519,
            PublicKey::MlDsa44(_) => SignatureAlgorithm::MlDsa44,
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
                | (PublicKey::MlDsa44(_), SignatureAlgorithm::MlDsa44)
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
            (PublicKey::MlDsa44(key), SignatureAlgorithm::MlDsa44) => {
                ParsedPublicKey::new(&ML_DSA_44, key)
            }
            _ => return Err("the key is not one of that algorithm".into()),
        };
        parsed.map_err(|_| "the public key is unusable: what its members say is no such key".into())
    }

    /// The key in PEM (RFC 7468 section 13), for software that does not read JWKs.
    ///
    /// # Errors
    /// [`InvalidKey`] if the key cannot be encoded.
    pub fn to_pem(&self) -> Result<String, InvalidKey> {
        let parsed = self.parsed(self.default_algorithm())?;
        let der = AsDer::<PublicKeyX509Der<'_>>::as_der(&parsed)
            .map_err(|_| "cannot encode the public key")?;
        let text = STANDARD.encode(der.as_ref());
        let mut pem = "-----BEGIN PUBLIC KEY-----\n".to_owned();
        for line in text.as_bytes().chunks(64) {
            pem.extend(line.iter().map(|byte| char::from(*byte)));
            pem.push('\n');
        }
        pem.push_str("-----END PUBLIC KEY-----\n");
        Ok(pem)
    }

    /// The thumbprint of the key (RFC 7638; RFC 9964 section 6 for ML-DSA-44), with SHA-256.
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
            PublicKey::MlDsa44(key) => {
                format!(
                    r#"{{"alg":"ML-DSA-44","kty":"AKP","pub":"{}"}}"#,
                    encode(key)
                )
            }
        };
        encode(digest(&SHA256, canonical.as_bytes()).as_ref())
    }
}

pub(super) fn printable(text: &str) -> String {
    text.chars()
        .filter(char::is_ascii_graphic)
        .take(40)
        .collect()
}

/// An optional member that must be a string.
pub(super) fn text<'a>(
    jwk: &'a Map<String, Value>,
    name: &str,
) -> Result<Option<&'a str>, InvalidKey> {
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

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 8037 appendix A.2 and RFC 7638 section 3.1.
    const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    const N: &str = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";

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
            let key = PublicKey::from_jwk(jwk.as_object().unwrap()).unwrap();
            assert_eq!(key.thumbprint(), thumbprint);
            let written = key.to_jwk();
            assert_eq!(PublicKey::from_jwk(written.as_object().unwrap()), Ok(key));
        }
    }
}
