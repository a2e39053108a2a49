//! The portal in a real browser, driven by the scripts in `tests/portal/`. Each script checks what
//! is shown, and tries shown credentials at the server.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use serde_json::{Value, json};

use crate::support::mutual_tls::Authority;
use crate::support::portal::{self, Browser};
use crate::support::proxy::Proxy;
use crate::support::tools::{self, Tool, variable};
use crate::support::{Backend, EmptyWorld, Node, World, repository};

const PASSWORD: &str = "six quiet otters build dams";
const RESOURCE: &str = "https://orders.example/";

/// Creates a partner with users and applications, an API, and an operator. Returns what the scripts
/// need to know of them.
pub fn prepare(world: &World) -> Value {
    let resource = world.cli(&[
        "resource",
        "create",
        "--identifier",
        RESOURCE,
        "--name",
        "Orders API",
        "--scope",
        "orders:read orders:write",
    ]);
    let account = world.cli(&["account", "create", "--name", "Acme Logistics"]);
    let mut people = BTreeMap::new();
    for (email, role) in [
        ("olivia@keyward.example", "operator"),
        ("ada@acme.example", "administrator"),
        ("devi@acme.example", "developer"),
        ("vera@acme.example", "viewer"),
    ] {
        let of: &[&str] = if role == "operator" {
            &[]
        } else {
            &["--account", "Acme Logistics"]
        };
        world.cli(&[&["user", "create", "--email", email, "--role", role], of].concat());
        portal::set_password(world, email, PASSWORD);
        people.insert(role, email);
    }
    let application = |name: &str| {
        world.cli(&[
            "client",
            "create",
            "--name",
            name,
            "--account",
            "Acme Logistics",
            "--scope",
            "orders:read orders:write",
            "--resource",
            RESOURCE,
        ])
    };
    let words = std::fs::read_to_string(repository("src/portal/languages/en.ftl")).unwrap();
    let messages: Vec<&str> = words
        .lines()
        .filter(|line| !line.starts_with([' ', '#', '*']))
        .filter_map(|line| Some(line.split_once(" = ")?.0))
        .collect();
    let spiffe_id = "spiffe://acme.example/ns/payments/sa/batch";
    let authority = Authority::root("SPIFFE");
    let svid = authority.issue(|params| {
        params.subject_alt_names = vec![rcgen::SanType::URI(spiffe_id.try_into().unwrap())];
        params.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
    });
    json!({
        "svid": {
            "spiffe_id": spiffe_id,
            "bundle": json!({"keys": [authority.bundle_key()]}).to_string(),
            "certificate": svid.pem(),
        },
        "messages": messages,
        "password": PASSWORD,
        "account": account,
        "resource": resource,
        "people": people,
        "import": application("Order import"),
        "tracking": application("Parcel tracking"),
        "screenshots": repository("target/screenshots").join(format!("{:?}", world.backend).to_lowercase()),
    })
}

/// Runs a script. A line of its output that begins with `?` is a request to the test, which
/// performs it and answers with a line.
pub fn journey(
    world: &World,
    node: &Node,
    name: &str,
    mut input: Value,
    mut asked: impl FnMut(&str),
) {
    input["base"] = json!(node.base);
    let mut command = tools::node("portal/run.mjs");
    command
        .arg(name)
        .env("JOURNEY", input.to_string())
        .env("TEST_CHROMIUM", variable("TEST_CHROMIUM"));
    // Standard error goes to a file, to be printed after standard output if the script fails.
    let file = world.folder.join("said");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(std::fs::File::create(&file).unwrap())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut said = String::new();
    for line in BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
    {
        match line.strip_prefix('?') {
            Some(what) => {
                asked(what);
                writeln!(stdin, "{what}").unwrap();
            }
            None => said.push_str(&format!("{line}\n")),
        }
    }
    let passed = child.wait().unwrap().success();
    assert!(passed, "{said}{}", std::fs::read_to_string(&file).unwrap());
}

fn run_journey(world: &World, name: &str, flags: &[&str]) {
    let input = prepare(world);
    let node = world.start_with(flags);
    journey(world, &node, name, input, |what| panic!("asked for {what}"));
}

/// The paths of all pages: the routes that answer GET.
pub fn pages() -> Vec<String> {
    let source = std::fs::read_to_string(repository("src/portal/mod.rs")).unwrap();
    let routes = source.split(".service(at(").skip(1);
    let pages = routes
        .filter(|route| route.contains("get("))
        .map(|route| route.split('"').nth(1).unwrap().to_owned());
    // An export is a file.
    pages
        .filter(|path| !matches!(path.as_str(), "" | "/") && !path.ends_with("/export"))
        .collect()
}

/// Counters of an ordinary day, for the screenshots, in the form in which nodes write them.
fn a_day_of_traffic(world: &World) {
    let mut rows = BTreeMap::new();
    let mut add = |moment: i64, owner: (&str, &str), metric: String, count: i64| {
        let [account, client] = [owner.0, owner.1].map(str::to_owned);
        *rows.entry((moment, account, client, metric)).or_insert(0) += count;
    };
    let (minute, hour) = (60_000, 3_600_000);
    let now = keyward::clock::Timestamp::now().millis() / minute * minute;
    let clients = [
        "Storefront",
        "Warehouse scanners",
        "Carrier rates",
        "Returns",
        "Invoices",
    ]
    .map(|name| {
        let made = world.cli(&[
            "client",
            "create",
            "--name",
            name,
            "--account",
            "Acme Logistics",
        ]);
        (
            made["account"].as_str().unwrap().to_owned(),
            made["client_id"].as_str().unwrap().to_owned(),
        )
    });
    for ago in 0..23 * 60 {
        let moment = now - ago * minute;
        // More by day than by night, and never the same twice.
        let day = 8 - ((moment / hour) % 24 - 13).abs() / 2;
        let chance = (ago * ago * 31 + ago * 17) % 13;
        let tokens = 14 * day + 3 * chance + if ago % 15 == 0 { 20 } else { 0 };
        let introspections = tokens * 2 / 3 + chance;
        let failures = if ago % 11 == 3 { 1 + chance % 3 } else { 0 };
        for (what, count) in [
            ("tokens", tokens),
            ("introspections", introspections),
            ("failures", failures),
        ] {
            add(moment, ("", ""), what.to_owned(), count);
            for (place, (account, client)) in clients.iter().enumerate() {
                let part = count * [44, 26, 16, 9, 5][place] / 100;
                add(
                    moment / hour * hour,
                    (account.as_str(), client.as_str()),
                    what.to_owned(),
                    part,
                );
            }
        }
        for (what, times, count) in [
            ("token_took", ["1500", "2000", "3000", "7000"], tokens),
            (
                "introspection_took",
                ["300", "500", "700", "1500"],
                introspections,
            ),
        ] {
            let slow = 4 + chance;
            for (end, part) in times.iter().zip([40, 60 - slow - 12, 12, slow]) {
                add(
                    moment,
                    ("", ""),
                    format!("{what}:{end}"),
                    count * part / 100 + 1,
                );
            }
        }
    }
    let rows: Vec<String> = rows
        .iter()
        .map(|((moment, account, client, metric), count)| {
            format!("({moment}, '{account}', '{client}', '{metric}', {count})")
        })
        .collect();
    for rows in rows.chunks(2000) {
        let rows = rows.join(", ");
        world.execute(&format!(
            "INSERT INTO counters (bucket_start, account_id, client_id, metric, count) VALUES {rows} \
             ON CONFLICT (bucket_start, account_id, client_id, metric) DO UPDATE SET count = excluded.count"
        ));
    }
}

#[test]
fn the_list_of_pages_is_found_in_the_routes() {
    let pages = pages();
    assert!(
        pages.len() > 25 && pages.contains(&"/registration-tokens/{id}/delete".to_owned()),
        "{pages:?}"
    );
}

// Pages do not depend on the database, so most scripts run on one of the two.

#[test]
fn users_are_invited_sign_in_and_use_two_step_verification() {
    needs!(Tool::Postgres, Tool::Node, Tool::Chromium);
    run_journey(&World::postgres(), "people", &[]);
}

#[test]
fn developers_manage_applications_and_keys() {
    needs!(Tool::Postgres, Tool::Node, Tool::Chromium);
    run_journey(&World::postgres(), "applications", &[]);
}

#[test]
fn operators_see_traffic_and_manage_the_server() {
    needs!(Tool::Node, Tool::Chromium);
    let world = World::sqlite();
    let input = prepare(&world);
    let node = world.start_with(&["--jwks-max-age", "1"]);
    journey(&world, &node, "operator", input, |_| {
        a_day_of_traffic(&world)
    });
}

#[test]
#[ignore = "writes docs/pictures: `just pictures`"]
fn the_pictures_of_the_documentation_are_taken() {
    needs!(Tool::Node, Tool::Chromium);
    let world = EmptyWorld::new(Backend::Sqlite);
    let sample = world.cli(&["demo"]);
    let input = json!({
        "password": sample["password"],
        "operator": "operator@keyward.example",
        "developer": "tomas@harbour.example",
        "otherDeveloper": "sam@brightfield.example",
        "screenshots": repository("docs/pictures"),
    });
    let node = world.start_with(&["--issuer", "http://127.0.0.1:8080"]);
    journey(&world, &node, "pictures", input, |what| {
        panic!("asked for {what}")
    });
}

/// The path that the link of a page to its next page leads to.
fn next_page(body: &str) -> Option<String> {
    let links = body.split("href=\"").skip(1);
    let mut links = links.filter_map(|rest| rest.split('"').next());
    let next = links.find(|link| link.contains("after="))?;
    Some(next.replace("&amp;", "&"))
}

on_both! {
    fn lists_are_searched_and_paged(world: World) {
        let operator = "olga@keyward.example";
        portal::person(&world, operator, "operator", None);
        let key = |name: &str| name.to_lowercase().bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
        let values = |row: &dyn Fn(usize) -> String| (0..60).map(row).collect::<Vec<_>>().join(", ");
        let accounts = values(&|number| {
            let name = format!("Account {number:02}");
            format!("('a{number:02}', '{name}', '{}', 0, FALSE, 'partner')", key(&name))
        });
        world.execute(&format!("INSERT INTO accounts (id, name, search_key, created_at, requires_second_factor, kind) VALUES {accounts}"));
        let users = values(&|number| {
            let email = format!("user{number:02}@paged.example");
            format!("('u{number:02}', 'a01', '{email}', '{}', 'viewer', 0)", key(&email))
        });
        world.execute(&format!("INSERT INTO users (id, account_id, email, search_key, role, created_at) VALUES {users}"));
        // The names are in the opposite order of the creation, and two of them differ in case only.
        let clients = values(&|number| {
            let name = if number % 2 == 0 { format!("Orders {:02}", 59 - number) } else { format!("ORDERS {:02}", 60 - number) };
            format!(
                "('00000000-0000-4000-8000-{number:012}', 'a01', '{name}', '{}', 'client_secret_basic', 'client_credentials', '', '', FALSE, '{{}}', 0, {number})",
                key(&name)
            )
        });
        world.execute(&format!(
            "INSERT INTO clients (client_id, account_id, name, search_key, auth_method, grant_types, scope, resources, may_introspect, metadata, \
             tokens_void_before, created_at) VALUES {clients}"
        ));
        let node = world.start();
        let browser = Browser::of(&node, operator);
        for (path, search, before, after, one) in [
            ("/portal/accounts", "ACCOUNT", "Account 49", "Account 50", "Account 07"),
            ("/portal/people", "User", "user49@", "user50@", "user07@"),
            ("/portal/applications", "orders", "Orders 49", "ORDERS 53", "Orders 07"),
            ("/portal/api-keys", "orders", "Orders 49", "ORDERS 53", "Orders 07"),
        ] {
            let first = browser.get(&format!("{path}?text={search}")).body;
            assert!(first.contains(before) && !first.contains(after), "{path}: {first}");
            let next = browser.get(&next_page(&first).unwrap()).body;
            assert!(!next.contains(before) && next.contains(after), "{path}: {next}");
            assert_eq!(next_page(&next), None, "{path}");
            let found = browser.get(&format!("{path}?text={}", one.to_uppercase().replace(' ', "+"))).body;
            assert!(found.contains(one) && !found.contains(before), "{path}: {found}");
            // Names are found by their beginning, and wildcards stand for themselves.
            for text in [&one[1..].replace(' ', "+"), "%25", "Orders+%25", "_", "%00"] {
                let found = browser.get(&format!("{path}?text={text}")).body;
                assert!(found.contains("No results") && !found.contains(one), "{path} {text}: {found}");
            }
        }
        // The name of an account is shown with its users, and its id is found.
        assert!(browser.get("/portal/people?text=user07").body.contains("Account 01"));
        assert!(browser.get("/portal/accounts?text=a07").body.contains("Account 07"));
        let id = "00000000-0000-4000-8000-000000000007";
        assert!(browser.get(&format!("/portal/applications?text={id}")).body.contains("ORDERS 53"));
        // Both filters apply, and stay on the next page.
        let filtered = browser.get("/portal/applications?text=orders&account=a01").body;
        let next = next_page(&filtered).unwrap();
        assert!(next.contains("text=orders") && next.contains("account=a01"), "{next}");
        let filtered = browser.get("/portal/applications?text=orders&account=a02").body;
        assert!(filtered.contains("No results"), "{filtered}");
        // Forms do not carry all accounts: the name or id of one is typed.
        let form = browser.get("/portal/applications/new").body;
        assert!(form.contains("id=\"account\"") && !form.contains("Account 07"), "{form}");
        let filtered = browser.get("/portal/applications?account=Account%2007");
        assert!(filtered.status == 200 && filtered.body.contains("No results"), "{}", filtered.body);
        assert_eq!(browser.get("/portal/applications?account=nothing").status, 404);
    }

    fn pages_report_a_missing_database_or_session(world: World) {
        needs!(Tool::Node, Tool::Chromium);
        let input = prepare(&world);
        match world.backend {
            Backend::Sqlite => {
                let node = world.start();
                let mut holder = SqliteConnection::establish(&world.folder.join("keyward.db").to_string_lossy()).unwrap();
                journey(&world, &node, "trouble", input, |what| {
                    holder.batch_execute(if what == "away" { "PRAGMA busy_timeout = 5000; BEGIN IMMEDIATE" } else { "ROLLBACK" }).unwrap();
                });
            }
            Backend::Postgres => {
                let mut url = url::Url::parse(&world.database_url).unwrap();
                let proxy = Proxy::to(format!("{}:{}", url.host_str().unwrap(), url.port().unwrap()));
                url.set_port(Some(proxy.port)).unwrap();
                let node = world.start_with(&["--database-url", url.as_str()]);
                journey(&world, &node, "trouble", input, |what| if what == "away" { proxy.cut() } else { proxy.mend() });
            }
        }
    }
}
