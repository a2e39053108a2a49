//! Invitation: a one-time link by which a user sets a password.

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::mail::{self, MailKind};
use super::schema::invitations;
use super::{Database, StoreError, Transaction};
use crate::clock::Timestamp;
use crate::scope::Scope;

/// A row of `invitations`.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
pub struct Invitation {
    /// The user whose password it sets. A user has at most one invitation.
    pub user_id: String,
    /// The id inside the link.
    pub id: String,
    /// The Argon2id hash of the credential in the link, as a PHC string.
    pub hash: String,
    /// When the invitation was created.
    pub created_at: Timestamp,
    /// When the invitation expires.
    pub expires_at: Timestamp,
    /// The rights of the actor who created it.
    pub rights: Scope,
}

/// The invitation with this id, which is inside the link.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn find(database: &mut Database, id: &str) -> Result<Option<Invitation>, StoreError> {
    let named = invitations::table.filter(invitations::id.eq(id));
    Ok(named
        .select(Invitation::as_select())
        .first(database)
        .optional()?)
}

/// The invitation of a user.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
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

/// The invitations of these users, expired ones too.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn find_of_users(
    database: &mut Database,
    user_ids: &[String],
) -> Result<Vec<Invitation>, StoreError> {
    Ok(invitations::table
        .filter(invitations::user_id.eq_any(user_ids))
        .select(Invitation::as_select())
        .load(database)?)
}

/// Inserts an invitation, and deletes the one that the user had.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
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

/// Deletes the invitation of a user, if there is one, and the pending message with its link.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn delete(transaction: &mut Transaction<'_>, user_id: &str) -> Result<(), StoreError> {
    diesel::delete(invitations::table.find(user_id)).execute(transaction.modify())?;
    mail::delete_pending(transaction, user_id, MailKind::Invitation)
}

/// Deletes everything by which a user who just got another password could set one more: the invitation,
/// and the pending messages with links, which would be made for the new password.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn delete_all_links(
    transaction: &mut Transaction<'_>,
    user_id: &str,
) -> Result<(), StoreError> {
    delete(transaction, user_id)?;
    mail::delete_pending(transaction, user_id, MailKind::PasswordReset)
}

/// Deletes up to `limit` invitations that expired before `before`; returns how many.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn purge(database: &mut Database, before: Timestamp, limit: i64) -> Result<usize, StoreError> {
    let sql = "DELETE FROM invitations WHERE user_id IN \
                    (SELECT user_id FROM invitations WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)";
    Ok(diesel::sql_query(sql)
        .bind::<BigInt, _>(before)
        .bind::<BigInt, _>(limit)
        .execute(database)?)
}
