//! The use of API keys, client secrets and clients: how often and from where, on all nodes together, and
//! bounded whatever callers send.

use serde_json::{Value, json};

use crate::management::operator;
use crate::support::portal::{Browser, person};
use crate::support::{Client, Node, World, basic, each_case, eventually};

const API: &str = "https://api.example/";

fn usage(node: &Node, token: &str, client_id: &str, query: &str) -> Value {
    let path = format!("/api/v1/clients/{client_id}/usage{query}");
    let reply = node.json("GET", &path, Some(token), &Value::Null);
    assert_eq!(reply.status, 200, "{path}: {}", reply.body);
    reply.json()
}

/// The sum over all hours or days: the hour may change between two requests.
fn sum(usage: &Value, member: &str) -> i64 {
    let points = usage["points"].as_array().unwrap();
    points
        .iter()
        .map(|point| point[member].as_i64().unwrap())
        .sum()
}

/// Presents an API key to `/verify`; returns the status.
fn verify(node: &Node, key: &str, query: &str, user_agent: &str) -> u16 {
    let headers = [
        ("Authorization", &*format!("Bearer {key}")),
        ("User-Agent", user_agent),
    ];
    node.get_with(&format!("/verify{query}"), &headers).status
}

fn id_of(credential: &str) -> &str {
    credential.split('_').nth(1).unwrap()
}

on_both! {
    fn the_use_of_an_api_key_is_counted_with_its_origins(world: World) {
        let api = world.resource(API);
        let client = world.client_with(&["--scope", "read", "--resource", API]);
        let (one, two) = (world.start_with(&["--issuer", "http://auth.example"]), world.start_with(&["--issuer", "http://auth.example"]));
        let token = operator(&world, &one);
        let key = &client.api_key;
        for node in [&one, &two] {
            assert_eq!(verify(node, key, "", "curl/8.5.0"), 200);
            assert_eq!(verify(node, key, "", "Nightly import \u{e9}"), 200);
        }
        assert_eq!(verify(&one, key, "?scope=more", "curl/8.5.0"), 403, "a use that is refused");
        let (last, rest) = (key.chars().last().unwrap(), &key[..key.len() - 8]);
        assert_eq!(verify(&one, &format!("{rest}0000000{last}"), "", "guess/1.0"), 401, "no checksum, so no key");
        assert!(one.active(&api, key));

        let query = format!("?key={}", id_of(key));
        let seen = eventually("the uses", || {
            let seen = usage(&two, &token, &client.id, &query);
            // The uses and their origins are counted one after the other.
            let from: i64 = seen["used_from"].as_array()?.iter().filter_map(|origin| origin["count"].as_i64()).sum();
            (sum(&seen, "uses") == 6 && sum(&seen, "failures") == 1 && from == 5).then_some(seen)
        });
        assert_eq!((&seen["by"], seen["points"].as_array().unwrap().len()), (&json!("hour"), 24));
        assert!(seen["points"][0]["tokens"].is_null(), "only of a client");
        let origins = seen["used_from"].as_array().unwrap();
        let of = |agent: &str| origins.iter().find(|origin| origin["user_agent"] == agent).unwrap_or_else(|| panic!("{seen}"));
        assert_eq!(origins.len(), 2, "an introspection has no origin: {seen}");
        assert_eq!((&of("curl/8.5.0")["count"], &of("curl/8.5.0")["address"]), (&json!(3), &json!("127.0.0.1")));
        assert_eq!(of("Nightly import ??")["count"], json!(2), "of both nodes, and printable");

        let by_day = usage(&one, &token, &client.id, &format!("{query}&by=day"));
        assert_eq!((sum(&by_day, "uses"), by_day["points"].as_array().unwrap().len()), (6, 90));
        let path = format!("/api/v1/clients/{}/usage{query}&by=day&format=csv", client.id);
        let csv = one.json("GET", &path, Some(&token), &Value::Null);
        assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
        let lines: Vec<&str> = csv.body.lines().collect();
        assert_eq!((lines[0], lines.len()), ("at,uses,failures", 91));
        assert!(lines[90].ends_with(",6,1") || lines[89].ends_with(",6,1"), "{}", lines[90]);

        // The command line shows the same.
        let by_day = &["--by", "day"][..];
        let of_key = [&["key", "usage", &client.id, id_of(key)], by_day].concat();
        assert_eq!(sum(&world.cli(&of_key), "uses"), 6);
        let printed = |arguments: &[&str]| String::from_utf8(world.run(arguments).stdout).unwrap();
        let csv_of_key = printed(&[&of_key[..], &["--csv"]].concat());
        let lines: Vec<&str> = csv_of_key.lines().collect();
        assert_eq!((lines[0], lines.len()), ("at,uses,failures", 91));
        let table = printed(&of_key);
        assert!(table.starts_with("FROM ") && table.contains("USED FROM") && table.contains("curl/8.5.0"), "{table}");
        assert!(printed(&["client", "usage", &client.id]).starts_with("FROM                  USES  FAILURES  TOKENS  INTROSPECTIONS  VERIFIED"));
        assert_eq!(sum(&world.cli(&["secret", "usage", &api.id, id_of(&api.secret)]), "uses"), 1);
        for (arguments, said) in [
            (&["client", "usage", "unknown"][..], "client"),
            (&["key", "usage", &client.id, "unknown"], "API key"),
            (&["secret", "usage", &client.id, id_of(key)], "secret"),
        ] {
            let error = world.refused(arguments);
            assert!(error.contains(said), "{arguments:?}: {error}");
        }
        for wrong in [&["client", "usage", &client.id, "--by", "minute"][..], &["--json", "client", "usage", &client.id, "--csv"], &["client", "usage", &client.id, "--csv", "--json"], &["--json", "audit", "list", "--format", "csv"]] {
            let output = world.run(wrong);
            assert!(output.status.code() == Some(2) && output.stdout.is_empty(), "{wrong:?}: {output:?}");
        }

        let of_client = usage(&one, &token, &client.id, "?by=day");
        assert_eq!((sum(&of_client, "verifications"), sum(&of_client, "introspections"), sum(&of_client, "failures")), (4, 1, 1));
        let count = |table: &str| world.count(&format!("SELECT count(*) FROM {table} WHERE owner_id = '{}'", id_of(key)));
        assert!(count("usage_counters") <= 8, "a row for each metric and each hour and day");
    }

    fn unused_credentials_are_counted_and_listed(world: World) {
        let one = world.client("read");
        world.cli(&["account", "create", "--name", "Acme"]);
        let two = world.client_with(&["--account", "Acme"]);
        world.client("read");
        person(&world, "op@keyward.example", "operator", None);
        person(&world, "ada@acme.example", "administrator", Some("Acme"));
        let node = world.start();
        let token = operator(&world, &node);
        let counts = || world.cli(&["status"])["unused_credentials"].clone();
        assert_eq!(counts(), json!({"api_keys": 0, "client_secrets": 0}));

        const DAY: i64 = 24 * 3600 * 1000;
        let older = |table: &str, credential: &str, days: i64| {
            world.execute(&format!("UPDATE {table} SET created_at = created_at - {} WHERE id = '{}'", days * DAY, id_of(credential)));
        };
        older("api_keys", &one.api_key, 95);
        older("api_keys", &two.api_key, 91);
        older("client_secrets", &one.secret, 93);
        older("client_secrets", &two.secret, 92);
        // One of them was used since, is too young to tell, or has expired.
        let kept = [("Used", "last_used_at = {now} - 1000"), ("Recorded", ""), ("Expired", "expires_at = {now} - 1000")];
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis().to_string();
        for (name, change) in kept {
            let key = world.cli(&["key", "create", &one.id, "--name", name]);
            let id = key["id"].as_str().unwrap();
            let age = if change.is_empty() { 89 } else { 200 };
            world.execute(&format!("UPDATE api_keys SET created_at = created_at - {} WHERE id = '{id}'", age * DAY));
            if !change.is_empty() {
                world.execute(&format!("UPDATE api_keys SET {} WHERE id = '{id}'", change.replace("{now}", &now)));
            }
        }
        let secret = world.cli(&["secret", "create", &one.id, "--name", "Not recorded before"]);
        let secret = secret["id"].as_str().unwrap();
        world.execute(&format!("UPDATE client_secrets SET created_at = created_at - {}, use_recorded_from = created_at - {DAY} WHERE id = '{secret}'", 400 * DAY));
        assert_eq!(counts(), json!({"api_keys": 2, "client_secrets": 2}));
        let words = String::from_utf8(world.run(&["check"]).stdout).unwrap();
        assert!(words.contains("2 API keys and 2 client secrets were not used for 90 days"), "{words}");

        let [first, second, third, fourth] = [&one.api_key, &one.secret, &two.secret, &two.api_key].map(|credential| id_of(credential).to_owned());
        let ids = |found: &Value| -> Vec<String> {
            found.as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
        };
        let keys = world.cli(&["key", "list", "--unused"]);
        assert_eq!(ids(&keys), [first.as_str(), &fourth]);
        assert_eq!((&keys[0]["kind"], &keys[0]["client_id"], &keys[0]["last_used_at"]), (&json!("api_key"), &json!(one.id), &Value::Null));
        assert_eq!(ids(&world.cli(&["secret", "list", "--unused"])), [second.as_str(), &third]);
        assert_eq!(ids(&world.cli(&["key", "list", "--unused", "--account", "Acme"])), [fourth.as_str()]);
        assert!(world.refused(&["key", "list", "--unused", "--account", "Nobody"]).contains("Nobody"));
        for wrong in [&["key", "list"][..], &["key", "list", &one.id, "--unused"], &["key", "list", &one.id, "--account", "Acme"]] {
            assert_eq!(world.run(wrong).status.code(), Some(2), "{wrong:?}");
        }

        let get = |token: &str, query: &str| node.json("GET", &format!("/api/v1/unused-credentials{query}"), Some(token), &Value::Null);
        let mut seen = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = get(&token, &format!("?limit=1{cursor}")).json();
            seen.extend(ids(&page["items"]));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(seen, [first.as_str(), &second, &third, &fourth]);
        let of_acme = node.token(&world.manager(&node, &["--account", "Acme"], "keyward:keys:read"));
        assert_eq!(ids(&get(&of_acme, "").json()["items"]), [third.as_str(), &fourth]);
        assert_eq!(get(&of_acme, "?account=Default").status, 404);
        for query in ["?kind=key", "?cursor=x", "?cursor=1-api_key-%27", "?limit=0", "?unknown=1"] {
            assert_eq!(get(&token, query).status, 400, "{query}");
        }

        // Those of one instant are listed once, too.
        world.execute(&format!("UPDATE api_keys SET created_at = {DAY}, last_used_at = NULL, expires_at = NULL"));
        world.execute(&format!("UPDATE client_secrets SET created_at = {DAY}, last_used_at = NULL, use_recorded_from = NULL"));
        let all = world.count("SELECT (SELECT count(*) FROM api_keys) + (SELECT count(*) FROM client_secrets)");
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = get(&token, &format!("?limit=2{cursor}")).json();
            seen.extend(ids(&page["items"]));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        let listed = seen.len();
        seen.sort();
        seen.dedup();
        assert_eq!((i64::try_from(listed).unwrap(), seen.len()), (all, listed));

        let page = |email: &str, path: &str| Browser::of(&node, email).get(path).body;
        let of_operator = page("op@keyward.example", "/portal/unused-credentials");
        assert!(of_operator.contains(&format!("/keys/{first}")) && of_operator.contains(&format!("/secrets/{third}")), "{of_operator}");
        let of_ada = page("ada@acme.example", "/portal/unused-credentials");
        assert!(of_ada.contains(&format!("/keys/{fourth}")) && !of_ada.contains(&first), "{of_ada}");
        assert!(page("op@keyward.example", "/portal/status").contains("/portal/unused-credentials"));
        assert!(page("op@keyward.example", "/portal/unused-credentials?after=nonsense").contains(&first));
    }

    fn the_use_of_a_secret_is_counted_with_the_origins_of_its_client(world: World) {
        let client = world.client_with(&["--scope", "read"]);
        let node = world.start();
        let token = operator(&world, &node);
        let ask = |secret: &str| {
            let headers = [
                ("Authorization", &*basic(&client.id, secret)),
                ("Content-Type", "application/x-www-form-urlencoded"),
                ("User-Agent", "python-requests/2.32.5"),
            ];
            node.post("/oauth/token", &headers, b"grant_type=client_credentials").status
        };
        let other = world.cli(&["secret", "create", &client.id, "--name", "Other"]);
        let other = other["client_secret"].as_str().unwrap();
        let wrong = [&client.secret[..21], &other[21..]].concat();
        assert_eq!((ask(&client.secret), ask(&client.secret), ask(&wrong)), (200, 200, 401));
        let of_secret = |secret: &str| usage(&node, &token, &client.id, &format!("?secret={}&by=day", id_of(secret)));
        let seen = eventually("the uses", || {
            let seen = of_secret(&client.secret);
            (sum(&seen, "uses") == 2).then_some(seen)
        });
        assert_eq!(seen["used_from"], json!([]));
        assert_eq!((sum(&of_secret(other), "uses"), sum(&of_secret(other), "failures")), (0, 0));
        let of_client = eventually("the origins of the client", || {
            let seen = usage(&node, &token, &client.id, "");
            (sum(&seen, "tokens") == 2 && seen["used_from"][0]["count"] == json!(2)).then_some(seen)
        });
        let brief = world.cli(&["secret", "create", &client.id, "--expires-in", "1s"]);
        let brief = brief["client_secret"].as_str().unwrap();
        // Until the node knows the secret, a failure is not one of it.
        eventually("a failure after its expiry", || {
            ask(brief);
            (sum(&of_secret(brief), "failures") > 0).then_some(())
        });
        assert_eq!(of_client["used_from"][0]["user_agent"], json!("python-requests/2.32.5"));
        assert_eq!(sum(&of_client, "uses"), 2);
    }

    fn made_up_user_agents_leave_ten_origins(world: World) {
        let client = world.client_with(&["--scope", "read"]);
        let (one, two) = (world.start_with(&["--issuer", "http://auth.example"]), world.start_with(&["--issuer", "http://auth.example"]));
        let token = operator(&world, &one);
        for number in 0..60 {
            let node = if number % 2 == 0 { &one } else { &two };
            assert_eq!(verify(node, &client.api_key, "", &format!("{}{number}", "made up ".repeat(30))), 200);
        }
        assert_eq!(verify(&one, &client.api_key, "", &"x".repeat(3000)), 200);
        let query = format!("?key={}", id_of(&client.api_key));
        let seen = eventually("all uses", || {
            let seen = usage(&one, &token, &client.id, &query);
            (sum(&seen, "uses") == 61).then_some(seen)
        });
        let longest = seen["used_from"].as_array().unwrap().iter().map(|origin| origin["user_agent"].as_str().unwrap().len()).max();
        assert_eq!(longest, Some(120));
        for number in 0..30 {
            assert_eq!(verify(&two, &client.api_key, "", &format!("later {number}")), 200);
        }
        let found = eventually("the last origins", || {
            let seen = usage(&one, &token, &client.id, &query)["used_from"].clone();
            // Several may be of the same millisecond.
            let agents: Vec<String> = seen.as_array()?.iter().map(|origin| origin["user_agent"].as_str().unwrap().to_owned()).collect();
            let is_last = agents.contains(&"later 29".to_owned()) && agents.iter().all(|agent| agent.starts_with("later "));
            is_last.then_some(seen)
        });
        assert_eq!(found.as_array().unwrap().len(), 10);
        let count = world.count(&format!("SELECT count(*) FROM usage_origins WHERE owner_id = '{}'", id_of(&client.api_key)));
        assert_eq!(count, 10);
    }

    fn usage_of_others_is_not_shown(world: World) {
        let node = world.start();
        let token = operator(&world, &node);
        world.cli(&["account", "create", "--name", "Acme"]);
        let own = world.client_with(&["--account", "Acme", "--scope", "read"]);
        let other = world.client_with(&["--scope", "read"]);
        let caller = node.token(&world.manager(&node, &["--account", "Acme"], "keyward:tokens:read"));
        let path = |client: &Client, query: &str| format!("/api/v1/clients/{}/usage{query}", client.id);
        let status = |token: &str, path: &str| node.json("GET", path, Some(token), &Value::Null).status;
        let key = format!("?key={}", id_of(&other.api_key));
        let secret = format!("?secret={}", id_of(&other.secret));
        each_case([
            (&caller, path(&own, ""), 200),
            (&caller, path(&other, ""), 404),
            (&caller, path(&other, &key), 404),
            (&caller, path(&own, &key), 404),
            (&caller, path(&own, &secret), 404),
            (&token, path(&own, &key), 404),
            (&token, path(&own, &secret), 404),
            (&token, path(&other, &secret), 200),
            (&token, path(&other, "?key=%00"), 404),
            (&token, path(&other, "?by=minute"), 400),
            (&token, path(&other, "?format=xml"), 400),
            (&token, path(&other, &format!("{key}&secret=x")), 400),
        ], |(token, path, expected)| assert_eq!(status(token, &path), expected, "{path}"));
    }

    fn credentials_that_were_not_used_for_90_days_are_pointed_out(world: World) {
        let client = world.client_with(&["--scope", "read"]);
        let node = world.start();
        let token = operator(&world, &node);
        let list = |what: &str| node.json("GET", &format!("/api/v1/clients/{}/{what}", client.id), Some(&token), &Value::Null).json()["items"][0].clone();
        assert_eq!((&list("keys")["unused"], &list("secrets")["unused"]), (&json!(false), &json!(false)));
        let day = 24 * 3_600_000;
        let ago = keyward::clock::Timestamp::now().millis() - 91 * day;
        world.execute(&format!("UPDATE api_keys SET created_at = {ago}"));
        world.execute(&format!("UPDATE client_secrets SET created_at = {ago}"));
        assert_eq!((&list("keys")["unused"], &list("secrets")["unused"]), (&json!(true), &json!(true)));
        for what in ["key", "secret"] {
            assert_eq!(world.cli(&[what, "list", &client.id])[0]["unused"], json!(true));
            let shown = world.run(&[what, "list", &client.id]);
            assert!(String::from_utf8_lossy(&shown.stdout).contains("unused for 90 days"), "{shown:?}");
        }
        // The use of a secret that is older than the column is not known from the beginning.
        world.execute(&format!("UPDATE client_secrets SET use_recorded_from = {}", ago + 2 * day));
        assert_eq!(list("secrets")["unused"], json!(false));
        assert_eq!(verify(&node, &client.api_key, "", "curl/8.5.0"), 200);
        eventually("the use", || (list("keys")["unused"] == json!(false)).then_some(()));
    }

    fn a_credential_is_tried_out_without_being_used(world: World) {
        let api = world.resource(API);
        let (node, ada) = (world.start(), "ada@one.example");
        for name in ["One", "Two"] {
            world.cli(&["account", "create", "--name", name]);
        }
        person(&world, ada, "developer", Some("One"));
        person(&world, "vic@one.example", "viewer", Some("One"));
        person(&world, "op@keyward.example", "operator", None);
        let of = |account: &str| world.client_with(&["--account", account, "--scope", "read", "--resource", API]);
        let (own, other) = (of("One"), of("Two"));
        let inside = world.cli(&["key", "create", &own.id, "--name", "Inside", "--allow-ip", "203.0.113.0/24"]);
        let inside = inside["api_key"].as_str().unwrap();
        let revoked = node.token(&own);
        assert_eq!(node.revoke(&own, &revoked).status, 200);
        let wrong = {
            let mut altered = Client::clone(&own).api_key;
            altered.truncate(altered.len() - 1);
            altered
        };
        let ada = Browser::of(&node, ada);
        let boss = Browser::of(&node, "op@keyward.example");
        assert_eq!(Browser::of(&node, "vic@one.example").status("/portal/try"), 403);
        let failures = || world.count("SELECT count(*) FROM audit WHERE action IN ('authentication.failure', 'verification.refused')");
        let before = failures();
        let (token, foreign) = (node.token(&own), node.token(&other));
        let accepted = "badge good\">Accepted";
        each_case([
            (&ada, own.api_key.as_str(), vec![], vec![accepted, "&quot;token_type&quot;: &quot;api_key&quot;", &own.id]),
            (&ada, &token, vec![("scope", "read"), ("resource_server", API)], vec![accepted, "&quot;Bearer&quot;"]),
            (&ada, &token, vec![("scope", "more")], vec!["403", "insufficient_scope", "the request requires the scope", "&quot;active&quot;: true"]),
            (&ada, &token, vec![("resource_server", "https://elsewhere.example/")], vec!["401", "invalid_token", "https://elsewhere.example/", "No resource server can introspect it"]),
            (&ada, inside, vec![], vec![accepted]),
            (&ada, inside, vec![("client_ip", "203.0.113.7")], vec![accepted]),
            (&ada, inside, vec![("client_ip", "198.51.100.1")], vec!["401", "&quot;active&quot;: true"]),
            (&ada, &revoked, vec![], vec!["401", "Inactive", "revoked"]),
            (&ada, &wrong, vec![], vec!["401", "Inactive"]),
            (&ada, &other.api_key, vec![], vec!["401", "Inactive", "unknown API key"]),
            (&ada, "kwk_0000000000000000_0000000000000000000000000000000000000000000000000", vec![], vec!["401", "Inactive"]),
            (&ada, &foreign, vec![], vec!["401", "Inactive"]),
            (&ada, "", vec![], vec!["Paste a token or an API key."]),
            (&ada, &token, vec![("client_ip", "here")], vec!["This isn’t an IP address."]),
            (&boss, &other.api_key, vec![], vec![accepted]),
            (&boss, &foreign, vec![], vec![accepted]),
        ], |(browser, credential, mut fields, wanted)| {
            fields.push(("credential", credential));
            let shown = browser.fill("/portal/try", "/portal/try", &fields);
            let is_refused = credential.is_empty() || fields.contains(&("client_ip", "here"));
            let status = if is_refused { 400 } else { 200 };
            assert_eq!(shown.status, status, "{credential} {fields:?}: {}", shown.body);
            for words in wanted {
                assert!(shown.body.contains(words), "{words} for {credential} {fields:?}: {}", shown.body);
            }
            let secret = credential.len() > 40 && shown.body.contains(credential);
            assert!(!secret, "it is not shown again");
            assert!(!shown.body.contains(&other.id) || browser.cookie("keyward") == boss.cookie("keyward"));
        });
        // Introspection by a resource server counts; nothing before it did.
        assert!(node.active(&api, &own.api_key));
        let operator = operator(&world, &node);
        let query = format!("?key={}", id_of(&own.api_key));
        eventually("the one use", || (sum(&usage(&node, &operator, &own.id, &query), "uses") == 1).then_some(()));
        assert_eq!(sum(&usage(&node, &operator, &own.id, ""), "failures"), 0);
        assert_eq!(failures(), before);

        let tried = |browser: &Browser<'_>| browser.fill("/portal/try", "/portal/try", &[("credential", "x")]).status;
        assert!((0..40).any(|_| tried(&ada) == 429), "the number of tests is limited");
        assert_eq!(tried(&boss), 200, "for each person");
        assert_eq!(verify(&node, &own.api_key, "", "curl/8.5.0"), 200);
    }

    fn old_usage_is_purged(world: World) {
        let node = world.start();
        world.clocks_are_trusted();
        let now = keyward::clock::Timestamp::now().millis();
        let (hour, day) = (3_600_000, 24 * 3_600_000);
        for (bucket, age) in [("hour", hour), ("hour", 26 * hour), ("day", 89 * day), ("day", 93 * day)] {
            world.execute(&format!("INSERT INTO usage_counters VALUES ('x', '{bucket}', {}, 'uses', 1)", now - age));
        }
        for (agent, age) in [("new", 89 * day), ("old", 93 * day)] {
            world.execute(&format!("INSERT INTO usage_origins VALUES ('x', '::1', '{agent}', 0, {}, 1)", now - age));
        }
        let left = |table: &str| world.count(&format!("SELECT count(*) FROM {table} WHERE owner_id = 'x'"));
        eventually("the purge", || (left("usage_counters") == 2 && left("usage_origins") == 1).then_some(()));
        drop(node);
    }
}
