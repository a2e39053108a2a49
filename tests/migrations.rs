//! Each migration can be undone, on both databases, and keeps the data of a database of the
//! previous version.

use diesel::migration::MigrationSource;
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel_migrations::{FileBasedMigrations, MigrationHarness};
use serde_json::{Value, json};

use crate::support::portal::{self, Browser};
use crate::support::tools::Tool;
use crate::support::{Backend, EmptyWorld, Node, World, each_case, eventually, repository};

const FACTS_IN_COLUMNS: &str =
    include_str!("../migrations/2026-11-27-200000_facts_in_columns/down.sql");
const SEARCH_KEYS: &str = include_str!("../migrations/2026-11-28-130000_search_keys/down.sql");

/// Takes a database back to the version before a migration.
fn revert(world: &World, down: &str, version: &str) {
    world.execute(down);
    world.execute(&format!(
        "DELETE FROM __diesel_schema_migrations WHERE version = '{version}'"
    ));
}

fn id(key: &Value) -> &str {
    key["id"].as_str().unwrap()
}

fn register(node: &Node) {
    let reply = node.json("POST", "/oauth/register", None, &json!({}));
    assert_eq!(reply.status, 201, "{}", reply.body);
}

on_both! {
    fn facts_in_names_become_columns(world: World) {
        world.resource("urn:api");
        let client = world.client_with(&["--resource", "urn:api"]);
        let create = |name: &str| world.cli(&["key", "create", &client.id, "--name", name]);
        let rotate = |key: &Value| world.cli(&["key", "rotate", &client.id, id(key)]);
        let first = create(&"x".repeat(80));
        let second = rotate(&first);
        let third = rotate(&second);
        let orphan = create("Orphan");
        world.cli(&["key", "delete", &client.id, id(&rotate(&orphan))]);
        let node = world.start_with(&["--registration", "open"]);
        register(&node);
        node.token(&client);
        eventually("the counters of the token", || {
            (world.count("SELECT count(*) FROM counters WHERE metric = 'tokens'") == 3).then_some(())
        });
        node.stop();

        revert(&world, FACTS_IN_COLUMNS, "20261127200000");
        let name = format!("(SELECT 'client:' || account_id || ':' || client_id || ':tokens' FROM clients WHERE client_id = '{}')", client.id);
        assert_eq!(world.count(&format!("SELECT count(*) FROM counts WHERE name = {name}")), 1);
        world.execute(
            "INSERT INTO counts (moment, name, count) VALUES \
             (60000, 'server:token_took:100', 7), (0, 'account:0123456789abcDEF:asked', 8), \
             (0, 'client:0123456789abcDEF:de1e7ed0-0000-4000-8000-000000000000:failures', 9), (0, 'unknown', 1)",
        );

        world.cli(&["migrate"]);
        let replaced_by = |key: &Value, new: &str| {
            let query = format!("SELECT count(*) FROM api_keys WHERE id = '{}' AND replaced_by = '{new}'", id(key));
            assert_eq!(world.count(&query), 1, "{key} {new}");
        };
        replaced_by(&first, id(&second));
        replaced_by(&second, id(&third));
        replaced_by(&orphan, "");
        let others = format!("SELECT count(*) FROM api_keys WHERE client_id = '{}' AND replaced_by IS NULL", client.id);
        assert_eq!(world.count(&others), 2, "the client's first key and the newest key");
        for key in [&first, &second, &orphan] {
            assert!(world.refused(&["key", "rotate", &client.id, id(key)]).contains("rotated already"), "{key}");
        }

        for (name, kind) in [("Resource servers", "resource_servers"), ("Open registration", "open_registration"), ("Default", "partner")] {
            let query = format!("SELECT count(*) FROM accounts WHERE name = '{name}' AND kind = '{kind}'");
            assert_eq!(world.count(&query), 1, "{name}");
        }
        world.resource("urn:more");
        register(&world.start_with(&["--registration", "open"]));
        assert_eq!(world.count("SELECT count(*) FROM accounts"), 3, "the accounts are found again");

        each_case([
            ("bucket_start = 60000 AND account_id = '' AND client_id = ''", "token_took:100", 7),
            ("bucket_start = 0 AND account_id = '0123456789abcDEF' AND client_id = ''", "asked", 8),
            ("bucket_start = 0 AND account_id = '0123456789abcDEF' AND client_id = 'de1e7ed0-0000-4000-8000-000000000000'", "failures", 9),
            (&format!("account_id <> '' AND client_id = '{}'", client.id), "tokens", 1),
            ("account_id <> '' AND client_id = ''", "tokens", 1),
            ("account_id = '' AND client_id = ''", "tokens", 1),
        ], |(owner, metric, count)| {
            let query = format!("SELECT count(*) FROM counters WHERE {owner} AND metric = '{metric}' AND count = {count}");
            assert_eq!(world.count(&query), 1, "{owner} {metric}");
        });
    }

    fn names_from_before_there_were_search_keys_are_found(world: World) {
        let operator = "olga@keyward.example";
        portal::person(&world, operator, "operator", None);
        for number in 0..3 {
            world.cli(&["account", "create", "--name", &format!("École {number}")]);
            let account = format!("École {number}");
            world.cli(&["client", "create", "--name", &format!("Émission {number}"), "--account", &account]);
        }
        revert(&world, SEARCH_KEYS, "20261128130000");
        let searches = [
            ("/portal/accounts", "%C3%A9cole+2", "École 2"),
            ("/portal/applications", "%C3%A9mission+1", "Émission 1"),
            ("/portal/people", "OLGA", operator),
        ];
        let is_found = |browser: &Browser, (path, text, found): (&str, &str, &str)| {
            let body = browser.get(&format!("{path}?text={text}")).body;
            body.contains(found) && !body.contains("No results")
        };
        let node = world.start();
        let browser = Browser::of(&node, operator);
        for search in searches {
            assert!(is_found(&browser, search), "{search:?}");
        }
        node.stop();
        // As if a node of the version before had inserted them since.
        for table in ["accounts", "clients", "users"] {
            world.execute(&format!("UPDATE {table} SET search_key = ''"));
        }
        let users = world.cli(&["user", "list"]);
        assert!(users.to_string().contains(operator), "{users}");
        let node = world.start();
        let browser = Browser::of(&node, operator);
        for search in searches {
            eventually(search.0, || is_found(&browser, search).then_some(()));
        }
    }

    fn a_partner_account_may_have_the_name_of_a_keyward_account(world: World) {
        world.cli(&["account", "create", "--name", "Resource servers"]);
        world.resource("urn:api");
        let query = "SELECT count(*) FROM accounts WHERE kind = 'resource_servers' AND name = 'Resource servers 2'";
        assert_eq!(world.count(query), 1);
    }
}

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

/// Applies the migrations one by one; each is also undone and applied again.
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
        // Creates the table of applied migrations.
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
