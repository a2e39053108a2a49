//! `/api/v1/signing-keys`

use actix_web::http::StatusCode;
use actix_web::web::{Path, Payload};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Page, ok, respond};
use crate::http::extract::ApiRequest;
use crate::http::operation::HandlerResult;
use crate::manage::actor::{SigningKeysRead, SigningKeysWrite};
use crate::manage::signing_key::{self, RetirementMode, SignatureAlgorithm, SigningKeyServices};
use crate::secret::SecretString;

/// The private key to import.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ImportSigningKey {
    /// PEM with PKCS#8, PKCS#1 or SEC1: an RSA key of 2048 bits or more, a P-256, an Ed25519
    /// or an ML-DSA-44 key.
    pem: SecretString,
    /// The algorithm that the key signs with. The default depends on the kind of the key: `RS256`,
    /// `ES256`, `EdDSA` or `ML-DSA-44`.
    algorithm: Option<SignatureAlgorithm>,
}

/// The key to create.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct RotateSigningKey {
    /// The algorithm that the key signs with; `RS256` by default. `Ed25519` and `EdDSA` are the same.
    #[serde(default)]
    algorithm: SignatureAlgorithm,
}

/// How a signing key is retired.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct RetireSigningKey {
    /// Whether the key is compromised: it is unpublished now, and all tokens that it signed are
    /// refused.
    #[serde(default)]
    now: bool,
}

/// `GET /api/v1/signing-keys`
pub(in crate::http) async fn list(api: ApiRequest) -> HandlerResult {
    let permit = api.permit(SigningKeysRead).await?;
    let keys = signing_key::list(api.store(), permit).await?;
    Ok(ok(&Page::of(keys, &api.query()?, |key| &key.kid)?))
}

/// `POST /api/v1/signing-keys/rotate`
pub(in crate::http) async fn rotate(api: ApiRequest) -> HandlerResult {
    let permit = api.permit(SigningKeysWrite).await?;
    let RotateSigningKey { algorithm } = api.query()?;
    let services = SigningKeyServices::of(&api.server).await?;
    let key = signing_key::rotate(services, permit, algorithm).await?;
    Ok(respond(StatusCode::CREATED, &key))
}

/// `POST /api/v1/signing-keys/import`
pub(in crate::http) async fn import(api: ApiRequest, payload: Payload) -> HandlerResult {
    let permit = api.permit(SigningKeysWrite).await?;
    let ImportSigningKey { pem, algorithm } = api.json(payload).await?;
    let services = SigningKeyServices::of(&api.server).await?;
    let imported = signing_key::import(services, permit, pem.expose().as_bytes(), algorithm);
    let key = imported.await.map_err(|error| error.field("pem"))?;
    Ok(respond(StatusCode::CREATED, &key))
}

/// `POST /api/v1/signing-keys/{kid}/retire`
pub(in crate::http) async fn retire(
    api: ApiRequest,
    kid: Path<String>,
    payload: Payload,
) -> HandlerResult {
    let permit = api.permit(SigningKeysWrite).await?;
    let retirement: RetireSigningKey = api.json(payload).await?;
    let mode = if retirement.now {
        RetirementMode::Immediate
    } else {
        RetirementMode::Graceful
    };
    let services = SigningKeyServices::of(&api.server).await?;
    let key = signing_key::retire(services, permit, &kid, mode).await?;
    Ok(ok(&key))
}
