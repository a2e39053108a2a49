//! Security profiles: restrictions of a client, or of all clients of the server, beyond RFC 6749.
//! This file is the one place that says what a profile allows; `oauth` applies it to requests and
//! `manage` to registrations.

use strum::{EnumString, IntoStaticStr, VariantNames};

use super::client::AuthMethod;
use super::grant_type::GrantType;
use super::names::{UnknownName, named_in_json};
use crate::crypto::jws::SignatureAlgorithm;

/// A security profile. Later variants are stricter: of two that apply, the greater one counts.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    EnumString,
    IntoStaticStr,
    VariantNames,
    diesel::expression::AsExpression,
    diesel::deserialize::FromSqlRow,
)]
#[strum(
    serialize_all = "snake_case",
    parse_err_ty = UnknownName,
    parse_err_fn = unknown_profile
)]
#[diesel(sql_type = diesel::sql_types::Text)]
pub enum SecurityProfile {
    /// No restrictions.
    #[default]
    None,
    /// The FAPI 2.0 Security Profile, for the client credentials grant.
    Fapi2,
}

fn unknown_profile(_: &str) -> UnknownName {
    let names = SecurityProfile::VARIANTS.join(", ");
    UnknownName(format!("the security profiles are {names}"))
}

named_in_json!(SecurityProfile);

impl SecurityProfile {
    /// All profiles, from the least strict.
    pub const ALL: [SecurityProfile; 2] = [SecurityProfile::None, SecurityProfile::Fapi2];

    /// The name in settings, in the database and in JSON.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Whether a client may authenticate by this method (FAPI 2.0 Security Profile section 5.3.2.1:
    /// mutual TLS or `private_key_jwt`).
    pub const fn allows_auth_method(self, method: AuthMethod) -> bool {
        match (self, method) {
            (SecurityProfile::None, _)
            | (
                SecurityProfile::Fapi2,
                AuthMethod::PrivateKeyJwt
                | AuthMethod::TlsClientAuth
                | AuthMethod::SelfSignedTlsClientAuth,
            ) => true,
            (
                SecurityProfile::Fapi2,
                AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost,
            ) => false,
        }
    }

    /// Whether JWTs may be signed with this algorithm, by Keyward and by its clients (FAPI 2.0
    /// Security Profile section 5.4.1: PS256, ES256 or Ed25519).
    pub const fn allows_algorithm(self, algorithm: SignatureAlgorithm) -> bool {
        match (self, algorithm) {
            (SecurityProfile::None, _)
            | (
                SecurityProfile::Fapi2,
                SignatureAlgorithm::Ps256 | SignatureAlgorithm::Es256 | SignatureAlgorithm::Ed25519,
            ) => true,
            (SecurityProfile::Fapi2, SignatureAlgorithm::Rs256 | SignatureAlgorithm::MlDsa44) => {
                false
            }
        }
    }

    /// The algorithm to sign with where `preferred` is asked for: ES256 in place of one that the
    /// profile does not allow.
    pub const fn signing_algorithm(self, preferred: SignatureAlgorithm) -> SignatureAlgorithm {
        if self.allows_algorithm(preferred) {
            preferred
        } else {
            SignatureAlgorithm::Es256
        }
    }

    /// Whether a client can get tokens by this grant type. Token exchange replaces client
    /// authentication by an API key or by a JWT of another issuer; the jwt-bearer grant does so too,
    /// except for an ID-JAG, beside which the client authenticates.
    pub const fn allows_grant_type(self, grant_type: GrantType) -> bool {
        match (self, grant_type) {
            (SecurityProfile::None, _)
            | (SecurityProfile::Fapi2, GrantType::ClientCredentials | GrantType::JwtBearer) => true,
            (SecurityProfile::Fapi2, GrantType::TokenExchange) => false,
        }
    }

    /// Whether the API keys of a client are accepted. They are shared secrets.
    pub const fn allows_api_keys(self) -> bool {
        match self {
            SecurityProfile::None => true,
            SecurityProfile::Fapi2 => false,
        }
    }

    /// Whether a JWT of another issuer may stand for the client's own key (trust rules). Such a JWT
    /// is itself a bearer credential, which workloads present again until it expires.
    pub const fn allows_workloads(self) -> bool {
        match self {
            SecurityProfile::None => true,
            SecurityProfile::Fapi2 => false,
        }
    }

    /// Whether `aud` of a client assertion must be the issuer identifier as a string (FAPI 2.0
    /// Security Profile section 5.3.2.1).
    pub const fn requires_string_audience(self) -> bool {
        match self {
            SecurityProfile::None => false,
            SecurityProfile::Fapi2 => true,
        }
    }

    /// Whether access tokens must be bound to a key of the client (FAPI 2.0 Security Profile section
    /// 5.3.2.1).
    pub const fn requires_bound_tokens(self) -> bool {
        match self {
            SecurityProfile::None => false,
            SecurityProfile::Fapi2 => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fapi2_takes_keys_and_no_shared_secret() {
        for method in AuthMethod::ALL {
            let allowed = SecurityProfile::Fapi2.allows_auth_method(method);
            assert_eq!(allowed, !method.uses_secret(), "{method}");
            assert!(SecurityProfile::None.allows_auth_method(method), "{method}");
        }
        assert!(!SecurityProfile::Fapi2.allows_api_keys());
    }

    #[test]
    fn fapi2_signs_with_es256_where_it_does_not_allow_the_algorithm() {
        use SignatureAlgorithm::{Ed25519, Es256, MlDsa44, Ps256, Rs256};
        for (preferred, expected) in [
            (Rs256, Es256),
            (MlDsa44, Es256),
            (Es256, Es256),
            (Ps256, Ps256),
            (Ed25519, Ed25519),
        ] {
            let chosen = SecurityProfile::Fapi2.signing_algorithm(preferred);
            assert_eq!(chosen, expected);
            assert!(SecurityProfile::Fapi2.allows_algorithm(chosen));
            let unrestricted = SecurityProfile::None.signing_algorithm(preferred);
            assert_eq!(unrestricted, preferred);
        }
    }

    #[test]
    fn the_stricter_profile_is_the_greater_one() {
        let [first, last] = SecurityProfile::ALL;
        assert_eq!(first.max(last), SecurityProfile::Fapi2);
        assert_eq!(first, SecurityProfile::default());
    }
}
