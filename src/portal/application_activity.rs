//! The tab of an application with its usage, recent failures and active tokens.

use actix_web::HttpResponse;
use actix_web::web::Path;
use maud::{Markup, html};

use super::application::{Application, Tab};
use super::audit::failure_text;
use super::components::{self, DangerousAction, badge, clip, danger_zone, empty, table};
use super::page::{NavItem, user_page};
use super::page_error::PageError;
use super::session_extractor::CurrentUser;
use super::try_key;
use super::usage;
use crate::manage::actor::{AuditRead, TokensRead, TokensRevoke};
use crate::manage::usage::Subject;
use crate::manage::{audit, token};

/// The number of recent failures and active tokens that the page shows.
const LATEST_COUNT: usize = 10;

/// The usage, recent failures and active tokens of an application.
pub async fn show(user: CurrentUser, id: Path<String>) -> Result<HttpResponse, PageError> {
    let application = Application::find(&user, &id).await?;
    let store = &user.server.store;
    let limit = i64::try_from(LATEST_COUNT).unwrap_or(i64::MAX);
    let tokens = token::list(&user.server, user.may(TokensRead)?, &id, None, limit + 1).await?;
    let failures = match user.may(AuditRead) {
        Ok(permit) => Some(audit::failures(store, permit, &id, LATEST_COUNT).await?),
        Err(_) => None,
    };
    let export = application.path("/usage/export");
    let path = application.path("/activity");
    let usage = usage::sections(&user, &application, Subject::Client, &path, &export).await?;
    let content = html! {
        (usage)
        @if let Some(failures) = failures { (failures_section(&user, &failures)) }
        (tokens_section(&user, &tokens))
        @if user.can(TokensRevoke) { (danger_zone(&user, &[revocation(&user, &application)])) }
    };
    let header = application.header(&user, Tab::Activity);
    Ok(user_page(&user, NavItem::Applications, header, content))
}

fn failures_section(user: &CurrentUser, failures: &[audit::Failure]) -> Markup {
    let rows: Vec<Vec<Markup>> = failures
        .iter()
        .map(|audit::Failure { entry, api_key }| {
            vec![
                user.relative(entry.happened_at),
                html! { span.sentence { (failure_text(user, entry)) } },
                html! { @if let Some(name) = api_key { (clip(name)) } @else { "–" } },
                html! { code.short { (entry.address.as_deref().unwrap_or("–")) } },
                html! { @if let Some(id) = &entry.request_id { (components::id(user, id)) } @else { "–" } },
            ]
        })
        .collect();
    html! {
        section aria-labelledby="failures" {
            h2 #failures { (user.t("failures")) }
            @if rows.is_empty() { (empty(&user.t("failures-none"), &user.t("failures-none-text"), None)) } @else {
                (table(user, &user.t("failures"), &["column-when", "column-why", "api-key", "column-address", "column-request"], &rows))
            }
        }
    }
}

fn tokens_section(user: &CurrentUser, tokens: &[token::TokenView]) -> Markup {
    let shown = &tokens[..tokens.len().min(LATEST_COUNT)];
    let rows: Vec<Vec<Markup>> = shown
        .iter()
        .map(|view| {
            vec![
                html! {
                    (components::id(user, &view.token.jti))
                    @if view.cnf.is_some() { " " (badge("plain", &user.t("bound-to-key"))) }
                },
                clip(view.token.scope.as_str()),
                user.relative(view.token.issued_at),
                user.relative(view.token.expires_at),
                if view.revoked {
                    badge("off", &user.t("revoked"))
                } else {
                    badge("good", &user.t("active"))
                },
            ]
        })
        .collect();
    html! {
        section aria-labelledby="tokens" {
            div.head { h2 #tokens { (user.t("tokens")) } div.buttons { a.button.small href=(user.link(try_key::PATH)) { (user.t("try-key")) } } }
            @if !user.server.settings.token_records.is_on() { p { (user.t("tokens-off")) } }
            @else if rows.is_empty() { (empty(&user.t("tokens-none"), &user.t("tokens-none-text"), None)) }
            @else {
                (table(user, &user.t("tokens"), &["column-token", "column-scope", "column-issued", "column-expires", "column-state"], &rows))
                @if tokens.len() > LATEST_COUNT { p.help { (user.t("tokens-more")) } }
            }
        }
    }
}

/// The revocation of all tokens, for the danger zone.
fn revocation(user: &CurrentUser, application: &Application) -> DangerousAction {
    DangerousAction {
        title: user.t("confirm-revoke-tokens"),
        text: user.t("danger-revoke-tokens"),
        control: html! {
            a.button.danger href=(user.link(&application.path("/revoke-tokens"))) { (user.t("revoke-all")) }
        },
    }
}
