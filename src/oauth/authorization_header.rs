//! The `Authorization` header (RFC 9110 section 11.6.2) with the schemes Basic (RFC 7617), Bearer
//! (RFC 6750) and DPoP (RFC 9449).

use std::borrow::Cow;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::parameters::form_decode;

/// Base64 with or without padding: many clients omit it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A parsed `Authorization` header.
#[derive(Debug, PartialEq, Eq)]
pub enum AuthorizationHeader {
    /// Basic: the user name and, if there is a colon, the password, not form-decoded.
    Basic(String, Option<String>),
    /// Bearer: the token.
    Bearer(String),
    /// DPoP: the access token, which the header `DPoP` has a proof for.
    Dpop(String),
}

impl AuthorizationHeader {
    /// Parses a header value. `None` if its scheme is another one, or if it is unreadable.
    pub fn parse(value: &str) -> Option<Self> {
        let (scheme, credentials) = value.split_once(' ')?;
        let credentials = credentials.trim();
        if scheme.eq_ignore_ascii_case("Bearer") {
            return Some(AuthorizationHeader::Bearer(credentials.to_owned()));
        }
        if scheme.eq_ignore_ascii_case("DPoP") {
            return Some(AuthorizationHeader::Dpop(credentials.to_owned()));
        }
        if !scheme.eq_ignore_ascii_case("Basic") {
            return None;
        }
        let decoded = String::from_utf8(BASE64.decode(credentials).ok()?).ok()?;
        Some(match decoded.split_once(':') {
            Some((user, password)) => {
                AuthorizationHeader::Basic(user.to_owned(), Some(password.to_owned()))
            }
            None => AuthorizationHeader::Basic(decoded, None),
        })
    }

    /// The client id and secret of a Basic header, form-decoded (RFC 6749 section 2.3.1).
    pub fn client_credentials(&self) -> Option<(String, String)> {
        match self {
            AuthorizationHeader::Basic(user, Some(password)) => {
                // Some clients form-encode, others do not. Keyward's client ids and secrets are the
                // same in both forms. What is not valid form encoding is taken as it is.
                let decode =
                    |text: &str| form_decode(text).map_or_else(|| text.to_owned(), Cow::into_owned);
                Some((decode(user), decode(password)))
            }
            _ => None,
        }
    }

    /// The token or API key that is presented without proof to a resource server: by Bearer, or an
    /// API key by Basic, with the colon that `curl -u KEY:` sends or without.
    pub fn token(&self) -> Option<&str> {
        match self {
            AuthorizationHeader::Bearer(token) => Some(token),
            AuthorizationHeader::Basic(key, password)
                if password.as_deref().unwrap_or_default().is_empty() =>
            {
                Some(key)
            }
            AuthorizationHeader::Basic(..) | AuthorizationHeader::Dpop(_) => None,
        }
    }

    /// The access token of a DPoP header.
    pub fn dpop(&self) -> Option<&str> {
        match self {
            AuthorizationHeader::Dpop(token) => Some(token),
            AuthorizationHeader::Basic(..) | AuthorizationHeader::Bearer(_) => None,
        }
    }

    /// The token of a Bearer header.
    pub fn bearer(&self) -> Option<&str> {
        match self {
            AuthorizationHeader::Bearer(token) => Some(token),
            AuthorizationHeader::Basic(..) | AuthorizationHeader::Dpop(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(text: &str) -> String {
        format!("Basic {}", BASE64.encode(text))
    }

    #[test]
    fn the_schemes_are_basic_bearer_and_dpop() {
        let dpop = |token: &str| Some(AuthorizationHeader::Dpop(token.to_owned()));
        let bearer = |token: &str| Some(AuthorizationHeader::Bearer(token.to_owned()));
        let user = |user: &str, password: Option<&str>| {
            let password = password.map(str::to_owned);
            Some(AuthorizationHeader::Basic(user.to_owned(), password))
        };
        for (value, expected) in [
            ("Bearer a.b.c", bearer("a.b.c")),
            ("bearer  a.b.c ", bearer("a.b.c")),
            ("BASIC YTpi", user("a", Some("b"))),
            ("Basic YTpiOmM=", user("a", Some("b:c"))),
            ("Basic YTpiOmM", user("a", Some("b:c"))),
            ("Basic YTo=", user("a", Some(""))),
            ("Basic YQ==", user("a", None)),
            ("Basic", None),
            ("Basic !", None),
            // Not UTF-8.
            ("Basic /w==", None),
            ("DPoP a.b.c", dpop("a.b.c")),
            ("dpop a.b.c", dpop("a.b.c")),
            ("Digest a", None),
            ("a.b.c", None),
            ("", None),
        ] {
            assert_eq!(AuthorizationHeader::parse(value), expected, "{value:?}");
        }
    }

    #[test]
    fn client_credentials_are_form_decoded() {
        for (text, expected) in [
            ("app:secret", Some(("app", "secret"))),
            ("a%3Ab:c%20d", Some(("a:b", "c d"))),
            ("a+b:c", Some(("a b", "c"))),
            ("a:100%", Some(("a", "100%"))),
            ("a:%FF", Some(("a", "%FF"))),
            ("a:b:c", Some(("a", "b:c"))),
            (":", Some(("", ""))),
            ("a", None),
        ] {
            let header = AuthorizationHeader::parse(&basic(text)).unwrap();
            let found = header.client_credentials();
            let found = found.as_ref().map(|(id, secret)| (&**id, &**secret));
            assert_eq!(found, expected, "{text:?}");
        }
        let bearer = AuthorizationHeader::Bearer("a:b".to_owned());
        assert_eq!(bearer.client_credentials(), None);
    }

    #[test]
    fn an_api_key_is_presented_by_bearer_or_basic() {
        for (value, token, bearer) in [
            ("Bearer kwk_x".to_owned(), Some("kwk_x"), Some("kwk_x")),
            (basic("kwk_x"), Some("kwk_x"), None),
            (basic("kwk_x:"), Some("kwk_x"), None),
            (basic("kwk_x:secret"), None, None),
            ("DPoP kwk_x".to_owned(), None, None),
        ] {
            let header = AuthorizationHeader::parse(&value).unwrap();
            assert_eq!(
                (header.token(), header.bearer()),
                (token, bearer),
                "{value}"
            );
        }
    }
}
