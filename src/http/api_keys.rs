//! `/apiKeys`: a client's own keys, in the shape that the Codat platform publishes, so that its
//! official SDKs work against Keyward unchanged. The whole key is shown when it is made, and never
//! again.

use std::sync::Arc;

use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};

use super::{context, error, extract};
use crate::clock::Timestamp;
use crate::error::{Code, Error};
use crate::manage::actor::{Actor, KeysRead, KeysWrite};
use crate::manage::api_key::{self, ApiKeyView, NewApiKey};
use crate::oauth::access_token::NotInForce;
use crate::oauth::api_key::ActiveKey;
use crate::oauth::authorization::Authorization;
use crate::oauth::{self, AuthorizationServer};

type Server = Data<AuthorizationServer>;

/// One key.
#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Key {
    id: String,
    name: String,
    /// In full when it was just made; else the first characters.
    api_key: String,
    created_date: Timestamp,
}

impl Key {
    fn new(view: ApiKeyView, api_key: Option<String>) -> Self {
        Key {
            id: view.id,
            name: view.name,
            api_key: api_key.unwrap_or(view.shown),
            created_date: view.created_at,
        }
    }
}

#[derive(Serialize, schemars::JsonSchema)]
pub struct Keys {
    results: Vec<Key>,
}

#[derive(Deserialize, schemars::JsonSchema)]
pub struct Creation {
    name: Option<String>,
}

/// GET `/apiKeys`
pub async fn list(server: Server, request: HttpRequest) -> HttpResponse {
    let answer = async {
        let (key, actor) = manager(&server, &request).await?;
        let keys =
            api_key::list(&server.store, actor.may(KeysRead)?, &key.key.key.client_id).await?;
        // What has ended is no key any more.
        let now = Timestamp::now();
        let live = keys
            .into_iter()
            .filter(|key| key.expires_at.is_none_or(|end| end > now));
        Ok(HttpResponse::Ok()
            .insert_header((CACHE_CONTROL, "no-store"))
            .json(Keys {
                results: live.map(|view| Key::new(view, None)).collect(),
            }))
    };
    answer
        .await
        .unwrap_or_else(|refused: Error| error::codat(&request, &refused))
}

/// POST `/apiKeys`
pub async fn create(server: Server, request: HttpRequest, payload: Payload) -> HttpResponse {
    let answer = async {
        let (key, actor) = manager(&server, &request).await?;
        let body = extract::json_body(&request, payload, Code::InvalidRequest).await?;
        let wanted: Creation = extract::parse("body", &body)?;
        let name = wanted
            .name
            .ok_or_else(|| Error::new(Code::InvalidRequest, "The name is missing"))?;
        // Never more than its maker has, nor for longer, nor from elsewhere.
        let own = &key.key.key;
        let new = NewApiKey {
            name,
            scope: own.scope.clone(),
            expires_at: own.expires_at,
            allowed_ips: own.allowed_ips.clone(),
            manage_keys: false,
        };
        let (made, view) = api_key::create(
            &server.store,
            actor.may(KeysWrite)?,
            &key.key.key.client_id,
            new,
        )
        .await?;
        Ok(HttpResponse::Created()
            .insert_header((CACHE_CONTROL, "no-store"))
            .json(Key::new(view, Some(made.expose().to_owned()))))
    };
    answer
        .await
        .unwrap_or_else(|refused: Error| error::codat(&request, &refused))
}

/// DELETE `/apiKeys/{id}`
pub async fn delete(server: Server, request: HttpRequest, id: Path<String>) -> HttpResponse {
    let answer = async {
        let (key, actor) = manager(&server, &request).await?;
        api_key::delete(
            &server.store,
            actor.may(KeysWrite)?,
            &key.key.key.client_id,
            &id,
        )
        .await?;
        Ok(HttpResponse::NoContent().finish())
    };
    answer
        .await
        .unwrap_or_else(|refused: Error| error::codat(&request, &refused))
}

/// Who presents one of the client's own keys that may manage keys.
async fn manager(
    server: &AuthorizationServer,
    request: &HttpRequest,
) -> Result<(ActiveKey, Arc<Actor>), Error> {
    let header = extract::authorization(request)?;
    let header = header.as_deref().and_then(Authorization::parse);
    let context = context::of(server, request);
    let presented = header
        .as_ref()
        .and_then(Authorization::token)
        .unwrap_or_default();
    let key = match oauth::api_key::find(
        server,
        presented,
        Some(context.client_ip),
        context.received_at,
    )
    .await?
    {
        Ok(key) => key,
        Err(NotInForce(reason)) => {
            let refusal = Error::new(Code::InvalidToken, "No valid API key was presented");
            return Err(server
                .failed_bearer(&context, presented, &reason, refusal)
                .await);
        }
    };
    if !key.key.key.manage_keys {
        return Err(Error::new(
            Code::AccessDenied,
            "This API key may not manage keys",
        ));
    }
    let (row, client) = (&key.key.key, &key.client.client);
    let actor = Actor::key_manager(&row.id, &client.account_id, &key.scope(), &context);
    Ok((key, Arc::new(actor)))
}
