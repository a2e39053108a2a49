//! Account invitation: a one-time link by which a user of another account joins an account.

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::schema::account_invitations;
use super::user::Role;
use super::{Database, StoreError, Transaction, mail};
use crate::clock::Timestamp;

/// A row of `account_invitations`.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
pub struct AccountInvitation {
    /// The id inside the link.
    pub id: String,
    /// The user who is invited.
    pub user_id: String,
    /// The account to join. A user has at most one invitation to an account.
    pub account_id: String,
    /// The role that the user will have there.
    pub role: Role,
    /// The Argon2id hash of the credential in the link, as a PHC string.
    pub hash: String,
    /// When the invitation was created.
    pub created_at: Timestamp,
    /// When the invitation expires.
    pub expires_at: Timestamp,
    /// Who created it, as in the audit.
    pub created_by: String,
    /// The message with the link, if one was queued.
    pub mail_id: Option<String>,
}

/// The invitation with this id, expired or not.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn find(database: &mut Database, id: &str) -> Result<Option<AccountInvitation>, StoreError> {
    // Postgres refuses a NUL, and no id contains one.
    if id.contains('\0') {
        return Ok(None);
    }
    Ok(account_invitations::table
        .find(id)
        .select(AccountInvitation::as_select())
        .first(database)
        .optional()?)
}

/// The invitations to an account or to all, the newest first, expired ones too.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn list(
    database: &mut Database,
    account_id: Option<&str>,
) -> Result<Vec<AccountInvitation>, StoreError> {
    let all = account_invitations::table
        .order((
            account_invitations::created_at.desc(),
            account_invitations::id,
        ))
        .select(AccountInvitation::as_select());
    Ok(match account_id {
        Some(account_id) => all
            .filter(account_invitations::account_id.eq(account_id))
            .load(database)?,
        None => all.load(database)?,
    })
}

/// Inserts an invitation, and deletes the one that the user had to this account.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn replace(
    transaction: &mut Transaction<'_>,
    invitation: &AccountInvitation,
) -> Result<(), StoreError> {
    let earlier: Option<AccountInvitation> = account_invitations::table
        .filter(account_invitations::user_id.eq(&invitation.user_id))
        .filter(account_invitations::account_id.eq(&invitation.account_id))
        .select(AccountInvitation::as_select())
        .first(transaction.database)
        .optional()?;
    if let Some(earlier) = earlier {
        delete(transaction, &earlier)?;
    }
    diesel::insert_into(account_invitations::table)
        .values(invitation)
        .execute(transaction.modify())?;
    Ok(())
}

/// Deletes an invitation, and the pending message with its link.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn delete(
    transaction: &mut Transaction<'_>,
    invitation: &AccountInvitation,
) -> Result<(), StoreError> {
    if let Some(mail_id) = &invitation.mail_id {
        mail::delete_if_pending(transaction, mail_id)?;
    }
    diesel::delete(account_invitations::table.find(&invitation.id))
        .execute(transaction.modify())?;
    Ok(())
}

/// Deletes up to `limit` invitations that expired before `before`; returns how many.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn purge(database: &mut Database, before: Timestamp, limit: i64) -> Result<usize, StoreError> {
    let sql = "DELETE FROM account_invitations WHERE id IN \
                    (SELECT id FROM account_invitations WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)";
    Ok(diesel::sql_query(sql)
        .bind::<BigInt, _>(before)
        .bind::<BigInt, _>(limit)
        .execute(database)?)
}
