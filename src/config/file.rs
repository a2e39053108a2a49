//! The settings file, `keyward.toml`.

use std::path::Path;

use clap::Command;
use toml::de::{DeTable, DeValue};

use super::sources::{did_you_mean, names, refuse, similar};

/// A setting in the file.
pub(super) struct FileSetting {
    pub(super) name: String,
    /// The value as the flag would take it.
    pub(super) value: String,
    pub(super) line: usize,
}

/// Reads the settings file. `label` says how the file was chosen; the default file (`None`) may be missing.
pub(super) fn read_file(
    command: &Command,
    file: &Path,
    label: Option<String>,
) -> Result<Vec<FileSetting>, clap::Error> {
    let bytes = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && label.is_none() => {
            return Ok(Vec::new());
        }
        Err(error) => {
            let label = label.map(|label| format!("{label}: ")).unwrap_or_default();
            return Err(refuse(
                command,
                format!("{label}{}: {error}", file.display()),
            ));
        }
    };
    let line_of = |place: usize| {
        1 + bytes
            .iter()
            .take(place)
            .filter(|byte| **byte == b'\n')
            .count()
    };
    let wrong = |place: usize, reason: String| {
        refuse(
            command,
            format!("{} line {}: {reason}", file.display(), line_of(place)),
        )
    };
    let text = str::from_utf8(&bytes)
        .map_err(|error| wrong(error.valid_up_to(), "not valid UTF-8".to_owned()))?;
    // The full message of the parser quotes the line, which may contain a secret.
    let table = DeTable::parse(text).map_err(|error| {
        wrong(
            error.span().map_or(0, |span| span.start),
            format!("invalid TOML: {}", error.message()),
        )
    })?;
    let known = names(command);
    let mut settings = Vec::new();
    for (key, value) in table.into_inner() {
        let (place, name) = (key.span().start, key.into_inner().into_owned());
        if !known.contains(&name) || name == "config" {
            let similar = did_you_mean(
                similar(command, &name.to_lowercase().replace('-', "_"))
                    .filter(|similar| similar != "config"),
            );
            return Err(wrong(place, format!("unknown setting {name}{similar}")));
        }
        let value = match value.into_inner() {
            DeValue::String(text) => text.into_owned(),
            DeValue::Integer(number) => {
                match i64::from_str_radix(number.as_str(), number.radix()) {
                    Ok(number) => number.to_string(),
                    Err(_) => return Err(wrong(place, format!("{name} is too large"))),
                }
            }
            DeValue::Float(number) => number.as_str().to_owned(),
            DeValue::Array(words) if words.iter().all(|word| word.get_ref().is_str()) => {
                let words: Vec<&str> = words
                    .iter()
                    .filter_map(|word| word.get_ref().as_str())
                    .collect();
                words.join(if name == "trusted_proxies" { "," } else { " " })
            }
            DeValue::Boolean(on) => if on { "on" } else { "off" }.to_owned(),
            other => {
                let kind = other.type_str();
                return Err(wrong(
                    place,
                    format!("{name} must be a string or a number, not a {kind}"),
                ));
            }
        };
        settings.push(FileSetting {
            name,
            value,
            line: line_of(place),
        });
    }
    Ok(settings)
}
