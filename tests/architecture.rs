//! Arrows point down only: see `src/lib.rs`.

use std::collections::BTreeMap;
use std::path::Path;

use crate::support::repository;

/// What each part may use, beside the ground floor.
const ARROWS: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    (
        "cli",
        &[
            "server",
            "telemetry",
            "http",
            "bootstrap",
            "manage",
            "oauth",
            "net",
            "cache",
            "store",
            "crypto",
        ],
    ),
    (
        "server",
        &[
            "http",
            "portal",
            "jobs",
            "net",
            "telemetry",
            "manage",
            "oauth",
            "cache",
            "store",
            "crypto",
        ],
    ),
    ("jobs", &["manage", "oauth", "cache", "net", "store"]),
    ("http", &["oauth", "manage", "store", "net", "telemetry"]),
    ("portal", &["manage", "http"]),
    ("bootstrap", &["manage", "store", "crypto"]),
    (
        "manage",
        &["oauth", "domain", "store", "crypto", "rate_limit"],
    ),
    (
        "oauth",
        &["cache", "domain", "net", "store", "crypto", "rate_limit"],
    ),
    ("domain", &["store"]),
    ("net", &["crypto"]),
    ("telemetry", &["net"]),
    ("cache", &["store", "crypto"]),
    ("store", &["crypto"]),
    ("crypto", &[]),
    ("rate_limit", &[]),
    ("config", &["store"]),
    ("error", &[]),
    ("metrics", &[]),
    ("credential", &[]),
    ("scope", &[]),
    ("concurrency_limit", &[]),
    ("uri", &["crypto"]),
];

/// What the portal shares with the door for machines: how a request is read, what its log line says, and
/// the status of an error. The rest of `http` is for machines.
const SHARED_BY_THE_DOORS: [&str; 4] = ["context", "extract", "error::LogReason", "error::status"];

const GROUND_FLOOR: &[&str] = &[
    "client_ip",
    "clock",
    "config",
    "credential",
    "error",
    "metrics",
    "request_context",
    "scope",
    "span",
    "concurrency_limit",
    "trace_context",
    "uri",
];

/// Every file, with the part of the house that it belongs to.
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
    let allowed: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let mut found = Vec::new();
    files(&repository("src"), None, &mut found);
    let (mut wrong, mut arrows) = (Vec::new(), 0);
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
                let down = used == part
                    || GROUND_FLOOR.contains(&used.as_str())
                    || allowed
                        .get(part.as_str())
                        .is_some_and(|parts| parts.contains(&used.as_str()));
                arrows += 1;
                // A `{` after `crate::` would slip past this reading.
                if !down || used.is_empty() {
                    wrong.push(format!("{}: {line}", path.display()));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "arrows that point up:\n{}",
        wrong.join("\n")
    );
    assert!(arrows > 100, "the arrows were not found");
}

#[test]
fn the_portal_takes_nothing_of_the_other_door_but_what_both_share() {
    let mut found = Vec::new();
    files(&repository("src/portal"), Some("portal"), &mut found);
    let mut uses = 0;
    for (_, path) in found {
        // Pictures are in that folder too.
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        for used in text.split("crate::http").skip(1) {
            let named = used.strip_prefix("::").unwrap_or_default();
            let shared = SHARED_BY_THE_DOORS.iter().any(|name| {
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

/// The ground floor does not know the house; of the store, `config` reads the URL and the names.
#[test]
fn only_the_store_queries_and_only_the_doors_speak_http() {
    let mut found = Vec::new();
    files(&repository("src"), None, &mut found);
    for (part, path) in found {
        let text = std::fs::read_to_string(&path).unwrap();
        let queries = text.contains("diesel::prelude") || text.contains("RunQueryDsl");
        assert!(part == "store" || !queries, "{} queries", path.display());
        let actix = text.contains("actix_web::")
            && !["http", "portal", "server", "jobs", "cli"].contains(&part.as_str());
        assert!(!actix, "{} speaks HTTP", path.display());
        assert!(
            path.ends_with("oauth/grant/client_credentials.rs") || !text.contains("oxide_auth::"),
            "{}",
            path.display()
        );
    }
}

/// Rows that people or programs manage are written by `Transaction::modify`, which wants an entry in the
/// audit. Beside it stand the audit itself, what goes with an entry, and what a node serves with.
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
