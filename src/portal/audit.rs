//! The audit log: who did what, with filters, and the localized reasons of failed authentications.

use actix_web::{HttpRequest, HttpResponse};
use fluent_bundle::FluentValue;
use maud::{Markup, html};
use serde_json::{Map, Value};

use super::account_field::AccountChoices;
use super::components::{Field, empty, table};
use super::form::Form;
use super::language::{argument, message_id};
use super::page::{NavItem, PageHeader, user_page};
use super::page_error::PageError;
use super::session_extractor::CurrentUser;
use crate::clock::{DateOrTime, Timestamp};
use crate::error::{Code, Error, refusal};
use crate::http::download;
use crate::manage::account;
use crate::manage::actor::{AccountsRead, AuditRead, ResourcesWrite, SigningKeysRead, UsersRead};
use crate::manage::audit::{
    self, Action, AuditEntry, AuditFilter, AuditPage, Export, ExportFormat, Names,
};

/// The number of entries on a page.
const PAGE_SIZE: usize = 50;

/// The message for an action.
pub fn action_message(action: &str) -> String {
    message_id("action", action)
}

/// Why an authentication failed, in the language of the page. Reasons without a message are shown
/// in English.
pub fn failure_text(user: &CurrentUser, entry: &AuditEntry) -> Markup {
    let english = entry.reason.as_deref().unwrap_or_default();
    let parameters: Map<String, Value> = entry
        .reason_parameters
        .as_deref()
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    reason_text(user, entry.reason_code.as_deref(), &parameters, english)
}

/// A reason in the language of the page; in English if there is no message for its code.
pub fn reason_text(
    user: &CurrentUser,
    code: Option<&str>,
    parameters: &Map<String, Value>,
    english: &str,
) -> Markup {
    let message = code.map(|code| message_id("reason", code));
    let Some(message) = message.filter(|message| user.language.has_message(message)) else {
        return html! { span lang="en" { (english) } };
    };
    let arguments: Vec<(&str, FluentValue<'_>)> = parameters
        .iter()
        .map(|(name, value)| match (name.as_str(), value.as_i64()) {
            ("at", Some(millis)) => {
                let instant = Timestamp::from_millis(millis);
                let text = user.language.relative_text(instant, user.now());
                ("at", text.into())
            }
            (name, _) => (name, argument(value)),
        })
        .collect();
    // The message of a library about the client's input, which exists in English only.
    let detail = parameters.get("detail").and_then(Value::as_str);
    html! {
        (user.tr(&message, &arguments))
        @if let Some(detail) = detail { br; code lang="en" { (detail) } }
    }
}

/// The names of the fields of the filter, which are also the parameters of the query.
const FIELDS: [&str; 7] = [
    "account",
    "action",
    "actor",
    "target",
    "request_id",
    "since",
    "until",
];

/// The filter that the query holds, as it was typed.
struct AuditQuery(Form);

impl AuditQuery {
    fn parse(user: &CurrentUser) -> Self {
        let typed = FIELDS.map(|name| (name, user.query(name).unwrap_or_default()));
        let typed = typed
            .each_ref()
            .map(|(name, value)| (*name, value.as_str()));
        AuditQuery(Form::filled(&typed))
    }

    fn get(&self, name: &str) -> &str {
        self.0.get(name)
    }

    fn typed(&self, name: &str) -> Option<String> {
        self.0.optional(name)
    }

    /// The filter, for entries older than `before`.
    ///
    /// # Errors
    /// `invalid_request` for a text that is no date.
    fn filter(&self, user: &CurrentUser, before: Option<String>) -> Result<AuditFilter, Error> {
        let date = |name: &str| {
            let parsed = self.typed(name).map(|text| text.parse::<DateOrTime>());
            parsed
                .transpose()
                .map_err(|_| refusal::invalid_date().field(name))
        };
        Ok(AuditFilter {
            account_id: self.typed("account").filter(|_| user.is_operator()),
            action: self.typed("action"),
            target: self.typed("target").as_deref().map(audit::typed_target),
            actor: self.typed("actor").as_deref().map(audit::typed_actor),
            request_id: self.typed("request_id"),
            since: date("since")?.map(DateOrTime::start),
            until: date("until")?.map(DateOrTime::end),
            before,
        })
    }

    /// The link to a page with the same filter and one more parameter.
    fn link(&self, user: &CurrentUser, path: &str, name: &str, value: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for field in FIELDS {
            if let Some(typed) = self.typed(field) {
                query.append_pair(field, &typed);
            }
        }
        let query = query.append_pair(name, value).finish();
        format!("{}?{query}", user.link(path))
    }
}

/// The audit log, filtered by the query.
pub async fn list(user: CurrentUser) -> Result<HttpResponse, PageError> {
    let permit = user.may(AuditRead)?;
    let query = AuditQuery::parse(&user);
    let store = &user.server.store;
    let page = match query.filter(&user, user.query("before")) {
        Ok(filter) => audit::list(store, permit.clone(), filter, PAGE_SIZE).await,
        Err(error) => Err(error),
    };
    let (page, error) = match page {
        Ok(page) => (Some(page), None),
        // The account that was typed.
        Err(error) if error.code() == Code::NotFound => (None, Some(error.field("account"))),
        Err(error) if error.code() == Code::InvalidRequest => (None, Some(error)),
        Err(error) => return Err(error.into()),
    };
    let found = match &page {
        Some(page) => found(&user, &query, page).await?,
        None => html! {},
    };
    let content = html! {
        (filter_form(&user, &query, error.as_ref()).await?)
        (found)
    };
    let header = PageHeader {
        error: error.as_ref(),
        ..PageHeader::titled(user.t("menu-audit"))
    };
    Ok(user_page(&user, NavItem::Audit, header, content))
}

/// The entries of a page, with the links to the next page and to the exports.
async fn found(
    user: &CurrentUser,
    query: &AuditQuery,
    page: &AuditPage,
) -> Result<Markup, PageError> {
    let entries = &page.entries;
    let names = audit::names(&user.server.store, user.may(AuditRead)?, entries).await?;
    let older = page
        .next
        .as_deref()
        .map(|next| query.link(user, "/audit", "before", next));
    let export =
        |format: ExportFormat| query.link(user, "/audit/export", "format", format.as_str());
    Ok(html! {
        @if !entries.is_empty() { (rows(user, entries, &names)) }
        @else if older.is_some() { p { (user.t("audit-none-yet")) } }
        @else { (empty(&user.t("audit-none"), &user.t("audit-none-text"), None)) }
        @if let Some(older) = &older { p { a href=(older) { (user.t("older")) } } }
        @if !entries.is_empty() || older.is_some() {
            p.buttons {
                a.button.small href=(export(ExportFormat::Csv)) download { (user.t("audit-export-csv")) }
                a.button.small href=(export(ExportFormat::JsonLines)) download { (user.t("audit-export-jsonl")) }
            }
        }
    })
}

/// The entries that match the filter, as a file.
pub async fn export(user: CurrentUser, request: HttpRequest) -> Result<HttpResponse, PageError> {
    let permit = user.may(AuditRead)?;
    let query = AuditQuery::parse(&user);
    let filter = query.filter(&user, None)?;
    let format = match user.query("format") {
        Some(name) => ExportFormat::parse(&name)?,
        None => ExportFormat::Csv,
    };
    let export = Export::new(&user.server.store, permit, filter, format)
        .in_time_zone(user.time_zone.clone());
    Ok(download::audit(&request, export).await?)
}

async fn filter_form(
    user: &CurrentUser,
    query: &AuditQuery,
    error: Option<&Error>,
) -> Result<Markup, PageError> {
    let field = |name| Field::new(user, name, error).filter();
    let mut actions = vec![(String::new(), user.t("all-actions"))];
    actions.extend(
        Action::ALL
            .iter()
            .map(|action| action.as_str())
            .map(|action| (action.to_owned(), user.t(&action_message(action)))),
    );
    let account = if user.is_operator() {
        Some(account_field(user, query, error).await?)
    } else {
        None
    };
    Ok(html! {
        form.filter method="get" action=(user.link("/audit")) {
            @if let Some(account) = account { (account) }
            (field("action").select(&actions, query.get("action")))
            (field("actor").input("text", query.get("actor")))
            (field("target").input("text", query.get("target")))
            (field("request_id").input("text", query.get("request_id")))
            (field("since").input("date", query.get("since")))
            (field("until").input("date", query.get("until")))
            button { (user.t("filter")) }
        }
    })
}

/// The field for the account of operators.
async fn account_field(
    user: &CurrentUser,
    query: &AuditQuery,
    error: Option<&Error>,
) -> Result<Markup, PageError> {
    let permit = user.may(AccountsRead)?;
    let of_introspection = account::of_introspection_clients(&user.server.store, permit).await?;
    let choices = AccountChoices::load(user)
        .await?
        .with_first("", user.t("all-accounts"))
        .with_last(of_introspection.as_ref());
    let field = Field::new(user, "account", error).filter();
    Ok(choices.field(field, query.get("account")))
}

fn rows(user: &CurrentUser, entries: &[AuditEntry], names: &Names) -> Markup {
    let rows: Vec<Vec<Markup>> = entries
        .iter()
        .map(|entry| {
            let message = action_message(&entry.action);
            vec![
                user.date_time(entry.happened_at),
                html! { (if user.language.has_message(&message) { user.t(&message) } else { entry.action.clone() }) },
                actor(user, &entry.actor, names),
                html! { span.words { (target(user, entry, names)) } @if entry.reason.is_some() { br; (failure_text(user, entry)) } (details(user, entry)) },
                html! { code.short { (entry.address.as_deref().unwrap_or("–")) } },
                request_link(user, entry),
            ]
        })
        .collect();
    table(
        user,
        &user.t("menu-audit"),
        &[
            "column-when",
            "column-what",
            "column-who",
            "column-target",
            "column-address",
            "column-request",
        ],
        &rows,
    )
}

/// The first characters of the request id, as a link to all entries of the request.
fn request_link(user: &CurrentUser, entry: &AuditEntry) -> Markup {
    const SHOWN: usize = 8;
    let Some(id) = entry.request_id.as_deref() else {
        return html! { "–" };
    };
    let shown: String = id.chars().take(SHOWN).collect();
    html! { a.short href={ (user.link("/audit")) "?request_id=" (id) } title=(id) { code { (shown) "…" } } }
}

/// An object with a name: a link to its page, with the id as a tooltip.
fn link(user: &CurrentUser, path: &str, name: &str, id: &str) -> Markup {
    html! { a href=(user.link(path)) title=(id) { (name) } }
}

/// A link to a client, by its name; the id if there is no such client any more.
fn client_link(user: &CurrentUser, id: &str, names: &Names) -> Markup {
    match names.clients.get(id) {
        Some(name) => link(user, &format!("/applications/{id}"), name, id),
        None => html! { (id) },
    }
}

/// A link to an API key, a secret or a trust rule, if the id is that of one.
fn part_link(user: &CurrentUser, id: &str, names: &Names) -> Option<Markup> {
    let (page, kind, part) = [
        ("keys", "api-key", names.api_keys.get(id)),
        ("secrets", "client-secret", names.secrets.get(id)),
        (
            "trust-rules",
            "detail-trust-rule",
            names.trust_rules.get(id),
        ),
    ]
    .into_iter()
    .find_map(|(page, kind, part)| Some((page, kind, part?)))?;
    let path = format!("/applications/{}/{page}", part.client_id);
    let kind = user.t(kind);
    let label = match &part.name {
        Some(name) => format!("{kind} {name}"),
        None => format!("{kind} {}…", id.chars().take(8).collect::<String>()),
    };
    Some(
        html! { (link(user, &path, &label, id)) " · " (client_link(user, &part.client_id, names)) },
    )
}

/// The target of an entry: by its name, with a link, if it exists and the user can open it.
fn target(user: &CurrentUser, entry: &AuditEntry, names: &Names) -> Markup {
    let id = entry.target.as_str();
    if let Some(part) = part_link(user, id, names) {
        return part;
    }
    if names.clients.contains_key(id) {
        return client_link(user, id, names);
    }
    if let Some(name) = names.accounts.get(id) {
        let path = format!("/applications?account={id}");
        return link(user, &path, name, id);
    }
    if let Some(user_id) = names.users.get(id).filter(|_| user.can(UsersRead)) {
        return link(user, &format!("/people/{user_id}"), id, id);
    }
    let object = entry.action.split_once('.').map(|(object, _)| object);
    match object {
        Some("signing_key") if user.can(SigningKeysRead) => link(user, "/signing-keys", id, id),
        Some("resource") if user.can(ResourcesWrite) => link(user, "/resource-servers", id, id),
        _ => {
            let owner = entry.client_id.as_deref().filter(|owner| *owner != id);
            html! {
                (id)
                @if let Some(owner) = owner { @if !id.is_empty() { " · " } (client_link(user, owner, names)) }
            }
        }
    }
}

/// The actor of an entry: by its name, with a link, if it exists and the user can open it.
fn actor(user: &CurrentUser, actor: &str, names: &Names) -> Markup {
    let (kind, id) = actor.rsplit_once(' ').unwrap_or((actor, ""));
    match kind {
        "user" => match names.users.get(id).filter(|_| user.can(UsersRead)) {
            Some(user_id) => {
                html! { a href=(user.link(&format!("/people/{user_id}"))) { (actor_name(user, actor)) } }
            }
            None => actor_name(user, actor),
        },
        "client" if names.clients.contains_key(id) => client_link(user, id, names),
        _ => part_link(user, id, names).unwrap_or_else(|| actor_name(user, actor)),
    }
}

/// What an entry reports beyond its columns: of a token that a trust rule gave, the rule, the issuer
/// and the claims that its conditions were compared with; of an invitation, the role.
fn details(user: &CurrentUser, entry: &AuditEntry) -> Markup {
    let details: Map<String, Value> = entry
        .details
        .as_deref()
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    html! {
        @for (name, value) in &details {
            @let message = message_id("detail", name);
            @let label = if user.language.has_message(&message) { user.t(&message) } else { name.clone() };
            div.detail {
                (label) ": "
                @match value {
                    Value::Object(members) => { @for (name, value) in members { code { (name) "=" (text(value)) } " " } }
                    Value::Bool(on) => { (user.t(if *on { "detail-yes" } else { "detail-no" })) }
                    Value::String(role) if name == "role" && user.language.has_message(&format!("role-{role}")) => { (user.t(&format!("role-{role}"))) }
                    value => { code { (text(value)) } }
                }
            }
        }
    }
}

/// An actor: users by their email address, others by their kind and id.
pub fn actor_name(user: &CurrentUser, actor: &str) -> Markup {
    let text = match actor.split_once(' ') {
        Some(("user", email)) => {
            let (name, host) = email.split_once('@').unwrap_or((email, ""));
            // Long addresses may break here.
            return html! { (name) wbr; "@" (host) };
        }
        Some(("API", rest)) => format!(
            "{} {}",
            user.t("api-key"),
            rest.strip_prefix("key ").unwrap_or(rest)
        ),
        Some(("client", id)) => format!("{} {id}", user.t("application")),
        Some(("initial", rest)) => {
            format!(
                "{} {}",
                user.t("registration-token"),
                rest.strip_prefix("access token ").unwrap_or(rest)
            )
        }
        Some(("trust", rest)) => format!(
            "{} {}",
            user.t("detail-trust-rule"),
            rest.strip_prefix("rule ").unwrap_or(rest)
        ),
        _ if actor == "nobody" => user.t("nobody"),
        _ if actor == "command line" => user.t("command-line"),
        _ => actor.to_owned(),
    };
    html! { (text) }
}
