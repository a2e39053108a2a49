//! The fields of a submitted form.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::clock::parse_duration;
use crate::error::{Code, Error, refusal};
use crate::manage::api_key::Resources;
use crate::scope::{InvalidScope, Scope};
use crate::secret::SecretString;

/// The field with the CSRF token.
pub const CSRF_TOKEN: &str = "csrf_token";

/// The field with the idempotency key of a form that creates something.
pub const IDEMPOTENCY_KEY: &str = "idempotency_key";

/// The fields that are never sent back to the browser: passwords, one-time codes, and JWTs and
/// credentials that are tried out.
const SECRET_FIELDS: [&str; 6] = ["current", "new", "password", "code", "jwt", "credential"];

/// The fields of a form, in order. Some values are secrets, so all of them are zeroed when dropped.
#[derive(Clone, Default)]
pub struct Form(Vec<(String, Zeroizing<String>)>);

impl Form {
    /// Parses `application/x-www-form-urlencoded`. Bytes that are not UTF-8 are replaced.
    pub fn parse(body: &[u8]) -> Self {
        let fields = form_urlencoded::parse(body).into_owned();
        Form(
            fields
                .map(|(name, value)| (name, Zeroizing::new(value)))
                .collect(),
        )
    }

    /// A form with these values filled in.
    pub fn filled(fields: &[(&str, &str)]) -> Self {
        Form(
            fields
                .iter()
                .map(|(name, value)| ((*name).to_owned(), Zeroizing::new((*value).to_owned())))
                .collect(),
        )
    }

    /// The first value of a field; empty if there is none.
    pub fn get(&self, name: &str) -> &str {
        self.all(name).next().unwrap_or_default()
    }

    /// The first value of a text field, trimmed.
    pub fn text(&self, name: &str) -> &str {
        self.get(name).trim()
    }

    /// The first value of a password field, as it was typed.
    pub fn password(&self, name: &str) -> SecretString {
        self.get(name).into()
    }

    /// The first value of a field with a one-time code, trimmed.
    pub fn code(&self, name: &str) -> SecretString {
        self.text(name).into()
    }

    /// The first value of a field, trimmed; `None` if it is empty.
    pub fn optional(&self, name: &str) -> Option<String> {
        Some(self.text(name))
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    }

    /// All values of a field.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(own, _)| own == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether the form has a field, even an empty one. A form without a field must not change what the
    /// field stands for.
    pub fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// Whether a checkbox is checked.
    pub fn checked(&self, name: &str) -> bool {
        self.all(name).any(|value| !value.is_empty())
    }

    /// Whether a checkbox is checked; `None` if the form does not have it.
    pub fn checkbox(&self, name: &str) -> Option<bool> {
        self.has(name).then(|| self.checked(name))
    }

    /// The choice of a field; `None` if nothing is chosen, or the form has no such field.
    ///
    /// # Errors
    /// `invalid_request` if the field holds no choice.
    pub fn choice<T>(&self, name: &'static str) -> Result<Option<T>, Error>
    where
        T: FromStr<Err: Display>,
    {
        let chosen = self.optional(name).map(|text| text.parse());
        chosen.transpose().map_err(|error: T::Err| {
            Error::new(Code::InvalidRequest, error.to_string()).field(name)
        })
    }

    /// A duration such as `90d`; `None` if the field is empty.
    ///
    /// # Errors
    /// `invalid_request` if the field holds anything else.
    pub fn duration(&self, name: &'static str) -> Result<Option<Duration>, Error> {
        match self.text(name) {
            "" => Ok(None),
            text => match parse_duration(text) {
                Ok(duration) => Ok(Some(duration)),
                Err(error) => Err(refusal::invalid_duration(&error.to_string()).field(name)),
            },
        }
    }

    /// The scope that the checked boxes or the words of a field make up. Words may be separated by
    /// commas.
    ///
    /// # Errors
    /// `invalid_scope` if a word is not a scope token (RFC 6749 section 3.3).
    pub fn scope(&self, name: &'static str) -> Result<Scope, Error> {
        let words: Vec<&str> = self.all(name).collect();
        let words = words.join(" ").replace(',', " ");
        words
            .parse()
            .map_err(|error: InvalidScope| refusal::invalid_scope(&error.to_string()).field(name))
    }

    /// The resource servers that the checked boxes of a field stand for; `None` if none is checked.
    ///
    /// # Errors
    /// `invalid_request` if a value is no identifier of a resource server.
    pub fn resources(&self, name: &'static str) -> Result<Option<Resources>, Error> {
        let checked: Vec<String> = self.all(name).map(str::to_owned).collect();
        let resources = Resources::parse_all(&checked)
            .map_err(|error| Error::new(Code::InvalidRequest, error.to_string()).field(name))?;
        Ok(Some(resources).filter(|resources| !resources.is_empty()))
    }

    /// The fields that may be shown again: neither secrets nor the CSRF token.
    pub fn resubmittable(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .filter(|(name, _)| name != CSRF_TOKEN && !SECRET_FIELDS.contains(&name.as_str()))
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The names of the secret fields of this form, which must be typed again.
    pub fn secrets(&self) -> impl Iterator<Item = &'static str> {
        SECRET_FIELDS
            .into_iter()
            .filter(|secret| self.0.iter().any(|(name, _)| name == secret))
    }

    /// The form, encoded to be submitted again after sign-in. Secret fields are empty.
    pub fn to_resubmission(&self) -> String {
        let empty = self.secrets().map(|name| (name, ""));
        form_urlencoded::Serializer::new(String::new())
            .extend_pairs(self.resubmittable().chain(empty))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_decoded_in_order() {
        let form = Form::parse(b"name=Order+import&scope=a&scope=b%3Ac&empty=&bad=%ff&key");
        for (name, value) in [
            ("name", "Order import"),
            ("scope", "a"),
            ("empty", ""),
            ("bad", "\u{FFFD}"),
            ("key", ""),
            ("missing", ""),
        ] {
            assert_eq!(form.get(name), value, "{name}");
        }
        assert_eq!(form.all("scope").collect::<Vec<_>>(), ["a", "b:c"]);
        assert!(form.checked("name") && !form.checked("empty") && !form.checked("missing"));
        let boxes = Form::parse(b"off=&on=&on=on");
        let checked = ["off", "on", "missing"].map(|name| boxes.checkbox(name));
        assert_eq!(checked, [Some(false), Some(true), None]);
        assert!(form.has("name") && form.has("empty") && form.has("key") && !form.has("missing"));
    }

    #[test]
    fn text_is_trimmed_and_optional_text_is_not_empty() {
        let form = Form::filled(&[("name", "  Nightly import\n"), ("blank", "  ")]);
        assert_eq!(form.text("name"), "Nightly import");
        assert_eq!(form.optional("name").as_deref(), Some("Nightly import"));
        assert_eq!(form.optional("blank"), None);
        assert_eq!(form.optional("missing"), None);
    }

    #[test]
    fn durations_and_scopes_are_parsed() {
        let form = Form::parse(b"grace=1h&never=&bad=soon&scope=a&scope=b&list=a%2C+b&quote=%22");
        assert_eq!(
            form.duration("grace").unwrap(),
            Some(Duration::from_secs(3600))
        );
        assert_eq!(form.duration("never").unwrap(), None);
        let error = form.duration("bad").unwrap_err();
        assert_eq!(error.wrong_field(), Some("bad"));
        for field in ["scope", "list"] {
            assert_eq!(form.scope(field).unwrap().as_str(), "a b", "{field}");
        }
        assert!(form.scope("missing").unwrap().is_empty());
        let error = form.scope("quote").unwrap_err();
        assert_eq!(error.wrong_field(), Some("quote"));
    }

    #[test]
    fn a_resubmission_holds_no_secrets() {
        let form = Form::filled(&[
            (CSRF_TOKEN, "token"),
            ("name", "Night & day"),
            ("current", "old password"),
            ("new", "new password"),
        ]);
        let resubmission = form.to_resubmission();
        assert_eq!(resubmission, "name=Night+%26+day&current=&new=");
        let parsed = Form::parse(resubmission.as_bytes());
        assert_eq!(parsed.secrets().collect::<Vec<_>>(), ["current", "new"]);
        assert_eq!(parsed.text("name"), "Night & day");
    }
}
