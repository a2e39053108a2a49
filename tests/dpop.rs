//! DPoP (RFC 9449): at the token endpoint, in introspection, at `/verify` and at the management API.

use serde_json::{Value, json};

use crate::client_assertion::{good_claims, header};
use crate::support::dpop::{Prover, changed, hash};
use crate::support::{Client, Node, Reply, World, each_case, eventually, jwt};

const API: &str = "https://orders.example/";
const URL: &str = "https://orders.example/orders/1?page=2";
const ALGS: &str = "algs=\"ES256 PS256 EdDSA Ed25519\"";

/// A token request by client credentials with these values of the header `DPoP`.
fn ask(node: &Node, client: &Client, proofs: &[&str]) -> Reply {
    let authorization = client.basic();
    let mut headers = vec![
        ("content-type", "application/x-www-form-urlencoded"),
        ("authorization", authorization.as_str()),
    ];
    headers.extend(proofs.iter().map(|proof| ("DPoP", *proof)));
    node.post("/oauth/token", &headers, b"grant_type=client_credentials")
}

/// A token that is bound to the key of `prover`.
fn bound_token(node: &Node, client: &Client, prover: &Prover) -> String {
    let reply = ask(node, client, &[&prover.for_token(node)]);
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.json()["token_type"], "DPoP");
    reply.json()["access_token"].as_str().unwrap().to_owned()
}

/// What `/verify` answers to a proxy that names the original request as ingress-nginx does.
fn verify(node: &Node, authorization: &str, proofs: &[&str]) -> Reply {
    let original = [("x-original-method", "GET"), ("x-original-url", URL)];
    verify_with(node, authorization, proofs, &original)
}

fn verify_with(
    node: &Node,
    authorization: &str,
    proofs: &[&str],
    original: &[(&str, &str)],
) -> Reply {
    let mut headers = vec![("authorization", authorization)];
    headers.extend(original);
    headers.extend(proofs.iter().map(|proof| ("dpop", *proof)));
    node.get_with("/verify", &headers)
}

/// Asserts a challenge as RFC 9449 section 7.1 defines it.
fn challenged(reply: &Reply, error: &str, context: &str) {
    let challenge = format!("DPoP realm=\"keyward\", error=\"{error}\", {ALGS}");
    assert_eq!(
        (reply.status, reply.header("www-authenticate")),
        (401, Some(challenge.as_str())),
        "{context}: {}",
        reply.body
    );
    assert_eq!(reply.header("cache-control"), Some("no-store"), "{context}");
    assert_eq!(reply.header("x-keyward-client-id"), None, "{context}");
}

on_both! {
    fn a_proof_binds_the_token_to_its_key(world: World) {
        let api = world.resource(API);
        let client = world.client_with(&["--scope", "read", "--resource", API]);
        let node = world.start();
        for algorithm in ["ES256", "PS256", "EdDSA"] {
            let prover = Prover::new(algorithm);
            let reply = ask(&node, &client, &[&prover.for_token(&node)]);
            assert_eq!(reply.status, 200, "{algorithm}: {}", reply.body);
            assert_eq!(reply.json()["token_type"], "DPoP");
            assert_eq!(reply.header("cache-control"), Some("no-store"));
            assert_eq!(reply.header("dpop-nonce"), None, "nonces are off");
            let token = reply.json()["access_token"].as_str().unwrap().to_owned();
            let cnf = json!({"jkt": prover.thumbprint()});
            assert_eq!(jwt::claims(&token)["cnf"], cnf);
            let introspected = node.introspect(&api, &token);
            assert_eq!(
                (&introspected["active"], &introspected["token_type"], &introspected["cnf"]),
                (&json!(true), &json!("DPoP"), &cnf)
            );
            let inspected = world.cli(&["token", "inspect", &token]);
            assert_eq!((&inspected["active"], &inspected["claims"]["cnf"]), (&json!(true), &cnf));
            // By its record, too.
            let jti = jwt::claims(&token)["jti"].as_str().unwrap().to_owned();
            let inspected = world.cli(&["token", "inspect", &jti]);
            assert_eq!((&inspected["active"], &inspected["claims"]["cnf"]), (&json!(true), &cnf));
            let listed = world.cli(&["token", "list", "--client", &client.id]);
            assert_eq!((&listed[0]["jti"], &listed[0]["cnf"]), (&json!(jti), &cnf));
            assert_eq!(node.revoke(&client, &token).status, 200);
            assert!(!node.active(&api, &token));
        }
        // The API key of a client, too.
        let prover = Prover::new("ES256");
        let exchange = |proofs: &[&str]| {
            let body = format!(
                "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&subject_token={}&subject_token_type=urn:keyward:token-type:api_key",
                client.api_key
            );
            let mut headers = vec![("content-type", "application/x-www-form-urlencoded")];
            headers.extend(proofs.iter().map(|proof| ("dpop", *proof)));
            node.post("/oauth/token", &headers, body.as_bytes())
        };
        let reply = exchange(&[&prover.for_token(&node)]);
        assert_eq!((reply.status, &reply.json()["token_type"]), (200, &json!("DPoP")));
        let token = reply.json()["access_token"].as_str().unwrap().to_owned();
        assert_eq!(jwt::claims(&token)["cnf"]["jkt"], prover.thumbprint());
        exchange(&["garbage"]).refused(400, "invalid_dpop_proof");
        // Without a proof, tokens are Bearer tokens as before.
        let plain = node.token(&client);
        assert_eq!(jwt::claims(&plain)["cnf"], Value::Null);
        let listed = world.cli(&["token", "list", "--client", &client.id]);
        assert_eq!(listed[0]["cnf"], Value::Null);
        let introspected = node.introspect(&api, &plain);
        assert_eq!((&introspected["token_type"], &introspected["cnf"]), (&json!("Bearer"), &Value::Null));
    }

    fn a_proof_is_accepted_once_on_all_nodes(world: World) {
        let client = world.client("read");
        let node = world.start_with(&["--trusted-proxies", "127.0.0.1"]);
        let second = world.start_with(&["--issuer", &node.base, "--trusted-proxies", "127.0.0.1"]);
        let prover = Prover::new("ES256");
        let proof = prover.for_token(&node);
        assert_eq!(ask(&node, &client, &[&proof]).status, 200);
        for node in [&node, &second] {
            ask(node, &client, &[&proof]).refused(400, "invalid_dpop_proof");
        }
        // Another client with the same `jti` and another key is not affected.
        let claims = Prover::claims("POST", &node.url("/oauth/token"));
        assert_eq!(ask(&node, &client, &[&prover.sign(&claims)]).status, 200);
        assert_eq!(ask(&second, &client, &[&Prover::new("ES256").sign(&claims)]).status, 200);
        ask(&second, &client, &[&prover.sign(&changed(claims, &json!({"iat": jwt::now() - 1})))]).refused(400, "invalid_dpop_proof");

        // At the resource: of many concurrent uses on two nodes, one succeeds.
        let token = bound_token(&node, &client, &prover);
        let authorization = format!("DPoP {token}");
        let proof = prover.with_token("GET", URL, &token);
        let served: usize = std::thread::scope(|scope| {
            let (nodes, authorization, proof) = ([&node, &second], &authorization, &proof);
            let all: Vec<_> = (0..8)
                .map(|i| scope.spawn(move || usize::from(verify(nodes[i % 2], authorization, &[proof]).status == 200)))
                .collect();
            all.into_iter().map(|one| one.join().unwrap()).sum()
        });
        assert_eq!(served, 1);
        challenged(&verify(&second, &authorization, &[&proof]), "invalid_dpop_proof", "used");
        // Strangers and wrong proofs leave no row.
        let rows = || world.count("SELECT count(*) FROM client_assertions");
        let before = rows();
        let stranger = Client { secret: "wrong".into(), ..client.clone() };
        ask(&node, &stranger, &[&prover.for_token(&node)]).refused(401, "invalid_client");
        let other = Prover::new("ES256").with_token("GET", URL, &token);
        challenged(&verify(&node, &authorization, &[&other]), "invalid_token", "another key");
        assert_eq!(rows(), before);
    }

    fn a_client_can_be_required_to_use_dpop(world: World) {
        let flag = "--dpop-bound-access-tokens";
        let client = world.client_with(&["--scope", "read", flag]);
        let shown = world.cli(&["client", "show", &client.id]);
        assert_eq!(shown["dpop_bound_access_tokens"], true);
        let node = world.start();
        let prover = Prover::new("ES256");
        node.token_reply(&client, &[]).refused(400, "invalid_dpop_proof");
        bound_token(&node, &client, &prover);
        let exchange = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token", &*client.api_key),
            ("subject_token_type", "urn:keyward:token-type:api_key"),
        ];
        node.form("/oauth/token", None, &exchange).refused(400, "invalid_dpop_proof");
        // By the command line and the management API, also back again.
        world.cli(&["client", "update", &client.id, flag, "false"]);
        eventually("the update", || (node.token_reply(&client, &[]).status == 200).then_some(()));
        let manager = node.token(&world.manager(&node, &[], "keyward:clients:write keyward:clients:read keyward:operator"));
        let path = format!("/api/v1/clients/{}", client.id);
        let patch = |bound: bool| node.json("PATCH", &path, Some(&manager), &json!({"dpop_bound_access_tokens": bound}));
        assert_eq!(patch(true).json()["dpop_bound_access_tokens"], true);
        node.token_reply(&client, &[]).refused(400, "invalid_dpop_proof");
        assert_eq!(patch(false).json()["dpop_bound_access_tokens"], false);
        assert_eq!(node.token_reply(&client, &[]).status, 200);
        let made = node.json("POST", "/api/v1/clients", Some(&manager), &json!({"name": "Bound", "dpop_bound_access_tokens": true}));
        assert_eq!((made.status, &made.json()["dpop_bound_access_tokens"]), (201, &json!(true)), "{}", made.body);
        // By dynamic registration.
        let initial = world.cli(&["registration-token", "create", "--scope", "read"]);
        let bearer = initial["token"].as_str().unwrap();
        let metadata = json!({"client_name": "Self", "dpop_bound_access_tokens": true});
        let registered = node.json("POST", "/oauth/register", Some(bearer), &metadata);
        assert_eq!(registered.status, 201, "{}", registered.body);
        let document = registered.json();
        assert_eq!(document["dpop_bound_access_tokens"], true);
        let text = |name: &str| document[name].as_str().unwrap().to_owned();
        let client = Client { id: text("client_id"), secret: text("client_secret"), api_key: String::new() };
        node.token_reply(&client, &[]).refused(400, "invalid_dpop_proof");
        bound_token(&node, &client, &prover);
        let path = format!("/oauth/register/{}", client.id);
        let access = text("registration_access_token");
        let updated = node.json("PUT", &path, Some(&access), &json!({"client_id": client.id, "client_name": "Self"}));
        assert_eq!(updated.json()["dpop_bound_access_tokens"], false, "{}", updated.body);
        assert_eq!(node.token_reply(&client, &[]).status, 200);
    }

    fn the_owner_of_the_client_sees_each_refusal(world: World) {
        let client = world.client_with(&["--scope", "read", "--dpop-bound-access-tokens"]);
        let plain = world.client("read");
        let node = world.start_with(&["--trusted-proxies", "127.0.0.1"]);
        let prover = Prover::new("EdDSA");
        let operator = node.token(&world.manager(&node, &[], "keyward:audit:read keyward:operator"));
        let token = bound_token(&node, &client, &prover);
        let unbound = node.token(&plain);
        let dpop = format!("DPoP {token}");

        node.token_reply(&client, &[]);
        ask(&node, &client, &["a", "b"]);
        ask(&node, &client, &["garbage"]);
        let used = prover.for_token(&node);
        assert_eq!(ask(&node, &client, &[&used]).status, 200);
        ask(&node, &client, &[&used]);
        ask(&node, &client, &[&prover.sign(&Prover::claims("POST", "https://other.example/token"))]);
        verify(&node, &format!("Bearer {token}"), &[]);
        verify(&node, &format!("DPoP {unbound}"), &[&prover.with_token("GET", URL, &unbound)]);
        verify(&node, &dpop, &[&Prover::new("EdDSA").with_token("GET", URL, &token)]);
        verify(&node, &dpop, &[&prover.with_token("POST", URL, &token)]);
        verify_with(&node, &dpop, &[&prover.with_token("GET", URL, &token)], &[]);
        verify(&node, &dpop, &[&prover.sign(&Prover::claims("GET", URL))]);
        let jti = jwt::claims(&token)["jti"].clone();
        let expected = [
            ("token.refused", json!(client.id), "dpop_missing", json!(null)),
            ("token.refused", json!(client.id), "dpop_header", json!(null)),
            ("token.refused", json!(client.id), "dpop_not_a_jwt", json!({"detail": "it does not have three parts"})),
            ("token.refused", json!(client.id), "dpop_used", json!(null)),
            (
                "token.refused",
                json!(client.id),
                "dpop_wrong_url",
                json!({"given": "https://other.example/token", "expected": node.url("/oauth/token")}),
            ),
            ("authentication.failure", jti.clone(), "token_without_proof", json!(null)),
            ("authentication.failure", jwt::claims(&unbound)["jti"].clone(), "token_not_bound", json!(null)),
            ("authentication.failure", jti.clone(), "dpop_wrong_key", json!(null)),
            ("authentication.failure", jti.clone(), "dpop_wrong_method", json!({"given": "POST", "expected": "GET"})),
            (
                "authentication.failure",
                jti.clone(),
                "dpop_unknown_request",
                json!({"missing": "it does not send X-Original-Method or X-Forwarded-Method"}),
            ),
            ("authentication.failure", jti, "dpop_wrong_access_token", json!(null)),
        ]
        .map(|(action, target, code, parameters)| json!([action, target, code, parameters]));
        eventually("the refusals in the audit", || {
            let page = node.json("GET", "/api/v1/audit?limit=200", Some(&operator), &Value::Null).json();
            let entries = page["items"].as_array()?.iter().rev().filter(|entry| !entry["reason_code"].is_null());
            let entry = |entry: &Value| json!([entry["action"], entry["target"], entry["reason_code"], entry["reason_parameters"]]);
            (entries.map(entry).collect::<Vec<_>>() == expected).then_some(())
        });
    }
}

#[test]
fn wrong_proofs_are_refused_at_the_token_endpoint() {
    let world = World::sqlite();
    let client = world.client("read");
    let node = world.start();
    let prover = Prover::new("ES256");
    let endpoint = node.url("/oauth/token");
    let claims =
        |changes: Value| prover.sign(&changed(Prover::claims("POST", &endpoint), &changes));
    let header = |changes: Value| {
        let header = changed(prover.header(), &changes);
        prover.0.sign(&header, &Prover::claims("POST", &endpoint))
    };
    let own = prover.header()["jwk"].clone();
    let rsa = Prover::new("RS256");
    let unsigned = format!(
        "{}.{}.",
        jwt::encode(changed(prover.header(), &json!({"alg": "none"})).to_string()),
        jwt::encode(Prover::claims("POST", &endpoint).to_string())
    );
    let good = claims(json!({}));
    let forged = format!(
        "{}.{}",
        good.rsplit_once('.').unwrap().0,
        jwt::encode([7; 64])
    );
    let now = jwt::now();
    each_case(
        [
            ("empty", String::new()),
            ("garbage", "garbage".to_owned()),
            ("not a JWS", "a.b.c".to_owned()),
            ("too long", "x".repeat(9000)),
            ("no typ", header(json!({"typ": null}))),
            ("wrong typ", header(json!({"typ": "JWT"}))),
            ("no alg", header(json!({"alg": null}))),
            ("none", unsigned),
            ("RS256", rsa.for_token(&node)),
            ("HS256", header(json!({"alg": "HS256"}))),
            ("critical", header(json!({"crit": ["b64"]}))),
            ("no jwk", header(json!({"jwk": null}))),
            (
                "a private key",
                header(json!({"jwk": changed(own, &json!({"d": jwt::encode([1; 32])}))})),
            ),
            (
                "another key",
                header(json!({"jwk": Prover::new("ES256").header()["jwk"]})),
            ),
            ("a forged signature", forged),
            ("no jti", claims(json!({"jti": null}))),
            ("no htm", claims(json!({"htm": null}))),
            ("no htu", claims(json!({"htu": null}))),
            ("no iat", claims(json!({"iat": null}))),
            ("wrong htm", claims(json!({"htm": "GET"}))),
            (
                "wrong htu",
                claims(json!({"htu": node.url("/oauth/revoke")})),
            ),
            ("an hour old", claims(json!({"iat": now - 3600}))),
            ("an hour ahead", claims(json!({"iat": now + 3600}))),
        ],
        |(what, proof)| {
            let reply = ask(&node, &client, &[&proof]);
            assert_eq!(reply.status, 400, "{what}: {}", reply.body);
            reply.refused(400, "invalid_dpop_proof");
            assert_eq!(reply.header("www-authenticate"), None, "{what}");
        },
    );
    ask(&node, &client, &[&good, &good]).refused(400, "invalid_dpop_proof");
    let issuer = &node.base;
    let scheme = issuer.replace("http://", "HTTP://");
    each_case(
        [
            ("with a query", json!({"htu": format!("{endpoint}?a=b#c")})),
            (
                "the scheme in upper case",
                json!({"htu": format!("{scheme}/oauth/token")}),
            ),
            (
                "percent-encoded",
                json!({"htu": format!("{issuer}/%6Fauth/./token")}),
            ),
            ("ten seconds old", json!({"iat": now - 10})),
            ("ten seconds ahead", json!({"iat": now + 10})),
            (
                "unknown members",
                json!({"exp": 1, "nbf": now + 1000, "else": []}),
            ),
            ("an ath", json!({"ath": "any"})),
        ],
        |(what, changes)| {
            let reply = ask(&node, &client, &[&claims(changes)]);
            assert_eq!(reply.status, 200, "{what}: {}", reply.body);
        },
    );
    let metadata = node.get("/.well-known/oauth-authorization-server").json();
    assert_eq!(
        metadata["dpop_signing_alg_values_supported"],
        json!(["ES256", "PS256", "EdDSA", "Ed25519"])
    );
    assert!(!node.logs().contains(&good), "a proof in the log");
}

#[test]
fn a_bound_token_passes_verify_with_its_proof_alone() {
    let world = World::sqlite();
    world.resource(API);
    let client = world.client_with(&["--scope", "read", "--resource", API]);
    let node = world.start_with(&["--trusted-proxies", "127.0.0.1"]);
    let prover = Prover::new("ES256");
    let token = bound_token(&node, &client, &prover);
    let dpop = format!("DPoP {token}");
    let claims = |changes: Value| {
        let claims = changed(Prover::claims("GET", URL), &json!({"ath": hash(&token)}));
        prover.sign(&changed(claims, &changes))
    };
    let fresh = || claims(json!({}));
    each_case(
        [
            ("as it is", dpop.clone(), fresh()),
            ("the scheme in lower case", format!("dpop {token}"), fresh()),
            (
                "without the query",
                dpop.clone(),
                claims(json!({"htu": "https://orders.example/orders/1"})),
            ),
            (
                "equivalent",
                dpop.clone(),
                claims(json!({"htu": "HTTPS://Orders.Example:443/./%6frders/1"})),
            ),
            (
                "unknown members",
                dpop.clone(),
                claims(json!({"exp": 1, "else": {}})),
            ),
        ],
        |(what, authorization, proof)| {
            let reply = verify(&node, &authorization, &[&proof]);
            assert_eq!(reply.status, 200, "{what}: {}", reply.body);
            assert_eq!(
                reply.header("x-keyward-client-id"),
                Some(client.id.as_str())
            );
        },
    );
    let now = jwt::now();
    let other = Prover::new("ES256");
    each_case(
        [
            ("no proof", vec![], "invalid_dpop_proof"),
            ("two proofs", vec![fresh(), fresh()], "invalid_dpop_proof"),
            ("garbage", vec!["garbage".to_owned()], "invalid_dpop_proof"),
            (
                "no ath",
                vec![claims(json!({"ath": null}))],
                "invalid_dpop_proof",
            ),
            (
                "wrong ath",
                vec![claims(json!({"ath": hash("x")}))],
                "invalid_dpop_proof",
            ),
            (
                "wrong htm",
                vec![claims(json!({"htm": "POST"}))],
                "invalid_dpop_proof",
            ),
            (
                "wrong htu",
                vec![claims(json!({"htu": "https://orders.example/orders/2"}))],
                "invalid_dpop_proof",
            ),
            (
                "an hour old",
                vec![claims(json!({"iat": now - 3600}))],
                "invalid_dpop_proof",
            ),
            (
                "another key",
                vec![other.with_token("GET", URL, &token)],
                "invalid_token",
            ),
        ],
        |(what, proofs, error)| {
            let proofs: Vec<&str> = proofs.iter().map(String::as_str).collect();
            challenged(&verify(&node, &dpop, &proofs), error, what);
        },
    );
    challenged(
        &verify(&node, &format!("Bearer {token}"), &[]),
        "invalid_token",
        "as Bearer",
    );
    challenged(
        &verify(&node, &format!("Bearer {token}"), &[&fresh()]),
        "invalid_token",
        "as Bearer with a proof",
    );
    let unbound = node.token(&client);
    let proof = prover.with_token("GET", URL, &unbound);
    challenged(
        &verify(&node, &format!("DPoP {unbound}"), &[&proof]),
        "invalid_token",
        "not bound",
    );
    let key = &client.api_key;
    let proof = prover.with_token("GET", URL, key);
    challenged(
        &verify(&node, &format!("DPoP {key}"), &[&proof]),
        "invalid_token",
        "an API key",
    );
    challenged(
        &verify(&node, "DPoP nonsense", &[&fresh()]),
        "invalid_token",
        "no token",
    );
    assert_eq!(verify(&node, &format!("Bearer {unbound}"), &[]).status, 200);
    let insufficient = node.get_with(
        "/verify?scope=write",
        &[
            ("authorization", &dpop),
            ("dpop", &fresh()),
            ("x-original-method", "GET"),
            ("x-original-url", URL),
        ],
    );
    assert_eq!(
        (insufficient.status, insufficient.header("www-authenticate")),
        (
            403,
            Some(&*format!(
                "DPoP realm=\"keyward\", error=\"insufficient_scope\", scope=\"write\", {ALGS}"
            ))
        )
    );
    assert_eq!(node.revoke(&client, &token).status, 200);
    challenged(
        &verify(&node, &dpop, &[&fresh()]),
        "invalid_token",
        "revoked",
    );
}

#[test]
fn the_proxy_names_the_request_that_the_proof_is_for() {
    let world = World::sqlite();
    let client = world.client("read");
    let node = world.start_with(&["--trusted-proxies", "127.0.0.1"]);
    let prover = Prover::new("ES256");
    let token = bound_token(&node, &client, &prover);
    let dpop = format!("DPoP {token}");
    let fresh = || prover.with_token("GET", URL, &token);
    let method = ("x-forwarded-method", "GET");
    let proto = ("x-forwarded-proto", "https");
    let host = ("x-forwarded-host", "orders.example");
    let uri = ("x-forwarded-uri", "/orders/1?page=2");
    let traefik = [method, proto, host, uri];
    let nginx = [("x-original-method", "GET"), ("x-original-url", URL)];
    each_case(
        [&traefik[..], &nginx, &[&traefik[..], &nginx].concat()],
        |headers| {
            let reply = verify_with(&node, &dpop, &[&fresh()], headers);
            assert_eq!(reply.status, 200, "{headers:?}: {}", reply.body);
        },
    );
    // A client that adds the headers of another kind of proxy gains nothing.
    let stolen = prover.with_token("GET", "https://other.example/", &token);
    each_case(
        [
            &[][..],
            &traefik[1..],
            &traefik[..3],
            &[
                &traefik[..],
                &[("x-original-url", "https://other.example/")],
            ]
            .concat(),
            &[&traefik[..], &[("x-original-method", "POST")]].concat(),
            &[
                &nginx[..],
                &[
                    ("x-forwarded-host", "other.example"),
                    ("x-forwarded-uri", "/"),
                ],
            ]
            .concat(),
        ],
        |headers| {
            let reply = verify_with(&node, &dpop, &[&stolen], headers);
            challenged(&reply, "invalid_dpop_proof", &format!("{headers:?}"));
            let reply = verify_with(&node, &dpop, &[&fresh()], headers);
            challenged(&reply, "invalid_dpop_proof", &format!("{headers:?}"));
        },
    );
    let untrusting = world.start_with(&["--issuer", &node.base]);
    let reply = verify(&untrusting, &dpop, &[&fresh()]);
    challenged(&reply, "invalid_dpop_proof", "not from a trusted proxy");
    let reason = untrusting.log_of(&reply)["error"].to_string();
    assert!(reason.contains("trusted_proxies"), "{reason}");
}

#[test]
fn the_management_api_takes_bound_tokens() {
    let world = World::sqlite();
    let node = world.start();
    let manager = world.manager(&node, &[], "keyward:clients:read keyward:operator");
    let prover = Prover::new("EdDSA");
    let token = bound_token(&node, &manager, &prover);
    let get = |path: &str, authorization: &str, proof: &str| {
        node.get_with(path, &[("authorization", authorization), ("DPoP", proof)])
    };
    let dpop = format!("DPoP {token}");
    let url = node.url("/api/v1/clients");
    let fresh = || prover.with_token("GET", &url, &token);
    assert_eq!(get("/api/v1/clients?limit=1", &dpop, &fresh()).status, 200);
    let used = fresh();
    assert_eq!(get("/api/v1/clients", &dpop, &used).status, 200);
    for (what, reply, error) in [
        (
            "used",
            get("/api/v1/clients", &dpop, &used),
            "invalid_dpop_proof",
        ),
        (
            "another path",
            get("/api/v1/accounts", &dpop, &fresh()),
            "invalid_dpop_proof",
        ),
        (
            "another method",
            get(
                "/api/v1/clients",
                &dpop,
                &prover.with_token("POST", &url, &token),
            ),
            "invalid_dpop_proof",
        ),
        (
            "as Bearer",
            get("/api/v1/clients", &format!("Bearer {token}"), &fresh()),
            "invalid_token",
        ),
    ] {
        challenged(&reply, error, what);
        assert_eq!(reply.json()["code"], error, "{what}");
    }
    let plain = node.token(&manager);
    let proof = prover.with_token("GET", &url, &plain);
    challenged(
        &get("/api/v1/clients", &format!("DPoP {plain}"), &proof),
        "invalid_token",
        "not bound",
    );
    assert_eq!(
        node.json("GET", "/api/v1/clients", Some(&plain), &Value::Null)
            .status,
        200
    );
}

on_both! {
    fn a_required_nonce_is_valid_on_all_nodes(world: World) {
        let client = world.client("read");
        let flags = ["--trusted-proxies", "127.0.0.1", "--dpop-nonce", "required"];
        let node = world.start_with(&flags);
        let second = world.start_with(&[&flags[..], &["--issuer", &node.base]].concat());
        let prover = Prover::new("ES256");
        let endpoint = node.url("/oauth/token");
        let with = |changes: Value| prover.sign(&changed(Prover::claims("POST", &endpoint), &changes));
        let challenge = |reply: &Reply| {
            assert_eq!(reply.header("cache-control"), Some("no-store"));
            reply.header("dpop-nonce").expect("a nonce").to_owned()
        };
        let asked = ask(&node, &client, &[&with(json!({}))]);
        asked.refused(400, "use_dpop_nonce");
        let nonce = challenge(&asked);
        let wrong = ask(&node, &client, &[&with(json!({"nonce": "wrong"}))]);
        wrong.refused(400, "use_dpop_nonce");
        challenge(&wrong);
        let proof = with(json!({"nonce": nonce}));
        let served = ask(&second, &client, &[&proof]);
        assert_eq!(served.status, 200, "{}", served.body);
        if let Some(next) = served.header("dpop-nonce") {
            assert_ne!(next, nonce, "only a newer nonce is offered");
        }
        ask(&node, &client, &[&proof]).refused(400, "invalid_dpop_proof");
        // A client whose clock is wrong.
        let late = jwt::now() - 1200;
        assert_eq!(ask(&node, &client, &[&with(json!({"nonce": nonce, "iat": late}))]).status, 200);
        let very_late = jwt::now() - 3600;
        ask(&node, &client, &[&with(json!({"nonce": nonce, "iat": very_late}))]).refused(400, "invalid_dpop_proof");
        // Without DPoP nothing changes, and strangers get no nonce.
        assert_eq!(node.token_reply(&client, &[]).status, 200);
        let stranger = Client { secret: "wrong".into(), ..client.clone() };
        let refused = ask(&node, &stranger, &[&with(json!({}))]);
        refused.refused(401, "invalid_client");
        assert_eq!(refused.header("dpop-nonce"), None);

        let token = ask(&node, &client, &[&with(json!({"nonce": nonce}))]).json()["access_token"].as_str().unwrap().to_owned();
        let dpop = format!("DPoP {token}");
        let asked = verify(&second, &dpop, &[&prover.with_token("GET", URL, &token)]);
        challenged(&asked, "use_dpop_nonce", "without a nonce");
        let nonce = challenge(&asked);
        let claims = changed(Prover::claims("GET", URL), &json!({"ath": hash(&token), "nonce": nonce}));
        assert_eq!(verify(&node, &dpop, &[&prover.sign(&claims)]).status, 200);
        // Libraries repeat the request with the same client assertion, which is not used up yet.
        let key = jwt::Pair::new("ES256");
        let jwks = world.file("jwks.json", &json!({"keys": [key.public_jwk("one")]}).to_string());
        let keyed = world.client_with(&["--scope", "read", "--auth-method", "private_key_jwt", "--jwks", jwks.to_str().unwrap()]);
        let (header, claims) = (header(&key), good_claims(&node, &keyed.id));
        let assertion = key.sign(&header, &claims);
        let with_assertion = |proof: &str| {
            let body = format!(
                "grant_type=client_credentials&client_assertion_type={}&client_assertion={assertion}",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
            );
            let headers = [("content-type", "application/x-www-form-urlencoded"), ("dpop", proof)];
            node.post("/oauth/token", &headers, body.as_bytes())
        };
        let asked = with_assertion(&with(json!({})));
        asked.refused(400, "use_dpop_nonce");
        let nonce = challenge(&asked);
        assert_eq!(with_assertion(&with(json!({"nonce": nonce}))).status, 200);
        with_assertion(&with(json!({"nonce": nonce}))).refused(401, "invalid_client");
        // Asking for a nonce is no failure.
        let failures = "SELECT count(*) FROM audit WHERE reason_code = 'dpop_nonce'";
        assert_eq!(world.count(failures), 0);
    }
}

#[test]
fn a_reload_turns_nonces_on() {
    let world = World::sqlite();
    let client = world.client("read");
    world.file("keyward.toml", "dpop_nonce = \"off\"\n");
    let node = world.start();
    let prover = Prover::new("ES256");
    bound_token(&node, &client, &prover);
    world.file("keyward.toml", "dpop_nonce = \"required\"\n");
    node.signal("HUP");
    let nonce = eventually("the change", || {
        let reply = ask(&node, &client, &[&prover.for_token(&node)]);
        reply.header("dpop-nonce").map(str::to_owned)
    });
    let claims = Prover::claims("POST", &node.url("/oauth/token"));
    let proof = prover.sign(&changed(claims, &json!({"nonce": nonce})));
    assert_eq!(ask(&node, &client, &[&proof]).status, 200);
}
