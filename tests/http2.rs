//! HTTP/2: by ALPN with TLS, in clear text where it is enabled, and within limits.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::support::tools::Tool;
use crate::support::{Node, World};

/// The version of HTTP and the status; the body goes to a file.
fn curl(world: &World, arguments: &[&str]) -> String {
    let output = ["-o", "body", "-w", "%{http_version} %{http_code}"];
    String::from_utf8(world.curl(&[&output, arguments].concat()).stdout).unwrap()
}

#[test]
fn http2_is_negotiated_by_alpn() {
    needs!(Tool::Curl);
    let world = World::sqlite();
    let client = world.client("read");
    let node = world.start_with_tls();
    let url = node.https_url("/oauth/token");
    let user = format!("{}:{}", client.id, client.secret);
    let token = [
        "--cacert",
        "cert.pem",
        "-u",
        &user,
        "-d",
        "grant_type=client_credentials",
        &url,
    ];
    assert_eq!(curl(&world, &token), "2 200");
    assert!(
        std::fs::read_to_string(world.folder.join("body"))
            .unwrap()
            .contains("access_token")
    );
    assert_eq!(
        curl(&world, &[&["--http1.1"], token.as_slice()].concat()),
        "1.1 200"
    );
    assert!(node.stop().success());
}

#[test]
fn http2_in_cleartext_works_where_it_is_set() {
    needs!(Tool::Curl);
    let world = World::sqlite();
    let client = world.client("read");
    let node = world.start_with(&["--http2-cleartext", "on"]);
    let user = format!("{}:{}", client.id, client.secret);
    let url = node.url("/oauth/token");
    let token = ["-u", &user, "-d", "grant_type=client_credentials", &url];
    assert_eq!(
        curl(
            &world,
            &[&["--http2-prior-knowledge"], token.as_slice()].concat()
        ),
        "2 200"
    );
    assert_eq!(curl(&world, &token), "1.1 200");
    assert_eq!(
        curl(
            &world,
            &["--http2-prior-knowledge", &node.url("/openapi.json")]
        ),
        "2 200"
    );
    let document = std::fs::read_to_string(world.folder.join("body")).unwrap();
    assert_eq!(
        document,
        node.get("/openapi.json").body,
        "also what is larger than a window"
    );
    let large = format!("padding={}", "x".repeat(100_000));
    assert_eq!(
        curl(&world, &["--http2-prior-knowledge", "-d", &large, &url]),
        "2 413"
    );
    let plain = world.start();
    assert_eq!(
        curl(&world, &["--http2-prior-knowledge", &plain.url("/healthz")]),
        "0 000",
        "off by default"
    );
}

/// A frame (RFC 9113 section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn connect(node: &Node) -> TcpStream {
    let mut stream = node.connect();
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .unwrap();
    stream.write_all(&frame(4, 0, 0, &[])).unwrap();
    stream
}

/// `GET /` with literal header fields without indexing (RFC 7541 section 6.2.2).
fn get(stream: u32, fields: usize) -> Vec<u8> {
    let mut block = vec![0x82, 0x86, 0x84, 0x41, 1, b'x'];
    for _ in 0..fields {
        block.extend_from_slice(&[0, 1, b'a', 1, b'b']);
    }
    frame(1, 0x5, stream, &block)
}

/// The status of the first response: the first byte of its header block is an index.
fn status(stream: &mut TcpStream) -> Option<u8> {
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).ok()?;
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let mut payload = vec![0; length];
        stream.read_exact(&mut payload).ok()?;
        if head[3] == 1 {
            return payload.first().copied();
        }
    }
}

#[test]
fn http2_streams_and_headers_are_limited() {
    let world = World::sqlite();
    let node = world.start_with(&["--http2-cleartext", "on"]);
    let mut stream = connect(&node);
    stream.write_all(&get(1, 500)).unwrap();
    assert_eq!(
        status(&mut stream),
        Some(0x8c),
        "400, index 12 of the static table"
    );

    // Streams that are opened and reset at once, repeatedly.
    let mut stream = connect(&node);
    let mut flood = Vec::new();
    for number in 0..20_000 {
        flood.extend(get(2 * number + 1, 0));
        flood.extend(frame(3, 0, 2 * number + 1, &[0, 0, 0, 8]));
    }
    let _ = stream.write_all(&flood);
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert_eq!(node.get("/healthz").status, 200);

    // Thousands of concurrent streams: some are served, the others are refused at once, and all are
    // answered.
    let mut stream = connect(&node);
    let requests: Vec<u8> = (0..2000)
        .flat_map(|number| get(2 * number + 1, 0))
        .collect();
    stream.write_all(&requests).unwrap();
    for _ in 0..2000 {
        assert!(status(&mut stream).is_some());
    }
}
