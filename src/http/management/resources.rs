//! `/api/v1/resource-servers`

use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};
use schemars::JsonSchema;
use serde::Deserialize;

use super::*;
use crate::manage::actor::{ResourcesRead, ResourcesWrite};
use crate::manage::resource_server::{self, TokenTyp};

/// A new resource server.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewResourceServer {
    /// Its URI, which will be the `aud` of its tokens.
    #[schemars(length(max = 512))]
    identifier: String,
    /// What to call it.
    #[schemars(length(min = 1, max = 100))]
    name: String,
    /// The scope that it knows.
    #[serde(default)]
    scope: Scope,
    /// The header `typ` of its tokens; `at+jwt` where it is left out.
    #[serde(default)]
    token_typ: TokenTyp,
}

/// What of a resource server is to change.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The header `typ` of its tokens, from the next one on.
    token_typ: TokenTyp,
}

/// Which one.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Which {
    /// Its URI.
    identifier: String,
}

/// GET
pub async fn list(server: Server, request: HttpRequest) -> HttpResponse {
    let page = async {
        let actor = actor(&server, &request).await?;
        let servers = resource_server::list(&server.store, actor.may(ResourcesRead)?).await?;
        Page::of(servers, &query(&request)?, |server| &server.identifier)
    };
    ok(&request, page.await)
}

/// POST
pub async fn create(server: Server, request: HttpRequest, payload: Payload) -> HttpResponse {
    let made = async {
        let creation: Creation<NewResourceServer> =
            Creation::read(&server, &request, payload).await?;
        let (permit, new) = (creation.actor.may(ResourcesWrite)?, &creation.body);
        let make = async {
            let new = resource_server::NewResourceServer {
                identifier: new.identifier.clone(),
                name: new.name.clone(),
                scope: new.scope.clone(),
                token_typ: new.token_typ,
            };
            let made = resource_server::create(&server.store, permit, new).await?;
            let mut answer = Made::again(made.server.into());
            answer.client_secret = Some(made.secret.expose().to_owned());
            Ok(answer)
        };
        let show = async |target: String| {
            let all =
                resource_server::list(&server.store, creation.actor.may(ResourcesRead)?).await?;
            Ok(all.into_iter().find(|server| server.identifier == target))
        };
        creation.once(&server, make, show).await
    };
    answer(&request, made.await)
}

/// PATCH, with the identifier in the query
pub async fn update(server: Server, request: HttpRequest, payload: Payload) -> HttpResponse {
    let changed = async {
        let permit = actor(&server, &request).await?.may(ResourcesWrite)?;
        let Which { identifier } = query(&request)?;
        let Change { token_typ } = body(&request, payload).await?;
        resource_server::update(&server.store, permit, &identifier, token_typ).await
    };
    ok(&request, changed.await)
}

/// DELETE, with the identifier in the query: it is a URI.
pub async fn delete(server: Server, request: HttpRequest) -> HttpResponse {
    let done = async {
        let permit = actor(&server, &request).await?.may(ResourcesWrite)?;
        let Which { identifier } = query(&request)?;
        if identifier.contains('\0') {
            return Err(Error::new(
                Code::NotFound,
                "There is no such resource server",
            ));
        }
        resource_server::delete(&server.store, permit, &identifier).await
    };
    nothing(&request, done.await)
}
