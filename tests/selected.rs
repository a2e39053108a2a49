//! Several secrets or applications are changed in one step: all of them or none.

use serde_json::json;

use crate::support::portal::{Browser, person};
use crate::support::{Client, World, eventually};

/// The warning before the last secret is deleted.
const LAST: &str = "No active secret would be left.";

fn entries(world: &World, action: &str, target: &str) -> i64 {
    world.count(&format!(
        "SELECT count(*) FROM audit WHERE action = '{action}' AND target = '{target}'"
    ))
}

on_both! {
    fn secrets_are_deleted_together_or_not_at_all(world: World) {
        let client = world.client("read");
        let more: Vec<String> = (0..4).map(|_| world.cli(&["secret", "create", &client.id])["id"].as_str().unwrap().to_owned()).collect();
        let [one, two, three, four] = [&more[0], &more[1], &more[2], &more[3]].map(String::as_str);
        let first = client.secret.split('_').nth(1).unwrap();
        let stranger = world.client("read");
        let strange = stranger.secret.split('_').nth(1).unwrap();
        person(&world, "dev@acme.example", "developer", None);
        person(&world, "vic@acme.example", "viewer", None);
        let node = world.start();
        let left = || world.cli(&["secret", "list", &client.id]).as_array().unwrap().len();
        let manager = world.manager(&node, &[], "keyward:keys:write");
        let token = node.token(&manager);
        let path = format!("/api/v1/clients/{}/delete-secrets", client.id);
        let delete = |ids: &[&str]| node.json("POST", &path, Some(&token), &json!({"ids": ids})).status;
        assert_eq!([delete(&[]), delete(&[one, "unknown"]), delete(&[one, strange]), delete(&[one, "a\0b"])], [400, 404, 404, 404]);
        assert!(world.refused(&["secret", "delete", &client.id, one, "unknown"]).contains("no secret"));
        assert_eq!(left(), 5, "nothing has changed");
        assert_eq!(delete(&[one, two]), 204);
        assert_eq!([one, two].map(|id| entries(&world, "secret.delete", id)), [1, 1]);

        let dev = Browser::of(&node, "dev@acme.example");
        let [list, action] = ["secrets", "delete-secrets"].map(|page| format!("/portal/applications/{}/{page}", client.id));
        for page in [&list, &format!("/portal/applications/{}/credentials", client.id)] {
            assert_eq!(dev.get(page).body.matches("form=\"delete-secrets\"").count(), 3, "{page}");
        }
        let nothing = dev.get(&action);
        assert!(nothing.status == 400 && nothing.body.contains("Select at least one secret"), "{}", nothing.body);
        let page = dev.get(&format!("{action}?secret={three}&secret=unknown"));
        assert!(page.body.contains("Delete 1 secret?") && !page.body.contains(LAST), "{}", page.body);
        let vic = Browser::of(&node, "vic@acme.example");
        assert_eq!(vic.act(&action, &[("secret", three)]).status, 403);
        assert_eq!(dev.act(&action, &[("secret", three), ("secret", four)]).leads_to(), format!("{list}?done=secrets-deleted"));
        assert_eq!(dev.act(&action, &[("secret", three)]).status, 404);
        assert!(!dev.get(&list).body.contains("form=\"delete-secrets\""));
        let last = dev.get(&format!("{action}?secret={first}"));
        assert!(last.body.contains(LAST), "{}", last.body);
        assert_eq!(dev.act(&action, &[("secret", first)]).leads_to(), format!("{list}?done=secret-deleted"));
        assert_eq!(left(), 0);
    }

    fn applications_are_disabled_together_or_not_at_all(world: World) {
        world.cli(&["account", "create", "--name", "Acme"]);
        world.cli(&["account", "create", "--name", "Other"]);
        let make = |account: &str| world.client_with(&["--account", account, "--scope", "read"]);
        let apps: [Client; 4] = std::array::from_fn(|_| make("Acme"));
        let strange = make("Other");
        person(&world, "dev@acme.example", "developer", Some("Acme"));
        person(&world, "vic@acme.example", "viewer", Some("Acme"));
        let node = world.start();
        let manager = world.manager(&node, &["--account", "Acme"], "keyward:clients:write keyward:tokens:revoke");
        let token = node.token(&manager);
        let call = |what: &str, ids: &[&str]| node.json("POST", &format!("/api/v1/clients/{what}"), Some(&token), &json!({"ids": ids})).status;
        let verify = |credential: &str| node.get_with("/verify", &[("authorization", &format!("Bearer {credential}"))]).status;
        let [a, b, c, d] = [0, 1, 2, 3].map(|place| apps[place].id.as_str());
        let tokens: Vec<String> = apps.iter().map(|app| node.token(app)).collect();
        let strange_token = node.token(&strange);
        let many: Vec<String> = (0..101).map(|number| format!("{number}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        for what in ["disable", "revoke-tokens"] {
            let refused = [call(what, &[]), call(what, &many), call(what, &[a, "unknown"]), call(what, &[a, &strange.id]), call(what, &[a, "x\0y"])];
            assert_eq!(refused, [400, 400, 404, 404, 404], "{what}");
        }
        assert!(world.refused(&["client", "disable", a, "unknown"]).contains("no client"));
        assert_eq!(verify(&tokens[0]), 200, "nothing has changed");

        assert_eq!(call("revoke-tokens", &[a, b]), 204);
        assert_eq!([0, 1, 2].map(|place| verify(&tokens[place])), [401, 401, 200]);
        assert_eq!(verify(&apps[0].api_key), 200);
        let fresh = node.token(&apps[0]);
        assert_eq!(call("disable", &[a, b, a]), 204);
        assert_eq!([verify(&fresh), verify(&apps[0].api_key), verify(&apps[1].api_key)], [401; 3]);
        for action in ["token.revoke_all", "client.disable"] {
            assert_eq!([a, b, c].map(|id| entries(&world, action, id)), [1, 1, 0], "{action}");
        }

        let dev = Browser::of(&node, "dev@acme.example");
        assert_eq!(dev.get("/portal/applications").body.matches("form=\"selected-applications\"").count(), 5);
        let vic = Browser::of(&node, "vic@acme.example");
        assert!(!vic.get("/portal/applications").body.contains("selected-applications"));
        let selected = "/portal/applications/selected";
        assert_eq!(dev.get(selected).status, 400);
        let ask = format!("{selected}?action=revoke-tokens&client={c}&client={}&client=%00", strange.id);
        let page = dev.get(&ask);
        // The header has the query of the page.
        let main = page.body.split("<main").nth(1).unwrap();
        assert!(main.contains("Revoke all tokens of 1 application?") && main.contains(c) && !main.contains(&strange.id), "{main}");
        let revoke = [("action", "revoke-tokens"), ("client", c)];
        assert_eq!(vic.act(selected, &revoke).status, 403);
        assert_eq!(vic.get(&ask).status, 403);
        assert_eq!(dev.act(selected, &[("action", "disable"), ("client", c), ("client", &strange.id)]).status, 404);
        for fields in [&[("client", c)][..], &[("action", "delete"), ("client", c)], &[("action", "disable")]] {
            assert_eq!(dev.act(selected, fields).status, 400, "{fields:?}");
        }
        assert_eq!([verify(&tokens[2]), verify(&strange_token)], [200, 200], "nothing has changed");
        assert_eq!(dev.act(selected, &revoke).leads_to(), "/portal/applications?done=applications-revoke-tokens-done");
        assert_eq!(verify(&tokens[2]), 401);
        assert!(dev.get("/portal/applications?done=applications-revoke-tokens-done").body.contains("Tokens revoked."));
        assert_eq!(dev.act(selected, &[("action", "disable"), ("client", c), ("client", d)]).status, 303);
        assert_eq!([verify(&apps[2].api_key), verify(&tokens[3])], [401, 401]);

        world.cli(&["client", "enable", c]);
        world.cli(&["client", "enable", d]);
        let of_d = eventually("a token", || {
            let reply = node.token_reply(&apps[3], &[]);
            (reply.status == 200).then(|| reply.json()["access_token"].as_str().unwrap().to_owned())
        });
        world.cli(&["token", "revoke", "--client", c, "--client", d, "--yes"]);
        eventually("the revocation", || (verify(&of_d) == 401).then_some(()));
        world.cli(&["client", "disable", c, d]);
        eventually("the refusal", || (verify(&apps[3].api_key) == 401).then_some(()));
    }
}
