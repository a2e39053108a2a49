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
        Output { document: serde_json::to_value(document).unwrap_or(Value::Null), words: words.into(), exit: 0 }
    }

    /// Something was done, and there is nothing to show for it.
    pub fn done(words: impl Into<String>) -> Self {
        Output::new(&json!({"ok": true}), words)
    }

    /// A server has run, and has nothing more to say.
    pub fn silence() -> Self {
        Output { document: Value::Null, words: String::new(), exit: 0 }
    }

    /// A list.
    pub fn table<const N: usize>(document: &impl Serialize, head: [&str; N], rows: impl Iterator<Item = [String; N]>) -> Self {
        let rows: Vec<[String; N]> = rows.collect();
        let width = |column: usize| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.chain([head[column].len()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..N).map(width).collect();
        let line = |cells: Vec<&str>| {
            let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        let mut lines = vec![line(head.to_vec())];
        lines.extend(rows.iter().map(|row| line(row.iter().map(String::as_str).collect())));
        Output::new(document, lines.join("\n"))
    }

    /// The same, with exit status 1: something is wrong.
    #[must_use]
    pub fn refused(mut self) -> Self {
        self.exit = 1;
        self
    }

    /// Says it.
    pub fn print(self, json: bool) -> ExitCode {
        let text = match (json, self.words.is_empty()) {
            (_, true) => return ExitCode::from(self.exit),
            (true, _) => self.document.to_string(),
            (false, _) => self.words,
        };
        // Whoever closed the pipe has seen enough.
        let _ = writeln!(std::io::stdout(), "{text}");
        ExitCode::from(self.exit)
    }
}

/// A refusal, on standard error. Here the operator sits: the exact reason is theirs to know.
pub fn refused(error: &Error) -> ExitCode {
    let description = error.description();
    let reason = error.reason();
    let words = if reason == description { description.to_owned() } else { format!("{description}: {reason}") };
    let _ = writeln!(std::io::stderr(), "keyward: {words}");
    ExitCode::from(1)
}

/// An instant that may be missing.
pub fn when(instant: Option<crate::clock::Timestamp>) -> String {
    instant.map_or_else(|| "-".to_owned(), |instant| instant.to_string())
}
