//! Client secret: a client authenticates with it at Keyward's own endpoints. A client may have
//! several active secrets, so that it can rotate them without downtime.

use diesel::prelude::*;

use super::credential_use::{LAST_USE_PRECISION, is_unused};
use super::schema::client_secrets;
use super::{Change, Database, StoreError, Transaction};
use crate::clock::Timestamp;
use crate::credential::{Credential, Kind};
use crate::crypto::secret_hash;

/// A row of `client_secrets`.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
pub struct ClientSecret {
    /// The id inside the secret.
    pub id: String,
    /// The client that it belongs to.
    pub client_id: String,
    /// The Argon2id hash of the secret, as a PHC string.
    pub hash: String,
    /// When the secret was created.
    pub created_at: Timestamp,
    /// When the secret expires; none if it does not.
    pub expires_at: Option<Timestamp>,
    /// The display name, if it has one.
    pub name: Option<String>,
    /// When the secret last authenticated its client, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// From when on its use is recorded, if it is older than that; none for a secret whose use was
    /// recorded from the beginning.
    pub use_recorded_from: Option<Timestamp>,
}

impl ClientSecret {
    /// Whether the secret has expired at `now`.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    /// Whether the secret is active and was not used for 90 days.
    pub fn is_unused(&self, now: Timestamp) -> bool {
        let recorded_from = self
            .use_recorded_from
            .map_or(self.created_at, |from| from.max(self.created_at));
        !self.is_expired(now) && is_unused(self.last_used_at, recorded_from, now)
    }
}

/// Generates a secret: in full, for the one response that shows it, and its row.
pub fn generate(
    client_id: &str,
    expires_at: Option<Timestamp>,
    now: Timestamp,
) -> (Credential, ClientSecret) {
    let secret = Credential::generate(Kind::ClientSecret);
    let row = ClientSecret {
        id: secret.id().to_owned(),
        client_id: client_id.to_owned(),
        hash: secret_hash::hash(&secret),
        created_at: now,
        expires_at,
        name: None,
        last_used_at: None,
        use_recorded_from: None,
    };
    (secret, row)
}

/// The secrets of a client, the oldest first, expired ones too.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn list(database: &mut Database, client_id: &str) -> Result<Vec<ClientSecret>, StoreError> {
    Ok(client_secrets::table
        .filter(client_secrets::client_id.eq(client_id))
        .order((client_secrets::created_at, client_secrets::id))
        .select(ClientSecret::as_select())
        .load(database)?)
}

/// The ids and clients of the secrets with these ids.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn find_clients(
    database: &mut Database,
    ids: &[String],
) -> Result<Vec<(String, String)>, StoreError> {
    Ok(client_secrets::table
        .filter(client_secrets::id.eq_any(ids))
        .select((client_secrets::id, client_secrets::client_id))
        .load(database)?)
}

/// Inserts a secret.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn insert(transaction: &mut Transaction<'_>, secret: &ClientSecret) -> Result<(), StoreError> {
    diesel::insert_into(client_secrets::table)
        .values(secret)
        .execute(transaction.modify())?;
    transaction.changed(Change::Client(secret.client_id.clone()));
    Ok(())
}

/// A secret of a client.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn find(
    database: &mut Database,
    client_id: &str,
    id: &str,
) -> Result<Option<ClientSecret>, StoreError> {
    Ok(client_secrets::table
        .find(id)
        .filter(client_secrets::client_id.eq(client_id))
        .select(ClientSecret::as_select())
        .first(database)
        .optional()?)
}

/// Renames a secret. No node caches the name, so it adds no change to the feed.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn rename(
    transaction: &mut Transaction<'_>,
    id: &str,
    name: Option<&str>,
) -> Result<(), StoreError> {
    diesel::update(client_secrets::table.find(id))
        .set(client_secrets::name.eq(name))
        .execute(transaction.modify())?;
    Ok(())
}

/// Records when each of these secrets was last used. No node caches that, so it adds no change to the
/// feed. A use within a minute of the one that is recorded is not written.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn touch(database: &mut Database, used: &[(String, Timestamp)]) -> Result<(), StoreError> {
    for (id, at) in used {
        let minute_before = at.saturating_sub(LAST_USE_PRECISION);
        let earlier = client_secrets::last_used_at
            .is_null()
            .or(client_secrets::last_used_at.lt(minute_before));
        diesel::update(client_secrets::table.find(id).filter(earlier))
            .set(client_secrets::last_used_at.eq(at))
            .execute(database)?;
    }
    Ok(())
}

/// Lets all secrets of a client expire at `expiry`, except those that expire earlier.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn expire_all(
    transaction: &mut Transaction<'_>,
    client_id: &str,
    expiry: Timestamp,
) -> Result<(), StoreError> {
    let later = client_secrets::expires_at
        .is_null()
        .or(client_secrets::expires_at.gt(expiry));
    let own = client_secrets::table
        .filter(client_secrets::client_id.eq(client_id))
        .filter(later);
    diesel::update(own)
        .set(client_secrets::expires_at.eq(expiry))
        .execute(transaction.modify())?;
    transaction.changed(Change::Client(client_id.to_owned()));
    Ok(())
}

/// Deletes all secrets of a client.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn delete_all(transaction: &mut Transaction<'_>, client_id: &str) -> Result<(), StoreError> {
    diesel::delete(client_secrets::table.filter(client_secrets::client_id.eq(client_id)))
        .execute(transaction.modify())?;
    transaction.changed(Change::Client(client_id.to_owned()));
    Ok(())
}

/// Deletes a secret of a client; returns whether there was one.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn delete(
    transaction: &mut Transaction<'_>,
    client_id: &str,
    id: &str,
) -> Result<bool, StoreError> {
    let one = client_secrets::table
        .find(id)
        .filter(client_secrets::client_id.eq(client_id));
    let deleted = diesel::delete(one).execute(transaction.modify())?;
    transaction.changed(Change::Client(client_id.to_owned()));
    Ok(deleted > 0)
}
