//! `/api/v1/accounts`

use actix_web::web::{Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use schemars::JsonSchema;
use serde::Deserialize;

use super::*;
use crate::manage::account;
use crate::manage::actor::{AccountsRead, AccountsWrite, UsersWrite};

/// A new account.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAccount {
    /// What to call it; unique.
    #[schemars(length(min = 1, max = 100))]
    name: String,
}

/// What of an account is to change.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Whether its users must have a second factor to get into the portal.
    requires_second_factor: bool,
}

/// GET
pub async fn list(server: Server, request: HttpRequest) -> HttpResponse {
    let page = async {
        let actor = actor(&server, &request).await?;
        let accounts = account::list(&server.store, &actor.may(AccountsRead)?).await?;
        Page::of(accounts, &query(&request)?, |account| &account.id)
    };
    ok(&request, page.await)
}

/// POST
pub async fn create(server: Server, request: HttpRequest, payload: Payload) -> HttpResponse {
    let made = async {
        let creation: Creation<NewAccount> = Creation::read(&server, &request, payload).await?;
        let permit = creation.actor.may(AccountsWrite)?;
        let make =
            async { Ok(Made::again(account::create(&server.store, permit, &creation.body.name, Timestamp::now()).await?)) };
        let show = async |target: String| {
            let all = account::list(&server.store, &creation.actor.may(AccountsRead)?).await?;
            Ok(all.into_iter().find(|account| account.id == target))
        };
        creation.once(&server, make, show).await
    };
    answer(&request, made.await)
}

/// PATCH `/{id}`
pub async fn update(server: Server, request: HttpRequest, id: Path<String>, payload: Payload) -> HttpResponse {
    let changed = async {
        let permit = actor(&server, &request).await?.may(UsersWrite)?;
        let wanted: Change = body(&request, payload).await?;
        account::require_second_factor(&server.store, permit, &id, wanted.requires_second_factor, Timestamp::now()).await
    };
    ok(&request, changed.await)
}
