//! A connection to the server that keys are sent to.
//!
//! Why it exists: of the protocol, short replies of one line are all that comes back, and what
//! went wrong decides whether sending again is safe. Not for clients: see `cli::connection`.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use protocol::encode_request;
use zumic_error::DumpError;

use super::order::Order;

/// Replies longer than this are none to RESTORE, DEL, SELECT or AUTH.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// A line of reply: nothing, or the text of an error.
pub(super) type Line = Result<(), String>;

/// Why a conversation ended early.
#[derive(Debug)]
pub(super) struct Trouble {
    /// The replies that came.
    pub(super) replies: Vec<Line>,
    /// Of the reading half.
    reading: bool,
    timed_out: bool,
    /// The other server refused the login or the database.
    refusal: Option<String>,
}

impl Trouble {
    fn new(error: &io::Error, reading: bool, replies: Vec<Line>) -> Self {
        let timed_out = matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock);
        Self { replies, reading, timed_out, refusal: None }
    }

    /// Whether the connection may have been closed before anything was done on it.
    pub(super) fn is_stale(&self) -> bool {
        self.replies.is_empty() && !self.timed_out && self.refusal.is_none()
    }

    /// What the client is told.
    pub(super) fn error(self) -> DumpError {
        match self.refusal {
            Some(text) => DumpError::MigrateTarget(text),
            None if self.reading => DumpError::MigrateReading,
            None => DumpError::MigrateWriting,
        }
    }
}

/// A connection.
#[derive(Debug)]
pub(super) struct Link {
    host: String,
    port: u16,
    stream: TcpStream,
    /// What was received and not read.
    received: Vec<u8>,
    /// The database that is selected there.
    db: Option<i64>,
    used: Instant,
}

impl Link {
    /// Connects.
    ///
    /// # Errors
    /// [`DumpError::MigrateConnecting`]: no such place, or no answer. A place that refuses is
    /// noticed by writing, in Redis, so [`DumpError::MigrateWriting`].
    pub(super) fn open(order: &Order) -> Result<Self, DumpError> {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::ConnectionRefused => DumpError::MigrateWriting,
            _ => DumpError::MigrateConnecting,
        };
        let port = order.port.ok_or(DumpError::MigrateConnecting)?;
        let addresses = (order.host.as_str(), port).to_socket_addrs().map_err(failed)?;
        let mut stream = Err(DumpError::MigrateConnecting);
        for address in addresses {
            stream = TcpStream::connect_timeout(&address, order.timeout).map_err(failed);
            if stream.is_ok() {
                break;
            }
        }
        let stream = stream?;
        stream.set_nodelay(true).map_err(failed)?;
        let host = order.host.clone();
        Ok(Self { host, port, stream, received: Vec::new(), db: None, used: Instant::now() })
    }

    /// Whether it is the connection that an order needs.
    pub(super) fn leads_to(&self, order: &Order) -> bool {
        self.host == order.host && Some(self.port) == order.port
    }

    /// How long nobody has used it.
    pub(super) fn idle(&self) -> Duration {
        self.used.elapsed()
    }

    /// Logs in and selects the database, as far as that is not done. Unlike Redis, which sends
    /// the keys behind that in any case, it waits for the reply: keys must not go to another
    /// database.
    pub(super) fn greet(&mut self, order: &Order) -> Result<(), Trouble> {
        let timeout = Some(order.timeout);
        let set = self.stream.set_read_timeout(timeout);
        set.and_then(|()| self.stream.set_write_timeout(timeout))
            .map_err(|error| Trouble::new(&error, false, Vec::new()))?;
        let (mut requests, mut count) = (Vec::new(), 0);
        if let Some(words) = &order.login {
            let words: Vec<&[u8]> = words.iter().map(|word| word.expose()).collect();
            encode_request(&mut requests, &[&[&b"AUTH"[..]], &words[..]].concat());
            count += 1;
        }
        if self.db != Some(order.target_db) {
            // The database of a new connection is 0, but for a login that has another.
            let db = order.target_db.to_string();
            encode_request(&mut requests, &[&b"SELECT"[..], db.as_bytes()]);
            count += 1;
        }
        if count == 0 {
            return Ok(());
        }
        let replies = self.exchange(&requests, count).map_err(|mut trouble| {
            trouble.replies.clear();
            trouble
        })?;
        if let Some(text) = replies.into_iter().find_map(Result::err) {
            let refusal = Some(text);
            return Err(Trouble { replies: Vec::new(), reading: true, timed_out: false, refusal });
        }
        self.db = Some(order.target_db);
        Ok(())
    }

    /// Deletes keys there that were sent before.
    pub(super) fn take_back(&mut self, keys: &[Vec<u8>]) -> Result<(), Trouble> {
        let mut requests = Vec::new();
        for key in keys {
            encode_request(&mut requests, &[&b"DEL"[..], key]);
        }
        self.exchange(&requests, keys.len()).map(drop)
    }

    /// Sends requests and reads as many replies.
    pub(super) fn exchange(&mut self, requests: &[u8], count: usize) -> Result<Vec<Line>, Trouble> {
        let mut replies = Vec::with_capacity(count);
        if let Err(error) = self.stream.write_all(requests) {
            return Err(Trouble::new(&error, false, replies));
        }
        while replies.len() < count {
            match self.line() {
                Ok(line) => replies.push(line),
                Err(error) => return Err(Trouble::new(&error, true, replies)),
            }
        }
        self.used = Instant::now();
        Ok(replies)
    }

    fn line(&mut self) -> io::Result<Line> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.received) {
                let rest = self.received.split_off(end + 1);
                let line = std::mem::replace(&mut self.received, rest);
                let text = String::from_utf8_lossy(line.trim_ascii_end());
                return match text.strip_prefix('-') {
                    Some(text) => Ok(Err(text.to_owned())),
                    None if text.starts_with(['+', ':']) => Ok(Ok(())),
                    None => Err(io::ErrorKind::InvalidData.into()),
                };
            }
            let mut buffer = [0; 4_096];
            let count = self.stream.read(&mut buffer)?;
            if count == 0 || self.received.len() > LINE_BYTES_MAX {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.received.extend_from_slice(&buffer[..count]);
        }
    }
}
