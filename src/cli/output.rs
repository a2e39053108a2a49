//! Printing. Nothing else writes to standard output: tables and text, or with `--json` one JSON document.

use std::io::Write;
use std::process::ExitCode;

use serde::Serialize;
use serde_json::{Value, json};

use crate::error::Error;

/// The result of a command.
pub struct Output {
    document: Value,
    words: String,
    exit: u8,
}

impl Output {
    /// A JSON document, and the same as text for people.
    pub fn new(document: &impl Serialize, words: impl Into<String>) -> Self {
        Output {
            document: serde_json::to_value(document).unwrap_or(Value::Null),
            words: words.into(),
            exit: 0,
        }
    }

    /// A result without data.
    pub fn done(words: impl Into<String>) -> Self {
        Output::new(&json!({"ok": true}), words)
    }

    /// A list, printed as a table with column heads.
    pub fn table<const N: usize>(
        document: &impl Serialize,
        head: [&str; N],
        rows: impl Iterator<Item = [String; N]>,
    ) -> Self {
        let rows: Vec<[String; N]> = rows.collect();
        let width = |column: usize| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.chain([head[column].len()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..N).map(width).collect();
        let line = |cells: Vec<&str>| {
            let padded = cells
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:width$}"));
            padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        let mut lines = vec![line(head.to_vec())];
        lines.extend(
            rows.iter()
                .map(|row| line(row.iter().map(String::as_str).collect())),
        );
        Output::new(document, lines.join("\n"))
    }

    /// Adds a warning: logged to standard error, and in the member `warnings` of the document.
    #[must_use]
    pub fn warning(mut self, warning: Option<&impl ToString>) -> Self {
        if let (Some(warning), Some(members)) = (warning, self.document.as_object_mut()) {
            let warning = warning.to_string();
            tracing::warn!("{warning}");
            members.insert("warnings".to_owned(), json!([warning]));
        }
        self
    }

    /// Makes the exit status 1.
    #[must_use]
    pub fn refused(mut self) -> Self {
        self.exit = 1;
        self
    }

    /// Prints the result and returns the exit status.
    pub fn print(self, json: bool) -> ExitCode {
        let text = if json {
            self.document.to_string()
        } else {
            self.words
        };
        match print(&text) {
            Ok(()) => ExitCode::from(self.exit),
            Err(error) => refused(&error),
        }
    }
}

/// Prints a line on standard output.
///
/// # Errors
/// Writing failed, other than by a closed pipe: a secret that is shown only once may be lost.
pub fn print(text: &str) -> Result<(), Error> {
    let mut out = std::io::stdout();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Error::server_error(
            format!("the command succeeded, but its output cannot be written: {error}"),
        )),
        _ => Ok(()),
    }
}

/// Prints an error on standard error, with its private detail: the operator may see it.
pub fn refused(error: &Error) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "keyward: {}", error.reason());
    ExitCode::from(1)
}

/// A time that may be missing, as a table cell.
pub fn when(instant: Option<crate::clock::Timestamp>) -> String {
    instant.map_or_else(|| "-".to_owned(), |instant| instant.to_string())
}
