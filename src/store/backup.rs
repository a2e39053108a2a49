//! Backup and restore of a SQLite database while it is in use.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use super::audit::{self, AuditEntry};
use super::connection::{KEYWARD_TABLES, migrate};
use super::{Database, DatabaseUrl, Failed, StoreError, transaction};
use crate::clock::Timestamp;
use crate::error::{Code, Error};

/// What a restore does with a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Treatment {
    /// The rows of the backup replace the current ones.
    Replace,
    /// The rows of the backup are added to the current ones, which take precedence.
    Merge,
    /// The current rows stay.
    Keep,
    /// All rows are deleted.
    Clear,
}

/// Every table. A restore never undoes a revocation, the use of an assertion or an audit entry. The
/// current signing keys stay, since they have signed the current tokens.
const TABLES: &[(&str, Treatment)] = &[
    ("accounts", Treatment::Replace),
    ("clients", Treatment::Replace),
    ("client_secrets", Treatment::Replace),
    ("api_keys", Treatment::Replace),
    ("resource_servers", Treatment::Replace),
    ("registration_tokens", Treatment::Replace),
    ("trust_rules", Treatment::Replace),
    ("users", Treatment::Replace),
    // After the users: the rows of those that are replaced go with them.
    ("memberships", Treatment::Replace),
    ("announcements", Treatment::Replace),
    // A notice that was dismissed is not shown again.
    ("dismissed_announcements", Treatment::Merge),
    ("audit", Treatment::Merge),
    ("tokens", Treatment::Merge),
    ("revocations", Treatment::Merge),
    ("client_assertions", Treatment::Merge),
    ("revoked_api_keys", Treatment::Merge),
    ("signing_keys", Treatment::Keep),
    ("deployment", Treatment::Keep),
    ("counters", Treatment::Keep),
    ("server_hours", Treatment::Keep),
    ("busiest_clients", Treatment::Keep),
    ("usage_counters", Treatment::Keep),
    ("usage_origins", Treatment::Keep),
    // Of the version before, for its nodes during an upgrade.
    ("counts", Treatment::Keep),
    ("clock", Treatment::Keep),
    ("leader", Treatment::Keep),
    ("nodes", Treatment::Keep),
    // One that was deleted since the backup must get no events again.
    ("webhooks", Treatment::Keep),
    ("webhook_deliveries", Treatment::Keep),
    // What waits is sent; nothing that was sent before the backup is sent again.
    ("mails", Treatment::Keep),
    ("changes", Treatment::Keep),
    ("change_counter", Treatment::Keep),
    ("__diesel_schema_migrations", Treatment::Keep),
    ("sessions", Treatment::Clear),
    ("invitations", Treatment::Clear),
    ("account_invitations", Treatment::Clear),
    ("idempotency_keys", Treatment::Clear),
];

/// Parts of the names of temporary files.
const PARTIAL: &str = "partial";
const STAGED: &str = "restore";

/// The outcome of a restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restored {
    /// There was no database; it was created from the backup.
    Created,
    /// The rows of the backup replaced those of an existing database, which may be in use.
    Replaced,
}

fn sqlite(url: &DatabaseUrl) -> Result<&Path, Error> {
    match url {
        DatabaseUrl::Sqlite(path) => Ok(path),
        DatabaseUrl::Postgres(_) => Err(Error::new(
            Code::InvalidRequest,
            "This is for SQLite; a Postgres database has pg_dump and pg_restore",
        )),
    }
}

fn file_error(path: &Path) -> impl Fn(std::io::Error) -> Error {
    let path = path.display().to_string();
    move |error| Error::server_error(format!("{path}: {error}"))
}

fn sql(database: &mut Database, sql: &str) -> Result<usize, StoreError> {
    Ok(diesel::sql_query(sql).execute(database)?)
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

fn names(database: &mut Database, query: &str) -> Result<Vec<String>, StoreError> {
    let rows: Vec<Name> = diesel::sql_query(query).load(database)?;
    Ok(rows.into_iter().map(|row| row.name).collect())
}

/// Writes a consistent copy of the database to a new file that only its owner can read.
///
/// The copy is complete and on disk when this returns; until then it has a temporary name.
///
/// # Errors
/// [`Error`] if the database is not SQLite, the file exists already, or one of them cannot be read
/// or written.
pub fn backup(url: &DatabaseUrl, file: &Path) -> Result<(), Error> {
    sqlite(url)?;
    if file.exists() {
        return Err(Error::new(
            Code::Conflict,
            format!(
                "{} exists already; a backup never overwrites a file",
                file.display()
            ),
        ));
    }
    if url.is_missing()? {
        return Err(url.explain(&StoreError::Missing));
    }
    let mut session = url.connect()?;
    remove_stale(file, PARTIAL);
    let draft = beside(file, PARTIAL);
    let done = copy(&mut session.database, &draft).and_then(|_lock| publish(&draft, file));
    if done.is_err() {
        // Best effort: the caller gets the first error.
        let _ = std::fs::remove_file(&draft);
    }
    done
}

fn beside(file: &Path, word: &str) -> PathBuf {
    file.with_file_name(format!("{}{}", prefix(file, word), std::process::id()))
}

fn prefix(file: &Path, word: &str) -> String {
    format!(
        ".{}.{word}-",
        file.file_name().unwrap_or_default().to_string_lossy()
    )
}

/// Removes the temporary files of processes that were killed. A running process holds a lock on its
/// file.
fn remove_stale(file: &Path, word: &str) {
    let prefix = prefix(file, word);
    for entry in std::fs::read_dir(folder_of(file))
        .into_iter()
        .flatten()
        .flatten()
    {
        let process = entry
            .file_name()
            .to_str()
            .and_then(|name| name.strip_prefix(&prefix))
            .map(str::to_owned);
        if process.is_some_and(|process| process.bytes().all(|byte| byte.is_ascii_digit()))
            && File::open(entry.path()).is_ok_and(|stale| stale.try_lock().is_ok())
        {
            // Best effort: the next one tries again.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn folder_of(file: &Path) -> &Path {
    file.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// Copies the database with `VACUUM INTO`, which reads one snapshot and needs an empty file.
/// Returns the lock that marks the copy as in use: see [`remove_stale`].
fn copy(from: &mut Database, to: &Path) -> Result<File, Error> {
    let draft = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)
        .map_err(file_error(to))?;
    // On a file system without locks no other process gets one either.
    let _ = draft.try_lock();
    let vacuum = diesel::sql_query("VACUUM INTO ?").bind::<Text, _>(to.to_string_lossy());
    vacuum.execute(from).map_err(StoreError::from)?;
    File::open(to)
        .and_then(|file| file.sync_all())
        .map_err(file_error(to))?;
    Ok(draft)
}

fn publish(draft: &Path, file: &Path) -> Result<(), Error> {
    // A link, unlike a rename, never replaces an existing file.
    std::fs::hard_link(draft, file).map_err(file_error(file))?;
    std::fs::remove_file(draft).map_err(file_error(draft))?;
    let folder = folder_of(file);
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(file_error(folder))
}

/// Restores a backup. Servers that use the database see it within a second.
///
/// What was revoked or disabled since the backup stays so, as far as the current database still has
/// a record of it. All sessions and invitations are deleted.
///
/// # Errors
/// [`Error`] if the database is not SQLite, the file is not a backup of this or an older version,
/// or the current database cannot be read.
pub fn restore(
    url: &DatabaseUrl,
    file: &Path,
    entry: &AuditEntry,
    now: Timestamp,
) -> Result<Restored, Error> {
    let target = sqlite(url)?;
    // Opening a missing file would create it.
    let readable = File::open(file).and_then(|file| file.metadata());
    if readable.map_err(file_error(file))?.len() == 0 {
        return Err(Error::new(
            Code::InvalidRequest,
            format!("{} is empty", file.display()),
        ));
    }
    let missing = url.is_missing()?;
    url.prepare_folder()?;
    remove_stale(target, STAGED);
    let staged = beside(target, STAGED);
    let done = stage(file, &staged).and_then(|_lock| {
        if missing {
            create(&staged, target)
        } else {
            replace(url, &staged, entry, now)
        }
    });
    for path in [
        &staged,
        &with_suffix(&staged, "-wal"),
        &with_suffix(&staged, "-shm"),
    ] {
        // Best effort: these are copies.
        let _ = std::fs::remove_file(path);
    }
    done
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Copies the backup to a private file, checks it and migrates it; returns the lock of the copy.
fn stage(file: &Path, staged: &Path) -> Result<File, Error> {
    let refused = |reason: String| {
        Error::new(
            Code::InvalidRequest,
            format!("{}: {reason}", file.display()),
        )
    };
    let unreadable = |error: diesel::ConnectionError| refused(error.to_string());
    let mut source =
        Database::Sqlite(SqliteConnection::establish(&file.to_string_lossy()).map_err(unreadable)?);
    let lock = copy(&mut source, staged).map_err(|error| refused(error.reason().to_owned()))?;
    drop(source);
    let url = DatabaseUrl::Sqlite(staged.to_owned());
    let mut session = url.connect()?;
    let copy = &mut session.database;
    let problems = names(copy, "SELECT quick_check AS name FROM pragma_quick_check")
        .map_err(|error| refused(error.to_string()))?;
    if problems != ["ok"] {
        return Err(refused(format!(
            "the file is damaged: {}",
            problems.join("; ")
        )));
    }
    let tables = names(copy, "SELECT name FROM sqlite_master WHERE type = 'table'")?;
    if !KEYWARD_TABLES
        .iter()
        .all(|table| tables.iter().any(|name| name == table))
    {
        return Err(refused("no backup of a Keyward database".to_owned()));
    }
    migrate(&mut session).map_err(|error| refused(error.to_string()))?;
    // Moves everything into one file, on disk.
    sql(&mut session.database, "PRAGMA wal_checkpoint(TRUNCATE)").ok();
    drop(session);
    File::open(staged)
        .and_then(|file| file.sync_all())
        .map_err(file_error(staged))?;
    Ok(lock)
}

fn create(staged: &Path, target: &Path) -> Result<Restored, Error> {
    // An empty file, or the write-ahead log of a deleted database, would corrupt the new one.
    for stale in [
        target.to_owned(),
        with_suffix(target, "-wal"),
        with_suffix(target, "-shm"),
    ] {
        match std::fs::remove_file(&stale) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(file_error(&stale)(error));
            }
            _ => {}
        }
    }
    publish(staged, target)?;
    Ok(Restored::Created)
}

fn replace(
    url: &DatabaseUrl,
    staged: &Path,
    entry: &AuditEntry,
    now: Timestamp,
) -> Result<Restored, Error> {
    let mut session = url.connect()?;
    migrate(&mut session)?;
    let attach =
        diesel::sql_query("ATTACH DATABASE ? AS backup").bind::<Text, _>(staged.to_string_lossy());
    attach
        .execute(&mut session.database)
        .map_err(StoreError::from)?;
    let replaced = transaction(&mut session, &|database| {
        // Locks the writers first, and skips an id of the change feed, so that every node reloads
        // its cache.
        sql(database, "UPDATE main.change_counter SET value = value + 1")?;
        sql(database, "PRAGMA defer_foreign_keys = ON")?;
        sql(
            database,
            "CREATE TEMP TABLE before AS SELECT client_id, disabled_at, disabled_by, tokens_void_before, token_epoch FROM main.clients",
        )?;
        sql(
            database,
            "CREATE TEMP TABLE trust_before AS SELECT id, disabled_at, disabled_by FROM main.trust_rules",
        )?;
        sql(
            database,
            "CREATE TEMP TABLE accounts_before AS SELECT id, closed_at FROM main.accounts",
        )?;
        for (table, treatment) in TABLES {
            if matches!(treatment, Treatment::Replace | Treatment::Clear) {
                sql(database, &format!("DELETE FROM main.{table}"))?;
            }
            if matches!(treatment, Treatment::Replace | Treatment::Merge) {
                let query = format!("SELECT name FROM pragma_table_info('{table}')");
                let columns = names(database, &query)?.join(", ");
                sql(
                    database,
                    &format!(
                        "INSERT OR IGNORE INTO main.{table} ({columns}) SELECT {columns} FROM backup.{table}"
                    ),
                )?;
            }
        }
        if names(
            database,
            "SELECT kid AS name FROM main.signing_keys LIMIT 1",
        )?
        .is_empty()
        {
            sql(
                database,
                "INSERT INTO main.signing_keys SELECT * FROM backup.signing_keys",
            )?;
        }
        keep_revoked(database, now)?;
        audit::insert_all(database, std::slice::from_ref(entry), None)?;
        sql(database, "DROP TABLE temp.before")?;
        sql(database, "DROP TABLE temp.trust_before")?;
        sql(database, "DROP TABLE temp.accounts_before")?;
        Ok::<_, StoreError>(())
    });
    replaced.map_err(Failed::into_error)?;
    Ok(Restored::Replaced)
}

/// Keeps what the current database has recorded as revoked or disabled.
fn keep_revoked(database: &mut Database, now: Timestamp) -> Result<(), StoreError> {
    // What the backup had as open stays closed.
    let closed = "UPDATE main.accounts SET \
                  closed_at = COALESCE((SELECT closed_at FROM temp.accounts_before WHERE accounts_before.id = accounts.id), \
                                       closed_at)";
    sql(database, closed)?;
    // An account that was deleted since the backup, or that was being deleted, is restored, but closed.
    sql(database, "UPDATE main.accounts SET deleting_at = NULL")?;
    let deleted = "UPDATE main.accounts SET closed_at = COALESCE(closed_at, ?) \
                   WHERE id IN (SELECT target FROM main.audit WHERE action = 'account.delete')";
    diesel::sql_query(deleted)
        .bind::<BigInt, _>(now)
        .execute(database)?;
    let of_clients = "UPDATE main.clients SET \
                      account_closed_at = (SELECT closed_at FROM main.accounts WHERE accounts.id = clients.account_id)";
    sql(database, of_clients)?;
    // A client that was deleted since the backup is restored, but its tokens stay inactive.
    let void = "UPDATE main.clients SET \
                disabled_at = COALESCE((SELECT disabled_at FROM temp.before WHERE before.client_id = clients.client_id), \
                                       disabled_at), \
                disabled_by = COALESCE((SELECT disabled_by FROM temp.before WHERE before.client_id = clients.client_id), \
                                       disabled_by), \
                tokens_void_before = MAX(tokens_void_before, \
                    COALESCE((SELECT tokens_void_before FROM temp.before WHERE before.client_id = clients.client_id), ?)), \
                token_epoch = MAX(token_epoch, \
                    COALESCE((SELECT token_epoch FROM temp.before WHERE before.client_id = clients.client_id), token_epoch + 1))";
    diesel::sql_query(void)
        .bind::<BigInt, _>(now)
        .execute(database)?;
    sql(
        database,
        "DELETE FROM main.api_keys WHERE id IN (SELECT id FROM main.revoked_api_keys)",
    )?;
    // A trust rule that was deleted since the backup is restored, but disabled.
    let disabled = "UPDATE main.trust_rules SET \
                    disabled_at = COALESCE((SELECT disabled_at FROM temp.trust_before WHERE trust_before.id = trust_rules.id), \
                                           disabled_at), \
                    disabled_by = COALESCE((SELECT disabled_by FROM temp.trust_before WHERE trust_before.id = trust_rules.id), \
                                           disabled_by)";
    sql(database, disabled)?;
    let deleted = "UPDATE main.trust_rules SET disabled_at = COALESCE(disabled_at, ?), \
                   disabled_by = COALESCE(disabled_by, 'account') \
                   WHERE id NOT IN (SELECT id FROM temp.trust_before)";
    diesel::sql_query(deleted)
        .bind::<BigInt, _>(now)
        .execute(database)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table without a treatment would be lost, or restored, by accident.
    #[test]
    fn every_table_has_a_treatment() -> Result<(), StoreError> {
        let mut session = DatabaseUrl::Sqlite(":memory:".into()).connect()?;
        migrate(&mut session)?;
        let mut tables = names(
            &mut session.database,
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
        )?;
        tables.sort();
        let mut treated: Vec<&str> = TABLES.iter().map(|(table, _)| *table).collect();
        treated.sort_unstable();
        assert_eq!(tables, treated);
        Ok(())
    }
}
