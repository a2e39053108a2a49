//! The API keys and client secrets that were not used for 90 days, of all clients that the actor can see.

use std::sync::Arc;

use super::account;
use super::actor::Permit;
use super::rights::KeysRead;
use crate::error::Error;
use crate::store::Store;
use crate::store::unused_credential;
pub use crate::store::unused_credential::{
    UnusedCounts, UnusedCredential, UnusedKind, UnusedPosition,
};

/// Which unused credentials to list.
#[derive(Clone, Debug)]
pub struct UnusedQuery {
    /// Those of this account, by its id or name; all that the actor can see if absent.
    pub account: Option<String>,
    /// Those of this kind; all if absent.
    pub kind: Option<UnusedKind>,
    /// Those after this position.
    pub after: Option<UnusedPosition>,
    /// How many at most.
    pub limit: i64,
}

/// Lists unused credentials, those that are unused for the longest time first.
///
/// # Errors
/// `not_found` for an unknown account.
pub async fn list(
    store: &Arc<Store>,
    permit: Permit<KeysRead>,
    query: UnusedQuery,
) -> Result<Vec<UnusedCredential>, Error> {
    let own_account = permit.account().map(str::to_owned);
    store
        .report(own_account.as_deref(), move |database| {
            let account = account::filter(database, &permit, query.account.as_deref())?;
            let kinds = match &query.kind {
                Some(kind) => std::slice::from_ref(kind),
                None => &[UnusedKind::ApiKey, UnusedKind::ClientSecret],
            };
            let (after, limit) = (query.after.as_ref(), query.limit);
            let found = unused_credential::list(
                database,
                kinds,
                account.as_deref(),
                after,
                limit,
                permit.now(),
            );
            Ok(found?)
        })
        .await
}
