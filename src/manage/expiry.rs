//! Announces client secrets and API keys that are about to expire, in the audit and so to webhooks.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::clock::Timestamp;
use crate::error::Error;
use crate::store::Store;
use crate::store::audit::{self, Action, AuditEntry, Recorder};
use crate::store::expiry::{self, Expiring, ExpiringKind};

/// The most credentials that are announced in one transaction, which others wait for: each makes an
/// entry in the audit and a delivery for each webhook.
const BATCH: usize = 20;

/// Announces a batch of what is about to expire: 30, 7 and 1 days before. Returns the number of
/// announced credentials.
///
/// # Errors
/// A [`StoreError`](crate::store::StoreError) if the database cannot be queried or written.
pub async fn announce(store: &Arc<Store>, now: Timestamp) -> Result<usize, Error> {
    let due = store
        .read(move |database| expiry::to_announce(database, now, BATCH))
        .await?;
    if due.is_empty() {
        return Ok(0);
    }
    store
        .write(now, move |transaction| {
            let mut announced = 0;
            for (one, warning) in &due {
                if expiry::announce(transaction, one, now)? {
                    audit::insert(transaction, &entry(one, *warning, now))?;
                    announced += 1;
                }
            }
            Ok(announced)
        })
        .await
}

fn entry(one: &Expiring, warning: Duration, now: Timestamp) -> AuditEntry {
    let action = match one.kind {
        ExpiringKind::ClientSecret => Action::SecretExpireSoon,
        ExpiringKind::ApiKey => Action::ApiKeyExpireSoon,
    };
    let details = json!({
        "client_id": one.client_id,
        "expires_at": one.expires_at,
        "days": warning.as_secs() / (24 * 3600),
    });
    AuditEntry {
        details: Some(details.to_string()),
        ..Recorder::keyward(now).entry(action, Some(&one.account_id), &one.id)
    }
}
