//! Charts, rendered on the server as SVG. Each line chart comes with its numbers as a table, for
//! accessibility and exact values.

use std::time::Duration;

use maud::{Markup, html};

use super::session_extractor::{CurrentUser, PageContext};
use crate::clock::{TimeZone, Timestamp};
use crate::manage::signing_key::SigningKeyView;

/// Width and height of a chart in SVG units; the browser scales it.
const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 180.0;
/// Margins around the plot, in SVG units.
const LEFT: f64 = 56.0;
const RIGHT: f64 = 8.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 22.0;

/// One line of a chart.
pub struct Series {
    /// The label in the legend.
    pub name: String,
    /// A value per instant; `None` for a gap.
    pub values: Vec<Option<f64>>,
}

impl Series {
    /// A line of counts, without gaps.
    pub fn counts(name: String, counts: impl IntoIterator<Item = i64>) -> Self {
        let values = counts.into_iter().map(|count| Some(amount(count)));
        Series {
            name,
            values: values.collect(),
        }
    }
}

/// The label of an instant: the date if the chart has a value for each day, otherwise the time of day.
fn label(context: &PageContext, instants: &[Timestamp], instant: Timestamp) -> String {
    let is_by_day = match instants {
        [first, second, ..] => second.duration_since(*first) >= Duration::from_secs(24 * 3600),
        _ => false,
    };
    if is_by_day {
        // Days are counted in UTC.
        context.language.day_text(instant, &TimeZone::UTC)
    } else {
        context.time_of_day(instant)
    }
}

/// A line chart over time, with one value of each series per instant.
pub fn lines(
    context: &PageContext,
    id: &str,
    title: &str,
    instants: &[Timestamp],
    series: &[Series],
) -> Markup {
    let max = series
        .iter()
        .flat_map(|series| series.values.iter().flatten())
        .fold(0.0, |max: f64, value| max.max(*value));
    let top = axis_top(max);
    let width = WIDTH - LEFT - RIGHT;
    let height = HEIGHT - TOP - BOTTOM;
    let x =
        |index: usize| LEFT + width * count(index) / count(instants.len().saturating_sub(1).max(1));
    let y = |value: f64| TOP + height * (1.0 - value / top);
    let ticks = [0.0, top / 2.0, top];
    let times = [0, instants.len() / 2, instants.len().saturating_sub(1)];
    html! {
        figure.chart aria-labelledby={ (id) "-title" } {
            figcaption {
                strong id={ (id) "-title" } { (title) }
                ul.legend { @for (index, series) in series.iter().enumerate() { li class={ "series-" (index) } { (series.name) } } }
            }
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } aria-hidden="true" {
                @for tick in ticks {
                    line.grid x1=(LEFT) x2=(WIDTH - RIGHT) y1=(point(y(tick))) y2=(point(y(tick))) {}
                    text.tick x=(LEFT - 6.0) y=(point(y(tick) + 4.0)) text-anchor="end" { (context.language.number(tick)) }
                }
                @for (index, anchor) in times.iter().zip(["start", "middle", "end"]) {
                    @if let Some(instant) = instants.get(*index) {
                        text.tick x=(point(x(*index))) y=(HEIGHT - 6.0) text-anchor=(anchor) { (label(context, instants, *instant)) }
                    }
                }
                @for (index, series) in series.iter().enumerate() {
                    path class={ "line series-" (index) } d=(line_path(&series.values, x, y)) {}
                    @for (at, value) in isolated_points(&series.values) {
                        circle class={ "series-" (index) } cx=(point(x(at))) cy=(point(y(value))) r="3" {}
                    }
                }
            }
            (numbers(context, title, instants, series))
        }
    }
}

/// The values without a neighbour, which a line would not show.
fn isolated_points(values: &[Option<f64>]) -> impl Iterator<Item = (usize, f64)> {
    let has_value = |index: Option<usize>| {
        index
            .and_then(|index| values.get(index))
            .is_some_and(Option::is_some)
    };
    values
        .iter()
        .enumerate()
        .filter_map(|(index, value)| Some((index, (*value)?)))
        .filter(move |(index, _)| {
            !has_value(index.checked_sub(1)) && !has_value(index.checked_add(1))
        })
}

/// The path of a line, interrupted where a value is missing.
fn line_path(values: &[Option<f64>], x: impl Fn(usize) -> f64, y: impl Fn(f64) -> f64) -> String {
    let mut path = String::new();
    let mut drawing = false;
    for (index, value) in values.iter().enumerate() {
        let Some(value) = value else {
            drawing = false;
            continue;
        };
        let command = if drawing { 'L' } else { 'M' };
        path.push_str(&format!(
            "{command}{} {}",
            point(x(index)),
            point(y(*value))
        ));
        drawing = true;
    }
    path
}

/// The values of a chart as a table, newest first.
fn numbers(
    context: &PageContext,
    title: &str,
    instants: &[Timestamp],
    series: &[Series],
) -> Markup {
    html! {
        details.numbers {
            summary { (context.t("as-numbers")) span.visually_hidden { " " (title) } }
            div.scroll tabindex="0" role="region" aria-label=(title) {
                table.plain {
                    thead { tr { th scope="col" { (context.t("column-when")) } @for series in series { th scope="col" { (series.name) } } } }
                    tbody {
                        @for (index, instant) in instants.iter().enumerate().rev() {
                            tr {
                                th scope="row" { (label(context, instants, *instant)) }
                                @for series in series {
                                    td { @if let Some(Some(value)) = series.values.get(index) { (context.language.number(*value)) } @else { "–" } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A horizontal bar for `value` as a part of `max`.
pub fn bar(value: i64, max: i64) -> Markup {
    let width = if max > 0 {
        point(100.0 * amount(value) / amount(max))
    } else {
        "0".to_owned()
    };
    html! { svg.bar viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" { rect.series-0 width=(width) height="8" rx="1" {} } }
}

/// The width of the key ids before their bars.
const KID_WIDTH: f64 = 112.0;
const KEY_ROW_HEIGHT: f64 = 24.0;
const KEY_BAR_HEIGHT: f64 = 14.0;

/// The time axis of [`key_timeline`], in milliseconds.
struct TimeAxis {
    start: i64,
    end: i64,
}

impl TimeAxis {
    /// An axis from the first to the last known instant, with room behind it for keys without an
    /// end.
    fn of(keys: &[&SigningKeyView], now: Timestamp) -> Self {
        let known = keys.iter().flat_map(|key| {
            let optional = [key.signs_until, key.published_until];
            [key.created_at, key.signs_from]
                .into_iter()
                .chain(optional.into_iter().flatten())
        });
        let millis = known.map(Timestamp::millis).chain([now.millis()]);
        let (start, last) = millis.fold((i64::MAX, i64::MIN), |(start, last), at| {
            (start.min(at), last.max(at))
        });
        let duration = (last - start).max(60_000);
        TimeAxis {
            start,
            end: last + duration / 4,
        }
    }

    fn x(&self, at: i64) -> f64 {
        let width = WIDTH - KID_WIDTH - RIGHT;
        KID_WIDTH + width * amount(at - self.start) / amount(self.end - self.start)
    }
}

/// When each signing key is published, signs and retires, with a mark for the current time.
pub fn key_timeline(user: &CurrentUser, keys: &[&SigningKeyView]) -> Markup {
    let axis = TimeAxis::of(keys, user.now());
    let height = KEY_ROW_HEIGHT * count(keys.len()) + 46.0;
    let now = point(axis.x(user.now().millis()));
    let day = |millis: i64| user.day_text(Timestamp::from_millis(millis));
    html! {
        figure.chart.keys {
            figcaption {
                strong { (user.t("signing-keys-timeline")) }
                ul.legend {
                    @for state in ["published", "signing", "retiring"] { li class={ "phase-" (state) } { (user.t(&format!("key-state-{state}"))) } }
                }
            }
            svg viewBox={ "0 0 " (WIDTH) " " (height) } aria-hidden="true" {
                @for (index, key) in keys.iter().enumerate() {
                    (key_bar(&axis, key, KEY_ROW_HEIGHT * count(index) + 24.0))
                }
                line.now x1=(now) x2=(now) y1="18" y2=(height - 20.0) {}
                text.tick x=(now) y="14" text-anchor="middle" { (user.t("now")) }
                text.tick x=(KID_WIDTH) y=(height - 4.0) { (day(axis.start)) }
                text.tick x=(WIDTH - RIGHT) y=(height - 4.0) text-anchor="end" { (day(axis.end)) }
            }
        }
    }
}

/// A row of the timeline: the key id, and a bar for each phase.
fn key_bar(axis: &TimeAxis, key: &SigningKeyView, top: f64) -> Markup {
    let created = key.created_at.millis();
    let signs_from = key.signs_from.millis();
    let signs_until = key.signs_until.map_or(axis.end, Timestamp::millis);
    let published_until = key.published_until.map_or(axis.end, Timestamp::millis);
    let phases = [
        ("phase-published", created, signs_from),
        (
            "phase-signing",
            signs_from,
            signs_until.min(published_until).max(signs_from),
        ),
        ("phase-retiring", signs_until, published_until),
    ];
    html! {
        text.tick x="2" y=(point(top + 11.0)) { (key.kid.chars().take(8).collect::<String>()) "…" }
        // A key that signs is visible even if it has signed for no time yet.
        @for (class, from, until) in phases.into_iter().filter(|(class, from, until)| from < until || *class == "phase-signing") {
            rect class=(class) x=(point(axis.x(from))) y=(point(top)) width=(point((axis.x(until) - axis.x(from)).max(1.0))) height=(KEY_BAR_HEIGHT) rx="3" {}
        }
    }
}

/// The smallest round number that is at least `max`, for the top of an axis.
fn axis_top(max: f64) -> f64 {
    let mut step = 1.0;
    while step * 10.0 < max {
        step *= 10.0;
    }
    [2.0, 4.0, 6.0, 10.0]
        .into_iter()
        .map(|factor| factor * step)
        .find(|top| *top >= max)
        .unwrap_or(step * 10.0)
}

/// A coordinate with one decimal.
fn point(value: f64) -> String {
    format!("{value:.1}")
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the charts need three digits of precision"
)]
fn count(number: usize) -> f64 {
    number as f64
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the charts need three digits of precision"
)]
fn amount(number: i64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_top_of_an_axis_is_a_round_number() {
        for (max, top) in [
            (0.0, 2.0),
            (2.0, 2.0),
            (2.1, 4.0),
            (5.0, 6.0),
            (7.0, 10.0),
            (10.0, 10.0),
            (11.0, 20.0),
            (399.0, 400.0),
            (1_000_001.0, 2_000_000.0),
        ] {
            assert!(
                (axis_top(max) - top).abs() < 0.001,
                "{max}: {}",
                axis_top(max)
            );
        }
    }

    #[test]
    fn a_line_is_interrupted_where_values_are_missing() {
        let values = [Some(1.0), Some(2.0), None, Some(3.0), None];
        let path = line_path(&values, count, |value| value);
        assert_eq!(path, "M0.0 1.0L1.0 2.0M3.0 3.0");
        let isolated: Vec<usize> = isolated_points(&values).map(|(index, _)| index).collect();
        assert_eq!(isolated, [3]);
    }
}
