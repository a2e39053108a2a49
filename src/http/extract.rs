//! What is read from a request, within limits.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use actix_web::web::{Bytes, BytesMut, Payload};
use futures_core::Stream;
use serde::de::DeserializeOwned;

use super::context;
use crate::error::{Code, Error};
use crate::net::connections::Activity;
use crate::oauth::parameters::Parameters;
use crate::oauth::{self, AuthorizationServer};

/// The largest body, in bytes.
const MAX_BODY: usize = 64 * 1024;

/// What is read and thrown away of a larger one, so that its sender gets to read the refusal.
const MAX_DRAINED: usize = 4 * 1024 * 1024;

/// How long a body may take to arrive, and how long the rest of one that is too large.
const BODY_PATIENCE: Duration = Duration::from_secs(15);
const DRAIN_PATIENCE: Duration = Duration::from_secs(2);

/// The body, whole.
///
/// # Errors
/// Too large; broken off; too slow.
pub async fn body(request: &HttpRequest, mut payload: Payload) -> Result<Bytes, Error> {
    let announced =
        header(request, CONTENT_LENGTH)?.and_then(|length| length.parse::<usize>().ok());
    let activity = request.conn_data::<Arc<Activity>>();
    let too_large = || {
        Error::new(
            Code::ContentTooLarge,
            format!("The body is larger than {MAX_BODY} bytes"),
        )
    };
    let read = async {
        let _receiving = activity.map(Activity::receive_body);
        let (mut body, mut length) = (BytesMut::new(), 0);
        while let Some(chunk) = poll_fn(|context| Pin::new(&mut payload).poll_next(context)).await {
            let chunk = chunk.map_err(|error| {
                Error::new(Code::InvalidRequest, "The body is unreadable").detail(error.to_string())
            })?;
            length += chunk.len();
            if let Some(activity) = activity {
                activity.take_body(chunk.len());
            }
            if length <= MAX_BODY {
                body.extend_from_slice(&chunk);
            } else if length > MAX_DRAINED {
                break;
            }
        }
        if length > MAX_BODY {
            Err(too_large())
        } else {
            Ok(body.freeze())
        }
    };
    if announced.is_some_and(|length| length > MAX_BODY) {
        return tokio::time::timeout(DRAIN_PATIENCE, read)
            .await
            .unwrap_or_else(|_| Err(too_large()));
    }
    let late = |_| Error::new(Code::RequestTimeout, "The body took too long to arrive");
    tokio::time::timeout(BODY_PATIENCE, read)
        .await
        .map_err(late)?
}

/// A body of JSON.
///
/// # Errors
/// `unreadable` where it does not say that it is JSON; else as [`body`].
pub async fn json_body(
    request: &HttpRequest,
    payload: Payload,
    unreadable: Code,
) -> Result<Bytes, Error> {
    let media_type = header(request, CONTENT_TYPE)?
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    if !media_type.eq_ignore_ascii_case("application/json") {
        // A page on another site could send anything else without asking (CORS).
        return Err(Error::new(unreadable, "The body must be application/json"));
    }
    body(request, payload).await
}

/// Reads a JSON object, and names the member that is wrong.
///
/// # Errors
/// `invalid_request`, with a sentence about the member.
pub fn parse<B: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<B, Error> {
    // serde would take the members of an array in order.
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Err(Error::new(
            Code::InvalidRequest,
            format!("The {what} is unreadable: it must be a JSON object"),
        ));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let read = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let reason = error.inner().to_string();
        let named = reason
            .split('`')
            .nth(1)
            .filter(|_| path == ".")
            .map(str::to_owned);
        let described = Error::new(
            Code::InvalidRequest,
            format!("The {what} is unreadable: {reason}"),
        );
        match named.or((path != "." && path != "?").then_some(path)) {
            Some(field) => described.field(field),
            None => described,
        }
    })?;
    let rest = reader.end().map_err(|error| {
        Error::new(
            Code::InvalidRequest,
            format!("The {what} is unreadable: {error}"),
        )
    });
    rest.map(|()| read)
}

/// The one value of a header.
///
/// # Errors
/// Where it comes twice, or is no text.
fn header(request: &HttpRequest, name: HeaderName) -> Result<Option<&str>, Error> {
    let mut values = request.headers().get_all(&name);
    let first = values.next();
    if values.next().is_some() {
        return Err(Error::new(
            Code::InvalidRequest,
            format!("The header {name} is given twice"),
        ));
    }
    let text = first.map(|value| value.to_str()).transpose();
    text.map_err(|_| {
        Error::new(
            Code::InvalidRequest,
            format!("The header {name} is no text"),
        )
    })
}

/// The `Authorization` header.
///
/// # Errors
/// Where it comes twice, or is no text.
pub fn authorization(request: &HttpRequest) -> Result<Option<String>, Error> {
    Ok(header(request, AUTHORIZATION)?.map(str::to_owned))
}

/// A form sent to an OAuth endpoint.
///
/// # Errors
/// `invalid_request`, or too large.
pub async fn form(
    server: &AuthorizationServer,
    request: &HttpRequest,
    payload: Payload,
) -> Result<oauth::Request, Error> {
    let body = body(request, payload).await?;
    let parameters = Parameters::parse(header(request, CONTENT_TYPE)?, &body)?;
    Ok(oauth::Request {
        authorization: authorization(request)?,
        parameters,
        context: context::of(server, request),
    })
}

/// A request to the registration endpoints.
///
/// # Errors
/// `invalid_request`.
pub fn registration(
    server: &AuthorizationServer,
    request: &HttpRequest,
) -> Result<oauth::registration::Request, Error> {
    Ok(oauth::registration::Request {
        authorization: authorization(request)?,
        context: context::of(server, request),
    })
}
