//! Accounts, for operators.

use actix_web::HttpResponse;
use actix_web::web::Path;
use maud::{Markup, html};

use super::page::{self, Field, Head, Place, badge, done, empty, hidden, member_page, table};
use super::visit::{Failure, Form, Member, Posted, mendable};
use crate::error::Error;
use crate::manage::account::{self, AccountPatch};
use crate::manage::actor::{AccountsRead, AccountsWrite, UsersWrite};

/// GET
pub async fn list(member: Member) -> Result<HttpResponse, Failure> {
    accounts_page(&member, &Form::default(), None).await
}

async fn accounts_page(
    member: &Member,
    sent: &Form,
    error: Option<&Error>,
) -> Result<HttpResponse, Failure> {
    member.may(AccountsWrite)?;
    let accounts = account::partners(&member.server.store, member.may(AccountsRead)?).await?;
    let rows: Vec<Vec<Markup>> = accounts
        .iter()
        .map(|account| {
            let required = account.requires_second_factor;
            vec![
                html! { a href={ (member.link("/applications")) "?account=" (account.id) } { (account.name) } },
                html! { code { (account.id) } },
                member.language.day(account.created_at),
                html! { @if required { (badge("good", &member.t("required"))) } @else { (member.t("not-required")) } },
                page::form(member, &format!("/accounts/{}/second-factor", account.id), html! {
                    (hidden("required", if required { "" } else { "on" }))
                    button.small { (member.t(if required { "policy-turn-off" } else { "policy-turn-on" })) span.unseen { " " (account.name) } }
                }),
            ]
        })
        .collect();
    let content = html! {
        @if rows.is_empty() { (empty(&member.t("accounts-none"), &member.t("accounts-none-text"), None)) }
        @else { (table(member, &member.t("menu-accounts"), &["column-name", "column-id", "column-made", "second-factor", ""], &rows)) }
        section aria-labelledby="new-account" {
            h2 #new-account { (member.t("account-new")) }
            (page::form_once(member, "/accounts", sent, html! {
                (Field::new(member, "name", error).help("help-account-name").input("text", sent.get("name")))
                button.primary { (member.t("account-create")) }
            }))
        }
    };
    let head = Head {
        notice: page::notice(member),
        error,
        ..Head::titled(member.t("menu-accounts"))
    };
    Ok(member_page(member, Place::Accounts, head, content))
}

/// POST
pub async fn create(Posted { member, form }: Posted) -> Result<HttpResponse, Failure> {
    let made = account::create(
        &member.server.store,
        member.may(AccountsWrite)?,
        form.text("name"),
    )
    .await;
    match mendable(&member, made, "/accounts")? {
        Ok(_) => Ok(done(&member, "/accounts", "account-created")),
        Err(error) => accounts_page(&member, &form, Some(&error)).await,
    }
}

/// POST `/{id}/second-factor`
pub async fn require_second_factor(
    Posted { member, form }: Posted,
    id: Path<String>,
) -> Result<HttpResponse, Failure> {
    let required = Some((member.may(UsersWrite)?, form.checked("required")));
    let change = AccountPatch {
        requires_second_factor: required,
        ..AccountPatch::default()
    };
    account::update(&member.server.store, change, &id).await?;
    Ok(done(&member, "/accounts", "saved"))
}
