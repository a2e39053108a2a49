//! The portal over HTTP, without a browser: sign-in and sign-out, forged forms, visibility per
//! role, the audit; and pages while the database is unavailable.

use std::time::{Duration, Instant};

use crate::support::portal::{Browser, INVITATION, PASSWORD, hidden, person};
use crate::support::proxy::Proxy;
use crate::support::tools::Tool;
use crate::support::{Backend, Node, Reply, World, each_case};

const ADA: &str = "ada@one.example";
const BOB: &str = "bob@one.example";

/// The path that the form of an invitation is posted to.
const ACCEPT: &str = "/portal/invitation/password";

impl Browser<'_> {
    /// Sets a password with an invitation link.
    fn accept(&self, link: &str, password: &str) -> Reply {
        self.submit(&self.open(link), ACCEPT, &[("password", password)])
    }
}

/// Creates an account with an administrator.
fn create_account(world: &World) {
    world.cli(&["account", "create", "--name", "One"]);
    person(world, ADA, "administrator", Some("One"));
}

fn operator<'a>(world: &World, node: &'a Node) -> Browser<'a> {
    person(world, "op@keyward.example", "operator", None);
    Browser::of(node, "op@keyward.example")
}

/// Creates an application of an account. Returns its client id and the id of its API key.
fn application(world: &World, account: &str) -> (String, String) {
    let client = world.client_with(&["--account", account, "--scope", "read"]);
    (
        client.id.clone(),
        client.api_key.split('_').nth(1).unwrap().to_owned(),
    )
}

/// Whether the browser is signed in: the profile page is not a redirect to the sign-in page.
fn is_signed_in(browser: &Browser<'_>) -> bool {
    let reply = browser.get("/portal/profile");
    assert!(
        reply.status == 200 || reply.leads_to().starts_with("/portal/sign-in?next="),
        "{}: {}",
        reply.status,
        reply.body
    );
    reply.status == 200
}

/// The number of audit entries, without failures: a refused request must not change it.
fn audit_entries(world: &World) -> i64 {
    world.count("SELECT count(*) FROM audit WHERE action NOT LIKE '%.failure'")
}

/// Asserts the security headers, which each page has whatever its status.
fn assert_security_headers(reply: &Reply, what: &str) {
    let policy = reply
        .header("content-security-policy")
        .unwrap_or_else(|| panic!("{what}: no policy"));
    assert!(
        policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
        "{what}: {policy}"
    );
    assert!(
        policy.contains("base-uri 'none'")
            && policy.contains("form-action 'self'")
            && !policy.contains("unsafe"),
        "{what}: {policy}"
    );
    each_case(
        [
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
        ],
        |(name, value)| {
            assert_eq!(reply.header(name), Some(value), "{what}: {name}");
        },
    );
    assert!(reply.header("x-request-id").is_some(), "{what}");
}

/// Asserts that the response is a page of the portal with this status.
fn page(reply: &Reply, status: u16) -> &Reply {
    assert_eq!(reply.status, status, "{}", reply.body);
    assert_eq!(
        reply.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert!(reply.body.starts_with("<!DOCTYPE html>") && reply.body.ends_with("</html>"));
    assert_security_headers(reply, "the page");
    reply
}

mod totp {
    use keyward::clock::Timestamp;
    use totp_rs::{Builder, Secret};

    /// The TOTP code of the step `steps` after the current one.
    pub fn code(secret: &str, steps: i64) -> String {
        let secret = Secret::try_from_base32(secret).unwrap();
        let totp = Builder::new()
            .with_secret(secret)
            .with_account_name("x")
            .build()
            .unwrap();
        totp.generate(
            (Timestamp::now().seconds() + 30 * steps)
                .try_into()
                .unwrap(),
        )
        .to_string()
    }

    /// Waits until the current TOTP step has time for a few more requests.
    pub fn wait_for_early_in_step() {
        while Timestamp::now().seconds() % 30 > 24 {
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    }
}

/// Sets up two-step verification. Returns the secret and the recovery codes.
fn enrol(browser: &Browser<'_>) -> (String, Vec<String>) {
    totp::wait_for_early_in_step();
    let form = browser.get("/portal/profile/second-factor");
    let secret = form.shown("secret");
    let code = totp::code(&secret, 0);
    let codes = browser.submit(
        &form,
        "/portal/profile/second-factor",
        &[("password", PASSWORD), ("code", &code)],
    );
    (
        secret,
        page(&codes, 200)
            .shown("codes")
            .lines()
            .map(str::to_owned)
            .collect(),
    )
}

/// Whatever is wrong, the message is the same; and the password is not shown again.
fn wrong_credentials_get_one_message(_: &World, node: &Node) {
    let browser = Browser::new(node);
    let refusals = [
        (ADA, "wrong password 1"),
        ("nobody@one.example", PASSWORD),
        ("", ""),
        ("\0", "wrong password 1"),
        (ADA, ""),
    ]
    .map(|(email, password)| {
        let reply = browser.sign_in(email, password);
        page(&reply, 403);
        assert!(browser.cookie("keyward").is_empty(), "{email}");
        assert!(
            password.is_empty() || !reply.body.contains(password),
            "{email}"
        );
        match email {
            "" => reply.body.clone(),
            _ => reply
                .body
                .replace(&format!("value=\"{email}\""), "value=\"\""),
        }
    });
    assert!(
        refusals.iter().all(|body| *body == refusals[0]),
        "{refusals:#?}"
    );
}

fn the_cookies_of_a_sign_in_are_restricted(_: &World, node: &Node) {
    let browser = Browser::new(node);
    let reply = browser.sign_in(&ADA.to_uppercase(), PASSWORD);
    assert_eq!(reply.leads_to(), "/portal");
    let [session, known] = reply.all("set-cookie")[..] else {
        panic!("{:?}", reply.all("set-cookie"))
    };
    assert!(
        session.starts_with("keyward=kwp_") && !session.contains("Max-Age"),
        "{session}"
    );
    assert!(
        known.starts_with("keyward_known=") && known.contains("Max-Age="),
        "{known}"
    );
    for cookie in [session, known] {
        let attributes: Vec<&str> = cookie.split("; ").skip(1).collect();
        for wanted in ["HttpOnly", "SameSite=Lax", "Path=/"] {
            assert!(attributes.contains(&wanted), "{wanted}: {cookie}");
        }
        assert!(!attributes.contains(&"Secure"), "{cookie}");
    }
    assert!(is_signed_in(&browser));
}

/// Another browser gets another session; signing in again in the same browser ends the previous one.
fn each_browser_has_one_session(_: &World, node: &Node) {
    let (first, second) = (Browser::of(node, ADA), Browser::of(node, ADA));
    assert_ne!(first.cookie("keyward"), second.cookie("keyward"));
    let before = second.cookie("keyward");
    let fields = [("email", ADA), ("password", PASSWORD)];
    assert_eq!(second.act("/portal/sign-in", &fields).status, 303);
    assert!(is_signed_in(&second) && second.cookie("keyward") != before);
    second.set_cookie("keyward", &before);
    assert!(!is_signed_in(&second) && is_signed_in(&first));
}

fn a_changed_password_ends_other_sessions(world: &World, node: &Node) {
    person(world, BOB, "viewer", Some("One"));
    let (browser, other, stale) = (
        Browser::of(node, BOB),
        Browser::of(node, BOB),
        Browser::new(node),
    );
    stale.set_cookie("keyward", &browser.cookie("keyward"));
    let change = |current: &str, new: &str| {
        let fields = [("current", current), ("new", new)];
        browser.fill("/portal/profile", "/portal/profile/password", &fields)
    };
    let new = "another horse battery";
    for (current, new) in [("wrong password 1", new), (PASSWORD, "2 shrt")] {
        let reply = change(current, new);
        assert!(page(&reply, 400).body.contains("role=\"alert\""));
        assert!(!reply.body.contains(new) && !reply.body.contains(current));
    }
    let reply = change(PASSWORD, new);
    assert!(
        reply.leads_to().starts_with("/portal/profile"),
        "{}",
        reply.body
    );
    assert!(is_signed_in(&browser), "the session has a new cookie");
    assert!(!is_signed_in(&stale) && !is_signed_in(&other));
    assert_eq!(other.sign_in(BOB, PASSWORD).status, 403);
    assert_eq!(other.sign_in(BOB, new).status, 303);
    world.cli(&["user", "delete", BOB]);
    assert!(
        !is_signed_in(&browser),
        "the sessions of a deleted user end"
    );
}

fn sessions_end_by_signing_out(world: &World, node: &Node) {
    let user = "cleo@one.example";
    person(world, user, "viewer", Some("One"));
    let (browser, other, stale) = (
        Browser::of(node, user),
        Browser::of(node, user),
        Browser::new(node),
    );
    let sessions = browser.get("/portal/profile");
    let end = sessions
        .body
        .split("action=\"")
        .map(|rest| rest.split('"').next().unwrap())
        .find(|action| action.ends_with("/end"));
    assert_eq!(browser.submit(&sessions, end.unwrap(), &[]).status, 303);
    assert!(
        is_signed_in(&browser) && !is_signed_in(&other),
        "the other session ended"
    );

    let last = browser.cookie("keyward");
    // A cookie with a typing error belongs to no session.
    let mistyped = [
        format!("{last}x"),
        last.replace("kwp_", "kws_"),
        last[..last.len() - 1].to_owned(),
        "\"".to_owned(),
    ];
    for wrong in mistyped {
        stale.set_cookie("keyward", &wrong);
        assert!(!is_signed_in(&stale), "{wrong}");
    }
    let reply = browser.fill("/portal/profile", "/portal/sign-out", &[]);
    assert!(reply.leads_to().starts_with("/portal/sign-in"));
    assert!(
        browser.cookie("keyward").is_empty(),
        "{:?}",
        reply.all("set-cookie")
    );
    stale.set_cookie("keyward", &last);
    assert!(!is_signed_in(&stale));
}

on_both! {
    fn users_sign_in_and_out(world: World) {
        create_account(&world);
        let node = world.start();
        let checks: [fn(&World, &Node); 5] = [
            wrong_credentials_get_one_message,
            the_cookies_of_a_sign_in_are_restricted,
            each_browser_has_one_session,
            a_changed_password_ends_other_sessions,
            sessions_end_by_signing_out,
        ];
        each_case(checks, |check| check(&world, &node));
    }

    /// Failed sign-ins are limited per client IP, and the rightful user can sign in from another
    /// one.
    fn failed_sign_ins_are_rate_limited(world: World) {
        create_account(&world);
        person(&world, BOB, "viewer", Some("One"));
        let node = world.start_with(&["--trusted-proxies", "127.0.0.1"]);
        let at = |address: &str| Browser::saying(&node, "x-forwarded-for", address);
        let (here, known) = (at("203.0.113.1"), at("203.0.113.1"));
        assert_eq!(known.sign_in(ADA, PASSWORD).status, 303);
        known.fill("/portal/profile", "/portal/sign-out", &[]);
        for _ in 0..10 {
            assert_eq!(here.sign_in(ADA, "wrong password 1").status, 403);
        }
        let refused = here.sign_in(ADA, PASSWORD);
        page(&refused, 429);
        assert!(here.cookie("keyward").is_empty());
        let wait: u64 = refused.header("retry-after").expect("Retry-After").parse().unwrap();
        assert!((1..=30).contains(&wait), "{wait}");
        assert_eq!(node.log_of(&refused)["code"], "temporarily_unavailable");
        assert_eq!(here.sign_in("nobody@one.example", PASSWORD).status, 403, "unknown users have the same limit");
        assert_eq!(here.sign_in(BOB, PASSWORD).status, 303, "another user from the same address");
        assert_eq!(at("203.0.113.2").sign_in(ADA, PASSWORD).status, 303, "from another address");
        // A browser in which the user signed in before has a count of its own.
        assert_eq!(known.sign_in(BOB, "wrong password 1").status, 403);
        assert_eq!(known.sign_in(ADA, PASSWORD).status, 303);
        known.fill("/portal/profile", "/portal/sign-out", &[]);
        let guesses: Vec<u16> = (0..11).map(|_| known.sign_in(ADA, "wrong password 1").status).collect();
        assert_eq!((&guesses[..10], guesses[10]), (&[403; 10][..], 429));
        // Successful sign-ins are not counted.
        for _ in 0..12 {
            assert_eq!(at("203.0.113.3").sign_in(ADA, PASSWORD).status, 303);
        }
        // Of concurrent attempts, no more passwords are compared.
        let looked_at: Vec<u16> = std::thread::scope(|scope| {
            let all: Vec<_> = (0..30).map(|_| scope.spawn(|| at("203.0.113.4").sign_in(ADA, "wrong password 1").status)).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert!(looked_at.iter().filter(|status| **status == 403).count() <= 10, "{looked_at:?}");
        // Attempts that wait too long for a hash permit are refused without a comparison.
        assert!(looked_at.iter().all(|status| matches!(status, 403 | 429 | 503)), "{looked_at:?}");
    }

    fn sessions_end_when_idle_and_at_their_limit(world: World) {
        create_account(&world);
        let node = world.start_with(&["--portal-idle", "4s", "--portal-session", "10s"]);
        let (used, left) = (Browser::of(&node, ADA), Browser::of(&node, ADA));
        let began = Instant::now();
        let ended = loop {
            if !is_signed_in(&used) {
                break began.elapsed();
            }
            assert!(began.elapsed() < Duration::from_secs(30), "the session does not end");
            std::thread::sleep(Duration::from_millis(300));
        };
        assert!(ended > Duration::from_secs(6), "a session in use continues: {ended:?}");
        let unused = Browser::of(&node, ADA);
        std::thread::sleep(Duration::from_millis(4100));
        assert!(!is_signed_in(&unused) && !is_signed_in(&left));
    }

    /// A form that does not come from a page of this session changes nothing.
    fn forged_forms_are_refused(world: World) {
        create_account(&world);
        let node = world.start();
        let (ada, other) = (Browser::of(&node, ADA), Browser::of(&node, ADA));
        let stranger = Browser::new(&node);
        let own = ada.form_token();
        let (others, strangers) = (other.form_token(), stranger.form_token());
        let before = audit_entries(&world);
        let action = "/portal/people";
        let host = node.base.strip_prefix("http://").unwrap().to_owned();
        let lookalike = format!("http://{host}.evil.example");
        each_case([
            ("no token", None, &[] as &[(&str, &str)]),
            ("an empty token", Some(""), &[]),
            ("another session's", Some(others.as_str()), &[]),
            ("another browser's", Some(&strangers), &[]),
            ("cross-site", Some(&own), &[("sec-fetch-site", "cross-site")]),
            ("same-site", Some(&own), &[("sec-fetch-site", "same-site")]),
            ("cross-site, with our origin", Some(&own), &[("sec-fetch-site", "cross-site"), ("origin", node.base.as_str())]),
            ("a foreign origin", Some(&own), &[("origin", "https://evil.example")]),
            ("an origin that begins like ours", Some(&own), &[("origin", lookalike.as_str())]),
            ("no origin", Some(&own), &[("origin", "null")]),
        ], |(what, token, headers)| {
            let mut fields = vec![("email", BOB), ("role", "viewer")];
            fields.extend(token.map(|token| ("csrf_token", token)));
            let reply = ada.post(action, headers, &fields);
            assert_eq!((reply.status, audit_entries(&world)), (403, before), "{what}: {}", reply.body);
            page(&reply, 403);
            assert!(is_signed_in(&ada));
        });
        // The same applies to forms without a session.
        each_case([None, Some(own.as_str()), Some(others.as_str())], |token| {
            let mut fields = vec![("email", ADA), ("password", PASSWORD)];
            fields.extend(token.map(|token| ("csrf_token", token)));
            page(&stranger.post("/portal/sign-in", &[], &fields), 403);
            assert!(stranger.cookie("keyward").is_empty());
        });
        // Without a session, the input is kept for the sign-in, and submitted again by the user.
        let late = stranger.post(action, &[], &[("csrf_token", &own), ("email", BOB), ("role", "viewer")]);
        page(&late, 403);
        let waiting = stranger.submit(&late, "/portal/sign-in", &[("email", ADA), ("password", PASSWORD)]);
        assert!(page(&waiting, 200).body.contains(BOB));
        assert_eq!(world.count("SELECT count(*) FROM users"), 1);
        page(&stranger.submit(&waiting, action, &[]), 200);
        assert_eq!(world.count("SELECT count(*) FROM users"), 2);
        // Forms of the portal's own pages are accepted.
        each_case([&[("sec-fetch-site", "same-origin")] as &[(&str, &str)], &[("origin", node.base.as_str())], &[]], |headers| {
            let reply = ada.post("/portal/people/second-factor", headers, &[("csrf_token", &own), ("required", "")]);
            assert_eq!(reply.status, 303, "{headers:?}: {}", reply.body);
        });
    }

    fn an_invitation_works_once_and_sets_a_password(world: World) {
        create_account(&world);
        let node = world.start();
        let ada = Browser::of(&node, ADA);
        let people = "/portal/people";
        let invited = ada.fill(people, people, &[("email", BOB), ("role", "developer")]);
        let shown = |reply: &Reply| page(reply, 200).shown("link");
        let first = shown(&invited);
        // The secret is in the fragment, so it is in no request and in no proxy's log.
        assert!(first.starts_with(&format!("{}/portal/invitation#kwv_", node.base)), "{first}");
        assert!(!ada.get(people).body.contains("kwv_"), "shown once");

        // Opening the link does not use it up, and a weak password leaves it valid.
        let bob = Browser::new(&node);
        for link in [&first, first.split('#').nth(1).unwrap(), &format!(" {first} ")] {
            assert!(page(&bob.open(link), 200).body.contains(BOB));
        }
        let weak = bob.accept(&first, "short");
        assert!(page(&weak, 400).body.contains("id=\"password-error\""), "{}", weak.body);
        assert_eq!(bob.submit(&weak, ACCEPT, &[("password", PASSWORD)]).leads_to().split('?').next(), Some("/portal/sign-in"));
        page(&bob.open(&first), 404);
        assert_eq!(bob.sign_in(BOB, PASSWORD).status, 303);

        // A newer link replaces it; the password and the sessions stay until the new link is used.
        let id = world.cli(&["user", "list"])[1]["id"].as_str().unwrap().to_owned();
        let person = format!("{people}/{id}");
        let link = |browser: &Browser<'_>| shown(&browser.fill(&person, &format!("{person}/link"), &[]));
        let (second, third) = (link(&ada), link(&ada));
        page(&bob.open(&second), 404);
        assert!(is_signed_in(&bob));
        let elsewhere = Browser::new(&node);
        let open = elsewhere.open(&third);
        assert_eq!(elsewhere.submit(&open, ACCEPT, &[("password", "another horse battery")]).status, 303);
        assert!(!is_signed_in(&bob), "existing sessions end");
        page(&elsewhere.submit(&open, ACCEPT, &[("password", "a third horse battery")]), 404);
        assert_eq!((bob.sign_in(BOB, "a third horse battery").status, bob.sign_in(BOB, "another horse battery").status), (403, 303));

        // The link expires.
        let fourth = link(&ada);
        world.execute("UPDATE invitations SET expires_at = 1000");
        page(&elsewhere.open(&fourth), 404);
        let fifth = link(&ada);
        let open = elsewhere.open(&fifth);
        let secret = world.client("a").secret;
        each_case([
            fifth.replace("kwv_", "kws_"),
            format!("{fifth}x"),
            fifth[..fifth.len() - 1].to_owned(),
            format!("{}/portal/invitation#{secret}", node.base),
            "x".to_owned(),
            String::new(),
            "\0".to_owned(),
        ], |wrong| {
            page(&elsewhere.open(&wrong), 404);
            for password in [PASSWORD, "short"] {
                let reply = elsewhere.submit(&open, ACCEPT, &[("link", &wrong), ("password", password)]);
                assert_eq!(reply.status, 404, "{wrong}: {}", reply.body);
            }
        });
        // A form without its cookie changes nothing, and the link stays valid.
        let stranger = Browser::new(&node);
        let lost = stranger.post(ACCEPT, &[], &[("link", &fifth), ("password", PASSWORD)]);
        let open_again = stranger.submit(page(&lost, 403), INVITATION, &[("link", &fifth)]);
        assert!(lost.body.contains(fifth.split('#').nth(1).unwrap()) && page(&open_again, 200).body.contains(BOB));
        assert_eq!(elsewhere.submit(&open, ACCEPT, &[("password", PASSWORD)]).status, 303, "the link is still valid");
        // The link of a deleted user is not valid.
        let sixth = link(&ada);
        world.cli(&["user", "delete", BOB]);
        page(&elsewhere.open(&sixth), 404);
    }

    fn a_second_factor_is_enrolled_used_and_removed(world: World) {
        create_account(&world);
        person(&world, BOB, "viewer", Some("One"));
        let node = world.start();
        let (bob, other) = (Browser::of(&node, BOB), Browser::of(&node, BOB));
        let set_up = "/portal/profile/second-factor";
        // A wrong code sets up nothing, and the form keeps its secret.
        let form = bob.get(set_up);
        let wrong = bob.submit(&form, set_up, &[("password", PASSWORD), ("code", "000000x")]);
        assert_eq!(page(&wrong, 403).shown("secret"), form.shown("secret"));
        assert_eq!(world.count("SELECT count(*) FROM users WHERE totp_sealed IS NOT NULL"), 0);
        // The same applies to the secret from another user's form.
        let ada = Browser::of(&node, ADA);
        let theirs = ada.get(set_up);
        let sealed = hidden(&theirs, set_up).into_iter().find(|(name, _)| name == "sealed").unwrap().1;
        let swapped = bob.submit(&form, set_up, &[("sealed", &sealed), ("password", PASSWORD), ("code", &totp::code(&theirs.shown("secret"), 0))]);
        assert_eq!((swapped.status, world.count("SELECT count(*) FROM users WHERE totp_sealed IS NOT NULL")), (400, 0));

        let (secret, codes) = enrol(&bob);
        assert_eq!(codes.len(), 10);
        assert!(is_signed_in(&bob) && !is_signed_in(&other), "the session without the second step ended");
        assert!(bob.get(set_up).leads_to().ends_with("/profile"), "one is enough");

        // After the password, only the page for the code is available.
        let half = Browser::new(&node);
        let question = half.sign_in(BOB, PASSWORD);
        page(&question, 200);
        let before = half.cookie("keyward");
        for path in ["/portal/applications", "/portal/profile", set_up] {
            assert_eq!(half.get(path).leads_to(), "/portal/second-factor", "{path}");
        }
        let asked = audit_entries(&world);
        let token = hidden(&question, "/portal/second-factor")[0].1.clone();
        for path in ["/portal/profile/password", "/portal/profile/second-factor/remove", "/portal/profile/recovery-codes"] {
            let reply = half.post(path, &[], &[("csrf_token", &token), ("current", PASSWORD), ("new", "another horse battery")]);
            assert_eq!((reply.leads_to(), audit_entries(&world)), ("/portal/second-factor", asked), "{path}");
        }
        let answer = |browser: &Browser<'_>, code: &str| {
            let page = browser.get("/portal/second-factor");
            browser.submit(&page, "/portal/second-factor", &[("code", code)])
        };
        // The code that confirmed the setup has been used.
        for wrong in [totp::code(&secret, 0), "000000".to_owned(), String::new(), "\0".to_owned()] {
            page(&answer(&half, &wrong), 403);
        }
        totp::wait_for_early_in_step();
        let code = totp::code(&secret, 1);
        assert_eq!(answer(&half, &format!(" {} {} ", &code[..3], &code[3..])).leads_to(), "/portal", "as people type it");
        assert!(is_signed_in(&half) && half.cookie("keyward") != before, "with a new cookie");
        let stale = Browser::new(&node);
        stale.set_cookie("keyward", &before);
        assert!(!is_signed_in(&stale));
        // A code is accepted once, and so is a recovery code.
        let again = Browser::new(&node);
        again.sign_in(BOB, PASSWORD);
        page(&answer(&again, &code), 403);
        assert_eq!(answer(&again, &codes[0].to_uppercase().replace('-', " ")).leads_to(), "/portal");
        let third = Browser::new(&node);
        third.sign_in(BOB, PASSWORD);
        page(&answer(&third, &codes[0]), 403);
        assert!(is_signed_in(&again) && !third.cookie("keyward").is_empty());

        // New recovery codes replace the remaining ones.
        let renew = |code: &str| half.fill("/portal/profile", "/portal/profile/recovery-codes", &[("password", PASSWORD), ("code", code)]);
        assert_eq!(page(&renew(&codes[0]), 403).body.matches("id=\"codes\"").count(), 0);
        let renewed = page(&renew(&codes[1]), 200).shown("codes");
        assert!(!renewed.contains(&codes[2]) && renewed.lines().count() == 10);
        assert!(!is_signed_in(&third), "and end sign-ins in progress");
        third.sign_in(BOB, PASSWORD);
        page(&answer(&third, &codes[2]), 403);

        // Wrong codes are limited like wrong passwords.
        let statuses: Vec<u16> = (0..20).map(|_| answer(&third, "000000").status).collect();
        assert!(statuses.contains(&429) && statuses.iter().all(|status| matches!(status, 403 | 429)), "{statuses:?}");
        page(&answer(&third, renewed.lines().next().unwrap()), 429);

        // An administrator can reset it for a user who lost it; a viewer cannot.
        let id = world.cli(&["user", "list"])[1]["id"].as_str().unwrap().to_owned();
        let reset = format!("/portal/people/{id}/second-factor/reset");
        page(&half.act(&reset, &[]), 403);
        assert_eq!(ada.fill(&format!("/portal/people/{id}"), &reset, &[]).status, 303);
        assert!(!is_signed_in(&half));
        assert_eq!(world.count("SELECT count(*) FROM users WHERE totp_sealed IS NOT NULL OR recovery_hashes <> ''"), 0);
    }

    /// In an account that requires two-step verification, users can open nothing else before they
    /// set it up.
    fn an_account_can_require_a_second_factor(world: World) {
        create_account(&world);
        person(&world, BOB, "developer", Some("One"));
        let (app, _) = application(&world, "One");
        let node = world.start();
        let (ada, bob) = (Browser::of(&node, ADA), Browser::of(&node, BOB));
        let policy = "/portal/people/second-factor";
        page(&bob.act(policy, &[("required", "on")]), 403);
        assert_eq!(ada.fill("/portal/people", policy, &[]).status, 303);
        let set_up = "/portal/profile/second-factor";
        let form = bob.get(set_up);
        let token = hidden(&form, set_up)[0].1.clone();
        let before = audit_entries(&world);
        for path in ["/portal/applications".to_owned(), "/portal/profile".to_owned(), format!("/portal/applications/{app}/keys")] {
            assert_eq!(bob.get(&path).leads_to(), set_up, "{path}");
        }
        for path in [format!("/portal/applications/{app}/secrets"), "/portal/profile/password".to_owned()] {
            let reply = bob.post(&path, &[], &[("csrf_token", &token), ("current", PASSWORD), ("new", "another horse battery")]);
            assert_eq!((reply.leads_to(), audit_entries(&world)), (set_up, before), "{path}");
        }
        let (_, codes) = enrol(&bob);
        assert_eq!(bob.status("/portal/applications"), 200);
        let remove = "/portal/profile/second-factor/remove";
        // After a reset, the user can open only the page that sets it up.
        let reply = bob.act(remove, &[("password", PASSWORD), ("code", &codes[0])]);
        assert_eq!((reply.leads_to(), world.count("SELECT count(*) FROM users WHERE totp_sealed IS NOT NULL")), (set_up, 0));
        assert_eq!(bob.get("/portal/applications").leads_to(), set_up);
        let (_, codes) = enrol(&bob);
        enrol(&ada);
        assert_eq!(ada.fill("/portal/people", policy, &[]).status, 303);
        assert_eq!(bob.act(remove, &[("password", PASSWORD), ("code", &codes[0])]).status, 303);
        assert_eq!(world.count("SELECT count(*) FROM users WHERE totp_sealed IS NOT NULL"), 1);
    }

    fn each_role_sees_and_changes_what_it_may(world: World) {
        world.resource("urn:api");
        create_account(&world);
        for (email, role) in [("vic@one.example", "viewer"), ("dan@one.example", "developer")] {
            person(&world, email, role, Some("One"));
        }
        let (app, key) = application(&world, "One");
        let node = world.start();
        let operator = operator(&world, &node);
        let [viewer, developer, administrator] = ["vic@one.example", "dan@one.example", ADA].map(|email| Browser::of(&node, email));
        let people = world.cli(&["user", "list"]);
        let vic = people.as_array().unwrap().iter().find(|user| user["email"] == "vic@one.example").unwrap()["id"].as_str().unwrap();
        let kid = node.kids()[0].clone();
        let application = format!("/portal/applications/{app}");

        for (path, statuses) in [
            ("/portal/applications".to_owned(), [200, 200, 200, 200]),
            (application.clone(), [200, 200, 200, 200]),
            (format!("{application}/quick-start"), [200, 200, 200, 200]),
            ("/portal/profile".to_owned(), [200, 200, 200, 200]),
            ("/portal/overview".to_owned(), [403, 200, 200, 200]),
            ("/portal/applications/new".to_owned(), [403, 200, 200, 200]),
            (format!("{application}/edit"), [403, 200, 200, 200]),
            (format!("{application}/disable"), [403, 200, 200, 200]),
            (format!("{application}/delete"), [403, 200, 200, 200]),
            (format!("{application}/revoke-tokens"), [403, 200, 200, 200]),
            (format!("{application}/secrets"), [403, 200, 200, 200]),
            (format!("{application}/keys"), [403, 200, 200, 200]),
            (format!("{application}/keys/{key}/rotate"), [403, 200, 200, 200]),
            (format!("{application}/keys/{key}/revoke"), [403, 200, 200, 200]),
            ("/portal/api-keys".to_owned(), [403, 303, 303, 303]),
            ("/portal/audit".to_owned(), [403, 200, 200, 200]),
            ("/portal/people".to_owned(), [403, 403, 200, 200]),
            (format!("/portal/people/{vic}"), [403, 403, 200, 200]),
            (format!("/portal/people/{vic}/remove"), [403, 403, 200, 200]),
            ("/portal/registration-tokens".to_owned(), [403, 403, 200, 200]),
            ("/portal/accounts".to_owned(), [403, 403, 403, 200]),
            ("/portal/resource-servers".to_owned(), [403, 403, 403, 200]),
            ("/portal/signing-keys".to_owned(), [403, 403, 403, 200]),
            (format!("/portal/signing-keys/{kid}/retire"), [403, 403, 403, 200]),
        ] {
            let all = [&viewer, &developer, &administrator, &operator];
            assert_eq!(all.map(|browser| browser.status(&path)), statuses, "{path}");
            // The menu and the application's tabs link to what the role may see.
            let below = path.trim_start_matches("/portal/").contains('/');
            if below && !path.starts_with(&application) || path.ends_with("/rotate") || path.ends_with("/revoke") {
                continue;
            }
            for (browser, status) in all.into_iter().zip(statuses) {
                let tabs = ["", "/credentials", "/access", "/activity"].map(|tab| format!("{application}{tab}"));
                let mut pages = ["/portal/applications".to_owned()].into_iter().chain(tabs);
                let linked = pages.any(|from| browser.get(&from).body.contains(&format!("href=\"{path}\"")));
                assert_eq!(linked, status != 403, "a link to {path}");
            }
        }

        // Forms for what the role may not do are refused.
        let form = [("name", "x"), ("email", "x@one.example"), ("role", "viewer"), ("grace", "0s"), ("identifier", "urn:x"), ("uses", "1"), ("required", "on")];
        let of_clients = ["/portal/applications".to_owned()].into_iter().chain(
            ["/edit", "/disable", "/enable", "/delete", "/revoke-tokens", "/secrets", "/secrets/rotate", "/secrets/x/edit", "/secrets/x/delete", "/keys"]
                .map(|below| format!("{application}{below}")),
        );
        let of_keys = ["rotate", "revoke"].map(|what| format!("{application}/keys/{key}/{what}"));
        let of_people = ["", "/second-factor"].map(|below| format!("/portal/people{below}"));
        let of_person = ["role", "link", "second-factor/reset", "remove"].map(|below| format!("/portal/people/{vic}/{below}"));
        let of_tokens = ["", "/x/delete"].map(|below| format!("/portal/registration-tokens{below}"));
        let of_server = ["/accounts", "/resource-servers", "/resource-servers/delete", "/signing-keys/rotate"].map(|path| format!("/portal{path}"));
        let of_server = of_server.into_iter().chain([format!("/portal/signing-keys/{kid}/retire")]).collect::<Vec<_>>();
        let of_account: Vec<String> = of_people.into_iter().chain(of_person).chain(of_tokens).collect();
        let before = audit_entries(&world);
        each_case([
            (&viewer, of_clients.chain(of_keys).chain(of_account.clone()).chain(of_server.clone()).collect::<Vec<_>>()),
            (&developer, of_account.into_iter().chain(of_server.clone()).collect()),
            (&administrator, of_server),
        ], |(browser, paths)| {
            for path in paths {
                let reply = browser.act(&path, &form);
                assert_eq!((reply.status, audit_entries(&world)), (403, before), "{path}: {}", reply.body);
            }
        });
        // A user cannot create a role above their own, nor lower their own role by mistake.
        let ada = people.as_array().unwrap().iter().find(|user| user["email"] == ADA).unwrap()["id"].as_str().unwrap();
        each_case([
            ("/portal/people".to_owned(), "operator", 403),
            ("/portal/people".to_owned(), "king", 400),
            (format!("/portal/people/{vic}/role"), "operator", 409),
            (format!("/portal/people/{ada}/role"), "viewer", 409),
            (format!("/portal/people/{ada}/remove"), "", 409),
        ], |(path, role, status)| {
            let reply = administrator.act(&path, &[("email", "x@one.example"), ("role", role)]);
            assert_eq!((reply.status, audit_entries(&world)), (status, before), "{path} {role}: {}", reply.body);
        });
        // A changed role applies from the next request on.
        assert_eq!(administrator.act(&format!("/portal/people/{vic}/role"), &[("role", "developer")]).status, 303);
        assert_eq!(viewer.status(&format!("{application}/keys")), 200);
    }

    /// Objects of other accounts do not exist for a user.
    fn users_do_not_see_other_accounts(world: World) {
        create_account(&world);
        world.cli(&["account", "create", "--name", "Beta"]);
        let (app, key) = application(&world, "Beta");
        let bob = person(&world, "bob@beta.example", "viewer", Some("Beta"));
        let node = world.start();
        let operator = operator(&world, &node);
        let ada = Browser::of(&node, ADA);
        let boss = world.cli(&["user", "list"]);
        let boss = boss.as_array().unwrap().iter().find(|user| user["role"] == "operator").unwrap()["id"].as_str().unwrap().to_owned();
        let beta = world.cli(&["account", "list"])[0]["id"].as_str().unwrap().to_owned();
        let before = audit_entries(&world);
        for path in [
            "", "/edit", "/disable", "/enable", "/delete", "/revoke-tokens", "/quick-start", "/secrets", "/secrets/rotate", "/keys",
        ]
        .map(|below| format!("/portal/applications/{app}{below}"))
        .into_iter()
        .chain(["rotate", "revoke"].map(|what| format!("/portal/applications/{app}/keys/{key}/{what}")))
        .chain([&bob, &boss].into_iter().flat_map(|id| {
            ["", "/role", "/link", "/second-factor/reset", "/remove"].map(|below| format!("/portal/people/{id}{below}"))
        }))
        .chain([format!("/portal/accounts/{beta}/second-factor")])
        {
            let seen = ada.get(&path);
            assert!(matches!(seen.status, 404 | 405) && !seen.body.contains("Beta"), "{path}: {} {}", seen.status, seen.body);
            let reply = ada.act(&path, &[("name", "x"), ("role", "viewer"), ("grace", "0s"), ("required", "on")]);
            assert!(matches!(reply.status, 404 | 405), "{path}: {} {}", reply.status, reply.body);
            assert!(!(seen.status == 405 && reply.status == 405), "{path} is asked by one of them");
            assert_eq!(audit_entries(&world), before, "{path}");
        }
        for path in ["/portal/applications", "/portal/people", "/portal/audit", "/portal/overview", "/portal/registration-tokens"] {
            for query in [String::new(), format!("?account={beta}"), format!("?target={app}"), "?account=Beta".to_owned()] {
                let seen = ada.get(&format!("{path}{query}"));
                assert!(matches!(seen.status, 200 | 404), "{path}{query}: {}", seen.status);
                // The page repeats the value of the query.
                let asked = query.split('=').nth(1).unwrap_or("nothing");
                let body = seen.body.replace(asked, "");
                assert!(!body.contains("Beta") && !body.contains(&app) && !body.contains("bob@beta"), "{path}{query}: {body}");
            }
        }
        // A form that names another account creates the object in the user's own account, or is
        // refused.
        let reply = ada.act("/portal/applications", &[("name", "Mine"), ("account", &beta)]);
        assert!(matches!(reply.status, 200 | 404), "{}", reply.body);
        assert_eq!(world.count(&format!("SELECT count(*) FROM clients WHERE account_id = '{beta}'")), 1);
        // Operators see all accounts.
        for path in [format!("/portal/applications/{app}"), format!("/portal/people/{bob}"), "/portal/accounts".to_owned()] {
            assert_eq!(operator.status(&path), 200, "{path}");
        }
        assert!(operator.get("/portal/accounts").body.contains("Beta"));
    }

    /// Secrets that are shown once are neither in the log nor, except for hashes, in the database.
    fn secrets_are_shown_once_and_stored_nowhere(world: World) {
        create_account(&world);
        let (app, key) = application(&world, "One");
        let node = world.start_with(&["--log", "debug"]);
        let ada = Browser::of(&node, ADA);
        let mut secrets = vec![PASSWORD.to_owned(), ada.cookie("keyward"), ada.cookie("keyward_browser"), ada.form_token()];
        let application = format!("/portal/applications/{app}");
        let made = ada.fill("/portal/applications/new", "/portal/applications", &[("name", "Second")]);
        secrets.extend(["client-secret", "api-key"].map(|id| page(&made, 200).shown(id)));
        let rotated = ada.fill(&format!("{application}/secrets"), &format!("{application}/secrets/rotate"), &[("grace", "1h")]);
        secrets.push(page(&rotated, 200).shown("client-secret"));
        let path = format!("{application}/keys/{key}/rotate");
        secrets.push(page(&ada.fill(&path, &path, &[("grace", "1h")]), 200).shown("key"));
        let token = ada.fill("/portal/registration-tokens", "/portal/registration-tokens", &[("uses", "1")]);
        secrets.push(page(&token, 200).shown("token"));
        let link = page(&ada.fill("/portal/people", "/portal/people", &[("email", BOB), ("role", "viewer")]), 200).shown("link");
        let bob = Browser::new(&node);
        assert_eq!(bob.accept(&link, "another horse battery").status, 303);
        page(&bob.open(&link), 404);
        secrets.extend([link.rsplit('#').next().unwrap().to_owned(), "another horse battery".to_owned()]);
        let (secret, codes) = enrol(&ada);
        secrets.extend(codes.iter().cloned());
        secrets.push(secret);
        // Secrets in the wrong place are not logged either.
        bob.sign_in(&secrets[4], "a wrong password");
        bob.get(&format!("/portal/applications/{}", secrets[4]));
        bob.get(&format!("/portal/nothing/{}?x={}", secrets[5], secrets[5]));
        secrets.push("a wrong password".to_owned());

        let logs = node.logs();
        let shown: std::collections::BTreeSet<&str> = secrets.iter().map(String::as_str).collect();
        for secret in &shown {
            assert!(!logs.contains(secret) && !logs.contains(&secret.replace('-', "")), "{secret} is in the log");
        }
        // Wait until the collected failures have been written.
        crate::support::eventually("the failure", || (world.count("SELECT count(*) FROM audit WHERE action = 'session.failure'") > 0).then_some(()));
        each_case([
            ("users", &["id", "email", "role", "password_hash", "totp_sealed", "recovery_hashes"] as &[&str]),
            ("sessions", &["id", "hash", "agent", "address"]),
            ("invitations", &["id", "hash"]),
            ("audit", &["actor", "action", "target", "reason", "reason_parameters"]),
            ("idempotency_keys", &["id", "request", "target"]),
        ], |(table, columns)| {
            for column in columns {
                for secret in &shown {
                    let query = format!("SELECT count(*) FROM {table} WHERE {column} LIKE '%{secret}%'");
                    assert_eq!(world.count(&query), 0, "{secret} in {table}.{column}");
                }
            }
        });
        each_case([
            ("users WHERE password_hash LIKE '$argon2id$v=19$m=19456,t=2,p=1$%'", "users"),
            ("sessions WHERE hash LIKE '$argon2id$%'", "sessions"),
            ("users WHERE recovery_hashes LIKE '$argon2id$% $argon2id$%' AND totp_sealed IS NOT NULL", "users WHERE totp_sealed IS NOT NULL"),
        ], |(what, of_all)| {
            let count = |what: &str| world.count(&format!("SELECT count(*) FROM {what}"));
            assert!(count(what) > 0 && count(what) == count(of_all), "{what}");
        });
        let again = ada.fill("/portal/people", "/portal/people", &[("email", "eve@one.example"), ("role", "viewer")]);
        page(&again, 200);
        assert_eq!(world.count("SELECT count(*) FROM invitations WHERE hash LIKE '$argon2id$%'"), 1);
    }

    /// A form that creates something creates it once, however often it is submitted.
    fn a_form_submitted_twice_is_executed_once(world: World) {
        create_account(&world);
        let (app, key) = application(&world, "One");
        let node = world.start();
        let operator = operator(&world, &node);
        let ada = Browser::of(&node, ADA);
        let application = format!("/portal/applications/{app}");
        each_case([
            (&ada, "/portal/applications/new".to_owned(), "/portal/applications".to_owned(), vec![("name", "New")], "clients", 1),
            (&ada, format!("{application}/secrets"), format!("{application}/secrets"), vec![], "client_secrets", 1),
            (&ada, format!("{application}/secrets"), format!("{application}/secrets/rotate"), vec![("grace", "1h")], "client_secrets", 1),
            (&ada, format!("{application}/keys"), format!("{application}/keys"), vec![("name", "New")], "api_keys", 1),
            (&ada, format!("{application}/keys/{key}/rotate"), format!("{application}/keys/{key}/rotate"), vec![("grace", "1h")], "api_keys", 1),
            (&ada, "/portal/people".to_owned(), "/portal/people".to_owned(), vec![("email", BOB), ("role", "viewer")], "users", 1),
            (&ada, "/portal/registration-tokens".to_owned(), "/portal/registration-tokens".to_owned(), vec![("uses", "1")], "registration_tokens", 1),
            (&operator, "/portal/accounts".to_owned(), "/portal/accounts".to_owned(), vec![("name", "New")], "accounts", 1),
            (&operator, "/portal/resource-servers".to_owned(), "/portal/resource-servers".to_owned(), vec![("identifier", "urn:new"), ("name", "New")], "resource_servers", 1),
        ], |(browser, at, action, fields, count, more)| {
            let form = browser.get(&at);
            let count = || world.count(&format!("SELECT count(*) FROM {count}"));
            let before = count();
            let first = browser.submit(&form, &action, &fields);
            assert!(matches!(first.status, 200 | 303), "{action}: {}", first.body);
            let again = browser.submit(&form, &action, &fields);
            assert_eq!((again.status, count() - before), (303, more), "{action}: {}", again.body);
            // The page has a new idempotency key, so it can create another object.
            assert_ne!(hidden(&browser.get(&at), &action), hidden(&form, &action), "{action}");
        });
    }

    fn the_language_follows_the_choice_and_the_browser(world: World) {
        let node = world.start();
        each_case([
            ("", "en"),
            ("fr", "fr"),
            ("fr-CA, en;q=0.5", "fr"),
            ("en;q=0.5, fr;q=0.8", "fr"),
            ("de, fr;q=0.1", "fr"),
            ("de", "en"),
            ("*", "en"),
            ("fr;q=0", "en"),
            ("nonsense;;;", "en"),
        ], |(accepted, language)| {
            let reply = Browser::saying(&node, "accept-language", accepted).get("/portal/sign-in");
            assert!(reply.body.contains(&format!("<html lang=\"{language}\">")), "{accepted}");
            assert!(reply.header("vary").is_some_and(|vary| vary.contains("Accept-Language")));
        });
        let browser = Browser::saying(&node, "accept-language", "en");
        let english = browser.get("/portal/sign-in?next=/portal/people");
        let chosen = browser.submit(&english, "/portal/language", &[("language", "fr")]);
        assert!(chosen.leads_to().starts_with("/portal/sign-in"), "{}", chosen.leads_to());
        let french = browser.get(chosen.leads_to());
        assert!(french.body.contains("<html lang=\"fr\">"));
        // An unknown language changes nothing, and a redirect to another site leads to the portal.
        for (language, here, to) in [("xx", "/portal/sign-in", "/portal/sign-in"), ("fr", "https://evil.example/portal/", "/portal"), ("fr", "//evil.example", "/portal")] {
            let reply = browser.post("/portal/language", &[], &[("language", language), ("here", here)]);
            assert_eq!(reply.leads_to(), to, "{here}");
        }
        assert!(browser.get("/portal/nothing").body.contains("<html lang=\"fr\">"), "error pages too");
        let back = browser.submit(&french, "/portal/language", &[("language", "en")]);
        assert!(browser.get(back.leads_to()).body.contains("<html lang=\"en\">"));
    }

    /// Redirects lead to a page of the portal, whatever the query says.
    fn redirects_stay_in_the_portal(world: World) {
        create_account(&world);
        let node = world.start();
        let path = |next: &str| {
            let encoded: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
            format!("/portal/sign-in?next={encoded}")
        };
        let ada = Browser::of(&node, ADA);
        each_case([
            ("/portal/people", "/portal/people"),
            ("/portal/applications?account=x", "/portal/applications?account=x"),
            ("", "/portal"),
            ("//evil.example", "/portal"),
            ("https://evil.example", "/portal"),
            ("https://evil.example/portal/people", "/portal"),
            ("/\\evil.example", "/portal"),
            ("\\\\evil.example", "/portal"),
            ("/portal/\\evil.example", "/portal"),
            ("/portal//evil.example", "/portal"),
            ("/portal/../x", "/portal"),
            ("/portal/./../x", "/portal"),
            ("/portal/%2e%2e/x", "/portal"),
            ("/portal/.%2E/x", "/portal"),
            ("/portal/people/..", "/portal"),
            ("/portalevil", "/portal"),
            ("/portal@evil.example", "/portal"),
            ("/oauth/token", "/portal"),
            ("javascript:alert(1)", "/portal"),
            ("/portal/people\r\nset-cookie: x=y", "/portal"),
            ("/portal/people\t", "/portal/people"),
            ("/portal/sign-in?next=/portal/sign-in", "/portal"),
        ], |(next, to)| {
            assert_eq!(ada.get(&path(next)).leads_to(), to, "signed in, {next:?}");
            let stranger = Browser::new(&node);
            let reply = stranger.fill(&path(next), "/portal/sign-in", &[("email", ADA), ("password", PASSWORD)]);
            assert_eq!(reply.leads_to(), to, "{next:?}");
            assert!(reply.header("x").is_none());
        });
        // After signing in, the user gets the page that they asked for.
        let stranger = Browser::new(&node);
        let asked = stranger.get("/portal/people?x=1&y=%26");
        let reply = stranger.fill(asked.leads_to(), "/portal/sign-in", &[("email", ADA), ("password", PASSWORD)]);
        assert_eq!(reply.leads_to(), "/portal/people?x=1&y=%26");
    }

    fn malformed_requests_are_refused(world: World) {
        create_account(&world);
        let node = world.start();
        let (ada, stranger) = (Browser::of(&node, ADA), Browser::new(&node));
        each_case([&ada, &stranger], |browser| {
            for path in ["/portal/nothing", "/portal/people/x/y/z", "/portal/%00%ff", "/portal/assets/x/y", "/portal/invitation/"] {
                page(&browser.get(path), 404);
            }
            each_case([
                ("GET", "/portal/sign-out", "POST"),
                ("PUT", "/portal/sign-out", "POST"),
                ("DELETE", "/portal/sign-in", "GET, HEAD, POST"),
                ("POST", "/portal/overview", "GET, HEAD"),
                ("PATCH", "/portal/people", "GET, HEAD, POST"),
            ], |(method, path, allow)| {
                let reply = browser.send(method, path, &[], b"");
                assert_eq!(page(&reply, 405).header("allow"), Some(allow), "{method} {path}");
            });
            let large = vec![b'x'; 70_000];
            for path in ["/portal/sign-in", "/portal/people", "/portal/language"] {
                page(&browser.send("POST", path, &[("content-type", "application/x-www-form-urlencoded")], &large), 413);
            }
        });
        // Each path that answers GET also answers HEAD.
        each_case(["/portal/sign-in", "/portal/invitation/x", "/portal/assets/x/portal.css"], |path| {
            let reply = stranger.send("HEAD", path, &[], b"");
            assert_eq!((reply.status, reply.body.as_str()), (stranger.status(path), ""), "{path}");
        });
        // The start page depends on whether the user is signed in.
        assert_eq!((stranger.get("/").leads_to(), stranger.get("/portal").leads_to()), ("/portal", "/portal/sign-in"));
        assert_eq!((ada.get("/portal").leads_to(), ada.get("/portal/").leads_to()), ("/portal/applications", "/portal/applications"));
        // No input is answered with 500.
        let token = ada.form_token();
        each_case(["/portal/applications", "/portal/people", "/portal/registration-tokens", "/portal/profile/password", "/portal/profile/second-factor", "/portal/people/second-factor"], |path| {
            for value in ["\0", "\u{202e}", &"x".repeat(5000), "-1", "99999999999999999999d", "[]", "\""] {
                let fields = ["name", "email", "role", "scope", "resources", "auth_method", "jwks", "uses", "expires_in", "current", "new", "code", "sealed", "account", "idempotency_key"];
                let fields: Vec<(&str, &str)> = fields.iter().map(|name| (*name, value)).chain([("csrf_token", token.as_str())]).collect();
                let reply = ada.post(path, &[], &fields);
                assert!(reply.status < 500, "{path} {value:?}: {} {}", reply.status, reply.body);
            }
            let reply = ada.send("POST", path, &[], &[0xff, b'=', 0xfe, b'&', b'%']);
            assert!(reply.status < 500, "{path}: {}", reply.status);
        });
    }
}

/// With an https issuer, cookies are sent over TLS only and cannot be set by a sibling domain.
#[test]
fn cookies_are_secure_behind_tls() {
    let world = World::sqlite();
    create_account(&world);
    for (issuer, name, path) in [
        ("https://id.example", "__Host-keyward", "Path=/"),
        ("https://id.example/auth", "keyward", "Path=/auth"),
    ] {
        let node = world.start_with(&["--issuer", issuer, "--change-issuer"]);
        let (browser, base) = (
            Browser::new(&node),
            issuer.strip_prefix("https://id.example").unwrap(),
        );
        let sign_in = format!("{base}/portal/sign-in");
        let reply = browser.fill(
            &sign_in,
            &sign_in,
            &[("email", ADA), ("password", PASSWORD)],
        );
        assert_eq!(reply.leads_to(), format!("{base}/portal"));
        let cookies = reply.all("set-cookie");
        assert!(
            cookies
                .iter()
                .any(|cookie| cookie.starts_with(&format!("{name}=kwp_"))),
            "{cookies:?}"
        );
        for cookie in cookies {
            let attributes: Vec<&str> = cookie.split("; ").skip(1).collect();
            assert!(
                ["HttpOnly", "SameSite=Lax", "Secure", path]
                    .iter()
                    .all(|wanted| attributes.contains(wanted)),
                "{cookie}"
            );
            assert!(!cookie.contains("Domain"), "{cookie}");
        }
        let profile = browser.get(&format!("{base}/portal/profile"));
        let out = browser.submit(page(&profile, 200), &format!("{base}/portal/sign-out"), &[]);
        assert!(
            browser.cookie(name).is_empty(),
            "{:?}",
            out.all("set-cookie")
        );
        let [cookie] = out.all("set-cookie")[..] else {
            panic!("{:?}", out.all("set-cookie"))
        };
        // A browser removes a cookie only if these attributes match.
        assert!(
            ["Secure", path]
                .iter()
                .all(|wanted| cookie.split("; ").any(|own| own == *wanted)),
            "{cookie}"
        );
    }
}

/// Links and resources of a page stay within the portal.
#[test]
fn pages_load_nothing_from_other_hosts() {
    let world = World::sqlite();
    let node = world.start();
    let operator = operator(&world, &node);
    let client = world.client("read");
    let app = client.id;
    each_case(
        [
            "/portal/sign-in".to_owned(),
            "/portal/nothing".to_owned(),
            "/portal/overview".to_owned(),
            "/portal/applications".to_owned(),
            format!("/portal/applications/{app}"),
            "/portal/signing-keys".to_owned(),
            "/portal/profile/second-factor".to_owned(),
        ],
        |path| {
            let browser = if path == "/portal/sign-in" {
                &Browser::new(&node)
            } else {
                &operator
            };
            let reply = browser.get(&path);
            assert_security_headers(&reply, &path);
            assert!(
                !reply.body.contains(" style=\"")
                    && !reply.body.contains("<style")
                    && !reply.body.contains(" onclick"),
                "{path}"
            );
            for attribute in ["src=\"", "href=\"", "action=\""] {
                for address in reply
                    .body
                    .split(attribute)
                    .skip(1)
                    .map(|rest| rest.split('"').next().unwrap())
                {
                    assert!(
                        address.starts_with("/portal")
                            || address.starts_with(['#', '?'])
                            || address == "/docs",
                        "{path}: {attribute}{address}"
                    );
                }
            }
            for asset in reply
                .body
                .split("\"/portal/assets/")
                .skip(1)
                .map(|rest| rest.split('"').next().unwrap())
            {
                let asset = browser.get(&format!("/portal/assets/{asset}"));
                assert_eq!(asset.status, 200);
                assert!(asset.header("cache-control").unwrap().contains("immutable"));
                assert_eq!(asset.header("x-content-type-options"), Some("nosniff"));
            }
        },
    );
    assert_security_headers(&operator.get("/portal"), "a redirect");
}

/// While the database is unavailable, a page says so and keeps the input, except passwords; service
/// recovers by itself.
#[test]
fn form_input_is_kept_while_the_database_is_unavailable() {
    needs!(Tool::Postgres);
    let world = World::new(Backend::Postgres);
    create_account(&world);
    let mut url = url::Url::parse(&world.database_url).unwrap();
    let proxy = Proxy::to(format!(
        "{}:{}",
        url.host_str().unwrap(),
        url.port().unwrap()
    ));
    url.set_port(Some(proxy.port)).unwrap();
    let node = world.start_with(&["--database-url", url.as_str()]);
    let (ada, stranger) = (Browser::of(&node, ADA), Browser::new(&node));
    let (invite, change, entry) = (
        ada.get("/portal/people"),
        ada.get("/portal/profile"),
        stranger.get("/portal/sign-in"),
    );
    proxy.cut();
    let unavailable = |reply: &Reply| {
        page(reply, 503);
        assert!(reply.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    };
    unavailable(&ada.get("/portal/applications"));
    let new = "another horse battery";
    let kept = ada.submit(
        &invite,
        "/portal/people",
        &[("email", BOB), ("role", "viewer")],
    );
    unavailable(&kept);
    assert!(kept.body.contains(BOB) && !ada.cookie("keyward").is_empty());
    let changing = ada.submit(
        &change,
        "/portal/profile/password",
        &[("current", PASSWORD), ("new", new)],
    );
    let entering = stranger.submit(
        &entry,
        "/portal/sign-in",
        &[("email", ADA), ("password", PASSWORD)],
    );
    for reply in [&changing, &entering] {
        unavailable(reply);
        assert!(
            !reply.body.contains(PASSWORD) && !reply.body.contains(new),
            "{}",
            reply.body
        );
    }
    assert!(entering.body.contains(ADA));
    // Pages that need no database still work.
    assert_eq!(stranger.status("/portal/sign-in"), 200);
    proxy.mend();
    crate::support::within(Duration::from_secs(15), "the recovery", || {
        (node.get("/readyz").status == 200).then_some(())
    });
    // The kept input is submitted unchanged, with the passwords typed again.
    page(&ada.submit(&kept, "/portal/people", &[]), 200);
    assert_eq!(world.count("SELECT count(*) FROM users"), 2);
    assert_eq!(
        stranger
            .submit(&entering, "/portal/sign-in", &[("password", PASSWORD)])
            .status,
        303
    );
    assert_eq!(
        ada.submit(
            &changing,
            "/portal/profile/password",
            &[("current", PASSWORD), ("new", new)]
        )
        .status,
        303
    );
}
