//! People: the users of an account, and for operators all of them.

use actix_web::HttpResponse;
use actix_web::web::Path;
use maud::{Markup, html};

use super::page::{
    self, Field, Head, Place, badge, confirmation, copy, done, hidden, member_page, table,
};
use super::visit::{Failure, Form, Member, Posted, mendable};
use crate::credential::Credential;
use crate::error::{Code, Error};
use crate::manage::account::{self, AccountPatch};
use crate::manage::actor::{AccountsRead, UsersRead, UsersWrite};
use crate::manage::user::{self, Role, UserView};
use crate::manage::{invitation, second_factor};

/// GET
pub async fn list(member: Member) -> Result<HttpResponse, Failure> {
    people_page(&member, &Form::default(), None).await
}

async fn people_page(
    member: &Member,
    sent: &Form,
    error: Option<&Error>,
) -> Result<HttpResponse, Failure> {
    let users = user::list(&member.server.store, member.may(UsersRead)?).await?;
    let accounts = account::partners(&member.server.store, member.may(AccountsRead)?).await?;
    let writes = member.can(UsersWrite);
    let content = html! {
        (rows(member, &users, &accounts))
        @if writes {
            section aria-labelledby="invite" {
                h2 #invite { (member.t("person-invite")) }
                p { (member.t("person-invite-text")) }
                (page::form_once(member, "/people", sent, html! {
                    (Field::new(member, "email", error).input_with("email", sent.get("email"), "off"))
                    @if member.is_operator() {
                        (Field::new(member, "account", error).help("help-person-account").select(&choices(&accounts), sent.get("account")))
                    }
                    (Field::new(member, "role", error).help("help-role").select(&roles(member), sent.get("role")))
                    button.primary { (member.t("person-invite")) }
                }))
            }
            @if let Some(account) = member.signed_in.account() {
                section aria-labelledby="policy" {
                    h2 #policy { (member.t("second-factor")) }
                    (policy(member, account.requires_second_factor, "/people/second-factor"))
                }
            }
        }
    };
    let head = Head {
        notice: page::notice(member),
        error,
        ..Head::titled(member.t("menu-people"))
    };
    Ok(member_page(member, Place::People, head, content))
}

/// Whether an account requires the second factor, with the button that turns it round.
pub fn policy(member: &Member, required: bool, action: &str) -> Markup {
    let (text, label) = if required {
        ("policy-on", "policy-turn-off")
    } else {
        ("policy-off", "policy-turn-on")
    };
    html! {
        p { (member.t(text)) }
        (page::form(member, action, html! {
            (hidden("required", if required { "" } else { "on" }))
            button { (member.t(label)) }
        }))
    }
}

fn choices(accounts: &[account::Account]) -> Vec<(String, String)> {
    accounts
        .iter()
        .map(|account| (account.id.clone(), account.name.clone()))
        .collect()
}

fn roles(member: &Member) -> Vec<(String, String)> {
    let all = [
        Role::Developer,
        Role::Administrator,
        Role::Viewer,
        Role::Operator,
    ];
    let offered = all
        .into_iter()
        .filter(|role| *role != Role::Operator || member.is_operator());
    offered
        .map(|role| (role.to_string(), member.t(&format!("role-{role}"))))
        .collect()
}

fn rows(member: &Member, users: &[UserView], accounts: &[account::Account]) -> Markup {
    let operator = member.is_operator();
    let name_of = |id: &str| {
        accounts
            .iter()
            .find(|account| account.id == id)
            .map_or("", |account| account.name.as_str())
    };
    let rows: Vec<Vec<Markup>> = users
        .iter()
        .map(|user| {
            let mut row = vec![
                html! { a href=(member.link(&format!("/people/{}", user.id))) { (user.email) } },
                html! { (member.t(&format!("role-{}", user.role))) },
                state(member, user),
                html! { @if user.has_second_factor { (badge("good", &member.t("second-factor-on"))) } @else { (member.t("none")) } },
                member.language.day(user.created_at),
            ];
            if operator {
                row.insert(1, html! { (user.account.as_deref().map(name_of).unwrap_or_default()) });
            }
            row
        })
        .collect();
    let mut columns = vec![
        "field-email",
        "field-role",
        "column-state",
        "second-factor",
        "column-made",
    ];
    if operator {
        columns.insert(1, "column-account");
    }
    table(member, &member.t("menu-people"), &columns, &rows)
}

fn state(member: &Member, user: &UserView) -> Markup {
    match (user.has_password, user.invited_until) {
        (_, Some(until)) if until > member.now() => {
            html! { (badge("plain", &member.t("person-invited"))) " " (member.relative(until)) }
        }
        (true, _) => badge("good", &member.t("person-active")),
        (false, _) => badge("off", &member.t("person-no-password")),
    }
}

/// POST: makes the user and the link.
pub async fn invite(Posted { member, form }: Posted) -> Result<HttpResponse, Failure> {
    let made = async {
        let role: Role = form
            .get("role")
            .parse::<Role>()
            .map_err(|error| Error::new(Code::InvalidRequest, error).field("role"))?;
        let account = Some(form.get("account"))
            .filter(|id| !id.is_empty() && member.is_operator() && role != Role::Operator);
        let email = form.text("email");
        let permit = member.may(UsersWrite)?;
        let user = user::create(
            &member.server.store,
            permit,
            email,
            role,
            account.map(str::to_owned),
        )
        .await?;
        let (link, _) =
            invitation::create(&member.server.store, member.may(UsersWrite)?, &user.email).await?;
        Ok::<_, Error>((user, link))
    };
    match mendable(&member, made.await, "/people")? {
        Ok((user, made)) => Ok(link_page(&member, &user.email, &made)),
        Err(error) => people_page(&member, &form, Some(&error)).await,
    }
}

fn link_page(member: &Member, email: &str, link: &Credential) -> HttpResponse {
    let url = invitation::url(&member.server.issuer, link);
    let content = html! {
        div.once {
            p { strong { (member.t("shown-once")) } }
            p { (member.tr("link-text", &[("email", email.into())])) }
            (copy(member, &member.t("link"), "link", &url))
            p { (member.tr("link-lifetime", &[("span", member.language.span(invitation::LIFETIME).into())])) }
        }
        p { a.button.primary href=(member.link("/people")) { (member.t("to-people")) } }
    };
    let above = vec![("/people".to_owned(), member.t("menu-people"))];
    member_page(
        member,
        Place::People,
        Head {
            above,
            ..Head::titled(member.t("link-made"))
        },
        content,
    )
}

async fn find(member: &Member, id: &str) -> Result<UserView, Failure> {
    let users = user::list(&member.server.store, member.may(UsersRead)?).await?;
    let gone = || Error::new(Code::NotFound, "There is no such user").phrase("person-gone", []);
    Ok(users
        .into_iter()
        .find(|user| user.id == id)
        .ok_or_else(gone)?)
}

/// GET `/{id}`
pub async fn show(member: Member, id: Path<String>) -> Result<HttpResponse, Failure> {
    let user = find(&member, &id).await?;
    Ok(person_page(&member, &user, None))
}

fn person_page(member: &Member, user: &UserView, error: Option<&Error>) -> HttpResponse {
    let to = |below: &str| format!("/people/{}{below}", user.id);
    let own = user.email == member.signed_in.email();
    let content = html! {
        dl.facts {
            dt { (member.t("field-role")) } dd { (member.t(&format!("role-{}", user.role))) }
            dt { (member.t("column-state")) } dd { (state(member, user)) }
            dt { (member.t("second-factor")) } dd { (member.t(if user.has_second_factor { "second-factor-on" } else { "none" })) }
        }
        @if own { p { a href=(member.link("/profile")) { (member.t("person-yourself")) } } }
        @else if member.can(UsersWrite) {
            @if user.role != Role::Operator {
                section aria-labelledby="set-role" {
                    h2 #set-role { (member.t("role-change")) }
                    (page::form(member, &to("/role"), html! {
                        (Field::new(member, "role", error).help("help-role").select(
                            &roles(member).into_iter().filter(|(role, _)| role != "operator").collect::<Vec<_>>(), user.role.as_str()))
                        button { (member.t("save")) }
                    }))
                }
            }
            section aria-labelledby="new-link" {
                h2 #new-link { (member.t("link-new")) }
                p { (member.t("link-new-text")) }
                (page::button(member, &to("/link"), &member.t("link-new"), ""))
            }
            @if user.has_second_factor {
                section aria-labelledby="reset" {
                    h2 #reset { (member.t("second-factor-reset")) }
                    p { (member.t("second-factor-reset-text")) }
                    (page::button(member, &to("/second-factor/reset"), &member.t("second-factor-reset"), "danger"))
                }
            }
            p { a.button.danger href=(member.link(&to("/remove"))) { (member.t("person-remove")) } }
        }
    };
    let above = vec![("/people".to_owned(), member.t("menu-people"))];
    let head = Head {
        above,
        notice: page::notice(member),
        error,
        ..Head::titled(user.email.clone())
    };
    member_page(member, Place::People, head, content)
}

/// What came of it: `what` was done, and `to` shows it; or the person's page, with why it was refused.
fn outcome<T>(
    member: &Member,
    user: &UserView,
    result: Result<T, Error>,
    to: &str,
    what: &str,
) -> Result<HttpResponse, Failure> {
    Ok(match mendable(member, result, to)? {
        Ok(_) => done(member, to, what),
        Err(error) => person_page(member, user, Some(&error)),
    })
}

/// POST `/{id}/role`
pub async fn set_role(
    Posted { member, form }: Posted,
    id: Path<String>,
) -> Result<HttpResponse, Failure> {
    let user = find(&member, &id).await?;
    let changed = async {
        let role = form
            .get("role")
            .parse::<Role>()
            .map_err(|error| Error::new(Code::InvalidRequest, error).field("role"))?;
        user::set_role(
            &member.server.store,
            member.may(UsersWrite)?,
            &user.email,
            role,
        )
        .await
    };
    outcome(
        &member,
        &user,
        changed.await,
        &format!("/people/{id}"),
        "saved",
    )
}

/// POST `/{id}/link`
pub async fn link(
    Posted { member, .. }: Posted,
    id: Path<String>,
) -> Result<HttpResponse, Failure> {
    let user = find(&member, &id).await?;
    let made = invitation::create(&member.server.store, member.may(UsersWrite)?, &user.email).await;
    match mendable(&member, made, "/people")? {
        Ok((link, _)) => Ok(link_page(&member, &user.email, &link)),
        Err(error) => Ok(person_page(&member, &user, Some(&error))),
    }
}

/// POST `/{id}/second-factor/reset`
pub async fn reset_second_factor(
    Posted { member, .. }: Posted,
    id: Path<String>,
) -> Result<HttpResponse, Failure> {
    let user = find(&member, &id).await?;
    let reset =
        second_factor::reset(&member.server.store, member.may(UsersWrite)?, &user.email).await;
    outcome(
        &member,
        &user,
        reset,
        &format!("/people/{id}"),
        "second-factor-removed",
    )
}

/// GET `/{id}/remove`
pub async fn ask_remove(member: Member, id: Path<String>) -> Result<HttpResponse, Failure> {
    member.may(UsersWrite)?;
    let user = find(&member, &id).await?;
    let path = format!("/people/{id}");
    let question =
        html! { p { (member.tr("person-remove-text", &[("email", user.email.as_str().into())])) } };
    let title = member.tr(
        "person-remove-who",
        &[("email", user.email.as_str().into())],
    );
    let content = confirmation(
        &member,
        question,
        &format!("{path}/remove"),
        &member.t("person-remove"),
        &path,
        html! {},
    );
    let above = vec![
        ("/people".to_owned(), member.t("menu-people")),
        (path, user.email.clone()),
    ];
    Ok(member_page(
        &member,
        Place::People,
        Head {
            above,
            ..Head::titled(title)
        },
        content,
    ))
}

/// POST `/{id}/remove`
pub async fn remove(
    Posted { member, .. }: Posted,
    id: Path<String>,
) -> Result<HttpResponse, Failure> {
    let user = find(&member, &id).await?;
    let removed = user::delete(&member.server.store, member.may(UsersWrite)?, &user.email).await;
    outcome(&member, &user, removed, "/people", "person-removed")
}

/// POST `/second-factor`: of the member's own account.
pub async fn require_second_factor(
    Posted { member, form }: Posted,
) -> Result<HttpResponse, Failure> {
    let Some(account) = member.signed_in.account() else {
        return Err(Error::new(Code::NotFound, "An operator belongs to no account").into());
    };
    let required = Some((member.may(UsersWrite)?, form.checked("required")));
    let change = AccountPatch {
        requires_second_factor: required,
        ..AccountPatch::default()
    };
    account::update(&member.server.store, change, &account.id).await?;
    Ok(done(&member, "/people", "saved"))
}
