//! A [`Message`]: an English sentence that can be translated. Two tables declare all of them:
//! [`refusal`](super::refusal) what callers are told, `oauth::reason` what the log and the audit
//! say about a failed authentication.

use std::borrow::Cow;
use std::fmt;

use serde_json::Value;

use crate::clock::Timestamp;

/// An English sentence with a stable code and named parameters, by which the portal finds the
/// sentence in other languages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    code: &'static str,
    parameters: Vec<(&'static str, Value)>,
    text: Cow<'static, str>,
}

impl Message {
    /// A message of a table. A sentence without parameters is not copied.
    pub(crate) fn new(
        code: &'static str,
        parameters: Vec<(&'static str, Value)>,
        text: fmt::Arguments<'_>,
    ) -> Self {
        let text = match text.as_str() {
            Some(text) => Cow::Borrowed(text),
            None => Cow::Owned(text.to_string()),
        };
        Message {
            code,
            parameters,
            text,
        }
    }

    /// The stable code, such as `token_revoked`.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The values that the sentence names. Instants are milliseconds since the epoch.
    pub fn parameters(&self) -> &[(&'static str, Value)] {
        &self.parameters
    }

    /// The English sentence.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The same message with `prefix` before its English sentence.
    #[must_use]
    pub(crate) fn prefixed(mut self, prefix: fmt::Arguments<'_>) -> Self {
        self.text = format!("{prefix}{}", self.text).into();
        self
    }
}

/// A value that the sentence of a [`Message`] names.
pub(crate) trait Parameter {
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

impl Parameter for u64 {
    fn value(self) -> Value {
        self.into()
    }
}

impl Parameter for usize {
    fn value(self) -> Value {
        self.into()
    }
}

impl Parameter for Timestamp {
    fn value(self) -> Value {
        self.millis().into()
    }
}
