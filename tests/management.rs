//! The management API: rights, accounts, pagination, versions, idempotency, the audit.

use serde_json::{Value, json};

use crate::support::{Client, Node, Reply, World, each_case, each_check, eventually};

/// A token for the management API with these rights.
fn caller(world: &World, node: &Node, account: &str, rights: &str) -> String {
    let client = world.manager(node, &["--account", account], rights);
    node.token(&client)
}

/// A token with all rights.
pub fn operator(world: &World, node: &Node) -> String {
    world.cli(&["account", "create", "--name", "Operators"]);
    let all = crate::rights::all_rights().join(" ");
    caller(world, node, "Operators", &format!("{all} keyward:operator"))
}

fn call(node: &Node, token: &str, method: &str, path: &str, body: &Value) -> Reply {
    node.json(method, &format!("/api/v1{path}"), Some(token), body)
}

fn get(node: &Node, token: &str, path: &str) -> Value {
    let reply = call(node, token, "GET", path, &Value::Null);
    assert_eq!(reply.status, 200, "{path}: {}", reply.body);
    reply.json()
}

fn problem(reply: &Reply, status: u16, field: Option<&str>) {
    assert_eq!(reply.status, status, "{}", reply.body);
    assert_eq!(
        reply.header("content-type"),
        Some("application/problem+json")
    );
    let problem = reply.json();
    assert_eq!(
        (problem["status"].as_u64(), problem["field"].as_str()),
        (Some(u64::from(status)), field),
        "{problem}"
    );
    assert!(
        problem["detail"]
            .as_str()
            .is_some_and(|detail| !detail.is_empty())
    );
}

/// An account, a resource server and a client, created by the API.
struct Api<'a> {
    world: &'a World,
    node: Node,
    token: String,
    account: String,
    server: Client,
    client: Client,
    /// The path of the client.
    path: String,
}

impl<'a> Api<'a> {
    fn new(world: &'a World) -> Self {
        let node = world.start();
        let none = || Client {
            id: String::new(),
            secret: String::new(),
            api_key: String::new(),
        };
        let mut api = Api {
            token: operator(world, &node),
            world,
            node,
            account: String::new(),
            server: none(),
            client: none(),
            path: String::new(),
        };
        let account = api.create("/accounts", json!({"name": "Acme"}));
        api.account = text(&account, "id");
        let made = api.create(
            "/resource-servers",
            json!({"identifier": "https://api.example/", "name": "API", "scope": "read write"}),
        );
        api.server.id = text(&made, "client_id");
        api.server.secret = text(&made, "client_secret");
        let made = api.create(
            "/clients",
            json!({"name": "App", "account": api.account, "scope": "read", "resources": ["https://api.example/"]}),
        );
        api.client = Client {
            id: text(&made, "client_id"),
            secret: text(&made, "client_secret"),
            api_key: text(&made, "api_key"),
        };
        api.path = format!("/clients/{}", api.client.id);
        api
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Reply {
        call(&self.node, &self.token, method, path, body)
    }

    fn get(&self, path: &str) -> Value {
        get(&self.node, &self.token, path)
    }

    fn create(&self, path: &str, body: Value) -> Value {
        let reply = self.call("POST", path, &body);
        assert_eq!(reply.status, 201, "{path}: {}", reply.body);
        reply.json()
    }

    /// Deletes an object. A second deletion does not find it.
    fn delete(&self, path: &str) {
        let reply = self.call("DELETE", path, &Value::Null);
        assert_eq!((reply.status, reply.body.as_str()), (204, ""), "{path}");
        problem(&self.call("DELETE", path, &Value::Null), 404, None);
    }

    fn is_active(&self, token: &str) -> bool {
        self.node.active(&self.server, token)
    }

    fn accounts_are_changed(&self) {
        let path = format!("/accounts/{}", self.account);
        for required in [true, false] {
            let body = json!({"requires_second_factor": required});
            let changed = self.call("PATCH", &path, &body).json();
            assert_eq!(changed["requires_second_factor"], json!(required));
        }
    }

    fn clients_are_changed(&self) {
        let (node, client, path) = (&self.node, &self.client, &self.path);
        assert!(self.is_active(&node.token(client)) && self.is_active(&client.api_key));
        let shown = self.get(path);
        assert_eq!(shown["account"], json!(self.account));
        assert_eq!(shown["enabled"], json!(true));
        assert!(!shown.to_string().contains("kws_") && !shown.to_string().contains("argon2"));

        let changed = self.call("PATCH", path, &json!({"enabled": false})).json();
        assert_eq!(changed["enabled"], json!(false));
        node.token_reply(client, &[]).refused(401, "invalid_client");
        self.call("PATCH", path, &json!({"enabled": true, "name": "Renamed"}));
        assert_eq!(node.token_reply(client, &[]).status, 200);
    }

    /// A rotation keeps the old secret for an hour; later rotations replace it at once, any number
    /// of times.
    fn secrets_are_created_and_rotated(&self) {
        let path = format!("{}/secrets", self.path);
        let status = |client: &Client| self.node.token_reply(client, &[]).status;
        let secret = self.create(&path, json!({"expires_in": 3600}));
        assert!(text(&secret, "client_secret").starts_with("kws_"));
        assert_eq!(self.get(&path)["items"].as_array().unwrap().len(), 2);
        self.secrets_have_names(&format!("{path}/{}", text(&secret, "id")));
        self.delete(&format!("{path}/{}", text(&secret, "id")));

        let rotate = |grace: Value| Client {
            secret: text(
                &self.create(&format!("{path}/rotate"), json!({"grace": grace})),
                "client_secret",
            ),
            ..self.client.clone()
        };
        let second = rotate(json!("1h"));
        assert_eq!((status(&self.client), status(&second)), (200, 200));
        let listed = self.get(&path)["items"].clone();
        assert!(
            listed[0]["expires_at"].is_string() && listed[1]["expires_at"].is_null(),
            "{listed}"
        );
        let rotated: Vec<_> = (0..25).map(|_| rotate(json!(0))).collect();
        let newest = rotated.last().unwrap();
        assert_eq!((status(&second), status(newest)), (401, 200));
        let kept = self.get(&path)["items"].as_array().unwrap().len();
        assert_eq!(kept, 1, "without a grace period the old ones are deleted");
    }

    fn secrets_have_names(&self, path: &str) {
        let change = |body: Value| self.call("PATCH", path, &body);
        let changed = |body: Value| change(body).json();
        assert!(changed(json!({}))["name"].is_null());
        assert_eq!(changed(json!({"name": "Production"}))["name"], "Production");
        each_case(
            [
                json!({"name": ""}),
                json!({"name": " x"}),
                json!({"name": "x".repeat(101)}),
                json!({"name": "a\u{202e}b"}),
                json!({"expires_in": 60}),
            ],
            |body| assert_eq!(change(body.clone()).status, 400, "{body}"),
        );
        let same = changed(json!({}));
        assert_eq!(same["name"], "Production");
        assert!(same["last_used_at"].is_null() && same["client_secret"].is_null());
        assert!(changed(json!({"name": null}))["name"].is_null());
        let list = path.rsplit_once('/').unwrap().0;
        problem(
            &self.call("PATCH", &format!("{list}/gone"), &json!({})),
            404,
            None,
        );
        let named = self.create(list, json!({"name": "Staging"}));
        assert_eq!(named["name"], "Staging");
        self.delete(&format!("{list}/{}", text(&named, "id")));
    }

    fn keys_are_created_and_rotated(&self) {
        let path = format!("{}/keys", self.path);
        let limits = json!({"name": "Second", "allowed_ips": ["127.0.0.1"], "expires_in": 60});
        let key = self.create(&path, limits);
        assert!(self.is_active(&text(&key, "api_key")));
        assert!(text(&key, "authorization").starts_with("Basic "));
        self.keys_are_changed(&format!("{path}/{}", text(&key, "id")));
        let rotated = self.create(
            &format!("{path}/{}/rotate", text(&key, "id")),
            json!({"grace": 0}),
        );
        assert!(!self.is_active(&text(&key, "api_key")));
        assert!(self.is_active(&text(&rotated, "api_key")));
        self.delete(&format!("{path}/{}", text(&rotated, "id")));
    }

    fn keys_are_changed(&self, path: &str) {
        let change = |body: Value| self.call("PATCH", path, &body);
        let changed = |body: Value| change(body).json();
        let same = changed(json!({}));
        assert_eq!(same["allowed_ips"], json!(["127.0.0.1/32"]));
        let renamed = changed(json!({"name": "Renamed", "allowed_ips": ["203.0.113.0/24"]}));
        assert_eq!(renamed["name"], "Renamed");
        assert_eq!(renamed["allowed_ips"], json!(["203.0.113.0/24"]));
        assert_eq!(renamed["expires_at"], same["expires_at"]);
        let unlimited = changed(json!({"scope": null, "expires_in": null, "allowed_ips": null}));
        for member in ["scope", "expires_at"] {
            assert!(unlimited[member].is_null(), "{unlimited}");
        }
        assert_eq!(unlimited["allowed_ips"], json!([]));
        each_case(
            [
                (json!({"allowed_ips": []}), "allowed_ips"),
                (json!({"resources": []}), "resources"),
                (json!({"resources": [""]}), "resources"),
                (json!({"resources": ["urn:unknown"]}), "resources"),
                (json!({"allowed_ips": ["nowhere"]}), "allowed_ips"),
                (json!({"scope": "beyond"}), "scope"),
                (json!({"name": ""}), "name"),
                (json!({"expires_in": 0}), "expires_at"),
                (json!({"secret": "x"}), "secret"),
            ],
            |(body, said)| {
                let refused = change(body);
                let problem = refused.json().to_string();
                assert!(refused.status == 400 && problem.contains(said), "{problem}");
            },
        );
        assert_eq!(changed(json!({})), unlimited, "no refused change is kept");
    }

    fn tokens_are_listed_inspected_and_revoked(&self) {
        let client =
            self.world
                .client_with(&["--scope", "read", "--resource", "https://api.example/"]);
        let token = self.node.token(&client);
        let listed = self.get(&format!("/tokens?client={}", client.id));
        assert_eq!(listed["items"].as_array().unwrap().len(), 1);
        let body = json!({"token": token});
        let inspected = self.call("POST", "/tokens/inspect", &body).json();
        assert_eq!(inspected["active"], json!(true));
        assert_eq!(self.call("POST", "/tokens/revoke", &body).status, 204);
        assert!(!self.is_active(&token), "at once");
        let token = self.node.token(&client);
        let all = format!("/clients/{}/revoke-tokens", client.id);
        assert_eq!(self.call("POST", &all, &Value::Null).status, 204);
        assert!(!self.is_active(&token), "at once");
        self.delete(&format!("/clients/{}", client.id));
    }

    fn users_are_created_changed_and_deleted(&self) {
        let user = json!({"email": "Ann@Acme.example", "role": "developer", "account": "Acme"});
        self.create("/users", user);
        let first = || self.get("/users")["items"][0].clone();
        assert_eq!(first()["email"], json!("ann@acme.example"));
        assert_eq!(first()["has_password"], json!(false));
        let path = format!("/users/{}", text(&first(), "id"));
        let set = |password: &str| {
            let body = json!({"password": password});
            self.call("PUT", &format!("{path}/password"), &body)
        };
        let changed = set("correct horse battery");
        assert_eq!(changed.status, 200);
        assert_eq!(changed.json()["has_password"], json!(true));
        problem(&set("short"), 400, Some("password"));

        let role = |role: &str| self.call("PATCH", &path, &json!({"role": role}));
        let viewer = role("viewer");
        assert_eq!(viewer.status, 200);
        assert_eq!(viewer.json()["role"], json!("viewer"));
        problem(&role("operator"), 409, Some("role"));
        problem(&role("king"), 400, Some("role"));

        let invitation = format!("{path}/invitation");
        let link = self.create(&invitation, Value::Null);
        let begin = format!("{}/portal/invitation#kwv_", self.node.base);
        assert!(text(&link, "link").starts_with(&begin), "{link}");
        assert_eq!(first()["invited_until"], link["expires_at"]);
        assert_eq!(
            role("developer").json()["invited_until"],
            link["expires_at"]
        );
        let reset = self.call("DELETE", &format!("{path}/second-factor"), &Value::Null);
        assert_eq!((reset.status, reset.body.as_str()), (204, ""));
        self.delete(&path);
        problem(&self.call("POST", &invitation, &Value::Null), 404, None);
    }

    fn registration_tokens_are_created_and_deleted(&self) {
        let initial = self.create("/registration-tokens", json!({"scope": "read", "uses": 1}));
        let token = initial["token"].as_str();
        let registered = self.node.json("POST", "/oauth/register", token, &json!({}));
        assert_eq!(registered.status, 201);
        self.delete(&format!("/registration-tokens/{}", text(&initial, "id")));
    }

    fn signing_keys_are_rotated_and_retired(&self) {
        let pending = self.create("/signing-keys/rotate", Value::Null);
        let retire = format!("/signing-keys/{}/retire", text(&pending, "kid"));
        let retired = self.call("POST", &retire, &json!({})).json();
        assert_eq!(retired["state"], json!("gone"));
        let import = self.call("POST", "/signing-keys/import", &json!({"pem": "none"}));
        problem(&import, 400, Some("pem"));
        let keys = self.get("/signing-keys");
        assert_eq!(keys["items"].as_array().unwrap().len(), 2);
    }

    /// The last check, since it deletes the client and the resource server.
    fn clients_and_resource_servers_are_deleted(&self) {
        let server = "/resource-servers?identifier=https://api.example/";
        problem(&self.call("DELETE", server, &Value::Null), 409, None);
        self.delete(&self.path);
        self.delete(server);
        let caller = self.world.client_with(&["--introspect"]);
        assert!(!self.node.active(&caller, &self.client.api_key));
    }
}

fn text(object: &Value, member: &str) -> String {
    match object[member].as_str() {
        Some(text) => text.to_owned(),
        None => panic!("no {member} in {object}"),
    }
}

/// Lists of clients, three at a time.
fn lists_are_paginated(_: &World, node: &Node, token: &str) {
    for number in 0..7 {
        call(
            node,
            token,
            "POST",
            "/clients",
            &json!({"name": format!("Client {number}")}),
        );
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = get(node, token, &format!("/clients?limit=3{cursor}"));
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 3);
        seen.extend(
            items
                .iter()
                .map(|item| item["client_id"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["next_cursor"].as_str() else {
            break;
        };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen.len(), 8);
    assert_eq!(
        seen.iter().collect::<std::collections::BTreeSet<_>>().len(),
        8,
        "each once"
    );
}

/// Changes of a client with `If-Match`.
fn entity_tags_are_compared(world: &World, node: &Node, token: &str) {
    let client = world.client("read");
    let path = format!("/api/v1/clients/{}", client.id);
    let bearer = format!("Bearer {token}");
    let etag = node
        .get_with(&path, &[("authorization", &bearer)])
        .header("etag")
        .unwrap()
        .to_owned();
    let change = |etag: &str, name: &str| {
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
            ("if-match", etag),
        ];
        node.send(
            "PATCH",
            &path,
            &headers,
            json!({"name": name}).to_string().as_bytes(),
        )
    };
    let first = change(&etag, "First");
    assert_eq!(first.status, 200);
    assert_ne!(first.header("etag"), Some(etag.as_str()));
    problem(&change(&etag, "Second"), 412, None);
    assert_eq!(change(first.header("etag").unwrap(), "Third").status, 200);
    let last = change("*", "Fourth");
    assert_eq!(last.status, 200);
    // RFC 9110 section 13.1.1: any of several entity tags may match, and a weak one never does.
    let mut current = last.header("etag").unwrap().to_owned();
    for (number, written) in ["\"zzz\", TAG", "TAG,\"zzz\"", "\"zzz\" ,, W/\"zzz\",\tTAG "]
        .into_iter()
        .enumerate()
    {
        let changed = change(&written.replace("TAG", &current), &format!("List {number}"));
        assert_eq!(changed.status, 200, "{written}: {}", changed.body);
        current = changed.header("etag").unwrap().to_owned();
    }
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("if-match", "\"zzz\""),
        ("if-match", current.as_str()),
    ];
    let lines = node.send("PATCH", &path, &headers, br#"{"name": "Lines"}"#);
    assert_eq!(
        lines.status, 200,
        "several lines are one list: {}",
        lines.body
    );
    let current = lines.header("etag").unwrap().to_owned();
    for refused in [
        &format!("W/{current}"),
        "\"zzz\", \"yyy\"",
        "",
        ",",
        current.trim_matches('"'),
        "\"*\"",
    ] {
        problem(&change(refused, "Never"), 412, None);
    }
}

/// Creations with `Idempotency-Key`.
fn creations_are_idempotent(world: &World, node: &Node, token: &str) {
    let bearer = format!("Bearer {token}");
    let client = world.client("read");
    let once = |key: &str, name: &str| {
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
            ("idempotency-key", key),
        ];
        node.send(
            "POST",
            "/api/v1/clients",
            &headers,
            json!({"name": name}).to_string().as_bytes(),
        )
    };
    let first = once("a", "Once");
    assert_eq!(first.status, 201);
    let again = once("a", "Once");
    assert_eq!(
        (again.status, &again.json()["client_id"]),
        (200, &first.json()["client_id"])
    );
    assert!(
        again.json().get("client_secret").is_none(),
        "its secret is not shown twice"
    );
    problem(&once("a", "Another"), 422, None);
    problem(&once("", "x"), 400, Some("Idempotency-Key"));
    // The same applies to concurrent requests, and if the object created by the first would
    // conflict with the others.
    each_case(
        [
            ("/clients".to_owned(), json!({"name": "Many"}), "clients"),
            ("/accounts".to_owned(), json!({"name": "Many"}), "accounts"),
            (
                "/users".to_owned(),
                json!({"email": "many@one.example", "role": "viewer"}),
                "users",
            ),
            (
                "/resource-servers".to_owned(),
                json!({"identifier": "urn:many", "name": "Many"}),
                "resource_servers",
            ),
            (
                format!("/clients/{}/keys", client.id),
                json!({"name": "Many"}),
                "api_keys",
            ),
            (
                format!("/clients/{}/secrets", client.id),
                json!({}),
                "client_secrets",
            ),
        ],
        |(path, body, table)| {
            let count = || world.count(&format!("SELECT count(*) FROM {table}"));
            let before = count();
            let path = format!("/api/v1{path}");
            let headers = [
                ("authorization", bearer.as_str()),
                ("content-type", "application/json"),
                ("idempotency-key", table),
            ];
            let statuses: Vec<u16> = std::thread::scope(|scope| {
                let send = || {
                    node.send("POST", &path, &headers, body.to_string().as_bytes())
                        .status
                };
                let all: Vec<_> = (0..8).map(|_| scope.spawn(send)).collect();
                all.into_iter().map(|one| one.join().unwrap()).collect()
            });
            assert_eq!(
                statuses.iter().filter(|status| **status == 201).count(),
                1,
                "{path}: {statuses:?}"
            );
            assert!(
                statuses.iter().all(|status| matches!(status, 200 | 201)),
                "{path}: {statuses:?}"
            );
            assert_eq!(count() - before, 1, "{path}");
        },
    );
}

on_both! {
    fn the_api_can_do_what_the_command_line_can(world: World) {
        let api = Api::new(&world);
        each_check(&api, &[
            Api::accounts_are_changed,
            Api::clients_are_changed,
            Api::secrets_are_created_and_rotated,
            Api::keys_are_created_and_rotated,
            Api::tokens_are_listed_inspected_and_revoked,
            Api::users_are_created_changed_and_deleted,
            Api::registration_tokens_are_created_and_deleted,
            Api::signing_keys_are_rotated_and_retired,
            Api::clients_and_resource_servers_are_deleted,
        ]);
    }

    /// No object of another account is visible, not even its existence.
    fn accounts_do_not_see_each_other(world: World) {
        let node = world.start();
        for name in ["One", "Two"] {
            world.cli(&["account", "create", "--name", name]);
        }
        let all = crate::rights::all_rights();
        let one = caller(&world, &node, "One", &all.join(" "));
        let theirs = world.client_with(&["--account", "Two", "--scope", "read"]);
        let two = world.cli(&["account", "list"])[1]["id"].as_str().unwrap().to_owned();
        world.cli(&["user", "create", "--email", "bob@two.example", "--role", "viewer", "--account", "Two"]);
        let path = format!("/clients/{}", theirs.id);
        let nowhere = "/clients/018f0000-0000-7000-8000-000000000000".to_owned();
        let key = theirs.api_key.split('_').nth(1).unwrap();
        each_case([
            ("GET", String::new(), Value::Null),
            ("PATCH", String::new(), json!({"name": "Mine"})),
            ("DELETE", String::new(), Value::Null),
            ("POST", "/revoke-tokens".to_owned(), Value::Null),
            ("GET", "/secrets".to_owned(), Value::Null),
            ("POST", "/secrets".to_owned(), json!({})),
            ("POST", "/secrets/rotate".to_owned(), json!({})),
            ("GET", "/keys".to_owned(), Value::Null),
            ("POST", "/keys".to_owned(), json!({"name": "x"})),
            ("PATCH", format!("/keys/{key}"), json!({"name": "x"})),
            ("DELETE", format!("/keys/{key}"), Value::Null),
            ("POST", format!("/keys/{key}/rotate"), json!({})),
        ], |(method, suffix, body)| {
            let there = call(&node, &one, method, &format!("{path}{suffix}"), &body);
            let not_there = call(&node, &one, method, &format!("{nowhere}{suffix}"), &body);
            problem(&there, 404, None);
            let same = |reply: &Reply| reply.json()["detail"].as_str().unwrap().replace(&theirs.id, "ID").replace("018f0000-0000-7000-8000-000000000000", "ID");
            assert_eq!(same(&there), same(&not_there), "{method} {suffix}");
        });
        for path in [format!("/clients?account={two}"), format!("/tokens?client={}", theirs.id), format!("/audit?account={two}")] {
            problem(&call(&node, &one, "GET", &path, &Value::Null), 404, None);
        }
        each_case([
            ("DELETE", "/users/bob@two.example".to_owned(), Value::Null),
            ("PATCH", "/users/bob@two.example".to_owned(), json!({"role": "administrator"})),
            ("PUT", "/users/bob@two.example/password".to_owned(), json!({"password": "correct horse battery"})),
            ("POST", "/users/bob@two.example/invitation".to_owned(), Value::Null),
            ("DELETE", "/users/bob@two.example/second-factor".to_owned(), Value::Null),
            ("PATCH", format!("/accounts/{two}"), json!({"requires_second_factor": true})),
        ], |(method, path, body)| {
            problem(&call(&node, &one, method, &path, &body), 404, None);
        });
        // An account's administrators decide whether the account requires two-step verification.
        let own = call(&node, &one, "PATCH", "/accounts/One", &json!({"requires_second_factor": true}));
        assert_eq!((own.status, &own.json()["name"]), (200, &json!("One")));
        problem(&call(&node, &one, "POST", "/clients", &json!({"name": "x", "account": "Two"})), 404, None);
        for path in ["/accounts", "/clients", "/users", "/audit", "/registration-tokens"] {
            assert!(!get(&node, &one, path).to_string().contains(&two), "{path}");
        }
        // Operations beyond an account require an operator, whatever the scope says.
        each_case([
            ("POST", "/accounts", json!({"name": "x"})),
            ("POST", "/resource-servers", json!({"identifier": "urn:x", "name": "x"})),
            ("GET", "/signing-keys", Value::Null),
            ("POST", "/signing-keys/rotate", Value::Null),
        ], |(method, path, body)| {
            problem(&call(&node, &one, method, path, &body), 403, None);
        });
        problem(&call(&node, &one, "POST", "/users", &json!({"email": "x@y.example", "role": "operator"})), 403, Some("role"));
        // A caller cannot grant a right that it does not have.
        problem(&call(&node, &one, "POST", "/clients", &json!({"name": "x", "scope": "keyward:operator"})), 400, Some("scope"));
        problem(&call(&node, &one, "POST", "/registration-tokens", &json!({"scope": "keyward:operator"})), 400, Some("scope"));
        assert_eq!(call(&node, &one, "POST", "/clients", &json!({"name": "x", "scope": "keyward:clients:read", "resources": [node.management()]})).status, 201);
        assert!(node.token_reply(&theirs, &[]).status == 200, "the other account's object is unchanged");
    }

    /// A caller that can create credentials for a client, or change it, could act as that client.
    /// So callers with fewer rights than the client are refused.
    fn nobody_gains_rights_by_a_stronger_client(world: World) {
        let api = world.resource("urn:api");
        world.resource("urn:other");
        let node = world.start();
        world.cli(&["account", "create", "--name", "One"]);
        let strong = world.manager(&node, &["--account", "One"], "keyward:operator keyward:clients:read keyward:clients:write keyward:keys:read keyward:keys:write keyward:tokens:revoke");
        world.client_with(&["--account", "One", "--scope", "read", "--resource", "urn:api"]);
        let limited = world.manager(&node, &["--account", "One"], "keyward:clients:read keyward:clients:write keyward:keys:read keyward:keys:write keyward:tokens:read keyward:tokens:revoke keyward:registration:write");
        let weak = node.token(&limited);
        let path = format!("/clients/{}", strong.id);
        let key = strong.api_key.split('_').nth(1).unwrap();
        let pair = crate::support::jwt::Pair::new("ES256");
        each_case([
            ("POST", "/secrets".to_owned(), json!({})),
            ("POST", "/secrets/rotate".to_owned(), json!({})),
            ("POST", "/keys".to_owned(), json!({"name": "Mine"})),
            ("POST", format!("/keys/{key}/rotate"), json!({})),
            ("DELETE", format!("/keys/{key}"), Value::Null),
            ("PATCH", String::new(), json!({"auth_method": "private_key_jwt", "jwks": {"keys": [pair.public_jwk("k")]}})),
            ("PATCH", String::new(), json!({"enabled": false, "name": "Mine"})),
            ("DELETE", String::new(), Value::Null),
        ], |(method, suffix, body)| {
            problem(&call(&node, &weak, method, &format!("{path}{suffix}"), &body), 403, None);
        });
        // A token with a reduced scope has only the rights in that scope, even if its client has
        // more.
        let narrowed = node.token_reply(&strong, &[("scope", "keyward:keys:write")]).json()["access_token"].as_str().unwrap().to_owned();
        problem(&call(&node, &narrowed, "POST", &format!("{path}/secrets"), &json!({})), 403, None);

        // An account can grant only what an operator granted to it.
        each_case([
            (json!({"name": "a", "scope": "read", "resources": ["urn:api"]}), 201, None),
            (json!({"name": "b", "scope": "admin"}), 400, Some("scope")),
            (json!({"name": "c", "resources": ["urn:other"]}), 400, Some("resources")),
            (json!({"name": "d", "introspect": true}), 403, Some("introspect")),
        ], |(body, status, field)| {
            let reply = call(&node, &weak, "POST", "/clients", &body);
            assert_eq!(reply.status, status, "{body}: {}", reply.body);
            if status != 201 {
                problem(&reply, status, field);
            }
        });
        let own = format!("/clients/{}", limited.id);
        problem(&call(&node, &weak, "PATCH", &own, &json!({"resources": ["urn:other"]})), 400, Some("resources"));
        problem(&call(&node, &weak, "PATCH", &own, &json!({"introspect": true})), 403, Some("introspect"));
        problem(&call(&node, &weak, "POST", "/registration-tokens", &json!({"scope": "admin"})), 400, Some("scope"));
        // The introspection clients of resource servers belong to no partner's account.
        problem(&call(&node, &weak, "POST", &format!("/clients/{}/secrets", api.id), &json!({})), 404, None);

        // Rights that a client loses are lost by its existing tokens as well.
        let token = node.token(&strong);
        assert_eq!(call(&node, &token, "GET", "/clients", &Value::Null).status, 200);
        world.cli(&["client", "update", &strong.id, "--scope", "keyward:keys:read"]);
        crate::support::within(std::time::Duration::from_secs(1), "the end of its rights", || {
            (call(&node, &token, "PATCH", &own, &json!({"name": "x"})).status == 403).then_some(())
        });

        // A token of another account cannot be inspected, even by a caller that knows its `jti`.
        let theirs = world.client_with(&["--account", "Resource servers", "--scope", "x"]);
        let foreign = node.token(&theirs);
        let jti = crate::support::jwt::claims(&foreign)["jti"].as_str().unwrap().to_owned();
        for shown in [foreign.as_str(), &jti, "018f0000-0000-7000-8000-000000000000"] {
            let inspected = call(&node, &weak, "POST", "/tokens/inspect", &json!({"token": shown})).json();
            let reason = "there is no record of a token with this jti";
            assert_eq!(inspected, json!({"active": false, "reason": reason, "reason_code": "token_without_record"}));
            let revoked = call(&node, &weak, "POST", "/tokens/revoke", &json!({"token": shown}));
            assert_eq!(revoked.json()["detail"], "Nothing to revoke: there is no record of a token with this jti");
        }

        // The same rotation twice, and a NUL character in a name.
        let keys = format!("{own}/keys/{}/rotate", limited.api_key.split('_').nth(1).unwrap());
        assert_eq!(call(&node, &weak, "POST", &keys, &json!({"grace": 60})).status, 201);
        problem(&call(&node, &weak, "POST", &keys, &json!({"grace": 60})), 409, None);
        let all = operator(&world, &node);
        problem(&call(&node, &all, "DELETE", "/users/%00", &Value::Null), 404, None);
        for list in ["clients", "audit"] {
            for nobody in ["%00", "nobody"] {
                problem(&call(&node, &all, "GET", &format!("/{list}?account={nobody}"), &Value::Null), 404, None);
            }
        }
        let by = |account: &str| call(&node, &all, "GET", &format!("/audit?account={account}"), &Value::Null).json()["items"].clone();
        let account = call(&node, &all, "GET", "/accounts", &Value::Null).json()["items"][0].clone();
        assert_eq!(by(account["name"].as_str().unwrap()), by(account["id"].as_str().unwrap()));
        assert!(by(account["id"].as_str().unwrap()).as_array().is_some_and(|entries| !entries.is_empty()));
        problem(&call(&node, &all, "POST", "/clients", &json!({"name": "x", "account": "\u{0}"})), 404, None);
        assert!(world.try_start(&["--registration-scope", "keyward:operator"]).is_err());
    }

    fn each_operation_requires_its_right(world: World) {
        world.resource("urn:api");
        let node = world.start();
        world.cli(&["account", "create", "--name", "One"]);
        let reader = caller(&world, &node, "One", "keyward:clients:read");
        assert_eq!(call(&node, &reader, "GET", "/clients", &Value::Null).status, 200);
        let refused = call(&node, &reader, "POST", "/clients", &json!({"name": "x"}));
        problem(&refused, 403, None);
        assert!(refused.header("www-authenticate").unwrap().contains(r#"error="insufficient_scope", scope="keyward:clients:write""#));
        for path in ["/users", "/audit", "/signing-keys", "/registration-tokens", "/tokens?client=x"] {
            problem(&call(&node, &reader, "GET", path, &Value::Null), 403, None);
        }
        let elsewhere = world.client_with(&["--scope", "clients:read", "--resource", "urn:api"]);
        let wrong = node.token(&elsewhere);
        problem(&call(&node, &wrong, "GET", "/clients", &Value::Null), 401, None);
        problem(&call(&node, &elsewhere.api_key, "GET", "/clients", &Value::Null), 401, None);
        problem(&node.json("GET", "/api/v1/clients", None, &Value::Null), 401, None);
        let own = world.manager(&node, &[], "keyward:clients:read");
        let token = node.token(&own);
        node.revoke(&own, &token);
        problem(&call(&node, &token, "GET", "/clients", &Value::Null), 401, None);
    }

    fn lists_have_pages_and_changes_have_etags_and_idempotency_keys(world: World) {
        let node = world.start();
        let token = operator(&world, &node);
        let checks: [fn(&World, &Node, &str); 3] = [lists_are_paginated, entity_tags_are_compared, creations_are_idempotent];
        each_case(checks, |check| check(&world, &node, &token));
    }

    fn the_audit_records_who_did_what(world: World) {
        let node = world.start();
        let token = operator(&world, &node);
        let reply = call(&node, &token, "POST", "/clients", &json!({"name": "Watched", "account": "Operators"}));
        let id = reply.json()["client_id"].as_str().unwrap().to_owned();
        call(&node, &token, "DELETE", &format!("/clients/{id}"), &Value::Null);
        let entries = get(&node, &token, &format!("/audit?target={id}"));
        let actions: Vec<&str> = entries["items"].as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
        assert_eq!(actions, ["client.delete", "client.create"], "the newest first");
        let made = &entries["items"][1];
        assert_eq!((made["request_id"].as_str(), made["address"].as_str()), (reply.header("x-request-id"), Some("127.0.0.1")));
        assert!(made["actor"].as_str().unwrap().starts_with("client "));

        // The owner of a client can find its refused request quickly.
        let client = world.client_with(&["--account", "Operators"]);
        let wrong = Client { secret: client.secret.replace("kws_", "kws_0"), ..client.clone() };
        let refused = node.token_reply(&wrong, &[]);
        let found = eventually("the failure in the audit", || {
            let entries = get(&node, &token, &format!("/audit?action=authentication.failure&target={}", client.id));
            entries["items"].as_array().unwrap().first().cloned()
        });
        assert_eq!(found["request_id"].as_str(), refused.header("x-request-id"));
        assert!(found["reason"].as_str().unwrap().contains("not a client secret"), "{found}");
        assert!(get(&node, &token, "/audit?actor=command%20line")["items"].as_array().unwrap().len() >= 2);
    }
}

#[test]
fn wrong_bodies_are_refused() {
    let world = World::sqlite();
    let node = world.start();
    let token = operator(&world, &node);
    let client = world.client("read");
    let keys = format!("/clients/{}/keys", client.id);
    let rotate = format!("/clients/{}/secrets/rotate", client.id);
    let deep = format!("{}{}", "[".repeat(2000), "]".repeat(2000));
    let before =
        world.count("SELECT count(*) FROM clients") + world.count("SELECT count(*) FROM api_keys");
    each_case(
        [
            ("/clients", r#"{"name":""}"#, 400, Some("name")),
            ("/clients", r#"{}"#, 400, Some("name")),
            ("/clients", r#"{"name":5}"#, 400, Some("name")),
            (
                "/clients",
                r#"{"name":"x","nonsense":1}"#,
                400,
                Some("nonsense"),
            ),
            (
                "/clients",
                r#"{"name":"x","scope":"\""}"#,
                400,
                Some("scope"),
            ),
            (
                "/clients",
                r#"{"name":"x","resources":["urn:none"]}"#,
                400,
                Some("resources"),
            ),
            (
                "/clients",
                r#"{"name":"x","resources":["\u0000"]}"#,
                400,
                Some("resources"),
            ),
            (
                "/clients",
                r#"{"name":"x","auth_method":"none"}"#,
                400,
                Some("auth_method"),
            ),
            (
                "/clients",
                r#"{"name":"x","auth_method":"private_key_jwt"}"#,
                400,
                Some("jwks"),
            ),
            (
                "/clients",
                r#"{"name":"x","jwks":{"keys":[]}}"#,
                400,
                Some("jwks"),
            ),
            ("/clients", r#"{"name":"a\u200bb"}"#, 400, Some("name")),
            ("/clients", r#"{"name":"a\u0000b"}"#, 400, Some("name")),
            ("/clients", r#"["In order"]"#, 400, None),
            ("/clients", r#""x""#, 400, None),
            ("/clients", r#"{"name":"x"} x"#, 400, None),
            ("/clients", deep.as_str(), 400, None),
            (keys.as_str(), r#"{"name":"Default"}"#, 409, Some("name")),
            (
                keys.as_str(),
                r#"{"name":"x","scope":"write"}"#,
                400,
                Some("scope"),
            ),
            (
                keys.as_str(),
                r#"{"name":"x","allowed_ips":["10.0.0.0/99"]}"#,
                400,
                Some("allowed_ips"),
            ),
            (
                keys.as_str(),
                r#"{"name":"x","expires_in":0}"#,
                400,
                Some("expires_at"),
            ),
            (
                keys.as_str(),
                r#"{"name":"x","expires_in":-1}"#,
                400,
                Some("expires_in"),
            ),
            (rotate.as_str(), r#"{"grace":"soon"}"#, 400, Some("grace")),
            (rotate.as_str(), r#"{"grace":-1}"#, 400, Some("grace")),
            (rotate.as_str(), r#"{"grace":"101y"}"#, 400, Some("grace")),
            (
                "/users",
                r#"{"email":"nobody","role":"viewer"}"#,
                400,
                Some("email"),
            ),
            (
                "/users",
                r#"{"email":"a@b.example","role":"king"}"#,
                400,
                Some("role"),
            ),
            (
                "/resource-servers",
                r#"{"identifier":"api","name":"x"}"#,
                400,
                Some("identifier"),
            ),
        ],
        |(path, body, status, field)| {
            let bearer = format!("Bearer {token}");
            let headers = [
                ("authorization", bearer.as_str()),
                ("content-type", "application/json"),
            ];
            let reply = node.post(&format!("/api/v1{path}"), &headers, body.as_bytes());
            assert_eq!(reply.status, status, "{body}: {}", reply.body);
            problem(&reply, status, field);
        },
    );
    each_case(
        [
            ("/clients?limit=0", "limit"),
            ("/clients?limit=x", "limit"),
            ("/clients?limit=1&limit=2", "limit"),
            ("/accounts?cursor=x", "cursor"),
            ("/clients?nonsense=1", "nonsense"),
        ],
        |(path, field)| {
            problem(
                &call(&node, &token, "GET", path, &Value::Null),
                400,
                Some(field),
            );
        },
    );
    assert_eq!(
        world.count("SELECT count(*) FROM clients") + world.count("SELECT count(*) FROM api_keys"),
        before,
        "a refused request changes nothing"
    );
}

#[test]
fn the_openapi_document_is_complete_and_its_page_loads_nothing_from_other_hosts() {
    let world = World::sqlite();
    let node = world.start();
    let document = node.get("/openapi.json").json();
    assert_eq!(document["openapi"], json!("3.1.0"));
    let (mut operations, mut ids) = (0, std::collections::BTreeSet::new());
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            operations += 1;
            assert!(
                ids.insert(operation["operationId"].to_string()),
                "{operation}"
            );
            // Each described operation exists: the answer is not a 404 for the path, nor a 405.
            let concrete = path
                .replace("{client_id}", "x")
                .replace("{id}", "x")
                .replace("{kid}", "x");
            let reply = node.send(&method.to_uppercase(), &concrete, &[], b"");
            assert_ne!(reply.status, 405, "{method} {path}");
            assert!(
                operation["responses"]
                    .get(reply.status.to_string())
                    .is_some(),
                "{method} {path} answers {} undescribed",
                reply.status
            );
        }
    }
    assert!(operations > 40, "{operations}");
    let printed = world.cli(&["openapi"]);
    assert_eq!(printed["paths"], document["paths"]);
    // Every `$ref` resolves.
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1) {
        let pointer = reference.split('"').next().unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer}");
    }
    each_case(
        [
            ("/docs", "text/html"),
            ("/docs/docs.js", "text/javascript"),
            ("/docs/docs.css", "text/css"),
        ],
        |(path, kind)| {
            let reply = node.get(path);
            assert!(
                reply.status == 200 && reply.header("content-type").unwrap().starts_with(kind),
                "{path}"
            );
            assert!(
                !reply.body.contains("http://")
                    && !reply.body.contains("https://")
                    && !reply.body.contains("src=\"//"),
                "{path}"
            );
        },
    );
    assert!(
        node.get("/docs")
            .header("content-security-policy")
            .unwrap()
            .starts_with("default-src 'none'")
    );
}
