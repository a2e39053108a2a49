//! Client secrets: made, rotated, ended.

use actix_web::HttpResponse;
use actix_web::web::Path;
use maud::{Markup, html};

use super::applications::Application;
use super::page::{
    self, Field, Head, Place, badge, confirmation, copy, done, empty, member_page, table,
};
use super::visit::{Failure, Form, Member, Posted, mendable};
use crate::clock::parse_duration;
use crate::error::{Code, Error};
use crate::manage::actor::{KeysRead, KeysWrite};
use crate::manage::secret::{self, ClientSecret};

/// For how long the old secrets stay good beside the new one, as the form offers it.
const GRACES: [&str; 4] = ["24h", "1h", "7d", "0s"];

fn above(member: &Member, application: &Application, secrets: bool) -> Vec<(String, String)> {
    let mut above = application.above(member);
    if secrets {
        above.push((application.path("/secrets"), member.t("secrets")));
    }
    above
}

/// GET
pub async fn list(member: Member, id: Path<String>) -> Result<HttpResponse, Failure> {
    let application = Application::find(&member, &id).await?;
    secrets_page(&member, &application, &Form::default(), None).await
}

async fn secrets_page(
    member: &Member,
    application: &Application,
    sent: &Form,
    error: Option<&Error>,
) -> Result<HttpResponse, Failure> {
    let id = &application.client.client_id;
    let secrets = secret::list(&member.server.store, member.may(KeysRead)?, id).await?;
    let graces: Vec<(String, String)> = GRACES
        .iter()
        .map(|&span| {
            (
                span.to_owned(),
                parse_duration(span)
                    .map_or_else(|_| member.t("at-once"), |grace| member.language.span(grace)),
            )
        })
        .map(|(span, name)| {
            if span == "0s" {
                (span, member.t("at-once"))
            } else {
                (span, name)
            }
        })
        .collect();
    let content = html! {
        p { (member.t("secrets-text")) }
        @if secrets.is_empty() { (empty(&member.t("secrets-none"), &member.t("secrets-none-text"), None)) } @else { (rows(member, application, &secrets)) }
        @if member.can(KeysWrite) {
            section aria-labelledby="rotate-secrets" {
                h2 #rotate-secrets { (member.t("secrets-rotate")) }
                p { (member.t("secrets-rotate-text")) }
                (page::form_once(member, &application.path("/secrets/rotate"), sent, html! {
                    (Field::new(member, "grace", error).select(&graces, sent.get("grace")))
                    button.primary { (member.t("secrets-rotate")) }
                }))
            }
            section aria-labelledby="new-secret" {
                h2 #new-secret { (member.t("secret-new")) }
                p { (member.t("secret-new-text")) }
                (page::form_once(member, &application.path("/secrets"), sent, html! { button { (member.t("secret-create")) } }))
            }
        }
    };
    let head = Head {
        above: above(member, application, false),
        notice: page::notice(member),
        error,
        ..Head::titled(member.t("secrets"))
    };
    Ok(member_page(member, Place::Applications, head, content))
}

fn rows(member: &Member, application: &Application, secrets: &[ClientSecret]) -> Markup {
    let writes = member.can(KeysWrite);
    let rows: Vec<Vec<Markup>> = secrets
        .iter()
        .map(|secret| {
            let ends = match secret.expires_at {
                None => html! { (member.t("never")) },
                Some(end) if end <= member.now() => html! { (badge("off", &member.t("ended"))) " " (member.relative(end)) },
                Some(end) => {
                    html! { span data-until=(end.millis()) data-units=(member.t("countdown-units")) { (member.relative(end)) } }
                }
            };
            vec![
                html! { code { "kws_" (secret.id) "_…" } },
                member.language.moment(secret.created_at),
                ends,
                html! { @if writes {
                    a.button.small href=(member.link(&application.path(&format!("/secrets/{}/delete", secret.id)))) {
                        (member.t("delete")) span.unseen { " " (secret.id) }
                    }
                } },
            ]
        })
        .collect();
    table(
        member,
        &member.t("secrets"),
        &["column-secret", "column-made", "column-ends", ""],
        &rows,
    )
}

fn secret_page(member: &Member, application: &Application, secret: &str) -> HttpResponse {
    let token_endpoint = member.server.issuer.endpoint("/oauth/token");
    let try_it = format!(
        "curl -u {}:{secret} -d grant_type=client_credentials {token_endpoint}",
        application.client.client_id
    );
    let content = html! {
        div.once {
            p { strong { (member.t("shown-once")) } }
            (copy(member, &member.t("client-secret"), "client-secret", secret))
            (copy(member, &member.t("first-token"), "first-token", &try_it))
        }
        p { a.button.primary href=(member.link(&application.path("/secrets"))) { (member.t("to-secrets")) } }
    };
    let head = Head {
        above: above(member, application, true),
        ..Head::titled(member.t("secret-made"))
    };
    member_page(member, Place::Applications, head, content)
}

/// POST
pub async fn create(
    Posted { member, form }: Posted,
    id: Path<String>,
) -> Result<HttpResponse, Failure> {
    let application = Application::find(&member, &id).await?;
    let made = secret::create(&member.server.store, member.may(KeysWrite)?, &id, None).await;
    match mendable(&member, made, &application.path("/secrets"))? {
        Ok((secret, _)) => Ok(secret_page(&member, &application, secret.expose())),
        Err(error) => secrets_page(&member, &application, &form, Some(&error)).await,
    }
}

/// POST `/rotate`
pub async fn rotate(
    Posted { member, form }: Posted,
    id: Path<String>,
) -> Result<HttpResponse, Failure> {
    let application = Application::find(&member, &id).await?;
    let made = async {
        let unusable = |reason| {
            Error::new(Code::InvalidRequest, reason)
                .phrase("span-unusable", [])
                .field("grace")
        };
        let grace = parse_duration(form.text("grace")).map_err(unusable)?;
        secret::rotate(&member.server.store, member.may(KeysWrite)?, &id, grace).await
    };
    match mendable(&member, made.await, &application.path("/secrets"))? {
        Ok((secret, _)) => Ok(secret_page(&member, &application, secret.expose())),
        Err(error) => secrets_page(&member, &application, &form, Some(&error)).await,
    }
}

/// GET `/{secret}/delete`
pub async fn ask_delete(
    member: Member,
    ids: Path<(String, String)>,
) -> Result<HttpResponse, Failure> {
    member.may(KeysWrite)?;
    let application = Application::find(&member, &ids.0).await?;
    let secrets = secret::list(&member.server.store, member.may(KeysRead)?, &ids.0).await?;
    let live = secrets
        .iter()
        .filter(|secret| secret.expires_at.is_none_or(|end| end > member.now()));
    let last = live.clone().count() == 1 && live.clone().any(|secret| secret.id == ids.1);
    let question = html! {
        p { (member.t("secret-delete-text")) }
        @if last { p { strong { (member.t("secret-last")) } } }
    };
    let action = application.path(&format!("/secrets/{}/delete", ids.1));
    let content = confirmation(
        &member,
        question,
        &action,
        &member.t("secret-delete"),
        &application.path("/secrets"),
        html! {},
    );
    let title = member.tr("secret-delete-which", &[("id", ids.1.as_str().into())]);
    Ok(member_page(
        &member,
        Place::Applications,
        Head {
            above: above(&member, &application, true),
            ..Head::titled(title)
        },
        content,
    ))
}

/// POST `/{secret}/delete`
pub async fn delete(
    Posted { member, .. }: Posted,
    ids: Path<(String, String)>,
) -> Result<HttpResponse, Failure> {
    let application = Application::find(&member, &ids.0).await?;
    secret::delete(&member.server.store, member.may(KeysWrite)?, &ids.0, &ids.1).await?;
    Ok(done(
        &member,
        &application.path("/secrets"),
        "secret-deleted",
    ))
}
