//! Client authentication (RFC 6749 section 2.3) at each endpoint that requires it.

use crate::support::{Client, Node, Reply, World, basic, each_case, eventually};

const ENDPOINTS: [&str; 3] = ["/oauth/token", "/oauth/introspect", "/oauth/revoke"];

/// A request that is valid except for its authentication.
fn ask(node: &Node, endpoint: &str, authorization: Option<&str>, fields: &[(&str, &str)]) -> Reply {
    let own: &[(&str, &str)] = if endpoint == "/oauth/token" {
        &[("grant_type", "client_credentials")]
    } else {
        &[("token", "x")]
    };
    node.form(endpoint, authorization, &[own, fields].concat())
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

on_both! {
    fn each_registered_method_is_accepted_and_no_other(world: World) {
        let client = world.client_with(&["--introspect", "--scope", "read"]);
        let post = world.client_with(&["--introspect", "--auth-method", "client_secret_post"]);
        let node = world.start();
        let Client { id, secret, api_key } = &client;
        for endpoint in ENDPOINTS {
            let ok = |authorization: Option<String>, fields: &[(&str, &str)], what: &str| {
                let reply = ask(&node, endpoint, authorization.as_deref(), fields);
                assert_eq!(reply.status, 200, "{endpoint}, {what}: {}", reply.body);
            };
            ok(Some(client.basic()), &[], "basic");
            ok(Some(client.basic().replace("Basic", "bAsIc")), &[], "the scheme has no case");
            ok(Some(client.basic().trim_end_matches('=').to_owned()), &[], "without padding");
            ok(Some(basic(&percent(id), &percent(secret))), &[], "form-encoded");
            ok(None, &[("client_id", id), ("client_secret", secret)], "post serves for basic");
            ok(Some(post.basic()), &[], "basic serves for post");
            ok(Some(client.basic()), &[("client_id", id)], "basic, and the same client_id in the body");

            let refused = |authorization: Option<String>, fields: &[(&str, &str)], what: &str| {
                let reply = ask(&node, endpoint, authorization.as_deref(), fields);
                assert_eq!(reply.status, 401, "{endpoint}, {what}: {}", reply.body);
                reply.refused(401, "invalid_client");
                assert_eq!(reply.json()["error_description"], "Client authentication failed");
                let challenge = reply.header("www-authenticate");
                assert_eq!(challenge.is_some_and(|value| value.starts_with("Basic ")), authorization.is_some(), "{what}");
            };
            refused(None, &[], "nothing");
            refused(None, &[("client_id", id)], "an id alone");
            refused(None, &[("client_secret", secret)], "a secret alone");
            refused(Some(basic(id, "wrong")), &[], "no secret of ours");
            refused(Some(basic(id, &post.secret)), &[], "another client's secret");
            refused(Some(basic("nobody", secret)), &[], "an unknown client");
            refused(Some(basic(id, api_key)), &[], "an API key");
            refused(Some(format!("Bearer {secret}")), &[], "Bearer");
            refused(Some("Basic !!!".into()), &[], "no base64");
            refused(Some("Basic".into()), &[], "a scheme alone");
            refused(Some(basic("\u{0}", "\u{0}")), &[], "NUL bytes");
            refused(Some(basic("100%", "%zz")), &[], "percent signs that encode nothing");
            refused(None, &[("client_id", "a\u{0}b"), ("client_secret", "c")], "NUL in the body");
            refused(None, &[("client_id", &"x".repeat(5000)), ("client_secret", "c")], "an endless id");
            let jwt_bearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
            refused(None, &[("client_assertion", "x.y.z"), ("client_assertion_type", jwt_bearer)], "no assertion at all");

            let two = |authorization: Option<String>, fields: &[(&str, &str)]| {
                ask(&node, endpoint, authorization.as_deref(), fields).refused(400, "invalid_request");
            };
            two(Some(client.basic()), &[("client_secret", secret)]);
            two(Some(client.basic()), &[("client_assertion", "x"), ("client_assertion_type", jwt_bearer)]);
            two(None, &[("client_id", id), ("client_secret", secret), ("client_assertion", "x")]);
            two(Some(client.basic()), &[("client_id", &post.id)]);
            two(None, &[("client_assertion", "x.y.z")]);
        }
    }

    fn secrets_are_rotated_without_a_gap(world: World) {
        let mut client = world.client("read");
        let node = world.start();
        node.token(&client);
        let first = world.cli(&["secret", "list", &client.id])[0]["id"].as_str().unwrap().to_owned();
        let made = world.cli(&["secret", "create", &client.id]);
        let second = Client { secret: made["client_secret"].as_str().unwrap().to_owned(), ..client.clone() };
        eventually("the new secret", || (node.token_reply(&second, &[]).status == 200).then_some(()));
        node.token(&client);
        world.cli(&["secret", "delete", &client.id, &first]);
        eventually("the end of the old one", || (node.token_reply(&client, &[]).status == 401).then_some(()));
        node.token(&second);

        let brief = world.cli(&["secret", "create", &client.id, "--expires-in", "2s"]);
        client.secret = brief["client_secret"].as_str().unwrap().to_owned();
        eventually("the brief secret", || (node.token_reply(&client, &[]).status == 200).then_some(()));
        eventually("its end", || (node.token_reply(&client, &[]).status == 401).then_some(()));
        let reason = node.log_of(&node.token_reply(&client, &[]))["error"].as_str().unwrap().to_owned();
        assert!(reason.contains("expired at"), "{reason}");
        let rows = world.cli(&["secret", "list", &client.id]);
        assert!(rows.as_array().unwrap().iter().all(|row| row["id"].is_string()));
        assert!(!rows.to_string().contains("kws_"));
    }

    fn a_disabled_client_is_refused_in_the_same_words(world: World) {
        let client = world.client_with(&["--scope", "read", "--introspect"]);
        let node = world.start();
        let token = node.token(&client);
        assert!(node.active(&client, &token));
        world.cli(&["client", "disable", &client.id]);
        let reply = eventually("the refusal", || Some(node.token_reply(&client, &[])).filter(|reply| reply.status == 401));
        reply.refused(401, "invalid_client");
        assert_eq!(reply.json()["error_description"], "Client authentication failed");
        assert!(node.log_of(&reply)["error"].as_str().unwrap().contains("disabled"));
        world.cli(&["client", "enable", &client.id]);
        eventually("the client to be enabled", || (node.token_reply(&client, &[]).status == 200).then_some(()));
    }
}

#[test]
fn two_authorization_headers_are_refused() {
    let world = World::sqlite();
    let client = world.client("read");
    let node = world.start();
    let basic = client.basic();
    let headers = [
        ("authorization", basic.as_str()),
        ("authorization", basic.as_str()),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    node.post("/oauth/token", &headers, b"grant_type=client_credentials")
        .refused(400, "invalid_request");
}

/// Promise 6: failed attempts are answered with 429 after a while, and the rightful client can
/// authenticate all the time, even from the same address.
#[test]
fn guessing_is_throttled_and_nobody_is_locked_out() {
    let world = World::sqlite();
    let client = world.client("read");
    let other = world.client("read");
    let node = world.start();
    let wrong = Client {
        secret: other.secret.clone(),
        ..client.clone()
    };
    let replies: Vec<u16> = (0..60)
        .map(|_| node.token_reply(&wrong, &[]).status)
        .collect();
    assert_eq!(replies[0], 401);
    let late = node.token_reply(&wrong, &[]);
    assert_eq!(late.status, 429, "{replies:?}");
    let wait: u64 = late.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    late.refused(429, "temporarily_unavailable");
    node.token(&client);
    node.token(&other);
    // The rate limiter lets an attempt through now and then, so on a slow machine the first one may
    // pass.
    let replies: Vec<u16> = (0..5)
        .map(|_| node.token_reply(&wrong, &[]).status)
        .collect();
    assert!(
        replies.contains(&429),
        "a right secret does not reset the count: {replies:?}"
    );
}

/// No secret is logged, whatever is presented and for whatever reason it is refused.
#[test]
fn no_secret_reaches_the_log() {
    let world = World::sqlite();
    let client = world.client_with(&["--scope", "read", "--introspect"]);
    let node = world.start_with(&["--log", "trace"]);
    let token = node.token(&client);
    node.introspect(&client, &token);
    node.introspect(&client, &client.api_key);
    node.form(
        &format!("/oauth/token?client_secret={}", client.secret),
        None,
        &[("client_id", &client.id)],
    );
    // Users confuse the kinds of credential, and put them into URLs.
    node.token_reply(
        &Client {
            id: client.secret.clone(),
            secret: client.id.clone(),
            ..client.clone()
        },
        &[],
    );
    node.get(&format!("/{}", client.api_key));
    node.get(&format!("/oauth/register/{}", client.secret));
    let stranger = Client {
        id: "stranger".into(),
        ..client.clone()
    };
    let last = node.token_reply(&stranger, &[]);
    node.log_of(&last);
    let logs = node.logs();
    assert!(
        logs.contains("client stranger: unknown client"),
        "the log says who it was"
    );
    let signature = token.rsplit('.').next().unwrap();
    each_case(
        [
            client.secret.as_str(),
            &client.secret[21..],
            &client.api_key,
            signature,
            &client.basic()[6..],
        ],
        |secret| {
            assert!(!logs.contains(secret), "a secret is in the log");
        },
    );
}
