//! Counters: how often something happened in a minute or an hour, summed over all nodes.

use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use super::schema::counters;
use super::{Database, StoreError};
use crate::clock::Timestamp;

/// A row of `counters`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Queryable, Selectable, QueryableByName)]
#[diesel(table_name = counters)]
pub struct Counter {
    /// The start of the minute or hour.
    pub bucket_start: Timestamp,
    /// The account of the counter; empty for a counter of the server.
    pub account_id: String,
    /// The client of the counter; empty for a counter of the server or of a whole account.
    pub client_id: String,
    /// The name of the metric.
    pub metric: String,
    /// How often it happened.
    pub count: i64,
}

/// The owner of a counter.
#[derive(Clone, Copy, Debug)]
pub enum Owner<'a> {
    /// The whole server; its buckets are minutes.
    Server,
    /// All clients of an account; its buckets are hours.
    Account(&'a str),
    /// One client; its buckets are hours.
    Client {
        /// The account of the client.
        account_id: &'a str,
        /// The client.
        client_id: &'a str,
    },
}

impl<'a> Owner<'a> {
    fn ids(self) -> (&'a str, &'a str) {
        match self {
            Owner::Server => ("", ""),
            Owner::Account(account_id) => (account_id, ""),
            Owner::Client {
                account_id,
                client_id,
            } => (account_id, client_id),
        }
    }
}

impl Counter {
    /// A counter of `owner`.
    pub fn new(
        bucket_start: Timestamp,
        owner: Owner<'_>,
        metric: impl Into<String>,
        count: i64,
    ) -> Self {
        let (account_id, client_id) = owner.ids();
        Counter {
            bucket_start,
            account_id: account_id.to_owned(),
            client_id: client_id.to_owned(),
            metric: metric.into(),
            count,
        }
    }
}

/// Adds to the counts that this node and others have written before.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn add(database: &mut Database, increments: &[Counter]) -> Result<(), StoreError> {
    let sql = "INSERT INTO counters (bucket_start, account_id, client_id, metric, count) \
               VALUES ($1, $2, $3, $4, $5) \
               ON CONFLICT (bucket_start, account_id, client_id, metric) \
               DO UPDATE SET count = counters.count + excluded.count";
    for increment in increments {
        diesel::sql_query(sql)
            .bind::<BigInt, _>(increment.bucket_start)
            .bind::<Text, _>(&increment.account_id)
            .bind::<Text, _>(&increment.client_id)
            .bind::<Text, _>(&increment.metric)
            .bind::<BigInt, _>(increment.count)
            .execute(database)?;
    }
    Ok(())
}

/// Sums the server's counters since `from` into buckets of length `bucket`, the oldest first.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn server_sums(
    database: &mut Database,
    from: Timestamp,
    bucket: Duration,
) -> Result<Vec<Counter>, StoreError> {
    let sql = "SELECT bucket_start - bucket_start % $1 AS bucket_start, \
               '' AS account_id, '' AS client_id, metric, CAST(SUM(count) AS BIGINT) AS count \
               FROM counters WHERE account_id = '' AND client_id = '' AND bucket_start >= $2 \
               GROUP BY 1, metric ORDER BY 1, metric";
    let sums = diesel::sql_query(sql)
        .bind::<BigInt, _>(i64::try_from(bucket.as_millis()).unwrap_or(i64::MAX))
        .bind::<BigInt, _>(from);
    Ok(sums.load(database)?)
}

/// The counters of an account since `from`, all its clients together.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn list_of_account(
    database: &mut Database,
    account_id: &str,
    from: Timestamp,
) -> Result<Vec<Counter>, StoreError> {
    list_of_clients(database, &[(account_id, "")], from)
}

/// The counters of these clients, each given as account and client, since `from`.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn list_of_clients(
    database: &mut Database,
    clients: &[(&str, &str)],
    from: Timestamp,
) -> Result<Vec<Counter>, StoreError> {
    let (account_ids, client_ids): (Vec<&str>, Vec<&str>) = clients.iter().copied().unzip();
    // A client belongs to one account, so the two lists name no further pair.
    let selected = counters::table
        .filter(counters::account_id.eq_any(account_ids))
        .filter(counters::client_id.eq_any(client_ids))
        .filter(counters::bucket_start.ge(from));
    Ok(selected.select(Counter::as_select()).load(database)?)
}

/// The clients with the largest sums of `metric` since `from`, in one account or in all: account
/// and client, the largest sum first.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn busiest_clients(
    database: &mut Database,
    account_id: Option<&str>,
    metric: &str,
    from: Timestamp,
    limit: i64,
) -> Result<Vec<(String, String)>, StoreError> {
    #[derive(QueryableByName)]
    #[diesel(table_name = counters)]
    struct Busiest {
        account_id: String,
        client_id: String,
    }

    let sql = |condition: &str, limit: &str| {
        format!(
            "SELECT account_id, client_id FROM counters \
             WHERE bucket_start >= $1 AND metric = $2 AND {condition} AND client_id <> '' \
             GROUP BY account_id, client_id \
             ORDER BY SUM(count) DESC, account_id, client_id LIMIT {limit}"
        )
    };
    // SQLite numbers parameters in the order in which they first appear.
    let clients: Vec<Busiest> = match account_id {
        Some(account_id) => diesel::sql_query(sql("account_id = $3", "$4"))
            .bind::<BigInt, _>(from)
            .bind::<Text, _>(metric)
            .bind::<Text, _>(account_id)
            .bind::<BigInt, _>(limit)
            .load(database)?,
        None => diesel::sql_query(sql("account_id <> ''", "$3"))
            .bind::<BigInt, _>(from)
            .bind::<Text, _>(metric)
            .bind::<BigInt, _>(limit)
            .load(database)?,
    };
    Ok(clients
        .into_iter()
        .map(|client| (client.account_id, client.client_id))
        .collect())
}

/// Deletes up to `limit` counters of buckets that started before `before`; returns how many.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn purge(database: &mut Database, before: Timestamp, limit: i64) -> Result<usize, StoreError> {
    let sql = "DELETE FROM counters WHERE (bucket_start, account_id, client_id, metric) IN \
               (SELECT bucket_start, account_id, client_id, metric FROM counters \
               WHERE bucket_start < $1 \
               ORDER BY bucket_start, account_id, client_id, metric LIMIT $2)";
    Ok(diesel::sql_query(sql)
        .bind::<BigInt, _>(before)
        .bind::<BigInt, _>(limit)
        .execute(database)?)
}
