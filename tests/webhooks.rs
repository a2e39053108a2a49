//! Webhooks: events are signed, sent to those whom they concern, and sent again after failures.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::key_server::{Answer, KeyServer};
use crate::support::portal::{Browser, person};
use crate::support::tools::{Tool, variable};
use crate::support::{Node, World, each_case, eventually, jwt, repository, within};

/// A node that trusts the receiver's certificate authority and may connect to private addresses.
fn start(world: &World, receiver: &KeyServer) -> Node {
    let authority = receiver.authority.to_str().unwrap();
    world.start_with(&["--private-jwks-uri", "on", "--outbound-ca", authority])
}

/// A receiver whose responses to a path are 200.
fn receiver(world: &World, paths: &[&str]) -> KeyServer {
    let receiver = KeyServer::start(world, &["localhost"]);
    for path in paths {
        receiver.answer(path, Answer::Document(String::new()));
    }
    receiver
}

fn create(world: &World, receiver: &KeyServer, path: &str, flags: &[&str]) -> Value {
    let url = receiver.uri("localhost", path);
    world.cli(&[&["webhook", "create", &url], flags].concat())
}

fn text<'v>(value: &'v Value, member: &str) -> &'v str {
    value[member]
        .as_str()
        .unwrap_or_else(|| panic!("{member}: {value}"))
}

/// A received request.
#[derive(Clone, Debug)]
struct Received {
    id: String,
    timestamp: String,
    signatures: String,
    body: String,
}

impl Received {
    fn parse(request: &str) -> Self {
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST "), "{head}");
        let header = |name: &str| {
            head.lines()
                .filter_map(|line| line.split_once(": "))
                .find(|(own, _)| own.eq_ignore_ascii_case(name))
                .unwrap_or_else(|| panic!("{name}: {head}"))
                .1
                .to_owned()
        };
        assert_eq!(header("content-type"), "application/json");
        Received {
            id: header("webhook-id"),
            timestamp: header("webhook-timestamp"),
            signatures: header("webhook-signature"),
            body: body.to_owned(),
        }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The event, such as `secret.create`.
    fn event(&self) -> String {
        text(&self.json(), "type").to_owned()
    }

    /// How many of the signatures are by this secret.
    fn signed_by(&self, secret: &str) -> usize {
        let key = STANDARD
            .decode(secret.strip_prefix("whsec_").unwrap())
            .unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        let message = format!("{}.{}.{}", self.id, self.timestamp, self.body);
        let expected = format!(
            "v1,{}",
            STANDARD.encode(hmac::sign(&key, message.as_bytes()))
        );
        self.signatures
            .split(' ')
            .filter(|one| *one == expected)
            .count()
    }
}

/// The requests for a path.
fn received(receiver: &KeyServer, path: &str) -> Vec<Received> {
    let start = format!("POST {path} ");
    let all = receiver.requests();
    all.iter()
        .filter(|request| request.starts_with(&start))
        .map(|request| Received::parse(request))
        .collect()
}

/// Waits until an event was received at a path.
fn arrives(receiver: &KeyServer, path: &str, event: &str) -> Received {
    eventually(&format!("{event} at {path}"), || {
        received(receiver, path)
            .into_iter()
            .find(|one| one.event() == event)
    })
}

fn deliveries(world: &World, webhook: &Value) -> Vec<Value> {
    let listed = world.cli(&["webhook", "deliveries", text(webhook, "id")]);
    listed.as_array().unwrap().clone()
}

/// Waits until the newest delivery satisfies a condition.
fn newest(world: &World, webhook: &Value, what: &str, is_met: impl Fn(&Value) -> bool) -> Value {
    eventually(what, || {
        deliveries(world, webhook)
            .into_iter()
            .next()
            .filter(|one| is_met(one))
    })
}

fn state(world: &World, webhook: &Value) -> Value {
    world.cli(&["webhook", "show", text(webhook, "id")])
}

/// Sends what waits for a later attempt now.
fn hurry(world: &World) {
    world.execute(
        "UPDATE webhook_deliveries SET next_attempt_at = 1 WHERE next_attempt_at IS NOT NULL",
    );
}

on_both! {
    fn events_are_signed_and_sent_to_those_whom_they_concern(world: World) {
        world.cli(&["account", "create", "--name", "One"]);
        world.cli(&["account", "create", "--name", "Two"]);
        let hooks = receiver(&world, &["/one", "/two", "/all", "/keys"]);
        let one = create(&world, &hooks, "/one", &["--account", "One", "--event", "*"]);
        let two = create(&world, &hooks, "/two", &["--account", "Two", "--event", "*"]);
        let all = create(&world, &hooks, "/all", &["--all-accounts", "--event", "*"]);
        create(&world, &hooks, "/keys", &["--account", "One", "--event", "secret.create", "--event", "signing_key.rotate"]);
        let node = start(&world, &hooks);
        let client = world.client_with(&["--account", "One"]);
        let made = world.cli(&["secret", "create", &client.id]);
        let secret = text(&made, "client_secret");
        world.cli(&["signing-key", "rotate"]);
        world.cli(&["account", "create", "--name", "Three"]);
        let event = arrives(&hooks, "/one", "secret.create");
        arrives(&hooks, "/all", "secret.create");
        arrives(&hooks, "/all", "signing_key.rotate");
        arrives(&hooks, "/all", "account.create");
        arrives(&hooks, "/keys", "secret.create");
        assert_eq!(event.signed_by(text(&one, "signing_secret")), 1, "{event:?}");
        assert_eq!(event.signed_by(text(&two, "signing_secret")), 0);
        assert!((jwt::now() - event.timestamp.parse::<i64>().unwrap()).abs() < 60);
        let body = event.json();
        assert_eq!(body["data"]["action"], json!("secret.create"));
        assert_eq!(text(&body["data"], "id"), event.id);
        assert_eq!(body["data"]["account_id"], one["account"]);
        // A webhook gets the events of its account and those that it asks for.
        let events = |path| received(&hooks, path).iter().map(Received::event).collect::<BTreeSet<_>>();
        assert!(!events("/one").contains("signing_key.rotate"));
        assert_eq!(events("/keys"), BTreeSet::from(["secret.create".to_owned()]));
        for other in received(&hooks, "/two") {
            assert_eq!(other.json()["data"]["account_id"], two["account"], "{other:?}");
        }
        assert!(!events("/two").contains("secret.create"));
        // Nothing secret is sent or logged.
        let sent = hooks.requests().join("\n");
        for (what, value) in [("a secret", secret), ("a key", &client.api_key), ("a signing secret", text(&all, "signing_secret"))] {
            assert!(!sent.contains(value), "{what} was sent");
            assert!(!node.logs().contains(value), "{what} is in the log");
        }
        let delivered = newest(&world, &one, "a success", |one| one["state"] == "delivered");
        assert_eq!((&delivered["response_status"], &delivered["failure"]), (&json!(200), &json!(null)));
        let stored = world.text("SELECT MAX(secret_sealed) FROM webhooks WHERE url LIKE '%/one'");
        assert!(!stored.contains(text(&one, "signing_secret").trim_start_matches("whsec_")));
    }
}

on_both! {
    fn what_fails_is_sent_again_with_the_same_id(world: World) {
        let hooks = receiver(&world, &["/hook"]);
        let hook = create(&world, &hooks, "/hook", &["--all-accounts", "--event", "account.create"]);
        let node = start(&world, &hooks);
        hooks.answer("/hook", Answer::Head("500 Internal Server Error".to_owned()));
        world.cli(&["account", "create", "--name", "One"]);
        let failed = newest(&world, &hook, "a failure", |one| one["attempts"] == 1);
        assert_eq!((&failed["state"], &failed["failure"], &failed["response_status"]), (&json!("pending"), &json!("status"), &json!(500)));
        assert!(state(&world, &hook)["failing_since"].is_string());
        hooks.answer("/hook", Answer::Document(String::new()));
        // The first pause is five seconds.
        let delivered = newest(&world, &hook, "a success", |one| one["state"] == "delivered");
        assert_eq!(delivered["attempts"], json!(2));
        assert!(state(&world, &hook)["failing_since"].is_null());
        // A redirect is not followed, and is a failure.
        let other = hooks.uri("localhost", "/other");
        hooks.answer("/hook", Answer::Head(format!("307 Temporary Redirect\r\nlocation: {other}")));
        world.cli(&["webhook", "test", text(&hook, "id")]);
        newest(&world, &hook, "a redirect", |one| one["failure"] == "redirect" && one["type"] == "webhook.test");
        assert_eq!(hooks.hits("/other"), 0);
        // A restart in between.
        assert!(node.stop().success());
        hooks.answer("/hook", Answer::Document(String::new()));
        hurry(&world);
        let node = start(&world, &hooks);
        newest(&world, &hook, "a success after the restart", |one| one["state"] == "delivered");
        let tests: Vec<_> = received(&hooks, "/hook").into_iter().filter(|one| one.event() == "webhook.test").collect();
        assert!(tests.len() >= 2 && tests.iter().all(|one| one.id == tests[0].id), "{tests:?}");
        // "Send again" keeps the id.
        let before = received(&hooks, "/hook").len();
        world.cli(&["webhook", "resend", text(&hook, "id"), text(&delivered, "id")]);
        let again = eventually("the event again", || received(&hooks, "/hook").get(before).cloned());
        assert_eq!(again.id, text(&delivered, "event_id"));
        // A dead peer, one without TLS, and one that does not answer.
        drop(node);
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let plain = start(&world, &hooks);
        let port = plain.base.rsplit(':').next().unwrap().to_owned();
        for (url, failure) in [
            (format!("https://localhost:{gone}/"), "connection"),
            (format!("https://localhost:{port}/"), "tls"),
            (format!("https://localhost:{}/", silent.local_addr().unwrap().port()), "timeout"),
        ] {
            world.cli(&["webhook", "update", text(&hook, "id"), "--url", &url]);
            world.cli(&["webhook", "test", text(&hook, "id")]);
            hurry(&world);
            let what = format!("{failure} of {url}");
            let limit = Duration::from_secs(60);
            within(limit, &what, || deliveries(&world, &hook).into_iter().next().filter(|one| one["failure"] == failure));
        }
    }
}

on_both! {
    fn a_webhook_that_fails_for_days_is_disabled(world: World) {
        let hooks = receiver(&world, &[]);
        let hook = create(&world, &hooks, "/gone", &["--all-accounts", "--event", "account.create"]);
        let other = create(&world, &hooks, "/other", &["--all-accounts", "--event", "webhook.disable"]);
        let _node = start(&world, &hooks);
        world.cli(&["account", "create", "--name", "One"]);
        newest(&world, &hook, "a failure", |one| one["attempts"] == 1);
        assert_eq!(state(&world, &hook)["enabled"], json!(true));
        // Failures that are far apart say nothing about the time in between.
        let day = |days: i64| (jwt::now() - days * 24 * 3600) * 1000;
        world.execute(&format!("UPDATE webhooks SET failing_since = {}, last_failure_at = {} WHERE url LIKE '%/gone'", day(6), day(2)));
        hurry(&world);
        eventually("a new start", || (world.count("SELECT failing_since FROM webhooks WHERE url LIKE '%/gone'") > day(1)).then_some(()));
        assert_eq!(state(&world, &hook)["enabled"], json!(true));
        world.execute(&format!("UPDATE webhooks SET failing_since = {} WHERE url LIKE '%/gone'", day(6)));
        hurry(&world);
        let disabled = eventually("a disabled webhook", || Some(state(&world, &hook)).filter(|one| one["enabled"] == false));
        assert_eq!(disabled["disabled_by"], json!("failures"));
        let entry = "SELECT count(*) FROM audit WHERE action = 'webhook.disable' AND actor = 'Keyward'";
        assert_eq!(world.count(entry), 1);
        arrives(&hooks, "/other", "webhook.disable");
        // Nothing is sent to it, whatever happens.
        let hits = hooks.hits("/gone");
        world.cli(&["account", "create", "--name", "Two"]);
        assert!(world.refused(&["webhook", "test", text(&hook, "id")]).contains("disabled"));
        hurry(&world);
        hooks.answer("/other", Answer::Document(String::new()));
        world.cli(&["webhook", "test", text(&other, "id")]);
        arrives(&hooks, "/other", "webhook.test");
        assert_eq!(hooks.hits("/gone"), hits);
        // Enabled again, it gets what was pending, and not what happened in between.
        hooks.answer("/gone", Answer::Document(String::new()));
        world.cli(&["webhook", "enable", text(&hook, "id")]);
        newest(&world, &hook, "a success", |one| one["state"] == "delivered");
        assert_eq!(deliveries(&world, &hook).len(), 1);
        // 410 says that no more is wanted.
        hooks.answer("/gone", Answer::Head("410 Gone".to_owned()));
        world.cli(&["account", "create", "--name", "Three"]);
        eventually("a disabled webhook", || Some(state(&world, &hook)).filter(|one| one["disabled_by"] == "failures"));
    }
}

on_both! {
    fn a_stopped_receiver_delays_no_other(world: World) {
        let hooks = receiver(&world, &["/fine"]);
        hooks.answer("/silent", Answer::Nothing);
        for account in ["One", "Two", "Three"] {
            world.cli(&["account", "create", "--name", account]);
            for _ in 0..3 {
                create(&world, &hooks, "/silent", &["--account", account, "--event", "*"]);
            }
        }
        create(&world, &hooks, "/fine", &["--all-accounts", "--event", "client.create"]);
        let node = start(&world, &hooks);
        for account in ["One", "Two", "Three"] {
            for _ in 0..3 {
                world.client_with(&["--account", account]);
            }
        }
        eventually("a busy receiver", || (hooks.hits("/silent") >= 8).then_some(()));
        let before = received(&hooks, "/fine").len();
        world.client_with(&["--account", "One"]);
        within(Duration::from_secs(9), "an event beside silent receivers", || (received(&hooks, "/fine").len() > before).then_some(()));
        // The node stops although deliveries are in progress.
        assert!(node.stop().success());
    }
}

on_both! {
    fn a_rotated_secret_signs_until_its_grace_period_ends(world: World) {
        let hooks = receiver(&world, &["/hook"]);
        let hook = create(&world, &hooks, "/hook", &["--all-accounts", "--event", "account.create"]);
        let first = text(&hook, "signing_secret");
        let id = text(&hook, "id");
        let node = start(&world, &hooks);
        let next = |count: usize| {
            world.cli(&["webhook", "test", id]);
            eventually("a delivery", || received(&hooks, "/hook").get(count).cloned())
        };
        assert_eq!(next(0).signed_by(first), 1);
        let rotated = world.cli(&["webhook", "rotate-secret", id]);
        let second = text(&rotated, "signing_secret");
        let both = next(1);
        assert_eq!((both.signed_by(first), both.signed_by(second)), (1, 1));
        world.execute("UPDATE webhooks SET previous_until = 1");
        let one = next(2);
        assert_eq!((one.signed_by(first), one.signed_by(second)), (0, 1));
        let rotated = world.cli(&["webhook", "rotate-secret", id, "--grace", "0s"]);
        let third = text(&rotated, "signing_secret");
        let one = next(3);
        assert_eq!((one.signed_by(second), one.signed_by(third)), (0, 1));
        assert!(world.refused(&["webhook", "rotate-secret", id, "--grace", "8d"]).contains("week"));
        // The sealing key is rotated, and lost.
        assert_eq!(world.cli(&["sealing-key", "rotate"])["webhooks"], json!(1));
        assert_eq!(next(4).signed_by(third), 1);
        let sealed = world.text("SELECT secret_sealed FROM webhooks");
        let days_ago = |days: i64| (jwt::now() - days * 24 * 3600) * 1000;
        world.execute(&format!("UPDATE webhooks SET secret_sealed = 'bm90aGluZw', failing_since = {}, last_failure_at = {}", days_ago(6), days_ago(0)));
        world.cli(&["webhook", "test", id]);
        let kept = newest(&world, &hook, "a lost secret", |one| one["failure"] == "secret");
        // The receiver is not to blame.
        assert_eq!((&kept["state"], &kept["attempts"], &kept["last_attempt_at"]), (&json!("pending"), &json!(0), &json!(null)));
        assert!(node.logs().contains("cannot decrypt the secret of a webhook"));
        assert_eq!(world.count("SELECT last_failure_at FROM webhooks") / 60_000, days_ago(0) / 60_000, "no other failure");
        assert_eq!(state(&world, &hook)["enabled"], json!(true));
        let failures = "keyward_webhook_deliveries_total{outcome=\"failure\"}";
        assert!(node.metric(failures) < 0.5, "no request was made");
        world.execute(&format!("UPDATE webhooks SET secret_sealed = '{sealed}'"));
        hurry(&world);
        let sent = newest(&world, &hook, "a success", |one| one["state"] == "delivered");
        assert_eq!((&sent["attempts"], &sent["failure"]), (&json!(1), &json!(null)));
    }
}

on_both! {
    fn accounts_manage_their_own_webhooks_by_the_api(world: World) {
        world.cli(&["account", "create", "--name", "One"]);
        world.cli(&["account", "create", "--name", "Two"]);
        let hooks = receiver(&world, &["/hook"]);
        let node = start(&world, &hooks);
        let rights = "keyward:webhooks:read keyward:webhooks:write";
        let token = |account: &str| {
            let manager = world.manager(&node, &["--account", account], rights);
            node.token_reply(&manager, &[("resource", &node.management())]).json()["access_token"].as_str().unwrap().to_owned()
        };
        let (one, two) = (token("One"), token("Two"));
        let call = |token: &str, method: &str, path: &str, body: &Value| node.json(method, &format!("/api/v1/webhooks{path}"), Some(token), body);
        let url = hooks.uri("localhost", "/hook");
        let wrong = [
            (json!({"url": "http://one.example/", "events": ["*"]}), 400, "url"),
            (json!({"url": "https://user@one.example/", "events": ["*"]}), 400, "url"),
            (json!({"url": url, "events": []}), 400, "events"),
            (json!({"url": url, "events": ["*", "secret.create"]}), 400, "events"),
            (json!({"url": url, "events": ["secret.paint"]}), 400, "events"),
            (json!({"url": url, "events": ["authentication.failure"]}), 400, "events"),
            (json!({"url": url, "events": ["token.revoke"]}), 400, "events"),
            (json!({"url": url, "events": ["database.restore"]}), 400, "events"),
            (json!({"url": url, "events": ["*"], "description": "a\nb"}), 400, "description"),
            (json!({"url": url, "events": ["*"], "description": "é".repeat(201)}), 400, "description"),
            (json!({"url": url, "events": ["*"], "all_accounts": true}), 403, "all_accounts"),
            (json!({"url": url, "events": ["*"], "all_accounts": true, "account": "One"}), 400, "all_accounts"),
        ];
        each_case(wrong, |(body, status, field)| {
            let reply = call(&one, "POST", "", &body);
            assert_eq!((reply.status, &reply.json()["field"]), (status, &json!(field)), "{body}: {}", reply.body);
        });
        assert_eq!(call(&one, "POST", "", &json!({"url": url, "events": ["*"], "account": "Two"})).status, 404);
        let made = call(&one, "POST", "", &json!({"url": url, "events": ["secret.create"], "description": "Alerts"}));
        assert_eq!(made.status, 201, "{}", made.body);
        let made = made.json();
        assert!(text(&made, "signing_secret").starts_with("whsec_"));
        let own = format!("/{}", text(&made, "id"));
        let shown = call(&one, "GET", &own, &json!(null));
        assert_eq!(shown.json()["events"], json!(["secret.create"]));
        assert!(!shown.body.contains("whsec_") && !shown.body.contains("sealed"));
        // Another account sees nothing of it, and neither does an account see the operator's.
        let operators = create(&world, &hooks, "/hook", &["--all-accounts", "--event", "*"]);
        for (token, id) in [(&two, &own), (&one, &format!("/{}", text(&operators, "id")))] {
            for (method, below, body) in [
                ("GET", "", json!(null)),
                ("PATCH", "", json!({"enabled": false})),
                ("DELETE", "", json!(null)),
                ("POST", "/rotate-secret", json!({})),
                ("POST", "/test", json!(null)),
                ("GET", "/deliveries", json!(null)),
                ("POST", "/deliveries/x/resend", json!(null)),
            ] {
                assert_eq!(call(token, method, &format!("{id}{below}"), &body).status, 404, "{method} {below}");
            }
        }
        assert_eq!(call(&two, "GET", "", &json!(null)).json()["items"], json!([]));
        // Its deliveries, by pages.
        for _ in 0..3 {
            assert_eq!(call(&one, "POST", &format!("{own}/test"), &json!(null)).status, 201);
        }
        let page = call(&one, "GET", &format!("{own}/deliveries?limit=2"), &json!(null)).json();
        let cursor = text(&page, "next_cursor");
        let rest = call(&one, "GET", &format!("{own}/deliveries?limit=2&cursor={cursor}"), &json!(null)).json();
        assert_eq!((page["items"].as_array().unwrap().len(), rest["items"].as_array().unwrap().len()), (2, 1));
        let delivery = text(&rest["items"][0], "id");
        assert_eq!(call(&one, "POST", &format!("{own}/deliveries/{delivery}/resend"), &json!(null)).status, 201);
        // An operator disables it: the account can neither enable nor delete it.
        world.cli(&["webhook", "disable", text(&made, "id")]);
        assert_eq!(call(&one, "PATCH", &own, &json!({"enabled": true})).status, 403);
        assert_eq!(call(&one, "DELETE", &own, &json!(null)).status, 403);
        assert_eq!(call(&one, "POST", &format!("{own}/test"), &json!(null)).status, 409);
        world.cli(&["webhook", "enable", text(&made, "id")]);
        assert_eq!(call(&one, "PATCH", &own, &json!({"events": []})).status, 400);
        let changed = call(&one, "PATCH", &own, &json!({"events": ["*"], "enabled": false}));
        assert_eq!((changed.status, &changed.json()["disabled_by"]), (200, &json!("account")));
        assert_eq!(call(&one, "DELETE", &own, &json!(null)).status, 204);
        assert_eq!(call(&one, "GET", &own, &json!(null)).status, 404);
        // An account has at most ten.
        for _ in 0..10 {
            assert_eq!(call(&one, "POST", "", &json!({"url": url, "events": ["*"]})).status, 201);
        }
        assert_eq!(call(&one, "POST", "", &json!({"url": url, "events": ["*"]})).status, 409);
        assert_eq!(call(&two, "POST", "", &json!({"url": url, "events": ["*"]})).status, 201);
    }
}

on_both! {
    fn what_is_about_to_expire_is_announced_once(world: World) {
        let hooks = receiver(&world, &["/hook"]);
        let hook = create(&world, &hooks, "/hook", &["--all-accounts", "--event", "secret.expire_soon", "--event", "api_key.expire_soon"]);
        let client = world.client("read");
        let key = world.cli(&["key", "create", &client.id, "--name", "Old", "--expires-in", "400d"]);
        let key = text(&key, "id").to_owned();
        let (now, day) = (jwt::now() * 1000, 24 * 3600 * 1000);
        world.execute(&format!("UPDATE client_secrets SET created_at = {}, expires_at = {}", now - 90 * day, now + 6 * day));
        world.execute(&format!("UPDATE api_keys SET created_at = {}, expires_at = {} WHERE id = '{key}'", now - 90 * day, now + 20 * day));
        let node = start(&world, &hooks);
        let secret = arrives(&hooks, "/hook", "secret.expire_soon").json();
        assert_eq!((&secret["data"]["details"]["days"], &secret["data"]["details"]["client_id"]), (&json!(7), &json!(client.id)));
        let announced = arrives(&hooks, "/hook", "api_key.expire_soon").json();
        assert_eq!((&announced["data"]["details"]["days"], &announced["data"]["target"]), (&json!(30), &json!(key)));
        // After a restart nothing is announced again, and the next threshold is.
        assert!(node.stop().success());
        world.execute(&format!("UPDATE api_keys SET expires_at = {}, expiry_announced_at = {} WHERE id = '{key}'", now + day / 2, now - 5 * day));
        let _node = start(&world, &hooks);
        eventually("the next announcement", || (deliveries(&world, &hook).len() == 3).then_some(()));
        assert_eq!(world.count("SELECT count(*) FROM audit WHERE action = 'secret.expire_soon'"), 1);
        assert_eq!(world.count("SELECT count(*) FROM audit WHERE action = 'api_key.expire_soon'"), 2);
    }
}

on_both! {
    fn each_warning_is_given_once_and_all_in_small_batches(world: World) {
        world.cli(&["account", "create", "--name", "First"]);
        world.cli(&["account", "create", "--name", "Closed"]);
        let client = world.client_with(&["--account", "First"]);
        let closed = world.client_with(&["--account", "Closed"]);
        let disabled = world.client_with(&["--account", "First"]);
        world.cli(&["client", "disable", &disabled.id]);
        world.cli(&["account", "close", "Closed"]);
        world.execute("DELETE FROM api_keys");
        let (now, hour) = (jwt::now() * 1000, 3600 * 1000);
        let day = 24 * hour;
        // Milliseconds before the expiry: when it was made or announced, and now; the days of the warning.
        let cases = [
            (100 * day, 31 * day, None),
            (100 * day, 30 * day - hour, Some(30)),
            (30 * day, 29 * day, None),
            (30 * day, 7 * day - hour, Some(7)),
            (100 * day, 5 * day, Some(7)),
            (5 * day, 2 * day, None),
            (5 * day, day - hour, Some(1)),
            (day, day - hour, None),
            (100 * day, -hour, None),
            // It was made for ten days.
            (10 * day, 10 * day - hour, None),
            (10 * day, 7 * day - hour, Some(7)),
        ];
        let insert = |id: &str, client: &str, created: i64, announced: &str, expires: i64| {
            world.execute(&format!(
                "INSERT INTO api_keys (id, client_id, name, hash, shown, manage_keys, created_at, expires_at, created_by, allowed_ips, expiry_announced_at) \
                 VALUES ('{id}', '{client}', 'Key {id}', 'hash {id}', 'shown', FALSE, {created}, {expires}, 'nobody', '', {announced})"
            ));
        };
        let mut expected = BTreeSet::new();
        for (number, (known, left, days)) in cases.into_iter().enumerate() {
            let expires = now + left;
            let known = expires - known;
            let ids = ["made", "announced"].map(|how| format!("{how}-{number}"));
            insert(&ids[0], &client.id, known, "NULL", expires);
            insert(&ids[1], &client.id, known - 200 * day, &known.to_string(), expires);
            expected.extend(days.into_iter().flat_map(|days| ids.clone().map(|id| (id, days))));
        }
        // More than a batch, and those of clients that are refused anyway.
        for number in 0..25 {
            let id = format!("many-{number}");
            insert(&id, &client.id, now - 90 * day, "NULL", now + 20 * day + number);
            expected.insert((id, 30));
            insert(&format!("closed-{number}"), &closed.id, now - 90 * day, "NULL", now + 3 * day);
            insert(&format!("disabled-{number}"), &disabled.id, now - 90 * day, "NULL", now + 3 * day);
        }
        let node = world.start();
        let runs = "keyward_job_runs_total{name=\"expiry_warnings\",outcome=\"success\"}";
        eventually("the first run", || (node.metric(runs) > 0.5).then_some(()));
        let entries = world.cli(&["audit", "list", "--action", "api_key.expire_soon"]);
        let entries = entries["items"].as_array().or(entries.as_array()).unwrap();
        let announced: Vec<_> = entries
            .iter()
            .map(|entry| (text(entry, "target").to_owned(), entry["details"]["days"].as_i64().unwrap()))
            .collect();
        assert_eq!(announced.len(), expected.len(), "each once");
        assert_eq!(announced.into_iter().collect::<BTreeSet<_>>(), expected);
    }
}

on_both! {
    fn nothing_is_sent_to_the_webhooks_of_a_closed_account(world: World) {
        world.cli(&["account", "create", "--name", "First"]);
        world.cli(&["account", "create", "--name", "One"]);
        let hooks = receiver(&world, &["/one", "/all"]);
        let one = create(&world, &hooks, "/one", &["--account", "One", "--event", "*"]);
        let all = create(&world, &hooks, "/all", &["--all-accounts", "--event", "*"]);
        // Pending when the account is closed.
        let client = world.client_with(&["--account", "One"]);
        world.cli(&["account", "close", "One"]);
        world.cli(&["client", "disable", &client.id]);
        let node = start(&world, &hooks);
        for event in ["client.create", "account.close", "client.disable"] {
            arrives(&hooks, "/all", event);
        }
        assert!(world.refused(&["webhook", "test", text(&one, "id")]).contains("closed"));
        let pending = deliveries(&world, &one);
        let resent = world.refused(&["webhook", "resend", text(&one, "id"), text(&pending[0], "id")]);
        assert!(resent.contains("closed"), "{resent}");
        world.cli(&["webhook", "test", text(&all, "id")]);
        arrives(&hooks, "/all", "webhook.test");
        assert_eq!(hooks.hits("/one"), 0);
        // Reopened, it gets what was pending, and not what happened in between.
        world.cli(&["account", "reopen", "One"]);
        arrives(&hooks, "/one", "account.reopen");
        arrives(&hooks, "/one", "client.create");
        world.cli(&["webhook", "test", text(&one, "id")]);
        arrives(&hooks, "/one", "webhook.test");
        let events: BTreeSet<_> = received(&hooks, "/one").iter().map(Received::event).collect();
        assert!(!events.contains("account.close") && !events.contains("client.disable"), "{events:?}");
        assert!(node.stop().success());
    }
}

on_both! {
    fn the_pending_deliveries_of_a_webhook_are_limited(world: World) {
        world.cli(&["account", "create", "--name", "First"]);
        let hooks = receiver(&world, &["/full", "/fine"]);
        let full = create(&world, &hooks, "/full", &["--all-accounts", "--event", "account.create", "--event", "account.update"]);
        create(&world, &hooks, "/fine", &["--all-accounts", "--event", "account.update"]);
        let node = start(&world, &hooks);
        let id = text(&full, "id");
        let later = (jwt::now() + 3600) * 1000;
        world.execute(&format!(
            "INSERT INTO webhook_deliveries (id, webhook_id, event_id, event_type, body, created_at, attempts, next_attempt_at) \
             WITH RECURSIVE numbers(number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < 9999) \
             SELECT '0-' || number, '{id}', 'event', 'account.create', '{{}}', {later}, 1, {later} + number FROM numbers"
        ));
        let manager = world.manager(&node, &[], "keyward:operator keyward:users:write");
        let pending = || world.count(&format!("SELECT count(*) FROM webhook_deliveries WHERE webhook_id = '{id}' AND next_attempt_at IS NOT NULL"));
        // The last one that is not too many is kept, while the receiver does not answer.
        hooks.answer("/full", Answer::Nothing);
        world.cli(&["account", "create", "--name", "Kept"]);
        assert_eq!(pending(), 10_000);
        let token = node.token_reply(&manager, &[("resource", &node.management())]).json()["access_token"].as_str().unwrap().to_owned();
        let renamed = |name: &str| {
            let account = world.cli(&["account", "list"]).as_array().unwrap()[0]["id"].as_str().unwrap().to_owned();
            let reply = node.json("PATCH", &format!("/api/v1/accounts/{account}"), Some(&token), &json!({"name": name}));
            assert_eq!(reply.status, 200, "{}", reply.body);
        };
        renamed("Dropped");
        assert_eq!(pending(), 10_000);
        arrives(&hooks, "/fine", "account.update");
        assert!(node.metric("keyward_webhook_deliveries_total{outcome=\"dropped\"}") > 0.5);
        renamed("Dropped too");
        assert!(node.metric("keyward_webhook_deliveries_total{outcome=\"dropped\"}") > 1.5);
        assert_eq!(node.logs().matches("event dropped").count(), 1, "once a minute");
        for refused in [
            world.refused(&["webhook", "test", id]),
            world.refused(&["webhook", "resend", id, &world.text("SELECT MAX(id) FROM webhook_deliveries WHERE id NOT LIKE '0-%'")]),
        ] {
            assert!(refused.contains("10000") || refused.contains("10,000"), "{refused}");
        }
        // Once some are no longer pending, events are sent again.
        hooks.answer("/full", Answer::Document(String::new()));
        world.execute("UPDATE webhook_deliveries SET next_attempt_at = NULL WHERE id LIKE '0-%'");
        renamed("Sent");
        arrives(&hooks, "/full", "account.update");
    }
}

#[test]
fn several_nodes_send_each_event_once_and_survive_the_death_of_one() {
    needs!(Tool::Postgres);
    let world = World::postgres();
    let hooks = receiver(&world, &["/hook"]);
    create(
        &world,
        &hooks,
        "/hook",
        &["--all-accounts", "--event", "client.create"],
    );
    let authority = hooks.authority.to_str().unwrap();
    let flags = [
        "--private-jwks-uri",
        "on",
        "--outbound-ca",
        authority,
        "--issuer",
        "http://auth.example",
    ];
    let nodes = [world.start_with(&flags), world.start_with(&flags)];
    let made: BTreeSet<String> = (0..10).map(|_| world.client("read").id).collect();
    let sent = || {
        received(&hooks, "/hook")
            .iter()
            .map(|one| text(&one.json()["data"], "target").to_owned())
            .collect::<Vec<_>>()
    };
    let arrived = |wanted: &BTreeSet<String>| wanted.is_subset(&sent().into_iter().collect());
    eventually("all events", || arrived(&made).then_some(()));
    eventually("all outcomes", || {
        (world.count("SELECT count(*) FROM webhook_deliveries WHERE delivered_at IS NULL") == 0)
            .then_some(())
    });
    assert_eq!(sent().len(), made.len(), "each was sent once");
    // Killed while it sends: the other one becomes the leader, and sends again what was claimed.
    hooks.answer("/hook", Answer::Nothing);
    let later: BTreeSet<String> = (0..3).map(|_| world.client("read").id).collect();
    eventually("a delivery in progress", || {
        arrived(&later.iter().take(1).cloned().collect()).then_some(())
    });
    nodes[0].signal("KILL");
    hooks.answer("/hook", Answer::Document(String::new()));
    hurry(&world);
    within(
        Duration::from_secs(90),
        "the events of the killed node",
        || {
            (world.count("SELECT count(*) FROM webhook_deliveries WHERE delivered_at IS NULL") == 0)
                .then_some(())
        },
    );
    assert!(arrived(&later));
}

on_both! {
    fn old_deliveries_are_purged(world: World) {
        let hooks = receiver(&world, &["/hook"]);
        let hook = create(&world, &hooks, "/hook", &["--all-accounts", "--event", "account.create"]);
        for _ in 0..3 {
            world.cli(&["webhook", "test", text(&hook, "id")]);
        }
        let kept = text(&deliveries(&world, &hook)[0], "id").to_owned();
        world.execute(&format!("UPDATE webhook_deliveries SET created_at = 1000 WHERE id <> '{kept}'"));
        world.clocks_are_trusted();
        let _node = start(&world, &hooks);
        eventually("the purge", || (deliveries(&world, &hook).len() == 1).then_some(()));
        assert_eq!(text(&deliveries(&world, &hook)[0], "id"), kept);
    }
}

#[test]
fn a_restore_brings_no_deleted_webhook_back() {
    let world = World::sqlite();
    let hooks = receiver(&world, &["/hook"]);
    let flags = ["--all-accounts", "--event", "*"];
    let deleted = create(&world, &hooks, "/hook", &flags);
    assert!(world.run(&["backup", "backup.db"]).status.success());
    world.cli(&["webhook", "delete", text(&deleted, "id")]);
    let kept = create(&world, &hooks, "/hook", &flags);
    assert!(world.run(&["restore", "backup.db"]).status.success());
    let listed = world.cli(&["webhook", "list"]);
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(listed[0]["id"], kept["id"]);
}

#[test]
fn private_addresses_are_refused_without_the_setting() {
    let world = World::sqlite();
    let hooks = receiver(&world, &["/hook"]);
    let hook = create(
        &world,
        &hooks,
        "/hook",
        &["--all-accounts", "--event", "account.create"],
    );
    let _node = world.start_with(&["--outbound-ca", hooks.authority.to_str().unwrap()]);
    for host in [
        "localhost",
        "127.0.0.1",
        "169.254.169.254",
        "[::1]",
        "10.0.0.1",
    ] {
        world.cli(&[
            "webhook",
            "update",
            text(&hook, "id"),
            "--url",
            &format!("https://{host}:{}/hook", hooks.port),
        ]);
        world.cli(&["webhook", "test", text(&hook, "id")]);
        hurry(&world);
        newest(&world, &hook, &format!("a refusal of {host}"), |one| {
            one["failure"] == "address"
        });
    }
    assert_eq!(hooks.hits("/hook"), 0);
}

/// The code block of the documentation in this language.
fn documented_verifier(language: &str) -> String {
    let page = std::fs::read_to_string(repository("docs/webhooks.md")).unwrap();
    let (_, rest) = page.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

#[test]
fn the_documented_verifiers_accept_a_delivery_and_nothing_else() {
    needs!(Tool::Python, Tool::Node);
    let world = World::sqlite();
    let hooks = receiver(&world, &["/hook"]);
    let hook = create(
        &world,
        &hooks,
        "/hook",
        &["--all-accounts", "--event", "account.create"],
    );
    let _node = start(&world, &hooks);
    world.cli(&["account", "create", "--name", "Ünïcode & Co"]);
    let one = arrives(&hooks, "/hook", "account.create");
    let headers = json!({"webhook-id": one.id, "webhook-timestamp": one.timestamp, "webhook-signature": one.signatures});
    let with = |name: &str, value: String| {
        let mut headers = headers.clone();
        headers[name] = json!(value);
        headers
    };
    let secret = text(&hook, "signing_secret");
    let cases = json!([
        [secret, headers, one.body, true],
        [
            secret,
            with("webhook-signature", format!("v1,AAAA {}", one.signatures)),
            one.body,
            true
        ],
        [secret, headers, format!("{} ", one.body), false],
        [
            secret,
            with("webhook-id", "other".to_owned()),
            one.body,
            false
        ],
        [
            secret,
            with("webhook-timestamp", "1".to_owned()),
            one.body,
            false
        ],
        [
            secret,
            with("webhook-signature", "v1,AAAA".to_owned()),
            one.body,
            false
        ],
        [
            format!("whsec_{}", STANDARD.encode([7; 32])),
            headers,
            one.body,
            false
        ],
    ]);
    world.file("cases.json", &cases.to_string());
    let python = "\nimport json\nfor secret, headers, body, valid in json.load(open('cases.json')):\n    assert verify(secret, headers, body.encode()) == valid, headers\n";
    let python = world.file("verify.py", &(documented_verifier("python") + python));
    let node = "\nimport { readFileSync } from 'node:fs'\nimport assert from 'node:assert'\nfor (const [secret, headers, body, valid] of JSON.parse(readFileSync('cases.json'))) assert.equal(verify(secret, headers, Buffer.from(body)), valid)\n";
    let node = world.file("verify.mjs", &(documented_verifier("javascript") + node));
    for (program, script) in [(variable("TEST_PYTHON"), python), ("node".to_owned(), node)] {
        let run = Command::new(program)
            .arg(&script)
            .current_dir(script.parent().unwrap())
            .output()
            .unwrap();
        assert!(
            run.status.success(),
            "{}",
            String::from_utf8_lossy(&run.stderr)
        );
    }
}

#[test]
fn administrators_manage_webhooks_in_the_portal() {
    let world = World::sqlite();
    world.cli(&["account", "create", "--name", "One"]);
    world.cli(&["account", "create", "--name", "Two"]);
    person(&world, "ada@one.example", "administrator", Some("One"));
    person(&world, "eve@two.example", "administrator", Some("Two"));
    person(&world, "op@keyward.example", "operator", None);
    let hooks = receiver(&world, &["/hook"]);
    let node = start(&world, &hooks);
    let ada = Browser::of(&node, "ada@one.example");
    let url = hooks.uri("localhost", "/hook");
    // A form that chooses no events chooses none, and neither does one without the fields for them.
    let none = [("url", url.as_str()), ("all_events", "")];
    let refused = ada.fill("/portal/webhooks/new", "/portal/webhooks", &none);
    assert_eq!(refused.status, 400, "{}", refused.body);
    assert_eq!(ada.act("/portal/webhooks", &none[..1]).status, 400);
    assert_eq!(world.count("SELECT count(*) FROM webhooks"), 0);
    let made = ada.fill(
        "/portal/webhooks/new",
        "/portal/webhooks",
        &[("url", &url), ("all_events", "on"), ("account", "*")],
    );
    assert_eq!(made.status, 200, "{}", made.body);
    assert!(made.shown("signing-secret").starts_with("whsec_"));
    let id = world.text("SELECT id FROM webhooks");
    assert_eq!(
        world.count("SELECT count(*) FROM webhooks WHERE account_id IS NULL"),
        0,
        "an account cannot ask for all"
    );
    let page = format!("/portal/webhooks/{id}");
    assert_eq!(ada.act(&format!("{page}/test"), &[]).status, 303);
    arrives(&hooks, "/hook", "webhook.test");
    eventually("a delivery in the list", || {
        ada.get(&page).body.contains("HTTP 200").then_some(())
    });
    let delivery =
        world.text("SELECT id FROM webhook_deliveries WHERE event_type = 'webhook.test'");
    let shown = ada.get(&format!("{page}/deliveries/{delivery}"));
    assert!(
        shown.status == 200 && shown.body.contains("webhook.test"),
        "{}",
        shown.body
    );
    let resent = ada.act(&format!("{page}/deliveries/{delivery}/resend"), &[]);
    assert_eq!(resent.status, 303);
    let eve = Browser::of(&node, "eve@two.example");
    assert!(!eve.get("/portal/webhooks").body.contains(&id));
    for path in [
        page.clone(),
        format!("{page}/edit"),
        format!("{page}/deliveries/{delivery}"),
    ] {
        assert_eq!(eve.status(&path), 404, "{path}");
    }
    // The operator chooses all accounts.
    let op = Browser::of(&node, "op@keyward.example");
    let made = op.fill(
        "/portal/webhooks/new",
        "/portal/webhooks",
        &[("url", &url), ("all_events", "on"), ("account", "*")],
    );
    assert_eq!(made.status, 200, "{}", made.body);
    assert_eq!(
        world.count("SELECT count(*) FROM webhooks WHERE account_id IS NULL"),
        1
    );
    let rotated = ada.fill(
        &format!("{page}/rotate-secret"),
        &format!("{page}/rotate-secret"),
        &[("grace", "24h")],
    );
    assert!(rotated.shown("signing-secret").starts_with("whsec_"));
    assert_eq!(ada.act(&format!("{page}/disable"), &[]).status, 303);
    assert_eq!(
        world.count(&format!(
            "SELECT count(*) FROM webhooks WHERE id = '{id}' AND disabled_by = 'account'"
        )),
        1
    );
    assert_eq!(ada.act(&format!("{page}/delete"), &[]).status, 303);
    assert_eq!(ada.status(&page), 404);
}
