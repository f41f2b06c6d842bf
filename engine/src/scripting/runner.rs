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
use super::job::{Job, Task, Words};
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
    bound: Option<Bound>,
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

// SAFETY: Q1: `bound` is made by the first use and checked by every other one, and its drop on
// another thread forgets the fibers instead of touching them.
unsafe impl Send for Scripts {}

impl Drop for Scripts {
    fn drop(&mut self) {
        if let Some(bound) = self.bound.take()
            && bound.thread != std::thread::current().id()
        {
            std::mem::forget(bound);
        }
    }
}

impl Scripts {
    fn fibers(&mut self) -> &mut Fibers {
        let thread = std::thread::current().id();
        let bound = self.bound.get_or_insert_with(|| Bound { thread, fibers: Fibers::default() });
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
        let wanted = std::mem::take(&mut scope.wanted);
        let own = Scope { db: scope.db, no_touch: scope.no_touch, wanted, ..Scope::default() };
        let (task, words) = (Task::Command(command), Words::copy_of(args));
        let job = Job { task, words, now_ms: turn.now_ms(), scope: own.into() };
        self.start(turn, scope, host, job, sink)
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
        let task = Task::Exec(Arc::clone(queue));
        let words = Words::copy_of(&[b"EXEC"]);
        let own = std::mem::take(scope);
        // What the host looks at meanwhile.
        (scope.db, scope.no_touch, scope.subscribed) = (own.db, own.no_touch, own.subscribed);
        let job = Job { task, words, now_ms: turn.now_ms(), scope: own.into() };
        self.start(turn, scope, host, job, sink)
    }

    pub(crate) fn start(
        &mut self,
        turn: &mut Turn<'_>,
        scope: &mut Scope,
        host: &mut dyn Host,
        job: Job,
        sink: &mut dyn ReplySink,
    ) -> Progress {
        let fiber = self.fibers().idle.pop();
        let fiber = fiber.map_or_else(|| Fiber::new(turn.all_share(), turn.number()), Ok);
        let Ok(mut fiber) = fiber else {
            if matches!(job.task, Task::Exec(_)) {
                *scope = job.scope.take();
            }
            return Progress::Ended(Err(CommandError::OutOfMemory.into()));
        };
        let left = fiber.start(job, host, sink);
        self.settle(turn, scope, fiber, left)
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
        let mut fiber = self.fibers().suspended.remove(number);
        let left = fiber.visit(host, sink);
        self.settle(turn, scope, fiber, left)
    }

    fn settle(
        &mut self,
        turn: &mut Turn<'_>,
        scope: &mut Scope,
        fiber: Fiber,
        left: Left,
    ) -> Progress {
        let fibers = self.fibers();
        if left == Left::Paused {
            return Progress::Suspended(fibers.suspended.insert(fiber));
        }
        let ended = fiber.take_ended();
        if fibers.idle.len() < IDLE_MAX {
            fibers.idle.push(fiber);
        }
        turn.adopt_changes(ended.changes);
        turn.adopt_seen(ended.seen_epoch);
        if ended.is_exec {
            *scope = ended.scope;
        } else {
            // A script's SELECT is its own.
            scope.wanted = ended.scope.wanted;
        }
        Progress::Ended(ended.result)
    }
}
