//! Workload identity: JWTs of other issuers that act as a client by a trust rule, shaped as each
//! platform shapes them.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::dpop::changed;
use crate::support::key_server::{Answer, KeyServer};
use crate::support::{Client, Node, Reply, World, documented, each_case, eventually, jwt, within};

const BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const SPIFFE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
const SECOND: Duration = Duration::from_secs(1);

/// An issuer whose keys are in its rules.
struct Platform {
    issuer: &'static str,
    pair: jwt::Pair,
    jwks: String,
}

impl Platform {
    fn new(world: &World, name: &str, issuer: &'static str, algorithm: &'static str) -> Self {
        let pair = jwt::Pair::new(algorithm);
        let keys = json!({"keys": [pair.public_jwk("one")]}).to_string();
        let file = world.file(&format!("{name}.json"), &keys);
        Platform {
            issuer,
            pair,
            jwks: file.to_str().unwrap().to_owned(),
        }
    }

    /// A JWT with these claims beside `iss`, `iat` and `exp`.
    fn sign(&self, claims: &Value) -> String {
        let mut all = json!({"iss": self.issuer, "iat": jwt::now(), "exp": jwt::now() + 300});
        all.as_object_mut()
            .unwrap()
            .extend(claims.as_object().unwrap().clone());
        let header = json!({"alg": self.pair.algorithm(), "kid": "one", "typ": "JWT"});
        self.pair.sign(&header, &all)
    }

    /// A rule for the client, with the keys of this platform.
    fn rule(&self, world: &World, client: &Client, flags: &[&str]) -> String {
        let fixed = [
            "trust-rule",
            "create",
            &client.id,
            "--trusted-issuer",
            self.issuer,
            "--jwks",
            &self.jwks,
        ];
        rule(world, &[&fixed, flags].concat())
    }
}

fn rule(world: &World, arguments: &[&str]) -> String {
    world.cli(arguments)["id"].as_str().unwrap().to_owned()
}

fn assertion(node: &Node, client_id: Option<&str>, kind: &str, jwt: &str) -> Reply {
    let mut fields = vec![
        ("grant_type", "client_credentials"),
        ("client_assertion_type", kind),
        ("client_assertion", jwt),
    ];
    fields.extend(client_id.map(|id| ("client_id", id)));
    node.form("/oauth/token", None, &fields)
}

fn grant(node: &Node, jwt: &str, fields: &[(&str, &str)]) -> Reply {
    let own = [("grant_type", JWT_BEARER), ("assertion", jwt)];
    node.form("/oauth/token", None, &[&own, fields].concat())
}

fn exchange(node: &Node, jwt: &str, kind: &str) -> Reply {
    let fields = [
        ("grant_type", EXCHANGE),
        ("subject_token", jwt),
        ("subject_token_type", kind),
    ];
    node.form("/oauth/token", None, &fields)
}

fn reason(node: &Node, reply: &Reply) -> String {
    node.log_of(reply)["error"].as_str().unwrap().to_owned()
}

fn client_of(reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{}", reply.body);
    let token = reply.json()["access_token"].as_str().unwrap().to_owned();
    jwt::claims(&token)["client_id"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// The claims of GitHub Actions, for a job of the branch main.
fn github_claims(audience: &str) -> Value {
    json!({
        "aud": audience, "jti": uuid::Uuid::now_v7().to_string(), "nbf": jwt::now(),
        "sub": "repo:acme/app:ref:refs/heads/main", "repository": "acme/app",
        "repository_id": "7", "repository_owner": "acme", "repository_owner_id": "1",
        "ref": "refs/heads/main", "ref_type": "branch", "event_name": "push", "run_id": "42",
        "job_workflow_ref": "acme/app/.github/workflows/deploy.yml@refs/heads/main",
    })
}

const GITHUB: &str = "https://token.actions.githubusercontent.com";
const CLUSTER: &str = "https://kubernetes.default.svc.cluster.local";

on_both! {
    /// The same rule and the same checks for the three kinds of requests.
    fn three_requests_reach_the_same_rule(world: World) {
        let api = world.resource("urn:api");
        let client = world.client_with(&["--scope", "read pay", "--resource", "urn:api"]);
        let node = world.start();
        let github = Platform::new(&world, "github", GITHUB, "RS256");
        let id = github.rule(&world, &client, &["--preset", "github-actions", "--repository", "acme/app", "--ref", "main"]);
        let token = github.sign(&github_claims(&node.base));
        for reply in [
            assertion(&node, Some(&client.id), BEARER, &token),
            grant(&node, &token, &[]),
            grant(&node, &token, &[("client_id", &client.id)]),
            exchange(&node, &token, JWT),
            exchange(&node, &token, ID_TOKEN),
        ] {
            assert_eq!(client_of(&reply), client.id);
            let answer = reply.json();
            assert_eq!((&answer["scope"], &answer["token_type"]), (&json!("pay read"), &json!("Bearer")));
            assert!(node.active(&api, answer["access_token"].as_str().unwrap()));
        }
        // RFC 8693 section 2.2.1.
        assert_eq!(exchange(&node, &token, JWT).json()["issued_token_type"], "urn:ietf:params:oauth:token-type:access_token");
        // Scope and resources are limited as for the client itself.
        assert_eq!(grant(&node, &token, &[("scope", "read")]).json()["scope"], "read");
        grant(&node, &token, &[("scope", "write")]).refused(400, "invalid_scope");
        grant(&node, &token, &[("resource", "urn:other")]).refused(400, "invalid_target");
        // The token endpoint is an audience of grants, and not of client authentication (rfc7523bis).
        let to_endpoint = github.sign(&github_claims(&node.url("/oauth/token")));
        assert_eq!(client_of(&grant(&node, &to_endpoint, &[])), client.id);
        assertion(&node, Some(&client.id), BEARER, &to_endpoint).refused(401, "invalid_client");
        // A client that is reached by trust rules needs no secret.
        for secret in world.cli(&["secret", "list", &client.id]).as_array().unwrap() {
            world.cli(&["secret", "delete", &client.id, secret["id"].as_str().unwrap()]);
        }
        within(SECOND, "the end of the secret", || (node.token_reply(&client, &[]).status == 401).then_some(()));
        let reply = grant(&node, &token, &[]);
        assert_eq!(client_of(&reply), client.id);

        // The audit names the rule and the claims that mattered, and no token.
        let jti = jwt::claims(reply.json()["access_token"].as_str().unwrap())["jti"].as_str().unwrap().to_owned();
        let operator = node.token(&world.manager(&node, &[], "keyward:audit:read keyward:operator"));
        let page = node.json("GET", &format!("/api/v1/audit?action=token.issue&target={jti}"), Some(&operator), &Value::Null).json();
        let entry = &page["items"][0];
        assert_eq!(entry["actor"], format!("trust rule {id}"));
        assert_eq!(
            entry["details"],
            json!({
                "client_id": client.id, "trust_rule": id, "issuer": GITHUB,
                "claims": {"repository": "acme/app", "ref": "refs/heads/main"},
            })
        );
        assert!(!page.to_string().contains(&token));
    }

    fn each_platform_is_accepted_with_its_preset(world: World) {
        let node = world.start();
        let audience = node.base.clone();
        let arn = "arn:aws:iam::123456789012:role/batch";
        let aws = "https://11111111-2222-3333-4444-555555555555.tokens.sts.global.api.aws";
        let email = "batch@acme.iam.gserviceaccount.com";
        let (tenant, object) = ("9d1c0000-0000-0000-0000-000000000001", "0b1e0000-0000-0000-0000-000000000002");
        let azure = "https://login.microsoftonline.com/9d1c0000-0000-0000-0000-000000000001/v2.0";
        let cases: [(&str, &'static str, &str, &[&str], Value); 7] = [
            ("github-actions", GITHUB, "RS256", &["--repository", "acme/app", "--environment", "production"], json!({
                "aud": audience, "sub": "repo:acme/app:environment:production", "repository": "acme/app", "environment": "production",
            })),
            ("gitlab", "https://gitlab.com", "RS256", &["--project", "acme/app", "--ref", "main"], json!({
                "aud": audience, "sub": "project_path:acme/app:ref_type:branch:ref:main", "project_path": "acme/app", "project_id": "7",
                "namespace_id": "1", "ref": "main", "ref_type": "branch", "ref_protected": "true", "jti": "x",
            })),
            // A service account token has an array as its audience.
            ("kubernetes", CLUSTER, "RS256", &["--namespace", "payments", "--service-account", "batch"], json!({
                "aud": [audience], "sub": "system:serviceaccount:payments:batch", "nbf": jwt::now(),
                "kubernetes.io": {"namespace": "payments", "serviceaccount": {"name": "batch", "uid": "u"}, "pod": {"name": "p", "uid": "u"}},
            })),
            ("spiffe", "spiffe://acme.example", "ES256", &["--spiffe-id", "spiffe://acme.example/ns/payments/sa/batch"], json!({
                "aud": [audience], "sub": "spiffe://acme.example/ns/payments/sa/batch",
            })),
            ("aws", aws, "RS256", &["--role-arn", arn], json!({
                "aud": audience, "sub": arn, "jti": "x", "https://sts.amazonaws.com/": {"aws_account": "123456789012", "principal_id": arn},
            })),
            ("gcp", "https://accounts.google.com", "RS256", &["--service-account", email], json!({
                "aud": audience, "azp": "1234", "sub": "1234", "email": email, "email_verified": true,
            })),
            ("azure", azure, "RS256", &["--tenant", tenant, "--object-id", object, "--audience", "api://keyward"], json!({
                "aud": "api://keyward", "oid": object, "sub": object, "tid": tenant, "ver": "2.0", "exp": jwt::now() + 86_400,
            })),
        ];
        for (preset, issuer, algorithm, flags, claims) in cases {
            let client = world.client("read");
            let platform = Platform::new(&world, preset, issuer, algorithm);
            let id = platform.rule(&world, &client, &[&["--preset", preset], flags].concat());
            let shown = world.cli(&["trust-rule", "show", &id]);
            assert_eq!((&shown["issuer"], &shown["client_id"]), (&json!(issuer), &json!(client.id)), "{preset}");
            let mut claims = claims;
            if preset == "spiffe" {
                // A JWT-SVID need not have an issuer.
                claims["iss"] = Value::Null;
            }
            let token = platform.sign(&claims);
            let rules = world.run(&["--json", "trust-rule", "test", "--issuer", &node.base, "--token-file", world.file("t.jwt", &token).to_str().unwrap()]);
            let tested: Value = serde_json::from_slice(&rules.stdout).unwrap();
            assert!(rules.status.success() && tested["accepted"] == true && tested["rules"][0]["id"] == id, "{preset}: {tested}");
            // Platforms reuse their tokens.
            for _ in 0..2 {
                assert_eq!(client_of(&grant(&node, &token, &[])), client.id, "{preset}");
            }
            let kind = if preset == "spiffe" { SPIFFE } else { BEARER };
            assert_eq!(client_of(&assertion(&node, Some(&client.id), kind, &token)), client.id, "{preset}");
            if preset == "spiffe" {
                assert_eq!(client_of(&assertion(&node, None, kind, &token)), client.id);
            }
        }
    }

    /// A rule, an issuer or a client that is disabled or deleted on one node is refused by it at
    /// once, and by the other within a second.
    fn what_is_disabled_is_refused_on_all_nodes(world: World) {
        let flags = ["--issuer", "http://auth.example"];
        let (one, two) = (world.start_with(&flags), world.start_with(&flags));
        let github = Platform::new(&world, "github", GITHUB, "ES256");
        let client = world.client("read");
        let token = github.sign(&github_claims("http://auth.example"));
        let rights = "keyward:trust-rules:write keyward:trust-rules:read keyward:clients:write keyward:operator";
        let operator = one.token(&world.client_with(&["--scope", rights, "--resource", "http://auth.example/api/v1"]));
        let ask = |method: &str, path: &str, body: &Value| {
            let reply = one.json(method, &format!("/api/v1{path}"), Some(&operator), body);
            assert!(matches!(reply.status, 200 | 201 | 204), "{path}: {}", reply.body);
            reply
        };
        let keys: Value = serde_json::from_str(&std::fs::read_to_string(&github.jwks).unwrap()).unwrap();
        let new = json!({
            "client_id": client.id, "issuer": GITHUB, "jwks": keys,
            "conditions": [{"claim": "sub", "operator": "prefix", "value": "repo:acme/app:"}],
        });
        let id = ask("POST", "/trust-rules", &new).json()["id"].as_str().unwrap().to_owned();
        let path = format!("/trust-rules/{id}");
        let client_path = format!("/clients/{}", client.id);
        let accepted = || {
            for node in [&one, &two] {
                within(SECOND, "acceptance", || (grant(node, &token, &[]).status == 200).then_some(()));
            }
        };
        let refused = |why: &str| {
            let reply = grant(&one, &token, &[]);
            reply.refused(400, "invalid_grant");
            assert!(reason(&one, &reply).contains(why), "{why}: {}", reason(&one, &reply));
            within(SECOND, "the refusal", || (grant(&two, &token, &[]).status == 400).then_some(()));
            assert_eq!(grant(&two, &token, &[]).status, 400);
            exchange(&one, &token, JWT).refused(400, "invalid_request");
            assert_eq!(assertion(&one, Some(&client.id), BEARER, &token).status, 401);
        };
        accepted();
        ask("PATCH", &path, &json!({"enabled": false}));
        refused("is disabled");
        ask("PATCH", &path, &json!({"enabled": true}));
        accepted();
        ask("POST", "/trust-rules/disable-issuer", &json!({"issuer": GITHUB}));
        refused("is disabled");
        ask("PATCH", &path, &json!({"enabled": true}));
        accepted();
        ask("PATCH", &client_path, &json!({"enabled": false}));
        refused("the client is disabled");
        ask("PATCH", &client_path, &json!({"enabled": true}));
        accepted();
        ask("DELETE", &path, &Value::Null);
        refused("there is no trust rule for the issuer");
        // The rules of a deleted client are deleted with it.
        ask("POST", "/trust-rules", &new);
        accepted();
        ask("DELETE", &client_path, &Value::Null);
        refused("there is no trust rule for the issuer");
        assert_eq!(world.count("SELECT count(*) FROM trust_rules"), 0);
        let actions = "SELECT count(DISTINCT action) FROM audit WHERE action LIKE 'trust_rule.%'";
        assert_eq!(world.count(actions), 4);
    }

    fn a_jwt_serves_once_where_the_rule_says_so(world: World) {
        let node = world.start();
        let second = world.start_with(&["--issuer", &node.base]);
        let github = Platform::new(&world, "github", GITHUB, "ES256");
        let client = world.client("read");
        github.rule(&world, &client, &["--condition", "repository=acme/app", "--single-use"]);
        let token = github.sign(&github_claims(&node.base));
        assert_eq!(client_of(&grant(&node, &token, &[])), client.id);
        for node in [&node, &second] {
            let reply = grant(node, &token, &[]);
            reply.refused(400, "invalid_grant");
            assert!(reason(node, &reply).contains("used before"));
        }
        assert_eq!(client_of(&grant(&second, &github.sign(&github_claims(&node.base)), &[])), client.id);
    }

    fn rules_are_managed_by_those_who_may_give_a_secret(world: World) {
        let node = world.start();
        let rights = "keyward:trust-rules:write keyward:trust-rules:read";
        let manager = node.token(&world.manager(&node, &[], rights));
        let powerful = world.manager(&node, &[], "keyward:users:write");
        world.cli(&["account", "create", "--name", "Globex"]);
        let foreign = world.client_with(&["--scope", "read", "--account", "Globex"]);
        let client = world.client("read");
        let new = |client: &Client| json!({
            "client_id": client.id, "issuer": GITHUB,
            "conditions": [{"claim": "repository", "operator": "exact", "value": "acme/app"}],
        });
        let ask = |method: &str, path: &str, body: &Value| node.json(method, &format!("/api/v1/trust-rules{path}"), Some(&manager), body);
        let made = ask("POST", "", &new(&client));
        assert_eq!(made.status, 201, "{}", made.body);
        assert_eq!(ask("POST", "", &new(&powerful)).status, 403, "a client with more rights");
        assert_eq!(ask("POST", "", &new(&foreign)).status, 404, "a client of another account");
        let id = made.json()["id"].as_str().unwrap().to_owned();
        assert_eq!(ask("GET", "", &Value::Null).json()["items"].as_array().unwrap().len(), 1);
        assert_eq!(ask("GET", &format!("/{id}"), &Value::Null).json()["enabled"], true);
        // Everybody who has the right for it can disable a rule, not everybody enable it.
        let strong = rule(&world, &["trust-rule", "create", &powerful.id, "--trusted-issuer", GITHUB, "--condition", "repository=acme/app"]);
        let stopped = ask("POST", "/disable-issuer", &json!({"issuer": GITHUB}));
        assert_eq!(stopped.status, 200, "{}", stopped.body);
        assert!(stopped.json().as_array().unwrap().iter().all(|rule| rule["enabled"] == false), "{}", stopped.body);
        assert_eq!(ask("PATCH", &format!("/{strong}"), &json!({"enabled": true})).status, 403);
        assert_eq!(ask("DELETE", &format!("/{strong}"), &Value::Null).status, 403);
        world.cli(&["trust-rule", "enable", &strong]);
        assert_eq!(ask("PATCH", &format!("/{strong}"), &json!({"enabled": false})).status, 200);
        assert_eq!(ask("PATCH", &format!("/{id}"), &json!({"enabled": true})).status, 200);
        // What an operator disabled, and rules of other accounts, are out of reach.
        let others = rule(&world, &["trust-rule", "create", &foreign.id, "--trusted-issuer", GITHUB, "--condition", "repository=globex/app"]);
        world.cli(&["trust-rule", "disable", "--trusted-issuer", GITHUB]);
        assert_eq!(ask("PATCH", &format!("/{id}"), &json!({"enabled": true})).status, 403);
        for (method, body) in [("GET", Value::Null), ("PATCH", json!({"enabled": true})), ("DELETE", Value::Null)] {
            assert_eq!(ask(method, &format!("/{others}"), &body).status, 404);
        }
        // Neither by another rule for the issuer, nor by the same one again.
        let second = world.client("read");
        for client in [&client, &second] {
            assert_eq!(ask("POST", "", &new(client)).status, 403, "an issuer that an operator disabled");
        }
        assert_eq!(ask("DELETE", &format!("/{id}"), &Value::Null).status, 403);
        let path = format!("/api/v1/clients/{}", client.id);
        let partner = node.token(&world.manager(&node, &[], "keyward:clients:write"));
        let deleted = node.json("DELETE", &path, Some(&partner), &Value::Null);
        assert_eq!(deleted.status, 403, "the rule would be deleted with its client: {}", deleted.body);
        let other = json!({
            "client_id": client.id, "issuer": "https://other.example",
            "conditions": [{"claim": "sub", "operator": "exact", "value": "job"}],
        });
        assert_eq!(ask("POST", "", &other).status, 201);
        assert_eq!(world.cli(&["trust-rule", "enable", &id])["enabled"], true);
        world.cli(&["trust-rule", "delete", &strong]);
        assert_eq!(ask("DELETE", &format!("/{id}"), &Value::Null).status, 204);
        assert_eq!(ask("GET", &format!("/{id}"), &Value::Null).status, 404);
        // A client has a limited number of rules.
        for place in 0..19 {
            let condition = format!("repository=acme/{place}");
            rule(&world, &["trust-rule", "create", &client.id, "--trusted-issuer", GITHUB, "--condition", &condition]);
        }
        assert_eq!(ask("POST", "", &new(&client)).status, 409);
    }
}

/// Conditions are compared before the signature is verified, so what they read of a JWT is bounded.
#[test]
fn a_pattern_is_compared_with_the_beginning_of_an_array() {
    let world = World::sqlite();
    let node = world.start();
    let github = Platform::new(&world, "github", GITHUB, "ES256");
    let client = world.client("read");
    let conditions = [
        "--condition",
        "repository=acme/app",
        "--condition",
        "groups~=ops-*",
    ];
    github.rule(&world, &client, &conditions);
    for (count, expected) in [(100, 200), (1000, 400)] {
        let mut groups = vec!["dev-team"; count];
        groups.push("ops-1");
        let mut claims = github_claims(&node.base);
        claims["groups"] = json!(groups);
        let reply = grant(&node, &github.sign(&claims), &[]);
        assert_eq!(reply.status, expected, "{count}: {}", reply.body);
    }
}

#[test]
fn rules_that_are_too_wide_or_cannot_work_are_refused() {
    let world = World::sqlite();
    let _node = world.start_with(&["--issuer", "https://auth.example"]);
    let client = world.client("read");
    let cases: [(&[&str], &str); 9] = [
        (
            &["--trusted-issuer", GITHUB, "--condition", "sub~=**"],
            "all of its customers",
        ),
        (
            &["--trusted-issuer", GITHUB, "--condition", "sub^=repo:"],
            "repo:NAME/",
        ),
        (
            &[
                "--trusted-issuer",
                "https://id.example",
                "--condition",
                "colour=green",
            ],
            "identifies the workload",
        ),
        (
            &["--trusted-issuer", "https://id.example"],
            "1 to 10 conditions",
        ),
        (
            &[
                "--trusted-issuer",
                "http://id.example",
                "--condition",
                "sub=x",
            ],
            "https",
        ),
        (
            &[
                "--trusted-issuer",
                "spiffe://acme.example",
                "--condition",
                "sub=spiffe://acme.example/a",
            ],
            "bundle",
        ),
        (
            &[
                "--preset",
                "kubernetes",
                "--namespace",
                "a",
                "--service-account",
                "b",
            ],
            "--trusted-issuer",
        ),
        (
            &[
                "--preset",
                "github-actions",
                "--repository",
                "acme/app",
                "--tenant",
                "x",
            ],
            "--tenant",
        ),
        (
            &[
                "--trusted-issuer",
                "https://id.example",
                "--condition",
                "sub=x",
                "--repository",
                "a/b",
            ],
            "--preset",
        ),
    ];
    each_case(cases, |(flags, why)| {
        let said = world.refused(&[&["trust-rule", "create", &client.id], flags].concat());
        assert!(said.contains(why), "{flags:?}: {said}");
    });
    // Keyward's own tokens cannot come back as those of a workload.
    let own = [
        "--trusted-issuer",
        "https://auth.example",
        "--condition",
        "sub=x",
    ];
    let said = world.refused(&[&["trust-rule", "create", &client.id], &own[..]].concat());
    assert!(said.contains("Keyward itself"), "{said}");
    // A rule for a whole cluster is accepted with a warning.
    let made = world.cli(&[
        "trust-rule",
        "create",
        &client.id,
        "--trusted-issuer",
        CLUSTER,
        "--condition",
        "sub^=system:serviceaccount:",
    ]);
    assert!(
        made["warnings"][0]
            .as_str()
            .unwrap()
            .contains("every workload"),
        "{made}"
    );
}

#[test]
fn wrong_jwts_are_refused_with_a_reason_that_the_owner_sees() {
    let world = World::sqlite();
    let node = world.start();
    let client = world.client("read");
    let github = Platform::new(&world, "github", GITHUB, "ES256");
    let id = github.rule(
        &world,
        &client,
        &[
            "--condition",
            "repository=acme/app",
            "--condition",
            "ref=refs/heads/main",
        ],
    );
    let changed = |name: &str, value: Value| {
        let mut claims = github_claims(&node.base);
        claims[name] = value;
        github.sign(&claims)
    };
    let now = jwt::now();
    let header = |header: Value| {
        github.pair.sign(&header, &json!({
        "iss": GITHUB, "aud": node.base, "exp": now + 60, "repository": "acme/app", "ref": "refs/heads/main",
    }))
    };
    let claims = jwt::encode(json!({"iss": GITHUB, "aud": node.base, "exp": now + 60, "repository": "acme/app", "ref": "refs/heads/main"}).to_string());
    let unsigned = |algorithm: &str| {
        format!(
            "{}.{claims}.{}",
            jwt::encode(json!({"alg": algorithm, "kid": "one"}).to_string()),
            jwt::encode([7; 32])
        )
    };
    // A key of another issuer with the same kid.
    let stranger = Platform::new(&world, "stranger", "https://id.example", "ES256");
    stranger.rule(&world, &world.client("read"), &["--condition", "sub=x"]);
    let forged = Platform {
        issuer: GITHUB,
        ..stranger
    };
    let own_token = node.token(&client);
    let cases = [
        (
            "another branch",
            changed("ref", json!("refs/heads/dev")),
            "the condition ref=refs/heads/main",
        ),
        (
            "another repository",
            changed("repository", json!("acme/app2")),
            "the condition repository=acme/app",
        ),
        (
            "another audience",
            changed("aud", json!("https://other.example")),
            "aud of the JWT",
        ),
        (
            "two audiences",
            changed("aud", json!([node.base, "https://other.example"])),
            "aud of the JWT",
        ),
        (
            "expired",
            changed("exp", json!(now - 120)),
            "the JWT expired",
        ),
        (
            "for too long",
            changed("exp", json!(now + 1_000_000)),
            "the maximum",
        ),
        (
            "not yet valid",
            changed("nbf", json!(now + 600)),
            "not valid before",
        ),
        ("no end", changed("exp", Value::Null), "exp"),
        (
            "another issuer",
            changed("iss", json!("https://evil.example")),
            "no trust rule for the issuer https://evil.example",
        ),
        (
            "another's key",
            forged.sign(&github_claims(&node.base)),
            "not by the issuer's key",
        ),
        (
            "an unknown kid",
            header(json!({"alg": "ES256", "kid": "two"})),
            "no key that matches",
        ),
        (
            "an access token by its type",
            header(json!({"alg": "ES256", "kid": "one", "typ": "at+jwt"})),
            "at+jwt",
        ),
        (
            "a critical header",
            header(json!({"alg": "ES256", "kid": "one", "crit": ["x"]})),
            "critical",
        ),
        ("HS256", unsigned("HS256"), "algorithm"),
        ("none", unsigned("none"), "algorithm"),
        (
            "RS256 for an EC key",
            unsigned("RS256"),
            "no key that matches",
        ),
        ("Keyward's own access token", own_token, "at+jwt"),
        ("no JWT", "x".to_owned(), "not a JWT"),
    ];
    each_case(cases, |(what, token, why)| {
        let by_grant = grant(&node, &token, &[]);
        assert!(
            matches!(by_grant.status, 400 | 429),
            "{what}: {}",
            by_grant.body
        );
        let said = reason(&node, &by_grant);
        assert!(said.contains(why), "{what}: {said}");
        let by_exchange = exchange(&node, &token, JWT);
        assert!(
            matches!(by_exchange.status, 400 | 429),
            "{what}: {}",
            by_exchange.body
        );
        let as_client = assertion(&node, Some(&client.id), BEARER, &token);
        assert!(
            matches!(as_client.status, 401 | 429),
            "{what}: {}",
            as_client.body
        );
        for reply in [by_grant, by_exchange, as_client] {
            assert!(
                !reply.body.contains("acme") && !reply.body.contains("trust rule 0"),
                "{}",
                reply.body
            );
        }
    });
    // The owner of the client finds what was meant for its rule.
    let operator = node.token(&world.manager(&node, &[], "keyward:audit:read"));
    let expected = json!({"rule": id, "condition": "ref=refs/heads/main"});
    let path = "/api/v1/audit?action=authentication.failure&limit=200";
    let (entries, unmet) = eventually("the failure of the client", || {
        let page = node.json("GET", path, Some(&operator), &Value::Null).json();
        let entries = page["items"].as_array()?.clone();
        let unmet = entries
            .iter()
            .find(|entry| entry["reason_parameters"] == expected)?
            .clone();
        Some((entries, unmet))
    });
    assert_eq!(unmet["reason_code"], "trust_condition_unmet");
    assert_eq!(unmet["client_id"], client.id);
    assert!(
        !json!(entries).to_string().contains("refs/heads/dev"),
        "nothing of the JWT"
    );
    // Other authentication beside an assertion is refused, and so is a grant that is not allowed.
    let good = github.sign(&github_claims(&node.base));
    grant(&node, &good, &[("client_secret", "x")]).refused(400, "invalid_request");
    let basic = client.basic();
    let fields = [("grant_type", JWT_BEARER), ("assertion", &*good)];
    node.form("/oauth/token", Some(&basic), &fields)
        .refused(400, "invalid_request");
    node.form("/oauth/token", None, &[("grant_type", JWT_BEARER)])
        .refused(400, "invalid_request");
    world.execute(&format!(
        "UPDATE clients SET grant_types = 'client_credentials' WHERE client_id = '{}'",
        client.id
    ));
    let fresh = world.start_with(&["--issuer", &node.base]);
    grant(&fresh, &good, &[]).refused(400, "unauthorized_client");
    assert_eq!(
        client_of(&assertion(&fresh, Some(&client.id), BEARER, &good)),
        client.id
    );
}

/// The keys of clients and those of issuers never verify each other's JWTs.
#[test]
fn keys_of_clients_and_of_issuers_are_not_confused() {
    let world = World::sqlite();
    let node = world.start();
    let github = Platform::new(&world, "github", GITHUB, "ES256");
    let flags = [
        "--scope",
        "read",
        "--auth-method",
        "private_key_jwt",
        "--jwks",
        &github.jwks,
    ];
    let arguments = [&["client", "create", "--name", "J"], &flags[..]].concat();
    let id = world.cli(&arguments)["client_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let own = |claims: Value| {
        let mut all = json!({"iss": id, "sub": id, "aud": node.base, "exp": jwt::now() + 60, "jti": uuid::Uuid::now_v7().to_string()});
        all.as_object_mut()
            .unwrap()
            .extend(claims.as_object().unwrap().clone());
        github
            .pair
            .sign(&json!({"alg": "ES256", "kid": "one"}), &all)
    };
    // Without a rule, a JWT of the platform is no assertion of the client, although its key signed it.
    let platform = github.sign(&github_claims(&node.base));
    assertion(&node, Some(&id), BEARER, &platform).refused(401, "invalid_client");
    assert_eq!(
        client_of(&assertion(&node, Some(&id), BEARER, &own(json!({})))),
        id
    );
    let rule = [
        "trust-rule",
        "create",
        &id,
        "--trusted-issuer",
        GITHUB,
        "--jwks",
        &github.jwks,
        "--condition",
        "repository=acme/app",
    ];
    world.cli(&rule);
    // With one, both are accepted, each by its own rules.
    within(SECOND, "the rule", || {
        (assertion(&node, Some(&id), BEARER, &platform).status == 200).then_some(())
    });
    assert_eq!(
        client_of(&assertion(&node, Some(&id), BEARER, &own(json!({})))),
        id
    );
    assertion(&node, Some(&id), BEARER, &own(json!({"sub": "another"})))
        .refused(401, "invalid_client");
    grant(&node, &own(json!({})), &[]).refused(400, "invalid_grant");
    exchange(&node, &own(json!({})), JWT).refused(400, "invalid_request");
    // Another client cannot be named.
    let other = world.client("read");
    assertion(&node, Some(&other.id), BEARER, &platform).refused(401, "invalid_client");
    grant(&node, &platform, &[("client_id", &other.id)]).refused(400, "invalid_grant");
}

/// An account cannot capture the workloads of another: without a client id, a JWT that rules of
/// several clients accept is refused.
#[test]
fn a_jwt_for_several_clients_needs_a_client_id() {
    let world = World::sqlite();
    let node = world.start();
    let github = Platform::new(&world, "github", GITHUB, "ES256");
    world.cli(&["account", "create", "--name", "Globex"]);
    let clients = [
        world.client("read"),
        world.client_with(&["--scope", "read", "--account", "Globex"]),
    ];
    for client in &clients {
        github.rule(&world, client, &["--condition", "sub^=repo:acme/app:"]);
    }
    let token = github.sign(&github_claims(&node.base));
    let reply = grant(&node, &token, &[]);
    reply.refused(400, "invalid_grant");
    assert!(reason(&node, &reply).contains("client_id"));
    for client in &clients {
        assert_eq!(
            client_of(&grant(&node, &token, &[("client_id", &client.id)])),
            client.id
        );
        assert_eq!(
            client_of(&assertion(&node, Some(&client.id), BEARER, &token)),
            client.id
        );
    }
    // The keys of one rule do not count for another one of the same issuer.
    let forger = Platform::new(&world, "forger", GITHUB, "ES256");
    let forgers = world.client_with(&["--scope", "read", "--account", "Globex"]);
    forger.rule(&world, &forgers, &["--condition", "sub^=repo:acme/app:"]);
    let forged = forger.sign(&github_claims(&node.base));
    within(SECOND, "the rule", || {
        (client_of_or_none(&grant(&node, &forged, &[])) == Some(forgers.id.clone())).then_some(())
    });
    assert_eq!(
        grant(&node, &forged, &[("client_id", &clients[0].id)]).status,
        400
    );
}

fn client_of_or_none(reply: &Reply) -> Option<String> {
    (reply.status == 200).then(|| client_of(reply))
}

/// A node that trusts the key server's certificate authority and may connect to private addresses.
fn start(world: &World, keys: &KeyServer) -> Node {
    let authority = keys.authority.to_str().unwrap();
    world.start_with(&["--outbound-ca", authority, "--private-jwks-uri", "on"])
}

const OPENID: &str = "/.well-known/openid-configuration";
const OAUTH: &str = "/.well-known/oauth-authorization-server";

#[test]
fn keys_are_found_by_discovery() {
    let world = World::sqlite();
    let server = KeyServer::start(&world, &["localhost"]);
    let node = start(&world, &server);
    let pair = jwt::Pair::new("ES256");
    server.publish("/keys", &[pair.public_jwk("one")]);
    let document = |issuer: &str| {
        Answer::Document(
            json!({"issuer": issuer, "jwks_uri": server.uri("localhost", "/keys")}).to_string(),
        )
    };
    // With OpenID Connect Discovery; with RFC 8414 alone; and with a path.
    let (root, tenant) = (
        server.uri("localhost", ""),
        server.uri("localhost", "/tenant"),
    );
    server.answer(OPENID, document(&root));
    server.answer(&format!("{OAUTH}/tenant"), document(&tenant));
    for issuer in [&root, &tenant] {
        let client = world.client("read");
        rule(
            &world,
            &[
                "trust-rule",
                "create",
                &client.id,
                "--trusted-issuer",
                issuer,
                "--condition",
                "sub=job",
            ],
        );
        let token = pair.sign(
            &json!({"alg": "ES256", "kid": "one"}),
            &json!({"iss": issuer, "sub": "job", "aud": node.base, "exp": jwt::now() + 60}),
        );
        let replies: Vec<u16> = std::thread::scope(|scope| {
            let all: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| grant(&node, &token, &[]).status))
                .collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert!(
            replies.iter().all(|status| *status == 200),
            "{replies:?} {}",
            node.logs()
        );
    }
    // One fetch for all concurrent requests of an issuer.
    assert_eq!((server.hits(OPENID), server.hits("/keys")), (1, 2));
    // A rule can name the keys itself: then nothing is discovered.
    let client = world.client("read");
    let keys = server.uri("localhost", "/keys");
    rule(
        &world,
        &[
            "trust-rule",
            "create",
            &client.id,
            "--trusted-issuer",
            "spiffe://acme.example",
            "--jwks-uri",
            &keys,
            "--condition",
            "sub=spiffe://acme.example/job",
        ],
    );
    let svid = pair.sign(
        &json!({"alg": "ES256", "kid": "one", "typ": "JOSE"}),
        &json!({"sub": "spiffe://acme.example/job", "aud": [node.base], "exp": jwt::now() + 60}),
    );
    assert_eq!(client_of(&assertion(&node, None, SPIFFE, &svid)), client.id);
}

#[test]
fn slow_huge_and_lying_issuers_are_refused() {
    let world = World::sqlite();
    let server = KeyServer::start(&world, &["localhost"]);
    let node = start(&world, &server);
    let pair = jwt::Pair::new("ES256");
    server.publish("/keys", &[pair.public_jwk("one")]);
    let keys = server.uri("localhost", "/keys");
    let document = |members: Value| Answer::Document(members.to_string());
    let issuer_at = |path: &str| server.uri("localhost", path);
    let cases = [
        ("/silent", Answer::Nothing, "timeout"),
        ("/endless", Answer::Endless, "larger than"),
        (
            "/failing",
            Answer::Head("500 Internal Server Error".to_owned()),
            "404",
        ),
        (
            "/redirect",
            Answer::Head(format!("302 Found\r\nlocation: {keys}")),
            "404",
        ),
        (
            "/page",
            Answer::Document("<html>".to_owned()),
            "discovery document",
        ),
        (
            "/lying",
            document(json!({"issuer": issuer_at("/other"), "jwks_uri": keys})),
            "another issuer",
        ),
        (
            "/plain",
            document(json!({"issuer": issuer_at("/plain"), "jwks_uri": "http://localhost:1/keys"})),
            "https",
        ),
        (
            "/keyless",
            document(json!({"issuer": issuer_at("/keyless")})),
            "jwks_uri",
        ),
    ];
    for (path, answer, why) in cases {
        let discovery = format!("{path}{OPENID}");
        server.answer(&discovery, answer);
        let client = world.client("read");
        let issuer = issuer_at(path);
        rule(
            &world,
            &[
                "trust-rule",
                "create",
                &client.id,
                "--trusted-issuer",
                &issuer,
                "--condition",
                "sub=job",
            ],
        );
        let token = pair.sign(
            &json!({"alg": "ES256", "kid": "one"}),
            &json!({"iss": issuer, "sub": "job", "aud": node.base, "exp": jwt::now() + 60}),
        );
        let began = std::time::Instant::now();
        let reply = grant(&node, &token, &[]);
        assert!(matches!(reply.status, 400 | 429), "{path}: {}", reply.body);
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "{path}: {:?}",
            began.elapsed()
        );
        let said = reason(&node, &reply);
        assert!(
            said.contains("cannot be fetched") && said.contains(why),
            "{path}: {said}"
        );
        // The issuer is not asked again at once.
        grant(&node, &token, &[]);
        assert_eq!(server.hits(&discovery), 1, "{path}");
    }
    // Without the operator's leave, no private address is asked.
    let strict = world.start_with(&[
        "--issuer",
        &node.base,
        "--outbound-ca",
        server.authority.to_str().unwrap(),
    ]);
    let client = world.client("read");
    let issuer = issuer_at("/private");
    rule(
        &world,
        &[
            "trust-rule",
            "create",
            &client.id,
            "--trusted-issuer",
            &issuer,
            "--condition",
            "sub=job",
        ],
    );
    let token = pair.sign(
        &json!({"alg": "ES256", "kid": "one"}),
        &json!({"iss": issuer, "sub": "job", "aud": node.base, "exp": jwt::now() + 60}),
    );
    let reply = grant(&strict, &token, &[]);
    assert!(reason(&strict, &reply).contains("private address"));
    assert_eq!(server.hits(&format!("/private{OPENID}")), 0);
}

/// Keys that an issuer must not publish, and key sets that are not one, verify nothing.
#[test]
fn key_sets_that_cannot_be_trusted_verify_nothing() {
    let world = World::sqlite();
    let server = KeyServer::start(&world, &["localhost"]);
    let node = start(&world, &server);
    let pair = jwt::Pair::new("ES256");
    let jwk = |members: Value| changed(pair.public_jwk("one"), &members);
    let set = |keys: Value| Answer::Document(json!({"keys": keys}).to_string());
    let symmetric = json!({"kty": "oct", "kid": "one", "k": jwt::encode([7; 32]), "alg": "HS256"});
    server.publish("/good", &[pair.public_jwk("one")]);
    let good = server.uri("localhost", "/good");
    let cases = [
        (
            "/private",
            set(json!([jwk(json!({"d": "AQ"}))])),
            "private or symmetric",
        ),
        (
            "/symmetric",
            set(json!([symmetric])),
            "private or symmetric",
        ),
        (
            "/encryption",
            set(json!([jwk(json!({"use": "enc"}))])),
            "use is enc",
        ),
        (
            "/signer",
            set(json!([jwk(json!({"key_ops": ["sign"]}))])),
            "key_ops",
        ),
        (
            "/algorithm",
            set(json!([jwk(json!({"alg": "RS256"}))])),
            "alg, RS256",
        ),
        ("/empty", set(json!([])), "can verify the JWT"),
        (
            "/list",
            Answer::Document("[]".to_owned()),
            "cannot be fetched",
        ),
        (
            "/page",
            Answer::Document("<html>".to_owned()),
            "cannot be fetched",
        ),
        ("/endless", Answer::Endless, "larger than"),
        (
            "/moved",
            Answer::Head(format!("302 Found\r\nlocation: {good}")),
            "302",
        ),
        ("/good", set(json!([pair.public_jwk("one")])), ""),
    ];
    for (path, answer, why) in cases {
        server.answer(path, answer);
        let client = world.client("read");
        let keys = server.uri("localhost", path);
        let fixed = [
            "trust-rule",
            "create",
            &client.id,
            "--trusted-issuer",
            "https://id.example",
        ];
        rule(
            &world,
            &[&fixed[..], &["--jwks-uri", &keys, "--condition", "sub=job"]].concat(),
        );
        let token = pair.sign(
            // The key of the header must never be used.
            &json!({"alg": "ES256", "kid": "one", "jwk": pair.public_jwk("one"), "jku": good}),
            &json!({"iss": "https://id.example", "sub": "job", "aud": node.base, "exp": jwt::now() + 60}),
        );
        let reply = within(SECOND * 20, "the rule", || {
            let reply = grant(&node, &token, &[("client_id", &client.id)]);
            let is_unknown = reply.status != 200 && reason(&node, &reply).contains("no trust rule");
            (!is_unknown).then_some(reply)
        });
        if why.is_empty() {
            assert_eq!(client_of(&reply), client.id);
        } else {
            assert!(matches!(reply.status, 400 | 429), "{path}: {}", reply.body);
            let said = reason(&node, &reply);
            assert!(said.contains(why), "{path}: {said}");
        }
    }
}

/// A rule that is disabled while the keys of its issuer are fetched is refused when they arrive.
#[test]
fn what_is_disabled_while_keys_are_fetched_is_refused() {
    let world = World::sqlite();
    let server = KeyServer::start(&world, &["localhost"]);
    let node = start(&world, &server);
    let pair = jwt::Pair::new("ES256");
    let caller = world.resource("urn:api");
    let manager = world.manager(
        &node,
        &[],
        "keyward:trust-rules:write keyward:clients:write",
    );
    let manager = node.token(&manager);
    for (place, what) in ["rule", "client"].into_iter().enumerate() {
        let path = format!("/keys-{place}");
        let released = Arc::new(AtomicBool::new(false));
        let keys = json!({"keys": [pair.public_jwk("one")]}).to_string();
        server.answer(&path, Answer::Held(released.clone(), keys));
        let client = world.client("read");
        let uri = server.uri("localhost", &path);
        let fixed = [
            "trust-rule",
            "create",
            &client.id,
            "--trusted-issuer",
            "https://id.example",
        ];
        let id = rule(
            &world,
            &[&fixed[..], &["--jwks-uri", &uri, "--condition", "sub=job"]].concat(),
        );
        let token = pair.sign(
            &json!({"alg": "ES256", "kid": "one"}),
            &json!({"iss": "https://id.example", "sub": "job", "aud": node.base, "exp": jwt::now() + 60}),
        );
        // As client authentication, where no token is issued that could be checked once more.
        let fields = [
            ("client_id", &*client.id),
            ("client_assertion_type", BEARER),
            ("client_assertion", &token),
            ("token", &caller.secret),
        ];
        let revoke = || node.form("/oauth/revoke", None, &fields).status;
        let (before, status) = std::thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                within(SECOND * 5, "the rule", || {
                    let status = revoke();
                    (server.hits(&path) > 0).then_some(status)
                })
            });
            within(SECOND * 5, "the fetch", || {
                (server.hits(&path) > 0).then_some(())
            });
            let (path, body) = match what {
                "rule" => (
                    format!("/api/v1/trust-rules/{id}"),
                    json!({"enabled": false}),
                ),
                _ => (
                    format!("/api/v1/clients/{}", client.id),
                    json!({"enabled": false}),
                ),
            };
            let disabled = node.json("PATCH", &path, Some(&manager), &body).status;
            released.store(true, std::sync::atomic::Ordering::Relaxed);
            (disabled, waiting.join().unwrap())
        });
        assert_eq!((before, status), (200, 401), "{what}");
    }
}

#[test]
fn a_dry_run_says_rule_by_rule_why_none_accepts() {
    let world = World::sqlite();
    let node = world.start();
    let github = Platform::new(&world, "github", GITHUB, "ES256");
    let (first, second) = (world.client("read"), world.client("read"));
    let main = github.rule(
        &world,
        &first,
        &[
            "--condition",
            "repository=acme/app",
            "--condition",
            "ref=refs/heads/main",
        ],
    );
    let once = github.rule(
        &world,
        &second,
        &["--condition", "repository=acme/app", "--single-use"],
    );
    let mut claims = github_claims(&node.base);
    claims["ref"] = json!("refs/heads/dev");
    let token = github.sign(&claims);
    let manager = node.token(&world.manager(&node, &[], "keyward:trust-rules:read"));
    let test = |token: &str| {
        node.json(
            "POST",
            "/api/v1/trust-rules/test",
            Some(&manager),
            &json!({"token": token}),
        )
    };
    for _ in 0..2 {
        let tested = test(&token).json();
        assert_eq!(
            (&tested["accepted"], &tested["reason"]),
            (&json!(true), &Value::Null)
        );
        assert_eq!(tested["rules"][0]["id"], main);
        assert_eq!(tested["rules"][0]["reason_code"], "trust_condition_unmet");
        assert_eq!(
            (&tested["rules"][1]["id"], &tested["rules"][1]["accepted"]),
            (&json!(once), &json!(true))
        );
        assert_eq!(tested["claims"]["ref"], "refs/heads/dev");
    }
    // It was not used up.
    assert_eq!(client_of(&grant(&node, &token, &[])), second.id);
    for (token, code) in [
        ("x", "assertion_not_a_jwt"),
        (&*node.token(&first), "trust_token_type"),
    ] {
        let tested = test(token).json();
        assert_eq!(
            (&tested["accepted"], &tested["reason_code"]),
            (&json!(false), &json!(code))
        );
    }
    let elsewhere = Platform {
        issuer: "https://id.example",
        ..github
    };
    let file = world.file(
        "jwt",
        &elsewhere.sign(&json!({"aud": node.base, "sub": "x"})),
    );
    let output = world.run(&[
        "trust-rule",
        "test",
        "--issuer",
        &node.base,
        "--token-file",
        file.to_str().unwrap(),
    ]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("no trust rule for the issuer https://id.example"),
        "{said}"
    );
}

/// The commands on the pages of the platforms create rules that accept the tokens of the platform.
/// The request of the main page gets a token.
#[test]
fn the_commands_of_the_documentation_work() {
    let world = World::sqlite();
    let node = world.start();
    let audience = node.base.clone();
    let arn = "arn:aws:iam::123456789012:role/batch";
    let email = "batch@acme.iam.gserviceaccount.com";
    let github = |claims: Value| changed(github_claims(&audience), &claims);
    let gitlab = |claims: Value| {
        let own = json!({"aud": audience, "project_path": "acme/app", "ref_protected": "true"});
        changed(own, &claims)
    };
    // For each page, for each of its commands in their order: the claims of a token that its rule
    // accepts. The issuer is that of the rule.
    let pages = [
        (
            "github-actions",
            vec![
                github(json!({})),
                github(json!({"repository_id": "123456", "environment": "production"})),
            ],
        ),
        (
            "gitlab",
            vec![
                gitlab(json!({"ref": "main", "ref_type": "branch"})),
                gitlab(json!({"ref": "v1", "ref_type": "tag"})),
            ],
        ),
        (
            "kubernetes",
            vec![json!({
                "aud": [audience], "sub": "system:serviceaccount:payments:batch",
                "kubernetes.io": {"namespace": "payments", "serviceaccount": {"name": "batch", "uid": "u"}},
            })],
        ),
        (
            "spiffe",
            vec![
                json!({"aud": [audience], "sub": "spiffe://acme.example/ns/payments/sa/batch", "iss": null}),
            ],
        ),
        (
            "aws",
            vec![json!({
                "aud": audience, "sub": arn, "https://sts.amazonaws.com/": {"aws_account": "123456789012"},
            })],
        ),
        (
            "google-cloud",
            vec![
                json!({"aud": audience, "sub": "1", "azp": "1", "email": email, "email_verified": true}),
            ],
        ),
        (
            "azure",
            vec![
                json!({"aud": "api://keyward", "oid": "OBJECT", "sub": "OBJECT", "tid": "TENANT"}),
            ],
        ),
    ];
    for (page, tokens) in pages {
        let pair = jwt::Pair::new("ES256");
        let keys = world.file(
            "keys.json",
            &json!({"keys": [pair.public_jwk("one")]}).to_string(),
        );
        let commands = documented(
            &format!("docs/workload-identity/{page}.md"),
            "keyward trust-rule create ",
        );
        assert_eq!(commands.len(), tokens.len(), "{page}: {commands:?}");
        for (command, claims) in commands.iter().zip(tokens) {
            let client = world.client("read");
            let mut words: Vec<&str> = command.split_whitespace().skip(1).collect();
            for word in &mut words {
                match *word {
                    "CLIENT_ID" => *word = &client.id,
                    "jwks.json" | "bundle.json" => *word = keys.to_str().unwrap(),
                    _ => {}
                }
            }
            // The issuers of the platforms are not reached from a test.
            if !words.contains(&"--jwks") {
                words.extend(["--jwks", keys.to_str().unwrap()]);
            }
            let made = world.cli(&words);
            let own = json!({"iss": made["issuer"], "iat": jwt::now(), "exp": jwt::now() + 300});
            let claims = changed(own, &claims);
            let token = pair.sign(&json!({"alg": "ES256", "kid": "one"}), &claims);
            let request = documented(
                "docs/workload-identity.md",
                "curl https://auth.example/oauth/token -d",
            );
            let request = request[0]
                .replace("https://auth.example", &node.base)
                .replace(
                    "-d resource=https://orders.example/",
                    &format!("-d client_id={}", client.id),
                );
            let reply = within(SECOND, "the rule", || {
                let output = std::process::Command::new("sh")
                    .args(["-c", &format!("{request} -sS")])
                    .env("JWT", &token)
                    .output()
                    .unwrap();
                let reply: Value = serde_json::from_slice(&output.stdout).unwrap();
                (reply["token_type"] == "Bearer").then_some(reply)
            });
            let issued = jwt::claims(reply["access_token"].as_str().unwrap());
            assert_eq!(issued["client_id"], client.id, "{command}");
        }
    }
}
