//! Environment variables: unknown ones are refused, those that Kubernetes makes are ignored.

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::Command;

use super::sources::{ENVIRONMENT_PREFIX, did_you_mean, refuse, similar};
use crate::decimal;

/// Refuses variables that look like settings but are not, and values that are not UTF-8.
pub(super) fn check_environment(
    command: &Command,
    environment: impl Iterator<Item = (OsString, OsString)>,
) -> Result<(), clap::Error> {
    let path = clap::value_parser!(PathBuf).type_id();
    for (name, value) in environment {
        let shown = name.to_string_lossy();
        let Some(rest) = shown.strip_prefix(ENVIRONMENT_PREFIX) else {
            continue;
        };
        match command
            .get_arguments()
            .find(|argument| argument.get_env() == Some(name.as_os_str()))
        {
            None if is_service_variable(rest, &value.to_string_lossy()) => {}
            None => {
                let similar = similar(command, &rest.to_lowercase())
                    .map(|name| format!("{ENVIRONMENT_PREFIX}{}", name.to_uppercase()));
                return Err(refuse(
                    command,
                    format!(
                        "unknown setting {shown} (in the environment){}",
                        did_you_mean(similar)
                    ),
                ));
            }
            Some(argument)
                if value.to_str().is_none() && argument.get_value_parser().type_id() != path =>
            {
                return Err(refuse(command, format!("{shown} is not valid UTF-8")));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// Whether a variable (`name` without `KEYWARD_`) is one of those that Kubernetes and Docker links create for
/// a Service named `keyward` or `keyward-…`. The value must have the matching form too, so that a mistyped
/// setting is not ignored.
fn is_service_variable(name: &str, value: &str) -> bool {
    let protocol = |text: &str| ["TCP", "UDP", "SCTP"].contains(&text.to_uppercase().as_str());
    let port = |text: &str| decimal::parse::<u16>(text).is_some();
    let address = |text: &str| text.parse::<IpAddr>().is_ok();
    let url = || {
        value.split_once("://").is_some_and(|(scheme, authority)| {
            protocol(scheme) && authority.parse::<SocketAddr>().is_ok()
        })
    };
    let words: Vec<&str> = name.split('_').collect();
    match words.as_slice() {
        [.., "SERVICE", "HOST"] => address(value),
        [.., "PORT", number, kind] if port(number) && protocol(kind) => url(),
        [.., "PORT", number, kind, "PROTO"] if port(number) && protocol(kind) => protocol(value),
        [.., "PORT", number, kind, "PORT"] if port(number) && protocol(kind) => value == *number,
        [.., "PORT", number, kind, "ADDR"] if port(number) && protocol(kind) => address(value),
        // `KEYWARD_SERVICE_PORT`, also followed by the name of a port.
        _ if words.windows(2).any(|pair| pair == ["SERVICE", "PORT"]) => port(value),
        [.., "PORT"] => url(),
        _ => false,
    }
}
