//! The JSON format of log lines.

use std::cell::Cell;
use std::fmt::{self, Write};
use std::time::Duration;

use serde::ser::{SerializeMap, Serializer};
use tracing::{Event, Subscriber};
use tracing_serde::{AsSerde, SerdeMapVisitor};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::clock::{self, Timestamp};
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
    static TIME: Cell<LineTime> = const { Cell::new(LineTime::new()) };
}

/// The time of the thread's last line, RFC 3339 in UTC with microseconds. Lines come by the
/// thousand in a second, so the part down to the second is formatted once a second.
#[derive(Default)]
struct LineTime {
    second: i64,
    text: String,
}

impl LineTime {
    const fn new() -> Self {
        LineTime {
            second: 0,
            text: String::new(),
        }
    }

    fn format(&mut self, since_epoch: Duration) -> Result<&str, fmt::Error> {
        /// The length of `2026-01-31T23:59:59`.
        const TO_THE_SECOND: usize = 19;
        let second = i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX);
        if self.text.is_empty() || self.second != second {
            self.text.clear();
            write!(self.text, "{}", Timestamp::from_seconds(second))?;
            self.second = second;
        }
        self.text.truncate(TO_THE_SECOND);
        write!(self.text, ".{:06}Z", since_epoch.subsec_micros())?;
        Ok(&self.text)
    }
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
        // Taken, not borrowed: a field may log something while it is formatted.
        let (mut line, mut time) = (LINE.take(), TIME.take());
        line.clear();
        let now = Duration::from_nanos(clock::unix_nanos());
        let result = time
            .format(now)
            .and_then(|timestamp| {
                write_json(&mut line, timestamp, event, span::current()).map_err(|_| fmt::Error)
            })
            .and_then(|()| writer.write_str(str::from_utf8(&line).map_err(|_| fmt::Error)?));
        LINE.set(line);
        TIME.set(time);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_line_follows_the_clock_to_the_microsecond() {
        let mut time = LineTime::new();
        for (second, micros, text) in [
            (0, 0, "1970-01-01T00:00:00.000000Z"),
            (0, 999_999, "1970-01-01T00:00:00.999999Z"),
            (1_795_834_927, 7, "2026-11-28T03:02:07.000007Z"),
            (1_795_834_927, 120_000, "2026-11-28T03:02:07.120000Z"),
            // The clock was set back.
            (1_795_834_926, 1, "2026-11-28T03:02:06.000001Z"),
            (0, 1, "1970-01-01T00:00:00.000001Z"),
        ] {
            let now = Duration::from_secs(second) + Duration::from_micros(micros);
            assert_eq!(time.format(now).unwrap(), text);
        }
    }
}
