//! The sealing key: rotated while nodes serve, and lost.

use std::os::unix::fs::PermissionsExt;

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

        // The node opens a key that was sealed with the new one, and seals with it.
        world.cli(&["signing-key", "rotate"]);
        node.token(&client);
        assert!(node.stop().success());
        let node = world.start();
        node.token(&client);
        assert_eq!(node.get_with("/verify", &[("authorization", &format!("Bearer {token}"))]).status, 401, "another issuer");

        // The old key opens nothing any more.
        std::fs::write(&file, before).unwrap();
        let said = world.refused(&["signing-key", "rotate"]);
        assert!(said.contains("sealing-key reset"), "{said}");
    }

    fn copies_are_brought_to_nodes_before_and_after_a_rotation(world: World) {
        let node = world.start();
        let lines = || std::fs::read_to_string(world.folder.join("keys/sealing.key")).unwrap().lines().count();
        world.cli(&["sealing-key", "rotate", "--prepare"]);
        assert_eq!(lines(), 2);
        assert!(world.refused(&["sealing-key", "rotate", "--prepare"]).contains("prepared already"));
        assert_eq!(world.cli(&["sealing-key", "rotate"])["keys_in_file"], 2);
        assert_eq!(lines(), 2, "the old one still opens what nodes seal meanwhile");
        assert_eq!(world.cli(&["sealing-key", "prune"])["keys_in_file"], 1);
        assert_eq!(lines(), 1);
        assert!(node.stop().success());
        drop(world.start());
    }

    fn a_lost_sealing_key_is_named_and_service_comes_back(world: World) {
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
        assert!(kids.contains(&kid) && kids.contains(&new), "the lost one stays published: {kids:?}");
        let verify = |token: &str| node.get_with("/verify", &[("authorization", &format!("Bearer {token}"))]).status;
        assert_eq!((verify(&token), verify(&node.token(&client))), (200, 200));
        assert_eq!(crate::support::jwt::header(&node.token(&client))["kid"], new.as_str());
        assert_eq!(world.count("SELECT count(*) FROM audit WHERE action = 'sealing_key.reset'"), 1);
        // Once more there are only the second factors left, and the new key goes on signing.
        let again = world.cli(&["sealing-key", "reset", "--yes"]);
        assert_eq!(again["signing_keys"], serde_json::json!([]));
        assert_eq!((&again["second_factors"][0], again.get("new_signing_key")), (&"op@keyward.example".into(), None));
    }

    fn a_node_that_runs_goes_on_after_a_reset(world: World) {
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
