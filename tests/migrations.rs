//! A migration brings over what a database of the version before it holds.

use serde_json::{Value, json};

use crate::support::{Node, World, eventually};

const FACTS_IN_COLUMNS: &str =
    include_str!("../migrations/2026-11-27-200000_facts_in_columns/down.sql");

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
             (60000, 'server:token_took:100', 7), (0, 'account:0aZ:asked', 8), (0, 'client:0aZ:de1e-7ed:failures', 9)",
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

        for (owner, metric, count) in [
            ("bucket_start = 60000 AND account_id = '' AND client_id = ''", "token_took:100", 7),
            ("bucket_start = 0 AND account_id = '0aZ' AND client_id = ''", "asked", 8),
            ("bucket_start = 0 AND account_id = '0aZ' AND client_id = 'de1e-7ed'", "failures", 9),
            (&format!("account_id <> '' AND client_id = '{}'", client.id), "tokens", 1),
            ("account_id <> '' AND client_id = ''", "tokens", 1),
            ("account_id = '' AND client_id = ''", "tokens", 1),
        ] {
            let query = format!("SELECT count(*) FROM counters WHERE {owner} AND metric = '{metric}' AND count = {count}");
            assert_eq!(world.count(&query), 1, "{owner} {metric}");
        }
    }

    fn a_partner_may_use_the_name_of_an_account_of_keyward(world: World) {
        world.cli(&["account", "create", "--name", "Resource servers"]);
        world.resource("urn:api");
        let query = "SELECT count(*) FROM accounts WHERE kind = 'resource_servers' AND name = 'Resource servers 2'";
        assert_eq!(world.count(query), 1);
    }
}
