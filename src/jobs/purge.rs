//! Deletes rows that have expired, a few at a time.

use std::sync::Arc;
use std::time::Duration;

use super::clocks::{self, Passed};
use crate::cache;
use crate::clock::Timestamp;
use crate::clock::watch::MAX_CLOCK_ERROR;
use crate::error::Error;
use crate::oauth::AuthorizationServer;
use crate::store::credential_use::Bucket;
use crate::store::{
    Database, StoreError, account_invitation, announcement, api_key, audit, changes, counters,
    credential_use, idempotency, invitation, mail, session, token, traffic_sums, used_jti,
    webhook_delivery,
};

/// The most rows of each table in one transaction.
const BATCH: i64 = 500;

/// The pause between two transactions, in which others may write.
const PAUSE: Duration = Duration::from_millis(20);

/// How long an expired row is kept, so that no node with a slower clock still needs it.
const CLOCK_SKEW: Duration = Duration::from_secs(60);

/// How long API keys that have expired stay in lists.
const EXPIRED_API_KEY_RETENTION: Duration = Duration::from_secs(30 * 24 * 3600);

/// How long deliveries of webhooks and e-mail stay in lists.
const DELIVERY_RETENTION: Duration = Duration::from_secs(30 * 24 * 3600);

/// How long announcements that have ended stay in the list.
const ENDED_ANNOUNCEMENT_RETENTION: Duration = Duration::from_secs(30 * 24 * 3600);

/// How long counters are kept: the day that is shown, and the hour that has begun.
const COUNTER_RETENTION: Duration = Duration::from_secs(25 * 3600);

/// How long the usage by the day and the origins of requests are kept: the days that are shown, and the
/// one that has begun.
const DAY_RETENTION: Duration = Duration::from_secs(91 * 24 * 3600);

/// Deletes until nothing that has expired is left. Does nothing while the clocks disagree.
pub(super) async fn run(server: Arc<AuthorizationServer>) -> Result<(), Error> {
    let Some(passed) = clocks::passed(&server).await? else {
        return Ok(());
    };
    let cutoffs = Cutoffs::new(passed, server.settings.audit_kept);
    loop {
        let rows = server
            .store
            .write_untracked(move |database| purge_batch(database, &cutoffs))
            .await?;
        if rows == 0 {
            return Ok(());
        }
        tracing::debug!(rows, "purged expired rows");
        tokio::time::sleep(PAUSE).await;
    }
}

/// The instants before which rows are deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cutoffs {
    now: Timestamp,
    /// For rows whose absence only refuses.
    expired: Timestamp,
    /// For rows whose absence would make a token or an assertion usable again.
    irrevocable: Timestamp,
    api_keys: Timestamp,
    counters: Timestamp,
    days: Timestamp,
    audit: Timestamp,
    changes: Timestamp,
    deliveries: Timestamp,
    announcements: Timestamp,
}

impl Cutoffs {
    fn new(passed: Passed, audit_retention: Duration) -> Self {
        let now = passed.now;
        Cutoffs {
            now,
            expired: now.saturating_sub(CLOCK_SKEW),
            irrevocable: now.min(passed.recorded).saturating_sub(MAX_CLOCK_ERROR),
            api_keys: now.saturating_sub(EXPIRED_API_KEY_RETENTION),
            counters: now.saturating_sub(COUNTER_RETENTION),
            days: now.saturating_sub(DAY_RETENTION),
            audit: now.saturating_sub(audit_retention),
            changes: now.saturating_sub(cache::CHANGES_RETENTION),
            deliveries: now.saturating_sub(DELIVERY_RETENTION),
            announcements: now.saturating_sub(ENDED_ANNOUNCEMENT_RETENTION),
        }
    }
}

/// Deletes one batch of each table. Returns the number of rows.
fn purge_batch(database: &mut Database, cutoffs: &Cutoffs) -> Result<usize, StoreError> {
    Ok([
        webhook_delivery::purge(database, cutoffs.deliveries, BATCH)?,
        mail::expire(database, cutoffs.now)?,
        mail::purge(database, cutoffs.deliveries, BATCH)?,
        token::purge(database, cutoffs.expired, BATCH)?,
        token::purge_revocations(database, cutoffs.irrevocable, BATCH)?,
        used_jti::purge(database, cutoffs.irrevocable, BATCH)?,
        api_key::purge(database, cutoffs.api_keys, BATCH)?,
        idempotency::purge(database, cutoffs.expired, BATCH)?,
        session::purge(database, cutoffs.expired, BATCH)?,
        announcement::purge(database, cutoffs.announcements, BATCH)?,
        invitation::purge(database, cutoffs.expired, BATCH)?,
        account_invitation::purge(database, cutoffs.expired, BATCH)?,
        counters::purge(database, cutoffs.counters, BATCH)?,
        traffic_sums::purge(database, cutoffs.counters, BATCH)?,
        credential_use::purge(database, Bucket::Hour, cutoffs.counters, BATCH)?,
        credential_use::purge(database, Bucket::Day, cutoffs.days, BATCH)?,
        credential_use::purge_origins(database, cutoffs.days, BATCH)?,
        audit::purge(database, cutoffs.audit, cutoffs.now, BATCH)?,
        changes::purge(database, cutoffs.changes, BATCH)?,
    ]
    .into_iter()
    .sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24 * 3600;

    #[test]
    fn revocations_are_kept_a_day_longer_than_both_instants() {
        for (now, recorded, irrevocable) in [
            (100 * DAY, 100 * DAY, 99 * DAY),
            (100 * DAY, 98 * DAY, 97 * DAY),
            (98 * DAY, 100 * DAY, 97 * DAY),
        ] {
            let passed = Passed {
                now: Timestamp::from_seconds(now),
                recorded: Timestamp::from_seconds(recorded),
            };
            let cutoffs = Cutoffs::new(passed, Duration::from_secs(3600));
            assert_eq!(
                cutoffs.irrevocable,
                Timestamp::from_seconds(irrevocable),
                "{now} {recorded}"
            );
            assert_eq!(cutoffs.expired, Timestamp::from_seconds(now - 60));
            assert_eq!(cutoffs.audit, Timestamp::from_seconds(now - 3600));
        }
    }
}
