//! `/metrics`: the exposition formats, the values, and the alert rules.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::tools::{Tool, variable};
use crate::support::{Client, Node, World, each_case, eventually, repository};

fn value(text: &str, series: &str) -> Option<f64> {
    text.lines()
        .find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
}

fn scrape(node: &Node) -> String {
    node.get("/metrics").body
}

#[test]
fn requests_tokens_and_decisions_are_counted() {
    let world = World::sqlite();
    let api = world.resource("urn:api");
    let client = world.client_with(&["--scope", "a", "--resource", "urn:api"]);
    let node = world.start();
    let token = node.token(&client);
    for _ in 0..2 {
        node.token(&client);
    }
    node.token_reply(
        &Client {
            secret: "wrong".into(),
            ..client.clone()
        },
        &[],
    );
    for path in [
        "/nothing/a",
        "/nothing/b",
        "/oauth/register/a",
        "/oauth/register/b",
    ] {
        node.get(path);
    }
    let exchange = [
        (
            "grant_type",
            "urn:ietf:params:oauth:grant-type:token-exchange",
        ),
        ("subject_token", &*client.api_key),
        ("subject_token_type", "urn:keyward:token-type:api_key"),
    ];
    assert_eq!(node.form("/oauth/token", None, &exchange).status, 200);
    assert!(
        node.active(&api, &token)
            && node.active(&api, &client.api_key)
            && !node.active(&api, "nonsense")
    );
    let verify = |path: &str, bearer: &str| {
        node.get_with(path, &[("authorization", &format!("Bearer {bearer}"))])
            .status
    };
    assert_eq!(verify("/verify", &token), 200);
    assert_eq!(verify("/verify?scope=b", &token), 403);
    assert_eq!(verify("/verify", "nonsense"), 401);

    let text = scrape(&node);
    each_case(
        [
            (
                r#"keyward_http_requests_total{route="/oauth/token",status="200"}"#,
                4.0,
            ),
            (
                r#"keyward_http_requests_total{route="/oauth/token",status="401"}"#,
                1.0,
            ),
            (
                r#"keyward_http_requests_total{route="unknown",status="404"}"#,
                2.0,
            ),
            (
                r#"keyward_http_requests_total{route="/oauth/register/{client_id}",status="401"}"#,
                2.0,
            ),
            (
                r#"keyward_http_request_duration_seconds_count{route="/oauth/token",outcome="success"}"#,
                4.0,
            ),
            (
                r#"keyward_http_request_duration_seconds_count{route="/oauth/token",outcome="client_error"}"#,
                1.0,
            ),
            (
                r#"keyward_http_request_duration_seconds_bucket{le="+Inf",route="/verify",outcome="client_error"}"#,
                2.0,
            ),
            (r#"keyward_errors_total{code="invalid_client"}"#, 1.0),
            (
                r#"keyward_tokens_issued_total{grant_type="client_credentials"}"#,
                3.0,
            ),
            (
                r#"keyward_tokens_issued_total{grant_type="urn:ietf:params:oauth:grant-type:token-exchange"}"#,
                1.0,
            ),
            (
                r#"keyward_introspections_total{credential="access_token",active="true"}"#,
                1.0,
            ),
            (
                r#"keyward_introspections_total{credential="access_token",active="false"}"#,
                1.0,
            ),
            (
                r#"keyward_introspections_total{credential="api_key",active="true"}"#,
                1.0,
            ),
            (
                r#"keyward_forward_auth_decisions_total{decision="allowed"}"#,
                1.0,
            ),
            (
                r#"keyward_forward_auth_decisions_total{decision="insufficient_scope"}"#,
                1.0,
            ),
            (
                r#"keyward_forward_auth_decisions_total{decision="unauthenticated"}"#,
                1.0,
            ),
            (
                r#"keyward_authentication_failures_total{reason="not_a_secret"}"#,
                1.0,
            ),
            (
                r#"keyward_authentication_failures_total{reason="insufficient_scope"}"#,
                1.0,
            ),
            ("keyward_rate_limited_total", 0.0),
            ("keyward_cache_fresh", 1.0),
            (r#"keyward_cache_entries{cache="api_keys"}"#, 1.0),
            (r#"keyward_queue_length{queue="signatures"}"#, 0.0),
            ("keyward_signing_key_max_age_seconds", 90.0 * 24.0 * 3600.0),
            (
                &format!(
                    r#"keyward_build_info{{version="{}"}}"#,
                    env!("CARGO_PKG_VERSION")
                ),
                1.0,
            ),
        ],
        |(series, count)| {
            assert_eq!(value(&text, series), Some(count), "{series}\n{text}");
        },
    );
    each_case(
        [
            (
                r#"keyward_cache_requests_total{cache="clients",result="hit"}"#,
                1.0,
                100.0,
            ),
            (
                r#"keyward_cache_requests_total{cache="clients",result="miss"}"#,
                1.0,
                100.0,
            ),
            (
                r#"keyward_cache_requests_total{cache="verified_tokens",result="hit"}"#,
                1.0,
                100.0,
            ),
            (
                r#"keyward_database_pool_connections{pool="writers"}"#,
                1.0,
                100.0,
            ),
            (
                r#"keyward_database_pool_connections_max{pool="writers"}"#,
                1.0,
                100.0,
            ),
            ("keyward_signing_key_age_seconds", 0.0, 3600.0),
            ("process_resident_memory_bytes", 1e6, 1e10),
            ("process_cpu_seconds_total", 0.001, 1e5),
            ("process_open_fds", 5.0, 1e5),
            ("process_max_fds", 64.0, 1e10),
            ("process_start_time_seconds", 1.7e9, 1e11),
        ],
        |(series, least, most)| {
            let found = value(&text, series).unwrap_or_else(|| panic!("{series}\n{text}"));
            assert!((least..=most).contains(&found), "{series}: {found}");
        },
    );
    let buckets = r#"keyward_http_request_duration_seconds_bucket{le="0.025",route="/oauth/token""#;
    assert!(text.contains(buckets), "between 10 and 50 ms");
    assert!(!text.contains(&client.id), "no series for each caller");
}

#[test]
fn the_format_follows_the_accept_header() {
    let world = World::sqlite();
    let node = world.start();
    node.get("/healthz");
    each_case(
        [
            (None, false),
            (Some("text/plain;version=0.0.4"), false),
            (Some("*/*"), false),
            (
                Some("application/openmetrics-text;version=1.0.0,text/plain;q=0.5"),
                true,
            ),
        ],
        |(accept, open)| {
            let headers: Vec<(&str, &str)> =
                accept.iter().map(|accept| ("accept", *accept)).collect();
            let reply = node.get_with("/metrics", &headers);
            let expected = if open {
                "application/openmetrics-text"
            } else {
                "text/plain; version=0.0.4"
            };
            assert!(
                reply.header("content-type").unwrap().starts_with(expected),
                "{accept:?}"
            );
            assert_eq!(reply.body.trim_end().ends_with("# EOF"), open, "{accept:?}");
            let counter = if open {
                "# TYPE keyward_http_requests counter"
            } else {
                "# TYPE keyward_http_requests_total counter"
            };
            assert!(
                reply.body.lines().any(|line| line == counter),
                "{accept:?}\n{}",
                reply.body
            );
        },
    );
}

fn promtool(arguments: &[&str], input: Option<&str>) -> (bool, String) {
    let mut command = Command::new(variable("TEST_PROMTOOL"));
    command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.unwrap_or_default().as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

#[test]
fn promtool_accepts_the_metrics_and_the_rules() {
    needs!(Tool::Promtool);
    let world = World::sqlite();
    let client = world.client("a");
    let node = world.start();
    node.token(&client);
    let rules = repository("contrib/prometheus/keyward.rules.yml");
    let tests = repository("contrib/prometheus/keyward.rules.test.yml");
    each_case(
        [
            (vec!["check", "metrics"], Some(scrape(&node))),
            (vec!["check", "rules", rules.to_str().unwrap()], None),
            (vec!["test", "rules", tests.to_str().unwrap()], None),
        ],
        |(arguments, input)| {
            let (passed, said) = promtool(&arguments, input.as_deref());
            assert!(passed, "{arguments:?}: {said}");
        },
    );
}

/// The names of metrics in an expression or a text.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words
        .filter(|word| word.starts_with("keyward_") || word.starts_with("process_"))
        .map(str::to_owned)
        .collect()
}

/// An alert on a metric that does not exist never fires.
#[test]
fn rules_and_dashboard_use_metrics_that_exist() {
    let world = World::sqlite();
    let client = world.client("a");
    let node = world.start();
    node.token(&client);
    node.token_reply(
        &Client {
            secret: "wrong".into(),
            ..client.clone()
        },
        &[],
    );
    node.introspect(&world.resource("urn:api"), "nonsense");
    node.get("/verify");
    // Present only if Keyward serves TLS itself.
    let mut known = names("keyward_tls_certificate_not_after_timestamp_seconds");
    known.extend(names(&eventually("the metrics", || Some(scrape(&node)))));

    let rules =
        std::fs::read_to_string(repository("contrib/prometheus/keyward.rules.yml")).unwrap();
    let board: Value = serde_json::from_str(
        &std::fs::read_to_string(repository("contrib/grafana/keyward.json")).unwrap(),
    )
    .unwrap();
    let mut used = BTreeSet::new();
    for line in rules
        .lines()
        .filter(|line| !line.trim_start().starts_with('#') && !line.contains("record:"))
    {
        used.extend(names(line));
    }
    let panels = board["panels"].as_array().unwrap();
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{panel}");
        for target in targets {
            used.extend(names(target["expr"].as_str().unwrap()));
        }
    }
    assert!(used.len() > 15, "{used:?}");
    let unknown: Vec<&String> = used.iter().filter(|name| !known.contains(*name)).collect();
    assert!(
        unknown.is_empty(),
        "no such metrics: {unknown:?}\n{known:?}"
    );
}
