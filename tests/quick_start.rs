//! The quick start of an application: each program is prepared and run as the portal says, with its
//! own toolchain.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use aws_lc_rs::encoding::AsBigEndian;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use keyward::clock::Timestamp;
use keyward::portal::quick_start::{Authentication, Snippet, SnippetValues};
use keyward::scope::Scope;
use keyward::store::client::{AuthMethod, Client};
use keyward::store::grant_type::GrantType;
use keyward::store::security_profile::SecurityProfile;
use serde_json::json;

use crate::support::tools::{self, Tool, variable};
use crate::support::{self, Node, World, jwt, repository};

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
    fn new(snippet: Snippet, name: &str, values: &SnippetValues) -> Self {
        let folder = repository("target/quick-start").join(name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let manifest = || std::fs::read_to_string(repository("Cargo.toml")).unwrap();
        let own = manifest();
        if snippet == Snippet::Rust {
            // `cargo init` adds its package to the workspace above it, which is not to be this repository's.
            let above = repository("target/quick-start/Cargo.toml");
            std::fs::write(above, "[workspace]\nresolver = \"3\"\n").unwrap();
        }
        let project = Project { snippet, folder };
        for command in snippet.prepare(values) {
            // Installed before, and not for each run.
            if command.starts_with("npm ") {
                let installed = Path::new(&variable("TEST_NODE_DIR")).join("node_modules");
                std::os::unix::fs::symlink(installed, project.folder.join("node_modules")).unwrap();
                continue;
            }
            let output = project.shell(command, None);
            assert!(
                output.status.success(),
                "{command}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        assert_eq!(manifest(), own, "the repository stays as it is");
        project
    }

    fn shell(&self, command: &str, secret: Option<&str>) -> Output {
        let cache = repository("target/quick-start/cache");
        let python = std::env::var_os("TEST_PYTHON").map(PathBuf::from);
        let python = python.as_deref().and_then(Path::parent).map(Path::to_owned);
        let path = std::env::var_os("PATH").unwrap();
        let java = (self.snippet == Snippet::Java).then(|| tools::java_folder(&self.folder));
        let folders = java
            .into_iter()
            .chain(python)
            .chain(std::env::split_paths(&path));
        let mut shell = Command::new("sh");
        shell
            .args(["-c", command])
            .current_dir(&self.folder)
            .env("PATH", std::env::join_paths(folders).unwrap())
            .env("CARGO_TARGET_DIR", cache.join("rust"))
            // What takes long to compile and does not change what the program does.
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            // The quick start is compiled as by a user, not linted as this repository.
            .env_remove("RUSTC_WORKSPACE_WRAPPER")
            .env("CARGO_PROFILE_DEV_DEBUG_ASSERTIONS", "false")
            .env("CARGO_PROFILE_DEV_OVERFLOW_CHECKS", "false")
            .env("CARGO_PROFILE_DEV_PANIC", "abort")
            .envs(tools::go_environment())
            .env("CLIENT_KEY", self.folder.join("key.json"))
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
    fn token(&self, secret: Option<&str>) -> String {
        let output = self.shell(self.snippet.run(), secret);
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
        issuer: node.base.clone(),
        token_endpoint: format!("{}/oauth/token{QUERY}", node.base),
        client_id: client_id.to_owned(),
        scope: scope.parse().unwrap(),
        resource: resource.map(str::to_owned),
        authentication: Authentication::Secret,
        bound: false,
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
    let values = application(&node, &client.id, SCOPE, Some(RESOURCE));
    let project = Project::new(snippet, snippet.slug(), &values);

    project.save(&values);
    let token = project.token(Some(&client.secret));
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
    let claims = jwt::claims(&project.token(Some(&bare.secret)));
    assert_eq!(
        (&claims["client_id"], &claims["aud"]),
        (&json!(bare.id), &json!(node.base))
    );
}

/// The programs for clients with a private key, with DPoP, and with both.
fn run_with_library(snippet: Snippet) {
    let world = World::sqlite();
    world.resource(RESOURCE);
    let flags = ["--scope", SCOPE, "--resource", RESOURCE];
    let dpop = ["--dpop-bound-access-tokens"];
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let point = pair.public_key().as_ref();
    let mut jwk = json!({
        "kty": "EC", "crv": "P-256", "alg": "ES256", "kid": "one",
        "x": jwt::encode(&point[1..33]), "y": jwt::encode(&point[33..]),
    });
    let jwks = world.file("jwks.json", &json!({"keys": [jwk]}).to_string());
    let private = pair.private_key().as_be_bytes().unwrap();
    jwk["d"] = json!(jwt::encode(private.as_ref()));
    let with_key = [
        "--auth-method",
        "private_key_jwt",
        "--jwks",
        jwks.to_str().unwrap(),
    ];
    let bound = world.client_with(&[&flags[..], &dpop].concat());
    let keyed = world.client_with(&[&flags[..], &with_key].concat());
    let both = world.client_with(&[&flags[..], &with_key, &["--profile", "fapi2"]].concat());
    let node = world.start();
    let values = |client: &support::Client, authentication, bound| SnippetValues {
        authentication,
        bound,
        // The libraries encode what they send.
        ..application(&node, &client.id, SCOPE, Some(RESOURCE))
    };
    use Authentication::{PrivateKey, Secret};
    let first = values(&bound, Secret, true);
    let project = Project::new(snippet, &format!("{}-library", snippet.slug()), &first);
    std::fs::write(project.folder.join("key.json"), jwk.to_string()).unwrap();
    for (client, authentication, is_bound) in [
        (&bound, Secret, true),
        (&keyed, PrivateKey, false),
        (&both, PrivateKey, true),
    ] {
        project.save(&values(client, authentication, is_bound));
        let secret = (authentication == Secret).then_some(client.secret.as_str());
        let claims = jwt::claims(&project.token(secret));
        let scope: Scope = SCOPE.parse().unwrap();
        assert_eq!(
            (&claims["client_id"], &claims["aud"], &claims["scope"]),
            (&json!(client.id), &json!(RESOURCE), &json!(scope))
        );
        assert_eq!(claims["cnf"].is_null(), !is_bound);
    }
    let stranger = world.client("");
    project.save(&first);
    project.refused(Some(&stranger.secret));
    assert!(project.refused(None).contains("CLIENT_SECRET"));
}

#[test]
fn the_quick_starts_with_a_library_for_python_get_a_token() {
    needs!(Tool::Python);
    run_with_library(Snippet::Python);
}

#[test]
fn the_quick_starts_with_a_library_for_javascript_get_a_token() {
    needs!(Tool::Node);
    run_with_library(Snippet::JavaScript);
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
fn each_client_that_gets_tokens_has_a_quick_start() {
    let issuer = "https://auth.example/it's".parse().unwrap();
    let values = |client: &Client| {
        SnippetValues::for_client(&client.clone().into(), &issuer, SecurityProfile::None)
    };
    for method in AuthMethod::ALL {
        let mut client = Client::new(
            "An app".to_owned(),
            "an account".to_owned(),
            method,
            Timestamp::EPOCH,
        );
        client.resources = "https://b.example/ https://a.example/".parse().unwrap();
        assert!(values(&client).is_none(), "the grant");
        client.grant_types = [GrantType::ClientCredentials].into_iter().collect();
        let expected = match method {
            AuthMethod::PrivateKeyJwt => Authentication::PrivateKey,
            AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost => Authentication::Secret,
            AuthMethod::TlsClientAuth | AuthMethod::SelfSignedTlsClientAuth => {
                assert!(values(&client).is_none(), "no program has certificates");
                continue;
            }
        };
        let found = values(&client).unwrap();
        assert_eq!((found.authentication, found.bound), (expected, false));
        assert_eq!(
            found.token_endpoint,
            "https://auth.example/it's/oauth/token"
        );
        assert_eq!(found.resource.as_deref(), Some("https://a.example/"));
        let languages = Snippet::available(&found);
        assert_eq!(languages.len(), if method.uses_secret() { 6 } else { 2 });
        for snippet in languages {
            let code = snippet.code(&found);
            assert!(
                code.contains(&client.client_id) && code.contains("https://a.example/"),
                "{code}"
            );
            assert!(!code.contains("{{") && !code.contains("scope:"), "{code}");
        }
        client.dpop_bound_access_tokens = true;
        assert!(values(&client).unwrap().bound);
        client.dpop_bound_access_tokens = false;
        client.tls_client_certificate_bound_access_tokens = true;
        assert!(values(&client).is_none(), "no program has certificates");
        client.tls_client_certificate_bound_access_tokens = false;
        client.profile = SecurityProfile::Fapi2;
        assert!(values(&client).unwrap().bound);
    }
}
