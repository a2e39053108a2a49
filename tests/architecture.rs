//! Modules depend on lower layers only, as the tables of `docs/architecture.md` say.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::support::repository;

/// The items of `http` that the portal may use. The rest of `http` is the API.
const SHARED_WITH_THE_PORTAL: [&str; 4] =
    ["context", "extract", "error::LogError", "error::status"];

/// The words in backquotes.
fn quoted(text: &str) -> BTreeSet<String> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// The dependencies allowed for each module, and the foundation modules that all may use.
fn allowed() -> (BTreeMap<String, BTreeSet<String>>, BTreeSet<String>) {
    let page = std::fs::read_to_string(repository("docs/architecture.md")).unwrap();
    let layers = page
        .split("\n## ")
        .find(|part| part.starts_with("Layers"))
        .unwrap();
    let rows = layers.lines().filter(|line| line.starts_with("| `"));
    let mut modules: BTreeMap<_, _> = rows
        .map(|row| {
            let cells: Vec<&str> = row.split('|').collect();
            (
                cells[1].trim().trim_matches('`').to_owned(),
                quoted(cells[3]),
            )
        })
        .collect();
    let foundation = layers
        .split("\n\n")
        .find(|part| part.starts_with("Foundation"))
        .unwrap();
    let (names, exceptions) = foundation.split_once("Of these").unwrap();
    // "`config` uses `store` … and `uri` uses `crypto`."
    let exceptions: Vec<String> = exceptions
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect();
    for pair in exceptions.chunks(2).take(2) {
        modules.insert(pair[0].clone(), BTreeSet::from([pair[1].clone()]));
    }
    (modules, quoted(names))
}

/// Each source file, with the top-level module that it belongs to.
fn files(folder: &Path, part: Option<&str>, found: &mut Vec<(String, std::path::PathBuf)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            files(&path, Some(part.unwrap_or(&name)), found);
        } else {
            found.push((part.unwrap_or(&name).to_owned(), path));
        }
    }
}

#[test]
fn modules_depend_on_lower_layers_only() {
    let (allowed, foundation) = allowed();
    assert!(
        allowed.len() > 15 && foundation.len() > 8,
        "the tables were not found"
    );
    let mut found = Vec::new();
    files(&repository("src"), None, &mut found);
    let mut wrong = Vec::new();
    let mut dependencies = 0;
    for (part, path) in found {
        for line in std::fs::read_to_string(&path)
            .unwrap()
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
        {
            for used in line.split("crate::").skip(1) {
                let used: String = used
                    .chars()
                    .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                    .collect();
                let is_allowed = used == part
                    || foundation.contains(&used)
                    || allowed
                        .get(part.as_str())
                        .is_some_and(|modules| modules.contains(&used));
                dependencies += 1;
                // The parser below does not read a `{` after `crate::`.
                if !is_allowed || used.is_empty() {
                    wrong.push(format!("{}: {line}", path.display()));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "dependencies that docs/architecture.md does not list:\n{}",
        wrong.join("\n")
    );
    assert!(dependencies > 100, "the dependencies were not found");
}

#[test]
fn the_portal_uses_only_what_the_api_shares_with_it() {
    let mut found = Vec::new();
    files(&repository("src/portal"), Some("portal"), &mut found);
    let mut uses = 0;
    for (_, path) in found {
        // The folder also has images.
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        for used in text.split("crate::http").skip(1) {
            let named = used.strip_prefix("::").unwrap_or_default();
            let shared = SHARED_WITH_THE_PORTAL.iter().any(|name| {
                named.strip_prefix(name).is_some_and(|rest| {
                    !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
                })
            });
            uses += 1;
            assert!(
                shared,
                "{}: crate::http{}",
                path.display(),
                used.lines().next().unwrap_or_default()
            );
        }
    }
    assert!(uses > 3, "the uses were not found");
}

#[test]
fn only_the_store_uses_diesel_and_only_entry_points_use_actix() {
    let mut found = Vec::new();
    files(&repository("src"), None, &mut found);
    for (part, path) in found {
        let text = std::fs::read_to_string(&path).unwrap();
        let queries = text.contains("diesel::prelude") || text.contains("RunQueryDsl");
        assert!(
            part == "store" || !queries,
            "{} uses diesel",
            path.display()
        );
        let actix = text.contains("actix_web::")
            && !["http", "portal", "server", "jobs", "cli"].contains(&part.as_str());
        assert!(!actix, "{} uses actix", path.display());
        assert!(
            path.ends_with("oauth/grant/client_credentials.rs") || !text.contains("oxide_auth::"),
            "{}",
            path.display()
        );
    }
}

/// Rows that users or programs manage are written by `Transaction::modify`, which requires an audit
/// entry. The exceptions are the audit itself, rows that belong to an entry, and the settings that
/// a node serves with.
#[test]
fn every_change_asks_for_an_audit_entry() {
    let mut found = Vec::new();
    files(&repository("src/store"), Some("store"), &mut found);
    let mut modifying = 0;
    for (_, path) in found {
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let exempt = ["audit.rs", "cluster_settings.rs", "idempotency.rs"].contains(&name.as_str());
        assert!(
            exempt || !text.contains(".execute(transaction.database)"),
            "{name} writes without an entry"
        );
        modifying += text.matches(".execute(transaction.modify())").count();
    }
    assert!(modifying > 20, "the changes were not found");
}
