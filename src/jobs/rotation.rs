//! Rotates the signing key when it has reached its maximum age.

use std::sync::Arc;

use super::clocks;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::manage::signing_key::{self, Times};
use crate::oauth::AuthorizationServer;

/// Rotates the key if it is due by the clock of this node and by the instant that all clocks agree on.
/// The transaction that inserts the new key checks once more that it is due.
pub(super) async fn run(server: Arc<AuthorizationServer>) -> Result<(), Error> {
    let times = Times::in_force(&server.store, &server.settings).await?;
    let keys = server.cache.cached_signing_keys();
    if !signing_key::is_due(&keys, times, Timestamp::now()) {
        return Ok(());
    }
    let Some((agreed, _)) = clocks::compare(&server).await? else {
        return Ok(());
    };
    let sealing_keys = server.signing_keys.sealing_keys();
    let rotated =
        signing_key::rotate_if_due(&server.store, &keys, sealing_keys, times, agreed.now).await?;
    if let Some(key) = rotated {
        tracing::info!(
            kid = key.kid,
            signs_from = %key.signs_from,
            "signing key rotated: it reached its maximum age"
        );
    }
    Ok(())
}
