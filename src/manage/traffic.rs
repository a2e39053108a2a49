//! The traffic report: tokens, introspections and failures over time, latencies, and the busiest clients,
//! of all nodes together. The counters are a few seconds late.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::actor::{Permit, TokensRead};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::oauth::usage::{HOUR, LATENCY_BUCKETS, MINUTE, Metric, TimedRoute};
use crate::store::counters::{self, Counter};
use crate::store::traffic_sums;
use crate::store::{Database, Store, StoreError};

pub mod busiest;

/// How many hours are reported.
const HOURS: u32 = 24;

const FIVE_MINUTES: Duration = Duration::from_secs(5 * 60);

/// The traffic that an actor can see: of the whole server, or of one account.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Traffic {
    /// The last 24 hours, oldest first; the last one is incomplete. For an account: tokens issued to its
    /// clients, introspections that found its tokens and API keys active, requests that `/verify` allowed
    /// with them, and failures of its clients.
    pub hours: Vec<Point>,
    /// Figures of the whole server; absent for an actor who can see one account only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerTraffic>,
    /// The busiest clients of the last 24 hours, at most ten: by tokens issued, then by introspections and
    /// requests that `/verify` allowed. Among very many clients, only those are compared that were among
    /// the busiest of some hour.
    pub top: Vec<TopClient>,
}

/// Figures of the whole server.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct ServerTraffic {
    /// The last 60 minutes, oldest first; the last one is incomplete.
    pub minutes: Vec<Point>,
    /// Latencies of the token endpoint.
    pub token: Latencies,
    /// Latencies of the introspection endpoint.
    pub introspection: Latencies,
}

/// The counts of one minute or one hour.
#[derive(Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Point {
    /// When the minute or hour begins.
    pub at: Timestamp,
    /// How many tokens were issued.
    pub tokens: i64,
    /// How many introspections were answered.
    pub introspections: i64,
    /// How many requests `/verify` allowed.
    pub verifications: i64,
    /// How many authentications failed, and requests of authenticated clients were refused.
    pub failures: i64,
}

/// Latencies of one endpoint.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Latencies {
    /// The latency over the last 60 minutes.
    pub hour: Latency,
    /// The latency over the last 24 hours.
    pub day: Latency,
    /// The latency in each five minutes of the last hour, oldest first.
    pub five_minutes: Vec<LatencyPoint>,
    /// The latency in each of the last 24 hours, oldest first.
    pub hours: Vec<LatencyPoint>,
}

/// Percentiles of the time from a request to its response, in milliseconds: estimates within about 20 %.
/// Absent if there were no requests.
#[derive(Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Latency {
    /// How many requests there were.
    pub requests: i64,
    /// The median.
    pub p50: Option<f64>,
    /// The 95th percentile.
    pub p95: Option<f64>,
    /// The 99th percentile.
    pub p99: Option<f64>,
}

/// The latency in one interval.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct LatencyPoint {
    /// When the interval begins.
    pub at: Timestamp,
    /// The latency.
    #[serde(flatten)]
    pub latency: Latency,
}

/// One of the busiest clients.
#[derive(Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct TopClient {
    /// The id of the client.
    pub client_id: String,
    /// The display name; absent if the client was deleted.
    pub name: Option<String>,
    /// The id of the owning account.
    pub account: String,
    /// How many tokens were issued to the client.
    pub tokens: i64,
    /// How many introspections found a token or an API key of the client active.
    pub introspections: i64,
    /// How many introspections were answered to the client.
    pub asked: i64,
    /// How many requests `/verify` allowed with tokens and API keys of the client.
    pub verifications: i64,
    /// How many authentications in the name or with credentials of the client failed, and requests of
    /// the client were refused.
    pub failures: i64,
}

/// The start of the first of the hours that are reported at `now`.
pub fn begin(now: Timestamp) -> Timestamp {
    now.truncate_to(HOUR).saturating_sub((HOURS - 1) * HOUR)
}

/// The starts of the hours that are reported, from `begin` on.
pub fn hours(begin: Timestamp) -> impl Iterator<Item = Timestamp> {
    moments(begin, HOUR, HOURS)
}

/// The traffic that the actor can see.
///
/// # Errors
/// A [`StoreError`] if the database cannot be queried.
pub async fn overview(store: &Arc<Store>, permit: Permit<TokensRead>) -> Result<Traffic, Error> {
    let now = permit.now();
    let account = permit.account().map(str::to_owned);
    let report = move |database: &mut Database| {
        let begin = begin(now);
        let by_hour = match &account {
            None => traffic_sums::server_hours(database, begin)?,
            Some(account) => counters::list_of_account(database, account, begin)?,
        };
        Ok(Traffic {
            hours: points(&by_hour, begin, HOUR, HOURS),
            server: if account.is_none() {
                Some(of_server(database, &by_hour, begin, now)?)
            } else {
                None
            },
            top: busiest::top(database, account.as_deref(), begin)?,
        })
    };
    store.report(permit.account(), report).await
}

fn of_server(
    database: &mut Database,
    by_hour: &[Counter],
    day: Timestamp,
    now: Timestamp,
) -> Result<ServerTraffic, StoreError> {
    let begin = now.truncate_to(MINUTE).saturating_sub(59 * MINUTE);
    let by_minute = counters::server_sums(database, begin, MINUTE)?;
    let latencies = |timed| Latencies {
        hour: latency(timed, &by_minute),
        day: latency(timed, by_hour),
        five_minutes: series(
            timed,
            &by_minute,
            now.truncate_to(FIVE_MINUTES)
                .saturating_sub(11 * FIVE_MINUTES),
            FIVE_MINUTES,
            12,
        ),
        hours: series(timed, by_hour, day, HOUR, HOURS),
    };
    Ok(ServerTraffic {
        minutes: points(&by_minute, begin, MINUTE, 60),
        token: latencies(TimedRoute::Token),
        introspection: latencies(TimedRoute::Introspection),
    })
}

/// The starts of `number` intervals, from `begin` on.
fn moments(begin: Timestamp, span: Duration, number: u32) -> impl Iterator<Item = Timestamp> {
    (0..number).map(move |place| begin.saturating_add(place * span))
}

fn points(counted: &[Counter], begin: Timestamp, span: Duration, number: u32) -> Vec<Point> {
    let known: BTreeMap<_, _> = counted
        .iter()
        .map(|row| ((row.bucket_start, row.metric.as_str()), row.count))
        .collect();
    let count = |at, metric: Metric| known.get(&(at, metric.as_str())).copied().unwrap_or(0);
    let point = |at| Point {
        at,
        tokens: count(at, Metric::Tokens),
        introspections: count(at, Metric::Introspections),
        verifications: count(at, Metric::Verifications),
        failures: count(at, Metric::Failures),
    };
    moments(begin, span, number).map(point).collect()
}

fn series(
    timed: TimedRoute,
    counted: &[Counter],
    begin: Timestamp,
    span: Duration,
    number: u32,
) -> Vec<LatencyPoint> {
    let point = |at: Timestamp| {
        let within = counted
            .iter()
            .filter(|row| row.bucket_start.truncate_to(span) == at);
        LatencyPoint {
            at,
            latency: latency(timed, within),
        }
    };
    moments(begin, span, number).map(point).collect()
}

fn latency<'a>(timed: TimedRoute, counted: impl IntoIterator<Item = &'a Counter>) -> Latency {
    let mut by_end: BTreeMap<u32, i64> = BTreeMap::new();
    for row in counted {
        let end = row.metric.strip_prefix(timed.as_str());
        if let Some(end) = end.and_then(|end| end.parse().ok()) {
            *by_end.entry(end).or_default() += row.count;
        }
    }
    Latency {
        requests: by_end.values().sum(),
        p50: quantile(&by_end, 0.50),
        p95: quantile(&by_end, 0.95),
        p99: quantile(&by_end, 0.99),
    }
}

/// The quantile of a histogram, in milliseconds, by linear interpolation within a bucket. The keys are
/// the upper bounds of the buckets, in microseconds.
fn quantile(by_end: &BTreeMap<u32, i64>, fraction: f64) -> Option<f64> {
    let total: i64 = by_end.values().sum();
    let mut left = fraction * total as f64;
    for (end, count) in by_end {
        if left <= *count as f64 {
            let begin = LATENCY_BUCKETS
                .into_iter()
                .rfind(|known| known < end)
                .unwrap_or(0);
            let micros = f64::from(begin) + f64::from(end - begin) * left / *count as f64;
            return Some(micros.round() / 1000.0);
        }
        left -= *count as f64;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_interpolated_within_its_bucket() {
        let bounds: Vec<u32> = LATENCY_BUCKETS.into_iter().collect();
        let (first, second) = (bounds[0], bounds[1]);
        let milliseconds = |micros: f64| Some(micros.round() / 1000.0);
        let middle = |begin: u32, end: u32| f64::from(begin) + f64::from(end - begin) / 2.0;
        let cases = [
            (vec![], 0.5, None),
            (vec![(first, 10)], 0.5, milliseconds(middle(0, first))),
            (vec![(first, 10)], 1.0, milliseconds(first.into())),
            (vec![(second, 10)], 0.5, milliseconds(middle(first, second))),
            (
                vec![(first, 50), (second, 50)],
                0.75,
                milliseconds(middle(first, second)),
            ),
            (
                vec![(first, 90), (second, 10)],
                0.9,
                milliseconds(first.into()),
            ),
        ];
        for (histogram, fraction, expected) in cases {
            let by_end: BTreeMap<u32, i64> = histogram.iter().copied().collect();
            assert_eq!(
                quantile(&by_end, fraction),
                expected,
                "{fraction} of {histogram:?}"
            );
        }
    }

    #[test]
    fn intervals_follow_each_other() {
        let begin = Timestamp::from_seconds(1_800_000_000);
        let starts: Vec<i64> = moments(begin, MINUTE, 3).map(|at| at.seconds()).collect();
        assert_eq!(starts, [1_800_000_000, 1_800_000_060, 1_800_000_120]);
    }
}
