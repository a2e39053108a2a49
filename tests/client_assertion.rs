//! Client authentication by `private_key_jwt` (RFC 7523).

use serde_json::{Value, json};

use crate::support::key_server::KeyServer;
use crate::support::{Node, Reply, World, each_case, eventually, jwt};

const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

fn client(world: &World, pair: &jwt::Pair) -> String {
    let jwks = world.file(
        "jwks.json",
        &json!({"keys": [pair.public_jwk("one")]}).to_string(),
    );
    let arguments = [
        "client",
        "create",
        "--name",
        "J",
        "--scope",
        "read",
        "--auth-method",
        "private_key_jwt",
        "--jwks",
    ];
    let made = world.cli(&[&arguments, &[jwks.to_str().unwrap()] as &[&str]].concat());
    assert!(made["client_secret"].is_null());
    made["client_id"].as_str().unwrap().to_owned()
}

pub fn good_claims(node: &Node, id: &str) -> Value {
    let jti = uuid::Uuid::now_v7().to_string();
    json!({"iss": id, "sub": id, "aud": node.base, "exp": jwt::now() + 60, "iat": jwt::now(), "jti": jti})
}

pub fn header(pair: &jwt::Pair) -> Value {
    json!({"alg": pair.algorithm(), "kid": "one", "typ": "JWT"})
}

pub fn ask(node: &Node, assertion: &str) -> Reply {
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", TYPE),
        ("client_assertion", assertion),
    ];
    node.form("/oauth/token", None, &fields)
}

on_both! {
    fn each_algorithm_is_accepted_and_each_assertion_once(world: World) {
        let node = world.start();
        let second = world.start_with(&["--issuer", &node.base]);
        for algorithm in ["RS256", "PS256", "ES256", "EdDSA"] {
            let pair = jwt::Pair::new(algorithm);
            let id = client(&world, &pair);
            let assertion = pair.sign(&header(&pair), &good_claims(&node, &id));
            let reply = ask(&node, &assertion);
            assert_eq!(reply.status, 200, "{algorithm}: {}", reply.body);
            let again = ask(&node, &assertion);
            again.refused(401, "invalid_client");
            assert!(node.log_of(&again)["error"].as_str().unwrap().contains("used before"));
            ask(&second, &assertion).refused(401, "invalid_client");

            // An assertion with the same `jti` and another `exp` counts as the same assertion.
            let mut claims = good_claims(&node, &id);
            assert_eq!(ask(&node, &pair.sign(&header(&pair), &claims)).status, 200);
            claims["exp"] = json!(jwt::now() + 90);
            ask(&node, &pair.sign(&header(&pair), &claims)).refused(401, "invalid_client");

            // Without a `jti`, the signed content identifies the assertion.
            let mut nameless = good_claims(&node, &id);
            nameless.as_object_mut().unwrap().remove("jti");
            let assertion = pair.sign(&header(&pair), &nameless);
            assert_eq!(ask(&node, &assertion).status, 200);
            ask(&node, &assertion).refused(401, "invalid_client");
        }
    }
}

on_both_and_serializable! {
    fn one_of_many_concurrent_uses_of_an_assertion_succeeds(world: World) {
        let node = world.start();
        let second = world.start_with(&["--issuer", &node.base]);
        let pair = jwt::Pair::new("ES256");
        let id = client(&world, &pair);
        let assertion = pair.sign(&header(&pair), &good_claims(&node, &id));
        let served: usize = std::thread::scope(|scope| {
            let (nodes, assertion) = ([&node, &second], &assertion);
            let all: Vec<_> = (0..16).map(|i| scope.spawn(move || usize::from(ask(nodes[i % 2], assertion).status == 200))).collect();
            all.into_iter().map(|one| one.join().unwrap()).sum()
        });
        assert_eq!(served, 1);
    }
}

#[test]
fn wrong_assertions_are_refused() {
    let world = World::sqlite();
    let node = world.start();
    let pair = jwt::Pair::new("ES256");
    let id = client(&world, &pair);
    let with = |name: &str, value: Value| {
        let mut claims = good_claims(&node, &id);
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value;
        }
        pair.sign(&header(&pair), &claims)
    };
    let good = good_claims(&node, &id);
    let stranger = jwt::Pair::new("ES256");
    let now = jwt::now();
    let token_endpoint = node.url("/oauth/token");
    let hs256 = format!(
        "{}.{}.{}",
        jwt::encode(r#"{"alg":"HS256","kid":"one"}"#),
        jwt::encode(good.to_string()),
        jwt::encode([0; 32])
    );
    let none = format!(
        "{}.{}.",
        jwt::encode(r#"{"alg":"none"}"#),
        jwt::encode(good.to_string())
    );
    let cases = [
        ("another issuer", with("iss", json!("somebody"))),
        ("another subject", with("sub", json!("somebody"))),
        ("no subject", with("sub", Value::Null)),
        ("no audience", with("aud", Value::Null)),
        (
            "another audience",
            with("aud", json!("https://other.example")),
        ),
        (
            "the issuer with a slash",
            with("aud", json!(format!("{}/", node.base))),
        ),
        (
            "the issuer twice",
            with("aud", json!([node.base, node.base])),
        ),
        ("an empty array", with("aud", json!([]))),
        ("an array in an array", with("aud", json!([[node.base]]))),
        (
            "the issuer and another",
            with("aud", json!([node.base, "https://other.example"])),
        ),
        ("the token endpoint", with("aud", json!(token_endpoint))),
        ("no end", with("exp", Value::Null)),
        ("ended", with("exp", json!(now - 61))),
        ("ends in a day", with("exp", json!(now + 86_400))),
        ("ends beyond all numbers", with("exp", json!(1e300))),
        ("begins later", with("nbf", json!(now + 120))),
        ("issued in the future", with("iat", json!(now + 120))),
        ("an end that is text", with("exp", json!("soon"))),
        ("another's key", stranger.sign(&header(&stranger), &good)),
        (
            "an unknown kid",
            pair.sign(&json!({"alg": "ES256", "kid": "two"}), &good),
        ),
        (
            "a critical header",
            pair.sign(&json!({"alg": "ES256", "kid": "one", "crit": ["x"]}), &good),
        ),
        ("HS256", hs256),
        ("none", none),
        ("no JWT", "a.b.c".to_owned()),
        ("empty parts", "..".to_owned()),
    ];
    each_case(&cases, |(what, assertion)| {
        let reply = ask(&node, assertion);
        assert!(
            matches!(reply.status, 401 | 429),
            "{what}: {} {}",
            reply.status,
            reply.body
        );
        assert!(reply.json()["error_description"].is_string());
    });
    // Clocks that differ by less than a minute are accepted.
    each_case(
        [
            ("exp", json!(now - 30)),
            ("nbf", json!(now + 30)),
            ("iat", json!(now + 30)),
        ],
        |(name, value)| {
            let reply = ask(&node, &with(name, value));
            assert_eq!(reply.status, 200, "{name}: {}", reply.body);
        },
    );
    // Without a `kid`, each key is tried.
    assert_eq!(
        ask(&node, &pair.sign(&json!({"alg": "ES256"}), &good)).status,
        200
    );
    // RFC 7519 section 4.1.3: an array of one is equivalent to the string, and some libraries
    // always write an array.
    assert_eq!(ask(&node, &with("aud", json!([node.base]))).status, 200);
    // A client that uses `private_key_jwt` has no secret, and none can be created for it.
    assert!(
        world
            .refused(&["secret", "create", &id])
            .contains("without a secret")
    );
}

#[test]
fn the_token_endpoint_is_an_audience_only_where_that_is_set() {
    let world = World::sqlite();
    let node = world.start_with(&["--assertion-for-token-endpoint", "on"]);
    let pair = jwt::Pair::new("ES256");
    let id = client(&world, &pair);
    for audience in [
        json!(node.url("/oauth/token")),
        json!([node.url("/oauth/token")]),
    ] {
        let mut claims = good_claims(&node, &id);
        claims["aud"] = audience;
        assert_eq!(ask(&node, &pair.sign(&header(&pair), &claims)).status, 200);
    }
    // While the setting is off, the error says what to change in the client or in the settings.
    let strict = world.start_with(&["--issuer", &node.base]);
    let mut claims = good_claims(&node, &id);
    claims["aud"] = json!(node.url("/oauth/token"));
    let refused = ask(&strict, &pair.sign(&header(&pair), &claims));
    refused.refused(401, "invalid_client");
    let line = strict.log_of(&refused);
    let reason = line["error"].as_str().unwrap();
    assert!(
        reason.contains("assertion_for_token_endpoint") && reason.contains("Spring"),
        "{reason}"
    );
}

/// Entries that other implementations put in a key set. Keyward ignores them.
fn ignored_keys() -> Vec<Value> {
    let good = jwt::Pair::new("RS256").public_jwk("other");
    let with = |member: &str, value: Value| {
        let mut key = good.clone();
        key[member] = value;
        key
    };
    vec![
        with("kid", json!(7)),
        with("use", json!("enc")),
        with("use", json!(["sig"])),
        with("alg", json!("RSA-OAEP")),
        with("alg", json!("ES256")),
        with("key_ops", json!("verify")),
        with("n", json!("AQAB")),
        with("n", json!("not base64url!")),
        with("e", json!(65537)),
        json!({"kty": "RSA", "x5c": ["MIIB"], "kid": "certificate"}),
        json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA"}),
        json!({"kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ"}),
        json!({"kid": "one"}),
        json!("one"),
        Value::Null,
    ]
}

/// Valid keys written in ways that deviate slightly from the RFCs.
fn deviations() -> Vec<(&'static str, jwt::Pair, Value)> {
    use base64::Engine;
    use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
    let written = |algorithm: &'static str, change: &dyn Fn(&mut Value)| {
        let pair = jwt::Pair::new(algorithm);
        let mut key = pair.public_jwk("one");
        change(&mut key);
        (pair, key)
    };
    let octets =
        |key: &Value, name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap();
    let mut all = Vec::new();
    let mut add = |what, (pair, key)| all.push((what, pair, key));
    add(
        "a leading zero",
        written("RS256", &|key| {
            key["n"] = json!(jwt::encode([&[0][..], &octets(key, "n")].concat()));
            key["e"] = json!(jwt::encode([&[0][..], &octets(key, "e")].concat()));
        }),
    );
    add(
        "padding",
        written("RS256", &|key| {
            key["n"] = json!(URL_SAFE.encode(octets(key, "n")))
        }),
    );
    add(
        "a coordinate with a leading zero",
        written("ES256", &|key| {
            key["x"] = json!(jwt::encode([&[0][..], &octets(key, "x")].concat()));
        }),
    );
    add(
        "Ed25519 by its newer name",
        written("EdDSA", &|key| key["alg"] = json!("Ed25519")),
    );
    add(
        "no alg",
        written("EdDSA", &|key| {
            drop(key.as_object_mut().unwrap().remove("alg"))
        }),
    );
    add(
        "no kid",
        written("ES256", &|key| {
            drop(key.as_object_mut().unwrap().remove("kid"))
        }),
    );
    add(
        "no use",
        written("PS256", &|key| {
            drop(key.as_object_mut().unwrap().remove("use"))
        }),
    );
    add(
        "key_ops",
        written("ES256", &|key| key["key_ops"] = json!(["verify"])),
    );
    all
}

on_both! {
    /// Keys are read in the same way at registration, by the command line, by the management API
    /// and from a `jwks_uri`.
    fn key_sets_of_other_implementations_are_read(world: World) {
        let keys = KeyServer::start(&world, &["localhost"]);
        let node = world.start_trusting(&world.folder.join("ca.pem"), &["--private-jwks-uri", "on"]);
        let operator = crate::management::operator(&world, &node);
        let initial = world.cli(&["registration-token", "create", "--scope", "read"])["token"].as_str().unwrap().to_owned();
        let accepts = |what: &str, id: &Value, pair: &jwt::Pair| {
            let id = id.as_str().unwrap();
            for name in if pair.algorithm() == "EdDSA" { vec!["EdDSA", "Ed25519"] } else { vec![pair.algorithm()] } {
                let reply = ask(&node, &pair.sign(&json!({"alg": name, "kid": "one"}), &good_claims(&node, id)));
                assert_eq!(reply.status, 200, "{what}, {name}: {}", node.log_of(&reply));
            }
        };
        let method = "private_key_jwt";
        for (what, pair, key) in deviations() {
            // Two keys share one `kid`; the one that verifies is the last of the set.
            let twin = jwt::Pair::new(pair.algorithm()).public_jwk("one");
            let members = [ignored_keys(), vec![twin, key]].concat();
            let set = json!({"keys": members});
            let file = world.file("set.json", &set.to_string());
            let arguments = ["client", "create", "--name", what, "--scope", "read", "--auth-method", method, "--jwks"];
            let made = world.cli(&[&arguments, &[file.to_str().unwrap()] as &[&str]].concat());
            accepts(what, &made["client_id"], &pair);

            let body = json!({"name": what, "scope": "read", "auth_method": method, "jwks": set});
            let made = node.json("POST", "/api/v1/clients", Some(&operator), &body);
            assert_eq!(made.status, 201, "{what}: {}", made.body);
            accepts(what, &made.json()["client_id"], &pair);

            let body = json!({"token_endpoint_auth_method": method, "jwks": set});
            let made = node.json("POST", "/oauth/register", Some(&initial), &body);
            assert_eq!(made.status, 201, "{what}: {}", made.body);
            accepts(what, &made.json()["client_id"], &pair);
            let own = made.json()["registration_access_token"].as_str().unwrap().to_owned();
            let uri = made.json()["registration_client_uri"].as_str().unwrap().strip_prefix(&node.base).unwrap().to_owned();
            let body = json!({"token_endpoint_auth_method": method, "jwks": set, "client_id": made.json()["client_id"]});
            assert_eq!(node.json("PUT", &uri, Some(&own), &body).status, 200, "{what}");
            accepts(what, &made.json()["client_id"], &pair);

            // Each set has its own URI, because keys that were fetched recently are cached.
            let path = format!("/keys?{}", made.json()["client_id"].as_str().unwrap());
            keys.publish(&path, set["keys"].as_array().unwrap());
            let made = register(&world, &node, &keys.uri("localhost", &path));
            assert_eq!(made.status, 201, "{what}: {}", made.body);
            accepts(what, &made.json()["client_id"], &pair);
        }

        // A set without a usable key, or with a private key, is not stored.
        let good = jwt::Pair::new("ES256").public_jwk("one");
        let mut private = good.clone();
        private["d"] = json!("AAAA");
        let secret = json!({"kty": "oct", "k": "AAAA"});
        for set in [ignored_keys(), vec![], vec![good.clone(), private], vec![good, secret]] {
            let set = json!({"keys": set});
            let file = world.file("set.json", &set.to_string());
            let arguments = ["client", "create", "--name", "x", "--auth-method", method, "--jwks", file.to_str().unwrap()];
            assert!(world.refused(&arguments).contains("jwks holds"), "{set}");
            let body = json!({"name": "x", "auth_method": method, "jwks": set});
            assert_eq!(node.json("POST", "/api/v1/clients", Some(&operator), &body).status, 400, "{set}");
            let body = json!({"token_endpoint_auth_method": method, "jwks": set});
            node.json("POST", "/oauth/register", Some(&initial), &body).refused(400, "invalid_client_metadata");
        }
    }
}

fn register(world: &World, node: &Node, uri: &str) -> Reply {
    let token = world.cli(&["registration-token", "create", "--scope", "read"])["token"]
        .as_str()
        .unwrap()
        .to_owned();
    node.json(
        "POST",
        "/oauth/register",
        Some(&token),
        &json!({"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": uri}),
    )
}

#[test]
fn keys_are_fetched_from_a_jwks_uri() {
    let world = World::sqlite();
    let keys = KeyServer::start(&world, &["localhost", "127.0.0.1"]);
    let old = jwt::Pair::new("ES256");
    keys.publish("/keys", &[old.public_jwk("one")]);
    let trust = world.folder.join("ca.pem");
    // The node reads the system's certificate authorities from this file.
    let node = world.start_trusting(&trust, &["--private-jwks-uri", "on"]);
    let reply = register(&world, &node, &keys.uri("localhost", "/keys"));
    assert_eq!(reply.status, 201, "{}", reply.body);
    let id = reply.json()["client_id"].as_str().unwrap().to_owned();

    for _ in 0..3 {
        let reply = ask(&node, &old.sign(&header(&old), &good_claims(&node, &id)));
        assert_eq!(reply.status, 200, "{} {}", reply.body, node.logs());
    }
    assert_eq!(keys.hits("/keys"), 1, "the keys are kept");

    // When the partner rotates, an unknown `kid` causes a new fetch, but not at once for each
    // request.
    let new = jwt::Pair::new("RS256");
    keys.publish("/keys", &[new.public_jwk("two")]);
    let attempt = || {
        let assertion = new.sign(
            &json!({"alg": "RS256", "kid": "two"}),
            &good_claims(&node, &id),
        );
        (ask(&node, &assertion).status == 200).then_some(())
    };
    crate::support::within(std::time::Duration::from_secs(20), "the new key", attempt);
    assert!(keys.hits("/keys") <= 3);
}

#[test]
fn a_jwks_uri_does_not_reach_inside() {
    let world = World::sqlite();
    let keys = KeyServer::start(&world, &["localhost", "127.0.0.1"]);
    let pair = jwt::Pair::new("ES256");
    keys.publish("/keys", &[pair.public_jwk("one")]);
    let trust = world.folder.join("ca.pem");
    let node = world.start_trusting(&trust, &[]);
    each_case(
        [
            "http://partner.example/keys",
            "https://127.0.0.1/keys",
            "https://[::1]/keys",
            "https://10.0.0.1/keys",
            "https://169.254.169.254/latest/meta-data",
            "https://[::ffff:192.168.1.1]/",
            "https://0.0.0.0/",
            "https://2130706433/keys",
            "ftp://partner.example/keys",
            "file:///etc/passwd",
            "keys",
        ],
        |uri| {
            let reply = register(&world, &node, uri);
            reply.refused(400, "invalid_client_metadata");
        },
    );
    // A host name is checked by the addresses that it resolves to at the time of the request.
    let reply = register(&world, &node, &keys.uri("localhost", "/keys"));
    assert_eq!(reply.status, 201, "{}", reply.body);
    let id = reply.json()["client_id"].as_str().unwrap().to_owned();
    let reply = ask(&node, &pair.sign(&header(&pair), &good_claims(&node, &id)));
    reply.refused(401, "invalid_client");
    assert_eq!(keys.hits("/keys"), 0, "no connection was made");
    eventually("the reason", || {
        node.log_of(&reply)["error"]
            .as_str()?
            .contains("jwks_uri")
            .then_some(())
    });
}
