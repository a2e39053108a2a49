//! The quick start of an application: each program is prepared and run as the portal says, with its
//! own toolchain.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use keyward::clock::Timestamp;
use keyward::portal::quick_start::{Snippet, SnippetValues};
use keyward::scope::Scope;
use keyward::store::client::{AuthMethod, Client};
use keyward::store::grant_type::GrantType;
use serde_json::json;

use crate::support::tools::Tool;
use crate::support::{Node, World, jwt, repository};

/// Characters with a meaning in a shell, a format string, a URL, a comment or the templates.
const SCOPE: &str = "o'clock $HOME ${HOME} $(id) `id` a&b;c 1+1 100% 100%25 %s {x} {{resource}} */ // # @x <b> ~ !!";
const RESOURCE: &str = "https://orders.example/o'clock/$HOME/$(id)/*/?a=1+1&b=%2F%25s&c=(scope);!";
/// Stands for the path that an issuer may have; the server ignores it.
const QUERY: &str = "?o'clock=$HOME&a=1+1";

/// A folder with a fixed path, so that compiled dependencies are reused.
struct Project {
    snippet: Snippet,
    folder: PathBuf,
}

impl Project {
    fn new(snippet: Snippet) -> Self {
        let folder = repository("target/quick-start").join(snippet.slug());
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let project = Project { snippet, folder };
        for command in snippet.prepare() {
            let output = project.shell(command, None);
            assert!(
                output.status.success(),
                "{command}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        project
    }

    fn shell(&self, command: &str, secret: Option<&str>) -> Output {
        let cache = repository("target/quick-start/cache");
        let python = std::env::var_os("TEST_PYTHON").map(PathBuf::from);
        let python = python.as_deref().and_then(Path::parent).map(Path::to_owned);
        let path = std::env::var_os("PATH").unwrap();
        let folders = python.into_iter().chain(std::env::split_paths(&path));
        let mut shell = Command::new("sh");
        shell
            .args(["-c", command])
            .current_dir(&self.folder)
            .env("PATH", std::env::join_paths(folders).unwrap())
            .env("CARGO_TARGET_DIR", cache.join("rust"))
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            // The quick start is compiled as by a user, not linted as this repository.
            .env_remove("RUSTC_WORKSPACE_WRAPPER")
            .env("GOCACHE", repository("target/interop-go-cache"))
            .env("GOTOOLCHAIN", "local")
            .env_remove("CLIENT_SECRET")
            .envs(secret.map(|secret| ("CLIENT_SECRET", secret)));
        shell.output().unwrap()
    }

    fn save(&self, application: &SnippetValues) {
        std::fs::write(
            self.folder.join(self.snippet.file_name()),
            self.snippet.code(application),
        )
        .unwrap();
    }

    /// Returns the token that the program prints.
    fn token(&self, secret: &str) -> String {
        let output = self.shell(self.snippet.run(), Some(secret));
        let (out, err) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert!(output.status.success() && err.is_empty(), "{out}{err}");
        let token = out.strip_suffix('\n').unwrap();
        assert!(!token.contains(char::is_whitespace), "{out}");
        token.to_owned()
    }

    /// Returns the error that the program prints.
    fn refused(&self, secret: Option<&str>) -> String {
        let output = self.shell(self.snippet.run(), secret);
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success() && output.stdout.is_empty(),
            "{}{err}",
            String::from_utf8_lossy(&output.stdout)
        );
        assert!(secret.is_none_or(|secret| !err.contains(secret)), "{err}");
        err
    }
}

fn application(node: &Node, client_id: &str, scope: &str, resource: Option<&str>) -> SnippetValues {
    SnippetValues {
        token_endpoint: format!("{}/oauth/token{QUERY}", node.base),
        client_id: client_id.to_owned(),
        scope: scope.parse().unwrap(),
        resource: resource.map(str::to_owned),
    }
}

fn run(snippet: Snippet) {
    let world = World::sqlite();
    let (api, other) = (
        world.resource(RESOURCE),
        world.resource("https://other.example/"),
    );
    // The client may use both resource servers, so the token's single audience comes from the
    // program's request.
    let client = world.client_with(&[
        "--scope",
        SCOPE,
        "--resource",
        RESOURCE,
        "--resource",
        "https://other.example/",
    ]);
    let bare = world.client("");
    let node = world.start();
    // The programs put these into the Basic header without percent-encoding.
    for plain in [&client.id, &client.secret] {
        assert!(
            plain
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        );
    }
    let project = Project::new(snippet);

    project.save(&application(&node, &client.id, SCOPE, Some(RESOURCE)));
    let token = project.token(&client.secret);
    let seen = node.introspect(&api, &token);
    let scope: Scope = SCOPE.parse().unwrap();
    assert_eq!(seen["active"], true);
    assert_eq!(
        (&seen["scope"], &seen["aud"], &seen["client_id"]),
        (&json!(scope), &json!(RESOURCE), &json!(client.id))
    );
    assert!(!node.active(&other, &token));

    let said = project.refused(Some(&bare.secret));
    assert!(
        said.contains("invalid_client") && said.contains("Client authentication failed"),
        "{said}"
    );
    assert!(project.refused(None).contains("CLIENT_SECRET"));

    project.save(&application(&node, &bare.id, "", None));
    let claims = jwt::claims(&project.token(&bare.secret));
    assert_eq!(
        (&claims["client_id"], &claims["aud"]),
        (&json!(bare.id), &json!(node.base))
    );
}

#[test]
fn the_quick_start_for_curl_gets_a_token() {
    needs!(Tool::Curl);
    run(Snippet::Curl);
}

#[test]
fn the_quick_start_for_python_gets_a_token() {
    needs!(Tool::Python);
    run(Snippet::Python);
}

#[test]
fn the_quick_start_for_javascript_gets_a_token() {
    needs!(Tool::Node);
    run(Snippet::JavaScript);
}

#[test]
fn the_quick_start_for_go_gets_a_token() {
    needs!(Tool::Go);
    run(Snippet::Go);
}

#[test]
fn the_quick_start_for_java_gets_a_token() {
    needs!(Tool::Java);
    run(Snippet::Java);
}

#[test]
fn the_quick_start_for_rust_gets_a_token() {
    needs!(Tool::CratesIo);
    run(Snippet::Rust);
}

#[test]
fn only_a_client_with_a_secret_has_a_quick_start() {
    let issuer = "https://auth.example/it's".parse().unwrap();
    for method in AuthMethod::ALL {
        let mut client = Client::new(
            "An app".to_owned(),
            "an account".to_owned(),
            method,
            Timestamp::EPOCH,
        );
        client.resources = "https://b.example/ https://a.example/".parse().unwrap();
        assert!(
            SnippetValues::for_client(&client.clone().into(), &issuer).is_none(),
            "the grant"
        );
        client.grant_types = [GrantType::ClientCredentials].into_iter().collect();
        let found = SnippetValues::for_client(&client.clone().into(), &issuer);
        assert_eq!(found.is_some(), method != AuthMethod::PrivateKeyJwt);
        let Some(found) = found else { continue };
        assert_eq!(
            found.token_endpoint,
            "https://auth.example/it's/oauth/token"
        );
        assert_eq!(found.resource.as_deref(), Some("https://a.example/"));
        for snippet in Snippet::ALL {
            let code = snippet.code(&found);
            assert!(
                code.contains(&client.client_id) && code.contains("https://a.example/"),
                "{code}"
            );
            assert!(!code.contains("{{") && !code.contains("scope"), "{code}");
        }
    }
}
