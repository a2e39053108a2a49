//! The open invitations of users of other accounts, in the list of people.

use actix_web::HttpResponse;
use actix_web::web::Path;
use maud::{Markup, html};

use super::components::{self, clip, copy, hidden, table};
use super::form::Form;
use super::page::{NavItem, PageHeader, done, user_page};
use super::page_error::{PageError, recoverable};
use super::people::people_page;
use super::session_extractor::{AuthenticatedForm, CurrentUser};
use crate::error::{Code, Error};
use crate::manage::account_invitation::{self, AccountInvitationView, NewAccountInvitation};
use crate::manage::actor::{UsersRead, UsersWrite};
use crate::manage::invitation::INVITATION_TTL;
use crate::manage::user::Role;

/// How many invitations the page shows. The others are listed by the management API and by command line.
const MAX_SHOWN: i64 = 50;

/// The fields with the address and the account of an invitation, which tell what became of it.
const EMAIL: &str = "email";
const ACCOUNT: &str = "account";

/// The section with the open invitations; empty if there are none.
pub(super) async fn section(user: &CurrentUser) -> Result<Markup, PageError> {
    let (store, permit) = (&user.server.store, user.may(UsersRead)?);
    let mut open = account_invitation::list(store, permit, None, MAX_SHOWN + 1).await?;
    if open.is_empty() {
        return Ok(html! {});
    }
    let shown = usize::try_from(MAX_SHOWN).unwrap_or(usize::MAX);
    let has_more = open.len() > shown;
    open.truncate(shown);
    let can_edit = user.can(UsersWrite);
    let rows: Vec<Vec<Markup>> = open.iter().map(|one| row(user, one, can_edit)).collect();
    let mut columns = vec!["field-email", "field-role", "column-expires", ""];
    if user.is_operator() {
        columns.insert(1, "column-account");
    }
    let more = match user.is_operator() {
        true => "account-invitations-more-operator",
        false => "account-invitations-more",
    };
    Ok(html! {
        section aria-labelledby="account-invitations" {
            h2 #account-invitations { (user.t("account-invitations")) }
            p { (user.t("account-invitations-text")) }
            (table(user, &user.t("account-invitations"), &columns, &rows))
            @if has_more { p { (user.tr(more, &[("count", MAX_SHOWN.into())])) } }
        }
    })
}

fn row(user: &CurrentUser, one: &AccountInvitationView, can_edit: bool) -> Vec<Markup> {
    let path = |action: &str| format!("/account-invitations/{}/{action}", one.id);
    let button = |action: &str, label: &str| {
        components::form(
            user,
            &path(action),
            html! {
                (hidden(EMAIL, &one.email)) (hidden(ACCOUNT, &one.account))
                button.small { (user.t(label)) span.visually_hidden { " " (one.email) } }
            },
        )
    };
    let mut row = vec![
        clip(&one.email),
        html! { (user.t(&format!("role-{}", one.role))) },
        user.relative(one.expires_at),
        html! { @if can_edit { div.buttons { (button("renew", "link-new")) (button("withdraw", "account-invitation-withdraw")) } } },
    ];
    if user.is_operator() {
        row.insert(1, clip(one.account_name.as_deref().unwrap_or("–")));
    }
    row
}

/// Invites a user of another account.
pub(super) async fn create(
    user: &CurrentUser,
    email: &str,
    role: Role,
    account: Option<String>,
) -> Result<NewAccountInvitation, Error> {
    let server = &user.server;
    let permit = user.may(UsersWrite)?;
    let keys = server.sealing_keys();
    account_invitation::create(&server.store, permit, keys, email, role, account).await
}

/// The page that shows the link once.
pub(super) fn link_page(user: &CurrentUser, created: &NewAccountInvitation) -> HttpResponse {
    let url = account_invitation::url(&user.server.issuer, created.link.expose());
    let email = created.view.email.as_str();
    let text = if created.mailed {
        "link-mailed-text"
    } else {
        "link-text"
    };
    let content = html! {
        p { (user.tr("account-invitation-created-text", &[("email", email.into())])) }
        div.shown_once {
            p { strong { (user.t("shown-once")) } }
            p { (user.tr(text, &[("email", email.into())])) }
            (copy(user, &user.t("link"), "link", url.expose()))
            p { (user.tr("link-lifetime", &[("span", user.language.duration(INVITATION_TTL).into())])) }
        }
        p { a.button.primary href=(user.link("/people")) { (user.t("to-people")) } }
    };
    let header = PageHeader {
        breadcrumbs: vec![NavItem::People.breadcrumb(user)],
        ..PageHeader::titled(user.t("link-created"))
    };
    user_page(user, NavItem::People, header, content)
}

/// Replaces the link of an invitation by a new one.
pub async fn renew(
    AuthenticatedForm { user, form }: AuthenticatedForm,
    id: Path<String>,
) -> Result<HttpResponse, PageError> {
    user.may(UsersWrite)?;
    let (store, permit) = (&user.server.store, user.may(UsersRead)?);
    let Some(one) = account_invitation::show(store, permit, &id).await? else {
        return Err(gone(&user, &id, &form).await?);
    };
    let created = create(&user, &one.email, one.role, Some(one.account)).await;
    match recoverable(&user, created, "/people")? {
        Ok(created) => Ok(link_page(&user, &created)),
        Err(error) => people_page(&user, &Form::default(), Some(&error)).await,
    }
}

/// Withdraws an invitation.
pub async fn withdraw(
    AuthenticatedForm { user, form }: AuthenticatedForm,
    id: Path<String>,
) -> Result<HttpResponse, PageError> {
    let permit = user.may(UsersWrite)?;
    match account_invitation::delete(&user.server.store, permit, &id).await {
        Ok(()) => Ok(done(&user, "/people", "account-invitation-withdrawn")),
        Err(error) if error.code() == Code::NotFound => Err(gone(&user, &id, &form).await?),
        Err(error) => Err(error.into()),
    }
}

/// How an invitation ended since the list was loaded.
async fn gone(user: &CurrentUser, id: &str, form: &Form) -> Result<PageError, PageError> {
    let (store, permit) = (&user.server.store, user.may(UsersRead)?);
    let (email, account) = (form.text(EMAIL), form.optional(ACCOUNT));
    let how = account_invitation::ended(store, permit, id, email, account).await?;
    Ok(PageError::PersonGone(how))
}
