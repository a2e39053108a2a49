//! The JSON format of log lines.

use std::cell::Cell;
use std::fmt;

use serde::ser::{SerializeMap, Serializer};
use tracing::{Event, Subscriber};
use tracing_serde::{AsSerde, SerdeMapVisitor};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::span::{self, CurrentRequest};
use crate::trace_context::digits;

/// Formats an event as one JSON object: time, level, fields, the ids of the request that the thread
/// works on, and the module.
///
/// The JSON format of tracing-subscriber checks each of the about ninety pieces of a line for UTF-8
/// and writes it by itself, which takes as long as everything else that logging does for a request.
pub(super) struct JsonLines;

thread_local! {
    /// A buffer for a line, reused.
    static LINE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut timestamp = String::new();
        SystemTime.format_time(&mut Writer::new(&mut timestamp))?;
        // Taken, not borrowed: a field may log something while it is formatted.
        let mut line = LINE.take();
        line.clear();
        let result = write_json(&mut line, &timestamp, event, span::current())
            .map_err(|_| fmt::Error)
            .and_then(|()| writer.write_str(str::from_utf8(&line).map_err(|_| fmt::Error)?));
        LINE.set(line);
        result
    }
}

fn write_json(
    line: &mut Vec<u8>,
    timestamp: &str,
    event: &Event<'_>,
    request: Option<CurrentRequest>,
) -> serde_json::Result<()> {
    let mut serializer = serde_json::Serializer::new(&mut *line);
    let mut map = serializer.serialize_map(None)?;
    map.serialize_entry("timestamp", timestamp)?;
    map.serialize_entry("level", &event.metadata().level().as_serde())?;
    let mut fields = SerdeMapVisitor::new(map);
    event.record(&mut fields);
    let mut map = fields.take_serializer()?;
    if let Some(request) = request {
        map.serialize_entry("request_id", request.id.encode(&mut digits()))?;
        map.serialize_entry("trace_id", request.trace.trace_id.encode(&mut digits()))?;
    }
    map.serialize_entry("target", event.metadata().target())?;
    map.end()?;
    line.push(b'\n');
    Ok(())
}
