//! SPIFFE IDs (the SPIFFE-ID specification, section 2).

/// The scheme, with what separates it from the trust domain.
const SCHEME: &str = "spiffe://";

/// The maximum length of a SPIFFE ID, in bytes.
const MAX_ID: usize = 2048;

/// The maximum length of the name of a trust domain, in bytes.
const MAX_TRUST_DOMAIN: usize = 255;

/// Why a text is not the SPIFFE ID of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSpiffeId {
    /// The scheme is another one.
    #[error("it does not begin with spiffe://")]
    Scheme,
    /// It is too long.
    #[error("it is longer than {MAX_ID} bytes")]
    TooLong,
    /// The trust domain is not well-formed.
    #[error(
        "its trust domain must have 1 to {MAX_TRUST_DOMAIN} lower-case letters, digits, dots, dashes and underscores"
    )]
    TrustDomain,
    /// There is no path: it is the id of the trust domain, and not of a workload.
    #[error("it has no path")]
    NoPath,
    /// The path is not well-formed.
    #[error(
        "each segment of its path must have letters, digits, dots, dashes and underscores, and must not be . or .."
    )]
    Path,
}

/// The SPIFFE ID of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpiffeId<'a> {
    text: &'a str,
    trust_domain: &'a str,
}

impl<'a> SpiffeId<'a> {
    /// Parses a SPIFFE ID with a path. The permitted characters leave no room for user information, a
    /// port, a query, a fragment or percent-encoding.
    ///
    /// # Errors
    /// [`InvalidSpiffeId`]
    pub fn parse(text: &'a str) -> Result<Self, InvalidSpiffeId> {
        let rest = text.strip_prefix(SCHEME).ok_or(InvalidSpiffeId::Scheme)?;
        if text.len() > MAX_ID {
            return Err(InvalidSpiffeId::TooLong);
        }
        let (name, path) = match rest.split_once('/') {
            Some((name, path)) => (name, Some(path)),
            None => (rest, None),
        };
        if !is_trust_domain_name(name) {
            return Err(InvalidSpiffeId::TrustDomain);
        }
        let path = path.ok_or(InvalidSpiffeId::NoPath)?;
        if !path.split('/').all(is_segment) {
            return Err(InvalidSpiffeId::Path);
        }
        let trust_domain = text.strip_suffix(path).unwrap_or(text);
        Ok(SpiffeId {
            text,
            trust_domain: trust_domain.trim_end_matches('/'),
        })
    }

    /// The whole SPIFFE ID.
    pub fn as_str(self) -> &'a str {
        self.text
    }

    /// The trust domain as a URI, such as `spiffe://acme.example`.
    pub fn trust_domain(self) -> &'a str {
        self.trust_domain
    }
}

/// Whether a text has the scheme of SPIFFE IDs.
pub fn has_scheme(text: &str) -> bool {
    text.starts_with(SCHEME)
}

/// Whether a text is a trust domain as a URI, such as `spiffe://acme.example`.
pub fn is_trust_domain(text: &str) -> bool {
    text.strip_prefix(SCHEME).is_some_and(is_trust_domain_name)
}

fn is_trust_domain_name(name: &str) -> bool {
    (1..=MAX_TRUST_DOMAIN).contains(&name.len())
        && name.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte)
        })
}

fn is_segment(segment: &str) -> bool {
    let is_word = segment
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
    is_word && !matches!(segment, "" | "." | "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spiffe_id_names_a_trust_domain_and_a_workload() {
        let id = SpiffeId::parse("spiffe://acme.example/ns/a/sa/B_1.2-3").unwrap();
        assert_eq!(id.trust_domain(), "spiffe://acme.example");
        assert_eq!(id.as_str(), "spiffe://acme.example/ns/a/sa/B_1.2-3");
        let twice = SpiffeId::parse("spiffe://a/a").unwrap();
        assert_eq!(twice.trust_domain(), "spiffe://a");
        let long = |length: usize| format!("spiffe://a/{}", "x".repeat(length - 11));
        assert!(SpiffeId::parse(&long(2048)).is_ok());
        use InvalidSpiffeId::{NoPath, Path, Scheme, TooLong, TrustDomain};
        for (text, expected) in [
            ("", Scheme),
            ("acme.example/a", Scheme),
            ("https://acme.example/a", Scheme),
            ("SPIFFE://acme.example/a", Scheme),
            ("spiffe:/acme.example/a", Scheme),
            ("spiffe://", TrustDomain),
            ("spiffe:///a", TrustDomain),
            ("spiffe://Acme.example/a", TrustDomain),
            ("spiffe://acme.example:443/a", TrustDomain),
            ("spiffe://user@acme.example/a", TrustDomain),
            ("spiffe://acme.example?a", TrustDomain),
            ("spiffe://acmé.example/a", TrustDomain),
            ("spiffe://acme.example", NoPath),
            ("spiffe://acme.example/", Path),
            ("spiffe://acme.example/a/", Path),
            ("spiffe://acme.example/a//b", Path),
            ("spiffe://acme.example/a/../b", Path),
            ("spiffe://acme.example/./b", Path),
            ("spiffe://acme.example/a?b", Path),
            ("spiffe://acme.example/a#b", Path),
            ("spiffe://acme.example/%61", Path),
            ("spiffe://acme.example/a b", Path),
            (&long(2049), TooLong),
            (&format!("spiffe://{}/a", "x".repeat(256)), TrustDomain),
        ] {
            assert_eq!(SpiffeId::parse(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn a_trust_domain_has_no_path() {
        for (text, expected) in [
            ("spiffe://acme.example", true),
            ("spiffe://acme.example/", false),
            ("spiffe://acme.example/a", false),
            ("spiffe://", false),
            ("spiffe://ACME", false),
            ("acme.example", false),
        ] {
            assert_eq!(is_trust_domain(text), expected, "{text}");
        }
    }
}
