//! The command line. Each command is one call of a verb, then words for people or one JSON document
//! for programs. Exit status: 0, 1 refused, 2 usage.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::bootstrap::FirstOperator;
use crate::cache::Cache;
use crate::clock::{Timestamp, parse_duration};
use crate::config::{self, Issuer, Settings, Sources};
use crate::error::Error;
use crate::http;
use crate::manage::actor::Actor;
use crate::manage::signing_key as keys;
use crate::net::http_client;
use crate::oauth::AuthorizationServer;
use crate::oauth::keys::SealingKeyFile;
use crate::scope::Scope;
use crate::server::ReadSettings;
use crate::store::deployment::{self, Deployment};
use crate::store::token_records::TokenRecords;
use crate::store::{IfMissing, Store};
use crate::telemetry::{Role, Telemetry};

mod account;
mod backup;
mod check;
mod client;
mod clock;
mod key;
mod output;
mod registration_token;
mod resource;
mod sealing_key;
mod secret;
mod serve;
mod signing_key;
mod token;
mod user;

use output::Output;

/// An OAuth 2.0 authorization server for machines
#[derive(Parser)]
#[command(name = "keyward", version, about, max_term_width = 110)]
struct Cli {
    /// The settings file [default: keyward.toml, where it is there]
    #[arg(long, global = true, env = "KEYWARD_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,

    /// Print one JSON document, and nothing else, on standard output
    #[arg(long, global = true)]
    json: bool,

    #[command(flatten)]
    settings: Settings,

    #[command(flatten)]
    serve: serve::Serve,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve; this is what `keyward` alone does
    Serve(serve::Serve),
    /// Bring the database's tables up to date (`serve` does so by itself)
    Migrate,
    /// Print the settings that apply, and where each comes from
    Config,
    /// Say what is wrong with this installation, and how to mend it
    Check,
    /// Print the description of the HTTP API (OpenAPI 3.1)
    Openapi,
    /// Print the completions for a shell
    Completions { shell: clap_complete::Shell },
    /// The partner organisations
    #[command(subcommand)]
    Account(account::Account),
    /// The people who sign in
    #[command(subcommand)]
    User(user::User),
    /// The applications of an account
    #[command(subcommand)]
    Client(client::Client),
    /// What a client authenticates with
    #[command(subcommand)]
    Secret(secret::Secret),
    /// What a client presents to an API
    #[command(subcommand)]
    Key(key::Key),
    /// The APIs that accept tokens
    #[command(subcommand)]
    Resource(resource::Resource),
    /// Initial access tokens, for clients that register themselves
    #[command(subcommand)]
    RegistrationToken(registration_token::RegistrationToken),
    /// The keys that sign access tokens
    #[command(subcommand)]
    SigningKey(signing_key::SigningKey),
    /// The key that seals the signing keys in the database
    #[command(subcommand)]
    SealingKey(sealing_key::SealingKey),
    /// Write a consistent copy of a SQLite database to a new file, while it is served
    Backup(backup::Backup),
    /// Bring back what a backup holds, while the database is served
    Restore(backup::Restore),
    /// The last moment that the nodes have seen
    #[command(subcommand)]
    Clock(clock::Clock),
    /// Access tokens and API keys that were issued
    #[command(subcommand)]
    Token(token::Token),
}

impl Cli {
    /// The command; without one, and with the flags of `serve` alone, that is `serve`.
    fn take_command(&mut self) -> Result<Command, clap::Error> {
        let flags = std::mem::take(&mut self.serve);
        match self.command.take() {
            None => Ok(Command::Serve(flags)),
            Some(Command::Serve(own)) => Ok(Command::Serve(own.or(flags))),
            Some(command) => match flags.given() {
                None => Ok(command),
                Some(flag) => Err(Cli::command().error(
                    ErrorKind::ArgumentConflict,
                    format!("{flag} is a flag of `serve` alone"),
                )),
            },
        }
    }
}

/// What every command works with.
struct Context {
    settings: Settings,
    sources: Sources,
    now: Timestamp,
    telemetry: Telemetry,
    /// For `serve`, which reads them again.
    read_settings: ReadSettings,
}

impl Context {
    /// Whoever has the database at hand may do everything.
    fn operator(&self) -> Arc<Actor> {
        Arc::new(Actor::command_line().assuming(self.settings.issuer()))
    }

    /// The database, which must be there: in another folder, or with a mistyped path, there is none to read or to
    /// change.
    fn store(&self) -> Result<Arc<Store>, Error> {
        self.open_store(IfMissing::Refuse)
    }

    /// For commands that make things: they may come before the first start.
    fn store_or_new(&self) -> Result<Arc<Store>, Error> {
        let url = &self.settings.database_url;
        if url.is_missing().is_ok_and(|missing| missing) {
            tracing::warn!(database = %url, "this database is new");
        }
        self.open_store(IfMissing::Make)
    }

    fn open_store(&self, if_missing: IfMissing) -> Result<Arc<Store>, Error> {
        let url = &self.settings.database_url;
        Store::open(url, if_missing).map_err(|error| self.sources.explain(url.explain(&error)))
    }

    /// The key file, which must be there.
    async fn sealing_keys(&self, store: &Arc<Store>) -> Result<SealingKeyFile, Error> {
        keys::existing_key_file(store, &self.settings.keys_dir)
            .await
            .map_err(|error| self.sources.explain(error))
    }

    /// The key file; made where there is nothing yet that another one seals.
    async fn key_file_or_new(&self, store: &Arc<Store>) -> Result<SealingKeyFile, Error> {
        keys::sealing_keys(store, &self.settings.keys_dir)
            .await
            .map_err(|error| self.sources.explain(error))
    }

    /// Refuses what the next start of `keyward serve` would refuse.
    fn check_settings(&self) -> Result<(), Error> {
        let settings = &self.settings;
        let checked = settings.check(&settings.issuer());
        let checked = checked
            .and_then(|()| http_client::check(settings))
            .and_then(|()| SealingKeyFile::check_folder(&settings.keys_dir));
        checked.map_err(|error| self.sources.explain(error))
    }

    /// Whom the first start makes.
    fn first_operator(&self) -> Result<FirstOperator, Error> {
        let first = FirstOperator::new(
            &self.settings.operator_email,
            self.settings.operator_password.as_ref(),
        );
        first.map_err(|error| self.sources.explain(error))
    }

    /// The issuer that commands work with: as set here, else what the nodes serve with, else the default.
    async fn issuer(&self, store: &Arc<Store>) -> Result<Issuer, Error> {
        if let Some(issuer) = &self.settings.issuer {
            return Ok(issuer.clone());
        }
        match store.read(deployment::find).await? {
            Some(Deployment { issuer, .. }) => issuer.parse().map_err(|reason| {
                Error::server_error(format!(
                    "the nodes serve with the issuer {issuer}: {reason}"
                ))
                .field("issuer")
            }),
            None => Ok(self.settings.issuer()),
        }
    }

    /// For what needs to read tokens; it issues none, so it does without the key file.
    async fn authorization_server(&self) -> Result<AuthorizationServer, Error> {
        let store = self.store()?;
        let (cache, _) = Cache::open(store.clone(), self.now)?;
        let (issuer, sealing_keys) = (
            self.issuer(&store).await?,
            SealingKeyFile::unread(&self.settings.keys_dir),
        );
        let server = AuthorizationServer::new(
            self.settings.clone(),
            issuer,
            cache,
            store,
            sealing_keys,
            TokenRecords::Off,
        );
        let server = server.map_err(|error| self.sources.explain(error))?;
        server.learn_seen().await?;
        Ok(server)
    }
}

/// Runs a command line; gives its exit status.
pub fn run(arguments: Vec<OsString>) -> ExitCode {
    forbid_core_dumps();
    let command = Cli::command();
    let again = (command.clone(), arguments.clone());
    let read_settings: ReadSettings = Box::new(move || {
        let read = config::read(&again.0, again.1.clone(), std::env::vars_os());
        let cli = read.and_then(|(matches, _)| Cli::from_arg_matches(&matches));
        cli.map(|cli| cli.settings)
            .map_err(|error| error.to_string().trim().to_owned())
    });
    let read = config::read(&command, arguments, std::env::vars_os());
    let parsed = read.and_then(|(matches, sources)| {
        let mut cli = Cli::from_arg_matches(&matches)?;
        Ok((cli.take_command()?, cli, sources))
    });
    let (command, cli, sources) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => error.exit(),
    };
    let json = cli.json;
    let role = match command {
        Command::Serve(_) => Role::Server,
        _ => Role::Command,
    };
    let telemetry = match Telemetry::start(&cli.settings, role) {
        Ok(telemetry) => telemetry,
        Err(error) => return output::refused(&error),
    };
    let (settings, now) = (cli.settings, Timestamp::now());
    let done = execute(
        command,
        Context {
            settings,
            sources,
            now,
            telemetry: telemetry.clone(),
            read_settings,
        },
        json,
    );
    telemetry.flush();
    match done {
        Ok(output) => output.print(json),
        Err(error) => output::refused(&error),
    }
}

/// Keeps the secrets in memory out of core files and away from other processes of the same user (prctl(2),
/// `PR_SET_DUMPABLE`).
fn forbid_core_dumps() {
    #[cfg(target_os = "linux")]
    // Where the kernel refuses, the limits of the service still hold; see `LimitCORE` in the docs.
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

fn execute(command: Command, context: Context, json: bool) -> Result<Output, Error> {
    // `serve` wants actix's runtime, which is tokio's with a little more; it serves the others too.
    actix_web::rt::System::new().block_on(async {
        match command {
            Command::Serve(serve) => serve.run(context, json).await,
            Command::Migrate => {
                let store = context.store_or_new()?;
                Ok(Output::done(format!(
                    "The tables of {} are up to date",
                    store.url()
                )))
            }
            Command::Config => {
                context.check_settings()?;
                // In use at the first start alone.
                if context
                    .settings
                    .database_url
                    .is_missing()
                    .is_ok_and(|missing| missing)
                {
                    context.first_operator()?;
                }
                Ok(settings(&context))
            }
            Command::Check => check::run(context).await,
            Command::Openapi => Ok(openapi()),
            Command::Completions { shell } => Ok(completions(shell)),
            Command::Account(command) => command.run(context).await,
            Command::User(command) => command.run(context).await,
            Command::Key(command) => command.run(context).await,
            Command::Client(command) => command.run(context).await,
            Command::Secret(command) => command.run(context).await,
            Command::Resource(command) => command.run(context).await,
            Command::RegistrationToken(command) => command.run(context).await,
            Command::SigningKey(command) => command.run(context).await,
            Command::SealingKey(command) => command.run(context).await,
            Command::Backup(command) => command.run(&context),
            Command::Restore(command) => command.run(&context),
            Command::Clock(command) => command.run(context).await,
            Command::Token(command) => command.run(context).await,
        }
    })
}

fn openapi() -> Output {
    let document = http::openapi::document(&http::operations(), None);
    let words = serde_json::to_string_pretty(&document).unwrap_or_default();
    Output::new(&document, words)
}

fn completions(shell: clap_complete::Shell) -> Output {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "keyward", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    Output::new(&serde_json::json!({"script": script}), script.trim_end())
}

fn settings(context: &Context) -> Output {
    let mut entries = context.sources.entries(&context.settings);
    // Commands take the issuer that the nodes serve with where none is set: see `Context::issuer`.
    if context.settings.issuer.is_none()
        && let Some(entry) = entries.iter_mut().find(|entry| entry.name == "issuer")
    {
        match deployment::issuer_of(&context.settings.database_url) {
            Ok(Some(serving)) => {
                (entry.value, entry.source) = (Some(serving), "database".to_owned())
            }
            Ok(None) => {}
            Err(_) => "default; the database, which may have another, gives no answer"
                .clone_into(&mut entry.source),
        }
    }
    let rows = entries.iter().map(|entry| {
        [
            entry.name.to_owned(),
            entry.value.clone().unwrap_or_default(),
            entry.source.clone(),
        ]
    });
    Output::table(&entries, ["SETTING", "VALUE", "FROM"], rows)
}

/// What a new client may have.
#[derive(Args)]
struct Limits {
    /// What may be asked for, such as "read write"
    #[arg(
        long,
        value_name = "SCOPE",
        default_value = "",
        hide_default_value = true
    )]
    scope: Scope,

    /// A resource server for which tokens may be asked; may be repeated
    #[arg(long = "resource", value_name = "URI")]
    resources: Vec<String>,
}

fn parse_lifetime(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        Duration::ZERO => Err("it would have ended when it is made".to_owned()),
        lifetime => Ok(lifetime),
    }
}

/// When something ends.
#[derive(Args)]
struct Lifetime {
    /// For how long, such as 90d [default: without end]
    #[arg(long = "expires-in", value_name = "SPAN", value_parser = parse_lifetime)]
    span: Option<Duration>,
}
