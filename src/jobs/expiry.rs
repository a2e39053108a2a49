//! Announces client secrets and API keys that are about to expire.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::error::Error;
use crate::manage::expiry;
use crate::oauth::AuthorizationServer;

/// Announces until there is nothing left to announce.
pub(super) async fn run(server: Arc<AuthorizationServer>) -> Result<(), Error> {
    loop {
        let announced = expiry::announce(&server.store, Timestamp::now()).await?;
        if announced == 0 {
            return Ok(());
        }
        tracing::info!(rows = announced, "secrets and API keys are about to expire");
    }
}
