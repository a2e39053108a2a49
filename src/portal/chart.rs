//! Pictures, drawn on the server as SVG. Each has its numbers beside it as a table, for who cannot see
//! it or wants them exactly.

use maud::{Markup, html};

use super::visit::{Member, Visitor};
use crate::clock::Timestamp;
use crate::manage::signing_key::SigningKeyView;

/// The drawing's own units; a browser fits it to the page.
const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 180.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 8.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 22.0;

/// One line of a chart.
pub struct Series {
    /// What it shows.
    pub name: String,
    /// For each moment how much; nothing where there is nothing to tell.
    pub values: Vec<Option<f64>>,
}

/// Lines over time. `moments` are those of the values.
pub fn lines(
    visitor: &Visitor,
    id: &str,
    title: &str,
    moments: &[Timestamp],
    series: &[Series],
) -> Markup {
    let most = series
        .iter()
        .flat_map(|series| series.values.iter().flatten())
        .fold(0.0, |most: f64, value| most.max(*value));
    let top = round_up(most);
    let (width, height) = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
    let x =
        |place: usize| LEFT + width * count(place) / count(moments.len().saturating_sub(1).max(1));
    let y = |value: f64| TOP + height * (1.0 - value / top);
    let ticks = [0.0, top / 2.0, top];
    let times = [0, moments.len() / 2, moments.len().saturating_sub(1)];
    html! {
        figure.chart aria-labelledby={ (id) "-title" } {
            figcaption {
                strong id={ (id) "-title" } { (title) }
                ul.legend { @for (place, series) in series.iter().enumerate() { li class={ "series-" (place) } { (series.name) } } }
            }
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } aria-hidden="true" {
                @for tick in ticks {
                    line.grid x1=(LEFT) x2=(WIDTH - RIGHT) y1=(point(y(tick))) y2=(point(y(tick))) {}
                    text.tick x=(LEFT - 6.0) y=(point(y(tick) + 4.0)) text-anchor="end" { (visitor.language.number(tick)) }
                }
                @for (place, anchor) in times.iter().zip(["start", "middle", "end"]) {
                    @if let Some(moment) = moments.get(*place) {
                        text.tick x=(point(x(*place))) y=(HEIGHT - 6.0) text-anchor=(anchor) { (visitor.language.clock(*moment)) }
                    }
                }
                @for (place, series) in series.iter().enumerate() {
                    path class={ "line series-" (place) } d=(trace(&series.values, x, y)) {}
                    @for (at, value) in alone(&series.values) {
                        circle class={ "series-" (place) } cx=(point(x(at))) cy=(point(y(value))) r="3" {}
                    }
                }
            }
            (numbers(visitor, title, moments, series))
        }
    }
}

/// The values with nothing beside them, which no line shows.
fn alone(values: &[Option<f64>]) -> impl Iterator<Item = (usize, f64)> {
    let told = |place: Option<usize>| {
        place
            .and_then(|place| values.get(place))
            .is_some_and(Option::is_some)
    };
    let beside = move |place: usize| told(place.checked_sub(1)) || told(place.checked_add(1));
    values
        .iter()
        .enumerate()
        .filter_map(|(place, value)| Some((place, (*value)?)))
        .filter(move |(place, _)| !beside(*place))
}

/// The path of a line, with a gap where there is nothing to tell.
fn trace(values: &[Option<f64>], x: impl Fn(usize) -> f64, y: impl Fn(f64) -> f64) -> String {
    let mut path = String::new();
    let mut drawing = false;
    for (place, value) in values.iter().enumerate() {
        match value {
            None => drawing = false,
            Some(value) => {
                let command = if drawing { 'L' } else { 'M' };
                path.push_str(&format!(
                    "{command}{} {}",
                    point(x(place)),
                    point(y(*value))
                ));
                drawing = true;
            }
        }
    }
    path
}

fn numbers(visitor: &Visitor, title: &str, moments: &[Timestamp], series: &[Series]) -> Markup {
    html! {
        details.numbers {
            summary { (visitor.t("as-numbers")) span.unseen { " " (title) } }
            div.scroll tabindex="0" role="region" aria-label=(title) {
                table.plain {
                    thead { tr { th scope="col" { (visitor.t("column-when")) } @for series in series { th scope="col" { (series.name) } } } }
                    tbody {
                        @for (place, moment) in moments.iter().enumerate().rev() {
                            tr {
                                th scope="row" { (visitor.language.clock(*moment)) }
                                @for series in series {
                                    td { @if let Some(Some(value)) = series.values.get(place) { (visitor.language.number(*value)) } @else { "–" } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A bar for a part of the most.
pub fn bar(value: i64, most: i64) -> Markup {
    let width = if most > 0 {
        point(100.0 * amount(value) / amount(most))
    } else {
        "0".to_owned()
    };
    html! { svg.bar viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" { rect.series-0 width=(width) height="8" rx="1" {} } }
}

/// When each signing key is published, signs and retires, on one line of time with a mark for now.
pub fn key_lines(member: &Member, keys: &[&SigningKeyView]) -> Markup {
    let now = member.now();
    let moments = keys.iter().flat_map(|key| {
        [
            Some(key.created_at),
            Some(key.signs_from),
            key.signs_until,
            key.published_until,
        ]
    });
    let known: Vec<i64> = moments
        .flatten()
        .map(Timestamp::millis)
        .chain([now.millis()])
        .collect();
    let (first, last) = (
        known.iter().min().copied().unwrap_or(0),
        known.iter().max().copied().unwrap_or(0),
    );
    // Room after the last known moment for what has no end yet.
    let span = (last - first).max(60_000);
    let end = last + span / 4;
    // Their names stand before the lines.
    let left = 104.0;
    let x =
        |moment: i64| left + (WIDTH - left - RIGHT) * amount(moment - first) / amount(end - first);
    let height = 24.0 * count(keys.len()) + 40.0;
    let phase = |class: &'static str, from: i64, until: i64, row: f64| {
        html! { rect class=(class) x=(point(x(from))) y=(point(row)) width=(point((x(until) - x(from)).max(1.0))) height="14" rx="3" {} }
    };
    html! {
        figure.chart.keys {
            figcaption {
                strong { (member.t("signing-keys-line")) }
                ul.legend {
                    @for state in ["published", "signing", "retiring"] { li class={ "phase-" (state) } { (member.t(&format!("key-state-{state}"))) } }
                }
            }
            svg viewBox={ "0 0 " (WIDTH) " " (height) } aria-hidden="true" {
                @for (place, key) in keys.iter().enumerate() {
                    @let row = 24.0 * count(place) + 20.0;
                    @let (signs_from, from) = (key.signs_from.millis(), key.created_at.millis());
                    @let signs_until = key.signs_until.map_or(end, Timestamp::millis);
                    @let published_until = key.published_until.map_or(end, Timestamp::millis);
                    text.tick x="2" y=(point(row + 11.0)) { (key.kid.chars().take(10).collect::<String>()) "…" }
                    @if signs_from > from { (phase("phase-published", from, signs_from, row)) }
                    (phase("phase-signing", signs_from, signs_until.min(published_until).max(signs_from), row))
                    @if published_until > signs_until { (phase("phase-retiring", signs_until, published_until, row)) }
                }
                line.now x1=(point(x(now.millis()))) x2=(point(x(now.millis()))) y1="14" y2=(height - 20.0) {}
                text.tick x=(point(x(now.millis()))) y="11" text-anchor="middle" { (member.t("now")) }
                text.tick x=(left) y=(height - 4.0) { (member.language.moment_text(Timestamp::from_millis(first))) }
                text.tick x=(WIDTH - RIGHT) y=(height - 4.0) text-anchor="end" { (member.language.moment_text(Timestamp::from_millis(end))) }
            }
        }
    }
}

/// The next number above that reads well on an axis.
fn round_up(most: f64) -> f64 {
    let mut step = 1.0;
    while step * 10.0 < most {
        step *= 10.0;
    }
    [2.0, 4.0, 6.0, 10.0]
        .into_iter()
        .map(|part| part * step)
        .find(|top| *top >= most)
        .unwrap_or(step * 10.0)
}

/// A coordinate to a tenth.
fn point(value: f64) -> String {
    format!("{value:.1}")
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a drawing is some hundred units wide"
)]
fn count(number: usize) -> f64 {
    number as f64
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a drawing is some hundred units wide"
)]
fn amount(number: i64) -> f64 {
    number as f64
}
