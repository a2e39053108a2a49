//! People: the users of an account; for operators the users of all accounts.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Path;
use maud::{Markup, html};

use super::account_field::AccountChoices;
use super::account_invitations;
use super::components::{
    self, DangerousAction, Field, badge, clip, copy, danger_zone, empty, hidden, table,
};
use super::form::Form;
use super::list_query::ListQuery;
use super::page::{self, NavItem, PageHeader, done, plain_page, user_page};
use super::page_error::{PageError, recoverable};
use super::session_extractor::{AuthenticatedForm, CurrentUser, PageContext};
use crate::error::{Code, Error, refusal};
use crate::manage::account::{self, AccountPatch};
use crate::manage::account_invitation;
use crate::manage::actor::{UsersRead, UsersWrite};
use crate::manage::invitation::{self, NewInvitation};
use crate::manage::user::{self, Role, UserAccount, UserView};

/// The users that the user can see, found by email address and by page, and the form to invite
/// another.
pub async fn list(user: CurrentUser) -> Result<HttpResponse, PageError> {
    people_page(&user, &Form::default(), None).await
}

pub(super) async fn people_page(
    user: &CurrentUser,
    submitted: &Form,
    error: Option<&Error>,
) -> Result<HttpResponse, PageError> {
    let query = ListQuery::parse(user, "/people");
    let (text, after) = (query.text.clone(), query.after.clone());
    let (store, permit) = (&user.server.store, user.may(UsersRead)?);
    let found = user::search(store, permit, text, after, ListQuery::LIMIT).await?;
    let page = query.page(user, &found, |person| &person.email);
    let can_edit = user.can(UsersWrite);
    let choices = AccountChoices::load(user).await?;
    let invitations = account_invitations::section(user).await?;
    let content = html! {
        @if !page.is_whole || user.is_operator() { (query.form(user, "field-email")) }
        @if page.shown.is_empty() { (empty(&user.t("applications-not-found"), &user.t("people-not-found-text"), None)) }
        @else { (rows(user, page.shown)) }
        (page.links)
        (invitations)
        @if can_edit {
            section aria-labelledby="invite" {
                h2 #invite { (user.t("person-invite")) }
                p { (user.t("person-invite-text")) }
                (components::idempotent_form(user, "/people", submitted, html! {
                    (Field::new(user, "email", error).input_with("email", submitted.get("email"), "off"))
                    @if user.is_operator() {
                        (choices.field(Field::new(user, "account", error).help("help-person-account"), submitted.get("account")))
                    }
                    (Field::new(user, "role", error).help("help-role").select(&role_choices(user), submitted.get("role")))
                    button.primary { (user.t("person-invite")) }
                }))
            }
            @if let Some(account) = user.session.account() {
                section aria-labelledby="policy" {
                    h2 #policy { (user.t("second-factor")) }
                    (second_factor_policy(user, account.requires_second_factor, "/people/second-factor"))
                }
            }
        }
    };
    let header = PageHeader {
        notice: page::notice(user),
        error,
        ..PageHeader::titled(user.t("menu-people"))
    };
    Ok(user_page(user, NavItem::People, header, content))
}

/// Whether an account requires a second factor, with the button that changes it.
fn second_factor_policy(user: &CurrentUser, required: bool, action: &str) -> Markup {
    let (text, label) = if required {
        ("policy-on", "policy-turn-off")
    } else {
        ("policy-off", "policy-turn-on")
    };
    html! {
        p { (user.t(text)) }
        (components::form(user, action, html! {
            (hidden("required", if required { "" } else { "on" }))
            button { (user.t(label)) }
        }))
    }
}

fn role_choices(user: &CurrentUser) -> Vec<(String, String)> {
    let all = [
        Role::Developer,
        Role::Administrator,
        Role::Viewer,
        Role::Operator,
    ];
    let offered = all
        .into_iter()
        .filter(|role| *role != Role::Operator || user.is_operator());
    offered
        .map(|role| (role.to_string(), user.t(&format!("role-{role}"))))
        .collect()
}

fn rows(user: &CurrentUser, users: &[UserView]) -> Markup {
    let operator = user.is_operator();
    let rows: Vec<Vec<Markup>> = users
        .iter()
        .map(|person| {
            let mut row = vec![
                html! { a href=(user.link(&format!("/people/{}", person.id))) { (clip(&person.email)) } },
                html! { (roles(user, person)) },
                state(user, person),
                html! { @if person.has_second_factor { (badge("good", &user.t("second-factor-on"))) } @else { (user.t("second-factor-off")) } },
                user.day(person.created_at),
            ];
            if operator {
                row.insert(1, clip(&accounts(person)));
            }
            row
        })
        .collect();
    let mut columns = vec![
        "field-email",
        "field-role",
        "column-state",
        "column-second-factor",
        "column-created",
    ];
    if operator {
        columns.insert(1, "column-account");
    }
    table(user, &user.t("menu-people"), &columns, &rows)
}

/// The role in each account that the user can see.
fn roles(user: &CurrentUser, person: &UserView) -> String {
    let name = |role: Role| user.t(&format!("role-{role}"));
    let roles: Vec<String> = person.accounts.iter().map(|own| name(own.role)).collect();
    match roles.is_empty() {
        true => name(person.role),
        false => roles.join(", "),
    }
}

/// The names of the accounts that the user can see.
fn accounts(person: &UserView) -> String {
    let names = person
        .accounts
        .iter()
        .map(|own| own.account_name.as_deref());
    let names: Vec<&str> = names.map(|name| name.unwrap_or("–")).collect();
    match names.is_empty() {
        true => "–".to_owned(),
        false => names.join(", "),
    }
}

fn state(user: &CurrentUser, person: &UserView) -> Markup {
    match (person.has_password, person.invited_until) {
        (_, Some(until)) if until > user.now() => {
            html! { (badge("plain", &user.t("person-invited"))) " " (user.relative(until)) }
        }
        (true, _) => badge("good", &user.t("person-active")),
        (false, _) => badge("off", &user.t("person-no-password")),
    }
}

/// Creates a user, and a link with which the user sets a password; or a link with which a user of another
/// account joins this one.
pub async fn invite(
    AuthenticatedForm { user, form }: AuthenticatedForm,
) -> Result<HttpResponse, PageError> {
    let created = async {
        let role: Role = form
            .get("role")
            .parse::<Role>()
            .map_err(|error| Error::new(Code::InvalidRequest, error).field("role"))?;
        let account = Some(form.get("account"))
            .filter(|id| !id.is_empty() && user.is_operator() && role != Role::Operator);
        let account = account.map(str::to_owned);
        let email = form.text("email");
        let store = &user.server.store;
        let permit = user.may(UsersWrite)?;
        if role != Role::Operator
            && account_invitation::is_needed(store, permit, email, account.clone()).await?
        {
            let created = account_invitations::create(&user, email, role, account).await?;
            return Ok(account_invitations::link_page(&user, &created));
        }
        let permit = user.may(UsersWrite)?;
        let person = user::create(store, permit, email, role, account).await?;
        let created = new_link(&user, &person.email).await?;
        Ok::<_, Error>(link_page(&user, &person.email, &created))
    };
    match recoverable(&user, created.await, "/people")? {
        Ok(page) => Ok(page),
        Err(error) => people_page(&user, &form, Some(&error)).await,
    }
}

async fn new_link(user: &CurrentUser, email: &str) -> Result<NewInvitation, Error> {
    let server = &user.server;
    let permit = user.may(UsersWrite)?;
    invitation::create(&server.store, permit, server.sealing_keys(), email).await
}

fn link_page(user: &CurrentUser, email: &str, created: &NewInvitation) -> HttpResponse {
    let url = invitation::url(&user.server.issuer, &created.link);
    let text = if created.mailed {
        "link-mailed-text"
    } else {
        "link-text"
    };
    let content = html! {
        div.shown_once {
            p { strong { (user.t("shown-once")) } }
            p { (user.tr(text, &[("email", email.into())])) }
            (copy(user, &user.t("link"), "link", url.expose()))
            p { (user.tr("link-lifetime", &[("span", user.language.duration(invitation::INVITATION_TTL).into())])) }
        }
        p { a.button.primary href=(user.link("/people")) { (user.t("to-people")) } }
    };
    let breadcrumbs = vec![NavItem::People.breadcrumb(user)];
    user_page(
        user,
        NavItem::People,
        PageHeader {
            breadcrumbs,
            ..PageHeader::titled(user.t("link-created"))
        },
        content,
    )
}

/// The user of a page, who may be gone by now.
pub(super) async fn find(user: &CurrentUser, id: &str) -> Result<UserView, PageError> {
    let found = user::show(&user.server.store, user.may(UsersRead)?, id).await;
    found.map_err(gone_if_not_found)
}

/// Somebody else removed the person since the page was loaded.
fn gone_if_not_found(error: Error) -> PageError {
    match error.code() {
        Code::NotFound => PageError::PersonGone(refusal::user_gone()),
        _ => error.into(),
    }
}

/// The page about a person or an invitation that is gone, which leads back to the list.
pub(super) fn gone_page(context: &PageContext, error: &Error) -> HttpResponse {
    let content = html! { p { a.button.primary href=(context.link("/people")) { (context.t("to-people")) } } };
    let header = PageHeader {
        breadcrumbs: vec![NavItem::People.breadcrumb(context)],
        error: Some(error),
        ..PageHeader::titled(context.t("people-gone"))
    };
    plain_page(context, StatusCode::NOT_FOUND, &header, content, &[])
}

/// The page of a user.
pub async fn show(user: CurrentUser, id: Path<String>) -> Result<HttpResponse, PageError> {
    let person = find(&user, &id).await?;
    Ok(person_page(&user, &person, None))
}

fn person_page(user: &CurrentUser, person: &UserView, error: Option<&Error>) -> HttpResponse {
    let to = |below: &str| format!("/people/{}{below}", person.id);
    let own = person.email == user.session.email();
    let content = html! {
        dl.facts.card {
            dt { (user.t("field-role")) } dd { (roles(user, person)) }
            dt { (user.t("column-state")) } dd { (state(user, person)) }
            dt { (user.t("second-factor")) } dd { (user.t(if person.has_second_factor { "second-factor-on" } else { "second-factor-off" })) }
        }
        (accounts_of(user, person))
        @if own { p { a href=(user.link("/profile")) { (user.t("person-yourself")) } } }
        @else if user.can(UsersWrite) {
            @if person.role != Role::Operator {
                section aria-labelledby="set-role" {
                    h2 #set-role { (user.t("role-change")) }
                    (components::form(user, &to("/role"), html! {
                        @if person.accounts.len() > 1 { (Field::new(user, "account", error).select(&account_choices(person), "")) }
                        (role_field(user, person, error))
                        button { (user.t("save")) }
                    }))
                }
            }
            @if !person.in_other_accounts {
                section aria-labelledby="new-link" {
                    h2 #new-link { (user.t("link-new")) }
                    p { (user.t("link-new-text")) }
                    (components::button(user, &to("/link"), &user.t("link-new"), ""))
                }
            }
            (danger_zone(user, &dangerous_actions(user, person)))
        }
    };
    let breadcrumbs = vec![NavItem::People.breadcrumb(user)];
    let header = PageHeader {
        breadcrumbs,
        notice: page::notice(user),
        error,
        ..PageHeader::titled(person.email.clone())
    };
    user_page(user, NavItem::People, header, content)
}

/// The field for the role in an account. With several accounts no role is chosen in advance: that of one
/// account would be given in another by whoever changes the account alone.
fn role_field(user: &CurrentUser, person: &UserView, error: Option<&Error>) -> Markup {
    let mut choices = role_choices(user);
    choices.retain(|(role, _)| role != Role::Operator.as_str());
    let current = match person.accounts.len() {
        0 | 1 => person.role.as_str(),
        _ => {
            choices.insert(0, (String::new(), "–".to_owned()));
            ""
        }
    };
    let field = Field::new(user, "role", error).help("help-role");
    field.select(&choices, current)
}

/// The accounts of a user who belongs to several, for an operator; else that there are others.
fn accounts_of(user: &CurrentUser, person: &UserView) -> Markup {
    let rows: Vec<Vec<Markup>> = person
        .accounts
        .iter()
        .map(|own| {
            let name = own.account_name.as_deref().unwrap_or("–");
            let remove = format!("/people/{}/remove?account={}", person.id, own.account);
            vec![
                clip(name),
                html! { (user.t(&format!("role-{}", own.role))) },
                html! { a.button.small.danger href=(user.link(&remove)) { (user.t("person-remove")) span.visually_hidden { " " (name) } } },
            ]
        })
        .collect();
    html! {
        @if person.in_other_accounts { div.hint { p { (user.t("person-in-other-accounts")) } } }
        @if rows.len() > 1 {
            section aria-labelledby="accounts" {
                h2 #accounts { (user.t("menu-accounts")) }
                (table(user, &user.t("menu-accounts"), &["column-account", "field-role", ""], &rows))
            }
        }
    }
}

fn account_choices(person: &UserView) -> Vec<(String, String)> {
    let choice = |own: &UserAccount| {
        let name = own.account_name.as_ref().unwrap_or(&own.account);
        (own.account.clone(), name.clone())
    };
    person.accounts.iter().map(choice).collect()
}

/// The actions that take something from a user.
fn dangerous_actions(user: &CurrentUser, person: &UserView) -> Vec<DangerousAction> {
    let path = |below: &str| format!("/people/{}{below}", person.id);
    let can_reset = person.has_second_factor && !person.in_other_accounts;
    let reset = can_reset.then(|| DangerousAction {
        title: user.t("second-factor-reset"),
        text: user.t("second-factor-reset-text"),
        control: components::button(
            user,
            &path("/second-factor/reset"),
            &user.t("second-factor-reset"),
            "danger",
        ),
    });
    let remove = DangerousAction {
        title: user.tr(
            "person-remove-title",
            &[("email", person.email.as_str().into())],
        ),
        text: user.t(if person.in_other_accounts {
            "danger-person-remove-from-account"
        } else {
            "danger-person-remove"
        }),
        control: html! { a.button.danger href=(user.link(&path("/remove"))) { (user.t("person-remove")) } },
    };
    reset.into_iter().chain([remove]).collect()
}

/// Redirects to `to` with the notice `done-WHAT`, or shows the user's page with the error.
pub(super) fn outcome<T>(
    user: &CurrentUser,
    person: &UserView,
    result: Result<T, Error>,
    to: &str,
    what: &str,
) -> Result<HttpResponse, PageError> {
    let result = match result {
        Err(error) if error.code() == Code::NotFound => return Err(gone_if_not_found(error)),
        result => recoverable(user, result, to)?,
    };
    Ok(match result {
        Ok(_) => done(user, to, what),
        Err(error) => person_page(user, person, Some(&error)),
    })
}

/// Changes a user's role.
pub async fn set_role(
    AuthenticatedForm { user, form }: AuthenticatedForm,
    id: Path<String>,
) -> Result<HttpResponse, PageError> {
    let person = find(&user, &id).await?;
    let changed = async {
        let role = form
            .get("role")
            .parse::<Role>()
            .map_err(|error| Error::new(Code::InvalidRequest, error).field("role"))?;
        user::set_role(
            &user.server.store,
            user.may(UsersWrite)?,
            &person.email,
            role,
            form.optional("account"),
        )
        .await
    };
    outcome(
        &user,
        &person,
        changed.await,
        &format!("/people/{id}"),
        "saved",
    )
}

/// Creates a new link with which a user sets a password.
pub async fn link(
    AuthenticatedForm { user, .. }: AuthenticatedForm,
    id: Path<String>,
) -> Result<HttpResponse, PageError> {
    let person = find(&user, &id).await?;
    let created = new_link(&user, &person.email).await;
    match recoverable(&user, created, "/people")? {
        Ok(created) => Ok(link_page(&user, &person.email, &created)),
        Err(error) => Ok(person_page(&user, &person, Some(&error))),
    }
}

/// Removes a user's second factor.
pub async fn reset_second_factor(
    AuthenticatedForm { user, .. }: AuthenticatedForm,
    id: Path<String>,
) -> Result<HttpResponse, PageError> {
    let person = find(&user, &id).await?;
    let reset =
        user::reset_second_factor(&user.server.store, user.may(UsersWrite)?, &person.email).await;
    outcome(
        &user,
        &person,
        reset,
        &format!("/people/{id}"),
        "second-factor-removed",
    )
}

/// Changes whether the user's own account requires a second factor.
pub async fn require_second_factor(
    AuthenticatedForm { user, form }: AuthenticatedForm,
) -> Result<HttpResponse, PageError> {
    let Some(account) = user.session.account() else {
        return Err(Error::new(Code::NotFound, "An operator does not belong to an account").into());
    };
    let required = Some((user.may(UsersWrite)?, form.checked("required")));
    let change = AccountPatch {
        requires_second_factor: required,
        ..AccountPatch::default()
    };
    account::update(&user.server.store, change, &account.id).await?;
    Ok(done(&user, "/people", "saved"))
}
