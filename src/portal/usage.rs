//! The usage of an application, an API key or a client secret: charts by the hour and by the day, and
//! from where it was used.

use actix_web::HttpResponse;
use actix_web::web::Path;
use maud::{Markup, html};

use super::application::Application;
use super::chart::{self, Series};
use super::components::{empty, table};
use super::page_error::PageError;
use super::session_extractor::CurrentUser;
use super::user_agent;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::http::download;
use crate::manage::actor::TokensRead;
use crate::manage::usage::{self, Bucket, Origin, Subject, Usage, UsageKinds};

/// The usage that the query of the page asks for.
///
/// # Errors
/// Those of [`usage::show`].
async fn find(user: &CurrentUser, client_id: &str, subject: Subject) -> Result<Usage, Error> {
    let by = user.query("by").and_then(|by| by.parse().ok());
    let permit = user.may(TokensRead)?;
    usage::show(
        &user.server.store,
        permit,
        client_id,
        subject,
        by.unwrap_or_default(),
    )
    .await
}

/// The sections about usage on the page of an application, an API key or a secret at `path`. The CSV
/// is at `export`.
///
/// # Errors
/// Those of [`usage::show`].
pub(super) async fn sections(
    user: &CurrentUser,
    application: &Application,
    subject: Subject,
    path: &str,
    export: &str,
) -> Result<Markup, Error> {
    let has_origins = !matches!(subject, Subject::Secret(_));
    let usage = find(user, &application.client.client_id, subject).await?;
    Ok(html! {
        (charts(user, &usage, path, export))
        @if has_origins { (origins(user, &usage.used_from)) }
    })
}

fn charts(user: &CurrentUser, usage: &Usage, path: &str, export: &str) -> Markup {
    let (requests, failures) = match usage.by {
        Bucket::Hour => ("chart-day", "chart-day-failures"),
        Bucket::Day => ("chart-by-day", "chart-by-day-failures"),
    };
    let instants: Vec<Timestamp> = usage.points.iter().map(|point| point.at).collect();
    let to = |by: Bucket, message: &str| {
        let link = user.link(&format!("{path}?by={}#usage", by.as_str()));
        let current = (by == usage.by).then_some("true");
        html! { a.button.small href=(link) aria-current=[current] { (user.t(message)) } }
    };
    let failed = Series::counts(
        user.t("failures-count"),
        usage.points.iter().map(|point| point.failures),
    );
    html! {
        section aria-labelledby="usage" {
            div.head {
                h2 #usage { (user.t("usage")) }
                div.buttons {
                    (to(Bucket::Hour, "usage-by-hour")) (to(Bucket::Day, "usage-by-day"))
                    a.button.small href=(user.link(&format!("{export}?by={}", usage.by.as_str()))) download { (user.t("export-csv")) }
                }
            }
            div.charts {
                (chart::lines(user, "requests", &user.t(requests), &instants, &request_series(user, usage)))
                (chart::lines(user, "failing", &user.t(failures), &instants, &[failed]))
            }
        }
    }
}

fn request_series(user: &CurrentUser, usage: &Usage) -> Vec<Series> {
    let points = &usage.points;
    let kinds: Option<Vec<UsageKinds>> = points.iter().map(|point| point.kinds).collect();
    let Some(kinds) = kinds else {
        let uses = points.iter().map(|point| point.uses);
        return vec![Series::counts(user.t("uses"), uses)];
    };
    let series = |message: &str, of: fn(&UsageKinds) -> i64| {
        Series::counts(user.t(message), kinds.iter().map(of))
    };
    vec![
        series("tokens-issued", |kinds| kinds.tokens),
        series("introspections", |kinds| kinds.introspections),
        series("verifications", |kinds| kinds.verifications),
    ]
}

fn origins(user: &CurrentUser, origins: &[Origin]) -> Markup {
    let rows: Vec<Vec<Markup>> = origins
        .iter()
        .map(|origin| {
            let agent = origin.user_agent.as_str();
            let label = match user_agent::label(user.language, agent) {
                Some(label) => label,
                None if agent.is_empty() => "–".to_owned(),
                None => agent.to_owned(),
            };
            vec![
                html! { code.short { (origin.address) } },
                html! { span.clip title=(agent) { (label) } },
                user.relative(origin.first_seen_at),
                user.relative(origin.last_seen_at),
                html! { (user.language.number(origin.count)) },
            ]
        })
        .collect();
    let columns = [
        "column-address",
        "column-user-agent",
        "column-first-seen",
        "column-last-seen",
        "column-requests",
    ];
    html! {
        section aria-labelledby="used-from" {
            h2 #used-from { (user.t("used-from")) }
            @if rows.is_empty() { (empty(&user.t("used-from-none"), &user.t("used-from-none-text"), None)) }
            @else { p { (user.t("used-from-text")) } (table(user, &user.t("used-from"), &columns, &rows)) }
        }
    }
}

/// The usage of an application as CSV.
pub async fn export(user: CurrentUser, id: Path<String>) -> Result<HttpResponse, PageError> {
    Ok(download::usage(&find(&user, &id, Subject::Client).await?))
}

/// The usage of an API key as CSV.
pub async fn export_key(
    user: CurrentUser,
    ids: Path<(String, String)>,
) -> Result<HttpResponse, PageError> {
    let (client_id, id) = ids.into_inner();
    let usage = find(&user, &client_id, Subject::ApiKey(id)).await?;
    Ok(download::usage(&usage))
}

/// The usage of a client secret as CSV.
pub async fn export_secret(
    user: CurrentUser,
    ids: Path<(String, String)>,
) -> Result<HttpResponse, PageError> {
    let (client_id, id) = ids.into_inner();
    let usage = find(&user, &client_id, Subject::Secret(id)).await?;
    Ok(download::usage(&usage))
}
