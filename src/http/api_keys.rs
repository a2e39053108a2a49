//! `/apiKeys`: a client's own API keys, in the format that the Codat platform publishes, so that its
//! official SDKs work against Keyward unchanged. A whole key is shown only in the response that
//! creates it.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{Path, Payload};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::extract::ApiRequest;
use super::operation::HandlerResult;
use crate::clock::Timestamp;
use crate::error::{Code, Error, refusal};
use crate::manage::actor::{Actor, KeysRead, KeysWrite};
use crate::manage::api_key::{self, ApiKeyView};
use crate::oauth::authorization_header::AuthorizationHeader;
use crate::oauth::possession::Possession;
use crate::oauth::token::presented::{self, ActiveApiKey, Presentation};

/// One of the client's own API keys.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct OwnKey {
    id: String,
    name: String,
    /// The whole key in the response that creates it; otherwise its first characters.
    api_key: String,
    created_date: Timestamp,
}

impl OwnKey {
    fn new(view: ApiKeyView, api_key: Option<String>) -> Self {
        OwnKey {
            id: view.id,
            name: view.name,
            api_key: api_key.unwrap_or(view.shown),
            created_date: view.created_at,
        }
    }
}

/// The client's own API keys.
#[derive(Serialize, JsonSchema)]
pub(super) struct OwnKeys {
    results: Vec<OwnKey>,
}

/// The API key to create.
#[derive(Deserialize, JsonSchema)]
pub(super) struct CreateOwnKey {
    name: Option<String>,
}

/// `GET /apiKeys`
pub(super) async fn list(api: ApiRequest) -> HandlerResult {
    let manager = KeyManager::authenticate(&api).await?;
    let permit = manager.actor.may(KeysRead)?;
    let keys = api_key::list(api.store(), permit, manager.client_id()).await?;
    let now = api.now();
    let results = keys
        .into_iter()
        .filter(|key| key.expires_at.is_none_or(|expires_at| expires_at > now))
        .map(|view| OwnKey::new(view, None))
        .collect();
    Ok(respond(StatusCode::OK, &OwnKeys { results }))
}

/// `POST /apiKeys`
pub(super) async fn create(api: ApiRequest, payload: Payload) -> HandlerResult {
    let manager = KeyManager::authenticate(&api).await?;
    let CreateOwnKey { name } = api.json(payload).await?;
    let name = name.ok_or_else(|| Error::new(Code::InvalidRequest, "The name is missing"))?;
    let permit = manager.actor.may(KeysWrite)?;
    let (client_id, own_id) = (manager.client_id(), &manager.active.api_key.id);
    let created = api_key::create_by_key(api.store(), permit, client_id, own_id, name);
    let (key, view) = created.await?;
    let body = OwnKey::new(view, Some(key.expose().to_owned()));
    Ok(respond(StatusCode::CREATED, &body))
}

/// `DELETE /apiKeys/{id}`
pub(super) async fn delete(api: ApiRequest, id: Path<String>) -> HandlerResult {
    let manager = KeyManager::authenticate(&api).await?;
    let permit = manager.actor.may(KeysWrite)?;
    api_key::delete(api.store(), permit, manager.client_id(), &id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The caller: the bearer of an active API key that may manage the keys of its client.
struct KeyManager {
    active: ActiveApiKey,
    actor: Arc<Actor>,
}

impl KeyManager {
    async fn authenticate(api: &ApiRequest) -> Result<Self, Error> {
        let header = api.authorization()?.and_then(AuthorizationHeader::parse);
        let presented = header
            .as_ref()
            .and_then(AuthorizationHeader::token)
            .unwrap_or_default();
        let server = &api.server;
        let possession = Possession::Bearer(&api.context.client_certificate);
        let presentation = Presentation::by_sender(&api.context, possession);
        let resolved = presented::resolve_api_key(server, presented, presentation, api.now()).await;
        let active = match resolved {
            Ok(active) => active,
            Err(rejection) => {
                let refusal = Error::new(Code::InvalidToken, "No valid API key was presented");
                let refused =
                    presented::refuse(server, &api.context, presented, rejection, refusal);
                return Err(refused.await);
            }
        };
        let key = &active.api_key;
        if !key.manage_keys {
            return Err(refusal::api_key_manages_none());
        }
        let account = &active.client.account_id;
        let actor = Actor::key_manager(&key.id, account, &active.scope(), &api.context);
        Ok(KeyManager {
            active,
            actor: Arc::new(actor),
        })
    }

    fn client_id(&self) -> &str {
        &self.active.api_key.client_id
    }
}

fn respond(status: StatusCode, body: &impl Serialize) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(body)
}
