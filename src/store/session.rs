//! Session: a browser in which a user has signed in to the portal.

use std::str::FromStr;

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::schema::sessions;
use super::{Database, StoreError, Transaction};
use crate::clock::Timestamp;

/// What the user has proven so far.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    diesel::expression::AsExpression,
    diesel::deserialize::FromSqlRow,
)]
#[diesel(sql_type = diesel::sql_types::Text)]
pub enum Proven {
    /// The password, and the second factor is still to come.
    Password,
    /// All that is asked for.
    All,
}

impl Proven {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Proven::Password => "password",
            Proven::All => "all",
        }
    }
}

impl FromStr for Proven {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = [Proven::Password, Proven::All]
            .into_iter()
            .find(|proven| proven.as_str() == text);
        found.ok_or_else(|| format!("nothing is proven by {text:?}"))
    }
}

/// A row of `sessions`.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
pub struct Session {
    /// The id inside the cookie.
    pub id: String,
    /// Whose it is.
    pub user_id: String,
    /// Argon2id of the cookie, as a PHC string.
    pub hash: String,
    /// What the user has proven.
    pub proven: Proven,
    /// Whence it began.
    pub address: String,
    /// What the browser calls itself.
    pub agent: String,
    /// When the user signed in.
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    pub last_seen_at: Timestamp,
    /// When it ends, used or not.
    pub expires_at: Timestamp,
    /// How many wrong codes of the second factor were entered in it.
    pub wrong_codes: i64,
}

/// By its id.
///
/// # Errors
/// Where the database gave no answer.
pub fn find(database: &mut Database, id: &str) -> Result<Option<Session>, StoreError> {
    Ok(sessions::table
        .find(id)
        .select(Session::as_select())
        .first(database)
        .optional()?)
}

/// Those of a user, the newest first, ended ones too.
///
/// # Errors
/// Where the database gave no answer.
pub fn list(database: &mut Database, user_id: &str) -> Result<Vec<Session>, StoreError> {
    let own = sessions::table.filter(sessions::user_id.eq(user_id));
    Ok(own
        .order((sessions::created_at.desc(), sessions::id))
        .select(Session::as_select())
        .load(database)?)
}

/// Adds one.
///
/// # Errors
/// Where the database gave no answer.
pub fn insert(transaction: &mut Transaction<'_>, session: &Session) -> Result<(), StoreError> {
    diesel::insert_into(sessions::table)
        .values(session)
        .execute(transaction.modify())?;
    Ok(())
}

/// Counts a wrong code of the second factor.
///
/// # Errors
/// Where the database gave no answer.
pub fn add_wrong_code(transaction: &mut Transaction<'_>, id: &str) -> Result<(), StoreError> {
    let counted = diesel::update(sessions::table.find(id))
        .set(sessions::wrong_codes.eq(sessions::wrong_codes + 1));
    counted.execute(transaction.modify())?;
    Ok(())
}

/// Writes when it was last used.
///
/// # Errors
/// Where the database gave no answer.
pub fn note_seen(database: &mut Database, id: &str, now: Timestamp) -> Result<(), StoreError> {
    diesel::update(sessions::table.find(id))
        .set(sessions::last_seen_at.eq(now))
        .execute(database)?;
    Ok(())
}

/// Ends one; nothing happens where it has ended already.
///
/// # Errors
/// Where the database gave no answer.
pub fn delete(transaction: &mut Transaction<'_>, id: &str) -> Result<(), StoreError> {
    diesel::delete(sessions::table.find(id)).execute(transaction.modify())?;
    Ok(())
}

/// Ends all of a user's, save one where one is named.
///
/// # Errors
/// Where the database gave no answer.
pub fn delete_all(
    transaction: &mut Transaction<'_>,
    user_id: &str,
    save: Option<&str>,
) -> Result<(), StoreError> {
    let own = sessions::table
        .filter(sessions::user_id.eq(user_id))
        .filter(sessions::id.ne(save.unwrap_or_default()));
    diesel::delete(own).execute(transaction.modify())?;
    Ok(())
}

/// Removes up to `limit` that have ended by `moment`; tells how many.
///
/// # Errors
/// Where the database gave no answer.
pub fn purge(database: &mut Database, moment: Timestamp, limit: i64) -> Result<usize, StoreError> {
    let sentence = "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)";
    Ok(diesel::sql_query(sentence)
        .bind::<BigInt, _>(moment)
        .bind::<BigInt, _>(limit)
        .execute(database)?)
}
