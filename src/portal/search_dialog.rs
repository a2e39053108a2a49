//! The link to the search at the top of each page, and the dialog that the script opens instead, also by the
//! keyboard.

use maud::{Markup, html};

use super::session_extractor::CurrentUser;

/// The path of the page.
pub(super) const PATH: &str = "/search";

/// The field with the text to search for.
pub(super) const QUERY: &str = "q";

/// The longest text, in characters, that is searched for. No name and no email address is longer.
pub(super) const MAX_TEXT: usize = 254;

/// The field for the text to search for.
pub(super) fn input(id: &str, text: &str) -> Markup {
    html! { input id=(id) name=(QUERY) type="search" value=(text) maxlength=(MAX_TEXT) autocomplete="off" spellcheck="false"; }
}

/// The link in the header, and the dialog that the script opens instead of following it.
pub(super) fn link(user: &CurrentUser) -> Markup {
    html! {
        a.find href=(user.link(PATH)) aria-keyshortcuts="Control+K Meta+K" {
            svg viewBox="0 0 16 16" aria-hidden="true" { circle cx="7" cy="7" r="4.5" {} path d="m10.5 10.5 3.5 3.5" {} }
            span { (user.t("search")) }
            kbd aria-hidden="true" hidden { "Ctrl K" }
        }
    }
}

/// The dialog of the search.
pub(super) fn dialog(user: &CurrentUser) -> Markup {
    html! {
        dialog.palette aria-label=(user.t("search")) data-failed=(user.t("search-failed")) data-signed-out=(user.t("search-signed-out")) {
            form role="search" method="get" action=(user.link(PATH)) {
                label.visually_hidden for="palette" { (user.t("search-field")) }
                (input("palette", ""))
            }
            form method="dialog" { button.small { (user.t("close")) } }
            p.help role="status" { (user.t("search-text")) }
            div.results {}
        }
    }
}
