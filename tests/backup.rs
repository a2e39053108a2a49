//! `keyward backup` and `keyward restore` while a server is running.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::support::tools::Tool;
use crate::support::{Backend, EmptyWorld, World, each_case, eventually, jwt};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn path(world: &World, name: &str) -> String {
    world.folder.join(name).to_string_lossy().into_owned()
}

#[test]
fn a_backup_made_under_load_is_restored_into_an_empty_place() {
    let world = World::sqlite();
    let client = world.client("a");
    let node = world.start();
    let token = node.token(&client);
    let stop = AtomicBool::new(false);
    let file = path(&world, "copy.db");
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    node.token(&client);
                }
            });
        }
        world.cli(&["backup", &file]);
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(mode(Path::new(&file)), 0o600);
    assert!(
        world.refused(&["backup", &file]).contains("exists already"),
        "never overwritten"
    );
    assert!(node.stop().success());

    // On another machine: the backup file and the sealing key.
    let other = EmptyWorld::new(Backend::Sqlite);
    std::fs::create_dir_all(other.folder.join("keys")).unwrap();
    std::fs::copy(
        world.folder.join("keys/sealing.key"),
        other.folder.join("keys/sealing.key"),
    )
    .unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(other.cli(&["restore", &file])["restored"], "created");
    assert_eq!(mode(&other.folder.join("keyward.db")), 0o600);
    let node = other.start_with(&["--issuer", "http://elsewhere.example", "--change-issuer"]);
    node.token(&client);
    let jti = crate::support::jwt::claims(&token)["jti"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        other.count(&format!("SELECT count(*) FROM tokens WHERE jti = '{jti}'")),
        1,
        "the record was restored"
    );
}

#[test]
fn a_restore_reaches_a_running_server_and_revives_nothing_that_was_revoked() {
    let world = World::sqlite();
    let api = world.resource("urn:api");
    let (kept, lost) = (
        world.client_with(&["--resource", "urn:api"]),
        world.client_with(&["--resource", "urn:api"]),
    );
    let node = world.start();
    let (revoked, all_revoked, of_deleted) =
        (node.token(&kept), node.token(&kept), node.token(&lost));
    let file = path(&world, "copy.db");
    world.cli(&["backup", &file]);

    node.revoke(&kept, &revoked);
    assert_eq!(node.revoke(&kept, &kept.api_key).status, 200);
    world.cli(&["token", "revoke", "--client", &kept.id]);
    world.cli(&["client", "disable", &kept.id]);
    world.cli(&["client", "delete", &lost.id]);
    let newer = world.client_with(&["--resource", "urn:api"]);
    node.token(&newer);
    eventually("the deletion", || {
        (node.token_reply(&lost, &[]).status == 401).then_some(())
    });

    assert_eq!(world.cli(&["restore", &file])["restored"], "replaced");
    eventually("the deleted client", || {
        (node.token_reply(&lost, &[]).status == 200).then_some(())
    });
    eventually("the end of the newer one", || {
        (node.token_reply(&newer, &[]).status == 401).then_some(())
    });
    node.token_reply(&kept, &[]).refused(401, "invalid_client");
    assert_eq!(
        world.cli(&["client", "show", &kept.id])["disabled_by"],
        "operator",
        "disabled since the backup"
    );
    world.cli(&["client", "enable", &kept.id]);
    eventually("the enabled client", || {
        (node.token_reply(&kept, &[]).status == 200).then_some(())
    });
    each_case(
        [
            (&revoked, "revoked"),
            (&all_revoked, "all revoked"),
            (&of_deleted, "its client was deleted"),
        ],
        |(token, why)| {
            assert!(!node.active(&api, token), "{why}");
        },
    );
    assert!(
        !node.active(&api, &kept.api_key),
        "an API key that was revoked"
    );
    assert!(node.active(&api, &lost.api_key), "a restored API key");
    assert!(node.active(&api, &node.token(&kept)));
    assert_eq!(
        world.count("SELECT count(*) FROM audit WHERE action = 'database.restore'"),
        1
    );
    assert_eq!(
        world.count("SELECT count(*) FROM audit WHERE action = 'client.delete'"),
        1,
        "newer audit entries are kept"
    );
}

/// A trust rule that was disabled or deleted since the backup accepts no JWT after the restore, and
/// one that was created since then is gone.
#[test]
fn a_restore_revives_no_trust_rule() {
    let world = World::sqlite();
    let node = world.start();
    let pair = jwt::Pair::new("ES256");
    let keys = json!({"keys": [pair.public_jwk("one")]}).to_string();
    let keys = world.file("keys.json", &keys);
    let client = world.client("read");
    let rule = |subject: &str| {
        let made = world.cli(&[
            "trust-rule",
            "create",
            &client.id,
            "--trusted-issuer",
            "https://id.example",
            "--jwks",
            keys.to_str().unwrap(),
            "--condition",
            &format!("sub={subject}"),
        ]);
        made["id"].as_str().unwrap().to_owned()
    };
    let is_accepted = |subject: &str| {
        let claims = json!({"iss": "https://id.example", "sub": subject, "aud": node.base, "exp": jwt::now() + 60});
        let assertion = pair.sign(&json!({"alg": "ES256", "kid": "one"}), &claims);
        let fields = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("assertion", &assertion),
        ];
        node.form("/oauth/token", None, &fields).status == 200
    };
    let (kept, disabled, deleted, disabled_before) = (
        rule("kept"),
        rule("disabled"),
        rule("deleted"),
        rule("disabled-before"),
    );
    world.cli(&["trust-rule", "disable", &disabled_before]);
    let file = path(&world, "copy.db");
    world.cli(&["backup", &file]);
    world.cli(&["trust-rule", "disable", &disabled]);
    world.cli(&["trust-rule", "delete", &deleted]);
    world.cli(&["trust-rule", "enable", &disabled_before]);
    let newer = rule("newer");
    eventually("the newer rule", || is_accepted("newer").then_some(()));

    world.cli(&["restore", &file]);
    eventually("the restored database", || {
        (!is_accepted("newer")).then_some(())
    });
    assert!(is_accepted("kept"));
    let enabled = |id: &str| world.cli(&["trust-rule", "show", id])["enabled"].clone();
    assert_eq!(enabled(&kept), true);
    assert_eq!(enabled(&disabled), false);
    assert_eq!(enabled(&deleted), false);
    assert!(
        world
            .refused(&["trust-rule", "show", &newer])
            .contains("There is no trust rule")
    );
    for subject in ["disabled", "deleted"] {
        assert!(!is_accepted(subject), "{subject}");
    }
    // It can be enabled by hand.
    world.cli(&["trust-rule", "enable", &deleted]);
    eventually("the enabled rule", || is_accepted("deleted").then_some(()));
}

#[test]
fn a_file_that_is_no_backup_is_refused_and_changes_nothing() {
    let world = World::sqlite();
    let client = world.client("a");
    let node = world.start();
    let text = world.file("text.db", &"no database ".repeat(1000));
    let empty = world.file("empty.db", "");
    world.cli(&["backup", &path(&world, "whole.db")]);
    let whole = std::fs::read(world.folder.join("whole.db")).unwrap();
    let damaged = world.folder.join("damaged.db");
    let mut bytes = whole.clone();
    bytes[8192..].fill(0x5A);
    std::fs::write(&damaged, bytes).unwrap();
    let cut = world.folder.join("cut.db");
    std::fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    let missing = world.folder.join("missing.db");
    for file in [&text, &empty, &damaged, &cut, &missing] {
        let said = world.refused(&["restore", file.to_str().unwrap()]);
        assert!(said.contains(file.to_str().unwrap()), "{said}");
    }
    assert!(!missing.exists());
    node.token(&client);
    let left: Vec<_> = std::fs::read_dir(&world.folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with('.'))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

/// The temporary file of a killed backup is removed by the next backup to the same name; the file
/// of a running backup is kept.
#[test]
fn the_files_that_a_killed_backup_left_are_removed() {
    let world = World::sqlite();
    world.client("a");
    let file = |name: &str| world.file(name, "half a copy");
    let (stale, other, kept) = (
        file(".copy.db.partial-999999"),
        file(".other.db.partial-999999"),
        file(".copy.db.partial-notes"),
    );
    let busy = file(".copy.db.partial-999998");
    let lock = std::fs::File::open(&busy).unwrap();
    lock.try_lock().unwrap();
    world.cli(&["backup", &path(&world, "copy.db")]);
    assert!(!stale.exists());
    assert!(other.exists() && kept.exists() && busy.exists());
    // The same applies to a restore.
    let stale = file(".keyward.db.restore-999999");
    world.cli(&["restore", &path(&world, "copy.db")]);
    assert!(!stale.exists());
}

#[test]
fn backup_is_refused_on_postgres() {
    needs!(Tool::Postgres);
    let world = World::new(Backend::Postgres);
    assert!(
        world
            .refused(&["backup", &path(&world, "copy.db")])
            .contains("pg_dump")
    );
    assert!(
        world
            .refused(&["restore", &path(&world, "copy.db")])
            .contains("pg_restore")
    );
}

#[test]
fn a_database_that_others_can_read_is_made_private() {
    let world = World::sqlite();
    world.client("a");
    let database = world.folder.join("keyward.db");
    std::fs::set_permissions(&database, std::fs::Permissions::from_mode(0o644)).unwrap();
    let node = world.start();
    assert_eq!(mode(&database), 0o600);
    assert!(
        node.logs()
            .contains("the database was readable by other users")
    );
}
