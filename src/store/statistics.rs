//! Facts about the database itself.

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text};

use super::{Database, StoreError};

/// Facts about the database.
#[derive(Clone, Debug)]
pub struct Statistics {
    /// The size of its files, in bytes.
    pub bytes: i64,
    /// How many migrations were applied.
    pub migrations: usize,
    /// The version of the newest migration.
    pub newest_migration: String,
    /// The version of the database software.
    pub software: String,
}

#[derive(QueryableByName)]
struct Facts {
    #[diesel(sql_type = BigInt)]
    bytes: i64,
    #[diesel(sql_type = Text)]
    software: String,
}

#[derive(QueryableByName)]
struct Version {
    #[diesel(sql_type = Text)]
    version: String,
}

/// Reads the facts.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn read(database: &mut Database) -> Result<Statistics, StoreError> {
    let facts = match database {
        Database::Sqlite(_) => {
            "SELECT page_count * page_size AS bytes, 'SQLite ' || sqlite_version() AS software \
             FROM pragma_page_count(), pragma_page_size()"
        }
        Database::Postgres(_) => {
            "SELECT pg_database_size(current_database()) AS bytes, \
             'PostgreSQL ' || current_setting('server_version') AS software"
        }
    };
    let Facts { bytes, software } = sql_query(facts).get_result(database)?;
    let versions = sql_query("SELECT version FROM __diesel_schema_migrations ORDER BY version")
        .load::<Version>(database)?;
    Ok(Statistics {
        bytes,
        software,
        migrations: versions.len(),
        newest_migration: versions
            .last()
            .map(|newest| newest.version.clone())
            .unwrap_or_default(),
    })
}
