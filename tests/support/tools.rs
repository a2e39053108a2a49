//! The third-party programs and servers that some tests need, and whether they are available.
//!
//! A test that needs one begins with `needs!(Tool::…)`. If the tool is missing, the test returns at
//! once, and the first such test prints a line that says so. With `TEST_REQUIRE_ALL=1`, which
//! `tests/run` sets, a missing tool is a failure.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, Mutex};

/// Flags of `java` for programs that run for a few seconds: the second compiler, the parallel garbage
/// collector and the verification of the libraries' bytecode cost more CPU time than they save.
pub const JVM_FLAGS: [&str; 4] = [
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-XX:+UnlockDiagnosticVMOptions",
    "-XX:-BytecodeVerificationRemote",
];

/// Something that is not part of a Rust toolchain or of every Linux system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tool {
    /// A running server on which a database is created for each test.
    Postgres,
    /// `initdb` and `pg_ctl`, for servers that a test stops and configures.
    PostgresPrograms,
    PgBouncer,
    /// Python with the packages of `tests/interop/python/requirements.txt`.
    Python,
    /// Node.js with the packages of `tests/interop/javascript/package.json`.
    Node,
    Go,
    /// A folder with `spire-server` and `spire-agent`, which take long to build, so this is never
    /// required.
    Spire,
    /// A JDK with the jars of `tests/interop/java/pom.xml`.
    Java,
    Chromium,
    Nginx,
    Promtool,
    Faketime,
    Curl,
    Openssl,
    /// The command that runs a program in a terminal.
    Script,
    /// Git, in a clone of the repository.
    Git,
    /// `dpkg-deb` and `dpkg-shlibdeps`.
    DpkgDev,
    SystemdAnalyze,
    /// Debian does not package it, so this is never required.
    Helm,
    /// What builds the site of the documentation. `tests/run` installs it; without it, this is never
    /// required.
    MdBook,
    /// The package registry, for a program with dependencies of its own.
    CratesIo,
}

impl Tool {
    const fn name(self) -> &'static str {
        match self {
            Tool::Postgres => "Postgres (TEST_POSTGRES_URL)",
            Tool::PostgresPrograms => "initdb and pg_ctl (TEST_POSTGRES_BIN)",
            Tool::PgBouncer => "PgBouncer (TEST_PGBOUNCER)",
            Tool::Python => "Python with client libraries (TEST_PYTHON)",
            Tool::Node => "Node.js with client libraries (TEST_NODE_DIR)",
            Tool::Go => "Go",
            Tool::Spire => "SPIRE (TEST_SPIRE)",
            Tool::Java => "Java with client libraries (TEST_JAVA_DIR)",
            Tool::Chromium => "Chromium (TEST_CHROMIUM)",
            Tool::Nginx => "nginx (TEST_NGINX)",
            Tool::Promtool => "promtool (TEST_PROMTOOL)",
            Tool::Faketime => "libfaketime",
            Tool::Curl => "curl",
            Tool::Openssl => "OpenSSL",
            Tool::Script => "script",
            Tool::Git => "Git",
            Tool::DpkgDev => "dpkg-dev",
            Tool::SystemdAnalyze => "systemd-analyze",
            Tool::Helm => "Helm",
            Tool::MdBook => "mdBook (TEST_MDBOOK)",
            Tool::CratesIo => "crates.io (TEST_CRATES_IO)",
        }
    }

    fn is_there(self) -> bool {
        match self {
            Tool::Postgres => std::env::var_os("TEST_POSTGRES_URL").is_some(),
            Tool::PostgresPrograms => postgres_programs().is_some() && can_be_unprivileged(),
            Tool::PgBouncer => pgbouncer().is_file() && can_be_unprivileged(),
            Tool::Python => std::env::var_os("TEST_PYTHON").is_some(),
            Tool::Node => std::env::var_os("TEST_NODE_DIR").is_some() && on_path("node"),
            Tool::Go => on_path("go"),
            Tool::Spire => std::env::var_os("TEST_SPIRE").is_some(),
            Tool::Java => std::env::var_os("TEST_JAVA_DIR").is_some() && on_path("java"),
            Tool::Chromium => std::env::var_os("TEST_CHROMIUM").is_some(),
            Tool::Nginx => std::env::var_os("TEST_NGINX").is_some(),
            Tool::Promtool => std::env::var_os("TEST_PROMTOOL").is_some(),
            Tool::Faketime => on_path("faketime"),
            Tool::Curl => on_path("curl"),
            Tool::Openssl => on_path("openssl"),
            Tool::Script => on_path("script"),
            Tool::Git => on_path("git") && super::repository(".git").exists(),
            Tool::DpkgDev => on_path("dpkg-deb") && on_path("dpkg-shlibdeps"),
            Tool::SystemdAnalyze => on_path("systemd-analyze"),
            Tool::Helm => on_path("helm"),
            Tool::MdBook => std::env::var_os("TEST_MDBOOK").is_some(),
            Tool::CratesIo => std::env::var_os("TEST_CRATES_IO").is_some(),
        }
    }

    /// Whether a test that needs this tool can run. If it is missing, prints so, or panics if
    /// everything is required.
    pub fn is_usable(self) -> bool {
        if self.is_there() {
            return true;
        }
        assert!(
            matches!(self, Tool::Spire | Tool::Helm | Tool::MdBook)
                || std::env::var_os("TEST_REQUIRE_ALL").is_none(),
            "{} is missing, and TEST_REQUIRE_ALL is set",
            self.name()
        );
        static REPORTED: Mutex<BTreeSet<Tool>> = Mutex::new(BTreeSet::new());
        if REPORTED.lock().unwrap().insert(self) {
            // libtest captures the output of print macros, but not direct writes to the stream.
            let how = match self {
                Tool::Spire => "set it to the folder of spire-server and spire-agent",
                Tool::Helm => "install it",
                _ => "`tests/run` runs them",
            };
            let line = format!("\nskipped: all tests that need {}; {how}\n", self.name());
            let _ = std::io::stderr().write_all(line.as_bytes());
        }
        false
    }
}

/// Returns from a test whose tools are missing, with a printed line.
macro_rules! needs {
    ($($tool:expr),+ $(,)?) => {
        if !($($tool.is_usable())&&+) {
            return;
        }
    };
}

fn on_path(program: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).any(|folder| folder.join(program).is_file())
}

/// Postgres and PgBouncer refuse to run as root.
fn can_be_unprivileged() -> bool {
    !super::postgres::is_root() || on_path("runuser")
}

/// The value of a variable that `tests/run` sets.
pub fn variable(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: the test must say which tool it needs"))
}

/// The folder of `initdb` and `pg_ctl`: Debian keeps them out of `PATH`.
pub fn postgres_programs() -> Option<&'static Path> {
    static FOLDER: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
        if let Some(folder) = std::env::var_os("TEST_POSTGRES_BIN") {
            return Some(PathBuf::from(folder));
        }
        let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
        versions
            .filter_map(|version| Some(version.ok()?.path().join("bin")))
            .filter(|folder| folder.join("initdb").is_file())
            .max()
    });
    FOLDER.as_deref()
}

pub fn pgbouncer() -> PathBuf {
    std::env::var_os("TEST_PGBOUNCER").map_or_else(|| "/usr/sbin/pgbouncer".into(), PathBuf::from)
}

/// A command of the Python environment that `TEST_PYTHON` is in.
pub fn python_tool(name: &str) -> Command {
    Command::new(Path::new(&variable("TEST_PYTHON")).with_file_name(name))
}

pub fn python(script: &str) -> Command {
    let mut command = Command::new(variable("TEST_PYTHON"));
    command.arg(super::repository("tests/interop/python").join(script));
    command
}

/// A script beside which Node.js finds the packages.
pub fn node(script: &str) -> Command {
    let mut command = Command::new("node");
    command.arg(Path::new(&variable("TEST_NODE_DIR")).join(script));
    command
}

/// A program in one file of `tests/interop/java`, with the jars of `TEST_JAVA_DIR`.
pub fn java_source(file: &str) -> Command {
    let mut command = java();
    command
        .arg("-cp")
        .arg(Path::new(&variable("TEST_JAVA_DIR")).join("*"))
        .arg(super::repository(&format!("tests/interop/java/{file}")));
    command
}

pub fn go(folder: &Path) -> Command {
    let mut command = Command::new("go");
    command
        .args(["run", "."])
        .current_dir(folder)
        .envs(go_environment());
    command
}

/// The variables of each call of `go`. All calls share them, so that the standard library is
/// compiled once.
pub fn go_environment() -> [(&'static str, OsString); 5] {
    let cache = super::repository("target/interop-go-cache");
    [
        ("GOCACHE", cache.into_os_string()),
        ("GOTOOLCHAIN", "local".into()),
        // No C compiler for what the standard library also has in Go.
        ("CGO_ENABLED", "0".into()),
        // Without inlining, the standard library compiles in two thirds of the CPU time.
        ("GOFLAGS", "-gcflags=all=-l -buildvcs=false".into()),
        // The compiler collects garbage less often.
        ("GOGC", "400".into()),
    ]
}

/// Compiles a Java program to classes in a folder. Returns the class path to run it with.
pub fn compile_java(sources: &[PathBuf], jars: &Path, folder: &Path) -> String {
    let output = Command::new("javac")
        .args(JVM_FLAGS.map(|flag| format!("-J{flag}")))
        // Annotation processors in the jars are not looked for.
        .args(["-proc:none", "-parameters", "-encoding", "UTF-8", "-cp"])
        .arg(jars)
        .arg("-d")
        .arg(folder)
        .args(sources)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{sources:?}: {said}");
    format!("{}:{}", folder.display(), jars.display())
}

pub fn java() -> Command {
    let mut command = Command::new("java");
    command.args(JVM_FLAGS);
    command
}

/// A folder for `PATH` with a `java` that takes [`JVM_FLAGS`]. The variables that set flags make
/// Java print a line.
pub fn java_folder(within: &Path) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let java = std::env::split_paths(&paths)
        .map(|folder| folder.join("java"))
        .find(|program| program.is_file());
    let folder = within.join("bin");
    std::fs::create_dir_all(&folder).unwrap();
    let script = folder.join("java");
    let flags = JVM_FLAGS.join(" ");
    let text = format!(
        "#!/bin/sh\nexec '{}' {flags} \"$@\"\n",
        java.unwrap().display()
    );
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}
