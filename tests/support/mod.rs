//! An isolated environment for each test: a new database, a keys folder, and nodes as real
//! processes.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use serde_json::Value;

use tools::variable;

#[macro_use]
pub mod tools;

pub mod clock;
pub mod dpop;
pub mod jwt;
pub mod key_server;
pub mod mutual_tls;
pub mod portal;
pub mod postgres;
pub mod properties;
pub mod proxy;
pub mod smtp_server;

/// Which database a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    Sqlite,
    Postgres,
}

/// Runs each function once on SQLite and once on Postgres, each time with a new [`World`] or [`EmptyWorld`].
macro_rules! on_both {
    ($($(#[$attribute:meta])* fn $name:ident($world:ident: $type:ty) $body:block)*) => {$(
        $(#[$attribute])*
        mod $name {
            use super::*;

            fn run($world: $type) $body

            #[test]
            fn sqlite() {
                run(<$type>::new($crate::support::Backend::Sqlite));
            }

            #[test]
            fn postgres() {
                needs!($crate::support::tools::Tool::Postgres);
                run(<$type>::new($crate::support::Backend::Postgres));
            }
        }
    )*};
}

/// Like `on_both!`, and once more on a Postgres whose transactions are serializable by default.
macro_rules! on_both_and_serializable {
    ($($(#[$attribute:meta])* fn $name:ident($world:ident: World) $body:block)*) => {$(
        $(#[$attribute])*
        mod $name {
            use super::*;

            fn run($world: World) $body

            #[test]
            fn sqlite() {
                run(World::sqlite());
            }

            #[test]
            fn postgres() {
                needs!($crate::support::tools::Tool::Postgres);
                run(World::postgres());
            }

            #[test]
            fn serializable() {
                needs!($crate::support::tools::Tool::Postgres);
                run(World::serializable());
            }
        }
    )*};
}

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A database and a folder for one test.
pub struct World {
    pub backend: Backend,
    pub folder: PathBuf,
    pub database_url: String,
    postgres_name: Option<String>,
}

/// A [`World`] whose database has no tables yet.
pub struct EmptyWorld(World);

impl EmptyWorld {
    pub fn new(backend: Backend) -> Self {
        EmptyWorld(World::create(backend, None))
    }
}

impl std::ops::Deref for EmptyWorld {
    type Target = World;

    fn deref(&self) -> &World {
        &self.0
    }
}

/// The result of a first start, to be copied: the tables, a signing key and the key that seals it.
/// Creating it takes a second of CPU time, which hundreds of tests would spend.
struct Template {
    folder: PathBuf,
    postgres_name: Option<String>,
}

impl Template {
    fn of(backend: Backend) -> &'static Template {
        static SQLITE: LazyLock<Template> = LazyLock::new(|| Template::make(Backend::Sqlite));
        static POSTGRES: LazyLock<Template> = LazyLock::new(|| Template::make(Backend::Postgres));
        match backend {
            Backend::Sqlite => &SQLITE,
            Backend::Postgres => &POSTGRES,
        }
    }

    fn make(backend: Backend) -> Template {
        remove_templates_of_ended_processes(backend);
        let name = format!("keyward_template_{}", std::process::id());
        let mut world = World::create_named(backend, name, None);
        assert!(world.start().stop().success());
        // No node has recorded its settings or the time in this database.
        world.execute("DELETE FROM deployment");
        world.execute("UPDATE clock SET begun_at = 0");
        let folder = world.folder.clone();
        let postgres_name = world.postgres_name.take();
        std::mem::forget(world);
        Template {
            folder,
            postgres_name,
        }
    }
}

/// No code runs at the end of a test run, so the next run cleans up.
fn remove_templates_of_ended_processes(backend: Backend) {
    let ended = |name: &str| {
        let pid = name.strip_prefix("keyward_template_")?;
        (!Path::new("/proc").join(pid).exists()).then_some(())
    };
    match backend {
        Backend::Sqlite => {
            for entry in std::fs::read_dir(std::env::temp_dir()).unwrap().flatten() {
                if ended(&entry.file_name().to_string_lossy()).is_some() {
                    let _ = std::fs::remove_dir_all(entry.path());
                }
            }
        }
        Backend::Postgres => {
            let mut connection =
                PgConnection::establish(&format!("{}/postgres", postgres_url())).unwrap();
            let names = diesel::dsl::sql::<diesel::sql_types::Text>(
                "SELECT datname::text FROM pg_database WHERE datname LIKE 'keyward\\_template\\_%'",
            );
            let names: Vec<String> = names.get_results(&mut connection).unwrap();
            for name in names.iter().filter(|name| ended(name).is_some()) {
                // Another process may be removing it too.
                let _ = connection
                    .batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
            }
        }
    }
}

fn postgres_url() -> String {
    variable("TEST_POSTGRES_URL")
}

/// The port of the Postgres that all tests share.
pub fn postgres_port() -> u16 {
    url::Url::parse(&postgres_url()).unwrap().port().unwrap()
}

impl World {
    /// A world as a first start leaves it.
    pub fn new(backend: Backend) -> Self {
        World::create(backend, Some(Template::of(backend)))
    }

    pub fn sqlite() -> Self {
        World::new(Backend::Sqlite)
    }

    pub fn postgres() -> Self {
        World::new(Backend::Postgres)
    }

    /// A world on Postgres whose transactions are serializable unless a statement says otherwise.
    pub fn serializable() -> Self {
        let world = World::postgres();
        let name = world.postgres_name.as_deref().unwrap();
        admin(&format!(
            "ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'"
        ));
        world
    }

    /// A world on the test's own Postgres, without tables.
    pub fn on(url: String) -> Self {
        let mut world = World::create(Backend::Sqlite, None);
        (world.backend, world.database_url) = (Backend::Postgres, url);
        world
    }

    fn create(backend: Backend, template: Option<&Template>) -> Self {
        let name = format!(
            "keyward_{}_{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        World::create_named(backend, name, template)
    }

    fn create_named(backend: Backend, name: String, template: Option<&Template>) -> Self {
        let folder = std::env::temp_dir().join(&name);
        std::fs::create_dir_all(&folder).unwrap();
        if let Some(template) = template {
            let keys = folder.join("keys");
            std::fs::DirBuilder::new()
                .mode(0o700)
                .create(&keys)
                .unwrap();
            std::fs::copy(
                template.folder.join("keys/sealing.key"),
                keys.join("sealing.key"),
            )
            .unwrap();
        }
        let (database_url, postgres_name) = match backend {
            Backend::Sqlite => {
                let file = folder.join("keyward.db");
                if let Some(template) = template {
                    std::fs::copy(template.folder.join("keyward.db"), &file).unwrap();
                }
                (format!("sqlite://{}", file.display()), None)
            }
            Backend::Postgres => {
                let of = template.and_then(|template| template.postgres_name.as_deref());
                let of = of.map_or_else(String::new, |template| format!(" TEMPLATE {template}"));
                admin(&format!("CREATE DATABASE {name}{of}"));
                (format!("{}/{name}", postgres_url()), Some(name))
            }
        };
        World {
            backend,
            folder,
            database_url,
            postgres_name,
        }
    }

    /// The binary with this world's settings and no others in its environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keyward"));
        command.current_dir(&self.folder).stdin(Stdio::null());
        for (name, _) in std::env::vars() {
            if name.starts_with("KEYWARD_") {
                command.env_remove(name);
            }
        }
        command
            .env("KEYWARD_DATABASE_URL", &self.database_url)
            .args(arguments);
        if arguments.contains(&"serve") {
            // Never the default port, which may be in use on this machine.
            command.env("KEYWARD_LISTEN", "127.0.0.1:0");
        }
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command with `--json` that must succeed. Returns its document.
    pub fn cli(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[&["--json"], arguments].concat());
        let (out, err) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert!(output.status.success(), "{arguments:?}: {err}");
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {out}"))
    }

    /// Runs a command that must fail with status 1. Returns what it printed.
    pub fn refused(&self, arguments: &[&str]) -> String {
        let output = self.run(&[&["--json"], arguments].concat());
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {err}");
        assert!(
            output.stdout.is_empty(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stdout)
        );
        err
    }

    pub fn start(&self) -> Node {
        self.start_with(&[])
    }

    pub fn start_with(&self, flags: &[&str]) -> Node {
        self.try_start(flags)
            .unwrap_or_else(|logs| panic!("the node did not start: {logs}"))
    }

    /// Starts a node. The error is what it printed.
    pub fn try_start(&self, flags: &[&str]) -> Result<Node, String> {
        Node::start(self.command(&["serve"]), flags)
    }

    /// A node with this limit of open file descriptors.
    pub fn start_with_descriptors(&self, limit: u32, flags: &[&str]) -> Node {
        let plain = self.command(&["serve"]);
        let mut command = Command::new("bash");
        command
            .args(["-c", &format!("ulimit -n {limit}; exec \"$0\" \"$@\"")])
            .arg(plain.get_program())
            .args(plain.get_args());
        command.current_dir(&self.folder).stdin(Stdio::null());
        for (name, value) in plain.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        Node::start(command, flags).unwrap_or_else(|logs| panic!("the node did not start: {logs}"))
    }

    /// A node that trusts these certificate authorities as the system's.
    pub fn start_trusting(&self, authorities: &Path, flags: &[&str]) -> Node {
        let mut command = self.command(&["serve"]);
        command.env("SSL_CERT_FILE", authorities);
        Node::start(command, flags).unwrap_or_else(|logs| panic!("the node did not start: {logs}"))
    }

    /// A client with a scope and no resource server.
    pub fn client(&self, scope: &str) -> Client {
        self.client_with(&["--scope", scope])
    }

    pub fn client_with(&self, flags: &[&str]) -> Client {
        Client::from(&self.cli(&[&["client", "create", "--name", "A client"], flags].concat()))
    }

    /// A client of the management API with these rights.
    pub fn manager(&self, node: &Node, flags: &[&str], rights: &str) -> Client {
        self.client_with(
            &[
                flags,
                &["--scope", rights, "--resource", &node.management()],
            ]
            .concat(),
        )
    }

    /// Creates a resource server. Returns its introspection client.
    pub fn resource(&self, identifier: &str) -> Client {
        Client::from(&self.cli(&[
            "resource",
            "create",
            "--identifier",
            identifier,
            "--name",
            identifier,
        ]))
    }

    /// Queries one number directly from the database.
    pub fn count(&self, query: &str) -> i64 {
        let sql = diesel::dsl::sql::<diesel::sql_types::BigInt>(query);
        match self.backend {
            Backend::Sqlite => sql.get_result(&mut self.sqlite_connection()).unwrap(),
            Backend::Postgres => sql
                .get_result(&mut PgConnection::establish(&self.database_url).unwrap())
                .unwrap(),
        }
    }

    /// Queries one text directly from the database.
    pub fn text(&self, query: &str) -> String {
        let sql = diesel::dsl::sql::<diesel::sql_types::Text>(query);
        match self.backend {
            Backend::Sqlite => sql.get_result(&mut self.sqlite_connection()).unwrap(),
            Backend::Postgres => sql
                .get_result(&mut PgConnection::establish(&self.database_url).unwrap())
                .unwrap(),
        }
    }

    fn sqlite_connection(&self) -> SqliteConnection {
        let file = self.folder.join("keyward.db");
        let mut connection = SqliteConnection::establish(&file.to_string_lossy()).unwrap();
        connection
            .batch_execute("PRAGMA busy_timeout = 5000")
            .unwrap();
        connection
    }

    /// Marks the clocks as steady: on a new database nothing is purged for ten minutes.
    pub fn clocks_are_trusted(&self) {
        self.execute(&format!("UPDATE clock SET seen_at = {}", jwt::now() * 1000));
    }

    /// Executes a statement directly on the database.
    pub fn execute(&self, statement: &str) {
        match self.backend {
            Backend::Sqlite => self.sqlite_connection().batch_execute(statement).unwrap(),
            Backend::Postgres => PgConnection::establish(&self.database_url)
                .unwrap()
                .batch_execute(statement)
                .unwrap(),
        }
    }

    pub fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder.join(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}

impl World {
    /// Writes a self-signed certificate for 127.0.0.1 and its key to these files. Returns the
    /// certificate.
    pub fn certificate(&self, cert: &str, key: &str) -> String {
        let certified = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        self.file(key, &certified.signing_key.serialize_pem());
        self.file(cert, &certified.cert.pem());
        certified.cert.pem()
    }

    /// A node that speaks TLS with a certificate in `cert.pem`.
    pub fn start_with_tls(&self) -> Node {
        self.certificate("cert.pem", "key.pem");
        self.start_with(&["--tls-cert", "cert.pem", "--tls-key", "key.pem"])
    }

    /// Runs curl in this world's folder, without its progress bar.
    pub fn curl(&self, arguments: &[&str]) -> Output {
        let mut curl = Command::new("curl");
        curl.arg("-s").args(arguments).current_dir(&self.folder);
        curl.output().unwrap()
    }
}

fn admin(statement: &str) {
    PgConnection::establish(&format!("{}/postgres", postgres_url()))
        .unwrap()
        .batch_execute(statement)
        .unwrap();
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        if let Some(name) = &self.postgres_name {
            admin(&format!("DROP DATABASE {name} WITH (FORCE)"));
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A client's id, secret and API key.
#[derive(Clone, Debug)]
pub struct Client {
    pub id: String,
    pub secret: String,
    pub api_key: String,
}

impl Client {
    fn from(document: &Value) -> Self {
        let text = |name: &str| document[name].as_str().unwrap_or_default().to_owned();
        Client {
            id: text("client_id"),
            secret: text("client_secret"),
            api_key: text("api_key"),
        }
    }

    pub fn basic(&self) -> String {
        basic(&self.id, &self.secret)
    }
}

pub fn basic(id: &str, secret: &str) -> String {
    use base64::Engine;
    format!(
        "Basic {}",
        base64::engine::general_purpose::STANDARD.encode(format!("{id}:{secret}"))
    )
}

/// A running `keyward serve` process.
pub struct Node {
    child: Child,
    pub base: String,
    logs: Arc<Mutex<Vec<String>>>,
    agent: ureq::Agent,
    pub printed: String,
}

impl Node {
    pub fn start(mut command: Command, flags: &[&str]) -> Result<Self, String> {
        if !flags.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        if !flags.contains(&"--bootstrap") {
            command.arg("--no-bootstrap");
        }
        command.args(flags.iter().filter(|flag| **flag != "--bootstrap"));
        // The output is printed before the server serves, so a file has all of it, and no thread
        // has to read it.
        let out = std::env::temp_dir().join(format!(
            "keyward_out_{}_{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        ));
        let mut child = command
            .stdout(std::fs::File::create(&out).unwrap())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let logs = Arc::new(Mutex::new(Vec::new()));
        let (kept, stderr) = (logs.clone(), child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                kept.lock().unwrap().push(line);
            }
        });
        let deadline = Instant::now() + Duration::from_secs(30).mul_f64(overload());
        let address = loop {
            let found = logs.lock().unwrap().iter().find_map(|line| {
                let line: Value = serde_json::from_str(line).ok()?;
                (line["message"] == "serving")
                    .then(|| line["listen"].as_str().map(str::to_owned))
                    .flatten()
            });
            if let Some(address) = found {
                break address;
            }
            if child.try_wait().unwrap().is_some() || Instant::now() > deadline {
                std::thread::sleep(Duration::from_millis(100));
                let _ = child.kill();
                return Err(logs.lock().unwrap().join("\n"));
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let printed = std::fs::read_to_string(&out).unwrap();
        let _ = std::fs::remove_file(&out);
        let base = format!("http://{address}");
        Ok(Node {
            child,
            base,
            logs,
            agent: agent(),
            printed,
        })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn logs(&self) -> String {
        self.logs.lock().unwrap().join("\n")
    }

    /// The line of a request in the access log, by the id in its answer.
    pub fn log_of(&self, reply: &Reply) -> Value {
        let id = reply.header("x-request-id").unwrap();
        eventually("the log line", || {
            let line = self
                .logs
                .lock()
                .unwrap()
                .iter()
                .find(|line| line.contains(id) && line.contains("keyward::request"))
                .cloned()?;
            serde_json::from_str(&line).ok()
        })
    }

    /// A new TCP connection to the node.
    pub fn connect(&self) -> std::net::TcpStream {
        let stream =
            std::net::TcpStream::connect(self.base.strip_prefix("http://").unwrap()).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        stream
            .set_write_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        stream
    }

    /// A number from `/metrics`.
    pub fn metric(&self, series: &str) -> f64 {
        let text = self.get("/metrics").body;
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(series)?.trim().parse().ok());
        value.unwrap_or_else(|| panic!("no {series} in {text}"))
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// The URL of a path on a node that serves TLS.
    pub fn https_url(&self, path: &str) -> String {
        self.url(path).replace("http://", "https://")
    }

    /// The audience of the management API.
    pub fn management(&self) -> String {
        let metadata = self.get("/.well-known/oauth-authorization-server").json();
        format!("{}/api/v1", metadata["issuer"].as_str().unwrap())
    }

    pub fn get(&self, path: &str) -> Reply {
        Reply::of(self.agent.get(self.url(path)).call())
    }

    pub fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        let request = headers
            .iter()
            .fold(self.agent.get(self.url(path)), |request, (name, value)| {
                request.header(*name, *value)
            });
        Reply::of(request.call())
    }

    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Reply::of(self.agent.run(request.body(body).unwrap()))
    }

    pub fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        self.send("POST", path, headers, body)
    }

    pub fn form(&self, path: &str, authorization: Option<&str>, fields: &[(&str, &str)]) -> Reply {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let mut headers = vec![("content-type", "application/x-www-form-urlencoded")];
        headers.extend(authorization.map(|value| ("authorization", value)));
        self.post(path, &headers, body.as_bytes())
    }

    pub fn json(&self, method: &str, path: &str, bearer: Option<&str>, body: &Value) -> Reply {
        let authorization = bearer.map(|token| format!("Bearer {token}"));
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(
            authorization
                .as_deref()
                .map(|value| ("authorization", value)),
        );
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        self.send(method, path, &headers, body.as_bytes())
    }

    /// A token request by client credentials.
    pub fn token_reply(&self, client: &Client, fields: &[(&str, &str)]) -> Reply {
        let fields = [&[("grant_type", "client_credentials")], fields].concat();
        self.form("/oauth/token", Some(&client.basic()), &fields)
    }

    /// The token of a request that must succeed.
    pub fn token(&self, client: &Client) -> String {
        let reply = self.token_reply(client, &[]);
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.json()["access_token"].as_str().unwrap().to_owned()
    }

    pub fn introspect(&self, caller: &Client, token: &str) -> Value {
        let reply = self.form(
            "/oauth/introspect",
            Some(&caller.basic()),
            &[("token", token)],
        );
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.json()
    }

    pub fn active(&self, caller: &Client, token: &str) -> bool {
        self.introspect(caller, token)["active"].as_bool().unwrap()
    }

    pub fn revoke(&self, client: &Client, token: &str) -> Reply {
        self.form("/oauth/revoke", Some(&client.basic()), &[("token", token)])
    }

    pub fn kids(&self) -> Vec<String> {
        let document = self.get("/.well-known/jwks.json").json();
        document["keys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| key["kid"].as_str().unwrap().to_owned())
            .collect()
    }

    pub fn signal(&self, signal: &str) {
        send_signal(self.pid(), signal);
    }

    /// The exit status of a node that was asked to stop, or has stopped already.
    pub fn stop_or_gone(mut self) -> std::process::ExitStatus {
        self.child.wait().unwrap()
    }

    /// Sends SIGTERM. Returns the exit status.
    pub fn stop(mut self) -> std::process::ExitStatus {
        self.signal("TERM");
        self.child.wait().unwrap()
    }
}

impl Drop for Node {
    #[expect(
        clippy::print_stderr,
        reason = "the end of the log explains most failures of a test"
    )]
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let lines = self.logs.lock().map(|lines| {
                lines
                    .iter()
                    .rev()
                    .take(15)
                    .rev()
                    .cloned()
                    .collect::<Vec<_>>()
                    .join("\n")
            });
            eprintln!("the node's last lines:\n{}", lines.unwrap_or_default());
        }
    }
}

/// Sends a signal, by its name without `SIG`, to a running process.
pub fn send_signal(pid: u32, signal: &str) {
    assert!(try_signal(pid, signal), "no process {pid}");
}

/// Sends a signal to a process that may have ended. Returns whether it existed.
pub fn try_signal(pid: u32, signal: &str) -> bool {
    use rustix::process::{Pid, Signal, kill_process};
    let signal = match signal {
        "TERM" => Signal::TERM,
        "INT" => Signal::INT,
        "HUP" => Signal::HUP,
        "USR1" => Signal::USR1,
        "STOP" => Signal::STOP,
        "CONT" => Signal::CONT,
        "KILL" => Signal::KILL,
        other => panic!("no signal {other}"),
    };
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    // An ended process is a zombie until its parent waits for it, and accepts signals.
    kill_process(pid, signal).is_ok()
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None);
    config
        .timeout_global(Some(Duration::from_secs(60)))
        .build()
        .new_agent()
}

/// A complete response.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    headers: ureq::http::HeaderMap,
    pub body: String,
}

impl Reply {
    fn of(answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Self {
        let mut answer = answer.unwrap_or_else(|error| panic!("no answer: {error}"));
        Reply {
            status: answer.status().as_u16(),
            headers: answer.headers().clone(),
            body: answer.body_mut().read_to_string().unwrap(),
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// Asserts an OAuth error (RFC 6749 section 5.2) and the headers of every response.
    pub fn refused(&self, status: u16, error: &str) -> &Self {
        assert_eq!(
            (self.status, self.json()["error"].as_str()),
            (status, Some(error)),
            "{}",
            self.body
        );
        let description = self.json()["error_description"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(
            !description.is_empty()
                && description
                    .chars()
                    .all(|c| matches!(c, ' '..='~') && c != '"' && c != '\\')
        );
        assert_eq!(self.header("cache-control"), Some("no-store"));
        assert!(self.header("x-request-id").is_some());
        self
    }
}

/// Checks each case, and fails after the last one if any failed, so that a failure does not hide
/// others.
pub fn each_case<T>(cases: impl IntoIterator<Item = T>, mut check: impl FnMut(T)) {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    let failed = cases
        .into_iter()
        .map(|case| catch_unwind(AssertUnwindSafe(|| check(case))))
        .filter(Result::is_err)
        .count();
    assert_eq!(failed, 0, "cases failed; their messages are above");
}

/// Runs checks that share a state, in this order, and fails after the last one if any failed.
pub fn each_check<S>(state: &S, checks: &[fn(&S)]) {
    each_case(checks, |check| check(state));
}

/// Waits for a condition without a promised time limit: ten seconds, multiplied by the number of
/// runnable threads per processor.
pub fn eventually<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    within(Duration::from_secs(10).mul_f64(overload()), what, look)
}

/// Waits for a condition that must hold within a promised time, however busy the machine is.
///
/// The interval between two looks grows with the time waited, since each look costs CPU time.
pub fn within<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            began.elapsed() < limit,
            "{what} did not come within {limit:?}"
        );
        let interval = began.elapsed() / 8;
        std::thread::sleep(interval.clamp(Duration::from_millis(10), Duration::from_millis(100)));
    }
}

/// The runnable threads per processor in the last minute, at least one.
fn overload() -> f64 {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: f64 = load
        .split(' ')
        .next()
        .unwrap_or_default()
        .parse()
        .unwrap_or(1.0);
    let processors = std::thread::available_parallelism().map_or(1, |count| count.get());
    (load / processors as f64).clamp(1.0, 20.0)
}

/// The path of a file in the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The commands of a page that begin with `start`, each on one line.
pub fn documented(page: &str, start: &str) -> Vec<String> {
    let text = std::fs::read_to_string(repository(page)).unwrap();
    let joined = text.replace("\\\n", " ");
    joined
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| line.starts_with(start))
        .map(str::to_owned)
        .collect()
}
