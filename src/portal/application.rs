//! An application, as the pages below it show it.

use super::page::NavItem;
use super::page_error::PageError;
use super::session_extractor::CurrentUser;
use crate::manage::actor::ClientsRead;
use crate::manage::client::{self, ClientView};

/// An application: a client, with its path and breadcrumbs in the portal.
pub struct Application {
    /// The client.
    pub client: ClientView,
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

    /// The breadcrumbs of the pages below the application.
    pub fn breadcrumbs(&self, user: &CurrentUser) -> Vec<(String, String)> {
        vec![
            NavItem::Applications.breadcrumb(user),
            (self.path(""), self.client.name.clone()),
        ]
    }
}
