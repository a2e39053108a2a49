//! The context of one request: client IP and certificate, user agent, time, request id and place in
//! a distributed trace.

use std::fmt;

use uuid::Uuid;

use crate::client_certificate::ClientCertificate;
use crate::client_ip::ClientIp;
use crate::clock::Timestamp;
use crate::trace_context::{Digits, TraceContext};

/// What is known of a request before its body is read. The HTTP layer makes it once for each request
/// and hands it down.
#[derive(Clone, Debug)]
pub struct RequestContext {
    /// The client IP.
    pub client_ip: ClientIp,
    /// The client certificate, of the connection or by a trusted proxy.
    pub client_certificate: ClientCertificate,
    /// What the `User-Agent` header says.
    pub user_agent: UserAgent,
    /// When the head of the request was received: the one `now` of everything that the request does.
    pub received_at: Timestamp,
    /// The request id.
    pub request_id: RequestId,
    /// The trace and the span of the request.
    pub trace: TraceContext,
}

/// The beginning of a `User-Agent` header. It is kept without an allocation, since most requests need
/// it only for a comparison.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct UserAgent {
    length: u8,
    bytes: [u8; UserAgent::MAX_LENGTH],
}

impl UserAgent {
    /// The bytes of the header that are kept.
    const MAX_LENGTH: usize = 120;

    /// The user agent of a request without the header.
    pub const NONE: UserAgent = UserAgent {
        length: 0,
        bytes: [0; UserAgent::MAX_LENGTH],
    };

    /// The user agent of a request with this header.
    pub fn new(header: &[u8]) -> Self {
        let mut user_agent = UserAgent::NONE;
        let kept = header.len().min(UserAgent::MAX_LENGTH);
        user_agent.bytes[..kept].copy_from_slice(&header[..kept]);
        user_agent.length = u8::try_from(kept).unwrap_or(0);
        user_agent
    }
}

/// The text, in which a question mark stands for each byte that is not printable ASCII.
impl fmt::Display for UserAgent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.bytes.iter().take(self.length.into());
        let printable = |byte: u8| matches!(byte, b' '..=b'~');
        bytes
            .map(|byte| {
                if printable(*byte) {
                    char::from(*byte)
                } else {
                    '?'
                }
            })
            .try_for_each(|c| fmt::Write::write_char(f, c))
    }
}

impl fmt::Debug for UserAgent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

/// The id of a request: a UUIDv7. It is the `X-Request-Id` of the response, and stands in the access
/// log and in audit entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId(Uuid);

impl RequestId {
    /// A request id with the time of receipt and 10 random bytes.
    pub fn new(received_at: Timestamp, random: &[u8; 10]) -> Self {
        let millis = u64::try_from(received_at.millis()).unwrap_or(0);
        RequestId(uuid::Builder::from_unix_timestamp_millis(millis, random).into_uuid())
    }

    /// The id as a number.
    pub fn as_u128(self) -> u128 {
        self.0.as_u128()
    }

    /// The id in its usual form with hyphens, written into `buffer`.
    pub fn encode(self, buffer: &mut Digits) -> &str {
        self.0.hyphenated().encode_lower(buffer)
    }
}

/// The id in its usual form with hyphens.
impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace_context::digits;

    #[test]
    fn a_user_agent_is_cut_off_and_printable() {
        let long = "x".repeat(500);
        let kept = "x".repeat(UserAgent::MAX_LENGTH);
        for (header, text) in [
            (&b""[..], ""),
            (b"curl/8.5.0", "curl/8.5.0"),
            (b"a\tb\xff\x1b[0m", "a?b??[0m"),
            (long.as_bytes(), &kept),
        ] {
            assert_eq!(UserAgent::new(header).to_string(), text);
        }
        assert_eq!(UserAgent::new(b""), UserAgent::NONE);
        assert_ne!(UserAgent::new(b"a"), UserAgent::new(b"b"));
    }

    #[test]
    fn a_request_id_is_a_version_7_uuid_of_its_time() {
        let received_at = Timestamp::from_seconds(1_800_000_000);
        let id = RequestId::new(received_at, &[0xab; 10]);
        let uuid = Uuid::parse_str(&id.to_string()).unwrap();
        assert_eq!(uuid.get_version_num(), 7);
        assert_eq!(
            uuid.get_timestamp().map(|time| time.to_unix()),
            Some((1_800_000_000, 0))
        );
        assert_eq!(id.encode(&mut digits()), id.to_string());
        assert_eq!(id.as_u128(), uuid.as_u128());
        assert_ne!(id, RequestId::new(received_at, &[0xac; 10]));
    }
}
