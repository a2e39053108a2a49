//! One connection, to SQLite or to Postgres, and how it is made.

use std::fmt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::{StoreError, in_transaction};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

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
    /// `postgres://…`, as libpq reads it.
    Postgres(String),
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
            return Ok(DatabaseUrl::Postgres(text.to_owned()));
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
            DatabaseUrl::Postgres(text) => match url::Url::parse(text) {
                Ok(mut url) => {
                    let hidden = url.password().is_none() || url.set_password(Some("***")).is_ok();
                    let secret_in_query = url.query_pairs().any(|(name, _)| name == "password" || name == "sslpassword");
                    if !hidden || secret_in_query {
                        url.set_query(None);
                    }
                    f.write_str(url.as_str())
                }
                Err(_) => f.write_str("postgres://…"),
            },
        }
    }
}

impl DatabaseUrl {
    pub(super) fn connect(&self) -> Result<Database, StoreError> {
        let away = |error: diesel::ConnectionError| StoreError::Unavailable(error.to_string());
        match self {
            DatabaseUrl::Sqlite(path) => {
                let mut connection = SqliteConnection::establish(&path.to_string_lossy()).map_err(away)?;
                // Promise 1: what was answered is on disk. The time-out comes first, so that the
                // others wait for a neighbour too.
                connection.batch_execute(
                    "PRAGMA busy_timeout = 3000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;",
                )?;
                Ok(Database::Sqlite(connection))
            }
            DatabaseUrl::Postgres(url) => Ok(Database::Postgres(PgConnection::establish(&with_timeouts(url)).map_err(away)?)),
        }
    }

    /// Whether opening it makes a new SQLite file.
    pub fn is_new(&self) -> bool {
        matches!(self, DatabaseUrl::Sqlite(path) if !path.exists())
    }

    /// A new SQLite file belongs to its owner alone.
    pub(super) fn prepare(&self) -> Result<(), StoreError> {
        self.prepare_folder()?;
        let DatabaseUrl::Sqlite(path) = self else { return Ok(()) };
        let unusable = |error: std::io::Error| StoreError::Unavailable(format!("{}: {error}", path.display()));
        if self.is_new() {
            tracing::info!(file = %path.display(), "this database is new");
        }
        create_private(path).map_err(unusable)?;
        make_private(path);
        Ok(())
    }

    /// The folder of a SQLite file belongs to its owner alone, too.
    pub(super) fn prepare_folder(&self) -> Result<(), StoreError> {
        let DatabaseUrl::Sqlite(path) = self else { return Ok(()) };
        let unusable = |error: std::io::Error| StoreError::Unavailable(format!("{}: {error}", path.display()));
        match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            Some(folder) => std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(unusable),
            None => Ok(()),
        }
    }
}

fn create_private(path: &Path) -> std::io::Result<()> {
    std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path).map(drop)
}

/// A database that was copied into place by hand may be readable by others. SQLite gives its write-ahead log
/// the permissions of the file.
fn make_private(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let Ok(mode) = std::fs::metadata(path).map(|metadata| metadata.permissions().mode()) else { return };
    if mode & 0o077 == 0 {
        return;
    }
    match std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)) {
        Ok(()) => {
            tracing::warn!(file = %path.display(), mode = format!("{:o}", mode & 0o777), "others could read this database; its mode is 600 now")
        }
        Err(error) => tracing::warn!(file = %path.display(), %error, "others can read this database: chmod 600"),
    }
}

/// A server that went away without a word must not hang a connection for minutes.
fn with_timeouts(url: &str) -> String {
    let mut url = url.to_owned();
    for (name, value) in
        [("connect_timeout", "2"), ("tcp_user_timeout", "4000"), ("keepalives_idle", "5"), ("application_name", "keyward")]
    {
        if !url.contains(&format!("{name}=")) {
            let sign = if url.contains('?') { '&' } else { '?' };
            url.push_str(&format!("{sign}{name}={value}"));
        }
    }
    url
}

/// Nodes that start at once wait for each other here.
pub(super) fn migrate(connection: &mut Database) -> Result<(), StoreError> {
    in_transaction(connection, |connection| {
        match connection {
            // "KEYWARD" in ASCII.
            Database::Postgres(connection) => connection.batch_execute("SELECT pg_advisory_xact_lock(21182344966492740)")?,
            Database::Sqlite(connection) => connection.batch_execute("PRAGMA user_version = 1")?,
        }
        connection.run_pending_migrations(MIGRATIONS).map(drop).map_err(|error| StoreError::Fault(format!("migrations: {error}")))
    })
}
