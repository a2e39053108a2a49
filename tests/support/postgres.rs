//! A Postgres server and a PgBouncer for one test, which can stop, freeze and configure them.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;

use super::{send_signal, tools, try_signal, within};

fn postgres_bin() -> &'static Path {
    tools::postgres_programs().expect("the test must say that it needs Tool::PostgresPrograms")
}

pub fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

/// Postgres and PgBouncer refuse to run as root.
fn unprivileged(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("runuser");
    command
        .args(["-u", "postgres", "--"])
        .arg(program)
        .current_dir("/");
    command
}

fn hand_over(path: &Path) {
    if is_root() {
        assert!(
            Command::new("chown")
                .args(["-R", "postgres"])
                .arg(path)
                .status()
                .unwrap()
                .success()
        );
    }
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

fn new_folder(kind: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!(
        "keyward_{kind}_{}_{}",
        std::process::id(),
        free_port()
    ));
    std::fs::create_dir(&folder).unwrap();
    hand_over(&folder);
    folder
}

/// A server that runs until it is dropped. The user `postgres` needs no password.
pub struct Cluster {
    pub folder: PathBuf,
    pub port: u16,
}

impl Cluster {
    pub fn start(configuration: &str) -> Self {
        let cluster = Cluster {
            folder: new_folder("cluster"),
            port: free_port(),
        };
        let mut initdb = unprivileged(&postgres_bin().join("initdb"));
        initdb.arg("--pgdata").arg(cluster.data());
        initdb.args([
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        ]);
        assert!(initdb.stdout(Stdio::null()).status().unwrap().success());
        let all = format!(
            "listen_addresses = '127.0.0.1'\nport = {}\nunix_socket_directories = ''\nfsync = off\n{configuration}\n",
            cluster.port
        );
        cluster.file("data/more.conf", &all);
        let own = std::fs::read_to_string(cluster.data().join("postgresql.conf")).unwrap();
        cluster.file(
            "data/postgresql.conf",
            &format!("{own}\ninclude 'more.conf'\n"),
        );
        cluster.start_again();
        cluster
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Writes a file that only the server can read.
    pub fn file(&self, name: &str, content: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.folder.join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        hand_over(&path);
        path
    }

    fn control(&self, arguments: &[&str]) -> bool {
        let mut command = unprivileged(&postgres_bin().join("pg_ctl"));
        command
            .arg("--pgdata")
            .arg(self.data())
            .arg("--log")
            .arg(self.folder.join("log"))
            .args(["--wait", "--silent"]);
        command
            .args(arguments)
            .stdout(Stdio::null())
            .status()
            .unwrap()
            .success()
    }

    pub fn start_again(&self) {
        let log = || std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        assert!(
            self.control(&["start"]),
            "Postgres did not start: {}",
            log()
        );
    }

    pub fn stop(&self) {
        assert!(self.control(&["stop", "--mode=fast"]));
    }

    /// Reloads changed configuration files.
    pub fn reload(&self) {
        assert!(self.control(&["reload"]));
    }

    /// Sends a signal to all its processes.
    pub fn signal(&self, signal: &str) {
        let pid_file = std::fs::read_to_string(self.data().join("postmaster.pid")).unwrap();
        let postmaster = pid_file.lines().next().unwrap().to_owned();
        let postmaster: i32 = postmaster.parse().unwrap();
        // The postmaster is stopped first, so that it forks no more backends.
        try_signal(u32::try_from(postmaster).unwrap(), signal);
        let all = procfs::process::all_processes().unwrap().flatten();
        let stats = all.filter_map(|process| process.stat().ok());
        let backends = stats.filter(|stat| stat.ppid == postmaster);
        for pid in backends.map(|stat| u32::try_from(stat.pid).unwrap()) {
            try_signal(pid, signal);
        }
    }

    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    pub fn execute(&self, statement: &str) {
        PgConnection::establish(&self.url("postgres"))
            .unwrap()
            .batch_execute(statement)
            .unwrap();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.data().join("postmaster.pid").exists() {
            self.signal("CONT");
            self.control(&["stop", "--mode=immediate"]);
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A PgBouncer in front of a Postgres, in transaction mode.
pub struct Pooler {
    child: Child,
    folder: PathBuf,
    pub port: u16,
}

impl Pooler {
    pub fn to(host: &str, port: u16, user: &str) -> Self {
        let (folder, own_port) = (new_folder("pooler"), free_port());
        let settings = format!(
            "[databases]\n* = host={host} port={port} user={user}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {own_port}\nunix_socket_dir =\n\
             auth_type = any\npool_mode = transaction\ndefault_pool_size = 5\nmax_client_conn = 200\n"
        );
        let file = folder.join("pgbouncer.ini");
        std::fs::write(&file, settings).unwrap();
        let mut command = unprivileged(&tools::pgbouncer());
        let child = command
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        within(Duration::from_secs(20), "the pooler", || {
            std::net::TcpStream::connect(("127.0.0.1", own_port)).ok()
        });
        Pooler {
            child,
            folder,
            port: own_port,
        }
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        // The signal goes to the started process: `runuser` passes SIGTERM on.
        send_signal(self.child.id(), "TERM");
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
