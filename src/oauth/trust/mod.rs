//! Workload identity: a workload with a credential of another issuer acts as a client if a trust rule
//! accepts the credential. Three kinds of requests present a JWT: a client assertion (RFC 7523 section
//! 2.2), the jwt-bearer grant (RFC 7523 section 2.1) and a token exchange (RFC 8693). All of them call
//! [`verify`], and differ only in the audience that they accept and in the error that they answer
//! with. The client certificate of a request may be an X.509-SVID, which [`verify_svid`] checks.
//!
//! The conditions of the rules are compared before the signature is verified, so that a JWT that no
//! rule is meant for causes no request to its issuer. Nothing of the JWT is trusted before its
//! signature is verified with the keys of the rule that accepts it. The same holds for a certificate
//! and its chain.
//!
//! An ID-JAG is such a JWT too, but about a user: the authenticated client presents it, and a rule of
//! the kind [`RuleKind::IdJag`] must accept it ([`id_jag`]).

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::AuthorizationServer;
use super::binding::Binding;
use super::failures::{FailureSubject, FailureTarget};
use super::reason::{Reason, Rejection};
use crate::cache::{ClientEntry, TrustRuleEntry};
use crate::client_certificate::CertificateChain;
use crate::clock::Timestamp;
use crate::credential::Fingerprint;
use crate::error::Error;
use crate::request_context::RequestContext;
use crate::scope::Scope;
use crate::store::audit::{self, Action, Recorder};
use crate::store::client::{Client, could_be_id};
use crate::store::resource_server::Resources;
use crate::store::trust_rule::RuleKind;
use crate::store::{StoreError, used_jti};

mod foreign_jwt;
pub mod id_jag;
mod issuer_keys;
mod rule_check;
mod rule_choice;
pub mod spiffe_id;
mod trial;
mod workload_credential;
mod x509_svid;

pub use foreign_jwt::{could_be_issuer, is_id_jag, trust_domain};
pub use trial::{Trial, Trials, TriedCredential, try_out};

use foreign_jwt::{ForeignJwt, unexpected_type};
use id_jag::IdJag;
use issuer_keys::KeyChecks;
use rule_check::check;
use rule_choice::{Choice, choose, refusal};
use workload_credential::WorkloadCredential;
use x509_svid::X509Svid;

/// A workload, or a user of a client, whose credential a trust rule has accepted.
pub struct Workload {
    rule: Arc<TrustRuleEntry>,
    client: Arc<ClientEntry>,
    /// The claims that the rule's conditions were compared with.
    claims: Map<String, Value>,
    /// What an identity provider says about the user, if the JWT is an ID-JAG.
    id_jag: Option<IdJag>,
    /// How the JWT is marked as used, if the rule accepts each only once.
    single_use: Option<SingleUse>,
    recorder: Recorder,
}

/// How a JWT is marked as used.
struct SingleUse {
    /// Identifies the JWT.
    id: String,
    /// Until when the JWT would be accepted again.
    until: Timestamp,
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

    /// The `sub` of the access token; none if it is the client.
    pub fn subject(&self) -> Option<String> {
        let id_jag = self.id_jag.as_ref()?;
        Some(id_jag.subject(&self.rule.issuer))
    }

    /// The key of which the request must prove possession, if the JWT is bound to one.
    pub fn required_binding(&self) -> Option<&Binding> {
        self.id_jag.as_ref().and_then(IdJag::binding)
    }

    /// The part of the client's scope that the JWT allows.
    ///
    /// # Errors
    /// `invalid_scope` if it allows none of it.
    pub fn limit_scope(&self) -> Result<Scope, Error> {
        match &self.id_jag {
            Some(id_jag) => id_jag.limit_scope(&self.client.scope),
            None => Ok(self.client.scope.clone()),
        }
    }

    /// The resource servers of the client that the JWT allows.
    ///
    /// # Errors
    /// `invalid_target` if it allows none of them.
    pub fn limit_resources(&self) -> Result<Resources, Error> {
        match &self.id_jag {
            Some(id_jag) => id_jag.limit_resources(&self.client.resources),
            None => Ok(self.client.resources.clone()),
        }
    }

    /// Marks the JWT as used, on one of all nodes, if its rule accepts each only once. Call this
    /// last: a request that is refused before, such as for a DPoP nonce, can be repeated with the
    /// same JWT.
    ///
    /// # Errors
    /// [`Refused`] if it was used before, or the database did not answer.
    pub async fn use_up(&self, server: &AuthorizationServer) -> Result<(), Refused> {
        let Some(SingleUse { id, until }) = &self.single_use else {
            return Ok(());
        };
        let (id, until) = (id.clone(), *until);
        let is_first_use = server
            .store
            .write_untracked(move |database| used_jti::claim(database, &id, until))
            .await?;
        if is_first_use {
            Ok(())
        } else {
            Err(self.refused(Reason::trust_token_used(&self.rule.id)))
        }
    }

    /// The refusal of the JWT, although the rule accepts it.
    pub fn refused(&self, reason: Reason) -> Refused {
        Refused {
            rejection: reason.into(),
            client: Some(self.client.clone()),
        }
    }

    /// Whether the rule is still there and enabled.
    ///
    /// # Errors
    /// [`StoreError`] if the rules are not cached and the database did not answer.
    pub async fn is_trusted(&self, server: &AuthorizationServer) -> Result<bool, StoreError> {
        is_enabled(server, &self.rule).await
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

/// What a JWT is presented as. This decides which type and which audiences it may have, and which
/// rules are for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PresentedAs {
    /// Client authentication. Its audience is the issuer identifier of this server.
    ClientAssertion,
    /// The authorization grant of a workload. Its audience is the issuer identifier or the token
    /// endpoint.
    Grant,
    /// An ID-JAG of the authenticated client. Its audience is the issuer identifier.
    IdJag,
}

impl PresentedAs {
    fn rule_kind(self) -> RuleKind {
        match self {
            PresentedAs::ClientAssertion | PresentedAs::Grant => RuleKind::Workload,
            PresentedAs::IdJag => RuleKind::IdJag,
        }
    }
}

/// A JWT in a request.
pub struct PresentedJwt<'a> {
    /// The JWT.
    pub text: &'a str,
    /// The client that the request names or that sent it: only its rules are considered.
    pub client_id: Option<&'a str>,
    /// What the JWT is presented as.
    pub presented_as: PresentedAs,
}

/// A credential that was not accepted.
pub struct Refused {
    /// Why.
    pub rejection: Rejection,
    /// The client whose rule the credential was probably meant for.
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
    /// Counts and records the failure of a request that names this client, if it names one. Returns
    /// the error to answer with: `refusal` if the JWT is not accepted.
    pub fn record(
        self,
        server: &AuthorizationServer,
        context: &RequestContext,
        client_id: Option<&str>,
        refusal: Error,
    ) -> Error {
        let reason = match self.rejection.into_reason() {
            Ok(reason) => reason,
            Err(error) => return error,
        };
        let client = self.client.as_deref().map(|entry| -> &Client { entry });
        let subject = FailureSubject {
            client_id: client_id.filter(|id| could_be_id(id)),
            client,
            target: FailureTarget::Client(client.map_or("", |client| client.client_id.as_str())),
            secret_id: None,
        };
        server.record_failed_authentication(context, &subject, &reason, refusal)
    }
}

/// Verifies a JWT of another issuer: a trust rule must accept it. The caller marks it as used with
/// [`Workload::use_up`].
///
/// # Errors
/// [`Refused`] if no rule accepts it, or rules of several clients do; or if the database or the
/// issuer's keys cannot be asked.
pub async fn verify(
    server: &AuthorizationServer,
    presented: &PresentedJwt<'_>,
    context: &RequestContext,
) -> Result<Workload, Refused> {
    let verified = match parse_jwt(presented) {
        Ok(credential) => accept(server, credential, presented.client_id, context).await,
        Err(reason) => Err(reason.into()),
    };
    match verified {
        Ok(workload) => Ok(workload),
        Err(refused) => Err(attribute(server, refused, presented.client_id).await?),
    }
}

/// Verifies the client certificate of a workload: a trust rule must accept it. `client_id` is the
/// parameter of the request: the SPIFFE ID of the certificate
/// (draft-ietf-oauth-spiffe-client-auth section 3.2), or the client whose rules alone are considered.
///
/// # Errors
/// As [`verify`].
pub async fn verify_svid(
    server: &AuthorizationServer,
    chain: &CertificateChain,
    client_id: &str,
    context: &RequestContext,
) -> Result<Workload, Refused> {
    let client = (!spiffe_id::has_scheme(client_id)).then_some(client_id);
    let parsed = X509Svid::parse(chain, context.received_at).and_then(|svid| match client {
        None => svid.check_client_id(client_id).map(|()| svid),
        Some(_) => Ok(svid),
    });
    let verified = match parsed {
        Ok(svid) => accept(server, WorkloadCredential::X509Svid(svid), client, context).await,
        Err(reason) => Err(reason.into()),
    };
    match verified {
        Ok(workload) => Ok(workload),
        Err(refused) => Err(attribute(server, refused, client).await?),
    }
}

/// Whether the certificate is an X.509-SVID of a trust domain that the client has a rule for.
///
/// # Errors
/// [`StoreError`] if the rules are not cached and the database did not answer.
pub async fn has_rule_for_svid(
    server: &AuthorizationServer,
    chain: &CertificateChain,
    client_id: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let Ok(svid) = X509Svid::parse(chain, now) else {
        return Ok(false);
    };
    let rules = server.cache.trust_rules(svid.trust_domain()).await?;
    Ok(rules
        .iter()
        .any(|rule| rule.kind == RuleKind::SpiffeX509 && rule.client_id == client_id))
}

fn parse_jwt<'a>(presented: &PresentedJwt<'a>) -> Result<WorkloadCredential<'a>, Reason> {
    let jwt = ForeignJwt::parse(presented.text)?;
    if jwt.kind() != presented.presented_as.rule_kind() {
        return Err(unexpected_type(
            jwt.jws.header.typ.as_deref().unwrap_or("JWT"),
        ));
    }
    Ok(WorkloadCredential::Jwt(
        Box::new(jwt),
        presented.presented_as,
    ))
}

/// Attributes a refusal to the client that the request names, unless a rule was found to be meant.
async fn attribute(
    server: &AuthorizationServer,
    refused: Refused,
    client_id: Option<&str>,
) -> Result<Refused, StoreError> {
    let client = match (refused.client, client_id) {
        (None, Some(client_id)) => server.cache.client(client_id).await?,
        (client, _) => client,
    };
    Ok(Refused {
        rejection: refused.rejection,
        client,
    })
}

/// Finds the rule that accepts a credential; only rules of `client_id` if it is given.
async fn accept(
    server: &AuthorizationServer,
    credential: WorkloadCredential<'_>,
    client_id: Option<&str>,
    context: &RequestContext,
) -> Result<Workload, Refused> {
    let now = context.received_at;
    let mut rules = rules_for(server, &credential).await?;
    if let Some(client_id) = client_id {
        rules.retain(|rule| rule.client_id == client_id);
    }
    let mut outcomes = Vec::with_capacity(rules.len());
    let mut keys = KeyChecks::default();
    for rule in &rules {
        let checked = check(server, rule, &credential, now, &mut keys).await;
        outcomes.push((rule, checked));
        if rules.len() > 1 {
            // There may be many: other requests of this thread must go on meanwhile.
            tokio::task::yield_now().await;
        }
    }
    let (rule, client) = match choose(outcomes) {
        Choice::Accepted(rule, client) => (rule, client),
        Choice::Refused(failure) => {
            return Err(refusal(server, &credential, &rules, failure).await?);
        }
    };
    check_still_trusted(server, rule).await?;
    let actor = credential.actor(&rule.id, &client.client_id);
    let mut claims = rule.conditions.select(credential.claims());
    let (single_use, id_jag) = match credential {
        WorkloadCredential::Jwt(jwt, _) => {
            (rule.single_use.then(|| single_use(rule, &jwt)), jwt.id_jag)
        }
        WorkloadCredential::X509Svid(_) => (None, None),
    };
    if let Some(id_jag) = &id_jag {
        claims.insert("sub".to_owned(), id_jag.user().into());
    }
    Ok(Workload {
        claims,
        single_use,
        id_jag,
        recorder: Recorder::in_request(actor, context),
        rule: rule.clone(),
        client,
    })
}

/// Refuses what was disabled or deleted while the issuer's keys were fetched, which may have taken
/// seconds.
async fn check_still_trusted(
    server: &AuthorizationServer,
    rule: &TrustRuleEntry,
) -> Result<(), Refused> {
    let is_enabled = is_enabled(server, rule).await?;
    let client = server.cache.client(&rule.client_id).await?;
    let reason = match &client {
        _ if !is_enabled => Reason::trust_rule_disabled(&rule.id),
        None => Reason::unknown_client(),
        Some(client) => match Reason::refusing(client) {
            Some(reason) => reason,
            None => return Ok(()),
        },
    };
    Err(Refused {
        rejection: reason.into(),
        client,
    })
}

/// Whether a rule is still there and enabled.
async fn is_enabled(
    server: &AuthorizationServer,
    rule: &TrustRuleEntry,
) -> Result<bool, StoreError> {
    let rules = server.cache.trust_rules(&rule.issuer).await?;
    Ok(rules
        .iter()
        .any(|current| current.id == rule.id && current.disabled_at.is_none()))
}

/// The rules for the issuers of a credential, of the kind that is for it.
async fn rules_for(
    server: &AuthorizationServer,
    credential: &WorkloadCredential<'_>,
) -> Result<Vec<Arc<TrustRuleEntry>>, Rejection> {
    if let WorkloadCredential::Jwt(jwt, _) = credential
        && jwt.registered.iss.as_deref() == Some(server.issuer.as_str())
    {
        return Err(Reason::trust_own_issuer().into());
    }
    let mut rules = Vec::new();
    for issuer in credential.issuers() {
        let of_issuer = server.cache.trust_rules(issuer).await?;
        let kind = credential.kind();
        let of_kind = of_issuer.iter().filter(|rule| rule.kind == kind);
        rules.extend(of_kind.cloned());
    }
    Ok(rules)
}

/// How a JWT is marked as used. The client is part of it: with a rule and keys of its own, another
/// account could otherwise use up the `jti` of a JWT that it has not seen.
fn single_use(rule: &TrustRuleEntry, jwt: &ForeignJwt<'_>) -> SingleUse {
    // Without a `jti`, the signed text identifies the JWT: see `private_key_jwt`.
    let jti = jwt.registered.jti.as_deref().unwrap_or(jwt.jws.signed);
    let text = format!("{}\0{}\0{jti}", rule.client_id, rule.issuer);
    SingleUse {
        id: Fingerprint::of(text.as_bytes()).hex(),
        until: jwt
            .times()
            .refused_from()
            .saturating_add(Duration::from_secs(1)),
    }
}
