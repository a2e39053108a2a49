//! `/api/v1/account-invitations`

use actix_web::web::{Path, Payload};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Created, Creation, Page, Paging, no_content, ok, page_size, rows_of, unknown_cursor};
use crate::http::extract::ApiRequest;
use crate::http::operation::HandlerResult;
use crate::manage::account_invitation::{self, AccountInvitationView};
use crate::manage::actor::{UsersRead, UsersWrite};
use crate::secret::Disclosed;
use crate::store::user::Role;

/// The user to invite to an account.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct CreateAccountInvitation {
    /// The e-mail address of a user of another account.
    #[schemars(email)]
    email: String,
    /// The role that the user will have in the account.
    role: Role,
    /// The id or the name of the account; the caller's account by default.
    account: Option<String>,
}

/// An invitation, with the link if it was just created.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct AccountInvitationLink {
    /// The invitation.
    #[serde(flatten)]
    invitation: AccountInvitationView,
    /// The link to give to the user. No other response shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<Disclosed>,
    /// Whether the link is also sent to the user by e-mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    mailed: Option<bool>,
}

/// `GET /api/v1/account-invitations`
pub(in crate::http) async fn list(api: ApiRequest) -> HandlerResult {
    let permit = api.permit(UsersRead).await?;
    let Paging { limit, cursor } = api.query()?;
    let size = page_size(limit)?;
    let after = match cursor {
        Some(cursor) => Some(cursor.parse().map_err(|_| unknown_cursor())?),
        None => None,
    };
    let mut open = account_invitation::list(api.store(), permit, after, rows_of(size)).await?;
    let has_next = open.len() > size;
    open.truncate(size);
    let last = open.last().filter(|_| has_next);
    let next_cursor = last.map(|last: &AccountInvitationView| last.position().to_string());
    Ok(ok(&Page::with_cursor(open, next_cursor)))
}

/// `POST /api/v1/account-invitations`
pub(in crate::http) async fn create(api: ApiRequest, payload: Payload) -> HandlerResult {
    let creation: Creation<CreateAccountInvitation> = Creation::read(&api, payload).await?;
    let permit = creation.actor.may(UsersWrite)?;
    let body = &creation.body;
    let create = async {
        let created = account_invitation::create(
            api.store(),
            permit,
            api.server.sealing_keys(),
            &body.email,
            body.role,
            body.account.clone(),
        );
        let created = created.await?;
        let url = account_invitation::url(&api.server.issuer, created.link.expose());
        Ok(Created::without_secrets(AccountInvitationLink {
            link: Some(Disclosed::new(url)),
            mailed: Some(created.mailed),
            invitation: created.view,
        }))
    };
    let find = async |id: String| {
        let permit = creation.actor.may(UsersRead)?;
        let found = account_invitation::show(api.store(), permit, &id).await?;
        Ok(found.map(|invitation| AccountInvitationLink {
            invitation,
            link: None,
            mailed: None,
        }))
    };
    creation.run(&api, create, find).await
}

/// `DELETE /api/v1/account-invitations/{id}`
pub(in crate::http) async fn delete(api: ApiRequest, id: Path<String>) -> HandlerResult {
    let permit = api.permit(UsersWrite).await?;
    account_invitation::delete(api.store(), permit, &id).await?;
    Ok(no_content())
}
