//! Child processes, and the measurement of their cost.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::Outcome;

/// The folder of all files: in the target folder, which is on a real disk.
const SCRATCH: &str = env!("CARGO_TARGET_TMPDIR");

/// A new folder, removed when it is dropped.
pub struct Folder(PathBuf);

impl Folder {
    /// Creates a folder of this name.
    pub fn new(name: &str) -> Outcome<Self> {
        let path = Path::new(SCRATCH).join(format!("cost-{}-{name}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Folder(path))
    }

    /// The path of a file in the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A file that cannot be removed stays in the target folder, where it does no harm.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A child process with a folder, killed when it is dropped.
pub struct Process {
    child: Child,
    folder: Folder,
}

impl Process {
    /// Starts the process.
    pub fn start(folder: Folder, command: &mut Command) -> Outcome<Self> {
        let child = command
            .spawn()
            .map_err(|error| format!("{}: {error}", command.get_program().to_string_lossy()))?;
        Ok(Process { child, folder })
    }

    /// Whether the process is running.
    pub fn runs(&mut self) -> Outcome<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    fn proc(&self, file: &str) -> PathBuf {
        Path::new("/proc")
            .join(self.child.id().to_string())
            .join(file)
    }

    /// Memory in KiB: resident (`VmRSS:`) or the maximum (`VmHWM:`).
    pub fn memory(&self, what: &str) -> Outcome<u64> {
        let status = fs::read_to_string(self.proc("status"))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(what))
            .ok_or("not in status")?;
        Ok(line.trim_end_matches("kB").trim().parse()?)
    }

    /// The CPU time of each thread, in nanoseconds.
    fn runtimes(&self) -> Outcome<HashMap<PathBuf, u64>> {
        let mut runtimes = HashMap::new();
        for task in fs::read_dir(self.proc("task"))? {
            let task = task?.path();
            // The thread may have ended since it was listed.
            let Ok(text) = fs::read_to_string(task.join("schedstat")) else {
                continue;
            };
            runtimes.insert(task, text.split(' ').next().unwrap_or_default().parse()?);
        }
        if runtimes.is_empty() {
            Err("this kernel keeps no schedstat".into())
        } else {
            Ok(runtimes)
        }
    }

    /// Makes callgrind dump the cost since the last dump, and sums it up.
    fn dump(&self) -> Outcome<u64> {
        let asked = Command::new("vgdb")
            .arg(format!("--pid={}", self.child.id()))
            .arg("dump")
            .output()?;
        if !asked.status.success() {
            return Err(format!("vgdb: {}", String::from_utf8_lossy(&asked.stderr)).into());
        }
        let mut total = None;
        for file in fs::read_dir(&self.folder.0)? {
            let file = file?.path();
            // callgrind appends a number to the name.
            if file
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(DUMP))
            {
                let text = fs::read_to_string(&file)?;
                total = text
                    .lines()
                    .find_map(|line| line.strip_prefix("totals: ")?.trim().parse().ok());
                fs::rename(&file, Path::new(SCRATCH).join(DUMP))?;
            }
        }
        Ok(total.ok_or("callgrind wrote no totals")?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The prefix of callgrind's files.
const DUMP: &str = "callgrind.out";

/// Keeps callgrind's last dump, if there is one, under this name.
pub fn name_dump(name: &str) {
    let file = Path::new(SCRATCH).join(DUMP);
    let _ = fs::rename(&file, file.with_extension(name));
}

/// The cost of one operation of a process.
#[derive(Clone, Copy)]
pub struct Cost {
    /// CPU time in nanoseconds, including the kernel's. Not measured under callgrind, where time is
    /// meaningless.
    pub nanos: Option<f64>,
    /// Instructions, if they can be counted: perf includes the kernel's, callgrind does not.
    pub instructions: Option<f64>,
}

/// How cost is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Meter {
    /// Only CPU time.
    Time,
    /// CPU time, and instructions from the processor's counters.
    TimeAndPerf,
    /// Instructions in user mode, counted by callgrind, under which a process is some fifty times
    /// slower.
    Callgrind,
}

impl Meter {
    /// The best method of this machine, or callgrind if requested.
    pub fn choose(callgrind: bool) -> Outcome<Self> {
        if callgrind {
            let there = ["valgrind", "vgdb"]
                .iter()
                .all(|tool| Command::new(tool).arg("--version").output().is_ok());
            return if there {
                Ok(Meter::Callgrind)
            } else {
                Err("--callgrind needs valgrind, with its vgdb".into())
            };
        }
        let tried = Command::new("perf")
            .args(["stat", "-x,", "-e", EVENTS, "true"])
            .output();
        let counted = tried
            .is_ok_and(|tried| instructions(&String::from_utf8_lossy(&tried.stderr)).is_some());
        Ok(if counted {
            Meter::TimeAndPerf
        } else {
            Meter::Time
        })
    }

    /// The command that runs `program` under the meter.
    pub fn command(self, program: &Path, folder: &Folder) -> Command {
        if self != Meter::Callgrind {
            return Command::new(program);
        }
        let mut command = Command::new("valgrind");
        // Fair scheduling, because a thread that waits for a lock would starve otherwise.
        command.args(["--quiet", "--tool=callgrind", "--fair-sched=yes"]);
        command
            .arg(format!(
                "--callgrind-out-file={}",
                folder.file(DUMP).display()
            ))
            .arg(program);
        command
    }

    /// The cost of one operation of `process`, while `work` makes it perform `count` of them.
    pub fn measure<T>(
        self,
        process: &Process,
        count: usize,
        work: impl FnOnce() -> Outcome<T>,
    ) -> Outcome<(Cost, T)> {
        let each = |all: u64| Some(all as f64 / count as f64);
        if self == Meter::Callgrind {
            // A dump has the cost since the previous one, so the cost of the start is excluded.
            process.dump()?;
            let result = work()?;
            return Ok((
                Cost {
                    nanos: None,
                    instructions: each(process.dump()?),
                },
                result,
            ));
        }
        let perf = if self == Meter::TimeAndPerf {
            Some(Perf::attach(process)?)
        } else {
            None
        };
        let before = process.runtimes()?;
        let result = work()?;
        let after = process.runtimes()?;
        // Per thread, because an idle thread may end and its time with it.
        let spent = after
            .iter()
            .map(|(task, runtime)| runtime - before.get(task).unwrap_or(&0));
        let counted = perf.map(Perf::detach).transpose()?.flatten();
        Ok((
            Cost {
                nanos: each(spent.sum()),
                instructions: counted.and_then(each),
            },
            result,
        ))
    }
}

const EVENTS: &str = "instructions:u,instructions:k";

/// `perf stat` on a running process.
struct Perf(Child);

impl Perf {
    fn attach(process: &Process) -> Outcome<Self> {
        let mut command = Command::new("perf");
        command.args([
            "stat",
            "-x,",
            "-e",
            EVENTS,
            "-p",
            &process.child.id().to_string(),
        ]);
        let child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        // perf does not report that it has begun.
        sleep(Duration::from_millis(200));
        Ok(Perf(child))
    }

    fn detach(mut self) -> Outcome<Option<u64>> {
        Command::new("kill")
            .arg("-INT")
            .arg(self.0.id().to_string())
            .status()?;
        let mut said = String::new();
        self.0
            .stderr
            .take()
            .ok_or("no pipe")?
            .read_to_string(&mut said)?;
        self.0.wait()?;
        Ok(instructions(&said))
    }
}

/// The sum of both events in the output of `perf stat -x,`, or none if one is not supported.
fn instructions(said: &str) -> Option<u64> {
    let counts = said.lines().filter(|line| line.contains(",instructions:"));
    let counts: Vec<u64> = counts
        .map(|line| line.split(',').next()?.parse().ok())
        .collect::<Option<_>>()?;
    (counts.len() == 2).then(|| counts.iter().sum())
}

/// A child process that runs this program as a worker, which reads its instructions from standard
/// input (see `baseline`).
pub struct Worker {
    /// The child process.
    pub process: Process,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

/// The line that a worker prints when it has finished.
pub const DONE: &str = "done";

impl Worker {
    /// Starts the worker of this name.
    pub fn start(meter: Meter, name: &str) -> Outcome<Self> {
        let folder = Folder::new(name)?;
        let mut command = meter.command(&std::env::current_exe()?, &folder);
        let command = command
            .args([crate::WORKER, name])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut process = Process::start(folder, command)?;
        let pipes = process.child.stdin.take().zip(process.child.stdout.take());
        let (stdin, stdout) = pipes.ok_or("no pipes")?;
        Ok(Worker {
            process,
            stdin,
            stdout: BufReader::new(stdout),
        })
    }

    /// Reads the worker's next line.
    pub fn hear(&mut self) -> Outcome<String> {
        hear(&mut self.stdout)
    }

    /// The cost of one operation, of `count`.
    pub fn measure(&mut self, meter: Meter, count: usize) -> Outcome<Cost> {
        let Worker {
            process,
            stdin,
            stdout,
        } = self;
        let (cost, said) = meter.measure(process, count, || {
            writeln!(stdin, "{count}")?;
            hear(stdout)
        })?;
        if said == DONE {
            Ok(cost)
        } else {
            Err("a worker ended before its work".into())
        }
    }
}

fn hear(stdout: &mut BufReader<ChildStdout>) -> Outcome<String> {
    let mut line = String::new();
    stdout.read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}
