//! Promises 2 and 8: what is answered on one node takes effect on every other within a second.

use std::time::Duration;

use crate::support::tools::Tool;
use crate::support::{Backend, EmptyWorld, World, eventually, within};

const SECOND: Duration = Duration::from_secs(1);

on_both! {
    fn nodes_that_start_at_once_bootstrap_once(world: EmptyWorld) {
        let nodes: Vec<_> = std::thread::scope(|scope| {
            let all: Vec<_> = (0..4).map(|_| scope.spawn(|| world.start_with(&["--bootstrap", "--issuer", "http://auth.example"]))).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let printed = nodes.iter().filter(|node| node.printed.contains("first-start")).count();
        assert_eq!(printed, 1, "one node filled the database");
        assert_eq!(world.count("SELECT count(*) FROM signing_keys"), 1);
        assert_eq!(world.count("SELECT count(*) FROM clients"), 2);
        let kids = nodes[0].kids();
        for node in &nodes {
            assert_eq!(node.kids(), kids);
        }
    }
}

on_both! {
    /// Also a node that stops while it writes its first report and asks to lead.
    fn a_node_that_stops_is_neither_listed_nor_the_leader(world: World) {
        for _ in 0..6 {
            assert!(world.start().stop().success());
            assert_eq!(world.count("SELECT count(*) FROM nodes"), 0);
            assert_eq!(world.count("SELECT count(*) FROM leader WHERE node <> ''"), 0);
        }
    }
}

on_both_and_serializable! {
    fn changes_on_one_node_take_effect_on_the_others_within_a_second(world: World) {
        let api = world.resource("urn:api");
        let client = world.client_with(&["--scope", "a", "--resource", "urn:api"]);
        let one = world.start_with(&["--issuer", "http://auth.example"]);
        let two = world.start_with(&["--issuer", "http://auth.example"]);
        for (here, there) in [(&one, &two), (&two, &one)] {
            let (token, key) = (here.token(&client), &client.api_key);
            assert!(there.active(&api, &token) && there.active(&api, key) && here.active(&api, &token));

            assert_eq!(here.revoke(&client, &token).status, 200);
            assert!(!here.active(&api, &token), "on this node at once");
            within(SECOND, "the revocation there", || (!there.active(&api, &token)).then_some(()));

            let token = there.token(&client);
            assert!(here.active(&api, &token));
            world.cli(&["client", "disable", &client.id]);
            for node in [here, there] {
                within(SECOND, "the disabling", || (node.token_reply(&client, &[]).status == 401).then_some(()));
                assert!(!node.active(&api, &token) && !node.active(&api, key));
            }
            world.cli(&["client", "enable", &client.id]);
            for node in [here, there] {
                within(SECOND, "the enabling", || (node.token_reply(&client, &[]).status == 200).then_some(()));
            }
        }
        // A request with an unknown client id does not keep the node from finding a client that is
        // created later.
        let id = "018f0000-0000-7000-8000-000000000000";
        let ghost = crate::support::Client { id: id.to_owned(), ..client.clone() };
        assert_eq!(one.token_reply(&ghost, &[]).status, 401);
        let late = world.client("a");
        within(SECOND, "the new client", || (one.token_reply(&late, &[]).status == 200).then_some(()));
        two.token(&late);
    }
}

/// A node that was suspended while the feed was purged must not continue as if there had been no
/// changes.
#[test]
fn a_suspended_node_reloads_everything_after_the_feed_was_purged() {
    needs!(Tool::Postgres);
    for newer in [true, false] {
        let world = World::new(Backend::Postgres);
        let api = world.resource("urn:api");
        let [revoked, disabled] =
            ["a", "b"].map(|scope| world.client_with(&["--scope", scope, "--resource", "urn:api"]));
        let flags = ["--issuer", "http://auth.example"];
        let (awake, slept) = (world.start_with(&flags), world.start_with(&flags));
        let tokens = [slept.token(&revoked), slept.token(&disabled)];
        assert!(
            tokens.iter().all(|token| slept.active(&api, token))
                && slept.active(&api, &disabled.api_key)
        );
        slept.signal("STOP");
        assert_eq!(awake.revoke(&revoked, &tokens[0]).status, 200);
        world.cli(&["client", "disable", &disabled.id]);
        world.execute("DELETE FROM changes");
        if newer {
            world.client("a");
        }
        slept.signal("CONT");
        // Also when the node follows the feed again and answers from its cache.
        std::thread::sleep(SECOND);
        for _ in 0..10 {
            assert!(
                tokens.iter().all(|token| !slept.active(&api, token))
                    && !slept.active(&api, &disabled.api_key)
            );
            std::thread::sleep(SECOND / 10);
        }
    }
}

/// All of a client's tokens are revoked while one is being recorded: that token must not be
/// returned.
#[test]
fn no_revoked_token_is_issued() {
    needs!(Tool::Postgres);
    use diesel::connection::SimpleConnection;
    use diesel::prelude::*;
    let world = World::new(Backend::Postgres);
    let api = world.resource("urn:api");
    let client = world.client_with(&["--scope", "a", "--resource", "urn:api"]);
    let node = world.start();
    let earlier = node.token(&client);
    let mut holder = PgConnection::establish(&world.database_url).unwrap();
    holder
        .batch_execute("BEGIN; LOCK TABLE tokens IN SHARE MODE")
        .unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| node.token_reply(&client, &[]));
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        eventually("the record to wait", || {
            (world.count(waits) > 0).then_some(())
        });
        world.cli(&["token", "revoke", "--client", &client.id]);
        eventually("the revocation", || {
            (!node.active(&api, &earlier)).then_some(())
        });
        holder.batch_execute("COMMIT").unwrap();
        let reply = waiting.join().unwrap();
        assert_eq!(reply.status, 503, "{}", reply.body);
        assert!(reply.header("retry-after").is_some());
        assert!(!reply.body.contains("access_token"));
    });
    assert!(
        node.active(&api, &node.token(&client)),
        "the next token is active"
    );
}
