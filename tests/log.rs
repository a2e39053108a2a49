//! The log: its fields are documented, and a log that cannot be written blocks neither requests, nor the start,
//! nor the stop of the server.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::support::{World, eventually, repository, within};

struct Serving {
    child: Child,
    base: String,
    agent: ureq::Agent,
}

impl Serving {
    fn start(world: &World, stderr: impl Into<Stdio>) -> Self {
        let address = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let mut command = world.command(&["--no-bootstrap", "--listen", &address.to_string()]);
        let child = command
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .unwrap();
        let config = ureq::Agent::config_builder()
            .proxy(None)
            .timeout_global(Some(Duration::from_secs(20)))
            .build();
        let serving = Serving {
            child,
            base: format!("http://{address}"),
            agent: config.new_agent(),
        };
        within(Duration::from_secs(30), "the server", || {
            serving.get("/healthz").ok()
        });
        serving
    }

    fn get(&self, path: &str) -> Result<String, ureq::Error> {
        self.agent
            .get(format!("{}{path}", self.base))
            .call()?
            .body_mut()
            .read_to_string()
    }

    fn dropped(&self) -> u64 {
        let metrics = self.get("/metrics").unwrap();
        let line = metrics
            .lines()
            .find_map(|line| line.strip_prefix("keyward_log_lines_dropped_total "));
        line.unwrap().parse().unwrap()
    }

    fn stops(mut self) {
        let signal = format!("kill -TERM {}", self.child.id());
        assert!(
            std::process::Command::new("bash")
                .args(["-c", &signal])
                .status()
                .unwrap()
                .success()
        );
        let status = within(Duration::from_secs(30), "the end", || {
            self.child.try_wait().unwrap()
        });
        assert!(status.success(), "{status}");
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_server_keeps_running_when_its_log_reader_exits() {
    let world = World::sqlite();
    let mut serving = Serving::start(&world, Stdio::piped());
    let mut log = BufReader::new(serving.child.stderr.take().unwrap());
    log.read_line(&mut String::new()).unwrap();
    drop(log);
    for _ in 0..20 {
        serving.get("/healthz").unwrap();
    }
    eventually("the count", || (serving.dropped() >= 20).then_some(()));
    serving.get("/.well-known/jwks.json").unwrap();
    serving.stops();
}

#[test]
fn the_server_keeps_running_when_the_disk_of_its_log_is_full() {
    let world = World::sqlite();
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let serving = Serving::start(&world, full);
    for _ in 0..20 {
        serving.get("/healthz").unwrap();
    }
    eventually("the count", || (serving.dropped() >= 20).then_some(()));
    serving.stops();
    // Other commands write messages there as well.
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let status = world
        .command(&["--database-url", "sqlite://other.db", "migrate"])
        .stderr(full)
        .stdout(Stdio::null())
        .status();
    assert!(status.unwrap().success());
}

/// The reader of the pipe does not read at first, and then does.
#[test]
fn the_server_keeps_running_when_its_log_reader_hangs() {
    let world = World::sqlite();
    let mut serving = Serving::start(&world, Stdio::piped());
    let mut log = serving.child.stderr.take().unwrap();
    // Much more than the capacity of the pipe.
    for _ in 0..1000 {
        serving.get("/healthz").unwrap();
    }
    let reading = std::thread::spawn(move || {
        let mut text = String::new();
        log.read_to_string(&mut text).unwrap();
        text
    });
    serving.stops();
    let text = reading.join().unwrap();
    assert!(
        text.lines()
            .filter(|line| line.contains("/healthz"))
            .count()
            >= 1000,
        "buffered lines are written"
    );
    assert!(text.contains("\"stopped\""), "to the last line");

    // A reader that never reads does not delay the stop.
    let mut serving = Serving::start(&world, Stdio::piped());
    let log = serving.child.stderr.take().unwrap();
    for _ in 0..1000 {
        serving.get("/healthz").unwrap();
    }
    serving.stops();
    drop(log);
}

/// The arguments of a macro call, from behind its opening parenthesis.
fn macro_arguments(text: &str) -> Vec<String> {
    let mut arguments = vec![String::new()];
    let mut depth = 0;
    let mut in_string = false;
    let mut escaped = false;
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            _ if in_string => {}
            ')' if depth == 0 => break,
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                arguments.push(String::new());
                continue;
            }
            _ => {}
        }
        arguments.last_mut().unwrap().push(c);
    }
    arguments
}

/// The names of the fields in the log macros of a source file.
fn logged_fields(source: &str) -> BTreeSet<String> {
    let mut fields = BTreeSet::new();
    for level in ["error", "warn", "info", "debug", "trace"] {
        for call in source.split(&format!("tracing::{level}!(")).skip(1) {
            let named = macro_arguments(call).into_iter().filter_map(|argument| {
                let argument = argument.trim();
                let is_field = !argument.is_empty()
                    && !argument.starts_with('"')
                    && !argument.starts_with("target:");
                let name = argument.split('=').next()?.trim();
                is_field.then(|| name.trim_start_matches(['%', '?']).to_owned())
            });
            fields.extend(named);
        }
    }
    fields
}

fn sources(folder: &Path, found: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
}

/// One meaning has one name: a new field is a row of the table in the documentation, or one of its names.
#[test]
fn the_fields_of_log_lines_are_those_that_the_documentation_lists() {
    let mut source = String::new();
    sources(&repository("src"), &mut source);
    let page = std::fs::read_to_string(repository("docs/operations.md")).unwrap();
    let section = page
        .split("\n#")
        .find(|section| section.starts_with("## Fields of log lines"))
        .unwrap();
    let documented: BTreeSet<String> = section
        .lines()
        .filter(|line| line.starts_with("| `"))
        .filter_map(|line| line.split('|').nth(1))
        .flat_map(|names| names.split('`').skip(1).step_by(2))
        .map(str::to_owned)
        .collect();
    assert_eq!(logged_fields(&source), documented);
}
