//! The token endpoint (RFC 6749 sections 3.2, 4.4 and 5, RFC 8707, RFC 9068).

use serde_json::json;

use crate::support::{Client, Node, World, each_case, eventually, jwt};

on_both! {
    fn the_audience_is_what_the_resource_parameter_asks_for(world: World) {
        world.resource("https://one.example/");
        world.resource("urn:two");
        let both = world.client_with(&["--scope", "a", "--resource", "https://one.example/", "--resource", "urn:two"]);
        let none = world.client("a");
        let node = world.start();
        let audience = |client, fields: &[(&str, &str)]| {
            let reply = node.token_reply(client, fields);
            assert_eq!(reply.status, 200, "{fields:?}: {}", reply.body);
            jwt::claims(reply.json()["access_token"].as_str().unwrap())["aud"].clone()
        };
        let (one, two) = ("https://one.example/", "urn:two");
        assert_eq!(audience(&both, &[]), json!([one, two]));
        assert_eq!(audience(&both, &[("resource", two)]), json!(two));
        assert_eq!(audience(&both, &[("audience", one)]), json!(one));
        assert_eq!(audience(&both, &[("resource", two), ("resource", one)]), json!([one, two]));
        assert_eq!(audience(&both, &[("resource", two), ("audience", two)]), json!(two));
        assert_eq!(audience(&none, &[]), json!(node.base), "the issuer where the client has none");
        for wrong in ["https://one.example", "https://other.example/", "one", "urn:two#x", "\u{0}", "\"", ""] {
            let reply = node.token_reply(&both, &[("resource", one), ("audience", wrong)]);
            if wrong.is_empty() {
                assert_eq!(reply.status, 200, "an empty value counts as not given");
            } else {
                reply.refused(400, "invalid_target");
            }
        }
        node.token_reply(&none, &[("resource", &node.base)]).refused(400, "invalid_target");
    }

    fn the_scope_is_a_subset_of_the_clients(world: World) {
        let client = world.client("read write admin:all");
        let plain = world.client("");
        let node = world.start();
        each_case([
            ("", "admin:all read write"),
            ("read", "read"),
            ("write read", "read write"),
            ("  write   write ", "write"),
        ], |(asked, granted)| {
            let reply = node.token_reply(&client, &[("scope", asked)]);
            assert_eq!(reply.json()["scope"], granted, "{asked:?}: {}", reply.body);
        });
        for refused in ["delete", "read delete", "Read", "read,write", "\"", "r\\", "lire\u{e9}", "a\u{0}b", "read\u{a0}write"] {
            node.token_reply(&client, &[("scope", refused)]).refused(400, "invalid_scope");
        }
        let reply = node.token_reply(&plain, &[]);
        assert_eq!(reply.status, 200);
        assert!(reply.json().get("scope").is_none(), "RFC 6749 has no way to write an empty scope");
        node.token_reply(&plain, &[("scope", "read")]).refused(400, "invalid_scope");
    }
}

on_both_and_serializable! {
    fn a_token_has_the_form_of_rfc_9068(world: World) {
        let api = world.resource("https://api.example/");
        let client = world.client_with(&["--scope", "write read", "--resource", "https://api.example/"]);
        let node = world.start_with(&["--token-ttl", "120"]);
        let reply = node.token_reply(&client, &[]);
        assert_eq!(reply.status, 200, "{}", reply.body);
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        assert_eq!(reply.header("content-type"), Some("application/json"));
        let answer = reply.json();
        assert_eq!((&answer["token_type"], &answer["expires_in"], &answer["scope"]), (&json!("Bearer"), &json!(120), &json!("read write")));
        assert!(answer.get("refresh_token").is_none());

        let token = answer["access_token"].as_str().unwrap();
        let (header, claims) = (jwt::header(token), jwt::claims(token));
        assert_eq!((&header["typ"], &header["alg"]), (&json!("at+jwt"), &json!("RS256")));
        assert_eq!(node.kids(), [header["kid"].as_str().unwrap()]);
        each_case([
            ("iss", json!(node.base)),
            ("sub", json!(client.id)),
            ("client_id", json!(client.id)),
            ("aud", json!("https://api.example/")),
            ("scope", json!("read write")),
        ], |(claim, value)| {
            assert_eq!(claims[claim], value, "{claim}");
        });
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 120);
        assert!((jwt::now() - claims["iat"].as_i64().unwrap()).abs() <= 2);
        assert!(claims.get("nbf").is_none());
        let jti = uuid::Uuid::parse_str(claims["jti"].as_str().unwrap()).unwrap();
        assert_eq!(jti.get_version_num(), 7);
        assert!(node.active(&api, token));
    }
}

#[test]
fn wrong_requests_are_refused() {
    let world = World::sqlite();
    let api = world.resource("https://api.example/");
    let client = world.client("read");
    let node = world.start();
    let basic = client.basic();
    let form = "application/x-www-form-urlencoded";
    let big_scope = format!(
        "grant_type=client_credentials&scope={}",
        "a".repeat(500_000)
    );
    let many = format!("grant_type=client_credentials{}", "&x=1".repeat(300));
    type Case<'a> = (&'a str, Option<&'a str>, &'a [u8], u16, &'a str);
    let cases: &[Case] = &[
        ("no body", Some(form), b"", 400, "invalid_request"),
        (
            "no grant type",
            Some(form),
            b"scope=read",
            400,
            "invalid_request",
        ),
        (
            "an empty grant type",
            Some(form),
            b"grant_type=&scope=read",
            400,
            "invalid_request",
        ),
        (
            "no content type",
            None,
            b"grant_type=client_credentials",
            400,
            "invalid_request",
        ),
        (
            "JSON",
            Some("application/json"),
            br#"{"grant_type":"client_credentials"}"#,
            400,
            "invalid_request",
        ),
        (
            "multipart",
            Some("multipart/form-data; boundary=x"),
            b"--x--",
            400,
            "invalid_request",
        ),
        (
            "twice the same grant type",
            Some(form),
            b"grant_type=client_credentials&grant_type=client_credentials",
            400,
            "invalid_request",
        ),
        (
            "scope twice",
            Some(form),
            b"grant_type=client_credentials&scope=read&scope=read",
            400,
            "invalid_request",
        ),
        (
            "an unknown one twice",
            Some(form),
            b"grant_type=client_credentials&foo=1&foo=2",
            400,
            "invalid_request",
        ),
        (
            "not UTF-8",
            Some(form),
            b"grant_type=client_credentials&scope=%FF%FE",
            400,
            "invalid_request",
        ),
        (
            "raw bytes",
            Some(form),
            b"grant_type=client_credentials&scope=\xFF",
            400,
            "invalid_request",
        ),
        (
            "an unknown grant",
            Some(form),
            b"grant_type=password&username=a&password=b",
            400,
            "unsupported_grant_type",
        ),
        (
            "a grant with a NUL",
            Some(form),
            b"grant_type=client_credentials%00",
            400,
            "unsupported_grant_type",
        ),
        (
            "half a megabyte of scope",
            Some(form),
            big_scope.as_bytes(),
            413,
            "invalid_request",
        ),
        (
            "hundreds of parameters",
            Some(form),
            many.as_bytes(),
            400,
            "invalid_request",
        ),
    ];
    each_case(cases, |(what, content_type, body, status, error)| {
        let mut headers = vec![("authorization", basic.as_str())];
        headers.extend(content_type.map(|value| ("content-type", value)));
        let reply = node.post("/oauth/token", &headers, body);
        assert_eq!(
            (reply.status, reply.json()["error"].as_str()),
            (*status, Some(*error)),
            "{what}: {}",
            reply.body
        );
        reply.refused(*status, error);
    });
    // Parameters in the query are ignored.
    node.form(
        "/oauth/token?grant_type=client_credentials",
        Some(&basic),
        &[],
    )
    .refused(400, "invalid_request");
    // The introspection client of a resource server gets no tokens.
    node.token_reply(&api, &[])
        .refused(400, "unauthorized_client");
    each_case(
        ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"],
        |method| {
            let reply = node.send(method, "/oauth/token", &[], b"");
            assert_eq!(
                (reply.status, reply.header("allow")),
                (405, Some("POST")),
                "{method}"
            );
        },
    );
    // The media type is compared without case and parameters.
    let headers = [
        ("authorization", basic.as_str()),
        (
            "content-type",
            "Application/X-WWW-Form-Urlencoded; charset=UTF-8",
        ),
    ];
    let reply = node.post("/oauth/token", &headers, b"grant_type=client_credentials");
    assert_eq!(reply.status, 200, "{}", reply.body);
}

#[test]
fn token_records_follow_the_setting() {
    for (records, rows) in [("on", 5usize), ("off", 0)] {
        let world = World::sqlite();
        let api = world.resource("https://api.example/");
        let client = world.client_with(&["--scope", "read", "--resource", "https://api.example/"]);
        let node = world.start_with(&["--token-records", records]);
        let tokens: Vec<String> = (0..5).map(|_| node.token(&client)).collect();
        assert_eq!(
            usize::try_from(world.count("SELECT count(*) FROM tokens")),
            Ok(rows),
            "{records}"
        );
        assert_eq!(
            world
                .cli(&["token", "list", "--client", &client.id])
                .as_array()
                .unwrap()
                .len(),
            rows
        );
        // Introspection and revocation work the same with and without records.
        assert!(node.active(&api, &tokens[0]));
        assert_eq!(node.revoke(&client, &tokens[0]).status, 200);
        assert!(!node.active(&api, &tokens[0]));
        assert!(node.active(&api, &tokens[1]));
    }
}

#[test]
fn a_record_never_holds_the_token() {
    let world = World::sqlite();
    let client = world.client("read");
    let node = world.start();
    let token = node.token(&client);
    let signature = token.rsplit('.').next().unwrap();
    node.stop();
    for file in ["keyward.db", "keyward.db-wal"] {
        let bytes = std::fs::read(world.folder.join(file)).unwrap_or_default();
        for secret in [signature, &client.secret, &client.api_key] {
            assert!(
                !bytes
                    .windows(secret.len())
                    .any(|window| window == secret.as_bytes()),
                "{file}"
            );
        }
    }
}

on_both! {
    /// The `typ` applies only if all audiences ask for it; a change applies to the next token, on
    /// every node.
    fn the_typ_follows_the_resource_server(world: World) {
        let plain = "https://plain.example/";
        let api = world.cli(&["resource", "create", "--identifier", plain, "--name", "Plain", "--token-typ", "JWT"]);
        assert_eq!(api["token_typ"], "JWT");
        let api = Client {
            id: api["client_id"].as_str().unwrap().to_owned(),
            secret: api["client_secret"].as_str().unwrap().to_owned(),
            api_key: String::new(),
        };
        world.resource("https://standard.example/");
        let client = world.client_with(&["--resource", plain, "--resource", "https://standard.example/"]);
        let none = world.client("");
        let node = world.start();
        let second = world.start_with(&["--issuer", &node.base]);
        let typ = |node: &Node, client: &Client, resources: &[&str]| {
            let fields: Vec<_> = resources.iter().map(|resource| ("resource", *resource)).collect();
            let token = node.token_reply(client, &fields).json()["access_token"].as_str().unwrap().to_owned();
            (jwt::header(&token)["typ"].as_str().unwrap().to_owned(), token)
        };
        let (own, token) = typ(&node, &client, &[plain]);
        assert_eq!(own, "JWT");
        // Keyward accepts both types, and no other type.
        assert!(node.active(&api, &token) && second.active(&api, &token));
        let verified = node.get_with(&format!("/verify?audience={plain}"), &[("authorization", &format!("Bearer {token}"))]);
        assert_eq!(verified.status, 200, "{}", verified.body);
        let parts: Vec<&str> = token.split('.').collect();
        for typ in ["at+jwt", "logout+jwt", "statuslist+jwt", ""] {
            let mut header = jwt::header(&token);
            header["typ"] = json!(typ);
            let forged = format!("{}.{}.{}", jwt::encode(header.to_string()), parts[1], parts[2]);
            assert!(!node.active(&api, &forged), "{typ}");
        }
        assert_eq!(typ(&node, &client, &["https://standard.example/"]).0, "at+jwt");
        assert_eq!(typ(&node, &client, &[]).0, "at+jwt", "the resource servers do not agree");
        assert_eq!(typ(&node, &none, &[]).0, "at+jwt", "for the issuer");

        world.cli(&["resource", "update", "https://standard.example/", "--token-typ", "JWT"]);
        for node in [&node, &second] {
            eventually("the change", || (typ(node, &client, &[]).0 == "JWT").then_some(()));
        }
        world.cli(&["resource", "update", plain, "--token-typ", "at+jwt"]);
        for node in [&node, &second] {
            eventually("the change", || (typ(node, &client, &[plain]).0 == "at+jwt").then_some(()));
        }
        assert!(node.active(&api, &token), "earlier tokens stay valid");
        assert!(world.refused(&["resource", "update", "urn:nobody", "--token-typ", "JWT"]).contains("urn:nobody"));
    }
}
