//! `/api/v1/clients/{client_id}/keys`

use std::collections::BTreeSet;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::{Path, Payload};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Created, Creation, Page, Rotation, no_content, nullable, ok, respond};
use crate::clock::Timestamp;
use crate::credential::Credential;
use crate::error::{Code, Error, refusal};
use crate::http::extract::ApiRequest;
use crate::http::operation::HandlerResult;
use crate::manage::actor::{KeysRead, KeysWrite};
use crate::manage::api_key::{self, ApiKeyPatch, ApiKeyView, Resources};
use crate::scope::Scope;
use crate::secret::Disclosed;
use crate::store::api_key::IpRanges;

/// The API key to create.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct CreateKey {
    /// The name. It must be unique among the keys of the client.
    #[schemars(length(min = 1, max = 100))]
    name: String,
    /// A subset of the scope of the client; the whole scope of the client by default.
    scope: Option<Scope>,
    /// The lifetime in seconds; the key does not expire by default.
    #[schemars(range(min = 1))]
    expires_in: Option<u32>,
    /// The IP addresses and ranges that may present the key; all addresses by default.
    #[serde(default)]
    allowed_ips: Vec<String>,
    /// Whether the key may manage the keys of the client.
    #[serde(default)]
    manage_keys: bool,
    /// A subset of the resource servers of the client; all of them by default.
    #[schemars(length(min = 1))]
    resources: Option<Vec<String>>,
}

/// The API keys to delete, all of them or none.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct RevokeKeys {
    /// The ids of the keys.
    #[schemars(length(min = 1))]
    ids: BTreeSet<String>,
}

/// Changes of an API key. Members that are left out stay as they are.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct UpdateKey {
    /// The name. It must be unique among the keys of the client.
    #[schemars(length(min = 1, max = 100))]
    name: Option<String>,
    /// A subset of the scope of the client; null for the whole scope of the client.
    #[serde(default, deserialize_with = "nullable")]
    #[schemars(with = "Option<Scope>")]
    scope: Option<Option<Scope>>,
    /// The remaining lifetime in seconds; null for a key that does not expire.
    #[serde(default, deserialize_with = "nullable")]
    #[schemars(with = "Option<u32>", range(min = 1))]
    expires_in: Option<Option<u32>>,
    /// The IP addresses and ranges that may present the key; null for all addresses.
    #[serde(default, deserialize_with = "nullable")]
    #[schemars(with = "Option<Vec<String>>", length(min = 1))]
    allowed_ips: Option<Option<Vec<String>>>,
    /// Whether the key may manage the keys of the client.
    manage_keys: Option<bool>,
    /// A subset of the resource servers of the client; null for all of them.
    #[serde(default, deserialize_with = "nullable")]
    #[schemars(with = "Option<Vec<String>>", length(min = 1))]
    resources: Option<Option<Vec<String>>>,
}

impl UpdateKey {
    fn into_patch(self, now: Timestamp) -> Result<ApiKeyPatch, Error> {
        let allowed_ips = match self.allowed_ips {
            Some(Some(words)) if words.is_empty() => {
                return Err(refusal::api_key_no_ip_ranges().field("allowed_ips"));
            }
            Some(Some(words)) => Some(ip_ranges(&words)?),
            Some(None) => Some(IpRanges::default()),
            None => None,
        };
        let expiry = |seconds: u32| now.saturating_add(Duration::from_secs(seconds.into()));
        Ok(ApiKeyPatch {
            name: self.name,
            scope: self.scope,
            expires_at: self.expires_in.map(|seconds| seconds.map(expiry)),
            allowed_ips,
            manage_keys: self.manage_keys,
            resources: match self.resources {
                Some(Some(identifiers)) => Some(Some(resources(&identifiers)?)),
                Some(None) => Some(None),
                None => None,
            },
        })
    }
}

fn ip_ranges(words: &[String]) -> Result<IpRanges, Error> {
    IpRanges::from_words(words.iter().map(String::as_str))
        .map_err(|reason| Error::new(Code::InvalidRequest, reason).field("allowed_ips"))
}

fn resources(identifiers: &[String]) -> Result<Resources, Error> {
    Resources::parse_all(identifiers)
        .map_err(|error| Error::new(Code::InvalidRequest, error.to_string()).field("resources"))
}

fn with_key(key: &Credential, view: ApiKeyView) -> Created<ApiKeyView> {
    let mut created = Created::without_secrets(view);
    created.api_key = Some(Disclosed::new(key.expose()));
    created.authorization = Some(Disclosed::new(api_key::authorization_header(key)));
    created
}

/// `GET /api/v1/clients/{client_id}/keys`
pub(in crate::http) async fn list(api: ApiRequest, client_id: Path<String>) -> HandlerResult {
    let permit = api.permit(KeysRead).await?;
    let keys = api_key::list(api.store(), permit, &client_id).await?;
    Ok(ok(&Page::of(keys, &api.query()?, |key| &key.id)?))
}

/// `POST /api/v1/clients/{client_id}/keys`
pub(in crate::http) async fn create(
    api: ApiRequest,
    client_id: Path<String>,
    payload: Payload,
) -> HandlerResult {
    let mut creation: Creation<CreateKey> = Creation::read(&api, payload).await?;
    let permit = creation.actor.may(KeysWrite)?;
    let body = &mut creation.body;
    let allowed_ips = ip_ranges(&body.allowed_ips)?;
    let own_resources = body.resources.as_deref().map(resources).transpose()?;
    let lifetime = body
        .expires_in
        .map(|seconds| Duration::from_secs(seconds.into()));
    let new = api_key::NewApiKey {
        name: std::mem::take(&mut body.name),
        scope: body.scope.take(),
        expires_at: lifetime.map(|lifetime| api.now().saturating_add(lifetime)),
        allowed_ips,
        manage_keys: body.manage_keys,
        resources: own_resources,
    };
    let create = async {
        let created = api_key::create(api.store(), permit, &client_id, new);
        let (key, view) = created.await?;
        Ok(with_key(&key, view))
    };
    let find = async |id: String| {
        let permit = creation.actor.may(KeysRead)?;
        let all = api_key::list(api.store(), permit, &client_id).await?;
        Ok(all.into_iter().find(|key| key.id == id))
    };
    creation.run(&api, create, find).await
}

/// `PATCH /api/v1/clients/{client_id}/keys/{id}`
pub(in crate::http) async fn update(
    api: ApiRequest,
    path: Path<(String, String)>,
    payload: Payload,
) -> HandlerResult {
    let (client_id, id) = path.into_inner();
    let permit = api.permit(KeysWrite).await?;
    let changes: UpdateKey = api.json(payload).await?;
    let patch = changes.into_patch(api.now())?;
    let updated = api_key::update(api.store(), permit, &client_id, &id, patch);
    Ok(ok(&updated.await?))
}

/// `POST /api/v1/clients/{client_id}/keys/{id}/rotate`
pub(in crate::http) async fn rotate(
    api: ApiRequest,
    path: Path<(String, String)>,
    payload: Payload,
) -> HandlerResult {
    let (client_id, id) = path.into_inner();
    let permit = api.permit(KeysWrite).await?;
    let rotation: Rotation = api.json(payload).await?;
    let grace = rotation.grace();
    let rotated = api_key::rotate(api.store(), permit, &client_id, &id, grace);
    let (key, view) = rotated.await?;
    Ok(respond(StatusCode::CREATED, &with_key(&key, view)))
}

/// `POST /api/v1/clients/{client_id}/revoke-keys`
pub(in crate::http) async fn delete_all(
    api: ApiRequest,
    client_id: Path<String>,
    payload: Payload,
) -> HandlerResult {
    let permit = api.permit(KeysWrite).await?;
    let RevokeKeys { ids } = api.json(payload).await?;
    api_key::delete_all(api.store(), permit, &client_id, ids).await?;
    Ok(no_content())
}

/// `DELETE /api/v1/clients/{client_id}/keys/{id}`
pub(in crate::http) async fn delete(
    api: ApiRequest,
    path: Path<(String, String)>,
) -> HandlerResult {
    let (client_id, id) = path.into_inner();
    let permit = api.permit(KeysWrite).await?;
    api_key::delete(api.store(), permit, &client_id, &id).await?;
    Ok(no_content())
}
