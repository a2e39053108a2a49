//! The secrets that sign the deliveries of webhooks, which are sealed in the database.

use crate::clock::Timestamp;
use crate::crypto::sealing_key::SealingKeyFile;
use crate::crypto::webhook_signature;
use crate::error::Error;
use crate::store::webhook::{self, Webhook};
use crate::store::webhook_delivery::Delivery;
use crate::store::{Database, Transaction};

/// The header `webhook-signature` of a delivery that is sent at `now`; none if the secret cannot be
/// opened. During the grace time after a rotation it has a signature by each of the two secrets.
pub fn signature(
    sealing_keys: &SealingKeyFile,
    webhook: &Webhook,
    delivery: &Delivery,
    now: Timestamp,
) -> Option<String> {
    let context = webhook.seal_context();
    let unseal = |sealed: &str| sealing_keys.unseal(&context, sealed).ok();
    let mut secrets = vec![unseal(&webhook.secret_sealed)?];
    let is_valid = webhook.previous_until.is_some_and(|until| now < until);
    let previous = webhook.previous_sealed.as_deref().filter(|_| is_valid);
    secrets.extend(previous.and_then(unseal));
    let (id, body) = (&delivery.event_id, &delivery.body);
    Some(webhook_signature::header(&secrets, id, now, body))
}

/// Seals the secrets of all webhooks with the first sealing key. Returns how many webhooks there are
/// whose secrets could be opened.
pub(in crate::manage) fn reseal(
    transaction: &mut Transaction<'_>,
    file: &SealingKeyFile,
) -> Result<usize, Error> {
    let mut count = 0;
    for mut row in webhook::list(transaction.database(), None)? {
        let context = row.seal_context();
        // What cannot be opened now could not be opened before the rotation either.
        let Ok(secret) = file.unseal(&context, &row.secret_sealed) else {
            continue;
        };
        row.secret_sealed = file.seal(&context, secret.expose())?;
        let previous = row.previous_sealed.as_deref();
        row.previous_sealed = match previous.map(|sealed| file.unseal(&context, sealed)) {
            Some(Ok(secret)) => Some(file.seal(&context, secret.expose())?),
            Some(Err(_)) | None => None,
        };
        webhook::update(transaction, &row)?;
        count += 1;
    }
    Ok(count)
}

/// The webhooks whose secret cannot be opened.
pub(in crate::manage) fn lost(
    database: &mut Database,
    file: Option<&SealingKeyFile>,
) -> Result<Vec<String>, Error> {
    let is_lost = |row: &Webhook| {
        file.is_none_or(|file| {
            file.unseal(&row.seal_context(), &row.secret_sealed)
                .is_err()
        })
    };
    let all = webhook::list(database, None)?;
    Ok(all.into_iter().filter(is_lost).map(|row| row.id).collect())
}
