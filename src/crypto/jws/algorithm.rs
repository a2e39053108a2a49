//! The signature algorithms.

use std::str::FromStr;

/// An algorithm of signatures, by which Keyward signs or which it accepts (RFC 7518 section 3.1,
/// RFC 8037, RFC 9864).
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    diesel::expression::AsExpression,
    diesel::deserialize::FromSqlRow,
)]
#[diesel(sql_type = diesel::sql_types::Text)]
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

/// The name is not that of a supported signature algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature algorithm is unknown")]
pub struct UnknownAlgorithm;

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

    /// The name that Keyward writes: in JWS headers, in JWKs and in the database. That of Ed25519 is
    /// `EdDSA`, which verifiers have known for longer.
    pub const fn as_str(self) -> &'static str {
        match self {
            SignatureAlgorithm::Rs256 => "RS256",
            SignatureAlgorithm::Ps256 => "PS256",
            SignatureAlgorithm::Es256 => "ES256",
            SignatureAlgorithm::Ed25519 => "EdDSA",
        }
    }
}

impl FromStr for SignatureAlgorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        SignatureAlgorithm::named(name).ok_or(UnknownAlgorithm)
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
        }
        for name in ["none", "HS256", "rs256", ""] {
            assert_eq!(
                name.parse::<SignatureAlgorithm>(),
                Err(UnknownAlgorithm),
                "{name}"
            );
        }
    }
}
