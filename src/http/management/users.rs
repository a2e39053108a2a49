//! `/api/v1/users`

use actix_web::http::StatusCode;
use actix_web::web::{Path, Payload};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Created, Creation, Page, no_content, nullable, ok, respond};
use crate::clock::{TimeZone, Timestamp};
use crate::http::extract::ApiRequest;
use crate::http::operation::HandlerResult;
use crate::manage::actor::{UsersRead, UsersWrite};
use crate::manage::user::PreferencesPatch;
use crate::manage::{invitation, user};
use crate::secret::{Disclosed, SecretString};
use crate::store::language::Language;
use crate::store::user::Role;

/// The user to create.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct CreateUser {
    /// The e-mail address with which the user signs in.
    #[schemars(email)]
    email: String,
    /// The role of the user.
    role: Role,
    /// The id or the name of the account; the caller's account by default.
    account: Option<String>,
}

/// The password to set.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct SetPassword {
    #[schemars(length(min = 10, max = 1024))]
    password: SecretString,
}

/// Changes of a user.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct UpdateUser {
    /// The new role. The role of an operator cannot be changed, and nobody can become an operator.
    role: Role,
    /// The id or the name of the account in which the user has it; the caller's account by default. An
    /// operator has to give it for a user of several accounts.
    account: Option<String>,
}

/// From which account a user is removed.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct DeleteUser {
    /// The id or the name of the account; the caller's account by default. An operator who gives none deletes
    /// the user.
    account: Option<String>,
}

/// Changes of the preferences of a user. Members that are left out stay as they are.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct SetPreferences {
    /// The language of the portal; null for that of the browser.
    #[serde(default, deserialize_with = "nullable")]
    #[schemars(with = "Option<Language>")]
    language: Option<Option<Language>>,
    /// The time zone of the times in the portal.
    time_zone: Option<TimeZone>,
    /// Whether the user gets e-mail about secrets and API keys, and about sign-ins with a new browser.
    email_notices: Option<bool>,
}

/// A link with which a user sets a password once.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct InvitationLink {
    /// The link to give to the user. No other response shows it.
    link: Disclosed,
    /// When the link expires.
    expires_at: Timestamp,
    /// Whether the link is also sent to the user by e-mail.
    mailed: bool,
}

/// `GET /api/v1/users`
pub(in crate::http) async fn list(api: ApiRequest) -> HandlerResult {
    let permit = api.permit(UsersRead).await?;
    let users = user::list(api.store(), permit).await?;
    Ok(ok(&Page::of(users, &api.query()?, |user| &user.id)?))
}

/// `POST /api/v1/users`
pub(in crate::http) async fn create(api: ApiRequest, payload: Payload) -> HandlerResult {
    let creation: Creation<CreateUser> = Creation::read(&api, payload).await?;
    let permit = creation.actor.may(UsersWrite)?;
    let body = &creation.body;
    let create = async {
        let created = user::create(
            api.store(),
            permit,
            &body.email,
            body.role,
            body.account.clone(),
        );
        Ok(Created::without_secrets(created.await?))
    };
    let find = async |email: String| {
        let all = user::list(api.store(), creation.actor.may(UsersRead)?).await?;
        Ok(all.into_iter().find(|user| user.email == email))
    };
    creation.run(&api, create, find).await
}

/// `PUT /api/v1/users/{id}/password`
pub(in crate::http) async fn set_password(
    api: ApiRequest,
    id: Path<String>,
    payload: Payload,
) -> HandlerResult {
    let permit = api.permit(UsersWrite).await?;
    let SetPassword { password } = api.json(payload).await?;
    let passwords = &api.server.passwords;
    let user = user::set_password(api.store(), passwords, permit, &id, password);
    Ok(ok(&user.await?))
}

/// `PATCH /api/v1/users/{id}`
pub(in crate::http) async fn update(
    api: ApiRequest,
    id: Path<String>,
    payload: Payload,
) -> HandlerResult {
    let permit = api.permit(UsersWrite).await?;
    let UpdateUser { role, account } = api.json(payload).await?;
    let user = user::set_role(api.store(), permit, &id, role, account).await?;
    Ok(ok(&user))
}

/// `PATCH /api/v1/users/{id}/preferences`
pub(in crate::http) async fn set_preferences(
    api: ApiRequest,
    id: Path<String>,
    payload: Payload,
) -> HandlerResult {
    let permit = api.permit(UsersWrite).await?;
    let body: SetPreferences = api.json(payload).await?;
    let change = PreferencesPatch {
        language: body.language,
        time_zone: body.time_zone,
        email_notices: body.email_notices,
    };
    let user = user::set_preferences(api.store(), permit, &id, change).await?;
    Ok(ok(&user))
}

/// `POST /api/v1/users/{id}/invitation`
pub(in crate::http) async fn invite(api: ApiRequest, id: Path<String>) -> HandlerResult {
    let permit = api.permit(UsersWrite).await?;
    let sealing_keys = api.server.sealing_keys();
    let created = invitation::create(api.store(), permit, sealing_keys, &id).await?;
    let invitation = InvitationLink {
        link: Disclosed::new(invitation::url(&api.server.issuer, &created.link)),
        expires_at: created.expires_at,
        mailed: created.mailed,
    };
    Ok(respond(StatusCode::CREATED, &invitation))
}

/// `DELETE /api/v1/users/{id}/second-factor`
pub(in crate::http) async fn reset_second_factor(
    api: ApiRequest,
    id: Path<String>,
) -> HandlerResult {
    let permit = api.permit(UsersWrite).await?;
    user::reset_second_factor(api.store(), permit, &id).await?;
    Ok(no_content())
}

/// `DELETE /api/v1/users/{id}`
pub(in crate::http) async fn delete(api: ApiRequest, id: Path<String>) -> HandlerResult {
    let permit = api.permit(UsersWrite).await?;
    let DeleteUser { account } = api.query()?;
    user::delete(api.store(), permit, &id, account, None).await?;
    Ok(no_content())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_masks_the_password_and_the_link() {
        let body: SetPassword = serde_json::from_str(r#"{"password": "hunter2"}"#).unwrap();
        assert_eq!(format!("{body:?}"), "SetPassword { password: *** }");
        let link = InvitationLink {
            link: Disclosed::new("https://auth.example/portal/invitation#kwv_a_b"),
            expires_at: Timestamp::EPOCH,
            mailed: false,
        };
        assert!(!format!("{link:?}").contains("kwv_a_b"));
        let json = serde_json::to_value(&link).unwrap();
        assert_eq!(
            json["link"],
            "https://auth.example/portal/invitation#kwv_a_b"
        );
    }
}
