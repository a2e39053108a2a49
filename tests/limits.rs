//! No input is answered with 500: odd bytes, lengths and orders, sent over a raw socket.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::{World, each_case};

fn raw(base: &str, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(base.strip_prefix("http://").unwrap()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn malformed_requests_are_refused_and_the_server_keeps_running() {
    let world = World::sqlite();
    let client = world.client("read");
    let node = world.start();
    let head = "POST /oauth/token HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/x-www-form-urlencoded\r\n";
    let long = "x".repeat(300_000);
    let cases: Vec<(&str, Vec<u8>)> = vec![
        (
            "no HTTP",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        ),
        ("a half line", b"POST /oauth".to_vec()),
        (
            "an endless header",
            format!("GET / HTTP/1.1\r\nhost: {long}\r\n\r\n").into_bytes(),
        ),
        (
            "an endless path",
            format!("GET /{long} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").into_bytes(),
        ),
        (
            "a header with NUL",
            b"GET /healthz HTTP/1.1\r\nhost: \0\r\n\r\n".to_vec(),
        ),
        (
            "raw bytes in Authorization",
            [
                head.as_bytes(),
                b"authorization: Basic \xff\xfe\r\ncontent-length: 0\r\n\r\n",
            ]
            .concat(),
        ),
        (
            "a length that is not a number",
            format!("{head}content-length: x\r\n\r\n").into_bytes(),
        ),
        (
            "two lengths",
            format!("{head}content-length: 1\r\ncontent-length: 2\r\n\r\nab").into_bytes(),
        ),
        (
            "a negative length",
            format!("{head}content-length: -1\r\n\r\n").into_bytes(),
        ),
        (
            "a broken chunk",
            format!("{head}transfer-encoding: chunked\r\n\r\nzz\r\n").into_bytes(),
        ),
        (
            "a length that overflows",
            format!("{head}content-length: 99999999999\r\n\r\nx").into_bytes(),
        ),
        (
            "two content types",
            format!("{head}content-type: text/plain\r\ncontent-length: 0\r\n\r\n").into_bytes(),
        ),
    ];
    for (what, request) in &cases {
        let mut request = request.clone();
        if *what == "a length that overflows" {
            // The client disconnects in the middle of the request.
            let mut stream =
                TcpStream::connect(node.base.strip_prefix("http://").unwrap()).unwrap();
            stream.write_all(&request).unwrap();
            drop(stream);
            request = head
                .replace("content-type", "content-length: 0\r\ncontent-type")
                .into_bytes();
            request.extend_from_slice(b"\r\n");
        }
        if *what == "a half line" {
            let mut stream =
                TcpStream::connect(node.base.strip_prefix("http://").unwrap()).unwrap();
            stream.write_all(&request).unwrap();
            drop(stream);
            continue;
        }
        let answer = raw(&node.base, &request);
        let status = answer.split(' ').nth(1).unwrap_or("closed");
        assert!(!status.starts_with('5'), "{what}: {answer}");
    }
    // Each byte value, in each of the parameters.
    each_case(0..=255u8, |byte| {
        let body = format!(
            "grant_type=client_credentials&scope=%{byte:02X}&client_id=%{byte:02X}&client_secret=%{byte:02X}&resource=%{byte:02X}"
        );
        let reply = node.post(
            "/oauth/token",
            &[("content-type", "application/x-www-form-urlencoded")],
            body.as_bytes(),
        );
        assert!(
            matches!(reply.status, 400 | 401 | 429),
            "{byte:02X}: {}",
            reply.body
        );
        let body = format!("token=%{byte:02X}&token_type_hint=%{byte:02X}");
        let basic = client.basic();
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("authorization", basic.as_str()),
        ];
        let reply = node.post("/oauth/revoke", &headers, body.as_bytes());
        assert!(
            matches!(reply.status, 200 | 400),
            "{byte:02X}: {}",
            reply.body
        );
        let reply = node.get(&format!("/oauth/register/%{byte:02X}"));
        assert!(
            matches!(reply.status, 401 | 404 | 429),
            "{byte:02X}: {} {}",
            reply.status,
            reply.body
        );
    });
    node.token(&client);
}

/// The client IP in the log and for the rate limiter is the one reported by the configured proxies.
#[test]
fn the_client_ip_is_logged() {
    let world = World::sqlite();
    let plain = world.start();
    let behind = world.start_with(&["--trusted-proxies", "127.0.0.1,10.0.0.0/8"]);
    let address = |node: &crate::support::Node, forwarded: &str| {
        let reply = node.get_with("/healthz", &[("x-forwarded-for", forwarded)]);
        node.log_of(&reply)["address"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        address(&plain, "203.0.113.9"),
        "127.0.0.1",
        "never by trusting a header"
    );
    each_case(
        [
            ("203.0.113.9", "203.0.113.9"),
            ("198.51.100.1, 203.0.113.9", "203.0.113.9"),
            ("198.51.100.1, 203.0.113.9, 10.1.2.3", "203.0.113.9"),
            ("nonsense", "unknown"),
            ("203.0.113.9, nonsense, 10.1.2.3", "unknown"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
            ("2001:db8::1", "2001:db8::1"),
        ],
        |(forwarded, seen)| {
            assert_eq!(address(&behind, forwarded), seen, "{forwarded}");
        },
    );
}
