//! Dynamic registration and its management (RFC 7591, RFC 7592).

use serde_json::{Value, json};

use crate::support::{Client, Node, Reply, World, each_case, eventually, jwt};

fn initial(world: &World, flags: &[&str]) -> String {
    world.cli(&[&["registration-token", "create"], flags].concat())["token"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn client(reply: &Reply) -> Client {
    let document = reply.json();
    let text = |name: &str| document[name].as_str().unwrap_or_default().to_owned();
    Client {
        id: text("client_id"),
        secret: text("client_secret"),
        api_key: String::new(),
    }
}

fn path(reply: &Reply, node: &Node) -> String {
    reply.json()["registration_client_uri"]
        .as_str()
        .unwrap()
        .strip_prefix(&node.base)
        .unwrap()
        .to_owned()
}

on_both! {
    fn initial_access_tokens_expire(world: World) {
        let brief = initial(&world, &["--expires-in", "1s"]);
        let ended = initial(&world, &[]);
        let listed = world.cli(&["registration-token", "list"]);
        assert!(!listed.to_string().contains("kwi_"));
        let id = listed[1]["id"].as_str().unwrap();
        let node = world.start();
        assert_eq!(node.json("POST", "/oauth/register", Some(&ended), &json!({})).status, 201);
        world.cli(&["registration-token", "delete", id]);
        node.json("POST", "/oauth/register", Some(&ended), &json!({})).refused(401, "invalid_token");
        eventually("its end", || (node.json("POST", "/oauth/register", Some(&brief), &json!({})).status == 401).then_some(()));
        assert!(world.refused(&["registration-token", "delete", id]).contains("no registration token"));
    }
}

on_both_and_serializable! {
    fn a_client_registers_changes_and_deletes_itself(world: World) {
        let api = world.resource("urn:api");
        let token = initial(&world, &["--scope", "read write", "--resource", "urn:api", "--uses", "1"]);
        let node = world.start();
        let body = json!({
            "client_name": "Machine \u{2603}", "scope": "read", "contacts": ["ops@partner.example"], "software_id": "x",
            "client_name#fr": "ignored", "anything": {"else": [1, 2]},
        });
        let made = node.json("POST", "/oauth/register", Some(&token), &body);
        assert_eq!(made.status, 201, "{}", made.body);
        assert_eq!(made.header("cache-control"), Some("no-store"));
        let document = made.json();
        each_case([
            ("client_name", json!("Machine \u{2603}")), ("scope", json!("read")), ("resources", json!(["urn:api"])),
            ("grant_types", json!(["client_credentials"])), ("response_types", json!([])), ("client_secret_expires_at", json!(0)),
            ("token_endpoint_auth_method", json!("client_secret_basic")), ("contacts", json!(["ops@partner.example"])),
            ("software_id", json!("x")), ("client_name#fr", Value::Null),
        ], |(member, value)| {
            assert_eq!(document[member], value, "{member}");
        });
        assert!((document["client_id_issued_at"].as_i64().unwrap() - jwt::now()).abs() < 5);
        let own = document["registration_access_token"].as_str().unwrap().to_owned();
        assert!(own.starts_with("kwr_") && token.starts_with("kwi_") && client(&made).secret.starts_with("kws_"));
        let registered = client(&made);
        let access = node.token(&registered);
        assert!(node.active(&api, &access));
        node.json("POST", "/oauth/register", Some(&token), &body).refused(401, "invalid_token");

        let uri = path(&made, &node);
        let read = node.json("GET", &uri, Some(&own), &Value::Null);
        assert_eq!((read.status, read.json()["client_name"].clone()), (200, json!("Machine \u{2603}")));
        assert_eq!(read.json()["registration_access_token"], json!(own));
        assert!(read.json().get("client_secret").is_none(), "shown once");

        let update = json!({"client_id": registered.id, "client_name": "Renamed", "scope": "write read", "client_secret": registered.secret});
        let updated = node.json("PUT", &uri, Some(&own), &update);
        assert_eq!(updated.status, 200, "{}", updated.body);
        assert_eq!((&updated.json()["client_name"], &updated.json()["scope"]), (&json!("Renamed"), &json!("read write")));
        assert!(updated.json().get("contacts").is_none(), "an update replaces");
        assert_eq!(node.token_reply(&registered, &[]).json()["scope"], "read write");

        // Changes to `private_key_jwt` and back: the old secret is deleted, and a new one is
        // created.
        let pair = jwt::Pair::new("ES256");
        let keyed = json!({"client_id": registered.id, "token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [pair.public_jwk("k")]}});
        let reply = node.json("PUT", &uri, Some(&own), &keyed);
        assert_eq!(reply.status, 200, "{}", reply.body);
        node.token_reply(&registered, &[]).refused(401, "invalid_client");
        let back = node.json("PUT", &uri, Some(&own), &json!({"client_id": registered.id}));
        let registered = client(&back);
        node.token(&registered);

        for (what, wrong) in [("none", None), ("another kind", Some(token.as_str())), ("mistyped", Some("kwr_x"))] {
            node.json("GET", &uri, wrong, &Value::Null).refused(401, "invalid_token");
            let challenge = node.json("DELETE", &uri, wrong, &Value::Null).header("www-authenticate").unwrap().to_owned();
            assert!(challenge.starts_with("Bearer "), "{what}: {challenge}");
        }
        let other = initial(&world, &[]);
        let other = node.json("POST", "/oauth/register", Some(&other), &json!({}));
        let others = other.json()["registration_access_token"].as_str().unwrap().to_owned();
        node.json("DELETE", &uri, Some(&others), &Value::Null).refused(401, "invalid_token");
        node.json("GET", "/oauth/register/nobody", Some(&others), &Value::Null).refused(401, "invalid_token");

        let deleted = node.json("DELETE", &uri, Some(&own), &Value::Null);
        assert_eq!((deleted.status, deleted.body.as_str()), (204, ""));
        node.token_reply(&registered, &[]).refused(401, "invalid_client");
        assert!(!node.active(&api, &access));
        node.json("GET", &uri, Some(&own), &Value::Null).refused(401, "invalid_token");
        node.json("DELETE", &uri, Some(&own), &Value::Null).refused(401, "invalid_token");
    }

    fn concurrent_uses_of_an_initial_access_token_are_counted(world: World) {
        let token = initial(&world, &["--uses", "3"]);
        let node = world.start();
        let made: usize = std::thread::scope(|scope| {
            let one = || usize::from(node.json("POST", "/oauth/register", Some(&token), &json!({})).status == 201);
            let all: Vec<_> = (0..10).map(|_| scope.spawn(one)).collect();
            all.into_iter().map(|one| one.join().unwrap()).sum()
        });
        assert_eq!(made, 3);
        assert_eq!(world.count("SELECT count(*) FROM clients"), 3);
        assert_eq!(world.cli(&["registration-token", "list"])[0]["uses_left"], json!(0));
    }
}

#[test]
fn wrong_metadata_is_refused() {
    let world = World::sqlite();
    world.resource("urn:api");
    world.resource("urn:other");
    let token = initial(&world, &["--scope", "read", "--resource", "urn:api"]);
    let node = world.start();
    let public = jwt::Pair::new("ES256").public_jwk("k");
    let mut private = public.clone();
    private["d"] = json!("secret");
    let cases = [
        (json!({"scope": "read admin"}), "invalid_client_metadata"),
        (json!({"scope": "\""}), "invalid_client_metadata"),
        (json!({"scope": 7}), "invalid_client_metadata"),
        (
            json!({"resources": ["urn:other"]}),
            "invalid_client_metadata",
        ),
        (json!({"resources": "urn:api"}), "invalid_client_metadata"),
        (
            json!({"token_endpoint_auth_method": "none"}),
            "invalid_client_metadata",
        ),
        (
            json!({"token_endpoint_auth_method": "client_secret_jwt"}),
            "invalid_client_metadata",
        ),
        (
            json!({"grant_types": ["password"]}),
            "invalid_client_metadata",
        ),
        (
            json!({"grant_types": "client_credentials"}),
            "invalid_client_metadata",
        ),
        (json!({"client_name": ""}), "invalid_client_metadata"),
        (
            json!({"client_name": "x".repeat(101)}),
            "invalid_client_metadata",
        ),
        (json!({"client_name": "a\u{0}b"}), "invalid_client_metadata"),
        (json!({"client_name": 5}), "invalid_client_metadata"),
        (
            json!({"client_uri": "javascript:alert(1)"}),
            "invalid_client_metadata",
        ),
        (
            json!({"contacts": ["x".repeat(300)]}),
            "invalid_client_metadata",
        ),
        (
            json!({"token_endpoint_auth_method": "private_key_jwt"}),
            "invalid_client_metadata",
        ),
        (
            json!({"jwks": {"keys": [public]}, "jwks_uri": "https://a.example/"}),
            "invalid_client_metadata",
        ),
        (
            json!({"jwks": {"keys": [private]}}),
            "invalid_client_metadata",
        ),
        (json!({"jwks": {"keys": []}}), "invalid_client_metadata"),
        (
            json!({"jwks": {"keys": [{"kty": "oct", "k": "AAAA"}]}}),
            "invalid_client_metadata",
        ),
        (
            json!({"jwks": {"keys": [public, {"kty": "oct", "k": "AAAA"}]}}),
            "invalid_client_metadata",
        ),
        (
            json!({"jwks": {"keys": [{"kty": "RSA", "x5c": ["MIIB"]}]}}),
            "invalid_client_metadata",
        ),
        (
            json!({"jwks": {"keys": vec![public.clone(); 21]}}),
            "invalid_client_metadata",
        ),
        (json!({"jwks": {"keys": ["x"]}}), "invalid_client_metadata"),
        (
            json!({"jwks": {"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}]}}),
            "invalid_client_metadata",
        ),
        (
            json!({"jwks": {"keys": [{"kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ"}]}}),
            "invalid_client_metadata",
        ),
        (
            json!({"jwks": {"keys": [{"kty": "EC", "crv": "P-384", "x": "AQ", "y": "AQ"}]}}),
            "invalid_client_metadata",
        ),
        (
            json!({"jwks": {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "AQ"}]}}),
            "invalid_client_metadata",
        ),
        (
            json!({"jwks_uri": "https://user:secret@partner.example/keys"}),
            "invalid_client_metadata",
        ),
        (json!({"jwks": "x"}), "invalid_client_metadata"),
        (json!({"redirect_uris": ["no uri"]}), "invalid_redirect_uri"),
        (
            json!({"redirect_uris": ["https://a.example/#x"]}),
            "invalid_redirect_uri",
        ),
        (
            json!({"redirect_uris": "https://a.example/"}),
            "invalid_redirect_uri",
        ),
        (json!([1]), "invalid_client_metadata"),
        (json!(["In order"]), "invalid_client_metadata"),
        (json!("x"), "invalid_client_metadata"),
        (json!(null), "invalid_client_metadata"),
    ];
    let before = world.count("SELECT count(*) FROM clients");
    each_case(&cases, |(body, error)| {
        let reply = node.json("POST", "/oauth/register", Some(&token), body);
        assert_eq!(
            (reply.status, reply.json()["error"].as_str()),
            (400, Some(*error)),
            "{body}: {}",
            reply.body
        );
    });
    let deep = format!("{}1{}", "[".repeat(20_000), "]".repeat(20_000));
    let bearer = format!("Bearer {token}");
    each_case(
        [
            ("broken", "{", 400),
            ("deep", deep.as_str(), 400),
            ("huge", &" ".repeat(70_000), 413),
            ("no UTF-8", "\u{1}", 400),
        ],
        |(what, body, status)| {
            let headers = [
                ("authorization", bearer.as_str()),
                ("content-type", "application/json"),
            ];
            let reply = node.post("/oauth/register", &headers, body.as_bytes());
            assert_eq!(reply.status, status, "{what}: {}", reply.body);
        },
    );
    for media_type in ["text/plain", "application/x-www-form-urlencoded", ""] {
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", media_type),
        ];
        node.post("/oauth/register", &headers, b"{}")
            .refused(400, "invalid_client_metadata");
    }
    assert_eq!(
        world.count("SELECT count(*) FROM clients"),
        before,
        "a refused request changes nothing"
    );
    for wrong in [None, Some("kwi_x"), Some("x")] {
        node.json("POST", "/oauth/register", wrong, &json!({}))
            .refused(401, "invalid_token");
    }

    let made = node.json("POST", "/oauth/register", Some(&token), &json!({}));
    let own = made.json()["registration_access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let (uri, id) = (path(&made, &node), made.json()["client_id"].clone());
    each_case(
        [
            json!({}),
            json!({"client_id": "another"}),
            json!({"client_id": id, "scope": "read admin"}),
            json!({"client_id": id, "client_secret": "guess"}),
            json!({"client_id": id, "registration_access_token": "another"}),
            json!({"client_id": id, "registration_client_uri": "https://evil.example/"}),
            json!({"client_id": id, "client_id_issued_at": 1}),
            json!({"client_id": id, "client_secret_expires_at": 1}),
        ],
        |body| {
            node.json("PUT", &uri, Some(&own), &body)
                .refused(400, "invalid_client_metadata");
        },
    );
    // Libraries send back all members that they received.
    let mut update = made.json();
    update["client_name"] = json!("Renamed");
    let updated = node.json("PUT", &uri, Some(&own), &update);
    assert_eq!(
        (updated.status, updated.json()["client_name"].as_str()),
        (200, Some("Renamed")),
        "{}",
        updated.body
    );
    update["client_id_issued_at"] = Value::Null;
    assert_eq!(node.json("PUT", &uri, Some(&own), &update).status, 200);
    assert_eq!(
        node.json("POST", &uri, Some(&own), &json!({}))
            .header("allow"),
        Some("GET, HEAD, PUT, DELETE")
    );
}

#[test]
fn registration_can_be_open_or_off() {
    let world = World::sqlite();
    let open = world.start_with(&["--registration", "open", "--registration-scope", "read"]);
    let made = open.json(
        "POST",
        "/oauth/register",
        None,
        &json!({"client_name": "Anybody"}),
    );
    assert_eq!(made.status, 201, "{}", made.body);
    assert_eq!(
        open.token_reply(&client(&made), &[]).json()["scope"],
        "read"
    );
    open.json(
        "POST",
        "/oauth/register",
        None,
        &json!({"scope": "read write"}),
    )
    .refused(400, "invalid_client_metadata");
    assert_eq!(
        open.json("POST", "/oauth/register", None, &json!({}))
            .status,
        201
    );
    assert_eq!(
        world.count("SELECT count(*) FROM accounts"),
        1,
        "all of them in one account"
    );

    let flood = |_| open.json("POST", "/oauth/register", None, &json!({}));
    let refused = (0..25)
        .map(flood)
        .find(|reply| reply.status != 201)
        .unwrap();
    assert_eq!(
        (refused.status, refused.header("retry-after").is_some()),
        (429, true)
    );
    assert!(
        refused.body.contains("Too many registrations"),
        "{}",
        refused.body
    );
    assert!(
        open.get("/metrics")
            .body
            .contains("keyward_rate_limited_total 1")
    );

    let off = world.start_with(&["--registration", "off", "--issuer", &open.base]);
    off.json("POST", "/oauth/register", None, &json!({}))
        .refused(403, "access_denied");
    assert!(
        off.get("/.well-known/oauth-authorization-server")
            .json()
            .get("registration_endpoint")
            .is_none()
    );
}

/// Redirect URIs that browsers, proxies and libraries interpret in different ways, or that lead to
/// another host.
const REFUSED_REDIRECT_URIS: &[&str] = &[
    "javascript:alert(1)",
    "data:text/html,x",
    "file:///etc/passwd",
    "ftp://a.example/",
    "app:/cb",
    "https://*.a.example/cb",
    "https://user:hunter2@a.example/",
    "https://@a.example/",
    "https:cb",
    "https:///a.example/",
    "https://a.example\\@evil.example/cb",
    " https://a.example/",
    "https://a.example/ ",
    "https://a.example/\n",
    "https://a.example/\r\n",
    "ht\ntps://a.example/",
    "https://a.example/\u{0}",
    "https://a.example/../cb",
    "https://a.example/%2e%2e/cb",
    "https://a.example/%0d%0ax",
    "https://a.example/cb#x",
    "https://a.example/cb#",
    "http://a.example/",
    "http://127.0.0.1.example/",
    "https://2130706433/",
    "https://%61.example/",
    "HTTPS://A.example/",
    "cb",
    "",
];

/// The same for web URLs, for the members that hold one.
const REFUSED_PAGES: &[&str] = &[
    "https://a.example/\n",
    " https://a.example/",
    "ht\ntps://a.example/",
    "https:a",
    "https://a.example\\@evil.example/",
    "https://user:hunter2@a.example/",
    "https://*.a.example/",
    "https://a.example/a b",
    "https://a.example/../b",
    "javascript:alert(1)",
    "com.example.app:/x",
    "",
];

#[test]
fn uris_are_validated_in_the_same_way_everywhere() {
    let world = World::sqlite();
    let token = initial(&world, &[]);
    let node = world.start();
    let taken = json!({
        "redirect_uris": [
            "https://a.example/cb", "https://a.example", "https://a.example:8443/cb?tenant=o'clock", "http://127.0.0.1/cb",
            "http://[::1]:49152/", "http://localhost:3000/callback", "com.example.app:/oauth2redirect",
        ],
        "client_uri": "https://a.example", "logo_uri": "https://a.example/logo.svg?v=1", "tos_uri": "http://a.example/tos#top",
        "policy_uri": "https://a.example/policy",
    });
    let made = node.json("POST", "/oauth/register", Some(&token), &taken);
    assert_eq!(made.status, 201, "{}", made.body);
    let own = made.json()["registration_access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let (uri, id) = (path(&made, &node), made.json()["client_id"].clone());
    let kept = || {
        let read = node.json("GET", &uri, Some(&own), &Value::Null).json();
        for (member, value) in taken.as_object().unwrap() {
            assert_eq!(
                read[member], *value,
                "{member} is given back as it was understood"
            );
        }
    };
    kept();

    let mut cases = Vec::new();
    for text in REFUSED_REDIRECT_URIS {
        cases.push((
            json!({"redirect_uris": ["https://a.example/cb", text]}),
            "invalid_redirect_uri",
        ));
    }
    for wrong in [
        json!([7]),
        json!({}),
        json!([["https://a.example/"]]),
        json!(vec!["https://a.example/"; 21]),
    ] {
        cases.push((json!({"redirect_uris": wrong}), "invalid_redirect_uri"));
    }
    for member in [
        "client_uri",
        "logo_uri",
        "tos_uri",
        "policy_uri",
        "jwks_uri",
    ] {
        for text in REFUSED_PAGES {
            cases.push((json!({member: text}), "invalid_client_metadata"));
        }
    }
    for text in [
        "http://a.example/keys",
        "https://a.example/keys#x",
        "https://a.exa\tmple/",
        "https://%61.example/",
        "https://127.1/",
    ] {
        cases.push((json!({"jwks_uri": text}), "invalid_client_metadata"));
    }
    for (mut body, error) in cases {
        let registered = node.json("POST", "/oauth/register", Some(&token), &body);
        body["client_id"] = id.clone();
        let updated = node.json("PUT", &uri, Some(&own), &body);
        for reply in [registered, updated] {
            assert_eq!(
                (reply.status, reply.json()["error"].as_str()),
                (400, Some(error)),
                "{body}: {}",
                reply.body
            );
            reply.refused(400, error);
            assert!(!reply.body.contains("hunter2"), "{}", reply.body);
        }
    }
    kept();
}
