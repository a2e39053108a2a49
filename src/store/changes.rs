//! The change feed: what has changed, so that every node evicts it from its cache.
//!
//! Every change, on every node, locks the row of the counter until its commit. So ids become
//! visible in order: a node that has seen change 7 never finds a change 6 that it has not seen.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::schema::{change_counter, changes};
use super::{Database, StoreError};
use crate::clock::Timestamp;

/// A change to something that nodes cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A client, its secrets or its resource servers changed.
    Client(String),
    /// The API key with this id changed.
    ApiKey(String),
    /// A token was revoked.
    Revocation {
        /// The `jti` of the token.
        jti: String,
        /// When the token expires.
        expires_at: Timestamp,
    },
    /// A signing key changed.
    SigningKeys,
    /// A trust rule of this issuer changed.
    TrustRules(String),
    /// Very many clients of this account changed. It takes an id of the feed, but has no row: every node
    /// finds the gap and reloads its cache, also nodes of previous versions.
    ClientsOf(String),
}

impl Change {
    /// Its kind and subject in the feed.
    fn row(&self) -> Option<(&'static str, String)> {
        match self {
            Change::Client(id) => Some(("client", id.clone())),
            Change::ApiKey(id) => Some(("api_key", id.clone())),
            Change::Revocation { jti, expires_at } => {
                Some(("revocation", format!("{jti} {}", expires_at.millis())))
            }
            Change::SigningKeys => Some(("signing_keys", String::new())),
            Change::TrustRules(issuer) => Some(("trust_rules", issuer.clone())),
            Change::ClientsOf(_) => None,
        }
    }

    fn read(kind: &str, subject: String) -> Option<Change> {
        match kind {
            "client" => Some(Change::Client(subject)),
            "api_key" => Some(Change::ApiKey(subject)),
            "signing_keys" => Some(Change::SigningKeys),
            "trust_rules" => Some(Change::TrustRules(subject)),
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

/// Locks the row of the counter, which serialises all writers until the transaction ends; returns
/// the newest id.
pub(super) fn lock(database: &mut Database) -> Result<i64, StoreError> {
    let row = change_counter::table.find(1);
    diesel::update(row)
        .set(change_counter::value.eq(change_counter::value))
        .execute(database)?;
    Ok(row.select(change_counter::value).first(database)?)
}

/// Appends changes after `newest`, under the lock. Their time is that of the database server, if it
/// has a clock of its own: by the clock of a node that is slow they could be purged before every
/// node has read them.
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
        let Some((kind, subject)) = change.row() else {
            continue;
        };
        diesel::insert_into(changes::table)
            .values((
                changes::id.eq(id),
                changes::kind.eq(kind),
                changes::subject.eq(subject),
                changes::changed_at.eq(now),
            ))
            .execute(database)?;
    }
    diesel::update(change_counter::table.find(1))
        .set(change_counter::value.eq(id))
        .execute(database)?;
    Ok(())
}

/// Skips an id, under the lock of [`Store::write`](super::Store::write): every node finds the gap
/// and reloads its cache.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn skip(database: &mut Database) -> Result<(), StoreError> {
    diesel::update(change_counter::table.find(1))
        .set(change_counter::value.eq(change_counter::value + 1))
        .execute(database)?;
    Ok(())
}

/// Writes without changing anything. On Postgres the statement updates no row: a read-only server
/// refuses it all the same. On SQLite it writes a page, since nothing less fails on a full disk.
pub(super) fn try_to_write(database: &mut Database) -> Result<(), StoreError> {
    match database {
        Database::Postgres(connection) => {
            let same = change_counter::value.eq(change_counter::value);
            diesel::update(change_counter::table.find(0))
                .set(same)
                .execute(connection)?;
        }
        // SQLite does not write a row that stays the same, but it writes this.
        Database::Sqlite(connection) => connection.batch_execute("PRAGMA user_version = 1")?,
    }
    Ok(())
}

/// The id of the newest change.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn newest(database: &mut Database) -> Result<i64, StoreError> {
    Ok(change_counter::table
        .find(1)
        .select(change_counter::value)
        .first(database)?)
}

/// Up to 1000 changes after the one with the id `seen`, in order, each with its id. A change is
/// `None` if a newer version of Keyward wrote a kind that this version does not know.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
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

/// Deletes, of the `limit` oldest changes, those from before `before`; returns how many.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn purge(database: &mut Database, before: Timestamp, limit: i64) -> Result<usize, StoreError> {
    let sql = "DELETE FROM changes WHERE changed_at < $1 AND id IN (SELECT id FROM changes ORDER BY id LIMIT $2)";
    Ok(diesel::sql_query(sql)
        .bind::<BigInt, _>(before)
        .bind::<BigInt, _>(limit)
        .execute(database)?)
}
