//! W3C Trace Context: the place of a request in a distributed trace, from and to the `traceparent`
//! header.

use uuid::Uuid;

/// A span of this server, its trace, and the span that caused it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The id of the trace, the same in all services that take part.
    pub trace_id: TraceId,
    /// The span that caused this one; `None` at the root of a trace.
    pub parent: Option<SpanId>,
    /// The span of this server.
    pub span: SpanId,
    /// Whether the trace is recorded: the flag `sampled` of the caller. `None` if the trace begins
    /// here and nothing has been decided.
    pub sampled: Option<bool>,
}

/// A trace id of W3C Trace Context: 32 lower-case hexadecimal digits, never all zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceId(u128);

/// A parent id of W3C Trace Context: 16 lower-case hexadecimal digits, never all zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanId(u64);

/// A buffer for the digits of an id.
pub type Digits = [u8; Uuid::encode_buffer().len()];

// Each request is logged with its ids, so they are written without `fmt`: the digits of a UUID take
// a small part of the time of `{:016x}`, and a `&str` a small part of that of a `Display`.

impl TraceId {
    /// Writes the digits into `buffer`.
    pub fn encode(self, buffer: &mut Digits) -> &str {
        Uuid::from_u128(self.0).simple().encode_lower(buffer)
    }
}

impl SpanId {
    /// A span id from a random number.
    pub fn new(random: u64) -> Self {
        SpanId(random.max(1))
    }

    /// Writes the digits into `buffer`.
    pub fn encode(self, buffer: &mut Digits) -> &str {
        Uuid::from_u64_pair(self.0, 0)
            .simple()
            .encode_lower(buffer)
            .get(..16)
            .unwrap_or_default()
    }
}

/// An empty buffer for the digits of an id.
pub const fn digits() -> Digits {
    Uuid::encode_buffer()
}

/// Decides which of the traces that begin here are recorded.
///
/// A trace of a caller is recorded if the caller records it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampler {
    /// Traces are recorded whose number, of 2^56, is below this one.
    threshold: u64,
}

impl Sampler {
    /// The bits of a trace id that are random (W3C Trace Context Level 2 section 3.2.2.3).
    const RANDOM_BITS: u32 = 56;

    /// Records no trace that begins here.
    pub const OFF: Sampler = Sampler { threshold: 0 };

    /// Records a share of the traces that begin here, from 0 to 1.
    pub fn new(ratio: f64) -> Self {
        let all = 1_u64 << Self::RANDOM_BITS;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "the ratio is between 0 and 1, and the result below 2^57"
        )]
        let threshold = (ratio.clamp(0.0, 1.0) * all as f64) as u64;
        Sampler { threshold }
    }

    fn samples(self, trace_id: TraceId) -> bool {
        let mask = (1_u128 << Self::RANDOM_BITS) - 1;
        trace_id.0 & mask < u128::from(self.threshold)
    }
}

impl TraceContext {
    /// Continues the trace of a `traceparent` header. If there is none, or one that is not valid, a
    /// new trace begins whose id is the request id without its hyphens: a UUIDv7 has the seven
    /// random bytes at its right end that the specification asks for. `random` becomes the id of
    /// the span.
    pub fn new(traceparent: Option<&[u8]>, request_id: u128, random: u64) -> Self {
        let span = SpanId::new(random);
        match traceparent.and_then(parse) {
            Some((trace_id, parent, sampled)) => TraceContext {
                trace_id,
                parent: Some(parent),
                span,
                sampled: Some(sampled),
            },
            None => TraceContext {
                trace_id: TraceId(request_id),
                parent: None,
                span,
                sampled: None,
            },
        }
    }

    /// The same with a decision whether the trace is recorded: the caller's, or that of `sampler`.
    #[must_use]
    pub fn sampled_by(self, sampler: Sampler) -> Self {
        let sampled = self
            .sampled
            .unwrap_or_else(|| sampler.samples(self.trace_id));
        TraceContext {
            sampled: Some(sampled),
            ..self
        }
    }

    /// Whether the trace is recorded.
    pub fn is_sampled(&self) -> bool {
        self.sampled == Some(true)
    }

    /// A span that is caused by this one.
    #[must_use]
    pub fn child(&self, span: SpanId) -> Self {
        TraceContext {
            parent: Some(self.span),
            span,
            ..*self
        }
    }

    /// The `traceparent` of a request to another service, caused by this span.
    pub fn traceparent(&self) -> String {
        let (mut trace, mut span) = (digits(), digits());
        let flags = if self.is_sampled() { "01" } else { "00" };
        format!(
            "00-{}-{}-{flags}",
            self.trace_id.encode(&mut trace),
            self.span.encode(&mut span)
        )
    }
}

/// Reads `traceparent`: version, trace id, parent id and flags (W3C Trace Context section 3.2). A
/// later version may append more. Of the flags only `sampled`, the lowest bit, is defined.
fn parse(header: &[u8]) -> Option<(TraceId, SpanId, bool)> {
    let (header, rest) = header.split_at_checked(55)?;
    let text = str::from_utf8(header).ok()?;
    let hexadecimal = |range: std::ops::Range<usize>| {
        let digits = text.get(range)?;
        let lower_case = digits
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        u128::from_str_radix(lower_case.then_some(digits)?, 16).ok()
    };
    if [2, 35, 52].iter().any(|position| header[*position] != b'-') {
        return None;
    }
    let version = hexadecimal(0..2)?;
    let trace_id = hexadecimal(3..35)?;
    let parent = u64::try_from(hexadecimal(36..52)?).ok()?;
    let flags = hexadecimal(53..55)?;
    let known = match version {
        0 => rest.is_empty(),
        0xff => false,
        _ => rest.is_empty() || rest.starts_with(b"-"),
    };
    let valid = known && trace_id != 0 && parent != 0;
    valid.then_some((TraceId(trace_id), SpanId(parent), flags & 1 == 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const PARENT: &str = "b7ad6b7169203331";

    #[test]
    fn valid_headers_are_continued_and_others_ignored() {
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

    #[test]
    fn the_sampled_flag_follows_the_caller_and_else_the_sampler() {
        let with = |flags: &str| format!("00-{TRACE}-{PARENT}-{flags}");
        let all = Sampler::new(1.0);
        for (header, sampler, sampled) in [
            (Some(with("01")), Sampler::OFF, true),
            (Some(with("03")), Sampler::OFF, true),
            (Some(with("00")), all, false),
            (Some(with("02")), all, false),
            (None, all, true),
            (None, Sampler::OFF, false),
        ] {
            let header = header.as_deref().map(str::as_bytes);
            let context = TraceContext::new(header, u128::MAX, 9).sampled_by(sampler);
            assert_eq!(context.is_sampled(), sampled, "{header:?} {sampler:?}");
        }
    }

    #[test]
    fn the_sampler_takes_a_share_of_trace_ids() {
        for (ratio, share) in [(0.0, 0), (0.25, 250), (0.5, 500), (1.0, 1000), (7.0, 1000)] {
            let sampler = Sampler::new(ratio);
            let ids = (0..1000_u128).map(|n| TraceId((7 << 64) | ((n << 56) / 1000)));
            assert_eq!(
                ids.filter(|id| sampler.samples(*id)).count(),
                share,
                "{ratio}"
            );
        }
    }

    #[test]
    fn a_child_is_sent_as_the_parent_of_the_next_service() {
        let header = format!("00-{TRACE}-{PARENT}-01");
        let context = TraceContext::new(Some(header.as_bytes()), 5, 9);
        let child = context.child(SpanId::new(10));
        assert_eq!(child.parent, Some(context.span));
        assert_eq!(
            child.traceparent(),
            format!("00-{TRACE}-000000000000000a-01")
        );
        let sent = child.traceparent();
        let next = TraceContext::new(Some(sent.as_bytes()), 6, 11);
        assert_eq!(
            (next.trace_id, next.parent, next.sampled),
            (context.trace_id, Some(child.span), Some(true))
        );
        let begun_here = TraceContext::new(None, 5, 9);
        assert!(begun_here.traceparent().ends_with("-0000000000000009-00"));
    }
}
