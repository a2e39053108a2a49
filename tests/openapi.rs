//! The OpenAPI document, checked against the API by a validator, a linter and generated requests
//! that look for a server error, an undescribed status, or a body of another shape.

use std::path::PathBuf;
use std::process::Command;

use crate::support::World;
use crate::support::tools::{Tool, python_tool, variable};

fn assert_passes(command: &mut Command) {
    let output = command.output().unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{said}");
}

#[test]
fn the_openapi_document_is_valid() {
    needs!(Tool::Python);
    let world = World::sqlite();
    let document = world.cli(&["openapi"]);
    let file = world.file("openapi.json", &document.to_string());
    assert_passes(python_tool("openapi-spec-validator").arg(file));
}

#[test]
fn a_linter_finds_no_problem() {
    needs!(Tool::Node);
    let world = World::sqlite();
    let file = world.file("openapi.json", &world.cli(&["openapi"]).to_string());
    // The authorization endpoint supports no response type, so it has no successful response.
    world.file(
        ".redocly.lint-ignore.yaml",
        "openapi.json:\n  operation-2xx-response:\n    - '#/paths/~1oauth~1authorize/get/responses'\n    - '#/paths/~1oauth~1authorize/post/responses'\n",
    );
    let folder = PathBuf::from(variable("TEST_NODE_DIR"));
    let mut linter = Command::new(folder.join("node_modules/.bin/redocly"));
    // Public operations have no 4xx response to describe.
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

/// On Postgres, which refuses some texts that SQLite accepts.
#[test]
fn generated_requests_find_no_fault_and_no_undescribed_answer() {
    needs!(Tool::Postgres, Tool::Python);
    let world = World::postgres();
    let node = world.start_with(&["--log", "error,keyward::server=info"]);
    let client = world.manager(
        &node,
        &[],
        &(crate::rights::all_rights().join(" ") + " keyward:operator"),
    );
    let token = node.token(&client);
    assert_passes(
        python_tool("st")
            .args(["run", &node.url("/openapi.json"), "--url", &node.base, "--max-examples", "10", "--workers", "1", "--seed", "1"])
            .args(["--header", &format!("Authorization: Bearer {token}"), "--no-color"])
            // Generating RSA keys is slow, and /verify answers every method; both are tested
            // elsewhere.
            .args(["--exclude-path-regex", "/rotate$|/retire$|/verify$"])
            .args(["--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,response_headers_conformance,unsupported_method"])
            .current_dir(&world.folder),
    );
    assert!(
        !node.logs().contains("\"level\":\"ERROR\""),
        "{}",
        node.logs()
    );
}
