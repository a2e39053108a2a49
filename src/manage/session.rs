//! Portal sessions: a user signed in to the portal in one browser. Looks up, lists and ends
//! sessions; `sign_in` creates them.

use std::sync::Arc;
use std::time::Duration;

use super::actor::{Actor, user_name};
use super::idempotency::IdempotencyKey;
use super::membership::Place;
use super::user::Preferences;
use super::{AuthorizationServer, not_found};
use crate::clock::Timestamp;
use crate::credential::{Credential, Fingerprint, Kind};
use crate::crypto::secret_hash::{self, StoredSecret};
use crate::error::{Error, refusal};
use crate::request_context::RequestContext;
use crate::store::Transaction;
use crate::store::account::Account;
use crate::store::announcement::{self, Announcement};
use crate::store::audit::{Action, Recorder};
use crate::store::session::{self, AuthLevel, Session};
use crate::store::user::{self, Role, User};

/// `last_seen_at` is written at most once per this interval, so that a busy session does not write
/// on every request.
const LAST_SEEN_GRANULARITY: Duration = Duration::from_secs(60);

/// The maximum length of a stored `User-Agent`, in characters.
const MAX_USER_AGENT: usize = 200;

/// An active session with its user, found by the session cookie. The user may not have passed
/// two-step verification yet: see [`ActiveSession::awaits_second_factor`].
#[derive(Clone)]
pub struct ActiveSession {
    pub(super) user: User,
    place: Place,
    pub(super) row: Session,
    csrf_token: Fingerprint,
    requires_second_factor: bool,
    announcements: Vec<Announcement>,
}

impl ActiveSession {
    /// The user's email address.
    pub fn email(&self) -> &str {
        &self.user.email
    }

    /// The user's role in the account in use.
    pub fn role(&self) -> Role {
        self.place.role
    }

    /// The account in use; `None` for an operator.
    pub fn account(&self) -> Option<&Account> {
        self.place.account.as_ref()
    }

    /// The id of the account in use; `None` for an operator.
    pub fn account_id(&self) -> Option<&str> {
        self.place.account_id()
    }

    /// All accounts of the user, closed ones too, with the role in each.
    pub fn accounts(&self) -> &[(Account, Role)] {
        &self.place.accounts
    }

    /// Whether the user has signed in with the password but not yet with the second factor.
    pub fn awaits_second_factor(&self) -> bool {
        self.row.proven == AuthLevel::Password
    }

    /// Whether the user has enrolled a second factor.
    pub fn has_second_factor(&self) -> bool {
        self.user.totp_sealed.is_some()
    }

    /// The number of unused recovery codes.
    pub fn recovery_codes(&self) -> usize {
        self.user.recovery_hashes.split_whitespace().count()
    }

    /// Whether the account requires a second factor, or for an operator the setting
    /// `operator_second_factor`.
    pub fn requires_second_factor(&self) -> bool {
        self.requires_second_factor
    }

    /// The announcements that the user sees.
    pub fn announcements(&self) -> &[Announcement] {
        &self.announcements
    }

    /// Whether a second factor is required and the user has not enrolled one.
    pub fn must_enrol(&self) -> bool {
        self.requires_second_factor && !self.has_second_factor()
    }

    /// How the user prefers the portal to be shown.
    pub fn preferences(&self) -> Preferences {
        Preferences::of(&self.user)
    }

    /// The CSRF token of this session, for its forms.
    pub fn csrf_token(&self) -> String {
        self.csrf_token.hex()
    }

    /// The user as an actor, with the idempotency key of the form, if it has one.
    pub fn actor(
        &self,
        context: &RequestContext,
        idempotency_key: Option<IdempotencyKey>,
    ) -> Arc<Actor> {
        let actor = Actor::user(&self.user.email, self.role(), self.account_id(), context);
        Arc::new(actor.with_idempotency_key(idempotency_key))
    }
}

/// The CSRF token of forms sent before sign-in, derived from the browser's CSRF cookie.
pub fn anonymous_csrf_token(cookie: &str) -> String {
    csrf_token(cookie).hex()
}

fn csrf_token(cookie: &str) -> Fingerprint {
    Fingerprint::of(format!("form\0{cookie}").as_bytes())
}

/// The session row of a user in an account for a new cookie, with both.
pub(super) fn new_session(
    server: &AuthorizationServer,
    (user_id, account_id): (&str, Option<&str>),
    proven: AuthLevel,
    user_agent: &str,
    context: &RequestContext,
) -> (Credential, Session) {
    let cookie = Credential::generate(Kind::Session);
    let max_age = server.settings.portal_session;
    let row = Session {
        id: cookie.id().to_owned(),
        user_id: user_id.to_owned(),
        hash: secret_hash::hash(&cookie),
        proven,
        address: context.client_ip.to_string(),
        agent: user_agent
            .chars()
            .filter(|c| !c.is_control())
            .take(MAX_USER_AGENT)
            .collect(),
        created_at: context.received_at,
        last_seen_at: context.received_at,
        expires_at: context.received_at.saturating_add(max_age),
        wrong_codes: 0,
        account_id: account_id.map(str::to_owned),
    };
    (cookie, row)
}

/// Reads the session again within a transaction, because it may have ended since the request began.
///
/// # Errors
/// `access_denied` if the session has ended.
pub(super) fn ensure_active(
    transaction: &mut Transaction<'_>,
    row: &Session,
) -> Result<Session, Error> {
    session::find(transaction.database(), &row.id)?.ok_or_else(refusal::session_ended)
}

/// The user of a session, which must not have ended, as the transaction sees it.
///
/// # Errors
/// `access_denied` if the session has ended; `not_found` if the user was deleted.
pub(super) fn active_user(transaction: &mut Transaction<'_>, row: &Session) -> Result<User, Error> {
    ensure_active(transaction, row)?;
    let found = user::find(transaction.database(), &row.user_id)?;
    found.ok_or_else(|| not_found("user", &row.user_id))
}

/// The audit recorder for what the user does in this request.
pub(super) fn recorder(user: &User, context: &RequestContext) -> Recorder {
    Recorder::in_request(user_name(&user.email), context)
}

/// The active session of this cookie; `None` if there is none, or it has expired.
///
/// # Errors
/// `temporarily_unavailable` if the database cannot be reached.
pub async fn resume(
    server: &AuthorizationServer,
    cookie: &str,
    now: Timestamp,
) -> Result<Option<ActiveSession>, Error> {
    let Some(credential) = Credential::parse(cookie, Kind::Session) else {
        return Ok(None);
    };
    let id = credential.id().to_owned();
    let found = server
        .store
        .read(move |database| {
            let Some(row) = session::find(database, &id)? else {
                return Ok(None);
            };
            let Some(user) = user::find(database, &row.user_id)? else {
                return Ok(None);
            };
            let Some(place) = Place::find(database, &user, row.account_id.as_deref())? else {
                return Ok(None);
            };
            let in_use = place.account_id();
            let announcements = announcement::visible(database, &user.id, in_use, now)?;
            Ok::<_, Error>(Some((row, user, place, announcements)))
        })
        .await?;
    let Some((row, user, place, announcements)) = found else {
        return Ok(None);
    };
    let idle_timeout = server.settings.portal_idle;
    if !is_active(&row, idle_timeout, now)
        || !StoredSecret::new(row.hash.clone()).matches(&credential)
    {
        return Ok(None);
    }
    if needs_touch(&row, idle_timeout, now) {
        let id = row.id.clone();
        server
            .store
            .write_untracked(move |database| session::touch(database, &id, now))
            .await?;
    }
    // The user was removed from the account, or it was closed: the session does not return to it later.
    if row.account_id.is_some() && row.account_id.as_deref() != place.account_id() {
        let (row, account_id) = (row.clone(), place.account_id().map(str::to_owned));
        server
            .store
            .write_untracked(move |database| {
                session::replace_account(database, &row, account_id.as_deref())
            })
            .await?;
    }
    let requires_second_factor = match &place.account {
        Some(account) => account.requires_second_factor,
        None => server.settings.operator_second_factor.is_on(),
    };
    Ok(Some(ActiveSession {
        user,
        place,
        row,
        csrf_token: csrf_token(cookie),
        requires_second_factor,
        announcements,
    }))
}

/// Whether a session is within both its maximum age and its idle timeout.
fn is_active(row: &Session, idle_timeout: Duration, now: Timestamp) -> bool {
    now < row.expires_at && now.duration_since(row.last_seen_at) < idle_timeout
}

/// Whether `last_seen_at` is due to be written. With a short idle timeout that is earlier than
/// [`LAST_SEEN_GRANULARITY`]: a session in use must not time out.
fn needs_touch(row: &Session, idle_timeout: Duration, now: Timestamp) -> bool {
    now.duration_since(row.last_seen_at) >= LAST_SEEN_GRANULARITY.min(idle_timeout / 2)
}

/// Ends this session.
///
/// # Errors
/// `temporarily_unavailable` if the database cannot be reached.
pub async fn sign_out(
    server: &AuthorizationServer,
    session: &ActiveSession,
    context: &RequestContext,
) -> Result<(), Error> {
    end(server, session, &session.row.id, context).await
}

/// A session as shown to its user.
pub struct SessionView {
    /// The session id.
    pub id: String,
    /// The client IP address at sign-in.
    pub address: String,
    /// The browser's `User-Agent`.
    pub agent: String,
    /// When the user signed in.
    pub created_at: Timestamp,
    /// When the session was last used, to the minute.
    pub last_seen_at: Timestamp,
    /// Whether this is the session that sent the request.
    pub current: bool,
}

/// The user's active sessions, newest first.
///
/// # Errors
/// `temporarily_unavailable` if the database cannot be reached.
pub async fn list(
    server: &AuthorizationServer,
    session: &ActiveSession,
    now: Timestamp,
) -> Result<Vec<SessionView>, Error> {
    let user_id = session.user.id.clone();
    let rows = server
        .store
        .read(move |database| session::list(database, &user_id))
        .await?;
    let idle_timeout = server.settings.portal_idle;
    Ok(rows
        .into_iter()
        .filter(|row| is_active(row, idle_timeout, now))
        .map(|row| SessionView {
            current: row.id == session.row.id,
            id: row.id,
            address: row.address,
            agent: row.agent,
            created_at: row.created_at,
            last_seen_at: row.last_seen_at,
        })
        .collect())
}

/// Ends one of the user's sessions. Succeeds if the session has already ended.
///
/// # Errors
/// `temporarily_unavailable` if the database cannot be reached.
pub async fn end(
    server: &AuthorizationServer,
    session: &ActiveSession,
    id: &str,
    context: &RequestContext,
) -> Result<(), Error> {
    let id = id.to_owned();
    let user = session.user.clone();
    let account_id = session.account_id().map(str::to_owned);
    let now = context.received_at;
    let recorder = recorder(&user, context);
    server
        .store
        .write(now, move |transaction| {
            let found =
                session::find(transaction.database(), &id)?.filter(|row| row.user_id == user.id);
            if found.is_none() {
                return Ok(());
            }
            session::delete(transaction, &id)?;
            Ok(recorder.record(
                transaction,
                Action::SessionEnd,
                account_id.as_deref(),
                &user.email,
            )?)
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(last_seen: i64, expires: i64) -> Session {
        Session {
            id: "id".to_owned(),
            user_id: "user".to_owned(),
            hash: String::new(),
            proven: AuthLevel::All,
            address: String::new(),
            agent: String::new(),
            created_at: Timestamp::from_seconds(0),
            last_seen_at: Timestamp::from_seconds(last_seen),
            expires_at: Timestamp::from_seconds(expires),
            wrong_codes: 0,
            account_id: None,
        }
    }

    #[test]
    fn a_session_ends_by_age_and_by_idleness() {
        let idle_timeout = Duration::from_secs(600);
        for (name, last_seen, now, active) in [
            ("just created", 0, 0, true),
            ("in use", 5_000, 5_599, true),
            ("idle for the timeout", 5_000, 5_600, false),
            ("one second before its maximum age", 9_990, 9_999, true),
            ("at its maximum age", 9_990, 10_000, false),
            ("seen by a node whose clock is ahead", 6_000, 5_000, true),
        ] {
            let row = row(last_seen, 10_000);
            let now = Timestamp::from_seconds(now);
            assert_eq!(is_active(&row, idle_timeout, now), active, "{name}");
        }
    }

    #[test]
    fn the_last_use_is_written_once_a_minute_and_before_the_idle_timeout() {
        for (name, idle, now, due) in [
            ("a second later", 600, 1, false),
            ("a minute later", 600, 60, true),
            ("short timeout, too early", 20, 9, false),
            ("short timeout, half of it", 20, 10, true),
        ] {
            let due_now = needs_touch(
                &row(0, 10_000),
                Duration::from_secs(idle),
                Timestamp::from_seconds(now),
            );
            assert_eq!(due_now, due, "{name}");
        }
    }

    #[test]
    fn csrf_tokens_differ_by_cookie() {
        assert_eq!(anonymous_csrf_token("a"), anonymous_csrf_token("a"));
        assert_ne!(anonymous_csrf_token("a"), anonymous_csrf_token("b"));
        assert_ne!(anonymous_csrf_token("a"), "a");
    }
}
