//! API key: a named credential of a client that is presented straight to a resource server.

use diesel::prelude::*;

use super::schema::api_keys;
use super::{Change, Database, StoreError, Transaction};
use crate::clock::Timestamp;
use crate::scope::Scope;

/// A row of `api_keys`.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
pub struct ApiKey {
    /// The id inside the key; its `jti` at introspection.
    pub id: String,
    /// Whose it is.
    pub client_id: String,
    /// Unique within the client.
    pub name: String,
    /// Argon2id, as a PHC string.
    pub hash: String,
    /// Its first characters, for lists.
    pub shown: String,
    /// A part of the client's scope; all of it where there is none here.
    pub scope: Option<Scope>,
    /// Whether it may manage the client's keys.
    pub manage_keys: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is refused.
    pub expires_at: Option<Timestamp>,
}

/// By its id.
///
/// # Errors
/// Where the database gave no answer.
pub fn find(database: &mut Database, id: &str) -> Result<Option<ApiKey>, StoreError> {
    Ok(api_keys::table.find(id).select(ApiKey::as_select()).first(database).optional()?)
}

/// Adds one; the name must be free within the client.
///
/// # Errors
/// Where the database gave no answer.
pub fn insert(transaction: &mut Transaction<'_>, key: &ApiKey) -> Result<(), StoreError> {
    diesel::insert_into(api_keys::table).values(key).execute(transaction.database)?;
    transaction.changed(Change::ApiKey(key.id.clone()));
    Ok(())
}

/// Removes one; nothing happens where it is gone already.
///
/// # Errors
/// Where the database gave no answer.
pub fn delete(transaction: &mut Transaction<'_>, id: &str) -> Result<(), StoreError> {
    diesel::delete(api_keys::table.find(id)).execute(transaction.database)?;
    transaction.changed(Change::ApiKey(id.to_owned()));
    Ok(())
}
