//! Membership: a user in an account, with a role there. Operators have none.
//!
//! The first membership of a user is in the row of the user, which is all that the previous version knows;
//! the table `memberships` has the further ones. Nothing outside the store sees the difference.

use std::collections::BTreeMap;

use diesel::prelude::*;

use super::schema::{memberships, users};
use super::user::{Role, User};
use super::{Database, StoreError, Transaction, mail};
use crate::clock::Timestamp;

/// A user in an account.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
pub struct Membership {
    /// The user.
    pub user_id: String,
    /// The account.
    pub account_id: String,
    /// The role of the user in the account.
    pub role: Role,
    /// Since when the user belongs to the account.
    pub created_at: Timestamp,
}

impl Membership {
    /// The membership in the row of the user.
    fn first(user: &User) -> Option<Self> {
        Some(Membership {
            user_id: user.id.clone(),
            account_id: user.account_id.clone()?,
            role: user.role,
            created_at: user.created_at,
        })
    }
}

/// The memberships of a user, the first one first.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn of_user(database: &mut Database, user: &User) -> Result<Vec<Membership>, StoreError> {
    let mut all = of_users(database, std::slice::from_ref(user))?;
    Ok(all.remove(&user.id).unwrap_or_default())
}

/// The memberships of these users by their ids, the first one of each first.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn of_users(
    database: &mut Database,
    users: &[User],
) -> Result<BTreeMap<String, Vec<Membership>>, StoreError> {
    let ids: Vec<&str> = users.iter().map(|user| user.id.as_str()).collect();
    let further: Vec<Membership> = memberships::table
        .filter(memberships::user_id.eq_any(ids))
        .order((memberships::created_at, memberships::account_id))
        .select(Membership::as_select())
        .load(database)?;
    let mut all: BTreeMap<String, Vec<Membership>> = users
        .iter()
        .map(|user| (user.id.clone(), Vec::from_iter(Membership::first(user))))
        .collect();
    for membership in further {
        if let Some(own) = all.get_mut(&membership.user_id)
            // A node of the previous version may have given the user this account.
            && !own.iter().any(|other| other.account_id == membership.account_id)
        {
            own.push(membership);
        }
    }
    Ok(all)
}

/// Up to `limit` users of an account, in no order.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn members(
    database: &mut Database,
    account_id: &str,
    limit: i64,
) -> Result<Vec<User>, StoreError> {
    let mut found: Vec<User> = users::table
        .filter(users::account_id.eq(account_id))
        .limit(limit)
        .select(User::as_select())
        .load(database)?;
    let further = memberships::table
        .filter(memberships::account_id.eq(account_id))
        .limit(limit)
        .select(memberships::user_id);
    let further: Vec<String> = further.load(database)?;
    let others: Vec<User> = users::table
        .filter(users::id.eq_any(further))
        .select(User::as_select())
        .load(database)?;
    found.extend(others);
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(found)
}

/// Whether an account has an administrator with a password besides this user.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn has_other_administrator(
    database: &mut Database,
    account_id: &str,
    user_id: &str,
) -> Result<bool, StoreError> {
    let others = users::table
        .filter(users::id.ne(user_id))
        .filter(users::password_hash.is_not_null())
        .select(users::id);
    let first = others
        .filter(users::account_id.eq(account_id))
        .filter(users::role.eq(Role::Administrator))
        .first::<String>(database)
        .optional()?;
    if first.is_some() {
        return Ok(true);
    }
    let administrators = memberships::table
        .filter(memberships::account_id.eq(account_id))
        .filter(memberships::role.eq(Role::Administrator))
        .select(memberships::user_id);
    let further = others
        .filter(users::id.eq_any(administrators))
        .first::<String>(database)
        .optional()?;
    Ok(further.is_some())
}

/// Adds a user to a further account.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn insert(
    transaction: &mut Transaction<'_>,
    membership: &Membership,
) -> Result<(), StoreError> {
    diesel::insert_into(memberships::table)
        .values(membership)
        .execute(transaction.modify())?;
    Ok(())
}

/// Changes the role of a user in an account.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn set_role(
    transaction: &mut Transaction<'_>,
    membership: &Membership,
    role: Role,
) -> Result<(), StoreError> {
    let first = users::table
        .find(&membership.user_id)
        .filter(users::account_id.eq(&membership.account_id));
    diesel::update(first)
        .set(users::role.eq(role))
        .execute(transaction.modify())?;
    let further = memberships::table.find((&membership.user_id, &membership.account_id));
    diesel::update(further)
        .set(memberships::role.eq(role))
        .execute(transaction.modify())?;
    Ok(())
}

/// Records that a user uses an account: the next session begins in it.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn set_last(
    transaction: &mut Transaction<'_>,
    user_id: &str,
    account_id: &str,
) -> Result<(), StoreError> {
    diesel::update(users::table.find(user_id))
        .set(users::last_account_id.eq(account_id))
        .execute(transaction.modify())?;
    Ok(())
}

/// Removes a user from an account. The user must belong to another one, which becomes the first if this
/// one was. Sessions that use the account use another one from now on, and its pending notices are not sent.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn delete(
    transaction: &mut Transaction<'_>,
    user: &User,
    account_id: &str,
) -> Result<(), StoreError> {
    let others = of_user(transaction.database(), user)?;
    let next = others.iter().find(|other| other.account_id != account_id);
    if user.account_id.as_deref() == Some(account_id)
        && let Some(next) = next
    {
        diesel::update(users::table.find(&user.id))
            .set((
                users::account_id.eq(&next.account_id),
                users::role.eq(next.role),
            ))
            .execute(transaction.modify())?;
        diesel::delete(memberships::table.find((&user.id, &next.account_id)))
            .execute(transaction.modify())?;
    }
    diesel::delete(memberships::table.find((&user.id, account_id)))
        .execute(transaction.modify())?;
    let last = users::table
        .find(&user.id)
        .filter(users::last_account_id.eq(account_id));
    diesel::update(last)
        .set(users::last_account_id.eq(None::<String>))
        .execute(transaction.modify())?;
    mail::delete_notices(transaction, &user.id, account_id)
}
