//! Years and dates.

use super::{Segment, Text, VARIANT};
use crate::crypto::password::Weakness;

/// Dates are the more likely the nearer their year is to this one. It need not be the present one: all years within
/// 20 of it cost the same.
const YEAR: u32 = 2026;

/// Finds the years and dates in the text: day and month in either order, before or after the year, with
/// or without a separator.
pub(super) fn find(text: &Text, add: &mut impl FnMut(Segment)) {
    let digits = |start: usize, length: usize| {
        let part = text.typed.get(start..start + length)?;
        part.iter()
            .try_fold(0, |value, c| Some(value * 10 + c.to_digit(10)?))
    };
    let years = |year: u32| f64::log10(f64::from(year.abs_diff(YEAR).max(20)));
    let is_year = |year: &u32| (1900..2060).contains(year);
    let mut add = |start: usize, end: usize, price: f64| {
        add(Segment {
            start,
            end,
            price,
            kind: Weakness::Date,
        });
    };
    let lengths = [1, 2].into_iter().flat_map(|a| [[a, 1], [a, 2]]);
    let shapes = lengths.flat_map(|[a, b]| {
        [2, 4]
            .into_iter()
            .flat_map(move |year| [[a, b, year], [year, a, b]])
    });
    let shapes: Vec<[usize; 3]> = shapes.collect();
    for start in 0..text.typed.len() {
        if digits(start, 1).is_none() {
            continue;
        }
        if let Some(year) = digits(start, 4).filter(is_year) {
            add(start, start + 4, years(year));
        }
        for [a, b, c] in &shapes {
            for gap in [0, 1] {
                let (second, third) = (start + a + gap, start + a + b + 2 * gap);
                let separators = (text.typed.get(start + a), text.typed.get(third - 1));
                let is_separated = gap == 0
                    || separators.0 == separators.1
                        && separators.0.is_some_and(|c| " -/._,".contains(*c));
                let fields = (digits(start, *a), digits(second, *b), digits(third, *c));
                let (Some(first), Some(second), Some(last), true) =
                    (fields.0, fields.1, fields.2, is_separated)
                else {
                    continue;
                };
                let places = [(first, second, last, *c), (second, last, first, *a)];
                for (one, other, year, length) in places {
                    let year = match (length, year) {
                        (4, year) if is_year(&year) => year,
                        (2, 0..60) => 2000 + year,
                        (2, _) => 1900 + year,
                        _ => continue,
                    };
                    let is_day = (1..=31).contains(&one.max(other));
                    if is_day && (1..=12).contains(&one.min(other)) {
                        let separator = f64::from(u8::from(gap > 0)) * 2.0 * VARIANT;
                        let price = f64::log10(365.0) + years(year) + separator;
                        add(start, third + c, price);
                    }
                }
            }
        }
    }
}
