//! The key pair of a signing key's row: its id, its published half, and the tokens that it signs.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::crypto::jws::{InvalidKey, PrivateKey, PublicKey, SignatureAlgorithm};
use crate::crypto::sealing_key::{SealingKeyError, SealingKeyFile};
use crate::error::Error;
use crate::store::resource_server::TokenTyp;
use crate::store::signing_key::SigningKey;

/// What a new key signs once, to show that it can.
const SELF_TEST: &[u8] = b"keyward";

/// Why a signing key cannot be used. The message is for the operator, and holds nothing of the key.
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

/// A signing key pair, unsealed and parsed.
#[derive(Debug)]
pub struct SigningKeyPair {
    /// The key id: the RFC 7638 thumbprint.
    pub kid: String,
    /// The algorithm that the key signs with.
    pub algorithm: SignatureAlgorithm,
    /// The public half as a JWK with `kid`, `alg` and `use` (RFC 7517).
    pub public_jwk: String,
    private: PrivateKey,
    /// The encoded JWS header and the dot after it, for each `typ`.
    headers: [(JwtTyp, String); 3],
}

/// The header `typ` of what signing keys sign. The type tells access tokens from JWTs of other kinds
/// (RFC 8725 section 3.11), so only access tokens may have `JWT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JwtTyp {
    /// An access token.
    AccessToken(TokenTyp),
    /// An introspection response (RFC 9701 section 5).
    TokenIntrospection,
}

impl JwtTyp {
    const ALL: [JwtTyp; 3] = [
        JwtTyp::AccessToken(TokenTyp::AtJwt),
        JwtTyp::AccessToken(TokenTyp::Jwt),
        JwtTyp::TokenIntrospection,
    ];

    fn as_str(self) -> &'static str {
        match self {
            JwtTyp::AccessToken(typ) => typ.as_str(),
            JwtTyp::TokenIntrospection => "token-introspection+jwt",
        }
    }
}

impl SigningKeyPair {
    /// Generates a key for `algorithm`. An RSA key takes some 100 ms of CPU time: too long for a
    /// request.
    ///
    /// # Errors
    /// [`SigningKeyError`] if the cryptographic library fails.
    pub fn generate(algorithm: SignatureAlgorithm) -> Result<Self, SigningKeyError> {
        loop {
            let key = SigningKeyPair::new(PrivateKey::generate(algorithm)?, algorithm)?;
            // A key id that begins like a flag would be awkward on the command line.
            if !key.kid.starts_with('-') {
                return Ok(key);
            }
        }
    }

    /// Reads a private key in PEM: PKCS#8, PKCS#1 or SEC1; RSA of 2048 to 8192 bits, P-256,
    /// Ed25519 or ML-DSA-44. Without an algorithm, the key is for the usual one of its kind: an RSA
    /// key for RS256, and the others for the only one that there is.
    ///
    /// # Errors
    /// [`SigningKeyError`] if it is none of these, or is not a key for `algorithm`.
    pub fn from_pem(
        pem: &[u8],
        algorithm: Option<SignatureAlgorithm>,
    ) -> Result<Self, SigningKeyError> {
        let private = PrivateKey::from_pem(pem)?;
        let usual = private.default_algorithm();
        let algorithm = algorithm.unwrap_or(usual);
        if !private.public_key()?.is_for(algorithm) {
            let reason = format!(
                "a key for {} cannot sign with {}",
                usual.as_str(),
                algorithm.as_str()
            );
            return Err(SigningKeyError::Unusable(reason.into()));
        }
        SigningKeyPair::new(private, algorithm)
    }

    fn new(private: PrivateKey, algorithm: SignatureAlgorithm) -> Result<Self, SigningKeyError> {
        let public = private.public_key()?;
        let kid = public.thumbprint();
        let mut jwk = public.to_jwk();
        jwk["kid"] = json!(kid);
        jwk["alg"] = json!(algorithm.as_str());
        jwk["use"] = json!("sig");
        // RFC 9068 section 2.1, RFC 9701 section 5
        let headers = JwtTyp::ALL.map(|typ| {
            let header =
                json!({"typ": typ.as_str(), "alg": algorithm.as_str(), "kid": kid}).to_string();
            (typ, format!("{}.", URL_SAFE_NO_PAD.encode(header)))
        });
        let key = SigningKeyPair {
            kid,
            algorithm,
            public_jwk: jwk.to_string(),
            private,
            headers,
        };
        // Some faults only show here: a key too small to sign, or halves that are not a pair.
        let signature = key.signature(SELF_TEST)?;
        public
            .parsed(algorithm)?
            .verify_sig(SELF_TEST, &signature)
            .map_err(|_| "the key does not verify its own signature")?;
        Ok(key)
    }

    /// Unseals the key pair of a row.
    ///
    /// # Errors
    /// [`SigningKeyError`] if the row was sealed with another sealing key file, or holds another
    /// key.
    pub fn open(row: &SigningKey, sealing_keys: &SealingKeyFile) -> Result<Self, SigningKeyError> {
        let pkcs8 = sealing_keys.unseal(&row.kid, &row.private_sealed)?;
        let key = SigningKeyPair::new(PrivateKey::from_pkcs8(pkcs8)?, row.algorithm)?;
        if key.kid == row.kid {
            Ok(key)
        } else {
            Err(SigningKeyError::OtherKey(row.kid.clone()))
        }
    }

    /// The private half, sealed.
    ///
    /// # Errors
    /// [`SealingKeyError`] if the sealing key file cannot be read, or the cryptographic library
    /// fails.
    pub fn sealed(&self, sealing_keys: &SealingKeyFile) -> Result<String, SealingKeyError> {
        sealing_keys.seal(&self.kid, self.private.pkcs8().expose())
    }

    /// Signs `claims`, as a JWS in compact serialization (RFC 7515 section 7.1).
    pub(super) fn sign(&self, typ: JwtTyp, claims: &[u8]) -> Result<String, SigningKeyError> {
        let header = self
            .headers
            .iter()
            .find(|(own, _)| *own == typ)
            .map(|(_, header)| header.as_str())
            .unwrap_or_default();
        let mut token = String::with_capacity(header.len() + claims.len() * 4 / 3 + 360);
        token.push_str(header);
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signature = self.signature(token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    fn signature(&self, message: &[u8]) -> Result<Vec<u8>, SigningKeyError> {
        self.private
            .sign(self.algorithm, message)
            .map_err(|_| SigningKeyError::DoesNotSign(self.kid.clone()))
    }
}

/// The public half of a row.
///
/// # Errors
/// [`SigningKeyError`] if the row's public key is unreadable.
pub(super) fn public_key(row: &SigningKey) -> Result<PublicKey, SigningKeyError> {
    let unreadable = "the public key is unreadable";
    let jwk: Value = serde_json::from_str(&row.public_jwk).map_err(|_| unreadable)?;
    Ok(PublicKey::from_jwk(jwk.as_object().ok_or(unreadable)?)?)
}

/// The public half of a row in PEM (RFC 7468 section 13), for software that does not read JWKs.
///
/// # Errors
/// [`SigningKeyError`] if the row's public key is unreadable.
pub fn public_pem(row: &SigningKey) -> Result<String, SigningKeyError> {
    Ok(public_key(row)?.to_pem()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::jws::Jws;

    #[test]
    fn a_token_is_signed_with_the_algorithm_of_its_key() {
        for algorithm in SignatureAlgorithm::ALL {
            let key = SigningKeyPair::generate(algorithm).unwrap();
            for (typ, name) in [
                (JwtTyp::AccessToken(TokenTyp::AtJwt), "at+jwt"),
                (JwtTyp::AccessToken(TokenTyp::Jwt), "JWT"),
                (JwtTyp::TokenIntrospection, "token-introspection+jwt"),
            ] {
                let token = key.sign(typ, b"{}").unwrap();
                let header = Jws::parse(&token).unwrap().header;
                assert_eq!(header.typ.as_deref(), Some(name));
            }
            let token = key
                .sign(JwtTyp::AccessToken(TokenTyp::AtJwt), b"{}")
                .unwrap();
            let jws = Jws::parse(&token).unwrap();
            assert_eq!(jws.header.alg, algorithm.as_str());
            assert_eq!(jws.header.kid.as_deref(), Some(key.kid.as_str()));
            let published: Value = serde_json::from_str(&key.public_jwk).unwrap();
            assert_eq!(published["alg"], algorithm.as_str());
            let public = PublicKey::from_jwk(published.as_object().unwrap()).unwrap();
            assert!(jws.is_signed_by(&public.parsed(algorithm).unwrap()));
        }
    }

    #[test]
    fn debug_masks_the_private_half() {
        let private = PrivateKey::generate(SignatureAlgorithm::Es256).unwrap();
        let key = SigningKeyPair::new(private, SignatureAlgorithm::Es256).unwrap();
        assert!(format!("{key:?}").contains("pkcs8: ***"));
    }
}
