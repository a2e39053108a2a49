//! Golden files: interfaces that programs and users rely on are checked in, so that reviewers see a
//! change. The pages of `docs/reference` are made of the same and compared in the same way.
//!
//! After an intended change, `UPDATE_GOLDEN=1 cargo test --test keyward golden::` rewrites the
//! files.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use keyward::oauth::reason::ALL_REASONS;
use serde_json::Value;

use crate::reference;
use crate::support::tools::Tool;
use crate::support::{Client, World, repository};

fn compare(name: &str, found: &str) {
    compare_file(&format!("tests/golden/{name}"), found);
}

/// Compares a page of the generated reference.
fn compare_page(name: &str, found: &str) {
    compare_file(&format!("docs/reference/{name}"), found);
}

fn compare_file(name: &str, found: &str) {
    let path = repository(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, found).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    if found == expected {
        return;
    }
    let only_in = |text: &str, other: &str, sign: char| {
        let others: BTreeSet<&str> = other.lines().collect();
        let lines = text.lines().filter(|line| !others.contains(line));
        lines
            .take(30)
            .fold(String::new(), |all, line| format!("{all}{sign} {line}\n"))
    };
    panic!(
        "{name} is not what Keyward shows now. Where that is meant, run\n\
         UPDATE_GOLDEN=1 cargo test --test keyward golden::\nand check the files in.\n{}{}",
        only_in(&expected, found, '-'),
        only_in(found, &expected, '+')
    );
}

fn help(world: &World, command: &[&str]) -> String {
    let output = world
        .command(&[command, &["--help"]].concat())
        .env("COLUMNS", "100")
        .output()
        .unwrap();
    assert!(output.status.success(), "{command:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The names in the list of subcommands of a help text.
fn subcommands(help: &str) -> Vec<&str> {
    let list = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let list = list.take_while(|line| !line.is_empty());
    // Further lines of a description are indented further.
    let names = list.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    names
        .filter(|name| !name.is_empty() && *name != "help")
        .collect()
}

/// The settings in the help of `serve`: for each flag, the name of its value and its description.
fn settings(help: &str) -> BTreeMap<String, (String, String)> {
    let mut settings = BTreeMap::new();
    let mut flag = String::new();
    for line in help.lines().skip_while(|line| *line != "Settings:").skip(1) {
        let line = line.trim();
        if line.starts_with("--") {
            let name = line.trim_start_matches("--").split(' ').next().unwrap();
            flag = name.replace('-', "_");
            settings.insert(flag.clone(), (line.to_owned(), String::new()));
        } else if let Some((_, text)) = settings.get_mut(&flag) {
            text.push_str(line);
            text.push(' ');
        }
    }
    settings
}

#[test]
fn the_openapi_document_is_the_one_checked_in() {
    let mut document = World::sqlite().cli(&["openapi"]);
    // The version changes with each release and is left out.
    document["info"]["version"] = "VERSION".into();
    let text = serde_json::to_string_pretty(&document).unwrap();
    compare("openapi.json", &format!("{text}\n"));
    compare_page("api.md", &reference::api(&document));
}

#[test]
fn the_error_and_reason_codes_are_those_checked_in() {
    let source = std::fs::read_to_string(repository("src/error.rs")).unwrap();
    let codes = source.split("=> \"").skip(1);
    let codes: BTreeSet<&str> = codes.map(|rest| rest.split('"').next().unwrap()).collect();
    let mut text = "# The error codes\n".to_owned();
    for code in codes {
        writeln!(text, "{code}").unwrap();
    }
    text.push_str("\n# The reason codes, with their parameters\n");
    for (code, parameters) in ALL_REASONS.iter().collect::<BTreeSet<_>>() {
        writeln!(text, "{code}({})", parameters.join(", ")).unwrap();
    }
    compare("error-codes.txt", &text);
    compare_page("codes.md", &reference::codes_page());
}

#[test]
fn the_page_of_the_audit_actions_is_the_one_checked_in() {
    compare_page("audit-actions.md", &reference::audit_actions());
}

#[test]
fn the_help_of_each_command_is_the_one_checked_in() {
    let world = World::sqlite();
    let mut text = String::new();
    let mut commands = Vec::new();
    let mut waiting: Vec<Vec<String>> = vec![Vec::new()];
    while let Some(command) = waiting.pop() {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let help = help(&world, &words);
        let below = subcommands(&help).into_iter().rev();
        waiting.extend(below.map(|name| [&command[..], &[name.to_owned()]].concat()));
        // The settings are the same for each command and have their own golden file.
        let own = help.split("\nSettings:").next().unwrap().trim_end();
        let title = words.join(" ");
        writeln!(text, "## keyward {title}\n\n{own}\n").unwrap();
        commands.push((title, own.to_owned()));
    }
    compare("cli-help.txt", &text);
    compare_page("command-line.md", &reference::command_line(&commands));
}

#[test]
fn the_settings_are_those_checked_in() {
    let help = help(&World::sqlite(), &["serve"]);
    let settings = settings(&help);
    let mut text = String::new();
    for (name, (flag, description)) in &settings {
        writeln!(text, "{name}\n  {flag}\n  {}", description.trim_end()).unwrap();
    }
    assert!(
        text.contains("[env: KEYWARD_TOKEN_TTL=] [default: 3600]"),
        "{text}"
    );
    compare("settings.txt", &text);
    compare_page("settings.md", &reference::settings(&settings));
}

/// A setting that is missing there is also missing in `keyward config`, in reloads and in the
/// comparison of nodes.
#[test]
fn each_setting_of_the_help_is_in_config() {
    let world = World::sqlite();
    let listed = world.cli(&["config"]);
    let listed = listed.as_array().unwrap().iter();
    let listed: BTreeSet<String> = listed
        .map(|row| row["name"].as_str().unwrap().to_owned())
        .collect();
    let flags: BTreeSet<String> = settings(&help(&world, &["serve"])).into_keys().collect();
    assert!(flags.len() > 20, "{flags:?}");
    assert_eq!(listed, flags);
}

#[test]
fn the_metrics_are_those_checked_in() {
    needs!(Tool::Curl);
    let world = World::sqlite();
    let client = world.client("a");
    let node = world.start();
    node.token(&client);
    let wrong = Client {
        secret: "wrong".to_owned(),
        ..client
    };
    node.token_reply(&wrong, &[]);
    node.introspect(&world.resource("urn:api"), "nonsense");
    node.get("/verify");
    // The metrics of this response itself appear in the next one.
    node.get("/metrics");
    let mut scraped = node.get("/metrics").body;
    // Some metrics are there only if Keyward serves TLS itself.
    let secure = world.start_with_tls();
    let over_tls = world.curl(&["--cacert", "cert.pem", &secure.https_url("/metrics")]);
    scraped.push_str(&String::from_utf8(over_tls.stdout).unwrap());
    let mut lines = BTreeSet::new();
    for line in scraped.lines().filter(|line| *line != "# EOF") {
        if line.starts_with('#') {
            lines.insert(line.to_owned());
            continue;
        }
        // Label names without their values.
        let (name, labels) = line
            .split(' ')
            .next()
            .unwrap()
            .split_once('{')
            .unwrap_or((line, ""));
        let labels = labels
            .split("\",")
            .filter_map(|label| label.split("=\"").next());
        let labels: Vec<&str> = labels.filter(|label| !label.is_empty()).collect();
        let name = name.split(' ').next().unwrap();
        lines.insert(format!("{name}{{{}}}", labels.join(", ")));
    }
    let lines: Vec<String> = lines.into_iter().collect();
    compare("metrics.txt", &format!("{}\n", lines.join("\n")));
    compare_page("metrics.md", &reference::metrics(&lines));
}

#[test]
fn the_fields_of_log_lines_are_those_checked_in() {
    let world = World::sqlite();
    let client = world.client("a");
    let node = world.start();
    let wrong = Client {
        secret: "wrong".to_owned(),
        ..client.clone()
    };
    let mut text = String::new();
    for (what, reply) in [
        ("a token", node.token_reply(&client, &[])),
        (
            "a token request with a wrong secret",
            node.token_reply(&wrong, &[]),
        ),
        (
            "a form without a session",
            node.post("/portal/sign-out", &[], b""),
        ),
        ("an unknown path", node.get("/nothing")),
    ] {
        let line = node.log_of(&reply);
        let fields: BTreeSet<&String> = line.as_object().unwrap().keys().collect();
        writeln!(text, "{what}").unwrap();
        for field in fields {
            let kind = match line[field] {
                Value::String(_) => "text",
                Value::Number(_) => "number",
                Value::Bool(_) => "true or false",
                _ => "other",
            };
            writeln!(text, "  {field}: {kind}").unwrap();
        }
    }
    compare("log-fields.txt", &text);
}
