//! `keyward serve`

use std::fs::File;
use std::io::{ErrorKind, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::Context;
use super::output::{Output, print};
use crate::bootstrap::{self, Bootstrap, FirstOperator};
use crate::config::Issuer;
use crate::error::Error;
use crate::server::{Listener, Server};

#[derive(Args, Default)]
pub struct Serve {
    /// Leave a new database empty
    #[arg(long)]
    no_bootstrap: bool,

    /// Serve with another issuer than the nodes of this database did within the last hour
    #[arg(long)]
    change_issuer: bool,
}

impl Serve {
    /// With what stands before and after `serve` on a command line.
    pub fn or(self, other: Self) -> Self {
        Serve { no_bootstrap: self.no_bootstrap || other.no_bootstrap, change_issuer: self.change_issuer || other.change_issuer }
    }

    /// A flag that is there.
    pub fn given(&self) -> Option<&'static str> {
        [("--no-bootstrap", self.no_bootstrap), ("--change-issuer", self.change_issuer)]
            .into_iter()
            .find_map(|(flag, given)| given.then_some(flag))
    }

    pub async fn run(self, context: Context, json: bool) -> Result<Output, Error> {
        // First of all: whoever cannot listen makes nothing.
        let explain = |error| context.sources.explain(error);
        let listener = Listener::bind(&context.settings).map_err(explain)?;
        let store = context.open_store()?;
        let settings = context.settings.clone();
        // Only then: a password that was good enough for an older version must not stop a later start.
        let is_new = !self.no_bootstrap && bootstrap::is_new(&store).await?;
        let operator = is_new.then(|| FirstOperator::new(&settings.operator_email, settings.operator_password.as_ref()));
        let operator = operator.transpose().map_err(explain)?;
        let keys_dir = settings.keys_dir.clone();
        let server = Server::new(listener, settings, store.clone(), self.change_issuer, context.now).await.map_err(explain)?;
        let issuer = &server.oauth().issuer;
        let first_start = if let Some(operator) = operator {
            // Standard output may be a log, which others read and which is kept.
            let mut secrets =
                (!std::io::stdout().is_terminal()).then(|| SecretsFile::create(&keys_dir)).transpose().map_err(explain)?;
            let made = bootstrap::bootstrap(&store, operator, context.now).await;
            match (made, &mut secrets) {
                (Ok(Some(made)), Some(file)) => Some(file.keep(&made, issuer, json)?),
                (Ok(Some(made)), None) => Some(Shown { document: made.document(), words: made.text(issuer) }),
                (made, _) => {
                    if let Some(file) = secrets {
                        file.remove();
                    }
                    made.map(|_| None)?
                }
            }
        } else {
            None
        };
        if json {
            let document = first_start.map(|shown| shown.document);
            print(&json!({"issuer": issuer.as_str(), "first_start": document}).to_string())?;
        } else if let Some(shown) = first_start {
            print(&shown.words)?;
        }
        server.run(context.log.clone(), context.read_settings).await.map_err(|error| Error::server_error(error.to_string()))?;
        context.log.flush();
        // A database that hangs holds threads for as long as it likes; nobody waits for them.
        std::process::exit(0);
    }
}

/// What standard output shows of the first start.
struct Shown {
    document: Value,
    words: String,
}

/// A new file that its owner alone can read, for what the first start makes. It is there before anything is
/// made, so that nothing is lost where it cannot be.
struct SecretsFile {
    path: PathBuf,
    file: File,
}

impl SecretsFile {
    /// One from an earlier database, or of another node that starts just now, is left as it is.
    fn create(folder: &Path) -> Result<Self, Error> {
        let mut number = 1;
        loop {
            let path = folder.join(if number == 1 { "first-start.txt".to_owned() } else { format!("first-start-{number}.txt") });
            match File::options().write(true).create_new(true).mode(0o600).open(&path) {
                Ok(file) => return Ok(SecretsFile { path: std::path::absolute(&path).unwrap_or(path), file }),
                Err(error) if error.kind() == ErrorKind::AlreadyExists && number < 100 => number += 1,
                Err(error) => {
                    let way_out = "start once in a terminal, which shows the first secrets, or with --no-bootstrap";
                    let reason = format!("{}: {error}; {way_out}", path.display());
                    return Err(Error::server_error(reason).field("keys_dir"));
                }
            }
        }
    }

    /// Writes what was made, as words or as JSON; gives what may be shown in its place.
    fn keep(&mut self, made: &Bootstrap, issuer: &Issuer, json: bool) -> Result<Shown, Error> {
        let text = if json { format!("{}\n", made.document()) } else { made.text(issuer) };
        let written = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_all());
        let path = self.path.display().to_string();
        written.map_err(|error| Error::server_error(format!("the first client was made, but {path}: {error}")))?;
        let mut document = made.document_without_secrets();
        document["secrets_file"] = json!(path);
        let words = format!(
            "\nThis database is new. The first client, its secret and API key, and the operator's\n\
             sign-in are in this file, which its owner alone can read. Read it, then delete it:\n\n  {path}\n"
        );
        Ok(Shown { document, words })
    }

    fn remove(self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(file = %self.path.display(), reason = %error, "cannot remove an empty file");
        }
    }
}
