//! Trust rule: lets a JWT of another issuer, or an X.509-SVID, act as a client, if its claims satisfy
//! the rule's conditions (workload identity).

use diesel::prelude::*;
use strum::{EnumString, IntoStaticStr, VariantNames};

use super::client::DisabledBy;
use super::names::{UnknownName, named_in_json};
use super::schema::trust_rules;
use super::{Change, Database, StoreError, Transaction};
use crate::clock::Timestamp;

pub mod breadth;
pub mod conditions;

pub use conditions::{Condition, Conditions, InvalidCondition, Operator};

/// What a trust rule is for.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    EnumString,
    IntoStaticStr,
    VariantNames,
    diesel::expression::AsExpression,
    diesel::deserialize::FromSqlRow,
)]
#[strum(
    serialize_all = "snake_case",
    parse_err_ty = UnknownName,
    parse_err_fn = unknown_kind
)]
#[diesel(sql_type = diesel::sql_types::Text)]
pub enum RuleKind {
    /// JWTs of workloads, which need no other credential.
    #[default]
    Workload,
    /// Identity Assertion JWT Authorization Grants (draft-ietf-oauth-identity-assertion-authz-grant):
    /// JWTs about a user, which the authenticated client presents.
    IdJag,
    /// X.509-SVIDs of SPIFFE workloads, which need no other credential.
    #[strum(serialize = "spiffe_x509")]
    SpiffeX509,
}

impl RuleKind {
    /// The names of all kinds.
    pub const NAMES: &'static [&'static str] = <RuleKind as VariantNames>::VARIANTS;

    /// The name in the database and in JSON.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

fn unknown_kind(_: &str) -> UnknownName {
    let names = RuleKind::NAMES.join(", ");
    UnknownName(format!("the kinds of trust rules are {names}"))
}

named_in_json!(RuleKind);

/// A row of `trust_rules`.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
pub struct TrustRule {
    /// A UUIDv7.
    pub id: String,
    /// The account of the client.
    pub account_id: String,
    /// The client that a matching workload acts as.
    pub client_id: String,
    /// The issuer: the `iss` of its tokens, or a SPIFFE trust domain such as
    /// `spiffe://acme.example`.
    pub issuer: String,
    /// The issuer's keys as a JWK Set, if they are not to be fetched.
    pub jwks: Option<String>,
    /// The URL of the issuer's keys. Without it, and without `jwks`, the issuer's discovery document
    /// names it.
    pub jwks_uri: Option<String>,
    /// The `aud` of the tokens; none stands for the issuer identifier of Keyward.
    pub audience: Option<String>,
    /// The conditions, all of which a token must satisfy.
    pub conditions: Conditions,
    /// Whether each token is accepted only once.
    pub single_use: bool,
    /// When the rule expires; none if it does not.
    pub expires_at: Option<Timestamp>,
    /// When the rule was disabled; none if it is enabled.
    pub disabled_at: Option<Timestamp>,
    /// Who disabled the rule; none if it is enabled. What an operator disabled, only an operator can
    /// enable.
    pub disabled_by: Option<DisabledBy>,
    /// When the rule was created.
    pub created_at: Timestamp,
    /// The actor who created the rule.
    pub created_by: String,
    /// What the rule is for.
    pub kind: RuleKind,
}

impl TrustRule {
    /// Whether the rule has expired at `now`.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }
}

/// The rule with this id.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn find(database: &mut Database, id: &str) -> Result<Option<TrustRule>, StoreError> {
    Ok(trust_rules::table
        .find(id)
        .select(TrustRule::as_select())
        .first(database)
        .optional()?)
}

/// The ids and clients of the rules with these ids.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn find_clients(
    database: &mut Database,
    ids: &[String],
) -> Result<Vec<(String, String)>, StoreError> {
    Ok(trust_rules::table
        .filter(trust_rules::id.eq_any(ids))
        .select((trust_rules::id, trust_rules::client_id))
        .load(database)?)
}

/// The rules of an issuer, the oldest first, disabled and expired ones too.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn of_issuer(database: &mut Database, issuer: &str) -> Result<Vec<TrustRule>, StoreError> {
    Ok(trust_rules::table
        .filter(trust_rules::issuer.eq(issuer))
        .order((trust_rules::created_at, trust_rules::id))
        .select(TrustRule::as_select())
        .load(database)?)
}

/// The rules of a client, the oldest first.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn of_client(database: &mut Database, client_id: &str) -> Result<Vec<TrustRule>, StoreError> {
    Ok(trust_rules::table
        .filter(trust_rules::client_id.eq(client_id))
        .order((trust_rules::created_at, trust_rules::id))
        .select(TrustRule::as_select())
        .load(database)?)
}

/// Whether an operator disabled a rule of a client. Deleting the client would delete the rule, which
/// keeps its issuer from being trusted again.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn has_disabled_by_operator(
    database: &mut Database,
    client_id: &str,
) -> Result<bool, StoreError> {
    let rules = of_client(database, client_id)?;
    Ok(rules
        .iter()
        .any(|rule| rule.disabled_by == Some(DisabledBy::Operator)))
}

/// The rules of an account, or of all accounts, the oldest first.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn list(
    database: &mut Database,
    account_id: Option<&str>,
) -> Result<Vec<TrustRule>, StoreError> {
    let all = trust_rules::table
        .order((trust_rules::created_at, trust_rules::id))
        .select(TrustRule::as_select());
    Ok(match account_id {
        Some(account_id) => all
            .filter(trust_rules::account_id.eq(account_id))
            .load(database)?,
        None => all.load(database)?,
    })
}

/// Inserts a rule.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn insert(transaction: &mut Transaction<'_>, rule: &TrustRule) -> Result<(), StoreError> {
    diesel::insert_into(trust_rules::table)
        .values(rule)
        .execute(transaction.modify())?;
    transaction.changed(Change::TrustRules(rule.issuer.clone()));
    Ok(())
}

/// Disables a rule, or enables it.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn set_disabled(
    transaction: &mut Transaction<'_>,
    rule: &TrustRule,
    disabled: Option<(Timestamp, DisabledBy)>,
) -> Result<(), StoreError> {
    let (disabled_at, disabled_by) = disabled.unzip();
    diesel::update(trust_rules::table.find(&rule.id))
        .set((
            trust_rules::disabled_at.eq(disabled_at),
            trust_rules::disabled_by.eq(disabled_by),
        ))
        .execute(transaction.modify())?;
    transaction.changed(Change::TrustRules(rule.issuer.clone()));
    Ok(())
}

/// Deletes a rule.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn delete(transaction: &mut Transaction<'_>, rule: &TrustRule) -> Result<(), StoreError> {
    diesel::delete(trust_rules::table.find(&rule.id)).execute(transaction.modify())?;
    transaction.changed(Change::TrustRules(rule.issuer.clone()));
    Ok(())
}

/// Deletes the rules of a client.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub(super) fn delete_of_client(
    transaction: &mut Transaction<'_>,
    client_id: &str,
) -> Result<(), StoreError> {
    for rule in of_client(transaction.database, client_id)? {
        delete(transaction, &rule)?;
    }
    Ok(())
}
