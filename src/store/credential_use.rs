//! The use of API keys, client secrets and clients: how often in each hour and day, and from where,
//! summed over all nodes.

use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use serde::Serialize;
use strum::{EnumString, IntoStaticStr, VariantNames};

use super::names::{UnknownName, named_in_json};
use super::schema::{usage_counters, usage_origins};
use super::{Database, StoreError};
use crate::clock::Timestamp;

/// How precise a stored last use is: a use this soon after the one that is stored is not written.
pub(super) const LAST_USE_PRECISION: Duration = Duration::from_secs(60);

/// After how long without a use an API key or a client secret counts as unused.
const UNUSED_AFTER: Duration = Duration::from_secs(90 * 24 * 3600);

/// Whether a credential counts as unused: it was not used for 90 days, or never in the 90 days since its
/// use is recorded.
pub(super) fn is_unused(
    last_used_at: Option<Timestamp>,
    recorded_from: Timestamp,
    now: Timestamp,
) -> bool {
    now.duration_since(last_used_at.unwrap_or(recorded_from)) >= UNUSED_AFTER
}

/// The time of the last use since which a credential counts as unused.
pub(super) fn unused_before(now: Timestamp) -> Timestamp {
    now.saturating_sub(UNUSED_AFTER)
}

/// The number of origins that are kept for each API key and each client, those that were seen last.
pub const MAX_ORIGINS: usize = 10;

/// The bucket size of usage counters.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    EnumString,
    IntoStaticStr,
    VariantNames,
)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownName, parse_err_fn = unknown_bucket)]
pub enum Bucket {
    /// An hour.
    #[default]
    Hour,
    /// A day in UTC.
    Day,
}

fn unknown_bucket(_: &str) -> UnknownName {
    let names = Bucket::VARIANTS.join(", ");
    UnknownName(format!("usage is counted by {names}"))
}

named_in_json!(Bucket);

impl Bucket {
    /// The name in the database and in JSON.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// How long it is.
    pub const fn length(self) -> Duration {
        match self {
            Bucket::Hour => Duration::from_secs(3600),
            Bucket::Day => Duration::from_secs(24 * 3600),
        }
    }
}

/// An increment of a usage counter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UsageIncrement {
    /// The id of the API key, the client secret or the client.
    pub owner_id: String,
    /// The bucket size.
    pub bucket: Bucket,
    /// The start of the bucket.
    pub bucket_start: Timestamp,
    /// The name of the metric.
    pub metric: &'static str,
    /// How often it happened.
    pub count: i64,
}

/// A row of `usage_counters`, of one owner and one bucket size.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = usage_counters)]
pub struct UsageCount {
    /// The start of the bucket.
    pub bucket_start: Timestamp,
    /// The name of the metric.
    pub metric: String,
    /// How often it happened.
    pub count: i64,
}

/// Adds to the counts that this node and others have written before.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn add(database: &mut Database, increments: &[UsageIncrement]) -> Result<(), StoreError> {
    let sql = "INSERT INTO usage_counters (owner_id, bucket, bucket_start, metric, count) \
               VALUES ($1, $2, $3, $4, $5) \
               ON CONFLICT (owner_id, bucket, bucket_start, metric) \
               DO UPDATE SET count = usage_counters.count + excluded.count";
    for increment in increments {
        diesel::sql_query(sql)
            .bind::<Text, _>(&increment.owner_id)
            .bind::<Text, _>(increment.bucket.as_str())
            .bind::<BigInt, _>(increment.bucket_start)
            .bind::<Text, _>(increment.metric)
            .bind::<BigInt, _>(increment.count)
            .execute(database)?;
    }
    Ok(())
}

/// The counts of an owner since `from`.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn counts(
    database: &mut Database,
    owner_id: &str,
    bucket: Bucket,
    from: Timestamp,
) -> Result<Vec<UsageCount>, StoreError> {
    Ok(usage_counters::table
        .filter(usage_counters::owner_id.eq(owner_id))
        .filter(usage_counters::bucket.eq(bucket.as_str()))
        .filter(usage_counters::bucket_start.ge(from))
        .select(UsageCount::as_select())
        .load(database)?)
}

/// Deletes up to `limit` counters of buckets of this size that started before `before`; returns how
/// many.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn purge(
    database: &mut Database,
    bucket: Bucket,
    before: Timestamp,
    limit: i64,
) -> Result<usize, StoreError> {
    let sql = "DELETE FROM usage_counters WHERE (owner_id, bucket, bucket_start, metric) IN \
               (SELECT owner_id, bucket, bucket_start, metric FROM usage_counters \
               WHERE bucket = $1 AND bucket_start < $2 ORDER BY bucket_start LIMIT $3)";
    Ok(diesel::sql_query(sql)
        .bind::<Text, _>(bucket.as_str())
        .bind::<BigInt, _>(before)
        .bind::<BigInt, _>(limit)
        .execute(database)?)
}

/// A row of `usage_origins`: from where an API key was used, or a client authenticated.
#[derive(
    Clone,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Queryable,
    Selectable,
    Serialize,
    schemars::JsonSchema,
)]
#[diesel(table_name = usage_origins)]
pub struct Origin {
    /// The id of the API key or the client.
    #[serde(skip)]
    pub owner_id: String,
    /// The client IP, or `unknown`.
    pub address: String,
    /// The beginning of the `User-Agent` header; empty if there was none.
    pub user_agent: String,
    /// When it was seen first.
    pub first_seen_at: Timestamp,
    /// When it was seen last.
    pub last_seen_at: Timestamp,
    /// How many requests came from it.
    pub count: i64,
}

/// Adds what was seen to what this node and others have written before, and deletes all but the last
/// [`MAX_ORIGINS`] of each owner. The origins are sorted by owner.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn add_origins(database: &mut Database, seen: &[Origin]) -> Result<(), StoreError> {
    let later = "CASE WHEN excluded.last_seen_at > usage_origins.last_seen_at \
                 THEN excluded.last_seen_at ELSE usage_origins.last_seen_at END";
    let insert = format!(
        "INSERT INTO usage_origins \
         (owner_id, address, user_agent, first_seen_at, last_seen_at, count) \
         VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (owner_id, address, user_agent) DO UPDATE SET \
         last_seen_at = {later}, count = usage_origins.count + excluded.count"
    );
    let trim = format!(
        "DELETE FROM usage_origins WHERE owner_id = $1 AND (address, user_agent) NOT IN \
         (SELECT address, user_agent FROM usage_origins WHERE owner_id = $1 \
         ORDER BY last_seen_at DESC, address, user_agent LIMIT {MAX_ORIGINS})"
    );
    for of_owner in seen.chunk_by(|one, next| one.owner_id == next.owner_id) {
        for origin in of_owner {
            diesel::sql_query(&insert)
                .bind::<Text, _>(&origin.owner_id)
                .bind::<Text, _>(&origin.address)
                .bind::<Text, _>(&origin.user_agent)
                .bind::<BigInt, _>(origin.first_seen_at)
                .bind::<BigInt, _>(origin.last_seen_at)
                .bind::<BigInt, _>(origin.count)
                .execute(database)?;
        }
        if let Some(origin) = of_owner.first() {
            diesel::sql_query(&trim)
                .bind::<Text, _>(&origin.owner_id)
                .execute(database)?;
        }
    }
    Ok(())
}

/// The origins of an owner, those that were seen last first.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn origins(database: &mut Database, owner_id: &str) -> Result<Vec<Origin>, StoreError> {
    Ok(usage_origins::table
        .filter(usage_origins::owner_id.eq(owner_id))
        .order((
            usage_origins::last_seen_at.desc(),
            usage_origins::address,
            usage_origins::user_agent,
        ))
        .limit(i64::try_from(MAX_ORIGINS).unwrap_or(i64::MAX))
        .select(Origin::as_select())
        .load(database)?)
}

/// Deletes up to `limit` origins that were not seen since `before`; returns how many.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn purge_origins(
    database: &mut Database,
    before: Timestamp,
    limit: i64,
) -> Result<usize, StoreError> {
    let sql = "DELETE FROM usage_origins WHERE (owner_id, address, user_agent) IN \
               (SELECT owner_id, address, user_agent FROM usage_origins \
               WHERE last_seen_at < $1 ORDER BY last_seen_at LIMIT $2)";
    Ok(diesel::sql_query(sql)
        .bind::<BigInt, _>(before)
        .bind::<BigInt, _>(limit)
        .execute(database)?)
}
