//! The verifiers of `contrib/verifier`, as the resource servers of `examples/` use them, each started
//! as its README says, with a real Keyward server; and the verifiers' own unit tests.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::jwt::{self, Pair};
use crate::support::tools::{self, Tool, variable};
use crate::support::{Client, Node, World, each_case, eventually, repository, within};

const ORDERS: &str = "https://orders.example/";
const INVOICES: &str = "https://invoices.example/";
const SCOPE: &str = "orders:read";
const METADATA: &str = "https://orders.example/.well-known/oauth-protected-resource";

/// Settings of a resource server that verifies JWTs offline. No introspection response expires while
/// the test runs.
const OFFLINE: [(&str, &str); 2] = [("CACHE_SECONDS", "600"), ("REFRESH_SECONDS", "1")];

/// Settings of a resource server that introspects JWTs too.
const INTROSPECTING: [(&str, &str); 4] = [
    ("INTROSPECT_JWTS", "true"),
    ("CACHE_SECONDS", "1"),
    ("REFRESH_SECONDS", "1"),
    ("RESOURCE_METADATA", METADATA),
];

/// A running resource server.
struct ResourceServer {
    child: Child,
    base: String,
    log: PathBuf,
    agent: ureq::Agent,
}

/// The response to `GET /orders`.
#[derive(Debug)]
struct Response {
    status: u16,
    challenge: String,
    retry_after: bool,
    body: Value,
}

impl ResourceServer {
    fn start(
        mut command: Command,
        fixture: &Fixture,
        name: &str,
        settings: &[(&str, &str)],
    ) -> Self {
        let log = fixture.world.folder.join(format!("{name}.log"));
        let mut child = command
            .env("ISSUER", &fixture.node.base)
            .env("AUDIENCE", ORDERS)
            .env("CLIENT_ID", &fixture.orders.id)
            .env("CLIENT_SECRET", &fixture.orders.secret)
            .env("PORT", "0")
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let Some(base) = line.trim().strip_prefix("listening on ") else {
            let _ = child.kill();
            let _ = child.wait();
            let log = std::fs::read_to_string(log).unwrap();
            panic!("{command:?} does not listen: {line}{log}");
        };
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .timeout_global(Some(Duration::from_secs(30)));
        ResourceServer {
            child,
            base: base.to_owned(),
            log,
            agent: config.build().new_agent(),
        }
    }

    fn get(&self, authorization: Option<&str>) -> Response {
        let mut request = self.agent.get(format!("{}/orders", self.base));
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        let mut response = request.call().unwrap();
        let header = |name: &str| {
            let value = response.headers().get(name)?;
            Some(value.to_str().unwrap().to_owned())
        };
        Response {
            status: response.status().as_u16(),
            challenge: header("www-authenticate").unwrap_or_default(),
            retry_after: header("retry-after").is_some(),
            body: serde_json::from_str(&response.body_mut().read_to_string().unwrap()).unwrap(),
        }
    }

    fn bearer(&self, token: &str) -> Response {
        self.get(Some(&format!("Bearer {token}")))
    }

    /// Asserts that the request is refused with this error (RFC 6750 section 3).
    #[track_caller]
    fn refuses(&self, authorization: &str, status: u16, error: &str, what: &str) {
        let response = self.get(Some(authorization));
        let challenge = format!(r#"Bearer error="{error}""#);
        assert!(
            response.status == status
                && response.challenge.starts_with(&challenge)
                && response.body["error"] == error,
            "{what}: {response:?}"
        );
        if error == "insufficient_scope" {
            let scope = format!(r#"scope="{SCOPE}""#);
            assert!(response.challenge.contains(&scope), "{what}: {response:?}");
        }
    }

    fn accepts(&self, token: &str) -> bool {
        match self.bearer(token).status {
            200 => true,
            401 => false,
            status => panic!("{status}"),
        }
    }

    /// Sends the same credential in several requests at a time, and returns their statuses.
    fn at_once(&self, token: &str) -> Vec<u16> {
        let authorization = format!("Bearer {token}");
        std::thread::scope(|scope| {
            let requests: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| self.get(Some(&authorization)).status))
                .collect();
            requests
                .into_iter()
                .map(|request| request.join().unwrap())
                .collect()
        })
    }

    /// Whether the resource server reported that it could not fetch the keys.
    fn failed_to_fetch_keys(&self) -> bool {
        let log = std::fs::read_to_string(&self.log).unwrap();
        log.contains("/.well-known/jwks.json")
    }
}

impl Drop for ResourceServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The signing keys, by algorithm. All servers here have the same, since RSA keys take long to make.
static SIGNING_KEYS: LazyLock<Vec<(&'static str, rcgen::KeyPair)>> = LazyLock::new(|| {
    let algorithms = [
        ("RS256", &rcgen::PKCS_RSA_SHA256),
        ("PS256", &rcgen::PKCS_RSA_SHA256),
        ("ES256", &rcgen::PKCS_ECDSA_P256_SHA256),
        ("EdDSA", &rcgen::PKCS_ED25519),
    ];
    let keys = algorithms.map(|(name, kind)| (name, rcgen::KeyPair::generate_for(kind).unwrap()));
    keys.into()
});

fn pair(algorithm: &'static str, key: &rcgen::KeyPair) -> Pair {
    let der = key.serialize_der();
    match algorithm {
        "ES256" => Pair::Ec(Box::new(
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der).unwrap(),
        )),
        "EdDSA" => Pair::Ed(Box::new(Ed25519KeyPair::from_pkcs8(&der).unwrap())),
        rsa => Pair::Rsa(Box::new(RsaKeyPair::from_pkcs8(&der).unwrap()), rsa),
    }
}

/// A published key that the test can sign with.
struct SigningKey {
    pair: Pair,
    kid: String,
}

/// A server whose signing keys the test knows, so that the test can sign tokens that Keyward would
/// never issue.
struct Fixture {
    world: World,
    node: Node,
    /// The first is that for RS256.
    signing_keys: Vec<SigningKey>,
    orders: Client,
    partner: Client,
    tokens: Tokens,
}

/// A token issued before the signing key was rotated.
struct Tokens {
    valid: String,
    for_invoices: String,
    without_scope: String,
}

/// The new key signs two seconds after a rotation.
const FLAGS: [&str; 2] = ["--jwks-max-age", "0"];

impl Fixture {
    fn new() -> Self {
        let world = World::sqlite();
        world.cli(&["migrate"]);
        let import = |(algorithm, key): &(&'static str, rcgen::KeyPair)| {
            let file = world.file(&format!("{algorithm}.pem"), &key.serialize_pem());
            let file = file.to_str().unwrap();
            let imported = world.cli(&["signing-key", "import", file, "--algorithm", algorithm]);
            SigningKey {
                pair: pair(algorithm, key),
                kid: imported["kid"].as_str().unwrap().to_owned(),
            }
        };
        let signing_keys = SIGNING_KEYS.iter().map(import).collect();
        let orders = world.resource(ORDERS);
        world.resource(INVOICES);
        let partner = world.client_with(&[
            "--scope",
            "orders:read orders:write",
            "--resource",
            ORDERS,
            "--resource",
            INVOICES,
        ]);
        let node = world.start_with(&FLAGS);
        Fixture {
            tokens: Tokens {
                valid: issue(&node, &partner, &[("resource", ORDERS)]),
                for_invoices: issue(&node, &partner, &[("resource", INVOICES)]),
                without_scope: issue(&node, &partner, &[("scope", "orders:write")]),
            },
            node,
            world,
            signing_keys,
            orders,
            partner,
        }
    }

    fn api_key(&self, name: &str, scope: &str) -> (String, String) {
        let arguments = [
            "key",
            "create",
            &self.partner.id,
            "--name",
            name,
            "--scope",
            scope,
        ];
        let made = self.world.cli(&arguments);
        let text = |member: &str| made[member].as_str().unwrap().to_owned();
        (text("id"), text("api_key"))
    }

    fn claims(&self) -> Value {
        json!({
            "iss": self.node.base,
            "sub": self.partner.id,
            "client_id": self.partner.id,
            "aud": ORDERS,
            "scope": SCOPE,
            "iat": jwt::now() - 600,
            "exp": jwt::now() + 600,
            "jti": "made-by-the-test",
        })
    }

    fn header(&self) -> Value {
        json!({"alg": "RS256", "typ": "at+jwt", "kid": self.signing_keys[0].kid})
    }

    /// Signs a JWT with the key for RS256.
    fn sign(&self, header: &Value, claims: &Value) -> String {
        self.signing_keys[0].pair.sign(header, claims)
    }

    /// A JWT that differs from a valid one in one claim.
    fn with_claim(&self, name: &str, value: Value) -> String {
        let mut claims = self.claims();
        claims[name] = value;
        self.sign(&self.header(), &claims)
    }

    /// A JWT that differs from a valid one in one member of its header.
    fn with_header(&self, name: &str, value: Value) -> String {
        let mut header = self.header();
        header[name] = value;
        self.sign(&header, &self.claims())
    }

    /// A JWT without one of the claims.
    fn without_claim(&self, name: &str) -> String {
        let mut claims = self.claims();
        claims.as_object_mut().unwrap().remove(name);
        self.sign(&self.header(), &claims)
    }

    /// How often the published keys were fetched.
    fn key_fetches(&self) -> f64 {
        self.requests("/.well-known/jwks.json")
    }

    /// How many requests to this route succeeded.
    fn requests(&self, route: &str) -> f64 {
        let series = format!(r#"keyward_http_requests_total{{route="{route}",status="200"}}"#);
        self.node.metric(&series)
    }
}

fn issue(node: &Node, client: &Client, fields: &[(&str, &str)]) -> String {
    let reply = node.token_reply(client, fields);
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.json()["access_token"].as_str().unwrap().to_owned()
}

/// Builds a resource server and checks it. `build` returns a function that creates the command to
/// start it.
fn check(build: impl FnOnce(&World) -> Box<dyn Fn() -> Command>) {
    let fixture = Fixture::new();
    let command = build(&fixture.world);
    let offline = ResourceServer::start(command(), &fixture, "offline", &OFFLINE);
    let introspecting = ResourceServer::start(command(), &fixture, "introspecting", &INTROSPECTING);

    let token = &fixture.tokens.valid;
    let response = offline.bearer(token);
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(response.body["client_id"], json!(fixture.partner.id));
    assert!(introspecting.accepts(token));
    let rotated = [&FLAGS[..], &["signing-key", "rotate"]].concat();
    let new_kid = fixture.world.cli(&rotated)["kid"].clone();

    refuses_what_is_not_valid(&fixture, &offline);
    uses_each_key_with_its_own_algorithm(&fixture, &offline);
    requires_the_scope(&fixture, &offline);
    accepts_api_keys(&fixture, &offline);
    shares_and_caches_introspection_responses(&fixture, &offline);
    limits_how_often_it_fetches_keys(&fixture, &offline);
    names_its_metadata(&introspecting);

    // A resource server that uses introspection refuses a revoked token when the cached response
    // expires; one that verifies offline accepts it until it expires.
    assert_eq!(fixture.node.revoke(&fixture.partner, token).status, 200);
    refuses_soon(&introspecting, token);
    assert!(offline.accepts(token));
    let (id, key) = fixture.api_key("Deleted", SCOPE);
    assert!(introspecting.accepts(&key));
    fixture
        .world
        .cli(&["key", "delete", &fixture.partner.id, &id]);
    refuses_soon(&introspecting, &key);

    let token = first_token_by(&fixture, &new_kid);
    for server in [&offline, &introspecting] {
        within(Duration::from_secs(20), "the new key", || {
            server.accepts(&token).then_some(())
        });
    }
    without_the_issuer(fixture, &offline, &introspecting, &token);
}

/// While Keyward is down, offline verification still works with the old keys, although their
/// `max-age` has passed. What cannot be verified offline is not answered with 401.
fn without_the_issuer(
    fixture: Fixture,
    offline: &ResourceServer,
    introspecting: &ResourceServer,
    token: &str,
) {
    let (_, key) = fixture.api_key("Last", SCOPE);
    let unknown = fixture.with_header("kid", json!("unknown"));
    fixture.node.stop();
    let refused = |server: &ResourceServer, credential: &str| {
        let response = server.bearer(credential);
        (response.status == 503).then(|| assert!(response.retry_after, "{response:?}"))
    };
    eventually("a request for the keys without a response", || {
        assert!(offline.accepts(token));
        offline.failed_to_fetch_keys().then_some(())
    });
    assert!(offline.accepts(token));
    assert!(refused(offline, &key).is_some());
    assert!(refused(offline, &unknown).is_some());
    eventually("the end of the cached response", || {
        refused(introspecting, token)
    });
}

fn refuses_soon(server: &ResourceServer, credential: &str) {
    eventually("the end of the cached response", || {
        (!server.accepts(credential)).then_some(())
    });
}

fn refuses_what_is_not_valid(fixture: &Fixture, server: &ResourceServer) {
    let response = server.get(None);
    assert_eq!(
        (response.status, response.challenge.as_str()),
        (401, "Bearer")
    );
    assert!(server.accepts(&fixture.sign(&fixture.header(), &fixture.claims())));
    assert!(
        server.accepts(&fixture.with_claim("exp", json!(jwt::now() - 1))),
        "clocks differ by a little"
    );
    let stranger = Pair::new("RS256");
    let unsigned = format!(
        "{}.{}.",
        jwt::encode(json!({"alg": "none", "typ": "at+jwt"}).to_string()),
        jwt::encode(fixture.claims().to_string())
    );
    let bearer = |token: String| format!("Bearer {token}");
    let refused = [
        ("not a token", bearer("garbage".to_owned())),
        ("not a JWT", bearer("a.b.c".to_owned())),
        ("empty", "Bearer".to_owned()),
        ("another scheme", format!("Token {}", fixture.tokens.valid)),
        ("not base64", "Basic !!!".to_owned()),
        (
            "a password",
            format!("Basic {}", STANDARD.encode("key:password")),
        ),
        ("no signature", bearer(unsigned)),
        (
            "expired",
            bearer(fixture.with_claim("exp", json!(jwt::now() - 60))),
        ),
        (
            "another issuer",
            bearer(fixture.with_claim("iss", json!("https://other.example"))),
        ),
        (
            "another audience",
            bearer(fixture.tokens.for_invoices.clone()),
        ),
        (
            "another type",
            bearer(fixture.with_header("typ", json!("JWT"))),
        ),
        (
            "another key",
            bearer(stranger.sign(&fixture.header(), &fixture.claims())),
        ),
        (
            "not valid yet",
            bearer(fixture.with_claim("nbf", json!(jwt::now() + 60))),
        ),
        ("without an end", bearer(fixture.without_claim("exp"))),
        ("without an issuer", bearer(fixture.without_claim("iss"))),
        ("without an audience", bearer(fixture.without_claim("aud"))),
        (
            "without a client",
            bearer(fixture.without_claim("client_id")),
        ),
        (
            "an unknown extension",
            bearer(fixture.with_header("crit", json!(["b64"]))),
        ),
        (
            "bound to a DPoP key",
            bearer(fixture.with_claim("cnf", json!({"jkt": "x"}))),
        ),
        (
            "bound to a certificate",
            bearer(fixture.with_claim("cnf", json!({"x5t#S256": "x"}))),
        ),
        (
            "with the scheme of a bound token",
            format!("DPoP {}", fixture.tokens.valid),
        ),
    ];
    each_case(refused, |(what, authorization)| {
        server.refuses(&authorization, 401, "invalid_token", what);
    });
}

/// RFC 8725 section 3.1.
fn uses_each_key_with_its_own_algorithm(fixture: &Fixture, server: &ResourceServer) {
    for key in &fixture.signing_keys {
        let algorithm = key.pair.algorithm();
        let header = json!({"alg": algorithm, "typ": "at+jwt", "kid": key.kid});
        let token = key.pair.sign(&header, &fixture.claims());
        assert!(server.accepts(&token), "{algorithm}");
    }
    // The private half of the key for RS256 can sign with PS256.
    let header = json!({"alg": "PS256", "typ": "at+jwt", "kid": fixture.signing_keys[0].kid});
    let other = pair("PS256", &SIGNING_KEYS[0].1).sign(&header, &fixture.claims());
    let symmetric = fixture.with_header("alg", json!("HS256"));
    let es256 = fixture.with_header("alg", json!("ES256"));
    for (what, token) in [("PS256", other), ("HS256", symmetric), ("ES256", es256)] {
        server.refuses(&format!("Bearer {token}"), 401, "invalid_token", what);
    }
}

/// RFC 9728 section 5.1.
fn names_its_metadata(server: &ResourceServer) {
    let response = server.get(None);
    let expected = format!(r#"Bearer resource_metadata="{METADATA}""#);
    assert_eq!(response.challenge, expected);
    let response = server.bearer("garbage");
    let expected = format!(r#"Bearer error="invalid_token", resource_metadata="{METADATA}""#);
    assert_eq!(response.challenge, expected);
}

fn requires_the_scope(fixture: &Fixture, server: &ResourceServer) {
    let (_, key) = fixture.api_key("Write", "orders:write");
    let refused = [
        ("another scope", fixture.tokens.without_scope.clone()),
        (
            "a scope that begins the same",
            fixture.with_claim("scope", json!("orders:read:all orders")),
        ),
        ("an API key with another scope", key),
    ];
    for (what, token) in refused {
        server.refuses(&format!("Bearer {token}"), 403, "insufficient_scope", what);
    }
}

fn accepts_api_keys(fixture: &Fixture, server: &ResourceServer) {
    let (_, key) = fixture.api_key("Orders", SCOPE);
    let presented = [
        format!("Bearer {key}"),
        format!("bearer {key}"),
        format!("Basic {}", STANDARD.encode(&key)),
        format!("Basic {}", STANDARD.encode(format!("{key}:"))),
    ];
    for authorization in &presented {
        let response = server.get(Some(authorization));
        assert_eq!(response.status, 200, "{authorization}: {response:?}");
        assert_eq!(response.body["client_id"], json!(fixture.partner.id));
    }
    let other = fixture
        .world
        .client_with(&["--scope", "orders:read", "--resource", INVOICES]);
    let (mistyped, _) = key.split_at(key.len() - 1);
    for (what, key) in [
        ("another API's key", other.api_key.as_str()),
        ("mistyped", mistyped),
    ] {
        server.refuses(&format!("Bearer {key}"), 401, "invalid_token", what);
    }
}

/// Several requests with the same credential cause one introspection, whatever its response.
fn shares_and_caches_introspection_responses(fixture: &Fixture, server: &ResourceServer) {
    let (_, key) = fixture.api_key("Shared", SCOPE);
    for (credential, status) in [(key.as_str(), 200), ("kwk_unknown", 401)] {
        let before = fixture.requests("/oauth/introspect");
        for _ in 0..2 {
            assert_eq!(server.at_once(credential), [status; 8], "{credential}");
        }
        let introspections = fixture.requests("/oauth/introspect") - before;
        assert!((introspections - 1.0).abs() < 0.5, "{introspections}");
    }
}

fn limits_how_often_it_fetches_keys(fixture: &Fixture, server: &ResourceServer) {
    let (before, began) = (fixture.key_fetches(), Instant::now());
    for number in 0..30 {
        let unknown = fixture.with_header("kid", json!(format!("unknown-{number}")));
        server.refuses(
            &format!("Bearer {unknown}"),
            401,
            "invalid_token",
            "unknown kid",
        );
    }
    let fetches = fixture.key_fetches() - before;
    let most = 2.0 + began.elapsed().as_secs_f64();
    assert!(fetches <= most, "{fetches} fetches for 30 unknown keys");
}

fn first_token_by(fixture: &Fixture, kid: &Value) -> String {
    within(Duration::from_secs(10), "a token by the new key", || {
        let token = issue(&fixture.node, &fixture.partner, &[("resource", ORDERS)]);
        (jwt::header(&token)["kid"] == *kid).then_some(token)
    })
}

fn succeeds(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn the_rust_example_protects_its_resource() {
    check(|_| {
        // With `--test`, cargo does not build examples.
        let mut build = Command::new(env!("CARGO"));
        build
            .args(["build", "--locked", "--example", "resource-server"])
            .current_dir(repository(""));
        succeeds(&mut build);
        let binaries = Path::new(env!("CARGO_BIN_EXE_keyward")).parent().unwrap();
        let program = binaries.join("examples/resource-server");
        Box::new(move || Command::new(&program))
    });
}

/// The example and the verifier, built by the tests, have the dependencies that users build them with.
#[test]
fn the_rust_verifier_and_example_have_the_versions_of_the_server() {
    let read = |path: &str| -> toml::Table {
        let text = std::fs::read_to_string(repository(path)).unwrap();
        text.parse().unwrap()
    };
    let version = |dependency: &toml::Value| {
        let version = dependency.get("version").unwrap_or(dependency);
        version.as_str().map(str::to_owned)
    };
    let server = read("Cargo.toml");
    let mut compared = 0;
    for path in ["examples/rust", "contrib/verifier/rust"] {
        let manifest = read(&format!("{path}/Cargo.toml"));
        for (name, dependency) in manifest["dependencies"].as_table().unwrap() {
            let own = server["dependencies"]
                .get(name)
                .or_else(|| server["dev-dependencies"].get(name));
            if let (Some(own), Some(version_here)) = (own, version(dependency)) {
                assert_eq!(Some(version_here), version(own), "{path}: {name}");
                compared += 1;
            }
        }
    }
    assert!(compared > 10, "{compared}");
}

#[test]
fn the_go_example_protects_its_resource() {
    needs!(Tool::Go);
    let go = |arguments: &[&str], folder: &str| {
        let mut command = Command::new("go");
        command
            .args(arguments)
            .current_dir(repository(folder))
            .envs(tools::go_environment());
        command
    };
    succeeds(&mut go(&["test", "-vet=off", "."], "contrib/verifier/go"));
    check(|world| {
        let program = world.folder.join("resource-server");
        succeeds(go(&["build", "-o"], "examples/go").arg(&program).arg("."));
        Box::new(move || Command::new(&program))
    });
}

#[test]
fn the_python_example_protects_its_resource() {
    needs!(Tool::Python);
    let python = || {
        let mut command = Command::new(variable("TEST_PYTHON"));
        command
            .env("PYTHONPATH", repository("contrib/verifier/python"))
            .env("PYTHONDONTWRITEBYTECODE", "1");
        command
    };
    succeeds(python().arg(repository("contrib/verifier/python/tests/test_units.py")));
    check(|_| {
        Box::new(move || {
            let mut command = python();
            command.arg(repository("examples/python/resource_server.py"));
            command
        })
    });
}

#[test]
fn the_java_example_protects_its_resource() {
    needs!(Tool::Java);
    let jars = PathBuf::from(variable("TEST_JAVA_DIR")).join("*");
    check(|world| {
        let mut sources = vec![repository("examples/java/ResourceServer.java")];
        for folder in ["main", "test"] {
            let folder = format!("contrib/verifier/java/src/{folder}/java/keyward/verifier");
            let files = std::fs::read_dir(repository(&folder)).unwrap();
            sources.extend(files.map(|file| file.unwrap().path()));
        }
        let class_path = tools::compile_java(&sources, &jars, &world.folder);
        succeeds(tools::java().args(["-cp", &class_path, "keyward.verifier.UnitTests"]));
        Box::new(move || {
            let mut command = tools::java();
            command.args(["-cp", &class_path, "example.ResourceServer"]);
            command
        })
    });
}

#[test]
fn the_node_example_protects_its_resource() {
    needs!(Tool::Node);
    let packages = PathBuf::from(variable("TEST_NODE_DIR")).join("node_modules");
    check(|world| {
        // Node.js looks for packages in the folders above a script.
        std::os::unix::fs::symlink(&packages, world.folder.join("node_modules")).unwrap();
        let verifier = world.folder.join("app/node_modules/keyward-verifier");
        copy_folder(&repository("contrib/verifier/node"), &verifier);
        let mut unit_tests = Command::new("node");
        succeeds(unit_tests.arg(verifier.join("test/unit.test.mjs")));
        let script = world.folder.join("app/resource_server.mjs");
        std::fs::copy(repository("examples/node/resource_server.mjs"), &script).unwrap();
        Box::new(move || {
            let mut command = Command::new("node");
            command.arg(&script);
            command
        })
    });
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let copy = to.join(path.file_name().unwrap());
        if path.is_symlink() || path.ends_with("node_modules") {
            continue;
        }
        if path.is_dir() {
            copy_folder(&path, &copy);
        } else {
            std::fs::copy(&path, &copy).unwrap();
        }
    }
}
