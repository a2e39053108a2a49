//! E-mail: what is sent to whom, what happens if the server fails, and password reset.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::portal::{Browser, PASSWORD, person};
use crate::support::smtp_server::{Reaction, Received, SmtpServer};
use crate::support::{Node, World, each_case, eventually, within};

const ADA: &str = "ada@acme.example";
const NEW_PASSWORD: &str = "lantern gravel orbit";
const FORGOT: &str = "/portal/password/forgot";
const RESET: &str = "/portal/password/reset";

/// The flags of a node that sends to this server.
fn flags(server: &SmtpServer) -> Vec<String> {
    let url = match server.authority {
        None => format!("smtp://127.0.0.1:{}", server.port),
        Some(_) => format!("smtps://keyward@localhost:{}", server.port),
    };
    let mut flags = vec![
        "--smtp-url".to_owned(),
        url,
        "--mail-from".to_owned(),
        "Keyward <keyward@acme.example>".to_owned(),
    ];
    if let Some(authority) = &server.authority {
        flags.extend(["--outbound-ca".to_owned(), authority.display().to_string()]);
        flags.extend(["--smtp-password".to_owned(), "hunter2".to_owned()]);
    }
    flags
}

fn start(world: &World, server: &SmtpServer) -> Node {
    let flags = flags(server);
    world.start_with(&flags.iter().map(String::as_str).collect::<Vec<_>>())
}

fn mails(world: &World) -> Vec<Value> {
    world.cli(&["mail", "list"]).as_array().unwrap().clone()
}

/// Waits until the newest message satisfies a condition.
fn newest(world: &World, what: &str, is_met: impl Fn(&Value) -> bool) -> Value {
    within(Duration::from_secs(80), what, || {
        mails(world).into_iter().next().filter(|one| is_met(one))
    })
}

/// Waits for a message to an address whose text contains this.
fn arrives(server: &SmtpServer, recipient: &str, text: &str) -> Received {
    eventually(&format!("{text:?} to {recipient}"), || {
        let all = server.to(recipient);
        all.into_iter().find(|one| one.text.contains(text))
    })
}

/// Sends what waits for a later attempt now.
fn hurry(world: &World) {
    world.execute("UPDATE mails SET next_attempt_at = 1 WHERE next_attempt_at IS NOT NULL");
}

on_both! {
    fn notices_reach_those_who_want_them(world: World) {
        world.cli(&["account", "create", "--name", "One"]);
        world.cli(&["account", "create", "--name", "Two"]);
        for (email, role, account) in [
            (ADA, "administrator", Some("One")),
            ("dev@acme.example", "developer", Some("One")),
            ("viewer@acme.example", "viewer", Some("One")),
            ("quiet@acme.example", "developer", Some("One")),
            ("two@acme.example", "administrator", Some("Two")),
            ("root@acme.example", "operator", None),
        ] {
            person(&world, email, role, account);
        }
        world.cli(&["user", "create", "--email", "new@acme.example", "--role", "developer", "--account", "One"]);
        world.cli(&["user", "set-preferences", "quiet@acme.example", "--email-notices", "off"]);
        world.cli(&["user", "set-preferences", "dev@acme.example", "--language", "fr", "--time-zone", "Europe/Paris"]);
        // Before a node sends e-mail, nothing is queued.
        let early = world.client_with(&["--account", "One"]);
        world.cli(&["secret", "create", &early.id]);
        assert_eq!(world.count("SELECT count(*) FROM mails"), 0);

        let server = SmtpServer::start();
        let node = start(&world, &server);
        let made = world.cli(&["secret", "create", &early.id]);
        world.cli(&["signing-key", "rotate"]);
        let secret = made["client_secret"].as_str().unwrap();
        let mail = arrives(&server, ADA, "Client secret created");
        assert!(mail.text.contains("By: "), "{}", mail.text);
        assert!(mail.text.contains(made["id"].as_str().unwrap()) && mail.text.contains(" UTC"), "{}", mail.text);
        assert!(mail.head.contains("From: Keyward <keyward@acme.example>") || mail.head.contains("From: \"Keyward\" <keyward@acme.example>"), "{}", mail.head);
        assert!(mail.head.contains("Subject: Client secret created"), "{}", mail.head);
        assert!(mail.head.contains("Auto-Submitted: auto-generated"), "{}", mail.head);
        let french = arrives(&server, "dev@acme.example", "Secret client créé");
        assert!(french.text.contains("Application\u{a0}: ") && (french.text.contains(" CET") || french.text.contains(" CEST")), "{}", french.text);
        arrives(&server, "root@acme.example", "Signing key rotated");
        for nobody in ["viewer@acme.example", "quiet@acme.example", "two@acme.example", "new@acme.example"] {
            assert!(server.to(nobody).is_empty(), "{nobody}: {:?}", server.to(nobody));
        }
        // The language of the account is for those who have chosen none.
        world.cli(&["account", "update", "One", "--language", "fr"]);
        world.cli(&["user", "set-preferences", "dev@acme.example", "--language", "en"]);
        world.cli(&["secret", "create", &early.id]);
        arrives(&server, ADA, "Secret client créé");
        arrives(&server, "dev@acme.example", "Client secret created");
        world.cli(&["account", "update", "One", "--language", "default"]);
        // What happens to a user's own sign-in is told in any case.
        let key = world.cli(&["key", "create", &early.id, "--name", "Night\u{e9}"]);
        let about_key = arrives(&server, ADA, "API key created");
        assert!(about_key.text.contains("Nighté") && !about_key.text.contains(key["api_key"].as_str().unwrap()), "{}", about_key.text);
        let sent = server.received().iter().map(|one| one.text.clone()).collect::<String>();
        assert!(!sent.contains(secret) && !node.logs().contains(secret));
        let delivered = newest(&world, "a success", |one| one["state"] == "delivered");
        assert_eq!((&delivered["attempts"], &delivered["failure"]), (&json!(1), &json!(null)));
        assert!(node.metric("keyward_mails_total{outcome=\"success\"}") >= 4.0);
        assert_eq!(world.count("SELECT count(*) FROM mails WHERE link_sealed IS NOT NULL"), 0);
    }

    fn nobody_is_flooded(world: World) {
        person(&world, ADA, "administrator", None);
        let server = SmtpServer::start();
        let node = start(&world, &server);
        let client = world.client("");
        for number in 0..25 {
            world.cli(&["secret", "create", &client.id, "--name", &number.to_string()]);
            if number % 5 == 4 {
                world.execute(&format!("DELETE FROM client_secrets WHERE client_id = '{}' AND name IS NOT NULL", client.id));
            }
        }
        let notices = "SELECT count(*) FROM mails WHERE kind = 'notice'";
        assert_eq!(world.count(notices), 20);
        eventually("all of them", || (server.to(ADA).len() == 20).then_some(()));
        // The others are independent of the notices.
        let browser = Browser::of(&node, ADA);
        arrives(&server, ADA, "with a browser we don’t recognize");
        // The browser is known now.
        let count = "SELECT count(*) FROM mails WHERE kind = 'sign_in'";
        assert_eq!(world.count(count), 1);
        browser.post("/portal/sign-out", &[("sec-fetch-site", "same-origin")], &[("csrf_token", &browser.form_token())]);
        assert_eq!(browser.sign_in(ADA, PASSWORD).status, 303);
        assert_eq!(world.count(count), 1);
        Browser::saying(&node, "user-agent", "curl/8.5").sign_in(ADA, PASSWORD);
        let mail = arrives(&server, ADA, "curl 8.5");
        assert!(mail.text.contains("127.0.0.1"), "{}", mail.text);
    }

    fn a_failing_server_delays_nothing_but_its_mail(world: World) {
        let server = SmtpServer::start();
        person(&world, "root@acme.example", "operator", None);
        let node = start(&world, &server);
        let test = || {
            let began = Instant::now();
            let sent = world.cli(&["mail", "test", "--to", ADA]);
            assert!(began.elapsed() < Duration::from_secs(5));
            sent["id"].clone()
        };
        // The exit status of the command says that there is a problem.
        let problems = || {
            let output = world.run(&["status", "--json"]);
            let status: Value = serde_json::from_slice(&output.stdout).unwrap();
            status["problems"].clone()
        };
        // The address is refused for good.
        server.react(Reaction::Refuse(550));
        let id = test();
        let failed = newest(&world, "a refusal", |one| one["id"] == id && one["state"] == "failed");
        assert_eq!((&failed["failure"], &failed["response_status"], &failed["attempts"]), (&json!("status"), &json!(550), &json!(1)));
        assert_eq!(problems(), json!([]));
        for (reaction, failure, status) in [
            (Reaction::Refuse(451), "status", json!(451)),
            (Reaction::Refuse(421), "status", json!(421)),
            (Reaction::Drop, "protocol", json!(null)),
            (Reaction::Stall, "timeout", json!(null)),
        ] {
            server.react(reaction);
            let id = test();
            // Also after the pause of the server that fails.
            let failed = newest(&world, failure, |one| one["id"] == id && one["failure"] == failure);
            assert_eq!((&failed["state"], &failed["response_status"]), (&json!("pending"), &status), "{reaction:?}");
            if status == json!(451) {
                // So do servers with recipients that they do not know yet.
                assert_eq!(problems(), json!([]));
                world.execute("UPDATE mails SET created_at = created_at - 900001 WHERE next_attempt_at IS NOT NULL");
            }
            let found = problems();
            assert_eq!(found[0]["code"], json!("mail_fails"), "{found}");
            // The next one does not wait for another attempt at this one.
            world.execute("UPDATE mails SET next_attempt_at = 9000000000000 WHERE next_attempt_at IS NOT NULL");
        }
        assert!(node.logs().contains("e-mail not sent"));
        assert!(node.metric("keyward_mails_total{outcome=\"failure\"}") >= 5.0);
        // A restart in between: what was pending is sent, and nothing twice.
        assert!(node.stop().success());
        server.react(Reaction::Accept);
        hurry(&world);
        let _node = start(&world, &server);
        within(Duration::from_secs(60), "all of them", || (server.to(ADA).len() == 4).then_some(()));
        eventually("no problem", || (problems() == json!([])).then_some(()));
        let mut ids: Vec<String> = server.to(ADA).iter().map(|one| {
            let line = one.head.lines().find(|line| line.starts_with("Message-ID: ")).unwrap();
            line.to_owned()
        }).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 4);
    }

    fn a_server_that_refuses_everything_loses_little(world: World) {
        let server = SmtpServer::start();
        let _node = start(&world, &server);
        // A later version knows other kinds and failures: they hold nothing up.
        world.cli(&["mail", "test", "--to", "future@acme.example"]);
        eventually("a test message", || (server.received().len() == 1).then_some(()));
        world.execute("UPDATE mails SET kind = 'future', failure = 'future', next_attempt_at = 1, delivered_at = NULL");
        server.react(Reaction::Refuse(554));
        for number in 1..=6 {
            world.cli(&["mail", "test", "--to", &format!("{number}@acme.example")]);
        }
        newest(&world, "six refusals", |_| mails(&world).iter().filter(|one| one["response_status"] == 554).count() == 6);
        let states: Vec<Value> = mails(&world).iter().map(|one| one["state"].clone()).collect();
        assert_eq!(states, [vec![json!("pending")], vec![json!("failed"); 5]].concat());
        let status: Value = serde_json::from_slice(&world.run(&["status", "--json"]).stdout).unwrap();
        let problem = &status["problems"][0];
        assert_eq!((&problem["code"], &problem["detail"]), (&json!("mail_fails"), &json!("The server answered 554")));
        server.react(Reaction::Accept);
        hurry(&world);
        within(Duration::from_secs(60), "the last one", || (server.to("6@acme.example").len() == 1).then_some(()));
    }

    fn invitations_are_limited(world: World) {
        world.cli(&["account", "create", "--name", "Evil.example"]);
        let account = world.text("SELECT MAX(id) FROM accounts WHERE name = 'Evil.example'");
        let server = SmtpServer::start();
        let _node = start(&world, &server);
        let add = |email: &str| {
            world.cli(&["user", "create", "--email", email, "--role", "viewer", "--account", "Evil.example"]);
        };
        let invite = |email: &str| {
            let made = world.cli(&["user", "invite", email]);
            assert!(made["link"].as_str().unwrap().contains("#kwv_"));
            made["mailed"] == json!(true)
        };
        add(ADA);
        assert!(invite(ADA));
        let mail = arrives(&server, ADA, "invited to an account.");
        assert!(!mail.text.contains("Evil"), "{}", mail.text);
        assert_eq!([(); 3].map(|()| invite(ADA)), [true, true, false]);
        // It is of no use to begin again.
        world.cli(&["user", "delete", ADA, "--yes"]);
        add(ADA);
        assert!(!invite(ADA));
        // The account has its own limit.
        add("new@acme.example");
        let others = format!(
            "INSERT INTO audit (id, happened_at, account_id, actor, action, target) \
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 94) \
             SELECT (SELECT MAX(id) FROM audit) || '-' || CAST(i AS TEXT), 1, '{account}', 'x', 'user.invite', 'x' FROM n"
        );
        world.execute(&others);
        add("last@acme.example");
        assert_eq!(["new@acme.example", "last@acme.example"].map(invite), [true, false]);
        // Whoever is not let in is not invited in by e-mail.
        world.execute("DELETE FROM audit");
        world.cli(&["account", "close", &account]);
        assert!(!invite("last@acme.example"));
        world.cli(&["account", "reopen", &account]);
        assert!(invite("last@acme.example"));
    }

    fn an_invitation_is_sent_with_its_link(world: World) {
        world.cli(&["user", "create", "--email", ADA, "--role", "administrator"]);
        let without = world.cli(&["user", "invite", ADA]);
        assert_eq!(without["mailed"], json!(false));
        let server = SmtpServer::with_tls(&world);
        let node = start(&world, &server);
        server.react(Reaction::Refuse(451));
        let first = world.cli(&["user", "invite", ADA]);
        assert_eq!(first["mailed"], json!(true));
        newest(&world, "a failure", |one| one["failure"] == "status");
        // No usable link is stored.
        let secret = first["link"].as_str().unwrap().rsplit('_').next().unwrap().to_owned();
        let stored = world.text("SELECT COALESCE(MAX(link_sealed), '') FROM mails");
        assert!(!stored.is_empty() && !stored.contains(&secret) && !world.text("SELECT MAX(facts) FROM mails").contains(&secret));
        // It can be sent after a rotation of the sealing key, and another link replaces it.
        world.cli(&["sealing-key", "rotate"]);
        server.react(Reaction::Accept);
        hurry(&world);
        let mail = arrives(&server, ADA, "set your password");
        let link = mail.link(&format!("{}/portal/invitation#", node.base));
        assert_eq!(link, first["link"].as_str().unwrap());
        eventually("the link is deleted", || (world.count("SELECT count(*) FROM mails WHERE link_sealed IS NOT NULL") == 0).then_some(()));
        assert!(server.commands().iter().any(|line| line.starts_with("AUTH PLAIN ")));
        assert!(!node.logs().contains(&secret) && !node.logs().contains("hunter2"));
        let browser = Browser::new(&node);
        let page = browser.open(&link);
        let set = browser.submit(&page, "/portal/invitation/password", &[("password", NEW_PASSWORD)]);
        assert_eq!(set.leads_to(), "/portal/sign-in?done=password-set");
        // Links of deleted users are not sent.
        server.react(Reaction::Refuse(451));
        world.cli(&["user", "create", "--email", "bob@acme.example", "--role", "viewer"]);
        world.cli(&["user", "invite", "bob@acme.example"]);
        world.cli(&["user", "delete", "bob@acme.example", "--yes"]);
        assert_eq!(world.count("SELECT count(*) FROM mails WHERE recipient = 'bob@acme.example'"), 0);
        // A wrong password concerns all messages, and is not the fault of the recipient.
        server.react(Reaction::RefusePassword(535));
        world.cli(&["mail", "test", "--to", ADA]);
        let failed = newest(&world, "a failure of the password", |one| one["response_status"] == 535);
        assert_eq!(failed["state"], json!("pending"));
    }

    fn a_forgotten_password_is_reset_by_mail(world: World) {
        person(&world, ADA, "developer", None);
        world.cli(&["user", "create", "--email", "invited@acme.example", "--role", "viewer"]);
        let server = SmtpServer::start();
        let node = start(&world, &server);
        let session = Browser::of(&node, ADA);
        let browser = Browser::new(&node);
        let ask = |email: &str| {
            let began = Instant::now();
            let reply = browser.fill(FORGOT, FORGOT, &[("email", email)]);
            (reply, began.elapsed())
        };
        assert!(browser.get("/portal/sign-in").body.contains(&format!("href=\"{FORGOT}\"")));
        let (known, known_after) = ask("ADA@acme.example ");
        assert_eq!(known.status, 200);
        for email in ["nobody@acme.example", "invited@acme.example"] {
            let (unknown, after) = ask(email);
            assert_eq!(unknown.status, 200);
            assert_eq!(unknown.body.len(), known.body.len(), "{email}");
            assert!(after >= Duration::from_millis(490) && known_after >= Duration::from_millis(490));
        }
        assert_eq!(ask("not an address").0.status, 400);
        let mail = arrives(&server, ADA, "asked to reset your password");
        let link = mail.link(&format!("{}{RESET}#kwf_", node.base));
        let secret = link.rsplit('.').next().unwrap().to_owned();
        assert_eq!(server.received().iter().filter(|one| one.text.contains("#kwf_")).count(), 1);
        assert!(!node.logs().contains(&secret));
        assert_eq!(world.count("SELECT count(*) FROM audit WHERE action = 'user.request_password_reset' AND actor = 'nobody'"), 1);

        let set = |link: &str, password: &str| {
            let page = browser.fill(RESET, RESET, &[("link", link)]);
            if page.status != 200 {
                return page;
            }
            assert!(page.body.contains(ADA), "{}", page.body);
            browser.submit(&page, "/portal/password/new", &[("password", password)])
        };
        each_case([link.replace("kwf_", "kwv_"), format!("{link}A"), link.replace(&secret, "AAAAAAAAAAAAAAAAAAAAAA"), "kwf_".to_owned(), String::new()], |wrong| {
            assert_eq!(set(&wrong, NEW_PASSWORD).status, 404, "{wrong}");
        });
        // A weak password does not use the link up.
        let weak = set(&link, "password");
        assert_eq!(weak.status, 400);
        assert!(weak.body.contains(ADA));
        // Two at once: one of them wins.
        let outcomes: Vec<String> = std::thread::scope(|scope| {
            let tries: Vec<_> = ["lantern gravel orbit", "lantern gravel comet"].into_iter().map(|password| {
                let (node, link) = (&node, &link);
                scope.spawn(move || {
                    let own = Browser::new(node);
                    let page = own.fill(RESET, RESET, &[("link", link)]);
                    if page.status != 200 {
                        return String::new();
                    }
                    own.submit(&page, "/portal/password/new", &[("password", password)]).leads_to().to_owned()
                })
            }).collect();
            tries.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let won = outcomes.iter().filter(|to| to.ends_with("done=password-set")).count();
        assert_eq!(won, 1, "{outcomes:?}");
        assert_eq!(set(&link, NEW_PASSWORD).status, 404, "it works once");
        // All sessions have ended, and the old password is refused.
        assert_eq!(session.get("/portal/applications").leads_to().split('?').next().unwrap(), "/portal/sign-in");
        assert_ne!(Browser::new(&node).sign_in(ADA, PASSWORD).status, 303);
        arrives(&server, ADA, "Password reset by email");
        assert_eq!(world.count("SELECT count(*) FROM audit WHERE action = 'user.reset_password'"), 1);
    }

    fn a_link_that_waits_is_not_sent_for_another_password(world: World) {
        person(&world, ADA, "developer", None);
        let server = SmtpServer::start();
        let node = start(&world, &server);
        let browser = Browser::new(&node);
        let waiting = |kind: &str| world.count(&format!("SELECT count(*) FROM mails WHERE kind = '{kind}' AND next_attempt_at IS NOT NULL"));
        let set_password = || {
            let mut command = world.command(&["user", "set-password", ADA]);
            let mut child = command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::null()).spawn().unwrap();
            std::io::Write::write_all(&mut child.stdin.take().unwrap(), NEW_PASSWORD.as_bytes()).unwrap();
            assert!(child.wait().unwrap().success());
        };
        server.react(Reaction::Refuse(451));
        assert_eq!(browser.fill(FORGOT, FORGOT, &[("email", ADA)]).status, 200);
        world.cli(&["user", "invite", ADA]);
        assert_eq!([waiting("password_reset"), waiting("invitation")], [1, 1]);
        set_password();
        assert_eq!([waiting("password_reset"), waiting("invitation")], [0, 0]);
        // A rise of the rights ends an invitation of somebody who may not have them.
        world.cli(&["user", "invite", ADA]);
        world.execute("UPDATE invitations SET rights = ''");
        world.cli(&["user", "set-role", ADA, "administrator"]);
        assert_eq!(waiting("invitation"), 0);
        server.react(Reaction::Accept);
        hurry(&world);
        arrives(&server, ADA, "Password set");
        assert!(server.received().iter().all(|one| !one.text.contains("#kw")));
        world.cli(&["user", "set-preferences", ADA, "--email-notices", "off"]);
        world.cli(&["user", "set-preferences", ADA, "--email-notices", "off"]);
        arrives(&server, ADA, "Email notices turned off");
        assert_eq!(world.count("SELECT count(*) FROM mails WHERE kind = 'security'"), 2);
        // The node that started last decides whether anything is queued.
        world.execute("UPDATE deployment SET settings = '{}'");
        for email in [ADA, "nobody@acme.example"] {
            assert_eq!(browser.fill(FORGOT, FORGOT, &[("email", email)]).status, 409, "{email}");
        }
    }

    fn requests_for_a_reset_are_limited(world: World) {
        person(&world, ADA, "developer", None);
        let server = SmtpServer::start();
        let node = start(&world, &server);
        let browser = Browser::new(&node);
        let statuses: Vec<u16> = (0..11).map(|_| browser.fill(FORGOT, FORGOT, &[("email", ADA)]).status).collect();
        assert_eq!(statuses[..10], [200; 10]);
        assert_eq!(statuses[10], 429);
        assert_eq!(world.count("SELECT count(*) FROM mails WHERE kind = 'password_reset'"), 3);
        // The user can sign in all the same, and a change of the password ends the links.
        assert_eq!(Browser::new(&node).sign_in(ADA, PASSWORD).status, 303);
        let mail = arrives(&server, ADA, "asked to reset your password");
        let link = mail.link(&format!("{}{RESET}#", node.base));
        world.execute(&format!("UPDATE users SET password_hash = password_hash || 'x' WHERE email = '{ADA}'"));
        assert_eq!(browser.fill(RESET, RESET, &[("link", &link)]).status, 404);
    }
}

#[test]
fn without_a_server_links_are_passed_on_by_people() {
    let world = World::sqlite();
    person(&world, ADA, "administrator", None);
    let node = world.start();
    let browser = Browser::new(&node);
    let page = browser.get(FORGOT);
    assert!(
        page.body.contains("Ask your administrator"),
        "{}",
        page.body
    );
    let token = browser.form_token();
    let refused = browser.post(
        FORGOT,
        &[("sec-fetch-site", "same-origin")],
        &[("csrf_token", &token), ("email", ADA)],
    );
    assert_eq!(refused.status, 409);
    assert!(
        world
            .refused(&["mail", "test", "--to", ADA])
            .contains("smtp_url")
    );
    world.cli(&["secret", "create", &world.client("").id]);
    assert_eq!(world.count("SELECT count(*) FROM mails"), 0);
}

#[test]
fn settings_for_mail_are_checked() {
    let world = World::sqlite();
    let refused = |flags: &[&str]| world.refused(&[&["config"], flags].concat());
    assert!(refused(&["--smtp-url", "smtp://mail.example"]).contains("mail_from"));
    let check = |flags: &[&str]| world.run(&[&["check", "--json"], flags].concat());
    let server = SmtpServer::start();
    let node = start(&world, &server);
    let flags: Vec<String> = flags(&server);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let found = |output: std::process::Output| {
        let all: Value = serde_json::from_slice(&output.stdout).unwrap();
        let all = all.as_array().unwrap().clone();
        all.into_iter().find(|one| one["what"] == "mail")
    };
    assert_eq!(found(check(&flags)).unwrap()["ok"], json!(true));
    server.react(Reaction::Refuse(451));
    drop(node);
    let gone = "smtp://127.0.0.1:1";
    let failed = found(check(&[
        "--smtp-url",
        gone,
        "--mail-from",
        "a@acme.example",
    ]))
    .unwrap();
    assert_eq!(failed["ok"], json!(false));
    assert!(
        failed["detail"].as_str().unwrap().contains(gone),
        "{failed}"
    );
    assert!(found(check(&[])).is_none());
}
