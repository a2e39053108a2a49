//! Signing keys: creation, rotation, import and retirement (promise 3).

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::database_away::proxied;
use crate::support::tools::{Tool, variable};
use crate::support::{Backend, EmptyWorld, Node, World, each_case, eventually, jwt, within};

pub fn kid_of(token: &str) -> String {
    jwt::header(token)["kid"].as_str().unwrap().to_owned()
}

fn states(world: &World) -> Vec<(String, String)> {
    let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    world
        .cli(&["signing-key", "list"])
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (text(row, "kid"), text(row, "state")))
        .collect()
}

/// Verifies a token with the published keys, as a resource server would.
pub fn verifies(node: &Node, token: &str) -> bool {
    let set: jsonwebtoken::jwk::JwkSet =
        serde_json::from_value(node.get("/.well-known/jwks.json").json()).unwrap();
    let Some(key) = set.find(&kid_of(token)) else {
        return false;
    };
    let header = jsonwebtoken::decode_header(token).unwrap();
    let mut validation = jsonwebtoken::Validation::new(header.alg);
    validation.validate_aud = false;
    jsonwebtoken::decode::<Value>(
        token,
        &jsonwebtoken::DecodingKey::from_jwk(key).unwrap(),
        &validation,
    )
    .is_ok()
}

on_both! {
    /// A new key is published for the max-age before it signs; the old one until its last token has
    /// expired; and a resource server that honours `Cache-Control` can always verify.
    fn rotation_is_seamless(world: World) {
        // A command that rotates must use the durations of the nodes: the same settings.
        let settings = ["--jwks-max-age", "2", "--token-ttl", "3", "--issuer", "http://auth.example"];
        let client = world.client_with(&["--introspect"]);
        let nodes = [world.start_with(&settings), world.start_with(&settings)];
        let old = kid_of(&nodes[0].token(&client));
        assert_eq!(kid_of(&nodes[1].token(&client)), old);

        let rotated = world.cli(&[&settings[..], &["signing-key", "rotate"]].concat());
        let new = rotated["kid"].as_str().unwrap().to_owned();
        let asked = Instant::now();
        for node in &nodes {
            within(Duration::from_secs(1), "the new key in the JWKS", || node.kids().contains(&new).then_some(()));
            assert_eq!(kid_of(&node.token(&client)), old, "published, and not yet signing");
        }
        let published = Instant::now();
        let mut last_old = (nodes[0].token(&client), Instant::now());
        for node in nodes.iter().cycle() {
            let token = node.token(&client);
            assert!(verifies(node, &token));
            if kid_of(&token) == new {
                break;
            }
            last_old = (token, Instant::now());
            assert!(asked.elapsed() < Duration::from_secs(8), "the new key never signs");
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(published.elapsed() >= Duration::from_millis(1900), "not before the max-age was over");
        // The last token of the old key is valid until it expires.
        let exp = jwt::claims(&last_old.0)["exp"].as_i64().unwrap();
        while jwt::now() < exp - 1 {
            assert!(verifies(&nodes[1], &last_old.0), "until it expires");
            assert!(nodes[1].active(&client, &last_old.0));
            std::thread::sleep(Duration::from_millis(50));
        }
        within(Duration::from_secs(15), "the old key to be retired", || (!nodes[0].kids().contains(&old)).then_some(()));
        assert!(states(&world).contains(&(old, "gone".to_owned())));
    }

    /// A command without the server's settings uses the server's durations all the same.
    fn a_command_with_other_settings_rotates_by_those_of_the_server(world: World) {
        let node = world.start_with(&["--jwks-max-age", "600", "--token-ttl", "7200"]);
        let old = node.kids().remove(0);
        world.cli(&["--jwks-max-age", "0", "--token-ttl", "1", "signing-key", "rotate"]);
        let rows = world.cli(&["signing-key", "list"]);
        let at = |row: &Value, name: &str| {
            let format = &time::format_description::well_known::Rfc3339;
            time::OffsetDateTime::parse(row[name].as_str().unwrap(), format).unwrap().unix_timestamp()
        };
        let new = rows.as_array().unwrap().iter().find(|row| row["kid"] != old.as_str()).unwrap();
        let old = rows.as_array().unwrap().iter().find(|row| row["kid"] == old.as_str()).unwrap();
        assert!(at(new, "signs_from") - at(new, "created_at") >= 600, "{rows}");
        assert!(at(old, "published_until") - at(old, "signs_until") >= 7200, "{rows}");
    }

    fn a_key_is_rotated_by_age(world: EmptyWorld) {
        let client = world.client("read");
        let settings = ["--jwks-max-age", "0", "--token-ttl", "2", "--signing-key-max-age", "4s"];
        let nodes = [world.start_with(&settings), world.start_with(&settings)];
        let first = kid_of(&nodes[0].token(&client));
        within(Duration::from_secs(15), "another key", || (kid_of(&nodes[0].token(&client)) != first).then_some(()));
        // Only one of the two nodes rotated the key.
        assert!(states(&world).len() <= 3, "{:?}", states(&world));
        for node in &nodes {
            assert!(verifies(node, &node.token(&client)));
        }
    }

    fn signing_keys_are_stored_sealed(world: World) {
        let node = world.start();
        let kid = node.kids().remove(0);
        node.stop();
        use std::os::unix::fs::PermissionsExt;
        let file = world.folder.join("keys/sealing.key");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        if world.backend == Backend::Sqlite {
            let mode = std::fs::metadata(world.folder.join("keyward.db")).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        // With another sealing key no signing key opens, and the start fails with that reason.
        std::fs::remove_file(&file).unwrap();
        let Err(said) = world.try_start(&[]) else { panic!("it started with another key file") };
        assert!(said.contains("sealing.key") && said.contains("sealed"), "{said}");
        assert!(!file.exists(), "no sealing key is created if keys are sealed with another one");
        for command in [&["signing-key", "rotate"] as &[&str], &["signing-key", "retire", "--now", &kid]] {
            assert!(world.refused(command).contains("sealing.key"), "{command:?}");
        }
        // A sealing key of another installation would seal keys that no node can open.
        let stranger = EmptyWorld::new(Backend::Sqlite);
        stranger.start().stop();
        std::fs::copy(stranger.folder.join("keys/sealing.key"), &file).unwrap();
        for command in [&["signing-key", "rotate"] as &[&str], &["signing-key", "retire", "--now", &kid]] {
            assert!(world.refused(command).contains("another sealing.key"), "{command:?}");
        }
        let Err(said) = world.try_start(&[]) else { panic!("it started with an unrelated key file") };
        assert!(said.contains(&kid), "{said}");
        world.file("keys/sealing.key", "nonsense");
        assert!(world.try_start(&[]).is_err());
    }
}

on_both_and_serializable! {
    fn retired_keys_are_replaced_and_leaked_ones_revoked_at_once(world: World) {
        let client = world.client_with(&["--introspect"]);
        let settings = ["--jwks-max-age", "1", "--token-ttl", "60"];
        fn command<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
            [&["--jwks-max-age", "1", "--token-ttl", "60"], arguments].concat()
        }
        let node = world.start_with(&settings);
        let token = node.token(&client);
        let first = kid_of(&token);

        // The signing key gets a successor, and stays published.
        world.cli(&command(&["signing-key", "retire", &first]));
        let second = within(Duration::from_secs(8), "the successor", || Some(kid_of(&node.token(&client))).filter(|kid| *kid != first));
        assert!(node.active(&client, &token) && verifies(&node, &token));
        assert!(world.refused(&command(&["signing-key", "retire", &first])).contains("retiring already"));

        // A pending key is deleted, and its predecessor keeps signing.
        let third = world.cli(&command(&["signing-key", "rotate"]))["kid"].as_str().unwrap().to_owned();
        world.cli(&command(&["signing-key", "retire", &third]));
        let row = world.cli(&["signing-key", "list"]);
        let of = |kid: &str| row.as_array().unwrap().iter().find(|row| row["kid"] == kid).unwrap().clone();
        assert_eq!((&of(&third)["state"], &of(&second)["signs_until"]), (&json!("gone"), &Value::Null));

        // A leaked key is rejected at once, and a new one signs at once.
        let leaked = node.token(&client);
        assert_eq!(kid_of(&leaked), second);
        assert!(node.active(&client, &leaked));
        world.cli(&command(&["signing-key", "retire", "--now", &second]));
        within(Duration::from_secs(1), "the end of the leaked key", || (!node.active(&client, &leaked)).then_some(()));
        assert!(!node.kids().contains(&second));
        assert!(node.active(&client, &token), "tokens of the other keys are valid");
        let fresh = node.token(&client);
        assert!(![&first, &second, &third].contains(&&kid_of(&fresh)) && node.active(&client, &fresh));
        assert!(world.refused(&["signing-key", "retire", "nothing"]).contains("no signing key"));
    }

    fn imported_keys_sign(world: World) {
        let settings = ["--jwks-max-age", "0"];
        let node = world.start_with(&settings);
        let mut flags = vec!["--introspect"];
        for algorithm in ["RS256", "ES256", "EdDSA"] {
            world.cli(&["resource", "create", "--identifier", resource_of(algorithm), "--name", "API", "--signing-alg", algorithm]);
            flags.extend(["--resource", resource_of(algorithm)]);
        }
        let client = world.client_with(&flags);
        let kinds = [("RS256", &rcgen::PKCS_RSA_SHA256), ("ES256", &rcgen::PKCS_ECDSA_P256_SHA256), ("EdDSA", &rcgen::PKCS_ED25519)];
        for (algorithm, kind) in kinds {
            let pem = world.file("imported.pem", &rcgen::KeyPair::generate_for(kind).unwrap().serialize_pem());
            let import = [&settings[..], &["signing-key", "import", pem.to_str().unwrap()]].concat();
            let row = world.cli(&import);
            assert_eq!(row["algorithm"], json!(algorithm));
            let kid = row["kid"].as_str().unwrap();
            let token = eventually("the imported key to sign", || {
                let reply = node.token_reply(&client, &[("resource", resource_of(algorithm))]);
                let token = reply.json()["access_token"].as_str().unwrap().to_owned();
                (kid_of(&token) == kid).then_some(token)
            });
            assert_eq!(jwt::header(&token)["alg"], json!(algorithm));
            assert!(verifies(&node, &token) && node.active(&client, &token), "{algorithm}");
            assert!(world.refused(&import).contains("already"));
        }
        each_case([
            ("no key", "hello".to_owned()),
            ("empty", String::new()),
            ("a public key", rcgen::KeyPair::generate().unwrap().public_key_pem()),
            ("a curve that does not sign here", rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap().serialize_pem()),
        ], |(what, pem)| {
            let file = world.file("bad.pem", &pem);
            let said = world.refused(&["signing-key", "import", file.to_str().unwrap()]);
            assert!(!said.is_empty() && !said.contains("PRIVATE"), "{what}: {said}");
        });
        assert!(world.refused(&["signing-key", "import", "/nowhere.pem"]).contains("/nowhere.pem"));
    }
}

fn resource_of(algorithm: &str) -> &'static str {
    match algorithm {
        "RS256" => "urn:rsa",
        "ES256" => "urn:ec",
        _ => "urn:ed",
    }
}

/// Software that reads no JWK Set, such as HAProxy's `jwt_verify`, can use the same key in PEM.
#[test]
fn public_keys_are_shown_in_pem() {
    needs!(Tool::Python);
    let world = World::sqlite();
    let node = world.start_with(&["--jwks-max-age", "0"]);
    let mut flags = Vec::new();
    for algorithm in ["RS256", "ES256", "EdDSA"] {
        let identifier = resource_of(algorithm);
        let create = ["resource", "create", "--name", "API"];
        let options = ["--identifier", identifier, "--signing-alg", algorithm];
        world.cli(&[create, options].concat());
        flags.extend(["--resource", identifier]);
    }
    let client = world.client_with(&flags);
    each_case(["RS256", "ES256", "EdDSA"], |alg| {
        let token = eventually("a token signed with the algorithm", || {
            let reply = node.token_reply(&client, &[("resource", resource_of(alg))]);
            let token = reply.json()["access_token"].as_str().unwrap().to_owned();
            (jwt::header(&token)["alg"] == alg).then_some(token)
        });
        let kid = kid_of(&token);
        let shown = world.cli(&["signing-key", "show", &kid, "--pem"]);
        assert_eq!(
            (&shown["kid"], &shown["jwk"]["kid"], &shown["state"]),
            (&json!(kid), &json!(kid), &json!("signing"))
        );
        assert!(shown["jwk"].get("d").is_none() && !shown.to_string().contains("PRIVATE"));
        let printed = world.run(&["signing-key", "show", &kid, "--pem"]);
        assert_eq!(
            String::from_utf8(printed.stdout).unwrap(),
            shown["pem"].as_str().unwrap(),
            "ready for a file"
        );
        // A library that reads PEM verifies a token with it.
        let verify = "import jwt, sys; jwt.decode(sys.argv[1], sys.argv[2], algorithms=[sys.argv[3]], options={'verify_aud': False})";
        let pem = shown["pem"].as_str().unwrap();
        let mut python = std::process::Command::new(variable("TEST_PYTHON"));
        let output = python
            .args(["-c", verify, &token, pem, alg])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{alg}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    });
    assert!(
        world
            .refused(&["signing-key", "show", "nobody"])
            .contains("nobody")
    );
}

/// A node that answered "retired at once" refuses the key's tokens at once, even if results of
/// database queries that began earlier arrive later.
#[test]
fn a_key_retired_at_once_is_refused_at_once_on_the_same_node() {
    needs!(Tool::Postgres);
    let world = World::new(Backend::Postgres);
    let api = world.resource("urn:api");
    let client = world.client_with(&["--scope", "a", "--resource", "urn:api"]);
    let (proxy, through) = proxied(&world);
    let node = world.start_with(&["--database-url", &through, "--token-records", "off"]);
    let operator = world.manager(&node, &[], "keyward:operator keyward:signing-keys:write");
    proxy.jitter(Duration::from_millis(100));
    for round in 0..10 {
        let (bearer, token) = (node.token(&operator), node.token(&client));
        assert!(node.active(&api, &token));
        let retire = format!("/api/v1/signing-keys/{}/retire", kid_of(&token));
        let reply = node.json("POST", &retire, Some(&bearer), &json!({"now": true}));
        assert_eq!(reply.status, 200, "{}", reply.body);
        assert!(!node.active(&api, &token), "in round {round}");
    }
}
