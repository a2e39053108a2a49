//! Initial access tokens, with which clients register themselves (RFC 7591 section 3).

use actix_web::HttpResponse;
use actix_web::web::Path;
use maud::{Markup, html};

use super::account_field::AccountChoices;
use super::application_details::scope_warning;
use super::components::{
    self, Field, badge, clip, confirmation, copy, duration_choices, empty, table,
};
use super::form::Form;
use super::page::{self, NavItem, PageHeader, done, user_page};
use super::page_error::{PageError, recoverable};
use super::session_extractor::{AuthenticatedForm, CurrentUser};
use crate::decimal;
use crate::error::{Error, refusal};
use crate::manage::actor::{ClientsWrite, RegistrationRead, RegistrationWrite};
use crate::manage::client::{self, Warning};
use crate::manage::registration_token::{self, NewRegistrationToken, RegistrationTokenView};

/// The choices for the lifetime of a token. The empty one is no expiry.
const LIFETIMES: [&str; 4] = ["7d", "30d", "90d", ""];

/// The initial access tokens that the user can see.
pub async fn list(user: CurrentUser) -> Result<HttpResponse, PageError> {
    tokens_page(&user, &Form::filled(&[("uses", "1")]), None).await
}

async fn tokens_page(
    user: &CurrentUser,
    submitted: &Form,
    error: Option<&Error>,
) -> Result<HttpResponse, PageError> {
    let tokens = registration_token::list(&user.server.store, user.may(RegistrationRead)?).await?;
    let content = html! {
        p { (user.t("registration-text")) }
        @if tokens.is_empty() { (empty(&user.t("registration-none"), &user.t("registration-none-text"), None)) } @else { (rows(user, &tokens)) }
        @if user.can(RegistrationWrite) {
            section aria-labelledby="new-token" { h2 #new-token { (user.t("registration-new")) } (new_form(user, submitted, error).await?) }
        }
    };
    let header = PageHeader {
        notice: page::notice(user),
        error,
        ..PageHeader::titled(user.t("menu-registration-tokens"))
    };
    Ok(user_page(
        user,
        NavItem::RegistrationTokens,
        header,
        content,
    ))
}

async fn new_form(
    user: &CurrentUser,
    submitted: &Form,
    error: Option<&Error>,
) -> Result<Markup, PageError> {
    let mut grantable = client::grantable(&user.server.store, user.may(ClientsWrite)?).await?;
    // A client that registers itself cannot use the management API.
    grantable
        .resources
        .remove(&user.server.issuer.management_audience());
    let accounts = AccountChoices::load(user).await?;
    let lifetimes = duration_choices(user, &LIFETIMES, "no-expiry");
    Ok(components::idempotent_form(
        user,
        "/registration-tokens",
        submitted,
        html! {
            @if user.is_operator() { (accounts.field(Field::new(user, "account", error), submitted.get("account"))) }
            @if !grantable.resources.is_empty() { (Field::new(user, "resources", error).optional().help("help-resources").checkboxes(grantable.resources.iter().map(String::as_str), submitted)) }
            @if !grantable.scope.is_empty() { (Field::new(user, "scope", error).optional().help("help-registration-scope").checkboxes(grantable.scope.iter().map(String::as_str), submitted)) }
            (Field::new(user, "uses", error).optional().help("help-uses").input("number", submitted.get("uses")))
            (Field::new(user, "expires_in", error).select(&lifetimes, submitted.get("expires_in")))
            button.primary { (user.t("registration-create")) }
        },
    ))
}

fn rows(user: &CurrentUser, tokens: &[RegistrationTokenView]) -> Markup {
    let can_edit = user.can(RegistrationWrite);
    let rows: Vec<Vec<Markup>> = tokens
        .iter()
        .map(|token| {
            let uses = match token.uses_left {
                None => html! { (user.t("any-number")) },
                Some(0) => badge("off", &user.t("used-up")),
                Some(left) => html! { (user.language.number(left)) },
            };
            let expiry = match token.expires_at {
                None => html! { (user.t("never")) },
                Some(at) if at <= user.now() => badge("off", &user.t("expired")),
                Some(at) => user.relative(at),
            };
            vec![
                html! { code { "kwi_" (token.id) "_…" } },
                clip(token.scope.as_str()),
                clip(token.resources.as_str()),
                uses,
                expiry,
                html! { @if can_edit {
                    a.button.small href=(user.link(&format!("/registration-tokens/{}/delete", token.id))) { (user.t("delete")) span.visually_hidden { " " (token.id) } }
                } },
            ]
        })
        .collect();
    let columns = [
        "column-token",
        "column-scope",
        "field-resources",
        "column-uses-left",
        "column-expires",
        "",
    ];
    table(user, &user.t("menu-registration-tokens"), &columns, &rows)
}

/// Creates an initial access token.
pub async fn create(
    AuthenticatedForm { user, form }: AuthenticatedForm,
) -> Result<HttpResponse, PageError> {
    let created = async {
        let uses = match form.text("uses") {
            "" => None,
            text => {
                let uses = decimal::parse(text);
                Some(uses.ok_or_else(|| refusal::uses_required().field("uses"))?)
            }
        };
        let new = NewRegistrationToken {
            account: form.optional("account").filter(|_| user.is_operator()),
            scope: form.scope("scope")?,
            resources: form.all("resources").map(str::to_owned).collect(),
            uses,
            lifetime: form.duration("expires_in")?,
        };
        registration_token::create(&user.server.store, user.may(RegistrationWrite)?, new).await
    };
    match recoverable(&user, created.await, "/registration-tokens")? {
        Ok((token, _, warning)) => Ok(created_page(&user, token.expose(), warning.as_ref())),
        Err(error) => tokens_page(&user, &form, Some(&error)).await,
    }
}

fn created_page(user: &CurrentUser, token: &str, warning: Option<&Warning>) -> HttpResponse {
    let register = user.server.issuer.endpoint("/oauth/register");
    let line = format!(
        "curl -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json' -d '{{\"client_name\": \"My application\"}}' {register}"
    );
    let content = html! {
        @if let Some(warning) = warning { (scope_warning(user, warning)) }
        div.shown_once {
            p { strong { (user.t("shown-once")) } }
            (copy(user, &user.t("registration-token"), "token", token))
            (copy(user, &user.t("registration-line"), "register", &line))
        }
        p { a.button.primary href=(user.link("/registration-tokens")) { (user.t("to-registration-tokens")) } }
    };
    let header = PageHeader {
        breadcrumbs: vec![NavItem::RegistrationTokens.breadcrumb(user)],
        ..PageHeader::titled(user.t("registration-created"))
    };
    user_page(user, NavItem::RegistrationTokens, header, content)
}

/// Asks to confirm that a token is deleted.
pub async fn confirm_delete(
    user: CurrentUser,
    id: Path<String>,
) -> Result<HttpResponse, PageError> {
    user.may(RegistrationWrite)?;
    let question = html! { p { (user.t("registration-delete-text")) } };
    let action = format!("/registration-tokens/{id}/delete");
    let content = confirmation(
        &user,
        question,
        &action,
        &user.t("registration-delete"),
        "/registration-tokens",
        html! {},
    );
    let header = PageHeader {
        breadcrumbs: vec![NavItem::RegistrationTokens.breadcrumb(&user)],
        ..PageHeader::titled(user.t("registration-delete"))
    };
    Ok(user_page(
        &user,
        NavItem::RegistrationTokens,
        header,
        content,
    ))
}

/// Deletes a token.
pub async fn delete(
    AuthenticatedForm { user, .. }: AuthenticatedForm,
    id: Path<String>,
) -> Result<HttpResponse, PageError> {
    registration_token::delete(&user.server.store, user.may(RegistrationWrite)?, &id).await?;
    Ok(done(&user, "/registration-tokens", "registration-deleted"))
}
