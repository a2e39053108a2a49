//! The layer for axum, and for any other server of tower services.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum_core::body::Body;
use axum_core::extract::FromRequestParts;
use axum_core::response::Response;
use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderValue, Request, StatusCode};
use tower_layer::Layer;
use tower_service::Service;

use crate::{Caller, Refusal, RequireScope, Verifier};

impl<S> Layer<S> for RequireScope {
    type Service = Protected<S>;

    fn layer(&self, service: S) -> Protected<S> {
        Protected {
            service,
            rule: self.clone(),
        }
    }
}

/// A service whose requests need a scope.
#[derive(Clone)]
pub struct Protected<S> {
    service: S,
    rule: RequireScope,
}

impl<S, B> Service<Request<B>> for Protected<S>
where
    S: Service<Request<B>, Response = Response> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // The service that is ready must be the one that is called; its clone may not be.
        let clone = self.service.clone();
        let mut service = std::mem::replace(&mut self.service, clone);
        let rule = self.rule.clone();
        let header = request.headers().get(AUTHORIZATION).cloned();
        Box::pin(async move {
            let authorization = header
                .as_ref()
                .map(|value| value.to_str().unwrap_or_default());
            match rule.verifier.authorize(authorization, &rule.scope).await {
                Ok(caller) => {
                    request.extensions_mut().insert(caller);
                    service.call(request).await
                }
                Err(refusal) => Ok(respond(&rule.verifier, &refusal)),
            }
        })
    }
}

fn respond(verifier: &Verifier, refusal: &Refusal) -> Response {
    let mut response = Response::new(Body::from(refusal.body()));
    let status = StatusCode::from_u16(refusal.status());
    *response.status_mut() = status.unwrap_or(StatusCode::UNAUTHORIZED);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let challenge = verifier.challenge(refusal);
    match challenge.map(|text| HeaderValue::from_str(&text)) {
        Some(Ok(challenge)) => headers.insert(WWW_AUTHENTICATE, challenge),
        Some(Err(_)) => headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
        None => headers.insert(RETRY_AFTER, HeaderValue::from_static("1")),
    };
    response
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = (StatusCode, &'static str);

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let caller = parts.extensions.get::<Caller>().cloned();
        caller.ok_or((
            StatusCode::INTERNAL_SERVER_ERROR,
            "the route is not protected by `Verifier::require`",
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::{Ready, ready};

    use base64::Engine;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;

    use super::*;
    use crate::{Options, Verifier};

    /// The route behind the layer.
    #[derive(Clone)]
    struct Route;

    impl Service<Request<Body>> for Route {
        type Response = Response;
        type Error = Infallible;
        type Future = Ready<Result<Response, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<Body>) -> Self::Future {
            ready(Ok(Response::new(Body::empty())))
        }
    }

    fn respond_to(authorization: Option<&str>) -> Response {
        // Nothing listens on this port.
        let options = Options::new("http://127.0.0.1:1", "https://orders.example/");
        let metadata = "https://orders.example/metadata";
        let verifier = Verifier::new(options.resource_metadata(metadata)).unwrap();
        let mut request = Request::new(Body::empty());
        if let Some(authorization) = authorization {
            let value = HeaderValue::from_str(authorization).unwrap();
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        let mut service = verifier.require("orders:read").layer(Route);
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(service.call(request)).unwrap()
    }

    #[test]
    fn the_layer_refuses_requests_without_a_valid_credential() {
        let header = r#"{"alg":"RS256","typ":"at+jwt","kid":"a"}"#;
        let jwt = format!("Bearer {}.e30.AA", BASE64_URL_SAFE_NO_PAD.encode(header));
        let metadata = r#"resource_metadata="https://orders.example/metadata""#;
        let cases = [
            (None, 401, WWW_AUTHENTICATE, format!("Bearer {metadata}")),
            (
                Some("Bearer key"),
                401,
                WWW_AUTHENTICATE,
                format!(r#"Bearer error="invalid_token", {metadata}"#),
            ),
            (Some(jwt.as_str()), 503, RETRY_AFTER, "1".to_owned()),
        ];
        for (authorization, status, name, value) in cases {
            let response = respond_to(authorization);
            assert_eq!(response.status(), status, "{authorization:?}");
            assert_eq!(response.headers()[name], value, "{authorization:?}");
        }
    }
}
