//! User: a person who signs in to the portal, with a role in an account; an operator has none and
//! sees every account.

use std::fmt;
use std::str::FromStr;

use diesel::prelude::*;
use serde::{Serialize, Serializer};

use super::schema::{invitations, sessions, users};
use super::{Database, StoreError, Transaction};
use crate::clock::Timestamp;
use crate::credential::new_id;

/// What a user is.
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
pub enum Role {
    /// Runs Keyward.
    Operator,
    /// All within the account.
    Administrator,
    /// Clients, secrets and keys of the account.
    Developer,
    /// Sees the clients, and neither secrets nor keys.
    Viewer,
}

impl Role {
    const ALL: [Role; 4] = [
        Role::Operator,
        Role::Administrator,
        Role::Developer,
        Role::Viewer,
    ];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Operator => "operator",
            Role::Administrator => "administrator",
            Role::Developer => "developer",
            Role::Viewer => "viewer",
        }
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = Role::ALL.map(Role::as_str).join(", ");
        Role::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| format!("the roles are {names}"))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<'de> serde::Deserialize<'de> for Role {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Role {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Role".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "enum": Role::ALL.map(Role::as_str)})
    }
}

impl Serialize for Role {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A row of `users`.
#[derive(Clone, Debug, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(treat_none_as_null = true)]
pub struct User {
    /// Made by Keyward.
    pub id: String,
    /// Whose; none for an operator.
    pub account_id: Option<String>,
    /// What the user signs in with; unique, in small letters.
    pub email: String,
    /// What the user is.
    pub role: Role,
    /// Argon2id at OWASP's cost, as a PHC string; none until a password is set.
    pub password_hash: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// The secret of the second factor (RFC 6238), sealed with the key file; none where there is none.
    pub totp_sealed: Option<String>,
    /// The last time step whose code was taken: each code serves once.
    pub totp_last_step: i64,
    /// Argon2id of the recovery codes that are left, as PHC strings with a space between.
    pub recovery_hashes: String,
    /// How many wrong codes of the second factor were entered in a row.
    pub wrong_codes: i64,
    /// How many of them since the user last signed in, to tell the user.
    pub wrong_codes_since_sign_in: i64,
}

impl User {
    /// A new one, who cannot sign in yet.
    pub fn new(email: String, role: Role, account_id: Option<String>, now: Timestamp) -> Self {
        User {
            id: new_id(),
            account_id,
            email,
            role,
            password_hash: None,
            created_at: now,
            totp_sealed: None,
            totp_last_step: 0,
            recovery_hashes: String::new(),
            wrong_codes: 0,
            wrong_codes_since_sign_in: 0,
        }
    }
}

/// By the e-mail address, or the id.
///
/// # Errors
/// Where the database gave no answer.
pub fn find(database: &mut Database, email_or_id: &str) -> Result<Option<User>, StoreError> {
    // Nobody has such a name, and Postgres takes no NUL.
    if email_or_id.contains('\0') {
        return Ok(None);
    }
    let email = email_or_id.to_lowercase();
    let named = users::table.filter(users::email.eq(email).or(users::id.eq(email_or_id)));
    Ok(named.select(User::as_select()).first(database).optional()?)
}

/// By the e-mail address alone, in small letters: what a user signs in with.
///
/// # Errors
/// Where the database gave no answer.
pub fn find_by_email(database: &mut Database, email: &str) -> Result<Option<User>, StoreError> {
    if email.contains('\0') {
        return Ok(None);
    }
    Ok(users::table
        .filter(users::email.eq(email))
        .select(User::as_select())
        .first(database)
        .optional()?)
}

/// All of them, or those of one account, by e-mail address.
///
/// # Errors
/// Where the database gave no answer.
pub fn list(database: &mut Database, account_id: Option<&str>) -> Result<Vec<User>, StoreError> {
    let all = users::table.order(users::email).select(User::as_select());
    Ok(match account_id {
        Some(account_id) => all
            .filter(users::account_id.eq(account_id))
            .load(database)?,
        None => all.load(database)?,
    })
}

/// Whether there is any.
///
/// # Errors
/// Where the database gave no answer.
pub fn any(database: &mut Database) -> Result<bool, StoreError> {
    Ok(users::table
        .select(users::id)
        .first::<String>(database)
        .optional()?
        .is_some())
}

/// Adds one; the e-mail address must be free.
///
/// # Errors
/// Where the database gave no answer.
pub fn insert(transaction: &mut Transaction<'_>, user: &User) -> Result<(), StoreError> {
    diesel::insert_into(users::table)
        .values(user)
        .execute(transaction.modify())?;
    Ok(())
}

/// Writes all of its columns.
///
/// # Errors
/// Where the database gave no answer.
pub fn update(transaction: &mut Transaction<'_>, user: &User) -> Result<(), StoreError> {
    diesel::update(users::table.find(&user.id))
        .set(user)
        .execute(transaction.modify())?;
    Ok(())
}

/// Removes one, with the sessions and the invitation.
///
/// # Errors
/// Where the database gave no answer.
pub fn delete(transaction: &mut Transaction<'_>, id: &str) -> Result<(), StoreError> {
    diesel::delete(sessions::table.filter(sessions::user_id.eq(id)))
        .execute(transaction.modify())?;
    diesel::delete(invitations::table.filter(invitations::user_id.eq(id)))
        .execute(transaction.modify())?;
    diesel::delete(users::table.find(id)).execute(transaction.modify())?;
    Ok(())
}
