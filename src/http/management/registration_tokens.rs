//! `/api/v1/registration-tokens`

use std::time::Duration;

use actix_web::web::{Path, Payload};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Created, Creation, Page, no_content, ok};
use crate::http::extract::ApiRequest;
use crate::http::operation::HandlerResult;
use crate::manage::actor::{RegistrationRead, RegistrationWrite};
use crate::manage::registration_token::{self, NewRegistrationToken};
use crate::scope::Scope;
use crate::secret::Disclosed;

/// The initial access token to create.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct CreateRegistrationToken {
    /// The id or the name of the account that will own the clients; the caller's account by default.
    account: Option<String>,
    /// The scope that the clients can register.
    #[serde(default)]
    scope: Scope,
    /// The resource servers that the clients can register.
    #[serde(default)]
    resources: Vec<String>,
    /// How many clients can register; no limit by default.
    #[schemars(range(min = 1))]
    uses: Option<u32>,
    /// The lifetime in seconds; the token does not expire by default.
    #[schemars(range(min = 1))]
    expires_in: Option<u32>,
}

/// `GET /api/v1/registration-tokens`
pub(in crate::http) async fn list(api: ApiRequest) -> HandlerResult {
    let permit = api.permit(RegistrationRead).await?;
    let tokens = registration_token::list(api.store(), permit).await?;
    Ok(ok(&Page::of(tokens, &api.query()?, |token| &token.id)?))
}

/// `POST /api/v1/registration-tokens`
pub(in crate::http) async fn create(api: ApiRequest, payload: Payload) -> HandlerResult {
    let creation: Creation<CreateRegistrationToken> = Creation::read(&api, payload).await?;
    let permit = creation.actor.may(RegistrationWrite)?;
    let body = &creation.body;
    let new = NewRegistrationToken {
        account: body.account.clone(),
        scope: body.scope.clone(),
        resources: body.resources.clone(),
        uses: body.uses.map(i64::from),
        lifetime: body
            .expires_in
            .map(|seconds| Duration::from_secs(seconds.into())),
    };
    let create = async {
        let (token, view, warning) = registration_token::create(api.store(), permit, new).await?;
        let mut created = Created::without_secrets(view);
        created.token = Some(Disclosed::new(token.expose()));
        created.warnings = warning.iter().map(ToString::to_string).collect();
        Ok(created)
    };
    let find = async |id: String| {
        let permit = creation.actor.may(RegistrationRead)?;
        let all = registration_token::list(api.store(), permit).await?;
        Ok(all.into_iter().find(|token| token.id == id))
    };
    creation.run(&api, create, find).await
}

/// `DELETE /api/v1/registration-tokens/{id}`
pub(in crate::http) async fn delete(api: ApiRequest, id: Path<String>) -> HandlerResult {
    let permit = api.permit(RegistrationWrite).await?;
    registration_token::delete(api.store(), permit, &id).await?;
    Ok(no_content())
}
