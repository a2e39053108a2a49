//! The layout of every page: header, menu, breadcrumbs, notices and errors.

use actix_web::HttpResponse;
use actix_web::cookie::Cookie;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use maud::{DOCTYPE, Markup, html};

use super::account_switch;
use super::announcement_banner::banners;
use super::assets;
use super::components::hidden;
use super::form::CSRF_TOKEN;
use super::join;
use super::language::Language;
use super::search_dialog;
use super::session_extractor::{CurrentUser, PageContext};
use crate::error::Error;
use crate::http::error::LogError;
use crate::manage::actor::{
    AccountsRead, AccountsWrite, AnnouncementsRead, AuditRead, ClientsRead, KeysRead,
    RegistrationRead, ResourcesWrite, SigningKeysRead, StatusRead, TokensRead, UsersRead,
    WebhooksRead,
};

/// An item of the menu.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum NavItem {
    Overview,
    Applications,
    ApiKeys,
    People,
    Account,
    Accounts,
    ResourceServers,
    RegistrationTokens,
    Webhooks,
    SigningKeys,
    Audit,
    Announcements,
    Status,
    Profile,
    Search,
}

/// The groups of the menu: the message for the heading, and the items. The profile and the
/// search are linked from the header instead.
const MENU: [(&str, &[NavItem]); 4] = [
    ("menu-now", &[NavItem::Overview]),
    (
        "menu-developers",
        &[
            NavItem::Applications,
            NavItem::ApiKeys,
            NavItem::RegistrationTokens,
            NavItem::Webhooks,
        ],
    ),
    (
        "menu-account",
        &[
            NavItem::Account,
            NavItem::Accounts,
            NavItem::People,
            NavItem::Audit,
        ],
    ),
    (
        "menu-server",
        &[
            NavItem::ResourceServers,
            NavItem::SigningKeys,
            NavItem::Announcements,
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
            NavItem::Account => "/account",
            NavItem::Accounts => "/accounts",
            NavItem::ResourceServers => "/resource-servers",
            NavItem::RegistrationTokens => "/registration-tokens",
            NavItem::Webhooks => "/webhooks",
            NavItem::SigningKeys => "/signing-keys",
            NavItem::Audit => "/audit",
            NavItem::Announcements => "/announcements",
            NavItem::Status => "/status",
            NavItem::Profile => "/profile",
            NavItem::Search => search_dialog::PATH,
        }
    }

    /// The message for the name of the page.
    const fn message(self) -> &'static str {
        match self {
            NavItem::Overview => "menu-overview",
            NavItem::Applications => "menu-applications",
            NavItem::ApiKeys => "menu-api-keys",
            NavItem::People => "menu-people",
            NavItem::Account => "menu-own-account",
            NavItem::Accounts => "menu-accounts",
            NavItem::ResourceServers => "menu-resource-servers",
            NavItem::RegistrationTokens => "menu-registration-tokens",
            NavItem::Webhooks => "menu-webhooks",
            NavItem::SigningKeys => "menu-signing-keys",
            NavItem::Audit => "menu-audit",
            NavItem::Announcements => "menu-announcements",
            NavItem::Status => "menu-status",
            NavItem::Profile => "menu-profile",
            NavItem::Search => "search",
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
            NavItem::Account => user.can(AccountsRead) && !user.is_operator(),
            NavItem::Accounts => user.can(AccountsWrite),
            NavItem::ResourceServers => user.can(ResourcesWrite),
            NavItem::RegistrationTokens => user.can(RegistrationRead),
            NavItem::Webhooks => user.can(WebhooksRead),
            NavItem::SigningKeys => user.can(SigningKeysRead),
            NavItem::Audit => user.can(AuditRead),
            NavItem::Announcements => user.can(AnnouncementsRead),
            NavItem::Status => user.can(StatusRead),
            NavItem::Profile | NavItem::Search => true,
        }
    }
}

/// What only pages for a user with a complete session have.
struct Menu {
    items: Markup,
    /// The link to the search.
    find: Markup,
    /// The dialog of the search.
    palette: Markup,
}

/// What a page shows above its content.
pub struct PageHeader<'a> {
    /// The heading, which is also in the title of the window.
    pub title: String,
    /// The name of the tab, for pages that share one heading. It comes first in the title of the
    /// window.
    pub tab: Option<String>,
    /// The pages above this one: paths and names, outermost first.
    pub breadcrumbs: Vec<(String, String)>,
    /// The state of what the page shows, beside the heading.
    pub badges: Option<Markup>,
    /// The buttons for the main actions of the page, beside the heading.
    pub actions: Option<Markup>,
    /// The tabs below the heading.
    pub tabs: Option<Markup>,
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
            tab: None,
            breadcrumbs: Vec::new(),
            badges: None,
            actions: None,
            tabs: None,
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
    let menu = menu(user, current);
    let content = html! {
        div.columns {
            nav.menu aria-label=(user.t("menu")) { (menu) }
            main #main tabindex="-1" { (banners(user)) (body(user, &header, content)) }
        }
    };
    let menu = Menu {
        items: menu,
        find: search_dialog::link(user),
        palette: search_dialog::dialog(user),
    };
    let page = document(user, &header, Some(&menu), content);
    respond(status, page, &[], header.error)
}

/// The pages of the menu that the user may open, and the profile: their paths and names.
pub fn menu_pages(user: &CurrentUser) -> impl Iterator<Item = (String, String)> {
    let items = MENU.into_iter().flat_map(|(_, items)| items);
    let items = items.chain(&[NavItem::Profile]);
    let visible = items.filter(|item| item.is_visible(user));
    visible.map(|item| item.breadcrumb(user))
}

/// The items of the menu that the user may open, by group.
fn menu(user: &CurrentUser, current: NavItem) -> Markup {
    html! {
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

/// A page without the menu, for anybody.
pub fn plain_page(
    context: &PageContext,
    status: StatusCode,
    header: &PageHeader<'_>,
    content: Markup,
    cookies: &[Cookie<'_>],
) -> HttpResponse {
    let content = html! {
        div.columns.narrow { main #main tabindex="-1" { (body(context, header, content)) } }
    };
    let page = document(context, header, None, content);
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
        div.head {
            h1 { (header.title) }
            @if let Some(badges) = &header.badges { p.badges { (badges) } }
            @if let Some(actions) = &header.actions { div.buttons { (actions) } }
        }
        @if let Some(tabs) = &header.tabs { (tabs) }
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

/// The HTML document. Pages without a menu have no menu button.
fn document(
    context: &PageContext,
    header: &PageHeader<'_>,
    menu: Option<&Menu>,
    content: Markup,
) -> Markup {
    html! {
        (DOCTYPE)
        html lang=(context.language.code()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { @if let Some(tab) = &header.tab { (tab) " · " } (header.title) " · Keyward" }
                link rel="icon" href=(context.link(&assets::ICON.path())) type="image/svg+xml";
                link rel="stylesheet" href=(context.link(&assets::STYLE.path()));
                script src=(context.link(&assets::SCRIPT.path())) defer {}
            }
            body data-copied=(context.t("copied")) {
                a.skip href="#main" { (context.t("skip")) }
                (top_bar(context, header, menu))
                (content)
                @if let Some(menu) = menu { (menu.palette) }
            }
        }
    }
}

/// The header. On a narrow screen the menu and the links are behind a button, which is a `details`
/// element and so needs no script.
fn top_bar(context: &PageContext, header: &PageHeader<'_>, menu: Option<&Menu>) -> Markup {
    let links = links(context, header);
    html! {
        header.top {
            a.brand href=(context.link("")) { (logo()) "Keyward" }
            @if let Some(menu) = menu { (menu.find) }
            div.who { (links) }
            @if let Some(menu) = menu {
                details.drawer {
                    summary { (context.t("menu")) }
                    div.panel {
                        nav aria-label=(context.t("menu")) { (menu.items) }
                        div.who { (links) }
                    }
                }
                (account_switch::label(context))
            }
        }
    }
}

/// The links of the header: the API reference, the language, the profile and the sign-out.
fn links(context: &PageContext, header: &PageHeader<'_>) -> Markup {
    html! {
        (account_switch::menu(context))
        a href=(context.api_reference()) { (context.t("api-reference")) }
        (language_switch(context, header))
        @if let Some(session) = &context.session {
            a.me href=(context.link("/profile")) title=(context.t("menu-profile")) { (session.email()) }
            form method="post" action=(context.link("/sign-out")) {
                (hidden(CSRF_TOKEN, &context.csrf_token()))
                button.quiet { (context.t("sign-out")) }
            }
        }
    }
}

/// The buttons of the other languages. A page that answers a form cannot be requested again: it may
/// show a secret once, or what was typed. The other language therefore opens in a new tab, with the
/// page above.
fn language_switch(context: &PageContext, header: &PageHeader<'_>) -> Markup {
    let others = Language::ALL
        .into_iter()
        .filter(|language| *language != context.language);
    let above = header.breadcrumbs.last();
    let of_link = ["/invitation", join::PATH]
        .map(|path| context.link(path))
        .into_iter()
        .find(|path| context.path_and_query.starts_with(path));
    let here = match (above.filter(|_| context.answers_form), of_link) {
        (Some((path, _)), _) => context.link(path),
        (None, Some(of_link)) => of_link,
        (None, None) => context.path_and_query.clone(),
    };
    let opens_tab = context.answers_form && !here.starts_with(&context.link("/sign-in"));
    html! {
        form.languages method="post" action=(context.link("/language")) target=[opens_tab.then_some("_blank")] {
            (hidden("here", &here))
            @for language in others {
                button.quiet name="language" value=(language.code()) lang=(language.code()) {
                    (language.name())
                    @if opens_tab { span.visually_hidden lang=(context.language.code()) { " " (context.t("new-tab")) } }
                }
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
