//! `client_secret_basic` and `client_secret_post`: client authentication by a client secret (RFC
//! 6749 section 2.3.1).

use crate::cache::{ClientEntry, SecretEntry};
use crate::clock::Timestamp;
use crate::credential::{Credential, Kind};
use crate::crypto::secret_hash;
use crate::oauth::reason::Reason;

/// Checks that `presented` is an unexpired secret of an enabled client that authenticates by
/// secret, and returns the secret. Every call verifies one hash, so that all failures take about the same time.
///
/// # Errors
/// The exact reason.
pub(super) fn check<'c>(
    entry: Option<&'c ClientEntry>,
    presented: &str,
    now: Timestamp,
) -> Result<&'c SecretEntry, Reason> {
    let credential = Credential::parse(presented, Kind::ClientSecret);
    let (Some(entry), Some(credential)) = (entry, &credential) else {
        secret_hash::dummy_verify(presented.as_bytes());
        return Err(match entry {
            None => Reason::unknown_client(),
            Some(_) => Reason::not_a_secret(),
        });
    };
    let stored = entry
        .secrets
        .iter()
        .find(|secret| secret.id == credential.id());
    let Some(stored) = stored else {
        secret_hash::dummy_verify(presented.as_bytes());
        return Err(Reason::no_such_secret(credential.id()));
    };
    if !stored.secret.matches(credential) {
        return Err(Reason::wrong_secret(&stored.id));
    }
    if let Some(expired_at) = stored.expires_at.filter(|end| *end <= now) {
        return Err(Reason::secret_ended(&stored.id, expired_at));
    }
    let client = entry;
    if let Some(reason) = Reason::refusing(client) {
        return Err(reason);
    }
    if !client.auth_method.uses_secret() {
        return Err(Reason::wrong_method(client.auth_method.as_str()));
    }
    Ok(stored)
}
