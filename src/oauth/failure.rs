//! What a failed authentication costs and leaves behind: it is counted, and written to the audit with
//! its exact reason, so that the client's owner finds it by the request id of the answer.

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::AuthorizationServer;
use super::usage::Of;
use crate::cache::ClientEntry;
use crate::clock::Timestamp;
use crate::credential::{Credential, Fingerprint, Kind, redacted};
use crate::error::{Code, Error};
use crate::request_context::RequestContext;
use crate::store::StoreError;
use crate::store::audit::{self, Action};
use crate::store::client::Client;

/// Why an authentication failed, or a token is not in force: for the log and the audit, never for an
/// answer. It displays as an English sentence; whoever speaks another language goes by the code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    code: &'static str,
    parameters: Vec<(&'static str, Value)>,
    text: String,
}

impl Reason {
    /// The code, which stays as it is.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// What the sentence names, as a JSON object; instants in milliseconds since the epoch.
    pub fn parameters(&self) -> Map<String, Value> {
        self.parameters
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect()
    }

    /// The same, with the client in the sentence.
    #[must_use]
    pub fn of_client(mut self, client_id: &str) -> Self {
        self.text = format!("client {client_id}: {}", self.text);
        self
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

trait Parameter {
    fn value(self) -> Value;
}

impl Parameter for &str {
    fn value(self) -> Value {
        self.into()
    }
}

impl Parameter for i64 {
    fn value(self) -> Value {
        self.into()
    }
}

impl Parameter for Timestamp {
    fn value(self) -> Value {
        self.millis().into()
    }
}

macro_rules! reasons {
    ($($code:ident($($parameter:ident: $type:ty),*) = $text:literal;)*) => {
        impl Reason {
            $(
                #[doc = $text]
                pub fn $code($($parameter: $type),*) -> Self {
                    Reason {
                        code: stringify!($code),
                        parameters: vec![$((stringify!($parameter), $parameter.value())),*],
                        text: format!($text),
                    }
                }
            )*
        }

        /// The codes of all reasons, each with the names of its parameters.
        pub const ALL_REASONS: &[(&str, &[&str])] = &[$((stringify!($code), &[$(stringify!($parameter)),*])),*];
    };
}

// A code stays once it is released: entries of the audit hold it for a year, and others translate it.
reasons! {
    // How a client authenticates.
    no_authentication() = "no client authentication in the request";
    unreadable_authorization() = "unreadable Authorization header";
    secret_without_client() = "client_secret without client_id";
    unknown_client() = "unknown client";
    client_disabled() = "the client is disabled";
    wrong_method(method: &str) = "the client is registered with {method}";
    not_a_secret() = "what was presented is no client secret, or mistyped";
    no_such_secret(id: &str) = "it has no secret {id}";
    wrong_secret(id: &str) = "wrong secret, under the id {id}";
    secret_ended(id: &str, at: Timestamp) = "secret {id} ended at {at}";

    // By an assertion.
    assertion_not_a_jwt(detail: &str) = "the assertion is no JWT: {detail}";
    assertion_algorithm() = "the assertion is signed with an algorithm that is not taken";
    assertion_critical_header() = "the assertion has a critical header that is not understood";
    assertion_no_keys() = "the client has no keys";
    assertion_keys_unreadable(detail: &str) = "the client's jwks: {detail}";
    assertion_keys_unreachable(detail: &str) = "{detail}";
    assertion_no_usable_key(detail: &str) = "none of the client's keys can verify an assertion: {detail}";
    assertion_no_fitting_key() = "the client has no key that fits the assertion";
    assertion_wrong_signature() = "the signature of the assertion is not by the client's key";
    assertion_unreadable(detail: &str) = "the assertion: {detail}";
    assertion_wrong_client() = "iss and sub of the assertion are not the client's id";
    assertion_wrong_audience(aud: &str) = "aud of the assertion is {aud}, and not the issuer alone";
    assertion_for_token_endpoint() = "aud of the assertion is the token endpoint, and not the issuer: let the client name the issuer (Spring Security: the parameters converter's JWT client assertion customizer), or turn assertion_for_token_endpoint on";
    assertion_ended(seconds: i64) = "the assertion ended {seconds} s ago";
    assertion_too_long(seconds: i64, most: i64) = "the assertion ends in {seconds} s, and {most} is the most";
    assertion_not_begun(seconds: i64) = "the assertion begins in {seconds} s";
    assertion_used() = "the assertion has served before";

    // At registration.
    no_initial_token() = "no initial access token";
    unknown_initial_token() = "unknown initial access token";
    wrong_initial_token() = "wrong initial access token";
    initial_token_ended() = "the initial access token has ended";
    initial_token_used_up() = "the initial access token is used up";
    no_registration_token() = "no registration access token";
    wrong_registration_token() = "wrong registration access token";
    not_registered_by_itself() = "unknown client, or one that did not register itself";

    // Of an access token.
    token_too_long() = "too long for a token";
    not_a_token() = "not a JWT";
    token_header_unreadable() = "unreadable header";
    token_wrong_type() = "not of the type at+jwt or JWT";
    token_critical_header() = "a critical header that is not understood";
    token_unknown_key() = "signed by an unknown key";
    token_signing_key_retired() = "its signing key is retired";
    token_wrong_algorithm() = "the algorithm is not that of its key";
    token_signature_unreadable() = "unreadable signature";
    token_wrong_signature() = "wrong signature";
    token_claims_unreadable() = "unreadable claims";
    token_of_another_issuer() = "of another issuer";
    token_ended() = "ended";
    token_ended_by_later_clock() =
        "ended by the last moment that a node wrote down, which the clock of this machine is more than a day behind";
    token_revoked() = "revoked";
    all_tokens_revoked() = "all of the client's tokens were revoked";
    token_api_key_ended() = "the API key that it was exchanged for has ended";
    token_without_record() = "there is no record of a token with this jti";

    // Of an API key.
    not_a_key() = "no API key, or mistyped";
    no_such_key() = "no such API key";
    key_revoked(name: &str) = "the API key {name} was revoked";
    wrong_key() = "wrong API key";
    key_ended() = "ended";
    address_not_allowed() = "presented from an address that is not allowed";

    // Of a client that has authenticated, and may not have what it asks for.
    scope_malformed() = "asked for a scope that is not well-formed";
    scope_not_allowed(scope: &str) = "asked for the scope {scope}, which the client may not have";
    resource_not_allowed(resource: &str) = "asked for the resource server {resource}, which the client may not use";
    grant_type_not_allowed(grant_type: &str) = "asked for the grant type {grant_type}, which the client may not use";

    // Of a request to a resource server with an active token or API key.
    insufficient_scope(scope: &str) = "the request needed the scope {scope}";
    wrong_resource_server(resource: &str) = "presented to {resource}, which it is not meant for";

    // Of a user of the portal.
    wrong_password() = "wrong e-mail address or password";
    wrong_current_password() = "wrong current password";
    wrong_second_factor() = "wrong code of the second factor";
    second_factor_locked() = "the second factor is locked after too many wrong codes";

    // Of failures by callers that are not known.
    failures_left_out(count: i64) = "{count} more failures by unknown callers were not recorded";

    // Of a token or an API key.
    owner_deleted() = "its client is deleted";
    owner_disabled() = "its client is disabled";
    not_for_caller() = "not meant for the caller";
}

/// Whose authentication failed, as far as it is known.
#[derive(Default)]
pub struct Whose<'a> {
    /// The client that was named, to count failures by.
    pub client_id: Option<&'a str>,
    /// The client where there is one, whose account's audit it goes to.
    pub client: Option<&'a Client>,
    /// The client, or the id of the API key.
    pub target: &'a str,
}

impl AuthorizationServer {
    /// Counts and notes a failure; gives what to answer: `refusal`, or that there were too many.
    pub fn failed(
        &self,
        context: &RequestContext,
        whose: &Whose<'_>,
        reason: &Reason,
        refusal: Error,
    ) -> Error {
        self.usage
            .count_failure(whose.client, reason.code, context.received_at);
        match self.rate_limiter.failed(whose.client_id, context.client_ip) {
            // Under a flood the audit has enough of it.
            Some(wait) => {
                self.usage.metrics.count_rate_limited();
                Error::too_many_requests("Too many failed attempts; try again later", wait)
                    .detail(reason.to_string())
            }
            None => {
                self.note(context, whose, reason);
                refusal.detail(reason.to_string())
            }
        }
    }

    /// The same for whoever presented a token or an API key.
    pub async fn failed_bearer(
        &self,
        context: &RequestContext,
        presented: &str,
        reason: &Reason,
        refusal: Error,
    ) -> Error {
        // Best effort: a store that gives no answer leaves the owner unknown.
        let (target, owner) = self.owner_of(presented).await.unwrap_or_default();
        let client = owner.as_ref().map(|owner| &owner.client);
        self.failed(
            context,
            &Whose {
                client_id: None,
                client,
                target: &target,
            },
            reason,
            refusal,
        )
    }

    /// The id and the client of a token whose signature was proven, or of an API key by the id in it.
    async fn owner_of(
        &self,
        presented: &str,
    ) -> Result<(String, Option<Arc<ClientEntry>>), StoreError> {
        if let Some(token) = self.verified.get(&Fingerprint::of(presented.as_bytes())) {
            let owner = self.cache.client(&token.claims.client_id).await?;
            return Ok((token.claims.jti.to_string(), owner));
        }
        let Some(key) = Credential::parse(presented, Kind::ApiKey) else {
            return Ok((String::new(), None));
        };
        let owner = self.owner_of_key(key.id()).await.unwrap_or_default();
        Ok((key.id().to_owned(), owner))
    }

    /// The client of an API key, revoked ones included.
    async fn owner_of_key(&self, id: &str) -> Result<Option<Arc<ClientEntry>>, StoreError> {
        let client_id = match self.cache.api_key(id).await? {
            Some(entry) => entry.key.client_id.clone(),
            None => match self.cache.revoked_api_key(id).await? {
                Some(entry) => entry.key.client_id.clone(),
                None => return Ok(None),
            },
        };
        self.cache.client(&client_id).await
    }

    /// Counts and notes why a client that authenticated gets no token, so that its owner sees it. `target`
    /// is the client or the id of the API key. Of a client that asks again and again, some are enough.
    pub fn note_refusal(
        &self,
        context: &RequestContext,
        client: &Client,
        target: &str,
        error: &Error,
    ) {
        let reason = match (error.code(), error.subject()) {
            (Code::InvalidScope, Some(scope)) => Reason::scope_not_allowed(scope),
            (Code::InvalidScope, None) => Reason::scope_malformed(),
            (Code::InvalidTarget, Some(resource)) => Reason::resource_not_allowed(resource),
            (Code::UnauthorizedClient, Some(grant_type)) => {
                Reason::grant_type_not_allowed(grant_type)
            }
            _ => return,
        };
        self.note_refused(Action::TokenRefused, context, client, target, &reason);
    }

    /// Counts and notes that forward authentication refused an active credential of a client.
    pub fn note_refused_verification(
        &self,
        context: &RequestContext,
        client: &Client,
        target: &str,
        reason: &Reason,
    ) {
        self.note_refused(Action::VerificationRefused, context, client, target, reason);
    }

    fn note_refused(
        &self,
        action: Action,
        context: &RequestContext,
        client: &Client,
        target: &str,
        reason: &Reason,
    ) {
        self.usage
            .count_failure(Some(client), reason.code, context.received_at);
        if self.rate_limiter.refused(&client.client_id).is_none() {
            self.note_as(
                action,
                context,
                &Whose {
                    client_id: None,
                    client: Some(client),
                    target,
                },
                reason,
            );
        }
    }

    fn note(&self, context: &RequestContext, whose: &Whose<'_>, reason: &Reason) {
        // Failures in the name of a client are limited by that name already; those with its API keys are not.
        let by_key = whose.client.filter(|_| whose.client_id.is_none());
        if by_key.is_some_and(|client| {
            self.rate_limiter
                .failed_api_key(&client.client_id)
                .is_some()
        }) {
            return;
        }
        self.note_as(Action::AuthenticationFailure, context, whose, reason);
    }

    fn note_as(
        &self,
        action: Action,
        context: &RequestContext,
        whose: &Whose<'_>,
        reason: &Reason,
    ) {
        let parameters = reason.parameters();
        let parameters = (!parameters.is_empty()).then(|| Value::from(parameters).to_string());
        let account = whose.client.map(|client| client.account_id.as_str());
        let recorder = audit::Recorder::unauthenticated(context);
        let entry = audit::AuditEntry {
            reason: Some(redacted(&reason.text).into_owned()),
            reason_code: Some(reason.code.to_owned()),
            reason_parameters: parameters.map(|json| redacted(&json).into_owned()),
            client_id: whose.client.map(|client| client.client_id.clone()),
            ..recorder.entry(action, account, &redacted(whose.target))
        };
        self.usage.record_failure(
            entry,
            if whose.client.is_some() {
                Of::Known
            } else {
                Of::Unknown
            },
        );
    }
}
