//! Traffic counters in memory: how many tokens, introspections and so on there were in each minute
//! for the server, and in each hour for each account and client.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use strum::{IntoStaticStr, VariantArray};

use crate::clock::Timestamp;
use crate::store::client::Client;
use crate::store::counters::{Counter, Owner};
use crate::store::credential_use::{Bucket, UsageIncrement};

/// The bucket size of the counters of the server.
pub const MINUTE: Duration = Duration::from_secs(60);

/// The bucket size of the counters of accounts and clients.
pub const HOUR: Duration = Duration::from_secs(3600);

/// The maximum number of clients in the counters of one hour. Further clients are not counted until
/// the counters are written.
const MAX_CLIENTS: usize = 10_000;

/// A metric of the counters. Its name is stored in `counters.metric`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Metric {
    /// Issued tokens; of a client, those issued to it.
    Tokens,
    /// Introspections; of a client, those that found an active token or API key of its own.
    Introspections,
    /// Introspections that a client asked for.
    #[strum(serialize = "asked")]
    IntrospectionCalls,
    /// Failed authentications, and refused requests of authenticated clients; of a client, those
    /// that named it or used its tokens or API keys.
    Failures,
    /// Requests that forward authentication allowed; of a client, those with its tokens or API
    /// keys.
    Verifications,
    /// Requests that an API key or a client secret authenticated.
    Uses,
}

impl Metric {
    /// The stored name.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// A route whose latency is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
pub enum TimedRoute {
    /// The token endpoint.
    #[strum(serialize = "token_took:")]
    Token,
    /// The introspection endpoint.
    #[strum(serialize = "introspection_took:")]
    Introspection,
}

impl TimedRoute {
    /// The prefix of the stored metric names, each followed by the upper bound of a latency bucket.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The upper bounds of the latency buckets, in microseconds. The last bucket also has everything
/// slower.
pub const LATENCY_BUCKETS: [u32; 31] = [
    100, 150, 200, 300, 500, 700, 1_000, 1_500, 2_000, 3_000, 5_000, 7_000, 10_000, 15_000, 20_000,
    30_000, 50_000, 70_000, 100_000, 150_000, 200_000, 300_000, 500_000, 700_000, 1_000_000,
    1_500_000, 2_000_000, 3_000_000, 5_000_000, 7_000_000, 10_000_000,
];

/// The bucket of a latency, as an index of [`LATENCY_BUCKETS`].
fn latency_bucket(latency: Duration) -> usize {
    LATENCY_BUCKETS
        .partition_point(|bound| Duration::from_micros(u64::from(*bound)) < latency)
        .min(LATENCY_BUCKETS.len() - 1)
}

/// The metrics of a client that are kept by the day.
const CLIENT_METRICS: [Metric; 4] = [
    Metric::Tokens,
    Metric::Introspections,
    Metric::Verifications,
    Metric::Failures,
];

type Counts = [i64; Metric::VARIANTS.len()];

/// The counts of the server in a minute.
#[derive(Default)]
struct ServerCounts {
    counts: Counts,
    latencies: [[i64; LATENCY_BUCKETS.len()]; TimedRoute::VARIANTS.len()],
}

/// The counts of a client in an hour.
struct ClientCounts {
    account_id: String,
    counts: Counts,
}

/// The counts since they were last written, by the start of their minute or hour. There is seldom
/// more than one of each.
#[derive(Default)]
pub(super) struct Traffic {
    minutes: Vec<(Timestamp, ServerCounts)>,
    hours: Vec<(Timestamp, HashMap<String, ClientCounts>)>,
}

impl Traffic {
    /// Counts for the server.
    pub(super) fn count(&mut self, metric: Metric, now: Timestamp) {
        self.minute(now).counts[metric as usize] += 1;
    }

    /// Counts for a client, and so for its account.
    pub(super) fn count_of_client(&mut self, client: &Client, metric: Metric, now: Timestamp) {
        let clients = bucket(&mut self.hours, now.truncate_to(HOUR));
        if let Some(client) = clients.get_mut(&client.client_id) {
            client.counts[metric as usize] += 1;
        } else if clients.len() < MAX_CLIENTS {
            let mut counts = Counts::default();
            counts[metric as usize] = 1;
            clients.insert(
                client.client_id.clone(),
                ClientCounts {
                    account_id: client.account_id.clone(),
                    counts,
                },
            );
        }
    }

    /// Counts the latency of a request.
    pub(super) fn count_latency(&mut self, route: TimedRoute, latency: Duration, now: Timestamp) {
        self.minute(now).latencies[route as usize][latency_bucket(latency)] += 1;
    }

    fn minute(&mut self, now: Timestamp) -> &mut ServerCounts {
        bucket(&mut self.minutes, now.truncate_to(MINUTE))
    }

    /// The counts of the clients by the day, as far as they are shown, sorted.
    pub(super) fn counters_by_day(&self) -> Vec<UsageIncrement> {
        let mut rows = Vec::new();
        for (start, clients) in &self.hours {
            for (client_id, client) in clients {
                for metric in CLIENT_METRICS {
                    let count = client.counts[metric as usize];
                    if count > 0 {
                        rows.push(UsageIncrement {
                            owner_id: client_id.clone(),
                            bucket: Bucket::Day,
                            bucket_start: start.truncate_to(Bucket::Day.length()),
                            metric: metric.as_str(),
                            count,
                        });
                    }
                }
            }
        }
        rows.sort();
        rows
    }

    /// The counts as rows, sorted.
    pub(super) fn into_counters(self) -> Vec<Counter> {
        let mut rows = Vec::new();
        for (start, minute) in self.minutes {
            add(&mut rows, start, Owner::Server, &minute.counts);
            for route in TimedRoute::VARIANTS {
                let latencies = minute.latencies[*route as usize];
                for (bound, count) in LATENCY_BUCKETS.into_iter().zip(latencies) {
                    if count > 0 {
                        let metric = format!("{}{bound}", route.as_str());
                        rows.push(Counter::new(start, Owner::Server, metric, count));
                    }
                }
            }
        }
        for (start, clients) in self.hours {
            let mut accounts: BTreeMap<&str, Counts> = BTreeMap::new();
            for (client_id, client) in &clients {
                let account_id = &client.account_id;
                let owner = Owner::Client {
                    account_id,
                    client_id,
                };
                add(&mut rows, start, owner, &client.counts);
                let sums = accounts.entry(account_id).or_default();
                for (sum, count) in sums.iter_mut().zip(client.counts) {
                    *sum += count;
                }
            }
            for (account_id, counts) in accounts {
                add(&mut rows, start, Owner::Account(account_id), &counts);
            }
        }
        rows.sort();
        rows
    }
}

/// The bucket that begins at `start`, which is nearly always the last one.
fn bucket<T: Default>(buckets: &mut Vec<(Timestamp, T)>, start: Timestamp) -> &mut T {
    let place = buckets
        .iter()
        .rposition(|(known, _)| *known == start)
        .unwrap_or_else(|| {
            buckets.push((start, T::default()));
            buckets.len() - 1
        });
    &mut buckets[place].1
}

fn add(rows: &mut Vec<Counter>, start: Timestamp, owner: Owner<'_>, counts: &Counts) {
    for metric in Metric::VARIANTS {
        let count = counts[*metric as usize];
        if count > 0 {
            rows.push(Counter::new(start, owner, metric.as_str(), count));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::client::AuthMethod;

    #[test]
    fn the_stored_names_stay_as_they_are() {
        let metrics: Vec<&str> = Metric::VARIANTS
            .iter()
            .map(|metric| metric.as_str())
            .collect();
        let expected = [
            "tokens",
            "introspections",
            "asked",
            "failures",
            "verifications",
            "uses",
        ];
        assert_eq!(metrics, expected);
        let routes: Vec<&str> = TimedRoute::VARIANTS
            .iter()
            .map(|route| route.as_str())
            .collect();
        assert_eq!(routes, ["token_took:", "introspection_took:"]);
    }

    #[test]
    fn a_latency_is_in_the_first_bucket_whose_bound_it_does_not_exceed() {
        for (micros, bound) in [
            (0, 100),
            (100, 100),
            (101, 150),
            (700, 700),
            (9_999_999, 10_000_000),
            (60_000_000, 10_000_000),
        ] {
            let bucket = latency_bucket(Duration::from_micros(micros));
            assert_eq!(LATENCY_BUCKETS[bucket], bound, "{micros}");
        }
    }

    #[test]
    fn counts_are_by_minute_for_the_server_and_by_hour_for_clients() {
        let hour = Timestamp::from_seconds(1_800_000_000);
        let at = |seconds| hour.saturating_add(Duration::from_secs(seconds));
        let client = Client::new(
            "An app".to_owned(),
            "an account".to_owned(),
            AuthMethod::ClientSecretBasic,
            hour,
        );
        let mut traffic = Traffic::default();
        // The clock goes back once.
        for seconds in [0, 59, 60, 3599, 3600, 61] {
            traffic.count(Metric::Tokens, at(seconds));
            traffic.count_of_client(&client, Metric::Tokens, at(seconds));
        }
        traffic.count_latency(TimedRoute::Token, Duration::from_millis(1), at(59));

        let server =
            |seconds, metric: &str, count| Counter::new(at(seconds), Owner::Server, metric, count);
        let mut expected = vec![
            server(0, "tokens", 2),
            server(0, "token_took:1000", 1),
            server(60, "tokens", 2),
            server(3540, "tokens", 1),
            server(3600, "tokens", 1),
        ];
        for (seconds, count) in [(0, 5), (3600, 1)] {
            let account_id = "an account";
            let owner = Owner::Client {
                account_id,
                client_id: &client.client_id,
            };
            expected.push(Counter::new(at(seconds), owner, "tokens", count));
            let owner = Owner::Account(account_id);
            expected.push(Counter::new(at(seconds), owner, "tokens", count));
        }
        expected.sort();
        // Both hours are of the same day in UTC.
        let day = Bucket::Day;
        let by_day = [1, 5].map(|count| UsageIncrement {
            owner_id: client.client_id.clone(),
            bucket: day,
            bucket_start: hour.truncate_to(day.length()),
            metric: "tokens",
            count,
        });
        assert_eq!(traffic.counters_by_day(), by_day);
        assert_eq!(traffic.into_counters(), expected);
    }
}
