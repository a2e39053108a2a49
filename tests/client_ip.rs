//! The client IP behind proxies: IP ranges of keys, rate limits and the log line; and the trace
//! context of a request.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use crate::support::{Node, World, each_case, eventually};

/// The status of `/verify` for a request with these headers, sent byte by byte without changes.
fn verify(node: &Node, key: &str, headers: &[&[u8]]) -> u16 {
    let mut stream = TcpStream::connect(node.base.trim_start_matches("http://")).unwrap();
    let mut request = format!(
        "GET /verify HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {key}\r\n"
    )
    .into_bytes();
    for header in headers {
        request.extend_from_slice(header);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    stream.write_all(&request).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer)
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .expect("a status line")
}

fn log_line(node: &Node, of: impl Fn(&Value) -> bool) -> Value {
    eventually("the log line", || {
        node.logs()
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .find(|line| of(line))
    })
}

fn key(world: &World, client: &str, range: &str) -> String {
    let made = world.cli(&[
        "key",
        "create",
        client,
        "--name",
        range,
        "--allow-ip",
        range,
    ]);
    made["api_key"].as_str().unwrap().to_owned()
}

on_both! {
    fn ip_ranges_of_keys_are_checked_behind_a_proxy(world: World) {
        let client = world.client("a");
        let (inside, outside, v6) = (key(&world, &client.id, "127.0.0.0/8"), key(&world, &client.id, "203.0.113.0/24"), key(&world, &client.id, "2001:db8::/32"));
        let node = world.start_with(&["--trusted-proxies", "127.0.0.0/8"]);
        let rows: &[(&[&[u8]], Option<&str>)] = &[
            (&[], Some(&inside)),
            (&[b"X-Forwarded-For: 203.0.113.9"], Some(&outside)),
            (&[b"X-Forwarded-For: 203.0.113.7:49152"], Some(&outside)),
            (&[b"X-Forwarded-For: \xff, 203.0.113.9"], Some(&outside)),
            (&[b"X-Forwarded-For: 127.0.0.1, 203.0.113.9"], Some(&outside)),
            (&[b"X-Forwarded-For: 127.0.0.1", b"X-Forwarded-For: 203.0.113.9"], Some(&outside)),
            (&[b"X-Forwarded-For: 203.0.113.9, 127.0.0.1"], Some(&outside)),
            (&[b"X-Forwarded-For: ::ffff:203.0.113.9"], Some(&outside)),
            (&[b"X-Forwarded-For: [2001:db8::1]:443"], Some(&v6)),
            (&[b"X-Forwarded-For: 2001:db8::1"], Some(&v6)),
            (&[b"X-Forwarded-For: 127.0.0.9"], Some(&inside)),
            // The header that is not configured is ignored.
            (&[b"Forwarded: for=203.0.113.9"], Some(&inside)),
            (&[b"Forwarded: for=127.0.0.1", b"X-Forwarded-For: 203.0.113.9"], Some(&outside)),
            // The client IP is unknown: no range contains it.
            (&[b"X-Forwarded-For: \xff"], None),
            (&[b"X-Forwarded-For: 203.0.113.9, \xff"], None),
            (&[b"X-Forwarded-For: "], None),
            (&[b"X-Forwarded-For: unknown"], None),
            (&[b"X-Forwarded-For: 203.0.113.9, unix:"], None),
            (&[b"X-Forwarded-For: for=203.0.113.9"], None),
        ];
        for (headers, allowed) in rows {
            for key in [&inside, &outside, &v6] {
                let expected = if *allowed == Some(key) { 200 } else { 401 };
                assert_eq!(verify(&node, key, headers), expected, "{:?}", headers.iter().map(|line| String::from_utf8_lossy(line)).collect::<Vec<_>>());
            }
            assert_eq!(verify(&node, &client.api_key, headers), 200, "a key without ranges");
        }
        assert!(!node.logs().contains("is not a trusted proxy"), "no warning where the peer is one");
    }
}

#[test]
fn the_forwarded_header_is_read_where_it_is_configured() {
    let world = World::sqlite();
    let client = world.client("a");
    let (inside, outside) = (
        key(&world, &client.id, "127.0.0.0/8"),
        key(&world, &client.id, "203.0.113.0/24"),
    );
    let node = world.start_with(&[
        "--trusted-proxies",
        "127.0.0.1",
        "--forwarded-header",
        "forwarded",
    ]);
    let rows: &[(&[&[u8]], Option<&str>)] = &[
        (&[b"Forwarded: for=\"203.0.113.7:4711\""], Some(&outside)),
        (
            &[b"Forwarded: for=127.0.0.1, for=203.0.113.7;proto=https"],
            Some(&outside),
        ),
        (
            &[b"Forwarded: for=127.0.0.1", b"Forwarded: For=203.0.113.7"],
            Some(&outside),
        ),
        (&[b"X-Forwarded-For: 203.0.113.7"], Some(&inside)),
        (
            &[b"X-Forwarded-For: 127.0.0.1", b"Forwarded: for=203.0.113.7"],
            Some(&outside),
        ),
        (&[b"Forwarded: for=unknown"], None),
        (&[b"Forwarded: for=_hidden"], None),
        (&[b"Forwarded: proto=https"], None),
        (&[b"Forwarded: 203.0.113.7"], None),
    ];
    for (headers, allowed) in rows {
        for key in [&inside, &outside] {
            let expected = if *allowed == Some(key) { 200 } else { 401 };
            assert_eq!(verify(&node, key, headers), expected, "{headers:?}");
        }
    }
}

/// An unauthenticated caller with an unknown client IP uses up neither the proxy's count nor
/// another caller's.
#[test]
fn an_unknown_client_ip_has_a_count_of_its_own() {
    let world = World::sqlite();
    let node = world.start_with(&["--trusted-proxies", "127.0.0.1"]);
    let unknown: &[&[u8]] = &[b"X-Forwarded-For: \xff"];
    let limited = (0..200)
        .map(|_| verify(&node, "x", unknown))
        .find(|status| *status != 401);
    assert_eq!(limited, Some(429));
    assert_eq!(verify(&node, "x", &[]), 401, "the proxy itself");
    assert_eq!(
        verify(&node, "x", &[b"X-Forwarded-For: 203.0.113.9"]),
        401,
        "another client"
    );
    let line = log_line(&node, |line| line["status"] == 429);
    assert_eq!(line["address"], "unknown");
}

#[test]
fn a_header_from_an_untrusted_peer_is_ignored_and_warned_of_once() {
    let world = World::sqlite();
    let client = world.client("a");
    let (inside, outside) = (
        key(&world, &client.id, "127.0.0.0/8"),
        key(&world, &client.id, "203.0.113.0/24"),
    );
    let node = world.start_with(&["--trusted-proxies", "192.0.2.1"]);
    for _ in 0..3 {
        assert_eq!(
            verify(&node, &inside, &[b"X-Forwarded-For: 203.0.113.9"]),
            200
        );
        assert_eq!(
            verify(&node, &outside, &[b"X-Forwarded-For: 203.0.113.9"]),
            401
        );
    }
    let line = log_line(&node, |line| {
        line["level"] == "WARN" && line["header"] == "x-forwarded-for"
    });
    assert_eq!(line["peer"], "127.0.0.1");
    assert!(
        line["message"]
            .as_str()
            .unwrap()
            .contains("trusted_proxies"),
        "{line}"
    );
    assert_eq!(node.logs().matches("is not a trusted proxy").count(), 1);
}

#[test]
fn a_trace_is_continued() {
    let world = World::sqlite();
    let node = world.start();
    let (trace, parent) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    let ask = |headers: &[(&str, &str)]| {
        let id = node
            .get_with("/healthz", headers)
            .header("x-request-id")
            .unwrap()
            .to_owned();
        log_line(&node, |line| line["request_id"] == id.as_str())
    };
    let line = ask(&[("traceparent", &format!("00-{trace}-{parent}-01"))]);
    assert_eq!(
        (line["trace_id"].as_str(), line["parent_id"].as_str()),
        (Some(trace), Some(parent))
    );
    let span = line["span_id"].as_str().unwrap();
    assert!(span.len() == 16 && span != parent, "{line}");
    each_case(
        [
            "",
            "00",
            &format!("00-{trace}-{parent}-01-x"),
            &format!("00-{}-{parent}-01", "0".repeat(32)),
            &format!("ff-{trace}-{parent}-01"),
        ],
        |header| {
            let line = ask(&[("traceparent", header)]);
            assert_eq!(line["parent_id"], Value::Null, "{header}");
            let own = line["trace_id"].as_str().unwrap();
            assert!(
                own.len() == 32 && own != trace && own != "0".repeat(32),
                "{header}: {line}"
            );
        },
    );
    let line = ask(&[]);
    assert_eq!(
        line["trace_id"].as_str().unwrap(),
        line["request_id"].as_str().unwrap().replace('-', ""),
        "a new trace"
    );
}
