//! A blocking client that speaks RESP2 and RESP3 and hides nothing.
//!
//! Why it exists: client libraries repair, retry and translate; a test must see each byte's
//! meaning. Not fast, and not for production.
//!
//! Invariants
//! - I1: every read ends within the read limit; a silent server is an `Err`, not a hang.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::reply::Reply;

/// How long a reply may take before the test calls it lost. Long, because the machine that
/// runs the tests may be busy; short enough that a hang is found within one test's limit.
pub(crate) const REPLY_MAX: Duration = Duration::from_secs(20);

/// What a `Client` talks through.
trait Stream: Read + Write + Send {
    fn limit_read(&self, limit: Duration) -> io::Result<()>;
}

impl Stream for TcpStream {
    fn limit_read(&self, limit: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(limit))?;
        self.set_write_timeout(Some(REPLY_MAX))
    }
}

impl Stream for UnixStream {
    fn limit_read(&self, limit: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(limit))?;
        self.set_write_timeout(Some(REPLY_MAX))
    }
}

/// One connection.
pub(crate) struct Client {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
    consumed: usize,
}

impl Client {
    /// Connects over TCP.
    ///
    /// # Errors
    /// What `connect` says.
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(10))?;
        stream.set_nodelay(true)?;
        Self::over(Box::new(stream))
    }

    /// Connects to a Unix socket.
    ///
    /// # Errors
    /// What `connect` says.
    pub(crate) fn connect_unix(path: &Path) -> io::Result<Self> {
        Self::over(Box::new(UnixStream::connect(path)?))
    }

    /// Takes over a connection that the test opened itself.
    ///
    /// # Errors
    /// When the socket refuses its time limits.
    pub(crate) fn from_tcp(stream: TcpStream) -> io::Result<Self> {
        Self::over(Box::new(stream))
    }

    fn over(stream: Box<dyn Stream>) -> io::Result<Self> {
        stream.limit_read(REPLY_MAX)?;
        Ok(Self { stream, buffer: Vec::new(), consumed: 0 })
    }

    /// Changes how long a reply may take.
    pub(crate) fn limit_read(&self, limit: Duration) {
        self.stream.limit_read(limit).expect("a socket accepts a read limit");
    }

    /// Sends a request and returns its reply.
    ///
    /// # Panics
    /// When the connection fails; the tests that expect that use `try_call`.
    pub(crate) fn call<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> Reply {
        self.try_call(arguments).unwrap_or_else(|error| {
            let words: Vec<_> = arguments.iter().map(|word| word.as_ref().escape_ascii()).collect();
            let words: Vec<_> = words.iter().map(ToString::to_string).collect();
            let mut line = words.join(" ");
            line.truncate(200);
            panic!("{line}: {error}")
        })
    }

    /// Sends a request given as one line of words without quoting, and returns its reply.
    ///
    /// # Panics
    /// When the connection fails.
    pub(crate) fn run(&mut self, line: &str) -> Reply {
        let words: Vec<_> = line.split_whitespace().collect();
        self.call(&words)
    }

    /// Sends a request and returns its reply.
    ///
    /// # Errors
    /// When the connection is closed, fails or stays silent for too long.
    pub(crate) fn try_call<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> io::Result<Reply> {
        self.send(arguments)?;
        self.read()
    }

    /// Sends a request without waiting.
    ///
    /// # Errors
    /// When the connection fails.
    pub(crate) fn send<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> io::Result<()> {
        self.send_raw(&encode(arguments))
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// When the connection fails.
    pub(crate) fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends all requests in one write and returns their replies.
    ///
    /// # Errors
    /// When the connection fails before the last reply.
    pub(crate) fn pipeline<A: AsRef<[u8]>>(
        &mut self,
        requests: &[Vec<A>],
    ) -> io::Result<Vec<Reply>> {
        let bytes: Vec<u8> = requests.iter().flat_map(|request| encode(request)).collect();
        self.send_raw(&bytes)?;
        requests.iter().map(|_| self.read()).collect()
    }

    /// Reads the next reply.
    ///
    /// # Errors
    /// When the connection is closed (`UnexpectedEof`), fails, stays silent for too long
    /// (`WouldBlock`), or sends what is no reply (`InvalidData`).
    pub(crate) fn read(&mut self) -> io::Result<Reply> {
        let line = self.line()?;
        let (kind, rest) = line.split_first().ok_or_else(|| malformed("an empty line"))?;
        let rest = rest.to_vec();
        Ok(match kind {
            b'+' => Reply::Simple(rest),
            b'-' => Reply::Error(rest),
            b':' => Reply::Integer(number(&rest)?),
            b'_' => Reply::Null,
            b',' => Reply::Double(rest),
            b'(' => Reply::BigNumber(rest),
            b'#' => Reply::Boolean(rest == b"t"),
            b'$' => Reply::Bulk(self.bulk(&rest)?),
            b'!' => Reply::BulkError(self.bulk(&rest)?.ok_or_else(|| malformed("null !"))?),
            b'=' => Reply::Verbatim(self.bulk(&rest)?.ok_or_else(|| malformed("null ="))?),
            b'*' if rest == b"-1" => Reply::Array(None),
            b'*' => Reply::Array(Some(self.several(&rest, 1)?)),
            b'~' => Reply::Set(self.several(&rest, 1)?),
            b'>' => Reply::Push(self.several(&rest, 1)?),
            b'%' => Reply::Map(self.several(&rest, 2)?),
            b'^' => Reply::SortedSet(self.several(&rest, 2)?),
            b'|' => {
                let fields = self.several(&rest, 2)?;
                Reply::Attribute(fields, Box::new(self.read()?))
            }
            _ => return Err(malformed(&format!("line {}", line.escape_ascii()))),
        })
    }

    /// Waits until the server closes the connection; returns what it still sent.
    ///
    /// # Errors
    /// When it does not close within the read limit.
    pub(crate) fn read_to_close(&mut self) -> io::Result<Vec<u8>> {
        let mut rest = self.buffer.split_off(self.consumed);
        self.buffer.clear();
        self.consumed = 0;
        match self.stream.read_to_end(&mut rest) {
            Err(error) if error.kind() != io::ErrorKind::ConnectionReset => Err(error),
            _ => Ok(rest),
        }
    }

    fn several(&mut self, count: &[u8], each: usize) -> io::Result<Vec<Reply>> {
        let count = usize::try_from(number(count)?).map_err(|_| malformed("negative count"))?;
        (0..count * each).map(|_| self.read()).collect()
    }

    fn bulk(&mut self, length: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let length = number(length)?;
        if length == -1 {
            return Ok(None);
        }
        let length = usize::try_from(length).map_err(|_| malformed("negative length"))?;
        while self.buffer.len() < self.consumed + length + 2 {
            self.fill()?;
        }
        let end = self.consumed + length;
        let text = self.buffer[self.consumed..end].to_vec();
        if &self.buffer[end..end + 2] != b"\r\n" {
            return Err(malformed("a bulk string without its line end"));
        }
        self.consumed = end + 2;
        Ok(Some(text))
    }

    fn line(&mut self) -> io::Result<Vec<u8>> {
        let mut searched = self.consumed;
        loop {
            let unread = &self.buffer[searched..];
            if let Some(at) = unread.windows(2).position(|pair| pair == b"\r\n") {
                let line = self.buffer[self.consumed..searched + at].to_vec();
                self.consumed = searched + at + 2;
                return Ok(line);
            }
            searched = self.consumed.max(self.buffer.len().saturating_sub(1));
            let before = self.consumed;
            self.fill()?;
            searched -= before - self.consumed;
        }
    }

    /// Reads more bytes; what was consumed is dropped first when it has grown large.
    fn fill(&mut self) -> io::Result<()> {
        if self.consumed > 1 << 16 {
            self.buffer.drain(..self.consumed);
            self.consumed = 0;
        }
        let mut chunk = [0; 1 << 14];
        match self.stream.read(&mut chunk)? {
            0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed")),
            count => {
                self.buffer.extend_from_slice(&chunk[..count]);
                Ok(())
            }
        }
    }
}

/// The bytes of a request.
pub(crate) fn encode<A: AsRef<[u8]>>(arguments: &[A]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", arguments.len()).into_bytes();
    for argument in arguments {
        let argument = argument.as_ref();
        bytes.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
        bytes.extend_from_slice(argument);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

fn number(text: &[u8]) -> io::Result<i64> {
    let text = std::str::from_utf8(text).map_err(|_| malformed("a number"))?;
    text.parse().map_err(|_| malformed(&format!("number {text}")))
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("malformed reply: {what}"))
}
