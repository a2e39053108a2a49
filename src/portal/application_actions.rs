//! Actions on an application as a whole: disable, enable and delete it, revoke its tokens, and manage
//! its registration access token. An action that cannot be undone has a page that asks to confirm it.

use std::pin::Pin;

use actix_web::HttpResponse;
use actix_web::web::Path;
use maud::html;

use super::application::Application;
use super::components::{confirmation, copy};
use super::page::{NavItem, PageHeader, done, user_page};
use super::page_error::{PageError, recoverable};
use super::session_extractor::{AuthenticatedForm, CurrentUser};
use crate::credential::Credential;
use crate::error::Error;
use crate::manage::actor::{ClientsWrite, TokensRevoke};
use crate::manage::{client, token};

/// An action on an application as a whole.
#[derive(Clone, Copy)]
pub enum Action {
    Disable,
    Enable,
    Delete,
    RevokeTokens,
    /// Replaces the registration access token (RFC 7592); the new one is shown once.
    RenewRegistrationToken,
    RevokeRegistrationToken,
}

impl Action {
    /// The last segment of the path; the messages of the confirmation are named after it.
    const fn path_segment(self) -> &'static str {
        match self {
            Action::Disable => "disable",
            Action::Enable => "enable",
            Action::Delete => "delete",
            Action::RevokeTokens => "revoke-tokens",
            Action::RenewRegistrationToken => "renew-registration-token",
            Action::RevokeRegistrationToken => "revoke-registration-token",
        }
    }

    /// The notice on the page after the action: the message `done-…`.
    const fn notice(self) -> &'static str {
        match self {
            Action::Disable => "disabled",
            Action::Enable => "enabled",
            Action::Delete => "application-deleted",
            Action::RevokeTokens => "tokens-revoked",
            Action::RenewRegistrationToken => "registration-access-made",
            Action::RevokeRegistrationToken => "registration-access-revoked",
        }
    }

    fn check_right(self, user: &CurrentUser) -> Result<(), Error> {
        match self {
            Action::RevokeTokens => user.may(TokensRevoke).map(drop),
            Action::Disable
            | Action::Enable
            | Action::Delete
            | Action::RenewRegistrationToken
            | Action::RevokeRegistrationToken => user.may(ClientsWrite).map(drop),
        }
    }

    /// Performs the action. Returns the new registration access token, if there is one.
    async fn perform(self, user: &CurrentUser, id: &str) -> Result<Option<Credential>, Error> {
        let store = &user.server.store;
        match self {
            Action::Disable => {
                client::disable(store, user.may(ClientsWrite)?, id).await?;
            }
            Action::Enable => {
                client::enable(store, user.may(ClientsWrite)?, id).await?;
            }
            Action::Delete => client::delete(store, user.may(ClientsWrite)?, id).await?,
            Action::RevokeTokens => {
                token::revoke_all(&user.server, user.may(TokensRevoke)?, id).await?;
            }
            Action::RenewRegistrationToken => {
                let permit = user.may(ClientsWrite)?;
                let renewed = client::renew_registration_token(store, permit, id).await?;
                return Ok(Some(renewed));
            }
            Action::RevokeRegistrationToken => {
                client::revoke_registration_token(store, user.may(ClientsWrite)?, id).await?;
            }
        }
        Ok(None)
    }
}

type Response = Pin<Box<dyn Future<Output = Result<HttpResponse, PageError>>>>;

/// The handler of the page that asks to confirm `action`.
pub fn confirm(action: Action) -> impl Fn(CurrentUser, Path<String>) -> Response + Clone {
    move |user, id| {
        Box::pin(async move {
            action.check_right(&user)?;
            let application = Application::find(&user, &id).await?;
            Ok(confirmation_page(&user, &application, action))
        })
    }
}

/// The handler of the form that performs `action`.
pub fn perform(action: Action) -> impl Fn(AuthenticatedForm, Path<String>) -> Response + Clone {
    move |AuthenticatedForm { user, .. }, id| {
        Box::pin(async move {
            let application = Application::find(&user, &id).await?;
            let next = match action {
                Action::Delete => "/applications".to_owned(),
                _ => application.path(""),
            };
            let performed = action.perform(&user, &id).await;
            Ok(match recoverable(&user, performed, &next)? {
                Ok(None) => done(&user, &next, action.notice()),
                Ok(Some(token)) => registration_token_page(&user, &application, &token),
                Err(error) => refused_page(&user, &application, &error),
            })
        })
    }
}

/// The page that asks to confirm an action.
fn confirmation_page(
    user: &CurrentUser,
    application: &Application,
    action: Action,
) -> HttpResponse {
    let action = action.path_segment();
    let title = user.t(&format!("confirm-{action}"));
    let text = user.tr(
        &format!("confirm-{action}-text"),
        &[("name", application.client.name.as_str().into())],
    );
    let content = confirmation(
        user,
        html! { p { (text) } },
        &application.path(&format!("/{action}")),
        &title,
        &application.path(""),
        html! {},
    );
    let header = PageHeader {
        breadcrumbs: application.breadcrumbs(user),
        ..PageHeader::titled(title)
    };
    user_page(user, NavItem::Applications, header, content)
}

/// The page that says why an action was refused, with the way back.
fn refused_page(user: &CurrentUser, application: &Application, error: &Error) -> HttpResponse {
    let back = html! {
        p { a.button href=(user.link(&application.path(""))) { (user.t("to-application")) } }
    };
    let header = PageHeader {
        breadcrumbs: application.breadcrumbs(user),
        error: Some(error),
        ..PageHeader::titled(user.t("failed-refused"))
    };
    user_page(user, NavItem::Applications, header, back)
}

/// The page that shows a new registration access token, once.
fn registration_token_page(
    user: &CurrentUser,
    application: &Application,
    token: &Credential,
) -> HttpResponse {
    let uri = user
        .server
        .issuer
        .endpoint(&format!("/oauth/register/{}", application.client.client_id));
    let content = html! {
        div.shown_once {
            p { strong { (user.t("shown-once")) } }
            (copy(user, &user.t("registration-access"), "registration-access-token", token.expose()))
            (copy(user, &user.t("registration-access-uri"), "registration-client-uri", &uri))
        }
        p { a.button.primary href=(user.link(&application.path(""))) { (user.t("to-application")) } }
    };
    let header = PageHeader {
        breadcrumbs: application.breadcrumbs(user),
        ..PageHeader::titled(user.t("registration-access-made"))
    };
    user_page(user, NavItem::Applications, header, content)
}
