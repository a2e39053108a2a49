//! Outgoing requests: slow and hostile servers behind a `jwks_uri`, the outgoing proxy, and
//! certificate authorities of the operator's own.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine;
use serde_json::json;

use crate::client_assertion::{ask, good_claims, header};
use crate::support::key_server::{Answer, KeyServer};
use crate::support::{Node, Reply, World, each_case, eventually, jwt, within};

const PRIVATE: [&str; 2] = ["--private-jwks-uri", "on"];

/// A node that trusts the key server's certificate authority and may connect to private addresses.
fn start(world: &World, keys: &KeyServer, flags: &[&str]) -> Node {
    world.start_with(&[&["--outbound-ca", keys.authority.to_str().unwrap()], flags].concat())
}

/// An initial access token for clients of an account.
fn registration_token(world: &World, account: &str) -> String {
    world.cli(&["account", "create", "--name", account]);
    let made = world.cli(&[
        "registration-token",
        "create",
        "--account",
        account,
        "--scope",
        "read",
    ]);
    made["token"].as_str().unwrap().to_owned()
}

/// A client of the token's account with this `jwks_uri`.
fn register(node: &Node, token: &str, uri: &str) -> String {
    let metadata = json!({"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": uri});
    let reply = node.json("POST", "/oauth/register", Some(token), &metadata);
    assert_eq!(reply.status, 201, "{}", reply.body);
    reply.json()["client_id"].as_str().unwrap().to_owned()
}

fn attempt(node: &Node, pair: &jwt::Pair, id: &str) -> Reply {
    ask(node, &pair.sign(&header(pair), &good_claims(node, id)))
}

fn reason(node: &Node, reply: &Reply) -> String {
    node.log_of(reply)["error"].as_str().unwrap().to_owned()
}

#[test]
fn a_silent_server_of_one_partner_delays_no_other() {
    let world = World::sqlite();
    let keys = KeyServer::start(&world, &["localhost", "127.0.0.1"]);
    let pair = jwt::Pair::new("ES256");
    keys.publish("/good", &[pair.public_jwk("one")]);
    let node = start(&world, &keys, &PRIVATE);
    // It accepts connections, and sends nothing, not even a TLS handshake.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_port = silent.local_addr().unwrap().port();
    let hostile = registration_token(&world, "Hostile");
    let slow: Vec<String> = (0..12)
        .map(|place| {
            register(
                &node,
                &hostile,
                &format!("https://localhost:{silent_port}/keys/{place}"),
            )
        })
        .collect();
    let calm = registration_token(&world, "Calm");
    let worked_before = register(&node, &calm, &keys.uri("127.0.0.1", "/good"));
    assert_eq!(attempt(&node, &pair, &worked_before).status, 200);
    let fetched_now = register(&node, &calm, &keys.uri("127.0.0.1", "/good?now"));
    keys.publish("/good?now", &[pair.public_jwk("one")]);

    std::thread::scope(|scope| {
        let (node, pair, slow) = (&node, &pair, &slow);
        let burst: Vec<_> = (0..48)
            .map(|place| {
                scope.spawn(move || {
                    let began = Instant::now();
                    (
                        attempt(node, pair, &slow[place % slow.len()]).status,
                        began.elapsed(),
                    )
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(300));
        for id in [&fetched_now, &worked_before] {
            let began = Instant::now();
            let reply = attempt(node, pair, id);
            assert_eq!(reply.status, 200, "{}", reply.body);
            assert!(
                began.elapsed() < Duration::from_secs(5),
                "{:?}",
                began.elapsed()
            );
        }
        for one in burst {
            let (status, took) = one.join().unwrap();
            assert!(matches!(status, 401 | 429 | 503), "{status}");
            // Two seconds for a permit, or five for the fetch, plus the delay of a busy machine.
            assert!(took < Duration::from_secs(15), "{took:?}");
        }
    });
}

#[test]
fn concurrent_requests_for_the_same_keys_share_one_fetch() {
    let world = World::sqlite();
    let keys = KeyServer::start(&world, &["localhost"]);
    let pair = jwt::Pair::new("ES256");
    keys.publish("/keys", &[pair.public_jwk("one")]);
    let node = start(&world, &keys, &PRIVATE);
    let token = registration_token(&world, "Partner");
    let ids: Vec<String> = (0..3)
        .map(|_| register(&node, &token, &keys.uri("localhost", "/keys")))
        .collect();
    std::thread::scope(|scope| {
        let (node, pair, ids) = (&node, &pair, &ids);
        let all: Vec<_> = (0..24)
            .map(|i| scope.spawn(move || attempt(node, pair, &ids[i % 3]).status))
            .collect();
        let statuses: Vec<u16> = all.into_iter().map(|one| one.join().unwrap()).collect();
        assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    });
    assert_eq!(keys.hits("/keys"), 1);
}

#[test]
fn cached_keys_are_used_while_the_server_fails_and_key_ids_are_made_up() {
    let world = World::sqlite();
    let keys = KeyServer::start(&world, &["localhost"]);
    let pair = jwt::Pair::new("ES256");
    keys.publish("/keys", &[pair.public_jwk("one")]);
    let node = start(&world, &keys, &PRIVATE);
    let id = register(
        &node,
        &registration_token(&world, "Partner"),
        &keys.uri("localhost", "/keys"),
    );
    assert_eq!(attempt(&node, &pair, &id).status, 200);
    keys.answer(
        "/keys",
        Answer::Head("500 Internal Server Error".to_owned()),
    );
    let made_up = || {
        ask(
            &node,
            &pair.sign(
                &json!({"alg": "ES256", "kid": "made-up"}),
                &good_claims(&node, &id),
            ),
        )
    };
    // One fetch ten seconds after the previous one, not one per key id.
    within(
        Duration::from_secs(30),
        "a fetch for an unknown key id",
        || {
            assert!(matches!(made_up().status, 401 | 429));
            (keys.hits("/keys") > 1).then_some(())
        },
    );
    for _ in 0..20 {
        assert!(matches!(made_up().status, 401 | 429));
    }
    assert_eq!(keys.hits("/keys"), 2);
    assert_eq!(attempt(&node, &pair, &id).status, 200, "{}", node.logs());
}

#[test]
fn wrong_answers_of_key_servers_are_refused() {
    let world = World::sqlite();
    let keys = KeyServer::start(&world, &["localhost"]);
    let pair = jwt::Pair::new("ES256");
    let node = start(&world, &keys, &PRIVATE);
    let token = registration_token(&world, "Partner");
    keys.publish("/elsewhere", &[pair.public_jwk("one")]);
    let elsewhere = keys.uri("localhost", "/elsewhere");
    let cases = [
        ("/drip", Answer::Drip, "timeout"),
        ("/silent", Answer::Nothing, "timeout"),
        ("/endless", Answer::Endless, "larger than"),
        (
            "/redirect",
            Answer::Head(format!("302 Found\r\nlocation: {elsewhere}")),
            "302",
        ),
        (
            "/failing",
            Answer::Head("500 Internal Server Error".to_owned()),
            "500",
        ),
        (
            "/page",
            Answer::Document("<html>".to_owned()),
            "expected value",
        ),
    ];
    for (path, answer, why) in cases {
        keys.answer(path, answer);
        let id = register(&node, &token, &keys.uri("localhost", path));
        let began = Instant::now();
        let reply = attempt(&node, &pair, &id);
        assert!(
            matches!(reply.status, 401 | 429),
            "{path}: {} {}",
            reply.status,
            reply.body
        );
        let reason = reason(&node, &reply);
        assert!(
            reason.contains("jwks_uri") && reason.contains(why),
            "{path}: {reason}"
        );
        assert!(
            began.elapsed() < Duration::from_secs(15),
            "{path}: {:?}",
            began.elapsed()
        );
        // The server is not asked again at once.
        attempt(&node, &pair, &id);
        assert_eq!(keys.hits(path), 1, "{path}");
    }
    assert_eq!(keys.hits("/elsewhere"), 0);
}

/// A proxy for CONNECT that connects every name to one port of this machine.
struct ConnectProxy {
    port: u16,
    /// The heads of the requests.
    asked: Arc<Mutex<Vec<String>>>,
}

impl ConnectProxy {
    fn to(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = ConnectProxy {
            port: listener.local_addr().unwrap().port(),
            asked: Arc::default(),
        };
        let asked = proxy.asked.clone();
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let mut reader = BufReader::new(near.try_clone().unwrap());
                let mut head = String::new();
                while reader.read_line(&mut head).is_ok_and(|read| read > 2) {}
                asked.lock().unwrap().push(head);
                let far = TcpStream::connect(("127.0.0.1", target)).unwrap();
                (&near)
                    .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
                    .unwrap();
                for (mut from, mut to) in [
                    (near.try_clone().unwrap(), far.try_clone().unwrap()),
                    (far, near),
                ] {
                    std::thread::spawn(move || std::io::copy(&mut from, &mut to));
                }
            }
        });
        proxy
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

#[test]
fn keys_are_fetched_through_the_proxy() {
    let world = World::sqlite();
    // A host name that only the proxy can resolve.
    let keys = KeyServer::start(&world, &["keys.partner.example", "localhost"]);
    let proxy = ConnectProxy::to(keys.port);
    let pair = jwt::Pair::new("ES256");
    keys.publish("/keys", &[pair.public_jwk("one")]);
    let url = format!("http://keyward:open%20sesame@127.0.0.1:{}", proxy.port);
    let node = start(&world, &keys, &["--outbound-proxy", &url]);
    let token = registration_token(&world, "Partner");
    let id = register(&node, &token, "https://keys.partner.example/keys");
    let reply = attempt(&node, &pair, &id);
    assert_eq!(reply.status, 200, "{} {}", reply.body, node.logs());
    let asked = proxy.asked();
    assert_eq!(asked.len(), 1, "{asked:?}");
    let credentials = base64::engine::general_purpose::STANDARD.encode("keyward:open sesame");
    assert!(
        asked[0].starts_with("CONNECT keys.partner.example:443 HTTP/1.1\r\n"),
        "{asked:?}"
    );
    assert!(
        asked[0].contains(&format!("Proxy-Authorization: Basic {credentials}\r\n")),
        "{asked:?}"
    );
    assert!(!node.logs().contains("sesame"));

    // URLs that are refused by their text alone are refused here, whatever the proxy would do.
    let id = register(&node, &token, &keys.uri("localhost", "/keys"));
    let reply = attempt(&node, &pair, &id);
    reply.refused(401, "invalid_client");
    eventually("the reason", || {
        reason(&node, &reply)
            .contains("private address")
            .then_some(())
    });
    assert_eq!(proxy.asked().len(), 1);
}

#[test]
fn a_proxy_that_refuses_is_named_in_the_log() {
    let world = World::sqlite();
    let keys = KeyServer::start(&world, &["keys.partner.example"]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut head = String::new();
            while reader.read_line(&mut head).is_ok_and(|read| read > 2) {}
            let _ = stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
        }
    });
    let node = start(&world, &keys, &["--outbound-proxy", &url]);
    let id = register(
        &node,
        &registration_token(&world, "Partner"),
        "https://keys.partner.example/keys",
    );
    let reply = attempt(&node, &jwt::Pair::new("ES256"), &id);
    reply.refused(401, "invalid_client");
    let reason = reason(&node, &reply);
    assert!(
        reason.contains("proxy") && reason.contains("403"),
        "{reason}"
    );
}

#[test]
fn settings_that_cannot_be_used_stop_the_start() {
    let world = World::sqlite();
    let text = world.file("text.pem", "no certificate");
    let broken = world.file(
        "broken.pem",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    );
    let missing = world.folder.join("missing.pem");
    each_case([&text, &broken, &missing], |file| {
        let file = file.to_str().unwrap();
        let Err(said) = world.try_start(&["--outbound-ca", file]) else {
            panic!("{file} was taken")
        };
        assert!(
            said.contains("--outbound-ca") && said.contains(file),
            "{said}"
        );
    });
    each_case(
        [
            "proxy.example:3128",
            "socks5://proxy.example",
            "http://keyward:sesame@",
            "ftp://keyward:sesame@proxy.example",
            "http://keyward:sesame@proxy.example/path",
        ],
        |url| {
            let output = world.run(&["--outbound-proxy", url, "config"]);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(2), "{url}: {said}");
            assert!(
                said.contains("--outbound-proxy") && !said.contains("sesame"),
                "{said}"
            );
        },
    );
    let shown = world
        .cli(&[
            "config",
            "--outbound-proxy",
            "http://keyward:sesame@proxy.example:3128",
        ])
        .to_string();
    assert!(
        shown.contains("http://keyward:***@proxy.example:3128") && !shown.contains("sesame"),
        "{shown}"
    );
}
