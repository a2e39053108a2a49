//! The overview: charts of the traffic. The script refreshes it while it is visible.

use actix_web::HttpResponse;
use maud::{Markup, html};

use super::chart::{self, Series};
use super::components::{empty, table};
use super::page::{NavItem, PageHeader, user_page};
use super::page_error::PageError;
use super::session_extractor::CurrentUser;
use crate::clock::Timestamp;
use crate::manage::actor::TokensRead;
use crate::manage::traffic::{self, LatencyPoint, Point, ServerTraffic, TopClient, Traffic};

/// The charts of the last hour and day, and the busiest applications.
pub async fn show(user: CurrentUser) -> Result<HttpResponse, PageError> {
    let traffic = traffic::overview(&user.server.store, user.may(TokensRead)?).await?;
    let content = html! {
        p.refreshing data-refresh="15" data-pause=(user.t("pause")) data-resume=(user.t("resume")) {
            (user.tr("as-of", &[("when", user.time_of_day(user.now()).into()), ("zone", user.zone_at(user.now()).into())]))
        }
        div #refreshed {
            @if let Some(server) = &traffic.server { (server_section(&user, server)) }
            (day_section(&user, &traffic))
            (top_clients(&user, &traffic.top))
        }
    };
    Ok(user_page(
        &user,
        NavItem::Overview,
        PageHeader::titled(user.t("menu-overview")),
        content,
    ))
}

fn sum(points: &[Point], of: impl Fn(&Point) -> i64) -> i64 {
    points.iter().map(of).sum()
}

fn tile(user: &CurrentUser, message: &str, value: &str) -> Markup {
    html! { div.tile { dt { (user.t(message)) } dd { (value) } } }
}

fn number(user: &CurrentUser, number: i64) -> String {
    user.language.number(number)
}

fn millis(user: &CurrentUser, time: Option<f64>) -> String {
    time.map_or_else(
        || "–".to_owned(),
        |time| user.tr("milliseconds", &[("time", time.into())]),
    )
}

fn server_section(user: &CurrentUser, server: &ServerTraffic) -> Markup {
    // The current minute is incomplete and would look like a drop.
    let complete_minutes = &server.minutes[..server.minutes.len().saturating_sub(1)];
    let instants: Vec<Timestamp> = complete_minutes.iter().map(|point| point.at).collect();
    let steps: Vec<Timestamp> = server
        .token
        .five_minutes
        .iter()
        .map(|point| point.at)
        .collect();
    html! {
        section aria-labelledby="last-hour" {
            h2 #last-hour { (user.t("last-hour")) }
            dl.tiles {
                (tile(user, "tokens-issued", &number(user, sum(&server.minutes, |point| point.tokens))))
                (tile(user, "introspections", &number(user, sum(&server.minutes, |point| point.introspections))))
                (tile(user, "verifications", &number(user, sum(&server.minutes, |point| point.verifications))))
                (tile(user, "failures-count", &number(user, sum(&server.minutes, |point| point.failures))))
                (tile(user, "token-p95", &millis(user, server.token.hour.p95)))
                (tile(user, "introspection-p95", &millis(user, server.introspection.hour.p95)))
            }
            div.charts {
                (chart::lines(user, "rate", &user.t("chart-rate"), &instants, &[
                    counted(user, "tokens-issued", complete_minutes, |point| point.tokens),
                    counted(user, "introspections", complete_minutes, |point| point.introspections),
                    counted(user, "verifications", complete_minutes, |point| point.verifications),
                ]))
                (chart::lines(user, "failing", &user.t("chart-failures"), &instants, &[
                    counted(user, "failures-count", complete_minutes, |point| point.failures),
                ]))
                (chart::lines(user, "token-times", &user.t("chart-token-times"), &steps, &quantiles(user, &server.token.five_minutes)))
                (chart::lines(user, "introspection-times", &user.t("chart-introspection-times"), &steps,
                    &quantiles(user, &server.introspection.five_minutes)))
            }
        }
    }
}

fn counted(
    user: &CurrentUser,
    message: &str,
    points: &[Point],
    of: impl Fn(&Point) -> i64,
) -> Series {
    Series::counts(user.t(message), points.iter().map(of))
}

fn quantiles(user: &CurrentUser, points: &[LatencyPoint]) -> [Series; 2] {
    let p50 = points.iter().map(|point| point.latency.p50).collect();
    let p95 = points.iter().map(|point| point.latency.p95).collect();
    [
        Series {
            name: user.t("p50"),
            values: p50,
        },
        Series {
            name: user.t("p95"),
            values: p95,
        },
    ]
}

fn day_section(user: &CurrentUser, traffic: &Traffic) -> Markup {
    let instants: Vec<Timestamp> = traffic.hours.iter().map(|point| point.at).collect();
    html! {
        section aria-labelledby="last-day" {
            h2 #last-day { (user.t("last-day")) }
            div.charts {
                (chart::lines(user, "day", &user.t("chart-day"), &instants, &[
                    counted(user, "tokens-issued", &traffic.hours, |point| point.tokens),
                    counted(user, "introspections", &traffic.hours, |point| point.introspections),
                    counted(user, "verifications", &traffic.hours, |point| point.verifications),
                ]))
                (chart::lines(user, "day-failing", &user.t("chart-day-failures"), &instants, &[
                    counted(user, "failures-count", &traffic.hours, |point| point.failures),
                ]))
            }
        }
    }
}

fn top_clients(user: &CurrentUser, clients: &[TopClient]) -> Markup {
    let most = clients
        .iter()
        .map(|client| client.tokens)
        .max()
        .unwrap_or(0);
    let rows: Vec<Vec<Markup>> = clients
        .iter()
        .map(|client| {
            vec![
                html! {
                    @match &client.name {
                        Some(name) => a href=(user.link(&format!("/applications/{}", client.client_id))) { (name) },
                        None => code { (client.client_id) },
                    }
                },
                html! { (chart::bar(client.tokens, most)) " " (number(user, client.tokens)) },
                html! { (number(user, client.introspections)) },
                html! { (number(user, client.verifications)) },
                html! { (number(user, client.failures)) },
            ]
        })
        .collect();
    html! {
        section aria-labelledby="top" {
            h2 #top { (user.t("top-clients")) }
            @if rows.is_empty() { (empty(&user.t("top-none"), &user.t("top-none-text"), None)) }
            @else { (table(user, &user.t("top-clients"), &["application", "tokens-issued", "introspections", "verifications", "failures-count"], &rows)) }
        }
    }
}
