//! The account of the user: its name and its limits.

use actix_web::HttpResponse;
use maud::{Markup, html};

use super::components::{self, Field};
use super::form::Form;
use super::page::{self, NavItem, PageHeader, done, redirect, user_page};
use super::page_error::{PageError, recoverable};
use super::session_extractor::{AuthenticatedForm, CurrentUser};
use crate::error::{Error, refusal};
use crate::manage::account::{self, AccountDetails, AccountLimits, AccountPatch};
use crate::manage::actor::{AccountsRead, UsersWrite};

/// The user's account. An operator has none, and sees all.
pub async fn show(user: CurrentUser) -> Result<HttpResponse, PageError> {
    if user.is_operator() {
        return Ok(redirect(&user.link("/accounts"), &[]));
    }
    let details = own(&user).await?;
    let values = Form::filled(&[("name", &details.account.name)]);
    Ok(account_page(&user, &details, &values, None))
}

async fn own(user: &CurrentUser) -> Result<AccountDetails, PageError> {
    let permit = user.may(AccountsRead)?;
    let Some(own) = user.session.account() else {
        return Err(refusal::not_found("account", "").into());
    };
    Ok(account::details(&user.server.store, permit, &own.id).await?)
}

fn account_page(
    user: &CurrentUser,
    details: &AccountDetails,
    submitted: &Form,
    error: Option<&Error>,
) -> HttpResponse {
    let account = &details.account;
    let content = html! {
        dl.facts.card {
            dt { (user.t("column-id")) } dd { (components::whole_id(user, "account-id", &account.id)) }
            dt { (user.t("column-created")) } dd { (user.date_time_text(account.created_at)) }
            dt { (user.t("column-second-factor")) } dd { (user.t(if account.requires_second_factor { "required" } else { "not-required" })) }
        }
        @if user.can(UsersWrite) {
            (components::form(user, "/account/name", html! {
                (Field::new(user, "name", error).input("text", submitted.get("name")))
                button { (user.t("account-rename")) }
            }))
        }
        section aria-labelledby="limits" {
            h2 #limits { (user.t("account-limits")) }
            (limits(user, &details.limits))
            p.help { (user.t("account-limits-text")) }
        }
    };
    let header = PageHeader {
        notice: page::notice(user),
        error,
        ..PageHeader::titled(account.name.clone())
    };
    user_page(user, NavItem::Account, header, content)
}

/// The limits of an account, with what is used.
pub fn limits(user: &CurrentUser, limits: &AccountLimits) -> Markup {
    let number = |count: usize| user.language.number(count);
    let of = user.tr(
        "account-limit-used",
        &[
            ("used", limits.clients.into()),
            ("limit", limits.max_clients.into()),
        ],
    );
    html! {
        dl.facts {
            dt { (user.t("menu-applications")) } dd { (of) }
            dt { (user.t("account-limit-api-keys")) } dd { (number(limits.max_api_keys_per_client)) }
            dt { (user.t("account-limit-secrets")) } dd { (number(limits.max_secrets_per_client)) }
            dt { (user.t("account-limit-trust-rules")) } dd { (number(limits.max_trust_rules_per_client)) }
        }
    }
}

/// Renames the user's account.
pub async fn rename(
    AuthenticatedForm { user, form }: AuthenticatedForm,
) -> Result<HttpResponse, PageError> {
    let permit = user.may(UsersWrite)?;
    let details = own(&user).await?;
    let change = AccountPatch {
        name: Some((permit, form.text("name").to_owned())),
        ..AccountPatch::default()
    };
    let changed = account::update(&user.server.store, change, &details.account.id).await;
    match recoverable(&user, changed, "/account")? {
        Ok(_) => Ok(done(&user, "/account", "saved")),
        Err(error) => Ok(account_page(&user, &details, &form, Some(&error))),
    }
}
