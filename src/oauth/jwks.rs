//! The published keys (RFC 7517 section 5).

use std::sync::Arc;

use super::AuthorizationServer;
use crate::clock::Timestamp;
use crate::credential::Fingerprint;
use crate::store::signing_key::{SigningKey, State};

/// The document and its entity tag.
pub struct KeySet {
    /// JSON.
    pub document: String,
    /// Changes with the document, in quotes.
    pub etag: String,
    /// What it was made of, and until when it says the same of it.
    keys: Arc<Vec<SigningKey>>,
    until: Option<Timestamp>,
}

/// Every key that a token in force may be signed with, and those that are about to sign. From
/// memory: published with the database away too.
pub fn key_set(server: &AuthorizationServer, now: Timestamp) -> Arc<KeySet> {
    let keys = server.cache.cached_signing_keys();
    if let Some(kept) = server.key_set.load_full()
        && Arc::ptr_eq(&kept.keys, &keys)
        && kept.until.is_none_or(|until| now < until)
    {
        return kept;
    }
    let published = || keys.iter().filter(|key| key.state(now) != State::Gone);
    let members: Vec<&str> = published().map(|key| key.public_jwk.as_str()).collect();
    let document = format!(r#"{{"keys":[{}]}}"#, members.join(","));
    let mut etag = Fingerprint::of(document.as_bytes()).hex();
    etag.truncate(32);
    let until = published().filter_map(|key| key.published_until).min();
    let set = Arc::new(KeySet {
        etag: format!("\"{etag}\""),
        document,
        until,
        keys,
    });
    server.key_set.store(Some(set.clone()));
    set
}
