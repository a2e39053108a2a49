//! `/api/v1/clients/{client_id}/keys`

use actix_web::web::{Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use schemars::JsonSchema;
use serde::Deserialize;

use super::*;
use crate::credential::Credential;
use crate::manage::actor::{KeysRead, KeysWrite};
use crate::manage::api_key::{self, ApiKeyView};
use crate::store::api_key::IpRanges;

/// A new API key.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// Unique among the client's keys.
    #[schemars(length(min = 1, max = 100))]
    name: String,
    /// A part of the client's scope; all of it where it is left out.
    scope: Option<Scope>,
    /// For how long it lives, in seconds; without end where it is left out.
    #[schemars(range(min = 1))]
    expires_in: Option<u32>,
    /// Addresses and ranges from which it may be presented; from anywhere where there is none.
    #[serde(default)]
    allowed_ips: Vec<String>,
    /// Whether it may manage the client's keys.
    #[serde(default)]
    manage_keys: bool,
}

fn made(key: &Credential, view: ApiKeyView) -> Made<ApiKeyView> {
    let mut answer = Made::again(view);
    answer.api_key = Some(key.expose().to_owned());
    answer.authorization = Some(api_key::authorization_header(key.expose()));
    answer
}

/// GET
pub async fn list(server: Server, request: HttpRequest, client_id: Path<String>) -> HttpResponse {
    let page = async {
        let permit = actor(&server, &request).await?.may(KeysRead)?;
        let keys = api_key::list(&server.store, permit, &client_id).await?;
        Page::of(keys, &query(&request)?, |key| &key.id)
    };
    ok(&request, page.await)
}

/// POST
pub async fn create(
    server: Server,
    request: HttpRequest,
    client_id: Path<String>,
    payload: Payload,
) -> HttpResponse {
    let made = async {
        let mut creation: Creation<NewKey> = Creation::read(&server, &request, payload).await?;
        let permit = creation.actor.may(KeysWrite)?;
        let wanted = &mut creation.body;
        let ranges = IpRanges::from_words(wanted.allowed_ips.iter().map(String::as_str));
        let now = Timestamp::now();
        let new = api_key::NewApiKey {
            name: std::mem::take(&mut wanted.name),
            scope: wanted.scope.take(),
            expires_at: wanted
                .expires_in
                .map(|seconds| now.saturating_add(Duration::from_secs(seconds.into()))),
            allowed_ips: ranges
                .map_err(|reason| Error::new(Code::InvalidRequest, reason).field("allowed_ips"))?,
            manage_keys: wanted.manage_keys,
        };
        let make = async {
            let (key, view) = api_key::create(&server.store, permit, &client_id, new).await?;
            Ok(made(&key, view))
        };
        let show = async |target: String| {
            let all =
                api_key::list(&server.store, creation.actor.may(KeysRead)?, &client_id).await?;
            Ok(all.into_iter().find(|key| key.id == target))
        };
        creation.once(&server, make, show).await
    };
    answer(&request, made.await)
}

/// POST `/{id}/rotate`
pub async fn rotate(
    server: Server,
    request: HttpRequest,
    path: Path<(String, String)>,
    payload: Payload,
) -> HttpResponse {
    let rotated = async {
        let permit = actor(&server, &request).await?.may(KeysWrite)?;
        let wanted: Rotation = body(&request, payload).await?;
        let (key, view) =
            api_key::rotate(&server.store, permit, &path.0, &path.1, wanted.grace()).await?;
        Ok((StatusCode::CREATED, made(&key, view)))
    };
    answer(&request, rotated.await)
}

/// DELETE `/{id}`
pub async fn delete(
    server: Server,
    request: HttpRequest,
    path: Path<(String, String)>,
) -> HttpResponse {
    let done = async {
        let permit = actor(&server, &request).await?.may(KeysWrite)?;
        api_key::delete(&server.store, permit, &path.0, &path.1).await
    };
    nothing(&request, done.await)
}
