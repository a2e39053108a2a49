//! Each migration, up and down, on both databases.

use diesel::migration::MigrationSource;
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel_migrations::{FileBasedMigrations, MigrationHarness};

use crate::support::tools::Tool;
use crate::support::{Backend, EmptyWorld, repository};

const SQLITE_SCHEMA: &str = "SELECT type || ' ' || name || ': ' || coalesce(sql, '') FROM sqlite_master \
     WHERE name NOT LIKE '%diesel%' ORDER BY 1";

const POSTGRES_SCHEMA: &str = "SELECT * FROM ( \
     SELECT 'column ' || table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable \
       || ' ' || coalesce(column_default, '') AS line \
       FROM information_schema.columns WHERE table_schema = 'public' \
     UNION ALL SELECT 'index ' || indexdef FROM pg_indexes WHERE schemaname = 'public' \
     UNION ALL SELECT 'constraint ' || conrelid::regclass || ' ' || pg_get_constraintdef(oid) \
       FROM pg_constraint WHERE connamespace = 'public'::regnamespace \
     ) AS lines WHERE line NOT LIKE '%diesel%' ORDER BY 1";

/// Goes up step by step; each step is also undone and done again.
macro_rules! up_down_up {
    ($connection:ty, $url:expr, $schema:expr) => {{
        let mut connection = <$connection>::establish($url).unwrap();
        let schema = |connection: &mut $connection| -> Vec<String> {
            diesel::dsl::sql::<Text>($schema).load(connection).unwrap()
        };
        let source = FileBasedMigrations::from_path(repository("migrations")).unwrap();
        let mut all =
            MigrationSource::<<$connection as Connection>::Backend>::migrations(&source).unwrap();
        all.sort_by_key(|migration| migration.name().to_string());
        assert!(!all.is_empty());
        // Makes the table of the migrations that ran.
        assert!(connection.applied_migrations().unwrap().is_empty());
        let empty = schema(&mut connection);
        for migration in &all {
            let name = migration.name().to_string();
            let failed = |what: &str, error| panic!("{name}: {what}: {error}");
            let before = schema(&mut connection);
            let up = connection.run_migration(migration);
            up.unwrap_or_else(|error| failed("up", error));
            let after = schema(&mut connection);
            let down = connection.revert_migration(migration);
            down.unwrap_or_else(|error| failed("down", error));
            assert_eq!(
                schema(&mut connection),
                before,
                "{name}: down leaves what up found"
            );
            let again = connection.run_migration(migration);
            again.unwrap_or_else(|error| failed("up again", error));
            assert_eq!(
                schema(&mut connection),
                after,
                "{name}: up again does the same"
            );
        }
        for migration in all.iter().rev() {
            let down = connection.revert_migration(migration);
            down.unwrap_or_else(|error| panic!("{}: down: {error}", migration.name()));
        }
        assert_eq!(schema(&mut connection), empty);
    }};
}

#[test]
fn each_migration_can_be_undone_on_sqlite() {
    let world = EmptyWorld::new(Backend::Sqlite);
    let file = world.folder.join("keyward.db");
    up_down_up!(SqliteConnection, &file.to_string_lossy(), SQLITE_SCHEMA);
}

#[test]
fn each_migration_can_be_undone_on_postgres() {
    needs!(Tool::Postgres);
    let world = EmptyWorld::new(Backend::Postgres);
    up_down_up!(PgConnection, &world.database_url, POSTGRES_SCHEMA);
}
