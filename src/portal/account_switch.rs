//! The accounts of a user who belongs to several: the menu that switches between them, the page for a form
//! that was opened in another one, and leaving one.

use actix_web::HttpResponse;
use actix_web::cookie::Cookie;
use actix_web::http::StatusCode;
use actix_web::web::Path;
use maud::{Markup, html};

use super::components::{badge, confirmation, hidden, table};
use super::form::CSRF_TOKEN;
use super::page::{NavItem, PageHeader, done, plain_page, redirect, user_page};
use super::page_error::{PageError, recoverable};
use super::session_extractor::{AnonymousForm, AuthenticatedForm, CurrentUser, PageContext};
use super::sign_in::safe_redirect;
use crate::error::refusal;
use crate::manage::account::Account;
use crate::manage::membership;

/// The path of the form that switches to another account.
const SWITCH: &str = "/switch-account";

/// The field with the id of the account.
const ACCOUNT: &str = "account";

/// The query parameter with the id of the account that a page is about. A link from outside the portal has it:
/// the session may use another account.
pub(super) const IN: &str = "in";

/// The field with the page to go to after the switch.
const NEXT: &str = "next";

/// The path of a page of the portal about this account.
pub(super) fn page_of(path: &str, account_id: &str) -> String {
    let id: String = form_urlencoded::byte_serialize(account_id.as_bytes()).collect();
    format!("{path}?{IN}={id}")
}

/// The name of the account in use, with a menu of the others. Empty for users with one account.
pub(super) fn menu(context: &PageContext) -> Markup {
    let others: Vec<&Account> = others(context).collect();
    if others.is_empty() {
        return html! {};
    }
    html! {
        details.accounts {
            summary { span.visually_hidden { (context.t("account-in-use")) " " } span.name { (in_use(context)) } }
            form method="post" action=(context.link(SWITCH)) {
                p.group { (context.t("account-switch")) }
                (hidden(CSRF_TOKEN, &context.csrf_token()))
                @for account in others {
                    @if account.closed_at.is_some() { p.help { (account.name) " " (badge("off", &context.t("account-closed"))) } }
                    @else { button.quiet name=(ACCOUNT) value=(account.id) { (account.name) } }
                }
            }
        }
    }
}

/// The name of the account in use, for narrow screens, on which the menu is behind a button.
pub(super) fn label(context: &PageContext) -> Markup {
    html! {
        @if others(context).next().is_some() { p.in_use { (context.t("account-in-use")) " " (in_use(context)) } }
    }
}

/// The accounts of the user besides the one in use; none before the second factor.
fn others(context: &PageContext) -> impl Iterator<Item = &Account> {
    let session = context.session.as_deref();
    let session = session.filter(|session| !session.awaits_second_factor());
    let in_use = session.and_then(|session| session.account_id());
    let all = session.map_or(&[][..], |session| session.accounts());
    let all = all.iter().map(|(account, _)| account);
    all.filter(move |account| Some(account.id.as_str()) != in_use)
}

/// Switches to another account of the user. It takes a form that was opened in any account.
pub async fn switch(
    AnonymousForm { context, form, .. }: AnonymousForm,
) -> Result<HttpResponse, PageError> {
    // A user who must enrol a second factor for one account may go back to another.
    let user = CurrentUser::enrolling(context)?;
    membership::switch(
        &user.server,
        &user.session,
        form.get(ACCOUNT),
        &user.request,
    )
    .await?;
    Ok(redirect(&safe_redirect(&user, form.get(NEXT)), &[]))
}

/// The page in place of one about another account than the one in use, with the switch to it. The link alone
/// switches nothing.
pub(super) fn page_of_other_account(context: &PageContext, id: &str) -> HttpResponse {
    let content = match own_open_account(context, id) {
        Some(account) => {
            let name = account.name.as_str();
            html! {
                p { (context.tr("page-of-account-text", &[("account", name.into()), ("current", in_use(context).into())])) }
                (switch_form(context, account, &context.path_and_query))
            }
        }
        None => html! {
            p { (context.t("page-of-account-gone")) }
            p { a.button href=(context.link("")) { (context.t("to-start")) } }
        },
    };
    let header = PageHeader::titled(context.t("page-of-account"));
    plain_page(context, StatusCode::FORBIDDEN, &header, content, &[])
}

/// The account of the user with this id, unless it is closed.
fn own_open_account<'a>(context: &'a PageContext, id: &str) -> Option<&'a Account> {
    let session = context.session.as_ref()?;
    let mut own = session.accounts().iter().map(|(account, _)| account);
    own.find(|account| account.id == id && account.closed_at.is_none())
}

/// The name of the account in use.
fn in_use(context: &PageContext) -> &str {
    let account = context.session.as_ref().and_then(|own| own.account());
    account.map_or("", |account| account.name.as_str())
}

/// The button that switches to an account and leads on to `next`, and the link to the start page instead.
fn switch_form(context: &PageContext, account: &Account, next: &str) -> Markup {
    html! {
        div.buttons {
            form method="post" action=(context.link(SWITCH)) {
                (hidden(CSRF_TOKEN, &context.csrf_token()))
                (hidden(ACCOUNT, &account.id))
                @if !next.is_empty() { (hidden(NEXT, next)) }
                button.primary { (context.tr("other-account-switch", &[("account", account.name.as_str().into())])) }
            }
            a.button href=(context.link("")) { (context.t("to-start")) }
        }
    }
}

/// The page for a form that was opened in another account than the one in use. The form is not processed
/// and not kept: it is about things of the other account.
pub(super) fn other_account_page(
    context: &PageContext,
    opened_in: &str,
    cookies: &[Cookie<'_>],
) -> HttpResponse {
    let content = html! {
        @if let Some(other) = own_open_account(context, opened_in) {
            p { (context.tr("other-account-text", &[("opened", other.name.as_str().into()), ("current", in_use(context).into())])) }
            (switch_form(context, other, ""))
        } @else {
            p { (context.t("other-account-gone")) }
            p { a.button href=(context.link("")) { (context.t("to-start")) } }
        }
    };
    let header = PageHeader::titled(context.t("other-account"));
    plain_page(context, StatusCode::FORBIDDEN, &header, content, cookies)
}

/// The accounts of a user who belongs to several, with the links to leave them.
pub(super) fn own_accounts(user: &CurrentUser) -> Markup {
    let accounts = user.session.accounts();
    if accounts.len() < 2 {
        return html! {};
    }
    let rows: Vec<Vec<Markup>> = accounts
        .iter()
        .map(|(account, role)| {
            let is_in_use = user.session.account_id() == Some(account.id.as_str());
            vec![
                html! {
                    (account.name)
                    @if is_in_use { " " (badge("good", &user.t("account-current"))) }
                    @if account.closed_at.is_some() { " " (badge("off", &user.t("account-closed"))) }
                },
                html! { (user.t(&format!("role-{role}"))) },
                html! { a.button.small href=(user.link(&leave_path(&account.id))) { (user.t("account-leave")) span.visually_hidden { " " (account.name) } } },
            ]
        })
        .collect();
    html! {
        section aria-labelledby="accounts" {
            h2 #accounts { (user.t("own-accounts")) }
            p { (user.t("own-accounts-text")) }
            (table(user, &user.t("own-accounts"), &["column-account", "field-role", ""], &rows))
        }
    }
}

fn leave_path(account_id: &str) -> String {
    format!("/profile/accounts/{account_id}/leave")
}

/// Asks before the user leaves an account.
pub async fn confirm_leave(user: CurrentUser, id: Path<String>) -> Result<HttpResponse, PageError> {
    Ok(leave_page(&user, &id, None)?)
}

fn leave_page(
    user: &CurrentUser,
    id: &str,
    error: Option<&crate::error::Error>,
) -> Result<HttpResponse, crate::error::Error> {
    let own = user
        .session
        .accounts()
        .iter()
        .find(|(account, _)| account.id == id);
    let (account, _) = own.ok_or_else(refusal::account_not_own)?;
    let name = account.name.as_str();
    let question = html! { p { (user.tr("account-leave-text", &[("account", name.into())])) } };
    let content = confirmation(
        user,
        question,
        &leave_path(id),
        &user.t("account-leave"),
        NavItem::Profile.path(),
        html! {},
    );
    let header = PageHeader {
        breadcrumbs: vec![NavItem::Profile.breadcrumb(user)],
        error,
        ..PageHeader::titled(user.tr("account-leave-title", &[("account", name.into())]))
    };
    Ok(user_page(user, NavItem::Profile, header, content))
}

/// Leaves an account.
pub async fn leave(
    AuthenticatedForm { user, .. }: AuthenticatedForm,
    id: Path<String>,
) -> Result<HttpResponse, PageError> {
    let left = membership::leave(&user.server, &user.session, &id, &user.request).await;
    match recoverable(&user, left, NavItem::Profile.path())? {
        Ok(()) => Ok(done(&user, NavItem::Profile.path(), "account-left")),
        Err(error) => Ok(leave_page(&user, &id, Some(&error))?),
    }
}
