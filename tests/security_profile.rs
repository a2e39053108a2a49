//! The security profile `fapi2`, for a client and for the whole server. The cases are those of the
//! OpenID Foundation's test plan for the FAPI 2.0 Security Profile with the client credentials grant,
//! `private_key_jwt` and DPoP.

use serde_json::{Value, json};

use crate::client_assertion::{good_claims, header};
use crate::support::dpop::{Prover, changed, hash};
use crate::support::portal::{Browser, person};
use crate::support::{Client, Node, Reply, World, each_case, eventually, jwt};

const API: &str = "https://orders.example/";
const URL: &str = "https://orders.example/orders/1";
const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const API_KEY: &str = "urn:keyward:token-type:api_key";

/// The first ES256 key signs two seconds after its creation.
const FLAGS: [&str; 4] = ["--jwks-max-age", "0", "--trusted-proxies", "127.0.0.1"];

/// A client with a key for its assertions and one for its proofs.
struct KeyClient {
    id: String,
    key: jwt::Pair,
    prover: Prover,
}

impl KeyClient {
    fn new(world: &World, algorithm: &'static str, flags: &[&str]) -> Self {
        let key = jwt::Pair::new(algorithm);
        let mut jwk = key.public_jwk("one");
        // Each name of an algorithm fits a key that names none.
        jwk.as_object_mut().unwrap().remove("alg");
        let jwks = world.file("jwks.json", &json!({"keys": [jwk]}).to_string());
        let fixed = [
            "client",
            "create",
            "--name",
            "Bank",
            "--scope",
            "read",
            "--auth-method",
            "private_key_jwt",
            "--jwks",
            jwks.to_str().unwrap(),
        ];
        let made = world.cli(&[&fixed, flags].concat());
        KeyClient {
            id: made["client_id"].as_str().unwrap().to_owned(),
            key,
            prover: Prover::new("ES256"),
        }
    }

    fn fapi2(world: &World, algorithm: &'static str, flags: &[&str]) -> Self {
        Self::new(world, algorithm, &[flags, &["--profile", "fapi2"]].concat())
    }

    /// An assertion with some members of its header and its claims changed.
    fn assertion(&self, node: &Node, of_header: &Value, of_claims: &Value) -> String {
        let header = changed(header(&self.key), of_header);
        self.key
            .sign(&header, &changed(good_claims(node, &self.id), of_claims))
    }

    /// A token request with this assertion, these further parameters and these proofs.
    fn send(node: &Node, assertion: &str, further: &[(&str, &str)], proofs: &[&str]) -> Reply {
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", TYPE),
            ("client_assertion", assertion),
        ];
        let body = form(&[&fields, further].concat());
        let mut headers = vec![("content-type", "application/x-www-form-urlencoded")];
        headers.extend(proofs.iter().map(|proof| ("dpop", *proof)));
        node.post("/oauth/token", &headers, body.as_bytes())
    }

    /// A token request that the profile allows.
    fn ask(&self, node: &Node) -> Reply {
        let assertion = self.assertion(node, &json!({}), &json!({}));
        Self::send(node, &assertion, &[], &[&self.prover.for_token(node)])
    }

    fn token(&self, node: &Node) -> String {
        let reply = self.ask(node);
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.json()["access_token"].as_str().unwrap().to_owned()
    }
}

fn form(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

/// What `/verify` answers about a request with these headers.
fn verify(node: &Node, headers: &[(&str, &str)]) -> Reply {
    let original = [("x-original-method", "GET"), ("x-original-url", URL)];
    node.get_with("/verify", &[&original, headers].concat())
}

fn reason(node: &Node, reply: &Reply) -> String {
    node.log_of(reply)["error"].as_str().unwrap().to_owned()
}

/// Waits until the audit has a failure with this code.
fn recorded(world: &World, code: &str) {
    let query = format!("SELECT count(*) FROM audit WHERE reason_code = '{code}'");
    eventually(code, || (world.count(&query) > 0).then_some(()));
}

on_both! {
    /// Discovery, a token for each algorithm, its use, and the use of it by another client.
    fn a_client_with_a_key_and_a_proof_gets_a_bound_token(world: World) {
        let api = world.resource(API);
        let flags = ["--resource", API];
        let clients = ["ES256", "PS256", "EdDSA"].map(|algorithm| KeyClient::fapi2(&world, algorithm, &flags));
        let node = world.start_with(&FLAGS);
        // The resource server asks for RS256, which the profile does not allow.
        let token = eventually("a token signed with ES256", || {
            let token = clients[0].token(&node);
            (jwt::header(&token)["alg"] == "ES256").then_some(token)
        });
        for client in &clients {
            let reply = client.ask(&node);
            assert_eq!(reply.status, 200, "{}", reply.body);
            assert_eq!(reply.json()["token_type"], "DPoP");
            let token = reply.json()["access_token"].as_str().unwrap().to_owned();
            assert_eq!(jwt::header(&token)["alg"], "ES256");
            let cnf = json!({"jkt": client.prover.thumbprint()});
            assert_eq!(jwt::claims(&token)["cnf"], cnf);
            let introspected = node.introspect(&api, &token);
            assert_eq!((&introspected["active"], &introspected["cnf"]), (&json!(true), &cnf));
        }
        let named = clients[2].assertion(&node, &json!({"alg": "Ed25519"}), &json!({}));
        assert_eq!(KeyClient::send(&node, &named, &[], &[&clients[2].prover.for_token(&node)]).status, 200);
        // RFC 9110 section 11.1: the name of a scheme is case-insensitive.
        for scheme in ["DPoP", "dpop", "DPOP", "dPoP"] {
            let proof = clients[0].prover.with_token("GET", URL, &token);
            let served = verify(&node, &[("authorization", &format!("{scheme} {token}")), ("DPOP", &proof)]);
            assert_eq!(served.status, 200, "{scheme}: {}", served.body);
        }
        let stolen = clients[1].prover.with_token("GET", URL, &token);
        let refused = verify(&node, &[("authorization", &format!("DPoP {token}")), ("dpop", &stolen)]);
        assert_eq!(refused.status, 401);
        assert!(refused.header("www-authenticate").unwrap().contains("error=\"invalid_token\""));
        assert_eq!(verify(&node, &[("authorization", &format!("Bearer {token}"))]).status, 401);
        // Other clients are as before.
        let other = world.client_with(&["--scope", "read", "--resource", API]);
        assert_eq!(jwt::header(&node.token(&other))["alg"], "RS256");
    }

    fn wrong_assertions_are_refused_with_their_reason(world: World) {
        let client = KeyClient::fapi2(&world, "ES256", &[]);
        let second = KeyClient::fapi2(&world, "ES256", &[]);
        // The key of both algorithms.
        let rsa = KeyClient::fapi2(&world, "RS256", &[]);
        let flags = [&FLAGS[..], &["--assertion-for-token-endpoint", "on"]].concat();
        let node = world.start_with(&flags);
        let now = jwt::now();
        let with = |changes: Value| client.assertion(&node, &json!({}), &changes);
        let audience = "requires the issuer as a string";
        each_case(
            [
                ("RS256", rsa.assertion(&node, &json!({}), &json!({})), "signed with RS256"),
                ("aud in an array", with(json!({"aud": [node.base]})), audience),
                ("two in aud", with(json!({"aud": [node.base, "https://other.example"]})), audience),
                ("the token endpoint", with(json!({"aud": node.url("/oauth/token")})), audience),
                ("another aud", with(json!({"aud": "https://other.example"})), audience),
                ("a slash", with(json!({"aud": format!("{}/", node.base)})), audience),
                ("no aud", with(json!({"aud": null})), "aud"),
                ("no sub", with(json!({"sub": null})), "unknown client"),
                ("no iss", with(json!({"iss": null})), "iss"),
                ("another iss", with(json!({"iss": second.id})), "iss and sub"),
                ("five minutes past its exp", with(json!({"exp": now - 300})), "expired"),
                ("no exp", with(json!({"exp": null})), "exp"),
                ("an iat over a minute ahead", with(json!({"iat": now + 75})), "not valid before"),
                ("an nbf over a minute ahead", with(json!({"nbf": now + 75})), "not valid before"),
                ("of the second client", second.key.sign(&header(&second.key), &good_claims(&node, &client.id)), "signature"),
            ],
            |(what, assertion, expected)| {
                let proof = client.prover.for_token(&node);
                let reply = KeyClient::send(&node, &assertion, &[], &[&proof]);
                assert_eq!((reply.status, &reply.json()["error"]), (401, &json!("invalid_client")), "{what}: {}", reply.body);
                let found = reason(&node, &reply);
                assert!(found.contains(expected), "{what}: {found}");
            },
        );
        each_case(
            [
                json!({"iat": now + 10}),
                json!({"nbf": now + 10, "iat": now + 10}),
                json!({"nbf": now, "exp": now + 300}),
                json!({"iat": null}),
            ],
            |changes| {
                let proof = client.prover.for_token(&node);
                let reply = KeyClient::send(&node, &with(changes.clone()), &[], &[&proof]);
                assert_eq!(reply.status, 200, "{changes}: {}", reply.body);
            },
        );
        // An assertion is for the client that `client_id` names, if it names one.
        let good = || with(json!({}));
        let ask = |client_id: &str| KeyClient::send(&node, &good(), &[("client_id", client_id)], &[&client.prover.for_token(&node)]);
        assert_eq!(ask(&client.id).status, 200);
        ask(&second.id).refused(401, "invalid_client");
        for code in ["profile_algorithm", "profile_audience"] {
            recorded(&world, code);
        }
    }

    fn a_token_without_a_proof_is_refused(world: World) {
        let client = KeyClient::fapi2(&world, "ES256", &[]);
        let node = world.start_with(&FLAGS);
        let assertion = || client.assertion(&node, &json!({}), &json!({}));
        let reply = KeyClient::send(&node, &assertion(), &[], &[]);
        reply.refused(400, "invalid_dpop_proof");
        assert!(reason(&node, &reply).contains("requires a token that is bound"));
        recorded(&world, "profile_unbound");
        let proof = client.prover.for_token(&node);
        KeyClient::send(&node, &assertion(), &[], &[&proof, &client.prover.for_token(&node)]).refused(400, "invalid_dpop_proof");
        assert_eq!(KeyClient::send(&node, &assertion(), &[], &[&proof]).status, 200);
        KeyClient::send(&node, &assertion(), &[], &[&proof]).refused(400, "invalid_dpop_proof");
        // `exp` and `nbf` are no claims of a proof: they are ignored.
        let claims = Prover::claims("POST", &node.url("/oauth/token"));
        let proof = client.prover.sign(&changed(claims, &json!({"nbf": jwt::now() + 3600, "exp": jwt::now() - 3600})));
        assert_eq!(KeyClient::send(&node, &assertion(), &[], &[&proof]).status, 200);
        // Keys that are too short, or on another curve.
        let short = json!({"kty": "RSA", "n": jwt::encode([0xc5; 128]), "e": "AQAB"});
        let p384 = json!({"kty": "EC", "crv": "P-384", "x": jwt::encode([1; 48]), "y": jwt::encode([2; 48])});
        for (algorithm, jwk) in [("PS256", short), ("ES384", p384)] {
            let header = json!({"typ": "dpop+jwt", "alg": algorithm, "jwk": jwk});
            let proof = client.prover.0.sign(&header, &Prover::claims("POST", &node.url("/oauth/token")));
            KeyClient::send(&node, &assertion(), &[], &[&proof]).refused(400, "invalid_dpop_proof");
        }
    }

    /// The plan's wrong proofs at the resource, which for Keyward is `/verify`.
    fn wrong_proofs_are_refused_at_the_resource(world: World) {
        let client = KeyClient::fapi2(&world, "ES256", &[]);
        let node = world.start_with(&FLAGS);
        let token = client.token(&node);
        let prover = &client.prover;
        let now = jwt::now();
        let claims = |changes: Value| {
            let claims = changed(Prover::claims("GET", URL), &json!({"ath": hash(&token)}));
            changed(claims, &changes)
        };
        let signed = |changes: Value| prover.sign(&claims(changes));
        let headed = |changes: Value| prover.0.sign(&changed(prover.header(), &changes), &claims(json!({})));
        let private = changed(prover.header()["jwk"].clone(), &json!({"d": jwt::encode([1; 32])}));
        let rsa = Prover::new("RS256");
        let good = signed(json!({}));
        let unsigned = format!(
            "{}.{}.",
            jwt::encode(changed(prover.header(), &json!({"alg": "none"})).to_string()),
            jwt::encode(claims(json!({})).to_string())
        );
        let forged = format!("{}.{}", good.rsplit_once('.').unwrap().0, jwt::encode([7; 64]));
        let dpop = format!("DPoP {token}");
        each_case(
            [
                ("not a JWT", "abc".to_owned()),
                ("no typ", headed(json!({"typ": null}))),
                ("wrong typ", headed(json!({"typ": "JWT"}))),
                ("no alg", headed(json!({"alg": null}))),
                ("none", unsigned),
                ("RS256", rsa.sign(&claims(json!({})))),
                ("no jwk", headed(json!({"jwk": null}))),
                ("a private key", headed(json!({"jwk": private}))),
                ("a bad signature", forged),
                ("no jti", signed(json!({"jti": null}))),
                ("no htm", signed(json!({"htm": null}))),
                ("no htu", signed(json!({"htu": null}))),
                ("no iat", signed(json!({"iat": null}))),
                ("no ath", signed(json!({"ath": null}))),
                ("wrong htm", signed(json!({"htm": "PUT"}))),
                ("wrong htu", signed(json!({"htu": "https://orders.example/orders/2"}))),
                ("wrong ath", signed(json!({"ath": hash("another")}))),
                ("an hour old", signed(json!({"iat": now - 3600}))),
                ("an hour ahead", signed(json!({"iat": now + 3600}))),
            ],
            |(what, proof)| {
                let reply = verify(&node, &[("authorization", &dpop), ("dpop", &proof)]);
                let challenge = reply.header("www-authenticate").unwrap_or_default();
                assert_eq!(reply.status, 401, "{what}: {}", reply.body);
                assert!(challenge.starts_with("DPoP ") && challenge.contains("error=\"invalid_dpop_proof\""), "{what}: {challenge}");
            },
        );
        each_case(
            [
                json!({}),
                json!({"iat": now - 10}),
                json!({"iat": now + 10}),
                json!({"htu": format!("{URL}?a=b")}),
                json!({"htu": format!("{URL}#part")}),
                json!({"htu": "HTTPS://ORDERS.example:443/orders/1"}),
                json!({"nbf": now + 3600, "exp": now - 3600, "more": {}}),
            ],
            |changes| {
                let reply = verify(&node, &[("authorization", &dpop), ("dpop", &signed(changes.clone()))]);
                assert_eq!(reply.status, 200, "{changes}: {}", reply.body);
            },
        );
        assert_eq!(verify(&node, &[("authorization", &dpop), ("dpop", &good)]).status, 200);
        assert_eq!(verify(&node, &[("authorization", &dpop), ("dpop", &good)]).status, 401, "used twice");
    }

    /// A form without the fields, such as one that a script or an older page sends, does not weaken
    /// the application.
    fn a_form_without_a_field_keeps_what_it_stands_for(world: World) {
        person(&world, "op@keyward.example", "operator", None);
        let keyed = KeyClient::fapi2(&world, "ES256", &[]);
        let node = world.start();
        let browser = Browser::of(&node, "op@keyward.example");
        let action = format!("/portal/applications/{}/edit", keyed.id);
        let profile = || {
            let shown = world.cli(&["client", "show", &keyed.id]);
            (shown["name"].clone(), shown["auth_method"].clone(), shown["profile"].clone())
        };
        assert_eq!(browser.act(&action, &[("name", "Bank 2"), ("scope", "read")]).status, 303);
        assert_eq!(profile(), (json!("Bank 2"), json!("private_key_jwt"), json!("fapi2")));
        assert_eq!(browser.act(&action, &[("name", "Bank 3"), ("scope", "read"), ("profile", "none")]).status, 303);
        assert_eq!(profile(), (json!("Bank 3"), json!("private_key_jwt"), json!("none")));

        let bound = || world.cli(&["client", "show", &keyed.id])["dpop_bound_access_tokens"].clone();
        world.cli(&["client", "update", &keyed.id, "--dpop-bound-access-tokens"]);
        for (fields, expected) in [
            (&[("name", "Bank 4"), ("scope", "read")][..], true),
            (&[("name", "Bank 4"), ("scope", "read"), ("dpop_bound_access_tokens", "")], false),
        ] {
            assert_eq!(browser.act(&action, fields).status, 303);
            assert_eq!(bound(), json!(expected), "{fields:?}");
        }

        let account = world.cli(&["account", "create", "--name", "Limited"])["id"].as_str().unwrap().to_owned();
        world.cli(&["account", "update", "Limited", "--max-clients", "4"]);
        let limit = || world.cli(&["account", "list"]).as_array().unwrap().iter().find(|one| one["id"] == json!(account)).unwrap()["max_clients"].clone();
        // A form that changes nothing is refused.
        for (fields, status, expected) in [(&[][..], 400, json!(4)), (&[("max_clients", "")], 303, Value::Null)] {
            assert_eq!(browser.act(&format!("/portal/accounts/{account}/edit"), fields).status, status, "{fields:?}");
            assert_eq!(limit(), expected, "{fields:?}");
        }

        world.cli(&["resource", "create", "--identifier", API, "--name", "Orders", "--scope", "read", "--token-typ", "JWT", "--signing-alg", "ES256"]);
        assert_eq!(browser.act("/portal/resource-servers/edit", &[("identifier", API)]).status, 303);
        let server = &world.cli(&["resource", "list"])[0];
        assert_eq!((&server["token_typ"], &server["signing_alg"]), (&json!("JWT"), &json!("ES256")));
        assert_eq!((&server["name"], &server["scope"]), (&json!("Orders"), &json!("read")));
    }

    /// By the profile of the server, which a reload sets, no client may use a shared secret.
    fn a_server_with_the_profile_takes_no_shared_secret(world: World) {
        let api = world.resource(API);
        let client = world.client_with(&["--scope", "read", "--resource", API]);
        let workload = world.client("read");
        let keyed = KeyClient::new(&world, "PS256", &["--resource", API]);
        let platform = jwt::Pair::new("ES256");
        let jwks = world.file("platform.json", &json!({"keys": [platform.public_jwk("one")]}).to_string());
        world.cli(&[
            "trust-rule", "create", &workload.id, "--trusted-issuer", "https://platform.example",
            "--jwks", jwks.to_str().unwrap(), "--condition", "sub=job-1",
        ]);
        world.file("keyward.toml", "security_profile = \"none\"\n");
        let node = world.start_with(&FLAGS);
        let unbound = node.token(&client);
        let exchange = |key: &str| {
            node.form("/oauth/token", None, &[("grant_type", EXCHANGE), ("subject_token", key), ("subject_token_type", API_KEY)])
        };
        let platform_jwt = || {
            let claims = json!({
                "iss": "https://platform.example", "sub": "job-1", "aud": node.base,
                "iat": jwt::now(), "exp": jwt::now() + 60, "jti": uuid::Uuid::now_v7().to_string(),
            });
            platform.sign(&header(&platform), &claims)
        };
        let jwt_bearer = || {
            let grant_type = "urn:ietf:params:oauth:grant-type:jwt-bearer";
            node.form("/oauth/token", None, &[("grant_type", grant_type), ("assertion", &platform_jwt())])
        };
        let by_rule = || KeyClient::send(&node, &platform_jwt(), &[("client_id", &workload.id)], &[]);
        assert_eq!(exchange(&client.api_key).status, 200);
        assert_eq!((jwt_bearer().status, by_rule().status), (200, 200));
        assert_eq!(jwt::claims(&keyed.token(&node))["client_id"], keyed.id);

        world.file("keyward.toml", "security_profile = \"fapi2\"\n");
        node.signal("HUP");
        let refused = eventually("the change", || {
            let reply = node.token_reply(&client, &[]);
            (reply.status == 401).then_some(reply)
        });
        refused.refused(401, "invalid_client");
        assert!(reason(&node, &refused).contains("does not allow a client secret"));
        let post = [("grant_type", "client_credentials"), ("client_id", &*client.id), ("client_secret", &*client.secret)];
        node.form("/oauth/token", None, &post).refused(401, "invalid_client");
        node.form("/oauth/introspect", Some(&api.basic()), &[("token", &unbound)]).refused(401, "invalid_client");
        exchange(&client.api_key).refused(400, "invalid_request");
        let bearer = format!("Bearer {}", client.api_key);
        assert_eq!(verify(&node, &[("authorization", &bearer)]).status, 401);
        assert_eq!(node.get_with("/apiKeys", &[("authorization", &bearer)]).status, 401);
        jwt_bearer().refused(400, "invalid_grant");
        by_rule().refused(401, "invalid_client");
        let file = world.file("platform.jwt", &platform_jwt());
        let dry_run = world.run(&["--json", "trust-rule", "test", "--issuer", &node.base, "--token-file", file.to_str().unwrap()]);
        let dry_run: Value = serde_json::from_slice(&dry_run.stdout).unwrap();
        assert_eq!(
            (&dry_run["accepted"], &dry_run["rules"][0]["reason_code"]),
            (&json!(false), &json!("profile_workload"))
        );
        let proofless = KeyClient::send(&node, &keyed.assertion(&node, &json!({}), &json!({})), &[], &[]);
        proofless.refused(400, "invalid_dpop_proof");
        assert_eq!(keyed.ask(&node).json()["token_type"], "DPoP");
        for code in ["profile_secret", "profile_api_key", "profile_workload", "profile_unbound"] {
            recorded(&world, code);
        }

        let metadata = node.get("/.well-known/oauth-authorization-server").json();
        let algorithms = json!(["PS256", "ES256", "EdDSA", "Ed25519"]);
        for (member, expected) in [
            ("token_endpoint_auth_methods_supported", json!(["private_key_jwt"])),
            ("introspection_endpoint_auth_methods_supported", json!(["private_key_jwt"])),
            ("token_endpoint_auth_signing_alg_values_supported", algorithms.clone()),
            ("introspection_signing_alg_values_supported", algorithms),
            ("dpop_signing_alg_values_supported", json!(["ES256", "PS256", "EdDSA", "Ed25519"])),
            ("grant_types_supported", json!(["client_credentials", "urn:ietf:params:oauth:grant-type:jwt-bearer"])),
            ("issuer", json!(node.base)),
        ] {
            assert_eq!(metadata[member], expected, "{member}");
        }
        eventually("a token signed with ES256", || {
            (jwt::header(&keyed.token(&node))["alg"] == "ES256").then_some(())
        });
        // Clients that register themselves need a key.
        let initial = world.cli(&["registration-token", "create", "--scope", "read"]);
        let token = initial["token"].as_str().unwrap();
        let register = |metadata: &Value| node.json("POST", "/oauth/register", Some(token), metadata);
        register(&json!({"client_name": "Secret"})).refused(400, "invalid_client_metadata");
        let key = jwt::Pair::new("ES256").public_jwk("one");
        let keys = json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [key]}});
        assert_eq!(register(&keys).status, 201);
    }

    fn the_profile_is_managed_like_other_properties(world: World) {
        let client = world.client("read");
        let node = world.start_with(&FLAGS);
        let id = client.id.as_str();
        fn updating<'a>(id: &'a str, flags: &[&'a str]) -> Vec<&'a str> {
            [&["client", "update", id], flags].concat()
        }
        let refused = world.refused(&updating(id, &["--profile", "fapi2"]));
        assert!(refused.contains("does not allow the authentication method client_secret_basic"), "{refused}");
        let unknown = world.run(&updating(id, &["--profile", "fapi1"]));
        assert_eq!(unknown.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&unknown.stderr).contains("none, fapi2"));
        let key = jwt::Pair::new("ES256");
        let jwks = world.file("jwks.json", &json!({"keys": [key.public_jwk("one")]}).to_string());
        let with_key = ["--auth-method", "private_key_jwt", "--jwks", jwks.to_str().unwrap()];
        let updated = world.cli(&updating(id, &[&["--profile", "fapi2"], &with_key[..]].concat()));
        assert_eq!(updated["profile"], "fapi2");
        // Its API keys are refused, until the profile is removed.
        let bearer = format!("Bearer {}", client.api_key);
        let status = || verify(&node, &[("authorization", &bearer)]).status;
        eventually("the profile", || (status() == 401).then_some(()));
        let refused = world.refused(&["key", "create", &client.id, "--name", "Another"]);
        assert!(refused.contains("does not allow API keys"), "{refused}");
        assert_eq!(world.cli(&updating(id, &["--profile", "none"]))["profile"], "none");
        eventually("the removal", || (status() == 200).then_some(()));

        let manager = node.token(&world.manager(&node, &[], "keyward:clients:write keyward:clients:read keyward:operator"));
        let keys = json!({"keys": [key.public_jwk("one")]});
        let create = |body: &Value| node.json("POST", "/api/v1/clients", Some(&manager), body);
        let body = json!({"name": "Bank", "auth_method": "private_key_jwt", "jwks": keys, "profile": "fapi2"});
        let made = create(&body);
        assert_eq!(made.status, 201, "{}", made.body);
        let document = made.json();
        assert_eq!((&document["profile"], &document["api_key"]), (&json!("fapi2"), &Value::Null));
        let refused = create(&json!({"name": "Bank", "profile": "fapi2"}));
        assert_eq!((refused.status, &refused.json()["field"]), (400, &json!("auth_method")));
        let path = format!("/api/v1/clients/{}", document["client_id"].as_str().unwrap());
        let patch = |body: &Value| node.json("PATCH", &path, Some(&manager), body);
        assert_eq!(patch(&json!({"auth_method": "client_secret_basic"})).status, 400);
        assert_eq!(patch(&json!({"profile": "unknown"})).status, 400);
        assert_eq!(patch(&json!({"profile": "none"})).json()["profile"], "none");
        assert_eq!(patch(&json!({"profile": "fapi2"})).json()["profile"], "fapi2");
        assert_eq!(patch(&json!({"name": "Bank 2"})).json()["profile"], "fapi2");

        // A client that registered itself can set its profile, and cannot remove it.
        let initial = world.cli(&["registration-token", "create", "--scope", "read"]);
        let metadata = json!({"client_name": "Self", "token_endpoint_auth_method": "private_key_jwt", "jwks": keys, "profile": "fapi2"});
        let registered = node.json("POST", "/oauth/register", initial["token"].as_str(), &metadata);
        assert_eq!(registered.status, 201, "{}", registered.body);
        let document = registered.json();
        assert_eq!(document["profile"], "fapi2");
        let own_id = document["client_id"].as_str().unwrap();
        let access = document["registration_access_token"].as_str();
        let put = |changes: &Value| {
            let body = changed(changed(metadata.clone(), &json!({"client_id": own_id})), changes);
            node.json("PUT", &format!("/oauth/register/{own_id}"), access, &body)
        };
        put(&json!({"profile": "none"})).refused(400, "invalid_client_metadata");
        put(&json!({"token_endpoint_auth_method": "client_secret_basic"})).refused(400, "invalid_client_metadata");
        assert_eq!(put(&json!({"profile": null})).json()["profile"], "fapi2");
        assert_eq!(world.cli(&["client", "update", own_id, "--profile", "none"])["profile"], "none");
        let unrestricted = put(&json!({"profile": null}));
        assert_eq!((unrestricted.status, &unrestricted.json()["profile"]), (200, &Value::Null));
    }
}

/// Tokens that were issued before the client had the profile are still active: they expire soon, and
/// can be revoked.
#[test]
fn earlier_tokens_stay_active() {
    let world = World::sqlite();
    let api = world.resource(API);
    let client = KeyClient::new(&world, "ES256", &["--resource", API]);
    let node = world.start_with(&FLAGS);
    let assertion = client.assertion(&node, &json!({}), &json!({}));
    let reply = KeyClient::send(&node, &assertion, &[], &[]);
    let token = reply.json()["access_token"].as_str().unwrap().to_owned();
    world.cli(&["client", "update", &client.id, "--profile", "fapi2"]);
    eventually("the profile", || {
        let assertion = client.assertion(&node, &json!({}), &json!({}));
        (KeyClient::send(&node, &assertion, &[], &[]).status == 400).then_some(())
    });
    let api: &Client = &api;
    assert!(node.active(api, &token));
    world.cli(&["token", "revoke", "--client", &client.id]);
    eventually("the revocation", || {
        (!node.active(api, &token)).then_some(())
    });
}

/// Beside an ID-JAG the client authenticates itself, so the profile allows it, if the identity provider
/// signs it with one of the algorithms of the profile. A rule for workloads would accept nothing.
#[test]
fn an_id_jag_is_signed_with_an_algorithm_of_the_profile() {
    let world = World::sqlite();
    let bank = KeyClient::fapi2(&world, "ES256", &[]);
    let node = world.start();
    for (algorithm, expected) in [("ES256", 200), ("RS256", 400)] {
        let provider = jwt::Pair::new(algorithm);
        let issuer = format!("https://{}.example", algorithm.to_lowercase());
        let keys = json!({"keys": [provider.public_jwk("one")]});
        let jwks = world.file("provider.json", &keys.to_string());
        let jwks = jwks.to_str().unwrap();
        let create = [
            "trust-rule",
            "create",
            &bank.id,
            "--trusted-issuer",
            &issuer,
        ];
        world.cli(&[&create[..], &["--kind", "id_jag", "--jwks", jwks]].concat());
        let refused =
            world.run(&[&create[..], &["--jwks", jwks, "--condition", "sub=job-1"]].concat());
        let complaint = String::from_utf8(refused.stderr).unwrap();
        assert!(
            complaint.contains("does not allow JWTs of other issuers"),
            "{complaint}"
        );
        let reply = eventually("the rule", || {
            let id_jag = provider.sign(
                &changed(header(&provider), &json!({"typ": "oauth-id-jag+jwt"})),
                &json!({
                    "iss": issuer, "sub": "u1", "aud": node.base, "client_id": bank.id,
                    "iat": jwt::now(), "exp": jwt::now() + 60, "jti": uuid::Uuid::now_v7().to_string(),
                }),
            );
            let body = form(&[
                ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
                ("assertion", &id_jag),
                ("client_assertion_type", TYPE),
                (
                    "client_assertion",
                    &bank.assertion(&node, &json!({}), &json!({})),
                ),
            ]);
            let proof = bank.prover.for_token(&node);
            let headers = [
                ("content-type", "application/x-www-form-urlencoded"),
                ("dpop", &*proof),
            ];
            let reply = node.post("/oauth/token", &headers, body.as_bytes());
            let is_known = reply.status == 200 || !reason(&node, &reply).contains("no trust rule");
            is_known.then_some(reply)
        });
        assert_eq!(reply.status, expected, "{algorithm}: {}", reply.body);
    }
    recorded(&world, "profile_algorithm");
}
