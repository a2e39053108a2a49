//! Guessing of passwords and codes, and its side effects: an attacker cannot get more attempts, end
//! the sessions of others, or fill the audit.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::portal::{Browser, PASSWORD, hidden, person};
use crate::support::{Node, Reply, World, basic, each_case, eventually, within};

const ADA: &str = "ada@one.example";
const SECOND_FACTOR: &str = "/portal/second-factor";
const SET_UP: &str = "/portal/profile/second-factor";

fn create_account(world: &World) {
    world.cli(&["account", "create", "--name", "One"]);
    person(world, ADA, "administrator", Some("One"));
}

fn code(secret: &str, steps: i64) -> String {
    use totp_rs::{Builder, Secret};
    let totp = Builder::new()
        .with_secret(Secret::try_from_base32(secret).unwrap())
        .with_account_name("x")
        .build()
        .unwrap();
    totp.generate(
        (keyward::clock::Timestamp::now().seconds() + 30 * steps)
            .try_into()
            .unwrap(),
    )
    .to_string()
}

/// Waits until the current TOTP step has time for a few more requests.
fn wait_for_early_in_step() {
    while keyward::clock::Timestamp::now().seconds() % 30 > 20 {
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Sets up two-step verification. Returns the secret and the recovery codes.
fn enrol(browser: &Browser<'_>) -> (String, Vec<String>) {
    wait_for_early_in_step();
    let form = browser.get(SET_UP);
    let secret = form.shown("secret");
    let done = browser.submit(
        &form,
        SET_UP,
        &[("password", PASSWORD), ("code", &code(&secret, 0))],
    );
    assert_eq!(done.status, 200, "{}", done.body);
    (
        secret,
        done.shown("codes").lines().map(str::to_owned).collect(),
    )
}

/// A browser that has passed the password step only.
fn password_only<'a>(node: &'a Node) -> Browser<'a> {
    let browser = Browser::new(node);
    let reply = browser.sign_in(ADA, PASSWORD);
    assert_eq!(reply.status, 200, "{}", reply.body);
    browser
}

fn submit_code(browser: &Browser<'_>, code: &str) -> Reply {
    browser.fill(SECOND_FACTOR, SECOND_FACTOR, &[("code", code)])
}

fn is_signed_in(browser: &Browser<'_>) -> bool {
    browser.status("/portal/profile") == 200
}

/// Sends a wrong secret for this client, from this address behind a trusted proxy.
fn fail_as(node: &Node, client_id: &str, client_ip: &str) -> Reply {
    let authorization = basic(client_id, "wrong");
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("authorization", authorization.as_str()),
        ("x-forwarded-for", client_ip),
    ];
    node.post("/oauth/token", &headers, b"grant_type=client_credentials")
}

/// Sends failures for these clients from these addresses, pipelined on one connection so that a
/// slow machine also gets a flood. Returns how many responses had each status.
fn pipelined(node: &Node, callers: &[(String, String)]) -> BTreeMap<u16, usize> {
    let mut stream =
        std::net::TcpStream::connect(node.base.strip_prefix("http://").unwrap()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let mut writer = stream.try_clone().unwrap();
    let mut requests = String::new();
    for (n, (client_id, client_ip)) in callers.iter().enumerate() {
        let close = if n + 1 == callers.len() {
            "connection: close\r\n"
        } else {
            ""
        };
        // Without an id there is nothing to look up in the database.
        let authorization = match client_id.as_str() {
            "" => String::new(),
            client_id => format!("authorization: {}\r\n", basic(client_id, "wrong")),
        };
        requests.push_str(&format!(
            "POST /oauth/token HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\n{authorization}\
             x-forwarded-for: {client_ip}\r\n{close}content-length: 29\r\n\r\ngrant_type=client_credentials"
        ));
    }
    let writing = std::thread::spawn(move || writer.write_all(requests.as_bytes()).unwrap());
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    writing.join().unwrap();
    let mut found = BTreeMap::new();
    for answer in answers.split("HTTP/1.1 ").skip(1) {
        *found.entry(answer[..3].parse().unwrap()).or_default() += 1;
    }
    found
}

/// An IPv6 address in a /64 of its own.
fn address_in_network(number: usize) -> String {
    format!("2001:db8:{number:x}::1")
}

/// A change that must have one audit entry, with the request id of its response.
struct Change {
    response: Reply,
    action: &'static str,
    actor: String,
    target: String,
}

impl Change {
    fn new(response: Reply, action: &'static str, actor: String, target: String) -> Self {
        Change {
            response,
            action,
            actor,
            target,
        }
    }
}

/// Registers a client, which changes itself, revokes a token, and deletes itself.
fn changes_by_a_registered_client(world: &World, node: &Node) -> Vec<Change> {
    let mut expected = Vec::new();
    let registered = node.json(
        "POST",
        "/oauth/register",
        None,
        &json!({"client_name": "Self-made", "scope": "read"}),
    );
    assert_eq!(registered.status, 201, "{}", registered.body);
    let information = registered.json();
    let text = |name: &str| information[name].as_str().unwrap().to_owned();
    let (client_id, secret, access_token) = (
        text("client_id"),
        text("client_secret"),
        text("registration_access_token"),
    );
    let itself = format!("client {client_id}");
    expected.push(Change::new(
        registered,
        "client.create",
        itself.clone(),
        client_id.clone(),
    ));
    let path = format!("/oauth/register/{client_id}");
    let changed = node.json(
        "PUT",
        &path,
        Some(&access_token),
        &json!({"client_id": client_id, "client_name": "Renamed", "scope": "read"}),
    );
    assert_eq!(changed.status, 200, "{}", changed.body);
    expected.push(Change::new(
        changed,
        "client.update",
        itself.clone(),
        client_id.clone(),
    ));

    let authorization = basic(&client_id, &secret);
    let token = node
        .form(
            "/oauth/token",
            Some(&authorization),
            &[("grant_type", "client_credentials")],
        )
        .json();
    let token = token["access_token"].as_str().unwrap();
    let jti = world.cli(&["token", "inspect", token])["jti"]
        .as_str()
        .map(str::to_owned);
    let revoked = node.form("/oauth/revoke", Some(&authorization), &[("token", token)]);
    assert_eq!(revoked.status, 200);
    let jti = jti.unwrap_or_else(|| jti_of(token));
    expected.push(Change::new(revoked, "token.revoke", itself.clone(), jti));
    assert_eq!(
        node.form("/oauth/revoke", Some(&authorization), &[("token", token)])
            .status,
        200,
        "a repeated change has one entry"
    );

    let deleted = node.send(
        "DELETE",
        &path,
        &[("authorization", &format!("Bearer {access_token}"))],
        b"",
    );
    assert_eq!(deleted.status, 204, "{}", deleted.body);
    expected.push(Change::new(deleted, "client.delete", itself, client_id));
    expected
}

/// Creates and deletes an API key with another one, which is then revoked.
fn changes_by_an_api_key(world: &World, node: &Node) -> Vec<Change> {
    let mut expected = Vec::new();
    let client = world.client_with(&["--account", "One", "--scope", "read"]);
    let key_id = |key: &str| key.split('_').nth(1).unwrap().to_owned();
    let manager = format!("API key {}", key_id(&client.api_key));
    let by_key = format!("Bearer {}", client.api_key);
    let headers = [
        ("authorization", by_key.as_str()),
        ("content-type", "application/json"),
    ];
    let made = node.post("/apiKeys", &headers, br#"{"name": "Second"}"#);
    assert_eq!(made.status, 201, "{}", made.body);
    let second = made.json();
    let made_id = second["id"].as_str().unwrap().to_owned();
    expected.push(Change::new(
        made,
        "api_key.create",
        manager.clone(),
        made_id.clone(),
    ));
    let gone = node.send(
        "DELETE",
        &format!("/apiKeys/{made_id}"),
        &[("authorization", &by_key)],
        b"",
    );
    assert_eq!(gone.status, 204);
    expected.push(Change::new(gone, "api_key.delete", manager, made_id));
    let revoked = node.form(
        "/oauth/revoke",
        Some(&client.basic()),
        &[("token", &client.api_key)],
    );
    assert_eq!(revoked.status, 200);
    expected.push(Change::new(
        revoked,
        "api_key.revoke",
        format!("client {}", client.id),
        key_id(&client.api_key),
    ));
    assert_eq!(
        node.form(
            "/oauth/revoke",
            Some(&client.basic()),
            &[("token", &client.api_key)]
        )
        .status,
        200
    );
    expected
}

/// Changes by a user in the portal.
fn changes_in_the_portal(world: &World, node: &Node) -> Vec<Change> {
    let mut expected = Vec::new();
    let (ada, other) = (Browser::new(node), Browser::of(node, ADA));
    let mut by_user = |reply: Reply, action: &'static str| {
        assert!(
            matches!(reply.status, 200 | 303),
            "{action}: {} {}",
            reply.status,
            reply.body
        );
        let shown = reply
            .body
            .split("<code id=\"codes\">")
            .nth(1)
            .map(|rest| rest.split("</code>").next().unwrap().to_owned());
        expected.push(Change::new(
            reply,
            action,
            format!("user {ADA}"),
            ADA.to_owned(),
        ));
        shown.unwrap_or_default()
    };
    by_user(ada.sign_in(ADA, PASSWORD), "session.create");
    let sessions = ada.get("/portal/profile");
    let end = sessions
        .body
        .split("action=\"")
        .map(|rest| rest.split('"').next().unwrap())
        .find(|action| action.ends_with("/end"));
    by_user(ada.submit(&sessions, end.unwrap(), &[]), "session.end");
    assert!(!is_signed_in(&other));
    wait_for_early_in_step();
    let form = ada.get(SET_UP);
    let proof = code(&form.shown("secret"), 0);
    let codes = by_user(
        ada.submit(&form, SET_UP, &[("password", PASSWORD), ("code", &proof)]),
        "user.set_second_factor",
    );
    let fields = [
        ("password", PASSWORD),
        ("code", codes.lines().next().unwrap()),
    ];
    let codes = by_user(
        ada.fill("/portal/profile", "/portal/profile/recovery-codes", &fields),
        "user.renew_recovery_codes",
    );
    let fields = [
        ("password", PASSWORD),
        ("code", codes.lines().next().unwrap()),
    ];
    by_user(
        ada.act("/portal/profile/second-factor/remove", &fields),
        "user.remove_second_factor",
    );
    let fields = [("current", PASSWORD), ("new", "another horse battery")];
    by_user(
        ada.fill("/portal/profile", "/portal/profile/password", &fields),
        "user.change_password",
    );
    let link = world.cli(&["user", "invite", ADA])["link"]
        .as_str()
        .unwrap()
        .to_owned();
    by_user(
        ada.fill("/portal/profile", "/portal/sign-out", &[]),
        "session.end",
    );
    let open = ada.open(&link);
    let accepted = ada.submit(
        &open,
        "/portal/invitation/password",
        &[("password", PASSWORD)],
    );
    by_user(accepted, "user.accept_invitation");
    expected
}

on_both! {
    /// Common passwords, and passwords derived from the user's or the product's name, are refused
    /// with the reason wherever a password is set.
    fn common_passwords_are_refused_with_the_reason(world: World) {
        world.cli(&["account", "create", "--name", "One"]);
        person(&world, "bartholomew@one.example", "administrator", Some("One"));
        let node = world.start_with(&["--issuer", "https://login.northwind.example"]);
        let set = |password: &str| {
            let mut command = world.command(&["user", "set-password", "bartholomew@one.example"]);
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
            child.stdin.take().unwrap().write_all(password.as_bytes()).unwrap();
            let output = child.wait_with_output().unwrap();
            (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
        };
        let browser = |language: &str| {
            let browser = Browser::saying(&node, "accept-language", language);
            assert_eq!(browser.sign_in("bartholomew@one.example", PASSWORD).status, 303);
            browser
        };
        let (english, french) = (browser("en"), browser("fr"));
        let profile = "/portal/profile";
        each_case([
            ("password123", "most common passwords", "des plus courants"),
            ("Password1!", "most common passwords", "des plus courants"),
            ("1234567890", "most common passwords", "des plus courants"),
            ("qwertyuiop", "most common passwords", "des plus courants"),
            ("keyward123", "name of this service", "le nom de ce service"),
            ("bartholomew12", "your email address", "votre adresse e-mail"),
            ("northwind2026", "name of this service", "le nom de ce service"),
        ], |(password, said, dit)| {
            let (status, reason) = set(password);
            assert!(status == Some(1) && reason.contains("password") | reason.contains("easy to guess"), "{password}: {reason}");
            assert!(!reason.contains(password), "{reason}");
            for (browser, words) in [(&english, said), (&french, dit)] {
                let reply = browser.fill(profile, "/portal/profile/password", &[("current", PASSWORD), ("new", password)]);
                let error = reply.body.split("id=\"new-error\"").nth(1).and_then(|rest| rest.split("</").next()).unwrap_or_default();
                assert!(error.contains(words), "{password}: {error}");
            }
        });
        assert_eq!(set("six quiet otters build dams").0, Some(0));
    }

    /// An attacker who knows only the password cannot end a session of the rightful user by signing
    /// in repeatedly.
    fn sessions_without_the_second_factor_replace_no_full_session(world: World) {
        create_account(&world);
        let node = world.start();
        let ada = Browser::of(&node, ADA);
        enrol(&ada);
        let waiting = password_only(&node);
        for _ in 0..52 {
            password_only(&node);
        }
        assert!(is_signed_in(&ada), "the rightful session");
        assert_eq!(waiting.get(SECOND_FACTOR).leads_to().split('?').next(), Some("/portal/sign-in"), "the oldest session was replaced");
        assert_eq!(world.count("SELECT count(*) FROM sessions WHERE proven = 'password'"), 5);
        let longest = "SELECT max(expires_at - created_at) FROM sessions WHERE proven =";
        assert_eq!(world.count(&format!("{longest} 'password'")), 600_000, "ten minutes");
        assert_eq!(world.count(&format!("{longest} 'all'")), 12 * 3_600_000);
    }

    /// Consecutive wrong codes are counted per user, on all nodes, and lock two-step verification.
    fn wrong_codes_lock_the_second_factor(world: World) {
        create_account(&world);
        let (node, other) = (world.start(), world.start());
        let ada = Browser::of(&node, ADA);
        let (secret, codes) = enrol(&ada);
        let stranger = password_only(&node);
        for browser in [&stranger, &password_only(&other), &stranger] {
            assert_eq!(submit_code(browser, "000000").status, 403);
        }
        assert_eq!(world.count("SELECT wrong_codes FROM users"), 3);
        let failures = "SELECT count(*) FROM audit WHERE action = 'session.failure' AND reason_code = 'wrong_second_factor'";
        assert_eq!(world.count(failures), 3, "each is recorded with the change that counts it");

        // The user sees a warning, but not about their own typing errors.
        wait_for_early_in_step();
        let rightful = password_only(&node);
        submit_code(&rightful, "111111");
        let told = submit_code(&rightful, &code(&secret, 1));
        assert_eq!(told.status, 200, "{}", told.body);
        assert!(told.body.contains("Someone entered 3 wrong verification codes for your account"), "{}", told.body);
        assert!(is_signed_in(&rightful) && told.body.contains("href=\"/portal/profile\""));
        assert_eq!(world.count("SELECT wrong_codes FROM users"), 0, "in a row");
        assert_eq!(submit_code(&password_only(&node), &codes[0]).leads_to(), "/portal", "told once");

        // The hundredth wrong code is the last one that is compared.
        world.execute("UPDATE users SET wrong_codes = 99, totp_last_step = 0");
        wait_for_early_in_step();
        assert_eq!(submit_code(&password_only(&other), "000000").status, 403);
        let refused = submit_code(&password_only(&node), &code(&secret, 0));
        assert_eq!(refused.status, 403);
        assert!(refused.body.contains("Too many wrong codes."), "{}", refused.body);
        assert_eq!(world.count("SELECT wrong_codes FROM users"), 100);
        // A recovery code is too long to guess, so it is still accepted.
        assert_eq!(submit_code(&password_only(&other), &codes[1]).status, 200);
        assert_eq!(world.count("SELECT wrong_codes FROM users"), 0);
        // A new password unlocks the account as well.
        world.execute("UPDATE users SET wrong_codes = 100, totp_last_step = 0");
        assert_eq!(submit_code(&password_only(&node), &code(&secret, 0)).status, 403);
        let mut child = world.command(&["user", "set-password", ADA]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(PASSWORD.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
        wait_for_early_in_step();
        assert!(matches!(submit_code(&password_only(&node), &code(&secret, 0)).status, 200 | 303));
    }

    /// A person at somebody else's open session cannot take over the account.
    fn the_second_factor_asks_for_the_password(world: World) {
        create_account(&world);
        let node = world.start();
        let ada = Browser::of(&node, ADA);
        let form = ada.get(SET_UP);
        wait_for_early_in_step();
        let secret = form.shown("secret");
        let proof = code(&secret, 0);
        for fields in [&[("code", proof.as_str())] as &[(&str, &str)], &[("code", proof.as_str()), ("password", "wrong password 1")]] {
            let refused = ada.submit(&form, SET_UP, fields);
            assert!(refused.status == 400 && refused.body.contains("id=\"password-error\""), "{}", refused.body);
            assert_eq!(refused.shown("secret"), secret);
        }
        assert_eq!(world.count("SELECT count(*) FROM users WHERE totp_sealed IS NOT NULL"), 0);
        let (_, codes) = enrol(&ada);
        for path in ["/portal/profile/recovery-codes", "/portal/profile/second-factor/remove"] {
            let refused = ada.act(path, &[("password", "wrong password 1"), ("code", &codes[0])]);
            assert!(refused.status == 400 && refused.body.contains("id=\"password-error\""), "{path}: {}", refused.body);
        }
        assert_eq!(world.count("SELECT count(*) FROM users WHERE totp_sealed IS NOT NULL"), 1);
        let done = ada.fill("/portal/profile", "/portal/profile/recovery-codes", &[("password", PASSWORD), ("code", &codes[0])]);
        assert_eq!(done.shown("codes").lines().count(), 10, "the code was not used up");
    }

    /// A flood of failures by unknown callers leaves a bounded number of entries, and hides no
    /// other entry.
    fn a_flood_of_unknown_callers_fills_no_audit_and_hides_nobody(world: World) {
        let client = world.client("read");
        let node = world.start_with(&["--trusted-proxies", "127.0.0.1"]);
        let began = Instant::now();
        let rows = |condition: &str| world.count(&format!("SELECT count(*) FROM audit WHERE action = 'authentication.failure' AND {condition}"));
        let complete = || {
            rows("account_id IS NOT NULL") > 0 && rows("reason_code = 'failures_left_out'") > 0 && rows("account_id IS NULL") >= 100
        };
        // Entries are buffered in memory for five seconds, and are lost if the database does not
        // answer then: a busy machine may need another flood.
        let limit = Duration::from_secs(180);
        while !complete() {
            assert!(began.elapsed() < limit, "no such entries after {limit:?}");
            std::thread::scope(|scope| {
                let node = &node;
                let flood = |first: usize| {
                    let callers: Vec<_> = (0..250).map(|n| (String::new(), address_in_network(first + n))).collect();
                    pipelined(node, &callers)
                };
                let all: Vec<_> = (0..4).map(|thread| scope.spawn(move || flood(thread * 1000))).collect();
                for one in all {
                    let statuses = one.join().unwrap();
                    assert!(statuses.keys().all(|status| matches!(status, 401 | 429)), "{statuses:?}");
                }
            });
            assert_eq!(fail_as(&node, &client.id, "203.0.113.9").status, 401);
            let written = Instant::now();
            while !complete() && written.elapsed() < Duration::from_secs(15) {
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        let unknown = rows("account_id IS NULL");
        // A burst of 100 is recorded, then ten per second, and one entry a minute counts the rest.
        let seconds = i64::try_from(began.elapsed().as_secs()).unwrap() + 2;
        let allowed = 100 + 10 * seconds + seconds / 60 + 1;
        assert!(unknown <= allowed, "{unknown} rows in {seconds} s");
        let known = rows("account_id IS NOT NULL");
        // These entries are purged after thirty days.
        assert_eq!(rows("account_id IS NULL AND expires_at - happened_at = 2592000000"), unknown);
        assert_eq!(rows("account_id IS NOT NULL AND expires_at IS NOT NULL"), 0);
        world.execute("UPDATE audit SET expires_at = 1000 WHERE expires_at IS NOT NULL");
        world.clocks_are_trusted();
        within(Duration::from_secs(60), "the purge", || (rows("account_id IS NULL") == 0).then_some(()));
        assert!(rows("account_id IS NOT NULL") >= known);
    }

    /// Each change, through any entry point, writes an audit entry with the request id.
    fn every_change_is_in_the_audit(world: World) {
        create_account(&world);
        let node = world.start_with(&["--registration", "open", "--registration-scope", "read"]);
        for changes in [changes_by_a_registered_client, changes_by_an_api_key, changes_in_the_portal] {
            each_case(changes(&world, &node), |change| {
                let Change { response, action, actor, target } = change;
                let id = response.header("x-request-id").unwrap();
                let found = world.count(&format!(
                    "SELECT count(*) FROM audit WHERE request_id = '{id}' AND action = '{action}' AND actor = '{actor}' \
                     AND target = '{target}' AND address = '127.0.0.1'",
                ));
                assert_eq!(found, 1, "{action} of {target} by {actor}");
            });
        }
        // Objects that are created as a side effect, and changes by Keyward itself.
        each_case([
            ("token.revoke", "actor <> ''"),
            ("api_key.revoke", "actor <> ''"),
            ("account.create", "actor LIKE 'client %'"),
            ("signing_key.create", "actor = 'Keyward' AND target <> ''"),
        ], |(action, condition)| {
            assert_eq!(world.count(&format!("SELECT count(*) FROM audit WHERE action = '{action}' AND {condition}")), 1, "{action}");
        });
    }

    fn registration_by_token_and_rotation_by_age_are_in_the_audit(world: World) {
        let made = world.cli(&["registration-token", "create", "--scope", "read"]);
        let node = world.start_with(&["--signing-key-max-age", "3s", "--jwks-max-age", "1s", "--token-ttl", "1s"]);
        let token = made.as_object().unwrap().values().filter_map(Value::as_str).find(|value| value.starts_with("kwi_")).unwrap();
        let reply = node.json("POST", "/oauth/register", Some(token), &json!({"scope": "read"}));
        assert_eq!(reply.status, 201, "{}", reply.body);
        let actor = format!("initial access token {}", token.split('_').nth(1).unwrap());
        let count = |condition: &str| world.count(&format!("SELECT count(*) FROM audit WHERE {condition}"));
        assert_eq!(count(&format!("action = 'client.create' AND actor = '{actor}' AND request_id IS NOT NULL")), 1);
        within(Duration::from_secs(20), "the rotation", || (count("action = 'signing_key.rotate' AND actor = 'Keyward'") > 0).then_some(()));
    }
}

fn jti_of(token: &str) -> String {
    use base64::Engine;
    let payload = token.split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(
        &base64::engine::general_purpose::URL_SAFE_NO_PAD
            .decode(payload)
            .unwrap(),
    )
    .unwrap();
    claims["jti"].as_str().unwrap().to_owned()
}

/// Failures of an address over its limit do not count against other callers, and a provider's
/// network of more than one /64 is limited as well.
#[test]
fn floods_do_not_use_up_the_limits_of_others() {
    let world = World::sqlite();
    create_account(&world);
    let client = world.client("read");
    let node = world.start_with(&["--trusted-proxies", "127.0.0.1"]);
    let callers = |count: usize, of: &dyn Fn(usize) -> (String, String)| {
        (0..count).map(of).collect::<Vec<_>>()
    };
    let here = || "203.0.113.1".to_owned();
    let first = pipelined(&node, &callers(200, &|n| (format!("made-up-{n}"), here())));
    assert!(first[&401] >= 100 && first[&429] > 0, "{first:?}");
    // Failures with a client's id are refused, and not counted against the client.
    pipelined(&node, &callers(100, &|_| (client.id.clone(), here())));
    let elsewhere = pipelined(
        &node,
        &callers(15, &|_| (client.id.clone(), "203.0.113.2".to_owned())),
    );
    assert_eq!(
        elsewhere,
        BTreeMap::from([(401, 15)]),
        "as if nobody had failed before"
    );

    // The count of a user is not evicted by counts of made-up names.
    let stranger = Browser::saying(&node, "x-forwarded-for", "203.0.113.7");
    let began = Instant::now();
    let guess = || stranger.sign_in(ADA, "wrong password 1").status;
    let mut compared = 0;
    while guess() == 403 {
        compared += 1;
    }
    pipelined(
        &node,
        &callers(400, &|n| (format!("other-{n}"), address_in_network(n))),
    );
    compared += (0..5).filter(|_| guess() == 403).count();
    let allowed = 10 + usize::try_from(began.elapsed().as_secs() / 30).unwrap();
    assert!(
        (10..=allowed).contains(&compared),
        "{compared} guesses were compared, {allowed} are allowed"
    );

    // Many /64 networks in one /56.
    let neighbours = pipelined(
        &node,
        &callers(1000, &|n| {
            (String::new(), format!("2001:db8:ffff:{:x}::1", n % 256))
        }),
    );
    assert!(
        neighbours[&401] >= 300 && neighbours.get(&429).is_some_and(|refused| *refused > 0),
        "{neighbours:?}"
    );
}

/// Without JavaScript, the page of an invitation link asks for the link.
#[test]
fn an_invitation_works_without_a_script() {
    let world = World::sqlite();
    create_account(&world);
    let node = world.start();
    let browser = Browser::new(&node);
    let page = browser.get("/portal/invitation");
    assert!(
        page.status == 200 && page.body.contains("name=\"link\""),
        "{}",
        page.body
    );
    assert!(!hidden(&page, "/portal/invitation").is_empty());
    // The former URL, with the secret in the path, does not exist.
    assert_eq!(browser.status("/portal/invitation/kwv_x"), 404);
    eventually("the log line", || {
        node.logs().contains("/portal/invitation").then_some(())
    });
}
