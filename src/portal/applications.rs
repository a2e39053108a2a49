//! The list of applications: the clients of an account.

use std::collections::BTreeSet;

use actix_web::HttpResponse;
use maud::{Markup, html};

use super::account_field::AccountChoices;
use super::application::state;
use super::application_bulk;
use super::components::{self, Field, clip, empty, table};
use super::list_query::ListQuery;
use super::page::{self, NavItem, PageHeader, user_page};
use super::page_error::PageError;
use super::session_extractor::CurrentUser;
use crate::manage::account::{self, Account};
use crate::manage::actor::{AccountsRead, ClientsRead, ClientsWrite};
use crate::manage::client::{self, ClientView};

/// The page with the applications: by account and page, or found by name or client id.
pub async fn list(user: CurrentUser) -> Result<HttpResponse, PageError> {
    let account = match user.query("account") {
        Some(id_or_name) => Some(chosen_account(&user, &id_or_name).await?),
        None => None,
    };
    let account_id = account.as_ref().map(|account| account.id.clone());
    let query =
        ListQuery::parse(&user, "/applications").with_filter("account", account_id.as_deref());
    let found = find(&user, &query, account_id).await?;
    let page = query.page(&user, &found, |client| &client.client_id);
    // The clients of resource servers are not applications. They are listed when their account is
    // chosen.
    let introspection_account =
        account::of_introspection_clients(&user.server.store, user.may(AccountsRead)?).await?;
    let hidden = |client: &ClientView| {
        let own = introspection_account.as_ref();
        account.is_none() && query.text.is_none() && own.is_some_and(|own| own.id == client.account)
    };
    let shown: Vec<&ClientView> = page.shown.iter().filter(|client| !hidden(client)).collect();
    let owners = owners(&user, &shown).await?;
    let can_create = user.can(ClientsWrite);
    let create = html! { a.button.primary href=(user.link("/applications/new")) { (user.t("application-new")) } };
    let has_filter = user.is_operator() || !page.is_whole;
    let text = query.text.as_deref();
    let content = html! {
        @if has_filter { (filter(&user, account.as_ref(), introspection_account.as_ref(), text).await?) }
        @if shown.is_empty() && (text.is_some() || account.is_some()) {
            (empty(&user.t("applications-not-found"), &user.t("applications-not-found-text"), None))
        } @else if shown.is_empty() {
            (empty(&user.t("applications-none"), &user.t("applications-none-text"), can_create.then_some(create.clone())))
        } @else { (rows(&user, &shown, &owners)) }
        (page.links)
    };
    let header = PageHeader {
        notice: page::notice(&user),
        actions: (can_create && !shown.is_empty()).then_some(create),
        ..PageHeader::titled(user.t("menu-applications"))
    };
    Ok(user_page(&user, NavItem::Applications, header, content))
}

/// The clients of an account, or of all, that the query asks for.
pub(super) async fn find(
    user: &CurrentUser,
    query: &ListQuery,
    account: Option<String>,
) -> Result<Vec<ClientView>, PageError> {
    let permit = user.may(ClientsRead)?;
    let (store, after) = (&user.server.store, query.after.clone());
    let found = match query.text.as_deref() {
        Some(text) => client::search(store, permit, account, text, after, ListQuery::LIMIT).await?,
        None => client::list(store, permit, account, after, ListQuery::LIMIT).await?,
    };
    Ok(found)
}

/// The account that the filter names.
async fn chosen_account(user: &CurrentUser, id_or_name: &str) -> Result<Account, PageError> {
    let permit = user.may(AccountsRead)?;
    Ok(account::show(&user.server.store, permit, id_or_name).await?)
}

/// The accounts of these applications, to show their names to operators.
async fn owners(user: &CurrentUser, clients: &[&ClientView]) -> Result<Vec<Account>, PageError> {
    if !user.is_operator() {
        return Ok(Vec::new());
    }
    let ids: BTreeSet<String> = clients
        .iter()
        .map(|client| client.account.clone())
        .collect();
    let permit = user.may(AccountsRead)?;
    let ids = ids.into_iter().collect();
    Ok(account::find_all(&user.server.store, permit, ids).await?)
}

async fn filter(
    user: &CurrentUser,
    chosen: Option<&Account>,
    introspection_account: Option<&Account>,
    text: Option<&str>,
) -> Result<Markup, PageError> {
    let field = Field::new(user, "account", None).filter();
    let account = if user.is_operator() {
        let choices = AccountChoices::load(user).await?;
        let choices = choices.with_first("", user.t("all-accounts"));
        let choices = choices.with_last(introspection_account);
        choices.field(field, chosen.map_or("", |account| account.id.as_str()))
    } else {
        html! {}
    };
    Ok(html! {
        form.filter role="search" method="get" action=(user.link("/applications")) {
            (Field::new(user, "text", None).filter().input("search", text.unwrap_or_default()))
            (account)
            button { (user.t("filter")) }
            @if text.is_some() || chosen.is_some() { a.button.quiet href=(user.link("/applications")) { (user.t("clear")) } }
        }
    })
}

fn rows(user: &CurrentUser, clients: &[&ClientView], accounts: &[Account]) -> Markup {
    let name_of = |id: &str| {
        let account = accounts.iter().find(|account| account.id == id);
        account.map_or_else(|| id.to_owned(), |account| account.name.clone())
    };
    let operator = user.is_operator();
    let can_select = application_bulk::is_allowed(user);
    let mut columns = vec![
        "column-name",
        "column-client-id",
        "column-scope",
        "column-created",
        "column-state",
    ];
    if operator {
        columns.insert(2, "column-account");
    }
    let rows: Vec<Vec<Markup>> = clients
        .iter()
        .map(|client| {
            let mut row = vec![
                html! {
                    @if can_select { (application_bulk::checkbox(user, client)) }
                    a href=(user.link(&format!("/applications/{}", client.client_id))) { (clip(&client.name)) }
                },
                components::id(user, &client.client_id),
                clip(client.scope.as_str()),
                user.day(client.created_at),
                state(user, client),
            ];
            if operator {
                row.insert(2, clip(&name_of(&client.account)));
            }
            row
        })
        .collect();
    html! {
        (table(user, &user.t("menu-applications"), &columns, &rows))
        @if can_select { (application_bulk::form(user)) }
    }
}
