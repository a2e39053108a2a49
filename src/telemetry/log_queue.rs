//! The queue between threads that log and the thread that writes the log.
//!
//! A log that cannot be written must not hold up a request. Lines go into a bounded queue. While
//! they cannot be written (a pipe without a reader, or whose reader is blocked, a full disk)
//! further lines are dropped and counted, and once the log works again a line says how many were
//! dropped.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

/// The most bytes that wait to be written: some ten thousand lines.
const MAX_QUEUED: usize = 4 * 1024 * 1024;

/// How long the writer collects lines before it writes them: under load one system call writes
/// many.
const BATCH_TIME: Duration = Duration::from_millis(2);

/// How long the writer waits after a failure before it tries again.
const RETRY_TIME: Duration = Duration::from_secs(1);

/// Lines that wait to be written.
#[derive(Default)]
pub(super) struct LogQueue {
    state: Mutex<State>,
    /// Wakes the writer.
    filled: Condvar,
    /// Wakes callers of [`LogQueue::flush`].
    written: Condvar,
    dropped: AtomicU64,
}

#[derive(Default)]
struct State {
    lines: Vec<u8>,
    /// The writer waits for the first line.
    idle: bool,
    /// The writer has taken lines that are not written yet.
    writing: bool,
    /// A caller waits in [`LogQueue::flush`]: lines are written at once.
    flushing: bool,
}

/// tracing-subscriber passes each event in one call.
impl Write for &LogQueue {
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

impl LogQueue {
    /// The number of lines that were dropped since the start.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Waits for lines, and moves them into `batch`, which must be empty.
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

    /// Writes lines to `out` for as long as the process lives.
    pub(super) fn write_to(&self, out: &mut impl Write) {
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
            // The memory that a burst needed is released.
            if batch.capacity() > MAX_QUEUED / 4 {
                batch = Vec::new();
            }
        }
    }

    /// Waits for [`RETRY_TIME`] after a failure, but not while the process ends.
    fn pause(&self) {
        let mut state = self.lock();
        let flushing = |state: &mut State| !state.flushing;
        self.filled.wait_while_for(&mut state, flushing, RETRY_TIME);
    }

    /// Waits until all lines are written, for `timeout` at most.
    pub(super) fn flush(&self, timeout: Duration) {
        let mut state = self.lock();
        state.flushing = true;
        state.idle = false;
        self.filled.notify_one();
        let waiting = |state: &mut State| state.writing || !state.lines.is_empty();
        self.written.wait_while_for(&mut state, waiting, timeout);
        state.flushing = false;
    }
}

/// Writes a batch. Returns how many bytes were written, and the error that ended it, if any.
fn write_batch(out: &mut impl Write, batch: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    // Another process may have made the shared descriptor non-blocking: wait as a blocking one
    // would.
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
    use std::sync::Arc;
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// What the output does with one call.
    enum Step {
        Take(usize),
        Fail,
        Block(Receiver<()>),
    }

    /// An output that follows the steps, and then accepts everything.
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

    fn start(steps: Vec<Step>) -> (Arc<LogQueue>, Arc<Mutex<Vec<u8>>>) {
        let queue = Arc::new(LogQueue::default());
        let taken = Arc::new(Mutex::new(Vec::new()));
        let writer = queue.clone();
        let mut out = Scripted {
            steps: steps.into_iter(),
            taken: taken.clone(),
        };
        std::thread::spawn(move || writer.write_to(&mut out));
        (queue, taken)
    }

    fn log(queue: &LogQueue, line: &str) {
        let mut writer = queue;
        writer.write_all(line.as_bytes()).unwrap();
    }

    fn text(taken: &Mutex<Vec<u8>>) -> String {
        String::from_utf8(taken.lock().clone()).unwrap()
    }

    #[test]
    fn partial_writes_lose_no_line() {
        let (queue, taken) = start(vec![Step::Take(3), Step::Take(1)]);
        let lines: Vec<String> = (0..1000).map(|number| format!("line {number}\n")).collect();
        for line in &lines {
            log(&queue, line);
        }
        queue.flush(Duration::from_secs(20));
        assert_eq!(text(&taken), lines.concat());
        assert_eq!(queue.dropped.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn lines_that_could_not_be_written_are_counted() {
        let (queue, taken) = start(vec![Step::Take(8), Step::Fail]);
        log(&queue, "one\nbroken\nthree\n");
        queue.flush(Duration::from_secs(20));
        assert_eq!(
            (text(&taken).as_str(), queue.dropped.load(Ordering::Relaxed)),
            ("one\nbrok", 2)
        );
        log(&queue, "four\n");
        queue.flush(Duration::from_secs(20));
        assert_eq!(
            text(&taken),
            "one\nbrok\nfour\n",
            "a new line follows the broken one"
        );
    }

    #[test]
    fn a_blocked_output_blocks_no_caller_and_its_queue_is_bounded() {
        let (go, until): (Sender<()>, Receiver<()>) = channel();
        let (queue, taken) = start(vec![Step::Block(until)]);
        let line = format!("{}\n", "x".repeat(1023));
        for _ in 0..(3 * MAX_QUEUED / line.len()) {
            log(&queue, &line);
        }
        let dropped = queue.dropped.load(Ordering::Relaxed);
        assert!(dropped > 0 && queue.lock().lines.len() <= MAX_QUEUED);
        let began = Instant::now();
        queue.flush(Duration::from_millis(50));
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "flush returns after its timeout"
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
