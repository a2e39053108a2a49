//! Resource servers, for operators.

use actix_web::HttpResponse;
use maud::{Markup, html};

use super::page::{
    self, Field, Head, Place, confirmation, copy, done, empty, hidden, member_page, table,
};
use super::visit::{Failure, Form, Member, Posted, mendable};
use crate::error::{Code, Error};
use crate::manage::actor::{ResourcesRead, ResourcesWrite};
use crate::manage::resource_server::{self, NewResourceServer, ResourceServerView, TokenTyp};

/// GET
pub async fn list(member: Member) -> Result<HttpResponse, Failure> {
    servers_page(&member, &Form::default(), None).await
}

async fn servers_page(
    member: &Member,
    sent: &Form,
    error: Option<&Error>,
) -> Result<HttpResponse, Failure> {
    member.may(ResourcesWrite)?;
    let servers = resource_server::list(&member.server.store, member.may(ResourcesRead)?).await?;
    let content = html! {
        @if servers.is_empty() { (empty(&member.t("resources-none"), &member.t("resources-none-text"), None)) } @else { (rows(member, &servers)) }
        section aria-labelledby="new-resource" {
            h2 #new-resource { (member.t("resource-new")) }
            p { (member.t("resource-new-text")) }
            (page::form_once(member, "/resource-servers", sent, html! {
                (Field::new(member, "identifier", error).help("help-identifier").input("url", sent.get("identifier")))
                (Field::new(member, "name", error).input("text", sent.get("name")))
                (Field::new(member, "scope", error).optional().help("help-resource-scope").input("text", sent.get("scope")))
                (Field::new(member, "token-typ", error).help("help-token-typ").select(&typs(member), sent.get("token-typ")))
                button.primary { (member.t("resource-create")) }
            }))
        }
    };
    let head = Head {
        notice: page::notice(member),
        error,
        ..Head::titled(member.t("menu-resource-servers"))
    };
    Ok(member_page(member, Place::ResourceServers, head, content))
}

fn rows(member: &Member, servers: &[ResourceServerView]) -> Markup {
    let rows: Vec<Vec<Markup>> = servers
        .iter()
        .map(|server| {
            let query = form_urlencoded::Serializer::new(String::new()).append_pair("identifier", &server.identifier).finish();
            vec![
                html! { strong { (server.name) } },
                html! { code { (server.identifier) } },
                html! { span.words { (server.scope) } },
                html! { @if let Some(id) = &server.client_id { a href=(member.link(&format!("/applications/{id}"))) { code { (id) } } } },
                html! { a.button.small href={ (member.link("/resource-servers/delete")) "?" (query) } { (member.t("delete")) span.unseen { " " (server.name) } } },
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
    table(member, &member.t("menu-resource-servers"), &columns, &rows)
}

fn typs(member: &Member) -> Vec<(String, String)> {
    let named = |typ: TokenTyp| match typ {
        TokenTyp::AtJwt => member.t("typ-at-jwt"),
        TokenTyp::Jwt => member.t("typ-jwt"),
    };
    TokenTyp::ALL
        .map(|typ| (typ.as_str().to_owned(), named(typ)))
        .into()
}

fn above(member: &Member) -> Vec<(String, String)> {
    vec![(
        "/resource-servers".to_owned(),
        member.t("menu-resource-servers"),
    )]
}

/// POST
pub async fn create(Posted { member, form }: Posted) -> Result<HttpResponse, Failure> {
    let made = async {
        let unusable = |_| {
            Error::new(Code::InvalidScope, "That is no scope")
                .phrase("scope-unusable", [])
                .field("scope")
        };
        // People put commas between words.
        let scope = form
            .text("scope")
            .replace(',', " ")
            .parse()
            .map_err(unusable)?;
        let wrong = |reason| Error::new(Code::InvalidRequest, reason).field("token-typ");
        // A page from before the choice was there does not send it.
        let token_typ = match form.text("token-typ") {
            "" => TokenTyp::default(),
            chosen => chosen.parse().map_err(wrong)?,
        };
        let permit = member.may(ResourcesWrite)?;
        let new = NewResourceServer {
            identifier: form.text("identifier").to_owned(),
            name: form.text("name").to_owned(),
            scope,
            token_typ,
        };
        resource_server::create(&member.server.store, permit, new).await
    };
    match mendable(&member, made.await, "/resource-servers")? {
        Ok(made) => Ok(made_page(&member, &made)),
        Err(error) => servers_page(&member, &form, Some(&error)).await,
    }
}

fn made_page(member: &Member, made: &resource_server::CreatedResourceServer) -> HttpResponse {
    let (id, secret) = (&made.server.client_id, made.secret.expose());
    let introspect = format!(
        "curl -u {id}:{secret} -d token=TOKEN {}",
        member.server.issuer.endpoint("/oauth/introspect")
    );
    let content = html! {
        div.once {
            p { strong { (member.t("shown-once")) } }
            p { (member.t("resource-made-text")) }
            (copy(member, &member.t("column-client-id"), "client-id", id))
            (copy(member, &member.t("client-secret"), "client-secret", secret))
            (copy(member, &member.t("introspect-line"), "introspect", &introspect))
        }
        p { a.button.primary href=(member.link("/resource-servers")) { (member.t("to-resource-servers")) } }
    };
    member_page(
        member,
        Place::ResourceServers,
        Head {
            above: above(member),
            ..Head::titled(member.t("resource-made"))
        },
        content,
    )
}

fn ask_page(member: &Member, identifier: &str, error: Option<&Error>) -> HttpResponse {
    let question =
        html! { p { (member.tr("resource-delete-text", &[("identifier", identifier.into())])) } };
    let fields = hidden("identifier", identifier);
    let content = confirmation(
        member,
        question,
        "/resource-servers/delete",
        &member.t("resource-delete"),
        "/resource-servers",
        fields,
    );
    let head = Head {
        above: above(member),
        error,
        ..Head::titled(member.t("resource-delete"))
    };
    member_page(member, Place::ResourceServers, head, content)
}

/// GET `/delete`
pub async fn ask_delete(member: Member) -> Result<HttpResponse, Failure> {
    member.may(ResourcesWrite)?;
    let missing = || Error::new(Code::NotFound, "No resource server is named");
    Ok(ask_page(
        &member,
        &member.query("identifier").ok_or_else(missing)?,
        None,
    ))
}

/// POST `/delete`
pub async fn delete(Posted { member, form }: Posted) -> Result<HttpResponse, Failure> {
    let identifier = form.get("identifier");
    let deleted = resource_server::delete(
        &member.server.store,
        member.may(ResourcesWrite)?,
        identifier,
    )
    .await;
    Ok(match mendable(&member, deleted, "/resource-servers")? {
        Ok(()) => done(&member, "/resource-servers", "resource-deleted"),
        Err(error) => ask_page(&member, identifier, Some(&error)),
    })
}
