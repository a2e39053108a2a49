//! Announcements: what operators write to the users of the portal, and how users see and dismiss them.

use actix_web::HttpResponse;
use actix_web::web::Path;
use maud::{Markup, html};

use super::account_field::AccountChoices;
use super::announcement_banner::{PATH, severity_name, text};
use super::components::{self, Field, badge, clip, empty, table};
use super::form::Form;
use super::page::{self, NavItem, PageHeader, done, redirect, user_page};
use super::page_error::{PageError, recoverable};
use super::session_extractor::{AuthenticatedForm, CurrentUser};
use super::sign_in::safe_redirect;
use crate::clock::{DateOrTime, Timestamp};
use crate::error::{Error, refusal};
use crate::manage::account::{self, Account};
use crate::manage::actor::{AccountsRead, AnnouncementsRead, AnnouncementsWrite};
use crate::manage::announcement::{
    self, Announcement, AnnouncementChanges, NewAnnouncement, Severity,
};

/// Dismisses an announcement for the user, and shows the page again on which it was.
pub async fn dismiss(
    AuthenticatedForm { user, form }: AuthenticatedForm,
    id: Path<String>,
) -> Result<HttpResponse, PageError> {
    announcement::dismiss(&user.server.store, &user.session, &user.request, &id).await?;
    let here = form.get("here");
    let back = if here.starts_with(&user.link("/")) {
        safe_redirect(&user, here)
    } else {
        user.link("")
    };
    Ok(redirect(&back, &[]))
}

/// The announcements, and the form to create another.
pub async fn list(user: CurrentUser) -> Result<HttpResponse, PageError> {
    list_page(&user, &Form::default(), None).await
}

async fn list_page(
    user: &CurrentUser,
    submitted: &Form,
    error: Option<&Error>,
) -> Result<HttpResponse, PageError> {
    let all = announcement::list(&user.server.store, user.may(AnnouncementsRead)?).await?;
    let ids = all
        .iter()
        .filter_map(|one| one.account_id.clone())
        .collect();
    let accounts = account::find_all(&user.server.store, user.may(AccountsRead)?, ids).await?;
    let choices = AccountChoices::load(user).await?;
    let choices = choices.with_first("", user.t("all-accounts"));
    let can_write = user.can(AnnouncementsWrite);
    let content = html! {
        p { (user.t("announcements-text")) }
        @if all.is_empty() { (empty(&user.t("announcements-none"), &user.t("announcements-none-text"), None)) }
        @else { (rows(user, &all, &accounts)) }
        @if can_write {
            section aria-labelledby="new-announcement" {
                h2 #new-announcement { (user.t("announcement-new")) }
                (components::idempotent_form(user, PATH, submitted, html! {
                    (choices.field(Field::new(user, "account", error), submitted.get("account")))
                    (fields(user, submitted, error, true))
                    button.primary { (user.t("announcement-create")) }
                }))
            }
        }
    };
    let header = PageHeader {
        notice: page::notice(user),
        error,
        ..PageHeader::titled(user.t("menu-announcements"))
    };
    Ok(user_page(user, NavItem::Announcements, header, content))
}

fn fields(user: &CurrentUser, submitted: &Form, error: Option<&Error>, is_new: bool) -> Markup {
    let mut starts_at = Field::new(user, "starts_at", error);
    if is_new {
        starts_at = starts_at.optional().help("help-announcement-start");
    }
    let severities: Vec<(String, String)> = Severity::ALL
        .map(|severity| (severity.as_str().to_owned(), severity_name(user, severity)))
        .into();
    html! {
        (Field::new(user, "severity", error).select(&severities, submitted.get("severity")))
        (Field::new(user, "text_en", error).help("help-announcement-text").textarea(submitted.get("text_en")))
        (Field::new(user, "text_fr", error).textarea(submitted.get("text_fr")))
        (starts_at.input("text", submitted.get("starts_at")))
        (Field::new(user, "ends_at", error).help("help-announcement-time").input("text", submitted.get("ends_at")))
    }
}

fn rows(user: &CurrentUser, all: &[Announcement], accounts: &[Account]) -> Markup {
    let can_write = user.can(AnnouncementsWrite);
    let name_of = |id: &str| {
        let account = accounts.iter().find(|account| account.id == id);
        account.map_or_else(|| id.to_owned(), |account| account.name.clone())
    };
    let rows: Vec<Vec<Markup>> = all
        .iter()
        .map(|one| {
            let state = if one.ends_at <= user.now() {
                badge("off", &user.t("announcement-ended"))
            } else if one.starts_at > user.now() {
                badge("plain", &user.t("announcement-planned"))
            } else {
                badge("good", &user.t("announcement-shown"))
            };
            let account = one.account_id.as_deref();
            let account = account.map_or_else(|| user.t("all-accounts"), name_of);
            let to = |below: &str, message: &str| {
                html! { a.button.small href=(user.link(&format!("{PATH}/{}/{below}", one.id))) { (user.t(message)) span.visually_hidden { " " (text(one, user.language)) } } }
            };
            vec![
                html! { (clip(text(one, user.language))) div.detail { (severity_name(user, one.severity)) } },
                clip(&account),
                user.date_time(one.starts_at),
                user.date_time(one.ends_at),
                state,
                html! { @if can_write { div.buttons { (to("edit", "edit")) (to("delete", "delete")) } } },
            ]
        })
        .collect();
    let columns = [
        "column-text",
        "column-account",
        "column-from",
        "column-until",
        "column-state",
        "",
    ];
    table(user, &user.t("menu-announcements"), &columns, &rows)
}

/// A text on one line: people wrap lines in the field, and browsers send them as CRLF.
fn one_line(form: &Form, name: &str) -> Option<String> {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    form.has(name).then(|| words(form.get(name)))
}

/// A time of the form; `None` if the field is empty or missing.
fn time(
    form: &Form,
    name: &'static str,
    of: fn(DateOrTime) -> Timestamp,
) -> Result<Option<Timestamp>, Error> {
    let Some(text) = form.optional(name) else {
        return Ok(None);
    };
    match text.parse::<DateOrTime>() {
        Ok(parsed) => Ok(Some(of(parsed))),
        Err(_) => Err(refusal::announcement_time().field(name)),
    }
}

/// Creates an announcement.
pub async fn create(
    AuthenticatedForm { user, form }: AuthenticatedForm,
) -> Result<HttpResponse, PageError> {
    let created = async {
        let ends_at = time(&form, "ends_at", DateOrTime::end)?;
        let new = NewAnnouncement {
            severity: form.choice("severity")?.unwrap_or_default(),
            text_en: one_line(&form, "text_en").unwrap_or_default(),
            text_fr: one_line(&form, "text_fr").unwrap_or_default(),
            account: form.optional("account"),
            starts_at: time(&form, "starts_at", DateOrTime::start)?,
            ends_at: ends_at.ok_or_else(|| refusal::announcement_time().field("ends_at"))?,
        };
        announcement::create(&user.server.store, user.may(AnnouncementsWrite)?, new).await
    };
    match recoverable(&user, created.await, PATH)? {
        Ok(_) => Ok(done(&user, PATH, "announcement-created")),
        Err(error) => list_page(&user, &form, Some(&error)).await,
    }
}

async fn find(user: &CurrentUser, id: &str) -> Result<Announcement, PageError> {
    let permit = user.may(AnnouncementsRead)?;
    Ok(announcement::show(&user.server.store, permit, id).await?)
}

/// The form with the present values of an announcement.
pub async fn edit_form(user: CurrentUser, id: Path<String>) -> Result<HttpResponse, PageError> {
    user.may(AnnouncementsWrite)?;
    let found = find(&user, &id).await?;
    let (starts_at, ends_at) = (found.starts_at.to_string(), found.ends_at.to_string());
    let present = Form::filled(&[
        ("severity", found.severity.as_str()),
        ("text_en", &found.text_en),
        ("text_fr", &found.text_fr),
        ("starts_at", &starts_at),
        ("ends_at", &ends_at),
    ]);
    Ok(edit_page(&user, &found, &present, None))
}

fn edit_page(
    user: &CurrentUser,
    announcement: &Announcement,
    submitted: &Form,
    error: Option<&Error>,
) -> HttpResponse {
    let action = format!("{PATH}/{}/edit", announcement.id);
    let content = components::form(
        user,
        &action,
        html! {
            p { (user.t("announcement-edit-text")) }
            (fields(user, submitted, error, false))
            div.buttons {
                button.primary { (user.t("save")) }
                a.button href=(user.link(PATH)) { (user.t("cancel")) }
            }
        },
    );
    let header = PageHeader {
        breadcrumbs: vec![NavItem::Announcements.breadcrumb(user)],
        error,
        ..PageHeader::titled(user.t("announcement-edit"))
    };
    user_page(user, NavItem::Announcements, header, content)
}

/// Saves an edited announcement.
pub async fn edit(
    AuthenticatedForm { user, form }: AuthenticatedForm,
    id: Path<String>,
) -> Result<HttpResponse, PageError> {
    let found = find(&user, &id).await?;
    let updated = async {
        let changes = AnnouncementChanges {
            severity: form.choice("severity")?,
            text_en: one_line(&form, "text_en"),
            text_fr: one_line(&form, "text_fr"),
            starts_at: time(&form, "starts_at", DateOrTime::start)?,
            ends_at: time(&form, "ends_at", DateOrTime::end)?,
        };
        let permit = user.may(AnnouncementsWrite)?;
        announcement::update(&user.server.store, permit, &id, changes).await
    };
    match recoverable(&user, updated.await, PATH)? {
        Ok(_) => Ok(done(&user, PATH, "saved")),
        Err(error) => Ok(edit_page(&user, &found, &form, Some(&error))),
    }
}

/// Asks before an announcement is deleted.
pub async fn confirm_delete(
    user: CurrentUser,
    id: Path<String>,
) -> Result<HttpResponse, PageError> {
    user.may(AnnouncementsWrite)?;
    let found = find(&user, &id).await?;
    let content = components::confirmation(
        &user,
        html! { p { (text(&found, user.language)) } p { (user.t("announcement-delete-text")) } },
        &format!("{PATH}/{}/delete", found.id),
        &user.t("announcement-delete"),
        PATH,
        html! {},
    );
    let header = PageHeader {
        breadcrumbs: vec![NavItem::Announcements.breadcrumb(&user)],
        ..PageHeader::titled(user.t("announcement-delete"))
    };
    Ok(user_page(&user, NavItem::Announcements, header, content))
}

/// Deletes an announcement.
pub async fn delete(
    AuthenticatedForm { user, .. }: AuthenticatedForm,
    id: Path<String>,
) -> Result<HttpResponse, PageError> {
    let permit = user.may(AnnouncementsWrite)?;
    announcement::delete(&user.server.store, permit, &id).await?;
    Ok(done(&user, PATH, "announcement-deleted"))
}
