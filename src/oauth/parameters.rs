//! Request parameters (RFC 6749 section 3.2): form-encoded, each at the most once.

use std::borrow::Cow;

use crate::error::{Code, Error};

/// The most parameters that are taken.
const MAX_PARAMETERS: usize = 100;

/// May be given more than once: RFC 8707 section 2, and the alias that other servers made common.
const REPEATABLE: [&str; 2] = ["resource", "audience"];

/// The parameters of one request, in the order in which they came. Those without a value count as
/// not given (RFC 6749 section 3.2).
#[derive(Default)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads a body.
    ///
    /// # Errors
    /// `invalid_request` where it is not form-encoded, not UTF-8, or gives a parameter twice.
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
            let (name, value) = (
                form_decode(name).ok_or_else(not_utf8)?,
                form_decode(value).ok_or_else(not_utf8)?,
            );
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

    /// The value of a parameter that is given at the most once.
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

    /// The value of a parameter that must be there.
    ///
    /// # Errors
    /// `invalid_request` where it is not.
    pub fn require(&self, name: &'static str) -> Result<&str, Error> {
        self.get(name)
            .ok_or_else(|| invalid(format!("The parameter {name} is missing")))
    }
}

/// Decodes a name or a value of `application/x-www-form-urlencoded`. Most of what comes here, a JWT of
/// a kilobyte for one, has nothing to decode, and is not copied byte by byte. Nothing where it is no
/// UTF-8.
pub fn form_decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(['%', '+']) {
        return Some(text.into());
    }
    let spaced = text.replace('+', " ");
    let decoded = percent_encoding::percent_decode_str(&spaced)
        .decode_utf8()
        .ok()?;
    Some(Cow::Owned(decoded.into_owned()))
}

fn invalid(description: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(Code::InvalidRequest, description)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn form_encoding_is_decoded() {
        for (encoded, decoded) in [
            ("", Some("")),
            ("plain", Some("plain")),
            ("a+b%20c", Some("a b c")),
            ("a%26b%3Dc%25", Some("a&b=c%")),
            ("a&b+", Some("a&b ")),
            ("%C3%A9", Some("\u{e9}")),
            ("%EF%BF%BD", Some("\u{fffd}")),
            ("%", Some("%")),
            ("%zz+", Some("%zz ")),
            ("%ff", None),
            ("%C3", None),
        ] {
            assert_eq!(form_decode(encoded).as_deref(), decoded, "{encoded}");
        }
    }
}
