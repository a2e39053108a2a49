//! The web portal: where partners help themselves and operators see what goes on. Pages are made on the
//! server; it knows the verbs of `manage/` alone.
//!
//! A page is a file: its handlers, then what it shows. All of them stand on three: [`visit`] (who asks,
//! and what a form brought), [`page`] (the frame and its parts) and [`language`] (the words).

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, HeaderName, HeaderValue};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::Data;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, Resource, web};

mod accounts;
mod api_keys;
mod applications;
mod assets;
mod audit;
mod chart;
pub mod language;
mod overview;
mod page;
mod people;
mod profile;
pub mod quick_start;
mod registration_tokens;
mod resource_servers;
mod secrets;
mod sign_in;
mod signing_keys;
mod visit;

use crate::config::Issuer;
use crate::error::{Code, Error};
use crate::http::observe::{Reason, RequestId};
use crate::manage::AuthorizationServer;
use visit::{Failure, Form, Visitor};

/// Nothing from elsewhere, nothing inline, no frame around us, forms to us alone.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// All pages; where the issuer has a path, below that path too, for proxies that leave it on.
pub fn routes(issuer: &Issuer, config: &mut web::ServiceConfig) {
    let prefixes = ["", issuer.path()];
    for prefix in if issuer.path().is_empty() { &prefixes[..1] } else { &prefixes[..] } {
        let start = format!("{}/portal", issuer.path());
        config.service(web::resource(format!("{prefix}/")).route(web::get().to(move || {
            let start = start.clone();
            async move { page::redirect(&start, &[]) }
        })));
        config.service(
            web::scope(&format!("{prefix}/portal")).wrap(from_fn(framed)).configure(pages).default_service(web::to(nothing)),
        );
    }
}

fn pages(config: &mut web::ServiceConfig) {
    let at =
        |path: &str, resource: fn(Resource) -> Resource| resource(web::resource(path)).default_service(web::to(wrong_method));
    config
        .service(at("", |r| r.get(sign_in::start)))
        .service(at("/", |r| r.get(sign_in::start)))
        .service(at("/sign-in", |r| r.get(sign_in::show).post(sign_in::sign_in)))
        .service(at("/second-factor", |r| r.get(sign_in::show_second_factor).post(sign_in::second_factor)))
        .service(at("/sign-out", |r| r.post(sign_in::sign_out)))
        .service(at("/invitation/{link}", |r| r.get(sign_in::show_invitation).post(sign_in::accept_invitation)))
        .service(at("/language", |r| r.post(sign_in::choose_language)))
        .service(at("/profile", |r| r.get(profile::show)))
        .service(at("/profile/password", |r| r.post(profile::change_password)))
        .service(at("/profile/second-factor", |r| r.get(profile::show_enrolment).post(profile::enrol)))
        .service(at("/profile/second-factor/remove", |r| r.post(profile::remove_second_factor)))
        .service(at("/profile/recovery-codes", |r| r.post(profile::renew_recovery_codes)))
        .service(at("/profile/sessions/{id}/end", |r| r.post(profile::end_session)))
        .service(at("/overview", |r| r.get(overview::show)))
        .service(at("/applications", |r| r.get(applications::list).post(applications::create)))
        .service(at("/applications/new", |r| r.get(applications::show_new)))
        .service(at("/applications/{id}", |r| r.get(applications::show)))
        .service(at("/applications/{id}/edit", |r| r.get(applications::show_edit).post(applications::edit)))
        .service(at("/applications/{id}/disable", |r| r.get(applications::ask_disable).post(applications::disable)))
        .service(at("/applications/{id}/enable", |r| r.post(applications::enable)))
        .service(at("/applications/{id}/delete", |r| r.get(applications::ask_delete).post(applications::delete)))
        .service(at("/applications/{id}/revoke-tokens", |r| r.get(applications::ask_revoke).post(applications::revoke)))
        .service(at("/applications/{id}/quick-start", |r| r.get(applications::quick_start)))
        .service(at("/applications/{id}/secrets", |r| r.get(secrets::list).post(secrets::create)))
        .service(at("/applications/{id}/secrets/rotate", |r| r.post(secrets::rotate)))
        .service(at("/applications/{id}/secrets/{secret}/delete", |r| r.get(secrets::ask_delete).post(secrets::delete)))
        .service(at("/api-keys", |r| r.get(api_keys::choose)))
        .service(at("/applications/{id}/keys", |r| r.get(api_keys::list).post(api_keys::create)))
        .service(at("/applications/{id}/keys/{key}/rotate", |r| r.get(api_keys::ask_rotate).post(api_keys::rotate)))
        .service(at("/applications/{id}/keys/{key}/revoke", |r| r.get(api_keys::ask_revoke).post(api_keys::revoke)))
        .service(at("/people", |r| r.get(people::list).post(people::invite)))
        .service(at("/people/second-factor", |r| r.post(people::require_second_factor)))
        .service(at("/people/{id}", |r| r.get(people::show)))
        .service(at("/people/{id}/role", |r| r.post(people::set_role)))
        .service(at("/people/{id}/link", |r| r.post(people::link)))
        .service(at("/people/{id}/second-factor/reset", |r| r.post(people::reset_second_factor)))
        .service(at("/people/{id}/remove", |r| r.get(people::ask_remove).post(people::remove)))
        .service(at("/accounts", |r| r.get(accounts::list).post(accounts::create)))
        .service(at("/accounts/{id}/second-factor", |r| r.post(accounts::require_second_factor)))
        .service(at("/resource-servers", |r| r.get(resource_servers::list).post(resource_servers::create)))
        .service(at("/resource-servers/delete", |r| r.get(resource_servers::ask_delete).post(resource_servers::delete)))
        .service(at("/registration-tokens", |r| r.get(registration_tokens::list).post(registration_tokens::create)))
        .service(at("/registration-tokens/{id}/delete", |r| {
            r.get(registration_tokens::ask_delete).post(registration_tokens::delete)
        }))
        .service(at("/signing-keys", |r| r.get(signing_keys::list)))
        .service(at("/signing-keys/rotate", |r| r.post(signing_keys::rotate)))
        .service(at("/signing-keys/{kid}/retire", |r| r.get(signing_keys::ask_retire).post(signing_keys::retire)))
        .service(at("/audit", |r| r.get(audit::list)));
    config.configure(assets::routes);
}

async fn nothing(_: Visitor) -> Result<HttpResponse, Failure> {
    Err(Error::new(Code::NotFound, "There is no page at this address").into())
}

async fn wrong_method(_: Visitor, request: HttpRequest) -> Result<HttpResponse, Failure> {
    // Whoever reloads the answer to a form gets here by GET.
    let method = request.method().clone();
    Err(Error::new(Code::MethodNotAllowed, format!("This page does not answer {method}")).into())
}

/// Around every page: what failed becomes a page too, and the headers that browsers heed are set.
async fn framed(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let path = request.path().to_owned();
    let answer = next.call(request).await?.map_into_boxed_body();
    let failed =
        answer.response().error().and_then(|error| error.as_error::<Failure>()).map(|failure| page_of(answer.request(), failure));
    let mut answer = match failed {
        Some(page) => answer.into_response(page),
        None => answer,
    };
    let headers = answer.headers_mut();
    let mut set = |name: &'static str, value: &'static str| {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    };
    set("content-security-policy", POLICY);
    set("x-content-type-options", "nosniff");
    // Not `no-referrer`: browsers then say `Origin: null` of our own forms.
    set("referrer-policy", "same-origin");
    set("cross-origin-opener-policy", "same-origin");
    set("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()");
    if !path.contains("/portal/assets/") {
        // Nothing of a session stays behind: not for the back button after signing out either.
        set("cache-control", "no-store");
        set("vary", "Cookie, Accept-Language");
    }
    Ok(answer)
}

fn page_of(request: &HttpRequest, failure: &Failure) -> HttpResponse {
    let Some(server) = request.app_data::<Data<AuthorizationServer>>() else {
        return HttpResponse::new(StatusCode::INTERNAL_SERVER_ERROR);
    };
    let (known, form) = {
        let extensions = request.extensions();
        (extensions.get::<Visitor>().cloned(), extensions.get::<Form>().cloned())
    };
    // Reading cookies wants the extensions for itself.
    let visitor = known.unwrap_or_else(|| Visitor::stranger(server, request));
    match failure {
        Failure::Error(error) => {
            let id = RequestId::of(request);
            let mut answer = page::failed(&visitor, error, form.as_ref(), id.as_deref(), &visitor.here);
            if error.code() == Code::MethodNotAllowed {
                let allow = if request.method() == "GET" { "POST" } else { "GET, HEAD" };
                answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
            }
            answer.extensions_mut().insert(Reason { code: error.code(), reason: error.reason().to_owned() });
            answer
        }
        Failure::SignIn => {
            let next: String = form_urlencoded::byte_serialize(visitor.here.as_bytes()).collect();
            page::redirect(&format!("{}?next={next}", visitor.link("/sign-in")), &[])
        }
        Failure::SecondFactor => page::redirect(&visitor.link("/second-factor"), &[]),
        Failure::Enrol => page::redirect(&visitor.link("/profile/second-factor"), &[]),
        Failure::Again(why) => {
            let mut answer = sign_in::again(visitor, why, &form.unwrap_or_default());
            answer.extensions_mut().insert(Reason { code: Code::AccessDenied, reason: (*why).to_owned() });
            answer
        }
    }
}
