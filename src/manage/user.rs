//! Users: the people of an account, and the operators.

use std::sync::Arc;

use serde::Serialize;

use super::actor::{Permit, UsersRead, UsersWrite};
use super::{account, invalid, not_found};
use crate::clock::Timestamp;
use crate::credential::new_id;
use crate::error::{Code, Error};
use crate::guard::Password;
use crate::store::user::{self, Role, User};
use crate::store::{Database, Store, Transaction};

/// A user as management shows it.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[expect(missing_docs, reason = "the columns say it")]
pub struct UserView {
    pub id: String,
    pub email: String,
    pub role: Role,
    pub account: Option<String>,
    pub has_password: bool,
    pub created_at: Timestamp,
}

impl From<User> for UserView {
    fn from(user: User) -> Self {
        UserView {
            id: user.id,
            email: user.email,
            role: user.role,
            account: user.account_id,
            has_password: user.password_hash.is_some(),
            created_at: user.created_at,
        }
    }
}

fn check_email(email: &str) -> Result<String, Error> {
    let email = email.to_lowercase();
    let parts = email.split_once('@').filter(|(name, host)| !name.is_empty() && host.contains('.') && !host.contains('@'));
    let printable = email.len() <= 254 && email.bytes().all(|byte| byte.is_ascii_graphic());
    if parts.is_some() && printable { Ok(email) } else { Err(invalid("That is no e-mail address").field("email")) }
}

/// Makes a user, who has no password yet.
///
/// # Errors
/// An unusable address, or one that is taken; a role that the actor cannot give.
pub async fn create(
    store: &Arc<Store>,
    permit: Permit<UsersWrite>,
    email: &str,
    role: Role,
    account: Option<String>,
    now: Timestamp,
) -> Result<UserView, Error> {
    let email = check_email(email)?;
    if role == Role::Operator && permit.account().is_some() {
        return Err(Error::new(Code::AccessDenied, "Only an operator makes operators").field("role"));
    }
    if role == Role::Operator && account.is_some() {
        return Err(invalid("An operator belongs to no account"));
    }
    store
        .write(now, move |transaction| {
            if user::find(transaction.database(), &email)?.is_some() {
                return Err(Error::new(Code::Conflict, format!("There is a user {email} already")).field("email"));
            }
            let account_id = match role {
                Role::Operator => None,
                _ => Some(account::resolve(transaction, &permit, account.as_deref(), now)?.id),
            };
            let user = User { id: new_id(), account_id, email, role, password_hash: None, created_at: now };
            user::insert(transaction, &user)?;
            permit.record(transaction, "user.create", user.account_id.as_deref(), &user.email, now)?;
            Ok(user.into())
        })
        .await
}

/// Makes an operator with a password, within a change that makes more.
pub(crate) fn insert_operator(
    transaction: &mut Transaction<'_>,
    permit: &Permit<UsersWrite>,
    email: &str,
    password_hash: String,
    now: Timestamp,
) -> Result<(), Error> {
    let (id, email) = (new_id(), email.to_owned());
    let password_hash = Some(password_hash);
    let user = User { id, account_id: None, email, role: Role::Operator, password_hash, created_at: now };
    user::insert(transaction, &user)?;
    permit.record(transaction, "user.create", None, &user.email, now)
}

/// All of them that are within reach.
///
/// # Errors
/// Where the database gave no answer.
pub async fn list(store: &Arc<Store>, permit: Permit<UsersRead>) -> Result<Vec<UserView>, Error> {
    let users = store.read(move |database| user::list(database, permit.account())).await?;
    Ok(users.into_iter().map(UserView::from).collect())
}

/// Sets a user's password.
///
/// # Errors
/// No such user; an unusable password.
pub async fn set_password(
    store: &Arc<Store>,
    permit: Permit<UsersWrite>,
    email: &str,
    password: String,
    now: Timestamp,
) -> Result<UserView, Error> {
    let password = Password::new(password).map_err(invalid)?;
    let hashed = tokio::task::spawn_blocking(move || password.hash()).await;
    let hash = hashed.map_err(|error| Error::server_error(error.to_string()))?;
    let email = email.to_owned();
    store
        .write(now, move |transaction| {
            let mut user = within_reach(transaction.database(), &permit, &email)?;
            user.password_hash = Some(hash);
            user::update(transaction, &user)?;
            permit.record(transaction, "user.set_password", user.account_id.as_deref(), &user.email, now)?;
            Ok(user.into())
        })
        .await
}

/// Deletes a user.
///
/// # Errors
/// No such user.
pub async fn delete(store: &Arc<Store>, permit: Permit<UsersWrite>, email: &str, now: Timestamp) -> Result<(), Error> {
    let email = email.to_owned();
    store
        .write(now, move |transaction| {
            let user = within_reach(transaction.database(), &permit, &email)?;
            user::delete(transaction, &user.id)?;
            permit.record(transaction, "user.delete", user.account_id.as_deref(), &user.email, now)
        })
        .await
}

/// An operator is within the reach of operators alone.
fn within_reach(database: &mut Database, permit: &Permit<UsersWrite>, email: &str) -> Result<User, Error> {
    let found = user::find(database, email)?.filter(|user| permit.reaches(user.account_id.as_deref().unwrap_or_default()));
    found.ok_or_else(|| not_found("user", email))
}
