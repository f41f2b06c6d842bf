//! Starting the real servers, and ending them.
//!
//! Why it exists: the suite compares binaries, so `Zumic` and `Redis` differ only in how their
//! command line is spelled. Not for settings that a test wants to vary: it passes those as
//! `--option value` pairs.
//!
//! Invariants
//! - I1: a `Running` owns its process and ends it on drop, by process id, whatever happened.
//! - I2: a server counts as ready only when it answers `PING` *and* names its own process id in
//!   `INFO`: a port taken by a stranger between our probe and its start is noticed.

use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use super::client::Client;
use super::reply::Reply;

/// How long a server may take to answer its first `PING`.
const START_MAX: Duration = Duration::from_secs(20);

/// How often a lost race for the port is run again.
const START_TRIES: usize = 5;

/// A kind of server that the suite can start.
pub(crate) trait Server: Sync {
    /// What a failure calls it.
    fn name(&self) -> String;
    /// The command line, complete but for the caller's own options.
    fn command(&self, port: u16, folder: &Path) -> Command;
    /// Whether this is Zumic, for the cases that only Zumic has.
    fn is_zumic(&self) -> bool;
}

/// The binary of this workspace.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Zumic {
    /// Number of reactors.
    pub(crate) threads: usize,
}

impl Server for Zumic {
    fn name(&self) -> String {
        format!("zumic --threads {}", self.threads)
    }

    fn command(&self, port: u16, folder: &Path) -> Command {
        let mut command = zumic_command();
        command.current_dir(folder);
        command.args(["--bind", "127.0.0.1", "--port", &port.to_string()]);
        command.args(["--threads", &self.threads.to_string()]);
        command.args(["--enable-debug-command", "yes"]);
        command
    }

    fn is_zumic(&self) -> bool {
        true
    }
}

/// The same, where each reply waits for the disk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OnDisk;

impl Server for OnDisk {
    fn name(&self) -> String {
        "zumic --mode persistent --appendfsync always".to_owned()
    }

    fn command(&self, port: u16, folder: &Path) -> Command {
        let mut command = Zumic { threads: 2 }.command(port, folder);
        command.args(["--mode", "persistent", "--dir", "data", "--appendfsync", "always"]);
        command
    }

    fn is_zumic(&self) -> bool {
        true
    }
}

/// Where cargo put the `zumic` binary.
pub(crate) fn zumic_path() -> &'static str {
    env!("CARGO_BIN_EXE_zumic")
}

/// A command that runs `zumic` and inherits no setting: `ZUMIC_STRESS` and its like are for the
/// tests, and the server rightly refuses a `ZUMIC_` variable that names no setting.
pub(crate) fn zumic_command() -> Command {
    let mut command = Command::new(zumic_path());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ZUMIC_") {
            command.env_remove(name);
        }
    }
    command
}

/// A command that runs a program as somebody who may not write everywhere: root may, whatever the
/// permissions say, so it becomes somebody else.
pub(crate) fn without_power(program: &str) -> Command {
    use std::os::unix::fs::MetadataExt as _;
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|about| about.uid() == 0);
    if !is_root {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--clear-groups", "--", program]);
    command
}

/// The oracle: `redis-server` from the path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Redis;

impl Server for Redis {
    fn name(&self) -> String {
        "redis-server".to_owned()
    }

    fn command(&self, port: u16, folder: &Path) -> Command {
        let mut command = Command::new("redis-server");
        command.current_dir(folder);
        command.args(["--bind", "127.0.0.1", "--port", &port.to_string()]);
        command.args(["--save", "", "--appendonly", "no", "--enable-debug-command", "yes"]);
        command
    }

    fn is_zumic(&self) -> bool {
        false
    }
}

/// True when the oracle may be used. `ZUMIC_TESTS_WITHOUT_REDIS=1` declares that this machine
/// has none; without that a missing `redis-server` fails the tests, so that no run leaves the
/// comparison out unnoticed.
pub(crate) fn oracle_available() -> bool {
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    *AVAILABLE.get_or_init(|| {
        if std::env::var_os("ZUMIC_TESTS_WITHOUT_REDIS").is_some_and(|value| value == "1") {
            eprintln!("ZUMIC_TESTS_WITHOUT_REDIS=1: nothing is compared with redis-server");
            return false;
        }
        let found = Command::new("redis-server").arg("--version").stdout(Stdio::null()).status();
        assert!(
            found.is_ok_and(|status| status.success()),
            "redis-server is not installed; install it (7.0 or 7.2), or set \
             ZUMIC_TESTS_WITHOUT_REDIS=1 to run without the comparison"
        );
        true
    })
}

/// A server that answers.
pub(crate) struct Running {
    child: Child,
    folder: Folder,
    name: String,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Running {
    /// Starts `server` with its defaults.
    ///
    /// # Panics
    /// When it does not come up.
    pub(crate) fn start(server: &dyn Server) -> Self {
        Self::start_with(server, &[])
    }

    /// Starts `server` with more options.
    ///
    /// # Panics
    /// When it does not come up.
    pub(crate) fn start_with(server: &dyn Server, options: &[&str]) -> Self {
        Self::start_by(server, |command| {
            command.args(options);
        })
    }

    /// Starts `server` after `adjust` has changed its command line or environment.
    ///
    /// # Panics
    /// When it does not come up.
    pub(crate) fn start_by(server: &dyn Server, adjust: impl Fn(&mut Command)) -> Self {
        Self::launch(server, |port, folder| {
            let mut command = server.command(port, folder);
            adjust(&mut command);
            command
        })
    }

    /// Starts the command that `build` makes; for servers inside wrappers such as a shell.
    ///
    /// # Panics
    /// When it does not come up.
    pub(crate) fn launch(server: &dyn Server, build: impl Fn(u16, &Path) -> Command) -> Self {
        let mut said = String::new();
        for _ in 0..START_TRIES {
            let folder = Folder::new();
            let port = free_port();
            let mut command = build(port, folder.path());
            command.stdin(Stdio::null()).stdout(folder.log_file()).stderr(folder.log_file());
            let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let mut running = Self { child, folder, name: server.name(), address };
            match running.wait_ready() {
                Ok(()) => return running,
                Err(reason) => said = format!("{reason}\n{}", running.log()),
            }
        }
        panic!("{} did not start: {said}", server.name());
    }

    fn wait_ready(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + START_MAX;
        loop {
            if let Some(status) = self.child.try_wait().map_err(|error| error.to_string())? {
                return Err(format!("it ended with {status}"));
            }
            match probe(self.address, self.child.id()) {
                Ok(true) => return Ok(()),
                Ok(false) => return Err("somebody else listens on that port".to_owned()),
                Err(error) if Instant::now() > deadline => return Err(error.to_string()),
                Err(_) => thread::sleep(Duration::from_millis(2)),
            }
        }
    }

    /// Opens a connection.
    ///
    /// # Panics
    /// When the server does not accept.
    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.address).unwrap_or_else(|error| {
            panic!("cannot connect to {}: {error}\n{}", self.name, self.log())
        })
    }

    /// The port, as text for command lines.
    pub(crate) fn port(&self) -> String {
        self.address.port().to_string()
    }

    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A folder of its own, removed with the server.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What the server wrote to stdout and stderr so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Resident memory in bytes, from the kernel and not from the server's own books.
    ///
    /// # Panics
    /// When the process is gone.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let path = format!("/proc/{}/status", self.pid());
        let status = std::fs::read_to_string(&path).unwrap_or_else(|error| {
            panic!("{path}: {error}\n{}", self.log());
        });
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|rest| rest.split_whitespace().next()).expect("VmRSS is listed");
        kib.parse::<u64>().expect("VmRSS is a number") * 1024
    }

    /// Sends a signal by name (`TERM`, `INT`, ...).
    ///
    /// # Panics
    /// When `kill` cannot be run.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(status.is_ok_and(|status| status.success()), "kill -s {name} {pid}");
    }

    /// Waits for the process to end by itself.
    ///
    /// # Panics
    /// When it has not ended after `limit`.
    pub(crate) fn wait_exit(&mut self, limit: Duration) -> ExitStatus {
        wait_exit(&mut self.child, limit)
            .unwrap_or_else(|| panic!("{} still runs after {limit:?}\n{}", self.name, self.log()))
    }

    /// True while the process has not ended.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_none())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only when the process has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let log = self.log();
            let tail: Vec<_> = log.lines().rev().take(20).collect();
            eprintln!("-- last lines of {} --", self.name);
            tail.iter().rev().for_each(|line| eprintln!("{line}"));
        }
    }
}

/// Waits for a child to end; `None` when it has not after `limit`.
pub(crate) fn wait_exit(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + limit;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return Some(status);
        }
        thread::sleep(Duration::from_millis(5));
    }
    None
}

/// What a command that must end by itself left behind.
pub(crate) struct Finished {
    /// Its exit code; `None` when a signal ended it.
    pub(crate) code: Option<i32>,
    /// All it wrote to stdout.
    pub(crate) stdout: String,
    /// All it wrote to stderr.
    pub(crate) stderr: String,
}

/// Runs a command to its end.
///
/// # Panics
/// When it cannot be started, or has not ended after `limit` (it is killed first).
pub(crate) fn finish(mut command: Command, limit: Duration) -> Finished {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let shown = format!("{command:?}");
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{shown}: {error}"));
    let stdout = collect(child.stdout.take().expect("stdout is piped"));
    let stderr = collect(child.stderr.take().expect("stderr is piped"));
    let status = wait_exit(&mut child, limit);
    if status.is_none() {
        // The panic below reports it; a failing kill would add nothing.
        let _ = child.kill();
        let _ = child.wait();
    }
    let stdout = stdout.join().expect("the reader does not panic");
    let stderr = stderr.join().expect("the reader does not panic");
    let Some(status) = status else { panic!("{shown}: no end in {limit:?}\n{stdout}\n{stderr}") };
    Finished { code: status.code(), stdout, stderr }
}

fn collect(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // A broken pipe ends the output; what came is what there is.
        let _ = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Is it ready, and is it ours? A server that wants a password, or that is full, is ready too.
fn probe(address: SocketAddr, pid: u32) -> io::Result<bool> {
    let mut client = Client::connect(address)?;
    match client.try_call(&["PING"])? {
        Reply::Simple(_) => {}
        Reply::Error(text) if text.starts_with(b"LOADING") => {
            return Err(io::Error::other("still loading"));
        }
        _ => return Ok(true),
    }
    let info = client.try_call(&["INFO", "server"])?;
    if info.is_error() {
        return Ok(true);
    }
    let ours = format!("process_id:{pid}\r");
    Ok(info.text().split('\n').any(|line| line == ours))
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has free ports");
    listener.local_addr().expect("a bound socket has an address").port()
}

/// A folder under the build directory that is removed on drop.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Makes a new empty folder.
    ///
    /// # Panics
    /// When the file system refuses.
    pub(crate) fn new() -> Self {
        static NEXT: std::sync::Mutex<u32> = std::sync::Mutex::new(0);
        let mut next = NEXT.lock().expect("no holder panics");
        *next += 1;
        // Unix socket paths end at 108 bytes, so the folder is in the system's short one.
        let name = format!("zumic-test-{}-{}", std::process::id(), *next);
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("the temporary folder is writable");
        Self(path)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    fn log_file(&self) -> Stdio {
        let path = self.0.join("log");
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        file.expect("the temporary folder is writable").into()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A leftover folder is untidy, not wrong.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
