//! The page to try a token or an API key out: what `/verify` and introspection would answer, and why.

use std::net::IpAddr;

use actix_web::HttpResponse;
use maud::{Markup, html};

use super::audit::reason_text;
use super::components::{self, Field, badge, chips, copy};
use super::form::Form;
use super::page::{NavItem, PageHeader, user_page};
use super::page_error::{PageError, recoverable};
use super::session_extractor::{AuthenticatedForm, CurrentUser};
use crate::error::{Error, refusal};
use crate::http::error::status;
use crate::manage::actor::TokensRead;
use crate::manage::trial::{
    self, Identity, Introspection, Reason, RequiredAccess, Trial, TrialResult, Verification,
};

/// The path of the page.
pub(super) const PATH: &str = "/try";

/// The empty form.
pub async fn show(user: CurrentUser) -> Result<HttpResponse, PageError> {
    user.may(TokensRead)?;
    Ok(page(&user, &Form::default(), None, None))
}

/// Tries a token or an API key out. It is not shown again.
pub async fn try_out(
    AuthenticatedForm { user, form }: AuthenticatedForm,
) -> Result<HttpResponse, PageError> {
    let permit = user.may(TokensRead)?;
    let tried = async {
        let trial = Trial {
            credential: Some(form.text("credential"))
                .filter(|text| !text.is_empty())
                .ok_or_else(|| refusal::credential_required().field("credential"))?,
            required: RequiredAccess {
                scope: form.scope("scope")?,
                audiences: form.optional("resource_server").into_iter().collect(),
            },
            client_ip: client_ip(&form)?,
        };
        trial::try_out(&user.server, permit, &trial).await
    };
    Ok(match recoverable(&user, tried.await, PATH)? {
        Ok(result) => page(&user, &form, Some(&result), None),
        Err(error) => page(&user, &form, None, Some(&error)),
    })
}

fn client_ip(form: &Form) -> Result<Option<IpAddr>, Error> {
    let parse = |text: String| {
        text.parse()
            .map_err(|_| refusal::client_ip_invalid().field("client_ip"))
    };
    form.optional("client_ip").map(parse).transpose()
}

fn page(
    user: &CurrentUser,
    submitted: &Form,
    result: Option<&TrialResult>,
    error: Option<&Error>,
) -> HttpResponse {
    let text = |name: &'static str, help: &str| {
        let field = Field::new(user, name, error).optional().help(help);
        field.input("text", submitted.get(name))
    };
    let content = html! {
        @if let Some(result) = result { (result_section(user, result)) }
        p { (user.t("try-text")) }
        (components::form(user, PATH, html! {
            (Field::new(user, "credential", error).help("help-credential").textarea(""))
            (text("resource_server", "help-try-resource-server"))
            (text("scope", "help-try-scope"))
            (text("client_ip", "help-try-client-ip"))
            button.primary { (user.t("try-out")) }
        }))
    };
    let header = PageHeader {
        breadcrumbs: vec![NavItem::ApiKeys.breadcrumb(user)],
        error,
        ..PageHeader::titled(user.t("try-key"))
    };
    user_page(user, NavItem::ApiKeys, header, content)
}

fn result_section(user: &CurrentUser, result: &TrialResult) -> Markup {
    html! {
        section aria-labelledby="result" {
            h2 #result { (user.t("trust-rule-result")) }
            div.card { h3 { "/verify" } (verification(user, &result.verification)) }
            div.card { h3 { (user.t("try-introspection")) } (introspection(user, &result.introspection)) }
        }
    }
}

fn verification(user: &CurrentUser, verification: &Verification) -> Markup {
    match verification {
        Verification::Allowed(identity) => allowed(user, identity),
        Verification::Refused { error, reason } => html! {
            p role="status" {
                (badge("off", &user.t("rejected"))) " "
                code { (status(error.code()).as_u16()) " " (error.code().as_str()) }
            }
            @match reason {
                Some(reason) => p { (reason_words(user, reason)) },
                None => p { (user.t("try-no-audience")) },
            }
        },
    }
}

fn allowed(user: &CurrentUser, identity: &Identity) -> Markup {
    html! {
        p role="status" { (badge("good", &user.t("accepted"))) " " code { "200" } }
        dl.facts {
            dt { "X-Keyward-Client-Id" } dd { code { (identity.client_id) } }
            dt { "X-Keyward-Account" } dd { code { (identity.account) } }
            dt { "X-Keyward-Token-Id" } dd { code { (identity.token_id) } }
            dt { "X-Keyward-Scope" } dd { (chips(user, identity.scope.iter(), "nothing")) }
        }
    }
}

fn introspection(user: &CurrentUser, introspection: &Introspection) -> Markup {
    let asked_by =
        |resource_server: &str| user.tr("try-asked-by", &[("resource", resource_server.into())]);
    match introspection {
        Introspection::Active {
            resource_server,
            response,
        } => {
            let json = serde_json::to_string_pretty(response).unwrap_or_default();
            html! {
                p { (badge("good", &user.t("active"))) " " (asked_by(resource_server)) }
                (copy(user, &user.t("try-response"), "introspection", &json))
            }
        }
        Introspection::Inactive {
            resource_server,
            reason,
        } => html! {
            p {
                (badge("off", &user.t("try-inactive"))) " "
                @if let Some(resource_server) = resource_server { (asked_by(resource_server)) }
            }
            p { (reason_words(user, reason)) }
        },
        Introspection::NoCaller => html! { p { (user.t("try-no-caller")) } },
    }
}

fn reason_words(user: &CurrentUser, reason: &Reason) -> Markup {
    reason_text(
        user,
        Some(reason.code()),
        &reason.parameters(),
        &reason.to_string(),
    )
}
