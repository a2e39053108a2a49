//! The pages of the link by which a user joins a further account. Its secret is in the fragment, as in that
//! of an invitation to set a password.

use actix_web::HttpResponse;
use actix_web::cookie::Cookie;
use actix_web::http::StatusCode;
use maud::{Markup, html};

use super::components::{self, Field, hidden};
use super::form::{CSRF_TOKEN, Form};
use super::page::{NavItem, PageHeader, done, plain_page, redirect, user_page};
use super::page_error::{PageError, recoverable};
use super::password_link::{self, PasswordLink, submitted};
use super::profile;
use super::session_extractor::{AnonymousForm, AuthenticatedForm, CurrentUser, PageContext};
use super::sign_in;
use crate::error::{Code, Error};
use crate::manage::account_invitation::{self, Offer};
use crate::manage::own_password::NewPassword;

/// The path of the page that a link opens.
pub(super) const PATH: &str = "/join";

const ACCEPT: &str = "/join/accept";
const DECLINE: &str = "/join/decline";

const LINK: PasswordLink = PasswordLink {
    path: PATH,
    password_path: ACCEPT,
    title: "join",
    text: "join-text",
};

/// The page that a link opens.
pub async fn show(context: PageContext) -> Result<HttpResponse, PageError> {
    Ok(LINK.paste_page(context, StatusCode::OK, None, &Form::default()))
}

/// What a valid link offers; first the sign-in, if nobody has signed in, and the set-up of the second factor,
/// if the account in use requires one.
pub async fn open(
    AnonymousForm { context, form, .. }: AnonymousForm,
) -> Result<HttpResponse, PageError> {
    match &context.session {
        None => {
            let notice = html! { (context.t("join-sign-in")) };
            let ok = StatusCode::OK;
            return Ok(sign_in::sign_in_first(context, ok, notice, &form));
        }
        Some(session) if session.awaits_second_factor() => {
            return Ok(sign_in::second_factor_first(&context, &form));
        }
        Some(session) if session.must_enrol() => return enrol_first(context, &form),
        Some(_) => (),
    }
    let user = CurrentUser::complete(context)?;
    offer_page(&user, &form, None).await
}

/// The page to set up the second factor, after which the link can be opened.
pub(super) fn enrol_first(context: PageContext, form: &Form) -> Result<HttpResponse, PageError> {
    let user = CurrentUser::enrolling(context)?;
    profile::enrol_first(&user, form)
}

/// The page after the sign-in, which leads on to what the link offers.
pub(super) fn continue_page(
    context: &PageContext,
    form: &Form,
    warning: Option<Markup>,
    cookies: &[Cookie<'_>],
) -> HttpResponse {
    let content = html! {
        (warning.unwrap_or_default())
        p { (context.t("join-signed-in")) }
        (continue_button(context, form, "continue"))
    };
    let header = PageHeader::titled(context.t("join"));
    plain_page(context, StatusCode::OK, &header, content, cookies)
}

/// The button that leads on to what the link offers.
pub(super) fn continue_button(context: &PageContext, form: &Form, label: &str) -> Markup {
    let fields = html! {
        (hidden(password_link::FIELD, submitted(form)))
        button.primary { (context.t(label)) }
    };
    components::form(context, PATH, fields)
}

async fn offer_page(
    user: &CurrentUser,
    form: &Form,
    error: Option<&Error>,
) -> Result<HttpResponse, PageError> {
    let link = submitted(form);
    let found = account_invitation::find(&user.server, &user.session, link, user.now()).await;
    let offer = match found {
        Ok(Some(offer)) => offer,
        Ok(None) => return Ok(gone_page(user)),
        Err(error) => return Err(error.into()),
    };
    let header = PageHeader {
        error,
        ..PageHeader::titled(user.t("join"))
    };
    let content = offer_content(user, link, &offer, error);
    Ok(user_page(user, NavItem::Profile, header, content))
}

fn offer_content(user: &CurrentUser, link: &str, offer: &Offer, error: Option<&Error>) -> Markup {
    html! {
        p { (user.tr("join-text", &[("email", user.session.email().into())])) }
        dl.facts.card {
            dt { (user.t("field-account")) } dd { (offer.account_name) }
            dt { (user.t("field-role")) } dd { (user.t(&format!("role-{}", offer.role))) }
            @if offer.requires_second_factor { dt { (user.t("second-factor")) } dd { (user.t("join-second-factor")) } }
        }
        @if offer.requires_second_factor && !user.session.has_second_factor() { p { (user.t("join-second-factor-later")) } }
        form method="post" action=(user.link(ACCEPT)) {
            (hidden(CSRF_TOKEN, &user.csrf_token()))
            (hidden(password_link::FIELD, link))
            p { (user.t("join-password-text")) }
            input type="email" name="username" value=(user.session.email()) autocomplete="username" hidden;
            (Field::new(user, "current", error).input_with("password", "", "current-password"))
            (Field::new(user, "new", error).help("help-password").input_with("password", "", "new-password"))
            div.buttons {
                button.primary { (user.t("join-accept")) }
                // Declining needs no password.
                button formaction=(user.link(DECLINE)) formnovalidate { (user.t("join-decline")) }
            }
        }
    }
}

fn gone_page(context: &PageContext) -> HttpResponse {
    let content = html! { p { (context.t("join-gone-text")) } };
    password_link::gone_page(context, content)
}

/// Joins the account.
pub async fn accept(
    AuthenticatedForm { user, form }: AuthenticatedForm,
) -> Result<HttpResponse, PageError> {
    let passwords = NewPassword {
        current: form.password("current"),
        new: form.password("new"),
    };
    let (server, link) = (&user.server, submitted(&form));
    let joined =
        account_invitation::accept(server, &user.session, link, passwords, &user.request).await;
    match joined {
        Ok(cookie) => {
            let cookies = [user.session_cookie(cookie.expose())];
            let start = format!("{}?done=joined", user.link(NavItem::Profile.path()));
            Ok(redirect(&start, &cookies))
        }
        Err(error) if error.code() == Code::NotFound => Ok(gone_page(&user)),
        Err(error) if error.code() == Code::TooManyRequests => {
            offer_page(&user, &form, Some(&error)).await
        }
        Err(error) => match recoverable(&user, Err::<(), _>(error), PATH)? {
            Ok(()) => Ok(gone_page(&user)),
            Err(error) => offer_page(&user, &form, Some(&error)).await,
        },
    }
}

/// Declines the invitation.
pub async fn decline(
    AuthenticatedForm { user, form }: AuthenticatedForm,
) -> Result<HttpResponse, PageError> {
    let (server, link) = (&user.server, submitted(&form));
    let declined = account_invitation::decline(server, &user.session, link, &user.request).await;
    match declined {
        Ok(()) => Ok(done(&user, NavItem::Profile.path(), "invitation-declined")),
        Err(error) if error.code() == Code::NotFound => Ok(gone_page(&user)),
        Err(error) => Err(error.into()),
    }
}
