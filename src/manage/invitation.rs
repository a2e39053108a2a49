//! Invitations: one-time links with which users set their own passwords.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::actor::{Permit, UsersWrite};
use super::membership::{Found, MAX_ACCOUNTS, has_open_account};
use super::session::recorder;
use super::user::{check_not_self, usable_password};
use super::{AuthorizationServer, account};
use crate::clock::Timestamp;
use crate::config::Issuer;
use crate::credential::{Credential, Kind};
use crate::crypto::sealing_key::SealingKeyFile;
use crate::crypto::secret_hash::{self, StoredSecret};
use crate::error::{Error, refusal};
use crate::request_context::RequestContext;
use crate::secret::SecretString;
use crate::store::account::find_names;
use crate::store::audit::{self, Action, AuditEntry, AuditFilter};
use crate::store::invitation::{self, Invitation};
use crate::store::mail::{self, Facts, Mail, MailKind};
use crate::store::user::{self, User};
use crate::store::{Database, Store, Transaction, session};

/// How long a link is valid.
pub const INVITATION_TTL: Duration = Duration::from_secs(7 * 24 * 3600);

/// The most links that are sent by e-mail: an account could otherwise send any number of messages to anybody.
/// Within an hour to one address, those with which a password is set, those to join one account, and those to
/// join any account; and within a day those of an account. No account can use up what is there for others to
/// set a password.
const MAX_PER_HOUR: usize = 3;
const MAX_TO_JOIN_PER_HOUR: usize = 10;
const MAX_OF_ACCOUNT_PER_DAY: usize = 100;
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The path of the page that a link opens, below the issuer.
const PATH: &str = "/portal/invitation";

/// The link as it is given to the user. The secret is in the fragment, which browsers do not send,
/// so it is not in any proxy's log; the page posts it.
pub fn url(issuer: &Issuer, link: &Credential) -> SecretString {
    SecretString::new([&issuer.endpoint(PATH), "#", link.expose()].concat())
}

/// The link of a credential that was stored for an e-mail.
pub fn url_of(issuer: &Issuer, link: &SecretString) -> SecretString {
    SecretString::new([&issuer.endpoint(PATH), "#", link.expose()].concat())
}

/// A link that was created.
#[derive(Debug)]
pub struct NewInvitation {
    /// The credential in the link.
    pub link: Credential,
    /// When it expires.
    pub expires_at: Timestamp,
    /// Whether it is sent to the user by e-mail.
    pub mailed: bool,
}

/// The credential in a pasted link: the whole link, or only its fragment.
pub(super) fn parse_link(link: &str) -> Option<Credential> {
    Credential::parse(fragment_of(link), Kind::Invitation)
}

fn fragment_of(link: &str) -> &str {
    link.rsplit('#').next().unwrap_or_default().trim()
}

/// Creates a link for a user, invalidates an earlier one, and sends it if an SMTP server is set and not
/// too many were sent. The user's current password stays valid until the link is used.
///
/// # Errors
/// `not_found`; `conflict` for the actor's own user; `access_denied` if the user has rights that
/// the actor does not have.
pub async fn create(
    store: &Arc<Store>,
    permit: Permit<UsersWrite>,
    sealing_keys: &SealingKeyFile,
    email: &str,
) -> Result<NewInvitation, Error> {
    let now = permit.now();
    let email = email.to_owned();
    let credential = Credential::generate(Kind::Invitation);
    let id = credential.id().to_owned();
    let hash = secret_hash::hash(&credential);
    let expires_at = now.saturating_add(INVITATION_TTL);
    let sealing_keys = sealing_keys.clone();
    let link = credential.clone();
    let mailed = store
        .write(now, move |transaction| {
            let found = Found::manageable(transaction.database(), &permit, &email)?;
            let user = &found.user;
            // A link would let users change their password without knowing it.
            check_not_self(permit.actor(), user)?;
            let row = Invitation {
                user_id: user.id.clone(),
                id: id.clone(),
                hash: hash.clone(),
                created_at: now,
                expires_at,
                rights: permit.rights().to_scope()?,
            };
            invitation::replace(transaction, &row)?;
            let account_id = found.open_account_id(transaction.database())?;
            let kind = MailKind::Invitation;
            let sent = send(
                transaction,
                &permit,
                &sealing_keys,
                kind,
                (user, account_id),
                &link,
            )?;
            found.audit(transaction, &permit, Action::UserInvite)?;
            Ok::<_, Error>(sent.is_some())
        })
        .await?;
    Ok(NewInvitation {
        link: credential,
        expires_at,
        mailed,
    })
}

/// Queues the e-mail with a link for a user to or in an account, unless there were too many or the account
/// is closed. Returns the id of the message. The link is sealed until it is sent.
pub(super) fn send(
    transaction: &mut Transaction<'_>,
    permit: &Permit<UsersWrite>,
    sealing_keys: &SealingKeyFile,
    kind: MailKind,
    (user, account_id): (&User, Option<&str>),
    link: &Credential,
) -> Result<Option<String>, Error> {
    let database = transaction.database();
    if !mail::is_on(database)?
        || account::is_closed(database, account_id)?
        || is_over_limit(database, kind, &user.email, account_id, permit.now())?
    {
        return Ok(None);
    }
    let account: Vec<String> = account_id.iter().map(|id| (*id).to_owned()).collect();
    let account = find_names(transaction.database(), &account)?;
    let facts = Facts {
        actor: Some(permit.actor().to_owned()),
        at: Some(permit.now()),
        name: account.into_iter().next().map(|(_, name)| name),
        ..Facts::default()
    };
    let mut message = Mail::to_user(kind, user, &facts, permit.now());
    let sealed = sealing_keys.seal(&message.seal_context(), link.expose().as_bytes())?;
    message.link_sealed = Some(sealed);
    message.account_id = account_id.map(str::to_owned);
    let id = message.id.clone();
    let is_queued = mail::queue(transaction, message, account_id)?;
    Ok(is_queued.then_some(id))
}

/// Whether too many links were created lately. They are counted in the audit, which still has those of
/// users who were deleted.
fn is_over_limit(
    database: &mut Database,
    kind: MailKind,
    email: &str,
    account_id: Option<&str>,
    now: Timestamp,
) -> Result<bool, Error> {
    let lately = |action: Action, since: Duration| AuditFilter {
        action: Some(action.as_str().to_owned()),
        since: Some(now.saturating_sub(since)),
        ..AuditFilter::default()
    };
    let to_address = |action| AuditFilter {
        target: Some(email.to_owned()),
        ..lately(action, HOUR)
    };
    let mut list = |filter: &AuditFilter, limit: usize| -> Result<Vec<AuditEntry>, Error> {
        Ok(audit::list(database, filter, limit)?.entries)
    };
    let is_over = if kind == MailKind::AccountInvitation {
        let all = list(
            &to_address(Action::AccountInvitationCreate),
            MAX_TO_JOIN_PER_HOUR,
        )?;
        let own = all
            .iter()
            .filter(|entry| entry.account_id.as_deref() == account_id);
        own.count() >= MAX_PER_HOUR || all.len() >= MAX_TO_JOIN_PER_HOUR
    } else {
        let limit = MAX_PER_HOUR * MAX_ACCOUNTS;
        let entries = list(&to_address(Action::UserInvite), limit)?;
        count_links(&entries) >= MAX_PER_HOUR
    };
    let (false, Some(account_id)) = (is_over, account_id) else {
        return Ok(is_over);
    };
    let mut of_account = 0;
    for action in [Action::UserInvite, Action::AccountInvitationCreate] {
        let filter = AuditFilter {
            account_id: Some(account_id.to_owned()),
            ..lately(action, DAY)
        };
        of_account += list(&filter, MAX_OF_ACCOUNT_PER_DAY)?.len();
    }
    Ok(of_account >= MAX_OF_ACCOUNT_PER_DAY)
}

/// How many links were created for a user, of whom each account has an entry for each link.
fn count_links(entries: &[AuditEntry]) -> usize {
    let mut in_account: BTreeMap<(Timestamp, Option<&str>), usize> = BTreeMap::new();
    let mut links: BTreeMap<Timestamp, usize> = BTreeMap::new();
    for entry in entries {
        let key = (entry.happened_at, entry.account_id.as_deref());
        let count = in_account.entry(key).or_default();
        *count += 1;
        let most = links.entry(entry.happened_at).or_default();
        *most = (*most).max(*count);
    }
    links.values().sum()
}

/// The email address of the user whose link this is; `None` if it was used or replaced, or has
/// expired.
///
/// # Errors
/// `temporarily_unavailable` if the database cannot be reached.
pub async fn find(
    server: &AuthorizationServer,
    link: &str,
    now: Timestamp,
) -> Result<Option<String>, Error> {
    match parse_link(link) {
        Some(credential) => find_email(server, &credential, now).await,
        None => Ok(None),
    }
}

async fn find_email(
    server: &AuthorizationServer,
    link: &Credential,
    now: Timestamp,
) -> Result<Option<String>, Error> {
    let link = link.clone();
    server
        .store
        .read(move |database| Ok(user_of(database, &link, now)?.map(|user| user.email)))
        .await
}

fn user_of(
    database: &mut Database,
    credential: &Credential,
    now: Timestamp,
) -> Result<Option<User>, Error> {
    let found = invitation::find(database, credential.id())?;
    let active = found.filter(|row| {
        row.expires_at > now && StoredSecret::new(row.hash.clone()).matches(credential)
    });
    match active {
        Some(row) => Ok(user::find(database, &row.user_id)?),
        None => Ok(None),
    }
}

/// Sets the password with a link, invalidates the link and ends all of the user's sessions. Returns
/// the email address to sign in with.
///
/// # Errors
/// `not_found` if the link is not valid; `invalid_request` if the password is too weak.
pub async fn accept(
    server: &AuthorizationServer,
    link: &str,
    password: SecretString,
    context: &RequestContext,
) -> Result<String, Error> {
    let invalid_link = refusal::invitation_invalid;
    let link = parse_link(link).ok_or_else(invalid_link)?;
    // Before the expensive hash, so that guessing links cannot exhaust the CPU.
    let email = find_email(server, &link, context.received_at)
        .await?
        .ok_or_else(invalid_link)?;
    let password = usable_password(&server.store, password, &email)
        .await
        .map_err(|error| error.field("password"))?;
    let hash = server.passwords.hash(password).await?;
    let now = context.received_at;
    let context = context.clone();
    server
        .store
        .write(now, move |transaction| {
            let mut user = user_of(transaction.database(), &link, now)?.ok_or_else(invalid_link)?;
            if !has_open_account(transaction.database(), &user)? {
                return Err(refusal::account_closed());
            }
            user.password_hash = Some(hash.clone());
            user.wrong_codes = 0;
            user::update(transaction, &user)?;
            invitation::delete_all_links(transaction, &user.id)?;
            session::delete_all(transaction, &user.id, None)?;
            recorder(&user, &context).record(
                transaction,
                Action::UserAcceptInvitation,
                user.last_account(),
                &user.email,
            )?;
            Ok(user.email)
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pasted_link_may_be_whole_or_only_its_fragment() {
        for (pasted, secret) in [
            ("https://auth.example/portal/invitation#kwv_a_b", "kwv_a_b"),
            (
                " https://auth.example/portal/invitation#kwv_a_b\n",
                "kwv_a_b",
            ),
            ("#kwv_a_b", "kwv_a_b"),
            ("kwv_a_b", "kwv_a_b"),
            ("https://auth.example/portal/invitation#", ""),
            ("", ""),
        ] {
            assert_eq!(fragment_of(pasted), secret, "{pasted:?}");
        }
    }

    #[test]
    fn debug_masks_a_link() {
        let issuer: Issuer = "https://auth.example".parse().unwrap();
        let credential = Credential::generate(Kind::Invitation);
        let link = url(&issuer, &credential);
        assert_eq!(format!("{link:?}"), "***");
        let parsed = parse_link(link.expose()).unwrap();
        assert_eq!(parsed.expose(), credential.expose());
    }
}
