//! The published JWK Set (RFC 7517 section 5).

use std::sync::Arc;

use super::AuthorizationServer;
use crate::clock::Timestamp;
use crate::credential::Fingerprint;
use crate::store::signing_key::{SigningKey, State};

/// The JWK Set document and its entity tag.
pub struct KeySet {
    /// The document, as JSON.
    pub document: String,
    /// The strong entity tag, with its quotes. It changes with the document.
    pub etag: String,
    /// The rows that the document was made from.
    keys: Arc<Vec<SigningKey>>,
    /// When the next of them is no longer published.
    valid_until: Option<Timestamp>,
}

/// The keys that active tokens may be signed with, and those that will sign next. They are read
/// from memory, so they are published while the database is unavailable too.
pub fn key_set(server: &AuthorizationServer, now: Timestamp) -> Arc<KeySet> {
    let keys = server.cache.cached_signing_keys();
    if let Some(current) = server.key_set.load_full()
        && Arc::ptr_eq(&current.keys, &keys)
        && current.valid_until.is_none_or(|until| now < until)
    {
        return current;
    }
    let published = || keys.iter().filter(|key| key.state(now) != State::Gone);
    let members: Vec<&str> = published().map(|key| key.public_jwk.as_str()).collect();
    let document = format!(r#"{{"keys":[{}]}}"#, members.join(","));
    let mut etag = Fingerprint::of(document.as_bytes()).hex();
    etag.truncate(32);
    let valid_until = published().filter_map(|key| key.published_until).min();
    let set = Arc::new(KeySet {
        etag: format!("\"{etag}\""),
        document,
        valid_until,
        keys,
    });
    server.key_set.store(Some(set.clone()));
    set
}
