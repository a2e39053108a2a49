//! The name of a client secret.

use actix_web::HttpResponse;
use actix_web::web::Path;
use maud::html;

use super::application::Application;
use super::components::{self, Field};
use super::form::Form;
use super::page::{NavItem, PageHeader, done, user_page};
use super::page_error::{PageError, recoverable};
use super::secrets::{breadcrumbs, find, label};
use super::session_extractor::{AuthenticatedForm, CurrentUser};
use crate::error::Error;
use crate::manage::actor::KeysWrite;
use crate::manage::secret::{self, SecretView};

/// The form with the present name of a secret.
pub async fn edit_form(
    user: CurrentUser,
    ids: Path<(String, String)>,
) -> Result<HttpResponse, PageError> {
    user.may(KeysWrite)?;
    let application = Application::find(&user, &ids.0).await?;
    let secret = find(&user, &application, &ids.1).await?;
    let present = Form::filled(&[("name", secret.name.as_deref().unwrap_or_default())]);
    Ok(edit_page(&user, &application, &secret, &present, None))
}

fn edit_page(
    user: &CurrentUser,
    application: &Application,
    secret: &SecretView,
    submitted: &Form,
    error: Option<&Error>,
) -> HttpResponse {
    let action = application.path(&format!("/secrets/{}/edit", secret.id));
    let content = components::form(
        user,
        &action,
        html! {
            (Field::new(user, "name", error).optional().help("help-secret-name").input("text", submitted.get("name")))
            div.buttons {
                button.primary { (user.t("save")) }
                a.button href=(user.link(&application.path("/secrets"))) { (user.t("cancel")) }
            }
        },
    );
    let title = user.tr("edit-secret", &[("name", label(secret).into())]);
    let header = PageHeader {
        breadcrumbs: breadcrumbs(user, application),
        error,
        ..PageHeader::titled(title)
    };
    user_page(user, NavItem::Applications, header, content)
}

/// Saves the name of a secret.
pub async fn edit(
    AuthenticatedForm { user, form }: AuthenticatedForm,
    ids: Path<(String, String)>,
) -> Result<HttpResponse, PageError> {
    let application = Application::find(&user, &ids.0).await?;
    let secret = find(&user, &application, &ids.1).await?;
    let name = form.has("name").then(|| form.optional("name"));
    let permit = user.may(KeysWrite)?;
    let updated = secret::update(&user.server.store, permit, &ids.0, &ids.1, name).await;
    let list = application.path("/secrets");
    match recoverable(&user, updated, &list)? {
        Ok(_) => Ok(done(&user, &list, "secret-updated")),
        Err(error) => Ok(edit_page(&user, &application, &secret, &form, Some(&error))),
    }
}
