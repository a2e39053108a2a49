//! What is going on: tokens, introspections and failed authentications over time, how long requests
//! take, and the clients that do most. All nodes together; a few seconds late.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::actor::{Permit, TokensRead};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::oauth::usage::{Counted, HOUR, MINUTE, TIMES, Timed};
use crate::store::client;
use crate::store::counters::{self, Counter};
use crate::store::{Database, Store, StoreError};

const FIVE_MINUTES: Duration = Duration::from_secs(5 * 60);

/// How many clients are at the top.
const TOP: i64 = 10;

/// What is going on, within reach of whoever asks.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Traffic {
    /// The last 24 hours, the oldest first; the last one has only begun. Of an account: tokens issued
    /// to its clients, introspections that found its tokens and API keys active, requests that `/verify`
    /// allowed with them, and failures of its clients.
    pub hours: Vec<Point>,
    /// What is of the whole server; absent for whoever sees a single account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerTraffic>,
    /// The busiest clients of the last 24 hours, ten at the most: by tokens issued, then by introspections and
    /// requests allowed by `/verify`.
    pub top: Vec<TopClient>,
}

/// What is of the whole server.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct ServerTraffic {
    /// The last 60 minutes, the oldest first; the last one has only begun.
    pub minutes: Vec<Point>,
    /// How long requests to the token endpoint took.
    pub token: Latencies,
    /// How long requests to the introspection endpoint took.
    pub introspection: Latencies,
}

/// A minute or an hour.
#[derive(Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Point {
    /// When it begins.
    pub at: Timestamp,
    /// Tokens issued.
    pub tokens: i64,
    /// Introspections answered.
    pub introspections: i64,
    /// Requests that `/verify` allowed.
    pub verifications: i64,
    /// Failures: authentications that failed, and requests of authenticated clients that were refused.
    pub failures: i64,
}

/// How long requests of one kind took.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Latencies {
    /// Over the last 60 minutes.
    pub hour: Latency,
    /// Over the last 24 hours.
    pub day: Latency,
    /// Of each five minutes of the last hour, the oldest first.
    pub five_minutes: Vec<LatencyPoint>,
    /// Of each of the last 24 hours, the oldest first.
    pub hours: Vec<LatencyPoint>,
}

/// How long requests took, in milliseconds, from the request to its answer: estimated, within a
/// fifth or so. Nothing where there were none.
#[derive(Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Latency {
    /// How many there were.
    pub requests: i64,
    /// Half of them took no longer.
    pub p50: Option<f64>,
    /// 95 of a hundred took no longer.
    pub p95: Option<f64>,
    /// 99 of a hundred took no longer.
    pub p99: Option<f64>,
}

/// How long requests took in a part of the time.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct LatencyPoint {
    /// When that begins.
    pub at: Timestamp,
    /// How long.
    #[serde(flatten)]
    pub latency: Latency,
}

/// A client among the busiest.
#[derive(Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct TopClient {
    /// Its id.
    pub client_id: String,
    /// What people call it; nothing where it is deleted.
    pub name: Option<String>,
    /// Whose it is, by id.
    pub account: String,
    /// Tokens issued to it.
    pub tokens: i64,
    /// Introspections that found a token or an API key of its own in force.
    pub introspections: i64,
    /// Introspections answered to it.
    pub asked: i64,
    /// Requests that `/verify` allowed with its tokens and API keys.
    pub verifications: i64,
    /// Failures: authentications in its name or with its credentials that failed, and requests that it was
    /// refused.
    pub failures: i64,
}

/// What is going on within reach.
///
/// # Errors
/// Where the database gave no answer.
pub async fn overview(
    store: &Arc<Store>,
    permit: &Permit<TokensRead>,
    now: Timestamp,
) -> Result<Traffic, Error> {
    let account = permit.account().map(str::to_owned);
    let look = move |database: &mut Database| {
        let begin = now.truncate_to(HOUR).saturating_sub(23 * HOUR);
        let by_hour = match &account {
            None => counters::server_sums(database, begin, HOUR)?,
            Some(account) => counters::list_of_account(database, account, begin)?,
        };
        Ok(Traffic {
            hours: points(&by_hour, begin, HOUR, 24),
            server: if account.is_none() {
                Some(of_server(database, &by_hour, begin, now)?)
            } else {
                None
            },
            top: top(database, account.as_deref(), begin)?,
        })
    };
    store.report(permit.account(), look).await
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
        hours: series(timed, by_hour, day, HOUR, 24),
    };
    Ok(ServerTraffic {
        minutes: points(&by_minute, begin, MINUTE, 60),
        token: latencies(Timed::Token),
        introspection: latencies(Timed::Introspection),
    })
}

/// `number` moments from `begin` on.
fn moments(begin: Timestamp, span: Duration, number: u32) -> impl Iterator<Item = Timestamp> {
    (0..number).map(move |place| begin.saturating_add(place * span))
}

fn points(counted: &[Counter], begin: Timestamp, span: Duration, number: u32) -> Vec<Point> {
    let known: BTreeMap<_, _> = counted
        .iter()
        .map(|row| ((row.bucket_start, row.metric.as_str()), row.count))
        .collect();
    let count = |at, counted: Counted| known.get(&(at, counted.as_str())).copied().unwrap_or(0);
    let point = |at| Point {
        at,
        tokens: count(at, Counted::Tokens),
        introspections: count(at, Counted::Introspections),
        verifications: count(at, Counted::Verifications),
        failures: count(at, Counted::Failures),
    };
    moments(begin, span, number).map(point).collect()
}

fn series(
    timed: Timed,
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

fn latency<'a>(timed: Timed, counted: impl IntoIterator<Item = &'a Counter>) -> Latency {
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

/// The time, in milliseconds, that `part` of all did not exceed, as if those between two ends lay
/// evenly there.
fn quantile(by_end: &BTreeMap<u32, i64>, part: f64) -> Option<f64> {
    let all: i64 = by_end.values().sum();
    let mut left = part * all as f64;
    for (end, count) in by_end {
        if left <= *count as f64 {
            let begin = TIMES.into_iter().rfind(|known| known < end).unwrap_or(0);
            let micros = f64::from(begin) + f64::from(end - begin) * left / *count as f64;
            return Some(micros.round() / 1000.0);
        }
        left -= *count as f64;
    }
    None
}

fn top(
    database: &mut Database,
    account: Option<&str>,
    begin: Timestamp,
) -> Result<Vec<TopClient>, StoreError> {
    // Whoever has the most of the one may have little of the other.
    let mut busiest: BTreeMap<(String, String), BTreeMap<String, i64>> = BTreeMap::new();
    for counted in [
        Counted::Tokens,
        Counted::Introspections,
        Counted::Verifications,
    ] {
        let clients = counters::busiest_clients(database, account, counted.as_str(), begin, TOP)?;
        busiest.extend(clients.into_iter().map(|client| (client, BTreeMap::new())));
    }
    let clients: Vec<(&str, &str)> = busiest
        .keys()
        .map(|(account, id)| (account.as_str(), id.as_str()))
        .collect();
    for row in counters::list_of_clients(database, &clients, begin)? {
        if let Some(sums) = busiest.get_mut(&(row.account_id, row.client_id)) {
            *sums.entry(row.metric).or_default() += row.count;
        }
    }
    let mut top = Vec::new();
    for ((account, id), sums) in busiest {
        let sum = |counted: Counted| sums.get(counted.as_str()).copied().unwrap_or(0);
        top.push(TopClient {
            name: client::find(database, &id)?.map(|client| client.name),
            client_id: id,
            account,
            tokens: sum(Counted::Tokens),
            introspections: sum(Counted::Introspections),
            asked: sum(Counted::Asked),
            verifications: sum(Counted::Verifications),
            failures: sum(Counted::Failures),
        });
    }
    top.sort_by_key(|client| {
        std::cmp::Reverse((client.tokens, client.introspections + client.verifications))
    });
    top.truncate(usize::try_from(TOP).unwrap_or(0));
    Ok(top)
}
