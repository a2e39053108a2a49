//! DPoP proofs (RFC 9449 section 4.2) for token requests.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyward::clock::Timestamp;
use serde_json::json;

use crate::Outcome;

/// The holder of a key, who signs proofs for one URL.
pub struct Prover {
    key: EcdsaKeyPair,
    header: String,
    url: String,
}

impl Prover {
    /// A new key, for POST requests to this URL.
    pub fn new(url: String) -> Outcome<Self> {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
        let point = key.public_key().as_ref();
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let (x, y) = (encode(&point[1..33]), encode(&point[33..]));
        let header = json!({
            "typ": "dpop+jwt", "alg": "ES256", "jwk": {"kty": "EC", "crv": "P-256", "x": x, "y": y},
        });
        Ok(Prover {
            header: encode(header.to_string().as_bytes()),
            key,
            url,
        })
    }

    /// A new proof, which can be used once.
    pub fn proof(&self) -> Outcome<String> {
        let claims = json!({
            "jti": uuid::Uuid::now_v7(), "htm": "POST", "htu": self.url,
            "iat": Timestamp::now().seconds(),
        });
        let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
        let message = format!("{}.{claims}", self.header);
        let signature = self.key.sign(&SystemRandom::new(), message.as_bytes())?;
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}
