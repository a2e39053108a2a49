//! Connections kept ready, in a pool for each kind of work, so that none waits for another.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use diesel::connection::TransactionManager;
use diesel::r2d2::R2D2Connection;
use scheduled_thread_pool::ScheduledThreadPool;
use tokio::sync::Semaphore;

use super::connection::{Connector, Session, Trouble};
use super::deadline::Deadline;
use super::{Database, Failed, StoreError};
use crate::span::{self, Scope};

/// How long one look into the database may take before the answer is "could not look": the wait for
/// a connection, the work and all its retries together.
pub(super) const PATIENCE: Duration = Duration::from_secs(4);

/// How long to wait for a connection.
const CONNECT_PATIENCE: Duration = Duration::from_secs(2);

/// A pooled connection and what is known of its health.
struct Pooled {
    session: Session,
    broken: bool,
    /// The [`Lane::troubles`] at which it was last known to be well.
    well_at: u64,
}

/// What becomes of a statement that is under way when its caller's time is over.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Overtime {
    /// It goes on to its end: look-ups by a key, and what changes something.
    Finish,
    /// It is stopped: what may have to read many rows.
    Stop,
}

/// Connects to the database that the URL names, and never tries the other kind.
struct Manager {
    connector: Arc<Connector>,
    overtime: Overtime,
}

impl r2d2::ManageConnection for Manager {
    type Connection = Pooled;
    type Error = StoreError;

    fn connect(&self) -> Result<Pooled, StoreError> {
        let mut session = self.connector.connect()?;
        if self.overtime == Overtime::Stop {
            session.deadline = Some(Deadline::install(&mut session.database)?);
        }
        Ok(Pooled {
            session,
            broken: false,
            well_at: 0,
        })
    }

    fn is_valid(&self, pooled: &mut Pooled) -> Result<(), StoreError> {
        Ok(pooled.session.database.ping()?)
    }

    fn has_broken(&self, pooled: &mut Pooled) -> bool {
        // Whoever panicked in the middle of a transaction has left it open.
        pooled.broken || Database::is_broken_transaction_manager(&mut pooled.session.database)
    }
}

/// Connections for one kind of work, with no more work let in than there are connections.
#[derive(Clone)]
pub(super) struct Lane {
    pool: r2d2::Pool<Manager>,
    permits: Arc<Semaphore>,
    /// Counts failures; after one, each connection is tested once before it is used again. In good
    /// times a test at each check-out would cost a round trip.
    troubles: Arc<AtomicU64>,
}

impl Lane {
    pub(super) fn new(
        connector: &Arc<Connector>,
        size: u32,
        overtime: Overtime,
        threads: &Arc<ScheduledThreadPool>,
    ) -> Self {
        let pool = r2d2::Pool::builder()
            .max_size(size)
            .min_idle(Some(0))
            .test_on_check_out(false)
            .connection_timeout(CONNECT_PATIENCE)
            .error_handler(Box::new(LogPoolError))
            .thread_pool(threads.clone())
            .build_unchecked(Manager {
                connector: connector.clone(),
                overtime,
            });
        Lane {
            pool,
            permits: Arc::new(Semaphore::new(size as usize)),
            troubles: Arc::default(),
        }
    }

    /// Open connections, those in use, and the most that are opened.
    pub(super) fn state(&self) -> [u32; 3] {
        let state = self.pool.state();
        [
            state.connections,
            state.connections.saturating_sub(state.idle_connections),
            self.pool.max_size(),
        ]
    }

    /// Does some work, and does it again where it failed without a trace and another try may go better.
    pub(super) fn with_connection<T, E: From<StoreError>>(
        &self,
        deadline: Instant,
        work: impl Fn(&mut Session) -> Result<T, Failed<E>>,
    ) -> Result<T, E> {
        let (mut tries, mut budget) = (0, BUDGET);
        loop {
            let mut pooled = self.healthy_connection(deadline)?;
            pooled.session.begin(deadline);
            let failed = match work(&mut pooled.session) {
                Ok(value) => return Ok(value),
                Err(failed) => failed,
            };
            let trouble = pooled.session.trouble();
            let lost = match trouble {
                Trouble::Lost => true,
                Trouble::Conflict | Trouble::ReadOnly => false,
                Trouble::None | Trouble::Other => pooled.session.database.ping().is_err(),
            };
            if lost {
                self.troubles.fetch_add(1, Ordering::Relaxed);
            }
            // After a failover a new connection may lead to a server that takes changes.
            pooled.broken = lost || trouble == Trouble::ReadOnly;
            drop(pooled);
            tries += 1;
            let (wait, left) = (
                pause(tries),
                price(trouble).and_then(|price| budget.checked_sub(price)),
            );
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
            let wait = CONNECT_PATIENCE.min(deadline.saturating_duration_since(Instant::now()));
            let pooled = self.pool.get_timeout(wait.max(Duration::from_millis(1)));
            let mut pooled = pooled.map_err(|error| StoreError::Unavailable(error.to_string()))?;
            let troubles = self.troubles.load(Ordering::Relaxed);
            if pooled.well_at == troubles {
                return Ok(pooled);
            }
            // A failed one is dropped, and there are only so many from before the trouble.
            pooled.broken = pooled.session.database.ping().is_err();
            pooled.well_at = troubles;
            if !pooled.broken {
                return Ok(pooled);
            }
        }
    }

    pub(super) async fn run<T, E>(
        &self,
        work: impl Fn(&mut Session) -> Result<T, Failed<E>> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let too_long = || StoreError::Unavailable("no answer in time".to_owned());
        let deadline = Instant::now() + PATIENCE;
        let scope = Scope::child(
            || tracing::debug_span!(target: span::TARGET, "database", otel.kind = "client"),
        );
        let permit =
            tokio::time::timeout_at(deadline.into(), self.permits.clone().acquire_owned()).await;
        let permit = permit.map_err(|_| too_long())?.map_err(|_| too_long())?;
        let lane = self.clone();
        let task = scope.spawn_blocking(move || {
            // Held as long as the thread is, even where nobody waits for it any more.
            let _permit = permit;
            lane.with_connection(deadline, work)
        });
        match tokio::time::timeout_at(deadline.into(), task).await {
            Ok(Ok(result)) => result,
            Ok(Err(stopped)) => Err(StoreError::Fault(stopped.to_string()).into()),
            Err(_) => Err(too_long().into()),
        }
    }
}

/// What all retries of one piece of work may cost together.
const BUDGET: u32 = 20;

/// What another try costs after this; nothing is tried again for no reason.
fn price(trouble: Trouble) -> Option<u32> {
    match trouble {
        // Somebody else got on, so they end.
        Trouble::Conflict => Some(1),
        // Connections that went stale; a deadlock, which has no name of its own, among faults that stay.
        Trouble::Lost | Trouble::Other => Some(5),
        // One more, by a new connection.
        Trouble::ReadOnly => Some(BUDGET),
        Trouble::None => None,
    }
}

/// The pause after so many tries. Those who met must not meet again, so part of it is random.
fn pause(tries: u32) -> Duration {
    let longest = 5_u64.saturating_mul(1 << tries.min(6));
    let random = std::hash::RandomState::new().build_hasher().finish();
    Duration::from_millis(longest / 2 + random % (longest / 2 + 1))
}

#[derive(Debug)]
struct LogPoolError;

impl r2d2::HandleError<StoreError> for LogPoolError {
    fn handle_error(&self, error: StoreError) {
        tracing::warn!(reason = %error, "no connection to the database");
    }
}
