//! The published keys (RFC 7517 section 5).

use super::AuthorizationServer;
use crate::clock::Timestamp;
use crate::credential::Fingerprint;
use crate::store::signing_key::State;

/// The document and its entity tag.
pub struct KeySet {
    /// JSON.
    pub document: String,
    /// Changes with the document, in quotes.
    pub etag: String,
}

/// Every key that a token in force may be signed with, and those that are about to sign. From
/// memory: published with the database away too.
pub fn key_set(server: &AuthorizationServer, now: Timestamp) -> KeySet {
    let keys = server.directory.known_signing_keys();
    let published = keys.iter().filter(|key| key.state(now) != State::Gone).map(|key| key.public_jwk.as_str());
    let document = format!(r#"{{"keys":[{}]}}"#, published.collect::<Vec<_>>().join(","));
    let mut etag = Fingerprint::of(document.as_bytes()).hex();
    etag.truncate(32);
    KeySet { etag: format!("\"{etag}\""), document }
}
