//! `/api/v1/registration-tokens`

use std::time::Duration;

use actix_web::web::{Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use schemars::JsonSchema;
use serde::Deserialize;

use super::*;
use crate::manage::actor::{RegistrationRead, RegistrationWrite};
use crate::manage::registration_token;

/// A new initial access token.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRegistrationToken {
    /// Whose the clients will be, by id or name; the caller's own where it is left out.
    account: Option<String>,
    /// The most that they can have.
    #[serde(default)]
    scope: Scope,
    /// The resource servers that they can have.
    #[serde(default)]
    resources: Vec<String>,
    /// How many clients can register; any number where it is left out.
    #[schemars(range(min = 1))]
    uses: Option<u32>,
    /// For how long it lives, in seconds; without end where it is left out.
    #[schemars(range(min = 1))]
    expires_in: Option<u32>,
}

/// GET
pub async fn list(server: Server, request: HttpRequest) -> HttpResponse {
    let page = async {
        let actor = actor(&server, &request).await?;
        let tokens = registration_token::list(&server.store, actor.may(RegistrationRead)?).await?;
        Page::of(tokens, &query(&request)?, |token| &token.id)
    };
    ok(&request, page.await)
}

/// POST
pub async fn create(server: Server, request: HttpRequest, payload: Payload) -> HttpResponse {
    let made = async {
        let creation: Creation<NewRegistrationToken> =
            Creation::read(&server, &request, payload).await?;
        let (permit, wanted) = (creation.actor.may(RegistrationWrite)?, &creation.body);
        let new = registration_token::NewRegistrationToken {
            account: wanted.account.clone(),
            scope: wanted.scope.clone(),
            resources: wanted.resources.clone(),
            uses: wanted.uses.map(i64::from),
            lifetime: wanted
                .expires_in
                .map(|seconds| Duration::from_secs(seconds.into())),
        };
        let make = async {
            let (token, view, warning) =
                registration_token::create(&server.store, permit, new).await?;
            let mut answer = Made::again(view);
            answer.token = Some(token.expose().to_owned());
            answer.warnings = warning.iter().map(ToString::to_string).collect();
            Ok(answer)
        };
        let show = async |target: String| {
            let all =
                registration_token::list(&server.store, creation.actor.may(RegistrationRead)?)
                    .await?;
            Ok(all.into_iter().find(|token| token.id == target))
        };
        creation.once(&server, make, show).await
    };
    answer(&request, made.await)
}

/// DELETE `/{id}`
pub async fn delete(server: Server, request: HttpRequest, id: Path<String>) -> HttpResponse {
    let done = async {
        let permit = actor(&server, &request).await?.may(RegistrationWrite)?;
        registration_token::delete(&server.store, permit, &id).await
    };
    nothing(&request, done.await)
}
