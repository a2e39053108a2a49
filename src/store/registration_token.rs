//! Initial access token (RFC 7591 section 1.2): fixes the account of the clients that register
//! with it and the most that they can ask for.

use diesel::prelude::*;

use super::resource_server::Resources;
use super::schema::registration_tokens;
use super::{Database, StoreError, Transaction};
use crate::clock::Timestamp;
use crate::scope::Scope;

/// A row of `registration_tokens`.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
pub struct RegistrationToken {
    /// The id inside the token.
    pub id: String,
    /// Whose the registered clients will be.
    pub account_id: String,
    /// Argon2id, as a PHC string.
    pub hash: String,
    /// The most that they can have.
    pub scope: Scope,
    /// The resource servers that they can have.
    pub resources: Resources,
    /// How many more clients can register with it; any number where there is none.
    pub uses_left: Option<i64>,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is refused.
    pub expires_at: Option<Timestamp>,
}

/// By its id.
///
/// # Errors
/// Where the database gave no answer.
pub fn find(database: &mut Database, id: &str) -> Result<Option<RegistrationToken>, StoreError> {
    Ok(registration_tokens::table
        .find(id)
        .select(RegistrationToken::as_select())
        .first(database)
        .optional()?)
}

/// All of them, the oldest first.
///
/// # Errors
/// Where the database gave no answer.
pub fn list(database: &mut Database) -> Result<Vec<RegistrationToken>, StoreError> {
    let ordered = registration_tokens::table
        .order((registration_tokens::created_at, registration_tokens::id));
    Ok(ordered
        .select(RegistrationToken::as_select())
        .load(database)?)
}

/// Adds one.
///
/// # Errors
/// Where the database gave no answer.
pub fn insert(
    transaction: &mut Transaction<'_>,
    token: &RegistrationToken,
) -> Result<(), StoreError> {
    diesel::insert_into(registration_tokens::table)
        .values(token)
        .execute(transaction.modify())?;
    Ok(())
}

/// Takes one use of it; tells whether there was one left.
///
/// # Errors
/// Where the database gave no answer.
pub fn take_use(transaction: &mut Transaction<'_>, id: &str) -> Result<bool, StoreError> {
    let Some(token) = find(transaction.database, id)? else {
        return Ok(false);
    };
    let Some(uses_left) = token.uses_left else {
        return Ok(true);
    };
    if uses_left < 1 {
        return Ok(false);
    }
    diesel::update(registration_tokens::table.find(id))
        .set(registration_tokens::uses_left.eq(uses_left - 1))
        .execute(transaction.modify())?;
    Ok(true)
}

/// Removes one; tells whether it was there.
///
/// # Errors
/// Where the database gave no answer.
pub fn delete(transaction: &mut Transaction<'_>, id: &str) -> Result<bool, StoreError> {
    Ok(diesel::delete(registration_tokens::table.find(id)).execute(transaction.modify())? > 0)
}
