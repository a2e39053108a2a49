//! Account: a partner organisation; it owns clients.

use diesel::prelude::*;
use serde::Serialize;
use strum::{EnumString, IntoStaticStr};

use super::audit::{Action, Recorder};
use super::schema::accounts;
use super::{Database, StoreError, Transaction};
use crate::clock::Timestamp;
use crate::credential::new_id;

/// What an account is for.
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
pub enum AccountKind {
    /// The account of a partner.
    Partner,
    /// The one account of the clients that resource servers introspect with.
    ResourceServers,
    /// The one account of the clients that registered without an initial access token.
    OpenRegistration,
}

impl AccountKind {
    /// The value in the database.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The name that Keyward gives to an account of this kind.
    const fn default_name(self) -> &'static str {
        match self {
            AccountKind::Partner => "Default",
            AccountKind::ResourceServers => "Resource servers",
            AccountKind::OpenRegistration => "Open registration",
        }
    }
}

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
    /// What the account is for.
    #[serde(skip)]
    pub kind: AccountKind,
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
            kind: AccountKind::Partner,
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

/// Returns the account of this kind, and creates it, with an entry in the audit, if there is none. A
/// partner's account may have taken the usual name; the new account then gets a number.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn find_or_create(
    transaction: &mut Transaction<'_>,
    recorder: &Recorder,
    kind: AccountKind,
) -> Result<Account, StoreError> {
    let existing = accounts::table
        .filter(accounts::kind.eq(kind))
        .select(Account::as_select())
        .first(transaction.database)
        .optional()?;
    if let Some(account) = existing {
        return Ok(account);
    }
    let mut name = kind.default_name().to_owned();
    let mut number = 1;
    while find(transaction.database, &name)?.is_some() {
        number += 1;
        name = format!("{} {number}", kind.default_name());
    }
    let account = Account {
        kind,
        ..Account::new(&name, recorder.now())
    };
    insert(transaction, &account)?;
    let id = &account.id;
    recorder.record(transaction, Action::AccountCreate, Some(id), id)?;
    Ok(account)
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
