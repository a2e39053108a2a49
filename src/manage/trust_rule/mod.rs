//! Trust rules: which JWTs of other issuers, and which X.509-SVIDs, act as a client (workload
//! identity).

mod trial;
mod validation;

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

pub use self::trial::{RuleTrial, TestedCredential, TrustTest, test};
use self::validation::check_new;
pub use self::validation::{broad_condition, preview};
use super::actor::Permit;
use super::not_found;
use super::policy::{find_editable, find_visible, management_audience};
use super::rights::{RightType, TrustRulesRead, TrustRulesWrite};
use crate::clock::Timestamp;
use crate::error::{Error, refusal};
use crate::oauth::trust;
use crate::store::audit::Action;
use crate::store::client::{Client, DisabledBy, could_be_id};
use crate::store::resource_server;
pub use crate::store::trust_rule::breadth::BroadCondition;
use crate::store::trust_rule::{self, Conditions, TrustRule};
pub use crate::store::trust_rule::{Condition, InvalidCondition, Operator, RuleKind};
use crate::store::{Database, Store, Transaction, audit};

/// The maximum number of trust rules of a client.
pub const MAX_RULES: usize = 20;

/// The properties of a new trust rule.
#[derive(Clone, Debug, Default)]
pub struct NewTrustRule {
    /// What the rule is for.
    pub kind: RuleKind,
    /// The client that a matching workload acts as, or that presents the ID-JAGs.
    pub client_id: String,
    /// The `iss` of the JWTs, or a SPIFFE trust domain such as `spiffe://acme.example`.
    pub issuer: String,
    /// The issuer's keys as a JWK Set, or the bundle of the trust domain, if they are not to be
    /// fetched.
    pub jwks: Option<String>,
    /// The URL of the issuer's keys, if its discovery document is not to be asked for it.
    pub jwks_uri: Option<String>,
    /// The `aud` of the JWTs; the issuer identifier of Keyward if absent.
    pub audience: Option<String>,
    /// The conditions, all of which a JWT must meet. A rule for ID-JAGs needs none.
    pub conditions: Vec<Condition>,
    /// Whether each JWT is accepted only once; by default each ID-JAG is, and no JWT of a workload. An
    /// X.509-SVID cannot be.
    pub single_use: Option<bool>,
    /// How long the rule is valid; without limit if absent.
    pub lifetime: Option<Duration>,
}

/// A trust rule as management shows it.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct TrustRuleView {
    /// The id of the rule.
    pub id: String,
    /// `workload`: JWTs of workloads, which act as the client. `spiffe_x509`: X.509-SVIDs of workloads,
    /// which act as the client. `id_jag`: ID-JAGs, which the client presents for its users.
    pub kind: RuleKind,
    /// The account of the client.
    pub account: String,
    /// The client that a matching workload acts as, or that presents the ID-JAGs.
    pub client_id: String,
    /// The `iss` of the JWTs, or a SPIFFE trust domain.
    pub issuer: String,
    /// The issuer's keys, if they are not fetched.
    pub jwks: Option<Map<String, Value>>,
    /// The URL of the issuer's keys, if its discovery document is not asked for it.
    pub jwks_uri: Option<String>,
    /// The `aud` of the JWTs; null stands for the issuer identifier of Keyward.
    pub audience: Option<String>,
    /// The conditions, all of which a JWT must meet. An X.509-SVID has its SPIFFE ID as `sub`.
    pub conditions: Vec<Condition>,
    /// Whether each JWT is accepted only once.
    pub single_use: bool,
    /// Whether the rule is enabled.
    pub enabled: bool,
    /// Who disabled the rule; null if it is enabled. A rule that an operator disabled, only an
    /// operator can enable.
    pub disabled_by: Option<DisabledBy>,
    /// When the rule was created.
    pub created_at: Timestamp,
    /// Who created the rule.
    pub created_by: String,
    /// When the rule expires; null if it does not.
    pub expires_at: Option<Timestamp>,
}

impl From<TrustRule> for TrustRuleView {
    fn from(rule: TrustRule) -> Self {
        TrustRuleView {
            id: rule.id,
            kind: rule.kind,
            account: rule.account_id,
            client_id: rule.client_id,
            issuer: rule.issuer,
            jwks: rule
                .jwks
                .as_deref()
                .and_then(|jwks| serde_json::from_str(jwks).ok()),
            jwks_uri: rule.jwks_uri,
            audience: rule.audience,
            conditions: rule.conditions.as_slice().to_vec(),
            single_use: rule.single_use,
            enabled: rule.disabled_at.is_none(),
            disabled_by: rule.disabled_by,
            created_at: rule.created_at,
            created_by: rule.created_by,
            expires_at: rule.expires_at,
        }
    }
}

/// Creates a trust rule. Who can have a workload act as a client has all of the client's rights, so
/// this takes what creating a secret of the client takes. Also returns the condition that is
/// probably too broad, if there is one.
///
/// # Errors
/// `invalid_request` for an issuer, keys, an audience or conditions that cannot be used, and for
/// conditions that trust a whole platform; `not_found` for an unknown client; `access_denied` for a
/// client with more rights than the actor, and for an issuer of which an operator disabled a rule;
/// `invalid_request` for a rule for JWTs if the security profile of the client does not allow them;
/// `conflict` if the client has [`MAX_RULES`].
pub async fn create(
    store: &Arc<Store>,
    permit: Permit<TrustRulesWrite>,
    new: NewTrustRule,
) -> Result<(TrustRuleView, Option<BroadCondition>), Error> {
    let now = permit.now();
    let (conditions, broad) = check_new(&new)?;
    let id = audit::new_id(now);
    let row = store
        .write(now, move |transaction| {
            check_not_own_issuer(transaction.database(), &permit, &new.issuer)?;
            let client = find_editable(transaction.database(), &permit, &new.client_id)?;
            permit.ensure_first_use(transaction)?;
            check_issuer_allowed(transaction.database(), &permit, &client, &new.issuer)?;
            check_profile(&client, new.kind)?;
            if trust_rule::of_client(transaction.database(), &client.client_id)?.len() >= MAX_RULES
            {
                return Err(refusal::trust_rules_full(MAX_RULES));
            }
            let row = TrustRule {
                id: id.clone(),
                account_id: client.account_id,
                client_id: client.client_id,
                issuer: new.issuer.clone(),
                jwks: new.jwks.clone(),
                jwks_uri: new.jwks_uri.clone(),
                audience: new.audience.clone(),
                conditions: conditions.clone(),
                single_use: new.single_use.unwrap_or(new.kind == RuleKind::IdJag),
                expires_at: new.lifetime.map(|lifetime| now.saturating_add(lifetime)),
                disabled_at: None,
                disabled_by: None,
                created_at: now,
                created_by: permit.actor().to_owned(),
                kind: new.kind,
            };
            trust_rule::insert(transaction, &row)?;
            audit_rule(transaction, &permit, Action::TrustRuleCreate, &row)?;
            Ok::<_, Error>(row)
        })
        .await?;
    Ok((row.into(), broad))
}

/// Refuses what would undo that an operator disabled the rules of an issuer, such as after its keys
/// were stolen: another rule of the account for this issuer.
fn check_issuer_allowed(
    database: &mut Database,
    permit: &Permit<TrustRulesWrite>,
    client: &Client,
    issuer: &str,
) -> Result<(), Error> {
    if permit.is_operator() {
        return Ok(());
    }
    let rules = trust_rule::of_issuer(database, issuer)?;
    let is_disabled = |rule: &TrustRule| {
        rule.account_id == client.account_id && rule.disabled_by == Some(DisabledBy::Operator)
    };
    if rules.iter().any(is_disabled) {
        return Err(refusal::trust_issuer_disabled_by_operator());
    }
    Ok(())
}

/// Refuses a rule that would accept nothing, since the security profile of the client does not allow
/// JWTs of workloads. An X.509-SVID proves possession of its key.
fn check_profile(client: &Client, kind: RuleKind) -> Result<(), Error> {
    if kind != RuleKind::Workload || client.profile.allows_workloads() {
        return Ok(());
    }
    Err(refusal::trust_rule_profile(client.profile.as_str()).field("client_id"))
}

fn audit_rule(
    transaction: &mut Transaction<'_>,
    permit: &Permit<TrustRulesWrite>,
    action: Action,
    rule: &TrustRule,
) -> Result<(), Error> {
    permit.audit(transaction, action, Some(&rule.account_id), &rule.id)
}

/// Tokens of Keyward itself are for resource servers; none of them may come back as a workload.
fn check_not_own_issuer<R: RightType>(
    database: &mut Database,
    permit: &Permit<R>,
    issuer: &str,
) -> Result<(), Error> {
    let own = management_audience(database, permit)?;
    if own.as_deref() == Some(&resource_server::management_audience(issuer)) {
        return Err(refusal::trust_issuer_own().field("issuer"));
    }
    Ok(())
}

/// Lists the trust rules that the actor can see, of one client or of all, the oldest first.
///
/// # Errors
/// `not_found` for an unknown client.
pub async fn list(
    store: &Arc<Store>,
    permit: Permit<TrustRulesRead>,
    client_id: Option<String>,
) -> Result<Vec<TrustRuleView>, Error> {
    let own_account = permit.account().map(str::to_owned);
    let rules = store
        .report(own_account.as_deref(), move |database| match &client_id {
            Some(client_id) => {
                find_visible(database, &permit, client_id)?;
                Ok(trust_rule::of_client(database, client_id)?)
            }
            None => Ok(trust_rule::list(database, permit.account())?),
        })
        .await?;
    Ok(rules.into_iter().map(TrustRuleView::from).collect())
}

/// Shows a trust rule.
///
/// # Errors
/// `not_found`.
pub async fn show(
    store: &Arc<Store>,
    permit: Permit<TrustRulesRead>,
    id: &str,
) -> Result<TrustRuleView, Error> {
    let id = id.to_owned();
    store
        .read(move |database| Ok(find_rule(database, &permit, &id)?.into()))
        .await
}

fn find_rule<R: RightType>(
    database: &mut Database,
    permit: &Permit<R>,
    id: &str,
) -> Result<TrustRule, Error> {
    let found = if could_be_id(id) {
        trust_rule::find(database, id)?
    } else {
        None
    };
    found
        .filter(|rule| permit.can_access(&rule.account_id))
        .ok_or_else(|| not_found("trust rule", id))
}

/// Finds a rule whose client the actor can create credentials for.
fn find_editable_rule(
    database: &mut Database,
    permit: &Permit<TrustRulesWrite>,
    id: &str,
) -> Result<TrustRule, Error> {
    let rule = find_rule(database, permit, id)?;
    find_editable(database, permit, &rule.client_id)?;
    Ok(rule)
}

fn disabled_by(permit: &Permit<TrustRulesWrite>) -> DisabledBy {
    if permit.is_operator() {
        DisabledBy::Operator
    } else {
        DisabledBy::Account
    }
}

/// Disables a trust rule: from then on it accepts no JWT. Tokens that it gave before stay active.
/// As for a client, this takes no more than the right itself, so that a leak can be stopped.
///
/// # Errors
/// `not_found`.
pub async fn disable(
    store: &Arc<Store>,
    permit: Permit<TrustRulesWrite>,
    id: &str,
) -> Result<TrustRuleView, Error> {
    let id = id.to_owned();
    store
        .write(permit.now(), move |transaction| {
            let rule = find_rule(transaction.database(), &permit, &id)?;
            disable_rule(transaction, &permit, rule)
        })
        .await
}

fn disable_rule(
    transaction: &mut Transaction<'_>,
    permit: &Permit<TrustRulesWrite>,
    mut rule: TrustRule,
) -> Result<TrustRuleView, Error> {
    let by = disabled_by(permit);
    if rule.disabled_by == Some(DisabledBy::Operator) || rule.disabled_by == Some(by) {
        return Ok(rule.into());
    }
    let since = rule.disabled_at.unwrap_or(permit.now());
    trust_rule::set_disabled(transaction, &rule, Some((since, by)))?;
    (rule.disabled_at, rule.disabled_by) = (Some(since), Some(by));
    audit_rule(transaction, permit, Action::TrustRuleDisable, &rule)?;
    Ok(rule.into())
}

/// Disables all trust rules for an issuer that the actor can see, such as after its keys were stolen,
/// and returns them.
///
/// # Errors
/// The database did not answer.
pub async fn disable_issuer(
    store: &Arc<Store>,
    permit: Permit<TrustRulesWrite>,
    issuer: &str,
) -> Result<Vec<TrustRuleView>, Error> {
    if !trust::could_be_issuer(issuer) {
        return Ok(Vec::new());
    }
    let issuer = issuer.to_owned();
    store
        .write(permit.now(), move |transaction| {
            let mut disabled = Vec::new();
            for rule in trust_rule::of_issuer(transaction.database(), &issuer)? {
                if permit.can_access(&rule.account_id) {
                    disabled.push(disable_rule(transaction, &permit, rule)?);
                }
            }
            Ok(disabled)
        })
        .await
}

/// Enables a trust rule.
///
/// # Errors
/// `not_found`; `access_denied` for a client with more rights than the actor, and for a rule that an
/// operator disabled.
pub async fn enable(
    store: &Arc<Store>,
    permit: Permit<TrustRulesWrite>,
    id: &str,
) -> Result<TrustRuleView, Error> {
    let id = id.to_owned();
    store
        .write(permit.now(), move |transaction| {
            let mut rule = find_editable_rule(transaction.database(), &permit, &id)?;
            if rule.disabled_at.is_none() {
                return Ok(rule.into());
            }
            if rule.disabled_by == Some(DisabledBy::Operator) && !permit.is_operator() {
                return Err(refusal::trust_rule_disabled_by_operator());
            }
            trust_rule::set_disabled(transaction, &rule, None)?;
            (rule.disabled_at, rule.disabled_by) = (None, None);
            audit_rule(transaction, &permit, Action::TrustRuleEnable, &rule)?;
            Ok(rule.into())
        })
        .await
}

/// Deletes a trust rule: from then on it accepts no JWT. Tokens that it gave before stay active.
///
/// # Errors
/// `not_found`; `access_denied` for a client with more rights than the actor, and for a rule that an
/// operator disabled.
pub async fn delete(
    store: &Arc<Store>,
    permit: Permit<TrustRulesWrite>,
    id: &str,
) -> Result<(), Error> {
    let id = id.to_owned();
    store
        .write(permit.now(), move |transaction| {
            let rule = find_editable_rule(transaction.database(), &permit, &id)?;
            if rule.disabled_by == Some(DisabledBy::Operator) && !permit.is_operator() {
                return Err(refusal::trust_issuer_disabled_by_operator());
            }
            trust_rule::delete(transaction, &rule)?;
            audit_rule(transaction, &permit, Action::TrustRuleDelete, &rule)
        })
        .await
}
