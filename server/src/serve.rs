//! A connection's share of a loop turn: read, run, write.
//!
//! Why it exists: the order of these three, and when each stops, decides what a fast client gains
//! and what a slow or hostile one can cost. The reactor decides whose turn it is; this file
//! decides how long the turn is.
//!
//! Connections that have nothing unfinished are served in groups: all of a group are read, then
//! the requests of all of them run. So the keys of many connections with one request each are
//! prefetched together, like those of a pipeline. The replies of several groups are sent together:
//! a client that has the next ones to read does not sleep in between, and waking one costs more
//! than a short pipeline. And each of the three finds its code in the processor's cache.
//!
//! Buffers: a connection that has nothing unfinished owns none. Bytes are read into the reactor's
//! scratch, replies are appended to a buffer of the reactor's that the connection borrows. Only
//! what is left at the end (half a request, replies that the socket did not take) is copied
//! or kept. A request that is larger than the scratch moves to a buffer of its own, and the rest
//! of it is read straight into that.
//!
//! Invariants
//! - V1: a short read ends the reading, unless the peer hung up: the socket is empty then, and what
//!   comes later is an event of its own (epoll(7), edge-triggered). An end of stream that was
//!   reported along with the bytes is no event of its own, so it is read for.
//! - V2: a connection above its output limit is not read from until it took its replies.

use std::io::{self, Read};

use engine::Turn;
use slab::Slab;
use smallvec::SmallVec;

use crate::batch::{Batch, Share};
use crate::connection::{Connection, Waiting};
use crate::dispatch::Flow;
use crate::reactor::Core;

/// Bytes read at once where no large request is unfinished.
const SCRATCH_BYTES: usize = 64 * 1024;
/// Connections are added to a group while so much of the scratch is free.
const ROOM_BYTES_MIN: usize = 16 * 1024;
/// Connections that are sent to together.
const ANSWERED_MAX: usize = 32;
/// Bytes of their replies at which they are: what stays in the processor's second cache.
const ANSWERED_BYTES_MAX: usize = 128 * 1024;
/// An unfinished request up to this size is put in front of the next read in the scratch.
const HELD_BYTES_MAX: usize = 16 * 1024;
/// Bytes read from one connection per turn, so that others get theirs.
const READ_BYTES_PER_TURN: usize = 256 * 1024;
/// Replies waiting above which a connection is not read from (V2).
const OUTPUT_PAUSE_BYTES: usize = 4 << 20;

/// What a reactor lends to the connection whose turn it is.
#[derive(Debug)]
pub(crate) struct Buffers {
    scratch: Vec<u8>,
    /// One for each connection that was answered and not sent to.
    replies: [Vec<u8>; ANSWERED_MAX],
}

impl Default for Buffers {
    fn default() -> Self {
        Self { scratch: vec![0; SCRATCH_BYTES], replies: Default::default() }
    }
}

/// Where those are whose requests ran and whose replies were not sent.
type Answered = SmallVec<[usize; ANSWERED_MAX]>;

/// A connection of a group, after it was read.
struct Visit<'b> {
    /// Where the reactor keeps it.
    key: usize,
    /// What it sent.
    bytes: &'b [u8],
    /// There may be more.
    filled: bool,
    /// What was parsed of it.
    share: Share,
}

/// What became of a connection in a turn.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Served {
    /// There is more to do at once.
    Again,
    /// It is over.
    Closed,
    /// The socket will tell when there is more.
    Done,
    /// A request waits for something that no event announces: try again soon.
    Parked,
}

/// What serving a connection takes.
pub(crate) struct Serving<'r, 't> {
    /// The reactor's things.
    pub(crate) core: &'r mut Core,
    /// The engine's turn.
    pub(crate) turn: &'r mut Turn<'t>,
    /// Where requests are parsed to.
    pub(crate) batch: &'r mut Batch,
    /// See [`Buffers`].
    pub(crate) buffers: &'r mut Buffers,
}

impl Serving<'_, '_> {
    /// Serves connections from the front of `keys`, a turn's share of them, and tells `report` what
    /// became of each. Returns how many keys that took: one at least, if there is one.
    pub(crate) fn serve_some(
        &mut self,
        connections: &mut Slab<Connection>,
        keys: &[usize],
        mut report: impl FnMut(usize, &mut Connection, Served),
    ) -> usize {
        let [first, ..] = keys else { return 0 };
        if let Some(connection) = connections.get_mut(*first)
            && !connection.may_join_a_group()
        {
            connection.scheduled = false;
            let served = self.serve_alone(connection);
            report(*first, connection, served);
            return 1;
        }
        let mut answered = Answered::new();
        let mut count = 0;
        loop {
            let group = self.run_group(connections, &keys[count..], &mut answered, &mut report);
            count += group;
            let bytes = answered.iter().map(|&key| connections[key].output.len()).sum::<usize>();
            let is_enough = answered.len() == ANSWERED_MAX || bytes >= ANSWERED_BYTES_MAX;
            if group == 0 || count == keys.len() || is_enough || self.turn.is_long() {
                break;
            }
        }
        for (place, key) in answered.into_iter().enumerate() {
            let connection = &mut connections[key];
            let served = self.finish(connection, place, false);
            report(key, connection, served);
        }
        count
    }

    /// Reads connections from the front of `keys`, as many as make a group, and runs what they
    /// sent. Those that are to be finished are added to `answered`, of the others `report` hears.
    /// Returns how many keys that took.
    fn run_group(
        &mut self,
        connections: &mut Slab<Connection>,
        keys: &[usize],
        answered: &mut Answered,
        mut report: impl FnMut(usize, &mut Connection, Served),
    ) -> usize {
        let mut scratch = std::mem::take(&mut self.buffers.scratch);
        let mut args = self.batch.begin();
        let mut visits: SmallVec<[Visit<'_>; ANSWERED_MAX]> = SmallVec::new();
        let mut free = &mut *scratch;
        let mut count = 0;
        for &key in keys {
            let Some(connection) = connections.get_mut(key) else {
                count += 1;
                continue;
            };
            let is_full = answered.len() + visits.len() == ANSWERED_MAX || self.batch.is_full();
            if is_full || free.len() < ROOM_BYTES_MIN || !connection.may_join_a_group() {
                break;
            }
            count += 1;
            connection.scheduled = false;
            match self.read_once(connection, free) {
                Ok(0) => report(key, connection, Served::Done),
                Ok(bytes) => {
                    let filled = bytes == free.len();
                    let (bytes, rest) = std::mem::take(&mut free).split_at_mut(bytes);
                    free = rest;
                    let share = self.batch.parse(connection, bytes, 0, &mut args);
                    visits.push(Visit { key, bytes, filled, share });
                }
                Err(_) => report(key, connection, Served::Closed),
            }
        }
        self.batch.prepare_all(self.core, self.turn, &args);
        for visit in visits {
            let (key, place) = (visit.key, answered.len());
            self.run_visit(&mut connections[key], place, visit, &mut args);
            answered.push(key);
        }
        self.batch.end(args);
        self.buffers.scratch = scratch;
        count
    }

    /// Runs what a connection of a group sent.
    fn run_visit<'b>(
        &mut self,
        connection: &mut Connection,
        place: usize,
        visit: Visit<'b>,
        args: &mut Vec<&'b [u8]>,
    ) {
        let Visit { bytes, filled, share, .. } = visit;
        connection.output.borrow(&mut self.buffers.replies[place]);
        let from = connection.output.end();
        if self.core.log.is_some() {
            self.turn.reset_seen();
        }
        let (taken, flow) =
            self.batch.run_share(self.core, self.turn, connection, bytes, args, share);
        connection.input.extend_from_slice(&bytes[taken..]);
        if flow == Flow::Next {
            // V1
            connection.readable = filled || connection.hung_up;
        }
        connection.state.closing |= flow == Flow::Close;
        hold(self.core, self.turn, connection, from);
    }

    /// Reads, runs and writes for one connection.
    fn serve_alone(&mut self, connection: &mut Connection) -> Served {
        let waits = matches!(connection.state.waiting, Some(Waiting::Blocked(_)));
        if connection.state.waiting == Some(Waiting::Script) {
            // Not before its script has ended, whatever has become of it.
            return Served::Done;
        }
        if connection.killed || (waits && connection.hung_up) {
            return Served::Closed;
        }
        connection.output.borrow(&mut self.buffers.replies[0]);
        let ended = self.work(connection);
        self.finish(connection, 0, ended)
    }

    /// Reads and runs; whether there is nothing more to read.
    fn work(&mut self, connection: &mut Connection) -> bool {
        let mut flow = Flow::Next;
        let mut ended = false;
        let from = connection.output.end();
        if self.core.log.is_some() {
            self.turn.reset_seen();
        }
        if connection.state.waiting == Some(Waiting::Turn) {
            connection.state.waiting = None;
            flow = self.run_input(connection);
        }
        let may_read = connection.state.waiting.is_none() && !connection.state.closing;
        if flow == Flow::Next && connection.readable && may_read {
            match self.read(connection) {
                Ok(after) => flow = after,
                Err(_) => ended = true,
            }
        }
        connection.state.closing |= flow == Flow::Close;
        hold(self.core, self.turn, connection, from);
        ended
    }

    /// Sends what a connection was answered, and gives the buffer of its replies back; what it
    /// waits for then. `ended`: there is nothing more to read.
    fn finish(&mut self, connection: &mut Connection, place: usize, ended: bool) -> Served {
        let served = self.send(connection, ended);
        connection.output.give_back(&mut self.buffers.replies[place]);
        connection.publish(self.turn.now_ms());
        served
    }

    fn send(&mut self, connection: &mut Connection, ended: bool) -> Served {
        // Who sent requests and hung up behind them gets the answers the socket takes now, and
        // those that wait for the disk.
        let broken = self.write(connection).is_err();
        if broken || (ended && connection.gate.awaits().is_none()) {
            return Served::Closed;
        }
        connection.state.closing |= ended;
        self.outlook(connection)
    }

    /// What a connection waits for at the end of its turn.
    fn outlook(&self, connection: &mut Connection) -> Served {
        if connection.state.closing {
            let now_ms = self.turn.now_ms();
            connection.closing_since_ms.get_or_insert(now_ms);
            return if connection.output.is_empty() { Served::Closed } else { Served::Done };
        }
        let more = connection.readable && connection.output.len() < OUTPUT_PAUSE_BYTES;
        match connection.state.waiting {
            Some(Waiting::Turn) => Served::Parked,
            Some(Waiting::Answer | Waiting::Blocked(_) | Waiting::Script | Waiting::Verdict(_)) => {
                Served::Done
            }
            None if more => Served::Again,
            None => Served::Done,
        }
    }

    /// Reads what the socket has, up to this turn's share, and runs it.
    fn read(&mut self, connection: &mut Connection) -> io::Result<Flow> {
        let mut total = 0;
        while total < READ_BYTES_PER_TURN && connection.output.len() < OUTPUT_PAUSE_BYTES {
            let held = connection.input.len();
            let fits = held <= HELD_BYTES_MAX;
            let (bytes, room) = if fits {
                let mut scratch = std::mem::take(&mut self.buffers.scratch);
                scratch[..held].copy_from_slice(&connection.input);
                let bytes = self.read_once(connection, &mut scratch[held..]);
                self.buffers.scratch = scratch;
                (bytes?, SCRATCH_BYTES - held)
            } else {
                self.read_behind(connection)?
            };
            if bytes == 0 {
                return Ok(Flow::Next);
            }
            total += bytes;
            let flow = if fits {
                self.run_scratch(connection, held + bytes)
            } else {
                self.run_input(connection)
            };
            if flow != Flow::Next {
                return Ok(flow);
            }
            // V1
            if bytes < room && !connection.hung_up {
                connection.readable = false;
                return Ok(Flow::Next);
            }
        }
        Ok(Flow::Next)
    }

    /// Reads once; 0 if there is nothing yet.
    fn read_once(&self, connection: &mut Connection, room: &mut [u8]) -> io::Result<usize> {
        self.settle(connection, |connection| connection.stream.read(room))
    }

    /// Reads behind an unfinished large request, straight into its buffer, which grows with the
    /// bytes that came and never with those that were announced. As [`Serving::read_once`], and
    /// how much room there was.
    fn read_behind(&self, connection: &mut Connection) -> io::Result<(usize, usize)> {
        let input = &mut connection.input;
        if input.capacity() - input.len() < SCRATCH_BYTES {
            input.reserve(SCRATCH_BYTES);
        }
        let room = input.capacity() - input.len();
        let read =
            |connection: &mut Connection| connection.stream.read_spare(&mut connection.input);
        Ok((self.settle(connection, read)?, room))
    }

    /// Sorts out how a read ended, and counts it.
    fn settle(
        &self,
        connection: &mut Connection,
        mut read: impl FnMut(&mut Connection) -> io::Result<usize>,
    ) -> io::Result<usize> {
        loop {
            match read(connection) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(bytes) => {
                    self.core.stats.bytes_in.add(bytes as u64);
                    self.core.stats.reads.add(1);
                    return Ok(bytes);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    connection.readable = false;
                    return Ok(0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Runs requests out of the first `len` bytes of the scratch; keeps what is left.
    fn run_scratch(&mut self, connection: &mut Connection, len: usize) -> Flow {
        let scratch = std::mem::take(&mut self.buffers.scratch);
        let (taken, flow) = self.batch.run(self.core, self.turn, connection, &scratch[..len]);
        connection.input.clear();
        if taken < len {
            connection.input.extend_from_slice(&scratch[taken..len]);
        } else if connection.input.capacity() > 0 {
            connection.input = Vec::new();
        }
        self.buffers.scratch = scratch;
        flow
    }

    /// Runs requests out of the bytes that were kept.
    fn run_input(&mut self, connection: &mut Connection) -> Flow {
        let mut input = std::mem::take(&mut connection.input);
        let (taken, flow) = self.batch.run(self.core, self.turn, connection, &input);
        if taken < input.len() {
            input.drain(..taken);
            connection.input = input;
        }
        if connection.input.len() as u64 > self.core.settings.query_buffer_bytes_max {
            let peer = &connection.state.record.address;
            tracing::warn!("closing {peer}: its query buffer is over the limit");
            self.core.stats.clients_over_limit.add(1);
            connection.killed = true;
            return Flow::Close;
        }
        flow
    }

    /// Sends what the socket takes.
    fn write(&mut self, connection: &mut Connection) -> io::Result<()> {
        if connection.killed {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        let ready = connection.output.ready(connection.gate.limit());
        if ready == 0 || connection.blocked_writing {
            return Ok(());
        }
        let sent = connection.output.send(&mut connection.stream, ready)?;
        self.core.stats.bytes_out.add(sent as u64);
        self.core.stats.writes.add(1);
        connection.blocked_writing = sent < ready;
        Ok(())
    }
}

/// Closes the gate before what was answered from position `from` on, if that tells of writes that
/// are not on disk yet: what the turn has seen since it was told to look anew.
pub(crate) fn hold(core: &Core, turn: &Turn<'_>, connection: &mut Connection, from: u64) {
    let Some(log) = &core.log else { return };
    let seen = turn.seen_epoch();
    connection.state.epoch = connection.state.epoch.max(seen);
    if log.gating && seen > log.durable && connection.output.end() > from {
        connection.gate.hold(seen, from);
    }
}
