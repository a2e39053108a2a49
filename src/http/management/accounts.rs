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
    requires_second_factor: Option<bool>,
    /// How many clients its own people, and registration, can bring it to. For operators, with the right
    /// `keyward:accounts:write`.
    #[schemars(range(min = 0, max = 1_000_000_000))]
    max_clients: Option<u32>,
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
        let actor = actor(&server, &request).await?;
        let (store, now) = (&server.store, Timestamp::now());
        match body(&request, payload).await? {
            Change { requires_second_factor: Some(required), max_clients: None } => {
                account::require_second_factor(store, actor.may(UsersWrite)?, &id, required, now).await
            }
            Change { requires_second_factor: None, max_clients: Some(most) } => {
                account::limit_clients(store, actor.may(AccountsWrite)?, &id, Some(most.into()), now).await
            }
            _ => Err(Error::new(Code::InvalidRequest, "Change either requires_second_factor or max_clients")),
        }
    };
    ok(&request, changed.await)
}
