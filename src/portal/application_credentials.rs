//! The tab of an application with everything that it authenticates with: API keys, client secrets,
//! public keys or a certificate, and trust rules. Each kind is managed on a page of its own.

use actix_web::HttpResponse;
use actix_web::web::Path;
use maud::{Markup, html};

use super::application::{Application, Tab};
use super::components::empty;
use super::page::{NavItem, user_page};
use super::page_error::PageError;
use super::session_extractor::CurrentUser;
use super::{api_keys, secrets, trust_rules};
use crate::error::Error;
use crate::manage::actor::{ClientsWrite, KeysRead, TrustRulesRead};
use crate::manage::{api_key, secret, trust_rule};

/// The credentials of an application.
pub async fn show(user: CurrentUser, id: Path<String>) -> Result<HttpResponse, PageError> {
    user.may(KeysRead)?;
    let application = Application::find(&user, &id).await?;
    let keys = api_keys_section(&user, &application).await?;
    let secrets = secrets_section(&user, &application).await?;
    let rules = if user.can(TrustRulesRead) {
        trust_rules_section(&user, &application).await?
    } else {
        html! {}
    };
    let content = html! { (keys) (secrets) (rules) };
    let header = application.header(&user, Tab::Credentials);
    Ok(user_page(&user, NavItem::Applications, header, content))
}

/// A kind of credentials: its heading, the button to the page that manages them, and the list.
fn section(id: &str, title: &str, manage: Markup, list: Markup) -> Markup {
    html! {
        section aria-labelledby=(id) {
            div.head { h2 id=(id) { (title) } div.buttons { (manage) } }
            (list)
        }
    }
}

fn manage(user: &CurrentUser, path: &str, message: &str) -> Markup {
    html! { a.button href=(user.link(path)) { (user.t(message)) } }
}

async fn api_keys_section(user: &CurrentUser, application: &Application) -> Result<Markup, Error> {
    if !application.gets_tokens() {
        return Ok(html! {});
    }
    let id = &application.client.client_id;
    let keys = api_key::list(&user.server.store, user.may(KeysRead)?, id).await?;
    let list = if keys.is_empty() {
        empty(&user.t("keys-none"), &user.t("keys-none-text"), None)
    } else {
        api_keys::rows(user, application, &keys)
    };
    let manage = manage(user, &application.path("/keys"), "keys-manage");
    Ok(section("keys", &user.t("menu-api-keys"), manage, list))
}

/// The client secrets, or how the application authenticates without one.
async fn secrets_section(user: &CurrentUser, application: &Application) -> Result<Markup, Error> {
    let client = &application.client;
    if !application.uses_secret() {
        let method = user.t(&format!("method-{}", client.auth_method.replace('_', "-")));
        let list = html! { div.card { p { (method) } } };
        let edit = html! {
            @if user.can(ClientsWrite) { (manage(user, &application.path("/edit"), "edit")) }
        };
        return Ok(section(
            "authentication",
            &user.t("application-authentication"),
            edit,
            list,
        ));
    }
    let secrets = secret::list(&user.server.store, user.may(KeysRead)?, &client.client_id).await?;
    let list = if secrets.is_empty() {
        empty(&user.t("secrets-none"), &user.t("secrets-none-text"), None)
    } else {
        secrets::rows(user, application, &secrets)
    };
    let manage = manage(user, &application.path("/secrets"), "secrets-manage");
    Ok(section("secrets", &user.t("secrets"), manage, list))
}

async fn trust_rules_section(
    user: &CurrentUser,
    application: &Application,
) -> Result<Markup, Error> {
    if !application.gets_tokens() {
        return Ok(html! {});
    }
    let id = Some(application.client.client_id.clone());
    let rules = trust_rule::list(&user.server.store, user.may(TrustRulesRead)?, id).await?;
    let list = if rules.is_empty() {
        empty(
            &user.t("trust-rules-none"),
            &user.t("trust-rules-text"),
            None,
        )
    } else {
        trust_rules::rows(user, application, &rules)
    };
    let manage = manage(
        user,
        &trust_rules::path(application, ""),
        "trust-rules-manage",
    );
    Ok(section("rules", &user.t("trust-rules"), manage, list))
}
