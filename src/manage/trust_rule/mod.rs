//! Trust rules: which JWTs of other issuers, and which X.509-SVIDs, act as a client (workload
//! identity).

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use super::actor::Permit;
use super::policy::{find_editable, find_visible, management_audience};
use super::rights::{RightType, TrustRulesRead, TrustRulesWrite};
use super::{AuthorizationServer, not_found};
use crate::client_certificate::CertificateChain;
use crate::clock::Timestamp;
use crate::crypto::jws::JwkSet;
use crate::error::{Error, refusal};
use crate::oauth::reason::{Reason, Rejection};
use crate::oauth::trust::{self, Trial, Trials, TriedCredential, spiffe_id};
use crate::store::audit::Action;
use crate::store::client::{Client, DisabledBy, could_be_id};
use crate::store::resource_server;
pub use crate::store::trust_rule::breadth::BroadCondition;
use crate::store::trust_rule::breadth::TooBroad;
use crate::store::trust_rule::{self, Conditions, TrustRule, breadth};
pub use crate::store::trust_rule::{Condition, InvalidCondition, Operator, RuleKind};
use crate::store::{Database, Store, Transaction, audit};
use crate::uri::ExternalUri;

/// The maximum number of trust rules of a client.
pub const MAX_RULES: usize = 20;

/// The maximum length of an audience, in bytes.
const MAX_AUDIENCE: usize = 512;

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

/// The conditions that a new rule would have, whether or not the rest of it is complete, and the one
/// that is probably too broad, if there is one.
///
/// # Errors
/// `invalid_request` for conditions that cannot be used.
pub fn preview(new: &NewTrustRule) -> Result<(Vec<Condition>, Option<BroadCondition>), Error> {
    let all = all_conditions(new)?;
    let broad = Conditions::new(all.clone())
        .ok()
        .and_then(|conditions| breadth::check(&new.issuer, &conditions).ok().flatten());
    Ok((all, broad))
}

/// The condition of a rule that is probably too broad, if there is one.
pub fn broad_condition(rule: &TrustRuleView) -> Option<BroadCondition> {
    let conditions = Conditions::new(rule.conditions.clone()).ok()?;
    breadth::check(&rule.issuer, &conditions).ok().flatten()
}

fn check_new(new: &NewTrustRule) -> Result<(Conditions, Option<BroadCondition>), Error> {
    if new.lifetime.is_some_and(|lifetime| lifetime.is_zero()) {
        return Err(refusal::expiry_in_the_past("trust rule").field("expires_in"));
    }
    check_issuer(new)?;
    check_keys(new)?;
    match new.kind {
        RuleKind::IdJag if new.audience.is_some() => {
            return Err(refusal::trust_id_jag_audience().field("audience"));
        }
        RuleKind::SpiffeX509 => check_for_svids(new)?,
        RuleKind::IdJag | RuleKind::Workload => {}
    }
    if let Some(audience) = &new.audience {
        let is_visible = audience.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_visible || !(1..=MAX_AUDIENCE).contains(&audience.len()) {
            return Err(refusal::trust_audience(MAX_AUDIENCE).field("audience"));
        }
    }
    let conditions = Conditions::new(all_conditions(new)?)
        .map_err(|error| refusal::trust_conditions(&error.to_string()).field("conditions"))?;
    let broad = breadth::check(&new.issuer, &conditions)
        .map_err(|error| too_broad(&error).field("conditions"))?;
    Ok((conditions, broad))
}

/// What a certificate does not have, a rule for X.509-SVIDs cannot ask for.
fn check_for_svids(new: &NewTrustRule) -> Result<(), Error> {
    if new.audience.is_some() {
        return Err(refusal::trust_svid_audience().field("audience"));
    }
    if new.single_use == Some(true) {
        return Err(refusal::trust_svid_single_use().field("single_use"));
    }
    match new.conditions.iter().find(|one| one.claim() != "sub") {
        Some(other) => Err(refusal::trust_svid_condition(other.claim()).field("conditions")),
        None => Ok(()),
    }
}

fn too_broad(error: &TooBroad) -> Error {
    match error {
        TooBroad::NoIdentity => refusal::trust_no_identity(&error.to_string()),
        TooBroad::SharedIssuer { issuer, forms } => refusal::trust_shared_issuer(issuer, forms),
    }
}

/// The conditions of the rule. An ID-JAG is for the client that presents it; this condition says so
/// where the rule is shown.
fn all_conditions(new: &NewTrustRule) -> Result<Vec<Condition>, Error> {
    let mut all = new.conditions.clone();
    if new.kind == RuleKind::IdJag && !all.iter().any(|one| one.claim() == "client_id") {
        let own = Condition::new("client_id", Operator::Exact, &new.client_id)
            .map_err(|error| refusal::trust_conditions(&error.to_string()).field("conditions"))?;
        all.insert(0, own);
    }
    Ok(all)
}

fn check_issuer(new: &NewTrustRule) -> Result<(), Error> {
    let refused = |detail: &str| refusal::trust_issuer(detail).field("issuer");
    if new.kind == RuleKind::SpiffeX509 || spiffe_id::has_scheme(&new.issuer) {
        if !spiffe_id::is_trust_domain(&new.issuer) {
            return Err(refusal::trust_domain().field("issuer"));
        }
        if new.jwks.is_none() && new.jwks_uri.is_none() {
            return Err(refusal::trust_domain_keys().field("jwks"));
        }
        if new.kind == RuleKind::IdJag {
            return Err(refusal::trust_id_jag_issuer().field("issuer"));
        }
        return Ok(());
    }
    ExternalUri::parse(&new.issuer)
        .and_then(|uri| uri.for_keys(|_| true))
        .map_err(|error| refused(&error.to_string()))?;
    if new.issuer.contains('?') {
        return Err(refused("must have no query"));
    }
    Ok(())
}

fn check_keys(new: &NewTrustRule) -> Result<(), Error> {
    match (&new.jwks, &new.jwks_uri) {
        (Some(_), Some(_)) => Err(refusal::trust_keys_twice().field("jwks")),
        (Some(jwks), None) => {
            let refused = |detail: &str| refusal::trust_jwks(detail).field("jwks");
            let set: Value = serde_json::from_str(jwks)
                .map_err(|error| refused(&format!("not JSON: {error}")))?;
            JwkSet::check_registered(&set).map_err(|error| refused(&error.to_string()))?;
            if new.kind == RuleKind::SpiffeX509 {
                let bundle = JwkSet::try_from(set).map_err(|error| refused(&error.to_string()))?;
                bundle.authorities().map_err(refused)?;
            }
            Ok(())
        }
        (None, Some(uri)) => ExternalUri::parse(uri)
            .and_then(|uri| uri.for_keys(|_| true))
            .map(drop)
            .map_err(|error| refusal::trust_jwks_uri(&error.to_string()).field("jwks_uri")),
        (None, None) => Ok(()),
    }
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

/// A credential to try out, as text.
#[derive(Clone, Copy, Debug)]
pub enum TestedCredential<'a> {
    /// A JWT.
    Jwt(&'a str),
    /// The certificate of a workload in PEM, and those between it and the trust bundle.
    Certificate(&'a str),
}

/// What a trust rule says about a credential that was tried out.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct RuleTrial {
    /// The id of the rule.
    pub id: String,
    /// The client that a matching workload acts as.
    pub client_id: String,
    /// Whether the rule accepts the credential.
    pub accepted: bool,
    /// Why it does not, in English.
    pub reason: Option<String>,
    /// The stable code of the reason.
    pub reason_code: Option<String>,
    /// The values that the reason names, for translations.
    #[serde(skip)]
    #[schemars(skip)]
    pub reason_parameters: Map<String, Value>,
}

impl From<Trial> for RuleTrial {
    fn from(trial: Trial) -> Self {
        RuleTrial {
            id: trial.rule.id.clone(),
            client_id: trial.rule.client_id.clone(),
            accepted: trial.reason.is_none(),
            reason: trial.reason.as_ref().map(ToString::to_string),
            reason_parameters: trial
                .reason
                .as_ref()
                .map(Reason::parameters)
                .unwrap_or_default(),
            reason_code: trial.reason.map(|reason| reason.code().to_owned()),
        }
    }
}

/// The result of trying a credential out.
#[derive(Debug, Default, Serialize, schemars::JsonSchema)]
pub struct TrustTest {
    /// Whether a rule accepts the JWT.
    pub accepted: bool,
    /// Why no rule can accept it, whatever the conditions are; null if some rules are for its
    /// issuer.
    pub reason: Option<String>,
    /// The stable code of the reason.
    pub reason_code: Option<String>,
    /// The values that the reason names, for translations.
    #[serde(skip)]
    #[schemars(skip)]
    pub reason_parameters: Map<String, Value>,
    /// The rules for the issuer of the credential, the oldest first.
    pub rules: Vec<RuleTrial>,
    /// The claims of the JWT, as they were sent. Of a certificate: its SPIFFE ID as `sub`, its validity
    /// as `nbf` and `exp`, and its thumbprint as `cnf`.
    pub claims: Option<Map<String, Value>>,
}

/// Tries a credential out on all trust rules that the actor can see, without using it up.
///
/// # Errors
/// `temporarily_unavailable` if the issuer's keys cannot be asked for now; a
/// [`StoreError`](crate::store::StoreError) if the database cannot be queried.
pub async fn test(
    server: &AuthorizationServer,
    permit: Permit<TrustRulesRead>,
    credential: TestedCredential<'_>,
) -> Result<TrustTest, Error> {
    let trials = match try_out(server, &permit, credential).await {
        Ok(trials) => trials,
        Err(rejection) => {
            let reason = rejection.into_reason()?;
            return Ok(TrustTest {
                reason: Some(reason.to_string()),
                reason_code: Some(reason.code().to_owned()),
                reason_parameters: reason.parameters(),
                ..TrustTest::default()
            });
        }
    };
    let rules: Vec<RuleTrial> = trials.rules.into_iter().map(RuleTrial::from).collect();
    let reason = trials.reason.filter(|_| rules.is_empty());
    Ok(TrustTest {
        accepted: rules.iter().any(|rule| rule.accepted),
        reason: reason.as_ref().map(ToString::to_string),
        reason_parameters: reason.as_ref().map(Reason::parameters).unwrap_or_default(),
        reason_code: reason.map(|reason| reason.code().to_owned()),
        rules,
        claims: Some(trials.claims),
    })
}

async fn try_out(
    server: &AuthorizationServer,
    permit: &Permit<TrustRulesRead>,
    credential: TestedCredential<'_>,
) -> Result<Trials, Rejection> {
    let is_visible = |rule: &TrustRule| permit.can_access(&rule.account_id);
    match credential {
        TestedCredential::Jwt(text) => {
            let jwt = TriedCredential::Jwt(text.trim());
            trust::try_out(server, jwt, is_visible, permit.now()).await
        }
        TestedCredential::Certificate(pem) => {
            let chain = CertificateChain::of_pem(pem)
                .map_err(|error| Reason::certificate_unreadable(&error.to_string()))?;
            let certificate = TriedCredential::Certificate(&chain);
            trust::try_out(server, certificate, is_visible, permit.now()).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_names_an_issuer_and_how_to_get_its_keys() {
        let keys = r#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "use": "jwt-svid",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
        let private = keys.replace("\"x\"", "\"d\": \"AA\", \"x\"");
        let some = |text: &str| Some(text.to_owned());
        for (issuer, jwks, jwks_uri, accepted) in [
            ("https://id.example", None, None, true),
            ("https://id.example/tenant/", None, None, true),
            ("https://id.example", some(keys), None, true),
            (
                "https://id.example",
                None,
                some("https://id.example/keys"),
                true,
            ),
            ("https://kubernetes.default.svc", some(keys), None, true),
            ("spiffe://acme.example", some(keys), None, true),
            (
                "spiffe://acme.example",
                None,
                some("https://spire.example/"),
                true,
            ),
            ("spiffe://acme.example", None, None, false),
            ("spiffe://acme.example/batch", some(keys), None, false),
            ("spiffe://", some(keys), None, false),
            ("http://id.example", None, None, false),
            ("https://id.example?tenant=1", None, None, false),
            ("https://id.example#x", None, None, false),
            ("id.example", None, None, false),
            ("", None, None, false),
            (
                "https://id.example",
                some(keys),
                some("https://id.example/keys"),
                false,
            ),
            (
                "https://id.example",
                None,
                some("http://id.example/keys"),
                false,
            ),
            ("https://id.example", some("{}"), None, false),
            ("https://id.example", some("x"), None, false),
            ("https://id.example", some(&private), None, false),
        ] {
            let new = NewTrustRule {
                client_id: "c1".to_owned(),
                issuer: issuer.to_owned(),
                jwks,
                jwks_uri,
                conditions: vec!["sub=spiffe://acme.example/batch".parse().unwrap()],
                ..NewTrustRule::default()
            };
            assert_eq!(check_new(&new).is_ok(), accepted, "{new:?}");
        }
    }

    #[test]
    fn a_rule_for_id_jags_is_for_one_client_and_for_the_issuer_identifier() {
        let id_jag = || NewTrustRule {
            kind: RuleKind::IdJag,
            client_id: "c1".to_owned(),
            issuer: "https://idp.example".to_owned(),
            ..NewTrustRule::default()
        };
        let texts = |new: &NewTrustRule| -> Vec<String> {
            let (conditions, _) = check_new(new).unwrap();
            conditions.iter().map(ToString::to_string).collect()
        };
        assert_eq!(texts(&id_jag()), ["client_id=c1"]);
        let with_condition = NewTrustRule {
            conditions: vec!["email^=ada@".parse().unwrap()],
            ..id_jag()
        };
        assert_eq!(texts(&with_condition), ["client_id=c1", "email^=ada@"]);
        let workload = NewTrustRule {
            kind: RuleKind::Workload,
            ..id_jag()
        };
        let with_audience = NewTrustRule {
            audience: Some("https://other.example".to_owned()),
            ..id_jag()
        };
        let of_trust_domain = NewTrustRule {
            issuer: "spiffe://acme.example".to_owned(),
            jwks_uri: Some("https://spire.example/".to_owned()),
            ..id_jag()
        };
        // Google signs for everybody.
        let shared = NewTrustRule {
            issuer: "https://accounts.google.com".to_owned(),
            ..id_jag()
        };
        for refused in [workload, with_audience, of_trust_domain, shared] {
            assert!(check_new(&refused).is_err(), "{refused:?}");
        }
    }

    #[test]
    fn a_rule_for_x509_svids_asks_for_what_a_certificate_has() {
        use base64::Engine;
        use base64::engine::general_purpose::STANDARD;
        use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let bundle = |used: &str| {
            let x5c = STANDARD.encode(authority.der());
            let key = serde_json::json!({"kty": "EC", "use": used, "x5c": [x5c]});
            Some(serde_json::json!({"keys": [key]}).to_string())
        };
        let rule = || NewTrustRule {
            kind: RuleKind::SpiffeX509,
            client_id: "c1".to_owned(),
            issuer: "spiffe://acme.example".to_owned(),
            jwks: bundle("x509-svid"),
            conditions: vec!["sub=spiffe://acme.example/batch".parse().unwrap()],
            ..NewTrustRule::default()
        };
        assert_eq!(check_new(&rule()).unwrap().1, None);
        let by_endpoint = NewTrustRule {
            jwks: None,
            jwks_uri: Some("https://spire.example/".to_owned()),
            conditions: vec!["sub^=spiffe://acme.example/".parse().unwrap()],
            ..rule()
        };
        assert!(check_new(&by_endpoint).unwrap().1.is_some(), "it is broad");
        for (refused, field) in [
            (
                NewTrustRule {
                    issuer: "https://id.example".to_owned(),
                    ..rule()
                },
                "issuer",
            ),
            (
                NewTrustRule {
                    issuer: "spiffe://acme.example/a".to_owned(),
                    ..rule()
                },
                "issuer",
            ),
            (
                NewTrustRule {
                    jwks: None,
                    ..rule()
                },
                "jwks",
            ),
            (
                NewTrustRule {
                    jwks: bundle("sig"),
                    ..rule()
                },
                "jwks",
            ),
            (
                NewTrustRule {
                    audience: Some("x".to_owned()),
                    ..rule()
                },
                "audience",
            ),
            (
                NewTrustRule {
                    single_use: Some(true),
                    ..rule()
                },
                "single_use",
            ),
            (
                NewTrustRule {
                    conditions: vec!["email=a@b".parse().unwrap()],
                    ..rule()
                },
                "conditions",
            ),
            (
                NewTrustRule {
                    conditions: vec![],
                    ..rule()
                },
                "conditions",
            ),
        ] {
            let error = check_new(&refused).unwrap_err();
            assert_eq!(error.wrong_field(), Some(field), "{error:?}");
        }
    }
}
