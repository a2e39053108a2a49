//! A careless or hostile peer does not affect others: connections that send nothing, do not read,
//! or never finish.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::tools::Tool;
use crate::support::{Node, World, each_case, within};

const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";

/// A connection with the smallest receive buffer that the system allows.
fn narrow(node: &Node) -> TcpStream {
    let address: SocketAddr = node.base.strip_prefix("http://").unwrap().parse().unwrap();
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&address.into()).unwrap();
    socket.into()
}

/// A connection from another address of this machine.
fn connect_from(node: &Node, number: u8) -> TcpStream {
    let target: SocketAddr = node.base.strip_prefix("http://").unwrap().parse().unwrap();
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket
        .bind(&SocketAddr::from(([127, 0, 0, 2 + number], 0)).into())
        .unwrap();
    socket.connect(&target.into()).unwrap();
    socket.into()
}

fn read_some(stream: &mut TcpStream) -> usize {
    stream.read(&mut [0; 4096]).unwrap_or(0)
}

/// Resident memory, in bytes.
fn memory(node: &Node) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", node.pid())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<usize>()
        .unwrap()
        * 1024
}

fn served_at_once(node: &Node) {
    for _ in 0..10 {
        let began = Instant::now();
        let mut stream = node.connect();
        stream.write_all(HEALTH).unwrap();
        assert!(read_some(&mut stream) > 0, "no answer");
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "after {:?}",
            began.elapsed()
        );
    }
}

#[test]
fn idle_connections_are_closed() {
    let world = World::sqlite();
    let node = world.start_with_descriptors(256, &[]);
    // From each of three addresses, fewer than the limit of one address.
    let silent: Vec<TcpStream> = (0..240)
        .map(|number| connect_from(&node, number % 3))
        .collect();
    served_at_once(&node);
    drop(silent);
    let mut asked_once: Vec<TcpStream> = Vec::new();
    for number in 0..240 {
        let mut stream = connect_from(&node, number % 3);
        stream.write_all(HEALTH).unwrap();
        assert!(read_some(&mut stream) > 0, "no answer");
        asked_once.push(stream);
    }
    served_at_once(&node);
    assert!(node.metric("keyward_connections") <= 200.0);
    assert!(node.metric("keyward_connections_evicted_total") > 60.0);
    let warnings = node
        .logs()
        .lines()
        .filter(|line| line.contains("too many connections: idle and slow"))
        .count();
    assert_eq!(warnings, 1, "once a minute\n{}", node.logs());
}

/// Keeps `each` connections open from each of these addresses, each with a request whose body never
/// arrives.
fn hold_bodies(node: &Node, addresses: u8, each: usize, stop: &AtomicBool) {
    let target: SocketAddr = node.base.strip_prefix("http://").unwrap().parse().unwrap();
    let begun = b"POST /oauth/token HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: 60000\r\n\r\na";
    let connect = |number: u8| {
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket
            .bind(&SocketAddr::from(([127, 0, 0, 2 + number], 0)).into())
            .unwrap();
        socket.set_nonblocking(true).unwrap();
        let _ = socket.connect(&target.into());
        (number, TcpStream::from(socket), false)
    };
    let mut held: Vec<(u8, TcpStream, bool)> = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        for number in 0..addresses {
            let open = held.iter().filter(|(of, ..)| *of == number).count();
            held.extend((open..each).map(|_| connect(number)));
        }
        held.retain_mut(|(_, stream, sent)| {
            *sent = *sent || stream.write(begun).is_ok();
            let error = |error: &std::io::Error| {
                error.kind() == ErrorKind::WouldBlock || error.kind() == ErrorKind::NotConnected
            };
            stream.read(&mut [0; 512]).is_err_and(|found| error(&found))
        });
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// A peer that holds all connections of a small table while their bodies are incomplete does not
/// lock others out.
#[test]
fn bodies_that_never_arrive_time_out() {
    let world = World::sqlite();
    let node = world.start_with_descriptors(256, &[]);
    for (addresses, each) in [(1, 300), (6, 50)] {
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| hold_bodies(&node, addresses, each, &stop));
            std::thread::sleep(Duration::from_secs(2));
            let waits: Vec<Option<Duration>> = (0..30)
                .map(|_| {
                    std::thread::sleep(Duration::from_millis(100));
                    let began = Instant::now();
                    let mut stream = node.connect();
                    stream
                        .set_read_timeout(Some(Duration::from_secs(20)))
                        .unwrap();
                    (stream.write_all(HEALTH).is_ok() && read_some(&mut stream) > 0)
                        .then(|| began.elapsed())
                })
                .collect();
            stop.store(true, Ordering::Relaxed);
            let served =
                |wait: &Option<Duration>| wait.is_some_and(|wait| wait < Duration::from_secs(5));
            assert!(waits.iter().all(served), "{addresses}: {waits:?}");
        });
    }
    assert!(node.metric("keyward_connections") <= 225.0);
}

#[test]
fn connections_are_limited_by_the_file_descriptors() {
    let world = World::sqlite();
    let node = world.start_with_descriptors(256, &["--max-connections", "20"]);
    let silent: Vec<TcpStream> = (0..100).map(|_| node.connect()).collect();
    served_at_once(&node);
    within(Duration::from_secs(10), "closing", || {
        (node.metric("keyward_connections") <= 22.0).then_some(())
    });
    drop(silent);
    let refused = world.refused(&["serve", "--max-connections", "100000000"]);
    assert!(
        refused.contains("max_connections") && refused.contains("ulimit"),
        "{refused}"
    );
}

#[test]
fn clients_that_read_no_answer_are_disconnected() {
    const COUNT: usize = 40;
    let world = World::sqlite();
    let node = world.start();
    served_at_once(&node);
    node.get("/openapi.json");
    let before = memory(&node);
    let requests = b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n".repeat(10_000);
    let mut streams: Vec<(TcpStream, usize)> = (0..COUNT).map(|_| (narrow(&node), 0)).collect();
    let mut most = 0;
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(15) {
        for (stream, sent) in &mut streams {
            stream.set_nonblocking(true).unwrap();
            if let Ok(count) = stream.write(&requests[*sent..]) {
                *sent += count;
            }
        }
        served_at_once(&node);
        most = most.max(memory(&node));
    }
    let each = most.saturating_sub(before) / COUNT;
    assert!(each < 1_500_000, "{each} bytes a connection");
    within(
        Duration::from_secs(60),
        "the end of the connections",
        || (node.metric("keyward_connections") <= 2.0).then_some(()),
    );
}

#[test]
fn slow_readers_get_the_whole_answer() {
    let world = World::sqlite();
    let node = world.start();
    let whole = node.get("/openapi.json").body;
    let mut stream = narrow(&node);
    stream
        .write_all(b"GET /openapi.json HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    loop {
        let count = stream.read(&mut part).unwrap();
        answer.extend_from_slice(&part[..count]);
        if count == 0 {
            break;
        }
        std::thread::sleep(Duration::from_millis(40));
    }
    assert!(String::from_utf8(answer).unwrap().ends_with(&whole));
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let world = World::sqlite();
    let node = world.start();
    let mut stream = node.connect();
    let paths: Vec<String> = (0..1500)
        .map(|number| format!("/nothing/{number}"))
        .collect();
    let requests: String = paths
        .iter()
        .map(|path| format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n"))
        .collect();
    let mut sender = stream.try_clone().unwrap();
    let sending = std::thread::spawn(move || {
        sender.write_all(requests.as_bytes()).unwrap();
        sender
            .write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .unwrap();
    });
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    sending.join().unwrap();
    assert_eq!(answers.matches("HTTP/1.1 404").count(), paths.len());
    assert!(answers.ends_with("{\"status\":\"ok\"}"));
}

/// Heads and bodies up to the limits are read, however they are split into packets.
#[test]
fn bodies_arrive_whole() {
    let world = World::sqlite();
    let client = world.client("a");
    let node = world.start();
    let form = |length: usize| {
        let known = "grant_type=client_credentials&padding=";
        format!("{known}{}", "x".repeat(length - known.len()))
    };
    let head = |more: &str| {
        let basic = client.basic();
        format!(
            "POST /oauth/token HTTP/1.1\r\nhost: x\r\nauthorization: {basic}\r\ncontent-type: application/x-www-form-urlencoded\r\nconnection: close\r\n{more}\r\n"
        )
    };
    let ask = |request: &[u8]| {
        let mut stream = node.connect();
        stream.write_all(request).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let large_head = format!("x-large: {}\r\n", "y".repeat(24_000));
    each_case(
        [
            (60_000, ""),
            (9_000, large_head.as_str()),
            (65_000, large_head.as_str()),
        ],
        |(length, more)| {
            let request = format!(
                "{}{}",
                head(&format!("{more}content-length: {length}\r\n")),
                form(length)
            );
            let answer = ask(request.as_bytes());
            assert!(answer.starts_with("HTTP/1.1 200"), "{length}: {answer}");
        },
    );
    for size in [1, 7, 1000] {
        let body = form(20_000);
        let chunks: String = body
            .as_bytes()
            .chunks(size)
            .map(|part| format!("{:x}\r\n{}\r\n", part.len(), String::from_utf8_lossy(part)))
            .collect();
        let answer = ask(format!(
            "{}{chunks}0\r\n\r\n",
            head("transfer-encoding: chunked\r\n")
        )
        .as_bytes());
        assert!(
            answer.starts_with("HTTP/1.1 200"),
            "chunks of {size}: {answer}"
        );
    }
}

/// The rest of a body that is too large is read for a short time only.
#[test]
fn the_rest_of_a_refused_body_is_not_read_for_ever() {
    let world = World::sqlite();
    let node = world.start();
    let mut stream = node.connect();
    stream
        .write_all(b"POST /oauth/token HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\ntransfer-encoding: chunked\r\n\r\n")
        .unwrap();
    let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
    let (began, mut sent) = (Instant::now(), 0);
    while stream.write_all(chunk.as_bytes()).is_ok() {
        sent += chunk.len();
        assert!(
            began.elapsed() < Duration::from_secs(40) && sent < 64 * 1024 * 1024,
            "{sent} bytes in {:?}",
            began.elapsed()
        );
    }
    // A body that arrives slowly is not waited for either.
    let mut stream = node.connect();
    stream
        .write_all(b"POST /oauth/token HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: 99999999\r\n\r\n")
        .unwrap();
    let began = Instant::now();
    while stream.write_all(b"x").is_ok() {
        assert!(began.elapsed() < Duration::from_secs(40), "still open");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A connection is kept alive for another request, but that request has to arrive in time.
#[test]
fn a_further_request_times_out_where_it_stays_incomplete() {
    let world = World::sqlite();
    let node = world.start();
    let streams = [
        b"".as_slice(),
        b"GET /heal",
        b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-slow: ",
    ]
    .map(|begun| {
        let mut stream = node.connect();
        stream.write_all(HEALTH).unwrap();
        assert!(read_some(&mut stream) > 0);
        stream.write_all(begun).unwrap();
        stream
    });
    let began = Instant::now();
    for mut stream in streams {
        assert_eq!(read_some(&mut stream), 0);
    }
    let took = began.elapsed();
    assert!(
        took > Duration::from_secs(10) && took < Duration::from_secs(45),
        "{took:?}"
    );
}

#[test]
fn unfinished_tls_handshakes_are_closed() {
    needs!(Tool::Curl);
    let world = World::sqlite();
    let node = world.start_with_tls();
    // More than any limit on concurrent handshakes.
    let mut silent: Vec<TcpStream> = (0..600).map(|_| node.connect()).collect();
    for stream in silent.iter_mut().step_by(2) {
        stream.write_all(b"\x16\x03\x01\x02\x00\x01").unwrap();
    }
    let began = Instant::now();
    let asked = world.curl(&["-f", "--cacert", "cert.pem", &node.https_url("/healthz")]);
    assert!(asked.status.success());
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "after {:?}",
        began.elapsed()
    );
    let began = Instant::now();
    for stream in &mut silent {
        assert_eq!(read_some(stream), 0);
    }
    assert!(
        began.elapsed() < Duration::from_secs(40),
        "{:?}",
        began.elapsed()
    );
}
