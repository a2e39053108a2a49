//! The accounts of a user: which one a session uses, the switch to another one, and leaving one; and
//! which users an actor may manage.

use super::actor::{ActorName, Permit, RightType, UsersWrite};
use super::rights::Rights;
use super::session::{ActiveSession, active_user, recorder};
use super::{AuthorizationServer, account_invitation, not_found};
use crate::error::{Error, refusal};
use crate::request_context::RequestContext;
use crate::store::account::{self, Account};
use crate::store::audit::Action;
use crate::store::membership;
pub use crate::store::membership::Membership;
use crate::store::user::{self, Role, User};
use crate::store::{Database, StoreError, Transaction, session};

/// The most accounts that a user can join.
pub(super) const MAX_ACCOUNTS: usize = 50;

/// Where a user acts: in one of the user's accounts, or as an operator.
#[derive(Clone)]
pub(super) struct Place {
    /// The role there.
    pub(super) role: Role,
    /// The account; none for an operator.
    pub(super) account: Option<Account>,
    /// All accounts of the user with the role in each, the first one first.
    pub(super) accounts: Vec<(Account, Role)>,
}

impl Place {
    /// The id of the account.
    pub(super) fn account_id(&self) -> Option<&str> {
        self.account.as_ref().map(|account| account.id.as_str())
    }

    /// The account `wanted`, or the first one; if the user does not belong to it or it is closed, the one
    /// that was last in use, or another one that is open. `None` if all are closed.
    pub(super) fn find(
        database: &mut Database,
        user: &User,
        wanted: Option<&str>,
    ) -> Result<Option<Self>, StoreError> {
        if user.is_operator() {
            return Ok(Some(Place {
                role: Role::Operator,
                account: None,
                accounts: Vec::new(),
            }));
        }
        let memberships = membership::of_user(database, user)?;
        let ids: Vec<String> = memberships
            .iter()
            .map(|membership| membership.account_id.clone())
            .collect();
        let found = account::find_all(database, &ids)?;
        let accounts: Vec<(Account, Role)> = memberships
            .iter()
            .filter_map(|membership| {
                let own = found
                    .iter()
                    .find(|account| account.id == membership.account_id);
                own.map(|account| (account.clone(), membership.role))
            })
            .collect();
        let first = ids.first().map(String::as_str);
        let wanted = [wanted.or(first), user.last_account()];
        let open = || accounts.iter().filter(|(account, _)| is_open(account));
        let chosen = wanted
            .into_iter()
            .flatten()
            .find_map(|id| open().find(|(account, _)| account.id == id))
            .or_else(|| open().next())
            .cloned();
        Ok(chosen.map(|(account, role)| Place {
            role,
            account: Some(account),
            accounts,
        }))
    }
}

/// Whether an account can be used.
fn is_open(account: &Account) -> bool {
    account.closed_at.is_none()
}

/// Whether a user can sign in: an account of the user is open.
pub(super) fn has_open_account(database: &mut Database, user: &User) -> Result<bool, StoreError> {
    Ok(Place::find(database, user, None)?.is_some())
}

/// Switches the session to another account of the user.
///
/// # Errors
/// `not_found` for an account that the user does not belong to; `access_denied` for a closed one, and if
/// the session has ended.
pub async fn switch(
    server: &AuthorizationServer,
    session: &ActiveSession,
    account_id: &str,
    context: &RequestContext,
) -> Result<(), Error> {
    if session.account_id() == Some(account_id) {
        return Ok(());
    }
    let account_id = account_id.to_owned();
    let row = session.row.clone();
    let recorder = recorder(&session.user, context);
    server
        .store
        .write(context.received_at, move |transaction| {
            let user = active_user(transaction, &row)?;
            let all = membership::of_user(transaction.database(), &user)?;
            let is_own = all.iter().any(|own| own.account_id == account_id);
            let account = account::find(transaction.database(), &account_id)?;
            let account = account
                .filter(|account| is_own && account.id == account_id)
                .ok_or_else(refusal::account_not_own)?;
            super::account::ensure_open(&account)?;
            session::set_account(transaction, &row.id, &account_id)?;
            membership::set_last(transaction, &user.id, &account_id)?;
            Ok(recorder.record(
                transaction,
                Action::SessionSwitchAccount,
                Some(&account_id),
                &user.email,
            )?)
        })
        .await
}

/// Removes the user of the session from an account.
///
/// # Errors
/// `not_found` for an account that the user does not belong to; `conflict` for the only account or the
/// only open one, and for the only administrator of the account; `access_denied` if the session has ended.
pub async fn leave(
    server: &AuthorizationServer,
    session: &ActiveSession,
    account_id: &str,
    context: &RequestContext,
) -> Result<(), Error> {
    let account_id = account_id.to_owned();
    let row = session.row.clone();
    let recorder = recorder(&session.user, context);
    server
        .store
        .write(context.received_at, move |transaction| {
            let user = active_user(transaction, &row)?;
            let all = membership::of_user(transaction.database(), &user)?;
            let own = all
                .iter()
                .find(|own| own.account_id == account_id)
                .ok_or_else(refusal::account_not_own)?;
            if all.len() == 1 {
                return Err(refusal::last_account());
            }
            let others: Vec<String> = all
                .iter()
                .map(|other| other.account_id.clone())
                .filter(|id| *id != account_id)
                .collect();
            let others = account::find_all(transaction.database(), &others)?;
            if !others.iter().any(is_open) {
                return Err(refusal::last_open_account());
            }
            if own.role == Role::Administrator
                && !membership::has_other_administrator(
                    transaction.database(),
                    &account_id,
                    &user.id,
                )?
            {
                return Err(refusal::last_administrator());
            }
            membership::delete(transaction, &user, &account_id)?;
            recorder.record(
                transaction,
                Action::MembershipLeave,
                Some(&account_id),
                &user.email,
            )?;
            account_invitation::end_those_of_user(transaction, &recorder, &user)?;
            Ok(())
        })
        .await
}

/// Refuses a user whose role allows less now than when the request began: of two administrators who remove
/// each other at once, one stays.
///
/// # Errors
/// `insufficient_scope`
pub(super) fn check_actor(
    database: &mut Database,
    permit: &Permit<UsersWrite>,
) -> Result<(), Error> {
    let ActorName::User(email) = ActorName::parse(permit.actor()) else {
        return Ok(());
    };
    let role = match (user::find_by_email(database, email)?, permit.account()) {
        (Some(actor), None) => actor.is_operator().then_some(Role::Operator),
        (Some(actor), Some(account_id)) => membership::of_user(database, &actor)?
            .iter()
            .find(|own| own.account_id == account_id)
            .map(|own| own.role),
        (None, _) => None,
    };
    let lost = |role| permit.rights().difference(Rights::of_role(role)) != Rights::default();
    if role.is_none_or(lost) {
        return Err(Error::insufficient_scope(UsersWrite::RIGHT.as_str()));
    }
    Ok(())
}

/// A user with all memberships, whom an actor can see.
pub(super) struct Found {
    pub(super) user: User,
    pub(super) memberships: Vec<Membership>,
}

impl Found {
    /// The user with this address or id, if the actor can see the user.
    pub(super) fn visible<R: RightType>(
        database: &mut Database,
        permit: &Permit<R>,
        email_or_id: &str,
    ) -> Result<Option<Self>, StoreError> {
        let Some(user) = user::find(database, email_or_id)? else {
            return Ok(None);
        };
        let memberships = membership::of_user(database, &user)?;
        let is_visible = permit.is_operator()
            || memberships
                .iter()
                .any(|membership| permit.can_access(&membership.account_id));
        Ok(is_visible.then_some(Found { user, memberships }))
    }

    fn named(
        database: &mut Database,
        permit: &Permit<UsersWrite>,
        email_or_id: &str,
    ) -> Result<Self, Error> {
        check_actor(database, permit)?;
        Found::visible(database, permit, email_or_id)?.ok_or_else(|| not_found("user", email_or_id))
    }

    /// A user whose password, second factor and preferences the actor may change: the actor has all of the
    /// user's rights, in each account of the user. Whoever can sign in as a user acts in all of them.
    ///
    /// # Errors
    /// `not_found`; `access_denied` if the user has rights that the actor does not have.
    pub(super) fn manageable(
        database: &mut Database,
        permit: &Permit<UsersWrite>,
        email_or_id: &str,
    ) -> Result<Self, Error> {
        let found = Found::named(database, permit, email_or_id)?;
        for membership in &found.memberships {
            if permit.can_access(&membership.account_id) {
                check_role(permit, membership.role)?;
            }
        }
        if found.user.is_operator() {
            check_role(permit, Role::Operator)?;
        }
        let is_elsewhere = found
            .memberships
            .iter()
            .any(|membership| !permit.can_access(&membership.account_id));
        if is_elsewhere {
            return Err(refusal::user_of_several_accounts());
        }
        Ok(found)
    }

    /// A user of whom the actor may change the membership in one account: the actor has the rights of the
    /// user there. The membership is that in the account with this id, or the only one; an operator has
    /// none.
    ///
    /// # Errors
    /// `not_found`; `access_denied` if the user has rights in the account that the actor does not have;
    /// `invalid_request` if there are several, and none is named.
    pub(super) fn member(
        database: &mut Database,
        permit: &Permit<UsersWrite>,
        email_or_id: &str,
        account_id: Option<&str>,
    ) -> Result<(Self, Option<Membership>), Error> {
        let found = Found::named(database, permit, email_or_id)?;
        let membership = match (account_id.or(permit.account()), &found.memberships[..]) {
            (Some(id), all) => {
                let own = all.iter().find(|membership| membership.account_id == id);
                Some(own.ok_or_else(|| not_found("user", email_or_id))?)
            }
            (None, []) => None,
            (None, [only]) => Some(only),
            (None, _) => return Err(refusal::user_account_required().field("account")),
        };
        let role = membership.map_or(Role::Operator, |membership| membership.role);
        check_role(permit, role)?;
        let membership = membership.cloned();
        Ok((found, membership))
    }

    /// The account for a message that concerns the user and no account in particular: one that is open, if
    /// there is any.
    pub(super) fn open_account_id(
        &self,
        database: &mut Database,
    ) -> Result<Option<&str>, StoreError> {
        let place = Place::find(database, &self.user, None)?;
        let chosen = place.as_ref().and_then(Place::account_id);
        let mut ids = self.memberships.iter().map(|own| own.account_id.as_str());
        let first = ids.clone().next();
        Ok(ids.find(|id| Some(*id) == chosen).or(first))
    }

    /// Records what was done to the user in the audit of each account of the user.
    pub(super) fn audit(
        &self,
        transaction: &mut Transaction<'_>,
        permit: &Permit<UsersWrite>,
        action: Action,
    ) -> Result<(), Error> {
        let email = &self.user.email;
        if self.memberships.is_empty() {
            return permit.audit(transaction, action, None, email);
        }
        for Membership { account_id, .. } in &self.memberships {
            permit.audit(transaction, action, Some(account_id), email)?;
        }
        Ok(())
    }
}

fn check_role(permit: &Permit<UsersWrite>, role: Role) -> Result<(), Error> {
    match permit.check_role(role) {
        Ok(()) => Ok(()),
        Err(_) => Err(refusal::user_has_more_rights()),
    }
}
