//! Management operations, shared by all entry points: what operators and partners do with the entities
//! of [`store`](crate::store).
//!
//! Each operation has the shape `operation(store, permit, …)`. The [`Permit`](actor::Permit) proves that
//! the actor has the right, and carries the time of the request. A refusal is an [`Error`] that says
//! why.

use serde::Serialize;

use crate::credential::Fingerprint;
use crate::error::refusal::{self, not_found};
use crate::error::{Code, Error};

pub mod account;
pub mod account_deletion;
pub mod account_invitation;
pub mod actor;
pub mod announcement;
pub mod api_key;
pub mod audit;
pub mod client;
pub mod clock;
pub mod expiry;
pub mod idempotency;
pub mod invitation;
pub mod mail;
pub mod membership;
pub mod own_password;
pub mod password_reset;
mod policy;
pub mod profile;
pub mod registration_token;
pub mod resource_server;
pub mod rights;
pub mod sealing_key;
pub mod second_factor;
pub mod secret;
pub mod session;
pub mod sign_in;
pub mod signing_key;
pub mod status;
pub mod token;
pub mod traffic;
pub mod trial;
pub mod trust_preset;
pub mod trust_rule;
pub mod unused_credential;
pub mod usage;
pub mod user;
pub mod webhook;

/// The services that operations use, for entry points that depend on management alone.
pub use crate::oauth::AuthorizationServer;
pub use crate::request_context::RequestContext;

fn invalid(description: impl Into<String>) -> Error {
    Error::new(Code::InvalidRequest, description.into())
}

/// The version of a view: an entity tag (RFC 9110 section 8.8.3), with which `If-Match` detects that
/// somebody else changed the object in between.
pub fn version(view: &impl Serialize) -> String {
    let mut version = Fingerprint::of(&serde_json::to_vec(view).unwrap_or_default()).hex();
    version.truncate(32);
    version
}

/// The maximum length of a display name, in characters.
const MAX_NAME_LENGTH: usize = 100;

/// Checks a display name, which is shown in tables and logs.
fn check_name(name: &str) -> Result<(), Error> {
    let length = name.chars().count();
    if !(1..=MAX_NAME_LENGTH).contains(&length) {
        return Err(refusal::name_length(MAX_NAME_LENGTH, length).field("name"));
    }
    if name.trim() != name || name.chars().any(is_invisible) {
        return Err(refusal::name_characters().field("name"));
    }
    Ok(())
}

/// Whether a text holds a NUL. Postgres takes none, so that no row can match it.
fn has_nul(text: &Option<String>) -> bool {
    text.as_ref().is_some_and(|text| text.contains('\0'))
}

/// Control characters, and zero-width and direction marks, which make two names look alike.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_visible_and_not_too_long() {
        let long = "é".repeat(MAX_NAME_LENGTH);
        let too_long = "é".repeat(MAX_NAME_LENGTH + 1);
        let cases = [
            ("a", true),
            ("Nightly batch", true),
            (long.as_str(), true),
            (too_long.as_str(), false),
            ("", false),
            (" a", false),
            ("a\u{A0}", false),
            ("a\nb", false),
            ("a\0b", false),
            ("a\u{200B}b", false),
            ("a\u{202E}b", false),
            ("\u{FEFF}a", false),
        ];
        for (name, valid) in cases {
            assert_eq!(check_name(name).is_ok(), valid, "{name:?}");
        }
    }

    #[test]
    fn a_version_changes_with_the_view() {
        assert_eq!(version(&("a", 1)), version(&("a", 1)));
        assert_ne!(version(&("a", 1)), version(&("a", 2)));
        assert_eq!(version(&()).len(), 32);
    }
}
