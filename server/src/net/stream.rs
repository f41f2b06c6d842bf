//! A client's socket, TCP or Unix.

use std::fmt;
use std::io::{self, IoSlice, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};
use std::path::Path;
use std::time::Duration;

use mio::event::Source;
use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token};
use socket2::{SockRef, Socket, TcpKeepalive};

/// Who is at the other end, and where they came in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Peer {
    /// Over TCP: their address and ours.
    Tcp(SocketAddr, SocketAddr),
    /// Over the Unix socket at this path.
    Unix(String),
}

impl Peer {
    /// Whether the peer is on this machine, so that protected mode lets it in.
    #[must_use]
    pub(crate) fn is_local(&self) -> bool {
        match self {
            Self::Tcp(peer, _) => peer.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }

    /// The address that limits per address count by.
    #[must_use]
    pub(crate) fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Tcp(peer, _) => Some(peer.ip().to_canonical()),
            Self::Unix(_) => None,
        }
    }

    /// Their address as CLIENT LIST shows it.
    #[must_use]
    pub(crate) fn address(&self) -> String {
        match self {
            Self::Tcp(peer, _) => peer.to_string(),
            Self::Unix(path) => format!("{path}:0"),
        }
    }

    /// Our address as CLIENT LIST shows it.
    #[must_use]
    pub(crate) fn local_address(&self) -> String {
        match self {
            Self::Tcp(_, local) => local.to_string(),
            Self::Unix(path) => format!("{path}:0"),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address())
    }
}

/// A connected socket that never blocks.
#[derive(Debug)]
pub(crate) enum Stream {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over a Unix socket.
    Unix(UnixStream),
}

impl Stream {
    /// Wraps an accepted TCP connection. `keepalive_seconds` of 0 leaves keepalive off.
    ///
    /// # Errors
    /// The socket is gone already.
    pub(crate) fn tcp(
        stream: TcpStream,
        peer: SocketAddr,
        keepalive_seconds: u32,
    ) -> io::Result<(Self, Peer)> {
        stream.set_nodelay(true)?;
        if keepalive_seconds > 0 {
            let idle = Duration::from_secs(u64::from(keepalive_seconds));
            let probe = Duration::from_secs(u64::from(keepalive_seconds / 3).max(1));
            let keepalive =
                TcpKeepalive::new().with_time(idle).with_interval(probe).with_retries(3);
            SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
        }
        let local = stream.local_addr()?;
        Ok((Self::Tcp(stream), Peer::Tcp(peer, local)))
    }

    /// Wraps an accepted Unix connection.
    #[must_use]
    pub(crate) fn unix(stream: UnixStream, path: &Path) -> (Self, Peer) {
        (Self::Unix(stream), Peer::Unix(path.display().to_string()))
    }

    /// Reads into the unused capacity of `buffer`, which is not cleared first.
    ///
    /// # Errors
    /// Those of reading.
    pub(crate) fn read_spare(&self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        let spare = rustix::buffer::spare_capacity(buffer);
        let result = match self {
            Self::Tcp(stream) => rustix::io::read(stream, spare),
            Self::Unix(stream) => rustix::io::read(stream, spare),
        };
        result.map_err(io::Error::from)
    }

    /// A second handle of the same socket.
    ///
    /// # Errors
    /// The system is out of descriptors.
    pub(crate) fn share(&self) -> io::Result<Socket> {
        match self {
            Self::Tcp(stream) => SockRef::from(stream).try_clone(),
            Self::Unix(stream) => SockRef::from(stream).try_clone(),
        }
    }

    /// The descriptor, for CLIENT LIST.
    #[must_use]
    pub(crate) fn descriptor(&self) -> RawFd {
        match self {
            Self::Tcp(stream) => stream.as_raw_fd(),
            Self::Unix(stream) => stream.as_raw_fd(),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write_vectored(slices),
            Self::Unix(stream) => stream.write_vectored(slices),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Source for Stream {
    fn register(&mut self, registry: &Registry, token: Token, on: Interest) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.register(registry, token, on),
            Self::Unix(stream) => stream.register(registry, token, on),
        }
    }

    fn reregister(&mut self, registry: &Registry, token: Token, on: Interest) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.reregister(registry, token, on),
            Self::Unix(stream) => stream.reregister(registry, token, on),
        }
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.deregister(registry),
            Self::Unix(stream) => stream.deregister(registry),
        }
    }
}
