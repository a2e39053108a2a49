//! Counts: how often something happened in a minute or an hour, on all nodes together.

use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use super::schema::counts;
use super::{Database, StoreError};
use crate::clock::Timestamp;

/// A row of `counts`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Queryable, Selectable, QueryableByName)]
#[diesel(table_name = counts)]
pub struct Count {
    /// When the minute or the hour begins.
    pub moment: Timestamp,
    /// Of what: see [`Whose::name`].
    pub name: String,
    /// How often.
    pub count: i64,
}

/// Whose counts.
#[derive(Clone, Copy, Debug)]
pub enum Whose<'a> {
    /// Of the whole server, by the minute.
    Server,
    /// Of all clients of an account, by the hour.
    Account(&'a str),
    /// Of a client of an account, by the hour.
    Client(&'a str, &'a str),
}

impl Whose<'_> {
    /// The name of a count of `what`. Ids hold no colon.
    pub fn name(&self, what: &str) -> String {
        match self {
            Whose::Server => format!("server:{what}"),
            Whose::Account(account) => format!("account:{account}:{what}"),
            Whose::Client(account, client) => format!("client:{account}:{client}:{what}"),
        }
    }

    /// What a name is a count of, where it is one of theirs.
    pub fn what<'a>(&self, name: &'a str) -> Option<&'a str> {
        name.strip_prefix(&self.name(""))
    }
}

/// The account and the client of a client's count.
pub fn client_of(name: &str) -> Option<(&str, &str)> {
    let (account, rest) = name.strip_prefix("client:")?.split_once(':')?;
    Some((account, rest.split_once(':')?.0))
}

/// Adds to what other nodes and earlier writings have counted.
///
/// # Errors
/// Where the database gave no answer.
pub fn add(database: &mut Database, counted: &[Count]) -> Result<(), StoreError> {
    for Count {
        moment,
        name,
        count,
    } in counted
    {
        let sentence = "INSERT INTO counts (moment, name, count) VALUES ($1, $2, $3) \
                        ON CONFLICT (moment, name) DO UPDATE SET count = counts.count + excluded.count";
        let row = diesel::sql_query(sentence)
            .bind::<BigInt, _>(moment)
            .bind::<Text, _>(name)
            .bind::<BigInt, _>(count);
        row.execute(database)?;
    }
    Ok(())
}

/// The sums of the server's counts since `from`, for each `span` and name, the oldest first.
///
/// # Errors
/// Where the database gave no answer.
pub fn list(
    database: &mut Database,
    from: Timestamp,
    span: Duration,
) -> Result<Vec<Count>, StoreError> {
    let sentence = "SELECT moment - moment % $1 AS moment, name, CAST(SUM(count) AS BIGINT) AS count FROM counts \
                    WHERE moment >= $2 AND name LIKE $3 GROUP BY 1, 2 ORDER BY 1, 2";
    let sums = diesel::sql_query(sentence)
        .bind::<BigInt, _>(i64::try_from(span.as_millis()).unwrap_or(i64::MAX))
        .bind::<BigInt, _>(from)
        .bind::<Text, _>(Whose::Server.name("%"));
    Ok(sums.load(database)?)
}

/// The clients, of one account or of all, with the most of `what` since `from`: their sums, the
/// largest first.
///
/// # Errors
/// Where the database gave no answer.
pub fn top(
    database: &mut Database,
    account: Option<&str>,
    what: &str,
    from: Timestamp,
    limit: i64,
) -> Result<Vec<Count>, StoreError> {
    let sentence = "SELECT MIN(moment) AS moment, name, CAST(SUM(count) AS BIGINT) AS count FROM counts \
                    WHERE moment >= $1 AND name LIKE $2 GROUP BY name ORDER BY 3 DESC, 2 LIMIT $3";
    let sums = diesel::sql_query(sentence)
        .bind::<BigInt, _>(from)
        .bind::<Text, _>(Whose::Client(account.unwrap_or("%"), "%").name(what))
        .bind::<BigInt, _>(limit);
    Ok(sums.load(database)?)
}

/// Those of these names and moments: what is looked up by the key, whatever else is there.
///
/// # Errors
/// Where the database gave no answer.
pub fn of(
    database: &mut Database,
    names: &[String],
    moments: &[Timestamp],
) -> Result<Vec<Count>, StoreError> {
    let those = counts::table
        .filter(counts::moment.eq_any(moments))
        .filter(counts::name.eq_any(names));
    Ok(those.select(Count::as_select()).load(database)?)
}

/// Removes up to `limit` from before `moment`; tells how many.
///
/// # Errors
/// Where the database gave no answer.
pub fn purge(database: &mut Database, moment: Timestamp, limit: i64) -> Result<usize, StoreError> {
    let sentence = "DELETE FROM counts WHERE (moment, name) IN \
                    (SELECT moment, name FROM counts WHERE moment < $1 ORDER BY moment, name LIMIT $2)";
    Ok(diesel::sql_query(sentence)
        .bind::<BigInt, _>(moment)
        .bind::<BigInt, _>(limit)
        .execute(database)?)
}
