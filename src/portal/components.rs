//! The parts that pages are built from: forms, fields, tables, texts to copy.

use maud::{Markup, html};

use super::form::{CSRF_TOKEN, Form, IDEMPOTENCY_KEY};
use super::session_extractor::{CurrentUser, PageContext};
use crate::clock::{Timestamp, parse_duration};
use crate::credential::new_id;
use crate::error::Error;
use crate::manage::signing_key::SignatureAlgorithm;
use crate::manage::webhook::DeliveryState;

/// A hidden field.
pub fn hidden(name: &str, value: &str) -> Markup {
    html! { input type="hidden" name=(name) value=(value); }
}

/// A form with the CSRF token. `fields` holds the buttons too.
pub fn form(context: &PageContext, action: &str, fields: Markup) -> Markup {
    html! {
        form method="post" action=(context.link(action)) {
            (hidden(CSRF_TOKEN, &context.csrf_token()))
            (fields)
        }
    }
}

/// A form that creates something. Submitted twice, it creates it once.
pub fn idempotent_form(
    context: &PageContext,
    action: &str,
    submitted: &Form,
    fields: Markup,
) -> Markup {
    let key = submitted.optional(IDEMPOTENCY_KEY).unwrap_or_else(new_id);
    form(
        context,
        action,
        html! { (hidden(IDEMPOTENCY_KEY, &key)) (fields) },
    )
}

/// A form that is only a button.
pub fn button(context: &PageContext, action: &str, label: &str, class: &str) -> Markup {
    form(context, action, html! { button class=(class) { (label) } })
}

/// The choices of a select of signature algorithms. Ed25519 has the name that people know it by.
pub fn algorithm_choices(
    algorithms: impl IntoIterator<Item = SignatureAlgorithm>,
) -> Vec<(String, String)> {
    let choice = |algorithm: SignatureAlgorithm| {
        let label = match algorithm {
            SignatureAlgorithm::Ed25519 => "Ed25519 (EdDSA)",
            other => other.as_str(),
        };
        (algorithm.as_str().to_owned(), label.to_owned())
    };
    algorithms.into_iter().map(choice).collect()
}

/// A form field with its label, help and error.
pub struct Field<'a> {
    context: &'a PageContext,
    name: &'static str,
    error: Option<&'a Error>,
    presence: Presence,
    help: Option<String>,
}

/// Whether a field must be filled in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Presence {
    Required,
    /// Labelled as optional.
    Optional,
    /// Optional, as every field of a filter is; not labelled.
    Filter,
}

impl<'a> Field<'a> {
    /// A required field with the label `field-NAME`. The error is shown if it is about this field.
    pub fn new(context: &'a PageContext, name: &'static str, error: Option<&'a Error>) -> Self {
        let error = error.filter(|error| error.wrong_field() == Some(name));
        Field {
            context,
            name,
            error,
            presence: Presence::Required,
            help: None,
        }
    }

    /// Adds a help text.
    #[must_use]
    pub fn help(mut self, message: &str) -> Self {
        self.help = Some(self.context.t(message));
        self
    }

    /// Makes it a field of a filter.
    #[must_use]
    pub fn filter(mut self) -> Self {
        self.presence = Presence::Filter;
        self
    }

    /// Makes it optional.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.presence = Presence::Optional;
        self
    }

    fn label(&self) -> String {
        self.context
            .t(&format!("field-{}", self.name.replace('_', "-")))
    }

    /// The ids of the help and the error, for `aria-describedby`.
    fn described_by(&self) -> Option<String> {
        let ids = [
            self.help.is_some().then(|| format!("{}-help", self.name)),
            self.error.map(|_| format!("{}-error", self.name)),
        ];
        let ids: Vec<String> = ids.into_iter().flatten().collect();
        (!ids.is_empty()).then(|| ids.join(" "))
    }

    fn labelled(&self, input: Markup) -> Markup {
        html! {
            div.field {
                label for=(self.name) {
                    (self.label())
                    @if self.presence == Presence::Optional { span.optional { " " (self.context.t("optional")) } }
                }
                @if let Some(help) = &self.help { p.help id={ (self.name) "-help" } { (help) } }
                (input)
                @if let Some(error) = self.error { p.error id={ (self.name) "-error" } { (self.context.localize(error)) } }
            }
        }
    }

    /// A single-line input of this `type`.
    pub fn input(self, kind: &str, value: &str) -> Markup {
        self.input_with(kind, value, "off")
    }

    /// A single-line input that the browser may fill in (`autocomplete`).
    pub fn input_with(self, kind: &str, value: &str, autocomplete: &str) -> Markup {
        let required = self.presence == Presence::Required;
        // Recovery codes have letters.
        let inputmode = (self.name == "code").then_some("text");
        self.labelled(html! {
            input id=(self.name) name=(self.name) type=(kind) value=(value) autocomplete=(autocomplete) inputmode=[inputmode]
                spellcheck="false" required[required] aria-invalid=[self.error.map(|_| "true")] aria-describedby=[self.described_by()];
        })
    }

    /// A single-line input that suggests values.
    pub fn input_of(self, value: &str, suggestions: &[String]) -> Markup {
        let list = format!("{}-suggestions", self.name);
        let required = self.presence == Presence::Required;
        self.labelled(html! {
            input id=(self.name) name=(self.name) type="text" value=(value) list=(list) autocomplete="off" spellcheck="false"
                required[required] aria-invalid=[self.error.map(|_| "true")] aria-describedby=[self.described_by()];
            datalist id=(list) { @for suggestion in suggestions { option value=(suggestion) {} } }
        })
    }

    /// A multi-line input.
    pub fn textarea(self, value: &str) -> Markup {
        self.labelled(html! {
            textarea id=(self.name) name=(self.name) rows="6" spellcheck="false" aria-invalid=[self.error.map(|_| "true")]
                aria-describedby=[self.described_by()] { (value) }
        })
    }

    /// A selection of one of several values, given with their labels.
    pub fn select(self, choices: &[(String, String)], chosen: &str) -> Markup {
        self.labelled(html! {
            select id=(self.name) name=(self.name) aria-invalid=[self.error.map(|_| "true")] aria-describedby=[self.described_by()] {
                @for (value, name) in choices { option value=(value) selected[value == chosen] { (name) } }
            }
        })
    }

    /// Checkboxes for identifiers. Those in `submitted` are checked.
    pub fn checkboxes<'v>(
        self,
        values: impl IntoIterator<Item = &'v str>,
        submitted: &Form,
    ) -> Markup {
        html! {
            fieldset.field #(self.name) tabindex="-1" aria-describedby=[self.described_by()] {
                legend {
                    (self.label())
                    @if self.presence == Presence::Optional { span.optional { " " (self.context.t("optional")) } }
                }
                @if let Some(help) = &self.help { p.help id={ (self.name) "-help" } { (help) } }
                @for value in values {
                    label.checkbox { input type="checkbox" name=(self.name) value=(value) checked[submitted.all(self.name).any(|own| own == value)]; code { (value) } }
                }
                @if let Some(error) = self.error { p.error id={ (self.name) "-error" } { (self.context.localize(error)) } }
            }
        }
    }

    /// A single checkbox. The hidden field tells a box that is not checked from a form without it.
    pub fn checkbox(self, checked: bool) -> Markup {
        html! {
            div.field {
                (hidden(self.name, ""))
                label.checkbox {
                    input id=(self.name) type="checkbox" name=(self.name) value="on" checked[checked] aria-describedby=[self.described_by()];
                    span { (self.label()) }
                }
                @if let Some(help) = &self.help { p.help id={ (self.name) "-help" } { (help) } }
                @if let Some(error) = self.error { p.error id={ (self.name) "-error" } { (self.context.localize(error)) } }
            }
        }
    }
}

/// A table. On a narrow screen its rows become cards. Columns are given by their messages; an empty
/// one is a column of buttons.
pub fn table(
    context: &PageContext,
    caption: &str,
    columns: &[&str],
    rows: &[Vec<Markup>],
) -> Markup {
    let names: Vec<String> = columns
        .iter()
        .map(|name| {
            if name.is_empty() {
                String::new()
            } else {
                context.t(name)
            }
        })
        .collect();
    html! {
        div.table {
            table {
                caption.visually_hidden { (caption) }
                thead { tr { @for name in &names { th scope="col" { @if name.is_empty() { span.visually_hidden { (context.t("column-actions")) } } @else { (name) } } } } }
                tbody {
                    @for row in rows {
                        tr { @for (cell, name) in row.iter().zip(&names) { td data-label=[(!name.is_empty()).then_some(name)] { (cell) } } }
                    }
                }
            }
        }
    }
}

/// When a credential was last used, in a table.
pub fn last_used(user: &CurrentUser, at: Option<Timestamp>) -> Markup {
    at.map_or_else(|| html! { (user.t("never")) }, |at| user.relative(at))
}

/// The badge of a credential that was not used for 90 days.
pub fn unused(user: &CurrentUser, is_unused: bool) -> Markup {
    html! { @if is_unused { " " (badge("off", &user.t("unused"))) } }
}

/// The hint about credentials that were not used for 90 days.
pub fn unused_hint(user: &CurrentUser, any_unused: bool) -> Markup {
    html! {
        @if any_unused {
            div.hint { p { (user.t("unused-hint")) " " a href=(user.link("/unused-credentials")) { (user.t("unused-all")) } } }
        }
    }
}

/// When a credential expires. The script counts down to it.
pub fn expiry(user: &CurrentUser, at: Option<Timestamp>) -> Markup {
    match at {
        None => html! { (user.t("never")) },
        Some(at) if at <= user.now() => {
            html! { (badge("off", &user.t("expired"))) " " (user.relative(at)) }
        }
        Some(at) => countdown(user, at),
    }
}

/// A value that may be long, such as a scope, on one line. Where there is too little room its end is
/// cut off; the full value is the tooltip.
pub fn clip(text: &str) -> Markup {
    html! { span.clip title=(text) { (text) } }
}

/// An id in a table, cut off after the first characters. The full id is the tooltip, and a button
/// copies it.
pub fn id(context: &PageContext, id: &str) -> Markup {
    html! { span.id { code title=(id) { (id) } (copy_button(context, id)) } }
}

/// An id in full, with a button that copies it. `element` is the id of the HTML element.
pub fn whole_id(context: &PageContext, element: &str, id: &str) -> Markup {
    html! { span.id.whole { code #(element) { (id) } (copy_button(context, id)) } }
}

/// A small button that copies `text`. The script shows it.
fn copy_button(context: &PageContext, text: &str) -> Markup {
    html! {
        button.icon type="button" data-copy-text=(text) hidden title=(context.t("copy")) {
            svg viewBox="0 0 16 16" aria-hidden="true" {
                rect x="5.5" y="5.5" width="8" height="8" rx="1.5" {}
                path d="M3.5 10.5h-.5a1 1 0 0 1-1-1v-6a1 1 0 0 1 1-1h6a1 1 0 0 1 1 1v.5" {}
            }
            span.visually_hidden { (context.t("copy")) " " (text) }
        }
    }
}

/// Identifiers, such as the tokens of a scope, each as a label. The message `none` stands for no
/// identifiers.
pub fn chips<'v>(
    context: &PageContext,
    values: impl IntoIterator<Item = &'v str>,
    none: &str,
) -> Markup {
    let mut values = values.into_iter().peekable();
    html! {
        @if values.peek().is_none() { (context.t(none)) } @else {
            ul.chips { @for value in values { li { code { (value) } } } }
        }
    }
}

/// An action of the danger zone: a title, what it does, and the button that leads to it.
pub struct DangerousAction {
    /// What is done.
    pub title: String,
    /// What the action changes.
    pub text: String,
    /// The link or form that leads to the confirmation.
    pub control: Markup,
}

/// The section for actions that stop something or cannot be undone, apart from all others.
pub fn danger_zone(context: &PageContext, actions: &[DangerousAction]) -> Markup {
    html! {
        section.danger-zone aria-labelledby="danger-zone" {
            h2 #danger-zone { (context.t("danger-zone")) }
            ul {
                @for action in actions {
                    li {
                        div { strong { (action.title) } p { (action.text) } }
                        (action.control)
                    }
                }
            }
        }
    }
}

/// The links to the first and the next page of a list; `None` for a page that is the first or the
/// last.
pub fn pages(context: &PageContext, first: Option<&str>, next: Option<&str>) -> Markup {
    html! {
        @if first.is_some() || next.is_some() {
            nav.pages aria-label=(context.t("pages")) {
                @if let Some(first) = first { a.button href=(context.link(first)) { (context.t("first-page")) } }
                @if let Some(next) = next { a.button href=(context.link(next)) rel="next" { (context.t("more")) } }
            }
        }
    }
}

/// Choices of durations for a selection. An empty or zero duration is labelled with the message
/// `none`.
pub fn duration_choices(
    context: &PageContext,
    durations: &[&str],
    none: &str,
) -> Vec<(String, String)> {
    durations
        .iter()
        .map(|&text| {
            let label = match parse_duration(text) {
                Ok(duration) if !duration.is_zero() => context.language.duration(duration),
                _ => context.t(none),
            };
            (text.to_owned(), label)
        })
        .collect()
}

/// An instant in the future. The script counts down to it.
pub fn countdown(context: &PageContext, until: Timestamp) -> Markup {
    html! {
        span data-until=(until.millis()) data-units=(context.t("countdown-units")) {
            (context.relative(until))
        }
    }
}

/// The placeholder of an empty list: what it is for, and how to add to it.
pub fn empty(title: &str, text: &str, action: Option<Markup>) -> Markup {
    html! { div.empty { h2 { (title) } p { (text) } @if let Some(action) = action { p { (action) } } } }
}

/// A text with a button that copies it. The script shows the button.
pub fn copy(context: &PageContext, label: &str, id: &str, text: &str) -> Markup {
    html! {
        div.copy {
            div.heading {
                p.label id={ (id) "-label" } { (label) }
                button.small type="button" data-copy=(id) hidden { (context.t("copy")) span.visually_hidden { " " (label) } }
            }
            pre tabindex="0" role="region" aria-labelledby={ (id) "-label" } { code #(id) { (text) } }
        }
    }
}

/// A state as a coloured label.
pub fn badge(kind: &str, word: &str) -> Markup {
    html! { span class={ "badge " (kind) } { (word) } }
}

/// Asks to confirm what cannot be undone.
pub fn confirmation(
    context: &PageContext,
    question: Markup,
    action: &str,
    label: &str,
    back: &str,
    fields: Markup,
) -> Markup {
    html! {
        div.confirmation {
            (question)
            (form(context, action, html! {
                (fields)
                div.buttons {
                    button.danger { (label) }
                    a.button href=(context.link(back)) { (context.t("cancel")) }
                }
            }))
        }
    }
}

/// The state of a delivery of a webhook, or of a message.
pub fn delivery_state(user: &CurrentUser, state: DeliveryState) -> Markup {
    match state {
        DeliveryState::Pending => badge("plain", &user.t("delivery-pending")),
        DeliveryState::Delivered => badge("good", &user.t("delivery-delivered")),
        DeliveryState::Failed => badge("off", &user.t("delivery-failed")),
    }
}
