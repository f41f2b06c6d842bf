//! The scripts of one reactor.
//!
//! Why it exists: a reactor runs a script as it runs any command, unless the script takes longer
//! than a slice: then it stays here, on its fiber, and the reactor comes back to it once per
//! turn of its loop. Scripts that start meanwhile run on other fibers. Fibers are kept for reuse;
//! each has a session and an interpreter of its own.
//!
//! Invariants
//! - Q1: everything in here is made, used and dropped by one thread: the first that runs a script.

use std::sync::Arc;
use std::thread::ThreadId;

use zumic_error::CommandError;

use super::fiber::{Fiber, Left};
use super::job::{Job, Task};
use crate::commands::{CommandSpec, Handler};
use crate::{Halt, Host, Queued, ReplySink, Scope, Turn};

/// Idle fibers kept.
const IDLE_MAX: usize = 4;

/// What became of a script.
#[derive(Debug)]
pub enum Progress {
    /// It has ended: as [`Turn::run`] says of a command.
    Ended(Result<(), Halt>),
    /// It goes on later: [`Scripts::resume`] with this number.
    Suspended(usize),
}

/// The scripts of one reactor, and what they run on.
///
/// Can be sent to the thread that will use it, while nothing has run.
#[derive(Debug, Default)]
pub struct Scripts {
    bound: Option<Box<Bound>>,
}

/// The part that stays on its thread.
#[derive(Debug)]
struct Bound {
    thread: ThreadId,
    fibers: Fibers,
}

#[derive(Debug, Default)]
struct Fibers {
    idle: Vec<Fiber>,
    suspended: slab::Slab<Fiber>,
}

thread_local! {
    /// Asking for it each time would count a reference to the thread up and down.
    static HERE: ThreadId = std::thread::current().id();
}

// SAFETY: Q1: `bound` is made by the first use and checked by every other one, and its drop on
// another thread forgets the fibers instead of touching them.
unsafe impl Send for Scripts {}

impl Drop for Scripts {
    fn drop(&mut self) {
        if let Some(bound) = self.bound.take()
            && !HERE.try_with(|here| bound.thread == *here).unwrap_or(false)
        {
            std::mem::forget(bound);
        }
    }
}

impl Scripts {
    fn fibers(&mut self) -> &mut Fibers {
        let thread = HERE.with(|here| *here);
        let bound =
            self.bound.get_or_insert_with(|| Box::new(Bound { thread, fibers: Fibers::default() }));
        assert!(bound.thread == thread, "scripts stay with their thread (Q1)");
        &mut bound.fibers
    }

    /// Numbers of the scripts that wait for [`Scripts::resume`].
    #[must_use]
    pub fn suspended(&self) -> Vec<usize> {
        let bound = self.bound.as_ref();
        bound.map_or_else(Vec::new, |bound| {
            bound.fibers.suspended.iter().map(|(number, _)| number).collect()
        })
    }

    /// Whether any script waits.
    #[inline]
    #[must_use]
    pub fn any_suspended(&self) -> bool {
        self.bound.as_ref().is_some_and(|bound| !bound.fibers.suspended.is_empty())
    }

    /// A script: the row's handler is [`Handler::Script`](crate::commands::Handler::Script).
    ///
    /// # Panics
    /// If it is another one.
    pub fn start_script(
        &mut self,
        turn: &mut Turn<'_>,
        scope: &mut Scope,
        host: &mut dyn Host,
        (spec, args): (&'static CommandSpec, &[&[u8]]),
        sink: &mut dyn ReplySink,
    ) -> Progress {
        let Handler::Script(command) = spec.handler else { panic!("{} is no script", spec.name) };
        let fill = |job: &mut Job, scope: &mut Scope| {
            let wanted = std::mem::take(&mut scope.wanted);
            let own = Scope { db: scope.db, no_touch: scope.no_touch, wanted, ..Scope::default() };
            job.task = Task::Command(command);
            job.words.copy(args);
            job.scope = own.into();
        };
        self.start(turn, scope, host, fill, sink)
    }

    /// EXEC of a queue with scripts in it. `queue` is shared with the script until it has ended.
    pub fn start_exec(
        &mut self,
        turn: &mut Turn<'_>,
        scope: &mut Scope,
        host: &mut dyn Host,
        queue: &Arc<Vec<Queued>>,
        sink: &mut dyn ReplySink,
    ) -> Progress {
        let fill = |job: &mut Job, scope: &mut Scope| {
            let own = std::mem::take(scope);
            // What the host looks at meanwhile.
            (scope.db, scope.no_touch, scope.subscribed) = (own.db, own.no_touch, own.subscribed);
            job.task = Task::Exec(Arc::clone(queue));
            job.words.copy(&[b"EXEC"]);
            job.scope = own.into();
        };
        self.start(turn, scope, host, fill, sink)
    }

    /// Starts the job that `fill` makes of the client's scope.
    pub(crate) fn start(
        &mut self,
        turn: &mut Turn<'_>,
        scope: &mut Scope,
        host: &mut dyn Host,
        fill: impl FnOnce(&mut Job, &mut Scope),
        sink: &mut dyn ReplySink,
    ) -> Progress {
        let Fibers { idle, suspended } = self.fibers();
        if idle.is_empty() {
            let Ok(fiber) = Fiber::new(turn.all_share(), turn.number()) else {
                return Progress::Ended(Err(CommandError::OutOfMemory.into()));
            };
            idle.push(fiber);
        }
        // It stays where it is unless the script takes long.
        let fiber = idle.last_mut().expect("one was there or was made");
        let fill = |job: &mut Job| {
            fill(job, scope);
            job.now_ms = turn.now_ms();
        };
        match fiber.start(fill, host, sink) {
            Left::Ended => Progress::Ended(settle(fiber, turn, scope)),
            Left::Paused => {
                let fiber = idle.pop().expect("it was the last");
                Progress::Suspended(suspended.insert(fiber))
            }
        }
    }

    /// Goes on with a script for a slice.
    ///
    /// # Panics
    /// If `number` is not that of a suspended script.
    pub fn resume(
        &mut self,
        number: usize,
        turn: &mut Turn<'_>,
        scope: &mut Scope,
        host: &mut dyn Host,
        sink: &mut dyn ReplySink,
    ) -> Progress {
        let Fibers { idle, suspended } = self.fibers();
        if suspended[number].visit(host, sink) == Left::Paused {
            return Progress::Suspended(number);
        }
        let mut fiber = suspended.remove(number);
        let result = settle(&mut fiber, turn, scope);
        if idle.len() < IDLE_MAX {
            idle.push(fiber);
        }
        Progress::Ended(result)
    }
}

/// Hands what came of a job to its reactor and its client.
fn settle(fiber: &mut Fiber, turn: &mut Turn<'_>, scope: &mut Scope) -> Result<(), Halt> {
    let (mut job, mut ended) = fiber.ended();
    if !ended.changes.is_empty() {
        turn.adopt_changes(std::mem::take(&mut ended.changes));
    }
    turn.adopt_seen(ended.seen_epoch);
    if job.clear() {
        *scope = job.scope.take();
    } else {
        // A script's SELECT is its own.
        scope.wanted = std::mem::take(&mut job.scope.get_mut().wanted);
    }
    std::mem::replace(&mut ended.result, Ok(()))
}
