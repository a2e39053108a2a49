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

use serde_json::{Map, Value, json};

use super::AuthorizationServer;
use super::failures::FailureSubject;
use super::reason::{Reason, Rejection};
use crate::cache::{ClientEntry, TrustRuleEntry};
use crate::clock::Timestamp;
use crate::credential::Fingerprint;
use crate::error::Error;
use crate::request_context::RequestContext;
use crate::store::audit::{self, Action, Recorder};
use crate::store::client::{Client, could_be_id};
use crate::store::trust_rule::TrustRule;
use crate::store::{StoreError, used_jti};

mod foreign_jwt;
mod issuer_keys;
mod rule_check;
mod rule_choice;
mod trial;

pub use foreign_jwt::{could_be_issuer, trust_domain};
pub use trial::{Trial, Trials, try_out};

use foreign_jwt::ForeignJwt;
use issuer_keys::Signatures;
use rule_check::check;
use rule_choice::{Choice, choose, refusal};

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
