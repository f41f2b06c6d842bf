//! Running the requests of one read together.
//!
//! Why it exists: a pipeline's requests are known before the first of them runs, so the memory
//! that the later ones will need can be on its way while the earlier ones execute. Requests are
//! parsed ahead in groups; from eight on, their keys are prefetched.

use engine::commands::{CommandSpec, lookup};
use engine::{Halt, ReplySink, Turn};
use protocol::Step;
use smallvec::SmallVec;

use crate::admin::auth::Verdict;
use crate::connection::{AfterAuth, Connection, Waiting};
use crate::dispatch::{Flow, execute};
use crate::reactor::Core;
use crate::reply::Reply;

/// Requests parsed ahead.
const GROUP: usize = 64;
/// Requests from which prefetching pays.
const PREFETCH_MIN: usize = 8;
/// Arguments that need no allocation.
const ARGS_INLINE: usize = 8;

/// The requests of one group, as places in the buffer.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// Start and length of every argument.
    ranges: Vec<(usize, usize)>,
    requests: Vec<Parsed>,
}

#[derive(Clone, Copy, Debug)]
struct Parsed {
    /// The row of its name.
    spec: Option<&'static CommandSpec>,
    /// Where its bytes begin and end in the buffer.
    start: usize,
    end: usize,
    /// Its arguments among the ranges.
    first: usize,
    count: usize,
}

type Args<'b> = SmallVec<[&'b [u8]; ARGS_INLINE]>;

impl Batch {
    /// Runs the complete requests at the start of `buffer`. Returns how many bytes they took; a
    /// request that has to wait, and what is behind it, is not among them.
    pub(crate) fn run(
        &mut self,
        core: &mut Core,
        turn: &mut Turn<'_>,
        connection: &mut Connection,
        buffer: &[u8],
    ) -> (usize, Flow) {
        let mut at = 0;
        loop {
            self.ranges.clear();
            self.requests.clear();
            let (end, stop) = self.parse(connection, buffer, at);
            if self.requests.len() >= PREFETCH_MIN {
                self.prefetch(turn, connection.scope.db, buffer);
            }
            core.tick = core.counter.raw();
            for parsed in &self.requests {
                let ranges = &self.ranges[parsed.first..parsed.first + parsed.count];
                let args: Args<'_> =
                    ranges.iter().map(|&(start, len)| &buffer[start..start + len]).collect();
                let flow = run_one(core, turn, connection, parsed.spec, &args);
                if flow != Flow::Next {
                    connection.parser.restart();
                    let rerun = connection.state.waiting == Some(Waiting::Turn);
                    return (if rerun { parsed.start } else { parsed.end }, flow);
                }
            }
            at = end;
            match stop {
                Stop::GroupFull => {}
                Stop::NeedMore => return (at, Flow::Next),
                Stop::Inline(taken) => {
                    // The words of an inline request are in the parser: take them out.
                    let words: Vec<Vec<u8>> =
                        connection.parser.args(&buffer[at..]).map(<[u8]>::to_vec).collect();
                    let args: Args<'_> = words.iter().map(Vec::as_slice).collect();
                    let flow = if args.is_empty() {
                        Flow::Next
                    } else {
                        run_one(core, turn, connection, lookup(args[0]), &args)
                    };
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
        }
    }

    /// Parses requests from `at` on until a group is full or something else has to happen.
    fn parse(
        &mut self,
        connection: &mut Connection,
        buffer: &[u8],
        mut at: usize,
    ) -> (usize, Stop) {
        // A stranger's requests change what comes after them.
        let group = if connection.state.authenticated { GROUP } else { 1 };
        let parser = &mut connection.parser;
        parser.set_authenticated(connection.state.authenticated);
        while self.requests.len() < group {
            match parser.next(&buffer[at..]) {
                Err(error) => return (at, Stop::Broken(error)),
                Ok(Step::NeedMore(_)) => return (at, Stop::NeedMore),
                Ok(Step::Request(taken)) => {
                    let Some(ranges) = parser.ranges() else {
                        return (at, Stop::Inline(taken));
                    };
                    if !ranges.is_empty() {
                        let first = self.ranges.len();
                        self.ranges.extend(ranges.iter().map(|&(start, len)| (at + start, len)));
                        let count = ranges.len();
                        let (start, len) = self.ranges[first];
                        let spec = lookup(&buffer[start..start + len]);
                        self.requests.push(Parsed {
                            spec,
                            start: at,
                            end: at + taken,
                            first,
                            count,
                        });
                    }
                    at += taken;
                }
            }
        }
        (at, Stop::GroupFull)
    }

    /// Asks for the memory of the first key of each request.
    fn prefetch(&self, turn: &mut Turn<'_>, db: u16, buffer: &[u8]) {
        let mut keys: SmallVec<[(u16, &[u8]); GROUP]> = SmallVec::new();
        for parsed in &self.requests {
            let keyed = |spec: &CommandSpec| spec.first_key_is_first_argument();
            if parsed.count > 1 && parsed.spec.is_some_and(keyed) {
                let (start, len) = self.ranges[parsed.first + 1];
                keys.push((db, &buffer[start..start + len]));
            }
        }
        turn.prefetch(&keys);
    }
}

/// Why parsing stopped.
enum Stop {
    Broken(zumic_error::ProtocolError),
    GroupFull,
    /// An inline request of so many bytes is next.
    Inline(usize),
    NeedMore,
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
