//! What is collected in memory and written in batches: when each API key was last used, the failed
//! authentications, and the counts. None may slow a request, nor grow under a flood.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::metrics::{CredentialKind, Metrics};
use crate::store::Store;
use crate::store::audit::Entry;
use crate::store::client::Client;
use crate::store::counts::{Count, Whose};
use crate::store::{StoreError, api_key, audit, counts};

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
    pub const ALL: [Counted; 5] =
        [Counted::Tokens, Counted::Introspections, Counted::Asked, Counted::Failures, Counted::Verifications];

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
    100, 150, 200, 300, 500, 700, 1_000, 1_500, 2_000, 3_000, 5_000, 7_000, 10_000, 15_000, 20_000, 30_000, 50_000, 70_000,
    100_000, 150_000, 200_000, 300_000, 500_000, 700_000, 1_000_000, 1_500_000, 2_000_000, 3_000_000, 5_000_000, 7_000_000,
    10_000_000,
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

/// What waits to be written.
#[derive(Default)]
pub struct Usage {
    /// What this process counts for Prometheus.
    pub metrics: Metrics,
    used: Mutex<HashMap<String, Timestamp>>,
    failures: Mutex<Vec<Entry>>,
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

    /// An authentication failed.
    pub fn note_failure(&self, entry: Entry) {
        let mut failures = locked(&self.failures);
        if failures.len() < KEPT {
            failures.push(entry);
        }
    }

    /// Counts a token that was issued to `client` by this grant.
    pub fn count_token(&self, client: &Client, grant_type: &'static str, now: Timestamp) {
        self.metrics.count_token(grant_type);
        locked(&self.traffic).count(Counted::Tokens, now).of(client, Counted::Tokens, now);
    }

    /// Counts one introspection by `caller`; `owner` is the client of the token or API key if it was active.
    pub fn count_introspection(&self, caller: &Client, owner: Option<&Client>, kind: CredentialKind, now: Timestamp) {
        self.metrics.count_introspection(kind, owner.is_some());
        let mut traffic = locked(&self.traffic);
        traffic.count(Counted::Introspections, now).of(caller, Counted::Asked, now);
        if let Some(client) = owner {
            traffic.of(client, Counted::Introspections, now);
        }
    }

    /// Counts a request that forward authentication allowed, with a token or an API key of `client`.
    pub fn count_verification(&self, client: &Client, now: Timestamp) {
        locked(&self.traffic).count(Counted::Verifications, now).of(client, Counted::Verifications, now);
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
        let took = TIMES.partition_point(|end| Duration::from_micros(u64::from(*end)) < took).min(TIMES.len() - 1);
        locked(&self.traffic).minute(now).took[timed as usize][took] += 1;
    }

    /// Writes what waits. Where that fails it is lost: an aid, not a promise.
    ///
    /// # Errors
    /// Where the database gave no answer.
    pub async fn write(&self, store: &Store) -> Result<(), StoreError> {
        let used = std::mem::take(&mut *locked(&self.used));
        let failures = std::mem::take(&mut *locked(&self.failures));
        let traffic = std::mem::take(&mut *locked(&self.traffic));
        // In order, so that nodes that write at once wait for each other and not in a circle.
        let mut used: Vec<(String, Timestamp)> = used.into_iter().collect();
        used.sort();
        let counted = traffic.counts();
        let mut written = Ok(());
        if !used.is_empty() || !failures.is_empty() {
            let note = store.append(move |database| {
                api_key::note_used(database, &used)?;
                audit::insert_all(database, &failures)
            });
            written = note.await;
        }
        for batch in counted.chunks(BATCH) {
            let batch = batch.to_vec();
            // The rest would wait as long for the same answer, and a server that stops waits for this.
            store.append(move |database| counts::add(database, &batch)).await?;
        }
        written
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Traffic {
    fn minute(&mut self, now: Timestamp) -> &mut Minute {
        at(&mut self.minutes, now.floor(MINUTE))
    }

    fn count(&mut self, counted: Counted, now: Timestamp) -> &mut Self {
        self.minute(now).tally[counted as usize] += 1;
        self
    }

    fn of(&mut self, client: &Client, counted: Counted, now: Timestamp) {
        let clients = at(&mut self.hours, now.floor(HOUR));
        if let Some(known) = clients.get_mut(&client.client_id) {
            known.tally[counted as usize] += 1;
        } else if clients.len() < KEPT {
            let mut tally = Tally::default();
            tally[counted as usize] = 1;
            clients.insert(client.client_id.clone(), OfClient { account_id: client.account_id.clone(), tally });
        }
    }

    /// As rows, in order.
    fn counts(self) -> Vec<Count> {
        let mut rows = Vec::new();
        for (moment, minute) in self.minutes {
            add(&mut rows, moment, Whose::Server, &minute.tally);
            for timed in [Timed::Token, Timed::Introspection] {
                for (end, count) in TIMES.into_iter().zip(minute.took[timed as usize]).filter(|(_, count)| *count > 0) {
                    rows.push(Count { moment, name: Whose::Server.name(&format!("{}{end}", timed.as_str())), count });
                }
            }
        }
        for (moment, clients) in self.hours {
            let mut accounts: BTreeMap<&str, Tally> = BTreeMap::new();
            for (client_id, OfClient { account_id, tally }) in &clients {
                add(&mut rows, moment, Whose::Client(account_id, client_id), tally);
                let sum = accounts.entry(account_id).or_default();
                sum.iter_mut().zip(tally).for_each(|(sum, count)| *sum += count);
            }
            for (account_id, tally) in accounts {
                add(&mut rows, moment, Whose::Account(account_id), &tally);
            }
        }
        rows.sort();
        rows
    }
}

/// What belongs to a moment, which is nearly always the last.
fn at<T: Default>(all: &mut Vec<(Timestamp, T)>, moment: Timestamp) -> &mut T {
    let place = all.iter().rposition(|(known, _)| *known == moment).unwrap_or_else(|| {
        all.push((moment, T::default()));
        all.len() - 1
    });
    &mut all[place].1
}

fn add(rows: &mut Vec<Count>, moment: Timestamp, whose: Whose<'_>, tally: &Tally) {
    for counted in Counted::ALL {
        let count = tally[counted as usize];
        if count > 0 {
            rows.push(Count { moment, name: whose.name(counted.as_str()), count });
        }
    }
}
