//! Resource server: an API that accepts access tokens and API keys. Its identifier is a URI (RFC
//! 8707), the `aud` of its tokens. It has a client of its own to introspect with.

use std::collections::BTreeSet;
use std::str::FromStr;

use diesel::prelude::*;
use serde::{Serialize, Serializer};
use strum::{EnumCount, EnumString, IntoStaticStr, VariantNames};

use super::names::{UnknownName, named_in_json};
use super::schema::{clients, resource_servers};
use super::{Change, Database, StoreError, Transaction};
use crate::clock::Timestamp;
use crate::crypto::jws::SignatureAlgorithm;
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
    EnumCount,
    EnumString,
    IntoStaticStr,
    VariantNames,
    diesel::expression::AsExpression,
    diesel::deserialize::FromSqlRow,
)]
// RFC 7515 section 4.1.9: media types are case-insensitive.
#[strum(
    ascii_case_insensitive,
        parse_err_ty = UnknownName,
    parse_err_fn = unknown_typ
)]
#[diesel(sql_type = diesel::sql_types::Text)]
pub enum TokenTyp {
    /// `at+jwt`, as RFC 9068 section 2.1 asks for.
    #[default]
    #[strum(serialize = "at+jwt")]
    AtJwt,
    /// `JWT`, for libraries that refuse a type they do not know.
    #[strum(serialize = "JWT")]
    Jwt,
}

impl TokenTyp {
    /// All types, the default first.
    pub const ALL: [TokenTyp; TokenTyp::COUNT] = [TokenTyp::AtJwt, TokenTyp::Jwt];

    /// The value of the header.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

fn unknown_typ(_: &str) -> UnknownName {
    let names = TokenTyp::VARIANTS.join(" or ");
    UnknownName(format!("the typ of tokens is {names}"))
}

named_in_json!(TokenTyp);

/// The form of a resource server's access tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenFormat {
    /// The header `typ`.
    pub typ: TokenTyp,
    /// The signature algorithm.
    pub signing_algorithm: SignatureAlgorithm,
}

/// The path of the management API below the issuer.
const MANAGEMENT_PATH: &str = "/api/v1";

/// The audience of the management API of this issuer: a resource that is granted to clients and
/// requested like any other (RFC 8707).
pub fn management_audience(issuer: &str) -> String {
    format!("{}{MANAGEMENT_PATH}", issuer.trim_end_matches('/'))
}

/// Whether the identifier is reserved: it names the issuer itself, or a URI at or below its
/// management API, in any spelling.
pub fn is_reserved(identifier: &str, issuer: &str) -> bool {
    let (Ok(named), Ok(issuer)) = (url::Url::parse(identifier), url::Url::parse(issuer)) else {
        return false;
    };
    // To a reader of a token's audience, http and https of one host are one server.
    let authority = |url: &url::Url| (url.host_str().map(str::to_lowercase), url.port());
    if authority(&named) != authority(&issuer) || !matches!(named.scheme(), "http" | "https") {
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
    /// The display name.
    pub name: String,
    /// The scope tokens that the resource server knows.
    pub scope: Scope,
    /// The client that the resource server introspects with.
    pub client_id: String,
    /// When the resource server was created.
    pub created_at: Timestamp,
    /// The header `typ` of the resource server's tokens.
    pub token_typ: TokenTyp,
    /// The algorithm that signs the resource server's tokens.
    #[serde(rename = "signing_alg")]
    pub signing_algorithm: SignatureAlgorithm,
}

impl ResourceServer {
    /// The form of the resource server's access tokens.
    pub fn token_format(&self) -> TokenFormat {
        TokenFormat {
            typ: self.token_typ,
            signing_algorithm: self.signing_algorithm,
        }
    }
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
    /// The identifiers, separated by spaces, which no URI contains.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The set of these identifiers.
    ///
    /// # Errors
    /// [`InvalidIdentifier`] if one of them cannot be an identifier.
    pub fn parse_all(identifiers: &[String]) -> Result<Self, InvalidIdentifier> {
        identifiers.join(" ").parse()
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The identifiers, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0
            .split(' ')
            .filter(|identifier| !identifier.is_empty())
    }

    /// Whether each identifier is also in `other`.
    pub fn is_subset(&self, other: &Resources) -> bool {
        self.iter().all(|own| other.contains(own))
    }

    /// The identifiers that are also in `other`.
    pub fn intersection(&self, other: &Resources) -> Resources {
        self.iter().filter(|own| other.contains(own)).collect()
    }

    /// Whether `identifier` is in the set, compared byte by byte.
    pub fn contains(&self, identifier: &str) -> bool {
        self.iter().any(|own| own == identifier)
    }
}

/// Whether `text` has the form of an identifier. Identifiers of earlier versions satisfy this rule,
/// too.
fn could_be_identifier(text: &str) -> bool {
    text.len() <= crate::uri::MAX_LENGTH
        && text.contains(':')
        && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Checks that `identifier` can be the identifier of a new resource server.
///
/// # Errors
/// [`UriError`] if it is not an absolute URI, has a fragment, is too long, or is ambiguous.
pub fn check_identifier(identifier: &str) -> Result<(), UriError> {
    ExternalUri::parse(identifier)
        .and_then(ExternalUri::for_resource)
        .map(drop)
}

/// A text that cannot be the identifier of a resource server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:.100?} is no identifier of a resource server: it is an absolute URI")]
pub struct InvalidIdentifier(String);

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
        match identifiers
            .clone()
            .find(|identifier| !could_be_identifier(identifier))
        {
            Some(invalid) => Err(InvalidIdentifier(invalid.to_owned())),
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

/// The resource server with this identifier.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
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

/// All resource servers, by identifier.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn list(database: &mut Database) -> Result<Vec<ResourceServer>, StoreError> {
    Ok(resource_servers::table
        .order(resource_servers::identifier)
        .select(ResourceServer::as_select())
        .load(database)?)
}

/// Whether there is a resource server.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn any(database: &mut Database) -> Result<bool, StoreError> {
    Ok(resource_servers::table
        .select(resource_servers::identifier)
        .first::<String>(database)
        .optional()?
        .is_some())
}

/// The resource servers that introspect with this client: their identifiers, and the algorithms that
/// sign their tokens.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn of_client(
    database: &mut Database,
    client_id: &str,
) -> Result<Vec<(String, SignatureAlgorithm)>, StoreError> {
    Ok(resource_servers::table
        .filter(resource_servers::client_id.eq(client_id))
        .select((
            resource_servers::identifier,
            resource_servers::signing_algorithm,
        ))
        .load(database)?)
}

/// The ids of the clients that may request tokens for the resource server.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
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

/// Those of `resources` whose tokens do not have the default format.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn token_formats(
    database: &mut Database,
    resources: &Resources,
) -> Result<Vec<(String, TokenFormat)>, StoreError> {
    let default = TokenFormat::default();
    let all: Vec<ResourceServer> = resource_servers::table
        .filter(
            resource_servers::token_typ
                .ne(default.typ)
                .or(resource_servers::signing_algorithm.ne(default.signing_algorithm)),
        )
        .select(ResourceServer::as_select())
        .load(database)?;
    Ok(all
        .into_iter()
        .filter(|server| resources.contains(&server.identifier))
        .map(|server| (server.identifier.clone(), server.token_format()))
        .collect())
}

/// Writes the name, the scope and the token format of a resource server, and evicts the clients that
/// may use it, and the one that it introspects with, from the caches.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn update(
    transaction: &mut Transaction<'_>,
    server: &ResourceServer,
) -> Result<(), StoreError> {
    diesel::update(resource_servers::table.find(&server.identifier))
        .set((
            resource_servers::name.eq(&server.name),
            resource_servers::scope.eq(&server.scope),
            resource_servers::token_typ.eq(server.token_typ),
            resource_servers::signing_algorithm.eq(server.signing_algorithm),
        ))
        .execute(transaction.modify())?;
    transaction.changed(Change::Client(server.client_id.clone()));
    for client_id in users(transaction.database, &server.identifier)? {
        transaction.changed(Change::Client(client_id));
    }
    Ok(())
}

/// Inserts a resource server; its identifier must be free.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
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

/// Deletes a resource server, but not its client.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn delete(
    transaction: &mut Transaction<'_>,
    server: &ResourceServer,
) -> Result<(), StoreError> {
    diesel::delete(resource_servers::table.find(&server.identifier))
        .execute(transaction.modify())?;
    transaction.changed(Change::Client(server.client_id.clone()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_issuer_and_its_management_api_are_reserved() {
        const ISSUER: &str = "https://auth.example/tenant/";
        for (identifier, reserved) in [
            ("https://auth.example/tenant", true),
            ("http://auth.example/tenant/", true),
            ("https://AUTH.example/Tenant/api/v1", true),
            ("https://auth.example/tenant/api/v1/clients", true),
            ("https://auth.example//tenant/%61pi/v1/", true),
            ("https://auth.example/tenant/api/v2", false),
            ("https://auth.example/", false),
            ("https://auth.example:8443/tenant", false),
            ("https://orders.example/tenant", false),
            ("urn:auth.example", false),
            ("no URI", false),
        ] {
            assert_eq!(is_reserved(identifier, ISSUER), reserved, "{identifier}");
        }
        assert!(is_reserved(&management_audience(ISSUER), ISSUER));
    }

    #[test]
    fn resources_are_an_ordered_set() {
        let resources: Resources = "urn:b  urn:a urn:b".parse().unwrap();
        assert_eq!(resources.as_str(), "urn:a urn:b");
        assert!(resources.contains("urn:a") && !resources.contains("urn"));
        let one: Resources = "urn:b".parse().unwrap();
        assert!(one.is_subset(&resources) && !resources.is_subset(&one));
        assert!(Resources::default().is_subset(&one));
        let other: Resources = "urn:b urn:c".parse().unwrap();
        assert_eq!(resources.intersection(&other), one);
        assert!(resources.intersection(&Resources::default()).is_empty());
        for text in ["orders", "urn:\u{e9}", "urn:a\turn:b"] {
            assert!(text.parse::<Resources>().is_err(), "{text}");
        }
    }
}
