//! Accounts, for operators: create them, limit their applications, and require a second factor.

use actix_web::HttpResponse;
use actix_web::web::Path;
use maud::{Markup, html};

use super::account::{limits, mail_language, mail_language_field, submitted_mail_language};
use super::components::{self, Field, badge, clip, empty, hidden, table};
use super::form::Form;
use super::list_query::ListQuery;
use super::page::{self, NavItem, PageHeader, done, user_page};
use super::page_error::{PageError, recoverable};
use super::session_extractor::{AuthenticatedForm, CurrentUser};
use crate::decimal;
use crate::error::{Error, refusal};
use crate::manage::account::{self, Account, AccountDetails, AccountPatch};
use crate::manage::account_deletion;
use crate::manage::actor::{AccountsRead, AccountsWrite, UsersWrite};

/// The accounts of partners, found by name or id and by page, and the form to create another.
pub async fn list(user: CurrentUser) -> Result<HttpResponse, PageError> {
    accounts_page(&user, &Form::default(), None).await
}

async fn accounts_page(
    user: &CurrentUser,
    submitted: &Form,
    error: Option<&Error>,
) -> Result<HttpResponse, PageError> {
    user.may(AccountsWrite)?;
    let query = ListQuery::parse(user, "/accounts");
    let (text, after) = (query.text.clone(), query.after.clone());
    let (store, permit) = (&user.server.store, user.may(AccountsRead)?);
    let found = account::search(store, permit, text, after, ListQuery::LIMIT).await?;
    let page = query.page(user, &found, |account| &account.id);
    let content = html! {
        (query.form(user, "field-account-text"))
        @if page.shown.is_empty() && query.text.is_some() { (empty(&user.t("applications-not-found"), &user.t("accounts-not-found-text"), None)) }
        @else if page.shown.is_empty() { (empty(&user.t("accounts-none"), &user.t("accounts-none-text"), None)) }
        @else { (rows(user, page.shown)) }
        (page.links)
        section aria-labelledby="new-account" {
            h2 #new-account { (user.t("account-new")) }
            (components::idempotent_form(user, "/accounts", submitted, html! {
                (Field::new(user, "name", error).help("help-account-name").input("text", submitted.get("name")))
                button.primary { (user.t("account-create")) }
            }))
        }
    };
    let header = PageHeader {
        notice: page::notice(user),
        error,
        ..PageHeader::titled(user.t("menu-accounts"))
    };
    Ok(user_page(user, NavItem::Accounts, header, content))
}

fn rows(user: &CurrentUser, accounts: &[Account]) -> Markup {
    let rows: Vec<Vec<Markup>> = accounts
        .iter()
        .map(|account| {
            let required = account.requires_second_factor;
            vec![
                html! {
                    a href={ (user.link("/applications")) "?account=" (account.id) } { (clip(&account.name)) }
                    @if let Some(state) = state_message(account) { " " (badge("off", &user.t(state))) }
                },
                components::id(user, &account.id),
                user.day(account.created_at),
                html! { (user.language.number(account.client_limit())) },
                html! { @if required { (badge("good", &user.t("required"))) } @else { (user.t("not-required")) } },
                html! { div.buttons { (components::form(user, &format!("/accounts/{}/second-factor", account.id), html! {
                    (hidden("required", if required { "" } else { "on" }))
                    button.small { (user.t(if required { "policy-turn-off" } else { "policy-turn-on" })) span.visually_hidden { " " (account.name) } }
                }))
                a.button.small href=(user.link(&edit_path(&account.id))) { (user.t("edit")) span.visually_hidden { " " (account.name) } } } },
            ]
        })
        .collect();
    let columns = [
        "column-name",
        "column-id",
        "column-created",
        "column-max-clients",
        "column-second-factor",
        "",
    ];
    table(user, &user.t("menu-accounts"), &columns, &rows)
}

/// Creates an account.
pub async fn create(
    AuthenticatedForm { user, form }: AuthenticatedForm,
) -> Result<HttpResponse, PageError> {
    let created = account::create(
        &user.server.store,
        user.may(AccountsWrite)?,
        form.text("name"),
    )
    .await;
    match recoverable(&user, created, "/accounts")? {
        Ok(_) => Ok(done(&user, "/accounts", "account-created")),
        Err(error) => accounts_page(&user, &form, Some(&error)).await,
    }
}

/// Changes whether an account requires a second factor.
pub async fn require_second_factor(
    AuthenticatedForm { user, form }: AuthenticatedForm,
    id: Path<String>,
) -> Result<HttpResponse, PageError> {
    let required = Some((user.may(UsersWrite)?, form.checked("required")));
    let change = AccountPatch {
        requires_second_factor: required,
        ..AccountPatch::default()
    };
    account::update(&user.server.store, change, &id).await?;
    Ok(done(&user, "/accounts", "saved"))
}

fn edit_path(id: &str) -> String {
    format!("/accounts/{id}/edit")
}

async fn find(user: &CurrentUser, id: &str) -> Result<AccountDetails, PageError> {
    let permit = user.may(AccountsRead)?;
    Ok(account::details(&user.server.store, permit, id).await?)
}

/// The page to edit an account.
pub async fn show_edit(user: CurrentUser, id: Path<String>) -> Result<HttpResponse, PageError> {
    user.may(AccountsWrite)?;
    let details = find(&user, &id).await?;
    let max_clients = details
        .account
        .max_clients
        .map(|max| max.to_string())
        .unwrap_or_default();
    let values = Form::filled(&[
        ("name", &details.account.name),
        ("max_clients", &max_clients),
        ("mail_language", mail_language(&details.account)),
    ]);
    Ok(edit_page(&user, &details, &values, None))
}

fn edit_page(
    user: &CurrentUser,
    details: &AccountDetails,
    submitted: &Form,
    error: Option<&Error>,
) -> HttpResponse {
    let account = &details.account;
    let content = html! {
        (components::form(user, &edit_path(&account.id), html! {
            (Field::new(user, "name", error).help("help-account-name").input("text", submitted.get("name")))
            (mail_language_field(user, submitted, error))
            (Field::new(user, "max_clients", error).optional().help("help-max-clients").input("number", submitted.get("max_clients")))
            div.buttons {
                button.primary { (user.t("save")) }
                a.button href=(user.link("/accounts")) { (user.t("cancel")) }
            }
        }))
        section aria-labelledby="limits" {
            h2 #limits { (user.t("account-limits")) }
            (limits(user, &details.limits))
        }
        (state_section(user, account))
    };
    let header = PageHeader {
        breadcrumbs: vec![NavItem::Accounts.breadcrumb(user)],
        badges: state_message(account).map(|state| badge("off", &user.t(state))),
        error,
        ..PageHeader::titled(account.name.clone())
    };
    user_page(user, NavItem::Accounts, header, content)
}

/// The message for the state of an account that is not open.
fn state_message(account: &Account) -> Option<&'static str> {
    if account.is_being_deleted() {
        return Some("account-deleting");
    }
    account.closed_at.map(|_| "account-closed")
}

/// Closes an open account, or opens or deletes a closed one.
fn state_section(user: &CurrentUser, account: &Account) -> Markup {
    let path = |action: &str| format!("/accounts/{}/{action}", account.id);
    html! {
        section aria-labelledby="account-state" {
            h2 #account-state { (user.t("column-state")) }
            @if account.is_being_deleted() {
                p { (user.t("account-deleting-text")) }
            } @else if let Some(at) = account.closed_at {
                p { (user.tr("account-closed-since", &[("at", user.date_time_text(at).into())])) }
                (components::button(user, &path("reopen"), &user.t("account-reopen"), ""))
                p { (user.t("account-delete-text")) }
                p { a.button.danger href=(user.link(&path("delete"))) { (user.t("account-delete")) } }
            } @else {
                p { (user.t("account-close-text")) }
                p { a.button.danger href=(user.link(&path("close"))) { (user.t("account-close")) } }
            }
        }
    }
}

/// Asks before an account is closed.
pub async fn confirm_close(user: CurrentUser, id: Path<String>) -> Result<HttpResponse, PageError> {
    user.may(AccountsWrite)?;
    let AccountDetails { account, limits } = find(&user, &id).await?;
    let name = account.name.as_str();
    let question = html! {
        p { (user.t("account-close-text")) }
        p { (user.tr("account-close-clients", &[("count", limits.clients.into())])) }
    };
    let content = components::confirmation(
        &user,
        question,
        &format!("/accounts/{}/close", account.id),
        &user.t("account-close"),
        &edit_path(&account.id),
        html! {},
    );
    let breadcrumbs = vec![
        NavItem::Accounts.breadcrumb(&user),
        (edit_path(&account.id), account.name.clone()),
    ];
    let header = PageHeader {
        breadcrumbs,
        ..PageHeader::titled(user.tr("account-close-title", &[("name", name.into())]))
    };
    Ok(user_page(&user, NavItem::Accounts, header, content))
}

/// Closes an account.
pub async fn close(
    AuthenticatedForm { user, .. }: AuthenticatedForm,
    id: Path<String>,
) -> Result<HttpResponse, PageError> {
    let permit = user.may(AccountsWrite)?;
    account::close(&user.server.store, permit, &id).await?;
    Ok(done(&user, "/accounts", "account-closed"))
}

/// Asks for the name of an account before it is deleted.
pub async fn confirm_delete(
    user: CurrentUser,
    id: Path<String>,
) -> Result<HttpResponse, PageError> {
    user.may(AccountsWrite)?;
    let details = find(&user, &id).await?;
    Ok(delete_page(&user, &details, &Form::default(), None))
}

fn delete_page(
    user: &CurrentUser,
    details: &AccountDetails,
    submitted: &Form,
    error: Option<&Error>,
) -> HttpResponse {
    let AccountDetails { account, limits } = details;
    let name = account.name.as_str();
    let question = html! {
        p { (user.t("account-delete-text")) }
        p { (user.tr("account-close-clients", &[("count", limits.clients.into())])) }
    };
    let content = components::confirmation(
        user,
        question,
        &format!("/accounts/{}/delete", account.id),
        &user.t("account-delete"),
        &edit_path(&account.id),
        html! { (Field::new(user, "name", error).help("help-account-delete-name").input("text", submitted.get("name"))) },
    );
    let breadcrumbs = vec![
        NavItem::Accounts.breadcrumb(user),
        (edit_path(&account.id), account.name.clone()),
    ];
    let header = PageHeader {
        breadcrumbs,
        error,
        ..PageHeader::titled(user.tr("account-delete-title", &[("name", name.into())]))
    };
    user_page(user, NavItem::Accounts, header, content)
}

/// Begins to delete a closed account.
pub async fn delete(
    AuthenticatedForm { user, form }: AuthenticatedForm,
    id: Path<String>,
) -> Result<HttpResponse, PageError> {
    let permit = user.may(AccountsWrite)?;
    let details = find(&user, &id).await?;
    let (store, id) = (&user.server.store, details.account.id.as_str());
    let deleted = account_deletion::delete(store, permit, id, form.text("name")).await;
    match recoverable(&user, deleted, "/accounts")? {
        Ok(_) => Ok(done(&user, "/accounts", "account-deleting")),
        Err(error) => Ok(delete_page(&user, &details, &form, Some(&error))),
    }
}

/// Opens a closed account again.
pub async fn reopen(
    AuthenticatedForm { user, .. }: AuthenticatedForm,
    id: Path<String>,
) -> Result<HttpResponse, PageError> {
    let permit = user.may(AccountsWrite)?;
    account::reopen(&user.server.store, permit, &id).await?;
    Ok(done(&user, "/accounts", "account-reopened"))
}

/// Saves an edited account.
pub async fn edit(
    AuthenticatedForm { user, form }: AuthenticatedForm,
    id: Path<String>,
) -> Result<HttpResponse, PageError> {
    let permit = user.may(AccountsWrite)?;
    let (of_name, of_language) = (user.may(UsersWrite)?, user.may(UsersWrite)?);
    let details = find(&user, &id).await?;
    let typed = form.has("max_clients").then(|| form.text("max_clients"));
    let max_clients = match typed {
        None => None,
        Some("") => Some(None),
        Some(text) => match decimal::parse(text) {
            Some(max) => Some(Some(max)),
            None => {
                let error = refusal::invalid_integer("max_clients").field("max_clients");
                return Ok(edit_page(&user, &details, &form, Some(&error)));
            }
        },
    };
    let language = match submitted_mail_language(&form) {
        Ok(language) => language,
        Err(error) => return Ok(edit_page(&user, &details, &form, Some(&error))),
    };
    let name = form.has("name").then(|| form.text("name").to_owned());
    let change = AccountPatch {
        name: name.map(|name| (of_name, name)),
        language: language.map(|language| (of_language, language)),
        max_clients: max_clients.map(|max_clients| (permit, max_clients)),
        ..AccountPatch::default()
    };
    let changed = account::update(&user.server.store, change, &details.account.id).await;
    match recoverable(&user, changed, "/accounts")? {
        Ok(_) => Ok(done(&user, "/accounts", "saved")),
        Err(error) => Ok(edit_page(&user, &details, &form, Some(&error))),
    }
}
