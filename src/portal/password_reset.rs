//! Password reset by users who forgot their password: the request for a link, and the page that the link
//! opens.

use actix_web::HttpResponse;
use actix_web::cookie::Cookie;
use actix_web::http::StatusCode;
use maud::{Markup, html};

use super::components::{self, Field};
use super::form::Form;
use super::page::{PageHeader, plain_page};
use super::page_error::PageError;
use super::password_link::{self, PasswordLink, password_set, submitted};
use super::session_extractor::{AnonymousForm, PageContext};
use crate::error::{Code, Error};
use crate::manage::password_reset;

/// The path of the page on which a user asks for a link.
pub const FORGOT: &str = "/password/forgot";

/// The pages of a link.
pub(super) const LINK: PasswordLink = PasswordLink {
    path: "/password/reset",
    password_path: "/password/new",
    title: "reset",
    text: "reset-text",
};

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

/// The page that a link opens.
pub async fn show_reset(context: PageContext) -> Result<HttpResponse, PageError> {
    Ok(LINK.paste_page(context, StatusCode::OK, None, &Form::default()))
}

/// The page to set the password, for a valid link.
pub async fn open(
    AnonymousForm { context, form, .. }: AnonymousForm,
) -> Result<HttpResponse, PageError> {
    let found = password_reset::find(&context.server, submitted(&form), context.now()).await?;
    Ok(match found {
        Some(email) => LINK.password_page(&context, StatusCode::OK, &form, &email, None),
        None => gone_page(&context),
    })
}

fn gone_page(context: &PageContext) -> HttpResponse {
    let content = html! {
        p { (context.t("reset-gone-text")) }
        p { a.button.primary href=(context.link(FORGOT)) { (context.t("forgot-again")) } }
    };
    password_link::gone_page(context, content)
}

/// Sets the password with a link.
pub async fn accept(
    AnonymousForm { context, form, .. }: AnonymousForm,
) -> Result<HttpResponse, PageError> {
    let (server, link) = (&context.server, submitted(&form));
    let password = form.password("password");
    match password_reset::accept(server, link, password, &context.request).await {
        Ok(()) => Ok(password_set(&context)),
        Err(error) if error.code() == Code::NotFound => Ok(gone_page(&context)),
        Err(error) if error.wrong_field().is_some() => {
            let email = password_reset::find(server, link, context.now()).await?;
            let (status, email) = (StatusCode::BAD_REQUEST, email.unwrap_or_default());
            Ok(LINK.password_page(&context, status, &form, &email, Some(&error)))
        }
        Err(error) => Err(error.into()),
    }
}
