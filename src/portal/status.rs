//! The status of the installation, for operators.

use actix_web::HttpResponse;
use maud::{Markup, html};

use super::components::{badge, table};
use super::language::message_id;
use super::page::{NavItem, PageHeader, user_page};
use super::page_error::PageError;
use super::session_extractor::CurrentUser;
use super::unused_credentials;
use crate::clock::Timestamp;
use crate::manage::actor::StatusRead;
use crate::manage::status::{self, NodeStatus, Problem, Status};

/// The status of the installation.
pub async fn show(user: CurrentUser) -> Result<HttpResponse, PageError> {
    let permit = user.may(StatusRead)?;
    let server = &user.server;
    let status = status::show(&server.store, permit, &server.settings).await?;
    let content = html! {
        (problems(&user, &status.problems))
        (facts(&user, &status))
        section aria-labelledby="nodes" { h2 #nodes { (user.t("status-nodes")) } (nodes(&user, &status.nodes)) }
        section aria-labelledby="keys" { h2 #keys { (user.t("menu-signing-keys")) } (signing_keys(&user, &status)) }
        section aria-labelledby="jobs" { h2 #jobs { (user.t("status-jobs")) } (jobs(&user, &status.nodes)) }
    };
    let header = PageHeader::titled(user.t("menu-status"));
    Ok(user_page(&user, NavItem::Status, header, content))
}

fn problems(user: &CurrentUser, problems: &[Problem]) -> Markup {
    if problems.is_empty() {
        return html! { p { (badge("good", &user.t("status-good"))) } };
    }
    html! {
        div.alert {
            ul {
                @for problem in problems {
                    @let message = message_id("status-problem", problem.code.as_str());
                    li {
                        (user.tr(&message, &[("subject", problem.subject.as_str().into())]))
                        @if let Some(detail) = &problem.detail { " " span lang="en" { (detail) } }
                    }
                }
            }
        }
    }
}

fn facts(user: &CurrentUser, status: &Status) -> Markup {
    let database = &status.database;
    let unused = status.unused_credentials;
    let mebibytes = database.bytes / (1024 * 1024);
    html! {
        dl.facts {
            dt { (user.t("status-version")) } dd { (status.version) }
            dt { (user.t("status-time")) } dd { (user.date_time(status.time)) }
            dt { (user.t("status-database")) } dd {
                (database.software) ", "
                (user.tr("status-size", &[("size", user.language.number(mebibytes).into())])) ", "
                (user.tr("status-migrations", &[("count", database.migrations.into()), ("newest", database.newest_migration.as_str().into())]))
            }
            dt { (user.t("mails")) } dd {
                (user.t(if user.server.mailer().is_some() { "status-mail-on" } else { "status-mail-off" }))
                " " a href=(user.link("/status/mail")) { (user.t("status-mail-show")) }
            }
            dt { (user.t("unused-credentials")) } dd {
                a href=(user.link(unused_credentials::PATH)) {
                    (user.tr("status-unused", &[("keys", unused.api_keys.into()), ("secrets", unused.client_secrets.into())]))
                }
            }
        }
    }
}

fn instant(user: &CurrentUser, at: Option<Timestamp>) -> Markup {
    at.map_or_else(|| html! { "–" }, |at| user.date_time(at))
}

fn nodes(user: &CurrentUser, nodes: &[NodeStatus]) -> Markup {
    let rows: Vec<Vec<Markup>> = nodes
        .iter()
        .map(|node| {
            let state = if node.up {
                badge("good", &user.t("status-up"))
            } else {
                badge("off", &user.t("status-missing"))
            };
            let clock = node.report.clock_difference_ms;
            vec![
                html! { (node.name) @if node.up && node.report.leader { " " (badge("plain", &user.t("status-leader"))) } },
                state,
                html! { (node.version) },
                user.date_time(node.started_at),
                user.relative(node.seen_at),
                html! { (user.tr("status-clock", &[("millis", clock.into())])) },
                instant(user, node.report.certificate_expires_at),
            ]
        })
        .collect();
    let columns = [
        "column-node",
        "column-state",
        "status-version",
        "column-started",
        "column-seen",
        "column-clock",
        "column-certificate",
    ];
    table(user, &user.t("status-nodes"), &columns, &rows)
}

fn signing_keys(user: &CurrentUser, status: &Status) -> Markup {
    let rows: Vec<Vec<Markup>> = status
        .signing_keys
        .iter()
        .map(|key| {
            vec![
                html! { (key.algorithm) },
                html! { @match &key.kid { Some(kid) => { code { (kid) } } None => { "–" } } },
                instant(user, key.signs_from),
                instant(user, key.next_rotation_at),
            ]
        })
        .collect();
    let columns = [
        "column-algorithm",
        "column-kid",
        "column-signs-from",
        "column-next-rotation",
    ];
    table(user, &user.t("menu-signing-keys"), &columns, &rows)
}

fn jobs(user: &CurrentUser, nodes: &[NodeStatus]) -> Markup {
    let rows: Vec<Vec<Markup>> = nodes
        .iter()
        .filter(|node| node.up)
        .flat_map(|node| node.report.jobs.iter().map(move |job| (node, job)))
        .map(|(node, job)| {
            vec![
                html! { code { (job.name) } },
                html! { (node.name) },
                instant(user, job.last_run_at),
                instant(user, job.last_success_at),
                html! { @match &job.last_error { Some(error) => { span.words lang="en" { (error) } } None => { "–" } } },
            ]
        })
        .collect();
    let columns = [
        "column-job",
        "column-node",
        "column-last-run",
        "column-last-success",
        "column-last-error",
    ];
    table(user, &user.t("status-jobs"), &columns, &rows)
}
