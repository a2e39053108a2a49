//! The account of the user: its name and its limits.

use actix_web::HttpResponse;
use maud::{Markup, html};

use super::components::{self, Field};
use super::form::Form;
use super::language::Language;
use super::page::{self, NavItem, PageHeader, done, redirect, user_page};
use super::page_error::{PageError, recoverable};
use super::session_extractor::{AuthenticatedForm, CurrentUser};
use crate::error::{Error, refusal};
use crate::manage::account::{self, Account, AccountDetails, AccountLimits, AccountPatch};
use crate::manage::actor::{AccountsRead, UsersWrite};

/// The user's account. An operator has none, and sees all.
pub async fn show(user: CurrentUser) -> Result<HttpResponse, PageError> {
    if user.is_operator() {
        return Ok(redirect(&user.link("/accounts"), &[]));
    }
    let details = own(&user).await?;
    let values = values(&details.account);
    Ok(account_page(&user, &details, &values, None))
}

/// The values of the form for an account's name and language.
fn values(account: &Account) -> Form {
    Form::filled(&[
        ("name", &account.name),
        ("mail_language", mail_language(account)),
    ])
}

/// The value of the field for the language of e-mail.
pub fn mail_language(account: &Account) -> &'static str {
    account.language.map(Language::code).unwrap_or_default()
}

fn language_name(user: &CurrentUser, language: Option<Language>) -> String {
    match language {
        Some(language) => language.name().to_owned(),
        None => {
            let server = user.server.settings.mail_language.name();
            user.tr("mail-language-default", &[("language", server.into())])
        }
    }
}

/// The field for the language of e-mail to people who have not chosen one.
pub fn mail_language_field(user: &CurrentUser, values: &Form, error: Option<&Error>) -> Markup {
    let mut choices = vec![(String::new(), language_name(user, None))];
    choices
        .extend(Language::ALL.map(|one| (one.code().to_owned(), language_name(user, Some(one)))));
    let field = Field::new(user, "mail_language", error).help("help-mail-language");
    field.select(&choices, values.get("mail_language"))
}

/// The language of e-mail in a form: unchanged if the form has no such field.
pub fn submitted_mail_language(form: &Form) -> Result<Option<Option<Language>>, Error> {
    let chosen = form.optional("mail_language").map(|code| {
        let known = Language::from_code(&code);
        known.ok_or_else(|| refusal::language_unknown().field("mail_language"))
    });
    let chosen = chosen.transpose()?;
    Ok(form.has("mail_language").then_some(chosen))
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
            @if !user.can(UsersWrite) { dt { (user.t("field-mail-language")) } dd { (language_name(user, account.language)) } }
        }
        @if user.can(UsersWrite) {
            (components::form(user, "/account", html! {
                (Field::new(user, "name", error).input("text", submitted.get("name")))
                (mail_language_field(user, submitted, error))
                button { (user.t("save")) }
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

/// Changes the name and the language of the user's account.
pub async fn edit(
    AuthenticatedForm { user, form }: AuthenticatedForm,
) -> Result<HttpResponse, PageError> {
    let (of_name, of_language) = (user.may(UsersWrite)?, user.may(UsersWrite)?);
    let details = own(&user).await?;
    let language = match submitted_mail_language(&form) {
        Ok(language) => language,
        Err(error) => return Ok(account_page(&user, &details, &form, Some(&error))),
    };
    let name = form.has("name").then(|| form.text("name").to_owned());
    let change = AccountPatch {
        name: name.map(|name| (of_name, name)),
        language: language.map(|language| (of_language, language)),
        ..AccountPatch::default()
    };
    let changed = account::update(&user.server.store, change, &details.account.id).await;
    match recoverable(&user, changed, "/account")? {
        Ok(_) => Ok(done(&user, "/account", "saved")),
        Err(error) => Ok(account_page(&user, &details, &form, Some(&error))),
    }
}
