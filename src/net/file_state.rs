//! When files that were read at the start have changed.

use std::path::Path;
use std::time::SystemTime;

/// Modification time, size and inode of a file. They change when the file is written or replaced.
pub(super) type FileState = Option<(SystemTime, u64, u64)>;

/// The states of files that belong together, as they were loaded and at the last poll.
#[derive(Debug)]
pub(super) struct FilePolls<const N: usize> {
    loaded: [FileState; N],
    last: [FileState; N],
}

impl<const N: usize> FilePolls<N> {
    /// The files as they were loaded.
    pub(super) fn new(loaded: [FileState; N]) -> Self {
        FilePolls {
            loaded,
            last: loaded,
        }
    }

    /// Whether the files differ from the loaded ones and were the same in two polls in a row: of
    /// two files, one is written first.
    pub(super) fn is_settled_change(&mut self, now: [FileState; N]) -> bool {
        let settled = now == self.last;
        self.last = now;
        // A missing file is a change as well: the next start would fail, so the log should say so
        // now.
        let changed = settled && now != self.loaded;
        if changed {
            self.loaded = now;
        }
        changed
    }
}

/// The state of a file; `None` if there is no such file or it cannot be read.
pub(super) fn file_state(path: &Path) -> FileState {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_reloaded_once_they_have_changed_and_stay_the_same() {
        let state = |number: u64| Some((SystemTime::UNIX_EPOCH, number, number));
        let old = [state(1), state(1)];
        let half = [state(2), state(1)];
        let new = [state(2), state(2)];
        let gone = [None, state(2)];
        let mut polls = FilePolls::new(old);
        for (step, (now, changed)) in [
            (old, false),
            (half, false),
            (new, false),
            (new, true),
            (new, false),
            (gone, false),
            (gone, true),
            (new, false),
            (new, true),
            (new, false),
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!(polls.is_settled_change(now), changed, "step {step}");
        }
    }
}
