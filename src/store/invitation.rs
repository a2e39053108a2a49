//! Invitation: a one-time link by which a user sets a password.

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::schema::invitations;
use super::{Database, StoreError, Transaction};
use crate::clock::Timestamp;
use crate::scope::Scope;

/// A row of `invitations`.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
pub struct Invitation {
    /// Whose password it sets; a user has one invitation at the most.
    pub user_id: String,
    /// The id inside the link.
    pub id: String,
    /// Argon2id of what is in the link, as a PHC string.
    pub hash: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is refused.
    pub expires_at: Timestamp,
    /// The rights of whoever made it.
    pub rights: Scope,
}

/// By the id inside the link.
///
/// # Errors
/// Where the database gave no answer.
pub fn find(database: &mut Database, id: &str) -> Result<Option<Invitation>, StoreError> {
    let named = invitations::table.filter(invitations::id.eq(id));
    Ok(named
        .select(Invitation::as_select())
        .first(database)
        .optional()?)
}

/// Of a user.
///
/// # Errors
/// Where the database gave no answer.
pub fn find_of_user(
    database: &mut Database,
    user_id: &str,
) -> Result<Option<Invitation>, StoreError> {
    Ok(invitations::table
        .find(user_id)
        .select(Invitation::as_select())
        .first(database)
        .optional()?)
}

/// All of them.
///
/// # Errors
/// Where the database gave no answer.
pub fn list(database: &mut Database) -> Result<Vec<Invitation>, StoreError> {
    Ok(invitations::table
        .select(Invitation::as_select())
        .load(database)?)
}

/// Puts it in the place of whichever the user had.
///
/// # Errors
/// Where the database gave no answer.
pub fn replace(
    transaction: &mut Transaction<'_>,
    invitation: &Invitation,
) -> Result<(), StoreError> {
    delete(transaction, &invitation.user_id)?;
    diesel::insert_into(invitations::table)
        .values(invitation)
        .execute(transaction.modify())?;
    Ok(())
}

/// Ends a user's; nothing happens where there is none.
///
/// # Errors
/// Where the database gave no answer.
pub fn delete(transaction: &mut Transaction<'_>, user_id: &str) -> Result<(), StoreError> {
    diesel::delete(invitations::table.find(user_id)).execute(transaction.modify())?;
    Ok(())
}

/// Removes up to `limit` that have ended by `moment`; tells how many.
///
/// # Errors
/// Where the database gave no answer.
pub fn purge(database: &mut Database, moment: Timestamp, limit: i64) -> Result<usize, StoreError> {
    let sentence = "DELETE FROM invitations WHERE user_id IN \
                    (SELECT user_id FROM invitations WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)";
    Ok(diesel::sql_query(sentence)
        .bind::<BigInt, _>(moment)
        .bind::<BigInt, _>(limit)
        .execute(database)?)
}
