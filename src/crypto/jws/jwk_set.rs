//! JWK Sets (RFC 7517): which key may have made a signature.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::public_key::{InvalidKey, PublicKey, printable, text};
use super::{Jws, SignatureAlgorithm};
use crate::client_certificate::{check_certificate, thumbprint};
use crate::crypto::x509::Authorities;

/// The maximum number of keys in a registered JWK Set.
const MAX_KEYS: usize = 20;

/// The maximum number of keys that are tried for one signature.
const MAX_KEYS_TRIED: usize = 10;

/// The members that only private and symmetric keys have (RFC 7518 section 6, RFC 9964 section 3).
const PRIVATE_MEMBERS: [&str; 9] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];

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
    pub fn parse(jwk: &Value) -> Result<Self, InvalidKey> {
        let jwk = jwk.as_object().ok_or("it is not a JSON object")?;
        if holds_secret(jwk) {
            return Err("it is a private or symmetric key".into());
        }
        // SPIFFE marks the keys of JWT-SVIDs with a use of their own.
        if let Some(used) = text(jwk, "use")?.filter(|used| !["sig", "jwt-svid"].contains(used)) {
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

    /// The key, if it can be used with this algorithm.
    pub fn key_for(&self, algorithm: SignatureAlgorithm) -> Option<&PublicKey> {
        self.fits(algorithm, None).then_some(&self.key)
    }

    /// Whether a signature with this algorithm and `kid` may have been made with this key.
    fn fits(&self, algorithm: SignatureAlgorithm, kid: Option<&str>) -> bool {
        let named = kid.is_none() || self.kid.is_none() || self.kid.as_deref() == kid;
        named && self.algorithm.is_none_or(|own| own == algorithm) && self.key.is_for(algorithm)
    }
}

/// The thumbprint of the certificate in a JWK: the first one of its `x5c`.
fn certificate(jwk: &Value) -> Option<String> {
    let text = jwk.get("x5c")?.as_array()?.first()?.as_str()?;
    let der = STANDARD.decode(text).ok()?;
    check_certificate(&der).ok().map(|()| thumbprint(&der))
}

/// The `use` of the certificate authorities of a trust domain (SPIFFE Trust Domain and Bundle, section
/// 4.2.2).
const X509_SVID: &str = "x509-svid";

/// The certificate authorities for X.509-SVIDs in a trust bundle. Members that have no usable one are
/// ignored; if there is none at all, the error says why the first was.
fn authorities(members: &[Value]) -> Result<Arc<Authorities>, Arc<str>> {
    let mut certificates = Vec::new();
    let mut ignored = None;
    for (place, member) in members.iter().enumerate() {
        if member.get("use").and_then(Value::as_str) != Some(X509_SVID) {
            continue;
        }
        match authority(member) {
            Ok(certificate) => certificates.push(certificate),
            Err(reason) => {
                ignored.get_or_insert_with(|| {
                    format!("key {} of {}: {reason}", place + 1, members.len())
                });
            }
        }
    }
    if certificates.is_empty() {
        let none = || format!("no key has the use {X509_SVID}");
        return Err(ignored.unwrap_or_else(none).into());
    }
    Authorities::new(certificates)
        .map(Arc::new)
        .map_err(|error| error.to_string().into())
}

fn authority(member: &Value) -> Result<CertificateDer<'static>, &'static str> {
    let chain = member.get("x5c").and_then(Value::as_array);
    let Some([Value::String(text)]) = chain.map(Vec::as_slice) else {
        return Err("its x5c does not have one certificate");
    };
    let der = STANDARD
        .decode(text)
        .map_err(|_| "its x5c is not in base64")?;
    match x509_parser::parse_x509_certificate(&der) {
        Ok((_, certificate)) if !certificate.is_ca() => {
            Err("its certificate is not one of a certificate authority")
        }
        Ok(([], _)) => Ok(CertificateDer::from(der)),
        _ => Err("its x5c is not an X.509 certificate"),
    }
}

fn holds_secret(jwk: &Map<String, Value>) -> bool {
    PRIVATE_MEMBERS
        .iter()
        .any(|member| jwk.contains_key(*member))
}

/// What a JWK Set is looked up for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WantedKey<'a> {
    /// The key with this `kid`.
    Kid(&'a str),
    /// The certificate with this SHA-256 thumbprint (RFC 8705 section 2.2).
    Certificate(&'a str),
    /// Something that this set does not have: any other set will do.
    NotIn(&'a JwkSet),
}

/// The keys of a client's JWK Set that can verify a signature. Other keys are ignored (RFC 7517
/// section 5), both at registration and when the set is used.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Value")]
pub struct JwkSet {
    keys: Arc<[Jwk]>,
    /// Why the first ignored key was ignored.
    ignored: Option<Arc<str>>,
    /// The SHA-256 thumbprints of the certificates of all members: the first of each `x5c` (RFC 7517
    /// section 4.7).
    certificates: Arc<[String]>,
    /// The certificate authorities for X.509-SVIDs, if the set is the bundle of a SPIFFE trust domain;
    /// otherwise why there are none.
    authorities: Result<Arc<Authorities>, Arc<str>>,
    /// How often the bundle is to be fetched, if it says so (`spiffe_refresh_hint`).
    refresh_hint: Option<Duration>,
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
        let certificates = members.iter().filter_map(certificate).collect();
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
        let refresh_hint = set.get("spiffe_refresh_hint").and_then(Value::as_u64);
        Ok(JwkSet {
            keys: keys.into(),
            ignored,
            certificates,
            authorities: authorities(members),
            refresh_hint: refresh_hint.map(Duration::from_secs),
        })
    }
}

impl JwkSet {
    /// Checks a JWK Set that is to be registered: it must have a usable key or a certificate, and no
    /// private or symmetric key, which would be compromised by sending it.
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
            Some(reason) if parsed.certificates.is_empty() => {
                let hint = if members.iter().any(|member| member.get("x5c").is_some()) {
                    "; x5c holds no certificate: its first element must be DER in base64"
                } else {
                    ""
                };
                let message =
                    format!("jwks holds no key that can verify an assertion: {reason}{hint}");
                Err(message.into())
            }
            _ => Ok(()),
        }
    }

    /// Whether the set has the key or the certificate.
    pub fn has(&self, wanted: WantedKey<'_>) -> bool {
        match wanted {
            WantedKey::Kid(kid) => self.find(kid).is_some(),
            WantedKey::Certificate(thumbprint) => {
                self.certificates.iter().any(|own| own == thumbprint)
            }
            WantedKey::NotIn(other) => self != other,
        }
    }

    /// The certificate authorities for X.509-SVIDs, if the set is the bundle of a SPIFFE trust domain.
    ///
    /// # Errors
    /// Why there are none.
    pub fn authorities(&self) -> Result<&Authorities, &str> {
        self.authorities.as_deref().map_err(|reason| &**reason)
    }

    /// How often the set is to be fetched, if it says so.
    pub fn refresh_hint(&self) -> Option<Duration> {
        self.refresh_hint
    }

    /// Whether the set has a certificate.
    pub fn has_certificates(&self) -> bool {
        !self.certificates.is_empty()
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
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::json;

    use super::*;

    // RFC 8037 appendix A.2 and RFC 7638 section 3.1.
    const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    const N: &str = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";

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
    fn a_trust_bundle_has_certificate_authorities() {
        use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
        let certificate = |is_ca| {
            let mut params = CertificateParams::default();
            params.is_ca = is_ca;
            let key = KeyPair::generate().unwrap();
            STANDARD.encode(params.self_signed(&key).unwrap().der())
        };
        let authority = certificate(IsCa::Ca(BasicConstraints::Unconstrained));
        let leaf = certificate(IsCa::NoCa);
        let bundle = |keys: Value| {
            let set = json!({"keys": keys, "spiffe_sequence": 7, "spiffe_refresh_hint": 60});
            JwkSet::try_from(set).unwrap()
        };
        let entry = |x5c: Value| json!({"kty": "EC", "use": "x509-svid", "x5c": x5c});
        let jwt_key = json!({"kty": "OKP", "crv": "Ed25519", "x": X, "use": "jwt-svid"});
        for (keys, expected) in [
            (json!([entry(json!([authority])), jwt_key]), Ok(())),
            (
                json!([entry(json!(["x"])), entry(json!([authority]))]),
                Ok(()),
            ),
            (json!([jwt_key]), Err("no key has the use x509-svid")),
            (
                json!([entry(json!([leaf]))]),
                Err("not one of a certificate authority"),
            ),
            (
                json!([entry(json!([]))]),
                Err("does not have one certificate"),
            ),
            (
                json!([entry(json!([authority, authority]))]),
                Err("does not have one certificate"),
            ),
            (json!([entry(json!(["?"]))]), Err("not in base64")),
            (
                json!([entry(json!(["AAAA"]))]),
                Err("not an X.509 certificate"),
            ),
            (
                json!([{"kty": "EC", "x5c": [authority]}]),
                Err("no key has the use"),
            ),
        ] {
            let set = bundle(keys.clone());
            assert_eq!(set.refresh_hint(), Some(Duration::from_secs(60)));
            match (set.authorities(), expected) {
                (Ok(_), Ok(())) => {}
                (Err(reason), Err(expected)) => assert!(reason.contains(expected), "{reason}"),
                (found, _) => panic!("{keys}: {found:?}"),
            }
        }
        let (one, other) = (bundle(json!([jwt_key])), bundle(json!([])));
        assert!(one.has(WantedKey::NotIn(&other)) && !one.has(WantedKey::NotIn(&one.clone())));
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
            (
                json!({"kty": "AKP", "alg": "ML-DSA-65", "pub": "AQ"}),
                "AKP for ML-DSA-44",
            ),
            (
                json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": "AQ"}),
                "unusable",
            ),
            (
                json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": "AQ", "priv": "AQ"}),
                "private",
            ),
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
}
