//! The log, and the export of spans.
//!
//! Log lines are formatted by the thread that logs, and written by a thread of their own. Spans are
//! exported by OTLP if the setting `otlp_endpoint` is set. Neither holds up a request: both go
//! through bounded queues, which drop and count what does not fit.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::time::Duration;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt, reload};

use crate::config::{Settings, log_targets};
use crate::error::Error;

mod json_lines;
mod log_queue;
mod otlp;
mod text_lines;

use json_lines::JsonLines;
use log_queue::LogQueue;
use text_lines::{Style, TextLines};

/// How long the end of the process waits for a log or a collector that does not accept data.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

type SetFilter = dyn Fn(Targets) -> Result<(), reload::Error> + Send + Sync;

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It serves: everything that the filter lets through is logged, and spans are exported.
    Server,
    /// It runs a command: warnings and errors are logged.
    Command,
}

/// The log and the exporter of this process.
#[derive(Clone)]
pub struct Telemetry {
    queue: Arc<LogQueue>,
    set_filter: Arc<SetFilter>,
    exporter: Option<Arc<otlp::Exporter>>,
    role: Role,
}

impl Telemetry {
    /// Starts the log on standard error, as text on a terminal and as JSON elsewhere, and the
    /// exporter.
    ///
    /// # Errors
    /// The system refuses a thread; a setting for outgoing requests cannot be used.
    pub fn start(settings: &Settings, role: Role) -> Result<Self, Error> {
        let queue = Arc::new(LogQueue::default());
        let writer = queue.clone();
        std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || writer.write_to(&mut io::stderr()))
            .map_err(|error| Error::server_error(error.to_string()))?;
        let exporter = match (&settings.otlp_endpoint, role) {
            (Some(endpoint), Role::Server) => {
                Some(Arc::new(otlp::Exporter::start(settings, endpoint)?))
            }
            _ => None,
        };
        let filter = parse_filter(&settings.log, role)?;
        let format = format_layer(queue.clone(), role);
        let set_filter = install(format, filter, exporter.as_deref())
            .map_err(|error| Error::server_error(error.to_string()))?;
        Ok(Telemetry {
            queue,
            set_filter,
            exporter,
            role,
        })
    }

    /// Replaces the filter of the log.
    ///
    /// # Errors
    /// The filter cannot be parsed; the present one stays.
    pub fn set_filter(&self, filter: &str) -> Result<(), Error> {
        let filter = parse_filter(filter, self.role)?;
        (self.set_filter)(filter).map_err(|error| Error::server_error(error.to_string()))
    }

    /// The number of log lines that were dropped since the start.
    pub fn dropped_lines(&self) -> u64 {
        self.queue.dropped()
    }

    /// The number of spans that were exported since the start.
    pub fn exported_spans(&self) -> u64 {
        self.exporter
            .as_ref()
            .map_or(0, |exporter| exporter.exported())
    }

    /// The number of spans that were dropped since the start.
    pub fn dropped_spans(&self) -> u64 {
        self.exporter
            .as_ref()
            .map_or(0, |exporter| exporter.dropped())
    }

    /// Waits until all lines are written and all spans are exported, for a second each at most.
    pub fn flush(&self) {
        if let Some(exporter) = &self.exporter {
            exporter.flush(FLUSH_TIMEOUT);
        }
        self.queue.flush(FLUSH_TIMEOUT);
    }
}

/// The setting `log`, after Keyward's own defaults, which it can override: of actix's workers only
/// warnings are logged, and nothing about peers that do not speak HTTP.
fn parse_filter(filter: &str, role: Role) -> Result<Targets, Error> {
    if role == Role::Command {
        return Ok(Targets::new().with_default(LevelFilter::WARN));
    }
    let chosen = log_targets(filter).map_err(|error| Error::server_error(error.to_string()))?;
    let defaults = Targets::new()
        .with_target("actix_server", LevelFilter::WARN)
        .with_target("actix_http", LevelFilter::OFF);
    Ok(defaults
        .with_targets(chosen.iter())
        .with_default(chosen.default_level().unwrap_or(LevelFilter::OFF)))
}

type BoxedLayer = Box<dyn Layer<Registry> + Send + Sync>;

struct QueueWriter(Arc<LogQueue>);

impl<'a> MakeWriter<'a> for QueueWriter {
    type Writer = &'a LogQueue;

    fn make_writer(&'a self) -> Self::Writer {
        &self.0
    }
}

fn format_layer(queue: Arc<LogQueue>, role: Role) -> BoxedLayer {
    let terminal = io::stderr().is_terminal();
    // The queue never fails to accept a line. If it did, the error would be printed by a macro that
    // panics.
    let layer = fmt::layer()
        .with_writer(QueueWriter(queue))
        .log_internal_errors(false);
    if role == Role::Server && !terminal {
        layer.event_format(JsonLines).boxed()
    } else {
        let style = if terminal { Style::Ansi } else { Style::Plain };
        layer
            .with_ansi(terminal)
            .event_format(TextLines::new(style))
            .boxed()
    }
}

/// Installs the layers. Returns the function that replaces the filter of the log.
fn install(
    format: BoxedLayer,
    filter: Targets,
    exporter: Option<&otlp::Exporter>,
) -> Result<Arc<SetFilter>, Box<dyn std::error::Error + Send + Sync>> {
    match exporter {
        // A filter of everything: what it refuses is never created, spans included.
        None => {
            let (filter, handle) = reload::Layer::new(filter);
            let registry = Registry::default().with(format).with(filter);
            registry.try_init()?;
            Ok(Arc::new(move |filter| handle.reload(filter)))
        }
        // A filter of the log alone, since the exporter takes spans that are not logged.
        Some(exporter) => {
            let (filter, handle) = reload::Layer::new(filter);
            let registry = Registry::default()
                .with(format.with_filter(filter))
                .with(exporter.layer());
            registry.try_init()?;
            Ok(Arc::new(move |filter| handle.reload(filter)))
        }
    }
}
