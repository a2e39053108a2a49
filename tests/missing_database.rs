//! Commands in a folder without a database, or with a mistyped database URL: they create nothing,
//! and change nothing that is not Keyward's.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};

use crate::support::tools::Tool;
use crate::support::{Backend, EmptyWorld, each_case};

/// One command of each kind that reads or changes existing objects.
const COMMANDS: [&[&str]; 23] = [
    &["account", "list"],
    &["account", "update", "x", "--max-clients", "3"],
    &["user", "list"],
    &["user", "invite", "a@b.example"],
    &["user", "delete", "a@b.example"],
    &["client", "list"],
    &["client", "show", "x"],
    &["client", "delete", "x"],
    &["secret", "create", "x"],
    &["key", "create", "x", "--name", "y"],
    &["key", "list", "x"],
    &["resource", "list"],
    &["resource", "delete", "https://api.example"],
    &["registration-token", "list"],
    &["signing-key", "list"],
    &["signing-key", "rotate"],
    &["sealing-key", "rotate"],
    &["sealing-key", "rotate", "--prepare"],
    &["sealing-key", "prune"],
    &["sealing-key", "reset"],
    &["sealing-key", "reset", "--yes"],
    &["token", "inspect", "x"],
    &["token", "revoke", "--client", "x"],
];

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn commands_create_no_database() {
    let world = EmptyWorld::new(Backend::Sqlite);
    for arguments in COMMANDS
        .into_iter()
        .chain([["backup", "copy.db"].as_slice()])
    {
        let output = world
            .command(arguments)
            .env_remove("KEYWARD_DATABASE_URL")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(
            said.contains("database_url")
                && said.contains("there is no database at sqlite://data/keyward.db"),
            "{said}"
        );
        assert!(said.contains("keyward serve"), "{said}");
    }
    let check = world
        .command(&["check"])
        .env_remove("KEYWARD_DATABASE_URL")
        .output()
        .unwrap();
    assert_eq!(check.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&check.stdout)
            .contains("there is no database at sqlite://data/keyward.db")
    );
    world
        .command(&["config"])
        .env_remove("KEYWARD_DATABASE_URL")
        .output()
        .unwrap();
    assert_eq!(names(&world.folder), Vec::<String>::new());
}

#[test]
fn commands_create_no_tables_on_postgres() {
    needs!(Tool::Postgres);
    let world = EmptyWorld::new(Backend::Postgres);
    for arguments in COMMANDS {
        let said = world.refused(arguments);
        assert!(
            said.contains("there is no database at postgres"),
            "{arguments:?}: {said}"
        );
    }
    assert_eq!(
        world.count("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"),
        0
    );
    assert!(!world.folder.join("keys").exists());
}

/// Commands that create objects may run before the first start.
#[test]
fn commands_that_create_something_create_the_database() {
    let world = EmptyWorld::new(Backend::Sqlite);
    let output = world.run(&["account", "create", "--name", "Acme"]);
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("creating a new database"));
    assert_eq!(world.cli(&["account", "list"]).as_array().unwrap().len(), 1);
    assert!(!world.folder.join("keys").exists());
    assert_eq!(world.cli(&["token", "inspect", "x"])["active"], false);
    let said = world.refused(&["sealing-key", "rotate"]);
    assert!(
        said.contains("sealing.key") && said.contains("keyward serve"),
        "{said}"
    );
    assert!(!world.folder.join("keys").exists());
}

/// Parent folders of the database's folder are not created.
#[test]
fn a_mistyped_path_creates_no_folders() {
    let world = EmptyWorld::new(Backend::Sqlite);
    each_case(
        [
            ["client", "create", "--name", "x"].as_slice(),
            &["migrate"],
            &["serve", "--listen", "127.0.0.1:0"],
        ],
        |arguments| {
            let said = String::from_utf8(
                world
                    .command(arguments)
                    .env("KEYWARD_DATABASE_URL", "sqlite://nope/x/y.db")
                    .output()
                    .unwrap()
                    .stderr,
            );
            let said = said.unwrap();
            assert!(
                said.contains("KEYWARD_DATABASE_URL") && said.contains("nope/x"),
                "{said}"
            );
        },
    );
    assert_eq!(names(&world.folder), Vec::<String>::new());
}

#[test]
fn a_database_of_another_program_is_not_changed() {
    let world = EmptyWorld::new(Backend::Sqlite);
    world.client("a");
    world.cli(&["backup", "backup.db"]);
    world.file("text", "root:x:0:0:root:/root:/bin/bash\n");
    let path = world.folder.join("photos.db");
    let mut photos = SqliteConnection::establish(&path.to_string_lossy()).unwrap();
    photos
        .batch_execute("CREATE TABLE photos (name TEXT); INSERT INTO photos VALUES ('sea')")
        .unwrap();
    drop(photos);
    std::fs::create_dir(world.folder.join("folder")).unwrap();
    let before = names(&world.folder);
    for name in ["text", "photos.db", "folder"] {
        let path = world.folder.join(name);
        let mode = if name == "folder" { 0o755 } else { 0o644 };
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let content = std::fs::read(&path).unwrap_or_default();
        let url = format!("sqlite://{}", path.display());
        let more: [&[&str]; 7] = [
            &["client", "create", "--name", "x"],
            &["migrate"],
            &["serve", "--listen", "127.0.0.1:0"],
            &["check"],
            &["config"],
            &["backup", "copy.db"],
            &["restore", "backup.db"],
        ];
        for arguments in COMMANDS.into_iter().chain(more) {
            let output = world
                .command(arguments)
                .env("KEYWARD_DATABASE_URL", &url)
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            if !matches!(arguments[0], "check" | "config") {
                assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
                assert!(said.contains(name), "{arguments:?}: {said}");
            }
            assert_eq!(
                std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
                mode,
                "{arguments:?} {name}"
            );
            assert_eq!(
                std::fs::read(&path).unwrap_or_default(),
                content,
                "{arguments:?} {name}"
            );
        }
        assert_eq!(names(&world.folder), before);
    }
}
