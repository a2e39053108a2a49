//! A DPoP proof (RFC 9449 sections 4.2 and 4.3): parsing, the signature, and the checks of its
//! claims.

use std::fmt::Display;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

use super::Target;
use super::nonce::NonceStatus;
use crate::clock::Timestamp;
use crate::credential::Fingerprint;
use crate::crypto::jws::{DecodeError, Jwk, Jws, SignatureError};
use crate::crypto::jwt::whole_seconds;
use crate::oauth::reason::Reason;
use crate::store::used_jti;
use crate::uri::is_same_http_url;

/// The accepted signature algorithms: those of FAPI 2.0 (Security Profile section 5.4.1). Ed25519
/// has two names.
pub const ALGORITHMS: [&str; 4] = ["ES256", "PS256", "EdDSA", "Ed25519"];

/// The maximum length of a proof, in bytes. One with an RSA key of 8192 bits takes half of it.
const MAX_LENGTH: usize = 8 * 1024;

/// The maximum length of `jti`, in bytes.
const MAX_JTI_LENGTH: usize = 512;

/// How much of a text of the caller is shown in a reason, in characters.
const MAX_SHOWN: usize = 200;

/// How far `iat` may be from the time of this node, in seconds, either way.
const MAX_AGE: i64 = 60;

/// The same for a proof with a valid nonce, which itself shows that the proof is new: the clock of
/// the client may then be wrong (RFC 9449 section 11.1).
const MAX_AGE_WITH_NONCE: i64 = 30 * 60;

/// Why a request has no valid proof.
#[derive(Debug, PartialEq, Eq)]
pub enum ProofError {
    /// The request has no header `DPoP`.
    Missing,
    /// The header is given more than once, or is not text.
    Header,
    /// The proof is too long, or not a JWS.
    NotAJwt(String),
    /// `typ` is not `dpop+jwt`.
    Type,
    /// The algorithm is not one of [`ALGORITHMS`].
    Algorithm,
    /// The header has a critical extension.
    CriticalHeader,
    /// `jwk` is missing, private, or unusable with the algorithm; the reason.
    Key(String),
    /// The signature is not by the key of the header.
    Signature,
    /// A claim is missing or has the wrong type; the reason.
    Claims(String),
    /// `htm` is another method.
    Method {
        /// The claim.
        given: String,
        /// The method of the request.
        expected: String,
    },
    /// `htu` is another URL.
    Url {
        /// The claim.
        given: String,
        /// The URL of the request.
        expected: String,
    },
    /// The method and the URL of the request are unknown; what is missing.
    UnknownTarget(String),
    /// `iat` is this many seconds away.
    Time(i64),
    /// `ath` is missing, or is not the hash of the access token.
    AccessToken,
    /// The nonce is missing or invalid.
    Nonce,
    /// The proof was used before.
    Used,
}

impl ProofError {
    /// The reason, for the owner of the client.
    pub fn reason(&self) -> Reason {
        match self {
            ProofError::Missing => Reason::dpop_missing(),
            ProofError::Header => Reason::dpop_header(),
            ProofError::NotAJwt(detail) => Reason::dpop_not_a_jwt(detail),
            ProofError::Type => Reason::dpop_wrong_type(),
            ProofError::Algorithm => Reason::dpop_algorithm(),
            ProofError::CriticalHeader => Reason::dpop_critical_header(),
            ProofError::Key(detail) => Reason::dpop_unusable_key(detail),
            ProofError::Signature => Reason::dpop_wrong_signature(),
            ProofError::Claims(detail) => Reason::dpop_unreadable(detail),
            ProofError::Method { given, expected } => Reason::dpop_wrong_method(given, expected),
            ProofError::Url { given, expected } => Reason::dpop_wrong_url(given, expected),
            ProofError::UnknownTarget(missing) => Reason::dpop_unknown_request(missing),
            ProofError::Time(seconds) => Reason::dpop_wrong_time(*seconds),
            ProofError::AccessToken => Reason::dpop_wrong_access_token(),
            ProofError::Nonce => Reason::dpop_nonce(),
            ProofError::Used => Reason::dpop_used(),
        }
    }

    /// The public description.
    pub const fn description(&self) -> &'static str {
        match self {
            ProofError::Missing => "A DPoP proof is required, in the header DPoP",
            ProofError::Header => "The header DPoP must be given once, as text",
            ProofError::NotAJwt(_) => "The DPoP proof is not a JWT",
            ProofError::Type => "typ of the DPoP proof must be dpop+jwt",
            ProofError::Algorithm => {
                "The DPoP proof must be signed with ES256, PS256 or Ed25519 (EdDSA)"
            }
            ProofError::CriticalHeader => {
                "The DPoP proof has a critical header that is not understood"
            }
            ProofError::Key(_) => {
                "jwk of the DPoP proof must be a public key for its signature algorithm"
            }
            ProofError::Signature => "The signature of the DPoP proof is not by its jwk",
            ProofError::Claims(_) => {
                "The DPoP proof must have the claims jti, htm, htu and iat, each of its type"
            }
            ProofError::Method { .. } => "htm of the DPoP proof is not the method of the request",
            ProofError::Url { .. } => "htu of the DPoP proof is not the URL of the request",
            ProofError::UnknownTarget(_) => {
                "The DPoP proof cannot be checked: the proxy does not say which request it is for"
            }
            ProofError::Time(_) => "iat of the DPoP proof is too far from the present time",
            ProofError::AccessToken => {
                "ath of the DPoP proof must be the SHA-256 hash of the access token"
            }
            ProofError::Nonce => "The DPoP proof must have a valid nonce",
            ProofError::Used => "The DPoP proof was used before",
        }
    }
}

impl From<SignatureError> for ProofError {
    fn from(error: SignatureError) -> Self {
        match error {
            SignatureError::CriticalHeader => ProofError::CriticalHeader,
            _ => ProofError::Algorithm,
        }
    }
}

/// The claims of a proof (RFC 9449 section 4.2). Others are ignored.
#[derive(Debug, Deserialize)]
pub struct ProofClaims {
    jti: String,
    htm: String,
    htu: String,
    iat: f64,
    ath: Option<String>,
    /// The nonce that the server gave.
    pub nonce: Option<String>,
}

/// The member of the JOSE header that [`Header`](crate::crypto::jws::Header) does not have.
#[derive(Deserialize)]
struct ProofHeader {
    jwk: Value,
}

/// A proof whose signature was verified. Its claims have still to be checked.
#[derive(Debug)]
pub struct Proof {
    /// The claims.
    pub claims: ProofClaims,
    /// The RFC 7638 thumbprint of the key.
    pub thumbprint: String,
}

impl Proof {
    /// Parses a proof, and verifies that it was signed with its own key (RFC 9449 section 4.3,
    /// items 2 to 7).
    ///
    /// # Errors
    /// [`ProofError`] if it is not a proof.
    pub fn parse(text: &str) -> Result<Self, ProofError> {
        if text.len() > MAX_LENGTH {
            return Err(ProofError::NotAJwt(format!(
                "longer than {MAX_LENGTH} bytes"
            )));
        }
        let jws =
            Jws::parse(text).map_err(|error| ProofError::NotAJwt(shown(&error.to_string())))?;
        if !jws.header.has_type("dpop+jwt") {
            return Err(ProofError::Type);
        }
        let algorithm = jws.accepted_algorithm()?;
        if !ALGORITHMS.contains(&jws.header.alg.as_str()) {
            return Err(ProofError::Algorithm);
        }
        let unusable = |error: &dyn Display| ProofError::Key(shown(&error.to_string()));
        let header: ProofHeader = jws.header_members().map_err(|error| unusable(&error))?;
        let jwk = Jwk::parse(&header.jwk).map_err(|error| unusable(&error))?;
        let key = jwk
            .key_for(algorithm)
            .ok_or_else(|| unusable(&"it is not one of the algorithm in alg"))?;
        let parsed = key.parsed(algorithm).map_err(|error| unusable(&error))?;
        if !jws.is_signed_by(&parsed) {
            return Err(ProofError::Signature);
        }
        let claims: ProofClaims = jws.claims().map_err(|error| match error {
            DecodeError::Json(detail) => ProofError::Claims(shown(&detail)),
            other => ProofError::Claims(other.to_string()),
        })?;
        if !(1..=MAX_JTI_LENGTH).contains(&claims.jti.len()) {
            let detail = format!("jti must have between 1 and {MAX_JTI_LENGTH} bytes");
            return Err(ProofError::Claims(detail));
        }
        Ok(Proof {
            claims,
            thumbprint: key.thumbprint(),
        })
    }

    /// The nonce of the proof, if it has one.
    pub fn nonce(&self) -> Option<&str> {
        self.claims.nonce.as_deref()
    }

    /// Identifies the proof: a digest of its key and its `jti`. Other rows of used ids have other
    /// prefixes.
    pub fn id(&self) -> String {
        let jti = &self.claims.jti;
        Fingerprint::of(format!("DPoP\0{}\0{jti}", self.thumbprint).as_bytes()).hex()
    }

    /// Checks that the proof is for this request (RFC 9449 section 4.3, items 8 and 9).
    ///
    /// # Errors
    /// [`ProofError::Method`], [`ProofError::Url`].
    pub fn check_target(&self, target: &Target) -> Result<(), ProofError> {
        if self.claims.htm != target.method {
            return Err(ProofError::Method {
                given: shown(&self.claims.htm),
                expected: shown(&target.method),
            });
        }
        let htu = &self.claims.htu;
        if [Some(&target.url), target.alias.as_ref()]
            .into_iter()
            .flatten()
            .any(|url| is_same_http_url(htu, url))
        {
            return Ok(());
        }
        Err(ProofError::Url {
            given: shown_url(htu),
            expected: shown_url(&target.url),
        })
    }

    /// Checks that the proof is for this access token, if one is presented (RFC 9449 section 4.3,
    /// item 12). A proof for the token endpoint may have an `ath`, which is ignored.
    ///
    /// # Errors
    /// [`ProofError::AccessToken`].
    pub fn check_access_token(&self, access_token: Option<&str>) -> Result<(), ProofError> {
        let Some(access_token) = access_token else {
            return Ok(());
        };
        let expected = URL_SAFE_NO_PAD.encode(digest(&SHA256, access_token.as_bytes()));
        if self.claims.ath.as_deref() == Some(&expected) {
            Ok(())
        } else {
            Err(ProofError::AccessToken)
        }
    }

    /// Checks `iat` and the nonce (RFC 9449 section 4.3, items 10 and 11). Returns the instant from
    /// which the proof is refused on every node.
    ///
    /// # Errors
    /// [`ProofError::Nonce`] if the nonce is invalid, or missing although it is required;
    /// [`ProofError::Time`].
    pub fn check_times(
        &self,
        nonce: &NonceStatus,
        nonce_required: bool,
        now: Timestamp,
        past: Timestamp,
    ) -> Result<Timestamp, ProofError> {
        let issued_at = whole_seconds(self.claims.iat);
        let away = now.seconds() - issued_at;
        let (max_age, valid_until) = match nonce {
            NonceStatus::Invalid => return Err(ProofError::Nonce),
            NonceStatus::Absent if nonce_required => return Err(ProofError::Nonce),
            NonceStatus::Absent => (
                MAX_AGE,
                Timestamp::from_seconds(issued_at.saturating_add(MAX_AGE + 1)),
            ),
            NonceStatus::Valid { until } => (MAX_AGE_WITH_NONCE, *until),
        };
        // By `past`, the last instant of which every clock agrees that it has passed, the id of a
        // used proof may have been purged; the clock of this node is then behind.
        if away.abs() > max_age || !used_jti::is_kept_briefly(valid_until, past) {
            return Err(ProofError::Time(away));
        }
        Ok(valid_until)
    }
}

/// The nonce of a proof whose signature is not verified yet; the outer `Option` is empty if the text is
/// not a JWS with readable claims.
pub fn unverified_nonce(text: &str) -> Option<Option<String>> {
    #[derive(Deserialize)]
    struct NonceClaim {
        nonce: Option<String>,
    }
    if text.len() > MAX_LENGTH {
        return None;
    }
    let claims: NonceClaim = Jws::parse(text).ok()?.claims().ok()?;
    Some(claims.nonce)
}

/// A text of the caller as a log may show it.
fn shown(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(MAX_SHOWN)
        .collect()
}

/// A URL as a log may show it: without its query, which may contain secrets.
fn shown_url(url: &str) -> String {
    shown(url.split(['?', '#']).next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;
    use crate::crypto::jws::{PrivateKey, SignatureAlgorithm};

    const NOW: i64 = 1_800_000_000;
    const URL: &str = "https://api.example/orders";

    struct Signer {
        key: PrivateKey,
        algorithm: SignatureAlgorithm,
    }

    impl Signer {
        fn new(algorithm: SignatureAlgorithm) -> Self {
            Signer {
                key: PrivateKey::generate(algorithm).unwrap(),
                algorithm,
            }
        }

        fn header(&self) -> Value {
            let jwk = self.key.public_key().unwrap().to_jwk();
            json!({"typ": "dpop+jwt", "alg": self.algorithm.as_str(), "jwk": jwk})
        }

        fn sign(&self, header: &Value, claims: &Value) -> String {
            let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
            let message = format!("{}.{}", encode(header), encode(claims));
            let signature = self.key.sign(self.algorithm, message.as_bytes()).unwrap();
            format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
        }
    }

    fn claims() -> Value {
        json!({"jti": "one", "htm": "GET", "htu": URL, "iat": NOW})
    }

    /// `value` with some members replaced, and those that are null removed.
    fn with(mut value: Value, changed: &Value) -> Value {
        let members: &mut Map<String, Value> = value.as_object_mut().unwrap();
        for (name, value) in changed.as_object().unwrap() {
            if value.is_null() {
                members.remove(name);
            } else {
                members.insert(name.clone(), value.clone());
            }
        }
        value
    }

    fn code(error: &ProofError) -> &'static str {
        error.reason().code()
    }

    #[test]
    fn a_proof_is_signed_with_its_own_key() {
        use SignatureAlgorithm::{Ed25519, Es256, Ps256};
        for algorithm in [Es256, Ps256, Ed25519] {
            let signer = Signer::new(algorithm);
            let proof = Proof::parse(&signer.sign(&signer.header(), &claims())).unwrap();
            let expected = signer.key.public_key().unwrap().thumbprint();
            assert_eq!(proof.thumbprint, expected);
        }
        let signer = Signer::new(Ed25519);
        for header in [
            json!({"alg": "Ed25519"}),
            json!({"typ": "DPOP+JWT"}),
            json!({"typ": "application/dpop+jwt"}),
            json!({"kid": "any", "unknown": {"a": [1]}}),
        ] {
            let proof = signer.sign(&with(signer.header(), &header), &claims());
            assert!(Proof::parse(&proof).is_ok(), "{header}");
        }
    }

    #[test]
    fn wrong_headers_are_refused() {
        let signer = Signer::new(SignatureAlgorithm::Es256);
        let other = Signer::new(SignatureAlgorithm::Es256);
        let own = signer.header()["jwk"].clone();
        let jwk = |changed: Value| json!({"jwk": with(own.clone(), &changed)});
        for (changed, expected) in [
            (json!({"typ": null}), "dpop_wrong_type"),
            (json!({"typ": "JWT"}), "dpop_wrong_type"),
            (json!({"typ": "at+jwt"}), "dpop_wrong_type"),
            (json!({"alg": null}), "dpop_not_a_jwt"),
            (json!({"alg": "none"}), "dpop_algorithm"),
            (json!({"alg": "HS256"}), "dpop_algorithm"),
            (json!({"alg": "RS256"}), "dpop_algorithm"),
            (json!({"alg": "ML-DSA-44"}), "dpop_algorithm"),
            (json!({"alg": "ES512"}), "dpop_algorithm"),
            (json!({"alg": "PS256"}), "dpop_unusable_key"),
            (json!({"crit": ["exp"]}), "dpop_critical_header"),
            (json!({"jwk": null}), "dpop_unusable_key"),
            (json!({"jwk": "x"}), "dpop_unusable_key"),
            (json!({"jwk": {}}), "dpop_unusable_key"),
            (jwk(json!({"d": "AQ"})), "dpop_unusable_key"),
            (jwk(json!({"k": "AQ"})), "dpop_unusable_key"),
            (jwk(json!({"d": 7})), "dpop_unusable_key"),
            (jwk(json!({"use": "enc"})), "dpop_unusable_key"),
            (jwk(json!({"alg": "RS256"})), "dpop_unusable_key"),
            (jwk(json!({"x": "AQ"})), "dpop_unusable_key"),
            (
                json!({"jwk": {"kty": "oct", "k": "AQ"}}),
                "dpop_unusable_key",
            ),
            (
                json!({"jwk": other.header()["jwk"].clone()}),
                "dpop_wrong_signature",
            ),
        ] {
            let proof = signer.sign(&with(signer.header(), &changed), &claims());
            let found = Proof::parse(&proof).err();
            assert_eq!(found.as_ref().map(code), Some(expected), "{changed}");
        }
        let good = signer.sign(&signer.header(), &claims());
        let (message, _) = good.rsplit_once('.').unwrap();
        for (proof, expected) in [
            (String::new(), "dpop_not_a_jwt"),
            ("x".to_owned(), "dpop_not_a_jwt"),
            ("a.b.c".to_owned(), "dpop_not_a_jwt"),
            ("x".repeat(MAX_LENGTH + 1), "dpop_not_a_jwt"),
            (format!("{message}."), "dpop_wrong_signature"),
            (format!("{message}.AAAA"), "dpop_wrong_signature"),
        ] {
            let found = Proof::parse(&proof).err();
            assert_eq!(found.as_ref().map(code), Some(expected), "{proof:.20}");
        }
    }

    #[test]
    fn wrong_claims_are_refused() {
        let signer = Signer::new(SignatureAlgorithm::Es256);
        for changed in [
            json!({"jti": null}),
            json!({"jti": ""}),
            json!({"jti": 7}),
            json!({"jti": "x".repeat(MAX_JTI_LENGTH + 1)}),
            json!({"htm": null}),
            json!({"htu": null}),
            json!({"iat": null}),
            json!({"iat": "now"}),
            json!({"ath": 7}),
            json!({"nonce": 7}),
        ] {
            let proof = signer.sign(&signer.header(), &with(claims(), &changed));
            let found = Proof::parse(&proof).err();
            assert_eq!(
                found.as_ref().map(code),
                Some("dpop_unreadable"),
                "{changed}"
            );
        }
        let unknown = with(claims(), &json!({"exp": 1, "nbf": 1e300, "else": {"a": 1}}));
        assert!(Proof::parse(&signer.sign(&signer.header(), &unknown)).is_ok());
    }

    fn proof(changed: &Value) -> Proof {
        Proof {
            claims: serde_json::from_value(with(claims(), changed)).unwrap(),
            thumbprint: "thumbprint".to_owned(),
        }
    }

    #[test]
    fn a_proof_is_for_one_method_and_url() {
        for (changed, expected) in [
            (json!({}), None),
            (json!({"htu": "HTTPS://API.EXAMPLE:443/orders"}), None),
            (json!({"htu": "https://api.example/orders?a=b#c"}), None),
            (json!({"htu": "https://api.example/x/../%6frders"}), None),
            (json!({"htu": "https://mtls.example/orders"}), None),
            (
                json!({"htu": "https://mtls.example/tokens"}),
                Some("dpop_wrong_url"),
            ),
            (json!({"htm": "POST"}), Some("dpop_wrong_method")),
            (json!({"htm": "get"}), Some("dpop_wrong_method")),
            (json!({"htu": ""}), Some("dpop_wrong_url")),
            (json!({"htu": "/orders"}), Some("dpop_wrong_url")),
            (
                json!({"htu": "https://api.example/orders/"}),
                Some("dpop_wrong_url"),
            ),
            (
                json!({"htu": "https://api.example/Orders"}),
                Some("dpop_wrong_url"),
            ),
            (
                json!({"htu": "http://api.example/orders"}),
                Some("dpop_wrong_url"),
            ),
            (
                json!({"htu": "https://api.example:8443/orders"}),
                Some("dpop_wrong_url"),
            ),
            (
                json!({"htu": "https://user@api.example/orders"}),
                Some("dpop_wrong_url"),
            ),
            (
                json!({"htu": "https://api.example.evil.example/orders"}),
                Some("dpop_wrong_url"),
            ),
        ] {
            let target = Target {
                method: "GET".to_owned(),
                url: format!("{URL}?page=2"),
                alias: Some("https://mtls.example/orders".to_owned()),
            };
            let found = proof(&changed).check_target(&target).err();
            assert_eq!(found.as_ref().map(code), expected, "{changed}");
        }
    }

    #[test]
    fn a_proof_is_for_one_access_token() {
        // RFC 9449 section 7.1.
        let token = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
        let ath = "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo";
        for (changed, token, accepted) in [
            (json!({"ath": ath}), Some(token), true),
            (json!({"ath": ath}), Some("another"), false),
            (json!({"ath": format!("{ath}=")}), Some(token), false),
            (json!({"ath": token}), Some(token), false),
            (json!({}), Some(token), false),
            (json!({}), None, true),
            (json!({"ath": "any"}), None, true),
        ] {
            let found = proof(&changed).check_access_token(token);
            assert_eq!(found.is_ok(), accepted, "{changed} {token:?}");
        }
    }

    #[test]
    fn a_proof_is_valid_for_a_minute_or_as_long_as_its_nonce() {
        let at = Timestamp::from_seconds;
        let until = at(NOW + 100);
        let valid = NonceStatus::Valid { until };
        let (absent, invalid) = (NonceStatus::Absent, NonceStatus::Invalid);
        let refused = Err("dpop_wrong_time");
        for (iat, nonce, required, expected) in [
            (json!(NOW), absent, false, Ok(at(NOW + 61))),
            (json!(NOW as f64 + 0.9), absent, false, Ok(at(NOW + 61))),
            (json!(NOW - 10), absent, false, Ok(at(NOW + 51))),
            (json!(NOW + 10), absent, false, Ok(at(NOW + 71))),
            (json!(NOW - 60), absent, false, Ok(at(NOW + 1))),
            (json!(NOW + 60), absent, false, Ok(at(NOW + 121))),
            (json!(NOW - 61), absent, false, refused),
            (json!(NOW + 61), absent, false, refused),
            (json!(NOW - 3600), absent, false, refused),
            (json!(NOW + 3600), absent, false, refused),
            (json!(0), absent, false, refused),
            (json!(-1e300), absent, false, refused),
            (json!(1e300), absent, false, refused),
            (json!(NOW), absent, true, Err("dpop_nonce")),
            (json!(NOW), invalid, true, Err("dpop_nonce")),
            (json!(NOW), invalid, false, Err("dpop_nonce")),
            (json!(NOW), valid, true, Ok(until)),
            (json!(NOW), valid, false, Ok(until)),
            (json!(NOW - 1800), valid, true, Ok(until)),
            (json!(NOW + 1800), valid, true, Ok(until)),
            (json!(NOW - 3600), valid, true, refused),
            (json!(NOW + 3600), valid, true, refused),
        ] {
            let found = proof(&json!({"iat": iat})).check_times(&nonce, required, at(NOW), at(0));
            let found = found.map_err(|error| code(&error));
            assert_eq!(found, expected, "{iat} {nonce:?} {required}");
        }
    }

    /// A node whose clock is behind must not accept a proof whose use has been forgotten.
    #[test]
    fn a_proof_is_refused_once_its_id_may_have_been_purged() {
        let at = Timestamp::from_seconds;
        let nonce = NonceStatus::Valid {
            until: at(NOW + 61),
        };
        // The id of a proof that is valid until NOW + 61 is purged an hour later, when `past`, which
        // is a day behind the clocks, is 23 hours before that.
        let purged = NOW + 61 - 23 * 3600;
        for (past, accepted) in [(0, true), (purged - 1, true), (purged, false), (NOW, false)] {
            for nonce in [NonceStatus::Absent, nonce] {
                let found =
                    proof(&json!({"iat": NOW})).check_times(&nonce, false, at(NOW), at(past));
                assert_eq!(found.is_ok(), accepted, "{past} {nonce:?}");
            }
        }
    }

    #[test]
    fn the_key_and_the_jti_identify_a_proof() {
        let id = |jti: &str, thumbprint: &str| {
            let thumbprint = thumbprint.to_owned();
            Proof {
                thumbprint,
                ..proof(&json!({"jti": jti}))
            }
            .id()
        };
        assert_eq!(id("one", "a"), id("one", "a"));
        assert_ne!(id("one", "a"), id("two", "a"));
        assert_ne!(id("one", "a"), id("one", "b"));
    }
}
