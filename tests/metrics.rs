//! `/metrics`: what Prometheus reads.

use crate::support::{Client, World};

fn value(text: &str, series: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
}

#[test]
fn what_is_counted() {
    let world = World::sqlite();
    let client = world.client("a");
    let node = world.start();
    for _ in 0..3 {
        node.token(&client);
    }
    node.token_reply(&Client { secret: "wrong".into(), ..client.clone() }, &[]);
    for path in ["/nothing/a", "/nothing/b", "/oauth/register/a", "/oauth/register/b"] {
        node.get(path);
    }
    let reply = node.get("/metrics");
    assert!(reply.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    let text = reply.body;
    for (series, count) in [
        (r#"keyward_http_requests_total{route="/oauth/token",status="200"}"#, 3.0),
        (r#"keyward_http_requests_total{route="/oauth/token",status="401"}"#, 1.0),
        (r#"keyward_http_requests_total{route="unknown",status="404"}"#, 2.0),
        (r#"keyward_http_requests_total{route="/oauth/register/{client_id}",status="401"}"#, 2.0),
        (r#"keyward_refusals_total{code="invalid_client"}"#, 1.0),
        ("keyward_http_request_duration_seconds_count", 8.0),
        ("keyward_directory_fresh", 1.0),
    ] {
        assert_eq!(value(&text, series), Some(count), "{series}\n{text}");
    }
    assert!(text.trim_end().ends_with("# EOF"));
    assert!(!text.contains(&client.id), "no series for each caller");
}
