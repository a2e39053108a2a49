//! Account invitation: a one-time link by which a user of another account joins an account.

use std::fmt;
use std::str::FromStr;

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

/// A place in the list of invitations, which is ordered by time and id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvitationPosition {
    /// When the invitation was created.
    pub created_at: Timestamp,
    /// The id of the invitation.
    pub id: String,
}

impl fmt::Display for InvitationPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.created_at.as_millis(), self.id)
    }
}

/// A text that is no [`InvitationPosition`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidInvitationPosition;

impl FromStr for InvitationPosition {
    type Err = InvalidInvitationPosition;

    fn from_str(text: &str) -> Result<Self, InvalidInvitationPosition> {
        let (millis, id) = text.split_once('-').ok_or(InvalidInvitationPosition)?;
        let millis: i64 = millis.parse().map_err(|_| InvalidInvitationPosition)?;
        if id.len() > 64 || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(InvalidInvitationPosition);
        }
        Ok(InvitationPosition {
            created_at: Timestamp::from_millis(millis),
            id: id.to_owned(),
        })
    }
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

/// Up to `limit` invitations that are valid at `now`, to an account or to all, after the position `after`:
/// the newest first.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn open(
    database: &mut Database,
    account_id: Option<&str>,
    now: Timestamp,
    after: Option<&InvitationPosition>,
    limit: i64,
) -> Result<Vec<AccountInvitation>, StoreError> {
    let mut rows = account_invitations::table
        .filter(account_invitations::expires_at.gt(now))
        .order((
            account_invitations::created_at.desc(),
            account_invitations::id.desc(),
        ))
        .limit(limit)
        .into_boxed();
    if let Some(account_id) = account_id {
        rows = rows.filter(account_invitations::account_id.eq(account_id));
    }
    if let Some(InvitationPosition { created_at, id }) = after {
        // The first condition is what an index is read by.
        let earlier = account_invitations::created_at
            .lt(created_at)
            .or(account_invitations::id.lt(id));
        rows = rows
            .filter(account_invitations::created_at.le(created_at))
            .filter(earlier);
    }
    Ok(rows.select(AccountInvitation::as_select()).load(database)?)
}

/// Up to `limit` invitations to an account, expired ones too.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn of_account(
    database: &mut Database,
    account_id: &str,
    limit: i64,
) -> Result<Vec<AccountInvitation>, StoreError> {
    Ok(account_invitations::table
        .filter(account_invitations::account_id.eq(account_id))
        .limit(limit)
        .select(AccountInvitation::as_select())
        .load(database)?)
}

/// The invitations by this creator, expired ones too.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn of_creator(
    database: &mut Database,
    created_by: &str,
) -> Result<Vec<AccountInvitation>, StoreError> {
    Ok(account_invitations::table
        .filter(account_invitations::created_by.eq(created_by))
        .order((account_invitations::created_at, account_invitations::id))
        .select(AccountInvitation::as_select())
        .load(database)?)
}

/// The invitation of a user to an account, which may have expired.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn of_user(
    database: &mut Database,
    user_id: &str,
    account_id: &str,
) -> Result<Option<AccountInvitation>, StoreError> {
    Ok(account_invitations::table
        .filter(account_invitations::user_id.eq(user_id))
        .filter(account_invitations::account_id.eq(account_id))
        .select(AccountInvitation::as_select())
        .first(database)
        .optional()?)
}

/// Inserts an invitation, and deletes the one that the user had to this account.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn replace(
    transaction: &mut Transaction<'_>,
    invitation: &AccountInvitation,
) -> Result<(), StoreError> {
    let (user_id, account_id) = (&invitation.user_id, &invitation.account_id);
    let earlier = of_user(transaction.database, user_id, account_id)?;
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
