//! Deletes closed accounts that are to be deleted, a batch at a time.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::error::Error;
use crate::manage::account_deletion::{self, Progress};
use crate::oauth::AuthorizationServer;

/// The pause between two transactions, in which others may write.
const PAUSE: Duration = Duration::from_millis(20);

/// Deletes until nothing is left of them.
pub(super) async fn run(server: Arc<AuthorizationServer>) -> Result<(), Error> {
    loop {
        match account_deletion::delete_batch(&server.store, Timestamp::now()).await? {
            Progress::Idle => return Ok(()),
            Progress::Deleting => {}
            Progress::Deleted => tracing::info!("an account was deleted"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}
