//! `/verify`: forward authentication, for nginx `auth_request`, Traefik, Caddy and Envoy.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::{context, error, extract};
use crate::error::{Code, Error};
use crate::oauth::AuthorizationServer;
use crate::oauth::client_credentials::parse_scope;
use crate::oauth::forward_authentication::{self, Request};

/// The longest `X-Keyward-Scope`, in bytes: with it the header of an answer stays below the 4 KiB that
/// proxies reserve for it by default (nginx's `proxy_buffer_size`).
const MAX_SCOPE_HEADER: usize = 2048;

/// Any method: the one of the request that the proxy holds.
pub async fn verify(server: Data<AuthorizationServer>, request: HttpRequest) -> HttpResponse {
    let answer = async {
        let query: Vec<(String, String)> =
            form_urlencoded::parse(request.query_string().as_bytes())
                .into_owned()
                .collect();
        if let Some((unknown, _)) = query
            .iter()
            .find(|(name, _)| name != "scope" && name != "audience")
        {
            let unknown: String = unknown.chars().take(40).collect();
            return Err(Error::new(
                Code::InvalidRequest,
                format!("There is no parameter {unknown}; there are scope and audience"),
            ));
        }
        // A variable of the proxy that is not set must not let everything pass.
        if let Some((empty, _)) = query.iter().find(|(_, value)| value.trim().is_empty()) {
            return Err(Error::new(
                Code::InvalidRequest,
                format!("The parameter {empty} is empty; leave it out to allow any {empty}"),
            ));
        }
        let all = |name: &'static str| {
            query
                .iter()
                .filter(move |(own, _)| own == name)
                .map(|(_, value)| value.as_str())
        };
        let asked = Request {
            // A proxy knows no 400: what cannot be read authenticates nobody.
            authorization: extract::authorization(&request).unwrap_or_default(),
            scope: parse_scope(&all("scope").collect::<Vec<_>>().join(" "))?,
            audiences: all("audience").map(str::to_owned).collect(),
            context: context::of(&server, &request),
        };
        Ok((
            forward_authentication::authenticate(&server, &asked).await?,
            asked.scope,
        ))
    };
    match answer.await {
        Ok((identity, asked)) => {
            let mut answer = HttpResponse::Ok();
            answer
                .insert_header((CACHE_CONTROL, "no-store"))
                .insert_header(("X-Keyward-Client-Id", identity.client_id))
                .insert_header(("X-Keyward-Account", identity.account))
                .insert_header(("X-Keyward-Token-Id", identity.token_id));
            if identity.scope.as_str().len() <= MAX_SCOPE_HEADER {
                answer.insert_header(("X-Keyward-Scope", identity.scope.as_str()));
            } else {
                // Less than there is, and never more: what was asked for, where anything was.
                answer.insert_header(("X-Keyward-Scope-Truncated", "true"));
                if !asked.is_empty() && asked.as_str().len() <= MAX_SCOPE_HEADER {
                    answer.insert_header(("X-Keyward-Scope", asked.as_str()));
                }
            }
            answer.finish()
        }
        Err(refused) => error::problem(&request, &refused),
    }
}
