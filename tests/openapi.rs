//! The description of the API, held against the API: a validator, and property tests that make requests
//! from the description and look for a fault, an undescribed answer, or a body of another shape.

use std::process::Command;

use crate::support::World;

fn tool(name: &str) -> Command {
    let python = std::env::var("TEST_PYTHON")
        .expect("TEST_PYTHON: run the tests by tests/run, which installs the tools");
    let folder = std::path::Path::new(&python)
        .parent()
        .unwrap()
        .to_path_buf();
    Command::new(folder.join(name))
}

fn passes(command: &mut Command) {
    let output = command.output().unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{said}");
}

#[test]
fn the_description_is_valid() {
    let world = World::sqlite();
    let document = world.cli(&["openapi"]);
    let file = world.file("openapi.json", &document.to_string());
    passes(tool("openapi-spec-validator").arg(file));
}

#[test]
fn a_linter_finds_nothing() {
    let world = World::sqlite();
    let file = world.file("openapi.json", &world.cli(&["openapi"]).to_string());
    let folder = std::env::var("TEST_NODE_DIR")
        .expect("TEST_NODE_DIR: run the tests by tests/run, which installs the tools");
    let mut linter = Command::new(std::path::Path::new(&folder).join("node_modules/.bin/redocly"));
    // What everybody may ask refuses nobody: no 4xx to describe.
    linter
        .args([
            "lint",
            "--format",
            "json",
            "--skip-rule",
            "operation-4xx-response",
        ])
        .arg(file)
        .current_dir(&world.folder);
    let output = linter.env("REDOCLY_TELEMETRY", "off").output().unwrap();
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        found["problems"],
        serde_json::json!([]),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success());
}

on_both! {
    fn no_fault_and_no_undescribed_answer(world: World) {
        let node = world.start_with(&["--log", "error,keyward::server=info"]);
        let client = world.manager(&node, &[], &(crate::rights::all_rights().join(" ") + " keyward:operator"));
        let token = node.token(&client);
        passes(
            tool("st")
                .args(["run", &node.url("/openapi.json"), "--url", &node.base, "--max-examples", "10", "--workers", "1", "--seed", "1"])
                .args(["--header", &format!("Authorization: Bearer {token}"), "--no-color"])
                // Making RSA keys takes long, and /verify answers every method; they are tested elsewhere.
                .args(["--exclude-path-regex", "/rotate$|/retire$|/verify$"])
                .args(["--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,response_headers_conformance,unsupported_method"])
                .current_dir(&world.folder),
        );
        assert!(!node.logs().contains("\"level\":\"ERROR\""), "{}", node.logs());
    }
}
