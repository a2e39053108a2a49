//! The documentation: its links, its site, and the commands of pages that are followed step by step.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::tools::{Tool, variable};
use crate::support::{Client, Node, World, eventually, jwt, repository};

/// The files with this extension in a folder of the repository and the folders below it.
fn files(folder: &Path, extension: &str, found: &mut BTreeSet<PathBuf>) {
    // What other tools put beside the sources.
    const SKIPPED: [&str; 6] = [
        "target",
        "venv",
        "node_modules",
        "lib",
        "classes",
        "__pycache__",
    ];
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            if !SKIPPED.contains(&&*name) && !name.starts_with('.') {
                files(&path, extension, found);
            }
        } else if path.extension().is_some_and(|found| found == extension) {
            found.insert(path);
        }
    }
}

fn pages() -> BTreeMap<PathBuf, String> {
    let mut found = BTreeSet::new();
    for folder in ["docs", "contrib", "examples", "packaging"] {
        files(&repository(folder), "md", &mut found);
    }
    for entry in std::fs::read_dir(repository("")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "md") {
            found.insert(path);
        }
    }
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        (path, text)
    };
    found.into_iter().map(read).collect()
}

/// A page without its blocks of code between fences.
fn without_fenced_code(page: &str) -> String {
    page.split("\n```")
        .step_by(2)
        .collect::<Vec<_>>()
        .join("\n")
}

fn links(page: &str) -> Vec<String> {
    let page = without_fenced_code(page);
    let targets = page.split("](").skip(1);
    let targets = targets.filter_map(|rest| rest.split_once(')').map(|(target, _)| target));
    targets.map(str::to_owned).collect()
}

/// The anchors of the headings, as GitHub and mdBook make them.
fn anchors(page: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in without_fenced_code(page).lines() {
        let title = line.trim_start_matches('#');
        let Some(title) = title.strip_prefix(' ').filter(|_| line.starts_with('#')) else {
            continue;
        };
        let anchor: String = title
            .to_lowercase()
            .chars()
            .filter_map(|letter| match letter {
                ' ' => Some('-'),
                '-' | '_' => Some(letter),
                _ => letter.is_alphanumeric().then_some(letter),
            })
            .collect();
        let mut number = 0;
        let mut unique = anchor.clone();
        while !found.insert(unique) {
            number += 1;
            unique = format!("{anchor}-{number}");
        }
    }
    found
}

fn is_external(link: &str) -> bool {
    ["https://", "http://", "mailto:"]
        .iter()
        .any(|scheme| link.starts_with(scheme))
}

#[test]
fn the_links_between_pages_resolve() {
    let pages = pages();
    let (mut broken, mut seen) = (Vec::new(), 0);
    for (path, text) in &pages {
        for link in links(text).into_iter().filter(|link| !is_external(link)) {
            seen += 1;
            let (target, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = match target {
                "" => path.clone(),
                target => path.parent().unwrap().join(target),
            };
            let resolved = target.canonicalize();
            let found = resolved.is_ok_and(|target| {
                anchor.is_empty()
                    || pages
                        .get(&target)
                        .is_some_and(|page| anchors(page).contains(anchor))
            });
            if !found {
                broken.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(seen > 300, "only {seen} links were found");
    assert!(broken.is_empty(), "broken links:\n{}", broken.join("\n"));
}

#[test]
fn the_summary_lists_each_page_once() {
    let docs = repository("docs");
    let summary = docs.join("SUMMARY.md");
    let listed = links(&std::fs::read_to_string(&summary).unwrap());
    let unique: BTreeSet<PathBuf> = listed
        .iter()
        .map(|link| docs.join(link).canonicalize().unwrap())
        .collect();
    assert_eq!(unique.len(), listed.len());
    let mut expected: BTreeSet<PathBuf> = pages().into_keys().collect();
    expected.remove(&summary);
    assert_eq!(unique, expected);
}

/// The targets of links, and what they name within a page.
fn attributes<'a>(html: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let start = format!(" {name}=\"");
    let parts: Vec<&str> = html.split(&start).skip(1).collect();
    parts.into_iter().filter_map(|rest| rest.split('"').next())
}

#[test]
fn the_site_is_built_and_its_links_resolve() {
    needs!(Tool::MdBook, Tool::Git);
    let folder = PathBuf::from(variable("TEST_MDBOOK"))
        .parent()
        .unwrap()
        .to_owned();
    let path = std::env::var_os("PATH").unwrap();
    let folders = std::iter::once(folder).chain(std::env::split_paths(&path));
    let built = Command::new(repository("packaging/site/build"))
        .env("PATH", std::env::join_paths(folders).unwrap())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&built.stderr).into_owned();
    assert!(built.status.success() && !said.contains("WARN"), "{said}");

    let site = repository("target/site");
    let mut pages = BTreeSet::new();
    files(&site, "html", &mut pages);
    let read = |path: PathBuf| {
        let html = std::fs::read_to_string(&path).unwrap();
        (path, html)
    };
    let pages: BTreeMap<PathBuf, String> = pages.into_iter().map(read).collect();
    assert!(pages.contains_key(&site.join("docs/reference/settings.html")));
    let mut broken = Vec::new();
    // The paths of the page for errors are those of the root of a web server.
    for (path, html) in pages.iter().filter(|(path, _)| !path.ends_with("404.html")) {
        let targets = attributes(html, "href").chain(attributes(html, "src"));
        for link in targets.filter(|link| !is_external(link) && !link.is_empty()) {
            let (target, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match target {
                "" => path.clone(),
                target => path.parent().unwrap().join(target),
            };
            let target = match target.canonicalize() {
                Ok(folder) if folder.is_dir() => folder.join("index.html"),
                Ok(file) => file,
                Err(_) => PathBuf::new(),
            };
            let found = target.exists()
                && (anchor.is_empty()
                    || pages
                        .get(&target)
                        .is_some_and(|page| attributes(page, "id").any(|id| id == anchor)));
            if !found {
                broken.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "broken links:\n{}", broken.join("\n"));
}

/// The commands of a page by section, each on one line.
fn sections(page: &str) -> Vec<(String, Vec<String>)> {
    let text = std::fs::read_to_string(repository(page)).unwrap();
    let text = without_fenced_code(&text)
        .replace("\\\n", " ")
        .replace("|\n     ", "| ");
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    for line in text.lines() {
        if line.starts_with("##") {
            let title = line.trim_start_matches('#').trim();
            found.push((title.to_owned(), Vec::new()));
        } else if let (Some(command), Some((_, commands))) =
            (line.strip_prefix("    "), found.last_mut())
        {
            commands.push(command.trim().to_owned());
        }
    }
    found
}

/// Runs the commands of a page in its world, as a user would after filling in the placeholders.
struct Reader<'a> {
    world: &'a World,
    sections: Vec<(String, Vec<String>)>,
    places: BTreeMap<&'static str, String>,
}

impl<'a> Reader<'a> {
    fn new(world: &'a World, page: &str) -> Self {
        let folder = world.folder.join("bin");
        std::fs::create_dir_all(&folder).unwrap();
        let _ = std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_keyward"), folder.join("keyward"));
        Reader {
            world,
            sections: sections(page),
            places: BTreeMap::new(),
        }
    }

    fn set(&mut self, place: &'static str, value: &str) {
        self.places.insert(place, value.to_owned());
    }

    fn run(&self, command: &str) -> Output {
        let mut line = command.to_owned();
        // Longer names first: one may be the end of another.
        let mut places: Vec<_> = self.places.iter().collect();
        places.sort_by_key(|(place, _)| std::cmp::Reverse(place.len()));
        for (place, value) in places {
            line = line.replace(place, value);
        }
        let mut shell = self.world.command(&[]);
        let path = std::env::var_os("PATH").unwrap();
        let folders =
            std::iter::once(self.world.folder.join("bin")).chain(std::env::split_paths(&path));
        let variables: Vec<_> = shell
            .get_envs()
            .map(|(name, value)| (name.to_owned(), value.map(ToOwned::to_owned)))
            .collect();
        shell = Command::new("sh");
        for (name, value) in variables {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        shell
            .args(["-c", &line])
            .current_dir(&self.world.folder)
            .env("PATH", std::env::join_paths(folders).unwrap())
            .output()
            .unwrap()
    }

    /// Takes a section, and returns what each of its commands printed. Commands of `other`
    /// programs are left out; those of `failing` exit with 1.
    fn follow(&mut self, title: &str, other: &[&str], failing: &[&str]) -> Vec<String> {
        let at = self.sections.iter().position(|(found, _)| found == title);
        let (_, commands) = self
            .sections
            .remove(at.unwrap_or_else(|| panic!("no section {title}")));
        let is_other = |command: &String| other.iter().any(|start| command.starts_with(start));
        let mut printed = Vec::new();
        for command in commands.iter().filter(|command| !is_other(command)) {
            let output = self.run(command);
            let (out, err) = (
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr),
            );
            let expected = i32::from(failing.contains(&command.as_str()));
            assert_eq!(
                output.status.code(),
                Some(expected),
                "{title}: {command}\n{out}{err}"
            );
            printed.push(out.into_owned());
        }
        printed
    }

    /// No section with commands was forgotten.
    fn finish(self) {
        let left: Vec<_> = self
            .sections
            .iter()
            .filter(|(_, commands)| !commands.is_empty())
            .collect();
        assert!(left.is_empty(), "not tried: {left:?}");
    }
}

fn status(node: &Node, client: &Client) -> u16 {
    node.token_reply(client, &[]).status
}

/// The id in a credential such as `kws_ID_…`.
fn id_of(credential: &str) -> String {
    credential.split('_').nth(1).unwrap().to_owned()
}

/// Waits for the first report of a node, without which `keyward status` lists a problem.
fn reported(world: &World) {
    eventually("the report of a node", || {
        world.run(&["status"]).status.success().then_some(())
    });
}

fn verify(node: &Node, credential: &str) -> u16 {
    let authorization = format!("Bearer {credential}");
    node.get_with("/verify", &[("authorization", &authorization)])
        .status
}

#[test]
fn the_commands_of_the_incident_page_work() {
    needs!(Tool::Curl);
    let world = World::sqlite();
    let client = world.client("read");
    let other = world.client("read");
    let email = "ann@partner.example";
    world.cli(&["user", "create", "--email", email, "--role", "developer"]);
    let node = world.start();
    let mut reader = Reader::new(&world, "docs/incidents.md");
    reported(&world);
    let wrong = Client {
        secret: other.secret.clone(),
        ..client.clone()
    };
    let refused = node.token_reply(&wrong, &[]);
    let request = refused.header("x-request-id").unwrap().to_owned();
    eventually("the audit entry", || {
        (world.count("SELECT count(*) FROM audit WHERE action = 'authentication.failure'") > 0)
            .then_some(())
    });
    reader.set("REQUEST_ID", &request);
    let printed = reader.follow("First look", &[], &[]);
    assert!(printed[3].contains("authentication.failure"), "{printed:?}");

    reader.set("CLIENT_ID", &client.id);
    let added = world.cli(&["secret", "create", &client.id]);
    let added = added["client_secret"].as_str().unwrap();
    reader.set("SECRET_ID", &id_of(added));
    let token = node.token(&client);
    let printed = reader.follow("A client secret leaked", &[], &[]);
    assert_eq!(printed[0].trim(), client.id);
    reader.follow("If the secret is being used", &[], &[]);
    eventually("the refusal", || {
        (status(&node, &client) == 401 && verify(&node, &token) == 401).then_some(())
    });
    let listed = world.cli(&["secret", "list", &client.id]);
    assert_eq!(listed.as_array().unwrap().len(), 1);
    reader.set("SECRET_ID", listed[0]["id"].as_str().unwrap());
    reader.follow("If nobody has used it yet", &[], &[]);
    assert_eq!(
        world
            .cli(&["secret", "list", &client.id])
            .as_array()
            .unwrap()
            .len(),
        1
    );
    reader.follow("Then", &[], &[]);

    assert_eq!(verify(&node, &other.api_key), 200);
    world.file("key.txt", &other.api_key);
    reader.set("CLIENT_ID", &other.id);
    let key = world.cli(&["key", "create", &other.id, "--name", "Second"]);
    reader.set("KEY_ID", key["id"].as_str().unwrap());
    reader.follow("An API key leaked", &[], &[]);
    eventually("the refusal", || {
        (verify(&node, &other.api_key) == 401).then_some(())
    });

    let token = node.token(&other);
    world.file("token.txt", &token);
    reader.follow("An access token leaked", &[], &[]);
    eventually("the refusal", || {
        (verify(&node, &token) == 401).then_some(())
    });

    let token = node.token(&other);
    let kid = jwt::header(&token)["kid"].as_str().unwrap().to_owned();
    reader.set("KID", &kid);
    reader.follow("A signing key leaked", &[], &[]);
    eventually("the refusal", || {
        (verify(&node, &token) == 401).then_some(())
    });
    eventually("another key", || {
        let token = node.token_reply(&other, &[]).json();
        let token = token["access_token"].as_str()?;
        (jwt::header(token)["kid"] != kid.as_str()).then_some(())
    });
    reader.set("EMAIL", email);
    let hook = world.cli(&[
        "webhook",
        "create",
        "https://hooks.example/",
        "--event",
        "*",
    ]);
    reader.set("WEBHOOK_ID", hook["id"].as_str().unwrap());
    reader.follow("The sealing key leaked", &[], &[]);
    assert_eq!(node.token_reply(&other, &[]).status, 200);

    world.cli(&["account", "create", "--name", "Globex"]);
    reader.set("ACCOUNT", "Globex");
    reader.follow("A partner floods", &["keyward client enable"], &[]);
    eventually("the refusal", || {
        (status(&node, &other) == 401).then_some(())
    });
    assert!(
        reader
            .run("keyward client enable CLIENT_ID")
            .status
            .success()
    );
    eventually("a token", || (status(&node, &other) == 200).then_some(()));

    reader.follow("No operator can sign in", &[], &[]);
    world.file("password.txt", "correct horse battery staple 7\n");
    reader.follow("Somebody uses a user's sign-in", &[], &[]);
    let users = world.cli(&["user", "list"]).to_string();
    assert!(
        users.contains("new-operator@example.com") && !users.contains(email),
        "{users}"
    );
    reader.follow("Afterwards", &[], &[]);
    let kept = std::fs::read_to_string(world.folder.join("incident.jsonl")).unwrap();
    assert!(kept.lines().count() > 10, "{kept}");

    let ready = node.url("/readyz");
    reader.set("http://127.0.0.1:8080/readyz", &ready);
    reader.follow("The database is away", &[], &[]);
    reader.follow("The disk is full", &["df "], &[]);
    reader.follow("The certificate has expired", &["openssl "], &[]);
    let token = node.token(&other);
    let reset = "keyward clock reset";
    reader.follow("A clock is wrong", &["timedatectl ", reset], &[]);
    let ahead = (jwt::now() + 10 * 24 * 3600) * 1000;
    world.execute(&format!("UPDATE clock SET seen_at = {ahead}"));
    assert!(reader.run(reset).status.success());
    eventually("the refusal", || {
        (verify(&node, &token) == 401).then_some(())
    });
    assert!(node.stop().success());
    std::fs::remove_file(world.folder.join("keys/sealing.key")).unwrap();
    let failing = ["keyward sealing-key reset", "keyward check"];
    let printed = reader.follow("The sealing key is lost", &[], &failing);
    // No server runs, which is all that is left to report.
    let finding = |line: &&str| line.contains("FAILED");
    assert_eq!(
        printed[2].lines().filter(finding).count(),
        1,
        "{}",
        printed[2]
    );
    let node = world.start();
    assert_eq!(status(&node, &other), 200);
    reader.finish();
}

#[test]
fn the_steps_of_a_restore_work() {
    let world = World::sqlite();
    let client = world.client("read");
    let node = world.start();
    let mut reader = Reader::new(&world, "docs/restoring.md");
    let backup = world.folder.join("keyward-monday.db");
    reader.set("/var/backups/keyward-monday.db", backup.to_str().unwrap());
    let trial = world.folder.join("trial");
    reader.set("/var/tmp/trial", trial.to_str().unwrap());
    reader.set("CLIENT_ID", &client.id);
    let postgres = ["pg_dump ", "createdb ", "pg_restore "];
    reader.follow("What to have", &postgres, &[]);
    let printed = reader.follow("Try it before you need it", &[], &[]);
    assert!(printed[2].contains(&client.id), "{printed:?}");

    world.cli(&["client", "delete", &client.id]);
    eventually("the refusal", || {
        (status(&node, &client) == 401).then_some(())
    });
    reader.follow("A change was a mistake", &[], &[]);
    eventually("a token", || (status(&node, &client) == 200).then_some(()));

    assert!(node.stop().success());
    for file in ["keyward.db", "keyward.db-wal", "keyward.db-shm"] {
        let _ = std::fs::remove_file(world.folder.join(file));
    }
    let printed = reader.follow(
        "The database cannot be read, or the machine is lost",
        &[],
        &["keyward check"],
    );
    assert_eq!(
        printed[1]
            .lines()
            .filter(|line| line.contains("FAILED"))
            .count(),
        1,
        "{}",
        printed[1]
    );
    let node = world.start();
    assert_eq!(status(&node, &client), 200);
    reader.follow("Postgres", &postgres, &[]);
    reader.finish();
}

#[test]
fn the_tutorials_work() {
    needs!(Tool::Curl);
    let world = World::sqlite();
    let first = world.client("read write");
    let node = world.start();
    let mut reader = Reader::new(&world, "docs/first-token.md");
    reader.set("$KEYWARD", &node.base);
    reader.set("$CLIENT_ID", &first.id);
    reader.set("$CLIENT_SECRET", &first.secret);
    reader.follow("Start the server", &["cargo run "], &[]);
    let printed = reader.follow("Get a token", &[], &[]);
    assert!(printed[0].contains("\"access_token\""), "{printed:?}");
    let printed = reader.follow("Protect your own API", &["export "], &[]);
    let resource = printed_pair(&printed[0]);
    let client = printed_pair(&printed[1]);
    let token = node.token(&client);
    assert_eq!(jwt::claims(&token)["aud"], "https://orders.example/");
    reader.set("RESOURCE_CLIENT_ID", &resource.id);
    reader.set("RESOURCE_CLIENT_SECRET", &resource.secret);
    reader.set("$TOKEN", &token);
    let printed = reader.follow("Accept it", &[], &[]);
    assert!(printed[0].contains("\"active\":true"), "{printed:?}");
    reader.follow("Take it back", &[], &[]);
    eventually("the refusal", || {
        (!node.active(&resource, &token)).then_some(())
    });
    reader.follow("Sample data", &["keyward demo", "keyward serve "], &[]);
    reader.finish();

    let mut reader = Reader::new(&world, "docs/first-partner.md");
    // The page says that this is for readers who begin there.
    reader
        .sections
        .retain(|(title, _)| title != "Connect a first partner");
    let printed = reader.follow("The account and its client", &[], &[]);
    let client = printed_pair(&printed[1]);
    let printed = reader.follow("A person", &[], &[]);
    assert!(printed[1].contains("/portal/"), "{printed:?}");
    reader.set("CLIENT_ID", &client.id);
    reader.set("RESOURCE_CLIENT_ID", &resource.id);
    reader.set("RESOURCE_CLIENT_SECRET", &resource.secret);
    let printed = reader.follow("An API key", &["curl "], &[]);
    let key = printed[0]
        .split_whitespace()
        .find(|word| word.starts_with("kwk_"))
        .unwrap()
        .to_owned();
    assert!(node.active(&resource, &key));
    reader.follow("See what it did", &[], &[]);
    reader.set("KEY_ID", &id_of(&key));
    reader.follow("End it", &[], &[]);
    eventually("the refusal", || {
        (!node.active(&resource, &key)).then_some(())
    });
    reader.finish();
}

/// The id and the secret of a client in what a command printed.
fn printed_pair(printed: &str) -> Client {
    let words: Vec<&str> = printed.split_whitespace().collect();
    let after = |label: &str| {
        let at = words
            .iter()
            .position(|word| word.trim_end_matches(':') == label);
        words[at.unwrap_or_else(|| panic!("no {label} in {printed}")) + 1].to_owned()
    };
    Client {
        id: after("client_id"),
        secret: after("client_secret"),
        api_key: String::new(),
    }
}
