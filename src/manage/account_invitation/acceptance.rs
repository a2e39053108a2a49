//! What the user who was invited does: sees what is offered, accepts or declines.

use serde_json::json;

use super::record::{can_still_invite, record};
use crate::clock::Timestamp;
use crate::credential::Credential;
use crate::crypto::secret_hash::StoredSecret;
use crate::error::{Error, refusal};
use crate::manage::invitation::parse_link;
use crate::manage::membership::MAX_ACCOUNTS;
use crate::manage::own_password::{NewPassword, PasswordChange};
use crate::manage::session::{ActiveSession, active_user, recorder};
use crate::manage::{AuthorizationServer, account};
use crate::request_context::RequestContext;
use crate::store::account_invitation::{self, AccountInvitation};
use crate::store::audit::Action;
use crate::store::membership::{self, Membership};
use crate::store::user::{Role, User};
use crate::store::{Database, Transaction};

/// What a user is invited to.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The name of the account.
    pub account_name: String,
    /// The role in the account.
    pub role: Role,
    /// Whether the account requires a second factor.
    pub requires_second_factor: bool,
}

/// What the link offers to the user of the session; `None` if it was used, replaced or withdrawn, has
/// expired, or whoever created it could not any more.
///
/// # Errors
/// `access_denied` if the invitation is for another user.
pub async fn find(
    server: &AuthorizationServer,
    session: &ActiveSession,
    link: &str,
    now: Timestamp,
) -> Result<Option<Offer>, Error> {
    let Some(credential) = parse_link(link) else {
        return Ok(None);
    };
    let user_id = session.user.id.clone();
    server
        .store
        .read(move |database| {
            let found = find_valid(database, &credential, &user_id, now)?;
            Ok(found.map(|(_, offer)| offer))
        })
        .await
}

/// The invitation of a credential with what it offers.
fn find_valid(
    database: &mut Database,
    credential: &Credential,
    user_id: &str,
    now: Timestamp,
) -> Result<Option<(AccountInvitation, Offer)>, Error> {
    let found = account_invitation::find(database, credential.id())?.filter(|row| {
        row.expires_at > now && StoredSecret::new(row.hash.clone()).matches(credential)
    });
    let Some(row) = found else {
        return Ok(None);
    };
    if row.user_id != user_id {
        return Err(refusal::account_invitation_of_other());
    }
    let Some(account) = crate::store::account::find(database, &row.account_id)? else {
        return Ok(None);
    };
    if !can_still_invite(database, &row)? {
        return Ok(None);
    }
    let offer = Offer {
        account_name: account.name,
        role: row.role,
        requires_second_factor: account.requires_second_factor,
    };
    Ok(Some((row, offer)))
}

/// Accepts an invitation: the user belongs to the account from now on, and the session uses it. The password
/// changes, all other sessions and all links for a password end, and this session gets a new cookie, which is
/// returned. Whoever knew the password or turned the notices off, such as an administrator of the accounts
/// that the user had so far, gets nothing in the new one. It is asked for at each account: that a user has
/// several does not show who made the user join them.
///
/// # Errors
/// `not_found` if the link is not valid; `access_denied` if the invitation is for another user, the account
/// is closed, or the session has ended; `invalid_request` if a password is wrong, weak or unchanged;
/// `conflict` beyond [`MAX_ACCOUNTS`].
pub async fn accept(
    server: &AuthorizationServer,
    session: &ActiveSession,
    link: &str,
    passwords: NewPassword,
    context: &RequestContext,
) -> Result<Credential, Error> {
    let invalid_link = refusal::invitation_invalid;
    let credential = parse_link(link).ok_or_else(invalid_link)?;
    let now = context.received_at;
    // Before the expensive hash.
    find(server, session, link, now)
        .await?
        .ok_or_else(invalid_link)?;
    let (change, cookie) = PasswordChange::confirm(server, session, passwords, context).await?;
    let in_use = session.account_id().map(str::to_owned);
    let recorder = recorder(&session.user, context);
    server
        .store
        .write(now, move |transaction| {
            let mut user = change.user(transaction)?;
            let found = find_valid(transaction.database(), &credential, &user.id, now)?;
            let (invitation, _) = found.ok_or_else(invalid_link)?;
            join(transaction, &invitation, &user, now)?;
            let (email, account_id) = (user.email.clone(), invitation.account_id.as_str());
            let action = Action::AccountInvitationAccept;
            record(transaction, &recorder, action, &invitation, &email)?;
            if !user.email_notices {
                user.email_notices = true;
                let action = Action::UserSetPreferences;
                let details = json!({"email_notices": true});
                let in_use = in_use.as_deref();
                recorder.record_with(transaction, action, in_use, &email, &details)?;
            }
            change.write(transaction, user, Some(account_id))?;
            Ok::<_, Error>(recorder.record(
                transaction,
                Action::UserChangePassword,
                in_use.as_deref(),
                &email,
            )?)
        })
        .await?;
    Ok(cookie)
}

/// Makes the user a member, and deletes the invitation.
fn join(
    transaction: &mut Transaction<'_>,
    invitation: &AccountInvitation,
    user: &User,
    now: Timestamp,
) -> Result<(), Error> {
    let database = transaction.database();
    let account = crate::store::account::find(database, &invitation.account_id)?;
    account::ensure_open(&account.ok_or_else(refusal::invitation_invalid)?)?;
    let all = membership::of_user(database, user)?;
    if all.len() >= MAX_ACCOUNTS {
        return Err(refusal::account_limit(MAX_ACCOUNTS));
    }
    // A node of the previous version may have added the user.
    if user.is_operator()
        || all
            .iter()
            .any(|own| own.account_id == invitation.account_id)
    {
        return Err(refusal::invitation_invalid());
    }
    let membership = Membership {
        user_id: user.id.clone(),
        account_id: invitation.account_id.clone(),
        role: invitation.role,
        created_at: now,
    };
    membership::insert(transaction, &membership)?;
    account_invitation::delete(transaction, invitation)?;
    Ok(membership::set_last(
        transaction,
        &user.id,
        &invitation.account_id,
    )?)
}

/// Declines an invitation: its link is not valid any more.
///
/// # Errors
/// `not_found` if the link is not valid; `access_denied` if the invitation is for another user, or the
/// session has ended.
pub async fn decline(
    server: &AuthorizationServer,
    session: &ActiveSession,
    link: &str,
    context: &RequestContext,
) -> Result<(), Error> {
    let invalid_link = refusal::invitation_invalid;
    let credential = parse_link(link).ok_or_else(invalid_link)?;
    let row = session.row.clone();
    let now = context.received_at;
    let recorder = recorder(&session.user, context);
    server
        .store
        .write(now, move |transaction| {
            let user = active_user(transaction, &row)?;
            let found = find_valid(transaction.database(), &credential, &user.id, now)?;
            let (invitation, _) = found.ok_or_else(invalid_link)?;
            account_invitation::delete(transaction, &invitation)?;
            let action = Action::AccountInvitationDecline;
            let email = &user.email;
            Ok(record(transaction, &recorder, action, &invitation, email)?)
        })
        .await
}
