//! One connection's share of a loop turn: read, run, write.
//!
//! Why it exists: the order of these three, and when each stops, decides what a fast client gains
//! and what a slow or hostile one can cost. The reactor decides whose turn it is; this file
//! decides how long the turn is.
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

use crate::batch::Batch;
use crate::connection::{Connection, Waiting};
use crate::dispatch::Flow;
use crate::reactor::Core;

/// Bytes read at once where no large request is unfinished.
const SCRATCH_BYTES: usize = 64 * 1024;
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
    reply: Vec<u8>,
}

impl Default for Buffers {
    fn default() -> Self {
        Self { scratch: vec![0; SCRATCH_BYTES], reply: Vec::with_capacity(SCRATCH_BYTES) }
    }
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
    /// Reads, runs and writes for one connection.
    pub(crate) fn serve(&mut self, connection: &mut Connection) -> Served {
        let waits = matches!(connection.state.waiting, Some(Waiting::Blocked(_)));
        if connection.state.waiting == Some(Waiting::Script) {
            // Not before its script has ended, whatever has become of it.
            return Served::Done;
        }
        if connection.killed || (waits && connection.hung_up) {
            return Served::Closed;
        }
        connection.output.borrow(&mut self.buffers.reply);
        let served = self.work(connection);
        connection.output.give_back(&mut self.buffers.reply);
        connection.publish(self.turn.now_ms());
        served
    }

    fn work(&mut self, connection: &mut Connection) -> Served {
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
        if self.core.log.is_some() {
            hold(self.core, self.turn, connection, from);
        }
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
            let (result, room) = if fits {
                self.buffers.scratch[..held].copy_from_slice(&connection.input);
                let free = &mut self.buffers.scratch[held..];
                (connection.stream.read(free), free.len())
            } else {
                read_behind(connection)
            };
            let bytes = match result {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(bytes) => bytes,
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

/// Reads behind an unfinished large request, straight into its buffer, which grows with the bytes
/// that came and never with those that were announced.
fn read_behind(connection: &mut Connection) -> (io::Result<usize>, usize) {
    let Connection { input, stream, .. } = connection;
    if input.capacity() - input.len() < SCRATCH_BYTES {
        input.reserve(SCRATCH_BYTES);
    }
    let room = input.capacity() - input.len();
    (stream.read_spare(input), room)
}
