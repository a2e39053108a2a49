//! Rotates the signing key when it has reached its maximum age.

use std::sync::Arc;

use super::clocks;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::manage::signing_key::{self, SigningKeyServices};
use crate::oauth::AuthorizationServer;

/// Rotates the key if it is due by the clock of this node and by the instant that all clocks agree
/// on. The transaction that inserts the new key checks once more that it is due.
pub(super) async fn run(server: Arc<AuthorizationServer>) -> Result<(), Error> {
    let services = SigningKeyServices::of(&server).await?;
    let keys = server.cache.cached_signing_keys();
    if !signing_key::is_due(&keys, services.policy, Timestamp::now()) {
        return Ok(());
    }
    let Some((agreed, _)) = clocks::compare(&server).await? else {
        return Ok(());
    };
    let rotated = signing_key::rotate_if_due(services, &keys, agreed.now).await?;
    if let Some(key) = rotated {
        tracing::info!(
            kid = key.kid,
            signs_from = %key.signs_from,
            "signing key rotated: it reached its maximum age"
        );
    }
    Ok(())
}
