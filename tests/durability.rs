//! Promise 1: what was answered survives `kill -9` at any time.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::support::{Client, World, jwt, within};

on_both! {
    fn kill_minus_nine_loses_nothing(world: World) {
        let api = world.resource("urn:api");
        let client = world.client_with(&["--scope", "a", "--resource", "urn:api"]);
        let initial = world.cli(&["registration-token", "create"])["token"].as_str().unwrap().to_owned();
        for round in 0..3 {
            let node = world.start_with(&["--issuer", "http://auth.example"]);
            let (issued, registered, over) = (Mutex::new(BTreeMap::new()), Mutex::new(Vec::new()), AtomicBool::new(false));
            std::thread::scope(|scope| {
                for worker in 0..4 {
                    let (node, client, issued, registered, over, initial) = (&node, &client, &issued, &registered, &over, &initial);
                    scope.spawn(move || {
                        // A request that is interrupted by the kill has no response, so nothing was
                        // promised.
                        let quiet = |work: &mut dyn FnMut()| std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_ok();
                        while !over.load(Ordering::Relaxed) {
                            let going_on = quiet(&mut || {
                                let token = node.token(client);
                                issued.lock().unwrap().insert(token.clone(), false);
                                if worker % 2 == 0 && node.revoke(client, &token).status == 200 {
                                    issued.lock().unwrap().insert(token, true);
                                }
                                let reply = node.json("POST", "/oauth/register", Some(initial), &serde_json::json!({}));
                                if reply.status == 201 {
                                    registered.lock().unwrap().push(reply.json());
                                }
                            });
                            if !going_on {
                                break;
                            }
                        }
                    });
                }
                within(Duration::from_secs(30), "answers", || {
                    let issued = issued.lock().unwrap();
                    let enough = issued.len() > 3 && issued.values().any(|revoked| *revoked);
                    (enough && !registered.lock().unwrap().is_empty()).then_some(())
                });
                std::thread::sleep(Duration::from_millis(round * 150));
                node.signal("KILL");
                over.store(true, Ordering::Relaxed);
            });
            drop(node);
            let (issued, registered) = (issued.into_inner().unwrap(), registered.into_inner().unwrap());
            assert!(issued.len() > 3 && issued.values().any(|revoked| *revoked) && !registered.is_empty(), "the test did something");

            let after = world.start_with(&["--issuer", "http://auth.example"]);
            for (token, revoked) in &issued {
                let claims = jwt::claims(token);
                let jti = claims["jti"].as_str().unwrap();
                assert_eq!(world.count(&format!("SELECT count(*) FROM tokens WHERE jti = '{jti}'")), 1, "the record of an answered token");
                if *revoked {
                    assert!(!after.active(&api, token), "a revocation that was answered");
                }
            }
            for document in registered.iter().take(5) {
                let text = |name: &str| document[name].as_str().unwrap().to_owned();
                after.token(&Client { id: text("client_id"), secret: text("client_secret"), api_key: String::new() });
            }
            after.stop();
        }
    }
}
