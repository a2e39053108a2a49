//! An application, as the pages below it show it: its heading, breadcrumbs and tabs.

use maud::{Markup, html};

use super::components::badge;
use super::page::{self, NavItem, PageHeader};
use super::page_error::PageError;
use super::session_extractor::CurrentUser;
use crate::manage::actor::{ClientsRead, KeysRead, TokensRead};
use crate::manage::client::{self, AuthMethod, ClientView, DisabledBy};

/// An application: a client, with its path and breadcrumbs in the portal.
pub struct Application {
    /// The client.
    pub client: ClientView,
}

/// A tab of an application. Each is a page with its own URL.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Tab {
    Overview,
    Credentials,
    Access,
    Activity,
    QuickStart,
}

impl Tab {
    const ALL: [Tab; 5] = [
        Tab::Overview,
        Tab::Credentials,
        Tab::Access,
        Tab::Activity,
        Tab::QuickStart,
    ];

    /// The path below that of the application.
    const fn path(self) -> &'static str {
        match self {
            Tab::Overview => "",
            Tab::Credentials => "/credentials",
            Tab::Access => "/access",
            Tab::Activity => "/activity",
            Tab::QuickStart => "/quick-start",
        }
    }

    /// The message for the name of the tab.
    const fn message(self) -> &'static str {
        match self {
            Tab::Overview => "menu-overview",
            Tab::Credentials => "tab-credentials",
            Tab::Access => "tab-access",
            Tab::Activity => "tab-activity",
            Tab::QuickStart => "quick-start",
        }
    }

    /// Whether the user may open the tab, and it has content for the application.
    fn is_visible(self, user: &CurrentUser, application: &Application) -> bool {
        match self {
            Tab::Overview | Tab::Access => true,
            Tab::Credentials => user.can(KeysRead),
            Tab::Activity => user.can(TokensRead),
            Tab::QuickStart => application.gets_tokens(),
        }
    }
}

impl Application {
    /// The application with this client id.
    ///
    /// # Errors
    /// `not_found` if the user cannot see such a client.
    pub async fn find(user: &CurrentUser, id: &str) -> Result<Self, PageError> {
        let permit = user.may(ClientsRead)?;
        let client = client::show(&user.server.store, permit, id).await?;
        Ok(Application { client })
    }

    /// The path of the page `below` the application.
    pub fn path(&self, below: &str) -> String {
        format!("/applications/{}{below}", self.client.client_id)
    }

    /// Whether the application can get access tokens. The client of a resource server only
    /// introspects them.
    pub fn gets_tokens(&self) -> bool {
        !self.client.grant_types.is_empty()
    }

    /// Whether the application authenticates with a client secret.
    pub fn uses_secret(&self) -> bool {
        let method = self.client.auth_method.parse();
        method.is_ok_and(AuthMethod::uses_secret)
    }

    /// The breadcrumbs of the pages below the application.
    pub fn breadcrumbs(&self, user: &CurrentUser) -> Vec<(String, String)> {
        vec![
            NavItem::Applications.breadcrumb(user),
            (self.path(""), self.client.name.clone()),
        ]
    }

    /// The header of a tab: the name of the application, its state, and the tabs.
    pub fn header(&self, user: &CurrentUser, tab: Tab) -> PageHeader<'static> {
        PageHeader {
            tab: (tab != Tab::Overview).then(|| user.t(tab.message())),
            breadcrumbs: vec![NavItem::Applications.breadcrumb(user)],
            badges: Some(html! {
                (state(user, &self.client))
                @if self.client.introspect { (badge("plain", &user.t("introspects"))) }
            }),
            tabs: Some(self.tabs(user, tab)),
            notice: page::notice(user),
            ..PageHeader::titled(self.client.name.clone())
        }
    }

    /// The links to the tabs. `current` is the one that the page is, or that it belongs to.
    pub fn tabs(&self, user: &CurrentUser, current: Tab) -> Markup {
        let own_path = user.link(&self.path(current.path()));
        let is_tab_itself = user.path_and_query.split('?').next() == Some(&own_path);
        let mark = if is_tab_itself { "page" } else { "true" };
        let visible = Tab::ALL
            .into_iter()
            .filter(|tab| tab.is_visible(user, self));
        html! {
            nav.sections aria-label=(self.client.name) {
                ul {
                    @for tab in visible {
                        li {
                            a href=(user.link(&self.path(tab.path()))) aria-current=[(tab == current).then_some(mark)] {
                                (user.t(tab.message()))
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The state of an application as a badge.
pub fn state(user: &CurrentUser, client: &ClientView) -> Markup {
    match client.disabled_by {
        _ if client.account_closed_at.is_some() => badge("off", &user.t("account-closed")),
        _ if client.enabled => badge("good", &user.t("enabled")),
        Some(DisabledBy::Operator) => badge("off", &user.t("disabled-by-operator")),
        _ => badge("off", &user.t("disabled")),
    }
}
