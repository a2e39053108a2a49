//! `keyward serve`

use std::fs::File;
use std::io::{ErrorKind, IsTerminal, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde_json::{Value, json};

use super::Context;
use super::output::{Output, print};
use crate::bootstrap::{self, Bootstrap, FirstOperator};
use crate::config::Issuer;
use crate::error::Error;
use crate::server::{IssuerChange, Listener, Server, Signals};
use crate::span::Scope;
use crate::store::{IfMissing, Store};
use crate::telemetry::Telemetry;

#[derive(Args, Default)]
pub struct Serve {
    /// Do not create the first operator, account and client in a new database
    #[arg(long)]
    no_bootstrap: bool,

    /// Allow an issuer other than the one that nodes of this database used within the last hour
    #[arg(long)]
    change_issuer: bool,
}

impl Serve {
    /// Merges the flags given before and after the word `serve`.
    pub fn or(self, other: Self) -> Self {
        Serve {
            no_bootstrap: self.no_bootstrap || other.no_bootstrap,
            change_issuer: self.change_issuer || other.change_issuer,
        }
    }

    /// A flag that was given, if any.
    pub fn given(&self) -> Option<&'static str> {
        [
            ("--no-bootstrap", self.no_bootstrap),
            ("--change-issuer", self.change_issuer),
        ]
        .into_iter()
        .find_map(|(flag, given)| given.then_some(flag))
    }

    fn issuer_change(&self) -> IssuerChange {
        if self.change_issuer {
            IssuerChange::Allow
        } else {
            IssuerChange::Refuse
        }
    }

    pub async fn run(self, context: Context, json: bool) -> Result<Output, Error> {
        // Before anything else, so that a signal never ends the process in the middle of something.
        let mut signals =
            Signals::listen().map_err(|error| Error::server_error(error.to_string()))?;
        let started = tokio::select! {
            started = self.start(&context) => Some(started?),
            () = signals.stop() => None,
        };
        let Some(Started {
            server,
            store,
            operator,
        }) = started
        else {
            tracing::info!("stopping before the server has started to serve");
            stopped(&context.telemetry);
        };
        // Not interrupted by signals: a bootstrap that has begun is completed.
        let issuer = server.oauth().issuer.clone();
        let first_start = match operator {
            Some(operator) => first_start(&context, &store, operator, issuer.clone(), json).await?,
            None => None,
        };
        if json || first_start.is_some() {
            let text = match (json, &first_start) {
                (false, Some(shown)) => shown.words.clone(),
                (_, shown) => {
                    let document = shown.as_ref().map(|shown| &shown.document);
                    json!({"issuer": issuer.as_str(), "first_start": document}).to_string()
                }
            };
            match (print(&text), first_start.and_then(|shown| shown.recovery)) {
                (Ok(()), _) => {}
                (Err(error), None) => {
                    tracing::warn!(error = error.reason(), "cannot write to standard output")
                }
                (Err(error), Some(recovery)) => {
                    let lost = "the first secrets were created but are lost; create new ones with";
                    return Err(Error::server_error(format!(
                        "{}; {lost}: {recovery}",
                        error.reason()
                    )));
                }
            }
        }
        let telemetry = context.telemetry;
        let ran = server
            .run(signals, telemetry.clone(), context.read_settings)
            .await;
        ran.map_err(|error| Error::server_error(error.to_string()))?;
        stopped(&telemetry)
    }

    /// Checks everything that can be refused before creating anything, so that a failed start leaves no trace.
    async fn start(&self, context: &Context) -> Result<Started, Error> {
        let settings = context.settings.clone();
        let explain = |error| context.sources.explain(error);
        let listener = Listener::bind(&settings).map_err(explain)?;
        context.check_settings()?;
        let url = settings.database_url.clone();
        let missing = blocking(move || url.is_missing().map_err(|error| url.explain(&error)))
            .await
            .map_err(explain)?;
        // Only for a new database: a password that an older version accepted must not stop a later start.
        let mut operator = (missing && !self.no_bootstrap)
            .then(|| context.first_operator())
            .transpose()?;
        let url = settings.database_url.clone();
        let opened = blocking(move || {
            Store::open(&url, IfMissing::Create).map_err(|error| url.explain(&error))
        });
        let store = opened.await.map_err(explain)?;
        if operator.is_none() && !self.no_bootstrap && bootstrap::is_new(&store).await? {
            operator = Some(context.first_operator()?);
        }
        let server = Server::new(
            listener,
            settings,
            store.clone(),
            self.issuer_change(),
            context.now,
        )
        .await
        .map_err(explain)?;
        Ok(Started {
            server,
            store,
            operator,
        })
    }
}

/// A server that is ready to run.
struct Started {
    server: Server,
    store: Arc<Store>,
    /// The operator to create, if the database is new.
    operator: Option<FirstOperator>,
}

/// Runs blocking work on another thread, so that a database that hangs does not delay signals.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    Scope::current()
        .run_blocking(work)
        .await
        .map_err(|error| Error::server_error(error.to_string()))?
}

fn stopped(telemetry: &Telemetry) -> ! {
    telemetry.flush();
    // Threads may hang in the database: exit without waiting for them.
    std::process::exit(0);
}

/// Bootstraps a new database. The secrets are on disk in a file before the transaction commits.
async fn first_start(
    context: &Context,
    store: &Arc<Store>,
    operator: FirstOperator,
    issuer: Issuer,
    json: bool,
) -> Result<Option<Shown>, Error> {
    let explain = |error| context.sources.explain(error);
    // Standard output may be a log, which others can read and which is kept.
    let in_file = !std::io::stdout().is_terminal();
    let file = in_file
        .then(|| SecretsFile::create(&context.settings.keys_dir))
        .transpose()
        .map_err(explain)?
        .map(Arc::new);
    let write_secrets = {
        let (file, issuer) = (file.clone(), issuer.clone());
        move |made: &Bootstrap| {
            file.as_ref()
                .map_or(Ok(()), |file| file.write(made, &issuer, json))
        }
    };
    let made = bootstrap::bootstrap(store, operator, write_secrets, context.now).await;
    match (made, file) {
        (Ok(Some(made)), Some(file)) => Ok(Some(file.shown(&made))),
        (Ok(Some(made)), None) => {
            let (document, words) = (made.document(), made.text(&issuer));
            Ok(Some(Shown {
                document,
                words,
                recovery: Some(made.recovery()),
            }))
        }
        (made, file) => {
            // If the outcome of the commit is unknown, the file may be the only copy of the secrets.
            let nothing_made = match &made {
                Ok(_) => true,
                Err(_) => bootstrap::is_new(store).await.is_ok_and(|new| new),
            };
            match file {
                Some(file) if nothing_made => file.remove(),
                Some(file) => {
                    tracing::warn!(file = %file.path.display(), "if the first secrets were created, this file contains them")
                }
                None => {}
            }
            made.map(|_| None).map_err(explain)
        }
    }
}

/// What standard output shows after the first start.
struct Shown {
    document: Value,
    words: String,
    /// The command that replaces the secrets, if they exist only in this output and it cannot be printed.
    recovery: Option<String>,
}

/// A new file for the secrets of the first start, readable only by its owner. It is created before the
/// secrets, so that a file that cannot be created loses nothing.
struct SecretsFile {
    path: PathBuf,
    file: File,
}

impl SecretsFile {
    /// Creates the file. A file of an earlier database, or of another node that starts now, is left alone.
    fn create(folder: &Path) -> Result<Self, Error> {
        let mut number = 1;
        loop {
            let path = folder.join(if number == 1 {
                "first-start.txt".to_owned()
            } else {
                format!("first-start-{number}.txt")
            });
            match File::options()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)
            {
                Ok(file) => {
                    return Ok(SecretsFile {
                        path: std::path::absolute(&path).unwrap_or(path),
                        file,
                    });
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists && number < 100 => {
                    number += 1
                }
                Err(error) => return Err(cannot_write(&path, &error)),
            }
        }
    }

    /// Writes the secrets as text or JSON, replacing what an earlier attempt wrote.
    fn write(&self, made: &Bootstrap, issuer: &Issuer, json: bool) -> Result<(), Error> {
        let text = if json {
            format!("{}\n", made.document())
        } else {
            made.text(issuer)
        };
        let mut file = &self.file;
        let emptied = file.set_len(0).and_then(|()| file.rewind());
        let written = emptied
            .and_then(|()| file.write_all(text.as_bytes()))
            .and_then(|()| file.sync_all());
        written.map_err(|error| cannot_write(&self.path, &error))
    }

    /// What is printed instead of the content of the file.
    fn shown(&self, made: &Bootstrap) -> Shown {
        let path = self.path.display().to_string();
        let mut document = made.document_without_secrets();
        document["secrets_file"] = json!(path);
        let words = format!(
            "\nThis database is new. The first client with its secret and API key, and the operator's sign-in,\n\
             are in this file, which only its owner can read. Read it, then delete it:\n\n  {path}\n"
        );
        Shown {
            document,
            words,
            recovery: None,
        }
    }

    fn remove(&self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(file = %self.path.display(), %error, "cannot remove an empty file");
        }
    }
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Error {
    let fix = "start once in a terminal, which shows the first secrets, or with --no-bootstrap";
    Error::server_error(format!("{}: {error}; {fix}", path.display())).field("keys_dir")
}
