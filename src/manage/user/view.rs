//! Users as the management API and the portal show them to an actor.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::Preferences;
use crate::clock::Timestamp;
use crate::error::{Error, refusal};
use crate::manage::actor::Permit;
use crate::manage::rights::RightType;
use crate::store::account::find_names;
use crate::store::invitation::{self, Invitation};
use crate::store::user::{Role, User};
use crate::store::{Database, membership};

/// A user as the management API and the portal show it.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[expect(missing_docs, reason = "the names are those of the columns")]
pub struct UserView {
    pub id: String,
    pub email: String,
    /// The role in the account.
    pub role: Role,
    /// The caller's account; for an operator, the first account of the user.
    pub account: Option<String>,
    /// The name of the account.
    pub account_name: Option<String>,
    /// The accounts of the user that the caller can see.
    pub accounts: Vec<UserAccount>,
    /// Whether the user also belongs to accounts that the caller cannot see. Only an operator can change how
    /// such a user signs in.
    pub in_other_accounts: bool,
    pub has_password: bool,
    pub has_second_factor: bool,
    /// When the link with which the user can set a password expires. Only operators see it of a user who also
    /// belongs to other accounts.
    pub invited_until: Option<Timestamp>,
    /// For an operator when the user was created, for the callers of an account since when the user belongs
    /// to it.
    pub created_at: Timestamp,
    /// Only operators see those of a user who also belongs to other accounts.
    #[serde(flatten)]
    pub preferences: Option<Preferences>,
}

/// An account of a user.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct UserAccount {
    /// The id of the account.
    pub account: String,
    /// The name of the account.
    pub account_name: Option<String>,
    /// The role of the user in the account.
    pub role: Role,
}

impl UserView {
    /// `accounts` are those that the actor can see, and `created_at` is what the actor sees as such.
    fn new(
        user: User,
        created_at: Timestamp,
        accounts: Vec<UserAccount>,
        in_other_accounts: bool,
        invitation: Option<&Invitation>,
    ) -> Self {
        let shown = accounts.first().cloned();
        UserView {
            preferences: (!in_other_accounts).then(|| Preferences::of(&user)),
            role: shown.as_ref().map_or(Role::Operator, |shown| shown.role),
            account_name: shown.as_ref().and_then(|shown| shown.account_name.clone()),
            account: shown.map(|shown| shown.account),
            accounts,
            in_other_accounts,
            id: user.id,
            email: user.email,
            has_password: user.password_hash.is_some(),
            has_second_factor: user.totp_sealed.is_some(),
            invited_until: invitation
                .filter(|_| !in_other_accounts)
                .map(|invitation| invitation.expires_at),
            created_at,
        }
    }
}

/// The user as the actor sees it.
pub(super) fn view<R: RightType>(
    database: &mut Database,
    permit: &Permit<R>,
    user: User,
) -> Result<UserView, Error> {
    let views = views(database, permit, vec![user])?;
    views.into_iter().next().ok_or_else(refusal::user_unknown)
}

/// The users with the names of their accounts and their invitations, as the actor sees them.
pub(super) fn views<R: RightType>(
    database: &mut Database,
    permit: &Permit<R>,
    users: Vec<User>,
) -> Result<Vec<UserView>, Error> {
    let user_ids: Vec<String> = users.iter().map(|user| user.id.clone()).collect();
    let mut memberships = membership::of_users(database, &users)?;
    let account_ids: BTreeSet<String> = memberships
        .values()
        .flatten()
        .map(|membership| membership.account_id.clone())
        .filter(|id| permit.can_access(id))
        .collect();
    let account_ids: Vec<String> = account_ids.into_iter().collect();
    let names: BTreeMap<String, String> = find_names(database, &account_ids)?.into_iter().collect();
    let invitations: BTreeMap<String, Invitation> = invitation::find_of_users(database, &user_ids)?
        .into_iter()
        .map(|invitation| (invitation.user_id.clone(), invitation))
        .collect();
    let view = |user: User| {
        let all = memberships.remove(&user.id).unwrap_or_default();
        let count = all.len();
        let joined_at = all
            .iter()
            .find(|membership| permit.can_access(&membership.account_id))
            .map(|membership| membership.created_at)
            .filter(|_| !permit.is_operator());
        let created_at = joined_at.unwrap_or(user.created_at);
        let accounts: Vec<UserAccount> = all
            .into_iter()
            .filter(|membership| permit.can_access(&membership.account_id))
            .map(|membership| UserAccount {
                account_name: names.get(&membership.account_id).cloned(),
                account: membership.account_id,
                role: membership.role,
            })
            .collect();
        let is_elsewhere = accounts.len() < count;
        let invitation = invitations.get(&user.id);
        UserView::new(user, created_at, accounts, is_elsewhere, invitation)
    };
    Ok(users.into_iter().map(view).collect())
}
