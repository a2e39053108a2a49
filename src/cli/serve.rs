//! `keyward serve`

use std::io::IsTerminal;

use clap::Args;
use serde_json::json;
use tracing_subscriber::EnvFilter;

use super::Context;
use super::output::{Output, print};
use crate::bootstrap::{Bootstrap, bootstrap};
use crate::config::Settings;
use crate::error::Error;
use crate::server::Server;

#[derive(Args, Default)]
pub struct Serve {
    /// Leave a new database empty
    #[arg(long)]
    no_bootstrap: bool,
}

impl Serve {
    pub async fn run(self, context: Context, json: bool) -> Result<Output, Error> {
        let store = context.store()?;
        let server = Server::bind(context.settings, store.clone(), context.now).await?;
        let made = if self.no_bootstrap { None } else { bootstrap(&store, context.now).await? };
        let issuer = &server.oauth().issuer;
        if json {
            let first_start = made.as_ref().map(Bootstrap::document);
            print(&json!({"issuer": issuer.as_str(), "first_start": first_start}).to_string())?;
        } else if let Some(made) = made {
            print(&made.text(issuer))?;
        }
        server.run().await.map_err(|error| Error::server_error(error.to_string()))?;
        // A database that hangs holds threads for as long as it likes; nobody waits for them.
        std::process::exit(0);
    }
}

/// Logs to standard error: for people on a terminal, as JSON elsewhere. A command that is not the
/// server says only what goes wrong.
pub fn init_log(settings: &Settings, serving: bool) -> Result<(), Error> {
    // Of what actix says of its workers only trouble matters, and of strangers who speak no HTTP
    // nothing; what is set comes later and wins.
    let filter = if serving { format!("actix_server=warn,actix_http=off,{}", settings.log) } else { "warn".to_owned() };
    let filter = EnvFilter::try_new(filter).map_err(|error| Error::server_error(error.to_string()))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let begun = if serving && !std::io::stderr().is_terminal() {
        log.json().flatten_event(true).with_current_span(false).try_init()
    } else {
        log.with_target(false).with_ansi(std::io::stderr().is_terminal()).try_init()
    };
    begun.map_err(|error| Error::server_error(error.to_string()))
}
