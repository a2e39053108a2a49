//! `keyward check` diagnoses an installation and suggests fixes.

use serde_json::Value;

use crate::support::{Backend, EmptyWorld, World};

fn check(world: &World, flags: &[&str]) -> (i32, Vec<(String, bool, String)>) {
    let output = world.run(&[&["--json", "check"], flags].concat());
    let findings: Value = serde_json::from_slice(&output.stdout).unwrap();
    let one = |row: &Value| {
        (
            row["what"].as_str().unwrap().to_owned(),
            row["ok"].as_bool().unwrap(),
            row["detail"].as_str().unwrap().to_owned(),
        )
    };
    (
        output.status.code().unwrap(),
        findings.as_array().unwrap().iter().map(one).collect(),
    )
}

fn wrong(findings: &[(String, bool, String)]) -> Vec<&str> {
    findings
        .iter()
        .filter(|(_, ok, _)| !ok)
        .map(|(what, _, _)| what.as_str())
        .collect()
}

on_both! {
    fn check_reports_each_fault(world: EmptyWorld) {
        let (status, findings) = check(&world, &[]);
        assert_eq!(status, 1);
        assert_eq!(wrong(&findings), ["database", "key file", "issuer"], "nothing was created yet: {findings:?}");
        assert!(findings[0].2.contains("there is no database"), "{findings:?}");
        world.cli(&["migrate"]);
        assert_eq!(wrong(&check(&world, &[]).1), ["key file", "issuer"], "nothing was started yet");

        let node = world.start();
        let issuer = ["--issuer", node.base.as_str()];
        let (status, findings) = check(&world, &issuer);
        assert_eq!((status, wrong(&findings)), (0, vec![]), "{findings:?}");
        // On SQLite, the permissions of the database file are checked as well.
        assert_eq!(findings.len(), if world.backend == crate::support::Backend::Sqlite { 9 } else { 8 });
        // The settings that the nodes serve with are in the database: no flag is needed.
        assert_eq!(wrong(&check(&world, &[]).1), Vec::<&str>::new());

        // Another installation answers at the issuer's address.
        let stranger = EmptyWorld::new(Backend::Sqlite);
        let other_node = stranger.start();
        assert_eq!(wrong(&check(&world, &["--issuer", &other_node.base]).1), ["published keys"]);

        let other = format!("{}/", node.base);
        let (status, findings) = check(&world, &["--issuer", &other]);
        assert_eq!((status, wrong(&findings)), (1, vec!["issuer"]));
        assert!(findings.iter().any(|(_, _, detail)| detail.contains("exactly the same issuer")), "{findings:?}");
        assert_eq!(wrong(&check(&world, &["--issuer", "http://auth.invalid"]).1), ["issuer", "transport"]);

        use std::os::unix::fs::PermissionsExt;
        let key = world.folder.join("keys/sealing.key");
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
        let (_, findings) = check(&world, &issuer);
        assert_eq!(wrong(&findings), ["key file"]);
        assert!(findings.iter().any(|(_, _, detail)| detail.contains("chmod 600")));
    }
}

#[test]
fn check_reports_an_unreachable_database() {
    let world = EmptyWorld::new(Backend::Sqlite);
    let (status, findings) = check(
        &world,
        &["--database-url", "postgres://x:secret@127.0.0.1:1/x"],
    );
    assert_eq!(status, 1);
    assert!(wrong(&findings).contains(&"database"));
    assert!(
        findings
            .iter()
            .all(|(_, _, detail)| !detail.contains("secret@")),
        "{findings:?}"
    );
    let said = world.refused(&[
        "--database-url",
        "postgres://x:secret@127.0.0.1:1/x",
        "client",
        "list",
    ]);
    assert!(
        said.contains("--database-url")
            && said.contains("database unavailable")
            && !said.contains("secret"),
        "{said}"
    );
}
