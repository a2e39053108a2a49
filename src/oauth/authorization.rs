//! The `Authorization` header (RFC 9110 section 11.6.2): Basic (RFC 7617) and Bearer (RFC 6750).

use std::borrow::Cow;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::parameters::form_decode;

/// Half of the world's clients leave the padding off.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a header says.
pub enum Authorization {
    /// The user and, where there was a colon, the password, as they came.
    Basic(String, Option<String>),
    /// A token.
    Bearer(String),
}

impl Authorization {
    /// Reads a header; nothing where it is of another scheme or unreadable.
    pub fn parse(header: &str) -> Option<Self> {
        let (scheme, rest) = header.split_once(' ')?;
        let rest = rest.trim();
        if scheme.eq_ignore_ascii_case("Bearer") {
            return Some(Authorization::Bearer(rest.to_owned()));
        }
        if !scheme.eq_ignore_ascii_case("Basic") {
            return None;
        }
        let decoded = String::from_utf8(BASE64.decode(rest).ok()?).ok()?;
        Some(match decoded.split_once(':') {
            Some((user, password)) => {
                Authorization::Basic(user.to_owned(), Some(password.to_owned()))
            }
            None => Authorization::Basic(decoded, None),
        })
    }

    /// The credentials of a client, form-decoded (RFC 6749 section 2.3.1).
    pub fn client_credentials(&self) -> Option<(String, String)> {
        match self {
            Authorization::Basic(user, Some(password)) => {
                // Half of the world's clients encode, half do not. Our ids and secrets read the same in
                // both; what is not well encoded stays as it is.
                let decode =
                    |text: &str| form_decode(text).map_or_else(|| text.to_owned(), Cow::into_owned);
                Some((decode(user), decode(password)))
            }
            _ => None,
        }
    }

    /// What is presented to a resource server: a token or an API key by Bearer, or an API key by
    /// Basic, with the colon that `curl -u KEY:` sends or without.
    pub fn token(&self) -> Option<&str> {
        match self {
            Authorization::Bearer(token) => Some(token),
            Authorization::Basic(key, password)
                if password.as_deref().unwrap_or_default().is_empty() =>
            {
                Some(key)
            }
            Authorization::Basic(..) => None,
        }
    }

    /// The token of a Bearer header alone.
    pub fn bearer(&self) -> Option<&str> {
        match self {
            Authorization::Bearer(token) => Some(token),
            Authorization::Basic(..) => None,
        }
    }
}
