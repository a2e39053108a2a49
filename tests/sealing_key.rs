//! The sealing key: rotation while nodes serve, and loss.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::portal::person;
use crate::support::{World, eventually};

on_both! {
    fn a_rotation_leaves_running_nodes_working(world: World) {
        let client = world.client("a");
        let node = world.start();
        let before = std::fs::read_to_string(world.folder.join("keys/sealing.key")).unwrap();
        let token = node.token(&client);
        let rotated = world.cli(&["sealing-key", "rotate"]);
        assert_eq!((&rotated["signing_keys"], &rotated["keys_in_file"]), (&1.into(), &1.into()));
        let file = world.folder.join("keys/sealing.key");
        let after = std::fs::read_to_string(&file).unwrap();
        assert_ne!(before, after);
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

        // The node opens a signing key that was sealed with the new sealing key, and seals with it.
        world.cli(&["signing-key", "rotate"]);
        node.token(&client);
        assert!(node.stop().success());
        let node = world.start();
        node.token(&client);
        assert_eq!(node.get_with("/verify", &[("authorization", &format!("Bearer {token}"))]).status, 401, "another issuer");

        // Nothing is sealed with the old key any more.
        std::fs::write(&file, before).unwrap();
        let said = world.refused(&["signing-key", "rotate"]);
        assert!(said.contains("sealing-key reset"), "{said}");
    }

    fn a_rotation_with_copies_of_the_file_leaves_nodes_working(world: World) {
        let node = world.start();
        let lines = || std::fs::read_to_string(world.folder.join("keys/sealing.key")).unwrap().lines().count();
        world.cli(&["sealing-key", "rotate", "--prepare"]);
        assert_eq!(lines(), 2);
        assert!(world.refused(&["sealing-key", "rotate", "--prepare"]).contains("prepared already"));
        assert_eq!(world.cli(&["sealing-key", "rotate"])["keys_in_file"], 2);
        assert_eq!(lines(), 2, "the old key still opens what nodes seal meanwhile");
        assert_eq!(world.cli(&["sealing-key", "prune"])["keys_in_file"], 1);
        assert_eq!(lines(), 1);
        assert!(node.stop().success());
        drop(world.start());
    }

    fn a_lost_sealing_key_is_reported_and_can_be_reset(world: World) {
        let client = world.client("a");
        let operator = person(&world, "op@keyward.example", "operator", None);
        let flags = ["--issuer", "http://auth.example"];
        let node = world.start_with(&flags);
        let kid = node.kids()[0].clone();
        let token = node.token(&client);
        world.execute(&format!("UPDATE users SET totp_sealed = 'c2VhbGVkIHdpdGggYW5vdGhlciBrZXkgdGhhbiB0aGlz' WHERE id = '{operator}'"));
        assert!(node.stop().success());
        std::fs::remove_file(world.folder.join("keys/sealing.key")).unwrap();

        let said = world.try_start(&flags).err().unwrap();
        assert!(said.contains("keyward sealing-key reset"), "{said}");
        let check = world.run(&["check"]);
        assert!(String::from_utf8_lossy(&check.stdout).contains("keyward sealing-key reset"));

        // Without --yes it only names what is lost.
        let output = world.run(&["--json", "sealing-key", "reset"]);
        assert_eq!(output.status.code(), Some(1));
        let named: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(named["signing_keys"], serde_json::json!([kid]));
        assert_eq!(named["second_factors"], serde_json::json!(["op@keyward.example"]));
        assert!(!world.folder.join("keys/sealing.key").exists());

        let reset = world.cli(&["sealing-key", "reset", "--yes"]);
        let new = reset["new_signing_key"].as_str().unwrap().to_owned();
        let node = world.start_with(&flags);
        let kids = node.kids();
        assert!(kids.contains(&kid) && kids.contains(&new), "the lost key stays published: {kids:?}");
        let verify = |token: &str| node.get_with("/verify", &[("authorization", &format!("Bearer {token}"))]).status;
        assert_eq!((verify(&token), verify(&node.token(&client))), (200, 200));
        assert_eq!(crate::support::jwt::header(&node.token(&client))["kid"], new.as_str());
        assert_eq!(world.count("SELECT count(*) FROM audit WHERE action = 'sealing_key.reset'"), 1);
        // A second reset names only the TOTP secrets, and the new signing key keeps signing.
        let again = world.cli(&["sealing-key", "reset", "--yes"]);
        assert_eq!(again["signing_keys"], serde_json::json!([]));
        assert_eq!((&again["second_factors"][0], again.get("new_signing_key")), (&"op@keyward.example".into(), None));
    }

    fn a_running_node_keeps_serving_after_a_reset(world: World) {
        let client = world.client("a");
        let node = world.start();
        let old = node.kids()[0].clone();
        std::fs::remove_file(world.folder.join("keys/sealing.key")).unwrap();
        world.cli(&["sealing-key", "reset", "--yes"]);
        eventually("a token of the new key", || {
            (crate::support::jwt::header(&node.token(&client))["kid"] != old.as_str()).then_some(())
        });
        assert!(world.refused(&["sealing-key", "reset", "--yes"]).contains("Nothing is lost"));
    }
}

/// Runs concurrent rotations beside a node that serves and seals: no secret is lost.
fn rotate_concurrently(world: &World, rounds: usize) {
    let client = world.client("a");
    let node = world.start();
    node.token(&client);
    let folder = world.folder.join("keys");
    for round in 0..rounds {
        let commands: [&[&str]; 6] = [
            &["sealing-key", "rotate"],
            &["sealing-key", "rotate"],
            &["signing-key", "rotate"],
            &["sealing-key", "rotate", "--prepare"],
            &["sealing-key", "rotate"],
            &["sealing-key", "prune"],
        ];
        let children = commands.map(|arguments| {
            (
                arguments,
                world
                    .command(arguments)
                    .stdout(Stdio::null())
                    .stderr(Stdio::piped())
                    .spawn()
                    .unwrap(),
            )
        });
        for (arguments, child) in children {
            let output = child.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(
                output.status.success() || said.contains("prepared"),
                "round {round}: {arguments:?}: {said}"
            );
        }
        let check = world.run(&["check"]);
        assert!(
            check.status.success(),
            "round {round}: {}",
            String::from_utf8_lossy(&check.stdout)
        );
        node.token(&client);
    }
    // A rotation that is killed half way does no harm.
    for delay in 0..rounds * 2 {
        let mut child = world
            .command(&["sealing-key", "rotate"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(
            20 + 30 * u64::try_from(delay).unwrap(),
        ));
        let _ = child.kill();
        child.wait().unwrap();
        let check = world.run(&["check"]);
        assert!(
            check.status.success(),
            "killed: {}",
            String::from_utf8_lossy(&check.stdout)
        );
    }
    world.cli(&["sealing-key", "rotate"]);
    node.token(&client);
    assert!(node.stop().success());
    let node = world.start();
    node.token(&client);
    let drafts = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let drafts: Vec<_> = drafts
        .filter(|name| name != "sealing.key" && name != ".sealing.key.lock")
        .collect();
    assert!(drafts.is_empty(), "{drafts:?}");
}

on_both! {
    fn concurrent_rotations_lose_nothing(world: World) {
        rotate_concurrently(&world, 3);
    }
}

/// If the folder is full, no empty file is left behind, and the key file stays as it was.
#[test]
fn a_rotation_that_cannot_write_leaves_nothing_behind() {
    let world = World::sqlite();
    drop(world.start());
    let folder = world.folder.join("keys");
    let names = || {
        let names = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names
            .filter(|name| !name.ends_with(".lock"))
            .collect::<Vec<_>>()
    };
    let before = std::fs::read_to_string(folder.join("sealing.key")).unwrap();
    // Files cannot be larger than 0 bytes, as on a full disk, except those of the database.
    let plain = world.command(&["sealing-key", "rotate", "--prepare"]);
    let mut command = Command::new("bash");
    command
        .args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\""])
        .arg(plain.get_program())
        .args(plain.get_args());
    command
        .current_dir(&world.folder)
        .env("KEYWARD_DATABASE_URL", &world.database_url)
        .stdin(Stdio::null());
    let output = command.output().unwrap();
    assert_eq!(
        output.status.code(),
        Some(1),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(names(), ["sealing.key"]);
    assert_eq!(
        std::fs::read_to_string(folder.join("sealing.key")).unwrap(),
        before
    );
    drop(world.start());
}
