//! `keyward demo`: the sample data, read back by the command line and the portal.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::portal::Browser;
use crate::support::{Backend, Client, EmptyWorld, World};

fn text<'a>(document: &'a Value, member: &str) -> &'a str {
    document[member]
        .as_str()
        .unwrap_or_else(|| panic!("{member}: {document}"))
}

/// The values of a member in a list.
fn values<'a>(list: &'a Value, member: &str) -> BTreeSet<&'a str> {
    list.as_array()
        .unwrap()
        .iter()
        .filter_map(|row| row[member].as_str())
        .collect()
}

fn client(document: &Value) -> Client {
    Client {
        id: text(document, "client_id").to_owned(),
        secret: text(document, "client_secret").to_owned(),
        api_key: document["api_key"].as_str().unwrap_or_default().to_owned(),
    }
}

fn check_clients(world: &World) {
    let clients = world.cli(&["client", "list"]);
    let clients = clients.as_array().unwrap();
    let with = |member: &str, value: Value| {
        let found = clients.iter().filter(|client| client[member] == value);
        found.count()
    };
    assert!(with("auth_method", json!("private_key_jwt")) >= 2);
    assert_eq!(with("self_registered", json!(true)), 1);
    assert_eq!(with("disabled_by", json!("operator")), 1);
    assert_eq!(with("disabled_by", json!("account")), 1);
}

fn check_credentials(world: &World, client_id: &str) {
    let keys = world.cli(&["key", "list", client_id]);
    let keys = keys.as_array().unwrap();
    let has = |member: &str| keys.iter().any(|key| !key[member].is_null());
    assert!(has("expires_at") && has("last_used_at"), "{keys:?}");
    let names: Vec<&str> = keys.iter().map(|key| text(key, "name")).collect();
    let rotated = names.iter().filter(|name| name.starts_with("Production"));
    assert_eq!(rotated.count(), 2, "the old key and the new one: {names:?}");
    let secrets = world.cli(&["secret", "list", client_id]);
    assert_eq!(values(&secrets, "expires_at").len(), 1, "{secrets}");
}

on_both! {
    fn a_new_database_gets_sample_data_that_works(world: World) {
        let made = world.cli(&["demo"]);
        let said = world.refused(&["demo"]);
        assert!(said.contains("is in use") && said.contains("--database-url"), "{said}");

        assert!(values(&world.cli(&["account", "list"]), "name").contains("Maison Verdier"));
        let users = world.cli(&["user", "list"]);
        let roles = BTreeSet::from(["operator", "administrator", "developer", "viewer"]);
        assert_eq!(values(&users, "role"), roles);
        let resources = world.cli(&["resource", "list"]);
        assert_eq!(values(&resources, "name").len(), 3);
        assert!(values(&resources, "scope").iter().all(|scope| !scope.is_empty()));
        let users = users.as_array().unwrap();
        assert!(users.iter().any(|user| user["accounts"].as_array().unwrap().len() == 2), "{users:?}");
        check_clients(&world);
        let (partner, orders) = (client(&made["client"]), client(&made["resource"]));
        check_credentials(&world, &partner.id);

        // The printed credentials work.
        let node = world.start();
        assert!(node.active(&orders, &node.token(&partner)));
        assert!(node.active(&orders, &partner.api_key));
        let password = text(&made, "password");
        for user in made["users"].as_array().unwrap() {
            let browser = Browser::new(&node);
            let email = text(user, "email");
            assert_eq!(browser.sign_in(email, password).status, 303, "{email}");
        }

        let operator = Browser::new(&node);
        operator.sign_in("operator@keyward.example", password);
        let overview = operator.get("/portal/overview").body;
        // The table of the busiest clients is built from the counters.
        assert!(overview.contains("Warehouse sync") && overview.contains("Settlement"), "{overview}");
        let audit = operator.get("/portal/audit").body;
        assert!(audit.contains("Trial") || audit.contains("disabled"), "{audit}");

        // A partner sees its own account, and why its requests failed.
        let partner = Browser::new(&node);
        partner.sign_in("camille@verdier.example", password);
        let overview = partner.get("/portal/overview").body;
        assert!(overview.contains("Boutique en ligne") && !overview.contains("Warehouse sync"), "{overview}");
    }
}

#[test]
fn without_a_database_named_it_is_a_file_of_its_own() {
    let world = EmptyWorld::new(Backend::Sqlite);
    let mut command = world.command(&["demo"]);
    let output = command.env_remove("KEYWARD_DATABASE_URL").output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{printed}");
    assert!(printed.contains("serve --database-url sqlite://data/demo.db"));
    assert!(world.folder.join("data/demo.db").is_file());
    assert!(!world.folder.join("keyward.db").exists());
    assert!(!world.folder.join("data/keyward.db").exists());
}
