//! The doors for machines. Every operation is in one table: its route, and its description for
//! `/openapi.json`. A handler reads the request, calls one verb and writes the answer.

use std::collections::BTreeMap;

use actix_web::guard::{Any, Get, Head, Options};
use actix_web::http::Method;
use actix_web::{Route, web};

mod api_keys;
pub mod context;
mod documents;
pub mod error;
pub mod extract;
mod forms;
mod health;
mod in_flight;
mod management;
mod metrics;
mod oauth;
mod observe;
pub mod openapi;
mod verify;
mod well_known;

pub use documents::Documents;
pub use metrics::ProcessState;
pub use observe::observe;

use crate::config::Issuer;
use crate::manage::api_key::ApiKeyView;
use crate::manage::client::ClientView;
use crate::manage::registration_token::RegistrationTokenView;
use crate::manage::resource_server::ResourceServerView;
use crate::manage::signing_key::SigningKeyView;
use crate::manage::token::{Inspection, TokenView};
use crate::manage::traffic::Traffic;
use crate::manage::user::UserView;
use crate::oauth::access_token::TokenResponse;
use crate::oauth::introspection::Introspection;
use crate::oauth::metadata::Metadata;
use crate::store::account::Account;
use crate::store::audit::AuditEntry;
use management::secrets::SecretView;
use management::{
    Changed, Made, Page, Paging, Rotation, accounts, audit, clients, keys, registration_tokens,
    resources, secrets, signing_keys, tokens, traffic, users,
};
use openapi::Operation as Op;

/// The whole API.
pub fn operations() -> Vec<Op> {
    let mut all = protocol();
    all.extend(api_keys());
    all.extend(management());
    all.extend(public());
    all
}

fn protocol() -> Vec<Op> {
    vec![
        Op::post("/oauth/token", "getToken", "Get an access token", || {
            web::post().to(oauth::token)
        })
        .form::<forms::Token>()
        .answers::<TokenResponse>(200, "The token")
        .by_client(),
        Op::post(
            "/oauth/introspect",
            "introspect",
            "Ask whether a token or an API key is in force",
            || web::post().to(oauth::introspect),
        )
        .form::<forms::Presented>()
        .answers::<Introspection>(200, "What it is")
        .by_client()
        .refuses(&[403]),
        Op::post(
            "/oauth/revoke",
            "revoke",
            "End a token or an API key",
            || web::post().to(oauth::revoke),
        )
        .form::<forms::Presented>()
        .empty(200, "It is not in force, or no longer")
        .by_client(),
        Op::post("/oauth/register", "register", "Register a client", || {
            web::post().to(oauth::register)
        })
        .json::<forms::ClientMetadata>()
        .answers::<forms::ClientInformation>(201, "The client, with what is shown this once")
        .by_registrant()
        .refuses(&[403]),
        Op::get(
            "/oauth/register/{client_id}",
            "readRegistration",
            "See what is registered",
            || get().to(oauth::read_registration),
        )
        .answers::<forms::ClientInformation>(200, "The client")
        .by_registrant(),
        Op::put(
            "/oauth/register/{client_id}",
            "updateRegistration",
            "Replace what is registered",
            || web::put().to(oauth::update_registration),
        )
        .json::<forms::ClientMetadata>()
        .answers::<forms::ClientInformation>(200, "The client")
        .by_registrant(),
        Op::delete(
            "/oauth/register/{client_id}",
            "deleteRegistration",
            "Delete the client",
            || web::delete().to(oauth::delete_registration),
        )
        .empty(204, "Deleted")
        .by_registrant(),
    ]
}

fn api_keys() -> Vec<Op> {
    vec![
        Op::get(
            "/apiKeys",
            "listOwnKeys",
            "List the client's own API keys",
            || get().to(api_keys::list),
        )
        .answers::<api_keys::Keys>(200, "Without the keys themselves")
        .by_api_key(),
        Op::post("/apiKeys", "createOwnKey", "Make an API key", || {
            web::post().to(api_keys::create)
        })
        .json::<api_keys::Creation>()
        .answers::<api_keys::Key>(201, "With the whole key, this once")
        .by_api_key()
        .refuses(&[409]),
        Op::delete("/apiKeys/{id}", "deleteOwnKey", "End an API key", || {
            web::delete().to(api_keys::delete)
        })
        .empty(204, "Ended")
        .by_api_key()
        .refuses(&[404, 409]),
    ]
}

fn management() -> Vec<Op> {
    vec![
        Op::get("/api/v1/accounts", "listAccounts", "List accounts", || get().to(accounts::list))
            .query::<Paging>()
            .answers::<Page<Account>>(200, "Accounts, by name")
            .with("keyward:accounts:read"),
        Op::post("/api/v1/accounts", "createAccount", "Make an account", || web::post().to(accounts::create))
            .json::<accounts::NewAccount>()
            .makes::<Made<Account>>()
            .with("keyward:accounts:write"),
        Op::patch(
            "/api/v1/accounts/{id}",
            "updateAccount",
            "Change whether an account requires a second factor, or its limit of clients",
            || web::patch().to(accounts::update),
        )
        .json::<accounts::Change>()
        .answers::<Account>(200, "Changed")
        .with("keyward:users:write"),
        Op::get("/api/v1/users", "listUsers", "List users", || get().to(users::list))
            .query::<Paging>()
            .answers::<Page<UserView>>(200, "Users, by e-mail address")
            .with("keyward:users:read"),
        Op::post("/api/v1/users", "createUser", "Make a user", || web::post().to(users::create))
            .json::<users::NewUser>()
            .makes::<Made<UserView>>()
            .with("keyward:users:write"),
        Op::put("/api/v1/users/{id}/password", "setPassword", "Set a user's password", || web::put().to(users::set_password))
            .json::<users::NewPassword>()
            .answers::<UserView>(200, "Set")
            .with("keyward:users:write"),
        Op::post("/api/v1/users/{id}/invitation", "inviteUser", "Make a link by which a user sets a password", || {
            web::post().to(users::invite)
        })
        .answers::<users::Link>(201, "The link, in the place of an earlier one; it is shown this once")
        .with("keyward:users:write"),
        Op::delete("/api/v1/users/{id}/second-factor", "resetSecondFactor", "Take a user's second factor away", || {
            web::delete().to(users::reset_second_factor)
        })
        .empty(204, "Taken away; the user's sessions have ended")
        .with("keyward:users:write"),
        Op::patch("/api/v1/users/{id}", "updateUser", "Change what a user is", || web::patch().to(users::update))
            .json::<users::Change>()
            .answers::<UserView>(200, "Changed")
            .with("keyward:users:write")
            .refuses(&[409]),
        Op::delete("/api/v1/users/{id}", "deleteUser", "Delete a user", || web::delete().to(users::delete))
            .empty(204, "Deleted")
            .with("keyward:users:write"),
        Op::get("/api/v1/clients", "listClients", "List clients", || get().to(clients::list))
            .query::<clients::Which>()
            .answers::<Page<ClientView>>(200, "Clients, the oldest first")
            .with("keyward:clients:read"),
        Op::post("/api/v1/clients", "createClient", "Make a client", || web::post().to(clients::create))
            .json::<clients::NewClient>()
            .makes::<Made<ClientView>>()
            .with("keyward:clients:write"),
        Op::get("/api/v1/clients/{client_id}", "showClient", "Show a client", || get().to(clients::show))
            .answers::<ClientView>(200, "With its ETag")
            .with("keyward:clients:read"),
        Op::patch("/api/v1/clients/{client_id}", "updateClient", "Change a client", || web::patch().to(clients::update))
            .json::<clients::Change>()
            .answers::<Changed<ClientView>>(200, "Changed, with its new ETag")
            .with("keyward:clients:write")
            .conditional(),
        Op::delete("/api/v1/clients/{client_id}", "deleteClient", "Delete a client", || web::delete().to(clients::delete))
            .empty(204, "Deleted, with its secrets, keys and tokens")
            .with("keyward:clients:write")
            .refuses(&[409]),
        Op::post("/api/v1/clients/{client_id}/revoke-tokens", "revokeTokens", "Revoke all of a client's tokens", || {
            web::post().to(clients::revoke_tokens)
        })
        .empty(204, "Revoked, however many there were")
        .with("keyward:tokens:revoke"),
        Op::post(
            "/api/v1/clients/{client_id}/registration-access-token",
            "renewRegistrationAccessToken",
            "Replace the registration access token of a client that registered itself",
            || web::post().to(clients::renew_registration_token),
        )
        .answers::<clients::RegistrationAccess>(201, "The new token, shown once; the previous one is refused from now on")
        .with("keyward:clients:write")
        .refuses(&[409]),
        Op::delete(
            "/api/v1/clients/{client_id}/registration-access-token",
            "revokeRegistrationAccessToken",
            "Revoke the registration access token of a client that registered itself",
            || web::delete().to(clients::revoke_registration_token),
        )
        .empty(204, "Revoked; the client itself stays as it is")
        .with("keyward:clients:write")
        .refuses(&[409]),
        Op::get("/api/v1/clients/{client_id}/secrets", "listSecrets", "List a client's secrets", || get().to(secrets::list))
            .query::<Paging>()
            .answers::<Page<SecretView>>(200, "Without the secrets themselves")
            .with("keyward:keys:read"),
        Op::post("/api/v1/clients/{client_id}/secrets", "createSecret", "Make a secret", || web::post().to(secrets::create))
            .json::<secrets::NewSecret>()
            .makes::<Made<SecretView>>()
            .with("keyward:keys:write"),
        Op::post(
            "/api/v1/clients/{client_id}/secrets/rotate",
            "rotateSecrets",
            "Make a secret that takes the place of all others",
            || web::post().to(secrets::rotate),
        )
        .json::<Rotation>()
        .answers::<Made<SecretView>>(201, "The new one; the old ones end after the grace period")
        .with("keyward:keys:write")
        .refuses(&[409]),
        Op::delete("/api/v1/clients/{client_id}/secrets/{id}", "deleteSecret", "End a secret", || {
            web::delete().to(secrets::delete)
        })
        .empty(204, "Ended")
        .with("keyward:keys:write"),
        Op::get("/api/v1/clients/{client_id}/keys", "listKeys", "List a client's API keys", || get().to(keys::list))
            .query::<Paging>()
            .answers::<Page<ApiKeyView>>(200, "Without the keys themselves")
            .with("keyward:keys:read"),
        Op::post("/api/v1/clients/{client_id}/keys", "createKey", "Make an API key", || web::post().to(keys::create))
            .json::<keys::NewKey>()
            .makes::<Made<ApiKeyView>>()
            .with("keyward:keys:write"),
        Op::post(
            "/api/v1/clients/{client_id}/keys/{id}/rotate",
            "rotateKey",
            "Make a key that takes the place of another",
            || web::post().to(keys::rotate),
        )
        .json::<Rotation>()
        .answers::<Made<ApiKeyView>>(201, "The new one; the old one ends after the grace period")
        .with("keyward:keys:write")
        .refuses(&[409]),
        Op::delete("/api/v1/clients/{client_id}/keys/{id}", "deleteKey", "End an API key", || web::delete().to(keys::delete))
            .empty(204, "Ended")
            .with("keyward:keys:write")
            .refuses(&[409]),
        Op::get("/api/v1/resource-servers", "listResourceServers", "List resource servers", || get().to(resources::list))
            .query::<Paging>()
            .answers::<Page<ResourceServerView>>(200, "Resource servers, by identifier")
            .with("keyward:resources:read"),
        Op::post("/api/v1/resource-servers", "createResourceServer", "Make a resource server", || {
            web::post().to(resources::create)
        })
        .json::<resources::NewResourceServer>()
        .makes::<Made<ResourceServerView>>()
        .with("keyward:resources:write"),
        Op::patch("/api/v1/resource-servers", "updateResourceServer", "Change the type of a resource server's tokens", || {
            web::patch().to(resources::update)
        })
        .query::<resources::Which>()
        .json::<resources::Change>()
        .answers::<ResourceServerView>(200, "Changed")
        .with("keyward:resources:write"),
        Op::delete("/api/v1/resource-servers", "deleteResourceServer", "Delete a resource server and its client", || {
            web::delete().to(resources::delete)
        })
        .query::<resources::Which>()
        .empty(204, "Deleted")
        .with("keyward:resources:write")
        .refuses(&[409]),
        Op::get("/api/v1/registration-tokens", "listRegistrationTokens", "List initial access tokens", || {
            get().to(registration_tokens::list)
        })
        .query::<Paging>()
        .answers::<Page<RegistrationTokenView>>(200, "Without the tokens themselves")
        .with("keyward:registration:read"),
        Op::post("/api/v1/registration-tokens", "createRegistrationToken", "Make an initial access token", || {
            web::post().to(registration_tokens::create)
        })
        .json::<registration_tokens::NewRegistrationToken>()
        .makes::<Made<RegistrationTokenView>>()
        .with("keyward:registration:write"),
        Op::delete("/api/v1/registration-tokens/{id}", "deleteRegistrationToken", "End an initial access token", || {
            web::delete().to(registration_tokens::delete)
        })
        .empty(204, "Ended")
        .with("keyward:registration:write"),
        Op::get("/api/v1/signing-keys", "listSigningKeys", "List the signing keys", || get().to(signing_keys::list))
            .query::<Paging>()
            .answers::<Page<SigningKeyView>>(200, "With their states")
            .with("keyward:signing-keys:read"),
        Op::post("/api/v1/signing-keys/rotate", "rotateSigningKey", "Make a signing key that takes over", || {
            web::post().to(signing_keys::rotate)
        })
        .answers::<SigningKeyView>(201, "Published now; signs once everybody can have it")
        .with("keyward:signing-keys:write"),
        Op::post("/api/v1/signing-keys/import", "importSigningKey", "Take a private key from elsewhere", || {
            web::post().to(signing_keys::import)
        })
        .json::<signing_keys::Import>()
        .answers::<SigningKeyView>(201, "Published now; signs once everybody can have it")
        .with("keyward:signing-keys:write")
        .note(
            "The caller must have every other right as well, `keyward:operator` among them: whoever knows a signing key can \
             sign tokens with any right.",
        )
        .refuses(&[409]),
        Op::post("/api/v1/signing-keys/{kid}/retire", "retireSigningKey", "End a signing key", || {
            web::post().to(signing_keys::retire)
        })
        .json::<signing_keys::Retirement>()
        .answers::<SigningKeyView>(200, "Until when it signs and is published")
        .with("keyward:signing-keys:write")
        .refuses(&[409]),
        Op::get("/api/v1/tokens", "listTokens", "List a client's tokens that have not ended", || get().to(tokens::list))
            .query::<tokens::Which>()
            .answers::<Page<TokenView>>(200, "Their records, the newest first")
            .with("keyward:tokens:read"),
        Op::post("/api/v1/tokens/inspect", "inspectToken", "Say whether a token is in force, and why not", || {
            web::post().to(tokens::inspect)
        })
        .json::<tokens::Presented>()
        .answers::<Inspection>(200, "What it is")
        .with("keyward:tokens:read"),
        Op::post("/api/v1/tokens/revoke", "revokeToken", "End a token or an API key", || web::post().to(tokens::revoke))
            .json::<tokens::Presented>()
            .empty(204, "Revoked")
            .with("keyward:tokens:revoke"),
        Op::get("/api/v1/traffic", "showTraffic", "Show what is going on", || get().to(traffic::overview))
            .answers::<Traffic>(200, "Of all nodes together, a few seconds late")
            .with("keyward:tokens:read"),
        Op::get("/api/v1/audit", "listAudit", "List who did what", || get().to(audit::list))
            .query::<audit::Which>()
            .answers::<Page<AuditEntry>>(200, "The newest first")
            .with("keyward:audit:read"),
    ]
}

fn public() -> Vec<Op> {
    vec![
        Op::get("/.well-known/jwks.json", "publishedKeys", "The keys to verify tokens with", || get().to(well_known::jwks))
            .answers_as::<forms::KeySet>(200, "A JWK Set", "application/jwk-set+json")
            .empty(304, "Not changed")
            .for_any_origin(),
        Op::get("/.well-known/oauth-authorization-server", "metadata", "What this server is and where", || {
            get().to(well_known::metadata)
        })
        .answers::<Metadata>(200, "Metadata")
        .for_any_origin(),
        Op::get("/.well-known/openid-configuration", "openidConfiguration", "The same, for libraries that look here", || {
            get().to(well_known::metadata)
        })
        .answers::<Metadata>(200, "Metadata")
        .for_any_origin(),
        // Of any method: the one of the request that the proxy holds.
        Op::get("/verify", "verify", "Let a request through, and as whom (forward authentication)", || {
            web::route().to(verify::verify)
        })
        .query::<forms::Needed>()
        .empty(200, "Let it through; X-Keyward-Client-Id, -Account, -Scope and -Token-Id say as whom. A scope of more than 2,048 bytes is narrowed to what was asked for, and X-Keyward-Scope-Truncated is true")
        .refuses(&[400, 401, 403, 429, 503]),
        Op::get("/healthz", "healthz", "Alive", || get().to(health::healthz)).answers::<forms::Health>(200, "Alive"),
        Op::get("/readyz", "readyz", "Able to serve", || get().to(health::readyz))
            .answers::<forms::Health>(200, "Able to serve")
            .refuses(&[503]),
        Op::get("/metrics", "metrics", "What is counted, for Prometheus", || get().to(metrics::metrics)).answers_as::<String>(
            200,
            "Metrics, in the Prometheus text format or, where asked for, in OpenMetrics",
            "text/plain",
        ),
        Op::get("/openapi.json", "openapi", "This document", || get().to(openapi::openapi))
            .answers::<forms::Document>(200, "OpenAPI 3.1"),
    ]
}

/// All routes; where the issuer has a path, below that path too, for proxies that leave it on.
pub fn routes(issuer: &Issuer, config: &mut web::ServiceConfig) {
    paths(config);
    if !issuer.path().is_empty() {
        // RFC 8414 section 3.1, and the same for libraries that know only the other name.
        for path in [
            issuer.metadata_path(),
            format!("/.well-known/openid-configuration{}", issuer.path()),
        ] {
            let allow = "GET, HEAD, OPTIONS".to_owned();
            let resource = web::resource(&path)
                .route(get().to(well_known::metadata))
                .route(preflight());
            config.service(resource.default_service(web::to(move |request| {
                error::wrong_method(request, allow.clone())
            })));
        }
        config.service(web::scope(issuer.path()).configure(paths));
    }
    config.default_service(web::to(error::unknown_path));
}

fn paths(config: &mut web::ServiceConfig) {
    let all = operations();
    // In the order of the table, those with parameters last: actix tries one after the other, and these take a
    // regular expression each.
    let mut order: Vec<&str> = Vec::new();
    let mut by_path: BTreeMap<&str, Vec<&Op>> = BTreeMap::new();
    for operation in &all {
        if !by_path.contains_key(operation.path) {
            order.push(operation.path);
        }
        by_path.entry(operation.path).or_default().push(operation);
    }
    order.sort_by_key(|path| path.contains('{'));
    for path in order {
        let operations = &by_path[path];
        let mut resource = web::resource(path);
        let mut allow = Vec::new();
        for operation in operations {
            resource = resource.route((operation.route)());
            allow.push(operation.method.as_str());
            if operation.method == Method::GET {
                allow.push("HEAD");
            }
        }
        if operations.iter().any(|operation| operation.any_origin) {
            resource = resource.route(preflight());
            allow.push("OPTIONS");
        }
        let allow = allow.join(", ");
        config.service(resource.default_service(web::to(move |request| {
            error::wrong_method(request, allow.clone())
        })));
    }
    // Not in the table: it has nothing to offer yet, and so nothing to describe.
    let authorize = web::resource("/oauth/authorize")
        .route(get().to(oauth::authorize))
        .route(web::post().to(oauth::authorize));
    config.service(authorize.default_service(web::to(|request| {
        error::wrong_method(request, "GET, HEAD, POST".to_owned())
    })));
    config.service(web::resource("/docs").route(get().to(openapi::docs)));
    config.service(web::resource("/docs/docs.js").route(get().to(openapi::docs_script)));
    config.service(web::resource("/docs/docs.css").route(get().to(openapi::docs_style)));
}

fn preflight() -> Route {
    web::route().guard(Options()).to(well_known::preflight)
}

fn get() -> Route {
    web::route().guard(Any(Get()).or(Head()))
}
