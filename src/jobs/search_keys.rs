//! Fills the search keys of rows that a node of a version without them inserted.

use std::sync::Arc;

use crate::error::Error;
use crate::oauth::AuthorizationServer;
use crate::store::search_key;

/// Fills until none is empty.
pub(super) async fn run(server: Arc<AuthorizationServer>) -> Result<(), Error> {
    while server.store.write_untracked(search_key::fill).await? > 0 {}
    Ok(())
}
