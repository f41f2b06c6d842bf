//! Running the requests of one read together, and of several connections' reads.
//!
//! Why it exists: a pipeline's requests are known before the first of them runs, and so are those
//! of all connections that have been read, so the memory that the later ones will need can be on
//! its way while the earlier ones execute. Requests are parsed ahead in groups; from eight on,
//! their keys are prefetched.

use std::ops::Range;

use engine::commands::{CommandSpec, Flags, lookup};
use engine::{Ahead, Halt, ReplySink, Turn};
use protocol::Step;
use smallvec::SmallVec;

use crate::admin::auth::Verdict;
use crate::connection::{AfterAuth, Connection, Waiting};
use crate::dispatch::{Flow, execute};
use crate::reactor::Core;
use crate::reply::Reply;

/// Requests parsed ahead.
const GROUP: usize = 32;
/// Requests from which prefetching pays.
const PREFETCH_MIN: usize = 8;

/// The requests that were parsed and did not run yet.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    requests: Vec<Request>,
    /// Room for arguments, empty between runs.
    args: Vec<&'static [u8]>,
}

#[derive(Clone, Copy, Debug)]
struct Request {
    /// The row of its name.
    spec: Option<&'static CommandSpec>,
    /// The database it is most likely about.
    db: u16,
    /// Where its bytes begin and end in its connection's.
    start: usize,
    end: usize,
    /// Its arguments among those of the batch.
    first: usize,
    count: usize,
}

/// What was parsed of one connection's bytes.
#[derive(Debug)]
pub(crate) struct Share {
    requests: Range<usize>,
    /// How many bytes they take.
    end: usize,
    stop: Stop,
}

/// The allocation of an emptied vector, for slices of another buffer. (The iterator has nothing
/// to convert, and collecting it in place keeps the memory.)
fn recycle<'b>(mut args: Vec<&[u8]>) -> Vec<&'b [u8]> {
    args.clear();
    args.into_iter().map(|_| &[][..]).collect()
}

impl Batch {
    /// Begins a batch: room for its arguments, for [`Batch::end`].
    pub(crate) fn begin<'b>(&mut self) -> Vec<&'b [u8]> {
        self.requests.clear();
        recycle(std::mem::take(&mut self.args))
    }

    /// Ends a batch.
    pub(crate) fn end(&mut self, args: Vec<&[u8]>) {
        self.args = recycle(args);
    }

    /// Whether as many requests were parsed as are parsed ahead.
    pub(crate) fn is_full(&self) -> bool {
        self.requests.len() >= GROUP
    }

    /// Runs the complete requests at the start of `buffer`. Returns how many bytes they took; a
    /// request that has to wait, and what is behind it, is not among them.
    pub(crate) fn run(
        &mut self,
        core: &mut Core,
        turn: &mut Turn<'_>,
        connection: &mut Connection,
        buffer: &[u8],
    ) -> (usize, Flow) {
        let mut args = self.begin();
        let share = self.parse(connection, buffer, 0, &mut args);
        self.prepare(core, turn, share.requests.clone(), &args);
        let done = self.run_share(core, turn, connection, buffer, &mut args, share);
        self.end(args);
        done
    }

    /// Runs what was parsed ahead of `buffer`, then the complete requests behind that; as
    /// [`Batch::run`].
    pub(crate) fn run_share<'b>(
        &mut self,
        core: &mut Core,
        turn: &mut Turn<'_>,
        connection: &mut Connection,
        buffer: &'b [u8],
        args: &mut Vec<&'b [u8]>,
        mut share: Share,
    ) -> (usize, Flow) {
        let parsed = (self.requests.len(), args.len());
        loop {
            for request in &self.requests[share.requests.clone()] {
                let args = &args[request.first..request.first + request.count];
                let flow = run_one(core, turn, connection, request.spec, args);
                if flow != Flow::Next {
                    connection.parser.restart();
                    let rerun = connection.state.waiting == Some(Waiting::Turn);
                    return (if rerun { request.start } else { request.end }, flow);
                }
            }
            let mut at = share.end;
            match share.stop {
                Stop::GroupFull => {}
                Stop::NeedMore => return (at, Flow::Next),
                Stop::Inline(taken) => {
                    let flow = run_inline(core, turn, connection, &buffer[at..]);
                    if flow != Flow::Next {
                        connection.parser.restart();
                        let rerun = connection.state.waiting == Some(Waiting::Turn);
                        return (if rerun { at } else { at + taken }, flow);
                    }
                    at += taken;
                }
                Stop::Broken(error) => {
                    let mut reply = Reply::new(&mut connection.output, connection.state.version);
                    reply.error(&error.into());
                    core.stats.record_error("ERR");
                    return (buffer.len(), Flow::Close);
                }
            }
            // Behind those of other connections, which did not run yet.
            self.requests.truncate(parsed.0);
            args.truncate(parsed.1);
            share = self.parse(connection, buffer, at, args);
            self.prepare(core, turn, share.requests.clone(), args);
        }
    }

    /// Parses requests from `at` on until a group is full or something else has to happen.
    pub(crate) fn parse<'b>(
        &mut self,
        connection: &mut Connection,
        buffer: &'b [u8],
        mut at: usize,
        args: &mut Vec<&'b [u8]>,
    ) -> Share {
        // A stranger's requests change what comes after them.
        let group = if connection.state.authenticated { GROUP } else { 1 };
        let begin = self.requests.len();
        let parser = &mut connection.parser;
        parser.set_authenticated(connection.state.authenticated);
        let db = connection.scope.db;
        let stop = loop {
            if self.requests.len() - begin >= group {
                break Stop::GroupFull;
            }
            let first = args.len();
            let rest = &buffer[at..];
            let taken = match parser.whole(rest, args) {
                Some(taken) => taken,
                None => match parser.next(rest) {
                    Err(error) => break Stop::Broken(error),
                    Ok(Step::NeedMore(_)) => break Stop::NeedMore,
                    Ok(Step::Request(taken)) => {
                        let Some(ranges) = parser.ranges() else { break Stop::Inline(taken) };
                        args.extend(ranges.iter().map(|&(start, len)| &rest[start..start + len]));
                        taken
                    }
                },
            };
            let (start, end) = (at, at + taken);
            if let Some(&name) = args.get(first) {
                // Clients repeat themselves: a name is looked up when it is another one.
                let spec = match self.requests.last() {
                    Some(last) if args[last.first] == name => last.spec,
                    _ => lookup(name),
                };
                let count = args.len() - first;
                self.requests.push(Request { spec, db, start, end, first, count });
            }
            at = end;
        };
        Share { requests: begin..self.requests.len(), end: at, stop }
    }

    /// Gets ready to run all requests since the batch began.
    pub(crate) fn prepare_all(&self, core: &mut Core, turn: &mut Turn<'_>, args: &[&[u8]]) {
        self.prepare(core, turn, 0..self.requests.len(), args);
    }

    /// Gets ready to run requests: what they need is asked for, and the first one's time begins.
    fn prepare(
        &self,
        core: &mut Core,
        turn: &mut Turn<'_>,
        requests: Range<usize>,
        args: &[&[u8]],
    ) {
        self.prefetch(turn, requests, args);
        core.tick = core.counter.raw();
    }

    /// Asks for the memory of the first key of each request, and of an element named with it,
    /// where there are enough of them.
    fn prefetch(&self, turn: &mut Turn<'_>, requests: Range<usize>, args: &[&[u8]]) {
        if requests.len() < PREFETCH_MIN {
            return;
        }
        let mut keys: SmallVec<[Ahead<'_>; 2 * GROUP]> = SmallVec::new();
        for request in &self.requests[requests] {
            let Some(spec) = request.spec else { continue };
            let args = &args[request.first..request.first + request.count];
            let Some(at) = spec.first_key_ahead(args) else { continue };
            let value = !spec.flags.contains(Flags::WRITE);
            let element = spec.element_argument().and_then(|at| args.get(at)).copied();
            keys.push(Ahead { db: request.db, key: args[at], value, element });
        }
        turn.prefetch(&keys);
    }
}

/// Why parsing stopped.
#[derive(Debug)]
enum Stop {
    Broken(zumic_error::ProtocolError),
    GroupFull,
    /// An inline request of so many bytes is next.
    Inline(usize),
    NeedMore,
}

/// Runs the inline request that the parser found; its words are in the parser.
fn run_inline(
    core: &mut Core,
    turn: &mut Turn<'_>,
    connection: &mut Connection,
    buffer: &[u8],
) -> Flow {
    let words: Vec<Vec<u8>> = connection.parser.args(buffer).map(<[u8]>::to_vec).collect();
    let args: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    match args.first() {
        None => Flow::Next,
        Some(name) => run_one(core, turn, connection, lookup(name), &args),
    }
}

fn run_one(
    core: &mut Core,
    turn: &mut Turn<'_>,
    connection: &mut Connection,
    spec: Option<&'static CommandSpec>,
    args: &[&[u8]],
) -> Flow {
    let Connection { state, scope, output, .. } = connection;
    execute(core, turn, state, scope, output, spec, args)
}

/// Goes on with AUTH or HELLO after the password was checked.
pub(crate) fn resume(
    core: &mut Core,
    turn: &mut Turn<'_>,
    connection: &mut Connection,
    verdict: Verdict,
    after: &AfterAuth,
) {
    let Connection { state, scope, output, .. } = connection;
    let mut reply = Reply::new(output, state.version);
    let conclude = |context: &mut engine::Context<'_>| {
        crate::session::conclude(core, state, context, verdict, after)
    };
    if let Err(Halt::Error(error)) = turn.with(scope, &mut reply, conclude) {
        reply.error(&error);
        core.stats.record_error(error.code());
    }
}
