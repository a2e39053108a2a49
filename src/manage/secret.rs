//! Client secrets. Several may live at once: make the new one, move over, delete the old one.

use std::sync::Arc;
use std::time::Duration;

use super::actor::{KeysRead, KeysWrite, Permit};
use super::{client::within_power, client::within_reach, invalid, not_found};
use crate::clock::Timestamp;
use crate::credential::Credential;
use crate::error::{Code, Error};
use crate::store::client::{Client, could_be_id};
use crate::store::client_secret;
pub use crate::store::client_secret::ClientSecret;
use crate::store::{Store, Transaction};

/// The most secrets of a client that live at once.
pub const MOST: usize = 20;

/// Makes a secret, beside those that there are.
///
/// # Errors
/// No such client; one that does not use secrets; too many.
pub async fn create(
    store: &Arc<Store>,
    permit: Permit<KeysWrite>,
    client_id: &str,
    lifetime: Option<Duration>,
    now: Timestamp,
) -> Result<(Credential, ClientSecret), Error> {
    let (secret, row) = client_secret::generate(
        client_id,
        lifetime.map(|lifetime| now.saturating_add(lifetime)),
        now,
    );
    let made = row.clone();
    store
        .write(now, move |transaction| {
            let client = within_power(transaction.database(), &permit, &row.client_id)?;
            permit.check_not_done(transaction)?;
            make_room(transaction, &client, now)?;
            client_secret::insert(transaction, &row)?;
            permit.record(
                transaction,
                "secret.create",
                Some(&client.account_id),
                &row.id,
                now,
            )
        })
        .await?;
    Ok((secret, made))
}

/// Makes a secret that takes over from all others, which end by themselves after `grace`; those that were
/// to end sooner do. Without a grace they are deleted: another node's clock may be behind.
///
/// # Errors
/// As for [`create`].
pub async fn rotate(
    store: &Arc<Store>,
    permit: Permit<KeysWrite>,
    client_id: &str,
    grace: Duration,
    now: Timestamp,
) -> Result<(Credential, ClientSecret), Error> {
    let (secret, row) = client_secret::generate(client_id, None, now);
    let made = row.clone();
    store
        .write(now, move |transaction| {
            let client = within_power(transaction.database(), &permit, &row.client_id)?;
            permit.check_not_done(transaction)?;
            make_room(transaction, &client, now)?;
            if grace.is_zero() {
                client_secret::delete_all(transaction, &row.client_id)?;
            } else {
                client_secret::expire_all(transaction, &row.client_id, now.saturating_add(grace))?;
            }
            client_secret::insert(transaction, &row)?;
            permit.record(
                transaction,
                "secret.rotate",
                Some(&client.account_id),
                &row.id,
                now,
            )
        })
        .await?;
    Ok((secret, made))
}

/// Of those that have ended, the newest are kept, for whoever still presents one and asks why it is
/// refused; they stand in no way.
fn make_room(
    transaction: &mut Transaction<'_>,
    client: &Client,
    now: Timestamp,
) -> Result<(), Error> {
    if !client.auth_method.uses_secret() {
        return Err(invalid(format!(
            "The client authenticates by {}, without a secret",
            client.auth_method
        ))
        .phrase("no-secrets-used", []));
    }
    let all = client_secret::list(transaction.database(), &client.client_id)?;
    if all.iter().filter(|secret| !secret.is_expired(now)).count() >= MOST {
        return Err(Error::new(
            Code::Conflict,
            format!("A client has {MOST} secrets at the most; delete one first"),
        )
        .phrase("secrets-full", [("most", MOST.into())]));
    }
    let surplus = (all.len() + 1).saturating_sub(MOST);
    for secret in all
        .iter()
        .filter(|secret| secret.is_expired(now))
        .take(surplus)
    {
        client_secret::delete(transaction, &client.client_id, &secret.id)?;
    }
    Ok(())
}

/// Those of a client.
///
/// # Errors
/// No such client.
pub async fn list(
    store: &Arc<Store>,
    permit: Permit<KeysRead>,
    client_id: &str,
) -> Result<Vec<ClientSecret>, Error> {
    let id = client_id.to_owned();
    store
        .read(move |database| {
            within_reach(database, &permit, &id)?;
            Ok(client_secret::list(database, &id)?)
        })
        .await
}

/// Ends a secret: it is refused from then on. The last one may go too: the client then cannot
/// authenticate until it has another.
///
/// # Errors
/// No such secret of that client.
pub async fn delete(
    store: &Arc<Store>,
    permit: Permit<KeysWrite>,
    client_id: &str,
    id: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let (client_id, id) = (client_id.to_owned(), id.to_owned());
    store
        .write(now, move |transaction| {
            let client = within_power(transaction.database(), &permit, &client_id)?;
            if !could_be_id(&id) || !client_secret::delete(transaction, &client_id, &id)? {
                return Err(not_found("secret", &id));
            }
            permit.record(
                transaction,
                "secret.delete",
                Some(&client.account_id),
                &id,
                now,
            )
        })
        .await
}
