//! Requests in flight: what a connection may have at a time, and when a request ends.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::ServiceRequest;
use actix_web::http::Version;
use actix_web::web::Bytes;

use crate::error::{Code, Error};
use crate::net::connections::Activity;

/// How many requests of one HTTP/2 connection are served at a time.
const MAX_CONCURRENT_REQUESTS: u32 = 128;

/// How many header fields an HTTP/2 request may have. For HTTP/1.1 actix has limits of its own.
const MAX_HEADERS: usize = 96;

/// The largest head of an HTTP/2 request, in bytes.
const MAX_HEADER_BYTES: usize = 64 * 1024;

/// The largest part of a response body that is handed to the connection at a time, in bytes. A peer
/// that does not read makes the server keep a few of these, and no more.
const MAX_CHUNK: usize = 16 * 1024;

/// A request that is being served, or whose response is not yet sent as a whole. It counts as in
/// flight until it is dropped.
pub(super) struct InFlight {
    activity: Option<Arc<Activity>>,
    /// The requests in flight on the connection, this one included.
    concurrent: u32,
}

impl InFlight {
    /// Counts a request on the connection with this activity.
    pub(super) fn begin(activity: Option<&Arc<Activity>>, now: Instant) -> Self {
        let concurrent = activity.map_or(0, |activity| activity.begin_request(now));
        InFlight {
            activity: activity.cloned(),
            concurrent,
        }
    }

    /// Checks the limits of an HTTP/2 request that nothing else enforces.
    ///
    /// # Errors
    /// `temporarily_unavailable` for too many requests at a time; `invalid_request` for a head that is
    /// too large.
    pub(super) fn check_limits(&self, request: &ServiceRequest) -> Result<(), Error> {
        if request.version() != Version::HTTP_2 {
            return Ok(());
        }
        if self.concurrent > MAX_CONCURRENT_REQUESTS {
            return Err(Error::unavailable(
                "too many concurrent requests on one connection",
            ));
        }
        let headers = request.headers();
        let header_bytes: usize = headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len())
            .sum();
        let target_bytes = request.path().len() + request.query_string().len();
        if headers.len() > MAX_HEADERS || header_bytes + target_bytes > MAX_HEADER_BYTES {
            return Err(Error::new(
                Code::InvalidRequest,
                "The request has too many headers, or headers that are too large",
            ));
        }
        Ok(())
    }

    /// Tells the connection that it is closed after this response.
    pub(super) fn linger(&self) {
        if let Some(activity) = &self.activity {
            activity.linger();
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(activity) = &self.activity {
            activity.end_request();
        }
    }
}

pin_project_lite::pin_project! {
    /// A response body that keeps its request in flight until it is sent, and is sent in chunks of a
    /// bounded size.
    pub(super) struct TrackedBody<B> {
        #[pin]
        body: B,
        rest: Bytes,
        _in_flight: InFlight,
    }
}

impl<B> TrackedBody<B> {
    /// Wraps the body of the response to `in_flight`.
    pub(super) fn new(body: B, in_flight: InFlight) -> Self {
        TrackedBody {
            body,
            rest: Bytes::new(),
            _in_flight: in_flight,
        }
    }
}

impl<B: MessageBody> MessageBody for TrackedBody<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.project();
        if this.rest.is_empty() {
            match this.body.poll_next(context) {
                Poll::Ready(Some(Ok(bytes))) => *this.rest = bytes,
                other => return other,
            }
        }
        let length = this.rest.len().min(MAX_CHUNK);
        Poll::Ready(Some(Ok(this.rest.split_to(length))))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn check(version: Version, headers: usize, length: usize, concurrent: u32) -> Option<Code> {
        let mut request = TestRequest::default().version(version);
        for number in 0..headers {
            request = request.append_header((format!("x-{number:03}"), "x".repeat(length)));
        }
        let in_flight = InFlight {
            activity: None,
            concurrent,
        };
        let checked = in_flight.check_limits(&request.to_srv_request());
        checked.err().map(|error| error.code())
    }

    #[test]
    fn an_http_2_connection_is_limited_where_actix_has_no_limit() {
        for (version, headers, length, concurrent, expected) in [
            (Version::HTTP_2, 96, 10, 128, None),
            (
                Version::HTTP_2,
                1,
                1,
                129,
                Some(Code::TemporarilyUnavailable),
            ),
            (Version::HTTP_2, 97, 1, 1, Some(Code::InvalidRequest)),
            (Version::HTTP_2, 2, 33_000, 1, Some(Code::InvalidRequest)),
            (Version::HTTP_11, 97, 1, 129, None),
        ] {
            let found = check(version, headers, length, concurrent);
            assert_eq!(
                found, expected,
                "{version:?}, {headers} headers, {concurrent} at a time"
            );
        }
    }
}
