//! The web portal for partners and operators. Pages are rendered on the server and work without
//! JavaScript.
//!
//! Each page is a module: its handlers, then its markup. All pages build on `session_extractor`
//! (who sent the request, and the form), `page` (the layout), `components` (fields, tables) and
//! [`language`] (the messages).

use std::rc::Rc;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::guard::{Any, Get, Head};
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::Data;
use actix_web::{
    FromRequest, Handler, HttpMessage, HttpRequest, HttpResponse, Resource, Responder, Route, web,
};

mod account;
mod account_field;
mod account_invitations;
mod account_switch;
mod accounts;
mod announcement_banner;
mod announcements;
mod api_key_bulk;
mod api_key_edit;
mod api_keys;
mod application;
mod application_actions;
mod application_activity;
mod application_bulk;
mod application_credentials;
mod application_details;
mod application_form;
mod applications;
mod assets;
mod audit;
mod chart;
mod components;
mod cookies;
mod credential_page;
mod csrf;
mod form;
mod invitation;
mod join;
pub mod language;
mod list_query;
pub mod mail_text;
mod mails;
mod overview;
mod page;
mod page_error;
mod password_link;
mod password_reset;
mod people;
mod person_removal;
mod profile;
pub mod quick_start;
mod registration_tokens;
mod resource_servers;
mod search;
mod search_dialog;
mod secret_bulk;
mod secret_edit;
mod secrets;
mod selection;
mod session_extractor;
mod sign_in;
mod signing_keys;
mod status;
mod trust_rule_form;
mod trust_rules;
mod try_key;
mod unused_credentials;
mod usage;
mod user_agent;
mod webhook_form;
mod webhooks;

use crate::config::Issuer;
use crate::error::{Code, Error};
use crate::http::error::LogError;
use crate::http::route::{BoxedHandler, to_boxed};
use crate::manage::AuthorizationServer;
use application_actions::{Action, confirm, perform};
use form::Form;
use page_error::{PageError, error_page};
use session_extractor::PageContext;

/// No resources of other origins, no inline scripts or styles, no framing, forms to this origin
/// only.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The routes of the portal. If the issuer has a path, they also exist below that path, for reverse
/// proxies that do not strip it.
pub fn routes(issuer: &Issuer, config: &mut web::ServiceConfig) {
    mount("", issuer, config);
    if !issuer.path().is_empty() {
        mount(issuer.path(), issuer, config);
    }
}

fn mount(prefix: &str, issuer: &Issuer, config: &mut web::ServiceConfig) {
    let start = format!("{}/portal", issuer.path());
    let to_start = move || {
        let start = start.clone();
        async move { page::redirect(&start, &[]) }
    };
    let get_or_head = web::route().guard(Any(Get()).or(Head()));
    config.service(web::resource(format!("{prefix}/")).route(get_or_head.to(to_start)));
    config.service(
        web::scope(&format!("{prefix}/portal"))
            .wrap(from_fn(layout))
            .configure(pages)
            .default_service(web::to(not_found)),
    );
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
            [get(invitation::show), post(invitation::open)],
        ))
        .service(at("/invitation/password", [post(invitation::accept)]))
        .service(at(
            "/password/forgot",
            [
                get(password_reset::show_forgot),
                post(password_reset::forgot),
            ],
        ))
        .service(at(
            "/password/reset",
            [get(password_reset::show_reset), post(password_reset::open)],
        ))
        .service(at("/password/new", [post(password_reset::accept)]))
        .service(at("/join", [get(join::show), post(join::open)]))
        .service(at("/join/accept", [post(join::accept)]))
        .service(at("/join/decline", [post(join::decline)]))
        .service(at("/switch-account", [post(account_switch::switch)]))
        .service(at("/language", [post(sign_in::choose_language)]))
        .service(at("/profile", [get(profile::show)]))
        .service(at("/profile/preferences", [post(profile::set_preferences)]))
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
        .service(at(
            "/profile/accounts/{id}/leave",
            [
                get(account_switch::confirm_leave),
                post(account_switch::leave),
            ],
        ))
        .service(at("/overview", [get(overview::show)]))
        .service(at("/search", [get(search::show)]))
        .service(at(
            "/applications",
            [get(applications::list), post(application_form::create)],
        ))
        .service(at("/applications/new", [get(application_form::show_new)]))
        .service(at(
            "/applications/selected",
            [
                get(application_bulk::confirm),
                post(application_bulk::perform),
            ],
        ))
        .service(at("/applications/{id}", [get(application_details::show)]))
        .service(at(
            "/applications/{id}/credentials",
            [get(application_credentials::show)],
        ))
        .service(at(
            "/applications/{id}/access",
            [get(application_details::show_access)],
        ))
        .service(at(
            "/applications/{id}/activity",
            [get(application_activity::show)],
        ))
        .service(at("/applications/{id}/usage/export", [get(usage::export)]))
        .service(at(
            "/applications/{id}/edit",
            [
                get(application_form::show_edit),
                post(application_form::edit),
            ],
        ))
        .service(at(
            "/applications/{id}/disable",
            [
                get(confirm(Action::Disable)),
                post(perform(Action::Disable)),
            ],
        ))
        .service(at(
            "/applications/{id}/enable",
            [post(perform(Action::Enable))],
        ))
        .service(at(
            "/applications/{id}/delete",
            [get(confirm(Action::Delete)), post(perform(Action::Delete))],
        ))
        .service(at(
            "/applications/{id}/revoke-tokens",
            [
                get(confirm(Action::RevokeTokens)),
                post(perform(Action::RevokeTokens)),
            ],
        ))
        .service(at(
            "/applications/{id}/renew-registration-token",
            [
                get(confirm(Action::RenewRegistrationToken)),
                post(perform(Action::RenewRegistrationToken)),
            ],
        ))
        .service(at(
            "/applications/{id}/revoke-registration-token",
            [
                get(confirm(Action::RevokeRegistrationToken)),
                post(perform(Action::RevokeRegistrationToken)),
            ],
        ))
        .service(at(
            "/applications/{id}/quick-start",
            [get(quick_start::show)],
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
            "/applications/{id}/secrets/{secret}",
            [get(credential_page::show_secret)],
        ))
        .service(at(
            "/applications/{id}/secrets/{secret}/export",
            [get(usage::export_secret)],
        ))
        .service(at(
            "/applications/{id}/secrets/{secret}/edit",
            [get(secret_edit::edit_form), post(secret_edit::edit)],
        ))
        .service(at(
            "/applications/{id}/secrets/{secret}/delete",
            [get(secrets::confirm_delete), post(secrets::delete)],
        ))
        .service(at("/api-keys", [get(api_keys::choose)]))
        .service(at("/unused-credentials", [get(unused_credentials::list)]))
        .service(at("/try", [get(try_key::show), post(try_key::try_out)]))
        .service(at(
            "/applications/{id}/revoke-keys",
            [get(api_key_bulk::confirm), post(api_key_bulk::revoke)],
        ))
        .service(at(
            "/applications/{id}/delete-secrets",
            [get(secret_bulk::confirm), post(secret_bulk::delete)],
        ))
        .service(at(
            "/applications/{id}/keys",
            [get(api_keys::list), post(api_keys::create)],
        ))
        .service(at(
            "/applications/{id}/keys/{key}",
            [get(credential_page::show_key)],
        ))
        .service(at(
            "/applications/{id}/keys/{key}/export",
            [get(usage::export_key)],
        ))
        .service(at(
            "/applications/{id}/keys/{key}/edit",
            [get(api_key_edit::edit_form), post(api_key_edit::edit)],
        ))
        .service(at(
            "/applications/{id}/keys/{key}/rotate",
            [get(api_keys::confirm_rotate), post(api_keys::rotate)],
        ))
        .service(at(
            "/applications/{id}/keys/{key}/revoke",
            [get(api_keys::confirm_revoke), post(api_keys::revoke)],
        ))
        .service(at(
            "/applications/{id}/trust-rules",
            [get(trust_rules::list)],
        ))
        .service(at(
            "/applications/{id}/trust-rules/new",
            [get(trust_rule_form::show), post(trust_rule_form::submit)],
        ))
        .service(at(
            "/applications/{id}/trust-rules/test",
            [get(trust_rules::show_test), post(trust_rules::test)],
        ))
        .service(at(
            "/applications/{id}/trust-rules/{rule}/disable",
            [post(trust_rules::disable)],
        ))
        .service(at(
            "/applications/{id}/trust-rules/{rule}/enable",
            [post(trust_rules::enable)],
        ))
        .service(at(
            "/applications/{id}/trust-rules/{rule}/delete",
            [get(trust_rules::confirm_delete), post(trust_rules::delete)],
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
            [get(person_removal::confirm), post(person_removal::remove)],
        ))
        .service(at(
            "/account-invitations/{id}/renew",
            [post(account_invitations::renew)],
        ))
        .service(at(
            "/account-invitations/{id}/withdraw",
            [post(account_invitations::withdraw)],
        ))
        .service(at("/account", [get(account::show), post(account::edit)]))
        .service(at(
            "/accounts",
            [get(accounts::list), post(accounts::create)],
        ))
        .service(at(
            "/accounts/{id}/edit",
            [get(accounts::show_edit), post(accounts::edit)],
        ))
        .service(at(
            "/accounts/{id}/close",
            [get(accounts::confirm_close), post(accounts::close)],
        ))
        .service(at(
            "/accounts/{id}/delete",
            [get(accounts::confirm_delete), post(accounts::delete)],
        ))
        .service(at("/accounts/{id}/reopen", [post(accounts::reopen)]))
        .service(at(
            "/accounts/{id}/second-factor",
            [post(accounts::require_second_factor)],
        ))
        .service(at(
            "/resource-servers",
            [get(resource_servers::list), post(resource_servers::create)],
        ))
        .service(at(
            "/resource-servers/edit",
            [
                get(resource_servers::show_edit),
                post(resource_servers::edit),
            ],
        ))
        .service(at(
            "/resource-servers/delete",
            [
                get(resource_servers::confirm_delete),
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
                get(registration_tokens::confirm_delete),
                post(registration_tokens::delete),
            ],
        ))
        .service(at(
            "/webhooks",
            [get(webhooks::list), post(webhook_form::create)],
        ))
        .service(at("/webhooks/new", [get(webhook_form::show_new)]))
        .service(at("/webhooks/{id}", [get(webhooks::show)]))
        .service(at(
            "/webhooks/{id}/edit",
            [get(webhook_form::show_edit), post(webhook_form::edit)],
        ))
        .service(at("/webhooks/{id}/enable", [post(webhooks::enable)]))
        .service(at("/webhooks/{id}/disable", [post(webhooks::disable)]))
        .service(at("/webhooks/{id}/test", [post(webhooks::test)]))
        .service(at(
            "/webhooks/{id}/rotate-secret",
            [
                get(webhooks::confirm_rotation),
                post(webhooks::rotate_secret),
            ],
        ))
        .service(at(
            "/webhooks/{id}/delete",
            [get(webhooks::confirm_delete), post(webhooks::delete)],
        ))
        .service(at(
            "/webhooks/{id}/deliveries/{delivery_id}",
            [get(webhooks::show_delivery)],
        ))
        .service(at(
            "/webhooks/{id}/deliveries/{delivery_id}/resend",
            [post(webhooks::resend)],
        ))
        .service(at("/signing-keys", [get(signing_keys::list)]))
        .service(at("/signing-keys/rotate", [post(signing_keys::rotate)]))
        .service(at(
            "/signing-keys/{kid}/retire",
            [
                get(signing_keys::confirm_retire),
                post(signing_keys::retire),
            ],
        ))
        .service(at(
            "/announcements",
            [get(announcements::list), post(announcements::create)],
        ))
        .service(at(
            "/announcements/{id}/edit",
            [get(announcements::edit_form), post(announcements::edit)],
        ))
        .service(at(
            "/announcements/{id}/delete",
            [
                get(announcements::confirm_delete),
                post(announcements::delete),
            ],
        ))
        .service(at(
            "/announcements/{id}/dismiss",
            [post(announcements::dismiss)],
        ))
        .service(at("/status", [get(status::show)]))
        .service(at("/status/mail", [get(mails::list), post(mails::test)]))
        .service(at("/audit", [get(audit::list)]))
        .service(at("/audit/export", [get(audit::export)]));
    config.configure(assets::routes);
}

/// The resource at a path. Other methods get 405 with `Allow`.
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
    resource.default_service(web::to(move |context: PageContext| {
        let allow = allow.clone();
        async move { method_not_allowed(&context, &allow) }
    }))
}

/// The route of a page, with the methods for `Allow`.
fn get<F, Args>(handler: F) -> (Route, &'static str)
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let route = web::route().guard(Any(Get()).or(Head()));
    (to_boxed(route, boxed(handler)), "GET, HEAD")
}

/// The route of a form, with the method for `Allow`.
fn post<F, Args>(handler: F) -> (Route, &'static str)
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    (to_boxed(web::post(), boxed(handler)), "POST")
}

/// Does for all pages what actix would do for the type of each handler.
fn boxed<F, Args>(handler: F) -> BoxedHandler
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    Rc::new(move |request, mut payload| {
        let handler = handler.clone();
        Box::pin(async move {
            match Args::from_request(&request, &mut payload).await {
                Ok(arguments) => handler
                    .call(arguments)
                    .await
                    .respond_to(&request)
                    .map_into_boxed_body(),
                Err(error) => HttpResponse::from_error(error),
            }
        })
    })
}

async fn not_found(_: PageContext) -> Result<HttpResponse, PageError> {
    Err(Error::new(Code::NotFound, "There is no page at this address").into())
}

/// People get here by opening the address of a submitted form.
fn method_not_allowed(context: &PageContext, allow: &str) -> HttpResponse {
    let error = Error::new(Code::MethodNotAllowed, format!("This page allows {allow}"));
    let mut response = error_page(context, &error, None, None, &context.path_and_query);
    if let Ok(allow) = HeaderValue::from_str(allow) {
        response.headers_mut().insert(ALLOW, allow);
    }
    page::set_log_error(&mut response, &error);
    response
}

/// The middleware around every page: turns a [`PageError`] into a page or a redirect, and sets the
/// security headers.
async fn layout(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let is_asset = request.path().contains("/portal/assets/");
    let response = next.call(request).await?.map_into_boxed_body();
    let replacement = response
        .response()
        .error()
        .and_then(|error| error.as_error::<PageError>())
        .map(|error| error_response(response.request(), error));
    let mut response = match replacement {
        Some(page) => response.into_response(page),
        None => response,
    };
    let cacheable = is_asset && response.status().is_success();
    set_security_headers(response.headers_mut(), cacheable);
    Ok(response)
}

fn set_security_headers(headers: &mut HeaderMap, cacheable: bool) {
    let mut set = |name: &'static str, value: &'static str| {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    };
    set("content-security-policy", CONTENT_SECURITY_POLICY);
    set("x-content-type-options", "nosniff");
    // With `no-referrer` browsers would send `Origin: null` with this portal's own forms.
    set("referrer-policy", "same-origin");
    set("cross-origin-opener-policy", "same-origin");
    set(
        "permissions-policy",
        "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    );
    if !cacheable {
        // After sign-out, the back button must not show a page of the session.
        set("cache-control", "no-store");
        set("vary", "Cookie, Accept-Language");
    }
}

/// The page of a refused request, with the reason for the access log.
fn denied(mut page: HttpResponse, reason: String) -> HttpResponse {
    page.extensions_mut().insert(LogError {
        code: Code::AccessDenied,
        error: reason,
    });
    page
}

/// The response in place of a page that a handler could not answer with.
fn error_response(request: &HttpRequest, error: &PageError) -> HttpResponse {
    let Some(server) = request.app_data::<Data<AuthorizationServer>>() else {
        return HttpResponse::new(StatusCode::INTERNAL_SERVER_ERROR);
    };
    // Cloned, because reading cookies below borrows the extensions mutably.
    let context = request.extensions().get::<PageContext>().cloned();
    let form = request.extensions().get::<Form>().cloned();
    let context = context.unwrap_or_else(|| PageContext::anonymous(server, request));
    match error {
        PageError::Error(error) => {
            let id = context.request.request_id.to_string();
            let path = &context.path_and_query;
            let mut response = error_page(&context, error, form.as_ref(), Some(&id), path);
            page::set_log_error(&mut response, error);
            response
        }
        PageError::PersonGone(error) => people::gone_page(&context, error),
        PageError::SignInRequired => {
            let path = context.path_and_query.as_bytes();
            let next: String = form_urlencoded::byte_serialize(path).collect();
            page::redirect(&format!("{}?next={next}", context.link("/sign-in")), &[])
        }
        PageError::SecondFactorRequired => page::redirect(&context.link("/second-factor"), &[]),
        PageError::EnrolmentRequired => {
            page::redirect(&context.link("/profile/second-factor"), &[])
        }
        PageError::OtherAccount(opened_in) => {
            let page = account_switch::other_account_page(&context, opened_in, &[]);
            denied(page, error.to_string())
        }
        PageError::PageOfOtherAccount(id) => denied(
            account_switch::page_of_other_account(&context, id),
            error.to_string(),
        ),
        PageError::DuplicateSubmission(list) => {
            page::redirect(&format!("{list}?done=already"), &[])
        }
        PageError::Resubmit(message) => {
            let page = sign_in::resubmit(context, message, &form.unwrap_or_default());
            denied(page, (*message).to_owned())
        }
    }
}
