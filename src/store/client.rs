//! Client (RFC 6749 section 2): an application of an account.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};
use strum::{Display, EnumCount, EnumString, IntoStaticStr, VariantNames};

use super::audit::{Action, Recorder};
use super::grant_type::{GrantType, GrantTypes};
use super::names::{UnknownName, named_in_json};
use super::resource_server::Resources;
use super::schema::{api_keys, client_secrets, clients, revoked_api_keys};
use super::search_key::{self, search_key};
use super::security_profile::SecurityProfile;
use super::{Change, Database, StoreError, Transaction, trust_rule};
use crate::clock::Timestamp;
use crate::credential::random_bytes;
use crate::crypto::jws::JwkSet;
use crate::crypto::x509::{CertificateName, NameKind};
use crate::scope::Scope;

/// How a client authenticates at Keyward's own endpoints (RFC 7591 section 2,
/// `token_endpoint_auth_method`). A client must use the method it is registered with, except that
/// `client_secret_basic` and `client_secret_post` are interchangeable.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Display,
    EnumCount,
    EnumString,
    IntoStaticStr,
    VariantNames,
    diesel::expression::AsExpression,
    diesel::deserialize::FromSqlRow,
)]
#[strum(
    serialize_all = "snake_case",
    parse_err_ty = UnknownName,
    parse_err_fn = unknown_auth_method
)]
#[diesel(sql_type = diesel::sql_types::Text)]
pub enum AuthMethod {
    /// The secret in an HTTP Basic header.
    ClientSecretBasic,
    /// The secret in the request body.
    ClientSecretPost,
    /// A signed assertion (RFC 7523).
    PrivateKeyJwt,
    /// A client certificate of a certificate authority (RFC 8705 section 2.1).
    TlsClientAuth,
    /// A client certificate that is registered itself (RFC 8705 section 2.2).
    SelfSignedTlsClientAuth,
}

impl AuthMethod {
    /// All methods, in the order of the metadata document.
    pub const ALL: [AuthMethod; AuthMethod::COUNT] = [
        AuthMethod::ClientSecretBasic,
        AuthMethod::ClientSecretPost,
        AuthMethod::PrivateKeyJwt,
        AuthMethod::TlsClientAuth,
        AuthMethod::SelfSignedTlsClientAuth,
    ];

    /// The registered name.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Whether the method needs a client secret.
    pub const fn uses_secret(self) -> bool {
        matches!(
            self,
            AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost
        )
    }

    /// Whether the method needs a client certificate (RFC 8705 section 2).
    pub const fn uses_certificate(self) -> bool {
        matches!(
            self,
            AuthMethod::TlsClientAuth | AuthMethod::SelfSignedTlsClientAuth
        )
    }
}

fn unknown_auth_method(_: &str) -> UnknownName {
    let names = AuthMethod::VARIANTS.join(", ");
    UnknownName(format!("the authentication methods are {names}"))
}

named_in_json!(AuthMethod, DisabledBy);

/// Who disabled a client.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    EnumString,
    IntoStaticStr,
    VariantNames,
    diesel::expression::AsExpression,
    diesel::deserialize::FromSqlRow,
)]
#[strum(serialize_all = "snake_case")]
#[diesel(sql_type = diesel::sql_types::Text)]
pub enum DisabledBy {
    /// An operator. Only an operator can enable the client again.
    Operator,
    /// A user or a client of the client's own account.
    Account,
}

impl DisabledBy {
    /// The name in the database and in JSON.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// A row of `clients`.
#[derive(Clone, Debug, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(treat_none_as_null = true)]
pub struct Client {
    /// The id (RFC 6749 section 2.2).
    pub client_id: String,
    /// The account that the client belongs to.
    pub account_id: String,
    /// The display name (`client_name`).
    pub name: String,
    /// How the client authenticates.
    pub auth_method: AuthMethod,
    /// The grant types that the client may use.
    pub grant_types: GrantTypes,
    /// The scope that the client may request.
    pub scope: Scope,
    /// The resource servers that the client may request tokens for.
    pub resources: Resources,
    /// Whether the client may call the introspection endpoint.
    pub may_introspect: bool,
    /// The client's JWK Set (RFC 7517), for `private_key_jwt` and `self_signed_tls_client_auth`.
    pub jwks: Option<String>,
    /// The URI of the client's JWK Set, instead of `jwks`.
    pub jwks_uri: Option<String>,
    /// The other registered metadata (RFC 7591), as a JSON object.
    pub metadata: String,
    /// For a client that registered itself: the limits of what it may register, as JSON.
    pub registration_limits: Option<String>,
    /// The hash of the registration access token (RFC 7592), if the client has one.
    pub registration_token_hash: Option<String>,
    /// When the client was disabled; none if it is enabled.
    pub disabled_at: Option<Timestamp>,
    /// Tokens issued until then are revoked. Versions without [`Client::token_epoch`] wrote it to
    /// revoke all tokens of the client.
    pub tokens_void_before: Timestamp,
    /// When the client was created.
    pub created_at: Timestamp,
    /// How often all tokens of the client were revoked. A token is active only while this is the
    /// number that it was issued under, so that revocation does not depend on clocks.
    pub token_epoch: i64,
    /// Who disabled the client; none if it is enabled.
    pub disabled_by: Option<DisabledBy>,
    /// Whether the client must send a DPoP proof with each token request (RFC 9449 section 5.2).
    pub dpop_bound_access_tokens: bool,
    /// The security profile that the client follows. That of the server applies too.
    pub profile: SecurityProfile,
    /// The name that the client's certificate must have, for `tls_client_auth`.
    pub certificate_name: Option<CertificateName>,
    /// Whether the client must present a certificate with each token request, which its tokens are
    /// bound to (RFC 8705 section 3.4).
    pub tls_client_certificate_bound_access_tokens: bool,
    /// When the account of the client was closed; none if it is open.
    pub account_closed_at: Option<Timestamp>,
}

impl Client {
    /// A client without scope, grant types or credentials.
    pub fn new(name: String, account_id: String, auth_method: AuthMethod, now: Timestamp) -> Self {
        Client {
            client_id: uuid::Builder::from_random_bytes(random_bytes())
                .into_uuid()
                .to_string(),
            account_id,
            name,
            auth_method,
            grant_types: GrantTypes::default(),
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
            dpop_bound_access_tokens: false,
            profile: SecurityProfile::None,
            certificate_name: None,
            tls_client_certificate_bound_access_tokens: false,
            account_closed_at: None,
        }
    }

    /// Whether a token that was issued under this epoch, in this millisecond, was revoked together
    /// with all tokens of the client.
    pub fn has_revoked(&self, token_epoch: i64, issued_at: Timestamp) -> bool {
        token_epoch != self.token_epoch || issued_at <= self.tokens_void_before
    }

    /// Whether the client is enabled and its account open. If not, nothing is accepted from it.
    pub fn is_active(&self) -> bool {
        self.disabled_at.is_none() && self.account_closed_at.is_none()
    }

    /// Disables the client. If an operator disabled it before, only an operator can enable it
    /// again.
    pub fn disable(&mut self, by: DisabledBy, now: Timestamp) {
        self.disabled_at.get_or_insert(now);
        if self.disabled_by != Some(DisabledBy::Operator) {
            self.disabled_by = Some(by);
        }
    }

    /// Enables the client again.
    pub fn enable(&mut self) {
        (self.disabled_at, self.disabled_by) = (None, None);
    }

    /// Whether the client is registered for this grant type.
    pub fn may_use(&self, grant_type: GrantType) -> bool {
        self.grant_types.contains(grant_type)
    }
}

/// Why a client can neither authenticate nor get tokens as it is registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetadataProblem {
    /// There is no key that could verify an assertion.
    #[error("private_key_jwt needs jwks or jwks_uri")]
    NoKeys,
    /// There is no certificate.
    #[error("self_signed_tls_client_auth needs jwks_uri, or jwks with a certificate (x5c)")]
    NoCertificate,
    /// There is no name of the certificate.
    #[error("tls_client_auth needs one of {}", NameKind::NAMES.join(", "))]
    NoCertificateName,
    /// A token is bound to one key.
    #[error(
        "dpop_bound_access_tokens and tls_client_certificate_bound_access_tokens exclude each other"
    )]
    TwoBindings,
}

impl Client {
    /// What is wrong with the metadata for the authentication method and the bound tokens, if
    /// anything is.
    pub fn metadata_problem(&self) -> Option<MetadataProblem> {
        if self.dpop_bound_access_tokens && self.tls_client_certificate_bound_access_tokens {
            return Some(MetadataProblem::TwoBindings);
        }
        let has_key_set = |fits: fn(&JwkSet) -> bool| {
            let jwks = self.jwks.as_deref();
            let parsed = jwks.and_then(|text| serde_json::from_str(text).ok());
            self.jwks_uri.is_some() || parsed.as_ref().is_some_and(fits)
        };
        match self.auth_method {
            AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost => None,
            AuthMethod::PrivateKeyJwt => (!has_key_set(|keys| keys.why_unusable().is_none()))
                .then_some(MetadataProblem::NoKeys),
            AuthMethod::TlsClientAuth => self
                .certificate_name
                .is_none()
                .then_some(MetadataProblem::NoCertificateName),
            AuthMethod::SelfSignedTlsClientAuth => {
                (!has_key_set(JwkSet::has_certificates)).then_some(MetadataProblem::NoCertificate)
            }
        }
    }
}

/// Whether `text` has the form of a client id (RFC 6749 appendix A.1) or of the id of another row.
/// Nothing else is looked up; Postgres would refuse a NUL.
pub fn could_be_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= 128 && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The client with this id.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
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

/// Up to `limit` clients of one account or of all, the oldest first, starting after the client that
/// `after` identifies.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn list(
    database: &mut Database,
    account_id: Option<&str>,
    after: Option<(Timestamp, String)>,
    limit: i64,
) -> Result<Vec<Client>, StoreError> {
    let (created_at, id) = after.unwrap_or((Timestamp::EPOCH, String::new()));
    // A comparison of rows is one range of the index, which diesel cannot express; of the same
    // condition with OR, the databases read all clients that are older too.
    let later = sql::<Bool>("(clients.created_at, clients.client_id) > (")
        .bind::<BigInt, _>(created_at)
        .sql(", ")
        .bind::<Text, _>(id)
        .sql(")");
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

/// Whether there is a client.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn any(database: &mut Database) -> Result<bool, StoreError> {
    Ok(clients::table
        .select(clients::client_id)
        .first::<String>(database)
        .optional()?
        .is_some())
}

/// The ids and names of those of these clients that belong to the account, or of all.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn find_names(
    database: &mut Database,
    account_id: Option<&str>,
    ids: &[String],
) -> Result<Vec<(String, String)>, StoreError> {
    let named = clients::table
        .filter(clients::client_id.eq_any(ids))
        .select((clients::client_id, clients::name));
    Ok(match account_id {
        Some(account_id) => named
            .filter(clients::account_id.eq(account_id))
            .load(database)?,
        None => named.load(database)?,
    })
}

/// Whether a client follows this profile, which is another than `none`.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn any_with_profile(
    database: &mut Database,
    profile: SecurityProfile,
) -> Result<bool, StoreError> {
    // The second condition is that of the partial index.
    let followers = clients::table
        .filter(clients::profile.eq(profile))
        .filter(sql::<Bool>("clients.profile <> 'none'"));
    Ok(followers
        .select(clients::client_id)
        .first::<String>(database)
        .optional()?
        .is_some())
}

/// Up to `limit` clients of one account or of all whose name begins with `text` in any case, by name,
/// starting after the client with the id `after`. A client whose id is `text` comes first.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn search(
    database: &mut Database,
    account_id: Option<&str>,
    text: &str,
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<Client>, StoreError> {
    let (first, end) = search_key::range(text);
    let (mut clients, position) = match after {
        Some(id) => {
            let key = clients::table
                .find(id)
                .select(clients::search_key)
                .first(database)
                .optional()?;
            (Vec::new(), key.map(|key| (key, id)))
        }
        None => {
            let mut exact = find(database, text)?;
            exact.take_if(|client| account_id.is_some_and(|id| id != client.account_id));
            (exact.into_iter().collect(), None)
        }
    };
    let (key, id) = position.unwrap_or((first, ""));
    // See `list` for the comparison of rows.
    let later = sql::<Bool>("(clients.search_key, clients.client_id) > (")
        .bind::<Text, _>(key)
        .sql(", ")
        .bind::<Text, _>(id)
        .sql(")");
    let named = clients::table
        .filter(later)
        .filter(clients::search_key.lt(end))
        .filter(clients::client_id.ne(text))
        .order((clients::search_key, clients::client_id))
        .limit(limit)
        .select(Client::as_select());
    clients.extend(match account_id {
        Some(account_id) => named
            .filter(clients::account_id.eq(account_id))
            .load(database)?,
        None => named.load(database)?,
    });
    clients.truncate(usize::try_from(limit).unwrap_or_default());
    Ok(clients)
}

/// The distinct pairs of scope and resource servers of an account's clients, except those that an
/// operator disabled.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
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

/// The scope and the resource servers of a client of the account that has this scope token and this
/// resource server: of any such client, or of the one with the most. Clients that an operator
/// disabled do not count. An empty token stands for any scope, an empty identifier for a client
/// without resource servers.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
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
    // Only for an empty list does this give two spaces in a row.
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

/// Whether the account has at least `most` clients. It does not count further than that.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
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

/// Replaces the identifier of a resource server in all clients that may use it, with an entry in
/// the audit for each.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
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
    /// Replaces all occurrences of `from`, case-sensitively.
    fn replace(text: diesel::sql_types::Text, from: diesel::sql_types::Text, to: diesel::sql_types::Text) -> diesel::sql_types::Text;
}

diesel::define_sql_function! {
    /// The length in characters.
    fn length(text: diesel::sql_types::Text) -> diesel::sql_types::Integer;
}

/// Inserts a client.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn insert(transaction: &mut Transaction<'_>, client: &Client) -> Result<(), StoreError> {
    diesel::insert_into(clients::table)
        .values((client, clients::search_key.eq(search_key(&client.name))))
        .execute(transaction.modify())?;
    transaction.changed(Change::Client(client.client_id.clone()));
    Ok(())
}

/// Updates all columns of a client.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn update(transaction: &mut Transaction<'_>, client: &Client) -> Result<(), StoreError> {
    diesel::update(clients::table.find(&client.client_id))
        .set((client, clients::search_key.eq(search_key(&client.name))))
        .execute(transaction.modify())?;
    transaction.changed(Change::Client(client.client_id.clone()));
    Ok(())
}

/// The most clients of an account that get a change each when the account is closed. Beyond that it is
/// cheaper that the nodes reload their caches.
const MAX_CHANGES: i64 = 1000;

/// Stores in each client of an account whether the account is closed, and since when.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn set_account_closed(
    transaction: &mut Transaction<'_>,
    account_id: &str,
    closed_at: Option<Timestamp>,
) -> Result<(), StoreError> {
    let ids: Vec<String> = clients::table
        .filter(clients::account_id.eq(account_id))
        .select(clients::client_id)
        .limit(MAX_CHANGES + 1)
        .load(transaction.database)?;
    diesel::update(clients::table.filter(clients::account_id.eq(account_id)))
        .set(clients::account_closed_at.eq(closed_at))
        .execute(transaction.modify())?;
    if i64::try_from(ids.len()).is_ok_and(|known| known <= MAX_CHANGES) {
        for id in ids {
            transaction.changed(Change::Client(id));
        }
    } else {
        transaction.changed(Change::ClientsOf(account_id.to_owned()));
    }
    Ok(())
}

/// How many clients an account has.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn count(database: &mut Database, account_id: &str) -> Result<i64, StoreError> {
    Ok(clients::table
        .filter(clients::account_id.eq(account_id))
        .count()
        .get_result(database)?)
}

/// Revokes all tokens of all clients. The caller must make the nodes reload their caches
/// ([`changes::skip`](super::changes::skip)), since this adds no change for each client.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn revoke_all_tokens(transaction: &mut Transaction<'_>) -> Result<(), StoreError> {
    diesel::update(clients::table)
        .set(clients::token_epoch.eq(clients::token_epoch + 1))
        .execute(transaction.modify())?;
    Ok(())
}

/// Deletes a client with its secrets, API keys and trust rules. Its tokens are inactive from then on, since a
/// token is active only while its client exists.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
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
    trust_rule::delete_of_client(transaction, client_id)?;
    diesel::delete(clients::table.find(client_id)).execute(transaction.modify())?;
    transaction.changed(Change::Client(client_id.to_owned()));
    for key in keys {
        transaction.changed(Change::ApiKey(key));
    }
    Ok(())
}
