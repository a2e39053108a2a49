//! The verbs of management, shared by all doors: what operators and partners do with the nouns of
//! `store/`. A refusal is an [`Error`](crate::error::Error) with a sentence for whoever asked.

use serde::Serialize;

use crate::credential::Fingerprint;
use crate::error::{Code, Error};

pub mod account;
pub mod actor;
pub mod api_key;
pub mod audit;
pub mod client;
pub mod clock;
pub mod invitation;
mod policy;
pub mod profile;
pub mod registration_token;
pub mod resource_server;
pub mod sealing_key;
pub mod second_factor;
pub mod secret;
pub mod session;
pub mod sign_in;
pub mod signing_key;
pub mod token;
pub mod traffic;
pub mod user;

/// All that the verbs work with, for the doors that know management alone.
pub use crate::oauth::AuthorizationServer;
pub use crate::request_context::RequestContext;

fn not_found(what: &str, name: &str) -> Error {
    Error::new(Code::NotFound, format!("There is no {what} {name}"))
        .phrase("not-there", [("name", name.into())])
}

fn invalid(reason: impl Into<String>) -> Error {
    Error::new(Code::InvalidRequest, reason.into())
}

/// What a thing looks like now, as an entity tag: whoever changes it says which look they changed.
pub fn version(view: &impl Serialize) -> String {
    let mut version = Fingerprint::of(&serde_json::to_vec(view).unwrap_or_default()).hex();
    version.truncate(32);
    version
}

/// The longest name of anything, in characters.
const MAX_NAME: usize = 100;

/// Names are shown to people, in tables and logs.
fn check_name(name: &str) -> Result<(), Error> {
    let length = name.chars().count();
    if !(1..=MAX_NAME).contains(&length) {
        return Err(invalid(format!(
            "A name has between one and {MAX_NAME} characters; this one has {length}"
        ))
        .phrase("name-length", [("most", MAX_NAME.into())])
        .field("name"));
    }
    // Zero-width and direction marks would make two names look alike.
    let invisible = |c: char| {
        c.is_control()
            || matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
    };
    if name.trim() != name || name.chars().any(invisible) {
        return Err(
            invalid("A name has no space at its ends and no invisible characters")
                .phrase("name-invisible", [])
                .field("name"),
        );
    }
    Ok(())
}
