//! redis-server, which says what is right.
//!
//! `ZUMIC_TESTS_WITHOUT_REDIS=1` declares that this machine has none; without that a missing
//! `redis-server` fails the tests, so that no run leaves the comparison out unnoticed.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A redis-server on a Unix socket, ended with the test.
pub(crate) struct Oracle {
    process: Child,
    folder: PathBuf,
    stream: BufReader<UnixStream>,
}

impl Drop for Oracle {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

impl Oracle {
    /// A server of its own for a test; `None` when the machine is declared to have none.
    pub(crate) fn start(name: &str) -> Option<Self> {
        if std::env::var_os("ZUMIC_TESTS_WITHOUT_REDIS").is_some_and(|value| value == "1") {
            eprintln!("ZUMIC_TESTS_WITHOUT_REDIS=1: nothing is compared with redis-server");
            return None;
        }
        let folder = std::env::temp_dir().join(format!("zumic-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder for the socket");
        let socket = folder.join("redis");
        let process = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
            .arg(&socket)
            .current_dir(&folder)
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed, or ZUMIC_TESTS_WITHOUT_REDIS=1 says it is not");
        let begun = Instant::now();
        let stream = loop {
            match UnixStream::connect(&socket) {
                Ok(stream) => break stream,
                Err(error) if begun.elapsed() > Duration::from_secs(20) => panic!("{error}"),
                Err(_) => std::thread::yield_now(),
            }
        };
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a socket has timeouts");
        Some(Self { process, folder, stream: BufReader::new(stream) })
    }

    /// The raw reply to EVAL.
    pub(crate) fn eval(&mut self, body: &[u8], args: &[&[u8]]) -> Vec<u8> {
        let mut words: Vec<&[u8]> = vec![b"EVAL", body, b"0"];
        words.extend(args);
        self.command(&words)
    }

    /// The raw reply to a command.
    pub(crate) fn command(&mut self, words: &[&[u8]]) -> Vec<u8> {
        let mut request = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            request.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            request.extend_from_slice(word);
            request.extend_from_slice(b"\r\n");
        }
        self.stream.get_mut().write_all(&request).expect("redis-server reads");
        let mut reply = Vec::new();
        self.read(&mut reply);
        reply
    }

    fn read(&mut self, reply: &mut Vec<u8>) {
        let start = reply.len();
        self.stream.read_until(b'\n', reply).expect("redis-server answers");
        let head = String::from_utf8_lossy(&reply[start..]).trim_end().to_owned();
        let number = || head[1..].parse::<i64>().expect("a length");
        match head.as_bytes().first() {
            Some(b'$' | b'=') if number() >= 0 => {
                let len = usize::try_from(number()).expect("not negative") + 2;
                let start = reply.len();
                reply.resize(start + len, 0);
                self.stream.read_exact(&mut reply[start..]).expect("redis-server answers");
            }
            Some(b'*' | b'~') => (0..number()).for_each(|_| self.read(reply)),
            Some(b'%') => (0..2 * number()).for_each(|_| self.read(reply)),
            Some(_) => {}
            None => panic!("redis-server hung up"),
        }
    }
}

/// The seed of a run: `SEED` in the environment, or the time.
pub(crate) fn seed() -> u64 {
    let given = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    given.unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        now.map_or(1, |now| now.as_secs() * 1_000 + u64::from(now.subsec_millis()))
    })
}
