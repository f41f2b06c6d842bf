//! What a fiber is told to do, and what comes of it.
//!
//! Why it exists: a script, a function and an EXEC with scripts in it are run by the same rules:
//! take the keys, run, and go back and start again when a key cannot be had. Here is that loop;
//! the transaction is `unit`'s, the interpreter is `lua`'s.

use std::cell::RefCell;
use std::sync::Arc;

use smallvec::SmallVec;
use zumic_error::CommandError;

use super::fiber::Courier;
use super::program::{self, Machine};
use super::running::Label;
use super::unit::Unit;
use crate::commands::{Flags, Handler, ScriptCommand};
use crate::dispatch::{borrowed, queue_keys};
use crate::follow::Changes;
use crate::reply::ReplySink;
use crate::session::Session;
use crate::shared::Shared;
use crate::tape::Tape;
use crate::{Halt, Queued, Scope};

/// Starts of a script in a row before its client is parked.
const STARTS_MAX: u32 = 8;
/// Bytes of words that are kept between jobs.
const KEPT_BYTES_MAX: usize = 64 * 1024;

/// Words of a request, copied.
#[derive(Debug, Default)]
pub(crate) struct Words {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Words {
    /// Copies other words.
    pub(crate) fn copy(&mut self, words: &[&[u8]]) {
        self.clear();
        for word in words {
            self.bytes.extend_from_slice(word);
            self.ends.push(self.bytes.len());
        }
    }

    /// Forgets the words, and gives back what many of them have left.
    fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_BYTES_MAX);
        self.ends.clear();
        self.ends.shrink_to(KEPT_BYTES_MAX / size_of::<usize>());
    }

    #[inline]
    pub(crate) fn borrowed(&self) -> SmallVec<[&[u8]; 16]> {
        let mut words = SmallVec::new();
        let mut start = 0;
        for &end in &self.ends {
            words.push(&self.bytes[start..end]);
            start = end;
        }
        words
    }
}

/// What to run.
#[derive(Debug, Default)]
pub(crate) enum Task {
    /// A script or a function: the words are its command's.
    Command(ScriptCommand),
    /// Commands that were queued, at least one of which is a script.
    Exec(Arc<Vec<Queued>>),
    /// Nothing, between two jobs.
    #[default]
    Nothing,
    /// What a test does.
    #[cfg(test)]
    Test(RefCell<Box<dyn TestTask>>),
}

/// A script in Rust.
#[cfg(test)]
pub(crate) trait TestTask: std::fmt::Debug {
    /// The keys it declares, of database 0.
    fn keys(&self) -> Vec<Vec<u8>>;
    /// Runs it.
    fn run(&mut self, unit: &mut Unit<'_, '_>) -> Result<(), zumic_error::CommandError>;
}

/// A job of a fiber, which has room for one after the other.
#[derive(Debug, Default)]
pub(crate) struct Job {
    pub(crate) task: Task,
    pub(crate) words: Words,
    pub(crate) now_ms: u64,
    /// The script's state as a client, while it is not running.
    pub(crate) scope: RefCell<Scope>,
}

/// What came of a job, besides what is in its scope.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) result: Result<(), Halt>,
    pub(crate) changes: Changes,
    /// The epoch that has to be durable before its reply leaves.
    pub(crate) seen_epoch: u64,
}

impl Default for Ended {
    fn default() -> Self {
        Self { result: Ok(()), changes: Changes::default(), seen_epoch: 0 }
    }
}

impl Job {
    /// Forgets what it was. Returns whether its scope is the client's own, as that of EXEC is.
    pub(crate) fn clear(&mut self) -> bool {
        self.words.clear();
        matches!(std::mem::take(&mut self.task), Task::Exec(_))
    }

    /// Whether it is a function.
    pub(crate) fn is_function(&self) -> bool {
        matches!(self.task, Task::Command(ScriptCommand::Fcall | ScriptCommand::FcallRo))
    }

    /// What FUNCTION STATS says of it.
    pub(crate) fn label(&self) -> Label {
        let words = self.words.borrowed();
        let function = self.is_function().then(|| words[1].into());
        Label { function, command: words.iter().map(|word| Box::from(*word)).collect() }
    }
}

/// What a fiber has for all of its jobs.
#[derive(Debug)]
pub(crate) struct Workshop {
    session: Session,
    machine: Machine,
    tape: Tape,
}

impl Workshop {
    pub(crate) fn new(shared: &Arc<Shared>, host: u64) -> Self {
        Self {
            session: Session::nested(Arc::clone(shared), host),
            machine: Machine::new(shared),
            tape: Tape::default(),
        }
    }

    /// Runs a job to its end.
    pub(crate) fn run(&mut self, courier: &Courier<'_>, ended: &mut Ended) {
        let job = courier.job;
        let Self { session, machine, tape } = self;
        let mut turn = session.enter(job.now_ms);
        let mut scope = job.scope.borrow_mut();
        let mut unit = Unit::new(&mut turn, &mut scope, courier);
        let mut starts = 0;
        ended.result = loop {
            starts += 1;
            courier.again.set(false);
            let result = start(machine, tape, &mut unit, courier, starts == 1);
            let again = courier.again.get();
            if again {
                unit.go_back();
                if let Some(error) = courier.take_failure() {
                    break Err(error.into());
                }
            } else if result != Err(Halt::Busy) {
                break result;
            }
            // Nothing is held. A client that was left waiting cannot be parked with its request.
            if !again || starts >= STARTS_MAX {
                if !courier.has_paused() {
                    break Err(Halt::Busy);
                }
                unit.pause();
                starts = 0;
            }
        };
        ended.changes = unit.end();
        ended.seen_epoch = turn.seen_epoch();
        turn.reset_seen();
        drop(turn);
        machine.rest();
    }
}

/// Runs a job once.
fn start(
    machine: &mut Machine,
    tape: &mut Tape,
    unit: &mut Unit<'_, '_>,
    courier: &Courier<'_>,
    first: bool,
) -> Result<(), Halt> {
    match &courier.job.task {
        Task::Command(command) => program::run(*command, machine, unit, courier, first),
        Task::Exec(queue) => exec(queue, machine, unit, tape, courier),
        Task::Nothing => unreachable!("a job comes with the first visit"),
        #[cfg(test)]
        Task::Test(task) => test(&mut **task.borrow_mut(), unit, courier, first),
    }
}

#[cfg(test)]
fn test(
    task: &mut dyn TestTask,
    unit: &mut Unit<'_, '_>,
    courier: &Courier<'_>,
    first: bool,
) -> Result<(), Halt> {
    let keys = task.keys();
    let keys: Vec<crate::context::KeyRef<'_>> = keys.iter().map(|key| (0, &**key)).collect();
    if !(first && keys.len() == 1 && unit.begin_single(keys[0])) {
        unit.begin(&keys)?;
    }
    let result = task.run(unit);
    if !courier.again.get() {
        unit.commit();
    }
    result.map_err(Halt::Error)
}

/// EXEC: as [`Context::exec`](crate::Context::exec), but it may go back.
fn exec(
    queue: &[Queued],
    machine: &mut Machine,
    unit: &mut Unit<'_, '_>,
    tape: &mut Tape,
    courier: &Courier<'_>,
) -> Result<(), Halt> {
    *tape = Tape::new(courier.sink(|sink| sink.version()));
    let db = unit.scope.db;
    let args: Vec<Vec<&[u8]>> = queue.iter().map(borrowed).collect();
    let watches = std::mem::take(&mut unit.scope.watches);
    let mut keys = queue_keys(db, unit.databases(), queue, &args);
    keys.extend(watches.iter().map(|watch| (watch.db, &*watch.key)));
    let begun = unit.begin(&keys);
    drop(keys);
    unit.scope.watches = watches;
    begun?;
    let needs_memory = |queued: &Queued| queued.spec.flags.contains(Flags::DENY_OOM);
    if unit.full && queue.iter().any(needs_memory) {
        unit.commit();
        return Err(CommandError::OutOfMemory.into());
    }
    if unit.watches_hold() {
        tape.array(queue.len());
        for (queued, args) in queue.iter().zip(&args) {
            let result = match queued.spec.handler {
                Handler::Script(command) => {
                    program::run_queued(command, args, machine, unit, tape, courier)
                }
                _ => unit.run_queued(queued.spec, args, tape),
            };
            if let Err(error) = &result {
                tape.error(error);
            }
            if courier.again.get() {
                unit.scope.db = db;
                return Err(Halt::Busy);
            }
            let (db, failed) = (unit.scope.db, result.is_err());
            courier.host(|host| host.executed(queued.spec, db, args, failed));
        }
    } else {
        tape.null_array();
    }
    unit.commit();
    unit.unwatch();
    courier.sink(|sink| tape.play(sink));
    Ok(())
}
