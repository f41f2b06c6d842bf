//! One connection to a server: requests out, replies in.
//!
//! Why it exists: a person waits for one reply at a time, so blocking sockets are right here, and
//! simple. What needs care is waiting: Ctrl-C must end it, and a connection that died while the
//! person was thinking must be noticed before a command is sent into it. Not for load: that is
//! `zumic-bench`.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use protocol::{Decoder, encode_request};
use zumic_error::{Error, ErrorKind, ResultExt};

use super::endpoint::Endpoint;
use super::interrupt::Interrupts;
use super::reply::Reply;

/// How long a key press may go unnoticed while waiting for the server.
const INTERRUPT_LATENCY: Duration = Duration::from_millis(50);
/// Bytes read at once.
const READ_BYTES: usize = 64 * 1024;

/// How a wait for a reply ended.
#[derive(Debug, PartialEq)]
pub enum Waited {
    /// The person pressed Ctrl-C.
    Interrupted,
    /// The server answered, or sent a push.
    Reply(Reply),
    /// Nothing came for as long as [`Connection::limit_silence`] allows.
    Silence,
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_nonblocking(nonblocking),
            Self::Unix(stream) => stream.set_nonblocking(nonblocking),
        }
    }

    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_read_timeout(timeout),
            Self::Unix(stream) => stream.set_read_timeout(timeout),
        }
    }

    fn try_clone(&self) -> io::Result<Self> {
        match self {
            Self::Tcp(stream) => stream.try_clone().map(Self::Tcp),
            Self::Unix(stream) => stream.try_clone().map(Self::Unix),
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.write_all(bytes),
            Self::Unix(stream) => stream.write_all(bytes),
        }
    }
}

/// The writing half of a connection, for another thread.
#[derive(Debug)]
pub struct Writer {
    stream: Stream,
}

impl Writer {
    /// Sends bytes as they are.
    ///
    /// # Errors
    /// The connection is lost.
    pub fn send_raw(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.stream.write_all(bytes).context(ErrorKind::Connection, "sending to the server")
    }
}

/// An open connection.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    decoder: Decoder,
    /// What was read; the first `consumed` bytes have been decoded.
    received: Vec<u8>,
    consumed: usize,
    silence_max: Option<Duration>,
}

impl Connection {
    /// Connects, without any handshake.
    ///
    /// # Errors
    /// No address of the endpoint accepts the connection.
    pub fn open(endpoint: &Endpoint) -> Result<Self, Error> {
        let context = || format!("Could not connect to Zumic at {}", endpoint.place());
        let stream = match endpoint {
            Endpoint::Tcp(host, port) => TcpStream::connect((host.as_str(), *port))
                .and_then(|stream| stream.set_nodelay(true).map(|()| Stream::Tcp(stream))),
            Endpoint::Unix(path) => UnixStream::connect(path).map(Stream::Unix),
        };
        Ok(Self {
            stream: stream
                .map_err(|error| Error::with_source(ErrorKind::Connection, context(), error))?,
            decoder: Decoder::default(),
            received: Vec::new(),
            consumed: 0,
            silence_max: None,
        })
    }

    /// Ends waits after this long without a byte; `None` waits for ever.
    pub fn limit_silence(&mut self, limit: Option<Duration>) {
        self.silence_max = limit;
    }

    /// A second handle to send with, while this one receives in another thread.
    ///
    /// # Errors
    /// The system is out of descriptors.
    pub fn writer(&self) -> Result<Writer, Error> {
        let stream = self.stream.try_clone();
        Ok(Writer { stream: stream.context(ErrorKind::Resource, "sharing the connection")? })
    }

    /// Sends one request.
    ///
    /// # Errors
    /// The connection is lost.
    pub fn send<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> Result<(), Error> {
        let mut request = Vec::new();
        encode_request(&mut request, arguments);
        self.stream.write_all(&request).context(ErrorKind::Connection, "sending to the server")
    }

    /// Whether the server has closed this connection, as far as one can know without asking it.
    /// Never blocks; what has arrived is kept for [`Connection::receive`].
    #[must_use]
    pub fn is_closed(&mut self) -> bool {
        if self.stream.set_nonblocking(true).is_err() {
            return true;
        }
        let read = self.fill();
        let blocking = self.stream.set_nonblocking(false);
        match read {
            Ok(count) => count == 0 || blocking.is_err(),
            Err(error) => error.kind() != io::ErrorKind::WouldBlock || blocking.is_err(),
        }
    }

    /// Waits for one reply or push. With `interrupts`, Ctrl-C ends the wait; the connection is
    /// then out of step and should be dropped.
    ///
    /// # Errors
    /// The connection is lost, or its bytes are not ZSP.
    pub fn receive(&mut self, interrupts: Option<&Interrupts>) -> Result<Waited, Error> {
        loop {
            if let Some(reply) = self.decode()? {
                return Ok(Waited::Reply(reply));
            }
            let timeout = interrupts.map(|_| INTERRUPT_LATENCY).or(self.silence_max);
            let context = "waiting for the server";
            self.stream.set_read_timeout(timeout).context(ErrorKind::Connection, context)?;
            match self.fill() {
                Ok(0) => {
                    let text = "Server closed the connection";
                    return Err(Error::new(ErrorKind::Connection, text));
                }
                Ok(_) => {}
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => match interrupts {
                        None => return Ok(Waited::Silence),
                        Some(interrupts) if interrupts.take() => return Ok(Waited::Interrupted),
                        Some(_) => {}
                    },
                    _ => return Err(Error::with_source(ErrorKind::Connection, context, error)),
                },
            }
        }
    }

    /// Asks, and waits for the answer; pushes in between are dropped.
    ///
    /// # Errors
    /// As [`Connection::receive`]; silence beyond the limit is a lost connection.
    pub fn ask<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> Result<Reply, Error> {
        self.send(arguments)?;
        loop {
            match self.receive(None)? {
                Waited::Reply(Reply::Push(_)) => {}
                Waited::Reply(reply) => return Ok(reply),
                Waited::Interrupted | Waited::Silence => {
                    return Err(Error::new(ErrorKind::Connection, "the server does not answer"));
                }
            }
        }
    }

    /// Waits for a line that is no reply; answers it without its end.
    ///
    /// # Errors
    /// The connection is lost, or the line is too long to be one.
    pub fn receive_line(&mut self) -> Result<Vec<u8>, Error> {
        let mut line = Vec::new();
        while line.len() < READ_BYTES {
            self.await_bytes()?;
            let unread = &self.received[self.consumed..];
            let end = unread.iter().position(|&byte| byte == b'\n').map(|at| at + 1);
            let part = &unread[..end.unwrap_or(unread.len())];
            line.extend_from_slice(part);
            self.consumed += part.len();
            if end.is_some() {
                return Ok(line.trim_ascii_end().to_vec());
            }
        }
        Err(Error::new(ErrorKind::Protocol, "the server's answer is not a line"))
    }

    /// Waits for bytes that are no reply: one at least, and `max` at most.
    ///
    /// # Errors
    /// The connection is lost.
    pub fn receive_bytes(&mut self, max: usize) -> Result<Vec<u8>, Error> {
        self.await_bytes()?;
        let end = self.received.len().min(self.consumed.saturating_add(max));
        let part = self.received[self.consumed..end].to_vec();
        self.consumed = end;
        Ok(part)
    }

    /// Waits until there is something that was not looked at.
    fn await_bytes(&mut self) -> Result<(), Error> {
        if self.consumed < self.received.len() {
            return Ok(());
        }
        let context = "waiting for the server";
        self.stream.set_read_timeout(self.silence_max).context(ErrorKind::Connection, context)?;
        while self.consumed == self.received.len() {
            self.received.clear();
            self.consumed = 0;
            match self.fill() {
                Ok(0) => {
                    let text = "Server closed the connection";
                    return Err(Error::new(ErrorKind::Connection, text));
                }
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    return Err(Error::with_source(ErrorKind::Connection, context, error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn decode(&mut self) -> Result<Option<Reply>, Error> {
        while self.consumed < self.received.len() {
            let (taken, frame) =
                self.decoder.feed(&self.received[self.consumed..]).map_err(|error| {
                    Error::with_source(ErrorKind::Protocol, "Protocol error", error)
                })?;
            self.consumed += taken;
            if let Some(frame) = frame {
                return Ok(Some(Reply::from(frame)));
            }
        }
        self.received.clear();
        self.consumed = 0;
        Ok(None)
    }

    /// Reads what is there behind what was received.
    fn fill(&mut self) -> io::Result<usize> {
        let len = self.received.len();
        self.received.resize(len + READ_BYTES, 0);
        let read = self.stream.read(&mut self.received[len..]);
        self.received.truncate(len + read.as_ref().copied().unwrap_or(0));
        read
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn pair() -> (Connection, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let connection = Connection::open(&Endpoint::Tcp("127.0.0.1".into(), port)).unwrap();
        (connection, listener.accept().unwrap().0)
    }

    #[test]
    fn replies_come_however_they_are_cut() {
        let (mut connection, mut server) = pair();
        server.write_all(b"+OK\r\n:1\r").unwrap();
        let status = Waited::Reply(Reply::Status(b"OK".to_vec()));
        assert_eq!(connection.receive(None).unwrap(), status);
        connection.limit_silence(Some(Duration::from_millis(1)));
        assert_eq!(connection.receive(None).unwrap(), Waited::Silence);
        server.write_all(b"\n").unwrap();
        connection.limit_silence(None);
        assert_eq!(connection.receive(None).unwrap(), Waited::Reply(Reply::Integer(1)));
    }

    #[test]
    fn a_closed_connection_is_noticed_without_sending() {
        let (mut connection, server) = pair();
        assert!(!connection.is_closed());
        drop(server);
        // The end of the stream may take a moment; a blocking read waits for it.
        let error = connection.receive(None).unwrap_err();
        assert_eq!(error.to_string(), "Server closed the connection");
        assert!(connection.is_closed());
    }

    #[test]
    fn bytes_of_another_protocol_are_an_error() {
        let (mut connection, mut server) = pair();
        server.write_all(b"HTTP/1.1 400\r\n").unwrap();
        assert_eq!(connection.receive(None).unwrap_err().kind(), ErrorKind::Protocol);
    }

    #[test]
    fn no_server_is_a_connection_error_that_names_the_place() {
        let error = Connection::open(&Endpoint::Unix("/nonexistent/socket".into())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connection);
        assert!(error.to_string().contains("/nonexistent/socket"), "{error}");
    }
}
