//! API keys: create, rotate and revoke them.

use actix_web::HttpResponse;
use actix_web::web::Path;
use maud::{Markup, html};

use super::api_key_bulk;
use super::application::{Application, Tab};
use super::applications;
use super::audit::actor_name;
use super::components::{
    self, Field, badge, clip, confirmation, copy, duration_choices, empty, table,
};
use super::form::Form;
use super::list_query::ListQuery;
use super::page::{self, NavItem, PageHeader, done, user_page};
use super::page_error::{PageError, recoverable};
use super::session_extractor::{AuthenticatedForm, CurrentUser};
use super::{try_key, unused_credentials};
use crate::clock::Timestamp;
use crate::credential::Credential;
use crate::error::{Code, Error, refusal};
use crate::manage::actor::{KeysRead, KeysWrite, TokensRead};
use crate::manage::api_key::{
    self, ApiKeyView, IpRanges, MAX_API_KEYS, NewApiKey, authorization_header,
};
use crate::manage::client::ClientView;

/// The choices for how long the old key stays valid after a rotation.
const GRACES: [&str; 4] = ["24h", "1h", "7d", "0s"];

/// The choices for the lifetime of a key. The empty one is no expiry.
const LIFETIMES: [&str; 4] = ["", "30d", "90d", "365d"];

/// The menu's page of API keys: asks for the application, unless there is only one.
pub async fn choose(user: CurrentUser) -> Result<HttpResponse, PageError> {
    user.may(KeysRead)?;
    let query = ListQuery::parse(&user, "/api-keys");
    let found = applications::find(&user, &query, None).await?;
    let page = query.page(&user, &found, |client| &client.client_id);
    let clients: Vec<&ClientView> = page
        .shown
        .iter()
        .filter(|client| !client.grant_types.is_empty())
        .collect();
    if page.is_whole
        && let [only] = clients.as_slice()
    {
        return Ok(page::redirect(
            &user.link(&format!("/applications/{}/keys", only.client_id)),
            &[],
        ));
    }
    let content = html! {
        @if !page.is_whole || clients.len() > 10 { (query.form(&user, "field-text")) }
        @if clients.is_empty() && !page.is_whole {
            (empty(&user.t("applications-not-found"), &user.t("applications-not-found-text"), None))
        } @else if clients.is_empty() {
            (empty(&user.t("applications-none"), &user.t("applications-none-text"), Some(html! {
                a.button.primary href=(user.link("/applications/new")) { (user.t("application-new")) }
            })))
        } @else {
            p { (user.t("keys-choose")) }
            ul.choices {
                @for client in &clients {
                    li { a href=(user.link(&format!("/applications/{}/keys", client.client_id))) { (client.name) } " " code { (client.client_id) } }
                }
            }
        }
        (page.links)
        p { a href=(user.link(unused_credentials::PATH)) { (user.t("unused-all")) } }
    };
    Ok(user_page(
        &user,
        NavItem::ApiKeys,
        PageHeader::titled(user.t("menu-api-keys")),
        content,
    ))
}

/// The API keys of an application.
pub async fn list(user: CurrentUser, id: Path<String>) -> Result<HttpResponse, PageError> {
    let application = Application::find(&user, &id).await?;
    keys_page(&user, &application, &Form::default(), None).await
}

/// The path of a page about the keys of an application.
pub(super) fn path(application: &Application, below: &str) -> String {
    application.path(&format!("/keys{below}"))
}

/// The breadcrumbs of the pages below the list of keys.
pub(super) fn breadcrumbs(user: &CurrentUser, application: &Application) -> Vec<(String, String)> {
    let mut breadcrumbs = application.breadcrumbs(user);
    breadcrumbs.push((path(application, ""), user.t("menu-api-keys")));
    breadcrumbs
}

async fn keys_page(
    user: &CurrentUser,
    application: &Application,
    submitted: &Form,
    error: Option<&Error>,
) -> Result<HttpResponse, PageError> {
    let id = &application.client.client_id;
    let keys = api_key::list(&user.server.store, user.may(KeysRead)?, id).await?;
    let active = active_count(user, &keys);
    let can_edit = user.can(KeysWrite);
    let content = html! {
        p { (user.t("keys-text")) @if user.can(TokensRead) { " " a href=(user.link(try_key::PATH)) { (user.t("try-key")) } } }
        @if keys.is_empty() { (empty(&user.t("keys-none"), &user.t("keys-none-text"), None)) } @else { (rows(user, application, &keys)) }
        (components::unused_hint(user, keys.iter().any(|key| key.unused)))
        @if active == 1 { div.hint { p { (user.t("keys-one-left")) } } }
        @if can_edit {
            @if active >= MAX_API_KEYS {
                div.hint { h2 { (user.count("keys-full", MAX_API_KEYS)) } p { (user.t("keys-full-text")) } }
            } @else {
                section aria-labelledby="new-key" { h2 #new-key { (user.t("key-new")) } (new_form(user, application, submitted, error)) }
            }
        }
    };
    let title = user.tr(
        "keys-of",
        &[("name", application.client.name.as_str().into())],
    );
    let header = PageHeader {
        breadcrumbs: application.breadcrumbs(user),
        tabs: Some(application.tabs(user, Tab::Credentials)),
        notice: page::notice(user),
        error,
        ..PageHeader::titled(title)
    };
    Ok(user_page(user, NavItem::ApiKeys, header, content))
}

fn is_expired(key: &ApiKeyView, now: Timestamp) -> bool {
    key.expires_at.is_some_and(|end| end <= now)
}

fn active_count(user: &CurrentUser, keys: &[ApiKeyView]) -> usize {
    keys.iter()
        .filter(|key| !is_expired(key, user.now()))
        .count()
}

/// The API keys as a table, with the buttons to rotate and revoke them.
pub fn rows(user: &CurrentUser, application: &Application, keys: &[ApiKeyView]) -> Markup {
    let can_edit = user.can(KeysWrite);
    // The last key cannot be revoked.
    let can_revoke = active_count(user, keys) > 1;
    let rows: Vec<Vec<Markup>> = keys
        .iter()
        .map(|key| {
            let expired = is_expired(key, user.now());
            let to = |below: &str, message: &str| {
                html! {
                    a.button.small href=(user.link(&path(application, &format!("/{}{below}", key.id)))) {
                        (user.t(message)) span.visually_hidden { " " (key.name) }
                    }
                }
            };
            let page_link = |name: &str| {
                let page = user.link(&path(application, &format!("/{}", key.id)));
                html! { strong { a href=(page) { (name) } } }
            };
            vec![
                html! {
                    @if can_edit && can_revoke && !expired { (api_key_bulk::checkbox(user, key)) }
                    @if is_replaced(key) { (page_link(key.name.trim_end_matches(&format!(" ({})", key.id)))) " " (badge("off", &user.t("replaced"))) }
                    @else { (page_link(&key.name)) }
                    @if key.manage_keys { " " (badge("plain", &user.t("manages-keys"))) }
                    @if let Some(scope) = &key.scope { div.detail { (clip(scope.as_str())) } }
                    @if let Some(resources) = &key.resources { div.detail { (clip(resources.as_str())) } }
                    @if !key.allowed_ips.as_str().is_empty() { div.detail { (clip(key.allowed_ips.as_str())) } }
                },
                html! { span.id { code title={ (key.shown) "…" } { (key.shown) "…" } } },
                html! { span.clip.brief title=[key.created_by.strip_prefix("user ")] { (actor_name(user, &key.created_by)) } },
                user.day(key.created_at),
                html! { (components::last_used(user, key.last_used_at)) (components::unused(user, key.unused)) },
                components::expiry(user, key.expires_at),
                html! {
                    @if can_edit && !expired {
                        span.buttons {
                            @if !is_replaced(key) { (to("/edit", "edit")) (to("/rotate", "rotate")) }
                            @if can_revoke { (to("/revoke", "revoke")) }
                        }
                    }
                },
            ]
        })
        .collect();
    let columns = [
        "column-name",
        "column-key",
        "column-created-by",
        "column-created",
        "column-last-used",
        "column-expires",
        "",
    ];
    html! {
        (table(user, &user.t("menu-api-keys"), &columns, &rows))
        @if can_edit && can_revoke { (api_key_bulk::form(user, application)) }
    }
}

/// Whether a rotation replaced the key.
fn is_replaced(key: &ApiKeyView) -> bool {
    key.replaced_by.is_some()
}

fn new_form(
    user: &CurrentUser,
    application: &Application,
    submitted: &Form,
    error: Option<&Error>,
) -> Markup {
    let unfolded = [
        "expires_in",
        "scope",
        "resources",
        "allowed_ips",
        "manage_keys",
    ]
    .iter()
    .any(|field| {
        submitted.checked(field) || error.is_some_and(|error| error.wrong_field() == Some(field))
    });
    let lifetimes = duration_choices(user, &LIFETIMES, "no-expiry");
    components::idempotent_form(
        user,
        &path(application, ""),
        submitted,
        html! {
            (Field::new(user, "name", error).help("help-key-name").input("text", submitted.get("name")))
            details.more open[unfolded] {
                summary { (user.t("key-limits")) }
                (Field::new(user, "expires_in", error).select(&lifetimes, submitted.get("expires_in")))
                @if !application.client.scope.is_empty() {
                    (Field::new(user, "scope", error).optional().help("help-key-scope").checkboxes(application.client.scope.iter(), submitted))
                }
                @if !application.client.resources.is_empty() {
                    (Field::new(user, "resources", error).optional().help("help-key-resources").checkboxes(application.client.resources.iter(), submitted))
                }
                (Field::new(user, "allowed_ips", error).optional().help("help-allowed-ips").textarea(submitted.get("allowed_ips")))
                (Field::new(user, "manage_keys", error).help("help-manage-keys").checkbox(submitted.checked("manage_keys")))
            }
            button.primary { (user.t("key-create")) }
        },
    )
}

/// Creates an API key.
pub async fn create(
    AuthenticatedForm { user, form }: AuthenticatedForm,
    id: Path<String>,
) -> Result<HttpResponse, PageError> {
    let application = Application::find(&user, &id).await?;
    let created = async {
        // Nothing checked: the whole scope of the application, and all of its resource servers.
        let scope = Some(form.scope("scope")?).filter(|scope| !scope.is_empty());
        let expires_at = form
            .duration("expires_in")?
            .map(|lifetime| user.now().saturating_add(lifetime));
        let new = NewApiKey {
            name: form.text("name").to_owned(),
            scope,
            expires_at,
            allowed_ips: allowed_ips(&form)?,
            manage_keys: form.checked("manage_keys"),
            resources: form.resources("resources")?,
        };
        api_key::create(&user.server.store, user.may(KeysWrite)?, &id, new).await
    };
    match recoverable(&user, created.await, &path(&application, ""))? {
        Ok((key, view)) => Ok(key_page(&user, &application, &key, &view, "key-created")),
        Err(error) => keys_page(&user, &application, &form, Some(&error)).await,
    }
}

/// The IP addresses and ranges of a form, separated by white space or commas.
///
/// # Errors
/// `invalid_request` for anything else.
pub(super) fn allowed_ips(form: &Form) -> Result<IpRanges, Error> {
    let words = form
        .get("allowed_ips")
        .split([' ', ',', '\n', '\r', '\t'])
        .filter(|word| !word.is_empty());
    IpRanges::from_words(words)
        .map_err(|reason| refusal::api_key_ip_ranges(&reason.to_string()).field("allowed_ips"))
}

/// The page that shows a new key, once: with the ready header and a command to try it.
fn key_page(
    user: &CurrentUser,
    application: &Application,
    key: &Credential,
    view: &ApiKeyView,
    title: &str,
) -> HttpResponse {
    let authorization = format!("Authorization: {}", authorization_header(key).expose());
    let key = key.expose();
    let try_it = format!(
        "curl -i -u {key}: {}",
        user.server.issuer.endpoint("/verify")
    );
    let content = html! {
        div.shown_once {
            p { strong { (user.t("shown-once")) } }
            (copy(user, &user.tr("key-named", &[("name", view.name.as_str().into())]), "key", key))
            (copy(user, &user.t("ready-header"), "header", &authorization))
            (copy(user, &user.t("key-try"), "curl", &try_it))
        }
        p { a.button.primary href=(user.link(&path(application, ""))) { (user.t("to-keys")) } }
    };
    user_page(
        user,
        NavItem::ApiKeys,
        PageHeader {
            breadcrumbs: breadcrumbs(user, application),
            ..PageHeader::titled(user.t(title))
        },
        content,
    )
}

/// A key of an application.
///
/// # Errors
/// `not_found` if the application has no such key.
pub(super) async fn find(
    user: &CurrentUser,
    application: &Application,
    id: &str,
) -> Result<ApiKeyView, PageError> {
    let keys = api_key::list(
        &user.server.store,
        user.may(KeysRead)?,
        &application.client.client_id,
    )
    .await?;
    Ok(keys
        .into_iter()
        .find(|key| key.id == id)
        .ok_or_else(refusal::api_key_unknown)?)
}

pub(super) fn last_used(user: &CurrentUser, key: &ApiKeyView) -> String {
    match key.last_used_at {
        None => user.t("key-never-used"),
        Some(used) => user.tr(
            "key-last-used",
            &[("when", user.language.relative_text(used, user.now()).into())],
        ),
    }
}

/// Asks how to rotate a key.
pub async fn confirm_rotate(
    user: CurrentUser,
    ids: Path<(String, String)>,
) -> Result<HttpResponse, PageError> {
    user.may(KeysWrite)?;
    let application = Application::find(&user, &ids.0).await?;
    let key = find(&user, &application, &ids.1).await?;
    Ok(rotate_page(
        &user,
        &application,
        &key,
        &Form::default(),
        None,
    ))
}

fn rotate_page(
    user: &CurrentUser,
    application: &Application,
    key: &ApiKeyView,
    submitted: &Form,
    error: Option<&Error>,
) -> HttpResponse {
    let graces = duration_choices(user, &GRACES, "immediately");
    let action = path(application, &format!("/{}/rotate", key.id));
    let content = html! {
        p { (user.t("rotate-text")) }
        p { (last_used(user, key)) }
        (components::idempotent_form(user, &action, submitted, html! {
            (Field::new(user, "grace", error).help("help-grace").select(&graces, submitted.get("grace")))
            div.buttons {
                button.primary { (user.t("rotate")) }
                a.button href=(user.link(&path(application, ""))) { (user.t("cancel")) }
            }
        }))
    };
    let title = user.tr("rotate-key", &[("name", key.name.as_str().into())]);
    let header = PageHeader {
        breadcrumbs: breadcrumbs(user, application),
        error,
        ..PageHeader::titled(title)
    };
    user_page(user, NavItem::ApiKeys, header, content)
}

/// Rotates a key.
pub async fn rotate(
    AuthenticatedForm { user, form }: AuthenticatedForm,
    ids: Path<(String, String)>,
) -> Result<HttpResponse, PageError> {
    let application = Application::find(&user, &ids.0).await?;
    let key = find(&user, &application, &ids.1).await?;
    let created = async {
        let grace = form.duration("grace")?.unwrap_or_default();
        api_key::rotate(
            &user.server.store,
            user.may(KeysWrite)?,
            &ids.0,
            &ids.1,
            grace,
        )
        .await
    };
    match recoverable(&user, created.await, &path(&application, ""))? {
        Ok((new, view)) => Ok(key_page(&user, &application, &new, &view, "key-rotated")),
        Err(error) => Ok(rotate_page(&user, &application, &key, &form, Some(&error))),
    }
}

/// Asks to confirm that a key is revoked.
pub async fn confirm_revoke(
    user: CurrentUser,
    ids: Path<(String, String)>,
) -> Result<HttpResponse, PageError> {
    user.may(KeysWrite)?;
    let application = Application::find(&user, &ids.0).await?;
    let key = find(&user, &application, &ids.1).await?;
    Ok(revoke_page(&user, &application, &key, None))
}

fn revoke_page(
    user: &CurrentUser,
    application: &Application,
    key: &ApiKeyView,
    error: Option<&Error>,
) -> HttpResponse {
    let question = html! { p { strong { (last_used(user, key)) } } p { (user.t("revoke-text")) } };
    let action = path(application, &format!("/{}/revoke", key.id));
    let content = confirmation(
        user,
        question,
        &action,
        &user.t("revoke"),
        &path(application, ""),
        html! {},
    );
    let title = user.tr("revoke-key", &[("name", key.name.as_str().into())]);
    let header = PageHeader {
        breadcrumbs: breadcrumbs(user, application),
        error,
        ..PageHeader::titled(title)
    };
    user_page(user, NavItem::ApiKeys, header, content)
}

/// Revokes a key.
pub async fn revoke(
    AuthenticatedForm { user, .. }: AuthenticatedForm,
    ids: Path<(String, String)>,
) -> Result<HttpResponse, PageError> {
    let application = Application::find(&user, &ids.0).await?;
    let key = find(&user, &application, &ids.1).await?;
    match api_key::delete(&user.server.store, user.may(KeysWrite)?, &ids.0, &ids.1).await {
        Ok(()) => Ok(done(&user, &path(&application, ""), "key-revoked")),
        Err(error) if error.code() == Code::Conflict => {
            Ok(revoke_page(&user, &application, &key, Some(&error)))
        }
        Err(error) => Err(error.into()),
    }
}
