//! `/api/v1/accounts`

use actix_web::web::{Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::*;
use crate::manage::account::{self, AccountPatch};
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
    /// How many clients its own people, and registration, can bring it to; null is the default. For operators,
    /// with the right `keyward:accounts:write`.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<u32>", range(min = 0, max = 1_000_000_000))]
    max_clients: Option<Option<u32>>,
}

/// Null where it is given: a value of its own.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<u32>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// GET
pub async fn list(server: Server, request: HttpRequest) -> HttpResponse {
    let page = async {
        let actor = actor(&server, &request).await?;
        let accounts = account::list(&server.store, actor.may(AccountsRead)?).await?;
        Page::of(accounts, &query(&request)?, |account| &account.id)
    };
    ok(&request, page.await)
}

/// POST
pub async fn create(server: Server, request: HttpRequest, payload: Payload) -> HttpResponse {
    let made = async {
        let creation: Creation<NewAccount> = Creation::read(&server, &request, payload).await?;
        let permit = creation.actor.may(AccountsWrite)?;
        let make = async {
            Ok(Made::again(
                account::create(&server.store, permit, &creation.body.name).await?,
            ))
        };
        let show = async |target: String| {
            let all = account::list(&server.store, creation.actor.may(AccountsRead)?).await?;
            Ok(all.into_iter().find(|account| account.id == target))
        };
        creation.once(&server, make, show).await
    };
    answer(&request, made.await)
}

/// PATCH `/{id}`
pub async fn update(
    server: Server,
    request: HttpRequest,
    id: Path<String>,
    payload: Payload,
) -> HttpResponse {
    let changed = async {
        let actor = actor(&server, &request).await?;
        let Change {
            requires_second_factor,
            max_clients,
        } = body(&request, payload).await?;
        let change = AccountPatch {
            requires_second_factor: requires_second_factor
                .map(|required| Ok::<_, Error>((actor.may(UsersWrite)?, required)))
                .transpose()?,
            max_clients: max_clients
                .map(|most| Ok::<_, Error>((actor.may(AccountsWrite)?, most)))
                .transpose()?,
        };
        account::update(&server.store, change, &id).await
    };
    ok(&request, changed.await)
}
