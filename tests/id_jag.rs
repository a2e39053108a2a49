//! ID-JAG (draft-ietf-oauth-identity-assertion-authz-grant): an authenticated client presents what an
//! identity provider says about a user, and gets an access token for the user.

use serde_json::{Value, json};

use crate::support::dpop::{Prover, changed};
use crate::support::{Client, Node, Reply, World, each_case, jwt, within};

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const ISSUER: &str = "https://idp.example";
const SECOND: std::time::Duration = std::time::Duration::from_secs(1);

/// An identity provider whose keys are in the trust rules.
struct IdentityProvider {
    pair: jwt::Pair,
    jwks: String,
}

impl IdentityProvider {
    fn new(world: &World) -> Self {
        let pair = jwt::Pair::new("ES256");
        let keys = json!({"keys": [pair.public_jwk("one")]}).to_string();
        let file = world.file("idp.json", &keys);
        IdentityProvider {
            pair,
            jwks: file.to_str().unwrap().to_owned(),
        }
    }

    fn rule(&self, world: &World, client: &Client, flags: &[&str]) -> String {
        let fixed = ["trust-rule", "create", &client.id, "--kind", "id_jag"];
        let keys = ["--trusted-issuer", ISSUER, "--jwks", &self.jwks];
        let made = world.cli(&[&fixed[..], &keys, flags].concat());
        made["id"].as_str().unwrap().to_owned()
    }

    fn header(&self) -> Value {
        json!({"alg": "ES256", "kid": "one", "typ": "oauth-id-jag+jwt"})
    }

    /// An ID-JAG about the user `00u1`, with some claims changed, and null ones removed.
    fn id_jag(&self, node: &Node, client: &Client, changes: &Value) -> String {
        self.pair
            .sign(&self.header(), &claims(node, client, changes))
    }
}

fn claims(node: &Node, client: &Client, changes: &Value) -> Value {
    let all = json!({
        "iss": ISSUER, "sub": "00u1", "aud": issuer_of(node), "client_id": client.id,
        "jti": uuid::Uuid::now_v7().to_string(), "iat": jwt::now(), "exp": jwt::now() + 300,
    });
    changed(all, changes)
}

/// All nodes of these tests have the issuer of the first one.
fn issuer_of(node: &Node) -> String {
    let document = node.get("/.well-known/oauth-authorization-server").json();
    document["issuer"].as_str().unwrap().to_owned()
}

fn present(node: &Node, client: &Client, id_jag: &str, fields: &[(&str, &str)]) -> Reply {
    let own = [("grant_type", JWT_BEARER), ("assertion", id_jag)];
    let fields = [&own[..], fields].concat();
    node.form("/oauth/token", Some(&client.basic()), &fields)
}

fn present_with_proof(node: &Node, client: &Client, id_jag: &str, proof: &str) -> Reply {
    let fields = [("grant_type", JWT_BEARER), ("assertion", id_jag)];
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    let headers = [
        ("authorization", client.basic()),
        (
            "content-type",
            "application/x-www-form-urlencoded".to_owned(),
        ),
        ("dpop", proof.to_owned()),
    ];
    let headers: Vec<(&str, &str)> = headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    node.post("/oauth/token", &headers, body.as_bytes())
}

fn reason(node: &Node, reply: &Reply) -> String {
    node.log_of(reply)["error"].as_str().unwrap().to_owned()
}

fn token_of(reply: &Reply) -> Value {
    assert_eq!(reply.status, 200, "{}", reply.body);
    jwt::claims(reply.json()["access_token"].as_str().unwrap())
}

on_both! {
    /// The token is for the user at the identity provider, within the limits of the client and of
    /// the ID-JAG, and each ID-JAG is accepted once, on all nodes together.
    fn an_authenticated_client_gets_a_token_for_the_user(world: World) {
        let api = world.resource("urn:api");
        world.resource("urn:files");
        let client = world.client_with(&["--scope", "read pay", "--resource", "urn:api", "--resource", "urn:files"]);
        let flags = ["--issuer", "http://auth.example"];
        let (one, two) = (world.start_with(&flags), world.start_with(&flags));
        let provider = IdentityProvider::new(&world);
        let rule = provider.rule(&world, &client, &[]);
        let shown = world.cli(&["trust-rule", "show", &rule]);
        assert_eq!((&shown["kind"], &shown["single_use"]), (&json!("id_jag"), &json!(true)));
        assert_eq!(shown["conditions"], json!([{"claim": "client_id", "operator": "exact", "value": client.id}]));

        let first = provider.id_jag(&one, &client, &json!({}));
        let reply = within(SECOND, "the rule", || Some(present(&one, &client, &first, &[])).filter(|reply| reply.status == 200));
        let token = token_of(&reply);
        assert_eq!((&token["sub"], &token["client_id"]), (&json!("https://idp.example#00u1"), &json!(client.id)));
        assert_eq!((&token["scope"], &token["aud"]), (&json!("pay read"), &json!(["urn:api", "urn:files"])));
        assert!(reply.json().get("refresh_token").is_none());
        let introspected = one.introspect(&api, reply.json()["access_token"].as_str().unwrap());
        assert_eq!((&introspected["sub"], &introspected["client_id"]), (&token["sub"], &token["client_id"]));
        // Once, on all nodes.
        for node in [&one, &two] {
            let again = present(node, &client, &first, &[]);
            again.refused(400, "invalid_grant");
            assert!(reason(node, &again).contains("has been used before"));
        }
        // The audit names the client, the rule and the user.
        let manager = one.token(&world.client_with(&["--scope", "keyward:audit:read keyward:operator", "--resource", "http://auth.example/api/v1"]));
        let path = format!("/api/v1/audit?action=token.issue&target={}", token["jti"].as_str().unwrap());
        let page = one.json("GET", &path, Some(&manager), &Value::Null).json();
        let entry = &page["items"][0];
        assert_eq!((&entry["actor"], &entry["details"]["trust_rule"]), (&json!(format!("client {}", client.id)), &json!(rule)));
        assert_eq!(entry["details"]["claims"], json!({"client_id": client.id, "sub": "00u1"}));

        // Claims and parameters narrow; neither extends.
        for (changes, fields, expected) in [
            (json!({"scope": "read"}), &[][..], Ok(("read", json!(["urn:api", "urn:files"])))),
            (json!({"scope": "read write"}), &[], Ok(("read", json!(["urn:api", "urn:files"])))),
            (json!({"resource": "urn:files"}), &[], Ok(("pay read", json!("urn:files")))),
            (json!({"resource": ["urn:api", "urn:other"]}), &[], Ok(("pay read", json!("urn:api")))),
            (json!({"scope": "read"}), &[("scope", "read"), ("resource", "urn:api")], Ok(("read", json!("urn:api")))),
            (json!({"scope": "read"}), &[("scope", "pay")], Err("invalid_scope")),
            (json!({"scope": "write"}), &[], Err("invalid_scope")),
            (json!({}), &[("scope", "write")], Err("invalid_scope")),
            (json!({"resource": "urn:api"}), &[("resource", "urn:files")], Err("invalid_target")),
            (json!({"resource": "urn:other"}), &[], Err("invalid_target")),
        ] {
            let reply = present(&one, &client, &provider.id_jag(&one, &client, &changes), fields);
            match expected {
                Ok((scope, audience)) => {
                    let token = token_of(&reply);
                    assert_eq!((&token["scope"], &token["aud"]), (&json!(scope), &audience), "{changes} {fields:?}");
                }
                Err(error) => { reply.refused(400, error); }
            }
        }
        // A disabled rule refuses at once, and enabling it accepts again.
        world.cli(&["trust-rule", "disable", &rule]);
        within(SECOND, "the refusal", || (present(&two, &client, &provider.id_jag(&two, &client, &json!({})), &[]).status == 400).then_some(()));
        world.cli(&["trust-rule", "enable", &rule]);
        within(SECOND, "the rule", || (present(&two, &client, &provider.id_jag(&two, &client, &json!({})), &[]).status == 200).then_some(()));
    }
}

#[test]
fn an_id_jag_is_refused_for_another_client_server_or_purpose() {
    let world = World::sqlite();
    let node = world.start();
    let (client, other) = (world.client("read"), world.client("read"));
    let provider = IdentityProvider::new(&world);
    provider.rule(&world, &client, &["--condition", "email^=ada@"]);
    let email = json!({"email": "ada@acme.example"});
    let sign = |changes: Value| {
        let claims = changed(claims(&node, &client, &email), &changes);
        provider.pair.sign(&provider.header(), &claims)
    };
    within(SECOND, "the rule", || {
        (present(&node, &client, &sign(json!({})), &[]).status == 200).then_some(())
    });
    // The audience as an array of one, as some libraries write it; the type with its prefix.
    let array = sign(json!({"aud": [node.base]}));
    token_of(&present(&node, &client, &array, &[]));
    let mut header = provider.header();
    header["typ"] = json!("application/oauth-id-jag+jwt");
    let prefixed = provider
        .pair
        .sign(&header, &claims(&node, &client, &email.clone()));
    token_of(&present(&node, &client, &prefixed, &[]));

    let endpoint = node.url("/oauth/token");
    each_case(
        [
            (json!({"client_id": other.id}), "client_id of the ID-JAG"),
            (json!({"client_id": null}), "has no client_id"),
            (json!({"sub": null}), "has no sub"),
            (json!({"jti": null}), "has no jti"),
            (json!({"iat": null}), "has no iat"),
            (json!({"exp": null}), "exp"),
            (json!({"exp": jwt::now() - 120}), "expired"),
            (json!({"exp": jwt::now() + 7200}), "is the maximum"),
            (json!({"iat": jwt::now() + 600}), "not valid before"),
            (json!({"aud": endpoint}), "aud of the JWT"),
            (
                json!({"aud": [node.base, "https://other.example"]}),
                "aud of the JWT",
            ),
            (json!({"aud": "https://other.example"}), "aud of the JWT"),
            (
                json!({"iss": "https://other.example"}),
                "no trust rule for the issuer",
            ),
            (json!({"iss": node.base}), "a token that Keyward issued"),
            (
                json!({"email": "eve@acme.example"}),
                "does not meet the condition",
            ),
            (
                json!({"authorization_details": [{"type": "payment"}]}),
                "authorization_details",
            ),
            (json!({"cnf": {"x5t#S256": 7}}), "cnf"),
        ],
        |(changes, why)| {
            let reply = present(&node, &client, &sign(changes.clone()), &[]);
            reply.refused(400, "invalid_grant");
            let said = reason(&node, &reply);
            assert!(said.contains(why), "{changes}: {said}");
        },
    );

    // Another client, with or without a rule of its own, cannot use it.
    let stolen = sign(json!({}));
    present(&node, &other, &stolen, &[]).refused(400, "invalid_grant");
    provider.rule(&world, &other, &[]);
    within(SECOND, "the reason", || {
        let reply = present(&node, &other, &stolen, &[]);
        reply.refused(400, "invalid_grant");
        reason(&node, &reply)
            .contains("client_id of the ID-JAG")
            .then_some(())
    });
    // Nor somebody without the credential of the client.
    let fields = [
        ("grant_type", JWT_BEARER),
        ("assertion", &*stolen),
        ("client_id", &*client.id),
    ];
    node.form("/oauth/token", None, &fields)
        .refused(401, "invalid_client");
    // It is no subject token and no client assertion.
    let fields = [
        ("grant_type", EXCHANGE),
        ("subject_token", &*stolen),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
    ];
    node.form("/oauth/token", None, &fields)
        .refused(400, "invalid_request");
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", BEARER),
        ("client_assertion", &*stolen),
        ("client_id", &*client.id),
    ];
    node.form("/oauth/token", None, &fields)
        .refused(401, "invalid_client");
    // None of these used it up.
    token_of(&present(&node, &client, &stolen, &[]));

    // Another signature: none, a shared secret, another key, a key of its own header.
    let good = claims(&node, &client, &email);
    let unsigned = |alg: &str| {
        let header = json!({"alg": alg, "typ": "oauth-id-jag+jwt"});
        let message = format!(
            "{}.{}",
            jwt::encode(header.to_string()),
            jwt::encode(good.to_string())
        );
        format!("{message}.{}", jwt::encode([7; 32]))
    };
    let forger = jwt::Pair::new("ES256");
    let mut own_key = provider.header();
    own_key["jwk"] = forger.public_jwk("one");
    own_key["jku"] = json!("https://forger.example/keys");
    for (token, why) in [
        (unsigned("none"), "algorithm"),
        (unsigned("HS256"), "algorithm"),
        (forger.sign(&provider.header(), &good), "signature"),
        (forger.sign(&own_key, &good), "signature"),
    ] {
        let reply = present(&node, &client, &token, &[]);
        reply.refused(400, "invalid_grant");
        assert!(reason(&node, &reply).contains(why), "{token}");
    }
    // A JWT without the type is one of a workload, which is sent without client authentication, and
    // a rule for ID-JAGs does not accept it.
    let untyped = provider
        .pair
        .sign(&json!({"alg": "ES256", "kid": "one"}), &good);
    present(&node, &client, &untyped, &[]).refused(400, "invalid_request");
    let fields = [("grant_type", JWT_BEARER), ("assertion", &*untyped)];
    node.form("/oauth/token", None, &fields)
        .refused(400, "invalid_grant");
}

/// An ID-JAG that is bound to a key is only accepted with a proof of that key. The challenge for a
/// nonce does not use the ID-JAG up.
#[test]
fn an_id_jag_that_is_bound_to_a_key_needs_its_proof() {
    let world = World::sqlite();
    let node = world.start();
    let client = world.client("read");
    let provider = IdentityProvider::new(&world);
    provider.rule(&world, &client, &[]);
    let (own, other) = (Prover::new("ES256"), Prover::new("ES256"));
    let bound = || {
        let cnf = json!({"cnf": {"jkt": own.thumbprint()}});
        provider.id_jag(&node, &client, &cnf)
    };
    within(SECOND, "the rule", || {
        let id_jag = provider.id_jag(&node, &client, &json!({}));
        (present(&node, &client, &id_jag, &[]).status == 200).then_some(())
    });
    let id_jag = bound();
    let without = present(&node, &client, &id_jag, &[]);
    without.refused(400, "invalid_grant");
    assert!(reason(&node, &without).contains("bound to a key"));
    present_with_proof(&node, &client, &id_jag, &other.for_token(&node))
        .refused(400, "invalid_grant");
    let reply = present_with_proof(&node, &client, &id_jag, &own.for_token(&node));
    assert_eq!(token_of(&reply)["cnf"]["jkt"], own.thumbprint());
    assert_eq!(reply.json()["token_type"], "DPoP");

    let strict = world.start_with(&["--issuer", &node.base, "--dpop-nonce", "required"]);
    let id_jag = bound();
    let proof = |nonce: Option<&str>| {
        let claims = Prover::claims("POST", &node.url("/oauth/token"));
        own.sign(&changed(claims, &json!({"nonce": nonce})))
    };
    let challenge = present_with_proof(&strict, &client, &id_jag, &proof(None));
    challenge.refused(400, "use_dpop_nonce");
    let nonce = challenge.header("dpop-nonce").unwrap().to_owned();
    token_of(&present_with_proof(
        &strict,
        &client,
        &id_jag,
        &proof(Some(&nonce)),
    ));
    present_with_proof(&strict, &client, &id_jag, &proof(Some(&nonce)))
        .refused(400, "invalid_grant");
}

#[test]
fn the_metadata_announces_id_jags_and_jwt_svids() {
    let world = World::sqlite();
    let node = world.start();
    let document = node.get("/.well-known/oauth-authorization-server").json();
    assert_eq!(
        document["authorization_grant_profiles_supported"],
        json!(["urn:ietf:params:oauth:grant-profile:id-jag"])
    );
    for endpoint in ["token", "introspection", "revocation"] {
        let methods = &document[format!("{endpoint}_endpoint_auth_methods_supported")];
        let methods = methods.as_array().unwrap();
        assert!(methods.contains(&json!("spiffe_jwt")), "{endpoint}");
    }
    // The rules for ID-JAGs that cannot be made.
    let client = world.client("read");
    for (flags, why) in [
        (
            &[
                "--trusted-issuer",
                "spiffe://acme.example",
                "--jwks-uri",
                "https://spire.example/",
            ][..],
            "https URL",
        ),
        (
            &[
                "--trusted-issuer",
                ISSUER,
                "--audience",
                "https://other.example",
            ],
            "audience",
        ),
        (
            &["--trusted-issuer", "https://accounts.google.com"],
            "Too broad",
        ),
        (
            &["--preset", "github-actions", "--repository", "acme/app"],
            "Presets are for workloads",
        ),
    ] {
        let fixed = ["trust-rule", "create", &client.id, "--kind", "id_jag"];
        let said = world.refused(&[&fixed, flags].concat());
        assert!(said.contains(why), "{flags:?}: {said}");
    }
    // Of several uses, if the rule says so.
    let provider = IdentityProvider::new(&world);
    provider.rule(&world, &client, &["--single-use=false"]);
    let id_jag = provider.id_jag(&node, &client, &json!({}));
    within(SECOND, "the rule", || {
        (present(&node, &client, &id_jag, &[]).status == 200).then_some(())
    });
    token_of(&present(&node, &client, &id_jag, &[]));
}
