//! One connection, to SQLite or Postgres, and how it is established.

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
use super::postgres_tls::{Bridge, Observed, Timeouts};
use super::postgres_url::{InvalidUrl, PostgresUrl, Server, SslMode, TlsOptions};
use super::{StoreError, search_key, transaction};

pub(super) const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

/// The tables by which a SQLite file is recognised as a database of any version of Keyward.
pub(super) const KEYWARD_TABLES: [&str; 3] = ["__diesel_schema_migrations", "clients", "changes"];

/// What to do if the database does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfMissing {
    /// Create it.
    Create,
    /// Return an error.
    Refuse,
}

/// One connection to either database; the queries are the same.
#[derive(diesel::MultiConnection)]
pub enum Database {
    /// A SQLite file on this machine.
    Sqlite(SqliteConnection),
    /// A Postgres server, which many nodes can share.
    Postgres(PgConnection),
}

/// The URL of a database.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// `sqlite://PATH`
    Sqlite(PathBuf),
    /// `postgres://…`
    Postgres(PostgresUrl),
}

impl std::str::FromStr for DatabaseUrl {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        if let Some(path) = text.strip_prefix("sqlite://")
            && !path.is_empty()
        {
            return Ok(DatabaseUrl::Sqlite(PathBuf::from(path)));
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return text.parse().map(DatabaseUrl::Postgres);
        }
        Err(InvalidUrl::new("write sqlite://PATH or postgres://…"))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Leaves the password out.
impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DatabaseUrl::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            DatabaseUrl::Postgres(url) => write!(f, "{url}"),
        }
    }
}

/// The last failure of a statement on a connection during the current try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// No statement failed, or the database is SQLite, which waits for other writers by itself.
    None = 0,
    /// A statement conflicted with another transaction (SQLSTATE 40001).
    Conflict = 1,
    /// The connection broke.
    Lost = 2,
    /// The server accepts no writes on this connection.
    ReadOnly = 3,
    /// A statement failed for a reason that diesel has no kind for: a deadlock, a full disk, an
    /// internal error.
    Other = 4,
}

/// A connection and the failure of its last try.
pub(super) struct Session {
    pub database: Database,
    /// The deadline, on connections whose statements are cancelled.
    pub deadline: Option<Deadline>,
    /// Until when the caller waits, if it does not wait to the end.
    pub until: Option<Instant>,
    failure: Arc<AtomicU8>,
    /// The TLS bridge must live as long as the connection.
    _connector: Arc<Connector>,
}

impl Session {
    pub fn failure(&self) -> Failure {
        match self.failure.load(Ordering::Relaxed) {
            1 => Failure::Conflict,
            2 => Failure::Lost,
            3 => Failure::ReadOnly,
            4 => Failure::Other,
            _ => Failure::None,
        }
    }

    /// Starts a try: resets the failure, and sets the deadline.
    pub fn begin(&mut self, until: Instant) {
        self.until = Some(until);
        self.failure.store(Failure::None as u8, Ordering::Relaxed);
        if let Some(deadline) = &self.deadline {
            deadline.set(until);
        }
    }
}

fn failure_of(error: &Error) -> Failure {
    match error {
        Error::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => Failure::Conflict,
        Error::DatabaseError(
            DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand,
            _,
        )
        | Error::BrokenTransactionManager => Failure::Lost,
        Error::DatabaseError(DatabaseErrorKind::ReadOnlyTransaction, _) => Failure::ReadOnly,
        Error::DatabaseError(DatabaseErrorKind::Unknown, _) => Failure::Other,
        _ => Failure::None,
    }
}

/// How the connection to the database is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// It does not leave this machine.
    Local,
    /// It uses TLS.
    Tls {
        /// `1.2` or `1.3`.
        version: &'static str,
        /// Whether the server's certificate was verified.
        verified: bool,
    },
    /// It crosses a network unencrypted.
    Plain {
        /// Whether the URL asks for that with `sslmode=disable`.
        requested: bool,
    },
}

impl Transport {
    /// The warning to log, if the connection is unencrypted and the operator has not asked for
    /// that.
    pub fn warning(self) -> Option<&'static str> {
        (self == Transport::Plain { requested: false }).then_some(
            "the connection to Postgres crosses a network in the clear, since the server offers no TLS: give it a certificate and \
             add sslmode=verify-full to database_url, or sslmode=disable if the network is trusted",
        )
    }
}

/// A phrase such as `by TLS 1.3, with its certificate verified`.
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
                    "by TLS {version}, without verification of the certificate (sslmode=verify-full would verify it)"
                )
            }
            Transport::Plain { .. } => f.write_str("in the clear"),
        }
    }
}

/// Opens connections to one database.
pub(super) struct Connector {
    url: DatabaseUrl,
    servers: Vec<Server>,
    tls: Option<TlsOptions>,
    bridge: Option<Bridge>,
}

impl Connector {
    /// # Errors
    /// [`StoreError`] if the URL contradicts libpq's environment variables, or the operating system
    /// gives no socket.
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
                |error: InvalidUrl| StoreError::Unavailable(format!("database_url: {error}"));
            connector.servers = url.servers(&variable).map_err(unusable)?;
            connector.tls = url.tls(&variable).map_err(unusable)?;
            if let Some(options) = connector.options() {
                let bridge = Bridge::start(&connector.servers, &options, timeouts(url));
                let bridge = bridge.map_err(|error| {
                    StoreError::Unavailable(format!("no socket for TLS to Postgres: {error}"))
                })?;
                connector.bridge = Some(bridge);
                connector.tls = Some(options);
            }
        }
        Ok(connector)
    }

    /// The TLS options: as configured, and `sslmode=prefer` for a server that is not on this
    /// machine.
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

    /// How the last connection was protected.
    pub fn transport(&self) -> Transport {
        let plain = Transport::Plain {
            requested: self
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
        match self
            .bridge
            .as_ref()
            .map_or(Observed::Nothing, Bridge::observed)
        {
            Observed::Tls12 => Transport::Tls {
                version: "1.2",
                verified,
            },
            Observed::Tls13 => Transport::Tls {
                version: "1.3",
                verified,
            },
            Observed::Plain if self.servers.iter().all(Server::is_local) => Transport::Local,
            Observed::Plain | Observed::Nothing => plain,
        }
    }

    pub fn connect(self: &Arc<Self>) -> Result<Session, StoreError> {
        self.set_up(None)
    }

    /// Like [`Connector::connect`], on the connection to the SQLite file that [`DatabaseUrl::prepare`]
    /// returned.
    pub fn set_up(
        self: &Arc<Self>,
        opened: Option<SqliteConnection>,
    ) -> Result<Session, StoreError> {
        let failure = Arc::new(AtomicU8::new(Failure::None as u8));
        let away = |error: ConnectionError| StoreError::Unavailable(self.describe(&error));
        let database = match &self.url {
            DatabaseUrl::Sqlite(path) => {
                let establish = || SqliteConnection::establish(&path.to_string_lossy());
                let mut connection = opened.map_or_else(establish, Ok).map_err(away)?;
                // The timeout comes first, so that the following statements wait for other
                // connections too.
                connection.batch_execute("PRAGMA busy_timeout = 3000")?;
                write_ahead(&mut connection)?;
                // What has been confirmed to a client must be on disk.
                connection.batch_execute("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON")?;
                Database::Sqlite(connection)
            }
            DatabaseUrl::Postgres(url) => {
                let mut connection = self.establish(url).map_err(away)?;
                // Prepared statements belong to a session of the server, and behind a transaction
                // pooler each transaction may run in another session.
                connection.set_prepared_statement_cache_size(CacheSize::Disabled);
                let recorded = failure.clone();
                connection.set_instrumentation(move |event: InstrumentationEvent<'_>| {
                    if let InstrumentationEvent::FinishQuery {
                        error: Some(error), ..
                    } = event
                        && recorded.load(Ordering::Relaxed) != Failure::Lost as u8
                    {
                        recorded.store(failure_of(error) as u8, Ordering::Relaxed);
                    }
                });
                Database::Postgres(connection)
            }
        };
        Ok(Session {
            database,
            deadline: None,
            until: None,
            failure,
            _connector: self.clone(),
        })
    }

    fn establish(&self, url: &PostgresUrl) -> Result<PgConnection, ConnectionError> {
        // A libpq that supports TLS must not add its own.
        let mut replaced = vec![
            ("sslmode", "disable".to_owned()),
            ("gssencmode", "disable".to_owned()),
            ("sslrootcert", String::new()),
        ];
        // A server that vanishes without closing its connections must not block them for minutes.
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
        // A server that offers no TLS, where none is required, is contacted directly from then on.
        if self.servers.len() == 1 && bridge.observed() == Observed::Plain {
            return PgConnection::establish(&url.for_libpq(&replaced))
                .inspect_err(|_| bridge.reset_observed());
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

    /// The error message of libpq, without the address of the bridge.
    fn describe(&self, error: &ConnectionError) -> String {
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

fn timeouts(url: &PostgresUrl) -> Timeouts {
    let default = Timeouts::default();
    let number = |name: &str| {
        url.get(name)
            .and_then(|value| value.trim().parse::<u64>().ok())
            .filter(|number| *number > 0)
    };
    Timeouts {
        connect: number("connect_timeout").map_or(default.connect, Duration::from_secs),
        unacknowledged: number("tcp_user_timeout")
            .map_or(default.unacknowledged, Duration::from_millis),
        keepalive_idle: number("keepalives_idle")
            .map_or(default.keepalive_idle, Duration::from_secs),
    }
}

impl DatabaseUrl {
    /// Opens one connection, outside of the pools.
    pub(super) fn connect(&self) -> Result<Session, StoreError> {
        Arc::new(Connector::new(self)?).connect()
    }

    /// Whether there is no database of Keyward yet: no file, or one without tables. Changes
    /// nothing.
    ///
    /// # Errors
    /// [`StoreError`] if the file is something else, or the database did not answer.
    pub fn is_missing(&self) -> Result<bool, StoreError> {
        match self {
            DatabaseUrl::Sqlite(path) => Ok(open_keyward(path)?.is_none()),
            DatabaseUrl::Postgres(_) => {
                Ok(applied_migrations(&mut self.connect()?.database)?.is_none())
            }
        }
    }

    /// The error to show for the setting `database_url`.
    pub fn explain(&self, error: &StoreError) -> crate::error::Error {
        let reason = match error {
            StoreError::Missing => format!(
                "there is no database at {self}; `keyward serve` or `keyward migrate` makes one"
            ),
            error => format!("{self}: {error}"),
        };
        crate::error::Error::unavailable(reason).field("database_url")
    }

    /// Creates a SQLite file, which only its owner can read. A file that is something else is not
    /// touched. Returns the connection to a SQLite file that existed.
    pub(super) fn prepare(
        &self,
        if_missing: IfMissing,
    ) -> Result<Option<SqliteConnection>, StoreError> {
        let DatabaseUrl::Sqlite(path) = self else {
            return Ok(None);
        };
        let opened = open_keyward(path)?;
        if opened.is_none() {
            if if_missing == IfMissing::Refuse {
                return Err(StoreError::Missing);
            }
            self.prepare_folder()?;
            tracing::info!(file = %path.display(), "creating the database");
            create_private(path).map_err(|error| unusable(path, &error))?;
        }
        make_private(path);
        Ok(opened)
    }

    /// Creates the folder of a SQLite file, which only its owner can read, but not its parent
    /// folders: if they are missing, the path is most likely mistyped.
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

/// A connection to the file, if it is a database of Keyward. `None` if there is no file, or it is empty.
fn open_keyward(path: &Path) -> Result<Option<SqliteConnection>, StoreError> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(path, &error)),
        Ok(metadata) if !metadata.is_file() => return Err(unusable(path, &"this is no file")),
        Ok(metadata) if metadata.len() == 0 => return Ok(None),
        Ok(_) => {}
    }
    let foreign = |reason: &dyn fmt::Display| {
        unusable(path, &format!("this is no database of Keyward's: {reason}"))
    };
    let mut connection = SqliteConnection::establish(&path.to_string_lossy())
        .map_err(|error| unusable(path, &error))?;
    // Read only: the file may belong to another program.
    connection.batch_execute("PRAGMA busy_timeout = 3000")?;
    let tables = sql_query("SELECT name FROM sqlite_master WHERE type = 'table'")
        .load::<Name>(&mut connection);
    let tables = match tables {
        Ok(tables) => tables,
        Err(Error::DatabaseError(_, reason)) if reason.message().contains("not a database") => {
            return Err(foreign(&reason.message()));
        }
        Err(error) => return Err(unusable(path, &error)),
    };
    let known = |name: &&str| tables.iter().any(|table| table.name == **name);
    match KEYWARD_TABLES.iter().find(|name| !known(name)) {
        None => Ok(Some(connection)),
        Some(_) if tables.is_empty() => Ok(None),
        Some(missing) => Err(foreign(&format!("it has no table {missing}"))),
    }
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

/// Switches to write-ahead logging. If several connections do this to a new file at once, SQLite
/// refuses all but one without waiting.
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

/// Makes the file private: a database that was copied into place may be readable by others. SQLite
/// gives its write-ahead log the permissions of the file.
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
            tracing::warn!(file = %path.display(), mode = format!("{:o}", mode & 0o777), "the database was readable by other users; set its mode to 600")
        }
        Err(error) => {
            tracing::warn!(file = %path.display(), %error, "the database is readable by other users; run chmod 600")
        }
    }
}

/// Runs pending migrations. If there are none, nothing is written, so that a read-only database can
/// be read.
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

/// Runs pending migrations. Nodes that start at the same time wait for each other.
pub(super) fn migrate(session: &mut Session) -> Result<(), StoreError> {
    let migrated = transaction(session, &|database| {
        // On SQLite the transaction has the lock already.
        if let Database::Postgres(connection) = database {
            // "KEYWARD" in ASCII.
            connection.batch_execute("SELECT pg_advisory_xact_lock(21182344966492740)")?;
        }
        if let Some(applied) = applied_migrations(database)? {
            pending(database, &applied)?;
        }
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
            StoreError::Internal(format!("migrations: {error}"))
        };
        database
            .run_pending_migrations(MIGRATIONS)
            .map(drop)
            .map_err(failed)
    });
    // In transactions of their own: the tables that were altered are locked no longer, so that other
    // nodes go on. What is not filled if this is cut off, the leader fills.
    let filled = migrated.and_then(|()| {
        while transaction(session, &search_key::fill)? > 0 {}
        Ok(())
    });
    filled.map_err(|failed| match session.failure() {
        Failure::ReadOnly => StoreError::Unavailable(
            "it is read-only, and its tables are not those of this version of Keyward yet"
                .to_owned(),
        ),
        _ => failed.into_error(),
    })
}

/// The versions of the migrations that were applied; `None` if the database has no tables yet.
fn applied_migrations(database: &mut Database) -> Result<Option<Vec<String>>, StoreError> {
    let exists = match database {
        Database::Sqlite(_) => {
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name = '__diesel_schema_migrations'"
        }
        Database::Postgres(_) => {
            "SELECT name FROM (SELECT to_regclass('__diesel_schema_migrations')::text AS name) AS found \
                                  WHERE name IS NOT NULL"
        }
    };
    if sql_query(exists).load::<Name>(database)?.is_empty() {
        return Ok(None);
    }
    let applied = sql_query("SELECT version AS name FROM __diesel_schema_migrations")
        .load::<Name>(database)?;
    Ok(Some(applied.into_iter().map(|row| row.name).collect()))
}

/// How many migrations are pending. Fails if a newer version of Keyward has migrated the database,
/// since this version does not know its tables.
fn pending(database: &mut Database, applied: &[String]) -> Result<usize, StoreError> {
    let known = match database {
        Database::Sqlite(_) => versions::<diesel::sqlite::Sqlite>(),
        Database::Postgres(_) => versions::<diesel::pg::Pg>(),
    };
    let known = known.map_err(|error| StoreError::Internal(format!("migrations: {error}")))?;
    match applied.iter().find(|version| !known.contains(version)) {
        None => Ok(known
            .iter()
            .filter(|version| !applied.contains(version))
            .count()),
        Some(version) => Err(StoreError::Internal(format!(
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_selects_the_database() {
        for (text, shown) in [
            ("sqlite://data/keyward.db", Some("sqlite://data/keyward.db")),
            (
                "sqlite:///var/lib/keyward.db",
                Some("sqlite:///var/lib/keyward.db"),
            ),
            (
                "postgres://db.example/keyward",
                Some("postgres://db.example/keyward"),
            ),
            (
                "postgresql://ada:secret@db.example/k",
                Some("postgres://ada:***@db.example/k"),
            ),
            ("sqlite://", None),
            ("sqlite:data.db", None),
            ("mysql://db.example/keyward", None),
            ("POSTGRES://db.example/keyward", None),
            ("", None),
        ] {
            let url = text.parse::<DatabaseUrl>().ok();
            assert_eq!(url.map(|url| url.to_string()).as_deref(), shown, "{text}");
        }
    }

    #[test]
    fn the_transport_is_described() {
        let tls = |verified| Transport::Tls {
            version: "1.3",
            verified,
        };
        for (transport, description, warned) in [
            (Transport::Local, "on this machine", false),
            (
                tls(true),
                "by TLS 1.3, with its certificate verified",
                false,
            ),
            (
                tls(false),
                "by TLS 1.3, without verification of the certificate (sslmode=verify-full would verify it)",
                false,
            ),
            (Transport::Plain { requested: true }, "in the clear", false),
            (Transport::Plain { requested: false }, "in the clear", true),
        ] {
            assert_eq!(transport.to_string(), description);
            assert_eq!(transport.warning().is_some(), warned, "{description}");
        }
    }
}
