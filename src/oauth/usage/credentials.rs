//! The use of API keys, client secrets and clients, in memory: when each was last used, how often in
//! each hour, and from where. All of it is bounded, whatever callers send.

use std::collections::HashMap;
use std::time::Duration;

use super::traffic::{HOUR, Metric};
use crate::client_ip::ClientIp;
use crate::clock::Timestamp;
use crate::request_context::{RequestContext, UserAgent};
use crate::store::credential_use::{Bucket, MAX_ORIGINS, Origin, UsageIncrement};

/// The maximum number of API keys, and of as many client secrets and clients. Past it, further ones
/// are not recorded until the next write.
const MAX_RECORDS: usize = 20_000;

/// The maximum number of origins of all of them.
const MAX_ALL_ORIGINS: usize = 40_000;

/// Up to this number of records and origins each write takes them. More of them are written once a
/// minute, so that the rate of writes does not follow that of requests.
const WRITTEN_AT_ONCE: usize = 500;

/// How long more than [`WRITTEN_AT_ONCE`] wait.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// What is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Used<'a> {
    /// The API key with this id.
    ApiKey(&'a str),
    /// The client secret with this id.
    Secret(&'a str),
    /// The client with this id, by any method. Only its origins are recorded here.
    Client(&'a str),
}

/// What was recorded since it was last taken.
#[derive(Default)]
pub(super) struct Credentials {
    api_keys: HashMap<String, Record>,
    secrets: HashMap<String, Record>,
    clients: HashMap<String, Record>,
    /// The number of origins of all of them.
    origins: usize,
    taken_at: Option<Timestamp>,
}

#[derive(Default)]
struct Record {
    last_used: Option<Timestamp>,
    /// There is seldom more than one hour.
    hours: Vec<Hour>,
    origins: Vec<SeenOrigin>,
}

struct Hour {
    start: Timestamp,
    uses: i64,
    failures: i64,
}

struct SeenOrigin {
    client_ip: ClientIp,
    user_agent: UserAgent,
    first_seen_at: Timestamp,
    last_seen_at: Timestamp,
    count: i64,
}

/// What is to be written, sorted: nodes that write the same rows at once would otherwise deadlock.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) api_keys: Vec<(String, Timestamp)>,
    pub(super) secrets: Vec<(String, Timestamp)>,
    pub(super) counters: Vec<UsageIncrement>,
    pub(super) origins: Vec<Origin>,
}

impl Credentials {
    /// Records a use; `sender` is the request of whoever used it, if that is known.
    pub(super) fn record_use(
        &mut self,
        used: Used<'_>,
        sender: Option<&RequestContext>,
        now: Timestamp,
    ) {
        let all_origins = self.origins;
        let Some(record) = self.record(used) else {
            return;
        };
        if !matches!(used, Used::Client(_)) {
            record.last_used = Some(record.last_used.map_or(now, |last| last.max(now)));
            record.hour(now).uses += 1;
        }
        let is_new = sender.is_some_and(|sender| record.see(sender, all_origins, now));
        self.origins += usize::from(is_new);
    }

    /// Records a request that failed with a credential.
    pub(super) fn record_failure(&mut self, used: Used<'_>, now: Timestamp) {
        if let Some(record) = self.record(used) {
            record.hour(now).failures += 1;
        }
    }

    fn record(&mut self, used: Used<'_>) -> Option<&mut Record> {
        let (records, id) = match used {
            Used::ApiKey(id) => (&mut self.api_keys, id),
            Used::Secret(id) => (&mut self.secrets, id),
            Used::Client(id) => (&mut self.clients, id),
        };
        if !records.contains_key(id) {
            if records.len() >= MAX_RECORDS {
                return None;
            }
            records.insert(id.to_owned(), Record::default());
        }
        records.get_mut(id)
    }

    /// Takes everything, if it is due to be written at `now`.
    pub(super) fn take_due(&mut self, now: Timestamp) -> Credentials {
        let records = self.api_keys.len() + self.secrets.len() + self.clients.len();
        let is_full = records >= MAX_RECORDS / 2 || self.origins >= MAX_ALL_ORIGINS / 2;
        let is_small = records + self.origins <= WRITTEN_AT_ONCE;
        let is_late = self
            .taken_at
            .is_none_or(|last| now.duration_since(last) >= MAX_WAIT || last > now);
        if is_small || is_full || is_late {
            self.take(now)
        } else {
            Credentials::default()
        }
    }

    /// Takes everything. Requests wait for the lock meanwhile, so the batch is made of it later.
    pub(super) fn take(&mut self, now: Timestamp) -> Credentials {
        let taken = std::mem::take(self);
        self.taken_at = Some(now);
        taken
    }

    /// What is to be written.
    pub(super) fn into_batch(self) -> Batch {
        let mut batch = Batch::default();
        for (id, record) in self.api_keys {
            batch
                .api_keys
                .extend(record.last_used.map(|at| (id.clone(), at)));
            batch.add(&id, record);
        }
        for (id, record) in self.secrets {
            batch
                .secrets
                .extend(record.last_used.map(|at| (id.clone(), at)));
            batch.add(&id, record);
        }
        for (id, record) in self.clients {
            batch.add(&id, record);
        }
        batch.api_keys.sort();
        batch.secrets.sort();
        batch.counters.sort();
        batch.origins.sort();
        batch
    }
}

impl Record {
    fn hour(&mut self, now: Timestamp) -> &mut Hour {
        let start = now.truncate_to(HOUR);
        let index = self
            .hours
            .iter()
            .rposition(|hour| hour.start == start)
            .unwrap_or_else(|| {
                self.hours.push(Hour {
                    start,
                    uses: 0,
                    failures: 0,
                });
                self.hours.len() - 1
            });
        &mut self.hours[index]
    }

    /// Records an origin. One more than [`MAX_ORIGINS`] replaces the one that was not seen for the
    /// longest time. Returns whether there is one more than before.
    fn see(&mut self, sender: &RequestContext, all_origins: usize, now: Timestamp) -> bool {
        let known = self.origins.iter_mut().find(|origin| {
            origin.client_ip == sender.client_ip && origin.user_agent == sender.user_agent
        });
        if let Some(origin) = known {
            origin.last_seen_at = origin.last_seen_at.max(now);
            origin.count += 1;
            return false;
        }
        let seen = SeenOrigin {
            client_ip: sender.client_ip,
            user_agent: sender.user_agent,
            first_seen_at: now,
            last_seen_at: now,
            count: 1,
        };
        if self.origins.len() >= MAX_ORIGINS {
            let oldest = self
                .origins
                .iter_mut()
                .min_by_key(|origin| origin.last_seen_at);
            if let Some(oldest) = oldest {
                *oldest = seen;
            }
            return false;
        }
        let fits = all_origins < MAX_ALL_ORIGINS;
        if fits {
            self.origins.push(seen);
        }
        fits
    }
}

impl Batch {
    fn add(&mut self, owner_id: &str, record: Record) {
        for hour in record.hours {
            for (metric, count) in [(Metric::Uses, hour.uses), (Metric::Failures, hour.failures)] {
                for bucket in [Bucket::Hour, Bucket::Day] {
                    if count > 0 {
                        self.counters.push(UsageIncrement {
                            owner_id: owner_id.to_owned(),
                            bucket,
                            bucket_start: hour.start.truncate_to(bucket.length()),
                            metric: metric.as_str(),
                            count,
                        });
                    }
                }
            }
        }
        self.origins
            .extend(record.origins.into_iter().map(|origin| Origin {
                owner_id: owner_id.to_owned(),
                address: origin.client_ip.to_string(),
                user_agent: origin.user_agent.to_string(),
                first_seen_at: origin.first_seen_at,
                last_seen_at: origin.last_seen_at,
                count: origin.count,
            }));
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::client_certificate::ClientCertificate;
    use crate::request_context::RequestId;
    use crate::trace_context::TraceContext;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_800_000_000 + seconds)
    }

    fn sender(host: u8, user_agent: &str) -> RequestContext {
        RequestContext {
            client_ip: IpAddr::V4(Ipv4Addr::new(203, 0, 113, host)).into(),
            client_certificate: ClientCertificate::NONE,
            user_agent: UserAgent::new(user_agent.as_bytes()),
            received_at: at(0),
            request_id: RequestId::new(at(0), &[0; 10]),
            trace: TraceContext::new(None, 0, 0),
        }
    }

    #[test]
    fn uses_are_counted_by_hour_and_by_day() {
        let mut credentials = Credentials::default();
        let key = Used::ApiKey("k");
        for seconds in [0, 5, 3600, 1] {
            credentials.record_use(key, Some(&sender(1, "curl")), at(seconds));
        }
        credentials.record_use(key, None, at(2));
        credentials.record_failure(key, at(3));
        credentials.record_use(Used::Client("c"), Some(&sender(2, "")), at(4));
        let batch = credentials.take_due(at(10)).into_batch();
        assert_eq!(batch.api_keys, [("k".to_owned(), at(3600))]);
        assert_eq!(batch.secrets, []);
        let counters: Vec<(&str, Bucket, &str, i64)> = batch
            .counters
            .iter()
            .map(|row| (&*row.owner_id, row.bucket, row.metric, row.count))
            .collect();
        assert_eq!(
            counters,
            [
                ("k", Bucket::Hour, "failures", 1),
                ("k", Bucket::Hour, "uses", 4),
                ("k", Bucket::Hour, "uses", 1),
                ("k", Bucket::Day, "failures", 1),
                ("k", Bucket::Day, "uses", 1),
                ("k", Bucket::Day, "uses", 4),
            ]
        );
        let origins: Vec<(&str, &str, &str, i64)> = batch
            .origins
            .iter()
            .map(|row| (&*row.owner_id, &*row.address, &*row.user_agent, row.count))
            .collect();
        assert_eq!(
            origins,
            [("c", "203.0.113.2", "", 1), ("k", "203.0.113.1", "curl", 4)]
        );
        assert_eq!(credentials.take(at(11)).into_batch(), Batch::default());
    }

    #[test]
    fn made_up_user_agents_displace_the_oldest_origins() {
        let mut credentials = Credentials::default();
        for number in 0..1000 {
            let sender = sender(1, &format!("made up {number}"));
            credentials.record_use(Used::ApiKey("k"), Some(&sender), at(number));
        }
        let batch = credentials.take(at(1000)).into_batch();
        let mut seen: Vec<&str> = batch.origins.iter().map(|row| &*row.user_agent).collect();
        seen.sort_unstable();
        let expected: Vec<String> = (990..1000)
            .map(|number| format!("made up {number}"))
            .collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn records_and_origins_are_bounded() {
        let mut credentials = Credentials::default();
        for number in 0..MAX_RECORDS + 10 {
            for user_agent in ["a", "b", "c"] {
                let id = number.to_string();
                credentials.record_use(Used::ApiKey(&id), Some(&sender(1, user_agent)), at(0));
            }
        }
        let batch = credentials.take(at(0)).into_batch();
        assert_eq!(batch.api_keys.len(), MAX_RECORDS);
        assert_eq!(batch.origins.len(), MAX_ALL_ORIGINS);
    }

    #[test]
    fn many_records_are_written_once_a_minute() {
        let mut credentials = Credentials::default();
        let mut taken_at = |seconds: i64, count: usize| {
            for number in 0..count {
                credentials.record_use(Used::Secret(&number.to_string()), None, at(seconds));
            }
            credentials.take_due(at(seconds)).secrets.len()
        };
        for (seconds, count, taken) in [
            (0, 5, 5),
            (5, 600, 0),
            (10, 700, 0),
            (60, 0, 700),
            (65, 500, 500),
            (70, MAX_RECORDS / 2, MAX_RECORDS / 2),
            (71, 600, 0),
            (0, 0, 600),
        ] {
            assert_eq!(taken_at(seconds, count), taken, "{seconds}");
        }
    }
}
