//! The removal of a user from an account, which deletes a user without another one.

use std::sync::Arc;

use super::check_not_self;
use crate::error::{Error, refusal};
use crate::manage::actor::{Permit, UsersWrite};
use crate::manage::membership::Found;
use crate::manage::{account, account_invitation};
use crate::store::audit::Action;
use crate::store::{Database, Store, Transaction, membership, user};

/// What a removal does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// The user keeps other accounts.
    FromAccount,
    /// The user is deleted.
    Entirely,
}

impl Removal {
    fn of(found: &Found, account_id: Option<&str>) -> Self {
        match (account_id, &found.memberships[..]) {
            (Some(_), [_, _, ..]) => Removal::FromAccount,
            _ => Removal::Entirely,
        }
    }
}

/// The user, and the account to remove the user from; none for an operator who names none.
fn find(
    database: &mut Database,
    permit: &Permit<UsersWrite>,
    email: &str,
    account: Option<&str>,
) -> Result<(Found, Option<String>), Error> {
    let account_id = account::filter(database, permit, account)?;
    let found = match &account_id {
        Some(id) => Found::member(database, permit, email, Some(id))?.0,
        None => Found::manageable(database, permit, email)?,
    };
    check_not_self(permit.actor(), &found.user)?;
    Ok((found, account_id))
}

/// What [`delete`] would do now.
///
/// # Errors
/// Those of [`delete`].
pub async fn removal(
    store: &Arc<Store>,
    permit: Permit<UsersWrite>,
    email: &str,
    account: Option<String>,
) -> Result<Removal, Error> {
    let email = email.to_owned();
    store
        .read(move |database| {
            let (found, account_id) = find(database, &permit, &email, account.as_deref())?;
            Ok(Removal::of(&found, account_id.as_deref()))
        })
        .await
}

/// Removes a user from an account: from the one with the id or name `account`, else from the actor's own.
/// A user without another account is deleted, with the sessions and the invitation link. An operator who
/// names no account deletes the user. Returns what it did.
///
/// # Errors
/// `not_found`; `conflict` for the actor's own user, and if the user would be deleted although only a removal
/// from the account was `confirmed`; `access_denied` if the user has rights that the actor does not have.
pub async fn delete(
    store: &Arc<Store>,
    permit: Permit<UsersWrite>,
    email: &str,
    account: Option<String>,
    confirmed: Option<Removal>,
) -> Result<Removal, Error> {
    let email = email.to_owned();
    store
        .write(permit.now(), move |transaction| {
            let database = transaction.database();
            let (found, account_id) = find(database, &permit, &email, account.as_deref())?;
            let removal = Removal::of(&found, account_id.as_deref());
            if (removal, confirmed) == (Removal::Entirely, Some(Removal::FromAccount)) {
                return Err(refusal::user_would_be_deleted());
            }
            match &account_id {
                Some(id) if removal == Removal::FromAccount => {
                    membership::delete(transaction, &found.user, id)?;
                    let (action, email) = (Action::MembershipDelete, &found.user.email);
                    permit.audit(transaction, action, Some(id), email)?;
                }
                _ => delete_entirely(transaction, &permit, &found)?,
            }
            account_invitation::end_those_of_user(transaction, permit.recorder(), &found.user)?;
            Ok(removal)
        })
        .await
}

/// Deletes a user. The audit of each account of the user says so.
fn delete_entirely(
    transaction: &mut Transaction<'_>,
    permit: &Permit<UsersWrite>,
    found: &Found,
) -> Result<(), Error> {
    user::delete(transaction, &found.user.id)?;
    found.audit(transaction, permit, Action::UserDelete)
}
