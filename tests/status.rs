//! The status of the installation: what nodes report, and what needs attention.

use serde_json::{Value, json};

use crate::support::portal::{Browser, person};
use crate::support::{Node, World, eventually};

fn status(node: &Node, token: &str) -> Value {
    let reply = node.json("GET", "/api/v1/status", Some(token), &Value::Null);
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.json()
}

fn codes(status: &Value) -> Vec<&str> {
    let problems = status["problems"].as_array().unwrap();
    problems
        .iter()
        .map(|problem| problem["code"].as_str().unwrap())
        .collect()
}

/// The document of `keyward status`, and whether the exit status is 0.
fn printed(world: &World) -> (Value, bool) {
    let output = world.run(&["status", "--json"]);
    (
        serde_json::from_slice(&output.stdout).unwrap(),
        output.status.success(),
    )
}

on_both! {
    fn operators_see_nodes_keys_jobs_and_problems(world: World) {
        // The database is a copy of one that a node has started on.
        world.execute("DELETE FROM nodes");
        let (before, well) = printed(&world);
        assert_eq!((codes(&before), well), (vec!["no_node"], false));

        person(&world, "op@keyward.example", "operator", None);
        let node = world.start();
        let token = node.token(&world.manager(&node, &[], "keyward:status:read keyward:operator"));
        let seen = eventually("a report after the first runs of the jobs", || {
            let seen = status(&node, &token);
            let jobs = seen["nodes"][0]["jobs"].as_array()?;
            let purge = jobs.iter().find(|job| job["name"] == "purge")?;
            purge["last_success_at"].is_string().then_some(seen)
        });
        assert_eq!(seen["nodes"].as_array().unwrap().len(), 1);
        let own = &seen["nodes"][0];
        assert_eq!((&own["up"], &own["leader"], &own["version"]), (&json!(true), &json!(true), &seen["version"]));
        assert_eq!(own["certificate_expires_at"], Value::Null);
        let database = &seen["database"];
        let kind = if world.database_url.starts_with("postgres") { "postgres" } else { "sqlite" };
        assert_eq!(database["kind"], json!(kind));
        assert!(database["bytes"].as_i64().unwrap() > 100_000, "{database}");
        let migrations = std::fs::read_dir(crate::support::repository("migrations")).unwrap().count();
        assert_eq!(database["migrations"], json!(migrations));
        let key = &seen["signing_keys"][0];
        assert_eq!((&key["algorithm"], &key["kid"]), (&json!("RS256"), &json!(node.kids()[0])));
        assert!(key["next_rotation_at"].as_str() > key["signs_from"].as_str(), "{key}");
        assert_eq!(codes(&seen), [] as [&str; 0], "{seen}");
        let (same, well) = printed(&world);
        assert!(well && same["nodes"][0]["id"] == own["id"], "{same}");
        let words = String::from_utf8(world.run(&["status"]).stdout).unwrap();
        assert!(words.contains("Problems      none") && words.contains("job purge: last success"), "{words}");

        let page = Browser::of(&node, "op@keyward.example").get("/portal/status").body;
        for text in ["Everything works", own["name"].as_str().unwrap(), "purge", node.kids()[0].as_str()] {
            assert!(page.contains(text), "{text}: {page}");
        }
        // Only operators see it, whatever the scope of others.
        let account = node.token(&world.manager(&node, &["--account", "Default"], "keyward:status:read"));
        assert_eq!(node.json("GET", "/api/v1/status", Some(&account), &Value::Null).status, 403);

        // A node that was killed is missing; one that stops in order is not.
        node.signal("KILL");
        node.stop_or_gone();
        world.execute("UPDATE nodes SET seen_at = seen_at - 200000");
        let next = world.start();
        eventually("the report of the next node", || {
            let (seen, _) = printed(&world);
            (codes(&seen) == ["node_missing"]).then_some(())
        });
        next.stop();
        assert_eq!(world.count("SELECT count(*) FROM nodes"), 1);
        assert_eq!(codes(&printed(&world).0), ["no_node", "node_missing"]);
    }

    fn a_resource_server_is_edited(world: World) {
        person(&world, "op@keyward.example", "operator", None);
        world.cli(&["resource", "create", "--identifier", "urn:orders", "--name", "Orders", "--scope", "read"]);
        let node = world.start();
        let edited = world.cli(&["resource", "update", "urn:orders", "--name", "Order API", "--scope", "read write"]);
        assert_eq!((&edited["name"], &edited["scope"], &edited["token_typ"]), (&json!("Order API"), &json!("read write"), &json!("at+jwt")));
        let token = node.token(&world.manager(&node, &[], "keyward:resources:read keyward:resources:write keyward:operator"));
        let path = "/api/v1/resource-servers?identifier=urn:orders";
        let patch = |body: Value| node.json("PATCH", path, Some(&token), &body);
        let reply = patch(json!({"name": "Orders 2", "signing_alg": "ES256"}));
        assert_eq!((reply.status, &reply.json()["name"], &reply.json()["scope"]), (200, &json!("Orders 2"), &json!("read write")));
        assert_eq!(patch(json!({"name": ""})).status, 400);
        assert_eq!(patch(json!({"scope": "keyward:operator"})).status, 400);
        let refused = world.refused(&["resource", "update", "urn:orders", "--scope", "keyward:operator"]);
        assert!(refused.contains("keyward:operator"), "{refused}");
        assert_eq!(world.run(&["resource", "update", "urn:orders"]).status.code(), Some(2));

        let browser = Browser::of(&node, "op@keyward.example");
        let form = browser.get("/portal/resource-servers/edit?identifier=urn:orders");
        assert!(form.body.contains("value=\"Orders 2\"") && form.body.contains("value=\"read write\""), "{}", form.body);
        let fields = [("name", "Orders 3"), ("scope", "write"), ("token-typ", "JWT"), ("signing-alg", "RS256")];
        let saved = browser.submit(&form, "/portal/resource-servers/edit", &fields);
        assert_eq!(saved.status, 303, "{}", saved.body);
        let listed = world.cli(&["resource", "list"]);
        let orders = listed.as_array().unwrap().iter().find(|server| server["identifier"] == "urn:orders").unwrap();
        assert_eq!((&orders["name"], &orders["scope"], &orders["token_typ"]), (&json!("Orders 3"), &json!("write"), &json!("JWT")));
    }
}
