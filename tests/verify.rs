//! `/verify`: forward authentication, called directly and by a real nginx.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::dpop::{Prover, changed, hash};
use crate::support::tools::{Tool, variable};
use crate::support::{
    Backend, Client, EmptyWorld, Node, Reply, World, each_case, each_check, eventually, jwt, within,
};

const SECOND: Duration = Duration::from_secs(1);
const ORDERS: &str = "https://orders.example/";

/// The public URL of a request to the API behind the proxy.
const ORDER: &str = "https://orders.example/orders/1";

fn access_token(reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.json()["access_token"].as_str().unwrap().to_owned()
}

fn basic(text: &str) -> String {
    format!("Basic {}", STANDARD.encode(text))
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// The response of `/verify` to a request with this `Authorization` header.
fn ask(node: &Node, query: &str, authorization: &str) -> Reply {
    let header = [("authorization", authorization)];
    node.get_with(
        &format!("/verify{query}"),
        if authorization.is_empty() {
            &[]
        } else {
            &header
        },
    )
}

/// The identity headers of the response: client, account, scope, token.
fn identity(reply: &Reply) -> [String; 4] {
    assert_eq!((reply.status, reply.body.as_str()), (200, ""));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    ["client-id", "account", "scope", "token-id"].map(|name| {
        reply
            .header(&format!("x-keyward-{name}"))
            .unwrap()
            .to_owned()
    })
}

/// Asserts an error as RFC 6750 section 3 defines it, without identity headers.
fn refused(reply: &Reply, status: u16, challenge: &str, context: &str) {
    assert_eq!(
        (reply.status, reply.header("www-authenticate")),
        (status, Some(challenge)),
        "{context}: {}",
        reply.body
    );
    assert_eq!(
        reply.header("content-type"),
        Some("application/problem+json"),
        "{context}"
    );
    assert_eq!(reply.json()["status"], json!(status), "{context}");
    for name in ["client-id", "account", "scope", "token-id"] {
        assert_eq!(
            reply.header(&format!("x-keyward-{name}")),
            None,
            "{context}"
        );
    }
}

const NOTHING: &str = "Bearer realm=\"keyward\"";
const INVALID: &str = "Bearer realm=\"keyward\", error=\"invalid_token\"";

on_both! {
    fn valid_credentials_pass(world: World) {
        let account = world.cli(&["account", "create", "--name", "Partner"])["id"].as_str().unwrap().to_owned();
        world.resource(ORDERS);
        world.resource("urn:two");
        let rights = ["--scope", "a b c", "--resource", ORDERS, "--resource", "urn:two", "--account", &account];
        let client = world.client_with(&rights);
        let without = world.client("a");
        let node = world.start();
        let (token, key) = (node.token(&client), client.api_key.as_str());
        let jti = jwt::claims(&token)["jti"].as_str().unwrap().to_owned();
        let own = |token_id: &str| [client.id.clone(), account.clone(), "a b c".to_owned(), token_id.to_owned()];
        each_case([bearer(&token), basic(&token), basic(&format!("{token}:"))], |form| {
            assert_eq!(identity(&ask(&node, "", &form)), own(&jti), "{form}");
        });
        each_case([bearer(key), basic(key), basic(&format!("{key}:")), format!("bearer {key}")], |form| {
            assert_eq!(identity(&ask(&node, "", &form)), own(key.split('_').nth(1).unwrap()), "{form}");
        });
        let narrow = node.token_reply(&client, &[("scope", "b"), ("resource", "urn:two")]).json()["access_token"].as_str().unwrap().to_owned();
        assert_eq!(identity(&ask(&node, "", &bearer(&narrow)))[2], "b");

        let lacks = |scope: &str| (403, format!("{NOTHING}, error=\"insufficient_scope\", scope=\"{scope}\""));
        let (passes, not_meant) = ((200, String::new()), (401, INVALID.to_owned()));
        let two = "audience=urn:two";
        let orders = "audience=https://orders.example/";
        each_case([
            (&token, "?scope=a".to_owned(), passes.clone()),
            (&token, "?scope=c+a".to_owned(), passes.clone()),
            (&token, "?scope=a&scope=b%20c".to_owned(), passes.clone()),
            (&token, "?scope=a&scope=d".to_owned(), lacks("a d")),
            (&token, "?scope=A".to_owned(), lacks("A")),
            (&narrow, "?scope=b".to_owned(), passes.clone()),
            (&narrow, "?scope=a+b".to_owned(), lacks("a b")),
            (&token, format!("?{two}"), passes.clone()),
            (&token, format!("?{orders}&scope=a"), passes.clone()),
            (&narrow, format!("?{two}"), passes.clone()),
            (&narrow, format!("?{orders}"), not_meant.clone()),
            (&narrow, format!("?{orders}&{two}"), passes.clone()),
            (&narrow, format!("?{orders}&scope=d"), not_meant.clone()),
            (&narrow, "?audience=URN:two".to_owned(), not_meant.clone()),
            (&narrow, "?audience=urn:two/".to_owned(), not_meant.clone()),
            (&client.api_key, format!("?{two}&scope=a"), passes.clone()),
            (&client.api_key, "?scope=d".to_owned(), lacks("d")),
            (&client.api_key, "?audience=urn:three".to_owned(), not_meant.clone()),
            (&without.api_key, format!("?{two}"), not_meant.clone()),
            (&without.api_key, format!("?audience={}", node.base), passes.clone()),
        ], |(credential, query, (status, challenge))| {
            let reply = ask(&node, &query, &bearer(credential));
            match status {
                200 => assert_eq!(identity(&reply)[0], if *credential == without.api_key { &*without.id } else { &client.id }, "{query}"),
                _ => refused(&reply, status, &challenge, &query),
            }
        });

        each_case(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"], |method| {
            let body: &[u8] = if matches!(method, "POST" | "PUT" | "PATCH") { b"{\"any\": \"body\"}" } else { b"" };
            let with = |authorization: &str| node.send(method, "/verify?scope=a", &[("authorization", authorization), ("content-type", "application/json")], body).status;
            assert_eq!((with(&bearer(&token)), with(&basic(key)), with("Bearer x")), (200, 200, 401), "{method}");
        });

        assert_eq!(node.revoke(&client, &token).status, 200);
        refused(&ask(&node, "", &bearer(&token)), 401, INVALID, "revoked");
        world.cli(&["client", "disable", &client.id]);
        within(SECOND, "the disabling", || (ask(&node, "", &bearer(&narrow)).status == 401).then_some(()));
        refused(&ask(&node, "", &basic(key)), 401, INVALID, "disabled");
    }
}

#[test]
fn invalid_credentials_are_refused() {
    let world = World::sqlite();
    let client = world.client("a");
    let node = world.start();
    let other = EmptyWorld::new(Backend::Sqlite);
    let stranger = other.client("a");
    let strange = other.start_with(&["--issuer", &node.base]);
    let (token, key) = (node.token(&client), client.api_key.as_str());
    let (head, signature) = token.rsplit_once('.').unwrap();
    let flipped = format!(
        "{head}.{}{}",
        if signature.starts_with('A') { 'B' } else { 'A' },
        &signature[1..]
    );
    let unsigned = format!(
        "{}.{}.",
        jwt::encode(r#"{"alg":"none","typ":"at+jwt"}"#),
        jwt::encode(jwt::claims(&token).to_string())
    );
    each_case(
        [
            ("nothing", String::new(), NOTHING),
            (
                "a token with an unknown key",
                bearer(&strange.token(&stranger)),
                INVALID,
            ),
            ("a stranger's key", bearer(&stranger.api_key), INVALID),
            ("another signature", bearer(&flipped), INVALID),
            ("no signature", bearer(&unsigned), INVALID),
            ("half a token", bearer(head), INVALID),
            ("half a key", bearer(&key[..30]), INVALID),
            ("a secret", bearer(&client.secret), INVALID),
            ("a short word", bearer("x"), INVALID),
            ("a long word", bearer(&"x".repeat(7000)), INVALID),
        ],
        |(what, header, challenge)| {
            refused(&ask(&node, "?scope=a", &header), 401, challenge, what);
        },
    );
    // None of these contains a token or an API key.
    each_case(
        [
            client.basic(),
            basic(&format!(":{key}")),
            basic(&format!("{key}:x")),
            format!("Digest {key}"),
            key.to_owned(),
            "Bearer".to_owned(),
        ],
        |header| {
            let reply = ask(&node, "", &header);
            assert!(
                reply.status == 401
                    && reply
                        .header("www-authenticate")
                        .unwrap()
                        .starts_with(NOTHING),
                "{header}: {}",
                reply.body
            );
        },
    );
    // An unset variable of the proxy lets nothing through.
    each_case(
        [
            "?scope=",
            "?scope",
            "?scope=+",
            "?scope=%20%09",
            "?scope=a&scope=",
            "?audience=",
            "?audience",
            "?audience=%20",
            "?scope=a&audience=",
            "?scope=&audience=https://orders.example/",
        ],
        |query| {
            let reply = ask(&node, query, &bearer(key));
            assert_eq!(reply.status, 400, "{query}");
            assert!(
                reply.json()["detail"]
                    .as_str()
                    .unwrap()
                    .contains("is empty"),
                "{query}: {}",
                reply.body
            );
            assert_eq!(reply.header("x-keyward-client-id"), None);
        },
    );
    each_case(
        [
            "?other=x",
            "?scopes=admin",
            "?scope[]=admin",
            "?scope=%22",
            "?scope=a%00b",
            &format!("?scope={}", "x".repeat(5000)),
        ],
        |query| {
            assert_eq!(
                ask(&node, query, &bearer(key)).status,
                400,
                "an invalid query: {query}"
            );
        },
    );
    // Failures are rate limited, and a valid credential still passes.
    let reply = (0..200)
        .map(|_| ask(&node, "", "Bearer x"))
        .find(|reply| reply.status == 429)
        .unwrap();
    assert!(reply.header("retry-after").is_some());
    assert_eq!(ask(&node, "", &bearer(key)).status, 200);
    each_case([key, &token, &client.secret], |secret| {
        assert!(!node.logs().contains(secret));
    });
}

/// An API behind the proxy that answers with the request that it received.
fn upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for connection in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || drop(echo(connection)));
        }
    });
    address
}

fn echo(connection: TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(connection);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if line.trim_end().is_empty() {
            break;
        }
        lines.push(line.trim_end().to_owned());
    }
    let headers = lines[1..].iter().filter_map(|line| line.split_once(": "));
    let headers: BTreeMap<String, &str> = headers
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .collect();
    let length = headers
        .get("content-length")
        .map_or(0, |length| length.parse().unwrap_or(0));
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let seen =
        json!({"request": lines[0], "headers": headers, "body": String::from_utf8_lossy(&body)})
            .to_string();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        seen.len()
    );
    reader
        .get_mut()
        .write_all(format!("{head}{seen}").as_bytes())
}

/// The configuration in `docs/integrations.md`, with what is needed to run it in a test.
fn configuration(world: &World, port: u16, keyward: &str, api: SocketAddr) -> String {
    let document =
        std::fs::read_to_string(crate::support::repository("docs/integrations.md")).unwrap();
    let shown = document
        .split("```nginx\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .expect("the configuration for nginx");
    let mut server = shown.to_owned();
    each_case(
        [
            ("listen 80;", format!("listen 127.0.0.1:{port};")),
            (
                "server 127.0.0.1:8080;",
                format!("server {};", keyward.trim_start_matches("http://")),
            ),
            ("http://127.0.0.1:9000", format!("http://{api}")),
        ],
        |(there, here)| {
            assert!(server.contains(there), "{there}");
            server = server.replace(there, &here);
        },
    );
    let folder = world.folder.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {folder}/{kind};\n"))
        .concat();
    format!(
        "daemon off;\nmaster_process off;\npid {folder}/nginx.pid;\nerror_log stderr warn;\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}{server}}}\n"
    )
}

struct Nginx {
    child: Child,
    base: String,
}

impl Nginx {
    fn start(world: &World, keyward: &str) -> Self {
        let program = variable("TEST_NGINX");
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let file = world.file(
            "nginx.conf",
            &configuration(world, port, keyward, upstream()),
        );
        let log = std::fs::File::create(world.folder.join("nginx.log")).unwrap();
        let mut command = Command::new(program);
        command
            .arg("-p")
            .arg(&world.folder)
            .arg("-e")
            .arg("stderr")
            .arg("-c")
            .arg(file);
        let mut child = command.stdin(Stdio::null()).stderr(log).spawn().unwrap();
        eventually("nginx", || {
            let ended = child.try_wait().unwrap();
            assert!(
                ended.is_none(),
                "{}",
                std::fs::read_to_string(world.folder.join("nginx.log")).unwrap()
            );
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Nginx {
            child,
            base: format!("http://127.0.0.1:{port}"),
        }
    }

    fn log(&self, world: &World) -> String {
        std::fs::read_to_string(world.folder.join("nginx.log")).unwrap()
    }

    fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> (u16, ureq::http::HeaderMap, Value) {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .build()
            .into();
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base));
        let request = headers.iter().fold(request, |request, (name, value)| {
            request.header(*name, *value)
        });
        let mut answer = agent.run(request.body(body).unwrap()).unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        (
            answer.status().as_u16(),
            answer.headers().clone(),
            serde_json::from_str(&text).unwrap_or_default(),
        )
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// nginx in front of the orders API, a node, and callers of it.
struct Protected {
    world: World,
    node: Node,
    nginx: Nginx,
    client: Client,
    /// May only read.
    reader: Client,
    /// Has the scope, but for no resource server.
    other_api: Client,
    token: String,
    /// A key that is valid from another address than the test's.
    key_of_other_address: String,
    /// A key that may only read, from the test's address.
    key_of_this_address: String,
}

impl Protected {
    fn start(flags: &[&str]) -> Self {
        let world = World::sqlite();
        world.resource(ORDERS);
        let of = |scope: &str| world.client_with(&["--scope", scope, "--resource", ORDERS]);
        let (client, reader) = (of("orders:read orders:write"), of("orders:read"));
        let other_api = world.client("orders:read orders:write");
        let key = |flags: &[&str]| {
            let create = ["key", "create", &client.id];
            let made = world.cli(&[&create, flags].concat());
            made["api_key"].as_str().unwrap().to_owned()
        };
        let elsewhere = ["--name", "Elsewhere", "--allow-ip", "203.0.113.0/24"];
        let key_of_other_address = key(&elsewhere);
        let here = ["--name", "Here", "--allow-ip", "127.0.0.1"];
        let key_of_this_address = key(&[&here[..], &["--scope", "orders:read"]].concat());
        let node = world.start_with(&[&["--trusted-proxies", "127.0.0.1"], flags].concat());
        let nginx = Nginx::start(&world, &node.base);
        Protected {
            token: node.token(&client),
            world,
            node,
            nginx,
            client,
            reader,
            other_api,
            key_of_other_address,
            key_of_this_address,
        }
    }

    fn post(&self, authorization: &str) -> (u16, Value) {
        let headers = [
            ("authorization", authorization),
            ("content-type", "application/json"),
        ];
        let (status, _, seen) = self.nginx.send("POST", "/orders/", &headers, b"{\"a\": 1}");
        (status, seen)
    }

    fn get(&self, path: &str, authorization: &str) -> u16 {
        let headers = [("authorization", authorization)];
        self.nginx.send("GET", path, &headers, b"").0
    }

    /// The status and the challenges of a request that must not reach the API.
    fn challenge(&self, authorization: &str, method: &str) -> (u16, String) {
        let header = [("authorization", authorization)];
        let sent: &[_] = match authorization {
            "" => &[],
            _ => &header,
        };
        let (status, headers, seen) = self.nginx.send(method, "/orders/1", sent, b"");
        assert_eq!(seen, Value::Null, "the request reached the API");
        let challenges: Vec<_> = headers
            .get_all("www-authenticate")
            .iter()
            .map(|value| value.to_str().unwrap().to_owned())
            .collect();
        (status, challenges.join(" | "))
    }

    fn allowed_requests_reach_the_api_with_the_identity(&self) {
        let account = ask(&self.node, "", &bearer(&self.token))
            .header("x-keyward-account")
            .unwrap()
            .to_owned();
        let id = |key: &str| key.split('_').nth(1).unwrap().to_owned();
        let jti = jwt::claims(&self.token)["jti"].as_str().unwrap().to_owned();
        let key = &self.client.api_key;
        let here = &self.key_of_this_address;
        let scope = "orders:read orders:write";
        each_case(
            [
                ("a token", bearer(&self.token), jti, scope),
                ("a key", bearer(key), id(key), scope),
                ("a key by Basic", basic(key), id(key), scope),
                ("as curl -u KEY:", basic(&format!("{key}:")), id(key), scope),
                ("from its address", bearer(here), id(here), "orders:read"),
            ],
            |(how, authorization, id, scope)| {
                let forged = [
                    ("authorization", authorization.as_str()),
                    ("x-keyward-client-id", "forged"),
                    ("x-keyward-scope", "forged"),
                    ("x-keyward-account", "forged"),
                    ("x-keyward-token-id", "forged"),
                    ("x-forwarded-for", "203.0.113.9"),
                ];
                let path = "/orders/1?scope=x&audience=y";
                let (status, _, seen) = self.nginx.send("GET", path, &forged, b"");
                let request = json!(format!("GET {path} HTTP/1.0"));
                assert_eq!((status, &seen["request"]), (200, &request), "{how}");
                let headers = &seen["headers"];
                assert_eq!(headers["x-keyward-client-id"], self.client.id, "{how}");
                assert_eq!(headers["x-keyward-account"], account, "{how}");
                assert_eq!(headers["x-keyward-scope"], scope, "{how}");
                assert_eq!(headers["x-keyward-token-id"], id, "{how}");
                assert_eq!(headers["authorization"], Value::Null, "{how}");
            },
        );
        let (status, seen) = self.post(&basic(key));
        assert_eq!((status, &seen["body"]), (200, &json!("{\"a\": 1}")));
    }

    fn a_bound_token_needs_a_proof_for_the_request(&self) {
        let prover = Prover::new("ES256");
        let token = access_token(&self.ask_token(&prover.for_token(&self.node)));
        let dpop = format!("DPoP {token}");
        let used = prover.with_token("GET", ORDER, &token);
        let (status, _, seen) = self.send(&dpop, &used);
        assert_eq!(status, 200, "{}", self.nginx.log(&self.world));
        assert_eq!(seen["headers"]["x-keyward-client-id"], self.client.id);
        assert_eq!(seen["headers"]["dpop"], Value::Null);
        let other = "https://orders.example/orders/2";
        let stolen = prover.with_token("GET", other, &token);
        each_case(
            [
                ("used", &dpop, used, "invalid_dpop_proof"),
                ("another URL", &dpop, stolen.clone(), "invalid_dpop_proof"),
                (
                    "another method",
                    &dpop,
                    prover.with_token("POST", ORDER, &token),
                    "invalid_dpop_proof",
                ),
                (
                    "as Bearer",
                    &bearer(&token),
                    prover.with_token("GET", ORDER, &token),
                    "invalid_token",
                ),
            ],
            |(what, authorization, proof, error)| {
                let (status, headers, seen) = self.send(authorization, &proof);
                assert_eq!((status, seen), (401, Value::Null), "{what}");
                let challenge = headers["www-authenticate"].to_str().unwrap();
                let expected = format!("DPoP realm=\"keyward\", error=\"{error}\", algs=");
                assert!(challenge.starts_with(&expected), "{what}: {challenge}");
            },
        );
        // The headers that name the request, sent by the client, have no effect.
        let forged = [
            ("authorization", dpop.as_str()),
            ("dpop", stolen.as_str()),
            ("x-original-url", other),
            ("x-forwarded-uri", "/orders/2"),
        ];
        let (status, _, _) = self.nginx.send("GET", "/orders/1", &forged, b"");
        assert_eq!(status, 401);
    }

    fn send(&self, authorization: &str, proof: &str) -> (u16, ureq::http::HeaderMap, Value) {
        let headers = [("authorization", authorization), ("dpop", proof)];
        self.nginx.send("GET", "/orders/1?page=2", &headers, b"")
    }

    /// The reply to a token request with this proof.
    fn ask_token(&self, proof: &str) -> Reply {
        let authorization = self.client.basic();
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("authorization", authorization.as_str()),
            ("dpop", proof),
        ];
        let body = b"grant_type=client_credentials";
        self.node.post("/oauth/token", &headers, body)
    }

    fn other_requests_are_challenged(&self) {
        let invalid = (401, INVALID.to_owned());
        let needs_write = (
            403,
            format!("{NOTHING}, error=\"insufficient_scope\", scope=\"orders:write\""),
        );
        let reader_token = bearer(&self.node.token(&self.reader));
        let reader = bearer(&self.reader.api_key);
        let elsewhere = bearer(&self.key_of_other_address);
        let here = bearer(&self.key_of_this_address);
        each_case(
            [
                ("nothing", "", "GET", (401, NOTHING.to_owned())),
                ("nonsense", "Bearer x", "GET", invalid.clone()),
                (
                    "for another API",
                    &bearer(&self.other_api.api_key),
                    "GET",
                    invalid.clone(),
                ),
                ("from another address", &elsewhere, "GET", invalid),
                (
                    "a key that may only read",
                    &reader,
                    "DELETE",
                    needs_write.clone(),
                ),
                (
                    "a token that may only read",
                    &reader_token,
                    "PUT",
                    needs_write.clone(),
                ),
                ("a key with a part of the scope", &here, "POST", needs_write),
            ],
            |(how, authorization, method, expected)| {
                assert_eq!(self.challenge(authorization, method), expected, "{how}");
            },
        );
        assert_eq!(self.post(&reader).0, 403);
        assert_eq!(self.get("/orders/1", &reader), 200);
        assert_eq!(self.get("/_keyward", &reader), 404, "only from inside");
    }

    fn a_revoked_token_is_refused(&self) {
        let token = self.node.token(&self.client);
        assert_eq!(self.node.revoke(&self.client, &token).status, 200);
        let refused = self.challenge(&bearer(&token), "GET");
        assert_eq!(refused, (401, INVALID.to_owned()));
    }

    fn failures_are_rate_limited(&self) {
        let limited = (0..200)
            .map(|_| self.challenge("Bearer x", "GET").0)
            .find(|status| *status != 401);
        assert_eq!(limited, Some(429));
    }

    /// The last check, since it stops the node.
    fn no_request_passes_without_keyward(&self) {
        self.node.signal("KILL");
        eventually("the end of the node", || {
            TcpStream::connect(self.node.base.trim_start_matches("http://"))
                .is_err()
                .then_some(())
        });
        let refused = self.challenge(&bearer(&self.client.api_key), "GET");
        let log = self.nginx.log(&self.world);
        assert_eq!(refused, (503, String::new()), "{log}");
    }
}

#[test]
fn nginx_protects_an_application_with_verify() {
    needs!(Tool::Nginx);
    let protected = Protected::start(&[]);
    each_check(
        &protected,
        &[
            Protected::allowed_requests_reach_the_api_with_the_identity,
            Protected::a_bound_token_needs_a_proof_for_the_request,
            Protected::other_requests_are_challenged,
            Protected::a_revoked_token_is_refused,
            Protected::failures_are_rate_limited,
            Protected::no_request_passes_without_keyward,
        ],
    );
}

#[test]
fn nginx_passes_on_the_nonces_of_dpop() {
    needs!(Tool::Nginx);
    let protected = Protected::start(&["--dpop-nonce", "required"]);
    let prover = Prover::new("EdDSA");
    let nonce =
        |headers: &ureq::http::HeaderMap| headers["dpop-nonce"].to_str().unwrap().to_owned();
    let endpoint = protected.node.url("/oauth/token");
    let asked = protected.ask_token(&prover.for_token(&protected.node));
    asked.refused(400, "use_dpop_nonce");
    let first = asked.header("dpop-nonce").unwrap();
    let claims = changed(Prover::claims("POST", &endpoint), &json!({"nonce": first}));
    let token = access_token(&protected.ask_token(&prover.sign(&claims)));
    let dpop = format!("DPoP {token}");
    let (status, headers, seen) = protected.send(&dpop, &prover.with_token("GET", ORDER, &token));
    assert_eq!((status, seen), (401, Value::Null));
    let challenge = headers["www-authenticate"].to_str().unwrap();
    assert!(
        challenge.contains("error=\"use_dpop_nonce\""),
        "{challenge}"
    );
    let changes = json!({"ath": hash(&token), "nonce": nonce(&headers)});
    let proof = prover.sign(&changed(Prover::claims("GET", ORDER), &changes));
    let (status, _, _) = protected.send(&dpop, &proof);
    assert_eq!(status, 200, "{}", protected.nginx.log(&protected.world));
}

/// A long scope does not overflow a proxy's buffers: `/verify` returns only the scope that was
/// asked for, and says so.
#[test]
fn a_long_scope_does_not_overflow_the_buffers_of_a_proxy() {
    needs!(Tool::Nginx);
    let world = World::sqlite();
    world.resource(ORDERS);
    let words: Vec<String> = (0..210)
        .map(|n| format!("orders:read-of-part-{n:03}"))
        .collect();
    let scope = format!("orders:read orders:write {}", words[..150].join(" "));
    assert!(scope.len() > 3500 && scope.len() < 4096);
    let wide = world.client_with(&["--scope", &scope, "--resource", ORDERS]);
    let many: Vec<String> = (0..214).map(|n| format!("s{n}")).collect();
    let many = world.client_with(&[
        "--scope",
        &format!("orders:read {}", many.join(" ")),
        "--resource",
        ORDERS,
    ]);
    let exact = world.client_with(&["--scope", &"x".repeat(2048)]);
    let beyond = world.client_with(&["--scope", &"x".repeat(2049)]);
    let node = world.start_with(&["--trusted-proxies", "127.0.0.1"]);

    let reply = ask(&node, "?scope=orders:read", &bearer(&wide.api_key));
    assert_eq!(
        (reply.status, reply.header("x-keyward-scope")),
        (200, Some("orders:read"))
    );
    assert_eq!(reply.header("x-keyward-scope-truncated"), Some("true"));
    let reply = ask(&node, "", &bearer(&wide.api_key));
    assert_eq!(
        (reply.status, reply.header("x-keyward-scope")),
        (200, None),
        "no scope was requested"
    );
    assert_eq!(reply.header("x-keyward-client-id"), Some(wide.id.as_str()));
    let asked = scope.replace(' ', "+");
    let reply = ask(&node, &format!("?scope={asked}"), &bearer(&wide.api_key));
    assert_eq!(
        (
            reply.status,
            reply.header("x-keyward-scope"),
            reply.header("x-keyward-scope-truncated")
        ),
        (200, None, Some("true"))
    );
    let reply = ask(&node, "", &bearer(&exact.api_key));
    assert_eq!(
        (
            reply.header("x-keyward-scope").map(str::len),
            reply.header("x-keyward-scope-truncated")
        ),
        (Some(2048), None)
    );
    let reply = ask(&node, "", &bearer(&beyond.api_key));
    assert_eq!(
        (
            reply.header("x-keyward-scope"),
            reply.header("x-keyward-scope-truncated")
        ),
        (None, Some("true"))
    );
    let reply = ask(&node, &format!("?scope={asked}"), &bearer(&exact.api_key));
    refused(
        &reply,
        403,
        &format!("{NOTHING}, error=\"insufficient_scope\""),
        "too long to be named",
    );

    let nginx = Nginx::start(&world, &node.base);
    for (client, truncated) in [(&wide, true), (&many, false)] {
        for credential in [client.api_key.clone(), node.token(client)] {
            let authorization = bearer(&credential);
            let (status, _, seen) = nginx.send(
                "GET",
                "/orders/1",
                &[
                    ("authorization", &authorization),
                    ("x-keyward-scope-truncated", "forged"),
                ],
                b"",
            );
            assert_eq!(
                (status, &seen["headers"]["x-keyward-client-id"]),
                (200, &json!(client.id)),
                "{}",
                nginx.log(&world)
            );
            let scope = seen["headers"]["x-keyward-scope"].as_str().unwrap();
            assert_eq!(scope == "orders:read", truncated, "{scope}");
            assert_eq!(
                seen["headers"]["x-keyward-scope-truncated"],
                if truncated {
                    json!("true")
                } else {
                    Value::Null
                }
            );
        }
    }
}
