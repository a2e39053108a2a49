//! Request parameters (RFC 6749 section 3.2): form-encoded, each sent at most once.

use std::borrow::Cow;

use crate::error::{Code, Error};

/// The maximum number of parameters of a request.
const MAX_PARAMETERS: usize = 100;

/// The parameters that may be repeated: `resource` (RFC 8707 section 2), and `audience`, under
/// which other authorization servers know it.
const REPEATABLE: [&str; 2] = ["resource", "audience"];

/// The parameters of one request, in the order in which they were sent. Parameters without a value
/// are treated as omitted (RFC 6749 section 3.2).
#[derive(Default)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Parses a form-encoded body.
    ///
    /// # Errors
    /// `invalid_request` if it is not form-encoded, is not UTF-8, or repeats a parameter.
    pub fn parse(content_type: Option<&str>, body: &[u8]) -> Result<Self, Error> {
        let media_type = content_type
            .unwrap_or_default()
            .split(';')
            .next()
            .unwrap_or_default()
            .trim();
        if !media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(invalid(
                "The body must be application/x-www-form-urlencoded",
            ));
        }
        let not_utf8 = || invalid("The body is not UTF-8");
        let body = std::str::from_utf8(body).map_err(|_| not_utf8())?;
        let mut parameters: Vec<(String, String)> = Vec::new();
        for pair in body.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = form_decode(name).ok_or_else(not_utf8)?;
            let value = form_decode(value).ok_or_else(not_utf8)?;
            if value.is_empty() {
                continue;
            }
            if parameters.len() == MAX_PARAMETERS {
                return Err(invalid("The body has too many parameters"));
            }
            let repeated = parameters.iter().any(|(other, _)| *other == name);
            if repeated && !REPEATABLE.contains(&name.as_ref()) {
                let name: String = name
                    .chars()
                    .filter(char::is_ascii_graphic)
                    .take(40)
                    .collect();
                return Err(invalid(format!("The parameter {name} is given twice")));
            }
            parameters.push((name.into_owned(), value.into_owned()));
        }
        Ok(Parameters(parameters))
    }

    /// The value of a parameter, or `None` if it is omitted.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(own, _)| own == name)
            .map(|(_, value)| value.as_str())
    }

    /// All values of a parameter that may be repeated.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(own, _)| own == name)
            .map(|(_, value)| value.as_str())
    }

    /// The value of a required parameter.
    ///
    /// # Errors
    /// `invalid_request` if it is omitted.
    pub fn require(&self, name: &'static str) -> Result<&str, Error> {
        self.get(name)
            .ok_or_else(|| invalid(format!("The parameter {name} is missing")))
    }
}

/// Decodes a name or a value of `application/x-www-form-urlencoded`. `None` if the result is not
/// UTF-8. Most values, such as a JWT of a kilobyte, have nothing to decode and are borrowed.
pub fn form_decode(text: &str) -> Option<Cow<'_, str>> {
    if memchr::memchr2(b'%', b'+', text.as_bytes()).is_none() {
        return Some(text.into());
    }
    let spaced = text.replace('+', " ");
    let decoded = percent_encoding::percent_decode_str(&spaced)
        .decode_utf8()
        .ok()?;
    Some(Cow::Owned(decoded.into_owned()))
}

fn invalid(description: impl Into<Cow<'static, str>>) -> Error {
    Error::new(Code::InvalidRequest, description)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: Option<&str> = Some("application/x-www-form-urlencoded");

    #[test]
    fn a_body_is_form_encoded_and_repeats_no_parameter() {
        let many = vec!["resource=x"; MAX_PARAMETERS].join("&");
        let too_many = format!("{many}&scope=x");
        for (content_type, body, accepted) in [
            (FORM, "", true),
            (FORM, "a=b", true),
            (FORM, "a", true),
            (FORM, "&&a=b&", true),
            (FORM, "a=b&a=", true),
            (FORM, "resource=x&resource=y&audience=z&audience=z", true),
            (FORM, &*many, true),
            (FORM, &*too_many, false),
            (FORM, "a=b&a=c", false),
            (FORM, "a=b&%61=c", false),
            (FORM, "a=%FF", false),
            (
                Some("APPLICATION/x-www-form-urlencoded; charset=utf-8"),
                "a=b",
                true,
            ),
            (Some("application/json"), "a=b", false),
            (Some("application/x-www-form-urlencoded2"), "a=b", false),
            (None, "a=b", false),
        ] {
            let found = Parameters::parse(content_type, body.as_bytes());
            match found {
                Ok(_) => assert!(accepted, "{content_type:?} {body}"),
                Err(error) => {
                    assert!(!accepted, "{content_type:?} {body}: {error}");
                    assert_eq!(error.code(), Code::InvalidRequest);
                }
            }
        }
        assert!(Parameters::parse(FORM, b"a=\xFF").is_err());
    }

    #[test]
    fn a_parameter_without_a_value_is_omitted() {
        let parameters = Parameters::parse(FORM, b"scope=&state=x+y%26z&resource=b&resource=a");
        let parameters = parameters.unwrap();
        assert_eq!(parameters.get("scope"), None);
        assert_eq!(parameters.get("state"), Some("x y&z"));
        assert_eq!(parameters.all("resource").collect::<Vec<_>>(), ["b", "a"]);
        assert_eq!(parameters.require("state").unwrap(), "x y&z");
        assert!(parameters.require("scope").is_err());
    }

    #[test]
    fn values_are_form_decoded() {
        for (text, decoded) in [
            ("plain-._~", Some("plain-._~")),
            ("a+b", Some("a b")),
            ("a%2Bb", Some("a+b")),
            ("a&b+", Some("a&b ")),
            ("%E2%82%AC", Some("\u{20AC}")),
            ("a%26b%3Dc%25", Some("a&b=c%")),
            ("%EF%BF%BD", Some("\u{FFFD}")),
            ("100%", Some("100%")),
            ("%zz", Some("%zz")),
            ("%E2%82", None),
        ] {
            assert_eq!(form_decode(text).as_deref(), decoded, "{text:?}");
        }
        assert!(matches!(form_decode("plain"), Some(Cow::Borrowed(_))));
    }
}
