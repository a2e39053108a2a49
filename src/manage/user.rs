//! Users: the people of an account, and the operators.

use std::sync::Arc;

use serde::Serialize;

use super::actor::{Permit, UsersRead, UsersWrite};
use super::rights::Rights;
use super::{account, invalid, not_found};
use crate::clock::Timestamp;
use crate::crypto::password::Password;
pub use crate::crypto::password::Passwords;
use crate::error::{Code, Error};
use crate::store::audit::Action;
use crate::store::invitation::{self, Invitation};
pub use crate::store::user::Role;
use crate::store::user::{self, User};
use crate::store::{Database, Store, Transaction, cluster_settings, session};

/// A user as management shows it.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[expect(missing_docs, reason = "the columns say it")]
pub struct UserView {
    pub id: String,
    pub email: String,
    pub role: Role,
    pub account: Option<String>,
    pub has_password: bool,
    pub has_second_factor: bool,
    /// Until when the link is good by which the user can set a password.
    pub invited_until: Option<Timestamp>,
    pub created_at: Timestamp,
}

impl UserView {
    fn new(user: User, invitation: Option<&Invitation>) -> Self {
        UserView {
            id: user.id,
            email: user.email,
            role: user.role,
            account: user.account_id,
            has_password: user.password_hash.is_some(),
            has_second_factor: user.totp_sealed.is_some(),
            invited_until: invitation.map(|invitation| invitation.expires_at),
            created_at: user.created_at,
        }
    }
}

/// The longest address, in bytes (RFC 5321 section 4.5.3.1.3, without the brackets).
pub(super) const MAX_EMAIL: usize = 254;

pub(crate) fn check_email(email: &str) -> Result<String, Error> {
    let email = email.to_lowercase();
    let parts = email
        .split_once('@')
        .filter(|(name, host)| !name.is_empty() && host.contains('.') && !host.contains('@'));
    let printable = email.len() <= MAX_EMAIL && email.bytes().all(|byte| byte.is_ascii_graphic());
    if parts.is_some() && printable {
        Ok(email)
    } else {
        Err(invalid("That is no e-mail address")
            .phrase("email-unusable", [])
            .field("email"))
    }
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
) -> Result<UserView, Error> {
    let now = permit.now();
    let email = check_email(email)?;
    permit.check_role(role)?;
    if role == Role::Operator && account.is_some() {
        return Err(invalid("An operator belongs to no account"));
    }
    store
        .write(now, move |transaction| {
            permit.ensure_first_use(transaction)?;
            if let Some(user) = user::find(transaction.database(), &email)? {
                return Err(taken(&permit, &user));
            }
            let account_id = match role {
                Role::Operator => None,
                _ => Some(account::resolve(transaction, &permit, account.as_deref())?.id),
            };
            let user = User::new(email.clone(), role, account_id, now);
            user::insert(transaction, &user)?;
            permit.audit(
                transaction,
                Action::UserCreate,
                user.account_id.as_deref(),
                &user.email,
            )?;
            Ok(UserView::new(user, None))
        })
        .await
}

/// A person signs in with one address, whatever the account. Whose an address is that another account
/// uses, and whether anybody's, is not said; that it cannot be used has to be.
fn taken(permit: &Permit<UsersWrite>, user: &User) -> Error {
    let refused = if permit.can_access(user.account_id.as_deref().unwrap_or_default()) {
        Error::new(
            Code::Conflict,
            format!("There is a user {} already", user.email),
        )
        .phrase("email-taken", [])
    } else {
        Error::new(
            Code::Conflict,
            "This e-mail address cannot be used here; ask an operator",
        )
        .phrase("email-reserved", [])
    };
    refused.field("email")
}

/// Makes an operator with a password, within a change that makes more.
pub(crate) fn insert_operator(
    transaction: &mut Transaction<'_>,
    permit: &Permit<UsersWrite>,
    email: &str,
    password_hash: String,
) -> Result<(), Error> {
    let mut user = User::new(email.to_owned(), Role::Operator, None, permit.now());
    user.password_hash = Some(password_hash);
    user::insert(transaction, &user)?;
    permit.audit(transaction, Action::UserCreate, None, &user.email)
}

/// All of them that are within reach.
///
/// # Errors
/// Where the database gave no answer.
pub async fn list(store: &Arc<Store>, permit: Permit<UsersRead>) -> Result<Vec<UserView>, Error> {
    let account = permit.account().map(str::to_owned);
    store
        .report(account.as_deref(), move |database| {
            let invitations = invitation::list(database)?;
            let view = |user: User| {
                let invited = invitations
                    .iter()
                    .find(|invitation| invitation.user_id == user.id);
                UserView::new(user, invited)
            };
            Ok(user::list(database, permit.account())?
                .into_iter()
                .map(view)
                .collect())
        })
        .await
}

/// A password that the user with this e-mail address chose, where it is not easy to guess.
pub(super) async fn usable_password(
    store: &Arc<Store>,
    text: String,
    email: &str,
) -> Result<Password, Error> {
    let issuer = store
        .read(cluster_settings::find)
        .await?
        .map(|cluster| cluster.issuer);
    let related = [email, issuer.as_deref().unwrap_or_default()];
    Password::choose(text, &related)
        .map_err(|weakness| invalid(weakness.description()).phrase(weakness.message(), []))
}

/// Sets a user's password; the user's sessions end.
///
/// # Errors
/// No such user; an unusable password.
pub async fn set_password(
    store: &Arc<Store>,
    passwords: &Passwords,
    permit: Permit<UsersWrite>,
    email: &str,
    password: String,
) -> Result<UserView, Error> {
    let password = usable_password(store, password, email)
        .await
        .map_err(|error| error.field("password"))?;
    let hash = passwords.hash(password).await?;
    edit(
        store,
        permit,
        email,
        Action::UserSetPassword,
        move |transaction, user| {
            user.password_hash = Some(hash.clone());
            user.wrong_codes = 0;
            invitation::delete(transaction, &user.id)?;
            Ok(session::delete_all(transaction, &user.id, None)?)
        },
    )
    .await
}

/// Changes what a user is, within an account. What the user may changes with the next request.
///
/// # Errors
/// No such user; the actor's own role; an operator's.
pub async fn set_role(
    store: &Arc<Store>,
    permit: Permit<UsersWrite>,
    email: &str,
    role: Role,
) -> Result<UserView, Error> {
    let actor = permit.actor().to_owned();
    let giver = permit.clone();
    edit(
        store,
        permit,
        email,
        Action::UserSetRole,
        move |transaction, user| {
            check_not_self(&actor, user)?;
            if (role == Role::Operator) != (user.role == Role::Operator) {
                return Err(Error::new(
                    Code::Conflict,
                    "An operator belongs to no account: delete the user and make another",
                )
                .phrase("operator-role", [])
                .field("role"));
            }
            giver.check_role(role)?;
            // Whoever made a link may have fewer rights than the user has from now on.
            let link = invitation::find_of_user(transaction.database(), &user.id)?;
            if link.is_some_and(|link| {
                Rights::of_role(role).difference(Rights::in_scope(&link.rights))
                    != Rights::default()
            }) {
                invitation::delete(transaction, &user.id)?;
            }
            user.role = role;
            Ok(())
        },
    )
    .await
}

async fn edit(
    store: &Arc<Store>,
    permit: Permit<UsersWrite>,
    email: &str,
    action: Action,
    change: impl Fn(&mut Transaction<'_>, &mut User) -> Result<(), Error> + Send + 'static,
) -> Result<UserView, Error> {
    let email = email.to_owned();
    store
        .write(permit.now(), move |transaction| {
            let mut user = within_power(transaction.database(), &permit, &email)?;
            change(transaction, &mut user)?;
            user::update(transaction, &user)?;
            permit.audit(transaction, action, user.account_id.as_deref(), &user.email)?;
            let invited = invitation::find_of_user(transaction.database(), &user.id)?;
            Ok(UserView::new(user, invited.as_ref()))
        })
        .await
}

/// An account whose only administrator steps down by a slip has nobody to put it right.
pub(super) fn check_not_self(actor: &str, user: &User) -> Result<(), Error> {
    if actor == format!("user {}", user.email) {
        let refused = Error::new(Code::Conflict, "This is yourself: let somebody else do it");
        return Err(refused.phrase("not-yourself", []));
    }
    Ok(())
}

/// Deletes a user.
///
/// # Errors
/// No such user.
pub async fn delete(
    store: &Arc<Store>,
    permit: Permit<UsersWrite>,
    email: &str,
) -> Result<(), Error> {
    let email = email.to_owned();
    store
        .write(permit.now(), move |transaction| {
            let user = within_power(transaction.database(), &permit, &email)?;
            check_not_self(permit.actor(), &user)?;
            user::delete(transaction, &user.id)?;
            permit.audit(
                transaction,
                Action::UserDelete,
                user.account_id.as_deref(),
                &user.email,
            )
        })
        .await
}

/// The user of this address or id, for who wants to change, take over or delete it: within reach, and
/// without rights that the actor has not. An operator is within the reach of operators alone.
pub(super) fn within_power(
    database: &mut Database,
    permit: &Permit<UsersWrite>,
    email: &str,
) -> Result<User, Error> {
    let found = user::find(database, email)?
        .filter(|user| permit.can_access(user.account_id.as_deref().unwrap_or_default()));
    let user = found.ok_or_else(|| not_found("user", email))?;
    match permit.check_role(user.role) {
        Ok(()) => Ok(user),
        Err(_) => Err(
            Error::new(Code::AccessDenied, "The user has rights that you have not")
                .phrase("user-beyond-you", []),
        ),
    }
}
