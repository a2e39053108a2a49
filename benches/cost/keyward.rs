//! The measured server: the real binary, with a new database and new keys.

use std::fs::{File, read_to_string};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::Outcome;
use crate::client::{Connections, get, post, post_with};
use crate::process::{Cost, Folder, Meter, Process};
use crate::proof::Prover;

const PROGRAM: &str = env!("CARGO_BIN_EXE_keyward");
const RESOURCE: &str = "https://api.example.com";
const TOKEN_ENDPOINT: &str = "/oauth/token";
const TOKEN_REQUEST: &str = "grant_type=client_credentials";
const ALIKE: [&str; 4] = ["--name", "Bench", "--scope", "orders:read orders:write"];

/// A running server, with a client and a resource server for requests.
pub struct Keyward {
    /// The server's process.
    pub process: Process,
    /// The client's API key.
    pub api_key: String,
    meter: Meter,
    address: SocketAddr,
    client: String,
    token_request: Vec<u8>,
    jwks_request: Vec<u8>,
    introspector: String,
}

impl Keyward {
    /// Creates a server of this name, whose tokens are signed with this algorithm, and starts it with
    /// these flags.
    pub fn start(meter: Meter, name: &str, algorithm: &str, flags: &[&str]) -> Outcome<Self> {
        let folder = Folder::new(name)?;
        make(&folder, &["account", "create", "--name", "Bench"])?;
        let resource = make(
            &folder,
            &[
                &["resource", "create", "--identifier", RESOURCE][..],
                &["--signing-alg", algorithm][..],
                &ALIKE[..],
            ]
            .concat(),
        )?;
        let client = make(
            &folder,
            &[&["client", "create", "--resource", RESOURCE], &ALIKE[..]].concat(),
        )?;

        // The log goes to a file, as under a service manager; the address is read from there.
        let log = folder.file("log");
        let mut command = meter.command(Path::new(PROGRAM), &folder);
        set(&mut command, &folder)
            .args(["serve", "--no-bootstrap", "--listen=127.0.0.1:0"])
            .args(flags);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?);
        let mut process = Process::start(folder, &mut command)?;
        let address = loop {
            let said = read_to_string(&log)?;
            if let Some(address) = serving(&said) {
                break address;
            }
            if !process.runs()? {
                return Err(format!("keyward did not start: {said}").into());
            }
            sleep(Duration::from_millis(20));
        };
        let server = Keyward {
            process,
            api_key: text(&client, "api_key")?.to_owned(),
            meter,
            address,
            token_request: post(TOKEN_ENDPOINT, &basic(&client)?, TOKEN_REQUEST),
            client: basic(&client)?,
            jwks_request: get("/.well-known/jwks.json"),
            introspector: basic(&resource)?,
        };
        server.wait_for(algorithm)?;
        Ok(server)
    }

    /// Waits until tokens are signed with this algorithm: its first key does not sign at once.
    fn wait_for(&self, algorithm: &str) -> Outcome<()> {
        let signed = |token: &String| -> Outcome<bool> {
            let header = token.split('.').next().unwrap_or_default();
            let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header)?)?;
            Ok(header["alg"] == algorithm)
        };
        for _ in 0..600 {
            if self.tokens(1, 1)?.1.first().map(signed).transpose()? == Some(true) {
                return Ok(());
            }
            sleep(Duration::from_millis(100));
        }
        Err(format!("no token was signed with {algorithm}").into())
    }

    /// The cost of a token, and the issued tokens.
    pub fn tokens(&self, connections: usize, count: usize) -> Outcome<(Cost, Vec<String>)> {
        self.drive(connections, count, |_| &self.token_request, access_token)
    }

    /// The cost of a token that is bound by a DPoP proof, and the issued tokens. Each request has a
    /// proof of its own, all by one key.
    pub fn bound_tokens(&self, connections: usize, count: usize) -> Outcome<(Cost, Vec<String>)> {
        let prover = Prover::new(format!("http://{}{TOKEN_ENDPOINT}", self.address))?;
        let ask = |_| {
            let header = format!("DPoP: {}\r\n", prover.proof()?);
            Ok(post_with(
                TOKEN_ENDPOINT,
                &self.client,
                &header,
                TOKEN_REQUEST,
            ))
        };
        let requests: Vec<_> = (0..count).map(ask).collect::<Outcome<_>>()?;
        self.drive(connections, count, |index| &requests[index], access_token)
    }

    /// The cost of introspecting these tokens, one after the other. All of them must be active.
    pub fn introspect(&self, connections: usize, count: usize, tokens: &[String]) -> Outcome<Cost> {
        let ask = |token: &String| {
            post(
                "/oauth/introspect",
                &self.introspector,
                &format!("token={token}"),
            )
        };
        let requests: Vec<_> = tokens.iter().map(ask).collect();
        let active = |body: &[u8]| {
            if body.starts_with(br#"{"active":true,"#) {
                Ok(())
            } else {
                Err("not active".into())
            }
        };
        Ok(self
            .drive(
                connections,
                count,
                |index| &requests[index % requests.len()],
                active,
            )?
            .0)
    }

    /// The cost of a request for the published keys.
    pub fn jwks(&self, connections: usize, count: usize) -> Outcome<Cost> {
        Ok(self
            .drive(connections, count, |_| &self.jwks_request, |_| Ok(()))?
            .0)
    }

    fn drive<'a, T: Send>(
        &self,
        connections: usize,
        count: usize,
        request: impl Fn(usize) -> &'a [u8] + Sync,
        read: impl Fn(&[u8]) -> Outcome<T> + Sync,
    ) -> Outcome<(Cost, Vec<T>)> {
        let mut connections = Connections::open(self.address, connections, &self.jwks_request)?;
        self.meter.measure(&self.process, count, || {
            connections.drive(count, request, read)
        })
    }
}

/// The access token of a response.
fn access_token(body: &[u8]) -> Outcome<String> {
    Ok(text(&serde_json::from_slice(body)?, "access_token")?.to_owned())
}

/// Only these settings, and nothing from the environment.
fn set<'a>(command: &'a mut Command, folder: &Folder) -> &'a mut Command {
    for (name, _) in
        std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("KEYWARD_"))
    {
        command.env_remove(name);
    }
    command.current_dir(folder.file(""));
    command.arg(format!(
        "--database-url=sqlite://{}",
        folder.file("keyward.db").display()
    ));
    command.arg(format!("--keys-dir={}", folder.file("keys").display()))
}

/// Runs a command. Returns its document.
fn make(folder: &Folder, arguments: &[&str]) -> Outcome<Value> {
    let output = set(&mut Command::new(PROGRAM), folder)
        .arg("--json")
        .args(arguments)
        .output()?;
    if !output.status.success() {
        return Err(format!(
            "keyward {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        )
        .into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The address in the log line "serving".
fn serving(log: &str) -> Option<SocketAddr> {
    let mut lines = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.find(|line| line["message"] == "serving")?["listen"]
        .as_str()?
        .parse()
        .ok()
}

fn basic(made: &Value) -> Outcome<String> {
    Ok(format!(
        "Basic {}",
        STANDARD.encode(format!(
            "{}:{}",
            text(made, "client_id")?,
            text(made, "client_secret")?
        ))
    ))
}

fn text<'a>(document: &'a Value, member: &str) -> Outcome<&'a str> {
    Ok(document[member]
        .as_str()
        .ok_or_else(|| format!("no {member} in an answer"))?)
}
