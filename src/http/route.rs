//! The handler of a route, and what the route declares beside it.

use std::pin::Pin;
use std::rc::Rc;

use actix_web::dev::Payload;
use actix_web::{HttpRequest, HttpResponse, Route, web};

use crate::oauth::usage::TimedRoute;

/// The largest request body, in bytes, unless the route declares another.
const MAX_BODY: usize = 64 * 1024;

/// A handler, with the extraction of its arguments. All have one type, since actix's service of a
/// route is compiled once for each type of handler.
pub type BoxedHandler =
    Rc<dyn Fn(HttpRequest, Payload) -> Pin<Box<dyn Future<Output = HttpResponse>>>>;

/// Makes the handler that of a route.
pub fn to_boxed(route: Route, handler: BoxedHandler) -> Route {
    route.to(move |request, payload: web::Payload| handler(request, payload.into_inner()))
}

/// The shape of error responses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ErrorFormat {
    /// `error` and `error_description` (RFC 6749 section 5.2).
    OAuth,
    /// A problem document (RFC 9457).
    #[default]
    Problem,
    /// The error object of the Codat platform, which its SDKs read.
    Codat,
}

/// Whether pages of other origins may read responses (the CORS protocol of the Fetch standard).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Cors {
    /// Pages of the same origin alone.
    #[default]
    SameOrigin,
    /// Pages of any origin; preflight requests are answered.
    AnyOrigin,
}

/// What the route of a request declares. All operations of one path declare the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RouteOptions {
    /// The shape of error responses.
    pub(super) error_format: ErrorFormat,
    /// Under which name latency statistics are kept.
    pub(super) timed: Option<TimedRoute>,
    /// Who may read responses from a page.
    pub(super) cors: Cors,
    /// The largest request body, in bytes.
    pub(super) max_body: usize,
}

impl Default for RouteOptions {
    fn default() -> Self {
        RouteOptions {
            error_format: ErrorFormat::default(),
            timed: None,
            cors: Cors::default(),
            max_body: MAX_BODY,
        }
    }
}

impl RouteOptions {
    /// The options of the route that serves `request`; the defaults where no route of the API does.
    pub(super) fn of(request: &HttpRequest) -> Self {
        request.app_data().copied().unwrap_or_default()
    }
}
