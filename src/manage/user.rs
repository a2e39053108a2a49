//! Users: the people who sign in to the portal, in an account or as operators.

use std::sync::Arc;

use serde::Serialize;

use super::actor::{ActorName, Permit, UsersRead, UsersWrite};
use super::membership::{Found, check_actor};
use super::rights::Rights;
use super::{account, account_invitation, has_nul, invalid, mail, second_factor};
use crate::clock::TimeZone;
use crate::crypto::password::Password;
pub use crate::crypto::password::Passwords;
use crate::error::{Error, refusal};
use crate::secret::SecretString;
use crate::store::audit::Action;
use crate::store::invitation;
pub use crate::store::language::Language;
pub use crate::store::user::Role;
use crate::store::user::{self, User};
use crate::store::{Database, Store, Transaction, cluster_settings, membership, session};

mod removal;
mod view;

pub use removal::{Removal, delete, removal};
pub use view::{UserAccount, UserView};
use view::{view, views};

/// How the portal is shown to a user, and what e-mail the user gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Preferences {
    /// The language of the portal; that of the browser if null.
    pub language: Option<Language>,
    /// The time zone of the times in the portal.
    pub time_zone: TimeZone,
    /// Whether the user gets e-mail about secrets and API keys, and about sign-ins with a new browser.
    pub email_notices: bool,
}

impl Preferences {
    /// The preferences of a user. A time zone that the database of this version does not have stands
    /// for UTC.
    pub(super) fn of(user: &User) -> Self {
        let zone = user.time_zone.as_deref();
        Preferences {
            language: user.language,
            time_zone: zone
                .and_then(|name| name.parse().ok())
                .unwrap_or(TimeZone::UTC),
            email_notices: user.email_notices,
        }
    }
}

/// Changes of a user's preferences. Absent members stay unchanged.
#[derive(Clone, Debug, Default)]
pub struct PreferencesPatch {
    /// The new language; that of the browser if the inner one is absent.
    pub language: Option<Option<Language>>,
    /// The new time zone.
    pub time_zone: Option<TimeZone>,
    /// Whether to get e-mail about credentials and sign-ins.
    pub email_notices: Option<bool>,
}

impl PreferencesPatch {
    /// Whether it changes nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.language.is_none() && self.time_zone.is_none() && self.email_notices.is_none()
    }

    /// Changes the row. Returns whether this turns the notices off.
    pub(super) fn apply(&self, user: &mut User) -> bool {
        let before = user.email_notices;
        if let Some(language) = self.language {
            user.language = language;
        }
        if let Some(zone) = &self.time_zone {
            user.time_zone = (!zone.is_utc()).then(|| zone.name().to_owned());
        }
        if let Some(email_notices) = self.email_notices {
            user.email_notices = email_notices;
        }
        before && !user.email_notices
    }
}

/// The maximum length of an email address, in bytes (RFC 5321 section 4.5.3.1.3, without the
/// brackets).
pub(super) const MAX_EMAIL: usize = 254;

/// The address in lower case.
///
/// # Errors
/// `invalid_request` if it is not an email address.
pub(crate) fn check_email(email: &str) -> Result<String, Error> {
    let email = email.to_lowercase();
    let parts = email
        .split_once('@')
        .filter(|(name, host)| !name.is_empty() && host.contains('.') && !host.contains('@'));
    let printable = email.len() <= MAX_EMAIL && email.bytes().all(|byte| byte.is_ascii_graphic());
    if parts.is_none() || !printable {
        return Err(refusal::email_invalid().field("email"));
    }
    Ok(email)
}

/// Creates a user without a password.
///
/// # Errors
/// `invalid_request` for an invalid address; `conflict` if the address is taken; `access_denied`
/// for a role with rights that the actor does not have.
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
        return Err(invalid("An operator does not belong to an account"));
    }
    store
        .write(now, move |transaction| {
            permit.ensure_first_use(transaction)?;
            check_actor(transaction.database(), &permit)?;
            let account_id = match role {
                Role::Operator => None,
                _ => Some(account::resolve(transaction, &permit, account.as_deref())?.id),
            };
            if let Some(user) = user::find(transaction.database(), &email)? {
                let database = transaction.database();
                let taken = address_taken(database, &permit, &user, account_id.as_deref())?;
                return Err(taken.field("email"));
            }
            let user = User::new(email.clone(), role, account_id.clone(), now);
            user::insert(transaction, &user)?;
            permit.audit(
                transaction,
                Action::UserCreate,
                account_id.as_deref(),
                &user.email,
            )?;
            view(transaction.database(), &permit, user)
        })
        .await
}

/// The error for an address that another user has, who cannot be created in the account.
pub(super) fn address_taken(
    database: &mut Database,
    permit: &Permit<UsersWrite>,
    user: &User,
    account_id: Option<&str>,
) -> Result<Error, Error> {
    if user.is_operator() {
        return Ok(match permit.is_operator() {
            true => refusal::user_exists(&user.email),
            false => refusal::email_reserved(),
        });
    }
    let memberships = membership::of_user(database, user)?;
    let is_member = |id: &str| memberships.iter().any(|own| own.account_id == id);
    Ok(match account_id {
        Some(id) if !is_member(id) => refusal::user_elsewhere(),
        _ => refusal::user_exists(&user.email),
    })
}

/// Creates an operator with a password, within a larger transaction.
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

/// How many users are read at a time.
const PAGE: i64 = 1000;

/// The users that the actor can see, by e-mail address.
///
/// # Errors
/// `temporarily_unavailable` if the database cannot be reached.
pub async fn list(store: &Arc<Store>, permit: Permit<UsersRead>) -> Result<Vec<UserView>, Error> {
    let account = permit.account().map(str::to_owned);
    store
        .report(account.as_deref(), move |database| {
            let mut users: Vec<UserView> = Vec::new();
            loop {
                let after = users.last().map(|user| user.email.as_str());
                let page = user::search(database, permit.account(), "", after, PAGE)?;
                if page.is_empty() {
                    return Ok(users);
                }
                users.extend(views(database, &permit, page)?);
            }
        })
        .await
}

/// Up to `limit` users that the actor can see by e-mail address, starting after the address `after`:
/// all of them, or those whose address begins with `text`.
///
/// # Errors
/// `temporarily_unavailable` if the database cannot be reached.
pub async fn search(
    store: &Arc<Store>,
    permit: Permit<UsersRead>,
    text: Option<String>,
    after: Option<String>,
    limit: i64,
) -> Result<Vec<UserView>, Error> {
    if [&text, &after].into_iter().any(has_nul) {
        return Ok(Vec::new());
    }
    let account = permit.account().map(str::to_owned);
    store
        .report(account.as_deref(), move |database| {
            let account = permit.account();
            let text = text.as_deref().unwrap_or_default();
            let users = user::search(database, account, text, after.as_deref(), limit)?;
            views(database, &permit, users)
        })
        .await
}

/// The user with this id.
///
/// # Errors
/// `not_found` if the actor cannot see such a user.
pub async fn show(
    store: &Arc<Store>,
    permit: Permit<UsersRead>,
    id: &str,
) -> Result<UserView, Error> {
    let id = id.to_owned();
    store
        .read(move |database| {
            let found = Found::visible(database, &permit, &id)?;
            let found = found.filter(|found| found.user.id == id);
            let found = found.ok_or_else(refusal::user_unknown)?;
            view(database, &permit, found.user)
        })
        .await
}

/// A new password, checked for strength. The user's address and the issuer count as easy to guess.
///
/// # Errors
/// `invalid_request` if the password is too weak.
pub(super) async fn usable_password(
    store: &Arc<Store>,
    password: SecretString,
    email: &str,
) -> Result<Password, Error> {
    let issuer = store
        .read(cluster_settings::find)
        .await?
        .map(|cluster| cluster.issuer);
    let related = [email, issuer.as_deref().unwrap_or_default()];
    Ok(Password::choose(password, &related)?)
}

/// Sets a user's password and ends the user's sessions.
///
/// # Errors
/// `not_found`; `invalid_request` if the password is too weak.
pub async fn set_password(
    store: &Arc<Store>,
    passwords: &Passwords,
    permit: Permit<UsersWrite>,
    email: &str,
    password: SecretString,
) -> Result<UserView, Error> {
    let password = usable_password(store, password, email)
        .await
        .map_err(|error| error.field("password"))?;
    let hash = passwords.hash(password).await?;
    update(
        store,
        permit,
        email,
        Action::UserSetPassword,
        move |transaction, user| {
            user.password_hash = Some(hash.clone());
            user.wrong_codes = 0;
            invitation::delete_all_links(transaction, &user.id)?;
            Ok(session::delete_all(transaction, &user.id, None)?)
        },
    )
    .await
}

/// Changes a user's role in an account: the one with the id or name `account`, else the actor's own, else
/// the user's only one. Takes effect with the user's next request.
///
/// # Errors
/// `not_found`; `conflict` for the actor's own role, and for a change from or to operator;
/// `access_denied` for a role with rights that the actor does not have; `invalid_request` if the user has
/// several accounts, and none is named.
pub async fn set_role(
    store: &Arc<Store>,
    permit: Permit<UsersWrite>,
    email: &str,
    role: Role,
    account: Option<String>,
) -> Result<UserView, Error> {
    let email = email.to_owned();
    store
        .write(permit.now(), move |transaction| {
            let database = transaction.database();
            let account_id = account::filter(database, &permit, account.as_deref())?;
            let (found, membership) =
                Found::member(database, &permit, &email, account_id.as_deref())?;
            let user = found.user;
            check_not_self(permit.actor(), &user)?;
            if (role == Role::Operator) != user.is_operator() {
                return Err(refusal::operator_has_no_account().field("role"));
            }
            permit.check_role(role)?;
            // The creator of a pending link may have fewer rights than the user will have.
            let link = invitation::find_of_user(transaction.database(), &user.id)?;
            if link.is_some_and(|link| {
                Rights::of_role(role).difference(Rights::in_scope(&link.rights))
                    != Rights::default()
            }) {
                invitation::delete(transaction, &user.id)?;
            }
            if let Some(membership) = &membership {
                membership::set_role(transaction, membership, role)?;
            }
            let account_id = membership.as_ref().map(|own| own.account_id.as_str());
            permit.audit(transaction, Action::UserSetRole, account_id, &user.email)?;
            account_invitation::end_those_of_user(transaction, permit.recorder(), &user)?;
            let changed = user::find(transaction.database(), &user.id)?;
            let changed = changed.ok_or_else(refusal::user_unknown)?;
            view(transaction.database(), &permit, changed)
        })
        .await
}

/// Changes how the portal is shown to a user, and what e-mail the user gets.
///
/// # Errors
/// `not_found`; `invalid_request` for an empty patch; `access_denied` if the user has rights that the
/// actor does not have.
pub async fn set_preferences(
    store: &Arc<Store>,
    permit: Permit<UsersWrite>,
    email: &str,
    change: PreferencesPatch,
) -> Result<UserView, Error> {
    if change.is_empty() {
        return Err(invalid("Change language, time_zone or email_notices"));
    }
    let recorder = permit.recorder().clone();
    update(
        store,
        permit,
        email,
        Action::UserSetPreferences,
        move |transaction, user| {
            if change.apply(user) {
                mail::notices_turned_off(transaction, user, &recorder)?;
            }
            Ok(())
        },
    )
    .await
}

/// Changes a user row and records `action`, in one transaction.
async fn update(
    store: &Arc<Store>,
    permit: Permit<UsersWrite>,
    email: &str,
    action: Action,
    change: impl Fn(&mut Transaction<'_>, &mut User) -> Result<(), Error> + Send + 'static,
) -> Result<UserView, Error> {
    let email = email.to_owned();
    store
        .write(permit.now(), move |transaction| {
            let mut found = Found::manageable(transaction.database(), &permit, &email)?;
            change(transaction, &mut found.user)?;
            user::update(transaction, &found.user)?;
            found.audit(transaction, &permit, action)?;
            view(transaction.database(), &permit, found.user)
        })
        .await
}

/// Rejects a change that users must not make to themselves: an account's only administrator could
/// lock everybody out by mistake.
pub(super) fn check_not_self(actor: &str, user: &User) -> Result<(), Error> {
    if ActorName::parse(actor) == ActorName::User(&user.email) {
        return Err(refusal::own_user());
    }
    Ok(())
}

/// Removes a user's second factor and ends the user's sessions, for somebody who lost both the
/// device and the recovery codes.
///
/// # Errors
/// `not_found`; `conflict` for the actor's own user; `access_denied` if the user has rights that
/// the actor does not have.
pub async fn reset_second_factor(
    store: &Arc<Store>,
    permit: Permit<UsersWrite>,
    email: &str,
) -> Result<(), Error> {
    let email = email.to_owned();
    store
        .write(permit.now(), move |transaction| {
            let mut found = Found::manageable(transaction.database(), &permit, &email)?;
            // Users prove a code to remove their own, so that an unlocked computer is not enough.
            check_not_self(permit.actor(), &found.user)?;
            second_factor::clear(&mut found.user);
            user::update(transaction, &found.user)?;
            session::delete_all(transaction, &found.user.id, None)?;
            found.audit(transaction, &permit, Action::UserResetSecondFactor)
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn email_addresses_are_checked_and_lowercased() {
        let longest = format!("{}@acme.example", "a".repeat(MAX_EMAIL - 13));
        let too_long = format!("a{longest}");
        for (typed, checked) in [
            ("Ada@Acme.example", Some("ada@acme.example")),
            ("ada+keys@acme.co.uk", Some("ada+keys@acme.co.uk")),
            (longest.as_str(), Some(longest.as_str())),
            (too_long.as_str(), None),
            ("ada", None),
            ("@acme.example", None),
            ("ada@acme", None),
            ("ada@acme@acme.example", None),
            ("ada @acme.example", None),
            ("adà@acme.example", None),
            ("", None),
        ] {
            assert_eq!(check_email(typed).ok().as_deref(), checked, "{typed:?}");
        }
    }
}
