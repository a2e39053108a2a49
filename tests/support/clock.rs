//! A separate wall clock for a process, set by the test (libfaketime).

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::{Node, World};

pub struct Clock {
    file: PathBuf,
    pids: RefCell<Vec<u32>>,
}

/// The library leaves shared memory behind if a process is killed, which would affect the next
/// process with the same id.
impl Drop for Clock {
    fn drop(&mut self) {
        for pid in self.pids.borrow().iter() {
            for name in [
                format!("faketime_shm_{pid}"),
                format!("sem.faketime_sem_{pid}"),
            ] {
                let _ = std::fs::remove_file(Path::new("/dev/shm").join(name));
            }
        }
    }
}

/// The path of the library, as printed by the command that preloads it.
fn library() -> &'static str {
    static LIBRARY: OnceLock<String> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let said = Command::new("faketime")
            .args(["-m", "-f", "+0s", "printenv", "LD_PRELOAD"])
            .output();
        let said = said.expect("the test must say that it needs Tool::Faketime");
        String::from_utf8(said.stdout).unwrap().trim().to_owned()
    })
}

impl Clock {
    /// A clock that is right at first.
    pub fn new(world: &World, name: &str) -> Self {
        let clock = Clock {
            file: world.folder.join(format!("clock-{name}")),
            pids: RefCell::default(),
        };
        clock.set("+0s");
        clock
    }

    /// Sets the offset from now on: `+2h`, `-6s`.
    pub fn set(&self, offset: &str) {
        // Replaced by a rename, so that no process reads half of it.
        let draft = self.file.with_extension("draft");
        std::fs::write(&draft, format!("{offset}\n")).unwrap();
        std::fs::rename(&draft, &self.file).unwrap();
    }

    /// Gives a process this wall clock; its monotonic clocks stay as they are.
    pub fn give_to(&self, command: &mut Command) {
        command
            .env("LD_PRELOAD", library())
            .env("FAKETIME_TIMESTAMP_FILE", &self.file)
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("NO_FAKE_STAT", "1");
    }

    pub fn start(&self, world: &World, flags: &[&str]) -> Node {
        let mut command = world.command(&["serve"]);
        self.give_to(&mut command);
        let node = Node::start(command, flags)
            .unwrap_or_else(|logs| panic!("the node did not start: {logs}"));
        self.pids.borrow_mut().push(node.pid());
        node
    }

    /// Runs a command that must succeed.
    pub fn run(&self, world: &World, arguments: &[&str]) {
        let mut command = world.command(arguments);
        self.give_to(&mut command);
        let output = command.output().unwrap();
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
