//! Resource servers, for operators: create, edit and delete them.

use actix_web::HttpResponse;
use maud::{Markup, html};

use super::components::{self, Field, clip, confirmation, copy, empty, hidden, table};
use super::form::Form;
use super::page::{self, NavItem, PageHeader, done, user_page};
use super::page_error::{PageError, recoverable};
use super::session_extractor::{AuthenticatedForm, CurrentUser};
use crate::error::{Code, Error, refusal};
use crate::manage::actor::{ResourcesRead, ResourcesWrite};
use crate::manage::resource_server::{
    self, NewResourceServer, ResourceServerChanges, ResourceServerView, SignatureAlgorithm,
    TokenFormat, TokenTyp,
};

/// All resource servers, and the form to create another.
pub async fn list(user: CurrentUser) -> Result<HttpResponse, PageError> {
    servers_page(&user, &Form::default(), None).await
}

async fn servers_page(
    user: &CurrentUser,
    submitted: &Form,
    error: Option<&Error>,
) -> Result<HttpResponse, PageError> {
    user.may(ResourcesWrite)?;
    let servers = resource_server::list(&user.server.store, user.may(ResourcesRead)?).await?;
    let content = html! {
        @if servers.is_empty() { (empty(&user.t("resources-none"), &user.t("resources-none-text"), None)) } @else { (rows(user, &servers)) }
        section aria-labelledby="new-resource" {
            h2 #new-resource { (user.t("resource-new")) }
            p { (user.t("resource-new-text")) }
            (components::idempotent_form(user, "/resource-servers", submitted, html! {
                (Field::new(user, "identifier", error).help("help-identifier").input("url", submitted.get("identifier")))
                (Field::new(user, "name", error).input("text", submitted.get("name")))
                (Field::new(user, "scope", error).optional().help("help-resource-scope").input("text", submitted.get("scope")))
                (token_format_fields(user, submitted.get("token-typ"), submitted.get("signing-alg"), error))
                button.primary { (user.t("resource-create")) }
            }))
        }
    };
    let header = PageHeader {
        notice: page::notice(user),
        error,
        ..PageHeader::titled(user.t("menu-resource-servers"))
    };
    Ok(user_page(user, NavItem::ResourceServers, header, content))
}

fn rows(user: &CurrentUser, servers: &[ResourceServerView]) -> Markup {
    let rows: Vec<Vec<Markup>> = servers
        .iter()
        .map(|server| {
            let query = form_urlencoded::Serializer::new(String::new()).append_pair("identifier", &server.identifier).finish();
            vec![
                html! { strong { (clip(&server.name)) } },
                html! { code { (clip(&server.identifier)) } },
                clip(server.scope.as_str()),
                html! { @if let Some(id) = &server.client_id { a href=(user.link(&format!("/applications/{id}"))) { (user.t("open-client")) span.visually_hidden { " " (server.name) } } } },
                html! { span.buttons {
                    a.button.small href={ (user.link("/resource-servers/edit")) "?" (query) } { (user.t("edit")) span.visually_hidden { " " (server.name) } }
                    a.button.small href={ (user.link("/resource-servers/delete")) "?" (query) } { (user.t("delete")) span.visually_hidden { " " (server.name) } }
                } },
            ]
        })
        .collect();
    let columns = [
        "column-name",
        "field-identifier",
        "column-scope",
        "column-introspects-with",
        "",
    ];
    table(user, &user.t("menu-resource-servers"), &columns, &rows)
}

fn token_format_fields(
    user: &CurrentUser,
    token_typ: &str,
    signing_alg: &str,
    error: Option<&Error>,
) -> Markup {
    html! {
        (Field::new(user, "token-typ", error).help("help-token-typ").select(&token_typ_choices(user), token_typ))
        (Field::new(user, "signing-alg", error).help("help-signing-alg").select(&components::algorithm_choices(SignatureAlgorithm::ALL), signing_alg))
    }
}

fn token_typ_choices(user: &CurrentUser) -> Vec<(String, String)> {
    let named = |typ: TokenTyp| match typ {
        TokenTyp::AtJwt => user.t("typ-at-jwt"),
        TokenTyp::Jwt => user.t("typ-jwt"),
    };
    TokenTyp::ALL
        .map(|typ| (typ.as_str().to_owned(), named(typ)))
        .into()
}

/// Creates a resource server.
pub async fn create(
    AuthenticatedForm { user, form }: AuthenticatedForm,
) -> Result<HttpResponse, PageError> {
    let created = async {
        let scope = form.scope("scope")?;
        let token_format = TokenFormat {
            typ: form.choice("token-typ")?.unwrap_or_default(),
            signing_algorithm: form.choice("signing-alg")?.unwrap_or_default(),
        };
        let new = NewResourceServer {
            identifier: form.text("identifier").to_owned(),
            name: form.text("name").to_owned(),
            scope,
            token_format,
        };
        resource_server::create(&user.server.store, user.may(ResourcesWrite)?, new).await
    };
    match recoverable(&user, created.await, "/resource-servers")? {
        Ok(created) => Ok(created_page(&user, &created)),
        Err(error) => servers_page(&user, &form, Some(&error)).await,
    }
}

fn created_page(
    user: &CurrentUser,
    created: &resource_server::CreatedResourceServer,
) -> HttpResponse {
    let id = &created.server.client_id;
    let secret = created.secret.expose();
    let introspect = format!(
        "curl -u {id}:{secret} -d token=TOKEN {}",
        user.server.issuer.endpoint("/oauth/introspect")
    );
    let content = html! {
        div.shown_once {
            p { strong { (user.t("shown-once")) } }
            p { (user.t("resource-created-text")) }
            (copy(user, &user.t("column-client-id"), "client-id", id))
            (copy(user, &user.t("client-secret"), "client-secret", secret))
            (copy(user, &user.t("introspect-line"), "introspect", &introspect))
        }
        p { a.button.primary href=(user.link("/resource-servers")) { (user.t("to-resource-servers")) } }
    };
    user_page(
        user,
        NavItem::ResourceServers,
        PageHeader {
            breadcrumbs: vec![NavItem::ResourceServers.breadcrumb(user)],
            ..PageHeader::titled(user.t("resource-created"))
        },
        content,
    )
}

async fn find(user: &CurrentUser, identifier: &str) -> Result<ResourceServerView, PageError> {
    let servers = resource_server::list(&user.server.store, user.may(ResourcesRead)?).await?;
    let not_found = || refusal::not_found("resource server", identifier);
    let server = servers
        .into_iter()
        .find(|server| server.identifier == identifier);
    Ok(server.ok_or_else(not_found)?)
}

/// The resource server that the query names.
fn queried_identifier(user: &CurrentUser) -> Result<String, Error> {
    let missing = || Error::new(Code::NotFound, "The query has no identifier");
    user.query("identifier").ok_or_else(missing)
}

/// The page to edit a resource server.
pub async fn show_edit(user: CurrentUser) -> Result<HttpResponse, PageError> {
    user.may(ResourcesWrite)?;
    let server = find(&user, &queried_identifier(&user)?).await?;
    let values = Form::filled(&[
        ("name", &server.name),
        ("scope", server.scope.as_str()),
        ("token-typ", server.token_typ.as_str()),
        ("signing-alg", server.signing_alg.as_str()),
    ]);
    Ok(edit_page(&user, &server, &values, None))
}

fn edit_page(
    user: &CurrentUser,
    server: &ResourceServerView,
    submitted: &Form,
    error: Option<&Error>,
) -> HttpResponse {
    let content = html! {
        dl.facts.card {
            dt { (user.t("field-identifier")) } dd { code { (server.identifier) } }
        }
        (components::form(user, "/resource-servers/edit", html! {
            (hidden("identifier", &server.identifier))
            (Field::new(user, "name", error).input("text", submitted.get("name")))
            (Field::new(user, "scope", error).optional().help("help-resource-scope").input("text", submitted.get("scope")))
            (token_format_fields(user, submitted.get("token-typ"), submitted.get("signing-alg"), error))
            div.buttons {
                button.primary { (user.t("save")) }
                a.button href=(user.link("/resource-servers")) { (user.t("cancel")) }
            }
        }))
    };
    let header = PageHeader {
        breadcrumbs: vec![NavItem::ResourceServers.breadcrumb(user)],
        error,
        ..PageHeader::titled(server.name.clone())
    };
    user_page(user, NavItem::ResourceServers, header, content)
}

/// Saves an edited resource server.
pub async fn edit(
    AuthenticatedForm { user, form }: AuthenticatedForm,
) -> Result<HttpResponse, PageError> {
    let identifier = form.get("identifier");
    let updated = async {
        let changes = ResourceServerChanges {
            name: form.has("name").then(|| form.text("name").to_owned()),
            scope: if form.has("scope") {
                Some(form.scope("scope")?)
            } else {
                None
            },
            token_typ: form.choice("token-typ")?,
            signing_algorithm: form.choice("signing-alg")?,
        };
        let permit = user.may(ResourcesWrite)?;
        resource_server::update(&user.server.store, permit, identifier, changes).await
    };
    match recoverable(&user, updated.await, "/resource-servers")? {
        Ok(_) => Ok(done(&user, "/resource-servers", "saved")),
        Err(error) => {
            let server = find(&user, identifier).await?;
            Ok(edit_page(&user, &server, &form, Some(&error)))
        }
    }
}

fn confirm_delete_page(
    user: &CurrentUser,
    identifier: &str,
    error: Option<&Error>,
) -> HttpResponse {
    let question =
        html! { p { (user.tr("resource-delete-text", &[("identifier", identifier.into())])) } };
    let fields = hidden("identifier", identifier);
    let content = confirmation(
        user,
        question,
        "/resource-servers/delete",
        &user.t("resource-delete"),
        "/resource-servers",
        fields,
    );
    let header = PageHeader {
        breadcrumbs: vec![NavItem::ResourceServers.breadcrumb(user)],
        error,
        ..PageHeader::titled(user.t("resource-delete"))
    };
    user_page(user, NavItem::ResourceServers, header, content)
}

/// Asks to confirm that a resource server is deleted.
pub async fn confirm_delete(user: CurrentUser) -> Result<HttpResponse, PageError> {
    user.may(ResourcesWrite)?;
    let identifier = queried_identifier(&user)?;
    Ok(confirm_delete_page(&user, &identifier, None))
}

/// Deletes a resource server.
pub async fn delete(
    AuthenticatedForm { user, form }: AuthenticatedForm,
) -> Result<HttpResponse, PageError> {
    let identifier = form.get("identifier");
    let deleted =
        resource_server::delete(&user.server.store, user.may(ResourcesWrite)?, identifier).await;
    Ok(match recoverable(&user, deleted, "/resource-servers")? {
        Ok(()) => done(&user, "/resource-servers", "resource-deleted"),
        Err(error) => confirm_delete_page(&user, identifier, Some(&error)),
    })
}
