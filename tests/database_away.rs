//! Promise 4: while the database is unavailable, the answer is 503, never a hang and never a false
//! `active`; and service recovers by itself.

use std::time::{Duration, Instant};

use crate::support::proxy::Proxy;
use crate::support::tools::Tool;
use crate::support::{Backend, Client, Node, Reply, World, eventually, within};

fn unavailable(reply: &Reply) {
    assert_eq!(reply.status, 503, "{}", reply.body);
    assert!(reply.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    assert_eq!(reply.json()["error"], "temporarily_unavailable");
}

/// A proxy in front of the world's Postgres, and the URL through it.
pub fn proxied(world: &World) -> (Proxy, String) {
    let mut url = url::Url::parse(&world.database_url).unwrap();
    let proxy = Proxy::to(format!(
        "{}:{}",
        url.host_str().unwrap(),
        url.port().unwrap()
    ));
    url.set_port(Some(proxy.port)).unwrap();
    (proxy, url.into())
}

/// Checks that must hold while the database is unavailable, once a second has passed.
fn degraded(node: &Node, api: &Client, client: &Client, token: &str) {
    let fields = [("token", token)];
    let began = Instant::now();
    unavailable(&node.form("/oauth/introspect", Some(&api.basic()), &fields));
    unavailable(&node.form("/oauth/revoke", Some(&client.basic()), &fields));
    unavailable(&node.token_reply(client, &[]));
    let registration = node.json(
        "POST",
        "/oauth/register",
        Some("kwi_0000000000000000_0000000000000000000000000000000000000000000000000"),
        &serde_json::json!({}),
    );
    assert!(
        matches!(registration.status, 401 | 503),
        "{}",
        registration.body
    );
    assert_eq!(node.get("/readyz").status, 503);
    assert!(
        began.elapsed() < Duration::from_secs(40),
        "never a hang: {:?}",
        began.elapsed()
    );
    assert_eq!(node.get("/healthz").status, 200);
    assert_eq!(
        node.get("/.well-known/jwks.json").json()["keys"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        node.get("/.well-known/oauth-authorization-server").status,
        200
    );
}

fn recovered(node: &Node, api: &Client, client: &Client, token: &str) {
    within(Duration::from_secs(15), "the recovery", || {
        (node.get("/readyz").status == 200).then_some(())
    });
    eventually("tokens", || {
        (node.token_reply(client, &[]).status == 200).then_some(())
    });
    assert!(node.active(api, token));
    // Connections from before the outage are tested before they are used.
    for _ in 0..20 {
        assert!(node.active(api, &node.token(client)));
    }
}

fn through_a_proxy(records: &str, away: impl Fn(&Proxy)) {
    let world = World::new(Backend::Postgres);
    let api = world.resource("urn:api");
    let client = world.client_with(&["--scope", "a", "--resource", "urn:api"]);
    let (proxy, through) = proxied(&world);
    let node = world.start_with(&["--database-url", &through, "--token-records", records]);
    let token = node.token(&client);
    assert!(node.active(&api, &token));

    away(&proxy);
    // Until the lease ends, the cache may still answer; after that, no request succeeds.
    std::thread::sleep(Duration::from_millis(1100));
    degraded(&node, &api, &client, &token);
    // Changes made during the outage take effect as soon as the node answers again.
    world.cli(&["client", "create", "--name", "Meanwhile"]);
    let revoked = node.get("/healthz").status == 200;
    assert!(revoked);
    proxy.mend();
    recovered(&node, &api, &client, &token);
}

#[test]
fn broken_connections_are_answered_with_503_until_they_recover() {
    needs!(Tool::Postgres);
    through_a_proxy("on", Proxy::cut);
}

#[test]
fn broken_connections_without_token_records_are_answered_with_503() {
    needs!(Tool::Postgres);
    through_a_proxy("off", Proxy::cut);
}

#[test]
fn silent_connections_are_answered_with_503() {
    needs!(Tool::Postgres);
    through_a_proxy("on", Proxy::swallow);
}

/// A revocation on another node while this node is cut off must never be missed.
#[test]
fn changes_made_during_an_outage_take_effect() {
    needs!(Tool::Postgres);
    let world = World::new(Backend::Postgres);
    let api = world.resource("urn:api");
    let client = world.client_with(&["--scope", "a", "--resource", "urn:api"]);
    let (proxy, through) = proxied(&world);
    let cut_off = world.start_with(&[
        "--database-url",
        &through,
        "--issuer",
        "http://auth.example",
    ]);
    let other = world.start_with(&["--issuer", "http://auth.example"]);
    let token = cut_off.token(&client);
    assert!(cut_off.active(&api, &token) && other.active(&api, &token));
    proxy.cut();
    assert_eq!(other.revoke(&client, &token).status, 200);
    let answered = Instant::now();
    let ask = || {
        cut_off.form(
            "/oauth/introspect",
            Some(&api.basic()),
            &[("token", &token)],
        )
    };
    while answered.elapsed() < Duration::from_secs(3) {
        let asked_after = answered.elapsed();
        let reply = ask();
        if asked_after >= Duration::from_secs(1) {
            assert_eq!(reply.status, 503, "after a second: {}", reply.body);
        }
    }
    proxy.mend();
    within(Duration::from_secs(15), "an answer", || {
        let reply = ask();
        assert_ne!(reply.json()["active"], true, "a false active");
        (reply.status == 200).then_some(())
    });
}

/// SIGTERM stops a node whose database hangs.
#[test]
fn the_server_stops_while_the_database_hangs() {
    needs!(Tool::Postgres);
    let world = World::new(Backend::Postgres);
    let client = world.client("a");
    let (proxy, through) = proxied(&world);
    let node = world.start_with(&["--database-url", &through]);
    node.token(&client);
    proxy.swallow();
    unavailable(&node.token_reply(&client, &[]));
    let began = Instant::now();
    node.stop();
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "{:?}",
        began.elapsed()
    );
    proxy.mend();
}

/// Another process holds the lock of the SQLite file for a long time.
#[test]
fn a_locked_file_is_answered_with_503() {
    use diesel::connection::SimpleConnection;
    use diesel::prelude::*;
    let world = World::sqlite();
    let api = world.resource("urn:api");
    let client = world.client_with(&["--scope", "a", "--resource", "urn:api"]);
    let node = world.start();
    let (token, revoked) = (node.token(&client), node.token(&client));
    let mut holder =
        SqliteConnection::establish(&world.folder.join("keyward.db").to_string_lossy()).unwrap();
    // The server may be writing at this moment.
    holder
        .batch_execute("PRAGMA busy_timeout = 5000; BEGIN IMMEDIATE")
        .unwrap();
    unavailable(&node.token_reply(&client, &[]));
    unavailable(&node.revoke(&client, &revoked));
    assert!(
        node.active(&api, &token),
        "readers are not blocked by a writer"
    );
    holder.batch_execute("ROLLBACK").unwrap();
    recovered(&node, &api, &client, &token);
}

/// Takes the lock that every change waits for; the returned function releases it.
fn hold_the_lock(world: &World) -> Box<dyn FnOnce()> {
    use diesel::connection::SimpleConnection;
    use diesel::prelude::*;
    match world.backend {
        Backend::Sqlite => {
            let file = world.folder.join("keyward.db");
            let mut holder = SqliteConnection::establish(&file.to_string_lossy()).unwrap();
            // The server may be writing at this moment.
            let lock = "PRAGMA busy_timeout = 5000; BEGIN IMMEDIATE";
            holder.batch_execute(lock).unwrap();
            Box::new(move || holder.batch_execute("ROLLBACK").unwrap())
        }
        Backend::Postgres => {
            let mut holder = PgConnection::establish(&world.database_url).unwrap();
            let lock = "BEGIN; UPDATE change_counter SET value = value";
            holder.batch_execute(lock).unwrap();
            Box::new(move || holder.batch_execute("ROLLBACK").unwrap())
        }
    }
}

on_both! {
    /// A 503 that says that nothing was changed stays true.
    fn a_change_is_not_made_after_its_caller_was_refused(world: World) {
        let api = world.resource("urn:api");
        let client = world.client_with(&["--scope", "a", "--resource", "urn:api"]);
        let node = world.start();
        let (late, later) = (node.token(&client), node.token(&client));
        let release = hold_the_lock(&world);
        unavailable(&node.revoke(&client, &late));
        release();
        eventually("a revocation", || (node.revoke(&client, &later).status == 200).then_some(()));
        assert!(!node.active(&api, &later));
        assert!(node.active(&api, &late), "revoked after the refusal");
    }
}
