//! The list of applications: the clients of an account.

use actix_web::HttpResponse;
use maud::{Markup, html};

use super::application_details::state;
use super::components::{Field, empty, table};
use super::page::{self, NavItem, PageHeader, user_page};
use super::page_error::PageError;
use super::session_extractor::CurrentUser;
use crate::manage::account::{self, Account};
use crate::manage::actor::{AccountsRead, ClientsRead, ClientsWrite};
use crate::manage::client::{self, ClientView};

/// The number of applications on a page.
const PAGE_SIZE: i64 = 50;

/// The page with the applications: by account and page, or found by name or client id.
pub async fn list(user: CurrentUser) -> Result<HttpResponse, PageError> {
    let account = user.query("account");
    let after = user.query("after");
    let text = user.query("text");
    let permit = user.may(ClientsRead)?;
    let clients = match text.as_deref() {
        Some(text) => client::search(&user.server.store, permit, text, PAGE_SIZE).await?,
        None => {
            client::list(
                &user.server.store,
                permit,
                account.clone(),
                after,
                PAGE_SIZE + 1,
            )
            .await?
        }
    };
    let accounts = account::list(&user.server.store, user.may(AccountsRead)?).await?;
    let page_size = usize::try_from(PAGE_SIZE).unwrap_or(usize::MAX);
    let last = clients
        .get(page_size - 1)
        .filter(|_| clients.len() > page_size)
        .map(|last| last.client_id.clone());
    // The clients of resource servers are not applications. They are listed when their account is
    // chosen.
    let introspection_account = accounts
        .iter()
        .find(|own| own.kind == account::AccountKind::ResourceServers)
        .map(|own| own.id.clone());
    let hidden = |client: &ClientView| {
        account.is_none()
            && text.is_none()
            && introspection_account.as_ref() == Some(&client.account)
    };
    let other = |client: &ClientView| {
        account
            .as_ref()
            .is_some_and(|chosen| *chosen != client.account)
    };
    let shown: Vec<ClientView> = clients
        .into_iter()
        .take(page_size)
        .filter(|client| !hidden(client) && !other(client))
        .collect();
    let can_create = user.can(ClientsWrite);
    let create = html! { a.button.primary href=(user.link("/applications/new")) { (user.t("application-new")) } };
    let content = html! {
        @if user.is_operator() || last.is_some() || text.is_some() { (filter(&user, &accounts, account.as_deref(), text.as_deref())) }
        @if shown.is_empty() && text.is_some() {
            (empty(&user.t("applications-not-found"), &user.t("applications-not-found-text"), None))
        } @else if shown.is_empty() {
            (empty(&user.t("applications-none"), &user.t("applications-none-text"), can_create.then_some(create)))
        } @else {
            @if can_create { p { (create) } }
            (rows(&user, &shown, &accounts))
        }
        @if let Some(last) = last {
            p { a href={ (user.link("/applications")) "?after=" (last) "&account=" (account.clone().unwrap_or_default()) } { (user.t("more")) } }
        }
    };
    let header = PageHeader {
        notice: page::notice(&user),
        ..PageHeader::titled(user.t("menu-applications"))
    };
    Ok(user_page(&user, NavItem::Applications, header, content))
}

fn filter(
    user: &CurrentUser,
    accounts: &[Account],
    chosen: Option<&str>,
    text: Option<&str>,
) -> Markup {
    let mut choices = vec![(String::new(), user.t("all-accounts"))];
    choices.extend(
        accounts
            .iter()
            .map(|account| (account.id.clone(), account.name.clone())),
    );
    html! {
        form.filter method="get" action=(user.link("/applications")) {
            (Field::new(user, "text", None).filter().input("search", text.unwrap_or_default()))
            @if user.is_operator() { (Field::new(user, "account", None).filter().select(&choices, chosen.unwrap_or_default())) }
            button { (user.t("filter")) }
        }
    }
}

fn rows(user: &CurrentUser, clients: &[ClientView], accounts: &[Account]) -> Markup {
    let name_of = |id: &str| {
        accounts
            .iter()
            .find(|account| account.id == id)
            .map_or_else(|| id.to_owned(), |account| account.name.clone())
    };
    let operator = user.is_operator();
    let mut columns = vec![
        "column-name",
        "column-client-id",
        "column-scope",
        "column-state",
    ];
    if operator {
        columns.insert(2, "column-account");
    }
    let rows: Vec<Vec<Markup>> = clients
        .iter()
        .map(|client| {
            let mut row = vec![
                html! { a href=(user.link(&format!("/applications/{}", client.client_id))) { (client.name) } },
                html! { code { (client.client_id) } },
                html! { span.words { (client.scope) } },
                state(user, client),
            ];
            if operator {
                row.insert(2, html! { (name_of(&client.account)) });
            }
            row
        })
        .collect();
    table(user, &user.t("menu-applications"), &columns, &rows)
}
