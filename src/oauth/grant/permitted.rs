//! The proof that a client may use a grant type.

use crate::error::{Code, Error};
use crate::store::client::Client;
use crate::store::grant_type::GrantType;

/// A grant type that a client was found to be registered for. [`PermittedGrantType::check`] is its
/// only constructor and every grant needs one, so that no grant type can skip the check.
#[derive(Clone, Copy)]
pub struct PermittedGrantType(GrantType);

impl PermittedGrantType {
    /// Checks that `client` may use `grant_type` (RFC 6749 section 5.2).
    ///
    /// # Errors
    /// `unauthorized_client` if the client is not registered for it.
    pub fn check(client: &Client, grant_type: GrantType) -> Result<Self, Error> {
        if client.may_use(grant_type) {
            return Ok(PermittedGrantType(grant_type));
        }
        let name = grant_type.as_str();
        let refusal = format!("The client is not allowed the grant type {name}");
        Err(Error::new(Code::UnauthorizedClient, refusal).about(name))
    }

    /// The grant type.
    pub fn grant_type(self) -> GrantType {
        self.0
    }
}
