//! How many guesses a password takes.
//!
//! A password is composed of segments: words, keys that lie side by side, sequences, dates, copies
//! of what came before, and characters that follow no rule. Each kind has a price, the decimal
//! logarithm of the guesses that an attacker needs who knows the kind. The estimate is the price of
//! the cheapest composition, found position by position. It takes time in proportion to the length.

use zeroize::Zeroizing;

use super::Weakness;

mod dates;
mod runs;
mod words;

/// A password that falls within 10^8 guesses is refused. At one guess every ten seconds, which is
/// what the rate limit leaves an attacker with many addresses, 10^8 take thirty years.
const MIN_GUESSES: f64 = 8.0;

/// A choice between two variants, such as a capital or a letter's substitute.
const VARIANT: f64 = 0.3;

/// A character that follows no rule.
const CHARACTER: f64 = 1.0;

/// How many characters of a password are estimated: more would take milliseconds on the thread of the
/// request. A password whose beginning is weak is refused, whatever follows.
const ESTIMATED_LENGTH: usize = 128;

/// The main reason why a password would be guessed soon; none for a good one. `related` are words
/// in lower case that an attacker would try first.
pub fn weakness(text: &str, related: &[String]) -> Option<Weakness> {
    let text = Text::new(text);
    let (guesses, segments) = cheapest(&text, related);
    if guesses >= MIN_GUESSES {
        return None;
    }
    if segments.iter().any(|s| s.kind == Weakness::Personal) {
        return Some(Weakness::Personal);
    }
    if words::is_listed(&text) {
        return Some(Weakness::Common);
    }
    let longest = segments.iter().max_by_key(|s| s.end - s.start);
    Some(longest.map_or(Weakness::Guessable, |segment| segment.kind))
}

/// A part of the text, from `start` to before `end`.
#[derive(Clone, Copy)]
struct Segment {
    start: usize,
    end: usize,
    price: f64,
    kind: Weakness,
}

/// The cheapest composition of the beginning of a text.
struct Beginning {
    price: f64,
    /// The price with the choice that a further segment adds: the segments can be in any order.
    joined: f64,
    /// The number of segments.
    count: usize,
    last: Option<Segment>,
}

/// The characters of a password: as typed, in lower case, and without accents too.
struct Text {
    typed: Zeroizing<Vec<char>>,
    lower: Zeroizing<Vec<char>>,
    plain: Zeroizing<Vec<char>>,
}

impl Text {
    fn new(text: &str) -> Self {
        // Vectors that grow would leave copies behind.
        let collect = |length: usize, characters: &mut dyn Iterator<Item = char>| {
            let mut all = Zeroizing::new(Vec::with_capacity(length));
            all.extend(characters);
            all
        };
        let typed = collect(ESTIMATED_LENGTH, &mut text.chars().take(ESTIMATED_LENGTH));
        let lower = collect(typed.len(), &mut typed.iter().map(|c| lower(*c)));
        let plain = collect(lower.len(), &mut lower.iter().map(|c| plain(*c)));
        Text {
            typed,
            lower,
            plain,
        }
    }

    fn reversed(&self) -> Self {
        let reverse = |of: &[char]| {
            let mut reversed = Zeroizing::new(of.to_vec());
            reversed.reverse();
            reversed
        };
        Text {
            typed: reverse(&self.typed),
            lower: reverse(&self.lower),
            plain: reverse(&self.plain),
        }
    }

    /// The price of a change between capitals and others from one place to another.
    fn shift(&self, from: usize, to: usize) -> f64 {
        let is_same = self.typed[from].is_uppercase() == self.typed[to].is_uppercase();
        if is_same { 0.0 } else { VARIANT }
    }

    /// The price of the capitals of a word: which letters they are, unless it is the first, the
    /// last or all of them.
    fn capitals(&self, start: usize, end: usize) -> f64 {
        let word = &self.typed[start..end];
        let letters = word.iter().filter(|c| c.is_alphabetic()).count();
        let capitals = word.iter().filter(|c| c.is_uppercase()).count();
        let at_an_end = [word.first(), word.last()]
            .iter()
            .any(|c| c.is_some_and(|c| c.is_uppercase()));
        match capitals {
            0 => 0.0,
            1 if at_an_end => VARIANT,
            _ if capitals == letters => VARIANT,
            _ => {
                // One of the ways to choose as many letters of the word, or fewer.
                let mut ways = 1.0;
                let mut sum = 0.0;
                for chosen in 1..=capitals.min(letters - capitals) {
                    ways *= number(letters + 1 - chosen) / number(chosen);
                    sum += ways;
                }
                f64::log10(sum)
            }
        }
    }
}

fn number(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}

fn lower(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}

/// A letter without its accent.
fn plain(c: char) -> char {
    const LETTERS: [(char, &str); 8] = [
        ('a', "àáâäãå"),
        ('c', "ç"),
        ('e', "èéêë"),
        ('i', "ìíîï"),
        ('n', "ñ"),
        ('o', "òóôöõ"),
        ('u', "ùúûü"),
        ('y', "ÿ"),
    ];
    let letter = LETTERS.iter().find(|(_, accented)| accented.contains(c));
    letter.map_or(c, |(letter, _)| *letter)
}

/// The price of the cheapest composition, and its segments, the last one first.
fn cheapest(text: &Text, related: &[String]) -> (f64, Vec<Segment>) {
    let length = text.typed.len();
    let mut ending: Vec<Vec<Segment>> = vec![Vec::new(); length + 1];
    let mut add = |segment: Segment| ending[segment.end].push(segment);
    dates::find(text, &mut add);
    words::find(text, related, &mut add);
    let mut turned = |segment: Segment| {
        add(Segment {
            start: length - segment.end,
            end: length - segment.start,
            price: segment.price + VARIANT,
            kind: segment.kind,
        });
    };
    words::find(&text.reversed(), related, &mut turned);

    let mut runs = runs::all(text);
    let mut best = vec![Beginning {
        price: 0.0,
        joined: 0.0,
        count: 0,
        last: None,
    }];
    for (at, words) in ending.iter().skip(1).enumerate() {
        let before = |start: usize| best[start].joined;
        let running = runs
            .iter_mut()
            .filter_map(|run| run.extend(text, at, before));
        let words = words.iter().map(|word| Segment {
            price: before(word.start) + word.price,
            ..*word
        });
        let last = running
            .chain(words)
            .min_by(|one, other| one.price.total_cmp(&other.price));
        let price = last.map_or(f64::MAX, |last| last.price);
        let count = last.map_or(0, |last| best[last.start].count) + 1;
        best.push(Beginning {
            price,
            joined: price + f64::log10(number(count + 1)),
            count,
            last,
        });
    }
    let mut segments = Vec::new();
    let mut end = length;
    while let Some(last) = best[end].last {
        segments.push(last);
        end = last.start;
    }
    (best[length].price, segments)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn related() -> Vec<String> {
        ["josephine", "marchand", "northwind"]
            .map(str::to_owned)
            .to_vec()
    }

    #[test]
    fn each_pattern_is_found() {
        for (text, expected) in [
            // Common words: in any case, reversed, with substitutes, with accents, with an end.
            ("1234567890", Weakness::Common),
            ("QWERTYUIOP", Weakness::Common),
            ("Statistics", Weakness::Common),
            ("bAsEbAlL123", Weakness::Common),
            ("llabesab77", Weakness::Common),
            ("b@$3b@11!!", Weakness::Common),
            ("7ennis2024", Weakness::Common),
            ("motdepasse1", Weakness::Common),
            ("Bienvenue2026!", Weakness::Common),
            ("Liberté2026", Weakness::Common),
            ("sunshine dragon", Weakness::Common),
            ("christopher1234", Weakness::Common),
            // Related words.
            ("northwind!Q7", Weakness::Personal),
            ("N0rthW1nd#42", Weakness::Personal),
            ("dniwhtron-8x", Weakness::Personal),
            ("7josephine.marchand7", Weakness::Personal),
            // Rows, columns and diagonals of QWERTY, AZERTY and QWERTZ.
            ("sdfghjkl;'", Weakness::Keyboard),
            ("lkjhgfdsaq", Weakness::Keyboard),
            ("cvbnm,./67", Weakness::Keyboard),
            ("zaq1xsw2cde3", Weakness::Keyboard),
            ("2wsx3edc4rfv", Weakness::Keyboard),
            ("qawsedrftg", Weakness::Keyboard),
            ("@#$%^&*()_", Weakness::Keyboard),
            ("azertyuiop^$", Weakness::Keyboard),
            ("qsdfghjklm", Weakness::Keyboard),
            ("é\"'(-è_çà)", Weakness::Keyboard),
            ("aqw2zsx3edc4", Weakness::Keyboard),
            ("qwertzuiopü", Weakness::Keyboard),
            ("yxcvbnm,.-", Weakness::Keyboard),
            ("qweasdzxcv", Weakness::Keyboard),
            ("1472583690", Weakness::Keyboard),
            // Repeats of any unit.
            ("x7#kx7#kx7#k", Weakness::Repeated),
            ("q;Vq;Vq;Vq;Vw9", Weakness::Repeated),
            ("ZzzzzzzzzzzzB4#k", Weakness::Repeated),
            ("h5Gp!wrh5Gp!wr", Weakness::Guessable),
            // Sequences in both directions.
            ("ghijklmnopq", Weakness::Sequence),
            ("zyxwvutsrq", Weakness::Sequence),
            ("5678901234", Weakness::Sequence),
            ("1357913579135", Weakness::Sequence),
            ("абвгдежзик", Weakness::Sequence),
            ("あぃいぅうぇえぉおか", Weakness::Sequence),
            // Years and dates, in each order and with each separator.
            ("29/02/1984kq", Weakness::Date),
            ("1984-02-29 x", Weakness::Date),
            ("2-29-1984 x", Weakness::Date),
            ("29.2.84kq", Weakness::Date),
            ("19840229pz", Weakness::Date),
            ("29021984pz", Weakness::Date),
            ("1984 1985 1986", Weakness::Date),
        ] {
            assert_eq!(weakness(text, &related()), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_follows_no_pattern_is_accepted() {
        for text in [
            "kV8#tq2Z!m",
            "hwqzkxtbvg",
            "7294058163",
            "copper violin harbour",
            "three of my aunts sail",
            "le chat dort sous la table",
            "98/47/3102 x7",
            "2026x1999q1850#Lp",
            "пять тихих выдр",
            "🦀🐙🦑🐚🐠🐡🦐🦞🐳🐬",
        ] {
            assert_eq!(weakness(text, &related()), None, "{text}");
        }
    }

    #[test]
    fn no_text_costs_more_than_its_characters() {
        for text in [
            "",
            "a",
            "kV8#tq2Z!m",
            "ﬁﬂßİı",
            "e\u{301}\u{301}",
            "\0\u{10ffff}",
        ] {
            let (price, segments) = cheapest(&Text::new(text), &related());
            let characters = text.chars().count();
            assert!(price <= number(characters) * CHARACTER, "{text:?}: {price}");
            let length: usize = segments.iter().map(|s| s.end - s.start).sum();
            assert_eq!(length, characters, "{text:?}");
        }
    }

    #[test]
    fn only_the_beginning_of_a_long_password_is_estimated() {
        let strong = "kV8#tq2Z!m";
        for (text, expected) in [
            (format!("{strong}{}", "a".repeat(1000)), None),
            ("a".repeat(1024), Some(Weakness::Repeated)),
            (
                format!("{}{strong}", "northwind".repeat(15)),
                Some(Weakness::Personal),
            ),
        ] {
            assert_eq!(weakness(&text, &related()), expected, "{text}");
            assert!(Text::new(&text).typed.len() <= ESTIMATED_LENGTH);
        }
        // The work is in proportion to the number of segments.
        for unit in ["1", "a", "1!l|0o$5", "01021980", "northwind"] {
            let text = Text::new(&unit.repeat(1024 / unit.len()));
            let mut found = 0;
            let mut add = |_: Segment| found += 1;
            dates::find(&text, &mut add);
            words::find(&text, &related(), &mut add);
            assert!(found <= 24 * text.typed.len(), "{unit}: {found}");
        }
    }

    #[test]
    fn no_text_panics() {
        // Each character of these kinds beside each other.
        let kinds = "aZ09!@é\u{301}ßİıﬁ日あ🦀\u{200d}\u{0}\u{10ffff} ./-";
        for first in kinds.chars() {
            for second in kinds.chars() {
                let text: String = [first, second].iter().cycle().take(13).collect();
                weakness(&text, std::slice::from_ref(&text));
            }
        }
    }
}
