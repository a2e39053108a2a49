//! Recording of failed authentications and refused requests: each is counted, rate limited, and
//! written to the audit with its [`Reason`], so that the owner of the client finds it by the
//! request id of the response.

use serde_json::Value;

use super::AuthorizationServer;
use super::reason::Reason;
use super::usage::{FailureSource, Used};
use crate::credential::redacted;
use crate::error::{Code, Error};
use crate::request_context::RequestContext;
use crate::store::audit::{Action, AuditEntry, Recorder};
use crate::store::client::Client;

/// What a failure concerns, as far as it is known.
#[derive(Default)]
pub struct FailureSubject<'a> {
    /// The client id that the request named. Failures are rate limited by it.
    pub client_id: Option<&'a str>,
    /// The client, if it exists. The audit entry goes to its account.
    pub client: Option<&'a Client>,
    /// The target of the audit entry.
    pub target: FailureTarget<'a>,
    /// The id of the client secret that was presented, if it is one of the client's.
    pub secret_id: Option<&'a str>,
}

/// The target of an audit entry about a failure.
#[derive(Clone, Copy, Debug)]
pub enum FailureTarget<'a> {
    /// A client id, which may be made up; empty if none is known.
    Client(&'a str),
    /// The `jti` of an access token.
    Token(&'a str),
    /// The id of an API key.
    ApiKey(&'a str),
}

/// Whether the client itself is allowed the scope or the resource server that was refused.
pub fn is_allowed(client: &Client, refused: &Error) -> bool {
    match (refused.code(), refused.subject()) {
        (Code::InvalidScope, Some(scope)) => client.scope.covers(scope),
        (Code::InvalidTarget, Some(resource)) => client.resources.contains(resource),
        _ => false,
    }
}

impl Default for FailureTarget<'_> {
    fn default() -> Self {
        FailureTarget::Client("")
    }
}

impl<'a> FailureTarget<'a> {
    fn id(self) -> &'a str {
        match self {
            FailureTarget::Client(id) | FailureTarget::Token(id) | FailureTarget::ApiKey(id) => id,
        }
    }
}

impl<'a> FailureSubject<'a> {
    /// The credential of an existing client that the failure concerns, if it is known.
    fn credential(&self) -> Option<Used<'a>> {
        self.client?;
        match (self.secret_id, self.target) {
            (Some(id), _) => Some(Used::Secret(id)),
            (None, FailureTarget::ApiKey(id)) => Some(Used::ApiKey(id)),
            _ => None,
        }
    }
}

impl AuthorizationServer {
    /// Counts and records a failed authentication. Returns the error to answer with: `refusal`, or
    /// "too many requests" if the rate limit is exceeded.
    pub fn record_failed_authentication(
        &self,
        context: &RequestContext,
        subject: &FailureSubject<'_>,
        reason: &Reason,
        refusal: Error,
    ) -> Error {
        self.usage.count_failure(
            subject.client,
            subject.credential(),
            reason.code(),
            context.received_at,
        );
        let limited = self
            .rate_limiter
            .failed(subject.client_id, context.client_ip);
        match limited {
            // During a flood the audit already has enough entries of it.
            Some(wait) => {
                self.usage.metrics.count_rate_limited();
                Error::too_many_requests("Too many failed attempts; try again later", wait)
                    .detail(reason.to_string())
            }
            None => {
                if !self.is_api_key_failure_limited(subject) {
                    self.record_failure(Action::AuthenticationFailure, context, subject, reason);
                }
                refusal.detail(reason.to_string())
            }
        }
    }

    /// Failures that name a client id are rate limited by it. Failures with a client's tokens and
    /// API keys name none, and have a rate limit of their own.
    fn is_api_key_failure_limited(&self, subject: &FailureSubject<'_>) -> bool {
        subject
            .client
            .filter(|_| subject.client_id.is_none())
            .is_some_and(|client| {
                self.rate_limiter
                    .failed_api_key(&client.client_id)
                    .is_some()
            })
    }

    /// Counts and records that an authenticated client was refused a token. `target` is the client, or
    /// the API key that was exchanged.
    pub fn record_refused_grant(
        &self,
        context: &RequestContext,
        client: &Client,
        target: FailureTarget<'_>,
        error: &Error,
    ) {
        let is_by_key = matches!(target, FailureTarget::ApiKey(_)) && is_allowed(client, error);
        let reason = match (error.code(), error.subject()) {
            (Code::InvalidScope, Some(scope)) if is_by_key => Reason::key_scope_not_allowed(scope),
            (Code::InvalidScope, Some(scope)) => Reason::scope_not_allowed(scope),
            (Code::InvalidScope, None) => Reason::scope_malformed(),
            (Code::InvalidTarget, Some(resource)) if is_by_key => {
                Reason::key_resource_not_allowed(resource)
            }
            (Code::InvalidTarget, Some(resource)) => Reason::resource_not_allowed(resource),
            (Code::UnauthorizedClient, Some(grant_type)) => {
                Reason::grant_type_not_allowed(grant_type)
            }
            _ => return,
        };
        self.record_refusal(Action::TokenRefused, context, client, target, &reason);
    }

    /// Counts and records that an authenticated client was refused a token for this reason. `target`
    /// is the client, or the API key that was exchanged.
    pub fn record_refused_token(
        &self,
        context: &RequestContext,
        client: &Client,
        target: FailureTarget<'_>,
        reason: &Reason,
    ) {
        self.record_refusal(Action::TokenRefused, context, client, target, reason);
    }

    /// Counts and records that forward authentication refused an active token or API key of
    /// `client`, which is the `target`.
    pub fn record_refused_verification(
        &self,
        context: &RequestContext,
        client: &Client,
        target: FailureTarget<'_>,
        reason: &Reason,
    ) {
        self.record_refusal(Action::VerificationRefused, context, client, target, reason);
    }

    /// Counts every refusal; the audit gets those within the client's rate limit.
    fn record_refusal(
        &self,
        action: Action,
        context: &RequestContext,
        client: &Client,
        target: FailureTarget<'_>,
        reason: &Reason,
    ) {
        let subject = FailureSubject {
            client_id: None,
            client: Some(client),
            target,
            secret_id: None,
        };
        self.usage.count_failure(
            Some(client),
            subject.credential(),
            reason.code(),
            context.received_at,
        );
        if self.rate_limiter.refused(&client.client_id).is_none() {
            self.record_failure(action, context, &subject, reason);
        }
    }

    fn record_failure(
        &self,
        action: Action,
        context: &RequestContext,
        subject: &FailureSubject<'_>,
        reason: &Reason,
    ) {
        let parameters = reason.parameters();
        let parameters = (!parameters.is_empty()).then(|| Value::from(parameters).to_string());
        let account = subject.client.map(|client| client.account_id.as_str());
        let entry = AuditEntry {
            reason: Some(redacted(&reason.to_string()).into_owned()),
            reason_code: Some(reason.code().to_owned()),
            reason_parameters: parameters.map(|json| redacted(&json).into_owned()),
            client_id: subject.client.map(|client| client.client_id.clone()),
            ..Recorder::unauthenticated(context).entry(
                action,
                account,
                &redacted(subject.target.id()),
            )
        };
        let source = match subject.client {
            Some(_) => FailureSource::Known,
            None => FailureSource::Unknown,
        };
        self.usage.record_failure(entry, source);
    }
}
