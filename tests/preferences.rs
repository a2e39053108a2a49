//! The preferences of users: the language of the portal and the time zone of its times.

use serde_json::json;

use crate::support::World;
use crate::support::portal::{Browser, PASSWORD, person};

const EMAIL: &str = "ada@acme.example";
const FORM: &str = "/portal/profile/preferences";

fn french(node: &crate::support::Node) -> Browser<'_> {
    let browser = Browser::saying(node, "accept-language", "fr");
    assert_eq!(browser.sign_in(EMAIL, PASSWORD).status, 303);
    browser
}

/// The user's language and time zone, as the command line shows them.
fn stored(world: &World) -> (String, String) {
    let users = world.cli(&["user", "list"]);
    let user = users
        .as_array()
        .unwrap()
        .iter()
        .find(|user| user["email"] == EMAIL)
        .unwrap();
    (
        user["language"].to_string(),
        user["time_zone"].as_str().unwrap().to_owned(),
    )
}

on_both! {
    fn a_user_chooses_the_language_and_the_time_zone(world: World) {
        person(&world, EMAIL, "developer", None);
        let node = world.start();
        let ada = french(&node);
        let choose = |fields: &[(&str, &str)]| ada.fill("/portal/profile", FORM, fields);
        let profile = ada.get("/portal/profile").body;
        assert!(profile.contains("Préférences") && profile.contains("value=\"UTC\"") && !profile.contains(" IST"));
        assert_eq!(stored(&world), ("null".to_owned(), "UTC".to_owned()));

        let saved = choose(&[("language", "en"), ("time_zone", "asia/kolkata")]);
        assert_eq!(saved.leads_to(), "/portal/profile?done=saved");
        assert_eq!(stored(&world), ("\"en\"".to_owned(), "Asia/Kolkata".to_owned()));
        let profile = ada.get("/portal/profile").body;
        assert!(profile.contains("Preferences") && profile.contains("value=\"Asia/Kolkata\""), "{profile}");
        // The zone of each time is visible; the tooltip has UTC.
        assert!(profile.contains(" IST</time>") && profile.contains(" UTC\""), "{profile}");
        let exported = ada.get("/portal/audit/export?format=csv").body;
        assert!(exported.contains("+05:30,") && exported.contains("user.set_preferences"), "{exported}");
        let exported = ada.get("/portal/audit/export?format=jsonl").body;
        assert!(!exported.contains("+05:30"), "JSON is for programs: {exported}");

        // In another browser too, which asks for French; there, another language can be chosen.
        let other = french(&node);
        assert!(other.get("/portal/profile").body.contains("Preferences"));
        other.post("/portal/language", &[], &[("language", "fr")]);
        assert!(other.get("/portal/profile").body.contains("Préférences"));
        assert!(ada.get("/portal/profile").body.contains("Preferences"));

        for (field, value) in [("time_zone", "Paris"), ("time_zone", "+01:00"), ("time_zone", "Etc/Unknown"), ("language", "de")] {
            let refused = choose(&[(field, value)]);
            assert_eq!(refused.status, 400, "{value}");
            assert!(refused.body.contains(&format!("id=\"{field}-error\"")), "{value}");
        }
        // What a form leaves out stays.
        ada.act(FORM, &[]);
        ada.act(FORM, &[("time_zone", "Europe/Paris")]);
        assert_eq!(stored(&world), ("\"en\"".to_owned(), "Europe/Paris".to_owned()));
        choose(&[("language", ""), ("time_zone", "")]);
        assert_eq!(stored(&world), ("null".to_owned(), "UTC".to_owned()));
        assert!(ada.get("/portal/profile").body.contains("Préférences"));
        assert_eq!(world.count("SELECT count(*) FROM audit WHERE action = 'user.set_preferences'"), 3);
    }

    fn operators_and_programs_set_preferences(world: World) {
        let id = person(&world, EMAIL, "viewer", None);
        let node = world.start();
        let made = world.cli(&["user", "set-preferences", EMAIL, "--language", "fr", "--time-zone", "america/sao_paulo"]);
        assert_eq!((&made["language"], &made["time_zone"]), (&json!("fr"), &json!("America/Sao_Paulo")));
        world.cli(&["user", "set-preferences", EMAIL, "--language", "browser"]);
        assert_eq!(stored(&world), ("null".to_owned(), "America/Sao_Paulo".to_owned()));
        for wrong in [["--time-zone", "Mars"], ["--language", "de"]] {
            let output = world.run(&[&["user", "set-preferences", EMAIL], &wrong[..]].concat());
            assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        }

        let manager = world.manager(&node, &[], "keyward:users:read keyward:users:write keyward:accounts:read keyward:clients:read keyward:resources:read");
        let token = node.token(&manager);
        let path = format!("/api/v1/users/{id}/preferences");
        let set = |body| node.json("PATCH", &path, Some(&token), &body);
        let changed = set(json!({"language": "fr"})).json();
        assert_eq!((&changed["language"], &changed["time_zone"]), (&json!("fr"), &json!("America/Sao_Paulo")));
        let changed = set(json!({"language": null, "time_zone": "UTC"})).json();
        assert_eq!((&changed["language"], &changed["time_zone"]), (&json!(null), &json!("UTC")));
        for body in [json!({}), json!({"language": "de"}), json!({"time_zone": "Mars"}), json!({"zone": "UTC"})] {
            assert_eq!(set(body.clone()).status, 400, "{body}");
        }
    }
}
