//! Promise 2, whatever clocks say: what was revoked stays revoked, on nodes whose clocks are wrong, jump
//! or go back.

use std::time::Duration;

use serde_json::json;

use crate::support::clock::Clock;
use crate::support::{Backend, Client, Node, World, jwt, within};

const SECOND: Duration = Duration::from_secs(1);

/// The time in which a purge comes around, twice.
const PURGED: Duration = Duration::from_secs(20);

fn metric(node: &Node, name: &str) -> f64 {
    let text = node.get("/metrics").body;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    value.unwrap_or_else(|| panic!("no {name}: {text}"))
}

fn paused(node: &Node) {
    within(PURGED, "the pause", || (metric(node, "keyward_clock_agreed") == 0.0).then_some(()));
    let ready = node.get("/readyz");
    assert_eq!((ready.status, &ready.json()["status"]), (200, &json!("ready")));
    assert!(ready.body.contains("nothing is purged"), "{}", ready.body);
    assert!(node.logs().contains("clocks disagree"), "{}", node.logs());
}

/// What must outlast a clock that is wrong: a revocation, a used assertion, the audit, a session.
fn rows(world: &World) -> Vec<i64> {
    let tables = ["revocations", "client_assertions", "audit", "changes"];
    tables.iter().map(|table| world.count(&format!("SELECT count(*) FROM {table}"))).collect()
}

on_both! {
    fn a_clock_that_is_wrong_for_a_while_revives_nothing(world: World) {
        let api = world.resource("urn:api");
        let client = world.client_with(&["--scope", "a", "--resource", "urn:api"]);
        let clock = Clock::new(&world, "node");
        let node = clock.start(&world, &["--issuer", "http://auth.example"]);
        let kids = node.kids();
        let token = node.token(&client);
        assert!(node.active(&api, &token));
        assert_eq!(node.revoke(&client, &token).status, 200);
        world.execute(&format!("INSERT INTO client_assertions VALUES ('used', {})", (jwt::now() + 60) * 1000));
        let before = rows(&world);
        assert!(before.iter().all(|count| *count > 0), "{before:?}");
        for offset in ["+2h", "+400d"] {
            clock.set(offset);
            paused(&node);
            clock.set("+0s");
            assert!(!node.active(&api, &token), "{offset}");
            assert_eq!(rows(&world), before, "{offset}");
            assert_eq!(node.kids(), kids, "no key was rotated by the wrong age");
        }
        assert!(node.active(&api, &node.token(&client)), "it serves all the same");
        node.stop();
        let node = clock.start(&world, &["--issuer", "http://auth.example"]);
        assert!(!node.active(&api, &token), "nor does a restart");
    }

    /// A machine that starts with a wrong clock has nothing to compare it with but what is stored.
    fn a_clock_that_is_wrong_at_the_start(world: World) {
        let api = world.resource("urn:api");
        let client = world.client_with(&["--scope", "a", "--resource", "urn:api"]);
        let clock = Clock::new(&world, "node");
        let flags = ["--issuer", "http://auth.example"];
        let node = clock.start(&world, &flags);
        let token = node.token(&client);
        assert_eq!(node.revoke(&client, &token).status, 200);
        within(PURGED, "the moment to compare with", || (world.count("SELECT seen_at FROM clock") > 0).then_some(()));
        let before = rows(&world)[0];
        node.stop();

        clock.set("+3d");
        let node = clock.start(&world, &flags);
        paused(&node);
        assert_eq!(rows(&world)[0], before);
        node.stop();
        clock.set("+0s");
        let node = clock.start(&world, &flags);
        assert!(!node.active(&api, &token));
    }

    /// The revocation of a token that expired long ago is purged. Where the clock goes back to when the
    /// token was alive, it is expired all the same.
    fn a_clock_that_goes_back_by_days(world: World) {
        let api = world.resource("urn:api");
        let client = world.client_with(&["--scope", "a", "--resource", "urn:api"]);
        let clock = Clock::new(&world, "node");
        let flags = ["--issuer", "http://auth.example"];
        clock.set("-3d");
        let node = clock.start(&world, &flags);
        let token = node.token(&client);
        assert!(node.active(&api, &token));
        assert_eq!(node.revoke(&client, &token).status, 200);
        node.stop();
        clock.set("+0s");
        world.execute("UPDATE clock SET seen_at = 0");
        let node = clock.start(&world, &flags);
        within(PURGED, "the purge", || (world.count("SELECT count(*) FROM revocations") == 0).then_some(()));
        clock.set("-3d");
        std::thread::sleep(SECOND);
        assert!(!node.active(&api, &token), "while it runs");
        node.stop();
        let node = clock.start(&world, &flags);
        assert!(!node.active(&api, &token), "from the start");
        paused(&node);
    }

    /// "Revoke all" by a clock that went back since the token was issued.
    fn revoking_all_after_the_clock_went_back(world: World) {
        let api = world.resource("urn:api");
        let client = world.client_with(&["--scope", "a", "--resource", "urn:api"]);
        let clock = Clock::new(&world, "node");
        let node = clock.start(&world, &["--issuer", "http://auth.example"]);
        let token = node.token(&client);
        clock.set("-30m");
        clock.run(&world, &["token", "revoke", "--client", &client.id]);
        within(SECOND, "the revocation", || (!node.active(&api, &token)).then_some(()));
        let later = node.token(&client);
        assert_eq!(jwt::claims(&later)["token_epoch"], json!(1));
        assert!(jwt::claims(&token).get("token_epoch").is_none(), "most tokens do not grow");
        assert!(node.active(&api, &later), "what is issued afterwards is active");
        clock.set("+0s");
        assert!(!node.active(&api, &token) && node.active(&api, &later));
        listed(&world, &client, &[(&token, true), (&later, false)]);
    }
}

/// Whether the list says that these were revoked, and the inspection, by token and by `jti`, the same.
fn listed(world: &World, client: &Client, tokens: &[(&str, bool)]) {
    let list = world.cli(&["token", "list", "--client", &client.id]);
    for (token, revoked) in tokens {
        let jti = jwt::claims(token)["jti"].as_str().unwrap().to_owned();
        let row = list.as_array().unwrap().iter().find(|row| row["jti"] == jti.as_str()).unwrap();
        assert_eq!(row["revoked"], json!(revoked), "{row}");
        for named in [*token, &jti] {
            let inspected = world.cli(&["--issuer", "http://auth.example", "token", "inspect", named]);
            assert_eq!(inspected["active"], json!(!revoked), "{inspected}");
        }
    }
}

/// Three nodes, of which one is six seconds behind and one six ahead: "at once" is by no clock.
#[test]
fn nodes_whose_clocks_differ() {
    let world = World::new(Backend::Postgres);
    let api = world.resource("urn:api");
    let client = world.client_with(&["--scope", "a", "--resource", "urn:api"]);
    let clocks = ["+0s", "-6s", "+6s"].map(|offset| {
        let clock = Clock::new(&world, offset);
        clock.set(offset);
        clock
    });
    let flags = ["--issuer", "http://auth.example", "--jwks-max-age", "0"];
    let nodes = [0, 1, 2].map(|place| clocks[place].start(&world, &flags));
    for (node, difference) in nodes.iter().zip([0.0, 6.0, -6.0]) {
        within(PURGED, "the difference", || {
            let measured = metric(node, "keyward_clock_difference_seconds");
            ((measured - difference).abs() < 1.0).then_some(())
        });
        let ready = node.get("/readyz");
        assert_eq!(ready.status, 200);
        assert_eq!(ready.body.contains("let NTP set both"), difference != 0.0, "{}", ready.body);
    }
    let everywhere = |what: &str, holds: &dyn Fn(&Node) -> bool| {
        for node in &nodes {
            within(SECOND, what, || holds(node).then_some(()));
        }
    };

    // Revoke all, at the first node's time.
    let tokens: Vec<String> = nodes.iter().map(|node| node.token(&client)).collect();
    for token in &tokens {
        assert!(nodes.iter().all(|node| node.active(&api, token)));
    }
    world.cli(&["token", "revoke", "--client", &client.id]);
    for token in &tokens {
        everywhere("the end of all tokens", &|node| !node.active(&api, token));
    }
    let later: Vec<String> = nodes.iter().map(|node| node.token(&client)).collect();
    for token in &later {
        everywhere("tokens from after it", &|node| node.active(&api, token));
        listed(&world, &client, &[(token, false)]);
    }
    listed(&world, &client, &[(&tokens[0], true), (&tokens[1], true), (&tokens[2], true)]);

    // Another secret, and the old one good no more.
    let made = world.cli(&["secret", "rotate", &client.id, "--grace", "0"]);
    let new = Client { secret: made["client_secret"].as_str().unwrap().to_owned(), ..client.clone() };
    everywhere("the end of the secret", &|node| node.token_reply(&client, &[]).status == 401);
    everywhere("the new secret", &|node| node.token_reply(&new, &[]).status == 200);

    // A signing key that leaked.
    let leaked = nodes.each_ref().map(|node| node.token(&new));
    let kid = jwt::header(&leaked[0])["kid"].as_str().unwrap().to_owned();
    world.cli(&["signing-key", "retire", "--now", &kid]);
    for token in &leaked {
        everywhere("the end of what it signed", &|node| !node.active(&api, token));
    }
    everywhere("the end of the key", &|node| !node.kids().contains(&kid));
    for node in &nodes {
        let token = node.token(&new);
        assert_ne!(jwt::header(&token)["kid"], json!(kid), "it signs no more");
        everywhere("what the new one signs", &|node| node.active(&api, &token));
    }
}

/// A change that a node writes whose clock is far behind must not look old enough to be purged.
#[test]
fn changes_by_a_node_that_is_far_behind() {
    let world = World::new(Backend::Postgres);
    let client = world.client("a");
    let clock = Clock::new(&world, "late");
    clock.set("-2h");
    let node = clock.start(&world, &[]);
    let before = world.count("SELECT max(id) FROM changes");
    assert_eq!(node.revoke(&client, &node.token(&client)).status, 200);
    let written = world.count(&format!("SELECT max(changed_at) FROM changes WHERE id > {before}"));
    assert!(written > (jwt::now() - 60) * 1000, "{written}");
}
