//! Revokes several API keys of an application in one step: all of them or none.

use std::collections::BTreeSet;

use actix_web::HttpResponse;
use actix_web::web::Path;
use maud::{Markup, html};

use super::api_keys::{breadcrumbs, last_used, path};
use super::application::Application;
use super::components::{confirmation, hidden};
use super::page::{NavItem, PageHeader, done, user_page};
use super::page_error::{PageError, recoverable};
use super::session_extractor::{AuthenticatedForm, CurrentUser};
use crate::error::{Error, refusal};
use crate::manage::actor::{KeysRead, KeysWrite};
use crate::manage::api_key::{self, ApiKeyView};

/// The id of the form that the checkboxes in the list of keys belong to.
const FORM: &str = "revoke-keys";

/// The field with the id of a key, once for each.
const KEY: &str = "key";

fn action(application: &Application) -> String {
    application.path("/revoke-keys")
}

/// The checkbox that chooses a key in the list.
pub(super) fn checkbox(user: &CurrentUser, key: &ApiKeyView) -> Markup {
    let label = user.tr("key-choose", &[("name", key.name.as_str().into())]);
    html! { input type="checkbox" form=(FORM) name=(KEY) value=(key.id) aria-label=(label); " " }
}

/// The form below the list of keys, which leads to the confirmation.
pub(super) fn form(user: &CurrentUser, application: &Application) -> Markup {
    html! {
        form id=(FORM) method="get" action=(user.link(&action(application))) {
            button.small.danger { (user.t("keys-revoke-chosen")) }
        }
    }
}

/// Asks before the chosen keys are revoked.
pub async fn confirm(user: CurrentUser, id: Path<String>) -> Result<HttpResponse, PageError> {
    user.may(KeysWrite)?;
    let application = Application::find(&user, &id).await?;
    let chosen = user.query_all(KEY);
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
    let question = html! {
        ul { @for key in &keys { li { strong { (key.name) } " " (last_used(user, key)) } } }
        p { (user.t("keys-revoke-text")) }
    };
    let fields = html! { @for key in &keys { (hidden(KEY, &key.id)) } };
    let back = path(application, "");
    let label = user.t("revoke");
    let content = match keys.is_empty() {
        true => html! { p { a.button href=(user.link(&back)) { (user.t("cancel")) } } },
        false => confirmation(user, question, &action(application), &label, &back, fields),
    };
    let header = PageHeader {
        breadcrumbs: breadcrumbs(user, application),
        error,
        ..PageHeader::titled(user.count("keys-revoke-title", keys.len()))
    };
    Ok(user_page(user, NavItem::ApiKeys, header, content))
}

/// Revokes the keys.
pub async fn revoke(
    AuthenticatedForm { user, form }: AuthenticatedForm,
    id: Path<String>,
) -> Result<HttpResponse, PageError> {
    let permit = user.may(KeysWrite)?;
    let application = Application::find(&user, &id).await?;
    let chosen: BTreeSet<String> = form.all(KEY).map(str::to_owned).collect();
    let store = &user.server.store;
    let list = path(&application, "");
    let revoked = api_key::delete_all(store, permit, &id, chosen.clone()).await;
    match recoverable(&user, revoked, &list)? {
        Ok(()) => Ok(done(&user, &list, "keys-revoked")),
        Err(error) => confirm_page(&user, &application, &chosen, Some(&error)).await,
    }
}
