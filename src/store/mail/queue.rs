//! Which messages are queued: there are limits, so that nobody is flooded, and a backlog of notices does
//! not keep back what somebody waits for.

use std::collections::BTreeMap;
use std::time::Duration;

use diesel::dsl::count_star;
use diesel::prelude::*;

use super::{Facts, Mail, MailKind, is_on};
use crate::store::audit::{Action, Audience, AuditEntry};
use crate::store::client_secret::ClientSecret;
use crate::store::schema::{client_secrets, mails, memberships, users};
use crate::store::{Database, StoreError, Transaction, api_key, client, user};

/// The most pending messages. Further ones are dropped.
pub(super) const MAX_PENDING: i64 = 10_000;

/// How many of them are kept free for [`MailKind::is_urgent`].
pub(super) const RESERVED: i64 = 2_000;

/// The most pending invitations and notices to the users of one account, and the most urgent messages.
pub(super) const MAX_PENDING_OF_ACCOUNT: i64 = 1_000;

/// The time in which the messages to one recipient are counted.
const COUNTED: Duration = Duration::from_secs(3600);

impl MailKind {
    /// Whether a message is about the sign-in of a user, who cannot wait for those of others.
    const fn is_urgent(self) -> bool {
        matches!(self, MailKind::PasswordReset | MailKind::Security)
    }

    /// Whether a message counts among those of its account: administrators can cause such messages to any
    /// number of people. A user causes no more sign-ins than a user may have.
    const fn counts_for_account(self) -> bool {
        !matches!(self, MailKind::Test | MailKind::SignIn)
    }
}

/// What a transaction has counted, once: it holds the lock that all writes wait for.
#[derive(Default)]
pub struct MailCounts {
    is_on: Option<bool>,
    pending: Option<i64>,
    /// The pending messages that count, by account and by whether they are urgent.
    of_account: BTreeMap<(String, bool), i64>,
    /// The account of the entry by which a user was told of an action, by action and user. What is done to
    /// the sign-in of a user of several accounts is in the audit of each.
    told: BTreeMap<(String, String), Option<String>>,
    dropped: u64,
}

impl MailCounts {
    /// Those of a transaction of an installation that sends messages.
    #[cfg(test)]
    pub(super) fn sending() -> Self {
        MailCounts {
            is_on: Some(true),
            ..MailCounts::default()
        }
    }

    /// How many messages were not queued, since there are too many.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

/// Inserts a message, if messages are sent and neither the recipient, the account of the recipient nor the
/// server has too many. Returns whether it was inserted.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn queue(
    transaction: &mut Transaction<'_>,
    mail: Mail,
    account_id: Option<&str>,
) -> Result<bool, StoreError> {
    if !is_on_once(transaction)? {
        return Ok(false);
    }
    let added = add(transaction, mail.kind, vec![mail], account_id)?;
    Ok(added > 0)
}

fn is_on_once(transaction: &mut Transaction<'_>) -> Result<bool, StoreError> {
    if let Some(is_on) = transaction.mails.is_on {
        return Ok(is_on);
    }
    let found = is_on(transaction.database)?;
    transaction.mails.is_on = Some(found);
    Ok(found)
}

/// Inserts messages of one kind about one thing, as far as there is room. Returns how many.
fn add(
    transaction: &mut Transaction<'_>,
    kind: MailKind,
    wanted: Vec<Mail>,
    account_id: Option<&str>,
) -> Result<usize, StoreError> {
    let all = wanted.len();
    let room = room(transaction, kind, as_count(all), account_id)?;
    let mut rows = if room == 0 {
        Vec::new()
    } else {
        within_limit(transaction.database, kind, wanted)?
    };
    rows.truncate(room);
    let added = rows.len();
    if added > 0 {
        // diesel has no statement with several rows for either database.
        let insert = diesel::insert_into(mails::table).values(&rows);
        match transaction.modify() {
            Database::Postgres(connection) => insert.execute(connection)?,
            Database::Sqlite(connection) => insert.execute(connection)?,
        };
    }
    let counts = &mut transaction.mails;
    counts.dropped += u64::try_from(all - added).unwrap_or(0);
    if let Some(pending) = &mut counts.pending {
        *pending += as_count(added);
    }
    if let Some(id) = account_id.filter(|_| kind.counts_for_account())
        && let Some(pending) = counts
            .of_account
            .get_mut(&(id.to_owned(), kind.is_urgent()))
    {
        *pending += as_count(added);
    }
    Ok(added)
}

fn as_count(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

/// How many more messages of this kind may be pending.
fn room(
    transaction: &mut Transaction<'_>,
    kind: MailKind,
    wanted: i64,
    account_id: Option<&str>,
) -> Result<usize, StoreError> {
    let pending = pending(transaction)?;
    let most = if kind.is_urgent() {
        MAX_PENDING
    } else {
        MAX_PENDING - RESERVED
    };
    let mut room = most - pending;
    // While there are few messages, no account has too many.
    if let Some(id) = account_id
        && kind.counts_for_account()
        && room > 0
        && pending + wanted > MAX_PENDING_OF_ACCOUNT
    {
        room = room
            .min(MAX_PENDING_OF_ACCOUNT - pending_of_account(transaction, id, kind.is_urgent())?);
    }
    Ok(usize::try_from(room).unwrap_or(0))
}

fn pending(transaction: &mut Transaction<'_>) -> Result<i64, StoreError> {
    if let Some(pending) = transaction.mails.pending {
        return Ok(pending);
    }
    // Answered by the index of what is due, which has no more than [`MAX_PENDING`] rows.
    let found = mails::table
        .filter(mails::next_attempt_at.is_not_null())
        .count()
        .get_result(transaction.database)?;
    transaction.mails.pending = Some(found);
    Ok(found)
}

fn pending_of_account(
    transaction: &mut Transaction<'_>,
    account_id: &str,
    is_urgent: bool,
) -> Result<i64, StoreError> {
    let key = (account_id.to_owned(), is_urgent);
    if let Some(pending) = transaction.mails.of_account.get(&key) {
        return Ok(*pending);
    }
    let own = users::table
        .filter(users::account_id.eq(account_id))
        .select(users::id.nullable());
    let further = memberships::table
        .filter(memberships::account_id.eq(account_id))
        .select(memberships::user_id.nullable());
    let counted: Vec<MailKind> = MailKind::all()
        .filter(|kind| kind.counts_for_account() && kind.is_urgent() == is_urgent)
        .collect();
    let found = mails::table
        .filter(mails::next_attempt_at.is_not_null())
        .filter(mails::kind.eq_any(counted))
        .filter(
            mails::account_id
                .eq(account_id)
                .or(mails::account_id.is_null().and(
                    mails::user_id
                        .eq_any(own)
                        .or(mails::user_id.eq_any(further)),
                )),
        )
        .count()
        .get_result(transaction.database)?;
    transaction.mails.of_account.insert(key, found);
    Ok(found)
}

/// Those of the messages, which concern the same account, whose recipients did not get too many lately. Those
/// of each account count on their own: one could otherwise keep back what another one tells a person.
fn within_limit(
    database: &mut Database,
    kind: MailKind,
    mut wanted: Vec<Mail>,
) -> Result<Vec<Mail>, StoreError> {
    let (Some(limit), Some(first)) = (kind.hourly_limit(), wanted.first()) else {
        return Ok(wanted);
    };
    let lately = first.created_at.saturating_sub(COUNTED);
    let recipients: Vec<&str> = wanted.iter().map(|mail| mail.recipient.as_str()).collect();
    let counts: Vec<(String, Option<String>, i64)> = mails::table
        .filter(mails::recipient.eq_any(recipients))
        .filter(mails::created_at.gt(lately))
        .filter(mails::kind.eq(kind))
        .group_by((mails::recipient, mails::account_id))
        .select((mails::recipient, mails::account_id, count_star()))
        .load(database)?;
    let counts: BTreeMap<String, i64> = counts
        .into_iter()
        .filter(|(_, account_id, _)| *account_id == first.account_id)
        .map(|(recipient, _, count)| (recipient, count))
        .collect();
    wanted.retain(|mail| {
        counts
            .get(&mail.recipient)
            .is_none_or(|count| *count < limit)
    });
    Ok(wanted)
}

/// Inserts the messages about an audit entry, to those whom it concerns.
pub(in super::super) fn enqueue(
    transaction: &mut Transaction<'_>,
    entry: &AuditEntry,
) -> Result<(), StoreError> {
    let Some(action) = entry.action.parse::<Action>().ok() else {
        return Ok(());
    };
    let Some(audience) = action.audience() else {
        return Ok(());
    };
    if !is_on_once(transaction)? {
        return Ok(());
    }
    let database = &mut *transaction.database;
    let (kind, recipients) = match (audience, &entry.account_id) {
        (Audience::Account, Some(account_id)) => {
            let notified = user::notified(database, Some(account_id))?;
            (MailKind::Notice, notified)
        }
        (Audience::Account, None) => (MailKind::Notice, Vec::new()),
        (Audience::Operators, _) => (MailKind::Notice, user::notified(database, None)?),
        (Audience::User, _) => {
            let key = (entry.action.clone(), entry.target.clone());
            let told = &mut transaction.mails.told;
            if *told.entry(key).or_insert(entry.account_id.clone()) != entry.account_id {
                return Ok(());
            }
            let own = user::find_by_email(database, &entry.target)?;
            (MailKind::Security, Vec::from_iter(own))
        }
    };
    if recipients.is_empty() {
        return Ok(());
    }
    let is_of_account = audience == Audience::Account;
    let concerned = entry.account_id.as_ref().filter(|_| is_of_account);
    // The look-ups for the text are in vain if nothing can be queued.
    let account_id = entry.account_id.as_deref();
    let wanted = as_count(recipients.len());
    if room(transaction, kind, wanted, account_id)? == 0 {
        transaction.mails.dropped += u64::try_from(recipients.len()).unwrap_or(0);
        return Ok(());
    }
    let facts = facts_of(transaction.database, action, entry)?;
    let wanted = recipients
        .iter()
        .map(|recipient| Mail {
            account_id: concerned.cloned(),
            ..Mail::to_user(kind, recipient, &facts, entry.happened_at)
        })
        .collect();
    add(transaction, kind, wanted, account_id)?;
    Ok(())
}

fn facts_of(
    database: &mut Database,
    action: Action,
    entry: &AuditEntry,
) -> Result<Facts, StoreError> {
    let mut facts = Facts {
        action: Some(entry.action.clone()),
        actor: Some(entry.actor.clone()),
        at: Some(entry.happened_at),
        address: entry.address.clone(),
        target: Some(entry.target.clone()),
        ..Facts::default()
    };
    // One that was deleted is only known by its id.
    let client_id = match action {
        Action::ApiKeyCreate
        | Action::ApiKeyDelete
        | Action::ApiKeyExpireSoon
        | Action::ApiKeyRevoke
        | Action::ApiKeyRotate => api_key::find(database, &entry.target)?.map(|key| {
            facts.name = Some(key.name);
            facts.expires_at = key.expires_at;
            key.client_id
        }),
        Action::SecretCreate
        | Action::SecretDelete
        | Action::SecretExpireSoon
        | Action::SecretRotate => {
            let found = client_secrets::table
                .filter(client_secrets::id.eq(&entry.target))
                .select(ClientSecret::as_select())
                .first(database)
                .optional()?;
            found.map(|secret| {
                facts.name = secret.name;
                facts.expires_at = secret.expires_at;
                secret.client_id
            })
        }
        _ => None,
    };
    if let Some(client_id) = client_id {
        facts.application = client::find(database, &client_id)?.map(|client| client.name);
    }
    Ok(facts)
}
