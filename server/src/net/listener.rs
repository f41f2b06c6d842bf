//! Listening sockets.
//!
//! Each reactor has TCP listeners of its own on the same addresses (`SO_REUSEPORT`), so the kernel
//! spreads connections and no thread hands them out. A Unix socket can have one listener only:
//! the first reactor accepts there and hands connections out in turn.

use std::fs::{self, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use mio::net::{TcpListener, UnixListener};
use socket2::{Domain, Protocol, Socket, Type};
use zumic_error::{Error, ErrorKind, ResultExt};

use crate::settings::Settings;

/// A socket that clients connect to.
#[derive(Debug)]
pub(crate) enum Listener {
    /// An address of `bind` at `port`.
    Tcp(TcpListener),
    /// `unixsocket`; the file goes when the listener does.
    Unix(UnixListener, SocketFile),
}

impl Listener {
    /// Where it listens, for people.
    #[must_use]
    pub(crate) fn address(&self) -> String {
        match self {
            Self::Tcp(listener) => {
                listener.local_addr().map_or_else(|error| error.to_string(), |at| at.to_string())
            }
            Self::Unix(_, file) => file.path().display().to_string(),
        }
    }
}

/// The file of a Unix socket, removed when dropped.
#[derive(Debug)]
pub(crate) struct SocketFile(PathBuf);

impl SocketFile {
    /// Where it is.
    #[must_use]
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Somebody may have removed it before us; there is nothing to do about anything else.
        drop(fs::remove_file(&self.0));
    }
}

/// Opens one reactor's listeners. Only the `first` reactor listens on the Unix socket.
///
/// # Errors
/// An address of `bind` without `-` cannot be listened on, or nothing can.
pub(crate) fn listen(settings: &Settings, first: bool) -> Result<Vec<Listener>, Error> {
    let mut listeners = Vec::new();
    if settings.port != 0 {
        for bind in &settings.bind {
            let address = SocketAddr::new(bind.ip, settings.port);
            match listen_tcp(address, settings.tcp_backlog) {
                Ok(listener) => listeners.push(Listener::Tcp(listener)),
                Err(error) if bind.optional => {
                    tracing::info!("not listening on {address}: {error}");
                }
                Err(error) => {
                    let context = format!("listening on {address}");
                    return Err(error).context(ErrorKind::Resource, context);
                }
            }
        }
    }
    if first && let Some(path) = &settings.unix_socket {
        let context = || format!("listening on {}", path.display());
        let listener =
            listen_unix(path, settings.unix_socket_mode).context(ErrorKind::Resource, context())?;
        listeners.push(listener);
    }
    if first && listeners.is_empty() {
        let nowhere = "no address to listen on: give --port and --bind, or --unixsocket";
        return Err(Error::new(ErrorKind::Configuration, nowhere));
    }
    Ok(listeners)
}

fn listen_tcp(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Another process on the port must be an error: SO_REUSEPORT alone would share it. The check
    // is a plain bind first, released at once.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    Ok(TcpListener::from_std(socket.into()))
}

/// Refuses a port that another process listens on, which `SO_REUSEPORT` would share silently.
///
/// # Errors
/// The address is in use, or not available, and not optional.
pub(crate) fn probe(settings: &Settings) -> Result<(), Error> {
    if settings.port == 0 {
        return Ok(());
    }
    for bind in &settings.bind {
        let address = SocketAddr::new(bind.ip, settings.port);
        let attempt = || -> io::Result<()> {
            let domain = Domain::for_address(address);
            let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
            if address.is_ipv6() {
                socket.set_only_v6(true)?;
            }
            socket.set_reuse_address(true)?;
            socket.bind(&address.into())?;
            socket.listen(1)
        };
        match attempt() {
            Err(error) if !bind.optional => {
                let context = format!("listening on {address}");
                return Err(error).context(ErrorKind::Resource, context);
            }
            _ => {}
        }
    }
    Ok(())
}

fn listen_unix(path: &Path, mode: u32) -> io::Result<Listener> {
    match fs::symlink_metadata(path) {
        // Left behind by a process that died; a live one would answer.
        Ok(found) if found.file_type().is_socket() => {
            if std::os::unix::net::UnixStream::connect(path).is_ok() {
                return Err(io::ErrorKind::AddrInUse.into());
            }
            fs::remove_file(path)?;
        }
        Ok(_) => return Err(io::ErrorKind::AlreadyExists.into()),
        Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    let file = SocketFile(path.to_owned());
    if mode != 0 {
        fs::set_permissions(path, Permissions::from_mode(mode))?;
    }
    Ok(Listener::Unix(listener, file))
}
