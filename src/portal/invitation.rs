//! Invitations: the pages of the link by which a new user sets a password.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use maud::html;

use super::form::Form;
use super::page_error::PageError;
use super::password_link::{self, PasswordLink, password_set, submitted};
use super::session_extractor::{AnonymousForm, PageContext};
use crate::error::Code;
use crate::manage::invitation;

/// The pages of an invitation.
pub(super) const LINK: PasswordLink = PasswordLink {
    path: "/invitation",
    password_path: "/invitation/password",
    title: "invitation",
    text: "invitation-text",
};

/// The page that a link opens.
pub async fn show(context: PageContext) -> Result<HttpResponse, PageError> {
    Ok(LINK.paste_page(context, StatusCode::OK, None, &Form::default()))
}

/// The page to set the password, for a valid link.
pub async fn open(
    AnonymousForm { context, form, .. }: AnonymousForm,
) -> Result<HttpResponse, PageError> {
    let found = invitation::find(&context.server, submitted(&form), context.now()).await?;
    Ok(match found {
        Some(email) => LINK.password_page(&context, StatusCode::OK, &form, &email, None),
        None => gone_page(&context),
    })
}

fn gone_page(context: &PageContext) -> HttpResponse {
    password_link::gone_page(context, html! { p { (context.t("invitation-gone-text")) } })
}

/// Sets the password with a link.
pub async fn accept(
    AnonymousForm { context, form, .. }: AnonymousForm,
) -> Result<HttpResponse, PageError> {
    let (server, link) = (&context.server, submitted(&form));
    let password = form.password("password");
    match invitation::accept(server, link, password, &context.request).await {
        Ok(_) => Ok(password_set(&context)),
        Err(error) if error.code() == Code::NotFound => Ok(gone_page(&context)),
        Err(error) if error.wrong_field().is_some() => {
            let email = invitation::find(server, link, context.now()).await?;
            let (status, email) = (StatusCode::BAD_REQUEST, email.unwrap_or_default());
            Ok(LINK.password_page(&context, status, &form, &email, Some(&error)))
        }
        Err(error) => Err(error.into()),
    }
}
