//! Connection pools, one for each kind of work, so that no kind of work waits for another.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use diesel::connection::TransactionManager;
use diesel::r2d2::R2D2Connection;
use parking_lot::Mutex;
use scheduled_thread_pool::ScheduledThreadPool;
use tokio::sync::Semaphore;

use super::connection::{Connector, Failure, Session};
use super::deadline::Deadline;
use super::{Database, Failed, StoreError};
use crate::metrics::PoolState;
use crate::span::{self, Scope};

/// How long one unit of work may take until it fails as unavailable: the wait for a connection, the
/// work and all its retries together.
pub(super) const TIMEOUT: Duration = Duration::from_secs(4);

/// How long to wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// A pooled connection and its health.
struct Pooled {
    session: Session,
    broken: bool,
    /// The [`Pool::failure_epoch`] of its last successful ping.
    checked_epoch: u64,
}

/// What happens to a running statement when its deadline passes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum OnDeadline {
    /// It runs to its end: look-ups by a key, and writes.
    Finish,
    /// It is cancelled: queries that may have to read many rows.
    Cancel,
}

/// A connection that no pool has yet.
pub(super) type Spare = Arc<Mutex<Option<Session>>>;

/// Opens and checks connections for r2d2.
struct Manager {
    connector: Arc<Connector>,
    /// Used by the first pool that needs a connection.
    spare: Spare,
    on_deadline: OnDeadline,
}

impl r2d2::ManageConnection for Manager {
    type Connection = Pooled;
    type Error = StoreError;

    fn connect(&self) -> Result<Pooled, StoreError> {
        let spare = self.spare.lock().take();
        let mut session = spare.map_or_else(|| self.connector.connect(), Ok)?;
        if self.on_deadline == OnDeadline::Cancel {
            session.deadline = Some(Deadline::install(&mut session.database)?);
        }
        Ok(Pooled {
            session,
            broken: false,
            checked_epoch: 0,
        })
    }

    fn is_valid(&self, pooled: &mut Pooled) -> Result<(), StoreError> {
        Ok(pooled.session.database.ping()?)
    }

    fn has_broken(&self, pooled: &mut Pooled) -> bool {
        // A thread that panicked during a transaction has left it open.
        pooled.broken || Database::is_broken_transaction_manager(&mut pooled.session.database)
    }
}

/// The connections for one kind of work, and as many permits to use them.
#[derive(Clone)]
pub(super) struct Pool {
    connections: r2d2::Pool<Manager>,
    permits: Arc<Semaphore>,
    /// Counts lost connections. After a loss each connection is pinged once before it is used
    /// again; a ping at every check-out would cost a round trip each time.
    failure_epoch: Arc<AtomicU64>,
}

impl Pool {
    pub(super) fn new(
        connector: &Arc<Connector>,
        spare: &Spare,
        size: u32,
        on_deadline: OnDeadline,
        threads: &Arc<ScheduledThreadPool>,
    ) -> Self {
        let connections = r2d2::Pool::builder()
            .max_size(size)
            .min_idle(Some(0))
            .test_on_check_out(false)
            .connection_timeout(CONNECT_TIMEOUT)
            .error_handler(Box::new(LogPoolError))
            .thread_pool(threads.clone())
            .build_unchecked(Manager {
                connector: connector.clone(),
                spare: spare.clone(),
                on_deadline,
            });
        Pool {
            connections,
            permits: Arc::new(Semaphore::new(size as usize)),
            failure_epoch: Arc::default(),
        }
    }

    /// The state of the pool for the metrics.
    pub(super) fn state(&self) -> PoolState {
        let state = self.connections.state();
        PoolState {
            open: state.connections,
            in_use: state.connections.saturating_sub(state.idle_connections),
            max: self.connections.max_size(),
        }
    }

    /// Runs `work`, and retries it if it failed without any effect and a retry may succeed.
    pub(super) fn with_connection<T, E: From<StoreError>>(
        &self,
        deadline: Instant,
        work: &dyn Fn(&mut Session) -> Result<T, Failed<E>>,
    ) -> Result<T, E> {
        let mut tries = 0;
        let mut budget = BUDGET;
        loop {
            let mut pooled = self.healthy_connection(deadline)?;
            pooled.session.begin(deadline);
            let failed = match work(&mut pooled.session) {
                Ok(value) => return Ok(value),
                Err(failed) => failed,
            };
            let failure = pooled.session.failure();
            let lost = match failure {
                Failure::Lost => true,
                Failure::Conflict | Failure::ReadOnly => false,
                Failure::None | Failure::Other => pooled.session.database.ping().is_err(),
            };
            if lost {
                self.failure_epoch.fetch_add(1, Ordering::Relaxed);
            }
            // After a failover a new connection may reach a server that accepts writes.
            pooled.broken = lost || failure == Failure::ReadOnly;
            drop(pooled);
            tries += 1;
            let wait = pause(tries);
            let left = price(failure).and_then(|price| budget.checked_sub(price));
            match (failed, left) {
                (Failed::Retry(_), Some(left)) if Instant::now() + wait < deadline => budget = left,
                (Failed::Retry(error) | Failed::Final(error), _) => return Err(error),
            }
            std::thread::sleep(wait);
        }
    }

    fn healthy_connection(
        &self,
        deadline: Instant,
    ) -> Result<r2d2::PooledConnection<Manager>, StoreError> {
        loop {
            let wait = CONNECT_TIMEOUT.min(deadline.saturating_duration_since(Instant::now()));
            let pooled = self
                .connections
                .get_timeout(wait.max(Duration::from_millis(1)));
            let mut pooled = pooled.map_err(|error| StoreError::Unavailable(error.to_string()))?;
            let failure_epoch = self.failure_epoch.load(Ordering::Relaxed);
            if pooled.checked_epoch == failure_epoch {
                return Ok(pooled);
            }
            // A broken connection is dropped, and only those from before the failure are checked,
            // so this ends.
            pooled.broken = pooled.session.database.ping().is_err();
            pooled.checked_epoch = failure_epoch;
            if !pooled.broken {
                return Ok(pooled);
            }
        }
    }

    /// Runs `work` on a thread where it may block. It is boxed, since this code is compiled once for
    /// each type of `work`.
    pub(super) async fn run<T, E>(&self, work: Work<T, E>) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let too_long = || StoreError::Unavailable("no answer in time".to_owned());
        let deadline = Instant::now() + TIMEOUT;
        let permit =
            tokio::time::timeout_at(deadline.into(), self.permits.clone().acquire_owned()).await;
        let permit = permit.map_err(|_| too_long())?.map_err(|_| too_long())?;
        let pool = self.clone();
        let scope = Scope::child(
            || tracing::debug_span!(target: span::TARGET, "database", otel.kind = "client"),
        );
        let task = scope.run_blocking(move || {
            // Held as long as the thread runs, even if the caller no longer waits.
            let _permit = permit;
            pool.with_connection(deadline, &work)
        });
        match tokio::time::timeout_at(deadline.into(), task).await {
            Ok(Ok(result)) => result,
            Ok(Err(stopped)) => Err(StoreError::Internal(stopped.to_string()).into()),
            Err(_) => Err(too_long().into()),
        }
    }
}

/// A unit of work on a connection, which may run several times.
type Work<T, E> = Box<dyn Fn(&mut Session) -> Result<T, Failed<E>> + Send>;

/// The budget for all retries of one unit of work.
const BUDGET: u32 = 20;

/// The cost of a retry after this failure; none if a retry is pointless.
fn price(failure: Failure) -> Option<u32> {
    match failure {
        // Another transaction made progress, so conflicts end.
        Failure::Conflict => Some(1),
        // Stale connections; deadlocks, which diesel reports like errors that persist.
        Failure::Lost | Failure::Other => Some(5),
        // One retry, on a new connection.
        Failure::ReadOnly => Some(BUDGET),
        Failure::None => None,
    }
}

/// The pause after so many tries, partly random, so that transactions that met do not meet again.
fn pause(tries: u32) -> Duration {
    let longest = 5_u64.saturating_mul(1 << tries.min(6));
    let random = std::hash::RandomState::new().build_hasher().finish();
    Duration::from_millis(longest / 2 + random % (longest / 2 + 1))
}

#[derive(Debug)]
struct LogPoolError;

impl r2d2::HandleError<StoreError> for LogPoolError {
    fn handle_error(&self, error: StoreError) {
        tracing::warn!(%error, "cannot connect to the database");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_are_bounded() {
        for (tries, longest) in [
            (1, 10),
            (2, 20),
            (3, 40),
            (6, 320),
            (7, 320),
            (u32::MAX, 320),
        ] {
            for _ in 0..50 {
                let pause = pause(tries).as_millis();
                assert!((longest / 2..=longest).contains(&pause), "{tries}: {pause}");
            }
        }
    }

    #[test]
    fn the_budget_limits_the_retries() {
        for (failure, retries) in [
            (Failure::None, 0),
            (Failure::ReadOnly, 1),
            (Failure::Lost, 4),
            (Failure::Other, 4),
            (Failure::Conflict, 20),
        ] {
            let affordable = price(failure).map_or(0, |price| BUDGET / price);
            assert_eq!(affordable, retries, "{failure:?}");
        }
    }
}
