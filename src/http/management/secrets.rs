//! `/api/v1/clients/{client_id}/secrets`

use actix_web::web::{Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::*;
use crate::credential::Credential;
use crate::manage::actor::{KeysRead, KeysWrite};
use crate::manage::secret;
use crate::store::client_secret::ClientSecret;

/// A new secret.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSecret {
    /// For how long it lives, in seconds; without end where it is left out.
    #[schemars(range(min = 1))]
    expires_in: Option<u32>,
}

/// A secret as management shows it: never in full.
#[derive(Serialize, JsonSchema)]
pub struct SecretView {
    pub id: String,
    pub client_id: String,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
}

impl From<ClientSecret> for SecretView {
    fn from(secret: ClientSecret) -> Self {
        let ClientSecret {
            id,
            client_id,
            created_at,
            expires_at,
            ..
        } = secret;
        SecretView {
            id,
            client_id,
            created_at,
            expires_at,
        }
    }
}

fn made(secret: &Credential, row: ClientSecret) -> Made<SecretView> {
    let mut answer = Made::again(SecretView::from(row));
    answer.client_secret = Some(secret.expose().to_owned());
    answer
}

/// GET
pub async fn list(server: Server, request: HttpRequest, client_id: Path<String>) -> HttpResponse {
    let page = async {
        let permit = actor(&server, &request).await?.may(KeysRead)?;
        let secrets = secret::list(&server.store, permit, &client_id).await?;
        let views = secrets.into_iter().map(SecretView::from).collect();
        Page::of(views, &query(&request)?, |secret| &secret.id)
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
    let done = async {
        let creation: Creation<NewSecret> = Creation::read(&server, &request, payload).await?;
        let permit = creation.actor.may(KeysWrite)?;
        let lifetime = creation
            .body
            .expires_in
            .map(|seconds| Duration::from_secs(seconds.into()));
        if lifetime.is_some_and(|lifetime| lifetime.is_zero()) {
            return Err(
                Error::new(Code::InvalidRequest, "It would have ended when it is made")
                    .field("expires_in"),
            );
        }
        let make = async {
            let (secret, row) = secret::create(&server.store, permit, &client_id, lifetime).await?;
            Ok(made(&secret, row))
        };
        let show = async |target: String| {
            let all =
                secret::list(&server.store, creation.actor.may(KeysRead)?, &client_id).await?;
            Ok(all
                .into_iter()
                .find(|secret| secret.id == target)
                .map(SecretView::from))
        };
        creation.once(&server, make, show).await
    };
    answer(&request, done.await)
}

/// POST `/rotate`
pub async fn rotate(
    server: Server,
    request: HttpRequest,
    client_id: Path<String>,
    payload: Payload,
) -> HttpResponse {
    let rotated = async {
        let permit = actor(&server, &request).await?.may(KeysWrite)?;
        let wanted: Rotation = body(&request, payload).await?;
        let (secret, row) =
            secret::rotate(&server.store, permit, &client_id, wanted.grace()).await?;
        Ok((StatusCode::CREATED, made(&secret, row)))
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
        secret::delete(&server.store, permit, &path.0, &path.1).await
    };
    nothing(&request, done.await)
}
