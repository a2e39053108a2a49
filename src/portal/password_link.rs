//! The pages of a link by which a user sets a password. Its secret is in the fragment, which browsers do not
//! send: the script posts it, and without JavaScript the user pastes the link.

use actix_web::HttpResponse;
use actix_web::cookie::Cookie;
use actix_web::http::StatusCode;
use maud::{Markup, html};

use super::components::{self, Field, hidden};
use super::form::Form;
use super::page::{PageHeader, plain_page, redirect};
use super::session_extractor::PageContext;
use crate::error::Error;

/// The field with the link.
pub(super) const FIELD: &str = "link";

/// A kind of links.
pub(super) struct PasswordLink {
    /// The path of the page that the link opens, which posts the link to itself.
    pub path: &'static str,
    /// The path of the form for the password.
    pub password_path: &'static str,
    /// The messages for the title of the pages, and for the text above the password.
    pub title: &'static str,
    pub text: &'static str,
}

/// The link that a form has.
pub(super) fn submitted(form: &Form) -> &str {
    form.text(FIELD)
}

impl PasswordLink {
    /// The page with the form for the link, which the script fills from the fragment.
    pub(super) fn paste_page(
        &self,
        mut context: PageContext,
        status: StatusCode,
        notice: Option<Markup>,
        form: &Form,
    ) -> HttpResponse {
        let csrf_cookie = context.ensure_csrf_cookie();
        let content = components::form(
            &context,
            self.path,
            html! {
                div #fragment { (Field::new(&context, FIELD, None).help("help-link").input_with("text", form.get(FIELD), "off")) }
                button.primary { (context.t("continue")) }
            },
        );
        let header = PageHeader {
            notice,
            ..PageHeader::titled(context.t(self.title))
        };
        let cookies: Vec<Cookie<'_>> = csrf_cookie.into_iter().collect();
        plain_page(&context, status, &header, content, &cookies)
    }

    /// The page with the form for the password of the user with this email address.
    pub(super) fn password_page(
        &self,
        context: &PageContext,
        status: StatusCode,
        form: &Form,
        email: &str,
        error: Option<&Error>,
    ) -> HttpResponse {
        let fields = html! {
            (hidden(FIELD, submitted(form)))
            // Password managers need the user name.
            div.field {
                label for="email" { (context.t("field-email")) }
                input id="email" type="email" value=(email) readonly autocomplete="username";
            }
            (Field::new(context, "password", error).help("help-password").input_with("password", "", "new-password"))
            button.primary { (context.t("set-password")) }
        };
        let content = html! {
            p { (context.t(self.text)) }
            (components::form(context, self.password_path, fields))
        };
        let header = PageHeader {
            error,
            ..PageHeader::titled(context.t(self.title))
        };
        plain_page(context, status, &header, content, &[])
    }
}

/// The page about a link that is not valid.
pub(super) fn gone_page(context: &PageContext, content: Markup) -> HttpResponse {
    let header = PageHeader::titled(context.t("invitation-gone"));
    plain_page(context, StatusCode::NOT_FOUND, &header, content, &[])
}

/// Leads to the sign-in, after the password was set.
pub(super) fn password_set(context: &PageContext) -> HttpResponse {
    redirect(
        &format!("{}?done=password-set", context.link("/sign-in")),
        &[context.expired_session_cookie()],
    )
}
