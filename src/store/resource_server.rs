//! Resource server: an API that accepts tokens and keys, known by its identifier, a URI, which is
//! the `aud` of its tokens (RFC 8707). It has a client of its own to introspect with.

use std::collections::BTreeSet;
use std::str::FromStr;

use diesel::prelude::*;
use serde::{Serialize, Serializer};

use super::schema::{clients, resource_servers};
use super::{Change, Database, StoreError, Transaction};
use crate::clock::Timestamp;
use crate::scope::Scope;
use crate::uri::{ExternalUri, UriError};

/// The header `typ` of a resource server's tokens.
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
pub enum TokenTyp {
    /// `at+jwt`, as RFC 9068 section 2.1 asks for.
    #[default]
    AtJwt,
    /// `JWT`, for libraries that refuse what they do not know.
    Jwt,
}

impl TokenTyp {
    /// Every one there is, the default first.
    pub const ALL: [TokenTyp; 2] = [TokenTyp::AtJwt, TokenTyp::Jwt];

    /// As it stands in the header.
    pub const fn as_str(self) -> &'static str {
        match self {
            TokenTyp::AtJwt => "at+jwt",
            TokenTyp::Jwt => "JWT",
        }
    }
}

impl FromStr for TokenTyp {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // RFC 7515 section 4.1.9: media types know no case.
        let found = TokenTyp::ALL
            .into_iter()
            .find(|typ| typ.as_str().eq_ignore_ascii_case(text));
        found.ok_or_else(|| {
            format!(
                "the typ of tokens is {}",
                TokenTyp::ALL.map(TokenTyp::as_str).join(" or ")
            )
        })
    }
}

impl Serialize for TokenTyp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> serde::Deserialize<'de> for TokenTyp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for TokenTyp {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TokenTyp".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "enum": TokenTyp::ALL.map(TokenTyp::as_str)})
    }
}

/// The path of the management API below the issuer.
const MANAGEMENT_PATH: &str = "/api/v1";

/// The audience of the management API of this issuer: a resource that has to be given to a client and
/// is asked for like any other (RFC 8707).
pub fn management_audience(issuer: &str) -> String {
    format!("{}{MANAGEMENT_PATH}", issuer.trim_end_matches('/'))
}

/// Whether no resource server may have this identifier, since it names the issuer itself or anything
/// at or below its management API, in whatever spelling.
pub fn is_reserved(identifier: &str, issuer: &str) -> bool {
    let (Ok(named), Ok(issuer)) = (url::Url::parse(identifier), url::Url::parse(issuer)) else {
        return false;
    };
    // Plain http and https of one host are one server to whoever reads a token's audience.
    let place = |url: &url::Url| (url.host_str().map(str::to_lowercase), url.port());
    if place(&named) != place(&issuer) || !matches!(named.scheme(), "http" | "https") {
        return false;
    }
    let path = |url: &url::Url| {
        let decoded = percent_encoding::percent_decode_str(url.path())
            .decode_utf8_lossy()
            .to_lowercase();
        decoded
            .split('/')
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let (named, issuer) = (path(&named), path(&issuer));
    let own = MANAGEMENT_PATH
        .split('/')
        .filter(|part| !part.is_empty())
        .map(str::to_owned);
    let management: Vec<String> = issuer.iter().cloned().chain(own).collect();
    named == issuer || named.starts_with(&management)
}

/// A row of `resource_servers`.
#[derive(Clone, Debug, Queryable, Selectable, Insertable, Serialize)]
pub struct ResourceServer {
    /// An absolute URI without a fragment (RFC 8707 section 2).
    pub identifier: String,
    /// What people call it.
    pub name: String,
    /// The scope tokens that it knows.
    pub scope: Scope,
    /// The client that it introspects with.
    pub client_id: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// The header `typ` of its tokens.
    pub token_typ: TokenTyp,
}

/// An ordered set of resource server identifiers.
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
pub struct Resources(String);

impl Resources {
    /// The identifiers with a space between, which no URI holds.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0
            .split(' ')
            .filter(|identifier| !identifier.is_empty())
    }

    /// Whether each of them is in `other` too.
    pub fn is_subset(&self, other: &Resources) -> bool {
        self.iter().all(|own| other.contains(own))
    }

    /// Whether `identifier` is one of them, character by character.
    pub fn contains(&self, identifier: &str) -> bool {
        self.iter().any(|own| own == identifier)
    }
}

/// Whether a resource server may be known by this name: the rule that identifiers have always kept.
fn could_be_identifier(text: &str) -> bool {
    text.len() <= crate::uri::MAX_LENGTH
        && text.contains(':')
        && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Checks that `identifier` may name a new resource server.
///
/// # Errors
/// Where it is no absolute URI, has a fragment or is too long, or where others could read it otherwise.
pub fn check_identifier(identifier: &str) -> Result<(), UriError> {
    ExternalUri::parse(identifier)
        .and_then(ExternalUri::for_resource)
        .map(drop)
}

impl<'a> FromIterator<&'a str> for Resources {
    fn from_iter<I: IntoIterator<Item = &'a str>>(identifiers: I) -> Self {
        let set: BTreeSet<&str> = identifiers.into_iter().collect();
        Resources(set.into_iter().collect::<Vec<_>>().join(" "))
    }
}

impl FromStr for Resources {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let identifiers = text.split(' ').filter(|identifier| !identifier.is_empty());
        match identifiers
            .clone()
            .find(|identifier| !could_be_identifier(identifier))
        {
            Some(wrong) => Err(format!(
                "{wrong:.100?} is no identifier of a resource server: it is an absolute URI"
            )),
            None => Ok(identifiers.collect()),
        }
    }
}

impl schemars::JsonSchema for Resources {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Resources".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "array", "items": {"type": "string"}, "examples": [["https://orders.example/"]]})
    }
}

impl Serialize for Resources {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

/// By its identifier.
///
/// # Errors
/// Where the database gave no answer.
pub fn find(
    database: &mut Database,
    identifier: &str,
) -> Result<Option<ResourceServer>, StoreError> {
    if !could_be_identifier(identifier) {
        return Ok(None);
    }
    Ok(resource_servers::table
        .find(identifier)
        .select(ResourceServer::as_select())
        .first(database)
        .optional()?)
}

/// All of them, by identifier.
///
/// # Errors
/// Where the database gave no answer.
pub fn list(database: &mut Database) -> Result<Vec<ResourceServer>, StoreError> {
    Ok(resource_servers::table
        .order(resource_servers::identifier)
        .select(ResourceServer::as_select())
        .load(database)?)
}

/// Whether there is any.
///
/// # Errors
/// Where the database gave no answer.
pub fn any(database: &mut Database) -> Result<bool, StoreError> {
    Ok(resource_servers::table
        .select(resource_servers::identifier)
        .first::<String>(database)
        .optional()?
        .is_some())
}

/// The identifiers of those that introspect with this client.
///
/// # Errors
/// Where the database gave no answer.
pub fn of_client(database: &mut Database, client_id: &str) -> Result<Vec<String>, StoreError> {
    let own = resource_servers::table.filter(resource_servers::client_id.eq(client_id));
    Ok(own.select(resource_servers::identifier).load(database)?)
}

/// The clients that may ask for tokens for it.
///
/// # Errors
/// Where the database gave no answer.
pub fn users(database: &mut Database, identifier: &str) -> Result<Vec<String>, StoreError> {
    let all: Vec<(String, Resources)> = clients::table
        .filter(clients::resources.ne(""))
        .select((clients::client_id, clients::resources))
        .load(database)?;
    Ok(all
        .into_iter()
        .filter(|(_, resources)| resources.contains(identifier))
        .map(|(id, _)| id)
        .collect())
}

/// Of these resource servers, the ones whose tokens have this `typ`.
///
/// # Errors
/// Where the database gave no answer.
pub fn with_typ(
    database: &mut Database,
    resources: &Resources,
    typ: TokenTyp,
) -> Result<Resources, StoreError> {
    let all = resource_servers::table.filter(resource_servers::token_typ.eq(typ));
    let all: Vec<String> = all.select(resource_servers::identifier).load(database)?;
    Ok(all
        .iter()
        .map(String::as_str)
        .filter(|identifier| resources.contains(identifier))
        .collect())
}

/// Changes the `typ` of its tokens; the clients that may use it are read anew.
///
/// # Errors
/// Where the database gave no answer.
pub fn set_typ(
    transaction: &mut Transaction<'_>,
    identifier: &str,
    typ: TokenTyp,
) -> Result<(), StoreError> {
    let row = diesel::update(resource_servers::table.find(identifier));
    row.set(resource_servers::token_typ.eq(typ))
        .execute(transaction.modify())?;
    for client_id in users(transaction.database, identifier)? {
        transaction.changed(Change::Client(client_id));
    }
    Ok(())
}

/// Adds one; the identifier must be free.
///
/// # Errors
/// Where the database gave no answer.
pub fn insert(
    transaction: &mut Transaction<'_>,
    server: &ResourceServer,
) -> Result<(), StoreError> {
    diesel::insert_into(resource_servers::table)
        .values(server)
        .execute(transaction.modify())?;
    transaction.changed(Change::Client(server.client_id.clone()));
    Ok(())
}

/// Removes one; its client is the caller's to remove.
///
/// # Errors
/// Where the database gave no answer.
pub fn delete(
    transaction: &mut Transaction<'_>,
    server: &ResourceServer,
) -> Result<(), StoreError> {
    diesel::delete(resource_servers::table.find(&server.identifier))
        .execute(transaction.modify())?;
    transaction.changed(Change::Client(server.client_id.clone()));
    Ok(())
}
