//! Client secrets: create, rotate and delete them. [`secret_edit`](super::secret_edit) renames them.

use actix_web::HttpResponse;
use actix_web::web::Path;
use maud::{Markup, html};

use super::application::{Application, Tab};
use super::components::{
    self, Field, confirmation, copy, duration_choices, empty, expiry, last_used, table,
};
use super::form::Form;
use super::page::{self, NavItem, PageHeader, done, user_page};
use super::page_error::{PageError, recoverable};
use super::secret_bulk;
use super::session_extractor::{AuthenticatedForm, CurrentUser};
use crate::error::{Error, refusal};
use crate::manage::actor::{KeysRead, KeysWrite};
use crate::manage::secret::{self, NewSecret, SecretView};

/// The choices for how long the old secrets stay valid after a rotation.
const GRACES: [&str; 4] = ["24h", "1h", "7d", "0s"];

/// The breadcrumbs of the pages below the list of secrets.
pub(super) fn breadcrumbs(user: &CurrentUser, application: &Application) -> Vec<(String, String)> {
    let mut breadcrumbs = application.breadcrumbs(user);
    breadcrumbs.push((application.path("/secrets"), user.t("secrets")));
    breadcrumbs
}

/// The client secrets of an application.
pub async fn list(user: CurrentUser, id: Path<String>) -> Result<HttpResponse, PageError> {
    let application = Application::find(&user, &id).await?;
    secrets_page(&user, &application, &Form::default(), None).await
}

async fn secrets_page(
    user: &CurrentUser,
    application: &Application,
    submitted: &Form,
    error: Option<&Error>,
) -> Result<HttpResponse, PageError> {
    let id = &application.client.client_id;
    let secrets = secret::list(&user.server.store, user.may(KeysRead)?, id).await?;
    let graces = duration_choices(user, &GRACES, "immediately");
    let content = html! {
        p { (user.t("secrets-text")) }
        @if secrets.is_empty() { (empty(&user.t("secrets-none"), &user.t("secrets-none-text"), None)) } @else { (rows(user, application, &secrets)) }
        (components::unused_hint(user, secrets.iter().any(|secret| secret.unused)))
        @if user.can(KeysWrite) {
            section aria-labelledby="rotate-secrets" {
                h2 #rotate-secrets { (user.t("secrets-rotate")) }
                p { (user.t("secrets-rotate-text")) }
                (components::idempotent_form(user, &application.path("/secrets/rotate"), submitted, html! {
                    (Field::new(user, "grace", error).select(&graces, submitted.get("grace")))
                    button.primary { (user.t("secrets-rotate")) }
                }))
            }
            section aria-labelledby="new-secret" {
                h2 #new-secret { (user.t("secret-new")) }
                p { (user.t("secret-new-text")) }
                (components::idempotent_form(user, &application.path("/secrets"), submitted, html! {
                    (Field::new(user, "name", error).optional().help("help-secret-name").input("text", submitted.get("name")))
                    button { (user.t("secret-create")) }
                }))
            }
        }
    };
    let header = PageHeader {
        breadcrumbs: application.breadcrumbs(user),
        tabs: Some(application.tabs(user, Tab::Credentials)),
        notice: page::notice(user),
        error,
        ..PageHeader::titled(user.t("secrets"))
    };
    Ok(user_page(user, NavItem::Applications, header, content))
}

/// A secret of an application.
///
/// # Errors
/// `not_found` if the application has no such secret.
pub(super) async fn find(
    user: &CurrentUser,
    application: &Application,
    id: &str,
) -> Result<SecretView, PageError> {
    let client_id = &application.client.client_id;
    let secrets = secret::list(&user.server.store, user.may(KeysRead)?, client_id).await?;
    let found = secrets.into_iter().find(|secret| secret.id == id);
    Ok(found.ok_or_else(refusal::secret_unknown)?)
}

/// The name of a secret, or its id if it has none.
pub(super) fn label(secret: &SecretView) -> &str {
    secret.name.as_deref().unwrap_or(&secret.id)
}

/// Whether a secret has not expired.
pub(super) fn is_active(user: &CurrentUser, secret: &SecretView) -> bool {
    secret.expires_at.is_none_or(|end| end > user.now())
}

/// The client secrets as a table, with the buttons to rename and delete them.
pub fn rows(user: &CurrentUser, application: &Application, secrets: &[SecretView]) -> Markup {
    let can_edit = user.can(KeysWrite);
    let can_select = can_edit && secrets.len() > 1;
    let rows: Vec<Vec<Markup>> = secrets
        .iter()
        .map(|secret| {
            let page = user.link(&application.path(&format!("/secrets/{}", secret.id)));
            let to = |below: &str, message: &str| {
                html! {
                    a.button.small href=(user.link(&application.path(&format!("/secrets/{}{below}", secret.id)))) {
                        (user.t(message)) span.visually_hidden { " " (label(secret)) }
                    }
                }
            };
            vec![
                html! {
                    @if can_select { (secret_bulk::checkbox(user, secret)) }
                    @if let Some(name) = &secret.name { strong { (name) } } @else { "–" }
                },
                html! { a href=(page) { code { "kws_" (secret.id) "_…" } } },
                user.day(secret.created_at),
                html! { (last_used(user, secret.last_used_at)) (components::unused(user, secret.unused)) },
                expiry(user, secret.expires_at),
                html! { @if can_edit { span.buttons { (to("/edit", "rename")) (to("/delete", "delete")) } } },
            ]
        })
        .collect();
    let columns = [
        "column-name",
        "column-secret",
        "column-created",
        "column-last-used",
        "column-expires",
        "",
    ];
    html! {
        (table(user, &user.t("secrets"), &columns, &rows))
        @if can_select { (secret_bulk::form(user, application)) }
    }
}

fn secret_page(user: &CurrentUser, application: &Application, secret: &str) -> HttpResponse {
    let token_endpoint = user.server.issuer.endpoint("/oauth/token");
    let try_it = format!(
        "curl -u {}:{secret} -d grant_type=client_credentials {token_endpoint}",
        application.client.client_id
    );
    let content = html! {
        div.shown_once {
            p { strong { (user.t("shown-once")) } }
            (copy(user, &user.t("client-secret"), "client-secret", secret))
            (copy(user, &user.t("first-token"), "first-token", &try_it))
        }
        p { a.button.primary href=(user.link(&application.path("/secrets"))) { (user.t("to-secrets")) } }
    };
    let header = PageHeader {
        breadcrumbs: breadcrumbs(user, application),
        ..PageHeader::titled(user.t("secret-created"))
    };
    user_page(user, NavItem::Applications, header, content)
}

/// Creates another secret.
pub async fn create(
    AuthenticatedForm { user, form }: AuthenticatedForm,
    id: Path<String>,
) -> Result<HttpResponse, PageError> {
    let application = Application::find(&user, &id).await?;
    let new = NewSecret {
        name: form.optional("name"),
        lifetime: None,
    };
    let created = secret::create(&user.server.store, user.may(KeysWrite)?, &id, new).await;
    match recoverable(&user, created, &application.path("/secrets"))? {
        Ok((secret, _)) => Ok(secret_page(&user, &application, secret.expose())),
        Err(error) => secrets_page(&user, &application, &form, Some(&error)).await,
    }
}

/// Creates a secret and lets all others expire.
pub async fn rotate(
    AuthenticatedForm { user, form }: AuthenticatedForm,
    id: Path<String>,
) -> Result<HttpResponse, PageError> {
    let application = Application::find(&user, &id).await?;
    let created = async {
        let grace = form.duration("grace")?.unwrap_or_default();
        secret::rotate(&user.server.store, user.may(KeysWrite)?, &id, grace).await
    };
    match recoverable(&user, created.await, &application.path("/secrets"))? {
        Ok((secret, _)) => Ok(secret_page(&user, &application, secret.expose())),
        Err(error) => secrets_page(&user, &application, &form, Some(&error)).await,
    }
}

/// Asks to confirm that a secret is deleted.
pub async fn confirm_delete(
    user: CurrentUser,
    ids: Path<(String, String)>,
) -> Result<HttpResponse, PageError> {
    user.may(KeysWrite)?;
    let application = Application::find(&user, &ids.0).await?;
    let secrets = secret::list(&user.server.store, user.may(KeysRead)?, &ids.0).await?;
    let active = secrets.iter().filter(|secret| is_active(&user, secret));
    let last = active.clone().count() == 1 && active.clone().any(|secret| secret.id == ids.1);
    let question = html! {
        p { (user.t("secret-delete-text")) }
        @if last { p { strong { (user.t("secret-last")) } } }
    };
    let action = application.path(&format!("/secrets/{}/delete", ids.1));
    let content = confirmation(
        &user,
        question,
        &action,
        &user.t("secret-delete"),
        &application.path("/secrets"),
        html! {},
    );
    let title = user.tr("secret-delete-title", &[("id", ids.1.as_str().into())]);
    Ok(user_page(
        &user,
        NavItem::Applications,
        PageHeader {
            breadcrumbs: breadcrumbs(&user, &application),
            ..PageHeader::titled(title)
        },
        content,
    ))
}

/// Deletes a secret.
pub async fn delete(
    AuthenticatedForm { user, .. }: AuthenticatedForm,
    ids: Path<(String, String)>,
) -> Result<HttpResponse, PageError> {
    let application = Application::find(&user, &ids.0).await?;
    secret::delete(&user.server.store, user.may(KeysWrite)?, &ids.0, &ids.1).await?;
    Ok(done(&user, &application.path("/secrets"), "secret-deleted"))
}
