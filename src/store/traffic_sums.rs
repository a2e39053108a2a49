//! Sums of the [counters](super::counters), so that reports need not read all of them: the hours of the
//! server, and the busiest clients of each hour. The leader writes them.

use std::collections::BTreeSet;
use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use super::counters::{self, Counter};
use super::schema::{busiest_clients, server_hours};
use super::{Database, StoreError};
use crate::clock::Timestamp;

const HOUR: Duration = Duration::from_secs(3600);

/// A row of `busiest_clients`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Queryable, Selectable)]
#[diesel(table_name = busiest_clients)]
pub struct BusyClient {
    /// The account whose clients are compared; empty for those of all accounts.
    pub owner_id: String,
    /// The start of the hour.
    pub bucket_start: Timestamp,
    /// The name of the metric.
    pub metric: String,
    /// The account of the client.
    pub account_id: String,
    /// The client.
    pub client_id: String,
    /// How often it happened.
    pub count: i64,
}

impl BusyClient {
    /// What identifies the row.
    pub fn key(&self) -> (&str, Timestamp, &str, &str) {
        let BusyClient {
            owner_id,
            metric,
            client_id,
            ..
        } = self;
        (owner_id, self.bucket_start, metric, client_id)
    }
}

/// The hours since `from` whose counters of the server are summed up.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn summed_hours(
    database: &mut Database,
    from: Timestamp,
) -> Result<BTreeSet<Timestamp>, StoreError> {
    let hours: Vec<Timestamp> = server_hours::table
        .filter(server_hours::bucket_start.ge(from))
        .select(server_hours::bucket_start)
        .distinct()
        .load(database)?;
    Ok(hours.into_iter().collect())
}

/// Sums up the counters of the server in the hour that starts at `hour`.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn sum_up(database: &mut Database, hour: Timestamp) -> Result<(), StoreError> {
    let sql = "INSERT INTO server_hours (bucket_start, metric, count) \
               SELECT $1, metric, CAST(SUM(count) AS BIGINT) FROM counters \
               WHERE account_id = '' AND client_id = '' AND bucket_start >= $1 AND bucket_start < $2 \
               GROUP BY metric \
               ON CONFLICT (bucket_start, metric) DO UPDATE SET count = excluded.count";
    diesel::sql_query(sql)
        .bind::<BigInt, _>(hour)
        .bind::<BigInt, _>(hour.saturating_add(HOUR))
        .execute(database)?;
    Ok(())
}

/// The counters of the server by the hour since `from`, which is the start of an hour. Hours that are not
/// summed up yet are summed from their minutes.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn server_hours(database: &mut Database, from: Timestamp) -> Result<Vec<Counter>, StoreError> {
    let summed: Vec<(Timestamp, String, i64)> = server_hours::table
        .filter(server_hours::bucket_start.ge(from))
        .load(database)?;
    let hours: BTreeSet<Timestamp> = summed.iter().map(|(hour, _, _)| *hour).collect();
    let mut first = from;
    while hours.contains(&first) {
        first = first.saturating_add(HOUR);
    }
    let mut sums = counters::server_sums(database, first, HOUR)?;
    sums.retain(|sum| !hours.contains(&sum.bucket_start));
    let counter =
        |(hour, metric, count)| Counter::new(hour, counters::Owner::Server, metric, count);
    sums.extend(summed.into_iter().map(counter));
    Ok(sums)
}

/// The busiest clients of an owner in each hour since `from`, as far as they are known.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn busiest(
    database: &mut Database,
    owner_id: &str,
    from: Timestamp,
) -> Result<Vec<BusyClient>, StoreError> {
    Ok(busiest_clients::table
        .filter(busiest_clients::owner_id.eq(owner_id))
        .filter(busiest_clients::bucket_start.ge(from))
        .select(BusyClient::as_select())
        .load(database)?)
}

/// The busiest clients of all owners in the hour that starts at `hour`.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn busiest_in_hour(
    database: &mut Database,
    hour: Timestamp,
) -> Result<Vec<BusyClient>, StoreError> {
    Ok(busiest_clients::table
        .filter(busiest_clients::bucket_start.eq(hour))
        .select(BusyClient::as_select())
        .load(database)?)
}

/// Inserts rows, or replaces their counts.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn put(database: &mut Database, rows: &[BusyClient]) -> Result<(), StoreError> {
    let sql = "INSERT INTO busiest_clients \
               (owner_id, bucket_start, metric, account_id, client_id, count) \
               VALUES ($1, $2, $3, $4, $5, $6) \
               ON CONFLICT (owner_id, bucket_start, metric, client_id) \
               DO UPDATE SET count = excluded.count";
    for row in rows {
        diesel::sql_query(sql)
            .bind::<Text, _>(&row.owner_id)
            .bind::<BigInt, _>(row.bucket_start)
            .bind::<Text, _>(&row.metric)
            .bind::<Text, _>(&row.account_id)
            .bind::<Text, _>(&row.client_id)
            .bind::<BigInt, _>(row.count)
            .execute(database)?;
    }
    Ok(())
}

/// Deletes rows.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn remove(database: &mut Database, rows: &[BusyClient]) -> Result<(), StoreError> {
    for row in rows {
        diesel::delete(busiest_clients::table.find(row.key())).execute(database)?;
    }
    Ok(())
}

/// Deletes the sums of hours that started before `before`, and up to `limit` of their busiest clients;
/// returns how many rows.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn purge(database: &mut Database, before: Timestamp, limit: i64) -> Result<usize, StoreError> {
    let hours = server_hours::table.filter(server_hours::bucket_start.lt(before));
    let sums = diesel::delete(hours).execute(database)?;
    let sql = "DELETE FROM busiest_clients WHERE (owner_id, bucket_start, metric, client_id) IN \
               (SELECT owner_id, bucket_start, metric, client_id FROM busiest_clients \
               WHERE bucket_start < $1 ORDER BY bucket_start LIMIT $2)";
    let clients = diesel::sql_query(sql)
        .bind::<BigInt, _>(before)
        .bind::<BigInt, _>(limit)
        .execute(database)?;
    Ok(sums + clients)
}
