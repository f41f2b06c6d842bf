//! Scripts as the commands of connections.
//!
//! Why it exists: a script may last longer than the reactor should serve one client. It is then
//! suspended (`engine::scripting`), its connection waits, and the reactor comes back to it in
//! each turn of its loop; its answer, its statistics and its place in the slow log come at the end.
//!
//! Invariants
//! - S1: a connection whose script is suspended is not removed before the script has ended,
//!   whatever becomes of its client.

use std::sync::Arc;

use engine::commands::{CommandSpec, Handler, HostCommand};
use engine::scripting::Progress;
use engine::{Halt, Queued, Scope, Turn};
use zumic_error::CommandError;

use crate::connection::{ClientState, Connection, Multi, ReplyMode, Waiting};
use crate::dispatch::{ConnectionHost, Ran, conclude, feed_monitors};
use crate::pubsub::Plan;
use crate::reactor::Core;
use crate::reply::Reply;
use crate::tracking::commands as tracking;

/// A script that is suspended, until it has answered.
#[derive(Debug)]
pub(crate) struct LongScript {
    /// Its number among the reactor's scripts.
    number: usize,
    spec: &'static CommandSpec,
    args: Vec<Vec<u8>>,
    db: u16,
    /// Nanoseconds it has run.
    nanoseconds: u64,
    /// What EXEC took from the client.
    queue: Option<(Arc<Vec<Queued>>, u64)>,
    /// What it published, to be sent when it has ended.
    outbox: Vec<Plan>,
}

/// What runs: a script's words, or EXEC's queue.
enum Start<'a> {
    Exec(Arc<Vec<Queued>>, u64),
    Script(&'a [&'a [u8]]),
}

/// Whether a command runs on a stack of its own: a script, or EXEC with one in its queue.
#[inline]
pub(crate) fn is_script(spec: &CommandSpec, state: &ClientState) -> bool {
    match spec.handler {
        Handler::Script(_) => true,
        Handler::Host(HostCommand::Exec) => state.multi.as_ref().is_some_and(has_scripts),
        _ => false,
    }
}

fn has_scripts(multi: &Multi) -> bool {
    let is_script = |queued: &Queued| matches!(queued.spec.handler, Handler::Script(_));
    !multi.broken && multi.queue.iter().any(is_script)
}

/// Runs a script; `None` when it was suspended.
pub(crate) fn start(
    core: &mut Core,
    turn: &mut Turn<'_>,
    state: &mut ClientState,
    scope: &mut Scope,
    reply: &mut Reply<'_>,
    spec: &'static CommandSpec,
    args: &[&[u8]],
) -> Option<Result<(), Halt>> {
    let db = scope.db;
    let start = match state.multi.take() {
        Some(multi) => {
            watch_reads(core, state, &multi.queue);
            Start::Exec(Arc::new(multi.queue), multi.bytes)
        }
        None => {
            if core.shared.is_monitored() {
                // Before the commands of the script.
                feed_monitors(core, state, db, args);
            }
            Start::Script(args)
        }
    };
    let mark = reply.mark();
    let mut scripts = std::mem::take(&mut core.scripts);
    let mut host = ConnectionHost { core, state, in_exec: true, executed_at: None };
    let progress = match &start {
        Start::Exec(queue, _) => scripts.start_exec(turn, scope, &mut host, queue, reply),
        Start::Script(args) => scripts.start_script(turn, scope, &mut host, (spec, args), reply),
    };
    core.scripts = scripts;
    let queue = match start {
        Start::Exec(queue, bytes) => Some((queue, bytes)),
        Start::Script(_) => None,
    };
    match progress {
        Progress::Ended(result) => Some(ended(state, reply, mark, queue, result)),
        Progress::Suspended(number) => {
            let nanoseconds = core.counter.delta_as_nanos(core.tick, core.counter.raw());
            let args = args.iter().map(|arg| arg.to_vec()).collect();
            let outbox = std::mem::take(&mut core.outbox);
            let long = LongScript { number, spec, args, db, nanoseconds, queue, outbox };
            state.waiting = Some(Waiting::Script);
            state.script = Some(Box::new(long));
            core.long_scripts.push(state.slot);
            None
        }
    }
}

/// For client-side caching: EXEC is about to run these.
fn watch_reads(core: &Core, state: &mut ClientState, queue: &[Queued]) {
    if state.tracking.is_some() {
        for queued in queue {
            let args: Vec<&[u8]> = queued.args.iter().map(Vec::as_slice).collect();
            tracking::before(core, state, queued.spec, &args);
        }
    }
}

/// What follows from how a script has ended.
fn ended(
    state: &mut ClientState,
    reply: &mut Reply<'_>,
    mark: crate::output::Mark,
    queue: Option<(Arc<Vec<Queued>>, u64)>,
    result: Result<(), Halt>,
) -> Result<(), Halt> {
    if result.is_err() {
        reply.rewind(mark);
    }
    match (result, queue) {
        (Err(Halt::Busy), Some((queue, bytes))) => {
            let queue = Arc::try_unwrap(queue).expect("the script that shared it has ended");
            state.multi = Some(Multi { queue, bytes, broken: false });
            Err(Halt::Busy)
        }
        (Err(Halt::Error(CommandError::OutOfMemory)), Some(_)) => {
            Err(CommandError::ExecAbortMemory.into())
        }
        (result, _) => result,
    }
}

/// Goes on with the suspended script of a connection for a slice. Whether it has ended.
pub(crate) fn resume(core: &mut Core, turn: &mut Turn<'_>, connection: &mut Connection) -> bool {
    let Connection { state, scope, output, .. } = connection;
    let mut long = state.script.take().expect("it is suspended");
    let outer = std::mem::replace(&mut core.outbox, std::mem::take(&mut long.outbox));
    core.origin = Some(state.record.id);
    crate::panic::set_current(long.spec.name);
    core.tick = core.counter.raw();
    let rewind_to = output.mark();
    let mut reply = Reply::new(output, state.version);
    let mark = reply.mark();
    let mut scripts = std::mem::take(&mut core.scripts);
    let mut host = ConnectionHost { core, state, in_exec: true, executed_at: None };
    let progress = scripts.resume(long.number, turn, scope, &mut host, &mut reply);
    core.scripts = scripts;
    let result = match progress {
        Progress::Ended(result) => result,
        Progress::Suspended(number) => {
            long.number = number;
            long.nanoseconds += core.counter.delta_as_nanos(core.tick, core.counter.raw());
            long.outbox = std::mem::replace(&mut core.outbox, outer);
            state.script = Some(long);
            return false;
        }
    };
    core.outbox.splice(0..0, outer);
    state.waiting = None;
    let result = ended(state, &mut reply, mark, long.queue.take(), result);
    assert!(result != Err(Halt::Busy), "a script that was suspended goes on until it ends");
    let args: Vec<&[u8]> = long.args.iter().map(Vec::as_slice).collect();
    let ran = Ran { spec: long.spec, args: &args, db: long.db, before: long.nanoseconds };
    conclude(core, turn, state, scope, &mut reply, &ran, &result);
    if let Some(code) = reply.error_code() {
        core.stats.record_error(code);
    }
    match state.reply_mode {
        ReplyMode::On | ReplyMode::SkipNext => {}
        ReplyMode::Off => output.rewind(rewind_to),
        ReplyMode::Skipping => {
            output.rewind(rewind_to);
            state.reply_mode = ReplyMode::On;
        }
    }
    // What the client has sent meanwhile runs next.
    state.waiting = Some(Waiting::Turn);
    true
}
