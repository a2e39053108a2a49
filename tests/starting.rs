//! The first start, stopping, and TLS.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::portal::Browser;
use crate::support::tools::Tool;
use crate::support::{
    Backend, EmptyWorld, Node, World, each_case, eventually, repository, send_signal, within,
};

fn shell(world: &World, line: &str) -> String {
    let output = Command::new("bash")
        .args(["-c", line])
        .current_dir(&world.folder)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{line}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// The path and content of the file that the first start names.
fn secrets_file(world: &World, printed: &str) -> (PathBuf, String) {
    let path = printed
        .lines()
        .map(str::trim)
        .find(|line| line.starts_with('/'))
        .expect("the path of a file");
    let path = PathBuf::from(path);
    assert_eq!(
        path,
        world
            .folder
            .canonicalize()
            .unwrap()
            .join("keys/first-start.txt")
    );
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let text = std::fs::read_to_string(&path).unwrap();
    (path, text)
}

/// Runs everything from the first `export` on in a shell, and checks the output.
fn paste(world: &World, text: &str) {
    let indented = text.lines().filter_map(|line| line.strip_prefix("  "));
    let lines: Vec<&str> = indented
        .skip_while(|line| !line.starts_with("export "))
        .collect();
    for line in text.lines().filter(|line| !line.contains("export ")) {
        assert!(line.chars().count() <= 80, "{line} wraps");
    }
    let printed = shell(world, &format!("set -e\n{}", lines.join("\n")));
    assert_eq!(printed.matches("\"access_token\"").count(), 1, "{printed}");
    assert_eq!(printed.matches("\"active\":true").count(), 2, "{printed}");
    assert!(
        printed.contains("\"token_type\":\"api_key\"") && printed.contains("\"keys\""),
        "{printed}"
    );
}

on_both! {
    /// Each command that the first start shows works when pasted; and the log has no secret.
    fn the_first_start_writes_commands_that_work_to_a_file(world: EmptyWorld) {
        needs!(Tool::Curl);
        let node = world.start_with(&["--bootstrap"]);
        let (path, text) = secrets_file(&world, &node.printed);
        for secret in ["kws_", "kwk_", "password "] {
            assert!(!node.printed.contains(secret) && !node.logs().contains(secret), "{}", node.printed);
            assert!(text.contains(secret), "{text}");
        }
        paste(&world, &text);
        let password = text.lines().find_map(|line| line.trim().strip_prefix("password ")).unwrap().trim().to_owned();
        assert!(password.len() >= 16);
        node.stop();
        let again = world.start_with(&["--bootstrap"]);
        assert_eq!(again.printed, "", "once, and never again");
        assert_eq!(std::fs::read_to_string(path).unwrap(), text);
        assert_eq!(std::fs::read_dir(world.folder.join("keys")).unwrap().count(), 2, "no second file");
        // The first client still works.
        paste(&world, &text.replace(&format!("KEYWARD={}", text.lines().find_map(|line| line.trim().strip_prefix("export KEYWARD=")).unwrap()), &format!("KEYWARD={}", again.base)));
    }

    fn the_first_start_prints_one_json_document(world: EmptyWorld) {
        let node = world.start_with(&["--bootstrap", "--json"]);
        let document: serde_json::Value = serde_json::from_str(&node.printed).unwrap();
        let shown = &document["first_start"];
        assert!(!node.printed.contains("kws_") && !node.printed.contains("kwk_") && shown["operator"]["password"].is_null(), "{shown}");
        let (_, text) = secrets_file(&world, shown["secrets_file"].as_str().unwrap());
        let first: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(first["client_secret"].is_string() && first["resource"]["client_secret"].is_string() && first["api_key"].is_string());
        assert_eq!((&first["client_id"], &document["issuer"]), (&shown["client_id"], &serde_json::json!(node.base)));
        let users = world.cli(&["user", "list"]);
        assert_eq!((&users[0]["email"], &users[0]["role"]), (&first["operator"]["email"], &serde_json::json!("operator")));
        assert!(first["operator"]["password"].as_str().unwrap().len() >= 16);
    }

    fn the_settings_name_the_first_operator(world: EmptyWorld) {
        let password = "correct horse battery";
        let mut command = world.command(&["serve"]);
        command.envs([("KEYWARD_OPERATOR_EMAIL", "Ann@ops.example"), ("KEYWARD_OPERATOR_PASSWORD", password)]);
        let node = Node::start(command, &["--bootstrap"]).unwrap_or_else(|logs| panic!("{logs}"));
        let (_, text) = secrets_file(&world, &node.printed);
        assert!(text.contains("ann@ops.example") && !text.contains(password) && !node.printed.contains(password) && !node.logs().contains(password));
        assert_eq!(world.cli(&["user", "list"])[0]["email"], "ann@ops.example");
        let reply = Browser::new(&node).sign_in("ann@ops.example", password);
        assert_eq!(reply.status, 303, "{}", reply.body);
    }

    fn without_bootstrap_nothing_is_created(world: EmptyWorld) {
        let node = world.start();
        assert_eq!((node.printed.as_str(), world.count("SELECT count(*) FROM accounts")), ("", 0));
    }

    /// On SIGTERM, requests in flight are answered, and nothing is lost.
    fn stopping_is_graceful(world: EmptyWorld) {
        let client = world.client("a");
        let node = world.start();
        let issued = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    // Requests are sent until the port is closed; each response that arrives is
                    // complete.
                    while let Ok(reply) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| node.token_reply(&client, &[]))) {
                        assert_eq!(reply.status, 200, "{}", reply.body);
                        issued.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            within(Duration::from_secs(30), "some answers", || (issued.load(Ordering::Relaxed) > 5).then_some(()));
            node.signal("TERM");
        });
        assert!(node.stop_or_gone().success());
        let records = usize::try_from(world.count("SELECT count(*) FROM tokens")).unwrap();
        let issued = issued.into_inner();
        assert!(issued > 5 && records >= issued, "{issued} answered, {records} recorded");
    }

    fn migrate_creates_the_tables_and_nothing_else(world: EmptyWorld) {
        assert_eq!(world.cli(&["migrate"])["ok"], true);
        assert_eq!(world.cli(&["migrate"])["ok"], true, "a second run does no harm");
        assert_eq!(world.count("SELECT count(*) FROM accounts"), 0);
    }
}

on_both! {
    /// A database that was used is not new, even if it has no account yet.
    fn a_database_in_use_is_not_new(world: EmptyWorld) {
        assert!(world.start().stop().success());
        world.cli(&["user", "create", "--email", "ann@ops.example", "--role", "operator"]);
        let node = world.start_with(&["--bootstrap"]);
        assert_eq!(node.printed, "");
        assert_eq!(world.cli(&["user", "list"]).as_array().unwrap().len(), 1);
        assert_eq!(world.count("SELECT count(*) FROM clients"), 0);
        assert!(node.stop().success());
        // The database also counts as used if its only user was deleted.
        world.cli(&["user", "delete", "ann@ops.example"]);
        assert_eq!(world.start_with(&["--bootstrap"]).printed, "");
        assert_eq!(world.count("SELECT count(*) FROM users"), 0);
    }

    /// A start alone creates nothing that has to be kept.
    fn a_database_that_was_only_served_is_new(world: EmptyWorld) {
        assert!(world.start().stop().success());
        let node = world.start_with(&["--bootstrap"]);
        assert!(node.printed.contains("first-start.txt"), "{}", node.printed);
    }

    /// The secrets are in the file, so a notice that cannot be printed does not stop the start.
    fn standard_output_that_is_full_does_not_stop_the_first_start(world: EmptyWorld) {
        for json in [false, true] {
            let log = world.folder.join("log");
            let mut command = world.command(&["serve", "--listen", "127.0.0.1:0"]);
            command.args(json.then_some("--json"));
            let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
            let mut server = command.stdout(full).stderr(std::fs::File::create(&log).unwrap()).spawn().unwrap();
            eventually("the server", || std::fs::read_to_string(&log).unwrap().contains("\"serving\"").then_some(()));
            let said = std::fs::read_to_string(&log).unwrap();
            assert!(said.contains("cannot write to standard output"), "{said}");
            assert!(std::fs::read_to_string(world.folder.join("keys/first-start.txt")).unwrap().contains("CLIENT_SECRET"));
            server.kill().unwrap();
            server.wait().unwrap();
        }
    }
}

/// If the file system has space for the sealing key but not for the first secrets, no objects are
/// created, so that the next start creates them.
#[test]
fn nothing_is_created_if_the_first_secrets_cannot_be_written() {
    needs!(Tool::Postgres, Tool::Curl);
    let world = EmptyWorld::new(Backend::Postgres);
    let plain = world.command(&["serve", "--listen", "127.0.0.1:0"]);
    // Files are limited to 1024 bytes.
    let mut command = Command::new("bash");
    command
        .args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$0\" \"$@\""])
        .arg(plain.get_program())
        .args(plain.get_args());
    let output = command
        .current_dir(&world.folder)
        .env("KEYWARD_DATABASE_URL", &world.database_url)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("first-start.txt") && said.contains("--no-bootstrap"),
        "{said}"
    );
    assert!(!world.folder.join("keys/first-start.txt").exists());
    assert_eq!(
        world.count("SELECT count(*) FROM accounts") + world.count("SELECT count(*) FROM users"),
        0
    );
    let node = world.start_with(&["--bootstrap"]);
    let (_, text) = secrets_file(&world, &node.printed);
    paste(&world, &text);
}

/// Starts a server without waiting until it serves; its log goes to a file.
fn start_without_waiting(
    world: &World,
    flags: &[&str],
) -> (std::process::Child, impl Fn() -> String + use<>) {
    let log = world.folder.join("log");
    let mut command = world.command(&["serve", "--listen", "127.0.0.1:0", "--no-bootstrap"]);
    command
        .args(flags)
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&log).unwrap());
    (command.spawn().unwrap(), move || {
        std::fs::read_to_string(&log).unwrap()
    })
}

/// A database that accepts connections and never sends anything.
#[test]
fn a_starting_server_can_be_stopped() {
    let world = EmptyWorld::new(Backend::Sqlite);
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!(
        "postgres://nobody@{}/none?connect_timeout=60&sslmode=disable",
        silent.local_addr().unwrap()
    );
    for name in ["TERM", "INT"] {
        let (mut server, log) = start_without_waiting(&world, &["--database-url", &url]);
        let _connection = silent.accept().unwrap();
        send_signal(server.id(), "HUP");
        std::thread::sleep(Duration::from_millis(100));
        assert!(
            server.try_wait().unwrap().is_none(),
            "SIGHUP is harmless: {}",
            log()
        );
        send_signal(server.id(), name);
        let status = eventually("its end", || server.try_wait().unwrap());
        assert_eq!(status.code(), Some(0), "{}", log());
        assert!(log().contains("stopping"), "{}", log());
    }
    assert!(!world.folder.join("keys").exists());
}

/// The settings are reloaded as soon as the server serves.
#[test]
fn a_reload_during_the_start_is_applied_later() {
    needs!(Tool::Postgres);
    use diesel::connection::SimpleConnection;
    use diesel::{Connection, PgConnection};
    let world = EmptyWorld::new(Backend::Postgres);
    let mut other = PgConnection::establish(&world.database_url).unwrap();
    // The lock that is held while tables are created.
    other
        .batch_execute("SELECT pg_advisory_lock(21182344966492740)")
        .unwrap();
    let (mut server, log) = start_without_waiting(&world, &[]);
    eventually("the wait", || {
        (world.count("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())") > 0).then_some(())
    });
    send_signal(server.id(), "HUP");
    other
        .batch_execute("SELECT pg_advisory_unlock(21182344966492740)")
        .unwrap();
    eventually("the reload", || {
        log().contains("settings reloaded").then_some(())
    });
    let said = log();
    assert!(
        said.find("\"serving\"").unwrap() < said.find("settings reloaded").unwrap(),
        "{said}"
    );
    send_signal(server.id(), "TERM");
    assert!(server.wait().unwrap().success());
}

/// Unusable settings are found before anything is created, and named as they were given.
#[test]
fn a_failed_start_leaves_no_files() {
    let world = EmptyWorld::new(Backend::Sqlite);
    world.file("a-file", "nothing");
    world.file(
        "keyward.toml",
        "database_url = \"sqlite://data/keyward.db\"\n\noutbound_ca = \"a-file\"\n",
    );
    type Case = (
        &'static [&'static str],
        &'static [(&'static str, &'static str)],
        &'static [&'static str],
    );
    let cases: [Case; 7] = [
        (&[], &[], &["keyward.toml line 3: outbound_ca", "a-file"]),
        (
            &["--outbound-ca", "missing.pem"],
            &[],
            &["--outbound-ca", "missing.pem"],
        ),
        (
            &[],
            &[("KEYWARD_OUTBOUND_CA", "missing.pem")],
            &["KEYWARD_OUTBOUND_CA", "missing.pem"],
        ),
        (
            &["--config", "none.toml", "--operator-email", "nobody"],
            &[],
            &["--operator-email"],
        ),
        (
            &["--config", "none.toml"],
            &[("KEYWARD_OPERATOR_PASSWORD", "short-one")],
            &["KEYWARD_OPERATOR_PASSWORD"],
        ),
        (
            &["--config", "none.toml", "--keys-dir", "a-file"],
            &[],
            &["--keys-dir", "a-file"],
        ),
        (
            &["--config", "none.toml", "--keys-dir", "nope/x/keys"],
            &[],
            &["--keys-dir", "nope/x"],
        ),
    ];
    world.file("none.toml", "");
    let names = || {
        let mut names: Vec<_> = std::fs::read_dir(&world.folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    let before = names();
    each_case(cases, |(flags, variables, parts)| {
        for command in ["serve", "config"] {
            let mut plain = world.command(&[command, "--listen", "127.0.0.1:0"]);
            let output = plain
                .env_remove("KEYWARD_DATABASE_URL")
                .args(flags)
                .envs(variables.iter().copied())
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{command} {flags:?}: {said}");
            assert!(
                parts.iter().all(|part| said.contains(part)) && !said.contains("short-one"),
                "{command} {flags:?}: {said}"
            );
            assert_eq!(names(), before, "{command} {flags:?}");
        }
    });
}

/// In a terminal everything is printed, and no file is written.
#[test]
fn the_first_start_in_a_terminal_shows_its_secrets() {
    needs!(Tool::Curl, Tool::Script);
    let world = EmptyWorld::new(Backend::Sqlite);
    let line = format!(
        "echo PID=$$; exec {} --database-url {} serve --listen 127.0.0.1:0",
        env!("CARGO_BIN_EXE_keyward"),
        world.database_url
    );
    let typescript = world.folder.join("typescript");
    let mut terminal = Command::new("script");
    terminal
        .args(["-q", "-f", "-c", &line])
        .arg(&typescript)
        .current_dir(&world.folder);
    let mut terminal = terminal
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let shown = eventually("the server in the terminal", || {
        let shown = std::fs::read_to_string(&typescript)
            .unwrap_or_default()
            .replace('\r', "");
        shown.contains("serving").then_some(shown)
    });
    let pid = shown
        .lines()
        .find_map(|line| line.strip_prefix("PID="))
        .unwrap()
        .parse()
        .unwrap();
    let text: String = shown
        .lines()
        .skip_while(|line| !line.starts_with("This database is new"))
        .take_while(|line| !line.contains("serving"))
        .map(|line| format!("{line}\n"))
        .collect();
    assert!(
        text.contains("export CLIENT_SECRET=kws_") && text.contains("password "),
        "{shown}"
    );
    assert!(!world.folder.join("keys/first-start.txt").exists());
    paste(&world, &text);
    send_signal(pid, "TERM");
    terminal.wait().unwrap();
}

/// If the first secrets cannot be stored anywhere, no objects are created.
#[test]
fn nothing_is_created_if_the_first_secrets_cannot_be_stored() {
    let world = EmptyWorld::new(Backend::Sqlite);
    let missing = world.folder.join("keys");
    for number in 1..=100 {
        std::fs::create_dir_all(&missing).unwrap();
        let name = if number == 1 {
            "first-start.txt".to_owned()
        } else {
            format!("first-start-{number}.txt")
        };
        std::fs::write(missing.join(name), "").unwrap();
    }
    let Err(said) = world.try_start(&["--bootstrap"]) else {
        panic!("it started")
    };
    assert!(
        said.contains("keys_dir")
            && said.contains("first-start-100.txt")
            && said.contains("--no-bootstrap"),
        "{said}"
    );
    assert_eq!(world.count("SELECT count(*) FROM accounts"), 0);
    // An existing file is never overwritten.
    std::fs::write(missing.join("first-start.txt"), "before").unwrap();
    std::fs::remove_file(missing.join("first-start-2.txt")).unwrap();
    let node = world.start_with(&["--bootstrap"]);
    assert!(
        node.printed.contains("first-start-2.txt"),
        "{}",
        node.printed
    );
    assert_eq!(
        std::fs::read_to_string(missing.join("first-start.txt")).unwrap(),
        "before"
    );
}

#[test]
fn an_invalid_first_operator_stops_the_start() {
    let world = EmptyWorld::new(Backend::Sqlite);
    for (variable, value) in [
        ("KEYWARD_OPERATOR_PASSWORD", "short-one"),
        ("KEYWARD_OPERATOR_EMAIL", "nobody"),
    ] {
        let output = world
            .command(&["serve", "--listen", "127.0.0.1:0"])
            .env(variable, value)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(
            said.contains(variable) && !said.contains("short-one"),
            "{said}"
        );
    }
}

#[test]
fn the_keys_folder_of_the_repository_holds_a_readme_alone() {
    needs!(Tool::Git);
    let tracked = Command::new("git")
        .args(["ls-files", "keys"])
        .current_dir(repository("."))
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&tracked.stdout).trim(),
        "keys/README.md"
    );
}

#[test]
fn the_server_serves_https() {
    needs!(Tool::Curl);
    let world = EmptyWorld::new(Backend::Sqlite);
    let client = world.client("read");
    let node = world.start_with_tls();
    let fetched = |arguments: &[&str]| {
        let output = world.curl(&[&["-f", "--cacert", "cert.pem"], arguments].concat());
        assert!(output.status.success(), "{arguments:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let user = format!("{}:{}", client.id, client.secret);
    let url = node.https_url("/oauth/token");
    let token = fetched(&["-u", &user, "-d", "grant_type=client_credentials", &url]);
    assert!(token.contains("access_token"));
    let metadata = fetched(&[&node.https_url("/.well-known/oauth-authorization-server")]);
    let issuer = format!("\"issuer\":\"{}\"", node.https_url(""));
    assert!(metadata.contains(&issuer), "{metadata}");

    world.file("broken.pem", "nothing");
    each_case(
        [
            ("broken.pem", "key.pem"),
            ("cert.pem", "broken.pem"),
            ("missing.pem", "key.pem"),
        ],
        |(cert, key)| {
            let Err(said) = world.try_start(&["--tls-cert", cert, "--tls-key", key]) else {
                panic!("it started with {cert} and {key}")
            };
            let (setting, file) = if cert == "cert.pem" {
                ("--tls-key", key)
            } else {
                ("--tls-cert", cert)
            };
            assert!(said.contains(setting) && said.contains(file), "{said}");
        },
    );
}

#[test]
fn folders_belong_to_their_owner_alone() {
    let world = EmptyWorld::new(Backend::Sqlite);
    let program = env!("CARGO_BIN_EXE_keyward");
    let line = format!(
        "umask 000; {program} --database-url sqlite://data/keyward.db migrate && {program} --database-url sqlite://data/keyward.db signing-key rotate"
    );
    shell(&world, &line);
    each_case(
        [
            ("data", 0o700),
            ("data/keyward.db", 0o600),
            ("keys", 0o700),
            ("keys/sealing.key", 0o600),
        ],
        |(path, wanted)| {
            let mode = std::fs::metadata(world.folder.join(path))
                .unwrap()
                .permissions()
                .mode()
                & 0o777;
            assert_eq!(mode, wanted, "{path}");
        },
    );
}

/// Output that is shown once must not be lost silently.
#[test]
fn output_that_cannot_be_written_is_an_error() {
    let world = EmptyWorld::new(Backend::Sqlite);
    let program = env!("CARGO_BIN_EXE_keyward");
    let line = format!(
        "{program} --database-url {} client create --name x > /dev/full; echo $?",
        world.database_url
    );
    assert_eq!(shell(&world, &line).trim(), "1");
}

#[test]
fn an_address_in_use_is_named() {
    let world = EmptyWorld::new(Backend::Sqlite);
    let node = world.start();
    let address = node.base.strip_prefix("http://").unwrap();
    let Err(said) = world.try_start(&["--listen", address]) else {
        panic!("two on one address")
    };
    assert!(said.contains(address), "{said}");
    // The failed start leaves no files.
    let other = EmptyWorld::new(Backend::Sqlite);
    let urls = [
        "--database-url",
        "sqlite://data/keyward.db",
        "--listen",
        address,
    ];
    assert!(other.try_start(&urls).is_err());
    let left: Vec<_> = std::fs::read_dir(&other.folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn an_ordinary_first_start_logs_no_warnings() {
    let world = EmptyWorld::new(Backend::Sqlite);
    let node = world.start_with(&["--bootstrap"]);
    node.get("/healthz");
    assert!(node.logs().contains("creating the database"));
    assert!(
        !node.logs().contains("WARN") && !node.logs().contains("ERROR"),
        "{}",
        node.logs()
    );
}
