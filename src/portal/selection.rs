//! Several entries of a list that are selected by checkboxes, for an action on all of them in one step.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::components::{confirmation, hidden};
use super::form::Form;
use super::session_extractor::CurrentUser;

/// A kind of entries that can be selected.
pub(super) struct Selection {
    /// The id of the form that the checkboxes in the list belong to.
    pub form: &'static str,
    /// The field with the id of an entry, once for each.
    pub field: &'static str,
}

/// What is asked before the action.
pub(super) struct Question<'a> {
    /// The ids of the entries, and how they are shown.
    pub entries: &'a [(&'a str, Markup)],
    /// What the action does.
    pub text: Markup,
    /// The path of the form.
    pub action: &'a str,
    /// The label of the button.
    pub label: &'a str,
    /// The path of the list.
    pub back: &'a str,
    /// Further fields of the form.
    pub fields: Markup,
}

impl Selection {
    /// The checkbox that selects an entry in the list.
    pub(super) fn checkbox(&self, user: &CurrentUser, id: &str, name: &str) -> Markup {
        let label = user.tr("select-entry", &[("name", name.into())]);
        html! { input type="checkbox" form=(self.form) name=(self.field) value=(id) aria-label=(label); " " }
    }

    /// The form below the list, which leads to the question.
    pub(super) fn form(&self, user: &CurrentUser, action: &str, buttons: Markup) -> Markup {
        html! {
            form id=(self.form) method="get" action=(user.link(action)) { div.buttons { (buttons) } }
        }
    }

    /// The ids that the query of a request names.
    pub(super) fn queried(&self, user: &CurrentUser) -> BTreeSet<String> {
        user.query_all(self.field)
    }

    /// The ids that a form names.
    pub(super) fn submitted(&self, form: &Form) -> BTreeSet<String> {
        form.all(self.field).map(str::to_owned).collect()
    }

    /// Asks before the action; only leads back if nothing is selected.
    pub(super) fn question(&self, user: &CurrentUser, question: Question<'_>) -> Markup {
        let Question {
            entries,
            text,
            action,
            label,
            back,
            fields,
        } = question;
        if entries.is_empty() {
            return html! { p { a.button href=(user.link(back)) { (user.t("cancel")) } } };
        }
        let asked = html! {
            ul { @for (_, entry) in entries { li { (entry) } } }
            (text)
        };
        let fields = html! {
            @for (id, _) in entries { (hidden(self.field, id)) }
            (fields)
        };
        confirmation(user, asked, action, label, back, fields)
    }
}
