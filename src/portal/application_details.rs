//! The page of an application: its settings, recent failures and active tokens.

use actix_web::HttpResponse;
use actix_web::web::Path;
use maud::{Markup, html};

use super::application::Application;
use super::audit::failure_text;
use super::components::{self, badge, table};
use super::page::{self, NavItem, PageHeader, user_page};
use super::page_error::PageError;
use super::session_extractor::CurrentUser;
use crate::manage::actor::{
    AuditRead, ClientsRead, ClientsWrite, KeysRead, TokensRead, TokensRevoke, TrustRulesRead,
};
use crate::manage::client::{self, AuthMethod, ClientView, DisabledBy, SecurityProfile, Warning};
use crate::manage::{audit, token};

/// The number of recent failures and active tokens that the page shows.
const LATEST_COUNT: usize = 10;

/// The page of an application.
pub async fn show(user: CurrentUser, id: Path<String>) -> Result<HttpResponse, PageError> {
    let application = Application::find(&user, &id).await?;
    let client = &application.client;
    let store = &user.server.store;
    let failures = match user.may(AuditRead) {
        Ok(permit) => Some(audit::failures(store, permit, &id, LATEST_COUNT).await?),
        Err(_) => None,
    };
    let tokens = match user.may(TokensRead) {
        Ok(permit) => {
            let limit = i64::try_from(LATEST_COUNT).unwrap_or(i64::MAX);
            Some(token::list(&user.server, permit, &id, None, limit + 1).await?)
        }
        Err(_) => None,
    };
    // Shown only right after saving, so that it is read.
    let warning = match user.query("done").as_deref() {
        Some("saved") => client::warning(store, user.may(ClientsRead)?, client).await?,
        _ => None,
    };
    let content = html! {
        p.badges { (state(&user, client)) @if client.introspect { " " (badge("plain", &user.t("introspects"))) } }
        @if client.disabled_by == Some(DisabledBy::Operator) && !user.is_operator() {
            div.hint { p { (user.t("disabled-by-operator-text")) } }
        }
        @if let Some(warning) = &warning { (scope_warning(&user, warning)) }
        (actions(&user, &application))
        section aria-labelledby="about" {
            h2 #about { (user.t("application-about")) }
            dl.facts {
                dt { (user.t("column-client-id")) } dd { (copy_inline(&user, "client-id", &client.client_id)) }
                dt { (user.t("field-auth-method")) } dd { (user.t(&format!("method-{}", client.auth_method.replace('_', "-")))) }
                @if client.dpop_bound_access_tokens { dt { (user.t("field-dpop-bound-access-tokens")) } dd { (user.t("required")) } }
                @if client.profile != SecurityProfile::None { dt { (user.t("field-profile")) } dd { (profile_name(&user, client.profile)) } }
                dt { (user.t("field-scope")) } dd { @if client.scope.is_empty() { (user.t("nothing")) } @for word in client.scope.iter() { code { (word) } " " } }
                dt { (user.t("field-resources")) } dd { @if client.resources.is_empty() { (user.t("nothing")) } @for word in client.resources.iter() { code { (word) } " " } }
                dt { (user.t("column-created")) } dd { (user.language.date_time(client.created_at)) }
            }
        }
        @if client.self_registered && user.can(ClientsWrite) { (registration_section(&user, &application)) }
        @if let Some(failures) = failures { (failures_section(&user, &failures)) }
        @if let Some(tokens) = tokens { (tokens_section(&user, &application, &tokens)) }
    };
    let breadcrumbs = vec![NavItem::Applications.breadcrumb(&user)];
    let header = PageHeader {
        breadcrumbs,
        notice: page::notice(&user),
        ..PageHeader::titled(client.name.clone())
    };
    Ok(user_page(&user, NavItem::Applications, header, content))
}

/// Warns of a scope that is probably mistyped.
pub fn scope_warning(user: &CurrentUser, warning: &Warning) -> Markup {
    let values = [
        ("unknown", warning.unknown.as_str().into()),
        ("known", warning.known.as_str().into()),
    ];
    html! { div.hint { p { (user.tr("scope-undescribed", &values)) } } }
}

/// The name of a security profile.
pub fn profile_name(user: &CurrentUser, profile: SecurityProfile) -> String {
    match profile {
        SecurityProfile::None => user.t("profile-none"),
        SecurityProfile::Fapi2 => user.t("profile-fapi2"),
    }
}

fn copy_inline(user: &CurrentUser, id: &str, text: &str) -> Markup {
    html! { code #(id) { (text) } " " button.small type="button" data-copy=(id) hidden { (user.t("copy")) } }
}

fn actions(user: &CurrentUser, application: &Application) -> Markup {
    let to = |below: &str, message: &str| html! { a.button href=(user.link(&application.path(below))) { (user.t(message)) } };
    let can_edit = user.can(ClientsWrite);
    let gets_tokens = !application.client.grant_types.is_empty();
    let uses_secret = application.client.auth_method != AuthMethod::PrivateKeyJwt.as_str();
    html! {
        div.buttons {
            @if gets_tokens { (to("/quick-start", "quick-start")) }
            @if user.can(KeysRead) {
                @if gets_tokens { (to("/keys", "menu-api-keys")) }
                @if uses_secret { (to("/secrets", "secrets")) }
            }
            @if gets_tokens && user.can(TrustRulesRead) { (to("/trust-rules", "trust-rules")) }
            @if can_edit {
                (to("/edit", "edit"))
                @if application.client.enabled { (to("/disable", "disable")) }
                @else if user.is_operator() || application.client.disabled_by != Some(DisabledBy::Operator) {
                    (components::button(user, &application.path("/enable"), &user.t("enable"), ""))
                }
                (to("/delete", "delete"))
            }
        }
    }
}

/// The registration access token of a client that registered itself (RFC 7592).
fn registration_section(user: &CurrentUser, application: &Application) -> Markup {
    let has_token = application.client.has_registration_token;
    let to = |below: &str, message: &str| html! { a.button href=(user.link(&application.path(below))) { (user.t(message)) } };
    html! {
        section aria-labelledby="registration-access" {
            h2 #registration-access { (user.t("registration-access")) }
            p { (user.t(if has_token { "registration-access-text" } else { "registration-access-none" })) }
            div.buttons {
                (to("/renew-registration-token", "confirm-renew-registration-token"))
                @if has_token { (to("/revoke-registration-token", "confirm-revoke-registration-token")) }
            }
        }
    }
}

fn failures_section(user: &CurrentUser, failures: &[audit::Failure]) -> Markup {
    let rows: Vec<Vec<Markup>> = failures
        .iter()
        .map(|audit::Failure { entry, api_key }| {
            vec![
                user.relative(entry.happened_at),
                html! { (failure_text(user, entry)) },
                html! { @if let Some(name) = api_key { (name) } @else { "–" } },
                html! { code.short { (entry.address.as_deref().unwrap_or("–")) } },
                html! { code { (entry.request_id.as_deref().unwrap_or("–")) } },
            ]
        })
        .collect();
    html! {
        section aria-labelledby="failures" {
            h2 #failures { (user.t("failures")) }
            @if rows.is_empty() { p { (user.t("failures-none")) } } @else {
                (table(user, &user.t("failures"), &["column-when", "column-why", "api-key", "column-address", "column-request"], &rows))
            }
        }
    }
}

fn tokens_section(
    user: &CurrentUser,
    application: &Application,
    tokens: &[token::TokenView],
) -> Markup {
    let shown = &tokens[..tokens.len().min(LATEST_COUNT)];
    let rows: Vec<Vec<Markup>> = shown
        .iter()
        .map(|view| {
            vec![
                html! {
                    code { (view.token.jti) }
                    @if view.cnf.is_some() { " " (badge("plain", &user.t("bound-to-key"))) }
                },
                html! { span.words { (view.token.scope) } },
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
            h2 #tokens { (user.t("tokens")) }
            @if !user.server.settings.token_records.is_on() { p { (user.t("tokens-off")) } }
            @else if rows.is_empty() { p { (user.t("tokens-none")) } }
            @else {
                (table(user, &user.t("tokens"), &["column-token", "column-scope", "column-issued", "column-expires", "column-state"], &rows))
                @if tokens.len() > LATEST_COUNT { p { (user.t("tokens-more")) } }
            }
            @if user.can(TokensRevoke) {
                p { a.button href=(user.link(&application.path("/revoke-tokens"))) { (user.t("revoke-all")) } }
            }
        }
    }
}

/// The state of an application as a badge.
pub fn state(user: &CurrentUser, client: &ClientView) -> Markup {
    match client.disabled_by {
        _ if client.enabled => badge("good", &user.t("enabled")),
        Some(DisabledBy::Operator) => badge("off", &user.t("disabled-by-operator")),
        _ => badge("off", &user.t("disabled")),
    }
}
