//! Scope (RFC 6749 section 3.3): an ordered set of case-sensitive, space-delimited tokens.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// Maximum length of a scope, in bytes.
pub const MAX_LENGTH: usize = 4096;

/// Prefix of scope tokens that are rights of the management API, such as `keyward:clients:read`.
pub const RIGHTS_PREFIX: &str = "keyward:";

/// Whether a scope token is reserved for rights of the management API. The comparison ignores case, since a
/// token that differs from a right only in case would mislead.
pub fn is_right(token: &str) -> bool {
    let prefix = token.as_bytes().get(..RIGHTS_PREFIX.len());
    prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case(RIGHTS_PREFIX.as_bytes()))
}

/// A set of scope tokens in canonical form: sorted, without duplicates, separated by single spaces.
#[derive(
    Clone,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    diesel::expression::AsExpression,
    diesel::deserialize::FromSqlRow,
)]
#[diesel(sql_type = diesel::sql_types::Text)]
pub struct Scope(String);

impl Scope {
    /// The canonical form; empty for the empty set.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the scope has no tokens.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The tokens in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.split(' ').filter(|token| !token.is_empty())
    }

    /// The tokens that are rights of the management API, in order.
    pub fn rights(&self) -> impl Iterator<Item = &str> {
        self.iter().filter(|token| is_right(token))
    }

    /// Whether the scope contains every token of `canonical`, a scope in canonical form. Both are sorted, so
    /// one pass without allocation is enough.
    pub fn covers(&self, canonical: &str) -> bool {
        let mut own = self.iter();
        canonical
            .split(' ')
            .filter(|token| !token.is_empty())
            .all(|token| own.any(|own| own == token))
    }

    /// Whether the scope contains `token`.
    pub fn contains(&self, token: &str) -> bool {
        self.iter().any(|own| own == token)
    }

    /// The tokens that are also in `other`.
    pub fn intersection(&self, other: &Scope) -> Scope {
        let all: BTreeSet<&str> = other.iter().collect();
        Scope(
            self.iter()
                .filter(|token| all.contains(token))
                .collect::<Vec<_>>()
                .join(" "),
        )
    }

    /// Whether every token is also in `other`.
    pub fn is_subset(&self, other: &Scope) -> bool {
        let all: BTreeSet<&str> = other.iter().collect();
        self.iter().all(|token| all.contains(token))
    }
}

/// The error for text that is not a valid scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidScope;

impl fmt::Display for InvalidScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a scope is a list of words in printable ASCII without quotes or backslashes, separated by spaces, of at most {MAX_LENGTH} bytes"
        )
    }
}

impl std::error::Error for InvalidScope {}

impl FromStr for Scope {
    type Err = InvalidScope;

    /// `scope-token = 1*( %x21 / %x23-5B / %x5D-7E )`
    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        let allowed = |byte: u8| matches!(byte, b' ' | 0x21 | 0x23..=0x5B | 0x5D..=0x7E);
        if text.len() > MAX_LENGTH || !text.bytes().all(allowed) {
            return Err(InvalidScope);
        }
        let tokens: BTreeSet<&str> = text.split(' ').filter(|token| !token.is_empty()).collect();
        Ok(Scope(tokens.into_iter().collect::<Vec<_>>().join(" ")))
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.0
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Scope {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Scope {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Scope".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string", "description": "Scope tokens separated by spaces (RFC 6749 section 3.3)", "maxLength": MAX_LENGTH,
            "pattern": r"^[ !#-\[\]-~]*$", "examples": ["orders:read orders:write"],
        })
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}
