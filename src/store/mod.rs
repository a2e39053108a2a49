//! The entities and their rows. Each entity has a file with its row, its invariants and its
//! queries. Nothing outside this module queries the database.
//!
//! A read returns `Result<Option<T>, StoreError>`: "does not exist" and "could not read" are
//! different types.
//!
//! There are two kinds of writes. [`Store::write`] is **tracked**: in one transaction it changes
//! what people or programs manage, appends to the change feed what every node must evict from its
//! cache, and requires an entry in the audit. [`Store::write_untracked`] bypasses the feed and the
//! audit: it is for rows that no node caches, such as token records, used assertions, counters and
//! expired rows.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use diesel::connection::{AnsiTransactionManager, TransactionManager};
use parking_lot::Mutex;
use scheduled_thread_pool::ScheduledThreadPool;
use tokio::sync::Semaphore;

use crate::clock::Timestamp;
use crate::concurrency_limit::ConcurrencyLimit;
use crate::error::{Error, refusal};
use crate::metrics::PoolState;

pub mod account;
pub mod account_invitation;
pub mod announcement;
pub mod api_key;
pub mod audit;
pub mod backup;
pub mod changes;
pub mod client;
pub mod client_secret;
pub mod clock;
pub mod cluster_settings;
mod connection;
pub mod counters;
pub mod credential_use;
mod deadline;
mod dropped_events;
pub mod expiry;
pub mod grant_type;
pub mod idempotency;
pub mod invitation;
pub mod language;
pub mod leader;
pub mod mail;
pub mod membership;
mod names;
pub mod node;
mod pool;
mod postgres_tls;
mod postgres_url;
pub mod registration_token;
pub mod resource_server;
mod schema;
pub mod search_key;
pub mod security_profile;
pub mod session;
pub mod signing_key;
mod sql;
pub mod statistics;
pub mod token;
pub mod token_records;
pub mod traffic_sums;
pub mod trust_rule;
pub mod unused_credential;
pub mod used_jti;
pub mod user;
pub mod webhook;
pub mod webhook_delivery;

pub use changes::Change;
use connection::{Connector, Failure, Session};
pub use connection::{Database, DatabaseUrl, IfMissing, Transport};
use deadline::Deadline;
use dropped_events::DroppedEvents;
pub use names::UnknownName;
use pool::{OnDeadline, Pool, TIMEOUT};

/// Why the database did not answer. It never means that a row does not exist.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The database does not exist, and the caller did not ask to create it.
    #[error("there is no database; `keyward serve` or `keyward migrate` makes one")]
    Missing,
    /// The database answers but accepts no writes: a standby, or a server that is set to read-only.
    #[error("the database is read-only")]
    ReadOnly,
    /// The database is unreachable, full or busy for too long. A retry may succeed.
    #[error("database unavailable: {0}")]
    Unavailable(String),
    /// The database refused a statement or returned an impossible value: a bug of Keyward.
    #[error("database fault: {0}")]
    Internal(String),
}

impl From<diesel::result::Error> for StoreError {
    fn from(error: diesel::result::Error) -> Self {
        use diesel::result::{DatabaseErrorKind, Error};
        match &error {
            Error::DatabaseError(
                DatabaseErrorKind::UniqueViolation
                | DatabaseErrorKind::ForeignKeyViolation
                | DatabaseErrorKind::NotNullViolation
                | DatabaseErrorKind::CheckViolation,
                _,
            ) => StoreError::Internal(error.to_string()),
            Error::DatabaseError(DatabaseErrorKind::ReadOnlyTransaction, _) => StoreError::ReadOnly,
            // diesel has no kinds for a database that is locked, full, shut down or unreachable: it
            // reports them as `Unknown`, or when the transaction ends.
            Error::DatabaseError(..)
            | Error::BrokenTransactionManager
            | Error::RollbackErrorOnCommit { .. } => StoreError::Unavailable(error.to_string()),
            _ => StoreError::Internal(error.to_string()),
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Missing | StoreError::ReadOnly | StoreError::Unavailable(_) => {
                Error::unavailable(error.to_string())
            }
            StoreError::Internal(_) => Error::server_error(error.to_string()),
        }
    }
}

/// How many reports run at a time. The management pool has one connection more, for pages and
/// look-ups.
const REPORTS: usize = 3;

/// How many reports of one account run at a time.
const REPORTS_OF_AN_ACCOUNT: usize = 2;

/// How long a report waits for a permit.
const REPORT_TURN_TIMEOUT: Duration = Duration::from_secs(2);

/// After how long a report without a permit may be retried.
const REPORT_RETRY: Duration = Duration::from_secs(2);

/// Stands for the operators among the ids of accounts. No account has this id.
const OPERATORS: &str = "";

type Listener = Box<dyn Fn(&[Change]) + Send + Sync>;

/// The database: SQLite or Postgres behind one interface. Each kind of work has its own connection
/// pool, so that slow queries never delay tokens and introspections.
pub struct Store {
    url: DatabaseUrl,
    connector: Arc<Connector>,
    /// Polls the change feed.
    follower: Pool,
    /// Look-ups by a key for tokens, introspections and authentication.
    hot_path: Pool,
    /// Reads of people and the management API.
    management: Pool,
    /// SQLite has one writer at a time. Writers queue here, fairly, rather than in SQLite's busy
    /// loop.
    writers: Pool,
    reports: Arc<Semaphore>,
    report_limit: ConcurrencyLimit,
    listener: OnceLock<Listener>,
    dropped_events: DroppedEvents,
    /// How many messages this process did not queue since there were too many.
    dropped_mails: AtomicU64,
    /// When the database was last checked for writability, and the result.
    writable: Mutex<Option<(Instant, Result<(), StoreError>)>>,
}

/// How long the result of a check for writability is cached.
const WRITABLE_TTL: Duration = Duration::from_secs(1);

impl Store {
    /// Opens the database, and runs pending migrations. A file that is not a database of Keyward is
    /// not touched.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if the database does not exist and `if_missing` says not to create
    /// it; another [`StoreError`] if it cannot be reached or migrated.
    pub fn open(url: &DatabaseUrl, if_missing: IfMissing) -> Result<Arc<Self>, StoreError> {
        let opened = url.prepare(if_missing)?;
        let connector = Arc::new(Connector::new(url)?);
        let mut session = connector.set_up(opened)?;
        connection::bring_up_to_date(&mut session, if_missing)?;
        // Short commands need no other connection.
        let spare = Arc::new(Mutex::new(Some(session)));
        let writers = match url {
            DatabaseUrl::Sqlite(_) => 1,
            DatabaseUrl::Postgres(_) => 4,
        };
        let threads = Arc::new(
            ScheduledThreadPool::builder()
                .num_threads(4)
                .thread_name_pattern("pool")
                .build(),
        );
        let pool = |size, on_deadline| Pool::new(&connector, &spare, size, on_deadline, &threads);
        Ok(Arc::new(Store {
            url: url.clone(),
            follower: pool(1, OnDeadline::Finish),
            hot_path: pool(4, OnDeadline::Finish),
            management: pool(4, OnDeadline::Cancel),
            writers: pool(writers, OnDeadline::Finish),
            reports: Arc::new(Semaphore::new(REPORTS)),
            report_limit: ConcurrencyLimit::new(REPORTS_OF_AN_ACCOUNT),
            connector,
            listener: OnceLock::new(),
            dropped_events: DroppedEvents::default(),
            dropped_mails: AtomicU64::new(0),
            writable: Mutex::default(),
        }))
    }

    /// How the connection to the database is protected.
    pub fn transport(&self) -> Transport {
        self.connector.transport()
    }

    /// Checks that the database accepts writes: not on a standby, a read-only server or a full
    /// disk. The result is cached for a second.
    ///
    /// # Errors
    /// [`StoreError`] if it does not.
    pub async fn check_writable(&self) -> Result<(), StoreError> {
        let now = Instant::now();
        let cached = self.writable.lock().clone();
        if let Some((at, result)) = cached
            && now.duration_since(at) < WRITABLE_TTL
        {
            return result;
        }
        let result = self.write_untracked(changes::try_to_write).await;
        *self.writable.lock() = Some((now, result.clone()));
        result
    }

    /// The URL of the database.
    pub fn url(&self) -> &DatabaseUrl {
        &self.url
    }

    /// The states of the connection pools, by name.
    pub fn pool_states(&self) -> Vec<(&'static str, PoolState)> {
        vec![
            ("follower", self.follower.state()),
            ("hot_path", self.hot_path.state()),
            ("management", self.management.state()),
            ("writers", self.writers.state()),
        ]
    }

    /// Sets the listener that is called with each change of this process, after its commit and
    /// before its response.
    pub fn on_change(&self, listener: impl Fn(&[Change]) + Send + Sync + 'static) {
        // Nothing sets a second listener: there is one cache per process.
        let _ = self.listener.set(Box::new(listener));
    }

    /// Looks something up by its key for a token, an introspection or an authentication. The cost
    /// must not depend on the number of rows; all other reads use [`Store::read`] and
    /// [`Store::report`]. Reads are retried if the connection broke or the read conflicted with a
    /// write.
    ///
    /// # Errors
    /// [`StoreError`] if the database did not answer.
    pub async fn lookup<T, E>(
        &self,
        work: impl Fn(&mut Database) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.hot_path
            .run(Box::new(move |session| read(session, &work)))
            .await
    }

    /// Reads a few rows for people and the management API. Statements are cancelled after a
    /// timeout.
    ///
    /// # Errors
    /// [`StoreError`] if the database did not answer.
    pub async fn read<T, E>(
        &self,
        work: impl Fn(&mut Database) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.management
            .run(Box::new(move |session| read(session, &work)))
            .await
    }

    /// Like [`Store::read`], for queries that may have to read many rows: lists, searches, sums.
    /// The number of concurrent reports is limited, in total and for each account; `account` is
    /// none for operators.
    ///
    /// # Errors
    /// [`Code::TooManyRequests`](crate::error::Code::TooManyRequests) if the account's other reports take all of its permits for too long;
    /// [`StoreError`] if the database did not answer.
    pub async fn report<T: Send + 'static>(
        &self,
        account: Option<&str>,
        work: impl Fn(&mut Database) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let share = self
            .report_limit
            .acquire(account.unwrap_or(OPERATORS), REPORT_TURN_TIMEOUT)
            .await;
        let busy = || {
            refusal::too_many_reports()
                .retry_in(REPORT_RETRY)
                .detail("the account's share of reports is in use")
        };
        let share = share.ok_or_else(busy)?;
        let turn =
            tokio::time::timeout(REPORT_TURN_TIMEOUT, self.reports.clone().acquire_owned()).await;
        let turn = turn
            .ok()
            .and_then(Result::ok)
            .ok_or_else(|| Error::unavailable("too many reports at a time"))?;
        let held = (share, turn);
        self.management
            .run(Box::new(move |session| {
                // Held as long as the statements run, even if the caller no longer waits.
                let _held = &held;
                read(session, &work)
            }))
            .await
    }

    /// Reads the change feed on a connection of its own, for the thread that polls it.
    ///
    /// # Errors
    /// [`StoreError`] if the database did not answer.
    pub fn follow<T>(
        &self,
        work: impl Fn(&mut Database) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.follower
            .with_connection(Instant::now() + TIMEOUT, &|session| read(session, &work))
    }

    /// Runs a tracked write in one transaction, which is committed durably or not at all. A write
    /// without an entry in the audit is a bug, and is rolled back. Tracked writes are serialised on
    /// all nodes, so that what `work` reads cannot change before it writes.
    ///
    /// `work` is retried if it conflicted with another transaction (SQLSTATE 40001, 40P01) or the
    /// connection broke before the commit, since it then had no effect. If the connection breaks
    /// during the commit, the outcome is unknown, and the caller gets an error.
    ///
    /// # Errors
    /// The errors of `work`, and [`StoreError`] if the database did not answer.
    pub async fn write<T, E>(
        self: &Arc<Self>,
        now: Timestamp,
        work: impl Fn(&mut Transaction<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let store = self.clone();
        self.writers
            .run(Box::new(move |session| {
                let until = session.until;
                let (result, changes, dropped, dropped_mails) =
                    transaction(session, &|database| -> Result<_, E> {
                        let newest = changes::lock(database)?;
                        ensure_awaited(until)?;
                        let mut transaction = Transaction {
                            database,
                            changes: Vec::new(),
                            modified: false,
                            audited: false,
                            dropped_events: Vec::new(),
                            mails: mail::MailCounts::default(),
                        };
                        let result = work(&mut transaction)?;
                        if transaction.modified && !transaction.audited {
                            return Err(StoreError::Internal(
                                "a change without an entry in the audit".to_owned(),
                            )
                            .into());
                        }
                        let Transaction {
                            changes,
                            dropped_events,
                            mails,
                            ..
                        } = transaction;
                        changes::append(database, newest, &changes, now)?;
                        Ok((result, changes, dropped_events, mails.dropped()))
                    })?;
                store.dropped_events.add(&dropped);
                store
                    .dropped_mails
                    .fetch_add(dropped_mails, Ordering::Relaxed);
                if let Some(listener) = store.listener.get() {
                    listener(&changes);
                }
                Ok(result)
            }))
            .await
    }

    /// How many events this process dropped for webhooks that have too many pending deliveries.
    pub fn dropped_events(&self) -> u64 {
        self.dropped_events.count()
    }

    /// How many messages this process did not queue, since their recipient or the server had too many.
    pub fn dropped_mails(&self) -> u64 {
        self.dropped_mails.load(Ordering::Relaxed)
    }

    /// Runs an untracked write in one transaction: it inserts, updates or deletes rows that no node
    /// caches, without the change feed and the audit.
    ///
    /// # Errors
    /// [`StoreError`] if the database did not answer.
    pub async fn write_untracked<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Database) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writers
            .run(Box::new(move |session| transaction(session, &work)))
            .await
    }

    /// Like [`Store::write_untracked`], for dedicated threads and for idempotent work: it is
    /// retried even if the outcome of the commit is unknown.
    ///
    /// # Errors
    /// [`StoreError`] if the database did not answer.
    pub fn write_idempotent_blocking<T>(
        &self,
        work: impl Fn(&mut Database) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.writers
            .with_connection(Instant::now() + TIMEOUT, &|session| {
                transaction(session, &work).map_err(|failed| Failed::Retry(failed.into_error()))
            })
    }
}

/// The transaction of a tracked write. The functions of the entities record their changes in it. It
/// is committed only with an entry in the audit.
pub struct Transaction<'a> {
    database: &'a mut Database,
    changes: Vec<Change>,
    modified: bool,
    audited: bool,
    /// The ids of webhooks for which an event was dropped, since they have too many that are pending.
    dropped_events: Vec<String>,
    /// What was counted of the messages, and how many were not queued.
    mails: mail::MailCounts,
}

impl Transaction<'_> {
    /// The connection, for reads within the transaction.
    pub fn database(&mut self) -> &mut Database {
        self.database
    }

    /// The connection, for writes of rows that people or programs manage.
    fn modify(&mut self) -> &mut Database {
        self.modified = true;
        self.database
    }

    fn changed(&mut self, change: Change) {
        self.changes.push(change);
    }
}

/// By how many milliseconds the clock of the database server is ahead of `now`; `None` on SQLite,
/// which runs on this machine.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn clock_difference(
    database: &mut Database,
    now: Timestamp,
) -> Result<Option<i64>, StoreError> {
    Ok(clock::database_now(database)?.map(|theirs| theirs.millis() - now.millis()))
}

/// Why one try failed.
enum Failed<E> {
    /// A retry is pointless, or the outcome is unknown.
    Final(E),
    /// The try had no effect, and a retry may succeed.
    Retry(E),
}

impl<E> Failed<E> {
    fn into_error(self) -> E {
        let (Failed::Final(error) | Failed::Retry(error)) = self;
        error
    }

    fn of(failure: Failure, error: E) -> Self {
        match failure {
            Failure::None => Failed::Final(error),
            Failure::Conflict | Failure::Lost | Failure::ReadOnly | Failure::Other => {
                Failed::Retry(error)
            }
        }
    }
}

fn read<T, E: From<StoreError>>(
    session: &mut Session,
    work: &dyn Fn(&mut Database) -> Result<T, E>,
) -> Result<T, Failed<E>> {
    let timeout = session
        .deadline
        .as_ref()
        .filter(|_| matches!(session.database, Database::Postgres(_)))
        .map(Deadline::left);
    let Some(timeout) = timeout else {
        return work(&mut session.database).map_err(|error| Failed::of(session.failure(), error));
    };
    // Within a transaction, since a pooler may run the next statement on another connection.
    let result = transaction(session, &|database| {
        deadline::set_statement_timeout(database, timeout)?;
        work(database)
    });
    // A read can be retried even if the outcome of its commit is unknown.
    result.map_err(|failed| Failed::of(session.failure(), failed.into_error()))
}

/// Fails if the caller stopped waiting at `until`, while a write waited for a lock: the caller was told
/// that nothing is changed.
fn ensure_awaited(until: Option<Instant>) -> Result<(), StoreError> {
    match until {
        Some(until) if Instant::now() >= until => {
            Err(StoreError::Unavailable("no answer in time".to_owned()))
        }
        _ => Ok(()),
    }
}

/// One try at a transaction.
///
/// On Postgres the isolation level is READ COMMITTED, whatever the default of the server: writers
/// hold the lock of the change counter, and must read what was committed last. At a stricter level
/// the snapshot would be from before the lock, and the transaction would be refused.
fn transaction<T, E: From<StoreError>>(
    session: &mut Session,
    work: &dyn Fn(&mut Database) -> Result<T, E>,
) -> Result<T, Failed<E>> {
    let begun = match &mut session.database {
        Database::Postgres(connection) => AnsiTransactionManager::begin_transaction_sql(
            connection,
            "BEGIN ISOLATION LEVEL READ COMMITTED",
        ),
        // The lock at once, and not at the first write: SQLite cannot upgrade a read transaction once
        // another writer has committed (`SQLITE_BUSY_SNAPSHOT`).
        Database::Sqlite(connection) => {
            AnsiTransactionManager::begin_transaction_sql(connection, "BEGIN IMMEDIATE")
        }
    };
    begun.map_err(|error| Failed::of(session.failure(), StoreError::from(error).into()))?;
    if let Err(error) = ensure_awaited(session.until) {
        let _ = Database::rollback_transaction(&mut session.database);
        return Err(Failed::Final(error.into()));
    }
    match work(&mut session.database) {
        Ok(value) => match Database::commit_transaction(&mut session.database) {
            Ok(()) => Ok(value),
            Err(error) => {
                let failure = session.failure();
                let error = StoreError::from(error).into();
                // A server that answers has not committed; a server that does not answer may have.
                Err(if failure == Failure::Lost {
                    Failed::Final(error)
                } else {
                    Failed::of(failure, error)
                })
            }
        },
        Err(error) => {
            let failure = session.failure();
            // If this fails, the connection is broken, and the server rolls back by itself.
            let _ = Database::rollback_transaction(&mut session.database);
            Err(Failed::of(failure, error))
        }
    }
}
