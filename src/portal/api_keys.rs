//! API keys: the page on which a partner's developers make, rotate and revoke them.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::Path;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};

use super::applications::Application;
use super::audit::who;
use super::page::{
    self, Field, Head, Place, badge, confirmation, copy, done, empty, member_page, table,
};
use super::visit::{Failure, Form, Member, Posted, mendable};
use crate::clock::{Timestamp, parse_duration};
use crate::error::{Code, Error};
use crate::manage::actor::{ClientsRead, KeysRead, KeysWrite};
use crate::manage::api_key::{self, ApiKeyView, IpRanges, MAX_API_KEYS, NewApiKey};
use crate::manage::client;
use crate::scope::Scope;

/// How many applications the chooser shows.
const CHOICES: i64 = 200;

/// For how long an old key stays good beside the new one, as the form offers it.
const GRACES: [&str; 4] = ["24h", "1h", "7d", "0s"];

/// For how long a key is good, as the form offers it; without end first.
const LIFETIMES: [&str; 4] = ["", "30d", "90d", "365d"];

/// GET `/api-keys`: of the only application at once; of several by choice.
pub async fn choose(member: Member) -> Result<HttpResponse, Failure> {
    member.may(KeysRead)?;
    let mut clients = client::list(
        &member.server.store,
        member.may(ClientsRead)?,
        None,
        None,
        CHOICES,
    )
    .await?;
    clients.retain(|client| !client.grant_types.is_empty());
    if let [only] = clients.as_slice() {
        return Ok(page::redirect(
            &member.link(&format!("/applications/{}/keys", only.client_id)),
            &[],
        ));
    }
    let content = html! {
        @if clients.is_empty() {
            (empty(&member.t("applications-none"), &member.t("applications-none-text"), Some(html! {
                a.button.primary href=(member.link("/applications/new")) { (member.t("application-new")) }
            })))
        } @else {
            p { (member.t("keys-choose")) }
            ul.choices {
                @for client in &clients {
                    li { a href=(member.link(&format!("/applications/{}/keys", client.client_id))) { (client.name) } " " code { (client.client_id) } }
                }
            }
        }
    };
    Ok(member_page(
        &member,
        Place::ApiKeys,
        Head::titled(member.t("menu-api-keys")),
        content,
    ))
}

/// GET `/applications/{id}/keys`
pub async fn list(member: Member, id: Path<String>) -> Result<HttpResponse, Failure> {
    let application = Application::find(&member, &id).await?;
    keys_page(&member, &application, &Form::default(), None).await
}

fn path(application: &Application, below: &str) -> String {
    application.path(&format!("/keys{below}"))
}

fn above(member: &Member, application: &Application, keys: bool) -> Vec<(String, String)> {
    let mut above = application.above(member);
    if keys {
        above.push((path(application, ""), member.t("menu-api-keys")));
    }
    above
}

async fn keys_page(
    member: &Member,
    application: &Application,
    sent: &Form,
    error: Option<&Error>,
) -> Result<HttpResponse, Failure> {
    let id = &application.client.client_id;
    let keys = api_key::list(&member.server.store, member.may(KeysRead)?, id).await?;
    let live = keys
        .iter()
        .filter(|key| !is_expired(key, member.now()))
        .count();
    let writes = member.can(KeysWrite);
    let content = html! {
        p { (member.t("keys-text")) }
        @if keys.is_empty() { (empty(&member.t("keys-none"), &member.t("keys-none-text"), None)) } @else { (rows(member, application, &keys, live)) }
        @if live == 1 { div.hint { p { (member.t("keys-one-left")) } } }
        @if writes {
            @if live >= MAX_API_KEYS {
                div.hint { h2 { (member.count("keys-full", MAX_API_KEYS)) } p { (member.t("keys-full-text")) } }
            } @else {
                section aria-labelledby="new-key" { h2 #new-key { (member.t("key-new")) } (new_form(member, application, sent, error)) }
            }
        }
    };
    let title = member.tr(
        "keys-of",
        &[("name", application.client.name.as_str().into())],
    );
    let head = Head {
        above: above(member, application, false),
        notice: page::notice(member),
        error,
        ..Head::titled(title)
    };
    Ok(member_page(member, Place::ApiKeys, head, content))
}

fn is_expired(key: &ApiKeyView, now: Timestamp) -> bool {
    key.expires_at.is_some_and(|end| end <= now)
}

fn rows(member: &Member, application: &Application, keys: &[ApiKeyView], live: usize) -> Markup {
    let writes = member.can(KeysWrite);
    let rows: Vec<Vec<Markup>> = keys
        .iter()
        .map(|key| {
            let ended = is_expired(key, member.now());
            let to = |below: &str, message: &str| {
                html! {
                    a.button.small href=(member.link(&path(application, &format!("/{}{below}", key.id)))) {
                        (member.t(message)) span.unseen { " " (key.name) }
                    }
                }
            };
            vec![
                html! {
                    @if is_replaced(key) { strong { (key.name.trim_end_matches(&format!(" ({})", key.id))) } " " (badge("off", &member.t("replaced"))) }
                    @else { strong { (key.name) } }
                    @if key.manage_keys { " " (badge("plain", &member.t("manages-keys"))) }
                    @if let Some(scope) = &key.scope { div.detail { (scope) } }
                    @if !key.allowed_ips.as_str().is_empty() { div.detail { (key.allowed_ips) } }
                },
                html! { code { (key.shown) "…" } },
                html! { (who(member, &key.created_by)) },
                member.language.day(key.created_at),
                key.last_used_at.map_or_else(|| html! { (member.t("never")) }, |used| member.relative(used)),
                ends(member, key, ended),
                html! {
                    @if writes && !ended {
                        span.buttons {
                            @if !is_replaced(key) { (to("/rotate", "rotate")) }
                            @if live > 1 { (to("/revoke", "revoke")) }
                        }
                    }
                },
            ]
        })
        .collect();
    let columns = [
        "column-name",
        "column-key",
        "column-made-by",
        "column-made",
        "column-last-used",
        "column-ends",
        "",
    ];
    table(member, &member.t("menu-api-keys"), &columns, &rows)
}

/// Whether a rotation replaced the key.
fn is_replaced(key: &ApiKeyView) -> bool {
    key.replaced_by.is_some()
}

/// When a key ends; what is about to end is counted down by the script.
fn ends(member: &Member, key: &ApiKeyView, ended: bool) -> Markup {
    let Some(end) = key.expires_at else {
        return html! { (member.t("never")) };
    };
    if ended {
        return html! { (badge("off", &member.t("ended"))) " " (member.relative(end)) };
    }
    html! { span data-until=(end.millis()) data-units=(member.t("countdown-units")) { (member.relative(end)) } }
}

fn new_form(
    member: &Member,
    application: &Application,
    sent: &Form,
    error: Option<&Error>,
) -> Markup {
    let unfolded = ["expires_in", "scope", "allowed_ips", "manage_keys"]
        .iter()
        .any(|field| {
            sent.checked(field) || error.is_some_and(|error| error.wrong_field() == Some(field))
        });
    let lifetimes: Vec<(String, String)> = LIFETIMES
        .iter()
        .map(|&span| (span.to_owned(), spell(member, span, "without-end")))
        .collect();
    page::form_once(
        member,
        &path(application, ""),
        sent,
        html! {
            (Field::new(member, "name", error).help("help-key-name").input("text", sent.get("name")))
            details.more open[unfolded] {
                summary { (member.t("key-limits")) }
                (Field::new(member, "expires_in", error).select(&lifetimes, sent.get("expires_in")))
                @if !application.client.scope.is_empty() {
                    (Field::new(member, "scope", error).optional().help("help-key-scope").boxes(application.client.scope.iter(), sent))
                }
                (Field::new(member, "allowed_ips", error).optional().help("help-allowed-ips").area(sent.get("allowed_ips")))
                (Field::new(member, "manage_keys", error).help("help-manage-keys").tick(sent.checked("manage_keys")))
            }
            button.primary { (member.t("key-create")) }
        },
    )
}

/// A span of time as the forms offer it.
fn spell(member: &Member, span: &str, none: &str) -> String {
    match parse_duration(span) {
        Ok(span) if !span.is_zero() => member.language.span(span),
        _ => member.t(none),
    }
}

fn lifetime(form: &Form, name: &'static str) -> Result<Option<Duration>, Error> {
    let text = form.text(name);
    if text.is_empty() {
        return Ok(None);
    }
    parse_duration(text).map(Some).map_err(|reason| {
        Error::new(Code::InvalidRequest, reason)
            .phrase("span-unusable", [])
            .field(name)
    })
}

/// POST `/applications/{id}/keys`
pub async fn create(
    Posted { member, form }: Posted,
    id: Path<String>,
) -> Result<HttpResponse, Failure> {
    let application = Application::find(&member, &id).await?;
    let made = async {
        let words = form.all("scope").collect::<Vec<_>>().join(" ");
        let scope: Option<Scope> = match words.as_str() {
            "" => None,
            words => Some(words.parse().map_err(|_| {
                Error::new(Code::InvalidScope, "That is no scope")
                    .phrase("scope-unusable", [])
                    .field("scope")
            })?),
        };
        let ranges = form
            .get("allowed_ips")
            .split([' ', ',', '\n', '\r', '\t'])
            .filter(|word| !word.is_empty());
        let allowed_ips = IpRanges::from_words(ranges).map_err(|reason| {
            Error::new(Code::InvalidRequest, reason)
                .phrase("ip-unusable", [])
                .field("allowed_ips")
        })?;
        let expires_at =
            lifetime(&form, "expires_in")?.map(|lifetime| member.now().saturating_add(lifetime));
        let name = form.text("name").to_owned();
        let new = NewApiKey {
            name,
            scope,
            expires_at,
            allowed_ips,
            manage_keys: form.checked("manage_keys"),
        };
        api_key::create(&member.server.store, member.may(KeysWrite)?, &id, new).await
    };
    match mendable(&member, made.await, &path(&application, ""))? {
        Ok((key, view)) => Ok(key_page(
            &member,
            &application,
            key.expose(),
            &view,
            "key-made",
        )),
        Err(error) => keys_page(&member, &application, &form, Some(&error)).await,
    }
}

/// The header that presents a key.
pub fn header_of(key: &str) -> String {
    format!("Authorization: Basic {}", STANDARD.encode(key))
}

/// The page that shows a key, this once: with the header and a line that work as they stand.
fn key_page(
    member: &Member,
    application: &Application,
    key: &str,
    view: &ApiKeyView,
    title: &str,
) -> HttpResponse {
    let header = header_of(key);
    let try_it = format!(
        "curl -i -u {key}: {}",
        member.server.issuer.endpoint("/verify")
    );
    let content = html! {
        div.once {
            p { strong { (member.t("shown-once")) } }
            (copy(member, &member.tr("key-named", &[("name", view.name.as_str().into())]), "key", key))
            (copy(member, &member.t("ready-header"), "header", &header))
            (copy(member, &member.t("key-try"), "curl", &try_it))
        }
        p { a.button.primary href=(member.link(&path(application, ""))) { (member.t("to-keys")) } }
    };
    member_page(
        member,
        Place::ApiKeys,
        Head {
            above: above(member, application, true),
            ..Head::titled(member.t(title))
        },
        content,
    )
}

async fn find(member: &Member, application: &Application, id: &str) -> Result<ApiKeyView, Failure> {
    let keys = api_key::list(
        &member.server.store,
        member.may(KeysRead)?,
        &application.client.client_id,
    )
    .await?;
    let gone = || Error::new(Code::NotFound, "There is no such API key").phrase("key-gone", []);
    Ok(keys.into_iter().find(|key| key.id == id).ok_or_else(gone)?)
}

fn last_used(member: &Member, key: &ApiKeyView) -> String {
    match key.last_used_at {
        None => member.t("key-never-used"),
        Some(used) => member.tr(
            "key-last-used",
            &[(
                "when",
                member.language.relative_text(used, member.now()).into(),
            )],
        ),
    }
}

/// GET `/applications/{id}/keys/{key}/rotate`
pub async fn ask_rotate(
    member: Member,
    ids: Path<(String, String)>,
) -> Result<HttpResponse, Failure> {
    member.may(KeysWrite)?;
    let application = Application::find(&member, &ids.0).await?;
    let key = find(&member, &application, &ids.1).await?;
    Ok(rotate_page(
        &member,
        &application,
        &key,
        &Form::default(),
        None,
    ))
}

fn rotate_page(
    member: &Member,
    application: &Application,
    key: &ApiKeyView,
    sent: &Form,
    error: Option<&Error>,
) -> HttpResponse {
    let graces: Vec<(String, String)> = GRACES
        .iter()
        .map(|&span| (span.to_owned(), spell(member, span, "at-once")))
        .collect();
    let action = path(application, &format!("/{}/rotate", key.id));
    let content = html! {
        p { (member.t("rotate-text")) }
        p { (last_used(member, key)) }
        (page::form_once(member, &action, sent, html! {
            (Field::new(member, "grace", error).help("help-grace").select(&graces, sent.get("grace")))
            div.buttons {
                button.primary { (member.t("rotate")) }
                a.button href=(member.link(&path(application, ""))) { (member.t("cancel")) }
            }
        }))
    };
    let title = member.tr("rotate-key", &[("name", key.name.as_str().into())]);
    let head = Head {
        above: above(member, application, true),
        error,
        ..Head::titled(title)
    };
    member_page(member, Place::ApiKeys, head, content)
}

/// POST `/applications/{id}/keys/{key}/rotate`
pub async fn rotate(
    Posted { member, form }: Posted,
    ids: Path<(String, String)>,
) -> Result<HttpResponse, Failure> {
    let application = Application::find(&member, &ids.0).await?;
    let key = find(&member, &application, &ids.1).await?;
    let made = async {
        let grace = lifetime(&form, "grace")?.unwrap_or_default();
        api_key::rotate(
            &member.server.store,
            member.may(KeysWrite)?,
            &ids.0,
            &ids.1,
            grace,
        )
        .await
    };
    match mendable(&member, made.await, &path(&application, ""))? {
        Ok((new, view)) => Ok(key_page(
            &member,
            &application,
            new.expose(),
            &view,
            "key-rotated",
        )),
        Err(error) => Ok(rotate_page(
            &member,
            &application,
            &key,
            &form,
            Some(&error),
        )),
    }
}

/// GET `/applications/{id}/keys/{key}/revoke`
pub async fn ask_revoke(
    member: Member,
    ids: Path<(String, String)>,
) -> Result<HttpResponse, Failure> {
    member.may(KeysWrite)?;
    let application = Application::find(&member, &ids.0).await?;
    let key = find(&member, &application, &ids.1).await?;
    Ok(revoke_page(&member, &application, &key, None))
}

fn revoke_page(
    member: &Member,
    application: &Application,
    key: &ApiKeyView,
    error: Option<&Error>,
) -> HttpResponse {
    let question =
        html! { p { strong { (last_used(member, key)) } } p { (member.t("revoke-text")) } };
    let action = path(application, &format!("/{}/revoke", key.id));
    let content = confirmation(
        member,
        question,
        &action,
        &member.t("revoke"),
        &path(application, ""),
        html! {},
    );
    let title = member.tr("revoke-key", &[("name", key.name.as_str().into())]);
    let head = Head {
        above: above(member, application, true),
        error,
        ..Head::titled(title)
    };
    member_page(member, Place::ApiKeys, head, content)
}

/// POST `/applications/{id}/keys/{key}/revoke`
pub async fn revoke(
    Posted { member, .. }: Posted,
    ids: Path<(String, String)>,
) -> Result<HttpResponse, Failure> {
    let application = Application::find(&member, &ids.0).await?;
    let key = find(&member, &application, &ids.1).await?;
    match api_key::delete(&member.server.store, member.may(KeysWrite)?, &ids.0, &ids.1).await {
        Ok(()) => Ok(done(&member, &path(&application, ""), "key-revoked")),
        Err(error) if error.code() == Code::Conflict => {
            Ok(revoke_page(&member, &application, &key, Some(&error)))
        }
        Err(error) => Err(error.into()),
    }
}
