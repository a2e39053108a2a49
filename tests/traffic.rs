//! The traffic report: counted on all nodes, read in one place.

use keyward::clock::Timestamp;
use serde_json::{Value, json};

use crate::support::{Client, Node, Reply, World, eventually};

fn ask(node: &Node, token: &str) -> Reply {
    node.json("GET", "/api/v1/traffic", Some(token), &Value::Null)
}

fn traffic(node: &Node, token: &str) -> Value {
    let reply = ask(node, token);
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.json()
}

/// A management token for a client of this account.
fn caller(world: &World, node: &Node, account: &str, scope: &str) -> String {
    node.token(&world.manager(node, &["--account", account], scope))
}

fn sum(points: &Value, what: &str) -> i64 {
    points
        .as_array()
        .unwrap()
        .iter()
        .map(|point| point[what].as_i64().unwrap())
        .sum()
}

fn sums(points: &Value) -> [i64; 3] {
    ["tokens", "introspections", "failures"].map(|what| sum(points, what))
}

fn wrong(client: &Client) -> Client {
    Client {
        secret: "wrong".into(),
        ..client.clone()
    }
}

on_both! {
    fn the_counters_of_all_nodes_are_added(world: World) {
        let api = world.resource("urn:api");
        let partner = world.cli(&["account", "create", "--name", "Partner"])["id"].as_str().unwrap().to_owned();
        let busy = world.client_with(&["--account", "Partner", "--resource", "urn:api"]);
        world.cli(&["account", "create", "--name", "Other"]);
        let quiet = world.client_with(&["--account", "Other", "--resource", "urn:api"]);
        let nodes = [0, 1].map(|_| world.start_with(&["--issuer", "http://auth.example"]));
        for node in &nodes {
            let tokens: Vec<String> = (0..3).map(|_| node.token(&busy)).collect();
            assert!(node.active(&api, &tokens[0]) && node.active(&api, &busy.api_key) && !node.active(&api, "nonsense"));
            node.token_reply(&wrong(&busy), &[]).refused(401, "invalid_client");
            // A refused request of an authenticated client counts as its failure too.
            node.token_reply(&busy, &[("scope", "more")]).refused(400, "invalid_scope");
            let verify = |query: &str| node.get_with(&format!("/verify{query}"), &[("authorization", &format!("Bearer {}", busy.api_key))]);
            assert_eq!((verify("").status, verify("?scope=more").status), (200, 403));
        }
        assert!(nodes[0].active(&api, &quiet.api_key));
        nodes[1].token_reply(&Client { id: "nobody".into(), ..wrong(&quiet) }, &[]).refused(401, "invalid_client");

        let operator = caller(&world, &nodes[0], "Partner", "keyward:tokens:read keyward:operator");
        let own = caller(&world, &nodes[1], "Partner", "keyward:tokens:read");
        let none = caller(&world, &nodes[1], "Partner", "keyward:clients:read");
        assert_eq!(ask(&nodes[0], &none).status, 403);

        // Nodes write their counters every few seconds.
        let seen = eventually("all counts", || {
            let seen = traffic(&nodes[0], &operator);
            (sums(&seen["hours"]) == [6 + 3, 7, 7]).then_some(seen)
        });
        let server = &seen["server"];
        assert_eq!(sums(&server["minutes"]), [6 + 3, 7, 7]);
        assert_eq!((sum(&server["minutes"], "verifications"), sum(&seen["hours"], "verifications")), (2, 2));
        assert_eq!((server["minutes"].as_array().unwrap().len(), seen["hours"].as_array().unwrap().len()), (60, 24));
        for (timed, count) in [("token", 6 + 3 + 3 + 2), ("introspection", 7)] {
            let latencies = &server[timed];
            let [p50, p95, p99] = ["p50", "p95", "p99"].map(|part| latencies["hour"][part].as_f64().unwrap());
            assert!(0.0 < p50 && p50 <= p95 && p95 <= p99 && p99 < 10_000.0, "{latencies}");
            assert_eq!(latencies["hour"], latencies["day"]);
            assert_eq!(latencies["hour"]["requests"], json!(count), "{latencies}");
            assert_eq!(sum(&latencies["five_minutes"], "requests"), count);
            assert_eq!(sum(&latencies["hours"], "requests"), count);
        }
        let top = seen["top"].as_array().unwrap();
        assert_eq!(
            top[0],
            json!({
                "client_id": busy.id, "name": "A client", "account": partner,
                "tokens": 6, "introspections": 4, "asked": 0, "verifications": 2, "failures": 6,
            })
        );
        let last = top.last().unwrap();
        assert_eq!((&last["client_id"], &last["tokens"], &last["introspections"]), (&json!(quiet.id), &json!(0), &json!(1)));

        // An account sees its own counters, and none of the server's.
        let seen = traffic(&nodes[1], &own);
        assert_eq!(seen.get("server"), None);
        assert_eq!(sums(&seen["hours"]), [6 + 3, 4, 6]);
        let top = seen["top"].as_array().unwrap();
        assert_eq!((top.len(), &top[0]["client_id"]), (4, &json!(busy.id)));
        assert!(top.iter().all(|client| client["account"] == json!(partner)));

        // A deleted client is still listed, without its name.
        world.cli(&["client", "delete", &busy.id]);
        assert_eq!(traffic(&nodes[0], &operator)["top"][0]["name"], Value::Null);
    }

    fn counters_outlive_the_node(world: World) {
        let client = world.client("a");
        for round in 1..=2 {
            let node = world.start();
            node.token(&client);
            assert!(node.stop().success());
            assert_eq!(world.count("SELECT CAST(SUM(count) AS BIGINT) FROM counters WHERE account_id = '' AND metric = 'tokens'"), round);
        }
    }

    fn latencies_are_estimated_from_a_histogram(world: World) {
        let node = world.start();
        let operator = node.token(&world.manager(&node, &[], "keyward:tokens:read keyward:operator"));
        let minute = Timestamp::now().truncate_to(std::time::Duration::from_secs(60)).millis();
        for (metric, count) in [("introspection_took:1000", 90), ("introspection_took:5000", 10)] {
            world.execute(&format!("INSERT INTO counters VALUES ({minute}, '', '', '{metric}', {count})"));
        }
        let latencies = traffic(&node, &operator)["server"]["introspection"].clone();
        // 90 requests between 0.7 and 1 ms, 10 between 3 and 5 ms.
        assert_eq!(latencies["hour"], json!({"requests": 100, "p50": 0.867, "p95": 4.0, "p99": 4.8}));
        let empty = json!({"requests": 0, "p50": null, "p95": null, "p99": null});
        let spans = latencies["five_minutes"].as_array().unwrap();
        assert_eq!((spans.len(), spans[0]["requests"].as_i64(), &spans[0]["p50"]), (12, Some(0), &Value::Null));
        // Old counters are not included.
        world.execute(&format!("UPDATE counters SET bucket_start = bucket_start - 3 * 3600000 WHERE bucket_start = {minute}"));
        let latencies = traffic(&node, &operator)["server"]["introspection"].clone();
        assert_eq!((&latencies["hour"], &latencies["day"]["requests"]), (&empty, &json!(100)));
    }
}
