//! Sign-in to the portal: the password, the second factor, and device tokens, by which a browser
//! the user signed in with before has its own rate limit. Another way to prove who somebody is,
//! such as single sign-on, is another module like this one on top of `session`.

use std::time::Duration;

use super::membership::Place;
use super::session::{ActiveSession, ensure_active, new_session, recorder};
use super::user::{MAX_EMAIL, check_email};
use super::{AuthorizationServer, not_found};
use crate::clock::Timestamp;
use crate::credential::{Credential, Fingerprint, random_bytes};
use crate::crypto::password::{Caller, Password};
use crate::crypto::sealing_key::SealingKeyFile;
use crate::error::{Error, refusal};
use crate::manage::second_factor::{self, CodeCheck};
use crate::oauth::reason::Reason;
use crate::oauth::usage::FailureSource;
use crate::rate_limit::{Attempt, AttemptBy};
use crate::request_context::RequestContext;
use crate::secret::SecretString;
use crate::store::Transaction;
use crate::store::audit::{self, Action, AuditEntry, Recorder};
use crate::store::mail::{self, Facts, Mail, MailKind};
use crate::store::session::{self, AuthLevel, Session};
use crate::store::user::{self, User};

/// How long a device token is valid.
pub const DEVICE_TOKEN_TTL: Duration = Duration::from_secs(180 * 24 * 3600);

/// What a sign-in form submits.
#[derive(Debug)]
pub struct Credentials {
    /// The email address.
    pub email: String,
    /// The password.
    pub password: SecretString,
    /// The browser's `User-Agent`.
    pub user_agent: String,
    /// The device token of the browser, if it has one.
    pub device_token: Option<SecretString>,
}

/// The result of a successful step of a sign-in.
#[derive(Debug)]
pub struct SignInOutcome {
    /// The session cookie. If the user has a second factor, the session awaits it.
    pub cookie: Credential,
    /// A device token for the browser, once the sign-in is complete.
    pub device_token: Option<SecretString>,
    /// The number of wrong second-factor codes that other browsers entered since the user last
    /// signed in. More than zero means that somebody else knows the password.
    pub wrong_codes: i64,
}

/// Proof that a password was verified, valid as long as the user has this password. Verifying takes
/// long enough for the password to be changed meanwhile; the transaction that relies on the proof
/// therefore reads the user through [`VerifiedPassword::reload`].
pub(super) struct VerifiedPassword {
    user_id: String,
    hash: Option<String>,
}

impl VerifiedPassword {
    /// The user as the transaction sees it; `None` if the user was deleted or has another password
    /// now.
    pub(super) fn reload(&self, transaction: &mut Transaction<'_>) -> Result<Option<User>, Error> {
        let user = user::find(transaction.database(), &self.user_id)?;
        Ok(user.filter(|user| user.password_hash == self.hash))
    }
}

/// Signs a user in with the password.
///
/// # Errors
/// `access_denied`, the same for an unknown user as for a wrong password; `temporarily_unavailable` after
/// too many failures, with the time to wait.
pub async fn sign_in(
    server: &AuthorizationServer,
    credentials: Credentials,
    context: &RequestContext,
) -> Result<SignInOutcome, Error> {
    let email = normalize_email(&credentials.email);
    let name = email.clone();
    let found = server
        .store
        .read(move |database| user::find_by_email(database, &name))
        .await?;
    let device_token = credentials.device_token.as_ref();
    let device = found
        .as_ref()
        .zip(device_token)
        .and_then(|(user, token)| verify_device_token(server, user, token, context.received_at));
    let attempt = start_attempt(
        server,
        &attempt_by(found.as_ref(), device.as_ref(), &email),
        context,
    )?;
    let caller = if device.is_some() {
        Caller::Known
    } else {
        Caller::Anyone
    };
    let password = Password::presented(credentials.password);
    let verified = verify_password(server, found.as_ref(), password, caller).await?;
    let session = match verified {
        Some(verified) => {
            let is_known = device.is_some();
            create_session(server, verified, &credentials.user_agent, is_known, context).await?
        }
        None => Err(Reason::wrong_password()),
    };
    let (cookie, user, proven) = match session {
        Ok(session) => session,
        Err(reason) => {
            let user = found.as_ref();
            let refused = reject(server, attempt, &email, user, context, &reason);
            // Whoever knows the password may know this.
            return Err(match reason == Reason::account_closed() {
                true => refusal::account_closed(),
                false => refused,
            });
        }
    };
    let device_token = match proven {
        AuthLevel::All => {
            let token = issue_device_token(server, &user, device_token, context.received_at)?;
            Some(token)
        }
        AuthLevel::Password => None,
    };
    Ok(SignInOutcome {
        cookie,
        device_token,
        wrong_codes: 0,
    })
}

/// Lowercases and trims an address, and cuts what is longer than any address can be.
pub(super) fn normalize_email(email: &str) -> String {
    let email = email.trim().to_lowercase();
    email.chars().take(MAX_EMAIL).collect()
}

fn attempt_by<'a>(
    user: Option<&'a User>,
    device: Option<&'a [u8; 16]>,
    email: &'a str,
) -> AttemptBy<'a> {
    match (user, device) {
        (Some(user), Some(device)) => AttemptBy::KnownBrowser {
            browser: device,
            user: &user.id,
        },
        (Some(user), None) => AttemptBy::Password { user: &user.id },
        (None, _) => AttemptBy::UnknownUser { name: email },
    }
}

/// Verifies a password. For an unknown user it takes as long as for a known one.
async fn verify_password(
    server: &AuthorizationServer,
    user: Option<&User>,
    password: Password,
    caller: Caller,
) -> Result<Option<VerifiedPassword>, Error> {
    let hash = user.and_then(|user| user.password_hash.as_deref());
    let matches = server.passwords.matches(hash, password, caller).await?;
    Ok(user.filter(|_| matches).map(|user| VerifiedPassword {
        user_id: user.id.clone(),
        hash: user.password_hash.clone(),
    }))
}

/// Creates the session of a user who entered the password, in the account that was last in use. There is
/// none if the password was changed meanwhile, or all accounts of the user are closed.
async fn create_session(
    server: &AuthorizationServer,
    verified: VerifiedPassword,
    user_agent: &str,
    is_known_browser: bool,
    context: &RequestContext,
) -> Result<Result<(Credential, User, AuthLevel), Reason>, Error> {
    let (cookie, row) = new_session(
        server,
        (&verified.user_id, None),
        AuthLevel::Password,
        user_agent,
        context,
    );
    let context = context.clone();
    let created = server
        .store
        .write(context.received_at, move |transaction| {
            let Some(user) = verified.reload(transaction)? else {
                return Ok(Err(Reason::wrong_password()));
            };
            let database = transaction.database();
            let Some(place) = Place::find(database, &user, user.last_account())? else {
                return Ok(Err(Reason::account_closed()));
            };
            // A second factor may have been enrolled or removed while the password was verified.
            let proven = if user.totp_sealed.is_some() {
                AuthLevel::Password
            } else {
                AuthLevel::All
            };
            let latest = row.created_at.saturating_add(max_lifetime(proven));
            let row = Session {
                proven,
                expires_at: row.expires_at.min(latest),
                account_id: place.account_id().map(str::to_owned),
                ..row.clone()
            };
            insert_session(transaction, &user, &row, is_known_browser, &context)?;
            Ok::<_, Error>(Ok((user, proven)))
        })
        .await?;
    Ok(created.map(|(user, proven)| (cookie, user, proven)))
}

fn insert_session(
    transaction: &mut Transaction<'_>,
    user: &User,
    row: &Session,
    is_known_browser: bool,
    context: &RequestContext,
) -> Result<(), Error> {
    evict_oldest(transaction, &user.id, row.proven)?;
    session::insert(transaction, row)?;
    // Before the second factor nobody has signed in yet.
    if row.proven == AuthLevel::All && !is_known_browser && user.email_notices {
        let facts = Facts {
            at: Some(row.created_at),
            address: Some(row.address.clone()),
            agent: Some(row.agent.clone()),
            ..Facts::default()
        };
        let message = Mail::to_user(MailKind::SignIn, user, &facts, row.created_at);
        mail::queue(transaction, message, row.account_id.as_deref())?;
    }
    recorder(user, context).record(
        transaction,
        Action::SessionCreate,
        row.account_id.as_deref(),
        &user.email,
    )?;
    Ok(())
}

/// The maximum number of sessions of a user. Sessions that await the second factor are counted on
/// their own, so that somebody who knows only the password cannot evict the user's complete
/// sessions.
const fn max_sessions(proven: AuthLevel) -> usize {
    match proven {
        AuthLevel::Password => 5,
        AuthLevel::All => 50,
    }
}

/// The maximum lifetime of a session, whatever the settings say: ten minutes to enter the second
/// factor.
const fn max_lifetime(proven: AuthLevel) -> Duration {
    match proven {
        AuthLevel::Password => Duration::from_secs(600),
        AuthLevel::All => Duration::MAX,
    }
}

/// Deletes the oldest sessions at the same level, so that one more can be added.
fn evict_oldest(
    transaction: &mut Transaction<'_>,
    user_id: &str,
    proven: AuthLevel,
) -> Result<(), Error> {
    let sessions = session::list(transaction.database(), user_id)?;
    let surplus = sessions
        .iter()
        .filter(|session| session.proven == proven)
        .skip(max_sessions(proven) - 1);
    for session in surplus {
        session::delete(transaction, &session.id)?;
    }
    Ok(())
}

/// Completes a sign-in with the second factor. The session gets a new cookie.
///
/// # Errors
/// `access_denied` for a code that is wrong or was used; `temporarily_unavailable` after too many
/// failures.
pub async fn verify_second_factor(
    server: &AuthorizationServer,
    session: &ActiveSession,
    code: &SecretString,
    device_token: Option<&SecretString>,
    context: &RequestContext,
) -> Result<SignInOutcome, Error> {
    let user = &session.user;
    let device = device_token
        .and_then(|token| verify_device_token(server, user, token, context.received_at));
    let by = match &device {
        Some(device) => AttemptBy::KnownBrowser {
            browser: device,
            user: &user.id,
        },
        None => AttemptBy::Code { user: &user.id },
    };
    let is_known_browser = device.is_some();
    let attempt = start_attempt(server, &by, context)?;
    let (cookie, row) = new_session(
        server,
        (&user.id, session.account_id()),
        AuthLevel::All,
        &session.row.agent,
        context,
    );
    let pending = session.row.clone();
    let code = code.clone();
    let sealing_keys = server.sealing_keys().clone();
    let request = context.clone();
    let result = server
        .store
        .write(context.received_at, move |transaction| {
            let pending = ensure_active(transaction, &pending)?;
            let found = user::find(transaction.database(), &pending.user_id)?;
            let mut user = found.ok_or_else(|| not_found("user", &pending.user_id))?;
            match check_code(transaction, &sealing_keys, &mut user, &code, &request)? {
                CodeCheck::Right => {}
                CodeCheck::Wrong => {
                    session::add_wrong_code(transaction, &pending.id)?;
                    return Ok(Err(CodeCheck::Wrong));
                }
                CodeCheck::Locked => return Ok(Err(CodeCheck::Locked)),
            }
            // Those entered in this session are the user's own mistakes.
            let by_others = user.wrong_codes_since_sign_in - pending.wrong_codes;
            user.wrong_codes_since_sign_in = 0;
            user::update(transaction, &user)?;
            session::delete(transaction, &pending.id)?;
            insert_session(transaction, &user, &row, is_known_browser, &request)?;
            Ok::<_, Error>(Ok((user, by_others.max(0))))
        })
        .await?;
    match result {
        Ok((user, wrong_codes)) => Ok(SignInOutcome {
            cookie,
            device_token: Some(issue_device_token(
                server,
                &user,
                device_token,
                context.received_at,
            )?),
            wrong_codes,
        }),
        Err(check) => Err(reject_code(server, attempt, session, check, context)),
    }
}

/// Checks a code within a transaction. A wrong code is stored and recorded in the audit here; after
/// a right one the caller updates the user row.
pub(super) fn check_code(
    transaction: &mut Transaction<'_>,
    sealing_keys: &SealingKeyFile,
    user: &mut User,
    code: &SecretString,
    context: &RequestContext,
) -> Result<CodeCheck, Error> {
    let check = second_factor::consume_code(sealing_keys, user, code, context.received_at)?;
    if check == CodeCheck::Wrong {
        user::update(transaction, user)?;
        let reason = Reason::wrong_second_factor();
        audit::insert(
            transaction,
            &failure_entry(&user.email, Some(user), context, &reason),
        )?;
    }
    Ok(check)
}

/// The associated data of a user's device tokens. A new password or second factor invalidates them.
fn device_token_context(user: &User) -> String {
    let secrets = format!(
        "{}\0{}",
        user.password_hash.as_deref().unwrap_or_default(),
        user.totp_sealed.as_deref().unwrap_or_default()
    );
    format!(
        "device token of {} with {}",
        user.id,
        Fingerprint::of(secrets.as_bytes()).hex()
    )
}

/// Issues a device token: a device id and an expiry, sealed. A browser with a valid token keeps its
/// device id; otherwise one could collect many ids, each with a rate limit of its own.
fn issue_device_token(
    server: &AuthorizationServer,
    user: &User,
    current: Option<&SecretString>,
    now: Timestamp,
) -> Result<SecretString, Error> {
    let device = current
        .and_then(|token| verify_device_token(server, user, token, now))
        .unwrap_or_else(random_bytes::<16>);
    let expires_at = now.saturating_add(DEVICE_TOKEN_TTL);
    let sealing_keys = server.sealing_keys();
    let content = encode_device_token(device, expires_at);
    let sealed = sealing_keys.seal(&device_token_context(user), &content)?;
    Ok(SecretString::new(sealed))
}

/// The device id of a token that is valid for this user.
fn verify_device_token(
    server: &AuthorizationServer,
    user: &User,
    token: &SecretString,
    now: Timestamp,
) -> Option<[u8; 16]> {
    let content = server
        .sealing_keys()
        .unseal(&device_token_context(user), token.expose())
        .ok()?;
    decode_device_token(content.expose(), now)
}

fn encode_device_token(device: [u8; 16], expires_at: Timestamp) -> Vec<u8> {
    [device.as_slice(), &expires_at.millis().to_be_bytes()].concat()
}

fn decode_device_token(content: &[u8], now: Timestamp) -> Option<[u8; 16]> {
    let (device, expires_at) = content.split_first_chunk::<16>()?;
    let expires_at = Timestamp::from_millis(i64::from_be_bytes(expires_at.try_into().ok()?));
    (now < expires_at).then_some(*device)
}

/// Counts an attempt before the password or code is checked, so that concurrent attempts cannot
/// exceed the limit.
pub(super) fn start_attempt<'a>(
    server: &'a AuthorizationServer,
    by: &AttemptBy<'_>,
    context: &RequestContext,
) -> Result<Attempt<'a>, Error> {
    server.start_attempt(by, context.client_ip).map_err(|wait| {
        let seconds = wait.as_secs().max(1);
        refusal::too_many_failures(seconds).retry_in(wait)
    })
}

/// Attempts within an open session are counted per session.
pub(super) fn attempt_in_session(session: &ActiveSession) -> AttemptBy<'_> {
    AttemptBy::KnownBrowser {
        browser: session.row.id.as_bytes(),
        user: &session.user.id,
    }
}

/// The audit entry of a failed attempt, visible to the account that the user last used.
fn failure_entry(
    email: &str,
    user: Option<&User>,
    context: &RequestContext,
    reason: &Reason,
) -> AuditEntry {
    // Only a valid address is recorded: people type passwords into the wrong field.
    let target = check_email(email).unwrap_or_default();
    let account = user.and_then(User::last_account);
    let entry = Recorder::unauthenticated(context).entry(Action::SessionFailure, account, &target);
    AuditEntry {
        reason: Some(reason.to_string()),
        reason_code: Some(reason.code().to_owned()),
        ..entry
    }
}

/// Counts and records a failed attempt, and makes the error to show.
fn reject(
    server: &AuthorizationServer,
    attempt: Attempt<'_>,
    email: &str,
    user: Option<&User>,
    context: &RequestContext,
    reason: &Reason,
) -> Error {
    attempt.fail();
    let of = if user.is_some() {
        FailureSource::Known
    } else {
        FailureSource::Unknown
    };
    server
        .usage
        .record_failure(failure_entry(email, user, context, reason), of);
    refusal::sign_in_failed().detail(reason.to_string())
}

/// Counts a wrong code, and makes the error to show. [`check_code`] has already recorded a wrong
/// code.
pub(super) fn reject_code(
    server: &AuthorizationServer,
    attempt: Attempt<'_>,
    session: &ActiveSession,
    check: CodeCheck,
    context: &RequestContext,
) -> Error {
    if check != CodeCheck::Locked {
        attempt.fail();
        return wrong_code();
    }
    let reason = Reason::second_factor_locked();
    let user = Some(&session.user);
    reject(server, attempt, session.email(), user, context, &reason);
    refusal::second_factor_locked().field("code")
}

pub(super) fn wrong_code() -> Error {
    refusal::wrong_code().field("code")
}

/// Verifies the password again before a sensitive change: somebody at an unlocked computer may not
/// know it. `field` is the form field it was entered in.
///
/// # Errors
/// `invalid_request` if the password is wrong; `temporarily_unavailable` after too many failures.
pub(super) async fn confirm_password(
    server: &AuthorizationServer,
    session: &ActiveSession,
    password: SecretString,
    field: &'static str,
    context: &RequestContext,
) -> Result<VerifiedPassword, Error> {
    let attempt = start_attempt(server, &attempt_in_session(session), context)?;
    let user = Some(&session.user);
    let password = Password::presented(password);
    if let Some(verified) = verify_password(server, user, password, Caller::Known).await? {
        return Ok(verified);
    }
    let reason = Reason::wrong_current_password();
    reject(server, attempt, session.email(), user, context, &reason);
    Err(refusal::wrong_current_password().field(field))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::Kind;

    #[test]
    fn email_addresses_are_compared_in_lower_case_without_spaces() {
        for (typed, expected) in [
            ("ada@acme.example", "ada@acme.example"),
            (" Ada@ACME.example\n", "ada@acme.example"),
            ("", ""),
        ] {
            assert_eq!(normalize_email(typed), expected, "{typed:?}");
        }
        assert_eq!(normalize_email(&"a".repeat(5_000)).len(), MAX_EMAIL);
    }

    #[test]
    fn debug_masks_what_a_sign_in_form_submits() {
        let credentials = Credentials {
            email: "ada@acme.example".to_owned(),
            password: "correct horse".into(),
            user_agent: "Firefox".to_owned(),
            device_token: Some("c2VhbGVk".into()),
        };
        let outcome = SignInOutcome {
            cookie: Credential::generate(Kind::Session),
            device_token: Some("c2VhbGVk".into()),
            wrong_codes: 0,
        };
        let shown = format!("{credentials:?} {outcome:?}");
        assert!(shown.contains("ada@acme.example"), "{shown}");
        for secret in ["correct horse", "c2VhbGVk", outcome.cookie.expose()] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }

    #[test]
    fn a_device_token_expires() {
        let device = [7; 16];
        let expires_at = Timestamp::from_seconds(1_000);
        let token = encode_device_token(device, expires_at);
        let decode = |token: &[u8], now| decode_device_token(token, Timestamp::from_seconds(now));
        assert_eq!(decode(&token, 999), Some(device));
        assert_eq!(decode(&token, 1_000), None, "at its expiry");
        assert_eq!(decode(&token[..23], 999), None, "cut short");
        assert_eq!(decode(&[], 999), None, "empty");
    }
}
