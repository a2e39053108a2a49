//! The issuer identifier and the URLs that follow from it.

use std::fmt;
use std::str::FromStr;

use crate::store::resource_server;

/// The issuer identifier (RFC 8414 section 2). It is compared character by character, so it is never
/// normalised and never derived from a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer(String);

impl FromStr for Issuer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text
            .split_once(':')
            .ok_or("expected a URL, such as https://auth.example")?;
        if !["http", "https"].contains(&scheme.to_ascii_lowercase().as_str())
            || !rest.starts_with("//")
        {
            return Err(
                "expected a URL that begins with https:// or http://, such as https://auth.example"
                    .to_owned(),
            );
        }
        if text.contains(['?', '#']) {
            return Err("an issuer has no query and no fragment (RFC 8414 section 2)".to_owned());
        }
        if !text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"{}<>\"\\^`|%".contains(&byte))
        {
            let plain = "an issuer is printable ASCII without spaces, backslashes, quotes, braces and percent signs";
            return Err(format!(
                "{plain}; write a name in other letters in its ASCII form, xn--…"
            ));
        }
        let url = url::Url::parse(text).map_err(|error| error.to_string())?;
        if !url.username().is_empty()
            || url.password().is_some()
            || rest[2..]
                .split('/')
                .next()
                .is_some_and(|host| host.contains('@'))
        {
            return Err("an issuer has no user name and no password".to_owned());
        }
        if url.port() == Some(0) {
            return Err("port 0 cannot be used in an issuer".to_owned());
        }
        if url.path().contains("//") {
            return Err("an issuer has no empty segments in its path".to_owned());
        }
        // HTTP clients request the URL as they parsed it. Upper case in the host and a default port are
        // equivalent (RFC 3986 section 6.2); any other change by the parser would be another URL.
        let parsed = url.as_str();
        let (authority, path) = rest[2..]
            .find('/')
            .map_or((&rest[2..], ""), |slash| rest[2..].split_at(slash));
        let default_port = if scheme == "https" { ":443" } else { ":80" };
        let host = authority
            .strip_suffix(default_port)
            .unwrap_or(authority)
            .to_ascii_lowercase();
        let expected = format!("{scheme}://{host}{path}");
        if parsed != expected && parsed.strip_suffix('/') != Some(&expected) {
            return Err(format!(
                "clients would read it as another URL; write {}",
                parsed.trim_end_matches('/')
            ));
        }
        Ok(Issuer(text.to_owned()))
    }
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
