//! Password reset by users who forgot their password: the request for a link, and the page that the link
//! opens.

use actix_web::HttpResponse;
use actix_web::cookie::Cookie;
use actix_web::http::StatusCode;
use maud::{Markup, html};

use super::components::{self, Field};
use super::form::Form;
use super::page::{PageHeader, plain_page, redirect};
use super::page_error::PageError;
use super::session_extractor::{AnonymousForm, PageContext};
use super::sign_in::{LINK, new_password_form, paste_link_form};
use crate::error::{Code, Error};
use crate::manage::password_reset;

/// The paths of the pages.
pub const FORGOT: &str = "/password/forgot";
const RESET: &str = "/password/reset";
const NEW: &str = "/password/new";

/// The page on which a user asks for a link.
pub async fn show_forgot(context: PageContext) -> Result<HttpResponse, PageError> {
    Ok(forgot_page(
        context,
        StatusCode::OK,
        None,
        &Form::default(),
        None,
    ))
}

/// The page, without the current session: it is about the next one.
pub fn forgot_page(
    mut context: PageContext,
    status: StatusCode,
    notice: Option<Markup>,
    submitted: &Form,
    error: Option<&Error>,
) -> HttpResponse {
    context.session = None;
    let csrf_cookie = context.ensure_csrf_cookie();
    let content = html! {
        @if context.server.mailer().is_some() {
            p { (context.t("forgot-text")) }
            (components::form(&context, FORGOT, html! {
                (Field::new(&context, "email", error).input_with("email", submitted.get("email"), "username"))
                button.primary { (context.t("forgot-send")) }
            }))
        } @else {
            p { (context.t("forgot-ask")) }
        }
        p { a href=(context.link("/sign-in")) { (context.t("to-sign-in")) } }
    };
    let header = PageHeader {
        notice,
        error,
        ..PageHeader::titled(context.t("forgot"))
    };
    let cookies: Vec<Cookie<'_>> = csrf_cookie.into_iter().collect();
    plain_page(&context, status, &header, content, &cookies)
}

/// Sends a link. The answer is the same whether or not the address is known.
pub async fn forgot(
    AnonymousForm { context, form, .. }: AnonymousForm,
) -> Result<HttpResponse, PageError> {
    let sent = password_reset::request(&context.server, form.text("email"), &context.request).await;
    match sent {
        Ok(()) => {
            let content = html! {
                p { (context.t("forgot-sent-text")) }
                p { a href=(context.link("/sign-in")) { (context.t("to-sign-in")) } }
            };
            let header = PageHeader::titled(context.t("forgot-sent"));
            Ok(plain_page(&context, StatusCode::OK, &header, content, &[]))
        }
        Err(error)
            if matches!(
                error.code(),
                Code::InvalidRequest | Code::Conflict | Code::TooManyRequests
            ) =>
        {
            let status = crate::http::error::status(error.code());
            Ok(forgot_page(context, status, None, &form, Some(&error)))
        }
        Err(error) => Err(error.into()),
    }
}

/// The page that a link opens. The secret is in the fragment, as in that of an invitation.
pub async fn show_reset(context: PageContext) -> Result<HttpResponse, PageError> {
    Ok(paste_page(context, StatusCode::OK, None, ""))
}

/// The page on which a link is pasted.
pub fn paste_page(
    mut context: PageContext,
    status: StatusCode,
    notice: Option<Markup>,
    link: &str,
) -> HttpResponse {
    let csrf_cookie = context.ensure_csrf_cookie();
    let content = paste_link_form(&context, RESET, link);
    let header = PageHeader {
        notice,
        ..PageHeader::titled(context.t("reset"))
    };
    let cookies: Vec<Cookie<'_>> = csrf_cookie.into_iter().collect();
    plain_page(&context, status, &header, content, &cookies)
}

/// The page to set the password, for a valid link.
pub async fn open(
    AnonymousForm { context, form, .. }: AnonymousForm,
) -> Result<HttpResponse, PageError> {
    let link = form.text(LINK);
    Ok(
        match password_reset::find(&context.server, link, context.now()).await? {
            Some(email) => new_password_page(&context, StatusCode::OK, link, &email, None),
            None => gone_page(&context),
        },
    )
}

fn gone_page(context: &PageContext) -> HttpResponse {
    let content = html! {
        p { (context.t("reset-gone-text")) }
        p { a.button.primary href=(context.link(FORGOT)) { (context.t("forgot-again")) } }
    };
    let header = PageHeader::titled(context.t("invitation-gone"));
    plain_page(context, StatusCode::NOT_FOUND, &header, content, &[])
}

fn new_password_page(
    context: &PageContext,
    status: StatusCode,
    link: &str,
    email: &str,
    error: Option<&Error>,
) -> HttpResponse {
    let content = html! {
        p { (context.t("reset-text")) }
        (new_password_form(context, NEW, link, email, error))
    };
    let header = PageHeader {
        error,
        ..PageHeader::titled(context.t("reset"))
    };
    plain_page(context, status, &header, content, &[])
}

/// Sets the password with a link.
pub async fn accept(
    AnonymousForm { context, form, .. }: AnonymousForm,
) -> Result<HttpResponse, PageError> {
    let link = form.text(LINK);
    let password = form.password("password");
    match password_reset::accept(&context.server, link, password, &context.request).await {
        Ok(()) => Ok(redirect(
            &format!("{}?done=password-set", context.link("/sign-in")),
            &[context.expired_session_cookie()],
        )),
        Err(error) if error.code() == Code::NotFound => Ok(gone_page(&context)),
        Err(error) if error.wrong_field().is_some() => {
            let found = password_reset::find(&context.server, link, context.now()).await?;
            let email = found.unwrap_or_default();
            let status = StatusCode::BAD_REQUEST;
            Ok(new_password_page(
                &context,
                status,
                link,
                &email,
                Some(&error),
            ))
        }
        Err(error) => Err(error.into()),
    }
}
