//! The first command, stopping, TLS.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::{World, repository, within};

fn shell(world: &World, line: &str) -> String {
    let output = Command::new("bash").args(["-c", line]).current_dir(&world.folder).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

on_both! {
    /// Each command that the first start prints works when it is pasted.
    fn the_first_start_prints_commands_that_work(world: World) {
        let node = world.start_with(&["--bootstrap"]);
        let printed = node.printed.clone();
        let commands: Vec<&str> = printed.lines().map(str::trim).filter(|line| line.starts_with("curl") || line.starts_with("TOKEN=")).collect();
        let [token, assignment, introspect, api_key, keys] = commands[..] else { panic!("{}", node.printed) };
        assert!(shell(&world, token).contains("\"access_token\""));
        assert!(shell(&world, &format!("{assignment}\n{introspect}")).contains("\"active\":true"));
        assert!(shell(&world, api_key).contains("\"token_type\":\"api_key\""));
        assert!(shell(&world, keys).contains("\"keys\""));
        let base = node.base.clone();
        node.stop();
        let again = world.start_with(&["--bootstrap"]);
        assert_eq!(again.printed, "", "once, and never again");
        // The first client is as good as before.
        let out = shell(&world, &token.replace(&base, &again.base));
        assert!(out.contains("\"access_token\""));
    }

    fn the_first_start_for_programs(world: World) {
        let node = world.start_with(&["--bootstrap", "--json"]);
        let document: serde_json::Value = serde_json::from_str(&node.printed).unwrap();
        let first = &document["first_start"];
        assert!(first["client_secret"].is_string() && first["resource"]["client_secret"].is_string());
        assert_eq!(document["issuer"], node.base.as_str());
        let users = world.cli(&["user", "list"]);
        assert_eq!((&users[0]["email"], &users[0]["role"]), (&first["operator"]["email"], &serde_json::json!("operator")));
        assert!(first["operator"]["password"].as_str().unwrap().len() >= 16);
    }

    fn without_bootstrap_nothing_is_made(world: World) {
        let node = world.start();
        assert_eq!((node.printed.as_str(), world.count("SELECT count(*) FROM accounts")), ("", 0));
    }

    /// SIGTERM: requests in flight are answered, and nothing is lost.
    fn stopping_is_graceful(world: World) {
        let client = world.client("a");
        let node = world.start();
        let issued = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    // Until the door is closed; an answer that comes is a good one.
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

    fn migrate_alone(world: World) {
        assert_eq!(world.cli(&["migrate"])["ok"], true);
        assert_eq!(world.cli(&["migrate"])["ok"], true, "twice does no harm");
        assert_eq!(world.count("SELECT count(*) FROM accounts"), 0);
    }
}

#[test]
fn the_keys_folder_of_the_repository_holds_a_word_alone() {
    let tracked = Command::new("git").args(["ls-files", "keys"]).current_dir(repository(".")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&tracked.stdout).trim(), "keys/README.md");
}

#[test]
fn https() {
    let world = World::sqlite();
    let client = world.client("read");
    let certified = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    world.file("cert.pem", &certified.cert.pem());
    world.file("key.pem", &certified.signing_key.serialize_pem());
    let node = world.start_with(&["--tls-cert", "cert.pem", "--tls-key", "key.pem"]);
    let base = node.base.replace("http://", "https://");
    let line = format!(
        "curl -sf --cacert cert.pem -u {}:{} -d grant_type=client_credentials {base}/oauth/token",
        client.id, client.secret
    );
    assert!(shell(&world, &line).contains("access_token"));
    let metadata = shell(&world, &format!("curl -sf --cacert cert.pem {base}/.well-known/oauth-authorization-server"));
    assert!(metadata.contains(&format!("\"issuer\":\"{base}\"")), "{metadata}");

    world.file("broken.pem", "nothing");
    for (cert, key) in [("broken.pem", "key.pem"), ("cert.pem", "broken.pem"), ("missing.pem", "key.pem")] {
        let Err(said) = world.try_start(&["--tls-cert", cert, "--tls-key", key]) else {
            panic!("it started with {cert} and {key}")
        };
        assert!(said.contains(cert) || said.contains(key), "{said}");
    }
}

#[test]
fn folders_belong_to_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::sqlite();
    let program = env!("CARGO_BIN_EXE_keyward");
    let line = format!(
        "umask 000; {program} --database-url sqlite://data/keyward.db migrate && {program} --database-url sqlite://data/keyward.db signing-key rotate"
    );
    shell(&world, &line);
    for (path, wanted) in [("data", 0o700), ("data/keyward.db", 0o600), ("keys", 0o700), ("keys/sealing.key", 0o600)] {
        let mode = std::fs::metadata(world.folder.join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, wanted, "{path}");
    }
}

/// What is shown once must not be lost without a word.
#[test]
fn what_cannot_be_printed_is_said() {
    let world = World::sqlite();
    let program = env!("CARGO_BIN_EXE_keyward");
    let line = format!("{program} --database-url {} client create --name x > /dev/full; echo $?", world.database_url);
    assert_eq!(shell(&world, &line).trim(), "1");
}

#[test]
fn a_taken_address_is_named() {
    let world = World::sqlite();
    let node = world.start();
    let address = node.base.strip_prefix("http://").unwrap();
    let Err(said) = world.try_start(&["--listen", address]) else { panic!("two on one address") };
    assert!(said.contains(address), "{said}");
    // And it leaves no trace.
    let other = World::sqlite();
    let urls = ["--database-url", "sqlite://data/keyward.db", "--listen", address];
    assert!(other.try_start(&urls).is_err());
    let left: Vec<_> = std::fs::read_dir(&other.folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn an_ordinary_first_start_warns_of_nothing() {
    let world = World::sqlite();
    let node = world.start_with(&["--bootstrap"]);
    node.get("/healthz");
    assert!(node.logs().contains("this database is new"));
    assert!(!node.logs().contains("WARN") && !node.logs().contains("ERROR"), "{}", node.logs());
}
