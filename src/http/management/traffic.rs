//! `/api/v1/traffic`

use actix_web::{HttpRequest, HttpResponse};

use super::*;
use crate::manage::actor::TokensRead;
use crate::manage::traffic;

/// GET
pub async fn overview(server: Server, request: HttpRequest) -> HttpResponse {
    let traffic = async {
        let permit = actor(&server, &request).await?.may(TokensRead)?;
        traffic::overview(&server.store, permit).await
    };
    ok(&request, traffic.await)
}
