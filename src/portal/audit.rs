//! The audit log: who did what, with filters, and the localized reasons of failed authentications.

use actix_web::HttpResponse;
use fluent_bundle::FluentValue;
use maud::{Markup, html};
use serde_json::{Map, Value};

use super::components::{Field, empty, table};
use super::language::{argument, message_id};
use super::page::{NavItem, PageHeader, user_page};
use super::page_error::PageError;
use super::session_extractor::CurrentUser;
use crate::clock::Timestamp;
use crate::manage::account;
use crate::manage::actor::{AccountsRead, AuditRead};
use crate::manage::audit::{self, Action, AuditEntry, AuditFilter};

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

/// The filter that the query holds, as it was typed.
struct AuditQuery {
    account: Option<String>,
    action: Option<String>,
    target: Option<String>,
    actor: Option<String>,
}

impl AuditQuery {
    fn parse(user: &CurrentUser) -> Self {
        AuditQuery {
            account: user.query("account"),
            action: user.query("action"),
            target: user.query("target"),
            actor: user.query("actor"),
        }
    }

    /// The filter, for entries older than `before`.
    fn filter(&self, user: &CurrentUser, before: Option<String>) -> AuditFilter {
        AuditFilter {
            account_id: self.account.clone().filter(|_| user.is_operator()),
            action: self.action.clone(),
            target: self.target.as_deref().map(target_filter),
            actor: self.actor.as_deref().map(actor_filter),
            before,
        }
    }

    /// The link to the entries older than `before`, with the same filter.
    fn older_link(&self, user: &CurrentUser, before: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in [
            ("account", &self.account),
            ("action", &self.action),
            ("target", &self.target),
            ("actor", &self.actor),
        ] {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        let query = query.append_pair("before", before).finish();
        format!("{}?{query}", user.link("/audit"))
    }
}

/// The audit log, filtered by the query.
pub async fn list(user: CurrentUser) -> Result<HttpResponse, PageError> {
    let query = AuditQuery::parse(&user);
    let filter = query.filter(&user, user.query("before"));
    // One more than is shown tells whether there are older entries.
    let limit = i64::try_from(PAGE_SIZE + 1).unwrap_or(i64::MAX);
    let entries = audit::list(&user.server.store, user.may(AuditRead)?, filter, limit).await?;
    let shown = &entries[..entries.len().min(PAGE_SIZE)];
    let older = shown
        .last()
        .filter(|_| entries.len() > PAGE_SIZE)
        .map(|last| query.older_link(&user, &last.id));
    let content = html! {
        (filter_form(&user, &query).await?)
        @if shown.is_empty() { (empty(&user.t("audit-none"), &user.t("audit-none-text"), None)) }
        @else { (rows(&user, shown)) }
        @if let Some(older) = older { p { a href=(older) { (user.t("older")) } } }
    };
    Ok(user_page(
        &user,
        NavItem::Audit,
        PageHeader::titled(user.t("menu-audit")),
        content,
    ))
}

async fn filter_form(user: &CurrentUser, query: &AuditQuery) -> Result<Markup, PageError> {
    let mut accounts = vec![(String::new(), user.t("all-accounts"))];
    if user.is_operator() {
        let all = account::list(&user.server.store, user.may(AccountsRead)?).await?;
        accounts.extend(all.into_iter().map(|account| (account.id, account.name)));
    }
    let mut actions = vec![(String::new(), user.t("all-actions"))];
    actions.extend(
        Action::ALL
            .iter()
            .map(|action| action.as_str())
            .map(|action| (action.to_owned(), user.t(&action_message(action)))),
    );
    let account = query.account.as_deref().unwrap_or_default();
    let action = query.action.as_deref().unwrap_or_default();
    let actor = query.actor.as_deref().unwrap_or_default();
    let target = query.target.as_deref().unwrap_or_default();
    Ok(html! {
        form.filter method="get" action=(user.link("/audit")) {
            @if user.is_operator() { (Field::new(user, "account", None).filter().select(&accounts, account)) }
            (Field::new(user, "action", None).filter().select(&actions, action))
            (Field::new(user, "actor", None).filter().input("text", actor))
            (Field::new(user, "target", None).filter().input("text", target))
            button { (user.t("filter")) }
        }
    })
}

/// The target to search for. Of the first characters of a key or secret, as lists show them, that
/// is the id.
fn target_filter(text: &str) -> String {
    let mut parts = text.split('_');
    match (parts.next(), parts.next()) {
        (Some(prefix), Some(id)) if prefix.len() == 3 && prefix.starts_with("kw") => id.to_owned(),
        _ => text.to_owned(),
    }
}

/// The actor to search for. Users are found by their email address.
fn actor_filter(text: &str) -> String {
    if text.contains('@') && !text.contains(' ') {
        format!("user {}", text.to_lowercase())
    } else {
        text.to_owned()
    }
}

fn rows(user: &CurrentUser, entries: &[AuditEntry]) -> Markup {
    let rows: Vec<Vec<Markup>> = entries
        .iter()
        .map(|entry| {
            let message = action_message(&entry.action);
            vec![
                user.language.date_time(entry.happened_at),
                html! { (if user.language.has_message(&message) { user.t(&message) } else { entry.action.clone() }) },
                html! { (actor_name(user, &entry.actor)) },
                html! { span.words { (entry.target) } @if entry.reason.is_some() { br; (failure_text(user, entry)) } (details(user, entry)) },
                html! { code.short { (entry.address.as_deref().unwrap_or("–")) } },
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
        ],
        &rows,
    )
}

/// What an entry reports beyond its columns: of a token that a trust rule gave, the rule, the issuer
/// and the claims that its conditions were compared with.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_secrets_are_found_by_their_first_characters() {
        for (typed, target) in [
            ("kwk_0123456789abcdef_", "0123456789abcdef"),
            ("kws_0123456789abcdef", "0123456789abcdef"),
            ("0123456789abcdef", "0123456789abcdef"),
            ("https://orders.example/", "https://orders.example/"),
            ("a_name_with_underscores", "a_name_with_underscores"),
        ] {
            assert_eq!(target_filter(typed), target, "{typed}");
        }
    }

    #[test]
    fn users_are_found_by_their_email_address() {
        for (typed, actor) in [
            ("Ada@acme.example", "user ada@acme.example"),
            ("user ada@acme.example", "user ada@acme.example"),
            ("command line", "command line"),
        ] {
            assert_eq!(actor_filter(typed), actor, "{typed}");
        }
    }
}
