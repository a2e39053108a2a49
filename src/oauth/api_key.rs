//! API keys as resource servers meet them: presented in full, checked against the hash.

use std::sync::Arc;

use super::AuthorizationServer;
use super::access_token::NotInForce;
use super::failure::Reason;
use crate::cache::{ApiKeyEntry, ClientEntry};
use crate::client_ip::ClientIp;
use crate::clock::Timestamp;
use crate::credential::{Credential, Kind};
use crate::crypto::secret_hash;
use crate::scope::Scope;
use crate::store::StoreError;

/// A key that is in force, with the client whose it is.
pub struct ActiveKey {
    /// The key.
    pub key: Arc<ApiKeyEntry>,
    /// Whose it is.
    pub client: Arc<ClientEntry>,
}

impl ActiveKey {
    /// What it may: its own part of what the client may now.
    pub fn scope(&self) -> Scope {
        let all = &self.client.client.scope;
        match &self.key.key.scope {
            Some(own) => own.intersection(all),
            None => all.clone(),
        }
    }
}

/// Finds the key that somebody presented: it is there, and right. Whether it is active is another question:
/// [`find`].
///
/// # Errors
/// Where neither memory nor the database could say.
pub async fn authenticate(
    server: &AuthorizationServer,
    presented: &str,
) -> Result<Result<Arc<ApiKeyEntry>, NotInForce>, StoreError> {
    let Some(credential) = Credential::parse(presented, Kind::ApiKey) else {
        return Ok(Err(NotInForce(Reason::not_a_key())));
    };
    let Some(key) = server.cache.api_key(credential.id()).await? else {
        let revoked = server.cache.revoked_api_key(credential.id()).await?;
        return Ok(Err(NotInForce(match revoked {
            Some(revoked) if revoked.secret.matches(&credential) => {
                Reason::key_revoked(&revoked.key.name)
            }
            Some(_) => Reason::no_such_key(),
            None => {
                secret_hash::dummy_verify(presented.as_bytes());
                Reason::no_such_key()
            }
        })));
    };
    Ok(if key.secret.matches(&credential) {
        Ok(key)
    } else {
        Err(NotInForce(Reason::wrong_key()))
    })
}

/// Finds the key that somebody presented, and whether it is in force at `now`; with the `address`
/// from which it was presented, where that is known, whether it may come from there. One that is
/// right counts as used.
///
/// # Errors
/// Where neither memory nor the database could say.
pub async fn find(
    server: &AuthorizationServer,
    presented: &str,
    address: Option<ClientIp>,
    now: Timestamp,
) -> Result<Result<ActiveKey, NotInForce>, StoreError> {
    let key = match authenticate(server, presented).await? {
        Ok(key) => key,
        Err(reason) => return Ok(Err(reason)),
    };
    if key.key.is_expired(now) {
        return Ok(Err(NotInForce(Reason::key_ended())));
    }
    match server.cache.client(&key.key.client_id).await? {
        None => Ok(Err(NotInForce(Reason::owner_deleted()))),
        Some(client) if client.client.disabled_at.is_some() => {
            Ok(Err(NotInForce(Reason::owner_disabled())))
        }
        Some(client) => {
            if address.is_some_and(|address| !key.key.allowed_ips.allow(address)) {
                return Ok(Err(NotInForce(Reason::address_not_allowed())));
            }
            server.usage.note(&key.key.id, now);
            Ok(Ok(ActiveKey { key, client }))
        }
    }
}
