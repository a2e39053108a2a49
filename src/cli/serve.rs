//! `keyward serve`

use clap::Args;
use serde_json::json;

use super::Context;
use super::output::{Output, print};
use crate::bootstrap::{Bootstrap, bootstrap};
use crate::error::Error;
use crate::server::{Listener, Server};
use crate::store::Store;

#[derive(Args, Default)]
pub struct Serve {
    /// Leave a new database empty
    #[arg(long)]
    no_bootstrap: bool,
}

impl Serve {
    pub async fn run(self, context: Context, json: bool) -> Result<Output, Error> {
        // First of all: whoever cannot listen makes nothing.
        let listener = Listener::bind(&context.settings)?;
        let store = Store::open(&context.settings.database_url)?;
        let Context { settings, now, log, read_settings, .. } = context;
        let server = Server::new(listener, settings, store.clone(), now).await?;
        let made = if self.no_bootstrap { None } else { bootstrap(&store, now).await? };
        let issuer = &server.oauth().issuer;
        if json {
            let first_start = made.as_ref().map(Bootstrap::document);
            print(&json!({"issuer": issuer.as_str(), "first_start": first_start}).to_string())?;
        } else if let Some(made) = made {
            print(&made.text(issuer))?;
        }
        server.run(log.clone(), read_settings).await.map_err(|error| Error::server_error(error.to_string()))?;
        log.flush();
        // A database that hangs holds threads for as long as it likes; nobody waits for them.
        std::process::exit(0);
    }
}
