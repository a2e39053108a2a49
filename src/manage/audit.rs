//! The audit, as its readers see it.

use std::sync::Arc;

use super::actor::{AuditRead, Permit};
use super::{invalid, not_found};
use crate::error::Error;
use crate::store::Store;
use crate::store::audit::{self, Entry, Filter};

/// The entries within reach, the newest first.
///
/// # Errors
/// An account that is not within reach; a filter that cannot be.
pub async fn list(store: &Arc<Store>, permit: Permit<AuditRead>, mut filter: Filter, limit: i64) -> Result<Vec<Entry>, Error> {
    let words = [&filter.account_id, &filter.target, &filter.action, &filter.actor, &filter.before];
    if words.into_iter().flatten().any(|word| word.contains('\0') || word.len() > 600) {
        return Err(invalid("No entry can be like that"));
    }
    if let Some(own) = permit.account() {
        if let Some(named) = filter.account_id.as_deref().filter(|named| *named != own) {
            return Err(not_found("account", named));
        }
        filter.account_id = Some(own.to_owned());
    }
    Ok(store.read(move |database| audit::list(database, &filter, limit)).await?)
}
