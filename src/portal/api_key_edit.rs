//! Changes of an API key: its name, expiry, scope, resource servers and IP addresses.

use actix_web::HttpResponse;
use actix_web::web::Path;

use maud::html;

use super::api_keys::{allowed_ips, breadcrumbs, find, path};
use super::application::Application;
use super::components::{self, Field, duration_choices};
use super::form::Form;
use super::page::{NavItem, PageHeader, done, user_page};
use super::page_error::{PageError, recoverable};
use super::session_extractor::{AuthenticatedForm, CurrentUser};
use crate::error::{Error, refusal};
use crate::manage::actor::KeysWrite;
use crate::manage::api_key::{self, ApiKeyPatch, ApiKeyView, Resources};
use crate::scope::Scope;

/// The choice of a key that does not expire. The empty choice leaves the expiry as it is, so that a
/// form without the field does not extend a key.
const NEVER: &str = "never";

/// The form with the present properties of a key.
pub async fn edit_form(
    user: CurrentUser,
    ids: Path<(String, String)>,
) -> Result<HttpResponse, PageError> {
    user.may(KeysWrite)?;
    let application = Application::find(&user, &ids.0).await?;
    let key = find(&user, &application, &ids.1).await?;
    let ranges = key.allowed_ips.as_str().replace(' ', "\n");
    let scope = key.scope.as_ref().unwrap_or(&application.client.scope);
    let mut fields = vec![("name", key.name.as_str()), ("allowed_ips", &ranges)];
    fields.extend(scope.iter().map(|token| ("scope", token)));
    let resources = key.resources.as_ref();
    let resources = resources.unwrap_or(&application.client.resources);
    fields.extend(resources.iter().map(|identifier| ("resources", identifier)));
    if key.manage_keys {
        fields.push(("manage_keys", "on"));
    }
    let present = Form::filled(&fields);
    Ok(edit_page(&user, &application, &key, &present, None))
}

fn edit_page(
    user: &CurrentUser,
    application: &Application,
    key: &ApiKeyView,
    submitted: &Form,
    error: Option<&Error>,
) -> HttpResponse {
    let mut lifetimes = vec![(String::new(), user.t("unchanged"))];
    lifetimes.extend(duration_choices(
        user,
        &[NEVER, "30d", "90d", "365d"],
        "no-expiry",
    ));
    let action = path(application, &format!("/{}/edit", key.id));
    let content = components::form(
        user,
        &action,
        html! {
            (Field::new(user, "name", error).help("help-key-name").input("text", submitted.get("name")))
            (Field::new(user, "expires_in", error).select(&lifetimes, submitted.get("expires_in")))
            @if !application.client.scope.is_empty() {
                (Field::new(user, "scope", error).checkboxes(application.client.scope.iter(), submitted))
            }
            @if !application.client.resources.is_empty() {
                (Field::new(user, "resources", error).checkboxes(application.client.resources.iter(), submitted))
            }
            (Field::new(user, "allowed_ips", error).optional().help("help-allowed-ips").textarea(submitted.get("allowed_ips")))
            (Field::new(user, "manage_keys", error).help("help-manage-keys").checkbox(submitted.checked("manage_keys")))
            div.buttons {
                button.primary { (user.t("save")) }
                a.button href=(user.link(&path(application, ""))) { (user.t("cancel")) }
            }
        },
    );
    let title = user.tr("edit-key", &[("name", key.name.as_str().into())]);
    let header = PageHeader {
        breadcrumbs: breadcrumbs(user, application),
        error,
        ..PageHeader::titled(title)
    };
    user_page(user, NavItem::ApiKeys, header, content)
}

/// Saves an edited key.
pub async fn edit(
    AuthenticatedForm { user, form }: AuthenticatedForm,
    ids: Path<(String, String)>,
) -> Result<HttpResponse, PageError> {
    let application = Application::find(&user, &ids.0).await?;
    let key = find(&user, &application, &ids.1).await?;
    let updated = async {
        let expires_at = match form.text("expires_in") {
            "" => None,
            NEVER => Some(None),
            _ => {
                let lifetime = form.duration("expires_in")?;
                lifetime.map(|lifetime| Some(user.now().saturating_add(lifetime)))
            }
        };
        let patch = ApiKeyPatch {
            name: Some(form.text("name").to_owned()),
            scope: new_scope(&form, &application.client.scope, key.scope.as_ref())?,
            expires_at,
            allowed_ips: if form.has("allowed_ips") {
                Some(allowed_ips(&form)?)
            } else {
                None
            },
            manage_keys: form.checkbox("manage_keys"),
            resources: new_resources(&form, &application.client.resources, key.resources.as_ref())?,
        };
        let permit = user.may(KeysWrite)?;
        api_key::update(&user.server.store, permit, &ids.0, &ids.1, patch).await
    };
    let list = path(&application, "");
    match recoverable(&user, updated.await, &list)? {
        Ok(_) => Ok(done(&user, &list, "key-updated")),
        Err(error) => Ok(edit_page(&user, &application, &key, &form, Some(&error))),
    }
}

/// The scope by the checked boxes, unless they are those that the page showed as checked: then the key
/// keeps what it has, also of what the application has lost. Otherwise all of them are the whole scope of
/// the application. To check none is refused, since a form without the field must not extend the scope of a
/// key.
fn new_scope(
    form: &Form,
    of_application: &Scope,
    of_key: Option<&Scope>,
) -> Result<Option<Option<Scope>>, Error> {
    if of_application.is_empty() {
        return Ok(None);
    }
    let scope = form.scope("scope")?;
    if scope.is_empty() {
        return Err(refusal::api_key_no_scope().field("scope"));
    }
    let shown = of_key.map(|own| own.intersection(of_application));
    let shown = shown.as_ref().unwrap_or(of_application);
    if scope.is_subset(shown) && shown.is_subset(&scope) {
        return Ok(None);
    }
    Ok(Some(
        Some(scope).filter(|scope| !of_application.is_subset(scope)),
    ))
}

/// The resource servers by the checked boxes, by the same rules as [`new_scope`].
fn new_resources(
    form: &Form,
    of_application: &Resources,
    of_key: Option<&Resources>,
) -> Result<Option<Option<Resources>>, Error> {
    if of_application.is_empty() {
        return Ok(None);
    }
    let Some(resources) = form.resources("resources")? else {
        return Err(refusal::api_key_no_resource().field("resources"));
    };
    let shown = of_key.map(|own| own.intersection(of_application));
    let shown = shown.as_ref().unwrap_or(of_application);
    if resources.is_subset(shown) && shown.is_subset(&resources) {
        return Ok(None);
    }
    Ok(Some(
        Some(resources).filter(|resources| !of_application.is_subset(resources)),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    #[test]
    fn a_form_without_resource_servers_never_extends_those_of_the_key() {
        let of_application: Resources = "urn:a urn:b".parse().unwrap();
        let (a, both) = ("resources=urn%3Aa", "resources=urn%3Aa&resources=urn%3Ab");
        let cases = [
            (None, a, Ok(Some(Some("urn:a")))),
            (None, both, Ok(None)),
            (Some("urn:a"), a, Ok(None)),
            (Some("urn:a"), both, Ok(Some(None))),
            // A key of an application that had more.
            (Some("urn:a urn:b urn:c"), both, Ok(None)),
            (Some("urn:a urn:c"), a, Ok(None)),
            (Some("urn:a"), "resources=", Err(Code::InvalidRequest)),
            (Some("urn:a"), "name=x", Err(Code::InvalidRequest)),
            (Some("urn:c"), "name=x", Err(Code::InvalidRequest)),
            (None, "resources=orders", Err(Code::InvalidRequest)),
        ];
        for (of_key, body, expected) in cases {
            let form = Form::parse(body.as_bytes());
            let of_key: Option<Resources> = of_key.map(|words| words.parse().unwrap());
            let resources = new_resources(&form, &of_application, of_key.as_ref());
            let words = resources.as_ref().map(|resources| {
                let resources = resources.as_ref()?;
                Some(resources.as_ref().map(Resources::as_str))
            });
            assert_eq!(words.map_err(Error::code), expected, "{body}");
        }
        let form = Form::parse(b"name=x");
        assert_eq!(
            new_resources(&form, &Resources::default(), None).unwrap(),
            None
        );
    }

    #[test]
    fn a_form_without_a_scope_never_extends_that_of_the_key() {
        let of_application: Scope = "orders:read orders:write".parse().unwrap();
        let (read, both) = ("scope=orders:read", "scope=orders:read&scope=orders:write");
        let cases = [
            (None, read, Ok(Some(Some("orders:read")))),
            (None, both, Ok(None)),
            (Some("orders:read"), read, Ok(None)),
            (Some("orders:read"), both, Ok(Some(None))),
            // A key of an application that had more.
            (Some("orders:read orders:delete"), read, Ok(None)),
            (Some("orders:read"), "scope=", Err(Code::InvalidRequest)),
            (Some("orders:read"), "name=x", Err(Code::InvalidRequest)),
            (None, "scope=%22", Err(Code::InvalidScope)),
        ];
        for (of_key, body, expected) in cases {
            let form = Form::parse(body.as_bytes());
            let of_key: Option<Scope> = of_key.map(|words| words.parse().unwrap());
            let scope = new_scope(&form, &of_application, of_key.as_ref());
            let words = scope.as_ref().map(|scope| {
                let scope = scope.as_ref()?;
                Some(scope.as_ref().map(Scope::as_str))
            });
            assert_eq!(words.map_err(Error::code), expected, "{body}");
        }
        let form = Form::parse(b"name=x");
        assert_eq!(new_scope(&form, &Scope::default(), None).unwrap(), None);
    }
}
