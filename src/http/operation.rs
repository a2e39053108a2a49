//! One operation of the HTTP API: its route, its handler, and its description for `/openapi.json`.

use std::rc::Rc;

use actix_web::guard::{Any, Get, Head};
use actix_web::http::{Method, StatusCode};
use actix_web::{FromRequest, Handler, HttpResponse, Route};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::route::{BoxedHandler, Cors, ErrorFormat, RouteOptions, to_boxed};
use super::{dpop, error};
use crate::error::{Code, Error};
use crate::manage::rights::Right;
use crate::oauth::usage::TimedRoute;

/// The media type of JSON bodies.
pub(super) const JSON: &str = "application/json";

/// The media type of forms.
const FORM: &str = "application/x-www-form-urlencoded";

/// What a handler returns. The route makes the response of an error.
pub(super) type HandlerResult = Result<HttpResponse, Error>;

/// Makes the JSON Schema of a type.
pub(super) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// How the caller of an operation authenticates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Authentication {
    /// Not at all.
    None,
    /// As an OAuth client.
    Client,
    /// With one of a client's own API keys.
    ApiKey,
    /// With an initial access token or a registration access token.
    RegistrationToken,
    /// With an access token for the management API that has this scope.
    Management(&'static str),
}

/// A response to a request that succeeded.
pub(super) struct Success {
    pub(super) status: u16,
    pub(super) description: &'static str,
    /// The media type and the schema of the body, if there is one.
    pub(super) body: Option<(&'static str, SchemaOf)>,
}

/// One method of one path.
pub struct Operation {
    pub(super) method: Method,
    /// The path, with its parameters in braces.
    pub(super) path: &'static str,
    /// The `operationId`.
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    /// Added to the description, after the scope that the operation requires.
    pub(super) note: Option<&'static str>,
    pub(super) options: RouteOptions,
    pub(super) authentication: Authentication,
    pub(super) query: Option<SchemaOf>,
    /// The media type and the schema of the request body, if there is one.
    pub(super) body: Option<(&'static str, SchemaOf)>,
    pub(super) successes: Vec<Success>,
    /// The statuses of errors.
    pub(super) errors: Vec<u16>,
    /// Whether the operation takes an `Idempotency-Key`.
    pub(super) idempotent: bool,
    /// Whether the operation takes an `If-Match`.
    pub(super) conditional: bool,
    new_route: Box<dyn Fn() -> Route>,
}

/// What a builder of [`Operation`] asks of a handler.
pub(super) trait ApiHandler<Args>: Handler<Args, Output = HandlerResult> {}

impl<Args, H: Handler<Args, Output = HandlerResult>> ApiHandler<Args> for H {}

impl Operation {
    /// An operation by GET, and with it HEAD.
    pub(super) fn get<Args: FromRequest + 'static>(
        path: &'static str,
        id: &'static str,
        summary: &'static str,
        handler: impl ApiHandler<Args>,
    ) -> Self {
        let base = || Route::new().guard(Any(Get()).or(Head()));
        Operation::new(Method::GET, path, id, summary, routes(base, handler))
    }

    /// An operation by POST.
    pub(super) fn post<Args: FromRequest + 'static>(
        path: &'static str,
        id: &'static str,
        summary: &'static str,
        handler: impl ApiHandler<Args>,
    ) -> Self {
        Operation::by(Method::POST, path, id, summary, handler)
    }

    /// An operation by PUT.
    pub(super) fn put<Args: FromRequest + 'static>(
        path: &'static str,
        id: &'static str,
        summary: &'static str,
        handler: impl ApiHandler<Args>,
    ) -> Self {
        Operation::by(Method::PUT, path, id, summary, handler)
    }

    /// An operation by PATCH.
    pub(super) fn patch<Args: FromRequest + 'static>(
        path: &'static str,
        id: &'static str,
        summary: &'static str,
        handler: impl ApiHandler<Args>,
    ) -> Self {
        Operation::by(Method::PATCH, path, id, summary, handler)
    }

    /// An operation by DELETE.
    pub(super) fn delete<Args: FromRequest + 'static>(
        path: &'static str,
        id: &'static str,
        summary: &'static str,
        handler: impl ApiHandler<Args>,
    ) -> Self {
        Operation::by(Method::DELETE, path, id, summary, handler)
    }

    /// An operation by any method. It is described as GET.
    pub(super) fn any_method<Args: FromRequest + 'static>(
        path: &'static str,
        id: &'static str,
        summary: &'static str,
        handler: impl ApiHandler<Args>,
    ) -> Self {
        Operation::new(Method::GET, path, id, summary, routes(Route::new, handler))
    }

    fn by<Args: FromRequest + 'static>(
        method: Method,
        path: &'static str,
        id: &'static str,
        summary: &'static str,
        handler: impl ApiHandler<Args>,
    ) -> Self {
        let guarded = method.clone();
        let base = move || Route::new().method(guarded.clone());
        Operation::new(method, path, id, summary, routes(base, handler))
    }

    fn new(
        method: Method,
        path: &'static str,
        id: &'static str,
        summary: &'static str,
        new_route: Box<dyn Fn() -> Route>,
    ) -> Self {
        Operation {
            method,
            path,
            id,
            summary,
            note: None,
            options: RouteOptions::default(),
            authentication: Authentication::None,
            query: None,
            body: None,
            successes: Vec::new(),
            errors: Vec::new(),
            idempotent: false,
            conditional: false,
            new_route,
        }
    }

    /// A route for the handler. Each worker thread has its own.
    pub(super) fn route(&self) -> Route {
        (self.new_route)()
    }

    /// The caller authenticates as a client. Errors have the shape of RFC 6749.
    pub(super) fn by_client(mut self) -> Self {
        self.authentication = Authentication::Client;
        self.oauth_errors(&[400, 401, 413, 429, 503])
    }

    /// The caller presents an initial or a registration access token. Errors have the shape of RFC
    /// 6749.
    pub(super) fn by_registration_token(mut self) -> Self {
        self.authentication = Authentication::RegistrationToken;
        self.oauth_errors(&[400, 401, 429, 503])
    }

    /// The caller presents one of a client's own API keys. Errors have the shape of the Codat
    /// platform.
    pub(super) fn by_api_key(mut self) -> Self {
        self.authentication = Authentication::ApiKey;
        self.options.error_format = ErrorFormat::Codat;
        self.errors(&[400, 401, 403, 429, 503])
    }

    /// The operation belongs to the management API, and requires this right, which is the name of a
    /// scope token.
    pub(super) fn requires(mut self, right: Right) -> Self {
        self.authentication = Authentication::Management(right.as_str());
        self.errors(&[400, 401, 403, 404, 429, 503])
    }

    /// A sentence for the description.
    pub(super) fn note(mut self, note: &'static str) -> Self {
        self.note = Some(note);
        self
    }

    /// Adds statuses of errors.
    pub(super) fn errors(mut self, statuses: &[u16]) -> Self {
        self.errors.extend(statuses);
        self.errors.sort_unstable();
        self.errors.dedup();
        self
    }

    /// Adds statuses of errors, which have the shape of RFC 6749.
    pub(super) fn oauth_errors(mut self, statuses: &[u16]) -> Self {
        self.options.error_format = ErrorFormat::OAuth;
        self.errors(statuses)
    }

    /// The query parameters are the members of `T`.
    pub(super) fn query<T: JsonSchema>(mut self) -> Self {
        self.query = Some(|generator| generator.root_schema_for::<T>());
        self
    }

    /// The request body is a `T` as JSON.
    pub(super) fn json<T: JsonSchema>(mut self) -> Self {
        self.body = Some((JSON, |generator| generator.subschema_for::<T>()));
        self.errors(&[413])
    }

    /// The request body is a `T` as a form.
    pub(super) fn form<T: JsonSchema>(mut self) -> Self {
        self.body = Some((FORM, |generator| generator.subschema_for::<T>()));
        self
    }

    /// The response body is a `T` as JSON.
    pub(super) fn returns<T: JsonSchema>(self, status: u16, description: &'static str) -> Self {
        self.returns_as::<T>(status, description, JSON)
    }

    /// The response body is a `T` of another media type.
    pub(super) fn returns_as<T: JsonSchema>(
        mut self,
        status: u16,
        description: &'static str,
        media_type: &'static str,
    ) -> Self {
        self.successes.push(Success {
            status,
            description,
            body: Some((media_type, |generator| generator.subschema_for::<T>())),
        });
        self
    }

    /// The response has no body.
    pub(super) fn returns_empty(mut self, status: u16, description: &'static str) -> Self {
        self.successes.push(Success {
            status,
            description,
            body: None,
        });
        self
    }

    /// The operation creates a `T`, and takes an `Idempotency-Key`.
    pub(super) fn creates<T: JsonSchema>(mut self) -> Self {
        self.idempotent = true;
        self.returns::<T>(201, "Created; secrets are shown in this response only")
            .returns::<T>(
                200,
                "Created by an earlier request with this Idempotency-Key; secrets are left out",
            )
            .errors(&[409, 413, 422])
    }

    /// The operation takes an `If-Match`.
    pub(super) fn conditional(mut self) -> Self {
        self.conditional = true;
        self.errors(&[412])
    }

    /// Pages of any origin may read the response.
    pub(super) fn any_origin(mut self) -> Self {
        self.options.cors = Cors::AnyOrigin;
        self
    }

    /// Latency statistics are kept under this name.
    pub(super) fn timed(mut self, timed: TimedRoute) -> Self {
        self.options.timed = Some(timed);
        self
    }
}

/// Makes routes that call `handler`, and make the response of an error that it returns. This is the
/// one place where the error of a handler becomes a response.
fn routes<Args: FromRequest + 'static>(
    base: impl Fn() -> Route + 'static,
    handler: impl ApiHandler<Args>,
) -> Box<dyn Fn() -> Route> {
    let serve: BoxedHandler = Rc::new(move |request, mut payload| {
        let handler = handler.clone();
        Box::pin(async move {
            let result = match Args::from_request(&request, &mut payload).await {
                Ok(arguments) => handler.call(arguments).await,
                Err(error) => Err(extraction_error(&error.into())),
            };
            match result {
                Ok(mut response) => {
                    dpop::add_nonce(&request, &mut response);
                    response
                }
                Err(error) => error::response(&request, &error),
            }
        })
    });
    Box::new(move || to_boxed(base(), serve.clone()))
}

/// The error of a request whose path actix cannot read.
fn extraction_error(error: &actix_web::Error) -> Error {
    let detail = error.to_string();
    match error.as_response_error().status_code() {
        StatusCode::NOT_FOUND => {
            Error::new(Code::NotFound, "There is nothing at this path").detail(detail)
        }
        status if status.is_client_error() => {
            Error::new(Code::InvalidRequest, "The request is malformed").detail(detail)
        }
        _ => Error::server_error(detail),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::{App, test, web};

    use super::*;

    async fn greet(name: web::Path<String>) -> HandlerResult {
        match name.as_str() {
            "nobody" => Err(Error::new(Code::NotFound, "There is no such person")),
            name => Ok(HttpResponse::Ok().body(name.to_owned())),
        }
    }

    #[test]
    fn a_route_serves_the_methods_of_its_operation() {
        actix_web::rt::System::new().block_on(async {
            let get = Operation::get("/greet/{name}", "greet", "Greet", greet);
            let post = Operation::post("/greet/{name}", "greetByPost", "Greet", greet);
            let resource = web::resource(get.path)
                .route(get.route())
                .route(post.route());
            let app = test::init_service(App::new().service(resource)).await;
            for (method, path, status) in [
                (Method::GET, "/greet/ada", 200),
                (Method::HEAD, "/greet/ada", 200),
                (Method::POST, "/greet/ada", 200),
                (Method::PUT, "/greet/ada", 405),
                (Method::GET, "/greet/nobody", 404),
            ] {
                let request = test::TestRequest::with_uri(path).method(method.clone());
                let response = test::call_service(&app, request.to_request()).await;
                assert_eq!(response.status().as_u16(), status, "{method} {path}");
            }
        });
    }
}
