//! The nouns and their rows. A file per noun: its row, its invariants, its queries. Nothing
//! outside this folder queries the database.
//!
//! Reading gives `Result<Option<T>, StoreError>`: "not there" and "could not look" are different
//! types. Changing goes through [`Store::write`], one transaction that also appends to `changes`
//! what every node has to drop from memory.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use diesel::connection::{AnsiTransactionManager, TransactionManager};
use parking_lot::Mutex;
use scheduled_thread_pool::ScheduledThreadPool;
use tokio::sync::Semaphore;

use crate::clock::Timestamp;
use crate::concurrency_limit::ConcurrencyLimit;
use crate::error::Error;

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
pub mod counters;
mod deadline;
pub mod deployment;
pub mod idempotency;
pub mod invitation;
pub mod leader;
mod pool;
mod postgres_tls;
mod postgres_url;
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
use connection::{Connector, Session, Trouble};
pub use connection::{Database, DatabaseUrl, IfMissing, Transport};
use deadline::Deadline;
use pool::{Lane, Overtime, PATIENCE};

/// Why the database gave no answer. It says nothing about whether a thing exists.
#[derive(Clone, Debug)]
pub enum StoreError {
    /// There is none, and this was not to make one.
    Missing,
    /// It answers, and takes no changes: a standby, or a server that is set so.
    ReadOnly,
    /// It cannot be reached, is busy for too long, full or read-only: worth another try.
    Unavailable(String),
    /// It answered what cannot be: a fault of Keyward's own.
    Fault(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Missing => {
                f.write_str("there is no database; `keyward serve` or `keyward migrate` makes one")
            }
            StoreError::ReadOnly => f.write_str("the database is read-only"),
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
            Error::DatabaseError(DatabaseErrorKind::ReadOnlyTransaction, _) => StoreError::ReadOnly,
            // Neither database tells diesel more than a sentence about being locked, full, shut
            // down or unreachable: they all come as `Unknown`, or with the transaction's end.
            Error::DatabaseError(..)
            | Error::BrokenTransactionManager
            | Error::RollbackErrorOnCommit { .. } => StoreError::Unavailable(error.to_string()),
            _ => StoreError::Fault(error.to_string()),
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Missing | StoreError::ReadOnly | StoreError::Unavailable(_) => {
                Error::unavailable(error.to_string())
            }
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
    connector: Arc<Connector>,
    /// Follows the change feed.
    follower: Lane,
    /// Look-ups by a key that tokens, introspections and authentication wait for.
    hot_path: Lane,
    /// Everything that people and the management API read.
    management: Lane,
    /// SQLite has one writer at a time: they queue here, fairly, and not in its busy loop.
    writers: Lane,
    reports: Arc<Semaphore>,
    report_limit: ConcurrencyLimit,
    listener: OnceLock<Listener>,
    /// When it was last found out whether changes can be written, and what came of it.
    writable: Mutex<Option<(Instant, Result<(), StoreError>)>>,
}

/// For how long is taken as true what was found out about writing.
const WRITABLE_KEPT: Duration = Duration::from_secs(1);

impl Store {
    /// Opens the database, and brings its tables up to date where they are not. A file that holds something else
    /// is left as it is.
    ///
    /// # Errors
    /// [`StoreError::Missing`] where there is none and none is to be made; where it cannot be reached or migrated.
    pub fn open(url: &DatabaseUrl, if_missing: IfMissing) -> Result<Arc<Self>, StoreError> {
        url.prepare(if_missing)?;
        let connector = Arc::new(Connector::new(url)?);
        connection::bring_up_to_date(&mut connector.connect()?, if_missing)?;
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
        let lane = |size, overtime| Lane::new(&connector, size, overtime, &threads);
        Ok(Arc::new(Store {
            url: url.clone(),
            follower: lane(1, Overtime::Finish),
            hot_path: lane(4, Overtime::Finish),
            management: lane(4, Overtime::Stop),
            writers: lane(writers, Overtime::Finish),
            reports: Arc::new(Semaphore::new(REPORTS)),
            report_limit: ConcurrencyLimit::new(REPORTS_OF_AN_ACCOUNT),
            connector,
            listener: OnceLock::new(),
            writable: Mutex::default(),
        }))
    }

    /// How what is said to the database is protected on its way.
    pub fn transport(&self) -> Transport {
        self.connector.transport()
    }

    /// Whether changes can be written: not to a standby, a read-only server or a full disk. Found out
    /// once a second at the most, however often it is asked.
    ///
    /// # Errors
    /// [`StoreError`] where they cannot.
    pub async fn check_writable(&self) -> Result<(), StoreError> {
        let now = Instant::now();
        let known = self.writable.lock().clone();
        if let Some((at, result)) = known
            && now.duration_since(at) < WRITABLE_KEPT
        {
            return result;
        }
        let result = self.write_untracked(changes::try_to_write).await;
        *self.writable.lock() = Some((now, result.clone()));
        result
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
    /// Where the connection broke or the question met a change, it is asked again, here and in those.
    ///
    /// # Errors
    /// [`StoreError`] where the database gave no answer.
    pub async fn lookup<T, E>(
        &self,
        work: impl Fn(&mut Database) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.hot_path.run(move |session| read(session, &work)).await
    }

    /// Reads for people and the management API, what takes few rows. Its statements are stopped when
    /// the caller's time is over.
    ///
    /// # Errors
    /// [`StoreError`] where the database gave no answer.
    pub async fn read<T, E>(
        &self,
        work: impl Fn(&mut Database) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.management
            .run(move |session| read(session, &work))
            .await
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
        work: impl Fn(&mut Database) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let share = self
            .report_limit
            .acquire(account.unwrap_or(OPERATORS), REPORT_TURN_TIMEOUT)
            .await;
        let busy = || {
            Error::busy("the account's share of reports is in use").phrase("too-many-reports", [])
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
            .run(move |session| {
                // Held as long as the statements run, even where nobody waits for them any more.
                let _held = &held;
                read(session, &work)
            })
            .await
    }

    /// Reads the change feed, on a connection of its own; for the thread that follows it.
    ///
    /// # Errors
    /// [`StoreError`] where the database gave no answer.
    pub fn follow<T>(
        &self,
        work: impl Fn(&mut Database) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.follower
            .with_connection(Instant::now() + PATIENCE, |session| read(session, &work))
    }

    /// Changes something, in one transaction: all of it, durably, or nothing. A change that leaves no entry
    /// in the audit is a fault, and is rolled back. Those who change wait
    /// for each other on all nodes, so that what `work` looked up first still holds when it writes.
    ///
    /// `work` is done again where it met another transaction (SQLSTATE 40001, 40P01) or the connection
    /// broke before the commit: what it did is then gone without a trace. Where the connection breaks
    /// during the commit nobody knows, and the caller is told.
    ///
    /// # Errors
    /// What `work` refuses, and [`StoreError`] where the database gave no answer.
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
            .run(move |session| {
                let (result, changes) = transaction(session, |database| -> Result<_, E> {
                    let newest = changes::lock(database)?;
                    let mut transaction = Transaction {
                        database,
                        changes: Vec::new(),
                        modified: false,
                        audited: false,
                    };
                    let result = work(&mut transaction)?;
                    if transaction.modified && !transaction.audited {
                        return Err(StoreError::Fault(
                            "a change without an entry in the audit".to_owned(),
                        )
                        .into());
                    }
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
    pub async fn write_untracked<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Database) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writers
            .run(move |session| transaction(session, &work))
            .await
    }

    /// Like [`Store::append`], for threads of their own, and for work that may be done twice: it is done
    /// again also where nobody knows whether it was committed.
    ///
    /// # Errors
    /// [`StoreError`] where the database gave no answer.
    pub fn append_twice_blocking<T>(
        &self,
        work: impl Fn(&mut Database) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.writers
            .with_connection(Instant::now() + PATIENCE, |session| {
                transaction(session, &work).map_err(|failed| Failed::Retry(failed.into_error()))
            })
    }
}

/// A change under way. The nouns' own functions record what they changed. It is committed only where an
/// entry of the audit says what was done.
pub struct Transaction<'a> {
    database: &'a mut Database,
    changes: Vec<Change>,
    modified: bool,
    audited: bool,
}

impl Transaction<'_> {
    /// For look-ups within the change.
    pub fn database(&mut self) -> &mut Database {
        self.database
    }

    /// For writing rows that people or programs manage.
    fn modify(&mut self) -> &mut Database {
        self.modified = true;
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
pub fn clock_difference(
    database: &mut Database,
    now: Timestamp,
) -> Result<Option<i64>, StoreError> {
    Ok(clock::database_now(database)?.map(|theirs| theirs.millis() - now.millis()))
}

/// Why one try gave nothing.
enum Failed<E> {
    /// It stays so, or it is not known what came of it.
    Final(E),
    /// It left no trace, and another try may go better.
    Retry(E),
}

impl<E> Failed<E> {
    fn into_error(self) -> E {
        let (Failed::Final(error) | Failed::Retry(error)) = self;
        error
    }

    fn of(trouble: Trouble, error: E) -> Self {
        match trouble {
            Trouble::None => Failed::Final(error),
            Trouble::Conflict | Trouble::Lost | Trouble::ReadOnly | Trouble::Other => {
                Failed::Retry(error)
            }
        }
    }
}

fn read<T, E: From<StoreError>>(
    session: &mut Session,
    work: impl Fn(&mut Database) -> Result<T, E>,
) -> Result<T, Failed<E>> {
    let timeout = session
        .deadline
        .as_ref()
        .filter(|_| matches!(session.database, Database::Postgres(_)))
        .map(Deadline::left);
    let Some(timeout) = timeout else {
        return work(&mut session.database).map_err(|error| Failed::of(session.trouble(), error));
    };
    // Within a transaction, since a pooler may hand the next one to another connection.
    let result = transaction(session, |database| {
        deadline::set_statement_timeout(database, timeout)?;
        work(database)
    });
    // It changes nothing, so a commit whose answer was lost does no harm.
    result.map_err(|failed| Failed::of(session.trouble(), failed.into_error()))
}

/// One try at a transaction. On SQLite the first statement of `work` must write: it then waits for its
/// turn, while a transaction that has read before cannot be lifted to writing behind a neighbour's back.
///
/// On Postgres it is READ COMMITTED, whatever the server's default is: those who change hold the lock
/// of all who change, and what they look up under it is what was committed last. A stricter level would
/// take its view from before the lock, and refuse.
fn transaction<T, E: From<StoreError>>(
    session: &mut Session,
    work: impl FnOnce(&mut Database) -> Result<T, E>,
) -> Result<T, Failed<E>> {
    let begun = match &mut session.database {
        Database::Postgres(connection) => AnsiTransactionManager::begin_transaction_sql(
            connection,
            "BEGIN ISOLATION LEVEL READ COMMITTED",
        ),
        database @ Database::Sqlite(_) => Database::begin_transaction(database),
    };
    begun.map_err(|error| Failed::of(session.trouble(), StoreError::from(error).into()))?;
    match work(&mut session.database) {
        Ok(value) => match Database::commit_transaction(&mut session.database) {
            Ok(()) => Ok(value),
            Err(error) => {
                let (trouble, error) = (session.trouble(), StoreError::from(error).into());
                // A server that answers has not committed; one that does not may have.
                Err(if trouble == Trouble::Lost {
                    Failed::Final(error)
                } else {
                    Failed::of(trouble, error)
                })
            }
        },
        Err(error) => {
            let trouble = session.trouble();
            // Where this fails, the connection is broken, and the server has rolled back.
            let _ = Database::rollback_transaction(&mut session.database);
            Err(Failed::of(trouble, error))
        }
    }
}
