//! The web portal: where partners help themselves and operators see what goes on. Pages are made on the
//! server; it knows the verbs of `manage/` alone.
//!
//! A page is a file: its handlers, then what it shows. All of them stand on three: [`visit`] (who asks,
//! and what a form brought), [`page`] (the frame and its parts) and [`language`] (the words).

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::guard::{Any, Get, Head};
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, HeaderName, HeaderValue};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::Data;
use actix_web::{
    FromRequest, Handler, HttpMessage, HttpRequest, HttpResponse, Resource, Responder, Route, web,
};

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
use crate::http::error::LogReason;
use crate::manage::AuthorizationServer;
use visit::{Failure, Form, Visitor};

/// Nothing from elsewhere, nothing inline, no frame around us, forms to us alone.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// All pages; where the issuer has a path, below that path too, for proxies that leave it on.
pub fn routes(issuer: &Issuer, config: &mut web::ServiceConfig) {
    let prefixes = ["", issuer.path()];
    for prefix in if issuer.path().is_empty() {
        &prefixes[..1]
    } else {
        &prefixes[..]
    } {
        let start = format!("{}/portal", issuer.path());
        config.service(web::resource(format!("{prefix}/")).route(
            web::route().guard(Any(Get()).or(Head())).to(move || {
                let start = start.clone();
                async move { page::redirect(&start, &[]) }
            }),
        ));
        config.service(
            web::scope(&format!("{prefix}/portal"))
                .wrap(from_fn(framed))
                .configure(pages)
                .default_service(web::to(nothing)),
        );
    }
}

fn pages(config: &mut web::ServiceConfig) {
    config
        .service(at("", [get(sign_in::start)]))
        .service(at("/", [get(sign_in::start)]))
        .service(at("/sign-in", [get(sign_in::show), post(sign_in::sign_in)]))
        .service(at(
            "/second-factor",
            [
                get(sign_in::show_second_factor),
                post(sign_in::second_factor),
            ],
        ))
        .service(at("/sign-out", [post(sign_in::sign_out)]))
        .service(at(
            "/invitation",
            [
                get(sign_in::show_invitation),
                post(sign_in::open_invitation),
            ],
        ))
        .service(at(
            "/invitation/password",
            [post(sign_in::accept_invitation)],
        ))
        .service(at("/language", [post(sign_in::choose_language)]))
        .service(at("/profile", [get(profile::show)]))
        .service(at("/profile/password", [post(profile::change_password)]))
        .service(at(
            "/profile/second-factor",
            [get(profile::show_enrolment), post(profile::enrol)],
        ))
        .service(at(
            "/profile/second-factor/remove",
            [post(profile::remove_second_factor)],
        ))
        .service(at(
            "/profile/recovery-codes",
            [post(profile::renew_recovery_codes)],
        ))
        .service(at(
            "/profile/sessions/{id}/end",
            [post(profile::end_session)],
        ))
        .service(at("/overview", [get(overview::show)]))
        .service(at(
            "/applications",
            [get(applications::list), post(applications::create)],
        ))
        .service(at("/applications/new", [get(applications::show_new)]))
        .service(at("/applications/{id}", [get(applications::show)]))
        .service(at(
            "/applications/{id}/edit",
            [get(applications::show_edit), post(applications::edit)],
        ))
        .service(at(
            "/applications/{id}/disable",
            [get(applications::ask_disable), post(applications::disable)],
        ))
        .service(at(
            "/applications/{id}/enable",
            [post(applications::enable)],
        ))
        .service(at(
            "/applications/{id}/delete",
            [get(applications::ask_delete), post(applications::delete)],
        ))
        .service(at(
            "/applications/{id}/revoke-tokens",
            [get(applications::ask_revoke), post(applications::revoke)],
        ))
        .service(at(
            "/applications/{id}/renew-registration-token",
            [
                get(applications::ask_renew_registration),
                post(applications::renew_registration),
            ],
        ))
        .service(at(
            "/applications/{id}/revoke-registration-token",
            [
                get(applications::ask_revoke_registration),
                post(applications::revoke_registration),
            ],
        ))
        .service(at(
            "/applications/{id}/quick-start",
            [get(applications::quick_start)],
        ))
        .service(at(
            "/applications/{id}/secrets",
            [get(secrets::list), post(secrets::create)],
        ))
        .service(at(
            "/applications/{id}/secrets/rotate",
            [post(secrets::rotate)],
        ))
        .service(at(
            "/applications/{id}/secrets/{secret}/delete",
            [get(secrets::ask_delete), post(secrets::delete)],
        ))
        .service(at("/api-keys", [get(api_keys::choose)]))
        .service(at(
            "/applications/{id}/keys",
            [get(api_keys::list), post(api_keys::create)],
        ))
        .service(at(
            "/applications/{id}/keys/{key}/rotate",
            [get(api_keys::ask_rotate), post(api_keys::rotate)],
        ))
        .service(at(
            "/applications/{id}/keys/{key}/revoke",
            [get(api_keys::ask_revoke), post(api_keys::revoke)],
        ))
        .service(at("/people", [get(people::list), post(people::invite)]))
        .service(at(
            "/people/second-factor",
            [post(people::require_second_factor)],
        ))
        .service(at("/people/{id}", [get(people::show)]))
        .service(at("/people/{id}/role", [post(people::set_role)]))
        .service(at("/people/{id}/link", [post(people::link)]))
        .service(at(
            "/people/{id}/second-factor/reset",
            [post(people::reset_second_factor)],
        ))
        .service(at(
            "/people/{id}/remove",
            [get(people::ask_remove), post(people::remove)],
        ))
        .service(at(
            "/accounts",
            [get(accounts::list), post(accounts::create)],
        ))
        .service(at(
            "/accounts/{id}/second-factor",
            [post(accounts::require_second_factor)],
        ))
        .service(at(
            "/resource-servers",
            [get(resource_servers::list), post(resource_servers::create)],
        ))
        .service(at(
            "/resource-servers/delete",
            [
                get(resource_servers::ask_delete),
                post(resource_servers::delete),
            ],
        ))
        .service(at(
            "/registration-tokens",
            [
                get(registration_tokens::list),
                post(registration_tokens::create),
            ],
        ))
        .service(at(
            "/registration-tokens/{id}/delete",
            [
                get(registration_tokens::ask_delete),
                post(registration_tokens::delete),
            ],
        ))
        .service(at("/signing-keys", [get(signing_keys::list)]))
        .service(at("/signing-keys/rotate", [post(signing_keys::rotate)]))
        .service(at(
            "/signing-keys/{kid}/retire",
            [get(signing_keys::ask_retire), post(signing_keys::retire)],
        ))
        .service(at("/audit", [get(audit::list)]));
    config.configure(assets::routes);
}

/// A path with what it answers.
fn at<const N: usize>(path: &str, routes: [(Route, &'static str); N]) -> Resource {
    let allow = routes
        .iter()
        .map(|(_, methods)| *methods)
        .collect::<Vec<_>>()
        .join(", ");
    let resource = routes
        .into_iter()
        .fold(web::resource(path), |resource, (route, _)| {
            resource.route(route)
        });
    resource.default_service(web::to(move |visitor: Visitor| {
        let allow = allow.clone();
        async move { wrong_method(&visitor, &allow) }
    }))
}

/// A page.
fn get<F, Args>(handler: F) -> (Route, &'static str)
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    (
        web::route().guard(Any(Get()).or(Head())).to(handler),
        "GET, HEAD",
    )
}

/// What a form does.
fn post<F, Args>(handler: F) -> (Route, &'static str)
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    (web::post().to(handler), "POST")
}

async fn nothing(_: Visitor) -> Result<HttpResponse, Failure> {
    Err(Error::new(Code::NotFound, "There is no page at this address").into())
}

/// Whoever reloads the answer to a form may get here.
fn wrong_method(visitor: &Visitor, allow: &str) -> HttpResponse {
    let error = Error::new(Code::MethodNotAllowed, format!("This page answers {allow}"));
    let mut answer = page::failed(visitor, &error, None, None, &visitor.here);
    if let Ok(allow) = HeaderValue::from_str(allow) {
        answer.headers_mut().insert(ALLOW, allow);
    }
    answer.extensions_mut().insert(LogReason {
        code: error.code(),
        reason: error.reason().to_owned(),
    });
    answer
}

/// Around every page: what failed becomes a page too, and the headers that browsers heed are set.
async fn framed(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let of_asset = request.path().contains("/portal/assets/");
    let answer = next.call(request).await?.map_into_boxed_body();
    let failed = answer
        .response()
        .error()
        .and_then(|error| error.as_error::<Failure>())
        .map(|failure| page_of(answer.request(), failure));
    let mut answer = match failed {
        Some(page) => answer.into_response(page),
        None => answer,
    };
    let may_be_kept = of_asset && answer.status().is_success();
    let headers = answer.headers_mut();
    let mut set = |name: &'static str, value: &'static str| {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    };
    set("content-security-policy", POLICY);
    set("x-content-type-options", "nosniff");
    // Not `no-referrer`: browsers then say `Origin: null` of our own forms.
    set("referrer-policy", "same-origin");
    set("cross-origin-opener-policy", "same-origin");
    set(
        "permissions-policy",
        "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    );
    if !may_be_kept {
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
        (
            extensions.get::<Visitor>().cloned(),
            extensions.get::<Form>().cloned(),
        )
    };
    // Reading cookies wants the extensions for itself.
    let visitor = known.unwrap_or_else(|| Visitor::stranger(server, request));
    match failure {
        Failure::Error(error) => {
            let id = visitor.context.request_id.to_string();
            let mut answer = page::failed(&visitor, error, form.as_ref(), Some(&id), &visitor.here);
            answer.extensions_mut().insert(LogReason {
                code: error.code(),
                reason: error.reason().to_owned(),
            });
            answer
        }
        Failure::SignIn => {
            let next: String = form_urlencoded::byte_serialize(visitor.here.as_bytes()).collect();
            page::redirect(&format!("{}?next={next}", visitor.link("/sign-in")), &[])
        }
        Failure::SecondFactor => page::redirect(&visitor.link("/second-factor"), &[]),
        Failure::Enrol => page::redirect(&visitor.link("/profile/second-factor"), &[]),
        Failure::Already(list) => page::redirect(&format!("{list}?done=already"), &[]),
        Failure::Again(why) => {
            let mut answer = sign_in::again(visitor, why, &form.unwrap_or_default());
            answer.extensions_mut().insert(LogReason {
                code: Code::AccessDenied,
                reason: (*why).to_owned(),
            });
            answer
        }
    }
}
