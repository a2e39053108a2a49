use std::sync::Arc;

use serde_json::{Map, Value};

/// The kind of credential that a caller presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialKind {
    /// An access token (RFC 6749 section 1.4).
    AccessToken,
    /// An API key.
    ApiKey,
}

/// An authenticated caller. It is cheap to clone.
#[derive(Clone, Debug)]
pub struct Caller(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    client_id: String,
    claims: Map<String, Value>,
}

impl Caller {
    /// Makes a caller of the claims of a JWT or the members of an introspection response. Returns
    /// `None` if there is no `client_id`.
    pub(crate) fn new(claims: Map<String, Value>) -> Option<Self> {
        let client_id = claims.get("client_id")?.as_str()?.to_owned();
        Some(Caller(Arc::new(Parts { client_id, claims })))
    }

    /// Returns the client that the credential was issued to.
    pub fn client_id(&self) -> &str {
        &self.0.client_id
    }

    /// Returns `sub`: the client itself, or the user that it acts for.
    pub fn subject(&self) -> Option<&str> {
        self.text("sub")
    }

    /// Returns whether the credential has this scope value.
    pub fn has_scope(&self, value: &str) -> bool {
        let scope = self.text("scope").unwrap_or_default();
        scope.split(' ').any(|granted| granted == value)
    }

    /// Returns the kind of the credential.
    pub fn kind(&self) -> CredentialKind {
        match self.text("token_type") {
            Some("api_key") => CredentialKind::ApiKey,
            _ => CredentialKind::AccessToken,
        }
    }

    /// Returns all claims of the JWT (RFC 9068), or all members of the introspection response.
    pub fn claims(&self) -> &Map<String, Value> {
        &self.0.claims
    }

    /// Returns whether the token is bound to a key or a certificate (RFC 7800).
    pub(crate) fn is_sender_constrained(&self) -> bool {
        self.0.claims.contains_key("cnf")
    }

    fn text(&self, member: &str) -> Option<&str> {
        self.0.claims.get(member)?.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_matched_by_whole_values() {
        let caller = |scope: &str| {
            let claims = serde_json::json!({"client_id": "a", "scope": scope});
            Caller::new(claims.as_object().unwrap().clone()).unwrap()
        };
        assert!(caller("orders:read orders:write").has_scope("orders:write"));
        for scope in ["", "orders:write:all", "orders"] {
            assert!(!caller(scope).has_scope("orders:write"), "{scope}");
        }
    }
}
