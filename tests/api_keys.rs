//! API keys: creating, managing and using them, and exchanging them for tokens.

use std::process::Command;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde_json::{Value, json};

use crate::support::tools::{self, Tool};
use crate::support::{Client, Node, Reply, World, each_case, each_check, eventually, jwt, within};

const SECOND: Duration = Duration::from_secs(1);
const API: &str = "https://api.example/";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const KEY_TYPE: &str = "urn:keyward:token-type:api_key";
const TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:access_token";

/// `keyward key create`
fn make(world: &World, client: &Client, flags: &[&str]) -> Value {
    world.cli(&[&["key", "create", &client.id], flags].concat())
}

fn text<'a>(document: &'a Value, member: &str) -> &'a str {
    document[member]
        .as_str()
        .unwrap_or_else(|| panic!("{member}: {document}"))
}

fn id_of(key: &str) -> &str {
    key.split('_').nth(1).unwrap()
}

fn basic(text: &str) -> String {
    format!("Basic {}", STANDARD.encode(text))
}

/// A request to `/apiKeys`.
fn ask(node: &Node, method: &str, path: &str, authorization: &str, body: &str) -> Reply {
    let mut headers = vec![("content-type", "application/json")];
    if !authorization.is_empty() {
        headers.push(("authorization", authorization));
    }
    node.send(method, path, &headers, body.as_bytes())
}

fn list(node: &Node, key: &str) -> Vec<Value> {
    let reply = ask(node, "GET", "/apiKeys", &basic(key), "");
    assert_eq!(reply.status, 200, "{}", reply.body);
    let document = reply.json();
    assert_eq!(document.as_object().unwrap().len(), 1, "{document}");
    document["results"].as_array().unwrap().clone()
}

fn create(node: &Node, key: &str, name: &str) -> Reply {
    ask(
        node,
        "POST",
        "/apiKeys",
        &basic(key),
        &json!({"name": name}).to_string(),
    )
}

fn delete(node: &Node, key: &str, id: &str) -> Reply {
    ask(node, "DELETE", &format!("/apiKeys/{id}"), &basic(key), "")
}

/// Asserts an error as the SDKs of the Codat platform read it.
fn refused(reply: &Reply, status: u16, context: &str) {
    assert_eq!(reply.status, status, "{context}: {}", reply.body);
    let body = reply.json();
    assert_eq!(body["statusCode"], json!(status), "{context}: {body}");
    assert_eq!(
        body["correlationId"].as_str(),
        reply.header("x-request-id"),
        "{context}: {body}"
    );
    assert!(
        body["error"]
            .as_str()
            .is_some_and(|error| !error.is_empty()),
        "{context}: {body}"
    );
    assert_eq!(
        reply.header("content-type"),
        Some("application/json"),
        "{context}"
    );
    assert_eq!(reply.header("cache-control"), Some("no-store"), "{context}");
    assert_eq!(
        reply.header("www-authenticate").is_some(),
        status == 401,
        "{context}"
    );
}

fn exchange(node: &Node, key: &str, fields: &[(&str, &str)]) -> Reply {
    let all = [
        &[
            ("grant_type", EXCHANGE),
            ("subject_token", key),
            ("subject_token_type", KEY_TYPE),
        ],
        fields,
    ]
    .concat();
    node.form("/oauth/token", None, &all)
}

fn exchanged(node: &Node, key: &str) -> String {
    let reply = exchange(node, key, &[]);
    assert_eq!(reply.status, 200, "{}", reply.body);
    text(&reply.json(), "access_token").to_owned()
}

fn verify(node: &Node, key: &str, headers: &[(&str, &str)]) -> u16 {
    let authorization = format!("Bearer {key}");
    node.get_with(
        "/verify",
        &[&[("authorization", authorization.as_str())], headers].concat(),
    )
    .status
}

fn active_keys(world: &World, client: &Client) -> i64 {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis();
    let ended = format!("(expires_at IS NULL OR expires_at > {now})");
    world.count(&format!(
        "SELECT count(*) FROM api_keys WHERE client_id = '{}' AND {ended}",
        client.id
    ))
}

/// The operator gets the same answer for the token, for its `jti` and in the list of tokens.
fn is_inactive_like_its_key(world: &World, node: &Node, client: &Client, token: &str) {
    let jti = text(&jwt::claims(token), "jti").to_owned();
    for named in [token, &jti] {
        let inspected = world.cli(&["--issuer", &node.base, "token", "inspect", named]);
        assert_eq!(
            (&inspected["active"], text(&inspected, "reason_code")),
            (&json!(false), "token_api_key_ended"),
            "{inspected}"
        );
    }
    let list = world.cli(&["token", "list", "--client", &client.id]);
    let row = list
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["jti"] == jti.as_str())
        .unwrap();
    assert_eq!(
        (&row["revoked"], &row["api_key_id"]),
        (&json!(true), &jwt::claims(token)["api_key"]),
        "{row}"
    );
}

/// A node, a client whose key manages keys, and another client.
struct KeyApi<'a> {
    world: &'a World,
    node: Node,
    client: Client,
    other: Client,
}

impl KeyApi<'_> {
    fn creates_lists_and_deletes_keys(&self) {
        let KeyApi { node, .. } = self;
        let key = &self.client.api_key;
        let first = list(node, key);
        let created = first[0]["createdDate"].clone();
        assert_eq!(
            first,
            [
                json!({"id": id_of(key), "name": "Default", "apiKey": &key[..25], "createdDate": created})
            ]
        );

        let name = "\u{1F511}".repeat(100);
        for name in ["Orders", "a", "O'Brien \"<b>\"", name.as_str()] {
            let reply = create(node, key, name);
            assert_eq!(reply.status, 201, "{}", reply.body);
            assert_eq!(reply.header("cache-control"), Some("no-store"));
            let made = reply.json();
            let (id, whole) = (text(&made, "id"), text(&made, "apiKey"));
            assert_eq!((id, text(&made, "name")), (id_of(whole), name));
            assert_eq!(made.as_object().unwrap().len(), 4, "{made}");
            let shown = list(node, key)
                .into_iter()
                .find(|key| key["id"] == *id)
                .unwrap();
            assert_eq!(
                shown,
                json!({"id": id, "name": name, "apiKey": &whole[..25], "createdDate": made["createdDate"]})
            );
            refused(
                &ask(node, "GET", "/apiKeys", &basic(whole), ""),
                403,
                "it was not asked to manage keys",
            );
            refused(&create(node, whole, "x"), 403, "nor to make them");
            refused(&delete(node, whole, id_of(key)), 403, "nor to delete them");
            assert_eq!(verify(node, whole, &[]), 200);
            let reply = delete(node, key, id);
            assert_eq!((reply.status, reply.body.as_str()), (204, ""));
            assert_eq!(verify(node, whole, &[]), 401, "from the next request on");
            refused(&delete(node, key, id), 404, "the second time");
        }
    }

    fn refuses_invalid_bodies(&self) {
        let KeyApi { node, .. } = self;
        let key = &self.client.api_key;
        let (long, large) = (
            json!({"name": "x".repeat(101)}).to_string(),
            json!({"name": "x", "y": "z".repeat(70_000)}).to_string(),
        );
        each_case(
            [
                ("application/json", "{\"name\": \"Default\"}", 409),
                ("application/json", long.as_str(), 400),
                ("application/json", "{\"name\": \"\"}", 400),
                ("application/json", "{\"name\": \" \"}", 400),
                ("application/json", "{\"name\": \"a \"}", 400),
                ("application/json", "{\"name\": \"zero\u{200B}width\"}", 400),
                ("application/json", "{\"name\": \"\\u202Ereversed\"}", 400),
                ("application/json", "{\"name\": \"\\u0000\"}", 400),
                ("application/json", "{\"name\": \"\\ud800\"}", 400),
                ("application/json", "{\"name\": null}", 400),
                ("application/json", "{\"name\": 1}", 400),
                ("application/json", "{\"name\": [\"a\"]}", 400),
                (
                    "application/json",
                    "{\"name\": \"a\", \"name\": \"b\"}",
                    400,
                ),
                ("application/json", "{}", 400),
                ("application/json", "[]", 400),
                ("application/json", "\"a\"", 400),
                ("application/json", "{\"name\": \"a\"", 400),
                ("application/json", "{\"name\": \"a\"} {}", 400),
                ("application/json", "", 400),
                ("text/plain", "{\"name\": \"a\"}", 400),
                ("application/x-www-form-urlencoded", "name=a", 400),
                ("", "{\"name\": \"a\"}", 400),
                ("application/json", large.as_str(), 413),
            ],
            |(content_type, body, status)| {
                let authorization = basic(key);
                let headers = [
                    ("authorization", authorization.as_str()),
                    ("content-type", content_type),
                ];
                let headers = if content_type.is_empty() {
                    &headers[..1]
                } else {
                    &headers
                };
                let shown: String = body.chars().take(60).collect();
                refused(
                    &node.post("/apiKeys", headers, body.as_bytes()),
                    status,
                    &format!("{content_type} {shown}"),
                );
            },
        );
        refused(
            &node.post(
                "/apiKeys",
                &[
                    ("authorization", &basic(key)),
                    ("content-type", "application/json"),
                ],
                b"{\"name\": \"\xFF\"}",
            ),
            400,
            "no UTF-8",
        );
        let headers = [
            ("authorization", basic(key)),
            ("content-type", "Application/JSON; charset=utf-8".to_owned()),
        ];
        let headers = headers
            .each_ref()
            .map(|(name, value)| (*name, value.as_str()));
        let made = node.post("/apiKeys", &headers, b"{\"name\": \"b\", \"more\": 1}");
        assert_eq!(made.status, 201, "unknown members are ignored");
        assert_eq!(delete(node, key, text(&made.json(), "id")).status, 204);
    }

    fn refuses_unknown_ids_and_methods(&self) {
        let KeyApi {
            node,
            client,
            other,
            ..
        } = self;
        let key = &self.client.api_key;
        for id in [
            "nobody",
            "0123456789abcdef",
            id_of(&other.api_key),
            &client.id,
            "%00",
            "%FF",
            "a%2Fb",
            "..%2F..",
            "'%20OR%201=1",
            &"x".repeat(3000),
        ] {
            let reply = delete(node, key, id);
            assert_eq!(reply.status, 404, "{id}: {}", reply.body);
        }
        refused(
            &delete(node, key, id_of(&other.api_key)),
            404,
            "a key of another client",
        );
        let reply = delete(node, key, &other.api_key);
        refused(&reply, 404, "a whole key where its id belongs");
        assert!(
            !reply.body.contains(&other.api_key),
            "the value is repeated: {}",
            reply.body
        );
        assert_eq!(list(node, &other.api_key).len(), 1);
        for (method, path, allow) in [
            ("PUT", "/apiKeys", "GET, HEAD, POST"),
            ("GET", "/apiKeys/nobody", "DELETE"),
            ("PATCH", "/apiKeys/nobody", "DELETE"),
        ] {
            let reply = ask(node, method, path, &basic(key), "");
            assert_eq!(
                (reply.status, reply.header("allow")),
                (405, Some(allow)),
                "{method} {path}"
            );
        }
    }

    /// The last check, since it deletes the first key and disables the client.
    fn limits_the_number_of_keys(&self) {
        let KeyApi {
            world,
            node,
            client,
            ..
        } = self;
        let key = &self.client.api_key;
        let numbers: Vec<String> = (2..=10).map(|number| number.to_string()).collect();
        for name in &numbers {
            assert_eq!(create(node, key, name).status, 201);
        }
        refused(&create(node, key, "Eleventh"), 409, "ten are the most");
        for one in list(node, key)
            .iter()
            .filter(|one| one["name"] != "Default")
        {
            assert_eq!(delete(node, key, text(one, "id")).status, 204);
        }
        refused(&delete(node, key, id_of(key)), 409, "the last one");
        let successor = make(world, client, &["--name", "Successor", "--manage-keys"]);
        assert_eq!(
            delete(node, key, id_of(key)).status,
            204,
            "itself, when there is another"
        );
        refused(
            &ask(node, "GET", "/apiKeys", &basic(key), ""),
            401,
            "deleted",
        );
        assert_eq!(list(node, text(&successor, "api_key")).len(), 1);
        world.cli(&["client", "disable", &client.id]);
        let disabled = || {
            Some(ask(
                node,
                "GET",
                "/apiKeys",
                &basic(text(&successor, "api_key")),
                "",
            ))
            .filter(|reply| reply.status != 200)
        };
        refused(&within(SECOND, "the disabling", disabled), 401, "disabled");
    }
}

on_both! {
    fn keys_are_managed_on_the_command_line(world: World) {
        let client = world.client("read write");
        let other = world.client("read");
        let made = make(&world, &client, &[
            "--name", "Orders", "--scope", "read", "--expires-in", "90d", "--allow-ip", "203.0.113.7/24", "--allow-ip", "2001:db8::1",
        ]);
        let (id, key) = (text(&made, "id"), text(&made, "api_key"));
        assert_eq!(id, id_of(key));
        assert_eq!(text(&made, "authorization"), basic(key));
        let expected = json!({
            "id": id, "client_id": client.id, "name": "Orders", "shown": &key[..25], "scope": "read", "manage_keys": false,
            "allowed_ips": ["203.0.113.0/24", "2001:db8::1/128"], "created_by": made["created_by"],
            "created_at": made["created_at"], "last_used_at": null, "expires_at": made["expires_at"], "resources": null, "unused": false,
        });
        let listed = world.cli(&["key", "list", &client.id]);
        assert_eq!(listed[1], expected);
        assert_eq!(listed.as_array().unwrap().len(), 2);
        let first = &listed[0];
        assert_eq!((text(first, "name"), &first["manage_keys"], text(first, "id")), ("Default", &json!(true), id_of(&client.api_key)));
        assert!(first["scope"].is_null() && first["expires_at"].is_null() && first["allowed_ips"] == json!([]), "{first}");
        for member in ["created_by", "created_at", "expires_at"] {
            assert!(!text(&made, member).is_empty());
        }
        assert!(!listed.to_string().contains(key) && !listed.to_string().contains(&client.api_key), "lists never show a whole key");
        let words = String::from_utf8(world.run(&["key", "list", &client.id]).stdout).unwrap();
        assert!(words.contains(&key[..25]) && !words.contains(key), "{words}");

        let rotated = world.cli(&["key", "rotate", &client.id, id]);
        assert_eq!(text(&rotated, "name"), "Orders");
        assert_ne!(text(&rotated, "id"), id);
        assert_eq!((&rotated["scope"], &rotated["allowed_ips"]), (&json!("read"), &expected["allowed_ips"]));
        let listed = world.cli(&["key", "list", &client.id]);
        let names: Vec<&str> = listed.as_array().unwrap().iter().map(|key| text(key, "name")).collect();
        assert_eq!(names.iter().filter(|name| **name == "Orders").count(), 1, "{names:?}");
        assert_eq!(names.len(), 3, "the old key is valid during the grace period");

        let (last, unknown) = (id_of(&other.api_key), "0123456789abcdef");
        let (long, most) = ("x".repeat(101), "ä".repeat(100));
        let create = |flags: &[&'static str]| [&["key", "create", client.id.as_str()], flags].concat().iter().map(ToString::to_string).collect::<Vec<_>>();
        each_case([
            (create(&["--name", ""]), "name"),
            (create(&["--name", " padded"]), "name"),
            (create(&["--name", "zero\u{200B}width"]), "name"),
            (create(&["--name", "a\nb"]), "name"),
            (create(&["--name", "Orders"]), "already"),
            (create(&["--name", "New", "--scope", "read admin"]), "scope"),
            (create(&["--name", "New", "--allow-ip", "203.0.113.0/33"]), "203.0.113.0/33"),
            (create(&["--name", "New", "--allow-ip", "example.com"]), "example.com"),
            (["key", "create", &client.id, "--name", &long].map(str::to_owned).into(), "101"),
            (["key", "create", unknown, "--name", "New"].map(str::to_owned).into(), unknown),
            (["key", "list", unknown].map(str::to_owned).into(), unknown),
            (["key", "rotate", &client.id, unknown].map(str::to_owned).into(), unknown),
            (["key", "rotate", &client.id, last].map(str::to_owned).into(), last),
            (["key", "delete", &client.id, unknown].map(str::to_owned).into(), unknown),
            (["key", "delete", &client.id, last].map(str::to_owned).into(), last),
            (["key", "delete", &other.id, last].map(str::to_owned).into(), "last"),
        ], |(arguments, said)| {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let error = world.refused(&arguments);
            assert!(error.contains(said), "{arguments:?}: {error}");
        });
        for usage in [&["--expires-in", "0"][..], &["--expires-in", "soon"], &["--scope", "a\"b"], &["--name"]] {
            let status = world.run(&[&["key", "create", &client.id, "--name", "New"], usage].concat()).status.code();
            assert_eq!(status, Some(2), "{usage:?}");
        }
        make(&world, &client, &["--name", &most]);

        for number in 4..10 {
            make(&world, &client, &["--name", &number.to_string()]);
        }
        assert!(world.refused(&["key", "create", &client.id, "--name", "Eleventh"]).contains("10"));
        assert!(world.refused(&["key", "rotate", &client.id, text(&rotated, "id")]).contains("10"), "there is no room for both");
        world.cli(&["key", "rotate", &client.id, text(&rotated, "id"), "--grace", "0"]);
        for key in world.cli(&["key", "list", &client.id]).as_array().unwrap().iter().skip(1) {
            world.cli(&["key", "delete", &client.id, text(key, "id")]);
        }
        assert!(world.refused(&["key", "delete", &client.id, id_of(&client.api_key)]).contains("last"));
        // A leaked key can be revoked even if it is the last one; the operator then creates
        // another.
        world.cli(&["token", "revoke", &client.api_key]);
        assert_eq!(world.cli(&["key", "list", &client.id]), json!([]));
        make(&world, &client, &["--name", "Default", "--manage-keys"]);
    }

    fn a_key_is_changed_on_the_command_line(world: World) {
        let client = world.client("read write");
        let node = world.start();
        let made = make(&world, &client, &["--name", "Orders", "--scope", "read", "--expires-in", "90d", "--allow-ip", "203.0.113.0/24"]);
        let (id, key) = (text(&made, "id"), text(&made, "api_key"));
        let update = |flags: &[&str]| world.cli(&[&["key", "update", &client.id, id], flags].concat());
        let listed = || world.cli(&["key", "list", &client.id])[1].clone();
        assert_eq!(verify(&node, key, &[]), 401, "this address is not allowed");

        let changed = update(&["--any-ip"]);
        assert_eq!(changed, listed());
        assert_eq!((&changed["allowed_ips"], text(&changed, "name"), text(&changed, "scope")), (&json!([]), "Orders", "read"));
        assert_eq!(changed["expires_at"], made["expires_at"]);
        within(SECOND, "the new addresses", || (verify(&node, key, &[]) == 200).then_some(()));
        let changed = update(&["--name", "Invoices", "--whole-scope", "--no-expiry", "--manage-keys"]);
        assert_eq!(changed, listed());
        assert!(changed["scope"].is_null() && changed["expires_at"].is_null() && changed["manage_keys"] == json!(true), "{changed}");
        within(SECOND, "the right to manage keys", || node.get_with("/apiKeys", &[("authorization", &basic(key))]).status.eq(&200).then_some(()));
        let changed = update(&["--scope", "write", "--expires-in", "2s", "--allow-ip", "127.0.0.0/8", "--manage-keys", "false"]);
        assert_eq!((text(&changed, "name"), text(&changed, "scope"), &changed["allowed_ips"]), ("Invoices", "write", &json!(["127.0.0.0/8"])));
        assert_eq!(update(&[]), changed, "nothing to change");
        eventually("the new expiry", || (verify(&node, key, &[]) == 401).then_some(()));

        let other = make(&world, &client, &["--name", "Orders"]);
        let other_client = world.client("read");
        let refused = [
            (vec!["key", "update", &client.id, id, "--name", "Late"], id),
            (vec!["key", "update", &client.id, text(&other, "id"), "--name", "Default"], "already"),
            (vec!["key", "update", &client.id, text(&other, "id"), "--name", " padded"], "name"),
            (vec!["key", "update", &client.id, text(&other, "id"), "--scope", "read admin"], "scope"),
            (vec!["key", "update", &client.id, text(&other, "id"), "--allow-ip", "example.com"], "example.com"),
            (vec!["key", "update", &client.id, id_of(&other_client.api_key), "--name", "Taken"], id_of(&other_client.api_key)),
        ];
        each_case(refused, |(arguments, said)| {
            let error = world.refused(&arguments);
            assert!(error.contains(said), "{arguments:?}: {error}");
        });
        for usage in [&["--any-ip", "--allow-ip", "203.0.113.1"][..], &["--scope", "read", "--whole-scope"], &["--no-expiry", "--expires-in", "1d"]] {
            let status = world.run(&[&["key", "update", &client.id, text(&other, "id")], usage].concat()).status.code();
            assert_eq!(status, Some(2), "{usage:?}");
        }
        // An expired key gives its name away.
        assert_eq!(text(&world.cli(&["key", "update", &client.id, text(&other, "id"), "--name", "Invoices"]), "name"), "Invoices");
        let entries = world.cli(&["audit", "list"]).to_string();
        assert_eq!(entries.matches("api_key.update").count(), 5, "{entries}");
    }

    /// A key created with another key has no more scope, no longer lifetime and no wider IP ranges
    /// than that key.
    fn a_key_creates_another_key(world: World) {
        let client = world.client("read write");
        let node = world.start();
        let key = &client.api_key;
        let limited = world.cli(&[
            "key", "create", &client.id, "--name", "Limited", "--scope", "", "--manage-keys", "--expires-in", "1h", "--allow-ip", "127.0.0.1",
        ]);
        let made = create(&node, text(&limited, "api_key"), "Its child");
        assert_eq!(made.status, 201, "{}", made.body);
        let rows = world.cli(&["key", "list", &client.id]);
        let child = rows.as_array().unwrap().iter().find(|row| row["name"] == "Its child").unwrap().clone();
        for member in ["scope", "expires_at", "allowed_ips"] {
            assert_eq!(child[member], limited[member], "{member}");
        }
        assert_eq!(child["manage_keys"], json!(false));
        refused(&ask(&node, "POST", "/apiKeys", &basic(key), r#"["In order"]"#), 400, "an array is no object");
    }

    fn every_endpoint_says_the_same_about_a_token_whose_key_expired(world: World) {
        let client = world.client_with(&["--scope", "read"]);
        let node = world.start();
        let tokens = [exchanged(&node, &client.api_key), exchanged(&node, &client.api_key)];
        for named in [&tokens[0], &text(&jwt::claims(&tokens[0]), "jti").to_owned()] {
            assert_eq!(world.cli(&["--issuer", &node.base, "token", "inspect", named])["active"], json!(true));
        }
        world.cli(&["token", "revoke", &client.api_key]);
        for token in &tokens {
            is_inactive_like_its_key(&world, &node, &client, token);
        }
    }

    fn a_key_is_refused_after_its_expiry(world: World) {
        let api = world.resource(API);
        let client = world.client_with(&["--scope", "read", "--resource", API]);
        let node = world.start();
        for number in 2..10 {
            make(&world, &client, &["--name", &number.to_string()]);
        }
        let short = make(&world, &client, &["--name", "Short", "--expires-in", "2s", "--manage-keys"]);
        let key = text(&short, "api_key");
        let seen = node.introspect(&api, key);
        let lifetime = seen["exp"].as_i64().unwrap() - seen["iat"].as_i64().unwrap();
        assert_eq!((&seen["active"], lifetime), (&json!(true), 2), "{seen}");
        refused(&create(&node, key, "Eleventh"), 409, "ten live");
        let token = exchanged(&node, key);
        assert!(jwt::claims(&token)["exp"].as_i64() <= seen["exp"].as_i64(), "no longer than the key");
        assert!(exchange(&node, key, &[]).json()["expires_in"].as_u64() <= Some(2));
        eventually("the end", || (!node.active(&api, key)).then_some(()));
        assert_eq!(node.introspect(&api, key), json!({"active": false}));
        assert!(!node.active(&api, &token));
        assert_eq!(verify(&node, key, &[]), 401);
        refused(&ask(&node, "GET", "/apiKeys", &basic(key), ""), 401, "expired");
        assert_eq!(list(&node, &client.api_key).len(), 9, "an expired key is neither listed nor counted");
        assert_eq!(create(&node, &client.api_key, "Short").status, 201, "the name of an expired key can be reused");
    }

    fn a_key_is_limited_to_a_part_of_its_clients_scope(world: World) {
        let api = world.resource(API);
        let client = world.client_with(&["--scope", "a b c", "--resource", API]);
        let node = world.start();
        let narrow = text(&make(&world, &client, &["--name", "Narrow", "--scope", "c a"]), "api_key").to_owned();
        let none = text(&make(&world, &client, &["--name", "None", "--scope", ""]), "api_key").to_owned();
        let scope = |key: &str| node.introspect(&api, key)["scope"].clone();
        assert_eq!((scope(&narrow), scope(&none), scope(&client.api_key)), (json!("a c"), Value::Null, json!("a b c")));
        assert_eq!(node.introspect(&api, &none)["active"], json!(true));
        world.cli(&["client", "update", &client.id, "--scope", "a b"]);
        within(SECOND, "the client's new scope", || (scope(&client.api_key) == "a b").then_some(()));
        assert_eq!(scope(&narrow), json!("a"), "never more than the client");
        assert_eq!(exchange(&node, &narrow, &[]).json()["scope"], json!("a"));
    }

    fn a_key_is_limited_to_a_part_of_its_clients_resource_servers(world: World) {
        let (api, two) = (world.resource(API), world.resource("urn:two"));
        let client = world.client_with(&["--scope", "a", "--resource", API, "--resource", "urn:two"]);
        let node = world.start();
        let made = make(&world, &client, &["--name", "One API", "--resource", API, "--manage-keys"]);
        let (id, key) = (text(&made, "id"), text(&made, "api_key").to_owned());
        assert_eq!(made["resources"], json!([API]));
        let passes = |audience: &str| node.get_with(&format!("/verify?audience={audience}"), &[("authorization", &format!("Bearer {key}"))]).status;
        assert_eq!((passes(API), passes("urn:two"), verify(&node, &key, &[])), (200, 401, 200));
        assert_eq!(node.introspect(&api, &key)["aud"], json!(API));
        assert_eq!(node.introspect(&two, &key), json!({"active": false}), "not for this resource server");
        assert_eq!(node.introspect(&two, &client.api_key)["aud"], json!([API, "urn:two"]));
        assert_eq!(jwt::claims(&exchanged(&node, &key))["aud"], json!(API), "no more than the key");
        let refused_target = exchange(&node, &key, &[("resource", "urn:two")]);
        assert_eq!((refused_target.status, text(&refused_target.json(), "error")), (400, "invalid_target"));

        // What a key creates or is replaced by reaches no more than it does.
        assert_eq!(create(&node, &key, "Child").status, 201);
        let replaced = world.cli(&["key", "rotate", &client.id, id, "--grace", "0s"]);
        let (id, key) = (text(&replaced, "id"), text(&replaced, "api_key").to_owned());
        let keys = world.cli(&["key", "list", &client.id]);
        let of = |name: &str| keys.as_array().unwrap().iter().find(|row| row["name"] == name).unwrap()["resources"].clone();
        assert_eq!((of("Child"), of("One API"), of("Default")), (json!([API]), json!([API]), Value::Null));

        // What the client loses, the key loses too: it is never for the issuer, nor for all that is left.
        let update = |flags: &[&str]| world.cli(&[&["key", "update", &client.id, id], flags].concat());
        world.cli(&["client", "update", &client.id, "--resource", "urn:two"]);
        within(SECOND, "the client's resource servers", || (!node.active(&api, &key)).then_some(()));
        assert_eq!((verify(&node, &key, &[]), node.active(&two, &key)), (401, false));
        let exchange_refused = exchange(&node, &key, &[]);
        assert_eq!((exchange_refused.status, text(&exchange_refused.json(), "error")), (400, "invalid_target"));
        world.cli(&["resource", "delete", API, "--yes"]);
        assert_eq!((verify(&node, &key, &[]), node.active(&two, &key)), (401, false));
        world.cli(&["client", "update", &client.id, "--resource", ""]);
        within(SECOND, "a client without resource servers", || verify(&node, &client.api_key, &[]).eq(&200).then_some(()));
        assert_eq!(verify(&node, &key, &[]), 401);
        assert_eq!(exchange(&node, &key, &[]).status, 400);

        world.cli(&["client", "update", &client.id, "--resource", "urn:two"]);
        assert_eq!(update(&["--name", "Same API"])["resources"], json!([API]), "left as it is");
        for (flags, said) in [(&["--resource", API][..], "urn:two"), (&["--resource", ""], "empty"), (&["--resource", "two"], "absolute URI")] {
            let error = world.refused(&[&["key", "update", &client.id, id], flags].concat());
            assert!(error.contains(said), "{flags:?}: {error}");
            let error = world.refused(&[&["key", "create", &client.id, "--name", "Refused"], flags].concat());
            assert!(error.contains(said), "{flags:?}: {error}");
        }
        assert_eq!(update(&["--resource", "urn:two"])["resources"], json!(["urn:two"]));
        within(SECOND, "the key's resource servers", || node.active(&two, &key).then_some(()));
        assert!(update(&["--all-resources"])["resources"].is_null());
    }

    fn a_key_creates_others_for_what_it_has_at_that_moment(world: World) {
        world.resource(API);
        world.resource("urn:two");
        let client = world.client_with(&["--scope", "a b", "--resource", API, "--resource", "urn:two"]);
        let node = world.start();
        let made = make(&world, &client, &["--name", "Manager", "--scope", "a b", "--resource", API, "--resource", "urn:two", "--manage-keys"]);
        let (id, key) = (text(&made, "id"), text(&made, "api_key").to_owned());
        assert_eq!(verify(&node, &key, &[]), 200, "cached");
        let properties = |name: &str| {
            let keys = world.cli(&["key", "list", &client.id]);
            let row = keys.as_array().unwrap().iter().find(|row| row["name"] == name).unwrap().clone();
            (row["scope"].clone(), row["resources"].clone())
        };
        // What the client has lost is not handed on.
        world.cli(&["client", "update", &client.id, "--scope", "a", "--resource", API]);
        assert_eq!(create(&node, &key, "After the client").status, 201);
        assert_eq!(properties("After the client"), (json!("a"), json!([API])));
        world.cli(&["client", "update", &client.id, "--scope", "a b", "--resource", API, "--resource", "urn:two"]);
        // The node may still have the former properties in its cache.
        world.cli(&["key", "update", &client.id, id, "--scope", "b", "--resource", "urn:two", "--allow-ip", "127.0.0.1"]);
        assert_eq!(create(&node, &key, "After the key").status, 201);
        assert_eq!(properties("After the key"), (json!("b"), json!(["urn:two"])));
        world.cli(&["client", "update", &client.id, "--resource", API]);
        within(SECOND, "the refusal", || create(&node, &key, "Nothing is left").status.ne(&201).then_some(()));
        world.cli(&["client", "update", &client.id, "--resource", API, "--resource", "urn:two"]);
        within(SECOND, "the key again", || verify(&node, &key, &[]).eq(&200).then_some(()));
        world.cli(&["key", "delete", &client.id, id, "--yes"]);
        assert_ne!(create(&node, &key, "After its revocation").status, 201);
    }

    fn the_last_use_of_a_key_is_recorded(world: World) {
        let api = world.resource(API);
        let client = world.client_with(&["--scope", "read", "--resource", API]);
        let by = |how: &str| text(&make(&world, &client, &["--name", how]), "api_key").to_owned();
        let (introspected, verified, swapped, mistyped, unused) = (by("introspected"), by("verified"), by("exchanged"), by("mistyped"), by("unused"));
        let node = world.start();
        let before = world.cli(&["key", "list", &client.id]);
        assert!(before.as_array().unwrap().iter().all(|key| key["last_used_at"].is_null()), "{before}");
        let began = std::time::UNIX_EPOCH.elapsed().unwrap();
        assert!(node.active(&api, &introspected));
        assert_eq!(verify(&node, &verified, &[]), 200);
        exchanged(&node, &swapped);
        let (last, rest) = (mistyped.chars().last().unwrap(), &mistyped[..mistyped.len() - 1]);
        assert_eq!(verify(&node, &format!("{rest}{}", if last == '0' { '1' } else { '0' }), &[]), 401);
        assert_eq!(list(&node, &client.api_key).len(), 6);
        // A running server writes the last use within seconds; a server that stops writes it before
        // it exits.
        let written = |key: &str| {
            let keys = world.cli(&["key", "list", &client.id]);
            let row = keys.as_array().unwrap().iter().find(|row| row["id"] == id_of(key)).unwrap().clone();
            row["last_used_at"].as_str().map(str::to_owned)
        };
        if world.backend == crate::support::Backend::Sqlite {
            eventually("when it was last used", || written(&introspected));
        } else {
            assert!(node.stop().success());
        }
        let over = std::time::UNIX_EPOCH.elapsed().unwrap();
        for key in [&introspected, &verified, &swapped, &client.api_key] {
            assert!(written(key).is_some());
        }
        let moments = format!("last_used_at BETWEEN {} AND {}", began.as_millis(), over.as_millis());
        assert_eq!(world.count(&format!("SELECT count(*) FROM api_keys WHERE {moments}")), 4, "exact to the minute");
        assert_eq!((written(&mistyped), written(&unused)), (None, None));
        let created = |document: &Value| document.as_array().unwrap().iter().map(|key| key["created_at"].clone()).collect::<Vec<_>>();
        assert_eq!(created(&before), created(&world.cli(&["key", "list", &client.id])));
    }

    fn a_key_deleted_while_in_use_is_refused(world: World) {
        let client = world.client("read");
        let (one, two) = (world.start_with(&["--issuer", "http://auth.example"]), world.start_with(&["--issuer", "http://auth.example"]));
        for (here, there) in [(&one, &two), (&two, &one)] {
            let used = text(&make(&world, &client, &["--name", "Used"]), "api_key").to_owned();
            let token = exchanged(here, &used);
            for node in [here, there] {
                assert_eq!((verify(node, &used, &[]), verify(node, &token, &[])), (200, 200));
            }
            let deleted = std::sync::OnceLock::new();
            std::thread::scope(|scope| {
                for (node, patience) in [(here, Duration::ZERO), (there, SECOND)] {
                    for credential in [&used, &token] {
                        let deleted = &deleted;
                        scope.spawn(move || {
                            let mut seen = [0; 2];
                            while seen[1] < 20 {
                                let sent = Instant::now();
                                let passed = verify(node, credential, &[]) == 200;
                                seen[usize::from(!passed)] += 1;
                                let too_late = deleted.get().is_some_and(|at| sent > *at + patience);
                                assert!(!(passed && too_late), "{:?} after its end", sent - *deleted.get().unwrap());
                            }
                            assert!(seen[0] > 0);
                        });
                    }
                }
                std::thread::sleep(Duration::from_millis(200));
                assert_eq!(delete(here, &client.api_key, id_of(&used)).status, 204);
                deleted.set(Instant::now()).unwrap();
            });
        }
    }
}

/// A key with a part of its client's scope, and a resource server that introspects.
struct Exchange<'a> {
    world: &'a World,
    node: Node,
    api: Client,
    client: Client,
    key: String,
}

impl Exchange<'_> {
    fn the_response_has_a_token_with_the_scope_of_the_key(&self) {
        let Exchange {
            node,
            api,
            client,
            key,
            ..
        } = self;
        let reply = exchange(node, key, &[]);
        assert_eq!(reply.status, 200, "{}", reply.body);
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        let answer = reply.json();
        let token = text(&answer, "access_token");
        let expected = json!({"access_token": token, "issued_token_type": TOKEN_TYPE, "token_type": "Bearer", "expires_in": 3600, "scope": "a b"});
        assert_eq!(answer, expected, "and no refresh token");
        let (header, claims) = (jwt::header(token), jwt::claims(token));
        assert_eq!(
            (&header["typ"], &header["alg"]),
            (&json!("at+jwt"), &json!("RS256"))
        );
        for (claim, value) in [
            ("iss", json!(node.base)),
            ("sub", json!(client.id)),
            ("client_id", json!(client.id)),
            ("scope", json!("a b")),
            ("aud", json!([API, "urn:two"])),
        ] {
            assert_eq!(claims[claim], value, "{claim}");
        }
        let seen = node.introspect(api, token);
        assert_eq!(
            (&seen["active"], &seen["token_type"], &seen["jti"]),
            (&json!(true), &json!("Bearer"), &claims["jti"])
        );
    }

    fn scope_and_audience_can_be_narrowed(&self) {
        let Exchange { node, key, .. } = self;
        each_case(
            [
                (&[("scope", "b")][..], "b", json!([API, "urn:two"])),
                (&[("scope", "b a")], "a b", json!([API, "urn:two"])),
                (&[("resource", "urn:two")], "a b", json!("urn:two")),
                (
                    &[("audience", "urn:two"), ("scope", "a")],
                    "a",
                    json!("urn:two"),
                ),
                (
                    &[("resource", "urn:two"), ("resource", API)],
                    "a b",
                    json!([API, "urn:two"]),
                ),
                (
                    &[("requested_token_type", TOKEN_TYPE)],
                    "a b",
                    json!([API, "urn:two"]),
                ),
                (
                    &[(
                        "requested_token_type",
                        "urn:ietf:params:oauth:token-type:jwt",
                    )],
                    "a b",
                    json!([API, "urn:two"]),
                ),
            ],
            |(fields, scope, audience)| {
                let reply = exchange(node, key, fields);
                assert_eq!(reply.status, 200, "{fields:?}: {}", reply.body);
                let claims = jwt::claims(text(&reply.json(), "access_token"));
                assert_eq!(
                    (&claims["scope"], &claims["aud"]),
                    (&json!(scope), &audience),
                    "{fields:?}"
                );
            },
        );
    }

    fn invalid_requests_are_refused(&self) {
        let Exchange {
            node, client, key, ..
        } = self;
        let token = &exchanged(node, key);
        each_case(
            [
                (&[("scope", "c")][..], "invalid_scope"),
                (&[("scope", "a c")], "invalid_scope"),
                (&[("scope", "\"")], "invalid_scope"),
                (&[("resource", "urn:three")], "invalid_target"),
                (&[("audience", "urn:three")], "invalid_target"),
                (
                    &[(
                        "requested_token_type",
                        "urn:ietf:params:oauth:token-type:refresh_token",
                    )],
                    "invalid_request",
                ),
                (
                    &[("actor_token", "x"), ("actor_token_type", TOKEN_TYPE)],
                    "invalid_request",
                ),
                (&[("client_id", client.id.as_str())], "invalid_request"),
                (
                    &[
                        ("client_id", client.id.as_str()),
                        ("client_secret", client.secret.as_str()),
                    ],
                    "invalid_request",
                ),
                (
                    &[
                        ("client_assertion", "x"),
                        (
                            "client_assertion_type",
                            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                        ),
                    ],
                    "invalid_request",
                ),
                (&[("subject_token", key.as_str())], "invalid_request"),
            ],
            |(fields, error)| {
                exchange(node, key, fields).refused(400, error);
            },
        );
        let grant = ("grant_type", EXCHANGE);
        for authorization in [client.basic(), basic(key), format!("Bearer {key}")] {
            node.form(
                "/oauth/token",
                Some(&authorization),
                &[
                    grant,
                    ("subject_token", key),
                    ("subject_token_type", KEY_TYPE),
                ],
            )
            .refused(400, "invalid_request");
        }
        each_case(
            [
                &[grant][..],
                &[grant, ("subject_token", key)],
                &[grant, ("subject_token_type", KEY_TYPE)],
                &[
                    grant,
                    ("subject_token", key),
                    ("subject_token_type", TOKEN_TYPE),
                ],
                &[
                    grant,
                    ("subject_token", token),
                    ("subject_token_type", KEY_TYPE),
                ],
                &[
                    grant,
                    ("subject_token", &client.secret),
                    ("subject_token_type", KEY_TYPE),
                ],
                &[
                    grant,
                    ("subject_token", &key[1..]),
                    ("subject_token_type", KEY_TYPE),
                ],
                &[
                    grant,
                    ("subject_token", ""),
                    ("subject_token_type", KEY_TYPE),
                ],
            ],
            |fields| {
                node.form("/oauth/token", None, fields)
                    .refused(400, "invalid_request");
            },
        );
    }

    fn the_metadata_lists_the_grant_type(&self) {
        let Exchange { node, .. } = self;
        for path in [
            "/.well-known/oauth-authorization-server",
            "/.well-known/openid-configuration",
        ] {
            assert!(
                node.get(path).json()["grant_types_supported"]
                    .as_array()
                    .unwrap()
                    .contains(&json!(EXCHANGE)),
                "{path}"
            );
        }
    }

    fn a_key_is_not_accepted_as_the_secret_of_a_client(&self) {
        let Exchange {
            node, client, key, ..
        } = self;
        let token = &exchanged(node, key);
        for secret in [key.as_str(), client.api_key.as_str()] {
            let pretender = Client {
                secret: secret.to_owned(),
                ..client.clone()
            };
            node.token_reply(&pretender, &[])
                .refused(401, "invalid_client");
            node.form(
                "/oauth/introspect",
                Some(&pretender.basic()),
                &[("token", token)],
            )
            .refused(401, "invalid_client");
        }
    }

    /// The last check, since it revokes the key and disables the client.
    fn the_token_ends_with_its_key(&self) {
        let Exchange {
            world,
            node,
            api,
            client,
            key,
            ..
        } = self;
        let token = &exchanged(node, key);
        let own = exchanged(node, &client.api_key);
        assert_eq!(node.revoke(client, key).status, 200);
        assert_eq!(
            node.introspect(api, token),
            json!({"active": false}),
            "the token ends with its key"
        );
        assert_eq!(verify(node, token, &[]), 401);
        exchange(node, key, &[]).refused(400, "invalid_request");
        assert!(node.active(api, &own), "that of another key does not");
        world.cli(&["client", "disable", &client.id]);
        within(SECOND, "the disabling", || {
            (!node.active(api, &own)).then_some(())
        });
        exchange(node, &client.api_key, &[]).refused(400, "invalid_request");
    }
}

on_both_and_serializable! {
    fn keys_are_managed_over_http(world: World) {
        let client = world.client("read write");
        let other = world.client("read");
        let api = KeyApi { world: &world, node: world.start(), client, other };
        each_check(&api, &[
            KeyApi::creates_lists_and_deletes_keys,
            KeyApi::refuses_invalid_bodies,
            KeyApi::refuses_unknown_ids_and_methods,
            KeyApi::limits_the_number_of_keys,
        ]);
    }

    fn a_rotated_key_works_until_its_grace_period_ends(world: World) {
        let api = world.resource(API);
        let client = world.client_with(&["--scope", "read write", "--resource", API]);
        let node = world.start();
        let made = make(&world, &client, &["--name", "Orders", "--scope", "read", "--manage-keys"]);
        let old = text(&made, "api_key").to_owned();
        assert!(node.active(&api, &old));
        let token = exchanged(&node, &old);

        let began = Instant::now();
        let rotated = world.cli(&["key", "rotate", &client.id, text(&made, "id"), "--grace", "2s"]);
        let new = text(&rotated, "api_key");
        assert_eq!((text(&rotated, "name"), &rotated["scope"], &rotated["manage_keys"]), ("Orders", &json!("read"), &json!(true)));
        within(SECOND, "the end of the old one", || node.introspect(&api, &old)["exp"].as_i64());
        let names: Vec<Value> = list(&node, new).iter().map(|key| key["name"].clone()).collect();
        assert_eq!(names.len(), 3, "{names:?}");
        assert!(node.active(&api, new) && node.active(&api, &old) && node.active(&api, &token), "both live");
        let late = jwt::claims(&exchanged(&node, &old));
        assert!(late["exp"].as_i64() <= node.introspect(&api, &old)["exp"].as_i64(), "{late}");
        eventually("the end of the grace", || (!node.active(&api, &old)).then_some(()));
        let lived = began.elapsed();
        assert!((Duration::from_secs(2)..Duration::from_secs(4)).contains(&lived), "{lived:?}");
        assert_eq!((verify(&node, &old, &[]), verify(&node, new, &[])), (401, 200));
        assert_eq!(list(&node, new).len(), 2, "an expired key is unknown");
        assert_eq!(exchange(&node, &old, &[]).status, 400);
        assert!(!node.active(&api, &token), "tokens of the key expire with it");
        assert!(world.refused(&["key", "rotate", &client.id, id_of(&old)]).contains(id_of(&old)), "it has expired");

        let newest = world.cli(&["key", "rotate", &client.id, id_of(new), "--grace", "0s"]);
        within(SECOND, "the end", || (!node.active(&api, new)).then_some(()));
        assert!(node.active(&api, text(&newest, "api_key")));
        assert_eq!(text(&newest, "name"), "Orders");
    }

    fn concurrent_changes_keep_the_limit_of_keys(world: World) {
        let client = world.client("read");
        let nodes = [world.start_with(&["--issuer", "http://auth.example"]), world.start_with(&["--issuer", "http://auth.example"])];
        let all_at_once = |work: &(dyn Fn(usize, &Node) -> Reply + Sync), count: usize| -> Vec<u16> {
            std::thread::scope(|scope| {
                let all: Vec<_> = (0..count).map(|number| scope.spawn({ let node = &nodes[number % 2]; move || work(number, node).status })).collect();
                all.into_iter().map(|one| one.join().unwrap()).collect()
            })
        };
        let of = |statuses: &[u16], wanted: u16| statuses.iter().filter(|status| **status == wanted).count();

        let statuses = all_at_once(&|_, node| create(node, &client.api_key, "The same"), 10);
        assert_eq!((of(&statuses, 201), of(&statuses, 409)), (1, 9), "{statuses:?}");
        let statuses = all_at_once(&|number, node| create(node, &client.api_key, &number.to_string()), 20);
        assert_eq!((of(&statuses, 201), of(&statuses, 409)), (8, 12), "{statuses:?}");
        assert_eq!(active_keys(&world, &client), 10);
        let all = list(&nodes[0], &client.api_key);
        let statuses = all_at_once(&|number, node| delete(node, &client.api_key, text(&all[1 + number / 2], "id")), 18);
        assert_eq!((of(&statuses, 204), of(&statuses, 404)), (9, 9), "{statuses:?}");

        for round in 0..5 {
            let client = world.client("read");
            let second = make(&world, &client, &["--name", "Second", "--manage-keys"]);
            let keys = [client.api_key.as_str(), text(&second, "api_key")];
            // Each key deletes itself.
            let statuses = all_at_once(&|number, node| delete(node, keys[number], id_of(keys[number])), 2);
            assert_eq!((of(&statuses, 204), of(&statuses, 409), active_keys(&world, &client)), (1, 1, 1), "round {round}: {statuses:?}");
        }
    }

    fn a_key_is_exchanged_for_a_token(world: World) {
        let api = world.resource(API);
        world.resource("urn:two");
        let client = world.client_with(&["--scope", "a b c", "--resource", API, "--resource", "urn:two"]);
        let key = text(&make(&world, &client, &["--name", "Narrow", "--scope", "a b"]), "api_key").to_owned();
        let exchange = Exchange { world: &world, node: world.start(), api, client, key };
        each_check(&exchange, &[
            Exchange::the_response_has_a_token_with_the_scope_of_the_key,
            Exchange::scope_and_audience_can_be_narrowed,
            Exchange::invalid_requests_are_refused,
            Exchange::the_metadata_lists_the_grant_type,
            Exchange::a_key_is_not_accepted_as_the_secret_of_a_client,
            Exchange::the_token_ends_with_its_key,
        ]);
    }
}

#[test]
fn a_key_is_accepted_in_each_authentication_scheme() {
    let world = World::sqlite();
    let client = world.client("read");
    let node = world.start();
    let (key, secret) = (client.api_key.as_str(), client.secret.as_str());
    let token = node.token(&client);
    let (mistyped, stranger) = (key.replacen("kwk_", "kwk_0", 1), world.client("read"));
    let foreign = format!(
        "{}_{}",
        &key[..20],
        stranger.api_key.rsplit('_').next().unwrap()
    );
    each_case(
        [
            (basic(key), 200),
            (basic(&format!("{key}:")), 200),
            (format!("Bearer {key}"), 200),
            (format!("bearer {key}"), 200),
            (format!("BASIC {}", STANDARD.encode(key)), 200),
            (format!("Basic {}", STANDARD_NO_PAD.encode(key)), 200),
            (format!("Bearer  {key}"), 200),
            (String::new(), 401),
            (basic(&format!(":{key}")), 401),
            (basic(&format!("{key}:x")), 401),
            (basic(&format!("{}:{key}", client.id)), 401),
            (basic(&format!("{key}::")), 401),
            (format!("Basic {key}"), 401),
            (format!("Digest {key}"), 401),
            (format!("ApiKey {key}"), 401),
            (key.to_owned(), 401),
            ("Basic".to_owned(), 401),
            ("Basic !!!".to_owned(), 401),
            ("Bearer".to_owned(), 401),
            (format!("Basic {}", STANDARD.encode(b"\xFF\xFE")), 401),
            (client.basic(), 401),
            (format!("Bearer {secret}"), 401),
            (format!("Bearer {token}"), 401),
            (format!("Bearer {mistyped}"), 401),
            (format!("Bearer {foreign}"), 401),
            (format!("Bearer {}", key.to_uppercase()), 401),
        ],
        |(header, status)| {
            let reply = ask(&node, "GET", "/apiKeys", &header, "");
            assert_eq!(reply.status, status, "{header}: {}", reply.body);
            if status != 200 {
                refused(&reply, status, &header);
            }
        },
    );
    let twice = [("authorization", basic(key)), ("authorization", basic(key))];
    let twice = twice
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    refused(&node.get_with("/apiKeys", &twice), 400, "twice");
    // The key is checked before the body is parsed.
    refused(
        &ask(&node, "POST", "/apiKeys", "", "{"),
        401,
        "unreadable, and of no client",
    );
    assert!(!node.logs().contains(key), "no key in the log");
}

#[test]
fn a_key_is_accepted_from_its_ip_ranges_only() {
    let world = World::sqlite();
    let client = world.client("read");
    let ranges = [
        "--allow-ip",
        "203.0.113.0/24",
        "--allow-ip",
        "198.51.100.7",
        "--allow-ip",
        "2001:db8::/32",
    ];
    let key = text(
        &make(
            &world,
            &client,
            &[&["--name", "Ranges", "--manage-keys"], &ranges[..]].concat(),
        ),
        "api_key",
    )
    .to_owned();
    let inside = text(
        &make(
            &world,
            &client,
            &["--name", "Inside", "--allow-ip", "127.0.0.0/8"],
        ),
        "api_key",
    )
    .to_owned();
    let (behind, direct) = (
        world.start_with(&["--trusted-proxies", "127.0.0.1,10.0.0.0/8"]),
        world.start(),
    );
    let authorization = basic(&key);
    each_case(
        [
            ("203.0.113.9", true),
            ("198.51.100.7", true),
            ("198.51.100.8", false),
            ("203.0.114.1", false),
            ("2001:db8:1::1", true),
            ("2001:db9::1", false),
            ("::ffff:203.0.113.9", true),
            ("192.0.2.1, 203.0.113.9", true),
            ("203.0.113.9, 192.0.2.1", false),
            ("203.0.113.9, 10.1.2.3", true),
            ("nonsense", false),
            ("", false),
        ],
        |(forwarded, allowed)| {
            let headers = [("x-forwarded-for", forwarded)];
            assert_eq!(
                verify(&behind, &key, &headers),
                if allowed { 200 } else { 401 },
                "{forwarded}"
            );
            assert_eq!(
                verify(&direct, &key, &headers),
                401,
                "not from a trusted proxy: {forwarded}"
            );
            let reply = behind.get_with(
                "/apiKeys",
                &[
                    ("authorization", &authorization),
                    ("x-forwarded-for", forwarded),
                ],
            );
            assert_eq!(
                reply.status,
                if allowed { 200 } else { 401 },
                "{forwarded}: {}",
                reply.body
            );
            let form = form_urlencoded::Serializer::new(String::new())
                .extend_pairs([
                    ("grant_type", EXCHANGE),
                    ("subject_token", &key),
                    ("subject_token_type", KEY_TYPE),
                ])
                .finish();
            let headers = [
                ("content-type", "application/x-www-form-urlencoded"),
                ("x-forwarded-for", forwarded),
            ];
            assert_eq!(
                behind
                    .post("/oauth/token", &headers, form.as_bytes())
                    .status,
                if allowed { 200 } else { 400 },
                "{forwarded}"
            );
        },
    );
    assert_eq!(
        (
            verify(&direct, &inside, &[]),
            verify(&behind, &inside, &[("x-forwarded-for", "203.0.113.9")])
        ),
        (200, 401)
    );
    assert_eq!(
        verify(
            &behind,
            &client.api_key,
            &[("x-forwarded-for", "192.0.2.1")]
        ),
        200,
        "a key without ranges"
    );
}

/// Runs the official SDK of the platform whose key API Keyward implements.
fn sdk(world: World, mut command: Command) {
    let client = world.client("read write");
    let plain = make(&world, &world.client("read"), &["--name", "Plain"]);
    let node = world.start();
    command
        .env("ISSUER", &node.base)
        .env("API_KEY", &client.api_key)
        .env("PLAIN_API_KEY", text(&plain, "api_key"));
    let output = command.output().unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{command:?}:\n{said}");
}

#[test]
fn the_python_sdk_works_with_keyward() {
    needs!(Tool::Python);
    sdk(World::sqlite(), tools::python("codat_sdk.py"));
}

#[test]
fn the_javascript_sdk_works_with_keyward() {
    needs!(Tool::Node);
    sdk(World::sqlite(), tools::node("codat_sdk.mjs"));
}
