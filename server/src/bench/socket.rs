//! Sockets: opened and greeted while blocking, then handed to the event loop.
//!
//! Why blocking first: the handshake happens once per connection, before anything is measured, and
//! straight code reports its failures best.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use mio::event::Source;
use mio::{Interest, Registry, Token};

use super::error::BenchError;
use super::options::Options;
use super::skipper::{ErrorTally, Skipper};

/// A non-blocking stream of either family.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(mio::net::TcpStream),
    Unix(mio::net::UnixStream),
}

impl Socket {
    /// Connects, authenticates and chooses the protocol.
    pub(super) fn open(options: &Options) -> Result<Self, BenchError> {
        Blocking::open(options)?
            .into_nonblocking()
            .map_err(|source| BenchError::Connect { address: options.address(), source })
    }

    fn source(&mut self) -> &mut dyn Source {
        match self {
            Self::Tcp(stream) => stream,
            Self::Unix(stream) => stream,
        }
    }

    /// Starts reporting that the socket can be read, and written if `writable`.
    ///
    /// Writability is not asked for until a write was cut short: a Unix socket reports it each
    /// time the server reads, which would wake the loop for nothing.
    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.source().register(registry, token, Interest::READABLE)
    }

    /// Changes whether writability is reported.
    pub(super) fn watch_writable(
        &mut self,
        registry: &Registry,
        token: Token,
        writable: bool,
    ) -> io::Result<()> {
        let interest =
            if writable { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
        self.source().reregister(registry, token, interest)
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(buffer),
            Self::Unix(stream) => stream.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A blocking stream with a timeout on every call.
#[derive(Debug)]
enum Blocking {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Blocking {
    fn open(options: &Options) -> Result<Self, BenchError> {
        let mut stream = Self::connect(options)
            .map_err(|source| BenchError::Connect { address: options.address(), source })?;
        for (step, request) in greetings(options) {
            let tally = stream
                .exchange(&request)
                .map_err(|source| BenchError::Connect { address: options.address(), source })?;
            if let Some((text, _)) = tally.texts().next() {
                return Err(BenchError::Refused { step, reply: text.to_owned() });
            }
        }
        Ok(stream)
    }

    fn connect(options: &Options) -> io::Result<Self> {
        let timeout = Some(options.timeout);
        if let Some(path) = &options.socket {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(timeout)?;
            stream.set_write_timeout(timeout)?;
            return Ok(Self::Unix(stream));
        }
        let stream = connect_tcp((options.host.as_str(), options.port), options.timeout)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(timeout)?;
        stream.set_write_timeout(timeout)?;
        Ok(Self::Tcp(stream))
    }

    /// Sends one request and reads one reply, of which only errors are kept.
    fn exchange(&mut self, request: &[u8]) -> io::Result<ErrorTally> {
        self.write_all(request)?;
        let (mut skipper, mut tally) = (Skipper::default(), ErrorTally::default());
        let mut buffer = [0; 4096];
        loop {
            let count = self.read(&mut buffer)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let replies = skipper
                .feed(&buffer[..count], &mut tally)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
            if replies > 0 {
                return Ok(tally);
            }
        }
    }

    fn into_nonblocking(self) -> io::Result<Socket> {
        match self {
            Self::Tcp(stream) => {
                stream.set_nonblocking(true)?;
                Ok(Socket::Tcp(mio::net::TcpStream::from_std(stream)))
            }
            Self::Unix(stream) => {
                stream.set_nonblocking(true)?;
                Ok(Socket::Unix(mio::net::UnixStream::from_std(stream)))
            }
        }
    }

    fn is_local(&self) -> bool {
        match self {
            Self::Tcp(stream) => {
                stream.peer_addr().is_ok_and(|address: SocketAddr| address.ip().is_loopback())
            }
            Self::Unix(_) => true,
        }
    }
}

impl Read for Blocking {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Blocking {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(buffer),
            Self::Unix(stream) => stream.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Tries each address of the host and returns the last failure if none answers.
fn connect_tcp(host_and_port: (&str, u16), timeout: Duration) -> io::Result<TcpStream> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in host_and_port.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// The handshake: what is sent, and what to call it in a message.
fn greetings(options: &Options) -> Vec<(&'static str, Vec<u8>)> {
    let mut greetings = Vec::new();
    if let Some(password) = &options.password {
        let request = match &options.user {
            Some(user) => encode(&["AUTH", user, password]),
            None => encode(&["AUTH", password]),
        };
        greetings.push(("password", request));
    }
    if options.resp3 {
        greetings.push(("protocol version 3", encode(&["HELLO", "3"])));
    }
    greetings
}

fn encode(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len());
    for word in words {
        bytes.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    bytes.into_bytes()
}

/// The server's process, from INFO, if the server is on this machine and says so.
///
/// # Errors
/// The same as for any connection: this is the first one made, so it finds a wrong address or
/// password before any thread starts.
pub(super) fn find_server_process(options: &Options) -> Result<Option<u32>, BenchError> {
    let plain = Options { resp3: false, ..options.clone() };
    let mut stream = Blocking::open(&plain)?;
    if !stream.is_local() {
        return Ok(None);
    }
    read_process_id(&mut stream)
        .map_err(|source| BenchError::Connect { address: options.address(), source })
}

fn read_process_id(stream: &mut Blocking) -> io::Result<Option<u32>> {
    stream.write_all(&encode(&["INFO", "server"]))?;
    let (mut skipper, mut tally) = (Skipper::default(), ErrorTally::default());
    let (mut text, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        text.extend_from_slice(&buffer[..count]);
        let replies = skipper
            .feed(&buffer[..count], &mut tally)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
        if replies > 0 {
            return Ok(parse_process_id(&String::from_utf8_lossy(&text)));
        }
    }
}

/// The `process_id` in INFO's text; servers that have none get no CPU figures.
fn parse_process_id(info: &str) -> Option<u32> {
    info.lines().find_map(|line| line.strip_prefix("process_id:")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_is_found_in_info() {
        let info = "$60\r\n# Server\r\nredis_version:7.0.15\r\nprocess_id:4711\r\nuptime:1\r\n";
        assert_eq!(parse_process_id(info), Some(4711));
        assert_eq!(parse_process_id("-ERR unknown command"), None);
    }

    #[test]
    fn words_are_encoded_with_their_length_in_bytes() {
        assert_eq!(encode(&["AUTH", "pé"]), "*2\r\n$4\r\nAUTH\r\n$3\r\npé\r\n".as_bytes());
    }
}
