//! Workload identity: a JWT of another issuer acts as a client if a trust rule accepts it. Three
//! kinds of requests present such a JWT: a client assertion (RFC 7523 section 2.2), the jwt-bearer
//! grant (RFC 7523 section 2.1) and a token exchange (RFC 8693). All of them call [`verify`], and
//! differ only in the audience that they accept and in the error that they answer with.
//!
//! The conditions of the rules are compared before the signature is verified, so that a JWT that no
//! rule is meant for causes no request to its issuer. Nothing of the JWT is trusted before its
//! signature is verified with the keys of the rule that accepts it.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::AuthorizationServer;
use super::failures::FailureSubject;
use super::reason::{Reason, Rejection};
use crate::cache::{ClientEntry, TrustRuleEntry};
use crate::clock::Timestamp;
use crate::credential::Fingerprint;
use crate::crypto::jws::{Jws, SignatureAlgorithm, SignatureError, WantedKey};
use crate::crypto::jwt::{JwtAudience, TimeClaims, TimeError};
use crate::error::Error;
use crate::net::http_client::JwksError;
use crate::request_context::RequestContext;
use crate::store::audit::{self, Action, Recorder};
use crate::store::client::{Client, could_be_id};
use crate::store::trust_rule::TrustRule;
use crate::store::{StoreError, used_jti};

/// How far in the future a JWT may expire, in seconds. Managed identities of Azure get tokens for a
/// day and some hours.
const MAX_LIFETIME: i64 = 48 * 3600;

/// The maximum length of an issuer that is looked up, in bytes.
const MAX_ISSUER: usize = 512;

/// The maximum number of key sets that are tried for one JWT.
const MAX_KEY_SETS: usize = 16;

/// A workload whose JWT a trust rule has accepted.
pub struct Workload {
    rule: Arc<TrustRuleEntry>,
    client: Arc<ClientEntry>,
    /// The claims that the rule's conditions were compared with.
    claims: Map<String, Value>,
    recorder: Recorder,
}

impl Workload {
    /// The client that the workload acts as.
    pub fn client(&self) -> &Arc<ClientEntry> {
        &self.client
    }

    /// When the trust rule expires: no token that it gives outlives it.
    pub fn not_after(&self) -> Option<Timestamp> {
        self.rule.expires_at
    }

    /// Whether the rule is still there and enabled.
    ///
    /// # Errors
    /// [`StoreError`] if the rules are not cached and the database did not answer.
    pub async fn is_trusted(&self, server: &AuthorizationServer) -> Result<bool, StoreError> {
        let rules = server.cache.trust_rules(&self.rule.issuer).await?;
        Ok(rules
            .iter()
            .any(|rule| rule.id == self.rule.id && rule.disabled_at.is_none()))
    }

    /// Writes an audit entry about a token that was issued to the workload: the rule, and the
    /// claims that made it match.
    ///
    /// # Errors
    /// [`StoreError`] if the database did not answer.
    pub async fn record_token(
        &self,
        server: &AuthorizationServer,
        jti: &str,
    ) -> Result<(), StoreError> {
        let account = Some(self.client.account_id.as_str());
        let mut entry = self.recorder.entry(Action::TokenIssue, account, jti);
        let details = json!({
            "client_id": self.client.client_id,
            "trust_rule": self.rule.id,
            "issuer": self.rule.issuer,
            "claims": self.claims,
        });
        entry.details = Some(details.to_string());
        server
            .store
            .write_untracked(move |database| {
                audit::insert_all(database, std::slice::from_ref(&entry), None)
            })
            .await
    }
}

/// Which audiences a JWT may have, if its trust rule names none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// The issuer identifier of this server: for client authentication.
    Issuer,
    /// The issuer identifier or the token endpoint: for authorization grants.
    IssuerOrTokenEndpoint,
}

/// A JWT in a request.
pub struct PresentedJwt<'a> {
    /// The JWT.
    pub text: &'a str,
    /// The client that the request names: only its rules are considered.
    pub client_id: Option<&'a str>,
    /// The audiences that the JWT may have.
    pub recipient: Recipient,
}

/// A JWT that was not accepted.
pub struct Refused {
    /// Why.
    pub rejection: Rejection,
    /// The client whose rule the JWT was probably meant for.
    pub client: Option<Arc<ClientEntry>>,
}

impl<E: Into<Rejection>> From<E> for Refused {
    fn from(error: E) -> Self {
        Refused {
            rejection: error.into(),
            client: None,
        }
    }
}

impl Refused {
    /// Counts and records the failure. Returns the error to answer with: `refusal` if the JWT is
    /// not accepted.
    pub fn record(
        self,
        server: &AuthorizationServer,
        context: &RequestContext,
        presented: &PresentedJwt<'_>,
        refusal: Error,
    ) -> Error {
        let reason = match self.rejection.into_reason() {
            Ok(reason) => reason,
            Err(error) => return error,
        };
        let client = self.client.as_deref().map(|entry| -> &Client { entry });
        let subject = FailureSubject {
            client_id: presented.client_id.filter(|id| could_be_id(id)),
            client,
            target: client.map_or("", |client| client.client_id.as_str()),
        };
        server.record_failed_authentication(context, &subject, &reason, refusal)
    }
}

/// The claims of a JWT that every rule evaluates.
#[derive(Deserialize)]
struct RegisteredClaims {
    iss: Option<String>,
    sub: Option<String>,
    aud: JwtAudience,
    exp: f64,
    nbf: Option<f64>,
    iat: Option<f64>,
    jti: Option<String>,
}

/// A JWT of another issuer. Its signature has not been verified.
struct ForeignJwt<'a> {
    jws: Jws<'a>,
    algorithm: SignatureAlgorithm,
    claims: Map<String, Value>,
    registered: RegisteredClaims,
}

impl<'a> ForeignJwt<'a> {
    fn parse(text: &'a str) -> Result<Self, Reason> {
        let jws =
            Jws::parse(text).map_err(|error| Reason::assertion_not_a_jwt(&error.to_string()))?;
        check_type(jws.header.typ.as_deref())?;
        let algorithm = jws.accepted_algorithm().map_err(|error| match error {
            SignatureError::CriticalHeader => Reason::assertion_critical_header(),
            _ => Reason::assertion_algorithm(),
        })?;
        let claims: Map<String, Value> = jws
            .claims()
            .map_err(|error| Reason::assertion_unreadable(&error.to_string()))?;
        let registered = RegisteredClaims::deserialize(&claims)
            .map_err(|error| Reason::assertion_unreadable(&error.to_string()))?;
        Ok(ForeignJwt {
            jws,
            algorithm,
            claims,
            registered,
        })
    }

    /// The issuers whose rules may accept the JWT: its `iss`, and the trust domain of a SPIFFE ID,
    /// since a JWT-SVID need not have an `iss`.
    fn issuers(&self) -> Vec<&str> {
        let iss = self.registered.iss.as_deref();
        let trust_domain = self.registered.sub.as_deref().and_then(trust_domain);
        let trust_domain = trust_domain.filter(|domain| iss != Some(domain));
        iss.into_iter()
            .chain(trust_domain)
            .filter(|issuer| could_be_issuer(issuer))
            .collect()
    }

    fn times(&self) -> TimeClaims {
        let claims = &self.registered;
        TimeClaims::new(claims.exp, claims.nbf, claims.iat)
    }
}

/// Refuses a JWT whose type says that it is for something else (RFC 8725 section 3.11): an access
/// token (`at+jwt`) is for resource servers. Platforms write `JWT`, `JOSE` or nothing.
fn check_type(typ: Option<&str>) -> Result<(), Reason> {
    let Some(typ) = typ else {
        return Ok(());
    };
    let lower = typ.to_ascii_lowercase();
    match lower.strip_prefix("application/").unwrap_or(&lower) {
        "jwt" | "jose" | "client-authentication+jwt" => Ok(()),
        _ => {
            let shown: String = typ
                .chars()
                .filter(char::is_ascii_graphic)
                .take(40)
                .collect();
            Err(Reason::trust_token_type(&shown))
        }
    }
}

/// The trust domain of a SPIFFE ID, as a URI.
pub fn trust_domain(spiffe_id: &str) -> Option<&str> {
    let path = spiffe_id.strip_prefix("spiffe://")?.find('/')?;
    spiffe_id.get(..path + "spiffe://".len())
}

/// Whether `text` has the form of an issuer. Nothing else is looked up.
pub fn could_be_issuer(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_ISSUER && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Verifies a JWT of another issuer: a trust rule must accept it.
///
/// # Errors
/// [`Refused`] if no rule accepts it, or rules of several clients do; or if the database or the
/// issuer's keys cannot be asked.
pub async fn verify(
    server: &AuthorizationServer,
    presented: &PresentedJwt<'_>,
    context: &RequestContext,
) -> Result<Workload, Refused> {
    let refused = match verify_for(server, presented, context).await {
        Ok(workload) => return Ok(workload),
        Err(refused) => refused,
    };
    let client = match (refused.client, presented.client_id) {
        (None, Some(client_id)) => server.cache.client(client_id).await?,
        (client, _) => client,
    };
    Err(Refused {
        rejection: refused.rejection,
        client,
    })
}

async fn verify_for(
    server: &AuthorizationServer,
    presented: &PresentedJwt<'_>,
    context: &RequestContext,
) -> Result<Workload, Refused> {
    let now = context.received_at;
    let jwt = ForeignJwt::parse(presented.text)?;
    let mut rules = rules_for(server, &jwt).await?;
    if let Some(client_id) = presented.client_id {
        rules.retain(|rule| rule.client_id == client_id);
    }
    let mut outcomes = Vec::with_capacity(rules.len());
    let mut signatures = Signatures::default();
    for rule in &rules {
        let checked = check(
            server,
            rule,
            &jwt,
            presented.recipient,
            now,
            &mut signatures,
        )
        .await;
        outcomes.push((rule, checked));
    }
    let (rule, client) = match choose(outcomes) {
        Choice::Accepted(rule, client) => (rule, client),
        Choice::Refused(failure) => {
            return Err(refusal(server, &jwt, &rules, failure).await?);
        }
    };
    if rule.single_use {
        claim_once(server, rule, &jwt)
            .await
            .map_err(|rejection| Refused {
                rejection,
                client: Some(client.clone()),
            })?;
    }
    Ok(Workload {
        claims: rule.conditions.select(&jwt.claims),
        recorder: Recorder::in_request(format!("trust rule {}", rule.id), context),
        rule: rule.clone(),
        client,
    })
}

/// The rules for the issuers of a JWT.
async fn rules_for(
    server: &AuthorizationServer,
    jwt: &ForeignJwt<'_>,
) -> Result<Vec<Arc<TrustRuleEntry>>, Rejection> {
    if jwt.registered.iss.as_deref() == Some(server.issuer.as_str()) {
        return Err(Reason::trust_own_issuer().into());
    }
    let mut rules = Vec::new();
    for issuer in jwt.issuers() {
        rules.extend(server.cache.trust_rules(issuer).await?.iter().cloned());
    }
    Ok(rules)
}

/// Why one rule does not accept a JWT.
struct Failure {
    rejection: Rejection,
    /// How many conditions the JWT meets.
    conditions_met: usize,
    /// Whether it meets all of them.
    is_meant: bool,
}

enum Choice<'a> {
    Accepted(&'a Arc<TrustRuleEntry>, Arc<ClientEntry>),
    /// With the rule that came nearest to accepting the JWT.
    Refused(Option<(&'a Arc<TrustRuleEntry>, Failure)>),
}

type Outcome<'a> = (&'a Arc<TrustRuleEntry>, Result<Arc<ClientEntry>, Failure>);

/// Chooses the oldest rule that accepts the JWT. Rules of several clients are refused: otherwise one
/// account could make the workloads of another act as its own client.
fn choose(outcomes: Vec<Outcome<'_>>) -> Choice<'_> {
    let mut accepted: Option<(&Arc<TrustRuleEntry>, Arc<ClientEntry>)> = None;
    let mut nearest: Option<(&Arc<TrustRuleEntry>, Failure)> = None;
    for (rule, outcome) in outcomes {
        match outcome {
            Ok(client) => match &accepted {
                None => accepted = Some((rule, client)),
                Some((first, _)) if first.client_id == rule.client_id => {}
                Some(_) => {
                    let failure = Failure {
                        rejection: Reason::trust_rule_ambiguous().into(),
                        conditions_met: 0,
                        is_meant: true,
                    };
                    return Choice::Refused(Some((rule, failure)));
                }
            },
            Err(failure) => {
                let rank = |failure: &Failure| (failure.is_meant, failure.conditions_met);
                if nearest
                    .as_ref()
                    .is_none_or(|(_, other)| rank(&failure) > rank(other))
                {
                    nearest = Some((rule, failure));
                }
            }
        }
    }
    match accepted {
        Some((rule, client)) => Choice::Accepted(rule, client),
        None => Choice::Refused(nearest),
    }
}

/// The refusal of a JWT that no rule accepts. It is attributed to a client only if the JWT was meant
/// for one of its rules: it meets some of the conditions, or all rules of the issuer are this
/// client's. Otherwise an account could read about the workloads of others in its failures.
async fn refusal(
    server: &AuthorizationServer,
    jwt: &ForeignJwt<'_>,
    rules: &[Arc<TrustRuleEntry>],
    nearest: Option<(&Arc<TrustRuleEntry>, Failure)>,
) -> Result<Refused, StoreError> {
    let Some((rule, failure)) = nearest else {
        return Ok(no_rule(jwt).into());
    };
    let only_client = rules.iter().all(|other| other.client_id == rule.client_id);
    if !(failure.is_meant || failure.conditions_met > 0 || only_client) {
        return Ok(Reason::trust_no_rule_matches(&rule.issuer).into());
    }
    Ok(Refused {
        rejection: failure.rejection,
        client: server.cache.client(&rule.client_id).await?,
    })
}

/// Why there is no rule for a JWT.
fn no_rule(jwt: &ForeignJwt<'_>) -> Reason {
    match jwt.issuers().first() {
        Some(issuer) => Reason::trust_issuer_unknown(issuer),
        None => Reason::trust_no_issuer(),
    }
}

/// Checks a JWT against one rule. Returns the client that the rule names.
async fn check(
    server: &AuthorizationServer,
    rule: &TrustRuleEntry,
    jwt: &ForeignJwt<'_>,
    recipient: Recipient,
    now: Timestamp,
    signatures: &mut Signatures,
) -> Result<Arc<ClientEntry>, Failure> {
    let met = rule
        .conditions
        .iter()
        .filter(|condition| condition.matches(&jwt.claims))
        .count();
    let failure = |is_meant| {
        move |rejection| Failure {
            rejection,
            conditions_met: met,
            is_meant,
        }
    };
    check_conditions(rule, &jwt.claims)
        .map_err(Rejection::from)
        .map_err(failure(false))?;
    check_rule(rule, now)
        .map_err(Rejection::from)
        .map_err(failure(true))?;
    let client = enabled_client(server, rule).await.map_err(failure(true))?;
    check_audience(server, rule, &jwt.registered.aud, recipient)
        .and_then(|()| check_times(rule, &jwt.times(), now, server.clock.past()))
        .map_err(Rejection::from)
        .map_err(failure(true))?;
    signatures
        .check(server, rule, jwt)
        .await
        .map_err(failure(true))?;
    Ok(client)
}

fn check_conditions(rule: &TrustRule, claims: &Map<String, Value>) -> Result<(), Reason> {
    match rule.conditions.iter().find(|one| !one.matches(claims)) {
        None => Ok(()),
        Some(unmet) => Err(Reason::trust_condition_unmet(&rule.id, &unmet.to_string())),
    }
}

fn check_rule(rule: &TrustRule, now: Timestamp) -> Result<(), Reason> {
    if rule.disabled_at.is_some() {
        return Err(Reason::trust_rule_disabled(&rule.id));
    }
    match rule.expires_at {
        Some(end) if end <= now => Err(Reason::trust_rule_ended(&rule.id, end)),
        _ => Ok(()),
    }
}

async fn enabled_client(
    server: &AuthorizationServer,
    rule: &TrustRule,
) -> Result<Arc<ClientEntry>, Rejection> {
    let client = server.cache.client(&rule.client_id).await?;
    let client = client.ok_or_else(Reason::unknown_client)?;
    if client.disabled_at.is_some() {
        return Err(Reason::client_disabled().into());
    }
    Ok(client)
}

/// The JWT must be for this server alone: whoever else it is for could present it here.
fn check_audience(
    server: &AuthorizationServer,
    rule: &TrustRule,
    audience: &JwtAudience,
    recipient: Recipient,
) -> Result<(), Reason> {
    let issuer = server.issuer.as_str();
    let expected = rule.audience.as_deref().unwrap_or(issuer);
    let is_endpoint = |sole: &str| {
        rule.audience.is_none()
            && recipient == Recipient::IssuerOrTokenEndpoint
            && sole == server.issuer.endpoint("/oauth/token")
    };
    match audience.sole() {
        Some(sole) if sole == expected || is_endpoint(sole) => Ok(()),
        _ => Err(Reason::trust_wrong_audience(
            &rule.id,
            expected,
            &audience.shown(),
        )),
    }
}

/// By `past`, the last instant of which every clock agrees that it has passed, the id of a JWT that
/// serves once may have been purged.
fn check_times(
    rule: &TrustRule,
    times: &TimeClaims,
    now: Timestamp,
    past: Timestamp,
) -> Result<(), Reason> {
    let id = &rule.id;
    if rule.single_use && times.refused_from() <= past {
        return Err(Reason::trust_token_ended(id, times.expired_for(now)));
    }
    times.check(now, MAX_LIFETIME).map_err(|error| match error {
        TimeError::Expired { seconds } => Reason::trust_token_ended(id, seconds),
        TimeError::TooLong { seconds } => Reason::trust_token_too_long(id, seconds, MAX_LIFETIME),
        TimeError::NotYetValid { seconds } => Reason::trust_token_not_begun(id, seconds),
    })
}

/// Where the keys of a rule come from.
#[derive(Clone, PartialEq, Eq)]
struct KeySource {
    jwks: Option<String>,
    jwks_uri: Option<String>,
    issuer: String,
}

/// Why a signature was not verified.
#[derive(Clone)]
enum SignatureFailure {
    Unreachable(String),
    Busy,
    Unusable(String),
    NoMatchingKey,
    Signature,
}

impl SignatureFailure {
    fn rejection(self, rule: &TrustRule) -> Rejection {
        let id = &rule.id;
        let reason = match self {
            // Not the workload's fault: it can retry, and this counts as no failed attempt.
            SignatureFailure::Busy => {
                let detail = format!("keys of {}: {}", rule.issuer, JwksError::Busy);
                return Error::unavailable(detail).into();
            }
            SignatureFailure::Unreachable(detail) => Reason::trust_keys_unreachable(id, &detail),
            SignatureFailure::Unusable(detail) => Reason::trust_keys_unusable(id, &detail),
            SignatureFailure::NoMatchingKey => Reason::trust_no_fitting_key(id),
            SignatureFailure::Signature => Reason::trust_wrong_signature(id),
        };
        reason.into()
    }
}

/// The outcome for each key set that was tried for one JWT: many rules of an issuer share one.
#[derive(Default)]
struct Signatures(Vec<(KeySource, Result<(), SignatureFailure>)>);

impl Signatures {
    async fn check(
        &mut self,
        server: &AuthorizationServer,
        rule: &TrustRuleEntry,
        jwt: &ForeignJwt<'_>,
    ) -> Result<(), Rejection> {
        let source = KeySource {
            jwks: rule.jwks.clone(),
            jwks_uri: rule.jwks_uri.clone(),
            issuer: rule.issuer.clone(),
        };
        let known = self.0.iter().find(|(other, _)| *other == source);
        let outcome = match known {
            Some((_, outcome)) => outcome.clone(),
            None if self.0.len() >= MAX_KEY_SETS => Err(SignatureFailure::Busy),
            None => {
                let outcome = verify_signature(server, rule, jwt).await;
                self.0.push((source, outcome.clone()));
                outcome
            }
        };
        outcome.map_err(|failure| failure.rejection(rule))
    }
}

async fn verify_signature(
    server: &AuthorizationServer,
    rule: &TrustRuleEntry,
    jwt: &ForeignJwt<'_>,
) -> Result<(), SignatureFailure> {
    let http = &server.http_client;
    let kid = jwt.jws.header.kid.as_deref();
    let keys = match (&rule.keys, &rule.jwks_uri) {
        (Some(Ok(keys)), _) => keys.clone(),
        (Some(Err(error)), _) => return Err(SignatureFailure::Unusable(error.clone())),
        (None, uri) => {
            let fetched = match uri {
                Some(uri) => {
                    http.jwks(uri, &rule.account_id, kid.map(WantedKey::Kid))
                        .await
                }
                None => http.issuer_keys(&rule.issuer, &rule.account_id, kid).await,
            };
            fetched.map_err(|error| match error {
                JwksError::Fetch(detail) => SignatureFailure::Unreachable(detail),
                JwksError::Busy => SignatureFailure::Busy,
            })?
        }
    };
    keys.verify(&jwt.jws, jwt.algorithm)
        .map_err(|error| match error {
            SignatureError::NoUsableKey(detail) => SignatureFailure::Unusable(detail),
            SignatureError::NoMatchingKey => SignatureFailure::NoMatchingKey,
            // The header was checked when the JWT was parsed.
            SignatureError::Signature
            | SignatureError::Algorithm
            | SignatureError::CriticalHeader => SignatureFailure::Signature,
        })
}

/// Marks a JWT as used, for a rule that accepts each only once, on one of all nodes.
async fn claim_once(
    server: &AuthorizationServer,
    rule: &TrustRule,
    jwt: &ForeignJwt<'_>,
) -> Result<(), Rejection> {
    // Without a `jti`, the signed text identifies the JWT: see `private_key_jwt`.
    let jti = jwt.registered.jti.as_deref().unwrap_or(jwt.jws.signed);
    let id = Fingerprint::of(format!("{}\0{jti}", rule.issuer).as_bytes()).hex();
    let used_until = jwt
        .times()
        .refused_from()
        .saturating_add(Duration::from_secs(1));
    let first_use = server
        .store
        .write_untracked(move |database| used_jti::claim(database, &id, used_until))
        .await?;
    if first_use {
        Ok(())
    } else {
        Err(Reason::trust_token_used(&rule.id).into())
    }
}

/// What a trust rule says about a JWT that is tried out.
pub struct Trial {
    /// The rule.
    pub rule: Arc<TrustRuleEntry>,
    /// Why it does not accept the JWT; none if it does.
    pub reason: Option<Reason>,
}

/// The result of trying a JWT out.
pub struct Trials {
    /// The claims of the JWT, which are not trustworthy.
    pub claims: Map<String, Value>,
    /// The visible rules for the issuers of the JWT.
    pub rules: Vec<Trial>,
    /// Why there is no rule; none if there are some.
    pub reason: Option<Reason>,
}

/// Tries a JWT out on the rules that `is_visible` selects, without using it up. Audiences are
/// accepted as for an authorization grant.
///
/// # Errors
/// [`Rejection::Inactive`] if the text is not a JWT that any rule could accept;
/// [`Rejection::Error`] if the database or the issuer's keys cannot be asked.
pub async fn try_out(
    server: &AuthorizationServer,
    text: &str,
    is_visible: impl Fn(&TrustRule) -> bool,
    now: Timestamp,
) -> Result<Trials, Rejection> {
    let jwt = ForeignJwt::parse(text)?;
    let mut rules = rules_for(server, &jwt).await?;
    rules.retain(|rule| is_visible(&rule.rule));
    let mut trials = Vec::with_capacity(rules.len());
    let mut signatures = Signatures::default();
    let recipient = Recipient::IssuerOrTokenEndpoint;
    for rule in rules {
        let checked = check(server, &rule, &jwt, recipient, now, &mut signatures).await;
        let reason = match checked {
            Ok(_) => None,
            Err(Failure {
                rejection: Rejection::Inactive(reason),
                ..
            }) => Some(reason),
            Err(Failure { rejection, .. }) => return Err(rejection),
        };
        trials.push(Trial { rule, reason });
    }
    let reason = trials.is_empty().then(|| no_rule(&jwt));
    Ok(Trials {
        claims: jwt.claims,
        rules: trials,
        reason,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(single_use: bool) -> TrustRule {
        TrustRule {
            id: "r1".to_owned(),
            account_id: "a1".to_owned(),
            client_id: "c1".to_owned(),
            issuer: "https://id.example".to_owned(),
            jwks: None,
            jwks_uri: None,
            audience: None,
            conditions: r#"[{"claim":"sub","operator":"exact","value":"x"}]"#
                .parse()
                .unwrap(),
            single_use,
            expires_at: Some(Timestamp::from_seconds(20_000)),
            disabled_at: None,
            disabled_by: None,
            created_at: Timestamp::EPOCH,
            created_by: "test".to_owned(),
        }
    }

    #[test]
    fn a_jwt_is_valid_for_a_while() {
        let at = Timestamp::from_seconds;
        let day: i32 = 24 * 3600;
        for (exp, nbf, now, past, single_use, refused) in [
            (10_000, None::<i32>, 9_000, 0, false, None),
            (10_000, None, 10_059, 0, false, None),
            (10_000, None, 10_060, 0, false, Some("trust_token_ended")),
            (10_000 + day, None, 10_000, 0, false, None),
            (
                10_000 + 3 * day,
                None,
                10_000,
                0,
                false,
                Some("trust_token_too_long"),
            ),
            (10_000, Some(9_060), 9_000, 0, false, None),
            (
                10_000,
                Some(9_061),
                9_000,
                0,
                false,
                Some("trust_token_not_begun"),
            ),
            // A clock that was set back: the id of a JWT that serves once may have been purged.
            (10_000, None, 9_000, 10_060, false, None),
            (10_000, None, 9_000, 10_060, true, Some("trust_token_ended")),
        ] {
            let times = TimeClaims::new(f64::from(exp), nbf.map(f64::from), None);
            let found = check_times(&rule(single_use), &times, at(now), at(past));
            let found = found.err().map(|reason| reason.code());
            assert_eq!(found, refused, "{exp} {nbf:?} at {now}");
        }
    }

    #[test]
    fn a_rule_must_be_enabled_and_not_expired() {
        let now = Timestamp::from_seconds(10_000);
        let expired = Timestamp::from_seconds(20_000);
        let disabled = TrustRule {
            disabled_at: Some(now),
            ..rule(false)
        };
        for (rule, at, refused) in [
            (&rule(false), now, None),
            (&rule(false), expired, Some("trust_rule_ended")),
            (&disabled, now, Some("trust_rule_disabled")),
        ] {
            let found = check_rule(rule, at).err().map(|reason| reason.code());
            assert_eq!(found, refused);
        }
    }

    #[test]
    fn a_jwt_of_another_type_is_refused() {
        for (typ, accepted) in [
            (None, true),
            (Some("JWT"), true),
            (Some("jwt"), true),
            (Some("JOSE"), true),
            (Some("application/jwt"), true),
            (Some("client-authentication+jwt"), true),
            (Some("at+jwt"), false),
            (Some("application/at+jwt"), false),
            (Some("oauth-id-jag+jwt"), false),
            (Some("dpop+jwt"), false),
            (Some(""), false),
        ] {
            assert_eq!(check_type(typ).is_ok(), accepted, "{typ:?}");
        }
    }

    #[test]
    fn the_trust_domain_of_a_spiffe_id_is_found() {
        for (id, domain) in [
            (
                "spiffe://acme.example/ns/a/sa/b",
                Some("spiffe://acme.example"),
            ),
            ("spiffe://acme.example", None),
            ("https://acme.example/a", None),
            ("", None),
        ] {
            assert_eq!(trust_domain(id), domain, "{id}");
        }
    }

    fn entry(client_id: &str) -> Arc<TrustRuleEntry> {
        let rule = TrustRule {
            client_id: client_id.to_owned(),
            ..rule(false)
        };
        Arc::new(TrustRuleEntry { rule, keys: None })
    }

    #[test]
    fn the_nearest_rule_explains_a_refusal() {
        let (first, second) = (entry("c1"), entry("c2"));
        let failure = |is_meant, conditions_met, code: &str| Failure {
            rejection: Reason::trust_rule_disabled(code).into(),
            conditions_met,
            is_meant,
        };
        let outcomes = vec![
            (&first, Err(failure(false, 3, "far"))),
            (&second, Err(failure(true, 1, "near"))),
            (&first, Err(failure(true, 1, "later"))),
        ];
        let Choice::Refused(Some((rule, nearest))) = choose(outcomes) else {
            panic!("accepted");
        };
        assert_eq!(rule.client_id, "c2");
        let Rejection::Inactive(reason) = nearest.rejection else {
            panic!("an error");
        };
        assert!(reason.to_string().contains("near"), "{reason}");
        assert!(matches!(choose(Vec::new()), Choice::Refused(None)));
    }
}
