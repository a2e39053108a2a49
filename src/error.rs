//! The one error type. What the caller may know and what the operator needs are apart from the
//! start: `description` goes into the answer, `detail` into the log line beside the request id.
//!
//! "Not there" is an `Option`, "could not look" is a [`StoreError`](crate::store::StoreError),
//! which becomes [`Code::TemporarilyUnavailable`] and nothing else.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// What kind of failure it is, in the words of the RFC that names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// RFC 6749 section 5.2; RFC 6750 section 3.1.
    InvalidRequest,
    /// RFC 6749 section 5.2.
    InvalidClient,
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
    /// RFC 6750 section 3.1.
    InvalidToken,
    /// RFC 6750 section 3.1.
    InsufficientScope,
    /// RFC 7591 section 3.2.2.
    InvalidClientMetadata,
    /// RFC 7591 section 3.2.2.
    InvalidRedirectUri,
    /// Authenticated, but without the right.
    AccessDenied,
    /// No such thing, for this caller.
    NotFound,
    /// The path is there, the method is not.
    MethodNotAllowed,
    /// It clashes with what is there.
    Conflict,
    /// It is not as the caller last saw it (RFC 9110 section 13.1.1).
    PreconditionFailed,
    /// The same Idempotency-Key came with another request before.
    UnprocessableContent,
    /// The same request came before, with the same Idempotency-Key.
    AlreadyDone,
    /// The body is over the limit.
    ContentTooLarge,
    /// The body took too long to arrive.
    RequestTimeout,
    /// Too many failures from there; see [`Error::retry_after`].
    TooManyRequests,
    /// The database, or a bounded queue, cannot serve now; see [`Error::retry_after`].
    TemporarilyUnavailable,
    /// A fault of Keyward's own.
    ServerError,
}

impl Code {
    /// The `error` member of an OAuth error answer.
    pub const fn as_str(self) -> &'static str {
        match self {
            Code::InvalidRequest => "invalid_request",
            Code::InvalidClient => "invalid_client",
            Code::UnauthorizedClient => "unauthorized_client",
            Code::UnsupportedGrantType => "unsupported_grant_type",
            Code::UnsupportedResponseType => "unsupported_response_type",
            Code::InvalidScope => "invalid_scope",
            Code::InvalidTarget => "invalid_target",
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

/// Why something was not done.
#[derive(Debug)]
pub struct Error {
    code: Code,
    description: Cow<'static, str>,
    detail: Option<String>,
    retry_after: Option<Duration>,
    field: Option<Box<str>>,
    phrase: Option<Box<Phrase>>,
    subject: Option<Box<str>>,
}

/// A description once more, for who tells it in another language: its name and the values in it.
#[derive(Debug)]
pub struct Phrase {
    /// Stable; each door that translates has words for it.
    pub name: &'static str,
    /// What stands in the sentence.
    pub values: Vec<(&'static str, Value)>,
}

/// What stands in a [`Phrase`]: languages write numbers in their own ways.
#[derive(Clone, Debug)]
pub enum Value {
    /// As it is.
    Text(String),
    /// A count of something.
    Number(i64),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_owned())
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        Value::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Value::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl Error {
    /// A refusal with its public sentence. Nothing secret belongs into it.
    pub fn new(code: Code, description: impl Into<Cow<'static, str>>) -> Self {
        Error {
            code,
            description: description.into(),
            detail: None,
            retry_after: None,
            field: None,
            phrase: None,
            subject: None,
        }
    }

    /// Adds the exact reason, for the log alone.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Names the description, with the values in it.
    #[must_use]
    pub fn phrase<const N: usize>(
        mut self,
        name: &'static str,
        values: [(&'static str, Value); N],
    ) -> Self {
        self.phrase = Some(Box::new(Phrase {
            name,
            values: values.into(),
        }));
        self
    }

    /// Names what was asked for and refused: a scope, a resource server or a grant type.
    #[must_use]
    pub fn about(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into().into());
        self
    }

    /// Names the member of the request that is wrong.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field.get_or_insert(field.into().into());
        self
    }

    /// RFC 6749 section 5.2, in the same words for every cause; the detail tells them apart.
    pub fn invalid_client() -> Self {
        Error::new(Code::InvalidClient, "Client authentication failed")
    }

    /// Too many failures; worth another try after `wait`.
    pub fn too_many_requests(description: &'static str, wait: Duration) -> Self {
        let mut error = Error::new(Code::TooManyRequests, description);
        error.retry_after = Some(wait.max(Duration::from_secs(1)));
        error
    }

    /// The caller's own slow requests take all of its share: worth another try when those are done.
    pub fn busy(detail: impl Into<String>) -> Self {
        let mut error = Error::new(
            Code::TooManyRequests,
            "Too many slow requests at once; wait for those before to end",
        );
        error.retry_after = Some(Duration::from_secs(2));
        error.detail(detail)
    }

    /// Cannot serve now: worth another try in a moment.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        let mut error = Error::new(
            Code::TemporarilyUnavailable,
            "The service cannot answer now; try again in a moment",
        );
        error.retry_after = Some(Duration::from_secs(1));
        error.detail(detail)
    }

    /// The same, with a public sentence that says what is missing.
    pub fn not_ready(description: &'static str, detail: impl Into<String>) -> Self {
        Error {
            description: description.into(),
            ..Error::unavailable(detail)
        }
    }

    /// A fault of Keyward's own.
    pub fn server_error(detail: impl Into<String>) -> Self {
        Error::new(
            Code::ServerError,
            "Something went wrong here; the request id names it in the log",
        )
        .detail(detail)
    }

    /// RFC 6750 section 3.1: the request needs more than the token may.
    pub fn insufficient_scope(needed: impl Into<String>) -> Self {
        let needed = needed.into();
        let error = Error::new(
            Code::InsufficientScope,
            format!("This needs the scope {needed}"),
        );
        error.about(needed)
    }

    /// What kind of failure it is.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The sentence for the caller.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The exact reason, for the log; the description where there is no more to say.
    pub fn reason(&self) -> &str {
        self.detail.as_deref().unwrap_or(&self.description)
    }

    /// The scope, the resource server or the grant type that was asked for and refused.
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// The member of the request that is wrong.
    pub fn wrong_field(&self) -> Option<&str> {
        self.field.as_deref()
    }

    /// The description's name and values, where it has one.
    pub fn said(&self) -> Option<&Phrase> {
        self.phrase.as_deref()
    }

    /// The scope that would have been needed.
    pub fn needed_scope(&self) -> Option<&str> {
        self.subject()
            .filter(|_| self.code == Code::InsufficientScope)
    }

    /// When another try may go better, for `Retry-After`.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

/// The public sentence.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.description)
    }
}

impl std::error::Error for Error {}
