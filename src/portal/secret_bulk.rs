//! Deletes several secrets of an application in one step: all of them or none.

use std::collections::BTreeSet;

use actix_web::HttpResponse;
use actix_web::web::Path;
use maud::{Markup, html};

use super::application::Application;
use super::components::last_used;
use super::page::{NavItem, PageHeader, done, user_page};
use super::page_error::{PageError, recoverable};
use super::secrets::{breadcrumbs, is_active, label};
use super::selection::{Question, Selection};
use super::session_extractor::{AuthenticatedForm, CurrentUser};
use crate::error::{Error, refusal};
use crate::manage::actor::{KeysRead, KeysWrite};
use crate::manage::secret::{self, SecretView};

const SECRETS: Selection = Selection {
    form: "delete-secrets",
    field: "secret",
};

fn action(application: &Application) -> String {
    application.path("/delete-secrets")
}

/// The checkbox that selects a secret in the list.
pub(super) fn checkbox(user: &CurrentUser, secret: &SecretView) -> Markup {
    SECRETS.checkbox(user, &secret.id, label(secret))
}

/// The form below the list of secrets, which leads to the confirmation.
pub(super) fn form(user: &CurrentUser, application: &Application) -> Markup {
    let button = html! { button.small.danger { (user.t("secrets-delete-selected")) } };
    SECRETS.form(user, &action(application), button)
}

/// Asks before the selected secrets are deleted.
pub async fn confirm(user: CurrentUser, id: Path<String>) -> Result<HttpResponse, PageError> {
    user.may(KeysWrite)?;
    let application = Application::find(&user, &id).await?;
    let selected = SECRETS.queried(&user);
    let error = selected.is_empty().then(refusal::secrets_not_chosen);
    confirm_page(&user, &application, &selected, error.as_ref()).await
}

async fn confirm_page(
    user: &CurrentUser,
    application: &Application,
    selected: &BTreeSet<String>,
    error: Option<&Error>,
) -> Result<HttpResponse, PageError> {
    let id = &application.client.client_id;
    let secrets = secret::list(&user.server.store, user.may(KeysRead)?, id).await?;
    let is_selected = |secret: &&SecretView| selected.contains(&secret.id);
    let shown = |secret: &SecretView| html! { strong { (label(secret)) } " " (last_used(user, secret.last_used_at)) };
    let entries: Vec<_> = secrets
        .iter()
        .filter(is_selected)
        .map(|secret| (secret.id.as_str(), shown(secret)))
        .collect();
    let mut active = secrets.iter().filter(|secret| is_active(user, secret));
    let is_last = active.all(|secret| selected.contains(&secret.id));
    let question = Question {
        entries: &entries,
        text: html! {
            p { (user.t("secrets-delete-text")) }
            @if is_last { p { strong { (user.t("secrets-delete-last")) } } }
        },
        action: &action(application),
        label: &user.t("delete"),
        back: &application.path("/secrets"),
        fields: html! {},
    };
    let header = PageHeader {
        breadcrumbs: breadcrumbs(user, application),
        error,
        ..PageHeader::titled(user.count("secrets-delete-title", entries.len()))
    };
    let content = SECRETS.question(user, question);
    Ok(user_page(user, NavItem::Applications, header, content))
}

/// Deletes the secrets.
pub async fn delete(
    AuthenticatedForm { user, form }: AuthenticatedForm,
    id: Path<String>,
) -> Result<HttpResponse, PageError> {
    let permit = user.may(KeysWrite)?;
    let application = Application::find(&user, &id).await?;
    let selected = SECRETS.submitted(&form);
    let store = &user.server.store;
    let list = application.path("/secrets");
    let deleted = secret::delete_all(store, permit, &id, selected.clone()).await;
    match recoverable(&user, deleted, &list)? {
        Ok(()) if selected.len() == 1 => Ok(done(&user, &list, "secret-deleted")),
        Ok(()) => Ok(done(&user, &list, "secrets-deleted")),
        Err(error) => confirm_page(&user, &application, &selected, Some(&error)).await,
    }
}
