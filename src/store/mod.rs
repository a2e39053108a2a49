//! The nouns and their rows. A file per noun: its row, its invariants, its queries. Nothing
//! outside this folder queries the database.
//!
//! Reading gives `Result<Option<T>, StoreError>`: "not there" and "could not look" are different
//! types. Changing goes through [`Store::write`], one transaction that also appends to `changes`
//! what every node has to drop from memory.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use diesel::prelude::*;
use scheduled_thread_pool::ScheduledThreadPool;
use tokio::sync::Semaphore;

use crate::clock::Timestamp;
use crate::error::Error;
use crate::share::Shares;

pub mod account;
pub mod api_key;
pub mod audit;
pub mod backup;
pub mod changes;
pub mod client;
pub mod client_assertion;
pub mod client_secret;
pub mod clock;
mod connection;
pub mod counts;
mod deadline;
pub mod deployment;
pub mod idempotency;
pub mod invitation;
mod pool;
pub mod registration_token;
pub mod resource_server;
mod schema;
pub mod session;
pub mod signing_key;
mod sql;
pub mod token;
pub mod token_records;
pub mod user;

pub use changes::Change;
pub use connection::{Database, DatabaseUrl};
use pool::{Lane, Overtime};

/// Why the database gave no answer. It says nothing about whether a thing exists.
#[derive(Debug)]
pub enum StoreError {
    /// It cannot be reached, is busy for too long, full or read-only: worth another try.
    Unavailable(String),
    /// It answered what cannot be: a fault of Keyward's own.
    Fault(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Unavailable(reason) => write!(f, "database unavailable: {reason}"),
            StoreError::Fault(reason) => write!(f, "database fault: {reason}"),
        }
    }
}

impl std::error::Error for StoreError {}

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
            ) => StoreError::Fault(error.to_string()),
            // Neither database tells diesel more than a sentence about being locked, full, shut
            // down or unreachable: they all come as `Unknown`, or with the transaction's end.
            Error::DatabaseError(..) | Error::BrokenTransactionManager | Error::RollbackErrorOnCommit { .. } => {
                StoreError::Unavailable(error.to_string())
            }
            _ => StoreError::Fault(error.to_string()),
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => Error::unavailable(error.to_string()),
            StoreError::Fault(_) => Error::server_error(error.to_string()),
        }
    }
}

/// The most reports at a time. Management has one connection more, so that pages and look-ups go on.
const REPORTS: usize = 3;

/// The most reports at a time of one account.
const REPORTS_OF_AN_ACCOUNT: usize = 2;

/// How long a report waits for its turn.
const REPORT_TURN_TIMEOUT: Duration = Duration::from_secs(2);

/// Stands for the operators among the accounts. No account has this id.
const OPERATORS: &str = "";

type Listener = Box<dyn Fn(&[Change]) + Send + Sync>;

/// The database: SQLite or Postgres behind the same calls. Each kind of work has connections of its
/// own, so that what is slow never keeps tokens and introspections waiting.
pub struct Store {
    url: DatabaseUrl,
    /// Follows the change feed.
    follower: Lane,
    /// Look-ups by a key that tokens, introspections and authentication wait for.
    hot_path: Lane,
    /// Everything that people and the management API read.
    management: Lane,
    /// SQLite has one writer at a time: they queue here, fairly, and not in its busy loop.
    writers: Lane,
    reports: Arc<Semaphore>,
    report_shares: Shares,
    listener: OnceLock<Listener>,
}

impl Store {
    /// Opens the database and brings its tables up to date.
    ///
    /// # Errors
    /// Where it cannot be reached or migrated.
    pub fn open(url: &DatabaseUrl) -> Result<Arc<Self>, StoreError> {
        url.prepare()?;
        connection::migrate(&mut url.connect()?)?;
        let writers = match url {
            DatabaseUrl::Sqlite(_) => 1,
            DatabaseUrl::Postgres(_) => 4,
        };
        let threads = Arc::new(ScheduledThreadPool::builder().num_threads(2).thread_name_pattern("pool").build());
        let lane = |size, overtime| Lane::new(url, size, overtime, &threads);
        Ok(Arc::new(Store {
            url: url.clone(),
            follower: lane(1, Overtime::Finish),
            hot_path: lane(4, Overtime::Finish),
            management: lane(4, Overtime::Stop),
            writers: lane(writers, Overtime::Finish),
            reports: Arc::new(Semaphore::new(REPORTS)),
            report_shares: Shares::new(REPORTS_OF_AN_ACCOUNT),
            listener: OnceLock::new(),
        }))
    }

    /// Which database this is.
    pub fn url(&self) -> &DatabaseUrl {
        &self.url
    }

    /// The connection pools by name, each with its open connections, those in use, and the most it opens.
    pub fn pool_states(&self) -> Vec<(&'static str, [u32; 3])> {
        vec![
            ("follower", self.follower.state()),
            ("hot_path", self.hot_path.state()),
            ("management", self.management.state()),
            ("writers", self.writers.state()),
        ]
    }

    /// Who is told of each change of this process, right after its commit and before its answer.
    pub fn on_change(&self, listener: impl Fn(&[Change]) + Send + Sync + 'static) {
        // A second listener would be a second directory, which nothing makes.
        let _ = self.listener.set(Box::new(listener));
    }

    /// Looks something up by its key for a token, an introspection or an authentication. It costs
    /// the same however many rows there are; all else is for [`Store::read`] and [`Store::report`].
    ///
    /// # Errors
    /// [`StoreError`] where the database gave no answer.
    pub async fn lookup<T, E>(&self, work: impl FnOnce(&mut Database) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.hot_path.run(work).await
    }

    /// Reads for people and the management API, what takes few rows. Its statements are stopped when
    /// the caller's time is over.
    ///
    /// # Errors
    /// [`StoreError`] where the database gave no answer.
    pub async fn read<T, E>(&self, work: impl FnOnce(&mut Database) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.management.run(work).await
    }

    /// Like [`Store::read`], for what may have to read many rows: lists, searches, sums. Few run at a
    /// time, and of one account fewer than that; `account` is none for operators.
    ///
    /// # Errors
    /// [`Error::busy`] where the account's own reports take all of its share for too long;
    /// [`StoreError`] where the database gave no answer.
    pub async fn report<T: Send + 'static>(
        &self,
        account: Option<&str>,
        work: impl FnOnce(&mut Database) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let share = self.report_shares.acquire(account.unwrap_or(OPERATORS), REPORT_TURN_TIMEOUT).await;
        let busy = || Error::busy("the account's share of reports is in use").phrase("too-many-reports", []);
        let share = share.ok_or_else(busy)?;
        let turn = tokio::time::timeout(REPORT_TURN_TIMEOUT, self.reports.clone().acquire_owned()).await;
        let turn = turn.ok().and_then(Result::ok).ok_or_else(|| Error::unavailable("too many reports at a time"))?;
        self.management
            .run(move |database| {
                // Held as long as the statements run, even where nobody waits for them any more.
                let _held = (share, turn);
                work(database)
            })
            .await
    }

    /// Reads the change feed, on a connection of its own; for the thread that follows it.
    ///
    /// # Errors
    /// [`StoreError`] where the database gave no answer.
    pub fn follow<T>(&self, work: impl FnOnce(&mut Database) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.follower.with_connection(work)
    }

    /// Changes something, in one transaction: all of it, durably, or nothing. Those who change wait
    /// for each other on all nodes, so that what `work` looked up first still holds when it writes.
    ///
    /// # Errors
    /// What `work` refuses, and [`StoreError`] where the database gave no answer.
    pub async fn write<T, E>(
        self: &Arc<Self>,
        now: Timestamp,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let store = self.clone();
        self.writers
            .run(move |database| {
                let (result, changes) = in_transaction(database, |database| -> Result<_, E> {
                    let newest = changes::lock(database)?;
                    let mut transaction = Transaction { database, changes: Vec::new() };
                    let result = work(&mut transaction)?;
                    let changes = transaction.changes;
                    changes::append(database, newest, &changes, now)?;
                    Ok((result, changes))
                })?;
                if let Some(listener) = store.listener.get() {
                    listener(&changes);
                }
                Ok(result)
            })
            .await
    }

    /// Adds or removes rows of which no node keeps a copy: records, assertions, what has ended.
    ///
    /// # Errors
    /// [`StoreError`] where the database gave no answer.
    pub async fn append<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Database) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writers.run(|database| in_transaction(database, work)).await
    }

    /// Like [`Store::append`], for threads of their own.
    ///
    /// # Errors
    /// [`StoreError`] where the database gave no answer.
    pub fn append_blocking<T>(&self, work: impl FnOnce(&mut Database) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.writers.with_connection(|database| in_transaction(database, work))
    }
}

/// A change under way. The nouns' own functions record what they changed.
pub struct Transaction<'a> {
    database: &'a mut Database,
    changes: Vec<Change>,
}

impl Transaction<'_> {
    /// For look-ups within the change.
    pub fn database(&mut self) -> &mut Database {
        self.database
    }

    fn changed(&mut self, change: Change) {
        self.changes.push(change);
    }
}

/// By how many milliseconds the clock of the database's machine is ahead of `now`; `None` on SQLite,
/// where both are one.
///
/// # Errors
/// Where the database gave no answer.
pub fn clock_difference(database: &mut Database, now: Timestamp) -> Result<Option<i64>, StoreError> {
    Ok(clock::database_now(database)?.map(|theirs| theirs.millis() - now.millis()))
}

/// What ends a transaction: a fault of the database, or a refusal by the one who asked for it.
enum Ended<E> {
    Store(diesel::result::Error),
    Work(E),
}

impl<E> From<diesel::result::Error> for Ended<E> {
    fn from(error: diesel::result::Error) -> Self {
        Ended::Store(error)
    }
}

/// On SQLite the first statement of `work` must write: it then waits for its turn, while a
/// transaction that has read before cannot be lifted to writing behind a neighbour's back.
fn in_transaction<T, E: From<StoreError>>(
    database: &mut Database,
    work: impl FnOnce(&mut Database) -> Result<T, E>,
) -> Result<T, E> {
    database.transaction(|database| work(database).map_err(Ended::Work)).map_err(|ended| match ended {
        Ended::Store(error) => StoreError::from(error).into(),
        Ended::Work(error) => error,
    })
}
