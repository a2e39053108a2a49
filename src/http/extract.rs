//! Reads requests: headers, queries and bodies, within limits.

use std::fmt::Display;
use std::future::{Ready, poll_fn, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use actix_web::error::ErrorInternalServerError;
use actix_web::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use actix_web::web::{Bytes, BytesMut, Data, Payload};
use actix_web::{FromRequest, HttpMessage, HttpRequest, dev};
use futures_core::Stream;
use serde::de::DeserializeOwned;

use super::context;
use super::route::RouteOptions;
use crate::clock::Timestamp;
use crate::error::{Code, Error};
use crate::net::connections::Activity;
use crate::oauth::parameters::Parameters;
use crate::oauth::{self, AuthorizationServer};
use crate::request_context::RequestContext;
use crate::store::Store;

/// How much of a body that is too large is read and discarded, in bytes, so that its sender gets to
/// read the response.
const MAX_DRAINED: usize = 4 * 1024 * 1024;

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(15);

/// How long the rest of a body that is too large may take to arrive.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// A request to the API, as handlers get it.
pub(super) struct ApiRequest {
    /// The authorization server.
    pub(super) server: Data<AuthorizationServer>,
    /// The head of the request.
    pub(super) head: HttpRequest,
    /// The context of the request.
    pub(super) context: RequestContext,
}

impl FromRequest for ApiRequest {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        let server = request.app_data::<Data<AuthorizationServer>>();
        ready(match server {
            Some(server) => Ok(ApiRequest {
                server: server.clone(),
                head: request.clone(),
                context: context::of(server, request),
            }),
            None => Err(ErrorInternalServerError("no authorization server")),
        })
    }
}

impl ApiRequest {
    /// When the request was received.
    pub(super) fn now(&self) -> Timestamp {
        self.context.received_at
    }

    /// The store.
    pub(super) fn store(&self) -> &Arc<Store> {
        &self.server.store
    }

    /// The `Authorization` header.
    ///
    /// # Errors
    /// `invalid_request` if the header is given twice or is not text.
    pub(super) fn authorization(&self) -> Result<Option<&str>, Error> {
        single_header(&self.head, AUTHORIZATION)
    }

    /// The query.
    ///
    /// # Errors
    /// `invalid_request`, with the name of the parameter that is wrong.
    pub(super) fn query<Q: DeserializeOwned>(&self) -> Result<Q, Error> {
        parse_query(self.head.query_string())
    }

    /// The body, which must be JSON.
    ///
    /// # Errors
    /// `unreadable` if the media type is another one; otherwise as for [`body`].
    pub(super) async fn json_bytes(
        &self,
        payload: Payload,
        unreadable: Code,
    ) -> Result<Bytes, Error> {
        single_header(&self.head, CONTENT_TYPE)?;
        if !is_json(&self.head) {
            // A page of another site can send other media types without a preflight request (CORS).
            return Err(Error::new(unreadable, "The body must be application/json"));
        }
        body(&self.head, payload).await
    }

    /// The body as a JSON object.
    ///
    /// # Errors
    /// `invalid_request`, with the name of the member that is wrong; otherwise as for [`body`].
    pub(super) async fn json<B: DeserializeOwned>(&self, payload: Payload) -> Result<B, Error> {
        parse_json(&self.json_bytes(payload, Code::InvalidRequest).await?)
    }

    /// A form sent to an OAuth endpoint.
    ///
    /// # Errors
    /// `invalid_request`; otherwise as for [`body`].
    pub(super) async fn form(&self, payload: Payload) -> Result<oauth::FormRequest, Error> {
        let body = body(&self.head, payload).await?;
        let parameters = Parameters::parse(single_header(&self.head, CONTENT_TYPE)?, &body)?;
        Ok(oauth::FormRequest {
            authorization: self.authorization()?.map(str::to_owned),
            parameters,
            context: self.context.clone(),
        })
    }

    /// A request to the registration endpoints.
    ///
    /// # Errors
    /// `invalid_request`.
    pub(super) fn registration(&self) -> Result<oauth::registration::RegistrationRequest, Error> {
        Ok(oauth::registration::RegistrationRequest {
            authorization: self.authorization()?.map(str::to_owned),
            context: self.context.clone(),
        })
    }
}

/// The whole body.
///
/// # Errors
/// The body is too large, is broken off, or takes too long to arrive.
pub async fn body(request: &HttpRequest, mut payload: Payload) -> Result<Bytes, Error> {
    let announced =
        single_header(request, CONTENT_LENGTH)?.and_then(|length| length.parse::<usize>().ok());
    let max_body = RouteOptions::of(request).max_body;
    let activity = request.conn_data::<Arc<Activity>>();
    let too_large = || {
        Error::new(
            Code::ContentTooLarge,
            format!("The body is larger than {max_body} bytes"),
        )
    };
    let read = async {
        let _receiving = activity.map(Activity::receive_body);
        let mut body = BytesMut::new();
        let mut length = 0;
        while let Some(chunk) = poll_fn(|context| Pin::new(&mut payload).poll_next(context)).await {
            let chunk = chunk.map_err(|error| {
                Error::new(Code::InvalidRequest, "The body is unreadable").detail(error.to_string())
            })?;
            length += chunk.len();
            if let Some(activity) = activity {
                activity.take_body(chunk.len());
            }
            if length <= max_body {
                body.extend_from_slice(&chunk);
            } else if length > MAX_DRAINED {
                break;
            }
        }
        if length > max_body {
            Err(too_large())
        } else {
            Ok(body.freeze())
        }
    };
    if announced.is_some_and(|length| length > max_body) {
        let drained = tokio::time::timeout(DRAIN_TIMEOUT, read).await;
        return drained.unwrap_or_else(|_| Err(too_large()));
    }
    let too_slow = |_| Error::new(Code::RequestTimeout, "The body took too long to arrive");
    tokio::time::timeout(BODY_TIMEOUT, read)
        .await
        .map_err(too_slow)?
}

/// The value of a header that a request may have once.
///
/// # Errors
/// `invalid_request` if the header is given twice or is not text.
fn single_header(request: &HttpRequest, name: HeaderName) -> Result<Option<&str>, Error> {
    let mut values = request.headers().get_all(&name);
    let first = values.next();
    if values.next().is_some() {
        let description = format!("The header {name} is given twice");
        return Err(Error::new(Code::InvalidRequest, description));
    }
    let text = first.map(|value| value.to_str()).transpose();
    text.map_err(|_| {
        let description = format!("The header {name} is not visible ASCII text");
        Error::new(Code::InvalidRequest, description)
    })
}

/// Whether the `Content-Type` is that of JSON, with whatever parameters. The parser of the `mime`
/// crate refuses the whitespace before parameters that RFC 9110 section 5.6.6 allows.
fn is_json(request: &HttpRequest) -> bool {
    let content_type = request.content_type();
    content_type.eq_ignore_ascii_case("application/json")
}

/// Reads a JSON object.
///
/// # Errors
/// `invalid_request`, with the name of the member that is wrong.
pub(super) fn parse_json<B: DeserializeOwned>(bytes: &[u8]) -> Result<B, Error> {
    // Without this check serde would take the items of an array for the members, in their order.
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Err(unreadable("body", "it must be a JSON object"));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let read = serde_path_to_error::deserialize(&mut reader)
        .map_err(|error| invalid_member("body", &error))?;
    reader.end().map_err(|error| unreadable("body", error))?;
    Ok(read)
}

/// Reads a query, in which each parameter may be given once.
///
/// # Errors
/// `invalid_request`, with the name of the parameter that is wrong.
fn parse_query<Q: DeserializeOwned>(query: &str) -> Result<Q, Error> {
    let pairs = form_urlencoded::parse(query.as_bytes());
    serde_path_to_error::deserialize(serde_urlencoded::Deserializer::new(pairs))
        .map_err(|error| invalid_member("query", &error))
}

fn unreadable(what: &str, reason: impl Display) -> Error {
    Error::new(
        Code::InvalidRequest,
        format!("The {what} is unreadable: {reason}"),
    )
}

/// The refusal of a request with an invalid member, with the name of the member. serde gives the name
/// of a missing or an unknown member only in the text of the error, between backquotes.
fn invalid_member<E: Display>(what: &str, error: &serde_path_to_error::Error<E>) -> Error {
    let path = error.path().to_string();
    let reason = error.inner().to_string();
    let member = match path.as_str() {
        "." => reason.split('`').nth(1),
        "?" => None,
        path => Some(path),
    };
    let refusal = unreadable(what, &reason);
    match member {
        Some(member) => refusal.field(member),
        None => refusal,
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Query {
        client: String,
        limit: Option<usize>,
    }

    #[test]
    fn a_query_is_read_and_its_wrong_parameter_named() {
        let query = |client: &str, limit| Query {
            client: client.to_owned(),
            limit,
        };
        for (text, expected) in [
            ("client=a", query("a", None)),
            ("client=a&limit=7", query("a", Some(7))),
            ("limit=7&client=a%20b+c", query("a b c", Some(7))),
            ("client=7", query("7", None)),
            ("client=", query("", None)),
        ] {
            assert_eq!(parse_query::<Query>(text).unwrap(), expected, "{text}");
        }
        for (text, field) in [
            ("", "client"),
            ("limit=7", "client"),
            ("client=a&limit=x", "limit"),
            ("client=a&limit=-1", "limit"),
            ("client=a&limit=", "limit"),
            ("client=a&client=b", "client"),
            ("client=a&other=b", "other"),
        ] {
            let error = parse_query::<Query>(text).unwrap_err();
            assert_eq!(error.code(), Code::InvalidRequest, "{text}");
            assert_eq!(error.wrong_field(), Some(field), "{text}: {error}");
        }
    }

    #[test]
    fn a_json_body_is_read_and_its_wrong_member_named() {
        let read = parse_json::<Query>(br#" {"client": "a", "limit": 7} "#).unwrap();
        assert_eq!(read.limit, Some(7));
        for (text, field) in [
            ("{}", Some("client")),
            (r#"{"client": 7}"#, Some("client")),
            (r#"{"client": "a", "limit": -1}"#, Some("limit")),
            (r#"{"client": "a", "client": "b"}"#, Some("client")),
            (r#"{"client": "a", "other": "b"}"#, Some("other")),
            (r#"["a", 7]"#, None),
            (r#"{"client": "a"} {}"#, None),
            ("", None),
        ] {
            let error = parse_json::<Query>(text.as_bytes()).unwrap_err();
            assert_eq!(error.code(), Code::InvalidRequest, "{text}");
            assert_eq!(error.wrong_field(), field, "{text}: {error}");
        }
    }

    #[test]
    fn json_is_told_by_its_media_type() {
        for (content_type, expected) in [
            ("application/json", true),
            ("Application/JSON", true),
            ("application/json; charset=utf-8", true),
            ("application/json;charset=\"utf-8\"", true),
            ("application/json ; charset=utf-8", true),
            ("application/json;", true),
            ("application/jsonp", false),
            ("application/ld+json", false),
            ("text/plain", false),
            ("json", false),
            ("", false),
        ] {
            let request = TestRequest::default().insert_header((CONTENT_TYPE, content_type));
            let found = is_json(&request.to_http_request());
            assert_eq!(found, expected, "{content_type}");
        }
        assert!(!is_json(&TestRequest::default().to_http_request()));
    }

    #[test]
    fn a_header_may_be_given_once() {
        let request = TestRequest::default().to_http_request();
        assert_eq!(single_header(&request, AUTHORIZATION).unwrap(), None);
        let once = TestRequest::default().append_header((AUTHORIZATION, "Bearer a"));
        let request = once.to_http_request();
        let value = single_header(&request, AUTHORIZATION).unwrap();
        assert_eq!(value, Some("Bearer a"));
        let twice = TestRequest::default()
            .append_header((AUTHORIZATION, "Bearer a"))
            .append_header((AUTHORIZATION, "Bearer a"));
        let error = single_header(&twice.to_http_request(), AUTHORIZATION).unwrap_err();
        assert_eq!(error.code(), Code::InvalidRequest);
    }
}
