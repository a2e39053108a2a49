//! Revocation (RFC 7009).

use crate::support::World;

on_both! {
    fn an_operator_revokes_any_token(world: World) {
        let api = world.resource("urn:api");
        let client = world.client_with(&["--scope", "a", "--resource", "urn:api"]);
        let node = world.start();
        let issuer = ["--issuer", node.base.as_str()];
        let token = node.token(&client);
        world.cli(&[&issuer[..], &["token", "revoke", &token]].concat());
        crate::support::within(std::time::Duration::from_secs(1), "the revocation", || (!node.active(&api, &token)).then_some(()));
        world.cli(&[&issuer[..], &["token", "revoke", &client.api_key]].concat());
        crate::support::within(std::time::Duration::from_secs(1), "the revocation of the key", || (!node.active(&api, &client.api_key)).then_some(()));
        assert!(world.refused(&["token", "revoke", "nonsense"]).contains("Nothing to revoke"));
        assert!(world.refused(&["token", "revoke", "--client", "nobody"]).contains("no client nobody"));
    }

    /// A key that leaks while its client is disabled must not become active again with the client.
    fn an_inactive_token_can_be_revoked(world: World) {
        let api = world.resource("urn:api");
        let client = world.client_with(&["--scope", "a", "--resource", "urn:api"]);
        let node = world.start();
        let issuer = ["--issuer", node.base.as_str()];
        let token = node.token(&client);
        assert!(node.active(&api, &token) && node.active(&api, &client.api_key));
        world.cli(&["client", "disable", &client.id]);
        world.cli(&[&issuer[..], &["token", "revoke", &token]].concat());
        world.cli(&[&issuer[..], &["token", "revoke", &client.api_key]].concat());
        assert!(world.refused(&["token", "revoke", &client.api_key]).contains("Nothing to revoke"), "it is");
        world.cli(&["client", "enable", &client.id]);
        crate::support::within(std::time::Duration::from_secs(1), "the client", || {
            (node.token_reply(&client, &[]).status == 200).then_some(())
        });
        assert!(node.active(&api, &node.token(&client)));
        assert!(!node.active(&api, &token) && !node.active(&api, &client.api_key));

        let made = world.cli(&["key", "create", &client.id, "--name", "expired", "--expires-in", "30m"]);
        let expired = made["api_key"].as_str().unwrap();
        world.execute("UPDATE api_keys SET expires_at = 1000");
        assert_eq!(node.revoke(&client, expired).status, 200);
        assert_eq!(world.count("SELECT count(*) FROM api_keys WHERE expires_at = 1000"), 0);
    }
}

on_both_and_serializable! {
    fn a_client_revokes_its_own_tokens_and_no_others(world: World) {
        let api = world.resource("urn:api");
        let client = world.client_with(&["--scope", "a", "--resource", "urn:api"]);
        let other = world.client_with(&["--scope", "a", "--resource", "urn:api"]);
        let node = world.start();
        let (token, kept) = (node.token(&client), node.token(&client));

        for anothers in [&token, &client.api_key] {
            node.revoke(&other, anothers).refused(400, "unauthorized_client");
            assert!(node.active(&api, anothers), "and it stays active");
        }
        for times in ["once", "twice"] {
            let reply = node.revoke(&client, &token);
            assert_eq!((reply.status, reply.body.as_str()), (200, ""), "{times}");
            assert!(!node.active(&api, &token), "at once");
        }
        assert!(node.active(&api, &kept), "the other tokens stay active");
        assert_eq!(world.count("SELECT count(*) FROM revocations"), 1);

        // A leaked key can be revoked even if it is the last one.
        assert_eq!(node.revoke(&client, &client.api_key).status, 200);
        assert!(!node.active(&api, &client.api_key));
        assert_eq!(node.revoke(&client, &client.api_key).status, 200, "the token is unknown now");

        for (what, unknown) in [("a word", "nonsense"), ("dots", "a.b.c"), ("a NUL", "\u{0}"), ("a long one", &"x".repeat(20_000))] {
            let reply = node.revoke(&client, unknown);
            assert_eq!((reply.status, reply.body.as_str()), (200, ""), "{what}");
        }
        for hint in ["access_token", "refresh_token", "api_key", "nonsense", "\u{0}"] {
            let token = node.token(&client);
            let fields = [("token", token.as_str()), ("token_type_hint", hint)];
            let reply = node.form("/oauth/revoke", Some(&client.basic()), &fields);
            assert_eq!(reply.status, 200, "{hint}: {}", reply.body);
            assert!(!node.active(&api, &token), "{hint}");
        }
        node.form("/oauth/revoke", Some(&client.basic()), &[]).refused(400, "invalid_request");
        node.form("/oauth/revoke", Some(&client.basic()), &[("token", "a"), ("token", "b")]).refused(400, "invalid_request");
    }

    fn concurrent_revocations_of_one_token_both_succeed(world: World) {
        let api = world.resource("urn:api");
        let client = world.client_with(&["--scope", "a", "--resource", "urn:api"]);
        let node = world.start();
        let token = node.token(&client);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| assert_eq!(node.revoke(&client, &token).status, 200));
            }
        });
        assert!(!node.active(&api, &token));
        assert_eq!(world.count("SELECT count(*) FROM revocations"), 1);
    }
}
