//! Connections kept ready, in a pool for each kind of work, so that none waits for another.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use diesel::r2d2::R2D2Connection;
use scheduled_thread_pool::ScheduledThreadPool;
use tokio::sync::Semaphore;

use super::deadline::Deadline;
use super::{Database, DatabaseUrl, StoreError};

/// How long one look into the database may take before the answer is "could not look".
const PATIENCE: Duration = Duration::from_secs(4);

/// How long to wait for a connection.
const CONNECT_PATIENCE: Duration = Duration::from_secs(2);

/// A pooled connection and what is known of its health.
struct Pooled {
    connection: Database,
    /// On connections whose statements are stopped when their caller's time is over.
    deadline: Option<Deadline>,
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
    url: DatabaseUrl,
    overtime: Overtime,
}

impl r2d2::ManageConnection for Manager {
    type Connection = Pooled;
    type Error = StoreError;

    fn connect(&self) -> Result<Pooled, StoreError> {
        let mut connection = self.url.connect()?;
        let deadline = match self.overtime {
            Overtime::Finish => None,
            Overtime::Stop => Some(Deadline::install(&mut connection)?),
        };
        Ok(Pooled { connection, deadline, broken: false, well_at: 0 })
    }

    fn is_valid(&self, pooled: &mut Pooled) -> Result<(), StoreError> {
        Ok(pooled.connection.ping()?)
    }

    fn has_broken(&self, pooled: &mut Pooled) -> bool {
        pooled.broken
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
    pub(super) fn new(url: &DatabaseUrl, size: u32, overtime: Overtime, threads: &Arc<ScheduledThreadPool>) -> Self {
        let pool = r2d2::Pool::builder()
            .max_size(size)
            .min_idle(Some(0))
            .test_on_check_out(false)
            .connection_timeout(CONNECT_PATIENCE)
            .error_handler(Box::new(LogPoolError))
            .thread_pool(threads.clone())
            .build_unchecked(Manager { url: url.clone(), overtime });
        Lane { pool, permits: Arc::new(Semaphore::new(size as usize)), troubles: Arc::default() }
    }

    /// Open connections, those in use, and the most that are opened.
    pub(super) fn state(&self) -> [u32; 3] {
        let state = self.pool.state();
        [state.connections, state.connections.saturating_sub(state.idle_connections), self.pool.max_size()]
    }

    pub(super) fn with_connection<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&mut Database) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut pooled = self.healthy_connection()?;
        let Pooled { connection, deadline, .. } = &mut *pooled;
        let result = match deadline {
            Some(deadline) => deadline.limit(connection, PATIENCE, work),
            None => work(connection),
        };
        if result.is_err() && pooled.connection.ping().is_err() {
            pooled.broken = true;
            self.troubles.fetch_add(1, Ordering::Relaxed);
        }
        result
    }

    fn healthy_connection(&self) -> Result<r2d2::PooledConnection<Manager>, StoreError> {
        loop {
            let mut pooled = self.pool.get().map_err(|error| StoreError::Unavailable(error.to_string()))?;
            let troubles = self.troubles.load(Ordering::Relaxed);
            if pooled.well_at == troubles {
                return Ok(pooled);
            }
            // A failed one is dropped, and there are only so many from before the trouble.
            pooled.broken = pooled.connection.ping().is_err();
            pooled.well_at = troubles;
            if !pooled.broken {
                return Ok(pooled);
            }
        }
    }

    pub(super) async fn run<T, E>(&self, work: impl FnOnce(&mut Database) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let too_long = || StoreError::Unavailable("no answer in time".to_owned());
        let permit = tokio::time::timeout(PATIENCE, self.permits.clone().acquire_owned()).await;
        let permit = permit.map_err(|_| too_long())?.map_err(|_| too_long())?;
        let lane = self.clone();
        let task = tokio::task::spawn_blocking(move || {
            // Held as long as the thread is, even where nobody waits for it any more.
            let _permit = permit;
            lane.with_connection(work)
        });
        match tokio::time::timeout(PATIENCE, task).await {
            Ok(Ok(result)) => result,
            Ok(Err(stopped)) => Err(StoreError::Fault(stopped.to_string()).into()),
            Err(_) => Err(too_long().into()),
        }
    }
}

#[derive(Debug)]
struct LogPoolError;

impl r2d2::HandleError<StoreError> for LogPoolError {
    fn handle_error(&self, error: StoreError) {
        tracing::warn!(reason = %error, "no connection to the database");
    }
}
