//! The traffic report: counted on all nodes, read in one place.

use std::time::Duration;

use keyward::clock::Timestamp;
use serde_json::{Value, json};

use crate::support::{Client, Node, Reply, World, eventually};

const HOUR: Duration = Duration::from_secs(3600);

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
        let minute = Timestamp::now().truncate_to(Duration::from_secs(60)).millis();
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

    fn the_busiest_of_many_clients_are_found_by_the_hour(world: World) {
        let hour = Timestamp::now().truncate_to(HOUR).millis();
        let partner = world.cli(&["account", "create", "--name", "Partner"])["id"].as_str().unwrap().to_owned();
        let other = world.cli(&["account", "create", "--name", "Other"])["id"].as_str().unwrap().to_owned();
        let mut rows = Vec::new();
        // Two of many clients are the busiest of the day, but of no hour; the others take turns.
        for ago in 0..20 {
            let start = hour - ago * 3_600_000;
            for place in 0..400 {
                let count = if place < 2 { 500 - place } else if place % 40 == ago { 600 } else { 1 };
                rows.push(format!("({start}, '{partner}', 'p{place:03}', 'tokens', {count})"));
            }
            rows.push(format!("({start}, '{other}', 'o', 'tokens', 400)"));
            for minute in 0..3 {
                rows.push(format!("({}, '', '', 'tokens', 1000)", start + minute * 60_000));
            }
        }
        let insert = |rows: &[String]| world.execute(&format!("INSERT INTO counters VALUES {}", rows.join(", ")));
        rows.chunks(2000).for_each(insert);
        let node = world.start();
        let operator = caller(&world, &node, "Partner", "keyward:tokens:read keyward:operator");
        let own = caller(&world, &node, "Partner", "keyward:tokens:read");
        // The hour that runs and the one before are summed up later.
        eventually("the sums", || {
            let hours = world.count("SELECT COUNT(DISTINCT bucket_start) FROM server_hours");
            let ranked = world.count("SELECT COUNT(DISTINCT bucket_start) FROM busiest_clients");
            (hours >= 18 && ranked == 20).then_some(())
        });
        assert_eq!(world.count(&format!("SELECT COUNT(*) FROM busiest_clients WHERE owner_id = '{other}'")), 0);
        assert_eq!(world.count("SELECT COUNT(*) FROM busiest_clients WHERE owner_id = '' AND bucket_start > 0"), 20 * 20);
        let of_top = |token: &str, place: usize| {
            let seen = traffic(&node, token);
            (seen["top"][place]["client_id"].clone(), seen["top"][place]["tokens"].clone())
        };
        for token in [&operator, &own] {
            assert_eq!(of_top(token, 0), (json!("p000"), json!(10_000)));
            assert_eq!(of_top(token, 1), (json!("p001"), json!(9980)));
        }
        assert_eq!(of_top(&operator, 2), (json!("o"), json!(8000)));
        assert_eq!(of_top(&own, 2).1, json!(600 + 19));

        let day = |node: &Node| sum(&traffic(node, &operator)["hours"], "tokens");
        let all = day(&node);
        assert!((20 * 3000..20 * 3000 + 100).contains(&all), "{all}");
        // Hours that are summed up need no counters of minutes.
        world.execute("DELETE FROM counters WHERE account_id = '' AND bucket_start IN (SELECT bucket_start FROM server_hours)");
        assert!(day(&node) >= all);
        // A row that no longer belongs to the busiest is removed, and a missing one is added.
        world.execute(&format!("UPDATE busiest_clients SET client_id = 'p300' WHERE owner_id = '' AND client_id = 'p000' AND bucket_start = {hour}"));
        assert!(node.stop().success());
        let _node = world.start();
        eventually("the rows of the hour", || {
            let rows = |client: &str| world.count(&format!("SELECT COUNT(*) FROM busiest_clients WHERE owner_id = '' AND client_id = '{client}' AND bucket_start = {hour}"));
            ([rows("p000"), rows("p300")] == [1, 0]).then_some(())
        });
    }
}
