//! What can be done to an application as a whole: disable, enable, delete, revoke its tokens, and
//! manage its registration access token. Each action that cannot be undone has a page that asks to
//! confirm it.

use actix_web::HttpResponse;
use actix_web::web::Path;
use maud::html;

use super::application::Application;
use super::components::{confirmation, copy};
use super::page::{NavItem, PageHeader, done, user_page};
use super::page_error::{PageError, recoverable};
use super::session_extractor::{AuthenticatedForm, CurrentUser};
use crate::error::Error;
use crate::manage::actor::{ClientsWrite, TokensRevoke};
use crate::manage::{client, token};

/// The page that asks to confirm `action`, which is also the last segment of its path.
fn confirmation_page(user: &CurrentUser, application: &Application, action: &str) -> HttpResponse {
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

/// Redirects to `to` with the notice `done-WHAT`; or says why the action was refused, with the way
/// back.
fn outcome<T>(
    user: &CurrentUser,
    application: &Application,
    result: Result<T, Error>,
    to: &str,
    what: &str,
) -> Result<HttpResponse, PageError> {
    match recoverable(user, result, to)? {
        Ok(_) => Ok(done(user, to, what)),
        Err(error) => Ok(refused_page(user, application, &error)),
    }
}

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

/// Asks to confirm `/applications/{id}/disable`.
pub async fn confirm_disable(
    user: CurrentUser,
    id: Path<String>,
) -> Result<HttpResponse, PageError> {
    user.may(ClientsWrite)?;
    let application = Application::find(&user, &id).await?;
    Ok(confirmation_page(&user, &application, "disable"))
}

/// Disables the application.
pub async fn disable(
    AuthenticatedForm { user, .. }: AuthenticatedForm,
    id: Path<String>,
) -> Result<HttpResponse, PageError> {
    let application = Application::find(&user, &id).await?;
    let result = client::disable(&user.server.store, user.may(ClientsWrite)?, &id).await;
    outcome(
        &user,
        &application,
        result,
        &application.path(""),
        "disabled",
    )
}

/// Enables the application again.
pub async fn enable(
    AuthenticatedForm { user, .. }: AuthenticatedForm,
    id: Path<String>,
) -> Result<HttpResponse, PageError> {
    let application = Application::find(&user, &id).await?;
    let result = client::enable(&user.server.store, user.may(ClientsWrite)?, &id).await;
    outcome(
        &user,
        &application,
        result,
        &application.path(""),
        "enabled",
    )
}

/// Asks to confirm `/applications/{id}/delete`.
pub async fn confirm_delete(
    user: CurrentUser,
    id: Path<String>,
) -> Result<HttpResponse, PageError> {
    user.may(ClientsWrite)?;
    let application = Application::find(&user, &id).await?;
    Ok(confirmation_page(&user, &application, "delete"))
}

/// Deletes the application.
pub async fn delete(
    AuthenticatedForm { user, .. }: AuthenticatedForm,
    id: Path<String>,
) -> Result<HttpResponse, PageError> {
    let application = Application::find(&user, &id).await?;
    let result = client::delete(&user.server.store, user.may(ClientsWrite)?, &id).await;
    outcome(
        &user,
        &application,
        result,
        "/applications",
        "application-deleted",
    )
}

/// Asks to confirm `/applications/{id}/revoke-tokens`.
pub async fn confirm_revoke_tokens(
    user: CurrentUser,
    id: Path<String>,
) -> Result<HttpResponse, PageError> {
    user.may(TokensRevoke)?;
    let application = Application::find(&user, &id).await?;
    Ok(confirmation_page(&user, &application, "revoke-tokens"))
}

/// Revokes all tokens of the application.
pub async fn revoke_tokens(
    AuthenticatedForm { user, .. }: AuthenticatedForm,
    id: Path<String>,
) -> Result<HttpResponse, PageError> {
    let application = Application::find(&user, &id).await?;
    let result = token::revoke_all(&user.server, user.may(TokensRevoke)?, &id).await;
    outcome(
        &user,
        &application,
        result,
        &application.path(""),
        "tokens-revoked",
    )
}

/// Asks to confirm `/applications/{id}/renew-registration-token`.
pub async fn confirm_renew_registration(
    user: CurrentUser,
    id: Path<String>,
) -> Result<HttpResponse, PageError> {
    user.may(ClientsWrite)?;
    let application = Application::find(&user, &id).await?;
    Ok(confirmation_page(
        &user,
        &application,
        "renew-registration-token",
    ))
}

/// Issues a new registration access token (RFC 7592) and shows it once.
pub async fn renew_registration(
    AuthenticatedForm { user, .. }: AuthenticatedForm,
    id: Path<String>,
) -> Result<HttpResponse, PageError> {
    let application = Application::find(&user, &id).await?;
    let renewed =
        client::renew_registration_token(&user.server.store, user.may(ClientsWrite)?, &id).await;
    let token = match recoverable(&user, renewed, &application.path(""))? {
        Ok(token) => token,
        Err(error) => return Ok(refused_page(&user, &application, &error)),
    };
    let uri = user
        .server
        .issuer
        .endpoint(&format!("/oauth/register/{id}"));
    let content = html! {
        div.shown_once {
            p { strong { (user.t("shown-once")) } }
            (copy(&user, &user.t("registration-access"), "registration-access-token", token.expose()))
            (copy(&user, &user.t("registration-access-uri"), "registration-client-uri", &uri))
        }
        p { a.button.primary href=(user.link(&application.path(""))) { (user.t("to-application")) } }
    };
    let header = PageHeader {
        breadcrumbs: application.breadcrumbs(&user),
        ..PageHeader::titled(user.t("registration-access-made"))
    };
    Ok(user_page(&user, NavItem::Applications, header, content))
}

/// Asks to confirm `/applications/{id}/revoke-registration-token`.
pub async fn confirm_revoke_registration(
    user: CurrentUser,
    id: Path<String>,
) -> Result<HttpResponse, PageError> {
    user.may(ClientsWrite)?;
    let application = Application::find(&user, &id).await?;
    Ok(confirmation_page(
        &user,
        &application,
        "revoke-registration-token",
    ))
}

/// Revokes the registration access token.
pub async fn revoke_registration(
    AuthenticatedForm { user, .. }: AuthenticatedForm,
    id: Path<String>,
) -> Result<HttpResponse, PageError> {
    let application = Application::find(&user, &id).await?;
    let result =
        client::revoke_registration_token(&user.server.store, user.may(ClientsWrite)?, &id).await;
    outcome(
        &user,
        &application,
        result,
        &application.path(""),
        "registration-access-revoked",
    )
}
