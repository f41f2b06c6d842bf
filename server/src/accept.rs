//! Accepting connections, and turning them away politely.
//!
//! Why it exists: limits, protected mode and a lack of descriptors each have an answer that the
//! client can read. One descriptor is kept in reserve: without any, a connection could not even
//! be accepted to be refused, and would wait in the backlog forever.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::net::UnixStream;
use mio::{Interest, Registry, Token};
use zumic_error::CommandError;

use crate::clients::{ClientRecord, Refused};
use crate::net::{Listener, Peer, Stream};
use crate::reactor::{Core, WAKER};
use crate::shared::Message;

/// Connections accepted per turn, so that a storm leaves time for those who are there.
const ACCEPTS_PER_TURN: usize = 64;
/// Least time between two lines of log about the same trouble.
const LOG_EVERY: Duration = Duration::from_secs(1);

const DENIED: &str = "DENIED Zumic is running in protected mode because protected mode is enabled \
    and no password is set for the default user. In this mode connections are only accepted \
    from the loopback interface. If you want to connect from external computers to Zumic you \
    may adopt one of the following solutions: 1) Just disable protected mode sending the command \
    'CONFIG SET protected-mode no' from the loopback interface by connecting to Zumic from the \
    same host the server is running, however MAKE SURE Zumic is not publicly accessible from \
    internet if you do so. 2) Start the server with '--protected-mode no'. 3) Set up an \
    authentication password for the default user with '--requirepass'. NOTE: You only need to do \
    one of the above things in order for the server to start accepting connections from the \
    outside.";

/// A connection that was let in.
pub(crate) type Admitted = (Stream, Arc<ClientRecord>);

/// The listeners of one reactor.
#[derive(Debug)]
pub(crate) struct Acceptor {
    listeners: Vec<Listener>,
    /// Whether there may be connections waiting.
    pending: bool,
    reserve: Option<File>,
    /// No accepting before this: there were no descriptors.
    resume_at: Option<Instant>,
    logged_at: Option<Instant>,
    next_reactor: usize,
}

fn spare_descriptor() -> Option<File> {
    File::open("/dev/null").ok()
}

impl Acceptor {
    /// Watches the listeners.
    ///
    /// # Errors
    /// The system refused.
    pub(crate) fn new(mut listeners: Vec<Listener>, registry: &Registry) -> io::Result<Self> {
        for (i, listener) in listeners.iter_mut().enumerate() {
            let token = Token(WAKER.0 + 1 + i);
            match listener {
                Listener::Tcp(tcp) => registry.register(tcp, token, Interest::READABLE)?,
                Listener::Unix(unix, _) => registry.register(unix, token, Interest::READABLE)?,
            }
        }
        Ok(Self {
            listeners,
            pending: false,
            reserve: spare_descriptor(),
            resume_at: None,
            logged_at: None,
            next_reactor: 0,
        })
    }

    /// The poll said something about a listener.
    pub(crate) fn note(&mut self, token: Token) {
        self.pending |= token != WAKER;
    }

    /// Stops listening.
    pub(crate) fn close(&mut self) {
        self.listeners.clear();
    }

    /// Accepts what waits, up to a turn's share.
    pub(crate) fn accept(&mut self, core: &Core, now_ms: u64) -> Vec<Admitted> {
        if let Some(at) = self.resume_at
            && Instant::now() >= at
        {
            self.resume_at = None;
            self.pending = true;
        }
        if !self.pending || self.resume_at.is_some() {
            return Vec::new();
        }
        self.pending = false;
        let mut admitted = Vec::new();
        for i in 0..self.listeners.len() {
            for _ in 0..ACCEPTS_PER_TURN {
                match self.accept_one(core, i, now_ms) {
                    Ok(Some(new)) => admitted.push(new),
                    Ok(None) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => {
                        self.trouble(core, i, &error);
                        break;
                    }
                }
                self.pending |= admitted.len() == ACCEPTS_PER_TURN;
            }
        }
        if self.pending {
            core.shared.reactors[core.index].wake();
        }
        admitted
    }

    /// One connection: admitted, refused (`None`), or none there.
    fn accept_one(
        &mut self,
        core: &Core,
        listener: usize,
        now_ms: u64,
    ) -> io::Result<Option<Admitted>> {
        match &self.listeners[listener] {
            Listener::Tcp(tcp) => {
                let (stream, peer) = tcp.accept()?;
                core.stats.connections_received.add(1);
                let keepalive = core.settings.tcp_keepalive_seconds;
                // Gone before it was looked at: nobody to answer.
                let Ok((stream, peer)) = Stream::tcp(stream, peer, keepalive) else {
                    return Ok(None);
                };
                Ok(admit(core, stream, peer, now_ms))
            }
            Listener::Unix(unix, _) => {
                let (stream, _) = unix.accept()?;
                core.stats.connections_received.add(1);
                self.next_reactor = (self.next_reactor + 1) % core.shared.reactors.len();
                core.shared.reactors[self.next_reactor].send(Message::Accepted(stream));
                Ok(None)
            }
        }
    }

    /// Admits a connection that the first reactor accepted on the Unix socket.
    pub(crate) fn admit_unix(&self, core: &Core, stream: UnixStream) -> Option<Admitted> {
        let path = core.settings.unix_socket.clone().unwrap_or_default();
        let (stream, peer) = Stream::unix(stream, &path);
        admit(core, stream, peer, crate::clock::now_ms())
    }

    /// Out of descriptors: answer one connection by the reserve, log, and back off.
    fn trouble(&mut self, core: &Core, listener: usize, error: &io::Error) {
        let out_of_descriptors = matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE));
        if self.logged_at.is_none_or(|at| at.elapsed() >= LOG_EVERY) {
            self.logged_at = Some(Instant::now());
            tracing::warn!("cannot accept a connection: {error}");
        }
        if !out_of_descriptors {
            return;
        }
        core.stats.connections_rejected.add(1);
        self.reserve = None;
        match &self.listeners[listener] {
            Listener::Tcp(tcp) => {
                if let Ok((mut stream, _)) = tcp.accept() {
                    refuse(&mut stream, &CommandError::MaxClients);
                }
            }
            Listener::Unix(unix, _) => {
                if let Ok((mut stream, _)) = unix.accept() {
                    refuse(&mut stream, &CommandError::MaxClients);
                }
            }
        }
        self.reserve = spare_descriptor();
        self.resume_at = Some(Instant::now() + Duration::from_millis(20));
    }
}

/// Lets a connection in, or tells it why not.
fn admit(core: &Core, mut stream: Stream, peer: Peer, now_ms: u64) -> Option<Admitted> {
    let settings = &core.settings;
    let protected = settings.protected_mode
        && !core.shared.admin.authenticator().password_required()
        && !peer.is_local();
    if protected {
        core.stats.connections_rejected.add(1);
        refuse(&mut stream, &CommandError::Denied(DENIED));
        return None;
    }
    let limits = (settings.clients_max, settings.clients_per_ip_max);
    let descriptor = stream.descriptor();
    match core.shared.clients.admit(peer, descriptor, core.index, now_ms, limits) {
        Ok(record) => Some((stream, record)),
        Err(refused) => {
            core.stats.connections_rejected.add(1);
            let error = match refused {
                Refused::Clients => CommandError::MaxClients,
                Refused::PerAddress => CommandError::MaxClientsPerIp,
            };
            refuse(&mut stream, &error);
            None
        }
    }
}

/// Best effort: an error line into an empty socket buffer.
fn refuse(stream: &mut impl Write, error: &CommandError) {
    drop(stream.write_all(format!("-{error}\r\n").as_bytes()));
}
