//! The layout of every page: header, menu, breadcrumbs, notices and errors.

use actix_web::HttpResponse;
use actix_web::cookie::Cookie;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use maud::{DOCTYPE, Markup, html};

use super::assets;
use super::components::hidden;
use super::form::CSRF_TOKEN;
use super::language::Language;
use super::session_extractor::{CurrentUser, PageContext};
use crate::error::Error;
use crate::http::error::LogError;
use crate::manage::actor::{
    AccountsWrite, AuditRead, ClientsRead, KeysRead, RegistrationRead, ResourcesWrite,
    SigningKeysRead, StatusRead, TokensRead, UsersRead,
};

/// An item of the menu.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum NavItem {
    Overview,
    Applications,
    ApiKeys,
    People,
    Accounts,
    ResourceServers,
    RegistrationTokens,
    SigningKeys,
    Audit,
    Status,
    Profile,
}

/// The groups of the menu: the message for the heading, and the items. The profile is linked from
/// the header instead.
const MENU: [(&str, &[NavItem]); 4] = [
    ("menu-now", &[NavItem::Overview]),
    (
        "menu-developers",
        &[
            NavItem::Applications,
            NavItem::ApiKeys,
            NavItem::RegistrationTokens,
        ],
    ),
    (
        "menu-account",
        &[NavItem::Accounts, NavItem::People, NavItem::Audit],
    ),
    (
        "menu-server",
        &[
            NavItem::ResourceServers,
            NavItem::SigningKeys,
            NavItem::Status,
        ],
    ),
];

impl NavItem {
    /// The path of the page.
    pub const fn path(self) -> &'static str {
        match self {
            NavItem::Overview => "/overview",
            NavItem::Applications => "/applications",
            NavItem::ApiKeys => "/api-keys",
            NavItem::People => "/people",
            NavItem::Accounts => "/accounts",
            NavItem::ResourceServers => "/resource-servers",
            NavItem::RegistrationTokens => "/registration-tokens",
            NavItem::SigningKeys => "/signing-keys",
            NavItem::Audit => "/audit",
            NavItem::Status => "/status",
            NavItem::Profile => "/profile",
        }
    }

    /// The message for the name of the page.
    const fn message(self) -> &'static str {
        match self {
            NavItem::Overview => "menu-overview",
            NavItem::Applications => "menu-applications",
            NavItem::ApiKeys => "menu-api-keys",
            NavItem::People => "menu-people",
            NavItem::Accounts => "menu-accounts",
            NavItem::ResourceServers => "menu-resource-servers",
            NavItem::RegistrationTokens => "menu-registration-tokens",
            NavItem::SigningKeys => "menu-signing-keys",
            NavItem::Audit => "menu-audit",
            NavItem::Status => "menu-status",
            NavItem::Profile => "menu-profile",
        }
    }

    /// The breadcrumb of the page: its path and name.
    pub fn breadcrumb(self, context: &PageContext) -> (String, String) {
        (self.path().to_owned(), context.t(self.message()))
    }

    /// Whether the user may open the page.
    fn is_visible(self, user: &CurrentUser) -> bool {
        match self {
            NavItem::Overview => user.can(TokensRead),
            NavItem::Applications => user.can(ClientsRead),
            NavItem::ApiKeys => user.can(KeysRead),
            NavItem::People => user.can(UsersRead),
            NavItem::Accounts => user.can(AccountsWrite),
            NavItem::ResourceServers => user.can(ResourcesWrite),
            NavItem::RegistrationTokens => user.can(RegistrationRead),
            NavItem::SigningKeys => user.can(SigningKeysRead),
            NavItem::Audit => user.can(AuditRead),
            NavItem::Status => user.can(StatusRead),
            NavItem::Profile => true,
        }
    }
}

/// What a page shows above its content.
pub struct PageHeader<'a> {
    /// The heading, which is also the title of the window.
    pub title: String,
    /// The pages above this one: paths and names, outermost first.
    pub breadcrumbs: Vec<(String, String)>,
    /// Confirms what the last form did.
    pub notice: Option<Markup>,
    /// Why the submitted form was refused. It also sets the status of the response.
    pub error: Option<&'a Error>,
}

impl PageHeader<'_> {
    /// A header that is only a title.
    pub fn titled(title: String) -> Self {
        PageHeader {
            title,
            breadcrumbs: Vec::new(),
            notice: None,
            error: None,
        }
    }
}

/// A page with the menu, for a user with a complete session.
pub fn user_page(
    user: &CurrentUser,
    current: NavItem,
    header: PageHeader<'_>,
    content: Markup,
) -> HttpResponse {
    let status = header.error.map_or(StatusCode::OK, |error| {
        crate::http::error::status(error.code())
    });
    let body = body(user, &header, content);
    let page = document(user, &header.title, Some(menu(user, current)), body);
    respond(status, page, &[], header.error)
}

fn menu(user: &CurrentUser, current: NavItem) -> Markup {
    html! {
        nav.menu aria-label=(user.t("menu")) {
            @for (group, items) in MENU {
                @if items.iter().any(|item| item.is_visible(user)) {
                    p.group { (user.t(group)) }
                    ul {
                        @for item in items.iter().copied().filter(|item| item.is_visible(user)) {
                            li { a href=(user.link(item.path())) aria-current=[(item == current).then_some("page")] { (user.t(item.message())) } }
                        }
                    }
                }
            }
        }
    }
}

/// A page without the menu, for anybody.
pub fn plain_page(
    context: &PageContext,
    status: StatusCode,
    header: &PageHeader<'_>,
    content: Markup,
    cookies: &[Cookie<'_>],
) -> HttpResponse {
    let body = body(context, header, content);
    let page = document(context, &header.title, None, body);
    respond(status, page, cookies, header.error)
}

/// A redirect that the browser follows with GET (303 See Other).
pub fn redirect(to: &str, cookies: &[Cookie<'_>]) -> HttpResponse {
    let mut response = HttpResponse::SeeOther();
    response.insert_header((LOCATION, to));
    for cookie in cookies {
        response.cookie(cookie.clone());
    }
    response.finish()
}

/// A redirect to a page of the portal that shows the notice `done-WHAT`.
pub fn done(context: &PageContext, path: &str, what: &str) -> HttpResponse {
    redirect(&format!("{}?done={what}", context.link(path)), &[])
}

/// The notice that the query parameter `done` names, if there is such a message.
pub fn notice(context: &PageContext) -> Option<Markup> {
    let message = format!("done-{}", context.query("done")?);
    let known = context.language.has_message(&message);
    known.then(|| html! { (context.t(&message)) })
}

fn respond(
    status: StatusCode,
    page: Markup,
    cookies: &[Cookie<'_>],
    error: Option<&Error>,
) -> HttpResponse {
    let mut response = HttpResponse::build(status);
    response.insert_header((CONTENT_TYPE, "text/html; charset=utf-8"));
    if let Some(wait) = error.and_then(Error::retry_after) {
        response.insert_header((RETRY_AFTER, wait.as_secs().max(1)));
    }
    for cookie in cookies {
        response.cookie(cookie.clone());
    }
    let mut response = response.body(page.into_string());
    if let Some(error) = error {
        set_log_error(&mut response, error);
    }
    response
}

/// Hands an error to the access log.
pub fn set_log_error(response: &mut HttpResponse, error: &Error) {
    response.extensions_mut().insert(LogError::from(error));
}

fn body(context: &PageContext, header: &PageHeader<'_>, content: Markup) -> Markup {
    html! {
        @if !header.breadcrumbs.is_empty() {
            nav.breadcrumbs aria-label=(context.t("breadcrumbs")) {
                ol { @for (path, name) in &header.breadcrumbs { li { a href=(context.link(path)) { (name) } } } }
            }
        }
        h1 { (header.title) }
        @if let Some(notice) = &header.notice { div.notice role="status" { p { (notice) } } }
        @if let Some(error) = header.error {
            div.alert role="alert" {
                p { (context.localize(error)) }
                @if let Some(field) = error.wrong_field() { p { a href={ "#" (field) } { (context.t("to-field")) } } }
            }
        }
        (content)
    }
}

fn document(context: &PageContext, title: &str, menu: Option<Markup>, content: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang=(context.language.code()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Keyward" }
                link rel="icon" href=(context.link(&assets::ICON.path())) type="image/svg+xml";
                link rel="stylesheet" href=(context.link(&assets::STYLE.path()));
                script src=(context.link(&assets::SCRIPT.path())) defer {}
            }
            body data-copied=(context.t("copied")) {
                a.skip href="#main" { (context.t("skip")) }
                (top_bar(context))
                div.columns.narrow[menu.is_none()] {
                    @if let Some(menu) = menu { (menu) }
                    main #main tabindex="-1" { (content) }
                }
            }
        }
    }
}

fn top_bar(context: &PageContext) -> Markup {
    html! {
        header.top {
            a.brand href=(context.link("")) { (logo()) "Keyward" }
            div.who {
                // Switching the language reloads the page, which would lose a secret that is shown
                // once, or what was typed.
                @if !context.answers_form { (language_switch(context)) }
                @if let Some(session) = &context.session {
                    a.me href=(context.link("/profile")) { (session.email()) }
                    form method="post" action=(context.link("/sign-out")) {
                        (hidden(CSRF_TOKEN, &context.csrf_token()))
                        button.quiet { (context.t("sign-out")) }
                    }
                }
            }
        }
    }
}

fn language_switch(context: &PageContext) -> Markup {
    let others = Language::ALL
        .into_iter()
        .filter(|language| *language != context.language);
    html! {
        form.languages method="post" action=(context.link("/language")) {
            (hidden("here", &context.path_and_query))
            @for language in others {
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
