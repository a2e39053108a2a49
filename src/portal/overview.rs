//! The overview: what goes on, in pictures. The script fetches it anew while it is looked at.

use actix_web::HttpResponse;
use maud::{Markup, html};

use super::chart::{self, Series};
use super::page::{Head, Place, empty, member_page, table};
use super::visit::{Failure, Member};
use crate::clock::Timestamp;
use crate::manage::actor::TokensRead;
use crate::manage::traffic::{self, LatencyPoint, Point, ServerTraffic, TopClient, Traffic};

/// GET
pub async fn show(member: Member) -> Result<HttpResponse, Failure> {
    let traffic = traffic::overview(&member.server.store, member.may(TokensRead)?).await?;
    let content = html! {
        p.refreshing data-refresh="15" data-pause=(member.t("pause")) data-resume=(member.t("resume")) {
            (member.tr("as-of", &[("when", member.language.clock(member.now()).into())]))
        }
        div #live {
            @if let Some(server) = &traffic.server { (of_server(&member, server)) }
            (of_day(&member, &traffic))
            (top(&member, &traffic.top))
        }
    };
    Ok(member_page(
        &member,
        Place::Overview,
        Head::titled(member.t("menu-overview")),
        content,
    ))
}

fn sum(points: &[Point], of: impl Fn(&Point) -> i64) -> i64 {
    points.iter().map(of).sum()
}

fn tile(member: &Member, message: &str, value: &str) -> Markup {
    html! { div.tile { dt { (member.t(message)) } dd { (value) } } }
}

fn whole(member: &Member, number: i64) -> String {
    member.language.number(number)
}

fn millis(member: &Member, time: Option<f64>) -> String {
    time.map_or_else(
        || "–".to_owned(),
        |time| member.tr("milliseconds", &[("time", time.into())]),
    )
}

fn of_server(member: &Member, server: &ServerTraffic) -> Markup {
    // The last minute has only begun: a line would fall with it.
    let whole_minutes = &server.minutes[..server.minutes.len().saturating_sub(1)];
    let moments: Vec<Timestamp> = whole_minutes.iter().map(|point| point.at).collect();
    let steps: Vec<Timestamp> = server
        .token
        .five_minutes
        .iter()
        .map(|point| point.at)
        .collect();
    html! {
        section aria-labelledby="last-hour" {
            h2 #last-hour { (member.t("last-hour")) }
            dl.tiles {
                (tile(member, "tokens-issued", &whole(member, sum(&server.minutes, |point| point.tokens))))
                (tile(member, "introspections", &whole(member, sum(&server.minutes, |point| point.introspections))))
                (tile(member, "verifications", &whole(member, sum(&server.minutes, |point| point.verifications))))
                (tile(member, "failures-count", &whole(member, sum(&server.minutes, |point| point.failures))))
                (tile(member, "token-p95", &millis(member, server.token.hour.p95)))
                (tile(member, "introspection-p95", &millis(member, server.introspection.hour.p95)))
            }
            div.charts {
                (chart::lines(member, "rate", &member.t("chart-rate"), &moments, &[
                    counted(member, "tokens-issued", whole_minutes, |point| point.tokens),
                    counted(member, "introspections", whole_minutes, |point| point.introspections),
                    counted(member, "verifications", whole_minutes, |point| point.verifications),
                ]))
                (chart::lines(member, "failing", &member.t("chart-failures"), &moments, &[
                    counted(member, "failures-count", whole_minutes, |point| point.failures),
                ]))
                (chart::lines(member, "token-times", &member.t("chart-token-times"), &steps, &quantiles(member, &server.token.five_minutes)))
                (chart::lines(member, "introspection-times", &member.t("chart-introspection-times"), &steps,
                    &quantiles(member, &server.introspection.five_minutes)))
            }
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a drawing is some hundred units wide"
)]
fn counted(member: &Member, message: &str, points: &[Point], of: impl Fn(&Point) -> i64) -> Series {
    Series {
        name: member.t(message),
        values: points.iter().map(|point| Some(of(point) as f64)).collect(),
    }
}

fn quantiles(member: &Member, points: &[LatencyPoint]) -> [Series; 2] {
    let half = points.iter().map(|point| point.latency.p50).collect();
    let most = points.iter().map(|point| point.latency.p95).collect();
    [
        Series {
            name: member.t("p50"),
            values: half,
        },
        Series {
            name: member.t("p95"),
            values: most,
        },
    ]
}

fn of_day(member: &Member, traffic: &Traffic) -> Markup {
    let moments: Vec<Timestamp> = traffic.hours.iter().map(|point| point.at).collect();
    html! {
        section aria-labelledby="last-day" {
            h2 #last-day { (member.t("last-day")) }
            div.charts {
                (chart::lines(member, "day", &member.t("chart-day"), &moments, &[
                    counted(member, "tokens-issued", &traffic.hours, |point| point.tokens),
                    counted(member, "introspections", &traffic.hours, |point| point.introspections),
                    counted(member, "verifications", &traffic.hours, |point| point.verifications),
                ]))
                (chart::lines(member, "day-failing", &member.t("chart-day-failures"), &moments, &[
                    counted(member, "failures-count", &traffic.hours, |point| point.failures),
                ]))
            }
        }
    }
}

fn top(member: &Member, clients: &[TopClient]) -> Markup {
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
                        Some(name) => a href=(member.link(&format!("/applications/{}", client.client_id))) { (name) },
                        None => code { (client.client_id) },
                    }
                },
                html! { (chart::bar(client.tokens, most)) " " (whole(member, client.tokens)) },
                html! { (whole(member, client.introspections)) },
                html! { (whole(member, client.verifications)) },
                html! { (whole(member, client.failures)) },
            ]
        })
        .collect();
    html! {
        section aria-labelledby="top" {
            h2 #top { (member.t("top-clients")) }
            @if rows.is_empty() { (empty(&member.t("top-none"), &member.t("top-none-text"), None)) }
            @else { (table(member, &member.t("top-clients"), &["application", "tokens-issued", "introspections", "verifications", "failures-count"], &rows)) }
        }
    }
}
