//! The resource servers of `examples/`, each started as its README says, with a real Keyward
//! server.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aws_lc_rs::signature::RsaKeyPair;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::jwt::{self, Pair};
use crate::support::tools::{self, Tool, variable};
use crate::support::{Client, Node, World, repository, within};

const ORDERS: &str = "https://orders.example/";
const INVOICES: &str = "https://invoices.example/";
const SCOPE: &str = "orders:read";

/// A running resource server.
struct ResourceServer {
    child: Child,
    base: String,
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
    fn start(mut command: Command, world: &World, node: &Node, client: &Client) -> Self {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(world.folder.join("resource-server.log"))
            .unwrap();
        let mut child = command
            .env("ISSUER", &node.base)
            .env("AUDIENCE", ORDERS)
            .env("CLIENT_ID", &client.id)
            .env("CLIENT_SECRET", &client.secret)
            .env("PORT", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let Some(base) = line.trim().strip_prefix("listening on ") else {
            let _ = child.kill();
            let _ = child.wait();
            let log = std::fs::read_to_string(world.folder.join("resource-server.log"));
            panic!("{command:?} does not listen: {line}{}", log.unwrap());
        };
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .timeout_global(Some(Duration::from_secs(30)));
        ResourceServer {
            child,
            base: base.to_owned(),
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
}

impl Drop for ResourceServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server whose signing key the test knows, so that the test can sign tokens that Keyward would
/// never issue.
struct Fixture {
    world: World,
    node: Node,
    signing_key: Pair,
    kid: String,
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
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
        let file = world.file("signing-key.pem", &key.serialize_pem());
        world.cli(&["migrate"]);
        let imported = world.cli(&["signing-key", "import", file.to_str().unwrap()]);
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
        let pair = RsaKeyPair::from_pkcs8(&key.serialize_der()).unwrap();
        let node = world.start_with(&FLAGS);
        Fixture {
            tokens: Tokens {
                valid: issue(&node, &partner, &[("resource", ORDERS)]),
                for_invoices: issue(&node, &partner, &[("resource", INVOICES)]),
                without_scope: issue(&node, &partner, &[("scope", "orders:write")]),
            },
            node,
            world,
            signing_key: Pair::Rsa(Box::new(pair), "RS256"),
            kid: imported["kid"].as_str().unwrap().to_owned(),
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
        json!({"alg": "RS256", "typ": "at+jwt", "kid": self.kid})
    }

    /// A JWT that differs from a valid one in one claim.
    fn with_claim(&self, name: &str, value: Value) -> String {
        let mut claims = self.claims();
        claims[name] = value;
        self.signing_key.sign(&self.header(), &claims)
    }

    /// A JWT that differs from a valid one in one member of its header.
    fn with_header(&self, name: &str, value: Value) -> String {
        let mut header = self.header();
        header[name] = value;
        self.signing_key.sign(&header, &self.claims())
    }

    /// How often the published keys were fetched.
    fn key_fetches(&self) -> f64 {
        self.node
            .metric(r#"keyward_http_requests_total{route="/.well-known/jwks.json",status="200"}"#)
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
    let start =
        |command| ResourceServer::start(command, &fixture.world, &fixture.node, &fixture.orders);
    let offline = start(command());
    let mut asking = command();
    asking.env("INTROSPECT_JWTS", "true");
    let asking = start(asking);

    let token = &fixture.tokens.valid;
    let response = offline.bearer(token);
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(response.body["client_id"], json!(fixture.partner.id));
    assert!(asking.accepts(token));
    let rotated = [&FLAGS[..], &["signing-key", "rotate"]].concat();
    let new_kid = fixture.world.cli(&rotated)["kid"].clone();

    refuses_what_is_not_valid(&fixture, &offline);
    requires_the_scope(&fixture, &offline);
    takes_api_keys(&fixture, &offline);
    limits_how_often_it_fetches_keys(&fixture, &offline);

    // A resource server that uses introspection refuses a revoked token at once; one that verifies
    // offline accepts it until it expires.
    assert_eq!(fixture.node.revoke(&fixture.partner, token).status, 200);
    assert!(!asking.accepts(token));
    assert!(offline.accepts(token));

    let token = first_token_by(&fixture, &new_kid);
    for server in [&offline, &asking] {
        within(Duration::from_secs(20), "the new key", || {
            server.accepts(&token).then_some(())
        });
    }

    // While Keyward is down, offline verification still works. What cannot be verified offline is
    // not answered with 401.
    let (_, key) = fixture.api_key("Last", SCOPE);
    fixture.node.stop();
    assert!(offline.accepts(&token));
    for (server, credential) in [(&offline, &key), (&asking, &token)] {
        let response = server.bearer(credential);
        assert_eq!((response.status, response.retry_after), (503, true));
    }
}

fn refuses_what_is_not_valid(fixture: &Fixture, server: &ResourceServer) {
    let response = server.get(None);
    assert_eq!(
        (response.status, response.challenge.as_str()),
        (401, "Bearer")
    );
    assert!(
        server.accepts(
            &fixture
                .signing_key
                .sign(&fixture.header(), &fixture.claims())
        )
    );
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
    ];
    for (what, authorization) in refused {
        server.refuses(&authorization, 401, "invalid_token", what);
    }
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

fn takes_api_keys(fixture: &Fixture, server: &ResourceServer) {
    let (id, key) = fixture.api_key("Orders", SCOPE);
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
    fixture
        .world
        .cli(&["key", "delete", &fixture.partner.id, &id]);
    within(Duration::from_secs(1), "the end of the API key", || {
        (!server.accepts(&key)).then_some(())
    });
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
    let most = 2.0 + began.elapsed().as_secs_f64() / 5.0;
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

/// The example built by the tests has the dependencies that `examples/rust` names.
#[test]
fn the_rust_example_has_the_versions_of_the_server() {
    let read = |path: &str| -> toml::Table {
        let text = std::fs::read_to_string(repository(path)).unwrap();
        text.parse().unwrap()
    };
    let version = |dependency: &toml::Value| {
        let version = dependency.get("version").unwrap_or(dependency);
        version.as_str().unwrap().to_owned()
    };
    let (server, example) = (read("Cargo.toml"), read("examples/rust/Cargo.toml"));
    for (name, dependency) in example["dependencies"].as_table().unwrap() {
        let own = server["dependencies"]
            .get(name)
            .or_else(|| server["dev-dependencies"].get(name))
            .unwrap_or_else(|| panic!("{name}"));
        assert_eq!(version(dependency), version(own), "{name}");
    }
}

#[test]
fn the_go_example_protects_its_resource() {
    needs!(Tool::RecentGo);
    check(|world| {
        let program = world.folder.join("resource-server");
        let mut build = Command::new("go");
        build
            .args(["build", "-o"])
            .arg(&program)
            .arg(".")
            .current_dir(repository("examples/go"))
            .envs(tools::go_environment());
        succeeds(&mut build);
        Box::new(move || Command::new(&program))
    });
}

#[test]
fn the_python_example_protects_its_resource() {
    needs!(Tool::Python);
    let interpreter = PathBuf::from(variable("TEST_PYTHON"));
    check(|_| {
        Box::new(move || {
            let mut command = Command::new(&interpreter);
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
        let source = repository("examples/java/ResourceServer.java");
        let class_path = tools::compile_java(&source, &jars, &world.folder);
        Box::new(move || {
            let mut command = tools::java();
            command.args(["-cp", &class_path, "ResourceServer"]);
            command
        })
    });
}

#[test]
fn the_node_example_protects_its_resource() {
    needs!(Tool::Node);
    let packages = PathBuf::from(variable("TEST_NODE_DIR")).join("node_modules");
    check(|world| {
        // Node.js looks for packages beside the script.
        std::os::unix::fs::symlink(&packages, world.folder.join("node_modules")).unwrap();
        let script = world.folder.join("resource_server.mjs");
        std::fs::copy(repository("examples/node/resource_server.mjs"), &script).unwrap();
        Box::new(move || {
            let mut command = Command::new("node");
            command.arg(&script);
            command
        })
    });
}
