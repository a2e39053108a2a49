//! The log: formatted by the thread that has something to say, written by one thread of its own.
//!
//! A log that cannot be written must not stop a request. Lines go into a bounded queue; when nobody
//! takes them (a pipe without a reader, a pipe whose reader does not read, a full disk) they are dropped
//! and counted, and once the log works again a line says how many were dropped.

use std::cell::Cell;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};
use serde::ser::{SerializeMap, Serializer};
use tracing::{Event, Subscriber};
use tracing_serde::{AsSerde, SerdeMapVisitor};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::error::Error;

/// The most that waits to be written, in bytes: some ten thousand lines.
const MAX_QUEUED: usize = 4 * 1024 * 1024;

/// How long the writer collects lines before it writes them: under load one system call serves many.
const BATCH_TIME: Duration = Duration::from_millis(2);

/// How long the writer waits before it tries a log again that could not be written.
const RETRY_TIME: Duration = Duration::from_secs(1);

/// How long the end of the process waits for a log that nobody reads.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Handle to the log of this process.
#[derive(Clone)]
pub struct Log {
    queue: Arc<Queue>,
    set_filter: Arc<dyn Fn(EnvFilter) -> Result<(), Error> + Send + Sync>,
    serving: bool,
}

impl Log {
    /// Starts the log on standard error: for people on a terminal, as JSON elsewhere. A command that
    /// is not the server reports warnings and errors alone.
    ///
    /// # Errors
    /// The system gives no thread, or the filter is unreadable.
    pub fn start(filter: &str, serving: bool) -> Result<Self, Error> {
        let fault = |error: &dyn std::fmt::Display| Error::server_error(error.to_string());
        let queue = Arc::new(Queue::default());
        let writer = queue.clone();
        let thread = std::thread::Builder::new().name("log".to_owned());
        thread
            .spawn(move || writer.write_to(&mut io::stderr()))
            .map_err(|error| fault(&error))?;

        let log = tracing_subscriber::fmt()
            .with_env_filter(parse_filter(filter, serving)?)
            .with_writer(queue.clone());
        let terminal = io::stderr().is_terminal();
        let set_filter: Arc<dyn Fn(EnvFilter) -> Result<(), Error> + Send + Sync>;
        // Without a writer that fails there are no internal errors; were there one, it would go to
        // standard error by a macro that panics.
        if serving && !terminal {
            let log = log
                .log_internal_errors(false)
                .event_format(JsonLines)
                .with_filter_reloading();
            let handle = log.reload_handle();
            set_filter = Arc::new(move |filter| {
                handle
                    .reload(filter)
                    .map_err(|error| Error::server_error(error.to_string()))
            });
            log.try_init().map_err(|error| fault(&error))?;
        } else {
            let log = log
                .log_internal_errors(false)
                .with_target(false)
                .with_ansi(terminal)
                .with_filter_reloading();
            let handle = log.reload_handle();
            set_filter = Arc::new(move |filter| {
                handle
                    .reload(filter)
                    .map_err(|error| Error::server_error(error.to_string()))
            });
            log.try_init().map_err(|error| fault(&error))?;
        }
        Ok(Log {
            queue,
            set_filter,
            serving,
        })
    }

    /// Replaces the filter.
    ///
    /// # Errors
    /// The filter is unreadable; the old one stays.
    pub fn set_filter(&self, filter: &str) -> Result<(), Error> {
        (self.set_filter)(parse_filter(filter, self.serving)?)
    }

    /// The number of lines that were dropped since the start.
    pub fn dropped_lines(&self) -> u64 {
        self.queue.dropped.load(Ordering::Relaxed)
    }

    /// Waits until all lines are written, for a second at the most.
    pub fn flush(&self) {
        self.queue.flush(FLUSH_TIMEOUT);
    }
}

/// The setting, after Keyward's own defaults: of what actix says of its workers only trouble matters,
/// and of strangers who speak no HTTP nothing. What is set comes later and wins.
fn parse_filter(filter: &str, serving: bool) -> Result<EnvFilter, Error> {
    let filter = if serving {
        format!("actix_server=warn,actix_http=off,{filter}")
    } else {
        "warn".to_owned()
    };
    EnvFilter::try_new(filter).map_err(|error| Error::server_error(error.to_string()))
}

/// An event as one JSON object: when, how grave, its fields, and the part of the program that it is of.
///
/// tracing-subscriber's own format of this kind checks each of the some ninety pieces of a line for UTF-8 and
/// hands it on by itself, which takes as long as all else that the log does for a request.
struct JsonLines;

thread_local! {
    /// Room for a line, kept.
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
        // Taken, not borrowed: a field may log something while it is written.
        let mut line = LINE.take();
        line.clear();
        let result = write_json(&mut line, &timestamp, event)
            .map_err(|_| fmt::Error)
            .and_then(|()| writer.write_str(str::from_utf8(&line).map_err(|_| fmt::Error)?));
        LINE.set(line);
        result
    }
}

fn write_json(line: &mut Vec<u8>, timestamp: &str, event: &Event<'_>) -> serde_json::Result<()> {
    let mut serializer = serde_json::Serializer::new(&mut *line);
    let mut map = serializer.serialize_map(None)?;
    map.serialize_entry("timestamp", timestamp)?;
    map.serialize_entry("level", &event.metadata().level().as_serde())?;
    let mut fields = SerdeMapVisitor::new(map);
    event.record(&mut fields);
    let mut map = fields.take_serializer()?;
    map.serialize_entry("target", event.metadata().target())?;
    map.end()?;
    line.push(b'\n');
    Ok(())
}

/// Lines on their way to the log.
#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    /// Wakes the writer.
    filled: Condvar,
    /// Wakes who waits in [`Queue::flush`].
    written: Condvar,
    dropped: AtomicU64,
}

#[derive(Default)]
struct State {
    lines: Vec<u8>,
    /// The writer waits for the first line.
    idle: bool,
    /// The writer holds lines that are not written yet.
    writing: bool,
    /// Somebody waits for the end: no more waiting for further lines.
    flushing: bool,
}

/// tracing-subscriber gives one whole event to one call.
impl Write for &Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut state = self.lock();
        if state.lines.len() + line.len() > MAX_QUEUED {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return Ok(line.len());
        }
        state.lines.extend_from_slice(line);
        if std::mem::take(&mut state.idle) {
            drop(state);
            self.filled.notify_one();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Takes the lines that wait, into `batch`, which is empty.
    fn take(&self, batch: &mut Vec<u8>) {
        let mut state = self.lock();
        state.writing = false;
        self.written.notify_all();
        while state.lines.is_empty() {
            state.idle = true;
            self.filled.wait(&mut state);
        }
        if !state.flushing {
            self.filled.wait_for(&mut state, BATCH_TIME);
        }
        state.writing = true;
        std::mem::swap(&mut state.lines, batch);
    }

    /// Writes for as long as the process lives.
    fn write_to(&self, out: &mut impl Write) {
        let (mut batch, mut reported, mut broken_line) = (Vec::new(), 0, false);
        loop {
            self.take(&mut batch);
            if broken_line {
                batch.insert(0, b'\n');
            }
            let (written, result) = write_batch(out, &batch);
            broken_line = batch[..written]
                .last()
                .map_or(broken_line, |last| *last != b'\n');
            match result {
                Ok(()) => {
                    let dropped = self.dropped.load(Ordering::Relaxed);
                    if dropped > reported {
                        tracing::warn!(
                            lines = dropped - reported,
                            "the log could not be written: lines were dropped"
                        );
                        reported = dropped;
                    }
                }
                Err(_) => {
                    let lost = batch[written..]
                        .iter()
                        .filter(|byte| **byte == b'\n')
                        .count();
                    self.dropped
                        .fetch_add(u64::try_from(lost).unwrap_or(u64::MAX), Ordering::Relaxed);
                    self.pause();
                }
            }
            batch.clear();
            // What one burst needed is not kept.
            if batch.capacity() > MAX_QUEUED / 4 {
                batch = Vec::new();
            }
        }
    }

    /// After a failure: the next try comes later, or at once where the process ends.
    fn pause(&self) {
        let mut state = self.lock();
        let flushing = |state: &mut State| !state.flushing;
        self.filled.wait_while_for(&mut state, flushing, RETRY_TIME);
    }

    fn flush(&self, timeout: Duration) {
        let mut state = self.lock();
        state.flushing = true;
        state.idle = false;
        self.filled.notify_one();
        let waiting = |state: &mut State| state.writing || !state.lines.is_empty();
        self.written.wait_while_for(&mut state, waiting, timeout);
        state.flushing = false;
    }
}

/// How many bytes of the batch were written, and how it ended.
fn write_batch(out: &mut impl Write, batch: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    // A descriptor that somebody else made non-blocking: wait as a blocking one would.
    let deadline = Instant::now() + RETRY_TIME;
    while written < batch.len() {
        match out.write(&batch[written..]) {
            Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error)
                if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < deadline =>
            {
                std::thread::sleep(BATCH_TIME);
            }
            Err(error) => return (written, Err(error)),
        }
    }
    (written, Ok(()))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// What a log does with a batch.
    enum Step {
        Take(usize),
        Fail,
        Block(Receiver<()>),
    }

    /// A log that does as the test says, then takes everything.
    struct Scripted {
        steps: std::vec::IntoIter<Step>,
        taken: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Scripted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = match self.steps.next() {
                Some(Step::Fail) => return Err(io::ErrorKind::BrokenPipe.into()),
                Some(Step::Take(most)) => most.min(bytes.len()),
                Some(Step::Block(until)) => {
                    until.recv().unwrap();
                    bytes.len()
                }
                None => bytes.len(),
            };
            self.taken.lock().extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn start(steps: Vec<Step>) -> (Arc<Queue>, Arc<Mutex<Vec<u8>>>) {
        let (queue, taken) = (Arc::new(Queue::default()), Arc::new(Mutex::new(Vec::new())));
        let (writer, mut out) = (
            queue.clone(),
            Scripted {
                steps: steps.into_iter(),
                taken: taken.clone(),
            },
        );
        std::thread::spawn(move || writer.write_to(&mut out));
        (queue, taken)
    }

    fn say(queue: &Queue, line: &str) {
        let mut writer = queue;
        writer.write_all(line.as_bytes()).unwrap();
    }

    fn text(taken: &Mutex<Vec<u8>>) -> String {
        String::from_utf8(taken.lock().clone()).unwrap()
    }

    #[test]
    fn nothing_is_lost_in_ordinary_operation() {
        let (queue, taken) = start(vec![Step::Take(3), Step::Take(1)]);
        let lines: Vec<String> = (0..1000).map(|number| format!("line {number}\n")).collect();
        for line in &lines {
            say(&queue, line);
        }
        queue.flush(Duration::from_secs(20));
        assert_eq!(text(&taken), lines.concat());
        assert_eq!(queue.dropped.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn what_could_not_be_written_is_counted() {
        let (queue, taken) = start(vec![Step::Take(8), Step::Fail]);
        say(&queue, "one\nbroken\nthree\n");
        queue.flush(Duration::from_secs(20));
        assert_eq!(
            (text(&taken).as_str(), queue.dropped.load(Ordering::Relaxed)),
            ("one\nbrok", 2)
        );
        say(&queue, "four\n");
        queue.flush(Duration::from_secs(20));
        assert_eq!(text(&taken), "one\nbrok\nfour\n", "a line of its own");
    }

    #[test]
    fn a_blocked_log_blocks_nobody_and_takes_no_more_than_its_share() {
        let (go, until): (Sender<()>, Receiver<()>) = channel();
        let (queue, taken) = start(vec![Step::Block(until)]);
        let line = format!("{}\n", "x".repeat(1023));
        for _ in 0..(3 * MAX_QUEUED / line.len()) {
            say(&queue, &line);
        }
        let dropped = queue.dropped.load(Ordering::Relaxed);
        assert!(dropped > 0 && queue.lock().lines.len() <= MAX_QUEUED);
        let began = Instant::now();
        queue.flush(Duration::from_millis(50));
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "the end does not wait for it"
        );
        go.send(()).unwrap();
        queue.flush(Duration::from_secs(20));
        let written = u64::try_from(text(&taken).lines().count()).unwrap();
        assert_eq!(
            written + dropped,
            u64::try_from(3 * MAX_QUEUED / line.len()).unwrap()
        );
    }
}
