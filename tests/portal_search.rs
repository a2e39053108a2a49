//! The search of the portal finds what its user can see, and nothing else.

use crate::support::World;
use crate::support::portal::{Browser, person};

on_both! {
    fn users_find_what_they_can_see(world: World) {
        world.cli(&["account", "create", "--name", "Acme"]);
        world.cli(&["account", "create", "--name", "Acme Rivals"]);
        let app = |name: &str, account: &str| {
            let made = world.cli(&["client", "create", "--name", name, "--account", account]);
            let key_id = made["api_key"].as_str().unwrap().split('_').nth(1).unwrap().to_owned();
            (made["client_id"].as_str().unwrap().to_owned(), key_id)
        };
        let (own, own_key) = app("Order import", "Acme");
        let (other, other_key) = app("Order export", "Acme Rivals");
        for number in 0..9 {
            app(&format!("Feed {number}"), "Acme");
        }
        person(&world, "dev@acme.example", "developer", Some("Acme"));
        person(&world, "admin@acme.example", "administrator", Some("Acme"));
        person(&world, "admin@rivals.example", "administrator", Some("Acme Rivals"));
        person(&world, "op@keyward.example", "operator", None);
        let node = world.start();
        let [dev, admin, op] = ["dev@acme.example", "admin@acme.example", "op@keyward.example"].map(|email| Browser::of(&node, email));
        let search = |browser: &Browser, text: &str| {
            let query = form_urlencoded::Serializer::new(String::new()).append_pair("q", text).finish();
            let reply = browser.get(&format!("/portal/search?{query}"));
            assert_eq!(reply.status, 200, "{text}: {}", reply.body);
            reply.body.split("id=\"found\"").nth(1).unwrap().split("</main>").next().unwrap().to_owned()
        };

        let found = search(&dev, " oRDER ");
        assert!(found.contains("Order import") && !found.contains("Order export") && found.contains("1 result<"), "{found}");
        let found = search(&op, "order");
        assert!(found.contains("Order import") && found.contains("Order export") && found.contains("2 results"), "{found}");
        for (text, name) in [(own.as_str(), "Order import"), (own_key.as_str(), "/keys/"), (&format!("kwk_{own_key}"), "/keys/"), ("api k", "href=\"/portal/api-keys\"")] {
            assert!(search(&dev, text).contains(name), "{text}");
        }
        // What belongs to another account, or takes another right, is not found.
        for text in [other.as_str(), &other_key, "Acme", "admin@", "Server", "Order import that", "rder"] {
            assert!(search(&dev, text).contains("No results"), "{text}");
        }
        let found = search(&admin, "admin@");
        assert!(found.contains("admin@acme.example") && !found.contains("rivals"), "{found}");
        let found = search(&op, "acme");
        assert!(found.contains("Acme</a>") && found.contains("Acme Rivals</a>"), "{found}");
        assert!(search(&op, &other_key).contains("/keys/"));
        let found = search(&dev, "feed");
        assert!(found.contains("Feed 7") && !found.contains("Feed 8") && found.contains("/portal/applications?text=feed"), "{found}");

        // A whole key, or what lists show of it, is cut to its id.
        for rest in ["%E2%80%A6", "c2VjcmV0"] {
            let reply = dev.get(&format!("/portal/search?q=kwk_{own_key}_{rest}"));
            assert_eq!((reply.status, reply.header("location")), (303, Some(format!("/portal/search?q=kwk_{own_key}").as_str())));
        }

        let long = "a".repeat(255);
        for text in ["\0", "%", "_", "'", long.as_str(), "<script>"] {
            let found = search(&op, text);
            assert!(found.contains("No results") && !found.contains("<script>"), "{text}: {found}");
        }
        assert!(!search(&dev, "  ").contains("No results"));
        assert_eq!(Browser::new(&node).get("/portal/search?q=order").status, 303);
    }
}
