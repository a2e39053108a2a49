//! The pages of one API key and of one client secret: their properties and their usage.

use actix_web::HttpResponse;
use actix_web::web::Path;
use maud::{Markup, html};

use super::api_keys;
use super::application::Application;
use super::audit::actor_name;
use super::components::{chips, expiry, last_used, unused, unused_hint};
use super::page::{NavItem, PageHeader, user_page};
use super::page_error::PageError;
use super::secrets;
use super::session_extractor::CurrentUser;
use super::usage;
use crate::error::Error;
use crate::manage::actor::{KeysWrite, TokensRead};
use crate::manage::usage::Subject;

/// The sections about usage, if the user may see them.
async fn usage_of(
    user: &CurrentUser,
    application: &Application,
    subject: Subject,
    path: &str,
) -> Result<Markup, Error> {
    if !user.can(TokensRead) {
        return Ok(html! {});
    }
    let export = format!("{path}/export");
    usage::sections(user, application, subject, path, &export).await
}

/// An API key.
pub async fn show_key(
    user: CurrentUser,
    ids: Path<(String, String)>,
) -> Result<HttpResponse, PageError> {
    let application = Application::find(&user, &ids.0).await?;
    let key = api_keys::find(&user, &application, &ids.1).await?;
    let path = api_keys::path(&application, &format!("/{}", key.id));
    let subject = Subject::ApiKey(key.id.clone());
    let usage = usage_of(&user, &application, subject, &path).await?;
    let scope = key.scope.as_ref().unwrap_or(&application.client.scope);
    let resources = key.resources.as_ref();
    let resources = resources.unwrap_or(&application.client.resources);
    let addresses = key
        .allowed_ips
        .as_str()
        .split(' ')
        .filter(|ip| !ip.is_empty());
    let content = html! {
        (unused_hint(&user, key.unused))
        div.card {
            dl.facts {
                dt { (user.t("column-key")) } dd { code { (key.shown) "…" } }
                dt { (user.t("field-scope")) } dd { (chips(&user, scope.iter(), "nothing")) }
                dt { (user.t("field-resources")) } dd { (chips(&user, resources.iter(), "nothing")) }
                dt { (user.t("field-allowed-ips")) } dd { (chips(&user, addresses, "any-address")) }
                dt { (user.t("column-created-by")) } dd { (actor_name(&user, &key.created_by)) }
                dt { (user.t("column-created")) } dd { (user.date_time(key.created_at)) }
                dt { (user.t("column-last-used")) } dd { (last_used(&user, key.last_used_at)) (unused(&user, key.unused)) }
                dt { (user.t("column-expires")) } dd { (expiry(&user, key.expires_at)) }
            }
        }
        (usage)
    };
    let is_active = key.expires_at.is_none_or(|end| end > user.now());
    let to = |below: &str, message: &str| html! { a.button href=(user.link(&format!("{path}{below}"))) { (user.t(message)) } };
    let actions = (user.can(KeysWrite) && is_active).then(|| {
        html! {
            @if key.replaced_by.is_none() { (to("/edit", "edit")) (to("/rotate", "rotate")) }
            (to("/revoke", "revoke"))
        }
    });
    let header = PageHeader {
        breadcrumbs: api_keys::breadcrumbs(&user, &application),
        actions,
        ..PageHeader::titled(key.name)
    };
    Ok(user_page(&user, NavItem::ApiKeys, header, content))
}

/// A client secret.
pub async fn show_secret(
    user: CurrentUser,
    ids: Path<(String, String)>,
) -> Result<HttpResponse, PageError> {
    let application = Application::find(&user, &ids.0).await?;
    let secret = secrets::find(&user, &application, &ids.1).await?;
    let path = application.path(&format!("/secrets/{}", secret.id));
    let subject = Subject::Secret(secret.id.clone());
    let usage = usage_of(&user, &application, subject, &path).await?;
    let content = html! {
        (unused_hint(&user, secret.unused))
        div.card {
            dl.facts {
                dt { (user.t("column-secret")) } dd { code { "kws_" (secret.id) "_…" } }
                dt { (user.t("column-created")) } dd { (user.date_time(secret.created_at)) }
                dt { (user.t("column-last-used")) } dd { (last_used(&user, secret.last_used_at)) (unused(&user, secret.unused)) }
                dt { (user.t("column-expires")) } dd { (expiry(&user, secret.expires_at)) }
            }
        }
        (usage)
    };
    let to = |below: &str, message: &str| html! { a.button href=(user.link(&format!("{path}{below}"))) { (user.t(message)) } };
    let actions = user
        .can(KeysWrite)
        .then(|| html! { (to("/edit", "rename")) (to("/delete", "delete")) });
    let header = PageHeader {
        breadcrumbs: secrets::breadcrumbs(&user, &application),
        actions,
        ..PageHeader::titled(secrets::label(&secret).to_owned())
    };
    Ok(user_page(&user, NavItem::Applications, header, content))
}
