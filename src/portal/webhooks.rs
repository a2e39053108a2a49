//! Webhooks and their deliveries.

use actix_web::HttpResponse;
use actix_web::web::Path;
use maud::{Markup, html};
use serde_json::Value;

use super::audit::action_message;
use super::components::{
    self, Field, badge, chips, clip, confirmation, copy, delivery_state, duration_choices, empty,
    pages, table,
};
use super::form::Form;
use super::language::message_id;
use super::list_query::ListQuery;
use super::page::{self, NavItem, PageHeader, done, user_page};
use super::page_error::{PageError, recoverable};
use super::session_extractor::{AuthenticatedForm, CurrentUser};
use super::webhook_form::secret_page;
use crate::error::Error;
use crate::manage::actor::{WebhooksRead, WebhooksWrite};
use crate::manage::webhook::{self, DeliveryView, WebhookChanges, WebhookDisabledBy, WebhookView};

/// The choices for how long the old secret still signs.
const GRACES: [&str; 4] = ["24h", "1h", "7d", "0s"];

/// The path of a webhook, or of a page below it.
pub fn path(id: &str, below: &str) -> String {
    format!("/webhooks/{id}{below}")
}

/// The breadcrumbs of the pages below a webhook.
pub fn breadcrumbs(user: &CurrentUser, webhook: &WebhookView) -> Vec<(String, String)> {
    let own = (path(&webhook.id, ""), name(user, webhook));
    vec![NavItem::Webhooks.breadcrumb(user), own]
}

/// What people call a webhook: its description, if it has one.
fn name(user: &CurrentUser, webhook: &WebhookView) -> String {
    if webhook.description.is_empty() {
        user.t("webhook")
    } else {
        webhook.description.clone()
    }
}

/// The webhooks that the user can see.
pub async fn list(user: CurrentUser) -> Result<HttpResponse, PageError> {
    let webhooks = webhook::list(&user.server.store, user.may(WebhooksRead)?).await?;
    let content = html! {
        p { (user.t("webhooks-text")) }
        @if webhooks.is_empty() { (empty(&user.t("webhooks-none"), &user.t("webhooks-none-text"), None)) }
        @else { (rows(&user, &webhooks)) }
    };
    let new =
        html! { a.button.primary href=(user.link("/webhooks/new")) { (user.t("webhook-new")) } };
    let header = PageHeader {
        notice: page::notice(&user),
        actions: user.can(WebhooksWrite).then_some(new),
        ..PageHeader::titled(user.t("menu-webhooks"))
    };
    Ok(user_page(&user, NavItem::Webhooks, header, content))
}

fn rows(user: &CurrentUser, webhooks: &[WebhookView]) -> Markup {
    let rows: Vec<Vec<Markup>> = webhooks
        .iter()
        .map(|webhook| {
            let mut cells = vec![
                html! { a href=(user.link(&path(&webhook.id, ""))) { (clip(&webhook.url)) } @if !webhook.description.is_empty() { div.detail { (webhook.description) } } },
                html! { (events(user, webhook)) },
                state(user, webhook),
                user.relative(webhook.created_at),
            ];
            if user.is_operator() {
                cells.insert(1, source(user, webhook));
            }
            cells
        })
        .collect();
    let mut columns = vec![
        "field-url",
        "field-events",
        "column-state",
        "column-created",
    ];
    if user.is_operator() {
        columns.insert(1, "column-account");
    }
    table(user, &user.t("menu-webhooks"), &columns, &rows)
}

fn source(user: &CurrentUser, webhook: &WebhookView) -> Markup {
    match &webhook.account {
        Some(account) => components::id(user, account),
        None => html! { (user.t("webhook-all-accounts")) },
    }
}

fn events(user: &CurrentUser, webhook: &WebhookView) -> Markup {
    if webhook.events.iter().any(|event| event == "*") {
        return html! { (user.t("webhook-all-events")) };
    }
    chips(user, webhook.events.iter().map(String::as_str), "none")
}

fn state(user: &CurrentUser, webhook: &WebhookView) -> Markup {
    match (webhook.disabled_by, webhook.failing_since) {
        (Some(WebhookDisabledBy::Operator), _) => badge("off", &user.t("disabled-by-operator")),
        (Some(WebhookDisabledBy::Account), _) => badge("off", &user.t("disabled")),
        (Some(WebhookDisabledBy::Failures), _) => {
            badge("off", &user.t("webhook-disabled-failures"))
        }
        (None, Some(since)) => {
            html! { (badge("off", &user.t("webhook-failing"))) " " (user.relative(since)) }
        }
        (None, None) => badge("good", &user.t("enabled")),
    }
}

async fn find(user: &CurrentUser, id: &str) -> Result<WebhookView, PageError> {
    Ok(webhook::show(&user.server.store, user.may(WebhooksRead)?, id).await?)
}

/// A webhook and its deliveries.
pub async fn show(user: CurrentUser, id: Path<String>) -> Result<HttpResponse, PageError> {
    let webhook = find(&user, &id).await?;
    webhook_page(&user, &webhook, None).await
}

async fn webhook_page(
    user: &CurrentUser,
    webhook: &WebhookView,
    error: Option<&Error>,
) -> Result<HttpResponse, PageError> {
    let after = user.query("after");
    let permit = user.may(WebhooksRead)?;
    let store = &user.server.store;
    let limit = ListQuery::LIMIT;
    let mut found = webhook::deliveries(store, permit, &webhook.id, after.clone(), limit).await?;
    let own = path(&webhook.id, "");
    let has_next = i64::try_from(found.len()).unwrap_or(i64::MAX) >= limit;
    if has_next {
        found.pop();
    }
    let next = found
        .last()
        .filter(|_| has_next)
        .map(|last| format!("{own}?after={}", last.id));
    let first = after.map(|_| own.clone());
    let can_edit = user.can(WebhooksWrite);
    let content = html! {
        dl.facts.card {
            dt { (user.t("field-url")) } dd { code.words { (webhook.url) } }
            @if user.is_operator() { dt { (user.t("column-account")) } dd { (source(user, webhook)) } }
            dt { (user.t("field-events")) } dd { (events(user, webhook)) }
            @if let Some(until) = webhook.previous_secret_until { dt { (user.t("webhook-old-secret")) } dd { (user.relative(until)) } }
            dt { (user.t("column-created")) } dd { (user.relative(webhook.created_at)) }
            dt { (user.t("column-id")) } dd { (components::whole_id(user, "webhook-id", &webhook.id)) }
        }
        section aria-labelledby="deliveries" {
            h2 #deliveries { (user.t("webhook-deliveries")) }
            @if found.is_empty() { p { (user.t("webhook-deliveries-none")) } } @else { (delivery_rows(user, webhook, &found)) }
            (pages(user, first.as_deref(), next.as_deref()))
        }
    };
    let actions = html! {
        @if can_edit {
            @if webhook.enabled {
                (components::button(user, &path(&webhook.id, "/test"), &user.t("webhook-test"), ""))
                (components::button(user, &path(&webhook.id, "/disable"), &user.t("disable"), ""))
            } @else {
                (components::button(user, &path(&webhook.id, "/enable"), &user.t("enable"), ""))
            }
            a.button href=(user.link(&path(&webhook.id, "/rotate-secret"))) { (user.t("webhook-rotate")) }
            a.button href=(user.link(&path(&webhook.id, "/edit"))) { (user.t("edit")) }
            a.button href=(user.link(&path(&webhook.id, "/delete"))) { (user.t("delete")) }
        }
    };
    let header = PageHeader {
        breadcrumbs: vec![NavItem::Webhooks.breadcrumb(user)],
        badges: Some(state(user, webhook)),
        actions: Some(actions),
        notice: page::notice(user),
        error,
        ..PageHeader::titled(name(user, webhook))
    };
    Ok(user_page(user, NavItem::Webhooks, header, content))
}

fn delivery_rows(user: &CurrentUser, webhook: &WebhookView, found: &[DeliveryView]) -> Markup {
    let rows: Vec<Vec<Markup>> = found
        .iter()
        .map(|delivery| {
            let own = path(&webhook.id, &format!("/deliveries/{}", delivery.id));
            vec![
                html! { a href=(user.link(&own)) { (user.t(&action_message(&delivery.event_type))) } div.detail { code { (delivery.event_type) } } },
                delivery_state(user, delivery.state),
                html! { (user.language.number(delivery.attempts)) },
                response(user, delivery),
                user.relative(delivery.created_at),
                next_attempt(user, delivery),
            ]
        })
        .collect();
    let columns = [
        "column-event",
        "column-state",
        "column-attempts",
        "column-response",
        "column-created",
        "column-next-attempt",
    ];
    table(user, &user.t("webhook-deliveries"), &columns, &rows)
}

fn response(user: &CurrentUser, delivery: &DeliveryView) -> Markup {
    match (delivery.response_status, delivery.failure) {
        (Some(status), _) => html! { "HTTP " (status) },
        (None, Some(failure)) => {
            html! { (user.t(&message_id("delivery-failure", failure.as_str()))) }
        }
        (None, None) => html! { (user.t("nothing")) },
    }
}

fn next_attempt(user: &CurrentUser, delivery: &DeliveryView) -> Markup {
    match delivery.next_attempt_at {
        Some(at) if at > user.now() => user.relative(at),
        Some(_) => html! { (user.t("now")) },
        None => html! { (user.t("nothing")) },
    }
}

/// A delivery, with what is sent.
pub async fn show_delivery(
    user: CurrentUser,
    ids: Path<(String, String)>,
) -> Result<HttpResponse, PageError> {
    let (id, delivery_id) = ids.into_inner();
    let webhook = find(&user, &id).await?;
    let store = &user.server.store;
    let permit = user.may(WebhooksRead)?;
    let delivery = webhook::show_delivery(store, permit, &id, &delivery_id).await?;
    let content = html! {
        dl.facts.card {
            dt { (user.t("column-state")) } dd { (delivery_state(&user, delivery.state)) }
            dt { (user.t("webhook-event-id")) } dd { (components::whole_id(&user, "event-id", &delivery.event_id)) }
            dt { (user.t("column-created")) } dd { (user.relative(delivery.created_at)) }
            dt { (user.t("column-attempts")) } dd { (user.language.number(delivery.attempts)) }
            @if let Some(at) = delivery.last_attempt_at { dt { (user.t("webhook-last-attempt")) } dd { (user.relative(at)) } }
            dt { (user.t("column-response")) } dd { (response(&user, &delivery)) }
            @if let Some(duration) = delivery.duration_ms { dt { (user.t("webhook-duration")) } dd { (user.language.number(duration)) " ms" } }
            dt { (user.t("column-next-attempt")) } dd { (next_attempt(&user, &delivery)) }
        }
        (copy(&user, &user.t("webhook-body"), "body", &on_several_lines(&delivery.body)))
    };
    let resend = path(&id, &format!("/deliveries/{delivery_id}/resend"));
    let can_resend = user.can(WebhooksWrite) && webhook.enabled;
    let header = PageHeader {
        breadcrumbs: breadcrumbs(&user, &webhook),
        actions: can_resend
            .then(|| components::button(&user, &resend, &user.t("webhook-resend"), "")),
        ..PageHeader::titled(user.t(&action_message(&delivery.event_type)))
    };
    Ok(user_page(&user, NavItem::Webhooks, header, content))
}

/// A JSON text as people read it.
fn on_several_lines(json: &str) -> String {
    let parsed: Option<Value> = serde_json::from_str(json).ok();
    parsed
        .and_then(|value| serde_json::to_string_pretty(&value).ok())
        .unwrap_or_else(|| json.to_owned())
}

/// Leads to the webhook with the notice `done-WHAT`, or shows there why the change was refused.
async fn changed<T>(
    user: &CurrentUser,
    id: &str,
    result: Result<T, Error>,
    what: &str,
) -> Result<HttpResponse, PageError> {
    let own = path(id, "");
    match recoverable(user, result, &own)? {
        Ok(_) => Ok(done(user, &own, what)),
        Err(error) => {
            let webhook = find(user, id).await?;
            webhook_page(user, &webhook, Some(&error)).await
        }
    }
}

async fn set_enabled(
    user: &CurrentUser,
    id: &str,
    enabled: bool,
    what: &str,
) -> Result<HttpResponse, PageError> {
    let changes = WebhookChanges {
        enabled: Some(enabled),
        ..WebhookChanges::default()
    };
    let permit = user.may(WebhooksWrite)?;
    let result = webhook::update(&user.server.store, permit, id, changes).await;
    changed(user, id, result, what).await
}

/// Enables a webhook.
pub async fn enable(
    AuthenticatedForm { user, .. }: AuthenticatedForm,
    id: Path<String>,
) -> Result<HttpResponse, PageError> {
    set_enabled(&user, &id, true, "webhook-enabled").await
}

/// Disables a webhook.
pub async fn disable(
    AuthenticatedForm { user, .. }: AuthenticatedForm,
    id: Path<String>,
) -> Result<HttpResponse, PageError> {
    set_enabled(&user, &id, false, "webhook-disabled").await
}

/// Sends the test event.
pub async fn test(
    AuthenticatedForm { user, .. }: AuthenticatedForm,
    id: Path<String>,
) -> Result<HttpResponse, PageError> {
    let permit = user.may(WebhooksWrite)?;
    let result = webhook::test(&user.server.store, permit, &id).await;
    changed(&user, &id, result, "webhook-tested").await
}

/// Sends the event of a delivery again.
pub async fn resend(
    AuthenticatedForm { user, .. }: AuthenticatedForm,
    ids: Path<(String, String)>,
) -> Result<HttpResponse, PageError> {
    let (id, delivery_id) = ids.into_inner();
    let permit = user.may(WebhooksWrite)?;
    let result = webhook::resend(&user.server.store, permit, &id, &delivery_id).await;
    changed(&user, &id, result, "webhook-resent").await
}

/// Asks for how long the old secret still signs.
pub async fn confirm_rotation(
    user: CurrentUser,
    id: Path<String>,
) -> Result<HttpResponse, PageError> {
    user.may(WebhooksWrite)?;
    let webhook = find(&user, &id).await?;
    Ok(rotation_page(&user, &webhook, &Form::default(), None))
}

fn rotation_page(
    user: &CurrentUser,
    webhook: &WebhookView,
    submitted: &Form,
    error: Option<&Error>,
) -> HttpResponse {
    let graces = duration_choices(user, &GRACES, "immediately");
    let content = html! {
        p { (user.t("webhook-rotate-text")) }
        (components::form(user, &path(&webhook.id, "/rotate-secret"), html! {
            (Field::new(user, "grace", error).select(&graces, submitted.get("grace")))
            div.buttons {
                button.primary { (user.t("webhook-rotate")) }
                a.button href=(user.link(&path(&webhook.id, ""))) { (user.t("cancel")) }
            }
        }))
    };
    let header = PageHeader {
        breadcrumbs: breadcrumbs(user, webhook),
        error,
        ..PageHeader::titled(user.t("webhook-rotate"))
    };
    user_page(user, NavItem::Webhooks, header, content)
}

/// Replaces the secret of a webhook, and shows the new one.
pub async fn rotate_secret(
    AuthenticatedForm { user, form }: AuthenticatedForm,
    id: Path<String>,
) -> Result<HttpResponse, PageError> {
    let server = &user.server;
    let permit = user.may(WebhooksWrite)?;
    let rotated = async {
        let grace = form.duration("grace")?.unwrap_or_default();
        webhook::rotate_secret(&server.store, permit, server.sealing_keys(), &id, grace).await
    };
    match recoverable(&user, rotated.await, &path(&id, ""))? {
        Ok((secret, webhook)) => Ok(secret_page(&user, &webhook, &secret, "webhook-rotated")),
        Err(error) => {
            let webhook = find(&user, &id).await?;
            Ok(rotation_page(&user, &webhook, &form, Some(&error)))
        }
    }
}

/// Asks to confirm that a webhook is deleted.
pub async fn confirm_delete(
    user: CurrentUser,
    id: Path<String>,
) -> Result<HttpResponse, PageError> {
    user.may(WebhooksWrite)?;
    let webhook = find(&user, &id).await?;
    let question = html! {
        p { (user.t("webhook-delete-text")) }
        dl.facts { dt { (user.t("field-url")) } dd { code.words { (webhook.url) } } }
    };
    let content = confirmation(
        &user,
        question,
        &path(&id, "/delete"),
        &user.t("webhook-delete"),
        &path(&id, ""),
        html! {},
    );
    let header = PageHeader {
        breadcrumbs: breadcrumbs(&user, &webhook),
        ..PageHeader::titled(user.t("webhook-delete"))
    };
    Ok(user_page(&user, NavItem::Webhooks, header, content))
}

/// Deletes a webhook.
pub async fn delete(
    AuthenticatedForm { user, .. }: AuthenticatedForm,
    id: Path<String>,
) -> Result<HttpResponse, PageError> {
    let permit = user.may(WebhooksWrite)?;
    let result = webhook::delete(&user.server.store, permit, &id).await;
    match recoverable(&user, result, "/webhooks")? {
        Ok(()) => Ok(done(&user, "/webhooks", "webhook-deleted")),
        Err(error) => {
            let webhook = find(&user, &id).await?;
            webhook_page(&user, &webhook, Some(&error)).await
        }
    }
}
