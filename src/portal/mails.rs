//! E-mail that was sent and is to be sent, for operators.

use actix_web::HttpResponse;
use maud::{Markup, html};

use super::audit::action_message;
use super::components::{self, Field, clip, delivery_state, empty, table};
use super::form::Form;
use super::language::message_id;
use super::list_query::ListQuery;
use super::page::{self, NavItem, PageHeader, done, user_page};
use super::page_error::{PageError, recoverable};
use super::session_extractor::{AuthenticatedForm, CurrentUser};
use crate::error::Error;
use crate::manage::actor::{AccountsWrite, StatusRead};
use crate::manage::mail::{self, MailView};

const PATH: &str = "/status/mail";

/// The messages, and the form to send a test message.
pub async fn list(user: CurrentUser) -> Result<HttpResponse, PageError> {
    mails_page(&user, &Form::default(), None).await
}

async fn mails_page(
    user: &CurrentUser,
    submitted: &Form,
    error: Option<&Error>,
) -> Result<HttpResponse, PageError> {
    let permit = user.may(StatusRead)?;
    let is_on = user.server.mailer().is_some();
    let query = ListQuery::parse(user, PATH);
    let store = &user.server.store;
    let found = mail::list(store, permit, query.after.clone(), ListQuery::LIMIT).await?;
    let page = query.page(user, &found, |mail| &mail.id);
    let content = html! {
        p { (user.t(if is_on { "mails-text" } else { "mails-off" })) }
        @if is_on && user.can(AccountsWrite) {
            (components::form(user, PATH, html! {
                (Field::new(user, "to", error).input_with("email", submitted.get("to"), "email"))
                button { (user.t("mail-send-test")) }
            }))
        }
        @if page.shown.is_empty() { (empty(&user.t("mails-none"), &user.t("mails-none-text"), None)) }
        @else { (rows(user, page.shown)) }
        (page.links)
    };
    let header = PageHeader {
        breadcrumbs: vec![NavItem::Status.breadcrumb(user)],
        notice: page::notice(user),
        error,
        ..PageHeader::titled(user.t("mails"))
    };
    Ok(user_page(user, NavItem::Status, header, content))
}

fn rows(user: &CurrentUser, found: &[MailView]) -> Markup {
    let rows: Vec<Vec<Markup>> = found
        .iter()
        .map(|mail| {
            vec![
                clip(&mail.recipient),
                html! { (subject(user, mail)) },
                delivery_state(user, mail.state),
                html! { (user.language.number(mail.attempts)) },
                html! { (reply(user, mail)) },
                user.relative(mail.created_at),
            ]
        })
        .collect();
    let columns = [
        "field-to",
        "column-event",
        "column-state",
        "column-attempts",
        "column-reply",
        "column-created",
    ];
    table(user, &user.t("mails"), &columns, &rows)
}

fn subject(user: &CurrentUser, mail: &MailView) -> String {
    match &mail.action {
        Some(action) => user.t(&action_message(action)),
        None => user.t(&message_id("mail", mail.kind.as_str())),
    }
}

fn reply(user: &CurrentUser, mail: &MailView) -> String {
    match (mail.response_status, mail.failure) {
        (Some(code), _) => user.tr("mail-refused", &[("code", code.to_string().into())]),
        (None, Some(failure)) => user.t(&message_id("mail-failure", failure.as_str())),
        (None, None) => user.t("nothing"),
    }
}

/// Sends a test message.
pub async fn test(
    AuthenticatedForm { user, form }: AuthenticatedForm,
) -> Result<HttpResponse, PageError> {
    let permit = user.may(AccountsWrite)?;
    let sent = mail::test(&user.server.store, permit, form.text("to")).await;
    match recoverable(&user, sent, PATH)? {
        Ok(_) => Ok(done(&user, PATH, "mail-tested")),
        Err(error) => mails_page(&user, &form, Some(&error)).await,
    }
}
