//! `/api/v1/clients`

use actix_web::web::{Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::*;
use crate::manage::actor::{ClientsRead, ClientsWrite, TokensRevoke};
use crate::manage::client::{self, ClientPatch, ClientView};
use crate::store::client::AuthMethod;

/// A new client.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewClient {
    /// What to call it.
    #[schemars(length(min = 1, max = 100))]
    name: String,
    /// Whose, by id or name; the caller's own where it is left out.
    account: Option<String>,
    /// The most that it may ask for.
    #[serde(default)]
    scope: Scope,
    /// The resource servers for which it may ask for tokens.
    #[serde(default)]
    resources: Vec<String>,
    /// Whether it may introspect what is meant for these.
    #[serde(default)]
    introspect: bool,
    /// How it authenticates; `client_secret_basic` where it is left out.
    auth_method: Option<AuthMethod>,
    /// Its public keys, for `private_key_jwt`: a JWK Set.
    jwks: Option<Value>,
}

/// What of a client is to change; what is left out stays.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Change {
    #[schemars(length(min = 1, max = 100))]
    name: Option<String>,
    scope: Option<Scope>,
    resources: Option<Vec<String>>,
    introspect: Option<bool>,
    auth_method: Option<AuthMethod>,
    jwks: Option<Value>,
    /// Whether anything that the client presents is taken.
    enabled: Option<bool>,
}

/// Which clients are wanted.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Which {
    /// Of this account, by id or name.
    account: Option<String>,
    #[schemars(range(min = 1, max = 200))]
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// GET
pub async fn list(server: Server, request: HttpRequest) -> HttpResponse {
    let page = async {
        let permit = actor(&server, &request).await?.may(ClientsRead)?;
        let Which {
            account,
            limit,
            cursor,
        } = query(&request)?;
        let limit = Paging {
            limit,
            cursor: None,
        }
        .limit()?;
        let rows = i64::try_from(limit + 1).unwrap_or(i64::MAX);
        let clients = client::list(&server.store, permit, account, cursor, rows).await?;
        Ok(Page::from(clients, limit, |client| &client.client_id))
    };
    ok(&request, page.await)
}

/// POST
pub async fn create(server: Server, request: HttpRequest, payload: Payload) -> HttpResponse {
    let made = async {
        let mut creation: Creation<NewClient> = Creation::read(&server, &request, payload).await?;
        let permit = creation.actor.may(ClientsWrite)?;
        let wanted = &mut creation.body;
        let new = client::NewClient {
            name: std::mem::take(&mut wanted.name),
            account: wanted.account.take(),
            scope: std::mem::take(&mut wanted.scope),
            resources: std::mem::take(&mut wanted.resources),
            may_introspect: wanted.introspect,
            auth_method: wanted.auth_method.unwrap_or(AuthMethod::ClientSecretBasic),
            jwks: wanted.jwks.take().map(|jwks| jwks.to_string()),
        };
        let make = async {
            let made = client::create(&server.store, permit, new).await?;
            let mut answer = Made::again(ClientView::from(made.client));
            answer.client_secret = made.secret.map(|secret| secret.expose().to_owned());
            answer.api_key = Some(made.api_key.expose().to_owned());
            answer.warnings = made.warning.iter().map(ToString::to_string).collect();
            Ok(answer)
        };
        let show = async |target: String| {
            client::show(&server.store, creation.actor.may(ClientsRead)?, &target)
                .await
                .map(Some)
        };
        creation.once(&server, make, show).await
    };
    answer(&request, made.await)
}

/// GET `/{client_id}`
pub async fn show(server: Server, request: HttpRequest, id: Path<String>) -> HttpResponse {
    let shown = async {
        let permit = actor(&server, &request).await?.may(ClientsRead)?;
        client::show(&server.store, permit, &id).await
    };
    tagged(&request, shown.await)
}

/// PATCH `/{client_id}`
pub async fn update(
    server: Server,
    request: HttpRequest,
    id: Path<String>,
    payload: Payload,
) -> HttpResponse {
    let changed = async {
        let permit = actor(&server, &request).await?.may(ClientsWrite)?;
        let wanted: Change = body(&request, payload).await?;
        let change = ClientPatch {
            name: wanted.name,
            scope: wanted.scope,
            resources: wanted.resources,
            may_introspect: wanted.introspect,
            auth_method: wanted.auth_method,
            jwks: wanted.jwks.map(|jwks| jwks.to_string()),
            enabled: wanted.enabled,
            expected: expected(&request),
        };
        let changed = client::update(&server.store, permit, &id, change).await?;
        let warnings = changed.warning.iter().map(ToString::to_string).collect();
        Ok(Changed {
            thing: changed.client,
            warnings,
        })
    };
    tagged_changed(&request, changed.await)
}

/// DELETE `/{client_id}`
pub async fn delete(server: Server, request: HttpRequest, id: Path<String>) -> HttpResponse {
    let done = async {
        let permit = actor(&server, &request).await?.may(ClientsWrite)?;
        client::delete(&server.store, permit, &id).await
    };
    nothing(&request, done.await)
}

/// POST `/{client_id}/revoke-tokens`
pub async fn revoke_tokens(server: Server, request: HttpRequest, id: Path<String>) -> HttpResponse {
    let done = async {
        let permit = actor(&server, &request).await?.may(TokensRevoke)?;
        client::revoke_tokens(&server.store, permit, &id)
            .await
            .map(drop)
    };
    nothing(&request, done.await)
}

/// A registration access token, and where it is presented (RFC 7592 section 3).
#[derive(Serialize, JsonSchema)]
pub struct RegistrationAccess {
    /// It is in this answer and in no other.
    registration_access_token: String,
    registration_client_uri: String,
}

/// POST `/{client_id}/registration-access-token`
pub async fn renew_registration_token(
    server: Server,
    request: HttpRequest,
    id: Path<String>,
) -> HttpResponse {
    let renewed = async {
        let permit = actor(&server, &request).await?.may(ClientsWrite)?;
        let token = client::renew_registration_token(&server.store, permit, &id).await?;
        let registration_client_uri = server.issuer.endpoint(&format!("/oauth/register/{id}"));
        let registration_access_token = token.expose().to_owned();
        Ok((
            StatusCode::CREATED,
            RegistrationAccess {
                registration_access_token,
                registration_client_uri,
            },
        ))
    };
    answer(&request, renewed.await)
}

/// DELETE `/{client_id}/registration-access-token`
pub async fn revoke_registration_token(
    server: Server,
    request: HttpRequest,
    id: Path<String>,
) -> HttpResponse {
    let done = async {
        let permit = actor(&server, &request).await?.may(ClientsWrite)?;
        client::revoke_registration_token(&server.store, permit, &id)
            .await
            .map(drop)
    };
    nothing(&request, done.await)
}
