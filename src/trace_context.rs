//! W3C Trace Context: the place of a request in a distributed trace, from its `traceparent` header.

use uuid::Uuid;

/// The trace of a request, the span of its caller, and the span that is this server's work on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The same in all services that took part.
    pub trace_id: TraceId,
    /// The span of the caller; `None` where the trace begins here.
    pub parent: Option<SpanId>,
    /// The span of this request.
    pub span: SpanId,
}

/// A trace id of W3C Trace Context: 32 hexadecimal digits in small letters, never all zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceId(u128);

/// A parent id of W3C Trace Context: 16 hexadecimal digits in small letters, never all zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanId(u64);

/// Room for the digits of an id.
pub type Digits = [u8; Uuid::encode_buffer().len()];

// Each request is logged with its ids, so they are written without the machinery of `fmt`: the digits of a
// UUID take a small part of the time of `{:016x}`, and a `&str` a small part of that of a `Display`.

impl TraceId {
    /// The digits, written into `buffer`.
    pub fn encode(self, buffer: &mut Digits) -> &str {
        Uuid::from_u128(self.0).simple().encode_lower(buffer)
    }
}

impl SpanId {
    /// The digits, written into `buffer`.
    pub fn encode(self, buffer: &mut Digits) -> &str {
        Uuid::from_u64_pair(self.0, 0)
            .simple()
            .encode_lower(buffer)
            .get(..16)
            .unwrap_or_default()
    }
}

/// Room for the digits of an id, to be written into.
pub const fn digits() -> Digits {
    Uuid::encode_buffer()
}

impl TraceContext {
    /// Continues the trace of a `traceparent` header. Where there is none, or one that is not valid, a new
    /// trace begins whose id is the request id without its hyphens: a UUIDv7 has the seven random bytes at
    /// its right end that the specification asks for. `random` becomes the id of the span.
    pub fn new(traceparent: Option<&[u8]>, request_id: u128, random: u64) -> Self {
        let span = SpanId(random.max(1));
        match traceparent.and_then(parse) {
            Some((trace_id, parent)) => TraceContext {
                trace_id,
                parent: Some(parent),
                span,
            },
            None => TraceContext {
                trace_id: TraceId(request_id),
                parent: None,
                span,
            },
        }
    }
}

/// Reads `traceparent`: version, trace id, parent id and flags (W3C Trace Context section 3.2). A later
/// version may have more after these. The flags concern who records traces, and are only checked.
fn parse(header: &[u8]) -> Option<(TraceId, SpanId)> {
    let (header, rest) = header.split_at_checked(55)?;
    let text = str::from_utf8(header).ok()?;
    let hexadecimal = |range: std::ops::Range<usize>| {
        let digits = text.get(range)?;
        let small = digits
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        u128::from_str_radix(small.then_some(digits)?, 16).ok()
    };
    if [2, 35, 52].iter().any(|place| header[*place] != b'-') {
        return None;
    }
    let (version, trace_id, parent, _) = (
        hexadecimal(0..2)?,
        hexadecimal(3..35)?,
        u64::try_from(hexadecimal(36..52)?).ok()?,
        hexadecimal(53..55)?,
    );
    let known = match version {
        0 => rest.is_empty(),
        0xff => false,
        _ => rest.is_empty() || rest.starts_with(b"-"),
    };
    (known && trace_id != 0 && parent != 0).then_some((TraceId(trace_id), SpanId(parent)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const PARENT: &str = "b7ad6b7169203331";

    #[test]
    fn valid_ones_are_continued_and_others_ignored() {
        let with = |version: &str, flags: &str| format!("{version}-{TRACE}-{PARENT}-{flags}");
        for header in [
            with("00", "01"),
            with("00", "00"),
            with("00", "03"),
            with("cc", "01"),
            with("cc", "01-what-comes-later"),
        ] {
            let context = TraceContext::new(Some(header.as_bytes()), 5, 9);
            assert_eq!(context.trace_id.encode(&mut digits()), TRACE, "{header}");
            assert_eq!(
                context.parent.unwrap().encode(&mut digits()),
                PARENT,
                "{header}"
            );
            assert_eq!(context.span.encode(&mut digits()), "0000000000000009");
        }
        for header in [
            String::new(),
            with("00", "0"),
            with("00", "011"),
            with("00", "01-x"),
            with("cc", "01x"),
            with("ff", "01"),
            with("0x", "01"),
            with("00", "0g"),
            with("00", "+1"),
            with("00", "01").to_uppercase(),
            with("00", "01").replace('-', "_"),
            format!(" {}", with("00", "01")),
            format!("00-{}-{PARENT}-01", "0".repeat(32)),
            format!("00-{TRACE}-{}-01", "0".repeat(16)),
            format!("00-{}-{PARENT}-01", &TRACE[1..]),
            format!("00-+{}-{PARENT}-01", &TRACE[1..]),
            format!("00-\u{e9}{}-{PARENT}-01", &TRACE[2..]),
            "x".repeat(200),
        ] {
            let context = TraceContext::new(Some(header.as_bytes()), 5, 0);
            assert_eq!(context, TraceContext::new(None, 5, 0), "{header:?}");
            assert_eq!(
                context.trace_id.encode(&mut digits()),
                format!("{:032x}", 5)
            );
            assert_eq!(context.span.encode(&mut digits()), format!("{:016x}", 1));
        }
    }
}
