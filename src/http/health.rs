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

/// GET `/readyz`: the database was reached, and a signing key is active and open. What is wrong with the
/// clocks is a warning beside `ready`: a node whose clock is wrong still refuses what was revoked, and
/// where the clock of the database is wrong no node at all would be ready.
pub async fn readyz(server: Data<AuthorizationServer>, request: HttpRequest) -> HttpResponse {
    let ready = async {
        server.store.lookup(changes::newest).await?;
        let keys = server.directory.signing_keys().await?;
        let key = signing_at(&keys, Timestamp::now()).ok_or_else(|| Error::unavailable("no signing key is in force"))?;
        server.signing_keys.open(key).map_err(Error::unavailable)?;
        Ok::<_, Error>(())
    };
    match ready.await {
        Ok(()) => match warnings(&server) {
            none if none.is_empty() => HttpResponse::Ok().json(json!({"status": "ready"})),
            warnings => HttpResponse::Ok().json(json!({"status": "ready", "warnings": warnings})),
        },
        Err(unready) => error::problem(&request, &unready),
    }
}

fn warnings(server: &AuthorizationServer) -> Vec<String> {
    let mut warnings = Vec::new();
    if server.clock.differs() {
        let millis = server.clock.difference();
        warnings.push(format!("the clock of the database server is {millis} ms ahead of this machine's; let NTP set both"));
    }
    if server.clock.is_doubted() {
        warnings
            .push("the clocks disagree: nothing is purged, and no key rotated by age, until they agree for ten minutes".into());
    }
    warnings
}
