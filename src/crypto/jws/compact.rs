//! JWS compact serialization (RFC 7515 section 7.1): parsing, and the signature of one key.

use aws_lc_rs::signature::ParsedPublicKey;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};

use super::SignatureAlgorithm;
use super::jwk_set::SignatureError;

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
    /// Whether `typ` allows a JWT to authenticate a client or a workload: it is `JWT`, `JOSE`,
    /// `client-authentication+jwt`, or left out. A JWT of another type, such as an access token or a
    /// DPoP proof, is for something else (RFC 8725 section 3.11).
    pub fn may_authenticate(&self) -> bool {
        let allowed = ["jwt", "jose", "client-authentication+jwt"];
        self.typ.is_none() || allowed.iter().any(|typ| self.has_type(typ))
    }

    /// Whether `typ` is this type. Case is ignored.
    pub fn has_type(&self, expected: &str) -> bool {
        self.short_type()
            .is_some_and(|typ| typ.eq_ignore_ascii_case(expected))
    }

    /// `typ` without the prefix `application/`, which is optional (RFC 7515 section 4.1.9).
    pub fn short_type(&self) -> Option<&str> {
        const PREFIX: &str = "application/";
        let typ = self.typ.as_deref()?;
        let prefixed = typ
            .split_at_checked(PREFIX.len())
            .filter(|(prefix, _)| prefix.eq_ignore_ascii_case(PREFIX));
        Some(prefixed.map_or(typ, |(_, rest)| rest))
    }

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

    /// Decodes members of the JOSE header that [`Header`] does not have, such as `jwk`.
    ///
    /// # Errors
    /// [`DecodeError`] if the header does not have these members.
    pub fn header_members<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        let header = self.signed.split_once('.').map_or("", |(header, _)| header);
        decode_json(header)
    }

    /// Whether the signature was made with this key.
    pub fn is_signed_by(&self, key: &ParsedPublicKey) -> bool {
        key.verify_sig(self.signed.as_bytes(), &self.signature)
            .is_ok()
    }

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

#[cfg(test)]
mod tests {
    use super::*;

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
