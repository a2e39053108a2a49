//! Segments in which each character follows from those before it.

use super::{CHARACTER, Segment, Text, VARIANT};
use crate::crypto::password::Weakness;

/// Two keys that lie side by side, and a change of direction. Further keys in the same direction
/// are free, as are further members of a sequence and of a copy.
const KEYS: f64 = 2.3;
const TURN: f64 = 1.0;

/// A place in one of the `LINES`.
const LINE: f64 = 2.0;

/// A copy of characters that came before, and the farthest place it is looked for.
const COPY: f64 = 0.3;
const MAX_DISTANCE: usize = 32;

/// The rows of keys of QWERTY, AZERTY and QWERTZ. The last one has the other characters of the first.
const LAYOUTS: [&str; 3] = [
    "1234567890-= qwertyuiop[] asdfghjkl;' zxcvbnm,./ !@#$%^&*()_+",
    "1234567890 azertyuiop^$ qsdfghjklmù* wxcvbn,;:! &é\"'(-è_çà)=",
    "1234567890ß qwertzuiopü+ asdfghjklöä# yxcvbnm,.- !\"§$%&/()=?",
];

/// Columns of keys after each other, and blocks of keys.
const LINES: [&str; 10] = [
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/",
    "qazwsxedcrfvtgbyhnujmikolp",
    "zaq1xsw2cde3vfr4bgt5nhy6mju7",
    "zaqxswcdevfrbgtnhymju",
    "1aqw2zsx3edc4rfv5tgb6yhn7uj8ik9ol0pm",
    "1qay2wsx3edc4rfv5tgb6zhn7ujm8ik9ol0p",
    "qweasdzxc",
    "azeqsdwxc",
    "147258369",
    "789456123",
];

/// A rule by which one character follows from those before it.
enum Rule {
    Any,
    /// The character so many places before.
    Copy(usize),
    /// The next or the previous letter or digit, or the one after it. With the last step.
    Sequence(i32),
    /// The next or the previous place in a line of characters. With the places of the text's
    /// characters, and the last step.
    Line(Vec<Option<i32>>, i32),
    /// A key beside the last one. With the keys of the text's characters, and the last two steps.
    Keyboard(Vec<Option<Key>>, [Key; 2]),
}

/// The row and the column of a key, or the way from one to another.
type Key = (i32, i32);

/// A segment of one rule that goes on to the present place.
pub(super) struct Run {
    rule: Rule,
    open: Option<Segment>,
}

fn place(line: &str, c: char) -> Option<i32> {
    let place = line.chars().position(|of| of == c)?;
    i32::try_from(place).ok()
}

/// The runs that a text can have, before its first character.
pub(super) fn all(text: &Text) -> Vec<Run> {
    let lines = LINES.iter().map(|line| {
        let places = text.lower.iter().map(|c| place(line, *c)).collect();
        Rule::Line(places, 0)
    });
    let keyboards = LAYOUTS.iter().map(|rows| {
        let key = |c: &char| {
            let mut rows = (0..).zip(rows.split(' '));
            rows.find_map(|(row, keys)| Some((row % 4, place(keys, *c)?)))
        };
        Rule::Keyboard(text.lower.iter().map(key).collect(), [(0, 0); 2])
    });
    [Rule::Any, Rule::Sequence(0)]
        .into_iter()
        .chain(lines)
        .chain(keyboards)
        .chain((1..=MAX_DISTANCE).map(Rule::Copy))
        .map(|rule| Run { rule, open: None })
        .collect()
}

impl Run {
    /// The segment of this rule that ends with the character at `at`, if there is one. `before` is
    /// the price of a segment's beginning.
    pub(super) fn extend(
        &mut self,
        text: &Text,
        at: usize,
        before: impl Fn(usize) -> f64,
    ) -> Option<Segment> {
        let step = self.rule.step(text, at);
        let longer = self.open.and_then(|open| {
            let price = open.price + step.further?;
            Some(Segment {
                end: at + 1,
                price,
                ..open
            })
        });
        let new = step.new.map(|(start, price)| Segment {
            start,
            end: at + 1,
            price: before(start) + price,
            kind: self.rule.kind(),
        });
        self.open = match (longer, new) {
            (Some(longer), Some(new)) if new.price < longer.price => Some(new),
            (longer, new) => longer.or(new),
        };
        let least = match self.rule {
            // Fewer characters are the same by chance.
            Rule::Copy(distance) => distance.clamp(2, 4),
            _ => 1,
        };
        self.open.filter(|open| open.end - open.start >= least)
    }
}

/// What a character costs as a further one of a run, and as the end of a new run, with its start.
#[derive(Default)]
struct Step {
    further: Option<f64>,
    new: Option<(usize, f64)>,
}

impl Rule {
    fn kind(&self) -> Weakness {
        match self {
            Rule::Any => Weakness::Guessable,
            Rule::Copy(_) => Weakness::Repeated,
            Rule::Sequence(_) => Weakness::Sequence,
            Rule::Line(..) | Rule::Keyboard(..) => Weakness::Keyboard,
        }
    }

    fn step(&mut self, text: &Text, at: usize) -> Step {
        match self {
            Rule::Any => Step {
                further: Some(CHARACTER),
                new: Some((at, CHARACTER)),
            },
            Rule::Copy(distance) => match at.checked_sub(*distance) {
                Some(of) if text.plain[of] == text.plain[at] => Step {
                    further: Some(text.shift(of, at)),
                    new: Some((at, COPY + text.shift(of, at))),
                },
                _ => Step::default(),
            },
            Rule::Sequence(last) => {
                let pair = at.checked_sub(1).map(|of| (of, text.plain[of]));
                let found = pair.and_then(|(of, c)| Some((of, sequence(c, text.plain[at])?)));
                let Some((of, (way, price))) = found else {
                    return Step::default();
                };
                let is_same = std::mem::replace(last, way) == way;
                let shift = text.shift(of, at);
                Step {
                    further: is_same.then_some(shift),
                    new: Some((of, price + shift)),
                }
            }
            Rule::Line(places, last) => {
                let pair = at.checked_sub(1).map(|of| (of, places[of], places[at]));
                let Some((of, Some(from), Some(to))) = pair else {
                    return Step::default();
                };
                let way = to - from;
                let is_same = std::mem::replace(last, way) == way;
                let shift = text.shift(of, at);
                Step {
                    further: (is_same && way.abs() == 1).then_some(shift),
                    new: (way.abs() == 1).then_some((of, LINE + shift)),
                }
            }
            Rule::Keyboard(keys, last) => {
                let pair = at.checked_sub(1).map(|of| (of, keys[of], keys[at]));
                let Some((of, Some(from), Some(to))) = pair else {
                    return Step::default();
                };
                let way = (to.0 - from.0, to.1 - from.1);
                // Each row is half a key to the right of the one above.
                if !matches!(way, (0, -1 | 1) | (1, -1 | 0) | (-1, 0 | 1)) {
                    return Step::default();
                }
                // To and fro between two directions is no turn.
                let turn = if last.contains(&way) { 0.0 } else { TURN };
                *last = [last[1], way];
                let shift = text.shift(of, at);
                Step {
                    further: Some(turn + shift),
                    new: Some((of, KEYS + shift)),
                }
            }
        }
    }
}

/// The step from one letter or digit to another, and the price of a sequence that begins so.
fn sequence(from: char, to: char) -> Option<(i32, f64)> {
    let (way, place) = match (from.to_digit(10), to.to_digit(10)) {
        // 0 comes after 9.
        (Some(from), Some(to)) => match (to + 10 - from) % 10 {
            up @ 1..=3 => (i32::try_from(up).ok()?, 1.5),
            down @ 7..=9 => (i32::try_from(down).ok()? - 10, 1.5),
            _ => return None,
        },
        _ if from.is_alphabetic() && to.is_alphabetic() => {
            let code = |c: char| i32::try_from(u32::from(c)).ok();
            (code(to)? - code(from)?, 1.7)
        }
        _ => return None,
    };
    let place = if matches!(from, 'a' | 'z' | '0' | '1' | '9') {
        1.2
    } else {
        place
    };
    let direction = if way < 0 { VARIANT } else { 0.0 };
    match way.abs() {
        1 => Some((way, place + direction)),
        2 | 3 => Some((way, place + direction + 2.0 * VARIANT)),
        _ => None,
    }
}
