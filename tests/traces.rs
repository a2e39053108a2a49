//! Traces: spans are sent to an OTLP collector, and the context of a request is kept across
//! threads.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::client_assertion::{ask, good_claims, header};
use crate::support::key_server::{Answer, KeyServer};
use crate::support::{Client, Node, Reply, World, eventually, jwt};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// An OTLP receiver that accepts everything and keeps the spans.
struct Collector {
    port: u16,
    spans: Arc<Mutex<Vec<Value>>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let collector = Collector {
            port: listener.local_addr().unwrap().port(),
            spans: Arc::default(),
        };
        let spans = collector.spans.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let request = receive(stream);
                let resource = &request["resourceSpans"][0];
                assert_eq!(
                    resource["resource"]["attributes"][0],
                    json!({"key": "service.name", "value": {"stringValue": "keyward"}})
                );
                let received = resource["scopeSpans"][0]["spans"].as_array().unwrap();
                spans.lock().unwrap().extend(received.iter().cloned());
            }
        });
        collector
    }

    fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The first span of this name.
    fn span(&self, name: &str) -> Value {
        eventually(name, || {
            let spans = self.spans.lock().unwrap();
            spans.iter().find(|span| span["name"] == name).cloned()
        })
    }
}

/// Reads a request for `/v1/traces` and answers it.
fn receive(stream: TcpStream) -> Value {
    let mut reader = BufReader::new(&stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert!(line.starts_with("POST /v1/traces "), "{line}");
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line).unwrap();
        let lower = line.trim_end().to_ascii_lowercase();
        if lower.is_empty() {
            break;
        }
        if let Some(value) = lower.strip_prefix("content-length: ") {
            length = value.parse().unwrap();
        }
        if let Some(value) = lower.strip_prefix("content-type: ") {
            assert_eq!(value, "application/json");
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    (&stream)
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
        .unwrap();
    serde_json::from_slice(&body).unwrap()
}

/// A token request with this `traceparent`.
fn token_request(node: &Node, client: &Client, traceparent: &str) -> Reply {
    let reply = node.post(
        "/oauth/token",
        &[
            ("authorization", &client.basic()),
            ("content-type", "application/x-www-form-urlencoded"),
            ("traceparent", traceparent),
        ],
        b"grant_type=client_credentials",
    );
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply
}

fn attribute<'a>(span: &'a Value, key: &str) -> &'a Value {
    let attributes = span["attributes"].as_array().unwrap();
    let found = attributes.iter().find(|attribute| attribute["key"] == key);
    &found.unwrap_or_else(|| panic!("no {key} in {span}"))["value"]
}

#[test]
fn the_spans_of_a_token_request_go_to_the_collector_in_the_trace_of_the_caller() {
    let world = World::sqlite();
    let client = world.client("a");
    let collector = Collector::start();
    let node = world.start_with(&["--otlp-endpoint", &collector.endpoint()]);
    let reply = token_request(&node, &client, &format!("00-{TRACE}-{PARENT}-01"));

    let request = collector.span("POST /oauth/token");
    assert_eq!(request["traceId"], TRACE);
    assert_eq!(request["parentSpanId"], PARENT);
    assert_eq!(request["kind"], 2);
    assert_eq!(
        attribute(&request, "http.route"),
        &json!({"stringValue": "/oauth/token"})
    );
    assert_eq!(
        attribute(&request, "http.response.status_code"),
        &json!({"intValue": "200"})
    );
    let request_id = reply.header("x-request-id").unwrap();
    assert_eq!(
        attribute(&request, "keyward.request_id"),
        &json!({"stringValue": request_id})
    );
    let number = |span: &Value, key: &str| span[key].as_str().unwrap().parse::<u64>().unwrap();
    for name in ["database", "sign", "token record"] {
        let span = collector.span(name);
        assert_eq!(span["traceId"], TRACE, "{name}");
        assert_eq!(span["parentSpanId"], request["spanId"], "{name}");
        assert!(
            number(&span, "startTimeUnixNano") >= number(&request, "startTimeUnixNano"),
            "{name}"
        );
        assert!(
            number(&span, "endTimeUnixNano") >= number(&span, "startTimeUnixNano"),
            "{name}"
        );
    }
    assert_eq!(node.log_of(&reply)["span_id"], request["spanId"]);
    // The node counts the spans when it has read the answer of the collector.
    eventually("counted spans", || {
        (node.metric("keyward_otlp_spans_exported_total") >= 4.0).then_some(())
    });
    assert_eq!(node.metric("keyward_otlp_spans_dropped_total"), 0.0);
}

#[test]
fn traces_that_are_not_sampled_are_not_exported() {
    let world = World::sqlite();
    let client = world.client("a");
    let collector = Collector::start();
    let endpoint = collector.endpoint();
    let node = world.start_with(&["--otlp-endpoint", &endpoint, "--otlp-sample-ratio", "0"]);
    token_request(&node, &client, &format!("00-{TRACE}-{PARENT}-00"));
    node.token(&client);
    let sampled = TRACE.replace("0a", "0b");
    token_request(&node, &client, &format!("00-{sampled}-{PARENT}-01"));
    collector.span("POST /oauth/token");
    // Spans recorded earlier would have been exported earlier, or with this one.
    let spans = collector.spans.lock().unwrap();
    assert!(
        spans.iter().all(|span| span["traceId"] == *sampled),
        "{spans:?}"
    );
}

#[test]
fn a_collector_that_does_not_answer_fails_no_request() {
    let world = World::sqlite();
    let client = world.client("a");
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let node = world.start_with(&["--otlp-endpoint", &endpoint]);
    for _ in 0..20 {
        node.token(&client);
    }
    eventually("the count of dropped spans", || {
        (node.metric("keyward_otlp_spans_dropped_total") >= 20.0).then_some(())
    });
    assert!(node.logs().contains("cannot export spans"));
    assert!(node.stop().success());
}

#[test]
fn a_fetch_of_keys_continues_the_trace_and_its_log_lines_name_the_request() {
    let world = World::sqlite();
    let keys = KeyServer::start(&world, &["localhost"]);
    let pair = jwt::Pair::new("ES256");
    keys.answer("/keys", Answer::Head("503 Service Unavailable".to_owned()));
    let authority = keys.authority.to_str().unwrap();
    let node = world.start_with(&["--outbound-ca", authority, "--private-jwks-uri", "on"]);
    world.cli(&["account", "create", "--name", "Partner"]);
    let initial = world.cli(&[
        "registration-token",
        "create",
        "--account",
        "Partner",
        "--scope",
        "read",
    ]);
    let metadata = json!({
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks_uri": keys.uri("localhost", "/keys"),
    });
    let registered = node.json(
        "POST",
        "/oauth/register",
        initial["token"].as_str(),
        &metadata,
    );
    let id = registered.json()["client_id"].as_str().unwrap().to_owned();
    let reply = ask(&node, &pair.sign(&header(&pair), &good_claims(&node, &id)));
    assert_eq!(reply.status, 401, "{}", reply.body);

    let request_id = reply.header("x-request-id").unwrap();
    let trace_id = request_id.replace('-', "");
    let line = eventually("the log line of the fetch", || {
        let logs = node.logs();
        let line = logs
            .lines()
            .find(|line| line.contains("cannot fetch a client's keys"))?;
        serde_json::from_str::<Value>(line).ok()
    });
    assert_eq!(line["request_id"], request_id);
    assert_eq!(line["trace_id"], *trace_id);
    let span_id = node.log_of(&reply)["span_id"].as_str().unwrap().to_owned();
    let sent = keys.requests();
    let expected = format!("traceparent: 00-{trace_id}-{span_id}-00");
    assert!(
        sent.iter()
            .any(|request| request.to_ascii_lowercase().contains(&expected)),
        "{expected} in {sent:?}"
    );
}
