//! The signature algorithm of a resource server's tokens, and the rotation of each algorithm's keys.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use aws_lc_rs::signature::{ML_DSA_44, RsaKeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::signing_keys::{kid_of, verifies};
use crate::support::jwt::Pair;
use crate::support::tools::{Tool, variable};
use crate::support::{
    Backend, Client, EmptyWorld, Node, World, each_case, eventually, jwt, within,
};

/// The first key of an algorithm signs two seconds after its creation.
const FLAGS: [&str; 2] = ["--jwks-max-age", "0"];

/// The name that an operator gives, and the `alg` of the tokens.
const ALGORITHMS: [(&str, &str); 4] = [
    ("RS256", "RS256"),
    ("PS256", "PS256"),
    ("ES256", "ES256"),
    ("Ed25519", "EdDSA"),
];

/// Creates a resource server with this algorithm. Returns its introspection client.
fn resource(world: &World, identifier: &str, algorithm: &str) -> Client {
    let made = world.cli(&[
        "resource",
        "create",
        "--identifier",
        identifier,
        "--name",
        identifier,
        "--signing-alg",
        algorithm,
    ]);
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    Client {
        id: text("client_id"),
        secret: text("client_secret"),
        api_key: String::new(),
    }
}

fn update(world: &World, identifier: &str, algorithm: &str) -> Value {
    world.cli(&["resource", "update", identifier, "--signing-alg", algorithm])
}

fn alg(token: &str) -> String {
    jwt::header(token)["alg"].as_str().unwrap().to_owned()
}

/// A token for these resource servers.
fn token_for(node: &Node, client: &Client, resources: &[&str]) -> String {
    let fields: Vec<_> = resources
        .iter()
        .map(|resource| ("resource", *resource))
        .collect();
    let reply = node.token_reply(client, &fields);
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.json()["access_token"].as_str().unwrap().to_owned()
}

/// Waits until tokens for the resource server are signed with an algorithm.
fn signed_with(node: &Node, client: &Client, resource: &str, expected: &str) -> String {
    eventually(&format!("a token signed with {expected}"), || {
        let token = token_for(node, client, &[resource]);
        (alg(&token) == expected).then_some(token)
    })
}

/// The published keys, as pairs of `alg` and `kid`.
fn published(node: &Node) -> Vec<(String, String)> {
    let document = node.get("/.well-known/jwks.json").json();
    let text = |key: &Value, name: &str| key[name].as_str().unwrap().to_owned();
    let keys = document["keys"].as_array().unwrap().iter();
    keys.map(|key| (text(key, "alg"), text(key, "kid")))
        .collect()
}

/// The kids of the keys of an algorithm that are in this state, the oldest first.
fn in_state(world: &World, algorithm: &str, state: &str) -> Vec<String> {
    let keys = world.cli(&["signing-key", "list"]);
    let keys = keys.as_array().unwrap().iter();
    keys.filter(|key| key["algorithm"] == algorithm && key["state"] == state)
        .map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}

on_both! {
    fn each_resource_server_has_the_algorithm_that_it_asks_for(world: World) {
        let nodes = {
            let first = world.start_with(&FLAGS);
            let second = world.start_with(&[&FLAGS[..], &["--issuer", &first.base]].concat());
            [first, second]
        };
        let node = &nodes[0];
        let identifiers: Vec<String> = ALGORITHMS.iter().map(|(name, _)| format!("urn:{name}")).collect();
        let apis: Vec<Client> = ALGORITHMS.iter().zip(&identifiers).map(|((name, _), identifier)| resource(&world, identifier, name)).collect();
        resource(&world, "urn:other", "EdDSA");
        let mut flags = vec!["--scope", "read"];
        for identifier in identifiers.iter().map(String::as_str).chain(["urn:other"]) {
            flags.extend(["--resource", identifier]);
        }
        let client = world.client_with(&flags);
        let without = world.client("read");
        each_case(ALGORITHMS.iter().zip(&identifiers).zip(&apis), |(((_, expected), identifier), api)| {
            let token = signed_with(node, &client, identifier, expected);
            for node in &nodes {
                let token = signed_with(node, &client, identifier, expected);
                assert!(verifies(node, &token), "{expected}: with the published keys");
            }
            // The node that did not sign verifies it too, from its own copy of the keys.
            for node in &nodes {
                assert!(node.active(api, &token), "{expected}");
                let bearer = format!("Bearer {token}");
                let verified = node.get_with(&format!("/verify?audience={identifier}"), &[("authorization", &bearer)]);
                assert_eq!(verified.status, 200, "{expected}: {}", verified.body);
            }
            assert_eq!(node.revoke(&client, &token).status, 200);
            assert!(!node.active(api, &token), "{expected}: revoked");
        });

        // RS256 unless all agree.
        each_case([
            (&["urn:Ed25519", "urn:other"][..], "EdDSA"),
            (&["urn:ES256", "urn:Ed25519"], "RS256"),
            (&["urn:ES256", "urn:RS256"], "RS256"),
            (&["urn:ES256"], "ES256"),
            (&[], "RS256"),
        ], |(resources, expected)| {
            assert_eq!(alg(&token_for(node, &client, resources)), expected, "{resources:?}");
        });
        assert_eq!(alg(&node.token(&without)), "RS256", "for the issuer");
        let manager = world.manager(node, &["--resource", "urn:ES256"], "keyward:clients:read");
        assert_eq!(alg(&token_for(node, &manager, &[&node.management()])), "RS256", "for the management API");
        assert_eq!(alg(&token_for(node, &manager, &["urn:ES256"])), "ES256");

        // One key of each algorithm, named with its own (RFC 8725 section 3.1).
        let keys = published(node);
        let algorithms: BTreeSet<&str> = keys.iter().map(|(alg, _)| alg.as_str()).collect();
        assert_eq!(algorithms, BTreeSet::from(["ES256", "EdDSA", "PS256", "RS256"]));
        assert_eq!(keys.len(), 4, "{keys:?}");
        assert!(node.get("/.well-known/jwks.json").body.len() < 2000);
        let check = world.cli(&["--issuer", &node.base, "check"]);
        let found = check.as_array().unwrap().iter().find(|row| row["what"] == "signing key").unwrap();
        for algorithm in ["RS256", "PS256", "ES256", "EdDSA"] {
            assert!(found["detail"].as_str().unwrap().contains(&format!("signs with {algorithm}")), "{found}");
        }
    }

    /// The first key of an algorithm is published for the max-age before it signs, too.
    fn tokens_are_signed_with_rs256_until_the_first_key_may_sign(world: World) {
        let node = world.start_with(&["--jwks-max-age", "600"]);
        resource(&world, "urn:api", "ES256");
        let client = world.client_with(&["--scope", "read", "--resource", "urn:api"]);
        let (_, kid) = eventually("the first key of ES256", || {
            published(&node).into_iter().find(|(alg, _)| alg == "ES256")
        });
        let token = node.token(&client);
        assert_eq!(alg(&token), "RS256");
        assert!(verifies(&node, &token));
        let rows = world.cli(&["signing-key", "list"]);
        let row = rows.as_array().unwrap().iter().find(|row| row["kid"] == kid.as_str()).unwrap();
        let at = |name: &str| {
            let format = &time::format_description::well_known::Rfc3339;
            time::OffsetDateTime::parse(row[name].as_str().unwrap(), format).unwrap().unix_timestamp()
        };
        assert_eq!(row["state"], "published");
        assert!(at("signs_from") - at("created_at") >= 600, "{row}");
        let check = world.cli(&["--issuer", &node.base, "check"]);
        assert!(check.to_string().contains("no key signs with ES256 yet"), "{check}");
        let created = "SELECT count(*) FROM audit WHERE action = 'signing_key.create' AND actor = 'Keyward'";
        assert_eq!(world.count(&format!("{created} AND target = '{kid}'")), 1);
    }

    /// The management API names the algorithm as the command line does.
    fn the_algorithm_is_managed_by_api(world: World) {
        let node = world.start_with(&FLAGS);
        let rights = "keyward:operator keyward:resources:read keyward:resources:write keyward:signing-keys:read keyward:signing-keys:write";
        let bearer = node.token(&world.manager(&node, &[], rights));
        let call = |method: &str, path: &str, body: Value| node.json(method, &format!("/api/v1{path}"), Some(&bearer), &body);
        let create = |identifier: &str, alg: Value| call("POST", "/resource-servers", json!({"identifier": identifier, "name": "API", "signing_alg": alg}));
        each_case([("ES256", "ES256"), ("Ed25519", "EdDSA"), ("EdDSA", "EdDSA"), ("RS256", "RS256")], |(asked, stored)| {
            let made = create(&format!("urn:{asked}"), json!(asked));
            assert_eq!((made.status, &made.json()["signing_alg"]), (201, &json!(stored)), "{}", made.body);
        });
        let plain = call("POST", "/resource-servers", json!({"identifier": "urn:plain", "name": "API"}));
        assert_eq!(plain.json()["signing_alg"], "RS256", "the default");
        each_case([json!("HS256"), json!("none"), json!("es256"), json!(""), json!(7), Value::Null], |alg| {
            let refused = create("urn:refused", alg.clone());
            assert_eq!(refused.status, 400, "{alg}: {}", refused.body);
        });
        // A change leaves alone what it does not name.
        let changed = call("PATCH", "/resource-servers?identifier=urn:plain", json!({"signing_alg": "PS256"}));
        assert_eq!((&changed.json()["signing_alg"], &changed.json()["token_typ"]), (&json!("PS256"), &json!("at+jwt")));
        let changed = call("PATCH", "/resource-servers?identifier=urn:plain", json!({"token_typ": "JWT"}));
        assert_eq!((&changed.json()["signing_alg"], &changed.json()["token_typ"]), (&json!("PS256"), &json!("JWT")));
        let list = call("GET", "/resource-servers", Value::Null).json();
        let listed = list["items"].as_array().unwrap().iter().find(|row| row["identifier"] == "urn:plain").unwrap();
        assert_eq!(listed["signing_alg"], "PS256");
        let row = world.cli(&["resource", "list"]);
        assert!(row.as_array().unwrap().iter().any(|row| row["identifier"] == "urn:Ed25519" && row["signing_alg"] == "EdDSA"), "{row}");
        let refused = world.run(&["resource", "update", "urn:plain", "--signing-alg", "HS256"]);
        assert_eq!(refused.status.code(), Some(2));
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(said.contains("RS256, PS256, ES256, Ed25519"), "{said}");
        assert_eq!(world.run(&["resource", "update", "urn:plain"]).status.code(), Some(2), "nothing to change");

        let rotated = call("POST", "/signing-keys/rotate?algorithm=Ed25519", Value::Null);
        assert_eq!((rotated.status, &rotated.json()["algorithm"]), (201, &json!("EdDSA")), "{}", rotated.body);
        let rotated = call("POST", "/signing-keys/rotate", Value::Null);
        assert_eq!(rotated.json()["algorithm"], "RS256", "the default");
        assert_eq!(call("POST", "/signing-keys/rotate?algorithm=HS256", Value::Null).status, 400);
    }

    /// A rotation of one algorithm leaves the keys of the others alone.
    fn keys_of_each_algorithm_rotate_on_their_own(world: World) {
        let settings = ["--jwks-max-age", "0", "--token-ttl", "2"];
        let command = |arguments: &[&str]| world.cli(&[&settings[..], arguments].concat());
        let nodes = {
            let first = world.start_with(&settings);
            let second = world.start_with(&[&settings[..], &["--issuer", &first.base]].concat());
            [first, second]
        };
        let names = ["ES256", "PS256", "Ed25519"];
        let mut flags = vec!["--scope", "read"];
        for name in names {
            resource(&world, name_of(name), name);
            flags.extend(["--resource", name_of(name)]);
        }
        let client = world.client_with(&flags);
        let without = world.client("read");
        let rsa = kid_of(&nodes[0].token(&without));
        each_case([("ES256", "ES256"), ("PS256", "PS256"), ("Ed25519", "EdDSA")], |(name, expected)| {
            let resource = name_of(name);
            let old = kid_of(&signed_with(&nodes[0], &client, resource, expected));
            let new = command(&["signing-key", "rotate", "--algorithm", name]);
            assert_eq!(new["algorithm"], expected);
            let new = new["kid"].as_str().unwrap();
            for node in &nodes {
                let last = eventually("the new key to sign", || {
                    let token = token_for(node, &client, &[resource]);
                    assert!(verifies(node, &token) && alg(&token) == expected, "{expected}");
                    (kid_of(&token) == new).then_some(token)
                });
                assert!(verifies(&nodes[1], &last));
            }
            eventually("the end of the old key", || (!nodes[0].kids().contains(&old)).then_some(()));
            assert_eq!(in_state(&world, expected, "signing"), [new]);
        });
        assert_eq!(kid_of(&nodes[0].token(&without)), rsa, "the key of RS256 is the same");
        assert_eq!(in_state(&world, "RS256", "signing"), [rsa]);
    }

    /// Keys are rotated by age only while a resource server asks for their algorithm.
    fn an_algorithm_that_nobody_uses_is_retired(world: World) {
        let settings = ["--jwks-max-age", "0", "--token-ttl", "2", "--signing-key-max-age", "5s"];
        let node = world.start_with(&settings);
        resource(&world, "urn:api", "ES256");
        let client = world.client_with(&["--scope", "read", "--resource", "urn:api"]);
        let first = kid_of(&signed_with(&node, &client, "urn:api", "ES256"));
        eventually("its successor", || {
            let token = token_for(&node, &client, &["urn:api"]);
            assert!(verifies(&node, &token));
            (alg(&token) == "ES256" && kid_of(&token) != first).then_some(())
        });
        update(&world, "urn:api", "RS256");
        signed_with(&node, &client, "urn:api", "RS256");
        let rsa = kid_of(&node.token(&client));
        within(Duration::from_secs(60), "the end of ES256", || {
            let token = node.token(&client);
            assert!(verifies(&node, &token));
            published(&node).iter().all(|(alg, _)| alg != "ES256").then_some(())
        });
        let retired = "SELECT count(*) FROM audit WHERE action = 'signing_key.retire' AND actor = 'Keyward'";
        assert_eq!(world.count(retired), 1);
        eventually("the rotation of RS256", || (kid_of(&node.token(&client)) != rsa).then_some(()));
        // Asked for again, the algorithm has a new key.
        update(&world, "urn:api", "ES256");
        let token = signed_with(&node, &client, "urn:api", "ES256");
        assert!(verifies(&node, &token) && kid_of(&token) != first);
    }

    fn a_leaked_key_is_replaced_by_rs256_until_its_successor_may_sign(world: World) {
        let settings = ["--jwks-max-age", "0"];
        let node = world.start_with(&settings);
        let api = resource(&world, "urn:api", "ES256");
        let client = world.client_with(&["--scope", "read", "--resource", "urn:api"]);
        let leaked = signed_with(&node, &client, "urn:api", "ES256");
        assert!(node.active(&api, &leaked));
        world.cli(&["--jwks-max-age", "600", "signing-key", "retire", "--now", &kid_of(&leaked)]);
        within(Duration::from_secs(1), "the end of the leaked key", || (!node.active(&api, &leaked)).then_some(()));
        assert!(!node.kids().contains(&kid_of(&leaked)));
        let token = eventually("a token", || {
            let reply = node.token_reply(&client, &[]);
            (reply.status == 200).then(|| reply.json()["access_token"].as_str().unwrap().to_owned())
        });
        assert_eq!(alg(&token), "RS256");
        assert!(node.active(&api, &token) && verifies(&node, &token));
        assert_eq!(in_state(&world, "ES256", "published").len(), 1, "the successor");
    }

    /// A resource server that caches the keys for the `max-age` and asks for nothing in between
    /// verifies every token, whatever happens to algorithms and keys meanwhile.
    fn a_caching_verifier_verifies_every_token_while_algorithms_change(world: World) {
        let settings = ["--jwks-max-age", "1", "--token-ttl", "5"];
        let nodes = {
            let first = world.start_with(&settings);
            let second = world.start_with(&[&settings[..], &["--issuer", &first.base]].concat());
            [first, second]
        };
        resource(&world, "urn:api", "RS256");
        let client = world.client_with(&["--scope", "read", "--resource", "urn:api"]);
        let mut verifier = CachingVerifier::default();
        let mut turn = 0;
        let mut verify_next = || {
            turn += 1;
            let token = node_token(&nodes[turn % 2], &client);
            verifier.verify(&nodes[(turn / 2) % 2], &token);
            alg(&token)
        };
        for (name, expected) in [("ES256", "ES256"), ("Ed25519", "EdDSA"), ("PS256", "PS256"), ("RS256", "RS256"), ("ES256", "ES256")] {
            update(&world, "urn:api", name);
            // Both nodes alternate, so that the algorithm must have come on both.
            eventually("the change", || (verify_next() == expected && verify_next() == expected).then_some(()));
            world.cli(&[&settings[..], &["signing-key", "rotate", "--algorithm", name]].concat());
            let until = Instant::now() + Duration::from_millis(3500);
            while Instant::now() < until {
                verify_next();
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        assert!(verifier.verified > 20, "{}", verifier.verified);
    }
}

fn name_of(algorithm: &str) -> &'static str {
    match algorithm {
        "ES256" => "urn:ec",
        "PS256" => "urn:pss",
        _ => "urn:ed",
    }
}

fn node_token(node: &Node, client: &Client) -> String {
    token_for(node, client, &["urn:api"])
}

/// A verifier that fetches the JWK Set again only when its `max-age` is over.
#[derive(Default)]
struct CachingVerifier {
    keys: Option<(jsonwebtoken::jwk::JwkSet, Instant)>,
    verified: usize,
}

impl CachingVerifier {
    fn verify(&mut self, node: &Node, token: &str) {
        let is_fresh = |until: &Instant| Instant::now() < *until;
        if !self.keys.as_ref().is_some_and(|(_, until)| is_fresh(until)) {
            let fetched = Instant::now();
            let reply = node.get("/.well-known/jwks.json");
            let header = reply.header("cache-control").unwrap();
            let max_age = header.rsplit_once("max-age=").unwrap().1.parse().unwrap();
            let keys = serde_json::from_value(reply.json()).unwrap();
            self.keys = Some((keys, fetched + Duration::from_secs(max_age)));
        }
        let (keys, _) = self.keys.as_ref().unwrap();
        let key = keys.find(&kid_of(token)).unwrap_or_else(|| {
            panic!("the cached keys do not have that of {}", jwt::header(token))
        });
        let header = jsonwebtoken::decode_header(token).unwrap();
        let mut validation = jsonwebtoken::Validation::new(header.alg);
        validation.set_audience(&["urn:api"]);
        let decoding = jsonwebtoken::DecodingKey::from_jwk(key).unwrap();
        jsonwebtoken::decode::<Value>(token, &decoding, &validation).unwrap();
        let named = jwt::header(token)["alg"].as_str().unwrap().to_owned();
        let published = serde_json::to_value(key).unwrap();
        assert_eq!(
            published["alg"],
            named.as_str(),
            "the JWK names the algorithm"
        );
        self.verified += 1;
    }
}

/// A library of another language verifies the tokens of each algorithm with the published keys.
#[test]
fn pyjwt_verifies_each_algorithm() {
    needs!(Tool::Python);
    let world = World::sqlite();
    let node = world.start_with(&FLAGS);
    let script = "import jwt, sys
url, audience, algorithm, token = sys.argv[1:]
key = jwt.PyJWKClient(url).get_signing_key_from_jwt(token)
jwt.decode(token, key, algorithms=[algorithm], audience=audience)
for other in {'RS256', 'PS256', 'ES256', 'EdDSA'} - {algorithm}:
    try:
        jwt.decode(token, key, algorithms=[other], audience=audience)
    except jwt.InvalidAlgorithmError:
        continue
    raise AssertionError(other)";
    for (name, _) in ALGORITHMS {
        resource(&world, &format!("urn:{name}"), name);
    }
    each_case(ALGORITHMS, |(name, expected)| {
        let identifier = format!("urn:{name}");
        let client = world.client_with(&["--scope", "read", "--resource", &identifier]);
        let token = signed_with(&node, &client, &identifier, expected);
        let url = node.url("/.well-known/jwks.json");
        let output = Command::new(variable("TEST_PYTHON"))
            .args(["-c", script, &url, &identifier, expected, &token])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {said}");
    });
}

/// The JWT libraries do not verify ML-DSA-44 yet, so the signature is verified by hand (RFC 9964).
#[test]
fn a_post_quantum_signature_verifies() {
    let world = World::sqlite();
    let node = world.start_with(&FLAGS);
    let api = resource(&world, "urn:api", "ML-DSA-44");
    let client = world.client_with(&["--scope", "read", "--resource", "urn:api"]);
    let token = signed_with(&node, &client, "urn:api", "ML-DSA-44");
    assert!(node.active(&api, &token));
    let document = node.get("/.well-known/jwks.json").json();
    let keys = document["keys"].as_array().unwrap();
    let jwk = keys
        .iter()
        .find(|key| key["kid"] == kid_of(&token))
        .unwrap();
    assert_eq!(
        (&jwk["kty"], &jwk["alg"], &jwk["use"]),
        (&json!("AKP"), &json!("ML-DSA-44"), &json!("sig"))
    );
    assert!(jwk.get("priv").is_none());
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    let key = decode(jwk["pub"].as_str().unwrap());
    let (message, signature) = token.rsplit_once('.').unwrap();
    let signature = decode(signature);
    assert_eq!((key.len(), signature.len()), (1312, 2420));
    let key = UnparsedPublicKey::new(&ML_DSA_44, key);
    assert!(key.verify(message.as_bytes(), &signature).is_ok());
    assert!(key.verify(b"another message", &signature).is_err());
    // A bit of the signature.
    let mut forged = signature.clone();
    forged[100] ^= 1;
    let forged = format!("{message}.{}", jwt::encode(forged));
    assert!(!node.active(&api, &forged));
    let shown = world.cli(&["signing-key", "show", &kid_of(&token)]);
    assert!(
        shown["pem"]
            .as_str()
            .unwrap()
            .starts_with("-----BEGIN PUBLIC KEY-----")
    );
    let bearer = format!("Bearer {token}");
    let verified = node.get_with("/verify?audience=urn:api", &[("authorization", &bearer)]);
    assert_eq!(verified.status, 200, "{}", verified.body);
}

/// A new installation whose first key is not for RS256 has one for RS256, too.
#[test]
fn a_first_key_for_another_algorithm_does_not_stand_for_rs256() {
    let world = EmptyWorld::new(Backend::Sqlite);
    world.cli(&["migrate"]);
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let file = world.file("key.pem", &key.serialize_pem());
    world.cli(&["signing-key", "import", file.to_str().unwrap()]);
    let node = world.start();
    let client = world.client("read");
    assert_eq!(alg(&node.token(&client)), "RS256");
    assert_eq!(in_state(&world, "RS256", "signing").len(), 1);
    assert_eq!(in_state(&world, "ES256", "published").len(), 1);
}

/// RFC 8725 section 3.1: a key verifies with its own algorithm alone, even if its private half can
/// sign with another one.
#[test]
fn a_key_verifies_with_its_own_algorithm_alone() {
    let world = World::sqlite();
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let file = world.file("key.pem", &key.serialize_pem());
    let import = |algorithm: &str| {
        let file = file.to_str().unwrap();
        [
            "--jwks-max-age",
            "0",
            "signing-key",
            "import",
            file,
            "--algorithm",
            algorithm,
        ]
        .map(str::to_owned)
    };
    let node = world.start_with(&FLAGS);
    let api = resource(&world, "urn:api", "PS256");
    let client = world.client_with(&["--scope", "read", "--resource", "urn:api"]);
    for algorithm in ["ES256", "Ed25519"] {
        let refused = world.refused(&import(algorithm).each_ref().map(String::as_str));
        assert!(refused.contains("a key for RS256"), "{refused}");
    }
    let imported = world.cli(&import("PS256").each_ref().map(String::as_str));
    assert_eq!(imported["algorithm"], "PS256");
    let kid = imported["kid"].as_str().unwrap();
    let token = eventually("the imported key to sign", || {
        let token = node.token(&client);
        (kid_of(&token) == kid).then_some(token)
    });
    let again = world.refused(&import("RS256").each_ref().map(String::as_str));
    assert!(again.contains("already"), "{again}");

    let sign = |algorithm: &'static str, named: &str| {
        let pair = RsaKeyPair::from_pkcs8(&key.serialize_der()).unwrap();
        let header = json!({"typ": "at+jwt", "alg": named, "kid": kid});
        Pair::Rsa(Box::new(pair), algorithm).sign(&header, &jwt::claims(&token))
    };
    assert!(node.active(&api, &token));
    assert!(node.active(&api, &sign("PS256", "PS256")), "the same key");
    each_case(
        [("RS256", "RS256"), ("RS256", "PS256"), ("PS256", "RS256")],
        |(algorithm, named)| {
            assert!(
                !node.active(&api, &sign(algorithm, named)),
                "signed with {algorithm}, named {named}"
            );
        },
    );
}
