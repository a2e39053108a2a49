//! The feed that all nodes follow: what has changed, so that memory drops it.
//!
//! The counter's row is locked by every change, on every node, until its commit. So the ids become
//! visible in their order, and whoever has seen number 7 will never find a late number 6.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::schema::{change_counter, changes};
use super::{Database, StoreError};
use crate::clock::Timestamp;

/// Something of which nodes keep a copy in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A client, its secrets, or what it may introspect.
    Client(String),
    /// An API key, by its id.
    ApiKey(String),
    /// A token was revoked.
    Revocation {
        /// The token's `jti`.
        jti: String,
        /// When the token ends by itself.
        expires_at: Timestamp,
    },
    /// The signing keys.
    SigningKeys,
}

impl Change {
    fn kind(&self) -> &'static str {
        match self {
            Change::Client(_) => "client",
            Change::ApiKey(_) => "api_key",
            Change::Revocation { .. } => "revocation",
            Change::SigningKeys => "signing_keys",
        }
    }

    fn subject(&self) -> String {
        match self {
            Change::Client(id) | Change::ApiKey(id) => id.clone(),
            Change::Revocation { jti, expires_at } => format!("{jti} {}", expires_at.millis()),
            Change::SigningKeys => String::new(),
        }
    }

    fn read(kind: &str, subject: String) -> Option<Change> {
        match kind {
            "client" => Some(Change::Client(subject)),
            "api_key" => Some(Change::ApiKey(subject)),
            "signing_keys" => Some(Change::SigningKeys),
            "revocation" => {
                let (jti, expires_at) = subject.split_once(' ')?;
                Some(Change::Revocation {
                    jti: jti.to_owned(),
                    expires_at: Timestamp::from_millis(expires_at.parse().ok()?),
                })
            }
            _ => None,
        }
    }
}

/// Takes the lock of all who change, until the transaction ends; gives the newest id.
pub(super) fn lock(database: &mut Database) -> Result<i64, StoreError> {
    let row = change_counter::table.find(1);
    diesel::update(row)
        .set(change_counter::value.eq(change_counter::value))
        .execute(database)?;
    Ok(row.select(change_counter::value).first(database)?)
}

/// Appends these after `newest`, under the lock. They carry the time of the database, where that has a
/// clock of its own: by the clock of a node that is behind they could be purged before all have read them.
pub(super) fn append(
    database: &mut Database,
    newest: i64,
    appended: &[Change],
    now: Timestamp,
) -> Result<(), StoreError> {
    if appended.is_empty() {
        return Ok(());
    }
    let now = super::clock::database_now(database)?.unwrap_or(now);
    let mut id = newest;
    for change in appended {
        id += 1;
        diesel::insert_into(changes::table)
            .values((
                changes::id.eq(id),
                changes::kind.eq(change.kind()),
                changes::subject.eq(change.subject()),
                changes::changed_at.eq(now),
            ))
            .execute(database)?;
    }
    diesel::update(change_counter::table.find(1))
        .set(change_counter::value.eq(id))
        .execute(database)?;
    Ok(())
}

/// Leaves a number without an entry, under the lock of [`Store::write`](super::Store::write): whoever follows
/// finds a gap, and reads everything again.
///
/// # Errors
/// Where the database gave no answer.
pub fn skip(database: &mut Database) -> Result<(), StoreError> {
    diesel::update(change_counter::table.find(1))
        .set(change_counter::value.eq(change_counter::value + 1))
        .execute(database)?;
    Ok(())
}

/// Writes, and changes nothing. On Postgres no row is touched: a server that takes no changes refuses
/// the statement as such. On SQLite a page goes to disk, since a disk that is full shows at nothing less.
pub(super) fn try_to_write(database: &mut Database) -> Result<(), StoreError> {
    match database {
        Database::Postgres(connection) => {
            let same = change_counter::value.eq(change_counter::value);
            diesel::update(change_counter::table.find(0))
                .set(same)
                .execute(connection)?;
        }
        // A row that stays the same SQLite does not write; this it does.
        Database::Sqlite(connection) => connection.batch_execute("PRAGMA user_version = 1")?,
    }
    Ok(())
}

/// The id of the newest change.
///
/// # Errors
/// Where the database gave no answer.
pub fn newest(database: &mut Database) -> Result<i64, StoreError> {
    Ok(change_counter::table
        .find(1)
        .select(change_counter::value)
        .first(database)?)
}

/// What has changed after number `seen`, in order, a thousand at the most, each with its id.
/// `None` stands for a kind that a newer Keyward wrote.
///
/// # Errors
/// Where the database gave no answer.
pub fn after(database: &mut Database, seen: i64) -> Result<Vec<(i64, Option<Change>)>, StoreError> {
    let rows: Vec<(i64, String, String)> = changes::table
        .filter(changes::id.gt(seen))
        .order(changes::id)
        .limit(1000)
        .select((changes::id, changes::kind, changes::subject))
        .load(database)?;
    Ok(rows
        .into_iter()
        .map(|(id, kind, subject)| (id, Change::read(&kind, subject)))
        .collect())
}

/// Removes entries from before `moment`, of the `limit` oldest; tells how many.
///
/// # Errors
/// Where the database gave no answer.
pub fn purge(database: &mut Database, moment: Timestamp, limit: i64) -> Result<usize, StoreError> {
    let sentence = "DELETE FROM changes WHERE changed_at < $1 AND id IN (SELECT id FROM changes ORDER BY id LIMIT $2)";
    Ok(diesel::sql_query(sentence)
        .bind::<BigInt, _>(moment)
        .bind::<BigInt, _>(limit)
        .execute(database)?)
}
