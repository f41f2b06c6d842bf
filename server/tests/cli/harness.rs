//! What the tests of `zumic-cli` share: servers to talk to, and programs run to their end.
//!
//! Why it exists: every test wants a redis-server of its own, the real client, and the original to
//! compare it with; and none may hang or leave a process behind.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// No program of these tests takes longer, on the slowest machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The client under test.
pub(crate) const ZUMIC_CLI: &str = env!("CARGO_BIN_EXE_zumic-cli");
/// What it is compared with.
pub(crate) const REDIS_CLI: &str = "redis-cli";

/// A directory that goes away with its owner.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("zc-{}-{test}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// A redis-server on a Unix socket and a free port, ended with the test.
pub(crate) struct Redis {
    process: Child,
    pub(crate) socket: String,
    pub(crate) port: u16,
    pub(crate) scratch: Scratch,
}

impl Redis {
    pub(crate) fn start(test: &str, more: &[&str]) -> Self {
        // Somebody may take the free port before the server does: then another one is tried.
        (0..10)
            .find_map(|_| Self::try_start(test, more))
            .expect("redis-server started on none of ten free ports")
    }

    fn try_start(test: &str, more: &[&str]) -> Option<Self> {
        let scratch = Scratch::new(test);
        let socket = scratch.0.join("s").display().to_string();
        let port = free_port();
        let spawned = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--unixsocket", &socket])
            .args(["--save", "", "--daemonize", "no", "--enable-debug-command", "yes"])
            .args(more)
            .current_dir(&scratch.0)
            .stdout(Stdio::piped())
            .spawn();
        let mut process = spawned.unwrap_or_else(|error| {
            panic!("these tests need redis-server and redis-cli, which are not installed: {error}")
        });
        let mut log = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        // Its log says when it listens; after that it must still be read, or the pipe fills.
        while !line.contains("ready to accept connections") {
            line.clear();
            if log.read_line(&mut line).unwrap() == 0 {
                process.wait().unwrap();
                return None;
            }
        }
        thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Some(Self { process, socket, port, scratch })
    }

    /// Runs a client with these arguments behind the server's address.
    pub(crate) fn run(&self, program: &str, arguments: &[&str], input: &[u8]) -> Output {
        let mut all = vec!["-s", &self.socket];
        all.extend(arguments);
        run(program, &all, &[], input)
    }

    /// Prepares data; the output of the client under test, which must succeed.
    pub(crate) fn zumic(&self, arguments: &[&str]) -> String {
        let output = self.run(ZUMIC_CLI, arguments, b"");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs both clients; their outputs and exit codes must be the same. Gives the output.
    pub(crate) fn compare(&self, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        let want = self.run(REDIS_CLI, arguments, input);
        let found = self.run(ZUMIC_CLI, arguments, input);
        assert_eq!(
            String::from_utf8_lossy(&found.stdout),
            String::from_utf8_lossy(&want.stdout),
            "{arguments:?}"
        );
        assert_eq!(found.stdout, want.stdout, "{arguments:?}");
        assert_eq!(found.status.code(), want.status.code(), "{arguments:?}: {found:?}");
        found.stdout
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A client without the surroundings of whoever runs the tests.
pub(crate) fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    for name in ["ZUMICCLI_AUTH", "REDISCLI_AUTH", "ZUMICCLI_HISTFILE", "REDISCLI_HISTFILE"] {
        command.env_remove(name);
    }
    command
}

/// Runs a program to its end with this input.
pub(crate) fn run(
    program: &str,
    arguments: &[impl AsRef<OsStr>],
    variables: &[(&str, &str)],
    input: &[u8],
) -> Output {
    let child = command(program)
        .args(arguments)
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.unwrap_or_else(|error| {
        panic!("{program} cannot be run (redis-cli must be installed): {error}")
    });
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // A program may end without reading everything.
    thread::spawn(move || drop(stdin.write_all(&input)));
    finish(child)
}

/// Waits for the end of a program, but not for ever.
pub(crate) fn finish(mut child: Child) -> Output {
    fn collect(mut stream: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).unwrap();
            bytes
        })
    }
    let stdout = child.stdout.take().map(collect);
    let stderr = child.stderr.take().map(collect);
    let end = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > end {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("a program did not end within {PATIENCE:?}");
        }
        thread::sleep(Duration::from_millis(2));
    };
    let bytes = |thread: Option<thread::JoinHandle<Vec<u8>>>| {
        thread.map_or_else(Vec::new, |thread| thread.join().unwrap())
    };
    Output { status, stdout: bytes(stdout), stderr: bytes(stderr) }
}

/// What a fake server does after its last answer.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Then {
    Close,
    Listen,
}

/// A server that answers the n-th request with the n-th of `answers`. Gives its port.
pub(crate) fn fake_server(answers: &'static [&'static [u8]], then: Then) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let mut stream: TcpStream = listener.accept().unwrap().0;
        let mut request = [0; 4096];
        for answer in answers {
            // The requests of these tests are far smaller than the buffer, and come one by one.
            if stream.read(&mut request).unwrap() == 0 {
                return;
            }
            stream.write_all(answer).unwrap();
        }
        while then == Then::Listen && !matches!(stream.read(&mut request), Ok(0) | Err(_)) {}
    });
    port
}
