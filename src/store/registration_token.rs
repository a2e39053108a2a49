//! Initial access token (RFC 7591 section 1.2). It determines the account of the clients that
//! register with it, and limits their scope and resource servers.

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
    /// The account that the registered clients belong to.
    pub account_id: String,
    /// The Argon2id hash of the token, as a PHC string.
    pub hash: String,
    /// The scope that the clients can register for.
    pub scope: Scope,
    /// The resource servers that the clients can register for.
    pub resources: Resources,
    /// How many more clients can register with it; none if the number is unlimited.
    pub uses_left: Option<i64>,
    /// When the token was created.
    pub created_at: Timestamp,
    /// When the token expires; none if it does not.
    pub expires_at: Option<Timestamp>,
}

/// The token with this id, expired or not.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn find(database: &mut Database, id: &str) -> Result<Option<RegistrationToken>, StoreError> {
    Ok(registration_tokens::table
        .find(id)
        .select(RegistrationToken::as_select())
        .first(database)
        .optional()?)
}

/// All tokens, the oldest first.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn list(database: &mut Database) -> Result<Vec<RegistrationToken>, StoreError> {
    let ordered = registration_tokens::table
        .order((registration_tokens::created_at, registration_tokens::id));
    Ok(ordered
        .select(RegistrationToken::as_select())
        .load(database)?)
}

/// The ids of up to `limit` tokens of an account.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn of_account(
    database: &mut Database,
    account_id: &str,
    limit: i64,
) -> Result<Vec<String>, StoreError> {
    Ok(registration_tokens::table
        .filter(registration_tokens::account_id.eq(account_id))
        .limit(limit)
        .select(registration_tokens::id)
        .load(database)?)
}

/// Inserts a token.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn insert(
    transaction: &mut Transaction<'_>,
    token: &RegistrationToken,
) -> Result<(), StoreError> {
    diesel::insert_into(registration_tokens::table)
        .values(token)
        .execute(transaction.modify())?;
    Ok(())
}

/// Consumes one use of a token; returns whether there was one left.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
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

/// Deletes a token; returns whether there was one.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn delete(transaction: &mut Transaction<'_>, id: &str) -> Result<bool, StoreError> {
    Ok(diesel::delete(registration_tokens::table.find(id)).execute(transaction.modify())? > 0)
}
