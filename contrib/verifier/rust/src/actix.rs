//! The middleware for actix-web.

use std::future::{Ready, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Payload, Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::error::ErrorInternalServerError;
use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{Error, FromRequest, HttpMessage, HttpRequest, HttpResponse};

use crate::{Caller, Refusal, RequireScope, Verifier};

impl<S, B> Transform<S, ServiceRequest> for RequireScope
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type InitError = ();
    type Transform = Protected<S>;
    type Future = Ready<Result<Protected<S>, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(Protected {
            service: Rc::new(service),
            rule: self.clone(),
        }))
    }
}

/// A service whose requests need a scope.
pub struct Protected<S> {
    service: Rc<S>,
    rule: RequireScope,
}

impl<S, B> Service<ServiceRequest> for Protected<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>>>>;

    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.service.poll_ready(context)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let (service, rule) = (Rc::clone(&self.service), self.rule.clone());
        Box::pin(async move {
            let header = request.headers().get(AUTHORIZATION);
            let authorization = header.map(|value| value.to_str().unwrap_or_default());
            let result = rule.verifier.authorize(authorization, &rule.scope).await;
            match result {
                Ok(caller) => {
                    request.extensions_mut().insert(caller);
                    let response = service.call(request).await?;
                    Ok(response.map_into_left_body())
                }
                Err(refusal) => {
                    let response = respond(&rule.verifier, &refusal);
                    Ok(request.into_response(response).map_into_right_body())
                }
            }
        })
    }
}

fn respond(verifier: &Verifier, refusal: &Refusal) -> HttpResponse {
    let status = StatusCode::from_u16(refusal.status());
    let mut response = HttpResponse::build(status.unwrap_or(StatusCode::UNAUTHORIZED));
    response.content_type("application/json");
    match verifier.challenge(refusal) {
        Some(challenge) => response.insert_header((WWW_AUTHENTICATE, challenge)),
        None => response.insert_header((RETRY_AFTER, "1")),
    };
    response.body(refusal.body())
}

impl FromRequest for Caller {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let caller = request.extensions().get::<Caller>().cloned();
        ready(caller.ok_or_else(|| {
            ErrorInternalServerError("the route is not protected by `Verifier::require`")
        }))
    }
}
