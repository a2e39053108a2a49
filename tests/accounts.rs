//! Accounts: their names, their limits, and what closing one stops.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::portal::{Browser, PASSWORD, person};
use crate::support::{Backend, Client, Node, World, eventually, within};

const EMAIL: &str = "ada@acme.example";

fn verify(node: &Node, credential: &str) -> u16 {
    let authorization = format!("Bearer {credential}");
    node.get_with("/verify", &[("authorization", &authorization)])
        .status
}

fn acme(world: &World) -> Client {
    // The oldest account, which owns what names no account.
    world.cli(&["account", "create", "--name", "First"]);
    world.cli(&["account", "create", "--name", "Acme"]);
    person(world, EMAIL, "administrator", Some("Acme"));
    world.client_with(&["--account", "Acme", "--scope", "read"])
}

fn failures(world: &World, action: &str) -> i64 {
    world.count(&format!(
        "SELECT count(*) FROM audit WHERE action = '{action}' AND reason_code = 'account_closed'"
    ))
}

on_both! {
    fn nothing_of_a_closed_account_is_accepted(world: World) {
        let client = acme(&world);
        let disabled = world.client_with(&["--account", "Acme", "--scope", "read"]);
        world.cli(&["client", "disable", &disabled.id]);
        let stranger = world.client("read");
        let initial = world.cli(&["registration-token", "create", "--account", "Acme", "--scope", "read"]);
        let initial = initial["token"].as_str().unwrap();
        world.cli(&["user", "create", "--email", "bob@acme.example", "--role", "viewer", "--account", "Acme"]);
        let invitation = world.cli(&["user", "invite", "bob@acme.example"]);
        let invitation = invitation["link"].as_str().unwrap();
        let flags = ["--issuer", "http://auth.example"];
        let nodes = [world.start_with(&flags), world.start_with(&flags)];
        let [node, other] = &nodes;
        let ada = Browser::of(node, EMAIL);
        let (token, strange) = (node.token(&client), node.token(&stranger));
        assert_eq!((verify(node, &token), verify(node, &client.api_key)), (200, 200));

        let closed = world.cli(&["account", "close", "Acme"]);
        let closed_at = closed["closed_at"].as_str().unwrap();
        for node in &nodes {
            eventually("the refusal of everything", || {
                let refused = [verify(node, &token), verify(node, &client.api_key), node.token_reply(&client, &[]).status];
                (refused == [401, 401, 401]).then_some(())
            });
        }
        assert_eq!((verify(other, &strange), verify(other, &stranger.api_key)), (200, 200));
        assert_eq!(ada.get("/portal/profile").status, 303, "the session has ended");
        let refused = ada.sign_in(EMAIL, PASSWORD);
        assert_eq!(refused.status, 403);
        assert!(refused.body.contains("This account is closed"), "{}", refused.body);
        // A wrong password learns nothing.
        assert!(!ada.sign_in(EMAIL, "wrong password").body.contains("closed"));
        let page = ada.open(invitation);
        let accepted = ada.submit(&page, "/portal/invitation/password", &[("password", PASSWORD)]);
        assert_eq!(accepted.status, 403, "{}", accepted.body);
        let register = |node: &Node| node.json("POST", "/oauth/register", Some(initial), &json!({"client_name": "x"}));
        register(node).refused(403, "access_denied");
        for creation in [
            &["client", "create", "--name", "x", "--account", "Acme"][..],
            &["user", "create", "--email", "x@acme.example", "--role", "viewer", "--account", "Acme"],
            &["registration-token", "create", "--account", "Acme"],
        ] {
            assert!(world.refused(creation).contains("closed"), "{creation:?}");
        }
        eventually("the failures in the audit", || {
            (failures(&world, "authentication.failure") > 0 && failures(&world, "session.failure") > 0).then_some(())
        });
        // Once more changes nothing, and enabling a client does not open its account.
        assert_eq!(world.cli(&["account", "close", "Acme"])["closed_at"], closed_at);
        world.cli(&["client", "enable", &client.id]);
        assert_eq!(node.token_reply(&client, &[]).status, 401);
        let shown = world.cli(&["client", "show", &client.id]);
        assert_eq!((&shown["enabled"], &shown["account_closed_at"]), (&json!(true), &json!(closed_at)));

        assert_eq!(world.cli(&["account", "reopen", "Acme"])["closed_at"], Value::Null);
        for node in &nodes {
            eventually("the account as before", || {
                let accepted = [verify(node, &token), verify(node, &client.api_key), node.token_reply(&client, &[]).status];
                (accepted == [200, 200, 200]).then_some(())
            });
        }
        assert_eq!(node.token_reply(&disabled, &[]).status, 401, "what was disabled before stays so");
        assert_eq!(ada.sign_in(EMAIL, PASSWORD).status, 303);
        // Reopening an account that is open ends no session.
        world.cli(&["account", "reopen", "Acme"]);
        assert_eq!(ada.get("/portal/profile").status, 200);
        assert_eq!(register(node).status, 201);
    }

    fn an_account_with_very_many_clients_is_closed_on_all_nodes(world: World) {
        // The oldest account, which owns what names no account.
        world.cli(&["account", "create", "--name", "First"]);
        let id = world.cli(&["account", "create", "--name", "Acme"])["id"].as_str().unwrap().to_owned();
        let client = world.client_with(&["--account", "Acme"]);
        let other = world.client("");
        let numbers = match world.backend {
            Backend::Sqlite => "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500) SELECT i FROM n)",
            Backend::Postgres => "(SELECT generate_series(1, 1500) AS i)",
        };
        world.execute(&format!(
            "INSERT INTO clients (client_id, account_id, name, auth_method, grant_types, scope, resources, may_introspect, metadata, tokens_void_before, created_at) \
             SELECT '0190-' || i, account_id, name, auth_method, grant_types, scope, resources, may_introspect, metadata, tokens_void_before, created_at \
             FROM clients, {numbers} AS numbers WHERE client_id = '{}'",
            client.id
        ));
        let nodes = [0, 1].map(|_| world.start_with(&["--issuer", "http://auth.example"]));
        let operator = nodes[0].token(&world.manager(&nodes[0], &[], "keyward:accounts:write keyward:operator"));
        let status = |node: &Node, client: &Client| node.token_reply(client, &[]).status;
        let verify = |node: &Node| node.get_with("/verify", &[("authorization", &format!("Bearer {}", client.api_key))]).status;
        for (path, statuses) in [("close", (401, 401)), ("reopen", (200, 200)), ("close", (401, 401))] {
            let before = world.count("SELECT COUNT(*) FROM changes");
            // Both nodes have it in their caches.
            for node in &nodes {
                status(node, &client);
                verify(node);
            }
            let done = nodes[0].json("POST", &format!("/api/v1/accounts/{id}/{path}"), Some(&operator), &Value::Null);
            assert_eq!(done.status, 200, "{}", done.body);
            assert_eq!((status(&nodes[0], &client), verify(&nodes[0])), statuses, "{path}");
            // The promise is a second.
            within(Duration::from_secs(5), path, || ((status(&nodes[1], &client), verify(&nodes[1])) == statuses).then_some(()));
            assert_eq!(status(&nodes[1], &other), 200);
            assert_eq!(world.count("SELECT COUNT(*) FROM changes"), before);
        }
    }

    fn operators_close_accounts_by_the_api_and_the_portal(world: World) {
        let client = acme(&world);
        world.resource("urn:orders");
        assert!(world.refused(&["account", "close", "Resource servers"]).contains("cannot be closed"));
        person(&world, "op@keyward.example", "operator", None);
        let node = world.start();
        let account = world.cli(&["account", "show", "Acme"]);
        let id = account["id"].as_str().unwrap();
        let manager = world.manager(&node, &[], "keyward:accounts:read keyward:accounts:write keyward:operator");
        let token = node.token(&manager);
        let call = |method: &str, path: &str| node.json(method, path, Some(&token), &Value::Null);
        let shown = call("GET", &format!("/api/v1/accounts/{id}")).json();
        assert_eq!((&shown["name"], &shown["limits"]["clients"], &shown["limits"]["max_clients"]), (&json!("Acme"), &json!(1), &json!(1000)));
        let closed = call("POST", &format!("/api/v1/accounts/{id}/close"));
        assert!(closed.status == 200 && closed.json()["closed_at"].is_string(), "{}", closed.body);
        eventually("the refusal", || (node.token_reply(&client, &[]).status == 401).then_some(()));
        assert_eq!(call("POST", &format!("/api/v1/accounts/{id}/reopen")).json()["closed_at"], Value::Null);
        assert_eq!(call("POST", "/api/v1/accounts/none/close").status, 404);

        let op = Browser::of(&node, "op@keyward.example");
        let confirm = format!("/portal/accounts/{id}/close");
        assert!(op.get(&format!("/portal/accounts/{id}/edit")).body.contains("1 of 1,000"));
        assert!(op.get(&confirm).body.contains("This affects 1 application"));
        assert_eq!(op.fill(&confirm, &confirm, &[]).leads_to(), "/portal/accounts?done=account-closed");
        assert!(op.get("/portal/accounts").body.contains("Account closed"));
        assert!(op.get(&format!("/portal/applications/{}", client.id)).body.contains("Account closed"));
        let edit = format!("/portal/accounts/{id}/edit");
        assert_eq!(op.fill(&edit, &format!("/portal/accounts/{id}/reopen"), &[]).leads_to(), "/portal/accounts?done=account-reopened");
        eventually("a token", || (node.token_reply(&client, &[]).status == 200).then_some(()));
        for (action, count) in [("account.close", 2), ("account.reopen", 2)] {
            assert_eq!(world.count(&format!("SELECT count(*) FROM audit WHERE action = '{action}' AND target = '{id}'")), count);
        }
    }

    fn a_closed_account_is_deleted_with_everything_but_its_audit(world: World) {
        let client = acme(&world);
        let kept = world.client_with(&["--account", "First", "--scope", "read"]);
        let id = world.cli(&["account", "show", "Acme"])["id"].as_str().unwrap().to_owned();
        // More than one batch.
        for number in 0..25 {
            world.cli(&["client", "create", "--name", &format!("Client {number}"), "--account", "Acme"]);
        }
        world.cli(&["registration-token", "create", "--account", "Acme"]);
        world.cli(&["announcement", "create", "--account", "Acme", "--text-en", "x", "--text-fr", "x", "--until", "2027-01-31"]);
        person(&world, "vic@acme.example", "viewer", Some("Acme"));
        // An invitation to another account, by a client that was an operator's.
        person(&world, "zed@first.example", "viewer", Some("First"));
        world.cli(&["account", "create", "--name", "Globex"]);
        let node = world.start();
        world.cli(&["account-invitation", "create", "--email", "zed@first.example", "--role", "viewer", "--account", "Globex"]);
        world.execute(&format!("UPDATE account_invitations SET created_by = 'client {}'", client.id));
        world.cli(&["webhook", "create", "https://hooks.acme.example/", "--account", "Acme", "--event", "*"]);
        let token = node.token(&client);
        let delete = |name: &'static str| ["account", "delete", "Acme", "--name", name];
        assert!(world.refused(&delete("Acme")).contains("close it first"));
        world.cli(&["account", "close", "Acme"]);
        node.stop();

        assert!(world.refused(&delete("acme")).contains("not that of the account"));
        assert!(world.refused(&["account", "delete", "None", "--name", "None"]).contains("None"));
        assert_eq!(world.run(&["account", "delete", "Acme"]).status.code(), Some(2));
        let deleting = world.cli(&delete("Acme"));
        assert!(deleting["deleting_at"].is_string(), "{deleting}");
        assert_eq!(world.cli(&delete("Acme")), deleting, "a second time");
        assert!(world.refused(&["account", "reopen", "Acme"]).contains("being deleted"));
        assert!(String::from_utf8(world.run(&["account", "list"]).stdout).unwrap().contains("being deleted since"));

        // A node that dies in between leaves the rest to the next one.
        let first = world.start();
        eventually("the first batch", || (world.count(&format!("SELECT count(*) FROM clients WHERE account_id = '{id}'")) < 26).then_some(()));
        first.signal("KILL");
        first.stop_or_gone();
        let node = world.start();
        eventually("the end", || (world.count(&format!("SELECT count(*) FROM accounts WHERE id = '{id}'")) == 0).then_some(()));
        for table in ["clients", "users", "webhooks", "registration_tokens", "announcements"] {
            assert_eq!(world.count(&format!("SELECT count(*) FROM {table} WHERE account_id = '{id}'")), 0, "{table}");
        }
        for table in ["client_secrets", "api_keys", "trust_rules"] {
            assert_eq!(world.count(&format!("SELECT count(*) FROM {table} WHERE client_id = '{}'", client.id)), 0, "{table}");
        }
        let entries = |action: &str| world.count(&format!("SELECT count(*) FROM audit WHERE account_id = '{id}' AND action = '{action}'"));
        for (action, count) in [("client.create", 26), ("client.delete", 26), ("user.delete", 2), ("webhook.delete", 1), ("account.delete", 1), ("account.deleted", 1)] {
            assert_eq!(entries(action), count, "{action}");
        }
        assert_eq!(world.count("SELECT count(*) FROM account_invitations"), 0);
        assert_eq!(world.count("SELECT count(*) FROM audit WHERE action = 'account_invitation.delete' AND target = 'zed@first.example'"), 1);
        let last = world.cli(&["audit", "list", "--target", &id]);
        assert_eq!((&last[0]["action"], &last[0]["details"]["name"]), (&json!("account.deleted"), &json!("Acme")));
        assert_eq!((verify(&node, &token), verify(&node, &client.api_key)), (401, 401));
        assert_eq!(node.token_reply(&kept, &[]).status, 200, "another account");
        assert!(world.refused(&["account", "show", "Acme"]).contains("Acme"));
        world.cli(&["account", "create", "--name", "Acme"]);
    }

    fn operators_delete_accounts_by_the_api_and_the_portal(world: World) {
        acme(&world);
        world.cli(&["account", "create", "--name", "Globex"]);
        person(&world, "op@keyward.example", "operator", None);
        let node = world.start();
        let manager = world.manager(&node, &[], "keyward:accounts:read keyward:accounts:write keyward:operator");
        let token = node.token(&manager);
        let id = world.cli(&["account", "show", "Globex"])["id"].as_str().unwrap().to_owned();
        let post = |path: &str, body: Value| node.json("POST", &format!("/api/v1/accounts/{path}"), Some(&token), &body);
        assert_eq!(post(&format!("{id}/delete"), json!({"name": "Globex"})).status, 409, "open");
        assert_eq!(post(&format!("{id}/close"), Value::Null).status, 200);
        let wrong = post(&format!("{id}/delete"), json!({"name": "Acme"}));
        assert_eq!((wrong.status, &wrong.json()["field"]), (400, &json!("name")));
        assert_eq!((post(&format!("{id}/delete"), json!({})).status, post("none/delete", json!({"name": "none"})).status), (400, 404));
        let deleting = post(&format!("{id}/delete"), json!({"name": "Globex"}));
        assert!(deleting.status == 202 && deleting.json()["deleting_at"].is_string(), "{}", deleting.body);
        eventually("the end", || (post(&format!("{id}/reopen"), Value::Null).status == 404).then_some(()));

        let id = world.cli(&["account", "show", "Acme"])["id"].as_str().unwrap().to_owned();
        let op = Browser::of(&node, "op@keyward.example");
        let (edit, path) = (format!("/portal/accounts/{id}/edit"), format!("/portal/accounts/{id}/delete"));
        assert!(!op.get(&edit).body.contains(&path), "an open account");
        world.cli(&["account", "close", "Acme"]);
        assert!(op.get(&edit).body.contains(&path));
        let refused = op.fill(&path, &path, &[("name", "Globex")]);
        assert!(refused.status == 400 && refused.body.contains("name-error"), "{}", refused.body);
        assert_eq!(op.fill(&path, &path, &[("name", "Acme")]).leads_to(), "/portal/accounts?done=account-deleting");
        eventually("the end", || (op.get(&edit).status == 404).then_some(()));
        assert!(op.get("/portal/audit").body.contains("Account deleted"));
    }

    fn administrators_choose_the_language_of_email(world: World) {
        acme(&world);
        person(&world, "dev@acme.example", "developer", Some("Acme"));
        person(&world, "op@keyward.example", "operator", None);
        let node = world.start_with(&["--mail-language", "fr"]);
        let (ada, dev) = (Browser::of(&node, EMAIL), Browser::of(&node, "dev@acme.example"));
        let language = || world.cli(&["account", "show", "Acme"])["language"].clone();
        let save = |browser: &Browser, fields: &[(&str, &str)]| browser.act("/portal/account", fields);
        assert!(ada.get("/portal/account").body.contains("Default (Français)"));
        assert!(dev.get("/portal/account").body.contains("Default (Français)"));
        assert_eq!(save(&ada, &[("name", "Acme"), ("mail_language", "en")]).leads_to(), "/portal/account?done=saved");
        assert_eq!(language(), "en");
        // A form without the field changes nothing.
        assert_eq!(save(&ada, &[("name", "Acme")]).status, 303);
        assert_eq!(language(), "en");
        let refused = save(&ada, &[("name", "Other"), ("mail_language", "de")]);
        assert!(refused.status == 400 && refused.body.contains("id=\"mail_language-error\""), "{}", refused.body);
        assert_eq!(save(&dev, &[("mail_language", "fr")]).status, 403);
        assert_eq!(language(), "en");

        let account = world.cli(&["account", "show", "Acme"]);
        let id = account["id"].as_str().unwrap();
        let operator = Browser::of(&node, "op@keyward.example");
        let page = format!("/portal/accounts/{id}/edit");
        assert!(operator.get(&page).body.contains("<option value=\"en\" selected>English</option>"));
        assert_eq!(operator.act(&page, &[("mail_language", "")]).status, 303);
        assert_eq!((language(), world.cli(&["account", "show", "Acme"])["name"].clone()), (Value::Null, json!("Acme")));

        let token = node.token(&world.manager(&node, &["--account", "Acme"], "keyward:users:write"));
        let patch = |body: Value| node.json("PATCH", &format!("/api/v1/accounts/{id}"), Some(&token), &body);
        assert_eq!(patch(json!({"language": "fr"})).json()["language"], "fr");
        assert_eq!(patch(json!({"name": "Acme"})).json()["language"], "fr", "it stays");
        assert_eq!(patch(json!({"language": "de"})).status, 400);
        assert_eq!(patch(json!({"language": null})).json()["language"], Value::Null);
        assert_eq!(world.cli(&["account", "update", "Acme", "--language", "en"])["language"], "en");
        assert_eq!(world.run(&["account", "update", "Acme", "--language", "de"]).status.code(), Some(2));
        assert_eq!(world.cli(&["account", "update", "Acme", "--language", "default"])["language"], Value::Null);
        assert!(world.count("SELECT count(*) FROM audit WHERE action = 'account.update'") >= 7);
    }

    fn administrators_rename_their_account(world: World) {
        acme(&world);
        world.cli(&["account", "create", "--name", "Globex"]);
        person(&world, "dev@acme.example", "developer", Some("Acme"));
        let node = world.start();
        let ada = Browser::of(&node, EMAIL);
        let rename = |name: &str| ada.fill("/portal/account", "/portal/account", &[("name", name)]);
        assert!(ada.get("/portal/account").body.contains("1 of 1,000"));
        assert_eq!(rename("Acme Ltd").leads_to(), "/portal/account?done=saved");
        assert!(ada.get("/portal/account").body.contains("Acme Ltd"));
        for (name, status) in [("Globex", 409), ("", 400), (" ", 400), (&"x".repeat(101), 400)] {
            let refused = rename(name);
            assert_eq!(refused.status, status, "{name:?}");
            assert!(refused.body.contains("id=\"name-error\""), "{name:?}");
        }
        let dev = Browser::of(&node, "dev@acme.example");
        let page = dev.get("/portal/account").body;
        assert!(page.contains("Acme Ltd") && !page.contains("action=\"/portal/account\""), "{page}");
        assert_eq!(dev.act("/portal/account", &[("name", "Mine")]).status, 403);

        world.cli(&["account", "update", "Acme Ltd", "--name", "Acme Inc"]);
        assert!(world.refused(&["account", "update", "Acme Inc", "--name", "Globex"]).contains("already exists"));
        let id = world.cli(&["account", "show", "Acme Inc"])["id"].as_str().unwrap().to_owned();
        let manager = world.manager(&node, &["--account", "Acme Inc"], "keyward:users:write");
        let token = node.token(&manager);
        let patch = |id: &str, name: &str| node.json("PATCH", &format!("/api/v1/accounts/{id}"), Some(&token), &json!({"name": name}));
        assert_eq!(patch(&id, "Acme").json()["name"], "Acme");
        assert_eq!(patch(&id, "Globex").status, 409);
        let other = world.cli(&["account", "show", "Globex"])["id"].as_str().unwrap().to_owned();
        assert_eq!(patch(&other, "Mine").status, 404);
        assert_eq!(world.cli(&["account", "show", "Globex"])["name"], "Globex");
    }
}

#[test]
fn a_restore_does_not_open_a_closed_account() {
    let world = World::new(Backend::Sqlite);
    let client = acme(&world);
    let node = world.start();
    node.token(&client);
    world.cli(&["backup", "open.db"]);
    world.cli(&["account", "close", "Acme"]);
    world.cli(&["backup", "closed.db"]);
    world.cli(&["restore", "open.db"]);
    assert!(world.cli(&["account", "show", "Acme"])["closed_at"].is_string());
    eventually("the refusal", || {
        (node.token_reply(&client, &[]).status == 401).then_some(())
    });
    world.cli(&["account", "reopen", "Acme"]);
    eventually("a token", || {
        (node.token_reply(&client, &[]).status == 200).then_some(())
    });
    // What was closed in the backup is closed again.
    world.cli(&["restore", "closed.db"]);
    eventually("the refusal", || {
        (node.token_reply(&client, &[]).status == 401).then_some(())
    });
}

#[test]
fn a_restore_brings_a_deleted_account_back_closed() {
    let world = World::new(Backend::Sqlite);
    let client = acme(&world);
    let node = world.start();
    node.token(&client);
    world.cli(&["backup", "before.db"]);
    world.cli(&["account", "close", "Acme"]);
    world.cli(&["account", "delete", "Acme", "--name", "Acme"]);
    eventually("the deletion", || {
        (!world.run(&["account", "show", "Acme"]).status.success()).then_some(())
    });
    world.cli(&["restore", "before.db"]);
    let restored = world.cli(&["account", "show", "Acme"]);
    assert!(
        restored["closed_at"].is_string() && restored["deleting_at"].is_null(),
        "{restored}"
    );
    assert_eq!(node.token_reply(&client, &[]).status, 401);
    world.cli(&["account", "reopen", "Acme"]);
    eventually("a token", || {
        (node.token_reply(&client, &[]).status == 200).then_some(())
    });
}
