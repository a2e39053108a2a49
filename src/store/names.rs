//! Enums whose variants have names: in columns, in JSON and on the command line.

use std::borrow::Cow;

/// A text that is not the name of a variant; the message lists the names that exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnknownName(pub(super) String);

impl From<UnknownName> for Cow<'static, str> {
    fn from(error: UnknownName) -> Self {
        error.0.into()
    }
}

/// Implements serde's traits and the JSON schema of a named enum: a string, one of the names.
macro_rules! named_in_json {
    ($($type:ident),*) => {$(
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?
                    .parse()
                    .map_err(serde::de::Error::custom)
            }
        }

        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let names = <$type as strum::VariantNames>::VARIANTS;
                schemars::json_schema!({"type": "string", "enum": names})
            }
        }
    )*};
}

pub(super) use named_in_json;

#[cfg(test)]
mod tests {
    use crate::crypto::jws::SignatureAlgorithm;
    use crate::store::client::{AuthMethod, DisabledBy};
    use crate::store::language::Language;
    use crate::store::resource_server::TokenTyp;
    use crate::store::security_profile::SecurityProfile;
    use crate::store::session::AuthLevel;
    use crate::store::user::Role;

    /// The names are in databases, in the API and in the protocol.
    #[test]
    fn names_are_stable() {
        macro_rules! check {
            ($type:ident: $($name:literal => $variant:ident),*) => {$(
                assert_eq!($type::$variant.as_str(), $name);
                assert_eq!($name.parse::<$type>(), Ok($type::$variant), "{}", $name);
            )*};
        }
        check!(AuthMethod: "client_secret_basic" => ClientSecretBasic, "client_secret_post" => ClientSecretPost,
            "private_key_jwt" => PrivateKeyJwt, "tls_client_auth" => TlsClientAuth,
            "self_signed_tls_client_auth" => SelfSignedTlsClientAuth);
        check!(DisabledBy: "operator" => Operator, "account" => Account);
        check!(TokenTyp: "at+jwt" => AtJwt, "JWT" => Jwt);
        check!(Language: "en" => English, "fr" => French);
        check!(SecurityProfile: "none" => None, "fapi2" => Fapi2);
        check!(AuthLevel: "password" => Password, "all" => All);
        check!(SignatureAlgorithm: "RS256" => Rs256, "PS256" => Ps256, "ES256" => Es256, "EdDSA" => Ed25519,
            "ML-DSA-44" => MlDsa44);
        check!(Role: "operator" => Operator, "administrator" => Administrator, "developer" => Developer,
            "viewer" => Viewer);
    }

    #[test]
    fn an_unknown_name_is_refused_with_those_that_exist() {
        let refused = [
            "admin".parse::<Role>().unwrap_err(),
            "none".parse::<AuthMethod>().unwrap_err(),
            "jws".parse::<TokenTyp>().unwrap_err(),
        ];
        assert_eq!(
            refused.map(|error| error.to_string()),
            [
                "the roles are operator, administrator, developer, viewer",
                "the authentication methods are client_secret_basic, client_secret_post, private_key_jwt, tls_client_auth, self_signed_tls_client_auth",
                "the typ of tokens is at+jwt or JWT",
            ]
        );
        // RFC 7515 section 4.1.9: media types are case-insensitive.
        assert_eq!("AT+JWT".parse(), Ok(TokenTyp::AtJwt));
        assert!("Operator".parse::<Role>().is_err());
    }
}
