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

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::scripting::Scripts;
use engine::{Session, Turn};
use mio::{Events, Interest, Poll, Token};
use protocol::{Limits, RequestParser};
use zumic_error::{Error, ErrorKind, ResultExt};

use crate::accept::Acceptor;
use crate::admin::stats::ReactorStats;
use crate::batch::Batch;
use crate::blocked;
use crate::clients::ClientRecord;
use crate::clock;
use crate::connection::{ClientState, Connection, Waiting};
use crate::deliver::{answer_waitaof, deliver, give_up};
use crate::dispatch::note_pause;
use crate::durability::{LogView, Standing};
use crate::gate::Gate;
use crate::net::{Listener, Stream};
use crate::output::Output;
use crate::pubsub::feed::{Outlets, PUBSUB_CLASS};
use crate::pubsub::{Local, Plan};
use crate::scripts;
use crate::serve::{Buffers, Served, Serving, hold};
use crate::settings::{Settings, SettingsReader};
use crate::shared::{Message, Shared};
use crate::tracking;

/// Token of the waker; listeners and connections come behind.
pub(crate) const WAKER: Token = Token(0);
/// Token of the first connection.
const CONNECTIONS: usize = 1 << 16;
/// Time between two looks at timeouts and limits.
const CRON: Duration = Duration::from_millis(100);
/// How long replies may take to leave when the server stops.
const GRACE: Duration = Duration::from_secs(2);
/// How long replies may take to leave a connection that is being closed.
const LINGER_MS: u64 = 10_000;
/// Turns in a row that try parked requests again at once; then once a millisecond. A key is held
/// elsewhere for microseconds, CLIENT PAUSE lasts.
const EAGER_TURNS_MAX: u32 = 64;

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
    /// When the last command ended, by `counter`. A command's time lasts from there to its own
    /// end, so one reading of the clock serves two commands; the few nanoseconds of looking the
    /// row up are part of it.
    pub(crate) tick: u64,
    /// When its connections that wait for keys give up: Unix milliseconds, and whose wait it is.
    pub(crate) deadlines: BTreeSet<(u64, u64)>,
    /// Keys whose waiting clients could not be served, because the key was busy.
    pub(crate) retry: Vec<(u16, Box<[u8]>)>,
    /// Subscriptions of this reactor's connections, and messages for them.
    pub(crate) local: Local,
    /// What was published by the command that runs.
    pub(crate) outbox: Vec<Plan>,
    /// Whose command runs, or ran last in this turn.
    pub(crate) origin: Option<u64>,
    /// Scripts, and what they run on.
    pub(crate) scripts: Scripts,
    /// Where the connections are whose script is suspended.
    pub(crate) long_scripts: Vec<usize>,
    /// The log, in persistent mode.
    pub(crate) log: Option<LogView>,
}

/// A reactor, before and while it runs.
#[derive(Debug)]
pub(crate) struct Reactor {
    core: Core,
    poll: Poll,
    acceptor: Acceptor,
    session: Session,
    connections: slab::Slab<Connection>,
    /// Where each connection is, by its id.
    keys: HashMap<u64, usize>,
    /// Connections to look at in the next turn, which does not wait for the poll.
    scheduled: Vec<usize>,
    /// Connections whose request waits for something that no event announces.
    parked: Vec<usize>,
    /// Turns in a row with parked connections.
    eager_turns: u32,
    /// Connections whose gate is closed.
    gated: Vec<usize>,
    /// The durable epoch that was announced as awaited; `u64::MAX` for none.
    announced: u64,
    /// The announced epoch became durable meanwhile.
    overtaken: bool,
    /// The buffer that `scheduled` is swapped with.
    work: Vec<usize>,
    batch: Batch,
    buffers: Buffers,
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
            keys: HashMap::new(),
            scheduled: Vec::new(),
            parked: Vec::new(),
            eager_turns: 0,
            gated: Vec::new(),
            announced: u64::MAX,
            overtaken: false,
            work: Vec::new(),
            batch: Batch::default(),
            buffers: Buffers::default(),
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
            let patience = self.patience();
            match self.poll.poll(&mut events, Some(patience)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    return Err(error).context(ErrorKind::Resource, "polling");
                }
                _ => {}
            }
            self.note(&events);
            self.turn();
            self.announce();
            if self.core.shared.is_stopping() && self.stopped() {
                return Ok(());
            }
        }
    }

    /// How long the poll may wait.
    fn patience(&mut self) -> Duration {
        let waits = !self.parked.is_empty() || !self.core.retry.is_empty();
        self.eager_turns = if waits { self.eager_turns + 1 } else { 0 };
        let runs = !self.core.long_scripts.is_empty() || self.overtaken;
        if runs || !self.scheduled.is_empty() || self.core.local.is_busy() {
            Duration::ZERO
        } else if self.parked.is_empty() && self.core.retry.is_empty() {
            self.until_deadline()
        } else if self.eager_turns < EAGER_TURNS_MAX {
            Duration::ZERO
        } else {
            Duration::from_millis(1)
        }
    }

    /// Time until the next wait for a key ends, or the next look at timeouts.
    fn until_deadline(&self) -> Duration {
        let Some(&(until_ms, _)) = self.core.deadlines.first() else { return CRON };
        // A deadline has passed when its millisecond has.
        let left_ms = until_ms.saturating_sub(clock::now_ms()) + 1;
        CRON.min(Duration::from_millis(left_ms))
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
                connection.hung_up |= event.is_read_closed() || event.is_error();
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
        self.deliver_published();
        self.open_gates();
        let cron = self.cron_at.elapsed() >= CRON;
        let due = self.core.deadlines.first().is_some_and(|&(until_ms, _)| until_ms < now_ms);
        let waits = due || !self.core.retry.is_empty() || !self.core.long_scripts.is_empty();
        let idle = self.scheduled.is_empty() && self.parked.is_empty() && !waits;
        if idle && messages.is_empty() && !news && !cron {
            return;
        }
        let mut closed = Vec::new();
        let mut work = std::mem::take(&mut self.work);
        std::mem::swap(&mut work, &mut self.scheduled);
        work.append(&mut self.parked);
        let Self { core, session, connections, scheduled, parked, gated, batch, buffers, .. } =
            self;
        let mut turn = session.enter(now_ms);
        core.origin = None;
        for message in messages {
            deliver(core, &mut turn, connections, &self.keys, message, scheduled);
        }
        if !core.retry.is_empty() {
            let keys = std::mem::take(&mut core.retry);
            blocked::serve(core, &mut turn, keys.into());
        }
        if due {
            give_up(core, connections, &self.keys, now_ms, &mut work);
        }
        // Those that begin in this turn have their first slice in it.
        let suspended = std::mem::take(&mut core.long_scripts);
        let mut rest = &*work;
        while !rest.is_empty() {
            if turn.is_long() {
                drop(turn);
                turn = session.enter(now_ms);
            }
            let mut serving = Serving { core, turn: &mut turn, batch, buffers };
            let count = serving.serve_some(connections, rest, |key, connection, served| {
                if connection.becomes_gated() {
                    gated.push(key);
                }
                match served {
                    Served::Again => schedule(scheduled, key, connection),
                    Served::Closed => closed.push(key),
                    Served::Done => {}
                    Served::Parked => schedule(parked, key, connection),
                }
            });
            rest = &rest[count..];
        }
        work.clear();
        self.work = work;
        // Behind the others, who would wait for a slice that ran before they came and for one more.
        resume_scripts(core, &mut turn, connections, suspended, scheduled);
        if cron || news {
            self.cron_at = Instant::now();
            inspect(core, connections, news, now_ms, &mut closed);
        }
        core.origin = None;
        if turn.has_changes() {
            // Of what was no command of its own: room made for one that is queued.
            blocked::follow(core, &mut turn);
        }
        core.send_published();
        for key in closed {
            let Some(mut connection) = connections.try_remove(key) else { continue };
            self.keys.remove(&connection.state.record.id);
            forget(core, &mut turn, &mut connection);
            // A socket that is closed needs no deregistration; this keeps mio's view whole.
            drop(self.poll.registry().deregister(&mut connection.stream));
        }
    }

    /// Lets go of what waited for epochs that are durable now.
    fn open_gates(&mut self) {
        let Self { core, connections, scheduled, gated, keys, .. } = self;
        let Some(log) = &mut core.log else { return };
        let moved = log.refresh(&core.settings);
        let (durable, stopped) = (log.durable, log.standing == Standing::Stopped);
        if !moved && (!stopped || gated.is_empty()) {
            return;
        }
        gated.retain(|&key| {
            let Some(connection) = connections.get_mut(key) else { return false };
            if connection.gate.open(durable) {
                schedule(scheduled, key, connection);
            }
            connection.gated = connection.gate.awaits().is_some();
            if connection.gated && stopped {
                // No sync will open it: the client must not take the write for done.
                connection.killed = true;
                schedule(scheduled, key, connection);
            }
            connection.gated
        });
        let mut reached = Vec::new();
        log.waits.retain(|&(epoch, id)| {
            if epoch <= durable {
                reached.push(id);
            }
            epoch > durable
        });
        for id in reached {
            answer_waitaof(core, connections, keys, id, scheduled);
        }
    }

    /// Tells the log thread which epoch connections wait for.
    fn announce(&mut self) {
        self.overtaken = false;
        let Some(log) = &self.core.log else { return };
        let connections = &self.connections;
        let gates = self.gated.iter().filter_map(|&key| connections.get(key)?.gate.awaits());
        let first = gates.chain(log.waits.iter().map(|&(epoch, _)| epoch)).min();
        let first = first.unwrap_or(u64::MAX);
        if first == self.announced {
            return;
        }
        self.announced = first;
        let awaited = &self.core.shared.reactors[self.core.index].awaited;
        if first == u64::MAX {
            awaited.forget();
            return;
        }
        awaited.announce(first);
        // Of an epoch in which nobody wrote, the log would not hear otherwise.
        log.durability.hurry();
        self.overtaken = log.has(first);
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
        self.keys.insert(record.id, entry.key());
        let authenticated = !self.core.shared.admin.authenticator().password_required();
        let mut parser = RequestParser::new(limits(&self.core.settings));
        parser.set_authenticated(authenticated);
        let slot = entry.key();
        entry.insert(Connection {
            stream,
            input: Vec::new(),
            parser,
            output: Output::default(),
            gate: Gate::default(),
            gated: false,
            scope: engine::Scope::default(),
            state: ClientState::new(record, slot, authenticated),
            readable: false,
            hung_up: false,
            killed: false,
            closing_since_ms: None,
            blocked_writing: false,
            soft_limit_since_ms: None,
            scheduled: false,
        });
        self.core.stats.clients_connected.add(1);
    }

    /// Delivers a turn's share of what was published.
    fn deliver_published(&mut self) {
        if !self.core.local.is_busy() {
            return;
        }
        let Core { local, shared, settings, stats, index, .. } = &mut self.core;
        let (connections, scheduled) = (&mut self.connections, &mut self.scheduled);
        let mut outlets = Outlets { connections, scheduled, settings, stats };
        local.deliver(&mut outlets, &shared.reactors[*index].backlog);
    }

    /// Takes the messages of other threads; connections among them are added at once, and what
    /// was published is put into its queue.
    fn receive(&mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        let handle = &self.core.shared.reactors[self.core.index];
        handle.receive(|message| messages.push(message));
        let mut rest = Vec::with_capacity(messages.len());
        for message in messages {
            match message {
                Message::Accepted(stream) => {
                    if let Some((stream, record)) = self.acceptor.admit_unix(&self.core, stream) {
                        self.add(stream, record);
                    }
                }
                Message::Loaded(journal) => {
                    self.session.set_journal(journal);
                    if let Some(log) = &mut self.core.log {
                        log.loaded = true;
                        log.durability.join();
                    }
                }
                Message::Publish(publication, receivers) => {
                    self.core.local.enqueue(publication, receivers);
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

/// Has the next turn look at a connection.
pub(crate) fn schedule(scheduled: &mut Vec<usize>, key: usize, connection: &mut Connection) {
    if !connection.scheduled {
        connection.scheduled = true;
        scheduled.push(key);
    }
}

/// The parser's limits under these settings.
pub(crate) fn limits(settings: &Settings) -> Limits {
    let bytes = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    Limits {
        inline_bytes_max: bytes(settings.inline_bytes_max),
        args_max: settings.request_args_max as usize,
        bulk_bytes_max: bytes(settings.bulk_bytes_max),
        ..Limits::default()
    }
}

/// Gives each suspended script a slice; who has an answer now is served next.
fn resume_scripts(
    core: &mut Core,
    turn: &mut Turn<'_>,
    connections: &mut slab::Slab<Connection>,
    suspended: Vec<usize>,
    scheduled: &mut Vec<usize>,
) {
    for key in suspended {
        let connection = connections.get_mut(key).expect("kept until its script has ended");
        let from = connection.output.end();
        turn.reset_seen();
        let ended = scripts::resume(core, turn, connection);
        hold(core, turn, connection, from);
        if ended {
            schedule(scheduled, key, connection);
        } else {
            core.long_scripts.push(key);
        }
    }
}

/// Looks for connections that broke a limit, and passes new settings on.
fn inspect(
    core: &Core,
    connections: &mut slab::Slab<Connection>,
    news: bool,
    now_ms: u64,
    closed: &mut Vec<usize>,
) {
    for (key, connection) in connections {
        if news {
            connection.parser.set_limits(limits(&core.settings));
        }
        let runs = connection.state.waiting == Some(Waiting::Script);
        if !runs && overdue(core, connection, now_ms) {
            closed.push(key);
        }
    }
}

/// Whether a connection broke a limit of time or of output.
fn overdue(core: &Core, connection: &mut Connection, now_ms: u64) -> bool {
    let peer = &connection.state.record.address;
    if connection.closing_since_ms.is_some_and(|since| now_ms.saturating_sub(since) > LINGER_MS) {
        tracing::debug!("closing {peer}: it does not take its last replies");
        return true;
    }
    let idle_ms = now_ms.saturating_sub(connection.state.record.active_ms.get());
    let idle_max = u64::from(core.settings.idle_seconds_max) * 1_000;
    let listens = !connection.state.subscriptions.is_empty();
    let may_idle = connection.state.monitor || connection.state.waiting.is_some() || listens;
    if idle_max > 0 && idle_ms > idle_max && !may_idle {
        tracing::debug!("closing {peer}: idle");
        return true;
    }
    let limit = core.settings.output_limits[if listens { PUBSUB_CLASS } else { 0 }];
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
fn forget(core: &mut Core, turn: &mut Turn<'_>, connection: &mut Connection) {
    crate::pubsub::commands::forget(core, &mut connection.state);
    tracking::commands::forget(core, &mut connection.state);
    if connection.scope.is_watching() {
        turn.unwatch(&mut connection.scope);
    }
    if connection.state.monitor {
        core.shared.count_monitors(false);
    }
    if connection.state.paused {
        note_pause(core, &mut connection.state, false);
    }
    if let Some(Waiting::Blocked(client)) = connection.state.waiting.take() {
        if client.leave() {
            core.shared.blocked.unregister(core.shared.admin.engine(), &client);
        }
        if let Some(until_ms) = client.until_ms {
            core.deadlines.remove(&(until_ms, client.id));
        }
        core.stats.clients_blocked.subtract(1);
    }
    core.shared.clients.remove(&connection.state.record);
    core.stats.clients_connected.subtract(1);
}
