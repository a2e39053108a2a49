//! API keys as presented by callers: authenticated against the stored hash, and checked for being
//! active.

use std::sync::Arc;

use crate::cache::{ApiKeyEntry, ClientEntry};
use crate::client_ip::ClientIp;
use crate::clock::Timestamp;
use crate::credential::{Credential, Kind};
use crate::crypto::secret_hash;
use crate::oauth::AuthorizationServer;
use crate::oauth::reason::{Reason, Rejection};

/// Authenticates a presented API key: it exists and is correct. It may still be inactive: see
/// [`check_active`].
///
/// # Errors
/// [`Rejection::Inactive`] if the key is malformed, unknown, revoked or wrong; [`Rejection::Error`]
/// if neither the cache nor the database can answer.
pub(super) async fn authenticate(
    server: &AuthorizationServer,
    presented: &str,
) -> Result<Arc<ApiKeyEntry>, Rejection> {
    let Some(credential) = Credential::parse(presented, Kind::ApiKey) else {
        return Err(Reason::not_a_key().into());
    };
    if let Some(key) = server.cache.api_key(credential.id()).await? {
        return if key.secret.matches(&credential) {
            Ok(key)
        } else {
            Err(Reason::wrong_key().into())
        };
    }
    let reason = match server.cache.revoked_api_key(credential.id()).await? {
        Some(revoked) if revoked.secret.matches(&credential) => Reason::key_revoked(&revoked.name),
        Some(_) => Reason::no_such_key(),
        None => {
            // An unknown key takes as long as a known one.
            secret_hash::dummy_verify(presented.as_bytes());
            Reason::no_such_key()
        }
    };
    Err(reason.into())
}

/// Checks that an authenticated API key is active at `now`: not expired, its client exists and is
/// enabled and its security profile allows API keys, and `client_ip`, if given, is allowed. Returns
/// the client.
///
/// # Errors
/// [`Rejection::Inactive`] if it is not; [`Rejection::Error`] if neither the cache nor the database
/// can answer.
pub(super) async fn check_active(
    server: &AuthorizationServer,
    key: &ApiKeyEntry,
    client_ip: Option<ClientIp>,
    now: Timestamp,
) -> Result<Arc<ClientEntry>, Rejection> {
    if key.is_expired(now) {
        return Err(Reason::key_ended().into());
    }
    let Some(client) = server.cache.client(&key.client_id).await? else {
        return Err(Reason::owner_deleted().into());
    };
    if let Some(reason) = Reason::refusing_owner(&client) {
        return Err(reason.into());
    }
    let profile = server.security_profile(&client);
    if !profile.allows_api_keys() {
        return Err(Reason::profile_api_key(profile.as_str()).into());
    }
    if client_ip.is_some_and(|client_ip| !key.allowed_ips.allow(client_ip)) {
        return Err(Reason::address_not_allowed().into());
    }
    Ok(client)
}
