//! Users who belong to several accounts: how they join one, the switch between them, and who manages them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::portal::{Browser, PASSWORD, hidden, person, set_password};
use crate::support::smtp_server::{Reaction, SmtpServer};
use crate::support::{Node, Reply, World, each_case, eventually, within};

const ADA: &str = "ada@one.example";
const BOB: &str = "bob@two.example";
const EVE: &str = "eve@two.example";
const OPERATOR: &str = "op@keyward.example";
const NEW_PASSWORD: &str = "lantern gravel orbit";
const JOIN: &str = "/portal/join";
const ACCEPT: &str = "/portal/join/accept";
const DECLINE: &str = "/portal/join/decline";
const SWITCH: &str = "/portal/switch-account";
/// The rights of an administrator over people.
const USERS: &str = "keyward:users:read keyward:users:write keyward:accounts:read keyward:clients:read keyward:resources:read \
                     keyward:clients:write keyward:keys:read keyward:keys:write keyward:trust-rules:read keyward:trust-rules:write \
                     keyward:tokens:read keyward:tokens:revoke keyward:audit:read keyward:registration:read keyward:registration:write \
                     keyward:webhooks:read keyward:webhooks:write";

/// The accounts One and Two, with an administrator each, and a viewer of Two. Returns the ids.
fn accounts(world: &World) -> (String, String) {
    let id = |name: &str| {
        world.cli(&["account", "create", "--name", name])["id"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let ids = (id("One"), id("Two"));
    person(world, ADA, "administrator", Some("One"));
    person(world, BOB, "administrator", Some("Two"));
    person(world, EVE, "viewer", Some("Two"));
    ids
}

/// The TOTP code of a secret, some steps from now.
fn totp_code(secret: &str, steps: i64) -> String {
    use totp_rs::{Builder, Secret};
    let secret = Secret::try_from_base32(secret).unwrap();
    let totp = Builder::new().with_secret(secret).with_account_name("x");
    let at = keyward::clock::Timestamp::now().seconds() + 30 * steps;
    let totp = totp.build().unwrap();
    totp.generate(at.try_into().unwrap()).to_string()
}

/// Adds a user to a further account, as an invitation that was accepted does.
fn add(world: &World, email: &str, account_id: &str, role: &str) {
    world.execute(&format!(
        "INSERT INTO memberships (user_id, account_id, role, created_at) \
         SELECT id, '{account_id}', '{role}', 1 FROM users WHERE email = '{email}'"
    ));
}

fn invite(world: &World, email: &str, account: &str, role: &str) -> Value {
    let flags = ["--email", email, "--account", account, "--role", role];
    world.cli(&[&["account-invitation", "create"], &flags[..]].concat())
}

fn link_of(invitation: &Value) -> &str {
    invitation["link"].as_str().unwrap()
}

fn id_of(value: &Value) -> &str {
    value["id"].as_str().unwrap()
}

fn open(browser: &Browser<'_>, link: &str) -> Reply {
    browser.fill(JOIN, JOIN, &[("link", link)])
}

/// Accepts an invitation with a new password.
fn accept(browser: &Browser<'_>, link: &str, current: &str, new: &str) -> Reply {
    let fields = [("current", current), ("new", new)];
    browser.submit(&open(browser, link), ACCEPT, &fields)
}

fn switch(browser: &Browser<'_>, account_id: &str) -> Reply {
    browser.act(SWITCH, &[("account", account_id)])
}

/// The name of the account that the session uses, in the menu of a user of several accounts.
fn in_use(browser: &Browser<'_>) -> String {
    let page = browser.get("/portal/profile");
    let (_, rest) = page
        .body
        .split_once("<span class=\"name\">")
        .unwrap_or_else(|| panic!("{}: no menu: {}", page.status, page.body));
    rest.split('<').next().unwrap().to_owned()
}

fn is_signed_in(browser: &Browser<'_>) -> bool {
    browser.get("/portal/profile").status == 200
}

fn management(node: &Node, token: &str, method: &str, path: &str, body: &Value) -> Reply {
    node.json(method, &format!("/api/v1{path}"), Some(token), body)
}

/// A token with the rights of an administrator of an account.
fn administrator(world: &World, node: &Node, account: &str) -> String {
    node.token(&world.manager(node, &["--account", account], USERS))
}

fn entries(world: &World, action: &str, account_id: &str) -> i64 {
    world.count(&format!(
        "SELECT count(*) FROM audit WHERE action = '{action}' AND account_id = '{account_id}'"
    ))
}

/// The flags of a node that sends to this server.
fn mail_flags(server: &SmtpServer) -> [String; 4] {
    let url = format!("smtp://127.0.0.1:{}", server.port);
    ["--smtp-url", &url, "--mail-from", "keyward@one.example"].map(str::to_owned)
}

fn user<'a>(users: &'a Value, email: &str) -> Option<&'a Value> {
    let users = users.as_array().or(users["items"].as_array()).unwrap();
    users.iter().find(|user| user["email"] == email)
}

/// The id of the only account of a user.
fn in_one_account(world: &World, email: &str) -> String {
    let users = world.cli(&["user", "list"]);
    let accounts = &user(&users, email).unwrap()["accounts"];
    assert_eq!(accounts.as_array().unwrap().len(), 1);
    accounts[0]["account"].as_str().unwrap().to_owned()
}

on_both! {
    fn a_user_of_another_account_joins_by_a_link(world: World) {
        let (one, two) = accounts(&world);
        person(&world, OPERATOR, "operator", None);
        let node = world.start();
        let token = administrator(&world, &node, "One");
        let post = |body: &Value| management(&node, &token, "POST", "/account-invitations", body);
        let body = |email: &str, role: &str| json!({"email": email, "role": role});
        assert_eq!(management(&node, &token, "POST", "/users", &body(BOB, "developer")).status, 409);
        for (email, role, status) in [
            ("nobody@two.example", "developer", 404),
            (OPERATOR, "developer", 409),
            (ADA, "viewer", 409),
            ("no address", "viewer", 400),
            (BOB, "operator", 403),
        ] {
            let reply = post(&body(email, role));
            assert_eq!(reply.status, status, "{email} {role}: {}", reply.body);
        }
        let first = post(&body(BOB, "viewer"));
        assert_eq!(first.status, 201, "{}", first.body);
        let first = first.json();
        // Another one replaces it.
        let key = [("idempotency-key", "a"), ("content-type", "application/json"), ("authorization", &format!("Bearer {token}"))];
        let again = || node.send("POST", "/api/v1/account-invitations", &key, body(BOB, "developer").to_string().as_bytes());
        let (second, repeated) = (again(), again());
        assert_eq!((second.status, repeated.status), (201, 200), "{}", repeated.body);
        let (second, repeated) = (second.json(), repeated.json());
        assert_eq!(second["id"], repeated["id"]);
        assert!(repeated.get("link").is_none() && second["mailed"] == false, "{repeated}");
        let open_ones = management(&node, &token, "GET", "/account-invitations", &Value::Null).json();
        assert_eq!(open_ones["items"].as_array().unwrap().len(), 1);
        assert_eq!(open_ones["items"][0]["role"], "developer");
        let of_two = administrator(&world, &node, "Two");
        let others = management(&node, &of_two, "GET", "/account-invitations", &Value::Null).json();
        assert_eq!(others["items"], json!([]));
        let path = format!("/account-invitations/{}", id_of(&second));
        assert_eq!(management(&node, &of_two, "DELETE", &path, &Value::Null).status, 404);

        let listed = world.cli(&["account-invitation", "list"]);
        assert_eq!((&listed[0]["email"], &listed[0]["account_name"]), (&json!(BOB), &json!("One")));
        assert!(!listed.to_string().contains("kwv_"), "{listed}");

        // Nothing is given yet.
        let link = link_of(&second).to_owned();
        let (bob, phone) = (Browser::of(&node, BOB), Browser::of(&node, BOB));
        assert!(!bob.get("/portal/profile").body.contains("One"));
        let users = management(&node, &token, "GET", "/users", &Value::Null).json();
        assert!(user(&users, BOB).is_none(), "{users}");
        // The administrator sees it.
        let ada = Browser::of(&node, ADA);
        let people = ada.get("/portal/people");
        assert!(people.body.contains(BOB) && people.body.contains("Open invitations"), "{}", people.body);

        // It is only for that user, who has to sign in first.
        assert_eq!(open(&bob, link_of(&first)).status, 404, "replaced");
        assert_eq!(open(&bob, "kwv_wrong").status, 404);
        let eve = Browser::of(&node, EVE);
        let refused = open(&eve, &link);
        assert_eq!(refused.status, 403);
        assert!(refused.body.contains("someone else") && !refused.body.contains(BOB), "{}", refused.body);
        assert_eq!(eve.act(ACCEPT, &[("link", &link)]).status, 403);
        assert_eq!(eve.act(DECLINE, &[("link", &link)]).status, 403);
        let stranger = Browser::new(&node);
        let sign_in = open(&stranger, &link);
        assert!(sign_in.body.contains("To see this invitation"), "{}", sign_in.body);
        let on = stranger.submit(&sign_in, "/portal/sign-in", &[("email", BOB), ("password", PASSWORD)]);
        let offer = stranger.submit(&on, JOIN, &[]);
        assert!(offer.body.contains("One") && offer.body.contains("Developer"), "{}", offer.body);

        // The administrators of the first account may know the password, or have a link for another one.
        let stale = world.cli(&["user", "invite", BOB]);
        for (current, new) in [("wrong password 1", NEW_PASSWORD), (PASSWORD, PASSWORD), (PASSWORD, "2 shrt"), (PASSWORD, ""), ("", "")] {
            let reply = accept(&bob, &link, current, new);
            assert_eq!(reply.status, 400, "{current} {new}: {}", reply.body);
        }
        assert_eq!(world.count("SELECT count(*) FROM memberships"), 0);
        let before = bob.cookie("keyward");
        let joined = accept(&bob, &link, PASSWORD, NEW_PASSWORD);
        assert_eq!(joined.leads_to(), "/portal/profile?done=joined", "{}", joined.body);
        assert_ne!(bob.cookie("keyward"), before);
        assert!(bob.get("/portal/profile?done=joined").body.contains("You joined One."));
        assert_eq!(in_use(&bob), "One");
        assert!(!is_signed_in(&phone) && !is_signed_in(&stranger), "other sessions end");
        assert_eq!(phone.sign_in(BOB, PASSWORD).status, 403);
        assert_eq!(Browser::new(&node).open(link_of(&stale)).status, 404, "the link for a password is gone");
        assert_eq!(open(&bob, &link).status, 404, "a link is used once");
        for action in ["account_invitation.create", "account_invitation.accept"] {
            assert!(entries(&world, action, &one) >= 1, "{action}");
        }
        assert_eq!(entries(&world, "user.change_password", &two), 1);
        // The role takes effect: a developer does not see people.
        assert_eq!([bob.status("/portal/applications"), bob.status("/portal/people")], [200, 403]);
        assert_eq!(switch(&bob, &two).leads_to(), "/portal");
        assert_eq!(bob.status("/portal/people"), 200);
        assert_eq!(phone.sign_in(BOB, NEW_PASSWORD).status, 303);
        assert_eq!(in_use(&phone), "Two", "a session begins in the account that was last in use");
    }

    fn the_portal_invites_users_of_other_accounts(world: World) {
        let (one, _) = accounts(&world);
        person(&world, OPERATOR, "operator", None);
        let node = world.start();
        let ada = Browser::of(&node, ADA);
        let fields = [("email", EVE), ("role", "developer")];
        let created = ada.fill("/portal/people", "/portal/people", &fields);
        assert_eq!(created.status, 200, "{}", created.body);
        let first = created.shown("link");
        let people = ada.get("/portal/people");
        let action = |name: &str| {
            let found = people.body.split('"').find(|text| text.starts_with("/portal/account-invitations/") && text.ends_with(name));
            found.unwrap_or_else(|| panic!("{name}: {}", people.body)).to_owned()
        };
        let renewed = ada.submit(&people, &action("/renew"), &[]);
        let second = renewed.shown("link");
        let eve = Browser::of(&node, EVE);
        assert_eq!([open(&eve, &first).status, open(&eve, &second).status], [404, 200]);
        let late = ada.submit(&people, &action("/withdraw"), &[]);
        assert!(late.status == 404 && late.body.contains("newer invitation"), "{}", late.body);
        let people = ada.get("/portal/people");
        let withdraw = people.body.split('"').find(|text| text.ends_with("/withdraw")).unwrap().to_owned();
        assert_eq!(ada.submit(&people, &withdraw, &[]).status, 303);
        assert_eq!(open(&eve, &second).status, 404);
        assert_eq!(entries(&world, "account_invitation.delete", &one), 1);
        // An operator chooses the account.
        let op = Browser::of(&node, OPERATOR);
        let fields = [("email", EVE), ("role", "viewer"), ("account", one.as_str())];
        let created = op.fill("/portal/people", "/portal/people", &fields);
        let link = created.shown("link");
        assert_eq!(accept(&eve, &link, PASSWORD, NEW_PASSWORD).status, 303);
        // Whoever belongs to it is not added again.
        let refused = op.fill("/portal/people", "/portal/people", &fields);
        assert_eq!(refused.status, 409, "{}", refused.body);
        // Without an account it is the oldest; and nobody becomes an operator.
        let fields = [("email", BOB), ("role", "viewer"), ("account", "")];
        assert_eq!(op.fill("/portal/people", "/portal/people", &fields).status, 200);
        let fields = [("email", BOB), ("role", "operator"), ("account", one.as_str())];
        assert_eq!(op.fill("/portal/people", "/portal/people", &fields).status, 409);
        // An operator sees and manages each membership.
        let users = world.cli(&["user", "list"]);
        let eve_id = id_of(user(&users, EVE).unwrap()).to_owned();
        let page = format!("/portal/people/{eve_id}");
        let shown = op.get(&page);
        assert!(shown.body.contains("One") && shown.body.contains("Two"), "{}", shown.body);
        // No role is chosen in advance, which would be that of the other account.
        let chosen = shown.body.split("<select").find(|select| select.contains("name=\"role\"")).unwrap();
        assert!(chosen.contains("value=\"\" selected") && chosen.matches(" selected").count() == 1, "{chosen}");
        assert_eq!(op.act(&format!("{page}/role"), &[("role", ""), ("account", &one)]).status, 400);
        assert_eq!(op.act(&format!("{page}/role"), &[("role", "developer")]).status, 400, "no account is named");
        assert_eq!(op.act(&format!("{page}/role"), &[("role", "developer"), ("account", &one)]).status, 303);
        let confirm = op.get(&format!("{page}/remove?account={one}"));
        let alone = op.get(&format!("{page}/remove"));
        assert!(alone.body.contains("can no longer sign in"), "{}", alone.body);
        assert_eq!(op.submit(&confirm, &format!("{page}/remove"), &[]).status, 303);
        let users = world.cli(&["user", "list"]);
        assert_eq!(user(&users, EVE).unwrap()["accounts"].as_array().unwrap().len(), 1);
    }

    /// Who is removed from the only account is deleted, if that was confirmed.
    fn a_user_is_deleted_only_if_that_was_confirmed(world: World) {
        let (one, two) = accounts(&world);
        add(&world, EVE, &one, "viewer");
        person(&world, "ann@one.example", "viewer", Some("One"));
        let node = world.start();
        let users = world.cli(&["user", "list"]);
        let page = |email: &str| format!("/portal/people/{}/remove", id_of(user(&users, email).unwrap()));
        let (ada, path) = (Browser::of(&node, ADA), page(EVE));
        let confirm = ada.get(&path);
        assert!(confirm.body.contains("can no longer use the account One"), "{}", confirm.body);
        // Meanwhile One became the only account.
        world.cli(&["user", "delete", EVE, "--account", "Two", "--yes"]);
        let before = world.count("SELECT count(*) FROM audit");
        let refused = ada.submit(&confirm, &path, &[]);
        assert!(refused.status == 409 && refused.body.contains("would delete their sign-in"), "{}", refused.body);
        assert_eq!(world.count("SELECT count(*) FROM audit"), before);
        let confirm = ada.get(&path);
        assert!(confirm.body.contains("this is their only account"), "{}", confirm.body);
        // Meanwhile the user belongs to another one: nobody is deleted.
        add(&world, EVE, &two, "viewer");
        assert_eq!(ada.submit(&confirm, &path, &[]).status, 303);
        assert_eq!(in_one_account(&world, EVE), two);
        // Somebody else was faster.
        for reply in [ada.submit(&confirm, &path, &[]), ada.get(&path), ada.get(path.trim_end_matches("/remove"))] {
            assert!(reply.status == 404 && reply.body.contains("was removed, or has left") && reply.body.contains("Go to people"), "{}", reply.body);
        }
        let path = page("ann@one.example");
        assert_eq!(ada.fill(&path, &path, &[]).leads_to(), "/portal/people?done=person-deleted");
        // An operator, for whom the user is of no account in particular: the same.
        person(&world, OPERATOR, "operator", None);
        let (operator, path) = (Browser::of(&node, OPERATOR), page(EVE));
        let confirm = operator.get(&path);
        assert!(confirm.body.contains("this is their only account"), "{}", confirm.body);
        add(&world, EVE, &one, "viewer");
        assert_eq!(operator.submit(&confirm, &path, &[]).leads_to(), "/portal/people?done=person-removed");
        assert_eq!(in_one_account(&world, EVE), one);
        add(&world, EVE, &two, "viewer");
        world.cli(&["user", "delete", EVE, "--account", "One", "--yes"]);
        // The command tells what it did.
        add(&world, EVE, &one, "viewer");
        let told = |account: &str| {
            let out = world.command(&["user", "delete", EVE, "--account", account, "--yes"]).output().unwrap();
            String::from_utf8(out.stdout).unwrap()
        };
        assert!(told("One").contains("Removed the user eve@two.example from the account One"));
        assert!(told("Two").contains("Deleted the user eve@two.example, whose only account was Two"));
        assert!(user(&world.cli(&["user", "list"]), EVE).is_none());
    }

    /// Invitations end with the right to make them, and do not come back with it.
    fn invitations_end_with_the_right_to_invite(world: World) {
        let (one, two) = accounts(&world);
        add(&world, ADA, &two, "administrator");
        person(&world, OPERATOR, "operator", None);
        person(&world, "ann@one.example", "viewer", Some("One"));
        person(&world, "cy@two.example", "viewer", Some("Two"));
        let node = world.start();
        let count = || world.count("SELECT count(*) FROM account_invitations");
        let by = |email: &str, invited: &str| {
            let role = [("email", invited), ("role", "viewer")];
            let browser = Browser::of(&node, email);
            if email == ADA {
                switch(&browser, &one);
            }
            let account = [("account", one.as_str())];
            let fields = if email == OPERATOR { [&role[..], &account[..]].concat() } else { role.to_vec() };
            let page = browser.fill("/portal/people", "/portal/people", &fields);
            assert_eq!(page.status, 200, "{}", page.body);
        };
        let ended = || world.count(&format!("SELECT count(*) FROM audit WHERE action = 'account_invitation.delete' AND account_id = '{one}' AND target = '{EVE}'"));
        let set_role = |role: &str| world.cli(&["user", "set-role", ADA, role, "--account", "One"]);
        by(ADA, EVE);
        // The role in another account does not matter, and neither does a role that still suffices.
        world.cli(&["user", "set-role", ADA, "viewer", "--account", "Two"]);
        assert_eq!((count(), ended()), (1, 0));
        set_role("developer");
        assert_eq!((count(), ended()), (0, 1));
        set_role("administrator");
        assert_eq!(count(), 0);
        by(ADA, EVE);
        // Another one of somebody else stays.
        invite(&world, BOB, "One", "viewer");
        world.cli(&["user", "delete", ADA, "--account", "One", "--yes"]);
        assert_eq!((count(), ended()), (1, 2));
        by(OPERATOR, EVE);
        world.cli(&["user", "delete", OPERATOR, "--yes"]);
        assert_eq!((count(), ended()), (1, 3));
        // Whoever leaves.
        add(&world, ADA, &one, "administrator");
        let own = Browser::of(&node, ADA);
        by(ADA, EVE);
        add(&world, "cy@two.example", &one, "administrator");
        let leave = format!("/portal/profile/accounts/{one}/leave");
        assert_eq!(own.fill(&leave, &leave, &[]).status, 303);
        assert_eq!((count(), ended()), (1, 4));
        // Clients.
        let client = world.manager(&node, &["--account", "One"], USERS);
        let token = node.token(&client);
        let again = || {
            let body = json!({"email": EVE, "role": "viewer"});
            assert_eq!(management(&node, &token, "POST", "/account-invitations", &body).status, 201);
        };
        again();
        world.cli(&["client", "update", &client.id, "--name", "Other"]);
        assert_eq!((count(), ended()), (2, 4));
        world.cli(&["client", "disable", &client.id]);
        assert_eq!((count(), ended()), (1, 5));
        world.cli(&["client", "enable", &client.id]);
        again();
        world.cli(&["client", "delete", &client.id, "--yes"]);
        assert_eq!((count(), ended()), (1, 6));
        let details = world.text("SELECT MAX(details) FROM audit WHERE action LIKE 'account_invitation.%'");
        assert_eq!(details, r#"{"role":"viewer"}"#);
        assert_eq!(world.count("SELECT count(*) FROM audit WHERE action LIKE 'account_invitation.%' AND details IS NULL"), 0);
    }

    fn the_portal_says_what_became_of_an_invitation(world: World) {
        accounts(&world);
        let node = world.start();
        let (ada, eve) = (Browser::of(&node, ADA), Browser::of(&node, EVE));
        let link = || {
            let created = ada.fill("/portal/people", "/portal/people", &[("email", EVE), ("role", "viewer")]);
            created.shown("link")
        };
        each_case([
            ("has expired", (|_, _, world| world.execute("UPDATE account_invitations SET expires_at = 1")) as fn(&Browser<'_>, &str, &World)),
            ("has expired", |_, _, world| world.execute("DELETE FROM account_invitations")),
            ("was withdrawn", |_, _, world| {
                let id = world.text("SELECT id FROM account_invitations");
                world.cli(&["account-invitation", "delete", &id, "--yes"]);
            }),
            ("has declined", |eve, link, _| assert_eq!(eve.act(DECLINE, &[("link", link)]).status, 303)),
            ("has replaced this one", |_, _, world| {
                invite(world, EVE, "One", "viewer");
            }),
            ("has accepted", |eve, link, _| assert_eq!(accept(eve, link, PASSWORD, NEW_PASSWORD).status, 303)),
        ], |(what, end)| {
            let link = link();
            let people = ada.get("/portal/people");
            let action = |name: &str| people.body.split('"').find(|text| text.starts_with("/portal/account-invitations/") && text.ends_with(name)).unwrap().to_owned();
            end(&eve, &link, &world);
            let expired = what == "has expired" && world.count("SELECT count(*) FROM account_invitations") > 0;
            for name in if expired { &["/renew"][..] } else { &["/renew", "/withdraw"] } {
                let reply = ada.submit(&people, &action(name), &[]);
                assert!(reply.status == 404 && reply.body.contains(what) && reply.body.contains("Go to people"), "{what} {name}: {}", reply.body);
            }
            let gone = open(&eve, &link);
            assert!(gone.status == 404 && gone.body.contains("accepted, withdrawn or replaced"), "{what}: {}", gone.body);
        });
    }

    fn who_has_no_password_is_not_invited(world: World) {
        accounts(&world);
        world.cli(&["user", "create", "--email", "new@two.example", "--role", "viewer", "--account", "Two"]);
        let node = world.start();
        let ada = Browser::of(&node, ADA);
        let refused = ada.fill("/portal/people", "/portal/people", &[("email", "new@two.example"), ("role", "viewer")]);
        assert!(refused.status == 409 && refused.body.contains("set a password yet"), "{}", refused.body);
        let told = world.refused(&["account-invitation", "create", "--email", "new@two.example", "--role", "viewer", "--account", "One"]);
        assert!(told.contains("password link first"), "{told}");
        // The administrator was told something of another account.
        assert_eq!(world.count("SELECT count(*) FROM audit WHERE action = 'account_invitation.refused'"), 1);
        assert_eq!(world.count("SELECT count(*) FROM account_invitations"), 0);
        set_password(&world, "new@two.example", PASSWORD);
        invite(&world, "new@two.example", "One", "viewer");
        // The command that creates users names the one that invites.
        let told = world.refused(&["user", "create", "--email", "new@two.example", "--role", "viewer", "--account", "One"]);
        assert!(told.contains("keyward account-invitation create"), "{told}");
        let usage = |arguments: &[&str]| {
            let out = world.command(arguments).output().unwrap();
            assert_eq!(out.status.code(), Some(2));
            String::from_utf8(out.stderr).unwrap()
        };
        let told = usage(&["account-invitation", "create", "--email", EVE, "--role", "boss"]);
        assert!(told.contains("administrator, developer, viewer") && !told.contains("operator"), "{told}");
        let told = usage(&["account", "update", "One"]);
        assert!(["--name", "--require-second-factor", "--max-clients", "--language"].iter().all(|flag| told.contains(flag)), "{told}");
    }

    /// Whoever manages two accounts can make a user join the second one: having several proves nothing, so
    /// what an administrator of the first could know or set ends at each account that the user joins.
    fn a_user_of_several_accounts_joins_another_one_with_a_new_password(world: World) {
        let (one, _) = accounts(&world);
        add(&world, EVE, &one, "viewer");
        world.cli(&["account", "create", "--name", "Three"]);
        world.cli(&["user", "invite", EVE]);
        let node = world.start();
        let (eve, phone) = (Browser::of(&node, EVE), Browser::of(&node, EVE));
        world.execute(&format!("UPDATE users SET email_notices = FALSE WHERE email = '{EVE}'"));
        let invitation = invite(&world, EVE, "Three", "administrator");
        let offer = open(&eve, link_of(&invitation));
        assert!(offer.body.contains("Administrator"), "{}", offer.body);
        each_case([("", ""), (PASSWORD, PASSWORD), ("wrong", NEW_PASSWORD)], |(current, new)| {
            let refused = eve.submit(&offer, ACCEPT, &[("current", current), ("new", new)]);
            assert_eq!(refused.status, 400, "{current} {new}: {}", refused.body);
        });
        let joined = eve.submit(&offer, ACCEPT, &[("current", PASSWORD), ("new", NEW_PASSWORD)]);
        assert_eq!(joined.leads_to(), "/portal/profile?done=joined", "{}", joined.body);
        assert!(!is_signed_in(&phone) && in_use(&eve) == "Three");
        assert_eq!(eve.status("/portal/people"), 200);
        assert_ne!(Browser::new(&node).sign_in(EVE, PASSWORD).status, 303);
        assert_eq!(world.count("SELECT count(*) FROM invitations"), 0, "the link for a password ended");
        assert_eq!(world.count("SELECT count(*) FROM users WHERE email_notices = FALSE"), 0);
        assert_eq!(world.text("SELECT details FROM audit WHERE action = 'user.set_preferences'"), r#"{"email_notices":true}"#);
        assert!(eve.get("/portal/profile").body.contains("<p class=\"in_use\">Account: Three</p>"));
        // There is a limit.
        let rows: Vec<String> = (0..48).map(|number| format!("('many {number}', 'many {number}', 1)")).collect();
        world.execute(&format!("INSERT INTO accounts (id, name, created_at) VALUES {}", rows.join(", ")));
        for number in 0..47 {
            add(&world, EVE, &format!("many {number}"), "viewer");
        }
        let last = invite(&world, EVE, "many 47", "viewer");
        let passwords = [("current", NEW_PASSWORD), ("new", PASSWORD)];
        let refused = eve.submit(&open(&eve, link_of(&last)), ACCEPT, &passwords);
        assert_eq!(refused.status, 409, "{}", refused.body);
        assert!(refused.body.contains("at most 50"), "{}", refused.body);
    }

    fn of_two_administrators_who_remove_each_other_at_once_one_stays(world: World) {
        accounts(&world);
        let node = world.start();
        for round in 0..5 {
            let account = format!("Duo {round}");
            world.cli(&["account", "create", "--name", &account]);
            let emails = ["a", "b"].map(|name| format!("{name}{round}@duo.example"));
            for email in &emails {
                person(&world, email, "administrator", Some(&account));
            }
            let users = world.cli(&["user", "list"]);
            let pages = emails.each_ref().map(|email| format!("/portal/people/{}", id_of(user(&users, email).unwrap())));
            let browsers = emails.each_ref().map(|email| Browser::of(&node, email));
            let [a, b] = browsers;
            let others = [(a, &pages[1]), (b, &pages[0])];
            std::thread::scope(|scope| {
                let removed = others.map(|(browser, page)| {
                    scope.spawn(move || browser.act(&format!("{page}/remove"), &[("deletes", "on")]).status)
                });
                let mut statuses = removed.map(|removal| removal.join().unwrap());
                statuses.sort_unstable();
                assert_eq!(statuses[0], 303, "{statuses:?}");
                assert!(statuses[1] >= 400, "{statuses:?}");
            });
            let left = world.count(&format!("SELECT count(*) FROM users WHERE email LIKE '%{round}@duo.example'"));
            assert_eq!(left, 1);
        }
    }

    fn an_invitation_ends(world: World) {
        let (one, _) = accounts(&world);
        person(&world, "ann@one.example", "administrator", Some("One"));
        let node = world.start();
        let bob = Browser::of(&node, BOB);
        let by_ann = || {
            let ann = Browser::of(&node, "ann@one.example");
            let fields = [("email", BOB), ("role", "administrator")];
            ann.fill("/portal/people", "/portal/people", &fields).shown("link")
        };
        let link = || link_of(&invite(&world, BOB, "One", "viewer")).to_owned();
        let is_open = |link: &str| open(&bob, link).status == 200;
        let usable = link();
        assert!(is_open(&usable));
        each_case([
            ("declined", (|bob, link, _| assert_eq!(bob.act(DECLINE, &[("link", link)]).leads_to(), "/portal/profile?done=invitation-declined")) as fn(&Browser<'_>, &str, &World)),
            ("expired", |_, _, world| world.execute("UPDATE account_invitations SET expires_at = 1")),
            ("withdrawn", |_, _, world| {
                let id = world.text("SELECT id FROM account_invitations");
                world.cli(&["account-invitation", "delete", &id, "--yes"]);
                assert!(world.refused(&["account-invitation", "delete", &id, "--yes"]).contains("no account invitation"));
            }),
        ], |(what, end)| {
            let link = link();
            end(&bob, &link, &world);
            assert_eq!(open(&bob, &link).status, 404, "{what}");
            let fields = [("link", link.as_str()), ("current", PASSWORD), ("new", NEW_PASSWORD)];
            assert_eq!(bob.act(ACCEPT, &fields).status, 404, "{what}");
            assert_eq!(bob.act(DECLINE, &fields).status, 404, "{what}");
        });
        assert_eq!(entries(&world, "account_invitation.decline", &one), 1);
        // The inviter lost the right, or the role that was offered.
        let offered = by_ann();
        assert!(is_open(&offered));
        world.cli(&["user", "set-role", "ann@one.example", "developer"]);
        assert!(!is_open(&offered));
        world.cli(&["user", "set-role", "ann@one.example", "administrator"]);
        assert!(!is_open(&offered), "it does not come back");
        let offered = by_ann();
        world.cli(&["user", "delete", "ann@one.example", "--yes"]);
        assert!(!is_open(&offered));
        // A closed account takes nobody.
        let late = link();
        world.cli(&["account", "close", "One"]);
        assert_eq!(accept(&bob, &late, PASSWORD, NEW_PASSWORD).status, 403);
        assert!(world.refused(&["account-invitation", "create", "--email", EVE, "--account", "One", "--role", "viewer"]).contains("closed"));
        world.cli(&["account", "reopen", "One"]);
        assert_eq!(world.count("SELECT count(*) FROM memberships"), 0);
        // Two at once.
        set_password(&world, BOB, PASSWORD);
        let both = [Browser::of(&node, BOB), Browser::of(&node, BOB)];
        let statuses = std::thread::scope(|scope| {
            let late = &late;
            let both = both.map(|browser| scope.spawn(move || accept(&browser, late, PASSWORD, NEW_PASSWORD).status));
            both.map(|one| one.join().unwrap())
        });
        assert!(statuses.contains(&303), "{statuses:?}");
        assert_eq!(world.count("SELECT count(*) FROM memberships"), 1, "{statuses:?}");
        assert_eq!(entries(&world, "account_invitation.accept", &one), 1, "{statuses:?}");
    }

    fn a_session_switches_between_accounts(world: World) {
        let (one, two) = accounts(&world);
        add(&world, BOB, &one, "viewer");
        let three = world.cli(&["account", "create", "--name", "Three"]);
        let three = id_of(&three);
        for account in ["One", "Two"] {
            world.cli(&["client", "create", "--name", &format!("App of {account}"), "--account", account]);
        }
        let node = world.start();
        let (bob, other) = (Browser::of(&node, BOB), Browser::of(&node, BOB));
        let apps = |browser: &Browser<'_>| {
            let page = browser.get("/portal/applications").body;
            ["One", "Two"].map(|account| page.contains(&format!("App of {account}")))
        };
        assert_eq!((in_use(&bob).as_str(), apps(&bob)), ("Two", [false, true]));
        // A form of another tab.
        let people = bob.get("/portal/people");
        let profile = bob.get("/portal/profile");
        assert_eq!(switch(&bob, &one).leads_to(), "/portal");
        assert_eq!((in_use(&bob).as_str(), apps(&bob), apps(&other)), ("One", [true, false], [false, true]));
        assert_eq!(bob.status("/portal/people"), 403, "a viewer there");
        assert_eq!(entries(&world, "session.switch_account", &one), 1);
        let before = world.count("SELECT count(*) FROM audit");
        let late = bob.submit(&people, "/portal/people", &[("email", "new@two.example"), ("role", "viewer")]);
        assert_eq!(late.status, 403);
        assert!(late.body.contains("You switched accounts") && late.body.contains("Two"), "{}", late.body);
        assert!(!late.body.contains("new@two.example") && !late.body.contains("Submit again"), "{}", late.body);
        let late_too = bob.submit(&profile, "/portal/profile/preferences", &[("time_zone", "Europe/Paris")]);
        assert_eq!((late_too.status, world.count("SELECT count(*) FROM audit")), (403, before));
        // A token of the previous version names no account.
        let token = bob.form_token();
        let unnamed = bob.post("/portal/people", &[], &[("csrf_token", token.split('.').next().unwrap())]);
        assert!(unnamed.status == 403 && unnamed.body.contains("earlier session"), "{}", unnamed.body);
        // One that was opened in an account of no concern leads nowhere.
        let gone = bob.post("/portal/people", &[], &[("csrf_token", &token.replace(one.as_str(), three))]);
        assert!(gone.status == 403 && gone.body.contains("can no longer use"), "{}", gone.body);
        assert_eq!(bob.submit(&late, SWITCH, &[("account", &two)]).leads_to(), "/portal");
        assert_eq!(in_use(&bob), "Two");
        // The switch itself takes a form of any tab, but of this session.
        assert_eq!(bob.submit(&people, SWITCH, &[("account", &one)]).leads_to(), "/portal");
        assert_eq!(bob.post(SWITCH, &[], &[("csrf_token", &other.form_token()), ("account", &two)]).status, 403);
        assert_eq!(in_use(&bob), "One");
        for unknown in [three, "", "\0", "One", "unknown"] {
            assert_eq!(switch(&bob, unknown).status, 404, "{unknown:?}");
        }
        assert_eq!(switch(&Browser::of(&node, EVE), &one).status, 404);
        // Announcements are those of the account in use.
        world.cli(&["announcement", "create", "--text-en", "Only for One", "--text-fr", "Pour One seul", "--account", "One", "--until", &crate::announcements::soon()]);
        let announced = |browser: &Browser<'_>| browser.get("/portal/profile").body.contains("Only for One");
        assert!(announced(&bob) && !announced(&other));
        world.cli(&["account", "close", "Two"]);
        assert_eq!(switch(&bob, &two).status, 403);
        world.cli(&["account", "reopen", "Two"]);
        // A session that has ended: the form is not submitted in the account in which the next one begins.
        assert_eq!(switch(&bob, &two).status, 303);
        let form = bob.get("/portal/people");
        assert_eq!(switch(&bob, &one).status, 303);
        bob.fill("/portal/profile", "/portal/sign-out", &[]);
        let late = bob.submit(&form, "/portal/people", &[("email", "new@two.example"), ("role", "viewer")]);
        let signed_in = bob.submit(&late, "/portal/sign-in", &[("email", BOB), ("password", PASSWORD)]);
        assert!(signed_in.body.contains("You switched accounts"), "{}", signed_in.body);
        assert_eq!(world.count("SELECT count(*) FROM users WHERE email = 'new@two.example'"), 0);
        // A creation in each account with one key.
        let fields = |browser: &Browser<'_>, name: &str| {
            browser.act("/portal/people", &[("email", name), ("role", "viewer"), ("idempotency_key", "same")]).status
        };
        world.cli(&["user", "set-role", BOB, "administrator", "--account", "One"]);
        assert_eq!(fields(&bob, "first@one.example"), 200);
        assert_eq!(fields(&bob, "second@one.example"), 303, "done before");
        assert_eq!(switch(&bob, &two).status, 303);
        assert_eq!(fields(&bob, "third@two.example"), 200);
        let created = |email: &str| world.count(&format!("SELECT count(*) FROM users WHERE email = '{email}'"));
        assert_eq!(["first@one.example", "second@one.example", "third@two.example"].map(created), [1, 0, 1]);
    }

    fn a_session_follows_its_memberships(world: World) {
        let (one, two) = accounts(&world);
        add(&world, BOB, &one, "administrator");
        let nodes = [world.start_with(&["--issuer", "http://auth.example"]), world.start_with(&["--issuer", "http://auth.example"])];
        let node = &nodes[0];
        let bob = Browser::of(node, BOB);
        assert_eq!(switch(&bob, &one).status, 303);
        let form = bob.get("/portal/people");
        // The role takes effect with the next request, on every node.
        let token = administrator(&world, &nodes[1], "One");
        let role = |role: &str| management(&nodes[1], &token, "PATCH", &format!("/users/{BOB}"), &json!({"role": role})).status;
        assert_eq!((bob.status("/portal/people"), role("viewer")), (200, 200));
        assert_eq!(bob.status("/portal/people"), 403);
        assert_eq!(role("administrator"), 200);
        let of_two = user(&world.cli(&["user", "list"]), BOB).unwrap()["accounts"][0]["role"].clone();
        assert_eq!(of_two, "administrator", "the role in the other account stays");
        // Removed from the account in use.
        assert_eq!(management(&nodes[1], &token, "DELETE", &format!("/users/{BOB}"), &Value::Null).status, 204);
        assert_eq!((is_signed_in(&bob), entries(&world, "membership.delete", &one)), (true, 1));
        let late = bob.submit(&form, "/portal/people", &[("email", "new@one.example"), ("role", "viewer")]);
        assert!(late.status == 403 && late.body.contains("can no longer use"), "{}", late.body);
        assert_eq!(bob.status("/portal/people"), 200, "in Two");
        // It does not return by itself when the user is added again.
        add(&world, BOB, &one, "viewer");
        assert_eq!(in_use(&bob), "Two");
        // The first account is left: the other one takes its place.
        let of_two = administrator(&world, node, "Two");
        assert_eq!(management(node, &of_two, "DELETE", &format!("/users/{BOB}"), &Value::Null).status, 204);
        assert_eq!(world.count("SELECT count(*) FROM memberships"), 0);
        assert_eq!((is_signed_in(&bob), bob.status("/portal/people")), (true, 403));
        // The last one: the user is deleted.
        assert_eq!(management(node, &token, "DELETE", &format!("/users/{BOB}"), &Value::Null).status, 204);
        assert!(!is_signed_in(&bob) && user(&world.cli(&["user", "list"]), BOB).is_none());

        // A closed account.
        add(&world, EVE, &one, "developer");
        let (eve, there) = (Browser::of(node, EVE), Browser::of(node, EVE));
        assert_eq!(switch(&eve, &one).status, 303);
        world.cli(&["account", "close", "One"]);
        assert_eq!((is_signed_in(&eve), is_signed_in(&there)), (true, true));
        assert_eq!((in_use(&eve).as_str(), in_use(&there).as_str()), ("Two", "Two"));
        assert_eq!(Browser::new(node).sign_in(EVE, PASSWORD).status, 303, "in the open account");
        world.cli(&["account", "close", "Two"]);
        assert!(!is_signed_in(&eve) && !is_signed_in(&there));
        let refused = Browser::new(node).sign_in(EVE, PASSWORD);
        assert!(refused.status == 403 && refused.body.contains("This account is closed"), "{}", refused.body);
        world.cli(&["account", "reopen", "One"]);
        let eve = Browser::of(node, EVE);
        assert_eq!(in_use(&eve), "One");
        world.cli(&["account", "reopen", "Two"]);
        // The deletion of an account leaves those who have another one.
        world.cli(&["account", "close", "Two"]);
        world.cli(&["account", "delete", "Two", "--name", "Two", "--yes"]);
        within(Duration::from_secs(60), "the end of the account", || {
            (world.count(&format!("SELECT count(*) FROM accounts WHERE id = '{two}'")) == 0).then_some(())
        });
        let users = world.cli(&["user", "list"]);
        assert_eq!(user(&users, EVE).unwrap()["account_name"], "One");
        assert!(is_signed_in(&eve));
    }

    fn the_account_in_use_decides_on_the_second_factor(world: World) {
        let (one, two) = accounts(&world);
        add(&world, EVE, &one, "viewer");
        world.cli(&["account", "update", "One", "--require-second-factor", "on"]);
        let node = world.start();
        let eve = Browser::of(&node, EVE);
        assert_eq!(eve.status("/portal/profile"), 200);
        assert_eq!(switch(&eve, &one).status, 303);
        assert_eq!(eve.get("/portal/profile").leads_to(), "/portal/profile/second-factor");
        let enrolment = eve.get("/portal/profile/second-factor");
        assert!(enrolment.body.contains("Two"), "{}", enrolment.body);
        assert_eq!(eve.submit(&enrolment, SWITCH, &[("account", &two)]).status, 303);
        assert_eq!(eve.status("/portal/profile"), 200);
    }

    /// The second factor of the account in use comes first, and the link is not lost.
    fn a_link_to_join_survives_the_sign_in_and_the_set_up_of_the_second_factor(world: World) {
        accounts(&world);
        world.cli(&["account", "update", "Two", "--require-second-factor", "on"]);
        let node = world.start();
        let link = link_of(&invite(&world, EVE, "One", "viewer")).to_owned();
        let set_up = "/portal/profile/second-factor";
        // Signed in before.
        let early = Browser::of(&node, EVE);
        let token = hidden(&early.get(set_up), set_up).remove(0).1;
        let form = early.post(JOIN, &[], &[("csrf_token", &token), ("link", &link)]);
        assert!(form.status == 200 && form.body.contains("requires two-step verification"), "{}", form.body);
        // Signed in only then.
        let eve = Browser::new(&node);
        let sign_in = open(&eve, &link);
        let form = eve.submit(&sign_in, "/portal/sign-in", &[("email", EVE), ("password", PASSWORD)]);
        assert!(form.status == 200 && !eve.cookie("keyward").is_empty(), "{}", form.body);
        let wrong = eve.submit(&form, set_up, &[("password", PASSWORD), ("code", "000000x")]);
        assert_eq!(wrong.status, 403, "{}", wrong.body);
        let code = totp_code(&form.shown("secret"), 0);
        let codes = eve.submit(&wrong, set_up, &[("password", PASSWORD), ("code", &code)]);
        assert!(codes.body.contains("Recovery codes"), "{}", codes.body);
        let offer = eve.submit(&codes, JOIN, &[]);
        assert!(offer.body.contains("Join account") && !offer.body.contains("Required in this account"), "{}", offer.body);
        let reloaded = eve.submit(&wrong, set_up, &[("password", PASSWORD), ("code", &code)]);
        assert_eq!(eve.submit(&reloaded, JOIN, &[]).status, 200);
        // With a second factor, it is asked for first.
        let again = Browser::new(&node);
        let question = again.sign_in(EVE, PASSWORD);
        assert_eq!(question.status, 200);
        let token = hidden(&question, "/portal/second-factor").remove(0).1;
        let question = again.post(JOIN, &[], &[("csrf_token", &token), ("link", &link)]);
        let on = again.submit(&question, "/portal/second-factor", &[("code", &totp_code(&form.shown("secret"), 1))]);
        assert!(again.submit(&on, JOIN, &[]).body.contains("Join account"), "{}", on.body);
        // The account that is offered may require it too.
        let link = link_of(&invite(&world, ADA, "Two", "viewer")).to_owned();
        let offer = open(&Browser::of(&node, ADA), &link);
        assert!(offer.body.contains("Required in this account") && offer.body.contains("after you join"), "{}", offer.body);
    }

    /// Whoever manages one account of a user cannot act as the user in another one.
    fn only_operators_manage_the_sign_in_of_a_user_of_several_accounts(world: World) {
        let (one, _) = accounts(&world);
        person(&world, OPERATOR, "operator", None);
        let node = world.start();
        let operator = {
            let rights = format!("{USERS} keyward:operator");
            node.token(&world.manager(&node, &[], &rights))
        };
        let tokens = [administrator(&world, &node, "One"), administrator(&world, &node, "Two")];
        let eve_id = world.text(&format!("SELECT id FROM users WHERE email = '{EVE}'"));
        let acts: Vec<(&str, String, Value)> = vec![
            ("PUT", format!("/users/{eve_id}/password"), json!({"password": NEW_PASSWORD})),
            ("POST", format!("/users/{eve_id}/invitation"), Value::Null),
            ("DELETE", format!("/users/{eve_id}/second-factor"), Value::Null),
            ("PATCH", format!("/users/{eve_id}/preferences"), json!({"email_notices": false})),
        ];
        let written = || world.count("SELECT count(*) FROM audit WHERE action NOT LIKE '%.failure'");
        // Of one account: its administrator may, and that of the other account sees nobody.
        for (method, path, body) in &acts {
            assert!(management(&node, &tokens[1], method, path, body).status < 300, "{method} {path}");
            assert_eq!(management(&node, &tokens[0], method, path, body).status, 404, "{method} {path}");
        }
        set_password(&world, EVE, PASSWORD);
        add(&world, EVE, &one, "viewer");
        let before = written();
        let browsers = [Browser::of(&node, ADA), Browser::of(&node, BOB)];
        let signed_in = written();
        assert_eq!(signed_in, before + 2);
        for (token, browser) in tokens.iter().zip(&browsers) {
            each_case(&acts, |(method, path, body)| {
                let reply = management(&node, token, method, path, body);
                assert_eq!((reply.status, written()), (403, signed_in), "{method} {path}: {}", reply.body);
                assert!(reply.body.contains("another account"), "{}", reply.body);
            });
            each_case(["link", "second-factor/reset"], |act| {
                let reply = browser.act(&format!("/portal/people/{eve_id}/{act}"), &[]);
                assert_eq!((reply.status, written()), (403, signed_in), "{act}: {}", reply.body);
                assert!(reply.body.contains("also belongs to another account"), "{act}: {}", reply.body);
            });
            // Each sees its own account alone.
            let page = browser.get(&format!("/portal/people/{eve_id}"));
            let users = management(&node, token, "GET", "/users", &Value::Null).json();
            let seen = user(&users, EVE).unwrap();
            assert_eq!((page.status, seen["accounts"].as_array().unwrap().len(), &seen["in_other_accounts"]), (200, 1, &json!(true)));
            assert!(!page.body.contains("/link\""), "{}", page.body);
        }
        let names = |token: &str| {
            let users = management(&node, token, "GET", "/users", &Value::Null).json();
            user(&users, EVE).unwrap()["account_name"].as_str().unwrap().to_owned()
        };
        assert_eq!((names(&tokens[0]).as_str(), names(&tokens[1]).as_str()), ("One", "Two"));
        // The membership is managed by each.
        for token in &tokens {
            assert_eq!(management(&node, token, "PATCH", &format!("/users/{eve_id}"), &json!({"role": "developer"})).status, 200);
        }
        assert_eq!(management(&node, &tokens[0], "PATCH", &format!("/users/{eve_id}"), &json!({"role": "viewer", "account": "Two"})).status, 404);
        assert_eq!(management(&node, &tokens[0], "DELETE", &format!("/users/{eve_id}?account=Two"), &Value::Null).status, 404);
        // An operator does all of it.
        for (method, path, body) in &acts {
            let reply = management(&node, &operator, method, path, body);
            assert!(reply.status < 300, "{method} {path}: {}", reply.body);
        }
        assert_eq!(management(&node, &operator, "PATCH", &format!("/users/{eve_id}"), &json!({"role": "viewer"})).status, 400);
        let changed = management(&node, &operator, "PATCH", &format!("/users/{eve_id}"), &json!({"role": "viewer", "account": "Two"})).json();
        let roles: Vec<&str> = changed["accounts"].as_array().unwrap().iter().map(|own| own["role"].as_str().unwrap()).collect();
        assert_eq!(roles, ["viewer", "developer"]);
        // The search and the names in the audit find users of several accounts in each.
        for browser in &browsers {
            assert!(browser.get("/portal/search?q=eve").body.contains(EVE));
            assert!(browser.get("/portal/people?text=EVE@").body.contains(EVE));
            let audit = browser.get("/portal/audit?action=user.set_role");
            assert!(audit.body.contains(&format!("/people/{eve_id}")), "{}", audit.body);
        }
        // A link that an administrator made before the user joined is not left over (above); nor is one made
        // by an operator used to get into an account.
        assert!(world.refused(&["user", "set-role", EVE, "developer"]).contains("several accounts"));
        world.cli(&["user", "set-role", EVE, "developer", "--account", "Two"]);
        world.cli(&["user", "delete", EVE, "--account", "Two", "--yes"]);
        let users = world.cli(&["user", "list"]);
        assert_eq!(user(&users, EVE).unwrap()["account_name"], "One");
        // With one account again, its administrator manages the user.
        assert!(management(&node, &tokens[0], "POST", &format!("/users/{eve_id}/invitation"), &Value::Null).status < 300);
    }

    fn users_leave_accounts(world: World) {
        let (one, two) = accounts(&world);
        let node = world.start();
        let (bob, eve) = (Browser::of(&node, BOB), Browser::of(&node, EVE));
        let leave = |browser: &Browser<'_>, account: &str| {
            let path = format!("/portal/profile/accounts/{account}/leave");
            match browser.status(&path) {
                200 => browser.fill(&path, &path, &[]),
                _ => browser.act(&path, &[]),
            }
        };
        assert_eq!(leave(&eve, &two).status, 409, "the only account");
        assert_eq!(leave(&eve, &one).status, 404);
        add(&world, BOB, &one, "viewer");
        let refused = leave(&bob, &two);
        assert_eq!(refused.status, 409, "the only administrator: {}", refused.body);
        add(&world, ADA, &two, "administrator");
        let done = leave(&bob, &two);
        assert_eq!(done.leads_to(), "/portal/profile?done=account-left", "{}", done.body);
        assert_eq!(entries(&world, "membership.leave", &two), 1);
        let users = world.cli(&["user", "list"]);
        assert_eq!(user(&users, BOB).unwrap()["account_name"], "One");
        assert!(is_signed_in(&bob) && !bob.get("/portal/profile").body.contains("Your accounts"));
        assert_eq!(leave(&bob, &one).status, 409);
        // Of both administrators of Two at the same time, one stays.
        add(&world, BOB, &two, "administrator");
        let ada = Browser::of(&node, ADA);
        let left = std::thread::scope(|scope| {
            let two = &two;
            let both = [ada, bob].map(|browser| scope.spawn(move || leave(&browser, two).status));
            both.map(|one| one.join().unwrap())
        });
        let mut sorted = left;
        sorted.sort_unstable();
        assert_eq!(sorted, [303, 409], "{left:?}");
    }

    fn mail_goes_to_the_members_of_an_account(world: World) {
        let (one, _) = accounts(&world);
        let server = SmtpServer::start();
        let flags = mail_flags(&server);
        let node = world.start_with(&flags.each_ref().map(String::as_str));
        let arrives = |recipient: &str, text: &str| {
            eventually(&format!("{text:?} to {recipient}"), || {
                server.to(recipient).into_iter().find(|one| one.text.contains(text))
            })
        };
        let invited = invite(&world, BOB, "One", "developer");
        assert_eq!(invited["mailed"], true);
        let mail = arrives(BOB, "with your sign-in");
        assert!(mail.text.contains("“One”"), "{}", mail.text);
        let link = mail.text.split_whitespace().find(|word| word.contains("/portal/join#")).unwrap().to_owned();
        let bob = Browser::of(&node, BOB);
        assert_eq!(accept(&bob, &link, PASSWORD, NEW_PASSWORD).status, 303);
        arrives(BOB, "Password changed");
        assert!(!node.logs().contains(&link) && !node.logs().contains(link_of(&invited)));
        // Notices of each account.
        let client = world.client_with(&["--account", "One"]);
        world.cli(&["secret", "create", &client.id]);
        let notice = arrives(BOB, "Client secret created").text;
        assert!(!arrives(ADA, "Client secret created").text.contains("Account:"), "of one account");
        // Of several accounts: the notice names its account, and its link leads there.
        assert!(notice.contains("Account: One\n"), "{notice}");
        let link = notice.split_whitespace().find(|word| word.contains("/portal/audit?in=")).unwrap();
        let link = &link[link.find("/portal").unwrap()..];
        let two = in_one_account(&world, EVE);
        assert_eq!(Browser::of(&node, ADA).status(link), 200);
        assert_eq!((bob.status(link), switch(&bob, &two).status), (200, 303));
        let other = bob.get(link);
        assert!(other.status == 403 && other.body.contains("This page belongs to One. You now use Two."), "{}", other.body);
        assert_eq!(in_use(&bob), "Two", "a link switches nothing");
        // The menu of the accounts has such a form too.
        assert!(other.body.contains(&format!("name=\"next\" value=\"{link}\"")), "{}", other.body);
        assert_eq!(bob.submit(&other, SWITCH, &[("account", &one), ("next", link)]).leads_to(), link);
        assert_eq!((bob.status(link), in_use(&bob).as_str()), (200, "One"));
        let eve = Browser::of(&node, EVE);
        each_case([link, "/portal/profile?in=unknown", "/portal/profile?in=%00"], |link| {
            let gone = eve.get(link);
            assert!(gone.status == 403 && gone.body.contains("you can no longer use") && !gone.body.contains("One"), "{}", gone.body);
        });
        // What was not sent yet is withdrawn with the invitation; others are sent.
        world.execute("UPDATE mails SET next_attempt_at = NULL");
        let pending = invite(&world, EVE, "One", "viewer");
        world.cli(&["account-invitation", "delete", id_of(&pending), "--yes"]);
        let left = world.count("SELECT count(*) FROM mails WHERE kind = 'account_invitation' AND next_attempt_at IS NOT NULL");
        assert_eq!(left, 0);
        assert_eq!(entries(&world, "account_invitation.create", &one), 2);
    }

    fn messages_of_one_account_do_not_keep_back_those_of_another(world: World) {
        let (one, two) = accounts(&world);
        add(&world, EVE, &one, "developer");
        world.cli(&["user", "set-role", EVE, "developer", "--account", "Two"]);
        let server = SmtpServer::start();
        server.react(Reaction::Refuse(451));
        let flags = mail_flags(&server);
        let _node = world.start_with(&flags.each_ref().map(String::as_str));
        // Notices: as many of One within the hour as a person gets.
        let create = |account: &str| {
            let client = world.client_with(&["--account", account]);
            world.cli(&["secret", "create", &client.id]);
        };
        let notices = |account_id: &str| {
            world.count(&format!(
                "SELECT count(*) FROM mails WHERE kind = 'notice' AND recipient = '{EVE}' AND account_id = '{account_id}'"
            ))
        };
        create("One");
        assert_eq!(notices(&one), 1);
        world.execute(&format!(
            "INSERT INTO mails (id, kind, recipient, user_id, facts, created_at, expires_at, attempts, account_id) \
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 19) \
             SELECT id || '-' || CAST(i AS TEXT), kind, recipient, user_id, facts, created_at, expires_at, 1, account_id \
             FROM mails, n WHERE recipient = '{EVE}' AND kind = 'notice'"
        ));
        create("One");
        create("Two");
        assert_eq!((notices(&one), notices(&two)), (20, 1));
        // Invitations: of one account, and of all, to one address.
        let mailed = |account: &str| invite(&world, BOB, account, "viewer")["mailed"] == true;
        assert_eq!([(); 4].map(|()| mailed("One")), [true, true, true, false]);
        let names = ["Three", "Four", "Five"];
        for name in names {
            world.cli(&["account", "create", "--name", name]);
        }
        assert!(names.iter().all(|name| mailed(name)));
        world.execute("UPDATE audit SET action = 'account_invitation.create' WHERE id IN \
                       (SELECT id FROM audit WHERE action = 'account.create' ORDER BY id LIMIT 3)");
        world.execute(&format!("UPDATE audit SET target = '{BOB}' WHERE action = 'account_invitation.create'"));
        world.cli(&["account", "create", "--name", "Six"]);
        assert!(!mailed("Six"), "ten within the hour");
        // They do not use up the links for a password.
        let link = || world.cli(&["user", "invite", BOB])["mailed"] == true;
        assert_eq!([(); 4].map(|()| link()), [true, true, true, false]);
    }

    fn who_was_removed_gets_no_notices(world: World) {
        let (one, two) = accounts(&world);
        add(&world, EVE, &one, "developer");
        world.cli(&["account", "update", "One", "--language", "fr"]);
        let server = SmtpServer::start();
        server.react(Reaction::Refuse(451));
        let flags = mail_flags(&server);
        let _node = world.start_with(&flags.each_ref().map(String::as_str));
        let client = world.client_with(&["--account", "One"]);
        let notify = || world.cli(&["secret", "create", &client.id]);
        let pending = || world.count(&format!("SELECT count(*) FROM mails WHERE recipient = '{EVE}' AND next_attempt_at IS NOT NULL"));
        let send = || {
            server.react(Reaction::Accept);
            world.execute("UPDATE mails SET next_attempt_at = 1 WHERE next_attempt_at IS NOT NULL");
        };
        notify();
        assert_eq!(pending(), 1);
        world.cli(&["user", "delete", EVE, "--account", "One", "--yes"]);
        assert_eq!(pending(), 0);
        // The language is that of the account that the message is about.
        add(&world, EVE, &one, "developer");
        world.execute(&format!("UPDATE users SET last_account_id = '{two}' WHERE email = '{EVE}'"));
        send();
        notify();
        eventually("a notice in French", || server.to(EVE).into_iter().find(|one| one.text.contains("Secret client créé")));
        // A node of the previous version, which deletes no messages, has removed the user.
        server.react(Reaction::Refuse(451));
        notify();
        eventually("one that waits", || (pending() == 1).then_some(()));
        world.execute("DELETE FROM memberships");
        let before = server.to(EVE).len();
        send();
        eventually("no message", || (pending() == 0).then_some(()));
        assert_eq!(server.to(EVE).len(), before);
        assert_eq!(world.count(&format!("SELECT count(*) FROM mails WHERE recipient = '{EVE}'")), 1);
    }

    fn each_account_records_what_an_operator_does_to_the_sign_in(world: World) {
        let (one, two) = accounts(&world);
        add(&world, EVE, &one, "viewer");
        let server = SmtpServer::start();
        let flags = mail_flags(&server);
        let _node = world.start_with(&flags.each_ref().map(String::as_str));
        // The mail with a link is of an account that is open, and each link counts once.
        world.cli(&["account", "close", "Two"]);
        let link = || world.cli(&["user", "invite", EVE])["mailed"] == true;
        assert!(link());
        let of = "SELECT MAX(account_id) FROM mails WHERE kind = 'invitation'";
        assert_eq!(world.text(of), one);
        assert_eq!([(); 3].map(|()| link()), [true, true, false]);
        let mut command = world.command(&["user", "set-password", EVE]);
        let mut child = command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::null()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), NEW_PASSWORD.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
        world.cli(&["user", "reset-second-factor", EVE, "--yes"]);
        for (action, count) in [("user.invite", 4), ("user.set_password", 1), ("user.reset_second_factor", 1)] {
            assert_eq!([&one, &two].map(|id| entries(&world, action, id)), [count; 2], "{action}");
        }
        // The user is told once.
        assert_eq!(world.count("SELECT count(*) FROM mails WHERE kind = 'security'"), 2);
    }

    /// What the previous version does to its rows leaves nothing behind.
    fn nodes_of_the_previous_version_keep_working(world: World) {
        let (one, two) = accounts(&world);
        add(&world, EVE, &one, "developer");
        let node = world.start();
        let eve = Browser::of(&node, EVE);
        // Its sessions name no account, and use the first one.
        world.execute("UPDATE sessions SET account_id = NULL");
        world.execute(&format!("UPDATE users SET last_account_id = '{one}'"));
        assert_eq!(in_use(&eve), "Two");
        assert_eq!(switch(&eve, &one).status, 303);
        assert_eq!(in_use(&eve), "One");
        invite(&world, BOB, "One", "viewer");
        world.execute(&format!(
            "DELETE FROM sessions; DELETE FROM users WHERE account_id = '{two}'"
        ));
        assert_eq!(world.count("SELECT count(*) FROM memberships"), 0);
        assert_eq!(world.count("SELECT count(*) FROM account_invitations"), 0);
    }

    fn lists_of_invitations_have_pages(world: World) {
        let (one, _) = accounts(&world);
        person(&world, OPERATOR, "operator", None);
        let rows = |row: fn(u32) -> String| (0..60).map(row).collect::<Vec<_>>().join(", ");
        let accounts = rows(|number| format!("('many {number}', 'many {number}', 1)"));
        world.execute(&format!("INSERT INTO accounts (id, name, created_at) VALUES {accounts}"));
        // Some are of the same time.
        let bob = world.text(&format!("SELECT id FROM users WHERE email = '{BOB}'"));
        let open_ones = rows(|number| format!("('open{number:02}', 'BOB', 'many {number}', 'viewer', 'none', {}, 4102444800000, 'cli')", 1 + number / 7));
        world.execute(&format!(
            "INSERT INTO account_invitations (id, user_id, account_id, role, hash, created_at, expires_at, created_by) VALUES {}",
            open_ones.replace("'BOB'", &format!("'{bob}'"))
        ));
        world.execute("UPDATE account_invitations SET expires_at = 2 WHERE id = 'open59'");
        let node = world.start();
        let token = node.token(&world.manager(&node, &[], &format!("{USERS} keyward:operator")));
        let get = |query: &str| management(&node, &token, "GET", &format!("/account-invitations{query}"), &Value::Null);
        let mut seen: Vec<(String, String)> = Vec::new();
        let mut query = "?limit=25".to_owned();
        let mut sizes = Vec::new();
        loop {
            let page = get(&query).json();
            let items = page["items"].as_array().unwrap();
            sizes.push(items.len());
            seen.extend(items.iter().map(|one| (one["created_at"].as_str().unwrap().to_owned(), id_of(one).to_owned())));
            match page["next_cursor"].as_str() {
                Some(cursor) => query = format!("?limit=25&cursor={cursor}"),
                None => break,
            }
        }
        assert_eq!(sizes, [25, 25, 9]);
        let mut sorted = seen.clone();
        sorted.sort_unstable();
        sorted.dedup();
        sorted.reverse();
        assert_eq!(seen, sorted);
        each_case(["open1", "1", "-", "x-open1", "1-%00", "1-%27"], |cursor| {
            assert_eq!(get(&format!("?cursor={cursor}")).status, 400, "{cursor}");
        });
        assert_eq!(get("?limit=201").status, 400);
        assert_eq!(world.cli(&["account-invitation", "list"]).as_array().unwrap().len(), 59);
        // The page has the newest, and those that it does not list are found too.
        let op = Browser::of(&node, OPERATOR);
        let people = op.get("/portal/people");
        assert_eq!(people.body.matches("/withdraw\"").count(), 50);
        assert!(people.body.contains("Only the newest 50") && people.body.contains("account-invitation list"), "{}", people.body);
        let renew = |id: &str| op.act(&format!("/portal/account-invitations/{id}/renew"), &[("email", BOB)]).status;
        assert_eq!(["open00", "open59", "unknown"].map(renew), [200, 404, 404]);
        let ada = Browser::of(&node, ADA);
        let renewed = ada.act("/portal/account-invitations/open01/renew", &[]);
        assert_eq!((renewed.status, entries(&world, "account_invitation.create", &one)), (404, 0), "of another account");
    }

    /// An account cannot find out who has a sign-in.
    fn look_ups_of_addresses_are_recorded_and_limited(world: World) {
        let (one, two) = accounts(&world);
        let node = world.start();
        let tokens = ["One", "Two"].map(|account| administrator(&world, &node, account));
        let try_address = |token: &str, email: &str| {
            management(&node, token, "POST", "/account-invitations", &json!({"email": email, "role": "viewer"}))
        };
        for number in 0..30 {
            assert_eq!(try_address(&tokens[0], &format!("n{number}@two.example")).status, 404);
        }
        assert_eq!(entries(&world, "account_invitation.refused", &one), 30);
        each_case([BOB, "nobody@two.example"], |email| {
            let reply = try_address(&tokens[0], email);
            assert_eq!(reply.status, 429, "{email}: {}", reply.body);
            assert!(reply.header("retry-after").is_some());
        });
        assert_eq!(entries(&world, "account_invitation.refused", &one), 30);
        invite(&world, BOB, "One", "viewer");
        world.execute("DELETE FROM audit WHERE action = 'account_invitation.refused'");
        assert_eq!(try_address(&tokens[0], BOB).status, 201);
        // With as many open invitations as an account can have, none is looked up; one is replaced.
        let rows = |row: fn(u32) -> String| (0..100).map(row).collect::<Vec<_>>().join(", ").replace("ONE", &one).replace("TWO", &two);
        let users = rows(|number| format!("('many{number}', 'ONE', 'many{number}@one.example', 'many{number}@one.example', 'viewer', 1)"));
        world.execute(&format!("INSERT INTO users (id, account_id, email, search_key, role, created_at) VALUES {users}; UPDATE users SET password_hash = 'none' WHERE id = 'many7'"));
        let full = rows(|number| format!("('open{number}', 'many{number}', 'TWO', 'viewer', 'none', 1, 4102444800000, 'cli')"));
        world.execute(&format!(
            "INSERT INTO account_invitations (id, user_id, account_id, role, hash, created_at, expires_at, created_by) VALUES {full}"
        ));
        let replies = [ADA, "nobody@two.example", "many7@one.example"].map(|email| try_address(&tokens[1], email).status);
        assert_eq!(replies, [409, 409, 201]);
        assert_eq!(entries(&world, "account_invitation.refused", &two), 0);
        assert_eq!(world.count(&format!("SELECT count(*) FROM account_invitations WHERE account_id = '{two}'")), 100);
    }

    fn the_only_open_account_is_not_left(world: World) {
        let (one, two) = accounts(&world);
        add(&world, EVE, &one, "viewer");
        world.cli(&["account", "close", "One"]);
        let node = world.start();
        let eve = Browser::of(&node, EVE);
        let leave = |account: &str| {
            let path = format!("/portal/profile/accounts/{account}/leave");
            eve.fill(&path, &path, &[])
        };
        let refused = leave(&two);
        assert!(refused.status == 409 && refused.body.contains("Your other accounts are closed"), "{}", refused.body);
        world.cli(&["account", "reopen", "One"]);
        assert_eq!(leave(&two).leads_to(), "/portal/profile?done=account-left");
        assert_eq!(in_one_account(&world, EVE), one);
        add(&world, EVE, &two, "viewer");
        world.cli(&["account", "close", "One"]);
        assert_eq!(leave(&one).leads_to(), "/portal/profile?done=account-left", "the closed one");
        assert_eq!(in_one_account(&world, EVE), two);
        assert!(is_signed_in(&eve));
    }

    fn an_account_sees_of_a_user_of_several_accounts_what_concerns_it(world: World) {
        let (one, _) = accounts(&world);
        let node = world.start();
        let of_one = administrator(&world, &node, "One");
        let of_two = administrator(&world, &node, "Two");
        let operator = node.token(&world.manager(&node, &[], &format!("{USERS} keyward:operator")));
        let seen = |token: &str| {
            let users = management(&node, token, "GET", "/users", &Value::Null).json();
            user(&users, EVE).unwrap().clone()
        };
        world.cli(&["user", "invite", EVE]);
        let created = seen(&of_two);
        assert!(created["time_zone"] == "UTC" && created["invited_until"].is_string(), "{created}");
        add(&world, EVE, &one, "viewer");
        each_case([(&of_one, false), (&of_two, false), (&operator, true)], |(token, sees_all)| {
            let seen = seen(token);
            for member in ["language", "time_zone", "email_notices"] {
                assert_eq!(seen.get(member).is_some(), sees_all, "{member}: {seen}");
            }
            assert_eq!(seen["invited_until"].is_string(), sees_all, "{seen}");
            let at = &seen["created_at"];
            assert_eq!(*at == created["created_at"], token != &of_one, "{seen}");
        });
        assert!(seen(&of_one)["created_at"].as_str().unwrap().starts_with("1970-01-01"));
    }
}

#[test]
fn a_restore_keeps_memberships_and_ends_invitations() {
    let world = World::sqlite();
    let (one, two) = accounts(&world);
    add(&world, EVE, &one, "developer");
    let file = world.folder.join("backup");
    let file = file.to_str().unwrap();
    world.cli(&["backup", file]);
    world.execute(&format!(
        "UPDATE memberships SET role = 'administrator', account_id = '{one}'"
    ));
    invite(&world, BOB, "One", "viewer");
    world.cli(&["restore", file, "--yes"]);
    let users = world.cli(&["user", "list"]);
    let eve = user(&users, EVE).unwrap();
    let accounts: Vec<(&str, &str)> = eve["accounts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|own| {
            (
                own["account"].as_str().unwrap(),
                own["role"].as_str().unwrap(),
            )
        })
        .collect();
    let expected = [(two.as_str(), "viewer"), (one.as_str(), "developer")];
    assert_eq!(accounts, expected);
    assert_eq!(world.count("SELECT count(*) FROM account_invitations"), 0);
}
