//! Sends e-mail.
//!
//! The leader claims due messages and sends them one after the other. What a node claimed and did not
//! finish is due again after [`CLAIM`], so each message is sent at least once, and seldom twice. If the
//! server does not answer, or refuses one message after the other, none is tried for a while.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::backoff::Backoff;
use crate::clock::{TimeZone, Timestamp};
use crate::credential::random_bytes;
use crate::error::Error;
use crate::manage::mail::{MailAccount, MailContent, MailKind, Render};
use crate::manage::{account_invitation, invitation, password_reset};
use crate::metrics::DeliveryOutcome;
use crate::net::http_client::SendError;
use crate::net::smtp::{MailError, Mailer, OutgoingMail};
use crate::oauth::AuthorizationServer;
use crate::secret::SecretString;
use crate::store::mail::{self, Mail, MailAttempt};
use crate::store::user::{self, User};
use crate::store::webhook_delivery::DeliveryFailure;
use crate::store::{account, membership};

/// How often due messages are looked for.
pub(super) const PERIOD: Duration = Duration::from_secs(1);

/// How long a run goes on while there are messages to send.
const RUN: Duration = Duration::from_secs(30);

/// How many due messages are read at a time.
const BATCH: i64 = 20;

/// How long a claimed message is not sent by another node: longer than sending it takes.
const CLAIM: Duration = Duration::from_secs(60);

/// The shortest and the longest pause in which no message is tried, after a failure of the server.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// How many messages in a row the server may refuse for good, before a refusal no longer counts as one of
/// this message: a server that does not accept the sender, or the address of this machine, refuses all.
const MAX_REFUSALS: u32 = 5;

/// The pauses between the attempts at one message.
const BACKOFF: Backoff = Backoff(&[
    Duration::from_secs(5),
    Duration::from_secs(60),
    Duration::from_secs(5 * 60),
    Duration::from_secs(15 * 60),
    Duration::from_secs(3600),
    Duration::from_secs(4 * 3600),
    Duration::from_secs(12 * 3600),
    Duration::from_secs(24 * 3600),
]);

/// The pause after failures that concern all messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pause {
    until: Instant,
    length: Duration,
}

impl Pause {
    /// The pause after another such failure.
    fn after(before: Option<Pause>, now: Instant) -> Self {
        let length = before.map_or(FIRST_PAUSE, |before| before.length * 2);
        let length = length.min(LONGEST_PAUSE);
        Pause {
            until: now + length,
            length,
        }
    }
}

/// What is known of the server.
#[derive(Clone, Copy, Debug, Default)]
struct Condition {
    pause: Option<Pause>,
    /// How many messages it refused for good since it last accepted one.
    refusals: u32,
}

impl Condition {
    /// Takes an attempt into account. Returns whether the message must not be sent again.
    fn after(&mut self, sent: Result<(), MailError>, now: Instant) -> bool {
        let Err(error) = sent else {
            *self = Condition::default();
            return false;
        };
        let is_refusal = error.is_permanent() && error != MailError::Recipient;
        if is_refusal {
            self.refusals = self.refusals.saturating_add(1);
        }
        let concerns_all = error.concerns_all() || is_refusal && self.refusals > MAX_REFUSALS;
        self.pause = concerns_all.then(|| Pause::after(self.pause, now));
        error.is_permanent() && !concerns_all
    }
}

/// Sends the messages that are due.
pub(super) struct Sender {
    server: Arc<AuthorizationServer>,
    render: Render,
    condition: Mutex<Condition>,
}

/// A message that can be sent.
struct Letter {
    mail: Mail,
    content: MailContent,
}

impl Sender {
    pub(super) fn new(server: &Arc<AuthorizationServer>, render: Render) -> Self {
        Sender {
            server: server.clone(),
            render,
            condition: Mutex::default(),
        }
    }

    /// Sends what is due, unless no server is set or the server has just failed.
    pub(super) async fn run(self: Arc<Self>) -> Result<(), Error> {
        let Some(mailer) = self.server.mailer() else {
            return Ok(());
        };
        let began = Instant::now();
        while began.elapsed() < RUN {
            let pause = self.condition.lock().pause;
            if pause.is_some_and(|pause| Instant::now() < pause.until) {
                return Ok(());
            }
            let now = Timestamp::now();
            let store = &self.server.store;
            let due = store.read(move |database| mail::due(database, now, BATCH));
            let due = due.await?;
            if due.is_empty() {
                return Ok(());
            }
            for mail in due {
                if !self.deliver(mailer, mail).await? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Sends one message. Returns whether others can be tried.
    async fn deliver(&self, mailer: &Mailer, mail: Mail) -> Result<bool, Error> {
        let store = &self.server.store;
        let began = Timestamp::now();
        let until = began.saturating_add(CLAIM);
        let row = mail.clone();
        let claimed = store.write_untracked(move |database| mail::claim(database, &row, until));
        if !claimed.await? {
            return Ok(true);
        }
        let id = mail.id.clone();
        let sent = match self.letter(&mail).await? {
            Ok(Some(content)) => {
                let letter = Letter {
                    mail: mail.clone(),
                    content,
                };
                self.send(mailer, letter).await
            }
            Ok(None) => {
                store
                    .write_untracked(move |database| mail::delete(database, &id))
                    .await?;
                return Ok(true);
            }
            Err(failure) => Err((failure, None, false)),
        };
        let metrics = &self.server.usage.metrics;
        let ended = Timestamp::now();
        let attempt = match sent {
            Ok(()) => {
                metrics.count_mail(DeliveryOutcome::Success);
                MailAttempt {
                    at: began,
                    status: None,
                    failure: None,
                    next_attempt_at: None,
                }
            }
            Err((failure, status, is_permanent)) => {
                metrics.count_mail(DeliveryOutcome::Failure);
                let [random] = random_bytes();
                let next = BACKOFF.next(mail.attempts.saturating_add(1), ended, random);
                let next = next.filter(|next| !is_permanent && *next < mail.expires_at);
                tracing::warn!(
                    mail_id = mail.id,
                    kind = mail.kind.as_str(),
                    failure = failure.as_str(),
                    reply = status,
                    final_attempt = next.is_none(),
                    "e-mail not sent"
                );
                MailAttempt {
                    at: began,
                    status,
                    failure: Some(failure),
                    next_attempt_at: next,
                }
            }
        };
        store
            .write_untracked(move |database| mail::record(database, &mail, until, &attempt))
            .await?;
        Ok(self.condition.lock().pause.is_none())
    }

    /// Sends a message, and begins or ends the pause of all.
    async fn send(
        &self,
        mailer: &Mailer,
        letter: Letter,
    ) -> Result<(), (DeliveryFailure, Option<u16>, bool)> {
        let written = (self.render)(&letter.content);
        let outgoing = OutgoingMail {
            id: &letter.mail.id,
            recipient: &letter.mail.recipient,
            subject: written.subject,
            text: written.text,
        };
        let sent = mailer.send(outgoing).await;
        let is_final = self.condition.lock().after(sent, Instant::now());
        sent.map_err(|error| {
            let (failure, status) = failure_of(error);
            (failure, status, is_final)
        })
    }

    /// What the text of a message is made of. There is none if the message is of no use any more: its user
    /// was deleted, or has no password to reset, or has set another one meanwhile, or left the account that a
    /// notice is about.
    async fn letter(
        &self,
        mail: &Mail,
    ) -> Result<Result<Option<MailContent>, DeliveryFailure>, Error> {
        let server = &self.server;
        let (user, language, account) = match mail.user_id.clone() {
            None => (None, None, None),
            Some(id) => {
                let (mail_id, kind) = (mail.id.clone(), mail.kind);
                let mail_account = mail.account_id.clone();
                let found = server.store.read(move |database| {
                    // In this order: who sets a password deletes the message with the old one's link, so
                    // the link of a message that still exists is for the password of this user.
                    let user = user::find(database, &id)?;
                    let is_wanted = mail::exists(database, &mail_id)?;
                    let Some(user) = user.filter(|_| is_wanted) else {
                        return Ok::<_, Error>(None);
                    };
                    let concerned = mail_account.as_deref();
                    let mut named = None;
                    if let (MailKind::Notice, Some(account)) = (kind, concerned) {
                        let all = membership::of_user(database, &user)?;
                        if !all.iter().any(|own| own.account_id == account) {
                            return Ok(None);
                        }
                        if all.len() > 1 {
                            let found = account::find_names(database, &[account.to_owned()])?;
                            named = found.into_iter().next();
                        }
                    }
                    let account = concerned.or(user.last_account());
                    let language = match (user.language, account) {
                        (None, Some(account)) => account::language(database, account)?,
                        (chosen, _) => chosen,
                    };
                    Ok(Some((user, language, named)))
                });
                let Some((user, language, named)) = found.await? else {
                    return Ok(Ok(None));
                };
                let account = named.map(|(id, name)| MailAccount { id, name });
                (Some(user), language, account)
            }
        };
        let link = match self.link(mail, user.as_ref()) {
            Ok(Link::Of(link)) => Some(link),
            Ok(Link::None) => None,
            Ok(Link::Gone) => return Ok(Ok(None)),
            Err(failure) => return Ok(Err(failure)),
        };
        let zone = user.as_ref().and_then(|user| user.time_zone.as_deref());
        Ok(Ok(Some(MailContent {
            kind: mail.kind,
            facts: mail.facts(),
            account,
            recipient: mail.recipient.clone(),
            link,
            portal: server.issuer.endpoint("/portal"),
            expires_at: mail.expires_at,
            language: language.unwrap_or(server.settings.mail_language),
            time_zone: zone
                .and_then(|name| name.parse().ok())
                .unwrap_or(TimeZone::UTC),
        })))
    }

    fn link(&self, mail: &Mail, user: Option<&User>) -> Result<Link, DeliveryFailure> {
        let keys = self.server.sealing_keys();
        let issuer = &self.server.issuer;
        match (mail.kind, user) {
            (kind @ (MailKind::Invitation | MailKind::AccountInvitation), _) => {
                let Some(sealed) = &mail.link_sealed else {
                    return Ok(Link::Gone);
                };
                let opened = keys.unseal(&mail.seal_context(), sealed);
                let opened = opened.map_err(|_| DeliveryFailure::Secret)?;
                let credential = std::str::from_utf8(opened.expose());
                let credential = credential.map_err(|_| DeliveryFailure::Secret)?;
                Ok(Link::Of(match kind {
                    MailKind::AccountInvitation => account_invitation::url(issuer, credential),
                    _ => invitation::url_of(issuer, &SecretString::from(credential)),
                }))
            }
            (MailKind::PasswordReset, Some(user)) if user.password_hash.is_some() => {
                let link = password_reset::url(keys, issuer, user, mail.expires_at);
                link.map(Link::Of).map_err(|_| DeliveryFailure::Secret)
            }
            (MailKind::PasswordReset, _) => Ok(Link::Gone),
            (MailKind::Test | MailKind::SignIn | MailKind::Security | MailKind::Notice, _) => {
                Ok(Link::None)
            }
        }
    }
}

/// The link in a message.
enum Link {
    None,
    Of(SecretString),
    /// It has none any more, so the message is of no use.
    Gone,
}

fn failure_of(error: MailError) -> (DeliveryFailure, Option<u16>) {
    match error {
        MailError::Refused(code) => (DeliveryFailure::Status, Some(code)),
        MailError::Recipient | MailError::Send(SendError::Address) => {
            (DeliveryFailure::Address, None)
        }
        MailError::Send(SendError::Timeout) => (DeliveryFailure::Timeout, None),
        MailError::Send(SendError::Tls) => (DeliveryFailure::Tls, None),
        MailError::Send(SendError::Connection) => (DeliveryFailure::Connection, None),
        MailError::Send(SendError::Protocol) => (DeliveryFailure::Protocol, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_of_a_server_that_fails_grows() {
        let now = Instant::now();
        let mut pause = None;
        let mut lengths = Vec::new();
        for _ in 0..8 {
            let next = Pause::after(pause, now);
            assert_eq!(next.until, now + next.length);
            lengths.push(next.length.as_secs());
            pause = Some(next);
        }
        assert_eq!(lengths, [5, 10, 20, 40, 80, 160, 300, 300]);
    }

    #[test]
    fn a_server_that_refuses_everything_is_left_alone() {
        let now = Instant::now();
        let refused = Err(MailError::Refused(554));
        let mut server = Condition::default();
        let mut outcomes = |sent: &[Result<(), MailError>]| -> Vec<(bool, bool)> {
            let one = |sent: &Result<(), MailError>| {
                let is_final = server.after(*sent, now);
                (is_final, server.pause.is_some())
            };
            sent.iter().map(one).collect()
        };
        assert_eq!(outcomes(&[refused; 5]), [(true, false); 5]);
        // What is no refusal for good changes nothing about the next one.
        let others = [
            (MailError::Recipient, (true, false)),
            (MailError::Refused(451), (false, false)),
            (MailError::Refused(535), (false, true)),
            (MailError::Send(SendError::Timeout), (false, true)),
        ];
        for (error, expected) in others {
            assert_eq!(outcomes(&[Err(error)]), [expected], "{error}");
        }
        assert_eq!(outcomes(&[refused; 3]), [(false, true); 3]);
        assert_eq!(
            outcomes(&[Ok(()), refused]),
            [(false, false), (true, false)]
        );
    }
}
