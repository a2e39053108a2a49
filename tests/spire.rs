//! JWT-SVIDs and X.509-SVIDs of a real SPIRE: a server, an agent, and a workload that fetches its
//! SVIDs.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::support::mutual_tls::start_asking;
use crate::support::tools::{Tool, variable};
use crate::support::{World, eventually, jwt};

const SPIFFE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const WORKLOAD: &str = "spiffe://acme.example/ns/payments/sa/batch";
const AGENT: &str = "spiffe://acme.example/agent";

/// A process that is killed when the test ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A SPIRE server and agent of the trust domain `acme.example`.
struct Spire {
    folder: PathBuf,
    running: Vec<Running>,
}

impl Spire {
    fn start(world: &World, name: &str) -> Self {
        let folder = world.folder.join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let mut spire = Spire {
            folder,
            running: Vec::new(),
        };
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let at = |name: &str| spire.folder.join(name).display().to_string();
        let server = world.file(
            &format!("{name}-server.conf"),
            &format!(
                r#"server {{
    bind_address = "127.0.0.1"
    bind_port = "{port}"
    socket_path = "{socket}"
    trust_domain = "acme.example"
    data_dir = "{data}"
    log_level = "WARN"
}}
plugins {{
    DataStore "sql" {{ plugin_data {{ database_type = "sqlite3" connection_string = "{data}/datastore.sqlite3" }} }}
    KeyManager "memory" {{ plugin_data {{}} }}
    NodeAttestor "join_token" {{ plugin_data {{}} }}
}}"#,
                socket = at("server.sock"),
                data = at("server"),
            ),
        );
        let agent = world.file(
            &format!("{name}-agent.conf"),
            &format!(
                r#"agent {{
    server_address = "127.0.0.1"
    server_port = "{port}"
    socket_path = "{socket}"
    trust_domain = "acme.example"
    data_dir = "{data}"
    log_level = "WARN"
    insecure_bootstrap = true
}}
plugins {{
    KeyManager "memory" {{ plugin_data {{}} }}
    NodeAttestor "join_token" {{ plugin_data {{}} }}
    WorkloadAttestor "unix" {{ plugin_data {{}} }}
}}"#,
                socket = at("agent.sock"),
                data = at("agent"),
            ),
        );
        for name in ["server", "agent"] {
            std::fs::create_dir_all(spire.folder.join(name)).unwrap();
        }
        spire.run("spire-server", &server, &[]);
        let generated = eventually("the SPIRE server", || {
            spire.ask("spire-server", &["token", "generate", "-spiffeID", AGENT])
        });
        let token = generated.lines().next().unwrap();
        let token = token.strip_prefix("Token: ").unwrap().trim().to_owned();
        spire.run("spire-agent", &agent, &["-joinToken", &token]);
        let selector = format!("unix:uid:{}", user_id());
        let entry = ["entry", "create", "-parentID", AGENT, "-spiffeID", WORKLOAD];
        spire
            .ask(
                "spire-server",
                &[&entry[..], &["-selector", &selector]].concat(),
            )
            .expect("an entry");
        spire
    }

    fn program(name: &str) -> PathBuf {
        Path::new(&variable("TEST_SPIRE")).join(name)
    }

    fn run(&mut self, program: &str, config: &Path, flags: &[&str]) {
        let log = std::fs::File::create(self.folder.join(format!("{program}.log"))).unwrap();
        let child = Command::new(Spire::program(program))
            .args(["run", "-config", config.to_str().unwrap()])
            .args(flags)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.running.push(Running(child));
    }

    /// What a command of the program prints; none if it fails.
    fn ask(&self, program: &str, arguments: &[&str]) -> Option<String> {
        let socket = match program {
            "spire-server" => "server.sock",
            _ => "agent.sock",
        };
        let output = Command::new(Spire::program(program))
            .args(arguments)
            .args(["-socketPath", self.folder.join(socket).to_str().unwrap()])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        output.status.success().then_some(said)
    }

    /// The bundle of the trust domain, as `docs/workload-identity/spiffe.md` fetches it.
    fn bundle(&self) -> String {
        self.ask("spire-server", &["bundle", "show", "-format", "spiffe"])
            .expect("the bundle")
    }

    /// A JWT-SVID of the workload, which this test is.
    fn jwt_svid(&self, audience: &str) -> String {
        let fetched = eventually("the JWT-SVID", || {
            self.ask(
                "spire-agent",
                &["api", "fetch", "jwt", "-audience", audience],
            )
        });
        let line = fetched.lines().find(|line| line.trim().starts_with("eyJ"));
        line.expect(&fetched).trim().to_owned()
    }
}

impl Spire {
    /// The X.509-SVID of the workload, in the files `svid.0.pem` and `svid.0.key` of the returned folder.
    fn x509_svid(&self) -> PathBuf {
        let folder = self.folder.join("svid");
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.to_str().unwrap();
        eventually("the X.509-SVID", || {
            self.ask("spire-agent", &["api", "fetch", "x509", "-write", path])
        });
        folder
    }
}

fn user_id() -> String {
    let output = Command::new("id").arg("-u").output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn a_workload_authenticates_with_its_jwt_svid() {
    needs!(Tool::Spire);
    let world = World::sqlite();
    let node = world.start();
    let spire = Spire::start(&world, "one");
    let bundle = world.file("bundle.json", &spire.bundle());
    let client = world.client("read");
    let flags = ["--preset", "spiffe", "--spiffe-id", WORKLOAD, "--jwks"];
    let create = ["trust-rule", "create", &client.id];
    world.cli(&[&create[..], &flags, &[bundle.to_str().unwrap()]].concat());
    let svid = spire.jwt_svid(&node.base);
    let client_of = |fields: &[(&str, &str)]| -> Value {
        let reply = node.form("/oauth/token", None, fields);
        assert_eq!(reply.status, 200, "{} {}", reply.body, node.logs());
        let token = reply.json()["access_token"].as_str().unwrap().to_owned();
        jwt::claims(&token)["client_id"].clone()
    };
    let as_client = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", SPIFFE),
        ("client_assertion", &svid),
    ];
    let as_grant = [("grant_type", JWT_BEARER), ("assertion", &svid)];
    // An agent caches its SVIDs, and a workload uses one again.
    for fields in [&as_client[..], &as_grant, &as_client] {
        assert_eq!(client_of(fields), json!(client.id));
    }
    let elsewhere = spire.jwt_svid("https://other.example");
    let fields = [("grant_type", JWT_BEARER), ("assertion", &*elsewhere)];
    node.form("/oauth/token", None, &fields)
        .refused(400, "invalid_grant");
    // The bundle of another trust domain, with the same names and other keys.
    let foreign = Spire::start(&world, "two");
    let forged = foreign.jwt_svid(&node.base);
    let fields = [("grant_type", JWT_BEARER), ("assertion", &*forged)];
    node.form("/oauth/token", None, &fields)
        .refused(400, "invalid_grant");
}

#[test]
fn a_workload_authenticates_with_its_x509_svid() {
    needs!(Tool::Spire);
    let world = World::sqlite();
    let node = start_asking(&world, &[]);
    let spire = Spire::start(&world, "one");
    let bundle = world.file("bundle.json", &spire.bundle());
    let client = world.client("read");
    let flags = ["--preset", "spiffe-x509", "--spiffe-id", WORKLOAD, "--jwks"];
    let create = ["trust-rule", "create", &client.id];
    world.cli(&[&create[..], &flags, &[bundle.to_str().unwrap()]].concat());
    // The TLS client is curl, with the files as the agent wrote them.
    let ask = |svid: &Path| -> Value {
        let address = format!("{}/oauth/token", node.base.replace("http://", "https://"));
        let client_id = format!("client_id={WORKLOAD}");
        let output = Command::new("curl")
            .args(["-sS", "--cacert"])
            .arg(world.folder.join("cert.pem"))
            .arg("--cert")
            .arg(svid.join("svid.0.pem"))
            .arg("--key")
            .arg(svid.join("svid.0.key"))
            .args(["-d", "grant_type=client_credentials"])
            .args(["--data-urlencode", &client_id, &address])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let svid = spire.x509_svid();
    let reply = ask(&svid);
    let token = reply["access_token"].as_str();
    assert!(token.is_some(), "{reply} {}", node.logs());
    assert_eq!(jwt::claims(token.unwrap())["client_id"], client.id);
    let certificate = svid.join("svid.0.pem");
    let tested = world.cli(&[
        "trust-rule",
        "test",
        "--certificate-file",
        certificate.to_str().unwrap(),
    ]);
    assert_eq!(tested["claims"]["sub"], WORKLOAD);
    // The same names, by the certificate authority of another trust domain.
    let foreign = Spire::start(&world, "two");
    assert_eq!(ask(&foreign.x509_svid())["error"], "invalid_client");
    assert!(node.logs().contains("does not chain to the trust bundle"));
}
