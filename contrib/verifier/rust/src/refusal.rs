/// The reason why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The request has no `Authorization` header.
    MissingCredential,
    /// The credential is malformed, expired, revoked or not for this resource server.
    InvalidToken,
    /// The credential is valid, and lacks a value of this scope.
    InsufficientScope(String),
    /// The issuer could not be reached, so nothing is known about the credential.
    Unavailable,
}

impl Refusal {
    /// Returns the HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Refusal::MissingCredential | Refusal::InvalidToken => 401,
            Refusal::InsufficientScope(_) => 403,
            Refusal::Unavailable => 503,
        }
    }

    /// Returns the error code: for a credential, one of RFC 6750 section 3.1.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::MissingCredential => "unauthorized",
            Refusal::InvalidToken => "invalid_token",
            Refusal::InsufficientScope(_) => "insufficient_scope",
            Refusal::Unavailable => "temporarily_unavailable",
        }
    }

    /// Returns the JSON document of the response.
    #[cfg(any(feature = "actix", feature = "axum"))]
    pub(crate) fn body(&self) -> String {
        format!(r#"{{"error":"{}"}}"#, self.code())
    }

    /// Returns the value of `WWW-Authenticate` (RFC 6750 section 3, RFC 9728 section 5.1).
    pub(crate) fn challenge(&self, resource_metadata: Option<&str>) -> Option<String> {
        let mut parameters = Vec::new();
        match self {
            // A request without a credential gets no error code (RFC 6750 section 3.1).
            Refusal::MissingCredential => {}
            Refusal::InvalidToken => parameters.push(r#"error="invalid_token""#.to_owned()),
            Refusal::InsufficientScope(scope) => {
                parameters.push(r#"error="insufficient_scope""#.to_owned());
                parameters.push(format!(r#"scope="{scope}""#));
            }
            Refusal::Unavailable => return None,
        }
        parameters.extend(resource_metadata.map(|url| format!(r#"resource_metadata="{url}""#)));
        let challenge = format!("Bearer {}", parameters.join(", "));
        Some(challenge.trim_end().to_owned())
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_name_the_error_the_scope_and_the_metadata() {
        let scope = Refusal::InsufficientScope("orders:read".to_owned());
        let cases = [
            (Refusal::MissingCredential, None, Some("Bearer")),
            (
                Refusal::MissingCredential,
                Some("https://a.example/m"),
                Some(r#"Bearer resource_metadata="https://a.example/m""#),
            ),
            (
                Refusal::InvalidToken,
                None,
                Some(r#"Bearer error="invalid_token""#),
            ),
            (
                scope,
                Some("https://a.example/m"),
                Some(
                    r#"Bearer error="insufficient_scope", scope="orders:read", resource_metadata="https://a.example/m""#,
                ),
            ),
            (Refusal::Unavailable, Some("https://a.example/m"), None),
        ];
        for (refusal, metadata, expected) in cases {
            assert_eq!(
                refusal.challenge(metadata).as_deref(),
                expected,
                "{refusal:?}"
            );
        }
    }
}
