//! Grants: what a client, or the holder of an API key, is granted at the token endpoint. Each grant
//! type has one file, which fills the one [`Grant`].

use std::collections::BTreeSet;
use std::sync::Arc;

use super::binding::Binding;
use super::parameters::Parameters;
use super::trust::Workload;
use crate::cache::{ApiKeyEntry, ClientEntry};
use crate::clock::Timestamp;
use crate::error::{Code, Error};
use crate::scope::Scope;
pub use crate::store::grant_type::{GrantType, GrantTypes};
use crate::store::resource_server::Resources;

pub mod client_credentials;
pub mod jwt_bearer;
mod permitted;
pub mod token_exchange;

pub use permitted::PermittedGrantType;

/// What is granted, from which an access token is issued. Only the grant types construct it, each
/// after its own authentication and with a [`PermittedGrantType`]: no token is issued without both.
pub struct Grant {
    grant_type: PermittedGrantType,
    client: Arc<ClientEntry>,
    scope: Scope,
    resources: Resources,
    not_after: Option<Timestamp>,
    api_key: Option<Arc<ApiKeyEntry>>,
    issued_token_type: Option<&'static str>,
    workload: Option<Arc<Workload>>,
    binding: Option<Binding>,
}

impl Grant {
    /// The grant type that was used.
    pub fn grant_type(&self) -> GrantType {
        self.grant_type.grant_type()
    }

    /// The `sub` of the token (RFC 9068 section 2.2): the user of an ID-JAG, and otherwise the
    /// client, since no other grant involves a resource owner.
    pub fn subject(&self) -> String {
        let user = self
            .workload
            .as_ref()
            .and_then(|workload| workload.subject());
        user.unwrap_or_else(|| self.client.client_id.clone())
    }

    /// The client that the token is issued to.
    pub fn client(&self) -> &ClientEntry {
        &self.client
    }

    /// The granted scope.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The granted scope, by value.
    pub fn into_scope(self) -> Scope {
        self.scope
    }

    /// The resource servers that the token is for; empty if the audience is the issuer.
    pub fn resources(&self) -> &Resources {
        &self.resources
    }

    /// The latest time at which the token may expire, if the grant sets one.
    pub fn not_after(&self) -> Option<Timestamp> {
        self.not_after
    }

    /// The id of the API key that the token depends on: it is refused once the key is.
    pub fn api_key_id(&self) -> Option<&str> {
        self.api_key.as_ref().map(|key| key.id.as_str())
    }

    /// The key that the token is bound to, if any.
    pub fn binding(&self) -> Option<&Binding> {
        self.binding.as_ref()
    }

    /// Binds the token to a key.
    pub fn bind(&mut self, binding: Binding) {
        self.binding = Some(binding);
    }

    /// The `issued_token_type` of the response (RFC 8693 section 2.2.1), for token exchange.
    pub fn issued_token_type(&self) -> Option<&'static str> {
        self.issued_token_type
    }

    /// The workload of another issuer that acts as the client, or the user of an ID-JAG, if there is
    /// one.
    pub fn workload(&self) -> Option<&Arc<Workload>> {
        self.workload.as_ref()
    }
}

/// Reads the parameter `grant_type` (RFC 6749 section 4.4.2).
///
/// # Errors
/// `invalid_request` if it is missing; `unsupported_grant_type` if it is unknown.
pub fn requested_grant_type(parameters: &Parameters) -> Result<GrantType, Error> {
    parameters.require("grant_type")?.parse().map_err(|_| {
        Error::new(
            Code::UnsupportedGrantType,
            format!(
                "The supported grant types are {}",
                GrantType::NAMES.join(", ")
            ),
        )
    })
}

/// Parses a `scope` parameter.
///
/// # Errors
/// `invalid_scope` if it is malformed.
pub fn parse_scope(text: &str) -> Result<Scope, Error> {
    text.parse()
        .map_err(|error| Error::new(Code::InvalidScope, format!("Invalid scope: {error}")))
}

/// Decides on the granted scope (RFC 6749 section 3.3). Without a requested scope, all of `allowed`
/// is granted. A request for more is refused; it is never narrowed silently.
///
/// # Errors
/// `invalid_scope` if `requested` has a token that is not in `allowed`.
pub fn decide_scope(allowed: &Scope, requested: Option<&Scope>) -> Result<Scope, Error> {
    let Some(requested) = requested.filter(|scope| !scope.is_empty()) else {
        return Ok(allowed.clone());
    };
    if allowed.covers(requested.as_str()) {
        return Ok(requested.clone());
    }
    let allowed: BTreeSet<&str> = allowed.iter().collect();
    let not_allowed: Vec<&str> = requested
        .iter()
        .filter(|token| !allowed.contains(token))
        .take(5)
        .collect();
    let not_allowed = not_allowed.join(" ");
    Err(Error::new(
        Code::InvalidScope,
        format!("The client is not allowed the scope {not_allowed}"),
    )
    .about(not_allowed))
}

/// Decides on the resource servers that a token is for (RFC 8707 section 2). Without a requested
/// resource, these are all that the client may use.
///
/// # Errors
/// `invalid_target` if a requested resource is not in `allowed`.
pub fn decide_resources(allowed: &Resources, parameters: &Parameters) -> Result<Resources, Error> {
    let requested: Vec<&str> = parameters
        .all("resource")
        .chain(parameters.all("audience"))
        .collect();
    if requested.is_empty() {
        return Ok(allowed.clone());
    }
    if let Some(not_allowed) = requested
        .iter()
        .find(|identifier| !allowed.contains(identifier))
    {
        let shown: String = not_allowed
            .chars()
            .filter(|c| c.is_ascii_graphic() && !matches!(c, '"' | '\\'))
            .take(200)
            .collect();
        return Err(Error::new(
            Code::InvalidTarget,
            format!("The client is not allowed the resource {shown}"),
        )
        .about(shown));
    }
    Ok(requested.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(body: &str) -> Parameters {
        Parameters::parse(Some("application/x-www-form-urlencoded"), body.as_bytes()).unwrap()
    }

    #[test]
    fn the_scope_is_what_was_asked_for_or_all_that_is_allowed() {
        for (allowed, requested, granted) in [
            ("", None, Ok("")),
            ("", Some(""), Ok("")),
            ("a b", None, Ok("a b")),
            ("a b", Some(""), Ok("a b")),
            ("a b c", Some("c a"), Ok("a c")),
            ("a b", Some("a b"), Ok("a b")),
            ("a", Some("A"), Err("A")),
            ("a", Some("a b"), Err("b")),
            ("", Some("a"), Err("a")),
            ("a", Some("g f e d c b a"), Err("b c d e f")),
        ] {
            let allowed: Scope = allowed.parse().unwrap();
            let requested: Option<Scope> = requested.map(|scope| scope.parse().unwrap());
            let decided = decide_scope(&allowed, requested.as_ref());
            match (decided, granted) {
                (Ok(scope), Ok(granted)) => assert_eq!(scope.as_str(), granted),
                (Err(error), Err(subject)) => {
                    assert_eq!(error.code(), Code::InvalidScope);
                    assert_eq!(error.subject(), Some(subject));
                }
                (decided, granted) => {
                    panic!("{allowed} {requested:?}: {decided:?} and not {granted:?}")
                }
            }
        }
    }

    #[test]
    fn the_resources_are_what_was_asked_for_or_all_that_are_allowed() {
        for (body, granted) in [
            ("", Ok("urn:a urn:b")),
            ("resource=urn:b", Ok("urn:b")),
            ("audience=urn:b", Ok("urn:b")),
            ("resource=urn:b&audience=urn:a", Ok("urn:a urn:b")),
            ("resource=urn:b&resource=urn:b", Ok("urn:b")),
            ("resource=urn:c", Err("urn:c")),
            ("resource=urn:a&audience=urn:c", Err("urn:c")),
            ("resource=urn:%22c%5C%0A", Err("urn:c")),
        ] {
            let allowed: Resources = "urn:a urn:b".parse().unwrap();
            let decided = decide_resources(&allowed, &parameters(body));
            match (decided, granted) {
                (Ok(resources), Ok(granted)) => assert_eq!(resources.as_str(), granted, "{body}"),
                (Err(error), Err(subject)) => {
                    assert_eq!(error.code(), Code::InvalidTarget, "{body}");
                    assert_eq!(error.subject(), Some(subject), "{body}");
                }
                (decided, granted) => panic!("{body}: {decided:?} and not {granted:?}"),
            }
        }
    }

    #[test]
    fn a_grant_type_must_be_there_and_known() {
        for (body, expected) in [
            (
                "grant_type=client_credentials",
                Ok(GrantType::ClientCredentials),
            ),
            (
                "grant_type=urn:ietf:params:oauth:grant-type:token-exchange",
                Ok(GrantType::TokenExchange),
            ),
            (
                "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer",
                Ok(GrantType::JwtBearer),
            ),
            ("grant_type=password", Err(Code::UnsupportedGrantType)),
            ("grant_type=", Err(Code::InvalidRequest)),
            ("", Err(Code::InvalidRequest)),
        ] {
            let found = requested_grant_type(&parameters(body)).map_err(|error| error.code());
            assert_eq!(found, expected, "{body}");
        }
    }
}
