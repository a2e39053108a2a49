//! `/healthz`: alive. `/readyz`: able to serve.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use super::error;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::oauth::AuthorizationServer;
use crate::store::changes;
use crate::store::signing_key::signing_at;

/// GET `/healthz`
pub async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "ok"}))
}

/// GET `/readyz`: the database was reached, and a signing key is in force and open.
pub async fn readyz(server: Data<AuthorizationServer>, request: HttpRequest) -> HttpResponse {
    let ready = async {
        server.store.lookup(changes::newest).await?;
        let keys = server.directory.signing_keys().await?;
        let key = signing_at(&keys, Timestamp::now()).ok_or_else(|| Error::unavailable("no signing key is in force"))?;
        server.signing_keys.open(key).map_err(Error::unavailable)?;
        Ok::<_, Error>(())
    };
    match ready.await {
        Ok(()) => HttpResponse::Ok().json(json!({"status": "ready"})),
        Err(unready) => error::problem(&request, &unready),
    }
}
