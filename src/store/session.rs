//! Session: a browser in which a user has signed in to the portal.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use strum::{EnumString, IntoStaticStr};

use super::schema::sessions;
use super::{Database, StoreError, Transaction};
use crate::clock::Timestamp;

/// How far the user has authenticated.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    EnumString,
    IntoStaticStr,
    diesel::expression::AsExpression,
    diesel::deserialize::FromSqlRow,
)]
#[strum(serialize_all = "snake_case")]
#[diesel(sql_type = diesel::sql_types::Text)]
pub enum AuthLevel {
    /// By the password alone; the second factor is still missing.
    Password,
    /// With every factor that is required.
    All,
}

impl AuthLevel {
    /// The value in the database.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// A row of `sessions`.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
pub struct Session {
    /// The id inside the cookie.
    pub id: String,
    /// The user who signed in.
    pub user_id: String,
    /// The Argon2id hash of the cookie, as a PHC string.
    pub hash: String,
    /// How far the user has authenticated.
    pub proven: AuthLevel,
    /// The client IP address of the sign-in.
    pub address: String,
    /// The `User-Agent` of the sign-in.
    pub agent: String,
    /// When the user signed in.
    pub created_at: Timestamp,
    /// When the session was last used, to the minute.
    pub last_seen_at: Timestamp,
    /// When the session expires, used or not.
    pub expires_at: Timestamp,
    /// How many wrong codes of the second factor were entered in the session.
    pub wrong_codes: i64,
    /// The account in use; that of the user's first membership if null.
    pub account_id: Option<String>,
}

/// The session with this id, expired or not.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn find(database: &mut Database, id: &str) -> Result<Option<Session>, StoreError> {
    Ok(sessions::table
        .find(id)
        .select(Session::as_select())
        .first(database)
        .optional()?)
}

/// The sessions of a user, the newest first, expired ones too.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn list(database: &mut Database, user_id: &str) -> Result<Vec<Session>, StoreError> {
    let own = sessions::table.filter(sessions::user_id.eq(user_id));
    Ok(own
        .order((sessions::created_at.desc(), sessions::id))
        .select(Session::as_select())
        .load(database)?)
}

/// Inserts a session.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn insert(transaction: &mut Transaction<'_>, session: &Session) -> Result<(), StoreError> {
    diesel::insert_into(sessions::table)
        .values(session)
        .execute(transaction.modify())?;
    Ok(())
}

/// Counts a wrong code of the second factor in a session.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn add_wrong_code(transaction: &mut Transaction<'_>, id: &str) -> Result<(), StoreError> {
    let counted = diesel::update(sessions::table.find(id))
        .set(sessions::wrong_codes.eq(sessions::wrong_codes + 1));
    counted.execute(transaction.modify())?;
    Ok(())
}

/// Records that a session was used at `now`.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn touch(database: &mut Database, id: &str, now: Timestamp) -> Result<(), StoreError> {
    diesel::update(sessions::table.find(id))
        .set(sessions::last_seen_at.eq(now))
        .execute(database)?;
    Ok(())
}

/// Deletes a session, if it exists.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn delete(transaction: &mut Transaction<'_>, id: &str) -> Result<(), StoreError> {
    diesel::delete(sessions::table.find(id)).execute(transaction.modify())?;
    Ok(())
}

/// Deletes all sessions of a user, except the session `keep` if given.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn delete_all(
    transaction: &mut Transaction<'_>,
    user_id: &str,
    keep: Option<&str>,
) -> Result<(), StoreError> {
    let own = sessions::table
        .filter(sessions::user_id.eq(user_id))
        .filter(sessions::id.ne(keep.unwrap_or_default()));
    diesel::delete(own).execute(transaction.modify())?;
    Ok(())
}

/// Changes the account that a session uses.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn set_account(
    transaction: &mut Transaction<'_>,
    id: &str,
    account_id: &str,
) -> Result<(), StoreError> {
    diesel::update(sessions::table.find(id))
        .set(sessions::account_id.eq(account_id))
        .execute(transaction.modify())?;
    Ok(())
}

/// Changes the account that a session uses, unless it uses another one than `row` says by now.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn replace_account(
    database: &mut Database,
    row: &Session,
    account_id: Option<&str>,
) -> Result<(), StoreError> {
    let unchanged = sessions::table
        .find(&row.id)
        .filter(sessions::account_id.eq(&row.account_id));
    diesel::update(unchanged)
        .set(sessions::account_id.eq(account_id))
        .execute(database)?;
    Ok(())
}

/// Deletes all sessions of the users of an account that was closed, of those who have no other account
/// that is open.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn delete_of_closed_account(
    transaction: &mut Transaction<'_>,
    account_id: &str,
) -> Result<(), StoreError> {
    let sql = "DELETE FROM sessions WHERE user_id IN (\
                   SELECT id FROM users WHERE account_id = $1 \
                   UNION SELECT user_id FROM memberships WHERE account_id = $1) \
               AND NOT EXISTS (SELECT 1 FROM users u JOIN accounts a ON a.id = u.account_id \
                               WHERE u.id = sessions.user_id AND a.closed_at IS NULL) \
               AND NOT EXISTS (SELECT 1 FROM memberships m JOIN accounts a ON a.id = m.account_id \
                               WHERE m.user_id = sessions.user_id AND a.closed_at IS NULL)";
    diesel::sql_query(sql)
        .bind::<Text, _>(account_id)
        .execute(transaction.modify())?;
    Ok(())
}

/// Deletes up to `limit` sessions that expired before `before`; returns how many.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn purge(database: &mut Database, before: Timestamp, limit: i64) -> Result<usize, StoreError> {
    let sql = "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)";
    Ok(diesel::sql_query(sql)
        .bind::<BigInt, _>(before)
        .bind::<BigInt, _>(limit)
        .execute(database)?)
}
