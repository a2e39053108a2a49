//! Metadata (RFC 8414), the published keys (RFC 7517), and the headers of every response.

use serde_json::json;

use crate::support::{World, each_case, jwt};

#[test]
fn metadata_describes_the_server() {
    let world = World::sqlite();
    let node = world.start();
    let document = node.get("/.well-known/oauth-authorization-server").json();
    assert_eq!(document["issuer"], json!(node.base));
    each_case(
        [
            ("authorization_endpoint", "/oauth/authorize"),
            ("token_endpoint", "/oauth/token"),
            ("introspection_endpoint", "/oauth/introspect"),
            ("revocation_endpoint", "/oauth/revoke"),
            ("registration_endpoint", "/oauth/register"),
            ("jwks_uri", "/.well-known/jwks.json"),
        ],
        |(member, path)| {
            assert_eq!(document[member], json!(node.url(path)));
            assert_ne!(node.get(path).status, 404);
        },
    );
    let exchange = "urn:ietf:params:oauth:grant-type:token-exchange";
    assert_eq!(
        document["grant_types_supported"],
        json!([
            "client_credentials",
            exchange,
            "urn:ietf:params:oauth:grant-type:jwt-bearer"
        ])
    );
    let methods = json!([
        "client_secret_basic",
        "client_secret_post",
        "private_key_jwt",
        "spiffe_jwt"
    ]);
    each_case(["token", "introspection", "revocation"], |endpoint| {
        assert_eq!(
            document[format!("{endpoint}_endpoint_auth_methods_supported")],
            methods
        );
        let algorithms =
            &document[format!("{endpoint}_endpoint_auth_signing_alg_values_supported")];
        assert_eq!(
            *algorithms,
            json!(["RS256", "PS256", "ES256", "EdDSA", "Ed25519", "ML-DSA-44"])
        );
    });
    each_case(
        [
            "introspection_signing_alg_values_supported",
            "id_token_signing_alg_values_supported",
        ],
        |member| {
            let algorithms = json!(["RS256", "PS256", "ES256", "EdDSA", "Ed25519", "ML-DSA-44"]);
            assert_eq!(document[member], algorithms, "{member}");
        },
    );
    assert_eq!(
        node.get("/.well-known/openid-configuration").json(),
        document
    );
    // The authorization endpoint supports no response type, answers with the RFC's error, and never
    // redirects to a URI that was not validated.
    assert_eq!(document["response_types_supported"], json!(["none"]));
    assert!(document.get("code_challenge_methods_supported").is_none());
    let question = "?response_type=code&client_id=x&redirect_uri=https://evil.example/&state=s";
    each_case(
        [
            "/oauth/authorize".to_owned(),
            format!("/oauth/authorize{question}"),
            "/oauth/authorize?%00=%ff".to_owned(),
        ],
        |path| {
            for reply in [
                node.get(&path),
                node.form(&path, None, &[("response_type", "code")]),
            ] {
                reply.refused(400, "unsupported_response_type");
                assert!(reply.header("location").is_none());
            }
            assert_eq!(
                node.send("PUT", &path, &[], b"").header("allow"),
                Some("GET, HEAD, POST")
            );
        },
    );
}

#[test]
fn the_issuer_is_exact() {
    each_case(
        [
            (
                "https://auth.example/tenant",
                "/.well-known/oauth-authorization-server/tenant",
                "/tenant",
            ),
            (
                "https://auth.example/a/b/",
                "/.well-known/oauth-authorization-server/a/b",
                "/a/b",
            ),
            (
                "https://auth.example/",
                "/.well-known/oauth-authorization-server",
                "",
            ),
            (
                "https://Auth.Example:443",
                "/.well-known/oauth-authorization-server",
                "",
            ),
        ],
        |(issuer, path, prefix)| {
            let world = World::sqlite();
            let client = world.client("read");
            let node = world.start_with(&["--issuer", issuer]);
            let document = node
                .get_with(
                    path,
                    &[
                        ("host", "evil.example"),
                        ("x-forwarded-host", "evil.example"),
                    ],
                )
                .json();
            assert_eq!(document["issuer"], json!(issuer), "exactly");
            let base = issuer.trim_end_matches('/');
            assert_eq!(
                document["token_endpoint"],
                json!(format!("{base}/oauth/token"))
            );
            assert_eq!(jwt::claims(&node.token(&client))["iss"], json!(issuer));
            assert_eq!(
                node.get(&format!("{prefix}/.well-known/openid-configuration"))
                    .json(),
                document
            );
            // With a proxy that strips the path, and with one that keeps it.
            let fields = [("grant_type", "client_credentials")];
            for prefix in [prefix, ""] {
                assert_eq!(
                    node.form(
                        &format!("{prefix}/oauth/token"),
                        Some(&client.basic()),
                        &fields
                    )
                    .status,
                    200
                );
            }
        },
    );
}

#[test]
fn keys_are_published_for_caches() {
    let world = World::sqlite();
    let node = world.start_with(&["--jwks-max-age", "77"]);
    let reply = node.get("/.well-known/jwks.json");
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("cache-control"), Some("public, max-age=77"));
    let etag = reply.header("etag").unwrap().to_owned();
    each_case(
        [
            etag.as_str(),
            &format!("W/{etag}"),
            &format!("\"other\", {etag}"),
            "*",
        ],
        |known| {
            let unchanged = node.get_with("/.well-known/jwks.json", &[("if-none-match", known)]);
            assert_eq!(
                (unchanged.status, unchanged.body.as_str()),
                (304, ""),
                "{known}"
            );
            assert_eq!(unchanged.header("etag"), Some(etag.as_str()));
        },
    );
    let lines = [
        ("if-none-match", "\"other\""),
        ("if-none-match", etag.as_str()),
    ];
    assert_eq!(
        node.get_with("/.well-known/jwks.json", &lines).status,
        304,
        "several lines are one list"
    );
    assert_eq!(
        node.get_with("/.well-known/jwks.json", &[("if-none-match", "\"other\"")])
            .status,
        200
    );
    let key = reply.json()["keys"][0].clone();
    let members: Vec<&str> = key
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        members,
        ["alg", "e", "kid", "kty", "n", "use"],
        "the public half and nothing else"
    );
    // The `kid` is the thumbprint of RFC 7638.
    let canonical = format!(r#"{{"e":{},"kty":"RSA","n":{}}}"#, key["e"], key["n"]);
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, canonical.as_bytes());
    assert_eq!(key["kid"], json!(jwt::encode(digest.as_ref())));
}

#[test]
fn every_response_has_a_request_id() {
    let world = World::sqlite();
    let node = world.start();
    let mut seen = std::collections::BTreeSet::new();
    each_case(
        [
            ("GET", "/healthz", 200),
            ("GET", "/readyz", 200),
            ("HEAD", "/readyz", 200),
            ("GET", "/.well-known/jwks.json", 200),
            ("POST", "/.well-known/jwks.json", 405),
            ("GET", "/oauth/revoke", 405),
            ("DELETE", "/healthz", 405),
            ("GET", "/", 303),
            ("GET", "/nothing/here", 404),
            ("GET", "/oauth/token/", 404),
            ("GET", "/%00%ff/../..", 404),
            ("POST", "/oauth/token", 400),
        ],
        |(method, path, status)| {
            let reply = node.send(method, path, &[], b"");
            assert_eq!(reply.status, status, "{method} {path}: {}", reply.body);
            let line = node.log_of(&reply);
            assert_eq!(
                (line["status"].as_u64(), line["method"].as_str()),
                (Some(u64::from(status)), Some(method))
            );
            assert!(seen.insert(line["request_id"].to_string()), "each its own");
            if status == 405 {
                assert!(reply.header("allow").is_some(), "{method} {path}");
            }
            if status == 404 {
                assert_eq!(
                    reply.header("content-type"),
                    Some("application/problem+json")
                );
                let problem = reply.json();
                assert_eq!(
                    (&problem["status"], &problem["title"]),
                    (&json!(404), &json!("Not Found"))
                );
                assert_eq!(problem["requestId"].as_str(), reply.header("x-request-id"));
            }
        },
    );
}

/// Browsers send a preflight request before a page of another origin reads a document (CORS).
#[test]
fn cors_is_allowed_for_public_documents_only() {
    let world = World::sqlite();
    let node = world.start_with(&["--issuer", "https://auth.example/tenant"]);
    each_case(
        [
            "/.well-known/oauth-authorization-server",
            "/.well-known/oauth-authorization-server/tenant",
            "/.well-known/openid-configuration",
            "/.well-known/jwks.json",
            "/tenant/.well-known/jwks.json",
        ],
        |path| {
            let asked = [
                ("origin", "https://app.example"),
                ("access-control-request-method", "GET"),
                ("access-control-request-headers", "x-trace"),
            ];
            let reply = node.send("OPTIONS", path, &asked, b"");
            assert_eq!((reply.status, reply.body.as_str()), (204, ""), "{path}");
            assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
            assert_eq!(
                reply.header("access-control-allow-methods"),
                Some("GET, HEAD")
            );
            assert_eq!(reply.header("access-control-allow-headers"), Some("*"));
            assert_eq!(
                node.get(path).header("access-control-allow-origin"),
                Some("*")
            );
            let wrong = node.send("POST", path, &[], b"");
            assert_eq!(
                (wrong.status, wrong.header("allow")),
                (405, Some("GET, HEAD, OPTIONS")),
                "{path}"
            );
        },
    );
    each_case(
        [
            "/oauth/token",
            "/oauth/introspect",
            "/api/v1/clients",
            "/healthz",
        ],
        |path| {
            let reply = node.send("OPTIONS", path, &[("origin", "https://app.example")], b"");
            assert_eq!(reply.status, 405, "{path}");
            assert_eq!(reply.header("access-control-allow-origin"), None, "{path}");
        },
    );
}

/// HSTS depends on the scheme of the issuer, with Keyward's own TLS and behind a proxy.
#[test]
fn responses_have_nosniff_and_hsts() {
    each_case(
        [
            ("https://auth.example", Some("max-age=31536000")),
            ("http://auth.example", None),
        ],
        |(issuer, told)| {
            let world = World::sqlite();
            let node = world.start_with(&["--issuer", issuer]);
            each_case(
                [
                    "/healthz",
                    "/openapi.json",
                    "/docs/docs.js",
                    "/.well-known/jwks.json",
                    "/nothing",
                    "/portal/sign-in",
                    "/verify",
                ],
                |path| {
                    let reply = node.get(path);
                    assert_eq!(reply.header("strict-transport-security"), told, "{path}");
                    assert_eq!(
                        reply.header("x-content-type-options"),
                        Some("nosniff"),
                        "{path}"
                    );
                },
            );
        },
    );
}
