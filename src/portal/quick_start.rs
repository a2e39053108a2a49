//! The quick start of an application: for each language a program that gets a first token, with the
//! application's ids filled in. The client secret, or the path of the private key, is not filled in:
//! the programs read it from the environment. A program for a client with a private key or with DPoP
//! uses a library, so there are fewer of them.
//!
//! Client ids and secrets consist of letters, digits, `-` and `_`, which form encoding (RFC 6749
//! section 2.3.1) does not change. The programs therefore put them into the Basic header without
//! encoding them.

use actix_web::HttpResponse;
use actix_web::web::Path;
use maud::{Markup, html};

use super::application::{Application, Tab};
use super::components::copy;
use super::page::{NavItem, user_page};
use super::page_error::PageError;
use super::session_extractor::CurrentUser;
use crate::config::Issuer;
use crate::manage::actor::KeysRead;
use crate::manage::client::{AuthMethod, ClientView, GrantType, SecurityProfile};
use crate::scope::Scope;

/// The page with the program in the language that the query names.
///
/// # Errors
/// `not_found` if the user cannot see the application.
pub(super) async fn show(user: CurrentUser, id: Path<String>) -> Result<HttpResponse, PageError> {
    let application = Application::find(&user, &id).await?;
    let client = &application.client;
    let chosen = user.query("language");
    let profile = user.server.settings.security_profile;
    let values = SnippetValues::for_client(client, &user.server.issuer, profile);
    let content = html! {
        @if let Some(values) = &values {
            @let snippets = Snippet::available(values);
            @let named = snippets.iter().find(|snippet| chosen.as_deref() == Some(snippet.slug()));
            @let chosen = named.copied().unwrap_or(snippets[0]);
            p { (user.t("quick-start-text")) }
            nav.tabs aria-label=(user.t("quick-start-languages")) {
                ul {
                    @for snippet in snippets.iter().copied() {
                        li { a href={ "?language=" (snippet.slug()) } aria-current=[(snippet == chosen).then_some("page")] { (snippet.name()) } }
                    }
                }
            }
            (steps(&user, &application, chosen, values))
        } @else if needs_certificate(client) {
            p { (user.t("quick-start-certificate")) }
            dl.facts {
                dt { (user.t("token-endpoint")) } dd { code { (certificate_token_endpoint(&user)) } }
                dt { (user.t("column-client-id")) } dd { code { (client.client_id) } }
            }
        } @else {
            p { (user.t("quick-start-none")) }
        }
        @if values.as_ref().is_some_and(|values| values.authentication == Authentication::PrivateKey) {
            p { (user.t("quick-start-assertion")) }
            dl.facts {
                dt { (user.t("token-endpoint")) } dd { code { (user.server.issuer.endpoint("/oauth/token")) } }
                dt { (user.t("column-client-id")) } dd { code { (client.client_id) } }
                dt { "aud" } dd { code { (user.server.issuer) } }
            }
        }
    };
    let header = application.header(&user, Tab::QuickStart);
    Ok(user_page(&user, NavItem::Applications, header, content))
}

/// Whether each token request of the client needs its certificate.
fn needs_certificate(client: &ClientView) -> bool {
    let method = client.auth_method.parse();
    client.tls_client_certificate_bound_access_tokens
        || method.is_ok_and(AuthMethod::uses_certificate)
}

/// The token endpoint for clients with certificates.
fn certificate_token_endpoint(user: &CurrentUser) -> String {
    let path = "/oauth/token";
    match &user.server.settings.mtls_base_url {
        Some(base) => base.endpoint(path),
        None => user.server.issuer.endpoint(path),
    }
}

fn steps(
    user: &CurrentUser,
    application: &Application,
    snippet: Snippet,
    values: &SnippetValues,
) -> Markup {
    html! {
        ol.steps {
            li {
                @match values.authentication {
                    Authentication::Secret => {
                        p { (user.t("quick-start-secret")) }
                        @if user.can(KeysRead) { p { a href=(user.link(&application.path("/secrets"))) { (user.t("secrets")) } } }
                        (copy(user, &user.t("quick-start-environment"), "environment", "export CLIENT_SECRET=…"))
                    }
                    Authentication::PrivateKey => {
                        p { (user.t("quick-start-key")) }
                        (copy(user, &user.t("quick-start-environment"), "environment", "export CLIENT_KEY=client-key.json"))
                    }
                }
            }
            @if !snippet.prepare(values).is_empty() {
                li { (copy(user, &user.t("quick-start-prepare"), "prepare", &snippet.prepare(values).join("\n"))) }
            }
            li { (copy(user, &user.tr("quick-start-save", &[("file", snippet.file_name().into())]), "code", &snippet.code(values))) }
            li { (copy(user, &user.t("quick-start-run"), "run", snippet.run())) }
        }
    }
}

/// What the program authenticates with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// A client secret.
    Secret,
    /// A private key, for `private_key_jwt`.
    PrivateKey,
}

/// The values that are filled in. All of them are printable ASCII.
#[derive(Clone, Debug)]
pub struct SnippetValues {
    /// The issuer identifier.
    pub issuer: String,
    /// The URL of the token endpoint.
    pub token_endpoint: String,
    /// The client id.
    pub client_id: String,
    /// The scope to request; left out if empty.
    pub scope: Scope,
    /// The resource server to request a token for (RFC 8707); left out if `None`.
    pub resource: Option<String>,
    /// What the program authenticates with.
    pub authentication: Authentication,
    /// Whether the token must be bound to a key (DPoP).
    pub bound: bool,
}

impl SnippetValues {
    /// The full scope of the client, for its first resource server. `None` if the client may not use
    /// the client credentials grant, or needs a certificate. `server_profile` is the security profile
    /// of the server.
    pub fn for_client(
        client: &ClientView,
        issuer: &Issuer,
        server_profile: SecurityProfile,
    ) -> Option<Self> {
        if client.tls_client_certificate_bound_access_tokens {
            return None;
        }
        let authentication = match client.auth_method.parse().ok()? {
            AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost => Authentication::Secret,
            AuthMethod::PrivateKeyJwt => Authentication::PrivateKey,
            AuthMethod::TlsClientAuth | AuthMethod::SelfSignedTlsClientAuth => return None,
        };
        let profile = client.profile.max(server_profile);
        let mut grants = client.grant_types.iter();
        let gets_tokens = grants.any(|grant| grant == GrantType::ClientCredentials.as_str());
        gets_tokens.then(|| SnippetValues {
            issuer: issuer.to_string(),
            token_endpoint: issuer.endpoint("/oauth/token"),
            client_id: client.client_id.clone(),
            scope: client.scope.clone(),
            resource: client.resources.iter().next().map(str::to_owned),
            authentication,
            bound: client.dpop_bound_access_tokens || profile.requires_bound_tokens(),
        })
    }
}

impl SnippetValues {
    /// Whether a program needs a library: to sign an assertion or a proof.
    const fn need_library(&self) -> bool {
        matches!(self.authentication, Authentication::PrivateKey) || self.bound
    }
}

/// A program that gets a token and prints it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Snippet {
    /// A shell script with curl.
    Curl,
    /// Python with `requests`.
    Python,
    /// Node.js without dependencies.
    JavaScript,
    /// Go with the standard library.
    Go,
    /// Java with the standard library.
    Java,
    /// Rust with `ureq`.
    Rust,
}

impl Snippet {
    /// All of them, in the order of the page.
    pub const ALL: [Snippet; 6] = [
        Snippet::Curl,
        Snippet::Python,
        Snippet::JavaScript,
        Snippet::Go,
        Snippet::Java,
        Snippet::Rust,
    ];

    /// The languages that there is a program in, for a client with these values.
    pub const fn available(values: &SnippetValues) -> &'static [Snippet] {
        if values.need_library() {
            &[Snippet::Python, Snippet::JavaScript]
        } else {
            &Snippet::ALL
        }
    }

    /// The name of the language.
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

    /// The name in URLs.
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

    /// The file to save the program as, relative to the folder where the commands are run.
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

    /// The commands that install the dependencies, to be run first.
    pub const fn prepare(self, values: &SnippetValues) -> &'static [&'static str] {
        match self {
            Snippet::Python if values.need_library() => {
                &["python3 -m pip install requests_oauth2client"]
            }
            Snippet::JavaScript if values.need_library() => &["npm install openid-client jose"],
            Snippet::Python => &["python3 -m pip install requests"],
            Snippet::Rust => &[
                "cargo init --name quick-start",
                "cargo add ureq@3 --features json",
                "cargo add base64@0.23 serde_json@1",
            ],
            Snippet::Curl | Snippet::JavaScript | Snippet::Go | Snippet::Java => &[],
        }
    }

    /// The command that runs the program.
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

    /// The program, with the values filled in.
    pub fn code(self, values: &SnippetValues) -> String {
        let scope = Some(values.scope.as_str()).filter(|scope| !scope.is_empty());
        let resource = values.resource.as_deref();
        let marker = |holds: bool| holds.then(String::new);
        fill(self.template(values), |name| match name {
            // These stand at the beginning of lines for some clients only.
            "secret" => marker(values.authentication == Authentication::Secret),
            "key" => marker(values.authentication == Authentication::PrivateKey),
            "dpop" => marker(values.bound),
            "bearer" => marker(!values.bound),
            "http" => marker(values.token_endpoint.starts_with("http://")),
            "issuer" => Some(self.escape(&values.issuer)),
            "token_endpoint" => Some(self.escape(&values.token_endpoint)),
            "client_id" => Some(self.escape(&values.client_id)),
            "scope" => scope.map(|scope| self.escape(scope)),
            "resource" => resource.map(|resource| self.escape(resource)),
            // The resource in a comment, which needs no escaping.
            "audience" => resource.map(str::to_owned),
            _ => None,
        })
    }

    const fn template(self, values: &SnippetValues) -> &'static str {
        match self {
            Snippet::Python if values.need_library() => {
                include_str!("assets/quick_start/python_library.py")
            }
            Snippet::JavaScript if values.need_library() => {
                include_str!("assets/quick_start/javascript_library.mjs")
            }
            Snippet::Curl => include_str!("assets/quick_start/curl.sh"),
            Snippet::Python => include_str!("assets/quick_start/python.py"),
            Snippet::JavaScript => include_str!("assets/quick_start/javascript.mjs"),
            Snippet::Go => include_str!("assets/quick_start/go.go"),
            Snippet::Java => include_str!("assets/quick_start/QuickStart.java"),
            Snippet::Rust => include_str!("assets/quick_start/rust.rs"),
        }
    }

    /// Escapes a text for the quotes that the template uses.
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

/// Replaces each `{{name}}` of the template with its value. A line with a name that has no value is
/// left out. The values themselves are not searched for names.
fn fill(template: &str, value: impl Fn(&str) -> Option<String>) -> String {
    template
        .split_inclusive('\n')
        .filter_map(|line| fill_line(line, &value))
        .collect()
}

fn fill_line(line: &str, value: impl Fn(&str) -> Option<String>) -> Option<String> {
    let mut filled = String::new();
    let mut rest = line;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_filled_in_once_and_lines_without_a_value_are_left_out() {
        let value = |name: &str| match name {
            "id" => Some("{{secret}}".to_owned()),
            "secret" => Some("s".to_owned()),
            _ => None,
        };
        for (template, filled) in [
            ("a {{id}} b\n", "a {{secret}} b\n"),
            ("{{id}}{{secret}}\n", "{{secret}}s\n"),
            ("first\n{{missing}} {{id}}\nlast", "first\nlast"),
            ("{{id\n", "{{id\n"),
            ("no names }}\n", "no names }}\n"),
        ] {
            assert_eq!(fill(template, value), filled, "{template:?}");
        }
    }

    #[test]
    fn values_are_escaped_for_their_quotes() {
        for (snippet, escaped) in [
            (Snippet::Curl, r#"a'\''b"c\d"#),
            (Snippet::JavaScript, r#"a\'b"c\\d"#),
            (Snippet::Python, r#"a'b\"c\\d"#),
        ] {
            assert_eq!(snippet.escape(r#"a'b"c\d"#), escaped, "{}", snippet.name());
        }
    }
}
