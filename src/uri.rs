//! URIs from outside. They are parsed in one way, and refused if another parser could read them differently.

use std::fmt;
use std::net::IpAddr;

use url::{Host, Url};

/// Maximum length of a URI, in bytes.
pub const MAX_LENGTH: usize = 512;

/// An absolute URI (RFC 3986) from outside that all parsers read in the same way.
///
/// It has only characters that are allowed in a URI, nothing that a parser would repair (a missing `//`, a
/// backslash, dot segments, upper case in the host, an IP address in an unusual notation), no user name and
/// no password. So its text is identical to what was parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalUri {
    text: String,
    url: Url,
}

/// Why a text is not an [`ExternalUri`], or not one for its purpose. The message quotes the text unless it may
/// contain a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UriError {
    shown: Option<String>,
    reason: &'static str,
}

impl UriError {
    fn new(text: &str, reason: &'static str) -> Self {
        // What stands before it may be a password, also in a text that is no URI for another reason.
        if text.contains('@') {
            return UriError {
                shown: None,
                reason,
            };
        }
        let shown: String = text
            .chars()
            .filter(|c| c.is_ascii_graphic() && !matches!(c, '"' | '\\'))
            .take(100)
            .collect();
        UriError {
            shown: Some(shown).filter(|shown| !shown.is_empty()),
            reason,
        }
    }
}

impl fmt::Display for UriError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.shown {
            Some(shown) => write!(f, "{shown} cannot be used: {}", self.reason),
            None => write!(f, "this URI cannot be used: {}", self.reason),
        }
    }
}

impl std::error::Error for UriError {}

impl ExternalUri {
    /// Parses a URI.
    ///
    /// # Errors
    /// The text is not an absolute URI, is too long, or could be read differently by another parser.
    pub fn parse(text: &str) -> Result<Self, UriError> {
        let refused = |reason| Err(UriError::new(text, reason));
        if text.len() > MAX_LENGTH {
            return refused("it is longer than 512 bytes");
        }
        if !text.bytes().all(is_uri_byte) {
            return refused(
                "it contains a space, a line end, a backslash or another character that is not allowed in a URI",
            );
        }
        if !percent_encodings_are_whole(text) {
            return refused("a percent sign must be followed by two hexadecimal digits");
        }
        let Some((scheme, rest)) = text.split_once(':') else {
            return refused("it is not absolute: a URI begins with a scheme");
        };
        if matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https")
            && !rest.starts_with("//")
        {
            return refused("http and https must be followed by ://");
        }
        let Ok(url) = Url::parse(text) else {
            return refused("it is not an absolute URI");
        };
        // A user name or password must not get into a message or a log.
        if !url.username().is_empty() || url.password().is_some() || authority(rest).contains('@') {
            return refused("it contains a user name or a password");
        }
        if has_dot_segment(rest) {
            return refused("its path contains a dot segment");
        }
        // The parser changes an empty path to a slash, and an apostrophe in a query to %27.
        let same = |text: &str| url.as_str().replace('\'', "%27") == text.replace('\'', "%27");
        let as_parsed = same(text) || url.path() == "/" && same(&with_slash(text));
        if !as_parsed {
            return refused(
                "write the scheme and the host in lower case, an address in its usual form, and no default port",
            );
        }
        Ok(ExternalUri {
            text: text.to_owned(),
            url,
        })
    }

    /// The URI as it was written, which is also how it was parsed.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn refused(&self, reason: &'static str) -> UriError {
        UriError::new(&self.text, reason)
    }

    /// Checks that the URI is a web page: `https` or `http` with a host.
    ///
    /// # Errors
    /// Any other URI.
    pub fn for_page(self) -> Result<Self, UriError> {
        match self.url.scheme() {
            "http" | "https" if self.has_plain_host() => Ok(self),
            _ => Err(self.refused("it is not an https or http URL with a host")),
        }
    }

    /// Checks that the URI can identify a resource server (RFC 8707 section 2): it has no fragment.
    ///
    /// # Errors
    /// The URI has a fragment.
    pub fn for_resource(self) -> Result<Self, UriError> {
        if self.url.fragment().is_some() {
            Err(self.refused("it has a fragment"))
        } else {
            Ok(self)
        }
    }

    /// Checks that the URI can be a `jwks_uri`: `https`, without a fragment, with a host name or an IP address
    /// that is `allowed`. The addresses of a host name are checked when the URI is fetched.
    ///
    /// # Errors
    /// Any other URI.
    pub fn for_keys(self, allowed: impl Fn(IpAddr) -> bool) -> Result<Self, UriError> {
        if self.url.scheme() != "https" || !self.has_plain_host() {
            return Err(self.refused("it is not an https URL with a host"));
        }
        if self.url.fragment().is_some() {
            return Err(self.refused("it has a fragment"));
        }
        match self.address() {
            Some(address) if !allowed(address) => {
                Err(self.refused("it must not name a loopback, private or link-local address"))
            }
            _ => Ok(self),
        }
    }

    /// Checks that the URI can be a redirect URI (RFC 6749 section 3.1.2, RFC 8252 section 7): `https`, `http`
    /// on a loopback host, or a private-use scheme, which is a reversed domain name and so has a dot.
    ///
    /// # Errors
    /// Any other URI, a fragment, a wildcard, or a percent-encoded control character or backslash.
    pub fn for_redirect(self) -> Result<Self, UriError> {
        if self.url.fragment().is_some() {
            return Err(self.refused("it has a fragment"));
        }
        if self.text.contains('*') {
            return Err(self.refused("it contains a wildcard; redirect URIs are compared exactly"));
        }
        let decoded = percent_encoding::percent_decode_str(&self.text);
        if decoded
            .into_iter()
            .any(|byte| byte.is_ascii_control() || byte == b'\\')
        {
            return Err(self.refused("it contains an encoded control character or backslash"));
        }
        match self.url.scheme() {
            "https" if self.has_plain_host() => Ok(self),
            "http" if self.is_loopback() => Ok(self),
            "http" => Err(self.refused(
                "http is allowed only for 127.0.0.1, [::1] and localhost; use https",
            )),
            scheme if is_private_use(scheme) && self.text.len() > scheme.len() + 1 => Ok(self),
            _ => Err(self.refused(
                "the scheme must be https, or a private-use scheme with a dot, such as com.example.app",
            )),
        }
    }

    fn address(&self) -> Option<IpAddr> {
        match self.url.host() {
            Some(Host::Ipv4(address)) => Some(address.into()),
            Some(Host::Ipv6(address)) => Some(address.into()),
            _ => None,
        }
    }

    fn is_loopback(&self) -> bool {
        self.url.host_str() == Some("localhost")
            || self.address().is_some_and(|address| address.is_loopback())
    }

    /// Whether the host is an IP address, or a name of letters, digits, hyphens, underscores and dots.
    fn has_plain_host(&self) -> bool {
        match self.url.host() {
            Some(Host::Domain(name)) => name.split('.').all(|label| {
                !label.is_empty()
                    && label
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            }),
            Some(_) => true,
            None => false,
        }
    }
}

impl fmt::Display for ExternalUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether RFC 3986 section 2 allows the byte in a URI: reserved, unreserved or the percent sign.
fn is_uri_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte)
}

/// Scheme, host, port and path of an `http` or `https` URL, without query and fragment, in the normal
/// form of RFC 3986 sections 6.2.2 and 6.2.3: the scheme and the host in lower case, no default port,
/// no dot segments, and no percent-encoding of unreserved characters. Two URLs with the same normal
/// form are equivalent. `None` if the text is no such URL, or contains a user name.
pub fn normalized_http_url(text: &str) -> Option<String> {
    let text = text.split(['?', '#']).next().unwrap_or_default();
    if !text.bytes().all(is_uri_byte) || !percent_encodings_are_whole(text) {
        return None;
    }
    let (scheme, rest) = text.split_once(':')?;
    let is_http = ["http", "https"]
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known));
    let authority = authority(rest);
    if !is_http || authority.is_empty() || authority.contains('@') {
        return None;
    }
    Some(Url::parse(&normalized_percent_encoding(text)).ok()?.into())
}

/// Whether two `http` or `https` URLs are equivalent, without query and fragment: the same text, or the
/// same normal form.
pub fn is_same_http_url(one: &str, other: &str) -> bool {
    let without_query = |url: &str| url.find(['?', '#']).unwrap_or(url.len());
    let one = &one[..without_query(one)];
    let other = &other[..without_query(other)];
    one == other || {
        let normalized = normalized_http_url(one);
        normalized.is_some() && normalized == normalized_http_url(other)
    }
}

/// RFC 3986 sections 6.2.2.1 and 6.2.2.2: unreserved characters are decoded, and the digits of all
/// other percent-encodings are in upper case. Each percent sign must be followed by two digits.
fn normalized_percent_encoding(text: &str) -> String {
    let mut parts = text.split('%');
    let mut normalized = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        match u8::from_str_radix(digits, 16) {
            Ok(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                normalized.push(char::from(byte));
            }
            _ => {
                normalized.push('%');
                normalized.push_str(&digits.to_ascii_uppercase());
            }
        }
        normalized.push_str(rest);
    }
    normalized
}

fn percent_encodings_are_whole(text: &str) -> bool {
    let mut parts = text.split('%');
    parts.next();
    parts.all(|part| matches!(part.as_bytes(), [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit()))
}

/// The authority: the part between `//` and the path, empty without `//`.
fn authority(rest: &str) -> &str {
    let rest = rest.strip_prefix("//").unwrap_or_default();
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

fn has_dot_segment(rest: &str) -> bool {
    let path = rest.split(['?', '#']).next().unwrap_or_default();
    path.split('/').any(|segment| {
        matches!(
            segment.to_ascii_lowercase().replace("%2e", ".").as_str(),
            "." | ".."
        )
    })
}

/// `text` with a slash for its empty path, before query and fragment.
fn with_slash(text: &str) -> String {
    let end = text.find(['?', '#']).unwrap_or(text.len());
    format!("{}/{}", &text[..end], &text[end..])
}

/// Whether a scheme is a private-use scheme, based on a domain name (RFC 8252 section 7.1).
fn is_private_use(scheme: &str) -> bool {
    scheme.contains('.') && scheme.split('.').all(|label| !label.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redirect(text: &str) -> Result<ExternalUri, UriError> {
        ExternalUri::parse(text)?.for_redirect()
    }

    #[test]
    fn accepted_redirect_uris_stay_unchanged() {
        for text in [
            "https://a.example/cb",
            "https://a.example",
            "https://a.example?x=1",
            "https://a.example:8443/cb?tenant=o'clock&x=%20",
            "https://192.0.2.7/cb",
            "https://xn--bcher-kva.example/",
            "http://127.0.0.1/cb",
            "http://127.9.9.9:49152/cb",
            "http://[::1]:8080/",
            "http://localhost:3000/callback",
            "com.example.app:/oauth2redirect",
            "com.example.app://callback",
        ] {
            assert_eq!(
                redirect(text).map(|uri| uri.as_str().to_owned()),
                Ok(text.to_owned())
            );
        }
    }

    #[test]
    fn unsafe_redirect_uris_are_refused() {
        for text in [
            "",
            "cb",
            "/cb",
            "javascript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "ftp://a.example/",
            "app:/cb",
            ".app:/cb",
            "com..app:/cb",
            "com.example.app:",
            "urn:a.example:cb",
            "http://a.example/",
            "http://localhost.example/",
            "http://localhost./",
            "http://127.0.0.1.example/",
            "http://0.0.0.0/",
            "https:cb",
            "https:/a.example/",
            "https:///a.example/",
            "https://",
            "https://*.a.example/cb",
            "https://a.example/*",
            "https://user@a.example/",
            "https://user:pw@a.example/",
            "https://@a.example/",
            "https://a.example\\@evil.example/cb",
            "https://a.example/\\",
            "https://a.example/%5c",
            "https://a.example/%0d%0aLocation:x",
            "https://a.example/%00",
            "https://a.example/%zz",
            "https://a.example/%",
            " https://a.example/",
            "https://a.example/ ",
            "https://a.example/\n",
            "\thttps://a.example/",
            "ht\ntps://a.example/",
            "https://a.exa\tmple/",
            "https://a.example/a b",
            "https://a.example/../cb",
            "https://a.example/x/./cb",
            "https://a.example/x/..",
            "https://a.example/%2e%2E/cb",
            "https://a.example/.%2e",
            "https://a.example/#x",
            "https://a.example/#",
            "https://A.example/",
            "HTTPS://a.example/",
            "https://a.example:443/",
            "https://a.example:99999/",
            "https://a.example./",
            "https://a..example/",
            "https://%61.example/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://[::0001]/",
            "https://b\u{fc}cher.example/",
            "https://a.example/\u{202e}",
            "https://a.example/<script>",
            "https://a.example/\u{0}",
        ] {
            let refused = redirect(text);
            assert!(refused.is_err(), "{text:?}: {refused:?}");
        }
        assert!(redirect(&format!("https://a.example/{}", "x".repeat(500))).is_err());
        let password = redirect("https://user:hunter2@a.example/")
            .unwrap_err()
            .to_string();
        assert!(!password.contains("hunter2"), "{password}");
        for text in [
            "https://user:hunter2@a.example/ ",
            "https://user:hunter2@a.example/%",
            "https:user:hunter2@a.example",
            "https://user:hunter2@a.example:x/",
        ] {
            let refused = redirect(text).unwrap_err().to_string();
            assert!(!refused.contains("hunter2"), "{refused}");
        }
    }

    #[test]
    fn equivalent_http_urls_have_one_normal_form() {
        let normal = "https://api.example/a/B~c%2Fd";
        for text in [
            "https://api.example/a/B~c%2Fd",
            "HTTPS://API.Example/a/B~c%2Fd",
            "https://api.example:443/a/B~c%2Fd",
            "https://api.example:/a/B~c%2Fd",
            "https://api.example/a/%42%7ec%2fd",
            "https://api.example/./x/../a/B~c%2Fd",
            "https://api.example/x/%2E%2e/a/B~c%2Fd",
            "https://api.example/a/B~c%2Fd?x=/..%zz",
            "https://api.example/a/B~c%2Fd#part",
            "https://%61pi.example/a/B~c%2Fd",
        ] {
            assert_eq!(normalized_http_url(text).as_deref(), Some(normal), "{text}");
        }
        for (text, other) in [
            ("https://api.example", "https://api.example/"),
            ("http://api.example:80/a", "http://api.example/a"),
            ("http://api.example:443/a", "http://api.example:443/a"),
            ("http://[::0001]:8080/a/", "http://[::1]:8080/a/"),
            ("https://api.example/a//b", "https://api.example/a//b"),
            ("https://api.example/a%2Bb+c", "https://api.example/a%2Bb+c"),
        ] {
            assert_eq!(normalized_http_url(text).as_deref(), Some(other), "{text}");
        }
        for text in [
            "",
            "/a",
            "api.example/a",
            "https:",
            "https:///a",
            "https:a",
            "https:\\\\api.example/a",
            "https://@api.example/a",
            "https://user:hunter2@api.example/a",
            "https://api.example/a b",
            "https://api.example/%",
            "https://api.example/%4",
            "https://api.example/%zz",
            "https://api.example:99999/",
            "https://api.example/\u{e9}",
            "ftp://api.example/a",
            "urn:api",
        ] {
            assert_eq!(normalized_http_url(text), None, "{text:?}");
        }
    }

    #[test]
    fn each_purpose_has_its_own_rules() {
        let keys =
            |text: &str| ExternalUri::parse(text)?.for_keys(|address| !address.is_loopback());
        assert!(keys("https://a.example/jwks.json?v=1").is_ok());
        for text in [
            "http://a.example/",
            "https://a.example/#x",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https:a",
            "urn:a",
        ] {
            assert!(keys(text).is_err(), "{text}");
        }
        let page = |text: &str| ExternalUri::parse(text)?.for_page();
        assert!(page("http://a.example/about#us").is_ok() && page("https://a.example").is_ok());
        for text in [
            "javascript:alert(1)",
            "com.example.app:/x",
            "https://a.example\\@b.example/",
            "https://*/",
        ] {
            assert!(page(text).is_err(), "{text}");
        }
        let resource = |text: &str| ExternalUri::parse(text)?.for_resource();
        for text in [
            "urn:api",
            "https://api.example",
            "https://api.example/a?b=c",
            "api://orders",
            "http://127.0.0.1:1/mcp",
        ] {
            assert_eq!(resource(text).unwrap().as_str(), text);
        }
        for text in [
            "orders",
            "urn:a#b",
            "https:a.example",
            "https://u:p@a.example/",
            "https://a.example/a/../b",
        ] {
            assert!(resource(text).is_err(), "{text}");
        }
    }
}
