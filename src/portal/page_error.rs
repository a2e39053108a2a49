//! Why a handler did not answer with its page, and the pages that are shown instead.

use std::fmt;

use actix_web::http::header::RETRY_AFTER;
use actix_web::http::{ConnectionType, StatusCode};
use actix_web::{HttpResponse, ResponseError};
use maud::{Markup, html};

use super::components::{Field, hidden};
use super::form::{CSRF_TOKEN, Form, IDEMPOTENCY_KEY};
use super::page::{PageHeader, plain_page};
use super::session_extractor::PageContext;
use crate::credential::redacted;
use crate::error::{Code, Error};

/// Why a handler did not answer with its page. The layout middleware turns it into a page or a
/// redirect.
#[derive(Debug)]
pub enum PageError {
    /// The request failed.
    Error(Error),
    /// Nobody is signed in.
    SignInRequired,
    /// The user must enter the second factor first.
    SecondFactorRequired,
    /// The account requires a second factor, and the user has not enrolled one.
    EnrolmentRequired,
    /// The form belongs to a session that has ended, or to another one. It can be submitted again
    /// from the current session. Holds the message that says so.
    Resubmit(&'static str),
    /// The form was opened in another account than the one in use. Holds the id of that account.
    OtherAccount(String),
    /// The page is one of another account than the one in use. Holds the id of that account.
    PageOfOtherAccount(String),
    /// The person or the invitation is gone. Holds the refusal that says how.
    PersonGone(Error),
    /// The form was submitted twice, and the first submission succeeded. Holds the page that shows
    /// the result.
    DuplicateSubmission(String),
}

impl From<Error> for PageError {
    fn from(error: Error) -> Self {
        PageError::Error(error)
    }
}

impl fmt::Display for PageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PageError::Error(error) | PageError::PersonGone(error) => error.fmt(f),
            PageError::SignInRequired => f.write_str("sign-in is required"),
            PageError::SecondFactorRequired => f.write_str("the second factor is required"),
            PageError::EnrolmentRequired => f.write_str("a second factor must be enrolled"),
            PageError::Resubmit(message) => f.write_str(message),
            PageError::OtherAccount(_) => f.write_str("the form was opened in another account"),
            PageError::PageOfOtherAccount(_) => f.write_str("the page is of another account"),
            PageError::DuplicateSubmission(_) => f.write_str("the form was submitted twice"),
        }
    }
}

/// Never sent: the layout middleware replaces the response.
impl ResponseError for PageError {
    fn status_code(&self) -> StatusCode {
        StatusCode::INTERNAL_SERVER_ERROR
    }

    fn error_response(&self) -> HttpResponse {
        HttpResponse::new(self.status_code())
    }
}

/// Splits the result of a form: errors that the user can correct are for the same page again, all
/// others for an error page.
///
/// # Errors
/// All errors that the user cannot correct. A duplicate submission leads to the page at `list`.
pub fn recoverable<T>(
    context: &PageContext,
    result: Result<T, Error>,
    list: &str,
) -> Result<Result<T, Error>, PageError> {
    let error = match result {
        Ok(value) => return Ok(Ok(value)),
        Err(error) => error,
    };
    match error.code() {
        Code::AlreadyDone => Err(PageError::DuplicateSubmission(context.link(list))),
        Code::InvalidRequest | Code::InvalidScope | Code::Conflict | Code::PreconditionFailed => {
            Ok(Err(error))
        }
        Code::AccessDenied if error.refusal().is_some() => Ok(Err(error)),
        _ => Err(error.into()),
    }
}

/// The page of a failed request. If trying again can help, it holds the form with what was typed.
pub fn error_page(
    context: &PageContext,
    error: &Error,
    form: Option<&Form>,
    request_id: Option<&str>,
    path: &str,
) -> HttpResponse {
    let name = match error.code() {
        Code::NotFound => "not-found",
        Code::TemporarilyUnavailable => "unavailable",
        Code::TooManyRequests => "too-many",
        Code::AccessDenied | Code::InsufficientScope => "denied",
        Code::ServerError => "fault",
        _ => "refused",
    };
    let resubmission = error
        .retry_after()
        .and(form)
        .filter(|_| error.code() == Code::TemporarilyUnavailable);
    let content = html! {
        p { @if error.refusal().is_some() { (context.localize(error)) } @else { (context.t(&format!("failed-{name}-text"))) } }
        @if let Some(form) = resubmission {
            p { (context.t("failed-resubmit")) }
            (resubmit_form(context, form, form.get(CSRF_TOKEN), path))
        } @else if error.retry_after().is_some() {
            p { a.button href=(context.path_and_query) { (context.t("try-again")) } }
        } @else {
            p { a.button href=(context.link("")) { (context.t("to-start")) } }
        }
        @if let Some(id) = request_id { p.help { (context.t("request-id")) " " code { (id) } } }
    };
    let header = PageHeader::titled(context.t(&format!("failed-{name}")));
    let status = crate::http::error::status(error.code());
    let mut response = plain_page(context, status, &header, content, &[]);
    if matches!(error.code(), Code::ContentTooLarge | Code::RequestTimeout) {
        // The unread rest of the body would be taken for the next request.
        response
            .head_mut()
            .set_connection_type(ConnectionType::Close);
    }
    if let Some(wait) = error.retry_after() {
        let seconds = wait.as_secs().max(1);
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}

/// A form with what was typed, to be submitted again to `path`. Secret fields are empty.
pub fn resubmit_form(context: &PageContext, form: &Form, csrf_token: &str, path: &str) -> Markup {
    let internal = |name: &str| {
        matches!(
            name,
            IDEMPOTENCY_KEY | "version" | "sealed" | "step" | "username"
        )
    };
    let shown: Vec<(&str, &str)> = form
        .resubmittable()
        .filter(|(name, value)| !internal(name) && !value.is_empty())
        .collect();
    html! {
        form method="post" action=(path) {
            (hidden(CSRF_TOKEN, csrf_token))
            @for (name, value) in form.resubmittable() { (hidden(name, value)) }
            @if !shown.is_empty() {
                dl.resubmission {
                    @for (name, value) in shown {
                        dt { (context.t(&format!("field-{}", name.replace('_', "-")))) }
                        dd { (redacted(value)) }
                    }
                }
            }
            @for name in form.secrets() { (Field::new(context, name, None).input("password", "")) }
            button { (context.t("resubmit")) }
        }
    }
}
