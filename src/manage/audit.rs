//! The audit, as its readers see it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::actor::{AuditRead, Permit};
use super::{account, client::within_reach, invalid};
use crate::error::Error;
use crate::store::Store;
use crate::store::api_key;
use crate::store::audit;
pub use crate::store::audit::{Entry, Filter};

/// The entries within reach, the newest first.
///
/// # Errors
/// An account that is not within reach; a filter that cannot be.
pub async fn list(
    store: &Arc<Store>,
    permit: Permit<AuditRead>,
    filter: Filter,
    limit: i64,
) -> Result<Vec<Entry>, Error> {
    let words = [
        &filter.target,
        &filter.action,
        &filter.actor,
        &filter.before,
    ];
    if words
        .into_iter()
        .flatten()
        .any(|word| word.contains('\0') || word.len() > 600)
    {
        return Err(invalid("No entry can be like that"));
    }
    let account = permit.account().map(str::to_owned);
    store
        .report(account.as_deref(), move |database| {
            let account_id = account::filter(database, &permit, filter.account_id.as_deref())?;
            Ok(audit::list(
                database,
                &Filter {
                    account_id,
                    ..filter.clone()
                },
                limit,
            )?)
        })
        .await
}

/// A failure of a client.
#[derive(Debug)]
pub struct Failure {
    /// Its entry in the audit.
    pub entry: Entry,
    /// The name of the API key that was presented, if it was one.
    pub api_key: Option<String>,
}

/// The newest failures of a client, `limit` at the most: failed authentications with its secrets, assertions,
/// tokens and API keys (revoked ones too), and requests that it was refused.
///
/// # Errors
/// No such client.
pub async fn failures(
    store: &Arc<Store>,
    permit: Permit<AuditRead>,
    client_id: &str,
    limit: usize,
) -> Result<Vec<Failure>, Error> {
    let (id, account) = (client_id.to_owned(), permit.account().map(str::to_owned));
    store
        .report(account.as_deref(), move |database| {
            within_reach(database, &permit, &id)?;
            let entries = audit::failures(database, &id, i64::try_from(limit).unwrap_or(i64::MAX))?;
            let names: BTreeMap<String, String> =
                api_key::names(database, &id)?.into_iter().collect();
            let named = |entry: Entry| Failure {
                api_key: names.get(&entry.target).cloned(),
                entry,
            };
            Ok(entries.into_iter().map(named).collect())
        })
        .await
}
