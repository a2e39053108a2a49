//! `/api/v1/signing-keys`

use actix_web::web::{Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use schemars::JsonSchema;
use serde::Deserialize;

use super::*;
use crate::manage::actor::{SigningKeysRead, SigningKeysWrite};
use crate::manage::signing_key::{self, RetirementMode, SigningKeyServices};

/// A private key from elsewhere.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Import {
    /// PKCS#8, PKCS#1 or SEC1; RSA of 2048 bits or more, P-256 or Ed25519.
    pem: String,
}

/// How a key is retired.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retirement {
    /// It leaked: trust it no more, and refuse the tokens that it signed.
    #[serde(default)]
    now: bool,
}

/// GET
pub async fn list(server: Server, request: HttpRequest) -> HttpResponse {
    let page = async {
        let actor = actor(&server, &request).await?;
        let keys = signing_key::list(&server.store, actor.may(SigningKeysRead)?).await?;
        Page::of(keys, &query(&request)?, |key| &key.kid)
    };
    ok(&request, page.await)
}

/// POST `/rotate`
pub async fn rotate(server: Server, request: HttpRequest) -> HttpResponse {
    let made = async {
        let permit = actor(&server, &request).await?.may(SigningKeysWrite)?;
        let services = SigningKeyServices::of(&server).await?;
        let key = signing_key::rotate(services, permit).await?;
        Ok((StatusCode::CREATED, key))
    };
    answer(&request, made.await)
}

/// POST `/import`
pub async fn import(server: Server, request: HttpRequest, payload: Payload) -> HttpResponse {
    let made = async {
        let permit = actor(&server, &request).await?.may(SigningKeysWrite)?;
        let Import { pem } = body(&request, payload).await?;
        let services = SigningKeyServices::of(&server).await?;
        let imported = signing_key::import(services, permit, pem.as_bytes()).await;
        Ok((
            StatusCode::CREATED,
            imported.map_err(|error| error.field("pem"))?,
        ))
    };
    answer(&request, made.await)
}

/// POST `/{kid}/retire`
pub async fn retire(
    server: Server,
    request: HttpRequest,
    kid: Path<String>,
    payload: Payload,
) -> HttpResponse {
    let done = async {
        let permit = actor(&server, &request).await?.may(SigningKeysWrite)?;
        let Retirement { now } = body(&request, payload).await?;
        let mode = if now {
            RetirementMode::Immediate
        } else {
            RetirementMode::Graceful
        };
        let services = SigningKeyServices::of(&server).await?;
        signing_key::retire(services, permit, &kid, mode).await
    };
    ok(&request, done.await)
}
