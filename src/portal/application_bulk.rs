//! Disables several applications, or revokes their tokens, in one step: all of them or none.

use std::collections::BTreeSet;

use actix_web::HttpResponse;
use maud::{Markup, html};
use strum::{EnumString, IntoStaticStr};

use super::components::hidden;
use super::page::{NavItem, PageHeader, done, user_page};
use super::page_error::{PageError, recoverable};
use super::selection::{Question, Selection};
use super::session_extractor::{AuthenticatedForm, CurrentUser};
use crate::error::{Error, refusal};
use crate::manage::actor::{ClientsRead, ClientsWrite, TokensRevoke};
use crate::manage::client::{self, ClientView};

const APPLICATIONS: Selection = Selection {
    form: "selected-applications",
    field: "client",
};

const PATH: &str = "/applications/selected";

/// The field with the action.
const ACTION: &str = "action";

/// What can be done to several applications.
#[derive(Clone, Copy, EnumString, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
enum Action {
    Disable,
    RevokeTokens,
}

impl Action {
    const ALL: [Action; 2] = [Action::Disable, Action::RevokeTokens];

    fn as_str(self) -> &'static str {
        self.into()
    }

    /// The message about this action with this beginning.
    fn message(self, what: &str) -> String {
        format!("applications-{}-{what}", self.as_str())
    }

    fn is_allowed(self, user: &CurrentUser) -> bool {
        match self {
            Action::Disable => user.can(ClientsWrite),
            Action::RevokeTokens => user.can(TokensRevoke),
        }
    }

    fn check_right(self, user: &CurrentUser) -> Result<(), Error> {
        match self {
            Action::Disable => user.may(ClientsWrite).map(drop),
            Action::RevokeTokens => user.may(TokensRevoke).map(drop),
        }
    }

    async fn perform(self, user: &CurrentUser, ids: BTreeSet<String>) -> Result<(), Error> {
        let store = &user.server.store;
        match self {
            Action::Disable => client::disable_all(store, user.may(ClientsWrite)?, ids).await,
            Action::RevokeTokens => {
                client::revoke_tokens_of_all(store, user.may(TokensRevoke)?, ids).await
            }
        }
    }
}

/// Whether the user can do anything to several applications.
pub(super) fn is_allowed(user: &CurrentUser) -> bool {
    Action::ALL.iter().any(|action| action.is_allowed(user))
}

/// The checkbox that selects an application in the list.
pub(super) fn checkbox(user: &CurrentUser, client: &ClientView) -> Markup {
    APPLICATIONS.checkbox(user, &client.client_id, &client.name)
}

/// The form below the list of applications, which leads to the confirmation.
pub(super) fn form(user: &CurrentUser) -> Markup {
    let allowed = Action::ALL
        .into_iter()
        .filter(|action| action.is_allowed(user));
    let buttons = html! {
        @for action in allowed {
            button.small.danger name=(ACTION) value=(action.as_str()) { (user.t(&action.message("selected"))) }
        }
    };
    APPLICATIONS.form(user, PATH, buttons)
}

/// Asks before something is done to the selected applications.
pub async fn confirm(user: CurrentUser) -> Result<HttpResponse, PageError> {
    let action = user.query(ACTION).and_then(|action| action.parse().ok());
    let action: Action = action.unwrap_or(Action::Disable);
    action.check_right(&user)?;
    let selected = APPLICATIONS.queried(&user);
    let error = client::check_selection(&selected).err();
    confirm_page(&user, action, &selected, error.as_ref()).await
}

async fn confirm_page(
    user: &CurrentUser,
    action: Action,
    selected: &BTreeSet<String>,
    error: Option<&Error>,
) -> Result<HttpResponse, PageError> {
    let store = &user.server.store;
    let clients = client::find_all(store, user.may(ClientsRead)?, selected.clone()).await?;
    let shown =
        |client: &ClientView| html! { strong { (client.name) } " " code { (client.client_id) } };
    let entries: Vec<_> = clients
        .iter()
        .map(|client| (client.client_id.as_str(), shown(client)))
        .collect();
    let question = Question {
        entries: &entries,
        text: html! { p { (user.t(&action.message("text"))) } },
        action: PATH,
        label: &user.t(&action.message("button")),
        back: "/applications",
        fields: hidden(ACTION, action.as_str()),
    };
    let header = PageHeader {
        breadcrumbs: vec![NavItem::Applications.breadcrumb(user)],
        error,
        ..PageHeader::titled(user.count(&action.message("title"), entries.len()))
    };
    let content = APPLICATIONS.question(user, question);
    Ok(user_page(user, NavItem::Applications, header, content))
}

/// Performs the action.
pub async fn perform(
    AuthenticatedForm { user, form }: AuthenticatedForm,
) -> Result<HttpResponse, PageError> {
    if !is_allowed(&user) {
        user.may(ClientsWrite)?;
    }
    let action: Option<Action> = form.choice(ACTION)?;
    let action = action.ok_or_else(|| refusal::clients_not_chosen().field(ACTION))?;
    action.check_right(&user)?;
    let selected = APPLICATIONS.submitted(&form);
    let performed = action.perform(&user, selected.clone()).await;
    match recoverable(&user, performed, "/applications")? {
        Ok(()) => Ok(done(&user, "/applications", &action.message("done"))),
        Err(error) => confirm_page(&user, action, &selected, Some(&error)).await,
    }
}
