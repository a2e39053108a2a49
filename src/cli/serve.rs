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
use crate::store::{IfMissing, Store};
use crate::telemetry::Telemetry;

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
        Serve {
            no_bootstrap: self.no_bootstrap || other.no_bootstrap,
            change_issuer: self.change_issuer || other.change_issuer,
        }
    }

    /// A flag that is there.
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
        // First of all: from now on a signal is never the end of the process by itself.
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
            tracing::info!("stopping: this server had not begun to serve");
            stopped(&context.telemetry);
        };
        // Whatever it makes, it brings to an end.
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
                    tracing::warn!(reason = error.reason(), "standard output takes nothing")
                }
                (Err(error), Some(recovery)) => {
                    let lost = "the first secrets were made, and are lost; this makes new ones";
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

    /// Everything that can be refused is looked at before anything is made: a start that fails leaves no trace.
    async fn start(&self, context: &Context) -> Result<Started, Error> {
        let settings = context.settings.clone();
        let explain = |error| context.sources.explain(error);
        let listener = Listener::bind(&settings).map_err(explain)?;
        context.check_settings()?;
        let url = settings.database_url.clone();
        let missing = blocking(move || url.is_missing().map_err(|error| url.explain(&error)))
            .await
            .map_err(explain)?;
        // Only then: a password that was good enough for an older version must not stop a later start.
        let mut operator = (missing && !self.no_bootstrap)
            .then(|| context.first_operator())
            .transpose()?;
        let url = settings.database_url.clone();
        let opened = blocking(move || {
            Store::open(&url, IfMissing::Make).map_err(|error| url.explain(&error))
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
    /// Where the database is new, and is to be filled.
    operator: Option<FirstOperator>,
}

/// A database that does not answer must not keep signals from being heard.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::server_error(error.to_string()))?
}

fn stopped(telemetry: &Telemetry) -> ! {
    telemetry.flush();
    // A database that hangs holds threads for as long as it likes; nobody waits for them.
    std::process::exit(0);
}

/// Fills a new database. Its secrets are in the file, on disk, before it is committed that they are made.
async fn first_start(
    context: &Context,
    store: &Arc<Store>,
    operator: FirstOperator,
    issuer: Issuer,
    json: bool,
) -> Result<Option<Shown>, Error> {
    let explain = |error| context.sources.explain(error);
    // Standard output may be a log, which others read and which is kept.
    let in_file = !std::io::stdout().is_terminal();
    let file = in_file
        .then(|| SecretsFile::create(&context.settings.keys_dir))
        .transpose()
        .map_err(explain)?
        .map(Arc::new);
    let keep = {
        let (file, issuer) = (file.clone(), issuer.clone());
        move |made: &Bootstrap| {
            file.as_ref()
                .map_or(Ok(()), |file| file.keep(made, &issuer, json))
        }
    };
    let made = bootstrap::bootstrap(store, operator, keep, context.now).await;
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
            // Where a commit got no answer, it may be all there is of the secrets.
            let nothing_made = match &made {
                Ok(_) => true,
                Err(_) => bootstrap::is_new(store).await.is_ok_and(|new| new),
            };
            match file {
                Some(file) if nothing_made => file.remove(),
                Some(file) => {
                    tracing::warn!(file = %file.path.display(), "the first secrets are in this file if they were made")
                }
                None => {}
            }
            made.map(|_| None).map_err(explain)
        }
    }
}

/// What standard output shows of the first start.
struct Shown {
    document: Value,
    words: String,
    /// How to go on where it is all there is of the secrets, and cannot be printed.
    recovery: Option<String>,
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
                Err(error) => return Err(cannot_keep(&path, &error)),
            }
        }
    }

    /// Writes what is about to be made, as words or as JSON, in the place of what an earlier try wrote.
    fn keep(&self, made: &Bootstrap, issuer: &Issuer, json: bool) -> Result<(), Error> {
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
        written.map_err(|error| cannot_keep(&self.path, &error))
    }

    /// What may be shown in the place of what it holds.
    fn shown(&self, made: &Bootstrap) -> Shown {
        let path = self.path.display().to_string();
        let mut document = made.document_without_secrets();
        document["secrets_file"] = json!(path);
        let words = format!(
            "\nThis database is new. The first client, its secret and API key, and the operator's\n\
             sign-in are in this file, which its owner alone can read. Read it, then delete it:\n\n  {path}\n"
        );
        Shown {
            document,
            words,
            recovery: None,
        }
    }

    fn remove(&self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(file = %self.path.display(), reason = %error, "cannot remove an empty file");
        }
    }
}

fn cannot_keep(path: &Path, error: &std::io::Error) -> Error {
    let way_out = "start once in a terminal, which shows the first secrets, or with --no-bootstrap";
    Error::server_error(format!("{}: {error}; {way_out}", path.display())).field("keys_dir")
}
