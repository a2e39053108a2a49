//! Decimal integers from outside.

use std::str::FromStr;

/// Parses an integer of ASCII digits alone. Rust's own parsers also accept a leading plus sign,
/// which no setting or parameter of Keyward allows.
pub fn parse<T: FromStr>(text: &str) -> Option<T> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_integer_is_digits_alone() {
        for (text, expected) in [
            ("0", Some(0_u16)),
            ("007", Some(7)),
            ("65535", Some(65_535)),
            ("65536", None),
            ("", None),
            ("+5", None),
            ("-5", None),
            ("-0", None),
            (" 5", None),
            ("5\n", None),
            ("5_000", None),
            ("0x10", None),
            ("5.0", None),
            ("\u{0665}", None),
        ] {
            assert_eq!(parse(text), expected, "{text:?}");
        }
        assert_eq!(parse::<i64>("-1"), None);
    }
}
