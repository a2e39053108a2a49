//! Grant types (RFC 6749 section 1.3), and the set of them that a client is registered for.

use std::convert::Infallible;
use std::str::FromStr;

use strum::{EnumString, IntoStaticStr, VariantArray, VariantNames};

/// A grant type of the token endpoint.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray, VariantNames,
)]
pub enum GrantType {
    /// The client credentials grant (RFC 6749 section 4.4).
    #[strum(serialize = "client_credentials")]
    ClientCredentials,
    /// Token exchange (RFC 8693).
    #[strum(serialize = "urn:ietf:params:oauth:grant-type:token-exchange")]
    TokenExchange,
    /// A JWT of another issuer as the authorization grant (RFC 7523 section 2.1).
    #[strum(serialize = "urn:ietf:params:oauth:grant-type:jwt-bearer")]
    JwtBearer,
}

impl GrantType {
    /// The names of all grant types, as in `grant_types_supported` (RFC 8414).
    pub const NAMES: &'static [&'static str] = <GrantType as VariantNames>::VARIANTS;

    /// All grant types.
    pub const ALL: &'static [GrantType] = <GrantType as VariantArray>::VARIANTS;

    /// The value of the parameter `grant_type`.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The registered grant types of a client (`grant_types`, RFC 7591 section 2). They are parsed
/// once, when the row is loaded.
#[derive(
    Clone,
    Debug,
    Default,
    PartialEq,
    Eq,
    diesel::expression::AsExpression,
    diesel::deserialize::FromSqlRow,
)]
#[diesel(sql_type = diesel::sql_types::Text)]
pub struct GrantTypes {
    text: String,
    parsed: Vec<GrantType>,
}

impl GrantTypes {
    /// The names, separated by spaces, in the order of the registration.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The names, in the order of the registration.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.text.split(' ').filter(|name| !name.is_empty())
    }

    /// Whether the client is registered for this grant type.
    pub fn contains(&self, grant_type: GrantType) -> bool {
        self.parsed.contains(&grant_type)
    }
}

impl FromStr for GrantTypes {
    type Err = Infallible;

    /// Parses names separated by spaces. A name that this version does not know is kept in the
    /// text, and grants nothing.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(GrantTypes {
            parsed: text.split(' ').flat_map(str::parse).collect(),
            text: text.to_owned(),
        })
    }
}

impl FromIterator<GrantType> for GrantTypes {
    fn from_iter<I: IntoIterator<Item = GrantType>>(grant_types: I) -> Self {
        let parsed: Vec<GrantType> = grant_types.into_iter().collect();
        let names: Vec<&str> = parsed
            .iter()
            .map(|grant_type| grant_type.as_str())
            .collect();
        GrantTypes {
            text: names.join(" "),
            parsed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
    const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

    #[test]
    fn a_grant_type_has_one_name() {
        assert_eq!(
            GrantType::NAMES,
            ["client_credentials", TOKEN_EXCHANGE, JWT_BEARER]
        );
        for name in GrantType::NAMES {
            let parsed: GrantType = name.parse().unwrap();
            assert_eq!(parsed.as_str(), *name);
        }
        for unknown in ["", "password", "Client_Credentials", "client_credentials "] {
            assert!(unknown.parse::<GrantType>().is_err(), "{unknown:?}");
        }
    }

    #[test]
    fn the_registered_grant_types_keep_their_text() {
        use GrantType::{ClientCredentials, TokenExchange};
        let both = format!("{TOKEN_EXCHANGE} client_credentials");
        for (text, allowed, not_allowed) in [
            ("", vec![], vec![ClientCredentials, TokenExchange]),
            (
                "client_credentials",
                vec![ClientCredentials],
                vec![TokenExchange],
            ),
            (&both, vec![ClientCredentials, TokenExchange], vec![]),
            (
                "urn:later client_credentials",
                vec![ClientCredentials],
                vec![TokenExchange],
            ),
        ] {
            let parsed: GrantTypes = text.parse().unwrap();
            assert_eq!(parsed.as_str(), text);
            for grant_type in allowed {
                assert!(parsed.contains(grant_type), "{text:?}: {grant_type:?}");
            }
            for grant_type in not_allowed {
                assert!(!parsed.contains(grant_type), "{text:?}: {grant_type:?}");
            }
        }
        let collected: GrantTypes = [TokenExchange, ClientCredentials].into_iter().collect();
        assert_eq!(collected.as_str(), both);
        assert_eq!(
            collected.names().collect::<Vec<_>>(),
            [TOKEN_EXCHANGE, "client_credentials"]
        );
    }
}
