//! Printing. Nothing else writes to standard output: tables and text, or with `--json` one JSON document.

use std::io::{ErrorKind, Write};
use std::ops::ControlFlow;
use std::process::ExitCode;

use serde::Serialize;
use serde_json::{Value, json};

use crate::error::Error;

/// The result of a command.
pub struct Output {
    document: Value,
    words: String,
    exit: u8,
    /// Whether the command has written its result itself.
    is_printed: bool,
}

impl Output {
    /// A JSON document, and the same as text for people.
    pub fn new(document: &impl Serialize, words: impl Into<String>) -> Self {
        Output {
            document: serde_json::to_value(document).unwrap_or(Value::Null),
            words: words.into(),
            exit: 0,
            is_printed: false,
        }
    }

    /// The result of a command that has written it already.
    pub fn printed() -> Self {
        Output {
            is_printed: true,
            ..Output::done(String::new())
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
        Output::new(document, lines_of_table(head, rows).join("\n"))
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
        if self.is_printed {
            return ExitCode::from(self.exit);
        }
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

/// The lines of a table with column heads.
pub fn lines_of_table<const N: usize>(
    head: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) -> Vec<String> {
    let rows: Vec<[String; N]> = rows.collect();
    let widths = widths(&head, &rows);
    let mut lines = vec![line(&head, &widths)];
    lines.extend(rows.iter().map(|row| line(row, &widths)));
    lines
}

/// The width of each column, in characters.
fn widths<const N: usize>(head: &[&str; N], rows: &[[String; N]]) -> [usize; N] {
    let mut widths = head.map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    widths
}

/// A line of a table. Control characters are replaced: some cells hold what strangers sent, which must
/// neither break the table nor reach the terminal as an escape sequence.
fn line<const N: usize>(cells: &[impl AsRef<str>; N], widths: &[usize; N]) -> String {
    let padded: Vec<String> = cells
        .iter()
        .zip(widths)
        .map(|(cell, width)| {
            let cell = cell.as_ref().replace(
                char::is_control,
                char::REPLACEMENT_CHARACTER.encode_utf8(&mut [0; 4]),
            );
            format!("{cell:width$}")
        })
        .collect();
    padded.join("  ").trim_end().to_owned()
}

/// A list that is written page by page while it is read, so that one of any length takes little
/// memory: a table, or with `--json` a JSON array.
pub struct ListWriter<const N: usize> {
    json: bool,
    head: [&'static str; N],
    /// The widths of the columns, which the first page determines.
    widths: Option<[usize; N]>,
    /// Whether an item has been written.
    has_items: bool,
}

impl<const N: usize> ListWriter<N> {
    /// A list with these column heads.
    pub fn new(json: bool, head: [&'static str; N]) -> Self {
        ListWriter {
            json,
            head,
            widths: None,
            has_items: false,
        }
    }

    /// Writes a page. Breaks if nobody reads the output any more, as after `| head`.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn write<T: Serialize>(
        &mut self,
        items: &[T],
        cells: impl Fn(&T) -> [String; N],
    ) -> Result<ControlFlow<()>, Error> {
        let mut text = Vec::new();
        if self.json {
            for item in items {
                text.push(if self.has_items { b',' } else { b'[' });
                self.has_items = true;
                serde_json::to_writer(&mut text, item)
                    .map_err(|error| Error::server_error(error.to_string()))?;
            }
        } else {
            let rows: Vec<[String; N]> = items.iter().map(cells).collect();
            let is_first = self.widths.is_none();
            let widths = *self.widths.get_or_insert_with(|| widths(&self.head, &rows));
            let head = is_first.then(|| line(&self.head, &widths));
            let lines = rows.iter().map(|row| line(row, &widths));
            for line in head.into_iter().chain(lines) {
                text.extend_from_slice(line.as_bytes());
                text.push(b'\n');
            }
        }
        write_part(&text)
    }

    /// Ends the list.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn finish(mut self) -> Result<Output, Error> {
        if self.json {
            let end: &[u8] = if self.has_items { b"]\n" } else { b"[]\n" };
            let _ = write_part(end)?;
        } else if self.widths.is_none() {
            let _ = self.write::<Value>(&[], |_| [const { String::new() }; N])?;
        }
        Ok(Output::printed())
    }
}

/// Writes a part of a long output. Breaks if nobody reads it any more.
///
/// # Errors
/// Standard output cannot be written.
pub fn write_part(part: &[u8]) -> Result<ControlFlow<()>, Error> {
    let mut out = std::io::stdout();
    match out.write_all(part).and_then(|()| out.flush()) {
        Ok(()) => Ok(ControlFlow::Continue(())),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(ControlFlow::Break(())),
        Err(error) => Err(Error::server_error(format!(
            "the output cannot be written: {error}"
        ))),
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

/// The hint about a credential that was not used for 90 days.
pub fn unused(is_unused: bool) -> String {
    if is_unused { "unused for 90 days" } else { "-" }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let cells = ["a\x1b[2Jb", "two\nlines", "caf\u{e9}"];
        let text = line(&cells, &[8, 10, 0]);
        assert_eq!(text, "a\u{fffd}[2Jb    two\u{fffd}lines   caf\u{e9}");
    }
}
