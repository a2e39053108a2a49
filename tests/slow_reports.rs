//! Slow reports of one account delay neither tokens and introspections nor the reports of others.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use serde_json::Value;

use crate::support::tools::Tool;
use crate::support::{Backend, Client, Node, World, eventually, within};

/// Each filter alone matches half of the audit entries, and together they match none.
const FINDS_NOTHING: &str = "/api/v1/audit?actor=first&action=second";

/// Inserts many rows: audit entries of an account, and counters of as many clients.
fn fill(world: &World, account: &str, rows: u32) {
    let hour = keyward::clock::Timestamp::now()
        .truncate_to(Duration::from_secs(3600))
        .millis();
    let numbers = match world.backend {
        Backend::Sqlite => {
            format!(
                "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) SELECT i FROM n)"
            )
        }
        Backend::Postgres => format!("(SELECT generate_series(1, {rows}) AS i)"),
    };
    world.execute(&format!(
        "INSERT INTO audit (id, happened_at, account_id, actor, action, target) \
         SELECT '0190-' || i, {hour}, '{account}', CASE i % 2 WHEN 0 THEN 'first' ELSE 'second' END, \
                CASE i % 2 WHEN 0 THEN 'first' ELSE 'second' END, 'target' FROM {numbers} AS numbers; \
         INSERT INTO counters (bucket_start, account_id, client_id, metric, count) \
         SELECT {hour}, '{account}', '' || i, 'tokens', i FROM {numbers} AS numbers"
    ));
}

fn account(world: &World, name: &str) -> String {
    world.cli(&["account", "create", "--name", name])["id"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn reader(world: &World, node: &Node, account: &str) -> String {
    node.token(&world.manager(
        node,
        &["--account", account],
        "keyward:audit:read keyward:tokens:read keyward:clients:read",
    ))
}

/// Calls `path` repeatedly until `stop` is set; each response is the report, or an error with
/// `Retry-After`. Returns the statuses.
fn hammer(node: &Node, token: &str, path: &str, stop: &AtomicBool) -> Vec<u16> {
    let mut statuses = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let reply = node.json("GET", path, Some(token), &Value::Null);
        assert!(
            matches!(reply.status, 200 | 429 | 503),
            "{} {}",
            reply.status,
            reply.body
        );
        assert!(reply.status == 200 || reply.header("retry-after").is_some());
        statuses.push(reply.status);
    }
    statuses
}

/// Operations on objects that are not cached yet: a token, and introspections of it and of an API
/// key.
fn time_of_requests(node: &Node, api: &Client, client: &Client) -> Duration {
    let began = Instant::now();
    let token = node.token(client);
    assert!(node.active(api, &token) && node.active(api, &client.api_key));
    began.elapsed()
}

on_both! {
    fn slow_reports_delay_no_token_and_no_introspection(world: World) {
        let api = world.resource("urn:api");
        let (busy, calm) = (account(&world, "Busy"), account(&world, "Calm"));
        let clients: Vec<Client> = (0..12).map(|_| world.client_with(&["--resource", "urn:api"])).collect();
        fill(&world, &busy, 200_000);
        let nodes = [0, 1].map(|_| world.start_with(&["--issuer", "http://auth.example"]));
        let (of_busy, of_calm) = (reader(&world, &nodes[0], "Busy"), reader(&world, &nodes[0], "Calm"));
        let operator = node_operator(&world, &nodes[0]);
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let _stop = StopOnDrop(&stop);
            let node = &nodes[0];
            let hammers: Vec<_> = (0..8)
                .map(|place| {
                    let (token, path) = match place % 4 {
                        0 | 1 => (&of_busy, FINDS_NOTHING),
                        2 => (&of_busy, "/api/v1/traffic"),
                        _ => (&operator, "/api/v1/traffic"),
                    };
                    let stop = &stop;
                    scope.spawn(move || hammer(node, token, path, stop))
                })
                .collect();
            // Each client is used for the first time while the reports run.
            for client in &clients {
                time_of_requests(node, &api, client);
                std::thread::sleep(Duration::from_millis(100));
            }
            // A revocation on another node is noticed, so the poller runs as well.
            let token = nodes[1].token(&clients[0]);
            assert!(node.active(&api, &token));
            assert_eq!(nodes[1].revoke(&clients[0], &token).status, 200);
            eventually("the revocation", || (!node.active(&api, &token)).then_some(()));
            // Other accounts can read their own reports.
            for path in [format!("/api/v1/accounts/{calm}"), "/api/v1/clients".to_owned(), "/api/v1/audit".to_owned()] {
                within(Duration::from_secs(30), &path, || {
                    let reply = node.json("GET", &path, Some(&of_calm), &Value::Null);
                    assert!(!matches!(reply.status, 429 | 500), "{path}: {} {}", reply.status, reply.body);
                    (reply.status != 503).then_some(())
                });
            }
            stop.store(true, Ordering::Relaxed);
            let answers: usize = hammers.into_iter().map(|hammer| hammer.join().unwrap().len()).sum();
            assert!(answers > 0);
        });
        assert!(!nodes[0].logs().contains("cannot follow the changes"), "{}", nodes[0].logs());
    }
}

fn node_operator(world: &World, node: &Node) -> String {
    node.token(&world.manager(node, &[], "keyward:tokens:read keyward:operator"))
}

/// Stops the threads if an assertion fails.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A statement that never ends by itself is stopped, and does not run on without a caller.
#[test]
fn a_stuck_report_is_stopped() {
    needs!(Tool::Postgres);
    let world = World::new(Backend::Postgres);
    let api = world.resource("urn:api");
    account(&world, "Busy");
    let clients: Vec<Client> = (0..3)
        .map(|_| world.client_with(&["--resource", "urn:api"]))
        .collect();
    let node = world.start();
    let token = reader(&world, &node, "Busy");
    let mut holder = PgConnection::establish(&world.database_url).unwrap();
    holder
        .batch_execute("BEGIN; LOCK TABLE audit IN ACCESS EXCLUSIVE MODE")
        .unwrap();
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| node.json("GET", "/api/v1/audit", Some(&token), &Value::Null)))
            .collect();
        // Only statements of the lists: the purge and the counters wait for the lock as well.
        let waiting = "SELECT count(*) FROM pg_stat_activity \
                   WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'SELECT %audit%ORDER BY%'";
        eventually("a report that waits", || {
            (world.count(waiting) > 0).then_some(())
        });
        assert!(world.count(waiting) <= 2, "the share of one account");
        for client in &clients {
            time_of_requests(&node, &api, client);
        }
        let statuses: Vec<u16> = callers
            .into_iter()
            .map(|caller| caller.join().unwrap().status)
            .collect();
        assert!(
            statuses.iter().all(|status| matches!(status, 429 | 503)),
            "{statuses:?}"
        );
        assert!(statuses.contains(&503), "{statuses:?}");
        eventually("the end of all statements", || {
            (world.count(waiting) == 0).then_some(())
        });
    });
    holder.batch_execute("ROLLBACK").unwrap();
    assert_eq!(
        node.json("GET", "/api/v1/audit", Some(&token), &Value::Null)
            .status,
        200
    );
}
