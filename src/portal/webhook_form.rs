//! The forms that create and edit a webhook.

use actix_web::HttpResponse;
use actix_web::web::Path;
use maud::{Markup, html};

use super::account_field::AccountChoices;
use super::components::{self, Field, copy};
use super::form::Form;
use super::page::{NavItem, PageHeader, done, user_page};
use super::page_error::{PageError, recoverable};
use super::session_extractor::{AuthenticatedForm, CurrentUser};
use super::webhooks::path;
use crate::error::Error;
use crate::manage::actor::{WebhooksRead, WebhooksWrite};
use crate::manage::webhook::{self, NewWebhook, Source, WebhookChanges, WebhookView};
use crate::secret::SecretString;

/// Stands for all accounts in the field for the account.
const ALL_ACCOUNTS: &str = "*";

/// The event that stands for all events.
const ALL_EVENTS: &str = "*";

/// The form for a new webhook.
pub async fn show_new(user: CurrentUser) -> Result<HttpResponse, PageError> {
    user.may(WebhooksWrite)?;
    new_page(&user, &Form::filled(&[("all_events", "on")]), None).await
}

async fn new_page(
    user: &CurrentUser,
    submitted: &Form,
    error: Option<&Error>,
) -> Result<HttpResponse, PageError> {
    let accounts = if user.is_operator() {
        let choices = AccountChoices::load(user).await?;
        Some(choices.with_first(ALL_ACCOUNTS, user.t("webhook-all-accounts")))
    } else {
        None
    };
    let content = html! {
        p { (user.t("webhook-new-text")) }
        (components::idempotent_form(user, "/webhooks", submitted, html! {
            @if let Some(accounts) = &accounts { (accounts.field(Field::new(user, "account", error), submitted.get("account"))) }
            (fields(user, submitted, error))
            div.buttons {
                button.primary { (user.t("webhook-create")) }
                a.button href=(user.link("/webhooks")) { (user.t("cancel")) }
            }
        }))
    };
    let header = PageHeader {
        breadcrumbs: vec![NavItem::Webhooks.breadcrumb(user)],
        error,
        ..PageHeader::titled(user.t("webhook-new"))
    };
    Ok(user_page(user, NavItem::Webhooks, header, content))
}

fn fields(user: &CurrentUser, submitted: &Form, error: Option<&Error>) -> Markup {
    let events: Vec<&str> = webhook::events().map(|action| action.as_str()).collect();
    html! {
        (Field::new(user, "url", error).help("help-webhook-url").input("url", submitted.get("url")))
        (Field::new(user, "description", error).optional().input("text", submitted.get("description")))
        (Field::new(user, "all_events", error).help("help-all-events").checkbox(submitted.checked("all_events")))
        (Field::new(user, "events", error).optional().checkboxes(events, submitted))
    }
}

/// The events that a form chooses; none if it has no field for them.
fn events(form: &Form) -> Option<Vec<String>> {
    let is_all = form.checkbox("all_events")?;
    if is_all {
        return Some(vec![ALL_EVENTS.to_owned()]);
    }
    Some(form.all("events").map(str::to_owned).collect())
}

/// Creates a webhook.
pub async fn create(
    AuthenticatedForm { user, form }: AuthenticatedForm,
) -> Result<HttpResponse, PageError> {
    let account = form.optional("account").filter(|_| user.is_operator());
    let new = NewWebhook {
        source: match account.as_deref() {
            Some(ALL_ACCOUNTS) => Source::AllAccounts,
            _ => Source::Account(account),
        },
        url: form.text("url").to_owned(),
        description: form.text("description").to_owned(),
        events: events(&form).unwrap_or_default(),
    };
    let server = &user.server;
    let permit = user.may(WebhooksWrite)?;
    let created = webhook::create(&server.store, permit, server.sealing_keys(), new).await;
    match recoverable(&user, created, "/webhooks")? {
        Ok((secret, view)) => Ok(secret_page(&user, &view, &secret, "webhook-created")),
        Err(error) => new_page(&user, &form, Some(&error)).await,
    }
}

/// The page that shows the secret of a webhook once.
pub fn secret_page(
    user: &CurrentUser,
    webhook: &WebhookView,
    secret: &SecretString,
    title: &str,
) -> HttpResponse {
    let content = html! {
        div.shown_once {
            p { strong { (user.t("shown-once")) } }
            p { (user.t("webhook-secret-text")) }
            (copy(user, &user.t("webhook-secret"), "signing-secret", secret.expose()))
        }
        p { a.button.primary href=(user.link(&path(&webhook.id, ""))) { (user.t("to-webhook")) } }
    };
    let header = PageHeader {
        breadcrumbs: vec![NavItem::Webhooks.breadcrumb(user)],
        ..PageHeader::titled(user.t(title))
    };
    user_page(user, NavItem::Webhooks, header, content)
}

/// The form that edits a webhook.
pub async fn show_edit(user: CurrentUser, id: Path<String>) -> Result<HttpResponse, PageError> {
    user.may(WebhooksWrite)?;
    let webhook = webhook::show(&user.server.store, user.may(WebhooksRead)?, &id).await?;
    let mut current = vec![
        ("url", webhook.url.as_str()),
        ("description", webhook.description.as_str()),
    ];
    for event in &webhook.events {
        match event.as_str() {
            ALL_EVENTS => current.push(("all_events", "on")),
            event => current.push(("events", event)),
        }
    }
    Ok(edit_page(&user, &webhook, &Form::filled(&current), None))
}

fn edit_page(
    user: &CurrentUser,
    webhook: &WebhookView,
    submitted: &Form,
    error: Option<&Error>,
) -> HttpResponse {
    let content = components::form(
        user,
        &path(&webhook.id, "/edit"),
        html! {
            (fields(user, submitted, error))
            div.buttons {
                button.primary { (user.t("save")) }
                a.button href=(user.link(&path(&webhook.id, ""))) { (user.t("cancel")) }
            }
        },
    );
    let header = PageHeader {
        breadcrumbs: super::webhooks::breadcrumbs(user, webhook),
        error,
        ..PageHeader::titled(user.t("webhook-edit"))
    };
    user_page(user, NavItem::Webhooks, header, content)
}

/// Saves an edited webhook.
pub async fn edit(
    AuthenticatedForm { user, form }: AuthenticatedForm,
    id: Path<String>,
) -> Result<HttpResponse, PageError> {
    let text = |name: &str| form.has(name).then(|| form.text(name).to_owned());
    let changes = WebhookChanges {
        url: text("url"),
        description: text("description"),
        events: events(&form),
        enabled: None,
    };
    let permit = user.may(WebhooksWrite)?;
    let store = &user.server.store;
    let updated = webhook::update(store, permit, &id, changes).await;
    let own = path(&id, "");
    match recoverable(&user, updated, &own)? {
        Ok(_) => Ok(done(&user, &own, "saved")),
        Err(error) => {
            let webhook = webhook::show(store, user.may(WebhooksRead)?, &id).await?;
            Ok(edit_page(&user, &webhook, &form, Some(&error)))
        }
    }
}
