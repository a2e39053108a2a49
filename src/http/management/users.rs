//! `/api/v1/users`

use actix_web::web::{Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::*;
use crate::manage::actor::{UsersRead, UsersWrite};
use crate::manage::{invitation, user};
use crate::store::user::Role;

/// A new user.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// What the user signs in with.
    #[schemars(email)]
    email: String,
    role: Role,
    /// Whose, by id or name; the caller's own where it is left out.
    account: Option<String>,
}

/// A password.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPassword {
    #[schemars(length(min = 10, max = 1024))]
    password: String,
}

/// What of a user is to change.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// What the user becomes. An operator stays one, and nobody else becomes one.
    role: Role,
}

/// A link by which a user sets a password, once.
#[derive(Serialize, JsonSchema)]
pub struct Link {
    /// To be given to the user; it is in this answer and in no other.
    link: String,
    /// Until when it is good.
    expires_at: Timestamp,
}

/// GET
pub async fn list(server: Server, request: HttpRequest) -> HttpResponse {
    let page = async {
        let actor = actor(&server, &request).await?;
        let users = user::list(&server.store, actor.may(UsersRead)?).await?;
        Page::of(users, &query(&request)?, |user| &user.id)
    };
    ok(&request, page.await)
}

/// POST
pub async fn create(server: Server, request: HttpRequest, payload: Payload) -> HttpResponse {
    let made = async {
        let creation: Creation<NewUser> = Creation::read(&server, &request, payload).await?;
        let (permit, new) = (creation.actor.may(UsersWrite)?, &creation.body);
        let make = async {
            let made = user::create(
                &server.store,
                permit,
                &new.email,
                new.role,
                new.account.clone(),
            )
            .await?;
            Ok(Made::again(made))
        };
        let show = async |target: String| {
            let all = user::list(&server.store, creation.actor.may(UsersRead)?).await?;
            Ok(all.into_iter().find(|user| user.email == target))
        };
        creation.once(&server, make, show).await
    };
    answer(&request, made.await)
}

/// PUT `/{id}/password`
pub async fn set_password(
    server: Server,
    request: HttpRequest,
    id: Path<String>,
    payload: Payload,
) -> HttpResponse {
    let done = async {
        let permit = actor(&server, &request).await?.may(UsersWrite)?;
        let wanted: NewPassword = body(&request, payload).await?;
        user::set_password(
            &server.store,
            &server.passwords,
            permit,
            &id,
            wanted.password,
        )
        .await
    };
    ok(&request, done.await)
}

/// PATCH `/{id}`
pub async fn update(
    server: Server,
    request: HttpRequest,
    id: Path<String>,
    payload: Payload,
) -> HttpResponse {
    let changed = async {
        let permit = actor(&server, &request).await?.may(UsersWrite)?;
        let wanted: Change = body(&request, payload).await?;
        user::set_role(&server.store, permit, &id, wanted.role).await
    };
    ok(&request, changed.await)
}

/// POST `/{id}/invitation`
pub async fn invite(server: Server, request: HttpRequest, id: Path<String>) -> HttpResponse {
    let made = async {
        let permit = actor(&server, &request).await?.may(UsersWrite)?;
        let (link, expires_at) = invitation::create(&server.store, permit, &id).await?;
        Ok((
            StatusCode::CREATED,
            Link {
                link: invitation::url(&server.issuer, &link),
                expires_at,
            },
        ))
    };
    answer(&request, made.await)
}

/// DELETE `/{id}/second-factor`
pub async fn reset_second_factor(
    server: Server,
    request: HttpRequest,
    id: Path<String>,
) -> HttpResponse {
    let done = async {
        let permit = actor(&server, &request).await?.may(UsersWrite)?;
        user::reset_second_factor(&server.store, permit, &id).await
    };
    nothing(&request, done.await)
}

/// DELETE `/{id}`
pub async fn delete(server: Server, request: HttpRequest, id: Path<String>) -> HttpResponse {
    let done = async {
        let permit = actor(&server, &request).await?.may(UsersWrite)?;
        user::delete(&server.store, permit, &id).await
    };
    nothing(&request, done.await)
}
