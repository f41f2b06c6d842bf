//! Running the requests of one read together.
//!
//! Why it exists: a pipeline's requests are known before the first of them runs, so the memory
//! that the later ones will need can be on its way while the earlier ones execute. Requests are
//! parsed ahead in groups; from eight on, their keys are prefetched.

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

/// The requests of one group.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    requests: Vec<Parsed>,
    /// Room for arguments, empty between runs.
    args: Vec<&'static [u8]>,
}

#[derive(Clone, Copy, Debug)]
struct Parsed {
    /// The row of its name.
    spec: Option<&'static CommandSpec>,
    /// Where its bytes begin and end in the buffer.
    start: usize,
    end: usize,
    /// Its arguments among those of the group.
    first: usize,
    count: usize,
}

/// The allocation of an emptied vector, for slices of another buffer. (The iterator has nothing
/// to convert, and collecting it in place keeps the memory.)
fn recycle<'b>(mut args: Vec<&[u8]>) -> Vec<&'b [u8]> {
    args.clear();
    args.into_iter().map(|_| &[][..]).collect()
}

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
        let mut args = recycle(std::mem::take(&mut self.args));
        let done = self.run_groups(core, turn, connection, buffer, &mut args);
        self.args = recycle(args);
        done
    }

    fn run_groups<'b>(
        &mut self,
        core: &mut Core,
        turn: &mut Turn<'_>,
        connection: &mut Connection,
        buffer: &'b [u8],
        args: &mut Vec<&'b [u8]>,
    ) -> (usize, Flow) {
        let mut at = 0;
        loop {
            args.clear();
            self.requests.clear();
            let (end, stop) = self.parse(connection, buffer, at, args);
            if self.requests.len() >= PREFETCH_MIN {
                self.prefetch(turn, connection.scope.db, args);
            }
            core.tick = core.counter.raw();
            for parsed in &self.requests {
                let args = &args[parsed.first..parsed.first + parsed.count];
                let flow = run_one(core, turn, connection, parsed.spec, args);
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
        }
    }

    /// Parses requests from `at` on until a group is full or something else has to happen.
    fn parse<'b>(
        &mut self,
        connection: &mut Connection,
        buffer: &'b [u8],
        mut at: usize,
        args: &mut Vec<&'b [u8]>,
    ) -> (usize, Stop) {
        // A stranger's requests change what comes after them.
        let group = if connection.state.authenticated { GROUP } else { 1 };
        let parser = &mut connection.parser;
        parser.set_authenticated(connection.state.authenticated);
        // Pipelines repeat themselves: a name is looked up when it is another one.
        let mut last: (&[u8], _) = (&[], None);
        while self.requests.len() < group {
            let first = args.len();
            let rest = &buffer[at..];
            let taken = match parser.whole(rest, args) {
                Some(taken) => taken,
                None => match parser.next(rest) {
                    Err(error) => return (at, Stop::Broken(error)),
                    Ok(Step::NeedMore(_)) => return (at, Stop::NeedMore),
                    Ok(Step::Request(taken)) => {
                        let Some(ranges) = parser.ranges() else {
                            return (at, Stop::Inline(taken));
                        };
                        args.extend(ranges.iter().map(|&(start, len)| &rest[start..start + len]));
                        taken
                    }
                },
            };
            let (start, end) = (at, at + taken);
            if let Some(name) = args.get(first) {
                if *name != last.0 {
                    last = (name, lookup(name));
                }
                let spec = last.1;
                let count = args.len() - first;
                self.requests.push(Parsed { spec, start, end, first, count });
            }
            at = end;
        }
        (at, Stop::GroupFull)
    }

    /// Asks for the memory of the first key of each request, and of an element named with it.
    fn prefetch(&self, turn: &mut Turn<'_>, db: u16, args: &[&[u8]]) {
        let mut keys: SmallVec<[Ahead<'_>; GROUP]> = SmallVec::new();
        for parsed in &self.requests {
            let Some(spec) = parsed.spec else { continue };
            if parsed.count > 1 && spec.first_key_is_first_argument() {
                let value = !spec.flags.contains(Flags::WRITE);
                let key = args[parsed.first + 1];
                let names_element = parsed.count > 2 && spec.second_argument_is_an_element();
                let element = names_element.then(|| args[parsed.first + 2]);
                keys.push(Ahead { db, key, value, element });
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
