//! The announcements above each page.

use maud::{Markup, html};

use super::components::{self, hidden};
use super::language::{Language, message_id};
use super::session_extractor::CurrentUser;
use crate::manage::announcement::{Announcement, Severity};

/// The path of the list of announcements.
pub(super) const PATH: &str = "/announcements";

/// The text of an announcement in the language of the page.
pub(super) fn text(announcement: &Announcement, language: Language) -> &str {
    match language {
        Language::English => &announcement.text_en,
        Language::French => &announcement.text_fr,
    }
}

/// The name of a severity in the language of the page.
pub(super) fn severity_name(user: &CurrentUser, severity: Severity) -> String {
    user.t(&message_id("severity", severity.as_str()))
}

/// The announcements that the user sees, each with a button to dismiss it.
pub(super) fn banners(user: &CurrentUser) -> Markup {
    // A page that answers a form cannot be requested again.
    let here = (!user.answers_form).then_some(&user.path_and_query);
    html! {
        @for one in user.session.announcements() {
            div class={ "announcement " (one.severity.as_str()) } role="note" {
                p {
                    @if one.severity != Severity::Info { strong { (severity_name(user, one.severity)) } " " }
                    (text(one, user.language))
                }
                (components::form(user, &format!("{PATH}/{}/dismiss", one.id), html! {
                    @if let Some(here) = here { (hidden("here", here)) }
                    button.quiet.small { (user.t("dismiss")) }
                }))
            }
        }
    }
}
