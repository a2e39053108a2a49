//! Introspection responses as signed JWTs (RFC 9701).

use std::process::Command;

use serde_json::{Value, json};

use crate::signing_keys::verifies;
use crate::support::tools::{Tool, variable};
use crate::support::{Client, Node, Reply, World, each_case, eventually, jwt};

const API: &str = "https://api.example/";
const SIGNED: &str = "application/token-introspection+jwt";

fn introspect(node: &Node, caller: &Client, token: &str, accept: &str) -> Reply {
    let body = form_urlencoded::Serializer::new(String::new())
        .append_pair("token", token)
        .finish();
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("authorization", &caller.basic()),
        ("accept", accept),
    ];
    node.post("/oauth/introspect", &headers, body.as_bytes())
}

/// The signed response, whose header, claims and signature must be those of RFC 9701.
fn signed(node: &Node, caller: &Client, token: &str) -> String {
    let reply = introspect(node, caller, token, SIGNED);
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.header("content-type"), Some(SIGNED));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert_eq!(reply.header("vary"), Some("Accept"));
    let header = jwt::header(&reply.body);
    assert_eq!(header["typ"], "token-introspection+jwt");
    let claims = jwt::claims(&reply.body);
    let names: Vec<&str> = claims
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(names, ["aud", "iat", "iss", "token_introspection"]);
    assert_eq!(claims["iss"], node.base.as_str());
    assert_eq!(claims["aud"], caller.id.as_str());
    assert!((jwt::now() - claims["iat"].as_i64().unwrap()).abs() <= 5);
    reply.body
}

on_both! {
    fn the_response_is_signed_on_request(world: World) {
        let api = world.resource(API);
        let stranger = world.resource("urn:stranger");
        let client = world.client_with(&["--scope", "read", "--resource", API]);
        let node = world.start();
        let token = node.token(&client);
        for presented in [&token, &client.api_key] {
            let response = signed(&node, &api, presented);
            assert_eq!(jwt::claims(&response)["token_introspection"], node.introspect(&api, presented));
            assert_eq!(jwt::claims(&response)["token_introspection"]["active"], true);
            assert_eq!(jwt::header(&response)["alg"], "RS256");
            let set: jsonwebtoken::jwk::JwkSet = serde_json::from_value(node.get("/.well-known/jwks.json").json()).unwrap();
            let key = set.find(jwt::header(&response)["kid"].as_str().unwrap()).unwrap();
            let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
            validation.set_audience(&[&api.id]);
            validation.required_spec_claims.clear();
            validation.validate_exp = false;
            jsonwebtoken::decode::<Value>(&response, &jsonwebtoken::DecodingKey::from_jwk(key).unwrap(), &validation).unwrap();
        }
        // An inactive token is signed too, with nothing about it.
        let inactive = json!({"active": false});
        for (caller, presented) in [(&api, "nonsense"), (&api, &format!("{token}x")), (&stranger, &token)] {
            assert_eq!(jwt::claims(&signed(&node, caller, presented))["token_introspection"], inactive);
        }
        assert_eq!(node.revoke(&client, &token).status, 200);
        assert_eq!(jwt::claims(&signed(&node, &api, &token))["token_introspection"], inactive);

        // Errors are not signed.
        let refused = introspect(&node, &client, &token, SIGNED);
        assert_eq!((refused.status, refused.header("content-type")), (403, Some("application/json")));
        let nobody = Client { id: "nobody".into(), secret: "x".into(), api_key: String::new() };
        assert_eq!(introspect(&node, &nobody, &token, SIGNED).status, 401);
    }

    /// A signed response is no access token, for any part of Keyward.
    fn a_signed_response_is_no_access_token(world: World) {
        let api = world.resource(API);
        let client = world.client_with(&["--scope", "read", "--resource", API]);
        let node = world.start();
        let manager = world.manager(&node, &[], "keyward:clients:read");
        let bearer = node.token(&client);
        let response = signed(&node, &api, &bearer);
        assert_eq!(node.introspect(&api, &response), json!({"active": false}));
        let authorization = format!("Bearer {response}");
        let headers = [("authorization", authorization.as_str())];
        assert_eq!(node.get_with("/verify", &headers).status, 401);
        assert_eq!(node.get_with("/api/v1/clients", &headers).status, 401);
        assert_eq!(node.get_with("/apiKeys", &headers).status, 401);
        assert!(world.run(&["token", "inspect", &response]).stdout.windows(4).all(|part| part != b"true"));
        // Nor with the type of an access token: the header is signed.
        let parts: Vec<&str> = response.split('.').collect();
        for typ in ["at+jwt", "JWT"] {
            let mut header = jwt::header(&response);
            header["typ"] = json!(typ);
            let forged = format!("{}.{}.{}", jwt::encode(header.to_string()), parts[1], parts[2]);
            assert!(!node.active(&api, &forged), "{typ}");
        }
        // Another caller's response about a token with rights carries none of them.
        let other = world.client_with(&["--introspect", "--resource", &node.management()]);
        let about = signed(&node, &other, &node.token(&manager));
        assert_eq!(jwt::claims(&about)["token_introspection"]["active"], true);
        let reply = node.get_with("/api/v1/clients", &[("authorization", &format!("Bearer {about}"))]);
        assert_eq!(reply.status, 401, "{}", reply.body);
    }

    /// A resource server's responses are signed with the algorithm of its tokens.
    fn the_algorithm_is_that_of_the_resource_server(world: World) {
        let node = world.start_with(&["--jwks-max-age", "0"]);
        let api = world.resource(API);
        assert_eq!(jwt::header(&signed(&node, &api, "x"))["alg"], "RS256");
        each_case([("ES256", "ES256"), ("Ed25519", "EdDSA"), ("PS256", "PS256"), ("RS256", "RS256")], |(name, expected)| {
            world.cli(&["resource", "update", API, "--signing-alg", name]);
            let response = eventually(name, || {
                let response = signed(&node, &api, "x");
                (jwt::header(&response)["alg"] == expected).then_some(response)
            });
            let kid = jwt::header(&response)["kid"].as_str().unwrap().to_owned();
            assert!(node.kids().contains(&kid), "{name}");
        });
        let gateway = world.client_with(&["--introspect", "--resource", API]);
        assert_eq!(jwt::header(&signed(&node, &gateway, "x"))["alg"], "RS256", "a client that no resource server owns");
        assert!(verifies(&node, &node.token(&world.client_with(&["--resource", API]))));
    }
}

#[test]
fn the_accept_header_decides() {
    let world = World::sqlite();
    let api = world.resource(API);
    let node = world.start();
    each_case(
        [
            ("*/*", false),
            ("application/json", false),
            ("application/jwt", false),
            (SIGNED, true),
            ("application/token-introspection+jwt;q=0", false),
            (
                "application/json;q=0.5, application/token-introspection+jwt",
                true,
            ),
            (
                "application/json, application/token-introspection+jwt;q=0.5",
                false,
            ),
            ("*/*, application/token-introspection+jwt;q=0.5", false),
        ],
        |(accept, is_signed)| {
            let reply = introspect(&node, &api, "x", accept);
            let expected = if is_signed {
                SIGNED
            } else {
                "application/json"
            };
            assert_eq!(reply.header("content-type"), Some(expected), "{accept}");
            assert_eq!(reply.header("vary"), Some("Accept"), "{accept}");
            assert_eq!(reply.header("cache-control"), Some("no-store"), "{accept}");
        },
    );
    let metadata = node.get("/.well-known/oauth-authorization-server").json();
    assert_eq!(
        metadata["introspection_signing_alg_values_supported"],
        json!(["RS256", "PS256", "ES256", "EdDSA", "Ed25519", "ML-DSA-44"])
    );
    for absent in [
        "introspection_encryption_alg_values_supported",
        "introspection_encryption_enc_values_supported",
    ] {
        assert!(metadata.get(absent).is_none(), "{absent}");
    }
}

/// A resource server that keeps the responses as evidence verifies them with a JWT library.
#[test]
fn pyjwt_verifies_a_signed_response() {
    needs!(Tool::Python);
    let world = World::sqlite();
    let api = world.resource(API);
    let client = world.client_with(&["--scope", "read", "--resource", API]);
    let node = world.start();
    let response = signed(&node, &api, &node.token(&client));
    let script = "import jwt, sys
url, issuer, audience, response = sys.argv[1:]
key = jwt.PyJWKClient(url).get_signing_key_from_jwt(response)
claims = jwt.decode(response, key, algorithms=['RS256'], audience=audience, issuer=issuer)
assert jwt.get_unverified_header(response)['typ'] == 'token-introspection+jwt'
assert claims['token_introspection']['active'] is True, claims
try:
    jwt.decode(response, key, algorithms=['RS256'], audience='https://api.example/', issuer=issuer)
except jwt.InvalidAudienceError:
    sys.exit(0)
raise AssertionError('it passed as a token for the API')";
    let output = Command::new(variable("TEST_PYTHON"))
        .args([
            "-c",
            script,
            &node.url("/.well-known/jwks.json"),
            &node.base,
            &api.id,
            &response,
        ])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}
