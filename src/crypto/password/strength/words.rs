//! Common words and words that are related to the user.

use std::sync::LazyLock;

use zeroize::Zeroize;

use super::{Segment, Text, VARIANT, plain};
use crate::crypto::password::Weakness;

/// Common passwords, words and names, one to a line, the frequent ones first, in lower case ASCII: the
/// most common passwords and what the other rules do not find, of the frequency lists of the crate
/// zxcvbn 3.1.1 (MIT licence, see the file NOTICE), and some French words.
const COMMON: &str = include_str!("../../common_passwords.txt");

/// One of the words that are related to the user.
const RELATED: f64 = 1.0;

/// Letters, and the characters that stand for them.
const SUBSTITUTES: [(char, &str); 11] = [
    ('a', "@4"),
    ('b', "8"),
    ('c', "("),
    ('e', "3"),
    ('g', "69"),
    ('i', "1!|"),
    ('l', "1|"),
    ('o', "0"),
    ('s', "$5"),
    ('t', "7+"),
    ('z', "2"),
];

/// The lines of `COMMON` in alphabetical order: where each begins, and its rank. 8 bytes for each.
static SORTED: LazyLock<Vec<(u32, u16)>> = LazyLock::new(|| {
    let mut sorted = Vec::with_capacity(COMMON.lines().count());
    let mut start = 0;
    for (rank, line) in COMMON.lines().enumerate() {
        if let (Ok(start), Ok(rank)) = (u32::try_from(start), u16::try_from(rank)) {
            sorted.push((start, rank));
        }
        start += line.len() + 1;
    }
    // The rest of the list decides as the line would, since no line is there twice.
    sorted.sort_unstable_by_key(|&(start, _)| COMMON.get(start as usize..));
    sorted
});

/// The lines that have a byte at a place, of lines that are the same before it. At its end a line
/// has a line feed, which is less than any other byte.
fn narrow(lines: &[(u32, u16)], place: usize, byte: u8) -> &[(u32, u16)] {
    let at = |&(start, _): &(u32, u16)| COMMON.as_bytes().get(start as usize + place).copied();
    let from = lines.partition_point(|line| at(line) < Some(byte));
    let to = lines.partition_point(|line| at(line) <= Some(byte));
    &lines[from..to]
}

/// Whether the text is a line of the list, whatever other rules say.
pub(super) fn is_listed(text: &Text) -> bool {
    let bytes = text.plain.iter().map(|c| u8::try_from(*c).unwrap_or(0));
    let bytes = bytes.chain([b'\n']).enumerate();
    let lines = bytes.fold(SORTED.as_slice(), |lines, (at, byte)| {
        narrow(lines, at, byte)
    });
    !lines.is_empty()
}

/// What a character of the text can stand for, with a bit for the substitution.
fn letters(text: &Text, at: usize) -> Vec<(char, u32)> {
    let typed = text.lower[at];
    let found = SUBSTITUTES.iter().zip(0..);
    let found = found.filter(move |((_, substitutes), _)| substitutes.contains(typed));
    let found = found.map(|((letter, _), number)| (*letter, 1 << number));
    std::iter::once((text.plain[at], 0)).chain(found).collect()
}

/// Finds the words in the text, common ones and related ones.
pub(super) fn find(text: &Text, related: &[String], add: &mut impl FnMut(Segment)) {
    let mut add = |start: usize, end: usize, price: f64, used: u32, kind| {
        let substitutes = f64::from(used.count_ones()) * VARIANT;
        add(Segment {
            start,
            end,
            price: price + substitutes + text.capitals(start, end),
            kind,
        });
    };
    let related: Vec<Vec<char>> = related
        .iter()
        .map(|word| word.chars().map(plain).collect())
        .collect();
    let mut letters: Vec<_> = (0..text.typed.len()).map(|at| letters(text, at)).collect();
    for start in 0..letters.len() {
        for word in &related {
            let end = start + word.len();
            let Some(letters) = letters.get(start..end) else {
                continue;
            };
            let used = word.iter().zip(letters).try_fold(0, |used, (letter, of)| {
                let (_, number) = of.iter().find(|(c, _)| c == letter)?;
                Some(used | number)
            });
            if let Some(used) = used {
                add(start, end, RELATED, used, Weakness::Personal);
            }
        }
        let mut open = vec![(start, SORTED.as_slice(), 0)];
        while let Some((at, lines, used)) = open.pop() {
            if let [(_, rank), ..] = narrow(lines, at - start, b'\n') {
                // The list is merged from several, which an attacker tries side by side.
                let price = f64::log10(f64::from(*rank) / 4.0 + 20.0);
                add(start, at, price, used, Weakness::Common);
            }
            for (letter, number) in letters.get(at).into_iter().flatten() {
                let Ok(byte) = u8::try_from(*letter) else {
                    continue;
                };
                let lines = narrow(lines, at - start, byte);
                if !lines.is_empty() {
                    open.push((at + 1, lines, used | number));
                }
            }
        }
    }
    for (letter, _) in letters.iter_mut().flatten() {
        letter.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_of_the_list_is_found_at_its_rank() {
        let mut lines: Vec<&str> = COMMON.lines().collect();
        for (rank, line) in lines.iter().enumerate() {
            let is_word = line
                .bytes()
                .all(|c| c.is_ascii_graphic() && !c.is_ascii_uppercase());
            assert!(is_word && (4..=24).contains(&line.len()), "{line}");
            let bytes = line.bytes().chain([b'\n']).enumerate();
            let found = bytes.fold(SORTED.as_slice(), |lines, (at, byte)| {
                narrow(lines, at, byte)
            });
            assert!(
                matches!(found, [(_, found)] if usize::from(*found) == rank),
                "{line}"
            );
        }
        lines.sort_unstable();
        lines.dedup();
        assert_eq!(lines.len(), SORTED.len());
    }
}
