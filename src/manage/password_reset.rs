//! Password reset by e-mail: a link that a user who forgot the password asks for.
//!
//! A link is not stored. It has the user, its expiry and a code by a key that is derived from the
//! sealing key. The code depends on the current password, so a link works once, and none works any
//! more once the password was changed in another way.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::AuthorizationServer;
use super::membership::has_open_account;
use super::session::recorder;
use super::sign_in::{normalize_email, start_attempt};
use super::user::{check_email, usable_password};
use crate::clock::Timestamp;
use crate::clock::watch::TOLERANCE;
use crate::config::Issuer;
use crate::credential::Fingerprint;
use crate::crypto::sealing_key::{SealingKeyError, SealingKeyFile};
use crate::decimal;
use crate::error::{Error, refusal};
use crate::rate_limit::AttemptBy;
use crate::request_context::RequestContext;
use crate::secret::SecretString;
use crate::store::audit::{Action, Recorder};
use crate::store::clock::not_before;
use crate::store::mail::{self, Facts, Mail, MailKind};
use crate::store::user::{self, User};
use crate::store::{Database, StoreError, invitation, session};

/// When a request for a link is answered. Whatever has to be done for an address that a user has is done
/// by then, so that the time does not tell whether there is one.
const ANSWERED_AFTER: Duration = Duration::from_millis(500);

/// What the code of a link is for.
const PURPOSE: &str = "password reset";

/// What a link begins with, after the `#`.
const PREFIX: &str = "kwf_";

/// The path of the page that a link opens, below the issuer.
const PATH: &str = "/portal/password/reset";

/// The link of a user, which expires at `expires_at`. The secret is in the fragment, as in that of an
/// invitation.
///
/// # Errors
/// The sealing key file was not read.
pub fn url(
    keys: &SealingKeyFile,
    issuer: &Issuer,
    user: &User,
    expires_at: Timestamp,
) -> Result<SecretString, SealingKeyError> {
    let seconds = expires_at.seconds().to_string();
    let code = keys.mac(PURPOSE, &signed(user, &seconds))?;
    let code = URL_SAFE_NO_PAD.encode(code);
    let parts: [&str; 8] = [
        &issuer.endpoint(PATH),
        "#",
        PREFIX,
        &user.id,
        ".",
        &seconds,
        ".",
        &code,
    ];
    Ok(SecretString::new(parts.concat()))
}

/// What the code of a link is about.
fn signed(user: &User, expires_at: &str) -> Vec<u8> {
    let password = user.password_hash.as_deref().unwrap_or_default();
    let password = Fingerprint::of(password.as_bytes()).hex();
    [&user.id, &user.email, &password, expires_at]
        .join("\0")
        .into_bytes()
}

/// The clocks that decide whether a link has expired.
#[derive(Clone, Copy)]
struct Clocks {
    /// The later of the clocks of this node and of the database server.
    now: Timestamp,
    /// What has passed whatever the clocks say: see
    /// [`ClockWatch::past`](crate::clock::watch::ClockWatch::past).
    past: Timestamp,
}

impl Clocks {
    fn read(database: &mut Database, now: Timestamp, past: Timestamp) -> Result<Self, StoreError> {
        let now = not_before(database, now)?;
        Ok(Clocks { now, past })
    }

    /// Whether a link that expires at this instant is valid. One that is valid for longer than any link is
    /// made for was made by a clock that is ahead, or this one is behind.
    fn accept(self, expires_at: Timestamp) -> bool {
        let latest = self.now.saturating_add(MailKind::PasswordReset.lifetime());
        self.now < expires_at
            && self.past < expires_at
            && expires_at <= latest.saturating_add(TOLERANCE)
    }
}

/// The parts of a pasted link: the whole link, or only its fragment.
#[derive(Clone)]
struct Link {
    user_id: String,
    expires_at: String,
    code: Vec<u8>,
}

impl Link {
    fn parse(link: &str) -> Option<Self> {
        let fragment = link.rsplit('#').next()?.trim().strip_prefix(PREFIX)?;
        let mut parts = fragment.split('.');
        let link = Link {
            user_id: parts.next()?.to_owned(),
            expires_at: parts.next()?.to_owned(),
            code: URL_SAFE_NO_PAD.decode(parts.next()?).ok()?,
        };
        parts.next().is_none().then_some(link)
    }

    /// Whether it is a valid link of this user.
    fn is_of(&self, user: &User, keys: &SealingKeyFile, clocks: Clocks) -> bool {
        let expires_at = decimal::parse(&self.expires_at).map(Timestamp::from_seconds);
        user.id == self.user_id
            && user.password_hash.is_some()
            && expires_at.is_some_and(|expires_at| clocks.accept(expires_at))
            && keys.verify_mac(PURPOSE, &signed(user, &self.expires_at), &self.code)
    }
}

/// Sends a link to a user who has a password. The outcome and the time are the same whether or not
/// there is such a user.
///
/// # Errors
/// `conflict` if no e-mail is sent; `invalid_request` for an invalid address; `temporarily_unavailable` after
/// too many requests from this address or for this user; `temporarily_unavailable` if the database cannot
/// be written.
pub async fn request(
    server: &AuthorizationServer,
    email: &str,
    context: &RequestContext,
) -> Result<(), Error> {
    // The node that answers may have a server set, and the one that started last none: nothing is queued
    // then. That depends on no user.
    if server.mailer().is_none() || !server.store.read(mail::is_on).await? {
        return Err(refusal::mail_is_off());
    }
    let email = check_email(&normalize_email(email))?;
    // Counted by the address as it was entered, known or not.
    let name = format!("reset {email}");
    start_attempt(server, &AttemptBy::UnknownUser { name: &name }, context)?.fail();
    let answered = tokio::time::sleep(ANSWERED_AFTER);
    let (done, ()) = tokio::join!(queue(server, email, context), answered);
    done
}

async fn queue(
    server: &AuthorizationServer,
    email: String,
    context: &RequestContext,
) -> Result<(), Error> {
    let now = context.received_at;
    let context = context.clone();
    server
        .store
        .write(now, move |transaction| {
            let found = user::find_by_email(transaction.database(), &email)?;
            // One without a password was not invited, or has another link.
            let Some(user) = found.filter(|user| user.password_hash.is_some()) else {
                return Ok(());
            };
            let account_id = user.last_account();
            if !has_open_account(transaction.database(), &user)? {
                return Ok(());
            }
            let facts = Facts {
                at: Some(now),
                address: Some(context.client_ip.to_string()),
                ..Facts::default()
            };
            let message = Mail::to_user(MailKind::PasswordReset, &user, &facts, now);
            if mail::queue(transaction, message, account_id)? {
                Recorder::unauthenticated(&context).record(
                    transaction,
                    Action::UserRequestPasswordReset,
                    account_id,
                    &user.email,
                )?;
            }
            Ok::<_, Error>(())
        })
        .await
}

/// The email address of the user whose link this is; `None` if it was used, has expired, or the password
/// was changed since.
///
/// # Errors
/// `temporarily_unavailable` if the database cannot be reached.
pub async fn find(
    server: &AuthorizationServer,
    link: &str,
    now: Timestamp,
) -> Result<Option<String>, Error> {
    let Some(link) = Link::parse(link) else {
        return Ok(None);
    };
    let keys = server.sealing_keys().clone();
    let past = server.clock.past();
    server
        .store
        .read(move |database| {
            let clocks = Clocks::read(database, now, past)?;
            let found = user::find(database, &link.user_id)?;
            let own = found.filter(|user| link.is_of(user, &keys, clocks));
            Ok(own.map(|user| user.email))
        })
        .await
}

/// Sets the password with a link, and ends all of the user's sessions. The second factor stays, and so
/// does the count of wrong codes: whoever reads the user's e-mail must not get more attempts.
///
/// # Errors
/// `not_found` if the link is not valid; `invalid_request` if the password is too weak; `access_denied`
/// if the account is closed.
pub async fn accept(
    server: &AuthorizationServer,
    link: &str,
    password: SecretString,
    context: &RequestContext,
) -> Result<(), Error> {
    let invalid_link = refusal::invitation_invalid;
    let now = context.received_at;
    // Before the expensive hash, so that guessing links cannot exhaust the CPU.
    let email = find(server, link, now).await?.ok_or_else(invalid_link)?;
    let link = Link::parse(link).ok_or_else(invalid_link)?;
    let password = usable_password(&server.store, password, &email)
        .await
        .map_err(|error| error.field("password"))?;
    let hash = server.passwords.hash(password).await?;
    let keys = server.sealing_keys().clone();
    let past = server.clock.past();
    let context = context.clone();
    server
        .store
        .write(now, move |transaction| {
            let clocks = Clocks::read(transaction.database(), now, past)?;
            let found = user::find(transaction.database(), &link.user_id)?;
            let own = found.filter(|user| link.is_of(user, &keys, clocks));
            let mut user = own.ok_or_else(invalid_link)?;
            if !has_open_account(transaction.database(), &user)? {
                return Err(refusal::account_closed());
            }
            user.password_hash = Some(hash.clone());
            user::update(transaction, &user)?;
            invitation::delete_all_links(transaction, &user.id)?;
            session::delete_all(transaction, &user.id, None)?;
            Ok(recorder(&user, &context).record(
                transaction,
                Action::UserResetPassword,
                user.last_account(),
                &user.email,
            )?)
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::user::Role;

    #[test]
    fn a_link_expires_by_the_later_of_the_clocks() {
        let at = Timestamp::from_seconds;
        for (name, now, past, accepted) in [
            ("just made", 100_000, 0, true),
            ("a second before its end", 103_599, 0, true),
            ("at its end", 103_600, 0, false),
            ("later", 200_000, 0, false),
            ("a clock that is a minute behind", 99_940, 0, true),
            ("a clock that is further behind", 99_939, 0, false),
            ("what has passed for sure", 100_000, 103_600, false),
            ("what has passed a second before", 100_000, 103_599, true),
        ] {
            let clocks = Clocks {
                now: at(now),
                past: at(past),
            };
            assert_eq!(clocks.accept(at(103_600)), accepted, "{name}");
        }
    }

    #[test]
    fn a_link_is_of_one_user_and_one_password_and_expires() {
        let folder = std::env::temp_dir().join(format!(
            "keyward-password-reset-{}",
            crate::credential::new_id()
        ));
        let keys = SealingKeyFile::open_or_make(&folder).unwrap();
        let issuer: Issuer = "https://auth.example".parse().unwrap();
        let at = Timestamp::from_seconds;
        let by = |now| Clocks {
            now: at(now),
            past: at(0),
        };
        let mut user = User::new("ada@acme.example".to_owned(), Role::Viewer, None, at(0));
        assert!(user.password_hash.is_none());
        let link = |user: &User| url(&keys, &issuer, user, at(1000)).unwrap();
        let first = link(&user);
        assert_eq!(format!("{first:?}"), "***");
        let parsed = Link::parse(first.expose()).unwrap();
        assert!(!parsed.is_of(&user, &keys, by(0)), "there is no password");
        user.password_hash = Some("a".to_owned());
        let pasted = link(&user);
        let parsed = Link::parse(pasted.expose()).unwrap();
        assert!(parsed.is_of(&user, &keys, by(999)));
        assert!(!parsed.is_of(&user, &keys, by(1000)));
        let longer = Link {
            expires_at: "2000".to_owned(),
            ..parsed.clone()
        };
        assert!(!longer.is_of(&user, &keys, by(999)));
        let other = User::new("eve@acme.example".to_owned(), Role::Viewer, None, at(0));
        assert!(!parsed.is_of(&other, &keys, by(0)));
        let taken_over = Link {
            user_id: other.id.clone(),
            ..parsed.clone()
        };
        assert!(!taken_over.is_of(&other, &keys, by(0)));
        user.password_hash = Some("b".to_owned());
        assert!(
            !parsed.is_of(&user, &keys, by(0)),
            "the password was changed"
        );
        for wrong in [
            "",
            "#",
            "kwf_",
            "kwf_a.1",
            "kwf_a.1.!",
            "kwf_a.1.AA.AA",
            "kwv_a.1.AA",
        ] {
            assert!(Link::parse(wrong).is_none(), "{wrong:?}");
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}
