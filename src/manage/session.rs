//! Sessions: users who signed in to the portal, each in a browser.

use std::sync::Arc;
use std::time::Duration;

use super::actor::Actor;
use super::idempotency::IdempotencyKey;
use super::rights::Rights;
use super::second_factor::{self, CodeCheck};
use super::{AuthorizationServer, invalid};
use crate::clock::Timestamp;
use crate::credential::{Credential, Fingerprint, Kind, random_bytes};
use crate::crypto::password::{Caller, Password};
use crate::crypto::secret_hash::{self, StoredSecret};
use crate::error::{Code, Error};
use crate::oauth::reason::Reason;
use crate::oauth::usage::FailureSource;
use crate::rate_limit::{Attempt, AttemptBy};
use crate::request_context::RequestContext;
use crate::store::account::{self, Account};
use crate::store::audit::{Action, AuditEntry, Recorder};
use crate::store::session::{self, AuthLevel, Session};
use crate::store::user::{self, Role, User};
use crate::store::{Transaction, invitation};

/// How exactly the last use of a session is known, unless it ends sooner than that.
const SEEN_TO: Duration = Duration::from_secs(60);

/// What a browser calls itself is kept to this length, in characters.
const MAX_AGENT: usize = 200;

/// A user whose browser presented the cookie of a session that has not ended.
#[derive(Clone)]
pub struct SignedIn {
    pub(super) user: User,
    account: Option<Account>,
    pub(super) session: Session,
    form_token: Fingerprint,
    requires_second_factor: bool,
}

impl SignedIn {
    /// The address that the user signs in with.
    pub fn email(&self) -> &str {
        &self.user.email
    }

    /// What the user is.
    pub fn role(&self) -> Role {
        self.user.role
    }

    /// The user's account; an operator has none.
    pub fn account(&self) -> Option<&Account> {
        self.account.as_ref()
    }

    /// Whether the second factor is still to come.
    pub fn awaits_second_factor(&self) -> bool {
        self.session.proven == AuthLevel::Password
    }

    /// Whether the user has a second factor.
    pub fn has_second_factor(&self) -> bool {
        self.user.totp_sealed.is_some()
    }

    /// How many recovery codes are left.
    pub fn recovery_codes(&self) -> usize {
        self.user
            .recovery_hashes
            .split(' ')
            .filter(|hash| !hash.is_empty())
            .count()
    }

    /// Whether the account wants a second factor, or the setting where the user is an operator.
    pub fn requires_second_factor(&self) -> bool {
        self.requires_second_factor
    }

    /// Whether one is wanted that the user has not got.
    pub fn must_enrol(&self) -> bool {
        self.requires_second_factor && !self.has_second_factor()
    }

    /// Who guesses at a password or a code within the session.
    pub(super) fn attempt_by(&self) -> AttemptBy<'_> {
        AttemptBy::KnownBrowser {
            browser: self.session.id.as_bytes(),
            user: &self.user.id,
        }
    }

    /// What a form of this session carries, so that no other site can send it.
    pub fn form_token(&self) -> String {
        self.form_token.hex()
    }

    /// The rights of the user, by the role.
    pub fn rights(&self) -> Rights {
        Rights::of_role(self.user.role)
    }

    /// The user as an actor, with an Idempotency-Key where the form has one.
    pub fn actor(
        &self,
        context: &RequestContext,
        idempotency_key: Option<IdempotencyKey>,
    ) -> Arc<Actor> {
        let account = self.user.account_id.as_deref();
        Arc::new(
            Actor::user(&self.user.email, self.user.role, account, context)
                .with_idempotency_key(idempotency_key),
        )
    }
}

/// What a form carries before anybody has signed in, from the cookie of the browser.
pub fn form_token(cookie: &str) -> String {
    Fingerprint::of(format!("form\0{cookie}").as_bytes()).hex()
}

/// A user of a browser, as [`sign_in`] reads it.
pub struct Credentials {
    /// The e-mail address.
    pub email: String,
    /// The password.
    pub password: String,
    /// What the browser calls itself.
    pub agent: String,
    /// What the browser keeps of a user who got in there before.
    pub known: Option<String>,
}

/// What a browser gets for what was right.
pub struct Entrance {
    /// The cookie of the session.
    pub cookie: Credential,
    /// What is kept beyond it, where all is proven: the browser is no stranger from then on.
    pub known: Option<String>,
    /// How many wrong codes of the second factor were entered in other browsers since the user last
    /// signed in: somebody knows the password.
    pub wrong_codes: i64,
}

/// Signs a user in.
///
/// # Errors
/// The same words for whatever is wrong; too many failures, with when to come back.
pub async fn sign_in(
    server: &AuthorizationServer,
    credentials: Credentials,
    context: &RequestContext,
) -> Result<Entrance, Error> {
    // No address is longer.
    let email: String = credentials
        .email
        .trim()
        .to_lowercase()
        .chars()
        .take(super::user::MAX_EMAIL)
        .collect();
    let wanted = email.clone();
    let found = server
        .store
        .read(move |database| user::find_by_email(database, &wanted))
        .await?;
    let known = credentials.known.as_deref();
    let browser = found
        .as_ref()
        .zip(known)
        .and_then(|(user, known)| known_browser(server, user, known, context.received_at));
    let by = match (&found, &browser) {
        (Some(user), Some(browser)) => AttemptBy::KnownBrowser {
            browser,
            user: &user.id,
        },
        (Some(user), None) => AttemptBy::Password { user: &user.id },
        (None, _) => AttemptBy::UnknownUser { name: &email },
    };
    let attempt = attempt(server, &by, context)?;
    let stored = found
        .as_ref()
        .and_then(|user| user.password_hash.as_deref());
    let caller = if browser.is_some() {
        Caller::Known
    } else {
        Caller::Anyone
    };
    let right = server
        .passwords
        .matches(stored, Password::presented(credentials.password), caller)
        .await?;
    let Some(user) = found.as_ref().filter(|_| right) else {
        return Err(failed(
            server,
            attempt,
            &email,
            found.as_ref(),
            context,
            &Reason::wrong_password(),
        ));
    };
    let (cookie, row) = new_session(
        server,
        &user.id,
        AuthLevel::Password,
        &credentials.agent,
        context,
    );
    let (compared, user_id) = (user.password_hash.clone(), user.id.clone());
    let recorder = recorder(user, context);
    let max_age = server.settings.portal_session;
    let entered = server
        .store
        .write(context.received_at, move |transaction| {
            // The password may have been changed, or a second factor set up, while this one was compared.
            let found = user::find(transaction.database(), &user_id)?
                .filter(|user| user.password_hash == compared);
            let Some(user) = found else { return Ok(None) };
            let proven = if user.totp_sealed.is_some() {
                AuthLevel::Password
            } else {
                AuthLevel::All
            };
            let row = Session {
                proven,
                expires_at: row.created_at.saturating_add(max_age.min(longest(proven))),
                ..row.clone()
            };
            evict_oldest(transaction, &user.id, proven)?;
            session::insert(transaction, &row)?;
            recorder.record(
                transaction,
                Action::SessionCreate,
                user.account_id.as_deref(),
                &user.email,
            )?;
            Ok::<_, Error>(Some((user, proven)))
        })
        .await?;
    let Some((user, proven)) = entered else {
        return Err(failed(
            server,
            attempt,
            &email,
            found.as_ref(),
            context,
            &Reason::wrong_password(),
        ));
    };
    let known = (proven == AuthLevel::All)
        .then(|| know(server, &user, known, context.received_at))
        .transpose()?;
    Ok(Entrance {
        cookie,
        known,
        wrong_codes: 0,
    })
}

/// How many sessions a user has at the most. Whoever knows the password alone must not end the sessions of
/// the rightful user, so those that wait for the second factor make room only among themselves.
const fn max_sessions(proven: AuthLevel) -> usize {
    match proven {
        AuthLevel::Password => 5,
        AuthLevel::All => 50,
    }
}

/// How long a session lasts at the most, whatever is set.
const fn longest(proven: AuthLevel) -> Duration {
    match proven {
        AuthLevel::Password => Duration::from_secs(600),
        AuthLevel::All => Duration::MAX,
    }
}

/// Makes room for one more session that proved as much.
fn evict_oldest(
    transaction: &mut Transaction<'_>,
    user_id: &str,
    proven: AuthLevel,
) -> Result<(), Error> {
    let sessions = session::list(transaction.database(), user_id)?;
    for oldest in sessions
        .iter()
        .filter(|session| session.proven == proven)
        .skip(max_sessions(proven) - 1)
    {
        session::delete(transaction, &oldest.id)?;
    }
    Ok(())
}

/// For how long a browser is known.
pub const KNOWN_FOR: Duration = Duration::from_secs(180 * 24 * 3600);

/// The name under which a browser's proof of having been in is sealed. With another password or second
/// factor it is a stranger again.
fn known_as(user: &User) -> String {
    let secrets = format!(
        "{}\0{}",
        user.password_hash.as_deref().unwrap_or_default(),
        user.totp_sealed.as_deref().unwrap_or_default()
    );
    format!(
        "a browser that {} got in by with {}",
        user.id,
        Fingerprint::of(secrets.as_bytes()).hex()
    )
}

/// The proof for a browser: its number and until when. One that is known keeps its number, so that nobody
/// collects many.
fn know(
    server: &AuthorizationServer,
    user: &User,
    known: Option<&str>,
    now: Timestamp,
) -> Result<String, Error> {
    let number = known
        .and_then(|known| known_browser(server, user, known, now))
        .unwrap_or_else(random_bytes::<16>);
    let end = now.saturating_add(KNOWN_FOR).millis().to_be_bytes();
    let proof = [number.as_slice(), &end].concat();
    let sealing_keys = server.signing_keys.sealing_keys();
    Ok(sealing_keys.seal(&known_as(user), &proof)?)
}

fn known_browser(
    server: &AuthorizationServer,
    user: &User,
    known: &str,
    now: Timestamp,
) -> Option<[u8; 16]> {
    let proof = server
        .signing_keys
        .sealing_keys()
        .unseal(&known_as(user), known)
        .ok()?;
    let (number, end) = proof.split_first_chunk::<16>()?;
    let end = Timestamp::from_millis(i64::from_be_bytes(end.try_into().ok()?));
    (end > now).then_some(*number)
}

/// Refuses a change by a session that has ended while it was asked for.
pub(super) fn check_live(
    transaction: &mut Transaction<'_>,
    signed_in: &Session,
) -> Result<Session, Error> {
    match session::find(transaction.database(), &signed_in.id)? {
        Some(session) => Ok(session),
        None => {
            let over = Error::new(
                Code::AccessDenied,
                "The session has ended meanwhile; sign in again",
            );
            Err(over.phrase("session-over", []))
        }
    }
}

fn new_session(
    server: &AuthorizationServer,
    user_id: &str,
    proven: AuthLevel,
    agent: &str,
    context: &RequestContext,
) -> (Credential, Session) {
    let cookie = Credential::generate(Kind::Session);
    let row = Session {
        id: cookie.id().to_owned(),
        user_id: user_id.to_owned(),
        hash: secret_hash::hash(&cookie),
        proven,
        address: context.client_ip.to_string(),
        agent: agent
            .chars()
            .filter(|c| !c.is_control())
            .take(MAX_AGENT)
            .collect(),
        created_at: context.received_at,
        last_seen_at: context.received_at,
        expires_at: context
            .received_at
            .saturating_add(server.settings.portal_session),
        wrong_codes: 0,
    };
    (cookie, row)
}

/// What the audit says of whatever the user does in this request.
fn recorder(user: &User, context: &RequestContext) -> Recorder {
    Recorder::in_request(format!("user {}", user.email), context)
}

/// Counts an attempt before a password or a code is compared.
pub(super) fn attempt<'a>(
    server: &'a AuthorizationServer,
    by: &AttemptBy<'_>,
    context: &RequestContext,
) -> Result<Attempt<'a>, Error> {
    server
        .rate_limiter
        .attempt(by, context.client_ip)
        .map_err(|wait| {
            let seconds = wait.as_secs().max(1);
            Error::too_many_requests("Too many failed attempts; try again later", wait)
                .phrase("too-many-failures", [("seconds", seconds.into())])
        })
}

/// The entry of a failed attempt. Those of the user's account see that somebody tries to get in.
pub(super) fn failure(
    email: &str,
    user: Option<&User>,
    context: &RequestContext,
    reason: &Reason,
) -> AuditEntry {
    // A password that was typed into the wrong field is nobody's to read.
    let target = super::user::check_email(email).unwrap_or_default();
    let account = user.and_then(|user| user.account_id.as_deref());
    AuditEntry {
        reason: Some(reason.to_string()),
        reason_code: Some(reason.code().to_owned()),
        ..Recorder::unauthenticated(context).entry(Action::SessionFailure, account, &target)
    }
}

/// Lets a failed attempt count, records it, and gives what to answer.
fn failed(
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
        .record_failure(failure(email, user, context, reason), of);
    Error::new(
        Code::AccessDenied,
        "The e-mail address or the password is wrong",
    )
    .phrase("sign-in-wrong", [])
    .detail(reason.to_string())
}

/// Who presents this cookie; nobody where its session has ended.
///
/// # Errors
/// Where the database gave no answer.
pub async fn resume(
    server: &AuthorizationServer,
    cookie: &str,
    now: Timestamp,
) -> Result<Option<SignedIn>, Error> {
    let Some(credential) = Credential::parse(cookie, Kind::Session) else {
        return Ok(None);
    };
    let id = credential.id().to_owned();
    let found = server
        .store
        .read(move |database| {
            let Some(session) = session::find(database, &id)? else {
                return Ok(None);
            };
            let Some(user) = user::find(database, &session.user_id)? else {
                return Ok(None);
            };
            let account = match &user.account_id {
                Some(id) => account::find(database, id)?,
                None => None,
            };
            Ok::<_, Error>(Some((session, user, account)))
        })
        .await?;
    let Some((session, user, account)) = found else {
        return Ok(None);
    };
    let idle = now.duration_since(session.last_seen_at) >= server.settings.portal_idle;
    if idle
        || session.expires_at <= now
        || !StoredSecret::new(session.hash.clone()).matches(&credential)
    {
        return Ok(None);
    }
    // A session that is used must not end for want of use.
    if now.duration_since(session.last_seen_at) >= SEEN_TO.min(server.settings.portal_idle / 2) {
        let id = session.id.clone();
        server
            .store
            .write_untracked(move |database| session::touch(database, &id, now))
            .await?;
    }
    let form_token = Fingerprint::of(format!("form\0{cookie}").as_bytes());
    let requires_second_factor = match &account {
        Some(account) => account.requires_second_factor,
        None => server.settings.operator_second_factor.is_on(),
    };
    Ok(Some(SignedIn {
        user,
        account,
        session,
        form_token,
        requires_second_factor,
    }))
}

/// Takes the second factor: a new cookie in the place of the old one.
///
/// # Errors
/// A wrong code, or one that was used; too many failures.
pub async fn prove_second_factor(
    server: &AuthorizationServer,
    signed_in: &SignedIn,
    code: &str,
    known: Option<&str>,
    context: &RequestContext,
) -> Result<Entrance, Error> {
    let browser =
        known.and_then(|known| known_browser(server, &signed_in.user, known, context.received_at));
    let user = &signed_in.user.id;
    let by = browser
        .as_ref()
        .map_or(AttemptBy::Code { user }, |browser| {
            AttemptBy::KnownBrowser { browser, user }
        });
    let attempt = attempt(server, &by, context)?;
    let (cookie, row) = new_session(
        server,
        &signed_in.user.id,
        AuthLevel::All,
        &signed_in.session.agent,
        context,
    );
    let (old, code, user_id) = (
        signed_in.session.clone(),
        code.to_owned(),
        signed_in.user.id.clone(),
    );
    let (sealing_keys, now) = (
        server.signing_keys.sealing_keys().clone(),
        context.received_at,
    );
    let (recorder, origin_of) = (recorder(&signed_in.user, context), context.clone());
    let proven = server
        .store
        .write(now, move |transaction| {
            let session = check_live(transaction, &old)?;
            let found = user::find(transaction.database(), &user_id)?;
            let mut user = found.ok_or_else(|| super::not_found("user", &user_id))?;
            let check = second_factor::check_code(
                transaction,
                &sealing_keys,
                &mut user,
                &code,
                &origin_of,
            )?;
            if check != CodeCheck::Right {
                if check == CodeCheck::Wrong {
                    session::add_wrong_code(transaction, &old.id)?;
                }
                return Ok::<_, Error>(Err(check));
            }
            let wrong_codes = user.wrong_codes_since_sign_in - session.wrong_codes;
            user.wrong_codes_since_sign_in = 0;
            user::update(transaction, &user)?;
            session::delete(transaction, &old.id)?;
            evict_oldest(transaction, &user.id, AuthLevel::All)?;
            session::insert(transaction, &row)?;
            recorder.record(
                transaction,
                Action::SessionCreate,
                user.account_id.as_deref(),
                &user.email,
            )?;
            Ok(Ok((user, wrong_codes)))
        })
        .await?;
    match proven {
        Ok((user, wrong_codes)) => Ok(Entrance {
            cookie,
            known: Some(know(server, &user, known, context.received_at)?),
            wrong_codes: wrong_codes.max(0),
        }),
        Err(check) => Err(refuse_code(server, attempt, signed_in, check, context)),
    }
}

/// Lets a wrong code count, and gives what to answer. A wrong code was recorded with the change that
/// counted it.
pub(super) fn refuse_code(
    server: &AuthorizationServer,
    attempt: Attempt<'_>,
    signed_in: &SignedIn,
    check: CodeCheck,
    context: &RequestContext,
) -> Error {
    if check == CodeCheck::Locked {
        failed(
            server,
            attempt,
            signed_in.email(),
            Some(&signed_in.user),
            context,
            &Reason::second_factor_locked(),
        );
        let locked = "The second factor is locked after too many wrong codes; set a new password, or use a recovery code";
        return Error::new(Code::AccessDenied, locked)
            .phrase("second-factor-locked", [])
            .field("code");
    }
    attempt.fail();
    wrong_code()
}

pub(super) fn wrong_code() -> Error {
    Error::new(Code::AccessDenied, "The code is wrong, or was used already")
        .phrase("code-wrong", [])
        .field("code")
}

/// Whether whoever is at an open session knows the password. `field` names where it was typed.
///
/// # Errors
/// It is wrong; too many failures.
pub(super) async fn confirm_password(
    server: &AuthorizationServer,
    signed_in: &SignedIn,
    password: String,
    field: &'static str,
    context: &RequestContext,
) -> Result<(), Error> {
    let attempt = attempt(server, &signed_in.attempt_by(), context)?;
    let stored = signed_in.user.password_hash.as_deref();
    if server
        .passwords
        .matches(stored, Password::presented(password), Caller::Known)
        .await?
    {
        return Ok(());
    }
    failed(
        server,
        attempt,
        signed_in.email(),
        Some(&signed_in.user),
        context,
        &Reason::wrong_current_password(),
    );
    Err(invalid("The current password is wrong")
        .phrase("current-password-wrong", [])
        .field(field))
}

/// Ends the session.
///
/// # Errors
/// Where the database gave no answer.
pub async fn sign_out(
    server: &AuthorizationServer,
    signed_in: &SignedIn,
    context: &RequestContext,
) -> Result<(), Error> {
    end(server, signed_in, &signed_in.session.id, context).await
}

/// A session as its user sees it.
pub struct SessionView {
    /// Names it.
    pub id: String,
    /// Whence it began.
    pub address: String,
    /// What the browser calls itself.
    pub agent: String,
    /// When the user signed in.
    pub created_at: Timestamp,
    /// When it was last used.
    pub last_seen_at: Timestamp,
    /// Whether it is the one that asks.
    pub own: bool,
}

/// The user's sessions that have not ended, the newest first.
///
/// # Errors
/// Where the database gave no answer.
pub async fn list(
    server: &AuthorizationServer,
    signed_in: &SignedIn,
    now: Timestamp,
) -> Result<Vec<SessionView>, Error> {
    let user_id = signed_in.user.id.clone();
    let sessions = server
        .store
        .read(move |database| session::list(database, &user_id))
        .await?;
    let idle = server.settings.portal_idle;
    let live = sessions.into_iter().filter(|session| {
        session.expires_at > now && now.duration_since(session.last_seen_at) < idle
    });
    Ok(live
        .map(|session| SessionView {
            own: session.id == signed_in.session.id,
            id: session.id,
            address: session.address,
            agent: session.agent,
            created_at: session.created_at,
            last_seen_at: session.last_seen_at,
        })
        .collect())
}

/// Ends one of the user's sessions; nothing happens where it has ended.
///
/// # Errors
/// Where the database gave no answer.
pub async fn end(
    server: &AuthorizationServer,
    signed_in: &SignedIn,
    id: &str,
    context: &RequestContext,
) -> Result<(), Error> {
    let (id, user, now, recorder) = (
        id.to_owned(),
        signed_in.user.clone(),
        context.received_at,
        recorder(&signed_in.user, context),
    );
    server
        .store
        .write(now, move |transaction| {
            let found = session::find(transaction.database(), &id)?
                .filter(|session| session.user_id == user.id);
            if found.is_none() {
                return Ok(());
            }
            session::delete(transaction, &id)?;
            Ok(recorder.record(
                transaction,
                Action::SessionEnd,
                user.account_id.as_deref(),
                &user.email,
            )?)
        })
        .await
}

/// Changes the user's own password. All other sessions end, and this one gets a new cookie.
///
/// # Errors
/// The current one is wrong; the new one is unusable; too many failures.
pub async fn change_password(
    server: &AuthorizationServer,
    signed_in: &SignedIn,
    current: String,
    new: String,
    context: &RequestContext,
) -> Result<Credential, Error> {
    let again = new.clone();
    let new = super::user::usable_password(&server.store, new, signed_in.email())
        .await
        .map_err(|error| error.field("new"))?;
    confirm_password(server, signed_in, current, "current", context).await?;
    let stored = signed_in.user.password_hash.as_deref();
    if server
        .passwords
        .matches(stored, Password::presented(again), Caller::Known)
        .await?
    {
        let same = invalid("The new password is the current one").phrase("password-same", []);
        return Err(same.field("new"));
    }
    let hash = server.passwords.hash(new).await?;
    let (cookie, row) = new_session(
        server,
        &signed_in.user.id,
        signed_in.session.proven,
        &signed_in.session.agent,
        context,
    );
    let (own, compared, user_id) = (
        signed_in.session.clone(),
        signed_in.user.password_hash.clone(),
        signed_in.user.id.clone(),
    );
    let recorder = recorder(&signed_in.user, context);
    server
        .store
        .write(context.received_at, move |transaction| {
            // Somebody may have set another one while this one was compared: theirs holds.
            check_live(transaction, &own)?;
            let found = user::find(transaction.database(), &user_id)?
                .filter(|user| user.password_hash == compared);
            let mut user = found.ok_or_else(|| super::not_found("user", &user_id))?;
            user.password_hash = Some(hash.clone());
            user.wrong_codes = 0;
            user::update(transaction, &user)?;
            invitation::delete(transaction, &user.id)?;
            session::delete_all(transaction, &user.id, None)?;
            // A new cookie is no new sign-in: it ends when the old one was to.
            session::insert(
                transaction,
                &Session {
                    expires_at: own.expires_at,
                    ..row.clone()
                },
            )?;
            Ok::<_, Error>(recorder.record(
                transaction,
                Action::UserChangePassword,
                user.account_id.as_deref(),
                &user.email,
            )?)
        })
        .await?;
    Ok(cookie)
}
