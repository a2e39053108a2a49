//! `private_key_jwt`: RFC 7523.

use serde_json::{Value, json};

use crate::support::key_server::KeyServer;
use crate::support::{Node, Reply, World, eventually, jwt};

const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

fn client(world: &World, pair: &jwt::Pair) -> String {
    let jwks = world.file("jwks.json", &json!({"keys": [pair.public_jwk("one")]}).to_string());
    let arguments = ["client", "create", "--name", "J", "--scope", "read", "--auth-method", "private_key_jwt", "--jwks"];
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
    let fields = [("grant_type", "client_credentials"), ("client_assertion_type", TYPE), ("client_assertion", assertion)];
    node.form("/oauth/token", None, &fields)
}

on_both! {
    fn each_algorithm_serves_and_each_assertion_once(world: World) {
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
            assert!(node.log_of(&again)["reason"].as_str().unwrap().contains("served before"));
            ask(&second, &assertion).refused(401, "invalid_client");

            // The same jti with another end is the same assertion to us.
            let mut claims = good_claims(&node, &id);
            assert_eq!(ask(&node, &pair.sign(&header(&pair), &claims)).status, 200);
            claims["exp"] = json!(jwt::now() + 90);
            ask(&node, &pair.sign(&header(&pair), &claims)).refused(401, "invalid_client");

            // Without a jti what was signed is its name.
            let mut nameless = good_claims(&node, &id);
            nameless.as_object_mut().unwrap().remove("jti");
            let assertion = pair.sign(&header(&pair), &nameless);
            assert_eq!(ask(&node, &assertion).status, 200);
            ask(&node, &assertion).refused(401, "invalid_client");
        }
    }

    fn of_many_at_once_one_serves(world: World) {
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
fn assertions_that_are_refused() {
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
    let hs256 =
        format!("{}.{}.{}", jwt::encode(r#"{"alg":"HS256","kid":"one"}"#), jwt::encode(good.to_string()), jwt::encode([0; 32]));
    let none = format!("{}.{}.", jwt::encode(r#"{"alg":"none"}"#), jwt::encode(good.to_string()));
    let cases = [
        ("another issuer", with("iss", json!("somebody"))),
        ("another subject", with("sub", json!("somebody"))),
        ("no subject", with("sub", Value::Null)),
        ("no audience", with("aud", Value::Null)),
        ("another audience", with("aud", json!("https://other.example"))),
        ("the issuer with a slash", with("aud", json!(format!("{}/", node.base)))),
        ("the issuer in an array", with("aud", json!([node.base]))),
        ("the issuer and another", with("aud", json!([node.base, "https://other.example"]))),
        ("the token endpoint", with("aud", json!(token_endpoint))),
        ("no end", with("exp", Value::Null)),
        ("ended", with("exp", json!(now - 61))),
        ("ends in a day", with("exp", json!(now + 86_400))),
        ("ends beyond all numbers", with("exp", json!(1e300))),
        ("begins later", with("nbf", json!(now + 120))),
        ("issued in the future", with("iat", json!(now + 120))),
        ("an end that is text", with("exp", json!("soon"))),
        ("another's key", stranger.sign(&header(&stranger), &good)),
        ("an unknown kid", pair.sign(&json!({"alg": "ES256", "kid": "two"}), &good)),
        ("a critical header", pair.sign(&json!({"alg": "ES256", "kid": "one", "crit": ["x"]}), &good)),
        ("HS256", hs256),
        ("none", none),
        ("no JWT", "a.b.c".to_owned()),
        ("empty parts", "..".to_owned()),
    ];
    for (what, assertion) in &cases {
        let reply = ask(&node, assertion);
        assert!(matches!(reply.status, 401 | 429), "{what}: {} {}", reply.status, reply.body);
        assert!(reply.json()["error_description"].is_string());
    }
    // A minute of difference between the clocks does no harm.
    for (name, value) in [("exp", json!(now - 30)), ("nbf", json!(now + 30)), ("iat", json!(now + 30))] {
        let reply = ask(&node, &with(name, value));
        assert_eq!(reply.status, 200, "{name}: {}", reply.body);
    }
    // Without `kid` the keys are tried.
    assert_eq!(ask(&node, &pair.sign(&json!({"alg": "ES256"}), &good)).status, 200);
    // A client with a key has no secret, and none can be made for it.
    assert!(world.refused(&["secret", "create", &id]).contains("without a secret"));
}

#[test]
fn the_token_endpoint_as_audience_is_a_switch() {
    let world = World::sqlite();
    let node = world.start_with(&["--assertion-for-token-endpoint", "on"]);
    let pair = jwt::Pair::new("ES256");
    let id = client(&world, &pair);
    let mut claims = good_claims(&node, &id);
    claims["aud"] = json!(node.url("/oauth/token"));
    assert_eq!(ask(&node, &pair.sign(&header(&pair), &claims)).status, 200);
}

fn register(world: &World, node: &Node, uri: &str) -> Reply {
    let token = world.cli(&["registration-token", "create", "--scope", "read"])["token"].as_str().unwrap().to_owned();
    node.json("POST", "/oauth/register", Some(&token), &json!({"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": uri}))
}

#[test]
fn keys_behind_a_jwks_uri() {
    let world = World::sqlite();
    let keys = KeyServer::start(&world, &["localhost", "127.0.0.1"]);
    let old = jwt::Pair::new("ES256");
    keys.publish("/keys", &[old.public_jwk("one")]);
    let trust = world.folder.join("ca.pem");
    // The node reads the system's authorities from this file.
    let node = world.start_trusting(&trust, &["--private-jwks-uri", "on"]);
    let reply = register(&world, &node, &keys.uri("localhost", "/keys"));
    assert_eq!(reply.status, 201, "{}", reply.body);
    let id = reply.json()["client_id"].as_str().unwrap().to_owned();

    for _ in 0..3 {
        let reply = ask(&node, &old.sign(&header(&old), &good_claims(&node, &id)));
        assert_eq!(reply.status, 200, "{} {}", reply.body, node.logs());
    }
    assert_eq!(keys.hits("/keys"), 1, "the keys are kept");

    // The partner rotates: an unknown kid is looked up again, though not at once for each request.
    let new = jwt::Pair::new("RS256");
    keys.publish("/keys", &[new.public_jwk("two")]);
    let attempt = || {
        let assertion = new.sign(&json!({"alg": "RS256", "kid": "two"}), &good_claims(&node, &id));
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
    for uri in [
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
    ] {
        let reply = register(&world, &node, uri);
        reply.refused(400, "invalid_client_metadata");
    }
    // A name is judged by where it leads, when it is asked.
    let reply = register(&world, &node, &keys.uri("localhost", "/keys"));
    assert_eq!(reply.status, 201, "{}", reply.body);
    let id = reply.json()["client_id"].as_str().unwrap().to_owned();
    let reply = ask(&node, &pair.sign(&header(&pair), &good_claims(&node, &id)));
    reply.refused(401, "invalid_client");
    assert_eq!(keys.hits("/keys"), 0, "no connection was made");
    eventually("the reason", || node.log_of(&reply)["reason"].as_str()?.contains("jwks_uri").then_some(()));
}
