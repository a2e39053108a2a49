//! Account: a partner organisation; it owns clients.

use diesel::prelude::*;
use serde::Serialize;

use super::schema::accounts;
use super::{Database, StoreError, Transaction};
use crate::clock::Timestamp;
use crate::credential::new_id;

/// A row of `accounts`.
#[derive(
    Clone, Debug, Queryable, Selectable, Insertable, AsChangeset, Serialize, schemars::JsonSchema,
)]
#[diesel(treat_none_as_null = true)]
pub struct Account {
    /// Made by Keyward.
    pub id: String,
    /// Unique; what people call it.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Whether its users must have a second factor to get into the portal.
    pub requires_second_factor: bool,
    /// How many clients the account's own people and registration can bring it to; the default where
    /// it is null. Operators are not limited.
    pub max_clients: Option<i64>,
}

/// How many clients an account can have that has no number of its own.
pub const DEFAULT_MAX_CLIENTS: i64 = 1000;

impl Account {
    /// How many clients the account can have.
    pub fn client_limit(&self) -> i64 {
        self.max_clients.unwrap_or(DEFAULT_MAX_CLIENTS)
    }

    /// A new one.
    pub fn new(name: &str, now: Timestamp) -> Self {
        Account {
            id: new_id(),
            name: name.to_owned(),
            created_at: now,
            requires_second_factor: false,
            max_clients: None,
        }
    }
}

/// By its id or its name.
///
/// # Errors
/// Where the database gave no answer.
pub fn find(database: &mut Database, id_or_name: &str) -> Result<Option<Account>, StoreError> {
    // Nothing has such a name, and Postgres takes no NUL.
    if id_or_name.contains('\0') {
        return Ok(None);
    }
    let named = accounts::table.filter(
        accounts::id
            .eq(id_or_name)
            .or(accounts::name.eq(id_or_name)),
    );
    // An id wins over an account that took another's id for its name.
    let mut found: Vec<Account> = named.select(Account::as_select()).load(database)?;
    found.sort_by_key(|account| account.id != id_or_name);
    Ok(found.into_iter().next())
}

/// All of them, by name.
///
/// # Errors
/// Where the database gave no answer.
pub fn list(database: &mut Database) -> Result<Vec<Account>, StoreError> {
    Ok(accounts::table
        .order(accounts::name)
        .select(Account::as_select())
        .load(database)?)
}

/// Whether there is any: a new database has none.
///
/// # Errors
/// Where the database gave no answer.
pub fn any(database: &mut Database) -> Result<bool, StoreError> {
    Ok(accounts::table
        .select(accounts::id)
        .first::<String>(database)
        .optional()?
        .is_some())
}

/// Adds one; the name must be free.
///
/// # Errors
/// Where the database gave no answer.
pub fn insert(transaction: &mut Transaction<'_>, account: &Account) -> Result<(), StoreError> {
    diesel::insert_into(accounts::table)
        .values(account)
        .execute(transaction.modify())?;
    Ok(())
}

/// Writes all of its columns.
///
/// # Errors
/// Where the database gave no answer.
pub fn update(transaction: &mut Transaction<'_>, account: &Account) -> Result<(), StoreError> {
    diesel::update(accounts::table.find(&account.id))
        .set(account)
        .execute(transaction.modify())?;
    Ok(())
}
