//! Client secret: what a client authenticates with at Keyward's own endpoints. A client may have
//! several live ones, so that it can rotate without downtime.

use diesel::prelude::*;

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
    /// Whose it is.
    pub client_id: String,
    /// Argon2id, as a PHC string.
    pub hash: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is refused.
    pub expires_at: Option<Timestamp>,
}

impl ClientSecret {
    /// Whether it is refused at this moment.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }
}

/// A new secret in full, for the one answer that shows it, beside its row.
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
    };
    (secret, row)
}

/// Those of a client, the oldest first, ended ones too.
///
/// # Errors
/// Where the database gave no answer.
pub fn list(database: &mut Database, client_id: &str) -> Result<Vec<ClientSecret>, StoreError> {
    Ok(client_secrets::table
        .filter(client_secrets::client_id.eq(client_id))
        .order((client_secrets::created_at, client_secrets::id))
        .select(ClientSecret::as_select())
        .load(database)?)
}

/// Adds one.
///
/// # Errors
/// Where the database gave no answer.
pub fn insert(transaction: &mut Transaction<'_>, secret: &ClientSecret) -> Result<(), StoreError> {
    diesel::insert_into(client_secrets::table)
        .values(secret)
        .execute(transaction.modify())?;
    transaction.changed(Change::Client(secret.client_id.clone()));
    Ok(())
}

/// Ends all of a client's at `end`; those that were to end sooner do.
///
/// # Errors
/// Where the database gave no answer.
pub fn end_all(
    transaction: &mut Transaction<'_>,
    client_id: &str,
    end: Timestamp,
) -> Result<(), StoreError> {
    let later = client_secrets::expires_at
        .is_null()
        .or(client_secrets::expires_at.gt(end));
    let own = client_secrets::table
        .filter(client_secrets::client_id.eq(client_id))
        .filter(later);
    diesel::update(own)
        .set(client_secrets::expires_at.eq(end))
        .execute(transaction.modify())?;
    transaction.changed(Change::Client(client_id.to_owned()));
    Ok(())
}

/// Removes all of a client's.
///
/// # Errors
/// Where the database gave no answer.
pub fn delete_all(transaction: &mut Transaction<'_>, client_id: &str) -> Result<(), StoreError> {
    diesel::delete(client_secrets::table.filter(client_secrets::client_id.eq(client_id)))
        .execute(transaction.modify())?;
    transaction.changed(Change::Client(client_id.to_owned()));
    Ok(())
}

/// Removes one of a client's; tells whether it was there.
///
/// # Errors
/// Where the database gave no answer.
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
