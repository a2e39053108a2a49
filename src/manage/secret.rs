//! Client secrets. Several can be active at a time, so that a client rotates them without downtime:
//! create the new one, deploy it, delete the old one.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::actor::Permit;
use super::policy::{find_editable, find_visible};
use super::rights::{KeysRead, KeysWrite};
use super::{check_name, not_found};
use crate::clock::Timestamp;
use crate::credential::Credential;
use crate::error::{Error, refusal};
use crate::store::audit::Action;
use crate::store::client::{Client, could_be_id};
use crate::store::client_secret;
use crate::store::client_secret::ClientSecret;
use crate::store::{Store, Transaction};

/// The maximum number of active secrets of a client.
pub const MAX_SECRETS: usize = 20;

/// A client secret as management shows it, without its value.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct SecretView {
    /// The id inside the secret.
    pub id: String,
    /// The client that it belongs to.
    pub client_id: String,
    /// The display name, if it has one.
    pub name: Option<String>,
    /// When the secret was created.
    pub created_at: Timestamp,
    /// When the secret last authenticated its client, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// When the secret expires; null if it does not.
    pub expires_at: Option<Timestamp>,
    /// Whether the secret is active and was not used for 90 days.
    pub unused: bool,
}

impl SecretView {
    fn new(secret: ClientSecret, now: Timestamp) -> Self {
        SecretView {
            unused: secret.is_unused(now),
            id: secret.id,
            client_id: secret.client_id,
            name: secret.name,
            created_at: secret.created_at,
            last_used_at: secret.last_used_at,
            expires_at: secret.expires_at,
        }
    }
}

/// The properties of a new secret.
#[derive(Clone, Default)]
pub struct NewSecret {
    /// The display name; it need not be unique.
    pub name: Option<String>,
    /// After how long the secret expires; never if absent.
    pub lifetime: Option<Duration>,
}

/// Creates a secret beside the client's other secrets.
///
/// # Errors
/// `not_found` for an unknown client; `invalid_request` for an unusable name, or if the client
/// authenticates without a secret; `conflict` if the client has [`MAX_SECRETS`].
pub async fn create(
    store: &Arc<Store>,
    permit: Permit<KeysWrite>,
    client_id: &str,
    new: NewSecret,
) -> Result<(Credential, SecretView), Error> {
    let now = permit.now();
    if let Some(name) = &new.name {
        check_name(name)?;
    }
    let expires_at = new.lifetime.map(|lifetime| now.saturating_add(lifetime));
    let (secret, mut row) = client_secret::generate(client_id, expires_at, now);
    row.name = new.name;
    let created = SecretView::new(row.clone(), now);
    store
        .write(now, move |transaction| {
            let client = find_editable(transaction.database(), &permit, &row.client_id)?;
            permit.ensure_first_use(transaction)?;
            check_uses_secret(&client)?;
            ensure_capacity(transaction, &client, now)?;
            client_secret::insert(transaction, &row)?;
            permit.audit(
                transaction,
                Action::SecretCreate,
                Some(&client.account_id),
                &row.id,
            )
        })
        .await?;
    Ok((secret, created))
}

/// Creates a secret that replaces all others, which expire after the `grace` period or at their own
/// expiry, whichever is sooner. Without a grace period they are deleted: an expiry of "now" would come
/// later on a node whose clock is behind.
///
/// # Errors
/// As for [`create`].
pub async fn rotate(
    store: &Arc<Store>,
    permit: Permit<KeysWrite>,
    client_id: &str,
    grace: Duration,
) -> Result<(Credential, SecretView), Error> {
    let now = permit.now();
    let (secret, row) = client_secret::generate(client_id, None, now);
    let created = SecretView::new(row.clone(), now);
    store
        .write(now, move |transaction| {
            let client = find_editable(transaction.database(), &permit, &row.client_id)?;
            permit.ensure_first_use(transaction)?;
            check_uses_secret(&client)?;
            ensure_capacity(transaction, &client, now)?;
            if grace.is_zero() {
                client_secret::delete_all(transaction, &row.client_id)?;
            } else {
                client_secret::expire_all(transaction, &row.client_id, now.saturating_add(grace))?;
            }
            client_secret::insert(transaction, &row)?;
            permit.audit(
                transaction,
                Action::SecretRotate,
                Some(&client.account_id),
                &row.id,
            )
        })
        .await?;
    Ok((secret, created))
}

fn check_uses_secret(client: &Client) -> Result<(), Error> {
    if client.auth_method.uses_secret() {
        return Ok(());
    }
    Err(refusal::secret_not_used(client.auth_method.as_str()))
}

/// Refuses one more secret if the client has [`MAX_SECRETS`] active ones, and evicts the oldest expired
/// ones beyond that number. The newest expired ones stay for a while, so that a failed authentication
/// with one of them can be explained.
fn ensure_capacity(
    transaction: &mut Transaction<'_>,
    client: &Client,
    now: Timestamp,
) -> Result<(), Error> {
    let secrets = client_secret::list(transaction.database(), &client.client_id)?;
    check_limit(&secrets, now)?;
    for secret in surplus(&secrets, now) {
        client_secret::delete(transaction, &client.client_id, &secret.id)?;
    }
    Ok(())
}

fn check_limit(secrets: &[ClientSecret], now: Timestamp) -> Result<(), Error> {
    let active = secrets.iter().filter(|secret| !secret.is_expired(now));
    if active.count() < MAX_SECRETS {
        return Ok(());
    }
    Err(refusal::secret_limit(MAX_SECRETS))
}

/// Of secrets in order of age: the oldest expired ones that one more secret would push beyond
/// [`MAX_SECRETS`].
fn surplus(secrets: &[ClientSecret], now: Timestamp) -> impl Iterator<Item = &ClientSecret> {
    let count = (secrets.len() + 1).saturating_sub(MAX_SECRETS);
    secrets
        .iter()
        .filter(move |secret| secret.is_expired(now))
        .take(count)
}

/// Lists the secrets of a client, oldest first.
///
/// # Errors
/// `not_found` for an unknown client.
pub async fn list(
    store: &Arc<Store>,
    permit: Permit<KeysRead>,
    client_id: &str,
) -> Result<Vec<SecretView>, Error> {
    let id = client_id.to_owned();
    store
        .read(move |database| {
            find_visible(database, &permit, &id)?;
            let secrets = client_secret::list(database, &id)?;
            Ok(secrets
                .into_iter()
                .map(|secret| SecretView::new(secret, permit.now()))
                .collect())
        })
        .await
}

/// Changes the name of a secret: `Some(None)` removes it, `None` leaves it as it is.
///
/// # Errors
/// `not_found` for an unknown client or secret; `invalid_request` for an unusable name.
pub async fn update(
    store: &Arc<Store>,
    permit: Permit<KeysWrite>,
    client_id: &str,
    id: &str,
    name: Option<Option<String>>,
) -> Result<SecretView, Error> {
    if let Some(Some(name)) = &name {
        check_name(name)?;
    }
    let client_id = client_id.to_owned();
    let id = id.to_owned();
    store
        .write(permit.now(), move |transaction| {
            let client = find_editable(transaction.database(), &permit, &client_id)?;
            let found = if could_be_id(&id) {
                client_secret::find(transaction.database(), &client_id, &id)?
            } else {
                None
            };
            let mut secret = found.ok_or_else(|| not_found("secret", &id))?;
            if let Some(name) = &name {
                client_secret::rename(transaction, &id, name.as_deref())?;
                secret.name.clone_from(name);
            }
            permit.audit(
                transaction,
                Action::SecretUpdate,
                Some(&client.account_id),
                &id,
            )?;
            Ok(SecretView::new(secret, permit.now()))
        })
        .await
}

/// Deletes a secret: it is refused from then on. The last one can be deleted too; the client then
/// cannot authenticate until it gets another.
///
/// # Errors
/// `not_found` for an unknown client or secret.
pub async fn delete(
    store: &Arc<Store>,
    permit: Permit<KeysWrite>,
    client_id: &str,
    id: &str,
) -> Result<(), Error> {
    delete_all(store, permit, client_id, BTreeSet::from([id.to_owned()])).await
}

/// Deletes secrets of one client, all of them or none. The client may be left without any.
///
/// # Errors
/// `not_found` for an unknown client or secret; `invalid_request` without secrets.
pub async fn delete_all(
    store: &Arc<Store>,
    permit: Permit<KeysWrite>,
    client_id: &str,
    ids: BTreeSet<String>,
) -> Result<(), Error> {
    let client_id = client_id.to_owned();
    store
        .write(permit.now(), move |transaction| {
            let client = find_editable(transaction.database(), &permit, &client_id)?;
            if ids.is_empty() {
                return Err(refusal::secrets_not_chosen());
            }
            for id in &ids {
                if !could_be_id(id) || !client_secret::delete(transaction, &client_id, id)? {
                    return Err(not_found("secret", id));
                }
                let account = Some(client.account_id.as_str());
                permit.audit(transaction, Action::SecretDelete, account, id)?;
            }
            Ok(())
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Secrets in order of age, of which the first `expired` expired before `now`.
    fn secrets(expired: usize, active: usize, now: Timestamp) -> Vec<ClientSecret> {
        let secret = |index: usize| ClientSecret {
            id: index.to_string(),
            client_id: "c1".to_owned(),
            hash: String::new(),
            created_at: Timestamp::EPOCH,
            expires_at: (index < expired).then_some(now),
            name: None,
            last_used_at: None,
            use_recorded_from: None,
        };
        (0..expired + active).map(secret).collect()
    }

    #[test]
    fn expired_secrets_leave_before_the_limit_is_reached() {
        let now = Timestamp::from_seconds(1_800_000_000);
        // Expired and active secrets; whether one more fits; how many expired ones leave for it.
        let cases = [
            (0, 0, true, 0),
            (0, MAX_SECRETS - 1, true, 0),
            (0, MAX_SECRETS, false, 0),
            (MAX_SECRETS - 1, 0, true, 0),
            (MAX_SECRETS, 0, true, 1),
            (5, MAX_SECRETS - 5, true, 1),
            (5, MAX_SECRETS - 1, true, 5),
            (5, MAX_SECRETS, false, 5),
        ];
        for (expired, active, fits, leave) in cases {
            let all = secrets(expired, active, now);
            assert_eq!(
                check_limit(&all, now).is_ok(),
                fits,
                "{expired} expired, {active} active"
            );
            let ids: Vec<String> = surplus(&all, now).map(|secret| secret.id.clone()).collect();
            let oldest: Vec<String> = (0..leave).map(|index| index.to_string()).collect();
            assert_eq!(ids, oldest, "{expired} expired, {active} active");
        }
    }
}
