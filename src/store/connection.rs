//! One connection, to SQLite or to Postgres, and how it is made.

use std::fmt;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use diesel::connection::{CacheSize, InstrumentationEvent, SimpleConnection};
use diesel::migration::{Migration, MigrationSource};
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error};
use diesel::sql_query;
use diesel::sql_types::Text;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::deadline::Deadline;
use super::postgres_tls::{Bridge, Patience, Seen};
use super::postgres_url::{PostgresUrl, Server, SslMode, TlsOptions};
use super::{StoreError, transaction};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

/// By which a SQLite file is known to be a database of Keyward's, of whatever version.
pub(super) const KEYWARD_TABLES: [&str; 3] = ["__diesel_schema_migrations", "clients", "changes"];

/// What becomes of a database that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfMissing {
    /// It is made.
    Make,
    /// It stays so, and whoever wanted it is told.
    Refuse,
}

/// One connection, to either database; the queries are the same.
#[derive(diesel::MultiConnection)]
pub enum Database {
    /// A file on this machine.
    Sqlite(SqliteConnection),
    /// A server that many nodes share.
    Postgres(PgConnection),
}

/// Which database, as its URL says.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// `sqlite://PATH`
    Sqlite(PathBuf),
    /// `postgres://…`
    Postgres(PostgresUrl),
}

impl std::str::FromStr for DatabaseUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("sqlite://")
            && !path.is_empty()
        {
            return Ok(DatabaseUrl::Sqlite(PathBuf::from(path)));
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return text.parse().map(DatabaseUrl::Postgres);
        }
        Err("write sqlite://PATH or postgres://…".to_owned())
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Without the password.
impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DatabaseUrl::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            DatabaseUrl::Postgres(url) => write!(f, "{url}"),
        }
    }
}

/// What became of the statements on a connection since it was last asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// None failed, or the database is SQLite, which waits for its neighbours by itself.
    None = 0,
    /// One met another transaction (SQLSTATE 40001).
    Conflict = 1,
    /// The connection broke.
    Lost = 2,
    /// The server takes no changes on this connection.
    ReadOnly = 3,
    /// One failed for a reason that diesel has no name for: a deadlock, a full disk, a fault.
    Other = 4,
}

/// A connection and what became of its statements.
pub(super) struct Session {
    pub database: Database,
    /// On connections whose statements are stopped when their caller's time is over.
    pub deadline: Option<Deadline>,
    trouble: Arc<AtomicU8>,
    /// What the bytes go through must live as long.
    _connector: Arc<Connector>,
}

impl Session {
    pub fn trouble(&self) -> Trouble {
        match self.trouble.load(Ordering::Relaxed) {
            1 => Trouble::Conflict,
            2 => Trouble::Lost,
            3 => Trouble::ReadOnly,
            4 => Trouble::Other,
            _ => Trouble::None,
        }
    }

    /// Before each try: forgets what was, and sets when its caller's time is over.
    pub fn begin(&self, until: Instant) {
        self.trouble.store(Trouble::None as u8, Ordering::Relaxed);
        if let Some(deadline) = &self.deadline {
            deadline.set(until);
        }
    }
}

fn trouble_of(error: &Error) -> Trouble {
    match error {
        Error::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => Trouble::Conflict,
        Error::DatabaseError(
            DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand,
            _,
        )
        | Error::BrokenTransactionManager => Trouble::Lost,
        Error::DatabaseError(DatabaseErrorKind::ReadOnlyTransaction, _) => Trouble::ReadOnly,
        Error::DatabaseError(DatabaseErrorKind::Unknown, _) => Trouble::Other,
        _ => Trouble::None,
    }
}

/// How what is said to the database is protected on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// It stays on this machine.
    Local,
    /// By TLS.
    Tls {
        /// `1.2` or `1.3`.
        version: &'static str,
        /// Whether the server's certificate was verified.
        verified: bool,
    },
    /// Anybody in between can read and change it.
    Plain {
        /// Whether `sslmode=disable` asks for it.
        wanted: bool,
    },
}

impl Transport {
    /// What to say of it, where nobody has asked for it to be so.
    pub fn warning(self) -> Option<&'static str> {
        (self == Transport::Plain { wanted: false }).then_some(
            "what is said to Postgres crosses a network in the clear, for its server offers no TLS: give it a certificate and \
             add sslmode=verify-full to database_url, or sslmode=disable where that network is safe",
        )
    }
}

/// As part of a sentence.
impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Transport::Local => f.write_str("on this machine"),
            Transport::Tls {
                version,
                verified: true,
            } => write!(f, "by TLS {version}, with its certificate verified"),
            Transport::Tls {
                version,
                verified: false,
            } => {
                write!(
                    f,
                    "by TLS {version}, with whoever answers (sslmode=verify-full would verify its certificate)"
                )
            }
            Transport::Plain { .. } => f.write_str("in the clear"),
        }
    }
}

/// Makes connections to one database.
pub(super) struct Connector {
    url: DatabaseUrl,
    servers: Vec<Server>,
    tls: Option<TlsOptions>,
    bridge: Option<Bridge>,
}

impl Connector {
    /// # Errors
    /// Where the URL and libpq's variables do not fit together, or the system gives no socket.
    pub fn new(url: &DatabaseUrl) -> Result<Self, StoreError> {
        let mut connector = Connector {
            url: url.clone(),
            servers: Vec::new(),
            tls: None,
            bridge: None,
        };
        if let DatabaseUrl::Postgres(url) = url {
            let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
            let unusable =
                |reason: String| StoreError::Unavailable(format!("database_url: {reason}"));
            connector.servers = url.servers(&variable).map_err(unusable)?;
            connector.tls = url.tls(&variable).map_err(unusable)?;
            if let Some(options) = connector.options() {
                let bridge = Bridge::start(&connector.servers, &options, patience(url));
                let bridge = bridge.map_err(|error| {
                    StoreError::Unavailable(format!("no socket for TLS to Postgres: {error}"))
                })?;
                connector.bridge = Some(bridge);
                connector.tls = Some(options);
            }
        }
        Ok(connector)
    }

    /// TLS where it is asked for, and where a network lies in between and nobody says otherwise.
    fn options(&self) -> Option<TlsOptions> {
        if self.servers.iter().all(Server::is_socket) {
            return None;
        }
        match &self.tls {
            Some(options) => (options.mode != SslMode::Disable).then(|| options.clone()),
            None => (!self.servers.iter().all(Server::is_local)).then_some(TlsOptions {
                mode: SslMode::Prefer,
                roots: None,
                client: None,
                direct: false,
                sni: true,
                tls12: true,
                tls13: true,
            }),
        }
    }

    /// How what is said to the database is protected, as far as a connection was made.
    pub fn transport(&self) -> Transport {
        let plain = Transport::Plain {
            wanted: self
                .tls
                .as_ref()
                .is_some_and(|options| options.mode == SslMode::Disable),
        };
        if self.servers.iter().all(Server::is_local) && self.bridge.is_none() {
            return Transport::Local;
        }
        let verified = self
            .tls
            .as_ref()
            .is_some_and(|options| options.roots.is_some());
        match self.bridge.as_ref().map_or(Seen::Nothing, Bridge::seen) {
            Seen::Tls12 => Transport::Tls {
                version: "1.2",
                verified,
            },
            Seen::Tls13 => Transport::Tls {
                version: "1.3",
                verified,
            },
            Seen::Plain if self.servers.iter().all(Server::is_local) => Transport::Local,
            Seen::Plain | Seen::Nothing => plain,
        }
    }

    pub fn connect(self: &Arc<Self>) -> Result<Session, StoreError> {
        let trouble = Arc::new(AtomicU8::new(Trouble::None as u8));
        let away = |error: ConnectionError| StoreError::Unavailable(self.told(&error));
        let database = match &self.url {
            DatabaseUrl::Sqlite(path) => {
                let mut connection =
                    SqliteConnection::establish(&path.to_string_lossy()).map_err(away)?;
                // The time-out comes first, so that the others wait for a neighbour too.
                connection.batch_execute("PRAGMA busy_timeout = 3000")?;
                write_ahead(&mut connection)?;
                // Promise 1: what was answered is on disk.
                connection.batch_execute("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON")?;
                Database::Sqlite(connection)
            }
            DatabaseUrl::Postgres(url) => {
                let mut connection = self.establish(url).map_err(away)?;
                // Statements that the server keeps by name belong to its session, and behind a pooler
                // each transaction may run in another one.
                connection.set_prepared_statement_cache_size(CacheSize::Disabled);
                let noted = trouble.clone();
                connection.set_instrumentation(move |event: InstrumentationEvent<'_>| {
                    if let InstrumentationEvent::FinishQuery {
                        error: Some(error), ..
                    } = event
                        && noted.load(Ordering::Relaxed) != Trouble::Lost as u8
                    {
                        noted.store(trouble_of(error) as u8, Ordering::Relaxed);
                    }
                });
                Database::Postgres(connection)
            }
        };
        Ok(Session {
            database,
            deadline: None,
            trouble,
            _connector: self.clone(),
        })
    }

    fn establish(&self, url: &PostgresUrl) -> Result<PgConnection, ConnectionError> {
        // A libpq that knows TLS by itself is not to speak it too.
        let mut replaced = vec![
            ("sslmode", "disable".to_owned()),
            ("gssencmode", "disable".to_owned()),
            ("sslrootcert", String::new()),
        ];
        // A server that went away without a word must not hang a connection for minutes.
        for (name, value) in [
            ("connect_timeout", "2"),
            ("tcp_user_timeout", "4000"),
            ("keepalives_idle", "5"),
            ("keepalives_interval", "2"),
            ("application_name", "keyward"),
        ] {
            if url.get(name).is_none() {
                replaced.push((name, value.to_owned()));
            }
        }
        let Some(bridge) = &self.bridge else {
            return PgConnection::establish(&url.for_libpq(&replaced));
        };
        // A server that offers no TLS, and need not, is spoken to without the detour from then on.
        if self.servers.len() == 1 && bridge.seen() == Seen::Plain {
            return PgConnection::establish(&url.for_libpq(&replaced))
                .inspect_err(|_| bridge.forget());
        }
        let number = |(index, server): (usize, &Server)| match server.is_socket() {
            true => (server.host.clone(), server.port.to_string()),
            false => (bridge.host.clone(), (index + 1).to_string()),
        };
        let (hosts, ports): (Vec<_>, Vec<_>) = self.servers.iter().enumerate().map(number).unzip();
        replaced.extend([
            ("host", hosts.join(",")),
            ("hostaddr", String::new()),
            ("port", ports.join(",")),
        ]);
        PgConnection::establish(&url.for_libpq(&replaced))
    }

    /// What libpq says, without the bridge in between.
    fn told(&self, error: &ConnectionError) -> String {
        let text = error.to_string();
        let Some(bridge) = &self.bridge else {
            return text.trim().to_owned();
        };
        let lines = text
            .trim()
            .lines()
            .map(|line| match line.split_once(" failed: ") {
                Some((to, reason)) if to.contains(&bridge.host) => {
                    reason.trim_start_matches("FATAL:").trim()
                }
                _ => line,
            });
        lines.collect::<Vec<_>>().join("; ")
    }
}

fn patience(url: &PostgresUrl) -> Patience {
    let least = Patience::default();
    let number = |name: &str| {
        url.get(name)
            .and_then(|value| value.trim().parse::<u64>().ok())
            .filter(|number| *number > 0)
    };
    Patience {
        connect: number("connect_timeout").map_or(least.connect, Duration::from_secs),
        unacknowledged: number("tcp_user_timeout")
            .map_or(least.unacknowledged, Duration::from_millis),
        keepalive_idle: number("keepalives_idle").map_or(least.keepalive_idle, Duration::from_secs),
    }
}

impl DatabaseUrl {
    /// One connection, outside of the pools.
    pub(super) fn connect(&self) -> Result<Session, StoreError> {
        Arc::new(Connector::new(self)?).connect()
    }

    /// Whether there is no database of Keyward's yet: no file, or one without tables. Changes nothing.
    ///
    /// # Errors
    /// Where it holds something else, or gives no answer.
    pub fn is_missing(&self) -> Result<bool, StoreError> {
        match self {
            DatabaseUrl::Sqlite(path) => Ok(!holds_keyward(path)?),
            DatabaseUrl::Postgres(_) => {
                Ok(applied_migrations(&mut self.connect()?.database)?.is_none())
            }
        }
    }

    /// What to say where it gave no answer; the error is about the setting.
    pub fn explain(&self, error: &StoreError) -> crate::error::Error {
        let reason = match error {
            StoreError::Missing => format!(
                "there is no database at {self}; `keyward serve` or `keyward migrate` makes one"
            ),
            error => format!("{self}: {error}"),
        };
        crate::error::Error::unavailable(reason).field("database_url")
    }

    /// A SQLite file belongs to its owner alone. One that holds something else is not touched.
    pub(super) fn prepare(&self, if_missing: IfMissing) -> Result<(), StoreError> {
        let DatabaseUrl::Sqlite(path) = self else {
            return Ok(());
        };
        if !holds_keyward(path)? {
            if if_missing == IfMissing::Refuse {
                return Err(StoreError::Missing);
            }
            self.prepare_folder()?;
            tracing::info!(file = %path.display(), "this database is new");
            create_private(path).map_err(|error| unusable(path, &error))?;
        }
        make_private(path);
        Ok(())
    }

    /// The folder of a SQLite file belongs to its owner alone, too. It is made where it is not there, but no
    /// folder around it: that is most likely a mistyped path.
    pub(super) fn prepare_folder(&self) -> Result<(), StoreError> {
        let DatabaseUrl::Sqlite(path) = self else {
            return Ok(());
        };
        match path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
        {
            Some(folder) if !folder.is_dir() => {
                match std::fs::DirBuilder::new().mode(0o700).create(folder) {
                    Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                        Err(unusable(folder, &error))
                    }
                    _ => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }
}

fn unusable(path: &Path, reason: &dyn fmt::Display) -> StoreError {
    StoreError::Unavailable(format!("{}: {reason}", path.display()))
}

/// Whether this file is a database of Keyward's. `false` where there is no file, or nothing in it.
fn holds_keyward(path: &Path) -> Result<bool, StoreError> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(unusable(path, &error)),
        Ok(metadata) if !metadata.is_file() => return Err(unusable(path, &"this is no file")),
        Ok(metadata) if metadata.len() == 0 => return Ok(false),
        Ok(_) => {}
    }
    let strange = |reason: &dyn fmt::Display| {
        unusable(path, &format!("this is no database of Keyward's: {reason}"))
    };
    let mut connection = SqliteConnection::establish(&path.to_string_lossy())
        .map_err(|error| unusable(path, &error))?;
    // Nothing that writes: the file may be anybody's.
    connection.batch_execute("PRAGMA busy_timeout = 3000")?;
    let tables = sql_query("SELECT name FROM sqlite_master WHERE type = 'table'")
        .load::<Name>(&mut connection);
    let tables = match tables {
        Ok(tables) => tables,
        Err(Error::DatabaseError(_, reason)) if reason.message().contains("not a database") => {
            return Err(strange(&reason.message()));
        }
        Err(error) => return Err(unusable(path, &error)),
    };
    let known = |name: &&str| tables.iter().any(|table| table.name == **name);
    match KEYWARD_TABLES.iter().find(|name| !known(name)) {
        None => Ok(true),
        Some(_) if tables.is_empty() => Ok(false),
        Some(missing) => Err(strange(&format!("it has no table {missing}"))),
    }
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

/// Of several connections that do this to a new file at once, SQLite refuses all but one without a wait.
fn write_ahead(connection: &mut SqliteConnection) -> Result<(), Error> {
    let started = Instant::now();
    loop {
        match connection.batch_execute("PRAGMA journal_mode = WAL") {
            Err(Error::DatabaseError(_, reason))
                if reason.message().contains("locked")
                    && started.elapsed() < Duration::from_secs(3) =>
            {
                std::thread::sleep(Duration::from_millis(5));
            }
            result => return result,
        }
    }
}

fn create_private(path: &Path) -> std::io::Result<()> {
    std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .map(drop)
}

/// A database that was copied into place by hand may be readable by others. SQLite gives its write-ahead log
/// the permissions of the file.
fn make_private(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let Ok(mode) = std::fs::metadata(path).map(|metadata| metadata.permissions().mode()) else {
        return;
    };
    if mode & 0o077 == 0 {
        return;
    }
    match std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)) {
        Ok(()) => {
            tracing::warn!(file = %path.display(), mode = format!("{:o}", mode & 0o777), "others could read this database; its mode is 600 now")
        }
        Err(error) => {
            tracing::warn!(file = %path.display(), %error, "others can read this database: chmod 600")
        }
    }
}

/// Makes and changes the tables where that is pending. Where nothing is, nothing is written: a database that
/// takes no changes can be read.
pub(super) fn bring_up_to_date(
    session: &mut Session,
    if_missing: IfMissing,
) -> Result<(), StoreError> {
    match applied_migrations(&mut session.database)? {
        None if if_missing == IfMissing::Refuse => Err(StoreError::Missing),
        Some(applied) if pending(&mut session.database, &applied)? == 0 => Ok(()),
        _ => migrate(session),
    }
}

/// Nodes that start at once wait for each other here.
pub(super) fn migrate(session: &mut Session) -> Result<(), StoreError> {
    let migrated = transaction(session, |database| {
        match database {
            // "KEYWARD" in ASCII.
            Database::Postgres(connection) => {
                connection.batch_execute("SELECT pg_advisory_xact_lock(21182344966492740)")?
            }
            Database::Sqlite(connection) => connection.batch_execute("PRAGMA user_version = 1")?,
        }
        if let Some(applied) = applied_migrations(database)? {
            pending(database, &applied)?;
        }
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
            StoreError::Fault(format!("migrations: {error}"))
        };
        database
            .run_pending_migrations(MIGRATIONS)
            .map(drop)
            .map_err(failed)
    });
    migrated.map_err(|failed| match session.trouble() {
        Trouble::ReadOnly => StoreError::Unavailable(
            "it is read-only, and its tables are not those of this version of Keyward yet"
                .to_owned(),
        ),
        _ => failed.into_error(),
    })
}

/// The versions of the migrations that were applied; `None` where the database has no tables yet.
fn applied_migrations(database: &mut Database) -> Result<Option<Vec<String>>, StoreError> {
    let there = match database {
        Database::Sqlite(_) => {
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name = '__diesel_schema_migrations'"
        }
        Database::Postgres(_) => {
            "SELECT name FROM (SELECT to_regclass('__diesel_schema_migrations')::text AS name) AS found \
                                  WHERE name IS NOT NULL"
        }
    };
    if sql_query(there).load::<Name>(database)?.is_empty() {
        return Ok(None);
    }
    let applied = sql_query("SELECT version AS name FROM __diesel_schema_migrations")
        .load::<Name>(database)?;
    Ok(Some(applied.into_iter().map(|row| row.name).collect()))
}

/// How many migrations are to be applied yet. What a newer Keyward has made of the tables, this one cannot know
/// how to keep.
fn pending(database: &mut Database, applied: &[String]) -> Result<usize, StoreError> {
    let known = match database {
        Database::Sqlite(_) => versions::<diesel::sqlite::Sqlite>(),
        Database::Postgres(_) => versions::<diesel::pg::Pg>(),
    };
    let known = known.map_err(|error| StoreError::Fault(format!("migrations: {error}")))?;
    match applied.iter().find(|version| !known.contains(version)) {
        None => Ok(known
            .iter()
            .filter(|version| !applied.contains(version))
            .count()),
        Some(version) => Err(StoreError::Fault(format!(
            "a newer Keyward has changed its tables ({version}), which this one does not know: start the newer one"
        ))),
    }
}

fn versions<B: diesel::backend::Backend>() -> diesel::migration::Result<Vec<String>> {
    let known: Vec<Box<dyn Migration<B>>> = MIGRATIONS.migrations()?;
    Ok(known
        .iter()
        .map(|migration| migration.name().version().to_string())
        .collect())
}
