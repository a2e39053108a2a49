//! `/api/v1/clients/{client_id}/secrets`

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::{Path, Payload};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Created, Creation, Page, Rotation, no_content, ok, respond};
use crate::clock::Timestamp;
use crate::credential::Credential;
use crate::error::{Code, Error};
use crate::http::extract::ApiRequest;
use crate::http::operation::HandlerResult;
use crate::manage::actor::{KeysRead, KeysWrite};
use crate::manage::secret;
use crate::secret::Disclosed;
use crate::store::client_secret::ClientSecret;

/// The client secret to create.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct CreateSecret {
    /// The lifetime in seconds; the secret does not expire by default.
    #[schemars(range(min = 1))]
    expires_in: Option<u32>,
}

/// A client secret without its value.
#[derive(Serialize, JsonSchema)]
pub(in crate::http) struct SecretView {
    id: String,
    client_id: String,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
}

impl From<ClientSecret> for SecretView {
    fn from(secret: ClientSecret) -> Self {
        SecretView {
            id: secret.id,
            client_id: secret.client_id,
            created_at: secret.created_at,
            expires_at: secret.expires_at,
        }
    }
}

fn with_secret(secret: &Credential, row: ClientSecret) -> Created<SecretView> {
    let mut created = Created::without_secrets(SecretView::from(row));
    created.client_secret = Some(Disclosed::new(secret.expose()));
    created
}

/// `GET /api/v1/clients/{client_id}/secrets`
pub(in crate::http) async fn list(api: ApiRequest, client_id: Path<String>) -> HandlerResult {
    let permit = api.permit(KeysRead).await?;
    let secrets = secret::list(api.store(), permit, &client_id).await?;
    let views = secrets.into_iter().map(SecretView::from).collect();
    Ok(ok(&Page::of(views, &api.query()?, |secret| &secret.id)?))
}

/// `POST /api/v1/clients/{client_id}/secrets`
pub(in crate::http) async fn create(
    api: ApiRequest,
    client_id: Path<String>,
    payload: Payload,
) -> HandlerResult {
    let creation: Creation<CreateSecret> = Creation::read(&api, payload).await?;
    let permit = creation.actor.may(KeysWrite)?;
    let lifetime = creation
        .body
        .expires_in
        .map(|seconds| Duration::from_secs(seconds.into()));
    if lifetime.is_some_and(|lifetime| lifetime.is_zero()) {
        return Err(
            Error::new(Code::InvalidRequest, "The lifetime must be positive").field("expires_in"),
        );
    }
    let create = async {
        let created = secret::create(api.store(), permit, &client_id, lifetime);
        let (secret, row) = created.await?;
        Ok(with_secret(&secret, row))
    };
    let find = async |id: String| {
        let permit = creation.actor.may(KeysRead)?;
        let all = secret::list(api.store(), permit, &client_id).await?;
        let found = all.into_iter().find(|secret| secret.id == id);
        Ok(found.map(SecretView::from))
    };
    creation.run(&api, create, find).await
}

/// `POST /api/v1/clients/{client_id}/secrets/rotate`
pub(in crate::http) async fn rotate(
    api: ApiRequest,
    client_id: Path<String>,
    payload: Payload,
) -> HandlerResult {
    let permit = api.permit(KeysWrite).await?;
    let rotation: Rotation = api.json(payload).await?;
    let rotated = secret::rotate(api.store(), permit, &client_id, rotation.grace());
    let (secret, row) = rotated.await?;
    Ok(respond(StatusCode::CREATED, &with_secret(&secret, row)))
}

/// `DELETE /api/v1/clients/{client_id}/secrets/{id}`
pub(in crate::http) async fn delete(
    api: ApiRequest,
    path: Path<(String, String)>,
) -> HandlerResult {
    let (client_id, id) = path.into_inner();
    let permit = api.permit(KeysWrite).await?;
    secret::delete(api.store(), permit, &client_id, &id).await?;
    Ok(no_content())
}
