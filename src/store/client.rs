//! Client (RFC 6749 section 2): an application of an account.

use std::fmt;
use std::str::FromStr;

use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};

use super::audit::{Action, Recorder};
use super::resource_server::Resources;
use super::schema::{api_keys, client_secrets, clients, revoked_api_keys};
use super::{Change, Database, StoreError, Transaction};
use crate::clock::Timestamp;
use crate::credential::random_bytes;
use crate::scope::Scope;

/// How a client authenticates at Keyward's own endpoints (RFC 7591 section 2,
/// `token_endpoint_auth_method`). A client uses only the one it is registered with, save that
/// basic and post serve for each other.
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
pub enum AuthMethod {
    /// The secret in an HTTP Basic header.
    ClientSecretBasic,
    /// The secret in the body.
    ClientSecretPost,
    /// A signed assertion (RFC 7523).
    PrivateKeyJwt,
}

impl AuthMethod {
    /// Every one there is, in the order of the metadata document.
    pub const ALL: [AuthMethod; 3] = [
        AuthMethod::ClientSecretBasic,
        AuthMethod::ClientSecretPost,
        AuthMethod::PrivateKeyJwt,
    ];

    /// The registered name.
    pub const fn as_str(self) -> &'static str {
        match self {
            AuthMethod::ClientSecretBasic => "client_secret_basic",
            AuthMethod::ClientSecretPost => "client_secret_post",
            AuthMethod::PrivateKeyJwt => "private_key_jwt",
        }
    }

    /// Whether it needs a client secret.
    pub const fn uses_secret(self) -> bool {
        matches!(
            self,
            AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost
        )
    }
}

impl FromStr for AuthMethod {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        AuthMethod::ALL
            .into_iter()
            .find(|method| method.as_str() == text)
            .ok_or_else(|| {
                format!(
                    "the authentication methods are {}",
                    AuthMethod::ALL.map(AuthMethod::as_str).join(", ")
                )
            })
    }
}

impl<'de> serde::Deserialize<'de> for AuthMethod {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for AuthMethod {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "AuthMethod".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "enum": AuthMethod::ALL.map(AuthMethod::as_str)})
    }
}

impl fmt::Display for AuthMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who disabled a client.
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
pub enum DisabledBy {
    /// An operator, who alone enables it again.
    Operator,
    /// Somebody of the client's own account.
    Account,
}

impl DisabledBy {
    /// As it is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            DisabledBy::Operator => "operator",
            DisabledBy::Account => "account",
        }
    }
}

impl FromStr for DisabledBy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = [DisabledBy::Operator, DisabledBy::Account]
            .into_iter()
            .find(|by| by.as_str() == text);
        found.ok_or_else(|| format!("a client is disabled by operator or account, not by {text:?}"))
    }
}

impl serde::Serialize for DisabledBy {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl schemars::JsonSchema for DisabledBy {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "DisabledBy".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let names = [DisabledBy::Operator, DisabledBy::Account].map(DisabledBy::as_str);
        schemars::json_schema!({"type": "string", "enum": names})
    }
}

/// A row of `clients`.
#[derive(Clone, Debug, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(treat_none_as_null = true)]
pub struct Client {
    /// What the client is known by.
    pub client_id: String,
    /// Whose it is.
    pub account_id: String,
    /// What people call it (`client_name`).
    pub name: String,
    /// How it authenticates.
    pub auth_method: AuthMethod,
    /// The grants that it may use (RFC 7591 section 2), with a space between.
    pub grant_types: String,
    /// The most that it may ask for.
    pub scope: Scope,
    /// The resource servers for which it may ask for tokens.
    pub resources: Resources,
    /// Whether it may call the introspection endpoint.
    pub may_introspect: bool,
    /// Its public keys (RFC 7517), for `private_key_jwt`.
    pub jwks: Option<String>,
    /// Where its public keys are, instead.
    pub jwks_uri: Option<String>,
    /// The other registered members (RFC 7591), as a JSON object.
    pub metadata: String,
    /// For a client that registered itself: the most that it may give itself, as JSON.
    pub registration_limits: Option<String>,
    /// Of its registration access token (RFC 7592), where it has one.
    pub registration_token_hash: Option<String>,
    /// Since when it is refused.
    pub disabled_at: Option<Timestamp>,
    /// Tokens issued until then are revoked. Only "revoke all" of before there was a
    /// [`Client::token_epoch`] has written it.
    pub tokens_void_before: Timestamp,
    /// When it was made.
    pub created_at: Timestamp,
    /// How often all tokens were revoked. A token is active only under the number that it was issued
    /// under, so no clock has a say in it.
    pub token_epoch: i64,
    /// Who disabled it, where it is disabled.
    pub disabled_by: Option<DisabledBy>,
}

impl Client {
    /// A new one that may nothing yet.
    pub fn new(name: String, account_id: String, auth_method: AuthMethod, now: Timestamp) -> Self {
        Client {
            client_id: uuid::Builder::from_random_bytes(random_bytes())
                .into_uuid()
                .to_string(),
            account_id,
            name,
            auth_method,
            grant_types: String::new(),
            scope: Scope::default(),
            resources: Resources::default(),
            may_introspect: false,
            jwks: None,
            jwks_uri: None,
            metadata: "{}".to_owned(),
            registration_limits: None,
            registration_token_hash: None,
            disabled_at: None,
            tokens_void_before: Timestamp::EPOCH,
            created_at: now,
            token_epoch: 0,
            disabled_by: None,
        }
    }

    /// Whether a token, issued under that epoch in that millisecond, was revoked with all of the client's.
    pub fn has_revoked(&self, token_epoch: i64, issued_at: Timestamp) -> bool {
        token_epoch != self.token_epoch || issued_at <= self.tokens_void_before
    }

    /// Refuses all that it presents. What an operator disabled stays so, whoever disables it too.
    pub fn disable(&mut self, by: DisabledBy, now: Timestamp) {
        self.disabled_at.get_or_insert(now);
        if self.disabled_by != Some(DisabledBy::Operator) {
            self.disabled_by = Some(by);
        }
    }

    /// Takes that back.
    pub fn enable(&mut self) {
        (self.disabled_at, self.disabled_by) = (None, None);
    }

    /// Whether it may use this grant.
    pub fn may_use(&self, grant_type: &str) -> bool {
        self.grant_types.split(' ').any(|own| own == grant_type)
    }
}

/// Whether `text` could be the id of a client (RFC 6749 appendix A.1) or of any other row. What
/// could not be one is not worth a look, and Postgres takes no NUL.
pub fn could_be_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= 128 && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// By its `client_id`.
///
/// # Errors
/// Where the database gave no answer.
pub fn find(database: &mut Database, client_id: &str) -> Result<Option<Client>, StoreError> {
    if !could_be_id(client_id) {
        return Ok(None);
    }
    Ok(clients::table
        .find(client_id)
        .select(Client::as_select())
        .first(database)
        .optional()?)
}

/// All of them, or those of one account, the oldest first, from behind one, `limit` at the most.
///
/// # Errors
/// Where the database gave no answer.
pub fn list(
    database: &mut Database,
    account_id: Option<&str>,
    after: Option<(Timestamp, String)>,
    limit: i64,
) -> Result<Vec<Client>, StoreError> {
    let (moment, id) = after.unwrap_or((Timestamp::EPOCH, String::new()));
    let later = clients::created_at.gt(moment).or(clients::created_at
        .eq(moment)
        .and(clients::client_id.gt(id)));
    let all = clients::table
        .filter(later)
        .order((clients::created_at, clients::client_id))
        .limit(limit);
    let all = all.select(Client::as_select());
    Ok(match account_id {
        Some(account_id) => all
            .filter(clients::account_id.eq(account_id))
            .load(database)?,
        None => all.load(database)?,
    })
}

/// Whether there is any.
///
/// # Errors
/// Where the database gave no answer.
pub fn any(database: &mut Database) -> Result<bool, StoreError> {
    Ok(clients::table
        .select(clients::client_id)
        .first::<String>(database)
        .optional()?
        .is_some())
}

/// Those of this id, or whose names hold this text whatever its case; of one account where one is named;
/// by name, `limit` at the most.
///
/// # Errors
/// Where the database gave no answer.
pub fn search(
    database: &mut Database,
    account_id: Option<&str>,
    text: &str,
    limit: i64,
) -> Result<Vec<Client>, StoreError> {
    let escaped: String = text
        .to_lowercase()
        .chars()
        .flat_map(|c| {
            ['%', '_', '\\']
                .contains(&c)
                .then_some('\\')
                .into_iter()
                .chain([c])
        })
        .collect();
    let named = lower(clients::name)
        .like(format!("%{escaped}%"))
        .escape('\\')
        .or(clients::client_id.eq(text));
    let found = clients::table
        .filter(named)
        .order((clients::name, clients::client_id))
        .limit(limit)
        .select(Client::as_select());
    Ok(match account_id {
        Some(account_id) => found
            .filter(clients::account_id.eq(account_id))
            .load(database)?,
        None => found.load(database)?,
    })
}

/// The different pairs of scope and resource servers that the clients of an account have, without the clients that
/// an operator disabled.
///
/// # Errors
/// Where the database gave no answer.
pub fn grants(
    database: &mut Database,
    account_id: &str,
) -> Result<Vec<(Scope, Resources)>, StoreError> {
    let own = clients::table
        .filter(clients::account_id.eq(account_id))
        .filter(not_disabled_by_operator());
    Ok(own
        .select((clients::scope, clients::resources))
        .distinct()
        .load(database)?)
}

/// The scope and the resource servers of a client of the account that has this scope token and may use this
/// resource server: of any, or of the one with the most of them. A client that an operator disabled gives nothing.
/// An empty token is any scope, an empty identifier a client without a resource server.
///
/// # Errors
/// Where the database gave no answer.
pub fn holder(
    database: &mut Database,
    account_id: &str,
    token: &str,
    identifier: &str,
    with_most: bool,
) -> Result<Option<(Scope, Resources)>, StoreError> {
    let scope = || " ".into_sql::<Text>().concat(clients::scope).concat(" ");
    let has_token = replace(scope(), format!(" {token} "), " ")
        .ne(scope())
        .or(token.is_empty().into_sql::<Bool>());
    // No text but the empty one has two spaces in a row.
    let resources = || {
        " ".into_sql::<Text>()
            .concat(clients::resources)
            .concat(" ")
    };
    let may_use = replace(resources(), format!(" {identifier} "), " ").ne(resources());
    let own = clients::table
        .filter(clients::account_id.eq(account_id))
        .filter(not_disabled_by_operator());
    let own = own.filter(has_token.and(may_use));
    let own = own.select((clients::scope, clients::resources)).limit(1);
    let found = match with_most {
        true => own
            .order(length(clients::scope.concat(clients::resources)).desc())
            .first(database),
        false => own.first(database),
    };
    Ok(found.optional()?)
}

#[diesel::dsl::auto_type(no_type_alias)]
fn not_disabled_by_operator() -> _ {
    let operator: DisabledBy = DisabledBy::Operator;
    clients::disabled_by
        .is_null()
        .or(clients::disabled_by.ne(operator))
}

/// Whether the account has `most` clients or more. It counts no further than that.
///
/// # Errors
/// Where the database gave no answer.
pub fn has_as_many(
    database: &mut Database,
    account_id: &str,
    most: i64,
) -> Result<bool, StoreError> {
    if most < 1 {
        return Ok(true);
    }
    let own = clients::table
        .filter(clients::account_id.eq(account_id))
        .select(clients::client_id);
    Ok(own
        .offset(most - 1)
        .limit(1)
        .first::<String>(database)
        .optional()?
        .is_some())
}

/// Puts another identifier in the place of one, in all clients that may use it, and records that.
///
/// # Errors
/// Where the database gave no answer.
pub fn rename_resource(
    transaction: &mut Transaction<'_>,
    old: &str,
    new: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let all = clients::table.filter(clients::resources.ne(""));
    let all = all.select((clients::client_id, clients::account_id, clients::resources));
    let all: Vec<(String, String, Resources)> = all.load(transaction.database)?;
    for (id, account_id, resources) in all
        .into_iter()
        .filter(|(_, _, resources)| resources.contains(old))
    {
        let renamed: Resources = resources
            .iter()
            .map(|own| if own == old { new } else { own })
            .collect();
        diesel::update(clients::table.find(&id))
            .set(clients::resources.eq(renamed))
            .execute(transaction.modify())?;
        Recorder::keyward(now).record(transaction, Action::ClientUpdate, Some(&account_id), &id)?;
        transaction.changed(Change::Client(id));
    }
    Ok(())
}

diesel::define_sql_function! {
    /// As both databases have it, case-sensitive.
    fn replace(text: diesel::sql_types::Text, from: diesel::sql_types::Text, to: diesel::sql_types::Text) -> diesel::sql_types::Text;
}

diesel::define_sql_function! {
    /// In characters.
    fn length(text: diesel::sql_types::Text) -> diesel::sql_types::Integer;
}

diesel::define_sql_function! {
    /// As both databases have it; SQLite knows of ASCII alone.
    fn lower(text: diesel::sql_types::Text) -> diesel::sql_types::Text;
}

/// Adds one.
///
/// # Errors
/// Where the database gave no answer.
pub fn insert(transaction: &mut Transaction<'_>, client: &Client) -> Result<(), StoreError> {
    diesel::insert_into(clients::table)
        .values(client)
        .execute(transaction.modify())?;
    transaction.changed(Change::Client(client.client_id.clone()));
    Ok(())
}

/// Writes all of its columns.
///
/// # Errors
/// Where the database gave no answer.
pub fn update(transaction: &mut Transaction<'_>, client: &Client) -> Result<(), StoreError> {
    diesel::update(clients::table.find(&client.client_id))
        .set(client)
        .execute(transaction.modify())?;
    transaction.changed(Change::Client(client.client_id.clone()));
    Ok(())
}

/// Revokes all tokens of all clients. Nodes must read everything again
/// ([`changes::skip`](super::changes::skip)): an entry for each client would be too much.
///
/// # Errors
/// Where the database gave no answer.
pub fn revoke_all_tokens(transaction: &mut Transaction<'_>) -> Result<(), StoreError> {
    diesel::update(clients::table)
        .set(clients::token_epoch.eq(clients::token_epoch + 1))
        .execute(transaction.modify())?;
    Ok(())
}

/// Removes it with its secrets and API keys. Its tokens are void from then on, since they are
/// checked against the client that they name.
///
/// # Errors
/// Where the database gave no answer.
pub fn delete(transaction: &mut Transaction<'_>, client_id: &str) -> Result<(), StoreError> {
    let keys: Vec<String> = api_keys::table
        .filter(api_keys::client_id.eq(client_id))
        .select(api_keys::id)
        .load(transaction.database)?;
    diesel::delete(client_secrets::table.filter(client_secrets::client_id.eq(client_id)))
        .execute(transaction.modify())?;
    diesel::delete(api_keys::table.filter(api_keys::client_id.eq(client_id)))
        .execute(transaction.modify())?;
    let revoked = revoked_api_keys::table.filter(revoked_api_keys::client_id.eq(client_id));
    diesel::delete(revoked).execute(transaction.modify())?;
    diesel::delete(clients::table.find(client_id)).execute(transaction.modify())?;
    transaction.changed(Change::Client(client_id.to_owned()));
    for key in keys {
        transaction.changed(Change::ApiKey(key));
    }
    Ok(())
}
