//! The text format of log lines, for terminals.

use std::fmt;

use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{Format, Full, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::span;
use crate::trace_context::digits;

/// Whether lines have colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// ANSI escape sequences.
    Ansi,
    /// None.
    Plain,
}

/// Formats an event as a line of text: time, level, message, fields, and the ids of the request that
/// the thread works on.
pub(super) struct TextLines {
    format: Format<Full>,
    style: Style,
}

impl TextLines {
    pub(super) fn new(style: Style) -> Self {
        let format = Format::default().with_target(false);
        TextLines {
            format: format.with_ansi(style == Style::Ansi),
            style,
        }
    }

    fn write_field(&self, writer: &mut Writer<'_>, name: &str, value: &str) -> fmt::Result {
        match self.style {
            // As tracing-subscriber writes fields: the name in italics, the equals sign dimmed.
            Style::Ansi => write!(writer, " \x1b[3m{name}\x1b[0m\x1b[2m=\x1b[0m{value}"),
            Style::Plain => write!(writer, " {name}={value}"),
        }
    }
}

impl<S, N> FormatEvent<S, N> for TextLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let Some(request) = span::current() else {
            return self.format.format_event(context, writer, event);
        };
        let mut line = String::new();
        self.format
            .format_event(context, Writer::new(&mut line), event)?;
        writer.write_str(line.trim_end_matches('\n'))?;
        let trace_id = request.trace.trace_id;
        self.write_field(&mut writer, "request_id", request.id.encode(&mut digits()))?;
        self.write_field(&mut writer, "trace_id", trace_id.encode(&mut digits()))?;
        writer.write_char('\n')
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use parking_lot::Mutex;
    use tracing::Span;

    use super::*;
    use crate::clock::Timestamp;
    use crate::request_context::RequestId;
    use crate::span::Scope;
    use crate::trace_context::TraceContext;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(style: Style, log: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(style == Style::Ansi)
            .event_format(TextLines::new(style))
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, log);
        let bytes = lines.0.lock().clone();
        String::from_utf8(bytes).unwrap()
    }

    /// A request whose trace id is its request id without hyphens.
    fn request() -> (RequestId, TraceContext) {
        let id = RequestId::new(Timestamp::EPOCH, &[7; 10]);
        (id, TraceContext::new(None, id.as_u128(), 1))
    }

    #[test]
    fn a_line_of_a_request_carries_its_ids() {
        let (id, trace) = request();
        let line = logged(Style::Plain, || {
            Scope::request(id, trace, Span::none)
                .in_scope(|| tracing::warn!(file = "a.db", "cannot write"));
        });
        let trace_id = id.to_string().replace('-', "");
        let expected =
            format!(" WARN cannot write file=\"a.db\" request_id={id} trace_id={trace_id}\n");
        assert!(line.ends_with(&expected), "{line:?}");
        assert_eq!(line.lines().count(), 1);
    }

    #[test]
    fn a_line_outside_of_a_request_has_no_ids() {
        let line = logged(Style::Plain, || tracing::info!(rows = 3, "purged"));
        assert!(line.ends_with(" INFO purged rows=3\n"), "{line:?}");
    }

    #[test]
    fn the_ids_are_styled_like_the_other_fields() {
        let (id, trace) = request();
        let line = logged(Style::Ansi, || {
            Scope::request(id, trace, Span::none).in_scope(|| tracing::info!(rows = 3, "purged"));
        });
        let field = |name: &str| format!(" \x1b[3m{name}\x1b[0m\x1b[2m=\x1b[0m");
        for name in ["rows", "request_id", "trace_id"] {
            assert!(line.contains(&field(name)), "{name}: {line:?}");
        }
    }
}
