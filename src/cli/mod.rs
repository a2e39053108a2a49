//! The command line. Each command calls one operation and prints a table or text, or with `--json` one JSON
//! document. Exit status: 0 done, 1 refused, 2 usage error.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Arg, Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::bootstrap::FirstOperator;
use crate::cache::Cache;
use crate::clock::{InvalidDuration, Timestamp, parse_duration};
use crate::config::{self, Issuer, Settings, Sources};
use crate::crypto::sealing_key::SealingKeyFile;
use crate::error::Error;
use crate::http;
use crate::manage::actor::Actor;
use crate::manage::signing_key as keys;
use crate::net::{client_authorities, http_client, smtp};
use crate::oauth::AuthorizationServer;
use crate::scope::Scope;
use crate::server::ReadSettings;
use crate::store::cluster_settings::{self, ClusterSettings};
use crate::store::token_records::TokenRecords;
use crate::store::{IfMissing, Store, StoreError};
use crate::telemetry::{Role, Telemetry};

mod account;
mod account_invitation;
mod announcement;
mod audit;
mod backup;
mod check;
mod client;
mod clock;
mod confirmation;
mod demo;
mod key;
mod mail;
mod man;
mod output;
mod registration_token;
mod resource;
mod sealing_key;
mod secret;
mod serve;
mod signing_key;
mod status;
mod token;
mod trust_rule;
mod unused;
mod usage;
mod user;
mod webhook;

use output::Output;

/// An OAuth 2.0 authorization server for machines
#[derive(Parser)]
#[command(name = "keyward", version, about, max_term_width = 110)]
struct Cli {
    /// Settings file [default: keyward.toml, if it exists]
    #[arg(long, global = true, env = "KEYWARD_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,

    /// Print one JSON document on standard output, and nothing else there
    #[arg(long, global = true)]
    json: bool,

    // Before the settings, under whose heading its flags would be listed otherwise.
    #[command(flatten)]
    serve: serve::Serve,

    #[command(flatten)]
    settings: Settings,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Start the server (the default command)
    Serve(serve::Serve),
    /// Migrate the database schema (`serve` does this by itself)
    Migrate,
    /// Print the effective settings and the source of each
    #[command(alias = "settings")]
    Config,
    /// Diagnose this installation and suggest fixes
    Check,
    /// Show the nodes, the database, the signing keys and the background jobs of the installation
    Status,
    /// Fill a new database with sample data, to try the portal [default database: data/demo.db]
    Demo,
    /// Print the OpenAPI 3.1 document of the HTTP API
    Openapi,
    /// Print shell completions
    Completions { shell: clap_complete::Shell },
    /// Write the manual pages of all commands into a directory
    Man(man::Man),
    /// Manage accounts (partner organisations)
    #[command(subcommand)]
    Account(account::Account),
    /// Manage the users of the portal
    #[command(subcommand)]
    User(user::User),
    /// Invite users of other accounts to an account
    #[command(subcommand)]
    AccountInvitation(account_invitation::AccountInvitation),
    /// Manage OAuth clients
    #[command(subcommand)]
    Client(client::Client),
    /// Manage the secrets of a client
    #[command(subcommand)]
    Secret(secret::Secret),
    /// Manage the API keys of a client
    #[command(subcommand)]
    Key(key::Key),
    /// Manage trust rules: workloads of other issuers that act as a client (workload identity)
    #[command(subcommand)]
    TrustRule(trust_rule::TrustRule),
    /// Manage resource servers (APIs that accept tokens)
    #[command(subcommand)]
    Resource(resource::Resource),
    /// Manage initial access tokens for dynamic client registration
    #[command(subcommand)]
    RegistrationToken(registration_token::RegistrationToken),
    /// Manage the keys that sign access tokens
    #[command(subcommand)]
    SigningKey(signing_key::SigningKey),
    /// Manage the key that encrypts the signing keys in the database
    #[command(subcommand)]
    SealingKey(sealing_key::SealingKey),
    /// Manage webhooks: https URLs to which events are sent
    #[command(subcommand)]
    Webhook(webhook::Webhook),
    /// List the e-mail that was sent, and send a test message
    #[command(subcommand)]
    Mail(mail::Mail),
    /// Manage announcements: notices that the portal shows to its users
    #[command(subcommand)]
    Announcement(announcement::Announcement),
    /// Read the audit log
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Back up a SQLite database to a new file, also while the server runs
    Backup(backup::Backup),
    /// Restore a SQLite database from a backup, also while the server runs
    Restore(backup::Restore),
    /// Repair the recorded time after a clock was wrong
    #[command(subcommand)]
    Clock(clock::Clock),
    /// Inspect, list and revoke access tokens and API keys
    #[command(subcommand)]
    Token(token::Token),
}

impl Command {
    /// The flag by which the command prints another format than JSON, if it is given.
    fn other_format(&self) -> Option<&'static str> {
        match self {
            Command::Audit(audit) => audit.other_format(),
            Command::Client(client::Client::Usage { usage, .. })
            | Command::Key(key::Key::Usage { usage, .. })
            | Command::Secret(secret::Secret::Usage { usage, .. }) => usage.other_format(),
            _ => None,
        }
    }
}

impl Cli {
    /// The command to run: `serve` if none is given. The flags of `serve` are refused with other commands,
    /// and `--json` with another format: clap finds no conflict with a flag before the name of the command.
    fn take_command(&mut self) -> Result<Command, clap::Error> {
        let flags = std::mem::take(&mut self.serve);
        let conflict = |message| Err(self::command().error(ErrorKind::ArgumentConflict, message));
        match self.command.take() {
            None => Ok(Command::Serve(flags)),
            Some(Command::Serve(own)) => Ok(Command::Serve(own.or(flags))),
            Some(command) => match (flags.given(), command.other_format()) {
                (Some(flag), _) => conflict(format!("{flag} can only be used with `serve`")),
                (None, Some(format)) if self.json => {
                    conflict(format!("{format} cannot be used with --json"))
                }
                (None, _) => Ok(command),
            },
        }
    }
}

/// What commands need: settings, their sources, the current time and the log.
struct Context {
    settings: Settings,
    sources: Sources,
    now: Timestamp,
    telemetry: Telemetry,
    /// Whether `--json` was given.
    json: bool,
    /// Reads the settings again, when `serve` is asked to reload.
    read_settings: ReadSettings,
}

impl Context {
    /// The command line has every right: it has direct access to the database.
    fn operator(&self) -> Arc<Actor> {
        Arc::new(Actor::command_line(self.now).with_assumed_issuer(self.settings.issuer()))
    }

    /// Opens the database, which must exist. A mistyped path must not create a second, empty database.
    fn store(&self) -> Result<Arc<Store>, Error> {
        let url = &self.settings.database_url;
        self.explained(Store::open(url, IfMissing::Refuse))
    }

    /// Opens the database, or creates it: commands that create objects may run before the first start.
    fn store_or_new(&self) -> Result<Arc<Store>, Error> {
        let url = &self.settings.database_url;
        let opened = match Store::open(url, IfMissing::Refuse) {
            Err(StoreError::Missing) => {
                tracing::warn!(database = %url, "creating a new database");
                Store::open(url, IfMissing::Create)
            }
            opened => opened,
        };
        self.explained(opened)
    }

    fn explained(&self, opened: Result<Arc<Store>, StoreError>) -> Result<Arc<Store>, Error> {
        let url = &self.settings.database_url;
        opened.map_err(|error| self.sources.explain(url.explain(&error)))
    }

    /// Opens the sealing key file, which must exist.
    async fn sealing_keys(&self, store: &Arc<Store>) -> Result<SealingKeyFile, Error> {
        keys::open_sealing_keys(store, &self.settings.keys_dir)
            .await
            .map_err(|error| self.sources.explain(error))
    }

    /// Opens the sealing key file, or creates it if the database has nothing sealed by another one.
    async fn sealing_keys_or_new(&self, store: &Arc<Store>) -> Result<SealingKeyFile, Error> {
        keys::open_or_create_sealing_keys(store, &self.settings.keys_dir)
            .await
            .map_err(|error| self.sources.explain(error))
    }

    /// Refuses settings that the next start of `keyward serve` would refuse.
    fn check_settings(&self) -> Result<(), Error> {
        let settings = &self.settings;
        let checked = settings.check(&settings.issuer());
        let checked = checked
            .and_then(|()| http_client::check(settings))
            .and_then(|()| smtp::check(settings))
            .and_then(|()| client_authorities::check(settings))
            .and_then(|()| SealingKeyFile::check_folder(&settings.keys_dir));
        checked.map_err(|error| self.sources.explain(error))
    }

    /// The operator that the first start creates.
    fn first_operator(&self) -> Result<FirstOperator, Error> {
        let first = FirstOperator::new(
            &self.settings.operator_email,
            self.settings.operator_password.as_ref(),
        );
        first.map_err(|error| self.sources.explain(error))
    }

    /// The issuer for commands: as set, else the issuer of the running nodes, else the default.
    async fn issuer(&self, store: &Arc<Store>) -> Result<Issuer, Error> {
        if let Some(issuer) = &self.settings.issuer {
            return Ok(issuer.clone());
        }
        match store.read(cluster_settings::find).await? {
            Some(ClusterSettings { issuer, .. }) => issuer.parse().map_err(|reason| {
                Error::server_error(format!(
                    "the issuer of the running nodes, {issuer}, is invalid: {reason}"
                ))
                .field("issuer")
            }),
            None => Ok(self.settings.issuer()),
        }
    }

    /// A server to verify tokens with. It cannot issue tokens, since it does not read the sealing key file.
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

/// The command line. Every command accepts the settings; to keep the help of the others readable, only
/// that of `serve` and of `config` (by its other name, `settings`) lists them.
fn command() -> clap::Command {
    let settings: Vec<Arg> = Settings::augment_args(clap::Command::new("settings"))
        .get_arguments()
        .cloned()
        .collect();
    let is_setting = |argument: &Arg| {
        settings
            .iter()
            .any(|setting| setting.get_id() == argument.get_id())
    };
    let command = Cli::command().mut_args(|argument| {
        let hidden = is_setting(&argument);
        argument.hide(hidden)
    });
    ["serve", "config"]
        .into_iter()
        .fold(command, |command, name| {
            command.mut_subcommand(name, |listed| listed.args(&settings))
        })
        .after_help("Every command also accepts the settings: see `keyward help settings`")
}

/// Runs a command line and returns its exit status.
pub fn run(arguments: Vec<OsString>) -> ExitCode {
    forbid_core_dumps();
    let command = command();
    let again = arguments.clone();
    let read_settings: ReadSettings = Box::new(move || {
        let read = config::read(&self::command(), again.clone(), std::env::vars_os());
        let cli = read.and_then(|(matches, _)| Cli::from_arg_matches(&matches));
        cli.map(|cli| cli.settings)
            .map_err(|error| Error::server_error(error.to_string().trim()))
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
            json,
            read_settings,
        },
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
    // Best effort: if the kernel refuses, the limit of the service manager applies (`LimitCORE` in the docs).
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

fn execute(command: Command, context: Context) -> Result<Output, Error> {
    // `serve` needs the runtime of actix, a tokio runtime; the other commands use it too.
    actix_web::rt::System::new().block_on(async {
        match command {
            Command::Serve(serve) => {
                let json = context.json;
                serve.run(context, json).await
            }
            Command::Migrate => {
                let store = context.store_or_new()?;
                Ok(Output::done(format!(
                    "The database schema of {} is up to date",
                    store.url()
                )))
            }
            Command::Config => {
                context.check_settings()?;
                // These settings are used by the first start only.
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
            Command::Status => status::run(context).await,
            Command::Demo => demo::run(context).await,
            Command::Openapi => Ok(openapi()),
            Command::Completions { shell } => Ok(completions(shell)),
            Command::Man(command) => command.run(),
            Command::Account(command) => command.run(context).await,
            Command::User(command) => command.run(context).await,
            Command::Key(command) => command.run(context).await,
            Command::Client(command) => command.run(context).await,
            Command::Secret(command) => command.run(context).await,
            Command::TrustRule(command) => command.run(context).await,
            Command::Resource(command) => command.run(context).await,
            Command::RegistrationToken(command) => command.run(context).await,
            Command::AccountInvitation(command) => command.run(context).await,
            Command::SigningKey(command) => command.run(context).await,
            Command::SealingKey(command) => command.run(context).await,
            Command::Webhook(command) => command.run(context).await,
            Command::Mail(command) => command.run(context).await,
            Command::Announcement(command) => command.run(context).await,
            Command::Audit(command) => command.run(context).await,
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
    clap_complete::generate(shell, &mut command(), "keyward", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    Output::new(&serde_json::json!({"script": script}), script.trim_end())
}

fn settings(context: &Context) -> Output {
    let mut entries = context.sources.entries(&context.settings);
    // Without a set issuer, commands use the issuer of the running nodes: see `Context::issuer`.
    if context.settings.issuer.is_none()
        && let Some(entry) = entries.iter_mut().find(|entry| entry.name == "issuer")
    {
        match cluster_settings::issuer_of(&context.settings.database_url) {
            Ok(Some(serving)) => {
                (entry.value, entry.source) = (Some(serving), "database".to_owned())
            }
            Ok(None) => {}
            Err(_) => "default; the database, which may name another issuer, does not answer"
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
    Output::table(&entries, ["SETTING", "VALUE", "SOURCE"], rows)
}

/// The limits of a new client, or of clients registered with an initial access token.
#[derive(Args)]
struct Limits {
    /// Allowed scope, such as "read write"
    #[arg(
        long,
        value_name = "SCOPE",
        default_value = "",
        hide_default_value = true
    )]
    scope: Scope,

    /// Allowed resource server; can be repeated
    #[arg(long = "resource", value_name = "URI")]
    resources: Vec<String>,
}

/// A text that is not the lifetime of a credential.
#[derive(Debug, thiserror::Error)]
enum InvalidLifetime {
    #[error(transparent)]
    Duration(#[from] InvalidDuration),
    #[error("must be longer than zero")]
    Zero,
}

fn parse_lifetime(text: &str) -> Result<Duration, InvalidLifetime> {
    match parse_duration(text)? {
        Duration::ZERO => Err(InvalidLifetime::Zero),
        lifetime => Ok(lifetime),
    }
}

/// The lifetime of a new credential.
#[derive(Args)]
struct Lifetime {
    /// Lifetime, such as 90d [default: does not expire]
    #[arg(long = "expires-in", value_name = "DURATION", value_parser = parse_lifetime)]
    duration: Option<Duration>,
}
