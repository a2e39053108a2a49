//! Modules depend on lower layers only, as the tables of `docs/architecture.md` say.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::support::repository;

/// The items of `http` that the portal may use. The rest of `http` is the API.
const SHARED_WITH_THE_PORTAL: [&str; 6] = [
    "context",
    "download",
    "extract",
    "error::LogError",
    "error::status",
    "route",
];

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
    let (layers, _) = layers.split_once("| module of `oauth` |").unwrap();
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

/// The rows of the table of the modules of `oauth`, from the top: the module, and those that it may use.
fn modules_of_oauth() -> Vec<(String, BTreeSet<String>)> {
    let page = std::fs::read_to_string(repository("docs/architecture.md")).unwrap();
    let (_, table) = page.split_once("| module of `oauth` |").unwrap();
    table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with("| `"))
        .map(|row| {
            let cells: Vec<&str> = row.split('|').collect();
            let name = cells[1].trim().trim_matches('`').to_owned();
            (name, quoted(cells[3]))
        })
        .collect()
}

/// The module that a file is, as the names from the crate's root; `mod.rs` is its folder.
fn module_of(path: &Path) -> Vec<String> {
    let below = path.strip_prefix(repository("src")).unwrap();
    let module = below.with_extension("");
    let names = module
        .iter()
        .map(|name| name.to_string_lossy().into_owned());
    names.filter(|name| name != "mod").collect()
}

/// The names that `code` imports or uses directly below `parent`, by paths from `crate` and by paths
/// from `super`. The file is the module `own`.
fn used_below(parent: &[&str], own: &[String], code: &str) -> BTreeSet<String> {
    let mut prefixes = vec![format!("crate::{}::", parent.join("::"))];
    if own.starts_with(
        &parent
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>(),
    ) {
        prefixes.push("super::".repeat(own.len() - parent.len()));
    }
    let mut used = BTreeSet::new();
    for prefix in prefixes.iter().filter(|prefix| !prefix.is_empty()) {
        for (start, _) in code.match_indices(prefix.as_str()) {
            // A longer chain of `super` leads further up.
            if code[..start].ends_with("::") {
                continue;
            }
            let rest = &code[start + prefix.len()..];
            let names = first_names(rest);
            used.extend(names.into_iter().filter(|name| name != "super"));
        }
    }
    used
}

/// The first name of a path, or that of each path of a group in braces.
fn first_names(path: &str) -> Vec<String> {
    let name = |text: &str| -> String {
        text.trim_start()
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect()
    };
    let Some(group) = path.strip_prefix('{') else {
        return vec![name(path)];
    };
    let mut names = vec![name(group)];
    let mut depth = 1;
    for (index, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => names.push(name(&group[index + 1..])),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names
}

#[test]
fn names_are_found_in_paths_and_groups() {
    let own = ["oauth", "grant", "token_exchange"].map(str::to_owned);
    for (code, expected) in [
        ("use crate::oauth::token::presented::{self, A};", "token"),
        (
            "use crate::oauth::{A, reason::{B, C}, grant};",
            "A grant reason",
        ),
        ("use super::super::issuance::issue;", "issuance"),
        ("use super::Grant;", ""),
        ("use super::super::super::oauth;", ""),
        ("let a = crate::oauth::usage::Usage::default();", "usage"),
        ("use crate::store::oauth::token;", ""),
    ] {
        let found: Vec<_> = used_below(&["oauth"], &own, code).into_iter().collect();
        assert_eq!(found.join(" "), expected, "{code}");
    }
}

#[test]
fn modules_of_oauth_depend_on_lower_ones_only() {
    let table = modules_of_oauth();
    assert!(table.len() > 8, "the table was not found");
    let rank = |name: &str| table.iter().position(|(own, _)| own == name);
    for (index, (module, uses)) in table.iter().enumerate() {
        for used in uses {
            let is_below = rank(used).is_some_and(|other| other > index);
            assert!(
                is_below,
                "the row of {module} lists {used}, which is not below it"
            );
        }
    }
    let mut found = Vec::new();
    files(&repository("src/oauth"), Some("oauth"), &mut found);
    let modules: BTreeSet<String> = found
        .iter()
        .filter_map(|(_, path)| module_of(path).get(1).cloned())
        .collect();
    let mut wrong = Vec::new();
    let mut dependencies = 0;
    for (_, path) in &found {
        let own = module_of(path);
        // `oauth/mod.rs` holds the state of the server, and may use every module.
        let Some(module) = own.get(1) else { continue };
        let text = std::fs::read_to_string(path).unwrap();
        let code: String = text
            .lines()
            .take_while(|line| *line != "#[cfg(test)]")
            .filter(|line| !line.trim_start().starts_with("//"))
            .map(|line| format!("{line}\n"))
            .collect();
        let listed = rank(module).map(|row| &table[row].1);
        for used in used_below(&["oauth"], &own, &code) {
            if !modules.contains(&used) || used == *module {
                continue;
            }
            dependencies += 1;
            let is_allowed = match listed {
                Some(uses) => uses.contains(&used) || rank(&used).is_none(),
                None => false,
            };
            if !is_allowed {
                wrong.push(format!("{}: {used}", path.display()));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "dependencies inside oauth that docs/architecture.md does not list:\n{}",
        wrong.join("\n")
    );
    assert!(dependencies > 20, "the dependencies were not found");
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
        let exempt = ["audit/mod.rs", "cluster_settings.rs", "idempotency.rs"];
        assert!(
            exempt.iter().any(|exempt| path.ends_with(exempt))
                || !text.contains(".execute(transaction.database)"),
            "{} writes without an entry",
            path.display()
        );
        modifying += text.matches(".execute(transaction.modify())").count();
    }
    assert!(modifying > 20, "the changes were not found");
}
