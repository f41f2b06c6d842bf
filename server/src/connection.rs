//! One client's connection: its socket, its unfinished request, its replies, its habits.

use std::sync::Arc;

use engine::{Queued, Scope};
use protocol::{RequestParser, Version};

use crate::blocked::BlockedClient;
use crate::clients::ClientRecord;
use crate::gate::Gate;
use crate::net::Stream;
use crate::output::Output;
use crate::pubsub::Subscriptions;
use crate::scripts::LongScript;
use crate::tracking::TrackingState;

/// A connection on a reactor.
#[derive(Debug)]
pub(crate) struct Connection {
    /// Its socket.
    pub(crate) stream: Stream,
    /// Bytes of a request that is not complete, or not executed yet.
    pub(crate) input: Vec<u8>,
    /// Where the request in `input` was read up to.
    pub(crate) parser: RequestParser,
    /// Replies to send.
    pub(crate) output: Output,
    /// What they wait for before they may leave.
    pub(crate) gate: Gate,
    /// On the reactor's list of connections whose gate is closed.
    pub(crate) gated: bool,
    /// What the engine remembers of the client.
    pub(crate) scope: Scope,
    /// The rest.
    pub(crate) state: ClientState,
    /// The socket may have bytes that were not read.
    pub(crate) readable: bool,
    /// The peer will send nothing more: read until the end shows.
    pub(crate) hung_up: bool,
    /// Somebody else ended it: close without another word.
    pub(crate) killed: bool,
    /// Closing, but replies were left, since: Unix milliseconds.
    pub(crate) closing_since_ms: Option<u64>,
    /// The socket was full; a WRITABLE event will come.
    pub(crate) blocked_writing: bool,
    /// Above the soft output limit since, Unix milliseconds.
    pub(crate) soft_limit_since_ms: Option<u64>,
    /// On the reactor's list of connections to look at again.
    pub(crate) scheduled: bool,
}

/// Whether a client gets replies (CLIENT REPLY).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ReplyMode {
    /// None.
    Off,
    /// All.
    On,
    /// None for the command after this one.
    SkipNext,
    /// None for this one.
    Skipping,
}

/// What waits for something that is not the socket.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Waiting {
    /// For a key of a blocking command.
    Blocked(Arc<BlockedClient>),
    /// For the end of something that another thread does, which answers by a message.
    Answer,
    /// For its script, which is suspended.
    Script,
    /// For a password check, then what HELLO or AUTH was going to do.
    Verdict(AfterAuth),
    /// For a key, or the end of a pause: try again next turn.
    Turn,
}

/// What happens when a password was right.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct AfterAuth {
    /// HELLO: the version it asked for, or the one there was; `None` for AUTH.
    pub(crate) hello: Option<Version>,
    /// HELLO SETNAME.
    pub(crate) name: Option<String>,
}

/// MULTI: what was queued.
#[derive(Debug, Default)]
pub(crate) struct Multi {
    /// The commands.
    pub(crate) queue: Vec<Queued>,
    /// Bytes of their arguments, which count as unfinished requests.
    pub(crate) bytes: u64,
    /// One could not be queued, so EXEC refuses.
    pub(crate) broken: bool,
}

/// A connection's state beyond its bytes.
#[derive(Debug)]
pub(crate) struct ClientState {
    /// What others may know.
    pub(crate) record: Arc<ClientRecord>,
    /// Where its reactor keeps the connection.
    pub(crate) slot: usize,
    /// What it listens to.
    pub(crate) subscriptions: Subscriptions,
    /// CLIENT TRACKING.
    pub(crate) tracking: Option<Box<TrackingState>>,
    /// Chosen by HELLO.
    pub(crate) version: Version,
    /// Whether commands beyond AUTH and HELLO are allowed.
    pub(crate) authenticated: bool,
    /// Inside MULTI.
    pub(crate) multi: Option<Multi>,
    /// CLIENT REPLY.
    pub(crate) reply_mode: ReplyMode,
    /// Gets the MONITOR stream.
    pub(crate) monitor: bool,
    /// Close once the output is sent.
    pub(crate) closing: bool,
    /// Why no command runs now.
    pub(crate) waiting: Option<Waiting>,
    /// Its command waits for the end of CLIENT PAUSE.
    pub(crate) paused: bool,
    /// Its script, while that is suspended.
    pub(crate) script: Option<Box<LongScript>>,
    /// It said that it wants a dump and is no replica.
    pub(crate) wants_dump: bool,
    /// The highest epoch that its commands wrote or saw, while there is a log.
    pub(crate) epoch: u64,
    /// The epoch that the waiting WAITAOF is about.
    pub(crate) awaits_log: Option<u64>,
}

impl ClientState {
    /// A new client's.
    #[must_use]
    pub(crate) fn new(record: Arc<ClientRecord>, slot: usize, authenticated: bool) -> Self {
        Self {
            record,
            slot,
            subscriptions: Subscriptions::default(),
            tracking: None,
            version: Version::Two,
            authenticated,
            multi: None,
            reply_mode: ReplyMode::On,
            monitor: false,
            closing: false,
            waiting: None,
            paused: false,
            script: None,
            wants_dump: false,
            epoch: 0,
            awaits_log: None,
        }
    }

    /// Marks that the reply being written belongs to the client's new version.
    pub(crate) fn set_version(&mut self, version: Version) {
        self.version = version;
        self.record.version.set(u64::from(version.number()));
    }
}

impl Connection {
    /// Whether it has nothing unfinished, and something to read.
    pub(crate) fn may_join_a_group(&self) -> bool {
        let state = &self.state;
        let is_idle =
            self.input.is_empty() && self.output.is_empty() && self.gate.awaits().is_none();
        let may_run = state.authenticated && state.waiting.is_none() && !state.closing;
        self.readable && is_idle && may_run && !self.killed
    }

    /// Whether its gate was closed since the reactor last put it on its list.
    pub(crate) fn becomes_gated(&mut self) -> bool {
        let was_listed = self.gated;
        self.gated |= self.gate.awaits().is_some();
        self.gated && !was_listed
    }

    /// Copies what CLIENT LIST shows into the record: once per turn with traffic.
    pub(crate) fn publish(&self, now_ms: u64) {
        let record = &self.state.record;
        record.active_ms.set(now_ms);
        record.db.set(u64::from(self.scope.db));
        record.watch.set(self.scope.watching() as u64);
        record.query_bytes.set(self.input.len() as u64);
        record.output_bytes.set(self.output.len() as u64);
        record.output_segments.set(self.output.segments() as u64);
        let queued = self.state.multi.as_ref().map_or(0, |multi| multi.queue.len() as u64 + 1);
        record.multi.set(queued);
    }
}
