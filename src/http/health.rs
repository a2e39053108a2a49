//! Health checks: `/healthz` for liveness, `/readyz` for readiness.

use actix_web::HttpResponse;
use serde_json::json;

use super::extract::ApiRequest;
use super::operation::HandlerResult;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::oauth::AuthorizationServer;
use crate::oauth::signing_keys::{SignatureAlgorithm, current_signing_key};
use crate::store::{StoreError, changes};

/// `GET /healthz`
pub(super) async fn healthz() -> HandlerResult {
    Ok(HttpResponse::Ok().json(json!({"status": "ok"})))
}

/// `GET /readyz`: the database is reached and takes changes, and the signing keys can be opened. Problems
/// with the clocks are warnings beside `ready`: a node whose clock is wrong still refuses what was
/// revoked, and with a wrong clock of the database server no node at all would be ready.
pub(super) async fn readyz(api: ApiRequest) -> HandlerResult {
    check_ready(&api.server, api.now()).await?;
    let warnings = api.server.clock.problems(api.now());
    let body = if warnings.is_empty() {
        json!({"status": "ready"})
    } else {
        json!({"status": "ready", "warnings": warnings})
    };
    Ok(HttpResponse::Ok().json(body))
}

async fn check_ready(server: &AuthorizationServer, now: Timestamp) -> Result<(), Error> {
    let unreachable =
        |error: StoreError| Error::not_ready("The database does not answer", error.to_string());
    let not_writable = |error: StoreError| {
        Error::not_ready(
            "The database takes no changes: it is read-only, full or locked",
            error.to_string(),
        )
    };
    let no_signing_key =
        |error: Error| Error::not_ready("There is no active signing key", error.reason());
    let newest_change = server.store.lookup(changes::newest).await;
    newest_change.map_err(unreachable)?;
    let writable = server.store.check_writable().await;
    writable.map_err(not_writable)?;
    let signing_keys = server.cache.signing_keys().await;
    signing_keys.map_err(unreachable)?;
    for algorithm in SignatureAlgorithm::ALL {
        let signing_key = current_signing_key(server, algorithm, now).await;
        signing_key.map_err(no_signing_key)?;
    }
    Ok(())
}
