//! The page that asks before a user is removed from an account or deleted.

use actix_web::HttpResponse;
use actix_web::web::Path;
use maud::html;

use super::components::{confirmation, hidden};
use super::page::{NavItem, PageHeader, user_page};
use super::page_error::PageError;
use super::people::{find, outcome};
use super::session_extractor::{AuthenticatedForm, CurrentUser};
use crate::manage::actor::UsersWrite;
use crate::manage::user::{self, Removal};

/// The field that says that the page told of the deletion of the user.
const DELETES: &str = "deletes";

/// Asks to confirm that a user is removed.
pub async fn confirm(user: CurrentUser, id: Path<String>) -> Result<HttpResponse, PageError> {
    user.may(UsersWrite)?;
    let person = find(&user, &id).await?;
    let path = format!("/people/{id}");
    let email = || ("email", person.email.as_str().into());
    let account = user.query("account");
    let is_in_several = person.in_other_accounts || person.accounts.len() > 1;
    let of_account = person
        .accounts
        .iter()
        .find(|own| Some(&own.account) == account.as_ref() || person.in_other_accounts)
        .filter(|_| is_in_several);
    let question = match (of_account, &person.accounts[..]) {
        (Some(own), _) => {
            let name = own.account_name.as_deref().unwrap_or(&own.account);
            let arguments = [email(), ("account", name.into())];
            user.tr("person-remove-from-account-text", &arguments)
        }
        (None, [_]) => user.tr("person-remove-last-text", &[email()]),
        (None, _) => user.tr("person-remove-text", &[email()]),
    };
    let fields = html! {
        @match (of_account, &person.accounts[..]) {
            (Some(own), _) => { (hidden("account", &own.account)) }
            // If the person joins another account meanwhile, they are not deleted.
            (None, [own]) => { (hidden("account", &own.account)) (hidden(DELETES, "on")) }
            (None, _) => { (hidden(DELETES, "on")) }
        }
    };
    let content = confirmation(
        &user,
        html! { p { (question) } },
        &format!("{path}/remove"),
        &user.t("person-remove"),
        &path,
        fields,
    );
    let breadcrumbs = vec![
        NavItem::People.breadcrumb(&user),
        (path, person.email.clone()),
    ];
    let header = PageHeader {
        breadcrumbs,
        ..PageHeader::titled(user.tr("person-remove-title", &[email()]))
    };
    Ok(user_page(&user, NavItem::People, header, content))
}

/// Removes a user from an account, or deletes the user, if that is what was confirmed.
pub async fn remove(
    AuthenticatedForm { user, form }: AuthenticatedForm,
    id: Path<String>,
) -> Result<HttpResponse, PageError> {
    let person = find(&user, &id).await?;
    let confirmed = match form.checked(DELETES) {
        true => Removal::Entirely,
        false => Removal::FromAccount,
    };
    let (store, permit) = (&user.server.store, user.may(UsersWrite)?);
    let account = form.optional("account");
    let removed = user::delete(store, permit, &person.email, account, Some(confirmed)).await;
    let what = match &removed {
        Ok(Removal::Entirely) => "person-deleted",
        _ => "person-removed",
    };
    outcome(&user, &person, removed, "/people", what)
}
