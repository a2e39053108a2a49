//! `/api/v1/clients/{client_id}/secrets`

use std::collections::BTreeSet;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::{Path, Payload};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Created, Creation, Page, Rotation, no_content, nullable, ok, respond};
use crate::credential::Credential;
use crate::error::{Code, Error};
use crate::http::extract::ApiRequest;
use crate::http::operation::HandlerResult;
use crate::manage::actor::{KeysRead, KeysWrite};
use crate::manage::secret::{self, NewSecret, SecretView};
use crate::secret::Disclosed;

/// The client secret to create.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct CreateSecret {
    /// The name, which need not be unique; none by default.
    #[schemars(length(min = 1, max = 100))]
    name: Option<String>,
    /// The lifetime in seconds; the secret does not expire by default.
    #[schemars(range(min = 1))]
    expires_in: Option<u32>,
}

/// The secrets to delete, all of them or none.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct DeleteSecrets {
    /// The ids of the secrets.
    #[schemars(length(min = 1))]
    ids: BTreeSet<String>,
}

/// Changes of a client secret. Members that are left out stay as they are.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct UpdateSecret {
    /// The name; null for none.
    #[serde(default, deserialize_with = "nullable")]
    #[schemars(with = "Option<String>", length(min = 1, max = 100))]
    name: Option<Option<String>>,
}

fn with_secret(secret: &Credential, view: SecretView) -> Created<SecretView> {
    let mut created = Created::without_secrets(view);
    created.client_secret = Some(Disclosed::new(secret.expose()));
    created
}

/// `GET /api/v1/clients/{client_id}/secrets`
pub(in crate::http) async fn list(api: ApiRequest, client_id: Path<String>) -> HandlerResult {
    let permit = api.permit(KeysRead).await?;
    let secrets = secret::list(api.store(), permit, &client_id).await?;
    Ok(ok(&Page::of(secrets, &api.query()?, |secret| &secret.id)?))
}

/// `POST /api/v1/clients/{client_id}/secrets`
pub(in crate::http) async fn create(
    api: ApiRequest,
    client_id: Path<String>,
    payload: Payload,
) -> HandlerResult {
    let mut creation: Creation<CreateSecret> = Creation::read(&api, payload).await?;
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
    let new = NewSecret {
        name: creation.body.name.take(),
        lifetime,
    };
    let create = async {
        let created = secret::create(api.store(), permit, &client_id, new);
        let (secret, view) = created.await?;
        Ok(with_secret(&secret, view))
    };
    let find = async |id: String| {
        let permit = creation.actor.may(KeysRead)?;
        let all = secret::list(api.store(), permit, &client_id).await?;
        Ok(all.into_iter().find(|secret| secret.id == id))
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
    let (secret, view) = rotated.await?;
    Ok(respond(StatusCode::CREATED, &with_secret(&secret, view)))
}

/// `PATCH /api/v1/clients/{client_id}/secrets/{id}`
pub(in crate::http) async fn update(
    api: ApiRequest,
    path: Path<(String, String)>,
    payload: Payload,
) -> HandlerResult {
    let (client_id, id) = path.into_inner();
    let permit = api.permit(KeysWrite).await?;
    let changes: UpdateSecret = api.json(payload).await?;
    let updated = secret::update(api.store(), permit, &client_id, &id, changes.name);
    Ok(ok(&updated.await?))
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

/// `POST /api/v1/clients/{client_id}/delete-secrets`
pub(in crate::http) async fn delete_all(
    api: ApiRequest,
    client_id: Path<String>,
    payload: Payload,
) -> HandlerResult {
    let permit = api.permit(KeysWrite).await?;
    let DeleteSecrets { ids } = api.json(payload).await?;
    secret::delete_all(api.store(), permit, &client_id, ids).await?;
    Ok(no_content())
}
