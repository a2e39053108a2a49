//! Account invitations: one-time links by which users of another account join an account.
//!
//! Whoever manages the first account of a user can set the user's password, and so could act in an account
//! that is added to it. A user therefore chooses a new password at each account that the user joins; after
//! that, nobody but an operator can change how the user signs in ([`Found::manageable`]).
//!
//! [`Found::manageable`]: super::membership

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::actor::{Permit, UsersRead, UsersWrite};
use super::invitation::{INVITATION_TTL, send};
use super::membership::check_actor;
use super::user::{address_taken, check_email};
use super::{account, has_nul, invalid, not_found};
use crate::clock::Timestamp;
use crate::config::Issuer;
use crate::credential::{Credential, Kind};
use crate::crypto::sealing_key::SealingKeyFile;
use crate::crypto::secret_hash;
use crate::error::{Error, refusal};
use crate::secret::SecretString;
use crate::store::account::{Account, find_names};
pub use crate::store::account_invitation::InvitationPosition;
use crate::store::account_invitation::{self, AccountInvitation};
use crate::store::audit::{self, Action, AuditFilter};
use crate::store::mail::MailKind;
use crate::store::user::{self, Role};
use crate::store::{Database, Store, membership};

mod acceptance;
mod record;

pub use acceptance::{Offer, accept, decline, find};
use record::record;
pub(super) use record::{end_those_of_client, end_those_of_user, withdraw};

/// The path of the page that a link opens, below the issuer.
const PATH: &str = "/portal/join";

/// The most open invitations of an account.
const MAX_OPEN: usize = 100;

/// How many entries of the audit about a user are read, to find what became of an invitation.
const LOOKED_AT: usize = 50;

/// How many invitations an account can request within an hour for addresses of no user, or of a user
/// without a password.
const MAX_REFUSED_PER_HOUR: usize = 30;
const HOUR: Duration = Duration::from_secs(3600);

/// An invitation as management shows it, never with its link.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct AccountInvitationView {
    /// The id.
    pub id: String,
    /// The e-mail address of the user who is invited.
    pub email: String,
    /// The id of the account to join.
    pub account: String,
    /// The name of the account.
    pub account_name: Option<String>,
    /// The role that the user will have in the account.
    pub role: Role,
    /// When it was created.
    pub created_at: Timestamp,
    /// Who created it.
    pub created_by: String,
    /// When the link expires.
    pub expires_at: Timestamp,
}

impl AccountInvitationView {
    /// The place in the list.
    pub fn position(&self) -> InvitationPosition {
        InvitationPosition {
            created_at: self.created_at,
            id: self.id.clone(),
        }
    }
}

/// An invitation that was created.
#[derive(Debug)]
pub struct NewAccountInvitation {
    /// The credential in the link.
    pub link: Credential,
    /// The invitation.
    pub view: AccountInvitationView,
    /// Whether the link is sent to the user by e-mail.
    pub mailed: bool,
}

/// The link as it is given to the user. The secret is in the fragment, as in that of an invitation to set
/// a password.
pub fn url(issuer: &Issuer, link: &str) -> SecretString {
    SecretString::new([&issuer.endpoint(PATH), "#", link].concat())
}

/// Whether somebody with this address is to be invited to the account instead of being created: a user of
/// another account has it. An operator who names no account means any.
///
/// # Errors
/// `not_found` for an account that the actor cannot see.
pub async fn is_needed(
    store: &Arc<Store>,
    permit: Permit<UsersWrite>,
    email: &str,
    account: Option<String>,
) -> Result<bool, Error> {
    let Ok(email) = check_email(email) else {
        return Ok(false);
    };
    store
        .read(move |database| {
            let account_id = account::filter(database, &permit, account.as_deref())?;
            let Some(user) = user::find_by_email(database, &email)? else {
                return Ok(false);
            };
            let all = membership::of_user(database, &user)?;
            let is_member = |id: &str| all.iter().any(|own| own.account_id == id);
            Ok(!user.is_operator() && account_id.is_none_or(|id| !is_member(&id)))
        })
        .await
}

/// Invites a user of another account to an account, and sends the link if an SMTP server is set and not too
/// many were sent. It replaces an earlier invitation of the user to this account. Nothing is given to the
/// user until the user accepts it.
///
/// # Errors
/// `invalid_request` for an invalid address; `not_found` if no user has it; `conflict` for a member of the
/// account, an operator, a user without a password, and beyond [`MAX_OPEN`]; `access_denied` for a role with
/// rights that the actor does not have, and for a closed account; `temporarily_unavailable` beyond
/// [`MAX_REFUSED_PER_HOUR`].
pub async fn create(
    store: &Arc<Store>,
    permit: Permit<UsersWrite>,
    sealing_keys: &SealingKeyFile,
    email: &str,
    role: Role,
    account: Option<String>,
) -> Result<NewAccountInvitation, Error> {
    let now = permit.now();
    let email = check_email(email)?;
    permit.check_role(role)?;
    if role == Role::Operator {
        return Err(invalid("An operator does not belong to an account").field("role"));
    }
    let credential = Credential::generate(Kind::Invitation);
    let hash = secret_hash::hash(&credential);
    let sealing_keys = sealing_keys.clone();
    let link = credential.clone();
    let (view, mailed) = store
        .write(now, move |transaction| {
            permit.ensure_first_use(transaction)?;
            check_actor(transaction.database(), &permit)?;
            let account = account::resolve(transaction, &permit, account.as_deref())?;
            let database = transaction.database();
            let id = Some(account.id.as_str());
            ensure_capacity(database, &account, &email, now)?;
            ensure_few_refused(database, &permit, &account)?;
            let Some(user) = user::find_by_email(database, &email)? else {
                let unknown = not_found("user", &email).field("email");
                if permit.is_operator() {
                    return Err(unknown);
                }
                // The entry is written although nothing else is.
                let action = Action::AccountInvitationRefused;
                permit.recorder().record(transaction, action, id, &email)?;
                return Ok(Err(unknown));
            };
            let is_member = membership::of_user(database, &user)?
                .iter()
                .any(|own| own.account_id == account.id);
            if is_member || user.is_operator() {
                let taken = address_taken(database, &permit, &user, id)?;
                return Err(taken.field("email"));
            }
            // Nobody can accept without signing in.
            if user.password_hash.is_none() {
                let refused = refusal::invited_without_password().field("email");
                if permit.is_operator() {
                    return Err(refused);
                }
                // As for an unknown address: the answer tells something about one of another account.
                let action = Action::AccountInvitationRefused;
                permit.recorder().record(transaction, action, id, &email)?;
                return Ok(Err(refused));
            }
            let kind = MailKind::AccountInvitation;
            let mail_id = send(
                transaction,
                &permit,
                &sealing_keys,
                kind,
                (&user, id),
                &link,
            )?;
            let row = AccountInvitation {
                id: link.id().to_owned(),
                user_id: user.id.clone(),
                account_id: account.id.clone(),
                role,
                hash: hash.clone(),
                created_at: now,
                expires_at: now.saturating_add(INVITATION_TTL),
                created_by: permit.actor().to_owned(),
                mail_id,
            };
            account_invitation::replace(transaction, &row)?;
            let action = Action::AccountInvitationCreate;
            record(transaction, permit.recorder(), action, &row, &user.email)?;
            permit.store_result(transaction, action, &row.id)?;
            let mailed = row.mail_id.is_some();
            let view = AccountInvitationView {
                id: row.id,
                email: user.email,
                account_name: Some(account.name),
                account: row.account_id,
                role,
                created_at: row.created_at,
                created_by: row.created_by,
                expires_at: row.expires_at,
            };
            Ok::<_, Error>(Ok((view, mailed)))
        })
        .await??;
    Ok(NewAccountInvitation {
        link: credential,
        view,
        mailed,
    })
}

/// Checks that the account can have another open invitation, or has one for this address, which is
/// replaced. Whether somebody else has the address is not looked up.
fn ensure_capacity(
    database: &mut Database,
    account: &Account,
    email: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let limit = i64::try_from(MAX_OPEN).unwrap_or(i64::MAX);
    let open = account_invitation::open(database, Some(&account.id), now, None, limit)?;
    if open.len() < MAX_OPEN {
        return Ok(());
    }
    let user_ids: Vec<String> = open.into_iter().map(|row| row.user_id).collect();
    let invited = user::find_emails(database, &user_ids)?;
    match invited.iter().any(|(_, invited)| invited == email) {
        true => Ok(()),
        false => Err(refusal::account_invitations_full(MAX_OPEN)),
    }
}

/// Checks that not too many addresses without a user were tried lately: an account could otherwise find out
/// who has a sign-in. Operators see all users.
fn ensure_few_refused(
    database: &mut Database,
    permit: &Permit<UsersWrite>,
    account: &Account,
) -> Result<(), Error> {
    if permit.is_operator() {
        return Ok(());
    }
    let filter = AuditFilter {
        account_id: Some(account.id.clone()),
        action: Some(Action::AccountInvitationRefused.as_str().to_owned()),
        since: Some(permit.now().saturating_sub(HOUR)),
        ..AuditFilter::default()
    };
    let refused = audit::list(database, &filter, MAX_REFUSED_PER_HOUR)?;
    match refused.entries.len() < MAX_REFUSED_PER_HOUR {
        true => Ok(()),
        false => Err(refusal::account_invitations_refused(MAX_REFUSED_PER_HOUR).retry_in(HOUR)),
    }
}

/// The open invitations to the accounts that the actor can see, the newest first: at most `limit`, those
/// after the position `after`.
///
/// # Errors
/// A [`StoreError`](crate::store::StoreError) if the database cannot be queried.
pub async fn list(
    store: &Arc<Store>,
    permit: Permit<UsersRead>,
    after: Option<InvitationPosition>,
    limit: i64,
) -> Result<Vec<AccountInvitationView>, Error> {
    let account = permit.account().map(str::to_owned);
    store
        .report(account.as_deref(), move |database| {
            let (account, now) = (permit.account(), permit.now());
            let rows = account_invitation::open(database, account, now, after.as_ref(), limit)?;
            views(database, rows)
        })
        .await
}

/// The open invitation with this id, if the actor can see it.
///
/// # Errors
/// A [`StoreError`](crate::store::StoreError) if the database cannot be queried.
pub async fn show(
    store: &Arc<Store>,
    permit: Permit<UsersRead>,
    id: &str,
) -> Result<Option<AccountInvitationView>, Error> {
    let id = id.to_owned();
    store
        .read(move |database| {
            let found = account_invitation::find(database, &id)?;
            let open = found
                .filter(|row| row.expires_at > permit.now() && permit.can_access(&row.account_id));
            Ok(views(database, Vec::from_iter(open))?.pop())
        })
        .await
}

/// What became of an invitation of this address that is not open any more, as the refusal of what was to be done
/// with it. An operator names the account.
///
/// # Errors
/// A [`StoreError`](crate::store::StoreError) if the database cannot be queried.
pub async fn ended(
    store: &Arc<Store>,
    permit: Permit<UsersRead>,
    id: &str,
    email: &str,
    account: Option<String>,
) -> Result<Error, Error> {
    let (id, email) = (id.to_owned(), email.to_owned());
    let filter = AuditFilter {
        account_id: permit.account().map(str::to_owned).or(account),
        target: Some(email.clone()),
        ..AuditFilter::default()
    };
    if [&filter.account_id, &filter.target]
        .into_iter()
        .any(has_nul)
    {
        return Ok(refusal::account_invitation_expired());
    }
    store
        .read(move |database| {
            let found = account_invitation::find(database, &id)?;
            if found.is_some_and(|row| permit.can_access(&row.account_id)) {
                return Ok(refusal::account_invitation_expired());
            }
            let user = user::find_by_email(database, &email)?;
            let has_newer = match (user, &filter.account_id) {
                (Some(user), Some(account_id)) => {
                    account_invitation::of_user(database, &user.id, account_id)?.is_some()
                }
                _ => false,
            };
            let latest = audit::list(database, &filter, LOOKED_AT)?.entries;
            let end = latest
                .iter()
                .find_map(|entry| match entry.action.parse().ok()? {
                    Action::AccountInvitationAccept => Some(refusal::account_invitation_accepted()),
                    Action::AccountInvitationDecline => {
                        Some(refusal::account_invitation_declined())
                    }
                    Action::AccountInvitationDelete => {
                        Some(refusal::account_invitation_withdrawn())
                    }
                    // Else it has expired, or went with the invited user.
                    Action::AccountInvitationCreate if has_newer => {
                        Some(refusal::account_invitation_replaced())
                    }
                    Action::AccountInvitationCreate => Some(refusal::account_invitation_expired()),
                    _ => None,
                });
            Ok(end.unwrap_or_else(refusal::account_invitation_expired))
        })
        .await
}

fn views(
    database: &mut Database,
    rows: Vec<AccountInvitation>,
) -> Result<Vec<AccountInvitationView>, Error> {
    let distinct = |id: fn(&AccountInvitation) -> &String| -> Vec<String> {
        let ids: BTreeSet<&String> = rows.iter().map(id).collect();
        ids.into_iter().cloned().collect()
    };
    let account_ids = distinct(|row| &row.account_id);
    let user_ids = distinct(|row| &row.user_id);
    let names: BTreeMap<String, String> = find_names(database, &account_ids)?.into_iter().collect();
    let emails = user::find_emails(database, &user_ids)?;
    let emails: BTreeMap<String, String> = emails.into_iter().collect();
    let views = rows.into_iter().map(|row| AccountInvitationView {
        email: emails.get(&row.user_id).cloned().unwrap_or_default(),
        account_name: names.get(&row.account_id).cloned(),
        id: row.id,
        account: row.account_id,
        role: row.role,
        created_at: row.created_at,
        created_by: row.created_by,
        expires_at: row.expires_at,
    });
    Ok(views.collect())
}

/// Withdraws an invitation: its link is not valid any more.
///
/// # Errors
/// `not_found`.
pub async fn delete(store: &Arc<Store>, permit: Permit<UsersWrite>, id: &str) -> Result<(), Error> {
    let id = id.to_owned();
    store
        .write(permit.now(), move |transaction| {
            let found = account_invitation::find(transaction.database(), &id)?;
            let found = found
                .filter(|row| permit.can_access(&row.account_id))
                .ok_or_else(|| not_found("account invitation", &id))?;
            Ok(withdraw(transaction, permit.recorder(), &found)?)
        })
        .await
}
