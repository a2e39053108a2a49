//! Announcements of operators: where they are managed, who sees them, and until when.

use serde_json::{Value, json};

use crate::management::operator;
use crate::support::portal::{Browser, person};
use crate::support::{Node, Reply, World, each_case};

const DAY: i64 = 24 * 3600 * 1000;

const SUNDAY: &str = "Maintenance on <b>Sunday</b> & Monday";
const DIMANCHE: &str = "Maintenance dimanche";

fn call(node: &Node, token: &str, method: &str, path: &str, body: &Value) -> Reply {
    node.json(
        method,
        &format!("/api/v1/announcements{path}"),
        Some(token),
        body,
    )
}

/// `keyward announcement create`, until 2030.
fn announce(world: &World, text: &str, flags: &[&str]) -> Value {
    let texts = ["--text-en", text, "--text-fr", DIMANCHE];
    let until = ["--until", &soon()];
    world.cli(&[&["announcement", "create"][..], &texts, &until, flags].concat())
}

/// A time in a month.
pub fn soon() -> String {
    at(30)
}

/// The time in so many days.
fn at(days: i64) -> String {
    let seconds = crate::support::jwt::now() + days * 24 * 3600;
    time::OffsetDateTime::from_unix_timestamp(seconds)
        .unwrap()
        .format(&time::format_description::well_known::Rfc3339)
        .unwrap()
}

fn id(announcement: &Value) -> &str {
    announcement["id"].as_str().unwrap()
}

fn entries(world: &World, action: &str) -> i64 {
    world.count(&format!(
        "SELECT count(*) FROM audit WHERE action = 'announcement.{action}'"
    ))
}

on_both! {
    fn users_see_announcements_until_they_end_or_are_dismissed(world: World) {
        world.cli(&["account", "create", "--name", "One"]);
        world.cli(&["account", "create", "--name", "Two"]);
        person(&world, "op@keyward.example", "operator", None);
        person(&world, "ada@one.example", "administrator", Some("One"));
        person(&world, "vic@one.example", "viewer", Some("One"));
        person(&world, "eve@two.example", "developer", Some("Two"));
        let node = world.start();
        let [op, ada, vic, eve] = ["op@keyward.example", "ada@one.example", "vic@one.example", "eve@two.example"].map(|email| Browser::of(&node, email));
        let sees = |browser: &Browser, text: &str| browser.get("/portal/profile").body.contains(text);

        let all = announce(&world, SUNDAY, &["--severity", "warning"]);
        let shown = "Maintenance on &lt;b&gt;Sunday&lt;/b&gt; &amp; Monday";
        for browser in [&op, &ada, &vic, &eve] {
            assert!(sees(browser, shown));
        }
        assert!(!sees(&ada, SUNDAY), "no markup");
        let french = Browser::saying(&node, "accept-language", "fr");
        assert_eq!(french.sign_in("ada@one.example", crate::support::portal::PASSWORD).status, 303);
        assert!(sees(&french, DIMANCHE) && !sees(&french, "Sunday"));
        assert!(!Browser::new(&node).get("/portal/sign-in").body.contains("Sunday"), "only for users");

        let one = announce(&world, "Only for One", &["--account", "One", "--severity", "critical"]);
        assert_eq!([&op, &ada, &vic, &eve].map(|browser| sees(browser, "Only for One")), [false, true, true, false]);
        announce(&world, "Planned for later", &["--from", &at(1)]);
        let over = announce(&world, "A thing of the past", &[]);
        world.execute(&format!("UPDATE announcements SET starts_at = starts_at - {DAY}, ends_at = starts_at WHERE id = '{}'", id(&over)));
        assert!(!sees(&ada, "Planned for later") && !sees(&ada, "A thing of the past"));

        // One that is dismissed stays away for this user, in each browser, until it says something else.
        let dismiss = |browser: &Browser, announcement: &Value| browser.act(&format!("/portal/announcements/{}/dismiss", id(announcement)), &[("here", "/portal/profile?x=y")]);
        let reply = dismiss(&ada, &all);
        assert_eq!((reply.status, reply.leads_to()), (303, "/portal/profile?x=y"));
        assert!(!sees(&ada, shown) && sees(&ada, "Only for One") && sees(&vic, shown));
        assert_eq!(french.get("/portal/profile").body.matches(DIMANCHE).count(), 1, "only the one for One");
        assert_eq!(dismiss(&ada, &all).status, 303, "twice");
        assert_eq!(entries(&world, "dismiss"), 1);
        assert_eq!(dismiss(&eve, &one).status, 404, "of another account");
        assert_eq!(ada.act("/portal/announcements/unknown/dismiss", &[]).status, 404);
        assert_eq!(ada.act(&format!("/portal/announcements/{}/dismiss", id(&one)), &[("here", "https://elsewhere.example/")]).leads_to(), "/portal");
        let page = vic.get("/portal/profile");
        let path = format!("/portal/announcements/{}/dismiss", id(&all));
        assert_eq!(vic.submit(&page, &path, &[("csrf_token", "wrong")]).status, 403);
        std::thread::scope(|scope| {
            let both = [scope.spawn(|| vic_again(&node, &all)), scope.spawn(|| vic_again(&node, &all))];
            assert_eq!(both.map(|thread| thread.join().unwrap()), [303, 303], "at the same time");
        });
        assert_eq!(entries(&world, "dismiss"), 3);
        let update = |flags: &[&str]| world.cli(&[&["announcement", "update", id(&all)], flags].concat());
        update(&["--until", &at(40)]);
        assert!(!sees(&ada, shown), "it says the same");
        assert_eq!(update(&["--severity", "info"])["text_en"], SUNDAY);
        assert!(sees(&ada, shown) && sees(&vic, shown));

        world.cli(&["announcement", "delete", id(&all), "--yes"]);
        assert!(!sees(&ada, shown));
        assert_eq!(world.count("SELECT count(*) FROM dismissed_announcements"), 1);
        assert_eq!([entries(&world, "create"), entries(&world, "update"), entries(&world, "delete")], [4, 2, 1]);

        // An account's people cannot write any.
        for browser in [&ada, &vic] {
            assert_eq!(browser.get("/portal/announcements").status, 403);
            assert_eq!(browser.act("/portal/announcements", &[("text_en", "x"), ("text_fr", "x"), ("ends_at", &soon())]).status, 403);
        }
        let restricted = node.token(&world.manager(&node, &["--account", "One"], "keyward:announcements:read keyward:announcements:write"));
        assert_eq!(call(&node, &restricted, "GET", "", &Value::Null).status, 403);
    }

    fn announcements_are_managed_over_http(world: World) {
        let node = world.start();
        let token = operator(&world, &node);
        let ask = |method: &str, path: &str, body: Value| call(&node, &token, method, path, &body);
        let (from, until) = (at(1), at(2));
        let new = json!({"text_en": SUNDAY, "text_fr": DIMANCHE, "severity": "critical", "starts_at": from, "ends_at": until, "account": "Operators"});
        let made = ask("POST", "", new.clone());
        assert_eq!(made.status, 201, "{}", made.body);
        let made = made.json();
        assert_eq!((&made["severity"], &made["starts_at"], &made["ends_at"], &made["text_en"]), (&json!("critical"), &json!(from), &json!(until), &json!(SUNDAY)));
        assert!(made["account"].is_string() && made["created_by"].is_string(), "{made}");
        let path = format!("/{}", id(&made));
        assert_eq!(ask("GET", &path, Value::Null).json(), made);
        let changed = ask("PATCH", &path, json!({"text_fr": "Lundi", "ends_at": "2000-01-01"}));
        assert_eq!((changed.status, &changed.json()["field"]), (400, &json!("ends_at")));
        let changed = ask("PATCH", &path, json!({"text_fr": "Lundi"})).json();
        assert_eq!((&changed["text_fr"], &changed["text_en"], &changed["account"]), (&json!("Lundi"), &made["text_en"], &made["account"]));
        assert_eq!(ask("GET", "", Value::Null).json()["items"], json!([changed]));

        let long = "x".repeat(501);
        each_case(
            [
                (json!({"text_en": ""}), 400, "text_en"),
                (json!({"text_en": " "}), 400, "text_en"),
                (json!({"text_en": "two\nlines"}), 400, "text_en"),
                (json!({"text_en": "\u{0}"}), 400, "text_en"),
                (json!({"text_fr": long}), 400, "text_fr"),
                (json!({"ends_at": at(0)}), 400, "ends_at"),
                (json!({"ends_at": at(1000)}), 400, "ends_at"),
                (json!({"starts_at": at(1000), "ends_at": at(1001)}), 400, "starts_at"),
                (json!({"ends_at": "soon"}), 400, "ends_at"),
                (json!({"severity": "loud"}), 400, "severity"),
                (json!({"account": "Nobody"}), 404, ""),
                (json!({"html": "x"}), 400, "html"),
            ],
            |(wrong, status, said)| {
                let mut body = new.clone();
                body.as_object_mut().unwrap().extend(wrong.as_object().unwrap().clone());
                let refused = ask("POST", "", body);
                assert_eq!(refused.status, status, "{wrong}: {}", refused.body);
                assert!(refused.body.contains(said), "{wrong}: {}", refused.body);
            },
        );
        for number in 1..20 {
            let mut body = new.clone();
            body["text_en"] = json!(format!("Number {number}"));
            assert_eq!(ask("POST", "", body).status, 201);
        }
        assert_eq!(ask("POST", "", new).status, 409, "twenty");
        assert_eq!((ask("DELETE", &path, Value::Null).status, ask("DELETE", &path, Value::Null).status), (204, 404));
        assert_eq!(ask("PATCH", &path, json!({"text_fr": "x"})).status, 404);
        let listed = String::from_utf8(world.run(&["announcement", "list"]).stdout).unwrap();
        assert!(listed.starts_with("ID ") && listed.contains("Number 19"), "{listed}");
        assert_eq!(world.run(&["announcement", "create", "--text-en", "x"]).status.code(), Some(2));
        assert!(world.refused(&["announcement", "delete", "unknown"]).contains("unknown"));
    }

    fn announcements_are_written_in_the_portal(world: World) {
        person(&world, "op@keyward.example", "operator", None);
        let node = world.start();
        let op = Browser::of(&node, "op@keyward.example");
        let new = [("severity", "warning"), ("text_en", " On\r\nSunday "), ("text_fr", DIMANCHE), ("ends_at", &soon())];
        let page = op.get("/portal/announcements");
        let made = op.submit(&page, "/portal/announcements", &new);
        assert_eq!((made.status, made.leads_to()), (303, "/portal/announcements?done=announcement-created"));
        assert_eq!(op.submit(&page, "/portal/announcements", &new).status, 303, "submitted twice");
        let all = world.cli(&["announcement", "list"]);
        assert_eq!((all.as_array().unwrap().len(), &all[0]["text_en"], &all[0]["severity"]), (1, &json!("On Sunday"), &json!("warning")));
        for (wrong, value) in [("ends_at", ""), ("ends_at", "tomorrow"), ("ends_at", "2000-01-01"), ("text_fr", ""), ("starts_at", "x")] {
            let mut fields = new.to_vec();
            fields.retain(|(name, _)| *name != wrong);
            fields.push((wrong, value));
            let refused = op.fill("/portal/announcements", "/portal/announcements", &fields);
            assert!(refused.status == 400 && refused.body.contains(&format!("{wrong}-error")), "{wrong} {value}: {}", refused.status);
        }
        let path = format!("/portal/announcements/{}/edit", id(&all[0]));
        let saved = op.fill(&path, &path, &[("text_en", "On Monday")]);
        assert_eq!(saved.status, 303, "{}", saved.body);
        let changed = world.cli(&["announcement", "list"]);
        assert_eq!((&changed[0]["text_en"], &changed[0]["text_fr"], &changed[0]["severity"]), (&json!("On Monday"), &json!(DIMANCHE), &all[0]["severity"]));
        let path = format!("/portal/announcements/{}/delete", id(&all[0]));
        assert_eq!(op.fill(&path, &path, &[]).status, 303);
        assert_eq!(world.cli(&["announcement", "list"]), json!([]));
    }

    fn ended_announcements_are_purged(world: World) {
        person(&world, "op@keyward.example", "operator", None);
        let old = announce(&world, "Old", &[]);
        let young = announce(&world, "Young", &[]);
        for (announcement, days) in [(&old, 70), (&young, 50)] {
            world.execute(&format!("INSERT INTO dismissed_announcements VALUES ('{}', 'somebody')", id(announcement)));
            world.execute(&format!("UPDATE announcements SET starts_at = starts_at - {0}, ends_at = ends_at - {0} WHERE id = '{1}'", days * DAY, id(announcement)));
        }
        world.clocks_are_trusted();
        let _node = world.start();
        crate::support::eventually("the purge", || {
            (world.count("SELECT count(*) FROM announcements") == 1).then_some(())
        });
        assert_eq!(world.count("SELECT count(*) FROM dismissed_announcements"), 1);
        assert_eq!(world.cli(&["announcement", "list"])[0]["text_en"], "Young");
    }
}

/// Dismisses an announcement in another browser of the same user; returns the status.
fn vic_again(node: &Node, announcement: &Value) -> u16 {
    let path = format!("/portal/announcements/{}/dismiss", id(announcement));
    Browser::of(node, "vic@one.example").act(&path, &[]).status
}
