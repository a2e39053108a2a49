//! Sums up the traffic of hours that are over, and ranks the clients of those that are not summed up yet.

use std::sync::Arc;
use std::time::Duration;

use super::clocks;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::manage::traffic::{self, busiest};
use crate::oauth::AuthorizationServer;
use crate::oauth::usage::HOUR;
use crate::store::traffic_sums;

/// How often: so old is the ranking of an hour at most.
pub(super) const PERIOD: Duration = Duration::from_secs(60);

/// How long after its end an hour is summed up: by then all nodes have written their counters, also those
/// whose clock is behind.
const LATE: Duration = Duration::from_secs(600);

/// Ranks and sums up. An hour is summed up last, and only then left alone: what a stopped node leaves
/// unfinished is done by the next run. While the clocks disagree, no hour is known to be over, and only the
/// latest are ranked.
pub(super) async fn run(server: Arc<AuthorizationServer>) -> Result<(), Error> {
    let store = &server.store;
    let is_agreed = clocks::compare(&server).await?.is_some();
    let now = Timestamp::now();
    let begin = traffic::begin(now);
    let summed = store.read(move |database| traffic_sums::summed_hours(database, begin));
    let summed = summed.await?;
    for hour in traffic::hours(begin).filter(|hour| !summed.contains(hour)) {
        let is_over = hour.saturating_add(HOUR + LATE) <= now;
        if is_over && !is_agreed {
            continue;
        }
        busiest::rank(store, hour).await?;
        if is_over {
            store
                .write_untracked(move |database| traffic_sums::sum_up(database, hour))
                .await?;
        }
    }
    Ok(())
}
