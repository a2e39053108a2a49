//! Where the value of each setting comes from: flag, environment, file or default.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgMatches, Command};
use serde::Serialize;

use super::environment::check_environment;
use super::file::read_file;
use super::{SECRET_SETTINGS, Settings};
use crate::credential::redacted;
use crate::error::Error;

pub(super) const ENVIRONMENT_PREFIX: &str = "KEYWARD_";
const DEFAULT_FILE: &str = "keyward.toml";

/// Parses the command line, with the environment and the settings file as further sources.
///
/// # Errors
/// The error of clap, with its own exit status. An unknown or invalid setting is named as it was given: by
/// flag, variable, or file and line.
pub fn read(
    command: &Command,
    arguments: Vec<OsString>,
    environment: impl Iterator<Item = (OsString, OsString)>,
) -> Result<(ArgMatches, Sources), clap::Error> {
    check_environment(command, environment)?;
    let first = parse(command, &arguments, |name| {
        let flag = flag(name);
        let given = |argument: &OsString| {
            argument.to_str().is_some_and(|argument| {
                argument
                    .strip_prefix(&flag)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
            })
        };
        if arguments.iter().any(given) {
            Source::Flag
        } else {
            Source::Environment
        }
    })?;
    let leaf = deepest(&first);
    let mut sources = Sources::default();
    for name in names(command) {
        let source = match leaf.value_source(&name) {
            Some(ValueSource::CommandLine) => Source::Flag,
            Some(ValueSource::EnvVariable) => Source::Environment,
            _ => Source::Default,
        };
        sources.0.insert(name, source);
    }

    let chosen: Option<&PathBuf> = leaf.get_one("config");
    let file = chosen.map_or(Path::new(DEFAULT_FILE), PathBuf::as_path);
    let label = chosen.map(|_| sources.label("config"));
    // Settings of the file become flags before all others, so they are parsed and refused by the same rules.
    let mut flags = Vec::new();
    for setting in read_file(command, file, label)? {
        if sources.of(&setting.name) == &Source::Default {
            flags.push(OsString::from(format!(
                "{}={}",
                flag(&setting.name),
                setting.value
            )));
            sources.0.insert(
                setting.name,
                Source::File {
                    path: file.to_owned(),
                    line: setting.line,
                },
            );
        }
    }
    let matches = if flags.is_empty() {
        first
    } else {
        let program = arguments.first().cloned();
        let all = program
            .into_iter()
            .chain(flags)
            .chain(arguments.into_iter().skip(1));
        parse(command, &all.collect::<Vec<_>>(), |name| {
            sources.of(name).clone()
        })?
    };
    for (set, missing) in [("tls_cert", "tls_key"), ("tls_key", "tls_cert")] {
        if let Some(set) = sources.of(set).as_given(set)
            && sources.of(missing).is_default()
        {
            let reason = format!("{set} is set, but {missing} is not; HTTPS needs both");
            return Err(refuse(command, reason));
        }
    }
    Ok((matches, sources))
}

/// Parses arguments. If clap refuses the value of a setting, the error names the setting as it was given.
fn parse(
    command: &Command,
    arguments: &[OsString],
    source: impl Fn(&str) -> Source,
) -> Result<ArgMatches, clap::Error> {
    named_subcommands(command, arguments)
        .try_get_matches_from(arguments)
        // What it refuses, or answers itself, such as `--help`, takes all subcommands.
        .or_else(|_| command.clone().try_get_matches_from(arguments))
        .map_err(|error| {
            let text = |kind| match error.get(kind) {
                Some(ContextValue::String(text)) => Some(text.as_str()),
                _ => None,
            };
            let argument =
                text(ContextKind::InvalidArg).and_then(|argument| argument.strip_prefix("--"));
            let name = argument
                .and_then(|argument| argument.split([' ', '=']).next())
                .unwrap_or_default()
                .replace('-', "_");
            if !matches!(
                error.kind(),
                ErrorKind::ValueValidation | ErrorKind::InvalidValue
            ) || !names(command).contains(&name)
            {
                // A database URL in place of a command, or after a mistyped flag, may contain a password.
                let given = [
                    ContextKind::InvalidArg,
                    ContextKind::InvalidSubcommand,
                    ContextKind::InvalidValue,
                ];
                let given = given
                    .into_iter()
                    .filter_map(|kind| error.get(kind))
                    .map(ToString::to_string);
                return match given
                    .filter(|given| given.contains("postgres"))
                    .any(|given| given.contains("://"))
                {
                    true => refuse(
                        command,
                        "unexpected database URL; use --database-url URL".to_owned(),
                    ),
                    false => error,
                };
            }
            let expected = match error.get(ContextKind::ValidValue) {
                Some(ContextValue::Strings(values)) if !values.is_empty() => {
                    format!("expected {}", values.join(" or "))
                }
                _ => std::error::Error::source(&error)
                    .map_or_else(|| "expected a value".to_owned(), ToString::to_string),
            };
            let (label, value) = (
                source(&name).label(&name),
                text(ContextKind::InvalidValue).unwrap_or_default(),
            );
            let shown = format!("{value:?}");
            // A URL with a password may have been intended for another setting.
            let user_info = value
                .rsplit_once('@')
                .map(|(before, _)| before.rsplit('/').next().unwrap_or_default());
            let secret = SECRET_SETTINGS.contains(&name.as_str())
                || user_info.is_some()
                || redacted(value) != *value;
            let reason = if user_info
                .is_some_and(|user_info| expected.contains(&format!("{user_info}@")))
            {
                format!("{label} is invalid; its value is not shown, since it may contain a secret")
            } else if secret || expected.contains(&shown) {
                format!("{label}: {expected}")
            } else {
                format!("{label} is {shown}: {expected}")
            };
            refuse(command, reason)
        })
}

/// The command with those subcommands alone that are among the arguments. clap copies the settings, which
/// every command accepts, into each subcommand that there is; that would take longer than most commands.
fn named_subcommands(command: &Command, arguments: &[OsString]) -> Command {
    let is_named = |subcommand: &&Command| {
        let mut names = std::iter::once(subcommand.get_name()).chain(subcommand.get_all_aliases());
        names.any(|name| arguments.iter().any(|argument| argument == name))
    };
    if !command.has_subcommands() {
        return command.clone();
    }
    Command::new(command.get_name().to_owned())
        .subcommand_required(command.is_subcommand_required_set())
        .arg_required_else_help(command.is_arg_required_else_help_set())
        .args(command.get_arguments())
        .groups(command.get_groups())
        .subcommands(
            command
                .get_subcommands()
                .filter(is_named)
                .map(|subcommand| named_subcommands(subcommand, arguments)),
        )
}

fn flag(name: &str) -> String {
    format!("--{}", name.replace('_', "-"))
}

/// The source of a setting's value.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    Default,
    Flag,
    Environment,
    File { path: PathBuf, line: usize },
}

impl Source {
    fn is_default(&self) -> bool {
        *self == Source::Default
    }

    /// The setting as it was given, such as `--listen` or `KEYWARD_LISTEN`; `None` for a default.
    fn as_given(&self, name: &str) -> Option<String> {
        match self {
            Source::Default => None,
            Source::Flag => Some(flag(name)),
            Source::Environment => Some(format!("{ENVIRONMENT_PREFIX}{}", name.to_uppercase())),
            Source::File { path, line } => Some(format!("{} line {line}: {name}", path.display())),
        }
    }

    fn label(&self, name: &str) -> String {
        self.as_given(name)
            .unwrap_or_else(|| format!("{name} (its default)"))
    }

    /// The source as `keyward config` shows it.
    fn display(&self, name: &str) -> String {
        match self {
            Source::Default => "default".to_owned(),
            Source::Flag => "flag".to_owned(),
            Source::Environment => format!("{ENVIRONMENT_PREFIX}{}", name.to_uppercase()),
            Source::File { path, .. } => path.display().to_string(),
        }
    }
}

/// The source of each setting's value.
#[derive(Debug, Default)]
pub struct Sources(BTreeMap<String, Source>);

impl Sources {
    fn of(&self, name: &str) -> &Source {
        self.0.get(name).unwrap_or(&Source::Default)
    }

    /// The setting as it was given: its flag, its variable, or the file and line.
    pub fn label(&self, name: &str) -> String {
        self.of(name).label(name)
    }

    /// Whether the setting was not given, so that its default applies.
    pub fn is_default(&self, name: &str) -> bool {
        self.of(name).is_default()
    }

    /// Every setting with its value and source.
    pub fn entries(&self, settings: &Settings) -> Vec<SettingEntry> {
        let entry = |(name, value)| SettingEntry {
            name,
            value,
            source: self.of(name).display(name),
        };
        settings.values().into_iter().map(entry).collect()
    }

    /// Prefixes an error about a setting ([`Error::field`]) with the setting as it was given.
    pub fn explain(&self, error: Error) -> Error {
        match error
            .wrong_field()
            .filter(|field| self.0.contains_key(*field))
        {
            Some(field) => {
                let reason = format!("{}: {}", self.label(field), error.reason());
                error.detail(reason)
            }
            None => error,
        }
    }
}

/// A setting with its value and source, as `keyward config` prints it.
#[derive(Debug, Serialize)]
pub struct SettingEntry {
    /// Name of the setting in `keyward.toml`.
    pub name: &'static str,
    /// The value; `None` if the setting has neither a value nor a default.
    pub value: Option<String>,
    /// `flag`, the name of the environment variable, the path of the file, or `default`.
    pub source: String,
}

/// The matches of the innermost subcommand.
fn deepest(matches: &ArgMatches) -> &ArgMatches {
    matches
        .subcommand()
        .map_or(matches, |(_, inner)| deepest(inner))
}

/// The names of all settings: the arguments that can come from the environment.
pub(super) fn names(command: &Command) -> Vec<String> {
    command
        .get_arguments()
        .filter(|argument| argument.get_env().is_some())
        .map(|argument| argument.get_id().to_string())
        .collect()
}

/// The setting with the most similar name, for "did you mean".
pub(super) fn similar(command: &Command, name: &str) -> Option<String> {
    let all = names(command)
        .into_iter()
        .map(|known| (strsim::jaro_winkler(&known, name), known));
    all.filter(|(similarity, _)| *similarity > 0.85)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, known)| known)
}

pub(super) fn did_you_mean(similar: Option<String>) -> String {
    similar
        .map(|similar| format!("; did you mean {similar}?"))
        .unwrap_or_default()
}

pub(super) fn refuse(command: &Command, reason: String) -> clap::Error {
    command.clone().error(ErrorKind::InvalidValue, reason)
}
