//! The quick start of an application: a program for each language that gets its first token, with
//! its own ids filled in. The secret is never in one: it was shown once, and belongs to the
//! environment.
//!
//! Client ids and secrets are letters, digits, `-` and `_`, which form encoding (RFC 6749 section
//! 2.3.1) leaves as they are. So the programs put them into the Basic header as they are.

use crate::config::Issuer;
use crate::manage::client::{AuthMethod, ClientView};
use crate::scope::Scope;

/// What a program has to know of a client with a secret. All of it is printable ASCII.
#[derive(Clone, Debug)]
pub struct Application {
    /// The URL of the token endpoint.
    pub token_endpoint: String,
    /// What the client is known by.
    pub client_id: String,
    /// What it asks for; where it is empty, nothing is said about it.
    pub scope: Scope,
    /// The resource server that the token is for; where there is none, nothing is said about it.
    pub resource: Option<String>,
}

impl Application {
    /// All that the client may have, for the first of its resource servers. `None` where it has no
    /// secret, or may not use the grant.
    pub fn of(client: &ClientView, issuer: &Issuer) -> Option<Self> {
        let by_secret = client.auth_method != AuthMethod::PrivateKeyJwt.as_str();
        (by_secret
            && client
                .grant_types
                .iter()
                .any(|grant| grant == "client_credentials"))
        .then(|| Application {
            token_endpoint: issuer.endpoint("/oauth/token"),
            client_id: client.client_id.clone(),
            scope: client.scope.clone(),
            resource: client.resources.iter().next().map(str::to_owned),
        })
    }
}

/// A program that gets a token and prints it, in one of the languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Snippet {
    /// For a shell, with curl.
    Curl,
    /// With `requests`.
    Python,
    /// For Node.js, with nothing else.
    JavaScript,
    /// With the standard library alone.
    Go,
    /// With the standard library alone.
    Java,
    /// With `ureq`.
    Rust,
}

impl Snippet {
    /// Every one there is, in the order to show them in.
    pub const ALL: [Snippet; 6] = [
        Snippet::Curl,
        Snippet::Python,
        Snippet::JavaScript,
        Snippet::Go,
        Snippet::Java,
        Snippet::Rust,
    ];

    /// As people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Snippet::Curl => "curl",
            Snippet::Python => "Python",
            Snippet::JavaScript => "JavaScript",
            Snippet::Go => "Go",
            Snippet::Java => "Java",
            Snippet::Rust => "Rust",
        }
    }

    /// As a URL calls it.
    pub const fn slug(self) -> &'static str {
        match self {
            Snippet::Curl => "curl",
            Snippet::Python => "python",
            Snippet::JavaScript => "javascript",
            Snippet::Go => "go",
            Snippet::Java => "java",
            Snippet::Rust => "rust",
        }
    }

    /// The file to save it as, seen from the folder where the commands are run.
    pub const fn file_name(self) -> &'static str {
        match self {
            Snippet::Curl => "quick_start.sh",
            Snippet::Python => "quick_start.py",
            Snippet::JavaScript => "quick_start.mjs",
            Snippet::Go => "quick_start.go",
            Snippet::Java => "QuickStart.java",
            Snippet::Rust => "src/main.rs",
        }
    }

    /// The commands that install what it needs, to be run before it is saved.
    pub const fn prepare(self) -> &'static [&'static str] {
        match self {
            Snippet::Python => &["python3 -m pip install requests"],
            Snippet::Rust => &[
                "cargo init --name quick-start",
                "cargo add ureq@3 --features json",
                "cargo add base64@0.23 serde_json@1",
            ],
            Snippet::Curl | Snippet::JavaScript | Snippet::Go | Snippet::Java => &[],
        }
    }

    /// The command that runs it.
    pub const fn run(self) -> &'static str {
        match self {
            Snippet::Curl => "sh quick_start.sh",
            Snippet::Python => "python3 quick_start.py",
            Snippet::JavaScript => "node quick_start.mjs",
            Snippet::Go => "go run quick_start.go",
            Snippet::Java => "java QuickStart.java",
            Snippet::Rust => "cargo run --quiet",
        }
    }

    /// The program.
    pub fn code(self, application: &Application) -> String {
        let scope = Some(application.scope.as_str()).filter(|scope| !scope.is_empty());
        let resource = application.resource.as_deref();
        fill(self.template(), |name| match name {
            "token_endpoint" => Some(self.escape(&application.token_endpoint)),
            "client_id" => Some(self.escape(&application.client_id)),
            "scope" => scope.map(|scope| self.escape(scope)),
            "resource" => resource.map(|resource| self.escape(resource)),
            // The resource as people read it, in a comment.
            "audience" => resource.map(str::to_owned),
            _ => None,
        })
    }

    const fn template(self) -> &'static str {
        match self {
            Snippet::Curl => include_str!("quick_start/curl.sh"),
            Snippet::Python => include_str!("quick_start/python.py"),
            Snippet::JavaScript => include_str!("quick_start/javascript.mjs"),
            Snippet::Go => include_str!("quick_start/go.go"),
            Snippet::Java => include_str!("quick_start/QuickStart.java"),
            Snippet::Rust => include_str!("quick_start/rust.rs"),
        }
    }

    /// What stands between the quotes that the template uses, so that it is read as `text`.
    fn escape(self, text: &str) -> String {
        match self {
            Snippet::Curl => text.replace('\'', r"'\''"),
            Snippet::JavaScript => text.replace('\\', r"\\").replace('\'', r"\'"),
            Snippet::Python | Snippet::Go | Snippet::Java | Snippet::Rust => {
                text.replace('\\', r"\\").replace('"', r#"\""#)
            }
        }
    }
}

/// Puts values where the template says `{{name}}`, once: a value may look like a name. A line with a
/// name that has no value is left out.
fn fill(template: &str, value: impl Fn(&str) -> Option<String>) -> String {
    template
        .split_inclusive('\n')
        .filter_map(|line| fill_line(line, &value))
        .collect()
}

fn fill_line(line: &str, value: impl Fn(&str) -> Option<String>) -> Option<String> {
    let (mut filled, mut rest) = (String::new(), line);
    while let Some((before, (name, after))) = rest
        .split_once("{{")
        .and_then(|(before, from_name)| Some((before, from_name.split_once("}}")?)))
    {
        filled.push_str(before);
        filled.push_str(&value(name)?);
        rest = after;
    }
    filled.push_str(rest);
    Some(filled)
}
