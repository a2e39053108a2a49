//! What a node does in the background, beside answering requests.

use std::time::Duration;

use actix_web::web;

use crate::cache;
use crate::clock::watch::{Agreed, KEPT_LONGER, Reading, Seen};
use crate::clock::{self, Timestamp};
use crate::manage::signing_key::{self, Times};
use crate::oauth::AuthorizationServer;
use crate::store::clock as store_clock;
use crate::store::{
    StoreError, api_key, audit, changes, client_assertion, counters, idempotency, invitation,
    session, token,
};

/// How often expired rows are looked for, and how many go at a time.
const PURGE_EVERY: Duration = Duration::from_secs(5);
const PURGE_BATCH: i64 = 500;

/// How often what is collected in memory is written.
const USAGE_EVERY: Duration = Duration::from_secs(5);

/// How long API keys that have expired stay in lists.
const ENDED_KEYS_KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// How long counts are kept: the day that is shown, and the hour that has begun.
const COUNTS_KEPT: Duration = Duration::from_secs(25 * 3600);

/// How often the age of the signing key is looked at.
const ROTATION_EVERY: Duration = Duration::from_secs(1);

/// How often a moment is written down that the clocks agree on.
const SEEN_EVERY: Duration = Duration::from_secs(60);

/// Starts all of them. They end with the process.
pub fn start(oauth: &web::Data<AuthorizationServer>) {
    tokio::spawn(purge(oauth.clone()));
    tokio::spawn(rotate(oauth.clone()));
    tokio::spawn(write_usage(oauth.clone()));
}

/// Writes what is collected: when API keys were last used, failed authentications, and counts.
async fn write_usage(oauth: web::Data<AuthorizationServer>) {
    loop {
        tokio::time::sleep(USAGE_EVERY).await;
        if let Err(error) = oauth.usage.write(&oauth.store, Timestamp::now()).await {
            tracing::warn!(reason = %error, "cannot write what was counted and noted");
        }
    }
}

/// What the clocks agree on, and what was written down; `None` while they disagree.
async fn agreed(oauth: &AuthorizationServer) -> Result<Option<(Agreed, Seen)>, StoreError> {
    let reading = oauth.store.read(|database| {
        let before = Timestamp::now();
        let theirs = store_clock::database_now(database)?;
        let wall = Timestamp::now();
        let since_boot = clock::since_boot();
        // The database was asked somewhere between the two.
        let on_the_way = wall.duration_since(before) / 2;
        let theirs = theirs.map(|theirs| theirs.saturating_add(on_the_way));
        Ok::<_, StoreError>(Reading {
            wall,
            since_boot,
            database: theirs,
            seen: store_clock::seen(database)?,
        })
    });
    let mut reading = reading.await?;
    let Seen { at, begun_at, .. } = &mut reading.seen;
    if *at == Timestamp::EPOCH && *begun_at == Timestamp::EPOCH {
        let wall = reading.wall;
        oauth
            .store
            .write_untracked(move |database| store_clock::write_begun(database, wall))
            .await?;
        *begun_at = wall;
    }
    // Where they disagree it is in the log already, and in `/readyz`.
    Ok(oauth
        .clock
        .check(&reading)
        .ok()
        .map(|agreed| (agreed, reading.seen)))
}

/// Promise 7: what has expired is purged, a little at a time. Every node does it; a row goes once.
async fn purge(oauth: web::Data<AuthorizationServer>) {
    // The sooner there is something to compare the clocks with, the better.
    if let Err(error) = agreed(&oauth).await {
        tracing::warn!(reason = %error, "cannot compare the clocks");
    }
    loop {
        tokio::time::sleep(PURGE_EVERY).await;
        if let Err(error) = purge_once(&oauth).await {
            tracing::warn!(reason = %error, "cannot purge");
        }
    }
}

async fn purge_once(oauth: &AuthorizationServer) -> Result<(), StoreError> {
    let Some((
        Agreed {
            passed: Some(passed),
            ..
        },
        mut seen,
    )) = agreed(oauth).await?
    else {
        return Ok(());
    };
    // Before anything is purged by it: every node must know by then that what expired is past.
    if passed < seen.at || passed.duration_since(seen.at) >= SEEN_EVERY {
        oauth
            .store
            .write_untracked(move |database| store_clock::write_seen(database, passed))
            .await?;
        seen.at = passed;
        oauth.clock.learn(&seen);
    }
    oauth.cache.evict_expired(passed);
    // A little late, so that no node with a slower clock still wants it.
    let expired = passed.saturating_sub(Duration::from_secs(60));
    // What would make something active again that is not.
    let past = passed.min(seen.at).saturating_sub(KEPT_LONGER);
    let unread = passed.saturating_sub(cache::CHANGES_RETENTION);
    let audit_kept = oauth.settings.audit_kept;
    loop {
        let batch = oauth.store.write_untracked(move |database| {
            let tokens = token::purge(database, expired, PURGE_BATCH)?;
            let revoked = token::purge_revocations(database, past, PURGE_BATCH)?;
            let assertions = client_assertion::purge(database, past, PURGE_BATCH)?;
            let keys = api_key::purge(
                database,
                passed.saturating_sub(ENDED_KEYS_KEPT),
                PURGE_BATCH,
            )?;
            let keys = keys + idempotency::purge(database, expired, PURGE_BATCH)?;
            let people = session::purge(database, expired, PURGE_BATCH)?
                + invitation::purge(database, expired, PURGE_BATCH)?;
            let counted =
                counters::purge(database, passed.saturating_sub(COUNTS_KEPT), PURGE_BATCH)?;
            let audited = audit::purge(
                database,
                passed.saturating_sub(audit_kept),
                passed,
                PURGE_BATCH,
            )?;
            let fed = changes::purge(database, unread, PURGE_BATCH)?;
            Ok(tokens + revoked + assertions + keys + people + counted + audited + fed)
        });
        match batch.await? {
            0 => return Ok(()),
            rows => tracing::debug!(rows, "purged"),
        }
        // Others write too.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Rotates the signing key when it reaches its age.
async fn rotate(oauth: web::Data<AuthorizationServer>) {
    loop {
        let times = match Times::in_force(&oauth.store, &oauth.settings).await {
            Ok(times) => times,
            Err(error) => {
                tracing::warn!(
                    reason = error.reason(),
                    "cannot see to the age of the signing key"
                );
                tokio::time::sleep(ROTATION_EVERY).await;
                continue;
            }
        };
        tokio::time::sleep(ROTATION_EVERY).await;
        let keys = oauth.cache.cached_signing_keys();
        if !signing_key::is_due(&keys, times, Timestamp::now()) {
            continue;
        }
        let now = match agreed(&oauth).await {
            Ok(Some((Agreed { now, .. }, _))) => now,
            Ok(None) => continue,
            Err(error) => {
                tracing::warn!(reason = %error, "cannot rotate the signing key");
                continue;
            }
        };
        let sealing_keys = oauth.signing_keys.sealing_keys();
        match signing_key::rotate_if_due(&oauth.store, &keys, sealing_keys, times, now).await {
            Ok(Some(key)) => {
                tracing::info!(kid = key.kid, signs_from = %key.signs_from, "signing key rotated by age")
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(reason = error.reason(), "cannot rotate the signing key"),
        }
    }
}
