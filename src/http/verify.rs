//! `/verify`: forward authentication, for nginx `auth_request`, Traefik, Caddy and Envoy.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::{error, extract};
use crate::error::{Code, Error};
use crate::oauth::AuthorizationServer;
use crate::oauth::client_credentials::parse_scope;
use crate::oauth::forward_authentication::{self, Request};

/// Any method: the one of the request that the proxy holds.
pub async fn verify(server: Data<AuthorizationServer>, request: HttpRequest) -> HttpResponse {
    let answer = async {
        let query: Vec<(String, String)> = form_urlencoded::parse(request.query_string().as_bytes()).into_owned().collect();
        if let Some((unknown, _)) = query.iter().find(|(name, _)| name != "scope" && name != "audience") {
            let unknown: String = unknown.chars().take(40).collect();
            return Err(Error::new(
                Code::InvalidRequest,
                format!("There is no parameter {unknown}; there are scope and audience"),
            ));
        }
        let all = |name: &'static str| query.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.as_str());
        let asked = Request {
            // A proxy knows no 400: what cannot be read authenticates nobody.
            authorization: extract::authorization(&request).unwrap_or_default(),
            scope: parse_scope(&all("scope").collect::<Vec<_>>().join(" "))?,
            audiences: all("audience").map(str::to_owned).collect(),
            origin: extract::origin(&server, &request),
        };
        forward_authentication::authenticate(&server, &asked).await
    };
    match answer.await {
        Ok(identity) => HttpResponse::Ok()
            .insert_header((CACHE_CONTROL, "no-store"))
            .insert_header(("X-Keyward-Client-Id", identity.client_id))
            .insert_header(("X-Keyward-Account", identity.account))
            .insert_header(("X-Keyward-Scope", identity.scope.as_str()))
            .insert_header(("X-Keyward-Token-Id", identity.token_id))
            .finish(),
        Err(refused) => error::problem(&request, &refused),
    }
}
