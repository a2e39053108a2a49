//! The audit: who did what, with filters; and the failed authentications in people's words.

use actix_web::HttpResponse;
use fluent_bundle::FluentValue;
use maud::{Markup, html};
use serde_json::{Map, Value};

use super::page::{Field, Head, Place, empty, member_page, table};
use super::visit::{Failure, Member};
use crate::clock::Timestamp;
use crate::manage::account;
use crate::manage::actor::{AccountsRead, AuditRead};
use crate::manage::audit::{self, Action, AuditEntry, AuditFilter};

const PAGE: usize = 50;

/// The message for an action.
pub fn action_message(action: &str) -> String {
    format!("action-{}", action.replace(['.', '_'], "-"))
}

/// Why an authentication failed, in the member's language.
pub fn failure_text(member: &Member, entry: &AuditEntry) -> Markup {
    let english = || html! { span lang="en" { (entry.reason.as_deref().unwrap_or_default()) } };
    let Some(code) = &entry.reason_code else {
        return english();
    };
    let message = reason_message(code);
    if !member.language.knows(&message) {
        return english();
    }
    let parameters: Map<String, Value> = entry
        .reason_parameters
        .as_deref()
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let arguments: Vec<(&'static str, FluentValue<'_>)> = PARAMETERS
        .iter()
        .filter_map(|&name| {
            let value = parameters.get(name)?;
            Some((
                name,
                match (name, value.as_i64()) {
                    ("at", Some(millis)) => member
                        .language
                        .relative_text(Timestamp::from_millis(millis), member.now())
                        .into(),
                    (_, Some(number)) => FluentValue::from(number),
                    _ => FluentValue::from(value.as_str().unwrap_or_default().to_owned()),
                },
            ))
        })
        .collect();
    // What a library says of the client's input is for its developers, and in English.
    let detail = parameters.get("detail").and_then(Value::as_str);
    html! {
        (member.tr(&message, &arguments))
        @if let Some(detail) = detail { br; code lang="en" { (detail) } }
    }
}

/// The message for the code of a reason.
pub fn reason_message(code: &str) -> String {
    format!("reason-{}", code.replace('_', "-"))
}

/// What reasons tell beside their codes; `at` is an instant.
const PARAMETERS: [&str; 11] = [
    "id",
    "at",
    "method",
    "aud",
    "seconds",
    "most",
    "scope",
    "resource",
    "grant_type",
    "name",
    "count",
];

/// GET
pub async fn list(member: Member) -> Result<HttpResponse, Failure> {
    let (account, action, target, actor) = (
        member.query("account"),
        member.query("action"),
        member.query("target"),
        member.query("actor"),
    );
    let filter = AuditFilter {
        account_id: account.clone().filter(|_| member.is_operator()),
        action: action.clone(),
        target: target.as_deref().map(target_named),
        actor: actor.as_deref().map(actor_named),
        before: member.query("before"),
    };
    let limit = i64::try_from(PAGE + 1).unwrap_or(i64::MAX);
    let entries = audit::list(&member.server.store, member.may(AuditRead)?, filter, limit).await?;
    let shown = &entries[..entries.len().min(PAGE)];
    let mut accounts = vec![(String::new(), member.t("all-accounts"))];
    if member.is_operator() {
        let all = account::list(&member.server.store, member.may(AccountsRead)?).await?;
        accounts.extend(all.into_iter().map(|account| (account.id, account.name)));
    }
    let mut actions = vec![(String::new(), member.t("all-actions"))];
    actions.extend(
        Action::ALL
            .iter()
            .map(|action| action.as_str())
            .map(|action| (action.to_owned(), member.t(&action_message(action)))),
    );
    let older = shown.last().filter(|_| entries.len() > PAGE).map(|last| {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let kept = [
            ("account", &account),
            ("action", &action),
            ("target", &target),
            ("actor", &actor),
        ];
        for (name, value) in kept
            .iter()
            .filter_map(|(name, value)| value.as_ref().map(|value| (name, value)))
        {
            query.append_pair(name, value);
        }
        format!(
            "{}?{}",
            member.link("/audit"),
            query.append_pair("before", &last.id).finish()
        )
    });
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let content = html! {
        form.filter method="get" action=(member.link("/audit")) {
            @if member.is_operator() { (Field::new(&member, "account", None).filter().select(&accounts, &text(&account))) }
            (Field::new(&member, "action", None).filter().select(&actions, &text(&action)))
            (Field::new(&member, "actor", None).filter().input("text", &text(&actor)))
            (Field::new(&member, "target", None).filter().input("text", &text(&target)))
            button { (member.t("filter")) }
        }
        @if shown.is_empty() { (empty(&member.t("audit-none"), &member.t("audit-none-text"), None)) }
        @else { (rows(&member, shown)) }
        @if let Some(older) = older { p { a href=(older) { (member.t("older")) } } }
    };
    Ok(member_page(
        &member,
        Place::Audit,
        Head::titled(member.t("menu-audit")),
        content,
    ))
}

/// Keys and secrets are looked for by their first characters, too, as lists show them: the id is inside.
fn target_named(text: &str) -> String {
    let mut parts = text.split('_');
    match (parts.next(), parts.next()) {
        (Some(prefix), Some(id)) if prefix.len() == 3 && prefix.starts_with("kw") => id.to_owned(),
        _ => text.to_owned(),
    }
}

/// People are looked for by their address, as the table shows them.
fn actor_named(text: &str) -> String {
    if text.contains('@') && !text.contains(' ') {
        format!("user {}", text.to_lowercase())
    } else {
        text.to_owned()
    }
}

fn rows(member: &Member, entries: &[AuditEntry]) -> Markup {
    let rows: Vec<Vec<Markup>> = entries
        .iter()
        .map(|entry| {
            let message = action_message(&entry.action);
            vec![
                member.language.moment(entry.happened_at),
                html! { (if member.language.knows(&message) { member.t(&message) } else { entry.action.clone() }) },
                html! { (who(member, &entry.actor)) },
                html! { span.words { (entry.target) } @if entry.reason.is_some() { br; (failure_text(member, entry)) } },
                html! { code.short { (entry.address.as_deref().unwrap_or("–")) } },
            ]
        })
        .collect();
    table(
        member,
        &member.t("menu-audit"),
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

/// Who did something: people by their address, others by what they are.
pub fn who(member: &Member, actor: &str) -> Markup {
    let text = match actor.split_once(' ') {
        Some(("user", email)) => {
            let (name, host) = email.split_once('@').unwrap_or((email, ""));
            // Where there is little room it breaks here.
            return html! { (name) wbr; "@" (host) };
        }
        Some(("API", rest)) => format!(
            "{} {}",
            member.t("api-key"),
            rest.strip_prefix("key ").unwrap_or(rest)
        ),
        Some(("client", id)) => format!("{} {id}", member.t("application")),
        Some(("initial", rest)) => {
            format!(
                "{} {}",
                member.t("registration-token"),
                rest.strip_prefix("access token ").unwrap_or(rest)
            )
        }
        _ if actor == "nobody" => member.t("nobody"),
        _ if actor == "command line" => member.t("command-line"),
        _ => actor.to_owned(),
    };
    html! { (text) }
}
