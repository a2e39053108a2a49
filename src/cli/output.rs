//! The only place that prints. With `--json` one document on standard output, and nothing else
//! there; for people tables and sentences.

use std::io::Write;
use std::process::ExitCode;

use serde::Serialize;
use serde_json::{Value, json};

use crate::error::Error;

/// What a command has to say.
pub struct Output {
    document: Value,
    words: String,
    exit: u8,
}

impl Output {
    /// A document, and the same in words.
    pub fn new(document: &impl Serialize, words: impl Into<String>) -> Self {
        Output {
            document: serde_json::to_value(document).unwrap_or(Value::Null),
            words: words.into(),
            exit: 0,
        }
    }

    /// Something was done, and there is nothing to show for it.
    pub fn done(words: impl Into<String>) -> Self {
        Output::new(&json!({"ok": true}), words)
    }

    /// A list.
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

    /// The same, with a warning: on standard error, and as a member `warnings` of the document.
    #[must_use]
    pub fn warning(mut self, warning: Option<&impl ToString>) -> Self {
        if let (Some(warning), Some(members)) = (warning, self.document.as_object_mut()) {
            let warning = warning.to_string();
            tracing::warn!("{warning}");
            members.insert("warnings".to_owned(), json!([warning]));
        }
        self
    }

    /// The same, with exit status 1: something is wrong.
    #[must_use]
    pub fn refused(mut self) -> Self {
        self.exit = 1;
        self
    }

    /// Says it.
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

/// Prints a line. What holds a secret must not be lost without a word.
///
/// # Errors
/// Where standard output takes it not; whoever closed a pipe has seen enough.
pub fn print(text: &str) -> Result<(), Error> {
    let mut out = std::io::stdout();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Error::server_error(
            format!("it was done, but cannot be printed: {error}"),
        )),
        _ => Ok(()),
    }
}

/// A refusal, on standard error. Here the operator sits: the exact reason is theirs to know.
pub fn refused(error: &Error) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "keyward: {}", error.reason());
    ExitCode::from(1)
}

/// An instant that may be missing.
pub fn when(instant: Option<crate::clock::Timestamp>) -> String {
    instant.map_or_else(|| "-".to_owned(), |instant| instant.to_string())
}
