//! E-mail: what was sent and is to be sent, test messages, and what a text is made of.

use std::sync::Arc;

use serde::Serialize;

use super::actor::{AccountsWrite, Permit, StatusRead};
use super::user::check_email;
use super::webhook::DeliveryState;
use crate::clock::{TimeZone, Timestamp};
use crate::crypto::sealing_key::SealingKeyFile;
use crate::error::{Error, refusal};
use crate::secret::SecretString;
use crate::store::audit::{Action, Recorder};
use crate::store::client::could_be_id;
use crate::store::language::Language;
use crate::store::mail::{self, Mail};
pub use crate::store::mail::{Facts, MailKind};
use crate::store::user::User;
use crate::store::webhook_delivery::DeliveryFailure;
use crate::store::{Store, Transaction};

/// A message as management shows it. Its text is not kept.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct MailView {
    /// The id of the message.
    pub id: String,
    /// What it is for.
    pub kind: MailKind,
    /// The action that a notice is about, such as `secret.create`; null for other messages.
    pub action: Option<String>,
    /// The address.
    pub recipient: String,
    /// The state.
    pub state: DeliveryState,
    /// How often it was sent.
    pub attempts: i64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last sent.
    pub last_attempt_at: Option<Timestamp>,
    /// When it is sent next; null if it is not sent any more.
    pub next_attempt_at: Option<Timestamp>,
    /// The reply code with which the server refused it; null if it did not.
    pub response_status: Option<i64>,
    /// Why the last attempt failed; null if it succeeded.
    pub failure: Option<DeliveryFailure>,
}

impl From<Mail> for MailView {
    fn from(mail: Mail) -> Self {
        MailView {
            action: mail.facts().action,
            failure: mail.failure(),
            state: DeliveryState::of(mail.delivered_at, mail.next_attempt_at),
            id: mail.id,
            kind: mail.kind,
            recipient: mail.recipient,
            attempts: mail.attempts,
            created_at: mail.created_at,
            last_attempt_at: mail.last_attempt_at,
            next_attempt_at: mail.next_attempt_at,
            response_status: mail.response_status,
        }
    }
}

/// What the text of a message is made of, for a function that knows the languages.
pub struct MailContent {
    /// What the message is for.
    pub kind: MailKind,
    /// The facts that it reports.
    pub facts: Facts,
    /// The account that it concerns; none if the recipient has no other one.
    pub account: Option<MailAccount>,
    /// The address of the recipient.
    pub recipient: String,
    /// The single-use link.
    pub link: Option<SecretString>,
    /// The URL of the portal.
    pub portal: String,
    /// When the link expires.
    pub expires_at: Timestamp,
    /// The language of the text.
    pub language: Language,
    /// The time zone of the times.
    pub time_zone: TimeZone,
}

/// An account that a message concerns.
pub struct MailAccount {
    /// The id.
    pub id: String,
    /// The name.
    pub name: String,
}

/// The subject and the text of a message.
pub struct MailText {
    /// The subject.
    pub subject: String,
    /// The text, which may contain a single-use link.
    pub text: SecretString,
}

/// Writes the text of a message.
pub type Render = fn(&MailContent) -> MailText;

/// The messages, the newest first: at most `limit`, those older than `before`.
///
/// # Errors
/// A [`StoreError`](crate::store::StoreError) if the database cannot be queried.
pub async fn list(
    store: &Arc<Store>,
    permit: Permit<StatusRead>,
    before: Option<String>,
    limit: i64,
) -> Result<Vec<MailView>, Error> {
    let before = before.filter(|before| could_be_id(before));
    store
        .report(permit.account(), move |database| {
            let rows = mail::list(database, before.as_deref(), limit)?;
            Ok(rows.into_iter().map(MailView::from).collect())
        })
        .await
}

/// Queues a test message.
///
/// # Errors
/// `invalid_request` for an invalid address; `conflict` if no e-mail is sent, or too many messages are
/// pending.
pub async fn test(
    store: &Arc<Store>,
    permit: Permit<AccountsWrite>,
    recipient: &str,
) -> Result<MailView, Error> {
    let recipient = check_email(recipient).map_err(|error| error.field("to"))?;
    let now = permit.now();
    store
        .write(now, move |transaction| {
            if !mail::is_on(transaction.database())? {
                return Err(refusal::mail_is_off());
            }
            let facts = Facts {
                actor: Some(permit.actor().to_owned()),
                at: Some(now),
                ..Facts::default()
            };
            let message = Mail::new(MailKind::Test, &recipient, &facts, now);
            if !mail::queue(transaction, message.clone(), None)? {
                return Err(refusal::mail_is_full());
            }
            permit.audit(transaction, Action::MailTest, None, &recipient)?;
            Ok(message.into())
        })
        .await
}

/// Queues the message about notices that were turned off: somebody who does what they would report may
/// have done it.
pub(super) fn notices_turned_off(
    transaction: &mut Transaction<'_>,
    user: &User,
    recorder: &Recorder,
) -> Result<(), Error> {
    // The address of a user without a password is not known to be the user's.
    if user.password_hash.is_none() {
        return Ok(());
    }
    let account_id = user.last_account();
    let entry = recorder.entry(Action::UserSetPreferences, account_id, &user.email);
    let facts = Facts {
        action: Some(entry.action),
        actor: Some(entry.actor),
        at: Some(entry.happened_at),
        address: entry.address,
        ..Facts::default()
    };
    let message = Mail::to_user(MailKind::Security, user, &facts, entry.happened_at);
    mail::queue(transaction, message, account_id)?;
    Ok(())
}

/// Seals the links of pending messages with the first key of the file.
pub(super) fn reseal(
    transaction: &mut Transaction<'_>,
    file: &SealingKeyFile,
) -> Result<(), Error> {
    for (id, sealed) in mail::with_links(transaction.database())? {
        let context = mail::seal_context(&id);
        // What cannot be opened now could not be opened before the rotation either.
        let Ok(link) = file.unseal(&context, &sealed) else {
            continue;
        };
        mail::set_link(transaction, &id, &file.seal(&context, link.expose())?)?;
    }
    Ok(())
}
