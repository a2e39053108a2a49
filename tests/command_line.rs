//! The command line: documents go to standard output, messages to standard error, and the exit
//! status is 0, 1 or 2. A running server sees each change within a second.

use serde_json::{Value, json};

use crate::support::portal::Browser;
use crate::support::{Backend, World, each_case, eventually, within};

const SECOND: std::time::Duration = std::time::Duration::from_secs(1);

on_both! {
    fn a_client_is_created_changed_and_deleted(world: World) {
        world.cli(&["resource", "create", "--identifier", "urn:one", "--name", "One", "--scope", "read write"]);
        world.resource("urn:two");
        let node = world.start();
        let made = world.cli(&["client", "create", "--name", "App", "--scope", "write read", "--resource", "urn:one"]);
        for member in ["client_id", "client_secret", "api_key"] {
            assert!(made[member].is_string(), "{member}");
        }
        assert_eq!((&made["scope"], &made["resources"]), (&json!("read write"), &json!(["urn:one"])));
        let client = crate::support::Client {
            id: made["client_id"].as_str().unwrap().to_owned(),
            secret: made["client_secret"].as_str().unwrap().to_owned(),
            api_key: String::new(),
        };
        let id = client.id.as_str();
        let granted = || node.token_reply(&client, &[]).json();
        assert_eq!(granted()["scope"], "read write");

        let changed = world.cli(&["client", "update", id, "--name", "New", "--scope", "read", "--resource", "urn:one", "--resource", "urn:two"]);
        assert_eq!((&changed["name"], &changed["scope"], &changed["resources"]), (&json!("New"), &json!("read"), &json!(["urn:one", "urn:two"])));
        within(SECOND, "the change", || (granted()["scope"] == "read").then_some(()));
        let changed = world.cli(&["client", "update", id, "--introspect", "--resource", ""]);
        assert_eq!((&changed["introspect"], &changed["resources"], &changed["name"]), (&json!(true), &json!([]), &json!("New")));
        assert_eq!(world.cli(&["client", "update", id, "--introspect", "false"])["introspect"], json!(false));
        assert_eq!(world.cli(&["client", "show", id]), world.cli(&["client", "update", id]));
        assert_eq!(world.cli(&["client", "disable", id])["enabled"], json!(false));
        assert_eq!(world.cli(&["client", "enable", id])["enabled"], json!(true));
        let listed = world.cli(&["client", "list"]);
        assert_eq!(listed.as_array().unwrap().len(), 3, "with those of the resource servers");
        assert!(!listed.to_string().contains("kws_") && !listed.to_string().contains("argon2"));
        assert_eq!(world.cli(&["client", "delete", id])["ok"], json!(true));
        within(SECOND, "the deletion", || (node.token_reply(&client, &[]).status == 401).then_some(()));
        assert!(world.refused(&["client", "show", id]).contains(id));
    }

    fn accounts_are_created_listed_and_validated(world: World) {
        let made = world.cli(&["account", "create", "--name", "Acme"]);
        let id = made["id"].as_str().unwrap();
        assert!(world.refused(&["account", "create", "--name", "Acme"]).contains("already"));
        world.cli(&["account", "create", "--name", "Other"]);
        for account in [id, "Other"] {
            world.client_with(&["--account", account]);
            assert_eq!(world.cli(&["client", "list", "--account", account]).as_array().unwrap().len(), 1);
        }
        // If no account is named, the oldest one is used.
        assert_eq!(world.cli(&["client", "create", "--name", "X"])["account"], json!(id));
        let names: Vec<Value> = world.cli(&["account", "list"]).as_array().unwrap().iter().map(|row| row["name"].clone()).collect();
        assert_eq!(names, ["Acme", "Other"]);
        assert!(world.refused(&["client", "create", "--name", "X", "--account", "nobody"]).contains("no account nobody"));
        assert!(world.refused(&["client", "list", "--account", "nobody"]).contains("no account nobody"));
        for name in ["", " x", "x\u{200b}y", &"x".repeat(101)] {
            world.refused(&["account", "create", "--name", name]);
        }
    }

    fn users_are_invited_and_given_roles(world: World) {
        world.cli(&["account", "create", "--name", "Acme"]);
        world.cli(&["user", "create", "--email", "Ann@acme.example", "--role", "viewer", "--account", "Acme"]);
        let node = world.start();
        let invited = world.cli(&["user", "invite", "ann@acme.example"]);
        let link = invited["link"].as_str().unwrap();
        assert!(link.starts_with(&format!("{}/portal/invitation#kwv_", node.base)), "as the node serves: {link}");
        assert_eq!(Browser::new(&node).open(link).status, 200);
        let set = world.cli(&["user", "set-role", "ann@acme.example", "developer"]);
        assert_eq!((&set["role"], &set["invited_until"], &invited["email"]), (&json!("developer"), &invited["expires_at"], &set["email"]));
        assert!(world.refused(&["user", "set-role", "ann@acme.example", "operator"]).contains("does not belong to an account"));
        let again = world.cli(&["--issuer", "https://id.example", "user", "invite", "ann@acme.example"]);
        assert!(again["link"].as_str().unwrap().starts_with("https://id.example/portal/invitation#kwv_"));
        assert_eq!(Browser::new(&node).open(link).status, 404, "the newer link replaces it");
        assert_eq!(world.cli(&["user", "reset-second-factor", "ann@acme.example"])["ok"], json!(true));
        for (switch, required) in [("on", true), ("off", false)] {
            let changed = world.cli(&["account", "update", "Acme", "--require-second-factor", switch]);
            assert_eq!(changed["requires_second_factor"], json!(required));
            assert_eq!(world.cli(&["account", "list"])[0], changed);
        }
        each_case([
            &["user", "invite", "bob@acme.example"] as &[&str],
            &["user", "set-role", "bob@acme.example", "viewer"],
            &["user", "reset-second-factor", "bob@acme.example"],
            &["account", "update", "Nobody", "--require-second-factor", "on"],
        ], |refused| {
            assert!(world.refused(refused).contains("There is no"), "{refused:?}");
        });
    }

    fn secrets_are_rotated(world: World) {
        let client = world.client("a");
        let node = world.start();
        let rotated = |grace: &[&str]| {
            let made = world.cli(&[&["secret", "rotate", &client.id], grace].concat());
            crate::support::Client { secret: made["client_secret"].as_str().unwrap().to_owned(), ..client.clone() }
        };
        let second = rotated(&[]);
        within(SECOND, "the new secret", || (node.token_reply(&second, &[]).status == 200).then_some(()));
        assert_eq!(node.token_reply(&client, &[]).status, 200, "for a day");
        let listed = world.cli(&["secret", "list", &client.id]);
        assert!(listed[0]["expires_at"].is_string() && listed[1]["expires_at"].is_null(), "{listed}");
        let third = rotated(&["--grace", "0"]);
        within(SECOND, "the end of the old ones", || (node.token_reply(&second, &[]).status == 401).then_some(()));
        assert_eq!((node.token_reply(&client, &[]).status, node.token_reply(&third, &[]).status), (401, 200));
        assert!(world.refused(&["secret", "rotate", "nobody"]).contains("no client nobody"));

        let used = |id: &str| world.cli(&["secret", "list", &client.id]).as_array().unwrap().iter().find(|secret| secret["id"] == id).cloned();
        let id = third.secret.split('_').nth(1).unwrap();
        let found = eventually("the last use", || used(id).filter(|secret| !secret["last_used_at"].is_null()));
        assert!(found["name"].is_null());
        let named = world.cli(&["secret", "update", &client.id, id, "--name", "Production"]);
        assert_eq!((&named["name"], &named["last_used_at"]), (&json!("Production"), &found["last_used_at"]));
        assert!(world.cli(&["secret", "update", &client.id, id, "--no-name"])["name"].is_null());
        assert!(world.refused(&["secret", "update", &client.id, "gone", "--name", "x"]).contains("no secret gone"));
        let made = world.cli(&["secret", "create", &client.id, "--name", "Nightly import"]);
        assert_eq!((&made["name"], &made["last_used_at"]), (&json!("Nightly import"), &serde_json::Value::Null));
    }

    fn resource_servers_are_created_and_deleted(world: World) {
        let made = world.cli(&["resource", "create", "--identifier", "https://api.example/", "--name", "API", "--scope", "b a"]);
        assert_eq!((&made["identifier"], &made["scope"]), (&json!("https://api.example/"), &json!("a b")));
        assert!(made["client_id"].is_string() && made["client_secret"].is_string());
        let listed = world.cli(&["resource", "list"]);
        assert_eq!((listed.as_array().unwrap().len(), &listed[0]["client_id"]), (1, &made["client_id"]));
        assert!(world.refused(&["resource", "create", "--identifier", "https://api.example/", "--name", "API"]).contains("already"));
        for wrong in ["", "api", "/api", "https://api.example/#x", "https://api.example/ x", &format!("urn:{}", "x".repeat(600))] {
            world.refused(&["resource", "create", "--identifier", wrong, "--name", "API"]);
        }
        let own = made["client_id"].as_str().unwrap();
        assert!(world.refused(&["client", "delete", own]).contains("https://api.example/"));
        let user = world.client_with(&["--resource", "https://api.example/"]);
        assert!(world.refused(&["resource", "delete", "https://api.example/"]).contains(&user.id));
        world.cli(&["client", "delete", &user.id]);
        world.cli(&["resource", "delete", "https://api.example/"]);
        assert!(world.refused(&["resource", "delete", "https://api.example/"]).contains("no resource server"));
        assert_eq!(world.count("SELECT count(*) FROM clients"), 0);
        assert!(world.refused(&["client", "create", "--name", "X", "--resource", "https://api.example/"]).contains("no resource server"));
        assert_eq!(world.count("SELECT count(*) FROM clients"), 0, "a refused command changes nothing");
    }

    fn tokens_are_inspected_listed_and_revoked(world: World) {
        let client = world.client_with(&["--scope", "a", "--introspect"]);
        let node = world.start();
        let issuer = ["--issuer", node.base.as_str()];
        let token = node.token(&client);
        let inspect = |token: &str| world.cli(&[&issuer[..], &["token", "inspect", token]].concat());
        let seen = inspect(&token);
        assert_eq!((&seen["active"], &seen["claims"]["client_id"]), (&json!(true), &json!(client.id)));
        assert_eq!(inspect(&client.api_key)["active"], json!(true));
        let rows = world.cli(&["token", "list", "--client", &client.id]);
        assert_eq!((rows.as_array().unwrap().len(), &rows[0]["scope"], &rows[0]["revoked"]), (1, &json!("a"), &json!(false)));
        // A token can also be named by the `jti` that lists and logs show.
        let second = crate::support::jwt::claims(&node.token(&client))["jti"].as_str().unwrap().to_owned();
        assert_eq!(inspect(&second)["active"], json!(true));
        world.cli(&["token", "revoke", &second]);
        assert_eq!(inspect(&second)["reason"], json!("revoked"));
        assert!(world.refused(&["token", "revoke", "01a1ffc2-0000-7000-8000-000000000000"]).contains("no record"));
        assert_eq!(node.revoke(&client, &token).status, 200);
        assert_eq!(inspect(&token)["reason"], json!("revoked"));
        assert_eq!(inspect("nonsense")["reason"], json!("not a JWT"));
        assert_eq!(world.cli(&["token", "list", "--client", &client.id])[0]["revoked"], json!(true));
        assert!(world.refused(&["token", "list", "--client", "nobody"]).contains("nobody"));
    }
}

#[test]
fn output_is_readable_and_wrong_usage_has_status_two() {
    let world = World::new(Backend::Sqlite);
    let client = world.client("read");
    let said = |arguments: &[&str]| {
        let output = world.run(arguments);
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (status, out, err) = said(&["client", "list"]);
    assert!(
        status == 0 && err.is_empty() && out.starts_with("CLIENT_ID") && out.contains(&client.id),
        "{out}{err}"
    );
    let (status, out, err) = said(&["client", "show", "nobody"]);
    assert_eq!(
        (status, out.as_str(), err.trim()),
        (1, "", "keyward: There is no client nobody")
    );
    each_case(
        [
            &["client"] as &[&str],
            &["client", "create"],
            &["nonsense"],
            &["token", "revoke"],
            &["client", "create", "--name", "x", "--scope", "\""],
            &["--no-bootstrap", "client", "list"],
        ],
        |usage| {
            let (status, out, err) = said(usage);
            assert!(
                status == 2 && out.is_empty() && !err.is_empty(),
                "{usage:?}: {out}{err}"
            );
        },
    );
    // Only one command lists the settings in its help; the others accept them too.
    let (status, out, _) = said(&["serve", "--help"]);
    assert!(status == 0 && out.contains("--token-ttl") && out.contains("KEYWARD_TOKEN_TTL"));
    let (status, out, _) = said(&["client", "list", "--help"]);
    assert!(status == 0 && !out.contains("--token-ttl"), "{out}");
    // Writing to a closed pipe is not an error.
    let line = format!("{} client list | true", env!("CARGO_BIN_EXE_keyward"));
    let piped = world
        .command(&[])
        .get_envs()
        .fold(
            std::process::Command::new("bash"),
            |mut bash, (name, value)| {
                if let Some(value) = value {
                    bash.env(name, value);
                }
                bash
            },
        )
        .args(["-o", "pipefail", "-c", &line])
        .current_dir(&world.folder)
        .output()
        .unwrap();
    assert!(
        piped.status.success(),
        "{}",
        String::from_utf8_lossy(&piped.stderr)
    );
}

/// Names of commands and flags are a stable interface.
#[test]
fn each_command_of_the_contract_exists() {
    let world = World::sqlite();
    each_case(
        [
            "serve",
            "migrate",
            "config",
            "check",
            "account create",
            "account list",
            "account update",
            "user create",
            "user list",
            "user invite",
            "user set-role",
            "user reset-second-factor",
            "user set-password",
            "user delete",
            "client create",
            "client list",
            "client show",
            "client update",
            "client disable",
            "client enable",
            "client delete",
            "secret create",
            "secret list",
            "secret update",
            "secret rotate",
            "secret delete",
            "key create",
            "key list",
            "key update",
            "key rotate",
            "key delete",
            "trust-rule create",
            "trust-rule list",
            "trust-rule show",
            "trust-rule disable",
            "trust-rule enable",
            "trust-rule delete",
            "trust-rule test",
            "resource create",
            "resource update",
            "resource list",
            "resource delete",
            "webhook create",
            "webhook list",
            "webhook show",
            "webhook update",
            "webhook disable",
            "webhook enable",
            "webhook delete",
            "webhook rotate-secret",
            "webhook deliveries",
            "webhook test",
            "webhook resend",
            "account-invitation create",
            "account-invitation list",
            "account-invitation delete",
            "registration-token create",
            "registration-token list",
            "registration-token delete",
            "signing-key list",
            "signing-key show",
            "signing-key rotate",
            "signing-key import",
            "signing-key retire",
            "token inspect",
            "token revoke",
            "token list",
        ],
        |command| {
            let arguments: Vec<&str> = command.split(' ').chain(["--help"]).collect();
            assert!(world.run(&arguments).status.success(), "{command}");
        },
    );
}

/// Arguments are visible in the process list, so a token can be given on standard input.
#[test]
fn tokens_are_read_from_standard_input() {
    use std::io::Write;
    use std::process::Stdio;

    let world = World::sqlite();
    let client = world.client("a");
    let node = world.start();
    let token = node.token(&client);
    let run = |arguments: &[&str], input: &str| {
        let mut command = world.command(&[&["--json"], arguments].concat());
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(input.as_bytes())
            .unwrap();
        let output = child.wait_with_output().unwrap();
        let said = if output.status.success() {
            output.stdout
        } else {
            output.stderr
        };
        (output.status.code(), String::from_utf8(said).unwrap())
    };
    for presented in [&token, &client.api_key] {
        let (status, said) = run(&["token", "inspect", "-"], &format!("{presented}\n"));
        assert_eq!(status, Some(0), "{said}");
        assert_eq!(
            serde_json::from_str::<Value>(&said).unwrap(),
            world.cli(&["token", "inspect", presented])
        );
        assert_eq!(run(&["token", "revoke", "-"], presented).0, Some(0));
        let reply = |path: &str| {
            node.get_with(path, &[("authorization", &format!("Bearer {presented}"))])
                .status
        };
        within(SECOND, "the revocation", || {
            (reply("/verify") == 401).then_some(())
        });
    }
    for empty in ["", " \n"] {
        let (status, said) = run(&["token", "revoke", "-"], empty);
        assert!(
            status == Some(1) && said.contains("standard input"),
            "{said}"
        );
    }
}
