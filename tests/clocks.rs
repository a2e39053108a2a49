//! Promise 2 does not depend on clocks: what was revoked stays revoked, on nodes whose clocks are
//! wrong, jump or go back.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::clock::Clock;
use crate::support::tools::Tool;
use crate::support::{Backend, Client, Node, World, jwt, within};

const SECOND: Duration = Duration::from_secs(1);

/// Twice the interval of the purge.
const PURGED: Duration = Duration::from_secs(20);

fn metric(node: &Node, name: &str) -> f64 {
    let text = node.get("/metrics").body;
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    value.unwrap_or_else(|| panic!("no {name}: {text}"))
}

fn paused(node: &Node) {
    within(PURGED, "the pause", || {
        (metric(node, "keyward_clock_agreed") == 0.0).then_some(())
    });
    let ready = node.get("/readyz");
    assert_eq!(
        (ready.status, &ready.json()["status"]),
        (200, &json!("ready"))
    );
    assert!(ready.body.contains("nothing is purged"), "{}", ready.body);
    assert!(node.logs().contains("clocks disagree"), "{}", node.logs());
}

/// Rows that must survive a wrong clock: a revocation, a used assertion, audit entries, a session.
fn rows(world: &World) -> Vec<i64> {
    let tables = ["revocations", "client_assertions", "audit", "changes"];
    tables
        .iter()
        .map(|table| world.count(&format!("SELECT count(*) FROM {table}")))
        .collect()
}

on_both! {
    fn a_temporarily_wrong_clock_makes_nothing_active_again(world: World) {
        needs!(Tool::Faketime);
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
        assert!(node.active(&api, &node.token(&client)), "the node still serves");
        node.stop();
        let node = clock.start(&world, &["--issuer", "http://auth.example"]);
        assert!(!node.active(&api, &token), "nor does a restart");
    }

    /// A machine that starts with a wrong clock can compare it only with the stored time.
    fn a_clock_that_is_wrong_at_the_start_ends_nothing_early(world: World) {
        needs!(Tool::Faketime);
        let api = world.resource("urn:api");
        let client = world.client_with(&["--scope", "a", "--resource", "urn:api"]);
        let clock = Clock::new(&world, "node");
        let flags = ["--issuer", "http://auth.example"];
        let node = clock.start(&world, &flags);
        let token = node.token(&client);
        assert_eq!(node.revoke(&client, &token).status, 200);
        world.clocks_are_trusted();
        let before = rows(&world)[0];
        node.stop();
        // A warning would be due by the wrong clock.
        world.execute(&format!("UPDATE client_secrets SET expires_at = {}", (jwt::now() + 32 * 24 * 3600) * 1000));

        clock.set("+3d");
        let node = clock.start(&world, &flags);
        paused(&node);
        assert_eq!(rows(&world)[0], before);
        assert_eq!(world.count("SELECT count(*) FROM audit WHERE action = 'secret.expire_soon'"), 0);
        node.stop();
        clock.set("+0s");
        let node = clock.start(&world, &flags);
        assert!(!node.active(&api, &token));
    }

    /// The revocation of a token that expired long ago is purged. If the clock then goes back to a
    /// time before the token's `exp`, the token is still inactive.
    fn a_clock_that_goes_back_by_days_makes_nothing_active_again(world: World) {
        needs!(Tool::Faketime);
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
        world.clocks_are_trusted();
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

    /// A token that has expired by the clock of the node that revokes it may still be active on
    /// every other node.
    fn a_revocation_by_a_clock_that_is_ahead_stays_in_effect(world: World) {
        needs!(Tool::Faketime);
        let api = world.resource("urn:api");
        let client = world.client_with(&["--scope", "a", "--resource", "urn:api"]);
        let clock = Clock::new(&world, "node");
        let issuer = ["--issuer", "http://auth.example"];
        let node = clock.start(&world, &issuer);
        let key = |name: &str| {
            let made = world.cli(&["key", "create", &client.id, "--name", name, "--expires-in", "30m"]);
            made["api_key"].as_str().unwrap().to_owned()
        };
        let by_command = |arguments: &[&str]| clock.run(&world, &[&issuer[..], arguments].concat());
        for (offset, rotated) in [("+2h", false), ("+3d", true)] {
            let (at_node, by_operator, leaked) = (node.token(&client), node.token(&client), node.token(&client));
            let keys = [key(&format!("node {offset}")), key(&format!("operator {offset}"))];
            let kid = jwt::header(&leaked)["kid"].as_str().unwrap().to_owned();
            if rotated {
                // By the wrong clock the token has expired.
                world.cli(&["signing-key", "rotate"]);
                world.execute(&format!("UPDATE signing_keys SET signs_from = 1 WHERE kid <> '{kid}'"));
            }
            let all = [&at_node, &by_operator, &leaked, &keys[0], &keys[1]];
            assert!(all.iter().all(|token| node.active(&api, token)));
            clock.set(offset);
            for token in [&at_node, &keys[0]] {
                assert_eq!(node.revoke(&client, token).status, 200);
            }
            for token in [&by_operator, &keys[1]] {
                by_command(&["token", "revoke", token]);
            }
            if rotated {
                by_command(&["signing-key", "retire", "--now", &kid]);
            }
            clock.set("+0s");
            for token in [&at_node, &by_operator, &keys[0], &keys[1]] {
                within(SECOND, "the revocation", || (!node.active(&api, token)).then_some(()));
            }
            within(SECOND, "the end of the key", || (node.active(&api, &leaked) != rotated).then_some(()));
        }
        assert_eq!(world.count("SELECT count(*) FROM revocations"), 4);
    }

    /// The time of a clock that was ahead in the first seconds of a new database is not recorded.
    fn a_clock_that_is_ahead_at_the_first_start_is_not_recorded(world: World) {
        needs!(Tool::Faketime);
        let clock = Clock::new(&world, "node");
        clock.set("+400d");
        let node = clock.start(&world, &["--issuer", "http://auth.example"]);
        within(PURGED, "the first look", || (world.count("SELECT begun_at FROM clock") > 0).then_some(()));
        // Wait until a purge has run.
        std::thread::sleep(SECOND * 7);
        clock.set("+0s");
        let api = world.resource("urn:api");
        let client = world.client_with(&["--scope", "a", "--resource", "urn:api"]);
        paused(&node);
        assert_eq!(world.count("SELECT seen_at FROM clock"), 0);
        assert!(node.active(&api, &node.token(&client)));
        node.stop();
        let node = clock.start(&world, &["--issuer", "http://auth.example"]);
        assert!(node.active(&api, &node.token(&client)));
        assert_eq!(node.get("/readyz").json(), json!({"status": "ready"}));
    }

    /// A node whose clock was ahead recorded a time in the future. Every node and command reports
    /// it, and `keyward clock reset` repairs it.
    fn a_recorded_time_in_the_future_is_reported_and_can_be_reset(world: World) {
        let api = world.resource("urn:api");
        let client = world.client_with(&["--scope", "a", "--resource", "urn:api"]);
        let issuer = ["--issuer", "http://auth.example"];
        let inspect = |token: &str| world.cli(&[&issuer[..], &["token", "inspect", token]].concat());
        let finding = || {
            let output = world.run(&["--json", "check"]);
            let findings: Value = serde_json::from_slice(&output.stdout).unwrap();
            findings.as_array().unwrap().iter().find(|finding| finding["what"] == "clock").unwrap().clone()
        };
        let seen = |days: i64| world.execute(&format!("UPDATE clock SET seen_at = {}", (jwt::now() + days * 24 * 3600) * 1000));
        seen(0);
        let node = world.start_with(&issuer);
        let before = node.token(&client);
        assert!(node.active(&api, &before));
        assert_eq!(finding()["ok"], json!(true));
        assert!(world.refused(&["clock", "reset"]).contains("Nothing to reset"));

        seen(3);
        let warned = || node.get("/readyz").body.contains("keyward clock reset");
        within(PURGED, "the warning", || warned().then_some(()));
        let error = || node.logs().lines().any(|line| line.contains("ERROR") && line.contains("keyward clock reset"));
        within(PURGED, "the error in the log", || error().then_some(()));
        let token = node.token(&client);
        for token in [&before, &token] {
            assert!(!node.active(&api, token));
            let inspected = inspect(token);
            assert_eq!((&inspected["active"], &inspected["reason_code"]), (&json!(false), &json!("token_ended_by_later_clock")));
        }
        assert_eq!(world.cli(&["token", "list", "--client", &client.id]), json!([]));
        let wrong = finding();
        assert!(wrong["ok"] == json!(false) && wrong["detail"].as_str().unwrap().contains("keyward clock reset"), "{wrong}");

        world.cli(&["clock", "reset"]);
        within(PURGED, "a token that is active", || {
            // A token that is being signed during the reset is revoked with all others, and not
            // returned.
            let reply = node.token_reply(&client, &[]);
            (reply.status == 200 && node.active(&api, reply.json()["access_token"].as_str()?)).then_some(())
        });
        for token in [&before, &token] {
            assert!(!node.active(&api, token), "its revocation may have been purged");
            assert_eq!(inspect(token)["active"], json!(false));
        }
        assert!(!warned());
        assert_eq!(finding()["ok"], json!(true));
        assert_eq!(world.count("SELECT count(*) FROM audit WHERE action = 'clock.reset'"), 1);
        assert!(world.refused(&["clock", "reset"]).contains("Nothing to reset"));
    }

    /// All tokens of a client are revoked by a clock that went back after they were issued.
    fn all_tokens_are_revoked_after_the_clock_went_back(world: World) {
        needs!(Tool::Faketime);
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
        assert_listed_as_revoked(&world, &client, &[(&token, true), (&later, false)]);
    }
}

/// Checks that the list of tokens, and the inspection by token and by `jti`, agree on which tokens
/// are revoked.
fn assert_listed_as_revoked(world: &World, client: &Client, tokens: &[(&str, bool)]) {
    let list = world.cli(&["token", "list", "--client", &client.id]);
    for (token, revoked) in tokens {
        let jti = jwt::claims(token)["jti"].as_str().unwrap().to_owned();
        let row = list
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["jti"] == jti.as_str())
            .unwrap();
        assert_eq!(row["revoked"], json!(revoked), "{row}");
        for named in [*token, &jti] {
            let inspected =
                world.cli(&["--issuer", "http://auth.example", "token", "inspect", named]);
            assert_eq!(inspected["active"], json!(!revoked), "{inspected}");
        }
    }
}

/// Of three nodes, one clock is six seconds behind and one is six seconds ahead: changes that take
/// effect at once must not depend on a clock.
#[test]
fn changes_take_effect_at_once_on_nodes_whose_clocks_differ() {
    needs!(Tool::Postgres, Tool::Faketime);
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
        assert_eq!(
            ready.body.contains("synchronize both with NTP"),
            difference != 0.0,
            "{}",
            ready.body
        );
    }
    let everywhere = |what: &str, holds: &dyn Fn(&Node) -> bool| {
        for node in &nodes {
            within(SECOND, what, || holds(node).then_some(()));
        }
    };

    // Revoke all tokens, at the first node's time.
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
        assert_listed_as_revoked(&world, &client, &[(token, false)]);
    }
    assert_listed_as_revoked(
        &world,
        &client,
        &[(&tokens[0], true), (&tokens[1], true), (&tokens[2], true)],
    );

    // A new secret replaces the old one, which is no longer accepted.
    let made = world.cli(&["secret", "rotate", &client.id, "--grace", "0"]);
    let new = Client {
        secret: made["client_secret"].as_str().unwrap().to_owned(),
        ..client.clone()
    };
    everywhere("the end of the secret", &|node| {
        node.token_reply(&client, &[]).status == 401
    });
    everywhere("the new secret", &|node| {
        node.token_reply(&new, &[]).status == 200
    });

    // Retire a leaked signing key.
    let leaked = nodes.each_ref().map(|node| node.token(&new));
    let kid = jwt::header(&leaked[0])["kid"].as_str().unwrap().to_owned();
    world.cli(&["signing-key", "retire", "--now", &kid]);
    for token in &leaked {
        everywhere("the end of what it signed", &|node| {
            !node.active(&api, token)
        });
    }
    everywhere("the end of the key", &|node| !node.kids().contains(&kid));
    for node in &nodes {
        let token = node.token(&new);
        assert_ne!(jwt::header(&token)["kid"], json!(kid), "it signs no more");
        everywhere("what the new one signs", &|node| node.active(&api, &token));
    }
}

/// A change written by a node whose clock is far behind must not look old enough to be purged.
#[test]
fn changes_by_a_node_that_is_far_behind_are_not_purged() {
    needs!(Tool::Postgres, Tool::Faketime);
    let world = World::new(Backend::Postgres);
    let client = world.client("a");
    let clock = Clock::new(&world, "late");
    clock.set("-2h");
    let node = clock.start(&world, &[]);
    let before = world.count("SELECT max(id) FROM changes");
    assert_eq!(node.revoke(&client, &node.token(&client)).status, 200);
    let written = world.count(&format!(
        "SELECT max(changed_at) FROM changes WHERE id > {before}"
    ));
    assert!(written > (jwt::now() - 60) * 1000, "{written}");
}
