//! A reactor: one thread, its poll, its connections, its session with the engine.
//!
//! Why it exists: any number of these work on one shared keyspace, and none of them ever waits
//! for another, for a disk or for a slow client. A turn of the loop polls, reads what came,
//! runs all complete requests, and writes each connection's replies at once.
//!
//! Invariants
//! - Z1: the engine's turn lasts from the first request of a loop turn to its last; none is held
//!   while polling (I8).
//! - Z2: replies of a connection are in the order of its requests: a request that has to wait
//!   keeps its bytes, and those behind it, in `input` (I1).
//! - Z3: a connection above its output limit is not read from until it took its replies.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::{Session, Turn};
use mio::{Events, Interest, Poll, Token};
use protocol::{Limits, RequestParser};
use zumic_error::{Error, ErrorKind, ResultExt};

use crate::accept::Acceptor;
use crate::admin::stats::ReactorStats;
use crate::batch::Batch;
use crate::clients::ClientRecord;
use crate::clock;
use crate::connection::{ClientState, Connection, Waiting};
use crate::dispatch::Flow;
use crate::net::{Listener, Stream};
use crate::output::Output;
use crate::settings::{Settings, SettingsReader};
use crate::shared::{Message, Shared};

/// Token of the waker; listeners and connections come behind.
pub(crate) const WAKER: Token = Token(0);
/// Token of the first connection.
const CONNECTIONS: usize = 1 << 16;
/// Bytes read at once where no request is unfinished.
const SCRATCH_BYTES: usize = 64 * 1024;
/// Bytes read from one connection per turn, so that others get theirs.
const READ_BYTES_PER_TURN: usize = 1 << 20;
/// Replies waiting above which a connection is not read from (Z3).
const OUTPUT_PAUSE_BYTES: usize = 4 << 20;
/// Time between two looks at timeouts and limits.
const CRON: Duration = Duration::from_millis(100);
/// How long replies may take to leave when the server stops.
const GRACE: Duration = Duration::from_secs(2);

/// What commands may use of their reactor.
#[derive(Debug)]
pub(crate) struct Core {
    /// What all reactors share.
    pub(crate) shared: Arc<Shared>,
    /// This reactor's counters.
    pub(crate) stats: Arc<ReactorStats>,
    /// This reactor's view of the settings.
    pub(crate) settings: SettingsReader,
    /// Position of this reactor.
    pub(crate) index: usize,
    /// The fast clock for durations.
    pub(crate) counter: quanta::Clock,
}

/// A reactor, before and while it runs.
#[derive(Debug)]
pub(crate) struct Reactor {
    core: Core,
    poll: Poll,
    acceptor: Acceptor,
    session: Session,
    connections: slab::Slab<Connection>,
    /// Connections to look at although their socket says nothing.
    scheduled: Vec<usize>,
    batch: Batch,
    scratch: Vec<u8>,
    cron_at: Instant,
    stop_by: Option<Instant>,
}

impl Reactor {
    /// Sets a reactor up on listeners that are open already.
    ///
    /// # Errors
    /// The system refused to register one of them.
    pub(crate) fn new(
        core: Core,
        poll: Poll,
        listeners: Vec<Listener>,
        session: Session,
    ) -> Result<Self, Error> {
        let acceptor = Acceptor::new(listeners, poll.registry())
            .context(ErrorKind::Resource, "watching the listeners")?;
        Ok(Self {
            core,
            poll,
            acceptor,
            session,
            connections: slab::Slab::new(),
            scheduled: Vec::new(),
            batch: Batch::default(),
            scratch: vec![0; SCRATCH_BYTES],
            cron_at: Instant::now(),
            stop_by: None,
        })
    }

    /// Serves until the server stops.
    ///
    /// # Errors
    /// Polling failed, which leaves nothing to do.
    pub(crate) fn run(mut self) -> Result<(), Error> {
        let mut events = Events::with_capacity(1_024);
        loop {
            let timeout = if self.scheduled.is_empty() { CRON } else { Duration::from_micros(200) };
            match self.poll.poll(&mut events, Some(timeout)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    return Err(error).context(ErrorKind::Resource, "polling");
                }
                _ => {}
            }
            self.note(&events);
            self.turn();
            if self.core.shared.is_stopping() && self.stopped() {
                return Ok(());
            }
        }
    }

    /// Notes what the poll said.
    fn note(&mut self, events: &Events) {
        for event in events {
            let token = event.token().0;
            let Some(key) = token.checked_sub(CONNECTIONS) else {
                self.acceptor.note(event.token());
                continue;
            };
            let Some(connection) = self.connections.get_mut(key) else { continue };
            if event.is_readable() || event.is_read_closed() || event.is_error() {
                connection.readable = true;
            }
            if event.is_writable() {
                connection.blocked_writing = false;
            }
            schedule(&mut self.scheduled, key, connection);
        }
    }

    /// One turn of the loop.
    fn turn(&mut self) {
        let news = self.core.settings.refresh();
        let now_ms = clock::now_ms();
        self.accept(now_ms);
        let messages = self.receive();
        let work = std::mem::take(&mut self.scheduled);
        let cron = self.cron_at.elapsed() >= CRON;
        if work.is_empty() && messages.is_empty() && !news && !cron {
            return;
        }
        let mut closed = Vec::new();
        {
            let mut turn = self.session.enter(now_ms);
            for message in messages {
                deliver(
                    &mut self.core,
                    &mut turn,
                    &mut self.connections,
                    message,
                    &mut self.scheduled,
                );
            }
            for key in work {
                let Some(connection) = self.connections.get_mut(key) else { continue };
                connection.scheduled = false;
                let mut serving = Serving {
                    core: &mut self.core,
                    turn: &mut turn,
                    batch: &mut self.batch,
                    scratch: &mut self.scratch,
                };
                match serving.serve(connection) {
                    Served::Again => schedule(&mut self.scheduled, key, connection),
                    Served::Closed => closed.push(key),
                    Served::Done => {}
                }
            }
            if cron || news {
                self.cron_at = Instant::now();
                let limits = limits(&self.core.settings);
                for (key, connection) in &mut self.connections {
                    connection.parser.set_limits(limits);
                    if overdue(&self.core, connection, now_ms) && !closed.contains(&key) {
                        closed.push(key);
                    }
                }
            }
            for key in closed {
                let mut connection = self.connections.remove(key);
                forget(&self.core, &mut turn, &mut connection);
                // A socket that is closed needs no deregistration; this keeps mio's view whole.
                drop(self.poll.registry().deregister(&mut connection.stream));
            }
        }
    }

    /// Accepts what waits at the listeners.
    fn accept(&mut self, now_ms: u64) {
        if self.core.shared.is_stopping() {
            self.acceptor.close();
            return;
        }
        for (stream, record) in self.acceptor.accept(&self.core, now_ms) {
            self.add(stream, record);
        }
    }

    /// Adds an admitted connection.
    fn add(&mut self, mut stream: Stream, record: Arc<ClientRecord>) {
        let entry = self.connections.vacant_entry();
        let token = Token(entry.key() + CONNECTIONS);
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.poll.registry().register(&mut stream, token, interest) {
            tracing::warn!("a connection cannot be watched: {error}");
            self.core.shared.clients.remove(&record);
            return;
        }
        let authenticated = !self.core.shared.admin.authenticator().password_required();
        let mut parser = RequestParser::new(limits(&self.core.settings));
        parser.set_authenticated(authenticated);
        entry.insert(Connection {
            stream,
            input: Vec::new(),
            parser,
            output: Output::default(),
            scope: engine::Scope::default(),
            state: ClientState::new(record, authenticated),
            readable: false,
            blocked_writing: false,
            soft_limit_since_ms: None,
            scheduled: false,
        });
        self.core.stats.clients_connected.add(1);
    }

    /// Takes the messages of other threads; connections among them are added at once.
    fn receive(&mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        let handle = Arc::clone(&self.core.shared.reactors[self.core.index]);
        handle.receive(|message| messages.push(message));
        let mut rest = Vec::with_capacity(messages.len());
        for message in messages {
            match message {
                Message::Accepted(stream) => {
                    if let Some((stream, record)) = self.acceptor.admit_unix(&self.core, stream) {
                        self.add(stream, record);
                    }
                }
                other => rest.push(other),
            }
        }
        rest
    }

    /// Whether a stopping reactor has sent what it had, or waited long enough.
    fn stopped(&mut self) -> bool {
        let stop_by = *self.stop_by.get_or_insert_with(|| Instant::now() + GRACE);
        let waiting = self.connections.iter().any(|(_, connection)| !connection.output.is_empty());
        !waiting || Instant::now() >= stop_by
    }
}

fn schedule(scheduled: &mut Vec<usize>, key: usize, connection: &mut Connection) {
    if !connection.scheduled {
        connection.scheduled = true;
        scheduled.push(key);
    }
}

/// The parser's limits under these settings.
fn limits(settings: &Settings) -> Limits {
    let bytes = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    Limits {
        inline_bytes_max: bytes(settings.inline_bytes_max),
        args_max: settings.request_args_max as usize,
        bulk_bytes_max: bytes(settings.bulk_bytes_max),
        ..Limits::default()
    }
}

/// What became of a connection in a turn.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Served {
    /// There is more to do at once.
    Again,
    /// It is over.
    Closed,
    /// The socket will tell when there is more.
    Done,
}

/// What serving a connection takes.
struct Serving<'r, 't> {
    core: &'r mut Core,
    turn: &'r mut Turn<'t>,
    batch: &'r mut Batch,
    scratch: &'r mut Vec<u8>,
}

impl Serving<'_, '_> {
    /// Reads, runs and writes for one connection.
    fn serve(&mut self, connection: &mut Connection) -> Served {
        let mut flow = Flow::Next;
        if connection.state.waiting == Some(Waiting::Turn) {
            connection.state.waiting = None;
            flow = self.run_input(connection);
        }
        if flow == Flow::Next && connection.readable && connection.state.waiting.is_none() {
            match self.read(connection) {
                Ok(after) => flow = after,
                Err(_) => return Served::Closed,
            }
        }
        if self.write(connection).is_err() {
            return Served::Closed;
        }
        connection.publish(self.turn.now_ms());
        if flow == Flow::Close && connection.output.is_empty() {
            return Served::Closed;
        }
        if flow == Flow::Close {
            connection.state.closing = true;
        }
        if connection.state.closing {
            return if connection.output.is_empty() { Served::Closed } else { Served::Done };
        }
        let more = connection.readable && connection.output.len() < OUTPUT_PAUSE_BYTES;
        match connection.state.waiting {
            Some(Waiting::Turn) => Served::Again,
            Some(Waiting::Verdict(_)) => Served::Done,
            None if more => Served::Again,
            None => Served::Done,
        }
    }

    /// Reads what the socket has, up to this turn's share, and runs it.
    fn read(&mut self, connection: &mut Connection) -> io::Result<Flow> {
        let mut total = 0;
        while total < READ_BYTES_PER_TURN && connection.output.len() < OUTPUT_PAUSE_BYTES {
            let fresh = connection.input.is_empty();
            let result = if fresh {
                connection.stream.read(self.scratch)
            } else {
                self.read_behind(connection)
            };
            let (bytes, room) = match result {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(bytes) => (bytes, self.scratch.len()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    connection.readable = false;
                    return Ok(Flow::Next);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            total += bytes;
            self.core.stats.bytes_in.add(bytes as u64);
            self.core.stats.reads.add(1);
            let flow = if fresh {
                let scratch = std::mem::take(self.scratch);
                let flow = self.run_fresh(connection, &scratch[..bytes]);
                *self.scratch = scratch;
                flow
            } else {
                self.run_input(connection)
            };
            if flow != Flow::Next {
                return Ok(flow);
            }
            if fresh && bytes < room {
                // A short read emptied the socket; what comes later is an event of its own. An
                // end of stream that came with it shows as an event, too.
                connection.readable = false;
                return Ok(Flow::Next);
            }
        }
        Ok(Flow::Next)
    }

    /// Reads behind an unfinished request, straight into its buffer.
    fn read_behind(&mut self, connection: &mut Connection) -> io::Result<usize> {
        let held = connection.input.len();
        let room = held.clamp(SCRATCH_BYTES / 4, READ_BYTES_PER_TURN);
        connection.input.resize(held + room, 0);
        let result = connection.stream.read(&mut connection.input[held..]);
        connection.input.truncate(held + *result.as_ref().unwrap_or(&0));
        result
    }

    /// Runs requests out of bytes that were just read; keeps what is left.
    fn run_fresh(&mut self, connection: &mut Connection, bytes: &[u8]) -> Flow {
        let (taken, flow) = self.batch.run(self.core, self.turn, connection, bytes);
        connection.input.extend_from_slice(&bytes[taken..]);
        flow
    }

    /// Runs requests out of the bytes that were kept.
    fn run_input(&mut self, connection: &mut Connection) -> Flow {
        let input = std::mem::take(&mut connection.input);
        let (taken, flow) = self.batch.run(self.core, self.turn, connection, &input);
        connection.input = input;
        if taken == connection.input.len() {
            if connection.input.capacity() > SCRATCH_BYTES {
                connection.input = Vec::new();
            }
            connection.input.clear();
        } else {
            connection.input.drain(..taken);
        }
        if connection.input.len() as u64 > self.core.settings.query_buffer_bytes_max {
            let peer = &connection.state.record.address;
            tracing::warn!("closing {peer}: its query buffer is over the limit");
            self.core.stats.clients_over_limit.add(1);
            return Flow::Close;
        }
        flow
    }

    /// Sends what the socket takes.
    fn write(&mut self, connection: &mut Connection) -> io::Result<()> {
        if connection.output.is_empty() || connection.blocked_writing {
            return Ok(());
        }
        let sent = connection.output.send(&mut connection.stream)?;
        self.core.stats.bytes_out.add(sent as u64);
        self.core.stats.writes.add(1);
        connection.blocked_writing = !connection.output.is_empty();
        Ok(())
    }
}

/// Acts on a message of another thread.
fn deliver(
    core: &mut Core,
    turn: &mut Turn<'_>,
    connections: &mut slab::Slab<Connection>,
    message: Message,
    scheduled: &mut Vec<usize>,
) {
    match message {
        Message::Accepted(_) => unreachable!("taken out by `receive`"),
        Message::Kill(id) => {
            if let Some((key, connection)) = by_id(connections, id) {
                connection.state.closing = true;
                connection.state.waiting = None;
                schedule(scheduled, key, connection);
            }
        }
        Message::Monitor(line) => {
            let watching = connections.iter_mut().filter(|(_, c)| c.state.monitor);
            for (key, connection) in watching {
                let mut encoder =
                    protocol::Encoder::new(connection.output.tail(), connection.state.version);
                encoder.simple(&line);
                schedule(scheduled, key, connection);
            }
        }
        Message::Verdict(id, verdict) => {
            let Some((key, connection)) = by_id(connections, id) else { return };
            let Some(Waiting::Verdict(after)) = connection.state.waiting.take() else { return };
            crate::batch::resume(core, turn, connection, verdict, &after);
            // What it sent meanwhile runs now.
            connection.state.waiting = Some(Waiting::Turn);
            schedule(scheduled, key, connection);
        }
    }
}

fn by_id(connections: &mut slab::Slab<Connection>, id: u64) -> Option<(usize, &mut Connection)> {
    connections.iter_mut().find(|(_, connection)| connection.state.record.id == id)
}

/// Whether a connection broke a limit of time or of output.
fn overdue(core: &Core, connection: &mut Connection, now_ms: u64) -> bool {
    let peer = &connection.state.record.address;
    let idle_ms = now_ms.saturating_sub(connection.state.record.active_ms.get());
    let idle_max = u64::from(core.settings.idle_seconds_max) * 1_000;
    if idle_max > 0 && idle_ms > idle_max && !connection.state.monitor {
        tracing::debug!("closing {peer}: idle");
        return true;
    }
    let limit = core.settings.output_limits[0];
    let waiting = connection.output.len() as u64;
    let soft = limit.soft_bytes > 0 && waiting > limit.soft_bytes;
    let since = *connection.soft_limit_since_ms.get_or_insert(now_ms);
    if !soft {
        connection.soft_limit_since_ms = None;
    }
    let over_soft = soft && now_ms.saturating_sub(since) > u64::from(limit.soft_seconds) * 1_000;
    let over_hard = limit.hard_bytes > 0 && waiting > limit.hard_bytes;
    if over_soft || over_hard {
        tracing::warn!("closing {peer}: {waiting} bytes of replies wait, over the limit");
        core.stats.clients_over_limit.add(1);
        return true;
    }
    false
}

/// Lets go of everything a closed connection had.
fn forget(core: &Core, turn: &mut Turn<'_>, connection: &mut Connection) {
    if connection.scope.is_watching() {
        turn.unwatch(&mut connection.scope);
    }
    if connection.state.monitor {
        core.shared.count_monitors(false);
    }
    core.shared.clients.remove(&connection.state.record);
    core.stats.clients_connected.subtract(1);
}
