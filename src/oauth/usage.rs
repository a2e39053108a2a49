//! What is collected in memory and written in batches: when each API key was last used, the failed
//! authentications, and the counts. None may slow a request, nor grow under a flood.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use super::failure::Reason;
use crate::clock::Timestamp;
use crate::metrics::{CredentialKind, Metrics};
use crate::store::Store;
use crate::store::audit::{Action, AuditEntry, Recorder};
use crate::store::client::Client;
use crate::store::counters::{Counter, Owner};
use crate::store::{StoreError, api_key, audit, counters};

/// How many of each wait at the most; past it, what comes is dropped until the next writing.
const KEPT: usize = 10_000;

/// How many counts are written at a time: others write too.
const BATCH: usize = 500;

/// The span of the server's own counts.
pub const MINUTE: Duration = Duration::from_secs(60);

/// The span of the counts of accounts and clients.
pub const HOUR: Duration = Duration::from_secs(3600);

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Tokens issued; of a client, to it.
    Tokens,
    /// Introspections answered; of a client, those that found a token or an API key of its own in
    /// force.
    Introspections,
    /// Introspections answered to a client.
    Asked,
    /// Authentications failed, and requests of authenticated clients refused; of a client, in its name or
    /// with its API keys.
    Failures,
    /// Requests allowed by forward authentication; of a client, with its tokens or API keys.
    Verifications,
}

impl Counted {
    /// All of them.
    pub const ALL: [Counted; 5] = [
        Counted::Tokens,
        Counted::Introspections,
        Counted::Asked,
        Counted::Failures,
        Counted::Verifications,
    ];

    /// As in the name of a count.
    pub const fn as_str(self) -> &'static str {
        match self {
            Counted::Tokens => "tokens",
            Counted::Introspections => "introspections",
            Counted::Asked => "asked",
            Counted::Failures => "failures",
            Counted::Verifications => "verifications",
        }
    }
}

/// The requests whose time is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timed {
    /// To the token endpoint.
    Token,
    /// To the introspection endpoint.
    Introspection,
}

impl Timed {
    /// As in the name of a count, before the upper end of the time in microseconds.
    pub const fn as_str(self) -> &'static str {
        match self {
            Timed::Token => "token_took:",
            Timed::Introspection => "introspection_took:",
        }
    }
}

/// The upper ends of the times that are told apart, in microseconds. Whatever took longer stands
/// with the last.
pub const TIMES: [u32; 31] = [
    100, 150, 200, 300, 500, 700, 1_000, 1_500, 2_000, 3_000, 5_000, 7_000, 10_000, 15_000, 20_000,
    30_000, 50_000, 70_000, 100_000, 150_000, 200_000, 300_000, 500_000, 700_000, 1_000_000,
    1_500_000, 2_000_000, 3_000_000, 5_000_000, 7_000_000, 10_000_000,
];

type Tally = [i64; Counted::ALL.len()];

/// A minute of the server.
#[derive(Default)]
struct Minute {
    tally: Tally,
    took: [[i64; TIMES.len()]; 2],
}

/// A client in an hour.
struct OfClient {
    account_id: String,
    tally: Tally,
}

/// What happened, by the moment at which the minute or the hour began. There are seldom two.
#[derive(Default)]
struct Traffic {
    minutes: Vec<(Timestamp, Minute)>,
    hours: Vec<(Timestamp, HashMap<String, OfClient>)>,
}

/// Whose name, secret or address a failure concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// A client or a user that exists.
    Known,
    /// Nobody that Keyward knows. What is recorded of these has a budget, and is kept for
    /// [`UNKNOWN_KEPT`].
    Unknown,
}

/// How long failures by unknown callers are kept in the audit.
pub const UNKNOWN_KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// How many failures by unknown callers a node records: a burst, so many a second after that, and so many
/// a day.
const UNKNOWN_BURST: u32 = 100;
const UNKNOWN_PER_SECOND: u32 = 10;
const UNKNOWN_PER_DAY: u32 = 100_000;

/// How often an entry is written with the number of failures that were left out.
const LEFT_OUT_EVERY: Duration = Duration::from_secs(60);

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The failures by unknown callers that wait to be written, within their budget.
#[derive(Default)]
struct UnknownFailures {
    waiting: Vec<AuditEntry>,
    /// The second in which the bucket was last filled, and what is spent of it.
    filled_at: i64,
    spent: u32,
    /// The day, and what was recorded in it.
    day: i64,
    recorded: u32,
    /// What was left out since the last entry that says so.
    left_out: i64,
    said_at: Option<Timestamp>,
}

impl UnknownFailures {
    fn record(&mut self, entry: AuditEntry) {
        let (second, day) = (
            entry.happened_at.seconds(),
            entry.happened_at.truncate_to(DAY).seconds(),
        );
        if second != self.filled_at {
            // A clock that was set back fills the bucket for one second.
            let refill = u32::try_from(second.abs_diff(self.filled_at))
                .unwrap_or(u32::MAX)
                .saturating_mul(UNKNOWN_PER_SECOND);
            self.spent = self.spent.saturating_sub(refill);
            self.filled_at = second;
        }
        if day != self.day {
            (self.day, self.recorded) = (day, 0);
        }
        if self.spent >= UNKNOWN_BURST || self.recorded >= UNKNOWN_PER_DAY {
            self.left_out += 1;
            return;
        }
        self.spent += 1;
        self.recorded += 1;
        self.waiting.push(entry);
    }

    /// What is to be written at `now`, with an entry for what was left out where one is due.
    fn take(&mut self, now: Timestamp) -> Vec<AuditEntry> {
        let mut entries = std::mem::take(&mut self.waiting);
        let due = self
            .said_at
            .is_none_or(|said| now.duration_since(said) >= LEFT_OUT_EVERY || said > now);
        if self.left_out > 0 && due {
            let reason = Reason::failures_left_out(self.left_out);
            (self.left_out, self.said_at) = (0, Some(now));
            entries.push(AuditEntry {
                reason: Some(reason.to_string()),
                reason_code: Some(reason.code().to_owned()),
                reason_parameters: Some(serde_json::Value::from(reason.parameters()).to_string()),
                ..Recorder::unauthenticated_at(now).entry(Action::AuthenticationFailure, None, "")
            });
        }
        entries
    }
}

/// What waits to be written.
#[derive(Default)]
pub struct Usage {
    /// What this process counts for Prometheus.
    pub metrics: Metrics,
    used: Mutex<HashMap<String, Timestamp>>,
    /// Of clients and users that exist.
    failures: Mutex<Vec<AuditEntry>>,
    /// Of nobody known: apart, so that a flood of these pushes out none of the others.
    unknown_failures: Mutex<UnknownFailures>,
    traffic: Mutex<Traffic>,
}

impl Usage {
    /// An API key was presented and right.
    pub fn note(&self, key_id: &str, now: Timestamp) {
        let mut used = locked(&self.used);
        if let Some(last) = used.get_mut(key_id) {
            *last = now.max(*last);
        } else if used.len() < KEPT {
            used.insert(key_id.to_owned(), now);
        }
    }

    /// Records a failed authentication in the audit, with the next batch.
    pub fn record_failure(&self, entry: AuditEntry, of: Of) {
        match of {
            Of::Unknown => locked(&self.unknown_failures).record(entry),
            Of::Known => {
                let mut failures = locked(&self.failures);
                if failures.len() < KEPT {
                    failures.push(entry);
                }
            }
        }
    }

    /// Counts a token that was issued to `client` by this grant.
    pub fn count_token(&self, client: &Client, grant_type: &'static str, now: Timestamp) {
        self.metrics.count_token(grant_type);
        locked(&self.traffic)
            .count(Counted::Tokens, now)
            .of(client, Counted::Tokens, now);
    }

    /// Counts one introspection by `caller`; `owner` is the client of the token or API key if it was active.
    pub fn count_introspection(
        &self,
        caller: &Client,
        owner: Option<&Client>,
        kind: CredentialKind,
        now: Timestamp,
    ) {
        self.metrics.count_introspection(kind, owner.is_some());
        let mut traffic = locked(&self.traffic);
        traffic
            .count(Counted::Introspections, now)
            .of(caller, Counted::Asked, now);
        if let Some(client) = owner {
            traffic.of(client, Counted::Introspections, now);
        }
    }

    /// Counts a request that forward authentication allowed, with a token or an API key of `client`.
    pub fn count_verification(&self, client: &Client, now: Timestamp) {
        locked(&self.traffic).count(Counted::Verifications, now).of(
            client,
            Counted::Verifications,
            now,
        );
    }

    /// Counts a failure: an authentication that failed, or a request that an authenticated client was
    /// refused; of that client where it is known.
    pub fn count_failure(&self, client: Option<&Client>, reason: &'static str, now: Timestamp) {
        self.metrics.count_failure(reason);
        let mut traffic = locked(&self.traffic);
        traffic.count(Counted::Failures, now);
        if let Some(client) = client {
            traffic.of(client, Counted::Failures, now);
        }
    }

    /// A request that came at `now` was answered.
    pub fn count_time(&self, timed: Timed, took: Duration, now: Timestamp) {
        let took = TIMES
            .partition_point(|end| Duration::from_micros(u64::from(*end)) < took)
            .min(TIMES.len() - 1);
        locked(&self.traffic).minute(now).took[timed as usize][took] += 1;
    }

    /// Writes what waits at `now`. Where that fails it is lost: an aid, not a promise.
    ///
    /// # Errors
    /// Where the database gave no answer.
    pub async fn write(&self, store: &Store, now: Timestamp) -> Result<(), StoreError> {
        let used = std::mem::take(&mut *locked(&self.used));
        let failures = std::mem::take(&mut *locked(&self.failures));
        let unknown = locked(&self.unknown_failures).take(now);
        let traffic = std::mem::take(&mut *locked(&self.traffic));
        // In order, so that nodes that write at once wait for each other and not in a circle.
        let mut used: Vec<(String, Timestamp)> = used.into_iter().collect();
        used.sort();
        let counted = traffic.counters();
        let mut written = Ok(());
        if !used.is_empty() || !failures.is_empty() || !unknown.is_empty() {
            let note = store.write_untracked(move |database| {
                api_key::note_used(database, &used)?;
                audit::insert_all(database, &failures, None)?;
                audit::insert_all(database, &unknown, Some(UNKNOWN_KEPT))
            });
            written = note.await;
        }
        for batch in counted.chunks(BATCH) {
            let batch = batch.to_vec();
            // The rest would wait as long for the same answer, and a server that stops waits for this.
            store
                .write_untracked(move |database| counters::add(database, &batch))
                .await?;
        }
        written
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock()
}

impl Traffic {
    fn minute(&mut self, now: Timestamp) -> &mut Minute {
        at(&mut self.minutes, now.truncate_to(MINUTE))
    }

    fn count(&mut self, counted: Counted, now: Timestamp) -> &mut Self {
        self.minute(now).tally[counted as usize] += 1;
        self
    }

    fn of(&mut self, client: &Client, counted: Counted, now: Timestamp) {
        let clients = at(&mut self.hours, now.truncate_to(HOUR));
        if let Some(known) = clients.get_mut(&client.client_id) {
            known.tally[counted as usize] += 1;
        } else if clients.len() < KEPT {
            let mut tally = Tally::default();
            tally[counted as usize] = 1;
            clients.insert(
                client.client_id.clone(),
                OfClient {
                    account_id: client.account_id.clone(),
                    tally,
                },
            );
        }
    }

    /// As rows, in order.
    fn counters(self) -> Vec<Counter> {
        let mut rows = Vec::new();
        for (moment, minute) in self.minutes {
            add(&mut rows, moment, Owner::Server, &minute.tally);
            for timed in [Timed::Token, Timed::Introspection] {
                for (end, count) in TIMES
                    .into_iter()
                    .zip(minute.took[timed as usize])
                    .filter(|(_, count)| *count > 0)
                {
                    let metric = format!("{}{end}", timed.as_str());
                    rows.push(Counter::new(moment, Owner::Server, metric, count));
                }
            }
        }
        for (moment, clients) in self.hours {
            let mut accounts: BTreeMap<&str, Tally> = BTreeMap::new();
            for (client_id, OfClient { account_id, tally }) in &clients {
                add(
                    &mut rows,
                    moment,
                    Owner::Client {
                        account_id,
                        client_id,
                    },
                    tally,
                );
                let sum = accounts.entry(account_id).or_default();
                sum.iter_mut()
                    .zip(tally)
                    .for_each(|(sum, count)| *sum += count);
            }
            for (account_id, tally) in accounts {
                add(&mut rows, moment, Owner::Account(account_id), &tally);
            }
        }
        rows.sort();
        rows
    }
}

/// What belongs to a moment, which is nearly always the last.
fn at<T: Default>(all: &mut Vec<(Timestamp, T)>, moment: Timestamp) -> &mut T {
    let place = all
        .iter()
        .rposition(|(known, _)| *known == moment)
        .unwrap_or_else(|| {
            all.push((moment, T::default()));
            all.len() - 1
        });
    &mut all[place].1
}

fn add(rows: &mut Vec<Counter>, moment: Timestamp, owner: Owner<'_>, tally: &Tally) {
    for counted in Counted::ALL {
        let count = tally[counted as usize];
        if count > 0 {
            rows.push(Counter::new(moment, owner, counted.as_str(), count));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(now: Timestamp) -> AuditEntry {
        Recorder::unauthenticated_at(now).entry(Action::AuthenticationFailure, None, "")
    }

    #[test]
    fn failures_by_unknown_callers_have_a_budget() {
        let at = |seconds: i64| Timestamp::from_seconds(1_800_000_000 + seconds);
        let mut failures = UnknownFailures::default();
        let mut flood = |seconds: i64, count: usize| {
            (0..count).for_each(|_| failures.record(failure(at(seconds))));
            failures.take(at(seconds))
        };
        let left_out = |entries: &[AuditEntry]| {
            let last = entries.last().filter(|entry| entry.reason_code.is_some());
            last.map(|entry| {
                entry
                    .reason
                    .clone()
                    .unwrap()
                    .split(' ')
                    .next()
                    .unwrap()
                    .parse::<usize>()
                    .unwrap()
            })
        };
        let first = flood(0, 500);
        assert_eq!((first.len(), left_out(&first)), (101, Some(400)));
        let second = flood(1, 500);
        assert_eq!(
            (second.len(), left_out(&second)),
            (10, None),
            "what was left out is said once a minute"
        );
        let third = flood(60, 500);
        assert_eq!((third.len(), left_out(&third)), (101, Some(490 + 400)));
        // And a day has an end.
        let day: usize = (1..20_000)
            .map(|n| {
                flood(60 + n, 20)
                    .iter()
                    .filter(|entry| entry.reason_code.is_none())
                    .count()
            })
            .sum();
        assert!(day < 100_000, "{day}");
        assert_eq!(
            flood(90_000, 5)
                .iter()
                .filter(|entry| entry.reason_code.is_none())
                .count(),
            5,
            "the next day"
        );
    }
}
