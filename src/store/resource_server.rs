//! Resource server: an API that accepts tokens and keys, known by its identifier, a URI, which is
//! the `aud` of its tokens (RFC 8707). It has a client of its own to introspect with.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use diesel::prelude::*;
use serde::{Serialize, Serializer};

use super::schema::{clients, resource_servers};
use super::{Change, Database, StoreError, Transaction};
use crate::clock::Timestamp;
use crate::scope::Scope;

/// The longest identifier, in bytes.
pub const MAX_IDENTIFIER_LENGTH: usize = 512;

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
    let (Ok(named), Ok(issuer)) = (url::Url::parse(identifier), url::Url::parse(issuer)) else { return false };
    // Plain http and https of one host are one server to whoever reads a token's audience.
    let place = |url: &url::Url| (url.host_str().map(str::to_lowercase), url.port());
    if place(&named) != place(&issuer) || !matches!(named.scheme(), "http" | "https") {
        return false;
    }
    let path = |url: &url::Url| {
        let decoded = percent_encoding::percent_decode_str(url.path()).decode_utf8_lossy().to_lowercase();
        decoded.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    let (named, issuer) = (path(&named), path(&issuer));
    let own = MANAGEMENT_PATH.split('/').filter(|part| !part.is_empty()).map(str::to_owned);
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
}

/// An ordered set of resource server identifiers.
#[derive(Clone, Debug, Default, PartialEq, Eq, diesel::expression::AsExpression, diesel::deserialize::FromSqlRow)]
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
        self.0.split(' ').filter(|identifier| !identifier.is_empty())
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

/// Why something is no identifier of a resource server.
#[derive(Debug, PartialEq, Eq)]
pub struct InvalidIdentifier(String);

impl fmt::Display for InvalidIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not an absolute URI without a fragment, of {MAX_IDENTIFIER_LENGTH} bytes at the most", self.0)
    }
}

impl std::error::Error for InvalidIdentifier {}

/// Checks that `identifier` may name a resource server.
///
/// # Errors
/// Where it is no absolute URI, has a fragment or is too long.
pub fn check_identifier(identifier: &str) -> Result<(), InvalidIdentifier> {
    let printable = identifier.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'));
    let absolute = url::Url::parse(identifier).is_ok_and(|url| url.fragment().is_none());
    if printable && absolute && identifier.len() <= MAX_IDENTIFIER_LENGTH {
        Ok(())
    } else {
        Err(InvalidIdentifier(identifier.chars().take(80).collect()))
    }
}

impl<'a> FromIterator<&'a str> for Resources {
    fn from_iter<I: IntoIterator<Item = &'a str>>(identifiers: I) -> Self {
        let set: BTreeSet<&str> = identifiers.into_iter().collect();
        Resources(set.into_iter().collect::<Vec<_>>().join(" "))
    }
}

impl FromStr for Resources {
    type Err = InvalidIdentifier;

    fn from_str(text: &str) -> Result<Self, InvalidIdentifier> {
        let identifiers = text.split(' ').filter(|identifier| !identifier.is_empty());
        identifiers.clone().try_for_each(check_identifier)?;
        Ok(identifiers.collect())
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
pub fn find(database: &mut Database, identifier: &str) -> Result<Option<ResourceServer>, StoreError> {
    Ok(resource_servers::table.find(identifier).select(ResourceServer::as_select()).first(database).optional()?)
}

/// All of them, by identifier.
///
/// # Errors
/// Where the database gave no answer.
pub fn list(database: &mut Database) -> Result<Vec<ResourceServer>, StoreError> {
    Ok(resource_servers::table.order(resource_servers::identifier).select(ResourceServer::as_select()).load(database)?)
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
    let all: Vec<(String, Resources)> =
        clients::table.filter(clients::resources.ne("")).select((clients::client_id, clients::resources)).load(database)?;
    Ok(all.into_iter().filter(|(_, resources)| resources.contains(identifier)).map(|(id, _)| id).collect())
}

/// Adds one; the identifier must be free.
///
/// # Errors
/// Where the database gave no answer.
pub fn insert(transaction: &mut Transaction<'_>, server: &ResourceServer) -> Result<(), StoreError> {
    diesel::insert_into(resource_servers::table).values(server).execute(transaction.database)?;
    transaction.changed(Change::Client(server.client_id.clone()));
    Ok(())
}

/// Removes one; its client is the caller's to remove.
///
/// # Errors
/// Where the database gave no answer.
pub fn delete(transaction: &mut Transaction<'_>, server: &ResourceServer) -> Result<(), StoreError> {
    diesel::delete(resource_servers::table.find(&server.identifier)).execute(transaction.database)?;
    transaction.changed(Change::Client(server.client_id.clone()));
    Ok(())
}
