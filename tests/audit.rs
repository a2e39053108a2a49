//! The audit log: filters, pages, exports, and long lists on the command line.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::support::portal::{Browser, person};
use crate::support::{Node, Reply, World, each_case};

/// 2020-01-01T00:00:00Z, in milliseconds.
const NEW_YEAR: i64 = 1_577_836_800_000;

const DAY: i64 = 24 * 3600 * 1000;

/// SQL that inserts entries as they are stored, one a second from `from` on.
fn insert(world: &World, from: i64, count: i64, actor: &str, action: &str, account: Option<&str>) {
    let account = account.map_or("NULL".to_owned(), |id| format!("'{id}'"));
    let mut rows = String::new();
    for number in 0..count {
        let at = from + number * 1000;
        // A UUIDv7: 48 bits of time, the version, the variant, and the number instead of chance.
        let hex = format!(
            "{at:012x}7000{:016x}",
            0x8000_0000_0000_0000_u64 | number.cast_unsigned()
        );
        let id = [
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..],
        ]
        .join("-");
        let separator = if rows.is_empty() { "" } else { "," };
        write!(
            rows,
            "{separator}('{id}', {at}, {account}, '{actor}', '{action}', 'c{number}')"
        )
        .unwrap();
    }
    world.execute(&format!(
        "INSERT INTO audit (id, happened_at, account_id, actor, action, target) VALUES {rows}"
    ));
}

fn audit(node: &Node, token: &str, query: &str) -> Reply {
    node.json(
        "GET",
        &format!("/api/v1/audit{query}"),
        Some(token),
        &Value::Null,
    )
}

fn items(node: &Node, token: &str, query: &str) -> Vec<Value> {
    let reply = audit(node, token, query);
    assert_eq!(reply.status, 200, "{query}: {}", reply.body);
    reply.json()["items"].as_array().unwrap().clone()
}

fn operator(world: &World, node: &Node) -> String {
    node.token(&world.manager(
        node,
        &[],
        "keyward:audit:read keyward:clients:write keyward:operator",
    ))
}

on_both! {
    fn entries_are_found_by_time_and_request(world: World) {
        let node = world.start();
        let token = operator(&world, &node);
        insert(&world, NEW_YEAR - 1000, 1, "before", "client.create", None);
        insert(&world, NEW_YEAR, 2, "within", "client.create", None);
        insert(&world, NEW_YEAR + DAY, 1, "after", "client.delete", None);
        let created = node.json("POST", "/api/v1/clients", Some(&token), &json!({"name": "New"}));
        let request = created.header("x-request-id").unwrap();

        each_case(
            [
                ("?since=2020-01-01&until=2020-01-01", vec!["within", "within"]),
                ("?since=2020-01-01T00:00:01Z&until=2020-01-02T00:00:00Z", vec!["within"]),
                ("?since=2019-12-31&until=2020-01-02&action=client.create", vec!["within", "within", "before"]),
                ("?until=2019-12-31", vec!["before"]),
                ("?since=2020-01-01&until=2020-01-02&limit=2", vec!["after", "within"]),
                ("?since=2020-01-01&until=2020-01-03&actor=after&action=client.delete", vec!["after"]),
                ("?since=2020-01-01&until=2020-01-03&actor=after&action=client.create", vec![]),
                ("?target=c1&actor=within", vec!["within"]),
                ("?since=2999-01-01", vec![]),
            ],
            |(query, actors)| {
                let found: Vec<String> = items(&node, &token, query)
                    .iter()
                    .map(|entry| entry["actor"].as_str().unwrap().to_owned())
                    .collect();
                assert_eq!(found, actors, "{query}");
            },
        );
        let found = items(&node, &token, &format!("?request_id={request}"));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0]["target"], created.json()["client_id"]);
        for query in ["?since=today", "?until=2020-13-01", "?since=2020-01-01T00:00", "?request=x"] {
            assert_eq!(audit(&node, &token, query).status, 400, "{query}");
        }
    }

    fn an_export_has_every_entry_and_nothing_of_others(world: World) {
        let node = world.start();
        world.cli(&["account", "create", "--name", "One"]);
        world.cli(&["account", "create", "--name", "Two"]);
        let accounts = world.cli(&["account", "list"]);
        let id = |name: &str| {
            let named = accounts.as_array().unwrap().iter().find(|account| account["name"] == name);
            named.unwrap()["id"].as_str().unwrap().to_owned()
        };
        // More than one part.
        insert(&world, NEW_YEAR, 2500, "=cmd|calc", "client.update", Some(&id("One")));
        insert(&world, NEW_YEAR + DAY, 3, "somebody, else", "client.update", Some(&id("Two")));
        let token = operator(&world, &node);
        let period = "since=2020-01-01&until=2020-01-02";

        let lines = audit(&node, &token, &format!("/export?format=jsonl&{period}"));
        assert_eq!((lines.status, lines.header("content-type")), (200, Some("application/jsonl")));
        let entries: Vec<Value> = lines.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(entries.len(), 2503);
        assert_eq!(entries[0], items(&node, &token, &format!("?{period}&limit=1"))[0]);
        assert!(entries.is_sorted_by(|newer, older| newer["id"].as_str() > older["id"].as_str()));

        let csv = audit(&node, &token, &format!("/export?format=csv&{period}"));
        assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
        assert_eq!(csv.header("content-disposition"), Some("attachment; filename=\"audit.csv\""));
        let rows: Vec<&str> = csv.body.split_terminator("\r\n").collect();
        assert_eq!(rows.len(), 1 + 2503);
        assert!(rows[0].starts_with("id,happened_at,account_id,actor,action,target,"), "{}", rows[0]);
        assert!(rows[1].contains(",\"somebody, else\",client.update,c2,"), "{}", rows[1]);
        // A spreadsheet must not evaluate it.
        assert!(rows[2503].contains(",'=cmd|calc,"), "{}", rows[2503]);

        // The same on the command line.
        let printed = |flags: &[&str]| {
            let output = world.run(&[&["audit", "list", "--since", "2020-01-01", "--until", "2020-01-02"], flags].concat());
            assert!(output.status.success(), "{flags:?}: {}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        };
        assert_eq!(printed(&["--format", "csv"]), csv.body);
        assert_eq!(printed(&["--format", "jsonl"]), lines.body);
        assert_eq!(serde_json::from_str::<Vec<Value>>(&printed(&["--json"])).unwrap(), entries);
        let limited: Vec<Value> = serde_json::from_str(&printed(&["--json", "--limit", "1500"])).unwrap();
        assert_eq!(limited, entries[..1500]);
        assert_eq!(printed(&["--account", "Two", "--json"]).matches("somebody, else").count(), 3);
        let table = printed(&["--account", "Two"]);
        assert!(table.starts_with("TIME") && table.lines().count() == 4, "{table}");
        assert_eq!(printed(&["--actor", "nobody", "--json"]), "[]\n");

        // A client of an account exports the entries of its account.
        let own = node.token(&world.manager(&node, &["--account", "Two"], "keyward:audit:read"));
        let exported = audit(&node, &own, &format!("/export?format=jsonl&{period}"));
        assert_eq!(exported.body.lines().count(), 3);
        assert_eq!(audit(&node, &own, &format!("/export?format=csv&account={}", id("One"))).status, 404);
        assert_eq!(audit(&node, &own, "/export?format=xml").status, 400);
        assert_eq!(audit(&node, &own, "/export").status, 400);
        let other = node.token(&world.manager(&node, &[], "keyward:clients:read"));
        assert_eq!(audit(&node, &other, "/export?format=csv").status, 403);
    }

    /// No filter reads the whole table for a page, and following the cursor finds everything.
    fn a_page_of_several_conditions_reads_a_bounded_part(world: World) {
        let node = world.start();
        let token = operator(&world, &node);
        insert(&world, NEW_YEAR, 1, "busy", "client.delete", None);
        insert(&world, NEW_YEAR + DAY, 45_000, "busy", "client.update", None);
        let mut query = "?actor=busy&action=client.delete".to_owned();
        let mut pages = 0;
        let found = loop {
            let page = audit(&node, &token, &query).json();
            pages += 1;
            if let Some(entry) = page["items"].get(0) {
                break entry.clone();
            }
            let cursor = page["next_cursor"].as_str().expect("a further page");
            query = format!("?actor=busy&action=client.delete&cursor={cursor}");
        };
        assert_eq!((pages, &found["target"]), (3, &json!("c0")));
        let listed = world.cli(&["audit", "list", "--actor", "busy", "--action", "client.delete"]);
        assert_eq!(listed, json!([found]));
        // One condition is answered by its index alone.
        assert_eq!(items(&node, &token, "?actor=busy&until=2020-01-01"), [found]);
        assert_eq!(items(&node, &token, "?action=client.delete&since=2020-01-02&until=2020-02-01"), [] as [Value; 0]);
    }

    fn the_page_shows_names_and_links(world: World) {
        world.cli(&["account", "create", "--name", "Acme"]);
        person(&world, "op@keyward.example", "operator", None);
        let node = world.start();
        let client = world.client_with(&["--account", "Acme"]);
        let browser = Browser::of(&node, "op@keyward.example");
        let page = browser.get("/portal/audit?action=client.create").body;
        assert!(page.contains(&format!("href=\"/portal/applications/{}\"", client.id)), "{page}");
        assert!(page.contains(">A client</a>"));
        let signed_in = browser.get("/portal/audit?action=session.create").body;
        assert!(signed_in.contains("href=\"/portal/people/"), "{signed_in}");
        assert!(signed_in.contains("/portal/audit?request_id="), "{signed_in}");

        let export = browser.get("/portal/audit/export?format=csv&action=client.create");
        assert_eq!((export.status, export.header("content-type")), (200, Some("text/csv; charset=utf-8")));
        assert!(export.body.contains(&client.id) && !export.body.contains("session.create"));
        let wrong = browser.get("/portal/audit?since=tomorrow");
        assert!(wrong.status == 400 && wrong.body.contains("since-error"), "{}", wrong.body);
        let unknown = browser.get("/portal/audit?account=nothing");
        assert!(unknown.status == 404 && unknown.body.contains("account-error"), "{}", unknown.body);
    }

    fn lists_of_any_length_are_printed(world: World) {
        let client = world.client("read");
        // All created at the same time, so that only the id orders them.
        let unique = if world.database_url.starts_with("postgres") { "gen_random_uuid()::text" } else { "lower(hex(randomblob(16)))" };
        world.execute(&format!(
            "CREATE TABLE copies AS SELECT clients.* FROM clients, \
             (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500) SELECT i FROM n) AS numbers \
             WHERE clients.client_id = '{}'; \
             UPDATE copies SET client_id = {unique}; INSERT INTO clients SELECT * FROM copies; DROP TABLE copies;",
            client.id
        ));
        let total = world.count("SELECT count(*) FROM clients");
        assert!(total > 2500);
        let listed = world.cli(&["client", "list"]);
        let mut ids: Vec<&str> = listed.as_array().unwrap().iter().map(|row| row["client_id"].as_str().unwrap()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(i64::try_from(ids.len()), Ok(total));
        let table = String::from_utf8(world.run(&["client", "list"]).stdout).unwrap();
        assert_eq!(i64::try_from(table.lines().count()), Ok(total + 1));

        world.cli(&["account", "create", "--name", "Acme"]);
        world.cli(&["user", "create", "--email", "ann@acme.example", "--role", "viewer", "--account", "Acme"]);
        world.cli(&["user", "create", "--email", "op@keyward.example", "--role", "operator"]);
        let users = world.cli(&["user", "list"]);
        assert_eq!(users[0]["account_name"], json!("Acme"));
        assert_eq!((&users[1]["email"], &users[1]["account_name"]), (&json!("op@keyward.example"), &Value::Null));
        let table = String::from_utf8(world.run(&["user", "list"]).stdout).unwrap();
        assert!(table.contains("Acme") && table.contains("no password"), "{table}");
    }
}

#[test]
fn a_wrong_condition_is_a_usage_error() {
    let world = World::sqlite();
    each_case(
        [
            &["--action", "client.paint"][..],
            &["--since", "yesterday"],
            &["--format", "xml"],
            &["--format", "csv", "--json"],
        ],
        |flags| {
            let output = world.run(&[&["audit", "list"], flags].concat());
            assert_eq!(output.status.code(), Some(2), "{flags:?}");
        },
    );
    assert!(
        world
            .run(&["audit", "list", "--since", "24h"])
            .status
            .success()
    );
}

#[test]
fn the_settings_are_in_the_help_of_two_commands_and_accepted_by_all() {
    let world = World::sqlite();
    let help = |arguments: &[&str]| {
        let output = world.run(arguments);
        assert!(output.status.success(), "{arguments:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    for listed in [
        &["serve", "--help"][..],
        &["help", "settings"],
        &["help", "serve"],
    ] {
        let text = help(listed);
        assert!(
            text.contains("--token-ttl") && text.contains("--database-url"),
            "{text}"
        );
    }
    for other in [
        &["--help"][..],
        &["client", "list", "--help"],
        &["help", "account", "create"],
    ] {
        let text = help(other);
        assert!(
            !text.contains("--token-ttl") && !text.contains("--database-url"),
            "{text}"
        );
    }
    assert!(help(&["--help"]).contains("keyward help settings"));
    let elsewhere = world.run(&["client", "list", "--database-url", "sqlite://nothing.db"]);
    assert_eq!(elsewhere.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&elsewhere.stderr).contains("nothing.db"));
}
