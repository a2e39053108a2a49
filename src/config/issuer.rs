//! The issuer identifier and the URLs that follow from it.

use std::fmt;
use std::str::FromStr;

use crate::store::resource_server;

/// The issuer identifier (RFC 8414 section 2). It is compared character by character, so it is never
/// normalised and never derived from a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer(String);

/// A text that is not an [`Issuer`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIssuer {
    /// It has no scheme.
    #[error("expected a URL, such as https://auth.example")]
    NoScheme,
    /// The scheme is neither `https` nor `http`.
    #[error("expected a URL that begins with https:// or http://, such as https://auth.example")]
    OtherScheme,
    /// It has a query or a fragment.
    #[error("an issuer has no query and no fragment (RFC 8414 section 2)")]
    QueryOrFragment,
    /// It has a character that clients could read in different ways.
    #[error(
        "an issuer is printable ASCII without spaces, backslashes, quotes, braces and percent signs; write a name in other letters in its ASCII form, xn--…"
    )]
    Character,
    /// It cannot be parsed as a URL.
    #[error(transparent)]
    Url(#[from] url::ParseError),
    /// It has a user name or a password.
    #[error("an issuer has no user name and no password")]
    UserInfo,
    /// Its port is 0.
    #[error("port 0 cannot be used in an issuer")]
    PortZero,
    /// Its path has an empty segment.
    #[error("an issuer has no empty segments in its path")]
    EmptySegment,
    /// Clients would request another URL, which is this one.
    #[error("clients would read it as another URL; write {0}")]
    ReadAs(String),
}

impl FromStr for Issuer {
    type Err = InvalidIssuer;

    fn from_str(text: &str) -> Result<Self, InvalidIssuer> {
        let (scheme, rest) = text.split_once(':').ok_or(InvalidIssuer::NoScheme)?;
        let is_http = ["http", "https"].contains(&scheme.to_ascii_lowercase().as_str());
        let after_scheme = rest.strip_prefix("//").filter(|_| is_http);
        let after_scheme = after_scheme.ok_or(InvalidIssuer::OtherScheme)?;
        if text.contains(['?', '#']) {
            return Err(InvalidIssuer::QueryOrFragment);
        }
        if !text.bytes().all(is_issuer_byte) {
            return Err(InvalidIssuer::Character);
        }
        let url = url::Url::parse(text)?;
        let (authority, path) = match after_scheme.find('/') {
            Some(slash) => after_scheme.split_at(slash),
            None => (after_scheme, ""),
        };
        if !url.username().is_empty() || url.password().is_some() || authority.contains('@') {
            return Err(InvalidIssuer::UserInfo);
        }
        if url.port() == Some(0) {
            return Err(InvalidIssuer::PortZero);
        }
        if url.path().contains("//") {
            return Err(InvalidIssuer::EmptySegment);
        }
        // HTTP clients request the URL as they parsed it. Upper case in the host and a default port are
        // equivalent (RFC 3986 section 6.2); any other change by the parser would be another URL.
        let parsed = url.as_str();
        let default_port = if scheme == "https" { ":443" } else { ":80" };
        let host = authority
            .strip_suffix(default_port)
            .unwrap_or(authority)
            .to_ascii_lowercase();
        let expected = format!("{scheme}://{host}{path}");
        if parsed != expected && parsed.strip_suffix('/') != Some(&expected) {
            let read_as = parsed.trim_end_matches('/');
            return Err(InvalidIssuer::ReadAs(read_as.to_owned()));
        }
        Ok(Issuer(text.to_owned()))
    }
}

fn is_issuer_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"{}<>\"\\^`|%".contains(&byte)
}

impl Issuer {
    /// The default issuer of a server at `authority` (host and port), which needs no validation.
    pub(super) fn of_address(scheme: &str, authority: &str) -> Self {
        Issuer(format!("{scheme}://{authority}"))
    }

    /// The identifier exactly as it was set.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the issuer is an `https` URL. Keyward or a proxy terminates TLS.
    pub fn is_https(&self) -> bool {
        self.0
            .get(..6)
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"))
    }

    /// The path of the issuer without a trailing slash; empty if it has none.
    pub fn path(&self) -> &str {
        let after_scheme = self.0.split_once("://").map_or("", |(_, rest)| rest);
        after_scheme
            .find('/')
            .map_or("", |start| &after_scheme[start..])
            .trim_end_matches('/')
    }

    /// Scheme, host and port as browsers send them in `Origin` (RFC 6454 section 7): lower case, without
    /// the default port.
    pub fn origin(&self) -> String {
        url::Url::parse(&self.0).map_or_else(
            |_| self.authority().to_owned(),
            |url| url.origin().ascii_serialization(),
        )
    }

    /// Whether the host is this one.
    pub fn has_host(&self, name: &str) -> bool {
        url::Url::parse(&self.0).is_ok_and(|url| url.domain() == Some(name))
    }

    /// Scheme, host and port exactly as they were set.
    fn authority(&self) -> &str {
        let whole = self.0.trim_end_matches('/');
        whole.strip_suffix(self.path()).unwrap_or(whole)
    }

    /// The URL of a path of Keyward, such as `/oauth/token`.
    pub fn endpoint(&self, path: &str) -> String {
        format!("{}{path}", self.0.trim_end_matches('/'))
    }

    /// The audience of the management API.
    pub fn management_audience(&self) -> String {
        resource_server::management_audience(&self.0)
    }

    /// The path of the server metadata: RFC 8414 section 3.1 inserts it before the path of the issuer.
    pub fn metadata_path(&self) -> String {
        format!("/.well-known/oauth-authorization-server{}", self.path())
    }

    /// Whether the host is `localhost` or a loopback address.
    pub fn is_local(&self) -> bool {
        match url::Url::parse(&self.0).as_ref().map(url::Url::host) {
            Ok(Some(url::Host::Ipv4(address))) => address.is_loopback(),
            Ok(Some(url::Host::Ipv6(address))) => address.is_loopback(),
            Ok(Some(url::Host::Domain(name))) => {
                name == "localhost" || name.ends_with(".localhost")
            }
            Ok(None) | Err(_) => false,
        }
    }

    /// The URL of [`Issuer::metadata_path`].
    pub fn metadata_url(&self) -> String {
        format!("{}{}", self.authority(), self.metadata_path())
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_kept_as_it_was_written() {
        for text in [
            "https://auth.example",
            "https://auth.example/",
            "https://auth.example:443",
            "https://Auth.Example/tenant/a",
            "http://127.0.0.1:8080",
            "http://[::1]:8080",
            "https://xn--bcher-kva.example",
        ] {
            let issuer: Result<Issuer, _> = text.parse();
            assert_eq!(issuer.as_ref().map(Issuer::as_str), Ok(text));
        }
    }

    #[test]
    fn an_issuer_that_clients_could_misread_is_refused() {
        use InvalidIssuer::{
            Character, EmptySegment, NoScheme, OtherScheme, PortZero, QueryOrFragment, ReadAs, Url,
            UserInfo,
        };
        for (text, expected) in [
            ("", NoScheme),
            ("auth.example", NoScheme),
            ("ftp://auth.example", OtherScheme),
            ("https:auth.example", OtherScheme),
            ("https:/auth.example", OtherScheme),
            (" https://auth.example", OtherScheme),
            ("https://auth.example?a", QueryOrFragment),
            ("https://auth.example#a", QueryOrFragment),
            ("https://auth.example\n", Character),
            ("https://auth.\texample", Character),
            ("https://auth.example/a b", Character),
            ("https://auth.example/%61", Character),
            ("https://auth.example\\a", Character),
            ("https://b\u{fc}cher.example", Character),
            ("https://", Url(url::ParseError::EmptyHost)),
            (
                "https://auth.example:+80",
                Url(url::ParseError::InvalidPort),
            ),
            ("https://user@auth.example", UserInfo),
            ("https://:pw@auth.example", UserInfo),
            ("https://@auth.example", UserInfo),
            ("https:///user@auth.example", UserInfo),
            ("https://auth.example:0", PortZero),
            ("https://auth.example//a", EmptySegment),
            (
                "https://auth.example/a/../b",
                ReadAs("https://auth.example/b".to_owned()),
            ),
            ("http://127.1", ReadAs("http://127.0.0.1".to_owned())),
            (
                "https://auth.example:0443",
                ReadAs("https://auth.example".to_owned()),
            ),
        ] {
            assert_eq!(text.parse::<Issuer>(), Err(expected), "{text:?}");
        }
    }
}
