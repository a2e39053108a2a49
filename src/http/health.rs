//! `/healthz`: alive. `/readyz`: able to serve.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use super::error;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::oauth::AuthorizationServer;
use crate::oauth::token::issue::current_signing_key;
use crate::store::{StoreError, changes};

/// GET `/healthz`
pub async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "ok"}))
}

/// GET `/readyz`: the database is reached and takes changes, and a signing key is active and open. What is wrong with the
/// clocks is a warning beside `ready`: a node whose clock is wrong still refuses what was revoked, and
/// where the clock of the database is wrong no node at all would be ready.
pub async fn readyz(server: Data<AuthorizationServer>, request: HttpRequest) -> HttpResponse {
    let ready = async {
        let away =
            |error: StoreError| Error::not_ready("The database gives no answer", error.to_string());
        server.store.lookup(changes::newest).await.map_err(away)?;
        let no_writes = |error: StoreError| {
            Error::not_ready(
                "The database takes no changes: it is read-only, full or locked",
                error.to_string(),
            )
        };
        server.store.check_writable().await.map_err(no_writes)?;
        server.cache.signing_keys().await.map_err(away)?;
        let no_key =
            |error: Error| Error::not_ready("There is no signing key to sign with", error.reason());
        current_signing_key(&server, Timestamp::now())
            .await
            .map_err(no_key)?;
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
    if let Some(behind) = server.clock.behind(Timestamp::now()) {
        warnings.push(behind);
    }
    if server.clock.is_paused() {
        warnings
            .push("the clocks disagree: nothing is purged, and no key rotated by age, until they agree for ten minutes".into());
    }
    warnings
}
