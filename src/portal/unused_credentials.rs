//! The API keys and client secrets that were not used for 90 days.

use actix_web::HttpResponse;
use maud::{Markup, html};

use super::components::{badge, clip, empty, expiry, last_used, table};
use super::list_query::ListQuery;
use super::page::{NavItem, PageHeader, user_page};
use super::page_error::PageError;
use super::session_extractor::CurrentUser;
use crate::manage::actor::KeysRead;
use crate::manage::unused_credential::{self, UnusedCredential, UnusedKind, UnusedQuery};

/// The path of the page.
pub(super) const PATH: &str = "/unused-credentials";

/// Unused credentials of all applications that the user can see, page by page.
pub async fn list(user: CurrentUser) -> Result<HttpResponse, PageError> {
    let permit = user.may(KeysRead)?;
    let query = ListQuery::parse(&user, PATH);
    let found = UnusedQuery {
        account: None,
        kind: None,
        // A position that is not one begins at the first page.
        after: query.after.as_ref().and_then(|after| after.parse().ok()),
        limit: ListQuery::LIMIT,
    };
    let found: Vec<(UnusedCredential, String)> =
        unused_credential::list(&user.server.store, permit, found)
            .await?
            .into_iter()
            .map(|credential| {
                let position = credential.position().to_string();
                (credential, position)
            })
            .collect();
    let page = query.page(&user, &found, |(_, position)| position);
    let content = html! {
        p { (user.t("unused-text")) }
        @if page.shown.is_empty() { (empty(&user.t("unused-none"), &user.t("unused-none-text"), None)) }
        @else { (rows(&user, page.shown)) }
        (page.links)
    };
    let header = PageHeader {
        breadcrumbs: vec![NavItem::ApiKeys.breadcrumb(&user)],
        ..PageHeader::titled(user.t("unused-credentials"))
    };
    Ok(user_page(&user, NavItem::ApiKeys, header, content))
}

fn rows(user: &CurrentUser, shown: &[(UnusedCredential, String)]) -> Markup {
    let rows: Vec<Vec<Markup>> = shown
        .iter()
        .map(|(credential, _)| {
            let application = format!("/applications/{}", credential.client_id);
            let (kind, below) = match credential.kind {
                UnusedKind::ApiKey => ("api-key", "keys"),
                UnusedKind::ClientSecret => ("client-secret", "secrets"),
            };
            let page = user.link(&format!("{application}/{below}/{}", credential.id));
            let name = credential.name.as_deref().unwrap_or(&credential.id);
            vec![
                html! { strong { a href=(page) { (clip(name)) } } " " (badge("plain", &user.t(kind))) },
                html! { a href=(user.link(&application)) { (clip(&credential.client_name)) } },
                user.day(credential.created_at),
                last_used(user, credential.last_used_at),
                expiry(user, credential.expires_at),
            ]
        })
        .collect();
    let columns = [
        "column-credential",
        "application",
        "column-created",
        "column-last-used",
        "column-expires",
    ];
    table(user, &user.t("unused-credentials"), &columns, &rows)
}
