//! The busiest clients: of a day, from the busiest of each hour.
//!
//! For an hour with many counters the leader keeps the busiest clients of each account and of all. Of an
//! hour with few the counters are read themselves, so a report reads a bounded number of rows however many
//! clients there are. The sums that it shows are exact; a client that is in no hour among the first
//! [`KEPT`] may be missing.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::{TopClient, hours};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::oauth::usage::Metric;
use crate::store::counters::{self, Counter};
use crate::store::traffic_sums::{self, BusyClient};
use crate::store::{Database, Store, StoreError, client};

/// How many of the busiest clients are reported.
const TOP: usize = 10;

/// The metrics by which clients are compared.
const RANKED: [Metric; 3] = [
    Metric::Tokens,
    Metric::Introspections,
    Metric::Verifications,
];

/// How many clients are kept of an hour with many counters, for each metric.
const KEPT: usize = 20;

/// The most counters of an owner in an hour that has few.
const FEW: usize = 300;

/// How many clients, by each metric, are added up for a report.
const CANDIDATES: usize = 20;

/// The number of counters that are read, and of rows that are written, at a time.
const PAGE: usize = 5000;
const BATCH: usize = 500;

/// The place of a metric in [`RANKED`].
fn place(metric: &str) -> Option<usize> {
    RANKED.iter().position(|ranked| ranked.as_str() == metric)
}

/// The counters of one owner in an hour, as far as the largest of each metric.
#[derive(Default)]
struct Ranks {
    counters: usize,
    largest: [BTreeSet<(Reverse<i64>, Counter)>; RANKED.len()],
}

impl Ranks {
    /// Adds a counter; those of an hour come in order.
    fn add(&mut self, counter: &Counter) {
        let Some(place) = place(&counter.metric) else {
            return;
        };
        self.counters += 1;
        let largest = &mut self.largest[place];
        if largest.len() >= KEPT {
            if largest
                .last()
                .is_some_and(|(least, _)| least.0 >= counter.count)
            {
                return;
            }
            largest.pop_last();
        }
        largest.insert((Reverse(counter.count), counter.clone()));
    }

    /// The rows for an owner; none if its counters are few.
    fn into_rows(self, owner_id: &str) -> impl Iterator<Item = BusyClient> {
        let is_ranked = self.counters > FEW;
        let largest = self.largest.into_iter().flatten();
        largest
            .filter(move |_| is_ranked)
            .map(|(_, counter)| BusyClient {
                owner_id: owner_id.to_owned(),
                bucket_start: counter.bucket_start,
                metric: counter.metric,
                account_id: counter.account_id,
                client_id: counter.client_id,
                count: counter.count,
            })
    }
}

/// Ranks the counters of an hour, which come in the order of accounts.
#[derive(Default)]
struct Ranking {
    all: Ranks,
    account: Ranks,
    account_id: String,
    rows: BTreeSet<BusyClient>,
}

impl Ranking {
    fn add(&mut self, counter: &Counter) {
        if self.account_id != counter.account_id {
            self.end_account();
            self.account_id.clone_from(&counter.account_id);
        }
        self.all.add(counter);
        self.account.add(counter);
    }

    fn end_account(&mut self) {
        let ranks = std::mem::take(&mut self.account);
        self.rows.extend(ranks.into_rows(&self.account_id));
    }

    fn finish(mut self) -> BTreeSet<BusyClient> {
        self.end_account();
        self.rows.extend(self.all.into_rows(""));
        self.rows
    }
}

/// Ranks the clients of the hour that starts at `hour`, and stores the busiest.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub async fn rank(store: &Store, hour: Timestamp) -> Result<(), StoreError> {
    let mut ranking = Ranking::default();
    let mut last = None;
    loop {
        let limit = i64::try_from(PAGE).unwrap_or(i64::MAX);
        let read = move |database: &mut Database| {
            counters::list_of_hour(database, hour, last.as_ref(), limit)
        };
        let page = store.read(read).await?;
        page.iter().for_each(|counter| ranking.add(counter));
        let is_last = page.len() < PAGE;
        last = page.into_iter().next_back();
        if is_last {
            break;
        }
    }
    let ranked = ranking.finish();
    let stored = store.read(move |database| traffic_sums::busiest_in_hour(database, hour));
    let mut stored: BTreeSet<BusyClient> = stored.await?.into_iter().collect();
    let changed: Vec<BusyClient> = ranked.difference(&stored).cloned().collect();
    let keys: BTreeSet<_> = ranked.iter().map(BusyClient::key).collect();
    stored.retain(|row| !keys.contains(&row.key()));
    let gone: Vec<BusyClient> = stored.into_iter().collect();
    in_batches(store, &changed, traffic_sums::put).await?;
    in_batches(store, &gone, traffic_sums::remove).await
}

async fn in_batches(
    store: &Store,
    rows: &[BusyClient],
    write: fn(&mut Database, &[BusyClient]) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    for batch in rows.chunks(BATCH) {
        let batch = batch.to_vec();
        store
            .write_untracked(move |database| write(database, &batch))
            .await?;
    }
    Ok(())
}

/// The busiest clients of an account, or of all, in the day from `begin` on.
pub(super) fn top(
    database: &mut Database,
    account: Option<&str>,
    begin: Timestamp,
) -> Result<Vec<TopClient>, Error> {
    let mut top = Vec::new();
    for (account, client_id) in candidates(database, account, begin)? {
        let sums = counters::sums_of_client(database, &account, &client_id, begin)?;
        let sum = |metric: Metric| sums.get(metric.as_str()).copied().unwrap_or(0);
        top.push(TopClient {
            name: None,
            account,
            client_id,
            tokens: sum(Metric::Tokens),
            introspections: sum(Metric::Introspections),
            asked: sum(Metric::IntrospectionCalls),
            verifications: sum(Metric::Verifications),
            failures: sum(Metric::Failures),
        });
    }
    top.sort_by_key(|client| {
        Reverse((client.tokens, client.introspections + client.verifications))
    });
    top.truncate(TOP);
    for client in &mut top {
        client.name = client::find(database, &client.client_id)?.map(|found| found.name);
    }
    Ok(top)
}

/// The clients, as account and client, that may be among the busiest: those with the largest sums of each
/// metric over what is known of each hour. The clients with the most tokens need not be those with the
/// most introspections.
fn candidates(
    database: &mut Database,
    account: Option<&str>,
    begin: Timestamp,
) -> Result<BTreeSet<(String, String)>, StoreError> {
    let mut sums: BTreeMap<(String, String), [i64; RANKED.len()]> = BTreeMap::new();
    let mut add = |account_id, client_id, metric: &str, count| {
        if let Some(place) = place(metric) {
            sums.entry((account_id, client_id)).or_default()[place] += count;
        }
    };
    let mut ranked = BTreeSet::new();
    for row in traffic_sums::busiest(database, account.unwrap_or_default(), begin)? {
        ranked.insert(row.bucket_start);
        add(row.account_id, row.client_id, &row.metric, row.count);
    }
    let metrics = RANKED.map(Metric::as_str);
    let limit = i64::try_from(FEW).unwrap_or(i64::MAX);
    for hour in hours(begin).filter(|hour| !ranked.contains(hour)) {
        // An hour with many counters has just begun, if it is not ranked: some of them have to do.
        for row in counters::list_of_clients_in_hour(database, account, hour, &metrics, limit)? {
            add(row.account_id, row.client_id, &row.metric, row.count);
        }
    }
    let mut candidates = BTreeSet::new();
    for place in 0..RANKED.len() {
        let mut clients: Vec<_> = sums.iter().filter(|(_, sums)| sums[place] > 0).collect();
        clients.sort_by_key(|(_, sums)| Reverse(sums[place]));
        let first = clients.into_iter().take(CANDIDATES);
        candidates.extend(first.map(|(client, _)| client.clone()));
    }
    Ok(candidates)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::counters::Owner;

    fn counter(account_id: &str, client: usize, count: i64) -> Counter {
        let client_id = format!("{client:04}");
        let owner = Owner::Client {
            account_id,
            client_id: &client_id,
        };
        Counter::new(Timestamp::EPOCH, owner, "tokens", count)
    }

    fn ranked(counters: &[Counter]) -> BTreeMap<String, Vec<(String, i64)>> {
        let mut ranking = Ranking::default();
        counters.iter().for_each(|counter| ranking.add(counter));
        let mut owners: BTreeMap<String, Vec<(String, i64)>> = BTreeMap::new();
        for row in ranking.finish() {
            let of_owner = owners.entry(row.owner_id).or_default();
            of_owner.push((row.client_id, row.count));
        }
        for rows in owners.values_mut() {
            rows.sort_by_key(|(_, count)| Reverse(*count));
        }
        owners
    }

    #[test]
    fn only_owners_with_many_counters_are_ranked() {
        let few: Vec<Counter> = (0..FEW).map(|client| counter("a", client, 1)).collect();
        assert!(ranked(&few).is_empty());
        let mut many = few;
        many.push(counter("b", FEW, 1));
        let owners: Vec<String> = ranked(&many).into_keys().collect();
        assert_eq!(owners, [""]);
        let mut many: Vec<Counter> = (0..=FEW).map(|client| counter("a", client, 1)).collect();
        // The counter is not ranked.
        many.push(Counter {
            metric: "failures".to_owned(),
            ..counter("b", FEW + 1, 1)
        });
        let owners: Vec<String> = ranked(&many).into_keys().collect();
        assert_eq!(owners, ["", "a"]);
    }

    #[test]
    fn the_largest_counters_are_kept() {
        // In an order that is neither that of the clients nor the reverse.
        let count = |client: usize| i64::try_from(client * 7919 % 1009).unwrap();
        let counters: Vec<Counter> = (0..1000)
            .map(|client| counter(["a", "b"][client / 600], client, count(client)))
            .collect();
        let mut counts: Vec<i64> = (0..1000).map(count).collect();
        counts.sort_by_key(|count| Reverse(*count));
        let all: Vec<i64> = ranked(&counters)[""]
            .iter()
            .map(|(_, count)| *count)
            .collect();
        assert_eq!(all, counts[..KEPT]);
        assert_eq!(ranked(&counters)["b"].len(), KEPT);
    }

    #[test]
    fn of_equal_counters_the_first_are_kept() {
        let counters: Vec<Counter> = (0..1000).map(|client| counter("a", client, 5)).collect();
        let clients: Vec<String> = ranked(&counters)["a"]
            .iter()
            .map(|(client, _)| client.clone())
            .collect();
        let first: Vec<String> = (0..KEPT).map(|client| format!("{client:04}")).collect();
        assert_eq!(clients, first);
    }
}
