//! Counters: how often something happened in a minute or an hour, summed over all nodes.

use std::collections::BTreeMap;
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

/// Up to `limit` counters of clients in the hour that starts at `hour`, by account, client and metric: those
/// after `last`.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn list_of_hour(
    database: &mut Database,
    hour: Timestamp,
    last: Option<&Counter>,
    limit: i64,
) -> Result<Vec<Counter>, StoreError> {
    let sql = "SELECT bucket_start, account_id, client_id, metric, count FROM counters \
               WHERE bucket_start = $1 AND client_id <> '' \
               AND (account_id, client_id, metric) > ($2, $3, $4) \
               ORDER BY account_id, client_id, metric LIMIT $5";
    let (account_id, client_id, metric) = last.map_or(("", "", ""), |last| {
        (&last.account_id, &last.client_id, &last.metric)
    });
    Ok(diesel::sql_query(sql)
        .bind::<BigInt, _>(hour)
        .bind::<Text, _>(account_id)
        .bind::<Text, _>(client_id)
        .bind::<Text, _>(metric)
        .bind::<BigInt, _>(limit)
        .load(database)?)
}

/// Up to `limit` counters of these metrics in the hour that starts at `hour`, of the clients of an account
/// or of all.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn list_of_clients_in_hour(
    database: &mut Database,
    account_id: Option<&str>,
    hour: Timestamp,
    metrics: &[&str],
    limit: i64,
) -> Result<Vec<Counter>, StoreError> {
    let mut rows = counters::table
        .filter(counters::bucket_start.eq(hour))
        .filter(counters::client_id.ne(""))
        .filter(counters::metric.eq_any(metrics))
        .into_boxed();
    rows = match account_id {
        Some(account_id) => rows.filter(counters::account_id.eq(account_id)),
        None => rows.filter(counters::account_id.gt("")),
    };
    // In the order of the primary key, of which this is a range.
    let order = (counters::account_id, counters::client_id, counters::metric);
    let rows = rows.order(order).limit(limit);
    Ok(rows.select(Counter::as_select()).load(database)?)
}

/// The sums of a client's counters since `from`, by metric.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn sums_of_client(
    database: &mut Database,
    account_id: &str,
    client_id: &str,
    from: Timestamp,
) -> Result<BTreeMap<String, i64>, StoreError> {
    let mut sums = BTreeMap::new();
    for row in list_of_clients(database, &[(account_id, client_id)], from)? {
        *sums.entry(row.metric).or_default() += row.count;
    }
    Ok(sums)
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
