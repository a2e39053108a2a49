//! `/api/v1/accounts`

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::web::{Path, Payload};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Created, Creation, Page, nullable, ok, respond};
use crate::http::extract::ApiRequest;
use crate::http::operation::HandlerResult;
use crate::manage::account::{self, AccountPatch};
use crate::manage::account_deletion;
use crate::manage::actor::{AccountsRead, AccountsWrite, UsersWrite};
use crate::store::language::Language;

/// The account to create.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct CreateAccount {
    /// The display name. It must be unique.
    #[schemars(length(min = 1, max = 100))]
    name: String,
}

/// Changes of an account. Members that are left out stay as they are.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct UpdateAccount {
    /// The new display name. It must be unique.
    #[schemars(length(min = 1, max = 100))]
    name: Option<String>,
    /// Whether users must use two-step verification (a second factor) in the portal.
    requires_second_factor: Option<bool>,
    /// The maximum number of clients, of which users and registration can create as many as are
    /// left; null for the default. Only operators with the right `keyward:accounts:write` can change
    /// it.
    #[serde(default, deserialize_with = "nullable")]
    #[schemars(with = "Option<u32>", range(min = 0, max = 1_000_000_000))]
    max_clients: Option<Option<u32>>,
    /// The language of e-mail to users who have not chosen one; null for the server's.
    #[serde(default, deserialize_with = "nullable")]
    #[schemars(with = "Option<Language>")]
    language: Option<Option<Language>>,
}

/// The confirmation of a deletion.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct DeleteAccount {
    /// The name of the account.
    name: String,
}

/// `GET /api/v1/accounts`
pub(in crate::http) async fn list(api: ApiRequest) -> HandlerResult {
    let permit = api.permit(AccountsRead).await?;
    let accounts = account::list(api.store(), permit).await?;
    Ok(ok(&Page::of(accounts, &api.query()?, |account| {
        &account.id
    })?))
}

/// `POST /api/v1/accounts`
pub(in crate::http) async fn create(api: ApiRequest, payload: Payload) -> HandlerResult {
    let creation: Creation<CreateAccount> = Creation::read(&api, payload).await?;
    let permit = creation.actor.may(AccountsWrite)?;
    let create = async {
        let created = account::create(api.store(), permit, &creation.body.name).await?;
        Ok(Created::without_secrets(created))
    };
    let find = async |id: String| {
        let all = account::list(api.store(), creation.actor.may(AccountsRead)?).await?;
        Ok(all.into_iter().find(|account| account.id == id))
    };
    creation.run(&api, create, find).await
}

/// `GET /api/v1/accounts/{id}`
pub(in crate::http) async fn show(api: ApiRequest, id: Path<String>) -> HandlerResult {
    let permit = api.permit(AccountsRead).await?;
    Ok(ok(&account::details(api.store(), permit, &id).await?))
}

/// `POST /api/v1/accounts/{id}/close`
pub(in crate::http) async fn close(api: ApiRequest, id: Path<String>) -> HandlerResult {
    let permit = api.permit(AccountsWrite).await?;
    Ok(ok(&account::close(api.store(), permit, &id).await?))
}

/// `POST /api/v1/accounts/{id}/reopen`
pub(in crate::http) async fn reopen(api: ApiRequest, id: Path<String>) -> HandlerResult {
    let permit = api.permit(AccountsWrite).await?;
    Ok(ok(&account::reopen(api.store(), permit, &id).await?))
}

/// `POST /api/v1/accounts/{id}/delete`
pub(in crate::http) async fn delete(
    api: ApiRequest,
    id: Path<String>,
    payload: Payload,
) -> HandlerResult {
    let permit = api.permit(AccountsWrite).await?;
    let DeleteAccount { name } = api.json(payload).await?;
    let account = account_deletion::delete(api.store(), permit, &id, &name).await?;
    Ok(respond(StatusCode::ACCEPTED, &account))
}

/// `PATCH /api/v1/accounts/{id}`
pub(in crate::http) async fn update(
    api: ApiRequest,
    id: Path<String>,
    payload: Payload,
) -> HandlerResult {
    let actor = Arc::new(api.actor().await?);
    let patch: UpdateAccount = api.json(payload).await?;
    // Each change requires a right of its own.
    let requires_second_factor = match patch.requires_second_factor {
        Some(required) => Some((actor.may(UsersWrite)?, required)),
        None => None,
    };
    let name = match patch.name {
        Some(name) => Some((actor.may(UsersWrite)?, name)),
        None => None,
    };
    let max_clients = match patch.max_clients {
        Some(maximum) => Some((actor.may(AccountsWrite)?, maximum)),
        None => None,
    };
    let language = match patch.language {
        Some(language) => Some((actor.may(UsersWrite)?, language)),
        None => None,
    };
    let change = AccountPatch {
        name,
        requires_second_factor,
        max_clients,
        language,
    };
    let changed = account::update(api.store(), change, &id).await?;
    Ok(ok(&changed))
}
