//! The context of one request: who sent it, when it was received, and its id.

use crate::client_ip::ClientIp;
use crate::clock::Timestamp;

/// What is known of a request before it is read. The HTTP layer makes it once and hands it down.
#[derive(Clone, Debug)]
pub struct RequestContext {
    /// The client IP.
    pub client_ip: ClientIp,
    /// When the request was received. It is the `now` of everything that the request does.
    pub received_at: Timestamp,
    /// The `X-Request-Id` of the response and of the log line.
    pub request_id: Option<String>,
}
