//! Authorization as tables: each operation of the HTTP API and each route of the portal, for each
//! kind of caller. The operations come from the server's own description, so one that is missing in
//! a table fails a test. Further tests cover the ways in which a caller could gain rights.

use std::collections::{BTreeMap, BTreeSet};

use keyward::manage::rights::{self, Rights};
use keyward::store::user::Role;
use serde_json::{Value, json};

use crate::support::portal::{Browser, person};
use crate::support::{Client, Node, Reply, World, each_case, repository, within};

const OPERATOR_SCOPE: &str = "keyward:operator";

/// The scope tokens of all rights, except the one that makes a caller an operator.
pub fn all_rights() -> Vec<&'static str> {
    let tokens = rights::Right::ALL.iter().map(|right| right.as_str());
    tokens.filter(|token| *token != OPERATOR_SCOPE).collect()
}

/// The credential or right that an operation requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Needs {
    /// No credential.
    Nothing,
    /// Client authentication.
    Client,
    /// An initial access token, or a registration access token.
    RegistrationToken,
    /// An API key that may manage keys.
    ApiKey,
    /// Any active access token or API key.
    AnyToken,
    /// This right, within the caller's account.
    Right(&'static str),
    /// This right, and the operator's right.
    Operator(&'static str),
    /// This right and all others.
    Every(&'static str),
}

use Needs::{AnyToken, ApiKey, Every, Nothing, Operator, RegistrationToken, Right};

/// Each operation, what it requires, and a body that passes the check of rights and then changes
/// nothing.
const OPERATIONS: &[(&str, Needs, &str)] = &[
    ("GET /api/v1/accounts", Right("keyward:accounts:read"), ""),
    (
        "POST /api/v1/accounts",
        Operator("keyward:accounts:write"),
        r#"{"name": ""}"#,
    ),
    (
        "GET /api/v1/accounts/{id}",
        Right("keyward:accounts:read"),
        "",
    ),
    (
        "POST /api/v1/accounts/{id}/close",
        Operator("keyward:accounts:write"),
        "",
    ),
    (
        "POST /api/v1/accounts/{id}/delete",
        Operator("keyward:accounts:write"),
        r#"{"name": "nothing"}"#,
    ),
    (
        "POST /api/v1/accounts/{id}/reopen",
        Operator("keyward:accounts:write"),
        "",
    ),
    (
        "PATCH /api/v1/accounts/{id}",
        Right("keyward:users:write"),
        r#"{"requires_second_factor": true}"#,
    ),
    ("GET /api/v1/users", Right("keyward:users:read"), ""),
    (
        "POST /api/v1/users",
        Right("keyward:users:write"),
        r#"{"email": "nowhere", "role": "viewer", "account": "none"}"#,
    ),
    (
        "PATCH /api/v1/users/{id}",
        Right("keyward:users:write"),
        r#"{"role": "viewer"}"#,
    ),
    (
        "DELETE /api/v1/users/{id}",
        Right("keyward:users:write"),
        "",
    ),
    (
        "PUT /api/v1/users/{id}/password",
        Right("keyward:users:write"),
        r#"{"password": "short"}"#,
    ),
    (
        "PATCH /api/v1/users/{id}/preferences",
        Right("keyward:users:write"),
        "{}",
    ),
    (
        "GET /api/v1/account-invitations",
        Right("keyward:users:read"),
        "",
    ),
    (
        "POST /api/v1/account-invitations",
        Right("keyward:users:write"),
        r#"{"email": "nowhere", "role": "viewer", "account": "none"}"#,
    ),
    (
        "DELETE /api/v1/account-invitations/{id}",
        Right("keyward:users:write"),
        "",
    ),
    (
        "POST /api/v1/users/{id}/invitation",
        Right("keyward:users:write"),
        "",
    ),
    (
        "DELETE /api/v1/users/{id}/second-factor",
        Right("keyward:users:write"),
        "",
    ),
    ("GET /api/v1/clients", Right("keyward:clients:read"), ""),
    (
        "POST /api/v1/clients",
        Right("keyward:clients:write"),
        r#"{"name": ""}"#,
    ),
    (
        "GET /api/v1/clients/{client_id}",
        Right("keyward:clients:read"),
        "",
    ),
    (
        "PATCH /api/v1/clients/{client_id}",
        Right("keyward:clients:write"),
        r#"{"name": "x"}"#,
    ),
    (
        "DELETE /api/v1/clients/{client_id}",
        Right("keyward:clients:write"),
        "",
    ),
    (
        "POST /api/v1/clients/{client_id}/revoke-tokens",
        Right("keyward:tokens:revoke"),
        "",
    ),
    (
        "POST /api/v1/clients/{client_id}/registration-access-token",
        Right("keyward:clients:write"),
        "",
    ),
    (
        "DELETE /api/v1/clients/{client_id}/registration-access-token",
        Right("keyward:clients:write"),
        "",
    ),
    (
        "GET /api/v1/clients/{client_id}/secrets",
        Right("keyward:keys:read"),
        "",
    ),
    (
        "POST /api/v1/clients/{client_id}/secrets",
        Right("keyward:keys:write"),
        "{}",
    ),
    (
        "POST /api/v1/clients/{client_id}/secrets/rotate",
        Right("keyward:keys:write"),
        "{}",
    ),
    (
        "PATCH /api/v1/clients/{client_id}/secrets/{id}",
        Right("keyward:keys:write"),
        r#"{"name": "x"}"#,
    ),
    (
        "DELETE /api/v1/clients/{client_id}/secrets/{id}",
        Right("keyward:keys:write"),
        "",
    ),
    (
        "GET /api/v1/clients/{client_id}/keys",
        Right("keyward:keys:read"),
        "",
    ),
    (
        "POST /api/v1/clients/{client_id}/keys",
        Right("keyward:keys:write"),
        r#"{"name": "x"}"#,
    ),
    (
        "PATCH /api/v1/clients/{client_id}/keys/{id}",
        Right("keyward:keys:write"),
        r#"{"name": "x"}"#,
    ),
    (
        "POST /api/v1/clients/{client_id}/keys/{id}/rotate",
        Right("keyward:keys:write"),
        "{}",
    ),
    (
        "POST /api/v1/clients/{client_id}/delete-secrets",
        Right("keyward:keys:write"),
        r#"{"ids": []}"#,
    ),
    (
        "POST /api/v1/clients/disable",
        Right("keyward:clients:write"),
        r#"{"ids": []}"#,
    ),
    (
        "POST /api/v1/clients/revoke-tokens",
        Right("keyward:tokens:revoke"),
        r#"{"ids": []}"#,
    ),
    (
        "POST /api/v1/clients/{client_id}/revoke-keys",
        Right("keyward:keys:write"),
        r#"{"ids": []}"#,
    ),
    (
        "DELETE /api/v1/clients/{client_id}/keys/{id}",
        Right("keyward:keys:write"),
        "",
    ),
    (
        "GET /api/v1/trust-rules",
        Right("keyward:trust-rules:read"),
        "",
    ),
    (
        "POST /api/v1/trust-rules",
        Right("keyward:trust-rules:write"),
        r#"{"client_id": "none", "issuer": "nowhere", "conditions": []}"#,
    ),
    (
        "POST /api/v1/trust-rules/test",
        Right("keyward:trust-rules:read"),
        r#"{"token": "x"}"#,
    ),
    (
        "POST /api/v1/trust-rules/disable-issuer",
        Right("keyward:trust-rules:write"),
        r#"{"issuer": "https://nowhere.example"}"#,
    ),
    (
        "GET /api/v1/trust-rules/{id}",
        Right("keyward:trust-rules:read"),
        "",
    ),
    (
        "PATCH /api/v1/trust-rules/{id}",
        Right("keyward:trust-rules:write"),
        r#"{"enabled": false}"#,
    ),
    (
        "DELETE /api/v1/trust-rules/{id}",
        Right("keyward:trust-rules:write"),
        "",
    ),
    (
        "GET /api/v1/resource-servers",
        Right("keyward:resources:read"),
        "",
    ),
    (
        "POST /api/v1/resource-servers",
        Operator("keyward:resources:write"),
        r#"{"identifier": "urn:x", "name": ""}"#,
    ),
    (
        "PATCH /api/v1/resource-servers",
        Operator("keyward:resources:write"),
        r#"{"token_typ": "JWT"}"#,
    ),
    (
        "DELETE /api/v1/resource-servers",
        Operator("keyward:resources:write"),
        "",
    ),
    ("GET /api/v1/webhooks", Right("keyward:webhooks:read"), ""),
    (
        "POST /api/v1/webhooks",
        Right("keyward:webhooks:write"),
        r#"{"url": "nonsense", "events": ["*"]}"#,
    ),
    (
        "GET /api/v1/webhooks/{id}",
        Right("keyward:webhooks:read"),
        "",
    ),
    (
        "PATCH /api/v1/webhooks/{id}",
        Right("keyward:webhooks:write"),
        r#"{"enabled": false}"#,
    ),
    (
        "DELETE /api/v1/webhooks/{id}",
        Right("keyward:webhooks:write"),
        "",
    ),
    ("GET /api/v1/mails", Operator("keyward:status:read"), ""),
    (
        "POST /api/v1/mails/test",
        Operator("keyward:accounts:write"),
        r#"{"to": "nowhere"}"#,
    ),
    (
        "POST /api/v1/webhooks/{id}/rotate-secret",
        Right("keyward:webhooks:write"),
        "{}",
    ),
    (
        "POST /api/v1/webhooks/{id}/test",
        Right("keyward:webhooks:write"),
        "",
    ),
    (
        "GET /api/v1/webhooks/{id}/deliveries",
        Right("keyward:webhooks:read"),
        "",
    ),
    (
        "POST /api/v1/webhooks/{id}/deliveries/{delivery_id}/resend",
        Right("keyward:webhooks:write"),
        "",
    ),
    (
        "GET /api/v1/registration-tokens",
        Right("keyward:registration:read"),
        "",
    ),
    (
        "POST /api/v1/registration-tokens",
        Right("keyward:registration:write"),
        r#"{"uses": 0}"#,
    ),
    (
        "DELETE /api/v1/registration-tokens/{id}",
        Right("keyward:registration:write"),
        "",
    ),
    (
        "GET /api/v1/signing-keys",
        Operator("keyward:signing-keys:read"),
        "",
    ),
    (
        "POST /api/v1/signing-keys/rotate",
        Operator("keyward:signing-keys:write"),
        "",
    ),
    (
        "POST /api/v1/signing-keys/import",
        Every("keyward:signing-keys:write"),
        r#"{"pem": "none"}"#,
    ),
    (
        "POST /api/v1/signing-keys/{kid}/retire",
        Operator("keyward:signing-keys:write"),
        "{}",
    ),
    ("GET /api/v1/tokens", Right("keyward:tokens:read"), ""),
    (
        "POST /api/v1/tokens/inspect",
        Right("keyward:tokens:read"),
        r#"{"token": "x"}"#,
    ),
    (
        "POST /api/v1/tokens/revoke",
        Right("keyward:tokens:revoke"),
        r#"{"token": "x"}"#,
    ),
    ("GET /api/v1/traffic", Right("keyward:tokens:read"), ""),
    (
        "GET /api/v1/clients/{client_id}/usage",
        Right("keyward:tokens:read"),
        "",
    ),
    ("GET /api/v1/audit/export", Right("keyward:audit:read"), ""),
    (
        "GET /api/v1/unused-credentials",
        Right("keyward:keys:read"),
        "",
    ),
    (
        "GET /api/v1/announcements",
        Operator("keyward:announcements:read"),
        "",
    ),
    (
        "POST /api/v1/announcements",
        Operator("keyward:announcements:write"),
        r#"{"text_en": "", "text_fr": "", "ends_at": "2000-01-01"}"#,
    ),
    (
        "GET /api/v1/announcements/{id}",
        Operator("keyward:announcements:read"),
        "",
    ),
    (
        "PATCH /api/v1/announcements/{id}",
        Operator("keyward:announcements:write"),
        "{}",
    ),
    (
        "DELETE /api/v1/announcements/{id}",
        Operator("keyward:announcements:write"),
        "",
    ),
    ("GET /api/v1/status", Operator("keyward:status:read"), ""),
    ("GET /api/v1/audit", Right("keyward:audit:read"), ""),
    (
        "POST /oauth/token",
        Needs::Client,
        "grant_type=client_credentials",
    ),
    ("POST /oauth/introspect", Needs::Client, "token=x"),
    ("POST /oauth/revoke", Needs::Client, "token=x"),
    ("POST /oauth/register", RegistrationToken, "{}"),
    ("GET /oauth/register/{client_id}", RegistrationToken, ""),
    ("PUT /oauth/register/{client_id}", RegistrationToken, "{}"),
    ("DELETE /oauth/register/{client_id}", RegistrationToken, ""),
    ("GET /apiKeys", ApiKey, ""),
    ("POST /apiKeys", ApiKey, r#"{"name": ""}"#),
    ("DELETE /apiKeys/{id}", ApiKey, ""),
    ("GET /verify", AnyToken, ""),
    ("GET /.well-known/jwks.json", Nothing, ""),
    ("GET /oauth/authorize", Nothing, ""),
    ("POST /oauth/authorize", Nothing, ""),
    ("GET /.well-known/oauth-authorization-server", Nothing, ""),
    ("GET /.well-known/openid-configuration", Nothing, ""),
    ("GET /healthz", Nothing, ""),
    ("GET /readyz", Nothing, ""),
    ("GET /metrics", Nothing, ""),
    ("GET /openapi.json", Nothing, ""),
];

const VIEWER: &[&str] = &[
    "keyward:accounts:read",
    "keyward:clients:read",
    "keyward:resources:read",
];
const DEVELOPER: &[&str] = &[
    "keyward:accounts:read",
    "keyward:clients:read",
    "keyward:resources:read",
    "keyward:clients:write",
    "keyward:keys:read",
    "keyward:keys:write",
    "keyward:trust-rules:read",
    "keyward:trust-rules:write",
    "keyward:tokens:read",
    "keyward:tokens:revoke",
    "keyward:audit:read",
];
const ADMINISTRATOR: &[&str] = &[
    "keyward:accounts:read",
    "keyward:clients:read",
    "keyward:resources:read",
    "keyward:clients:write",
    "keyward:keys:read",
    "keyward:keys:write",
    "keyward:trust-rules:read",
    "keyward:trust-rules:write",
    "keyward:tokens:read",
    "keyward:tokens:revoke",
    "keyward:audit:read",
    "keyward:users:read",
    "keyward:users:write",
    "keyward:registration:read",
    "keyward:registration:write",
    "keyward:webhooks:read",
    "keyward:webhooks:write",
];
const OPERATOR: &[&str] = &[
    "keyward:accounts:read",
    "keyward:accounts:write",
    "keyward:users:read",
    "keyward:users:write",
    "keyward:clients:read",
    "keyward:clients:write",
    "keyward:keys:read",
    "keyward:keys:write",
    "keyward:trust-rules:read",
    "keyward:trust-rules:write",
    "keyward:resources:read",
    "keyward:resources:write",
    "keyward:registration:read",
    "keyward:registration:write",
    "keyward:signing-keys:read",
    "keyward:signing-keys:write",
    "keyward:tokens:read",
    "keyward:tokens:revoke",
    "keyward:audit:read",
    "keyward:status:read",
    "keyward:webhooks:read",
    "keyward:webhooks:write",
    "keyward:announcements:read",
    "keyward:announcements:write",
    "keyward:operator",
];

const ROLES: [(Role, &[&str]); 4] = [
    (Role::Viewer, VIEWER),
    (Role::Developer, DEVELOPER),
    (Role::Administrator, ADMINISTRATOR),
    (Role::Operator, OPERATOR),
];

/// Each operation that the server describes, with the right that it names there.
fn described(node: &Node) -> BTreeMap<String, Option<String>> {
    let document = node.get("/openapi.json").json();
    let mut found = BTreeMap::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            if [
                "get", "put", "post", "delete", "patch", "options", "head", "trace",
            ]
            .contains(&method.as_str())
            {
                let right = operation["security"][0]["management"][0]
                    .as_str()
                    .map(str::to_owned);
                found.insert(format!("{} {path}", method.to_uppercase()), right);
            }
        }
    }
    found
}

/// Calls an operation on objects that do not exist.
fn ask(node: &Node, operation: &str, body: &str, authorization: Option<&str>) -> Reply {
    let (method, path) = operation.split_once(' ').unwrap();
    let path = path
        .replace("{client_id}", "018f0000-0000-7000-8000-000000000000")
        .replace("{id}", "nothing")
        .replace("{delivery_id}", "nothing")
        .replace("{kid}", "nothing");
    let form = ["/oauth/token", "/oauth/introspect", "/oauth/revoke"].contains(&path.as_str());
    let mut headers = vec![(
        "content-type",
        if form {
            "application/x-www-form-urlencoded"
        } else {
            "application/json"
        },
    )];
    headers.extend(authorization.map(|value| ("authorization", value)));
    node.send(method, &path, &headers, body.as_bytes())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Allowed,
    /// 403: authenticated, but not allowed.
    Forbidden,
    /// 401: the credential is not accepted here.
    Unauthorized,
}

fn verdict(reply: &Reply) -> Verdict {
    match reply.status {
        401 => Verdict::Unauthorized,
        403 => Verdict::Forbidden,
        200..=299 | 400 | 404 | 409 | 422 => Verdict::Allowed,
        other => panic!("{other}: {}", reply.body),
    }
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

fn management(node: &Node, token: &str, method: &str, path: &str, body: &Value) -> Reply {
    node.json(method, &format!("/api/v1{path}"), Some(token), body)
}

fn expected(needs: Needs, rights: &[&str]) -> Verdict {
    let operator = rights.contains(&OPERATOR_SCOPE);
    match needs {
        Right(right) if rights.contains(&right) => Verdict::Allowed,
        Operator(right) if rights.contains(&right) && operator => Verdict::Allowed,
        Every(_) if rights.len() == OPERATOR.len() => Verdict::Allowed,
        Right(_) | Operator(_) | Every(_) => Verdict::Forbidden,
        Nothing | AnyToken => Verdict::Allowed,
        Needs::Client | RegistrationToken | ApiKey => Verdict::Unauthorized,
    }
}

#[test]
fn every_operation_is_in_the_table_and_names_its_required_right() {
    let world = World::sqlite();
    let node = world.start();
    let described = described(&node);
    let listed: BTreeMap<String, Option<String>> = OPERATIONS
        .iter()
        .map(|(operation, needs, _)| {
            let right = match needs {
                Right(right) | Operator(right) | Every(right) => Some((*right).to_owned()),
                _ => None,
            };
            ((*operation).to_owned(), right)
        })
        .collect();
    assert_eq!(
        listed.len(),
        OPERATIONS.len(),
        "an operation is listed twice"
    );
    assert_eq!(
        described, listed,
        "the table and /openapi.json must have the same operations, with the same rights"
    );

    let used: BTreeSet<&str> = listed.values().flatten().map(String::as_str).collect();
    assert_eq!(
        used,
        all_rights().into_iter().collect(),
        "each right is required by an operation, and no other scope is"
    );
    for (role, rights) in ROLES {
        let actual: BTreeSet<&str> = Rights::of_role(role)
            .iter()
            .map(rights::Right::as_str)
            .collect();
        assert_eq!(actual, rights.iter().copied().collect(), "{role}");
    }
    assert!(
        all_rights()
            .iter()
            .chain(&[OPERATOR_SCOPE])
            .all(|right| right.starts_with("keyward:"))
    );
}

on_both! {
    fn every_operation_is_allowed_for_the_right_callers_only(world: World) {
        world.resource("urn:api");
        let node = world.start();
        world.cli(&["account", "create", "--name", "One"]);
        let audience = node.management();
        let of_one = ["--account", "One"];
        let with = |rights: &[&str]| bearer(&node.token(&world.manager(&node, &of_one, &rights.join(" "))));

        // Tokens with all rights of a role, and tokens with a single right.
        let mut callers: Vec<(String, String, Vec<&str>)> =
            ROLES.iter().map(|(role, rights)| (format!("the rights of {role}"), with(rights), rights.to_vec())).collect();
        for right in all_rights().iter().chain(&[OPERATOR_SCOPE]) {
            callers.push((format!("{right} alone"), with(&[right]), vec![right]));
        }
        // A client with all rights that requests a narrower scope has only the rights of that
        // scope.
        let strong = world.manager(&node, &of_one, &OPERATOR.join(" "));
        let narrowed = node.token_reply(&strong, &[("scope", "keyward:audit:read")]).json()["access_token"].as_str().unwrap().to_owned();
        callers.push(("narrowed".to_owned(), bearer(&narrowed), vec!["keyward:audit:read"]));
        // An API key that was exchanged for a token.
        let exchanged = node.form("/oauth/token", None, &[
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"), ("subject_token", &strong.api_key),
            ("subject_token_type", "urn:keyward:token-type:api_key"), ("scope", "keyward:keys:read"),
        ]);
        let exchanged = exchanged.json()["access_token"].as_str().unwrap().to_owned();
        callers.push(("exchanged".to_owned(), bearer(&exchanged), vec!["keyward:keys:read"]));
        for (name, authorization, rights) in &callers {
            for (operation, needs, body) in OPERATIONS {
                // The other operations do not accept tokens; failures there are rate limited, so
                // one caller is enough.
                if !matches!(needs, Right(_) | Operator(_) | Every(_)) && !name.ends_with("of operator") {
                    continue;
                }
                let reply = ask(&node, operation, body, Some(authorization));
                assert_eq!(verdict(&reply), expected(*needs, rights), "{operation}, {name}: {}", reply.body);
            }
        }

        // Credentials that the management API does not accept, whatever their scope.
        let words = "accounts:read users:read users:write clients:write operator";
        let initial = world.cli(&["registration-token", "create", "--account", "One", "--scope", words]);
        let registered = node.json("POST", "/oauth/register", initial["token"].as_str(), &json!({})).json();
        let registered = Client {
            id: registered["client_id"].as_str().unwrap().to_owned(),
            secret: registered["client_secret"].as_str().unwrap().to_owned(),
            api_key: String::new(),
        };
        let several = world.client_with(&["--resource", "urn:api", "--resource", &audience, "--scope", &OPERATOR.join(" ")]);
        let elsewhere = node.token_reply(&several, &[("resource", "urn:api")]).json()["access_token"].as_str().unwrap().to_owned();
        let lost = world.manager(&node, &[], &OPERATOR.join(" "));
        let of_lost = node.token(&lost);
        world.cli(&["client", "update", &lost.id, "--scope", "", "--resource", ""]);
        let revoked = node.token(&strong);
        node.revoke(&strong, &revoked);
        within(std::time::Duration::from_secs(1), "the end of the lost resource", || {
            (management(&node, &of_lost, "GET", "/clients", &Value::Null).status == 401).then_some(())
        });
        let strangers = [
            ("no credential", None),
            ("a token for the issuer", Some(bearer(&node.token(&world.client(words))))),
            ("a token for another audience", Some(bearer(&node.token(&world.client_with(&["--resource", "urn:api", "--scope", words]))))),
            ("a token for another audience of a client with rights", Some(bearer(&elsewhere))),
            ("a token for several audiences", Some(bearer(&node.token(&several)))),
            ("a token of a self-registered client", Some(bearer(&node.token(&registered)))),
            ("a token whose client lost the management API", Some(bearer(&of_lost))),
            ("a revoked token", Some(bearer(&revoked))),
            ("an API key", Some(bearer(&strong.api_key))),
            ("an API key as Basic", Some(crate::support::basic(&strong.api_key, ""))),
            ("the client's own secret", Some(strong.basic())),
        ];
        for (name, authorization) in &strangers {
            for (operation, needs, body) in OPERATIONS {
                if !matches!(needs, Right(_) | Operator(_) | Every(_)) {
                    continue;
                }
                let reply = ask(&node, operation, body, authorization.as_deref());
                // Presenting something that is not a token is rate limited after a while.
                assert!(reply.status == 401 || reply.status == 429, "{operation}, {name}: {} {}", reply.status, reply.body);
            }
        }
        // The other operations without a credential.
        for (operation, needs, body) in OPERATIONS {
            let wanted = if *needs == Nothing { Verdict::Allowed } else { Verdict::Unauthorized };
            let reply = ask(&node, operation, body, None);
            assert!(reply.status == 429 || verdict(&reply) == wanted, "{operation}: {}", reply.body);
        }
    }
}

/// Each route of the portal: its path, its methods, and the right that it requires; none if every
/// user may open it, or if it needs no session.
const ROUTES: &[(&str, &str, Option<&str>)] = &[
    ("", "get", None),
    ("/", "get", None),
    ("/sign-in", "get post", None),
    ("/second-factor", "get post", None),
    ("/sign-out", "post", None),
    ("/search", "get", None),
    ("/invitation", "get post", None),
    ("/invitation/password", "post", None),
    ("/password/forgot", "get post", None),
    ("/password/reset", "get post", None),
    ("/password/new", "post", None),
    ("/language", "post", None),
    ("/profile", "get", None),
    ("/profile/preferences", "post", None),
    ("/profile/password", "post", None),
    ("/profile/second-factor", "get post", None),
    ("/profile/second-factor/remove", "post", None),
    ("/profile/recovery-codes", "post", None),
    ("/profile/sessions/{id}/end", "post", None),
    ("/overview", "get", Some("keyward:tokens:read")),
    ("/applications", "get", Some("keyward:clients:read")),
    ("/applications", "post", Some("keyward:clients:write")),
    ("/applications/new", "get", Some("keyward:clients:write")),
    ("/applications/{id}", "get", Some("keyward:clients:read")),
    (
        "/applications/{id}/credentials",
        "get",
        Some("keyward:keys:read"),
    ),
    (
        "/applications/{id}/access",
        "get",
        Some("keyward:clients:read"),
    ),
    (
        "/applications/{id}/activity",
        "get",
        Some("keyward:tokens:read"),
    ),
    (
        "/applications/{id}/edit",
        "get post",
        Some("keyward:clients:write"),
    ),
    (
        "/applications/{id}/disable",
        "get post",
        Some("keyward:clients:write"),
    ),
    (
        "/applications/{id}/enable",
        "post",
        Some("keyward:clients:write"),
    ),
    (
        "/applications/{id}/delete",
        "get post",
        Some("keyward:clients:write"),
    ),
    (
        "/applications/{id}/revoke-tokens",
        "get post",
        Some("keyward:tokens:revoke"),
    ),
    (
        "/applications/{id}/renew-registration-token",
        "get post",
        Some("keyward:clients:write"),
    ),
    (
        "/applications/{id}/revoke-registration-token",
        "get post",
        Some("keyward:clients:write"),
    ),
    (
        "/applications/{id}/quick-start",
        "get",
        Some("keyward:clients:read"),
    ),
    (
        "/applications/{id}/secrets",
        "get",
        Some("keyward:keys:read"),
    ),
    (
        "/applications/{id}/secrets",
        "post",
        Some("keyward:keys:write"),
    ),
    (
        "/applications/{id}/secrets/rotate",
        "post",
        Some("keyward:keys:write"),
    ),
    (
        "/applications/{id}/secrets/{secret}",
        "get",
        Some("keyward:keys:read"),
    ),
    (
        "/applications/{id}/secrets/{secret}/export",
        "get",
        Some("keyward:tokens:read"),
    ),
    (
        "/applications/{id}/secrets/{secret}/edit",
        "get post",
        Some("keyward:keys:write"),
    ),
    (
        "/applications/{id}/secrets/{secret}/delete",
        "get post",
        Some("keyward:keys:write"),
    ),
    ("/api-keys", "get", Some("keyward:keys:read")),
    ("/unused-credentials", "get", Some("keyward:keys:read")),
    ("/try", "get post", Some("keyward:tokens:read")),
    (
        "/applications/{id}/revoke-keys",
        "get post",
        Some("keyward:keys:write"),
    ),
    (
        "/applications/{id}/delete-secrets",
        "get post",
        Some("keyward:keys:write"),
    ),
    (
        "/applications/selected",
        "get post",
        Some("keyward:clients:write"),
    ),
    ("/applications/{id}/keys", "get", Some("keyward:keys:read")),
    (
        "/applications/{id}/keys",
        "post",
        Some("keyward:keys:write"),
    ),
    (
        "/applications/{id}/keys/{key}",
        "get",
        Some("keyward:keys:read"),
    ),
    (
        "/applications/{id}/keys/{key}/export",
        "get",
        Some("keyward:tokens:read"),
    ),
    (
        "/applications/{id}/usage/export",
        "get",
        Some("keyward:tokens:read"),
    ),
    (
        "/applications/{id}/keys/{key}/edit",
        "get post",
        Some("keyward:keys:write"),
    ),
    (
        "/applications/{id}/keys/{key}/rotate",
        "get post",
        Some("keyward:keys:write"),
    ),
    (
        "/applications/{id}/keys/{key}/revoke",
        "get post",
        Some("keyward:keys:write"),
    ),
    ("/people", "get", Some("keyward:users:read")),
    ("/people", "post", Some("keyward:users:write")),
    ("/people/second-factor", "post", Some("keyward:users:write")),
    ("/people/{id}", "get", Some("keyward:users:read")),
    ("/people/{id}/role", "post", Some("keyward:users:write")),
    ("/people/{id}/link", "post", Some("keyward:users:write")),
    (
        "/people/{id}/second-factor/reset",
        "post",
        Some("keyward:users:write"),
    ),
    (
        "/people/{id}/remove",
        "get post",
        Some("keyward:users:write"),
    ),
    ("/accounts", "get post", Some("keyward:accounts:write")),
    (
        "/accounts/{id}/edit",
        "get post",
        Some("keyward:accounts:write"),
    ),
    (
        "/accounts/{id}/close",
        "get post",
        Some("keyward:accounts:write"),
    ),
    (
        "/accounts/{id}/delete",
        "get post",
        Some("keyward:accounts:write"),
    ),
    (
        "/accounts/{id}/reopen",
        "post",
        Some("keyward:accounts:write"),
    ),
    ("/account", "get", Some("keyward:accounts:read")),
    (
        "/account-invitations/{id}/renew",
        "post",
        Some("keyward:users:write"),
    ),
    (
        "/account-invitations/{id}/withdraw",
        "post",
        Some("keyward:users:write"),
    ),
    ("/join", "get post", None),
    ("/join/accept", "post", None),
    ("/join/decline", "post", None),
    ("/switch-account", "post", None),
    ("/profile/accounts/{id}/leave", "get post", None),
    ("/account", "post", Some("keyward:users:write")),
    (
        "/accounts/{id}/second-factor",
        "post",
        Some("keyward:users:write"),
    ),
    (
        "/applications/{id}/trust-rules",
        "get",
        Some("keyward:trust-rules:read"),
    ),
    (
        "/applications/{id}/trust-rules/new",
        "get post",
        Some("keyward:trust-rules:write"),
    ),
    (
        "/applications/{id}/trust-rules/test",
        "get post",
        Some("keyward:trust-rules:read"),
    ),
    (
        "/applications/{id}/trust-rules/{rule}/disable",
        "post",
        Some("keyward:trust-rules:write"),
    ),
    (
        "/applications/{id}/trust-rules/{rule}/enable",
        "post",
        Some("keyward:trust-rules:write"),
    ),
    (
        "/applications/{id}/trust-rules/{rule}/delete",
        "get post",
        Some("keyward:trust-rules:write"),
    ),
    (
        "/resource-servers",
        "get post",
        Some("keyward:resources:write"),
    ),
    (
        "/resource-servers/edit",
        "get post",
        Some("keyward:resources:write"),
    ),
    (
        "/resource-servers/delete",
        "get post",
        Some("keyward:resources:write"),
    ),
    (
        "/registration-tokens",
        "get",
        Some("keyward:registration:read"),
    ),
    (
        "/registration-tokens",
        "post",
        Some("keyward:registration:write"),
    ),
    (
        "/registration-tokens/{id}/delete",
        "get post",
        Some("keyward:registration:write"),
    ),
    ("/webhooks", "get", Some("keyward:webhooks:read")),
    ("/webhooks", "post", Some("keyward:webhooks:write")),
    ("/webhooks/new", "get", Some("keyward:webhooks:write")),
    ("/webhooks/{id}", "get", Some("keyward:webhooks:read")),
    (
        "/webhooks/{id}/edit",
        "get post",
        Some("keyward:webhooks:write"),
    ),
    (
        "/webhooks/{id}/enable",
        "post",
        Some("keyward:webhooks:write"),
    ),
    (
        "/webhooks/{id}/disable",
        "post",
        Some("keyward:webhooks:write"),
    ),
    (
        "/webhooks/{id}/test",
        "post",
        Some("keyward:webhooks:write"),
    ),
    (
        "/webhooks/{id}/rotate-secret",
        "get post",
        Some("keyward:webhooks:write"),
    ),
    (
        "/webhooks/{id}/delete",
        "get post",
        Some("keyward:webhooks:write"),
    ),
    (
        "/webhooks/{id}/deliveries/{delivery_id}",
        "get",
        Some("keyward:webhooks:read"),
    ),
    (
        "/webhooks/{id}/deliveries/{delivery_id}/resend",
        "post",
        Some("keyward:webhooks:write"),
    ),
    ("/signing-keys", "get", Some("keyward:signing-keys:read")),
    (
        "/signing-keys/rotate",
        "post",
        Some("keyward:signing-keys:write"),
    ),
    (
        "/signing-keys/{kid}/retire",
        "get post",
        Some("keyward:signing-keys:write"),
    ),
    ("/announcements", "get", Some("keyward:announcements:read")),
    (
        "/announcements",
        "post",
        Some("keyward:announcements:write"),
    ),
    (
        "/announcements/{id}/edit",
        "get post",
        Some("keyward:announcements:write"),
    ),
    (
        "/announcements/{id}/delete",
        "get post",
        Some("keyward:announcements:write"),
    ),
    ("/announcements/{id}/dismiss", "post", None),
    ("/status", "get", Some("keyward:status:read")),
    ("/status/mail", "get", Some("keyward:status:read")),
    ("/status/mail", "post", Some("keyward:accounts:write")),
    ("/audit/export", "get", Some("keyward:audit:read")),
    ("/audit", "get", Some("keyward:audit:read")),
];

fn routes() -> BTreeSet<(String, String)> {
    let each = |(path, methods, _): &(&str, &str, Option<&str>)| {
        methods
            .split(' ')
            .map(|method| ((*path).to_owned(), method.to_owned()))
            .collect::<Vec<_>>()
    };
    ROUTES.iter().flat_map(each).collect()
}

#[test]
fn every_route_of_the_portal_is_in_the_table() {
    let text = std::fs::read_to_string(repository("src/portal/mod.rs")).unwrap();
    let text: String = text
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace("at( ", "at(");
    let mut found = BTreeSet::new();
    for route in text.split(".service(at(\"").skip(1) {
        let (path, rest) = route.split_once('"').unwrap();
        let handlers = rest.split_once('[').unwrap().1.split_once(']').unwrap().0;
        for method in ["get", "post"] {
            if handlers.contains(&format!("{method}(")) {
                found.insert((path.to_owned(), method.to_owned()));
            }
        }
    }
    assert_eq!(found, routes());
}

on_both! {
    fn every_route_of_the_portal_is_allowed_for_the_right_roles_only(world: World) {
        world.cli(&["account", "create", "--name", "One"]);
        for (email, role) in [("vic@one.example", "viewer"), ("dan@one.example", "developer"), ("ada@one.example", "administrator")] {
            person(&world, email, role, Some("One"));
        }
        person(&world, "op@keyward.example", "operator", None);
        let node = world.start();
        let app = world.client_with(&["--account", "One", "--scope", "read"]);
        let (key, secret) = (app.api_key.split('_').nth(1).unwrap(), app.secret.split('_').nth(1).unwrap());
        let people = world.cli(&["user", "list"]);
        let vic = people.as_array().unwrap().iter().find(|user| user["email"] == "vic@one.example").unwrap()["id"].as_str().unwrap();
        let account = world.cli(&["account", "list"])[0]["id"].as_str().unwrap().to_owned();
        let initial = world.cli(&["registration-token", "create", "--account", "One"]);
        let rule = world.cli(&["trust-rule", "create", &app.id, "--trusted-issuer", "https://id.example", "--condition", "sub=batch"]);
        let rule = rule["id"].as_str().unwrap();
        let hook = world.cli(&["webhook", "create", "https://one.example/", "--account", "One", "--event", "account.create"]);
        let hook = hook["id"].as_str().unwrap();
        let kid = node.kids()[0].clone();
        let real = |path: &str| {
            let id = if path.starts_with("/people") { vic } else if path.starts_with("/accounts") { &account } else if path.starts_with("/registration-tokens") { initial["id"].as_str().unwrap() } else if path.starts_with("/webhooks") { hook } else { &app.id };
            path.replace("{id}", id).replace("{key}", key).replace("{secret}", secret).replace("{kid}", &kid).replace("{rule}", rule).replace("{delivery_id}", "nothing")
        };
        let written = || world.count("SELECT count(*) FROM audit WHERE action NOT LIKE '%.failure'");
        let form = [("name", "x"), ("email", "x@one.example"), ("role", "viewer"), ("grace", "0s"), ("identifier", "urn:x"), ("uses", "1"), ("required", "on")];
        for (email, rights) in [("vic@one.example", VIEWER), ("dan@one.example", DEVELOPER), ("ada@one.example", ADMINISTRATOR), ("op@keyward.example", OPERATOR)] {
            let browser = Browser::of(&node, email);
            let before = written();
            for (path, methods, right) in ROUTES {
                let Some(right) = right else { continue };
                let (path, allowed) = (format!("/portal{}", real(path)), rights.contains(right));
                // Only an operator sees that other accounts exist.
                if methods.contains("get") {
                    let status = browser.get(&path).status;
                    if allowed {
                        // 400: the page of what was selected, with nothing selected.
                        assert!([200, 303, 400, 404].contains(&status), "{email} GET {path}: {status}");
                    } else {
                        assert_eq!(status, 403, "{email} GET {path}");
                    }
                }
                if methods.contains("post") && !allowed {
                    let reply = browser.act(&path, &form);
                    assert_eq!((reply.status, written()), (403, before), "{email} POST {path}: {}", reply.body);
                }
            }
        }
    }
}

fn initial(world: &World, flags: &[&str]) -> String {
    world.cli(&[&["registration-token", "create"], flags].concat())["token"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn refused(reply: &Reply, status: u16, what: &str) {
    assert_eq!(reply.status, status, "{}", reply.body);
    assert!(
        reply.body.contains(what),
        "{what} is not named: {}",
        reply.body
    );
}

on_both! {
    fn a_client_that_registers_itself_gets_no_rights(world: World) {
        world.cli(&["account", "create", "--name", "Partner"]);
        // Scopes without the prefix belong to other APIs, and give no rights over Keyward.
        let words = "users:read users:write operator";
        world.cli(&["resource", "create", "--identifier", "https://crm.example", "--name", "CRM", "--scope", words]);
        let token = initial(&world, &["--account", "Partner", "--scope", words, "--resource", "https://crm.example"]);
        let node = world.start();
        let audience = node.management();
        let register = |body: Value| node.json("POST", "/oauth/register", Some(&token), &body);
        register(json!({"resources": []})).refused(400, "invalid_client_metadata");
        register(json!({"resources": [audience]})).refused(400, "invalid_client_metadata");
        register(json!({"scope": "keyward:users:write"})).refused(400, "invalid_client_metadata");
        let made = register(json!({})).json();
        assert_eq!(made["resources"], json!(["https://crm.example"]));
        let client = Client { id: made["client_id"].as_str().unwrap().into(), secret: made["client_secret"].as_str().unwrap().into(), api_key: String::new() };
        let own = made["registration_access_token"].as_str().unwrap();
        let put = |body: Value| node.json("PUT", &format!("/oauth/register/{}", client.id), Some(own), &body);
        put(json!({"client_id": client.id, "resources": []})).refused(400, "invalid_client_metadata");
        put(json!({"client_id": client.id, "resources": [audience]})).refused(400, "invalid_client_metadata");
        assert_eq!(put(json!({"client_id": client.id})).json()["resources"], json!(["https://crm.example"]));
        node.token_reply(&client, &[("resource", &audience)]).refused(400, "invalid_target");
        let new = json!({"email": "eve@partner.example", "role": "administrator"});
        assert_eq!(management(&node, &node.token(&client), "POST", "/users", &new).status, 401);

        // Nobody can grant it rights afterwards, not even an operator.
        for flags in [["--scope", "keyward:users:write"], ["--resource", &audience]] {
            assert!(world.refused(&[&["client", "update", &client.id], &flags[..]].concat()).contains("registers itself"));
        }
        for flags in [["--scope", "keyward:users:write"], ["--resource", &audience]] {
            assert!(world.refused(&[&["registration-token", "create"], &flags[..]].concat()).contains("registers itself"));
        }
        for flags in [["--registration-scope", "keyward:users:write"], ["--registration-scope", "KEYWARD:x"]] {
            assert!(world.try_start(&flags).is_err());
        }
        assert!(world.try_start(&["--issuer", "http://auth.example", "--registration-resources", "http://auth.example/api/v1"]).is_err());
    }

    fn no_resource_server_can_impersonate_keyward(world: World) {
        let node = world.start_with(&["--issuer", "https://auth.example/tenant"]);
        let create = |identifier: &str, scope: &str| ["resource", "create", "--identifier", identifier, "--name", "x", "--scope", scope].map(str::to_owned);
        each_case([
            "https://auth.example/tenant", "https://auth.example/tenant/", "HTTPS://AUTH.example/tenant", "https://auth.example:443/tenant",
            "http://auth.example/tenant", "https://auth.example/x/../tenant", "https://auth.example/tenant?x=1",
            "https://auth.example/tenant/api/v1", "https://auth.example/tenant/api/v1/", "https://auth.example/tenant/api/v1/clients",
            "https://auth.example/tenant/API/V1", "https://auth.example/tenant/%61pi/v1", "https://auth.example//tenant//api//v1",
        ], |identifier| {
            let said = world.refused(&create(identifier, "").each_ref().map(String::as_str));
            // Spellings that the parser would normalize are refused.
            let respelled = url::Url::parse(identifier).unwrap().as_str() != identifier;
            assert!(respelled || said.contains("Keyward itself"), "{identifier}: {said}");
        });
        for identifier in ["https://auth.example/orders", "https://auth.example/tenant/orders", "https://auth.example:8443/tenant", "urn:auth.example:tenant"] {
            world.cli(&create(identifier, "read").each_ref().map(String::as_str));
        }
        for scope in ["keyward:clients:read", "read keyward:anything", "Keyward:x"] {
            let words = create("urn:x", scope);
            assert!(world.refused(&words.each_ref().map(String::as_str)).contains("right over Keyward"), "{scope}");
        }
        drop(node);
    }

    fn the_management_api_is_granted_and_requested_like_any_resource(world: World) {
        world.resource("urn:orders");
        let node = world.start();
        let audience = node.management();
        // Rights without the resource, and unknown rights, are refused with the reason.
        assert!(world.refused(&["client", "create", "--name", "x", "--scope", "keyward:clients:read"]).contains(&audience));
        assert!(world.refused(&["client", "create", "--name", "x", "--scope", "keyward:nonsense", "--resource", &audience]).contains("keyward:nonsense"));
        let both = world.client_with(&["--resource", "urn:orders", "--resource", &audience, "--scope", "read keyward:clients:read keyward:operator"]);
        let token = |fields: &[(&str, &str)]| node.token_reply(&both, fields).json()["access_token"].as_str().unwrap().to_owned();
        let audience_of = |token: &str| crate::support::jwt::claims(token)["aud"].clone();
        let (all, alone, orders) = (token(&[]), token(&[("resource", &audience)]), token(&[("resource", "urn:orders")]));
        assert_eq!(audience_of(&all), json!([audience, "urn:orders"]));
        assert_eq!((audience_of(&alone), audience_of(&orders)), (json!(audience), json!("urn:orders")));
        let list = |token: &str| management(&node, token, "GET", "/clients", &Value::Null);
        assert_eq!(list(&alone).status, 200);
        refused(&list(&all), 401, &format!("resource={audience}"));
        refused(&list(&orders), 401, "another resource server");
        node.token_reply(&world.client("read"), &[("resource", &audience)]).refused(400, "invalid_target");

        // What the client loses, its tokens lose: first the resource, then a right.
        let reader = world.manager(&node, &[], "keyward:clients:read keyward:users:read");
        let held = node.token(&reader);
        world.cli(&["client", "update", &reader.id, "--scope", "keyward:users:read"]);
        within(std::time::Duration::from_secs(1), "the end of the right", || (list(&held).status == 403).then_some(()));
        world.cli(&["client", "update", &reader.id, "--scope", "", "--resource", ""]);
        within(std::time::Duration::from_secs(1), "the end of the resource", || (list(&held).status == 401).then_some(()));

        // The API can grant the resource too, by callers that have the rights, and only those
        // rights.
        let giver = world.manager(&node, &[], "keyward:operator keyward:clients:write keyward:clients:read");
        let giver = node.token(&giver);
        let new = |scope: &str| management(&node, &giver, "POST", "/clients", &json!({"name": "x", "scope": scope, "resources": [audience]}));
        assert_eq!(new("keyward:clients:read").status, 201);
        refused(&new("keyward:users:write"), 400, "keyward:users:write");
        refused(&management(&node, &giver, "POST", "/clients", &json!({"name": "x", "scope": "keyward:clients:read"})), 400, &audience);
        // Scopes without the prefix can be granted by anybody, and are not rights.
        let plain = world.client_with(&["--resource", &audience, "--scope", "clients:read operator"]);
        assert_eq!(list(&node.token(&plain)).status, 403);
    }

    fn importing_a_signing_key_requires_every_right(world: World) {
        let node = world.start();
        world.cli(&["account", "create", "--name", "One"]);
        let pem = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap().serialize_pem();
        let import = |token: &str| management(&node, token, "POST", "/signing-keys/import", &json!({"pem": pem}));
        let with = |rights: &[&str]| node.token(&world.manager(&node, &["--account", "One"], &rights.join(" ")));
        let before = node.kids();
        // The holder of a signing key can sign tokens of any client with any right.
        refused(&import(&with(&["keyward:signing-keys:write", "keyward:operator"])), 403, "keyward:accounts:read");
        for missing in OPERATOR.iter().filter(|right| **right != "keyward:signing-keys:write") {
            let others: Vec<&str> = OPERATOR.iter().copied().filter(|right| right != missing).collect();
            let what = if *missing == OPERATOR_SCOPE { "Only operators" } else { missing };
            refused(&import(&with(&others)), 403, what);
        }
        assert_eq!(node.kids(), before);
        // Rotating and retiring require only their own right: they reveal no private key.
        let keeper = with(&["keyward:signing-keys:write", "keyward:operator"]);
        let made = management(&node, &keeper, "POST", "/signing-keys/rotate", &json!({}));
        assert_eq!(made.status, 201, "{}", made.body);
        let path = format!("/signing-keys/{}/retire", made.json()["kid"].as_str().unwrap());
        assert_eq!(management(&node, &keeper, "POST", &path, &json!({})).status, 200);
        let imported = import(&with(OPERATOR));
        assert_eq!(imported.status, 201, "{}", imported.body);
        let document = node.get("/openapi.json").json();
        let description = document["paths"]["/api/v1/signing-keys/import"]["post"]["description"].as_str().unwrap().to_owned();
        assert!(description.contains("every other right"), "{description}");
    }

    fn nobody_gains_rights_over_people(world: World) {
        let node = world.start();
        world.cli(&["account", "create", "--name", "One"]);
        for (email, role) in [("ann@one.example", "administrator"), ("dev@one.example", "developer"), ("vic@one.example", "viewer")] {
            person(&world, email, role, Some("One"));
        }
        person(&world, "op@keyward.example", "operator", None);
        let with = |rights: &[&str]| node.token(&world.manager(&node, &["--account", "One"], &rights.join(" ")));
        let users = ["keyward:users:read", "keyward:users:write"];
        let alone = with(&users);
        let lifted = with(&[&users[..], &["keyward:operator"]].concat());
        let as_developer = with(&[DEVELOPER, &users].concat());
        let as_administrator = with(ADMINISTRATOR);
        let as_operator = with(OPERATOR);
        let written = || world.count("SELECT count(*) FROM audit WHERE action LIKE 'user.%' OR action LIKE 'account.%'");
        let acts = |role: &str, email: &str| {
            [
                ("POST", "/users".to_owned(), json!({"email": format!("new-{role}@one.example"), "role": role, "account": if role == "operator" { Value::Null } else { json!("One") }})),
                ("PUT", format!("/users/{email}/password"), json!({"password": "correct horse battery"})),
                ("POST", format!("/users/{email}/invitation"), Value::Null),
                ("DELETE", format!("/users/{email}/second-factor"), Value::Null),
                ("PATCH", format!("/users/{email}"), json!({"role": "viewer"})),
                ("DELETE", format!("/users/{email}"), Value::Null),
            ]
        };
        each_case([
            ("users alone", &alone, &["viewer", "developer", "administrator"][..]),
            ("users and operator", &lifted, &["viewer", "developer", "administrator", "operator"]),
            ("a developer with users", &as_developer, &["administrator"]),
        ], |(name, token, beyond)| {
            for role in beyond {
                let email = match *role { "viewer" => "vic@one.example", "developer" => "dev@one.example", "administrator" => "ann@one.example", _ => "op@keyward.example" };
                for (method, path, body) in acts(role, email) {
                    let before = written();
                    let reply = management(&node, token, method, &path, &body);
                    assert_eq!((reply.status, written()), (403, before), "{name}: {method} {path}: {}", reply.body);
                }
            }
        });
        // A change of the role cannot raise a user, and two-step verification cannot be taken away
        // from one with more rights.
        refused(&management(&node, &as_developer, "PATCH", "/users/vic@one.example", &json!({"role": "administrator"})), 403, "keyward:");
        for token in [&alone, &as_developer] {
            assert_eq!(management(&node, token, "PATCH", "/accounts/One", &json!({"requires_second_factor": false})).status, 403);
        }
        assert_eq!(management(&node, &as_administrator, "POST", "/users", &json!({"email": "x@one.example", "role": "operator"})).status, 403);
        assert_eq!(management(&node, &as_administrator, "DELETE", "/users/op@keyward.example", &Value::Null).status, 404);
        assert_eq!(management(&node, &lifted, "POST", "/users", &json!({"email": "x@one.example", "role": "operator"})).status, 403);

        // An invitation link created by a user with fewer rights ends when its user gains more.
        let link = management(&node, &as_developer, "POST", "/users/vic@one.example/invitation", &Value::Null).json()["link"].as_str().unwrap().to_owned();
        let open = || Browser::new(&node).open(&link).status;
        assert_eq!(open(), 200);
        assert_eq!(management(&node, &as_administrator, "PATCH", "/users/vic@one.example", &json!({"role": "developer"})).status, 200);
        assert_eq!(open(), 200, "it gives no more rights than its creator has");
        assert_eq!(management(&node, &as_administrator, "PATCH", "/users/vic@one.example", &json!({"role": "administrator"})).status, 200);
        assert_ne!(open(), 200);

        // A caller with all rights of the role may manage the user.
        for (token, role, email) in [(&as_developer, "developer", "dev@one.example"), (&as_administrator, "administrator", "ann@one.example"), (&as_operator, "operator", "op@keyward.example")] {
            for (method, path, body) in acts(role, email) {
                if method == "PATCH" {
                    continue;
                }
                let reply = management(&node, token, method, &path, &body);
                assert!(reply.status < 300, "{role}: {method} {path}: {}", reply.body);
            }
        }
        assert_eq!(management(&node, &as_administrator, "PATCH", "/accounts/One", &json!({"requires_second_factor": false})).status, 200);

        // An e-mail address of another account is not reported as such.
        world.cli(&["account", "create", "--name", "Two"]);
        person(&world, "bob@two.example", "viewer", Some("Two"));
        let taken = management(&node, &as_administrator, "POST", "/users", &json!({"email": "bob@two.example", "role": "viewer"}));
        assert_eq!(taken.status, 409);
        assert!(!taken.body.contains("already") && !taken.body.contains("bob@two.example"), "{}", taken.body);
    }

    fn the_right_to_introspect_cannot_be_moved(world: World) {
        world.cli(&["account", "create", "--name", "One"]);
        world.cli(&["account", "create", "--name", "Two"]);
        for identifier in ["https://crm.example", "https://pay.example"] {
            world.resource(identifier);
        }
        let node = world.start();
        let gateway = world.client_with(&["--account", "One", "--introspect", "--resource", "https://crm.example"]);
        world.client_with(&["--account", "One", "--resource", "https://pay.example"]);
        let theirs = node.token(&world.client_with(&["--account", "Two", "--scope", "pay", "--resource", "https://pay.example"]));
        person(&world, "dan@one.example", "developer", Some("One"));
        let developer = Browser::of(&node, "dan@one.example");
        let token = node.token(&world.manager(&node, &["--account", "One"], &DEVELOPER.join(" ")));
        let path = format!("/clients/{}", gateway.id);
        for resources in [json!(["https://pay.example"]), json!(["https://crm.example", "https://pay.example"]), json!([]), json!([node.management()])] {
            let reply = management(&node, &token, "PATCH", &path, &json!({"resources": resources}));
            assert_eq!(reply.status, 403, "{resources}: {}", reply.body);
        }
        let form = [("name", "A client"), ("auth_method", "client_secret_basic"), ("resources", "https://pay.example")];
        assert_eq!(developer.act(&format!("/portal/applications/{}/edit", gateway.id), &form).status, 403);
        assert!(!node.active(&gateway, &theirs));
        assert_eq!(management(&node, &token, "PATCH", &path, &json!({"name": "Gateway"})).status, 200);
        // An operator may change it, and a client may give up a part.
        world.cli(&["client", "update", &gateway.id, "--resource", "https://crm.example", "--resource", "https://pay.example"]);
        assert!(crate::support::eventually("the wider right", || node.active(&gateway, &theirs).then_some(true)));
        assert_eq!(management(&node, &token, "PATCH", &path, &json!({"resources": ["https://crm.example"]})).status, 200);
        assert!(!node.active(&gateway, &theirs));

        // A client that registered itself cannot move it either.
        let initial = initial(&world, &["--account", "One", "--resource", "https://crm.example", "--resource", "https://pay.example"]);
        let made = node.json("POST", "/oauth/register", Some(&initial), &json!({"resources": ["https://crm.example"]})).json();
        let (id, own) = (made["client_id"].as_str().unwrap(), made["registration_access_token"].as_str().unwrap());
        world.cli(&["client", "update", id, "--introspect"]);
        node.json("PUT", &format!("/oauth/register/{id}"), Some(own), &json!({"client_id": id, "resources": ["https://pay.example"]})).refused(400, "invalid_client_metadata");
    }

    fn a_registered_client_cannot_restore_removed_rights(world: World) {
        world.resource("urn:one");
        world.resource("urn:two");
        let token = initial(&world, &["--scope", "read write pay", "--resource", "urn:one", "--resource", "urn:two"]);
        let node = world.start();
        let made = node.json("POST", "/oauth/register", Some(&token), &json!({})).json();
        let client = Client { id: made["client_id"].as_str().unwrap().into(), secret: made["client_secret"].as_str().unwrap().into(), api_key: String::new() };
        let own = made["registration_access_token"].as_str().unwrap().to_owned();
        let path = format!("/oauth/register/{}", client.id);
        let put = |token: &str, body: Value| node.json("PUT", &path, Some(token), &body);
        world.cli(&["client", "update", &client.id, "--scope", "read", "--resource", "urn:one"]);
        put(&own, json!({"client_id": client.id, "scope": "read write pay"})).refused(400, "invalid_client_metadata");
        put(&own, json!({"client_id": client.id, "resources": ["urn:two"]})).refused(400, "invalid_client_metadata");
        let kept = put(&own, json!({"client_id": client.id})).json();
        assert_eq!((&kept["scope"], &kept["resources"]), (&json!("read"), &json!(["urn:one"])));
        node.token_reply(&client, &[("scope", "pay")]).refused(400, "invalid_scope");
        // Also if it had reduced its own scope before; a new name alone sets no limit.
        let modest = initial(&world, &["--scope", "read write"]);
        let modest = node.json("POST", "/oauth/register", Some(&modest), &json!({"scope": "read"})).json();
        let (id, token) = (modest["client_id"].as_str().unwrap(), modest["registration_access_token"].as_str().unwrap());
        let widen = || node.json("PUT", &format!("/oauth/register/{id}"), Some(token), &json!({"client_id": id, "scope": "read write"})).status;
        world.cli(&["client", "update", id, "--name", "Modest"]);
        assert_eq!(widen(), 200);
        assert_eq!(node.json("PUT", &format!("/oauth/register/{id}"), Some(token), &json!({"client_id": id, "scope": "read"})).status, 200);
        world.cli(&["client", "update", id, "--scope", "read"]);
        assert_eq!(widen(), 400);

        // Its registration access token is renewed and revoked by the command line and by the API.
        let renewed = world.cli(&["client", "renew-registration-token", &client.id]);
        assert_eq!(renewed["registration_client_uri"], made["registration_client_uri"]);
        let second = renewed["registration_access_token"].as_str().unwrap();
        within(std::time::Duration::from_secs(1), "the end of the first", || (node.json("GET", &path, Some(&own), &Value::Null).status == 401).then_some(()));
        assert_eq!(node.json("GET", &path, Some(second), &Value::Null).status, 200);
        world.cli(&["client", "revoke-registration-token", &client.id]);
        within(std::time::Duration::from_secs(1), "the end of the second", || (node.json("GET", &path, Some(second), &Value::Null).status == 401).then_some(()));
        node.json("DELETE", &path, Some(second), &Value::Null).refused(401, "invalid_token");
        let operator = node.token(&world.manager(&node, &[], &OPERATOR.join(" ")));
        let of_client = format!("/clients/{}/registration-access-token", client.id);
        let third = management(&node, &operator, "POST", &of_client, &Value::Null);
        assert_eq!(third.status, 201, "{}", third.body);
        let third = third.json()["registration_access_token"].as_str().unwrap().to_owned();
        assert_eq!(node.json("GET", &path, Some(&third), &Value::Null).status, 200, "at once");
        assert_eq!(management(&node, &operator, "DELETE", &of_client, &Value::Null).status, 204);
        node.json("GET", &path, Some(&third), &Value::Null).refused(401, "invalid_token");
        assert_eq!(node.token_reply(&client, &[]).status, 200, "the client stays as it is");

        // The same in the portal.
        person(&world, "op@keyward.example", "operator", None);
        let browser = Browser::of(&node, "op@keyward.example");
        let page = browser.act(&format!("/portal/applications/{}/renew-registration-token", client.id), &[]);
        let fourth = page.body.split("kwr_").nth(1).map(|rest| format!("kwr_{}", rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap())).unwrap();
        assert_eq!(node.json("GET", &path, Some(&fourth), &Value::Null).status, 200);
        assert_eq!(browser.act(&format!("/portal/applications/{}/revoke-registration-token", client.id), &[]).status, 303);
        node.json("GET", &path, Some(&fourth), &Value::Null).refused(401, "invalid_token");

        let plain = world.client("read");
        assert!(world.refused(&["client", "renew-registration-token", &plain.id]).contains("did not register itself"));
    }

    fn tokens_lose_what_their_client_loses(world: World) {
        let (one, two) = (world.resource("urn:one"), world.resource("urn:two"));
        let node = world.start();
        let client = world.client_with(&["--scope", "pay read", "--resource", "urn:one", "--resource", "urn:two"]);
        let token = node.token(&client);
        let narrow = node.token_reply(&client, &[("scope", "read"), ("resource", "urn:one")]).json()["access_token"].as_str().unwrap().to_owned();
        let verify = |query: &str| node.get_with(&format!("/verify?{query}"), &[("authorization", &bearer(&token))]).status;
        assert_eq!((node.introspect(&one, &token)["scope"].clone(), verify("scope=pay")), (json!("pay read"), 200));
        world.cli(&["client", "update", &client.id, "--scope", "read"]);
        within(std::time::Duration::from_secs(1), "the end of the scope", || (node.introspect(&one, &token)["scope"] == "read").then_some(()));
        assert_eq!((verify("scope=pay"), verify("scope=read"), verify("audience=urn:two")), (403, 200, 200));
        assert_eq!(node.introspect(&one, &narrow)["scope"], json!("read"));
        world.cli(&["client", "update", &client.id, "--resource", "urn:one"]);
        within(std::time::Duration::from_secs(1), "the end of the audience", || (node.introspect(&two, &token) == json!({"active": false})).then_some(()));
        assert_eq!(node.introspect(&one, &token)["aud"], json!("urn:one"));
        assert_eq!((verify("audience=urn:two"), verify("audience=urn:one")), (401, 200));
        world.cli(&["client", "update", &client.id, "--resource", "urn:two"]);
        within(std::time::Duration::from_secs(1), "the end of the only one", || (!node.active(&one, &narrow)).then_some(()));
        assert_eq!(node.get_with("/verify", &[("authorization", &bearer(&narrow))]).status, 401);
        assert_eq!(node.introspect(&two, &token)["aud"], json!("urn:two"));
    }

    fn an_account_learns_nothing_about_others_and_revokes_its_own_tokens(world: World) {
        for name in ["One", "Two"] {
            world.cli(&["account", "create", "--name", name]);
        }
        world.resource("urn:ours");
        world.resource("urn:theirs");
        let node = world.start();
        let audience = node.management();
        let theirs = world.client_with(&["--account", "Two", "--scope", "read", "--resource", "urn:theirs"]);
        let ours = world.client_with(&["--account", "One", "--scope", "read", "--resource", "urn:ours"]);
        let token = node.token(&world.manager(&node, &["--account", "One"], &DEVELOPER.join(" ")));

        // The id of another account's key looks like an unknown id, with a right secret and with a
        // wrong one.
        let id = |key: &str| key.split('_').nth(1).unwrap().to_owned();
        let other = world.client_with(&["--account", "Two"]).api_key;
        let swapped = with_other_id(&other, &id(&theirs.api_key));
        let nobody = with_other_id(&other, "0000000000000000");
        let inspect = |key: &str| management(&node, &token, "POST", "/tokens/inspect", &json!({"token": key})).json();
        let revoke = |key: &str| management(&node, &token, "POST", "/tokens/revoke", &json!({"token": key}));
        for key in [&theirs.api_key, &swapped] {
            assert_eq!(inspect(key), inspect(&nobody));
            let (one, none) = (revoke(key), revoke(&nobody));
            assert_eq!((one.status, &one.json()["detail"]), (none.status, &none.json()["detail"]));
        }
        assert_eq!(inspect(&with_other_id(&other, &id(&ours.api_key)))["reason_code"], json!("wrong_key"), "the reason is given for an own key");
        assert_eq!(inspect(&ours.api_key)["active"], json!(true));

        let servers = management(&node, &token, "GET", "/resource-servers", &Value::Null).json();
        assert_eq!(servers["items"].as_array().unwrap().len(), 1, "{servers}");
        assert_eq!(servers["items"][0]["identifier"], json!("urn:ours"));
        assert!(servers["items"][0].get("client_id").is_none(), "{servers}");
        let operator = node.token(&world.manager(&node, &[], &OPERATOR.join(" ")));
        let all = management(&node, &operator, "GET", "/resource-servers", &Value::Null).json();
        assert!(all["items"].as_array().unwrap().iter().all(|server| server["client_id"].is_string()) && all["items"].as_array().unwrap().len() == 2);

        // To disable a client and revoke its tokens takes the rights for those operations; anything
        // more takes all rights of the client.
        let strong = world.client_with(&["--account", "One", "--scope", &ADMINISTRATOR.join(" "), "--resource", &audience]);
        let held = node.token(&strong);
        let path = format!("/clients/{}", strong.id);
        assert_eq!(management(&node, &token, "POST", &format!("{path}/revoke-tokens"), &Value::Null).status, 204);
        assert_eq!(management(&node, &held, "GET", "/clients", &Value::Null).status, 401);
        assert_eq!(management(&node, &token, "PATCH", &path, &json!({"enabled": false, "name": "x"})).status, 403);
        assert_eq!(management(&node, &token, "PATCH", &path, &json!({"enabled": false})).status, 200);
        assert_eq!(management(&node, &token, "PATCH", &path, &json!({"enabled": true})).status, 403);
        assert_eq!(management(&node, &token, "POST", &format!("{path}/secrets"), &json!({})).status, 403);

        // The exchange of an API key is a grant type like any other.
        let grants = |body: Value| {
            let initial = initial(&world, &["--account", "One"]);
            let made = node.json("POST", "/oauth/register", Some(&initial), &body).json();
            let key = world.cli(&["key", "create", made["client_id"].as_str().unwrap(), "--name", "x"])["api_key"].as_str().unwrap().to_owned();
            node.form("/oauth/token", None, &[
                ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"), ("subject_token", &key),
                ("subject_token_type", "urn:keyward:token-type:api_key"),
            ])
        };
        grants(json!({"grant_types": []})).refused(400, "unauthorized_client");
        grants(json!({"grant_types": ["client_credentials"]})).refused(400, "unauthorized_client");
        assert_eq!(grants(json!({"grant_types": ["urn:ietf:params:oauth:grant-type:token-exchange"]})).status, 200);
    }

    fn an_account_grants_its_own_scopes_to_a_limited_number_of_clients(world: World) {
        world.cli(&["account", "create", "--name", "One"]);
        world.resource("urn:api");
        world.resource("urn:api:more");
        let node = world.start();
        world.client_with(&["--account", "One", "--scope", "read:all Write", "--resource", "urn:api:more"]);
        let token = node.token(&world.manager(&node, &["--account", "One"], &ADMINISTRATOR.join(" ")));
        let create = |scope: &str, resources: Value| management(&node, &token, "POST", "/clients", &json!({"name": "x", "scope": scope, "resources": resources}));
        assert_eq!(create("Write read:all", json!(["urn:api:more"])).status, 201);
        // Part of a scope token, another case, or a pattern does not match.
        for scope in ["read", "all", "write", "WRITE", "read%", "%", "read:al_"] {
            refused(&create(scope, json!([])), 400, scope);
        }
        refused(&create("", json!(["urn:api"])), 400, "urn:api");

        assert_eq!(world.cli(&["account", "update", "One", "--max-clients", "4"])["max_clients"], json!(4));
        assert_eq!(create("", json!([])).status, 201);
        refused(&create("", json!([])), 409, "4 clients");
        let initial = initial(&world, &["--account", "One"]);
        assert_eq!(node.json("POST", "/oauth/register", Some(&initial), &json!({})).status, 403);
        assert_eq!(management(&node, &token, "PATCH", "/accounts/One", &json!({"max_clients": 9})).status, 403);
        world.cli(&["account", "create", "--name", "Two"]);
        let operator = node.token(&world.manager(&node, &["--account", "Two"], "keyward:operator keyward:accounts:write"));
        assert_eq!(management(&node, &operator, "PATCH", "/accounts/One", &json!({"max_clients": 6})).json()["max_clients"], json!(6));
        let second_factor = json!({"requires_second_factor": true});
        assert_eq!(management(&node, &operator, "PATCH", "/accounts/One", &second_factor).status, 403);
        assert_eq!(create("", json!([])).status, 201);
        assert_eq!(node.json("POST", "/oauth/register", Some(&initial), &json!({})).status, 201);
        refused(&create("", json!([])), 409, "6 clients");
        world.client_with(&["--account", "One"]);

        // Null restores the default, and an omitted member stays; changing both requires both
        // rights, or nothing changes.
        let change = |token: &str, body: Value| management(&node, token, "PATCH", "/accounts/One", &body);
        let all = node.token(&world.manager(&node, &[], &OPERATOR.join(" ")));
        let back = change(&operator, json!({"max_clients": null}));
        assert_eq!((back.status, &back.json()["max_clients"]), (200, &Value::Null), "{}", back.body);
        assert_eq!(create("", json!([])).status, 201);
        let both = json!({"max_clients": 7, "requires_second_factor": true});
        assert_eq!(change(&operator, both.clone()).status, 403);
        assert_eq!(change(&token, both.clone()).status, 403);
        let account = || world.cli(&["account", "list"]).as_array().unwrap().iter().find(|account| account["name"] == "One").unwrap().clone();
        assert_eq!((&account()["max_clients"], &account()["requires_second_factor"]), (&Value::Null, &json!(false)));
        assert_eq!(change(&all, both).status, 200);
        assert_eq!((&account()["max_clients"], &account()["requires_second_factor"]), (&json!(7), &json!(true)));
        assert_eq!(change(&all, json!({"requires_second_factor": false})).json()["max_clients"], json!(7), "it stays");
        for body in [json!({}), json!({"max_clients": "7"}), json!({"max_clients": -1})] {
            assert_eq!(change(&all, body.clone()).status, 400, "{body}");
        }
        assert_eq!(world.cli(&["account", "update", "One", "--max-clients", "default", "--require-second-factor", "on"])["max_clients"], Value::Null);
        assert_eq!(account()["requires_second_factor"], json!(true));
        assert_eq!(world.run(&["account", "update", "One", "--max-clients", "many"]).status.code(), Some(2));
    }

    fn an_account_grants_a_scope_only_for_resource_servers_where_it_has_it(world: World) {
        world.cli(&["account", "create", "--name", "One"]);
        for identifier in ["urn:crm", "urn:bank"] {
            world.resource(identifier);
        }
        let node = world.start();
        let crm = world.client_with(&["--account", "One", "--scope", "read write", "--resource", "urn:crm"]);
        let bank = world.client_with(&["--account", "One", "--scope", "read", "--resource", "urn:bank"]);
        let token = node.token(&world.manager(&node, &["--account", "One"], &ADMINISTRATOR.join(" ")));
        let create = |scope: &str, resources: Value| management(&node, &token, "POST", "/clients", &json!({"name": "x", "scope": scope, "resources": resources}));
        let change = |client: &Client, body: Value| management(&node, &token, "PATCH", &format!("/clients/{}", client.id), &body);
        let initial = |scope: &str, resources: Value| management(&node, &token, "POST", "/registration-tokens", &json!({"scope": scope, "resources": resources}));
        let beyond = |reply: Reply| refused(&reply, 400, "the scope write for urn:bank");

        // A token has each scope token for each of its audiences.
        beyond(create("write", json!(["urn:bank"])));
        beyond(create("read write", json!(["urn:bank", "urn:crm"])));
        beyond(change(&crm, json!({"resources": ["urn:bank"]})));
        beyond(change(&crm, json!({"resources": ["urn:bank", "urn:crm"]})));
        beyond(change(&bank, json!({"scope": "read write"})));
        beyond(initial("write", json!(["urn:bank"])));
        beyond(initial("read write", json!(["urn:crm", "urn:bank"])));
        refused(&create("write", json!([])), 400, "the scope write without a resource server");
        refused(&change(&crm, json!({"resources": []})), 400, "without a resource server");

        // An account can grant what its clients have, combined from several clients and in part.
        assert_eq!(create("read", json!(["urn:bank", "urn:crm"])).status, 201);
        assert_eq!(create("write", json!(["urn:crm"])).status, 201);
        assert_eq!(create("", json!(["urn:bank"])).status, 201);
        assert_eq!(change(&crm, json!({"resources": ["urn:bank", "urn:crm"], "scope": "read"})).status, 200);
        assert_eq!(change(&crm, json!({"resources": ["urn:crm"], "scope": "read write"})).status, 200);
        assert_eq!(initial("read", json!(["urn:crm", "urn:bank"])).status, 201);

        // An operator grants more, and takes it back: a client that an operator disabled does not
        // count.
        let given = world.client_with(&["--account", "One", "--scope", "write", "--resource", "urn:bank"]);
        let made = create("write", json!(["urn:bank"]));
        assert_eq!(made.status, 201, "{}", made.body);
        for id in [&given.id, made.json()["client_id"].as_str().unwrap()] {
            world.cli(&["client", "disable", id]);
        }
        beyond(create("write", json!(["urn:bank"])));
        assert_eq!(change(&given, json!({"name": "y"})).status, 200, "the client keeps its scope");

        // A check that would read very many clients is refused, and changes nothing.
        let operator = node.token(&world.manager(&node, &[], &OPERATOR.join(" ")));
        let words: Vec<String> = (0..17).map(|number| format!("word{number}")).collect();
        for word in &words {
            let body = json!({"name": word, "account": "One", "scope": word, "resources": ["urn:crm"]});
            assert_eq!(management(&node, &operator, "POST", "/clients", &body).status, 201);
        }
        refused(&create(&words.join(" "), json!(["urn:crm"])), 400, "several clients");
        assert_eq!(create(&words[1..].join(" "), json!(["urn:crm"])).status, 201);
        assert_eq!(create(&words.join(" "), json!(["urn:crm"])).status, 201, "one more client has nearly all pairs now");
    }

    fn only_an_operator_enables_what_an_operator_disabled(world: World) {
        world.cli(&["account", "create", "--name", "One"]);
        person(&world, "dev@one.example", "developer", Some("One"));
        person(&world, "op@keyward.example", "operator", None);
        let node = world.start();
        let client = world.client_with(&["--account", "One", "--scope", "read"]);
        let developer = node.token(&world.manager(&node, &["--account", "One"], &DEVELOPER.join(" ")));
        let operator = node.token(&world.manager(&node, &[], &OPERATOR.join(" ")));
        let path = format!("/clients/{}", client.id);
        let enabled = |token: &str, on: bool| management(&node, token, "PATCH", &path, &json!({"enabled": on}));
        let by = || world.cli(&["client", "show", &client.id])["disabled_by"].clone();
        let browser = Browser::of(&node, "dev@one.example");
        let page = format!("/portal/applications/{}", client.id);

        // The account's own people enable again what they disabled, by the API and in the portal.
        assert_eq!(by(), Value::Null);
        assert_eq!(enabled(&developer, false).json()["disabled_by"], "account");
        assert_eq!(enabled(&developer, true).json()["disabled_by"], Value::Null);
        assert_eq!(browser.act(&format!("{page}/disable"), &[]).status, 303);
        assert_eq!(by(), "account");
        assert_eq!(browser.act(&format!("{page}/enable"), &[]).status, 303);
        assert_eq!(node.token_reply(&client, &[]).status, 200);

        // They cannot enable what an operator disabled, in any way, not even after disabling it
        // themselves.
        let of_operator: [(&str, &dyn Fn()); 3] = [
            ("the command line", &|| drop(world.cli(&["client", "disable", &client.id]))),
            ("the API", &|| assert_eq!(enabled(&operator, false).status, 200)),
            ("the portal", &|| assert_eq!(Browser::of(&node, "op@keyward.example").act(&format!("{page}/disable"), &[]).status, 303)),
        ];
        for (way, disable) in of_operator {
            assert_eq!(enabled(&developer, false).status, 200, "the operator's decision stays in effect");
            disable();
            assert_eq!(enabled(&developer, false).json()["disabled_by"], "operator", "{way}");
            let reply = enabled(&developer, true);
            refused(&reply, 403, "only an operator can enable it");
            assert_eq!(reply.json()["field"], "enabled");
            let shown = browser.get(&page).body;
            assert!(shown.contains("An operator disabled this application") && !shown.contains(&format!("{page}/enable\"")), "{shown}");
            let reply = browser.act(&format!("{page}/enable"), &[]);
            assert!(reply.status != 303 && reply.body.contains("Only an operator can enable it"), "{way}: {} {}", reply.status, reply.body);
            assert_eq!(by(), "operator", "{way}");
            node.token_reply(&client, &[]).refused(401, "invalid_client");
            let listed = world.run(&["client", "list"]);
            assert!(String::from_utf8_lossy(&listed.stdout).contains("operator"));
            assert_eq!(enabled(&operator, true).json()["enabled"], json!(true));
            assert_eq!(by(), Value::Null);
            assert_eq!(node.token_reply(&client, &[]).status, 200);
        }
    }

    fn a_scope_that_no_resource_server_describes_causes_a_warning(world: World) {
        world.cli(&["resource", "create", "--identifier", "urn:orders", "--name", "Orders", "--scope", "orders:read orders:write"]);
        world.resource("urn:quiet");
        let client = world.client_with(&["--scope", "orders:read", "--resource", "urn:orders"]);
        let said = |arguments: &[&str]| {
            let output = world.run(arguments);
            assert!(output.status.success());
            String::from_utf8_lossy(&output.stderr).into_owned()
        };
        each_case([
            &["client", "update", &client.id, "--scope", "orders:read bogus"][..],
            &["client", "create", "--name", "x", "--scope", "bogus orders:write", "--resource", "urn:orders"],
            &["registration-token", "create", "--scope", "bogus", "--resource", "urn:orders"],
        ], |arguments| {
            let warning = said(arguments);
            assert!(warning.contains("describes the scope bogus; they describe: orders:read orders:write"), "{arguments:?}: {warning}");
        });
        each_case([
            &["client", "update", &client.id, "--scope", "orders:read orders:write"][..],
            &["client", "update", &client.id, "--name", "Renamed"],
            // A resource server that describes no scopes may have any.
            &["client", "create", "--name", "x", "--scope", "bogus", "--resource", "urn:orders", "--resource", "urn:quiet"],
            &["client", "create", "--name", "x", "--scope", "bogus"],
        ], |arguments| {
            assert_eq!(said(arguments), "", "{arguments:?}");
        });

        // The response of the API has the warning, and the entity tag of the client.
        let node = world.start();
        let operator = node.token(&world.manager(&node, &[], &OPERATOR.join(" ")));
        let ask = |method: &str, path: &str, scope: &str| {
            management(&node, &operator, method, path, &json!({"scope": scope, "resources": ["urn:orders"]}))
        };
        let new = |scope: &str| management(&node, &operator, "POST", "/clients", &json!({"name": "x", "scope": scope, "resources": ["urn:orders"]}));
        let path = format!("/clients/{}", client.id);
        for reply in [new("bogus orders:write"), ask("PATCH", &path, "bogus orders:write"), ask("POST", "/registration-tokens", "bogus")] {
            let warnings = reply.json()["warnings"].clone();
            assert_eq!(warnings.as_array().map(Vec::len), Some(1), "{}", reply.body);
            assert!(warnings[0].as_str().unwrap().contains("describes the scope bogus; they describe: orders:read orders:write"), "{warnings}");
            if let Some(tag) = reply.header("etag") {
                assert_eq!(management(&node, &operator, "GET", &path, &Value::Null).header("etag"), Some(tag));
            }
        }
        for reply in [new("orders:write"), ask("PATCH", &path, "orders:write"), ask("POST", "/registration-tokens", "orders:write")] {
            assert!(reply.status < 300 && reply.json().get("warnings").is_none(), "{}", reply.body);
        }
        // The portal shows the warning after saving.
        person(&world, "op@keyward.example", "operator", None);
        let browser = Browser::of(&node, "op@keyward.example");
        let form = [("name", "x"), ("resources", "urn:orders"), ("more_scope", "bogus")];
        let page = format!("/portal/applications/{}", client.id);
        assert!(browser.act("/portal/applications", &form).body.contains("No resource server has bogus"));
        let saved = browser.act(&format!("{page}/edit"), &form);
        assert!(browser.get(saved.header("location").unwrap()).body.contains("No resource server has bogus"));
        assert!(!browser.get(&page).body.contains("No resource server has"), "not forever");
    }

    fn a_new_issuer_keeps_the_rights_of_clients(world: World) {
        let node = world.start_with(&["--issuer", "http://one.example"]);
        let client = world.manager(&node, &[], "keyward:clients:read");
        assert_eq!(node.management(), "http://one.example/api/v1");
        drop(node);
        let node = world.start_with(&["--issuer", "http://two.example", "--change-issuer"]);
        assert_eq!(world.cli(&["client", "show", &client.id])["resources"], json!(["http://two.example/api/v1"]));
        assert_eq!(management(&node, &node.token(&client), "GET", "/clients", &Value::Null).status, 200);
        let changed = format!("SELECT count(*) FROM audit WHERE action = 'client.update' AND actor = 'Keyward' AND target = '{}'", client.id);
        assert_eq!(world.count(&changed), 1, "the change is in the audit");
    }
}

/// An API key with this id, the secret of another key, and a valid checksum.
fn with_other_id(key: &str, id: &str) -> String {
    let parts: Vec<&str> = key.split('_').collect();
    let body = format!("{}_{id}_{}", parts[0], &parts[2][..parts[2].len() - 6]);
    format!("{body}{}", checksum(&body))
}

/// CRC-32 in base 62, as `docs/security.md` gives it.
fn checksum(text: &str) -> String {
    let mut crc = u32::MAX;
    for byte in text.bytes() {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ 0xEDB8_8320
            } else {
                crc >> 1
            };
        }
    }
    let (mut rest, digits) = (
        !crc,
        b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
    );
    let mut text: Vec<char> = Vec::new();
    for _ in 0..6 {
        text.push(char::from(digits[(rest % 62) as usize]));
        rest /= 62;
    }
    text.iter().rev().collect()
}
