//! The frame of every page, and the parts that pages are put together from.

use actix_web::HttpResponse;
use actix_web::cookie::Cookie;
use actix_web::http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use actix_web::http::{ConnectionType, StatusCode};
use maud::{DOCTYPE, Markup, html};

use super::assets;
use super::language::Language;
use super::visit::{FORM_TOKEN, Form, Member, ONCE, Visitor};
use crate::credential::{new_id, redacted};
use crate::error::{Code, Error};
use crate::http::error::LogReason;
use crate::manage::actor::{
    AccountsWrite, AuditRead, ClientsRead, KeysRead, RegistrationRead, ResourcesWrite,
    SigningKeysRead, TokensRead, UsersRead,
};

/// A part of the portal, as the menu shows it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Overview,
    Applications,
    ApiKeys,
    People,
    Accounts,
    ResourceServers,
    RegistrationTokens,
    SigningKeys,
    Audit,
    Profile,
}

impl Place {
    fn path(self) -> &'static str {
        match self {
            Place::Overview => "/overview",
            Place::Applications => "/applications",
            Place::ApiKeys => "/api-keys",
            Place::People => "/people",
            Place::Accounts => "/accounts",
            Place::ResourceServers => "/resource-servers",
            Place::RegistrationTokens => "/registration-tokens",
            Place::SigningKeys => "/signing-keys",
            Place::Audit => "/audit",
            Place::Profile => "/profile",
        }
    }

    fn name(self) -> String {
        format!("menu{}", self.path().replace('/', "-"))
    }

    /// The menu of a member: what they may, in groups.
    fn menu(member: &Member) -> Vec<(&'static str, Vec<Place>)> {
        let with = |places: &[(bool, Place)]| -> Vec<Place> {
            places
                .iter()
                .filter(|(allowed, _)| *allowed)
                .map(|(_, place)| *place)
                .collect()
        };
        let groups = vec![
            (
                "menu-now",
                with(&[(member.can(TokensRead), Place::Overview)]),
            ),
            (
                "menu-developers",
                with(&[
                    (member.can(ClientsRead), Place::Applications),
                    (member.can(KeysRead), Place::ApiKeys),
                    (member.can(RegistrationRead), Place::RegistrationTokens),
                ]),
            ),
            (
                "menu-account",
                with(&[
                    (member.can(AccountsWrite), Place::Accounts),
                    (member.can(UsersRead), Place::People),
                    (member.can(AuditRead), Place::Audit),
                ]),
            ),
            (
                "menu-server",
                with(&[
                    (member.can(ResourcesWrite), Place::ResourceServers),
                    (member.can(SigningKeysRead), Place::SigningKeys),
                ]),
            ),
        ];
        groups
            .into_iter()
            .filter(|(_, places)| !places.is_empty())
            .collect()
    }
}

/// What stands above the content of a page.
pub struct Head<'a> {
    /// The heading, and the title of the window.
    pub title: String,
    /// The pages above this one: their paths and names.
    pub above: Vec<(String, String)>,
    /// What was done just now.
    pub notice: Option<Markup>,
    /// What was wrong with the form that was sent.
    pub error: Option<&'a Error>,
}

impl Head<'_> {
    /// With a title alone.
    pub fn titled(title: String) -> Self {
        Head {
            title,
            above: Vec::new(),
            notice: None,
            error: None,
        }
    }
}

/// A page for a member, with the menu.
pub fn member_page(member: &Member, place: Place, head: Head<'_>, content: Markup) -> HttpResponse {
    let menu = html! {
        nav.menu aria-label=(member.t("menu")) {
            @for (group, places) in Place::menu(member) {
                p.group { (member.t(group)) }
                ul {
                    @for own in places {
                        li { a href=(member.link(own.path())) aria-current=[(own == place).then_some("page")] { (member.t(&own.name())) } }
                    }
                }
            }
        }
    };
    let status = head.error.map_or(StatusCode::OK, |error| {
        crate::http::error::status(error.code())
    });
    answer(
        status,
        frame(
            member,
            &head.title,
            Some(menu),
            body(member, &head, content),
        ),
        &[],
        head.error,
    )
}

/// A page for whoever has not signed in, or cannot be asked for.
pub fn plain_page(
    visitor: &Visitor,
    status: StatusCode,
    head: &Head<'_>,
    content: Markup,
    cookies: &[Cookie<'_>],
) -> HttpResponse {
    answer(
        status,
        frame(visitor, &head.title, None, body(visitor, head, content)),
        cookies,
        head.error,
    )
}

/// Elsewhere, to be read with GET.
pub fn redirect(to: &str, cookies: &[Cookie<'_>]) -> HttpResponse {
    let mut answer = HttpResponse::SeeOther();
    answer.insert_header((LOCATION, to));
    for cookie in cookies {
        answer.cookie(cookie.clone());
    }
    answer.finish()
}

/// Back to a page of the portal, which says what was done.
pub fn done(visitor: &Visitor, path: &str, what: &str) -> HttpResponse {
    let sign = if path.contains('?') { '&' } else { '?' };
    redirect(&format!("{}{sign}done={what}", visitor.link(path)), &[])
}

/// What was done, where the address says so by a name that there are words for.
pub fn notice(visitor: &Visitor) -> Option<Markup> {
    let message = format!("done-{}", visitor.query("done")?);
    visitor
        .language
        .knows(&message)
        .then(|| html! { (visitor.t(&message)) })
}

fn answer(
    status: StatusCode,
    page: Markup,
    cookies: &[Cookie<'_>],
    error: Option<&Error>,
) -> HttpResponse {
    let mut answer = HttpResponse::build(status);
    answer.insert_header((CONTENT_TYPE, "text/html; charset=utf-8"));
    if let Some(wait) = error.and_then(Error::retry_after) {
        answer.insert_header((RETRY_AFTER, wait.as_secs().max(1)));
    }
    for cookie in cookies {
        answer.cookie(cookie.clone());
    }
    let mut answer = answer.body(page.into_string());
    if let Some(error) = error {
        answer.extensions_mut().insert(LogReason {
            code: error.code(),
            reason: error.reason().to_owned(),
        });
    }
    answer
}

fn body(visitor: &Visitor, head: &Head<'_>, content: Markup) -> Markup {
    html! {
        @if !head.above.is_empty() {
            nav.above aria-label=(visitor.t("above")) {
                ol { @for (path, name) in &head.above { li { a href=(visitor.link(path)) { (name) } } } }
            }
        }
        h1 { (head.title) }
        @if let Some(notice) = &head.notice { div.notice role="status" { p { (notice) } } }
        @if let Some(error) = head.error {
            div.wrong role="alert" {
                p { (visitor.says(error)) }
                @if let Some(field) = error.wrong_field() { p { a href={ "#" (field) } { (visitor.t("to-field")) } } }
            }
        }
        (content)
    }
}

fn frame(visitor: &Visitor, title: &str, menu: Option<Markup>, content: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang=(visitor.language.code()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Keyward" }
                link rel="icon" href=(visitor.link(&assets::ICON.path())) type="image/svg+xml";
                link rel="stylesheet" href=(visitor.link(&assets::STYLE.path()));
                script src=(visitor.link(&assets::SCRIPT.path())) defer {}
            }
            body data-copied=(visitor.t("copied")) {
                a.skip href="#main" { (visitor.t("skip")) }
                header.top {
                    a.brand href=(visitor.link("")) { (logo()) "Keyward" }
                    div.who {
                        // What is shown once, or was typed, would be gone.
                        @if !visitor.answers_form { (languages(visitor)) }
                        @if let Some(signed_in) = &visitor.signed_in {
                            a.me href=(visitor.link("/profile")) { (signed_in.email()) }
                            form method="post" action=(visitor.link("/sign-out")) {
                                (hidden(FORM_TOKEN, &visitor.form_token()))
                                button.quiet { (visitor.t("sign-out")) }
                            }
                        }
                    }
                }
                div.columns.alone[menu.is_none()] {
                    @if let Some(menu) = menu { (menu) }
                    main #main tabindex="-1" { (content) }
                }
            }
        }
    }
}

fn languages(visitor: &Visitor) -> Markup {
    html! {
        form.languages method="post" action=(visitor.link("/language")) {
            (hidden("here", &visitor.here))
            @for language in Language::ALL.into_iter().filter(|language| *language != visitor.language) {
                button.quiet name="language" value=(language.code()) lang=(language.code()) { (language.name()) }
            }
        }
    }
}

fn logo() -> Markup {
    html! {
        svg viewBox="0 0 24 24" width="24" height="24" aria-hidden="true" {
            path d="M12 1.5 3.5 5v6.2c0 5.2 3.6 9.6 8.5 11.3 4.9-1.7 8.5-6.1 8.5-11.3V5z" fill="currentColor" {}
            path.hole d="M12 7.2a2.6 2.6 0 0 0-1.3 4.85V17h2.6v-4.95A2.6 2.6 0 0 0 12 7.2z" {}
        }
    }
}

/// A field that nobody sees.
pub fn hidden(name: &str, value: &str) -> Markup {
    html! { input type="hidden" name=(name) value=(value); }
}

/// A form of this session; `fields` with their buttons are the caller's.
pub fn form(visitor: &Visitor, action: &str, fields: Markup) -> Markup {
    html! {
        form method="post" action=(visitor.link(action)) {
            (hidden(FORM_TOKEN, &visitor.form_token()))
            (fields)
        }
    }
}

/// The same for one that makes something: sent twice, it makes one.
pub fn form_once(visitor: &Visitor, action: &str, sent: &Form, fields: Markup) -> Markup {
    let once = if sent.checked(ONCE) {
        sent.get(ONCE).to_owned()
    } else {
        new_id()
    };
    form(visitor, action, html! { (hidden(ONCE, &once)) (fields) })
}

/// A button by itself, in a form of its own.
pub fn button(visitor: &Visitor, action: &str, label: &str, class: &str) -> Markup {
    form(visitor, action, html! { button class=(class) { (label) } })
}

/// A field with its label, a word of help, and what was wrong with it.
pub struct Field<'a> {
    visitor: &'a Visitor,
    name: &'static str,
    error: Option<&'a Error>,
    optional: bool,
    marked: bool,
    help: Option<String>,
}

impl<'a> Field<'a> {
    /// Labelled `field-NAME`.
    pub fn new(visitor: &'a Visitor, name: &'static str, error: Option<&'a Error>) -> Self {
        let error = error.filter(|error| error.wrong_field() == Some(name));
        Field {
            visitor,
            name,
            error,
            optional: false,
            marked: true,
            help: None,
        }
    }

    /// With words of help.
    #[must_use]
    pub fn help(mut self, message: &str) -> Self {
        self.help = Some(self.visitor.t(message));
        self
    }

    /// Of a filter, where everything may be left empty.
    #[must_use]
    pub fn filter(mut self) -> Self {
        (self.optional, self.marked) = (true, false);
        self
    }

    /// May be left empty.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    fn described(&self) -> Option<String> {
        let ids = [
            self.help.is_some().then(|| format!("{}-help", self.name)),
            self.error.map(|_| format!("{}-error", self.name)),
        ];
        let ids: Vec<String> = ids.into_iter().flatten().collect();
        (!ids.is_empty()).then(|| ids.join(" "))
    }

    fn around(&self, input: Markup) -> Markup {
        html! {
            div.field {
                label for=(self.name) {
                    (self.visitor.t(&format!("field-{}", self.name.replace('_', "-"))))
                    @if self.optional && self.marked { span.optional { " " (self.visitor.t("optional")) } }
                }
                @if let Some(help) = &self.help { p.help id={ (self.name) "-help" } { (help) } }
                (input)
                @if let Some(error) = self.error { p.error id={ (self.name) "-error" } { (self.visitor.says(error)) } }
            }
        }
    }

    /// One line. `kind` is the type of the input.
    pub fn input(self, kind: &str, value: &str) -> Markup {
        self.input_with(kind, value, "off")
    }

    /// One line that the browser may fill in (`autocomplete`).
    pub fn input_with(self, kind: &str, value: &str, autocomplete: &str) -> Markup {
        let needed = !self.optional;
        let code = (self.name == "code").then_some("text");
        self.around(html! {
            input id=(self.name) name=(self.name) type=(kind) value=(value) autocomplete=(autocomplete) inputmode=[code]
                spellcheck="false" required[needed] aria-invalid=[self.error.map(|_| "true")] aria-describedby=[self.described()];
        })
    }

    /// Several lines.
    pub fn area(self, value: &str) -> Markup {
        self.around(html! {
            textarea id=(self.name) name=(self.name) rows="6" spellcheck="false" aria-invalid=[self.error.map(|_| "true")]
                aria-describedby=[self.described()] { (value) }
        })
    }

    /// One of several: values and names.
    pub fn select(self, choices: &[(String, String)], chosen: &str) -> Markup {
        self.around(html! {
            select id=(self.name) name=(self.name) aria-invalid=[self.error.map(|_| "true")] aria-describedby=[self.described()] {
                @for (value, name) in choices { option value=(value) selected[value == chosen] { (name) } }
            }
        })
    }

    /// Any of several identifiers, as they are written in requests; those of `sent` are ticked.
    pub fn boxes<'v>(self, values: impl IntoIterator<Item = &'v str>, sent: &Form) -> Markup {
        html! {
            fieldset.field #(self.name) tabindex="-1" aria-describedby=[self.described()] {
                legend {
                    (self.visitor.t(&format!("field-{}", self.name.replace('_', "-"))))
                    @if self.optional && self.marked { span.optional { " " (self.visitor.t("optional")) } }
                }
                @if let Some(help) = &self.help { p.help id={ (self.name) "-help" } { (help) } }
                @for value in values {
                    label.box { input type="checkbox" name=(self.name) value=(value) checked[sent.all(self.name).any(|own| own == value)]; code { (value) } }
                }
                @if let Some(error) = self.error { p.error id={ (self.name) "-error" } { (self.visitor.says(error)) } }
            }
        }
    }

    /// Yes or no.
    pub fn tick(self, ticked: bool) -> Markup {
        html! {
            div.field {
                label.box {
                    input id=(self.name) type="checkbox" name=(self.name) value="on" checked[ticked] aria-describedby=[self.described()];
                    span { (self.visitor.t(&format!("field-{}", self.name.replace('_', "-")))) }
                }
                @if let Some(help) = &self.help { p.help id={ (self.name) "-help" } { (help) } }
                @if let Some(error) = self.error { p.error id={ (self.name) "-error" } { (self.visitor.says(error)) } }
            }
        }
    }
}

/// A table whose rows become cards where there is little room. Columns are named by messages; an empty
/// name is for a column of buttons.
pub fn table(visitor: &Visitor, caption: &str, columns: &[&str], rows: &[Vec<Markup>]) -> Markup {
    let names: Vec<String> = columns
        .iter()
        .map(|name| {
            if name.is_empty() {
                String::new()
            } else {
                visitor.t(name)
            }
        })
        .collect();
    html! {
        table {
            caption.unseen { (caption) }
            thead { tr { @for name in &names { th scope="col" { @if name.is_empty() { span.unseen { (visitor.t("column-actions")) } } @else { (name) } } } } }
            tbody {
                @for row in rows {
                    tr { @for (cell, name) in row.iter().zip(&names) { td data-label=[(!name.is_empty()).then_some(name)] { (cell) } } }
                }
            }
        }
    }
}

/// What is shown where there is nothing yet: what it is for, and what to do.
pub fn empty(title: &str, text: &str, action: Option<Markup>) -> Markup {
    html! { div.empty { h2 { (title) } p { (text) } @if let Some(action) = action { p { (action) } } } }
}

/// A text to be copied, with a button for browsers that can.
pub fn copy(visitor: &Visitor, label: &str, id: &str, text: &str) -> Markup {
    html! {
        div.copy {
            p.label id={ (id) "-label" } { (label) }
            pre tabindex="0" role="region" aria-labelledby={ (id) "-label" } { code #(id) { (text) } }
            button.small type="button" data-copy=(id) hidden { (visitor.t("copy")) span.unseen { " " (label) } }
        }
    }
}

/// A word about a state, with a colour that says the same.
pub fn badge(kind: &str, word: &str) -> Markup {
    html! { span class={ "badge " (kind) } { (word) } }
}

/// A question before something that cannot be taken back.
pub fn confirmation(
    visitor: &Visitor,
    question: Markup,
    action: &str,
    label: &str,
    back: &str,
    fields: Markup,
) -> Markup {
    html! {
        div.question {
            (question)
            (form(visitor, action, html! {
                (fields)
                div.buttons {
                    button.danger { (label) }
                    a.button href=(visitor.link(back)) { (visitor.t("cancel")) }
                }
            }))
        }
    }
}

/// The page of a request that failed. What was typed is in a form that can be sent again, where trying
/// again can help.
pub fn failed(
    visitor: &Visitor,
    error: &Error,
    form: Option<&Form>,
    request_id: Option<&str>,
    path: &str,
) -> HttpResponse {
    let name = match error.code() {
        Code::NotFound => "not-found",
        Code::TemporarilyUnavailable => "unavailable",
        Code::TooManyRequests => "too-many",
        Code::AccessDenied | Code::InsufficientScope => "denied",
        Code::ServerError => "fault",
        _ => "refused",
    };
    let again = error
        .retry_after()
        .and(form)
        .filter(|_| error.code() == Code::TemporarilyUnavailable);
    let content = html! {
        p { @if error.said().is_some() { (visitor.says(error)) } @else { (visitor.t(&format!("failed-{name}-text"))) } }
        @if let Some(form) = again {
            p { (visitor.t("failed-kept")) }
            (send_again(visitor, form, form.get(FORM_TOKEN), path))
        } @else if error.retry_after().is_some() {
            p { a.button href=(visitor.here) { (visitor.t("try-again")) } }
        } @else {
            p { a.button href=(visitor.link("")) { (visitor.t("to-start")) } }
        }
        @if let Some(id) = request_id { p.help { (visitor.t("request-id")) " " code { (id) } } }
    };
    let head = Head::titled(visitor.t(&format!("failed-{name}")));
    let mut answer = plain_page(
        visitor,
        crate::http::error::status(error.code()),
        &head,
        content,
        &[],
    );
    if matches!(error.code(), Code::ContentTooLarge | Code::RequestTimeout) {
        // What is left of the body is read by nobody.
        answer.head_mut().set_connection_type(ConnectionType::Close);
    }
    if let Some(wait) = error.retry_after() {
        answer
            .headers_mut()
            .insert(RETRY_AFTER, wait.as_secs().max(1).into());
    }
    answer
}

/// A form with what was typed, to be sent once more; secrets are asked for again.
pub fn send_again(visitor: &Visitor, form: &Form, token: &str, path: &str) -> Markup {
    let shown: Vec<(&str, &str)> = form
        .kept()
        .filter(|(name, value)| !matches!(*name, ONCE | "version" | "sealed") && !value.is_empty())
        .collect();
    html! {
        form method="post" action=(path) {
            (hidden(FORM_TOKEN, token))
            @for (name, value) in form.kept() { (hidden(name, value)) }
            @if !shown.is_empty() {
                dl.kept { @for (name, value) in shown { dt { (visitor.t(&format!("field-{}", name.replace('_', "-")))) } dd { (redacted(value)) } } }
            }
            @for name in form.secrets() { (Field::new(visitor, name, None).input("password", "")) }
            button { (visitor.t("send-again")) }
        }
    }
}
