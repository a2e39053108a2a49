//! Two tabs of an application: the overview with its settings, and its access.

use actix_web::HttpResponse;
use actix_web::web::Path;
use maud::{Markup, html};

use super::application::{Application, Tab};
use super::application_form::name_kind_message;
use super::components::{self, DangerousAction, chips, danger_zone, whole_id};
use super::page::{NavItem, PageHeader, user_page};
use super::page_error::PageError;
use super::session_extractor::CurrentUser;
use crate::manage::actor::{ClientsRead, ClientsWrite};
use crate::manage::client::{self, ClientView, DisabledBy, SecurityProfile, Warning};
use crate::scope::is_right;

/// The overview of an application.
pub async fn show(user: CurrentUser, id: Path<String>) -> Result<HttpResponse, PageError> {
    let application = Application::find(&user, &id).await?;
    let client = &application.client;
    // Shown only right after saving, so that it is read.
    let warning = match user.query("done").as_deref() {
        Some("saved") => {
            client::warning(&user.server.store, user.may(ClientsRead)?, client).await?
        }
        _ => None,
    };
    let content = html! {
        @if client.disabled_by == Some(DisabledBy::Operator) && !user.is_operator() {
            div.hint { p { (user.t("disabled-by-operator-text")) } }
        }
        @if let Some(warning) = &warning { (scope_warning(&user, warning)) }
        (settings(&user, client))
        @if client.self_registered && user.can(ClientsWrite) { (registration_section(&user, &application)) }
        @if user.can(ClientsWrite) { (danger_zone(&user, &dangerous_actions(&user, &application))) }
    };
    let header = PageHeader {
        actions: actions(&user, &application),
        ..application.header(&user, Tab::Overview)
    };
    Ok(user_page(&user, NavItem::Applications, header, content))
}

fn settings(user: &CurrentUser, client: &ClientView) -> Markup {
    let certificate = client.certificate_names.clone().into_name().ok().flatten();
    let certificate =
        certificate.map(|name| (name_kind_message(name.kind()), name.name().to_owned()));
    html! {
        div.card {
            h2 { (user.t("application-about")) }
            dl.facts {
                dt { (user.t("column-client-id")) } dd { (whole_id(user, "client-id", &client.client_id)) }
                dt { (user.t("field-auth-method")) } dd { (user.t(&format!("method-{}", client.auth_method.replace('_', "-")))) }
                @if let Some((kind, name)) = &certificate { dt { (user.t(kind)) } dd { (name) } }
                @if client.profile != SecurityProfile::None { dt { (user.t("field-profile")) } dd { (profile_name(user, client.profile)) } }
                dt { (user.t("field-scope")) } dd { (chips(user, client.scope.iter(), "nothing")) }
                dt { (user.t("field-resources")) } dd { (chips(user, client.resources.iter(), "nothing")) }
                dt { (user.t("column-created")) } dd { (user.date_time_text(client.created_at)) }
            }
        }
    }
}

/// The main actions of the page; `None` for users who cannot change the application.
fn actions(user: &CurrentUser, application: &Application) -> Option<Markup> {
    let client = &application.client;
    let can_enable = user.is_operator() || client.disabled_by != Some(DisabledBy::Operator);
    user.can(ClientsWrite).then(|| {
        html! {
            @if !client.enabled && can_enable {
                (components::button(user, &application.path("/enable"), &user.t("enable"), "primary"))
            }
            a.button href=(user.link(&application.path("/edit"))) { (user.t("edit")) }
        }
    })
}

/// The actions that stop the application, or cannot be undone.
fn dangerous_actions(user: &CurrentUser, application: &Application) -> Vec<DangerousAction> {
    let action = |name: &str| DangerousAction {
        title: user.t(&format!("confirm-{name}")),
        text: user.t(&format!("danger-{name}")),
        control: html! {
            a.button.danger href=(user.link(&application.path(&format!("/{name}")))) { (user.t(name)) }
        },
    };
    let names: &[&str] = if application.client.enabled {
        &["disable", "delete"]
    } else {
        &["delete"]
    };
    names.iter().map(|name| action(name)).collect()
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

/// The registration access token of a client that registered itself (RFC 7592).
fn registration_section(user: &CurrentUser, application: &Application) -> Markup {
    let has_token = application.client.has_registration_token;
    let to = |below: &str, message: &str| html! { a.button href=(user.link(&application.path(below))) { (user.t(message)) } };
    html! {
        section.card aria-labelledby="registration-access" {
            h2 #registration-access { (user.t("registration-access")) }
            p { (user.t(if has_token { "registration-access-text" } else { "registration-access-none" })) }
            div.buttons {
                (to("/renew-registration-token", "confirm-renew-registration-token"))
                @if has_token { (to("/revoke-registration-token", "confirm-revoke-registration-token")) }
            }
        }
    }
}

/// The tab that says what the application can access.
pub async fn show_access(user: CurrentUser, id: Path<String>) -> Result<HttpResponse, PageError> {
    let application = Application::find(&user, &id).await?;
    let client = &application.client;
    let scope = client.scope.iter().filter(|token| !is_right(token));
    let rights: Vec<&str> = client
        .scope
        .iter()
        .filter(|token| is_right(token))
        .collect();
    let required = |is_required: bool| {
        user.t(if is_required {
            "required"
        } else {
            "not-required"
        })
    };
    let content = html! {
        p { (user.t("access-text")) }
        div.card {
            dl.facts {
                dt { (user.t("field-resources")) } dd { (chips(&user, client.resources.iter(), "access-no-resources")) }
                dt { (user.t("field-scope")) } dd { (chips(&user, scope, "access-no-scope")) }
                @if !rights.is_empty() { dt { (user.t("rights")) } dd { (chips(&user, rights, "nothing")) } }
                @if client.introspect { dt { (user.t("introspects")) } dd { (user.t("help-introspect")) } }
            }
        }
        section aria-labelledby="binding" {
            h2 #binding { (user.t("access-binding")) }
            p { (user.t("access-binding-text")) }
            div.card {
                dl.facts {
                    dt { "DPoP" } dd { (required(client.dpop_bound_access_tokens)) }
                    dt { (user.t("access-certificate")) } dd { (required(client.tls_client_certificate_bound_access_tokens)) }
                    dt { (user.t("field-profile")) } dd { (profile_name(&user, client.profile)) }
                }
            }
        }
    };
    let edit = html! { a.button href=(user.link(&application.path("/edit"))) { (user.t("edit")) } };
    let header = PageHeader {
        actions: user.can(ClientsWrite).then_some(edit),
        ..application.header(&user, Tab::Access)
    };
    Ok(user_page(&user, NavItem::Applications, header, content))
}
