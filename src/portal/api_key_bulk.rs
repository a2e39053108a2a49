//! Revokes several API keys of an application in one step: all of them or none.

use std::collections::BTreeSet;

use actix_web::HttpResponse;
use actix_web::web::Path;
use maud::{Markup, html};

use super::api_keys::{breadcrumbs, last_used, path};
use super::application::Application;
use super::page::{NavItem, PageHeader, done, user_page};
use super::page_error::{PageError, recoverable};
use super::selection::{Question, Selection};
use super::session_extractor::{AuthenticatedForm, CurrentUser};
use crate::error::{Error, refusal};
use crate::manage::actor::{KeysRead, KeysWrite};
use crate::manage::api_key::{self, ApiKeyView};

const KEYS: Selection = Selection {
    form: "revoke-keys",
    field: "key",
};

fn action(application: &Application) -> String {
    application.path("/revoke-keys")
}

/// The checkbox that chooses a key in the list.
pub(super) fn checkbox(user: &CurrentUser, key: &ApiKeyView) -> Markup {
    KEYS.checkbox(user, &key.id, &key.name)
}

/// The form below the list of keys, which leads to the confirmation.
pub(super) fn form(user: &CurrentUser, application: &Application) -> Markup {
    let button = html! { button.small.danger { (user.t("keys-revoke-chosen")) } };
    KEYS.form(user, &action(application), button)
}

/// Asks before the chosen keys are revoked.
pub async fn confirm(user: CurrentUser, id: Path<String>) -> Result<HttpResponse, PageError> {
    user.may(KeysWrite)?;
    let application = Application::find(&user, &id).await?;
    let chosen = KEYS.queried(&user);
    let error = chosen.is_empty().then(refusal::api_keys_not_chosen);
    confirm_page(&user, &application, &chosen, error.as_ref()).await
}

async fn confirm_page(
    user: &CurrentUser,
    application: &Application,
    chosen: &BTreeSet<String>,
    error: Option<&Error>,
) -> Result<HttpResponse, PageError> {
    let id = &application.client.client_id;
    let mut keys = api_key::list(&user.server.store, user.may(KeysRead)?, id).await?;
    keys.retain(|key| chosen.contains(&key.id));
    let shown = |key: &ApiKeyView| html! { strong { (key.name) } " " (last_used(user, key)) };
    let entries: Vec<_> = keys
        .iter()
        .map(|key| (key.id.as_str(), shown(key)))
        .collect();
    let question = Question {
        entries: &entries,
        text: html! { p { (user.t("keys-revoke-text")) } },
        action: &action(application),
        label: &user.t("revoke"),
        back: &path(application, ""),
        fields: html! {},
    };
    let header = PageHeader {
        breadcrumbs: breadcrumbs(user, application),
        error,
        ..PageHeader::titled(user.count("keys-revoke-title", keys.len()))
    };
    let content = KEYS.question(user, question);
    Ok(user_page(user, NavItem::ApiKeys, header, content))
}

/// Revokes the keys.
pub async fn revoke(
    AuthenticatedForm { user, form }: AuthenticatedForm,
    id: Path<String>,
) -> Result<HttpResponse, PageError> {
    let permit = user.may(KeysWrite)?;
    let application = Application::find(&user, &id).await?;
    let chosen = KEYS.submitted(&form);
    let store = &user.server.store;
    let list = path(&application, "");
    let revoked = api_key::delete_all(store, permit, &id, chosen.clone()).await;
    match recoverable(&user, revoked, &list)? {
        Ok(()) if chosen.len() == 1 => Ok(done(&user, &list, "key-revoked")),
        Ok(()) => Ok(done(&user, &list, "keys-revoked")),
        Err(error) => confirm_page(&user, &application, &chosen, Some(&error)).await,
    }
}
