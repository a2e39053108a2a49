//! The signature algorithms.

use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An algorithm of signatures, by which Keyward signs or which it accepts (RFC 7518 section 3.1,
/// RFC 8037, RFC 9864, RFC 9964).
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    diesel::expression::AsExpression,
    diesel::deserialize::FromSqlRow,
)]
#[diesel(sql_type = diesel::sql_types::Text)]
pub enum SignatureAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256: the default, which every JWT library verifies.
    #[default]
    Rs256,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    Ed25519,
    /// ML-DSA-44, a post-quantum signature of 2420 bytes (FIPS 204).
    MlDsa44,
}

/// The name is not that of a supported signature algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature algorithms are RS256, PS256, ES256, Ed25519 (or EdDSA) and ML-DSA-44")]
pub struct UnknownAlgorithm;

impl SignatureAlgorithm {
    /// All algorithms, the default first.
    pub const ALL: [SignatureAlgorithm; 5] = [
        SignatureAlgorithm::Rs256,
        SignatureAlgorithm::Ps256,
        SignatureAlgorithm::Es256,
        SignatureAlgorithm::Ed25519,
        SignatureAlgorithm::MlDsa44,
    ];

    /// The registered names. Ed25519 has two: `EdDSA` of RFC 8037 and `Ed25519` of RFC 9864.
    pub const NAMES: [(&'static str, SignatureAlgorithm); 6] = [
        ("RS256", SignatureAlgorithm::Rs256),
        ("PS256", SignatureAlgorithm::Ps256),
        ("ES256", SignatureAlgorithm::Es256),
        ("EdDSA", SignatureAlgorithm::Ed25519),
        ("Ed25519", SignatureAlgorithm::Ed25519),
        ("ML-DSA-44", SignatureAlgorithm::MlDsa44),
    ];

    /// The algorithm with this registered name.
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES
            .iter()
            .find(|(own, _)| *own == name)
            .map(|(_, algorithm)| *algorithm)
    }

    /// The registered names, for metadata that lists the supported algorithms.
    pub fn names() -> Vec<&'static str> {
        Self::NAMES.map(|(name, _)| name).into()
    }

    /// The name that Keyward writes: in JWS headers, in JWKs, in the database and in responses. That
    /// of Ed25519 is `EdDSA`: RFC 9864 deprecates it, but many verifiers know no other name, and the
    /// `alg` of a JWK and of the tokens that its key signed must agree.
    pub const fn as_str(self) -> &'static str {
        match self {
            SignatureAlgorithm::Rs256 => "RS256",
            SignatureAlgorithm::Ps256 => "PS256",
            SignatureAlgorithm::Es256 => "ES256",
            SignatureAlgorithm::Ed25519 => "EdDSA",
            SignatureAlgorithm::MlDsa44 => "ML-DSA-44",
        }
    }
}

impl FromStr for SignatureAlgorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        SignatureAlgorithm::named(name).ok_or(UnknownAlgorithm)
    }
}

impl Serialize for SignatureAlgorithm {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for SignatureAlgorithm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for SignatureAlgorithm {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SignatureAlgorithm".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "enum": SignatureAlgorithm::names()})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_that_of_its_algorithm() {
        for (name, algorithm) in SignatureAlgorithm::NAMES {
            assert_eq!(name.parse(), Ok(algorithm));
            assert_eq!(algorithm.as_str().parse(), Ok(algorithm));
            assert!(SignatureAlgorithm::ALL.contains(&algorithm), "{name}");
        }
        assert_eq!(
            SignatureAlgorithm::ALL[0],
            SignatureAlgorithm::default(),
            "the default first"
        );
        for name in ["none", "HS256", "rs256", ""] {
            assert_eq!(
                name.parse::<SignatureAlgorithm>(),
                Err(UnknownAlgorithm),
                "{name}"
            );
        }
    }
}
