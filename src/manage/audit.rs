//! The audit, as its readers see it.

use std::sync::Arc;

use super::actor::{AuditRead, Permit};
use super::{client::within_reach, invalid, not_found};
use crate::error::Error;
use crate::oauth::failure;
use crate::store::Store;
use crate::store::api_key;
use crate::store::audit;
pub use crate::store::audit::{Entry, Filter};

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

/// The newest failed authentications of a client and of its API keys, and what it was refused, `limit`
/// at the most.
///
/// # Errors
/// No such client.
pub async fn failures(store: &Arc<Store>, permit: Permit<AuditRead>, client_id: &str, limit: usize) -> Result<Vec<Entry>, Error> {
    let id = client_id.to_owned();
    store
        .read(move |database| {
            within_reach(database, &permit, &id)?;
            let keys = api_key::list(database, &id)?.into_iter().map(|key| key.id);
            let mut found = Vec::new();
            let failed = keys.chain([id.clone()]).map(|target| (target, failure::ACTION));
            for (target, action) in failed.chain([(id.clone(), failure::REFUSED)]) {
                let filter = Filter { target: Some(target), action: Some(action.to_owned()), ..Filter::default() };
                found.extend(audit::list(database, &filter, i64::try_from(limit).unwrap_or(i64::MAX))?);
            }
            found.sort_by(|one, other| other.id.cmp(&one.id));
            found.truncate(limit);
            Ok(found)
        })
        .await
}
