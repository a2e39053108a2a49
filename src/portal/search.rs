//! The page of the search for everything that the user can see: pages, applications, API keys, accounts and
//! people. The script shows its results in a [dialog](super::search_dialog).

use actix_web::HttpResponse;
use maud::{Markup, html};

use super::components::empty;
use super::page::{NavItem, PageHeader, menu_pages, redirect, user_page};
use super::page_error::PageError;
use super::search_dialog::{MAX_TEXT, PATH, QUERY, input};
use super::session_extractor::CurrentUser;
use crate::manage::actor::{AccountsRead, AccountsWrite, ClientsRead, KeysRead, UsersRead};
use crate::manage::{account, api_key, client, user};

/// How many results of each kind are shown.
const SHOWN: usize = 8;
const LIMIT: i64 = 9;

/// What was found of one kind.
struct Group {
    /// The message for the heading.
    title: &'static str,
    results: Vec<Found>,
    /// The path of the list with all of them, if there are more.
    all: Option<String>,
}

impl Group {
    fn new(title: &'static str, mut results: Vec<Found>, all: String) -> Self {
        let has_more = results.len() > SHOWN;
        results.truncate(SHOWN);
        Group {
            title,
            results,
            all: has_more.then_some(all),
        }
    }
}

struct Found {
    path: String,
    name: String,
    /// What tells it from others of the same name.
    id: String,
}

/// The page with the results.
pub async fn show(user: CurrentUser) -> Result<HttpResponse, PageError> {
    let text = user.query(QUERY).unwrap_or_default();
    let text = text.trim();
    if let Some(shown) = without_secret(text) {
        return Ok(redirect(&user.link(&query(shown)), &[]));
    }
    let groups = if text.is_empty() || text.chars().count() > MAX_TEXT {
        Vec::new()
    } else {
        find(&user, text).await?
    };
    let content = html! {
        form.filter role="search" method="get" action=(user.link(PATH)) {
            div.field {
                label for=(QUERY) { (user.t("search-field")) }
                (input(QUERY, text))
            }
            button { (user.t("search")) }
        }
        div #found { (results(&user, text, &groups)) }
    };
    let header = PageHeader::titled(user.t("search"));
    Ok(user_page(&user, NavItem::Search, header, content))
}

fn results(user: &CurrentUser, text: &str, groups: &[Group]) -> Markup {
    let count = groups.iter().map(|group| group.results.len()).sum();
    html! {
        @if text.is_empty() { p { (user.t("search-text")) } }
        @else if count == 0 { (empty(&user.t("applications-not-found"), &user.t("search-none-text"), None)) }
        @else {
            p.help role="status" { (user.count("search-count", count)) }
            @for group in groups.iter().filter(|group| !group.results.is_empty()) {
                h2 { (user.t(group.title)) }
                ul.choices {
                    @for found in &group.results {
                        li { a href=(user.link(&found.path)) { (found.name) } @if !found.id.is_empty() { " " code { (found.id) } } }
                    }
                }
                @if let Some(all) = &group.all {
                    p { a href=(user.link(all)) { (user.t("search-all")) span.visually_hidden { " " (user.t(group.title)) } } }
                }
            }
        }
    }
}

/// The path of a list that is searched for this text.
fn list(path: &str, text: &str) -> String {
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("text", text)
        .finish();
    format!("{path}?{query}")
}

/// Finds pages by a part of their name, and all else by its id or the beginning of its name; API keys by
/// their id alone. Each kind takes the right that its list takes.
async fn find(user: &CurrentUser, text: &str) -> Result<Vec<Group>, PageError> {
    let mut groups = vec![pages(user, text)];
    let store = &user.server.store;
    if user.can(ClientsRead) {
        let permit = user.may(ClientsRead)?;
        let clients = client::search(store, permit, None, text, None, LIMIT).await?;
        let found = clients.into_iter().map(|client| Found {
            path: format!("/applications/{}", client.client_id),
            name: client.name,
            id: client.client_id,
        });
        let all = list("/applications", text);
        groups.push(Group::new("menu-applications", found.collect(), all));
    }
    if user.can(KeysRead) {
        let key = api_key::find(store, user.may(KeysRead)?, key_id(text)).await?;
        let found = key.into_iter().map(|key| Found {
            path: format!("/applications/{}/keys/{}", key.client_id, key.id),
            name: key.name,
            id: key.shown,
        });
        groups.push(Group::new("menu-api-keys", found.collect(), String::new()));
    }
    if user.can(AccountsWrite) {
        let permit = user.may(AccountsRead)?;
        let accounts = account::search(store, permit, Some(text.to_owned()), None, LIMIT).await?;
        let found = accounts.into_iter().map(|account| Found {
            path: format!("/applications?account={}", account.id),
            name: account.name,
            id: account.id,
        });
        let all = list("/accounts", text);
        groups.push(Group::new("menu-accounts", found.collect(), all));
    }
    if user.can(UsersRead) {
        let permit = user.may(UsersRead)?;
        let people = user::search(store, permit, Some(text.to_owned()), None, LIMIT).await?;
        let found = people.into_iter().map(|person| Found {
            path: format!("/people/{}", person.id),
            name: person.email,
            id: String::new(),
        });
        let all = list("/people", text);
        groups.push(Group::new("menu-people", found.collect(), all));
    }
    Ok(groups)
}

/// The pages of the menu whose name contains the text, in any case.
fn pages(user: &CurrentUser, text: &str) -> Group {
    let text = text.to_lowercase();
    let found = menu_pages(user).filter(|(_, name)| name.to_lowercase().contains(&text));
    let found = found.map(|(path, name)| Found {
        path,
        name,
        id: String::new(),
    });
    Group::new("search-pages", found.collect(), String::new())
}

/// The path of the search for this text.
fn query(text: &str) -> String {
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair(QUERY, text)
        .finish();
    format!("{PATH}?{query}")
}

/// What lists show of an API key or a secret, if the text is more than that: its secret must not be in the
/// page or in links from it.
fn without_secret(text: &str) -> Option<&str> {
    let (prefix, rest) = text.split_once('_')?;
    let (id, _) = rest.split_once('_')?;
    let is_credential = prefix.len() == 3 && prefix.starts_with("kw");
    is_credential.then(|| &text[..prefix.len() + 1 + id.len()])
}

/// The id of an API key: alone, or after the prefix as lists show it.
fn key_id(text: &str) -> &str {
    text.strip_prefix("kwk_").unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_cut_off() {
        for (text, shown) in [
            ("kwk_abc_secret", Some("kwk_abc")),
            ("kwk_abc_…", Some("kwk_abc")),
            ("kws_abc_se_cret", Some("kws_abc")),
            ("kwk_abc", None),
            ("kwk", None),
            ("orders_of_today", None),
            ("kwitty_a_b", None),
            ("é_a_b", None),
        ] {
            assert_eq!(without_secret(text), shown, "{text}");
        }
    }

    #[test]
    fn an_api_key_is_found_by_what_lists_show_of_it() {
        for text in ["abc", "kwk_abc"] {
            assert_eq!(key_id(text), "abc", "{text}");
        }
    }
}
