//! Initial access tokens, with which clients register themselves (RFC 7591).

use actix_web::HttpResponse;
use actix_web::web::Path;
use maud::{Markup, html};

use super::applications::warned;
use super::page::{
    self, Field, Head, Place, badge, confirmation, copy, done, empty, member_page, table,
};
use super::visit::{Failure, Form, Member, Posted, mendable};
use crate::clock::parse_duration;
use crate::error::{Code, Error};
use crate::manage::account;
use crate::manage::actor::{AccountsRead, ClientsWrite, RegistrationRead, RegistrationWrite};
use crate::manage::client::{self, Warning};
use crate::manage::registration_token::{self, NewRegistrationToken, RegistrationTokenView};

/// For how long a token is good, as the form offers it; without end last.
const LIFETIMES: [&str; 4] = ["7d", "30d", "90d", ""];

/// GET
pub async fn list(member: Member) -> Result<HttpResponse, Failure> {
    tokens_page(&member, &Form::filled(&[("uses", "1")]), None).await
}

async fn tokens_page(
    member: &Member,
    sent: &Form,
    error: Option<&Error>,
) -> Result<HttpResponse, Failure> {
    let tokens =
        registration_token::list(&member.server.store, member.may(RegistrationRead)?).await?;
    let content = html! {
        p { (member.t("registration-text")) }
        @if tokens.is_empty() { (empty(&member.t("registration-none"), &member.t("registration-none-text"), None)) } @else { (rows(member, &tokens)) }
        @if member.can(RegistrationWrite) {
            section aria-labelledby="new-token" { h2 #new-token { (member.t("registration-new")) } (new_form(member, sent, error).await?) }
        }
    };
    let head = Head {
        notice: page::notice(member),
        error,
        ..Head::titled(member.t("menu-registration-tokens"))
    };
    Ok(member_page(
        member,
        Place::RegistrationTokens,
        head,
        content,
    ))
}

async fn new_form(member: &Member, sent: &Form, error: Option<&Error>) -> Result<Markup, Failure> {
    let mut choices = client::grantable(&member.server.store, member.may(ClientsWrite)?).await?;
    // No client that registers itself can use it.
    choices
        .resources
        .remove(&member.server.issuer.management_audience());
    let accounts = account::partners(&member.server.store, member.may(AccountsRead)?).await?;
    let accounts: Vec<(String, String)> = accounts
        .into_iter()
        .map(|account| (account.id, account.name))
        .collect();
    let lifetimes: Vec<(String, String)> = LIFETIMES
        .iter()
        .map(|&span| {
            (
                span.to_owned(),
                if span.is_empty() {
                    member.t("without-end")
                } else {
                    parse_duration(span)
                        .map(|span| member.language.span(span))
                        .unwrap_or_default()
                },
            )
        })
        .collect();
    Ok(page::form_once(
        member,
        "/registration-tokens",
        sent,
        html! {
            @if member.is_operator() { (Field::new(member, "account", error).select(&accounts, sent.get("account"))) }
            @if !choices.resources.is_empty() { (Field::new(member, "resources", error).optional().help("help-resources").boxes(choices.resources.iter().map(String::as_str), sent)) }
            @if !choices.scope.is_empty() { (Field::new(member, "scope", error).optional().help("help-registration-scope").boxes(choices.scope.iter().map(String::as_str), sent)) }
            (Field::new(member, "uses", error).optional().help("help-uses").input("number", sent.get("uses")))
            (Field::new(member, "expires_in", error).select(&lifetimes, sent.get("expires_in")))
            button.primary { (member.t("registration-create")) }
        },
    ))
}

fn rows(member: &Member, tokens: &[RegistrationTokenView]) -> Markup {
    let writes = member.can(RegistrationWrite);
    let rows: Vec<Vec<Markup>> = tokens
        .iter()
        .map(|token| {
            let uses = match token.uses_left {
                None => html! { (member.t("any-number")) },
                Some(0) => badge("off", &member.t("used-up")),
                Some(left) => html! { (member.language.number(left)) },
            };
            let ends = match token.expires_at {
                None => html! { (member.t("never")) },
                Some(end) if end <= member.now() => badge("off", &member.t("ended")),
                Some(end) => member.relative(end),
            };
            vec![
                html! { code { "kwi_" (token.id) "_…" } },
                html! { span.words { (token.scope) } },
                html! { span.words { (token.resources.as_str()) } },
                uses,
                ends,
                html! { @if writes {
                    a.button.small href=(member.link(&format!("/registration-tokens/{}/delete", token.id))) { (member.t("delete")) span.unseen { " " (token.id) } }
                } },
            ]
        })
        .collect();
    let columns = [
        "column-token",
        "column-scope",
        "field-resources",
        "column-uses-left",
        "column-ends",
        "",
    ];
    table(
        member,
        &member.t("menu-registration-tokens"),
        &columns,
        &rows,
    )
}

fn above(member: &Member) -> Vec<(String, String)> {
    vec![(
        "/registration-tokens".to_owned(),
        member.t("menu-registration-tokens"),
    )]
}

/// POST
pub async fn create(Posted { member, form }: Posted) -> Result<HttpResponse, Failure> {
    let made = async {
        let wrong = |phrase: &'static str, field: &'static str| {
            Error::new(Code::InvalidRequest, "That cannot be")
                .phrase(phrase, [])
                .field(field)
        };
        let scope = form
            .all("scope")
            .collect::<Vec<_>>()
            .join(" ")
            .parse()
            .map_err(|_| wrong("scope-unusable", "scope"))?;
        let uses = match form.text("uses") {
            "" => None,
            text => Some(text.parse().map_err(|_| wrong("uses-missing", "uses"))?),
        };
        let lifetime = match form.text("expires_in") {
            "" => None,
            text => Some(parse_duration(text).map_err(|_| wrong("span-unusable", "expires_in"))?),
        };
        let account = Some(form.get("account"))
            .filter(|id| !id.is_empty() && member.is_operator())
            .map(str::to_owned);
        let new = NewRegistrationToken {
            account,
            scope,
            resources: form.all("resources").map(str::to_owned).collect(),
            uses,
            lifetime,
        };
        registration_token::create(&member.server.store, member.may(RegistrationWrite)?, new).await
    };
    match mendable(&member, made.await, "/registration-tokens")? {
        Ok((token, _, warning)) => Ok(made_page(&member, token.expose(), warning.as_ref())),
        Err(error) => tokens_page(&member, &form, Some(&error)).await,
    }
}

fn made_page(member: &Member, token: &str, warning: Option<&Warning>) -> HttpResponse {
    let register = member.server.issuer.endpoint("/oauth/register");
    let line = format!(
        "curl -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json' -d '{{\"client_name\": \"My application\"}}' {register}"
    );
    let content = html! {
        @if let Some(warning) = warning { (warned(member, warning)) }
        div.once {
            p { strong { (member.t("shown-once")) } }
            (copy(member, &member.t("registration-token"), "token", token))
            (copy(member, &member.t("registration-line"), "register", &line))
        }
        p { a.button.primary href=(member.link("/registration-tokens")) { (member.t("to-registration-tokens")) } }
    };
    let head = Head {
        above: above(member),
        ..Head::titled(member.t("registration-made"))
    };
    member_page(member, Place::RegistrationTokens, head, content)
}

/// GET `/{id}/delete`
pub async fn ask_delete(member: Member, id: Path<String>) -> Result<HttpResponse, Failure> {
    member.may(RegistrationWrite)?;
    let question = html! { p { (member.t("registration-delete-text")) } };
    let action = format!("/registration-tokens/{id}/delete");
    let content = confirmation(
        &member,
        question,
        &action,
        &member.t("registration-delete"),
        "/registration-tokens",
        html! {},
    );
    let head = Head {
        above: above(&member),
        ..Head::titled(member.t("registration-delete"))
    };
    Ok(member_page(
        &member,
        Place::RegistrationTokens,
        head,
        content,
    ))
}

/// POST `/{id}/delete`
pub async fn delete(
    Posted { member, .. }: Posted,
    id: Path<String>,
) -> Result<HttpResponse, Failure> {
    registration_token::delete(&member.server.store, member.may(RegistrationWrite)?, &id).await?;
    Ok(done(
        &member,
        "/registration-tokens",
        "registration-deleted",
    ))
}
