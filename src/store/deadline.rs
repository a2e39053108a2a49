//! Cancels statements whose caller no longer waits, so that they do not occupy a connection, a
//! processor and the disk.
//!
//! Postgres has `statement_timeout` for that. SQLite has an interrupt, which diesel does not
//! expose, but diesel supports custom SQL functions, which may fail. So on a connection with a
//! [`Deadline`] each table is shadowed by a temporary view of it with a condition that is evaluated
//! for each row that a statement visits, and fails once the deadline has passed. SQLite merges such
//! a view into the statement, so indexes are used as without it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::{Bool, Text};
use diesel::sqlite::Sqlite;

use super::{Database, StoreError};

/// The deadline of the statements on one connection.
pub(super) struct Deadline {
    created: Instant,
    /// Milliseconds since `created`.
    at: Arc<AtomicU64>,
}

/// The value of the condition: true, or an error that cancels the statement.
#[derive(Debug)]
struct InTime(bool);

impl ToSql<Bool, Sqlite> for InTime {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        if !self.0 {
            return Err("statement stopped: it took too long".into());
        }
        out.set_value(1);
        Ok(IsNull::No)
    }
}

#[diesel::declare_sql_function]
extern "SQL" {
    fn keyward_in_time() -> Bool;
}

#[derive(QueryableByName)]
struct Table {
    #[diesel(sql_type = Text)]
    name: String,
}

impl Deadline {
    /// Prepares a new connection, so that [`Deadline::set`] applies to it. On SQLite the connection
    /// can only be used for reading from then on.
    ///
    /// # Errors
    /// [`StoreError`] if the database did not answer.
    pub(super) fn install(database: &mut Database) -> Result<Self, StoreError> {
        let deadline = Deadline {
            created: Instant::now(),
            at: Arc::default(),
        };
        let Database::Sqlite(connection) = database else {
            return Ok(deadline);
        };
        let created = deadline.created;
        let at = deadline.at.clone();
        // SQLite would evaluate a deterministic function once per statement.
        keyward_in_time_utils::register_nondeterministic_impl(connection, move || {
            InTime(millis(created.elapsed()) < at.load(Ordering::Relaxed))
        })?;
        let tables = diesel::sql_query(
            "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'",
        )
        .load::<Table>(connection)?;
        connection.batch_execute("PRAGMA temp_store = MEMORY")?;
        for Table { name } in tables {
            connection.batch_execute(&format!(
                "CREATE TEMP VIEW \"{name}\" AS SELECT * FROM main.\"{name}\" WHERE keyward_in_time()"
            ))?;
        }
        Ok(deadline)
    }

    /// Sets the deadline of the next statements. SQLite cancels them when it has passed; on
    /// Postgres the caller passes the [time left](Self::left) to [`set_statement_timeout`].
    pub(super) fn set(&self, until: Instant) {
        self.at.store(
            millis(until.saturating_duration_since(self.created)),
            Ordering::Relaxed,
        );
    }

    /// The time until the deadline.
    pub(super) fn left(&self) -> Duration {
        Duration::from_millis(
            self.at
                .load(Ordering::Relaxed)
                .saturating_sub(millis(self.created.elapsed())),
        )
    }
}

/// Limits the duration of each further statement of the current transaction. Does nothing on
/// SQLite, where the [`Deadline`] applies by itself.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub(super) fn set_statement_timeout(
    database: &mut Database,
    timeout: Duration,
) -> Result<(), StoreError> {
    if let Database::Postgres(connection) = database {
        let set = diesel::sql_query("SELECT set_config('statement_timeout', $1, true)");
        set.bind::<Text, _>(millis(timeout).max(1).to_string())
            .execute(connection)?;
    }
    Ok(())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use diesel::sql_types::BigInt;

    use super::*;

    const ENDLESS: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000) \
                           INSERT INTO main.rows SELECT i, 'word ' || i, i % 7 FROM n";

    fn filled() -> (Database, Deadline) {
        let mut connection = SqliteConnection::establish(":memory:").unwrap();
        connection
            .batch_execute(&format!(
                "CREATE TABLE rows (id BIGINT PRIMARY KEY, word TEXT NOT NULL, kind BIGINT NOT NULL); \
                 CREATE INDEX rows_by_kind ON rows (kind, id); {ENDLESS}"
            ))
            .unwrap();
        let mut database = Database::Sqlite(connection);
        let deadline = Deadline::install(&mut database).unwrap();
        (database, deadline)
    }

    fn limited<T>(
        (database, deadline): (&mut Database, &Deadline),
        limit: Duration,
        work: impl FnOnce(&mut Database) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        deadline.set(Instant::now() + limit);
        work(database)
    }

    #[derive(QueryableByName)]
    struct Number {
        #[diesel(sql_type = BigInt)]
        number: i64,
    }

    fn number(database: &mut Database, sql: &str) -> Result<i64, StoreError> {
        Ok(diesel::sql_query(sql)
            .get_result::<Number>(database)?
            .number)
    }

    /// What finds nothing, in the shapes that the lists have: by the table, by an index, by a
    /// group.
    const SLOW: [&str; 4] = [
        "SELECT COUNT(*) AS number FROM rows a JOIN rows b ON a.word = b.word || 'x'",
        "SELECT COUNT(*) AS number FROM rows a, rows b WHERE a.word || b.word = 'none'",
        "SELECT id AS number FROM rows WHERE kind = 3 AND (SELECT COUNT(*) FROM rows b WHERE b.word = rows.word || 'x') > 0",
        "SELECT MAX(c) AS number FROM (SELECT COUNT(*) AS c FROM rows a, rows b GROUP BY a.kind, b.word)",
    ];

    #[test]
    fn a_statement_is_cancelled_at_its_deadline() {
        let (mut database, deadline) = filled();
        for sql in SLOW {
            let started = Instant::now();
            let result = limited(
                (&mut database, &deadline),
                Duration::from_millis(200),
                |database| number(database, sql),
            );
            assert!(
                matches!(&result, Err(StoreError::Unavailable(reason)) if reason.contains("too long")),
                "{sql}: {result:?}"
            );
            assert!(
                started.elapsed() < Duration::from_secs(20),
                "{sql}: {:?}",
                started.elapsed()
            );
        }
    }

    #[test]
    fn each_statement_has_its_own_deadline_and_sees_all_rows() {
        let (mut database, deadline) = filled();
        let _ = limited((&mut database, &deadline), Duration::ZERO, |database| {
            number(database, SLOW[1])
        });
        let all = limited(
            (&mut database, &deadline),
            Duration::from_secs(60),
            |database| number(database, "SELECT COUNT(*) AS number FROM rows"),
        );
        assert_eq!(all.unwrap(), 300_000);
    }

    #[derive(QueryableByName)]
    struct Step {
        #[diesel(sql_type = Text)]
        detail: String,
    }

    #[test]
    fn indexes_are_used_under_a_deadline() {
        let (mut database, deadline) = filled();
        for (sql, index) in [
            (
                "SELECT * FROM rows WHERE id = 7",
                "INDEX sqlite_autoindex_rows_1 (id=?)",
            ),
            (
                "SELECT * FROM rows WHERE kind = 3 AND id < 9 ORDER BY id DESC LIMIT 2",
                "INDEX rows_by_kind (kind=? AND id<?)",
            ),
        ] {
            let steps = limited(
                (&mut database, &deadline),
                Duration::from_secs(60),
                |database| {
                    Ok::<_, StoreError>(
                        diesel::sql_query(format!("EXPLAIN QUERY PLAN {sql}"))
                            .load::<Step>(database)?,
                    )
                },
            );
            let steps: Vec<_> = steps.unwrap().into_iter().map(|step| step.detail).collect();
            assert!(
                steps.len() == 1 && steps[0].contains(index),
                "{sql}: {steps:?}"
            );
        }
    }
}
