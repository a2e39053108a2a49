//! The error type. What the caller may know and what operators need are separate: the description
//! is in the response, the detail is in the log line with the request id.
//!
//! An object that does not exist is `Option::None`. A store that does not answer is a
//! [`StoreError`](crate::store::StoreError), which becomes [`Code::TemporarilyUnavailable`] and
//! nothing else.

pub mod message;
pub mod refusal;

use std::borrow::Cow;
use std::time::Duration;

use self::message::Message;

/// The kind of an error, named by the RFC that defines it where there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, strum::EnumMessage, strum::VariantArray)]
pub enum Code {
    /// RFC 6749 section 5.2; RFC 6750 section 3.1.
    InvalidRequest,
    /// RFC 6749 section 5.2.
    InvalidClient,
    /// RFC 6749 section 5.2.
    InvalidGrant,
    /// RFC 6749 section 5.2.
    UnauthorizedClient,
    /// RFC 6749 section 5.2.
    UnsupportedGrantType,
    /// RFC 6749 section 4.1.2.1.
    UnsupportedResponseType,
    /// RFC 6749 section 5.2.
    InvalidScope,
    /// RFC 8707 section 2.
    InvalidTarget,
    /// RFC 9449 sections 5 and 7.1.
    InvalidDpopProof,
    /// RFC 9449 sections 8 and 9.
    UseDpopNonce,
    /// RFC 6750 section 3.1.
    InvalidToken,
    /// RFC 6750 section 3.1.
    InsufficientScope,
    /// RFC 7591 section 3.2.2.
    InvalidClientMetadata,
    /// RFC 7591 section 3.2.2.
    InvalidRedirectUri,
    /// The caller is authenticated, but not authorized.
    AccessDenied,
    /// The object does not exist, or is not visible to the caller.
    NotFound,
    /// The path exists, but does not allow the method.
    MethodNotAllowed,
    /// The request conflicts with the current state of an object.
    Conflict,
    /// The object was changed since the caller read it (RFC 9110 section 13.1.1).
    PreconditionFailed,
    /// The Idempotency-Key was used before for another request.
    UnprocessableContent,
    /// The Idempotency-Key was used before for the same request.
    AlreadyDone,
    /// The body is larger than the limit.
    ContentTooLarge,
    /// The body took too long to arrive.
    RequestTimeout,
    /// The caller is rate limited; see [`Error::retry_after`].
    TooManyRequests,
    /// The store or a bounded queue cannot serve now; see [`Error::retry_after`].
    TemporarilyUnavailable,
    /// An internal error of Keyward.
    ServerError,
}

impl Code {
    /// The `error` member of an OAuth error response.
    pub const fn as_str(self) -> &'static str {
        match self {
            Code::InvalidRequest => "invalid_request",
            Code::InvalidClient => "invalid_client",
            Code::InvalidGrant => "invalid_grant",
            Code::UnauthorizedClient => "unauthorized_client",
            Code::UnsupportedGrantType => "unsupported_grant_type",
            Code::UnsupportedResponseType => "unsupported_response_type",
            Code::InvalidScope => "invalid_scope",
            Code::InvalidTarget => "invalid_target",
            Code::InvalidDpopProof => "invalid_dpop_proof",
            Code::UseDpopNonce => "use_dpop_nonce",
            Code::InvalidToken => "invalid_token",
            Code::InsufficientScope => "insufficient_scope",
            Code::InvalidClientMetadata => "invalid_client_metadata",
            Code::InvalidRedirectUri => "invalid_redirect_uri",
            Code::AccessDenied => "access_denied",
            Code::NotFound => "not_found",
            Code::MethodNotAllowed => "method_not_allowed",
            Code::Conflict | Code::AlreadyDone => "conflict",
            Code::PreconditionFailed => "precondition_failed",
            Code::UnprocessableContent => "idempotency_key_reused",
            Code::ContentTooLarge | Code::RequestTimeout => "invalid_request",
            Code::TooManyRequests | Code::TemporarilyUnavailable => "temporarily_unavailable",
            Code::ServerError => "server_error",
        }
    }
}

/// Why an operation was not performed. It displays as its public description.
#[derive(Debug, thiserror::Error)]
#[error("{}", .description.text())]
pub struct Error {
    code: Code,
    description: Description,
    detail: Option<String>,
    retry_after: Option<Duration>,
    field: Option<Box<str>>,
    subject: Option<Box<str>>,
    dpop: Option<Box<DpopChallenge>>,
}

/// What a response asks of the DPoP proof of the next request (RFC 9449 sections 7.1 to 9).
#[derive(Debug)]
pub struct DpopChallenge {
    /// The nonce that the proof must have.
    pub nonce: Option<String>,
}

/// The public description of an [`Error`].
#[derive(Debug)]
enum Description {
    /// In English only.
    English(Cow<'static, str>),
    /// A refusal, which the portal shows in the language of the page.
    Refusal(Box<Message>),
}

impl Description {
    fn text(&self) -> &str {
        match self {
            Description::English(text) => text,
            Description::Refusal(message) => message.text(),
        }
    }
}

impl Error {
    /// An error with its public description in English, which must not contain secrets. Where the
    /// portal shows it to a person who can act on it, it is a function of [`refusal`] instead.
    pub fn new(code: Code, description: impl Into<Cow<'static, str>>) -> Self {
        Error::described(code, Description::English(description.into()))
    }

    /// A refusal of the table in [`refusal`].
    fn refused(code: Code, message: Message) -> Self {
        Error::described(code, Description::Refusal(Box::new(message)))
    }

    fn described(code: Code, description: Description) -> Self {
        Error {
            code,
            description,
            detail: None,
            retry_after: None,
            field: None,
            subject: None,
            dpop: None,
        }
    }

    /// Adds the exact reason, which is shown in the log only.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds after how long the request may be retried: `wait`, but at least a second.
    #[must_use]
    pub fn retry_in(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait.max(Duration::from_secs(1)));
        self
    }

    /// Adds what was requested and refused: a scope, a resource server or a grant type.
    #[must_use]
    pub fn about(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into().into());
        self
    }

    /// Adds that the caller must prove possession of its key by DPoP, with this nonce if there is
    /// one.
    #[must_use]
    pub fn dpop_challenge(mut self, nonce: Option<String>) -> Self {
        self.dpop = Some(Box::new(DpopChallenge { nonce }));
        self
    }

    /// Adds the name of the invalid member of the request, unless there is one already.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field.get_or_insert(field.into().into());
        self
    }

    /// Client authentication failed (RFC 6749 section 5.2). The description is the same for every
    /// reason, so that callers cannot tell which client ids exist.
    pub fn invalid_client() -> Self {
        Error::new(Code::InvalidClient, "Client authentication failed")
    }

    /// The caller failed too often, and may retry after `wait`.
    pub fn too_many_requests(description: &'static str, wait: Duration) -> Self {
        Error::new(Code::TooManyRequests, description).retry_in(wait)
    }

    /// The request cannot be served now, and may be retried in a moment.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Error::not_ready(
            "The service is temporarily unavailable; try again in a moment",
            detail,
        )
    }

    /// The request cannot be served now, for a reason that callers may know.
    pub fn not_ready(description: &'static str, detail: impl Into<String>) -> Self {
        Error::new(Code::TemporarilyUnavailable, description)
            .retry_in(Duration::from_secs(1))
            .detail(detail)
    }

    /// An internal error of Keyward.
    pub fn server_error(detail: impl Into<String>) -> Self {
        Error::new(
            Code::ServerError,
            "Internal error; the log has the reason under the request id",
        )
        .detail(detail)
    }

    /// The request requires a scope that the credential does not have (RFC 6750 section 3.1).
    pub fn insufficient_scope(needed: impl Into<String>) -> Self {
        let needed = needed.into();
        let description = format!("This requires the scope {needed}");
        Error::new(Code::InsufficientScope, description).about(needed)
    }

    /// What the response asks of the next DPoP proof, if the caller must send one.
    pub fn dpop(&self) -> Option<&DpopChallenge> {
        self.dpop.as_deref()
    }

    /// The kind of the error.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The public description.
    pub fn description(&self) -> &str {
        self.description.text()
    }

    /// The exact reason for the log: the detail, or the description of an error without one.
    pub fn reason(&self) -> &str {
        self.detail.as_deref().unwrap_or(self.description.text())
    }

    /// The scope, the resource server or the grant type that was requested and refused.
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// The name of the invalid member of the request.
    pub fn wrong_field(&self) -> Option<&str> {
        self.field.as_deref()
    }

    /// The description of a refusal, which can be translated. `None` for an error that exists in
    /// English only.
    pub fn refusal(&self) -> Option<&Message> {
        match &self.description {
            Description::English(_) => None,
            Description::Refusal(message) => Some(message),
        }
    }

    /// The scope that the request requires.
    pub fn needed_scope(&self) -> Option<&str> {
        self.subject()
            .filter(|_| self.code == Code::InsufficientScope)
    }

    /// After how long the request may be retried, for `Retry-After`.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_the_detail_where_there_is_one() {
        let error = Error::new(Code::Conflict, "public");
        assert_eq!((error.description(), error.reason()), ("public", "public"));
        let error = error.detail("private");
        assert_eq!((error.description(), error.reason()), ("public", "private"));
        assert_eq!(error.to_string(), "public");
    }

    #[test]
    fn a_refusal_is_described_by_its_message() {
        let error = refusal::name_length(100, 101).field("name");
        let message = error.refusal().unwrap();
        assert_eq!(error.code(), Code::InvalidRequest);
        assert_eq!(error.description(), message.text());
        assert_eq!(
            error.to_string(),
            "A name must have between 1 and 100 characters; this one has 101"
        );
        assert_eq!(message.code(), "name_length");
        assert_eq!(
            message.parameters(),
            [("limit", 100.into()), ("length", 101.into())]
        );
        assert!(Error::new(Code::Conflict, "").refusal().is_none());
    }

    #[test]
    fn the_codes_of_refusals_are_unique() {
        let codes: std::collections::BTreeSet<_> =
            refusal::ALL_REFUSALS.iter().map(|(code, _)| code).collect();
        assert_eq!(codes.len(), refusal::ALL_REFUSALS.len());
    }

    #[test]
    fn the_innermost_field_is_kept() {
        let error = Error::new(Code::InvalidRequest, "")
            .field("inner")
            .field("outer");
        assert_eq!(error.wrong_field(), Some("inner"));
    }

    #[test]
    fn only_an_insufficient_scope_names_the_scope_that_is_needed() {
        assert_eq!(Error::insufficient_scope("a b").needed_scope(), Some("a b"));
        let refused = Error::new(Code::InvalidScope, "").about("a");
        assert_eq!(
            (refused.subject(), refused.needed_scope()),
            (Some("a"), None)
        );
    }

    #[test]
    fn a_wait_is_at_least_a_second() {
        for (millis, expected) in [(0, 1000), (999, 1000), (1500, 1500)] {
            let error = Error::too_many_requests("", Duration::from_millis(millis));
            assert_eq!(error.retry_after(), Some(Duration::from_millis(expected)));
        }
    }
}
