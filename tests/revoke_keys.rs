//! Several API keys are revoked in one step: all of them or none.

use serde_json::json;

use crate::support::portal::{Browser, person};
use crate::support::{Client, World, eventually};

fn id_of(key: &str) -> &str {
    key.split('_').nth(1).unwrap()
}

/// Creates keys with these names. Returns the keys.
fn keys(world: &World, client: &Client, names: [&str; 3]) -> [String; 3] {
    names.map(|name| {
        let made = world.cli(&["key", "create", &client.id, "--name", name]);
        made["api_key"].as_str().unwrap().to_owned()
    })
}

on_both! {
    fn keys_are_revoked_together_or_not_at_all(world: World) {
        let client = world.client("read");
        let stranger = world.client("read");
        let made = keys(&world, &client, ["one", "two", "three"]);
        let [one, two, three] = [&made[0], &made[1], &made[2]].map(|key| id_of(key));
        let first = id_of(&client.api_key);
        let node = world.start();
        let verify = |key: &str| node.get_with("/verify", &[("authorization", &format!("Bearer {key}"))]).status;
        let left = || world.cli(&["key", "list", &client.id]).as_array().unwrap().len();

        assert!(world.refused(&["key", "delete", &client.id, one, two, three, first]).contains("last API key"));
        for unknown in ["unknown", id_of(&stranger.api_key)] {
            assert!(world.refused(&["key", "delete", &client.id, one, unknown]).contains("no API key"), "{unknown}");
        }
        let manager = world.manager(&node, &[], "keyward:keys:write");
        let token = node.token(&manager);
        let path = format!("/api/v1/clients/{}/revoke-keys", client.id);
        let revoke = |ids: &[&str]| node.json("POST", &path, Some(&token), &json!({"ids": ids})).status;
        assert_eq!([revoke(&[]), revoke(&[one, "unknown"]), revoke(&[one, two, three, first])], [400, 404, 409]);
        assert_eq!((left(), verify(&made[0]), verify(&stranger.api_key)), (4, 200, 200), "nothing has changed");

        assert_eq!(revoke(&[one, two, one]), 204);
        eventually("the refusal", || {
            let found = [&made[0], &made[1], &made[2], &client.api_key].map(|key| verify(key));
            (found == [401, 401, 200, 200]).then_some(())
        });
        for id in [one, two] {
            let entries = format!("SELECT count(*) FROM audit WHERE action = 'api_key.delete' AND target = '{id}'");
            assert_eq!(world.count(&entries), 1);
        }
        world.cli(&["key", "delete", &client.id, three]);
        assert_eq!(left(), 1);
    }

    fn keys_are_selected_in_the_portal(world: World) {
        let client = world.client("read");
        let made = keys(&world, &client, ["one", "two", "three"]);
        let [one, two, _] = [&made[0], &made[1], &made[2]].map(|key| id_of(key));
        let all: Vec<(&str, &str)> = made.iter().chain([&client.api_key]).map(|key| ("key", id_of(key))).collect();
        person(&world, "dev@acme.example", "developer", None);
        person(&world, "vic@acme.example", "viewer", None);
        let node = world.start();
        let dev = Browser::of(&node, "dev@acme.example");
        let (list, revoke) = (format!("/portal/applications/{}/keys", client.id), format!("/portal/applications/{}/revoke-keys", client.id));
        assert_eq!(dev.get(&list).body.matches("form=\"revoke-keys\"").count(), 4);
        let nothing = dev.get(&revoke);
        assert!(nothing.status == 400 && nothing.body.contains("Select at least one API key"), "{}", nothing.body);
        let confirm = format!("{revoke}?key={one}&key={two}&key=unknown");
        let page = dev.get(&confirm);
        assert!(page.body.contains("Revoke 2 keys?") && page.body.contains("<strong>two</strong>") && !page.body.contains("<strong>three</strong>"));

        let refused = dev.act(&revoke, &all);
        assert!(refused.status == 409 && refused.body.contains("Revoke 4 keys?"), "{}", refused.body);
        let vic = Browser::of(&node, "vic@acme.example");
        assert_eq!(vic.act(&revoke, &all).status, 403);
        let done = dev.act(&revoke, &[("key", one), ("key", two)]);
        assert_eq!(done.leads_to(), format!("{list}?done=keys-revoked"));
        assert_eq!(world.cli(&["key", "list", &client.id]).as_array().unwrap().len(), 2);
        assert_eq!(dev.act(&revoke, &[("key", one)]).status, 404);
        // The last key cannot be selected.
        dev.act(&revoke, &[("key", id_of(&client.api_key))]);
        assert!(!dev.get(&list).body.contains("form=\"revoke-keys\""));
    }
}
