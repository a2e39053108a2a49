//! What a node does in the background, beside answering requests.

use std::time::Duration;

use actix_web::web;

use crate::clock::watch::{KEPT_LONGER, Reading};
use crate::clock::{self, Timestamp};
use crate::directory;
use crate::manage::signing_key::{self, Times};
use crate::oauth::AuthorizationServer;
use crate::store::clock as store_clock;
use crate::store::{StoreError, api_key, audit, changes, client_assertion, counts, idempotency, invitation, session, token};

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
        if let Err(error) = oauth.usage.write(&oauth.store).await {
            tracing::warn!(reason = %error, "cannot write what was counted and noted");
        }
    }
}

/// The moment by which rows may be deleted and keys rotated; `None` while the clocks disagree.
async fn agreed_now(oauth: &AuthorizationServer) -> Result<Option<Timestamp>, StoreError> {
    let reading = oauth.store.read(|database| {
        let before = Timestamp::now();
        let theirs = store_clock::database_now(database)?;
        let wall = Timestamp::now();
        let since_boot = clock::since_boot();
        // The database was asked somewhere between the two.
        let on_the_way = wall.since(before) / 2;
        let theirs = theirs.map(|theirs| theirs.plus(on_the_way));
        Ok::<_, StoreError>(Reading { wall, since_boot, database: theirs, last_seen: store_clock::last_seen(database)? })
    });
    Ok(oauth.clock.check(&reading.await?).ok())
}

/// Promise 7: what has expired is purged, a little at a time. Every node does it; a row goes once.
async fn purge(oauth: web::Data<AuthorizationServer>) {
    let mut seen_at: Option<Timestamp> = None;
    loop {
        match agreed_now(&oauth).await {
            Ok(Some(now)) => {
                oauth.directory.evict_expired(now);
                purge_expired(&oauth, now).await;
                if seen_at.is_none_or(|seen_at| now.since(seen_at) >= SEEN_EVERY || now < seen_at) {
                    match oauth.store.append(move |database| store_clock::write_seen(database, now)).await {
                        Ok(()) => seen_at = Some(now),
                        Err(error) => tracing::warn!(reason = %error, "cannot write down when this node ran"),
                    }
                }
            }
            // It is in the log already, and in `/readyz`.
            Ok(None) => {}
            Err(error) => tracing::warn!(reason = %error, "cannot purge"),
        }
        tokio::time::sleep(PURGE_EVERY).await;
    }
}

async fn purge_expired(oauth: &AuthorizationServer, now: Timestamp) {
    // A little late, so that no node with a slower clock still wants it.
    let expired = now.minus(Duration::from_secs(60));
    // What would make something active again that is not, were the clocks wrong all the same.
    let long_expired = now.minus(KEPT_LONGER);
    let unread = now.minus(directory::CHANGES_KEPT);
    let audit_kept = oauth.settings.audit_kept;
    loop {
        let batch = oauth.store.append(move |database| {
            let tokens = token::purge(database, expired, PURGE_BATCH)?;
            let revoked = token::purge_revocations(database, long_expired, PURGE_BATCH)?;
            let assertions = client_assertion::purge(database, long_expired, PURGE_BATCH)?;
            let keys = api_key::purge(database, now.minus(ENDED_KEYS_KEPT), PURGE_BATCH)?;
            let keys = keys + idempotency::purge(database, expired, PURGE_BATCH)?;
            let people = session::purge(database, expired, PURGE_BATCH)? + invitation::purge(database, expired, PURGE_BATCH)?;
            let counted = counts::purge(database, now.minus(COUNTS_KEPT), PURGE_BATCH)?;
            let audited = audit::purge(database, now.minus(audit_kept), PURGE_BATCH)?;
            let fed = changes::purge(database, unread, PURGE_BATCH)?;
            Ok(tokens + revoked + assertions + keys + people + counted + audited + fed)
        });
        match batch.await {
            Ok(0) => break,
            Ok(rows) => tracing::debug!(rows, "purged"),
            Err(error) => {
                tracing::warn!(reason = %error, "cannot purge");
                break;
            }
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
                tracing::warn!(reason = error.reason(), "cannot see to the age of the signing key");
                tokio::time::sleep(ROTATION_EVERY).await;
                continue;
            }
        };
        tokio::time::sleep(ROTATION_EVERY).await;
        let keys = oauth.directory.known_signing_keys();
        if !signing_key::is_due(&keys, times, Timestamp::now()) {
            continue;
        }
        let now = match agreed_now(&oauth).await {
            Ok(Some(now)) => now,
            Ok(None) => continue,
            Err(error) => {
                tracing::warn!(reason = %error, "cannot rotate the signing key");
                continue;
            }
        };
        let key_file = oauth.signing_keys.key_file();
        match signing_key::rotate_if_due(&oauth.store, &keys, key_file, times, now).await {
            Ok(Some(key)) => tracing::info!(kid = key.kid, signs_from = %key.signs_from, "signing key rotated by age"),
            Ok(None) => {}
            Err(error) => tracing::warn!(reason = error.reason(), "cannot rotate the signing key"),
        }
    }
}
