//! Unmodified third-party client libraries: discovery, tokens, verification and revocation.

use std::process::Command;

use oauth2::{ClientId, ClientSecret, Scope, TokenResponse};
use serde_json::json;

use crate::support::mutual_tls::{Authority, Identity, start_asking};
use crate::support::tools::{self, Tool, variable};
use crate::support::{Client, World, jwt, repository};

/// Runs a script with the URLs and credentials that it may need in its environment.
fn script(world: World, mut command: Command) {
    let resource = "https://api.example/";
    let api = world.resource(resource);
    let client = world.client_with(&["--scope", "read write", "--resource", resource]);
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let key_file = world.file("key.pem", &key.serialize_pem());
    let flags = ["--scope", "read write", "--resource", resource];
    let keyed = keyed_client(&world, &public_jwk(&key), &flags);
    let registration = world.cli(&[
        "registration-token",
        "create",
        "--scope",
        "read",
        "--resource",
        resource,
    ]);
    let node = world.start();
    let output = command
        .env("ISSUER", &node.base)
        .env("CLIENT_ID", &client.id)
        .env("CLIENT_SECRET", &client.secret)
        .env("SCOPE", "read write")
        .env("RESOURCE", resource)
        .env("INTROSPECTION_CLIENT_ID", &api.id)
        .env("INTROSPECTION_CLIENT_SECRET", &api.secret)
        .env("JWT_CLIENT_ID", &keyed.id)
        .env("JWT_KEY_FILE", &key_file)
        .env(
            "REGISTRATION_TOKEN",
            registration["token"].as_str().unwrap(),
        )
        .output()
        .unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{command:?}:\n{said}");
}

/// The public half of a P-256 key, for assertions signed with ES256.
fn public_ec_jwk(key: &rcgen::KeyPair) -> serde_json::Value {
    let point = key.public_key_raw();
    json!({
        "kty": "EC", "crv": "P-256", "kid": "interop",
        "x": jwt::encode(&point[1..33]), "y": jwt::encode(&point[33..]),
    })
}

/// Creates a client that authenticates by this key.
fn keyed_client(world: &World, public: &serde_json::Value, flags: &[&str]) -> Client {
    let jwks = world.file("jwks.json", &json!({"keys": [public]}).to_string());
    let with_key = [
        "--auth-method",
        "private_key_jwt",
        "--jwks",
        jwks.to_str().unwrap(),
    ];
    world.client_with(&[flags, &with_key].concat())
}

/// Runs a client with the security profile `fapi2`, on a server that requires nonces.
fn fapi2(mut command: Command) {
    let world = World::sqlite();
    let node = world.start_with(&["--dpop-nonce", "required"]);
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let management = node.management();
    let flags = [
        "--scope",
        "keyward:clients:read keyward:operator",
        "--resource",
        &management,
        "--profile",
        "fapi2",
    ];
    let client = keyed_client(&world, &public_ec_jwk(&key), &flags);
    command
        .env("ISSUER", &node.base)
        .env("CLIENT_ID", &client.id)
        .env("KEY_FILE", world.file("key.pem", &key.serialize_pem()))
        .env("RESOURCE", &management);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}:\n{said}");
}

fn public_jwk(key: &rcgen::KeyPair) -> serde_json::Value {
    use aws_lc_rs::signature::{KeyPair, RsaKeyPair};
    let pair = RsaKeyPair::from_pkcs8(&key.serialize_der()).unwrap();
    let (n, e) = (pair.public_key().modulus(), pair.public_key().exponent());
    let (n, e) = (
        n.big_endian_without_leading_zero(),
        e.big_endian_without_leading_zero(),
    );
    json!({"kty": "RSA", "n": jwt::encode(n), "e": jwt::encode(e), "use": "sig", "alg": "RS256", "kid": "interop"})
}

/// Runs a script that is a resource server: it prints its address, and reads the credentials to
/// test with.
fn resource_server(world: &World, mut command: Command) {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::process::Stdio;
    let rsa = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let ec = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let node = world.start();
    // Its output goes to a file, so that a full pipe does not block it.
    let errors = std::fs::File::create(world.folder.join("stderr")).unwrap();
    let said = || std::fs::read_to_string(world.folder.join("stderr")).unwrap();
    command
        .env("ISSUER", &node.base)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(errors);
    let mut script = command.spawn().unwrap();
    let mut out = BufReader::new(script.stdout.take().unwrap());
    let mut url = String::new();
    out.read_line(&mut url).unwrap();
    let url = url.trim();
    if url.is_empty() {
        let _ = script.wait();
        panic!("{command:?}: it does not listen:\n{}", said());
    }
    world.resource(url);
    let flags = ["--scope", "read write", "--resource", url];
    let client = world.client_with(&flags);
    let keyed = |key: &rcgen::KeyPair, public: &serde_json::Value, file: &str| {
        json!({
            "client_id": keyed_client(world, public, &flags).id,
            "key_file": world.file(file, &key.serialize_pem()),
        })
    };
    let given = json!({
        "client_id": client.id, "client_secret": client.secret,
        "keyed": {
            "RS256": keyed(&rsa, &public_jwk(&rsa), "rsa.pem"),
            "ES256": keyed(&ec, &public_ec_jwk(&ec), "ec.pem"),
        },
    });
    writeln!(script.stdin.take().unwrap(), "{given}").unwrap();
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert!(
        script.wait().unwrap().success(),
        "{command:?}:\n{rest}{}",
        said()
    );
}

// On SQLite only: what a library sees does not depend on the database.

#[test]
fn authlib_works_with_keyward() {
    needs!(Tool::Python);
    script(World::sqlite(), tools::python("authlib_client.py"));
}

#[test]
fn pyjwt_verifies_offline() {
    needs!(Tool::Python);
    script(World::sqlite(), tools::python("pyjwt_offline.py"));
}

#[test]
fn openid_client_works_with_keyward() {
    needs!(Tool::Node);
    script(World::sqlite(), tools::node("openid_client.mjs"));
}

#[test]
fn openid_client_binds_its_tokens_by_dpop() {
    needs!(Tool::Node);
    let world = World::sqlite();
    let node = world.start_with(&["--dpop-nonce", "required"]);
    let client = world.manager(&node, &[], "keyward:clients:read keyward:operator");
    let mut command = tools::node("openid_client_dpop.mjs");
    command
        .env("ISSUER", &node.base)
        .env("CLIENT_ID", &client.id)
        .env("CLIENT_SECRET", &client.secret)
        .env("RESOURCE", node.management());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

#[test]
fn oauth4webapi_follows_the_profile_fapi2() {
    needs!(Tool::Node);
    fapi2(tools::node("oauth4webapi_fapi2.mjs"));
}

#[test]
fn requests_oauth2client_follows_the_profile_fapi2() {
    needs!(Tool::Python);
    fapi2(tools::python("requests_oauth2client_fapi2.py"));
}

/// A node that serves TLS at `https://127.0.0.1`, and asks for client certificates at
/// `https://localhost`, with a client for each method of RFC 8705. One for all languages.
#[test]
fn libraries_authenticate_by_certificate() {
    needs!(Tool::Python, Tool::Node, Tool::Java, Tool::Go);
    let world = World::sqlite();
    let authority = Authority::root("Clients");
    world.file("client-ca.pem", &authority.pem());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let issuer = format!("https://127.0.0.1:{port}");
    let node = start_asking(
        &world,
        &[
            "--listen",
            &format!("127.0.0.1:{port}"),
            "--issuer",
            &issuer,
            "--mtls-base-url",
            &format!("https://localhost:{port}"),
            "--tls-client-ca",
            "client-ca.pem",
        ],
    );
    let name = "batch.acme.example";
    let issued = authority.issue(|params| {
        params.subject_alt_names = vec![rcgen::SanType::DnsName(name.try_into().unwrap())];
    });
    let own = Identity::self_signed(|_| {});
    issued.write(&world, "issued");
    own.write(&world, "own");
    let jwks = world.file("own.json", &json!({"keys": [own.jwk()]}).to_string());
    let by_name = ["--tls-client-auth-san-dns", name];
    let by_jwks = ["--jwks", jwks.to_str().unwrap()];
    let client = |method: &str, flags: &[&str]| {
        let fixed = ["--scope", "read", "--auth-method", method];
        world.client_with(&[&fixed, flags].concat()).id
    };
    let issued_client = client("tls_client_auth", &by_name);
    let own_client = client("self_signed_tls_client_auth", &by_jwks);
    let at = |file: &str| world.folder.join(file);
    for mut command in [
        tools::python("mutual_tls.py"),
        tools::node("openid_client_mutual_tls.mjs"),
        tools::java_source("MutualTls.java"),
        tools::go(&repository("tests/interop/go_mutual_tls")),
    ] {
        command
            .env("ISSUER", &issuer)
            .env("CA_FILE", at("cert.pem"))
            .env("ISSUED_CLIENT_ID", &issued_client)
            .env("ISSUED_CERTIFICATE", at("issued.pem"))
            .env("ISSUED_KEY", at("issued.key"))
            .env("OWN_CLIENT_ID", &own_client)
            .env("OWN_CERTIFICATE", at("own.pem"))
            .env("OWN_KEY", at("own.key"));
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{command:?}:\n{said}{}",
            node.logs()
        );
    }
}

#[test]
fn jose_verifies_offline() {
    needs!(Tool::Node);
    script(World::sqlite(), tools::node("jose_offline.mjs"));
}

#[test]
fn golang_jwt_verifies_offline() {
    needs!(Tool::Go);
    script(World::sqlite(), tools::go(&repository("tests/interop/go")));
}

/// The discovery of an MCP client that knows only the server's URL: 401, protected resource
/// metadata, authorization server metadata, a token for that resource, the call.
#[test]
fn the_python_mcp_sdk_finds_its_way_from_a_401_to_the_call() {
    needs!(Tool::Python);
    resource_server(&World::sqlite(), tools::python("mcp_sdk.py"));
}

/// The same discovery with the JavaScript SDK.
#[test]
fn the_javascript_mcp_sdk_finds_its_way_from_a_401_to_the_call() {
    needs!(Tool::Node);
    resource_server(&World::sqlite(), tools::node("mcp_sdk.mjs"));
}

/// Also checks the Spring configuration in `docs/integrations.md`.
#[test]
fn spring_security_and_nimbus_work_with_keyward() {
    needs!(Tool::Java);
    let world = World::sqlite();
    let (standard, plain, other) = (
        "https://api.example/",
        "https://plain.example/",
        "https://other.example/",
    );
    for resource in [standard, other] {
        world.resource(resource);
    }
    world.cli(&[
        "resource",
        "create",
        "--identifier",
        plain,
        "--name",
        "Plain",
        "--token-typ",
        "JWT",
    ]);
    let flags = [
        "--scope",
        "read write",
        "--resource",
        standard,
        "--resource",
        plain,
        "--resource",
        other,
    ];
    let client = world.client_with(&flags);
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let keyed = keyed_client(&world, &public_jwk(&key), &flags);
    // Without `alg`, the key is also one for PS256.
    let mut any = public_jwk(&key);
    any.as_object_mut().unwrap().remove("alg");
    let profile = ["--profile", "fapi2"];
    let fapi = keyed_client(&world, &any, &[&flags[..], &profile].concat());
    let jars = std::path::Path::new(&variable("TEST_JAVA_DIR")).join("*");
    let source = repository("tests/interop/java/SpringSecurity.java");
    let class_path = tools::compile_java(&[source], &jars, &world.folder);
    for setting in ["off", "on"] {
        let initial = world.cli(&[
            "registration-token",
            "create",
            "--scope",
            "read",
            "--uses",
            "1",
        ]);
        let node = world.start_with(&["--assertion-for-token-endpoint", setting]);
        let output = tools::java()
            .args(["-cp", &class_path, "SpringSecurity"])
            .env("ISSUER", &node.base)
            .env("CLIENT_ID", &client.id)
            .env("CLIENT_SECRET", &client.secret)
            .env("JWT_CLIENT_ID", &keyed.id)
            .env("FAPI_CLIENT_ID", &fapi.id)
            .env("JWT_KEY_FILE", world.file("key.pem", &key.serialize_pem()))
            .env("RESOURCE", standard)
            .env("PLAIN_RESOURCE", plain)
            .env("OTHER_RESOURCE", other)
            .env("TOKEN_ENDPOINT_AS_AUDIENCE", setting)
            .env("REGISTRATION_TOKEN", initial["token"].as_str().unwrap())
            .output()
            .unwrap();
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(
            output.status.success(),
            "assertion_for_token_endpoint {setting}:\n{said}"
        );
    }
}

#[test]
fn the_oauth2_crate_works_with_keyward() {
    use oauth2::TokenIntrospectionResponse;
    let world = World::sqlite();
    let api = world.resource("https://api.example/");
    let own = world.client_with(&[
        "--scope",
        "read write",
        "--resource",
        "https://api.example/",
    ]);
    let node = world.start();
    let metadata = node.get("/.well-known/oauth-authorization-server").json();
    let endpoint = |name: &str| metadata[name].as_str().unwrap().to_owned();
    let client = |id: &str, secret: &str| {
        oauth2::basic::BasicClient::new(ClientId::new(id.into()))
            .set_client_secret(ClientSecret::new(secret.into()))
            .set_token_uri(oauth2::TokenUrl::new(endpoint("token_endpoint")).unwrap())
            .set_introspection_url(
                oauth2::IntrospectionUrl::new(endpoint("introspection_endpoint")).unwrap(),
            )
            .set_revocation_url(
                oauth2::RevocationUrl::new(endpoint("revocation_endpoint")).unwrap(),
            )
    };
    let http = |request: oauth2::HttpRequest| -> Result<oauth2::HttpResponse, ureq::Error> {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .into();
        let (parts, body) = request.into_parts();
        let (parts, mut body) = agent
            .run(ureq::http::Request::from_parts(parts, body.as_slice()))?
            .into_parts();
        Ok(ureq::http::Response::from_parts(parts, body.read_to_vec()?))
    };
    let partner = client(&own.id, &own.secret);
    let answer = partner
        .exchange_client_credentials()
        .add_scope(Scope::new("read".into()))
        .request(&http)
        .unwrap();
    assert_eq!(answer.scopes().unwrap(), &[Scope::new("read".into())]);
    let resource_server = client(&api.id, &api.secret);
    let seen = resource_server
        .introspect(answer.access_token())
        .request(&http)
        .unwrap();
    assert!(seen.active());
    assert_eq!(seen.client_id().unwrap().as_str(), own.id);
    // This library only revokes over TLS, so the test sends the request that the library would
    // send.
    let reply = node.form(
        "/oauth/revoke",
        Some(&own.basic()),
        &[("token", answer.access_token().secret())],
    );
    assert_eq!(reply.status, 200);
    assert!(
        !resource_server
            .introspect(answer.access_token())
            .request(&http)
            .unwrap()
            .active()
    );
    let refused = client(&own.id, "wrong")
        .exchange_client_credentials()
        .request(&http);
    let Err(oauth2::RequestTokenError::ServerResponse(refused)) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(
        refused.error(),
        &oauth2::basic::BasicErrorResponseType::InvalidClient
    );
}
