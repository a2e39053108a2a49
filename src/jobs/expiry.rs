//! Announces client secrets and API keys that are about to expire.

use std::sync::Arc;
use std::time::Duration;

use super::clocks;
use crate::error::Error;
use crate::manage::expiry;
use crate::oauth::AuthorizationServer;

/// How often what is about to expire is looked for.
pub(super) const PERIOD: Duration = Duration::from_secs(300);

/// The pause between two transactions, in which others may write.
const PAUSE: Duration = Duration::from_millis(20);

/// Announces until there is nothing left to announce. Does nothing while the clocks disagree: each
/// warning is given once, and one that came too early would be missed later.
pub(super) async fn run(server: Arc<AuthorizationServer>) -> Result<(), Error> {
    let Some((agreed, _)) = clocks::compare(&server).await? else {
        return Ok(());
    };
    let mut rows = 0;
    loop {
        let announced = expiry::announce(&server.store, agreed.now).await?;
        if announced == 0 {
            break;
        }
        rows += announced;
        tokio::time::sleep(PAUSE).await;
    }
    if rows > 0 {
        tracing::info!(rows, "secrets and API keys are about to expire");
    }
    Ok(())
}
