//! Postgres in production conditions: behind a pooler, restarted, frozen, read-only, and with
//! conflicting transactions.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::postgres::{Cluster, Pooler};
use crate::support::tools::Tool;
use crate::support::{Backend, EmptyWorld, Node, World, each_case, postgres_port, within};

/// Runs `work` in `threads` threads, `each` times in each. Returns the statuses.
fn at_once(threads: usize, each: usize, work: impl Fn() -> u16 + Sync) -> Vec<u16> {
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..threads)
            .map(|_| scope.spawn(|| (0..each).map(|_| work()).collect::<Vec<_>>()))
            .collect();
        all.into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    })
}

fn register(node: &Node, initial: &str) -> u16 {
    node.json("POST", "/oauth/register", Some(initial), &json!({}))
        .status
}

#[test]
fn nodes_work_behind_a_transaction_pooler() {
    needs!(Tool::Postgres, Tool::PgBouncer);
    let direct = EmptyWorld::new(Backend::Postgres);
    let pooler = Pooler::to("127.0.0.1", postgres_port(), "postgres");
    let name = direct.database_url.rsplit('/').next().unwrap();
    let world = World::on(format!(
        "postgres://postgres@127.0.0.1:{}/{name}",
        pooler.port
    ));
    for _ in 0..2 {
        assert!(world.run(&["migrate"]).status.success());
    }
    let api = world.resource("urn:api");
    let client = world.client_with(&["--scope", "a", "--resource", "urn:api"]);
    let initial = world.cli(&["registration-token", "create"])["token"]
        .as_str()
        .unwrap()
        .to_owned();
    let (one, two) = (
        world.start_with(&["--issuer", "http://auth.example"]),
        world.start_with(&["--issuer", "http://auth.example"]),
    );
    let statuses = at_once(8, 6, || {
        let (token, other) = (one.token(&client), two.token(&client));
        assert_eq!(one.revoke(&client, &token).status, 200);
        assert!(!one.active(&api, &token) && one.active(&api, &other));
        register(&one, &initial)
    });
    assert_eq!(statuses, [201; 48]);
    assert_eq!(world.count("SELECT count(*) FROM tokens"), 96);
    for arguments in [
        &["client", "list"][..],
        &["account", "list"],
        &["token", "list", "--client", &client.id],
        &["signing-key", "list"],
        &["key", "list", &client.id],
        &["secret", "create", &client.id],
        &["signing-key", "rotate"],
        &["token", "revoke", "--client", &client.id],
    ] {
        world.cli(arguments);
    }
    let token = two.token(&client);
    assert!(one.active(&api, &token));
    world.cli(&["token", "revoke", &token]);
    for node in [&one, &two] {
        within(Duration::from_secs(2), "the revocation", || {
            (!node.active(&api, &token)).then_some(())
        });
    }
}

/// Statements fail as they do if transactions conflict: every third one within the transaction,
/// with a serialization failure or a deadlock, and every fourth one at the commit.
#[test]
fn conflicting_transactions_are_retried() {
    needs!(Tool::Postgres);
    let world = World::new(Backend::Postgres);
    assert!(world.run(&["migrate"]).status.success());
    let api = world.resource("urn:api");
    let client = world.client_with(&["--scope", "a", "--resource", "urn:api"]);
    let initial = world.cli(&["registration-token", "create"])["token"]
        .as_str()
        .unwrap()
        .to_owned();
    // A sequence is not rolled back with the transaction.
    world.execute(
        "CREATE SEQUENCE tried;
         CREATE SEQUENCE committed;
         CREATE FUNCTION meet() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             CASE nextval('tried') % 5
                 WHEN 1 THEN RAISE EXCEPTION 'met' USING ERRCODE = '40001';
                 WHEN 3 THEN RAISE EXCEPTION 'met' USING ERRCODE = '40P01';
                 ELSE RETURN NEW;
             END CASE;
         END $$;
         CREATE FUNCTION meet_at_commit() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             IF nextval('committed') % 4 = 1 THEN RAISE EXCEPTION 'met' USING ERRCODE = '40001'; END IF;
             RETURN NULL;
         END $$;
         CREATE TRIGGER meet BEFORE INSERT ON clients FOR EACH ROW EXECUTE FUNCTION meet();
         CREATE TRIGGER meet BEFORE INSERT ON tokens FOR EACH ROW EXECUTE FUNCTION meet();
         CREATE TRIGGER meet BEFORE INSERT ON revocations FOR EACH ROW EXECUTE FUNCTION meet();
         CREATE CONSTRAINT TRIGGER meet_at_commit AFTER INSERT ON clients
             DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION meet_at_commit();",
    );
    let node = world.start();
    let before = world.count("SELECT count(*) FROM clients");
    for round in 1..=10 {
        let token = node.token(&client);
        assert!(node.active(&api, &token));
        assert_eq!(node.revoke(&client, &token).status, 200);
        assert!(!node.active(&api, &token), "this node knows it");
        assert_eq!(register(&node, &initial), 201);
        assert_eq!(
            world.count("SELECT count(*) FROM clients"),
            before + round,
            "each exists once"
        );
        assert_eq!(world.count("SELECT count(*) FROM tokens"), round);
    }
    assert!(
        world.count("SELECT last_value FROM tried") > 40,
        "transactions conflicted"
    );
    assert!(world.count("SELECT last_value FROM committed") > 12);

    // A conflict that never ends is given up in time.
    world.execute("CREATE OR REPLACE FUNCTION meet() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'met' USING ERRCODE = '40001'; END $$");
    let began = Instant::now();
    let reply = node.token_reply(&client, &[]);
    assert_eq!(
        (reply.status, reply.header("retry-after")),
        (503, Some("1"))
    );
    assert!(
        began.elapsed() < Duration::from_secs(7),
        "{:?}",
        began.elapsed()
    );
}

/// A server whose default isolation level is serializable.
#[test]
fn concurrent_registrations_succeed_where_serializable_is_the_default() {
    needs!(Tool::Postgres);
    let world = World::new(Backend::Postgres);
    let name = world.database_url.rsplit('/').next().unwrap();
    world.execute(&format!(
        "ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'"
    ));
    let initial = world.cli(&["registration-token", "create"])["token"]
        .as_str()
        .unwrap()
        .to_owned();
    let node = world.start();
    assert_eq!(at_once(8, 15, || register(&node, &initial)), [201; 120]);
    assert_eq!(world.count("SELECT count(*) FROM clients"), 120);
}

/// Broken connections from before the restart cause no errors.
#[test]
fn nodes_recover_after_a_restart_of_postgres() {
    needs!(Tool::PostgresPrograms);
    let cluster = Cluster::start("");
    let world = World::on(cluster.url("postgres"));
    let api = world.resource("urn:api");
    let client = world.client_with(&["--scope", "a", "--resource", "urn:api"]);
    let initial = world.cli(&["registration-token", "create"])["token"]
        .as_str()
        .unwrap()
        .to_owned();
    let node = world.start();
    for round in 0..4 {
        // Several connections of each kind.
        assert_eq!(at_once(6, 2, || register(&node, &initial)), [201; 12]);
        let token = node.token(&client);
        cluster.stop();
        if round % 2 == 0 {
            within(Duration::from_secs(10), "the outage to be noticed", || {
                (node.get("/readyz").status == 503).then_some(())
            });
        }
        cluster.start_again();
        within(Duration::from_secs(20), "readiness", || {
            (node.get("/readyz").status == 200).then_some(())
        });
        match round {
            0 | 1 => drop(node.token(&client)),
            2 => assert_eq!(register(&node, &initial), 201),
            _ => assert_eq!(node.revoke(&client, &token).status, 200),
        }
        assert_eq!(at_once(6, 2, || register(&node, &initial)), [201; 12]);
        assert_eq!(
            at_once(4, 4, || node.token_reply(&client, &[]).status),
            [200; 16]
        );
        assert_eq!(node.active(&api, &token), round < 3);
    }
}

/// Every waiting request is answered within the time limit, however many there are.
#[test]
fn nodes_answer_503_while_postgres_is_frozen() {
    needs!(Tool::PostgresPrograms);
    let cluster = Cluster::start("");
    let world = World::on(cluster.url("postgres"));
    let client = world.client("a");
    let initial = world.cli(&["registration-token", "create"])["token"]
        .as_str()
        .unwrap()
        .to_owned();
    let node = world.start();
    node.token(&client);
    cluster.signal("STOP");
    let (slowest, turn) = (
        std::sync::Mutex::new(Duration::ZERO),
        std::sync::atomic::AtomicU8::new(0),
    );
    let statuses = at_once(24, 1, || {
        let began = Instant::now();
        let second = turn.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % 2 == 1;
        let status = if second {
            register(&node, &initial)
        } else {
            node.token_reply(&client, &[]).status
        };
        let mut slowest = slowest.lock().unwrap();
        *slowest = slowest.max(began.elapsed());
        status
    });
    assert_eq!(statuses, [503; 24]);
    // Four seconds, plus the delay of a busy machine.
    let slowest = slowest.into_inner().unwrap();
    assert!(slowest < Duration::from_millis(5500), "{slowest:?}");
    cluster.signal("CONT");
    within(Duration::from_secs(20), "the recovery", || {
        (node.token_reply(&client, &[]).status == 200).then_some(())
    });
}

fn not_ready(node: &Node) {
    within(Duration::from_secs(10), "the outage to be noticed", || {
        let reply = node.get("/readyz");
        let reason = reply.json()["detail"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        (reply.status == 503
            && reason.contains("takes no changes")
            && reply.header("retry-after").is_some())
        .then_some(())
    });
}

/// A read-only server, as after a failover or when a service protects a full disk. The setting
/// applies to new sessions only.
#[test]
fn changes_are_refused_on_a_read_only_server() {
    needs!(Tool::Postgres);
    let world = World::new(Backend::Postgres);
    let name = world.database_url.rsplit('/').next().unwrap().to_owned();
    let client = world.client("a");
    let node = world.start();
    let token = node.token(&client);
    let end_sessions = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}' AND pid <> pg_backend_pid()"
    );
    world.execute(&format!(
        "ALTER DATABASE {name} SET default_transaction_read_only = on; {end_sessions}"
    ));
    not_ready(&node);
    for reply in [node.token_reply(&client, &[]), node.revoke(&client, &token)] {
        assert_eq!(
            reply.json()["error"],
            "temporarily_unavailable",
            "{}",
            reply.body
        );
        assert_eq!(
            (reply.status, reply.header("retry-after").is_some()),
            (503, true)
        );
    }
    assert_eq!(node.get("/healthz").status, 200);
    world.execute(&format!(
        "BEGIN READ WRITE; ALTER DATABASE {name} RESET default_transaction_read_only; COMMIT"
    ));
    within(Duration::from_secs(10), "the recovery", || {
        (node.get("/readyz").status == 200).then_some(())
    });
    node.token(&client);
    assert_eq!(node.revoke(&client, &token).status, 200);
}

/// If no migration is pending, nothing has to be written: commands read, and a restarted node
/// serves what it can.
#[test]
fn tokens_are_introspected_on_a_read_only_server() {
    needs!(Tool::Postgres);
    let world = World::new(Backend::Postgres);
    let name = world.database_url.rsplit('/').next().unwrap().to_owned();
    let (api, client) = (
        world.resource("https://api.example"),
        world.client_with(&["--resource", "https://api.example"]),
    );
    let flags = ["--issuer", "http://auth.example"];
    let node = world.start_with(&flags);
    let token = node.token(&client);
    assert!(node.stop().success());
    world.execute(&format!(
        "ALTER DATABASE {name} SET default_transaction_read_only = on"
    ));
    assert_eq!(world.cli(&["client", "list"]).as_array().unwrap().len(), 2);
    assert_eq!(world.cli(&["token", "inspect", &token])["active"], true);
    assert_eq!(world.cli(&["migrate"])["ok"], true, "nothing is pending");
    for arguments in [
        ["client", "create", "--name", "x"],
        ["client", "delete", &client.id, "--json"],
    ] {
        let said = world.refused(&arguments);
        assert!(
            said.contains("the database is read-only") && !said.contains("cannot execute"),
            "{said}"
        );
    }
    let check = String::from_utf8(world.run(&["check"]).stdout).unwrap();
    assert!(
        check.contains("read-only") && !check.contains("cannot execute"),
        "{check}"
    );

    let Err(said) = world.try_start(&["--issuer", "http://other.example"]) else {
        panic!("it started")
    };
    assert!(said.contains("http://auth.example"), "{said}");
    let node = world.start_with(&flags);
    not_ready(&node);
    assert!(node.active(&api, &token));
    assert_eq!(
        (
            node.kids().len(),
            node.get("/.well-known/oauth-authorization-server").status
        ),
        (1, 200)
    );
    assert_eq!(node.token_reply(&client, &[]).status, 503);
    world.execute(&format!(
        "BEGIN READ WRITE; ALTER DATABASE {name} RESET default_transaction_read_only; COMMIT"
    ));
    within(Duration::from_secs(10), "the recovery", || {
        (node.get("/readyz").status == 200).then_some(())
    });
    node.token(&client);

    // Missing tables cannot be created.
    let empty = EmptyWorld::new(Backend::Postgres);
    let name = empty.database_url.rsplit('/').next().unwrap().to_owned();
    empty.execute(&format!(
        "ALTER DATABASE {name} SET default_transaction_read_only = on"
    ));
    let said = empty.refused(&["migrate"]);
    assert!(
        said.contains("read-only") && !said.contains("CREATE"),
        "{said}"
    );
}

/// The database file cannot grow, as on a full disk.
#[test]
fn a_full_disk_is_answered_with_503() {
    let world = World::sqlite();
    let client = world.client("a");
    let mut command = std::process::Command::new("sh");
    let serve = format!("trap '' XFSZ; exec {} serve", env!("CARGO_BIN_EXE_keyward"));
    command
        .args(["-c", &format!("{serve} \"$@\""), "sh"])
        .current_dir(&world.folder);
    command.env("KEYWARD_DATABASE_URL", &world.database_url);
    let node = Node::start(command, &[]).unwrap();
    node.token(&client);
    let limit = |bytes: Option<u64>| {
        use rustix::process::{Pid, Resource, Rlimit, prlimit};
        let pid = Pid::from_raw(i32::try_from(node.pid()).unwrap());
        let limit = Rlimit {
            current: bytes,
            maximum: None,
        };
        prlimit(pid, Resource::Fsize, limit).unwrap();
    };
    limit(Some(1));
    not_ready(&node);
    let reply = node.token_reply(&client, &[]);
    assert_eq!(
        (reply.status, reply.header("retry-after").is_some()),
        (503, true),
        "{}",
        reply.body
    );
    limit(None);
    within(Duration::from_secs(10), "the recovery", || {
        (node.get("/readyz").status == 200).then_some(())
    });
    node.token(&client);
}

on_both! {
    fn a_schema_of_a_newer_version_is_refused(world: World) {
        assert!(world.run(&["migrate"]).status.success());
        world.execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('29991231235959')");
        for command in [&["client", "list"][..], &["migrate"], &["serve", "--listen", "127.0.0.1:0"]] {
            let said = world.refused(command);
            assert!(said.contains("newer") && said.contains("29991231235959"), "{said}");
        }
    }
}

/// An error about a URL says what is wrong, and repeats no part of the URL.
#[test]
fn no_message_shows_a_part_of_the_password() {
    let world = World::sqlite();
    let nowhere = "127.0.0.1:1/kw";
    let shown = |words: &str| ["TOP", "SECRET"].iter().any(|part| words.contains(part));
    each_case(
        [
            format!("postgres://kw:TOP%SECRET@{nowhere}"),
            format!("postgres://kw:TOPSECRET%@{nowhere}"),
            format!("postgres://kw:TOP SECRET@{nowhere}"),
            format!("postgres://kw:TOP/SECRET@{nowhere}"),
            format!("postgres://kw:TOP@SECRET@{nowhere}"),
            format!("postgres://kw:TOP#SECRET@{nowhere}"),
            format!("postgres://kw:TOP?SECRET@{nowhere}"),
            format!("postgres://kw:TOP\nSECRET@{nowhere}"),
            format!("postgres://kw:TOP'SECRET\\@{nowhere}"),
            format!(" postgres://kw:TOPSECRET@{nowhere}"),
            format!("postgres:/kw:TOPSECRET@{nowhere}"),
            format!("postgres://{nowhere}?user=kw&password=TOPSECRET"),
            format!("postgres://{nowhere}?user=kw&password=TOP%SECRET"),
            format!("postgres://{nowhere}?user=kw&password=TOP&SECRET"),
            format!("postgres://kw:TOPSECRET@{nowhere}?sslmode=verify-fulll"),
            format!("postgres://kw:TOPSECRET@{nowhere}?sslmode=require"),
            format!("postgres://kw:TOPSECRET@{nowhere}?connect_timeout=soon"),
            format!("postgres://kw:TOPSECRET@{nowhere}?application_name=%"),
            format!(
                "postgres://kw:TOPSECRET@{}/kw",
                nowhere.replace(":1", ":99999")
            ),
            "postgres://kw:TOPSECRET@no-such-host.invalid/kw".to_owned(),
            "host=127.0.0.1 port=1 user=kw password=TOPSECRET".to_owned(),
            "mysql://kw:TOPSECRET@127.0.0.1/kw".to_owned(),
        ],
        |url| {
            each_case(
                [
                    (&["migrate"][..], false),
                    (&["config"], true),
                    (&["check"], false),
                    (&["--json", "serve"], false),
                ],
                |(command, may_succeed)| {
                    for by_flag in [true, false] {
                        let mut command = world.command(command);
                        if by_flag {
                            command.args(["--database-url", &url]);
                        } else {
                            command.env("KEYWARD_DATABASE_URL", &url);
                        }
                        let output = command.env("KEYWARD_LOG", "trace").output().unwrap();
                        let words =
                            String::from_utf8_lossy(&[output.stdout, output.stderr].concat())
                                .into_owned();
                        assert!(!shown(&words), "{url:?}: {words}");
                        assert!(may_succeed || !output.status.success(), "{url:?}");
                    }
                },
            );
        },
    );
    // A URL given as the wrong argument.
    let url = format!("postgres://kw:TOPSECRET@{nowhere}");
    each_case(
        [
            &["migrate", &url][..],
            &[&url],
            &["migrate", &format!("--databse-url={url}")],
            &["migrate", "--databse-url", &url],
        ],
        |arguments| {
            let output = world.run(arguments);
            let words = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(
                !output.status.success() && !shown(&words),
                "{arguments:?}: {words}"
            );
        },
    );
    each_case(
        [
            format!("database_url = {url}\n"),
            format!("database_url = \"{url}\n"),
            format!("database_url = [\"{url}\", 1]\n"),
        ],
        |text| {
            world.file("keyward.toml", &text);
            let mut command = world.command(&["migrate"]);
            let output = command.env_remove("KEYWARD_DATABASE_URL").output().unwrap();
            let words = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(
                !output.status.success() && words.contains("keyward.toml") && !shown(&words),
                "{text}: {words}"
            );
        },
    );
}
