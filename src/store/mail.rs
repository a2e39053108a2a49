//! Mail: a message that was sent or is to be sent by e-mail.
//!
//! The transaction of a change inserts the messages about it, so that none is lost, and none is sent
//! for a change that was not made. Nothing is inserted while no node has an SMTP server set.

use std::time::Duration;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer};
use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr, VariantArray, VariantNames};

use super::audit::new_id;
use super::names::{UnknownName, named_in_json};
use super::schema::mails;
use super::user::User;
use super::webhook_delivery::DeliveryFailure;
use super::{Database, StoreError, Transaction, cluster_settings};
use crate::clock::Timestamp;

mod queue;

pub use queue::queue;
pub(super) use queue::{MailCounts, enqueue};

/// What a message is for.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    EnumString,
    IntoStaticStr,
    VariantArray,
    VariantNames,
    diesel::expression::AsExpression,
    diesel::deserialize::FromSqlRow,
)]
#[strum(
    serialize_all = "snake_case",
    parse_err_ty = UnknownName,
    parse_err_fn = unknown_kind
)]
#[diesel(sql_type = diesel::sql_types::Text)]
pub enum MailKind {
    /// An operator tries the settings out.
    Test,
    /// A link with which a new user sets a password.
    Invitation,
    /// A link with which a user joins a further account.
    AccountInvitation,
    /// A link with which a user who forgot the password sets another.
    PasswordReset,
    /// A sign-in with a browser in which the user had not signed in before.
    SignIn,
    /// Something that the audit records about the user's own sign-in, such as another password.
    Security,
    /// Something else that the audit records.
    Notice,
}

impl MailKind {
    /// The names of all kinds.
    pub const NAMES: &'static [&'static str] = <MailKind as VariantNames>::VARIANTS;

    fn all() -> impl Iterator<Item = MailKind> {
        <MailKind as VariantArray>::VARIANTS.iter().copied()
    }

    /// The name in the database and in JSON.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The most messages of this kind to one recipient within an hour: others can cause them as often
    /// as they like. None if there is no limit, or one that is counted in the audit.
    const fn hourly_limit(self) -> Option<i64> {
        match self {
            MailKind::Test | MailKind::Invitation | MailKind::AccountInvitation => None,
            MailKind::PasswordReset => Some(3),
            MailKind::SignIn => Some(10),
            MailKind::Security | MailKind::Notice => Some(20),
        }
    }

    /// The place in the order in which due messages are sent.
    const fn priority(self) -> i32 {
        match self {
            MailKind::Test => 0,
            MailKind::PasswordReset => 1,
            MailKind::Security => 2,
            MailKind::Invitation | MailKind::AccountInvitation => 3,
            MailKind::SignIn => 4,
            MailKind::Notice => 5,
        }
    }

    /// After how long a message that was not sent is of no use.
    pub const fn lifetime(self) -> Duration {
        const HOUR: u64 = 3600;
        Duration::from_secs(match self {
            MailKind::Test => HOUR,
            MailKind::PasswordReset => HOUR,
            MailKind::Invitation | MailKind::AccountInvitation => 7 * 24 * HOUR,
            MailKind::SignIn | MailKind::Security | MailKind::Notice => 3 * 24 * HOUR,
        })
    }
}

fn unknown_kind(_: &str) -> UnknownName {
    let names = MailKind::NAMES.join(", ");
    UnknownName(format!("the kinds of mail are {names}"))
}

named_in_json!(MailKind);

/// What the text of a message is made of. It has no secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// What happened: the text form of an [`Action`].
    pub action: Option<String>,
    /// Who did it.
    pub actor: Option<String>,
    /// When it happened.
    pub at: Option<Timestamp>,
    /// The client IP address.
    pub address: Option<String>,
    /// The `User-Agent` of a sign-in.
    pub agent: Option<String>,
    /// The id of the object.
    pub target: Option<String>,
    /// The name of the object.
    pub name: Option<String>,
    /// The name of the application that has the secret or key.
    pub application: Option<String>,
    /// When the secret or key expires.
    pub expires_at: Option<Timestamp>,
}

/// A row of `mails`.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(treat_none_as_default_value = false)]
pub struct Mail {
    /// A UUIDv7.
    pub id: String,
    /// What it is for.
    pub kind: MailKind,
    /// The address.
    pub recipient: String,
    /// The user whose address it is; none for an address that belongs to nobody.
    pub user_id: Option<String>,
    /// The [`Facts`], a JSON object.
    pub facts: String,
    /// A single-use link, sealed; none once the message was sent or has expired.
    pub link_sealed: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it is of no use any more.
    pub expires_at: Timestamp,
    /// How often it was sent.
    pub attempts: i64,
    /// When it is sent next; none if it is not sent any more.
    pub next_attempt_at: Option<Timestamp>,
    /// When it was last sent.
    pub last_attempt_at: Option<Timestamp>,
    /// When it was accepted; none if it was not.
    pub delivered_at: Option<Timestamp>,
    /// The code of the last reply with which the server refused it.
    pub response_status: Option<i64>,
    /// Why the last attempt failed, the name of a [`DeliveryFailure`]; none if it succeeded. A later
    /// version may know more of them.
    pub failure: Option<String>,
    /// The account that it concerns; none for one that concerns the recipient alone.
    pub account_id: Option<String>,
}

impl Mail {
    /// A message that is due at once.
    pub fn new(kind: MailKind, recipient: &str, facts: &Facts, now: Timestamp) -> Self {
        Mail {
            id: new_id(now),
            kind,
            recipient: recipient.to_owned(),
            user_id: None,
            facts: serde_json::to_string(facts).unwrap_or_default(),
            link_sealed: None,
            created_at: now,
            expires_at: now.saturating_add(kind.lifetime()),
            attempts: 0,
            next_attempt_at: Some(now),
            last_attempt_at: None,
            delivered_at: None,
            response_status: None,
            failure: None,
            account_id: None,
        }
    }

    /// A message to a user, due at once.
    pub fn to_user(kind: MailKind, user: &User, facts: &Facts, now: Timestamp) -> Self {
        Mail {
            user_id: Some(user.id.clone()),
            ..Mail::new(kind, &user.email, facts, now)
        }
    }

    /// The associated data under which its link is sealed.
    pub fn seal_context(&self) -> String {
        seal_context(&self.id)
    }

    /// Why the last attempt failed, if it did and this version knows the failure.
    pub fn failure(&self) -> Option<DeliveryFailure> {
        self.failure.as_deref()?.parse().ok()
    }

    /// What its text is made of.
    pub fn facts(&self) -> Facts {
        serde_json::from_str(&self.facts).unwrap_or_default()
    }
}

/// The associated data under which the link of the message with this id is sealed.
pub fn seal_context(id: &str) -> String {
    format!("mail {id}")
}

/// Whether messages are sent: the node that started last has an SMTP server set.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn is_on(database: &mut Database) -> Result<bool, StoreError> {
    Ok(cluster_settings::find(database)?.is_some_and(|cluster| cluster.sends_mail()))
}

/// At most `limit` messages of kinds that this version knows, the newest first, those older than the one
/// with the id `before`.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn list(
    database: &mut Database,
    before: Option<&str>,
    limit: i64,
) -> Result<Vec<Mail>, StoreError> {
    let mut rows = mails::table
        .filter(mails::kind.eq_any(MailKind::all()))
        .order(mails::id.desc())
        .limit(limit)
        .into_boxed();
    if let Some(before) = before {
        rows = rows.filter(mails::id.lt(before));
    }
    Ok(rows.select(Mail::as_select()).load(database)?)
}

/// At most `limit` messages that are due at `now`, of kinds that this version knows: the most urgent
/// kind first, and the longest due of a kind.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn due(database: &mut Database, now: Timestamp, limit: i64) -> Result<Vec<Mail>, StoreError> {
    let priorities: String = MailKind::all()
        .map(|kind| format!(" WHEN '{}' THEN {}", kind.as_str(), kind.priority()))
        .collect();
    let priority = sql::<Integer>(&format!("CASE mails.kind{priorities} END"));
    Ok(mails::table
        .filter(mails::next_attempt_at.le(now))
        .filter(mails::expires_at.gt(now))
        .filter(mails::kind.eq_any(MailKind::all()))
        .order((priority, mails::next_attempt_at, mails::id))
        .limit(limit)
        .select(Mail::as_select())
        .load(database)?)
}

/// A pending message, if there is any, that says that none is sent: its last attempt failed in a way that
/// concerns all, or it has waited since before `waiting_since`. One that was refused for the time being,
/// as servers do with recipients that they do not know yet, says so only after that time.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn late(database: &mut Database, waiting_since: Timestamp) -> Result<Option<Mail>, StoreError> {
    // RFC 5321 section 4.2.1; RFC 4954 section 6. Those that are refused for good are only pending if the
    // server refuses everything.
    let of_all = mails::failure
        .ne(DeliveryFailure::Status)
        .or(mails::response_status.is_null())
        .or(mails::response_status.lt(400))
        .or(mails::response_status.ge(500))
        .or(mails::response_status.eq_any([421, 454]));
    Ok(mails::table
        .filter(mails::next_attempt_at.is_not_null())
        .filter(mails::kind.eq_any(MailKind::all()))
        .filter(
            mails::created_at
                .lt(waiting_since)
                .or(mails::failure.is_not_null().and(of_all)),
        )
        .order(mails::next_attempt_at)
        .select(Mail::as_select())
        .first(database)
        .optional()?)
}

/// Claims a due message: until the instant `until`, no other node sends it. Returns whether no other
/// node was faster.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn claim(database: &mut Database, mail: &Mail, until: Timestamp) -> Result<bool, StoreError> {
    let unclaimed = mails::table
        .find(&mail.id)
        .filter(mails::next_attempt_at.eq(mail.next_attempt_at));
    let claimed = diesel::update(unclaimed)
        .set(mails::next_attempt_at.eq(until))
        .execute(database)?;
    Ok(claimed > 0)
}

/// The outcome of an attempt to send a message.
#[derive(Clone, Copy, Debug)]
pub struct MailAttempt {
    /// When it began.
    pub at: Timestamp,
    /// The code with which the server refused the message.
    pub status: Option<u16>,
    /// Why it failed; none if it succeeded.
    pub failure: Option<DeliveryFailure>,
    /// When it is to be sent next; none if it succeeded or failed for good.
    pub next_attempt_at: Option<Timestamp>,
}

/// Records an attempt at a message that was claimed until `claimed_until`, unless another node has
/// claimed it since. The link of a message that is not sent again is deleted.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn record(
    database: &mut Database,
    mail: &Mail,
    claimed_until: Timestamp,
    attempt: &MailAttempt,
) -> Result<(), StoreError> {
    let claimed = mails::table
        .find(&mail.id)
        .filter(mails::next_attempt_at.eq(claimed_until));
    let link = attempt.next_attempt_at.and(mail.link_sealed.as_deref());
    diesel::update(claimed)
        .set((
            mails::attempts.eq(mail.attempts.saturating_add(1)),
            mails::next_attempt_at.eq(attempt.next_attempt_at),
            mails::last_attempt_at.eq(attempt.at),
            mails::delivered_at.eq(attempt.failure.is_none().then_some(attempt.at)),
            mails::response_status.eq(attempt.status.map(i64::from)),
            mails::failure.eq(attempt.failure),
            mails::link_sealed.eq(link),
        ))
        .execute(database)?;
    Ok(())
}

/// The ids and the sealed links of the pending messages with a link.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn with_links(database: &mut Database) -> Result<Vec<(String, String)>, StoreError> {
    Ok(mails::table
        .filter(mails::next_attempt_at.is_not_null())
        .filter(mails::link_sealed.is_not_null())
        .select((mails::id, mails::link_sealed.assume_not_null()))
        .load(database)?)
}

/// Replaces the sealed link of a message.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn set_link(
    transaction: &mut Transaction<'_>,
    id: &str,
    sealed: &str,
) -> Result<(), StoreError> {
    // Not one that was sent meanwhile.
    let pending = mails::table
        .find(id)
        .filter(mails::link_sealed.is_not_null());
    diesel::update(pending)
        .set(mails::link_sealed.eq(sealed))
        .execute(transaction.modify())?;
    Ok(())
}

/// Deletes the pending messages of this kind to a user, whose link is not valid any more.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub(super) fn delete_pending(
    transaction: &mut Transaction<'_>,
    user_id: &str,
    kind: MailKind,
) -> Result<(), StoreError> {
    let pending = mails::table
        .filter(mails::user_id.eq(user_id))
        .filter(mails::kind.eq(kind))
        .filter(mails::next_attempt_at.is_not_null());
    diesel::delete(pending).execute(transaction.modify())?;
    Ok(())
}

/// Deletes the pending notices of an account to a user who does not belong to it any more. A link with which
/// the user sets a password is not one of them: it is for all accounts.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub(super) fn delete_notices(
    transaction: &mut Transaction<'_>,
    user_id: &str,
    account_id: &str,
) -> Result<(), StoreError> {
    let pending = mails::table
        .filter(mails::user_id.eq(user_id))
        .filter(mails::account_id.eq(account_id))
        .filter(mails::kind.eq(MailKind::Notice))
        .filter(mails::next_attempt_at.is_not_null());
    diesel::delete(pending).execute(transaction.modify())?;
    Ok(())
}

/// Deletes the message with this id, if it is pending.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub(super) fn delete_if_pending(
    transaction: &mut Transaction<'_>,
    id: &str,
) -> Result<(), StoreError> {
    let pending = mails::table
        .find(id)
        .filter(mails::next_attempt_at.is_not_null());
    diesel::delete(pending).execute(transaction.modify())?;
    Ok(())
}

/// Whether a message still exists.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn exists(database: &mut Database, id: &str) -> Result<bool, StoreError> {
    let found = mails::table.find(id).select(mails::id);
    Ok(found.first::<String>(database).optional()?.is_some())
}

/// Deletes a message, whose recipient does not exist any more.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn delete(database: &mut Database, id: &str) -> Result<(), StoreError> {
    diesel::delete(mails::table.find(id)).execute(database)?;
    Ok(())
}

/// Deletes the messages of a user.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub(super) fn delete_of_user(
    transaction: &mut Transaction<'_>,
    user_id: &str,
) -> Result<(), StoreError> {
    diesel::delete(mails::table.filter(mails::user_id.eq(user_id)))
        .execute(transaction.modify())?;
    Ok(())
}

/// Gives up the messages that were to be sent before `now` at the latest, and deletes their links.
///
/// # Errors
/// [`StoreError`] if the rows cannot be written.
pub fn expire(database: &mut Database, now: Timestamp) -> Result<usize, StoreError> {
    // No attempt is planned for later than the expiry, so a later instant is that of a claim: the message
    // is being sent.
    let expired = mails::table
        .filter(mails::next_attempt_at.le(now))
        .filter(mails::expires_at.lt(now));
    Ok(diesel::update(expired)
        .set((
            mails::next_attempt_at.eq(None::<Timestamp>),
            mails::link_sealed.eq(None::<String>),
        ))
        .execute(database)?)
}

/// Deletes, of the `limit` oldest messages, those from before `before`. Returns the number of deleted
/// rows.
///
/// # Errors
/// [`StoreError`] if the rows cannot be deleted.
pub fn purge(database: &mut Database, before: Timestamp, limit: i64) -> Result<usize, StoreError> {
    let old = "DELETE FROM mails WHERE created_at < $1 AND id IN \
               (SELECT id FROM mails ORDER BY id LIMIT $2)";
    Ok(diesel::sql_query(old)
        .bind::<BigInt, _>(before)
        .bind::<BigInt, _>(limit)
        .execute(database)?)
}

#[cfg(test)]
mod tests;
